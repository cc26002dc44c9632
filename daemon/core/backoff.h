/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long to wait after the n-th failure in a row. Pure. */

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Backoff {
    uint64_t initial_usec;
    double factor;
    uint64_t min_usec;
    uint64_t max_usec;
    unsigned max_attempts; /* the max_attempts-th failure in a row is the last; 0: unlimited */
    double jitter;         /* 0..1: the delay is spread over delay * (1 +- jitter), still clamped */
} Backoff;

/* 500 ms, x1.5, at least 500 ms, at most 30 s, unlimited, no jitter. */
extern const Backoff backoff_default;

/* clamp(initial * factor^(attempt-1), min, max); attempt >= 1. Least and most are the bounds that
 * jitter can give. */
uint64_t backoff_delay_usec(const Backoff *backoff, unsigned attempt, Random *random);
void backoff_bounds_usec(const Backoff *backoff, unsigned attempt, uint64_t *ret_least,
                         uint64_t *ret_most);
/* Whether the failure number attempt is reported to the log: the 1st, the 5th, then every 20th. */
bool backoff_attempt_is_logged(unsigned attempt);
