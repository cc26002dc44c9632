/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is the same for every timer host. A host clears `armed` itself just before it calls the
 * function, so that the function may arm its timer again. */

#include "base/timer.h"

#include "base/clock.h"

#include <stddef.h>

static Timer *timer_make(TimerHost *host, bool last, TimerFunc func, void *data)
{
    Timer *timer = host->create(host, last);

    timer->host = host;
    timer->func = func;
    timer->data = data;
    timer->armed = false;
    return timer;
}

Timer *timer_new(TimerHost *host, TimerFunc func, void *data)
{
    return timer_make(host, false, func, data);
}

Timer *timer_new_last(TimerHost *host, TimerFunc func, void *data)
{
    return timer_make(host, true, func, data);
}

void timer_arm(Timer *timer, uint64_t at_usec)
{
    if (at_usec == USEC_INFINITY) {
        timer_disarm(timer);
        return;
    }
    timer->host->arm(timer, at_usec);
    timer->armed = true;
}

void timer_disarm(Timer *timer)
{
    if (!timer_is_armed(timer))
        return;
    timer->host->disarm(timer);
    timer->armed = false;
}

bool timer_is_armed(const Timer *timer)
{
    return timer != NULL && timer->armed;
}

void timer_free(Timer *timer)
{
    if (timer == NULL)
        return;
    timer_disarm(timer);
    timer->host->destroy(timer);
}

void timer_host_defer(TimerHost *host, TimerFunc func, void *data)
{
    host->defer(host, func, data);
}
