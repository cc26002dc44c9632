/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits are inherited by all that a program starts, whatever session it is in and whatever it does
 * to its memory. One system call reads them. */

#include "process/run-mark.h"

#include "process/host-internal.h"
#include "process/proc.h"

RunMark run_mark_read(const Sys *sys, uint64_t lineage, pid_t pid)
{
    struct rlimit64 limit;

    if (!proc_read_locks_limit(sys, pid, &limit) ||
        (limit.rlim_cur == RLIM64_INFINITY && limit.rlim_max == RLIM64_INFINITY))
        return (RunMark){.kind = RUN_MARK_NONE};
    if (limit.rlim_max != lineage)
        return (RunMark){.kind = RUN_MARK_FOREIGN};
    return (RunMark){
            .kind = RUN_MARK_OURS,
            .run = limit.rlim_cur >> HOST_SESSION_BITS,
            .session = (pid_t)(limit.rlim_cur & ((UINT64_C(1) << HOST_SESSION_BITS) - 1)),
    };
}
