/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child may share its memory with the sleeping daemon. Hence: nothing but raw system calls (the
 * setuid of libc would signal all threads of the daemon), no allocation, no sanitizer (its
 * bookkeeping of this stack would outlive the child), and never a return. Signals arrive blocked,
 * and are let in only when no handler of the daemon can run any more. */

#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stddef.h>
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
        (void)syscall(SYS_write, plan->error_fd, &error, sizeof error);
    }
    for (;;)
        (void)syscall(SYS_exit_group, CHILD_EXIT_STATUS); /* does not come back */
}

/* Only ignored signals and handlers matter, but to ask which these are costs as much. */
static CHILD_FUNCTION bool child_reset_dispositions(void)
{
    for (int signo = 1; signo < _NSIG; signo++) {
        if (signo == SIGKILL || signo == SIGSTOP)
            continue;
        if (syscall(SYS_rt_sigaction, signo, child_zeroes, NULL, CHILD_SIGSET_BYTES) < 0)
            return false;
    }
    return true;
}

/* Before Linux 5.11 there is no close_range that sets the flag, and a sandbox may refuse it. */
static CHILD_FUNCTION bool child_close_on_exec(const ChildPlan *plan)
{
    if (plan->sys->close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return true;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
        return false;

    struct rlimit64 limit = {0};
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0)
        return false;
    for (long fd = STDERR_FILENO + 1; fd < (long)limit.rlim_cur; fd++)
        (void)syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC); /* most are not open */
    return true;
}

/* Groups while it is still allowed, the user last. */
static CHILD_FUNCTION void child_set_credentials(ChildPlan *plan)
{
    if (plan->sets_groups && syscall(CHILD_SYS_SETGROUPS, plan->n_groups, plan->groups) < 0)
        child_fail(plan, CHILD_STEP_GROUPS, errno);
    if (plan->sets_group && syscall(CHILD_SYS_SETRESGID, plan->gid, plan->gid, plan->gid) < 0)
        child_fail(plan, CHILD_STEP_GROUP, errno);
    if (plan->sets_user && syscall(CHILD_SYS_SETRESUID, plan->uid, plan->uid, plan->uid) < 0)
        child_fail(plan, CHILD_STEP_USER, errno);
}

/* While the daemon's own limit of descriptors is in force, so that none is overlooked. */
static CHILD_FUNCTION void child_set_descriptors(ChildPlan *plan)
{
    if (!child_close_on_exec(plan))
        child_fail(plan, CHILD_STEP_DESCRIPTORS, errno);
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &plan->nofile, NULL) < 0)
        child_fail(plan, CHILD_STEP_LIMITS, errno);
}

CHILD_FUNCTION void child_run(void *data)
{
    ChildPlan *plan = data;

    if (syscall(SYS_setsid) < 0)
        child_fail(plan, CHILD_STEP_SESSION, errno);
    if (!child_reset_dispositions())
        child_fail(plan, CHILD_STEP_SIGNALS, errno);
    if (syscall(SYS_dup3, plan->input_fd, STDIN_FILENO, 0) < 0)
        child_fail(plan, CHILD_STEP_INPUT, errno);
    if (plan->umask != CHILD_UMASK_KEEP)
        (void)syscall(SYS_umask, plan->umask); /* cannot fail */
    child_set_descriptors(plan);
    child_set_credentials(plan);
    /* As the user that it will run as, who may not be allowed what the daemon is. */
    if (plan->working_directory != NULL && syscall(SYS_chdir, plan->working_directory) < 0)
        child_fail(plan, CHILD_STEP_DIRECTORY, errno);
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, child_zeroes, NULL, CHILD_SIGSET_BYTES) < 0)
        child_fail(plan, CHILD_STEP_SIGNALS, errno);
    (void)syscall(SYS_execve, plan->path, plan->argv, plan->envp);
    child_fail(plan, CHILD_STEP_EXECUTE, errno);
}
