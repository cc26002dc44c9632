/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ways to a child. The first shares the daemon's memory until the exec: no page table is
 * copied, and the child's error is simply there when the daemon wakes up. The daemon sleeps until
 * then, so this is only for a child that stays as privileged as the daemon, in a cgroup that is not
 * frozen: one that has become somebody else can be stopped by that user, or be held in a file
 * system of his, for good.
 *
 * That one, and any other where kernel or sandbox refuse the first way, has a copy of the memory,
 * and nobody waits for it: it reports through a pipe that the exec closes, which the supervisor
 * watches like everything else that takes its time. */

#include "process/spawn.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/descriptors.h"
#include "process/host-internal.h"
#include "process/spawn-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SPAWN_EVENTS_BYTES 255

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SpawnPrepared, spawn_prepared_clear)

static bool spawn_changes_credentials(const ChildPlan *plan)
{
    return plan->sets_user || plan->sets_group || plan->sets_groups;
}

/* Whoever begins in a frozen cgroup stands still, and would have the daemon stand still with it:
 * one that was made just now is frozen, too, if one above it is. When nobody knows, it may be so.
 * Before Linux 5.2 none can be frozen. */
static bool spawn_is_frozen(ProcessHost *host, Cgroup *cgroup)
{
    int directory_fd = cgroup_directory_fd(cgroup);
    autofd int fd = directory_fd >= 0
                            ? host->sys->openat(directory_fd, "cgroup.events", O_RDONLY | O_CLOEXEC)
                            : -1;
    char text[SPAWN_EVENTS_BYTES + 1];
    ssize_t n = fd >= 0 ? sys_read(host->sys, fd, text, SPAWN_EVENTS_BYTES) : -1;

    if (n < 0)
        return true;
    text[n] = '\0';
    return strstr(text, "frozen 1") != NULL;
}

static bool spawn_is_refused(int errno_value)
{
    return errno_value == ENOSYS || errno_value == EPERM;
}

/* Of a kernel that knows no clone into a cgroup (before Linux 5.7), or not into this one. */
static bool spawn_cannot_place(int errno_value)
{
    return errno_value == EINVAL || errno_value == E2BIG || errno_value == EOPNOTSUPP;
}

/* For a child that has to move there itself. False and errno. */
static bool spawn_open_cgroup(ChildPlan *plan, const SpawnExtras *extras)
{
    Cgroup *cgroup = extras->cgroup;

    if (extras->may_begin_below && cgroup_is_divided(cgroup) && cgroup_leaf_fd(cgroup) < 0)
        return false;
    plan->cgroup_procs_fd = cgroup_procs_fd(cgroup);
    return plan->cgroup_procs_fd >= 0;
}

typedef pid_t (*SpawnClone)(SysChildFunc child, void *data, void *stack, size_t stack_size,
                            int cgroup_fd, int *ret_pidfd);

/* A cgroup that hands controllers down may have no processes itself (EBUSY). */
static pid_t spawn_clone_inside(ProcessHost *host, SpawnClone clone_child, ChildPlan *plan,
                                const SpawnExtras *extras, int *ret_pidfd)
{
    int cgroup_fd = cgroup_directory_fd(extras->cgroup);

    if (cgroup_fd < 0)
        return -1;
    pid_t pid = clone_child(child_run, plan, host->stack, host->stack_size, cgroup_fd, ret_pidfd);
    if (pid >= 0 || errno != EBUSY || !extras->may_begin_below)
        return pid;
    cgroup_fd = cgroup_leaf_fd(extras->cgroup);
    return cgroup_fd < 0 ? -1
                         : clone_child(child_run, plan, host->stack, host->stack_size, cgroup_fd,
                                       ret_pidfd);
}

static pid_t spawn_clone_placed(ProcessHost *host, SpawnClone clone_child, ChildPlan *plan,
                                const SpawnExtras *extras, int *ret_pidfd)
{
    if (extras->cgroup != NULL) {
        pid_t pid = spawn_clone_inside(host, clone_child, plan, extras, ret_pidfd);

        if (pid >= 0 || !spawn_cannot_place(errno))
            return pid;
        if (!spawn_open_cgroup(plan, extras))
            return -1;
    }
    return clone_child(child_run, plan, host->stack, host->stack_size, -1, ret_pidfd);
}

static pid_t spawn_fork(ProcessHost *host, ChildPlan *plan, const SpawnExtras *extras,
                        int *ret_pidfd)
{
    if (extras->cgroup != NULL && !spawn_open_cgroup(plan, extras))
        return -1;

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

static pid_t spawn_clone_apart(ProcessHost *host, ChildPlan *plan, const SpawnExtras *extras,
                               int *ret_pidfd, int *ret_error_fd)
{
    int fds[2];

    if (host->sys->pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;

    autofd int reading = fds[0], writing = fds[1];
    plan->error_fd = writing;
    pid_t pid = spawn_clone_placed(host, host->sys->clone_copy, plan, extras, ret_pidfd);
    if (pid < 0 && spawn_is_refused(errno))
        pid = spawn_fork(host, plan, extras, ret_pidfd);
    if (pid >= 0)
        *ret_error_fd = fd_steal(&reading);
    return pid;
}

static pid_t spawn_clone(ProcessHost *host, ChildPlan *plan, const SpawnExtras *extras,
                         int *ret_pidfd, int *ret_error_fd)
{
    Cgroup *cgroup = extras->cgroup;
    bool apart =
            spawn_changes_credentials(plan) || (cgroup != NULL && spawn_is_frozen(host, cgroup));
    sigset_t all, original;
    pid_t pid = -1;

    (void)sigfillset(&all); /* none of these three can fail with good arguments */
    (void)sigprocmask(SIG_SETMASK, &all, &original);
    if (!apart)
        pid = spawn_clone_placed(host, host->sys->clone_vm, plan, extras, ret_pidfd);
    if (apart || (pid < 0 && spawn_is_refused(errno)))
        pid = spawn_clone_apart(host, plan, extras, ret_pidfd, ret_error_fd);

    int saved = errno;
    (void)sigprocmask(SIG_SETMASK, &original, NULL);
    if (cgroup != NULL)
        cgroup_close(cgroup);
    errno = saved;
    return pid;
}

static bool spawn_set_clone_error(GError **error, const Cgroup *cgroup, int errno_value)
{
    if (cgroup == NULL)
        return error_set_errno(error, errno_value, "cannot create a process");
    return error_set_errno(error, errno_value, "cannot create a process in cgroup '%s'",
                           cgroup_path(cgroup));
}

SpawnProgress spawn_progress(ProcessHost *host, const SpawnSpec *spec, const char *path,
                             int error_fd, GError **error)
{
    ChildError child_error = {CHILD_STEP_NONE, EIO, CHILD_NO_DETAIL};
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
    (void)spawn_set_step_error(error, spec, path, &child_error);
    return SPAWN_FAILED;
}

bool spawn_resolve_identity(const SpawnSpec *spec, Identity *ret_identity, GError **error)
{
    return identity_resolve(spec->user, spec->group, spec->supplementary_groups, ret_identity,
                            error);
}

/* Whoever begins in a cgroup needs its directory opened in any case. */
static bool spawn_has_descriptors(const ProcessHost *host, Cgroup *cgroup)
{
    int directory_fd = cgroup != NULL ? cgroup_directory_fd(cgroup) : -1;

    return directory_fd >= 0 ? descriptors_are_spare_beside(directory_fd)
                             : descriptors_are_spare(host);
}

static bool spawn_check_descriptors(ProcessHost *host, Cgroup *cgroup, GError **error)
{
    if (spawn_has_descriptors(host, cgroup))
        return true;
    return error_set(error, ERROR_LIMIT_EXCEEDED,
                     "all but the last %d of the daemon's descriptors are in use; raise its limit "
                     "(RLIMIT_NOFILE)",
                     DESCRIPTORS_RESERVED);
}

bool spawn_start(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                 Spawned *ret_spawned, GError **error)
{
    g_auto(SpawnPrepared) prepared = {0};
    autofd int pidfd = -1;
    int error_fd = -1;

    if (!spawn_check_descriptors(host, extras->cgroup, error) ||
        !spawn_prepare(host, spec, extras, &prepared, error))
        return false;

    pid_t pid = spawn_clone(host, &prepared.plan, extras, &pidfd, &error_fd);
    if (pid < 0)
        return spawn_set_clone_error(error, extras->cgroup, errno);

    ChildError child_error = prepared.plan.error;
    if (child_error.step != CHILD_STEP_NONE) {
        /* It is exiting. If that is not over yet, it is an orphan, whom the host reaps. */
        (void)sys_waitid(host->sys, P_PID, (id_t)pid, NULL, WEXITED | WNOHANG);
        return spawn_set_step_error(error, spec, prepared.path, &child_error);
    }
    *ret_spawned = (Spawned){
            .pid = pid,
            .pidfd = fd_steal(&pidfd),
            .error_fd = error_fd,
            .path = error_fd >= 0 ? g_steal_pointer(&prepared.path) : NULL,
    };
    return true;
}
