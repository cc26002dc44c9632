/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has become of the definitions is a line for each thing that can become of one; what is wrong
 * with one is an error. */

#include "reload.h"

#include "call.h"
#include "text.h"

#include <stdio.h>

#define RELOAD_WORD_WIDTH 9

static gboolean reload_dry_run;

const GOptionEntry reload_option_entries[] = {
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &reload_dry_run,
         "Change nothing, only tell what would change", NULL},
        {NULL},
};

static const struct {
    const char *member; /* of the result; the word is the same */
    Colour colour;
} reload_fates[] = {
        {"created", COLOUR_GREEN},
        {"changed", COLOUR_YELLOW},
        {"removed", COLOUR_RED},
        {"unchanged", COLOUR_DIM},
};

static char *reload_join(const json_t *ids)
{
    GString *text = g_string_new(NULL);
    size_t index;
    const json_t *id;

    json_array_foreach(ids, index, id)
    {
        if (json_is_string(id))
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", json_string_value(id));
    }
    g_autofree char *joined = g_string_free(text, FALSE);
    return text_escape(joined);
}

/* "  changed: 2  db, web", cut to the width of a terminal. */
static void reload_print_fate(const Output *output, const char *word, Colour colour,
                              const json_t *ids)
{
    size_t n = json_array_size(ids);
    Colour shown = n > 0 ? colour : COLOUR_NONE;
    g_autofree char *names = reload_join(ids);
    g_autofree char *line =
            g_strdup_printf("%*s: %zu%s%s", RELOAD_WORD_WIDTH, word, n, n > 0 ? "  " : "", names);
    g_autofree char *cut = output->is_terminal
                                   ? text_cut(line, output->width, output_ellipsis(output))
                                   : g_strdup(line);

    printf("%s%s%s\n", output_colour(output, shown), cut, output_reset(output, shown));
}

static Outcome reload_report_failed(const json_t *failed)
{
    Outcome outcome = OUTCOME_DONE;
    const char *id;
    json_t *reason;

    json_object_foreach((json_t *)failed, id, reason)
    {
        CallSubject subject = {.verb = "load the definition of", .id = id};
        const char *text = json_is_string(reason) ? json_string_value(reason) : "";

        outcome = outcome_join(outcome, call_report_reason(&subject, OUTCOME_FAILED, text, NULL));
    }
    return outcome;
}

static void reload_print(Output *output, const json_t *result)
{
    if (output->json != JSON_MODE_NONE) {
        output_json(output, json_incref((json_t *)result));
        return;
    }
    if (output->is_quiet)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(reload_fates); i++)
        reload_print_fate(output, reload_fates[i].member, reload_fates[i].colour,
                          json_object_get(result, reload_fates[i].member));
    if (reload_dry_run)
        puts("Nothing was changed (--dry-run).");
}

Outcome reload_run(Client *client, char **arguments)
{
    CallSubject subject = {.verb = "reload the definitions"};
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;
    g_autoptr(json_t) result = NULL;
    Outcome outcome = call_manager_new(client, "ReloadDefinitions", &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    (void)sd_bus_message_open_container(call, 'a', "{sv}"); /* cannot fail on a new message */
    if (reload_dry_run)
        call_append_option(call, "dry_run", "b", 1);
    (void)sd_bus_message_close_container(call);
    outcome = call_send_patiently(client, &subject, call, &reply);
    sd_bus_message_unref(call);
    if (outcome == OUTCOME_DONE && value_read(reply, &result) < 0)
        outcome = client_fail(OUTCOME_FAILED, "reloaded, but the answer is no list");
    sd_bus_message_unref(reply);
    if (outcome != OUTCOME_DONE)
        return outcome;
    reload_print(&client->output, result);
    return reload_report_failed(json_object_get(result, "failed"));
}
