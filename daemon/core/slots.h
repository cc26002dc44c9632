/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How many services may be starting at once. Who finds no room waits in a row: first come, first
 * served. A kind that only waits for others (Kind.coordinates) needs no room. */

#include "core/graph.h"

typedef struct Slots Slots;

/* max 0: no limit. */
Slots *slots_new(unsigned max);
void slots_free(Slots *slots); /* accepts NULL */
void slots_set_max(Slots *slots, unsigned max);
/* Room for one more, or false; nobody who waits is overtaken. node: who asks, or NULL for one that
 * has none and does not wait. */
bool slots_take(Slots *slots, const GraphNode *node);
/* It waits until there is room; its place stays the same if it asks again. */
void slots_wait(Slots *slots, GraphNode *node);
void slots_leave(Slots *slots, GraphNode *node); /* it waits no more, if it did */
/* One is done starting. */
void slots_release(Slots *slots);
/* Who may take the room that there is; NULL: nobody waits, or there is none. */
GraphNode *slots_next(Slots *slots);
unsigned slots_count(const Slots *slots); /* how many are starting */
