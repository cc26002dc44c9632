/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who has to do with whom, as GetDependencyGraph tells it, in both directions. Pure. */

#include "value.h"

/* The strongest first: of two services it is the first that is named. That one is before another is
 * here that the other is after it, and a conflict is mutual. */
typedef enum GraphRelation {
    GRAPH_REQUIRES,
    GRAPH_MEMBERS,
    GRAPH_WANTS,
    GRAPH_PART_OF,
    GRAPH_AFTER,
    GRAPH_CONFLICTS,
    _GRAPH_RELATION_MAX,
} GraphRelation;

typedef struct GraphNode {
    const char *id;
    const json_t *entry; /* NULL: the daemon has not told of it, but others name it */
    /* Of GraphNode, none twice. out: whom it names, in the order of its lists; in: who names it. */
    GPtrArray *out[_GRAPH_RELATION_MAX];
    GPtrArray *in[_GRAPH_RELATION_MAX];
} GraphNode;

typedef struct Graph Graph;

/* entries: an array of objects, which must outlive it. */
Graph *graph_new(const json_t *entries);
void graph_free(Graph *graph); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Graph, graph_free)

GraphNode *graph_find(const Graph *graph, const char *id); /* or NULL */
/* Of GraphNode, in the order of ids; borrowed. */
const GPtrArray *graph_nodes(const Graph *graph);

/* Named by others, and not there. */
bool graph_is_missing(const GraphNode *node);
/* "active", "active (exited)", "missing"; "" if the daemon has not told. A new string. */
char *graph_state(const GraphNode *node);
/* "exited"; NULL: what its state does not say already is of no interest. Borrowed. */
const char *graph_detail(const GraphNode *node);
/* The state without it, for its colour; "missing" is "failed" then. */
const char *graph_state_name(const GraphNode *node);
/* Why it is not as it should be: its error, or what it waits for; NULL: all is well. */
char *graph_reason(const GraphNode *node);
