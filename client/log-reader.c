/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A log is read only while the merge wants a line of it. A log that is followed may be silent for
 * ever: it holds up the lines of the others for a moment only, in which what was written at the
 * same time arrives, and what is there already. */

#include "log-reader.h"

#include "base/clock.h"
#include "log-merge.h"
#include "log-source.h"

#include <errno.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define LOG_READER_PATIENCE (100 * USEC_PER_MSEC)

typedef struct ReaderLog {
    LogReader *reader;
    LogSource source;
    sd_event_source *watch;
    bool is_told; /* that it has ended */
    int error;
} ReaderLog;

struct LogReader {
    Client *client;
    bool follow;
    const LogReaderFuncs *funcs;
    void *data;
    sd_event *loop;
    sd_event_source *patience;
    sd_event_source *standard_output;
    LogMerge *merge;
    unsigned n_logs;
    unsigned n_holds;
    ReaderLog *logs;
};

void log_reader_stop(LogReader *reader)
{
    (void)sd_event_exit(reader->loop, 0); /* it is running, or not needed */
}

/* Offers the next line of a log, if one is there and wanted. */
static void log_reader_offer(LogReader *reader, unsigned index)
{
    ReaderLog *log = &reader->logs[index];

    if (!log_merge_wants(reader->merge, index))
        return;
    LogEntry *entry = log_source_take(&log->source);
    if (entry != NULL)
        log_merge_offer(reader->merge, index, entry);
    else if (log->source.is_over)
        log_merge_end(reader->merge, index);
}

static void log_reader_give_out(LogReader *reader)
{
    LogEntry *entry;
    unsigned index;

    while ((entry = log_merge_take(reader->merge, &index)) != NULL) {
        reader->funcs->on_entry(index, entry, reader->data);
        log_entry_free(entry);
        log_reader_offer(reader, index);
    }
}

static void log_reader_tell_ends(LogReader *reader)
{
    for (unsigned i = 0; i < reader->n_logs; i++) {
        ReaderLog *log = &reader->logs[i];

        if (log->is_told || !log_merge_has_ended(reader->merge, i))
            continue;
        log->is_told = true;
        reader->funcs->on_end(i, log->error, reader->data);
    }
}

/* Reads where a line is wanted, waits where one is held. False: the loop fails. */
static bool log_reader_arm(LogReader *reader)
{
    bool is_held = reader->follow && log_merge_is_held(reader->merge);
    int r = sd_event_source_set_time_relative(reader->patience, LOG_READER_PATIENCE);

    if (r >= 0)
        r = sd_event_source_set_enabled(reader->patience,
                                        is_held ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
    for (unsigned i = 0; i < reader->n_logs && r >= 0; i++) {
        ReaderLog *log = &reader->logs[i];
        bool is_wanted = !log->source.is_over && log_merge_wants(reader->merge, i);

        r = sd_event_source_set_enabled(log->watch, is_wanted ? SD_EVENT_ON : SD_EVENT_OFF);
    }
    return r >= 0;
}

static void log_reader_turn(LogReader *reader)
{
    log_reader_give_out(reader);
    log_reader_tell_ends(reader);
    if (!reader->funcs->on_pause(reader->data) || !log_reader_arm(reader) ||
        (log_merge_is_over(reader->merge) && reader->n_holds == 0))
        log_reader_stop(reader);
}

static int on_log_reader_readable(sd_event_source *watch, int fd, uint32_t revents, void *data)
{
    ReaderLog *log = data;
    LogReader *reader = log->reader;
    unsigned index = (unsigned)(log - reader->logs);
    int r = log_source_read(&log->source);

    if (log->source.is_over)
        log->error = r;
    log_reader_offer(reader, index);
    log_reader_turn(reader);
    return 0;
}

static int on_log_reader_patience(sd_event_source *timer, uint64_t usec, void *data)
{
    LogReader *reader = data;

    log_merge_pass(reader->merge);
    log_reader_turn(reader);
    return 0;
}

/* Whoever read standard output has gone, which nothing would tell before the next line. */
static int on_log_reader_unread(sd_event_source *watch, int fd, uint32_t revents, void *data)
{
    log_reader_stop(data);
    return 0;
}

static bool log_reader_begin(LogReader *reader)
{
    int r = sd_event_new(&reader->loop);

    if (r >= 0)
        r = sd_event_add_time_relative(reader->loop, &reader->patience, CLOCK_MONOTONIC,
                                       LOG_READER_PATIENCE, 0, on_log_reader_patience, reader);
    if (r >= 0)
        r = sd_event_source_set_enabled(reader->patience, SD_EVENT_OFF);
    for (unsigned i = 0; i < reader->n_logs && r >= 0; i++)
        r = sd_event_add_io(reader->loop, &reader->logs[i].watch, reader->logs[i].source.fd,
                            EPOLLIN, on_log_reader_readable, &reader->logs[i]);
    if (r >= 0)
        r = sd_bus_attach_event(reader->client->bus, reader->loop, SD_EVENT_PRIORITY_NORMAL);
    /* A file cannot be watched, and has no reader who goes. */
    if (r >= 0)
        (void)sd_event_add_io(reader->loop, &reader->standard_output, STDOUT_FILENO, 0,
                              on_log_reader_unread, reader);
    return r >= 0;
}

LogReader *log_reader_new(Client *client, const int *fds, unsigned n_logs, bool follow,
                          const LogReaderFuncs *funcs, void *data)
{
    LogReader *reader = g_new0(LogReader, 1);

    *reader = (LogReader){.client = client,
                          .follow = follow,
                          .funcs = funcs,
                          .data = data,
                          .merge = log_merge_new(n_logs),
                          .n_logs = n_logs,
                          .logs = g_new0(ReaderLog, n_logs)};
    for (unsigned i = 0; i < n_logs; i++) {
        reader->logs[i].reader = reader;
        log_source_init(&reader->logs[i].source, fds[i]);
    }
    if (log_reader_begin(reader))
        return reader;
    log_reader_free(reader);
    return NULL;
}

void log_reader_free(LogReader *reader)
{
    if (reader == NULL)
        return;
    for (unsigned i = 0; i < reader->n_logs; i++) {
        sd_event_source_disable_unref(reader->logs[i].watch);
        log_source_done(&reader->logs[i].source);
    }
    (void)sd_bus_detach_event(reader->client->bus); /* may not be attached */
    sd_event_source_disable_unref(reader->patience);
    sd_event_source_disable_unref(reader->standard_output);
    sd_event_unref(reader->loop);
    log_merge_free(reader->merge);
    g_free(reader->logs);
    g_free(reader);
}

void log_reader_run(LogReader *reader)
{
    log_reader_turn(reader);
    (void)sd_event_loop(reader->loop); /* what goes wrong ends it */
}

void log_reader_hold(LogReader *reader)
{
    reader->n_holds++;
}

void log_reader_release(LogReader *reader)
{
    reader->n_holds--;
    log_reader_turn(reader);
}
