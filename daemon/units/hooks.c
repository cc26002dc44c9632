/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each executable of startup.d and shutdown.d is a hook of its own, under the name of its file.
 * Those of shutdown-error.d are told, side by side, what is late when a shutdown has run out of
 * time. The stop goes on meanwhile; only the very end gives them a moment, since whoever runs the
 * daemon may end all its processes with it. */

#include "base/errors.h"
#include "base/log.h"
#include "process/program-hook.h"
#include "units/units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HOOKS_TOLD_USEC (2 * USEC_PER_SEC)

typedef struct UnitHook {
    Daemon *daemon;
    HookMoment moment;
    char *path;
    char *name;
    ProgramHook *program; /* NULL: it has not run */
} UnitHook;

static void unit_hook_free(void *data)
{
    UnitHook *hook = data;

    program_hook_free(hook->program);
    g_free(hook->path);
    g_free(hook->name);
    g_free(hook);
}

static void on_unit_hook_done(const GError *error, void *data)
{
    UnitHook *hook = data;

    group_hook_done(hook->daemon->group, hook->moment, hook->name, error);
}

static void unit_hook_run(void *data)
{
    UnitHook *hook = data;
    g_autoptr(GError) error = NULL;
    ProcessHost *host = NULL;

    if (program_hook_check(hook->path, geteuid(), &error))
        host = host_get(hook->daemon, &error);
    if (host == NULL) {
        group_hook_done(hook->daemon->group, hook->moment, hook->name, error);
        return;
    }
    hook->program = program_hook_new(host, hook->path, hook_moment_to_string(hook->moment));
    program_hook_run(hook->program, NULL, NULL, on_unit_hook_done, hook);
}

static void unit_hook_abort(void *data)
{
    UnitHook *hook = data;

    if (hook->program != NULL)
        program_hook_abort(hook->program);
}

static char *hooks_directory(const Daemon *daemon, const char *occasion)
{
    g_autofree char *name = g_strconcat(occasion, ".d", NULL);

    return g_build_filename(daemon->options.hooks_dir, name, NULL);
}

static void hooks_add_one(Daemon *daemon, HookMoment moment, const char *path, GPtrArray *errors)
{
    UnitHook *unit_hook = g_new0(UnitHook, 1);
    GError *error = NULL;

    unit_hook->daemon = daemon;
    unit_hook->moment = moment;
    unit_hook->path = g_strdup(path);
    unit_hook->name = g_path_get_basename(path);
    g_ptr_array_add(daemon->hooks, unit_hook);

    Hook hook = {.name = unit_hook->name,
                 .run = unit_hook_run,
                 .abort = unit_hook_abort,
                 .data = unit_hook};
    if (!group_add_hook(daemon->group, moment, &hook, &error)) {
        g_prefix_error(&error, "%s: ", path);
        g_ptr_array_add(errors, error);
    }
}

static void hooks_add_directory(Daemon *daemon, HookMoment moment, GPtrArray *errors)
{
    g_autofree char *directory = hooks_directory(daemon, hook_moment_to_string(moment));
    g_autoptr(GPtrArray) paths = program_hooks_find(directory, geteuid(), errors);

    for (unsigned i = 0; i < paths->len; i++)
        hooks_add_one(daemon, moment, g_ptr_array_index(paths, i), errors);
}

void hooks_unit_validate(void *data, GPtrArray *errors)
{
    Daemon *daemon = data;

    daemon->hooks = g_ptr_array_new_with_free_func(unit_hook_free);
    if (daemon->options.hooks_dir == NULL || daemon->options.help || daemon->options.version ||
        daemon->options.print_config)
        return;
    if (daemon->options.hooks_dir_given && access(daemon->options.hooks_dir, F_OK) < 0) {
        GError *error = NULL;

        (void)error_set_errno(&error, errno, "the hooks directory %s", daemon->options.hooks_dir);
        g_ptr_array_add(errors, error);
        return;
    }
    for (HookMoment moment = 0; moment < _HOOK_MOMENT_MAX; moment++)
        hooks_add_directory(daemon, moment, errors);
}

void hooks_unit_forget_shutdown(Daemon *daemon)
{
    for (unsigned i = 0; i < daemon->hooks->len; i++) {
        const UnitHook *hook = g_ptr_array_index(daemon->hooks, i);

        if (hook->moment == HOOK_SHUTDOWN)
            (void)group_remove_hook(daemon->group, HOOK_SHUTDOWN, hook->name);
    }
}

void hooks_unit_free(Daemon *daemon)
{
    g_clear_pointer(&daemon->hooks, g_ptr_array_unref);
}

/* Those that are told */

static void hooks_unit_check_over(Daemon *daemon)
{
    if (daemon->on_hooks_over == NULL || daemon->n_hooks_telling > 0)
        return;
    timer_free(g_steal_pointer(&daemon->hooks_deadline));
    daemon->on_hooks_over(daemon);
}

static void on_hooks_told(const GError *error, void *data)
{
    Daemon *daemon = ((UnitHook *)data)->daemon;

    if (error != NULL)
        log_warning("%s", error->message);
    daemon->n_hooks_telling--;
    hooks_unit_check_over(daemon);
}

static void hooks_tell_one(Daemon *daemon, const char *path, const char *const *late,
                           const char *const *environment)
{
    UnitHook *hook = g_new0(UnitHook, 1);

    hook->daemon = daemon;
    hook->program = program_hook_new(daemon->host, path, "shutdown-error");
    g_ptr_array_add(daemon->hooks, hook);
    daemon->n_hooks_telling++;
    program_hook_run(hook->program, late, environment, on_hooks_told, hook);
}

void hooks_tell_late(Daemon *daemon, const char *const *late, const char *running)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autofree char *directory = NULL, *variable = NULL;
    g_autoptr(GPtrArray) paths = NULL;

    if (daemon->options.hooks_dir == NULL || daemon->host == NULL)
        return;
    directory = hooks_directory(daemon, "shutdown-error");
    variable = g_strconcat("SVCMGR_RUNNING=", running != NULL ? running : "", NULL);
    paths = program_hooks_find(directory, geteuid(), errors);
    for (unsigned i = 0; i < errors->len; i++)
        log_warning("%s", ((const GError *)g_ptr_array_index(errors, i))->message);
    for (unsigned i = 0; i < paths->len; i++)
        hooks_tell_one(daemon, g_ptr_array_index(paths, i), late, (const char *[]){variable, NULL});
}

/* Each then ends, or is told to be unkillable. */
static void on_hooks_deadline(void *data)
{
    Daemon *daemon = data;

    for (unsigned i = 0; i < daemon->hooks->len; i++)
        unit_hook_abort(g_ptr_array_index(daemon->hooks, i));
}

void hooks_unit_end(Daemon *daemon, void (*on_over)(Daemon *daemon))
{
    daemon->on_hooks_over = on_over;
    daemon->hooks_deadline = timer_new(loop_timers(daemon->loop), on_hooks_deadline, daemon);
    timer_arm(daemon->hooks_deadline,
              usec_add(clock_monotonic_usec(loop_clock(daemon->loop)), HOOKS_TOLD_USEC));
    hooks_unit_check_over(daemon);
}
