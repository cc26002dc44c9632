/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that requests leave behind. A service is in it at most once. First what frees
 * (cancel, stop) is executed, all that is there; then applies, one per turn of the loop, so that a
 * thousand starts never keep a call waiting for more than one spawn. */

#include "base/timer.h"

#include <stdbool.h>

typedef struct Service Service;
typedef struct Queue Queue;

typedef enum QueueClass {
    QUEUE_FREE,  /* all in one turn */
    QUEUE_APPLY, /* one per turn */
    _QUEUE_MAX,
} QueueClass;

/* Embedded in each service. */
typedef struct QueueEntry {
    Service *service;
    struct QueueEntry *next;
    struct QueueEntry *previous;
    QueueClass queue_class;
    bool queued;
} QueueEntry;

typedef void (*QueueExecute)(Service *service);

Queue *queue_new(TimerHost *timers, QueueExecute execute);
/* Must be empty. Accepts NULL. */
void queue_free(Queue *queue);
/* Appends; an entry already queued in the other class moves. */
void queue_add(Queue *queue, QueueEntry *entry, QueueClass queue_class);
void queue_remove(Queue *queue, QueueEntry *entry);
