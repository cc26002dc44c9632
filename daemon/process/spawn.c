/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ways to a child. The first shares the daemon's memory until the exec: no page table is
 * copied, and the child's error is simply there when the daemon wakes up. The second, fork(2), is
 * for kernels and sandboxes that refuse the first; its child reports through a pipe that the exec
 * closes, which the daemon reads: it waits for the exec there as well. */

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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

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
            .sets_user = identity->sets_user,
            .sets_group = identity->sets_group,
            .sets_groups = identity->sets_groups,
            .uid = identity->uid,
            .gid = identity->gid,
            .groups = identity->groups,
            .n_groups = identity->n_groups,
            .nofile = host->nofile,
            .input_fd = host->null_fd,
            .error_fd = -1,
    };
    return true;
}

/* A change of credentials marks the shared memory as not to be dumped or traced. That protects the
 * child on its way, but is not meant for the daemon. */
static pid_t spawn_clone_vm(ProcessHost *host, ChildPlan *plan, int *ret_pidfd)
{
    bool changes = plan->sets_user || plan->sets_group;
    int dumpable = changes ? prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) : -1;
    pid_t pid = host->sys->clone_vm(child_run, plan, host->stack, host->stack_size, ret_pidfd);
    int saved = errno;

    if (changes && dumpable >= 0)
        (void)prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); /* costs at most a core dump */
    errno = saved;
    return pid;
}

static void spawn_read_error(ProcessHost *host, int fd, ChildPlan *plan)
{
    ChildError child_error;
    ssize_t n;

    do
        n = host->sys->read(fd, &child_error, sizeof child_error);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof child_error) {
        plan->error.step = child_error.step;
        plan->error.errno_value = child_error.errno_value;
    }
}

/* The child is dead or as good as dead: this does not wait for the outside world. */
static void spawn_reap(ProcessHost *host, pid_t pid)
{
    while (host->sys->waitid(P_PID, (id_t)pid, NULL, WEXITED) < 0 && errno == EINTR)
        ;
}

static pid_t spawn_fork(ProcessHost *host, ChildPlan *plan, int *ret_pidfd)
{
    int fds[2];

    if (host->sys->pipe2(fds, O_CLOEXEC) < 0)
        return -1;

    autofd int reading = fds[0], writing = fds[1];
    plan->error_fd = writing;
    pid_t pid = host->sys->fork();
    if (pid == 0)
        child_run(plan);
    writing = fd_close(writing);
    if (pid < 0)
        return -1;

    int pidfd = host->sys->pidfd_open(pid, 0);
    if (pidfd < 0) {
        int saved = errno;

        (void)host->sys->kill(pid, SIGKILL); /* our child, not reaped yet */
        spawn_reap(host, pid);
        errno = saved;
        return -1;
    }
    spawn_read_error(host, reading, plan);
    *ret_pidfd = pidfd;
    return pid;
}

static pid_t spawn_clone(ProcessHost *host, ChildPlan *plan, int *ret_pidfd)
{
    sigset_t all, original;

    (void)sigfillset(&all); /* none of these three can fail with good arguments */
    (void)sigprocmask(SIG_SETMASK, &all, &original);
    pid_t pid = spawn_clone_vm(host, plan, ret_pidfd);
    if (pid < 0 && (errno == ENOSYS || errno == EPERM))
        pid = spawn_fork(host, plan, ret_pidfd);

    int saved = errno;
    (void)sigprocmask(SIG_SETMASK, &original, NULL);
    errno = saved;
    return pid;
}

/* The kernel says ENOENT also when it is the interpreter that is missing. */
static bool spawn_set_exec_error(GError **error, const char *path, int errno_value)
{
    error_set_errno(error, errno_value, "cannot execute '%s'", path);
    if (errno_value == ENOENT && access(path, F_OK) == 0 && error != NULL) {
        char *message = g_strconcat((*error)->message,
                                    " (the file is there, but its interpreter is not)", NULL);

        g_free((*error)->message);
        (*error)->message = message;
    }
    return false;
}

static bool spawn_set_step_error(GError **error, const SpawnSpec *spec, const ChildPlan *plan)
{
    int value = plan->error.errno_value;
    const char *group = spec->group != NULL ? spec->group : "its user's";

    switch (plan->error.step) {
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
    case CHILD_STEP_EXECUTE:
        return spawn_set_exec_error(error, plan->path, value);
    case CHILD_STEP_NONE:
    case _CHILD_STEP_MAX:
        break;
    }
    g_assert_not_reached();
}

bool spawn_resolve_identity(const SpawnSpec *spec, Identity *ret_identity, GError **error)
{
    return identity_resolve(spec->user, spec->group, spec->supplementary_groups, ret_identity,
                            error);
}

bool spawn_start(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                 Spawned *ret_spawned, GError **error)
{
    g_auto(SpawnPrepared) prepared = {0};
    autofd int pidfd = -1;

    if (!spawn_prepare(host, spec, extras, &prepared, error))
        return false;

    pid_t pid = spawn_clone(host, &prepared.plan, &pidfd);
    if (pid < 0)
        return error_set_errno(error, errno, "cannot create a process");
    if (prepared.plan.error.step != CHILD_STEP_NONE) {
        spawn_reap(host, pid);
        return spawn_set_step_error(error, spec, &prepared.plan);
    }
    *ret_spawned = (Spawned){pid, fd_steal(&pidfd)};
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
