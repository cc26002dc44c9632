/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A wait until a time or a cancellation, whichever comes first, and it says which it was. Its
 * function is called from the loop, never from inside wait_until or wait_cancel. */

#include "base/clock.h"
#include "base/timer.h"

typedef enum WaitOutcome {
    WAIT_TIME_REACHED,
    WAIT_CANCELLED,
} WaitOutcome;

typedef struct Wait Wait;
typedef void (*WaitFunc)(WaitOutcome outcome, void *data);

/* clock and timers must outlive it. The same can wait again and again, also from inside func. */
Wait *wait_new(Clock *clock, TimerHost *timers, WaitFunc func, void *data);
/* Accepts NULL. func is not called any more. */
void wait_free(Wait *wait);
/* Monotonic microseconds; a time that has passed is reached in the next turn, USEC_INFINITY never.
 * Only one wait at a time (asserted). */
void wait_until(Wait *wait, uint64_t at_usec);
/* Accepts one that does not wait. */
void wait_cancel(Wait *wait);
bool wait_is_waiting(const Wait *wait);
