/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cgroups of services in the real hierarchy: whoever is in one is known, reached and ended,
 * whatever it does. */

#include "cgroup-fixture.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static CgroupFixture *current; /* for the calls that tests put in the place of others */

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static ssize_t write_file(const CgroupFixture *fixture, const char *name, const char *text)
{
    g_autofree char *path = cgroup_fixture_directory(fixture, name);
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return write(fd, text, strlen(text));
}

/* A kernel of before Linux 5.14. */
static unsigned n_freezes;

static int openat_without_kill(int directory_fd, const char *path, int flags)
{
    n_freezes += g_str_has_suffix(path, "/cgroup.freeze");
    if (!g_str_has_suffix(path, "/cgroup.kill"))
        return sys_linux.openat(directory_fd, path, flags);
    errno = ENOENT;
    return -1;
}

/* Until the kernel has told it. */
static void wait_frozen(const CgroupFixture *fixture, const char *name)
{
    g_autofree char *path = cgroup_fixture_directory(fixture, name);
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[256] = "";

    while (strstr(text, "frozen 1") == NULL) {
        g_assert_cmpint(poll(&(struct pollfd){.fd = fd, .events = POLLPRI}, 1, 20000), ==, 1);
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        g_assert_cmpint(n, >, 0);
        text[n] = '\0';
    }
}

static void test_made(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    g_autofree char *directory = cgroup_fixture_directory(fixture, "web.svc");
    g_autofree char *path = g_strconcat(cgroup_tree_path(fixture->tree), "/web.svc", NULL);
    int n_fds = fd_count_open();
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");

    g_assert_true(is_there(directory));
    g_assert_cmpstr(cgroup_path(cgroup), ==, path);
    g_assert_true(cgroup_is_empty(cgroup));
    g_assert_cmpint(cgroup_find_member(cgroup, 0), ==, 0);
    g_assert_false(cgroup_has(cgroup, getpid()));
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    g_assert_cmpint(cgroup_directory_fd(cgroup), ==, cgroup_directory_fd(cgroup));
    g_assert_cmpint(cgroup_procs_fd(cgroup), ==, cgroup_procs_fd(cgroup));
    g_assert_cmpint(fd_count_open(), ==, n_fds + 2);
    g_assert_cmpint(fcntl(cgroup_directory_fd(cgroup), F_GETFD) & FD_CLOEXEC, !=, 0);
    cgroup_close(cgroup);
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    cgroup_free(cgroup);
    g_assert_false(is_there(directory));
    cgroup_free(NULL);
    cgroup_tree_free(NULL);
}

static __attribute__((no_sanitize("address", "undefined"))) void exec_sleep(void *unused)
{
    static char *const argv[] = {(char *)"sleep", (char *)"1000", NULL};
    static char *const environment[] = {NULL};

    (void)syscall(SYS_execve, "/bin/sleep", argv, environment);
    (void)syscall(SYS_exit_group, 127);
}

/* As services are started. */
static void test_clone_into(CgroupFixture *fixture, const void *unused)
{
    static char stack[16384] __attribute__((aligned(16)));
    pid_t pids[4];
    int pidfd;

    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = fixture->sys.clone_vm(exec_sleep, NULL, stack, sizeof stack,
                                      cgroup_directory_fd(cgroup), &pidfd);
    g_assert_cmpint(pid, >, 0);
    cgroup_close(cgroup);
    g_assert_true(cgroup_has(cgroup, pid));
    g_assert_false(cgroup_is_empty(cgroup));
    g_assert_cmpint(cgroup_find_member(cgroup, 0), ==, pid);
    g_assert_cmpint(cgroup_find_member(cgroup, pid), ==, 0);
    g_assert_cmpuint(cgroup_list(cgroup, pids, 4), ==, 1);
    g_assert_cmpint(pids[0], ==, pid);
    g_assert_cmpuint(cgroup_list(cgroup, pids, 0), ==, 0);
    g_assert_true(cgroup_kill(cgroup));
    g_assert_cmpint(waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED), ==, 0);
    g_assert_true(cgroup_is_empty(cgroup));
    (void)close(pidfd);
    cgroup_free(cgroup);
}

/* As long as ids may be. */
static void test_long(CgroupFixture *fixture, const void *unused)
{
    char id[256];

    if (fixture->base == NULL)
        return;
    memset(id, 'a', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    Cgroup *cgroup = cgroup_fixture_new(fixture, id);
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    g_assert_true(cgroup_has(cgroup, pid));
    g_assert_true(cgroup_kill(cgroup));
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
}

/* A child that cannot be created inside writes itself into it. */
static void test_procs(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    Cgroup *other = cgroup_fixture_new(fixture, "web2");
    pid_t pid = cgroup_fixture_add(fixture, other, CGROUP_MEMBER_STAYS);
    g_autofree char *text = g_strdup_printf("%d", (int)pid);

    g_assert_cmpint(write(cgroup_procs_fd(cgroup), text, strlen(text)), ==, strlen(text));
    cgroup_close(cgroup);
    g_assert_true(cgroup_has(cgroup, pid));
    g_assert_false(cgroup_has(other, pid));
    g_assert_true(cgroup_is_empty(other));
    g_assert_true(cgroup_kill(cgroup));
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(other);
    cgroup_free(cgroup);
}

typedef struct Told {
    Cgroup *cgroup;
    unsigned n;
    bool is_told;
} Told;

static void on_told(void *data)
{
    Told *told = data;

    told->n++;
    told->is_told = true;
}

static void on_told_unwatch(void *data)
{
    Told *told = data;

    on_told(told);
    cgroup_unwatch(told->cgroup);
}

static void on_told_free(void *data)
{
    Told *told = data;

    on_told(told);
    g_clear_pointer(&told->cgroup, cgroup_free);
}

/* Not before it is so; a zombie does not count. */
static void test_watch(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Told told = {cgroup_fixture_new(fixture, "web"), 0, false};
    int n_fds = fd_count_open();
    pid_t pid = cgroup_fixture_add(fixture, told.cgroup, CGROUP_MEMBER_LEAVES_SESSION);

    g_assert_true(cgroup_watch(told.cgroup, on_told_unwatch, &told));
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 0);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), ==, 0);
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 0); /* the other one lives */
    /* Something else is told in the same file. */
    g_assert_cmpint(write_file(fixture, "web.svc/cgroup.freeze", "1"), ==, 1);
    wait_frozen(fixture, "web.svc/cgroup.events");
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 0);
    g_assert_cmpint(kill(cgroup_find_member(told.cgroup, pid), SIGKILL), ==, 0);
    cgroup_fixture_run_until(fixture, &told.is_told);
    g_assert_true(cgroup_is_empty(told.cgroup));
    g_assert_cmpint(cgroup_find_member(told.cgroup, 0), ==, 0);
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 1);
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    cgroup_free(told.cgroup);
}

/* Empty from the start; told once, and nothing runs in circles. */
static void test_watch_empty(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Told told = {cgroup_fixture_new(fixture, "web"), 0, false};

    g_assert_true(cgroup_watch(told.cgroup, on_told, &told));
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 1);
    cgroup_unwatch(told.cgroup);
    cgroup_unwatch(told.cgroup);
    g_assert_true(cgroup_watch(told.cgroup, on_told_free, &told));
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 2);
    g_assert_null(told.cgroup);
}

/* Somebody has removed the directory. */
static void test_watch_removed(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    g_autofree char *directory = cgroup_fixture_directory(fixture, "web.svc");
    Told told = {cgroup_fixture_new(fixture, "web"), 0, false};

    g_assert_true(cgroup_watch(told.cgroup, on_told, &told));
    g_assert_cmpint(rmdir(directory), ==, 0);
    cgroup_fixture_settle(fixture);
    g_assert_cmpuint(told.n, ==, 1);
    g_assert_true(cgroup_is_empty(told.cgroup));
    g_assert_true(cgroup_kill(told.cgroup));
    g_assert_cmpuint(cgroup_signal(told.cgroup, SIGTERM), ==, 0);
    g_assert_cmpint(cgroup_directory_fd(told.cgroup), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    cgroup_free(told.cgroup);
}

static void test_signal(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    Cgroup *other = cgroup_fixture_new(fixture, "web.svc"); /* a name that begins like it */
    pid_t bystander = cgroup_fixture_add(fixture, other, CGROUP_MEMBER_STAYS);
    pid_t pids[8];

    (void)cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    (void)cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_LEAVES_SESSION);
    g_assert_cmpuint(cgroup_list(cgroup, pids, 8), ==, 3);
    g_assert_cmpuint(cgroup_list(cgroup, pids, 2), ==, 2);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 3);
    cgroup_fixture_wait_empty(fixture, cgroup);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 0);
    g_assert_true(cgroup_has(other, bystander));
    g_assert_false(cgroup_has(cgroup, bystander));
    g_assert_true(cgroup_kill(other));
    cgroup_fixture_wait_empty(fixture, other);
    cgroup_free(other);
    cgroup_free(cgroup);
}

/* Between the list and the signal it goes elsewhere. */
static int pidfd_open_late(pid_t pid, unsigned flags)
{
    cgroup_fixture_move(current->base, pid);
    return sys_linux.pidfd_open(pid, flags);
}

static void test_signal_left(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);

    current = fixture;
    fixture->sys.pidfd_open = pidfd_open_late;
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, 0);
    g_assert_true(cgroup_is_empty(cgroup));
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_free(cgroup);
}

/* A program may divide its cgroup further. */
static void test_below(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    g_autofree char *below = cgroup_fixture_directory(fixture, "web.svc/a");
    g_autofree char *deeper = cgroup_fixture_directory(fixture, "web.svc/a/b");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);

    g_assert_cmpint(mkdir(below, 0755), ==, 0);
    g_assert_cmpint(mkdir(deeper, 0755), ==, 0);
    cgroup_fixture_move(deeper, pid);
    g_assert_true(cgroup_has(cgroup, pid));
    g_assert_false(cgroup_is_empty(cgroup));
    g_assert_cmpint(cgroup_find_member(cgroup, 0), ==, pid);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
    g_assert_false(is_there(below));
}

static void test_deep(CgroupFixture *fixture, const void *unused)
{
    g_autoptr(GString) name = g_string_new("web.svc");

    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    for (unsigned i = 0; i < 60; i++) {
        g_string_append(name, "/a");
        g_autofree char *directory = cgroup_fixture_directory(fixture, name->str);
        g_assert_cmpint(mkdir(directory, 0755), ==, 0);
        cgroup_fixture_move(directory, pid);
    }
    g_assert_true(cgroup_has(cgroup, pid));
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
}

/* The kernel tells the processes of a threaded one only further up. */
static void test_threaded(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    g_autofree char *below = cgroup_fixture_directory(fixture, "web.svc/a");
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);

    g_assert_cmpint(mkdir(below, 0755), ==, 0);
    g_assert_cmpint(write_file(fixture, "web.svc/a/cgroup.type", "threaded"), ==, 8);
    g_assert_cmpint(cgroup_find_member(cgroup, pid), ==, 0);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    fixture->sys.openat = openat_without_kill;
    g_assert_true(cgroup_kill(cgroup));
    cgroup_free(cgroup);
}

/* Whatever the order in which they go, the tree knows those that are there. */
static void test_many(CgroupFixture *fixture, const void *unused)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}};

    for (unsigned i = 0; fixture->base != NULL && i < G_N_ELEMENTS(orders); i++) {
        Cgroup *cgroups[] = {cgroup_fixture_new(fixture, "a"), cgroup_fixture_new(fixture, "b"),
                             cgroup_fixture_new(fixture, "c")};

        for (unsigned j = 0; j < 3; j++) {
            g_assert_cmpuint(cgroup_tree_clear_former(fixture->tree), ==, 0);
            for (unsigned k = j; k < 3; k++) {
                g_autofree char *directory = cgroup_fixture_directory(
                        fixture, strrchr(cgroup_path(cgroups[orders[i][k]]), '/'));

                g_assert_true(is_there(directory));
            }
            cgroup_free(cgroups[orders[i][j]]);
        }
    }
}

/* Each moment another process, in another session. */
static void test_kill_relays(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "bomb");

    for (unsigned i = 0; i < 4; i++)
        (void)cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_RELAYS);
    g_assert_false(cgroup_is_empty(cgroup));
    g_assert_true(cgroup_kill(cgroup));
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
}

static void test_kill_passes(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "bomb");

    n_freezes = 0;
    fixture->sys.openat = openat_without_kill;
    (void)cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_LEAVES_SESSION);
    for (unsigned i = 0; i < 4; i++)
        (void)cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_RELAYS);
    g_assert_true(cgroup_kill(cgroup));
    cgroup_fixture_wait_empty(fixture, cgroup);
    g_assert_cmpuint(n_freezes, ==, 2); /* so that they do not fork; and it is not left so */
    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_free(cgroup);
}

/* Of an earlier run: what is empty is made anew, what is not is named. */
static void test_taken(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    g_autofree char *directory = cgroup_fixture_directory(fixture, "web.svc");
    g_autofree char *below = cgroup_fixture_directory(fixture, "web.svc/below");
    g_autoptr(GError) error = NULL;
    struct stat before, after;

    g_assert_cmpint(mkdir(directory, 0755), ==, 0);
    g_assert_cmpint(mkdir(below, 0755), ==, 0);
    g_assert_cmpint(stat(directory, &before), ==, 0);
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    g_assert_cmpint(stat(directory, &after), ==, 0);
    g_assert_cmpuint(before.st_ino, !=, after.st_ino);
    g_assert_false(is_there(below));

    pid_t pid = cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_STAYS);
    cgroup_free(cgroup);
    g_assert_true(is_there(directory));
    g_assert_null(cgroup_new(fixture->tree, "web", &error));
    g_assert_true(error_is(error, ERROR_BUSY));
    g_autofree char *expected =
            g_strdup_printf("cannot make the cgroup %s/web.svc: process %d is still in it",
                            cgroup_tree_path(fixture->tree), (int)pid);
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_free(cgroup_fixture_new(fixture, "web"));
}

typedef struct Walked {
    GString *text;
    pid_t expected;
} Walked;

static void on_walked(pid_t pid, const char *name, void *data)
{
    Walked *walked = data;

    g_assert_cmpint(pid, ==, walked->expected);
    g_string_append_printf(walked->text, "%s ", name);
}

/* Two cgroups of a former run, one with a process; and one of ours. */
static void test_former(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    g_autofree char *directory = cgroup_fixture_directory(fixture, "old.svc");
    g_autofree char *empty = cgroup_fixture_directory(fixture, "older.svc");
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mkdir(empty, 0755), ==, 0);
    Cgroup *old = cgroup_fixture_new(fixture, "old");
    pid_t pid = cgroup_fixture_add(fixture, old, CGROUP_MEMBER_STAYS);
    cgroup_free(old);
    cgroup_tree_free(fixture->tree);
    g_assert_true(is_there(directory));

    fixture->tree = cgroup_fixture_tree(fixture, &error);
    g_assert_no_error(error);
    Walked walked = {text, pid};
    g_assert_true(cgroup_tree_walk(fixture->tree, on_walked, &walked));
    g_assert_cmpstr(text->str, ==, "old.svc ");
    Cgroup *ours = cgroup_fixture_new(fixture, "web");
    pid_t kept = cgroup_fixture_add(fixture, ours, CGROUP_MEMBER_STAYS);
    (void)cgroup_tree_clear_former(fixture->tree); /* 1, or 0 when it dies at once */
    g_assert_false(is_there(empty));
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_cmpuint(cgroup_tree_clear_former(fixture->tree), ==, 0);
    g_assert_false(is_there(directory));
    g_assert_true(cgroup_has(ours, kept));
    g_assert_true(cgroup_kill(ours));
    cgroup_fixture_wait_empty(fixture, ours);
    cgroup_free(ours);
}

static void test_usage(CgroupFixture *fixture, const void *unused)
{
    CgroupUsage usage = {0};

    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    (void)cgroup_fixture_add(fixture, cgroup, CGROUP_MEMBER_LEAVES_SESSION);
    cgroup_read_usage(cgroup, &usage);
    g_assert_true(usage.has_cpu);
    g_assert_true(usage.has_tasks);
    g_assert_cmpuint(usage.n_tasks, ==, 2);
    g_assert_true(usage.has_memory == cgroup_tree_has(fixture->tree, CGROUP_MEMORY));
    g_assert_cmpuint(cgroup_oom_kills(cgroup), ==, 0);
    g_assert_true(cgroup_kill(cgroup));
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
}

#define ADD(path, func)                                                                            \
    g_test_add(path, CgroupFixture, NULL, cgroup_fixture_init, func, cgroup_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/cgroup/made", test_made);
    ADD("/cgroup/clone-into", test_clone_into);
    ADD("/cgroup/long", test_long);
    ADD("/cgroup/procs", test_procs);
    ADD("/cgroup/watch/empties", test_watch);
    ADD("/cgroup/watch/empty", test_watch_empty);
    ADD("/cgroup/watch/removed", test_watch_removed);
    ADD("/cgroup/signal/all", test_signal);
    ADD("/cgroup/signal/left", test_signal_left);
    ADD("/cgroup/below", test_below);
    ADD("/cgroup/deep", test_deep);
    ADD("/cgroup/threaded", test_threaded);
    ADD("/cgroup/many", test_many);
    ADD("/cgroup/kill/relays", test_kill_relays);
    ADD("/cgroup/kill/passes", test_kill_passes);
    ADD("/cgroup/taken", test_taken);
    ADD("/cgroup/former", test_former);
    ADD("/cgroup/usage", test_usage);
    return g_test_run();
}
