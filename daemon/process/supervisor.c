/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table says what each phase may own, what it waits for, and where it leads: when its time is up,
 * when the main process is gone while others of its group are not, and when a stop is asked for.
 * One function sets the phase and releases what the new one may not own. When all is gone the
 * supervisor is idle again, and only then says so.
 *
 * A dead main process is first looked at (WNOWAIT), then the rest of its group is signalled, and
 * only then it is reaped: until then the number of the group cannot belong to anybody else. */

#include "process/supervisor.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/supervisor-internal.h"

#include <errno.h>
#include <sys/epoll.h>

/* Nobody needs that long to die of SIGKILL but who is stuck in the kernel. */
#define SUPERVISOR_KILL_USEC (5 * USEC_PER_SEC)

static const char *const readiness_table[] = {"spawned", "notify", "fd"};
G_STATIC_ASSERT(G_N_ELEMENTS(readiness_table) == _READINESS_MAX);
ENUM_TABLE_DEFINE(Readiness, readiness, readiness_table)

void supervisor_spec_clear(SupervisorSpec *spec)
{
    spawn_spec_clear(&spec->spawn);
    exit_set_clear(&spec->rules.success);
    g_clear_pointer(&spec->stop_exec, g_strfreev);
    g_clear_pointer(&spec->reload_exec, g_strfreev);
}

static const char *const stop_mode_table[] = {"all", "main"};
G_STATIC_ASSERT(G_N_ELEMENTS(stop_mode_table) == _STOP_MODE_MAX);
ENUM_TABLE_DEFINE(StopMode, stop_mode, stop_mode_table)

typedef enum PhaseTimer {
    PHASE_TIMER_NONE,
    PHASE_TIMER_START,
    PHASE_TIMER_STOP,
    PHASE_TIMER_KILL,
} PhaseTimer;

typedef enum PhaseSignal {
    PHASE_SIGNAL_NONE,
    PHASE_SIGNAL_STOP,
    PHASE_SIGNAL_KILL,
} PhaseSignal;

typedef struct PhaseTraits {
    bool owns_main;
    bool owns_notify;
    bool waits_for_group;
    PhaseTimer timer;
    Phase after_timer;
    Phase after_main; /* gone, others are left */
    Phase after_stop_asked;
    PhaseSignal signal; /* sent when it is entered, and again to who is left when main dies in it */
} PhaseTraits;

static const PhaseTraits phase_traits[_PHASE_MAX] = {
        [PHASE_IDLE] = {.after_stop_asked = PHASE_IDLE},
        [PHASE_START] = {.owns_main = true,
                         .owns_notify = true,
                         .timer = PHASE_TIMER_START,
                         .after_timer = PHASE_STOP_SIGNAL,
                         .after_main = PHASE_FINAL_SIGNAL,
                         .after_stop_asked = PHASE_STOP_SIGNAL},
        [PHASE_RUN] = {.owns_main = true,
                       .owns_notify = true,
                       .after_main = PHASE_FINAL_SIGNAL,
                       .after_stop_asked = PHASE_STOP_SIGNAL},
        [PHASE_STOP_SIGNAL] = {.owns_main = true,
                               .owns_notify = true,
                               .timer = PHASE_TIMER_STOP,
                               .after_timer = PHASE_STOP_KILL,
                               .after_main = PHASE_FINAL_SIGNAL,
                               .after_stop_asked = PHASE_STOP_SIGNAL,
                               .signal = PHASE_SIGNAL_STOP},
        [PHASE_STOP_KILL] = {.owns_main = true,
                             .timer = PHASE_TIMER_KILL,
                             .after_timer = PHASE_UNKILLABLE,
                             .after_main = PHASE_FINAL_KILL,
                             .after_stop_asked = PHASE_STOP_KILL,
                             .signal = PHASE_SIGNAL_KILL},
        [PHASE_FINAL_SIGNAL] = {.waits_for_group = true,
                                .timer = PHASE_TIMER_STOP,
                                .after_timer = PHASE_FINAL_KILL,
                                .after_stop_asked = PHASE_FINAL_SIGNAL,
                                .signal = PHASE_SIGNAL_STOP},
        [PHASE_FINAL_KILL] = {.waits_for_group = true,
                              .timer = PHASE_TIMER_KILL,
                              .after_timer = PHASE_UNKILLABLE,
                              .after_stop_asked = PHASE_FINAL_KILL,
                              .signal = PHASE_SIGNAL_KILL},
        [PHASE_UNKILLABLE] = {.owns_main = true,
                              .waits_for_group = true,
                              .timer = PHASE_TIMER_KILL,
                              .after_timer = PHASE_UNKILLABLE,
                              .after_main = PHASE_UNKILLABLE,
                              .after_stop_asked = PHASE_UNKILLABLE,
                              .signal = PHASE_SIGNAL_KILL},
};

static const char *supervisor_sub_state(const Supervisor *supervisor, Phase phase)
{
    bool is_sigterm = supervisor->spec->rules.stop_signal == SIGTERM;

    switch (phase) {
    case PHASE_START:
        return supervisor->spec->rules.runs_once || supervisor->spec->readiness == READINESS_SPAWNED
                       ? "start"
                       : "start-notify";
    case PHASE_RUN:
        return "running";
    case PHASE_STOP_SIGNAL:
        return is_sigterm ? "stop-sigterm" : "stop-signal";
    case PHASE_STOP_KILL:
        return "stop-sigkill";
    case PHASE_FINAL_SIGNAL:
        return is_sigterm ? "final-sigterm" : "final-signal";
    case PHASE_FINAL_KILL:
        return "final-sigkill";
    case PHASE_UNKILLABLE:
        return "unkillable";
    case PHASE_IDLE:
    case _PHASE_MAX:
        break;
    }
    g_assert_not_reached();
}

static uint64_t supervisor_timeout_usec(const Supervisor *supervisor, PhaseTimer timer)
{
    switch (timer) {
    case PHASE_TIMER_START:
        return supervisor_exec_is_pending(supervisor) ? supervisor_exec_timeout_usec(supervisor)
                                                      : supervisor->spec->rules.start_timeout_usec;
    case PHASE_TIMER_STOP:
        return supervisor->spec->rules.stop_timeout_usec;
    case PHASE_TIMER_KILL:
        return SUPERVISOR_KILL_USEC;
    case PHASE_TIMER_NONE:
        break;
    }
    return USEC_INFINITY;
}

/* A phase that waits for the same as the last goes on with what is left of its time. */
static void supervisor_set_timer(Supervisor *supervisor, PhaseTimer from, PhaseTimer to)
{
    if (from == to && timer_is_armed(supervisor->timer))
        return;
    timer_arm(supervisor->timer, usec_add(clock_monotonic_usec(supervisor->host->clock),
                                          supervisor_timeout_usec(supervisor, to)));
}

static void supervisor_set_phase(Supervisor *supervisor, Phase phase)
{
    const PhaseTraits *from = &phase_traits[supervisor->phase], *to = &phase_traits[phase];

    supervisor->phase = phase;
    supervisor_set_timer(supervisor, from->timer, to->timer);
    if (!to->owns_main)
        supervisor_unfollow(supervisor);
    if (!to->owns_notify)
        supervisor_close_notify(supervisor);
    supervisor_watch_group(supervisor);
    if (phase != PHASE_IDLE)
        supervisor->events->on_sub_state(supervisor_sub_state(supervisor, phase),
                                         supervisor->owner);
}

static void supervisor_enter(Supervisor *supervisor, Phase phase)
{
    supervisor_set_phase(supervisor, phase);
    switch (phase_traits[phase].signal) {
    case PHASE_SIGNAL_STOP:
        supervisor_send_stop(supervisor);
        break;
    case PHASE_SIGNAL_KILL:
        supervisor_send_kill(supervisor);
        break;
    case PHASE_SIGNAL_NONE:
        break;
    }
}

/* The owner may free the supervisor or start it again: nothing is touched after on_gone. */
static void supervisor_finish(Supervisor *supervisor)
{
    FailureClass failure_class = FAILURE_NONE;
    Ending ending = supervisor->ending;
    g_autoptr(GError) error = supervisor_exec_judge(supervisor, &failure_class);
    Failure failure = {.failure_class = failure_class, .exit = ending.exit, .error = error};

    supervisor_set_phase(supervisor, PHASE_IDLE);
    supervisor_exec_clear(supervisor);
    supervisor_flush_said(supervisor);
    supervisor->spec = NULL;
    supervisor->host->n_running--;
    supervisor->events->on_gone(error != NULL ? &failure : NULL, &ending, supervisor->owner);
}

void supervisor_check_group(Supervisor *supervisor)
{
    supervisor_find_group(supervisor);
    bool is_empty = process_group_prune(supervisor->host, &supervisor->group);

    if (is_empty && supervisor->facts.main_pid == 0)
        supervisor_finish(supervisor);
}

/* What is left of the group was signalled before the main process was reaped. */
static void supervisor_wait_for_group(Supervisor *supervisor)
{
    FailureClass failure_class = FAILURE_NONE;
    bool by_itself = supervisor->phase == PHASE_RUN;

    process_group_signal(supervisor->host, &supervisor->group, SIGCONT);
    supervisor_set_phase(supervisor, phase_traits[supervisor->phase].after_main);
    if (!by_itself)
        return;
    g_autoptr(GError) error =
            ending_judge(&supervisor->spec->rules, &supervisor->ending, &failure_class);
    Failure failure = {
            .failure_class = failure_class, .exit = supervisor->ending.exit, .error = error};
    supervisor->events->on_ending(error != NULL ? &failure : NULL, &supervisor->ending.exit,
                                  supervisor->owner);
}

static ExitStatus supervisor_exit_status(const siginfo_t *info)
{
    return (ExitStatus){
            .known = true,
            .signaled = info->si_code != CLD_EXITED,
            .core_dumped = info->si_code == CLD_DUMPED,
            .value = info->si_status,
    };
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

void supervisor_check_main(Supervisor *supervisor)
{
    ProcessHost *host = supervisor->host;
    pid_t pid = supervisor->facts.main_pid;
    siginfo_t info = {0};

    /* What it said before it died counts. */
    if (supervisor->notify != NULL)
        notify_socket_drain(supervisor->notify);
    if (supervisor->facts.main_pid != pid)
        return; /* handed over at the last moment: an orphan like others */

    int r = sys_waitid(host->sys, P_PIDFD, (id_t)supervisor->main_pidfd, &info,
                       WEXITED | WNOHANG | WNOWAIT);
    if (r == 0 && info.si_pid == 0)
        return; /* lives, or is held by a tracer */
    supervisor_exec_check(supervisor);
    supervisor_signal_rest(supervisor, phase_traits[supervisor->phase].signal == PHASE_SIGNAL_KILL);
    supervisor_exec_set_exit(supervisor, r == 0 ? supervisor_exit_status(&info) : (ExitStatus){0});
    /* Fails only for who is not our child, and is reaped by its own parent. */
    (void)sys_waitid(host->sys, P_PIDFD, (id_t)supervisor->main_pidfd, NULL, WEXITED | WNOHANG);
    supervisor_unfollow(supervisor);
    supervisor_tell_facts(supervisor, FACT_MAIN_PID | FACT_LAST_EXIT);
    if (supervisor_is_group_gone(supervisor))
        supervisor_finish(supervisor);
    else
        supervisor_wait_for_group(supervisor);
}

/* A dead process that a tracer holds cannot be judged yet, and its descriptor stays readable: once
 * is enough. The kernel sends SIGCHLD when the tracer lets go. */
static void on_supervisor_main(uint32_t events, void *data)
{
    Supervisor *supervisor = data;

    g_clear_pointer(&supervisor->main_watch, watch_free);
    supervisor_check_main(supervisor);
}

static void supervisor_report_unkillable(Supervisor *supervisor)
{
    g_autoptr(GError) error = NULL;

    if (supervisor->facts.main_pid > 0)
        error = g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                            "main process %d was killed but does not end",
                            (int)supervisor->facts.main_pid);
    else
        error = g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                            "processes of group %d were killed but do not end",
                            (int)MAX(supervisor->group.leader, supervisor->group.adopted));
    supervisor->events->on_unkillable(error, supervisor->owner);
}

static void on_supervisor_timer(void *data)
{
    Supervisor *supervisor = data;
    Phase phase = supervisor->phase, next = phase_traits[phase].after_timer;

    /* A zombie whose parent has left the group and does not reap is nobody to wait for. */
    if (supervisor->facts.main_pid == 0 &&
        process_group_prune_dead(supervisor->host, &supervisor->group)) {
        supervisor_finish(supervisor);
        return;
    }
    if (phase == PHASE_START && !supervisor_exec_time_out(supervisor, &next))
        return;
    if (phase == PHASE_START)
        supervisor->ending.start_timed_out = true;
    if (phase_traits[next].signal == PHASE_SIGNAL_KILL)
        supervisor->ending.was_killed = true;
    supervisor_enter(supervisor, next);
    if (next == PHASE_UNKILLABLE && phase != PHASE_UNKILLABLE)
        supervisor_report_unkillable(supervisor);
}

bool supervisor_follow(Supervisor *supervisor, pid_t pid, int pidfd)
{
    ProcessHost *host = supervisor->host;
    Watch *watch = watch_new(host->watches, pidfd, EPOLLIN, WATCH_PRIORITY_NORMAL,
                             on_supervisor_main, supervisor);

    if (watch == NULL)
        return false;
    supervisor_unfollow(supervisor);
    supervisor->main_watch = watch;
    supervisor->main_pidfd = pidfd;
    supervisor->facts.main_pid = pid;
    supervisor->ending.pid = pid;
    g_hash_table_insert(host->mains, GINT_TO_POINTER(pid), supervisor);
    return true;
}

void supervisor_unfollow(Supervisor *supervisor)
{
    GHashTable *mains = supervisor->host->mains;
    gpointer key = GINT_TO_POINTER(supervisor->facts.main_pid);

    if (supervisor->facts.main_pid == 0)
        return;
    /* Who is not our child may have been reaped by its parent, and its number may be that of
     * another supervisor's main process by now. */
    if (g_hash_table_lookup(mains, key) == supervisor)
        g_hash_table_remove(mains, key);
    g_clear_pointer(&supervisor->main_watch, watch_free);
    supervisor->main_pidfd = fd_close(supervisor->main_pidfd);
    supervisor->facts.main_pid = 0;
}

/* A main process that is not the one that was started may outlive its groups, and leave them
 * unseen: numbers must be forgotten when a group is empty. */
void supervisor_watch_group(Supervisor *supervisor)
{
    GQueue *watchers = &supervisor->host->watchers;
    const PhaseTraits *traits = &phase_traits[supervisor->phase];
    bool watch = traits->waits_for_group || (traits->owns_main && supervisor_may_stray(supervisor));

    if (watch == supervisor->watches_group)
        return;
    supervisor->watches_group = watch;
    if (watch)
        g_queue_push_tail_link(watchers, &supervisor->watchers_link);
    else
        g_queue_unlink(watchers, &supervisor->watchers_link);
}

void supervisor_set_text(const char **fact, const char *text)
{
    char *copy = *text != '\0' ? g_strdup(text) : NULL; /* text may be what is freed here */
    if (**fact != '\0')
        g_free((char *)*fact);
    *fact = copy != NULL ? copy : "";
}

void supervisor_tell_facts(Supervisor *supervisor, unsigned facts)
{
    supervisor->said &= ~facts;
    supervisor->events->on_facts(facts, supervisor->owner);
}

void supervisor_become_ready(Supervisor *supervisor)
{
    if (supervisor->phase != PHASE_START || supervisor->spec->rules.runs_once ||
        supervisor->exec.state == EXEC_FAILED) /* it was killed for that */
        return;
    supervisor->ending.was_ready = true;
    supervisor_set_phase(supervisor, PHASE_RUN);
    supervisor_flush_said(supervisor);
    supervisor->events->on_ready(supervisor->owner);
}

Supervisor *supervisor_new(ProcessHost *host, const char *service_id,
                           const SupervisorEvents *events, void *owner)
{
    Supervisor *supervisor = g_new0(Supervisor, 1);

    supervisor->host = host;
    supervisor->service_id = service_id;
    supervisor->events = events;
    supervisor->owner = owner;
    supervisor->timer = timer_new(host->timers, on_supervisor_timer, supervisor);
    supervisor->main_pidfd = -1;
    supervisor->watchers_link.data = supervisor;
    supervisor->facts.status_text = "";
    supervisor->facts.invocation_id = "";
    host->n_supervisors++;
    return supervisor;
}

void supervisor_free(Supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    g_assert(supervisor->phase == PHASE_IDLE);
    timer_free(supervisor->timer);
    timer_free(supervisor->said_timer);
    supervisor_set_text(&supervisor->facts.status_text, "");
    supervisor_set_text(&supervisor->facts.invocation_id, "");
    supervisor->host->n_supervisors--;
    g_free(supervisor);
}

/* Which facts have changed by that. */
static unsigned supervisor_forget_last_run(Supervisor *supervisor, const SupervisorSpec *spec)
{
    unsigned facts = FACT_INVOCATION_ID;

    supervisor->spec = spec;
    supervisor->ending = (Ending){0};
    supervisor->group = (ProcessGroup){0};
    supervisor->n_dropped = 0;
    if (*supervisor->facts.status_text != '\0')
        facts |= FACT_STATUS_TEXT;
    if (supervisor->facts.status_errno != 0)
        facts |= FACT_STATUS_ERRNO;
    g_autofree char *invocation_id = process_host_new_invocation_id(supervisor->host);
    supervisor_set_text(&supervisor->facts.status_text, "");
    supervisor->facts.status_errno = 0;
    supervisor_set_text(&supervisor->facts.invocation_id, invocation_id);
    return facts;
}

/* Without a way to see its death it cannot stay. It is our child, but may take its time to die: the
 * host reaps it with the orphans. */
static bool supervisor_give_up(Supervisor *supervisor, const Spawned *spawned, GError **error)
{
    const Sys *sys = supervisor->host->sys;

    error_set_errno(error, errno, "cannot watch process %d", (int)spawned->pid);
    (void)sys->kill(-spawned->pid, SIGKILL); /* what it has started by now; its group, if any */
    (void)sys->pidfd_send_signal(spawned->pidfd, SIGKILL, NULL, 0);
    (void)fd_close(spawned->pidfd);
    return false;
}

static bool supervisor_spawn(Supervisor *supervisor, const Identity *identity, GError **error)
{
    const SupervisorSpec *spec = supervisor->spec;
    SpawnExtras extras = {
            .service_id = supervisor->service_id,
            .invocation_id = supervisor->facts.invocation_id,
            .identity = identity,
    };
    Spawned spawned;

    if (spec->readiness == READINESS_NOTIFY && !spec->rules.runs_once) {
        if (!supervisor_open_notify(supervisor, identity, error))
            return false;
        extras.notify_socket = notify_socket_path(supervisor->notify);
    }
    if (!spawn_start(supervisor->host, &spec->spawn, &extras, &spawned, error))
        return false;
    if (!supervisor_exec_begin(supervisor, &spawned) ||
        !supervisor_follow(supervisor, spawned.pid, spawned.pidfd))
        return supervisor_give_up(supervisor, &spawned, error);
    supervisor->group.leader = spawned.pid;
    return true;
}

bool supervisor_start(Supervisor *supervisor, const SupervisorSpec *spec, GError **error)
{
    Identity identity;

    g_assert(supervisor->phase == PHASE_IDLE);
    if (!spawn_resolve_identity(&spec->spawn, &identity, error))
        return false;
    unsigned facts = supervisor_forget_last_run(supervisor, spec);

    bool spawned = supervisor_spawn(supervisor, &identity, error);
    identity_clear(&identity);
    if (!spawned) {
        supervisor_close_notify(supervisor);
        supervisor_exec_clear(supervisor);
        supervisor->spec = NULL;
        supervisor_tell_facts(supervisor, facts);
        return false;
    }
    supervisor->host->n_running++;
    supervisor_tell_facts(supervisor, FACT_MAIN_PID | facts);
    supervisor_set_phase(supervisor, PHASE_START);
    if (spec->readiness == READINESS_SPAWNED && !supervisor_exec_is_pending(supervisor))
        supervisor_become_ready(supervisor);
    return true;
}

void supervisor_stop(Supervisor *supervisor)
{
    Phase next = phase_traits[supervisor->phase].after_stop_asked;

    supervisor->ending.stop_was_asked = true;
    if (supervisor->phase == PHASE_START && supervisor_exec_abandon(supervisor))
        next = PHASE_STOP_KILL;
    if (next != supervisor->phase)
        supervisor_enter(supervisor, next);
}

bool supervisor_is_running(const Supervisor *supervisor)
{
    return supervisor->phase != PHASE_IDLE;
}

const SupervisorFacts *supervisor_facts(const Supervisor *supervisor)
{
    return &supervisor->facts;
}

bool supervisor_owns_pid(const Supervisor *supervisor, pid_t pid)
{
    if (!supervisor_is_running(supervisor) || pid <= 0)
        return false;
    return pid == supervisor->facts.main_pid ||
           process_group_has(supervisor->host, &supervisor->group, supervisor->facts.main_pid, pid,
                             supervisor->facts.invocation_id);
}
