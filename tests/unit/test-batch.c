/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Batches of fake services: what is started, in which order, and what is left when it goes wrong.
 */

#include "base/errors.h"
#include "core/batch.h"
#include "system-fixture.h"

#include <string.h>

#define MANY 4000

/* What has come back: "a:active b:failed=why | the error"; empty before. */
typedef struct Run {
    Batch *batch; /* NULL: it is over, or was refused */
    GString *outcome;
} Run;

static Run one, two;

static void run_init(Run *run)
{
    run->batch = NULL;
    run->outcome = g_string_new(NULL);
}

static void run_done(Run *run)
{
    g_assert_null(run->batch);
    g_string_free(run->outcome, TRUE);
}

static void on_done(const BatchItem *items, size_t n_items, const GError *error, void *data)
{
    Run *run = data;
    run->batch = NULL;
    g_assert_cmpuint(run->outcome->len, ==, 0);
    for (size_t i = 0; i < n_items; i++) {
        const BatchItem *item = &items[i];
        g_string_append_printf(run->outcome, "%s%s:%s%s", i > 0 ? " " : "", item->id,
                               item->state != NULL ? state_to_string(item->state->state) : "gone",
                               item->is_ours ? "+" : "");
        if (item->error != NULL)
            g_string_append_printf(run->outcome, "=%s", item->error->message);
    }
    if (error != NULL)
        g_string_append_printf(run->outcome, " | %s", error->message);
}

static void assert_outcome(Run *run, const char *expected)
{
    core_fixture_settle(&fixture);
    g_assert_cmpstr(run->outcome->str, ==, expected);
}

typedef enum Manner {
    PLAIN = 0,
    ORDERED = 1,
    PATIENT = 2,
    AT_STARTUP = 4,
} Manner;

static bool try_start(Run *run, const char *ids, unsigned manner, GError **error)
{
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    BatchSpec spec = {.ids = list,
                      .ordered = (manner & ORDERED) != 0,
                      .patient = (manner & PATIENT) != 0,
                      .origin = origin_test};
    if ((manner & AT_STARTUP) != 0)
        spec.origin = (Origin){.cause = CAUSE_STARTUP};
    run->batch = batch_start(map, &spec, on_done, run, error);
    g_assert_cmpuint(run->outcome->len, ==, 0); /* never from inside */
    return run->batch != NULL;
}

static void begin_start(Run *run, const char *ids, unsigned manner)
{
    g_autoptr(GError) error = NULL;
    try_start(run, ids, manner, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

static void assert_refused(const char *ids, unsigned manner, ErrorCode code, const char *message)
{
    g_autoptr(GError) error = NULL;
    uint64_t serial = last_serial;
    g_assert_false(try_start(&one, ids, manner, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
    core_fixture_settle(&fixture);
    g_assert_cmpuint(last_serial, ==, serial);
}

static void begin_stop(Run *run, const char *ids, bool ordered)
{
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    g_autoptr(GError) error = NULL;
    BatchSpec spec = {.ids = list, .ordered = ordered, .origin = origin_test};
    run->batch = batch_stop(map, &spec, on_done, run, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

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
    g_assert_null(batch_stop(map, &spec, on_done, &two, &error));
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

typedef struct Row {
    const char *path;
    void (*test)(void);
} Row;

static const Row rows[] = {
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

static void run(const void *data)
{
    const Row *row = data;
    setup();
    run_init(&one);
    run_init(&two);
    row->test();
    core_fixture_settle(&fixture);
    run_done(&one);
    run_done(&two);
    system_teardown();
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_test_add_data_func(rows[i].path, &rows[i], run);
    return g_test_run();
}
