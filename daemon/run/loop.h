/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Something that is done again and again, with a pause in between; or tried until it succeeds. Each
 * attempt is begun by a call and ended by a report, now or later. After an error the next attempt
 * waits longer: a number of errors in a row are free (the pause alone), then come the delay x 1, 2,
 * 5, 10, 20, 50, 100, and x 100 from then on. A success forgets the errors. */

#include "base/clock.h"
#include "base/timer.h"

#include <glib.h>
#include <stdbool.h>

typedef struct RunLoop RunLoop;

typedef struct RunLoopPolicy {
    bool until_success;    /* a retry: the first success is its end */
    uint64_t pause_usec;   /* from the end of an attempt to the next */
    unsigned free_retries; /* errors in a row that cost no more than the pause */
    uint64_t delay_usec;   /* after the others, times the factor, and no less than the pause */
    unsigned max_errors;   /* in a row; 0: no end */
} RunLoopPolicy;

typedef enum RunLoopOutcome {
    RUN_LOOP_SUCCEEDED, /* a retry has */
    RUN_LOOP_BROKEN,    /* run_loop_break */
    RUN_LOOP_GAVE_UP,   /* max_errors */
    RUN_LOOP_STOPPED,   /* run_loop_stop */
} RunLoopOutcome;

typedef struct RunLoopFuncs {
    /* Must lead to run_loop_succeeded, run_loop_failed or run_loop_break, now or later. */
    void (*call)(void *data);
    /* After the error number n_errors in a row: the next attempt is in delay_usec. May be NULL. */
    void (*failed)(const GError *error, unsigned n_errors, uint64_t delay_usec, void *data);
    /* The end, told once for each run_loop_start, from the loop and never from inside a report.
     * error: of GAVE_UP, "N errors in a row, the last: MESSAGE"; else NULL. May be NULL. May start
     * it again, or free it. */
    void (*ended)(RunLoopOutcome outcome, const GError *error, void *data);
    void *data;
} RunLoopFuncs;

/* clock and timers must outlive it. */
RunLoop *run_loop_new(Clock *clock, TimerHost *timers, const RunLoopPolicy *policy,
                      const RunLoopFuncs *funcs);
/* Accepts NULL. Nothing is told any more. */
void run_loop_free(RunLoop *loop);

/* The first attempt is in the next turn of the loop, with no errors counted. Only when it does not
 * run (asserted). */
void run_loop_start(RunLoop *loop);
/* No further attempt; one that is under way is the caller's to end, and has no say any more.
 * Accepts one that does not run. */
void run_loop_stop(RunLoop *loop);
bool run_loop_is_running(const RunLoop *loop);

/* The reports of an attempt. Without one under way they change nothing. */
void run_loop_succeeded(RunLoop *loop);
void run_loop_failed(RunLoop *loop, const GError *error); /* copies what it keeps */
/* Also between attempts. */
void run_loop_break(RunLoop *loop);

/* What follows the error number n_errors (1, 2, ...) in a row, in microseconds. Pure. */
uint64_t run_loop_delay_usec(const RunLoopPolicy *policy, unsigned n_errors);
