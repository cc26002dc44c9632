/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services do to each other is kept like what people ask of them: what comes back after a
 * crash is the system as it was wanted. */

#include "base/errors.h"
#include "keeper-fixture.h"
#include "run/services.h"

#include <string.h>

#define SOON_USEC (10 * USEC_PER_MSEC)

static Service *make(const char *id, const char *config)
{
    ask_create_with("", id, config);
    core_fixture_settle(&fixture);
    assert_answers(":ok ");
    return map_find(map, id);
}

static void ask_now(RequestType type, const char *id)
{
    ask("", type, id);
    core_fixture_settle(&fixture);
    assert_answers(":ok ");
}

static void finish(Service *service)
{
    assert_state(service, STATE_STARTING);
    fake_apply_ok(service);
    core_fixture_settle(&fixture);
    assert_state(service, STATE_ACTIVE);
}

static void assert_kept(const char *id, bool wanted)
{
    const MemoryService *kept = durable_memory_find(memory, id);

    g_test_message("%s", id);
    g_assert_true(kept->has_state);
    g_assert_cmpint(kept->state.wanted, ==, wanted);
}

/* Who is taken along by a start is wanted from then on. */
static void test_pulled(void)
{
    keeper_setup();
    make("disk", "{}");
    make("cache", "{}");
    make("db", "{\"requires\": [\"disk\"]}");
    make("web", "{\"requires\": [\"db\"], \"wants\": [\"cache\"]}");
    ask_now(REQUEST_START, "web");
    core_fixture_advance(&fixture, SOON_USEC);
    for (const char *const *id = (const char *const[]){"disk", "cache", "db", "web", NULL};
         *id != NULL; id++)
        assert_kept(*id, true);
    keeper_teardown();
}

/* Who follows a stop, or has to make room, is not. */
static void test_taken_down(void)
{
    keeper_setup();
    Service *db = make("db", "{}");
    Service *part = make("part", "{\"part_of\": [\"db\"]}");
    Service *rival = keep("rival", "{}");

    ask_now(REQUEST_START, "db");
    finish(db);
    ask_now(REQUEST_START, "part");
    finish(part);
    ask_now(REQUEST_STOP, "db");
    make("new", "{\"conflicts\": [\"rival\"]}");
    ask_now(REQUEST_START, "new");
    core_fixture_advance(&fixture, SOON_USEC);
    assert_state(part, STATE_STOPPING);
    assert_state(rival, STATE_STOPPING);
    assert_kept("db", false);
    assert_kept("part", false);
    assert_kept("rival", false);
    assert_kept("new", true);
    keeper_teardown();
}

/* Who waits for what is not there, from the start or since it went away, goes on being wanted. */
static void test_waiting(void)
{
    keeper_setup();
    Service *db = make("db", "{\"restart\": {\"policy\": \"no\"}}");
    Service *web = make("web", "{\"requires\": [\"db\"], \"keep_up\": {\"grace\": 0}}");

    make("lost", "{\"requires\": [\"gone\"]}");
    ask_now(REQUEST_START, "lost");
    ask_now(REQUEST_START, "web");
    finish(db);
    finish(web);
    fake_ended(db, "no");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    fake_stop_done(web, NULL);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_state(web, STATE_WAITING);
    assert_state(map_find(map, "lost"), STATE_WAITING);
    assert_kept("db", false);
    assert_kept("web", true);
    assert_kept("lost", true);
    keeper_teardown();
}

static Service *remember(const char *id, const char *config, unsigned failed_attempts)
{
    DurableState state = {.wanted = true, .failed_attempts = failed_attempts};
    CreateSpec spec = {.id = id,
                       .kind = "fake",
                       .config = config,
                       .config_length = strlen(config),
                       .state = &state};
    g_autoptr(GError) error = NULL;
    Service *service = map_create(map, &spec, &origin_test, &error);

    g_assert_no_error(error);
    return service;
}

/* A start with the daemon: who was blocked is blocked again, and failures in a row go on counting,
 * also of what another brings and of what has to wait first. */
static void test_back(void)
{
    keeper_setup();
    Service *web = remember("a-web", "{\"requires\": [\"db\"]}", 2);
    Service *db = remember("db", "{}", 3);
    Service *lost = remember("lost", "{\"requires\": [\"gone\"]}", 0);
    const char *ids[] = {"a-web", "db", "lost"};
    GPtrArray list = {.pdata = (void **)ids, .len = G_N_ELEMENTS(ids)};

    services_start(map, &list);
    core_fixture_settle(&fixture);
    assert_state(lost, STATE_WAITING);
    g_assert_true(state_record_is_blocked(service_state(lost)));
    assert_state(web, STATE_WAITING);
    fake_apply_fail(db, "no", false);
    g_assert_cmpuint(service_state(db)->failed_attempts, ==, 4);
    core_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    finish(db);
    fake_apply_fail(web, "no", false);
    g_assert_cmpuint(service_state(web)->failed_attempts, ==, 3);
    keeper_teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keeper-system/pulled", test_pulled);
    g_test_add_func("/keeper-system/taken-down", test_taken_down);
    g_test_add_func("/keeper-system/waiting", test_waiting);
    g_test_add_func("/keeper-system/back", test_back);
    return g_test_run();
}
