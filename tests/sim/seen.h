/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A whole record as numbers, taken at the moment when it was seen: strings count as their hash.
 * What was seen can be compared with what is there later, so a record that changes after it was
 * shown is found as well as one that was never shown. */

#include "core/state.h"

typedef enum SeenField {
    SEEN_SERIAL,
    SEEN_STATE,
    SEEN_FROM,
    SEEN_CAUSE,
    SEEN_ACTIVE,
    SEEN_LOADING,
    SEEN_WILL_RETRY,
    SEEN_FAILURE_CLASS,
    SEEN_SUB_STATE,
    SEEN_CONFIG,
    SEEN_REVISION,
    SEEN_ERROR,
    SEEN_FAILED_ATTEMPTS,
    SEEN_MAX_ATTEMPTS,
    SEEN_LAST_ACTIVE,
    SEEN_LAST_INACTIVE,
    SEEN_LAST_CONFIG,
    SEEN_LAST_ERROR,
    SEEN_LOADING_START,
    SEEN_LOADING_END,
    SEEN_NEXT_ATTEMPT,
    SEEN_TIME,
    SEEN_METHOD,
    SEEN_CALLER,
    _SEEN_MAX,
} SeenField;

typedef struct Seen {
    uint64_t values[_SEEN_MAX];
} Seen;

Seen seen_of(const StateRecord *record);
/* Violates the invariant unless they are the same in every field; who and id for the words. */
void seen_check_same(const Seen *believed, const Seen *there, const char *invariant,
                     const char *who, const char *id);
