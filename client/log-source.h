/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A pipe or a file with a line of a log for each line of it. */

#include "log-entry.h"

/* A line is 64 KiB of text at most, of which each byte can take six in JSON; and a little more. */
#define LOG_SOURCE_LINE_MAX ((size_t)1 << 20)

typedef struct LogSource {
    int fd;
    GString *buffer; /* read and not taken yet from used on */
    size_t used;
    bool is_over; /* nothing more will be read */
} LogSource;

/* Takes fd. */
void log_source_init(LogSource *source, int fd);
void log_source_done(LogSource *source);
/* Reads once. 0, -EAGAIN, or why it can be read no more; -EBADMSG: it is no log. */
int log_source_read(LogSource *source);
/* The next line that was read, the caller's; NULL: none is whole yet. What is no line of a log is
 * skipped. */
LogEntry *log_source_take(LogSource *source);
/* Reads all of a source that ends, waiting for it at most so long: an array of the last n lines as
 * JSON. NULL: it cannot be read. Takes fd. */
json_t *log_source_read_all(int fd, unsigned n, uint64_t timeout_usec);
