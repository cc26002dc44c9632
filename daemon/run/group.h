/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's own life: a group of units (bus, services, definitions, ...) taken through phases. A
 * unit takes part in any of them and is registered once.
 *
 *   config          in order; every unit adds options, then all validate: all errors are reported
 *   startup hooks   one after the other; the first error ends the launch
 *   pre-run         in order; the first error ends the launch
 *   serve           all; ready when the last has said so; the first that ends, ends the group
 *   graceful stop   in reverse, each waited for; every error is collected
 *   shutdown hooks  one after the other, all of them; every error is collected
 *   done            what was pre-run is undone in reverse, then the end is told
 *
 * However the launch ends, the phases from graceful stop on follow, but for what is given up. In
 * them runs what has a reason to: a unit is stopped once serve was reached; shutdown hooks run once
 * a startup hook was begun (they may undo what it did) or serve was reached; undone is what was
 * pre-run.
 *
 * Startup hooks take turns of the loop. Pre-run and serve are begun within one turn, so nothing
 * from outside comes in between them. No process, no bus, no clock of its own: timers are given,
 * signals come in through group_stop. */

#include "base/clock.h"
#include "base/enum-table.h"
#include "base/timer.h"
#include "run/hooks.h"
#include "run/lifecycle.h"

#include <glib.h>
#include <stdbool.h>

#define GROUP_STARTUP_USEC (15 * USEC_PER_SEC)
#define GROUP_STOP_USEC (15 * USEC_PER_SEC)
/* What units and hooks that are late still have after they were told to end by force. */
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
    /* Of pre_run; the last thing of all, also when a later pre_run failed. */
    void (*undo)(void *data);
    /* Must lead to group_unit_ready, now or later; from then on it serves until group_unit_ended or
     * stop. */
    bool (*serve)(void *data, GError **error);
    /* Must lead to group_unit_stopped, now or later. Also called for a unit that is not ready yet,
     * or whose turn to serve did not come since another failed. A unit without it that is not
     * ready yet is waited for. */
    void (*stop)(void *data);
    /* The graceful stop has run out of time: end at once what still runs. May be called before
     * stop. */
    void (*force)(void *data);
    void *data;
};

typedef enum GroupPhase {
    GROUP_PHASE_CONFIG,
    GROUP_PHASE_STARTUP_HOOKS,
    GROUP_PHASE_PRE_RUN,
    GROUP_PHASE_SERVE,
    GROUP_PHASE_STOP,
    GROUP_PHASE_SHUTDOWN_HOOKS,
    GROUP_PHASE_DONE,
    _GROUP_PHASE_MAX,
    _GROUP_PHASE_INVALID = -22,
} GroupPhase;
/* "config", "startup-hooks", "pre-run", "serve", "graceful-stop", "shutdown-hooks", "done" */
ENUM_TABLE_DECLARE(GroupPhase, group_phase);

/* All optional. None but done may free the group. */
typedef struct GroupEvents {
    void (*phase)(GroupPhase phase, void *data);
    /* Every unit serves: the services that start with the daemon are started here. AppRunning is
     * told afterwards. */
    void (*ready)(void *data);
    /* How long the graceful stop that begins now may take, with the shutdown hooks; without it
     * GROUP_STOP_USEC. Also asked when the launch has ended before anything was opened. */
    uint64_t (*stop_usec)(void *data);
    /* The time of startup or of shutdown has passed; late: NULL-terminated, the names of units, and
     * of hooks as "hook NAME". */
    void (*late)(GroupPhase phase, const char *const *late, void *data);
    /* The end; error: all errors joined, or NULL. */
    void (*done)(const GError *error, void *data);
    void *data;
} GroupEvents;

/* clock and timers must outlive it. */
Group *group_new(Clock *clock, TimerHost *timers, const GroupEvents *events);
/* Accepts NULL. Only before group_run or after done. */
void group_free(Group *group);
/* The group's: it tells of the daemon and of hooks by itself, of services from lifecycle_watch on.
 * Whoever listens comes and goes with lifecycle_set_sink. */
Lifecycle *group_lifecycle(Group *group);

/* False if the unit takes part in no phase. unit is copied, its name and data stay the caller's.
 * Names are unique, and the group does not run yet (asserted). */
bool group_register(Group *group, const Unit *unit);
/* Until its phase: up to the end of the startup hooks (asserted). False: no such unit. */
bool group_deregister(Group *group, const char *name);

/* Hooks can be added until their phase: see hooks_add for what is refused. */
bool group_add_hook(Group *group, HookMoment moment, const Hook *hook, GError **error);
/* Until their phase. False: no such hook. */
bool group_remove_hook(Group *group, HookMoment moment, const char *name);

/* The phases and who is in them, in the order of their turns, one line each: "config: options,
 * ...\nstartup-hooks: 10-foo (priority 0), ...\n...". A phase without anybody: "(none)". */
char *group_list_units(const Group *group);

/* The phase config: parses argv (removing what it knows) with all option groups, then validates.
 * What remains of argv is an error, too. False with all errors joined. */
bool group_configure(Group *group, GOptionContext *context, int *argc, char ***argv,
                     GError **error);
/* Startup hooks, pre-run and serve, all within startup_usec (0: GROUP_STARTUP_USEC), in the loop;
 * the outcome is told through the events. */
void group_run(Group *group, uint64_t startup_usec);
/* Graceful stop with reason (for the log); before serve it only ends the launch, and a startup hook
 * that runs is aborted (what it makes of that is no error). When the time of shutdown has passed,
 * or at a second call, the late units and hooks are named (event late) and told to end by force;
 * hooks whose turn did not come are late too, and do not run. At a third call, or GROUP_FORCE_USEC
 * later, what is left is given up. */
void group_stop(Group *group, const char *reason);
GroupPhase group_phase(const Group *group);

/* What units report, from inside their callbacks or later. */
void group_unit_ready(Group *group, const char *name);
/* It ended by itself, with or without error: ends the group. */
void group_unit_ended(Group *group, const char *name, const GError *error);
void group_unit_stopped(Group *group, const char *name, const GError *error);
/* What hooks report. One that was given up has no say any more. */
void group_hook_done(Group *group, HookMoment moment, const char *name, const GError *error);
