/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people are told beforehand of groups: a group starts and stops its members by itself, later.
 */

#include "kinds/kinds.h"
#include "system-fixture.h"

#include <string.h>

static Kind *kind_group;

static void make_group(const char *id, const char *config)
{
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    g_assert_nonnull(create_full(id, "group", text, false, NULL));
}

static void assert_foreseen(Plan *plan, const char *expected)
{
    g_autoptr(Plan) foreseen = plan;
    g_autofree char *text = render_plan(foreseen);
    g_assert_cmpstr(text, ==, expected);
}

static void assert_start(const char *ids, const char *expected)
{
    g_autoptr(GPtrArray) all = find_all(ids);
    assert_foreseen(
            plan_foresee_start(fixture.core->graph, (Service *const *)all->pdata, all->len, NULL),
            expected);
}

static void assert_stop(const char *ids, const char *expected)
{
    g_autoptr(GPtrArray) all = find_all(ids);
    assert_foreseen(plan_foresee_stop(fixture.core->graph, (Service *const *)all->pdata, all->len),
                    expected);
}

static void group_start(const char *id)
{
    g_assert_true(service_start(find(id), &origin_test, NULL));
    core_fixture_settle(&fixture);
}

static void test_start(void)
{
    make("db", "{}");
    make("web", "{'requires': ['db']}");
    make("log", "{}");
    make_group("site", "{'members': ['web', 'log', 'none']}");
    assert_start("site", "start site, start db (web requires), start web (site members) after db, "
                         "start log (site members), missing none (site members)");
    up("log");
    assert_start("site", "start site, start db (web requires), start web (site members) after db, "
                         "missing none (site members)");
}

/* Nothing is done by the group but by its batch. */
static void test_start_is_not_the_plan(void)
{
    make("web", "{}");
    make_group("site", "{'members': ['web']}");
    Service *site = find("site");
    g_autoptr(Plan) plan = plan_start(fixture.core->graph, &site, 1, NULL);
    g_autofree char *text = render_plan(plan);
    g_assert_cmpstr(text, ==, "start site");
}

static void test_start_what_is_done(void)
{
    g_assert_nonnull(create_full("once", "other", "{}", false, NULL));
    make_group("site", "{'members': ['once']}");
    up("once");
    fake_ended(find("once"), NULL);
    core_fixture_settle(&fixture);
    g_assert_true(service_state(find("once"))->completed);
    assert_start("site", "start site, start once (site members)");
}

static void test_stop(void)
{
    make("db", "{}");
    make("web", "{'requires': ['db']}");
    make("worker", "{'part_of': ['web'], 'after': ['web']}");
    make_group("site", "{'members': ['db', 'web']}");
    up("db");
    up("web");
    up("worker");
    group_start("site");
    assert_stop("site",
                "stop worker (web part_of), stop site, stop web (site members) after worker, "
                "stop db (site members) after web");
}

static void test_stop_of_a_shared_member(void)
{
    make("db", "{}");
    make("web", "{}");
    make_group("one", "{'members': ['db', 'web']}");
    make_group("two", "{'members': ['db']}");
    up("db");
    up("web");
    group_start("one");
    group_start("two");
    assert_stop("one", "stop one, stop web (one members)");
    assert_stop("one two", "stop one, stop web (one members), stop two, stop db (one members)");
}

typedef struct Row {
    const char *path;
    void (*test)(void);
} Row;

static void run(const void *data)
{
    const Row *row = data;
    setup();
    kind_group = kind_group_new(map);
    map_register_kind(map, kind_group);
    row->test();
    system_teardown();
    g_free(kind_group);
}

int main(int argc, char **argv)
{
    static const Row rows[] = {
            {"/foresee/start", test_start},
            {"/foresee/start/not-done", test_start_is_not_the_plan},
            {"/foresee/start/completed", test_start_what_is_done},
            {"/foresee/stop", test_stop},
            {"/foresee/stop/shared", test_stop_of_a_shared_member},
    };
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_test_add_data_func(rows[i].path, &rows[i], run);
    return g_test_run();
}
