/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The logs as their own files see them: service-log has who writes and who listens, -write the file
 * that is current, -files the names of the others, -problem what could not be written. */

#include "process/service-log-files.h"
#include "process/service-log-total.h"
#include "process/service-log.h"

/* What is wrong, told when it begins and when it is over, but not each time that it comes and goes.
 * Zeroed: nothing. */
typedef struct ServiceLogProblem {
    int errno_value;
    bool is_told; /* that it began, and not yet that it is over */
    uint64_t told_usec;
} ServiceLogProblem;

struct ServiceLogs {
    const Sys *sys;
    Clock *clock;
    char *directory;       /* absolute */
    GHashTable *logs;      /* service id -> ServiceLog: in use, or with a loss to tell */
    GHashTable *listeners; /* service id -> Listeners */
    GQueue open;           /* of ServiceLog that have a descriptor, the last used first */
    unsigned open_max;
    ServiceLogTotal *total;    /* NULL: there is no limit */
    ServiceLogProblem problem; /* of the file system: of all of them */
};

struct ServiceLog {
    ServiceLogs *logs;
    char *service_id;
    char *path; /* of the current file */
    ServiceLogRules rules;
    unsigned n_users;
    bool is_deleted; /* the service is no more */
    int fd;          /* of the current file; -1: not open */
    GList link;
    ServiceLogShare *share; /* of the total; NULL: nothing was written yet */
    dev_t device;
    ino_t inode;
    uint64_t size_bytes;
    bool is_torn;         /* the file ends within a line */
    bool is_replaced;     /* what was the current file is somewhere else: to be told */
    uint64_t last_number; /* of the last file that was rotated from here; 0: none yet */
    uint64_t lost_lines;  /* not told in the log yet */
    uint64_t lost_bytes;
    int lost_errno;            /* why the last of them were lost; 0: none were */
    ServiceLogProblem problem; /* of this service's files alone */
    uint64_t replaced_usec;    /* when it was told last */
};

/* service-log-files.c */

char *service_log_directory_path(const ServiceLogs *logs, const char *service_id);
/* Of what was opened just now, ascending. NULL and errno: it cannot be read. */
GArray *service_log_directory_numbers(const Sys *sys, int directory_fd); /* of uint64_t */

/* service-log-write.c */

/* How much of the lines is in files now: all, or whole lines of the beginning; then errno says
 * why. */
size_t service_log_write(ServiceLog *log, const char *lines, size_t length);
/* Closes the descriptor; the next write opens what is there then. */
void service_log_shut(ServiceLog *log);

/* service-log-problem.c */

/* lines could not be written. */
void service_log_lose(ServiceLog *log, const char *lines, size_t length, int errno_value);
/* The line that tells what was lost before these lines, in their format, with its newline; the
 * caller frees. */
char *service_log_loss_line(const ServiceLog *log, const char *lines, size_t length);
/* That line is in the log. */
void service_log_regain(ServiceLog *log);
/* Nobody will write any more: what was lost since is told where it can be. */
void service_log_give_up(ServiceLog *log);
void service_log_tell_replaced(ServiceLog *log);
