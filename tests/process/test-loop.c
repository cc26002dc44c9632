/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fds.h"
#include "process/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct LoopFixture {
    Loop *loop;
    int n_fds;
    GString *calls;
    void *data; /* of the test */
} LoopFixture;

/* A timer, watch or deferred call that writes its letter. */
typedef struct Writer {
    LoopFixture *fixture;
    char letter;
    Timer *timer;
    Watch *watch;
    int fd;
} Writer;

static void loop_init(LoopFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture->n_fds = fd_count_open();
    fixture->loop = loop_new(&error);
    g_assert_no_error(error);
    fixture->calls = g_string_new(NULL);
}

static void loop_done(LoopFixture *fixture, const void *unused)
{
    loop_free(fixture->loop);
    g_string_free(fixture->calls, TRUE);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds);
}

static void on_writer(void *data)
{
    Writer *writer = data;

    g_string_append_c(writer->fixture->calls, writer->letter);
}

static void on_writer_quit(void *data)
{
    on_writer(data);
    loop_quit(((Writer *)data)->fixture->loop, 42);
}

static uint64_t loop_in(LoopFixture *fixture, uint64_t msec)
{
    return clock_monotonic_usec(loop_clock(fixture->loop)) + msec * USEC_PER_MSEC;
}

/* One turn at most; whether something was done. */
static bool loop_turn(LoopFixture *fixture)
{
    int r = sd_event_run(loop_event(fixture->loop), 0);

    g_assert_cmpint(r, >=, 0);
    return r > 0;
}

static void test_timers_in_order(LoopFixture *fixture, const void *unused)
{
    Writer a = {fixture, 'a'}, b = {fixture, 'b'}, c = {fixture, 'c'}, d = {fixture, 'd'};
    Timer *timers[] = {
            timer_new(loop_timers(fixture->loop), on_writer, &a),
            timer_new(loop_timers(fixture->loop), on_writer, &b),
            timer_new(loop_timers(fixture->loop), on_writer, &c),
            timer_new(loop_timers(fixture->loop), on_writer_quit, &d),
    };
    uint64_t now = loop_in(fixture, 0);

    timer_arm(timers[3], now + 40000);
    timer_arm(timers[1], now + 20000);
    timer_arm(timers[2], now + 30000);
    timer_arm(timers[0], now + 60000);
    timer_arm(timers[0], now + 10000); /* the later word counts */
    g_assert_cmpint(loop_run(fixture->loop), ==, 42);
    g_assert_cmpstr(fixture->calls->str, ==, "abcd");
    g_assert_cmpuint(loop_in(fixture, 0), >=, now + 40000);
    for (size_t i = 0; i < G_N_ELEMENTS(timers); i++) {
        g_assert_false(timer_is_armed(timers[i]));
        timer_free(timers[i]);
    }
}

static void test_timer_past_and_disarmed(LoopFixture *fixture, const void *unused)
{
    Writer a = {fixture, 'a'}, b = {fixture, 'b'};
    Timer *past = timer_new(loop_timers(fixture->loop), on_writer, &a);
    Timer *disarmed = timer_new(loop_timers(fixture->loop), on_writer, &b);

    timer_arm(past, 1);
    timer_arm(disarmed, 1);
    timer_disarm(disarmed);
    g_assert_true(timer_is_armed(past));
    g_assert_true(loop_turn(fixture));
    g_assert_false(timer_is_armed(past));
    g_assert_false(loop_turn(fixture));
    timer_arm(disarmed, USEC_INFINITY);
    g_assert_false(loop_turn(fixture));
    timer_arm(past, 1); /* again, after it has fired */
    g_assert_true(loop_turn(fixture));
    g_assert_cmpstr(fixture->calls->str, ==, "aa");
    timer_free(past);
    timer_free(disarmed);
}

static void on_writer_free(void *data)
{
    on_writer(data);
    timer_free(((Writer *)data)->timer);
}

static void on_writer_again(void *data)
{
    Writer *writer = data;

    on_writer(data);
    if (writer->fixture->calls->len < 3)
        timer_arm(writer->timer, 1);
}

static void test_timer_from_its_function(LoopFixture *fixture, const void *unused)
{
    Writer a = {fixture, 'a'}, b = {fixture, 'b'};

    a.timer = timer_new(loop_timers(fixture->loop), on_writer_again, &a);
    timer_arm(a.timer, 1);
    while (loop_turn(fixture))
        ;
    timer_free(a.timer);
    b.timer = timer_new(loop_timers(fixture->loop), on_writer_free, &b);
    timer_arm(b.timer, 1);
    while (loop_turn(fixture))
        ;
    g_assert_cmpstr(fixture->calls->str, ==, "aaab");
}

static void on_writer_defer(void *data)
{
    Writer *writer = data;

    on_writer(data);
    timer_host_defer(loop_timers(writer->fixture->loop), on_writer, data);
}

static void test_defer_one_round_per_turn(LoopFixture *fixture, const void *unused)
{
    Writer a = {fixture, 'a'}, b = {fixture, 'b'};
    TimerHost *timers = loop_timers(fixture->loop);

    timer_host_defer(timers, on_writer_defer, &a);
    timer_host_defer(timers, on_writer, &b);
    g_assert_cmpstr(fixture->calls->str, ==, "");
    g_assert_true(loop_turn(fixture));
    g_assert_cmpstr(fixture->calls->str, ==, "ab");
    g_assert_true(loop_turn(fixture));
    g_assert_cmpstr(fixture->calls->str, ==, "aba");
    g_assert_false(loop_turn(fixture));
}

/* Calls that go on for ever leave room for others of the same priority. */
static void on_writer_forever(void *data)
{
    timer_host_defer(loop_timers(((Writer *)data)->fixture->loop), on_writer_forever, data);
}

static void on_writer_watch(uint32_t events, void *data)
{
    Writer *writer = data;

    on_writer(writer);
    g_assert_cmpuint(events & EPOLLIN, !=, 0);
}

static void test_defer_starves_nobody(LoopFixture *fixture, const void *unused)
{
    Writer a = {fixture, 'a'}, b = {fixture, 'b'};
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    timer_host_defer(loop_timers(fixture->loop), on_writer_forever, &a);
    b.watch = watch_new(loop_watches(fixture->loop), fds[0], EPOLLIN, WATCH_PRIORITY_NORMAL,
                        on_writer_watch, &b);
    for (int i = 0; i < 10; i++)
        g_assert_true(loop_turn(fixture));
    g_assert_cmpuint(fixture->calls->len, >=, 3);
    watch_free(b.watch);
    (void)fd_close(fds[0]);
    (void)fd_close(fds[1]);
}

static void on_writer_watch_free(uint32_t events, void *data)
{
    Writer *writer = data;

    on_writer_watch(events, writer);
    watch_free(writer->watch);
}

static void test_watch(LoopFixture *fixture, const void *unused)
{
    Writer a = {fixture, 'a'}, b = {fixture, 'b'};
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    a.watch = watch_new(loop_watches(fixture->loop), fds[0], EPOLLIN, WATCH_PRIORITY_NORMAL,
                        on_writer_watch, &a);
    g_assert_nonnull(a.watch);
    g_assert_null(watch_new(loop_watches(fixture->loop), fds[0], EPOLLIN, WATCH_PRIORITY_NORMAL,
                            on_writer_watch, &a));
    g_assert_cmpint(errno, ==, EEXIST);
    g_assert_false(loop_turn(fixture));
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_true(loop_turn(fixture));
    g_assert_true(loop_turn(fixture)); /* as long as it is not read */
    watch_set_events(a.watch, 0);
    g_assert_false(loop_turn(fixture));
    watch_set_events(a.watch, EPOLLIN);
    g_assert_true(loop_turn(fixture));
    watch_free(a.watch);
    b.watch = watch_new(loop_watches(fixture->loop), fds[0], EPOLLIN, WATCH_PRIORITY_NORMAL,
                        on_writer_watch_free, &b);
    g_assert_true(loop_turn(fixture));
    g_assert_false(loop_turn(fixture));
    g_assert_cmpstr(fixture->calls->str, ==, "aaab");
    (void)fd_close(fds[0]);
    (void)fd_close(fds[1]);
}

typedef struct Counter {
    Watch *watch;
    uint64_t n_others;
} Counter;

static void on_counter_watch(uint32_t events, void *data)
{
    Counter *counter = data;

    counter->n_others = watch_count_others(counter->watch);
}

/* Who comes last sees how many were served meanwhile. */
static void test_watch_others(LoopFixture *fixture, const void *unused)
{
    Writer other = {fixture, 'o'};
    Counter counter = {0};
    int last[2], first[2];
    char byte;

    g_assert_cmpint(pipe2(last, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(first, O_CLOEXEC), ==, 0);
    counter.watch = watch_new(loop_watches(fixture->loop), last[0], EPOLLIN, WATCH_PRIORITY_OUTPUT,
                              on_counter_watch, &counter);
    other.watch = watch_new(loop_watches(fixture->loop), first[0], EPOLLIN, WATCH_PRIORITY_NORMAL,
                            on_writer_watch, &other);
    g_assert_cmpint(write(last[1], "x", 1), ==, 1);
    g_assert_true(loop_turn(fixture));
    g_assert_true(loop_turn(fixture));
    g_assert_cmpuint(counter.n_others, ==, 0);
    g_assert_cmpint(write(first[1], "x", 1), ==, 1);
    g_assert_true(loop_turn(fixture));
    g_assert_true(loop_turn(fixture));
    g_assert_cmpint(read(first[0], &byte, 1), ==, 1);
    g_assert_true(loop_turn(fixture));
    g_assert_cmpuint(counter.n_others, ==, 2);
    g_assert_cmpstr(fixture->calls->str, ==, "oo");
    watch_free(counter.watch);
    watch_free(other.watch);
    for (unsigned i = 0; i < 2; i++) {
        (void)fd_close(last[i]);
        (void)fd_close(first[i]);
    }
}

static void test_watch_priorities(LoopFixture *fixture, const void *unused)
{
    static const WatchPriority priorities[] = {WATCH_PRIORITY_OUTPUT, WATCH_PRIORITY_NORMAL,
                                               WATCH_PRIORITY_PROBE, WATCH_PRIORITY_SIGNAL};
    Writer writers[] = {{fixture, 'o'}, {fixture, 'n'}, {fixture, 'p'}, {fixture, 's'}};
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(writers); i++) {
        writers[i].fd = dup(fds[0]);
        writers[i].watch = watch_new(loop_watches(fixture->loop), writers[i].fd, EPOLLIN,
                                     priorities[i], on_writer_watch_free, &writers[i]);
    }
    while (loop_turn(fixture))
        ;
    g_assert_cmpstr(fixture->calls->str, ==, "snpo");
    for (size_t i = 0; i < G_N_ELEMENTS(writers); i++)
        (void)fd_close(writers[i].fd);
    (void)fd_close(fds[0]);
    (void)fd_close(fds[1]);
}

#define MANY_WATCHES 100

static void on_writer_watch_free_other(uint32_t events, void *data)
{
    Writer *writers = ((Writer *)data)->fixture->data;

    for (size_t i = 0; i < 2; i++)
        g_clear_pointer(&writers[i].watch, watch_free);
    on_writer(data);
}

/* Those that are ready together are served together, a few in one turn. */
static void test_watch_many(LoopFixture *fixture, const void *unused)
{
    Writer pair[2] = {{fixture, 'p'}, {fixture, 'p'}}, many[MANY_WATCHES];
    int fds[2], n_turns = 0;

    fixture->data = pair;
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    for (size_t i = 0; i < 2; i++) {
        pair[i].fd = dup(fds[0]);
        pair[i].watch = watch_new(loop_watches(fixture->loop), pair[i].fd, EPOLLIN,
                                  WATCH_PRIORITY_NORMAL, on_writer_watch_free_other, &pair[i]);
    }
    g_assert_true(loop_turn(fixture));
    g_assert_false(loop_turn(fixture));
    g_assert_cmpstr(fixture->calls->str, ==, "p"); /* the first has freed the second */
    g_string_truncate(fixture->calls, 0);
    for (size_t i = 0; i < MANY_WATCHES; i++) {
        many[i] = (Writer){.fixture = fixture, .letter = 'm', .fd = dup(fds[0])};
        many[i].watch = watch_new(loop_watches(fixture->loop), many[i].fd, EPOLLIN,
                                  WATCH_PRIORITY_NORMAL, on_writer_watch_free, &many[i]);
    }
    while (loop_turn(fixture))
        n_turns++;
    g_assert_cmpuint(fixture->calls->len, ==, MANY_WATCHES);
    g_assert_cmpint(n_turns, >, 1);
    g_assert_cmpint(n_turns, <, MANY_WATCHES / 4);
    for (size_t i = 0; i < MANY_WATCHES; i++)
        (void)fd_close(many[i].fd);
    for (size_t i = 0; i < 2; i++)
        (void)fd_close(pair[i].fd);
    (void)fd_close(fds[0]);
    (void)fd_close(fds[1]);
}

/* One that comes last lets everything else go first, whatever is armed when. */
static void test_timer_last(LoopFixture *fixture, const void *unused)
{
    Writer last = {fixture, 'L'}, a = {fixture, 'a'}, d = {fixture, 'd'}, w = {fixture, 'w'};
    Timer *timers[] = {
            timer_new_last(loop_timers(fixture->loop), on_writer, &last),
            timer_new(loop_timers(fixture->loop), on_writer, &a),
    };
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    w.fd = fds[0];
    w.watch = watch_new(loop_watches(fixture->loop), fds[0], EPOLLIN, WATCH_PRIORITY_NORMAL,
                        on_writer_watch_free, &w);
    timer_arm(timers[0], loop_in(fixture, 0));
    timer_arm(timers[1], loop_in(fixture, 0));
    timer_host_defer(loop_timers(fixture->loop), on_writer, &d);
    while (fixture->calls->len < 4)
        g_assert_true(loop_turn(fixture));
    g_assert_cmpint(fixture->calls->str[3], ==, 'L');
    g_assert_false(loop_turn(fixture)); /* once */
    timer_arm(timers[0], loop_in(fixture, 0));
    timer_disarm(timers[0]);
    g_assert_false(loop_turn(fixture));
    timer_arm(timers[0], loop_in(fixture, 0));
    g_assert_true(loop_turn(fixture));
    g_assert_cmpint(fixture->calls->str[4], ==, 'L');
    for (unsigned i = 0; i < G_N_ELEMENTS(timers); i++)
        timer_free(timers[i]);
    (void)fd_close(fds[0]);
    (void)fd_close(fds[1]);
}

typedef struct SignalSeen {
    int signo;
    uint32_t sender_pid;
} SignalSeen;

static void on_signal_seen(int signo, uint32_t sender_pid, void *data)
{
    *(SignalSeen *)data = (SignalSeen){signo, sender_pid};
}

static void test_signal(LoopFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    SignalSeen seen = {0};

    g_assert_true(loop_add_signal(fixture->loop, SIGUSR1, on_signal_seen, &seen, &error));
    g_assert_false(loop_turn(fixture));
    g_assert_cmpint(kill(getpid(), SIGUSR1), ==, 0);
    g_assert_true(loop_turn(fixture));
    g_assert_cmpint(seen.signo, ==, SIGUSR1);
    g_assert_cmpuint(seen.sender_pid, ==, (uint32_t)getpid());
    g_assert_false(loop_add_signal(fixture->loop, 1000, on_signal_seen, &seen, &error));
    g_assert_nonnull(error);
}

#define LOOP_TEST(path, function)                                                                  \
    g_test_add(path, LoopFixture, NULL, loop_init, function, loop_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    LOOP_TEST("/loop/timer/in-order", test_timers_in_order);
    LOOP_TEST("/loop/timer/past-and-disarmed", test_timer_past_and_disarmed);
    LOOP_TEST("/loop/timer/from-its-function", test_timer_from_its_function);
    LOOP_TEST("/loop/timer/last", test_timer_last);
    LOOP_TEST("/loop/defer/one-round-per-turn", test_defer_one_round_per_turn);
    LOOP_TEST("/loop/defer/starves-nobody", test_defer_starves_nobody);
    LOOP_TEST("/loop/watch/level-triggered", test_watch);
    LOOP_TEST("/loop/watch/many", test_watch_many);
    LOOP_TEST("/loop/watch/priorities", test_watch_priorities);
    LOOP_TEST("/loop/watch/others", test_watch_others);
    LOOP_TEST("/loop/signal", test_signal);
    return g_test_run();
}
