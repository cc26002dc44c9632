/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of the lifecycle: names, what a state is and may own, which moves there are; and the
 * record with its references. */

#include "core/state.h"

static const char *const state_names[_STATE_MAX] = {
        [STATE_INACTIVE] = "inactive",   [STATE_WAITING] = "waiting",
        [STATE_STARTING] = "starting",   [STATE_ACTIVE] = "active",
        [STATE_RELOADING] = "reloading", [STATE_BACKOFF] = "backoff",
        [STATE_STOPPING] = "stopping",   [STATE_FAILED] = "failed",
};
ENUM_TABLE_DEFINE(State, state, state_names)

static const char *const cause_names[_CAUSE_MAX] = {
        [CAUSE_NONE] = "",
        [CAUSE_METHOD] = "method",
        [CAUSE_STARTUP] = "startup",
        [CAUSE_DEPENDENCY] = "dependency",
        [CAUSE_APPLIED] = "applied",
        [CAUSE_RETRY] = "retry",
        [CAUSE_EXIT] = "exit",
        [CAUSE_STOPPED] = "stopped",
        [CAUSE_STABLE] = "stable",
        [CAUSE_KIND] = "kind",
        [CAUSE_PROBE] = "probe",
        [CAUSE_WATCHDOG] = "watchdog",
        [CAUSE_SCHEDULE] = "schedule",
        [CAUSE_SHUTDOWN] = "shutdown",
};
ENUM_TABLE_DEFINE(Cause, cause, cause_names)

static const char *const failure_class_names[_FAILURE_MAX] = {
        [FAILURE_NONE] = "",
        [FAILURE_CONFIG] = "config",
        [FAILURE_EXEC] = "exec",
        [FAILURE_EXIT_CODE] = "exit-code",
        [FAILURE_SIGNAL] = "signal",
        [FAILURE_OOM] = "oom",
        [FAILURE_TIMEOUT] = "timeout",
        [FAILURE_WATCHDOG] = "watchdog",
        [FAILURE_PROBE] = "probe",
        [FAILURE_DEPENDENCY] = "dependency",
        [FAILURE_START_LIMIT] = "start-limit",
        [FAILURE_PROTOCOL] = "protocol",
        [FAILURE_INTERNAL] = "internal",
};
ENUM_TABLE_DEFINE(FailureClass, failure_class, failure_class_names)

static const StateTraits traits[_STATE_MAX] = {
        [STATE_INACTIVE] = {.settled = true},
        [STATE_WAITING] = {.active = true, .settled = true},
        [STATE_STARTING] = {.active = true, .loading = true, .owns_context = true},
        [STATE_ACTIVE] = {.active = true, .settled = true, .owns_stable_timer = true},
        [STATE_RELOADING] = {.active = true,
                             .loading = true,
                             .owns_context = true,
                             .owns_stable_timer = true},
        [STATE_BACKOFF] = {.active = true,
                           .loading = true,
                           .settled = true,
                           .owns_retry_timer = true},
        [STATE_STOPPING] = {.active = true},
        [STATE_FAILED] = {.settled = true},
};

const StateTraits *state_traits(State state)
{
    g_assert((int)state >= 0 && state < _STATE_MAX);
    return &traits[state];
}

#define TO(state) (1U << STATE_##state)

static const unsigned moves[_STATE_MAX] = {
        [STATE_INACTIVE] = TO(INACTIVE) | TO(WAITING) | TO(STARTING) | TO(ACTIVE) | TO(FAILED),
        [STATE_WAITING] = TO(WAITING) | TO(STARTING) | TO(STOPPING),
        [STATE_STARTING] = TO(STARTING) | TO(WAITING) | TO(INACTIVE) | TO(ACTIVE) | TO(BACKOFF) |
                           TO(STOPPING) | TO(FAILED),
        [STATE_ACTIVE] = TO(ACTIVE) | TO(WAITING) | TO(STARTING) | TO(RELOADING) | TO(BACKOFF) |
                         TO(STOPPING) | TO(INACTIVE) | TO(FAILED),
        [STATE_RELOADING] =
                TO(RELOADING) | TO(ACTIVE) | TO(BACKOFF) | TO(STOPPING) | TO(INACTIVE) | TO(FAILED),
        [STATE_BACKOFF] = TO(BACKOFF) | TO(WAITING) | TO(STARTING) | TO(STOPPING) | TO(FAILED),
        [STATE_STOPPING] = TO(STOPPING) | TO(INACTIVE) | TO(FAILED) | TO(WAITING) | TO(STARTING) |
                           TO(ACTIVE) | TO(BACKOFF),
        [STATE_FAILED] = TO(FAILED) | TO(WAITING) | TO(STARTING) | TO(ACTIVE) | TO(INACTIVE),
};

bool state_move_is_allowed(State from, State to)
{
    g_assert((int)from >= 0 && from < _STATE_MAX);
    return (int)to >= 0 && to < _STATE_MAX && (moves[from] & (1U << to)) != 0;
}

Caller *caller_new(uint32_t uid, uint32_t pid, const char *comm)
{
    Caller *caller = g_new0(Caller, 1);
    g_atomic_ref_count_init(&caller->refs);
    caller->uid = uid;
    caller->pid = pid;
    caller->comm = g_strdup(comm);
    return caller;
}

Caller *caller_ref(Caller *caller)
{
    g_atomic_ref_count_inc(&caller->refs);
    return caller;
}

void caller_unref(Caller *caller)
{
    if (caller == NULL || !g_atomic_ref_count_dec(&caller->refs))
        return;
    g_free(caller->comm);
    g_free(caller);
}

StateRecord *state_record_new(void)
{
    StateRecord *record = g_new0(StateRecord, 1);
    g_atomic_ref_count_init(&record->refs);
    record->sub_state = "";
    return record;
}

StateRecord *state_record_copy(const StateRecord *record)
{
    StateRecord *copy = g_new(StateRecord, 1);
    *copy = *record;
    g_atomic_ref_count_init(&copy->refs);
    if (copy->about != NULL)
        about_ref(copy->about);
    if (copy->links != NULL)
        links_ref(copy->links);
    if (copy->config != NULL)
        config_text_ref(copy->config);
    if (copy->error != NULL)
        copy->error = g_error_copy(copy->error);
    if (copy->caller != NULL)
        caller_ref(copy->caller);
    return copy;
}

const About *state_record_about(const StateRecord *record)
{
    static const About nothing = {.source = SOURCE_BUS};
    return record->about != NULL ? record->about : &nothing;
}

bool state_record_is_blocked(const StateRecord *record)
{
    return record->state == STATE_WAITING && record->error != NULL;
}

bool state_record_is_settled(const StateRecord *record)
{
    return state_traits(record->state)->settled &&
           (record->state != STATE_WAITING || state_record_is_blocked(record));
}

StateRecord *state_record_ref(const StateRecord *record)
{
    StateRecord *shared = (StateRecord *)record; /* only its count is written */
    g_atomic_ref_count_inc(&shared->refs);
    return shared;
}

void state_record_unref(const StateRecord *record)
{
    StateRecord *shared = (StateRecord *)record;
    if (shared == NULL || !g_atomic_ref_count_dec(&shared->refs))
        return;
    about_unref(shared->about);
    links_unref(shared->links);
    config_text_unref(shared->config);
    g_clear_error(&shared->error);
    g_clear_pointer(&shared->caller, caller_unref);
    g_free(shared);
}
