/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The graph as people draw it: below each service what it needs, or, in reverse, who needs it.
 * Pure.
 *
 * Walked through is what a start takes along: requires, members, wants. That one is part of
 * another, comes after it or is in conflict with it is shown, but not followed. Of several
 * relations of the same two services the first of GraphRelation is told. What is below one that was
 * shown before is not shown again. */

#include "graph.h"
#include "output.h"

/* What is deeper has a tree of its own. */
#define TREE_DEPTH_MAX 64

typedef struct TreeOptions {
    bool reverse;
    bool everything; /* also order and conflicts that nobody waits for at the moment */
} TreeOptions;

/* The trees of these services (NULL-terminated; each is in the graph), or, without any, of all that
 * have to do with others: an array of objects with the members of an entry, but no lists; relation
 * ("" of a root), children (array, where there are some), repeated (true: what is below stands
 * where it was shown first), deeper (true: what is below stands in a later tree). ret_n_others: how
 * many are in no tree, for they have nothing to do with others; may be NULL. */
json_t *tree_new(const Graph *graph, char *const *ids, const TreeOptions *options,
                 size_t *ret_n_others);
/* Lines with their ends, made harmless. A new string. */
char *tree_text(const Output *output, const json_t *trees);
