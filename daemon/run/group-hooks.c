/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks of the group: their events and errors become the group's. */

#include "base/errors.h"
#include "run/group-internal.h"

/* Of each moment of hooks: its events. */
static const struct {
    LifecycleType before, after;
} group_hook_events[_HOOK_MOMENT_MAX] = {
        [HOOK_STARTUP] = {LIFECYCLE_PRE_HOOK_START, LIFECYCLE_POST_HOOK_START},
        [HOOK_SHUTDOWN] = {LIFECYCLE_PRE_HOOK_STOP, LIFECYCLE_POST_HOOK_STOP},
};

static void group_before_hook(Group *group, HookMoment moment, const char *name)
{
    lifecycle_emit(group->lifecycle, group_hook_events[moment].before, name, NULL);
}

static void on_group_before_startup_hook(const char *name, void *data)
{
    group_before_hook(data, HOOK_STARTUP, name);
}

static void on_group_before_shutdown_hook(const char *name, void *data)
{
    group_before_hook(data, HOOK_SHUTDOWN, name);
}

static void group_after_hook(Group *group, HookMoment moment, const char *name, const GError *error)
{
    lifecycle_emit(group->lifecycle, group_hook_events[moment].after, name, error);
    if (error == NULL)
        return;

    GError *copy = g_error_copy(error);
    g_prefix_error(&copy, "%s hook %s: ", hook_moment_to_string(moment), name);
    group_collect(group, copy);
}

/* What an abort that was asked for by group_stop makes of a hook is no failure. */
static void on_group_after_startup_hook(const char *name, const GError *error, void *data)
{
    Group *group = data;
    bool was_aborted = group->is_forced && !group->is_late_told;

    if (was_aborted)
        lifecycle_emit(group->lifecycle, LIFECYCLE_POST_HOOK_START, name, error);
    else
        group_after_hook(group, HOOK_STARTUP, name, error);
    group->is_stop_requested |= error != NULL;
}

static void on_group_after_shutdown_hook(const char *name, const GError *error, void *data)
{
    group_after_hook(data, HOOK_SHUTDOWN, name, error);
}

static void on_group_hooks_done(void *data)
{
    Group *group = data;

    group->are_hooks_over = true;
    group_kick(group);
}

void group_make_hooks(Group *group, TimerHost *timers)
{
    HooksEvents startup = {on_group_before_startup_hook, on_group_after_startup_hook,
                           on_group_hooks_done, group};
    HooksEvents shutdown = {on_group_before_shutdown_hook, on_group_after_shutdown_hook,
                            on_group_hooks_done, group};

    group->hooks[HOOK_STARTUP] = hooks_new(HOOK_STARTUP, timers, &startup);
    group->hooks[HOOK_SHUTDOWN] = hooks_new(HOOK_SHUTDOWN, timers, &shutdown);
}

bool group_add_hook(Group *group, HookMoment moment, const Hook *hook, GError **error)
{
    return hooks_add(group->hooks[moment], hook, error);
}

bool group_remove_hook(Group *group, HookMoment moment, const char *name)
{
    return hooks_remove(group->hooks[moment], name);
}

void group_hook_done(Group *group, HookMoment moment, const char *name, const GError *error)
{
    hooks_done(group->hooks[moment], name, error);
}

char *group_hook_title(const char *name)
{
    return g_strdup_printf("hook %s", name);
}

void group_give_up_hooks(Group *group, HookMoment moment)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, (int)ERROR_TIMEOUT, "given up");

    hooks_give_up(group->hooks[moment], error);
}
