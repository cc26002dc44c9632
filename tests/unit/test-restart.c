/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/restart.h"

#include "base/errors.h"

static RestartPolicy policy_of(RestartMode mode)
{
    RestartPolicy policy = restart_policy_default;
    policy.mode = mode;
    exit_set_add_code(&policy.prevent, 77);
    exit_set_add_signal(&policy.prevent, 15);
    exit_set_add_code(&policy.force, 3);
    return policy;
}

static void policy_clear(RestartPolicy *policy)
{
    exit_set_clear(&policy->prevent);
    exit_set_clear(&policy->force);
}

static void test_decisions(void)
{
    static const struct {
        RestartMode mode;
        bool failed, abort;
        ExitStatus exit;
        unsigned attempts, max_attempts;
        bool restart;
    } rows[] = {
            {RESTART_NO, true, false, {0}, 1, 0, false},
            {RESTART_NO, false, false, {0}, 0, 0, false},
            {RESTART_ON_FAILURE, true, false, {0}, 1, 0, true},
            {RESTART_ON_FAILURE, false, false, {.known = true}, 0, 0, false},
            {RESTART_ALWAYS, false, false, {.known = true}, 0, 0, true},
            {RESTART_ALWAYS, true, false, {0}, 1, 0, true},
            {RESTART_ALWAYS, true, true, {0}, 1, 0, false},
            {RESTART_ALWAYS, true, false, {.known = true, .value = 77}, 1, 0, false},
            {RESTART_ALWAYS,
             true,
             false,
             {.known = true, .signaled = true, .value = 15},
             1,
             0,
             false},
            {RESTART_ALWAYS,
             true,
             false,
             {.known = true, .signaled = true, .value = 9},
             1,
             0,
             true},
            {RESTART_NO, true, false, {.known = true, .value = 3}, 1, 0, true},
            {RESTART_ON_FAILURE, true, false, {0}, 2, 3, true},
            {RESTART_ON_FAILURE, true, false, {0}, 3, 3, false},
            {RESTART_ALWAYS, false, false, {.known = true}, 3, 3, true},
    };
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "died");
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        RestartPolicy policy = policy_of(rows[i].mode);
        policy.backoff.max_attempts = rows[i].max_attempts;
        Failure failure = {.abort = rows[i].abort, .exit = rows[i].exit, .error = error};
        RestartVerdict verdict = restart_decide(&policy, rows[i].failed ? &failure : NULL,
                                                &rows[i].exit, rows[i].attempts, random_system());
        g_test_message("row %u: %s", i, verdict.reason);
        g_assert_cmpint(verdict.restart, ==, rows[i].restart);
        g_assert_nonnull(verdict.reason);
        policy_clear(&policy);
    }
}

static void test_delay_grows_and_clean_ends_wait_initially(void)
{
    RestartPolicy policy = policy_of(RESTART_ALWAYS);
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "died");
    Failure failure = {.error = error};
    g_assert_cmpuint(restart_decide(&policy, &failure, NULL, 3, random_system()).delay_usec, ==,
                     1125000);
    g_assert_cmpuint(restart_decide(&policy, NULL, NULL, 3, random_system()).delay_usec, ==,
                     500000);
    policy_clear(&policy);
}

static void test_exit_set(void)
{
    ExitSet set = {0};
    exit_set_add_code(&set, 0);
    exit_set_add_code(&set, 255);
    exit_set_add_signal(&set, 1);
    exit_set_add_signal(&set, 64);
    for (int value = 0; value <= 300; value++) {
        ExitStatus code = {.known = true, .value = value};
        ExitStatus killed = {.known = true, .signaled = true, .value = value};
        g_assert_cmpint(exit_set_has(&set, &code), ==, value == 0 || value == 255);
        g_assert_cmpint(exit_set_has(&set, &killed), ==, value == 1 || value == 64);
    }
    g_assert_false(exit_set_has(&set, &(ExitStatus){0}));
    g_assert_false(exit_set_has(&set, NULL));
    exit_set_clear(&set);
    g_assert_false(exit_set_has(&set, &(ExitStatus){.known = true}));
}

static void test_start_window(void)
{
    StartWindow window = {0};
    StartLimit limit = {.burst = 3, .interval_usec = 100};
    g_assert_true(start_window_admit(&window, &limit, 1000));
    g_assert_true(start_window_admit(&window, &limit, 1010));
    g_assert_true(start_window_admit(&window, &limit, 1020));
    g_assert_false(start_window_admit(&window, &limit, 1099));
    g_assert_true(start_window_admit(&window, &limit, 1100));
    g_assert_false(start_window_admit(&window, &limit, 1109));
    g_assert_true(start_window_admit(&window, &limit, 5000));
    start_window_reset(&window);
    limit.burst = 1000;
    for (unsigned i = 0; i < 1000; i++)
        g_assert_true(start_window_admit(&window, &limit, 6000));
    g_assert_false(start_window_admit(&window, &limit, 6000));
    start_window_reset(&window);
    limit.burst = 0;
    for (unsigned i = 0; i < 1000; i++)
        g_assert_true(start_window_admit(&window, &limit, 6000));
    g_assert_cmpuint(window.count, ==, 0);
}

static void test_limit_implied_by_no_delay(void)
{
    RestartPolicy policy = restart_policy_default;
    StartLimit none = {.interval_usec = 10 * USEC_PER_SEC};
    StartLimit own = {.burst = 2, .interval_usec = 1};
    g_assert_cmpuint(start_limit_effective(&none, &policy).burst, ==, 0);
    policy.backoff.initial_usec = policy.backoff.min_usec = 0;
    g_assert_cmpuint(start_limit_effective(&none, &policy).burst, ==, 50);
    g_assert_cmpuint(start_limit_effective(&none, &policy).interval_usec, ==, 10 * USEC_PER_SEC);
    g_assert_cmpuint(start_limit_effective(&own, &policy).burst, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/restart/decide", test_decisions);
    g_test_add_func("/restart/delay", test_delay_grows_and_clean_ends_wait_initially);
    g_test_add_func("/restart/exit-set", test_exit_set);
    g_test_add_func("/restart/start-limit/window", test_start_window);
    g_test_add_func("/restart/start-limit/implied-by-no-delay", test_limit_implied_by_no_delay);
    return g_test_run();
}
