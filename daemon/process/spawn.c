/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ways to a child. The first shares the daemon's memory until the exec: no page table is
 * copied, and the child's error is simply there when the daemon wakes up. The daemon sleeps until
 * then, so this is only for a child that stays as privileged as the daemon: one that has become
 * somebody else can be stopped by that user, or be held in a file system of his, for good.
 *
 * That one, and any other where kernel or sandbox refuse the first way, has a copy of the memory,
 * and nobody waits for it: it reports through a pipe that the exec closes, which the supervisor
 * watches like everything else that takes its time. */

#include "process/spawn.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/child.h"
#include "process/environment.h"
#include "process/host-internal.h"
#include "process/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPAWN_RESERVED_FDS 64

typedef struct SpawnPrepared {
    char *path;
    char **envp;
    ChildPlan plan;
} SpawnPrepared;

void spawn_spec_clear(SpawnSpec *spec)
{
    g_clear_pointer(&spec->exec, g_strfreev);
    g_clear_pointer(&spec->environment, g_strfreev);
    g_clear_pointer(&spec->environment_file, g_free);
    g_clear_pointer(&spec->working_directory, g_free);
    g_clear_pointer(&spec->user, g_free);
    g_clear_pointer(&spec->group, g_free);
    g_clear_pointer(&spec->supplementary_groups, g_strfreev);
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

/* INVOCATION_ID comes first: those who look for it in /proc find it at the beginning. */
static Environment *spawn_make_environment(const SpawnSpec *spec, const SpawnExtras *extras,
                                           GError **error)
{
    g_autoptr(Environment) environment = environment_new();
    const char *language = g_getenv("LANG");

    environment_set(environment, "INVOCATION_ID", extras->invocation_id);
    environment_set(environment, "PATH", ENVIRONMENT_PATH);
    if (language != NULL)
        environment_set(environment, "LANG", language);
    spawn_set_user_environment(environment, extras->identity);
    if (spec->environment_file != NULL &&
        !environment_add_file(environment, spec->environment_file, error))
        return NULL;
    spawn_set_strings(environment, spec->environment);
    environment_set(environment, "INVOCATION_ID", extras->invocation_id);
    if (extras->service_id != NULL)
        environment_set(environment, "SVCMGR_ID", extras->service_id);
    if (extras->notify_socket != NULL)
        environment_set(environment, "NOTIFY_SOCKET", extras->notify_socket);
    return g_steal_pointer(&environment);
}

static void spawn_prepared_clear(SpawnPrepared *prepared)
{
    g_clear_pointer(&prepared->path, g_free);
    g_clear_pointer(&prepared->envp, g_strfreev);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SpawnPrepared, spawn_prepared_clear)

/* prepared is zero before. */
static bool spawn_prepare(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                          SpawnPrepared *prepared, GError **error)
{
    const Identity *identity = extras->identity;
    g_autoptr(Environment) environment = spawn_make_environment(spec, extras, error);

    if (environment == NULL)
        return false;
    prepared->path = spawn_find_program(spec->exec[0], environment_get(environment, "PATH"), error);
    if (prepared->path == NULL)
        return false;
    prepared->envp = environment_to_strv(g_steal_pointer(&environment));
    prepared->plan = (ChildPlan){
            .sys = host->sys,
            .path = prepared->path,
            .argv = spec->exec,
            .envp = prepared->envp,
            .working_directory = spec->working_directory,
            .umask = spec->umask == SPAWN_UMASK_KEEP ? CHILD_UMASK_KEEP : (mode_t)spec->umask,
            .dispositions = host->dispositions,
            .sets_user = identity->sets_user,
            .sets_group = identity->sets_group,
            .sets_groups = identity->sets_groups,
            .uid = identity->uid,
            .gid = identity->gid,
            .groups = identity->groups,
            .n_groups = identity->n_groups,
            .nofile = host->nofile,
            .mark = process_host_mark(host->invocation_prefix),
            .input_fd = host->null_fd,
            .error_fd = -1,
    };
    return true;
}

static bool spawn_changes_credentials(const ChildPlan *plan)
{
    return plan->sets_user || plan->sets_group || plan->sets_groups;
}

static bool spawn_is_refused(int errno_value)
{
    return errno_value == ENOSYS || errno_value == EPERM;
}

static pid_t spawn_fork(ProcessHost *host, ChildPlan *plan, int *ret_pidfd)
{
    pid_t pid = host->sys->fork();

    if (pid == 0)
        child_run(plan);
    if (pid < 0)
        return -1;

    int pidfd = host->sys->pidfd_open(pid, 0);
    if (pidfd < 0) {
        int saved = errno;

        (void)host->sys->kill(pid, SIGKILL); /* our child, not reaped yet; an orphan from now on */
        errno = saved;
        return -1;
    }
    *ret_pidfd = pidfd;
    return pid;
}

static pid_t spawn_clone_apart(ProcessHost *host, ChildPlan *plan, int *ret_pidfd,
                               int *ret_error_fd)
{
    int fds[2];

    if (host->sys->pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;

    autofd int reading = fds[0], writing = fds[1];
    plan->error_fd = writing;
    pid_t pid =
            host->sys->clone_copy(child_run, plan, host->stack, host->stack_size, -1, ret_pidfd);
    if (pid < 0 && spawn_is_refused(errno))
        pid = spawn_fork(host, plan, ret_pidfd);
    if (pid >= 0)
        *ret_error_fd = fd_steal(&reading);
    return pid;
}

static pid_t spawn_clone(ProcessHost *host, ChildPlan *plan, int *ret_pidfd, int *ret_error_fd)
{
    bool apart = spawn_changes_credentials(plan);
    sigset_t all, original;
    pid_t pid = -1;

    (void)sigfillset(&all); /* none of these three can fail with good arguments */
    (void)sigprocmask(SIG_SETMASK, &all, &original);
    if (!apart)
        pid = host->sys->clone_vm(child_run, plan, host->stack, host->stack_size, -1, ret_pidfd);
    if (apart || (pid < 0 && spawn_is_refused(errno)))
        pid = spawn_clone_apart(host, plan, ret_pidfd, ret_error_fd);

    int saved = errno;
    (void)sigprocmask(SIG_SETMASK, &original, NULL);
    errno = saved;
    return pid;
}

/* A step that is none comes from somebody who should not have had the pipe. */
static bool spawn_set_step_error(GError **error, const SpawnSpec *spec, const char *path,
                                 ChildStep step, int value)
{
    const char *group = spec->group != NULL ? spec->group : "its user's";

    switch (step) {
    case CHILD_STEP_SESSION:
        return error_set_errno(error, value, "cannot start a session");
    case CHILD_STEP_SIGNALS:
        return error_set_errno(error, value, "cannot reset signals");
    case CHILD_STEP_INPUT:
        return error_set_errno(error, value, "cannot set standard input");
    case CHILD_STEP_DIRECTORY:
        return error_set_errno(error, value, "cannot change to directory '%s'",
                               spec->working_directory);
    case CHILD_STEP_DESCRIPTORS:
        return error_set_errno(error, value, "cannot close descriptors");
    case CHILD_STEP_LIMITS:
        return error_set_errno(error, value, "cannot set the limit of descriptors");
    case CHILD_STEP_GROUPS:
        return error_set_errno(error, value, "cannot set supplementary groups");
    case CHILD_STEP_GROUP:
        return error_set_errno(error, value, "cannot change to group '%s'", group);
    case CHILD_STEP_USER:
        return error_set_errno(error, value, "cannot change to user '%s'", spec->user);
    case CHILD_STEP_INTERPRETER:
        return error_set(error, ERROR_FAILED,
                         "cannot execute '%s': %s (the file is there, but its interpreter is not)",
                         path, g_strerror(value));
    case CHILD_STEP_EXECUTE:
    case CHILD_STEP_NONE:
    case _CHILD_STEP_MAX:
        break;
    }
    return error_set_errno(error, value, "cannot execute '%s'", path);
}

SpawnProgress spawn_progress(ProcessHost *host, const SpawnSpec *spec, const char *path,
                             int error_fd, GError **error)
{
    ChildError child_error = {CHILD_STEP_NONE, EIO};
    ssize_t n = sys_read(host->sys, error_fd, &child_error, sizeof child_error);

    if (n < 0 && errno == EAGAIN)
        return SPAWN_PENDING;
    if (n == 0)
        return SPAWN_EXECUTED;
    if (n < 0) {
        error_set_errno(error, errno, "cannot learn whether '%s' was executed", path);
        return SPAWN_FAILED;
    }
    if (child_error.errno_value <= 0)
        child_error.errno_value = EIO; /* not from our child either */
    (void)spawn_set_step_error(error, spec, path, child_error.step, child_error.errno_value);
    return SPAWN_FAILED;
}

bool spawn_resolve_identity(const SpawnSpec *spec, Identity *ret_identity, GError **error)
{
    return identity_resolve(spec->user, spec->group, spec->supplementary_groups, ret_identity,
                            error);
}

/* Clients must still be able to connect, and the daemon to stop what it runs. The kernel gives out
 * the lowest free number, so that of a new descriptor says how many there are at least. */
static bool spawn_check_descriptors(ProcessHost *host, GError **error)
{
    struct rlimit limit;
    autofd int probe = fcntl(host->null_fd, F_DUPFD_CLOEXEC, 0);

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_set_errno(error, errno, "cannot read the limit of descriptors");
    if (probe >= 0 && (rlim_t)probe + SPAWN_RESERVED_FDS < limit.rlim_cur)
        return true;
    return error_set(error, ERROR_LIMIT_EXCEEDED,
                     "all but the last %d of the daemon's descriptors are in use; raise its limit "
                     "(RLIMIT_NOFILE)",
                     SPAWN_RESERVED_FDS);
}

bool spawn_start(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                 Spawned *ret_spawned, GError **error)
{
    g_auto(SpawnPrepared) prepared = {0};
    autofd int pidfd = -1;
    int error_fd = -1;

    if (!spawn_check_descriptors(host, error) ||
        !spawn_prepare(host, spec, extras, &prepared, error))
        return false;

    pid_t pid = spawn_clone(host, &prepared.plan, &pidfd, &error_fd);
    if (pid < 0)
        return error_set_errno(error, errno, "cannot create a process");
    if (prepared.plan.error.step != CHILD_STEP_NONE) {
        /* It is exiting. If that is not over yet, it is an orphan, whom the host reaps. */
        (void)sys_waitid(host->sys, P_PID, (id_t)pid, NULL, WEXITED | WNOHANG);
        return spawn_set_step_error(error, spec, prepared.path, prepared.plan.error.step,
                                    prepared.plan.error.errno_value);
    }
    *ret_spawned = (Spawned){
            .pid = pid,
            .pidfd = fd_steal(&pidfd),
            .error_fd = error_fd,
            .path = error_fd >= 0 ? g_steal_pointer(&prepared.path) : NULL,
    };
    return true;
}

static void spawn_check_file(const char *member, const char *path, int mode, SpawnDoubtFunc doubt,
                             void *data)
{
    if (access(path, mode) == 0)
        return;
    g_autofree char *message = g_strdup_printf("'%s': %s", path, g_strerror(errno));
    doubt(member, message, data);
}

static void spawn_check_program(const SpawnSpec *spec, SpawnDoubtFunc doubt, void *data)
{
    g_autoptr(GError) error = NULL;
    const char *path = g_environ_getenv(spec->environment, "PATH");
    g_autofree char *program =
            spawn_find_program(spec->exec[0], path != NULL ? path : ENVIRONMENT_PATH, &error);

    if (program == NULL)
        doubt("exec", error->message, data);
    else
        spawn_check_file("exec", program, X_OK, doubt, data);
}

static void spawn_check_identity(const char *member, const char *user, const char *group,
                                 char *const *supplementary, SpawnDoubtFunc doubt, void *data)
{
    g_autoptr(GError) error = NULL;
    Identity identity;

    if (identity_resolve(user, group, supplementary, &identity, &error))
        identity_clear(&identity);
    else
        doubt(member, error->message, data);
}

void spawn_check(const SpawnSpec *spec, SpawnDoubtFunc doubt, void *data)
{
    spawn_check_program(spec, doubt, data);
    if (spec->user != NULL)
        spawn_check_identity("user", spec->user, spec->group != NULL ? "0" : NULL, NULL, doubt,
                             data);
    if (spec->group != NULL)
        spawn_check_identity("group", NULL, spec->group, NULL, doubt, data);
    spawn_check_identity("supplementary_groups", NULL, NULL, spec->supplementary_groups, doubt,
                         data);
    if (spec->working_directory != NULL)
        spawn_check_file("working_directory", spec->working_directory, X_OK, doubt, data);
    if (spec->environment_file != NULL) {
        g_autoptr(Environment) environment = environment_new();
        g_autoptr(GError) error = NULL;

        if (!environment_add_file(environment, spec->environment_file, &error))
            doubt("environment_file", error->message, data);
    }
}
