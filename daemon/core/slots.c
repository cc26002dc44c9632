/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A count and a row. */

#include "core/slots.h"

struct Slots {
    unsigned max; /* 0: no limit */
    unsigned n_taken;
    GQueue row; /* of GraphNode */
};

Slots *slots_new(unsigned max)
{
    Slots *slots = g_new0(Slots, 1);
    slots->max = max;
    g_queue_init(&slots->row);
    return slots;
}

void slots_free(Slots *slots)
{
    if (slots == NULL)
        return;
    g_assert(g_queue_is_empty(&slots->row));
    g_free(slots);
}

void slots_set_max(Slots *slots, unsigned max)
{
    slots->max = max;
}

static bool slots_have_room(const Slots *slots)
{
    return slots->max == 0 || slots->n_taken < slots->max;
}

bool slots_take(Slots *slots, const GraphNode *node)
{
    GraphNode *first = g_queue_peek_head(&slots->row);
    if (!slots_have_room(slots) || (first != NULL && first != node))
        return false;
    if (first != NULL)
        slots_leave(slots, first);
    slots->n_taken++;
    return true;
}

void slots_wait(Slots *slots, GraphNode *node)
{
    if (node->place.data != NULL)
        return;
    node->place.data = node;
    g_queue_push_tail_link(&slots->row, &node->place);
}

void slots_leave(Slots *slots, GraphNode *node)
{
    if (node->place.data == NULL)
        return;
    node->place.data = NULL;
    g_queue_unlink(&slots->row, &node->place);
}

void slots_release(Slots *slots)
{
    g_assert(slots->n_taken > 0);
    slots->n_taken--;
}

GraphNode *slots_next(Slots *slots)
{
    return slots_have_room(slots) ? g_queue_peek_head(&slots->row) : NULL;
}

unsigned slots_count(const Slots *slots)
{
    return slots->n_taken;
}
