/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One timer for both: a cancellation is a time that comes at once. */

#include "run/wait.h"

#include <glib.h>

struct Wait {
    Clock *clock;
    Timer *timer;
    bool is_waiting;
    bool is_cancelled;
    WaitFunc func;
    void *data;
};

static void on_wait_timer(void *data)
{
    Wait *wait = data;

    wait->is_waiting = false;
    wait->func(wait->is_cancelled ? WAIT_CANCELLED : WAIT_TIME_REACHED, wait->data);
}

Wait *wait_new(Clock *clock, TimerHost *timers, WaitFunc func, void *data)
{
    Wait *wait = g_new0(Wait, 1);

    wait->clock = clock;
    wait->timer = timer_new(timers, on_wait_timer, wait);
    wait->func = func;
    wait->data = data;
    return wait;
}

void wait_free(Wait *wait)
{
    if (wait == NULL)
        return;
    timer_free(wait->timer);
    g_free(wait);
}

void wait_until(Wait *wait, uint64_t at_usec)
{
    g_assert(!wait->is_waiting);
    wait->is_waiting = true;
    wait->is_cancelled = false;
    timer_arm(wait->timer, at_usec);
}

void wait_cancel(Wait *wait)
{
    if (!wait->is_waiting || wait->is_cancelled)
        return;
    wait->is_cancelled = true;
    timer_arm(wait->timer, clock_monotonic_usec(wait->clock));
}

bool wait_is_waiting(const Wait *wait)
{
    return wait->is_waiting;
}
