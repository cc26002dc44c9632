/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An entry names others by lists of ids. Here both ends know of it, so that a walk can go either
 * way. */

#include "graph.h"

#include "record.h"

#include <string.h>

struct Graph {
    GHashTable *by_id;
    GPtrArray *sorted;
};

static const struct {
    const char *member; /* of an entry */
    GraphRelation relation;
    bool is_reversed; /* whoever is named comes to the one that names it */
    bool is_mutual;
} graph_members[] = {
        {"requires", GRAPH_REQUIRES, false, false},  {"members", GRAPH_MEMBERS, false, false},
        {"wants", GRAPH_WANTS, false, false},        {"part_of", GRAPH_PART_OF, false, false},
        {"after", GRAPH_AFTER, false, false},        {"before", GRAPH_AFTER, true, false},
        {"conflicts", GRAPH_CONFLICTS, false, true},
};

static void graph_free_node(void *data)
{
    GraphNode *node = data;

    for (size_t i = 0; i < _GRAPH_RELATION_MAX; i++) {
        g_ptr_array_unref(node->out[i]);
        g_ptr_array_unref(node->in[i]);
    }
    g_free(node);
}

static GraphNode *graph_get(Graph *graph, const char *id)
{
    GraphNode *node = g_hash_table_lookup(graph->by_id, id);

    if (node != NULL)
        return node;
    node = g_new0(GraphNode, 1);
    node->id = id;
    for (size_t i = 0; i < _GRAPH_RELATION_MAX; i++) {
        node->out[i] = g_ptr_array_new();
        node->in[i] = g_ptr_array_new();
    }
    (void)g_hash_table_insert(graph->by_id, (char *)id, node); /* it is new */
    g_ptr_array_add(graph->sorted, node);
    return node;
}

static void graph_connect(GraphNode *from, GraphNode *to, GraphRelation relation)
{
    if (from == to || g_ptr_array_find(from->out[relation], to, NULL))
        return;
    g_ptr_array_add(from->out[relation], to);
    g_ptr_array_add(to->in[relation], from);
}

static void graph_add_member(Graph *graph, GraphNode *node, size_t member)
{
    const json_t *ids = json_object_get(node->entry, graph_members[member].member);
    GraphRelation relation = graph_members[member].relation;
    size_t index;
    const json_t *id;

    json_array_foreach(ids, index, id)
    {
        if (!json_is_string(id))
            continue;
        GraphNode *other = graph_get(graph, json_string_value(id));
        if (!graph_members[member].is_reversed)
            graph_connect(node, other, relation);
        if (graph_members[member].is_reversed || graph_members[member].is_mutual)
            graph_connect(other, node, relation);
    }
}

static int graph_compare(const void *a, const void *b)
{
    return strcmp((*(GraphNode *const *)a)->id, (*(GraphNode *const *)b)->id);
}

Graph *graph_new(const json_t *entries)
{
    Graph *graph = g_new0(Graph, 1);
    size_t index;
    const json_t *entry;

    graph->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, graph_free_node);
    graph->sorted = g_ptr_array_new();
    json_array_foreach(entries, index, entry) graph_get(graph, value_string(entry, "id"))->entry =
            entry;
    json_array_foreach(entries, index, entry)
    {
        GraphNode *node = graph_get(graph, value_string(entry, "id"));

        for (size_t i = 0; i < G_N_ELEMENTS(graph_members); i++)
            graph_add_member(graph, node, i);
    }
    g_ptr_array_sort(graph->sorted, graph_compare);
    return graph;
}

void graph_free(Graph *graph)
{
    if (graph == NULL)
        return;
    g_ptr_array_unref(graph->sorted);
    g_hash_table_unref(graph->by_id);
    g_free(graph);
}

GraphNode *graph_find(const Graph *graph, const char *id)
{
    return g_hash_table_lookup(graph->by_id, id);
}

const GPtrArray *graph_nodes(const Graph *graph)
{
    return graph->sorted;
}

bool graph_is_missing(const GraphNode *node)
{
    const json_t *kind = json_object_get(node->entry, "kind");

    return kind != NULL && json_string_length(kind) == 0;
}

const char *graph_state_name(const GraphNode *node)
{
    return graph_is_missing(node) ? "failed" : value_string(node->entry, "state");
}

const char *graph_detail(const GraphNode *node)
{
    static const char *const plain[] = {"", "running", "dead", NULL};
    const char *state = value_string(node->entry, "state");
    const char *sub_state = value_string(node->entry, "sub_state");
    bool is_told = g_str_equal(state, "active") || g_str_equal(state, "inactive");

    return is_told && !g_strv_contains(plain, sub_state) ? sub_state : NULL;
}

char *graph_state(const GraphNode *node)
{
    const char *state = value_string(node->entry, "state");
    const char *detail = graph_detail(node);

    if (graph_is_missing(node))
        return g_strdup("missing");
    return detail != NULL ? g_strdup_printf("%s (%s)", state, detail) : g_strdup(state);
}

char *graph_reason(const GraphNode *node)
{
    const char *error = value_string(node->entry, "error");

    if (error[0] != '\0')
        return g_strdup(error);
    return record_waits(value_string(node->entry, "state"), value_string(node->entry, "sub_state"),
                        json_object_get(node->entry, "waiting_for"));
}
