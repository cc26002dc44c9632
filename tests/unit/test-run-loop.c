/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loops and retries in virtual time: a script says how each attempt comes out, and when the next
 * one is says what was made of it. */

#include "base/errors.h"
#include "base/virtual.h"
#include "run/loop.h"

typedef struct Fixture {
    VirtualLoop *loop;
    RunLoop *run_loop;
    const char *script; /* of each attempt: s(ucceeds), f(ails), b(reaks), x(stops), . (nothing) */
    GString *seen;      /* the seconds of the attempts, and the end */
    GString *delays;    /* of the errors, "N:SECONDS " */
    unsigned starts_again;
} Fixture;

static void report_failed(Fixture *fixture)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "engaged");

    run_loop_failed(fixture->run_loop, error);
}

static void on_call(void *data)
{
    Fixture *fixture = data;
    uint64_t now_usec = clock_monotonic_usec(virtual_loop_clock(fixture->loop));
    char how = *fixture->script != '\0' ? *fixture->script++ : '.';

    g_string_append_printf(fixture->seen, "%" G_GUINT64_FORMAT " ", now_usec / USEC_PER_SEC);
    if (how == 's')
        run_loop_succeeded(fixture->run_loop);
    else if (how == 'f')
        report_failed(fixture);
    else if (how == 'b')
        run_loop_break(fixture->run_loop);
    else if (how == 'x')
        run_loop_stop(fixture->run_loop);
}

static void on_failed(const GError *error, unsigned n_errors, uint64_t delay_usec, void *data)
{
    Fixture *fixture = data;

    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_BUSY);
    g_string_append_printf(fixture->delays, "%u:%" G_GUINT64_FORMAT " ", n_errors,
                           delay_usec / USEC_PER_SEC);
}

static void on_ended(RunLoopOutcome outcome, const GError *error, void *data)
{
    static const char *const outcomes[] = {"succeeded", "broken", "gave-up", "stopped"};
    Fixture *fixture = data;

    g_string_append_printf(fixture->seen, "%s%s%s", outcomes[outcome], error != NULL ? ": " : "",
                           error != NULL ? error->message : "");
    g_assert_false(run_loop_is_running(fixture->run_loop));
    if (fixture->starts_again > 0) {
        fixture->starts_again--;
        g_string_append_c(fixture->seen, ' ');
        run_loop_start(fixture->run_loop);
    }
}

static void fixture_begin(Fixture *fixture, const RunLoopPolicy *policy, const char *script)
{
    RunLoopFuncs funcs = {on_call, on_failed, on_ended, fixture};

    *fixture = (Fixture){.loop = virtual_loop_new(), .script = script};
    fixture->seen = g_string_new(NULL);
    fixture->delays = g_string_new(NULL);
    fixture->run_loop = run_loop_new(virtual_loop_clock(fixture->loop),
                                     virtual_loop_timers(fixture->loop), policy, &funcs);
    run_loop_start(fixture->run_loop);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    g_assert_true(run_loop_is_running(fixture->run_loop));
}

static void fixture_end(Fixture *fixture)
{
    run_loop_free(fixture->run_loop);
    virtual_loop_free(fixture->loop);
    g_string_free(fixture->seen, TRUE);
    g_string_free(fixture->delays, TRUE);
}

static void advance(Fixture *fixture, uint64_t seconds)
{
    virtual_loop_advance(fixture->loop, seconds * USEC_PER_SEC);
}

/* Time begins with second 1. */
typedef struct Row {
    const char *path;
    RunLoopPolicy policy;
    const char *script;
    const char *seen;
    const char *delays;
} Row;

#define S USEC_PER_SEC

static const Row rows[] = {
        {"/run-loop/pause", {.pause_usec = 10 * S}, "ssss", "1 11 21 31 41 ", ""},
        {"/run-loop/no-pause", {0}, "sss", "1 1 1 1 ", ""},
        {"/run-loop/errors-then-success",
         {.pause_usec = 10 * S, .free_retries = 1, .delay_usec = 20 * S},
         "fffsf",
         "1 11 31 71 81 91 ",
         "1:10 2:20 3:40 1:10 "},
        {"/run-loop/delay-is-no-less-than-pause",
         {.pause_usec = 10 * S, .delay_usec = 3 * S},
         "ffff",
         "1 11 21 36 66 ",
         "1:10 2:10 3:15 4:30 "},
        {"/run-loop/max-errors",
         {.pause_usec = 10 * S, .max_errors = 3},
         "ffsfff",
         "1 11 21 31 41 51 gave-up: 3 errors in a row, the last: engaged",
         "1:10 2:10 1:10 2:10 "},
        {"/run-loop/break", {.pause_usec = 10 * S}, "sb", "1 11 broken", ""},
        {"/run-loop/stop-inside", {.pause_usec = 10 * S}, "sx", "1 11 stopped", ""},
        {"/run-loop/retry/at-once", {.until_success = true}, "s", "1 succeeded", ""},
        {"/run-loop/retry/back-off",
         {.until_success = true, .free_retries = 2, .delay_usec = S},
         "ffffffffffs",
         "1 1 1 2 4 9 19 39 89 189 289 succeeded",
         "1:0 2:0 3:1 4:2 5:5 6:10 7:20 8:50 9:100 10:100 "},
        {"/run-loop/retry/max-errors",
         {.until_success = true, .delay_usec = S, .max_errors = 1},
         "f",
         "1 gave-up: 1 error in a row, the last: engaged",
         ""},
        {"/run-loop/retry/break",
         {.until_success = true, .delay_usec = S},
         "ffb",
         "1 2 4 broken",
         "1:1 2:2 "},
};

static void test_row(const void *data)
{
    const Row *row = data;
    Fixture fixture;

    fixture_begin(&fixture, &row->policy, row->script);
    advance(&fixture, 3600);
    g_assert_cmpstr(fixture.seen->str, ==, row->seen);
    g_assert_cmpstr(fixture.delays->str, ==, row->delays);
    fixture_end(&fixture);
}

static void test_delay(void)
{
    RunLoopPolicy policy = {.pause_usec = 3, .free_retries = 2, .delay_usec = 10};
    static const uint64_t delays[] = {3, 3, 10, 20, 50, 100, 200, 500, 1000, 1000, 1000};
    RunLoopPolicy vast = {.delay_usec = USEC_INFINITY / 4};

    for (unsigned i = 0; i < G_N_ELEMENTS(delays); i++)
        g_assert_cmpuint(run_loop_delay_usec(&policy, i + 1), ==, delays[i]);
    g_assert_cmpuint(run_loop_delay_usec(&policy, G_MAXUINT), ==, 1000);
    g_assert_cmpuint(run_loop_delay_usec(&vast, 3), ==, USEC_INFINITY);
}

/* The next attempt waits for the report, however late it comes. */
static void test_later_report(void)
{
    RunLoopPolicy policy = {.until_success = true, .delay_usec = S};
    Fixture fixture;

    fixture_begin(&fixture, &policy, "..");
    advance(&fixture, 99);
    g_assert_cmpstr(fixture.seen->str, ==, "1 ");
    report_failed(&fixture);
    report_failed(&fixture); /* said twice */
    g_assert_cmpstr(fixture.delays->str, ==, "1:1 ");
    advance(&fixture, 9);
    g_assert_cmpstr(fixture.seen->str, ==, "1 101 ");
    run_loop_succeeded(fixture.run_loop);
    run_loop_succeeded(fixture.run_loop);
    g_assert_true(run_loop_is_running(fixture.run_loop));
    advance(&fixture, 9);
    g_assert_cmpstr(fixture.seen->str, ==, "1 101 succeeded");
    fixture_end(&fixture);
}

/* In the middle of a pause, and of an attempt. */
static void test_stop(void)
{
    RunLoopPolicy policy = {.pause_usec = 10 * S};
    Fixture fixture;

    fixture_begin(&fixture, &policy, "s.");
    fixture.starts_again = 1;
    advance(&fixture, 5);
    run_loop_stop(fixture.run_loop);
    run_loop_stop(fixture.run_loop);
    g_assert_cmpstr(fixture.seen->str, ==, "1 ");
    virtual_loop_settle(fixture.loop);
    g_assert_cmpstr(fixture.seen->str, ==, "1 stopped 6 ");
    run_loop_stop(fixture.run_loop);
    run_loop_succeeded(fixture.run_loop);
    advance(&fixture, 60);
    g_assert_cmpstr(fixture.seen->str, ==, "1 stopped 6 stopped");
    run_loop_stop(fixture.run_loop);
    advance(&fixture, 60);
    g_assert_cmpstr(fixture.seen->str, ==, "1 stopped 6 stopped");
    fixture_end(&fixture);
}

/* A new start has no errors behind it. */
static void test_start_again(void)
{
    RunLoopPolicy policy = {.until_success = true, .delay_usec = S, .max_errors = 2};
    Fixture fixture;

    fixture_begin(&fixture, &policy, "fffs");
    fixture.starts_again = 1;
    advance(&fixture, 60);
    g_assert_cmpstr(fixture.seen->str, ==,
                    "1 2 gave-up: 2 errors in a row, the last: engaged 2 3 succeeded");
    g_assert_cmpstr(fixture.delays->str, ==, "1:1 1:1 ");
    fixture_end(&fixture);
}

static void test_free(void)
{
    RunLoopPolicy policy = {.max_errors = 1};
    Fixture fixture;

    fixture_begin(&fixture, &policy, "f");
    run_loop_free(NULL);
    virtual_loop_settle(fixture.loop);
    g_string_truncate(fixture.seen, 0);
    run_loop_start(fixture.run_loop);
    virtual_loop_settle(fixture.loop);
    report_failed(&fixture); /* its end is due, with an error that must be freed */
    g_clear_pointer(&fixture.run_loop, run_loop_free);
    virtual_loop_settle(fixture.loop);
    g_assert_cmpstr(fixture.seen->str, ==, "1 ");
    fixture_end(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_test_add_data_func(rows[i].path, &rows[i], test_row);
    g_test_add_func("/run-loop/delay", test_delay);
    g_test_add_func("/run-loop/later-report", test_later_report);
    g_test_add_func("/run-loop/stop", test_stop);
    g_test_add_func("/run-loop/start-again", test_start_again);
    g_test_add_func("/run-loop/free", test_free);
    return g_test_run();
}
