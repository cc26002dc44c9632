/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First it is found out who is told of, with an upper bound of what that takes, and given up as
 * soon as it is more than an answer may hold; so a graph of millions of edges costs no more than
 * that. Nothing is looked at that is not told. */

#include "bus/graph-method.h"

#include "base/errors.h"
#include "bus/call.h"
#include "bus/connection.h"
#include "bus/options.h"

#include <stddef.h>
#include <string.h>

/* What one takes with empty texts and lists, and what a list takes beside its strings. */
#define GRAPH_ENTRY_BYTES 320
#define GRAPH_LIST_BYTES 48

typedef struct GraphArguments {
    GStrv ids;
    bool reverse;
} GraphArguments;

static const Option graph_options[] = {
        {"ids", "as", offsetof(GraphArguments, ids)},
        {"reverse", "b", offsetof(GraphArguments, reverse)},
        {NULL, NULL, 0},
};

bool method_graph_read(Call *call, GError **error)
{
    GraphArguments *arguments = call->arguments = g_new0(GraphArguments, 1);

    return options_read(call->message, graph_options, arguments, error);
}

void graph_arguments_free(void *arguments)
{
    options_clear(graph_options, arguments);
    g_free(arguments);
}

/* One that is told of. */
typedef struct GraphEntry {
    const char *id;         /* of the service, or of the node */
    const Service *service; /* NULL: it is only named */
    const GraphNode *node;  /* NULL: it has nothing to do with others */
} GraphEntry;

typedef struct GraphView {
    Map *map;
    GArray *entries;  /* of GraphEntry */
    GHashTable *seen; /* of their ids */
    uint64_t bytes;   /* an upper bound of the answer */
} GraphView;

static char *const *graph_entry_list(const GraphEntry *entry, Relation relation)
{
    if (entry->node == NULL || entry->node->dependencies == NULL)
        return NULL;
    return entry->node->dependencies->lists[relation];
}

static char *const *graph_entry_awaited(const GraphEntry *entry)
{
    return entry->service != NULL ? links_waiting_for(service_state(entry->service)->links) : NULL;
}

static const char *graph_entry_error(const GraphEntry *entry)
{
    const GError *error = entry->service != NULL ? service_state(entry->service)->error : NULL;

    return error != NULL ? error->message : "";
}

static uint64_t graph_list_bytes(char *const *list)
{
    return list != NULL ? GRAPH_LIST_BYTES + bus_strings_bytes(list) : 0;
}

static uint64_t graph_entry_bytes(const GraphEntry *entry)
{
    uint64_t bytes = GRAPH_ENTRY_BYTES + strlen(entry->id) + strlen(graph_entry_error(entry));

    for (Relation relation = 0; relation < _RELATION_MAX; relation++)
        bytes += graph_list_bytes(graph_entry_list(entry, relation));
    return bytes + graph_list_bytes(graph_entry_awaited(entry));
}

/* Who is told of */

/* False: it is too much. */
static bool graph_view_add(GraphView *view, const GraphEntry *entry)
{
    if (!g_hash_table_add(view->seen, (void *)entry->id))
        return true;
    g_array_append_vals(view->entries, entry, 1);
    view->bytes += graph_entry_bytes(entry);
    return view->bytes <= BUS_MAX_MANAGED_OBJECTS_BYTES;
}

static bool graph_view_add_service(GraphView *view, const Service *service)
{
    return graph_view_add(view, &(GraphEntry){.id = service_id(service),
                                              .service = service,
                                              .node = service_node(service)});
}

static bool graph_view_add_node(GraphView *view, const GraphNode *node)
{
    return graph_view_add(view,
                          &(GraphEntry){.id = node->id, .service = node->service, .node = node});
}

/* Those at the other ends of its edges. */
static bool graph_view_add_neighbours(GraphView *view, GPtrArray *const edges[_RELATION_MAX],
                                      bool only_missing)
{
    for (Relation relation = 0; relation < _RELATION_MAX; relation++) {
        const GPtrArray *list = edges[relation];

        for (unsigned i = 0; list != NULL && i < list->len; i++) {
            const GraphNode *node = g_ptr_array_index(list, i);

            if (!(only_missing && node->service != NULL) && !graph_view_add_node(view, node))
                return false;
        }
    }
    return true;
}

static bool graph_view_add_all(GraphView *view)
{
    const Service *service = NULL;

    while ((service = map_next(view->map, service != NULL ? service_id(service) : NULL)) != NULL) {
        const GraphNode *node = service_node(service);

        if (!graph_view_add_service(view, service) ||
            (node != NULL && !graph_view_add_neighbours(view, node->out, true)))
            return false;
    }
    return true;
}

/* A service, or a name that somebody gives; else NotFound. */
static bool graph_view_check(const GraphView *view, const char *id, GError **error)
{
    return graph_find(map_core(view->map)->graph, id) != NULL ||
           map_get(view->map, id, error) != NULL;
}

static bool graph_view_add_id(GraphView *view, const char *id)
{
    const GraphNode *node = graph_find(map_core(view->map)->graph, id);

    return node != NULL ? graph_view_add_node(view, node)
                        : graph_view_add_service(view, map_find(view->map, id));
}

static bool graph_view_add_reached(GraphView *view, char *const *ids, bool reverse)
{
    for (; *ids != NULL; ids++) {
        if (!graph_view_add_id(view, *ids))
            return false;
    }
    for (unsigned i = 0; i < view->entries->len; i++) { /* it grows on the way */
        const GraphNode *node = g_array_index(view->entries, GraphEntry, i).node;

        if (node != NULL && !graph_view_add_neighbours(view, reverse ? node->in : node->out, false))
            return false;
    }
    return true;
}

static bool graph_view_fill(GraphView *view, const GraphArguments *arguments, GError **error)
{
    bool fits;

    for (char **id = arguments->ids; id != NULL && *id != NULL; id++) {
        if (!graph_view_check(view, *id, error))
            return false;
    }
    fits = arguments->ids != NULL ? graph_view_add_reached(view, arguments->ids, arguments->reverse)
                                  : graph_view_add_all(view);
    return fits || error_set(error, ERROR_LIMIT_EXCEEDED,
                             "that is more than an answer may hold (%u MiB); ask for some of the "
                             "services (option 'ids')",
                             (unsigned)(BUS_MAX_MANAGED_OBJECTS_BYTES >> 20));
}

/* The answer */

static int graph_compare_entries(const void *a, const void *b)
{
    const GraphEntry *x = a, *y = b;

    return strcmp(x->id, y->id);
}

static void graph_write_entry(Writer *writer, const GraphEntry *entry)
{
    const StateRecord *state = entry->service != NULL ? service_state(entry->service) : NULL;

    writer_open(writer, 'a', "{sv}");
    writer_entry_string(writer, "id", entry->id);
    writer_entry_string(writer, "kind", state != NULL ? service_kind(entry->service)->name : "");
    writer_entry_string(writer, "state", state != NULL ? state_to_string(state->state) : "");
    writer_entry_string(writer, "sub_state", state != NULL ? state->sub_state : "");
    writer_entry_string(writer, "error", graph_entry_error(entry));
    for (Relation relation = 0; relation < _RELATION_MAX; relation++)
        writer_entry_strings(writer, relation_to_string(relation),
                             graph_entry_list(entry, relation));
    writer_entry_strings(writer, "waiting_for", graph_entry_awaited(entry));
    writer_close(writer);
}

static bool graph_answer(Call *call, GraphView *view, GError **error)
{
    Writer writer;

    if (!connection_may_answer(call->connection, view->bytes, error))
        return false;
    g_array_sort(view->entries, graph_compare_entries);
    writer = call_reply_begin(call);
    writer_open(&writer, 'a', "a{sv}");
    for (unsigned i = 0; i < view->entries->len; i++)
        graph_write_entry(&writer, &g_array_index(view->entries, GraphEntry, i));
    writer_close(&writer);
    call_reply(call, &writer);
    return true;
}

bool method_graph_act(Call *call, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(GraphEntry));
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GraphView view = {.map = call->bus->map, .entries = entries, .seen = seen};

    return graph_view_fill(&view, call->arguments, error) && graph_answer(call, &view, error);
}
