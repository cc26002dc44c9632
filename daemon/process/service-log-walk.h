/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of a log as one row, in which who reads has a place: a file by its number, and how far
 * in it. The current file has the number that it will get when it is rotated, so that a place stays
 * what it is, and files that have gone can be counted. */

#include "process/service-log-files.h"
#include "process/service-log-line.h"

/* The longest line with its stamp and newline, and more than a stamp besides. */
#define SERVICE_LOG_PIECE_BYTES (OUTPUT_LINE_MAX + 2 * (size_t)SERVICE_LOG_STAMP_MAX)

/* What is there at a moment. */
typedef struct ServiceLogRow {
    GArray *numbers; /* of uint64_t: of what was rotated, ascending */
    uint64_t current_number;
    uint64_t current_size; /* 0: there may be none */
} ServiceLogRow;

/* 0, or negative errno. No log yet: an empty row. */
int service_log_row_look(const ServiceLogs *logs, const char *service_id, ServiceLogRow *ret_row);
void service_log_row_clear(ServiceLogRow *row);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ServiceLogRow, service_log_row_clear)

typedef struct ServiceLogWalk {
    const ServiceLogs *logs;
    const char *service_id; /* borrowed */
    int fd;                 /* -1: not open */
    uint64_t number;
    uint64_t offset;
} ServiceLogWalk;

/* Opens the file with the walk's number, or the next one from its beginning: removed files are
 * counted. 0, or negative errno; -ENOENT: there is none yet, and the number is that of the one to
 * come. */
int service_log_walk_open(ServiceLogWalk *walk, uint64_t *ret_removed);
/* Whether nothing more will be written to the open file. 0 or 1, or negative errno. */
int service_log_walk_is_done(ServiceLogWalk *walk);
/* To where the next file begins. */
void service_log_walk_leave(ServiceLogWalk *walk);
