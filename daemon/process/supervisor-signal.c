/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom a signal reaches. The program that was started leads its group for as long as it lives. A
 * main process that it has named by MAINPID= may go to another group or session at any time, and
 * nobody tells: so it is looked up before each signal, and is signalled by its descriptor as well
 * when it still was not where the signal went. */

#include "base/errors.h"
#include "process/supervisor-internal.h"

#include <errno.h>

/* The group that the main process is in, if it may be signalled; 0: none. The number was its own
 * only if the descriptor says that it was still there afterwards. */
static pid_t supervisor_main_group(const Supervisor *supervisor)
{
    const Sys *sys = supervisor->host->sys;
    pid_t group = sys->getpgid(supervisor->facts.main_pid);

    if (group <= 1 || group == sys->getpgid(0) ||
        sys->pidfd_send_signal(supervisor->main_pidfd, 0, NULL, 0) < 0)
        return 0;
    return group;
}

bool supervisor_may_stray(const Supervisor *supervisor)
{
    pid_t main_pid = supervisor->facts.main_pid;

    return main_pid > 0 && (main_pid != supervisor->group.leader || supervisor->group.adopted > 0);
}

void supervisor_find_group(Supervisor *supervisor)
{
    ProcessGroup *group = &supervisor->group;

    if (!supervisor_may_stray(supervisor))
        return;

    pid_t found = supervisor_main_group(supervisor);
    if (found > 0 && found != group->leader)
        group->adopted = found;
    (void)process_group_prune(supervisor->host, group);
}

static void supervisor_send_main(const Supervisor *supervisor, int signo)
{
    if (supervisor->main_pidfd >= 0)
        (void)supervisor->host->sys->pidfd_send_signal(supervisor->main_pidfd, signo, NULL,
                                                       0); /* dead already: its watch tells */
}

/* True if the main process was where it was expected, so that it has the signal too. */
static bool supervisor_send_groups(Supervisor *supervisor, int signo)
{
    const ProcessGroup *group = &supervisor->group;

    process_group_signal(supervisor->host, group, signo);
    if (!supervisor_may_stray(supervisor))
        return true;

    pid_t found = supervisor_main_group(supervisor);
    return found > 0 && (found == group->leader || found == group->adopted);
}

static void supervisor_send_all(Supervisor *supervisor, int signo)
{
    supervisor_find_group(supervisor);
    if (!supervisor_send_groups(supervisor, signo))
        supervisor_send_main(supervisor, signo);
}

/* A stopped process gets its signal only when it goes on. */
void supervisor_send_stop(Supervisor *supervisor)
{
    int signo = supervisor->spec->rules.stop_signal;

    if (supervisor->spec->stop_mode == STOP_MODE_MAIN && supervisor->main_pidfd >= 0) {
        supervisor_send_main(supervisor, signo);
        supervisor_send_main(supervisor, SIGCONT);
        return;
    }
    supervisor_send_all(supervisor, signo);
    supervisor_send_all(supervisor, SIGCONT);
}

void supervisor_send_kill(Supervisor *supervisor)
{
    supervisor_find_group(supervisor);
    (void)supervisor_send_groups(supervisor, SIGKILL); /* main gets it in any case */
    supervisor_send_main(supervisor, SIGKILL);
}

void supervisor_signal_rest(Supervisor *supervisor, bool to_kill)
{
    bool has_been_asked =
            supervisor->phase == PHASE_STOP_SIGNAL && supervisor->spec->stop_mode == STOP_MODE_ALL;

    supervisor_find_group(supervisor);
    if (!has_been_asked)
        process_group_signal(supervisor->host, &supervisor->group,
                             to_kill ? SIGKILL : supervisor->spec->rules.stop_signal);
}

bool supervisor_signal(Supervisor *supervisor, bool all, int signo, GError **error)
{
    if (!supervisor_is_running(supervisor) || (!all && supervisor->main_pidfd < 0))
        return error_set(error, ERROR_ALREADY_STOPPED, "no process runs");
    if (!all)
        return supervisor->host->sys->pidfd_send_signal(supervisor->main_pidfd, signo, NULL, 0) ==
                       0 ||
               error_set_errno(error, errno, "cannot signal the main process");
    if (signo <= 0 || signo >= _NSIG)
        return error_set_errno(error, EINVAL, "cannot send signal %d", signo);
    supervisor_send_all(supervisor, signo);
    return true;
}
