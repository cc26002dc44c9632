/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events of the daemon's life: when they are told, logged and refused; services by the real
 * core and a fake kind. */

#include "base/errors.h"
#include "base/log.h"
#include "core-fixture.h"
#include "run/lifecycle.h"

#define CONFIG "{\"value\": \"x\"}"

typedef struct Fixture {
    CoreFixture core;
    Map *map;
    Lifecycle *lifecycle;
    GString *told;
    GString *logged;
    uint64_t time; /* of the last */
} Fixture;

static void on_tell(const LifecycleEvent *event, void *data)
{
    Fixture *fixture = data;

    g_string_append_printf(
            fixture->told, "%s%s%s%s%s ", lifecycle_type_to_string(event->type),
            event->subject != NULL ? ":" : "", event->subject != NULL ? event->subject : "",
            event->error != NULL ? "=" : "", event->error != NULL ? event->error->message : "");
    g_assert_cmpuint(event->time, >=, fixture->time);
    fixture->time = event->time;
}

static void on_log(LogLevel level, const char *service, const char *message, void *data)
{
    g_string_append_printf(data, "%s/%s/%s\n", log_level_to_string(level),
                           service != NULL ? service : "", message);
}

static void set_up(Fixture *fixture, const void *unused)
{
    core_fixture_init(&fixture->core);
    fixture->map = map_new(fixture->core.core, ID_REQUIRED, 0);
    map_register_kind(fixture->map, &kind_fake);
    fixture->lifecycle = lifecycle_new(virtual_loop_clock(fixture->core.loop));
    fixture->told = g_string_new(NULL);
    fixture->logged = g_string_new(NULL);
}

static void tear_down(Fixture *fixture, const void *unused)
{
    lifecycle_free(fixture->lifecycle);
    for (Service *service = map_next(fixture->map, NULL); service != NULL;
         service = map_next(fixture->map, service_id(service)))
        fake_stop_whatever(&fixture->core, service);
    map_free(fixture->map);
    core_fixture_done(&fixture->core);
    g_string_free(fixture->told, TRUE);
    g_string_free(fixture->logged, TRUE);
}

static void assert_told(Fixture *fixture, const char *expected)
{
    g_assert_cmpstr(fixture->told->str, ==, expected);
    g_string_truncate(fixture->told, 0);
}

static void emit(Fixture *fixture, LifecycleType type)
{
    lifecycle_emit(fixture->lifecycle, type, NULL, NULL);
}

static void begin_watched(Fixture *fixture)
{
    lifecycle_set_sink(fixture->lifecycle, on_tell, fixture);
    emit(fixture, LIFECYCLE_APP_STARTUP);
    lifecycle_watch(fixture->lifecycle, fixture->map);
    assert_told(fixture, "AppStartup ");
}

static Service *create_with(Fixture *fixture, const char *id, const char *config)
{
    CreateSpec spec = {
            .id = id, .kind = kind_fake.name, .config = config, .config_length = strlen(config)};
    g_autoptr(GError) error = NULL;
    Service *service = map_create(fixture->map, &spec, &origin_test, &error);

    g_assert_no_error(error);
    return service;
}

static Service *create(Fixture *fixture, const char *id)
{
    return create_with(fixture, id, CONFIG);
}

static void start(Fixture *fixture, Service *service)
{
    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_apply_ok(service);
    assert_state(service, STATE_ACTIVE);
}

static void stop(Fixture *fixture, Service *service, const char *message_or_null)
{
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_stop_done(service, message_or_null);
}

static void test_names(void)
{
    g_assert_cmpstr(lifecycle_type_to_string(LIFECYCLE_APP_STARTUP), ==, "AppStartup");
    for (int i = 0; i < _LIFECYCLE_TYPE_MAX; i++)
        g_assert_cmpint(lifecycle_type_from_string(lifecycle_type_to_string((LifecycleType)i)), ==,
                        i);
    g_assert_cmpint(lifecycle_type_from_string("AppPaused"), ==, _LIFECYCLE_TYPE_INVALID);
}

static void test_kept_until_a_sink(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "engaged");
    char name[] = "10-a";

    emit(fixture, LIFECYCLE_APP_STARTUP);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_PRE_HOOK_START, name, NULL);
    core_fixture_advance(&fixture->core, USEC_PER_SEC);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_POST_HOOK_START, name, error);
    name[0] = 'x';
    g_clear_error(&error);
    core_fixture_advance(&fixture->core, USEC_PER_SEC);
    lifecycle_set_sink(fixture->lifecycle, on_tell, fixture);
    assert_told(fixture, "AppStartup PreHookStart:10-a PostHookStart:10-a=engaged ");
    g_assert_cmpuint(fixture->time, ==,
                     clock_wall_usec(virtual_loop_clock(fixture->core.loop)) - USEC_PER_SEC);
    emit(fixture, LIFECYCLE_APP_RUNNING);
    assert_told(fixture, "AppRunning ");
    lifecycle_set_sink(fixture->lifecycle, NULL, NULL);
    emit(fixture, LIFECYCLE_APP_TERMINATING);
    lifecycle_set_sink(fixture->lifecycle, on_tell, fixture);
    assert_told(fixture, "");
}

/* Freed with events that nobody came for. */
static void test_never_a_sink(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "engaged");

    emit(fixture, LIFECYCLE_APP_STARTUP);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_POST_HOOK_START, "a", error);
    assert_told(fixture, "");
}

static void test_log(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "engaged");

    log_set_sink(on_log, fixture->logged);
    emit(fixture, LIFECYCLE_APP_STARTUP);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_PRE_HOOK_START, "10-a", NULL);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_POST_HOOK_START, "10-a", error);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_PROCESS_START, "web", NULL);
    emit(fixture, LIFECYCLE_APP_RUNNING);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_PROCESS_END, "web", error);
    emit(fixture, LIFECYCLE_APP_TERMINATING);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_PRE_HOOK_STOP, "90-b", NULL);
    lifecycle_emit(fixture->lifecycle, LIFECYCLE_POST_HOOK_STOP, "90-b", NULL);
    emit(fixture, LIFECYCLE_APP_TERMINATED);
    g_assert_cmpstr(fixture->logged->str, ==,
                    "info//AppStartup\n"
                    "info//PreHookStart 10-a\n"
                    "info//PostHookStart 10-a: engaged\n"
                    "info/web/ProcessStart\n"
                    "notice//AppRunning\n"
                    "info/web/ProcessEnd: engaged\n"
                    "info//AppTerminating\n"
                    "info//PreHookStop 90-b\n"
                    "info//PostHookStop 90-b\n"
                    "notice//AppTerminated\n");
}

static void test_fields(void)
{
    static const struct {
        LifecycleType type;
        const char *hook; /* or NULL */
    } cases[] = {
            {LIFECYCLE_APP_STARTUP, NULL},     {LIFECYCLE_PRE_HOOK_START, "x"},
            {LIFECYCLE_POST_HOOK_START, "x"},  {LIFECYCLE_PROCESS_START, NULL},
            {LIFECYCLE_APP_RUNNING, NULL},     {LIFECYCLE_PROCESS_END, NULL},
            {LIFECYCLE_APP_TERMINATING, NULL}, {LIFECYCLE_PRE_HOOK_STOP, "x"},
            {LIFECYCLE_POST_HOOK_STOP, "x"},   {LIFECYCLE_APP_TERMINATED, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        LifecycleEvent event = {.type = cases[i].type, .subject = "x"};
        const char *fields[LIFECYCLE_FIELDS_MAX];

        lifecycle_event_fields(&event, fields);
        g_assert_cmpstr(fields[0], ==, "SVCMGR_EVENT");
        g_assert_cmpstr(fields[1], ==, lifecycle_type_to_string(cases[i].type));
        g_assert_cmpstr(fields[2], ==, cases[i].hook != NULL ? "SVCMGR_HOOK" : NULL);
        g_assert_cmpstr(fields[3], ==, cases[i].hook);
        g_assert_null(fields[4]);
    }
}

/* Services */

static void test_start_and_stop(Fixture *fixture, const void *unused)
{
    Service *service = create(fixture, "a");

    begin_watched(fixture);
    start(fixture, service);
    assert_told(fixture, "ProcessStart:a ");
    stop(fixture, service, NULL);
    assert_told(fixture, "ProcessEnd:a ");
    create(fixture, "b");
    g_assert_true(map_delete(fixture->map, "b", &origin_test, NULL, NULL, NULL));
    assert_told(fixture, "");
}

static void test_restart(Fixture *fixture, const void *unused)
{
    Service *service = create(fixture, "a");

    begin_watched(fixture);
    start(fixture, service);
    assert_told(fixture, "ProcessStart:a ");
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    assert_state(service, STATE_STOPPING);
    assert_told(fixture, "");
    fake_stop_done(service, NULL);
    core_fixture_settle(&fixture->core);
    assert_state(service, STATE_STARTING);
    assert_told(fixture, "ProcessEnd:a ProcessStart:a ");
}

/* A retry belongs to the same run. */
static void test_retry(Fixture *fixture, const void *unused)
{
    Service *service = create(fixture, "a");

    begin_watched(fixture);
    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_apply_fail(service, "not yet", false);
    assert_state(service, STATE_BACKOFF);
    assert_told(fixture, "ProcessStart:a ");
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_stop_whatever(&fixture->core, service);
    assert_told(fixture, "ProcessEnd:a ");
}

/* Whether what is left of the last attempt had to be ended first, or not. */
static void test_retry_after_the_rest(Fixture *fixture, const void *unused)
{
    Service *service = create(fixture, "a");

    begin_watched(fixture);
    start(fixture, service);
    assert_told(fixture, "ProcessStart:a ");
    fake_ending(service, "killed");
    assert_state(service, STATE_STOPPING);
    fake_ended(service, "killed");
    assert_state(service, STATE_BACKOFF);
    assert_told(fixture, "");
    core_fixture_advance(&fixture->core, 60 * USEC_PER_SEC);
    assert_state(service, STATE_STARTING);
    assert_told(fixture, "");
}

static void test_failure(Fixture *fixture, const void *unused)
{
    Service *service = create(fixture, "a");

    begin_watched(fixture);
    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_apply_fail(service, "no such file", true);
    assert_state(service, STATE_FAILED);
    assert_told(fixture, "ProcessStart:a ProcessEnd:a=no such file ");
}

/* Nothing of it runs: neither before what it waits for is there, nor when it is stopped then. */
static void test_who_waits_does_not_run(Fixture *fixture, const void *unused)
{
    Service *db = create(fixture, "db");
    Service *web = create_with(fixture, "web", "{\"value\": \"x\", \"requires\": [\"db\"]}");

    begin_watched(fixture);
    g_assert_true(service_start(web, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    assert_state(web, STATE_WAITING);
    assert_told(fixture, "ProcessStart:db ");
    g_assert_true(service_stop(web, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_stop_whatever(&fixture->core, web);
    assert_state(web, STATE_INACTIVE);
    assert_told(fixture, "");
    g_assert_true(service_start(web, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    assert_told(fixture, "");
    fake_apply_ok(db);
    core_fixture_settle(&fixture->core);
    assert_state(web, STATE_STARTING);
    assert_told(fixture, "ProcessStart:web ");
}

static void test_watch_tells_who_runs(Fixture *fixture, const void *unused)
{
    start(fixture, create(fixture, "b"));
    create(fixture, "a");
    lifecycle_set_sink(fixture->lifecycle, on_tell, fixture);
    emit(fixture, LIFECYCLE_APP_STARTUP);
    lifecycle_watch(fixture->lifecycle, fixture->map);
    assert_told(fixture, "AppStartup ProcessStart:b ");
}

static void test_silent_after_the_end(Fixture *fixture, const void *unused)
{
    Service *service = create(fixture, "a");

    begin_watched(fixture);
    start(fixture, service);
    emit(fixture, LIFECYCLE_APP_TERMINATING);
    emit(fixture, LIFECYCLE_APP_TERMINATED);
    assert_told(fixture, "ProcessStart:a AppTerminating AppTerminated ");
    stop(fixture, service, NULL);
    assert_told(fixture, "");
}

/* What is refused: each row is a life that must end with an assertion. */
typedef struct Refused {
    const char *path;
    unsigned n_events;
    LifecycleType events[3];
} Refused;

static const Refused refused[] = {
        {"/lifecycle/refused/before-startup", 1, {LIFECYCLE_APP_RUNNING}},
        {"/lifecycle/refused/second-startup", 2, {LIFECYCLE_APP_STARTUP, LIFECYCLE_APP_STARTUP}},
        {"/lifecycle/refused/second-running",
         3,
         {LIFECYCLE_APP_STARTUP, LIFECYCLE_APP_RUNNING, LIFECYCLE_APP_RUNNING}},
        {"/lifecycle/refused/after-terminated",
         3,
         {LIFECYCLE_APP_STARTUP, LIFECYCLE_APP_TERMINATED, LIFECYCLE_PROCESS_END}},
};

static void test_refused(const void *data)
{
    const Refused *row = data;

    if (g_test_subprocess()) {
        VirtualLoop *loop = virtual_loop_new();
        Lifecycle *lifecycle = lifecycle_new(virtual_loop_clock(loop));

        for (unsigned i = 0; i < row->n_events; i++) {
            if (i == row->n_events - 1)
                g_printerr("the last\n");
            lifecycle_emit(lifecycle, row->events[i], NULL, NULL);
        }
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*the last*assertion failed*");
}

#define ADD(path, function)                                                                        \
    g_test_add("/lifecycle/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lifecycle/names/round-trip", test_names);
    ADD("sink/kept-until-then", test_kept_until_a_sink);
    ADD("sink/never", test_never_a_sink);
    ADD("log", test_log);
    g_test_add_func("/lifecycle/log/fields", test_fields);
    ADD("services/start-and-stop", test_start_and_stop);
    ADD("services/restart", test_restart);
    ADD("services/retry", test_retry);
    ADD("services/retry-after-the-rest", test_retry_after_the_rest);
    ADD("services/failure", test_failure);
    ADD("services/waiting", test_who_waits_does_not_run);
    ADD("services/watched-from-now", test_watch_tells_who_runs);
    ADD("services/silent-after-the-end", test_silent_after_the_end);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        g_test_add_data_func(refused[i].path, &refused[i], test_refused);
    return g_test_run();
}
