/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether it was the kernel's OOM killer that killed a process: only the kernel's log says so where
 * no cgroup counts. The log is read when somebody asks, and only from where it stood before. */

#include "process/sys.h"

#include <stdbool.h>

typedef struct OomLog OomLog;

/* Never fails; where the log cannot be read, or has the process ids of another namespace, it knows
 * nothing. */
OomLog *oom_log_new(const Sys *sys);
void oom_log_free(OomLog *log); /* accepts NULL */
/* Whether the log says so of pid since oom_log_new or the last few thousand records. comm: the name
 * of its program, as the kernel keeps it, to be told from others of that number; NULL: any. Reads a
 * bounded part. */
bool oom_log_has_killed(OomLog *log, pid_t pid, const char *comm);

/* Whether the log was read to its end for the last answer, so that a process that has died just now
 * would stand in it; what was overwritten is older. */
bool oom_log_is_current(const OomLog *log);

#define OOM_COMM_BYTES 16
typedef struct OomKill {
    pid_t pid;
    char comm[OOM_COMM_BYTES];
} OomKill;
/* Whether a record of the log says that one was killed. */
bool oom_record_parse(const char *record, OomKill *ret_kill);
