/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Logs, streams of them over a real loop, and who reads those. At the end no descriptor may be
 * left. */

#include "process/loop.h"
#include "process/service-log-stream.h"
#include "service-log-fixture.h"

typedef struct LogStreamFixture {
    LogFixture log;
    Loop *loop;
    ServiceLogStreams *streams;
    WatchHost watches;  /* the loop's, with a create that can fail */
    unsigned watch_nth; /* this one fails; 0: none */
    unsigned n_watches;
} LogStreamFixture;

void log_streams_init(LogStreamFixture *fixture, const void *unused);
void log_streams_done(LogStreamFixture *fixture, const void *unused);
/* Turns of the loop until it is done; fails the test after a while. */
void log_streams_run(LogStreamFixture *fixture, bool (*is_done)(void *data), void *data);
/* Turns until nothing is ready. Returns how many. */
unsigned log_streams_settle(LogStreamFixture *fixture);

/* Reads in the loop as soon as something is there. */
typedef struct LogReader {
    LogStreamFixture *fixture;
    int fd; /* -1: it has come to its end */
    Watch *watch;
    GString *text;
    size_t wanted; /* log_reader_wait */
} LogReader;

/* NULL: it was refused. */
LogReader *log_reader_new(LogStreamFixture *fixture, const char *id, const LogQuery *query,
                          GError **error);
/* The same, but it reads only once log_reader_go is called. */
LogReader *log_reader_new_slow(LogStreamFixture *fixture, const char *id, const LogQuery *query);
void log_reader_go(LogReader *reader);
void log_reader_free(LogReader *reader); /* closes, also in the middle */
/* Until so many bytes are there, and no more can be; until the end. */
void log_reader_wait(LogReader *reader, size_t length);
void log_reader_wait_end(LogReader *reader);
/* All of it, to the end; the caller frees. */
char *log_streams_read(LogStreamFixture *fixture, const char *id, const LogQuery *query,
                       size_t *ret_length);
