/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a run uses: from its cgroup where there is one and it knows, else from /proc. */

#include "process/cgroup.h"
#include "process/host.h"

typedef struct Usage {
    bool has_cpu, has_memory, has_memory_peak, has_tasks;
    uint64_t cpu_usec;     /* from /proc: of those who live, and whom they have waited for */
    uint64_t memory_bytes; /* from /proc: resident; what is shared counts for each */
    uint64_t memory_peak_bytes;
    uint64_t n_tasks; /* processes and threads; from /proc too */
    uint64_t n_processes;
    bool memory_is_exact; /* counted by the kernel's memory controller */
} Usage;

/* Who asks again so soon is told the same. */
#define USAGE_KEPT_USEC (500 * USEC_PER_MSEC)

/* Of a cgroup whose controllers are not all there each process is looked at, at most a few
 * thousand. cgroup NULL: of the processes with this invocation id. Nothing runs: all zero. Without
 * a cgroup all processes are looked at, so what was seen in the last half second is told again; and
 * who has no mark at all (host-internal.h) is not counted, whatever its environment says. */
void usage_read(ProcessHost *host, const Cgroup *cgroup, const char *invocation_id,
                Usage *ret_usage);

/* Adds the peak of a cgroup's memory, where that is counted. */
void usage_read_peak(const Cgroup *cgroup, Usage *usage);

/* Of the host. Accepts NULL. */
typedef struct UsageSurvey UsageSurvey;
void usage_survey_free(UsageSurvey *survey);
