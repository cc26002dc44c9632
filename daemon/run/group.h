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
 * Pre-run and serve are begun within one turn of the loop, so nothing from outside comes in between
 * them. No process, no bus, no clock of its own: timers are given, signals come in through
 * group_stop. */

#include "base/clock.h"
#include "base/enum-table.h"
#include "base/timer.h"

#include <glib.h>
#include <stdbool.h>

#define GROUP_STARTUP_USEC (15 * USEC_PER_SEC)
#define GROUP_STOP_USEC (15 * USEC_PER_SEC)
/* What units that are late still have after they were told to end by force. */
#define GROUP_FORCE_USEC (2 * USEC_PER_SEC)

typedef struct Group Group;
typedef struct Unit Unit;

/* All callbacks are optional; a unit with none takes part in nothing and is not registered. */
struct Unit {
    const char *name;
    /* config: its option group (given to the context, which owns it), then its checks: adds
     * GError * to errors. */
    GOptionGroup *(*options)(void *data);
    void (*validate)(void *data, GPtrArray *errors);
    bool (*pre_run)(void *data, GError **error);
    /* Of pre_run; also after the graceful stop, in reverse. */
    void (*undo)(void *data);
    /* Must lead to group_unit_ready, now or later; from then on it serves until group_unit_ended or
     * stop. */
    bool (*serve)(void *data, GError **error);
    /* Must lead to group_unit_stopped, now or later. Also called for a unit that is not ready yet,
     * or whose turn to serve did not come since another failed. */
    void (*stop)(void *data);
    /* The graceful stop has run out of time: end at once what still runs. May be called before
     * stop. */
    void (*force)(void *data);
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
/* "config", "pre-run", "serve", "graceful-stop", "done" */
ENUM_TABLE_DECLARE(GroupPhase, group_phase);

/* All optional. None but done may free the group. */
typedef struct GroupEvents {
    void (*phase)(GroupPhase phase, void *data);
    void (*ready)(void *data); /* every unit serves */
    /* How long the graceful stop that begins now may take; without it GROUP_STOP_USEC. */
    uint64_t (*stop_usec)(void *data);
    /* The deadline of startup or of the graceful stop has passed; late: NULL-terminated names. */
    void (*late)(GroupPhase phase, const char *const *late, void *data);
    /* The end; error: all errors joined, or NULL. */
    void (*done)(const GError *error, void *data);
    void *data;
} GroupEvents;

/* clock and timers must outlive it. */
Group *group_new(Clock *clock, TimerHost *timers, const GroupEvents *events);
/* Accepts NULL. Only before group_run or after done. */
void group_free(Group *group);

/* False if the unit takes part in no phase. unit is copied, its name and data stay the caller's.
 * Names are unique, and the group does not run yet (asserted). */
bool group_register(Group *group, const Unit *unit);
/* Before group_run. False: no such unit. */
bool group_deregister(Group *group, const char *name);

/* The phase config: parses argv (removing what it knows) with all option groups, then validates.
 * What remains of argv is an error, too. False with all errors joined. */
bool group_configure(Group *group, GOptionContext *context, int *argc, char ***argv,
                     GError **error);
/* pre-run and serve, both within startup_usec (0: GROUP_STARTUP_USEC), in the loop; the outcome is
 * told through the events. */
void group_run(Group *group, uint64_t startup_usec);
/* Graceful stop with reason (for the log); before serve it only ends the launch. When its time has
 * passed, or at a second call, the late units are named (event late) and told to end by force; at a
 * third call, or GROUP_FORCE_USEC later, what is left is given up. */
void group_stop(Group *group, const char *reason);
GroupPhase group_phase(const Group *group);

/* What units report, from inside their callbacks or later. */
void group_unit_ready(Group *group, const char *name);
/* It ended by itself, with or without error: ends the group. */
void group_unit_ended(Group *group, const char *name, const GError *error);
void group_unit_stopped(Group *group, const char *name, const GError *error);
