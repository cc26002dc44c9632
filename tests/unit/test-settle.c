/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is started with whom, who waits for whom, and who may not run beside whom. */

#include "settle-fixture.h"

#include <string.h>

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
    assert_blocked(web, "db", ERROR_DEPENDENCY_FAILED,
                   "requires 'db', which has failed and is tried again");
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

static const Story stories[] = {
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
        {"after/unkillable", test_after_one_that_cannot_be_killed},
        {"conflicts/unkillable", test_conflict_with_one_that_cannot_be_killed},
        {"conflicts/pulled-at-startup", test_conflict_of_what_is_pulled_at_startup},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_stories(stories, G_N_ELEMENTS(stories));
    return g_test_run();
}
