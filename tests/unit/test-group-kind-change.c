/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A group that is stopped or configured while something is under way, and groups within groups. */

#include "group-kind-fixture.h"

#include <string.h>

/* Stopping while it starts */

static void test_stop_while_it_starts(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b', 'c']}");
    begin("g");
    ok("a");
    stop("g");
    assert_states("g a b c", "g:stopping a:active b:stopping c:inactive");
    stopped("b");
    stopped("a");
    assert_states("g a b c", "g:inactive a:inactive b:inactive c:inactive");
}

static void test_stop_and_start_at_once(void)
{
    g_autoptr(GError) error = NULL;
    make_members("a b");
    make_group("g", "{'members': ['a', 'b']}");
    begin("g");
    ok("a");
    stop("g");
    g_assert_false(service_start(find("g"), &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_BUSY);
    stopped("b");
    stopped("a");
    begin("g");
    stop("g");
    stopped("a");
    begin("g");
    ok("a");
    ok("b");
    assert_states("g a b", "g:active(running) a:active b:active");
}

/* Groups and groups */

static void test_group_within_group(void)
{
    make_members("a b c");
    make_group("inner", "{'members': ['a', 'b']}");
    make_group("g", "{'members': ['inner', 'c']}");
    begin("g");
    assert_states("g inner a c", "g:starting inner:starting a:starting c:inactive");
    ok("a");
    ok("b");
    assert_states("inner c", "inner:active(running) c:starting");
    ok("c");
    assert_states("g", "g:active(running)");
    stop("g");
    stopped("c");
    assert_states("inner a b", "inner:stopping a:active b:stopping");
    stopped("b");
    stopped("a");
    assert_states("g inner", "g:inactive inner:inactive");
}

static void test_inner_group_fails(void)
{
    make_members("c");
    make("a", "{'restart': {'policy': 'no'}}");
    make_group("inner", "{'members': ['a']}");
    make_group("g", "{'members': ['c', 'inner']}");
    begin("g");
    ok("c");
    ok("a");
    fake_ended(find("a"), "crashed");
    core_fixture_settle(&fixture);
    stopped("c");
    assert_states("g inner c", "g:failed inner:failed c:inactive");
    assert_error("g", FAILURE_DEPENDENCY,
                 "member 'inner' has failed: member 'a' has failed: crashed");
}

static void test_shared_member(void)
{
    make_members("a b c");
    make_group("one", "{'members': ['a', 'c']}");
    make_group("two", "{'members': ['b', 'c']}");
    begin("one");
    begin("two");
    ok("a");
    ok("b");
    ok("c");
    assert_states("one two", "one:active(running) two:active(running)");
    stop("one");
    stopped("a");
    assert_states("one two a b c", "one:inactive two:active(running) a:inactive b:active c:active");
    stop("two");
    stopped("c");
    stopped("b");
    assert_states("two b c", "two:inactive b:inactive c:inactive");
}

static void test_shared_member_both_stop(void)
{
    make_members("a b c");
    make_group("one", "{'members': ['a', 'c']}");
    make_group("two", "{'members': ['b', 'c']}");
    begin("one");
    begin("two");
    ok("a");
    ok("b");
    ok("c");
    g_assert_true(service_stop(find("one"), &origin_test, NULL));
    stop("two");
    stopped("c");
    stopped("a");
    stopped("b");
    assert_states("one two a b c", "one:inactive two:inactive a:inactive b:inactive c:inactive");
}

/* Another one begins while the first stops what both have. */
static void test_shared_member_stops_for_one_and_starts_for_the_other(void)
{
    make_members("c");
    make_group("one", "{'members': ['c']}");
    make_group("two", "{'members': ['c']}");
    begin("one");
    ok("c");
    stop("one");
    begin("two");
    assert_states("one two c", "one:stopping two:starting c:stopping");
    stopped("c");
    ok("c");
    assert_states("one two c", "one:inactive two:active(running) c:active");
}

/* Another configuration */

static void configure(const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    service_configure(find(id), text, strlen(text), &origin_test, NULL, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

static void test_configure(void)
{
    group_up("{'members': ['a', 'b']}");
    make_members("c");
    configure("g", "{'members': ['a', 'c']}");
    assert_states("g a b c", "g:reloading a:active b:active c:starting");
    ok("c");
    assert_states("g", "g:active(running)");
    stop("b"); /* it is not a member any more, but was left as it was */
    stopped("b");
    assert_states("g", "g:active(running)");
    stop("g");
    stopped("c");
    stopped("a");
    assert_states("g", "g:inactive");
}

static void test_configure_fails(void)
{
    group_up("{'members': ['a', 'b']}");
    make_members("c d");
    configure("g", "{'members': ['a', 'b', 'd', 'c']}");
    ok("d");
    fail("c", "no disk", true);
    stopped("d");
    assert_states("g a b c d", "g:active(running) a:active b:active c:failed d:inactive");
    assert_error("g", FAILURE_DEPENDENCY, "member 'c': no disk");
    stop("b");
    stopped("b");
    assert_states("g", "g:active(degraded)");
}

static void test_stop_while_it_is_configured(void)
{
    group_up("{'members': ['a', 'b']}");
    make_members("c d");
    configure("g", "{'members': ['a', 'c', 'd']}");
    ok("c");
    stop("g"); /* what has begun with the new one, and what was there before */
    assert_states("g d", "g:stopping d:stopping");
    stopped("d");
    stopped("c");
    stopped("b");
    stopped("a");
    assert_states("g a b c d", "g:inactive a:inactive b:inactive c:inactive d:inactive");
}

/* As a definition does that was edited. */
static void adopt(const char *id, const char *config)
{
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    g_autoptr(Problems) problems = problems_new();
    Config *parsed = config_parse(map_find_kind(map, "group"), text, strlen(text), problems);
    g_assert_nonnull(parsed);
    service_adopt_config(find(id), parsed, CONFIG_FROM_DEFINITION, &origin_test);
    core_fixture_settle(&fixture);
}

static void test_another_while_it_starts(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b']}");
    begin("g");
    ok("a");
    adopt("g", "{'members': ['a', 'c']}");
    assert_states("g a b c", "g:starting a:active b:starting c:starting");
    ok("c");
    assert_states("g", "g:active(running)");
}

/* Nothing stays, neither of the new one nor of the one before. */
static void test_another_while_it_starts_fails(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b']}");
    begin("g");
    ok("a");
    adopt("g", "{'members': ['a', 'c']}");
    fail("c", "no disk", true);
    assert_states("g a b c", "g:starting a:active b:stopping c:failed");
    stopped("b");
    stopped("a");
    assert_states("g a b", "g:failed a:inactive b:inactive");
    assert_error("g", FAILURE_DEPENDENCY, "member 'c': no disk");
}

static void test_stop_while_that_is_undone(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b']}");
    begin("g");
    ok("a");
    adopt("g", "{'members': ['a', 'c']}");
    fail("c", "no disk", true);
    stop("g");
    stopped("b");
    stopped("a");
    assert_states("g a b c", "g:inactive a:inactive b:inactive c:failed");
}

/* A definition that changes its kind makes its service anew. */
static void test_a_member_goes_and_comes(void)
{
    group_up("{'members': ['a', 'b']}");
    delete ("b");
    core_fixture_settle(&fixture);
    fake_stop_done(find("b"), NULL);
    core_fixture_settle(&fixture);
    assert_states("g", "g:active(degraded)");
    make("other", "{}");
    make("b", "{'restart': {'policy': 'no'}}");
    assert_states("g", "g:active(degraded)");
    up("b");
    assert_states("g", "g:active(running)");
    fake_ended(find("b"), "crashed");
    core_fixture_settle(&fixture);
    stopped("a");
    assert_states("g a", "g:failed a:inactive");
}

static void test_shutdown(void)
{
    static const Origin shutdown = {.cause = CAUSE_SHUTDOWN};
    group_up("{'members': ['a', 'b']}");
    g_assert_true(service_stop(find("a"), &shutdown, NULL));
    g_assert_true(service_stop(find("b"), &shutdown, NULL));
    g_assert_true(service_stop(find("g"), &shutdown, NULL));
    core_fixture_settle(&fixture);
    stopped("a");
    stopped("b");
    assert_states("g a b", "g:inactive a:inactive b:inactive");
}

static const GroupRow rows[] = {
        {"up/member-goes-and-comes", test_a_member_goes_and_comes},
        {"stop/while-it-starts", test_stop_while_it_starts},
        {"stop/and-start-at-once", test_stop_and_start_at_once},
        {"stop/shutdown", test_shutdown},
        {"groups/within", test_group_within_group},
        {"groups/inner-fails", test_inner_group_fails},
        {"groups/shared", test_shared_member},
        {"groups/shared-both-stop", test_shared_member_both_stop},
        {"groups/shared-stop-and-start", test_shared_member_stops_for_one_and_starts_for_the_other},
        {"configure/members", test_configure},
        {"configure/fails", test_configure_fails},
        {"configure/stop-meanwhile", test_stop_while_it_is_configured},
        {"configure/while-it-starts", test_another_while_it_starts},
        {"configure/while-it-starts-fails", test_another_while_it_starts_fails},
        {"configure/while-it-starts-stop", test_stop_while_that_is_undone},
};

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    add_group_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
