/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that a program starts stays in its session unless it asks for another one; what has
 * left is known by its ancestors, or by the environment that it took along. */

#include "process/process-group.h"

#include "process/host-internal.h"
#include "process/proc.h"
#include "process/stragglers.h"

#include <errno.h>

static int process_group_signal_one(ProcessHost *host, pid_t group, int signo)
{
    if (group <= 0)
        return -ESRCH;
    return host->sys->kill(-group, signo) < 0 ? -errno : 0;
}

int process_group_signal(ProcessHost *host, const ProcessGroup *group, int signo)
{
    int leader = process_group_signal_one(host, group->leader, signo);
    int adopted = process_group_signal_one(host, group->adopted, signo);

    if (leader == 0 || adopted == 0)
        return 0;
    return leader != -ESRCH ? leader : adopted;
}

static void process_group_reap_one(ProcessHost *host, pid_t group)
{
    siginfo_t info = {0};

    while (group > 0 && sys_waitid(host->sys, P_PGID, (id_t)group, &info, WEXITED | WNOHANG) == 0 &&
           info.si_pid != 0)
        info.si_pid = 0;
}

void process_group_reap(ProcessHost *host, const ProcessGroup *group)
{
    process_group_reap_one(host, group->leader);
    process_group_reap_one(host, group->adopted);
}

static void process_group_prune_one(ProcessHost *host, pid_t *group)
{
    if (*group > 0 && host->sys->kill(-*group, 0) < 0 && errno == ESRCH)
        *group = 0;
}

/* The program that we started is our child until it is reaped. A process with its number that is
 * not can only be there because the group was empty in between. */
static bool process_group_is_of_another(ProcessHost *host, pid_t leader)
{
    siginfo_t info;

    return host->sys->getpgid(leader) >= 0 &&
           sys_waitid(host->sys, P_PID, (id_t)leader, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
           errno == ECHILD;
}

bool process_group_prune(ProcessHost *host, ProcessGroup *group)
{
    process_group_prune_one(host, &group->leader);
    process_group_prune_one(host, &group->adopted);
    if (group->leader > 0 && process_group_is_of_another(host, group->leader))
        group->leader = 0;
    return group->leader == 0 && group->adopted == 0;
}

static void process_group_prune_dead_one(ProcessHost *host, pid_t *group)
{
    if (*group > 0 && proc_group_is_dead(host->sys, *group))
        *group = 0;
}

bool process_group_prune_dead(ProcessHost *host, ProcessGroup *group)
{
    process_group_prune_dead_one(host, &group->leader);
    process_group_prune_dead_one(host, &group->adopted);
    return process_group_prune(host, group);
}

bool process_group_has(ProcessHost *host, const ProcessGroup *group, pid_t main_pid, pid_t pid,
                       const char *invocation_id)
{
    if (pid <= 0)
        return false;
    if (group->leader > 0 && host->sys->getsid(pid) == group->leader &&
        !process_group_is_of_another(host, group->leader))
        return true;
    return stragglers_has(host, invocation_id, pid) ||
           (main_pid > 0 && proc_descends_from(host->sys, pid, main_pid));
}
