/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end: units in reverse, each waited for, then the shutdown hooks, all within one time. The
 * last unit that is not over is the one to act on; nobody before it is touched until it is. */

#include "base/errors.h"
#include "base/log.h"
#include "run/group-internal.h"

static bool group_undo_one(void *data, GError **error)
{
    UnitSlot *slot = data;

    if (slot->is_open && slot->unit.undo != NULL)
        slot->unit.undo(slot->unit.data);
    slot->is_open = false;
    return true;
}

static void group_undo(Group *group)
{
    g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(StartItem));

    for (unsigned i = 0; i < group->slots->len; i++) {
        StartItem item = {group_slot(group, i)->unit.name, NULL, group_undo_one,
                          group_slot(group, i)};

        g_array_append_val(items, item);
    }
    (void)multi_stop((StartItem *)(void *)items->data, items->len, NULL); /* undo cannot fail */
}

/* The group may be gone afterwards. */
static void group_finish(Group *group)
{
    timer_disarm(group->deadline);
    timer_disarm(group->step);
    group_give_up_hooks(group, HOOK_SHUTDOWN);

    g_autoptr(GError) joined = errors_join(group->errors);
    lifecycle_emit(group->lifecycle, LIFECYCLE_APP_TERMINATED, NULL, joined);
    group_undo(group);
    group_enter(group, GROUP_PHASE_DONE);
    if (group->events.done != NULL)
        group->events.done(joined, group->events.data);
}

/* Whether there is anything that they could undo. */
static bool group_wants_shutdown_hooks(const Group *group)
{
    return group->is_serve_reached || hooks_n_begun(group->hooks[HOOK_STARTUP]) > 0;
}

void group_begin_stop(Group *group)
{
    g_autoptr(GError) joined = errors_join(group->errors);
    uint64_t stop_usec = group->events.stop_usec != NULL
                                 ? group->events.stop_usec(group->events.data)
                                 : GROUP_STOP_USEC;

    group->is_stop_requested = true;
    group->is_forced = group->are_hooks_over = false;
    timer_arm(group->deadline, usec_add(clock_monotonic_usec(group->clock), stop_usec));
    lifecycle_emit(group->lifecycle, LIFECYCLE_APP_TERMINATING, NULL, joined);
    group_enter(group, GROUP_PHASE_STOP);
    group_kick(group);
}

/* Graceful stop */

static UnitSlot *group_last_running(const Group *group)
{
    for (unsigned i = group->slots->len; group->is_serve_reached && i > 0; i--) {
        UnitSlot *slot = group_slot(group, i - 1);

        if (!state_machine_is_over(slot->machine))
            return slot;
    }
    return NULL;
}

static void group_begin_shutdown_hooks(Group *group)
{
    group_enter(group, GROUP_PHASE_SHUTDOWN_HOOKS);
    if (!group_wants_shutdown_hooks(group))
        hooks_drop(group->hooks[HOOK_SHUTDOWN]);
    hooks_run(group->hooks[HOOK_SHUTDOWN]);
}

/* That a stop is refused only says that it is under way, or waits for a start. */
void group_step_stop(Group *group)
{
    UnitSlot *slot = group_last_running(group);

    if (slot == NULL)
        group_begin_shutdown_hooks(group);
    else
        (void)state_machine_stop(slot->machine, NULL);
}

void group_step_shutdown_hooks(Group *group)
{
    if (group->are_hooks_over)
        group_finish(group);
}

/* Those that have not ended. */
static GPtrArray *group_late_names(const Group *group)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) hooks = hooks_list_pending(group->hooks[HOOK_SHUTDOWN]);

    for (unsigned i = 0; group->is_serve_reached && i < group->slots->len; i++) {
        const UnitSlot *slot = group_slot(group, i);

        if (!state_machine_is_over(slot->machine) &&
            (slot->unit.stop != NULL || state_machine_state(slot->machine) == MACHINE_STARTING))
            g_ptr_array_add(names, g_strdup(slot->unit.name));
    }
    for (unsigned i = 0; i < hooks->len; i++)
        g_ptr_array_add(names, group_hook_title(g_ptr_array_index(hooks, i)));
    return names;
}

static void group_force_units(Group *group)
{
    for (unsigned i = group->slots->len; group->is_serve_reached && i > 0; i--) {
        UnitSlot *slot = group_slot(group, i - 1);

        if (!state_machine_is_over(slot->machine) && slot->unit.force != NULL)
            slot->unit.force(slot->unit.data);
    }
}

void group_stop_deadline(Group *group)
{
    g_autoptr(GPtrArray) names = group_late_names(group);

    if (group->is_forced) {
        group_finish(group);
        return;
    }
    group->is_forced = true;
    group_tell_late(group, names);
    timer_arm(group->deadline, usec_add(clock_monotonic_usec(group->clock), GROUP_FORCE_USEC));
    group_force_units(group);
    hooks_abort(group->hooks[HOOK_SHUTDOWN]);
    group_kick(group);
}
