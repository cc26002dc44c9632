/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of a service as far as the kernel's process groups show them: the group that the
 * program was started in, and that of a main process which has left it (MAINPID=).
 *
 * The number of a group is not used again while a member, living or zombie, is there. A group that
 * was found empty is therefore forgotten at once, and signals are sent while something is known to
 * be in it. */

#include "process/host.h"

#include <sys/types.h>

typedef struct ProcessGroup {
    pid_t leader;  /* also the session; 0: none, or empty */
    pid_t adopted; /* 0: none, or empty */
} ProcessGroup;

/* 0: at least one has it; -ESRCH: nobody is there; else negative errno: nobody has it. */
int process_group_signal(ProcessHost *host, const ProcessGroup *group, int signo);
/* Reaps those dead members that are the daemon's children; not to be called before a main process
 * in it has been reaped. */
void process_group_reap(ProcessHost *host, const ProcessGroup *group);
/* Forgets what is empty, or was and now is somebody else's; true if nothing is left. */
bool process_group_prune(ProcessHost *host, ProcessGroup *group);
/* The same, also of what has only zombies left whose parent does not reap them. Looks at every
 * process of the machine: not for what happens often. */
bool process_group_prune_dead(ProcessHost *host, ProcessGroup *group);
/* Whether a process is in the session, carries the number of this run or was started with its
 * INVOCATION_ID in the environment (stragglers.h), or descends from the main process (0: there is
 * none): what is cheap to know comes first. */
bool process_group_has(ProcessHost *host, const ProcessGroup *group, pid_t main_pid, pid_t pid,
                       const char *invocation_id);
