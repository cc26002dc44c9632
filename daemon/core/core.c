/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the core shares, made in one place. */

#include "core/core.h"

#include "core/service.h"

Core *core_new(Clock *clock, TimerHost *timers, Random *random, uint64_t first_serial)
{
    Core *core = g_new0(Core, 1);
    core->clock = clock;
    core->timers = timers;
    core->random = random;
    core->feed = feed_new(clock, first_serial);
    core->queue = queue_new(timers, service_execute);
    return core;
}

void core_free(Core *core)
{
    if (core == NULL)
        return;
    queue_free(core->queue);
    feed_free(core->feed);
    g_free(core);
}
