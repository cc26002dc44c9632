/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the edges say of the order: neighbours, cycles, and all nodes in order. Nothing here
 * recurses, for a chain may be as long as there are services. */

#include "core/graph-private.h"

#include "base/errors.h"

#include <string.h>

/* More links of a cycle are not written out. */
#define ORDER_LINKS_MAX 20

/* Who names others by these comes after them; `before` is the other way round. */
static const Relation order_relations[] = {
        RELATION_REQUIRES,
        RELATION_AFTER,
        RELATION_MEMBERS,
};

/* Neighbours */

static unsigned order_next_mark(Graph *graph, unsigned *counter, size_t offset)
{
    if (++*counter != 0)
        return *counter;
    GHashTableIter iter;
    void *node;
    g_hash_table_iter_init(&iter, graph->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &node))
        G_STRUCT_MEMBER(unsigned, node, offset) = 0;
    return ++*counter;
}

unsigned graph_begin_walk(Graph *graph)
{
    return order_next_mark(graph, &graph->mark, offsetof(GraphNode, mark));
}

void graph_each(GPtrArray *edges, GraphVisit visit, void *data)
{
    for (unsigned i = 0; edges != NULL && i < edges->len; i++)
        visit(edges->pdata[i], data);
}

bool graph_has_edge(const GPtrArray *edges, const GraphNode *to)
{
    for (unsigned i = 0; edges != NULL && i < edges->len; i++) {
        if (edges->pdata[i] == to)
            return true;
    }
    return false;
}

/* All are found before the first is visited: a visit may walk, too. */
static void order_each_of(GraphNode *node, GPtrArray *const lists[], size_t n_lists,
                          GraphVisit visit, void *data)
{
    Graph *graph = node->graph;
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    unsigned listed = order_next_mark(graph, &graph->listed, offsetof(GraphNode, listed));
    for (size_t i = 0; i < n_lists; i++) {
        for (unsigned k = 0; lists[i] != NULL && k < lists[i]->len; k++) {
            GraphNode *neighbour = lists[i]->pdata[k];
            if (neighbour->listed == listed)
                continue;
            neighbour->listed = listed;
            g_ptr_array_add(found, neighbour);
        }
    }
    graph_each(found, visit, data);
}

void graph_each_before(GraphNode *node, GraphVisit visit, void *data)
{
    GPtrArray *lists[] = {node->out[RELATION_REQUIRES], node->out[RELATION_AFTER],
                          node->in[RELATION_BEFORE]};
    order_each_of(node, lists, G_N_ELEMENTS(lists), visit, data);
}

void graph_each_after(GraphNode *node, GraphVisit visit, void *data)
{
    GPtrArray *lists[] = {node->in[RELATION_REQUIRES], node->in[RELATION_AFTER],
                          node->out[RELATION_BEFORE]};
    order_each_of(node, lists, G_N_ELEMENTS(lists), visit, data);
}

/* NULL: behind the end. */
static const char *order_id_at(const GPtrArray *edges, unsigned index)
{
    return edges != NULL && index < edges->len ? ((const GraphNode *)edges->pdata[index])->id
                                               : NULL;
}

/* Two sorted lists as one; who stands in both is named once. */
char **graph_required_by(const GraphNode *node, size_t n)
{
    const GPtrArray *lists[] = {node->in[RELATION_REQUIRES], node->in[RELATION_MEMBERS]};
    unsigned next[G_N_ELEMENTS(lists)] = {0};
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    while (ids->len < n) {
        const char *first = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
            const char *id = order_id_at(lists[i], next[i]);
            if (id != NULL && (first == NULL || strcmp(id, first) < 0))
                first = id;
        }
        if (first == NULL)
            break;
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
            next[i] += order_id_at(lists[i], next[i]) == first;
        g_ptr_array_add(ids, g_strdup(first));
    }
    if (ids->len == 0)
        return NULL;
    g_ptr_array_add(ids, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&ids), FALSE);
}

/* Cycles. What is there has none, so one that the new lists close goes through their service: the
 * search begins there, goes to what it would come after, breadth first, and ends at the first who
 * comes after it. */

/* How the search came to id. */
typedef struct OrderStep {
    const char *id;  /* borrowed */
    GraphNode *node; /* NULL: it has none */
    unsigned parent; /* the step that comes after it */
    Relation relation;
} OrderStep;

typedef struct OrderSearch {
    const char *id;      /* whose lists are looked at */
    GraphNode *self;     /* its node, or NULL */
    GHashTable *befores; /* ids that it would be before: set of borrowed ids */
    GArray *steps;       /* of OrderStep; both the queue and the way back */
    unsigned mark;
} OrderSearch;

static void order_search_add(OrderSearch *search, const char *id, GraphNode *node, unsigned parent,
                             Relation relation)
{
    if (node != NULL && node->mark == search->mark)
        return;
    if (node != NULL)
        node->mark = search->mark;
    OrderStep step = {.id = id, .node = node, .parent = parent, .relation = relation};
    g_array_append_val(search->steps, step);
}

/* By which relation the one of this step comes after who is looked at. */
static bool order_search_closes(const OrderSearch *search, const OrderStep *step,
                                Relation *ret_relation)
{
    for (size_t i = 0; step->node != NULL && i < G_N_ELEMENTS(order_relations); i++) {
        if (search->self != NULL &&
            graph_has_edge(step->node->out[order_relations[i]], search->self)) {
            *ret_relation = order_relations[i];
            return true;
        }
    }
    if (!g_hash_table_contains(search->befores, step->id))
        return false;
    *ret_relation = RELATION_BEFORE;
    return true;
}

static void order_search_expand(OrderSearch *search, unsigned index)
{
    GraphNode *node = g_array_index(search->steps, OrderStep, index).node;
    for (size_t i = 0; node != NULL && i < G_N_ELEMENTS(order_relations); i++) {
        GPtrArray *edges = node->out[order_relations[i]];
        for (unsigned k = 0; edges != NULL && k < edges->len; k++) {
            GraphNode *to = edges->pdata[k];
            order_search_add(search, to->id, to, index, order_relations[i]);
        }
    }
    GPtrArray *edges = node != NULL ? node->in[RELATION_BEFORE] : NULL;
    for (unsigned k = 0; edges != NULL && k < edges->len; k++) {
        GraphNode *to = edges->pdata[k];
        order_search_add(search, to->id, to, index, RELATION_BEFORE);
    }
}

/* The first step: by the new lists instead of those that the service may have. */
static void order_search_begin(OrderSearch *search, Graph *graph, const Dependencies *dependencies)
{
    order_search_add(search, search->id, search->self, 0, _RELATION_INVALID);
    for (size_t i = 0; i < G_N_ELEMENTS(order_relations); i++) {
        char *const *ids = dependencies->lists[order_relations[i]];
        for (; ids != NULL && *ids != NULL; ids++)
            order_search_add(search, *ids, graph_find(graph, *ids), 0, order_relations[i]);
    }
    GPtrArray *edges = search->self != NULL ? search->self->in[RELATION_BEFORE] : NULL;
    for (unsigned k = 0; edges != NULL && k < edges->len; k++) {
        GraphNode *to = edges->pdata[k];
        order_search_add(search, to->id, to, 0, RELATION_BEFORE);
    }
}

static void order_write_link(GString *path, const char *after, Relation relation,
                             const char *before)
{
    if (relation == RELATION_BEFORE)
        g_string_append_printf(path, "%s before %s", before, after);
    else if (relation == RELATION_MEMBERS)
        g_string_append_printf(path, "%s has the member %s", after, before);
    else
        g_string_append_printf(path, "%s %s %s", after, relation_to_string(relation), before);
}

/* From the one that is looked at to the last step, and from there back to it. */
static char *order_search_tell(const OrderSearch *search, unsigned last, Relation closing)
{
    g_autoptr(GArray) way = g_array_new(FALSE, FALSE, sizeof(unsigned));
    GString *path = g_string_new(NULL);
    for (unsigned i = last; i != 0; i = g_array_index(search->steps, OrderStep, i).parent)
        g_array_append_val(way, i);
    const char *from = search->id;
    for (unsigned i = 0; i < way->len && i < ORDER_LINKS_MAX - 1; i++) {
        unsigned index = g_array_index(way, unsigned, way->len - 1 - i);
        const OrderStep *step = &g_array_index(search->steps, OrderStep, index);
        order_write_link(path, from, step->relation, step->id);
        g_string_append(path, ", ");
        from = step->id;
    }
    if (way->len < ORDER_LINKS_MAX)
        order_write_link(path, from, closing, search->id);
    else
        g_string_append_printf(path, "... and %u more", way->len + 1 - (ORDER_LINKS_MAX - 1));
    return g_string_free(path, FALSE);
}

static bool order_search_run(OrderSearch *search, Graph *graph, const Dependencies *dependencies,
                             GError **error)
{
    order_search_begin(search, graph, dependencies);
    for (unsigned i = 1; i < search->steps->len; i++) {
        Relation closing;
        if (order_search_closes(search, &g_array_index(search->steps, OrderStep, i), &closing)) {
            g_autofree char *path = order_search_tell(search, i, closing);
            return error_set(error, ERROR_DEPENDENCY_CYCLE, "the order would have a cycle: %s",
                             path);
        }
        order_search_expand(search, i);
    }
    return true;
}

static bool order_names(char *const *ids, const char *id)
{
    return ids != NULL && g_strv_contains((const char *const *)ids, id);
}

bool graph_is_last(const Graph *graph, const char *id, const Dependencies *dependencies)
{
    const GraphNode *self = graph_find(graph, id);
    for (size_t i = 0; self != NULL && i < G_N_ELEMENTS(order_relations); i++) {
        if (self->in[order_relations[i]] != NULL)
            return false;
    }
    return dependencies == NULL || dependencies->lists[RELATION_BEFORE] == NULL;
}

bool graph_check(Graph *graph, const char *id, const Dependencies *dependencies, GError **error)
{
    if (dependencies_are_empty(dependencies))
        return true;
    for (Relation relation = 0; relation < _RELATION_MAX; relation++) {
        if (order_names(dependencies->lists[relation], id))
            return error_set(error, ERROR_DEPENDENCY_CYCLE, "%s names itself in %s", id,
                             relation_to_string(relation));
    }
    GraphNode *self = graph_find(graph, id);
    if (graph_is_last(graph, id, dependencies) ||
        (self != NULL && dependencies_equal(self->dependencies, dependencies)))
        return true; /* the latter is there, and closes none */
    g_autoptr(GHashTable) befores = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(OrderStep));
    OrderSearch search = {.id = id, .self = self, .befores = befores, .steps = steps};
    char *const *ids = dependencies->lists[RELATION_BEFORE];
    for (; ids != NULL && *ids != NULL; ids++)
        g_hash_table_add(befores, *ids);
    search.mark = graph_begin_walk(graph);
    return order_search_run(&search, graph, dependencies, error);
}

/* All in order: who has nobody left to come after is next, the first by id. */

static int order_compare_nodes(const void *a, const void *b, void *unused)
{
    return strcmp(((const GraphNode *)a)->id, ((const GraphNode *)b)->id);
}

static unsigned order_count(const GPtrArray *edges)
{
    return edges != NULL ? edges->len : 0;
}

static unsigned order_count_before(const GraphNode *node)
{
    unsigned count = order_count(node->in[RELATION_BEFORE]);
    for (size_t i = 0; i < G_N_ELEMENTS(order_relations); i++)
        count += order_count(node->out[order_relations[i]]);
    return count;
}

/* One of those that it comes after is in the result. */
static void on_order_sorted(GraphNode *node, void *data)
{
    GTree *ready = data;
    if (--node->pending == 0)
        g_tree_insert(ready, node, node);
}

GPtrArray *graph_sort(Graph *graph)
{
    GPtrArray *sorted = g_ptr_array_sized_new((unsigned)graph_n_nodes(graph));
    GTree *ready = g_tree_new_full(order_compare_nodes, NULL, NULL, NULL);
    GHashTableIter iter;
    void *data;
    g_hash_table_iter_init(&iter, graph->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        GraphNode *node = data;
        node->pending = order_count_before(node);
        if (node->pending == 0)
            g_tree_insert(ready, node, node);
    }
    for (GTreeNode *first; (first = g_tree_node_first(ready)) != NULL;) {
        GraphNode *node = g_tree_node_key(first);
        g_tree_remove(ready, node);
        g_ptr_array_add(sorted, node);
        for (size_t i = 0; i < G_N_ELEMENTS(order_relations); i++)
            graph_each(node->in[order_relations[i]], on_order_sorted, ready);
        graph_each(node->out[RELATION_BEFORE], on_order_sorted, ready);
    }
    g_tree_unref(ready);
    g_assert(sorted->len == graph_n_nodes(graph));
    return sorted;
}
