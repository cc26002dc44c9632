/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line of a log, as OpenLog gives it in the format "json": the whole of a line that a program has
 * written, or a piece of it. Pure. */

#include "value.h"

#include <stddef.h>

typedef struct LogEntry {
    uint64_t time_usec; /* wall clock; 0: not known */
    bool is_stderr;
    bool is_partial;        /* the line goes on with the next piece of its stream */
    bool is_cut;            /* no newline followed */
    const char *invocation; /* "": not known */
    const char *text;       /* without newline; may hold NUL and what is not UTF-8 */
    size_t length;
    json_t *json; /* the object itself */
    guchar *decoded;
} LogEntry;

/* NULL: it is none. Free with log_entry_free. */
LogEntry *log_entry_parse(const char *line, size_t length);
LogEntry *log_entry_from_json(json_t *object); /* takes a reference */
void log_entry_free(LogEntry *entry);          /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogEntry, log_entry_free)
