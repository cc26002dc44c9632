/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fixed windows: simple, and at worst twice the burst around an edge. */

#include "bus/rate-limit.h"

bool rate_limit_admit(RateLimit *limit, uint64_t now_usec, unsigned *ret_left_out)
{
    if (limit->begin_usec == 0 || now_usec - limit->begin_usec >= limit->interval_usec) {
        limit->begin_usec = now_usec;
        limit->n_admitted = 0;
    }
    if (limit->n_admitted >= limit->burst) {
        limit->n_left_out++;
        return false;
    }
    limit->n_admitted++;
    *ret_left_out = limit->n_left_out;
    limit->n_left_out = 0;
    return true;
}
