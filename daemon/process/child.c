/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child may share its memory with the sleeping daemon. Hence: nothing but raw system calls (the
 * setuid of libc would signal all threads of the daemon), no allocation, no sanitizer (its
 * bookkeeping of this stack would outlive the child), and never a return. Signals arrive blocked,
 * and are let in only when no handler of the daemon can run any more.
 *
 * A child that becomes somebody else is at the mercy of that user from then on, who may stop it or
 * let it hang in a file system of his own. It shares nothing with the daemon (spawn.c sees to
 * that), has let go of the daemon's descriptors before, and the copy of the daemon's memory that it
 * carries is neither dumped nor traced. */

#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILD_FUNCTION __attribute__((no_sanitize("address", "undefined")))
#define CHILD_EXIT_STATUS 127

/* The calls that take 32-bit ids; where the old ones took 16 bits, they have another name. */
#ifdef SYS_setresuid32
#define CHILD_SYS_SETRESUID SYS_setresuid32
#define CHILD_SYS_SETRESGID SYS_setresgid32
#define CHILD_SYS_SETGROUPS SYS_setgroups32
#else
#define CHILD_SYS_SETRESUID SYS_setresuid
#define CHILD_SYS_SETRESGID SYS_setresgid
#define CHILD_SYS_SETGROUPS SYS_setgroups
#endif

/* The kernel's own sigaction and sigset, all zero: SIG_DFL and nothing blocked. */
#define CHILD_SIGSET_BYTES (_NSIG / 8)
static const unsigned long child_zeroes[16];

static void child_fail_at(ChildPlan *plan, ChildStep step, int detail, int errno_value)
        __attribute__((noreturn)) CHILD_FUNCTION;
static void child_fail_at(ChildPlan *plan, ChildStep step, int detail, int errno_value)
{
    plan->error.step = step;
    plan->error.errno_value = errno_value;
    plan->error.detail = detail;
    if (plan->error_fd >= 0) {
        ChildError error = {step, errno_value, detail};

        /* When even this fails, the daemon sees a child that exited with 127. */
        (void)plan->sys->raw(SYS_write, plan->error_fd, &error, sizeof error);
    }
    for (;;)
        (void)syscall(SYS_exit_group, CHILD_EXIT_STATUS); /* does not come back */
}

static void child_fail(ChildPlan *plan, ChildStep step, int errno_value)
        __attribute__((noreturn)) CHILD_FUNCTION;
static void child_fail(ChildPlan *plan, ChildStep step, int errno_value)
{
    child_fail_at(plan, step, CHILD_NO_DETAIL, errno_value);
}

/* Session and process. The number is that of both. */

/* What the daemon prepared has room for any number. */
static CHILD_FUNCTION void child_write_pid(char *at, long pid)
{
    char digits[CHILD_PID_BYTES];
    unsigned n = 0;

    do
        digits[n++] = (char)('0' + pid % 10);
    while ((pid /= 10) > 0);
    while (n > 0)
        *at++ = digits[--n];
    *at = '\0';
}

static CHILD_FUNCTION void child_write_pids(const ChildPlan *plan, long pid)
{
    for (unsigned i = 0; i < CHILD_N_PIDS; i++) {
        if (plan->pids[i] != NULL)
            child_write_pid(plan->pids[i], pid);
    }
}

/* See process_host_mark. Where it may not be set the environment alone has to tell. */
static CHILD_FUNCTION void child_set_mark(const ChildPlan *plan, long session)
{
    struct rlimit64 mark = {.rlim_cur = plan->run_number | (uint64_t)session,
                            .rlim_max = plan->mark};

    if (plan->mark != 0)
        (void)plan->sys->raw(SYS_prlimit64, 0, RLIMIT_LOCKS, &mark, NULL);
}

static CHILD_FUNCTION void child_enter_cgroup(ChildPlan *plan)
{
    static const char self[] = "0";

    if (plan->cgroup_procs_fd >= 0 &&
        plan->sys->raw(SYS_write, plan->cgroup_procs_fd, self, sizeof self - 1) < 0)
        child_fail(plan, CHILD_STEP_CGROUP, errno);
}

/* No handler runs here between the unblocking and the exec: it would work on the daemon's memory.
 */
static CHILD_FUNCTION bool child_reset_dispositions(const ChildPlan *plan)
{
    for (int signo = 1; signo < _NSIG; signo++) {
        if ((plan->dispositions >> (signo - 1) & 1) == 0)
            continue;
        if (plan->sys->raw(SYS_rt_sigaction, signo, child_zeroes, NULL, CHILD_SIGSET_BYTES) < 0)
            return false;
    }
    return true;
}

/* Descriptors. The child has a table of its own, whoever's the memory is. */

static CHILD_FUNCTION bool child_move_up(const ChildPlan *plan, int *fd, int above)
{
    if (*fd < 0 || *fd > above)
        return true;

    long moved = plan->sys->raw(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, above + 1);
    if (moved < 0)
        return false;
    *fd = (int)moved;
    return true;
}

/* First everything that is still needed leaves the numbers that others are to have. */
static CHILD_FUNCTION void child_place_passes(ChildPlan *plan)
{
    int highest = plan->n_passes > 0 ? plan->passes[plan->n_passes - 1].target : STDERR_FILENO;

    if (!child_move_up(plan, &plan->error_fd, highest) ||
        !child_move_up(plan, &plan->input_fd, highest) ||
        !child_move_up(plan, &plan->output_fds[0], highest) ||
        !child_move_up(plan, &plan->output_fds[1], highest))
        child_fail(plan, CHILD_STEP_PASSES, errno);
    for (size_t i = 0; i < plan->n_passes; i++) {
        if (!child_move_up(plan, &plan->passes[i].fd, highest))
            child_fail_at(plan, CHILD_STEP_PASSES, plan->passes[i].target, errno);
    }
    for (size_t i = 0; i < plan->n_passes; i++) {
        if (plan->sys->raw(SYS_dup3, plan->passes[i].fd, plan->passes[i].target, 0) < 0)
            child_fail_at(plan, CHILD_STEP_PASSES, plan->passes[i].target, errno);
    }
}

/* Before Linux 5.11 there is no close_range that sets the flag, and a sandbox may refuse it. */
static CHILD_FUNCTION bool child_close_each(const ChildPlan *plan, bool at_once, unsigned first,
                                            unsigned last)
{
    struct rlimit64 limit = {0};

    if (plan->sys->raw(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0)
        return false;
    for (unsigned long fd = first; fd <= last && fd < limit.rlim_cur; fd++) {
        if (at_once)
            (void)plan->sys->raw(SYS_close, fd); /* most are not open */
        else
            (void)plan->sys->raw(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    }
    return true;
}

static CHILD_FUNCTION bool child_close(const ChildPlan *plan, unsigned first, unsigned last)
{
    bool at_once = plan->error_fd >= 0;

    if (first > last)
        return true;
    if (plan->sys->close_range(first, last, at_once ? 0 : CLOSE_RANGE_CLOEXEC) == 0)
        return true;
    return (errno == ENOSYS || errno == EINVAL || errno == EPERM) &&
           child_close_each(plan, at_once, first, last);
}

/* All but the standard ones, those that are passed, and the pipe above them. While the daemon
 * sleeps that is left to the exec, which lets it go on before: to close a file may take its time.
 */
static CHILD_FUNCTION bool child_close_others(const ChildPlan *plan)
{
    unsigned first = STDERR_FILENO + 1;

    for (size_t i = 0; i < plan->n_passes; i++) {
        unsigned target = (unsigned)plan->passes[i].target;

        if (!child_close(plan, first, target - 1))
            return false;
        first = target + 1;
    }
    if (plan->error_fd >= 0) {
        if (!child_close(plan, first, (unsigned)plan->error_fd - 1))
            return false;
        first = (unsigned)plan->error_fd + 1;
    }
    return child_close(plan, first, ~0U);
}

static CHILD_FUNCTION void child_place_standard(ChildPlan *plan)
{
    if (plan->sys->raw(SYS_dup3, plan->input_fd, STDIN_FILENO, 0) < 0)
        child_fail(plan, CHILD_STEP_INPUT, errno);
    for (int i = 0; i < CHILD_N_OUTPUTS; i++) {
        int target = STDOUT_FILENO + i;

        if (plan->output_fds[i] >= 0 &&
            plan->sys->raw(SYS_dup3, plan->output_fds[i], target, 0) < 0)
            child_fail_at(plan, CHILD_STEP_OUTPUT, target, errno);
    }
}

static CHILD_FUNCTION void child_set_descriptors(ChildPlan *plan)
{
    child_place_passes(plan);
    child_place_standard(plan);
    if (!child_close_others(plan))
        child_fail(plan, CHILD_STEP_DESCRIPTORS, errno);
}

/* Resources, with the daemon's own privileges. */

static CHILD_FUNCTION bool child_write_oom_score(const ChildPlan *plan)
{
    long fd =
            plan->sys->raw(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;

    long n = plan->sys->raw(SYS_write, fd, plan->oom_score, plan->oom_score_length);
    int errno_value = errno;
    (void)plan->sys->raw(SYS_close, fd);
    errno = errno_value;
    return n >= 0;
}

static CHILD_FUNCTION void child_set_limit(ChildPlan *plan, int resource,
                                           const struct rlimit64 *limit, int detail)
{
    if (plan->sys->raw(SYS_prlimit64, 0, resource, limit, NULL) < 0)
        child_fail_at(plan, CHILD_STEP_LIMITS, detail, errno);
}

/* That of descriptors comes after all that needs numbers, so that none is overlooked. */
static CHILD_FUNCTION void child_set_resources(ChildPlan *plan)
{
    if (plan->sets_nice && plan->sys->raw(SYS_setpriority, PRIO_PROCESS, 0, (long)plan->nice) < 0)
        child_fail(plan, CHILD_STEP_NICE, errno);
    if (plan->oom_score != NULL && !child_write_oom_score(plan))
        child_fail(plan, CHILD_STEP_OOM_SCORE, errno);
    child_set_limit(plan, RLIMIT_NOFILE, &plan->nofile, CHILD_NO_DETAIL);
    for (size_t i = 0; i < plan->n_limits; i++) {
        const SpawnLimit *limit = &plan->limits[i];
        struct rlimit64 value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

        child_set_limit(plan, limit->resource, &value, limit->resource);
    }
}

/* Privileges */

/* EINVAL: the kernel knows no more of them. */
static CHILD_FUNCTION void child_drop_bounding(ChildPlan *plan)
{
    for (unsigned long number = 0; number < 64; number++) {
        if ((plan->capabilities >> number & 1) != 0)
            continue;

        long has = plan->sys->raw(SYS_prctl, PR_CAPBSET_READ, number, 0L, 0L, 0L);
        if (has < 0 && errno == EINVAL)
            return;
        if (has < 0 ||
            (has > 0 && plan->sys->raw(SYS_prctl, PR_CAPBSET_DROP, number, 0L, 0L, 0L) < 0))
            child_fail_at(plan, CHILD_STEP_CAPABILITIES, (int)number, errno);
    }
}

/* What is inheritable comes through the exec whatever the bounding set is. What is permitted now is
 * still needed, and does not come through. */
static CHILD_FUNCTION void child_limit_inheritable(ChildPlan *plan)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    if (plan->sys->raw(SYS_prctl, PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) < 0 ||
        plan->sys->raw(SYS_capget, &header, data) < 0)
        child_fail(plan, CHILD_STEP_CAPABILITIES, errno);
    data[0].inheritable &= (uint32_t)plan->capabilities;
    data[1].inheritable &= (uint32_t)(plan->capabilities >> 32);
    if (plan->sys->raw(SYS_capset, &header, data) < 0)
        child_fail(plan, CHILD_STEP_CAPABILITIES, errno);
}

static CHILD_FUNCTION void child_set_capabilities(ChildPlan *plan)
{
    if (!plan->sets_capabilities)
        return;
    child_drop_bounding(plan);
    child_limit_inheritable(plan);
}

/* Groups while it is still allowed, the user last. */
static CHILD_FUNCTION void child_set_credentials(ChildPlan *plan)
{
    if (plan->sets_groups && plan->sys->raw(CHILD_SYS_SETGROUPS, plan->n_groups, plan->groups) < 0)
        child_fail(plan, CHILD_STEP_GROUPS, errno);
    if (plan->sets_group &&
        plan->sys->raw(CHILD_SYS_SETRESGID, plan->gid, plan->gid, plan->gid) < 0)
        child_fail(plan, CHILD_STEP_GROUP, errno);
    if (plan->sets_user && plan->sys->raw(CHILD_SYS_SETRESUID, plan->uid, plan->uid, plan->uid) < 0)
        child_fail(plan, CHILD_STEP_USER, errno);
    if (plan->sets_groups || plan->sets_group || plan->sets_user)
        (void)plan->sys->raw(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0,
                             0); /* cannot fail; until the exec */
}

/* The kernel says ENOENT also when it is the interpreter that is missing. Asked here, and not by
 * the daemon, who would wait for the file system. */
static CHILD_FUNCTION ChildStep child_failed_step(const ChildPlan *plan, int errno_value)
{
    if (errno_value == ENOENT && plan->sys->raw(SYS_faccessat, AT_FDCWD, plan->path, F_OK) == 0)
        return CHILD_STEP_INTERPRETER;
    return CHILD_STEP_EXECUTE;
}

static CHILD_FUNCTION void child_execute(ChildPlan *plan)
{
    (void)plan->sys->raw(SYS_execve, plan->path, plan->argv, plan->envp);

    int errno_value = errno;
    child_fail(plan, child_failed_step(plan, errno_value), errno_value);
}

/* As the user that it will run as, who may not be allowed what the daemon is. */
static CHILD_FUNCTION void child_change_directory(ChildPlan *plan)
{
    if (plan->working_directory != NULL && plan->sys->raw(SYS_chdir, plan->working_directory) < 0)
        child_fail(plan, CHILD_STEP_DIRECTORY, errno);
}

/* Last: it takes effect on the exec alone, and nothing that is done before should suffer. */
static CHILD_FUNCTION void child_renounce_privileges(ChildPlan *plan)
{
    if (plan->no_new_privileges &&
        plan->sys->raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
        child_fail(plan, CHILD_STEP_PRIVILEGES, errno);
}

CHILD_FUNCTION void child_run(void *data)
{
    ChildPlan *plan = data;
    long session = plan->sys->raw(SYS_setsid);

    if (session < 0)
        child_fail(plan, CHILD_STEP_SESSION, errno);
    child_write_pids(plan, session);
    child_set_mark(plan, session);
    child_enter_cgroup(plan);
    if (!child_reset_dispositions(plan))
        child_fail(plan, CHILD_STEP_SIGNALS, errno);
    child_set_descriptors(plan);
    if (plan->umask != CHILD_UMASK_KEEP)
        (void)plan->sys->raw(SYS_umask, plan->umask); /* cannot fail */
    child_set_resources(plan);
    child_set_capabilities(plan);
    child_set_credentials(plan);
    child_change_directory(plan);
    child_renounce_privileges(plan);
    if (plan->sys->raw(SYS_rt_sigprocmask, SIG_SETMASK, child_zeroes, NULL, CHILD_SIGSET_BYTES) < 0)
        child_fail(plan, CHILD_STEP_SIGNALS, errno);
    child_execute(plan);
    __builtin_unreachable();
}
