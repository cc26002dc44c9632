/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stop of a service, as its cgroup sees it, in the real hierarchy: it is thawed, a signal goes
 * to all but one, and when nobody is in it any more it goes as well. */

#include "cgroup-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void write_freeze(const CgroupFixture *fixture)
{
    g_autofree char *path = cgroup_fixture_directory(fixture, "web.svc/cgroup.freeze");
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(write(fd, "1", 1), ==, 1);
}

/* Until the kernel has told it. */
static void wait_frozen(const CgroupFixture *fixture)
{
    g_autofree char *path = cgroup_fixture_directory(fixture, "web.svc/cgroup.events");
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[256] = "";

    while (strstr(text, "frozen 1") == NULL) {
        g_assert_cmpint(poll(&(struct pollfd){.fd = fd, .events = POLLPRI}, 1, 20000), ==, 1);
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        g_assert_cmpint(n, >, 0);
        text[n] = '\0';
    }
}

/* One is excepted; who is stopped gets the signal when it is continued. */
static void test_send(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t main_pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    pid_t other = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    CgroupSignal signal = {.signo = SIGTERM, .continues = true, .not_pid = main_pid};
    CgroupReached reached = {0};

    g_assert_cmpint(kill(other, SIGSTOP), ==, 0);
    g_assert_cmpint(waitpid(other, NULL, WUNTRACED), ==, other);
    g_assert_true(cgroup_send(cgroup, &signal, &reached));
    g_assert_cmpuint(reached.n, ==, 1);
    g_assert_true(reached.has_not_pid);
    g_assert_cmpint(waitpid(other, NULL, 0), ==, other);
    g_assert_cmpint(waitpid(main_pid, NULL, WNOHANG), ==, 0);

    cgroup_fixture_move(fixture->base, main_pid);
    g_assert_true(cgroup_send(cgroup, &signal, &reached));
    g_assert_cmpuint(reached.n, ==, 0);
    g_assert_false(reached.has_not_pid);
    g_assert_cmpint(kill(main_pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(main_pid, NULL, 0), ==, main_pid);
    cgroup_free(cgroup);
}

static unsigned n_writes;

static ssize_t write_counted(int fd, const void *buffer, size_t size)
{
    n_writes++;
    return sys_linux.write(fd, buffer, size);
}

static int openat_without_freeze(int directory_fd, const char *path, int flags)
{
    if (!g_str_has_suffix(path, "/cgroup.freeze"))
        return sys_linux.openat(directory_fd, path, flags);
    errno = ENOENT;
    return -1;
}

/* Only where somebody has asked for it; also when it has not come to that yet. */
static void test_thaw(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);

    fixture->sys.write = write_counted;
    n_writes = 0;
    cgroup_thaw(cgroup);
    g_assert_cmpuint(n_writes, ==, 0);
    for (unsigned i = 1; i <= 2; i++) {
        write_freeze(fixture);
        if (i == 2)
            wait_frozen(fixture);
        cgroup_thaw(cgroup);
        g_assert_cmpuint(n_writes, ==, i);
    }
    fixture->sys.openat = openat_without_freeze;
    cgroup_thaw(cgroup);
    g_assert_cmpuint(n_writes, ==, 2);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
}

static int unlinkat_lies(int directory_fd, const char *path, int flags)
{
    errno = EBUSY;
    return -1;
}

/* It goes as soon as that is known; if it is divided, with the rest. */
static void test_remove(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    g_autofree char *directory = cgroup_fixture_directory(fixture, "web.svc");
    g_autofree char *below = cgroup_fixture_directory(fixture, "web.svc/below");
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);

    g_assert_false(cgroup_remove_if_empty(cgroup));
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_fixture_wait_empty(fixture, cgroup);
    g_assert_true(cgroup_remove_if_empty(cgroup));
    g_assert_false(is_there(directory));
    g_assert_cmpint(mkdir(directory, 0755), ==, 0); /* somebody else's */
    g_assert_true(cgroup_remove_if_empty(cgroup));
    cgroup_free(cgroup);
    g_assert_true(is_there(directory));

    cgroup = cgroup_fixture_new(fixture, "web");
    g_assert_cmpint(mkdir(below, 0755), ==, 0);
    g_assert_true(cgroup_remove_if_empty(cgroup));
    g_assert_true(is_there(below));
    cgroup_free(cgroup);
    g_assert_false(is_there(directory));

    cgroup = cgroup_fixture_new(fixture, "web");
    g_assert_cmpint(rmdir(directory), ==, 0);
    g_assert_true(cgroup_remove_if_empty(cgroup));
    fixture->sys.unlinkat = unlinkat_lies;
    g_assert_false(cgroup_remove_if_empty(cgroup)); /* neither can be known */
    fixture->sys.unlinkat = sys_linux.unlinkat;
    cgroup_free(cgroup);
}

/* Whether somebody has it open for writing. */
static bool pipe_is_held(int fd)
{
    struct pollfd end = {.fd = fd};

    g_assert_cmpint(poll(&end, 1, 0), >=, 0);
    return (end.revents & POLLHUP) == 0;
}

/* Whoever is in it no more holds nothing that the next one might want, dead in /proc or not. */
static void test_remove_at_once(CgroupFixture *fixture, const void *unused)
{
    for (unsigned i = 0; fixture->base != NULL && i < 50; i++) {
        int fds[2];

        g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
        Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
        pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
        fds[1] = fd_close(fds[1]);
        g_assert_true(pipe_is_held(fds[0]));
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        while (!cgroup_remove_if_empty(cgroup)) /* the kernel tells it only later than it knows */
            ;
        g_assert_false(pipe_is_held(fds[0]));
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        fds[0] = fd_close(fds[0]);
        cgroup_free(cgroup);
    }
}

static int pidfd_cgroup_missing(int pidfd, uint64_t *ret_id)
{
    errno = ENOTTY;
    return -1;
}

/* Also when it is dead and not reaped; whether the kernel tells by descriptor or only by /proc. */
static void test_left(CgroupFixture *fixture, const void *unused)
{
    for (unsigned i = 0; fixture->base != NULL && i < 2; i++) {
        Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
        g_autofree char *below = cgroup_fixture_directory(fixture, "web.svc/below");
        pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
        autofd int pidfd = fixture->sys.pidfd_open(pid, 0);

        if (i == 1)
            fixture->sys.pidfd_cgroup = pidfd_cgroup_missing;
        g_assert_false(cgroup_has_left(cgroup, pid, pidfd));
        g_assert_cmpint(mkdir(below, 0755), ==, 0);
        cgroup_fixture_move(below, pid);
        g_assert_false(cgroup_has_left(cgroup, pid, pidfd));
        cgroup_fixture_move(fixture->base, pid);
        g_assert_true(cgroup_has_left(cgroup, pid, pidfd));
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), ==, 0);
        g_assert_true(cgroup_has_left(cgroup, pid, pidfd));
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_false(cgroup_has_left(cgroup, pid, pidfd)); /* nobody knows */
        cgroup_free(cgroup);
    }
}

static unsigned n_asked; /* /proc */

static int openat_counting(int directory_fd, const char *path, int flags)
{
    n_asked += directory_fd == AT_FDCWD;
    return sys_linux.openat(directory_fd, path, flags);
}

/* Of one that is at home, dead or not, a kernel that can tells it by the descriptor. */
static void test_at_home(CgroupFixture *fixture, const void *unused)
{
    uint64_t id;

    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    autofd int pidfd = fixture->sys.pidfd_open(pid, 0);
    bool tells = fixture->sys.pidfd_cgroup(pidfd, &id) == 0;

    g_assert_true(tells || errno == ENOTTY || errno == EINVAL);
    fixture->sys.openat = openat_counting;
    n_asked = 0;
    g_assert_false(cgroup_has_left(cgroup, pid, pidfd));
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), ==, 0);
    g_assert_false(cgroup_has_left(cgroup, pid, pidfd));
    g_assert_cmpuint(n_asked, ==, tells ? 0 : 2);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
}

#define ADD(path, func)                                                                            \
    g_test_add(path, CgroupFixture, NULL, cgroup_fixture_init, func, cgroup_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/cgroup/signal/send", test_send);
    ADD("/cgroup/thaw", test_thaw);
    ADD("/cgroup/remove", test_remove);
    ADD("/cgroup/remove/at-once", test_remove_at_once);
    ADD("/cgroup/left/moves", test_left);
    ADD("/cgroup/left/at-home", test_at_home);
    return g_test_run();
}
