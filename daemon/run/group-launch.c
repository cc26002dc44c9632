/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The launch: startup hooks, pre-run and serve, within one time. It has one way out: the graceful
 * stop. */

#include "base/errors.h"
#include "base/log.h"
#include "run/group-internal.h"

void group_run(Group *group, uint64_t startup_usec)
{
    g_assert(group->phase == GROUP_PHASE_CONFIG);
    group->startup_deadline_usec = usec_add(clock_monotonic_usec(group->clock),
                                            startup_usec > 0 ? startup_usec : GROUP_STARTUP_USEC);
    timer_arm(group->deadline, group->startup_deadline_usec);
    lifecycle_emit(group->lifecycle, LIFECYCLE_APP_STARTUP, NULL, NULL);
    group_enter(group, GROUP_PHASE_STARTUP_HOOKS);
    if (group->is_stop_requested)
        hooks_drop(group->hooks[HOOK_STARTUP]);
    hooks_run(group->hooks[HOOK_STARTUP]);
}

/* Startup hooks */

void group_step_startup_hooks(Group *group)
{
    if (group->are_hooks_over) {
        if (group->is_stop_requested)
            group_begin_stop(group);
        else
            group_step_pre_run(group);
        return;
    }
    if (!group->is_stop_requested || group->is_forced)
        return;
    group->is_forced = true;
    timer_arm(group->deadline, usec_add(clock_monotonic_usec(group->clock), GROUP_FORCE_USEC));
    hooks_abort(group->hooks[HOOK_STARTUP]);
}

/* The one that runs, or whose turn it is: nobody after it is late by itself. */
static void group_name_present_hook(const Group *group, GPtrArray *names)
{
    g_autoptr(GPtrArray) pending = hooks_list_pending(group->hooks[HOOK_STARTUP]);

    if (pending->len > 0)
        g_ptr_array_add(names, group_hook_title(g_ptr_array_index(pending, 0)));
}

static void group_tell_late_launch(Group *group, GPtrArray *names)
{
    if (!group->is_late_told)
        group_tell_late(group, names);
    group->is_late_told = group->is_stop_requested = true;
}

/* Pre-run */

/* A pre_run is one call, so only afterwards can it be seen that the time has passed in it. */
static bool group_pre_run_one(void *data, GError **error)
{
    UnitSlot *slot = data;
    Group *group = slot->group;

    if (group->is_stop_requested)
        return true; /* left as it is, closed */
    if (slot->unit.pre_run != NULL && !slot->unit.pre_run(slot->unit.data, error))
        return false;
    slot->is_open = true;
    if (clock_monotonic_usec(group->clock) < group->startup_deadline_usec)
        return true;

    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(names, g_strdup(slot->unit.name));
    group_tell_late_launch(group, names);
    return true;
}

/* What was opened stays so until the very end: whoever listens on the bus shall hear of it. */
static bool group_pre_run(Group *group, GError **error)
{
    g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(StartItem));

    for (unsigned i = 0; i < group->slots->len; i++) {
        UnitSlot *slot = group_slot(group, i);
        StartItem item = {slot->unit.name, group_pre_run_one, NULL, slot};

        g_array_append_val(items, item);
    }
    return multi_start((StartItem *)(void *)items->data, items->len, error);
}

void group_step_pre_run(Group *group)
{
    GError *error = NULL;

    group_enter(group, GROUP_PHASE_PRE_RUN);
    if (!group_pre_run(group, &error)) {
        group_collect(group, error);
        group->is_stop_requested = true;
    }
    if (group->is_stop_requested) {
        group_begin_stop(group);
        return;
    }
    group_enter(group, GROUP_PHASE_SERVE);
    group->is_serve_reached = true;
    for (unsigned i = 0; i < group->slots->len && !group->is_stop_requested; i++)
        (void)state_machine_start(group_slot(group, i)->machine, NULL); /* shows in its state */
    group_kick(group);
}

/* Serve */

static bool group_is_serving(const Group *group)
{
    for (unsigned i = 0; i < group->slots->len; i++) {
        if (state_machine_state(group_slot(group, i)->machine) != MACHINE_STARTED)
            return false;
    }
    return true;
}

void group_step_serve(Group *group)
{
    if (group->is_stop_requested) {
        group_begin_stop(group);
        return;
    }
    if (group->is_ready || !group_is_serving(group))
        return;
    group->is_ready = true;
    timer_disarm(group->deadline);
    if (group->events.ready != NULL)
        group->events.ready(group->events.data);
    lifecycle_emit(group->lifecycle, LIFECYCLE_APP_RUNNING, NULL, NULL);
}

static void group_name_not_serving(Group *group, GPtrArray *names)
{
    for (unsigned i = 0; i < group->slots->len; i++) {
        const UnitSlot *slot = group_slot(group, i);

        if (state_machine_state(slot->machine) < MACHINE_STARTED)
            g_ptr_array_add(names, g_strdup(slot->unit.name));
    }
}

/* The time is over, of the launch or of a startup hook that was told to end. One that does not even
 * then is given up, and named, if it was not before. */
static void group_startup_hooks_deadline(Group *group)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    group_name_present_hook(group, names);
    if (names->len == 0) { /* the step that goes on to pre-run is due as well, and comes first */
        timer_arm(group->deadline, clock_monotonic_usec(group->clock));
        return;
    }
    group_tell_late_launch(group, names);
    hooks_drop(group->hooks[HOOK_STARTUP]);
    if (!group->is_forced) {
        group_kick(group);
        return;
    }
    group_give_up_hooks(group, HOOK_STARTUP);
    group_begin_stop(group);
}

void group_startup_deadline(Group *group)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (group->phase == GROUP_PHASE_STARTUP_HOOKS) {
        group_startup_hooks_deadline(group);
        return;
    }
    group_name_not_serving(group, names);
    group_tell_late_launch(group, names);
    group_kick(group);
}
