/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Systems of services in which nobody may wait for ever, nobody is forgotten, and the work does not
 * grow faster than the system. */

#include "base/errors.h"
#include "kinds/kinds.h"
#include "system-fixture.h"

#include <string.h>
#include <time.h>

static Kind *kind_group;

static void make_group(const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    (void)create_full(id, "group", text, false, &error);
    g_assert_no_error(error);
}

/* No turn of the loop passes. */
static void start(const char *id)
{
    g_autoptr(GError) error = NULL;
    (void)service_start(find(id), &origin_test, &error);
    g_assert_no_error(error);
}

static void begin(const char *id)
{
    start(id);
    core_fixture_settle(&fixture);
}

static void ended(const char *id)
{
    fake_ended(find(id), NULL);
    core_fixture_settle(&fixture);
}

/* Stops of groups: who waits for a member's stop, and for whom that waits */

static void test_group_that_requires_its_member(void)
{
    make("a", "{}");
    make_group("g", "{'members': ['a'], 'requires': ['a']}");
    begin("g");
    ok("a");
    assert_states("g a", "g:active(running) a:active");
    stop("g");
    assert_states("g a", "g:stopping a:stopping");
    stopped("a");
    assert_states("g a", "g:inactive a:inactive");
}

/* x stops before a, and would stop after g, which waits for a. */
static void test_group_after_what_needs_its_member(void)
{
    make("a", "{}");
    make("x", "{'requires': ['a']}");
    make_group("g", "{'members': ['a'], 'after': ['x']}");
    up("a");
    up("x");
    begin("g");
    assert_states("g a x", "g:active(running) a:active x:active");
    g_assert_true(service_stop(find("x"), &origin_test, NULL));
    stop("g");
    assert_states("g a x", "g:stopping a:stopping(dependents) x:stopping");
    stopped("x");
    assert_states("g a x", "g:stopping a:stopping x:inactive");
    stopped("a");
    assert_states("g a x", "g:inactive a:inactive x:inactive");
}

/* The same, with a group of groups. */
static void test_group_of_groups_after_what_needs_its_member(void)
{
    make("a", "{}");
    make("x", "{'requires': ['a']}");
    make_group("inner", "{'members': ['a']}");
    make_group("outer", "{'members': ['inner'], 'after': ['x']}");
    up("a");
    up("x");
    begin("outer");
    assert_states("outer inner", "outer:active(running) inner:active(running)");
    g_assert_true(service_stop(find("x"), &origin_test, NULL));
    stop("outer");
    stopped("x");
    stopped("a");
    assert_states("outer inner a x", "outer:inactive inner:inactive a:inactive x:inactive");
}

/* Any other group is waited for like everybody. */
static void test_group_is_waited_for(void)
{
    make("a", "{}");
    make("net", "{}");
    make_group("g", "{'members': ['a'], 'after': ['net']}");
    up("net");
    begin("g");
    ok("a");
    stop("g");
    stop("net");
    assert_states("g a net", "g:stopping a:stopping net:stopping(dependents)");
    stopped("a");
    assert_states("g net", "g:inactive net:stopping");
    stopped("net");
}

/* A stop that somebody has asked for is no failure, whatever went before. */

static void test_group_stopped_between_attempts(void)
{
    make("a", "{'restart': {'policy': 'no'}}");
    make_group("g", "{'members': ['a'], 'restart': {'policy': 'always'}}");
    begin("g");
    fail("a", "cannot", true);
    assert_states("g a", "g:backoff a:failed");
    stop("g");
    assert_states("g a", "g:inactive a:failed");
}

static void test_stopped_while_it_goes_down(void)
{
    make("db", "{'restart': {'policy': 'no'}}");
    make("web", "{'requires': ['db'], 'keep_up': {'grace': '1s'}}");
    up("db");
    up("web");
    ended("db");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_states("web", "web:stopping");
    stop("web");
    stopped("web");
    assert_states("web", "web:inactive");
}

/* What a record comes to say since then changes nothing of why its service is down. */
static void test_ended_stays_ended(void)
{
    make("db", "{'restart': {'policy': 'no'}}");
    make("web", "{'requires': ['db']}");
    up("db");
    up("web");
    ended("db");
    make("mail", "{'requires': ['db']}"); /* which the record of db tells */
    core_fixture_settle(&fixture);
    g_assert_cmpint(service_state(find("db"))->cause, ==, CAUSE_DEPENDENCY);
    fake_ended(find("web"), "crashed");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_states("web", "web:waiting(blocked)");
    g_assert_cmpstr(service_state(find("web"))->error->message, ==,
                    "requires 'db', which has ended");
}

/* Who was not there */

static void test_who_comes_brings_what_it_requires(void)
{
    make("disk", "{}");
    make("cache", "{}");
    make("web", "{'requires': ['db']}");
    begin("web");
    assert_states("web", "web:waiting(blocked)");
    make("db", "{'requires': ['disk'], 'wants': ['cache']}");
    core_fixture_settle(&fixture);
    assert_states("web db", "web:waiting(dependencies) db:waiting(dependencies)");
    assert_states("disk cache", "disk:starting cache:starting");
    ok("disk");
    ok("db");
    ok("web");
    assert_states("web", "web:active");
}

/* Nobody has asked for the end of another. */
/* What was on its way when somebody looked has to wait by now: the next to need it brings what that
 * waits for. */
static void test_who_waits_again_brings_what_it_requires(void)
{
    make("disk", "{}");
    make("db", "{'requires': ['disk']}");
    make("web", "{'requires': ['db']}");
    make("api", "{'requires': ['db']}");
    up("disk");
    up("db");
    g_assert_true(service_restart(find("db"), &origin_test, NULL));
    ended("disk");
    begin("web");
    stopped("db");
    assert_states("disk db web", "disk:inactive db:waiting(blocked) web:waiting(blocked)");
    begin("api");
    assert_states("disk", "disk:starting");
    ok("disk");
    ok("db");
    assert_states("web api", "web:starting api:starting");
}

/* What a start that was refused would have brought is on nobody's way. */
static void test_refused_start_brings_nothing(void)
{
    g_autoptr(GError) error = NULL;
    make("db", "{}");
    make("app", "{'requires': ['db']}");
    make("rival", "{'conflicts': ['db']}");
    begin("app");
    begin("rival");
    make("web", "{'requires': ['app'], 'conflicts': ['db']}");
    g_autoptr(GPtrArray) both = find_all("web db");
    g_assert_null(plan_start(fixture.core->graph, (Service *const *)both->pdata, both->len, NULL));
    g_assert_false(service_start(find("web"), &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_CONFLICT);
}

static void test_who_comes_stops_nobody(void)
{
    make("disk", "{'conflicts': ['old']}");
    make("old", "{}");
    up("old");
    make("web", "{'requires': ['db']}");
    begin("web");
    make("db", "{'requires': ['disk']}");
    core_fixture_settle(&fixture);
    assert_states("old disk db", "old:active disk:waiting(blocked) db:waiting(blocked)");
    stop("old");
    stopped("old");
    assert_states("disk", "disk:starting");
}

static void test_who_is_mended_has_come(void)
{
    g_autoptr(GError) broken = g_error_new(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "no good");
    make("disk", "{}");
    make("web", "{'requires': ['db']}");
    CreateSpec spec = {.id = "db", .kind = "fake"};
    g_assert_nonnull(map_create_broken(map, &spec, broken, &origin_test, NULL));
    begin("web");
    assert_states("web db", "web:waiting(blocked) db:failed");
    g_autofree char *config = g_strdelimit(g_strdup("{'requires': ['disk']}"), "'", '"');
    g_assert_true(service_configure(find("db"), config, strlen(config), &origin_test, NULL, NULL));
    core_fixture_settle(&fixture);
    assert_states("web db", "web:waiting(dependencies) db:waiting(dependencies)");
    assert_states("disk", "disk:starting");
}

/* Many */

#define MANY 100

/* Those that are named are the first by id, in whatever order they are listed. */
static void test_first_are_named(void)
{
    g_autoptr(GString) config = g_string_new("{'requires': [");
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("d%02u", (i * 37 + 11) % MANY);
        make(id, "{}");
        g_string_append_printf(config, "%s'%s'", i > 0 ? ", " : "", id);
    }
    g_string_append(config, "]}");
    make("web", config->str);
    begin("web");
    for (unsigned n = 0; n < MANY; n++) {
        char *const *names = links_waiting_for(service_state(find("web"))->links);
        g_assert_cmpuint(g_strv_length((char **)names), ==, MIN(MANY - n, LINKS_WAITING_FOR_MAX));
        for (unsigned i = 0; names[i] != NULL; i++) {
            g_autofree char *expected = g_strdup_printf("d%02u", n + i);
            g_assert_cmpstr(names[i], ==, expected);
        }
        g_autofree char *first = g_strdup(names[0]);
        ok(first);
    }
    ok("web");
}

#define CHAIN_LENGTH 4000

static double cpu_seconds(void)
{
    struct timespec now;
    g_assert_cmpint(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), ==, 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *chain_id(unsigned i)
{
    return g_strdup_printf("s%04u", i);
}

static void make_chain(void)
{
    make("s0000", "{}");
    for (unsigned i = 1; i < CHAIN_LENGTH; i++) {
        g_autofree char *id = chain_id(i), *before = chain_id(i - 1);
        g_autofree char *config = g_strdup_printf("{'requires': ['%s']}", before);
        make(id, config);
    }
    core_fixture_settle(&fixture);
}

/* As the daemon starts what is enabled, when all wait for the first; and as it reads definitions
 * again that name the same. The square of their number would be many seconds. */
static void test_long_chain_is_cheap(void)
{
    make_chain();
    double begun = cpu_seconds();
    for (unsigned i = 0; i < CHAIN_LENGTH; i++) {
        g_autofree char *id = chain_id(i);
        start(id);
    }
    g_assert_cmpfloat(cpu_seconds() - begun, <, 1);
    begun = cpu_seconds();
    for (unsigned i = 0; i < CHAIN_LENGTH; i++) {
        g_autofree char *id = chain_id(i);
        Dependencies *same = service_config(find(id))->common.dependencies;
        g_assert_true(graph_check(fixture.core->graph, id, same, NULL));
    }
    g_assert_cmpfloat(cpu_seconds() - begun, <, 0.5);
    for (unsigned i = 0; i < CHAIN_LENGTH; i++) {
        g_autofree char *id = chain_id(i);
        g_assert_true(service_stop(find(id), &origin_test, NULL));
        service_kill(find(id)); /* it waits for nobody */
    }
}

static void play(const void *test)
{
    setup();
    kind_group = kind_group_new(map);
    map_register_kind(map, kind_group);
    ((void (*)(void))test)();
    system_teardown();
    g_clear_pointer(&kind_group, g_free);
}

static const struct {
    const char *path;
    void (*test)(void);
} rows[] = {
        {"group/requires-member", test_group_that_requires_its_member},
        {"group/after-dependent", test_group_after_what_needs_its_member},
        {"group/of-groups", test_group_of_groups_after_what_needs_its_member},
        {"group/waited-for", test_group_is_waited_for},
        {"group/stopped-in-backoff", test_group_stopped_between_attempts},
        {"keep-up/stopped", test_stopped_while_it_goes_down},
        {"ended", test_ended_stays_ended},
        {"comes/brings", test_who_comes_brings_what_it_requires},
        {"comes/waits-again", test_who_waits_again_brings_what_it_requires},
        {"comes/refused", test_refused_start_brings_nothing},
        {"comes/stops-nobody", test_who_comes_stops_nobody},
        {"comes/mended", test_who_is_mended_has_come},
        {"many/first-are-named", test_first_are_named},
        {"many/long-chain", test_long_chain_is_cheap},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/settle/systems/", rows[i].path, NULL);
        g_test_add_data_func(path, (const void *)rows[i].test, play);
    }
    return g_test_run();
}
