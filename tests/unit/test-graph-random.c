/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services come, go and say something else at random, beside a model that is a table of yes and no.
 * The seed is printed by GTest, and taken with --seed. */

#include "graph-fixture.h"

#define RANDOM_IDS 9
#define RANDOM_GAMES 30
#define RANDOM_MOVES 100

typedef struct Order {
    bool after[RANDOM_IDS][RANDOM_IDS]; /* [a][b]: a comes after b */
} Order;

/* What each says, and whether it is there. Who is not there says nothing. */
typedef struct Model {
    bool there[RANDOM_IDS];
    bool says[RANDOM_IDS][_RELATION_MAX][RANDOM_IDS];
} Model;

static const char *const random_ids[RANDOM_IDS] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

static bool one_in(int n)
{
    return g_test_rand_int_range(0, n) == 0;
}

/* The model */

static void model_order(const Model *model, bool with_members, Order *ret_order)
{
    *ret_order = (Order){0};
    for (int a = 0; a < RANDOM_IDS; a++) {
        for (int b = 0; b < RANDOM_IDS; b++) {
            const bool(*says)[RANDOM_IDS] = model->says[a];
            if (says[RELATION_REQUIRES][b] || says[RELATION_AFTER][b] ||
                (with_members && says[RELATION_MEMBERS][b]))
                ret_order->after[a][b] = true;
            if (says[RELATION_BEFORE][b])
                ret_order->after[b][a] = true;
        }
    }
}

/* How many links the shortest cycle through id has; 0: there is none. */
static int model_cycle(const Order *order, int id)
{
    bool reached[RANDOM_IDS] = {false};
    reached[id] = true;
    for (int length = 1; length <= RANDOM_IDS; length++) {
        bool next[RANDOM_IDS] = {false};
        for (int a = 0; a < RANDOM_IDS; a++) {
            for (int b = 0; reached[a] && b < RANDOM_IDS; b++)
                next[b] = next[b] || order->after[a][b];
        }
        if (next[id])
            return length;
        memcpy(reached, next, sizeof(reached));
    }
    return 0;
}

static bool model_has_node(const Model *model, int id)
{
    for (int relation = 0; relation < _RELATION_MAX; relation++) {
        for (int other = 0; other < RANDOM_IDS; other++) {
            if (model->says[id][relation][other] || model->says[other][relation][id])
                return true;
        }
    }
    return false;
}

/* Again and again the first of those that come after nobody who is left. */
static char *model_sort(const Model *model)
{
    Order order;
    bool left[RANDOM_IDS];
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    model_order(model, true, &order);
    for (int id = 0; id < RANDOM_IDS; id++)
        left[id] = model_has_node(model, id);
    for (int id = 0; id < RANDOM_IDS; id++) {
        bool is_next = left[id];
        for (int other = 0; other < RANDOM_IDS; other++)
            is_next = is_next && !(left[other] && order.after[id][other]);
        if (!is_next)
            continue;
        left[id] = false;
        g_ptr_array_add(ids, (void *)random_ids[id]);
        id = -1;
    }
    g_ptr_array_add(ids, NULL);
    return g_strjoinv(" ", (char **)ids->pdata);
}

/* Of random others, none by most relations. */
static void random_lists(Model *model, int id)
{
    memset(model->says[id], 0, sizeof(model->says[id]));
    for (int relation = 0; relation < _RELATION_MAX; relation++) {
        for (int n = one_in(3) ? g_test_rand_int_range(1, 4) : 0; n > 0; n--) {
            int other = g_test_rand_int_range(0, RANDOM_IDS);
            model->says[id][relation][other] = other != id;
        }
    }
}

static char *model_text(const Model *model, int id)
{
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func(g_free);
    for (int relation = 0; relation < _RELATION_MAX; relation++) {
        GString *list = g_string_new(relation_to_string(relation));
        size_t length = list->len;
        for (int other = 0; other < RANDOM_IDS; other++) {
            if (model->says[id][relation][other])
                g_string_append_printf(list, " %s", random_ids[other]);
        }
        if (list->len > length)
            g_ptr_array_add(lists, g_string_free(list, FALSE));
        else
            g_string_free(list, TRUE);
    }
    g_ptr_array_add(lists, NULL);
    return g_strjoinv("; ", (char **)lists->pdata);
}

/* The graph, beside it */

static void random_add(GraphNode *neighbour, void *data)
{
    g_ptr_array_add(data, neighbour);
}

static void assert_neighbours(const Model *model, int id, GraphNode *node)
{
    Order order;
    g_autoptr(GPtrArray) before = g_ptr_array_new(), after = g_ptr_array_new();
    g_autoptr(GString) expected_before = g_string_new(NULL), expected_after = g_string_new(NULL);
    model_order(model, false, &order);
    for (int other = 0; other < RANDOM_IDS; other++) {
        const char *blank_before = expected_before->len > 0 ? " " : "";
        const char *blank_after = expected_after->len > 0 ? " " : "";
        if (order.after[id][other])
            g_string_append_printf(expected_before, "%s%s", blank_before, random_ids[other]);
        if (order.after[other][id])
            g_string_append_printf(expected_after, "%s%s", blank_after, random_ids[other]);
    }
    graph_each_before(node, random_add, before);
    assert_edges(before, expected_before->str);
    graph_each_after(node, random_add, after);
    assert_edges(after, expected_after->str);
}

static void assert_as_model(const Model *model)
{
    g_autofree char *expected = model_sort(model);
    g_autoptr(GPtrArray) sorted = graph_sort(graph);
    g_autofree char *got = graph_ids(sorted, false);
    g_assert_cmpstr(got, ==, expected);
    assert_graph_invariants();
    for (int id = 0; id < RANDOM_IDS; id++) {
        GraphNode *node = graph_find(graph, random_ids[id]);
        g_assert_cmpint(node != NULL, ==, model_has_node(model, id));
        if (node != NULL)
            assert_neighbours(model, id, node);
    }
}

/* The path that is told is as short as it can be, and begins and ends where it should. */
static void assert_refusal(const char *refusal, int id, int length)
{
    g_auto(GStrv) links = g_strsplit(refusal, ", ", -1);
    g_assert_true(g_str_has_prefix(links[0], "the order would have a cycle: "));
    g_assert_cmpuint(g_strv_length(links), ==, (unsigned)length);
    g_auto(GStrv) last = g_strsplit(links[length - 1], " ", -1);
    unsigned end = g_str_equal(last[1], "before") ? 0 : g_strv_length(last) - 1;
    if (length > 1)
        g_assert_cmpstr(last[end], ==, random_ids[id]);
}

/* It comes, or says something else, if that closes no cycle. */
static void random_say(Model *model, int id)
{
    Order order;
    Model next = *model;
    random_lists(&next, id);
    next.there[id] = true;
    model_order(&next, true, &order);
    int length = model_cycle(&order, id);
    g_autofree char *text = model_text(&next, id);
    g_autofree char *refusal = graph_refusal(random_ids[id], text);
    g_assert_cmpint(refusal != NULL, ==, length > 0);
    if (refusal != NULL) {
        assert_refusal(refusal, id, length);
        return;
    }
    if (model->there[id])
        graph_say(random_ids[id], text);
    else
        graph_have(random_ids[id], text);
    *model = next;
}

static void test_random(void)
{
    for (int game = 0; game < RANDOM_GAMES; game++) {
        Model model = {0};
        graph_setup();
        for (int move = 0; move < RANDOM_MOVES; move++) {
            int id = g_test_rand_int_range(0, RANDOM_IDS);
            if (model.there[id] && one_in(3)) {
                graph_lose(random_ids[id]);
                model.there[id] = false;
                memset(model.says[id], 0, sizeof(model.says[id]));
            } else {
                random_say(&model, id);
            }
            assert_as_model(&model);
        }
        graph_teardown();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/graph/random", test_random);
    return g_test_run();
}
