/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the core shares, made in one place. */

#include "core/core.h"

#include "core/service.h"
#include "core/settle.h"

static void on_core_work(void *service)
{
    service_execute(service);
}

static void on_core_settle(void *node)
{
    settle_look(node);
}

static const QueueExecute core_work[_QUEUE_MAX] = {
        [QUEUE_SETTLE] = on_core_settle,
        [QUEUE_FREE] = on_core_work,
        [QUEUE_APPLY] = on_core_work,
};

static const GraphEyes core_eyes = {
        .on_present = settle_note_present,
        .on_links = settle_note_links,
        .on_order = settle_mark,
};

Core *core_new(Clock *clock, TimerHost *timers, Random *random, uint64_t first_serial)
{
    Core *core = g_new0(Core, 1);
    core->clock = clock;
    core->timers = timers;
    core->random = random;
    core->feed = feed_new(clock, first_serial);
    core->queue = queue_new(timers, core_work);
    core->graph = graph_new(core->queue, &core_eyes);
    core->slots = slots_new(0);
    return core;
}

void core_free(Core *core)
{
    if (core == NULL)
        return;
    graph_free(core->graph); /* with what it has queued */
    queue_free(core->queue);
    slots_free(core->slots);
    feed_free(core->feed);
    g_free(core);
}
