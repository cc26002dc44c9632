/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads the logs of several services at once and gives out their lines in the order of their times;
 * when they are followed, as they come. It reads no more than it can give out: whoever writes waits
 * for whoever reads. */

#include "client.h"
#include "log-entry.h"

typedef struct LogReader LogReader;

typedef struct LogReaderFuncs {
    void (*on_entry)(unsigned log, const LogEntry *entry, void *data);
    /* Everything that could be given out for now was: to flush. False: nobody reads it. */
    bool (*on_pause)(void *data);
    /* A log has ended; error: 0 or negative errno. */
    void (*on_end)(unsigned log, int error, void *data);
} LogReaderFuncs;

/* fds: one per log, taken. NULL: no event loop can be had. */
LogReader *log_reader_new(Client *client, const int *fds, unsigned n_logs, bool follow,
                          const LogReaderFuncs *funcs, void *data);
void log_reader_free(LogReader *reader); /* accepts NULL */
/* Until all have ended and everything is given out, nobody reads standard output any more, or
 * log_reader_stop. */
void log_reader_run(LogReader *reader);
void log_reader_stop(LogReader *reader);
/* While something else is awaited it does not end. */
void log_reader_hold(LogReader *reader);
void log_reader_release(LogReader *reader);
