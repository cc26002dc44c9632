/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operations and their rules, one by one and by name; the full product of states and events is
 * in test-matrix.c, what follows a failure in test-retry.c. */

#include "service-fixture.h"

#include "base/errors.h"

static void test_new_is_inactive(void)
{
    setup(NULL);
    const StateRecord *record = service_state(service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpuint(record->serial, ==, 1);
    g_assert_cmpuint(record->last_active_time + record->last_inactive_time +
                             record->last_config_time + record->last_error_time +
                             record->last_loading_start_time + record->last_loading_end_time +
                             record->next_attempt_time,
                     ==, 0);
    g_assert_null(record->config);
    g_assert_cmpuint(record->config_revision, ==, 0);
    teardown();
}

static void test_start_applies(void)
{
    setup(CONFIG);
    g_assert_true(service_start(service, &origin_test, NULL));
    assert_state(service, STATE_STARTING);
    g_assert_cmpstr(fake_of(service)->calls->str, ==,
                    ""); /* at once means: the kind is called later */
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) ");
    fake_apply_ok(service);
    assert_seen("starting(method) active(applied) ");
    g_assert_cmpstr(service_state(service)->method, ==, NULL);
    teardown();
}

static void test_start_without_config(void)
{
    setup(NULL);
    start();
    assert_seen("active(method) ");
    g_assert_cmpstr(service_state(service)->sub_state, ==, "unconfigured");
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "");
    configure(CONFIG);
    assert_state(service, STATE_STARTING);
    fake_apply_ok(service);
    g_assert_cmpstr(service_state(service)->sub_state, ==, "");
    teardown();
}

static void test_configure_stores(void)
{
    ConfigApplied applied;
    setup(NULL);
    g_assert_true(service_configure(service, "{}", 2, &origin_test, &applied, NULL));
    g_assert_cmpint(applied, ==, CONFIG_STORED);
    const StateRecord *record = service_state(service);
    g_assert_cmpuint(record->config_revision, ==, 1);
    g_assert_cmpuint(record->last_config_time, >, 0);
    g_assert_cmpuint(record->config->length, ==, 2);
    assert_seen("inactive(method) ");
    teardown();
}

/* What does not run costs its text and no more; the rest comes again with the start. */
static void test_rest_keeps_the_text(void)
{
    setup(CONFIG);
    g_assert_null(service_config(service));
    g_assert_null(service_find_instance(service));
    start();
    g_assert_nonnull(service_config(service));
    g_assert_nonnull(service_find_instance(service));
    fake_apply_ok(service);
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    g_assert_nonnull(service_config(service));
    fake_stop_done(service, NULL);
    g_assert_null(service_config(service));
    configure("{\"value\": \"next\"}");
    g_assert_null(service_config(service));
    start();
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) stop apply(next) ");
    teardown();
}

static void test_configure_refused_changes_nothing(void)
{
    g_autoptr(GError) error = NULL;
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    StateRecord *before = state_record_ref(service_state(service));
    g_assert_false(service_configure(service, "{\"valeu\": 1}", 12, &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
    g_assert_true(service_state(service) == before);
    state_record_unref(before);
    teardown();
}

static void test_configure_active_applies_again(void)
{
    ConfigApplied applied;
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(
            service_configure(service, "{\"value\": \"b\"}", 14, &origin_test, &applied, NULL));
    g_assert_cmpint(applied, ==, CONFIG_RELOADED);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) apply(b) ");
    assert_seen("starting(method) active(applied) reloading(method) active(applied) ");
    teardown();
}

static void test_configure_supersedes_retry(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    assert_state(service, STATE_BACKOFF);
    configure("{\"value\": \"b\"}");
    assert_state(service, STATE_STARTING);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    g_assert_cmpuint(service_state(service)->next_attempt_time, ==, 0);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC); /* the old retry does not come */
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) apply(b) ");
    teardown();
}

static void test_stop_waits(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    stop();
    g_assert_true(service_state(service)->active); /* until it is done */
    g_assert_false(service_state(service)->loading);
    g_assert_cmpuint(service_state(service)->last_inactive_time, ==, 0);
    core_fixture_advance(&fixture, 5);
    fake_stop_done(service, NULL);
    g_assert_false(service_state(service)->active);
    g_assert_cmpuint(service_state(service)->last_inactive_time, >, 0);
    assert_seen("starting(method) active(applied) stopping(method) inactive(stopped) ");
    teardown();
}

static void test_stop_cancels_apply(void)
{
    setup(CONFIG);
    start();
    stop();
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) cancel stop ");
    fake_apply_fail(service, "late", false); /* a cancelled context writes nothing */
    fake_apply_ok(service);
    assert_state(service, STATE_STOPPING);
    g_assert_null(service_state(service)->error);
    fake_stop_done(service, NULL);
    start();
    fake_apply_ok(service);
    assert_state(service, STATE_ACTIVE);
    teardown();
}

static void test_stop_before_the_kind_was_called(void)
{
    setup(CONFIG);
    g_assert_true(service_start(service, &origin_test, NULL));
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "stop "); /* no apply, nothing to cancel */
    teardown();
}

static void test_stop_in_backoff(void)
{
    setup(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    stop();
    g_assert_false(service_state(service)->loading);
    g_assert_cmpuint(service_state(service)->next_attempt_time, ==, 0);
    fake_stop_done(service, NULL);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_state(service, STATE_INACTIVE);
    teardown();
}

static void test_stop_failed(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    stop();
    fake_stop_done(service, "kill: Operation not permitted");
    assert_state(service, STATE_FAILED);
    g_assert_cmpstr(service_state(service)->error->message, ==, "kill: Operation not permitted");
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_TIMEOUT);
    teardown();
}

static void test_unkillable(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    stop();
    fake_unkillable(service, "process 7 survived SIGKILL");
    assert_state(service, STATE_STOPPING);
    g_assert_cmpstr(service_state(service)->sub_state, ==, "unkillable");
    g_assert_cmpstr(service_state(service)->error->message, ==, "process 7 survived SIGKILL");
    core_fixture_advance(&fixture, 3600 * USEC_PER_SEC);
    assert_state(service, STATE_STOPPING);
    fake_stop_done(service, NULL);
    assert_state(service, STATE_FAILED);
    teardown();
}

/* Also where an apply has to end something first. */
static void test_unkillable_while_loading(void)
{
    setup(CONFIG);
    start();
    fake_unkillable(service, "process 7 survived SIGKILL");
    assert_state(service, STATE_STOPPING);
    g_assert_cmpstr(service_state(service)->error->message, ==, "process 7 survived SIGKILL");
    fake_apply_fail(service, "late", false); /* the apply is over */
    assert_state(service, STATE_STOPPING);
    fake_ended(service, "killed at last");
    assert_state(service, STATE_FAILED);
    g_assert_cmpstr(service_state(service)->error->message, ==, "process 7 survived SIGKILL");
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_state(service, STATE_FAILED); /* no retry */
    teardown();
}

static void test_restart(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    uint64_t since = service_state(service)->last_active_time;
    core_fixture_advance(&fixture, 10);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_stop_done(service, NULL);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    assert_seen(
            "starting(method) active(applied) stopping(method) starting(stopped) active(applied) ");
    g_assert_cmpuint(service_state(service)->last_active_time, >, since);
    g_assert_cmpuint(service_state(service)->last_inactive_time, >, 0);
    teardown();
}

static void test_stop_cancels_second_half_of_restart(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    stop();
    fake_stop_done(service, NULL);
    assert_state(service, STATE_INACTIVE);
    teardown();
}

/* A program that had to be killed is what people restart for. */
static void test_restart_whose_stop_fails(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_stop_done(service, "had to be killed");
    assert_state(service, STATE_STARTING);
    g_assert_null(service_state(service)->error);
    g_assert_nonnull(strstr(fixture.log->str, "web: stopped for a restart: had to be killed"));
    g_assert_cmpuint(error_buffer_count(service_errors(service)), ==, 1);
    teardown();
}

static void test_restart_of_the_unkillable(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_unkillable(service, "survived SIGKILL");
    fake_stop_done(service, NULL);
    assert_state(service, STATE_FAILED);
    teardown();
}

static void test_reload(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(service_reload(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) reload(a) ");
    assert_seen("starting(method) active(applied) reloading(method) active(applied) ");
    teardown();
}

static void test_reload_that_fails_keeps_running(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(service_reload(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_apply_fail(service, "bad file", false);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpstr(service_state(service)->error->message, ==, "bad file");
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    teardown();
}

/* With the next one, with a stop and with a clean end that error is out of date. */
static void test_reload_error_ends(void)
{
    setup(CONFIG);
    for (int i = 0; i < 3; i++) {
        start();
        fake_apply_ok(service);
        g_assert_true(service_reload(service, &origin_test, NULL));
        core_fixture_settle(&fixture);
        fake_apply_fail(service, "bad file", false);
        g_assert_nonnull(service_state(service)->error);
        if (i == 0) {
            g_assert_true(service_reload(service, &origin_test, NULL));
            g_assert_no_error(service_state(service)->error);
            core_fixture_settle(&fixture);
            fake_apply_ok(service);
        }
        if (i == 1) {
            fake_ended(service, NULL);
        } else {
            g_assert_true(service_stop(service, &origin_test, NULL));
            core_fixture_settle(&fixture);
            fake_stop_done(service, NULL);
        }
        assert_state(service, STATE_INACTIVE);
        g_assert_no_error(service_state(service)->error);
    }
    teardown();
}

/* What runs has begun it: nobody is asked to, and it ends like any other. */
static void test_reload_by_itself(void)
{
    setup("{\"value\": \"a\"}"); /* and cannot be asked to */
    start();
    g_assert_false(fake_reloading(service));
    fake_apply_ok(service);
    g_assert_true(fake_reloading(service));
    core_fixture_settle(&fixture);
    g_assert_false(fake_reloading(service));
    fake_apply_fail(service, "bad file", false);
    g_assert_cmpstr(service_state(service)->error->message, ==, "bad file");
    g_assert_true(fake_reloading(service));
    fake_apply_ok(service);
    g_assert_null(service_state(service)->error);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) by-itself by-itself ");
    assert_seen("starting(method) active(applied) reloading(kind) active(applied) reloading(kind) "
                "active(applied) ");
    teardown();
}

/* Nothing is there to be loaded by what was never configured. */
static void test_reload_by_itself_unconfigured(void)
{
    setup(NULL);
    start();
    g_assert_false(fake_reloading(service));
    assert_seen("active(method) ");
    teardown();
}

static void on_reloading_stop(const Change *change, void *data)
{
    if (change->new_state->state == STATE_RELOADING)
        g_assert_true(service_stop(change->service, &origin_test, NULL));
}

/* Who hears of it stops it: the kind has a context that is cancelled before it returns. */
static void test_reload_by_itself_stopped(void)
{
    FeedListener *stopper;

    setup(CONFIG);
    start();
    fake_apply_ok(service);
    stopper = service_listen(service, on_reloading_stop, NULL);
    g_assert_true(fake_reloading(service));
    g_assert_true(apply_context_is_cancelled(fake_of(service)->context));
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply(a) by-itself cancel stop ");
    fake_stop_done(service, NULL);
    assert_seen("starting(method) active(applied) reloading(kind) stopping(method) "
                "inactive(stopped) ");
    feed_unlisten(stopper);
    teardown();
}

static void test_watchdog_is_the_cause(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    fake_ending_by_watchdog(service);
    fake_ended_by_watchdog(service);
    assert_seen("starting(method) active(applied) stopping(watchdog) backoff(watchdog) ");
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_WATCHDOG);
    teardown();
    setup("{\"restart\": {\"policy\": \"no\"}}");
    start();
    fake_apply_ok(service);
    fake_ended_by_watchdog(service);
    assert_seen("starting(method) active(applied) failed(watchdog) ");
    teardown();
}

static void test_reload_not_supported(void)
{
    g_autoptr(GError) error = NULL;
    setup("{}");
    start();
    fake_apply_ok(service);
    g_assert_false(service_reload(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_SUPPORTED);
    g_assert_nonnull(strstr(error->message, "neither reload_signal nor reload_exec"));
    teardown();
}

static void test_reload_of_a_kind_without(void)
{
    static Kind kind;
    g_autoptr(GError) error = NULL;
    kind = kind_fake;
    kind.name = "plain";
    kind.reload = NULL;
    core_fixture_init(&fixture);
    service = service_new(fixture.core, "web", &kind);
    g_assert_true(service_configure(service, CONFIG, strlen(CONFIG), &origin_test, NULL, NULL));
    service_publish(service, &origin_test);
    setup_listener();
    start();
    fake_apply_ok(service);
    g_assert_false(service_reload(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_SUPPORTED);
    g_assert_nonnull(strstr(error->message, "of kind 'plain', which cannot reload"));
    teardown();
}

static void test_stop_while_ending(void)
{
    setup(CONFIG);
    start();
    fake_apply_ok(service);
    fake_ending(service, "killed");
    stop();
    fake_ended(service, "killed");
    assert_state(service, STATE_FAILED); /* it did fail, and is not tried again */
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_state(service, STATE_FAILED);
    teardown();
}

static void test_broken_definition(void)
{
    g_autoptr(GError) reason =
            g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "web.json: no");
    g_autoptr(GError) error = NULL;
    core_fixture_init(&fixture);
    service = service_new(fixture.core, "web", &kind_fake);
    service_set_broken(service, reason, &origin_test);
    service_publish(service, &origin_test);
    setup_listener();
    assert_state(service, STATE_FAILED);
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_CONFIG);
    g_assert_false(service_start(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
    g_assert_nonnull(strstr(error->message, "web.json: no"));
    g_assert_false(service_reset_failed(service, &origin_test, NULL));
    configure("{}"); /* mends it */
    assert_state(service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    start();
    teardown();
}

static void test_origin_is_recorded(void)
{
    setup(CONFIG);
    Caller *caller = caller_new(1000, 4711, "busctl");
    Origin origin = {.cause = CAUSE_METHOD, .method = "Start", .caller = caller};
    g_assert_true(service_start(service, &origin, NULL));
    const StateRecord *record = service_state(service);
    g_assert_cmpstr(record->method, ==, "Start");
    g_assert_true(record->caller == caller);
    g_assert_cmpint(record->from, ==, STATE_INACTIVE);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_null(service_state(service)->caller);
    caller_unref(caller);
    teardown();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(void);
    } tests[] = {
            {"/service/new/inactive", test_new_is_inactive},
            {"/service/start/applies", test_start_applies},
            {"/service/start/without-config", test_start_without_config},
            {"/service/start/broken-definition", test_broken_definition},
            {"/service/start/origin-is-recorded", test_origin_is_recorded},
            {"/service/configure/stores", test_configure_stores},
            {"/service/rest/keeps-the-text", test_rest_keeps_the_text},
            {"/service/configure/refused-changes-nothing", test_configure_refused_changes_nothing},
            {"/service/configure/active-applies-again", test_configure_active_applies_again},
            {"/service/configure/supersedes-retry", test_configure_supersedes_retry},
            {"/service/stop/active-until-done", test_stop_waits},
            {"/service/stop/cancels-apply", test_stop_cancels_apply},
            {"/service/stop/before-the-kind-was-called", test_stop_before_the_kind_was_called},
            {"/service/stop/in-backoff", test_stop_in_backoff},
            {"/service/stop/failed", test_stop_failed},
            {"/service/stop/unkillable", test_unkillable},
            {"/service/stop/unkillable-while-loading", test_unkillable_while_loading},
            {"/service/stop/while-ending", test_stop_while_ending},
            {"/service/restart/stop-then-start", test_restart},
            {"/service/restart/stop-cancels-second-half", test_stop_cancels_second_half_of_restart},
            {"/service/restart/stop-fails", test_restart_whose_stop_fails},
            {"/service/restart/unkillable", test_restart_of_the_unkillable},
            {"/service/reload/same-config", test_reload},
            {"/service/reload/failure-keeps-running", test_reload_that_fails_keeps_running},
            {"/service/reload/error-ends", test_reload_error_ends},
            {"/service/reload/not-supported", test_reload_not_supported},
            {"/service/reload/kind-without", test_reload_of_a_kind_without},
            {"/service/reload/by-itself", test_reload_by_itself},
            {"/service/reload/by-itself-unconfigured", test_reload_by_itself_unconfigured},
            {"/service/reload/by-itself-stopped", test_reload_by_itself_stopped},
            {"/service/watchdog-is-the-cause", test_watchdog_is_the_cause},
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    return g_test_run();
}
