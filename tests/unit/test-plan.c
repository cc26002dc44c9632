/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a start or a stop would take along, read off the plan as text: nothing is done. */

#include "base/errors.h"
#include "core/plan.h"
#include "system-fixture.h"

#define CHAIN_LENGTH 9000

static void test_names(void)
{
    for (int i = 0; i < _PLAN_ACTION_MAX; i++)
        g_assert_cmpint(plan_action_from_string(plan_action_to_string(i)), ==, i);
    g_assert_cmpint(plan_action_from_string("else"), ==, _PLAN_ACTION_INVALID);
}

/* "start db<requires:web [after ...]" */
static void assert_plan(const Plan *plan, const char *expected)
{
    g_autofree char *text = render_plan(plan);
    g_assert_cmpstr(text, ==, expected);
}

static void assert_start(const char *ids, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) services = find_all(ids);
    g_autoptr(Plan) plan = plan_start(fixture.core->graph, (Service *const *)services->pdata,
                                      services->len, &error);
    g_assert_no_error(error);
    assert_plan(plan, expected);
}

static void assert_start_explained(const char *ids, const char *expected)
{
    g_autoptr(GPtrArray) services = find_all(ids);
    g_autoptr(Plan) plan = plan_foresee_start(
            fixture.core->graph, (Service *const *)services->pdata, services->len, NULL);
    assert_plan(plan, expected);
}

static void assert_conflict(const char *ids, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) services = find_all(ids);
    Plan *plan = plan_start(fixture.core->graph, (Service *const *)services->pdata, services->len,
                            &error);
    g_assert_null(plan);
    g_assert_error(error, SVCMGR_ERROR, ERROR_CONFLICT);
    g_assert_cmpstr(error->message, ==, expected);
}

static void assert_stop(const char *ids, bool explain, const char *expected)
{
    g_autoptr(GPtrArray) services = find_all(ids);
    Service *const *all = (Service *const *)services->pdata;
    g_autoptr(Plan) plan = explain ? plan_foresee_stop(fixture.core->graph, all, services->len)
                                   : plan_stop(fixture.core->graph, all, services->len);
    assert_plan(plan, expected);
}

static void test_start_takes_along(void)
{
    make("disk", "{}");
    make("log", "{}");
    make("db", "{'requires': ['disk'], 'wants': ['log']}");
    make("alone", "{}");
    make("web", "{'wants': ['cache'], 'requires': ['db']}");
    assert_start("web", "start disk (db requires), start db (web requires), start web, "
                        "start log (db wants)");
    assert_start("alone", "start alone");
    assert_start("db db web",
                 "start disk (db requires), start db, start web, start log (db wants)");
}

static void test_start_ends_at_what_is_up(void)
{
    make("disk", "{}");
    make("db", "{'wants': ['disk']}");
    make("web", "{'requires': ['db']}");
    up("db"); /* and disk with it */
    ok("disk");
    stop("disk");
    stopped("disk");
    assert_start("web", "start web");
    assert_start("db web", "nothing db, start web");
    stop("db");
    assert_start("web", "start db (web requires), start web, start disk (db wants)");
    stopped("db");
}

static void test_start_goes_through_what_waits(void)
{
    make("web", "{'requires': ['db'], 'wants': ['log']}");
    make("app", "{'requires': ['web']}");
    g_assert_true(service_start(find("web"), &origin_test, NULL));
    core_fixture_settle(&fixture);
    assert_states("web", "web:waiting(blocked)");
    make("log", "{}");
    assert_start("app", "missing db (web requires), start app, start log (web wants)");
    assert_start("web", "missing db (web requires), nothing web, start log (web wants)");
}

static void test_start_leaves_what_is_done(void)
{
    make("disk", "{}");
    g_assert_nonnull(create_full("migrate", "other", "{\"requires\": [\"disk\"]}", false, NULL));
    make("web", "{'requires': ['migrate']}");
    up("disk");
    up("migrate");
    fake_ended(find("migrate"), NULL);
    g_assert_true(service_state(find("migrate"))->completed);
    stop("disk");
    stopped("disk");
    assert_start("web", "start web");
    assert_start("web migrate", "start disk (migrate requires), start migrate, start web");
}

static void make_broken(const char *id)
{
    g_autoptr(GError) reason = g_error_new(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "unreadable");
    CreateSpec spec = {.id = id, .kind = "fake"};
    g_assert_nonnull(map_create_broken(map, &spec, reason, &origin_test, NULL));
}

static void test_start_names_what_cannot(void)
{
    make_broken("torn");
    make("wanted", "{'wants': ['torn', 'missing']}");
    make("web", "{'requires': ['torn', 'missing', 'wanted']}");
    assert_start("wanted", "start wanted");
    assert_start("web", "refused torn (web requires), missing missing (web requires), "
                        "start wanted (web requires), start web");
    assert_start("torn", "refused torn");
    /* Wanted first, and required by what is found later. */
    assert_start("wanted web", "start wanted, refused torn (web requires), "
                               "missing missing (web requires), start web");
    make("going", "{}");
    make("late", "{'requires': ['going']}");
    up("going");
    service_begin_delete(find("going"), &origin_test);
    assert_start("late", "refused going (late requires), start late");
    core_fixture_settle(&fixture);
    fake_stop_done(find("going"), NULL);
}

static void test_start_order(void)
{
    make("c", "{'after': ['b']}");
    make("b", "{'after': ['a']}");
    make("a", "{'after': ['elsewhere']}");
    make("z", "{'before': ['a']}");
    make("free", "{}");
    assert_start("c free b a z", "start z, start a, start b, start c, start free");
    /* Nothing that is not asked for orders them. */
    assert_start("c a", "start c, start a");
}

static void test_start_order_through_what_waits(void)
{
    make("link", "{'requires': ['missing'], 'wants': ['first'], 'after': ['first']}");
    make("last", "{'after': ['link'], 'requires': ['link']}");
    g_assert_true(service_start(find("link"), &origin_test, NULL));
    core_fixture_settle(&fixture);
    make("first", "{}");
    assert_start("last first", "missing missing (link requires), start first, start last");
}

static void test_start_stops_conflicts(void)
{
    make("old", "{}");
    make("old-tool", "{'part_of': ['old'], 'after': ['old']}");
    make("older", "{'conflicts': ['new']}");
    make("new", "{'conflicts': ['old', 'off']}");
    make("off", "{}");
    up("old");
    up("older");
    up("old-tool");
    assert_start("new", "stop old-tool (old part_of), stop older (new conflicts), "
                        "stop old (new conflicts), start new");
    stop("old");
    assert_start("new", "stop older (new conflicts), start new"); /* it is on its way */
}

static void test_start_conflict_among_them(void)
{
    make("a", "{'conflicts': ['b']}");
    make("b", "{}");
    make("c", "{'requires': ['b']}");
    assert_conflict("a b", "'a' (asked for) and 'b' (asked for) are in conflict: only one of them "
                           "can run");
    assert_conflict("c a", "'a' (asked for) and 'b' (required by 'c') are in conflict: only one of "
                           "them can run");
}

static void test_start_conflict_with_what_stays(void)
{
    make("b", "{'part_of': ['d']}");
    make("c", "{'requires': ['b']}");
    make("a", "{'conflicts': ['b'], 'wants': ['c']}");
    make("d", "{}");
    make("e", "{'conflicts': ['d'], 'wants': ['c']}");
    up("d");
    up("b");
    assert_conflict("b a", "'a' (asked for) and 'b' (asked for) are in conflict: only one of them "
                           "can run");
    assert_conflict("a", "'a' (asked for) and 'b' (required by 'c') are in conflict: only one of "
                         "them can run");
    assert_conflict("e", "'d' (in conflict with 'e') would have to stop, and with it 'b' (required "
                         "by 'c'), which is part of it");
}

static void test_restart(void)
{
    make("web", "{'wants': ['db']}");
    up("web");
    make("db", "{}");
    assert_start("web", "nothing web");
    g_autoptr(Plan) plan = plan_restart(fixture.core->graph, find("web"), NULL);
    assert_plan(plan, "start web, start db (web wants)");
}

static void test_stop(void)
{
    make("db", "{}");
    make("web", "{'part_of': ['db'], 'after': ['db']}");
    make("page", "{'part_of': ['web']}");
    make("idle", "{'part_of': ['db']}");
    make("other", "{'after': ['db']}");
    up("db");
    up("web");
    up("page");
    up("other");
    assert_stop("db", false, "stop page (web part_of), stop web (db part_of), stop db");
    assert_stop("db other", true,
                "stop page (web part_of), stop web (db part_of), stop other, "
                "stop db after other web");
    assert_stop("idle", false, "nothing idle");
    stop("web");
    assert_stop("db web", false, "stop db, nothing web");
}

static void test_stop_in_reverse(void)
{
    make("a", "{}");
    make("b", "{}");
    make("c", "{}");
    up("a");
    up("b");
    up("c");
    assert_stop("a b c", false, "stop c, stop b, stop a");
}

static void test_explain(void)
{
    make("old", "{}");
    make("db", "{}");
    make("slow", "{}");
    make("web", "{'requires': ['db', 'missing', 'slow'], 'after': ['db', 'nobody'],"
                " 'conflicts': ['old']}");
    up("old");
    g_assert_true(service_start(find("slow"), &origin_test, NULL));
    assert_start_explained("web slow", "stop old (web conflicts), start db (web requires), "
                                       "missing missing (web requires), nothing slow, "
                                       "start web after db slow missing old");
    ok("slow");
    assert_start_explained("web slow", "stop old (web conflicts), start db (web requires), "
                                       "missing missing (web requires), nothing slow, "
                                       "start web after db missing old");
}

static void test_long_chain(void)
{
    for (unsigned i = 0; i < CHAIN_LENGTH; i++) {
        g_autofree char *id = g_strdup_printf("s%05u", i);
        g_autofree char *config =
                i > 0 ? g_strdup_printf("{'requires': ['s%05u']}", i - 1) : g_strdup("{}");
        make(id, config);
    }
    Service *last = find("s08999");
    g_autoptr(Plan) plan = plan_foresee_start(fixture.core->graph, &last, 1, NULL);
    g_assert_cmpuint(plan->steps->len, ==, CHAIN_LENGTH);
    for (unsigned i = 0; i < CHAIN_LENGTH; i++) {
        const PlanStep *step = plan->steps->pdata[i];
        g_assert_cmpuint(g_ascii_strtoull(step->id + 1, NULL, 10), ==, i);
    }
}

typedef struct Row {
    const char *path;
    void (*test)(void);
} Row;

static const Row rows[] = {
        {"/plan/start/takes-along", test_start_takes_along},
        {"/plan/start/ends-at-what-is-up", test_start_ends_at_what_is_up},
        {"/plan/start/goes-through-what-waits", test_start_goes_through_what_waits},
        {"/plan/start/leaves-what-is-done", test_start_leaves_what_is_done},
        {"/plan/start/names-what-cannot", test_start_names_what_cannot},
        {"/plan/start/order", test_start_order},
        {"/plan/start/order-through-what-waits", test_start_order_through_what_waits},
        {"/plan/start/stops-conflicts", test_start_stops_conflicts},
        {"/plan/start/conflict-among-them", test_start_conflict_among_them},
        {"/plan/start/conflict-with-what-stays", test_start_conflict_with_what_stays},
        {"/plan/restart", test_restart},
        {"/plan/stop/parts", test_stop},
        {"/plan/stop/in-reverse", test_stop_in_reverse},
        {"/plan/explain", test_explain},
        {"/plan/long-chain", test_long_chain},
};

static void run(const void *data)
{
    const Row *row = data;
    setup();
    row->test();
    system_teardown();
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/names", test_names);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_test_add_data_func(rows[i].path, &rows[i], run);
    return g_test_run();
}
