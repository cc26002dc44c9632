/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What follows a stop, a restart, a failure or a change of another; the order of stops; and how
 * many start at once. */

#include "settle-fixture.h"

#include <string.h>

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

/* What may not be away at all was not away for a time. */
static void test_keep_up_without_grace(void)
{
    Service *db = make("db", "{}");
    Service *web = make("web", "{\"requires\": [\"db\"], \"keep_up\": {\"grace\": 0}}");
    begin(web);
    finish(db);
    finish(web);
    fake_ended(db, "crashed");
    core_fixture_settle(&fixture);
    g_assert_cmpstr(service_state(web)->error->message, ==,
                    "requires 'db', which has failed and is tried again");
    end_stop(web);
    assert_waiting(web, "blocked", "db");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    finish(db);
    finish(web);
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

/* It goes down to come back; that somebody stops it meanwhile is no failure of it. */
static void test_keep_up_stopped_meanwhile(void)
{
    Service *db = make("db", "{}"), *web = make("web", KEEPS_UP);
    begin(web);
    finish(db);
    finish(web);
    begin_stop(db);
    core_fixture_advance(&fixture, 5 * USEC_PER_SEC);
    assert_state(web, STATE_STOPPING);
    g_assert_nonnull(service_state(web)->error);
    begin_stop(web);
    assert_state(web, STATE_STOPPING);
    g_assert_null(service_state(web)->error);
    end_stop(web);
    assert_state(web, STATE_INACTIVE);
    end_stop(db);
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

static const Story stories[] = {
        {"part-of/stop", test_part_of_stop},
        {"part-of/restart", test_part_of_restart},
        {"part-of/crash", test_part_of_crash},
        {"part-of/failure", test_part_of_failure},
        {"part-of/stop-in-a-restart", test_part_of_stop_in_a_restart},
        {"part-of/each-other", test_part_of_each_other},
        {"keep-up/grace", test_keep_up},
        {"keep-up/no-grace", test_keep_up_without_grace},
        {"keep-up/in-time", test_keep_up_in_time},
        {"keep-up/stopped-meanwhile", test_keep_up_stopped_meanwhile},
        {"stop/in-reverse", test_stop_in_reverse},
        {"stop/unkillable", test_stop_behind_unkillable},
        {"stop/by-force", test_stop_by_force},
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
    add_stories(stories, G_N_ELEMENTS(stories));
    return g_test_run();
}
