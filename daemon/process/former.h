/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a daemon that died by accident has left running: its orphans belong to somebody else now,
 * and only their environment still tells whose they were. They are asked to end, and ended, before
 * the same services start again. */

#include "process/host.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Former Former;

/* One service's part of it. */
typedef struct FormerService {
    const char *id; /* SVCMGR_ID of the processes; NULL: of those that have none */
    unsigned n_found;
    unsigned n_killed;
    unsigned n_left;
    const char *text; /* "3 processes of the former run ended, 1 of them by force" */
} FormerService;

typedef struct FormerReport {
    unsigned n_found;              /* processes, of all services together */
    unsigned n_killed;             /* of them, ended by SIGKILL */
    unsigned n_left;               /* that have survived it; the texts name them */
    const FormerService *services; /* in the order in which they were found */
    unsigned n_services;
    const char *text;    /* of all together; NULL when nothing was found */
    const GError *error; /* why it could not be looked for everything, or NULL */
} FormerReport;
/* report is borrowed for the time of the call. May free the Former. */
typedef void (*FormerDone)(const FormerReport *report, void *data);

/* Finds the processes that were started with an INVOCATION_ID that begins with prefix (16 digits,
 * as in ProcessHostOptions), also when they have written over their environment since, and whoever
 * is in the cgroup of a service; sends them SIGTERM and SIGCONT; after grace_usec SIGKILL to those
 * that are left; 2 s later it gives them up. What they fork meanwhile is found as well. Never this
 * process, its ancestors or process 1; zombies do not count, and whose environment may not be read
 * is none of ours. The environment of who is stuck in the kernel is not read: without a cgroup and
 * outside of the session of its program it is looked at again until the time is up, and then named
 * as an error. To be called before the daemon starts anything itself, since that has the same
 * prefix.
 *
 * Limits: without cgroups, who has both written over its environment and left its session is not
 * found. Nor is what startup hooks of a launch that was killed have left: they come before the
 * prefix is known.
 *
 * At the end the directories of cgroups that a former run has left are removed. done is called
 * once, from the loop. A turn of the loop looks at one or two hundred processes, and a few hundred
 * descriptors are in use at most. */
Former *former_sweep(ProcessHost *host, const char *prefix, uint64_t grace_usec, FormerDone done,
                     void *data);
/* Whether nothing of this service that a sweep has given up is there any more; looks now. False:
 * the error names it, and to start the service would have it run twice. */
bool former_check_left(ProcessHost *host, const char *id, GError **error);
/* Cancels it if it is not done: done is not called, nothing more is signalled. Accepts NULL. */
void former_free(Former *former);
