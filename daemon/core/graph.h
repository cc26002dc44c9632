/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who has to do with whom: a node for each service that names others or is named, also for names of
 * which there is no service (yet). Edges are pointers in both directions, so that what follows from
 * a change is found without a search. A service that has nothing to do with others has no node.
 *
 * The order: A comes after B if A requires B, is `after` B, B is `before` A, or A has the member B.
 * It has no cycle: a configuration that would close one is refused. */

#include "core/dependencies.h"
#include "core/queue.h"

typedef struct Service Service;
typedef struct Timer Timer;
typedef struct Graph Graph;
typedef struct GraphNode GraphNode;

/* What a move of a service that this one is part of asks of it, until it is settled. */
typedef enum Follow {
    FOLLOW_NOTHING,
    FOLLOW_RESTART,
    FOLLOW_STOP,
} Follow;

struct GraphNode {
    Graph *graph;
    char *id;                   /* a GRefString */
    Service *service;           /* borrowed; NULL: there is none of this id */
    Dependencies *dependencies; /* NULL: it names nobody */
    /* Of GraphNode; NULL: none. out: in the order of the lists; in: by id. */
    GPtrArray *out[_RELATION_MAX];
    GPtrArray *in[_RELATION_MAX];

    /* For settle.c. */
    QueueEntry entry;
    Timer *grace; /* made when something that it must keep up with goes away */
    /* Monotonic: since when that is looked at; and when the service has ceased to be what others
     * require. */
    uint64_t kept_up_usec;
    uint64_t away_since_usec;
    Follow follow : 8;
    bool blocked : 1;       /* it waits for what nobody brings */
    GList place;            /* for slots.c: in the row, if it has data */
    bool pinned : 1;        /* stays although nothing refers to it (see slots.h) */
    bool appeared : 1;      /* its service has just come: somebody may wait for it to be started */
    bool links_changed : 1; /* its record has to say so */
    unsigned brought;       /* for plan.c: nobody has fallen since all that it waits for came up */
    unsigned mark;          /* for walks: equal to the graph's last, it was seen */
    unsigned pending;       /* for graph_sort: neighbours that are not in the result yet */
    unsigned listed;        /* for graph_each_before and graph_each_after */
};

typedef Service *(*GraphFind)(void *data, const char *id); /* or NULL */

/* Who is told of what changes in the graph; only marks, and looks later. */
typedef struct GraphEyes {
    void (*on_present)(GraphNode *node); /* its service has come, or is about to go */
    void (*on_links)(GraphNode *node);   /* others name it, or it names others, than before */
    void (*on_order)(GraphNode *node);   /* it may have to wait for others than before */
} GraphEyes;

/* eyes: borrowed. queue: where nodes are queued for settling; one that goes is taken from it. */
Graph *graph_new(Queue *queue, const GraphEyes *eyes);
/* Accepts NULL. Before the queue. */
void graph_free(Graph *graph);
/* Who knows the services that are there (the map). */
void graph_set_finder(Graph *graph, GraphFind find, void *data);

GraphNode *graph_find(const Graph *graph, const char *id); /* or NULL */
/* By the finder; or NULL. */
Service *graph_find_service(const Graph *graph, const char *id);
/* The node of a service that is there, made if it has none; see GraphNode.pinned. */
GraphNode *graph_pin(Graph *graph, Service *service);
/* The node may be gone then. */
void graph_unpin(GraphNode *node);
/* From settle_look, at its end: a node that nothing refers to stays for the look that is due, and
 * goes now, unless it has to look again. */
void graph_tidy(GraphNode *node);

/* A service is there (it was published), with what it names; or is not any more. Both reach its
 * service_set_node, and GraphEyes.on_present. */
void graph_attach(Graph *graph, Service *service, Dependencies *dependencies);
void graph_detach(Graph *graph, Service *service);
/* What a service that is attached names from now on; NULL: nobody. All three mark those whose
 * requirers have changed, and those who may wait for others than before. */
void graph_change(Graph *graph, Service *service, Dependencies *dependencies);

/* What would be: names alone, with the edges of graph. To be changed by graph_sketch and looked at
 * by graph_check and the walks; it shares the queue of graph. Free with graph_free. */
Graph *graph_new_sketch(const Graph *graph);
/* What id would name, in a sketch; NULL: nobody. It closes no cycle (graph_check). */
void graph_sketch(Graph *sketch, const char *id, Dependencies *dependencies);

/* Whether id may have these dependencies: it does not name itself, and closes no cycle with what is
 * there; else DependencyCycle, with the shortest path: "the order would have a cycle: web after db,
 * db requires disk, disk after web". dependencies may be NULL. Costs what is reachable from it, and
 * nothing where nothing comes after it. */
bool graph_check(Graph *graph, const char *id, const Dependencies *dependencies, GError **error);

/* Nobody comes after id, and nobody would by these dependencies (may be NULL): whatever they name,
 * they close no cycle. */
bool graph_is_last(const Graph *graph, const char *id, const Dependencies *dependencies);

/* Walking the order. Called for each neighbour (each once, though several relations name it); it
 * may walk, too, but not change edges. Members count for cycles alone: a group itself waits for
 * what it starts and stops. */
typedef void (*GraphVisit)(GraphNode *neighbour, void *data);
void graph_each_before(GraphNode *node, GraphVisit visit, void *data); /* what it comes after */
void graph_each_after(GraphNode *node, GraphVisit visit, void *data);  /* what comes after it */
void graph_each(GPtrArray *edges, GraphVisit visit, void *data);       /* edges may be NULL */
bool graph_has_edge(const GPtrArray *edges, const GraphNode *to);      /* edges may be NULL */

/* All nodes, each after those that it comes after (by members, too), by id where nothing orders.
 * Free with g_ptr_array_unref; of GraphNode, borrowed. */
GPtrArray *graph_sort(Graph *graph);
/* A new mark for a walk of one's own (GraphNode.mark). */
unsigned graph_begin_walk(Graph *graph);
/* Something in it has come to be down, or not to come back, or who names whom is another matter:
 * what was found out of who is on its way (GraphNode.brought) is to be found out again. */
void graph_note_fall(Graph *graph);
unsigned graph_falls(const Graph *graph); /* never 0 */
/* From here on services come and go without anybody looking: everything is coming to its end. */
void graph_close(Graph *graph);
bool graph_is_closed(const Graph *graph);
/* Ids of those that require it or have it as a member, sorted, at most n; NULL: nobody. */
char **graph_required_by(const GraphNode *node, size_t n);
size_t graph_n_nodes(const Graph *graph);
