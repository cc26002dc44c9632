/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each system call of a log fails, at each of its calls, once or for a while, with each error that
 * it can have; and a real disk is full. Always: each line is in the files once, whole and in order,
 * or is counted in a line that says so; it is told once, and all goes on when the failure is over.
 */

#include "service-log-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define FAULT_LINES 14
#define FAULT_LINE_BYTES 20
#define FAULT_FILE_BYTES 200

typedef enum FaultCall {
    FAULT_OPEN,
    FAULT_CREATEAT,
    FAULT_FSTATAT,
    FAULT_MKDIR,
    FAULT_FCHMOD,
    FAULT_WRITE,
    FAULT_WRITE_SHORT, /* a third of it is written, then it fails */
    FAULT_FTRUNCATE,   /* and the write before it */
    FAULT_RENAMEAT,
    FAULT_UNLINKAT,
    FAULT_GETDENTS,
    _FAULT_CALL_MAX,
} FaultCall;

static struct {
    FaultCall call;
    unsigned nth; /* calls until it fails */
    unsigned n_failures;
    int errno_value;
    unsigned n_calls;
    bool has_failed;
    bool was_short;
} fault;

/* From the nth call on, n_failures of them. */
static bool fault_hits(FaultCall call)
{
    if (call != fault.call)
        return false;
    fault.n_calls++;
    if (fault.n_calls < fault.nth || fault.n_calls >= fault.nth + fault.n_failures)
        return false;
    fault.has_failed = true;
    errno = fault.errno_value;
    return true;
}

static int fault_open(const char *path, int flags)
{
    return fault_hits(FAULT_OPEN) ? -1 : sys_linux.open(path, flags);
}

static int fault_createat(int directory_fd, const char *path, int flags, mode_t mode)
{
    return fault_hits(FAULT_CREATEAT) ? -1 : sys_linux.createat(directory_fd, path, flags, mode);
}

static int fault_fstatat(int directory_fd, const char *path, struct stat *ret_status, int flags)
{
    if (fault_hits(FAULT_FSTATAT))
        return -1;
    return sys_linux.fstatat(directory_fd, path, ret_status, flags);
}

static int fault_mkdir(const char *path, mode_t mode)
{
    return fault_hits(FAULT_MKDIR) ? -1 : sys_linux.mkdir(path, mode);
}

static int fault_fchmod(int fd, mode_t mode)
{
    return fault_hits(FAULT_FCHMOD) ? -1 : sys_linux.fchmod(fd, mode);
}

static ssize_t fault_write(int fd, const void *buffer, size_t size)
{
    if (fault.was_short) {
        fault.was_short = false;
        errno = fault.errno_value;
        return -1;
    }
    if (fault_hits(FAULT_WRITE))
        return -1;
    if (size > 1 && (fault_hits(FAULT_WRITE_SHORT) || fault_hits(FAULT_FTRUNCATE))) {
        fault.was_short = true;
        size /= 3; /* a tear that only a newline is missing behind counts as one */
    }
    return sys_linux.write(fd, buffer, size);
}

static int fault_ftruncate(int fd, off_t length)
{
    errno = EIO;
    return fault.call == FAULT_FTRUNCATE ? -1 : sys_linux.ftruncate(fd, length);
}

static int fault_renameat(int from_fd, const char *from, int directory_fd, const char *path)
{
    return fault_hits(FAULT_RENAMEAT) ? -1 : sys_linux.renameat(from_fd, from, directory_fd, path);
}

static int fault_unlinkat(int directory_fd, const char *path, int flags)
{
    return fault_hits(FAULT_UNLINKAT) ? -1 : sys_linux.unlinkat(directory_fd, path, flags);
}

static ssize_t fault_getdents(int fd, void *buffer, size_t size)
{
    return fault_hits(FAULT_GETDENTS) ? -1 : sys_linux.getdents64(fd, buffer, size);
}

static void fault_fixture_init(LogFixture *fixture, const void *unused)
{
    log_fixture_init(fixture, unused);
    fixture->sys.open = fault_open;
    fixture->sys.createat = fault_createat;
    fixture->sys.fstatat = fault_fstatat;
    fixture->sys.mkdir = fault_mkdir;
    fixture->sys.fchmod = fault_fchmod;
    fixture->sys.write = fault_write;
    fixture->sys.ftruncate = fault_ftruncate;
    fixture->sys.renameat = fault_renameat;
    fixture->sys.unlinkat = fault_unlinkat;
    fixture->sys.getdents64 = fault_getdents;
    fault.nth = 0;
    fault.n_failures = 0;
    fault.n_calls = 0;
    fault.was_short = false;
}

/* Adds up what lines say that were lost; 0: it is no such line, or not all of one. */
static unsigned lost_of(const char *line, unsigned *lost_bytes)
{
    unsigned lines, bytes;
    int end = 0;

    if (sscanf(line, "svcmgr: %u %*[lines] (%u bytes) %*[a-z] lost: %n", &lines, &bytes, &end) !=
                2 ||
        end == 0 || !g_str_equal(line + end, g_strerror(fault.errno_value)))
        return 0;
    *lost_bytes += bytes;
    return lines;
}

/* Lines from..to were said. may_tear: parts of lines that were lost may be there too. */
static void check_lines(LogFixture *fixture, const char *id, unsigned from, unsigned to,
                        bool may_tear)
{
    g_autofree char *all = log_fixture_all(fixture, id);
    g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
    unsigned last = from - 1, n = 0, n_lost = 0, n_lost_bytes = 0;

    g_assert_true(g_str_has_suffix(all, "\n"));
    for (unsigned i = 0; lines[i + 1] != NULL; i++) {
        unsigned lost = lost_of(lines[i], &n_lost_bytes);
        unsigned number = (unsigned)strtoul(lines[i], NULL, 10);

        n_lost += lost;
        if (lost > 0 || (may_tear && (strlen(lines[i]) != FAULT_LINE_BYTES - 1 || number == 0)))
            continue;
        g_assert_cmpuint(strlen(lines[i]), ==, FAULT_LINE_BYTES - 1);
        g_assert_cmpuint(number, >, last);
        last = number;
        n++;
    }
    g_assert_cmpuint(last, ==, to);
    g_assert_cmpuint(n + n_lost, ==, to - from + 1);
    g_assert_cmpuint(n_lost_bytes, ==, n_lost * FAULT_LINE_BYTES);
}

/* Three lines at once, so that a part of them can be written. */
static void say(ServiceLog *log, unsigned from)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    for (unsigned i = from; i < from + 3; i++)
        g_string_append_printf(lines, "%-*u\n", FAULT_LINE_BYTES - 1, i);
    log_fixture_say(log, lines->str);
}

/* What is there when it begins has the wrong mode, and was rotated before. */
static void prepare(LogFixture *fixture, const char *id)
{
    g_autofree char *path = log_fixture_path(fixture, id, 0);
    g_autofree char *directory = g_path_get_dirname(path);
    ServiceLog *log = log_fixture_open(fixture, id, FAULT_FILE_BYTES, 1000);

    log_fixture_count(log, 1, 29, FAULT_LINE_BYTES);
    service_log_close(log);
    g_assert_cmpint(chmod(path, 0644), ==, 0);
    g_assert_cmpint(chmod(directory, 0755), ==, 0);
}

/* One history with a fault in it; false: it was over before. */
static bool play(LogFixture *fixture, const char *id, bool is_new)
{
    unsigned from = is_new ? 1 : 30, to = from + 3 * FAULT_LINES - 1;
    ServiceLog *log;

    fault.nth += 1000000; /* not yet */
    if (!is_new)
        prepare(fixture, id);
    fault.nth -= 1000000;
    fault.n_calls = 0;
    fault.has_failed = false;
    g_ptr_array_set_size(fixture->told, 0);
    log = log_fixture_open(fixture, id, FAULT_FILE_BYTES, 1000);
    for (unsigned i = from; i < to; i += 3)
        say(log, i);
    bool has_failed = fault.has_failed;

    fault.n_failures = 0;
    log_fixture_count(log, to + 1, to + 1, FAULT_LINE_BYTES);
    service_log_close(log);
    check_lines(fixture, id, 1, to + 1, fault.call == FAULT_FTRUNCATE);
    g_assert_cmpuint(log_fixture_n_told(fixture, "cannot write to its log"), <=, 1);
    g_assert_cmpuint(log_fixture_n_told(fixture, "written again"), ==,
                     log_fixture_n_told(fixture, "cannot write to its log"));
    g_assert_cmpuint(log_fixture_n_told(fixture, "removed or renamed"), ==, 0);
    return has_failed;
}

/* Every nth call, until there is none. Returns how many there were. */
static unsigned play_each(LogFixture *fixture, FaultCall call, int errno_value, unsigned n_failures)
{
    static unsigned number;

    for (unsigned nth = 1;; nth++) {
        bool has_failed = false;

        for (unsigned is_new = 0; is_new < 2; is_new++) {
            g_autofree char *id = g_strdup_printf("fault-%u", ++number);

            fault.call = call;
            fault.nth = nth;
            fault.n_failures = n_failures;
            fault.errno_value = errno_value;
            has_failed |= play(fixture, id, is_new == 1);
            /* Another time than the last, so that it is told again. */
            virtual_loop_advance(fixture->loop, 3600 * USEC_PER_SEC);
        }
        if (!has_failed)
            return nth - 1;
    }
}

static void test_each(LogFixture *fixture, const void *unused)
{
    static const struct {
        FaultCall call;
        int errno_values[4];
        bool is_rare; /* where the mode or the directory is not there yet */
    } rows[] = {
            {FAULT_OPEN, {EMFILE, EACCES, EIO}, false},
            {FAULT_CREATEAT, {ENOSPC, EROFS, EMFILE, EACCES}, false},
            {FAULT_FSTATAT, {EIO, EACCES}, false},
            {FAULT_MKDIR, {ENOSPC, EROFS, EACCES}, true},
            {FAULT_FCHMOD, {EPERM, EROFS}, true},
            {FAULT_WRITE, {ENOSPC, EIO, EDQUOT, EROFS}, false},
            {FAULT_WRITE_SHORT, {ENOSPC, EINTR}, false},
            {FAULT_FTRUNCATE, {ENOSPC, EIO}, false},
            {FAULT_RENAMEAT, {ENOSPC, EROFS, EACCES}, false},
            {FAULT_GETDENTS, {EIO, ENOMEM}, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (unsigned k = 0; k < 4 && rows[i].errno_values[k] != 0; k++) {
            /* How long it lasts and which error it is do not depend on one another. */
            unsigned n = play_each(fixture, rows[i].call, rows[i].errno_values[k], k == 0 ? 1 : 7);

            g_assert_cmpuint(n, >=, rows[i].is_rare ? 1 : 5);
        }
    }
}

/* A write that is interrupted is made again, and nothing is lost. */
static void test_interrupted(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);

    fault.call = FAULT_WRITE;
    fault.nth = 2;
    fault.n_failures = 3;
    fault.errno_value = EINTR;
    fault.n_calls = 0;
    log_fixture_say(log, "one\n");
    log_fixture_say(log, "two\n");
    g_autofree char *text = log_fixture_text(fixture, "web", 0);
    g_assert_cmpstr(text, ==, "one\ntwo\n");
    g_assert_cmpuint(fault.n_calls, ==, 5);
    service_log_close(log);
}

/* What cannot be removed stays, and nothing else suffers. */
static void test_unlink(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 2);

    fault.call = FAULT_UNLINKAT;
    fault.nth = 1;
    fault.n_failures = 3;
    fault.errno_value = EACCES;
    fault.n_calls = 0;
    log_fixture_count(log, 1, 5, 10);
    g_autoptr(GArray) before = service_log_files_list(fixture->logs, "web");
    g_assert_cmpuint(before->len, ==, 4);
    log_fixture_count(log, 6, 7, 10);
    g_autoptr(GArray) after = service_log_files_list(fixture->logs, "web");
    g_assert_cmpuint(after->len, ==, 2);
    g_assert_cmpuint(g_array_index(after, uint64_t, 0), ==, 5);
    service_log_close(log);
}

/* A full disk is told once for all services, and for a while not again. */
static void test_shared(LogFixture *fixture, const void *unused)
{
    ServiceLog *web = log_fixture_open(fixture, "web", 0, 0);
    ServiceLog *db = log_fixture_open(fixture, "db", 0, 0);

    fault.call = FAULT_WRITE;
    fault.errno_value = ENOSPC;
    for (unsigned round = 1; round <= 3; round++) {
        fault.nth = fault.n_calls + 1;
        fault.n_failures = 4;
        for (unsigned i = 0; i < 2; i++) {
            log_fixture_say(web, "lost\n");
            log_fixture_say(db, "lost\n");
        }
        log_fixture_say(web, "kept\n");
        log_fixture_say(db, "kept\n");
        g_assert_cmpuint(log_fixture_n_told(fixture, "No space left on device; what services say"),
                         ==, round == 3 ? 2 : 1);
        g_assert_cmpuint(log_fixture_n_told(fixture, "are written again"), ==, round == 3 ? 2 : 1);
        virtual_loop_advance(fixture->loop, 31 * USEC_PER_SEC);
    }
    g_assert_cmpuint(fixture->told->len, ==, 4);
    g_autofree char *text = log_fixture_text(fixture, "db", 0);
    g_assert_cmpstr(text, ==,
                    "svcmgr: 2 lines (10 bytes) were lost: No space left on device\nkept\n"
                    "svcmgr: 2 lines (10 bytes) were lost: No space left on device\nkept\n"
                    "svcmgr: 2 lines (10 bytes) were lost: No space left on device\nkept\n");
    service_log_close(web);
    service_log_close(db);
}

/* What fails now for this reason and now for that one is told once, too. */
static void test_reasons(LogFixture *fixture, const void *unused)
{
    ServiceLog *web = log_fixture_open(fixture, "web", 0, 0);

    fault.call = FAULT_WRITE;
    fault.nth = 1;
    fault.n_failures = 1000;
    for (unsigned i = 0; i < 100; i++) {
        fault.errno_value = i % 2 == 0 ? ENOSPC : EIO;
        log_fixture_say(web, "lost\n");
    }
    g_assert_cmpuint(log_fixture_n_told(fixture, "cannot write to its log"), ==, 1);
    virtual_loop_advance(fixture->loop, 61 * USEC_PER_SEC);
    log_fixture_say(web, "lost\n");
    g_assert_cmpuint(log_fixture_n_told(fixture, "Input/output error; what services"), ==, 1);
    fault.n_failures = 0;
    log_fixture_say(web, "kept\n");
    g_assert_cmpuint(fixture->told->len, ==, 3);
    service_log_close(web);
}

/* What one run has lost is told in the log of the next, unless the service is deleted; then the
 * daemon's log has it. */
static void test_next_run(LogFixture *fixture, const void *unused)
{
    fault.call = FAULT_WRITE;
    fault.errno_value = ENOSPC;
    fault.nth = 1;
    fault.n_failures = 3;
    for (unsigned i = 0; i < 4; i++) {
        ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);

        log_fixture_say(log, i < 3 ? "lost\n" : "kept\n");
        service_log_close(log);
    }
    g_autofree char *text = log_fixture_text(fixture, "web", 0);
    g_assert_cmpstr(text, ==,
                    "svcmgr: 3 lines (15 bytes) were lost: No space left on device\nkept\n");
    g_assert_cmpuint(fixture->told->len, ==, 2);

    for (unsigned i = 0; i < 2; i++) {
        ServiceLog *log = log_fixture_open(fixture, "db", 0, 0);

        fault.nth = fault.n_calls + 1;
        fault.n_failures = 1;
        log_fixture_say(log, "lost\n");
        if (i == 0)
            service_logs_tell_deleted(fixture->logs, "db");
        service_log_close(log);
        g_assert_cmpuint(log_fixture_n_told(fixture, "db: of what it said at last, 1 line"), ==, 1);
    }
    log_fixture_restart(fixture);
    g_assert_cmpuint(log_fixture_n_told(fixture, "db: of what it said at last, 1 line"), ==, 2);
}

/* What is wrong with one log is told of that one, each time that it is another time. */
static void test_own(LogFixture *fixture, const void *unused)
{
    ServiceLog *web = log_fixture_open(fixture, "web", 0, 0);
    ServiceLog *db = log_fixture_open(fixture, "db", 0, 0);

    fault.call = FAULT_WRITE;
    fault.errno_value = EPERM;
    for (unsigned round = 1; round <= 3; round++) {
        fault.nth = fault.n_calls + 1;
        fault.n_failures = 3;
        log_fixture_say(web, "lost\n");
        log_fixture_say(db, "lost\n");
        log_fixture_say(web, "lost\n");
        log_fixture_say(web, "kept\n");
        log_fixture_say(db, "kept\n");
        g_assert_cmpuint(log_fixture_n_told(fixture, "web: cannot write"), ==, round == 3 ? 2 : 1);
        g_assert_cmpuint(log_fixture_n_told(fixture, "db: cannot write"), ==, round == 3 ? 2 : 1);
        g_assert_cmpuint(log_fixture_n_told(fixture, "is written again: 2 lines (10 bytes)"), ==,
                         round == 3 ? 2 : 1);
        g_assert_cmpuint(log_fixture_n_told(fixture, "is written again: 1 line (5 bytes)"), ==,
                         round == 3 ? 2 : 1);
        virtual_loop_advance(fixture->loop, 31 * USEC_PER_SEC);
    }
    g_assert_cmpuint(fixture->told->len, ==, 8);
    service_log_close(web);
    service_log_close(db);
}

/* The line has the stamp of a line of the run that follows. */
static void test_stamped(LogFixture *fixture, const void *unused)
{
    static const char line[] =
            "2026-11-21T23:48:55.123456Z stdout F:0123456789abcdef0123456789abcdef kept\n";
    ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);

    fault.call = FAULT_WRITE;
    fault.errno_value = ENOSPC;
    fault.nth = 1;
    fault.n_failures = 1;
    fault.n_calls = 0;
    log_fixture_say(log, line);
    log_fixture_say(log, line);
    g_autofree char *text = log_fixture_text(fixture, "web", 0);
    g_autofree char *expected =
            g_strconcat("2000-01-01T00:00:00.000000Z stderr F:0123456789abcdef0123456789abcdef "
                        "svcmgr: 1 line (75 bytes) was lost: No space left on device\n",
                        line, NULL);
    g_assert_cmpstr(text, ==, expected);
    service_log_close(log);
}

/* Without a descriptor for itself the log takes one of those that wait. */
static void test_no_descriptor(LogFixture *fixture, const void *unused)
{
    ServiceLog *web = log_fixture_open(fixture, "web", 0, 0);
    ServiceLog *db = log_fixture_open(fixture, "db", 0, 0);

    log_fixture_say(web, "one\n");
    fault.call = FAULT_CREATEAT;
    fault.errno_value = EMFILE;
    fault.nth = 1;
    fault.n_failures = 1;
    fault.n_calls = 0;
    log_fixture_say(db, "one\n");
    g_assert_true(fault.has_failed);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds + 1);
    log_fixture_say(web, "two\n");
    g_autofree char *all_db = log_fixture_all(fixture, "db");
    g_autofree char *all_web = log_fixture_all(fixture, "web");
    g_assert_cmpstr(all_db, ==, "one\n");
    g_assert_cmpstr(all_web, ==, "one\ntwo\n");
    g_assert_cmpuint(fixture->told->len, ==, 0);
    service_log_close(web);
    service_log_close(db);
}

/* A real disk */

#define FAULT_SKIPPED 77

/* In a child, whose mounts are its own. */
static void fill_disk(LogFixture *fixture)
{
    g_autofree char *ballast = g_build_filename(fixture->directory, "ballast", NULL);
    g_autofree char *filler = g_strnfill(40000, 'x');
    ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);

    g_assert_cmpint(g_mkdir_with_parents(fixture->directory, 0700), ==, 0);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", fixture->directory, "tmpfs", 0, "mode=0700,size=64k") < 0)
        _exit(FAULT_SKIPPED);
    fault.errno_value = ENOSPC;
    g_assert_true(g_file_set_contents(ballast, filler, -1, NULL));
    log_fixture_count(log, 1, 4000, FAULT_LINE_BYTES);
    g_assert_cmpuint(log_fixture_n_told(fixture, "No space left on device"), ==, 1);
    g_assert_cmpint(g_remove(ballast), ==, 0);
    log_fixture_count(log, 4001, 4500, FAULT_LINE_BYTES);
    check_lines(fixture, "web", 1, 4500, false);
    g_assert_cmpuint(log_fixture_n_told(fixture, "are written again"), ==, 1);

    service_log_close(log); /* as long as somebody writes to a file it cannot become read-only */
    log = log_fixture_open(fixture, "web", 0, 0);
    g_assert_cmpint(mount("none", fixture->directory, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
    log_fixture_count(log, 4501, 4600, FAULT_LINE_BYTES);
    g_assert_cmpuint(log_fixture_n_told(fixture, "Read-only file system; what"), ==, 1);
    g_assert_cmpint(mount("none", fixture->directory, NULL, MS_REMOUNT, NULL), ==, 0);
    log_fixture_count(log, 4601, 4601, FAULT_LINE_BYTES);
    service_log_close(log);
    g_autofree char *all = log_fixture_all(fixture, "web");
    g_assert_true(g_str_has_suffix(
            all, "4500               \n"
                 "svcmgr: 100 lines (2000 bytes) were lost: Read-only file system\n"
                 "4601               \n"));
}

static void test_full_disk(LogFixture *fixture, const void *unused)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        fill_disk(fixture);
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == FAULT_SKIPPED)
        g_test_skip("nothing can be mounted");
    else
        g_assert_cmpint(status, ==, 0);
}

#define FAULT_TEST(name, function)                                                                 \
    g_test_add("/service-log-faults/" name, LogFixture, NULL, fault_fixture_init, function,        \
               log_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FAULT_TEST("each", test_each);
    FAULT_TEST("interrupted", test_interrupted);
    FAULT_TEST("unlink", test_unlink);
    FAULT_TEST("shared", test_shared);
    FAULT_TEST("reasons", test_reasons);
    FAULT_TEST("next-run", test_next_run);
    FAULT_TEST("own", test_own);
    FAULT_TEST("stamped", test_stamped);
    FAULT_TEST("no-descriptor", test_no_descriptor);
    FAULT_TEST("full-disk", test_full_disk);
    return g_test_run();
}
