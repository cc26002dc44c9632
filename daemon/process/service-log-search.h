/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the last lines of a log begin: it is read backwards, from where it ended when the search
 * began, a piece in each step. Lines are counted as they were written: what was kept in parts is
 * one line, its last part and those before it of the same stream and run. Where a line of the other
 * stream came between them that would be one too many, the search ends with the later parts. */

#include "process/service-log-line.h"
#include "process/service-log-walk.h"

/* Which lines are meant. */
typedef struct ServiceLogFilter {
    uint64_t since_usec;    /* 0: all. A line without a time is meant whenever it was */
    const char *invocation; /* the end of an id; NULL: all */
} ServiceLogFilter;

/* Reads a line, whose text may be missing; whether it is meant. */
bool service_log_filter_read(const ServiceLogFilter *filter, const char *line, size_t length,
                             ServiceLogLine *ret_line);

/* Lines from the last one backwards. Zeroed but for most: none yet. */
typedef struct ServiceLogCount {
    uint32_t most;
    uint32_t n;
    struct {
        char invocation[SERVICE_LOG_STAMP_MAX];
        size_t length;
        bool is_there;
    } later[_OUTPUT_STREAM_MAX]; /* the part of the stream that comes next: it may be of one line
                                    with what is before it */
} ServiceLogCount;

/* The line, or part, before those that were counted. False: it would be one too many. */
bool service_log_count_add(ServiceLogCount *count, const ServiceLogLine *line);

typedef struct ServiceLogSearch ServiceLogSearch;

/* The last lines of those that are meant, or LOG_LINES_ALL of them. row: as it is now; its numbers
 * are taken out of it. service_id and what filter has are borrowed until the search is freed. */
ServiceLogSearch *service_log_search_new(const ServiceLogs *logs, const char *service_id,
                                         const ServiceLogFilter *filter, uint32_t lines,
                                         ServiceLogRow *row);
void service_log_search_free(ServiceLogSearch *search); /* accepts NULL */
/* At most one file opened, and SERVICE_LOG_PIECE_BYTES, the size of buffer, read. 1: it is found;
 * 0: not yet; or negative errno. */
int service_log_search_step(ServiceLogSearch *search, char *buffer);
/* Found: a place before which nothing is meant. */
void service_log_search_get(const ServiceLogSearch *search, uint64_t *ret_number,
                            uint64_t *ret_offset);
