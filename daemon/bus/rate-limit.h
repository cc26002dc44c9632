/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For log lines that others can cause: at most so many in an interval, and the number of those left
 * out with the first one after. */

#include <stdbool.h>
#include <stdint.h>

typedef struct RateLimit {
    unsigned burst;
    uint64_t interval_usec;
    uint64_t begin_usec; /* monotonic; 0: not yet */
    unsigned n_admitted;
    unsigned n_left_out;
} RateLimit;

/* True: say it; *ret_left_out is how many were not said since the last one that was. */
bool rate_limit_admit(RateLimit *limit, uint64_t now_usec, unsigned *ret_left_out);
