/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a former run has left in cgroups: nothing else tells whose it is. */

#include "cgroup-fixture.h"
#include "former-fixture.h"
#include "process/host-internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_USEC (2 * FIXTURE_DEADLINE_USEC) /* nobody may need it */
#define SHORT_GRACE_USEC (50 * USEC_PER_MSEC)

typedef struct TreeFixture {
    FormerFixture former;
    CgroupFixture cgroups;
} TreeFixture;

/* Of the test that runs; the table of system calls has no place for it. */
static TreeFixture *current;
static pid_t leaving_pid;
static unsigned n_sent;

static void tree_test_init(TreeFixture *fixture, const void *unused)
{
    former_fixture_init(&fixture->former);
    cgroup_fixture_init(&fixture->cgroups, NULL);
    fixture->former.process.host->cgroups = fixture->cgroups.tree;
    current = fixture;
    leaving_pid = 0;
    n_sent = 0;
}

static void tree_test_done(TreeFixture *fixture, const void *unused)
{
    fixture->former.process.host->cgroups = NULL;
    /* Who is left ends. The number stays in use, for descriptors are counted. */
    g_assert_cmpint(dup2(STDIN_FILENO, fixture->former.lifeline[1]), >, 0);
    cgroup_fixture_done(&fixture->cgroups, NULL);
    former_fixture_done(&fixture->former);
}

static char *tree_directory(const TreeFixture *fixture, const char *name)
{
    return g_build_filename(fixture->cgroups.base, "tree", name, NULL);
}

/* Its environment says that it is of somebody else. */
static pid_t tree_add(TreeFixture *fixture, const char *name, const char *words)
{
    const OrphanSpec spec = {.words = words, .prefix = "0000000000000000", .is_adopted = true};
    g_autofree char *directory = tree_directory(fixture, name);
    pid_t pid = orphan_spawn(&fixture->former, &spec);

    g_assert_true(mkdir(directory, 0755) == 0 || errno == EEXIST);
    cgroup_fixture_move(directory, pid);
    return pid;
}

static void test_found(TreeFixture *fixture, const void *unused)
{
    const OrphanSpec innocent = {.words = "", .prefix = "0000000000000000", .id = "web"};
    if (fixture->cgroups.base == NULL)
        return;

    g_auto(Sweep) sweep;
    pid_t outside = orphan_spawn(&fixture->former, &innocent);
    pid_t pids[] = {tree_add(fixture, "web.svc", ""), tree_add(fixture, "web.svc", "zombie"),
                    tree_add(fixture, "db.svc", ""), tree_add(fixture, "db.svc/inner", ""),
                    tree_add(fixture, "a%-b.svc", "")};
    sweep_run(&fixture->former, &sweep, GRACE_USEC);
    assert_numbers(sweep, G_N_ELEMENTS(pids), 0, 0);
    assert_contains(sweep.services->str, "web: 2 processes of the former run ended\n");
    assert_contains(sweep.services->str, "db: 2 processes of the former run ended\n");
    assert_contains(sweep.services->str, "(none): 1 process of the former run ended\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(pids); i++)
        g_assert_false(is_alive(pids[i]));
    g_assert_true(is_alive(outside));
    g_assert_null(sweep.error);
    g_autofree char *tree = g_build_filename(fixture->cgroups.base, "tree", NULL);
    struct stat status;
    g_assert_cmpint(stat(tree, &status), ==, 0);
    g_assert_cmpuint(status.st_nlink, ==, 2); /* without directories */
}

static void test_by_force(TreeFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_auto(Sweep) sweep;
    pid_t pid = tree_add(fixture, "web.svc", "stubborn");
    sweep_run(&fixture->former, &sweep, SHORT_GRACE_USEC);
    assert_numbers(sweep, 1, 1, 0);
    g_assert_false(is_alive(pid));
}

/* Each of them comes after the list was made, from the death of the one before. */
static void test_forks(TreeFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_auto(Sweep) sweep;
    (void)tree_add(fixture, "web.svc", "forks 5");
    sweep_run(&fixture->former, &sweep, GRACE_USEC);
    assert_numbers(sweep, 6, 0, 0);
}

/* Between the list and the descriptor it was moved to another place. */
static int leaving_pidfd_open(pid_t pid, unsigned flags)
{
    if (pid == leaving_pid)
        cgroup_fixture_move(current->cgroups.base, pid);
    return sys_linux.pidfd_open(pid, flags);
}

static int counting_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    n_sent++;
    return sys_linux.pidfd_send_signal(pidfd, signo, info, flags);
}

static void test_moved(TreeFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_auto(Sweep) sweep;
    leaving_pid = tree_add(fixture, "web.svc", "");
    fixture->former.process.sys.pidfd_open = leaving_pidfd_open;
    fixture->former.process.sys.pidfd_send_signal = counting_signal;
    sweep_run(&fixture->former, &sweep, GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_cmpuint(n_sent, ==, 0);
    g_assert_true(is_alive(leaving_pid));
}

/* When it is looked at, after the list was made, it is dead and not reaped. */
static int killing_open(const char *path, int flags)
{
    siginfo_t info;

    if (leaving_pid > 0 && g_str_equal(path, "/proc")) {
        g_assert_cmpint(kill(leaving_pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)leaving_pid, &info, WEXITED | WNOWAIT), ==, 0);
        leaving_pid = 0;
    }
    return sys_linux.open(path, flags);
}

static void test_dies(TreeFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_auto(Sweep) sweep;
    leaving_pid = tree_add(fixture, "web.svc", "");
    fixture->former.process.sys.open = killing_open;
    sweep_run(&fixture->former, &sweep, GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_cmpint(leaving_pid, ==, 0);
}

static ssize_t failing_getdents64(int fd, void *buffer, size_t size)
{
    errno = EIO;
    return -1;
}

static int failing_unlinkat(int directory_fd, const char *path, int flags)
{
    errno = EBUSY;
    return -1;
}

static void test_failing(TreeFixture *fixture, const void *unused)
{
    if (fixture->cgroups.base == NULL)
        return;

    g_auto(Sweep) unlisted, unremoved, last;
    (void)tree_add(fixture, "web.svc", "");
    fixture->cgroups.sys.unlinkat = failing_unlinkat;
    sweep_run(&fixture->former, &unremoved, GRACE_USEC);
    assert_numbers(unremoved, 1, 0, 0);
    g_assert_cmpstr(unremoved.error, ==, "1 cgroup of the former run cannot be removed");
    fixture->cgroups.sys.unlinkat = sys_linux.unlinkat;
    fixture->cgroups.sys.getdents64 = failing_getdents64;
    sweep_run(&fixture->former, &unlisted, GRACE_USEC);
    assert_contains(unlisted.error, "cannot look into the cgroups of the former run: ");
    fixture->cgroups.sys.getdents64 = sys_linux.getdents64;
    sweep_run(&fixture->former, &last, GRACE_USEC);
    g_assert_null(last.error);
}

#define TREE_TEST(path, function)                                                                  \
    g_test_add("/former-cgroup/" path, TreeFixture, NULL, tree_test_init, function, tree_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TREE_TEST("found", test_found);
    TREE_TEST("by-force", test_by_force);
    TREE_TEST("forks", test_forks);
    TREE_TEST("moved", test_moved);
    TREE_TEST("dies", test_dies);
    TREE_TEST("failing", test_failing);
    return g_test_run();
}
