/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place that reads all of a record. */

#include "seen.h"

#include "trial.h"

#include <inttypes.h>
#include <string.h>

static const char *const field_names[_SEEN_MAX] = {
        "serial",        "state",       "from",          "cause",         "active",
        "loading",       "will_retry",  "failure_class", "sub_state",     "config",
        "revision",      "error",       "failed",        "max",           "last_active",
        "last_inactive", "last_config", "last_error",    "loading_start", "loading_end",
        "next_attempt",  "time",        "method",        "caller",
};

/* FNV-1a; 0 is kept for what is not there. */
static uint64_t seen_hash(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash != 0 ? hash : 1;
}

static uint64_t seen_string(const char *string)
{
    return string != NULL ? seen_hash(string, strlen(string)) : 0;
}

static uint64_t seen_config(const StateRecord *record)
{
    if (record->config == NULL)
        return 0;
    return seen_hash(record->config->text, record->config->length);
}

static uint64_t seen_caller(const Caller *caller)
{
    return caller != NULL ? (uint64_t)caller->uid << 32 | caller->pid : 0;
}

Seen seen_of(const StateRecord *record)
{
    return (Seen){{
            [SEEN_SERIAL] = record->serial,
            [SEEN_STATE] = record->state,
            [SEEN_FROM] = record->from,
            [SEEN_CAUSE] = record->cause,
            [SEEN_ACTIVE] = record->active,
            [SEEN_LOADING] = record->loading,
            [SEEN_WILL_RETRY] = record->will_retry,
            [SEEN_FAILURE_CLASS] = record->failure_class,
            [SEEN_SUB_STATE] = seen_string(record->sub_state),
            [SEEN_CONFIG] = seen_config(record),
            [SEEN_REVISION] = record->config_revision,
            [SEEN_ERROR] = record->error != NULL ? seen_string(record->error->message) : 0,
            [SEEN_FAILED_ATTEMPTS] = record->failed_attempts,
            [SEEN_MAX_ATTEMPTS] = record->max_attempts,
            [SEEN_LAST_ACTIVE] = record->last_active_time,
            [SEEN_LAST_INACTIVE] = record->last_inactive_time,
            [SEEN_LAST_CONFIG] = record->last_config_time,
            [SEEN_LAST_ERROR] = record->last_error_time,
            [SEEN_LOADING_START] = record->last_loading_start_time,
            [SEEN_LOADING_END] = record->last_loading_end_time,
            [SEEN_NEXT_ATTEMPT] = record->next_attempt_time,
            [SEEN_TIME] = record->time,
            [SEEN_METHOD] = seen_string(record->method),
            [SEEN_CALLER] = seen_caller(record->caller),
    }};
}

void seen_check_same(const Seen *believed, const Seen *there, const char *invariant,
                     const char *who, const char *id)
{
    if (memcmp(believed, there, sizeof *believed) == 0)
        return;
    for (int i = 0; i < _SEEN_MAX; i++) {
        if (believed->values[i] != there->values[i]) {
            violation(invariant, "%s of '%s': believes %s is %" PRIu64 ", it is %" PRIu64, who, id,
                      field_names[i], believed->values[i], there->values[i]);
        }
    }
}
