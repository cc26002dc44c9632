/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What graph.c (nodes and edges) and graph-order.c (what the edges say of the order) share, and
 * nobody else sees. */

#include "core/graph.h"

struct Graph {
    GHashTable *nodes; /* by id; owns them */
    Queue *queue;
    const GraphEyes *eyes;
    GraphFind find; /* NULL: there are no services but those attached */
    void *find_data;
    bool is_closed;
    unsigned falls;
    unsigned mark;   /* the last that was given to a walk */
    unsigned listed; /* likewise, for neighbours */
};
