/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All services as one, on virtual time with the fake kind. */

#include "base/errors.h"
#include "core-fixture.h"
#include "run/services.h"

typedef struct Fixture {
    CoreFixture core;
    Map *map;
    bool is_done;
    GError *error;
} Fixture;

static void fixture_set_up(Fixture *fixture, const void *unused)
{
    core_fixture_init(&fixture->core);
    fixture->map = map_new(fixture->core.core, ID_REQUIRED, 0);
    map_register_kind(fixture->map, &kind_fake);
}

static void fixture_tear_down(Fixture *fixture, const void *unused)
{
    for (Service *service = map_next(fixture->map, NULL); service != NULL;
         service = map_next(fixture->map, service_id(service)))
        fake_stop_whatever(&fixture->core, service);
    map_free(fixture->map);
    core_fixture_done(&fixture->core);
    g_clear_error(&fixture->error);
}

static Service *fixture_create(Fixture *fixture, const char *id, const char *config, bool enabled)
{
    CreateSpec spec = {
            .id = id,
            .kind = kind_fake.name,
            .config = config,
            .config_length = config != NULL ? strlen(config) : 0,
            .enabled = enabled,
    };
    g_autoptr(GError) error = NULL;
    Service *service = map_create(fixture->map, &spec, &origin_test, &error);

    g_assert_no_error(error);
    return service;
}

static Service *fixture_create_active(Fixture *fixture, const char *id, const char *config)
{
    Service *service = fixture_create(fixture, id, config, false);

    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_apply_ok(service);
    assert_state(service, STATE_ACTIVE);
    return service;
}

static void on_stopped(const GError *error, void *data)
{
    Fixture *fixture = data;

    g_assert_false(fixture->is_done);
    fixture->is_done = true;
    fixture->error = error != NULL ? g_error_copy(error) : NULL;
}

static void start_all(Fixture *fixture)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();

    for (Service *service = map_next(fixture->map, NULL); service != NULL;
         service = map_next(fixture->map, service_id(service))) {
        if (service_about(service)->enabled)
            g_ptr_array_add(ids, (void *)service_id(service));
    }
    services_start(fixture->map, ids);
}

static void test_start(Fixture *fixture, const void *unused)
{
    Service *first = fixture_create(fixture, "a", "{\"value\": \"x\"}", false);
    Service *other = fixture_create(fixture, "b", "{\"value\": \"x\"}", true);
    Service *running = fixture_create_active(fixture, "c", "{\"value\": \"x\"}");
    g_autoptr(GError) reason = g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "broken");
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    Service *broken =
            map_create_broken(fixture->map, &(CreateSpec){.id = "d", .kind = kind_fake.name},
                              reason, &origin_test, NULL);

    for (const char *const *id = (const char *const[]){"d", "gone", "c", "a", NULL}; *id != NULL;
         id++)
        g_ptr_array_add(ids, (void *)*id);
    services_start(fixture->map, ids);
    assert_state(first, STATE_STARTING);
    g_assert_cmpint(service_state(first)->cause, ==, CAUSE_STARTUP);
    assert_state(other, STATE_INACTIVE);
    assert_state(running, STATE_ACTIVE);
    assert_state(broken, STATE_FAILED);
}

static void test_stop_nothing(Fixture *fixture, const void *unused)
{
    fixture_create(fixture, "a", NULL, false);
    services_stop(fixture->map, on_stopped, fixture);
    g_assert_true(fixture->is_done);
    g_assert_no_error(fixture->error);
}

static void test_stop_side_by_side(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create_active(fixture, "a", "{\"value\": \"x\"}");
    Service *b = fixture_create_active(fixture, "b", "{\"value\": \"x\"}");

    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    g_assert_true(fake_of(a)->stop_asked);
    g_assert_true(fake_of(b)->stop_asked);
    g_assert_cmpint(service_state(a)->cause, ==, CAUSE_SHUTDOWN);
    fake_stop_done(b, NULL);
    g_assert_false(fixture->is_done);
    fake_stop_done(a, NULL);
    g_assert_true(fixture->is_done);
    g_assert_no_error(fixture->error);
}

static void test_stop_collects_errors(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create_active(fixture, "a", "{\"value\": \"x\"}");
    Service *b = fixture_create_active(fixture, "b", "{\"value\": \"x\"}");
    Service *c = fixture_create_active(fixture, "c", "{\"value\": \"x\"}");

    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    fake_stop_done(c, "jammed");
    fake_stop_done(b, NULL);
    fake_stop_done(a, "stuck");
    g_assert_true(fixture->is_done);
    g_assert_nonnull(fixture->error);
    g_assert_cmpstr(fixture->error->message, ==, "service 'c': jammed\nservice 'a': stuck");
}

/* One that is starting, one that waits for a retry, one that stops already, and one that is being
 * restarted: each is inactive in the end, and none comes back. */
static void test_stop_in_every_state(Fixture *fixture, const void *unused)
{
    static const char config[] = "{\"value\": \"x\"}";
    Service *starting = fixture_create(fixture, "a", config, true);
    Service *failing = fixture_create(fixture, "b", config, true);
    Service *stopping = fixture_create_active(fixture, "c", config);
    Service *restarting = fixture_create_active(fixture, "d", config);

    start_all(fixture);
    core_fixture_settle(&fixture->core);
    fake_apply_fail(failing, "no", false);
    assert_state(failing, STATE_BACKOFF);
    g_assert_true(service_stop(stopping, &origin_test, NULL));
    g_assert_true(service_restart(restarting, &origin_test, NULL));

    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    for (Service *service = map_next(fixture->map, NULL); service != NULL;
         service = map_next(fixture->map, service_id(service))) {
        g_assert_false(fixture->is_done);
        if (fake_of(service)->stop_asked)
            fake_stop_done(service, NULL);
    }
    core_fixture_advance(&fixture->core, 3600 * USEC_PER_SEC);
    g_assert_true(fixture->is_done);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(map_counts(fixture->map)->active, ==, 0);
    assert_state(starting, STATE_INACTIVE);
}

static void test_stop_with_a_delete(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create_active(fixture, "a", "{\"value\": \"x\"}");

    g_assert_true(map_delete(fixture->map, "a", &origin_test, NULL, NULL, NULL));
    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    g_assert_false(fixture->is_done);
    fake_stop_done(a, NULL);
    g_assert_true(fixture->is_done);
    g_assert_null(map_find(fixture->map, "a"));
}

static void test_stop_usec(Fixture *fixture, const void *unused)
{
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, SERVICES_STOP_LEAST_USEC);
    fixture_create_active(fixture, "a", "{\"value\": \"x\", \"stop_timeout\": 3}");
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, SERVICES_STOP_LEAST_USEC);
    fixture_create(fixture, "b", "{\"value\": \"x\", \"stop_timeout\": 600}", false);
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, SERVICES_STOP_LEAST_USEC);
    fixture_create_active(fixture, "c", "{\"value\": \"x\", \"stop_timeout\": 60}");
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, 65 * USEC_PER_SEC);
    fixture_create_active(fixture, "d", "{\"value\": \"x\", \"stop_timeout\": \"infinity\"}");
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, USEC_INFINITY);
}

static void test_describe(Fixture *fixture, const void *unused)
{
    g_assert_null(services_describe_running(fixture->map));
    Service *a = fixture_create_active(fixture, "a", "{\"value\": \"x\"}");
    fixture_create(fixture, "b", NULL, true);
    fixture_create(fixture, "c", NULL, false);
    start_all(fixture);
    service_stop(a, &origin_test, NULL);

    g_autofree char *text = services_describe_running(fixture->map);
    g_assert_cmpstr(text, ==, "a (stopping), b (active: unconfigured)");
}

/* Whatever still runs, and nothing else. */
static void test_kill(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create_active(fixture, "a", "{\"value\": \"x\"}");
    Service *b = fixture_create_active(fixture, "b", "{\"value\": \"x\"}");

    fixture_create(fixture, "c", NULL, false);
    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    fake_stop_done(a, NULL);
    core_fixture_settle(&fixture->core);
    services_kill(fixture->map);
    g_assert_null(strstr(fake_of(a)->calls->str, "kill"));
    g_assert_nonnull(strstr(fake_of(b)->calls->str, "stop kill"));
    g_assert_false(fixture->is_done);
    fake_stop_done(b, NULL);
    core_fixture_settle(&fixture->core);
    g_assert_true(fixture->is_done);
    services_kill(fixture->map);
}

#define ADD(path, function)                                                                        \
    g_test_add("/services/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("start", test_start);
    ADD("kill", test_kill);
    ADD("stop/nothing", test_stop_nothing);
    ADD("stop/side-by-side", test_stop_side_by_side);
    ADD("stop/collects-errors", test_stop_collects_errors);
    ADD("stop/in-every-state", test_stop_in_every_state);
    ADD("stop/with-a-delete", test_stop_with_a_delete);
    ADD("stop/time", test_stop_usec);
    ADD("describe", test_describe);
    return g_test_run();
}
