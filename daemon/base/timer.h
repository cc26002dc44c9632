/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One-shot timers and deferred calls, as an interface: process/loop implements it over sd-event,
 * base/virtual over virtual time. A TimerHost also is a Clock's companion: times are that clock's
 * monotonic microseconds. */

#include <stdbool.h>
#include <stdint.h>

typedef struct Timer Timer;
typedef struct TimerHost TimerHost;
typedef void (*TimerFunc)(void *data);

/* What every implementation embeds at the start of its own timer. */
struct Timer {
    TimerHost *host;
    TimerFunc func;
    void *data;
    bool armed;
};

struct TimerHost {
    Timer *(*create)(TimerHost *host, bool last);
    void (*arm)(Timer *timer, uint64_t at_usec);
    void (*disarm)(Timer *timer);
    void (*destroy)(Timer *timer);
    /* Calls func(data) once, in a later turn of the loop, before the loop next blocks. */
    void (*defer)(TimerHost *host, TimerFunc func, void *data);
};

/* A disarmed timer that will call func(data) in the loop; free it with timer_free. */
Timer *timer_new(TimerHost *host, TimerFunc func, void *data);
/* The same, but when it is due it waits until nothing else is ready: no call, no death, no other
 * timer. Under a load that never ends, for ever: who cannot wait so long has another besides. */
Timer *timer_new_last(TimerHost *host, TimerFunc func, void *data);
/* Arms (or re-arms) for at_usec; a time that has passed fires in the next turn. USEC_INFINITY
 * disarms. */
void timer_arm(Timer *timer, uint64_t at_usec);
/* After this the function is not called. Accepts NULL and disarmed timers. */
void timer_disarm(Timer *timer);
/* True from timer_arm until the function is about to be called or timer_disarm. NULL: false. */
bool timer_is_armed(const Timer *timer);
/* Disarms and frees. Accepts NULL. May be called from the timer's own function. */
void timer_free(Timer *timer);
/* Calls func(data) once, in a later turn of the loop, in the order of the calls. Cannot be
 * withdrawn: data must outlive it, or be an owner that checks. */
void timer_host_defer(TimerHost *host, TimerFunc func, void *data);
