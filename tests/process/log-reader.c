/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log-reader.h"

#include "base/fds.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOG_READER_DEADLINE_USEC (60 * USEC_PER_SEC)

static WatchHost log_streams_loop_watches;

static Watch *log_streams_watch(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    LogStreamFixture *fixture =
            (LogStreamFixture *)((char *)host - G_STRUCT_OFFSET(LogStreamFixture, watches));

    g_assert_cmpint(priority, ==, WATCH_PRIORITY_OUTPUT);
    if (++fixture->n_watches == fixture->watch_nth) {
        errno = ENOSPC;
        return NULL;
    }
    return log_streams_loop_watches.create(loop_watches(fixture->loop), fd, events, priority);
}

void log_streams_init(LogStreamFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    log_fixture_init(&fixture->log, NULL);
    fixture->loop = loop_new(&error);
    g_assert_no_error(error);
    log_streams_loop_watches = *loop_watches(fixture->loop);
    fixture->watches = (WatchHost){log_streams_watch, log_streams_loop_watches.destroy};
    fixture->streams =
            service_log_streams_new(fixture->log.logs, &fixture->watches, &fixture->log.sys);
}

void log_streams_done(LogStreamFixture *fixture, const void *unused)
{
    service_log_streams_free(fixture->streams);
    loop_free(fixture->loop);
    log_fixture_done(&fixture->log, NULL);
}

void log_streams_run(LogStreamFixture *fixture, bool (*is_done)(void *data), void *data)
{
    uint64_t deadline_usec = clock_monotonic_usec(clock_system()) + LOG_READER_DEADLINE_USEC;

    while (!is_done(data)) {
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), USEC_PER_SEC), >=, 0);
        g_assert_cmpuint(clock_monotonic_usec(clock_system()), <, deadline_usec);
    }
}

unsigned log_streams_settle(LogStreamFixture *fixture)
{
    unsigned n = 0;

    while (sd_event_run(loop_event(fixture->loop), 0) > 0)
        g_assert_cmpuint(++n, <, 1000000);
    return n;
}

static void on_log_reader(uint32_t events, void *data)
{
    LogReader *reader = data;
    char bytes[16384];
    ssize_t n = read(reader->fd, bytes, sizeof bytes);

    g_assert_cmpint(n, >=, 0);
    g_string_append_len(reader->text, bytes, n);
    if (n > 0)
        return;
    g_clear_pointer(&reader->watch, watch_free);
    reader->fd = fd_close(reader->fd);
}

static LogReader *log_reader_new_of(LogStreamFixture *fixture, int fd)
{
    LogReader *reader = g_new0(LogReader, 1);

    reader->fixture = fixture;
    reader->fd = fd;
    reader->text = g_string_new(NULL);
    return reader;
}

LogReader *log_reader_new_slow(LogStreamFixture *fixture, const char *id, const LogQuery *query)
{
    g_autoptr(GError) error = NULL;
    int fd = service_log_stream_open(fixture->streams, id, query, &error);

    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    return log_reader_new_of(fixture, fd);
}

void log_reader_go(LogReader *reader)
{
    reader->watch = watch_new(loop_watches(reader->fixture->loop), reader->fd, EPOLLIN,
                              WATCH_PRIORITY_NORMAL, on_log_reader, reader);
    g_assert_nonnull(reader->watch);
}

LogReader *log_reader_new(LogStreamFixture *fixture, const char *id, const LogQuery *query,
                          GError **error)
{
    int fd = service_log_stream_open(fixture->streams, id, query, error);
    LogReader *reader;

    if (fd < 0)
        return NULL;
    reader = log_reader_new_of(fixture, fd);
    log_reader_go(reader);
    return reader;
}

void log_reader_free(LogReader *reader)
{
    watch_free(reader->watch);
    (void)fd_close(reader->fd);
    g_string_free(reader->text, TRUE);
    g_free(reader);
}

static bool log_reader_is_at_end(void *data)
{
    return ((const LogReader *)data)->fd < 0;
}

void log_reader_wait_end(LogReader *reader)
{
    log_streams_run(reader->fixture, log_reader_is_at_end, reader);
}

static bool log_reader_has(void *data)
{
    const LogReader *reader = data;

    return reader->text->len >= reader->wanted;
}

void log_reader_wait(LogReader *reader, size_t length)
{
    reader->wanted = length;
    log_streams_run(reader->fixture, log_reader_has, reader);
    (void)log_streams_settle(reader->fixture);
    g_assert_cmpuint(reader->text->len, ==, length);
}

char *log_streams_read(LogStreamFixture *fixture, const char *id, const LogQuery *query,
                       size_t *ret_length)
{
    g_autoptr(GError) error = NULL;
    LogReader *reader = log_reader_new(fixture, id, query, &error);
    char *text;

    g_assert_no_error(error);
    log_reader_wait_end(reader);
    *ret_length = reader->text->len;
    text = g_string_free(g_steal_pointer(&reader->text), FALSE);
    reader->text = g_string_new(NULL);
    log_reader_free(reader);
    return text;
}
