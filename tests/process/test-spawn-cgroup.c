/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program begins in its cgroup, whichever way it came to be and whatever the kernel can do: it is
 * never anywhere else first, and where it cannot be put there it does not start. */

#include "base/errors.h"
#include "base/fds.h"
#include "cgroup-fixture.h"
#include "process/descriptors.h"
#include "spawn-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct PlaceFixture {
    ProcessFixture process;
    CgroupFixture cgroups;
    Cgroup *cgroup; /* NULL: the test is skipped */
} PlaceFixture;

static void place_init(PlaceFixture *fixture, const void *mode)
{
    spawn_mode_init(&fixture->process, mode);
    cgroup_fixture_init(&fixture->cgroups, NULL);
    if (fixture->cgroups.base != NULL)
        fixture->cgroup = cgroup_fixture_new(&fixture->cgroups, "web");
}

static void place_done(PlaceFixture *fixture, const void *mode)
{
    if (fixture->cgroup != NULL) {
        cgroup_fixture_wait_empty(&fixture->cgroups, fixture->cgroup);
        cgroup_free(fixture->cgroup);
    }
    cgroup_fixture_done(&fixture->cgroups, NULL);
    spawn_mode_done(&fixture->process, mode);
}

static void assert_placed(PlaceFixture *fixture, const SpawnSpec *spec)
{
    int n_fds = fd_count_open();
    g_autofree char *text =
            spawn_print_with(&fixture->process, spec, &(SpawnExtras){.cgroup = fixture->cgroup});
    g_autofree char *cgroups = lines_of(text, "cgroup");
    g_autofree char *expected = g_strconcat("0::", cgroup_path(fixture->cgroup), NULL);

    assert_contains(cgroups, expected);
    assert_line(text, "fd", "0|1|2");
    g_assert_cmpint(fd_count_open(), ==, n_fds); /* what runs keeps none in the daemon */
}

static void test_placed(PlaceFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL};

    if (fixture->cgroup == NULL)
        return;
    assert_placed(fixture, &spec);
    if (geteuid() != 0)
        return;
    spec.user = (char *)"nobody";
    assert_placed(fixture, &spec);
}

static int clone_errno;
static unsigned n_refused;
static const Sys *clone_base;

/* Of a kernel that cannot create a child in a cgroup. */
static pid_t refuse_place_vm(SysChildFunc child, void *data, void *stack, size_t size,
                             int cgroup_fd, int *ret_pidfd)
{
    if (cgroup_fd >= 0) {
        n_refused++;
        errno = clone_errno;
        return -1;
    }
    return clone_base->clone_vm(child, data, stack, size, -1, ret_pidfd);
}

static pid_t refuse_place_copy(SysChildFunc child, void *data, void *stack, size_t size,
                               int cgroup_fd, int *ret_pidfd)
{
    if (cgroup_fd >= 0) {
        n_refused++;
        errno = clone_errno;
        return -1;
    }
    return clone_base->clone_copy(child, data, stack, size, -1, ret_pidfd);
}

static void refuse_place(PlaceFixture *fixture, Sys *base, int errno_value)
{
    *base = fixture->process.sys;
    clone_base = base;
    clone_errno = errno_value;
    n_refused = 0;
    fixture->process.sys.clone_vm = refuse_place_vm;
    fixture->process.sys.clone_copy = refuse_place_copy;
}

static void test_old_kernel(PlaceFixture *fixture, const void *mode)
{
    static const int errnos[] = {EINVAL, E2BIG, EOPNOTSUPP};
    SpawnSpec spec = {SPAWN_KEEP_ALL};
    Sys base;

    if (fixture->cgroup == NULL)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(errnos); i++) {
        refuse_place(fixture, &base, errnos[i]);
        assert_placed(fixture, &spec);
        g_assert_cmpuint(n_refused, ==, 1 + !g_str_equal(mode, "vm"));
        fixture->process.sys = base;
    }
}

static void assert_fails(PlaceFixture *fixture, const char *expected)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    int n_fds = fd_count_open();

    g_assert_false(spawn_with(&fixture->process, &spec, &(SpawnExtras){.cgroup = fixture->cgroup},
                              &spawned, &error));
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_cmpint(fd_count_open(), ==, n_fds);
}

/* As the kernel does it when the cgroup hands controllers down. */
static bool is_leaf(int cgroup_fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", cgroup_fd);
    g_autofree char *path = g_file_read_link(link, NULL);

    return path != NULL && g_str_has_suffix(path, "/web.svc/.control");
}

static pid_t divided_vm(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                        int *ret_pidfd)
{
    return is_leaf(cgroup_fd) ? clone_base->clone_vm(child, data, stack, size, cgroup_fd, ret_pidfd)
                              : refuse_place_vm(child, data, stack, size, cgroup_fd, ret_pidfd);
}

static pid_t divided_copy(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                          int *ret_pidfd)
{
    return is_leaf(cgroup_fd)
                   ? clone_base->clone_copy(child, data, stack, size, cgroup_fd, ret_pidfd)
                   : refuse_place_copy(child, data, stack, size, cgroup_fd, ret_pidfd);
}

/* Who helps the service begins in a leaf, and is a member all the same; twice. */
static void test_divided(PlaceFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL};
    Sys base;

    if (fixture->cgroup == NULL)
        return;
    g_autofree char *expected = g_strconcat("0::", cgroup_path(fixture->cgroup), "/.control", NULL);
    refuse_place(fixture, &base, EBUSY);
    fixture->process.sys.clone_vm = divided_vm;
    fixture->process.sys.clone_copy = divided_copy;
    for (unsigned i = 0; i < 2; i++) {
        SpawnExtras extras = {.cgroup = fixture->cgroup, .may_begin_below = true};
        int n_fds = fd_count_open();
        g_autofree char *text = spawn_print_with(&fixture->process, &spec, &extras);
        g_autofree char *cgroups = lines_of(text, "cgroup");

        assert_contains(cgroups, expected);
        assert_line(text, "fd", "0|1|2");
        g_assert_cmpint(fd_count_open(), ==, n_fds);
        g_assert_cmpuint(n_refused, >, i);
    }
}

static void test_refused(PlaceFixture *fixture, const void *mode)
{
    Sys base;

    if (fixture->cgroup == NULL)
        return;
    refuse_place(fixture, &base, EBUSY);
    g_autofree char *expected =
            g_strdup_printf("cannot create a process in cgroup '%s': Device or resource busy",
                            cgroup_path(fixture->cgroup));
    assert_fails(fixture, expected);
}

/* It is no child's error pipe that is written to here: that comes with more than a byte. */
static __attribute__((no_sanitize("address", "undefined"))) long fail_entry(long number, ...)
{
    long a[6];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_write && (int)a[2] == 1) {
        errno = EACCES;
        return -1;
    }
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void test_entry_refused(PlaceFixture *fixture, const void *mode)
{
    Sys base;

    if (fixture->cgroup == NULL)
        return;
    refuse_place(fixture, &base, EINVAL);
    fixture->process.sys.raw = fail_entry;
    assert_fails(fixture, "cannot enter its cgroup: Permission denied");
}

static int fail_openat(int directory_fd, const char *path, int flags)
{
    errno = EMFILE;
    return -1;
}

static void test_not_opened(PlaceFixture *fixture, const void *mode)
{
    if (fixture->cgroup == NULL)
        return;
    fixture->cgroups.sys.openat = fail_openat;
    g_autofree char *expected =
            g_strdup_printf("cannot create a process in cgroup '%s': Too many open files",
                            cgroup_path(fixture->cgroup));
    assert_fails(fixture, expected);
    fixture->cgroups.sys.openat = sys_linux.openat;
}

static void write_frozen(PlaceFixture *fixture, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/tree/cgroup.freeze", fixture->cgroups.base);
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(write(fd, value, strlen(value)), ==, (ssize_t)strlen(value));
}

static bool is_under_way(ProcessFixture *fixture, const SpawnSpec *spec, const Spawned *spawned)
{
    return spawn_progress(fixture->host, spec, spawned->path, spawned->error_fd, NULL) ==
           SPAWN_PENDING;
}

/* It would not return. */
static pid_t sleeping_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                            int *ret_pidfd)
{
    errno = EDEADLK;
    return -1;
}

/* Nobody waits for who stands still. */
static void test_frozen(PlaceFixture *fixture, const void *mode)
{
    ProcessFixture *process = &fixture->process;
    char *argv[] = {(char *)fixture_program("ender"), (char *)"exit", (char *)"7", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    Identity identity;
    SpawnExtras extras = {
            .invocation_id = "0123456789abcdef0123456789abcdef",
            .identity = &identity,
            .cgroup = fixture->cgroup,
    };
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    if (fixture->cgroup == NULL)
        return;
    g_assert_true(spawn_resolve_identity(&spec, &identity, NULL));
    write_frozen(fixture, "1");
    process->sys.clone_vm = sleeping_clone;
    bool is_started = spawn_start(process->host, &spec, &extras, &spawned, &error);
    g_assert_no_error(error);
    g_assert_true(is_started);
    g_assert_true(is_under_way(process, &spec, &spawned));
    write_frozen(fixture, "0");
    g_assert_cmpint(spawned_wait(&spawned), ==, 7);
    g_assert_cmpint(spawn_progress(process->host, &spec, spawned.path, spawned.error_fd, &error),
                    ==, SPAWN_EXECUTED);
    (void)fd_close(spawned.error_fd);
    g_free(spawned.path);
    identity_clear(&identity);
}

static ssize_t fail_read(int fd, void *buffer, size_t size)
{
    errno = EIO;
    return -1;
}

/* Whether it is frozen cannot be known: it is started as if it were. */
static void test_unknown_if_frozen(PlaceFixture *fixture, const void *mode)
{
    ssize_t (*original)(int fd, void *buffer, size_t size) = fixture->process.sys.read;
    char *argv[] = {(char *)fixture_program("ender"), (char *)"exit", (char *)"7", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    Identity identity;
    SpawnExtras extras = {
            .invocation_id = "0123456789abcdef0123456789abcdef",
            .identity = &identity,
            .cgroup = fixture->cgroup,
    };
    Spawned spawned;

    if (fixture->cgroup == NULL)
        return;
    g_assert_true(spawn_resolve_identity(&spec, &identity, NULL));
    fixture->process.sys.read = fail_read;
    g_assert_true(spawn_start(fixture->process.host, &spec, &extras, &spawned, NULL));
    fixture->process.sys.read = original;
    g_assert_cmpint(spawned.error_fd, >=, 0);
    g_assert_cmpint(spawned_wait(&spawned), ==, 7);
    (void)fd_close(spawned.error_fd);
    g_free(spawned.path);
    identity_clear(&identity);
}

/* Returns what they were. Of free ones there are n from the lowest on. */
static struct rlimit leave_descriptors(rlim_t n)
{
    autofd int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    struct rlimit limit, low;

    g_assert_cmpint(lowest, >=, 0);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)lowest + n, .rlim_max = limit.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    return limit;
}

static void test_kept_back(PlaceFixture *fixture, const void *mode)
{
    static const rlim_t refused[] = {0, 1, DESCRIPTORS_RESERVED};
    char *argv[] = {(char *)fixture_program("ender"), (char *)"exit", (char *)"7", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    SpawnExtras extras = {.cgroup = fixture->cgroup};
    struct rlimit limit;
    Spawned spawned;

    if (fixture->cgroup == NULL)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;

        limit = leave_descriptors(refused[i]);
        bool done = spawn_with(&fixture->process, &spec, &extras, &spawned, &error);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        g_assert_false(done);
        g_assert_error(error, SVCMGR_ERROR, ERROR_LIMIT_EXCEEDED);
        cgroup_close(fixture->cgroup);
    }
    limit = leave_descriptors(DESCRIPTORS_RESERVED + 1);
    bool done = spawn_with(&fixture->process, &spec, &extras, &spawned, NULL);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_true(done);
    g_assert_cmpint(spawned_wait(&spawned), ==, 7);
}

static const struct {
    const char *name;
    void (*test)(PlaceFixture *fixture, const void *mode);
} tests[] = {
        {"placed", test_placed},
        {"old-kernel", test_old_kernel},
        {"divided", test_divided},
        {"refused", test_refused},
        {"entry-refused", test_entry_refused},
        {"not-opened", test_not_opened},
        {"frozen", test_frozen},
        {"unknown-if-frozen", test_unknown_if_frozen},
        {"descriptors-are-kept-back", test_kept_back},
};

int main(int argc, char **argv)
{
    static const char *const modes[] = {"vm", "copy", "fork"};

    g_test_init(&argc, &argv, NULL);
    for (size_t m = 0; m < G_N_ELEMENTS(modes); m++) {
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
            g_autofree char *path = g_strdup_printf("/spawn-cgroup/%s/%s", modes[m], tests[i].name);

            g_test_add(path, PlaceFixture, modes[m], place_init, tests[i].test, place_done);
        }
    }
    return g_test_run();
}
