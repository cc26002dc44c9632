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

static void child_fail(ChildPlan *plan, ChildStep step, int errno_value)
        __attribute__((noreturn)) CHILD_FUNCTION;
static void child_fail(ChildPlan *plan, ChildStep step, int errno_value)
{
    plan->error.step = step;
    plan->error.errno_value = errno_value;
    if (plan->error_fd >= 0) {
        ChildError error = {step, errno_value};

        /* When even this fails, the daemon sees a child that exited with 127. */
        (void)plan->sys->raw(SYS_write, plan->error_fd, &error, sizeof error);
    }
    for (;;)
        (void)syscall(SYS_exit_group, CHILD_EXIT_STATUS); /* does not come back */
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

/* All but the standard ones and the pipe. While the daemon sleeps that is left to the exec, which
 * lets it go on before: to close a file may take its time. */
static CHILD_FUNCTION bool child_close_all(const ChildPlan *plan)
{
    if (plan->error_fd < 0)
        return child_close(plan, STDERR_FILENO + 1, ~0U);
    return child_close(plan, STDERR_FILENO + 1, (unsigned)plan->error_fd - 1) &&
           child_close(plan, (unsigned)plan->error_fd + 1, ~0U);
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

/* While the daemon's own limit of descriptors is in force, so that none is overlooked. */
static CHILD_FUNCTION void child_set_descriptors(ChildPlan *plan)
{
    if (!child_close_all(plan))
        child_fail(plan, CHILD_STEP_DESCRIPTORS, errno);
    if (plan->sys->raw(SYS_prlimit64, 0, RLIMIT_NOFILE, &plan->nofile, NULL) < 0)
        child_fail(plan, CHILD_STEP_LIMITS, errno);
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

/* See process_host_mark. Where it may not be set the environment alone has to tell. */
static CHILD_FUNCTION void child_set_mark(const ChildPlan *plan, long session)
{
    struct rlimit64 mark = {.rlim_cur = (uint64_t)session, .rlim_max = plan->mark};

    if (plan->mark != 0)
        (void)plan->sys->raw(SYS_prlimit64, 0, RLIMIT_LOCKS, &mark, NULL);
}

CHILD_FUNCTION void child_run(void *data)
{
    ChildPlan *plan = data;
    long session = plan->sys->raw(SYS_setsid);

    if (session < 0)
        child_fail(plan, CHILD_STEP_SESSION, errno);
    child_set_mark(plan, session);
    if (!child_reset_dispositions(plan))
        child_fail(plan, CHILD_STEP_SIGNALS, errno);
    if (plan->sys->raw(SYS_dup3, plan->input_fd, STDIN_FILENO, 0) < 0)
        child_fail(plan, CHILD_STEP_INPUT, errno);
    if (plan->umask != CHILD_UMASK_KEEP)
        (void)plan->sys->raw(SYS_umask, plan->umask); /* cannot fail */
    child_set_descriptors(plan);
    child_set_credentials(plan);
    /* As the user that it will run as, who may not be allowed what the daemon is. */
    if (plan->working_directory != NULL && plan->sys->raw(SYS_chdir, plan->working_directory) < 0)
        child_fail(plan, CHILD_STEP_DIRECTORY, errno);
    if (plan->sys->raw(SYS_rt_sigprocmask, SIG_SETMASK, child_zeroes, NULL, CHILD_SIGSET_BYTES) < 0)
        child_fail(plan, CHILD_STEP_SIGNALS, errno);
    child_execute(plan);
    __builtin_unreachable();
}
