/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What everything that runs programs shares: the loop's interfaces, the system calls, the directory
 * of notify sockets, the table of living main processes, and the reaping of orphans. One per
 * daemon. */

#include "base/clock.h"
#include "base/random.h"
#include "base/timer.h"
#include "base/watch.h"
#include "process/cgroup.h"
#include "process/service-log-stream.h"
#include "process/sys.h"

#include <glib.h>
#include <stdbool.h>

typedef struct ProcessHost ProcessHost;

typedef struct ProcessHostOptions {
    Clock *clock;
    TimerHost *timers;
    WatchHost *watches;
    Random *random;
    const Sys *sys; /* NULL: sys_linux */
    const char
            *runtime_dir; /* exists; notify sockets go to RUNTIME_DIR/notify/NUMBER (made here) */
    /* 16 lower-case hexadecimal digits that every INVOCATION_ID begins with, the same in every run
     * of the daemon on one state directory (former.h); NULL: none. */
    const char *invocation_prefix;
} ProcessHostOptions;

/* Becomes a subreaper (PR_SET_CHILD_SUBREAPER) so that orphans of services come back to the daemon.
 * RLIMIT_NOFILE as it is at this call is what programs get: a daemon that raises its own does so
 * afterwards. RUNTIME_DIR/notify may be shared by hosts of one user; NUMBER is a host's own, and
 * goes with it. Fails when a directory cannot be made, is not ours or too long for the address of a
 * socket. */
ProcessHost *process_host_new(const ProcessHostOptions *options, GError **error);
/* Which signals are ignored or handled is remembered from process_host_new on, so that children
 * need not ask. To be called when that has changed since. */
void process_host_read_dispositions(ProcessHost *host);
/* The same as the option, for when it is known only later: from the next start on. */
void process_host_set_invocation_prefix(ProcessHost *host, const char *prefix);
/* From now on each service that is started has a cgroup of its own, in a tree that is named after
 * the invocation prefix (which there must be). where: "none", or as in CgroupTreeOptions. False:
 * there are none, and the error says why; services are followed by their sessions then. */
bool process_host_open_cgroups(ProcessHost *host, const char *where, GError **error);
/* From now on what services write is read, and kept in files below the directory, as their
 * OutputSpec says; total_max_bytes: of all, 0: no limit. Once. */
void process_host_open_logs(ProcessHost *host, const char *directory, uint64_t total_max_bytes);
/* NULL: none are kept. */
ServiceLogs *process_host_logs(const ProcessHost *host);
ServiceLogStreams *process_host_log_streams(const ProcessHost *host);
/* From now on it is known of a main process that is killed for want of memory, also where no cgroup
 * counts that, as far as the kernel's log can be read. */
void process_host_watch_oom(ProcessHost *host);
/* What the host can do for services here: "cgroup", and "cgroup.memory", "cgroup.cpu",
 * "cgroup.pids", "cgroup.io" for the limits that can be set. */
char **process_host_features(const ProcessHost *host);
/* func is called with the member ("memory_max") and the reason for each limit that cannot be set
 * here. */
void process_host_check_limits(const ProcessHost *host, const CgroupLimits *limits,
                               void (*func)(const char *member, const char *reason, void *data),
                               void *data);
/* The same as one error, NotSupported, of the first: "cgroup.memory_max: ...". */
bool process_host_has_limits(const ProcessHost *host, const CgroupLimits *limits, GError **error);
/* No supervisor may be left (asserted). What services have written is read before. Accepts NULL. */
void process_host_free(ProcessHost *host);
/* Reaps orphans, never stealing a main process's exit from its supervisor, and tells supervisors
 * that wait for the rest of their process group. */
void process_host_sweep(ProcessHost *host);
/* To be called for every SIGCHLD (loop_add_signal): sweeps, at once or soon. */
void process_host_on_sigchld(ProcessHost *host);
/* Of children and survivors that are still there; 0 when nothing runs. */
unsigned process_host_n_running(const ProcessHost *host);
