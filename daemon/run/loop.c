/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything between two attempts is a wait, and its cancellation is how one is stopped. A report
 * only says what comes next and begins that wait; so no attempt is begun from inside another one's
 * report, and the end is told from the loop. */

#include "run/loop.h"

#include "base/errors.h"
#include "run/wait.h"

struct RunLoop {
    Clock *clock;
    RunLoopPolicy policy;
    RunLoopFuncs funcs;
    Wait *wait;
    bool is_running;
    bool in_attempt; /* its report has not come */
    bool is_ending;  /* what the wait leads to: the end, with outcome */
    RunLoopOutcome outcome;
    GError *error; /* of the end */
    unsigned n_errors;
};

static const unsigned run_loop_factors[] = {1, 2, 5, 10, 20, 50, 100};

uint64_t run_loop_delay_usec(const RunLoopPolicy *policy, unsigned n_errors)
{
    guint64 delay_usec;

    g_assert(n_errors > 0);
    if (n_errors <= policy->free_retries)
        return policy->pause_usec;

    size_t step = MIN(n_errors - policy->free_retries, G_N_ELEMENTS(run_loop_factors)) - 1;
    if (!g_uint64_checked_mul(&delay_usec, policy->delay_usec, run_loop_factors[step]))
        return USEC_INFINITY;
    return MAX(delay_usec, policy->pause_usec);
}

static void run_loop_end(RunLoop *loop)
{
    g_autoptr(GError) error = g_steal_pointer(&loop->error);

    loop->is_running = loop->is_ending = false;
    if (loop->funcs.ended != NULL)
        loop->funcs.ended(loop->outcome, error, loop->funcs.data);
}

static void on_run_loop_wait(WaitOutcome outcome, void *data)
{
    RunLoop *loop = data;

    if (outcome == WAIT_CANCELLED || loop->is_ending) {
        run_loop_end(loop);
        return;
    }
    loop->in_attempt = true;
    loop->funcs.call(loop->funcs.data);
}

RunLoop *run_loop_new(Clock *clock, TimerHost *timers, const RunLoopPolicy *policy,
                      const RunLoopFuncs *funcs)
{
    RunLoop *loop = g_new0(RunLoop, 1);

    loop->clock = clock;
    loop->policy = *policy;
    loop->funcs = *funcs;
    loop->wait = wait_new(clock, timers, on_run_loop_wait, loop);
    return loop;
}

void run_loop_free(RunLoop *loop)
{
    if (loop == NULL)
        return;
    wait_free(loop->wait);
    g_clear_error(&loop->error);
    g_free(loop);
}

static void run_loop_continue_in(RunLoop *loop, uint64_t delay_usec)
{
    wait_until(loop->wait, usec_add(clock_monotonic_usec(loop->clock), delay_usec));
}

void run_loop_start(RunLoop *loop)
{
    g_assert(!loop->is_running);
    loop->is_running = true;
    loop->n_errors = 0;
    run_loop_continue_in(loop, 0);
}

/* Takes error. */
static void run_loop_begin_end(RunLoop *loop, RunLoopOutcome outcome, GError *error)
{
    loop->in_attempt = false;
    loop->is_ending = true;
    loop->outcome = outcome;
    loop->error = error;
    if (wait_is_waiting(loop->wait))
        wait_cancel(loop->wait);
    else
        run_loop_continue_in(loop, 0);
}

void run_loop_stop(RunLoop *loop)
{
    if (loop->is_running && !loop->is_ending)
        run_loop_begin_end(loop, RUN_LOOP_STOPPED, NULL);
}

void run_loop_break(RunLoop *loop)
{
    if (loop->is_running && !loop->is_ending)
        run_loop_begin_end(loop, RUN_LOOP_BROKEN, NULL);
}

bool run_loop_is_running(const RunLoop *loop)
{
    return loop->is_running;
}

void run_loop_succeeded(RunLoop *loop)
{
    if (!loop->in_attempt)
        return;
    loop->n_errors = 0;
    if (loop->policy.until_success) {
        run_loop_begin_end(loop, RUN_LOOP_SUCCEEDED, NULL);
        return;
    }
    loop->in_attempt = false;
    run_loop_continue_in(loop, loop->policy.pause_usec);
}

static GError *run_loop_last_error(const RunLoop *loop, const GError *error)
{
    GError *last = g_error_copy(error);

    g_prefix_error(&last, "%u error%s in a row, the last: ", loop->n_errors,
                   loop->n_errors == 1 ? "" : "s");
    return last;
}

void run_loop_failed(RunLoop *loop, const GError *error)
{
    if (!loop->in_attempt)
        return;
    loop->n_errors++;
    if (loop->policy.max_errors > 0 && loop->n_errors >= loop->policy.max_errors) {
        run_loop_begin_end(loop, RUN_LOOP_GAVE_UP, run_loop_last_error(loop, error));
        return;
    }

    uint64_t delay_usec = run_loop_delay_usec(&loop->policy, loop->n_errors);
    loop->in_attempt = false;
    run_loop_continue_in(loop, delay_usec);
    if (loop->funcs.failed != NULL)
        loop->funcs.failed(error, loop->n_errors, delay_usec, loop->funcs.data);
}
