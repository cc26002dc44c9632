/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions that name each other: in any order at the start, and several changed by one reload,
 * which is judged by what comes of all of them. */

#include "reload-answer.h"
#include "trouble.h"

#include <unistd.h>

#define SLEEP "\"exec\": [\"/bin/sleep\", \"infinity\"]"
#define DEFINED(more) "{\"kind\": \"process\", \"config\": {" SLEEP more "}}"
#define STARTED(more) "{\"kind\": \"process\", \"enabled\": true, \"config\": {" SLEEP more "}}"
#define REQUIRES(id) ", \"requires\": [\"" id "\"]"
#define AFTER(id) ", \"after\": [\"" id "\"]"

static void order_start(DaemonFixture *fixture)
{
    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
}

static void order_assert(DaemonFixture *fixture, const char *id, const char *property,
                         const char *expected)
{
    g_autofree char *value = trouble_get(fixture, id, property);

    g_assert_cmpstr(value, ==, expected);
}

static uint64_t order_get(DaemonFixture *fixture, const char *id, const char *interface,
                          const char *property)
{
    g_autofree char *path = client_service_path(id);

    return client_get_unsigned(fixture->client, path, interface, property);
}

static void order_forget(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = g_strdup_printf("%s/%s.json", fixture->services_dir, id);

    g_assert_cmpint(unlink(path), ==, 0);
}

/* The same answer to both, and the dry run has changed nothing. */
static Answer *order_reload(DaemonFixture *fixture)
{
    static const char *const lists[] = {"created", "changed", "removed", "unchanged"};
    g_autoptr(Answer) dry = reload_dry(fixture);
    Answer *answer = reload(fixture);
    GHashTableIter iter;
    void *id, *reason;

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        assert_list(dry, lists[i], g_hash_table_lookup(answer->lists, lists[i]));
    g_assert_cmpuint(g_hash_table_size(dry->failed), ==, g_hash_table_size(answer->failed));
    g_hash_table_iter_init(&iter, answer->failed);
    while (g_hash_table_iter_next(&iter, &id, &reason))
        g_assert_cmpstr(g_hash_table_lookup(dry->failed, id), ==, reason);
    return answer;
}

/* Who is required comes later, by its id and also by the next reload. */
static void test_any_order(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "a", STARTED(REQUIRES("z")));
    daemon_fixture_define(fixture, "b", STARTED(REQUIRES("later")));
    daemon_fixture_define(fixture, "z", DEFINED(""));
    order_start(fixture);
    trouble_wait_active(fixture, "a");
    order_assert(fixture, "z", "State", "active");
    order_assert(fixture, "b", "State", "waiting");
    order_assert(fixture, "b", "SubState", "blocked");
    order_assert(fixture, "b", "Error", "requires 'later', which is not there");
    daemon_fixture_define(fixture, "later", DEFINED(""));
    g_autoptr(Answer) answer = order_reload(fixture);
    assert_list(answer, "created", "later");
    trouble_wait_active(fixture, "b");
    order_assert(fixture, "later", "State", "active");
}

/* The last by id says the path; the others are as good as ever. Mended, it is a service like any.
 */
static void test_cycle_at_boot(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "c", STARTED(REQUIRES("a")));
    daemon_fixture_define(fixture, "b", STARTED(AFTER("c")));
    daemon_fixture_define(fixture, "a", STARTED(AFTER("b")));
    order_start(fixture);
    trouble_wait_active(fixture, "a");
    trouble_wait_active(fixture, "b");
    order_assert(fixture, "c", "State", "failed");
    g_autofree char *why = trouble_get(fixture, "c", "Error");
    assert_contains(why, "the order would have a cycle: c requires a, a after b, b after c");
    uint64_t pid = order_get(fixture, "a", CLIENT_PROCESS, "MainPID");
    g_autoptr(Answer) still = order_reload(fixture);
    assert_failed(still, "c", "a cycle: c requires a, a after b, b after c");
    assert_list(still, "unchanged", "a b");
    daemon_fixture_define(fixture, "b", STARTED(""));
    g_autoptr(Answer) answer = order_reload(fixture);
    assert_list(answer, "changed", "b c");
    g_assert_cmpuint(g_hash_table_size(answer->failed), ==, 0);
    client_operate(fixture->client, "c", "Start");
    trouble_wait_active(fixture, "c");
    g_assert_cmpuint(order_get(fixture, "a", CLIENT_PROCESS, "MainPID"), ==, pid);
}

/* An edge turned round, and a chain: one at a time would have a cycle on the way. */
static void test_turned_round(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "a", STARTED(REQUIRES("b")));
    daemon_fixture_define(fixture, "b", STARTED(REQUIRES("c")));
    daemon_fixture_define(fixture, "c", STARTED(REQUIRES("d")));
    daemon_fixture_define(fixture, "d", STARTED(""));
    daemon_fixture_define(fixture, "x", DEFINED(AFTER("a")));
    order_start(fixture);
    trouble_wait_active(fixture, "a");
    daemon_fixture_define(fixture, "a", STARTED(""));
    daemon_fixture_define(fixture, "b", STARTED(REQUIRES("a")));
    daemon_fixture_define(fixture, "c", STARTED(REQUIRES("b")));
    daemon_fixture_define(fixture, "d", STARTED(REQUIRES("c")));
    g_autoptr(Answer) answer = order_reload(fixture);
    assert_list(answer, "changed", "a b c d");
    g_assert_cmpuint(g_hash_table_size(answer->failed), ==, 0);
    g_assert_cmpuint(order_get(fixture, "d", CLIENT_SERVICE, "ConfigRevision"), ==, 2);
    /* And back, by new ones and removals as well. */
    daemon_fixture_define(fixture, "d", STARTED(""));
    daemon_fixture_define(fixture, "c", STARTED(REQUIRES("e")));
    daemon_fixture_define(fixture, "e", DEFINED(REQUIRES("d")));
    daemon_fixture_define(fixture, "a", STARTED(REQUIRES("c") AFTER("x")));
    order_forget(fixture, "b");
    order_forget(fixture, "x");
    g_autoptr(Answer) back = order_reload(fixture);
    assert_list(back, "created", "e");
    assert_list(back, "changed", "a c d");
    assert_list(back, "removed", "b x");
    g_assert_cmpuint(g_hash_table_size(back->failed), ==, 0);
}

/* What runs goes on as it was, with all that it had; the other half is taken. */
static void test_cycle_by_reload(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "a", STARTED(""));
    daemon_fixture_define(fixture, "b", STARTED(""));
    order_start(fixture);
    trouble_wait_active(fixture, "a");
    trouble_wait_active(fixture, "b");
    uint64_t pid = order_get(fixture, "b", CLIENT_PROCESS, "MainPID");
    daemon_fixture_define(fixture, "a", STARTED(AFTER("b")));
    daemon_fixture_define(fixture, "b",
                          "{\"kind\": \"process\", \"enabled\": false, \"description\": \"new\", "
                          "\"config\": {" SLEEP AFTER("a") "}}");
    daemon_fixture_define(fixture, "c", STARTED(REQUIRES("c2")));
    daemon_fixture_define(fixture, "c2", STARTED(REQUIRES("c")));
    g_autoptr(Answer) answer = order_reload(fixture);
    assert_list(answer, "changed", "a");
    assert_list(answer, "created", "c");
    assert_failed(answer, "b", "/b.json: the order would have a cycle: b after a, a after b");
    assert_failed(answer, "c2", "/c2.json: the order would have a cycle: c2 requires c");
    order_assert(fixture, "b", "State", "active");
    order_assert(fixture, "b", "Description", "");
    order_assert(fixture, "c2", "State", "failed");
    g_assert_cmpuint(order_get(fixture, "b", CLIENT_PROCESS, "MainPID"), ==, pid);
    g_assert_cmpuint(order_get(fixture, "b", CLIENT_SERVICE, "ConfigRevision"), ==, 1);
    g_assert_cmpuint(order_get(fixture, "b", CLIENT_SERVICE, "Enabled"), ==, 1);
    daemon_fixture_define(fixture, "a", STARTED(""));
    g_autoptr(Answer) mended = order_reload(fixture);
    assert_list(mended, "changed", "a b");
    order_assert(fixture, "b", "Description", "new");
}

static void test_conflict_by_reload(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "a", STARTED(""));
    daemon_fixture_define(fixture, "b", STARTED(""));
    daemon_fixture_define(fixture, "c", DEFINED(""));
    order_start(fixture);
    trouble_wait_active(fixture, "a");
    trouble_wait_active(fixture, "b");
    daemon_fixture_define(fixture, "a", STARTED(", \"conflicts\": [\"b\", \"c\"]"));
    daemon_fixture_define(fixture, "c", DEFINED(", \"conflicts\": [\"b\"]"));
    g_autoptr(Answer) answer = order_reload(fixture);
    assert_failed(answer, "a", "would be in conflict with 'b', and both run; stop one of them");
    assert_list(answer, "changed", "c");
    order_assert(fixture, "a", "State", "active");
    order_assert(fixture, "b", "State", "active");
    client_operate(fixture->client, "b", "Stop");
    (void)client_wait_state(fixture->client, "b", "inactive");
    g_autoptr(Answer) later = order_reload(fixture);
    assert_list(later, "changed", "a");
    order_assert(fixture, "a", "State", "active");
}

static bool order_says_missing(sd_bus_message *message, void *unused)
{
    const char *error;

    return client_changed_string(message, CLIENT_SERVICE, "Error", &error) &&
           g_str_equal(error, "requires 'db', which is not there");
}

/* Who requires what has gone says so when it has to start again. */
static void test_removed(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "db", STARTED(""));
    daemon_fixture_define(fixture, "web", STARTED(REQUIRES("db")));
    order_start(fixture);
    trouble_wait_active(fixture, "web");
    order_forget(fixture, "db");
    g_autoptr(Answer) answer = order_reload(fixture);
    assert_list(answer, "removed", "db");
    assert_list(answer, "unchanged", "web");
    order_assert(fixture, "web", "State", "active");
    client_operate(fixture->client, "web", "Restart");
    (void)client_wait(fixture->client, order_says_missing, NULL);
    order_assert(fixture, "web", "State", "waiting");
}

static const struct {
    const char *path;
    void (*func)(DaemonFixture *fixture, const void *unused);
} test_rows[] = {
        {"/reload-order/any-order", test_any_order},
        {"/reload-order/cycle-at-boot", test_cycle_at_boot},
        {"/reload-order/turned-round", test_turned_round},
        {"/reload-order/cycle", test_cycle_by_reload},
        {"/reload-order/conflict", test_conflict_by_reload},
        {"/reload-order/removed", test_removed},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(test_rows); i++)
        g_test_add(test_rows[i].path, DaemonFixture, NULL, daemon_fixture_set_up, test_rows[i].func,
                   daemon_fixture_tear_down);
    return g_test_run();
}
