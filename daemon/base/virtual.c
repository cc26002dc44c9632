/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Armed timers stand in a sorted sequence by (time, order of arming), deferred calls in a queue.
 * The wall clock is the monotonic one plus an offset, so that both move as one until a test shifts
 * the offset. Whatever is called may free its own timer or watch: nothing is touched after a call.
 */

#include "base/virtual.h"

#include <errno.h>
#include <glib.h>
#include <sys/epoll.h>

#define VIRTUAL_WALL_START_USEC (UINT64_C(946684800) * USEC_PER_SEC)
/* So many calls at one instant are an endless loop in what is tested, not work. */
#define VIRTUAL_MAX_CALLS 50000000

struct VirtualLoop {
    Clock clock;
    TimerHost timers;
    WatchHost watches;
    uint64_t now_usec;
    int64_t wall_offset_usec;
    uint64_t last_serial;
    GSequence *armed;    /* of VirtualTimer * */
    GSequence *last;     /* of those that come last */
    GQueue deferred;     /* of VirtualDeferred * */
    GHashTable *watched; /* fd -> VirtualWatch * */
    size_t n_timers;
};

typedef struct VirtualTimer {
    Timer timer;
    uint64_t at_usec;
    uint64_t serial;
    bool last;
    GSequenceIter *place; /* NULL: not armed */
} VirtualTimer;

typedef struct VirtualDeferred {
    TimerFunc func;
    void *data;
} VirtualDeferred;

typedef struct VirtualWatch {
    Watch watch;
    uint32_t events;
} VirtualWatch;

static VirtualLoop *virtual_loop_of_clock(Clock *clock)
{
    return (VirtualLoop *)((char *)clock - offsetof(VirtualLoop, clock));
}

static VirtualLoop *virtual_loop_of_timers(TimerHost *host)
{
    return (VirtualLoop *)((char *)host - offsetof(VirtualLoop, timers));
}

static VirtualLoop *virtual_loop_of_watches(WatchHost *host)
{
    return (VirtualLoop *)((char *)host - offsetof(VirtualLoop, watches));
}

static uint64_t virtual_monotonic_usec(Clock *clock)
{
    return virtual_loop_of_clock(clock)->now_usec;
}

static uint64_t virtual_wall_usec(Clock *clock)
{
    VirtualLoop *loop = virtual_loop_of_clock(clock);

    return loop->now_usec + (uint64_t)loop->wall_offset_usec;
}

static int virtual_timer_compare(const void *a, const void *b, void *unused)
{
    const VirtualTimer *x = a, *y = b;

    if (x->at_usec != y->at_usec)
        return x->at_usec < y->at_usec ? -1 : 1;
    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static Timer *virtual_timer_create(TimerHost *host, bool last)
{
    VirtualTimer *timer = g_new0(VirtualTimer, 1);

    timer->last = last;
    virtual_loop_of_timers(host)->n_timers++;
    return &timer->timer;
}

static void virtual_timer_disarm(Timer *base)
{
    VirtualTimer *timer = (VirtualTimer *)base;

    g_sequence_remove(timer->place);
    timer->place = NULL;
}

static void virtual_timer_arm(Timer *base, uint64_t at_usec)
{
    VirtualTimer *timer = (VirtualTimer *)base;
    VirtualLoop *loop = virtual_loop_of_timers(base->host);

    if (timer->place != NULL)
        virtual_timer_disarm(base);
    timer->at_usec = at_usec;
    timer->serial = ++loop->last_serial;
    timer->place = g_sequence_insert_sorted(timer->last ? loop->last : loop->armed, timer,
                                            virtual_timer_compare, NULL);
}

static void virtual_timer_destroy(Timer *base)
{
    virtual_loop_of_timers(base->host)->n_timers--;
    g_free(base);
}

static void virtual_timer_defer(TimerHost *host, TimerFunc func, void *data)
{
    VirtualDeferred *deferred = g_new0(VirtualDeferred, 1);

    deferred->func = func;
    deferred->data = data;
    g_queue_push_tail(&virtual_loop_of_timers(host)->deferred, deferred);
}

/* A second watch on one descriptor fails as epoll_ctl(2) does. */
static Watch *virtual_watch_create(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    VirtualLoop *loop = virtual_loop_of_watches(host);

    if (g_hash_table_contains(loop->watched, GINT_TO_POINTER(fd))) {
        errno = EEXIST;
        return NULL;
    }

    VirtualWatch *watch = g_new0(VirtualWatch, 1);
    watch->events = events;
    g_hash_table_insert(loop->watched, GINT_TO_POINTER(fd), watch);
    return &watch->watch;
}

static void virtual_watch_destroy(Watch *watch)
{
    VirtualLoop *loop = virtual_loop_of_watches(watch->host);

    g_hash_table_remove(loop->watched, GINT_TO_POINTER(watch->fd));
    g_free(watch);
}

static void virtual_watch_set_events(Watch *watch, uint32_t events)
{
    ((VirtualWatch *)watch)->events = events;
}

/* Who fires it by hand serves nobody else in between. */
static uint64_t virtual_watch_count_others(const Watch *watch)
{
    return 0;
}

VirtualLoop *virtual_loop_new(void)
{
    VirtualLoop *loop = g_new(VirtualLoop, 1);

    *loop = (VirtualLoop){
            .clock = {virtual_monotonic_usec, virtual_wall_usec},
            .timers = {virtual_timer_create, virtual_timer_arm, virtual_timer_disarm,
                       virtual_timer_destroy, virtual_timer_defer},
            .watches = {virtual_watch_create, virtual_watch_destroy, virtual_watch_set_events,
                        virtual_watch_count_others},
            .now_usec = USEC_PER_SEC,
            .wall_offset_usec = (int64_t)(VIRTUAL_WALL_START_USEC - USEC_PER_SEC),
            .armed = g_sequence_new(NULL),
            .last = g_sequence_new(NULL),
            .watched = g_hash_table_new(NULL, NULL),
    };
    g_queue_init(&loop->deferred);
    return loop;
}

void virtual_loop_free(VirtualLoop *loop)
{
    if (loop == NULL)
        return;
    g_assert(loop->n_timers == 0);
    g_assert(g_hash_table_size(loop->watched) == 0);
    g_queue_clear_full(&loop->deferred, g_free);
    g_sequence_free(loop->armed);
    g_sequence_free(loop->last);
    g_hash_table_unref(loop->watched);
    g_free(loop);
}

Clock *virtual_loop_clock(VirtualLoop *loop)
{
    return &loop->clock;
}

TimerHost *virtual_loop_timers(VirtualLoop *loop)
{
    return &loop->timers;
}

WatchHost *virtual_loop_watches(VirtualLoop *loop)
{
    return &loop->watches;
}

static bool virtual_loop_run_deferred(VirtualLoop *loop)
{
    g_autofree VirtualDeferred *deferred = g_queue_pop_head(&loop->deferred);

    if (deferred == NULL)
        return false;
    deferred->func(deferred->data);
    return true;
}

static uint64_t virtual_next_usec(GSequence *armed)
{
    GSequenceIter *first = g_sequence_get_begin_iter(armed);

    if (g_sequence_iter_is_end(first))
        return USEC_INFINITY;
    return ((const VirtualTimer *)g_sequence_get(first))->at_usec;
}

static bool virtual_loop_run_timer(const VirtualLoop *loop, GSequence *armed)
{
    if (g_sequence_is_empty(armed) || virtual_next_usec(armed) > loop->now_usec)
        return false;

    VirtualTimer *timer = g_sequence_get(g_sequence_get_begin_iter(armed));
    timer_disarm(&timer->timer);
    timer->timer.func(timer->timer.data);
    return true;
}

void virtual_loop_settle(VirtualLoop *loop)
{
    unsigned n_calls = 0;

    while (virtual_loop_run_deferred(loop) || virtual_loop_run_timer(loop, loop->armed) ||
           virtual_loop_run_timer(loop, loop->last))
        g_assert(++n_calls < VIRTUAL_MAX_CALLS);
}

void virtual_loop_advance(VirtualLoop *loop, uint64_t usec)
{
    uint64_t end_usec = usec_add(loop->now_usec, usec);

    virtual_loop_settle(loop);
    for (uint64_t next; (next = virtual_loop_next_timer_usec(loop)) <= end_usec;) {
        if (next == USEC_INFINITY)
            break;
        loop->now_usec = MAX(loop->now_usec, next);
        virtual_loop_settle(loop);
    }
    loop->now_usec = end_usec;
}

void virtual_loop_shift_wall(VirtualLoop *loop, int64_t usec)
{
    loop->wall_offset_usec += usec;
}

uint64_t virtual_loop_next_timer_usec(VirtualLoop *loop)
{
    return MIN(virtual_next_usec(loop->armed), virtual_next_usec(loop->last));
}

size_t virtual_loop_n_armed(VirtualLoop *loop)
{
    return (size_t)(g_sequence_get_length(loop->armed) + g_sequence_get_length(loop->last));
}

void virtual_loop_fire_watch(VirtualLoop *loop, int fd, uint32_t events)
{
    VirtualWatch *watch = g_hash_table_lookup(loop->watched, GINT_TO_POINTER(fd));

    g_assert(watch != NULL);
    /* epoll reports hang-up and error unasked, everything else only on request. */
    g_assert((events & ~(watch->events | EPOLLHUP | EPOLLERR)) == 0);
    watch->watch.func(events, watch->watch.data);
}
