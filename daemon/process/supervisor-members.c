/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who belongs to a run, and whom a signal reaches. With a cgroup the kernel knows. Without, the
 * program that was started leads its group for as long as it lives. A main process that it has
 * named by MAINPID= may go to another group or session at any time, and nobody tells: so it is
 * looked up before each signal, and is signalled by its descriptor as well when it still was not
 * where the signal went. A main process may leave its cgroup, too (cgexec, a PAM session, a
 * container's runtime): it is signalled by its descriptor then, and what it has started elsewhere
 * is looked for in the same way as without cgroups. Who has left the group is looked for when all
 * others are gone (stragglers.h), which takes a turn of the loop. */

#include "base/errors.h"
#include "base/log.h"
#include "process/proc.h"
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

    return supervisor->cgroup == NULL && main_pid > 0 &&
           (main_pid != supervisor->group.leader || supervisor->group.adopted > 0);
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

/* Signals */

static bool supervisor_has_own_cgroup(const Supervisor *supervisor)
{
    return supervisor->cgroup != NULL && supervisor->helps == NULL;
}

static bool supervisor_looks_for_stragglers(const Supervisor *supervisor)
{
    return supervisor->cgroup == NULL || supervisor->has_left;
}

static void supervisor_send_main(Supervisor *supervisor, int signo)
{
    if (supervisor->main_pidfd >= 0)
        (void)supervisor->host->sys->pidfd_send_signal(supervisor->main_pidfd, signo, NULL,
                                                       0); /* dead already: its watch tells */
}

static void supervisor_send_own_group(Supervisor *supervisor, int signo)
{
    (void)process_group_signal(supervisor->host, &supervisor->group,
                               signo); /* who is not reached is seen later */
}

/* True if the main process was where it was expected, so that it has the signal too. */
static bool supervisor_send_groups(Supervisor *supervisor, int signo)
{
    const ProcessGroup *group = &supervisor->group;

    (void)process_group_signal(supervisor->host, group,
                               signo); /* who is not reached is seen later */
    if (!supervisor_may_stray(supervisor))
        return true;

    pid_t found = supervisor_main_group(supervisor);
    return found > 0 && (found == group->leader || found == group->adopted);
}

bool supervisor_note_left(Supervisor *supervisor)
{
    pid_t pid = supervisor->facts.main_pid;

    if (pid == 0 || !supervisor_has_own_cgroup(supervisor) ||
        !cgroup_has_left(supervisor->cgroup, pid, supervisor->main_pidfd))
        return false;
    if (!supervisor->has_left)
        log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                    "main process %d has left its cgroup %s: what it has started elsewhere is "
                    "neither limited nor counted there",
                    (int)pid, cgroup_path(supervisor->cgroup));
    supervisor->has_left = true;
    return true;
}

static void supervisor_send_no_cgroup(Supervisor *supervisor, int signo)
{
    supervisor_find_group(supervisor);
    if (!supervisor_send_groups(supervisor, signo))
        supervisor_send_main(supervisor, signo);
}

/* To the others in its cgroup. True: all have it but the main process, if it is to have it by its
 * descriptor; most consist of that alone. False: nobody is known, and so it has its group with it,
 * mostly. */
static bool supervisor_send_others(Supervisor *supervisor, int signo, bool continues)
{
    pid_t main_pid = supervisor->facts.main_pid;
    CgroupSignal signal = {.signo = signo, .continues = continues, .not_pid = main_pid};
    CgroupReached reached;
    bool is_known = cgroup_send(supervisor->cgroup, &signal, &reached); /* who is not is gone */

    if (!reached.has_not_pid)
        (void)supervisor_note_left(supervisor); /* for later */
    return is_known || reached.n > 0 || main_pid <= 0 || main_pid != supervisor->group.leader;
}

/* A stopped process gets its signal only when it goes on. */
static void supervisor_send_all(Supervisor *supervisor, int signo, bool continues)
{
    bool has_cgroup = supervisor_has_own_cgroup(supervisor);
    void (*send)(Supervisor *, int) = supervisor_send_no_cgroup;

    if (has_cgroup)
        send = supervisor_send_others(supervisor, signo, continues) ? supervisor_send_main
                                                                    : supervisor_send_own_group;
    send(supervisor, signo);
    if (continues)
        send(supervisor, SIGCONT);
}

static void supervisor_thaw(const Supervisor *supervisor)
{
    if (supervisor_has_own_cgroup(supervisor))
        cgroup_thaw(supervisor->cgroup);
}

static void on_supervisor_stragglers(unsigned n_found, void *data)
{
    supervisor_on_stragglers(data, n_found);
}

void supervisor_ask_for_stragglers(Supervisor *supervisor)
{
    if (supervisor->search == NULL)
        supervisor->search = g_new0(SupervisorSearch, 1);

    StragglersQuestion *question = &supervisor->search->question;
    question->invocation_id = supervisor->facts.invocation_id;
    question->func = on_supervisor_stragglers;
    question->data = supervisor;
    stragglers_ask(supervisor->host, question);
}

void supervisor_search_clear(Supervisor *supervisor)
{
    if (supervisor->search != NULL)
        stragglers_forget(supervisor->host, &supervisor->search->question);
    g_clear_pointer(&supervisor->search, g_free);
}

/* A frozen process gets its signal only when it goes on, and so does a stopped one. */
void supervisor_send_stop(Supervisor *supervisor)
{
    int signo = supervisor->spec->rules.stop_signal;

    supervisor_thaw(supervisor);

    if (supervisor->spec->stop_mode == STOP_MODE_MAIN && supervisor->main_pidfd >= 0) {
        supervisor_send_main(supervisor, signo);
        supervisor_send_main(supervisor, SIGCONT);
        return;
    }
    supervisor_send_all(supervisor, signo, true);
}

void supervisor_send_abort(Supervisor *supervisor)
{
    supervisor_thaw(supervisor);
    supervisor_send_main(supervisor, SIGABRT);
    supervisor_send_main(supervisor, SIGCONT);
}

/* Where the cgroup cannot do it there still are the groups, and those that carry the number. */
void supervisor_send_kill(Supervisor *supervisor)
{
    supervisor_control_kill(supervisor);
    if (!supervisor_has_own_cgroup(supervisor) || !cgroup_kill(supervisor->cgroup)) {
        supervisor_find_group(supervisor);
        (void)supervisor_send_groups(supervisor, SIGKILL); /* main gets it in any case */
    }
    supervisor_send_main(supervisor, SIGKILL);
    if (supervisor->facts.main_pid == 0 && supervisor_looks_for_stragglers(supervisor))
        supervisor_signal_stragglers(supervisor, true);
}

static int supervisor_rest_signo(const Supervisor *supervisor)
{
    bool to_kill = supervisor->phase == PHASE_STOP_KILL || supervisor->phase == PHASE_UNKILLABLE;

    return to_kill ? SIGKILL : supervisor->spec->rules.stop_signal;
}

/* Those that were asked already are asked again: one of them may have been born in between. */
void supervisor_signal_rest(Supervisor *supervisor)
{
    int signo = supervisor_rest_signo(supervisor);

    supervisor->n_left = 0;
    if (supervisor->helps != NULL || supervisor->phase == PHASE_STOP_EXEC)
        return; /* whoever has started it, or comes after it, does that */
    if (!supervisor_looks_for_stragglers(supervisor))
        return; /* later, when it is known that somebody is left */
    if (supervisor->cgroup == NULL) {
        supervisor_find_group(supervisor);
        (void)process_group_signal(supervisor->host, &supervisor->group,
                                   signo); /* who is not reached is seen later */
    } else if (!cgroup_is_empty(supervisor->cgroup)) {
        supervisor->n_left = cgroup_signal(supervisor->cgroup, signo); /* the others are gone */
    }
}

/* That the end of a program which goes into the background is the end of all that it has started
 * comes as a surprise. */
void supervisor_log_left(const Supervisor *supervisor)
{
    g_autofree char *number = g_strdup_printf("%u", supervisor->n_left);
    FailureClass unused;
    g_autoptr(GError) error = ending_judge(&supervisor->spec->rules, &supervisor->ending, &unused);

    if (error != NULL || (supervisor->phase != PHASE_RUN && supervisor->phase != PHASE_START))
        return;
    log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                "main process %d has ended, and has left %s process%s running, which %s ended now",
                (int)supervisor->ending.pid, supervisor->n_left > 0 ? number : "other",
                supervisor->n_left == 1 ? "" : "es", supervisor->n_left == 1 ? "is" : "are");
}

void supervisor_continue_rest(Supervisor *supervisor)
{
    CgroupSignal signal = {.signo = supervisor_rest_signo(supervisor), .continues = true};
    CgroupReached reached;

    if (supervisor->cgroup != NULL && !supervisor->has_left)
        (void)cgroup_send(supervisor->cgroup, &signal, &reached); /* who is not reached is gone */
    else if (supervisor->cgroup != NULL)
        (void)cgroup_signal(supervisor->cgroup, SIGCONT); /* likewise */
    else
        (void)process_group_signal(supervisor->host, &supervisor->group,
                                   SIGCONT); /* who is not reached is seen later */
}

bool supervisor_signal_stragglers(Supervisor *supervisor, bool to_kill)
{
    ProcessHost *host = supervisor->host;
    const char *id = supervisor->facts.invocation_id;
    int signo = to_kill ? SIGKILL : supervisor->spec->rules.stop_signal;

    if (supervisor->helps != NULL)
        return true;
    unsigned n_found = stragglers_signal(host, id, 0, signo);
    if (n_found > 0 && !to_kill)
        (void)stragglers_signal(host, id, 0, SIGCONT); /* seen when they are gone */
    return n_found != STRAGGLERS_UNKNOWN;
}

/* 0: a signal to all reaches somebody; -ESRCH: nobody is there; else why it reaches nobody. */
static int supervisor_probe_all(const Supervisor *supervisor)
{
    const Sys *sys = supervisor->host->sys;
    int fd = supervisor->main_pidfd, main = -ESRCH, others = -ESRCH;

    if (fd >= 0)
        main = sys->pidfd_send_signal(fd, 0, NULL, 0) < 0 ? -errno : 0;
    if (main == 0)
        return 0;
    if (!supervisor_has_own_cgroup(supervisor))
        others = process_group_signal(supervisor->host, &supervisor->group, 0);
    else if (cgroup_signal(supervisor->cgroup, 0) > 0)
        return 0;
    else if (!cgroup_is_empty(supervisor->cgroup))
        others = -EPERM;
    return others != -ESRCH ? others : main;
}

/* Those that have left the session are all that is left when the groups are empty. */
static bool supervisor_signal_all(Supervisor *supervisor, int signo, GError **error)
{
    int r = supervisor_probe_all(supervisor);

    if (r == -ESRCH && supervisor->cgroup == NULL &&
        stragglers_signal(supervisor->host, supervisor->facts.invocation_id, 0, signo) ==
                STRAGGLERS_UNKNOWN)
        return error_set(error, ERROR_FAILED, "it cannot be seen now which processes it has");
    if (r < 0 && r != -ESRCH)
        return error_set_errno(error, r, "cannot signal any of its processes");
    supervisor_send_all(supervisor, signo, false);
    return true;
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
    return supervisor_signal_all(supervisor, signo, error);
}

void supervisor_kill_spawned(Supervisor *supervisor, const Spawned *spawned)
{
    const Sys *sys = supervisor->host->sys;

    if (supervisor_has_own_cgroup(supervisor))
        (void)cgroup_kill(supervisor->cgroup); /* the child itself has its signal in any case */
    (void)sys->kill(-spawned->pid, SIGKILL);   /* what it has started by now; its group, if any */
    (void)sys->pidfd_send_signal(spawned->pidfd, SIGKILL, NULL, 0);
}

/* The rest */

static void on_supervisor_rest(void *data)
{
    supervisor_check_rest(data);
}

/* Most have nobody else in their group. To reap, the kernel walks over all our children. */
static bool supervisor_is_group_gone(Supervisor *supervisor)
{
    ProcessHost *host = supervisor->host;

    if (process_group_prune(host, &supervisor->group))
        return true;
    process_group_reap(host, &supervisor->group);
    return process_group_prune(host, &supervisor->group);
}

Rest supervisor_find_rest(Supervisor *supervisor)
{
    if (supervisor->control != NULL)
        return REST_SOME;
    if (supervisor->helps != NULL)
        return REST_NONE;
    if (!supervisor_looks_for_stragglers(supervisor))
        return cgroup_remove_if_empty(supervisor->cgroup) ? REST_NONE : REST_SOME;
    bool is_gone = supervisor->cgroup != NULL ? cgroup_is_empty(supervisor->cgroup)
                                              : supervisor_is_group_gone(supervisor);
    supervisor_ask_for_stragglers(supervisor); /* they are to be asked to end while others are */
    return is_gone ? REST_ASKED : REST_SOME;
}

bool supervisor_is_alone(Supervisor *supervisor)
{
    if (supervisor->control != NULL)
        return false;
    return supervisor->cgroup != NULL ? cgroup_is_empty(supervisor->cgroup)
                                      : process_group_prune(supervisor->host, &supervisor->group);
}

bool supervisor_has_rest(Supervisor *supervisor)
{
    ProcessHost *host = supervisor->host;

    if (supervisor->control != NULL)
        return true;
    if (supervisor->helps != NULL)
        return false;
    if (supervisor->cgroup != NULL && !cgroup_is_empty(supervisor->cgroup))
        return true;
    if (!supervisor_looks_for_stragglers(supervisor))
        return false;
    return (supervisor->cgroup == NULL && !process_group_prune_dead(host, &supervisor->group)) ||
           stragglers_signal(host, supervisor->facts.invocation_id, 0, 0) > 0;
}

/* A main process that is not the one that was started may outlive its groups, and leave them
 * unseen: numbers must be forgotten when a group is empty. */
static bool supervisor_wants_rest(const Supervisor *supervisor)
{
    bool waits = supervisor->phase == PHASE_FINAL_SIGNAL || supervisor->phase == PHASE_FINAL_KILL ||
                 supervisor->phase == PHASE_UNKILLABLE;

    return waits || (supervisor->phase != PHASE_IDLE && supervisor_may_stray(supervisor));
}

/* A cgroup that cannot be watched, or does not have all of it, is looked at when a child dies, and
 * when the time is up. */
static void supervisor_begin_watch(Supervisor *supervisor)
{
    supervisor->is_watcher = !supervisor_has_own_cgroup(supervisor) || supervisor->has_left ||
                             !cgroup_watch(supervisor->cgroup, on_supervisor_rest, supervisor);
    if (supervisor->is_watcher)
        g_queue_push_tail_link(&supervisor->host->watchers, &supervisor->watchers_link);
}

static void supervisor_end_watch(Supervisor *supervisor)
{
    if (supervisor->is_watcher)
        g_queue_unlink(&supervisor->host->watchers, &supervisor->watchers_link);
    else
        cgroup_unwatch(supervisor->cgroup);
}

void supervisor_watch_rest(Supervisor *supervisor)
{
    bool wants = supervisor_wants_rest(supervisor);

    if (wants == supervisor->watches_rest)
        return;
    supervisor->watches_rest = wants;
    if (wants)
        supervisor_begin_watch(supervisor);
    else
        supervisor_end_watch(supervisor);
}

static pid_t supervisor_find_left(const Supervisor *supervisor)
{
    if (supervisor->facts.main_pid > 0)
        return supervisor->facts.main_pid;
    return supervisor->cgroup != NULL
                   ? cgroup_find_member(supervisor->cgroup, 0)
                   : stragglers_find(supervisor->host, supervisor->facts.invocation_id);
}

/* NULL: it can be signalled, so that is not why it does not end. */
static GError *supervisor_describe_refused(const Supervisor *supervisor, pid_t pid)
{
    const Sys *sys = supervisor->host->sys;
    uid_t uid;

    if (sys->kill(pid, 0) == 0 || errno != EPERM)
        return NULL;
    if (!proc_read_uid(sys, pid, &uid))
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "process %d cannot be signalled: %s",
                           (int)pid, g_strerror(EPERM));
    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                       "process %d cannot be signalled: %s (it runs as uid %u)", (int)pid,
                       g_strerror(EPERM), (unsigned)uid);
}

GError *supervisor_describe_unkillable(const Supervisor *supervisor)
{
    pid_t main_pid = supervisor->facts.main_pid;
    pid_t group = MAX(supervisor->group.leader, supervisor->group.adopted);
    pid_t left = supervisor_find_left(supervisor);
    GError *refused = left > 0 ? supervisor_describe_refused(supervisor, left) : NULL;

    if (refused != NULL)
        return refused;
    if (main_pid > 0)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                           "main process %d was killed but does not end", (int)main_pid);
    if (left > 0 && supervisor->cgroup != NULL)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "process %d was killed but does not end",
                           (int)left);
    if (group > 0)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                           "processes of group %d were killed but do not end", (int)group);
    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "processes of it were killed but do not end");
}

bool supervisor_owns_pid(const Supervisor *supervisor, pid_t pid)
{
    if (!supervisor_is_running(supervisor) || pid <= 0)
        return false;
    if (pid == supervisor->facts.main_pid || pid == supervisor_control_pid(supervisor))
        return true;
    if (supervisor->cgroup != NULL)
        return cgroup_has(supervisor->cgroup, pid);
    return process_group_has(supervisor->host, &supervisor->group, supervisor->facts.main_pid, pid,
                             supervisor->facts.invocation_id);
}
