/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every state times every event: the state that follows, or the refusal. One table, read in columns
 * by the state that the event meets. */

#include "core-fixture.h"

#include "base/errors.h"

#define CONFIG "{\"value\": \"a\", \"reload\": true}"
#define CONFIG_NEXT "{\"value\": \"b\", \"reload\": true}"
#define CONFIG_BAD "{\"value\": 1}"

/* The situations. */

static void enter_inactive(CoreFixture *fixture, Service *service)
{
}

static void enter_starting(CoreFixture *fixture, Service *service)
{
    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(fixture);
}

static void enter_active(CoreFixture *fixture, Service *service)
{
    enter_starting(fixture, service);
    if (service_config(service) != NULL)
        fake_apply_ok(service);
}

static void enter_reloading_config(CoreFixture *fixture, Service *service)
{
    enter_active(fixture, service);
    g_assert_true(
            service_configure(service, CONFIG_NEXT, strlen(CONFIG_NEXT), &origin_test, NULL, NULL));
    core_fixture_settle(fixture);
}

static void enter_reloading(CoreFixture *fixture, Service *service)
{
    enter_active(fixture, service);
    g_assert_true(service_reload(service, &origin_test, NULL));
    core_fixture_settle(fixture);
}

static void enter_reloading_itself(CoreFixture *fixture, Service *service)
{
    enter_active(fixture, service);
    g_assert_true(fake_reloading(service));
    core_fixture_settle(fixture);
}

static void enter_backoff(CoreFixture *fixture, Service *service)
{
    enter_starting(fixture, service);
    fake_apply_fail(service, "no luck", false);
}

static void enter_stopping(CoreFixture *fixture, Service *service)
{
    enter_active(fixture, service);
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(fixture);
}

static void enter_restarting(CoreFixture *fixture, Service *service)
{
    enter_active(fixture, service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(fixture);
}

static void enter_ending(CoreFixture *fixture, Service *service)
{
    enter_active(fixture, service);
    fake_ending(service, "died");
    core_fixture_settle(fixture);
}

static void enter_failed(CoreFixture *fixture, Service *service)
{
    enter_starting(fixture, service);
    fake_apply_fail(service, "broken for good", true);
}

typedef struct Situation {
    const char *name;
    const char *config;
    void (*enter)(CoreFixture *fixture, Service *service);
    State state;
} Situation;

#define N_SITUATIONS 12

static const Situation situations[N_SITUATIONS] = {
        {"inactive", CONFIG, enter_inactive, STATE_INACTIVE},
        {"unconfigured", NULL, enter_active, STATE_ACTIVE},
        {"starting", CONFIG, enter_starting, STATE_STARTING},
        {"active", CONFIG, enter_active, STATE_ACTIVE},
        {"reloading-config", CONFIG, enter_reloading_config, STATE_RELOADING},
        {"reloading", CONFIG, enter_reloading, STATE_RELOADING},
        {"reloading-itself", CONFIG, enter_reloading_itself, STATE_RELOADING},
        {"backoff", CONFIG, enter_backoff, STATE_BACKOFF},
        {"stopping", CONFIG, enter_stopping, STATE_STOPPING},
        {"restarting", CONFIG, enter_restarting, STATE_STOPPING},
        {"ending", CONFIG, enter_ending, STATE_STOPPING},
        {"failed", CONFIG, enter_failed, STATE_FAILED},
};

/* The events. */

static bool event_start(CoreFixture *fixture, Service *service, GError **error)
{
    return service_start(service, &origin_test, error);
}

static bool event_stop(CoreFixture *fixture, Service *service, GError **error)
{
    return service_stop(service, &origin_test, error);
}

static bool event_restart(CoreFixture *fixture, Service *service, GError **error)
{
    return service_restart(service, &origin_test, error);
}

static bool event_reload(CoreFixture *fixture, Service *service, GError **error)
{
    return service_reload(service, &origin_test, error);
}

static bool event_configure(CoreFixture *fixture, Service *service, GError **error)
{
    return service_configure(service, CONFIG_NEXT, strlen(CONFIG_NEXT), &origin_test, NULL, error);
}

static bool event_configure_bad(CoreFixture *fixture, Service *service, GError **error)
{
    return service_configure(service, CONFIG_BAD, strlen(CONFIG_BAD), &origin_test, NULL, error);
}

static bool event_reset_failed(CoreFixture *fixture, Service *service, GError **error)
{
    return service_reset_failed(service, &origin_test, error);
}

static bool event_delete(CoreFixture *fixture, Service *service, GError **error)
{
    (void)service_begin_delete(service, &origin_test); /* the state tells */
    return true;
}

static bool event_apply_ok(CoreFixture *fixture, Service *service, GError **error)
{
    if (fake_of(service)->context != NULL)
        fake_apply_ok(service);
    return true;
}

static bool event_apply_fail(CoreFixture *fixture, Service *service, GError **error)
{
    if (fake_of(service)->context != NULL)
        fake_apply_fail(service, "apply failed", false);
    return true;
}

static bool event_apply_abort(CoreFixture *fixture, Service *service, GError **error)
{
    if (fake_of(service)->context != NULL)
        fake_apply_fail(service, "apply aborted", true);
    return true;
}

static bool event_reloading(CoreFixture *fixture, Service *service, GError **error)
{
    (void)fake_reloading(service); /* the state tells */
    return true;
}

static bool event_ended(CoreFixture *fixture, Service *service, GError **error)
{
    fake_ended(service, NULL);
    return true;
}

static bool event_ended_failing(CoreFixture *fixture, Service *service, GError **error)
{
    fake_ended(service, "died");
    return true;
}

static bool event_ending(CoreFixture *fixture, Service *service, GError **error)
{
    fake_ending(service, "died");
    return true;
}

static bool event_stop_done(CoreFixture *fixture, Service *service, GError **error)
{
    fake_stop_done(service, NULL);
    return true;
}

static bool event_stop_failed(CoreFixture *fixture, Service *service, GError **error)
{
    fake_stop_done(service, "could not be stopped");
    return true;
}

static bool event_unkillable(CoreFixture *fixture, Service *service, GError **error)
{
    fake_unkillable(service, "survived SIGKILL");
    return true;
}

static bool event_time_passes(CoreFixture *fixture, Service *service, GError **error)
{
    core_fixture_advance(fixture, 60 * USEC_PER_SEC);
    return true;
}

typedef struct Row {
    const char *event;
    bool (*run)(CoreFixture *fixture, Service *service, GError **error);
    /* The state that follows, "=" for no change of the record at all, or "!" and the refusal. */
    const char *expected[N_SITUATIONS];
} Row;

#define STARTED "!AlreadyStarted"
#define STOPPED "!AlreadyStopped"
#define LOADING "!AlreadyLoading"
#define BUSY "!Busy"
#define UNABLE "!NotSupported"
#define BAD "!InvalidConfig"

/* clang-format off */
static const Row rows[] = {
    /*                                         inactive    unconfigured starting    active      reloading-c reloading   r-itself    backoff     stopping    restarting  ending      failed */
    {"start",         event_start,         {"starting", STARTED,      STARTED,    STARTED,    STARTED,    STARTED,    STARTED,    STARTED,    BUSY,       BUSY,       BUSY,       "starting"}},
    {"stop",          event_stop,          {STOPPED,    "stopping",   "stopping", "stopping", "stopping", "stopping", "stopping", "stopping", BUSY,       "=",        "=",        STOPPED}},
    {"restart",       event_restart,       {"starting", "stopping",   "stopping", "stopping", "stopping", "stopping", "stopping", "stopping", BUSY,       BUSY,       BUSY,       "starting"}},
    {"reload",        event_reload,        {UNABLE,     UNABLE,       LOADING,    "reloading", LOADING,    LOADING,    LOADING,    UNABLE,     BUSY,       BUSY,       BUSY,       UNABLE}},
    {"configure",     event_configure,     {"inactive", "starting",   LOADING,    "reloading", LOADING,    LOADING,    LOADING,    "starting", BUSY,       BUSY,       BUSY,       "failed"}},
    {"configure-bad", event_configure_bad, {BAD,        BAD,          LOADING,    BAD,        LOADING,    LOADING,    LOADING,    BAD,        BUSY,       BUSY,       BUSY,       BAD}},
    {"reset-failed",  event_reset_failed,  {"=",        "=",          "=",        "=",        "=",        "=",        "=",        "backoff",  BUSY,       BUSY,       BUSY,       "inactive"}},
    {"delete",        event_delete,        {"=",        "stopping",   "stopping", "stopping", "stopping", "stopping", "stopping", "stopping", "=",        "=",        "=",        "="}},
    {"apply-ok",      event_apply_ok,      {"=",        "=",          "active",   "=",        "active",   "active",   "active",   "=",        "=",        "=",        "=",        "="}},
    {"apply-fail",    event_apply_fail,    {"=",        "=",          "backoff",  "=",        "backoff",  "active",   "active",   "=",        "=",        "=",        "=",        "="}},
    {"apply-abort",   event_apply_abort,   {"=",        "=",          "failed",   "=",        "failed",   "active",   "active",   "=",        "=",        "=",        "=",        "="}},
    {"reloading",     event_reloading,     {"=",        "=",          "=",        "reloading", "=",       "=",        "=",        "=",        "=",        "=",        "=",        "="}},
    {"ended",         event_ended,         {"=",        "inactive",   "inactive", "inactive", "inactive", "inactive", "inactive", "=",        "=",        "=",        "inactive", "="}},
    {"ended-failing", event_ended_failing, {"=",        "failed",     "backoff",  "backoff",  "backoff",  "backoff",  "backoff",  "=",        "=",        "=",        "backoff",  "="}},
    {"ending",        event_ending,        {"=",        "stopping",   "=",        "stopping", "stopping", "stopping", "stopping", "=",        "=",        "=",        "=",        "="}},
    {"stop-done",     event_stop_done,     {"=",        "=",          "=",        "=",        "=",        "=",        "=",        "=",        "inactive", "starting", "=",        "="}},
    {"stop-failed",   event_stop_failed,   {"=",        "=",          "=",        "=",        "=",        "=",        "=",        "=",        "failed",   "starting", "=",        "="}},
    {"unkillable",    event_unkillable,    {"=",        "=",          "stopping", "=",        "stopping", "stopping", "stopping", "=",        "stopping", "stopping", "stopping", "="}},
    {"time-passes",   event_time_passes,   {"=",        "=",          "=",        "=",        "=",        "=",        "=",        "starting", "=",        "=",        "=",        "="}},
};
/* clang-format on */

static void check_cell(const Row *row, const Situation *situation, const char *expected)
{
    CoreFixture fixture;
    g_autoptr(GError) error = NULL;
    core_fixture_init(&fixture);
    Service *service = fixture_service(&fixture, situation->config);
    situation->enter(&fixture, service);
    assert_state(service, situation->state);
    assert_service_invariants(service);
    uint64_t serial = service_state(service)->serial;

    bool done = row->run(&fixture, service, &error);
    assert_service_invariants(service);
    if (expected[0] == '!') {
        g_autofree char *name = g_strconcat("org.svcmgr1.Error.", expected + 1, NULL);
        g_assert_false(done);
        g_assert_cmpstr(error_to_dbus_name(error), ==, name);
        g_assert_nonnull(strstr(error->message, "service 'web'"));
    } else {
        g_assert_no_error(error);
        g_assert_true(done);
    }
    if (expected[0] == '!' || expected[0] == '=') {
        assert_state(service, situation->state);
        g_assert_cmpuint(service_state(service)->serial, ==, serial);
    } else {
        assert_state(service, state_from_string(expected));
        g_assert_cmpuint(service_state(service)->serial, ==, serial + 1);
    }
    core_fixture_settle(&fixture);
    assert_service_invariants(service);
    fake_stop_whatever(&fixture, service);
    service_unref(service);
    core_fixture_done(&fixture);
}

static void test_row(const void *data)
{
    const Row *row = data;
    for (unsigned i = 0; i < N_SITUATIONS; i++) {
        g_test_message("%s in %s", row->event, situations[i].name);
        check_cell(row, &situations[i], row->expected[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/service/every-state/%s", rows[i].event);
        g_test_add_data_func(path, &rows[i], test_row);
    }
    return g_test_run();
}
