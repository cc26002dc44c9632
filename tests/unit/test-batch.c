/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is started as one, in which order, and what is left when it goes wrong. */

#include "batch-fixture.h"

#include <string.h>

#define MANY 4000

/* Starting */

static void test_start_together(void)
{
    make("db", "{}");
    make("web", "{'requires': ['db']}");
    make("log", "{}");
    begin_start(&one, "web db log", PLAIN);
    assert_states("web db log", "web:waiting(dependencies) db:starting log:starting");
    ok("log");
    ok("db");
    assert_outcome(&one, "");
    ok("web");
    assert_outcome(&one, "web:active+ db:active+ log:active+");
    const StateRecord *record = service_state(find("log"));
    g_assert_cmpint(record->cause, ==, CAUSE_APPLIED);
}

static void test_start_origin(void)
{
    make("db", "{}");
    make("web", "{'requires': ['db']}");
    make("log", "{}");
    begin_start(&one, "log web", PLAIN);
    g_assert_cmpint(service_state(find("log"))->cause, ==, CAUSE_METHOD);
    g_assert_cmpstr(service_state(find("log"))->method, ==, "Test");
    g_assert_cmpint(service_state(find("db"))->cause, ==, CAUSE_DEPENDENCY);
    ok("log");
    ok("db");
    ok("web");
    assert_outcome(&one, "log:active+ web:active+");
}

static void test_start_nothing(void)
{
    begin_start(&one, "", PLAIN);
}

static void test_start_ordered(void)
{
    make("a", "{}");
    make("b", "{'wants': ['d']}");
    make("c", "{}");
    make("d", "{}");
    up("b");
    ok("d");
    begin_start(&one, "a b c", ORDERED);
    assert_states("a b c", "a:starting b:active c:inactive");
    ok("a");
    assert_states("a b c", "a:active b:active c:starting");
    ok("c");
    assert_outcome(&one, "a:active+ b:active c:active+");
}

static void test_start_all_up(void)
{
    make("a", "{}");
    make("b", "{}");
    up("a");
    g_assert_true(service_start(find("b"), &origin_test, NULL));
    begin_start(&one, "a b", PLAIN);
    assert_outcome(&one, "");
    ok("b"); /* started by somebody else, and waited for */
    assert_outcome(&one, "a:active b:active");
}

static void test_start_refused(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    up("b");
    stop("b");
    up("c");
    service_begin_delete(find("c"), &origin_test);
    core_fixture_settle(&fixture);
    assert_refused("a x", PLAIN, ERROR_NOT_FOUND, "there is no service 'x'");
    assert_refused("a b c a", PLAIN, ERROR_BUSY,
                   "service 'b' is stopping; wait until it is inactive\n"
                   "service 'c' is being deleted\n"
                   "service 'a' is named twice");
    stopped("b");
    fake_stop_done(find("c"), NULL);
}

static void test_start_again_what_stops(void)
{
    make("a", "{}");
    up("a");
    stop("a");
    begin_start(&one, "a", PATIENT);
    assert_states("a", "a:stopping");
    stopped("a");
    ok("a");
    assert_outcome(&one, "a:active+");
}

/* A chain, whose first one fails when all the others wait for it: each is stopped again. */
static void test_start_many(void)
{
    g_autoptr(GString) ids = g_string_new("s0");
    make("s0", "{}");
    for (int i = 1; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("s%d", i);
        g_autofree char *config = g_strdup_printf("{'requires': ['s%d']}", i - 1);
        make(id, config);
        g_string_append_printf(ids, " %s", id);
    }
    g_test_timer_start();
    begin_start(&one, ids->str, PLAIN);
    g_assert_cmpuint(map_counts(map)->by_state[STATE_WAITING], ==, MANY - 1);
    fail("s0", "no disk", true);
    for (int i = MANY - 1; i > 0; i--) {
        g_autofree char *id = g_strdup_printf("s%d", i);
        stopped(id);
    }
    g_assert_true(g_str_has_prefix(one.outcome->str, "s0:failed=no disk s1:inactive"));
    g_assert_true(g_str_has_suffix(one.outcome->str, " | service 's0': no disk"));
    g_assert_cmpuint(map_counts(map)->active, ==, 0);
    g_test_minimized_result(g_test_timer_elapsed(), "%d services", MANY);
}

/* Failing */

static void test_fail_undoes_in_reverse(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    make("d", "{}");
    make("e", "{}");
    up("b");
    begin_start(&one, "a b c d e", ORDERED);
    ok("a");
    ok("c");
    fail("d", "no disk", true);
    assert_states("a b c d e", "a:active b:active c:stopping d:failed e:inactive");
    stopped("c");
    assert_states("a b c", "a:stopping b:active c:inactive");
    assert_outcome(&one, "");
    stopped("a");
    assert_outcome(&one, "a:inactive b:active c:inactive d:failed=no disk e:inactive | "
                         "service 'd': no disk");
}

static void test_fail_undoes_together(void)
{
    make("db", "{}");
    make("web", "{'after': ['db']}");
    make("log", "{}");
    make("bad", "{}");
    begin_start(&one, "db web log bad", PLAIN);
    ok("db");
    ok("web");
    fail("bad", "no disk", true);
    assert_states("db web log", "db:stopping(dependents) web:stopping log:stopping");
    stopped("log");
    stopped("web");
    stopped("db");
    assert_outcome(&one, "db:inactive web:inactive log:inactive bad:failed=no disk | "
                         "service 'bad': no disk");
}

/* What went wrong with the undoing is told besides. */
static void test_fail_tells_of_the_undoing(void)
{
    make("log", "{}");
    make("web", "{'requires': ['missing'], 'wants': ['log']}");
    begin_start(&one, "web", PLAIN);
    fake_stop_done(find("log"), "would not go");
    stopped("web");
    assert_outcome(&one, "web:inactive=requires 'missing', which is not there | "
                         "service 'web': requires 'missing', which is not there\n"
                         "service 'log': would not go");
}

/* Who only waited for it is no cause. */
static void test_fail_names_causes_only(void)
{
    make("db", "{}");
    make("web", "{'requires': ['db']}");
    make("page", "{'requires': ['web']}");
    begin_start(&one, "page web db", PLAIN);
    fail("db", "no disk", true);
    stopped("page");
    stopped("web");
    assert_outcome(&one, "page:inactive=requires 'web', which waits for 'db', which has failed: no "
                         "disk web:inactive=requires 'db', which has failed: no disk "
                         "db:failed=no disk | service 'db': no disk");
}

static void test_fail_joins_causes(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    begin_start(&one, "a b c", PLAIN);
    ok("c");
    fake_apply_fail(find("a"), "no disk", true); /* both before the loop turns */
    fake_apply_fail(find("b"), "no memory", true);
    core_fixture_settle(&fixture);
    fake_stop_done(find("c"), "would not go");
    assert_outcome(&one, "a:failed=no disk b:failed=no memory c:failed=would not go | "
                         "service 'a': no disk\nservice 'b': no memory\nservice 'c': would not go");
}

static void test_fail_undoes_what_came_along(void)
{
    make("disk", "{}");
    make("db", "{'requires': ['disk']}");
    make("log", "{}");
    make("web", "{'requires': ['db'], 'wants': ['log']}");
    make("bad", "{'after': ['web']}");
    begin_start(&one, "web bad", PLAIN);
    ok("log");
    ok("disk");
    ok("db");
    ok("web");
    fail("bad", "broken", true);
    stopped("log");
    stopped("web");
    stopped("db");
    assert_states("disk db log web", "disk:stopping db:inactive log:inactive web:inactive");
    stopped("disk");
    assert_outcome(&one, "web:inactive bad:failed=broken | service 'bad': broken");
}

static void test_fail_leaves_what_others_need(void)
{
    make("disk", "{}");
    make("db", "{'requires': ['disk']}");
    make("log", "{}");
    make("web", "{'requires': ['db', 'log']}");
    make("report", "{'requires': ['db']}");
    begin_start(&one, "web", PLAIN);
    ok("log");
    ok("disk");
    ok("db");
    up("report");
    fail("web", "broken", true);
    stopped("log");
    assert_outcome(&one, "web:failed=broken | service 'web': broken");
    assert_states("disk db log report", "disk:active db:active log:inactive report:active");
}

static void test_fail_by_backoff(void)
{
    make("a", "{}");
    begin_start(&one, "a", PLAIN);
    fail("a", "no disk", false);
    assert_states("a", "a:stopping");
    stopped("a");
    assert_outcome(&one, "a:inactive=no disk | service 'a': no disk");
}

static void test_patient_waits_for_retries(void)
{
    make("a", "{}");
    begin_start(&one, "a", PATIENT);
    fail("a", "no disk", false);
    assert_states("a", "a:backoff");
    core_fixture_advance(&fixture, 500 * USEC_PER_MSEC);
    assert_outcome(&one, "");
    ok("a");
    assert_outcome(&one, "a:active+");
}

static void test_patient_fails_for_good(void)
{
    make("a", "{'restart': {'max_attempts': 2}}");
    make("b", "{}");
    begin_start(&one, "b a", PATIENT);
    ok("b");
    fail("a", "no disk", false);
    core_fixture_advance(&fixture, 500 * USEC_PER_MSEC);
    fail("a", "no disk, again", false);
    stopped("b");
    assert_outcome(&one, "b:inactive a:failed=no disk, again | service 'a': no disk, again");
}

static void test_fail_by_blocking(void)
{
    make("web", "{'requires': ['db']}");
    begin_start(&one, "web", PLAIN);
    stopped("web");
    assert_outcome(&one, "web:inactive=requires 'db', which is not there | "
                         "service 'web': requires 'db', which is not there");
}

static void test_patient_waits_when_blocked(void)
{
    make("web", "{'requires': ['db']}");
    begin_start(&one, "web", PATIENT);
    assert_states("web", "web:waiting(blocked)");
    make("db", "{}");
    ok("db");
    ok("web");
    assert_outcome(&one, "web:active+");
}

static void test_fail_by_crash_of_one_that_was_up(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PLAIN);
    ok("a");
    fake_ended(find("a"), "crashed");
    core_fixture_settle(&fixture);
    stopped("a");
    stopped("b");
    assert_outcome(&one, "a:inactive=crashed b:inactive | service 'a': crashed");
}

static void test_patient_waits_for_one_that_crashed(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PATIENT);
    ok("a");
    fake_ended(find("a"), "crashed");
    ok("b");
    assert_outcome(&one, "");
    core_fixture_advance(&fixture, 500 * USEC_PER_MSEC);
    ok("a");
    assert_outcome(&one, "a:active+ b:active+");
}

static void test_fail_by_unkillable(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "b a", PLAIN);
    ok("b");
    fake_unkillable(find("a"), "survives everything");
    core_fixture_settle(&fixture);
    stopped("b");
    assert_outcome(&one, "b:inactive a:stopping+=survives everything | "
                         "service 'a': survives everything");
    fake_ended(find("a"), NULL);
}

static void test_fail_by_start_limit(void)
{
    make("a", "{'start_limit': {'burst': 1, 'interval': '1h'}}");
    make("b", "{}");
    up("a");
    stop("a");
    stopped("a");
    begin_start(&one, "b a", PLAIN);
    stopped("b");
    assert_outcome(&one, "b:inactive a:failed=more than 1 starts in 1h; reset-failed clears this "
                         "| service 'a': more than 1 starts in 1h; reset-failed clears this");
}

static const BatchRow rows[] = {
        {"/batch/start/together", test_start_together},
        {"/batch/start/origin", test_start_origin},
        {"/batch/start/nothing", test_start_nothing},
        {"/batch/start/ordered", test_start_ordered},
        {"/batch/start/all-up", test_start_all_up},
        {"/batch/start/many", test_start_many},
        {"/batch/start/refused", test_start_refused},
        {"/batch/start/again-what-stops", test_start_again_what_stops},
        {"/batch/fail/undoes-in-reverse", test_fail_undoes_in_reverse},
        {"/batch/fail/undoes-together", test_fail_undoes_together},
        {"/batch/fail/joins-causes", test_fail_joins_causes},
        {"/batch/fail/tells-of-the-undoing", test_fail_tells_of_the_undoing},
        {"/batch/fail/names-causes-only", test_fail_names_causes_only},
        {"/batch/fail/undoes-what-came-along", test_fail_undoes_what_came_along},
        {"/batch/fail/leaves-what-others-need", test_fail_leaves_what_others_need},
        {"/batch/fail/backoff", test_fail_by_backoff},
        {"/batch/fail/blocked", test_fail_by_blocking},
        {"/batch/fail/crash-of-one-that-was-up", test_fail_by_crash_of_one_that_was_up},
        {"/batch/fail/unkillable", test_fail_by_unkillable},
        {"/batch/fail/start-limit", test_fail_by_start_limit},
        {"/batch/patient/retries", test_patient_waits_for_retries},
        {"/batch/patient/fails-for-good", test_patient_fails_for_good},
        {"/batch/patient/blocked", test_patient_waits_when_blocked},
        {"/batch/patient/crash", test_patient_waits_for_one_that_crashed},
};

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    add_batch_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
