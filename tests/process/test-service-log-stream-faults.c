/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each system call of a stream fails, at each of its calls. Then it is refused, or the reader has
 * all, or lines from the beginning and one that says why there are no more; and no descriptor is
 * left. */

#include "log-reader.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <string.h>

#define FAULT_LINE_BYTES 20
#define FAULT_LINES 40
#define FAULT_LINES_LATER 60

typedef enum FaultCall {
    FAULT_OPEN,
    FAULT_OPENAT,
    FAULT_FSTATAT,
    FAULT_GETDENTS,
    FAULT_PREAD,
    FAULT_PIPE,
    FAULT_WRITE,
    FAULT_WATCH, /* the fixture's */
    _FAULT_CALL_MAX,
} FaultCall;

static struct {
    FaultCall call;
    unsigned nth;
    unsigned n_calls;
    bool is_on;
    int errno_value;
} fault;

static bool fault_hits(FaultCall call)
{
    if (!fault.is_on || call != fault.call || ++fault.n_calls != fault.nth)
        return false;
    errno = fault.errno_value;
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
    if (fault_hits(FAULT_FSTATAT))
        return -1;
    return sys_linux.fstatat(directory_fd, path, ret_status, flags);
}

static ssize_t fault_getdents(int fd, void *buffer, size_t size)
{
    return fault_hits(FAULT_GETDENTS) ? -1 : sys_linux.getdents64(fd, buffer, size);
}

static ssize_t fault_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return fault_hits(FAULT_PREAD) ? -1 : sys_linux.pread(fd, buffer, size, offset);
}

static int fault_pipe2(int fds[2], int flags)
{
    return fault_hits(FAULT_PIPE) ? -1 : sys_linux.pipe2(fds, flags);
}

static ssize_t fault_write(int fd, const void *buffer, size_t size)
{
    return fault_hits(FAULT_WRITE) ? -1 : sys_linux.write(fd, buffer, size);
}

static void fault_install(LogStreamFixture *fixture)
{
    fixture->log.sys.open = fault_open;
    fixture->log.sys.openat = fault_openat;
    fixture->log.sys.fstatat = fault_fstatat;
    fixture->log.sys.getdents64 = fault_getdents;
    fixture->log.sys.pread = fault_pread;
    fixture->log.sys.pipe2 = fault_pipe2;
    fixture->log.sys.write = fault_write;
}

static void fault_arm(LogStreamFixture *fixture, bool is_on)
{
    fault.is_on = is_on;
    fixture->n_watches = 0;
    fixture->watch_nth = is_on && fault.call == FAULT_WATCH ? fault.nth : 0;
}

static bool fault_has_hit(const LogStreamFixture *fixture)
{
    return fault.call == FAULT_WATCH ? fixture->n_watches >= fault.nth : fault.n_calls >= fault.nth;
}

/* Lines from..to; or fewer of them, or not the end, and why. */
static void check_text(const LogStreamFixture *fixture, const char *text, unsigned from,
                       unsigned to)
{
    g_autofree char *reason =
            g_strdup_printf(" stderr F svcmgr: the log cannot be read any further: %s\n",
                            g_strerror(fault.errno_value));
    unsigned i;

    for (i = from; i <= to && strtoul(text, NULL, 10) == i; i++)
        text += FAULT_LINE_BYTES;
    if (i == to + 1 && *text == '\0')
        return;
    g_assert_cmpint(fault.errno_value, !=, EINTR);
    g_assert_cmpint(fault.errno_value, !=, EAGAIN);
    if (fault.call == FAULT_WATCH)
        g_assert_cmpuint(log_fixture_n_told(&fixture->log, "a reader of its log is left"), >, 0);
    else if (fault.call != FAULT_WRITE)
        g_assert_true(g_str_has_suffix(text, reason) &&
                      strchr(text, '\n') == text + strlen(text) - 1);
}

static void fault_say(ServiceLog *log, unsigned from, unsigned to)
{
    bool is_on = fault.is_on;

    fault.is_on = false; /* they are not the writer's */
    log_fixture_count(log, from, to, FAULT_LINE_BYTES);
    fault.is_on = is_on;
}

static void fault_follow(LogStreamFixture *fixture, const char *id, ServiceLog *log)
{
    for (unsigned i = FAULT_LINES + 1; i <= FAULT_LINES_LATER; i++) {
        (void)log_streams_settle(fixture);
        fault_say(log, i, i);
    }
    (void)log_streams_settle(fixture);
    service_logs_tell_deleted(fixture->log.logs, id);
}

/* Whether there was such a call. */
static bool fault_read(LogStreamFixture *fixture, const LogQuery *query)
{
    static unsigned n_logs;
    g_autofree char *id = g_strdup_printf("service-%u", ++n_logs);
    g_autoptr(GError) error = NULL;
    ServiceLog *log = log_fixture_open(&fixture->log, id, 10 * FAULT_LINE_BYTES, 1000);
    bool follows = query->follow;

    g_ptr_array_set_size(fixture->log.told, 0);
    fault_say(log, 1, FAULT_LINES);
    int n_fds = fd_count_open();
    fault.n_calls = 0;
    fault_arm(fixture, true);
    LogReader *reader = log_reader_new(fixture, id, query, &error);
    if (reader != NULL && follows)
        fault_follow(fixture, id, log);
    if (reader != NULL) {
        log_reader_wait_end(reader);
        check_text(fixture, reader->text->str,
                   query->lines == LOG_LINES_ALL ? 1 : FAULT_LINES + 1 - query->lines,
                   follows ? FAULT_LINES_LATER : FAULT_LINES);
        log_reader_free(reader);
    } else {
        g_assert_true(fault_has_hit(fixture));
        g_assert_true(error_is(error, fault.errno_value == EMFILE || fault.call == FAULT_WATCH
                                              ? ERROR_LIMIT_EXCEEDED
                                              : ERROR_FAILED));
    }
    bool has_hit = fault_has_hit(fixture);
    fault_arm(fixture, false);
    g_assert_cmpint(fd_count_open(), <=, n_fds + 1); /* the writer's */
    service_log_close(log);
    g_assert_cmpint(fd_count_open(), <=, n_fds);
    return has_hit;
}

static void test_faults(LogStreamFixture *fixture, const void *unused)
{
    static const LogQuery queries[] = {
            {.lines = LOG_LINES_ALL},
            {.lines = 25},
            {.lines = 25, .follow = true},
    };
    static const int errnos[] = {EMFILE, EIO};

    fault_install(fixture);
    for (int call = 0; call < _FAULT_CALL_MAX; call++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(queries) * G_N_ELEMENTS(errnos); i++) {
            fault.call = (FaultCall)call;
            fault.errno_value = errnos[i % G_N_ELEMENTS(errnos)];
            fault.nth = 1;
            while (fault_read(fixture, &queries[i / G_N_ELEMENTS(errnos)]))
                fault.nth++;
            g_assert_cmpuint(fault.nth, >, 1);
        }
    }
}

/* What is no failure. */
static void test_again(LogStreamFixture *fixture, const void *unused)
{
    static const struct {
        FaultCall call;
        int errno_value;
    } agains[] = {
            {FAULT_PREAD, EINTR}, {FAULT_OPEN, EINTR}, {FAULT_WRITE, EINTR}, {FAULT_WRITE, EAGAIN}};
    LogQuery query = {.lines = 25, .follow = true};

    fault_install(fixture);
    for (unsigned i = 0; i < G_N_ELEMENTS(agains); i++) {
        fault.call = agains[i].call;
        fault.errno_value = agains[i].errno_value;
        fault.nth = 1;
        while (fault_read(fixture, &query))
            fault.nth++;
        g_assert_cmpuint(fault.nth, >, 1);
    }
}

/* A file goes between the look at its name and the opening: it is passed over, and told. */
static void test_gone(LogStreamFixture *fixture, const void *unused)
{
    fault_install(fixture);
    fault.call = FAULT_OPENAT;
    fault.errno_value = ENOENT;
    fault.nth = 1;
    for (bool has_hit = true; has_hit; fault.nth++) {
        g_autofree char *id = g_strdup_printf("service-%u", fault.nth);
        LogQuery query = {.lines = LOG_LINES_ALL, .follow = true, .format = LOG_FORMAT_BARE};
        ServiceLog *log = log_fixture_open(&fixture->log, id, 10 * FAULT_LINE_BYTES, 1000);

        fault_say(log, 1, FAULT_LINES);
        fault.n_calls = 0;
        fault_arm(fixture, true);
        LogReader *reader = log_reader_new(fixture, id, &query, NULL);
        fault_follow(fixture, id, log);
        log_reader_wait_end(reader);
        has_hit = fault_has_hit(fixture);

        const char *gap = strstr(reader->text->str, "svcmgr: 1 file was removed before");
        size_t expected = FAULT_LINES_LATER * FAULT_LINE_BYTES;
        if (gap != NULL)
            expected += (size_t)(strchr(gap, '\n') + 1 - gap) - 10 * FAULT_LINE_BYTES;
        g_assert_cmpuint(reader->text->len, ==, expected);
        g_assert_true(fault.nth > 3 || gap != NULL); /* three files are rotated at first */
        fault_arm(fixture, false);
        log_reader_free(reader);
        service_log_close(log);
    }
    g_assert_cmpuint(fault.nth, >, 5);
}

static void on_last_line(const ServiceLogLine *line, void *data)
{
    unsigned *last = data;

    g_assert_cmpuint(strtoul(line->text, NULL, 10), >, *last);
    *last = (unsigned)strtoul(line->text, NULL, 10);
}

/* Who cannot wait gets what can be read, in order. */
static void test_last(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 10 * FAULT_LINE_BYTES, 1000);

    log_fixture_count(log, 1, FAULT_LINES, FAULT_LINE_BYTES);
    service_log_close(log);
    int n_fds = fd_count_open();
    fault_install(fixture);
    for (int call = FAULT_OPEN; call <= FAULT_PREAD; call++) {
        fault.call = (FaultCall)call;
        fault.errno_value = EIO;
        for (fault.nth = 1, fault.n_calls = 1; fault.n_calls >= fault.nth; fault.nth++) {
            unsigned last = 0;

            fault.n_calls = 0;
            fault_arm(fixture, true);
            service_log_read_last(fixture->log.logs, "web", NULL, 30, 10000, on_last_line, &last);
            g_assert_true(last == FAULT_LINES || (last == 0 && fault_has_hit(fixture)));
        }
        fault_arm(fixture, false);
    }
    g_assert_cmpint(fd_count_open(), ==, n_fds);
}

#define FAULT_TEST(name, function)                                                                 \
    g_test_add("/service-log-stream-faults/" name, LogStreamFixture, NULL, log_streams_init,       \
               function, log_streams_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FAULT_TEST("each", test_faults);
    FAULT_TEST("again", test_again);
    FAULT_TEST("gone", test_gone);
    FAULT_TEST("last", test_last);
    return g_test_run();
}
