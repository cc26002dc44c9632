/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes and edges. A node is there while an edge begins or ends at it, somebody has pinned it, or
 * its service has still to look at what has become of its edges. Whoever is affected by a change
 * is only marked here; settling decides. */

#include "core/graph-private.h"

#include "core/service.h"

#include <string.h>

/* Nodes */

static void graph_node_free(void *data)
{
    GraphNode *node = data;
    queue_remove(node->graph->queue, &node->entry);
    timer_free(node->grace);
    if (node->service != NULL)
        service_set_node(node->service, NULL);
    for (int i = 0; i < _RELATION_MAX; i++) {
        g_clear_pointer(&node->out[i], g_ptr_array_unref);
        g_clear_pointer(&node->in[i], g_ptr_array_unref);
    }
    dependencies_unref(node->dependencies);
    g_ref_string_release(node->id);
    g_free(node);
}

Graph *graph_new(Queue *queue, const GraphEyes *eyes)
{
    Graph *graph = g_new0(Graph, 1);
    graph->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, graph_node_free);
    graph->queue = queue;
    graph->eyes = eyes;
    graph->falls = 1;
    return graph;
}

void graph_free(Graph *graph)
{
    if (graph == NULL)
        return;
    g_hash_table_unref(graph->nodes);
    g_free(graph);
}

void graph_set_finder(Graph *graph, GraphFind find, void *data)
{
    graph->find = find;
    graph->find_data = data;
}

Service *graph_find_service(const Graph *graph, const char *id)
{
    return graph->find != NULL ? graph->find(graph->find_data, id) : NULL;
}

void graph_close(Graph *graph)
{
    graph->is_closed = true;
}

void graph_note_fall(Graph *graph)
{
    graph->falls += graph->falls != UINT_MAX ? 1 : 2; /* never 0 */
}

unsigned graph_falls(const Graph *graph)
{
    return graph->falls;
}

bool graph_is_closed(const Graph *graph)
{
    return graph->is_closed;
}

GraphNode *graph_find(const Graph *graph, const char *id)
{
    return g_hash_table_lookup(graph->nodes, id);
}

size_t graph_n_nodes(const Graph *graph)
{
    return g_hash_table_size(graph->nodes);
}

static void graph_node_set_service(GraphNode *node, Service *service)
{
    g_assert(node->service == NULL || node->service == service);
    node->service = service;
    service_set_node(service, node);
}

static GraphNode *graph_add(Graph *graph, char *id)
{
    GraphNode *node = g_new0(GraphNode, 1);
    node->graph = graph;
    node->id = id;
    node->entry.owner = node;
    g_hash_table_insert(graph->nodes, node->id, node);
    return node;
}

/* Of a name, whether there is a service of it or not. */
static GraphNode *graph_ensure(Graph *graph, const char *id)
{
    GraphNode *node = graph_find(graph, id);
    if (node != NULL)
        return node;
    node = graph_add(graph, g_ref_string_new(id));
    Service *service = graph_find_service(graph, id);
    if (service != NULL)
        graph_node_set_service(node, service);
    return node;
}

static GraphNode *graph_ensure_service(Graph *graph, Service *service)
{
    GraphNode *node = graph_find(graph, service_id(service));
    if (node == NULL)
        node = graph_add(graph, g_ref_string_acquire((char *)service_id(service)));
    graph_node_set_service(node, service);
    return node;
}

static bool graph_node_has_edges(const GraphNode *node)
{
    for (int i = 0; i < _RELATION_MAX; i++) {
        if (node->out[i] != NULL || node->in[i] != NULL)
            return true;
    }
    return false;
}

static bool graph_node_has_to_look(const GraphNode *node)
{
    return node->service != NULL &&
           (node->entry.queued || node->links_changed || node->follow != FOLLOW_NOTHING);
}

void graph_tidy(GraphNode *node)
{
    if (!graph_node_has_edges(node) && !node->pinned && !graph_node_has_to_look(node))
        g_hash_table_remove(node->graph->nodes, node->id);
}

GraphNode *graph_pin(Graph *graph, Service *service)
{
    GraphNode *node = graph_ensure_service(graph, service);
    node->pinned = true;
    return node;
}

void graph_unpin(GraphNode *node)
{
    node->pinned = false;
    graph_tidy(node);
}

/* Edges */

static void graph_edges_add(GPtrArray **edges, GraphNode *to)
{
    if (*edges == NULL)
        *edges = g_ptr_array_new();
    g_ptr_array_add(*edges, to);
}

/* Edges that come in are sorted, so that among ten thousand one is found at once. Where the edge
 * to node is, or would be. */
static unsigned graph_edges_place(const GPtrArray *edges, const GraphNode *node)
{
    unsigned first = 0, end = edges->len;
    while (first < end) {
        unsigned middle = first + (end - first) / 2;
        if (strcmp(((const GraphNode *)edges->pdata[middle])->id, node->id) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static void graph_edges_insert(GPtrArray **edges, GraphNode *from)
{
    if (*edges == NULL)
        *edges = g_ptr_array_new();
    g_ptr_array_insert(*edges, (int)graph_edges_place(*edges, from), from);
}

static void graph_edges_remove(GPtrArray **edges, const GraphNode *from)
{
    unsigned place = graph_edges_place(*edges, from);
    g_assert((*edges)->pdata[place] == from);
    (void)g_ptr_array_remove_index(*edges, place);
    if ((*edges)->len == 0)
        g_clear_pointer(edges, g_ptr_array_unref);
}

/* Who is named by this relation since now, or is not any more: what it asks of them. */
static void graph_note_edge(GraphNode *named, Relation relation)
{
    switch (relation) {
    case RELATION_REQUIRES:
    case RELATION_MEMBERS:
        named->graph->eyes->on_links(named);
        break;
    case RELATION_BEFORE:
    case RELATION_CONFLICTS:
        named->graph->eyes->on_order(named);
        break;
    case RELATION_WANTS:
    case RELATION_AFTER:
    case RELATION_PART_OF:
    case _RELATION_MAX:
    case _RELATION_INVALID:
        break;
    }
}

static void graph_mark_all(Graph *graph, const GPtrArray *edges)
{
    graph_begin_walk(graph);
    for (unsigned i = 0; edges != NULL && i < edges->len; i++)
        ((GraphNode *)edges->pdata[i])->mark = graph->mark;
}

static GPtrArray *graph_ensure_list(Graph *graph, char *const *ids)
{
    GPtrArray *edges = NULL;
    for (; ids != NULL && *ids != NULL; ids++)
        graph_edges_add(&edges, graph_ensure(graph, *ids));
    return edges;
}

/* Only what is new, or gone, is touched. left: gets the nodes that are named no more. */
static void graph_relink_list(GraphNode *node, Relation relation, char *const *ids,
                              GHashTable *left)
{
    Graph *graph = node->graph;
    GPtrArray *old = node->out[relation], *now = graph_ensure_list(graph, ids);
    node->out[relation] = now;
    graph_mark_all(graph, old);
    for (unsigned i = 0; now != NULL && i < now->len; i++) {
        GraphNode *named = now->pdata[i];
        if (named->mark == graph->mark)
            continue;
        g_assert(named != node); /* refused by graph_check */
        graph_edges_insert(&named->in[relation], node);
        graph_note_edge(named, relation);
    }
    graph_mark_all(graph, now);
    for (unsigned i = 0; old != NULL && i < old->len; i++) {
        GraphNode *named = old->pdata[i];
        if (named->mark == graph->mark)
            continue;
        graph_edges_remove(&named->in[relation], node);
        graph_note_edge(named, relation);
        g_hash_table_add(left, named);
    }
    g_clear_pointer(&old, g_ptr_array_unref);
}

static char *const *graph_list_of(const Dependencies *dependencies, Relation relation)
{
    return dependencies != NULL ? dependencies->lists[relation] : NULL;
}

/* Whoever is left goes at the end, so that one who is named by another relation from now on keeps
 * its node. */
static void graph_relink(GraphNode *node, Dependencies *dependencies)
{
    g_autoptr(GHashTable) left = g_hash_table_new(NULL, NULL);
    graph_note_fall(node->graph);
    for (Relation relation = 0; relation < _RELATION_MAX; relation++) {
        char *const *old = graph_list_of(node->dependencies, relation);
        char *const *now = graph_list_of(dependencies, relation);
        if (!dependencies_list_equal(old, now))
            graph_relink_list(node, relation, now, left);
    }
    Dependencies *before = node->dependencies;
    node->dependencies =
            dependencies_are_empty(dependencies) ? NULL : dependencies_ref(dependencies);
    dependencies_unref(before);
    GHashTableIter iter;
    void *named;
    g_hash_table_iter_init(&iter, left);
    while (g_hash_table_iter_next(&iter, &named, NULL))
        graph_tidy(named);
}

/* Services */

void graph_attach(Graph *graph, Service *service, Dependencies *dependencies)
{
    if (dependencies_are_empty(dependencies) && graph_find(graph, service_id(service)) == NULL)
        return;
    GraphNode *node = graph_ensure_service(graph, service);
    graph_relink(node, dependencies);
    graph->eyes->on_links(node);
    graph->eyes->on_present(node);
}

void graph_detach(Graph *graph, Service *service)
{
    GraphNode *node = service_node(service);
    if (node == NULL)
        return;
    graph->eyes->on_present(node);
    graph_relink(node, NULL);
    service_set_node(service, NULL);
    node->service = NULL;
    node->follow = FOLLOW_NOTHING;
    node->blocked = false;
    node->appeared = false;
    node->links_changed = false;
    g_clear_pointer(&node->grace, timer_free);
    queue_remove(graph->queue, &node->entry);
    graph_tidy(node);
}

void graph_change(Graph *graph, Service *service, Dependencies *dependencies)
{
    GraphNode *node = service_node(service);
    if (dependencies_equal(node != NULL ? node->dependencies : NULL, dependencies))
        return;
    node = graph_ensure_service(graph, service);
    graph_relink(node, dependencies);
    graph->eyes->on_links(node);
    graph_tidy(node);
}

/* Sketches */

static void graph_see_nothing(GraphNode *node)
{
}

static const GraphEyes graph_closed_eyes = {
        graph_see_nothing,
        graph_see_nothing,
        graph_see_nothing,
};

Graph *graph_new_sketch(const Graph *graph)
{
    Graph *sketch = graph_new(graph->queue, &graph_closed_eyes);
    GHashTableIter iter;
    void *data;
    g_hash_table_iter_init(&iter, graph->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        const GraphNode *node = data;
        graph_sketch(sketch, node->id, node->dependencies);
    }
    return sketch;
}

void graph_sketch(Graph *sketch, const char *id, Dependencies *dependencies)
{
    if (dependencies_are_empty(dependencies) && graph_find(sketch, id) == NULL)
        return;
    GraphNode *node = graph_ensure(sketch, id);
    graph_relink(node, dependencies);
    graph_tidy(node);
}
