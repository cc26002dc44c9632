/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watches of a priority share an epoll of their own, of which sd-event sees only one
 * descriptor. sd-event serves one source a turn, and in each turn the kernel looks anew at all
 * descriptors that are ready: when thousands of programs die at once, that would be thousands of
 * times all of them. Here a turn serves a few, and the others of the same priority have theirs
 * after that. */

#include "process/watches.h"

#include "base/fds.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* More make a storm cheaper, and who waits for the bus wait longer. */
#define WATCHES_PER_TURN 16
#define WATCHES_PRIORITIES (WATCH_PRIORITY_OUTPUT - WATCH_PRIORITY_SIGNAL + 1)

typedef struct WatchGroup WatchGroup;

typedef struct GroupWatch {
    Watch watch;
    WatchGroup *group;
} GroupWatch;

struct WatchGroup {
    int fd;
    sd_event_source *source;
    GroupWatch *turn[WATCHES_PER_TURN]; /* served in this turn; NULL: freed meanwhile */
    int n_turn;
    uint64_t iteration; /* of the loop, when it was this one's turn */
    uint64_t n_others;  /* since the turn before */
};

struct Watches {
    WatchHost host;
    WatchGroup groups[WATCHES_PRIORITIES];
};

/* sd-event serves one source in each iteration. */
static void watches_note_others(WatchGroup *group)
{
    uint64_t before = group->iteration;

    if (sd_event_get_iteration(sd_event_source_get_event(group->source), &group->iteration) < 0)
        group->iteration = before; /* cannot be */
    group->n_others = group->iteration > before ? group->iteration - before - 1 : 0;
}

static int on_watches_turn(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct epoll_event events[WATCHES_PER_TURN];
    WatchGroup *group = userdata;

    watches_note_others(group);
    group->n_turn = MAX(epoll_wait(fd, events, WATCHES_PER_TURN, 0), 0);
    for (int i = 0; i < group->n_turn; i++)
        group->turn[i] = events[i].data.ptr;
    for (int i = 0; i < group->n_turn; i++) {
        const GroupWatch *watch = group->turn[i];

        if (watch != NULL)
            watch->watch.func(events[i].events, watch->watch.data);
    }
    group->n_turn = 0;
    return 0;
}

static int watches_open_group(WatchGroup *group, sd_event *event, WatchPriority priority)
{
    int r;

    group->fd = epoll_create1(EPOLL_CLOEXEC);
    if (group->fd < 0)
        return -errno;
    r = sd_event_add_io(event, &group->source, group->fd, EPOLLIN, on_watches_turn, group);
    return r < 0 ? r : sd_event_source_set_priority(group->source, priority);
}

static Watch *watches_create(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    Watches *watches = (Watches *)host;
    WatchGroup *group = &watches->groups[priority - WATCH_PRIORITY_SIGNAL];
    GroupWatch *watch = g_new0(GroupWatch, 1);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    watch->group = group;
    if (epoll_ctl(group->fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return &watch->watch;
    int saved = errno;
    g_free(watch);
    errno = saved;
    return NULL;
}

/* The descriptor is still open: it is not enough to close it, others may have a copy. */
static void watches_destroy(Watch *base)
{
    GroupWatch *watch = (GroupWatch *)base;
    WatchGroup *group = watch->group;

    (void)epoll_ctl(group->fd, EPOLL_CTL_DEL, base->fd, NULL); /* it is there */
    for (int i = 0; i < group->n_turn; i++) {
        if (group->turn[i] == watch)
            group->turn[i] = NULL;
    }
    g_free(watch);
}

static void watches_set_events(Watch *base, uint32_t events)
{
    GroupWatch *watch = (GroupWatch *)base;
    struct epoll_event event = {.events = events, .data.ptr = watch};

    (void)epoll_ctl(watch->group->fd, EPOLL_CTL_MOD, base->fd, &event); /* it is there */
}

static uint64_t watches_count_others(const Watch *base)
{
    return ((const GroupWatch *)base)->group->n_others;
}

int watches_new(sd_event *event, Watches **ret_watches)
{
    Watches *watches = g_new0(Watches, 1);
    int r = 0;

    watches->host =
            (WatchHost){watches_create, watches_destroy, watches_set_events, watches_count_others};
    for (size_t i = 0; i < WATCHES_PRIORITIES; i++)
        watches->groups[i].fd = -1;
    for (int i = 0; i < WATCHES_PRIORITIES && r >= 0; i++)
        r = watches_open_group(&watches->groups[i], event, WATCH_PRIORITY_SIGNAL + i);
    if (r < 0)
        watches_free(watches);
    else
        *ret_watches = watches;
    return r;
}

void watches_free(Watches *watches)
{
    if (watches == NULL)
        return;
    for (size_t i = 0; i < WATCHES_PRIORITIES; i++) {
        sd_event_source_disable_unref(watches->groups[i].source);
        watches->groups[i].fd = fd_close(watches->groups[i].fd);
    }
    g_free(watches);
}

WatchHost *watches_host(Watches *watches)
{
    return &watches->host;
}
