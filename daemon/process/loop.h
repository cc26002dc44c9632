/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The loop: sd-event behind the interfaces of base (clock, timers, watches), with the priorities of
 * base/watch.h. The only event loop of the daemon. While nothing happens it sleeps in one
 * epoll_wait. */

#include "base/clock.h"
#include "base/timer.h"
#include "base/watch.h"

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

typedef struct Loop Loop;

Loop *loop_new(GError **error);
void loop_free(Loop *loop);       /* accepts NULL */
sd_event *loop_event(Loop *loop); /* borrowed; for the bus layer to attach to */
Clock *loop_clock(Loop *loop);
TimerHost *loop_timers(Loop *loop);
WatchHost *loop_watches(Loop *loop);

/* func is called in the loop (first of all priorities, SIGCHLD with the deaths at the normal one)
 * for each delivery of signo, with who sent it. The signal is blocked by this call, and stays
 * blocked in the daemon; programs start with an empty mask. */
typedef void (*LoopSignalFunc)(int signo, uint32_t sender_pid, void *data);
bool loop_add_signal(Loop *loop, int signo, LoopSignalFunc func, void *data, GError **error);

/* Runs until loop_quit; returns the code given there, or negative errno when the loop itself fails.
 */
int loop_run(Loop *loop);
void loop_quit(Loop *loop, int code);
