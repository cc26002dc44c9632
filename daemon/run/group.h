/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's own life: a group of units (bus, services, definitions, ...) taken through the
 * phases config, pre-run, serve and graceful stop. A unit takes part in any of them and is
 * registered once.
 *
 *   config         in order; every unit adds options, then all validate: all errors are reported
 *   pre-run        in order; the first error ends the launch, what was pre-run is undone in reverse
 *   serve          all; ready when the last has said so; the first that ends, ends the group
 *   graceful stop  in reverse, each waited for; every error is collected
 *
 * No process, no bus, no clock of its own: timers are given, signals come in through group_stop. */

#include "base/clock.h"
#include "base/timer.h"

#include <glib.h>
#include <stdbool.h>

typedef struct Group Group;
typedef struct Unit Unit;

/* All callbacks but name are optional; a unit with none takes part in nothing and is not
 * registered. */
struct Unit {
    const char *name;
    /* config: its option group (given to the context, which owns it), then its checks: adds GError
     * * to errors. */
    GOptionGroup *(*options)(void *data);
    void (*validate)(void *data, GPtrArray *errors);
    bool (*pre_run)(void *data, GError **error);
    void (*undo)(void *data); /* of pre_run; also after the graceful stop, in reverse */
    /* Must lead to group_unit_ready, now or later. The unit is serving until group_unit_ended or
     * stop. */
    bool (*serve)(void *data, GError **error);
    /* Must lead to group_unit_stopped, now or later. */
    void (*stop)(void *data);
    void *data;
};

typedef enum GroupPhase {
    GROUP_PHASE_CONFIG,
    GROUP_PHASE_PRE_RUN,
    GROUP_PHASE_SERVE,
    GROUP_PHASE_STOP,
    GROUP_PHASE_DONE,
    _GROUP_PHASE_MAX,
    _GROUP_PHASE_INVALID = -22,
} GroupPhase;
const char *group_phase_to_string(
        GroupPhase phase); /* "config", "pre-run", "serve", "graceful-stop", "done" */

typedef struct GroupEvents {
    void (*phase)(GroupPhase phase, void *data);
    void (*ready)(void *data);                     /* every unit serves */
    void (*done)(const GError *error, void *data); /* the end; error: all errors joined, or NULL */
    /* The deadline of startup or of the graceful stop has passed; late: NULL-terminated names. */
    void (*late)(GroupPhase phase, const char *const *late, void *data);
    void *data;
} GroupEvents;

Group *group_new(const char *name, Clock *clock, TimerHost *timers, const GroupEvents *events);
void group_free(Group *group); /* accepts NULL */

/* False if the unit takes part in no phase. unit is copied, its data stays the caller's. Names are
 * unique (asserted). */
bool group_register(Group *group, const Unit *unit);
/* Before group_run. False: no such unit. */
bool group_deregister(Group *group, const char *name);

/* The phase config: parses argv (removing what it knows) with all option groups, then validates.
 * False with all errors joined. */
bool group_configure(Group *group, GOptionContext *context, int *argc, char ***argv,
                     GError **error);
/* pre-run and serve, both within startup_usec (0: 15 s); the outcome is told through the events. */
void group_run(Group *group, uint64_t startup_usec);
/* Graceful stop with reason (for the log) within stop_usec; a second call cuts the time short. At
 * the deadline the late units are named (event late) and given up. */
void group_stop(Group *group, const char *reason, uint64_t stop_usec);
GroupPhase group_phase(const Group *group);

/* What units report. */
void group_unit_ready(Group *group, const char *name);
void group_unit_ended(Group *group, const char *name, const GError *error);
void group_unit_stopped(Group *group, const char *name, const GError *error);
