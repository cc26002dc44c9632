/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reload ends when the program says so: RELOADING=1, then READY=1 (sd_notify(3)). A program that
 * does not speak like that has done it when reload_exec has ended, or when the signal is sent. Who
 * was only signalled and could speak has a moment to begin; if it begins later than that, it is a
 * reload of its own accord. Who has spoken before in this run has to, as long as that may take. */

#include "base/errors.h"
#include "base/parse.h"
#include "process/supervisor-internal.h"

#include <errno.h>

/* Until RELOADING=1 of a program that has a notify socket, and has not said it in this run yet. */
#define SUPERVISOR_ANNOUNCE_USEC (1 * USEC_PER_SEC)
/* Between the beginnings of two reloads that nobody has asked for: each is told on the bus and is a
 * part of the history of everybody, and a program could begin them as fast as it can write. */
#define SUPERVISOR_OWN_RELOAD_USEC (USEC_PER_SEC / 2)

static void on_supervisor_reload_timer(void *data);

static ReloadStep supervisor_reload_step(const Supervisor *supervisor)
{
    return supervisor->reload != NULL ? supervisor->reload->step : RELOAD_NONE;
}

bool supervisor_reload_is_under_way(const Supervisor *supervisor)
{
    return supervisor_reload_step(supervisor) != RELOAD_NONE;
}

static SupervisorReload *supervisor_reload_make(Supervisor *supervisor)
{
    if (supervisor->reload == NULL)
        supervisor->reload = g_new0(SupervisorReload, 1);
    return supervisor->reload;
}

static void supervisor_reload_enter(Supervisor *supervisor, ReloadStep step, uint64_t usec)
{
    static const char *const sub_states[_RELOAD_MAX] = {
            [RELOAD_NONE] = "running",
            [RELOAD_EXEC] = "reload",
            [RELOAD_SIGNALLED] = "reload-signal",
            [RELOAD_ANNOUNCED] = "reload-notify",
    };
    SupervisorReload *reload = supervisor->reload;

    if (reload->timer == NULL)
        reload->timer = timer_new(supervisor->host->timers, on_supervisor_reload_timer, supervisor);
    reload->step = step;
    reload->is_held = false;
    reload->deadline_usec = usec_add(clock_monotonic_usec(supervisor->host->clock), usec);
    timer_arm(reload->timer, reload->deadline_usec);
    supervisor->events->on_sub_state(sub_states[step], supervisor->owner);
}

static void supervisor_reload_finish(Supervisor *supervisor, const Failure *failure)
{
    supervisor_reload_enter(supervisor, RELOAD_NONE, USEC_INFINITY);
    supervisor->events->on_reloaded(failure, supervisor->owner);
}

static void supervisor_reload_time_out(Supervisor *supervisor, const char *received)
{
    g_autofree char *limit = format_duration(supervisor->spec->rules.start_timeout_usec);
    g_autoptr(GError) error = g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                                          "has not reloaded within %s (%s)", limit, received);
    Failure failure = {.failure_class = FAILURE_TIMEOUT, .error = error};

    supervisor_reload_finish(supervisor, &failure);
}

/* One that is over before its turn comes is not told of. Who is ending reads no files again. */
static void supervisor_reload_begin_own(Supervisor *supervisor)
{
    SupervisorReload *reload = supervisor->reload;
    uint64_t now_usec = clock_monotonic_usec(supervisor->host->clock);

    if (reload->is_stopping)
        return;
    if (now_usec < reload->next_own_usec) {
        reload->is_held = true;
        timer_arm(reload->timer, reload->next_own_usec); /* made for the one before */
        return;
    }
    reload->next_own_usec = usec_add(now_usec, SUPERVISOR_OWN_RELOAD_USEC);
    supervisor_reload_enter(supervisor, RELOAD_ANNOUNCED,
                            supervisor->spec->rules.start_timeout_usec);
    supervisor->events->on_reloading(supervisor->owner);
}

static void on_supervisor_reload_timer(void *data)
{
    Supervisor *supervisor = data;
    const SupervisorReload *reload = supervisor->reload;

    if (supervisor->notify != NULL)
        notify_socket_drain(supervisor->notify); /* said in time, if not read */
    if (timer_is_armed(reload->timer) || supervisor->phase != PHASE_RUN)
        return;
    switch (reload->step) {
    case RELOAD_SIGNALLED:
        if (reload->speaks)
            supervisor_reload_time_out(supervisor, "no RELOADING=1 received");
        else
            supervisor_reload_finish(supervisor, NULL);
        break;
    case RELOAD_ANNOUNCED:
        supervisor_reload_time_out(supervisor, "RELOADING=1, but no READY=1 received");
        break;
    case RELOAD_NONE:
        if (reload->is_held)
            supervisor_reload_begin_own(supervisor);
        break;
    case RELOAD_EXEC: /* has a limit of its own */
    case _RELOAD_MAX:
        break;
    }
}

static bool supervisor_reload_by_signal(Supervisor *supervisor, GError **error)
{
    const SupervisorReload *reload = supervisor->reload;
    const SupervisorSpec *spec = supervisor->spec;

    if (supervisor->main_pidfd < 0)
        return error_set(error, ERROR_ALREADY_STOPPED, "no process runs");
    if (supervisor->host->sys->pidfd_send_signal(supervisor->main_pidfd, spec->reload_signal, NULL,
                                                 0) < 0)
        return error_set_errno(error, errno, "cannot signal the main process");
    if (supervisor->notify == NULL)
        supervisor_reload_finish(supervisor, NULL);
    else
        supervisor_reload_enter(supervisor, RELOAD_SIGNALLED,
                                reload->speaks ? spec->rules.start_timeout_usec
                                               : SUPERVISOR_ANNOUNCE_USEC);
    return true;
}

static bool supervisor_reload_by_exec(Supervisor *supervisor, GError **error)
{
    if (supervisor->control != NULL)
        return error_set(error, ERROR_BUSY, "the program of the last reload still runs");
    if (!supervisor_control_start(supervisor, CONTROL_RELOAD, error)) {
        g_prefix_error(error, "reload_exec: ");
        return false;
    }
    supervisor_reload_enter(supervisor, RELOAD_EXEC, USEC_INFINITY);
    return true;
}

bool supervisor_reload(Supervisor *supervisor, GError **error)
{
    if (supervisor->phase != PHASE_RUN || supervisor->facts.main_pid == 0)
        return error_set(error, ERROR_FAILED, "it is not ready");

    SupervisorReload *reload = supervisor_reload_make(supervisor);
    reload->began_usec = clock_monotonic_usec(supervisor->host->clock);
    reload->is_announced = false;
    if (supervisor->spec->reload_exec != NULL ? supervisor_reload_by_exec(supervisor, error)
                                              : supervisor_reload_by_signal(supervisor, error))
        return true;
    supervisor->events->on_sub_state("running", supervisor->owner); /* as it was before */
    return false;
}

void supervisor_reload_exec_done(Supervisor *supervisor, const Failure *failure)
{
    g_autoptr(GError) error = NULL;
    Failure told = {0};

    if (supervisor_reload_step(supervisor) != RELOAD_EXEC)
        return;
    if (failure == NULL && supervisor->reload->is_announced) {
        supervisor_reload_enter(supervisor, RELOAD_ANNOUNCED,
                                supervisor->spec->rules.start_timeout_usec);
        return;
    }
    if (failure != NULL) {
        told = *failure;
        told.error = error = g_error_copy(failure->error);
        g_prefix_error(&error, "reload_exec: ");
        told.error = error;
    }
    supervisor_reload_finish(supervisor, failure != NULL ? &told : NULL);
}

static void supervisor_reload_announce(Supervisor *supervisor, const NotifyMessage *message)
{
    SupervisorReload *reload = supervisor->reload;
    uint64_t limit_usec = supervisor->spec->rules.start_timeout_usec;
    bool is_new = !message->has_monotonic || message->monotonic_usec >= reload->began_usec;
    bool has_spoken = reload->speaks;

    reload->speaks = true;
    switch (reload->step) {
    case RELOAD_NONE:
        supervisor_reload_begin_own(supervisor);
        break;
    case RELOAD_EXEC:
        reload->is_announced = true;
        break;
    case RELOAD_SIGNALLED:
        if (is_new || !has_spoken)
            supervisor_reload_enter(supervisor, is_new ? RELOAD_ANNOUNCED : RELOAD_SIGNALLED,
                                    limit_usec);
        break;
    case RELOAD_ANNOUNCED:
    case _RELOAD_MAX:
        break;
    }
}

/* Most say READY=1 and nothing else. */
void supervisor_reload_hear(Supervisor *supervisor, const NotifyMessage *message)
{
    bool is_news = message->reloading || message->stopping || supervisor->reload != NULL;

    if (supervisor->phase != PHASE_RUN || !is_news)
        return;

    SupervisorReload *reload = supervisor_reload_make(supervisor);
    if (message->stopping) {
        reload->is_stopping = true;
        reload->is_held = false;
    }
    if (message->reloading)
        supervisor_reload_announce(supervisor, message);
    if (message->ready && reload->step == RELOAD_ANNOUNCED)
        supervisor_reload_finish(supervisor, NULL);
    else if (message->ready)
        reload->is_announced = reload->is_held = false;
}

void supervisor_reload_extend(Supervisor *supervisor, uint64_t extend_usec)
{
    const SupervisorReload *reload = supervisor->reload;
    uint64_t until_usec = usec_add(clock_monotonic_usec(supervisor->host->clock), extend_usec);

    if (supervisor_reload_step(supervisor) == RELOAD_ANNOUNCED)
        timer_arm(reload->timer, MAX(reload->deadline_usec, until_usec));
}

void supervisor_reload_end(Supervisor *supervisor)
{
    SupervisorReload *reload = supervisor->reload;
    bool has_control = supervisor_reload_step(supervisor) == RELOAD_EXEC;

    if (reload == NULL)
        return;
    timer_disarm(reload->timer);
    reload->step = RELOAD_NONE;
    reload->is_held = false;
    if (has_control)
        supervisor_control_kill(supervisor);
}

/* It goes on as if nothing had been asked; RELOADING=1 from now on is of its own accord. */
void supervisor_forget_reload(Supervisor *supervisor)
{
    bool is_running = supervisor->phase == PHASE_RUN && supervisor_reload_is_under_way(supervisor);

    supervisor_reload_end(supervisor);
    if (is_running)
        supervisor->events->on_sub_state("running", supervisor->owner);
}

void supervisor_reload_clear(Supervisor *supervisor)
{
    if (supervisor->reload != NULL)
        timer_free(supervisor->reload->timer);
    g_clear_pointer(&supervisor->reload, g_free);
}
