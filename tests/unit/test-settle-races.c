/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to services that depend on each other before anybody has looked: more than one thing
 * between two turns of the loop. */

#include "map-fixture.h"

#include "base/errors.h"

#include <string.h>

static Service *make(const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    Service *service = create_full(id, "fake", config, false, &error);
    g_assert_no_error(error);
    return service;
}

static void settle(void)
{
    core_fixture_settle(&fixture);
}

/* No turn of the loop passes. */
static void start(Service *service)
{
    g_autoptr(GError) error = NULL;
    (void)service_start(service, &origin_test, &error);
    g_assert_no_error(error);
}

static void up(Service *service)
{
    start(service);
    settle();
    fake_apply_ok(service);
    settle();
    assert_state(service, STATE_ACTIVE);
}

static void stop(Service *service)
{
    g_autoptr(GError) error = NULL;
    (void)service_stop(service, &origin_test, &error);
    g_assert_no_error(error);
}

static void configure(Service *service, const char *config)
{
    g_autoptr(GError) error = NULL;
    (void)service_configure(service, config, strlen(config), &origin_test, NULL, &error);
    g_assert_no_error(error);
}

/* As it is told, also before anybody has looked again. */
static void assert_waiting(Service *service, const char *sub_state, const char *ids)
{
    char *const *waiting_for = links_waiting_for(service_state(service)->links);
    g_autofree char *names = waiting_for != NULL ? g_strjoinv(" ", (char **)waiting_for) : NULL;
    g_assert_cmpstr(service_state(service)->sub_state, ==, sub_state);
    g_assert_cmpstr(names, ==, ids);
}

static void test_requirement_ends_before_the_turn(void)
{
    Service *db = make("db", "{\"restart\": {\"policy\": \"no\"}}");
    Service *web = make("web", "{\"requires\": [\"db\"]}");
    up(db);
    start(web);
    assert_state(web, STATE_STARTING);
    fake_ended(db, NULL);
    settle();
    assert_state(web, STATE_WAITING);
    assert_waiting(web, "blocked", "db");
    g_assert_null(service_find_instance(web)); /* the kind has heard nothing of it */
    up(db);
    fake_apply_ok(web);
    assert_state(web, STATE_ACTIVE);
}

/* The place goes to who can use it. */
static void test_requirement_ends_and_the_place_is_free(void)
{
    slots_set_max(fixture.core->slots, 1);
    Service *db = make("db", "{\"restart\": {\"policy\": \"no\"}}");
    Service *web = make("web", "{\"requires\": [\"db\"]}"), *mail = make("mail", "{}");
    up(db);
    start(web);
    start(mail);
    assert_state(mail, STATE_WAITING);
    fake_ended(db, NULL);
    settle();
    assert_state(web, STATE_WAITING);
    assert_state(mail, STATE_STARTING);
    fake_apply_ok(mail);
}

static const char *waiting_error;

static void on_waiting(const Change *change, void *data)
{
    if (change->type != CHANGE_UPDATE || change->new_state->state != STATE_WAITING)
        return;
    g_assert_cmpint(state_record_is_blocked(change->new_state), ==,
                    g_str_equal(change->new_state->sub_state, "blocked"));
    waiting_error = change->new_state->error != NULL ? "some" : "none";
}

static void test_retry_waits_without_its_error(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"requires\": [\"db\"]}");
    up(db);
    up(web);
    fake_ended(web, "crashed");
    settle();
    g_assert_true(service_restart(db, &origin_test, NULL));
    settle();
    FeedListener *watch = feed_listen(fixture.core->feed, on_waiting, NULL);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_state(web, STATE_WAITING);
    g_assert_cmpstr(waiting_error, ==, "none");
    feed_unlisten(watch);
    fake_stop_done(db, NULL);
    settle();
    fake_apply_ok(db);
    settle();
    fake_apply_ok(web);
}

static void test_part_that_was_down_is_started(void)
{
    Service *app = make("app", "{}"), *worker = make("worker", "{\"part_of\": [\"app\"]}");
    up(app);
    stop(app);
    settle();
    fake_stop_done(app, NULL);
    start(worker); /* after the end of app, which it therefore does not follow */
    settle();
    assert_state(worker, STATE_STARTING);
    fake_apply_ok(worker);
}

static void test_part_that_has_ended_by_itself(void)
{
    Service *app = make("app", "{}"), *worker = make("worker", "{\"part_of\": [\"app\"]}");
    up(app);
    up(worker);
    fake_ended(app, "crashed");
    fake_ended(worker, "crashed, too");
    configure(worker, "{}"); /* which starts it at once */
    assert_state(worker, STATE_STARTING);
    settle();
    assert_state(worker, STATE_STARTING);
    fake_apply_ok(worker);
}

static void test_another_stops_meanwhile(void)
{
    Service *db = make("db", "{}");
    Service *a = make("a", "{\"requires\": [\"db\"]}"), *b = make("b", "{\"requires\": [\"db\"]}");
    up(db);
    up(a);
    up(b);
    stop(a);
    stop(db);
    settle();
    assert_waiting(db, "dependents", "a");
    stop(b);
    settle();
    assert_waiting(db, "dependents", "a b");
    fake_stop_done(a, NULL);
    settle();
    assert_waiting(db, "dependents", "b");
    fake_stop_done(b, NULL);
    settle();
    g_assert_true(fake_of(db)->stop_asked);
}

/* The grace counts for each of those that are away. */
static void test_grace_for_each(void)
{
    Service *a = make("a", "{\"restart\": {\"policy\": \"no\"}}");
    Service *b = make("b", "{\"restart\": {\"policy\": \"no\"}}");
    Service *web = make("web", "{\"requires\": [\"a\", \"b\"], \"keep_up\": {\"grace\": \"1s\"}}");
    up(a);
    up(b);
    up(web);
    fake_ended(a, NULL);
    core_fixture_advance(&fixture, 600 * USEC_PER_MSEC);
    fake_ended(b, NULL);
    core_fixture_advance(&fixture, 200 * USEC_PER_MSEC);
    up(a);
    core_fixture_advance(&fixture, 799 * USEC_PER_MSEC);
    assert_state(web, STATE_ACTIVE);
    core_fixture_advance(&fixture, USEC_PER_MSEC);
    assert_state(web, STATE_STOPPING);
    g_assert_nonnull(strstr(service_state(web)->error->message, "'b'"));
    fake_stop_done(web, NULL);
}

/* Who has come, was started and is stopped again is not started for those that waited for it. */
static void test_stopped_before_it_was_pulled(void)
{
    Service *web = make("web", "{\"requires\": [\"db\"]}");
    start(web);
    settle();
    assert_waiting(web, "blocked", "db");
    Service *db = make("db", "{}");
    start(db);
    stop(db);
    settle();
    g_assert_false(service_is_wanted(db));
    fake_stop_done(db, NULL);
    settle();
    assert_state(db, STATE_INACTIVE);
    assert_waiting(web, "blocked", "db");
}

static void test_failures_are_forgotten(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"requires\": [\"db\"]}");
    up(db);
    fake_ended(db, "crashed");
    start(web);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_state(db, STATE_STARTING);
    assert_waiting(web, "blocked", "db");
    g_assert_true(service_reset_failed(db, &origin_test, NULL));
    settle();
    assert_waiting(web, "dependencies", "db");
    fake_apply_ok(db);
    settle();
    fake_apply_ok(web);
}

/* What is being restarted is in the way, until somebody decides that it is not to come back. */
static void test_rival_does_not_come_back(void)
{
    Service *app = make("app", "{}"), *web = make("web", "{\"requires\": [\"db\"]}");
    Service *rival = make("rival", "{\"conflicts\": [\"db\"], \"part_of\": [\"app\"]}");
    up(app);
    up(rival);
    start(web);
    settle();
    Service *db = make("db", "{}");
    settle();
    assert_waiting(db, "blocked", "rival");
    g_assert_true(service_restart(app, &origin_test, NULL));
    settle();
    assert_state(rival, STATE_STOPPING);
    assert_waiting(db, "blocked", "rival");
    stop(rival);
    settle();
    assert_waiting(db, "dependencies", "rival");
    fake_stop_done(rival, NULL);
    fake_stop_done(app, NULL);
    settle();
    fake_apply_ok(db);
    fake_apply_ok(app);
    settle();
    fake_apply_ok(web);
}

static void test_created_in_conflict(void)
{
    (void)make("a", "{\"conflicts\": [\"b\"]}");
    (void)make("b", "{}");
    g_autoptr(GError) error = NULL;
    Service *both = create_full("both", "fake", "{\"requires\": [\"a\", \"b\"]}", true, &error);
    g_assert_no_error(error);
    assert_state(both, STATE_FAILED);
    g_assert_error(service_state(both)->error, SVCMGR_ERROR, ERROR_CONFLICT);
    g_assert_cmpint(service_state(both)->failure_class, ==, FAILURE_DEPENDENCY);
}

/* From inside: who hears of db moves web. */

static void (*move_web)(void);

static void on_db(const Change *change, void *data)
{
    void (*move)(void) = move_web;
    if (move == NULL || !g_str_equal(service_id(change->service), "db"))
        return;
    move_web = NULL;
    move();
}

static FeedListener *listen_to_db(void (*move)(void))
{
    move_web = move;
    return feed_listen(fixture.core->feed, on_db, NULL);
}

static void move_by_start(void)
{
    g_assert_true(service_start(map_find(map, "web"), &origin_test, NULL));
}

static void move_by_stop(void)
{
    g_assert_true(service_stop(map_find(map, "web"), &origin_test, NULL));
}

static void move_by_delete(void)
{
    g_assert_true(map_delete(map, "web", &origin_test, NULL, NULL, NULL));
}

static void test_started_from_inside(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"wants\": [\"db\"]}");
    FeedListener *watch = listen_to_db(move_by_start);
    start(web);
    feed_unlisten(watch);
    settle();
    fake_apply_ok(db);
    settle();
    assert_state(web, STATE_STARTING);
    fake_apply_ok(web);
}

static void test_deleted_from_inside(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"requires\": [\"db\"]}");
    g_autoptr(GError) error = NULL;
    FeedListener *watch = listen_to_db(move_by_delete);
    g_assert_false(service_start(web, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_BUSY);
    feed_unlisten(watch);
    g_assert_null(map_find(map, "web"));
    settle();
    fake_apply_ok(db);
}

static void test_stopped_from_inside(void)
{
    Service *db = make("db", "{\"restart\": {\"policy\": \"no\"}}");
    Service *web = make("web", "{\"requires\": [\"db\"]}");
    g_autoptr(GError) error = NULL;
    up(db);
    up(web);
    fake_ended(db, NULL);
    settle();
    FeedListener *watch = listen_to_db(move_by_stop);
    g_assert_false(service_restart(web, &origin_test, &error)); /* which brings db */
    g_assert_error(error, SVCMGR_ERROR, ERROR_BUSY);
    feed_unlisten(watch);
    g_assert_false(service_is_wanted(web));
    settle();
    fake_stop_done(web, NULL);
    assert_state(web, STATE_INACTIVE);
    fake_apply_ok(db);
}

static void test_configured_and_stopped_from_inside(void)
{
    Service *db = make("db", "{}"), *web = make("web", "{\"requires\": [\"gone\"]}");
    start(web);
    settle();
    FeedListener *watch = listen_to_db(move_by_stop);
    configure(web, "{\"requires\": [\"db\"]}"); /* which brings db */
    feed_unlisten(watch);
    assert_state(web, STATE_STOPPING);
    g_assert_cmpuint(service_state(web)->config_revision, ==, 2);
    settle();
    fake_stop_done(web, NULL);
    assert_state(web, STATE_INACTIVE);
    fake_apply_ok(db);
}

typedef void (*Race)(void);

static void play(const void *race)
{
    setup();
    ((Race)race)();
    teardown();
}

static const struct {
    const char *path;
    Race race;
} races[] = {
        {"requirement-ends", test_requirement_ends_before_the_turn},
        {"requirement-ends/place", test_requirement_ends_and_the_place_is_free},
        {"retry-waits", test_retry_waits_without_its_error},
        {"part/was-down", test_part_that_was_down_is_started},
        {"part/has-ended", test_part_that_has_ended_by_itself},
        {"another-stops", test_another_stops_meanwhile},
        {"grace-for-each", test_grace_for_each},
        {"stopped-before-pulled", test_stopped_before_it_was_pulled},
        {"failures-forgotten", test_failures_are_forgotten},
        {"rival", test_rival_does_not_come_back},
        {"created-in-conflict", test_created_in_conflict},
        {"inside/started", test_started_from_inside},
        {"inside/deleted", test_deleted_from_inside},
        {"inside/stopped", test_stopped_from_inside},
        {"inside/configured-and-stopped", test_configured_and_stopped_from_inside},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(races); i++) {
        g_autofree char *path = g_strconcat("/settle/races/", races[i].path, NULL);
        g_test_add_data_func(path, (const void *)races[i].race, play);
    }
    return g_test_run();
}
