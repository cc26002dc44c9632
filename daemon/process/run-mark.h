/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Of which run a process is, by a mark that it cannot write over by accident: its RLIMIT_LOCKS
 * (host-internal.h). */

#include "process/host.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum RunMarkKind {
    RUN_MARK_NONE,    /* nobody has marked it, or it cannot be read: its environment may tell */
    RUN_MARK_FOREIGN, /* somebody has changed the limit, or another daemon has marked it: the same
                       */
    RUN_MARK_OURS,    /* of the lineage that was asked for */
} RunMarkKind;

typedef struct RunMark {
    RunMarkKind kind;
    uint64_t run;  /* as process_host_run_number; 0: not known */
    pid_t session; /* in which the program was started */
} RunMark;
/* lineage: process_host_mark. A hint, unless the caller holds on to the process. */
RunMark run_mark_read(const Sys *sys, uint64_t lineage, pid_t pid);
