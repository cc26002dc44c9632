/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kind group over fake members: what it starts, when it is degraded, and when it ends. */

#include "group-kind-fixture.h"

#include <string.h>

/* Configuration */

static void test_config(void)
{
    assert_refused("{}", "service 'g': members: required, but missing");
    assert_refused("{'members': []}",
                   "service 'g': members: expected the id of at least one service");
    assert_refused("{'members': ['a', 'a']}", "service 'g': members[1]: 'a' is named twice");
    assert_refused("{'members': ['a'], 'ordered': 1}",
                   "service 'g': ordered: expected true or false, got 1");
    assert_refused("{'members': ['a'], 'conflicts': ['a']}",
                   "service 'g': conflicts[0]: 'a' is in members, too");
    assert_refused("{'members': ['a'], 'exec': ['x']}", "service 'g': exec: unknown member");
    assert_refused("{'members': ['g']}", "service 'g': g names itself in members");
    make("a", "{}");
    Service *group = make_group("g", "{'members': ['a']}");
    begin("g");
    const CommonConfig *common = &service_config(group)->common;
    g_assert_cmpint(common->restart.mode, ==, RESTART_NO);
    g_assert_cmpuint(common->start_timeout_usec, ==, USEC_INFINITY);
    g_assert_cmpuint(common->stop_timeout_usec, ==, USEC_INFINITY);
}

/* Starting and stopping */

static void test_ordered(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b', 'c']}");
    begin("g");
    assert_states("g a b c", "g:starting a:starting b:inactive c:inactive");
    ok("a");
    assert_states("g a b c", "g:starting a:active b:starting c:inactive");
    ok("b");
    ok("c");
    assert_states("g a b c", "g:active(running) a:active b:active c:active");
    g_assert_cmpint(service_state(find("g"))->cause, ==, CAUSE_APPLIED);
    stop("g");
    assert_states("g a b c", "g:stopping a:active b:active c:stopping");
    g_assert_cmpint(service_state(find("c"))->cause, ==, CAUSE_DEPENDENCY);
    stopped("c");
    assert_states("g a b c", "g:stopping a:active b:stopping c:inactive");
    stopped("b");
    stopped("a");
    assert_states("g a b c", "g:inactive a:inactive b:inactive c:inactive");
}

static void test_together(void)
{
    make("a", "{}");
    make("b", "{'after': ['a']}");
    make("c", "{}");
    make_group("g", "{'members': ['c', 'b', 'a'], 'ordered': false}");
    begin("g");
    assert_states("a b c", "a:starting b:waiting(dependencies) c:starting");
    ok("c");
    ok("a");
    ok("b");
    assert_states("g", "g:active(running)");
    stop("g");
    assert_states("g a b c", "g:stopping a:stopping(dependents) b:stopping c:stopping");
    stopped("b");
    stopped("a");
    stopped("c");
    assert_states("g", "g:inactive");
}

static void test_some_are_up(void)
{
    make_members("a b");
    make_group("g", "{'members': ['a', 'b']}");
    up("a");
    begin("g");
    assert_states("g a b", "g:starting a:active b:starting");
    ok("b");
    assert_states("g", "g:active(running)");
    stop("g"); /* its members are its own, whoever has started them */
    stopped("b");
    stopped("a");
    assert_states("g a b", "g:inactive a:inactive b:inactive");
}

static void test_restart(void)
{
    group_up("{'members': ['a', 'b']}");
    g_assert_true(service_restart(find("g"), &origin_test, NULL));
    stopped("b");
    stopped("a");
    assert_states("g a b", "g:starting a:starting b:inactive");
    ok("a");
    ok("b");
    assert_states("g a b", "g:active(running) a:active b:active");
}

static void test_needs_no_slot(void)
{
    slots_set_max(fixture.core->slots, 1);
    make_members("a b");
    make_group("inner", "{'members': ['a', 'b'], 'ordered': false}");
    make_group("g", "{'members': ['inner']}");
    begin("g");
    assert_states("g inner a b", "g:starting inner:starting a:starting b:waiting(queued)");
    ok("a");
    ok("b");
    assert_states("g inner", "g:active(running) inner:active(running)");
}

static void test_waits_for_what_it_requires(void)
{
    make_members("a net");
    make_group("g", "{'members': ['a'], 'requires': ['net']}");
    begin("g");
    assert_states("g a net", "g:waiting(dependencies) a:inactive net:starting");
    stop("g"); /* nothing of it was begun */
    assert_states("g a net", "g:inactive a:inactive net:starting");
    begin("g");
    ok("net");
    ok("a");
    assert_states("g a", "g:active(running) a:active");
}

static void test_a_oneshot_is_done(void)
{
    g_assert_nonnull(create_full("a", "other", "{}", false, NULL));
    make("b", "{}");
    make_group("g", "{'members': ['a', 'b']}");
    begin("g");
    fake_of(find("a"));
    ok("a");
    ok("b");
    fake_ended(find("a"), NULL);
    core_fixture_settle(&fixture);
    assert_states("g a b", "g:active(running) a:inactive b:active");
}

/* Failing to start */

static void test_a_member_does_not_start(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b', 'c']}");
    up("a");
    stop("a");
    stopped("a");
    begin("g");
    ok("a");
    ok("b");
    fail("c", "no disk", true);
    assert_states("g a b c", "g:starting a:active b:stopping c:failed");
    stopped("b");
    stopped("a");
    assert_states("g a b", "g:failed a:inactive b:inactive");
    assert_error("g", FAILURE_DEPENDENCY, "member 'c': no disk");
}

static void test_what_was_up_stays_up(void)
{
    make_members("a b c");
    make_group("g", "{'members': ['a', 'b', 'c']}");
    up("a");
    begin("g");
    ok("b");
    fail("c", "no disk", true);
    stopped("b");
    assert_states("g a b c", "g:failed a:active b:inactive c:failed");
}

static void test_a_member_is_missing(void)
{
    make_members("a");
    make_group("g", "{'members': ['a', 'ghost']}");
    begin("g");
    assert_states("g a", "g:failed a:inactive");
    assert_error("g", FAILURE_DEPENDENCY, "there is no service 'ghost'");
}

static void test_a_member_is_tried_again(void)
{
    make_members("a");
    make_group("g", "{'members': ['a']}");
    begin("g");
    fail("a", "no disk", false);
    assert_states("g a", "g:starting a:backoff");
    core_fixture_advance(&fixture, 500 * USEC_PER_MSEC);
    ok("a");
    assert_states("g a", "g:active(running) a:active");
}

static void test_start_timeout(void)
{
    make_members("a b");
    make_group("g", "{'members': ['a', 'b'], 'start_timeout': '10s'}");
    begin("g");
    ok("a");
    core_fixture_advance(&fixture, 10 * USEC_PER_SEC);
    assert_states("g a b", "g:starting a:active b:stopping");
    stopped("b");
    stopped("a");
    assert_states("g", "g:failed");
    assert_error("g", FAILURE_TIMEOUT, "its members were not up within start_timeout (10s)");
}

static void test_conflict_at_startup(void)
{
    static const Origin startup = {.cause = CAUSE_STARTUP};
    make_members("b");
    make("a", "{'conflicts': ['b']}");
    make_group("g", "{'members': ['a']}");
    up("b");
    g_assert_true(service_start(find("g"), &startup, NULL));
    core_fixture_settle(&fixture);
    assert_states("g a b", "g:failed a:inactive b:active");
    begin("g"); /* somebody asks for it: it counts */
    stopped("b");
    ok("a");
    assert_states("g a b", "g:active(running) a:active b:inactive");
}

/* While it is up */

static void test_degraded(void)
{
    group_up("{'members': ['a', 'b']}");
    stop("b");
    stopped("b");
    assert_states("g a b", "g:active(degraded) a:active b:inactive");
    up("b");
    assert_states("g", "g:active(running)");
}

static void test_a_member_crashes(void)
{
    group_up("{'members': ['a', 'b']}");
    fake_ended(find("a"), "crashed");
    core_fixture_settle(&fixture);
    assert_states("g a b", "g:active(degraded) a:backoff b:active");
    core_fixture_advance(&fixture, 500 * USEC_PER_MSEC);
    ok("a");
    assert_states("g a", "g:active(running) a:active");
}

static void test_a_member_fails_for_good(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{'restart': {'policy': 'no'}}");
    make("d", "{}");
    make_group("g", "{'members': ['a', 'b', 'c', 'd']}");
    up("b");
    begin("g");
    ok("a");
    ok("c");
    ok("d");
    fake_ended(find("c"), "crashed");
    core_fixture_settle(&fixture);
    assert_states("g a b c d", "g:stopping a:active b:active c:failed d:stopping");
    stopped("d");
    assert_states("a", "a:stopping");
    stopped("a");
    assert_states("g a b", "g:failed a:inactive b:active"); /* it was there before */
    assert_error("g", FAILURE_DEPENDENCY, "member 'c' has failed: crashed");
}

static void test_a_failed_member_restarts_the_group(void)
{
    make("a", "{'restart': {'policy': 'no'}}");
    make("b", "{}");
    make_group("g", "{'members': ['a', 'b'], 'restart': {'policy': 'on-failure',"
                    " 'initial_delay': '1min', 'max_delay': '1min'}}");
    begin("g");
    ok("a");
    ok("b");
    fake_ended(find("a"), "crashed");
    stopped("b");
    assert_states("g a b", "g:backoff a:failed b:inactive");
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    ok("a");
    ok("b");
    assert_states("g a b", "g:active(running) a:active b:active");
}

/* A stop that somebody has asked for, and that went wrong, is a stop. */
static void test_a_stop_of_a_member_fails(void)
{
    group_up("{'members': ['a', 'b']}");
    stop("b");
    fake_stop_done(find("b"), "had to be killed");
    core_fixture_settle(&fixture);
    assert_states("g a b", "g:active(degraded) a:active b:failed");
    About about = *service_about(find("b"));
    about.description = (char *)"said later";
    service_set_about(find("b"), &about, &origin_test);
    core_fixture_settle(&fixture);
    assert_states("g", "g:active(degraded)");
}

static void test_stop_while_it_ends(void)
{
    group_up("{'members': ['a', 'b']}");
    fake_ended(find("a"), "crashed");
    core_fixture_settle(&fixture);
    g_assert_true(service_configure(find("a"), "{\"restart\": {\"policy\": \"no\"}}", 29,
                                    &origin_test, NULL, NULL));
    fail("a", "no disk", true);
    assert_states("g a b", "g:stopping a:failed b:stopping");
    g_assert_true(service_stop(find("g"), &origin_test, NULL));
    core_fixture_settle(&fixture);
    stopped("b");
    assert_states("g a b", "g:failed a:failed b:inactive");
}

static void test_a_member_cannot_be_stopped(void)
{
    group_up("{'members': ['a', 'b']}");
    stop("g");
    fake_stop_done(find("b"), "had to be killed");
    stopped("a");
    assert_states("g a b", "g:failed a:inactive b:failed");
    assert_error("g", FAILURE_DEPENDENCY, "member 'b': had to be killed");
}

static void test_stop_timeout(void)
{
    group_up("{'members': ['a', 'b'], 'stop_timeout': '20s'}");
    stop("g");
    core_fixture_advance(&fixture, 19 * USEC_PER_SEC);
    g_assert_null(strstr(fake_of(find("b"))->calls->str, "kill"));
    core_fixture_advance(&fixture, 1 * USEC_PER_SEC);
    g_assert_nonnull(strstr(fake_of(find("b"))->calls->str, "kill"));
    g_assert_null(strstr(fake_of(find("a"))->calls->str, "kill"));
    stopped("b");
    stopped("a");
    assert_states("g", "g:inactive");
}

static void test_kill(void)
{
    group_up("{'members': ['a', 'b'], 'ordered': false}");
    stop("g");
    service_kill(find("g"));
    g_assert_nonnull(strstr(fake_of(find("a"))->calls->str, "kill"));
    g_assert_nonnull(strstr(fake_of(find("b"))->calls->str, "kill"));
}

static const GroupRow rows[] = {
        {"config", test_config},
        {"start/ordered", test_ordered},
        {"start/together", test_together},
        {"start/some-are-up", test_some_are_up},
        {"start/restart", test_restart},
        {"start/needs-no-slot", test_needs_no_slot},
        {"start/waits-for-what-it-requires", test_waits_for_what_it_requires},
        {"start/a-oneshot-is-done", test_a_oneshot_is_done},
        {"start-fails/member", test_a_member_does_not_start},
        {"start-fails/what-was-up", test_what_was_up_stays_up},
        {"start-fails/missing", test_a_member_is_missing},
        {"start-fails/retried", test_a_member_is_tried_again},
        {"start-fails/timeout", test_start_timeout},
        {"start-fails/conflict-at-startup", test_conflict_at_startup},
        {"up/degraded", test_degraded},
        {"up/crash", test_a_member_crashes},
        {"up/fails-for-good", test_a_member_fails_for_good},
        {"up/fails-and-restarts", test_a_failed_member_restarts_the_group},
        {"up/stop-of-a-member-fails", test_a_stop_of_a_member_fails},
        {"stop/while-it-ends", test_stop_while_it_ends},
        {"stop/fails", test_a_member_cannot_be_stopped},
        {"stop/timeout", test_stop_timeout},
        {"stop/kill", test_kill},
};

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    add_group_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
