/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a service has said, read by somebody through a pipe. It is read from the files only as fast
 * as the reader takes it: one who is slow, or never reads, costs two descriptors, and the room of
 * the one file he is in, also when that was removed; one who is gone ends it. Who follows is told
 * what comes, through rotations and restarts, until the service is deleted. */

#include "base/watch.h"
#include "core/log-query.h"
#include "process/service-log-line.h"
#include "process/service-log.h"

#define SERVICE_LOG_STREAMS_MAX 512
/* Who may read are root and the daemon's user: neither can shut out the other. */
#define SERVICE_LOG_STREAMS_MAX_PER_UID (SERVICE_LOG_STREAMS_MAX / 2)

typedef struct ServiceLogStreams ServiceLogStreams;

ServiceLogStreams *service_log_streams_new(ServiceLogs *logs, WatchHost *watches, const Sys *sys);
/* Ends those that are there: their readers see the end. Accepts NULL. */
void service_log_streams_free(ServiceLogStreams *streams);
/* Returns the read end of a pipe, the caller's; -1 and LimitExceeded when there are too many, or no
 * descriptor is left. query is borrowed for the call. No log yet: an empty stream. */
int service_log_stream_open(ServiceLogStreams *streams, const char *service_id,
                            const LogQuery *query, GError **error);

/* The last lines (at most max_lines, max_bytes of their texts, and as far as they stand in the last
 * 256 KiB) of one run, or of all (invocation NULL), oldest first, for who cannot wait: at once. */
typedef void (*ServiceLogLineFunc)(const ServiceLogLine *line, void *data);
void service_log_read_last(const ServiceLogs *logs, const char *service_id, const char *invocation,
                           unsigned max_lines, size_t max_bytes, ServiceLogLineFunc func,
                           void *data);
