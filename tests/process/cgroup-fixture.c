/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the members run is no test any more: their code is called on a stack that the sanitizers do
 * not know, and makes system calls only. */

#include "cgroup-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMBER_FUNCTION __attribute__((no_sanitize("address", "undefined")))
#define MEMBER_STACK_BYTES (64 * 1024)
#define FIXTURE_DEADLINE_MSEC 20000

/* The guardian */

static int on_guardian_entry(const char *path, const struct stat *status, int type,
                             struct FTW *where)
{
    if (type == FTW_DP)
        (void)rmdir(path); /* the base says whether all went */
    return 0;
}

static void guardian_write(const char *base, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(base, file, NULL);
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, text, strlen(text)); /* the end tells */
}

static bool guardian_wait_empty(const char *base)
{
    g_autofree char *path = g_build_filename(base, "cgroup.events", NULL);
    struct pollfd change = {.fd = open(path, O_RDONLY | O_CLOEXEC), .events = POLLPRI};
    char text[256];
    ssize_t n;

    while ((n = pread(change.fd, text, sizeof text - 1, 0)) > 0) {
        text[n] = '\0';
        if (strstr(text, "populated 0") != NULL)
            return true;
        if (poll(&change, 1, FIXTURE_DEADLINE_MSEC) != 1)
            return false;
    }
    return false;
}

/* Waits for a word from the test, or its end: members may keep the other end of the pipe open. */
static void guardian_run(const char *base, int fd, int test_pidfd)
{
    struct pollfd ends[] = {{.fd = fd, .events = POLLIN}, {.fd = test_pidfd, .events = POLLIN}};

    (void)setsid();
    (void)poll(ends, G_N_ELEMENTS(ends), -1);
    guardian_write(base, "cgroup.kill", "1");
    bool is_empty = guardian_wait_empty(base);
    (void)nftw(base, on_guardian_entry, 16, FTW_DEPTH | FTW_PHYS);
    _exit(is_empty && access(base, F_OK) < 0 ? 0 : 1);
}

static void guardian_start(CgroupFixture *fixture)
{
    int test_pidfd = sys_linux.pidfd_open(getpid(), 0);
    int fds[2];

    g_assert_cmpint(test_pidfd, >=, 0);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    /* A fork but for the signal of its end: without that only who asks for it finds it. */
    fixture->guardian = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    g_assert_cmpint(fixture->guardian, >=, 0);
    if (fixture->guardian == 0) {
        (void)close(fds[1]);
        guardian_run(fixture->base, fds[0], test_pidfd);
    }
    (void)close(test_pidfd);
    (void)close(fds[0]);
    fixture->guardian_fd = fds[1];
}

static void guardian_end(CgroupFixture *fixture)
{
    int status;

    g_assert_cmpint(write(fixture->guardian_fd, "", 1), ==, 1);
    fixture->guardian_fd = fd_close(fixture->guardian_fd);
    g_assert_cmpint(waitpid(fixture->guardian, &status, __WALL), ==, fixture->guardian);
    g_assert_cmpint(status, ==, 0);
}

/* The fixture */

/* The cgroup that this process is in, or NULL. Reads the tables in another way than the daemon. */
static char *hierarchy_find(void)
{
    g_autofree char *mounts = NULL;
    g_autofree char *own = NULL;
    g_autoptr(GRegex) mount = g_regex_new("(?m)^\\S+ \\S+ \\S+ / (\\S+) .* - cgroup2 ", 0, 0, NULL);
    g_autoptr(GRegex) place = g_regex_new("(?m)^0::(/.*)$", 0, 0, NULL);
    g_autoptr(GMatchInfo) mounted = NULL;
    g_autoptr(GMatchInfo) placed = NULL;

    g_assert_true(g_file_get_contents("/proc/self/mountinfo", &mounts, NULL, NULL));
    if (!g_file_get_contents("/proc/self/cgroup", &own, NULL, NULL) ||
        !g_regex_match(mount, mounts, 0, &mounted) || !g_regex_match(place, own, 0, &placed))
        return NULL;
    g_autofree char *point = g_match_info_fetch(mounted, 1);
    g_autofree char *path = g_match_info_fetch(placed, 1);
    return g_strconcat(point, g_str_equal(path, "/") ? "" : path, NULL);
}

CgroupTree *cgroup_fixture_tree(CgroupFixture *fixture, GError **error)
{
    CgroupTreeOptions options = {
            .sys = &fixture->sys,
            .watches = loop_watches(fixture->loop),
            .where = fixture->base,
            .name = "tree",
    };

    return cgroup_tree_new(&options, error);
}

void cgroup_fixture_init(CgroupFixture *fixture, const void *unused)
{
    g_autofree char *hierarchy = hierarchy_find();
    g_autoptr(GError) error = NULL;

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* what members leave is ours to reap */
    fixture->n_fds = fd_count_open();
    if (hierarchy != NULL)
        fixture->base =
                g_strdup_printf("%s/svcmgr-test-%d-%u", hierarchy, (int)getpid(), g_random_int());
    if (hierarchy == NULL || mkdir(fixture->base, 0755) < 0) {
        g_clear_pointer(&fixture->base, g_free);
        g_test_skip("there is no v2 hierarchy that can be written to");
        return;
    }
    guardian_start(fixture);
    fixture->sys = sys_linux;
    fixture->loop = loop_new(&error);
    g_assert_no_error(error);
    fixture->tree = cgroup_fixture_tree(fixture, &error);
    g_assert_no_error(error);
}

void cgroup_fixture_done(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    cgroup_tree_free(fixture->tree);
    g_assert_cmpuint(cgroup_fixture_count(fixture), ==, 0);
    loop_free(fixture->loop);
    guardian_end(fixture);
    g_free(fixture->base);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    g_assert_cmpint(errno, ==, ECHILD);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds);
}

Cgroup *cgroup_fixture_new(CgroupFixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    Cgroup *cgroup = cgroup_new(fixture->tree, id, &error);

    g_assert_no_error(error);
    g_assert_nonnull(cgroup);
    return cgroup;
}

unsigned cgroup_fixture_count(const CgroupFixture *fixture)
{
    struct stat status;

    g_assert_cmpint(stat(fixture->base, &status), ==, 0);
    return (unsigned)status.st_nlink - 2;
}

/* Members */

typedef struct MemberArgument {
    CgroupMember member;
    int ready_fd;
} MemberArgument;

static MEMBER_FUNCTION void member_stay(int ready_fd)
{
    char byte = 0;

    (void)syscall(SYS_write, ready_fd, &byte, 1);
    for (;;)
        (void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

static MEMBER_FUNCTION long member_fork(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static MEMBER_FUNCTION void member_relay(int ready_fd)
{
    char byte = 0;
    unsigned n = 0;

    for (;;) {
        if (n++ == 10)
            (void)syscall(SYS_write, ready_fd, &byte, 1);
        if (member_fork() != 0)
            (void)syscall(SYS_exit_group, 0);
        (void)syscall(SYS_setsid);
    }
}

static MEMBER_FUNCTION void member_run(void *data)
{
    const MemberArgument *argument = data;

    if (argument->member == CGROUP_MEMBER_RELAYS)
        member_relay(argument->ready_fd);
    if (argument->member == CGROUP_MEMBER_LEAVES_SESSION && member_fork() == 0)
        (void)syscall(SYS_setsid);
    member_stay(argument->ready_fd);
}

static void member_wait_ready(int fd, unsigned n)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    char byte;

    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpint(poll(&readable, 1, FIXTURE_DEADLINE_MSEC), ==, 1);
        g_assert_cmpint(read(fd, &byte, 1), ==, 1);
    }
}

pid_t cgroup_fixture_member(CgroupFixture *fixture, int directory_fd, CgroupMember member)
{
    void *stack = mmap(NULL, MEMBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fds[2], pidfd;

    g_assert_cmpint(directory_fd, >=, 0);
    g_assert_true(stack != MAP_FAILED);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    MemberArgument argument = {member, fds[1]};
    pid_t pid = fixture->sys.clone_copy(member_run, &argument, stack, MEMBER_STACK_BYTES,
                                        directory_fd, &pidfd);
    g_assert_cmpint(pid, >, 0);
    member_wait_ready(fds[0], member == CGROUP_MEMBER_LEAVES_SESSION ? 2 : 1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    (void)close(pidfd);
    g_assert_cmpint(munmap(stack, MEMBER_STACK_BYTES), ==, 0);
    return pid;
}

void cgroup_fixture_move(const char *directory, pid_t pid)
{
    g_autofree char *text = g_strdup_printf("%d", (int)pid);

    guardian_write(directory, "cgroup.procs", text);
}

void cgroup_fixture_leave(const CgroupFixture *fixture)
{
    g_autofree char *parent = g_path_get_dirname(fixture->base);

    cgroup_fixture_move(parent, getpid());
}

/* The loop */

void cgroup_fixture_run_until(CgroupFixture *fixture, const bool *flag)
{
    gint64 deadline = g_get_monotonic_time() + FIXTURE_DEADLINE_MSEC * 1000;

    while (!*flag) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), 1000000), >=, 0);
    }
}

void cgroup_fixture_settle(CgroupFixture *fixture)
{
    for (unsigned i = 0; i < 20 && sd_event_run(loop_event(fixture->loop), 0) > 0; i++)
        ;
}

static void on_fixture_empty(void *data)
{
    *(bool *)data = true;
}

void cgroup_fixture_wait_empty(CgroupFixture *fixture, Cgroup *cgroup)
{
    bool is_empty = false;

    g_assert_true(cgroup_watch(cgroup, on_fixture_empty, &is_empty));
    cgroup_fixture_run_until(fixture, &is_empty);
    cgroup_unwatch(cgroup);
}

char *cgroup_fixture_directory(const CgroupFixture *fixture, const char *name)
{
    return g_build_filename(fixture->base, "tree", name, NULL);
}

pid_t cgroup_fixture_add(CgroupFixture *fixture, Cgroup *cgroup, CgroupMember member)
{
    pid_t pid = cgroup_fixture_member(fixture, cgroup_directory_fd(cgroup), member);

    cgroup_close(cgroup);
    return pid;
}
