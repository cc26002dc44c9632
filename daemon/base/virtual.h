/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Virtual time for tests: a clock, a timer host and a watch host in one. Nothing happens until the
 * test says so; then everything happens in a defined order: deferred calls first, in order, then
 * timers by time and, for equal times, in the order they were armed; those that come last when
 * nothing else is due. */

#include "base/clock.h"
#include "base/timer.h"
#include "base/watch.h"

#include <stddef.h>

typedef struct VirtualLoop VirtualLoop;

/* Monotonic time starts at 1 s, the wall clock at 2000-01-01T00:00:00Z. */
VirtualLoop *virtual_loop_new(void);
/* Every timer and watch must have been freed before (asserted). Drops deferred calls. */
void virtual_loop_free(VirtualLoop *loop);

Clock *virtual_loop_clock(VirtualLoop *loop);
TimerHost *virtual_loop_timers(VirtualLoop *loop);
WatchHost *virtual_loop_watches(VirtualLoop *loop);

/* Runs deferred calls (and those that they defer) and due timers until nothing is due now. */
void virtual_loop_settle(VirtualLoop *loop);
/* Settles, then moves the time forward by usec, firing every timer on the way at its own time. */
void virtual_loop_advance(VirtualLoop *loop, uint64_t usec);
/* Moves only the wall clock, forwards or backwards, as an administrator or NTP would. */
void virtual_loop_shift_wall(VirtualLoop *loop, int64_t usec);
/* The time of the next armed timer; USEC_INFINITY if there is none. */
uint64_t virtual_loop_next_timer_usec(VirtualLoop *loop);
size_t virtual_loop_n_armed(VirtualLoop *loop);
/* Calls the function of the watch on fd with events; asserts that there is one. */
void virtual_loop_fire_watch(VirtualLoop *loop, int fd, uint32_t events);
