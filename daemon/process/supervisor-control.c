/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs of reload_exec and stop_exec: each runs once, under a supervisor of its own that has
 * the child, its way to the program and its timeouts. It belongs to the run that it helps (same
 * invocation, same cgroup), so that whatever it leaves behind is ended with that. */

#include "base/errors.h"
#include "process/supervisor-internal.h"

typedef struct Control {
    Supervisor *helped;
    Supervisor *supervisor;
    SupervisorSpec spec; /* borrows from that of the helped one */
    ControlTask task;
    bool is_killed;
} Control;

static void on_control_ready(void *owner)
{
}

static void on_control_ending(const Failure *failure, const ExitStatus *exit, void *owner)
{
}

/* The helped one waits for it, and will say so itself. */
static void on_control_unkillable(const GError *error, void *owner)
{
}

static void on_control_reloading(void *owner)
{
}

static void on_control_reloaded(const Failure *failure, void *owner)
{
}

static void on_control_sub_state(const char *sub_state, void *owner)
{
}

static void on_control_facts(unsigned facts, void *owner)
{
}

static void on_control_gone(const Failure *failure, const Ending *ending, void *owner)
{
    Control *control = owner;
    Supervisor *helped = control->helped;
    ControlTask task = control->task;
    bool is_killed = control->is_killed;

    helped->control = NULL;
    if (task == CONTROL_STOP)
        supervisor_stop_exec_done(helped, is_killed ? NULL : failure);
    else if (is_killed)
        supervisor_on_control_killed(helped);
    else {
        supervisor_reload_exec_done(helped, failure);
        supervisor_check_rest(helped); /* whoever looked meanwhile has found this program */
    }
    supervisor_free(control->supervisor);
    g_free(control);
}

static const SupervisorEvents control_events = {
        .on_ready = on_control_ready,
        .on_ending = on_control_ending,
        .on_unkillable = on_control_unkillable,
        .on_gone = on_control_gone,
        .on_reloading = on_control_reloading,
        .on_reloaded = on_control_reloaded,
        .on_sub_state = on_control_sub_state,
        .on_facts = on_control_facts,
};

/* A stop has one limit for all of it, which is that of its phase. */
static void control_fill_spec(Control *control)
{
    const SupervisorSpec *spec = control->helped->spec;

    control->spec = (SupervisorSpec){
            .spawn = spec->spawn,
            .output = spec->output,
            .rules = {.stop_signal = SIGTERM,
                      .runs_once = true,
                      .start_timeout_usec = control->task == CONTROL_STOP
                                                    ? USEC_INFINITY
                                                    : spec->rules.start_timeout_usec,
                      .stop_timeout_usec = spec->rules.stop_timeout_usec},
    };
}

bool supervisor_control_start(Supervisor *supervisor, ControlTask task, GError **error)
{
    const SupervisorSpec *spec = supervisor->spec;
    Control *control = g_new0(Control, 1);

    g_assert(supervisor->control == NULL);
    control->helped = supervisor;
    control->task = task;
    control->supervisor =
            supervisor_new(supervisor->host, supervisor->service_id, &control_events, control);
    control->supervisor->helps = supervisor;
    control_fill_spec(control);
    supervisor->control = control;
    if (supervisor_spawn(control->supervisor, &control->spec,
                         task == CONTROL_STOP ? spec->stop_exec : spec->reload_exec, error)) {
        supervisor_set_phase(control->supervisor, PHASE_START);
        return true;
    }
    supervisor->control = NULL;
    supervisor_free(control->supervisor);
    g_free(control);
    return false;
}

void supervisor_control_kill(Supervisor *supervisor)
{
    Control *control = supervisor->control;

    if (control == NULL)
        return;
    control->is_killed = true;
    supervisor_enter(control->supervisor, PHASE_STOP_KILL);
}

pid_t supervisor_control_pid(const Supervisor *supervisor)
{
    return supervisor->control != NULL ? supervisor->control->supervisor->facts.main_pid : 0;
}
