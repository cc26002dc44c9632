/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who takes part, the phase config, and the way in for reports and requests. What follows from them
 * is in group-launch.c and group-stop.c. */

#include "base/errors.h"
#include "base/log.h"
#include "base/parse.h"
#include "run/group-internal.h"

static const char *const group_phase_table[] = {
        [GROUP_PHASE_CONFIG] = "config",      [GROUP_PHASE_STARTUP_HOOKS] = "startup-hooks",
        [GROUP_PHASE_PRE_RUN] = "pre-run",    [GROUP_PHASE_SERVE] = "serve",
        [GROUP_PHASE_STOP] = "graceful-stop", [GROUP_PHASE_SHUTDOWN_HOOKS] = "shutdown-hooks",
        [GROUP_PHASE_DONE] = "done",
};
G_STATIC_ASSERT(G_N_ELEMENTS(group_phase_table) == _GROUP_PHASE_MAX);
ENUM_TABLE_DEFINE(GroupPhase, group_phase, group_phase_table)

static void on_group_step(void *data);
static void on_group_deadline(void *data);

static void group_slot_free(void *data)
{
    UnitSlot *slot = data;

    state_machine_free(slot->machine);
    g_free(slot);
}

Group *group_new(Clock *clock, TimerHost *timers, const GroupEvents *events)
{
    Group *group = g_new0(Group, 1);

    group->clock = clock;
    group->events = *events;
    group->slots = g_ptr_array_new_with_free_func(group_slot_free);
    group->errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    group_make_hooks(group, timers);
    group->lifecycle = lifecycle_new(clock);
    group->step = timer_new(timers, on_group_step, group);
    group->deadline = timer_new(timers, on_group_deadline, group);
    return group;
}

void group_free(Group *group)
{
    if (group == NULL)
        return;
    g_assert(group->phase == GROUP_PHASE_CONFIG || group->phase == GROUP_PHASE_DONE);
    timer_free(group->step);
    timer_free(group->deadline);
    for (int i = 0; i < _HOOK_MOMENT_MAX; i++)
        hooks_free(group->hooks[i]);
    lifecycle_free(group->lifecycle);
    g_ptr_array_unref(group->slots);
    g_ptr_array_unref(group->errors);
    g_free(group);
}

Lifecycle *group_lifecycle(Group *group)
{
    return group->lifecycle;
}

UnitSlot *group_slot(const Group *group, unsigned index)
{
    return g_ptr_array_index(group->slots, index);
}

static UnitSlot *group_find(const Group *group, const char *name)
{
    for (unsigned i = 0; i < group->slots->len; i++) {
        UnitSlot *slot = group_slot(group, i);

        if (g_str_equal(slot->unit.name, name))
            return slot;
    }
    return NULL;
}

static UnitSlot *group_get(const Group *group, const char *name)
{
    UnitSlot *slot = group_find(group, name);

    g_assert(slot != NULL);
    return slot;
}

/* What serve and stop are to the state machine. */

static bool group_unit_serve(void *data, GError **error)
{
    UnitSlot *slot = data;

    return slot->unit.serve(slot->unit.data, error);
}

static void group_unit_stop(void *data)
{
    UnitSlot *slot = data;

    slot->unit.stop(slot->unit.data);
}

static void on_group_unit_settled(void *data)
{
    UnitSlot *slot = data;
    Group *group = slot->group;
    const GError *error = state_machine_error(slot->machine);

    if (error != NULL)
        group_collect(group, g_error_copy(error));
    if (state_machine_is_over(slot->machine))
        group->is_stop_requested = true;
    group_kick(group);
}

static StateMachine *group_machine_new(UnitSlot *slot)
{
    StateMachineActions actions = {
            .start = slot->unit.serve != NULL ? group_unit_serve : NULL,
            .stop = slot->unit.stop != NULL ? group_unit_stop : NULL,
            .stops_any_time = slot->unit.stop != NULL,
            .settled = on_group_unit_settled,
            .data = slot,
    };

    return state_machine_new(slot->unit.name, &actions);
}

static bool group_unit_takes_part(const Unit *unit)
{
    return unit->options != NULL || unit->validate != NULL || unit->pre_run != NULL ||
           unit->undo != NULL || unit->serve != NULL || unit->stop != NULL || unit->force != NULL;
}

bool group_register(Group *group, const Unit *unit)
{
    g_assert(group->phase == GROUP_PHASE_CONFIG);
    g_assert(group_find(group, unit->name) == NULL);
    if (!group_unit_takes_part(unit))
        return false;

    UnitSlot *slot = g_new0(UnitSlot, 1);
    slot->unit = *unit;
    slot->group = group;
    slot->machine = group_machine_new(slot);
    g_ptr_array_add(group->slots, slot);
    return true;
}

bool group_deregister(Group *group, const char *name)
{
    g_assert(group->phase <= GROUP_PHASE_STARTUP_HOOKS);
    UnitSlot *slot = group_find(group, name);

    return slot != NULL && g_ptr_array_remove(group->slots, slot);
}

GroupPhase group_phase(const Group *group)
{
    return group->phase;
}

/* The phase config. */

static void group_refuse_rest(int argc, char **argv, GPtrArray *errors)
{
    for (int i = 1; i < argc; i++) {
        g_autofree char *excerpt = parse_excerpt(argv[i]);
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0';

        if (g_str_equal(argv[i], "--"))
            continue;
        g_ptr_array_add(errors,
                        g_error_new(SVCMGR_ERROR, ERROR_INVALID_ARGS,
                                    is_option ? "unknown option %s" : "unexpected argument \"%s\"",
                                    excerpt));
    }
}

bool group_configure(Group *group, GOptionContext *context, int *argc, char ***argv, GError **error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    for (unsigned i = 0; i < group->slots->len; i++) {
        const Unit *unit = &group_slot(group, i)->unit;

        if (unit->options != NULL)
            g_option_context_add_group(context, unit->options(unit->data));
    }
    /* Otherwise GOption stops at the first. */
    g_option_context_set_ignore_unknown_options(context, TRUE);
    GError *cause = NULL;
    if (!g_option_context_parse(context, argc, argv, &cause)) {
        g_set_error_literal(error, SVCMGR_ERROR, ERROR_INVALID_ARGS, cause->message);
        g_error_free(cause);
        return false;
    }

    group_refuse_rest(*argc, *argv, errors);
    for (unsigned i = 0; i < group->slots->len; i++) {
        const Unit *unit = &group_slot(group, i)->unit;

        if (unit->validate != NULL)
            unit->validate(unit->data, errors);
    }

    GError *joined = errors_join(errors);
    if (joined == NULL)
        return true;
    g_propagate_error(error, joined);
    return false;
}

/* What all phases do */

void group_enter(Group *group, GroupPhase phase)
{
    g_assert(phase > group->phase);
    group->phase = phase;
    log_debug("phase %s", group_phase_to_string(phase));
    if (group->events.phase != NULL)
        group->events.phase(phase, group->events.data);
}

void group_kick(Group *group)
{
    if (group->phase != GROUP_PHASE_CONFIG && group->phase != GROUP_PHASE_DONE)
        timer_arm(group->step, 0); /* before a deadline that is due as well */
}

void group_collect(Group *group, GError *error)
{
    g_ptr_array_add(group->errors, error);
}

void group_tell_late(Group *group, GPtrArray *names)
{
    const char *what = group->phase >= GROUP_PHASE_STOP ? "graceful stop" : "startup";

    if (names->len == 0)
        return;
    g_ptr_array_add(names, NULL);

    g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
    group_collect(group,
                  g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "%s took too long: %s", what, list));
    if (group->events.late != NULL)
        group->events.late(group->phase, (const char *const *)names->pdata, group->events.data);
}

static void on_group_step(void *data)
{
    Group *group = data;

    switch (group->phase) {
    case GROUP_PHASE_STARTUP_HOOKS:
        group_step_startup_hooks(group);
        break;
    case GROUP_PHASE_SERVE:
        group_step_serve(group);
        break;
    case GROUP_PHASE_STOP:
        group_step_stop(group);
        break;
    case GROUP_PHASE_SHUTDOWN_HOOKS:
        group_step_shutdown_hooks(group);
        break;
    case GROUP_PHASE_CONFIG:
    case GROUP_PHASE_PRE_RUN: /* it is over within its step */
    case GROUP_PHASE_DONE:
    case _GROUP_PHASE_MAX:
    case _GROUP_PHASE_INVALID:
        g_assert_not_reached();
    }
}

static void on_group_deadline(void *data)
{
    Group *group = data;

    if (group->phase >= GROUP_PHASE_STOP)
        group_stop_deadline(group);
    else
        group_startup_deadline(group);
}

void group_stop(Group *group, const char *reason)
{
    bool is_cut_short = group->phase >= GROUP_PHASE_STOP ||
                        (group->phase == GROUP_PHASE_STARTUP_HOOKS && group->is_forced);

    if (group->phase == GROUP_PHASE_DONE)
        return;
    if (is_cut_short) {
        log_warning("%s: the graceful stop is cut short", reason);
        timer_arm(group->deadline, clock_monotonic_usec(group->clock));
        return;
    }
    if (group->is_stop_requested)
        return;
    log_notice("%s: stopping", reason);
    group->is_stop_requested = true;
    hooks_drop(group->hooks[HOOK_STARTUP]);
    group_kick(group);
}

/* Reports */

void group_unit_ready(Group *group, const char *name)
{
    state_machine_started(group_get(group, name)->machine);
}

void group_unit_ended(Group *group, const char *name, const GError *error)
{
    StateMachine *machine = group_get(group, name)->machine;

    if (group->phase < GROUP_PHASE_PRE_RUN || group->phase == GROUP_PHASE_DONE)
        return; /* not begun, or given up */
    if (state_machine_state(machine) <= MACHINE_STARTED)
        log_notice("unit %s ended: stopping", name);
    state_machine_ended(machine, error);
}

void group_unit_stopped(Group *group, const char *name, const GError *error)
{
    group_unit_ended(group, name, error);
}
