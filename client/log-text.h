/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines of logs as they are shown. Pure, but for JSON, which goes where all JSON goes. */

#include "log-entry.h"
#include "output.h"

typedef enum LogStyle {
    LOG_STYLE_SHORT, /* for people: local time, and the text; pieces of a line are one line */
    LOG_STYLE_TEXT,  /* as it stands in the file */
    LOG_STYLE_BARE,  /* as the program wrote it */
    LOG_STYLE_JSON,  /* an object a line */
    _LOG_STYLE_MAX,
    _LOG_STYLE_INVALID = -22,
} LogStyle;
LogStyle log_style_from_string(const char *string); /* "short", "text", "bare", "json" */

typedef struct LogText LogText;

/* output and services (NULL-terminated ids) are borrowed. When there are several services, their
 * names stand in front. */
LogText *log_text_new(const Output *output, LogStyle style, char **services);
void log_text_free(LogText *text); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogText, log_text_free)

/* Appends a line of services[service] to what is shown (not in the style JSON, which is printed at
 * once); output->now says what today is. */
void log_text_add(LogText *text, unsigned service, const LogEntry *entry, GString *shown);
/* Ends a line that is still open, before anything else is shown. */
void log_text_end(LogText *text, GString *shown);
