/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a cgroup, in the real hierarchy, with each of its system calls failing once: whatever
 * fails is told, no descriptor stays open, and no directory is left but where it was the removal
 * that failed. */

#include "cgroup-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

typedef enum FaultCall {
    FAULT_OPEN,
    FAULT_OPENAT,
    FAULT_FSTATAT,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_GETDENTS,
    FAULT_MKDIRAT,
    FAULT_UNLINKAT,
    FAULT_PIDFD_OPEN,
    FAULT_PIDFD_SIGNAL,
    FAULT_WATCH,
    _FAULT_CALL_MAX,
} FaultCall;

static const struct {
    const char *name;
    int errno_value;
    unsigned at_least; /* so often it is made in a life */
} fault_calls[_FAULT_CALL_MAX] = {
        [FAULT_OPEN] = {"open", EMFILE, 1},
        [FAULT_OPENAT] = {"openat", EMFILE, 20},
        [FAULT_FSTATAT] = {"fstatat", EIO, 4},
        [FAULT_READ] = {"read", EIO, 15},
        [FAULT_WRITE] = {"write", EIO, 1},
        [FAULT_GETDENTS] = {"getdents64", EIO, 4},
        [FAULT_MKDIRAT] = {"mkdirat", EACCES, 2},
        [FAULT_UNLINKAT] = {"unlinkat", EIO, 3},
        [FAULT_PIDFD_OPEN] = {"pidfd_open", EMFILE, 1},
        [FAULT_PIDFD_SIGNAL] = {"pidfd_send_signal", EPERM, 1},
        [FAULT_WATCH] = {"watch", ENOSPC, 1},
};

static struct {
    FaultCall call;
    unsigned nth; /* 0: none */
    unsigned n;
    WatchHost watches;
} fault;

static bool fault_hits(FaultCall call)
{
    if (call != fault.call || ++fault.n != fault.nth)
        return false;
    errno = fault_calls[call].errno_value;
    return true;
}

static int fault_open(const char *path, int flags)
{
    return fault_hits(FAULT_OPEN) ? -1 : sys_linux.open(path, flags);
}

static int fault_openat(int directory_fd, const char *path, int flags)
{
    return fault_hits(FAULT_OPENAT) ? -1 : sys_linux.openat(directory_fd, path, flags);
}

static int fault_fstatat(int directory_fd, const char *path, struct stat *ret_status, int flags)
{
    return fault_hits(FAULT_FSTATAT) ? -1
                                     : sys_linux.fstatat(directory_fd, path, ret_status, flags);
}

static ssize_t fault_read(int fd, void *buffer, size_t size)
{
    return fault_hits(FAULT_READ) ? -1 : sys_linux.read(fd, buffer, size);
}

static ssize_t fault_write(int fd, const void *buffer, size_t size)
{
    return fault_hits(FAULT_WRITE) ? -1 : sys_linux.write(fd, buffer, size);
}

static ssize_t fault_getdents64(int fd, void *buffer, size_t size)
{
    return fault_hits(FAULT_GETDENTS) ? -1 : sys_linux.getdents64(fd, buffer, size);
}

static int fault_mkdirat(int directory_fd, const char *path, mode_t mode)
{
    return fault_hits(FAULT_MKDIRAT) ? -1 : sys_linux.mkdirat(directory_fd, path, mode);
}

static int fault_unlinkat(int directory_fd, const char *path, int flags)
{
    return fault_hits(FAULT_UNLINKAT) ? -1 : sys_linux.unlinkat(directory_fd, path, flags);
}

static int fault_pidfd_open(pid_t pid, unsigned flags)
{
    return fault_hits(FAULT_PIDFD_OPEN) ? -1 : sys_linux.pidfd_open(pid, flags);
}

static int fault_pidfd_send_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    return fault_hits(FAULT_PIDFD_SIGNAL) ? -1
                                          : sys_linux.pidfd_send_signal(pidfd, signo, info, flags);
}

static Watch *fault_watch(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    return fault_hits(FAULT_WATCH) ? NULL : fault.watches.create(host, fd, events, priority);
}

static void fault_install(CgroupFixture *fixture)
{
    WatchHost *watches = loop_watches(fixture->loop);

    fixture->sys.open = fault_open;
    fixture->sys.openat = fault_openat;
    fixture->sys.fstatat = fault_fstatat;
    fixture->sys.read = fault_read;
    fixture->sys.write = fault_write;
    fixture->sys.getdents64 = fault_getdents64;
    fixture->sys.mkdirat = fault_mkdirat;
    fixture->sys.unlinkat = fault_unlinkat;
    fixture->sys.pidfd_open = fault_pidfd_open;
    fixture->sys.pidfd_send_signal = fault_pidfd_send_signal;
    fault.watches = *watches;
    watches->create = fault_watch;
}

/* Life */

static void on_ignored(void *unused)
{
}

static void on_ignored_process(pid_t pid, const char *name, void *unused)
{
}

/* The test's own way to it, which no fault meets. */
static bool is_member_alive(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void member_end(pid_t pid)
{
    (void)kill(pid, SIGKILL); /* perhaps it has ended */
    (void)waitpid(pid, NULL, 0);
}

/* What is asked of one with a member, all of which may fail. */
static void cgroup_live(CgroupFixture *fixture, Cgroup *cgroup, pid_t pid)
{
    CgroupLimits limits = {0};
    CgroupUsage usage = {0};
    pid_t pids[4] = {0};
    GError *error = NULL;
    bool can_watch = cgroup_watch(cgroup, on_ignored, NULL);

    g_assert_true(can_watch || errno == fault_calls[fault.call].errno_value);
    cgroup_fixture_settle(fixture);
    g_assert_false(cgroup_is_empty(cgroup)); /* also when it cannot be read */
    g_assert_true(cgroup_find_member(cgroup, 0) == pid || fault.n >= fault.nth);
    g_assert_true(cgroup_has(cgroup, pid) || fault.n >= fault.nth);
    g_assert_cmpuint(cgroup_list(cgroup, pids, 4), <=, 1);
    g_assert_true(pids[0] == 0 || pids[0] == pid);
    cgroup_read_usage(cgroup, &usage);
    g_assert_cmpuint(cgroup_oom_kills(cgroup), ==, 0);
    g_assert_true(cgroup_set_limits(cgroup, &limits, &error) == (error == NULL));
    g_clear_error(&error);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGCONT), <=, 1);
    g_assert_true(is_member_alive(pid));
    if (cgroup_kill(cgroup))
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    else
        g_assert_cmpint(errno, ==, fault_calls[fault.call].errno_value);
    cgroup_unwatch(cgroup);
}

static void tree_live(CgroupFixture *fixture, CgroupTree *tree)
{
    GError *error = NULL;
    Cgroup *cgroup = cgroup_new(tree, "web", &error);

    g_assert_true((cgroup == NULL) == (error != NULL));
    g_clear_error(&error);
    if (cgroup == NULL)
        return;
    int directory_fd = cgroup_directory_fd(cgroup);
    g_assert_true(directory_fd >= 0 || errno == EMFILE);
    g_assert_true(cgroup_procs_fd(cgroup) >= 0 || errno == EMFILE);
    if (directory_fd >= 0) {
        pid_t pid = cgroup_fixture_member(fixture, directory_fd, CGROUP_MEMBER_STAYS);

        cgroup_close(cgroup);
        cgroup_live(fixture, cgroup, pid);
        member_end(pid);
    }
    cgroup_free(cgroup);
}

/* One life; nobody has seen what a former one may have left. */
static void live(CgroupFixture *fixture)
{
    GError *error = NULL;
    CgroupTree *tree = cgroup_fixture_tree(fixture, &error);

    g_assert_true((tree == NULL) == (error != NULL));
    if (tree == NULL) {
        g_assert_nonnull(strstr(error->message, g_strerror(fault_calls[fault.call].errno_value)));
        g_clear_error(&error);
        return;
    }
    (void)cgroup_tree_walk(tree, on_ignored_process, NULL);
    (void)cgroup_tree_clear_former(tree);
    tree_live(fixture, tree);
    cgroup_tree_free(tree);
}

static void test_call(CgroupFixture *fixture, const void *data)
{
    FaultCall call = (FaultCall)GPOINTER_TO_INT(data);
    unsigned nth = 0;

    if (fixture->base == NULL)
        return;
    g_clear_pointer(&fixture->tree, cgroup_tree_free);
    fault_install(fixture);
    int n_fds = fd_count_open();
    do {
        fault.call = call;
        fault.nth = ++nth;
        fault.n = 0;
        live(fixture);
        g_assert_cmpint(fd_count_open(), ==, n_fds);
        if (call != FAULT_UNLINKAT)
            g_assert_cmpuint(cgroup_fixture_count(fixture), ==, 0);
    } while (fault.n >= nth);
    g_test_message("%u calls of %s", nth - 1, fault_calls[call].name);
    g_assert_cmpuint(nth, >, fault_calls[call].at_least);
    g_assert_cmpuint(cgroup_fixture_count(fixture), ==, 0); /* nothing failed in the last one */
    loop_watches(fixture->loop)->create = fault.watches.create;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < _FAULT_CALL_MAX; i++) {
        g_autofree char *path = g_strdup_printf("/cgroup/faults/%s", fault_calls[i].name);

        g_test_add(path, CgroupFixture, GINT_TO_POINTER(i), cgroup_fixture_init, test_call,
                   cgroup_fixture_done);
    }
    return g_test_run();
}
