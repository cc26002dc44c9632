/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table says what each phase may own, what it waits for, and where it leads: when its time is up,
 * when the main process is gone while others are not, and when a stop is asked for. One function
 * sets the phase and releases what the new one may not own. When all is gone the supervisor is idle
 * again, and only then says so.
 *
 * A dead main process is first looked at (WNOWAIT), then the rest of its group is signalled, and
 * only then it is reaped: until then the number of the group cannot belong to anybody else. */

#include "process/supervisor.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/supervisor-internal.h"

#include <sys/epoll.h>

/* Nobody needs that long to die of SIGKILL but who is stuck in the kernel. */
#define SUPERVISOR_KILL_USEC (5 * USEC_PER_SEC)
#define SUPERVISOR_ASK_USEC (USEC_PER_SEC / 2)

typedef enum PhaseTimer {
    PHASE_TIMER_NONE,
    PHASE_TIMER_START,
    PHASE_TIMER_STOP,
    PHASE_TIMER_KILL,
} PhaseTimer;

typedef enum PhaseSignal {
    PHASE_SIGNAL_NONE,
    PHASE_SIGNAL_STOP,
    PHASE_SIGNAL_ABORT,
    PHASE_SIGNAL_KILL,
} PhaseSignal;

typedef struct PhaseTraits {
    bool owns_main;
    bool owns_notify;
    bool owns_watchdog;
    bool waits_for_rest;
    PhaseTimer timer;
    Phase after_timer;
    Phase after_main; /* gone, others are left */
    Phase after_stop_asked;
    PhaseSignal signal; /* sent when it is entered */
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
                       .owns_watchdog = true,
                       .after_main = PHASE_FINAL_SIGNAL,
                       .after_stop_asked = PHASE_STOP_SIGNAL},
        [PHASE_STOP_EXEC] = {.owns_main = true,
                             .owns_notify = true,
                             .timer = PHASE_TIMER_STOP,
                             .after_timer = PHASE_STOP_KILL,
                             .after_main = PHASE_FINAL_SIGNAL,
                             .after_stop_asked = PHASE_STOP_EXEC},
        [PHASE_STOP_SIGNAL] = {.owns_main = true,
                               .owns_notify = true,
                               .timer = PHASE_TIMER_STOP,
                               .after_timer = PHASE_STOP_KILL,
                               .after_main = PHASE_FINAL_SIGNAL,
                               .after_stop_asked = PHASE_STOP_SIGNAL,
                               .signal = PHASE_SIGNAL_STOP},
        [PHASE_WATCHDOG] = {.owns_main = true,
                            .owns_notify = true,
                            .timer = PHASE_TIMER_STOP,
                            .after_timer = PHASE_STOP_KILL,
                            .after_main = PHASE_FINAL_SIGNAL,
                            .after_stop_asked = PHASE_WATCHDOG,
                            .signal = PHASE_SIGNAL_ABORT},
        [PHASE_STOP_KILL] = {.owns_main = true,
                             .timer = PHASE_TIMER_KILL,
                             .after_timer = PHASE_UNKILLABLE,
                             .after_main = PHASE_FINAL_KILL,
                             .after_stop_asked = PHASE_STOP_KILL,
                             .signal = PHASE_SIGNAL_KILL},
        [PHASE_FINAL_SIGNAL] = {.waits_for_rest = true,
                                .timer = PHASE_TIMER_STOP,
                                .after_timer = PHASE_FINAL_KILL,
                                .after_stop_asked = PHASE_FINAL_SIGNAL,
                                .signal = PHASE_SIGNAL_STOP},
        [PHASE_FINAL_KILL] = {.waits_for_rest = true,
                              .timer = PHASE_TIMER_KILL,
                              .after_timer = PHASE_UNKILLABLE,
                              .after_stop_asked = PHASE_FINAL_KILL,
                              .signal = PHASE_SIGNAL_KILL},
        [PHASE_UNKILLABLE] = {.owns_main = true,
                              .waits_for_rest = true,
                              .timer = PHASE_TIMER_KILL,
                              .after_timer = PHASE_UNKILLABLE,
                              .after_main = PHASE_UNKILLABLE,
                              .after_stop_asked = PHASE_UNKILLABLE,
                              .signal = PHASE_SIGNAL_KILL},
};

static const char *supervisor_start_sub_state(const Supervisor *supervisor)
{
    static const char *const names[_READINESS_MAX] = {
            [READINESS_SPAWNED] = "start",
            [READINESS_NOTIFY] = "start-notify",
            [READINESS_FD] = "start-fd",
    };

    return supervisor->spec->rules.runs_once ? "start" : names[supervisor->spec->readiness];
}

static const char *supervisor_sub_state(const Supervisor *supervisor, Phase phase)
{
    bool is_sigterm = supervisor->spec->rules.stop_signal == SIGTERM;

    switch (phase) {
    case PHASE_START:
        return supervisor_start_sub_state(supervisor);
    case PHASE_RUN:
        return "running";
    case PHASE_STOP_EXEC:
        return "stop-exec";
    case PHASE_STOP_SIGNAL:
        return is_sigterm ? "stop-sigterm" : "stop-signal";
    case PHASE_WATCHDOG:
        return "watchdog";
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

static void on_supervisor_timer(void *data);

void supervisor_arm_timer(Supervisor *supervisor, uint64_t at_usec)
{
    if (at_usec == USEC_INFINITY) {
        g_clear_pointer(&supervisor->timer, timer_free);
        return;
    }
    if (supervisor->timer == NULL)
        supervisor->timer = timer_new(supervisor->host->timers, on_supervisor_timer, supervisor);
    timer_arm(supervisor->timer, at_usec);
}

/* A phase that waits for the same as the last goes on with what is left of its time. */
static void supervisor_set_timer(Supervisor *supervisor, PhaseTimer from, PhaseTimer to)
{
    if (from == to && timer_is_armed(supervisor->timer))
        return;
    supervisor->deadline_usec = usec_add(clock_monotonic_usec(supervisor->host->clock),
                                         supervisor_timeout_usec(supervisor, to));
    supervisor_arm_timer(supervisor, supervisor->deadline_usec);
}

void supervisor_extend_timeout(Supervisor *supervisor, uint64_t extend_usec)
{
    uint64_t until_usec = usec_add(clock_monotonic_usec(supervisor->host->clock), extend_usec);

    if (timer_is_armed(supervisor->timer) &&
        phase_traits[supervisor->phase].timer != PHASE_TIMER_KILL)
        timer_arm(supervisor->timer, MAX(supervisor->deadline_usec, until_usec));
}

void supervisor_set_phase(Supervisor *supervisor, Phase phase)
{
    const PhaseTraits *from = &phase_traits[supervisor->phase], *to = &phase_traits[phase];

    supervisor->phase = phase;
    supervisor_set_timer(supervisor, from->timer, to->timer);
    if (!to->owns_main)
        supervisor_unfollow(supervisor);
    if (!to->owns_notify)
        supervisor_close_notify(supervisor);
    if (!to->owns_watchdog)
        supervisor_watchdog_end(supervisor);
    if (phase != PHASE_RUN)
        supervisor_reload_end(supervisor);
    supervisor_watch_rest(supervisor);
    if (phase != PHASE_IDLE)
        supervisor->events->on_sub_state(supervisor_sub_state(supervisor, phase),
                                         supervisor->owner);
}

/* What cannot be run does not keep it from being stopped. */
static void supervisor_run_stop_exec(Supervisor *supervisor)
{
    g_autoptr(GError) error = NULL;
    Failure failure = {.failure_class = FAILURE_EXEC};

    supervisor->stop_exec_waits = supervisor->control != NULL;
    if (supervisor->stop_exec_waits)
        return;
    if (supervisor_control_start(supervisor, CONTROL_STOP, &error))
        return;
    failure.error = error;
    supervisor_stop_exec_done(supervisor, &failure);
}

void supervisor_enter(Supervisor *supervisor, Phase phase)
{
    supervisor_set_phase(supervisor, phase);
    if (phase == PHASE_STOP_EXEC)
        supervisor_run_stop_exec(supervisor);
    switch (phase_traits[phase].signal) {
    case PHASE_SIGNAL_STOP:
        supervisor_send_stop(supervisor);
        break;
    case PHASE_SIGNAL_ABORT:
        supervisor_send_abort(supervisor);
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
    g_autoptr(GError) error = supervisor_judge(supervisor, &failure_class);
    Failure failure = {.failure_class = failure_class, .exit = ending.exit, .error = error};

    supervisor_set_phase(supervisor, PHASE_IDLE);
    supervisor_let_go(supervisor);
    supervisor_flush_said(supervisor);
    supervisor->spec = NULL;
    supervisor->host->n_running--;
    supervisor->events->on_gone(error != NULL ? &failure : NULL, &ending, supervisor->owner);
}

/* It ends by itself, and that takes its time. */
static void supervisor_tell_ending(Supervisor *supervisor)
{
    FailureClass failure_class = FAILURE_NONE;
    g_autoptr(GError) error =
            ending_judge(&supervisor->spec->rules, &supervisor->ending, &failure_class);
    Failure failure = {
            .failure_class = failure_class, .exit = supervisor->ending.exit, .error = error};

    supervisor->events->on_ending(error != NULL ? &failure : NULL, &supervisor->ending.exit,
                                  supervisor->owner);
}

/* What is left of the group was signalled before; but not while stop_exec ran. */
static void supervisor_wait_for_rest(Supervisor *supervisor)
{
    bool was_ready = supervisor->phase == PHASE_RUN;
    Phase next = phase_traits[supervisor->phase].after_main;

    if (!phase_traits[supervisor->phase].owns_main || supervisor->phase == PHASE_UNKILLABLE)
        return; /* does so already */
    if (supervisor->phase == PHASE_STOP_EXEC) {
        supervisor_enter(supervisor, next);
        return;
    }
    supervisor_log_left(supervisor);
    supervisor_continue_rest(supervisor);
    supervisor_set_phase(supervisor, next);
    if (was_ready)
        supervisor_tell_ending(supervisor);
}

/* The main process is gone. */
static void supervisor_settle_rest(Supervisor *supervisor)
{
    switch (supervisor_find_rest(supervisor)) {
    case REST_NONE:
        supervisor_finish(supervisor);
        break;
    case REST_SOME:
        supervisor_wait_for_rest(supervisor);
        break;
    case REST_ASKED:
        break;
    }
}

void supervisor_check_rest(Supervisor *supervisor)
{
    supervisor_find_group(supervisor);
    if (supervisor->facts.main_pid != 0 || supervisor->phase == PHASE_IDLE)
        return;
    if (supervisor->phase != PHASE_STOP_EXEC || supervisor->control == NULL)
        supervisor_settle_rest(supervisor);
}

/* Their number tells only of those that have come, not of who has taken whose place: so they are
 * asked again after a while. */
static bool supervisor_has_new_stragglers(const Supervisor *supervisor, unsigned n_found)
{
    const SupervisorSearch *search = supervisor->search;

    return n_found > search->n_told || clock_monotonic_usec(supervisor->host->clock) >=
                                               usec_add(search->told_usec, SUPERVISOR_ASK_USEC);
}

/* They had no part in the signals before, for they were in no group that was known. Those that were
 * found, but cannot be looked for again to be asked, are still to be asked. */
static void supervisor_ask_stragglers_to_end(Supervisor *supervisor, unsigned n_found)
{
    bool to_kill = phase_traits[supervisor->phase].signal == PHASE_SIGNAL_KILL;
    SupervisorSearch *search = supervisor->search;

    if (!to_kill && !supervisor_has_new_stragglers(supervisor, n_found)) {
        search->n_told = n_found;
        return;
    }
    search->told_usec = clock_monotonic_usec(supervisor->host->clock);
    if (supervisor_signal_stragglers(supervisor, to_kill))
        search->n_told = n_found;
    else
        supervisor_ask_for_stragglers(supervisor);
}

/* What is not known goes on, and is looked for again: nothing may be started beside it. */
void supervisor_on_stragglers(Supervisor *supervisor, unsigned n_found)
{
    if (supervisor->facts.main_pid != 0 || supervisor->phase == PHASE_IDLE)
        return;
    if (n_found == 0) {
        if (supervisor_is_alone(supervisor))
            supervisor_finish(supervisor);
        return;
    }
    supervisor->n_left = n_found != STRAGGLERS_UNKNOWN ? n_found : 0;
    supervisor_wait_for_rest(supervisor);
    if (n_found == STRAGGLERS_UNKNOWN)
        supervisor_ask_for_stragglers(supervisor);
    else
        supervisor_ask_stragglers_to_end(supervisor, n_found);
}

void supervisor_stop_exec_done(Supervisor *supervisor, const Failure *failure)
{
    if (failure != NULL) {
        g_clear_error(&supervisor->stop_error);
        supervisor->stop_error = g_error_copy(failure->error);
        g_prefix_error(&supervisor->stop_error, "stop_exec: ");
        supervisor->stop_class = failure->failure_class;
    }
    if (supervisor->phase == PHASE_STOP_EXEC && supervisor->facts.main_pid != 0)
        supervisor_enter(supervisor, PHASE_STOP_SIGNAL);
    else
        supervisor_check_rest(supervisor);
}

void supervisor_on_control_killed(Supervisor *supervisor)
{
    bool is_next = supervisor->stop_exec_waits && supervisor->phase == PHASE_STOP_EXEC &&
                   supervisor->facts.main_pid != 0;

    supervisor->stop_exec_waits = false;
    if (is_next)
        supervisor_run_stop_exec(supervisor);
    else
        supervisor_check_rest(supervisor);
}

static bool supervisor_is_oom_killed(const Supervisor *supervisor, const siginfo_t *info)
{
    return info->si_code == CLD_KILLED && info->si_status == SIGKILL &&
           phase_traits[supervisor->phase].signal != PHASE_SIGNAL_KILL &&
           supervisor_lacked_memory(supervisor, info->si_pid);
}

void supervisor_check_main(Supervisor *supervisor)
{
    ProcessHost *host = supervisor->host;
    pid_t pid = supervisor->facts.main_pid;
    siginfo_t info = {0};

    /* What it said before it died counts. */
    supervisor_drain(supervisor);
    if (supervisor->facts.main_pid != pid)
        return; /* handed over at the last moment: an orphan like others */

    int r = sys_waitid(host->sys, P_PIDFD, (id_t)supervisor->main_pidfd, &info,
                       WEXITED | WNOHANG | WNOWAIT);
    if (r == 0 && info.si_pid == 0)
        return; /* lives, or is held by a tracer */
    output_drain(supervisor->output);
    supervisor_exec_check(supervisor);
    (void)supervisor_note_left(supervisor); /* for later */
    supervisor_signal_rest(supervisor);
    supervisor->ending.oom_killed = r == 0 && supervisor_is_oom_killed(supervisor, &info);
    supervisor_exec_set_exit(supervisor, r == 0 ? &info : NULL);
    supervisor_reap_main(supervisor, &info);
    supervisor_unfollow(supervisor);
    supervisor_tell_facts(supervisor, FACT_MAIN_PID | FACT_LAST_EXIT);
    if (supervisor->phase != PHASE_STOP_EXEC || supervisor->control == NULL)
        supervisor_settle_rest(supervisor);
}

/* A dead process that a tracer holds cannot be judged yet, and its descriptor stays readable: once
 * is enough. The kernel sends SIGCHLD when the tracer lets go. */
static void on_supervisor_main(uint32_t events, void *data)
{
    Supervisor *supervisor = data;

    g_clear_pointer(&supervisor->main_watch, watch_free);
    supervisor_check_main(supervisor);
}

/* What has nobody left but zombies whose parent does not reap them is over as well. */
static bool supervisor_is_over(Supervisor *supervisor)
{
    return supervisor->facts.main_pid == 0 && supervisor->control == NULL &&
           !supervisor_has_rest(supervisor);
}

static void on_supervisor_timer(void *data)
{
    Supervisor *supervisor = data;
    Phase phase = supervisor->phase, next = phase_traits[phase].after_timer;

    if (supervisor_is_over(supervisor)) {
        supervisor_finish(supervisor);
        return;
    }
    if (phase == PHASE_START && !supervisor_exec_time_out(supervisor, &next))
        return;
    if (phase == PHASE_START)
        supervisor->ending.start_timed_out = true;
    if (phase == PHASE_STOP_EXEC)
        supervisor->ending.stop_exec_hung = true;
    if (phase_traits[next].signal == PHASE_SIGNAL_KILL)
        supervisor->ending.was_killed = true;
    supervisor_enter(supervisor, next);
    if (next == PHASE_UNKILLABLE && phase != PHASE_UNKILLABLE) {
        g_autoptr(GError) error = supervisor_describe_unkillable(supervisor);

        supervisor->events->on_unkillable(error, supervisor->owner);
    }
}

/* With its stop signal it would clean up, and nobody would learn where it hangs. */
void supervisor_miss_watchdog(Supervisor *supervisor)
{
    if (supervisor->phase != PHASE_RUN)
        return;
    supervisor->ending.watchdog_missed_usec = MAX(supervisor->watchdog.interval_usec, 1);
    supervisor_enter(supervisor, PHASE_WATCHDOG);
    supervisor_tell_ending(supervisor);
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

void supervisor_become_ready(Supervisor *supervisor)
{
    if (supervisor->phase != PHASE_START || supervisor->spec->rules.runs_once ||
        supervisor_exec_has_failed(supervisor)) /* it was killed for that */
        return;
    supervisor->ending.was_ready = true;
    supervisor_set_phase(supervisor, PHASE_RUN);
    supervisor_watchdog_begin(supervisor);
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
    supervisor->main_pidfd = -1;
    supervisor->watchers_link.data = supervisor;
    supervisor->facts.status_text = "";
    supervisor->facts.invocation_id = "";
    supervisor->facts.control_group = "";
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
    supervisor_watchdog_free(supervisor);
    fd_store_free(supervisor->stored);
    g_free(supervisor->last_usage);
    supervisor_set_text(&supervisor->facts.status_text, "");
    supervisor_set_text(&supervisor->facts.invocation_id, "");
    supervisor_set_text(&supervisor->facts.control_group, "");
    supervisor->host->n_supervisors--;
    g_free(supervisor);
}

void supervisor_stop(Supervisor *supervisor)
{
    Phase next = phase_traits[supervisor->phase].after_stop_asked;

    supervisor->ending.stop_was_asked = true;
    if (supervisor->phase == PHASE_START && supervisor_exec_abandon(supervisor))
        next = PHASE_STOP_KILL;
    if (supervisor->phase == PHASE_RUN && supervisor->spec->stop_exec != NULL &&
        supervisor->facts.main_pid != 0)
        next = PHASE_STOP_EXEC;
    if (next != supervisor->phase)
        supervisor_enter(supervisor, next);
}

void supervisor_kill(Supervisor *supervisor)
{
    bool has_main = supervisor->facts.main_pid != 0;

    if (supervisor->phase == PHASE_IDLE)
        return;
    supervisor->ending.stop_was_asked = true;
    if (!supervisor->ending.was_killed)
        supervisor->ending.was_forced = true;
    if (supervisor->phase == PHASE_START)
        (void)supervisor_exec_abandon(supervisor); /* killed in any case */
    if (supervisor->phase == PHASE_UNKILLABLE)
        supervisor_send_kill(supervisor);
    else
        supervisor_enter(supervisor, has_main ? PHASE_STOP_KILL : PHASE_FINAL_KILL);
}
