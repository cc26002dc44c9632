/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All logs together take no more than they may, and what is lost for it is the oldest. Ages are
 * given to the files here, before the daemon that looks at them begins. */

#include "process/service-log-internal.h"
#include "service-log-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define TOTAL_LINE_BYTES 10
#define TOTAL_FILE_BYTES 100

/* n files, of which the last is current, each with as many bytes as it may have. */
static void leave(LogFixture *fixture, const char *id, unsigned n)
{
    ServiceLog *log = log_fixture_open(fixture, id, TOTAL_FILE_BYTES, 1000);

    log_fixture_count(log, 1, n * TOTAL_FILE_BYTES / TOTAL_LINE_BYTES, TOTAL_LINE_BYTES);
    service_log_close(log);
}

static void set_age(LogFixture *fixture, const char *id, uint64_t number, time_t at)
{
    g_autofree char *path = log_fixture_path(fixture, id, number);
    struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};

    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static bool is_there(LogFixture *fixture, const char *id, uint64_t number)
{
    g_autofree char *path = log_fixture_path(fixture, id, number);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* Of all files below path. */
static uint64_t count_bytes(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;
    uint64_t bytes = 0;

    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *below = g_build_filename(path, name, NULL);
        struct stat status;

        g_assert_cmpint(lstat(below, &status), ==, 0);
        bytes += S_ISDIR(status.st_mode) ? count_bytes(below) : (uint64_t)status.st_size;
    }
    return bytes;
}

static void begin(LogFixture *fixture, uint64_t max_bytes)
{
    fixture->total_max_bytes = max_bytes;
    log_fixture_restart(fixture);
}

static void run(LogFixture *fixture)
{
    virtual_loop_advance(fixture->loop, 10 * USEC_PER_SEC);
    g_assert_cmpuint(service_log_total_bytes(fixture->logs->total), ==,
                     count_bytes(fixture->directory));
}

/* The oldest of all services first, whoever writes. */
static void test_oldest(LogFixture *fixture, const void *unused)
{
    leave(fixture, "a", 4);
    leave(fixture, "b", 4);
    set_age(fixture, "a", 1, 1000);
    set_age(fixture, "b", 1, 2000);
    set_age(fixture, "b", 2, 3000);
    set_age(fixture, "a", 2, 4000);
    set_age(fixture, "a", 3, 5000);
    set_age(fixture, "b", 3, 6000);
    set_age(fixture, "a", 0, 500); /* no age of a rotated file */
    begin(fixture, 550);
    virtual_loop_advance(fixture->loop, 10 * USEC_PER_SEC);
    g_assert_true(is_there(fixture, "a", 1)); /* nobody has written */

    ServiceLog *log = log_fixture_open(fixture, "c", 0, 0);
    log_fixture_count(log, 1, 1, TOTAL_LINE_BYTES);
    g_assert_true(is_there(fixture, "a", 1)); /* not within the call */
    run(fixture);
    g_assert_false(is_there(fixture, "a", 1));
    g_assert_false(is_there(fixture, "b", 1));
    g_assert_false(is_there(fixture, "b", 2));
    g_assert_true(is_there(fixture, "a", 2));
    g_assert_true(is_there(fixture, "a", 3));
    g_assert_true(is_there(fixture, "b", 3));
    g_assert_true(is_there(fixture, "a", 0));
    g_assert_cmpuint(service_log_total_bytes(fixture->logs->total), ==, 510);
    service_log_close(log);
}

/* Logs that nobody writes to any more count, and go with their directories; what is not ours
 * stays. */
static void test_deleted(LogFixture *fixture, const void *unused)
{
    static const char *const ids[] = {"gone-1", "gone-2", "gone-3"};
    g_autofree char *foreign = g_build_filename(fixture->directory, "gone-2", "notes", NULL);
    g_autofree char *directory = g_build_filename(fixture->directory, "gone-1", NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        leave(fixture, ids[i], 1);
        set_age(fixture, ids[i], 0, (time_t)(1000 + i));
    }
    g_assert_true(g_file_set_contents(foreign, "", -1, NULL));
    begin(fixture, 150);
    ServiceLog *log = log_fixture_open(fixture, "live", 0, 0);
    log_fixture_count(log, 1, 1, TOTAL_LINE_BYTES);
    run(fixture);
    g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
    g_assert_false(is_there(fixture, "gone-2", 0));
    g_assert_true(g_file_test(foreign, G_FILE_TEST_EXISTS));
    g_assert_true(is_there(fixture, "gone-3", 0));
    g_assert_true(is_there(fixture, "live", 0));
    service_log_close(log);
}

/* A log that is open but quiet goes before one that is written to: its descriptor is closed, and it
 * begins anew without a word. The one that was written to last stays, whatever it takes. */
static void test_quiet(LogFixture *fixture, const void *unused)
{
    begin(fixture, 150);
    ServiceLog *quiet = log_fixture_open(fixture, "quiet", 1000, 1);
    ServiceLog *busy = log_fixture_open(fixture, "busy", 1000, 1);

    log_fixture_count(quiet, 1, 10, TOTAL_LINE_BYTES);
    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    log_fixture_count(busy, 1, 20, TOTAL_LINE_BYTES);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds + 2);
    run(fixture);
    g_assert_false(is_there(fixture, "quiet", 0));
    g_assert_true(is_there(fixture, "busy", 0));
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds + 1);

    log_fixture_count(quiet, 11, 11, TOTAL_LINE_BYTES);
    g_autofree char *text = log_fixture_text(fixture, "quiet", 0);
    g_assert_cmpstr(text, ==, "11       \n");
    run(fixture);
    g_assert_false(is_there(fixture, "busy", 0));
    g_assert_cmpuint(fixture->told->len, ==, 0);
    service_log_close(quiet);
    service_log_close(busy);
}

/* A log that was quiet for a while may begin with a rotation. */
static void test_reopened(LogFixture *fixture, const void *unused)
{
    leave(fixture, "web", 4);
    begin(fixture, 10000);
    ServiceLog *other = log_fixture_open(fixture, "other", 0, 0);
    log_fixture_count(other, 1, 1, TOTAL_LINE_BYTES);
    run(fixture);
    ServiceLog *log = log_fixture_open(fixture, "web", TOTAL_FILE_BYTES, 1);
    log_fixture_count(log, 1, 1, TOTAL_LINE_BYTES);
    run(fixture);
    g_assert_cmpuint(service_log_total_bytes(fixture->logs->total), ==, 120);
    service_log_close(log);
    service_log_close(other);
}

/* Whatever is written by whom: the sum is right, and within the limit. */
static void test_random(LogFixture *fixture, const void *unused)
{
    enum { SERVICES = 8 };
    ServiceLog *logs[SERVICES] = {NULL};

    begin(fixture, 3000);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned which = (unsigned)g_test_rand_int_range(0, SERVICES);
        g_autofree char *id = g_strdup_printf("service-%u", which);

        if (logs[which] == NULL)
            logs[which] = log_fixture_open(fixture, id, TOTAL_FILE_BYTES,
                                           (uint32_t)g_test_rand_int_range(0, 9));
        if (g_test_rand_int_range(0, 20) == 0)
            g_clear_pointer(&logs[which], service_log_close);
        else
            log_fixture_count(logs[which], i, i, (size_t)g_test_rand_int_range(5, 40));
        virtual_loop_advance(fixture->loop, 5 * USEC_PER_MSEC);
    }
    run(fixture);
    g_assert_cmpuint(count_bytes(fixture->directory), <=, 3000);
    for (unsigned i = 0; i < SERVICES; i++)
        service_log_close(logs[i]);
}

/* The loop is not held */

static unsigned n_opened, n_looked_at;

static int fstatat_counted(int directory_fd, const char *path, struct stat *ret_status, int flags)
{
    n_looked_at++;
    return sys_linux.fstatat(directory_fd, path, ret_status, flags);
}

static int open_counted(const char *path, int flags)
{
    n_opened++;
    return sys_linux.open(path, flags);
}

/* Each turn looks at a few directories, and removes a few files. */
static void test_slices(LogFixture *fixture, const void *unused)
{
    enum { MANY = 300, A_TURN = 50 };
    unsigned n_turns = 0;

    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("gone-%u", i);

        leave(fixture, id, i % 4 == 0 ? 30 : 1);
    }
    fixture->sys.open = open_counted;
    fixture->sys.fstatat = fstatat_counted;
    begin(fixture, 10 * TOTAL_FILE_BYTES);
    ServiceLog *log = log_fixture_open(fixture, "live", 0, 0);
    n_opened = 0;
    log_fixture_count(log, 1, 1, TOTAL_LINE_BYTES);
    g_assert_cmpuint(n_opened, <, 5);
    while (virtual_loop_n_armed(fixture->loop) > 0) {
        uint64_t now_usec = clock_monotonic_usec(virtual_loop_clock(fixture->loop));

        n_opened = 0;
        n_looked_at = 0;
        virtual_loop_advance(fixture->loop, virtual_loop_next_timer_usec(fixture->loop) - now_usec);
        g_assert_cmpuint(n_opened, <=, A_TURN);
        g_assert_cmpuint(n_looked_at, <=, 4 * A_TURN);
        n_turns++;
    }
    g_assert_cmpuint(n_turns, >=, MANY / A_TURN);
    run(fixture);
    g_assert_cmpuint(service_log_total_bytes(fixture->logs->total), <=, 10 * TOTAL_FILE_BYTES);
    g_assert_cmpuint(service_log_total_bytes(fixture->logs->total), >, 9 * TOTAL_FILE_BYTES);
    service_log_close(log);
}

static int unlink_errno;
static unsigned n_unlinks;

static int unlinkat_failing(int directory_fd, const char *path, int flags)
{
    n_unlinks++;
    if (unlink_errno == 0)
        return sys_linux.unlinkat(directory_fd, path, flags);
    errno = unlink_errno;
    return -1;
}

/* What cannot be removed is told once, and tried again after a while only. */
static void test_stuck(LogFixture *fixture, const void *unused)
{
    leave(fixture, "a", 4);
    leave(fixture, "b", 4);
    fixture->sys.unlinkat = unlinkat_failing;
    unlink_errno = EACCES;
    n_unlinks = 0;
    begin(fixture, 300);
    ServiceLog *log = log_fixture_open(fixture, "c", 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        log_fixture_count(log, 1, 1, TOTAL_LINE_BYTES);
        virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    }
    /* Rotated and current of both. */
    g_assert_cmpuint(n_unlinks, <=, 4);
    g_assert_cmpuint(log_fixture_n_told(fixture, "cannot remove old logs"), ==, 1);
    g_assert_cmpuint(fixture->told->len, ==, 1);

    virtual_loop_advance(fixture->loop, 61 * USEC_PER_SEC);
    g_assert_cmpuint(n_unlinks, >, 2);
    g_assert_cmpuint(n_unlinks, <=, 8);
    g_assert_cmpuint(fixture->told->len, ==, 1);
    unlink_errno = 0;
    virtual_loop_advance(fixture->loop, 61 * USEC_PER_SEC);
    run(fixture);
    g_assert_cmpuint(service_log_total_bytes(fixture->logs->total), <=, 300);
    service_log_close(log);
}

static bool no_file;

static int refusing_createat(int directory_fd, const char *path, int flags, mode_t mode)
{
    if (!no_file)
        return sys_linux.createat(directory_fd, path, flags, mode);
    errno = ENFILE;
    return -1;
}

/* What was rotated is not counted as current too, where no new file can be had. */
static void test_no_next(LogFixture *fixture, const void *unused)
{
    fixture->sys.createat = refusing_createat;
    begin(fixture, 1000);
    ServiceLog *log = log_fixture_open(fixture, "a", TOTAL_FILE_BYTES, 1000);

    log_fixture_count(log, 1, 10, TOTAL_LINE_BYTES);
    run(fixture);
    no_file = true;
    log_fixture_count(log, 11, 11, TOTAL_LINE_BYTES);
    run(fixture);
    no_file = false;
    log_fixture_count(log, 12, 12, TOTAL_LINE_BYTES);
    run(fixture);
    service_log_close(log);
}

static ssize_t full_write(int fd, const void *buffer, size_t size)
{
    errno = ENOSPC;
    return -1;
}

static ssize_t failing_getdents(int fd, void *buffer, size_t size)
{
    errno = EIO;
    return -1;
}

/* Why the first line is lost, though the files cannot be looked at either. */
static void test_reason(LogFixture *fixture, const void *unused)
{
    fixture->sys.write = full_write;
    fixture->sys.getdents64 = failing_getdents;
    begin(fixture, 1000);
    ServiceLog *log = log_fixture_open(fixture, "a", TOTAL_FILE_BYTES, 1000);

    log_fixture_count(log, 1, 1, TOTAL_LINE_BYTES);
    fixture->sys = sys_linux;
    log_fixture_count(log, 2, 2, TOTAL_LINE_BYTES);
    g_autofree char *text = log_fixture_text(fixture, "a", 0);
    g_assert_true(g_str_has_prefix(
            text, "svcmgr: 1 line (10 bytes) was lost: No space left on device\n"));
    service_log_close(log);
}

#define TOTAL_TEST(name, function)                                                                 \
    g_test_add("/service-log-total/" name, LogFixture, NULL, log_fixture_init, function,           \
               log_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TOTAL_TEST("oldest", test_oldest);
    TOTAL_TEST("deleted", test_deleted);
    TOTAL_TEST("quiet", test_quiet);
    TOTAL_TEST("reopened", test_reopened);
    TOTAL_TEST("random", test_random);
    TOTAL_TEST("slices", test_slices);
    TOTAL_TEST("stuck", test_stuck);
    TOTAL_TEST("no-next", test_no_next);
    TOTAL_TEST("reason", test_reason);
    return g_test_run();
}
