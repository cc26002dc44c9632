/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two lists, run from deferred calls: the freeing one whole, then one apply, then the loop has its
 * turn. */

#include "core/queue.h"

#include <glib.h>

typedef struct QueueList {
    QueueEntry *first;
    QueueEntry *last;
    size_t count;
} QueueList;

struct Queue {
    TimerHost *timers;
    QueueExecute execute;
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
    queue->execute(entry->service);
}

/* What is queued while this runs waits for the next turn, so a kind that fails at once cannot keep
 * the loop here. */
static void queue_on_turn(void *data)
{
    Queue *queue = data;
    queue->posted = false;
    for (size_t n = queue->lists[QUEUE_FREE].count; n > 0; n--)
        queue_execute_first(queue, QUEUE_FREE);
    queue_execute_first(queue, QUEUE_APPLY);
    if (queue->lists[QUEUE_FREE].count > 0 || queue->lists[QUEUE_APPLY].count > 0)
        queue_post(queue);
}

static void queue_post(Queue *queue)
{
    if (queue->posted)
        return;
    queue->posted = true;
    timer_host_defer(queue->timers, queue_on_turn, queue);
}

Queue *queue_new(TimerHost *timers, QueueExecute execute)
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
    g_assert(queue->lists[QUEUE_FREE].count == 0 && queue->lists[QUEUE_APPLY].count == 0);
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
