/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Structured log. When standard error is the journal (JOURNAL_STREAM names it), entries go there
 * with fields SVCMGR_SERVICE, SVCMGR_..., MESSAGE, PRIORITY, CODE_*; else one readable line per
 * entry on standard error:
 * "<TIME >svcmgrd[LEVEL]: service 'web': message". Control bytes are escaped, so a hostile string
 * cannot forge a line. Never blocks the caller for long and never fails. A function logs or
 * reports, never both. Levels are those of syslog(3). */

#include <glib.h>
#include <stdbool.h>

typedef enum LogLevel {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
} LogLevel;

/* "error", "warning", "notice", "info", "debug"; false for others. */
bool log_level_from_string(const char *string, LogLevel *ret_level);
const char *log_level_to_string(LogLevel level);
/* Detects the journal; call once at start. Default level: info. */
void log_init(LogLevel level);
void log_set_level(LogLevel level);
LogLevel log_get_level(void);

/* For tests: entries go to sink instead; NULL restores. service may be NULL. */
typedef void (*LogSink)(LogLevel level, const char *service, const char *message, void *data);
void log_set_sink(LogSink sink, void *data);

/* service: the id that the entry is about, or NULL. fields: NULL-terminated pairs "NAME", "value",
 * ... or NULL. */
void log_full(LogLevel level, const char *file, int line, const char *function, const char *service,
              const char *const *fields, const char *format, ...) G_GNUC_PRINTF(7, 8);

#define log_service(level, service, ...)                                                           \
    log_full(level, __FILE__, __LINE__, __func__, service, NULL, __VA_ARGS__)
#define log_error(...)                                                                             \
    log_full(LOG_LEVEL_ERROR, __FILE__, __LINE__, __func__, NULL, NULL, __VA_ARGS__)
#define log_warning(...)                                                                           \
    log_full(LOG_LEVEL_WARNING, __FILE__, __LINE__, __func__, NULL, NULL, __VA_ARGS__)
#define log_notice(...)                                                                            \
    log_full(LOG_LEVEL_NOTICE, __FILE__, __LINE__, __func__, NULL, NULL, __VA_ARGS__)
#define log_info(...)                                                                              \
    log_full(LOG_LEVEL_INFO, __FILE__, __LINE__, __func__, NULL, NULL, __VA_ARGS__)
#define log_debug(...)                                                                             \
    log_full(LOG_LEVEL_DEBUG, __FILE__, __LINE__, __func__, NULL, NULL, __VA_ARGS__)
