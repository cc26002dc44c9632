/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of the last failure, and the document that tells of it. */

#include "service-fixture.h"

#include "base/errors.h"
#include "core/failure-report.h"

#include <signal.h>
#include <string.h>

/* A kind that knows its runs by number, and what each has said. */
static Kind kind_runs;
static unsigned run; /* 0: none yet */
static char *asked_for;

static json_t *runs_describe(const Kind *kind, const Service *borrowed)
{
    g_autofree char *id = g_strdup_printf("%032x", run);
    return run > 0 ? json_pack("{s:s, s:i}", "invocation_id", id, "main_pid", 100 + (int)run)
                   : NULL;
}

static json_t *runs_last_lines(const Kind *kind, const Service *borrowed, const char *invocation,
                               unsigned n)
{
    g_free(asked_for);
    asked_for = g_strdup(invocation);
    g_assert_cmpuint(n, ==, FAILURE_REPORT_LINES);
    return json_pack("[{s:s}]", "text", "giving up");
}

static void setup_kind(void)
{
    core_fixture_init(&fixture);
    run = 0;
    kind_runs = kind_fake;
    kind_runs.describe_run = runs_describe;
    kind_runs.last_lines = runs_last_lines;
}

static void setup_unpublished(const char *config)
{
    setup_kind();
    service = service_new(fixture.core, "web", &kind_runs);
    if (config != NULL)
        configure(config);
}

static void setup_runs(const char *config)
{
    setup_unpublished(config);
    service_publish(service, &origin_test);
    setup_listener();
}

static void teardown_runs(void)
{
    g_clear_pointer(&asked_for, g_free);
    teardown();
}

static void end_run(int code)
{
    g_autoptr(GError) error =
            g_error_new(SVCMGR_ERROR, ERROR_FAILED, "exited with status %d", code);
    Failure failure = {
            .failure_class = FAILURE_EXIT_CODE,
            .exit = {.known = true, .value = code},
            .error = error,
    };
    fake_of(service)->context_open = false;
    service_report_ended(service, &failure, &failure.exit);
}

static json_t *report(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = failure_report(service, &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_suffix(text, "\n}\n"));
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    g_assert_nonnull(document);
    return document;
}

/* A member of a member is "failure.exit"; the value as compact JSON. Takes nothing. */
static void assert_member(const json_t *document, const char *path, const char *expected)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    for (char **name = names; *name != NULL; name++)
        document = json_object_get(document, *name);
    char *text = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);
    g_assert_cmpstr(text, ==, expected);
    free(text);
}

static void assert_time(const json_t *document, const char *object, const char *member,
                        uint64_t expected)
{
    const json_t *value = json_object_get(json_object_get(document, object), member);
    g_assert_cmpint(json_integer_value(value), ==, (json_int_t)expected);
}

static void assert_not_found(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(failure_report(service, &error));
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
    g_assert_nonnull(strstr(error->message, "service 'web' has not failed"));
}

static void test_none(void)
{
    setup_runs(CONFIG);
    assert_not_found();
    start();
    fake_apply_ok(service);
    assert_not_found();
    fake_ended(service, NULL); /* cleanly */
    assert_not_found();
    teardown_runs();
}

static void test_document(void)
{
    setup_runs("{\"restart\": {\"max_attempts\": 3}}");
    start();
    run = 1;
    fake_apply_ok(service);
    end_run(3);
    uint64_t failed_at = service_state(service)->last_error_time;
    uint64_t serial = service_state(service)->serial;
    char digest[CONFIG_DIGEST_STRING];
    config_text_digest(service_state(service)->config, digest);
    g_autofree char *config = g_strdup_printf("{\"revision\":1,\"digest\":\"%s\"}", digest);
    json_t *document = report();
    assert_member(document, "service", "\"web\"");
    assert_member(document, "kind", "\"fake\"");
    assert_time(document, "failure", "time_usec", failed_at);
    assert_time(document, "failure", "serial", serial);
    assert_member(document, "failure.from", "\"active\"");
    assert_member(document, "failure.to", "\"backoff\"");
    assert_member(document, "failure.class", "\"exit-code\"");
    assert_member(document, "failure.error", "\"exited with status 3\"");
    assert_member(document, "failure.error_name", "\"org.freedesktop.DBus.Error.Failed\"");
    assert_member(document, "failure.exit", "{\"code\":3}");
    assert_member(document, "failure.failed_attempts", "1");
    assert_member(document, "failure.max_attempts", "3");
    assert_member(document, "run.main_pid", "101");
    assert_member(document, "config", config);
    assert_member(document, "last_lines", "[{\"text\":\"giving up\"}]");
    g_assert_cmpstr(asked_for, ==, "00000000000000000000000000000001");
    assert_member(document, "state", "\"backoff\"");
    assert_member(document, "sub_state", "\"\"");
    g_assert_cmpint(json_integer_value(json_object_get(document, "next_attempt_usec")), ==,
                    (json_int_t)service_state(service)->next_attempt_time);
    g_assert_cmpint(json_integer_value(json_object_get(document, "state_serial")), ==,
                    (json_int_t)serial);
    json_decref(document);
    teardown_runs();
}

/* The order and the layout are part of what is promised. */
static void test_layout(void)
{
    static const char *const lines[] = {"{", "  \"service\": \"web\",", "  \"kind\": \"fake\",",
                                        "  \"failure\": {", "    \"serial\": 3,"};
    setup_runs(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    g_autofree char *text = failure_report(service, NULL);
    g_auto(GStrv) split = g_strsplit(text, "\n", -1);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        g_assert_cmpstr(split[i], ==, lines[i]);
    teardown_runs();
}

static void assert_failure(const char *message, unsigned failed_attempts, const char *main_pid)
{
    g_autofree char *attempts = g_strdup_printf("%u", failed_attempts);
    g_autofree char *quoted = g_strdup_printf("\"%s\"", message);
    json_t *document = report();
    assert_member(document, "failure.error", quoted);
    assert_member(document, "failure.failed_attempts", attempts);
    assert_member(document, "run.main_pid", main_pid);
    json_decref(document);
}

/* It fails, is retried, recovers, and fails again. */
static void test_recovered_and_failed_again(void)
{
    setup_runs(CONFIG);
    start();
    run = 1;
    fake_apply_fail(service, "first", false);
    assert_failure("first", 1, "101");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    run = 2;
    fake_apply_fail(service, "second", false);
    assert_failure("second", 2, "102");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    run = 3;
    fake_apply_ok(service);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    g_assert_null(service_state(service)->error);
    assert_failure("second", 2, "102"); /* of the run that failed, not of the one that runs */
    g_assert_cmpstr(asked_for, ==, "00000000000000000000000000000002");
    stop();
    fake_stop_done(service, NULL);
    assert_failure("second", 2, "102");
    g_assert_true(service_reset_failed(service, &origin_test, NULL));
    assert_failure("second", 2, "102");
    start();
    run = 4;
    fake_apply_ok(service);
    end_run(1);
    assert_failure("exited with status 1", 1, "104");
    teardown_runs();
}

/* All moves since, up to the present one; the report is made anew each time. */
static void test_history(void)
{
    setup_runs(CONFIG);
    start();
    fake_apply_fail(service, "no", false);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    json_t *document = report();
    const json_t *history = json_object_get(document, "history");
    g_assert_cmpuint(json_array_size(history), ==, 3);
    const json_t *last = json_array_get(history, 2);
    assert_member(last, "from", "\"backoff\"");
    assert_member(last, "to", "\"starting\"");
    assert_member(last, "cause", "\"retry\"");
    g_assert_cmpint(json_integer_value(json_object_get(last, "serial")), ==,
                    (json_int_t)service_state(service)->serial);
    g_assert_cmpint(json_integer_value(json_object_get(last, "time_usec")), ==,
                    (json_int_t)service_state(service)->time);
    assert_member(document, "state", "\"starting\"");
    json_decref(document);
    teardown_runs();
}

/* One that is created with start was told of once for all that it had done by then. */
static void test_history_of_new(void)
{
    setup_unpublished("{\"restart\": {\"policy\": \"no\"}}");
    start();
    fake_apply_fail(service, "no", false);
    service_publish(service, &origin_test);
    setup_listener();
    uint64_t serial = service_state(service)->serial;
    json_t *document = report();
    const json_t *history = json_object_get(document, "history");
    g_assert_cmpuint(serial, >, 0);
    g_assert_cmpuint(json_array_size(history), ==, 2);
    for (size_t i = 0; i < json_array_size(history); i++)
        g_assert_cmpint(json_integer_value(json_object_get(json_array_get(history, i), "serial")),
                        ==, (json_int_t)serial);
    assert_time(document, "failure", "serial", serial);
    json_decref(document);
    teardown_runs();
}

/* Told when it ends, and again when all of it is gone: one failure, with what the end has added. */
static void test_ending(void)
{
    setup_runs("{\"restart\": {\"policy\": \"no\"}}");
    start();
    run = 1;
    fake_apply_ok(service);
    fake_ending_by_watchdog(service);
    uint64_t serial = service_state(service)->serial;
    uint64_t failed_at = service_state(service)->last_error_time;
    json_t *document = report();
    assert_member(document, "failure.from", "\"active\"");
    assert_member(document, "failure.to", "\"stopping\"");
    assert_member(document, "failure.class", "\"watchdog\"");
    json_decref(document);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    fake_ended_by_watchdog(service);
    document = report();
    assert_time(document, "failure", "serial", serial);
    assert_time(document, "failure", "time_usec", failed_at);
    assert_member(document, "failure.from", "\"active\"");
    assert_member(document, "failure.to", "\"failed\"");
    assert_member(document, "failure.failed_attempts", "1");
    json_decref(document);
    teardown_runs();
}

static void test_signal(void)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "died of \xff");
    Failure failure = {
            .failure_class = FAILURE_SIGNAL,
            .exit = {.known = true, .signaled = true, .core_dumped = true, .value = SIGSEGV},
            .error = error,
    };
    setup_runs(CONFIG);
    start();
    fake_apply_ok(service);
    fake_of(service)->context_open = false;
    service_report_ended(service, &failure, NULL);
    json_t *document = report();
    assert_member(document, "failure.exit", "{\"signal\":\"SIGSEGV\",\"core_dumped\":true}");
    assert_member(document, "failure.error", "\"died of \xef\xbf\xbd\"");
    assert_member(document, "run", "null");
    g_assert_null(asked_for);
    json_decref(document);
    teardown_runs();
}

/* What an earlier run has said does not explain why there was none. */
static void test_nothing_ran(void)
{
    setup_runs(CONFIG);
    start();
    run = 1;
    fake_apply_fail(service, "first", false);
    run = 0;
    core_fixture_advance(&fixture, USEC_PER_SEC);
    fake_apply_fail(service, "no such user", false);
    json_t *document = report();
    assert_member(document, "failure.error", "\"no such user\"");
    assert_member(document, "run", "null");
    assert_member(document, "last_lines", "[]");
    json_decref(document);
    teardown_runs();
}

static void assert_class_and_move(const char *failure_class, const char *from, const char *to)
{
    json_t *document = report();
    assert_member(document, "failure.class", failure_class);
    assert_member(document, "failure.from", from);
    assert_member(document, "failure.to", to);
    assert_member(document, "failure.exit", "{}");
    json_decref(document);
}

static void test_start_limit(void)
{
    setup_runs("{\"start_limit\": {\"burst\": 1, \"interval\": 100}}");
    start();
    fake_apply_fail(service, "no", false);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_state(service, STATE_FAILED);
    assert_class_and_move("\"start-limit\"", "\"backoff\"", "\"failed\"");
    teardown_runs();
}

static void test_reload(void)
{
    setup_runs(CONFIG);
    start();
    fake_apply_ok(service);
    g_assert_true(service_reload(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_apply_fail(service, "cannot read its file", false);
    assert_state(service, STATE_ACTIVE);
    assert_class_and_move("\"exit-code\"", "\"reloading\"", "\"active\"");
    teardown_runs();
}

static void test_stop(void)
{
    setup_runs(CONFIG);
    start();
    fake_apply_ok(service);
    stop();
    fake_unkillable(service, "stuck");
    assert_class_and_move("\"timeout\"", "\"stopping\"", "\"stopping\"");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    fake_stop_done(service, "gone by force");
    assert_class_and_move("\"timeout\"", "\"stopping\"", "\"failed\"");
    teardown_runs();
}

/* What an earlier daemon has left, and a definition that cannot be used. */
static void test_before_published(void)
{
    DurableState state = {
            .failure_class = FAILURE_OOM,
            .failed_attempts = 2,
            .error_time = 12345,
            .error = (char *)"ran out",
    };
    g_autoptr(GError) broken = g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "nonsense");
    setup_kind();
    service = service_new(fixture.core, "web", &kind_runs);
    service_remember(service, &state, &origin_test);
    json_t *known = report(); /* which run it was is not; its lines may still be the last */
    assert_member(known, "last_lines", "[{\"text\":\"giving up\"}]");
    g_assert_null(asked_for);
    json_decref(known);
    service_unref(service);
    service = service_new(fixture.core, "web", &kind_fake);
    service_remember(service, &state, &origin_test);
    assert_class_and_move("\"oom\"", "\"inactive\"", "\"failed\"");
    json_t *document = report();
    assert_time(document, "failure", "time_usec", 12345);
    assert_time(document, "failure", "serial", 0);
    assert_member(document, "config", "null");
    assert_member(document, "last_lines", "null"); /* of a kind that keeps none */
    json_decref(document);
    service_unref(service);
    service = service_new(fixture.core, "web", &kind_fake);
    service_set_broken(service, broken, &origin_test);
    assert_class_and_move("\"config\"", "\"inactive\"", "\"failed\"");
    service_unref(service);
    core_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/failure-report/none", test_none);
    g_test_add_func("/failure-report/document", test_document);
    g_test_add_func("/failure-report/layout", test_layout);
    g_test_add_func("/failure-report/recovered-and-failed-again", test_recovered_and_failed_again);
    g_test_add_func("/failure-report/history", test_history);
    g_test_add_func("/failure-report/history-of-new", test_history_of_new);
    g_test_add_func("/failure-report/ending", test_ending);
    g_test_add_func("/failure-report/signal", test_signal);
    g_test_add_func("/failure-report/nothing-ran", test_nothing_ran);
    g_test_add_func("/failure-report/start-limit", test_start_limit);
    g_test_add_func("/failure-report/reload", test_reload);
    g_test_add_func("/failure-report/stop", test_stop);
    g_test_add_func("/failure-report/before-published", test_before_published);
    return g_test_run();
}
