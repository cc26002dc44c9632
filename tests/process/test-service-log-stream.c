/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who reads a log through a pipe gets each line once and in order, at his own speed: beside others
 * who never read, through rotations and removals, until the service is deleted; and costs nothing
 * while there is nothing to read. */

#include "log-reader.h"

#include "base/errors.h"
#include "base/fds.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define LINE_BYTES 20

static const LogQuery query_all = {.lines = LOG_LINES_ALL};
static const LogQuery query_follow = {.lines = LOG_LINES_ALL, .follow = true};
static const LogQuery query_tail = {.lines = 0, .follow = true};

static void say(ServiceLog *log, unsigned from, unsigned to)
{
    log_fixture_count(log, from, to, LINE_BYTES);
}

/* Lines of say(): from..to, each once, and nothing else. */
static void check_lines(const char *text, size_t length, unsigned from, unsigned to)
{
    g_assert_cmpuint(length, ==, (size_t)(to + 1 - from) * LINE_BYTES);
    for (unsigned i = from; i <= to; i++)
        g_assert_cmpuint(strtoul(text + (size_t)(i - from) * LINE_BYTES, NULL, 10), ==, i);
}

static void check_reader(LogReader *reader, unsigned from, unsigned to)
{
    log_reader_wait(reader, (size_t)(to + 1 - from) * LINE_BYTES);
    check_lines(reader->text->str, reader->text->len, from, to);
}

static LogReader *reader_new(LogStreamFixture *fixture, const char *id, const LogQuery *query)
{
    g_autoptr(GError) error = NULL;
    LogReader *reader = log_reader_new(fixture, id, query, &error);

    g_assert_no_error(error);
    return reader;
}

/* What is said after it was opened is not of a stream that does not follow. */
static void test_read(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 30000, 1000);

    say(log, 1, 20000);
    LogReader *reader = reader_new(fixture, "web", &query_all);
    say(log, 20001, 30000);
    log_reader_wait_end(reader);
    check_lines(reader->text->str, reader->text->len, 1, 20000);
    log_reader_free(reader);
    service_log_close(log);
}

/* The last lines of what was there, though others came before the first look. */
static void test_last(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 10 * LINE_BYTES, 1);
    LogQuery query = {.lines = 3};

    say(log, 1, 5);
    LogReader *reader = reader_new(fixture, "web", &query);
    say(log, 6, 10);
    log_reader_wait_end(reader);
    check_lines(reader->text->str, reader->text->len, 3, 5);
    log_reader_free(reader);

    /* Of many files that were removed meanwhile, one was meant. */
    reader = reader_new(fixture, "web", &query);
    say(log, 11, 100);
    log_reader_wait_end(reader);
    g_assert_true(g_str_has_suffix(reader->text->str,
                                   " svcmgr: 1 file was removed before it was read\n"));
    g_assert_true(strchr(reader->text->str, '\n')[1] == '\0');
    log_reader_free(reader);
    service_log_close(log);
}

static size_t written_bytes;
static unsigned written_lines;

static ssize_t count_write(int fd, const void *buffer, size_t size)
{
    ssize_t n = sys_linux.write(fd, buffer, size);

    for (ssize_t i = 0; i < n; i++)
        written_lines += ((const char *)buffer)[i] == '\n';
    written_bytes += n > 0 ? (size_t)n : 0;
    return n;
}

/* Whatever the pipe would take. */
static void test_turns(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 1);

    log_fixture_count(log, 1, 20000, 7);
    fixture->log.sys.write = count_write;
    for (int format = 0; format < _LOG_FORMAT_MAX; format++) {
        LogQuery query = {.lines = LOG_LINES_ALL, .format = (LogFormat)format};
        LogReader *reader = log_reader_new_slow(fixture, "web", &query);
        size_t most_lines = 0, most_bytes = 0;

        g_assert_cmpint(fcntl(reader->fd, F_SETPIPE_SZ, 1 << 20), ==, 1 << 20);
        log_reader_go(reader);
        while (reader->fd >= 0) {
            written_lines = 0;
            written_bytes = 0;
            g_assert_cmpint(sd_event_run(loop_event(fixture->loop), USEC_PER_SEC), >, 0);
            most_lines = MAX(most_lines, written_lines);
            most_bytes = MAX(most_bytes, written_bytes);
        }
        g_assert_cmpuint(most_lines, ==, format == LOG_FORMAT_JSON ? 128 : 1024);
        g_assert_cmpuint(most_bytes, <, 33000);
        log_reader_free(reader);
    }
    service_log_close(log);
}

static void test_follow(LogStreamFixture *fixture, const void *unused)
{
    LogReader *early = reader_new(fixture, "web", &query_follow);

    g_assert_cmpuint(log_streams_settle(fixture), <, 10);
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000, 1000);
    say(log, 1, 3);
    check_reader(early, 1, 3);
    LogReader *late = reader_new(fixture, "web", &query_tail);
    for (unsigned i = 4; i <= 300; i++) {
        say(log, i, i);
        if (i % 7 == 0)
            (void)log_streams_settle(fixture);
    }
    check_reader(early, 1, 300);
    check_reader(late, 4, 300);
    g_assert_cmpuint(log_streams_settle(fixture), ==, 0);
    log_reader_free(late);
    log_reader_free(early);
    (void)log_streams_settle(fixture);
    service_log_close(log);
}

/* A line that is not whole yet is told when it is. */
static void test_torn(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000, 5);
    g_autofree char *path = log_fixture_path(&fixture->log, "web", 0);

    say(log, 1, 2);
    LogReader *reader = reader_new(fixture, "web", &query_follow);
    check_reader(reader, 1, 2);
    g_assert_cmpint(truncate(path, 2 * LINE_BYTES), ==, 0);
    autofd int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    g_assert_cmpint(write(fd, "half", 4), ==, 4);
    service_log_close(log);
    log = log_fixture_open(&fixture->log, "web", 1000, 5);
    log_fixture_say(log, "whole\n");
    log_reader_wait(reader, 2 * LINE_BYTES + strlen("half\nwhole\n"));
    g_assert_true(g_str_has_suffix(reader->text->str, "\nhalf\nwhole\n"));
    log_reader_free(reader);
    service_log_close(log);
}

/* Rotation */

static void test_rotations(LogStreamFixture *fixture, const void *unused)
{
    enum { ROTATIONS = 1000, LINES = 10 };
    ServiceLog *log = log_fixture_open(&fixture->log, "web", LINES * LINE_BYTES, 1000);
    LogReader *reader = reader_new(fixture, "web", &query_follow);
    LogReader *slow = log_reader_new_slow(fixture, "web", &query_follow);
    unsigned to = ROTATIONS * LINES;

    for (unsigned i = 1; i <= to; i += 5) {
        say(log, i, i + 4);
        if (g_test_rand_int_range(0, 4) == 0)
            (void)sd_event_run(loop_event(fixture->loop), 0);
    }
    check_reader(reader, 1, to);
    log_reader_go(slow);
    check_reader(slow, 1, to);
    log_reader_free(slow);
    log_reader_free(reader);
    (void)log_streams_settle(fixture);
    service_log_close(log);
}

/* How many files a notice says are missing; 0: the line is none. */
static unsigned removed_of(const char *line)
{
    const char *words = strstr(line, "svcmgr: ");
    unsigned n = words != NULL ? (unsigned)strtoul(words + 8, NULL, 10) : 0;

    if (words != NULL)
        g_assert_true(
                g_str_has_suffix(words, n == 1 ? " file was removed before it was read"
                                               : " files were removed before they were read"));
    return n;
}

/* Lines are missing only as many as files are said to be. */
static unsigned check_gaps(const char *text, unsigned to, unsigned lines_of_file)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned expected = 1, n_removed = 0;

    for (unsigned i = 0; lines[i + 1] != NULL; i++) {
        unsigned removed = removed_of(lines[i]);

        expected += removed * lines_of_file;
        n_removed += removed;
        if (removed > 0)
            continue;
        g_assert_cmpuint(strtoul(lines[i], NULL, 10), ==, expected);
        expected++;
    }
    g_assert_cmpuint(expected, ==, to + 1);
    return n_removed;
}

static void test_removed(LogStreamFixture *fixture, const void *unused)
{
    enum { LINES = 1000 };

    for (uint32_t keep = 0; keep < 4; keep++) {
        g_autofree char *id = g_strdup_printf("service-%u", keep);
        ServiceLog *log = log_fixture_open(&fixture->log, id, (uint64_t)LINES * LINE_BYTES, keep);
        LogReader *never = log_reader_new_slow(fixture, id, &query_follow);
        LogReader *reader = reader_new(fixture, id, &query_follow);

        for (unsigned i = 0; i < 50; i++) {
            say(log, i * LINES + 1, (i + 1) * LINES);
            if (i % 10 < 5)
                (void)log_streams_settle(fixture);
        }
        log_reader_go(never);
        service_logs_tell_deleted(fixture->log.logs, id);
        log_reader_wait_end(reader);
        log_reader_wait_end(never);
        (void)check_gaps(reader->text->str, 50 * LINES, LINES);
        g_assert_cmpuint(check_gaps(never->text->str, 50 * LINES, LINES), >, 30);
        log_reader_free(reader);
        log_reader_free(never);
        service_log_close(log);
    }
}

/* By somebody. */
static void test_foreign(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 5);
    g_autofree char *path = log_fixture_path(&fixture->log, "web", 0);
    g_autofree char *renamed = g_strconcat(path, ".old", NULL);
    LogReader *reader = reader_new(fixture, "web", &query_follow);

    say(log, 1, 10);
    check_reader(reader, 1, 10);
    g_assert_cmpint(g_rename(path, renamed), ==, 0);
    say(log, 11, 20);
    check_reader(reader, 1, 20);
    g_assert_cmpint(g_remove(path), ==, 0);
    say(log, 21, 30);
    check_reader(reader, 1, 30);

    g_string_truncate(reader->text, 0);
    g_assert_cmpint(truncate(path, 0), ==, 0);
    say(log, 31, 31);
    (void)log_streams_settle(fixture);
    g_assert_nonnull(strstr(reader->text->str,
                            " stderr F svcmgr: the file was cut short, and is read from its "
                            "beginning\n31 "));
    log_reader_free(reader);
    (void)log_streams_settle(fixture);
    service_log_close(log);
}

/* A name that nobody here has given: the numbers go on from there, and nothing comes twice. */
static void test_foreign_number(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 10 * LINE_BYTES, 100);
    g_autofree char *path = log_fixture_path(&fixture->log, "web", 500);
    LogReader *reader = reader_new(fixture, "web", &query_follow);

    say(log, 1, 25);
    check_reader(reader, 1, 25);
    g_assert_true(g_file_set_contents(path, "foreign\n", -1, NULL));
    say(log, 26, 55);
    check_reader(reader, 1, 55);
    log_reader_free(reader);
    (void)log_streams_settle(fixture);
    service_log_close(log);
}

/* Longer than any of ours, and the file goes on. */
static void test_overlong(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 5);
    LogReader *reader = reader_new(fixture, "web", &query_follow);
    g_autofree char *xs = g_strnfill(200000, 'x');
    g_autofree char *line = g_strconcat(xs, "\nlast\n", NULL);

    log_fixture_say(log, line);
    log_reader_wait(reader, strlen(line) + 3); /* it comes in four pieces */
    g_assert_true(g_str_has_suffix(reader->text->str, "x\nlast\n"));
    log_reader_free(reader);
    (void)log_streams_settle(fixture);
    service_log_close(log);
}

/* What is said of the log itself stands on a line of its own. */
static void test_notices(LogStreamFixture *fixture, const void *unused)
{
    static const char *const expected[_LOG_FORMAT_MAX] = {
            [LOG_FORMAT_TEXT] =
                    "P:run part\n2000-01-01T00:00:00.000000Z stderr F svcmgr: 1 file was "
                    "removed before it was read\n2026-11-21T",
            [LOG_FORMAT_JSON] = "\"partial\":true}\n{\"time_usec\":946684800000000,\"stream\":"
                                "\"stderr\",\"text\":\"svcmgr: 1 file was removed before it was "
                                "read\"}\n{",
            [LOG_FORMAT_BARE] = "part\nsvcmgr: 1 file was removed before it was read\npart",
    };

    for (int format = 0; format < _LOG_FORMAT_MAX; format++) {
        LogQuery query = {.lines = LOG_LINES_ALL, .format = (LogFormat)format};
        g_autofree char *id = g_strdup_printf("service-%d", format);
        g_autofree char *second = log_fixture_path(&fixture->log, id, 2);
        ServiceLog *log = log_fixture_open(&fixture->log, id, 10, 100);
        size_t length;

        for (unsigned i = 0; i < 4; i++)
            log_fixture_say(log, "2026-11-21T23:48:55.123456Z stdout P:run part\n");
        g_assert_cmpint(g_remove(second), ==, 0);
        g_autofree char *text = log_streams_read(fixture, id, &query, &length);
        g_assert_nonnull(strstr(text, expected[format]));
        service_log_close(log);
    }
}

/* Deletion */

static void test_deleted(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 10000, 1000);
    LogReader *idle = reader_new(fixture, "web", &query_tail);
    LogReader *slow = log_reader_new_slow(fixture, "web", &query_follow);
    LogReader *other = reader_new(fixture, "db", &query_follow);

    (void)log_streams_settle(fixture);
    say(log, 1, 10000);
    LogReader *new = log_reader_new_slow(fixture, "web", &query_follow);
    service_logs_tell_deleted(fixture->log.logs, "web");
    say(log, 10001, 10002); /* of another with its name */
    log_reader_go(slow);
    log_reader_go(new);
    log_reader_wait_end(idle);
    log_reader_wait_end(slow);
    log_reader_wait_end(new);
    check_lines(idle->text->str, idle->text->len, 1, 10000);
    check_lines(slow->text->str, slow->text->len, 1, 10000);
    check_lines(new->text->str, new->text->len, 1, 10000);
    g_assert_cmpint(other->fd, >=, 0);
    service_logs_tell_deleted(fixture->log.logs, "db");
    log_reader_wait_end(other);
    g_assert_cmpuint(other->text->len, ==, 0);
    log_reader_free(idle);
    log_reader_free(slow);
    log_reader_free(new);
    log_reader_free(other);
    service_log_close(log);
}

/* Readers */

static void test_never_reads(LogStreamFixture *fixture, const void *unused)
{
    enum { READERS = 100, LINES = 10000 };
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 5);
    LogReader *never[2], *readers[READERS];

    say(log, 1, LINES);
    for (unsigned i = 0; i < G_N_ELEMENTS(never); i++)
        never[i] = log_reader_new_slow(fixture, "web", i == 0 ? &query_all : &query_follow);
    for (unsigned i = 0; i < READERS; i++)
        readers[i] = reader_new(fixture, "web", &query_follow);
    for (unsigned i = 0; i < READERS; i++)
        check_reader(readers[i], 1, LINES);

    /* They cost no turn, also when something is said. */
    g_assert_cmpuint(log_streams_settle(fixture), ==, 0);
    for (unsigned i = 0; i < READERS; i++)
        log_reader_free(readers[i]);
    (void)log_streams_settle(fixture);
    say(log, LINES + 1, LINES + 1);
    g_assert_cmpuint(log_streams_settle(fixture), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(never); i++) {
        log_reader_go(never[i]);
        check_reader(never[i], 1, LINES + i);
        log_reader_free(never[i]);
    }
    (void)log_streams_settle(fixture);
    service_log_close(log);
}

/* One byte at a time, in each format: what was written in part is not written again. */
static void test_small_pipe(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 100000, 5);
    g_autoptr(GString) said = g_string_new(NULL);

    for (unsigned i = 0; i < 60; i++) {
        g_autofree char *text = g_strnfill((gsize)g_test_rand_int_range(0, 9000), 'a' + i % 26);
        char stamp[SERVICE_LOG_STAMP_MAX];

        (void)service_log_line_stamp(stamp, 1 + i, OUTPUT_STDOUT, OUTPUT_WHOLE, "run");
        g_string_append_printf(said, "%s%s\n", stamp, text);
    }
    service_log_append(log, said->str, said->len);
    for (int format = 0; format < _LOG_FORMAT_MAX; format++) {
        LogQuery query = {.lines = LOG_LINES_ALL, .format = (LogFormat)format};
        LogReader *slow = log_reader_new_slow(fixture, "web", &query);
        g_autoptr(GString) text = g_string_new(NULL);
        char bytes[1500];
        size_t length;
        ssize_t n;

        g_assert_cmpint(fcntl(slow->fd, F_SETPIPE_SZ, 4096), ==, 4096);
        do {
            (void)log_streams_settle(fixture);
            n = read(slow->fd, bytes, (size_t)g_test_rand_int_range(1, sizeof bytes));
            g_string_append_len(text, bytes, MAX(n, 0));
        } while (n > 0);
        log_reader_free(slow);
        g_autofree char *fast = log_streams_read(fixture, "web", &query, &length);
        g_assert_cmpmem(text->str, text->len, fast, length);
        if (format == LOG_FORMAT_TEXT)
            g_assert_cmpstr(fast, ==, said->str);
    }
    service_log_close(log);
}

/* The stream goes as well, and at once. */
static void test_closes(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 5);
    int n_fds;

    say(log, 1, 10000);
    n_fds = fd_count_open();
    LogReader *before = reader_new(fixture, "web", &query_all);
    log_reader_free(before);
    (void)log_streams_settle(fixture);
    g_assert_cmpint(fd_count_open(), ==, n_fds);

    LogReader *within = log_reader_new_slow(fixture, "web", &query_all);
    (void)log_streams_settle(fixture);
    log_reader_free(within);
    (void)log_streams_settle(fixture);
    g_assert_cmpint(fd_count_open(), ==, n_fds);

    LogReader *idle = reader_new(fixture, "web", &query_follow);
    check_reader(idle, 1, 10000);
    log_reader_free(idle);
    g_assert_cmpuint(log_streams_settle(fixture), >, 0); /* nothing was said */
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    service_log_close(log);
}

static void check_refused(LogStreamFixture *fixture, const LogQuery *query, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(service_log_stream_open(fixture->streams, "web", query, &error), ==, -1);
    g_assert_error(error, SVCMGR_ERROR, ERROR_LIMIT_EXCEEDED);
    g_assert_nonnull(strstr(error->message, words));
}

static void test_limits(LogStreamFixture *fixture, const void *unused)
{
    LogReader *readers[SERVICE_LOG_STREAMS_MAX];
    LogQuery query = query_follow;
    struct rlimit before, enough;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
    enough = (struct rlimit){before.rlim_max, before.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &enough), ==, 0);
    for (unsigned i = 0; i < SERVICE_LOG_STREAMS_MAX; i++) {
        query.uid = i / SERVICE_LOG_STREAMS_MAX_PER_UID;
        readers[i] = reader_new(fixture, "web", &query);
        if (i + 1 == SERVICE_LOG_STREAMS_MAX_PER_UID)
            check_refused(fixture, &query, "user 0 has 256 readers");
    }
    query.uid = 1000;
    check_refused(fixture, &query, "there are 512 readers");
    log_reader_free(readers[0]);
    (void)log_streams_settle(fixture);
    readers[0] = reader_new(fixture, "web", &query);
    for (unsigned i = 0; i < SERVICE_LOG_STREAMS_MAX; i++)
        log_reader_free(readers[i]);
    (void)log_streams_settle(fixture);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
}

/* The daemon ends: so do they. */
static void test_free(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 5);

    say(log, 1, 10000);
    LogReader *slow = log_reader_new_slow(fixture, "web", &query_all);
    LogReader *idle = reader_new(fixture, "web", &query_tail);
    (void)log_streams_settle(fixture);
    g_clear_pointer(&fixture->streams, service_log_streams_free);
    log_reader_wait_end(idle);
    log_reader_go(slow);
    log_reader_wait_end(slow);
    log_reader_free(idle);
    log_reader_free(slow);
    service_log_close(log);
}

#define STREAM_TEST(name, function)                                                                \
    g_test_add("/service-log-stream/" name, LogStreamFixture, NULL, log_streams_init, function,    \
               log_streams_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    STREAM_TEST("read", test_read);
    STREAM_TEST("last", test_last);
    STREAM_TEST("turns", test_turns);
    STREAM_TEST("follow", test_follow);
    STREAM_TEST("torn", test_torn);
    STREAM_TEST("rotations", test_rotations);
    STREAM_TEST("removed", test_removed);
    STREAM_TEST("foreign", test_foreign);
    STREAM_TEST("foreign-number", test_foreign_number);
    STREAM_TEST("overlong", test_overlong);
    STREAM_TEST("notices", test_notices);
    STREAM_TEST("deleted", test_deleted);
    STREAM_TEST("never-reads", test_never_reads);
    STREAM_TEST("small-pipe", test_small_pipe);
    STREAM_TEST("closes", test_closes);
    STREAM_TEST("limits", test_limits);
    STREAM_TEST("free", test_free);
    return g_test_run();
}
