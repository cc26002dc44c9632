/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the core is given and shares: clock, timers, randomness, the feed of changes, the queue
 * of work and the graph of services. Created once by the composition root, or by each test. */

#include "base/clock.h"
#include "base/random.h"
#include "base/timer.h"
#include "core/feed.h"
#include "core/graph.h"
#include "core/queue.h"
#include "core/slots.h"

typedef struct Core Core;
struct Core {
    Clock *clock;
    TimerHost *timers;
    Random *random;
    Feed *feed;
    Queue *queue;
    Graph *graph;
    Slots *slots;
};

/* clock, timers and random stay the caller's and must outlive it. Serials start at first_serial. */
Core *core_new(Clock *clock, TimerHost *timers, Random *random, uint64_t first_serial);
/* Every service must be gone. Accepts NULL. */
void core_free(Core *core);
