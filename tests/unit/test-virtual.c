/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual time, and through it what timers and watches promise. Calls are written to a trace, one
 * letter a call; times are relative to the start of the loop. */

#include "base/virtual.h"

#include <errno.h>
#include <glib.h>
#include <sys/epoll.h>

typedef struct Bed {
    VirtualLoop *loop;
    TimerHost *host;
    uint64_t start_usec;
    GString *trace;
} Bed;

typedef struct Caller {
    Bed *bed;
    char letter;
    Timer *timer;
    uint64_t called_usec;
    void (*act)(struct Caller *caller);
    struct Caller *other;
} Caller;

static uint64_t bed_now(Bed *bed)
{
    return clock_monotonic_usec(virtual_loop_clock(bed->loop)) - bed->start_usec;
}

static void on_called(void *data)
{
    Caller *caller = data;

    g_string_append_c(caller->bed->trace, caller->letter);
    caller->called_usec = bed_now(caller->bed);
    if (caller->act != NULL)
        caller->act(caller);
}

static void bed_init(Bed *bed)
{
    VirtualLoop *loop = virtual_loop_new();

    *bed = (Bed){loop, virtual_loop_timers(loop), clock_monotonic_usec(virtual_loop_clock(loop)),
                 g_string_new(NULL)};
}

static void bed_done(Bed *bed)
{
    virtual_loop_free(bed->loop);
    g_string_free(bed->trace, TRUE);
}

static void caller_init(Caller *caller, Bed *bed, char letter)
{
    *caller = (Caller){.bed = bed, .letter = letter};
    caller->timer = timer_new(bed->host, on_called, caller);
}

static void caller_arm(Caller *caller, uint64_t usec)
{
    timer_arm(caller->timer, caller->bed->start_usec + usec);
}

static void bed_assert_trace(Bed *bed, const char *expected)
{
    g_assert_cmpstr(bed->trace->str, ==, expected);
    g_string_truncate(bed->trace, 0);
}

static void test_clock_system(void)
{
    uint64_t first = clock_monotonic_usec(clock_system());

    g_assert_cmpuint(first, >, 0);
    g_assert_cmpuint(clock_monotonic_usec(clock_system()), >=, first);
    /* After 2020, so it is the wall clock and it is in microseconds. */
    g_assert_cmpuint(clock_wall_usec(clock_system()), >, UINT64_C(1577836800) * USEC_PER_SEC);
    g_assert_cmpuint(clock_wall_usec(clock_system()), <, UINT64_C(10000000000) * USEC_PER_SEC);
}

static void test_clock_add(void)
{
    g_assert_cmpuint(usec_add(1, 2), ==, 3);
    g_assert_cmpuint(usec_add(USEC_INFINITY, 1), ==, USEC_INFINITY);
    g_assert_cmpuint(usec_add(5, USEC_INFINITY - 5), ==, USEC_INFINITY);
    g_assert_cmpuint(usec_add(5, USEC_INFINITY - 6), ==, USEC_INFINITY - 1);
    g_assert_cmpuint(usec_add(6, USEC_INFINITY - 5), ==, USEC_INFINITY);
}

static void test_virtual_clock(void)
{
    Bed bed;
    const uint64_t wall = UINT64_C(946684800) * USEC_PER_SEC;

    bed_init(&bed);
    Clock *clock = virtual_loop_clock(bed.loop);
    g_assert_cmpuint(clock_monotonic_usec(clock), ==, USEC_PER_SEC);
    g_assert_cmpuint(clock_wall_usec(clock), ==, wall);
    virtual_loop_advance(bed.loop, 7);
    g_assert_cmpuint(clock_monotonic_usec(clock), ==, USEC_PER_SEC + 7);
    g_assert_cmpuint(clock_wall_usec(clock), ==, wall + 7);
    virtual_loop_shift_wall(bed.loop, -100);
    g_assert_cmpuint(clock_wall_usec(clock), ==, wall - 93);
    virtual_loop_shift_wall(bed.loop, 1000);
    g_assert_cmpuint(clock_wall_usec(clock), ==, wall + 907);
    g_assert_cmpuint(clock_monotonic_usec(clock), ==, USEC_PER_SEC + 7);
    bed_done(&bed);
}

static void test_virtual_timer_order(void)
{
    Bed bed;
    Caller a, b, c, d;

    bed_init(&bed);
    caller_init(&a, &bed, 'a');
    caller_init(&b, &bed, 'b');
    caller_init(&c, &bed, 'c');
    caller_init(&d, &bed, 'd');
    caller_arm(&a, 30);
    caller_arm(&b, 10);
    caller_arm(&c, 30);
    caller_arm(&d, 30);
    caller_arm(&a, 30); /* armed again: now the last of the three at 30 */
    g_assert_cmpuint(virtual_loop_n_armed(bed.loop), ==, 4);
    g_assert_cmpuint(virtual_loop_next_timer_usec(bed.loop), ==, bed.start_usec + 10);

    virtual_loop_settle(bed.loop);
    bed_assert_trace(&bed, "");
    virtual_loop_advance(bed.loop, 29);
    bed_assert_trace(&bed, "b");
    g_assert_cmpuint(b.called_usec, ==, 10);
    virtual_loop_advance(bed.loop, 1);
    bed_assert_trace(&bed, "cda");
    g_assert_cmpuint(a.called_usec, ==, 30);
    g_assert_cmpuint(virtual_loop_next_timer_usec(bed.loop), ==, USEC_INFINITY);
    timer_free(a.timer);
    timer_free(b.timer);
    timer_free(c.timer);
    timer_free(d.timer);
    bed_done(&bed);
}

static void test_virtual_timer_disarm(void)
{
    Bed bed;
    Caller a;

    bed_init(&bed);
    caller_init(&a, &bed, 'a');
    g_assert_false(timer_is_armed(a.timer));
    timer_disarm(a.timer);
    caller_arm(&a, 10);
    g_assert_true(timer_is_armed(a.timer));
    timer_disarm(a.timer);
    g_assert_false(timer_is_armed(a.timer));
    virtual_loop_advance(bed.loop, 20);
    bed_assert_trace(&bed, "");

    caller_arm(&a, 30);
    timer_arm(a.timer, USEC_INFINITY);
    g_assert_false(timer_is_armed(a.timer));
    timer_arm(a.timer, USEC_INFINITY);
    virtual_loop_advance(bed.loop, USEC_PER_SEC);
    bed_assert_trace(&bed, "");

    caller_arm(&a, 5); /* has passed */
    virtual_loop_settle(bed.loop);
    bed_assert_trace(&bed, "a");
    g_assert_false(timer_is_armed(a.timer));

    caller_arm(&a, 2 * USEC_PER_SEC); /* freed while armed */
    timer_free(a.timer);
    timer_free(NULL);
    timer_disarm(NULL);
    g_assert_false(timer_is_armed(NULL));
    g_assert_cmpuint(virtual_loop_n_armed(bed.loop), ==, 0);
    bed_done(&bed);
}

static void act_rearm(Caller *caller)
{
    g_assert_false(timer_is_armed(caller->timer));
    caller_arm(caller, caller->called_usec + 10);
}

static void act_free_self(Caller *caller)
{
    timer_free(g_steal_pointer(&caller->timer));
}

static void act_free_other(Caller *caller)
{
    timer_free(g_steal_pointer(&caller->other->timer));
}

static void act_arm_other_now(Caller *caller)
{
    caller_arm(caller->other, 0);
}

static void act_defer_other(Caller *caller)
{
    timer_host_defer(caller->bed->host, on_called, caller->other);
}

static void test_virtual_timer_acts(void)
{
    Bed bed;
    Caller a, b;

    bed_init(&bed);
    caller_init(&a, &bed, 'a');
    caller_init(&b, &bed, 'b');
    a.act = act_rearm;
    caller_arm(&a, 10);
    virtual_loop_advance(bed.loop, 35);
    bed_assert_trace(&bed, "aaa");
    g_assert_cmpuint(a.called_usec, ==, 30);
    g_assert_cmpuint(bed_now(&bed), ==, 35);

    a.act = act_free_other; /* b is due at the same time, but later in the order */
    a.other = &b;
    caller_arm(&b, 40);
    caller_arm(&a, 40);
    caller_arm(&b, 40);
    virtual_loop_advance(bed.loop, 10);
    bed_assert_trace(&bed, "a");

    a.act = act_free_self;
    caller_arm(&a, 0);
    virtual_loop_settle(bed.loop);
    bed_assert_trace(&bed, "a");
    g_assert_null(a.timer);
    bed_done(&bed);
}

static void test_virtual_deferred(void)
{
    Bed bed;
    Caller a, b, c;

    bed_init(&bed);
    caller_init(&a, &bed, 'a');
    caller_init(&b, &bed, 'b');
    caller_init(&c, &bed, 'c');
    /* c's timer is due, but deferred calls go first, also those that they defer. */
    caller_arm(&c, 0);
    a.act = act_defer_other;
    a.other = &b;
    timer_host_defer(bed.host, on_called, &a);
    timer_host_defer(bed.host, on_called, &a);
    bed_assert_trace(&bed, "");
    virtual_loop_settle(bed.loop);
    bed_assert_trace(&bed, "aabbc");

    /* A timer's deferred call comes before the next timer, at the timer's own time. */
    caller_arm(&a, 10);
    caller_arm(&c, 10);
    virtual_loop_advance(bed.loop, 50);
    bed_assert_trace(&bed, "abc");
    g_assert_cmpuint(b.called_usec, ==, 10);

    /* A time that has passed fires in the same settling. */
    c.act = act_arm_other_now;
    c.other = &b;
    timer_host_defer(bed.host, on_called, &c);
    virtual_loop_advance(bed.loop, 0);
    bed_assert_trace(&bed, "cb");

    timer_host_defer(bed.host, on_called, &a); /* dropped with the loop */
    timer_free(a.timer);
    timer_free(b.timer);
    timer_free(c.timer);
    bed_done(&bed);
}

static void test_virtual_far_future(void)
{
    Bed bed;
    Caller a;

    bed_init(&bed);
    caller_init(&a, &bed, 'a');
    timer_arm(a.timer, USEC_INFINITY - 1);
    virtual_loop_advance(bed.loop, USEC_INFINITY);
    bed_assert_trace(&bed, "a");
    timer_free(a.timer);
    virtual_loop_advance(bed.loop, USEC_INFINITY);
    g_assert_cmpuint(clock_monotonic_usec(virtual_loop_clock(bed.loop)), ==, USEC_INFINITY);
    bed_done(&bed);
}

typedef struct Watcher {
    Watch *watch;
    uint32_t events;
    unsigned n_calls;
    bool free_self;
} Watcher;

static void on_watch(uint32_t events, void *data)
{
    Watcher *watcher = data;

    watcher->events = events;
    watcher->n_calls++;
    if (watcher->free_self)
        watch_free(g_steal_pointer(&watcher->watch));
}

static void test_virtual_watch(void)
{
    VirtualLoop *loop = virtual_loop_new();
    WatchHost *host = virtual_loop_watches(loop);
    Watcher in = {0}, out = {0};

    in.watch = watch_new(host, 10, EPOLLIN, WATCH_PRIORITY_NORMAL, on_watch, &in);
    out.watch = watch_new(host, 11, EPOLLOUT, WATCH_PRIORITY_OUTPUT, on_watch, &out);
    g_assert_null(watch_new(host, 10, EPOLLIN, WATCH_PRIORITY_NORMAL, on_watch, &in));
    g_assert_cmpint(errno, ==, EEXIST);

    virtual_loop_fire_watch(loop, 10, EPOLLIN | EPOLLHUP);
    g_assert_cmpuint(in.events, ==, EPOLLIN | EPOLLHUP);
    g_assert_cmpuint(out.n_calls, ==, 0);
    watch_set_events(in.watch, 0);
    in.free_self = true;
    virtual_loop_fire_watch(loop, 10, EPOLLHUP);
    g_assert_cmpuint(in.n_calls, ==, 2);
    g_assert_null(in.watch);

    in.watch = watch_new(host, 10, EPOLLIN, WATCH_PRIORITY_NORMAL, on_watch, &in);
    g_assert_nonnull(in.watch);
    watch_free(in.watch);
    watch_free(out.watch);
    watch_free(NULL);
    virtual_loop_free(loop);
}

static void misuse_timer_left(VirtualLoop *loop)
{
    (void)timer_new(virtual_loop_timers(loop), on_called, NULL);
    virtual_loop_free(loop);
}

static void misuse_watch_left(VirtualLoop *loop)
{
    (void)watch_new(virtual_loop_watches(loop), 3, EPOLLIN, WATCH_PRIORITY_NORMAL, on_watch, NULL);
    virtual_loop_free(loop);
}

static void misuse_no_watch(VirtualLoop *loop)
{
    virtual_loop_fire_watch(loop, 3, EPOLLIN);
}

static void misuse_event_not_asked_for(VirtualLoop *loop)
{
    (void)watch_new(virtual_loop_watches(loop), 3, EPOLLIN, WATCH_PRIORITY_NORMAL, on_watch, NULL);
    virtual_loop_fire_watch(loop, 3, EPOLLOUT);
}

/* After all that is due, also what that leaves behind; again when it is armed again. */
static void test_virtual_timer_last(void)
{
    Bed bed;
    Caller a, b, last, deferred;

    bed_init(&bed);
    caller_init(&a, &bed, 'a');
    caller_init(&b, &bed, 'b');
    caller_init(&deferred, &bed, 'd');
    last = (Caller){.bed = &bed, .letter = 'L'};
    last.timer = timer_new_last(bed.host, on_called, &last);
    b.act = act_defer_other;
    b.other = &deferred;
    timer_arm(last.timer, bed.start_usec);
    timer_arm(a.timer, bed.start_usec);
    timer_arm(b.timer, bed.start_usec);
    virtual_loop_settle(bed.loop);
    g_assert_cmpstr(bed.trace->str, ==, "abdL");
    g_assert_false(timer_is_armed(last.timer));
    timer_arm(last.timer, bed.start_usec + 5);
    g_assert_cmpuint(virtual_loop_next_timer_usec(bed.loop), ==, bed.start_usec + 5);
    g_assert_cmpuint(virtual_loop_n_armed(bed.loop), ==, 1);
    virtual_loop_advance(bed.loop, 4);
    g_assert_cmpstr(bed.trace->str, ==, "abdL");
    timer_arm(a.timer, bed.start_usec + 5);
    virtual_loop_advance(bed.loop, 1);
    g_assert_cmpstr(bed.trace->str, ==, "abdLaL");
    g_assert_cmpuint(last.called_usec, ==, 5);
    timer_arm(last.timer, bed.start_usec);
    timer_disarm(last.timer);
    virtual_loop_settle(bed.loop);
    g_assert_cmpstr(bed.trace->str, ==, "abdLaL");
    timer_free(a.timer);
    timer_free(b.timer);
    timer_free(deferred.timer);
    timer_free(last.timer);
    bed_done(&bed);
}

/* Mistakes of a test are found by assertions, in a child of its own. */
static void test_virtual_misuse(const void *data)
{
    void (*const *misuse)(VirtualLoop * loop) = data;

    if (g_test_subprocess()) {
        (*misuse)(virtual_loop_new());
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*ERROR*virtual.c*assertion failed*");
}

static const struct {
    const char *path;
    void (*misuse)(VirtualLoop *loop);
} misuses[] = {
        {"/virtual/misuse/timer-left", misuse_timer_left},
        {"/virtual/misuse/watch-left", misuse_watch_left},
        {"/virtual/misuse/no-watch", misuse_no_watch},
        {"/virtual/misuse/event-not-asked-for", misuse_event_not_asked_for},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock/system", test_clock_system);
    g_test_add_func("/clock/add", test_clock_add);
    g_test_add_func("/virtual/clock", test_virtual_clock);
    g_test_add_func("/virtual/timer/order", test_virtual_timer_order);
    g_test_add_func("/virtual/timer/disarm", test_virtual_timer_disarm);
    g_test_add_func("/virtual/timer/acts", test_virtual_timer_acts);
    g_test_add_func("/virtual/timer/last", test_virtual_timer_last);
    g_test_add_func("/virtual/deferred", test_virtual_deferred);
    g_test_add_func("/virtual/far-future", test_virtual_far_future);
    g_test_add_func("/virtual/watch", test_virtual_watch);
    for (size_t i = 0; i < G_N_ELEMENTS(misuses); i++)
        g_test_add_data_func(misuses[i].path, &misuses[i].misuse, test_virtual_misuse);
    return g_test_run();
}
