/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "graph-fixture.h"

#include "base/errors.h"
#include "core/graph-private.h"

Graph *graph;

static CoreFixture fixture;
static GHashTable *services; /* by id; owns them */
static GPtrArray *told;

/* In place of settling. */

static void graph_tell(const char *what, GraphNode *node)
{
    g_ptr_array_add(told, g_strdup_printf("%s %s", what, node->id));
}

static void on_graph_present(GraphNode *node)
{
    g_assert_nonnull(node->service);
    graph_tell("present", node);
}

static void on_graph_links(GraphNode *node)
{
    graph_tell("links", node);
}

static void on_graph_order(GraphNode *node)
{
    graph_tell("mark", node);
}

static const GraphEyes eyes = {
        .on_present = on_graph_present,
        .on_links = on_graph_links,
        .on_order = on_graph_order,
};

/* Services */

static Service *graph_on_find(void *data, const char *id)
{
    return g_hash_table_lookup(data, id);
}

static void graph_free_service(void *service)
{
    service_unref(service);
}

void graph_setup(void)
{
    core_fixture_init(&fixture);
    services = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, graph_free_service);
    told = g_ptr_array_new_with_free_func(g_free);
    graph = graph_new(fixture.core->queue, &eyes);
    graph_set_finder(graph, graph_on_find, services);
}

void graph_teardown(void)
{
    g_autoptr(GList) ids = g_hash_table_get_keys(services);
    for (GList *id = ids; id != NULL; id = id->next)
        graph_lose(id->data);
    assert_graph_invariants();
    g_assert_cmpuint(graph_n_nodes(graph), ==, 0);
    graph_free(graph);
    g_hash_table_unref(services);
    g_ptr_array_unref(told);
    core_fixture_done(&fixture);
}

Dependencies *graph_lists(const char *text)
{
    Dependencies *dependencies = dependencies_new();
    g_auto(GStrv) lists = g_strsplit(text != NULL ? text : "", "; ", -1);
    for (char **list = lists; *list != NULL; list++) {
        g_auto(GStrv) words = g_strsplit(*list, " ", -1);
        Relation relation = relation_from_string(words[0]);
        g_assert_cmpint(relation, >=, 0);
        g_assert_null(dependencies->lists[relation]);
        dependencies->lists[relation] = g_strdupv(words + 1);
    }
    return dependencies;
}

Service *graph_service(const char *id)
{
    return g_hash_table_lookup(services, id);
}

static void graph_accept(const char *id, const Dependencies *dependencies)
{
    g_autoptr(GError) error = NULL;
    graph_check(graph, id, dependencies, &error);
    g_assert_no_error(error);
}

Service *graph_have(const char *id, const char *text)
{
    g_autoptr(Dependencies) dependencies = graph_lists(text);
    graph_accept(id, dependencies);
    g_assert_null(graph_service(id));
    Service *service = service_new(fixture.core, id, &kind_fake);
    g_hash_table_insert(services, (void *)service_id(service), service);
    graph_attach(graph, service, dependencies);
    return service;
}

void graph_say(const char *id, const char *text)
{
    g_autoptr(Dependencies) dependencies = graph_lists(text);
    graph_accept(id, dependencies);
    graph_change(graph, graph_service(id), dependencies);
}

void graph_lose(const char *id)
{
    Service *service = graph_service(id);
    graph_detach(graph, service);
    g_assert_null(service_node(service));
    g_hash_table_remove(services, id);
}

char *graph_refusal(const char *id, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Dependencies) dependencies = graph_lists(text);
    if (graph_check(graph, id, dependencies, &error))
        return NULL;
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_DEPENDENCY_CYCLE);
    return g_strdup(error->message);
}

/* What is seen */

static int graph_compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *graph_join(GPtrArray *strings, const char *separator)
{
    g_ptr_array_add(strings, NULL);
    return g_strjoinv(separator, (char **)strings->pdata);
}

void assert_told(const char *expected)
{
    g_ptr_array_sort(told, graph_compare_strings);
    g_autofree char *got = graph_join(told, ", ");
    g_ptr_array_set_size(told, 0);
    if (expected != NULL)
        g_assert_cmpstr(got, ==, expected);
}

char *graph_ids(const GPtrArray *nodes, bool sorted)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    for (unsigned i = 0; nodes != NULL && i < nodes->len; i++)
        g_ptr_array_add(ids, ((GraphNode *)nodes->pdata[i])->id);
    if (sorted)
        g_ptr_array_sort(ids, graph_compare_strings);
    return graph_join(ids, " ");
}

void assert_edges(const GPtrArray *edges, const char *expected)
{
    g_autofree char *got = graph_ids(edges, true);
    g_assert_cmpstr(got, ==, expected);
}

static unsigned graph_count(const GPtrArray *edges, const GraphNode *node)
{
    unsigned count = 0;
    for (unsigned i = 0; edges != NULL && i < edges->len; i++)
        count += edges->pdata[i] == node;
    return count;
}

/* The lists of the dependencies are the edges out, in their order, and each is at its other end. */
static unsigned assert_node_edges(GraphNode *node)
{
    unsigned n_edges = 0;
    for (Relation relation = 0; relation < _RELATION_MAX; relation++) {
        GPtrArray *out = node->out[relation], *in = node->in[relation];
        char **ids = node->dependencies != NULL ? node->dependencies->lists[relation] : NULL;
        g_assert_cmpuint(out != NULL ? out->len : 0, ==, ids != NULL ? g_strv_length(ids) : 0);
        for (unsigned i = 0; out != NULL && i < out->len; i++) {
            GraphNode *named = out->pdata[i];
            g_assert_cmpstr(named->id, ==, ids[i]);
            g_assert_true(graph_find(graph, named->id) == named);
            g_assert_cmpuint(graph_count(named->in[relation], node), ==, 1);
        }
        for (unsigned i = 0; in != NULL && i < in->len; i++) {
            GraphNode *naming = in->pdata[i];
            g_assert_true(graph_find(graph, naming->id) == naming);
            g_assert_cmpuint(graph_count(naming->out[relation], node), ==, 1);
            if (i > 0)
                g_assert_cmpstr(((GraphNode *)in->pdata[i - 1])->id, <, naming->id);
        }
        g_assert_true(in == NULL || in->len > 0);
        n_edges += (out != NULL ? out->len : 0) + (in != NULL ? in->len : 0);
    }
    return n_edges;
}

void assert_graph_invariants(void)
{
    GHashTableIter iter;
    void *data;
    g_hash_table_iter_init(&iter, graph->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        GraphNode *node = data;
        unsigned n_edges = assert_node_edges(node);
        g_assert_true(n_edges > 0 || node->pinned);
        g_assert_true(node->service == graph_service(node->id));
        g_assert_true(node->service == NULL || service_node(node->service) == node);
        g_assert_true(node->service != NULL || node->dependencies == NULL);
    }
}
