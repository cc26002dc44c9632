/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has to do with whom: nodes, edges, and the order that they make. */

#include "graph-fixture.h"

static void test_edges(void)
{
    static const Relation relations[] = {RELATION_REQUIRES, RELATION_WANTS,   RELATION_AFTER,
                                         RELATION_BEFORE,   RELATION_PART_OF, RELATION_MEMBERS,
                                         RELATION_CONFLICTS};
    graph_setup();
    for (size_t i = 0; i < G_N_ELEMENTS(relations); i++) {
        g_autofree char *text = g_strdup_printf("%s b a", relation_to_string(relations[i]));
        Service *a = graph_have("a", NULL), *web = graph_have("web", text);
        g_autofree char *named = graph_ids(service_node(web)->out[relations[i]], false);
        g_assert_cmpstr(named, ==, "b a");
        assert_edges(service_node(a)->in[relations[i]], "web");
        g_assert_true(graph_has_edge(service_node(a)->in[relations[i]], service_node(web)));
        g_assert_false(graph_has_edge(service_node(a)->in[relations[i]], service_node(a)));
        g_assert_false(graph_has_edge(NULL, service_node(a)));
        assert_graph_invariants();
        graph_lose("a");
        assert_edges(service_node(web)->out[relations[i]], "a b");
        graph_lose("web");
        g_assert_cmpuint(graph_n_nodes(graph), ==, 0);
    }
    graph_teardown();
}

/* Whoever comes first, the edges are the same in the end, and nothing is left. */
static void test_any_order(void)
{
    static const char *const orders[][3] = {
            {"web", "db", "disk"}, {"web", "disk", "db"}, {"db", "web", "disk"},
            {"db", "disk", "web"}, {"disk", "web", "db"}, {"disk", "db", "web"},
    };
    for (size_t come = 0; come < G_N_ELEMENTS(orders); come++) {
        for (size_t go = 0; go < G_N_ELEMENTS(orders); go++) {
            graph_setup();
            for (int i = 0; i < 3; i++) {
                const char *id = orders[come][i];
                graph_have(id, g_str_equal(id, "web")  ? "requires db; wants disk"
                               : g_str_equal(id, "db") ? "after disk; before web"
                                                       : NULL);
                assert_graph_invariants();
            }
            assert_edges(graph_find(graph, "disk")->in[RELATION_AFTER], "db");
            assert_edges(graph_find(graph, "disk")->in[RELATION_WANTS], "web");
            for (int i = 0; i < 3; i++) {
                graph_lose(orders[go][i]);
                assert_graph_invariants();
            }
            g_assert_cmpuint(graph_n_nodes(graph), ==, 0);
            graph_teardown();
        }
    }
}

static void test_nothing_to_do_with_others(void)
{
    graph_setup();
    Service *alone = graph_have("alone", NULL);
    g_assert_null(service_node(alone));
    graph_say("alone", NULL);
    g_assert_null(service_node(alone));
    graph_say("alone", "wants x");
    g_assert_nonnull(service_node(alone));
    g_assert_null(graph_find(graph, "x")->service);
    graph_say("alone", NULL);
    g_assert_null(service_node(alone));
    g_assert_cmpuint(graph_n_nodes(graph), ==, 0);
    graph_teardown();
}

static void test_pin(void)
{
    graph_setup();
    Service *web = graph_have("web", NULL);
    GraphNode *node = graph_pin(graph, web);
    g_assert_true(service_node(web) == node);
    graph_have("x", "after web");
    graph_lose("x");
    g_assert_true(service_node(web) == node);
    graph_unpin(node);
    g_assert_null(service_node(web));
    node = graph_pin(graph, web);
    graph_have("x", "after web");
    graph_unpin(node);
    g_assert_true(service_node(web) == node);
    graph_teardown();
}

/* Its record has to say that nobody requires it any more, so the node is there until it has. */
static void test_stays_for_its_look(void)
{
    graph_setup();
    Service *db = graph_have("db", NULL);
    graph_have("web", "requires db");
    GraphNode *node = service_node(db);
    node->links_changed = true;
    graph_lose("web");
    g_assert_true(service_node(db) == node);
    graph_tidy(node);
    g_assert_true(service_node(db) == node);
    node->links_changed = false;
    graph_tidy(node);
    g_assert_null(service_node(db));
    graph_teardown();
}

static void test_told(void)
{
    graph_setup();
    graph_have("web", "requires db; wants cache; before proxy; conflicts test; part_of site");
    assert_told("links db, links web, mark proxy, mark test, present web");
    graph_have("db", NULL);
    assert_told("links db, present db");
    graph_have("alone", NULL);
    assert_told("");
    graph_say("web", "requires db disk; wants cache; after proxy; part_of site");
    assert_told("links disk, links web, mark proxy, mark test");
    graph_say("web", "requires db disk; wants cache; after proxy; part_of site");
    assert_told("");
    graph_have("group", "members web");
    assert_told("links group, links web, present group");
    graph_lose("web");
    assert_told("links db, links disk, present web");
    graph_lose("db");
    assert_told("");
    graph_teardown();
}

/* A name keeps its node when only the relation to it changes. */
static void test_change_keeps_nodes(void)
{
    graph_setup();
    Service *db = graph_have("db", NULL);
    graph_have("web", "requires db x");
    GraphNode *node = service_node(db), *missing = graph_find(graph, "x");
    graph_say("web", "wants x db");
    g_assert_true(service_node(db) == node);
    g_assert_true(graph_find(graph, "x") == missing);
    assert_edges(node->in[RELATION_WANTS], "web");
    g_assert_null(node->in[RELATION_REQUIRES]);
    graph_say("web", "wants db x y");
    g_autofree char *named = graph_ids(graph_find(graph, "web")->out[RELATION_WANTS], false);
    g_assert_cmpstr(named, ==, "db x y");
    assert_graph_invariants();
    graph_teardown();
}

/* What is there, who comes, and the refusal. */
static const struct {
    const char *there[4]; /* "id requires x" */
    const char *id;
    const char *lists;
    const char *refusal; /* behind "the order would have a cycle: "; NULL: none */
} cycles[] = {
        {{"a requires b"}, "b", "requires a", "b requires a, a requires b"},
        {{"a after b"}, "b", "requires a", "b requires a, a after b"},
        {{"a before b"}, "b", "before a", "a before b, b before a"},
        {{"g members a"}, "a", "after g", "a after g, g has the member a"},
        {{"a after g"}, "g", "members a", "g has the member a, a after g"},
        {{"h members g"}, "g", "members h", "g has the member h, h has the member g"},
        {{NULL}, "a", "requires b; before b", "a requires b, a before b"},
        {{NULL}, "a", "after b; before b", "a after b, a before b"},
        {{"db after disk", "disk requires web"},
         "web",
         "requires db",
         "web requires db, db after disk, disk requires web"},
        {{"b after c", "c before d", "d requires e", "e after a"},
         "a",
         "requires b",
         NULL}, /* c comes after nobody */
        {{"b after c", "d before c; requires e", "e after a"},
         "a",
         "requires b",
         "a requires b, b after c, d before c, d requires e, e after a"},
        /* A name without a service has its place in the order. */
        {{"z before p; after x"}, "x", "requires p", "x requires p, z before p, z after x"},
        /* The shortest. */
        {{"b requires c d", "c requires d", "d requires a"},
         "a",
         "requires b",
         "a requires b, b requires d, d requires a"},
        {{"b requires c", "c requires a", "d after a"},
         "a",
         "requires b; after d",
         "a after d, d after a"},
        /* These are no order. */
        {{"a wants b"}, "b", "wants a", NULL},
        {{"a part_of b"}, "b", "part_of a", NULL},
        {{"a conflicts b"}, "b", "conflicts a", NULL},
        {{"a wants b"}, "b", "requires a", NULL},
        /* Not what it said before, but what it says now. */
        {{"a requires b", "b after c"}, "b", "after d", NULL},
        {{"a before b"}, "a", "requires b", NULL},
        {{"b after a", "a before c"}, "a", "after c", NULL},
        {{"b after a", "a before c"}, "a", "after c; before c", "a after c, a before c"},
};

static void cycles_have(const char *there)
{
    g_auto(GStrv) words = g_strsplit(there, " ", 2);
    graph_have(words[0], words[1]);
}

static void test_cycles(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cycles); i++) {
        graph_setup();
        for (int k = 0; k < 4 && cycles[i].there[k] != NULL; k++)
            cycles_have(cycles[i].there[k]);
        size_t n_nodes = graph_n_nodes(graph);
        assert_told(NULL);
        g_autofree char *got = graph_refusal(cycles[i].id, cycles[i].lists);
        g_autofree char *expected =
                cycles[i].refusal != NULL
                        ? g_strdup_printf("the order would have a cycle: %s", cycles[i].refusal)
                        : NULL;
        g_assert_cmpstr(got, ==, expected);
        /* It has changed nothing. */
        assert_told("");
        g_assert_cmpuint(graph_n_nodes(graph), ==, n_nodes);
        assert_graph_invariants();
        graph_teardown();
    }
}

static void test_names_itself(void)
{
    graph_setup();
    for (Relation relation = 0; relation < _RELATION_MAX; relation++) {
        g_autofree char *text = g_strdup_printf("%s a web", relation_to_string(relation));
        g_autofree char *expected =
                g_strdup_printf("web names itself in %s", relation_to_string(relation));
        g_autofree char *got = graph_refusal("web", text);
        g_assert_cmpstr(got, ==, expected);
    }
    g_assert_true(graph_check(graph, "web", NULL, NULL));
    graph_teardown();
}

/* 5 services in a ring, told from each of them. */
static void test_ring(void)
{
    graph_setup();
    graph_have("a", "after b");
    graph_have("b", "requires c");
    graph_have("d", "before c; after e");
    graph_have("e", NULL);
    g_autofree char *got = graph_refusal("e", "after a");
    g_assert_cmpstr(got, ==,
                    "the order would have a cycle: e after a, a after b, b requires c, "
                    "d before c, d after e");
    graph_say("a", "wants b");
    graph_say("e", "after a");
    g_autofree char *again = graph_refusal("a", "after b");
    g_assert_cmpstr(again, ==,
                    "the order would have a cycle: a after b, b requires c, d before c, "
                    "d after e, e after a");
    graph_teardown();
}

static void chain_have(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("s%05u", i);
        g_autofree char *next = g_strdup_printf("requires s%05u", i + 1);
        graph_have(id, i + 1 < n ? next : NULL);
    }
}

/* No recursion; and a path that nobody would read is not written out. */
static void test_chain(void)
{
    graph_setup();
    chain_have(10000);
    g_autofree char *got = graph_refusal("s09999", "after s00000");
    g_assert_true(g_str_has_prefix(got, "the order would have a cycle: s09999 after s00000, "
                                        "s00000 requires s00001, "));
    g_assert_true(g_str_has_suffix(got, ", s00017 requires s00018, ... and 9981 more"));
    g_autoptr(GPtrArray) sorted = graph_sort(graph);
    for (unsigned i = 0; i < 10000; i++) {
        g_autofree char *id = g_strdup_printf("s%05u", 9999 - i);
        g_assert_cmpstr(((GraphNode *)sorted->pdata[i])->id, ==, id);
    }
    graph_teardown();
}

/* Twenty links are told, of twenty-one the last two are not. */
static void test_long_path(void)
{
    graph_setup();
    chain_have(20);
    g_autofree char *whole = graph_refusal("s00019", "after s00000");
    g_assert_true(g_str_has_suffix(whole, ", s00018 requires s00019"));
    graph_teardown();
    graph_setup();
    chain_have(21);
    g_autofree char *cut = graph_refusal("s00020", "after s00000");
    g_assert_true(g_str_has_suffix(cut, ", s00017 requires s00018, ... and 2 more"));
    graph_teardown();
}

static void test_fan(void)
{
    g_autoptr(GString) text = g_string_new("requires");
    graph_setup();
    for (int i = 0; i < DEPENDENCIES_MAX; i++)
        g_string_append_printf(text, " s%d", i);
    graph_have("all", text->str);
    g_assert_cmpuint(graph_n_nodes(graph), ==, DEPENDENCIES_MAX + 1);
    for (int i = 0; i < DEPENDENCIES_MAX; i += 2) {
        g_autofree char *id = g_strdup_printf("s%d", i);
        graph_have(id, NULL);
    }
    g_autofree char *got = graph_refusal("s2", "after all");
    g_assert_cmpstr(got, ==, "the order would have a cycle: s2 after all, all requires s2");
    assert_graph_invariants();
    graph_lose("all");
    g_assert_cmpuint(graph_n_nodes(graph), ==, 0);
    graph_teardown();
}

static void assert_required_by(const char *id, size_t n, const char *expected)
{
    g_auto(GStrv) ids = graph_required_by(graph_find(graph, id), n);
    g_autofree char *got = ids != NULL ? g_strjoinv(" ", ids) : NULL;
    g_assert_cmpstr(got, ==, expected);
}

static void test_required_by(void)
{
    graph_setup();
    graph_have("web", "requires db");
    graph_have("group", "members db; requires db");
    graph_have("api", "requires db; wants x");
    graph_have("job", "after db");
    assert_required_by("db", 64, "api group web");
    assert_required_by("db", 2, "api group");
    assert_required_by("db", 0, NULL);
    assert_required_by("x", 64, NULL);
    graph_teardown();
}

static void neighbours_add(GraphNode *neighbour, void *data)
{
    g_ptr_array_add(data, neighbour);
}

static void neighbours_walk(GraphNode *neighbour, void *data)
{
    g_autoptr(GPtrArray) inner = g_ptr_array_new();
    graph_each_after(neighbour, neighbours_add, inner);
    g_assert_cmpuint(inner->len, >, 0);
    g_ptr_array_add(data, neighbour);
}

/* Each once, though several relations name it, and though the visit walks, too. */
static void test_neighbours(void)
{
    graph_setup();
    graph_have("web", "requires db; after db disk; before proxy; wants x; members m");
    graph_have("net", "before web");
    graph_have("proxy", "requires web; after web db");
    GraphNode *web = graph_find(graph, "web");
    g_autoptr(GPtrArray) before = g_ptr_array_new(), after = g_ptr_array_new();
    unsigned mark = graph_begin_walk(graph);
    graph_find(graph, "db")->mark = mark;
    graph_each_before(web, neighbours_walk, before);
    assert_edges(before, "db disk net");
    graph_each_after(web, neighbours_add, after);
    assert_edges(after, "proxy");
    g_assert_cmpuint(graph_find(graph, "db")->mark, ==, mark);
    g_assert_cmpuint(graph_find(graph, "disk")->mark, !=, mark);
    g_assert_cmpuint(graph_begin_walk(graph), !=, mark);
    graph_teardown();
}

static void test_sort(void)
{
    graph_setup();
    graph_have("c", NULL);
    graph_have("a", "after d");
    graph_have("b", "wants a");
    graph_have("d", "conflicts c; before e");
    graph_have("e", "members g");
    g_autoptr(GPtrArray) sorted = graph_sort(graph);
    g_autofree char *got = graph_ids(sorted, false);
    g_assert_cmpstr(got, ==, "b c d a g e");
    graph_teardown();
}

/* What is tried on it shows there alone, and without a service. */
static void test_sketch(void)
{
    graph_setup();
    graph_have("a", "requires b; before c");
    graph_have("b", "wants d");
    assert_told(NULL);
    Graph *sketch = graph_new_sketch(graph);
    g_autoptr(Dependencies) turned = graph_lists("requires a");
    g_assert_cmpuint(graph_n_nodes(sketch), ==, graph_n_nodes(graph));
    assert_edges(graph_find(sketch, "b")->in[RELATION_REQUIRES], "a");
    g_assert_null(graph_find(sketch, "a")->service);
    g_assert_false(graph_check(sketch, "b", turned, NULL));
    graph_sketch(sketch, "a", NULL);
    graph_sketch(sketch, "new", NULL);
    g_assert_null(graph_find(sketch, "c"));
    g_assert_null(graph_find(sketch, "new"));
    g_assert_true(graph_check(sketch, "b", turned, NULL));
    graph_sketch(sketch, "b", turned);
    assert_edges(graph_find(sketch, "b")->out[RELATION_REQUIRES], "a");
    g_assert_false(graph_check(graph, "b", turned, NULL));
    assert_edges(graph_find(graph, "a")->out[RELATION_BEFORE], "c");
    graph_free(sketch);
    assert_told("");
    assert_graph_invariants();
    graph_teardown();
}

/* Nobody comes after it; who is wanted, or has to be first, does not matter. */
static void test_is_last(void)
{
    g_autoptr(Dependencies) some = graph_lists("requires x; after y");
    g_autoptr(Dependencies) before = graph_lists("before x");

    graph_setup();
    graph_have("a", "requires b; wants c; before d");
    g_assert_true(graph_is_last(graph, "a", some)); /* its own `before` goes */
    g_assert_false(graph_is_last(graph, "a", before));
    g_assert_false(graph_is_last(graph, "b", some));
    g_assert_true(graph_is_last(graph, "c", some));
    g_assert_true(graph_is_last(graph, "d", NULL));
    g_assert_true(graph_is_last(graph, "nobody", some));
    g_assert_false(graph_is_last(graph, "nobody", before));
    graph_teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/graph/edges", test_edges);
    g_test_add_func("/graph/any-order", test_any_order);
    g_test_add_func("/graph/nothing-to-do-with-others", test_nothing_to_do_with_others);
    g_test_add_func("/graph/pin", test_pin);
    g_test_add_func("/graph/stays-for-its-look", test_stays_for_its_look);
    g_test_add_func("/graph/told", test_told);
    g_test_add_func("/graph/change-keeps-nodes", test_change_keeps_nodes);
    g_test_add_func("/graph/cycles", test_cycles);
    g_test_add_func("/graph/cycles/itself", test_names_itself);
    g_test_add_func("/graph/cycles/ring", test_ring);
    g_test_add_func("/graph/cycles/chain", test_chain);
    g_test_add_func("/graph/cycles/long-path", test_long_path);
    g_test_add_func("/graph/fan", test_fan);
    g_test_add_func("/graph/required-by", test_required_by);
    g_test_add_func("/graph/neighbours", test_neighbours);
    g_test_add_func("/graph/sort", test_sort);
    g_test_add_func("/graph/sketch", test_sketch);
    g_test_add_func("/graph/is-last", test_is_last);
    return g_test_run();
}
