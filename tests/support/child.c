/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/child.h"

#include "base/clock.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

uint64_t test_now_usec(void)
{
    return clock_monotonic_usec(clock_system());
}

static void child_put_stream(int fd, int number)
{
    int source = fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);

    if (source < 0 || dup2(source, number) < 0)
        _exit(126);
}

static void child_run(const char *const *argv, const char *const *environment,
                      const ChildStreams *streams)
{
    sigset_t none;

    (void)sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(126);
    child_put_stream(-1, STDIN_FILENO);
    child_put_stream(streams->output_fd, STDOUT_FILENO);
    child_put_stream(streams->error_fd, STDERR_FILENO);
    if (streams->keep_fd >= 0 && fcntl(streams->keep_fd, F_SETFD, 0) < 0)
        _exit(126);
    (void)execvpe(argv[0], (char *const *)(void *)argv, (char *const *)(void *)environment);
    _exit(127);
}

void child_spawn(Child *child, const char *const *argv, const char *const *environment,
                 const ChildStreams *streams)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        child_run(argv, environment, streams);
    child->pid = pid;
    child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    g_assert_cmpint(child->pidfd, >=, 0);
}

bool child_wait(Child *child, uint64_t timeout_usec, siginfo_t *ret_info)
{
    uint64_t deadline = usec_add(test_now_usec(), timeout_usec);
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};

    g_assert_cmpint(child->pid, >, 0);
    for (uint64_t now = test_now_usec();
         poll(&end, 1, now < deadline ? (int)((deadline - now) / 1000) : 0) <= 0;) {
        now = test_now_usec();
        if (now >= deadline)
            return false;
    }
    g_assert_cmpint(waitid(P_PIDFD, (id_t)child->pidfd, ret_info, WEXITED), ==, 0);
    child->pidfd = fd_close(child->pidfd);
    child->pid = 0;
    return true;
}

int child_wait_exit(Child *child, uint64_t timeout_usec)
{
    siginfo_t info = {0};

    g_assert_true(child_wait(child, timeout_usec, &info));
    g_assert_cmpint(info.si_code, ==, CLD_EXITED);
    return info.si_status;
}

void child_kill(const Child *child, int signo)
{
    g_assert_cmpint(child->pid, >, 0);
    g_assert_cmpint(kill(child->pid, signo), ==, 0);
}

bool child_end(Child *child, uint64_t timeout_usec)
{
    siginfo_t info;

    if (child->pid == 0)
        return true;
    child_kill(child, SIGTERM);
    if (child_wait(child, timeout_usec, &info))
        return true;
    child_kill(child, SIGKILL);
    g_assert_true(child_wait(child, timeout_usec, &info));
    return false;
}

void child_share_processor(const Child *child)
{
    int here = sched_getcpu();
    cpu_set_t set;

    g_assert_cmpint(child->pid, >, 0);
    g_assert_cmpint(here, >=, 0);
    CPU_ZERO(&set);
    CPU_SET((size_t)here, &set);
    g_assert_cmpint(sched_setaffinity(0, sizeof(set), &set), ==, 0);
    g_assert_cmpint(sched_setaffinity(child->pid, sizeof(set), &set), ==, 0);
}

/* Who is dead already only waits to be taken away: that is ours to do, who adopted them. */
bool child_is_any_left(void)
{
    siginfo_t info = {0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0)
        info.si_pid = 0;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

void child_adopt_orphans(void)
{
    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
}
