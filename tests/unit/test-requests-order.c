/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of one turn of which one would refuse another: each comes out as if they had come one
 * after the other, and of what is refused nothing is kept. */

#include "base/errors.h"
#include "keeper-fixture.h"

#include <string.h>

static void make(const char *id, const char *config)
{
    ask_create_with("", id, config);
    core_fixture_settle(&fixture);
    assert_answers(":ok ");
    g_string_truncate(memory->log, 0);
    g_string_truncate(seen, 0);
}

static const char *kept_config(const char *id)
{
    const MemoryService *kept = durable_memory_find(memory, id);
    const DurableRevision *config = kept != NULL ? durable_memory_config(kept) : NULL;
    return config != NULL ? config->text : "";
}

/* Two clients, each with one half of a cycle. */
static void test_cycle_by_configure(void)
{
    keeper_setup();
    make("a", "{}");
    make("b", "{}");
    ask_configure("1", "a", "{\"requires\": [\"b\"]}");
    ask_configure("2", "b", "{\"after\": [\"a\"]}");
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:DependencyCycle ");
    assert_refused_with("b after a, a requires b");
    assert_log("begin config:a:2 commit:power\n");
    g_assert_cmpstr(kept_config("b"), ==, "{}");
    g_assert_cmpuint(service_state(map_find(map, "b"))->config_revision, ==, 1);
    g_assert_null(service_state(map_find(map, "b"))->links->own);
    keeper_teardown();
}

static void test_cycle_by_create(void)
{
    keeper_setup();
    ask_create_with("1", "a", "{\"requires\": [\"b\"]}");
    ask_create_with("2", "b", "{\"requires\": [\"c\"]}");
    ask_create_with("3", "c", "{\"requires\": [\"a\"]}");
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:ok 3:DependencyCycle ");
    assert_refused_with("c requires a, a requires b, b requires c");
    assert_log(
            "begin service:a config:a:1 commit:power\nbegin service:b config:b:1 commit:power\n");
    g_assert_null(map_find(map, "c"));
    g_assert_null(durable_memory_find(memory, "c"));
    ask_create_with("4", "c", "{}"); /* its id is free */
    core_fixture_settle(&fixture);
    assert_answers("4:ok ");
    keeper_teardown();
}

/* One says `before` of what the other says it of. */
static void test_cycle_by_before(void)
{
    keeper_setup();
    make("a", "{}");
    ask_configure("1", "a", "{\"before\": [\"b\"]}");
    ask_create_with("2", "b", "{\"before\": [\"a\"]}");
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:DependencyCycle ");
    g_assert_null(durable_memory_find(memory, "b"));
    keeper_teardown();
}

/* Three that are there, and are joined to a ring through one that says nothing. */
static void test_cycle_through_another(void)
{
    keeper_setup();
    make("b", "{\"requires\": [\"c\"]}");
    make("a", "{}");
    make("c", "{}");
    make("d", "{}");
    ask_configure("1", "a", "{\"after\": [\"b\"]}");
    ask_configure("2", "d", "{\"before\": [\"c\"], \"after\": [\"a\"]}");
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:DependencyCycle ");
    g_assert_cmpstr(kept_config("d"), ==, "{}");
    keeper_teardown();
}

/* Who is named by nobody closes nothing: a thousand that require the same need no sync each. */
static void test_no_cycle_one_group(void)
{
    keeper_setup();
    make("db", "{}");
    ask_create_with("1", "a", "{\"requires\": [\"db\"]}");
    ask_create_with("2", "b", "{\"requires\": [\"db\", \"a\"]}");
    ask_create_with("3", "c", "{\"wants\": [\"b\"], \"after\": [\"b\"]}");
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:ok 3:ok ");
    assert_log("begin service:a config:a:1 service:b config:b:1 service:c config:c:1 "
               "commit:power\n");
    keeper_teardown();
}

/* An edge is turned round by two requests: the second is good once the first is done. */
static void test_cycle_that_is_undone(void)
{
    keeper_setup();
    make("a", "{\"requires\": [\"b\"]}");
    make("b", "{}");
    ask_configure("1", "a", "{}");
    ask_configure("2", "b", "{\"requires\": [\"a\"]}");
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:ok ");
    assert_log("begin config:a:2 commit:power\nbegin config:b:2 commit:power\n");
    keeper_teardown();
}

/* Deletes, in the order that is right, of what is stopped and of what runs. */
static void test_delete_in_order(void)
{
    keeper_setup();
    make("db", "{}");
    make("api", "{\"requires\": [\"db\"]}");
    Service *web = keep("web", "{}");
    ask_configure("configure", "web", "{\"requires\": [\"db\"]}");
    core_fixture_settle(&fixture);
    assert_answers("configure:ok ");
    ask("db-early", REQUEST_DELETE, "db");
    ask("api", REQUEST_DELETE, "api");
    ask("web", REQUEST_DELETE, "web");
    ask("db", REQUEST_DELETE, "db");
    core_fixture_settle(&fixture);
    assert_answers("db-early:HasDependents api:ok web:ok db:ok ");
    assert_refused_with("service 'db' is required by 'api', 'web'");
    g_assert_null(map_find(map, "db")); /* it did not run, and who requires it is on its way out */
    g_assert_null(map_find(map, "api"));
    assert_state(web, STATE_STOPPING);
    keeper_teardown();
}

/* Who requires it comes in the same turn: before the delete, which is refused, or after it. */
static void test_delete_and_create(void)
{
    keeper_setup();
    make("db", "{}");
    ask_create_with("create", "web", "{\"requires\": [\"db\"]}");
    ask("delete", REQUEST_DELETE, "db");
    core_fixture_settle(&fixture);
    assert_answers("create:ok delete:HasDependents ");
    g_assert_nonnull(durable_memory_find(memory, "db"));
    ask("delete-web", REQUEST_DELETE, "web");
    ask("delete", REQUEST_DELETE, "db");
    ask_create_with("create", "api", "{\"requires\": [\"db\"]}");
    core_fixture_settle(&fixture);
    assert_answers("delete-web:ok delete:ok create:ok ");
    g_assert_null(map_find(map, "db"));
    g_assert_null(durable_memory_find(memory, "db"));
    g_assert_nonnull(map_find(map, "api"));
    keeper_teardown();
}

/* The check did not see what the group does before it. */
static void test_start_refused_in_the_doing(void)
{
    keeper_setup();
    make("cache", "{}");
    make("db", "{}");
    make("web", "{\"requires\": [\"db\", \"cache\"]}");
    ask_configure("configure", "db", "{\"conflicts\": [\"cache\"]}");
    ask("start", REQUEST_START, "web");
    core_fixture_settle(&fixture);
    assert_answers("configure:ok start:Conflict ");
    core_fixture_advance(&fixture, 2 * USEC_PER_SEC);
    g_assert_false(durable_memory_find(memory, "web")->state.wanted);
    g_assert_cmpuint(map_counts(map)->active, ==, 0);
    keeper_teardown();
}

static const struct {
    const char *path;
    void (*func)(void);
} test_rows[] = {
        {"/requests-order/cycle/configure", test_cycle_by_configure},
        {"/requests-order/cycle/create", test_cycle_by_create},
        {"/requests-order/cycle/before", test_cycle_by_before},
        {"/requests-order/cycle/through-another", test_cycle_through_another},
        {"/requests-order/cycle/none", test_no_cycle_one_group},
        {"/requests-order/cycle/undone", test_cycle_that_is_undone},
        {"/requests-order/delete/in-order", test_delete_in_order},
        {"/requests-order/delete/and-create", test_delete_and_create},
        {"/requests-order/start", test_start_refused_in_the_doing},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(test_rows); i++)
        g_test_add_func(test_rows[i].path, test_rows[i].func);
    return g_test_run();
}
