/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lines of several logs in the order of their times: of each log at most one line waits here,
 * and none is given out while a log that may have an older one is awaited. A log whose lines have
 * no times keeps its own order. Pure. */

#include "log-entry.h"

typedef struct LogMerge LogMerge;

LogMerge *log_merge_new(unsigned n_logs);
void log_merge_free(LogMerge *merge); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogMerge, log_merge_free)

/* Whether the next line of that log can be taken: it has not ended, and none waits. */
bool log_merge_wants(const LogMerge *merge, unsigned log);
/* Takes entry, the next line of a log that wants one. */
void log_merge_offer(LogMerge *merge, unsigned log, LogEntry *entry);
/* That log has no more lines than the one that waits. */
void log_merge_end(LogMerge *merge, unsigned log);
/* Whoever is awaited has nothing to say just now: until he does, nobody waits for him. */
void log_merge_pass(LogMerge *merge);
/* Whether a line waits only because a log is awaited. */
bool log_merge_is_held(const LogMerge *merge);
/* The next line, the caller's, and its log. NULL: none waits, or a log is awaited. */
LogEntry *log_merge_take(LogMerge *merge, unsigned *ret_log);
/* Whether that log has ended and its last line was given out. */
bool log_merge_has_ended(const LogMerge *merge, unsigned log);
/* Whether all logs have ended and nothing waits. */
bool log_merge_is_over(const LogMerge *merge);
