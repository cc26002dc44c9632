/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that can be put together in the daemon is, so that the child has but to apply it. What
 * only the child can know, its own number, it writes into strings that have room for it. */

#include "base/errors.h"
#include "process/environment.h"
#include "process/host-internal.h"
#include "process/spawn-internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the child's number: as long as the longest. */
#define SPAWN_PID_ROOM "0000000000"
G_STATIC_ASSERT(sizeof SPAWN_PID_ROOM == CHILD_PID_BYTES);

void spawn_spec_clear(SpawnSpec *spec)
{
    g_clear_pointer(&spec->exec, g_strfreev);
    g_clear_pointer(&spec->environment, g_strfreev);
    g_clear_pointer(&spec->environment_file, g_free);
    g_clear_pointer(&spec->working_directory, g_free);
    g_clear_pointer(&spec->user, g_free);
    g_clear_pointer(&spec->group, g_free);
    g_clear_pointer(&spec->supplementary_groups, g_strfreev);
    g_clear_pointer(&spec->limits, g_array_unref);
}

static bool spawn_is_executable(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

char *spawn_find_program(const char *program, const char *path, GError **error)
{
    if (strchr(program, '/') != NULL)
        return g_strdup(program);

    g_auto(GStrv) directories = g_strsplit(path, ":", -1);
    for (char **directory = directories; *directory != NULL; directory++) {
        g_autofree char *candidate = g_strconcat(*directory, "/", program, NULL);

        /* A relative directory would mean the daemon's own. */
        if (candidate[0] == '/' && *directory[0] != '\0' && spawn_is_executable(candidate))
            return g_steal_pointer(&candidate);
    }
    error_set(error, ERROR_FAILED, "program '%s' not found in PATH (%s)", program, path);
    return NULL;
}

/* Environment */

static void spawn_set_user_environment(Environment *environment, const Identity *identity)
{
    if (identity->name == NULL)
        return;
    environment_set(environment, "USER", identity->name);
    environment_set(environment, "LOGNAME", identity->name);
    environment_set(environment, "HOME", identity->home);
    environment_set(environment, "SHELL", identity->shell);
}

static void spawn_set_strings(Environment *environment, char *const *strings)
{
    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++) {
        g_autofree char *name = g_strndup(strings[i], strcspn(strings[i], "="));

        environment_set(environment, name, strings[i] + strlen(name) + 1);
    }
}

static void spawn_set_number(Environment *environment, const char *name, uint64_t number)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, number);

    environment_set(environment, name, text);
}

/* What is different in every start. Their names are reserved, so nobody comes after. */
static void spawn_set_extras(Environment *environment, const SpawnExtras *extras)
{
    environment_set(environment, "INVOCATION_ID", extras->invocation_id);
    if (extras->service_id != NULL)
        environment_set(environment, "SVCMGR_ID", extras->service_id);
    if (extras->notify_socket != NULL)
        environment_set(environment, "NOTIFY_SOCKET", extras->notify_socket);
    if (extras->main_pid > 0)
        spawn_set_number(environment, "MAINPID", (uint64_t)extras->main_pid);
    if (extras->watchdog_usec > 0) {
        spawn_set_number(environment, "WATCHDOG_USEC", extras->watchdog_usec);
        environment_set(environment, "WATCHDOG_PID", SPAWN_PID_ROOM);
    }
    if (extras->n_listen > 0) {
        spawn_set_number(environment, "LISTEN_FDS", extras->n_listen);
        environment_set(environment, "LISTEN_PID", SPAWN_PID_ROOM);
    }
    if (extras->n_listen > 0 && extras->listen_names != NULL)
        environment_set(environment, "LISTEN_FDNAMES", extras->listen_names);
}

/* INVOCATION_ID comes first: those who look for it in /proc find it at the beginning. As root,
 * systemd-notify(1) names its parent as the sender, unless that is the MANAGERPID. */
static Environment *spawn_make_environment(const SpawnSpec *spec, const SpawnExtras *extras,
                                           GError **error)
{
    g_autoptr(Environment) environment = environment_new();
    const char *language = g_getenv("LANG");

    environment_set(environment, "INVOCATION_ID", extras->invocation_id);
    environment_set(environment, "PATH", ENVIRONMENT_PATH);
    if (language != NULL)
        environment_set(environment, "LANG", language);
    if (extras->notify_socket != NULL)
        spawn_set_number(environment, "MANAGERPID", (uint64_t)getpid());
    spawn_set_user_environment(environment, extras->identity);
    if (spec->environment_file != NULL &&
        !environment_add_file(environment, spec->environment_file, error))
        return NULL;
    spawn_set_strings(environment, spec->environment);
    spawn_set_extras(environment, extras);
    return g_steal_pointer(&environment);
}

/* NULL: there is no such variable. */
static char *spawn_find_value(char **envp, const char *prefix)
{
    for (; *envp != NULL; envp++) {
        if (g_str_has_prefix(*envp, prefix))
            return *envp + strlen(prefix);
    }
    return NULL;
}

/* Arguments */

/* NULL: they stay as they are. */
static char **spawn_make_argv(const SpawnExtras *extras)
{
    if (extras->exec == NULL || extras->main_pid <= 0)
        return NULL;

    char **argv = g_strdupv((char **)extras->exec);
    for (char **each = argv + 1; argv[0] != NULL && *each != NULL; each++) {
        if (!g_str_equal(*each, "$MAINPID") && !g_str_equal(*each, "${MAINPID}"))
            continue;
        g_free(*each);
        *each = g_strdup_printf("%d", (int)extras->main_pid);
    }
    return argv;
}

/* The plan */

static int spawn_compare_passes(const void *a, const void *b)
{
    return ((const ChildPass *)a)->target - ((const ChildPass *)b)->target;
}

static bool spawn_make_passes(const SpawnExtras *extras, ChildPass **ret_passes, GError **error)
{
    g_autofree ChildPass *passes = g_new(ChildPass, extras->n_passes);

    for (size_t i = 0; i < extras->n_passes; i++)
        passes[i] = (ChildPass){extras->passes[i].fd, extras->passes[i].target};
    if (extras->n_passes > 0)
        qsort(passes, extras->n_passes, sizeof *passes, spawn_compare_passes);
    for (size_t i = 0; i < extras->n_passes; i++) {
        g_assert(passes[i].target > STDERR_FILENO);
        if (i > 0 && passes[i].target == passes[i - 1].target)
            return error_set(error, ERROR_FAILED, "descriptor %d would have to be two at once",
                             passes[i].target);
    }
    *ret_passes = g_steal_pointer(&passes);
    return true;
}

static bool spawn_is_without_new_privileges(const SpawnSpec *spec, const Identity *identity)
{
    switch (spec->privileges) {
    case SPAWN_PRIVILEGES_AUTO:
        break;
    case SPAWN_PRIVILEGES_NEW:
        return false;
    case SPAWN_PRIVILEGES_NO_NEW:
        return true;
    }
    return identity->uid != 0;
}

static void spawn_plan_identity(ChildPlan *plan, const SpawnSpec *spec, const Identity *identity)
{
    plan->sets_user = identity->sets_user;
    plan->sets_group = identity->sets_group;
    plan->sets_groups = identity->sets_groups;
    plan->uid = identity->uid;
    plan->gid = identity->gid;
    plan->groups = identity->groups;
    plan->n_groups = identity->n_groups;
    plan->sets_capabilities = spec->sets_capabilities;
    plan->capabilities = spec->capabilities;
    plan->no_new_privileges = spawn_is_without_new_privileges(spec, identity);
}

static void spawn_plan_resources(SpawnPrepared *prepared, ProcessHost *host, const SpawnSpec *spec)
{
    ChildPlan *plan = &prepared->plan;

    plan->umask = spec->umask == SPAWN_UMASK_KEEP ? CHILD_UMASK_KEEP : (mode_t)spec->umask;
    plan->sets_nice = spec->nice != SPAWN_NICE_KEEP;
    plan->nice = spec->nice;
    if (spec->oom_score_adjust != SPAWN_OOM_SCORE_KEEP) {
        prepared->oom_score = g_strdup_printf("%d", spec->oom_score_adjust);
        plan->oom_score = prepared->oom_score;
        plan->oom_score_length = strlen(prepared->oom_score);
    }
    if (spec->limits != NULL) {
        plan->limits = (const SpawnLimit *)(const void *)spec->limits->data;
        plan->n_limits = spec->limits->len;
    }
    plan->nofile = host->nofile;
}

static void spawn_plan_strings(SpawnPrepared *prepared, const SpawnSpec *spec,
                               const SpawnExtras *extras)
{
    ChildPlan *plan = &prepared->plan;

    plan->path = prepared->path;
    plan->argv = extras->exec != NULL ? extras->exec : spec->exec;
    if (prepared->argv != NULL)
        plan->argv = prepared->argv;
    plan->envp = prepared->envp;
    plan->working_directory = spec->working_directory;
    if (extras->watchdog_usec > 0)
        plan->pids[0] = spawn_find_value(prepared->envp, "WATCHDOG_PID=");
    if (extras->n_listen > 0)
        plan->pids[1] = spawn_find_value(prepared->envp, "LISTEN_PID=");
}

bool spawn_prepare(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                   SpawnPrepared *prepared, GError **error)
{
    char *const *exec = extras->exec != NULL ? extras->exec : spec->exec;
    g_autoptr(Environment) environment = spawn_make_environment(spec, extras, error);

    if (environment == NULL)
        return false;
    if (!spawn_make_passes(extras, &prepared->passes, error))
        return false;
    prepared->path = spawn_find_program(exec[0], environment_get(environment, "PATH"), error);
    if (prepared->path == NULL)
        return false;
    prepared->envp = environment_to_strv(g_steal_pointer(&environment));
    prepared->argv = spawn_make_argv(extras);
    prepared->plan = (ChildPlan){
            .sys = host->sys,
            .dispositions = host->dispositions,
            .mark = process_host_mark(host->invocation_prefix),
            .run_number = process_host_run_number(extras->invocation_id) << HOST_SESSION_BITS,
            .cgroup_procs_fd = -1,
            .input_fd = host->null_fd,
            .output_fds = {extras->stdout_fd > 0 ? extras->stdout_fd : -1,
                           extras->stderr_fd > 0 ? extras->stderr_fd : -1},
            .passes = prepared->passes,
            .n_passes = extras->n_passes,
            .error_fd = -1,
    };
    spawn_plan_strings(prepared, spec, extras);
    spawn_plan_resources(prepared, host, spec);
    spawn_plan_identity(&prepared->plan, spec, extras->identity);
    return true;
}

void spawn_prepared_clear(SpawnPrepared *prepared)
{
    g_clear_pointer(&prepared->path, g_free);
    g_clear_pointer(&prepared->argv, g_strfreev);
    g_clear_pointer(&prepared->envp, g_strfreev);
    g_clear_pointer(&prepared->oom_score, g_free);
    g_clear_pointer(&prepared->passes, g_free);
}
