/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process/fd-store.h"

#include "base/fds.h"
#include "lingering.h"
#include "process-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define STORE_MAX 8
#define FULL "as many as fd_store_max are kept"

typedef struct StoreFixture {
    ProcessFixture process;
    FdStore *store;
} StoreFixture;

static void store_init(StoreFixture *fixture, const void *unused)
{
    fixture_init(&fixture->process);
    fixture->store = fd_store_new(fixture->process.host);
}

/* fixture_done counts descriptors: those of the store are closed with it. */
static void store_done(StoreFixture *fixture, const void *unused)
{
    fd_store_free(fixture->store);
    fixture_done(&fixture->process);
}

static int n_open_expected;

static bool open_as_expected(void *unused)
{
    return fd_count_open() == n_open_expected;
}

/* What may wait is closed by a child. */
static void assert_open_soon(StoreFixture *fixture, int n)
{
    n_open_expected = n;
    fixture_run_until(&fixture->process, open_as_expected, NULL);
}

static int make_memory(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void make_pair(int fds[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
}

/* Whatever comes of it, the descriptor is no longer the caller's. */
static bool store_add(StoreFixture *fixture, int fd, const char *name)
{
    bool ok = fd_store_add(fixture->store, &fd, name, true, STORE_MAX, NULL);

    g_assert_cmpint(fd, ==, -1);
    return ok;
}

static void store_refuse(StoreFixture *fixture, int fd, size_t max, const char *expected)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(fd_store_add(fixture->store, &fd, "x", true, max, &error));
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpstr(error->message, ==, expected);
}

static void assert_names(const StoreFixture *fixture, const char *expected)
{
    g_autofree char *names = fd_store_names(fixture->store);

    g_assert_cmpstr(names, ==, expected);
}

/* Each with its name, in the order of their coming, and open as they came. */
static void test_order(StoreFixture *fixture, const void *unused)
{
    int fds[] = {make_memory(), make_memory(), make_memory()};

    assert_names(fixture, "");
    g_assert_true(store_add(fixture, fds[0], "b"));
    g_assert_true(store_add(fixture, fds[1], ""));
    g_assert_true(store_add(fixture, fds[2], "a"));
    g_assert_cmpuint(fd_store_count(fixture->store), ==, 3);
    for (size_t i = 0; i < 3; i++)
        g_assert_cmpint(fd_store_get(fixture->store, i), ==, fds[i]);
    assert_names(fixture, "b:stored:a");
}

static void test_remove(StoreFixture *fixture, const void *unused)
{
    static const char *const names[] = {"a", "", "b", "a", "stored"};
    int n_before = fd_count_open();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_true(store_add(fixture, make_memory(), names[i]));
    g_assert_cmpuint(fd_store_remove(fixture->store, "none"), ==, 0);
    g_assert_cmpuint(fd_store_remove(fixture->store, "a"), ==, 2);
    assert_names(fixture, "stored:b:stored");
    g_assert_cmpuint(fd_store_remove(fixture->store, ""), ==, 2);
    assert_names(fixture, "b");
    g_assert_cmpuint(fd_store_remove(fixture->store, "b"), ==, 1);
    g_assert_cmpint(fd_count_open(), ==, n_before);
}

/* Dropped when its other end is closed, and not because there is something to be read. */
static void test_hang_up(StoreFixture *fixture, const void *unused)
{
    int fds[2], kept[2], n_before = fd_count_open();

    make_pair(fds);
    make_pair(kept);
    g_assert_true(store_add(fixture, fds[0], "gone"));
    g_assert_true(store_add(fixture, kept[0], "kept"));
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_cmpint(shutdown(kept[1], SHUT_WR), ==, 0); /* half of it is closed */
    fixture_settle(&fixture->process);
    assert_names(fixture, "gone:kept");
    (void)close(fds[1]);
    fixture_settle(&fixture->process);
    assert_names(fixture, "kept");
    assert_open_soon(fixture, n_before + 2);
    (void)close(kept[1]);
    fixture_settle(&fixture->process);
    g_assert_cmpuint(fd_store_count(fixture->store), ==, 0);
}

/* All in one turn, each of which may free the others' neighbours. */
static void test_hang_up_together(StoreFixture *fixture, const void *unused)
{
    int fds[STORE_MAX][2];

    for (int i = 0; i < STORE_MAX; i++) {
        make_pair(fds[i]);
        g_assert_true(store_add(fixture, fds[i][0], i % 2 == 0 ? "even" : "odd"));
    }
    for (int i = 0; i < STORE_MAX; i++)
        (void)close(fds[i][1]);
    g_assert_cmpuint(fd_store_remove(fixture->store, "even"), ==, STORE_MAX / 2);
    fixture_settle(&fixture->process);
    g_assert_cmpuint(fd_store_count(fixture->store), ==, 0);
}

static void test_unwatched(StoreFixture *fixture, const void *unused)
{
    int fds[2];

    make_pair(fds);
    g_assert_true(fd_store_add(fixture->store, &fds[0], "x", false, STORE_MAX, NULL));
    (void)close(fds[1]);
    fixture_settle(&fixture->process);
    assert_names(fixture, "x");
}

static int open_file(const StoreFixture *fixture)
{
    return open(fixture_path(&fixture->process, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* What cannot be polled stays. */
static void test_file(StoreFixture *fixture, const void *unused)
{
    int directory = open(fixture->process.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    g_assert_true(store_add(fixture, open_file(fixture), "file"));
    g_assert_true(store_add(fixture, directory, "directory"));
    g_assert_true(store_add(fixture, eventfd(0, EFD_CLOEXEC), "event"));
    fixture_settle(&fixture->process);
    assert_names(fixture, "file:directory:event");
}

/* One open file is kept once, under its first name; the same file opened twice is two. */
static void test_duplicates(StoreFixture *fixture, const void *unused)
{
    int fd = open_file(fixture), again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int n_before = fd_count_open();

    g_assert_true(store_add(fixture, fd, "first"));
    g_assert_true(store_add(fixture, again, "second"));
    assert_names(fixture, "first");
    assert_open_soon(fixture, n_before - 1);
    g_assert_true(store_add(fixture, open_file(fixture), "third"));
    assert_names(fixture, "first:third");
}

static int same_file_is_refused(int a, int b)
{
    errno = EPERM;
    return -1;
}

static void test_duplicates_unknown(StoreFixture *fixture, const void *unused)
{
    int fd = make_memory(), again = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    fixture->process.sys.same_file = same_file_is_refused;
    g_assert_true(store_add(fixture, fd, "first"));
    g_assert_true(store_add(fixture, again, "second"));
    assert_names(fixture, "first:second");
}

static void test_limit(StoreFixture *fixture, const void *unused)
{
    int n_before = fd_count_open(), first = make_memory(), again = fcntl(first, F_DUPFD_CLOEXEC, 0);

    g_assert_true(store_add(fixture, first, "x"));
    for (int i = 1; i < STORE_MAX; i++)
        g_assert_true(store_add(fixture, make_memory(), "x"));
    store_refuse(fixture, make_memory(), STORE_MAX, FULL);
    g_assert_true(store_add(fixture, again, "x")); /* needs no room */
    g_assert_cmpuint(fd_store_count(fixture->store), ==, STORE_MAX);
    g_assert_cmpint(fd_count_open(), ==, n_before + STORE_MAX);
    g_assert_cmpuint(fd_store_remove(fixture->store, "x"), ==, STORE_MAX);
    g_assert_true(store_add(fixture, make_memory(), "y"));
    store_refuse(fixture, make_memory(), 0, FULL);
}

/* The last come go. */
static void test_trim(StoreFixture *fixture, const void *unused)
{
    static const char *const names[] = {"a", "b", "c"};
    int n_before = fd_count_open();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_true(store_add(fixture, make_memory(), names[i]));
    g_assert_cmpuint(fd_store_trim(fixture->store, 3), ==, 0);
    g_assert_cmpuint(fd_store_trim(fixture->store, 1), ==, 2);
    assert_names(fixture, "a");
    g_assert_cmpint(fd_count_open(), ==, n_before + 1);
    g_assert_cmpuint(fd_store_trim(fixture->store, 0), ==, 1);
    assert_names(fixture, "");
}

/* To close one must not take the daemon half a minute: one that is removed, and one too many. */
static void test_lingering(StoreFixture *fixture, const void *unused)
{
    int peers[2], fds[] = {lingering_socket(&peers[0]), lingering_socket(&peers[1])};
    uint64_t begin = clock_monotonic_usec(clock_system());

    g_assert_true(store_add(fixture, fds[0], "x"));
    g_assert_cmpuint(fd_store_remove(fixture->store, "x"), ==, 1);
    store_refuse(fixture, fds[1], 0, FULL);
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - begin, <, LINGERING_USEC / 2);
    for (int i = 0; i < 2; i++)
        (void)close(peers[i]);
}

static int setsockopt_refused(int fd, int level, int name, const void *value, socklen_t length)
{
    errno = EPERM;
    return -1;
}

/* Nor when it lingers all the same, as a file does whose server does not answer: the others that
 * are to be closed are closed meanwhile, and it is when its peer is gone. */
static void test_waits_elsewhere(StoreFixture *fixture, const void *unused)
{
    int peer, n_before = fd_count_open(), slow = lingering_socket(&peer);
    uint64_t begin = clock_monotonic_usec(clock_system());

    fixture->process.sys.setsockopt = setsockopt_refused;
    g_assert_true(store_add(fixture, slow, "x"));
    g_assert_true(store_add(fixture, open_file(fixture), "x"));
    g_assert_cmpuint(fd_store_remove(fixture->store, "x"), ==, 2);
    assert_open_soon(fixture, n_before + 2); /* the peer, and the child that waits */
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - begin, <, LINGERING_USEC / 2);
    (void)close(peer);
    assert_open_soon(fixture, n_before);
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - begin, <, LINGERING_USEC / 2);
    fixture->process.sys.setsockopt = setsockopt;
}

static unsigned n_compared;

static int same_file_counting(int a, int b)
{
    n_compared++;
    return sys_linux.same_file(a, b);
}

/* Twice as many that are stored cost one that comes one comparison more. */
static void test_comparisons(StoreFixture *fixture, const void *unused)
{
    int fds[200];

    fixture->process.sys.same_file = same_file_counting;
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        int fd = fds[i] = eventfd(0, EFD_CLOEXEC);

        n_compared = 0;
        g_assert_true(fd_store_add(fixture->store, &fd, "x", false, 1024, NULL));
        g_assert_cmpuint(n_compared, <=, 8);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        int again = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

        g_assert_true(fd_store_add(fixture->store, &again, "y", false, 1024, NULL));
        g_assert_cmpuint(fd_store_count(fixture->store), ==, G_N_ELEMENTS(fds));
    }
}

/* The daemon's own last descriptors stay free. */
static void test_last_descriptors(StoreFixture *fixture, const void *unused)
{
    struct rlimit limit, low;
    int fd = make_memory(), n_before = fd_count_open();

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    low = (struct rlimit){(rlim_t)n_before + 20, limit.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    store_refuse(fixture, fd, STORE_MAX, "the daemon has too many open files");
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_cmpint(fd_count_open(), ==, n_before - 1);
    g_assert_true(store_add(fixture, make_memory(), "x"));
}

static Watch *watch_fails(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    g_assert_cmpuint(events, ==, 0);
    errno = ENOSPC;
    return NULL;
}

/* It is of use all the same. */
static void test_watch_fails(StoreFixture *fixture, const void *unused)
{
    WatchHost *watches = loop_watches(fixture->process.loop), good = *watches;
    int fds[2];

    make_pair(fds);
    watches->create = watch_fails;
    g_assert_true(store_add(fixture, fds[0], "x"));
    *watches = good;
    (void)close(fds[1]);
    fixture_settle(&fixture->process);
    assert_names(fixture, "x");
}

static void test_names(void)
{
    static const char *const good[] = {"a", "with space", "~!@#$%^&*()-_=+,.", "0"};
    static const char *const bad[] = {"", ":", "a:b", "\n", "a\t", "\x7f", "\xc3\xa9", "\x01"};
    g_autofree char *longest = g_strnfill(FD_STORE_NAME_BYTES - 1, 'x');
    g_autofree char *too_long = g_strnfill(FD_STORE_NAME_BYTES, 'x');

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(fd_store_name_is_valid(good[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(fd_store_name_is_valid(bad[i]));
    g_assert_true(fd_store_name_is_valid(longest));
    g_assert_false(fd_store_name_is_valid(too_long));
}

#define ADD(path, func)                                                                            \
    g_test_add("/fd-store/" path, StoreFixture, NULL, store_init, func, store_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fd_store_free(NULL);
    g_test_add_func("/fd-store/valid-names", test_names);
    ADD("order", test_order);
    ADD("remove", test_remove);
    ADD("hang-up", test_hang_up);
    ADD("hang-up/together", test_hang_up_together);
    ADD("hang-up/not-watched", test_unwatched);
    ADD("file", test_file);
    ADD("duplicates", test_duplicates);
    ADD("duplicates/unknown", test_duplicates_unknown);
    ADD("limit", test_limit);
    ADD("trim", test_trim);
    ADD("lingering", test_lingering);
    ADD("waits-elsewhere", test_waits_elsewhere);
    ADD("comparisons", test_comparisons);
    ADD("last-descriptors", test_last_descriptors);
    ADD("failures/watch", test_watch_fails);
    return g_test_run();
}
