/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The events of the daemon's own life. Each happens once (once per hook, and once per run of a
 * service); AppStartup is the first and AppTerminated the last. Each is logged at once, with fields
 * SVCMGR_EVENT and SVCMGR_HOOK or SVCMGR_SERVICE, and told to the sink.
 *
 *   AppStartup       the launch begins
 *   PreHookStart     a startup hook begins
 *   PostHookStart    it has ended
 *   ProcessStart     a service begins to run: it is active, and does not wait for others
 *   AppRunning       every unit serves, and the services that start with the daemon were started
 *   ProcessEnd       nothing of a service runs any more: it is not active, or waits again
 *   AppTerminating   the end has begun; the services that still run end after it
 *   PreHookStop      a shutdown hook begins
 *   PostHookStop     it has ended
 *   AppTerminated    all has ended that was begun, or was given up
 *
 * A restart (from stopping to starting) is a ProcessEnd and a ProcessStart. */

#include "base/clock.h"
#include "base/enum-table.h"
#include "core/map.h"

#include <glib.h>

typedef enum LifecycleType {
    LIFECYCLE_APP_STARTUP,
    LIFECYCLE_PRE_HOOK_START,
    LIFECYCLE_POST_HOOK_START,
    LIFECYCLE_PROCESS_START,
    LIFECYCLE_APP_RUNNING,
    LIFECYCLE_PROCESS_END,
    LIFECYCLE_APP_TERMINATING,
    LIFECYCLE_PRE_HOOK_STOP,
    LIFECYCLE_POST_HOOK_STOP,
    LIFECYCLE_APP_TERMINATED,
    _LIFECYCLE_TYPE_MAX,
    _LIFECYCLE_TYPE_INVALID = -22,
} LifecycleType;
/* "AppStartup", "PreHookStart", ... as above */
ENUM_TABLE_DECLARE(LifecycleType, lifecycle_type);

typedef struct LifecycleEvent {
    LifecycleType type;
    uint64_t time;       /* wall clock microseconds */
    const char *subject; /* name of the hook or id of the service; NULL for App... */
    /* Why it ended, of PostHook... and ProcessEnd; what has gone wrong so far, of AppTerminating
     * and AppTerminated. NULL: nothing. */
    const GError *error;
} LifecycleEvent;

#define LIFECYCLE_FIELDS_MAX 5
/* The fields of its log entry, as log_full takes them, borrowed from the event: SVCMGR_EVENT, and
 * of a hook SVCMGR_HOOK. (A service is a field of log_full itself.) */
void lifecycle_event_fields(const LifecycleEvent *event,
                            const char *ret_fields[LIFECYCLE_FIELDS_MAX]);

typedef struct Lifecycle Lifecycle;

Lifecycle *lifecycle_new(Clock *clock);    /* clock must outlive it */
void lifecycle_free(Lifecycle *lifecycle); /* accepts NULL; stops watching */

/* event and all in it are valid during the call. */
typedef void (*LifecycleTell)(const LifecycleEvent *event, void *data);
/* What happened before the first sink was set is kept, and told to it here and now. NULL: told to
 * nobody, and not kept either. */
void lifecycle_set_sink(Lifecycle *lifecycle, LifecycleTell tell, void *data);

/* For the group. Asserts AppStartup first, AppTerminated last, App... once. */
void lifecycle_emit(Lifecycle *lifecycle, LifecycleType type, const char *subject,
                    const GError *error);
/* From now on tells of the services of map, and of those that run already. Ends by itself with
 * AppTerminated; the map must live until then. Once (asserted), between the two. */
void lifecycle_watch(Lifecycle *lifecycle, Map *map);
