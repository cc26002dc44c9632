/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting for a file descriptor, as an interface: process/loop implements it over sd-event,
 * base/virtual for tests (where a test fires it by hand). Level triggered. The descriptor stays the
 * caller's and must stay open until watch_free. */

#include <stdint.h>

typedef struct Watch Watch;
typedef struct WatchHost WatchHost;
/* events: what is there of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. */
typedef void (*WatchFunc)(uint32_t events, void *data);

/* Strict order of the loop; lower runs first. The one place where it is written down. A flood in
 * one class starves only the classes below it, so bus, deaths and notify share one. */
typedef enum WatchPriority {
    WATCH_PRIORITY_SIGNAL = -1,
    WATCH_PRIORITY_NORMAL = 0, /* bus, deaths, notify, timers, deferred calls */
    WATCH_PRIORITY_PROBE = 1,  /* and timers that come last */
    WATCH_PRIORITY_OUTPUT = 2,
} WatchPriority;

struct Watch {
    WatchHost *host;
    int fd;
    WatchFunc func;
    void *data;
};

struct WatchHost {
    /* NULL and errno set on failure (ENOMEM, EPERM for a descriptor that cannot be polled). */
    Watch *(*create)(WatchHost *host, int fd, uint32_t events, WatchPriority priority);
    void (*destroy)(Watch *watch);
    void (*set_events)(Watch *watch, uint32_t events);
    uint64_t (*count_others)(const Watch *watch);
};

Watch *watch_new(WatchHost *host, int fd, uint32_t events, WatchPriority priority, WatchFunc func,
                 void *data);
/* What is watched for from now on; 0: nothing, but EPOLLHUP and EPOLLERR come all the same. Cannot
 * fail. For a descriptor that is itself an epoll with many in it this costs far less than a new
 * watch, for which the kernel looks at all of them. What this turn of the loop has seen already may
 * still come. */
void watch_set_events(Watch *watch, uint32_t events);
/* To be asked in the watch's own function: how often the loop has served something of another
 * priority since it served this one's before. */
uint64_t watch_count_others(const Watch *watch);
/* Accepts NULL. May be called from the watch's own function. */
void watch_free(Watch *watch);
