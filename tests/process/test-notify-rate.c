/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who says too much waits, and nobody else does. What the limit is stands here once more: a burst
 * of 64, then 500 a second, at most 32 in a turn of the loop; strangers have another one, of 5000 a
 * second. */

#include "notify-fixture.h"

#include "base/fds.h"
#include "process-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#define RATE_BURST 64
#define RATE_PER_SECOND 500
#define RATE_STRANGERS_PER_SECOND 5000
#define RATE_PER_TURN 32
#define RATE_INTERVAL_USEC (USEC_PER_SEC / RATE_PER_SECOND)
#define RATE_PER_DRAIN 1024

/* Says STATUS=*next and so on below end until nothing more goes in. */
static void say_numbers(NotifyFixture *fixture, unsigned *next, unsigned end)
{
    for (; *next < end; (*next)++) {
        g_autofree char *text = g_strdup_printf("STATUS=%u", *next);

        if (!notify_fixture_send_bytes(fixture, text, strlen(text), NULL, 0))
            return;
    }
}

/* The sender and the loop by turns, while there is a listener. Returns how many turns. */
static unsigned play(NotifyFixture *fixture, unsigned *next, unsigned end)
{
    unsigned n_turns = 0;

    do {
        unsigned n_before = fixture->said->len;

        say_numbers(fixture, next, end);
        if (!notify_fixture_turn(fixture))
            break;
        g_assert_cmpuint(fixture->said->len - n_before, <=, RATE_PER_TURN);
        n_turns++;
    } while (true);
    return n_turns;
}

static void assert_numbers(const NotifyFixture *fixture, unsigned n)
{
    g_assert_cmpuint(fixture->said->len, ==, n);
    for (unsigned i = 0; i < n; i++)
        g_assert_cmpint(atoi(g_ptr_array_index(fixture->said, i)), ==, (int)i);
}

static uint64_t now(const NotifyFixture *fixture)
{
    return clock_monotonic_usec(virtual_loop_clock(fixture->loop));
}

/* A burst is heard at once, whatever comes after. */
static void test_burst(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    (void)play(fixture, &next, RATE_BURST - 1);
    assert_numbers(fixture, RATE_BURST - 1);
    g_assert_true(notify_fixture_is_watched(fixture));
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);

    (void)play(fixture, &next, RATE_BURST + 3);
    assert_numbers(fixture, RATE_BURST);
    g_assert_false(notify_fixture_is_watched(fixture));
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 1);
}

/* So long: what is outstanding is then heard at once, and the pause is no longer than that. */
static void test_pause(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    (void)play(fixture, &next, RATE_BURST + 3);
    virtual_loop_advance(fixture->loop, RATE_PER_TURN * RATE_INTERVAL_USEC - 1);
    g_assert_false(notify_fixture_is_watched(fixture));
    virtual_loop_advance(fixture->loop, 1);
    g_assert_true(notify_fixture_turn(fixture));
    assert_numbers(fixture, RATE_BURST + 3);
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);
}

/* Nothing is lost, the time it takes is that of the rate, and the turns are few. */
static void test_flood(NotifyFixture *fixture, const void *data)
{
    const unsigned n = 10000;
    const uint64_t interval = USEC_PER_SEC / GPOINTER_TO_SIZE(data);
    const uint64_t begin = now(fixture), due = (n - RATE_BURST) * interval;
    unsigned next = 0, n_turns = 0, n_pauses = 0;

    fixture->is_stranger = GPOINTER_TO_SIZE(data) == RATE_STRANGERS_PER_SECOND;
    for (;;) {
        n_turns += play(fixture, &next, n);
        if (fixture->said->len == n)
            break;
        g_assert_false(notify_fixture_is_watched(fixture));
        virtual_loop_advance(fixture->loop,
                             virtual_loop_next_timer_usec(fixture->loop) - now(fixture));
        n_pauses++;
    }
    assert_numbers(fixture, n);
    g_assert_cmpuint(now(fixture) - begin, >=, due);
    g_assert_cmpuint(now(fixture) - begin, <=, due + RATE_PER_TURN * interval);
    g_assert_cmpuint(n_pauses, <=, n / RATE_PER_TURN);
    g_assert_cmpuint(n_turns, <=, n / 8); /* a queue holds ten and more */
}

/* They use up nothing of what the program may say. */
static void test_strangers(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    fixture->is_stranger = true;
    (void)play(fixture, &next, RATE_BURST);
    assert_numbers(fixture, RATE_BURST);
    g_assert_false(notify_fixture_is_watched(fixture));
    virtual_loop_advance(fixture->loop, virtual_loop_next_timer_usec(fixture->loop) - now(fixture));
    g_assert_true(notify_fixture_is_watched(fixture));
    fixture->is_stranger = false;
    (void)play(fixture, &next, 2 * RATE_BURST - 1);
    assert_numbers(fixture, 2 * RATE_BURST - 1);
    g_assert_true(notify_fixture_is_watched(fixture));
}

/* Their descriptors cost as much as others', though they may say more. */
static void test_strangers_descriptors(NotifyFixture *fixture, const void *unused)
{
    autofd int memory = memfd_create("test", MFD_CLOEXEC);
    int fds[127];

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = memory;
    fixture->is_stranger = true;
    notify_fixture_give(fixture, "STATUS=full", fds, G_N_ELEMENTS(fds));
    g_assert_true(notify_fixture_turn(fixture));
    g_assert_false(notify_fixture_is_watched(fixture));
}

/* Who waits between its messages is heard each time at once, for as long as it likes. */
static void test_steady(NotifyFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 2000; i++) {
        notify_fixture_say(fixture, "WATCHDOG=1");
        g_assert_true(notify_fixture_turn(fixture));
        g_assert_cmpuint(fixture->said->len, ==, i + 1);
        virtual_loop_advance(fixture->loop, RATE_INTERVAL_USEC);
    }
}

/* Descriptors cost, too: a message full of them takes a turn, and two of them a burst; a few are
 * free. */
static void test_descriptors(NotifyFixture *fixture, const void *unused)
{
    autofd int memory = memfd_create("test", MFD_CLOEXEC);
    int fds[253];

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = memory;
    for (unsigned i = 0; i < 3; i++)
        notify_fixture_give(fixture, "STATUS=full", fds, G_N_ELEMENTS(fds));
    for (unsigned i = 1; i <= 2; i++) {
        g_assert_true(notify_fixture_turn(fixture));
        g_assert_cmpuint(fixture->said->len, ==, i);
    }
    g_assert_false(notify_fixture_is_watched(fixture));
    notify_socket_drain(fixture->notify);
    g_assert_cmpuint(fixture->said->len, ==, 3);

    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    for (unsigned i = 1; i <= RATE_BURST; i++) {
        g_assert_true(notify_fixture_is_watched(fixture));
        notify_fixture_give(fixture, "STATUS=few", fds, 7);
        g_assert_true(notify_fixture_turn(fixture));
    }
    g_assert_cmpuint(fixture->said->len, ==, 3 + RATE_BURST);
    g_assert_false(notify_fixture_is_watched(fixture));
}

/* A long silence saves up a burst, and no more. */
static void test_saved_up(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    (void)play(fixture, &next, RATE_BURST + 1);
    virtual_loop_advance(fixture->loop, 3600 * USEC_PER_SEC);
    (void)play(fixture, &next, 10 * RATE_BURST);
    assert_numbers(fixture, 2 * RATE_BURST);
}

/* Before a death is judged everything counts that was said. */
static void test_drain(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    (void)play(fixture, &next, RATE_BURST + 8);
    assert_numbers(fixture, RATE_BURST);
    notify_socket_drain(fixture->notify);
    assert_numbers(fixture, RATE_BURST + 8);
    g_assert_false(notify_fixture_is_watched(fixture)); /* and the pause stays */
}

static void look_says_more(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    notify_fixture_say(fixture, "STATUS=more");
}

/* Also with somebody who never stops. */
static void test_drain_is_bounded(NotifyFixture *fixture, const void *unused)
{
    fixture->look = look_says_more;
    notify_fixture_say(fixture, "STATUS=one");
    notify_socket_drain(fixture->notify);
    g_assert_cmpuint(fixture->said->len, ==, RATE_PER_DRAIN);
}

#define RATE_FDS 248 /* cost 31 messages more */

static void look_gives_more(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    notify_fixture_give(fixture, "STATUS=more", fds->fds, fds->n);
}

/* What comes along costs as well. */
static void test_drain_of_fds_is_bounded(NotifyFixture *fixture, const void *unused)
{
    autofd int memory = memfd_create("test", MFD_CLOEXEC);
    int fds[RATE_FDS];

    for (size_t i = 0; i < RATE_FDS; i++)
        fds[i] = memory;
    fixture->look = look_gives_more;
    notify_fixture_give(fixture, "STATUS=one", fds, RATE_FDS);
    notify_socket_drain(fixture->notify);
    g_assert_cmpuint(fixture->said->len, ==, RATE_PER_DRAIN / 32);
}

/* It is tried again, at leisure, until it is watched. */
static void test_resume_fails(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    (void)play(fixture, &next, RATE_BURST + 1);
    notify_fixture_fail_watches(ENOMEM);
    for (int i = 0; i < 10; i++) {
        virtual_loop_advance(fixture->loop,
                             virtual_loop_next_timer_usec(fixture->loop) - now(fixture));
        g_assert_false(notify_fixture_is_watched(fixture));
        g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 1);
        g_assert_cmpuint(virtual_loop_next_timer_usec(fixture->loop), >=,
                         now(fixture) + 100 * USEC_PER_MSEC);
    }
    notify_fixture_fail_watches(0);
    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    (void)play(fixture, &next, RATE_BURST + 1);
    assert_numbers(fixture, RATE_BURST + 1);
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);
}

/* notify_fixture_done looks whether its timer is gone. */
static void test_closed_while_paused(NotifyFixture *fixture, const void *unused)
{
    unsigned next = 0;

    (void)play(fixture, &next, RATE_BURST + 1);
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 1);
    notify_fixture_close(fixture);
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);
}

/* In the real loop: one that floods, beside one that does not */

typedef struct Speaker {
    NotifySocket *notify;
    int fd;
    unsigned n_sent;
    unsigned n_heard;
} Speaker;

static bool on_speaker(const NotifyMessage *message, const NotifySender *sender, NotifyFds *fds,
                       void *data)
{
    Speaker *speaker = data;

    g_assert_cmpint(message->errno_value, ==, (int)(speaker->n_heard++ % 4096));
    return true;
}

static void speaker_init(Speaker *speaker, ProcessHost *host)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *speaker = (Speaker){
            .notify = notify_socket_new(host, NOTIFY_EVERYBODY, on_speaker, speaker, NULL),
            .fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    };
    g_assert_nonnull(speaker->notify);
    g_strlcpy(address.sun_path, notify_socket_path(speaker->notify), sizeof address.sun_path);
    g_assert_cmpint(connect(speaker->fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
}

static void speaker_done(Speaker *speaker)
{
    notify_socket_free(speaker->notify);
    (void)close(speaker->fd);
}

static bool speaker_say(Speaker *speaker)
{
    g_autofree char *text = g_strdup_printf("ERRNO=%u", speaker->n_sent % 4096);

    if (send(speaker->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return false;
    speaker->n_sent++;
    return true;
}

static void speaker_flood(Speaker *speaker)
{
    while (speaker_say(speaker))
        ;
}

/* Whenever the quiet one says something it is heard within two turns; and the loop rests between
 * what it owes to the other. */
static void test_beside_a_flood(ProcessFixture *fixture, const void *unused)
{
    Speaker loud, quiet;
    unsigned n_rests = 0;

    speaker_init(&loud, fixture->host);
    speaker_init(&quiet, fixture->host);
    while (quiet.n_heard < 50) {
        unsigned n_loud = loud.n_heard;

        speaker_flood(&loud);
        g_assert_true(speaker_say(&quiet));
        for (int i = 0; i < 2; i++)
            g_assert_cmpint(sd_event_run(loop_event(fixture->loop), 0), >=, 0);
        g_assert_cmpuint(quiet.n_heard, ==, quiet.n_sent);
        g_assert_cmpuint(loud.n_heard - n_loud, <=, 2 * RATE_PER_TURN);
        n_rests += sd_event_run(loop_event(fixture->loop), 0) == 0;
    }
    g_assert_cmpuint(n_rests, >, 25);
    g_assert_cmpuint(loud.n_heard, >=, RATE_BURST);
    speaker_done(&loud);
    speaker_done(&quiet);
}

static bool flood_is_heard(void *data)
{
    Speaker *speaker = data;

    speaker_flood(speaker);
    return speaker->n_heard >= 300;
}

/* By the real clock: what is beyond the burst takes its time. */
static void test_real_time(ProcessFixture *fixture, const void *unused)
{
    Speaker speaker;
    uint64_t begin = clock_monotonic_usec(clock_system());

    speaker_init(&speaker, fixture->host);
    fixture_run_until(fixture, flood_is_heard, &speaker);
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - begin, >=,
                     (300 - RATE_BURST - RATE_PER_TURN) * RATE_INTERVAL_USEC);
    speaker_done(&speaker);
}

static int rename_refused(const char *old_path, const char *path)
{
    errno = EROFS;
    return -1;
}

static int count_files(const NotifyFixture *fixture)
{
    g_autofree char *path = g_path_get_dirname(notify_socket_path(fixture->notify));
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    int n = 0;

    while (g_dir_read_name(directory) != NULL)
        n++;
    return n;
}

/* It does not wait. */
static void send_to(const char *path, const char *text)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(
            sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&address, sizeof address),
            ==, strlen(text));
}

/* Who is connected is heard as before, and who was first is heard first; he does not stand in the
 * way of who comes by the path. */
static void test_given(NotifyFixture *fixture, const void *unused)
{
    g_autofree char *path = g_strdup(notify_socket_path(fixture->notify));
    g_autoptr(GError) error = NULL;
    unsigned n_said = 1;
    int n_fds = fd_count_open();

    fixture->sys.rename = rename_refused;
    g_assert_null(notify_socket_give(fixture->notify, geteuid(), &error));
    assert_contains(error->message, ": Read-only file system");
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    fixture->sys.rename = sys_linux.rename;

    notify_fixture_say(fixture, "STATUS=before");
    fixture->notify = notify_socket_give(fixture->notify, geteuid(), NULL);
    g_assert_cmpstr(notify_socket_path(fixture->notify), ==, path);
    g_assert_cmpint(count_files(fixture), ==, 1);
    while (notify_fixture_send_bytes(fixture, "STATUS=connected", 16, NULL, 0))
        n_said++;
    send_to(path, "STATUS=after");
    notify_socket_drain(fixture->notify);
    g_assert_cmpuint(n_said, >, 1);
    g_assert_cmpuint(fixture->said->len, ==, n_said + 1);
    g_assert_cmpstr(g_ptr_array_index(fixture->said, 0), ==, "before");
    g_assert_cmpstr(g_ptr_array_index(fixture->said, 1), ==, "connected");
    g_assert_cmpstr(g_ptr_array_index(fixture->said, n_said), ==, "after");
    /* Not only when it is drained. */
    notify_fixture_say(fixture, "STATUS=connected");
    g_assert_true(notify_fixture_turn(fixture));
    g_assert_cmpuint(fixture->said->len, ==, n_said + 2);
}

/* A program that floods, is ready and ends, all while nobody listens to it: it was ready. */
static void test_last_words(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-notifier', '@flood', '200',"
                                     "'READY=1\\nSTATUS=last words', '@exit', '6'],"
                                     "'readiness': 'notify', 'restart': {'policy': 'no'}}");

    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_EXIT_CODE, "exited with status 6");
    assert_contains(fixture->history->str, "active/running failed/dead");
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "last words");
    fixture_drop(fixture, service);
}

static void real_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void real_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

#define ADD_DATA(path, func, data)                                                                 \
    g_test_add("/notify-rate/" path, NotifyFixture, data, notify_fixture_init, func,               \
               notify_fixture_done)
#define ADD(path, func) ADD_DATA(path, func, NULL)
#define ADD_REAL(path, func)                                                                       \
    g_test_add("/notify-rate/" path, ProcessFixture, NULL, real_init, func, real_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("burst", test_burst);
    ADD("pause", test_pause);
    ADD_DATA("flood", test_flood, GSIZE_TO_POINTER(RATE_PER_SECOND));
    ADD_DATA("strangers/flood", test_flood, GSIZE_TO_POINTER(RATE_STRANGERS_PER_SECOND));
    ADD("strangers/own-budget", test_strangers);
    ADD("strangers/descriptors", test_strangers_descriptors);
    ADD("given", test_given);
    ADD("steady", test_steady);
    ADD("descriptors", test_descriptors);
    ADD("saved-up", test_saved_up);
    ADD("drain", test_drain);
    ADD("drain-is-bounded", test_drain_is_bounded);
    ADD("drain-is-bounded/descriptors", test_drain_of_fds_is_bounded);
    ADD("resume-fails", test_resume_fails);
    ADD("closed-while-paused", test_closed_while_paused);
    ADD_REAL("beside-a-flood", test_beside_a_flood);
    ADD_REAL("real-time", test_real_time);
    ADD_REAL("last-words", test_last_words);
    return g_test_run();
}
