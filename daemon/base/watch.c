/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is the same for every watch host. */

#include "base/watch.h"

#include <stddef.h>

Watch *watch_new(WatchHost *host, int fd, uint32_t events, WatchPriority priority, WatchFunc func,
                 void *data)
{
    Watch *watch = host->create(host, fd, events, priority);

    if (watch == NULL)
        return NULL;
    watch->host = host;
    watch->fd = fd;
    watch->func = func;
    watch->data = data;
    return watch;
}

void watch_set_events(Watch *watch, uint32_t events)
{
    watch->host->set_events(watch, events);
}

uint64_t watch_count_others(const Watch *watch)
{
    return watch->host->count_others(watch);
}

void watch_free(Watch *watch)
{
    if (watch != NULL)
        watch->host->destroy(watch);
}
