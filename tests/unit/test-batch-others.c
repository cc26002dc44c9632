/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others do to the services of a batch meanwhile; stops, and batches that are given up. */

#include "batch-fixture.h"

#include <string.h>

/* Others who do something meanwhile */

static void test_stopped_meanwhile(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PLAIN);
    ok("a");
    stop("b");
    stopped("b");
    stopped("a");
    assert_outcome(&one, "a:inactive b:inactive=it has stopped before all were up | "
                         "service 'b': it has stopped before all were up");
}

static void test_stopped_meanwhile_patient(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PATIENT);
    stop("b");
    stopped("b");
    ok("a");
    assert_outcome(&one, "a:active+ b:inactive");
}

static void test_deleted_meanwhile(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PATIENT);
    ok("a");
    delete ("b");
    core_fixture_settle(&fixture);
    fake_stop_done(find("b"), NULL);
    core_fixture_settle(&fixture);
    stopped("a");
    assert_outcome(&one, "a:inactive b:gone=it was deleted | service 'b': it was deleted");
}

static void test_two_starts_at_once(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    begin_start(&one, "a b", PLAIN);
    begin_start(&two, "b c", PLAIN);
    ok("a");
    ok("b");
    assert_outcome(&one, "a:active+ b:active+");
    fail("c", "no disk", true);
    assert_outcome(&two, "b:active c:failed=no disk | service 'c': no disk");
}

static void test_two_starts_of_one_that_fails(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PLAIN);
    begin_start(&two, "a b", PLAIN);
    ok("a");
    fail("b", "no disk", true);
    assert_outcome(&two, "a:stopping b:failed=no disk | service 'b': no disk");
    assert_outcome(&one, "");
    stopped("a");
    assert_outcome(&one, "a:inactive b:failed=no disk | service 'b': no disk");
}

static void test_start_and_stop_at_once(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PLAIN);
    ok("a");
    begin_stop(&two, "b", false);
    stopped("b");
    assert_outcome(&two, "b:inactive");
    stopped("a");
    assert_outcome(&one, "a:inactive b:inactive=it has stopped before all were up | "
                         "service 'b': it has stopped before all were up");
}

static void test_stop_and_start_at_once(void)
{
    make("a", "{}");
    up("a");
    begin_stop(&two, "a", false);
    begin_start(&one, "a", PATIENT);
    stopped("a");
    assert_outcome(&two, "a:starting=it was started again by somebody else | "
                         "service 'a': it was started again by somebody else");
    ok("a");
    assert_outcome(&one, "a:active+");
}

/* What somebody else has started is not undone. */
static void test_restarted_by_another(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", PATIENT);
    ok("a");
    stop("a");
    stopped("a");
    up("a");
    fail("b", "no disk", true);
    assert_outcome(&one, "a:active b:failed=no disk | service 'b': no disk");
}

/* Conflicts */

static void test_conflict(void)
{
    make("a", "{}");
    make("b", "{'conflicts': ['a', 'c']}");
    make("c", "{}");
    assert_refused("a b", ORDERED, ERROR_CONFLICT,
                   "'a' (asked for) and 'b' (asked for) are in conflict: only one of them can run");
    up("c");
    assert_refused("b", AT_STARTUP, ERROR_CONFLICT,
                   "'b' conflicts with 'c', which was started before it");
    begin_start(&one, "b", PLAIN);
    assert_states("b c", "b:waiting(dependencies) c:stopping");
    stopped("c");
    ok("b");
    assert_outcome(&one, "b:active+");
}

/* Two of them come to be in conflict when the first one runs. */
static void test_conflict_later(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", ORDERED);
    g_assert_true(
            service_configure(find("b"), "{\"conflicts\": [\"a\"]}", 20, &origin_test, NULL, NULL));
    ok("a");
    stopped("a");
    assert_outcome(&one, "a:inactive b:inactive='a' would have to stop for 'b', and both are "
                         "to run | service 'b': 'a' would have to stop for 'b', and both "
                         "are to run");
}

/* Stopping */

static void test_stop_together(void)
{
    make("db", "{}");
    make("web", "{'after': ['db']}");
    make("log", "{}");
    make("idle", "{}");
    up("db");
    up("web");
    up("log");
    begin_stop(&one, "db web log idle", false);
    assert_states("db web log", "db:stopping(dependents) web:stopping log:stopping");
    stopped("log");
    stopped("web");
    assert_outcome(&one, "");
    stopped("db");
    assert_outcome(&one, "db:inactive web:inactive log:inactive idle:inactive");
}

static void test_stop_ordered(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    up("a");
    up("b");
    up("c");
    begin_stop(&one, "a b c", true);
    assert_states("a b c", "a:active b:active c:stopping");
    stopped("c");
    assert_states("a b c", "a:active b:stopping c:inactive");
    stopped("b");
    stopped("a");
    assert_outcome(&one, "a:inactive b:inactive c:inactive");
}

static void test_stop_all_although_one_fails(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    up("a");
    up("b");
    up("c");
    begin_stop(&one, "a b c", true);
    core_fixture_settle(&fixture);
    fake_unkillable(find("c"), "survives everything");
    core_fixture_settle(&fixture);
    fake_stop_done(find("b"), "would not go");
    stopped("a");
    assert_outcome(&one, "a:inactive b:failed=would not go c:stopping=survives everything | "
                         "service 'b': would not go\nservice 'c': survives everything");
}

static void test_stop_what_is_going(void)
{
    make("a", "{}");
    make("b", "{}");
    up("a");
    up("b");
    stop("a");
    delete ("b");
    begin_stop(&one, "a b", false);
    stopped("a");
    fake_stop_done(find("b"), NULL);
    assert_outcome(&one, "a:inactive b:gone");
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) ids = g_strsplit("b", " ", -1);
    BatchSpec spec = {.ids = ids, .origin = origin_test};
    g_assert_null(batch_stop(map, &spec, on_batch_done, &two, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_FOUND);
}

/* Giving up */

static void test_cancel(void)
{
    make("a", "{}");
    make("b", "{}");
    begin_start(&one, "a b", ORDERED);
    batch_cancel(g_steal_pointer(&one.batch), false);
    ok("a");
    assert_states("a b", "a:active b:inactive");
    assert_outcome(&one, "");
}

static void test_cancel_undoes(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    up("b");
    begin_start(&one, "a b c", PLAIN);
    ok("a");
    size_t n;
    const BatchItem *items = batch_items(one.batch, &n);
    g_assert_cmpuint(n, ==, 3);
    g_assert_true(items[0].is_ours && !items[1].is_ours && items[2].is_ours);
    batch_cancel(g_steal_pointer(&one.batch), true);
    stopped("c");
    stopped("a");
    assert_states("a b c", "a:inactive b:active c:inactive");
    assert_outcome(&one, "");
}

static const BatchRow rows[] = {
        {"/batch/meanwhile/stopped", test_stopped_meanwhile},
        {"/batch/meanwhile/stopped-patient", test_stopped_meanwhile_patient},
        {"/batch/meanwhile/deleted", test_deleted_meanwhile},
        {"/batch/meanwhile/two-starts", test_two_starts_at_once},
        {"/batch/meanwhile/two-starts-of-one-that-fails", test_two_starts_of_one_that_fails},
        {"/batch/meanwhile/start-and-stop", test_start_and_stop_at_once},
        {"/batch/meanwhile/stop-and-start", test_stop_and_start_at_once},
        {"/batch/meanwhile/restarted-by-another", test_restarted_by_another},
        {"/batch/conflict/refused", test_conflict},
        {"/batch/conflict/later", test_conflict_later},
        {"/batch/stop/together", test_stop_together},
        {"/batch/stop/ordered", test_stop_ordered},
        {"/batch/stop/all-although-one-fails", test_stop_all_although_one_fails},
        {"/batch/stop/what-is-going", test_stop_what_is_going},
        {"/batch/cancel/stays", test_cancel},
        {"/batch/cancel/undoes", test_cancel_undoes},
};

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    add_batch_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
