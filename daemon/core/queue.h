/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that requests and moves leave behind. An entry is in it at most once. In a turn of the loop
 * first everybody settles who has to look again, and whom they mark; then what frees (cancel, stop)
 * is executed, all that was there when the turn began; then one apply, so that a thousand starts
 * never keep a call waiting for more than one spawn. What settling has queued comes in the next
 * turn. */

#include "base/timer.h"

#include <stdbool.h>

typedef struct Queue Queue;

typedef enum QueueClass {
    QUEUE_SETTLE, /* until nobody is left */
    QUEUE_FREE,   /* all in one turn */
    QUEUE_APPLY,  /* one per turn */
    _QUEUE_MAX,
} QueueClass;

/* Embedded in who has work to do. */
typedef struct QueueEntry {
    void *owner; /* for QueueExecute */
    struct QueueEntry *next;
    struct QueueEntry *previous;
    QueueClass queue_class;
    bool queued;
} QueueEntry;

typedef void (*QueueExecute)(void *owner);

/* execute: by class; must outlive it. */
Queue *queue_new(TimerHost *timers, const QueueExecute execute[_QUEUE_MAX]);
/* Must be empty. Accepts NULL. */
void queue_free(Queue *queue);
/* Appends; an entry already queued in the other class moves. */
void queue_add(Queue *queue, QueueEntry *entry, QueueClass queue_class);
void queue_remove(Queue *queue, QueueEntry *entry);
