/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* There are few logs, at most as many as the daemon gives to one user at a time: looking at each is
 * cheaper than any order that had to be kept. */

#include "log-merge.h"

typedef struct MergeLog {
    LogEntry *entry;    /* that waits; NULL: none */
    uint64_t time_usec; /* of the last line that had one */
    bool is_over;
    bool is_idle; /* is not waited for */
} MergeLog;

struct LogMerge {
    unsigned n_logs;
    unsigned n_awaited; /* have neither a line nor an end, and are not idle */
    unsigned n_waiting; /* lines */
    MergeLog *logs;
};

LogMerge *log_merge_new(unsigned n_logs)
{
    LogMerge *merge = g_new0(LogMerge, 1);

    merge->n_logs = n_logs;
    merge->n_awaited = n_logs;
    merge->logs = g_new0(MergeLog, n_logs);
    return merge;
}

void log_merge_free(LogMerge *merge)
{
    if (merge == NULL)
        return;
    for (unsigned i = 0; i < merge->n_logs; i++)
        log_entry_free(merge->logs[i].entry);
    g_free(merge->logs);
    g_free(merge);
}

static bool merge_log_is_awaited(const MergeLog *log)
{
    return log->entry == NULL && !log->is_over && !log->is_idle;
}

bool log_merge_wants(const LogMerge *merge, unsigned log)
{
    return merge->logs[log].entry == NULL && !merge->logs[log].is_over;
}

void log_merge_offer(LogMerge *merge, unsigned log, LogEntry *entry)
{
    MergeLog *of = &merge->logs[log];

    g_assert(log_merge_wants(merge, log));
    merge->n_awaited -= merge_log_is_awaited(of);
    merge->n_waiting++;
    of->entry = entry;
    of->is_idle = false;
    if (entry->time_usec != 0)
        of->time_usec = entry->time_usec;
}

void log_merge_end(LogMerge *merge, unsigned log)
{
    merge->n_awaited -= merge_log_is_awaited(&merge->logs[log]);
    merge->logs[log].is_over = true;
}

void log_merge_pass(LogMerge *merge)
{
    for (unsigned i = 0; i < merge->n_logs; i++)
        merge->logs[i].is_idle = merge->logs[i].is_idle || merge_log_is_awaited(&merge->logs[i]);
    merge->n_awaited = 0;
}

bool log_merge_is_held(const LogMerge *merge)
{
    return merge->n_waiting > 0 && merge->n_awaited > 0;
}

LogEntry *log_merge_take(LogMerge *merge, unsigned *ret_log)
{
    MergeLog *first = NULL;

    for (unsigned i = 0; i < merge->n_logs && merge->n_awaited == 0; i++) {
        MergeLog *log = &merge->logs[i];

        if (log->entry != NULL && (first == NULL || log->time_usec < first->time_usec))
            first = log;
    }
    if (first == NULL)
        return NULL;
    merge->n_waiting--;
    LogEntry *entry = g_steal_pointer(&first->entry);
    merge->n_awaited += merge_log_is_awaited(first);
    *ret_log = (unsigned)(first - merge->logs);
    return entry;
}

bool log_merge_has_ended(const LogMerge *merge, unsigned log)
{
    return merge->logs[log].is_over && merge->logs[log].entry == NULL;
}

bool log_merge_is_over(const LogMerge *merge)
{
    for (unsigned i = 0; i < merge->n_logs; i++) {
        if (!log_merge_has_ended(merge, i))
            return false;
    }
    return true;
}
