/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hooks: named functions that run at one moment of the daemon's life, one after the other, by
 * priority (lower first) and then in order of addition. Each takes as long as it takes and reports
 * its end. At startup the first error is the last hook; at shutdown all run, whatever the others
 * did. */

#include "base/enum-table.h"
#include "base/timer.h"

#include <glib.h>
#include <stdbool.h>

#define HOOK_PRIORITY_MIN (-100)
#define HOOK_PRIORITY_MAX 100

typedef enum HookMoment {
    HOOK_STARTUP,
    HOOK_SHUTDOWN,
    _HOOK_MOMENT_MAX,
    _HOOK_MOMENT_INVALID = -22,
} HookMoment;
/* "startup", "shutdown" */
ENUM_TABLE_DECLARE(HookMoment, hook_moment);

typedef struct Hook {
    const char *name; /* copied; unique among the hooks of its moment */
    int priority;     /* HOOK_PRIORITY_MIN to HOOK_PRIORITY_MAX */
    /* Must lead to the report hooks_done, now or later, with or without error. Inside a group that
     * is group_hook_done. */
    void (*run)(void *data);
    /* The time is over: end at once, and report it. NULL: it cannot be helped. */
    void (*abort)(void *data);
    void *data;
} Hook;

typedef struct Hooks Hooks;

/* All optional; only done may free the hooks. */
typedef struct HooksEvents {
    void (*before)(const char *name, void *data);
    /* Once for each before. error: of the hook, or NULL. */
    void (*after)(const char *name, const GError *error, void *data);
    /* None runs, and none will. */
    void (*done)(void *data);
    void *data;
} HooksEvents;

/* timers must outlive it. */
Hooks *hooks_new(HookMoment moment, TimerHost *timers, const HooksEvents *events);
void hooks_free(Hooks *hooks); /* accepts NULL */

/* Refused with INVALID_ARGS (priority), ID_EXISTS (name), or BUSY: hooks_run was called. */
bool hooks_add(Hooks *hooks, const Hook *hook, GError **error);
/* Before hooks_run. False: no such hook. */
bool hooks_remove(Hooks *hooks, const char *name);

/* Begins; everything else follows in the loop, with none as well. Once (asserted). */
void hooks_run(Hooks *hooks);
/* The report of a hook; error is copied. One that does not run, or not any more, has no say. */
void hooks_done(Hooks *hooks, const char *name, const GError *error);
/* Those whose turn has not come do not run. */
void hooks_drop(Hooks *hooks);
/* They are dropped; the one that runs is told to end, and waited for. */
void hooks_abort(Hooks *hooks);
/* Nobody is waited for any longer: what runs has failed with error. No event done. */
void hooks_give_up(Hooks *hooks, const GError *error);

/* How many have been begun. */
unsigned hooks_n_begun(const Hooks *hooks);
/* The one that runs, or NULL. */
const char *hooks_running(const Hooks *hooks);
/* In the order in which they run: all, or those that have not ended and were not dropped. Of const
 * char *, valid until the next call to the hooks; free the array. */
GPtrArray *hooks_list(const Hooks *hooks);
GPtrArray *hooks_list_pending(const Hooks *hooks);
int hooks_priority(const Hooks *hooks, const char *name); /* of one that is there (asserted) */
