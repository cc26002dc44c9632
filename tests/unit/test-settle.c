/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services do to each other: each relation, told as a short story of fake services. */

#include "map-fixture.h"

#include "base/errors.h"
#include "core/settle.h"

#include <string.h>

static Service *make_of(const char *kind, const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    Service *service = create_full(id, kind, config, false, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
    return service;
}

static Service *make(const char *id, const char *config)
{
    return make_of("fake", id, config);
}

static void begin(Service *service)
{
    g_autoptr(GError) error = NULL;
    (void)service_start(service, &origin_test, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

static void finish(Service *service)
{
    assert_state(service, STATE_STARTING);
    fake_apply_ok(service);
    core_fixture_settle(&fixture);
}

static void up(Service *service)
{
    begin(service);
    finish(service);
    assert_state(service, STATE_ACTIVE);
}

static void end_stop(Service *service)
{
    assert_state(service, STATE_STOPPING);
    g_assert_true(fake_of(service)->stop_asked);
    fake_stop_done(service, NULL);
    core_fixture_settle(&fixture);
}

static void begin_stop(Service *service)
{
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
}

static void fail_for_good(Service *service)
{
    fake_apply_fail(service, "cannot", true);
    core_fixture_settle(&fixture);
    assert_state(service, STATE_FAILED);
}

static void configure(Service *service, const char *config)
{
    g_autoptr(GError) error = NULL;
    (void)service_configure(service, config, strlen(config), &origin_test, NULL, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

/* "a b", or "" for nobody. */
static void assert_waits_for(Service *service, const char *expected)
{
    char *const *ids = links_waiting_for(service_state(service)->links);
    g_autofree char *names = ids != NULL ? g_strjoinv(" ", (char **)ids) : g_strdup("");
    g_assert_cmpstr(names, ==, expected);
}

static void assert_required_by(Service *service, const char *expected)
{
    char *const *ids = links_required_by(service_state(service)->links);
    g_autofree char *names = ids != NULL ? g_strjoinv(" ", (char **)ids) : g_strdup("");
    g_assert_cmpstr(names, ==, expected);
}

static void assert_waiting(Service *service, const char *sub_state, const char *ids)
{
    assert_state(service, STATE_WAITING);
    g_assert_cmpstr(service_state(service)->sub_state, ==, sub_state);
    assert_waits_for(service, ids);
    g_assert_cmpint(state_record_is_settled(service_state(service)), ==,
                    g_str_equal(sub_state, "blocked"));
}

static void assert_blocked(Service *service, const char *id, ErrorCode code, const char *message)
{
    assert_waiting(service, "blocked", id);
    g_assert_error(service_state(service)->error, SVCMGR_ERROR, (int)code);
    g_assert_cmpstr(service_state(service)->error->message, ==, message);
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_DEPENDENCY);
}

#define WEB_REQUIRES_DB "{\"requires\": [\"db\"]}"

/* requires */

static void test_requires_pulls(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    assert_required_by(db, "web");
    begin(web);
    assert_state(db, STATE_STARTING);
    g_assert_cmpint(service_state(db)->cause, ==, CAUSE_DEPENDENCY);
    assert_waiting(web, "dependencies", "db");
    g_assert_null(service_find_instance(web)); /* the kind knows nothing of it */
    finish(db);
    g_assert_cmpint(service_state(web)->cause, ==, CAUSE_DEPENDENCY);
    assert_waits_for(web, "");
    finish(web);
}

static void test_requires_one_that_is_up(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    up(db);
    g_string_truncate(seen, 0);
    begin(web);
    assert_seen("web:starting ");
    assert_state(web, STATE_STARTING);
    begin_stop(db); /* what is required gates starts alone */
    end_stop(db);
    assert_state(web, STATE_STARTING);
    finish(web);
}

static void test_requires_missing(void)
{
    Service *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which is not there");
    Service *db = make("db", "{}");
    assert_state(db, STATE_STARTING);
    assert_waiting(web, "dependencies", "db");
    g_assert_null(service_state(web)->error);
    finish(db);
    finish(web);
}

static void test_requires_mended(void)
{
    g_autoptr(GError) reason = g_error_new(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "nonsense");
    CreateSpec spec = {.id = "db", .kind = "fake"};
    Service *web = make("web", WEB_REQUIRES_DB);
    Service *db = map_create_broken(map, &spec, reason, &origin_test, NULL);
    begin(web);
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which has failed: nonsense");
    g_assert_true(service_configure(db, "{}", 2, &origin_test, NULL, NULL));
    core_fixture_settle(&fixture);
    finish(db);
    finish(web);
}

static void test_requires_failed(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    fail_for_good(db);
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which has failed: cannot");
    g_assert_true(service_is_wanted(web));
    begin(db);
    assert_waiting(web, "dependencies", "db");
    finish(db);
    finish(web);
}

static void test_requires_failing(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    fake_apply_fail(db, "not yet", false);
    core_fixture_settle(&fixture);
    assert_state(db, STATE_BACKOFF);
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which keeps failing");
    g_string_truncate(seen, 0);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_seen("db:starting "); /* each attempt is no news for those who wait */
    finish(db);
    finish(web);
}

static void test_requires_stopped_meanwhile(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    begin_stop(db);
    end_stop(db);
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which is not started");
    begin_stop(web);
    end_stop(web);
    assert_state(web, STATE_INACTIVE);
    g_assert_null(service_state(web)->error);
    begin(web); /* and that pulls it again */
    assert_state(db, STATE_STARTING);
}

/* What has done its work is not done again for each that requires it. */
static void test_requires_one_that_completes(void)
{
    Service *once = make_of("other", "setup", "{}");
    Service *web = make("web", "{\"requires\": [\"setup\"]}");
    begin(web);
    finish(once);
    finish(web);
    fake_ended(once, NULL);
    core_fixture_settle(&fixture);
    assert_state(once, STATE_INACTIVE);
    g_assert_true(service_state(once)->completed);
    begin_stop(web);
    end_stop(web);
    begin(web);
    assert_state(web, STATE_STARTING);
    assert_state(once, STATE_INACTIVE);
    begin(once);
    g_assert_false(service_state(once)->completed);
    begin_stop(once);
    end_stop(once);
    g_assert_false(service_state(once)->completed);
}

static void test_requires_one_that_ended(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    up(db);
    fake_ended(db, NULL);
    core_fixture_settle(&fixture);
    begin(web); /* pulls it again */
    finish(db);
    finish(web);
    fake_ended(db, NULL);
    g_assert_true(service_restart(web, &origin_test, NULL));
    core_fixture_settle(&fixture);
    assert_state(db, STATE_STARTING);
}

/* At the bottom of a chain of those that wait is who has to be mended. */
static void test_requires_chain_is_blocked(void)
{
    Service *web = make("web", "{\"requires\": [\"app\"]}");
    Service *app = make("app", "{\"requires\": [\"db\"]}");
    Service *db = make("db", "{}");
    begin(web);
    assert_waiting(app, "dependencies", "db");
    fail_for_good(db);
    assert_blocked(app, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which has failed: cannot");
    assert_blocked(web, "app", ERROR_DEPENDENCY_FAILED,
                   "requires 'app', which waits for 'db', which has failed: cannot");
    begin(db);
    assert_waiting(web, "dependencies", "app");
    finish(db);
    finish(app);
    finish(web);
}

static void test_requires_gates_retries(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    up(db);
    up(web);
    begin_stop(db);
    end_stop(db);
    fake_ended(web, "lost its database");
    core_fixture_settle(&fixture);
    assert_state(web, STATE_BACKOFF);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which is not started");
    assert_state(db, STATE_INACTIVE); /* somebody has stopped it: a retry does not undo that */
    begin(db);
    finish(db);
    finish(web);
}

/* wants, after, before */

static void test_wants_stops_nobody(void)
{
    Service *log = make("log", "{}"), *web = make("web", "{\"wants\": [\"log\", \"none\"]}");
    begin(web);
    assert_state(log, STATE_STARTING);
    fail_for_good(log);
    finish(web);
    assert_state(web, STATE_ACTIVE);
}

static void test_after_alone_pulls_nothing(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"after\": [\"db\", \"none\"]}");
    begin(web);
    assert_state(db, STATE_INACTIVE);
    assert_state(web, STATE_STARTING);
}

static void test_after_waits(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"after\": [\"db\"]}");
    begin(db);
    begin(web);
    assert_waiting(web, "dependencies", "db");
    fail_for_good(db); /* it has given up, which is as good for who only comes after it */
    assert_state(web, STATE_STARTING);
}

static void test_after_does_not_wait_for_retries(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"after\": [\"db\"]}");
    begin(db);
    begin(web);
    fake_apply_fail(db, "not yet", false);
    core_fixture_settle(&fixture);
    assert_state(web, STATE_STARTING);
}

static void test_before(void)
{
    Service *db = make("db", "{\"before\": [\"web\"]}");
    Service *web = make("web", "{\"wants\": [\"db\"]}");
    begin(web);
    assert_waiting(web, "dependencies", "db");
    finish(db);
    finish(web);
}

/* It is not on its way, so nobody who merely comes after it waits. */
static void test_after_one_that_is_blocked(void)
{
    Service *db = make("db", "{\"requires\": [\"disk\"]}");
    Service *web = make("web", "{\"after\": [\"db\"]}");
    begin(db);
    begin(web);
    assert_waiting(db, "blocked", "disk");
    assert_state(web, STATE_STARTING);
}

/* conflicts */

static void test_conflict_stops_the_other(void)
{
    Service *apache = make("apache", "{}"), *nginx = make("nginx", "{\"conflicts\": [\"apache\"]}");
    up(apache);
    begin(nginx);
    assert_waiting(nginx, "dependencies", "apache");
    end_stop(apache);
    assert_state(apache, STATE_INACTIVE);
    finish(nginx);
    begin(apache); /* it holds both ways */
    assert_waiting(apache, "dependencies", "nginx");
    end_stop(nginx);
    finish(apache);
}

static void test_conflict_with_what_waits(void)
{
    Service *nginx = make("nginx", "{\"conflicts\": [\"apache\"], \"requires\": [\"disk\"]}");
    Service *apache = make("apache", "{}");
    begin(nginx);
    begin(apache);
    end_stop(nginx);
    assert_state(nginx, STATE_INACTIVE);
    finish(apache);
}

static void test_conflict_at_startup(void)
{
    static const Origin startup = {.cause = CAUSE_STARTUP};
    g_autoptr(GError) error = NULL;
    Service *apache = make("apache", "{}"), *nginx = make("nginx", "{\"conflicts\": [\"apache\"]}");
    g_assert_true(service_start(apache, &startup, NULL));
    g_assert_false(service_start(nginx, &startup, &error));
    core_fixture_settle(&fixture);
    g_assert_error(error, SVCMGR_ERROR, ERROR_CONFLICT);
    assert_state(nginx, STATE_FAILED);
    g_assert_cmpstr(service_state(nginx)->error->message, ==,
                    "conflicts with 'apache', which was started before it");
    assert_state(apache, STATE_STARTING);
}

static void test_conflict_by_configure(void)
{
    static const char conflicting[] = "{\"conflicts\": [\"apache\"]}";
    g_autoptr(GError) error = NULL;
    Service *apache = make("apache", "{}"), *nginx = make("nginx", "{}");
    up(apache);
    up(nginx);
    g_assert_false(
            service_configure(nginx, conflicting, strlen(conflicting), &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_CONFLICT);
    g_assert_cmpuint(service_state(nginx)->config_revision, ==, 1);
    /* A definition cannot be refused: then the one that it is about goes. */
    g_autoptr(Problems) problems = problems_new();
    (void)service_adopt_config(nginx,
                               config_parse(&kind_fake, conflicting, strlen(conflicting), problems),
                               CONFIG_FROM_DEFINITION, &origin_test);
    core_fixture_settle(&fixture);
    end_stop(nginx);
    assert_state(nginx, STATE_FAILED);
    assert_state(apache, STATE_ACTIVE);
}

/* part_of */

#define WORKER "{\"part_of\": [\"app\"], \"after\": [\"app\"]}"

static void test_part_of_stop(void)
{
    Service *app = make("app", "{}"), *worker = make("worker", WORKER);
    up(app);
    up(worker);
    begin_stop(app);
    assert_state(app, STATE_STOPPING);
    g_assert_cmpstr(service_state(app)->sub_state, ==, "dependents");
    assert_waits_for(app, "worker");
    g_assert_false(fake_of(app)->stop_asked);
    end_stop(worker);
    assert_waits_for(app, "");
    end_stop(app);
    assert_state(app, STATE_INACTIVE);
    assert_state(worker, STATE_INACTIVE);
}

static void test_part_of_restart(void)
{
    Service *app = make("app", "{}"), *worker = make("worker", WORKER);
    up(app);
    up(worker);
    g_assert_true(service_restart(app, &origin_test, NULL));
    core_fixture_settle(&fixture);
    end_stop(worker);
    assert_waiting(worker, "dependencies", "app");
    end_stop(app);
    assert_waiting(worker, "dependencies", "app");
    finish(app);
    finish(worker);
}

static void test_part_of_crash(void)
{
    Service *app = make("app", "{}"), *worker = make("worker", WORKER);
    up(app);
    up(worker);
    fake_ended(app, "crashed");
    core_fixture_settle(&fixture);
    end_stop(worker);
    assert_state(worker, STATE_STARTING); /* it comes after it, but does not require it */
    core_fixture_advance(&fixture, USEC_PER_SEC);
    fail_for_good(app);
    end_stop(worker);
    assert_state(worker, STATE_INACTIVE);
}

static void test_part_of_failure(void)
{
    Service *app = make("app", "{\"restart\": {\"policy\": \"no\"}}");
    Service *worker = make("worker", WORKER);
    up(app);
    up(worker);
    fake_ended(app, "crashed");
    core_fixture_settle(&fixture);
    assert_state(app, STATE_FAILED);
    end_stop(worker);
    assert_state(worker, STATE_INACTIVE);
}

/* A Stop cancels the second half of a restart, also of those that follow. */
static void test_part_of_stop_in_a_restart(void)
{
    Service *app = make("app", "{}"), *worker = make("worker", WORKER);
    up(app);
    up(worker);
    g_assert_true(service_restart(app, &origin_test, NULL));
    core_fixture_settle(&fixture);
    end_stop(worker);
    begin_stop(app);
    end_stop(app);
    end_stop(worker); /* it waited for what does not come */
    assert_state(app, STATE_INACTIVE);
    assert_state(worker, STATE_INACTIVE);
}

static void test_part_of_each_other(void)
{
    Service *a = make("a", "{\"part_of\": [\"b\"]}"), *b = make("b", "{\"part_of\": [\"a\"]}");
    up(a);
    up(b);
    g_assert_true(service_restart(a, &origin_test, NULL));
    core_fixture_settle(&fixture);
    end_stop(a);
    end_stop(b);
    finish(a);
    finish(b);
    begin_stop(b);
    end_stop(a);
    end_stop(b);
    assert_state(a, STATE_INACTIVE);
    assert_state(b, STATE_INACTIVE);
}

/* keep_up */

#define KEEPS_UP "{\"requires\": [\"db\"], \"keep_up\": {\"grace\": \"5s\"}}"

static void test_keep_up(void)
{
    Service *db = make("db", "{}"), *web = make("web", KEEPS_UP);
    begin(web);
    finish(db);
    finish(web);
    begin_stop(db);
    core_fixture_advance(&fixture, 5 * USEC_PER_SEC - 1);
    assert_state(web, STATE_ACTIVE);
    core_fixture_advance(&fixture, 1);
    g_assert_cmpstr(service_state(web)->error->message, ==,
                    "requires 'db', which was away for longer than 5s, and is stopping");
    end_stop(web);
    assert_waiting(web, "dependencies", "db");
    end_stop(db);
    assert_waiting(web, "blocked", "db");
    begin(db);
    finish(db);
    finish(web);
    g_assert_null(service_state(web)->error);
}

static void test_keep_up_in_time(void)
{
    Service *db = make("db", "{}"), *web = make("web", KEEPS_UP);
    begin(web);
    finish(db);
    finish(web);
    for (int i = 0; i < 3; i++) {
        fake_ended(db, "crashed");
        core_fixture_advance(&fixture, 3 * USEC_PER_SEC);
        finish(db);
    }
    core_fixture_advance(&fixture, 20 * USEC_PER_SEC);
    assert_state(web, STATE_ACTIVE);
}

/* The order of stops */

static void test_stop_in_reverse(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    finish(db);
    finish(web);
    g_assert_true(service_stop(db, &origin_test, NULL));
    g_assert_true(service_stop(web, &origin_test, NULL));
    core_fixture_settle(&fixture);
    g_assert_false(fake_of(db)->stop_asked);
    assert_waits_for(db, "web");
    end_stop(web);
    end_stop(db);
}

static void test_stop_behind_unkillable(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    finish(db);
    finish(web);
    g_assert_true(service_stop(db, &origin_test, NULL));
    g_assert_true(service_stop(web, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_unkillable(web, "does not die");
    core_fixture_settle(&fixture);
    end_stop(db);
    assert_state(web, STATE_STOPPING);
}

static void test_stop_by_force(void)
{
    Service *db = make("db", "{}"), *web = make("web", WEB_REQUIRES_DB);
    begin(web);
    finish(db);
    finish(web);
    g_assert_true(service_stop(db, &origin_test, NULL));
    g_assert_true(service_stop(web, &origin_test, NULL));
    core_fixture_settle(&fixture);
    service_kill(db);
    core_fixture_settle(&fixture);
    end_stop(db);
    end_stop(web);
}

/* Slots */

static void test_slots(void)
{
    Service *a = make("a", "{}"), *b = make("b", "{}"), *c = make("c", "{}");
    slots_set_max(fixture.core->slots, 1);
    begin(a);
    begin(b);
    begin(c);
    assert_waiting(b, "queued", "");
    assert_waiting(c, "queued", "");
    begin_stop(b);
    end_stop(b);
    g_assert_cmpuint(slots_count(fixture.core->slots), ==, 1);
    finish(a);
    finish(c);
    g_assert_cmpuint(slots_count(fixture.core->slots), ==, 0);
    g_assert_cmpuint(graph_n_nodes(fixture.core->graph), ==, 0);
}

/* Two places become free at once. */
static void test_slots_two_at_once(void)
{
    Service *a = make("a", "{}"), *b = make("b", "{}"), *c = make("c", "{}"), *d = make("d", "{}");
    slots_set_max(fixture.core->slots, 2);
    begin(a);
    begin(b);
    begin(c);
    begin(d);
    fake_apply_ok(a);
    fake_apply_ok(b);
    core_fixture_settle(&fixture);
    finish(c);
    finish(d);
}

/* The first in the row has to wait for something else now. */
static void test_slots_first_is_held_up(void)
{
    Service *a = make("a", "{}"), *db = make("db", "{}");
    Service *web = make("web", WEB_REQUIRES_DB), *c = make("c", "{}");
    up(db);
    slots_set_max(fixture.core->slots, 1);
    begin(a);
    begin(web);
    begin(c);
    assert_waiting(web, "queued", "");
    begin_stop(db);
    end_stop(db);
    assert_waiting(web, "blocked", "db");
    finish(a);
    finish(c);
    begin(db);
    finish(db);
    finish(web);
}

static void make_unkillable(Service *service)
{
    begin_stop(service);
    fake_unkillable(service, "does not die");
    core_fixture_settle(&fixture);
}

static void test_after_one_that_cannot_be_killed(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"after\": [\"db\"]}");
    Service *app = make("app", WEB_REQUIRES_DB);
    up(db);
    begin_stop(db);
    begin(web);
    assert_waiting(web, "dependencies", "db");
    fake_unkillable(db, "does not die");
    core_fixture_settle(&fixture);
    assert_state(web, STATE_STARTING);
    begin(app);
    assert_blocked(app, "db", ERROR_DEPENDENCY_FAILED, "requires 'db', which cannot be killed");
}

static void test_conflict_with_one_that_cannot_be_killed(void)
{
    Service *db = make("db", "{}"), *rival = make("rival", "{\"conflicts\": [\"db\"]}");
    up(db);
    make_unkillable(db);
    begin(rival);
    assert_blocked(rival, "db", ERROR_CONFLICT,
                   "conflicts with 'db', which is running; stop that first");
}

static void test_conflict_of_what_is_pulled_at_startup(void)
{
    static const Origin startup = {.cause = CAUSE_STARTUP};
    g_autoptr(GError) error = NULL;
    Service *apache = make("apache", "{}"), *nginx = make("nginx", "{\"conflicts\": [\"apache\"]}");
    Service *site = make("site", "{\"requires\": [\"nginx\"]}");
    g_assert_true(service_start(apache, &startup, NULL));
    g_assert_false(service_start(site, &startup, &error));
    core_fixture_settle(&fixture);
    assert_state(nginx, STATE_INACTIVE);
    assert_state(apache, STATE_STARTING);
    g_assert_cmpstr(service_state(site)->error->message, ==,
                    "needs 'nginx', which conflicts with 'apache', which was started before it");
}

/* Changes at run time */

static void test_links_follow_changes(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{}");
    configure(web, WEB_REQUIRES_DB);
    assert_required_by(db, "web");
    configure(web, "{}");
    assert_required_by(db, "");
    g_assert_null(service_state(db)->links);
    g_assert_null(service_state(web)->links);
    g_assert_cmpuint(graph_n_nodes(fixture.core->graph), ==, 0);
    configure(web, WEB_REQUIRES_DB);
    delete ("web");
    core_fixture_settle(&fixture);
    assert_required_by(db, "");
    g_assert_cmpuint(graph_n_nodes(fixture.core->graph), ==, 0);
}

static void test_refused_configure_changes_nothing(void)
{
    static const char closing[] = "{\"requires\": [\"web\"], \"value\": \"x\"}";
    g_autoptr(GError) error = NULL;
    Service *db = make("db", "{}");
    (void)make("web", WEB_REQUIRES_DB);
    g_autofree char *before = g_strdup(service_state(db)->config->text);
    uint64_t serial = service_state(db)->serial;
    g_assert_false(service_configure(db, closing, strlen(closing), &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_DEPENDENCY_CYCLE);
    core_fixture_settle(&fixture);
    g_assert_cmpstr(service_state(db)->config->text, ==, before);
    g_assert_cmpuint(service_state(db)->serial, ==, serial);
}

static void test_configure_of_what_waits(void)
{
    Service *web = make("web", WEB_REQUIRES_DB), *cache = make("cache", "{}");
    begin(web);
    assert_waiting(web, "blocked", "db");
    configure(web, "{\"requires\": [\"cache\"]}");
    assert_state(cache, STATE_STARTING);
    assert_waiting(web, "dependencies", "cache");
    configure(web, "{}");
    assert_state(web, STATE_STARTING);
}

/* Width and length */

#define MANY 1000

/* What it now requires is brought. */
static void test_configure_of_what_keeps_failing(void)
{
    Service *db = make("db", "{}");
    Service *web = make("web", "{}");
    begin(web);
    fake_apply_fail(web, "not yet", false);
    assert_state(web, STATE_BACKOFF);
    configure(web, "{\"requires\": [\"db\"]}");
    assert_state(web, STATE_WAITING);
    finish(db);
    finish(web);
}

static void test_chain(void)
{
    for (int i = MANY - 1; i >= 0; i--) {
        g_autofree char *id = g_strdup_printf("s%d", i);
        g_autofree char *config =
                i > 0 ? g_strdup_printf("{\"requires\": [\"s%d\"]}", i - 1) : g_strdup("{}");
        (void)make(id, config);
    }
    begin(map_find(map, "s999"));
    for (int i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("s%d", i);
        finish(map_find(map, id));
    }
    g_assert_cmpuint(map_counts(map)->by_state[STATE_ACTIVE], ==, MANY);
}

typedef void (*Story)(void);

static void play(const void *story)
{
    setup();
    ((Story)story)();
    teardown();
}

static const struct {
    const char *path;
    Story story;
} stories[] = {
        {"requires/pulls", test_requires_pulls},
        {"requires/up", test_requires_one_that_is_up},
        {"requires/missing", test_requires_missing},
        {"requires/mended", test_requires_mended},
        {"requires/failed", test_requires_failed},
        {"requires/failing", test_requires_failing},
        {"requires/stopped-meanwhile", test_requires_stopped_meanwhile},
        {"requires/completes", test_requires_one_that_completes},
        {"requires/ended", test_requires_one_that_ended},
        {"requires/chain-is-blocked", test_requires_chain_is_blocked},
        {"requires/gates-retries", test_requires_gates_retries},
        {"wants/stops-nobody", test_wants_stops_nobody},
        {"after/pulls-nothing", test_after_alone_pulls_nothing},
        {"after/waits", test_after_waits},
        {"after/not-for-retries", test_after_does_not_wait_for_retries},
        {"after/blocked", test_after_one_that_is_blocked},
        {"before", test_before},
        {"conflicts/stops-the-other", test_conflict_stops_the_other},
        {"conflicts/waiting", test_conflict_with_what_waits},
        {"conflicts/startup", test_conflict_at_startup},
        {"conflicts/configure", test_conflict_by_configure},
        {"part-of/stop", test_part_of_stop},
        {"part-of/restart", test_part_of_restart},
        {"part-of/crash", test_part_of_crash},
        {"part-of/failure", test_part_of_failure},
        {"part-of/stop-in-a-restart", test_part_of_stop_in_a_restart},
        {"part-of/each-other", test_part_of_each_other},
        {"keep-up/grace", test_keep_up},
        {"keep-up/in-time", test_keep_up_in_time},
        {"stop/in-reverse", test_stop_in_reverse},
        {"stop/unkillable", test_stop_behind_unkillable},
        {"stop/by-force", test_stop_by_force},
        {"after/unkillable", test_after_one_that_cannot_be_killed},
        {"conflicts/unkillable", test_conflict_with_one_that_cannot_be_killed},
        {"conflicts/pulled-at-startup", test_conflict_of_what_is_pulled_at_startup},
        {"slots/row", test_slots},
        {"slots/two-at-once", test_slots_two_at_once},
        {"slots/first-is-held-up", test_slots_first_is_held_up},
        {"change/links", test_links_follow_changes},
        {"change/refused", test_refused_configure_changes_nothing},
        {"change/waiting", test_configure_of_what_waits},
        {"change/failing", test_configure_of_what_keeps_failing},
        {"chain", test_chain},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(stories); i++) {
        g_autofree char *path = g_strconcat("/settle/", stories[i].path, NULL);
        g_test_add_data_func(path, (const void *)stories[i].story, play);
    }
    return g_test_run();
}
