/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Time comes from a Clock that is given to whoever needs it, never from the kernel directly, so
 * that tests run the whole core in virtual time. Monotonic microseconds are for arithmetic, wall
 * clock microseconds (since 1970) for people. Both are never 0: 0 means "never". */

#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

typedef struct Clock Clock;
struct Clock {
    uint64_t (*monotonic_usec)(Clock *clock);
    uint64_t (*wall_usec)(Clock *clock);
};

static inline uint64_t clock_monotonic_usec(Clock *clock)
{
    return clock->monotonic_usec(clock);
}

static inline uint64_t clock_wall_usec(Clock *clock)
{
    return clock->wall_usec(clock);
}

/* CLOCK_MONOTONIC and CLOCK_REALTIME. Static, never freed. */
Clock *clock_system(void);

/* a + b, saturating at USEC_INFINITY. */
static inline uint64_t usec_add(uint64_t a, uint64_t b)
{
    return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}
