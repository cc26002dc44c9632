/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three lists, run from deferred calls: settling until nobody is left, what frees as far as it was
 * there before, then one apply, then the loop has its turn. */

#include "core/queue.h"

#include <glib.h>

typedef struct QueueList {
    QueueEntry *first;
    QueueEntry *last;
    size_t count;
} QueueList;

struct Queue {
    TimerHost *timers;
    const QueueExecute *execute; /* by class */
    QueueList lists[_QUEUE_MAX];
    bool posted;
};

static void queue_post(Queue *queue);

static void queue_list_append(QueueList *list, QueueEntry *entry)
{
    entry->previous = list->last;
    entry->next = NULL;
    if (list->last != NULL)
        list->last->next = entry;
    else
        list->first = entry;
    list->last = entry;
    list->count++;
}

static void queue_list_unlink(QueueList *list, QueueEntry *entry)
{
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        list->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        list->last = entry->previous;
    entry->next = NULL;
    entry->previous = NULL;
    list->count--;
}

static void queue_execute_first(Queue *queue, QueueClass queue_class)
{
    QueueEntry *entry = queue->lists[queue_class].first;
    if (entry == NULL)
        return;
    queue_remove(queue, entry);
    queue->execute[queue_class](entry->owner);
}

/* The order of services has no cycle, so what settling marks comes to an end. */
static void queue_settle(Queue *queue)
{
    while (queue->lists[QUEUE_SETTLE].count > 0)
        queue_execute_first(queue, QUEUE_SETTLE);
}

static bool queue_is_empty(const Queue *queue)
{
    for (int i = 0; i < _QUEUE_MAX; i++) {
        if (queue->lists[i].count > 0)
            return false;
    }
    return true;
}

/* What is queued while this runs waits for the next turn, so a kind that fails at once cannot keep
 * the loop here. */
static void queue_on_turn(void *data)
{
    Queue *queue = data;
    size_t n_free = queue->lists[QUEUE_FREE].count, n_apply = queue->lists[QUEUE_APPLY].count;
    queue->posted = false;
    queue_settle(queue);
    for (; n_free > 0; n_free--)
        queue_execute_first(queue, QUEUE_FREE);
    if (n_apply > 0)
        queue_execute_first(queue, QUEUE_APPLY);
    if (!queue_is_empty(queue))
        queue_post(queue);
}

static void queue_post(Queue *queue)
{
    if (queue->posted)
        return;
    queue->posted = true;
    timer_host_defer(queue->timers, queue_on_turn, queue);
}

Queue *queue_new(TimerHost *timers, const QueueExecute execute[_QUEUE_MAX])
{
    Queue *queue = g_new0(Queue, 1);
    queue->timers = timers;
    queue->execute = execute;
    return queue;
}

void queue_free(Queue *queue)
{
    if (queue == NULL)
        return;
    g_assert(queue_is_empty(queue));
    g_free(queue);
}

void queue_add(Queue *queue, QueueEntry *entry, QueueClass queue_class)
{
    if (entry->queued && entry->queue_class == queue_class)
        return;
    queue_remove(queue, entry);
    entry->queued = true;
    entry->queue_class = queue_class;
    queue_list_append(&queue->lists[queue_class], entry);
    queue_post(queue);
}

void queue_remove(Queue *queue, QueueEntry *entry)
{
    if (!entry->queued)
        return;
    entry->queued = false;
    queue_list_unlink(&queue->lists[entry->queue_class], entry);
}
