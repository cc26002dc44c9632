/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What services have said, kept in files that the daemon's user alone may read: DIRECTORY/NAME/ has
 * "current", and what was current before as NUMBER.log, 12 digits, higher ones being newer, so that
 * who follows finds the next file by its number, and no file is renamed twice. NAME is the
 * service's id, escaped and shortened where a file name could not hold it. Files stay when the
 * service is deleted; they go when the total of all asks for it, the oldest first.
 *
 * Writing never fails for the one who writes: what cannot be written is reported once, counted, and
 * a line in the log says so when it can be written again. */

#include "base/clock.h"
#include "base/timer.h"
#include "process/sys.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ServiceLogs ServiceLogs;
typedef struct ServiceLog ServiceLog;

typedef struct ServiceLogsOptions {
    const Sys *sys;
    Clock *clock;
    TimerHost *timers;        /* of that clock; may be NULL without total_max_bytes */
    const char *directory;    /* made when it is first needed */
    uint64_t total_max_bytes; /* of all services; 0: no limit */
    /* So many descriptors of files are kept open for the next line, over all services; of more that
     * write, each opens its file for each of its batches. 0: SERVICE_LOG_OPEN_DEFAULT. */
    unsigned open_max;
} ServiceLogsOptions;

#define SERVICE_LOG_SIZE_MIN (UINT64_C(64) * 1024)
/* Who removes a larger file waits for the disk. */
#define SERVICE_LOG_SIZE_MAX (UINT64_C(1024) * 1024 * 1024)
#define SERVICE_LOG_SIZE_DEFAULT (UINT64_C(10) * 1024 * 1024)
#define SERVICE_LOG_OPEN_DEFAULT 256
#define SERVICE_LOG_KEEP_DEFAULT 5
#define SERVICE_LOG_KEEP_MAX 1000

/* Of one service. */
typedef struct ServiceLogRules {
    uint64_t max_size_bytes; /* of a file, but for a single line that is longer; 0: the defaults */
    uint32_t keep;           /* so many files besides the current one */
} ServiceLogRules;

ServiceLogs *service_logs_new(const ServiceLogsOptions *options);
/* No log may be open any more. Accepts NULL. */
void service_logs_free(ServiceLogs *logs);

/* The log of a service to write to: one object, however often it is asked for; touches no file.
 * rules are copied, and are in force for all who write to it. rules NULL: those that are in force;
 * where nobody writes, files of the default size, of which none is removed. */
ServiceLog *service_log_open(ServiceLogs *logs, const char *service_id,
                             const ServiceLogRules *rules);
void service_log_close(ServiceLog *log); /* accepts NULL */
/* Appends lines, each with its newline. Lines are never divided between files. */
void service_log_append(ServiceLog *log, const char *lines, size_t length);

/* func is called when something was appended to the service's log, or (is_deleted) when the service
 * is no more. Not from inside a call on the listener; may free the listener. */
typedef struct ServiceLogListener ServiceLogListener;
ServiceLogListener *service_log_listen(ServiceLogs *logs, const char *service_id,
                                       void (*func)(bool is_deleted, void *data), void *data);
void service_log_unlisten(ServiceLogListener *listener);
void service_logs_tell_deleted(ServiceLogs *logs, const char *service_id);
