/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What somebody wants to read of what a service has said, and how. */

#include "base/enum-table.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum LogFormat {
    LOG_FORMAT_TEXT, /* as it is kept: "TIME stdout F:INVOCATION TEXT" (service-log-line.h) */
    LOG_FORMAT_JSON, /* an object a line: time_usec, stream, invocation (none of them where there is
                        no stamp), and text, or bytes (base64) where it is not UTF-8 or holds NUL;
                        "partial" true where the line goes on, "cut" where no newline followed */
    LOG_FORMAT_BARE, /* as the program wrote it */
    _LOG_FORMAT_MAX,
    _LOG_FORMAT_INVALID = -22,
} LogFormat;
ENUM_TABLE_DECLARE(LogFormat, log_format); /* "text", "json", "bare" */

#define LOG_LINES_ALL UINT32_MAX

typedef struct LogQuery {
    uint32_t lines;         /* the last so many of those that are meant; LOG_LINES_ALL */
    uint64_t since_usec;    /* wall clock; 0: whatever is there */
    const char *invocation; /* of one run, by its whole id or the end of it; NULL: of all */
    bool follow;            /* what comes later too */
    LogFormat format;
    uint32_t uid; /* who asks: nobody may have too many at once */
} LogQuery;
