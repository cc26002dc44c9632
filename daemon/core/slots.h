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
/* Room for one more, or false; nobody who waits is overtaken. */
bool slots_take(Slots *slots, GraphNode *node);
/* It waits until there is room; its place stays the same if it asks again. */
void slots_wait(Slots *slots, GraphNode *node);
void slots_leave(Slots *slots, GraphNode *node); /* it waits no more */
/* One is done starting: who is first in the row, or NULL, may take the room. */
GraphNode *slots_release(Slots *slots);
