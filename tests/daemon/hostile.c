/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is freed late (a closed connection in a later turn) is waited for by asking the daemon again
 * and again: each answer is a turn of its loop. */

#include "hostile.h"

#include <poll.h>
#include <string.h>

#define HOSTILE_SLEEPER "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"
#if defined(ADDRESS_SANITIZED) /* it keeps what was freed for a while: nothing is judged */
#define HOSTILE_GROWTHS_MAX 1
#else
#define HOSTILE_GROWTHS_MAX 3
#endif
#define HOSTILE_N_TURNS 8
/* The daemon tells its counts up to a quarter of a second late; then nothing may be left to do. */
#define HOSTILE_QUIET_MSEC 300

void hostile_set_up(Hostile *hostile, const void *data)
{
    daemon_fixture_set_up(&hostile->daemon, NULL);
    daemon_fixture_start(&hostile->daemon, data, NULL);
    client_create(hostile->daemon.client, "web", "process", HOSTILE_SLEEPER, true);
    client_wait_state(hostile->daemon.client, "web", "active");
    hostile->service_path = client_service_path("web");
    hostile->main_pid = client_get_unsigned(hostile->daemon.client, hostile->service_path,
                                            CLIENT_PROCESS, "MainPID");
    g_assert_cmpuint(hostile->main_pid, >, 0);
}

void hostile_tear_down(Hostile *hostile, const void *unused)
{
    g_clear_pointer(&hostile->service_path, g_free);
    daemon_fixture_tear_down(&hostile->daemon, NULL);
}

static char *hostile_proc_path(const Hostile *hostile, const char *name)
{
    return g_strdup_printf("/proc/%d/%s", (int)hostile->daemon.daemon.pid, name);
}

unsigned hostile_count_fds(const Hostile *hostile)
{
    return daemon_fixture_count_fds(&hostile->daemon);
}

uint64_t hostile_memory_bytes(const Hostile *hostile)
{
    static const char *const names[] = {"Private_Clean:", "Private_Dirty:"};
    g_autofree char *path = hostile_proc_path(hostile, "smaps_rollup");
    g_autofree char *text = NULL;
    uint64_t bytes = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *line = strstr(text, names[i]);

        g_assert_nonnull(line);
        bytes += g_ascii_strtoull(line + strlen(names[i]), NULL, 10) * 1024;
    }
    return bytes;
}

static void hostile_ping(const Hostile *hostile)
{
    sd_bus_message_unref(client_call(hostile->daemon.client, CLIENT_ROOT,
                                     "org.freedesktop.DBus.Peer", "Ping", NULL));
}

void hostile_await_fds(const Hostile *hostile, unsigned n_fds)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    unsigned count;

    while ((count = hostile_count_fds(hostile)) != n_fds) {
        if (test_now_usec() > deadline)
            g_error("the daemon has %u descriptors open, not %u", count, n_fds);
        hostile_ping(hostile);
    }
    for (unsigned i = 0; i < HOSTILE_N_TURNS; i++) /* its memory goes after the descriptor */
        hostile_ping(hostile);
}

/* By how much n attacks make it grow. */
static int64_t hostile_grow(Hostile *hostile, unsigned n, unsigned n_fds,
                            void (*attack)(Hostile *hostile))
{
    uint64_t before = hostile_memory_bytes(hostile);

    for (unsigned i = 0; i < n; i++) {
        attack(hostile);
        hostile_await_fds(hostile, n_fds);
    }
    uint64_t after = hostile_memory_bytes(hostile);
    g_test_message("memory: %" G_GUINT64_FORMAT " KiB, then %" G_GUINT64_FORMAT " KiB",
                   before / 1024, after / 1024);
    return (int64_t)(after - before);
}

/* A leak grows each time; a heap that has not had its largest moment yet grows once. */
void hostile_repeat(Hostile *hostile, unsigned n, uint64_t slack_bytes,
                    void (*attack)(Hostile *hostile))
{
    unsigned n_fds = hostile_count_fds(hostile);
    unsigned n_grown = 0;

    attack(hostile);
    hostile_await_fds(hostile, n_fds);
    while (n_grown < HOSTILE_GROWTHS_MAX &&
           hostile_grow(hostile, n, n_fds, attack) > (int64_t)slack_bytes)
        n_grown++;
#if !defined(ADDRESS_SANITIZED)
    g_assert_cmpuint(n_grown, <, HOSTILE_GROWTHS_MAX);
#endif
    hostile_assert_unharmed(hostile);
}

/* Time on the processor and number of turns on it (proc(5), schedstat). */
static char *hostile_schedule(const Hostile *hostile)
{
    g_autofree char *path = hostile_proc_path(hostile, "schedstat");
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* Watches the daemon do nothing. */
static void hostile_assert_idle(const Hostile *hostile)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    struct pollfd end = {.fd = hostile->daemon.daemon.pidfd, .events = POLLIN};

    for (;;) {
        g_autofree char *before = hostile_schedule(hostile);

        g_assert_cmpint(poll(&end, 1, HOSTILE_QUIET_MSEC), ==, 0); /* it does not end */
        g_autofree char *after = hostile_schedule(hostile);
        if (g_str_equal(before, after))
            return;
        if (test_now_usec() > deadline)
            g_error("the daemon does not come to rest: %s, then %s", before, after);
    }
}

static void hostile_assert_serves(Hostile *hostile, Client *client)
{
    g_autofree char *state =
            client_get_string(client, hostile->service_path, CLIENT_SERVICE, "State");

    g_assert_cmpstr(state, ==, "active");
    g_assert_cmpuint(client_get_unsigned(client, hostile->service_path, CLIENT_PROCESS, "MainPID"),
                     ==, hostile->main_pid);
    sd_bus_message_unref(
            client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "ListServices", "a{sv}", 0));
}

void hostile_assert_unharmed(Hostile *hostile)
{
    Client *peer = client_new_private(hostile->daemon.socket);

    hostile_assert_serves(hostile, hostile->daemon.client);
    hostile_assert_serves(hostile, peer);
    client_free(peer);
    client_process(hostile->daemon.client);
    hostile_assert_idle(hostile);
}
