/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-event behind our interfaces. A timer has its event source while it is armed; disarmed,
 * the source is gone and costs nothing. Deferred calls share one source over a queue; a
 * call deferred by a deferred call waits for the next round, which gets a new source: sd-event
 * serves equal priorities by age, and a source that is kept would forever be older than the bus and
 * the deaths that wait beside it. */

#include "process/loop.h"

#include "base/errors.h"
#include "process/watches.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

struct Loop {
    TimerHost timers;
    Watches *watches;
    sd_event *event;
    sd_event_source *timer_anchor; /* keeps the timer descriptor open, so that arming cannot fail */
    sd_event_source *defer_source; /* of the next round; NULL: nothing is deferred */
    GQueue deferred;               /* of LoopDeferred * */
    GPtrArray *signals;            /* of LoopSignal * */
};

typedef struct LoopTimer {
    Timer timer;
    bool last;
    sd_event_source *source; /* NULL: disarmed */
} LoopTimer;

typedef struct LoopDeferred {
    TimerFunc func;
    void *data;
} LoopDeferred;

typedef struct LoopSignal {
    LoopSignalFunc func;
    void *data;
    sd_event_source *source;
} LoopSignal;

static Loop *loop_of_timers(TimerHost *host)
{
    return (Loop *)((char *)host - offsetof(Loop, timers));
}

static int on_loop_due_timer(sd_event_source *source, void *data)
{
    LoopTimer *timer = data;

    timer->timer.armed = false;
    g_clear_pointer(&timer->source, sd_event_source_disable_unref);
    timer->timer.func(timer->timer.data);
    return 0;
}

static int on_loop_timer(sd_event_source *source, uint64_t usec, void *data)
{
    return on_loop_due_timer(source, data);
}

static Timer *loop_timer_create(TimerHost *host, bool last)
{
    LoopTimer *timer = g_new0(LoopTimer, 1);

    timer->last = last;
    return &timer->timer;
}

/* What is due already needs no clock: to set the kernel's, and to hear from it, costs as much as
 * the start of a program. What can fail here is memory alone: the descriptor is there since
 * loop_new.
 */
static void loop_timer_arm(Timer *base, uint64_t at_usec)
{
    LoopTimer *timer = (LoopTimer *)base;
    sd_event *event = loop_of_timers(base->host)->event;
    int r;

    g_clear_pointer(&timer->source, sd_event_source_disable_unref);
    if (at_usec <= clock_monotonic_usec(clock_system()))
        r = sd_event_add_defer(event, &timer->source, on_loop_due_timer, timer);
    else
        r = sd_event_add_time(event, &timer->source, CLOCK_MONOTONIC, at_usec, 1, on_loop_timer,
                              timer);
    if (r >= 0 && timer->last)
        r = sd_event_source_set_priority(timer->source, WATCH_PRIORITY_PROBE);
    g_assert(r >= 0);
}

static void loop_timer_disarm(Timer *base)
{
    g_clear_pointer(&((LoopTimer *)base)->source, sd_event_source_disable_unref);
}

static void loop_timer_destroy(Timer *base)
{
    LoopTimer *timer = (LoopTimer *)base;

    sd_event_source_disable_unref(timer->source);
    g_free(timer);
}

/* One round. */
static int on_loop_deferred(sd_event_source *source, void *data)
{
    Loop *loop = data;

    g_clear_pointer(&loop->defer_source, sd_event_source_disable_unref);
    for (unsigned n = g_queue_get_length(&loop->deferred); n > 0; n--) {
        g_autofree LoopDeferred *deferred = g_queue_pop_head(&loop->deferred);

        deferred->func(deferred->data);
    }
    return 0;
}

static void loop_timer_defer(TimerHost *host, TimerFunc func, void *data)
{
    Loop *loop = loop_of_timers(host);
    LoopDeferred *deferred = g_new(LoopDeferred, 1);

    *deferred = (LoopDeferred){func, data};
    g_queue_push_tail(&loop->deferred, deferred);
    if (loop->defer_source != NULL)
        return;
    int r = sd_event_add_defer(loop->event, &loop->defer_source, on_loop_deferred, loop);
    g_assert(r >= 0);
}

static int on_loop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    LoopSignal *signal = data;

    signal->func((int)info->ssi_signo, info->ssi_pid, signal->data);
    return 0;
}

static void loop_signal_free(void *data)
{
    LoopSignal *signal = data;

    sd_event_source_disable_unref(signal->source);
    g_free(signal);
}

static int on_loop_anchor(sd_event_source *source, uint64_t usec, void *data)
{
    return 0;
}

static int loop_add_anchor(Loop *loop)
{
    int r = sd_event_add_time(loop->event, &loop->timer_anchor, CLOCK_MONOTONIC, UINT64_MAX, 1,
                              on_loop_anchor, NULL);

    return r < 0 ? r : sd_event_source_set_enabled(loop->timer_anchor, SD_EVENT_OFF);
}

Loop *loop_new(GError **error)
{
    Loop *loop = g_new(Loop, 1);

    *loop = (Loop){
            .timers = {loop_timer_create, loop_timer_arm, loop_timer_disarm, loop_timer_destroy,
                       loop_timer_defer},
            .signals = g_ptr_array_new_with_free_func(loop_signal_free),
    };
    g_queue_init(&loop->deferred);

    int r = sd_event_new(&loop->event);
    if (r >= 0)
        r = loop_add_anchor(loop);
    if (r >= 0)
        r = watches_new(loop->event, &loop->watches);
    if (r < 0) {
        error_set_errno(error, r, "cannot create the event loop");
        loop_free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(Loop *loop)
{
    if (loop == NULL)
        return;
    g_ptr_array_unref(loop->signals);
    g_queue_clear_full(&loop->deferred, g_free);
    sd_event_source_disable_unref(loop->defer_source);
    sd_event_source_disable_unref(loop->timer_anchor);
    watches_free(loop->watches);
    sd_event_unref(loop->event);
    g_free(loop);
}

sd_event *loop_event(Loop *loop)
{
    return loop->event;
}

Clock *loop_clock(Loop *loop)
{
    return clock_system();
}

TimerHost *loop_timers(Loop *loop)
{
    return &loop->timers;
}

WatchHost *loop_watches(Loop *loop)
{
    return watches_host(loop->watches);
}

/* SIGCHLD is a death, and deaths are as important as the bus, not more: orphans that die faster
 * than they can be reaped must not keep it waiting. */
static WatchPriority loop_signal_priority(int signo)
{
    return signo == SIGCHLD ? WATCH_PRIORITY_NORMAL : WATCH_PRIORITY_SIGNAL;
}

bool loop_add_signal(Loop *loop, int signo, LoopSignalFunc func, void *data, GError **error)
{
    LoopSignal *signal = g_new0(LoopSignal, 1);
    sigset_t set;

    (void)sigemptyset(&set);      /* cannot fail */
    (void)sigaddset(&set, signo); /* a bad number shows in the next call */
    int r = sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;

    signal->func = func;
    signal->data = data;
    if (r == 0)
        r = sd_event_add_signal(loop->event, &signal->source, signo, on_loop_signal, signal);
    if (r >= 0)
        r = sd_event_source_set_priority(signal->source, loop_signal_priority(signo));
    if (r < 0) {
        loop_signal_free(signal);
        return error_set_errno(error, r, "cannot watch for signal %d", signo);
    }
    g_ptr_array_add(loop->signals, signal);
    return true;
}

int loop_run(Loop *loop)
{
    return sd_event_loop(loop->event);
}

void loop_quit(Loop *loop, int code)
{
    (void)sd_event_exit(loop->event, code); /* fails only when the loop has ended already */
}
