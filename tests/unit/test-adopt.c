/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a reload of the definitions and a restart of the daemon do to a service: a configuration
 * that comes whatever is under way, what is remembered, and what would be refused. */

#include "service-fixture.h"

#include "base/errors.h"

#include <string.h>

#define NEXT "{\"value\": \"b\", \"reload\": true}"

static ConfigApplied adopt(const char *text)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(&kind_fake, text, strlen(text), problems);

    g_assert_nonnull(config);
    ConfigApplied applied =
            service_adopt_config(service, config, CONFIG_FROM_DEFINITION, &origin_test);
    assert_service_invariants(service);
    return applied;
}

static void assert_calls(const char *expected)
{
    g_assert_cmpstr(fake_of(service)->calls->str, ==, expected);
}

static void assert_has_next(void)
{
    g_assert_cmpstr(service_state(service)->config->text, ==, NEXT);
    g_assert_cmpuint(service_state(service)->config_revision, ==, 2);
    g_assert_cmpint(service_config_source(service), ==, CONFIG_FROM_DEFINITION);
}

/* Each state: how one gets there, what follows. */

static void reach_queued(void)
{
    g_assert_true(service_start(service, &origin_test, NULL)); /* its turn has not come */
}

static void reach_reloading(void)
{
    start();
    fake_apply_ok(service);
    g_assert_true(service_reload(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
}

static void reach_reloading_itself(void)
{
    start();
    fake_apply_ok(service);
    g_assert_true(fake_reloading(service));
}

static void reach_applying(void)
{
    g_autoptr(Problems) problems = problems_new();

    start();
    fake_apply_ok(service);
    Config *config = config_parse(&kind_fake, CONFIG, strlen(CONFIG), problems);

    (void)service_adopt_config(service, config, CONFIG_FROM_BUS, &origin_test);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_true(service_reload(service, &origin_test, NULL)); /* begun in the next turn */
}

static void reach_backoff(void)
{
    start();
    fake_apply_fail(service, "no", false);
}

static void reach_active(void)
{
    start();
    fake_apply_ok(service);
}

static void reach_stopping(void)
{
    reach_active();
    stop();
}

static void reach_restarting(void)
{
    reach_active();
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
}

static void reach_ending(void)
{
    reach_active();
    fake_ending(service, "no");
}

static void reach_nothing(void)
{
}

static void reach_failed(void)
{
    start();
    fake_apply_fail(service, "no", true);
}

typedef struct AdoptCase {
    const char *path;
    void (*reach)(void);
    State from;
    ConfigApplied applied;
    State to;
    const char *calls; /* after the next turn */
} AdoptCase;

static const AdoptCase adopt_cases[] = {
        {"/adopt/inactive", reach_nothing, STATE_INACTIVE, CONFIG_STORED, STATE_INACTIVE, ""},
        {"/adopt/failed", reach_failed, STATE_FAILED, CONFIG_STORED, STATE_FAILED, "apply(a) "},
        {"/adopt/starting-queued", reach_queued, STATE_STARTING, CONFIG_RESTARTED, STATE_STARTING,
         "apply(b) "},
        {"/adopt/starting", start, STATE_STARTING, CONFIG_RESTARTED, STATE_STARTING,
         "apply(a) cancel apply(b) "},
        {"/adopt/active", reach_active, STATE_ACTIVE, CONFIG_RELOADED, STATE_RELOADING,
         "apply(a) apply(b) "},
        {"/adopt/reloading", reach_reloading, STATE_RELOADING, CONFIG_RESTARTED, STATE_RELOADING,
         "apply(a) reload(a) cancel apply(b) "},
        {"/adopt/reloading-itself", reach_reloading_itself, STATE_RELOADING, CONFIG_RESTARTED,
         STATE_RELOADING, "apply(a) by-itself cancel apply(b) "},
        {"/adopt/backoff", reach_backoff, STATE_BACKOFF, CONFIG_RESTARTED, STATE_STARTING,
         "apply(a) apply(b) "},
        {"/adopt/stopping", reach_stopping, STATE_STOPPING, CONFIG_STORED, STATE_STOPPING,
         "apply(a) stop "},
        {"/adopt/restarting", reach_restarting, STATE_STOPPING, CONFIG_STORED, STATE_STOPPING,
         "apply(a) stop "},
        {"/adopt/ending", reach_ending, STATE_STOPPING, CONFIG_STORED, STATE_STOPPING, "apply(a) "},
};

static void test_adopt(const void *data)
{
    const AdoptCase *adopted = data;

    setup(CONFIG);
    adopted->reach();
    assert_state(service, adopted->from);
    g_assert_cmpint(adopt(NEXT), ==, adopted->applied);
    assert_state(service, adopted->to);
    assert_has_next();
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
    core_fixture_settle(&fixture);
    assert_calls(adopted->calls);
    if (adopted->to == STATE_STARTING || adopted->to == STATE_RELOADING) {
        fake_apply_ok(service);
        assert_state(service, STATE_ACTIVE);
        core_fixture_advance(&fixture, 60 * USEC_PER_SEC); /* no timer of before is left */
        assert_state(service, STATE_ACTIVE);
        assert_calls(adopted->calls);
    }
    teardown();
}

/* What has been superseded says nothing any more, however late. */
static void test_adopt_late_reports(void)
{
    setup(CONFIG);
    start();
    ApplyContext *first = apply_context_ref(fake_of(service)->context);

    (void)adopt(NEXT);
    apply_context_done(first, NULL);
    assert_state(service, STATE_STARTING);
    core_fixture_settle(&fixture);
    apply_context_done(first, NULL);
    assert_state(service, STATE_STARTING);
    apply_context_unref(first);
    fake_apply_ok(service);
    assert_state(service, STATE_ACTIVE);
    teardown();
}

/* Only the last of several in one turn comes into force. */
static void test_adopt_again_and_again(void)
{
    setup(CONFIG);
    start();
    (void)adopt("{\"value\": \"x\"}");
    (void)adopt("{\"value\": \"y\"}");
    (void)adopt("{\"value\": \"z\"}");
    core_fixture_settle(&fixture);
    assert_calls("apply(a) cancel apply(z) ");
    g_assert_cmpuint(service_state(service)->config_revision, ==, 4);
    teardown();
}

/* A stop and a start take it up. */
static void test_adopt_at_the_next_start(void)
{
    setup(CONFIG);
    reach_stopping();
    (void)adopt(NEXT);
    fake_stop_done(service, NULL);
    assert_state(service, STATE_INACTIVE);
    start();
    assert_calls("apply(a) stop apply(b) ");
    teardown();
    setup(CONFIG);
    reach_restarting();
    (void)adopt(NEXT);
    fake_stop_done(service, NULL);
    core_fixture_settle(&fixture);
    assert_calls("apply(a) stop apply(b) ");
    teardown();
    setup(CONFIG);
    reach_ending();
    (void)adopt(NEXT);
    fake_ended(service, "no");
    assert_state(service, STATE_BACKOFF);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_calls("apply(a) apply(b) ");
    teardown();
}

/* Then stopped before it came into force. */
static void test_adopt_then_stop(void)
{
    setup(CONFIG);
    start();
    (void)adopt(NEXT);
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    assert_calls("apply(a) cancel stop ");
    teardown();
}

static void test_adopt_without_one_before(void)
{
    setup(NULL);
    start();
    assert_state(service, STATE_ACTIVE);
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(&kind_fake, NEXT, strlen(NEXT), problems);

    g_assert_cmpint(service_adopt_config(service, config, CONFIG_FROM_BUS, &origin_test), ==,
                    CONFIG_RESTARTED);
    assert_state(service, STATE_STARTING);
    core_fixture_settle(&fixture);
    assert_calls("apply(b) ");
    teardown();
}

/* A definition that could not be used, and then could. */
static void test_adopt_mends(void)
{
    g_autoptr(GError) reason = g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "line 1");
    g_autoptr(GError) error = NULL;
    g_autoptr(Problems) problems = problems_new();

    core_fixture_init(&fixture);
    service = service_new(fixture.core, "web", &kind_fake);
    service_set_broken(service, reason, &origin_test);
    service_publish(service, &origin_test);
    setup_listener();
    g_assert_false(service_check_start(service, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
    (void)service_adopt_config(service, config_parse(&kind_fake, NEXT, strlen(NEXT), problems),
                               CONFIG_FROM_DEFINITION, &origin_test);
    assert_state(service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    start();
    teardown();
}

/* Whether it would be refused */

static void reach_deleting(void)
{
    reach_active();
    g_assert_false(service_begin_delete(service, &origin_test));
}

typedef struct CheckCase {
    bool (*check)(const Service *checked, GError **error);
    bool (*operation)(Service *operated, const Origin *origin, GError **error);
} CheckCase;

static const CheckCase check_cases[] = {
        {service_check_start, service_start},
        {service_check_stop, service_stop},
        {service_check_restart, service_restart},
};

/* The same as if it were done, in every state, and nothing is done. */
static void test_checks_agree(void)
{
    static void (*const ways[])(void) = {reach_nothing, reach_queued,    start,
                                         reach_active,  reach_reloading, reach_applying,
                                         reach_backoff, reach_stopping,  reach_restarting,
                                         reach_ending,  reach_failed,    reach_deleting};

    for (unsigned i = 0; i < G_N_ELEMENTS(ways) * G_N_ELEMENTS(check_cases); i++) {
        const CheckCase *checked = &check_cases[i % G_N_ELEMENTS(check_cases)];
        g_autoptr(GError) expected = NULL, error = NULL;

        setup(CONFIG);
        ways[i / G_N_ELEMENTS(check_cases)]();
        g_autoptr(StateRecord) before = state_record_ref(service_state(service));
        bool good = checked->check(service, &expected);

        g_assert_true(service_state(service) == before);
        g_assert_cmpint(checked->operation(service, &origin_test, &error), ==, good);
        if (!good)
            g_assert_cmpstr(error->message, ==, expected->message);
        g_assert_cmpint(service_check_change(service, NULL), ==, !service_is_deleting(service));
        teardown();
    }
}

/* Remembering */

static Service *remembered(const DurableState *state)
{
    core_fixture_init(&fixture);
    service = service_new(fixture.core, "web", &kind_fake);
    g_autoptr(Problems) problems = problems_new();

    service_set_revision(service, 6);
    (void)service_adopt_config(service, config_parse(&kind_fake, CONFIG, strlen(CONFIG), problems),
                               CONFIG_FROM_BUS, &origin_test);
    service_remember(service, state, &(Origin){.cause = CAUSE_STARTUP});
    service_publish(service, &(Origin){.cause = CAUSE_STARTUP});
    setup_listener();
    return service;
}

static void test_remember_gave_up(void)
{
    remembered(&(DurableState){.failed_attempts = 5,
                               .failure_class = FAILURE_START_LIMIT,
                               .error_time = 1234,
                               .error = "too often"});
    const StateRecord *record = service_state(service);

    assert_state(service, STATE_FAILED);
    assert_service_invariants(service);
    g_assert_error(record->error, SVCMGR_ERROR, ERROR_START_LIMIT_HIT);
    g_assert_cmpstr(record->error->message, ==, "too often");
    g_assert_cmpint(record->failure_class, ==, FAILURE_START_LIMIT);
    g_assert_cmpuint(record->last_error_time, ==, 1234);
    g_assert_cmpuint(record->failed_attempts, ==, 5);
    g_assert_cmpuint(record->config_revision, ==, 7);
    g_assert_false(service_is_wanted(service));
    g_assert_cmpuint(service_kept(service)->error_time, ==, 1234);
    start();
    g_assert_null(service_state(service)->error);
    teardown();
}

/* Its failures in a row go on where they were, unless a person starts it. */
static void test_remember_wanted(void)
{
    static const Origin origins[] = {{.cause = CAUSE_STARTUP}, {.cause = CAUSE_METHOD}};

    for (unsigned i = 0; i < G_N_ELEMENTS(origins); i++) {
        remembered(&(DurableState){.wanted = true, .failed_attempts = 3});
        assert_state(service, STATE_INACTIVE);
        g_assert_true(service_kept(service)->wanted);
        g_assert_cmpuint(service_kept(service)->failed_attempts, ==, 3);
        g_assert_true(service_start(service, &origins[i], NULL));
        core_fixture_settle(&fixture);
        fake_apply_fail(service, "no", false);
        g_assert_cmpuint(service_state(service)->failed_attempts, ==, i == 0 ? 4 : 1);
        teardown();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(adopt_cases); i++)
        g_test_add_data_func(adopt_cases[i].path, &adopt_cases[i], test_adopt);
    g_test_add_func("/adopt/late-reports", test_adopt_late_reports);
    g_test_add_func("/adopt/again-and-again", test_adopt_again_and_again);
    g_test_add_func("/adopt/at-the-next-start", test_adopt_at_the_next_start);
    g_test_add_func("/adopt/then-stop", test_adopt_then_stop);
    g_test_add_func("/adopt/without-one-before", test_adopt_without_one_before);
    g_test_add_func("/adopt/mends", test_adopt_mends);
    g_test_add_func("/check/agrees-with-the-operation", test_checks_agree);
    g_test_add_func("/remember/gave-up", test_remember_gave_up);
    g_test_add_func("/remember/wanted", test_remember_wanted);
    return g_test_run();
}
