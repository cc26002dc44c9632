/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The group as text: which unit and which hook is in which phase. */

#include "run/group-internal.h"

static void group_list_add(GString *line, const char *name)
{
    g_string_append_printf(line, "%s%s", line->len > 0 ? ", " : "", name);
}

static void group_list_hooks(const Group *group, HookMoment moment, GString *line)
{
    const Hooks *hooks = group->hooks[moment];
    g_autoptr(GPtrArray) names = hooks_list(hooks);

    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *title =
                g_strdup_printf("%s (priority %d)", name, hooks_priority(hooks, name));

        group_list_add(line, title);
    }
}

static bool group_unit_is_in(const Unit *unit, GroupPhase phase)
{
    switch (phase) {
    case GROUP_PHASE_CONFIG:
        return unit->options != NULL || unit->validate != NULL;
    case GROUP_PHASE_PRE_RUN:
        return unit->pre_run != NULL;
    case GROUP_PHASE_SERVE:
        return unit->serve != NULL;
    case GROUP_PHASE_STOP:
        return unit->stop != NULL || unit->force != NULL;
    case GROUP_PHASE_STARTUP_HOOKS:
    case GROUP_PHASE_SHUTDOWN_HOOKS:
    case GROUP_PHASE_DONE:
    case _GROUP_PHASE_MAX:
    case _GROUP_PHASE_INVALID:
        return false;
    }
    return false;
}

static char *group_list_phase(const Group *group, GroupPhase phase)
{
    bool is_reverse = phase == GROUP_PHASE_STOP;
    g_autoptr(GString) line = g_string_new(NULL);
    unsigned n_slots = group->slots->len;

    if (phase == GROUP_PHASE_STARTUP_HOOKS)
        group_list_hooks(group, HOOK_STARTUP, line);
    if (phase == GROUP_PHASE_SHUTDOWN_HOOKS)
        group_list_hooks(group, HOOK_SHUTDOWN, line);
    for (unsigned i = 0; i < n_slots; i++) {
        const Unit *unit = &group_slot(group, is_reverse ? n_slots - 1 - i : i)->unit;

        if (group_unit_is_in(unit, phase))
            group_list_add(line, unit->name);
    }
    return g_strdup(line->len > 0 ? line->str : "(none)");
}

char *group_list_units(const Group *group)
{
    GString *text = g_string_new(NULL);

    for (int i = 0; i < GROUP_PHASE_DONE; i++) {
        g_autofree char *line = group_list_phase(group, (GroupPhase)i);

        g_string_append_printf(text, "%s: %s\n", group_phase_to_string((GroupPhase)i), line);
    }
    return g_string_free(text, FALSE);
}
