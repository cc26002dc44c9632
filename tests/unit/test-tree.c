/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What svcmgr makes of who has to do with whom: trees, DOT, plans, and the lines of status. */

#include "dot.h"
#include "needs.h"
#include "plan.h"
#include "record.h"
#include "tree.h"

#include <string.h>

static const Output tree_plain = {.is_utf8 = true};

static json_t *tree_entries(const char *text)
{
    json_error_t error;
    json_t *entries = json_loads(text, 0, &error);

    if (entries == NULL)
        g_error("line %d: %s", error.line, error.text);
    return entries;
}

static char *tree_draw_of(const Output *output, const char *text, const char *ids,
                          const TreeOptions *options, size_t *ret_n_others)
{
    g_autoptr(json_t) entries = tree_entries(text);
    g_autoptr(Graph) graph = graph_new(entries);
    g_auto(GStrv) names = g_strsplit(ids, " ", -1);
    g_autoptr(json_t) trees = tree_new(graph, names, options, ret_n_others);

    return tree_text(output, trees);
}

#define SHOP                                                                                       \
    "[{\"id\":\"web\",\"kind\":\"process\",\"state\":\"waiting\",\"sub_state\":\"dependencies\","  \
    "\"error\":\"\",\"requires\":[\"db\",\"nosuch\"],\"wants\":[\"cache\"],"                       \
    "\"after\":[\"db\",\"cache\",\"mail\"],\"part_of\":[\"site\"],\"conflicts\":[\"old\"],"        \
    "\"waiting_for\":[\"mail\"]},"                                                                 \
    "{\"id\":\"db\",\"kind\":\"process\",\"state\":\"active\",\"sub_state\":\"running\","          \
    "\"error\":\"\",\"requires\":[\"disk\"]},"                                                     \
    "{\"id\":\"disk\",\"kind\":\"oneshot\",\"state\":\"active\",\"sub_state\":\"exited\","         \
    "\"error\":\"\",\"before\":[\"cache\"]},"                                                      \
    "{\"id\":\"cache\",\"kind\":\"process\",\"state\":\"failed\",\"sub_state\":\"dead\","          \
    "\"error\":\"exited with status 1\"},"                                                         \
    "{\"id\":\"mail\",\"kind\":\"process\",\"state\":\"starting\",\"sub_state\":\"start\","        \
    "\"error\":\"\"},"                                                                             \
    "{\"id\":\"old\",\"kind\":\"process\",\"state\":\"inactive\",\"sub_state\":\"\","              \
    "\"error\":\"\"},"                                                                             \
    "{\"id\":\"site\",\"kind\":\"group\",\"state\":\"starting\",\"sub_state\":\"\","               \
    "\"error\":\"\",\"members\":[\"db\",\"web\"]},"                                                \
    "{\"id\":\"nosuch\",\"kind\":\"\",\"state\":\"\",\"sub_state\":\"\",\"error\":\"\"}]"

static void test_tree_down(void)
{
    static const TreeOptions options = {false};
    size_t n_others;
    g_autofree char *text = tree_draw_of(&tree_plain, SHOP, "", &options, &n_others);

    g_assert_cmpstr(text, ==,
                    "site                  starting\n"
                    "├─ db (member)        active\n"
                    "│  └─ disk            active (exited)\n"
                    "└─ web (member)       waiting for mail\n"
                    "   ├─ db              active, see above\n"
                    "   ├─ nosuch          missing\n"
                    "   ├─ cache (wants)   failed: exited with status 1\n"
                    "   ├─ site (part_of)  starting\n"
                    "   └─ mail (after)    starting\n");
    g_assert_cmpuint(n_others, ==, 1); /* old: nobody waits for it */
}

static void test_tree_everything(void)
{
    static const TreeOptions options = {.everything = true};
    g_autofree char *text = tree_draw_of(&tree_plain, SHOP, "cache web", &options, NULL);

    g_assert_cmpstr(text, ==,
                    "cache               failed: exited with status 1\n"
                    "└─ disk (after)     active (exited)\n"
                    "web                 waiting for mail\n"
                    "├─ db               active\n"
                    "│  └─ disk          active (exited)\n"
                    "├─ nosuch           missing\n"
                    "├─ cache (wants)    failed, see above\n"
                    "├─ site (part_of)   starting\n"
                    "├─ mail (after)     starting\n"
                    "└─ old (conflicts)  inactive\n");
}

static void test_tree_reverse(void)
{
    static const TreeOptions options = {.reverse = true};
    g_autofree char *disk = tree_draw_of(&tree_plain, SHOP, "disk", &options, NULL);
    g_autofree char *all = tree_draw_of(&tree_plain, SHOP, "", &options, NULL);

    g_assert_cmpstr(disk, ==,
                    "disk                       active (exited)\n"
                    "└─ db                      active\n"
                    "   ├─ web                  waiting for mail\n"
                    "   │  └─ site (group)      starting\n"
                    "   │     └─ web (part_of)  waiting for mail\n"
                    "   └─ site (group)         starting, see above\n");
    g_assert_nonnull(strstr(all, " missing\n└─ web"));
    g_assert_nonnull(strstr(all, " starting\n└─ web (after)"));
}

/* A cycle that nobody leads to ends, and begins with the first by id. */
static void test_tree_cycle(void)
{
    static const TreeOptions options = {false};
    g_autofree char *text = tree_draw_of(
            &tree_plain,
            "[{\"id\":\"b\",\"kind\":\"process\",\"state\":\"active\",\"wants\":[\"a\"]},"
            "{\"id\":\"a\",\"kind\":\"process\",\"state\":\"active\",\"wants\":[\"b\"]},"
            "{\"id\":\"p\",\"kind\":\"process\",\"state\":\"active\",\"part_of\":[\"q\"]},"
            "{\"id\":\"q\",\"kind\":\"process\",\"state\":\"active\",\"part_of\":[\"p\"]}]",
            "", &options, NULL);

    g_assert_cmpstr(text, ==,
                    "p                active\n"
                    "└─ q (part_of)   active\n"
                    "q                active\n"
                    "└─ p (part_of)   active\n"
                    "a                active\n"
                    "└─ b (wants)     active\n"
                    "   └─ a (wants)  active, see above\n");
}

/* A chain that is too deep goes on in trees of its own; each service has its line. */
static void test_tree_deep(void)
{
    static const TreeOptions options = {false};
    const unsigned n = 3 * TREE_DEPTH_MAX;
    g_autoptr(json_t) entries = json_array();

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("s%04u", i);
        g_autofree char *next = g_strdup_printf("s%04u", i + 1);
        (void)json_array_append_new(entries,
                                    json_pack("{s:s, s:s, s:s, s:[s]}", "id", id, "kind", "process",
                                              "state", "active", "requires", next));
    }
    g_autofree char *json = json_dumps(entries, 0);
    g_autofree char *text = tree_draw_of(&tree_plain, json, "", &options, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    /* The last one is not told of; each tree after the first begins with a line that was there. */
    g_assert_cmpuint(g_strv_length(lines), ==, n + 1 + 2 + 1);
    g_assert_nonnull(strstr(text, "active, goes on below\n"));
    g_assert_nonnull(strstr(text, "\ns0064"));
}

#define RANDOM_NODES 24

/* Whom one names by a relation: a few, some twice by several relations. */
static json_t *tree_random_ids(void)
{
    json_t *ids = json_array();

    for (int i = g_test_rand_int_range(0, 3); i > 0; i--)
        (void)json_array_append_new(
                ids, json_sprintf("n%02d", g_test_rand_int_range(0, RANDOM_NODES + 2)));
    return ids;
}

static json_t *tree_random_entries(void)
{
    static const char *const lists[] = {"requires", "wants",     "members", "part_of",
                                        "after",    "conflicts", "before"};
    json_t *entries = json_array();

    for (int i = 0; i < RANDOM_NODES; i++) {
        json_t *entry = json_pack("{s:o, s:s, s:s}", "id", json_sprintf("n%02d", i), "kind",
                                  "process", "state", "active");
        for (size_t k = 0; k < G_N_ELEMENTS(lists); k++) {
            if (g_test_rand_int_range(0, 6) == 0)
                (void)json_object_set_new(entry, lists[k], tree_random_ids());
        }
        (void)json_array_append_new(entries, entry);
    }
    return entries;
}

/* Counts in how many places each has its children, and notes who is shown. */
static void tree_random_walk(const json_t *trees, json_t *expanded, json_t *shown)
{
    size_t index;
    const json_t *tree;
    g_autoptr(json_t) siblings = json_object();

    json_array_foreach(trees, index, tree)
    {
        const char *id = value_string(tree, "id");
        const json_t *children = json_object_get(tree, "children");

        (void)json_object_set_new(shown, id, json_true());
        if (value_string(tree, "relation")[0] != '\0') {
            g_assert_null(json_object_get(siblings, id));
            (void)json_object_set_new(siblings, id, json_true());
        }
        if (children == NULL)
            continue;
        g_assert_null(json_object_get(expanded, id));
        (void)json_object_set_new(expanded, id, json_true());
        tree_random_walk(children, expanded, shown);
    }
}

/* Whatever services say of each other: each is expanded once, who is left out has nobody, and what
 * is not expanded where it stands is elsewhere. */
static void test_tree_random(void)
{
    for (int turn = 0; turn < 300; turn++) {
        TreeOptions options = {.reverse = turn % 2 != 0, .everything = turn % 4 > 1};
        char *nobody[] = {NULL};
        size_t n_others;
        g_autoptr(json_t) entries = tree_random_entries();
        g_autoptr(Graph) graph = graph_new(entries);
        g_autoptr(json_t) trees = tree_new(graph, nobody, &options, &n_others);
        g_autoptr(json_t) expanded = json_object();
        g_autoptr(json_t) shown = json_object();
        const GPtrArray *nodes = graph_nodes(graph);

        tree_random_walk(trees, expanded, shown);
        g_assert_cmpuint(json_object_size(shown) + n_others, ==, nodes->len);
        for (unsigned i = 0; i < nodes->len; i++) {
            const GraphNode *node = nodes->pdata[i];
            unsigned n_edges = 0;

            for (size_t k = 0; k < (options.everything ? _GRAPH_RELATION_MAX : GRAPH_AFTER); k++)
                n_edges += options.reverse ? node->in[k]->len : node->out[k]->len;
            if (n_edges > 0)
                g_assert_nonnull(json_object_get(shown, node->id));
            if (json_object_get(expanded, node->id) != NULL)
                g_assert_cmpuint(n_edges, >, 0);
        }
    }
}

static void test_tree_terminal(void)
{
    static const Output narrow = {.has_colour = true, .is_terminal = true, .width = 40};
    static const TreeOptions options = {false};
    g_autofree char *text = tree_draw_of(
            &narrow,
            "[{\"id\":\"web\",\"kind\":\"process\",\"state\":\"failed\",\"wants\":[\"db\"],"
            "\"error\":\"main \\u001b[31m process 4711 exited with status 1\"}]",
            "web", &options, NULL);

    g_assert_cmpstr(text, ==,
                    "web            \033[31mfailed\033[0m: main \\x1b[31m ...\n"
                    "`- db\033[2m (wants)\033[0m  \n");
}

static void test_tree_dot(void)
{
    g_autoptr(json_t) entries = tree_entries(
            "[{\"id\":\"a@1:b\",\"kind\":\"process\",\"state\":\"failed\",\"error\":\"x \\\"y\\\" "
            "\\\\ & z\\nnext\",\"requires\":[\"b\"],\"after\":[\"b\",\"c\"],\"conflicts\":[\"b\"]},"
            "{\"id\":\"b\",\"kind\":\"group\",\"state\":\"active\",\"conflicts\":[\"a@1:b\"]},"
            "{\"id\":\"c\",\"kind\":\"\",\"state\":\"\",\"error\":\"\"},"
            "{\"id\":\"lonely\",\"kind\":\"process\",\"state\":\"active\"}]");
    g_autoptr(Graph) graph = graph_new(entries);
    g_autofree char *text = dot_text(graph, false);
    g_autofree char *everything = dot_text(graph, true);
    const char *nodes = strstr(text, "    \"a@1:b\"");

    g_assert_cmpstr(nodes, ==,
                    "    \"a@1:b\" [label=\"a@1:b\\nfailed\", fillcolor=\"#ffcdd2\", "
                    "tooltip=\"x \\\"y\\\" \\\\ &amp; z\\nnext\"];\n"
                    "    \"b\" [label=\"b\\nactive\", fillcolor=\"#c8e6c9\", shape=tab];\n"
                    "    \"c\" [label=\"c\\nmissing\", fillcolor=\"#ffcdd2\", "
                    "style=\"filled,dashed\"];\n"
                    "    \"a@1:b\" -> \"b\";\n"
                    "    \"a@1:b\" -> \"c\" [label=\"after\", style=dotted];\n"
                    "    \"a@1:b\" -> \"b\" [label=\"conflicts\", dir=none, color=\"#c62828\"];\n"
                    "}\n");
    g_assert_null(strstr(text, "lonely"));
    g_assert_nonnull(strstr(everything, "\"lonely\" [label=\"lonely\\nactive\""));
}

static void test_tree_plan_reason(void)
{
    static const struct {
        const char *step;
        const char *reason;
    } cases[] = {
            {"{\"because\":\"\",\"relation\":\"\"}", "asked for"},
            {"{\"because\":\"web\",\"relation\":\"requires\"}", "required by web"},
            {"{\"because\":\"web\",\"relation\":\"wants\"}", "wanted by web"},
            {"{\"because\":\"web\",\"relation\":\"conflicts\"}", "conflicts with web"},
            {"{\"because\":\"web\",\"relation\":\"part_of\"}", "part of web"},
            {"{\"because\":\"web\",\"relation\":\"members\"}", "member of web"},
            {"{\"because\":\"web\",\"relation\":\"new\"}", "new web"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_t) step = tree_entries(cases[i].step);
        g_autofree char *reason = plan_reason(step);

        g_assert_cmpstr(reason, ==, cases[i].reason);
    }
}

static void test_tree_waits(void)
{
    static const struct {
        const char *state;
        const char *sub_state;
        const char *ids;
        const char *text; /* NULL: nothing */
    } cases[] = {
            {"waiting", "dependencies", "[\"db\"]", "waits for db"},
            {"waiting", "blocked", "[\"a\",\"b\",\"c\",\"d\",\"e\"]",
             "waits for a, b, c and 2 more"},
            {"waiting", "queued", "[]", "waits for its turn"},
            {"stopping", "dependents", "[\"web\"]", "waits for web to stop"},
            {"stopping", "stop-sigterm", "[]", NULL},
            {"active", "running", "[\"db\"]", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_t) ids = tree_entries(cases[i].ids);
        g_autofree char *text = record_waits(cases[i].state, cases[i].sub_state, ids);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

/* Names fill the lines of a terminal, and many are not all told; in a pipe they are. */
static void test_tree_needs(void)
{
    static const Output terminal = {.is_terminal = true, .is_utf8 = true, .width = 50};
    g_autoptr(json_t) service = tree_entries(
            "{\"Id\":\"web\",\"Kind\":\"process\",\"State\":\"waiting\",\"SubState\":\"blocked\","
            "\"Requires\":[\"database\",\"disk\",\"nosuch\"],\"WaitingFor\":[\"database\"],"
            "\"RequiredBy\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]}");
    g_autoptr(json_t) entries =
            tree_entries("{\"database\":{\"id\":\"database\",\"kind\":\"process\",\"state\":"
                         "\"failed\",\"error\":"
                         "\"main process 4711 exited with status 1\"},"
                         "\"disk\":{\"id\":\"disk\",\"kind\":\"oneshot\",\"state\":\"active\"},"
                         "\"nosuch\":{\"id\":\"nosuch\",\"kind\":\"\"}}");

    g_assert_true(needs_has_any(service));
    needs_add_entries(service, entries);
    g_autofree char *waits = needs_text_waits(&terminal, service);
    g_autofree char *requires = needs_text_requires(&terminal, service);
    g_autofree char *required_by = needs_text_required_by(&terminal, service);
    g_autofree char *piped = needs_text_required_by(&tree_plain, service);
    g_autofree char *wants = needs_text_wants(&terminal, service);
    g_assert_cmpstr(waits, ==, "database, failed: main process 4711…");
    g_assert_cmpstr(requires, ==,
                    "database (failed), disk (active),\n              nosuch (missing)");
    g_assert_cmpstr(required_by, ==, "a, b, c, d, e, f, g, h and 2 more");
    g_assert_cmpstr(piped, ==, "a, b, c, d, e, f, g, h, i, j");
    g_assert_null(wants);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tree/down", test_tree_down);
    g_test_add_func("/tree/everything", test_tree_everything);
    g_test_add_func("/tree/reverse", test_tree_reverse);
    g_test_add_func("/tree/cycle", test_tree_cycle);
    g_test_add_func("/tree/deep", test_tree_deep);
    g_test_add_func("/tree/random", test_tree_random);
    g_test_add_func("/tree/terminal", test_tree_terminal);
    g_test_add_func("/tree/dot", test_tree_dot);
    g_test_add_func("/tree/plan-reason", test_tree_plan_reason);
    g_test_add_func("/tree/waits", test_tree_waits);
    g_test_add_func("/tree/needs", test_tree_needs);
    return g_test_run();
}
