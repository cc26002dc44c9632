/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Something that is started once and stopped once. Both take their time: an action begins them, a
 * report ends them. What comes at the wrong moment is refused with an error that names the unit and
 * its state.
 *
 *   Unstarted --start--> Starting --> Started --stop--> Stopping --> Stopped
 *                           |            |                 |
 *                           v            v                 v
 *                      StartFailed   StopFailed        StopFailed
 *
 * What is stopped before it was started is Stopped, and cannot be started any more. A stop during a
 * start waits for the start, and what has started meanwhile is stopped then. What ends by itself
 * before it has started is StartFailed; afterwards Stopped, or, with an error, StopFailed. */

#include "base/enum-table.h"

#include <glib.h>
#include <stdbool.h>

typedef enum MachineState {
    MACHINE_UNSTARTED,
    MACHINE_STARTING,
    MACHINE_STARTED,
    MACHINE_START_FAILED,
    MACHINE_STOPPING,
    MACHINE_STOPPED,
    MACHINE_STOP_FAILED,
    _MACHINE_STATE_MAX,
    _MACHINE_STATE_INVALID = -22,
} MachineState;
/* "Unstarted", "Starting", "Started", "StartFailed", "Stopping", "Stopped", "StopFailed" */
ENUM_TABLE_DECLARE(MachineState, machine_state);

typedef struct StateMachine StateMachine;

typedef struct StateMachineActions {
    /* Must lead to state_machine_started or state_machine_ended, now or later; false: it has failed
     * with error. NULL: there is nothing to do. */
    bool (*start)(void *data, GError **error);
    /* Must lead to state_machine_ended, now or later. NULL: there is nothing to do. */
    void (*stop)(void *data);
    /* stop may come before and during a start, and ends whatever there is: it waits for nothing.
     * Only with a stop (asserted). */
    bool stops_any_time;
    /* A start, a stop or an end by itself has come to its end: state_machine_state says how. May
     * be NULL. */
    void (*settled)(void *data);
    void *data;
} StateMachineActions;

/* name is copied. */
StateMachine *state_machine_new(const char *name, const StateMachineActions *actions);
void state_machine_free(StateMachine *machine); /* accepts NULL */

MachineState state_machine_state(const StateMachine *machine);
/* StartFailed, Stopped or StopFailed. */
bool state_machine_is_over(const StateMachine *machine);
/* "NAME: MESSAGE". Always of StopFailed, of StartFailed unless it ended without; else NULL. */
const GError *state_machine_error(const StateMachine *machine);

/* False only when it cannot be begun now, with BUSY: "bus: cannot start, it is Stopping". That a
 * start fails shows in the state. */
bool state_machine_start(StateMachine *machine, GError **error);
/* The same; refused in Stopping and in every state that is over. */
bool state_machine_stop(StateMachine *machine, GError **error);

/* What the unit reports. A report that is no news (it has ended already) changes nothing. */
void state_machine_started(StateMachine *machine);
/* It has ended: since it was told to, since it could not start, or by itself; error (or NULL) is
 * copied. */
void state_machine_ended(StateMachine *machine, const GError *error);

typedef bool (*StateMachineFunc)(void *data, GError **error);
/* Call func only while it is Started, or only while no stop has begun (Unstarted, Starting,
 * Started), and keep it so during the call: a stop that is asked for inside begins afterwards.
 * False with BUSY if func was not called, else what func returned. */
bool state_machine_if_started(StateMachine *machine, StateMachineFunc func, void *data,
                              GError **error);
bool state_machine_if_not_stopped(StateMachine *machine, StateMachineFunc func, void *data,
                                  GError **error);
