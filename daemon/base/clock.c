/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's clocks behind the Clock interface: the only file that asks for the time on behalf of
 * somebody's decision (the log's time stamps aside). */

#include "base/clock.h"

#include <glib.h>
#include <time.h>

static uint64_t clock_read_usec(clockid_t id)
{
    struct timespec now;
    int r = clock_gettime(id, &now);

    g_assert(r == 0);
    uint64_t usec = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
    return MAX(usec, 1);
}

static uint64_t clock_system_monotonic_usec(Clock *clock)
{
    return clock_read_usec(CLOCK_MONOTONIC);
}

static uint64_t clock_system_wall_usec(Clock *clock)
{
    return clock_read_usec(CLOCK_REALTIME);
}

Clock *clock_system(void)
{
    static Clock clock = {
            .monotonic_usec = clock_system_monotonic_usec,
            .wall_usec = clock_system_wall_usec,
    };

    return &clock;
}
