/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that is ready has to say WATCHDOG=1 in time. It may say so as often as it likes: the
 * timer is not moved by that, but looks, when it comes, what the deadline is by then. */

#include "process/supervisor-internal.h"

static void supervisor_watchdog_arm(Supervisor *supervisor)
{
    SupervisorWatchdog *watchdog = &supervisor->watchdog;
    uint64_t now_usec = clock_monotonic_usec(supervisor->host->clock);

    watchdog->deadline_usec = usec_add(now_usec, watchdog->interval_usec);
    if (!timer_is_armed(watchdog->timer))
        timer_arm(watchdog->timer, watchdog->deadline_usec);
}

/* What it has said, and nobody has read yet, was said in time. */
static void on_supervisor_watchdog(void *data)
{
    Supervisor *supervisor = data;
    SupervisorWatchdog *watchdog = &supervisor->watchdog;

    if (clock_monotonic_usec(supervisor->host->clock) >= watchdog->deadline_usec)
        supervisor_drain(supervisor);
    if (watchdog->interval_usec == 0 || supervisor->phase != PHASE_RUN)
        return;
    if (clock_monotonic_usec(supervisor->host->clock) < watchdog->deadline_usec)
        timer_arm(watchdog->timer, watchdog->deadline_usec);
    else {
        output_drain(supervisor->output);
        supervisor_miss_watchdog(supervisor);
    }
}

static void supervisor_watchdog_set(Supervisor *supervisor, uint64_t interval_usec)
{
    SupervisorWatchdog *watchdog = &supervisor->watchdog;

    watchdog->interval_usec = interval_usec;
    timer_disarm(watchdog->timer);
    if (interval_usec == 0)
        return;
    if (watchdog->timer == NULL)
        watchdog->timer = timer_new(supervisor->host->timers, on_supervisor_watchdog, supervisor);
    supervisor_watchdog_arm(supervisor);
}

void supervisor_watchdog_begin(Supervisor *supervisor)
{
    supervisor_watchdog_set(supervisor, supervisor->watchdog.interval_usec);
}

void supervisor_watchdog_end(Supervisor *supervisor)
{
    timer_disarm(supervisor->watchdog.timer);
}

void supervisor_watchdog_free(Supervisor *supervisor)
{
    timer_free(supervisor->watchdog.timer);
}

/* Another interval counts from the start of the run too, or from when it is said. */
void supervisor_watchdog_hear(Supervisor *supervisor, const NotifyMessage *message)
{
    SupervisorWatchdog *watchdog = &supervisor->watchdog;

    if (supervisor->spec->watchdog_usec == 0)
        return;
    if (message->has_watchdog_usec && supervisor->phase == PHASE_RUN)
        supervisor_watchdog_set(supervisor, message->watchdog_usec);
    else if (message->has_watchdog_usec)
        watchdog->interval_usec = message->watchdog_usec;
    if (supervisor->phase != PHASE_RUN || watchdog->interval_usec == 0)
        return;
    if (message->watchdog == NOTIFY_WATCHDOG_ALIVE)
        supervisor_watchdog_arm(supervisor);
    if (message->watchdog == NOTIFY_WATCHDOG_TRIGGER) {
        supervisor->ending.watchdog_triggered = true;
        supervisor_miss_watchdog(supervisor);
    }
}
