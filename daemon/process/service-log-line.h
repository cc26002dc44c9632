/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a line of a service is kept: "2026-11-21T23:48:55.123456Z stdout F:INVOCATION TEXT\n". That
 * is the log format of the Kubernetes Container Runtime Interface (time, stream, tags, text), so
 * that what reads logs of containers reads these; the first tag is F for a full line or the end of
 * one, P for a part of a line that goes on with the next part of the same stream; the second tag is
 * the INVOCATION_ID, which is left out where there is none; a third, "cut", says that no newline
 * followed. Pure. */

#include "core/log-query.h"
#include "process/output-lines.h"

#include <glib.h>

typedef enum OutputStream {
    OUTPUT_STDOUT,
    OUTPUT_STDERR,
    _OUTPUT_STREAM_MAX,
    _OUTPUT_STREAM_INVALID = -22,
} OutputStream;
ENUM_TABLE_DECLARE(OutputStream, output_stream); /* "stdout", "stderr" */

/* With an invocation id of 32 digits, without NUL. */
#define SERVICE_LOG_STAMP_MAX 96
/* Everything before the text, the space too, without NUL. Returns its length. time_usec: wall
 * clock, as near as it can be written (from 1 to the end of the year 9999); invocation: at most 32
 * bytes, printable ASCII without ':', "": none. */
size_t service_log_line_stamp(char ret_stamp[SERVICE_LOG_STAMP_MAX], uint64_t time_usec,
                              OutputStream stream, OutputPiece piece, const char *invocation);

typedef struct ServiceLogLine {
    uint64_t time_usec; /* 0: the line has no stamp */
    OutputStream stream;
    OutputPiece piece;
    const char *invocation; /* not terminated; of length 0: none */
    size_t invocation_length;
    const char *text; /* without newline */
    size_t length;
} ServiceLogLine;
/* line: without newline; what is returned borrows from it. What is taken is exactly what
 * service_log_line_stamp() writes. False: it has no stamp, and is a whole text as it is
 * (log.timestamps false, or somebody has written to the file): a ServiceLogLine with text and
 * length and nothing else. */
bool service_log_line_parse(const char *line, size_t length, ServiceLogLine *ret_line);
/* Appends it in that format, with a newline where one belongs: always, but for LOG_FORMAT_BARE
 * after what is partial or cut. */
void service_log_line_format(const ServiceLogLine *line, LogFormat format, GString *text);
