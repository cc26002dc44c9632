/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core-fixture.h"

#include "base/errors.h"
#include "base/log.h"

const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};
unsigned fake_instances;

static void *fake_config_new(void)
{
    return g_new0(FakeConfig, 1);
}

static void fake_config_free(void *own)
{
    FakeConfig *config = own;
    g_free(config->value);
    g_free(config);
}

static const JsonMember fake_members[] = {
        {"value", json_read_string, offsetof(FakeConfig, value), NULL, false},
        {"reload", json_read_bool, offsetof(FakeConfig, reload), NULL, false},
        {NULL, NULL, 0, NULL, false},
};

static void *fake_instance_new(const Kind *kind, Service *service)
{
    FakeInstance *fake = g_new0(FakeInstance, 1);
    fake->service = service;
    fake->calls = g_string_new(NULL);
    fake_instances++;
    return fake;
}

static void fake_instance_free(void *instance)
{
    FakeInstance *fake = instance;
    apply_context_unref(fake->context);
    g_string_free(fake->calls, TRUE);
    g_free(fake);
    fake_instances--;
}

/* Takes context. */
static void fake_open(FakeInstance *fake, ApplyContext *context)
{
    g_assert_false(fake->context_open); /* at most one apply runs */
    apply_context_unref(fake->context);
    fake->context = context;
    fake->context_open = true;
}

static void fake_begin(FakeInstance *fake, ApplyContext *context, Config *config, const char *what)
{
    const FakeConfig *own = config->own;
    fake_open(fake, apply_context_ref(context));
    g_string_append_printf(fake->calls, "%s(%s) ", what, own->value != NULL ? own->value : "");
}

static void fake_apply(void *instance, ApplyContext *context, Config *config)
{
    fake_begin(instance, context, config, "apply");
}

static void fake_reload(void *instance, ApplyContext *context, Config *config)
{
    fake_begin(instance, context, config, "reload");
}

static bool fake_can_reload(const Config *config)
{
    return ((const FakeConfig *)config->own)->reload;
}

static void fake_cancel(void *instance, ApplyContext *context)
{
    FakeInstance *fake = instance;
    g_assert_true(fake->context == context && apply_context_is_cancelled(context));
    fake->context_open = false;
    g_string_append(fake->calls, "cancel ");
}

static void fake_stop(void *instance)
{
    FakeInstance *fake = instance;
    g_assert_false(fake->context_open);
    g_assert_false(fake->stop_asked);
    fake->stop_asked = true;
    g_string_append(fake->calls, "stop ");
}

static void fake_kill(void *instance)
{
    FakeInstance *fake = instance;
    g_string_append(fake->calls, "kill ");
}

#define FAKE_KIND(kind_name, runs_once)                                                            \
    {                                                                                              \
        .name = kind_name, .description = "for tests", .schema = "{}", .members = fake_members,    \
        .config_new = fake_config_new, .config_free = fake_config_free,                            \
        .instance_new = fake_instance_new, .instance_free = fake_instance_free,                    \
        .apply = fake_apply, .cancel = fake_cancel, .stop = fake_stop,                             \
        .can_reload = fake_can_reload, .reload = fake_reload, .kill = fake_kill,                   \
        .completes = runs_once,                                                                    \
    }

const Kind kind_fake = FAKE_KIND("fake", false);
const Kind kind_fake_other = FAKE_KIND("other", true);

static void fixture_on_log(LogLevel level, const char *service, const char *message, void *data)
{
    g_string_append_printf(data, "%s: %s\n", service != NULL ? service : "-", message);
}

void core_fixture_init(CoreFixture *fixture)
{
    fixture->loop = virtual_loop_new();
    fixture->log = g_string_new(NULL);
    log_set_sink(fixture_on_log, fixture->log);
    random_seeded_init(&fixture->random, 1);
    fixture->core = core_new(virtual_loop_clock(fixture->loop), virtual_loop_timers(fixture->loop),
                             &fixture->random.random, 1);
}

void core_fixture_done(CoreFixture *fixture)
{
    g_assert_cmpuint(fake_instances, ==, 0);
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);
    core_free(fixture->core);
    virtual_loop_free(fixture->loop);
    log_set_sink(NULL, NULL);
    g_string_free(fixture->log, TRUE);
}

void core_fixture_settle(CoreFixture *fixture)
{
    virtual_loop_settle(fixture->loop);
}

void core_fixture_advance(CoreFixture *fixture, uint64_t usec)
{
    virtual_loop_advance(fixture->loop, usec);
}

Service *fixture_service(CoreFixture *fixture, const char *config)
{
    Service *service = service_new(fixture->core, "web", &kind_fake);
    if (config != NULL)
        g_assert_true(service_configure(service, config, strlen(config), &origin_test, NULL, NULL));
    service_publish(service, &origin_test);
    return service;
}

FakeInstance *fake_of(Service *service)
{
    return service_instance(service);
}

static Failure fake_failure(const GError *error, bool abort)
{
    return (Failure){.failure_class = FAILURE_EXIT_CODE, .abort = abort, .error = error};
}

void fake_apply_ok(Service *service)
{
    fake_of(service)->context_open = false;
    apply_context_done(fake_of(service)->context, NULL);
}

void fake_apply_fail(Service *service, const char *message, bool abort)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, message);
    Failure failure = fake_failure(error, abort);
    fake_of(service)->context_open = false;
    apply_context_done(fake_of(service)->context, &failure);
}

bool fake_reloading(Service *service)
{
    ApplyContext *context = service_report_reloading(service);
    if (context == NULL)
        return false;
    fake_open(fake_of(service), context);
    g_string_append(fake_of(service)->calls, "by-itself ");
    return true;
}

static void fake_end(Service *service, const char *message, const ExitStatus *exit)
{
    g_autoptr(GError) error = NULL;
    if (message != NULL)
        error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, message);
    Failure failure = fake_failure(error, false);
    fake_of(service)->context_open = false;
    service_report_ended(service, message != NULL ? &failure : NULL, exit);
}

void fake_ended(Service *service, const char *message)
{
    fake_end(service, message, NULL);
}

void fake_ended_with_code(Service *service, int code)
{
    ExitStatus exit = {.known = true, .value = code};
    fake_end(service, code != 0 ? "exited" : NULL, &exit);
}

void fake_ending(Service *service, const char *message)
{
    g_autoptr(GError) error = NULL;
    if (message != NULL)
        error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, message);
    Failure failure = fake_failure(error, false);
    fake_of(service)->context_open = false;
    service_report_ending(service, message != NULL ? &failure : NULL);
}

static Failure fake_watchdog_failure(const GError *error)
{
    return (Failure){.failure_class = FAILURE_WATCHDOG, .error = error};
}

void fake_ending_by_watchdog(Service *service)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, "was silent");
    Failure failure = fake_watchdog_failure(error);
    fake_of(service)->context_open = false;
    service_report_ending(service, &failure);
}

void fake_ended_by_watchdog(Service *service)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, "was silent");
    Failure failure = fake_watchdog_failure(error);
    fake_of(service)->context_open = false;
    service_report_ended(service, &failure, NULL);
}

void fake_stop_done(Service *service, const char *message)
{
    g_autoptr(GError) error = NULL;
    if (message != NULL)
        error = g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, message);
    Failure failure = {.failure_class = FAILURE_TIMEOUT, .error = error};
    fake_of(service)->stop_asked = false;
    service_stop_done(service, message != NULL ? &failure : NULL);
}

void fake_unkillable(Service *service, const char *message)
{
    fake_of(service)->context_open = false;
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, message);
    service_report_unkillable(service, error);
}

void fake_stop_whatever(CoreFixture *fixture, Service *borrowed)
{
    g_autoptr(Service) service = service_ref(borrowed); /* its map may let it go */
    core_fixture_settle(fixture);
    if (!service_state(service)->active)
        return;
    (void)service_stop(service, &origin_test, NULL); /* Busy: it is stopping already */
    core_fixture_settle(fixture);
    if (service_is_stop_put_off(service))
        service_kill(service); /* whoever else has to stop first */
    core_fixture_settle(fixture);
    if (fake_of(service)->stop_asked)
        fake_stop_done(service, NULL);
    else
        fake_ended(service, NULL); /* it was ending by itself */
    g_assert_false(service_state(service)->active);
    core_fixture_settle(fixture);
}

void assert_service_invariants(Service *service)
{
    const StateRecord *record = service_state(service);
    State state = record->state;
    bool loading = state == STATE_STARTING || state == STATE_RELOADING || state == STATE_BACKOFF;
    g_assert_cmpint(record->active, ==, state != STATE_INACTIVE && state != STATE_FAILED);
    g_assert_cmpint(record->loading, ==, loading);
    g_assert_cmpint(record->next_attempt_time > 0, ==, state == STATE_BACKOFF);
    g_assert_cmpint(record->error == NULL, ==, record->failure_class == FAILURE_NONE);
    g_assert_true(!loading || record->last_loading_end_time == 0);
    g_assert_true(state != STATE_FAILED || record->error != NULL);
    g_assert_true(record->active || !fake_of(service)->context_open);
    g_assert_cmpint((record->config != NULL), ==, record->config_revision > 0);
}
