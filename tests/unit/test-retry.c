/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What follows a failure or an end, and what the record then says: retries, limits, counts, times,
 * log. */

#include "service-fixture.h"

#include "base/errors.h"

static void test_retry_delays(void)
{
    static const uint64_t delays[] = {500000, 750000, 1125000};
    setup(CONFIG);
    start();
    for (unsigned i = 0; i < G_N_ELEMENTS(delays); i++) {
        Clock *clock = virtual_loop_clock(fixture.loop);
        fake_apply_fail(service, "no", false);
        assert_state(service, STATE_BACKOFF);
        g_assert_cmpuint(service_state(service)->failed_attempts, ==, i + 1);
        g_assert_cmpuint(service_state(service)->next_attempt_time, ==,
                         clock_wall_usec(clock) + delays[i]);
        g_assert_true(service_state(service)->will_retry);
        core_fixture_advance(&fixture, delays[i] - 1);
        assert_state(service, STATE_BACKOFF);
        core_fixture_advance(&fixture, 1);
        assert_state(service, STATE_STARTING);
    }
    fake_apply_ok(service);
    g_assert_null(service_state(service)->error); /* success clears it */
    g_assert_cmpuint(service_state(service)->last_error_time, >, 0);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 3); /* until it is stable */
    teardown();
}

static void test_max_attempts(void)
{
    setup("{\"restart\": {\"max_attempts\": 3}}");
    start();
    for (unsigned i = 1; i < 3; i++) {
        fake_apply_fail(service, "no", false);
        assert_state(service, STATE_BACKOFF);
        core_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    }
    g_assert_false(service_state(service)->will_retry); /* the next failure is the last */
    fake_apply_fail(service, "no", false);
    assert_state(service, STATE_FAILED);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 3);
    g_assert_cmpuint(service_state(service)->max_attempts, ==, 3);
    teardown();
}

static void test_abort_ends_at_once(void)
{
    setup("{\"restart\": {\"policy\": \"always\"}}");
    start();
    fake_apply_fail(service, "never", true);
    assert_state(service, STATE_FAILED);
    g_assert_cmpstr(service_state(service)->error->message, ==, "never");
    teardown();
}

static void test_no_policy_no_retry(void)
{
    setup("{\"restart\": {\"policy\": \"no\"}}");
    start();
    g_assert_false(service_state(service)->will_retry);
    fake_apply_fail(service, "no", false);
    assert_state(service, STATE_FAILED);
    start(); /* and can be started again, with a clean slate */
    g_assert_null(service_state(service)->error);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    teardown();
}

static void test_ended_policies(void)
{
    static const struct {
        const char *policy;
        int code;
        State state;
        unsigned failed_attempts;
    } rows[] = {
            {"no", 0, STATE_INACTIVE, 0},         {"no", 1, STATE_FAILED, 1},
            {"on-failure", 0, STATE_INACTIVE, 0}, {"on-failure", 1, STATE_BACKOFF, 1},
            {"always", 0, STATE_BACKOFF, 0},      {"always", 1, STATE_BACKOFF, 1},
            {"always", 77, STATE_FAILED, 1},      {"no", 3, STATE_BACKOFF, 1},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *config =
                g_strdup_printf("{\"restart\": {\"policy\": \"%s\", \"prevent_exit_status\": [77],"
                                " \"force_exit_status\": [3]}}",
                                rows[i].policy);
        setup(config);
        start();
        fake_apply_ok(service);
        fake_ended_with_code(service, rows[i].code);
        g_test_message("%s, exit %d", rows[i].policy, rows[i].code);
        assert_state(service, rows[i].state);
        g_assert_cmpuint(service_state(service)->failed_attempts, ==, rows[i].failed_attempts);
        g_assert_cmpint(service_state(service)->error != NULL, ==, rows[i].code != 0);
        teardown();
    }
}

static void test_stable_forgets_failures(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    core_fixture_advance(&fixture, 500000);
    fake_apply_ok(service);
    core_fixture_advance(&fixture, 10 * USEC_PER_SEC - 1);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 1);
    core_fixture_advance(&fixture, 1);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    g_assert_true(seen_ends_with("active(applied) active(stable) "));
    fake_ended(service, "died"); /* so the delay is that of the first attempt */
    g_assert_cmpuint(service_state(service)->next_attempt_time, ==,
                     service_state(service)->last_error_time + 500000);
    teardown();
}

/* A reload is no new beginning: the time until the failures are forgotten goes on. */
static void test_stable_counts_through_a_reload(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    core_fixture_advance(&fixture, 500000);
    fake_apply_ok(service);
    core_fixture_advance(&fixture, 6 * USEC_PER_SEC);
    g_assert_true(service_reload(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    core_fixture_advance(&fixture, 4 * USEC_PER_SEC);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    teardown();
}

/* Nothing is left to forget after a Configure, so nothing is told when the time comes. */
static void test_configure_forgets_failures(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    core_fixture_advance(&fixture, 500000);
    fake_apply_ok(service);
    configure("{\"value\": \"b\"}");
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    fake_apply_ok(service);
    uint64_t serial = service_state(service)->serial;
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    g_assert_cmpuint(service_state(service)->serial, ==, serial);
    teardown();
}

static void test_active_time_is_that_of_the_edge(void)
{
    setup(CONFIG);
    start();
    uint64_t since = service_state(service)->last_active_time;
    core_fixture_advance(&fixture, 10);
    fake_apply_fail(service, "no", false);
    core_fixture_advance(&fixture, 500000);
    fake_apply_ok(service);
    g_assert_cmpuint(service_state(service)->last_active_time, ==, since);
    g_assert_cmpuint(service_state(service)->last_inactive_time, ==, 0);
    teardown();
}

static void test_unstable_keeps_counting(void)
{
    setup(CONFIG);
    start();
    for (unsigned i = 1; i <= 4; i++) {
        fake_apply_ok(service);
        core_fixture_advance(&fixture, USEC_PER_SEC);
        fake_ended(service, "died");
        g_assert_cmpuint(service_state(service)->failed_attempts, ==, i);
        core_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    }
    teardown();
}

static void test_each_reset_of_the_count(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    g_assert_true(service_reset_failed(service, &origin_test, NULL));
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    g_assert_null(service_state(service)->error);
    assert_state(service, STATE_BACKOFF); /* the attempt still comes */
    core_fixture_advance(&fixture, 500000);
    assert_state(service, STATE_STARTING);
    fake_apply_fail(service, "no", true);
    g_assert_true(service_reset_failed(service, &origin_test, NULL));
    assert_state(service, STATE_INACTIVE);
    teardown();
}

static void test_no_delay_meets_start_limit(void)
{
    setup("{\"restart\": {\"initial_delay\": 0}}");
    start();
    unsigned starts = 1;
    for (; starts < 1000; starts++) {
        fake_apply_fail(service, "no", false);
        core_fixture_settle(&fixture);
        if (service_state(service)->state == STATE_FAILED)
            break;
    }
    g_assert_cmpuint(starts, ==, 50);
    g_assert_error(service_state(service)->error, SVCMGR_ERROR, ERROR_START_LIMIT_HIT);
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_START_LIMIT);
    teardown();
}

static void test_start_limit_refuses_start(void)
{
    g_autoptr(GError) error = NULL;
    setup("{\"start_limit\": {\"burst\": 2, \"interval\": \"10s\"}}");
    for (unsigned i = 0; i < 2; i++) {
        start();
        fake_stop_whatever(&fixture, service);
    }
    g_assert_false(service_start(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_START_LIMIT_HIT);
    assert_state(service, STATE_FAILED);
    g_assert_true(service_reset_failed(service, &origin_test, NULL)); /* opens the window again */
    start();
    fake_stop_whatever(&fixture, service);
    start();
    fake_stop_whatever(&fixture, service);
    core_fixture_advance(&fixture, 10 * USEC_PER_SEC); /* and so does time */
    start();
    teardown();
}

static void test_loading_times(void)
{
    setup(CONFIG);
    core_fixture_advance(&fixture, 1000);
    start();
    uint64_t began = service_state(service)->last_loading_start_time;
    g_assert_cmpuint(began, >, 0);
    g_assert_cmpuint(service_state(service)->last_loading_end_time, ==, 0);
    core_fixture_advance(&fixture, 1000);
    fake_apply_fail(service, "no", false); /* still loading */
    g_assert_cmpuint(service_state(service)->last_loading_end_time, ==, 0);
    core_fixture_advance(&fixture, 500000);
    g_assert_cmpuint(service_state(service)->last_loading_start_time, ==, began);
    fake_apply_ok(service);
    g_assert_cmpuint(service_state(service)->last_loading_end_time, ==, began + 501000);
    teardown();
}

static void test_times_follow_the_wall_delays_do_not(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    virtual_loop_shift_wall(fixture.loop, -3600 * (int64_t)USEC_PER_SEC);
    core_fixture_advance(&fixture, 500000);
    assert_state(service, STATE_STARTING);
    teardown();
}

static void test_ending_then_ended(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    fake_ending(service, "killed");
    assert_state(service, STATE_STOPPING);
    g_assert_cmpstr(service_state(service)->error->message, ==, "killed");
    uint64_t since = service_state(service)->last_error_time;
    core_fixture_advance(&fixture, 100);
    fake_ended(service, "killed");
    assert_state(service, STATE_BACKOFF);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 1);
    g_assert_cmpuint(service_state(service)->last_error_time, ==,
                     since); /* one failure, told once */
    teardown();
}

static void test_sub_state_goes_with_the_transition(void)
{
    setup(CONFIG);
    start();
    service_set_sub_state(service, "running");
    fake_apply_ok(service);
    core_fixture_settle(&fixture);
    assert_seen("starting(method) active(applied) ");
    g_assert_cmpstr(service_state(service)->sub_state, ==, "running");
    service_set_sub_state(service, "running"); /* the same: nothing */
    core_fixture_settle(&fixture);
    assert_seen("");
    service_set_sub_state(service, "paused"); /* alone: a change of its own */
    core_fixture_settle(&fixture);
    assert_seen("active(kind) ");
    teardown();
}

static void test_log_cadence(void)
{
    setup(CONFIG);
    start();
    for (unsigned i = 1; i <= 26; i++) {
        fake_apply_fail(service, "no luck", false);
        core_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    }
    fake_apply_ok(service);
    core_fixture_advance(&fixture, 10 * USEC_PER_SEC);
    g_assert_cmpstr(fixture.log->str, ==,
                    "web: failure 1 in a row: no luck; next attempt in 500ms\n"
                    "web: failure 5 in a row: no luck; next attempt in 2s 500ms\n"
                    "web: failure 25 in a row: no luck; next attempt in 30s\n"
                    "web: recovered after 26 failures in a row\n");
    teardown();
}

static void test_history_keeps_the_last_moves(void)
{
    HistoryEntry history[SERVICE_HISTORY];
    setup(CONFIG);
    g_assert_cmpuint(service_history(service, history), ==, 0);
    for (unsigned i = 0; i < 10; i++) {
        start();
        fake_apply_ok(service);
        stop();
        fake_stop_done(service, NULL);
    }
    g_assert_cmpuint(service_history(service, history), ==, SERVICE_HISTORY);
    for (unsigned i = 1; i < SERVICE_HISTORY; i++) {
        g_assert_cmpuint(history[i].serial, ==, history[i - 1].serial + 1);
        g_assert_cmpint(history[i].from, ==, history[i - 1].to);
    }
    g_assert_cmpuint(history[SERVICE_HISTORY - 1].serial, ==, service_state(service)->serial);
    g_assert_cmpint(history[SERVICE_HISTORY - 1].to, ==, STATE_INACTIVE);
    teardown();
}

static void test_errors_are_kept_for_health(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "first", false);
    core_fixture_advance(&fixture, 500000);
    fake_apply_fail(service, "second", false);
    g_autoptr(GError) all = error_buffer_peek(service_errors(service));
    g_assert_cmpstr(all->message, ==, "first\nsecond");
    g_assert_cmpuint(error_buffer_count(service_errors(service)), ==,
                     2); /* reading empties nothing */
    teardown();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(void);
    } tests[] = {
            {"/service/retry/delays", test_retry_delays},
            {"/service/retry/max-attempts", test_max_attempts},
            {"/service/retry/abort", test_abort_ends_at_once},
            {"/service/retry/no-policy", test_no_policy_no_retry},
            {"/service/retry/stable-forgets-failures", test_stable_forgets_failures},
            {"/service/retry/stable-counts-through-a-reload", test_stable_counts_through_a_reload},
            {"/service/retry/configure-forgets-failures", test_configure_forgets_failures},
            {"/service/record/active-since-the-edge", test_active_time_is_that_of_the_edge},
            {"/service/retry/unstable-keeps-counting", test_unstable_keeps_counting},
            {"/service/retry/reset-failed", test_each_reset_of_the_count},
            {"/service/retry/log-cadence", test_log_cadence},
            {"/service/retry/wall-clock-jumps", test_times_follow_the_wall_delays_do_not},
            {"/service/ended/policies", test_ended_policies},
            {"/service/ended/ending-first", test_ending_then_ended},
            {"/service/start-limit/no-delay", test_no_delay_meets_start_limit},
            {"/service/start-limit/refuses-start", test_start_limit_refuses_start},
            {"/service/record/loading-times", test_loading_times},
            {"/service/record/sub-state", test_sub_state_goes_with_the_transition},
            {"/service/record/history", test_history_keeps_the_last_moves},
            {"/service/errors/kept-for-health", test_errors_are_kept_for_health},
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    return g_test_run();
}
