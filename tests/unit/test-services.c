/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All services as one, on virtual time with the fake kind. */

#include "base/errors.h"
#include "core-fixture.h"
#include "run/services.h"

#include <string.h>

/* A kind with members: those in "value". It starts and stops nothing by itself. */
static Kind kind_team;

static void team_check(JsonContext *unused, Config *config)
{
    const FakeConfig *own = config->own;

    config->common.dependencies->lists[RELATION_MEMBERS] = g_strsplit(own->value, " ", 0);
}

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
    map_register_kind(fixture->map, &kind_fake_other);
    kind_team = kind_fake;
    kind_team.name = "team";
    kind_team.coordinates = true;
    kind_team.config_check = team_check;
    map_register_kind(fixture->map, &kind_team);
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

static Service *fixture_create_of(Fixture *fixture, const char *kind, const char *id,
                                  const char *config, bool enabled)
{
    CreateSpec spec = {
            .id = id,
            .kind = kind,
            .config = config,
            .config_length = config != NULL ? strlen(config) : 0,
            .enabled = enabled,
    };
    g_autoptr(GError) error = NULL;
    Service *service = map_create(fixture->map, &spec, &origin_test, &error);

    g_assert_no_error(error);
    return service;
}

static Service *fixture_create(Fixture *fixture, const char *id, const char *config, bool enabled)
{
    return fixture_create_of(fixture, kind_fake.name, id, config, enabled);
}

static Service *fixture_bring_up(Fixture *fixture, Service *service)
{
    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(&fixture->core);
    fake_apply_ok(service);
    core_fixture_settle(&fixture->core);
    assert_state(service, STATE_ACTIVE);
    return service;
}

static Service *fixture_create_active(Fixture *fixture, const char *id, const char *config)
{
    return fixture_bring_up(fixture, fixture_create(fixture, id, config, false));
}

static void fixture_end_stop(Fixture *fixture, Service *service)
{
    assert_state(service, STATE_STOPPING);
    g_assert_true(fake_of(service)->stop_asked);
    fake_stop_done(service, NULL);
    core_fixture_settle(&fixture->core);
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

static void start_ids(Fixture *fixture, const char *ids)
{
    g_auto(GStrv) list = g_strsplit(ids, " ", 0);
    g_autoptr(GPtrArray) array = g_ptr_array_new();

    for (char **id = list; *id != NULL; id++)
        g_ptr_array_add(array, *id);
    services_start(fixture->map, array);
    core_fixture_settle(&fixture->core);
}

/* Who is required comes after who requires it, and one is not even among them. */
static void test_start_in_any_order(Fixture *fixture, const void *unused)
{
    Service *api = fixture_create(fixture, "api", "{\"requires\": [\"db\"]}", true);
    Service *db = fixture_create(fixture, "db", "{\"requires\": [\"disk\"]}", true);
    Service *disk = fixture_create(fixture, "disk", "{}", false);

    start_ids(fixture, "api db");
    assert_state(api, STATE_WAITING);
    assert_state(db, STATE_WAITING);
    assert_state(disk, STATE_STARTING);
    g_assert_cmpint(service_state(disk)->cause, ==, CAUSE_STARTUP);
    fake_apply_ok(disk);
    core_fixture_settle(&fixture->core);
    assert_state(db, STATE_STARTING);
    fake_apply_ok(db);
    core_fixture_settle(&fixture->core);
    assert_state(api, STATE_STARTING);
    g_assert_cmpstr(fixture->core.log->str, ==, "");
}

/* Of two in conflict the first of the list, whoever brings the other; neither is stopped for it. */
static void test_start_conflict(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create(fixture, "a", "{\"conflicts\": [\"b\"]}", true);
    Service *b = fixture_create(fixture, "b", "{}", true);
    Service *c = fixture_create(fixture, "c", "{\"requires\": [\"a\"]}", true);

    start_ids(fixture, "b a c");
    assert_state(b, STATE_STARTING);
    assert_state(a, STATE_FAILED);
    g_assert_error(service_state(a)->error, SVCMGR_ERROR, ERROR_CONFLICT);
    g_assert_cmpint(service_state(a)->failure_class, ==, FAILURE_DEPENDENCY);
    g_assert_false(service_is_wanted(a));
    assert_state(c, STATE_FAILED);
    g_assert_nonnull(strstr(fixture->core.log->str, "a: cannot start it: "));
    g_assert_nonnull(strstr(fixture->core.log->str, "c: cannot start it: "));
}

/* One that could never be up says so, and is not merely down. */
static void test_start_impossible(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create(fixture, "a", "{\"requires\": [\"b\", \"c\"]}", true);
    Service *b = fixture_create(fixture, "b", "{\"conflicts\": [\"c\"]}", false);

    fixture_create(fixture, "c", "{}", false);
    start_ids(fixture, "a");
    assert_state(a, STATE_FAILED);
    g_assert_error(service_state(a)->error, SVCMGR_ERROR, ERROR_CONFLICT);
    g_assert_false(g_str_has_prefix(service_state(a)->error->message, "service 'a'"));
    assert_state(b, STATE_INACTIVE);
    g_assert_nonnull(strstr(fixture->core.log->str, "a: cannot start it: service 'a': "));
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

/* The reverse of the order in which they came up; a third has nothing to do with them. */
static void test_stop_in_order(Fixture *fixture, const void *unused)
{
    Service *api = fixture_create(fixture, "api", "{\"requires\": [\"db\"]}", false);
    Service *db = fixture_create_active(fixture, "db", "{\"before\": [\"cron\"]}");
    Service *cron = fixture_create_active(fixture, "cron", "{}");
    Service *other = fixture_create_active(fixture, "other", "{}");

    fixture_bring_up(fixture, api);
    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    g_assert_false(fake_of(db)->stop_asked);
    g_assert_cmpstr(service_state(db)->sub_state, ==, "dependents");
    fixture_end_stop(fixture, other);
    fixture_end_stop(fixture, api);
    g_assert_false(fake_of(db)->stop_asked);
    fixture_end_stop(fixture, cron);
    g_assert_false(fixture->is_done);
    fixture_end_stop(fixture, db);
    g_assert_true(fixture->is_done);
    g_assert_no_error(fixture->error);
}

/* What a group that is up has, it stops itself; what it has left is stopped when it has ended. */
static void test_stop_of_a_group(Fixture *fixture, const void *unused)
{
    Service *a = fixture_create_active(fixture, "a", "{}");
    Service *b = fixture_create_active(fixture, "b", "{}");
    Service *down = fixture_create_of(fixture, "team", "down", "{\"value\": \"c\"}", false);
    Service *c = fixture_create_active(fixture, "c", "{}");
    Service *team = fixture_bring_up(
            fixture, fixture_create_of(fixture, "team", "team", "{\"value\": \"a b\"}", false));

    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    g_assert_true(fake_of(team)->stop_asked);
    assert_state(a, STATE_ACTIVE);
    assert_state(b, STATE_ACTIVE);
    assert_state(down, STATE_INACTIVE);
    fixture_end_stop(fixture, c);
    g_assert_true(service_stop(b, &origin_test, NULL)); /* as the group would */
    core_fixture_settle(&fixture->core);
    fixture_end_stop(fixture, b);
    fixture_end_stop(fixture, team);
    g_assert_false(fixture->is_done);
    fixture_end_stop(fixture, a);
    g_assert_true(fixture->is_done);
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

static void assert_stop_sec(Fixture *fixture, unsigned sec)
{
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, (sec + 5) * USEC_PER_SEC);
}

/* What stops one after the other adds up; what does not run, or stops beside it, does not. */
static void test_stop_usec_of_chains(Fixture *fixture, const void *unused)
{
    fixture_create_active(fixture, "disk", "{\"stop_timeout\": 100}");
    assert_stop_sec(fixture, 100);
    fixture_create_active(fixture, "db", "{\"stop_timeout\": 20, \"requires\": [\"disk\"]}");
    assert_stop_sec(fixture, 120);
    fixture_create_active(fixture, "api", "{\"stop_timeout\": 3, \"after\": [\"db\", \"disk\"]}");
    assert_stop_sec(fixture, 123);
    fixture_create_active(fixture, "beside", "{\"stop_timeout\": 22, \"requires\": [\"disk\"]}");
    assert_stop_sec(fixture, 123);
    fixture_create(fixture, "down", "{\"stop_timeout\": 500, \"after\": [\"api\"]}", false);
    fixture_create_active(fixture, "above", "{\"stop_timeout\": 90, \"after\": [\"down\"]}");
    assert_stop_sec(fixture, 123);
    fixture_create_active(fixture, "early", "{\"stop_timeout\": 1, \"before\": [\"disk\"]}");
    assert_stop_sec(fixture, 124);
    fixture_create_active(fixture, "last",
                          "{\"stop_timeout\": \"infinity\", \"after\": [\"api\"]}");
    g_assert_cmpuint(services_stop_usec(fixture->map), ==, USEC_INFINITY);
}

/* Its members one after the other, however they depend on each other; its own limit is none. */
static void test_stop_usec_of_a_group(Fixture *fixture, const void *unused)
{
    fixture_create_active(fixture, "x", "{\"stop_timeout\": 100}");
    fixture_create_active(fixture, "a", "{\"stop_timeout\": 30, \"requires\": [\"x\"]}");
    fixture_create_active(fixture, "b", "{\"stop_timeout\": 40, \"requires\": [\"a\"]}");
    fixture_create_active(fixture, "c", "{\"stop_timeout\": 50}");
    assert_stop_sec(fixture, 170);
    fixture_bring_up(fixture,
                     fixture_create_of(fixture, "team", "team",
                                       "{\"value\": \"a b c\", \"stop_timeout\": \"infinity\"}",
                                       false));
    assert_stop_sec(fixture, 220);
    fixture_create_active(fixture, "d", "{\"stop_timeout\": 5, \"after\": [\"team\"]}");
    assert_stop_sec(fixture, 225);
    fixture_bring_up(fixture,
                     fixture_create_of(fixture, "team", "all", "{\"value\": \"team d\"}", false));
    assert_stop_sec(fixture, 225);
}

static void test_describe_waiting(Fixture *fixture, const void *unused)
{
    g_assert_null(services_describe_waiting(fixture->map, 3));
    fixture_create(fixture, "a", "{\"requires\": [\"db\", \"disk\"]}", true);
    fixture_create(fixture, "b", "{\"requires\": [\"a\"]}", true);
    fixture_create(fixture, "c", "{\"requires\": [\"gone\"]}", true);
    fixture_create(fixture, "d", "{}", true);
    start_ids(fixture, "a b c d");
    g_autofree char *three = services_describe_waiting(fixture->map, 3);
    g_assert_cmpstr(three, ==, "a (for db, disk), b (for a), c (for gone)");
    g_autofree char *one = services_describe_waiting(fixture->map, 1);
    g_assert_cmpstr(one, ==, "a (for db, disk) and 2 more");
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

/* Also what waits for its turn, and what a group would have stopped later; none comes back. */
static void test_kill_out_of_order(Fixture *fixture, const void *unused)
{
    Service *db = fixture_create_active(fixture, "db", "{\"restart\": {\"policy\": \"always\"}}");
    Service *api = fixture_create_active(fixture, "api", "{\"requires\": [\"db\"]}");
    Service *member =
            fixture_create_active(fixture, "member", "{\"restart\": {\"policy\": \"always\"}}");
    Service *team = fixture_bring_up(
            fixture, fixture_create_of(fixture, "team", "team", "{\"value\": \"member\"}", false));

    services_stop(fixture->map, on_stopped, fixture);
    core_fixture_settle(&fixture->core);
    g_assert_false(fake_of(db)->stop_asked);
    g_assert_false(fake_of(member)->stop_asked);
    services_kill(fixture->map);
    core_fixture_settle(&fixture->core);
    g_assert_nonnull(strstr(fake_of(db)->calls->str, "kill stop"));
    g_assert_nonnull(strstr(fake_of(member)->calls->str, "kill stop"));
    fake_ended(member, "killed"); /* before its stop is done */
    fixture_end_stop(fixture, db);
    fixture_end_stop(fixture, member);
    fixture_end_stop(fixture, api);
    fixture_end_stop(fixture, team);
    g_assert_true(fixture->is_done);
    core_fixture_advance(&fixture->core, 3600 * USEC_PER_SEC);
    g_assert_cmpuint(map_counts(fixture->map)->active, ==, 0);
}

#define ADD(path, function)                                                                        \
    g_test_add("/services/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("start", test_start);
    ADD("start-in-any-order", test_start_in_any_order);
    ADD("start-conflict", test_start_conflict);
    ADD("start-impossible", test_start_impossible);
    ADD("kill", test_kill);
    ADD("kill-out-of-order", test_kill_out_of_order);
    ADD("stop/nothing", test_stop_nothing);
    ADD("stop/side-by-side", test_stop_side_by_side);
    ADD("stop/in-order", test_stop_in_order);
    ADD("stop/group", test_stop_of_a_group);
    ADD("stop/collects-errors", test_stop_collects_errors);
    ADD("stop/in-every-state", test_stop_in_every_state);
    ADD("stop/with-a-delete", test_stop_with_a_delete);
    ADD("stop/time", test_stop_usec);
    ADD("stop/time-of-chains", test_stop_usec_of_chains);
    ADD("stop/time-of-a-group", test_stop_usec_of_a_group);
    ADD("describe", test_describe);
    ADD("describe-waiting", test_describe_waiting);
    return g_test_run();
}
