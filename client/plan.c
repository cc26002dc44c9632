/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each step names the one that takes it along, and those that it waits for. */

#include "plan.h"

#include "record.h"
#include "table.h"

static const struct {
    const char *relation;
    const char *words;
} plan_reasons[] = {
        {"requires", "required by"}, {"wants", "wanted by"},   {"conflicts", "conflicts with"},
        {"part_of", "part of"},      {"members", "member of"},
};

static const struct {
    const char *action;
    Colour colour;
} plan_actions[] = {
        {"start", COLOUR_GREEN}, {"stop", COLOUR_YELLOW}, {"nothing", COLOUR_DIM},
        {"missing", COLOUR_RED}, {"refused", COLOUR_RED},
};

char *plan_reason(const json_t *step)
{
    const char *because = value_string(step, "because");
    const char *relation = value_string(step, "relation");

    if (because[0] == '\0')
        return g_strdup("asked for");
    for (size_t i = 0; i < G_N_ELEMENTS(plan_reasons); i++) {
        if (g_str_equal(plan_reasons[i].relation, relation))
            return g_strdup_printf("%s %s", plan_reasons[i].words, because);
    }
    return g_strdup_printf("%s %s", relation, because);
}

static Colour plan_colour(const char *action)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plan_actions); i++) {
        if (g_str_equal(plan_actions[i].action, action))
            return plan_actions[i].colour;
    }
    return COLOUR_NONE;
}

void plan_print(const Output *output, const json_t *steps)
{
    static const char *const headings[] = {"ID", "DO", "STATE", "BECAUSE", "AFTER", NULL};
    g_autoptr(Table) table = table_new(headings);
    size_t index;
    const json_t *step;

    json_array_foreach(steps, index, step)
    {
        const char *action = value_string(step, "action");
        const char *state = value_string(step, "state");
        g_autofree char *reason = plan_reason(step);
        g_autofree char *after = record_names(json_object_get(step, "after"), SIZE_MAX);

        table_add(table, COLOUR_NONE, value_string(step, "id"));
        table_add(table, plan_colour(action), action);
        table_add(table, output_state_colour(state), state[0] != '\0' ? state : "-");
        table_add(table, COLOUR_NONE, reason);
        table_add(table, COLOUR_NONE, after);
    }
    table_print(table, output);
}
