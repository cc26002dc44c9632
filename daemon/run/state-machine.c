/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One function sets the state and holds the move against a table. A stop that cannot begin yet is
 * remembered, and begun by whatever it waited for. */

#include "run/state-machine.h"

#include "base/errors.h"

struct StateMachine {
    char *name;
    StateMachineActions actions;
    MachineState state;
    GError *error;       /* prefixed with the name */
    unsigned n_held;     /* calls that keep the state as it is */
    bool is_stop_wanted; /* asked for, not begun */
};

static const char *const machine_state_table[] = {
        [MACHINE_UNSTARTED] = "Unstarted",    [MACHINE_STARTING] = "Starting",
        [MACHINE_STARTED] = "Started",        [MACHINE_START_FAILED] = "StartFailed",
        [MACHINE_STOPPING] = "Stopping",      [MACHINE_STOPPED] = "Stopped",
        [MACHINE_STOP_FAILED] = "StopFailed",
};
G_STATIC_ASSERT(G_N_ELEMENTS(machine_state_table) == _MACHINE_STATE_MAX);
ENUM_TABLE_DEFINE(MachineState, machine_state, machine_state_table)

#define MACHINE_TO(state) (1U << (state))
#define MACHINE_TO_ITS_END (MACHINE_TO(MACHINE_STOPPED) | MACHINE_TO(MACHINE_STOP_FAILED))

/* Where each may go to. */
static const unsigned machine_moves[_MACHINE_STATE_MAX] = {
        [MACHINE_UNSTARTED] =
                MACHINE_TO(MACHINE_STARTING) | MACHINE_TO(MACHINE_STOPPING) | MACHINE_TO_ITS_END,
        [MACHINE_STARTING] = MACHINE_TO(MACHINE_STARTED) | MACHINE_TO(MACHINE_START_FAILED) |
                             MACHINE_TO(MACHINE_STOPPING),
        [MACHINE_STARTED] = MACHINE_TO(MACHINE_STOPPING) | MACHINE_TO_ITS_END,
        [MACHINE_STOPPING] = MACHINE_TO_ITS_END,
};

StateMachine *state_machine_new(const char *name, const StateMachineActions *actions)
{
    StateMachine *machine = g_new0(StateMachine, 1);

    g_assert(actions->stop != NULL || !actions->stops_any_time);
    machine->name = g_strdup(name);
    machine->actions = *actions;
    return machine;
}

void state_machine_free(StateMachine *machine)
{
    if (machine == NULL)
        return;
    g_clear_error(&machine->error);
    g_free(machine->name);
    g_free(machine);
}

MachineState state_machine_state(const StateMachine *machine)
{
    return machine->state;
}

bool state_machine_is_over(const StateMachine *machine)
{
    return machine_moves[machine->state] == 0;
}

const GError *state_machine_error(const StateMachine *machine)
{
    return machine->error;
}

static void state_machine_enter(StateMachine *machine, MachineState state)
{
    g_assert((machine_moves[machine->state] & MACHINE_TO(state)) != 0);
    machine->state = state;
}

static bool state_machine_refuse(const StateMachine *machine, const char *what, GError **error)
{
    return error_set(error, ERROR_BUSY, "%s: %s, it is %s%s", machine->name, what,
                     machine_state_to_string(machine->state),
                     machine->is_stop_wanted ? " and about to be stopped" : "");
}

static void state_machine_tell(StateMachine *machine)
{
    if (machine->actions.settled != NULL)
        machine->actions.settled(machine->actions.data);
}

static void state_machine_settle(StateMachine *machine, MachineState state, const GError *error)
{
    if (error != NULL) {
        machine->error = g_error_copy(error);
        g_prefix_error(&machine->error, "%s: ", machine->name);
    }
    state_machine_enter(machine, state);
    state_machine_tell(machine);
}

static void state_machine_begin_stop(StateMachine *machine)
{
    bool never_started = machine->state == MACHINE_UNSTARTED && !machine->actions.stops_any_time;

    machine->is_stop_wanted = false;
    if (machine->actions.stop == NULL || never_started) {
        state_machine_settle(machine, MACHINE_STOPPED, NULL);
        return;
    }
    state_machine_enter(machine, MACHINE_STOPPING);
    machine->actions.stop(machine->actions.data);
}

static void state_machine_stop_if_due(StateMachine *machine)
{
    bool waits = machine->n_held > 0 ||
                 (machine->state == MACHINE_STARTING && !machine->actions.stops_any_time);

    if (machine->is_stop_wanted && !waits && !state_machine_is_over(machine))
        state_machine_begin_stop(machine);
}

bool state_machine_start(StateMachine *machine, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (machine->state != MACHINE_UNSTARTED || machine->is_stop_wanted)
        return state_machine_refuse(machine, "cannot start", error);
    state_machine_enter(machine, MACHINE_STARTING);
    if (machine->actions.start == NULL)
        state_machine_started(machine);
    else if (!machine->actions.start(machine->actions.data, &cause))
        state_machine_ended(machine, cause);
    return true;
}

bool state_machine_stop(StateMachine *machine, GError **error)
{
    if (state_machine_is_over(machine) || machine->state == MACHINE_STOPPING ||
        machine->is_stop_wanted)
        return state_machine_refuse(machine, "cannot stop", error);
    machine->is_stop_wanted = true;
    state_machine_stop_if_due(machine);
    return true;
}

void state_machine_started(StateMachine *machine)
{
    if (machine->state != MACHINE_STARTING)
        return; /* it is being stopped meanwhile */
    state_machine_enter(machine, MACHINE_STARTED);
    if (machine->is_stop_wanted)
        state_machine_stop_if_due(machine);
    else
        state_machine_tell(machine);
}

void state_machine_ended(StateMachine *machine, const GError *error)
{
    if (state_machine_is_over(machine))
        return;
    if (machine->state == MACHINE_STARTING)
        state_machine_settle(machine, MACHINE_START_FAILED, error);
    else
        state_machine_settle(machine, error != NULL ? MACHINE_STOP_FAILED : MACHINE_STOPPED, error);
}

static bool state_machine_hold(StateMachine *machine, StateMachineFunc func, void *data,
                               GError **error)
{
    machine->n_held++;
    bool result = func(data, error);
    machine->n_held--;
    state_machine_stop_if_due(machine);
    return result;
}

bool state_machine_if_started(StateMachine *machine, StateMachineFunc func, void *data,
                              GError **error)
{
    if (machine->state != MACHINE_STARTED || machine->is_stop_wanted)
        return state_machine_refuse(machine, "it must be Started", error);
    return state_machine_hold(machine, func, data, error);
}

bool state_machine_if_not_stopped(StateMachine *machine, StateMachineFunc func, void *data,
                                  GError **error)
{
    if (machine->state == MACHINE_STOPPING || state_machine_is_over(machine) ||
        machine->is_stop_wanted)
        return state_machine_refuse(machine, "it must not be stopped", error);
    return state_machine_hold(machine, func, data, error);
}
