/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service that says as much as its notify socket takes (flooder.c) costs others next to nothing:
 * no time, no memory, no descriptors, no signals and no log; and it can be stopped. */

#include "base/fds.h"
#include "trouble.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOOD_ROUNDS 7
#define FLOOD_ASK_USEC (250 * USEC_PER_MSEC)
#define FLOOD_RATIO 2
#define FLOOD_SLACK_USEC 10 /* what is worth nothing in either */
#define FLOOD_STORE_MAX 64  /* the default of fd_store_max */
#define FLOOD_FDS_MORE 16   /* of the daemon itself, beside what it stores */
#define FLOOD_MEMORY_KIB 2048
#define FLOOD_LINES_MAX 20      /* of the log, over all of the floods */
#define FLOOD_TOLD_PER_SECOND 2 /* that its status has changed */

typedef struct Flood {
    DaemonFixture *fixture;
    sd_bus *bus; /* the private socket; hears nothing */
    unsigned number;
    unsigned n_told;     /* signals with a new status, while it floods */
    uint64_t flood_usec; /* how long it has flooded, all in all */
    double ratio_median; /* of the best round */
    double ratio_p99;    /* of the best round */
} Flood;

/* What the daemon has */

static void flood_check_memory(const DaemonFixture *fixture, unsigned kib)
{
#ifdef ADDRESS_SANITIZED
    (void)fixture; /* a sanitizer keeps what was freed */
    (void)kib;
#else
    g_assert_cmpuint(daemon_fixture_rss_kib(fixture), <, kib + FLOOD_MEMORY_KIB);
#endif
}

/* Asking somebody else */

static int on_flood_order(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static uint64_t flood_get(Flood *flood)
{
    uint64_t begin = test_now_usec();
    g_autofree char *state = NULL;
    g_autofree char *path = client_service_path("calm");

    g_assert_cmpint(sd_bus_get_property_string(flood->bus, NULL, path, CLIENT_SERVICE, "State",
                                               NULL, &state),
                    >=, 0);
    g_assert_cmpstr(state, ==, "active");
    return test_now_usec() - begin;
}

/* For a while, one after the other. */
static void flood_ask(Flood *flood, uint64_t *ret_median, uint64_t *ret_p99)
{
    uint64_t end = test_now_usec() + FLOOD_ASK_USEC;
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    while (test_now_usec() < end) {
        uint64_t usec = flood_get(flood);

        g_array_append_val(times, usec);
    }
    g_array_sort(times, on_flood_order);
    *ret_median = g_array_index(times, uint64_t, times->len / 2);
    *ret_p99 = g_array_index(times, uint64_t, times->len * 99 / 100);
}

/* The flood */

static bool flood_is_status(sd_bus_message *message, void *data)
{
    const char *text;

    return client_changed_string(message, CLIENT_PROCESS, "StatusText", &text) &&
           (data == NULL || g_str_equal(text, data));
}

static void flood_tell(Flood *flood, int signo)
{
    g_autofree char *path = client_service_path("flood");

    sd_bus_message_unref(client_call(flood->fixture->client, path, CLIENT_SERVICE, "Signal", "si",
                                     "main", signo));
}

static void flood_begin(Flood *flood)
{
    Client *client = flood->fixture->client;

    client_process(client);
    client->cursor = client->signals->len;
    flood->number++;
    flood->flood_usec -= test_now_usec();
    flood_tell(flood, SIGUSR2);
    client_wait(client, flood_is_status, NULL);
}

/* What it says last is always told. Counts what was told before. */
static void flood_end(Flood *flood)
{
    g_autofree char *last = g_strdup_printf("calm %u", flood->number);
    Client *client = flood->fixture->client;
    unsigned begin = client->cursor - 1;

    flood_tell(flood, SIGUSR1);
    client_wait(client, flood_is_status, last);
    flood->flood_usec += test_now_usec();
    for (unsigned i = begin; i < client->cursor; i++)
        flood->n_told += flood_is_status(g_ptr_array_index(client->signals, i), NULL);
    g_autofree char *path = client_service_path("flood");
    g_autofree char *text = client_get_string(client, path, CLIENT_PROCESS, "StatusText");
    g_assert_cmpstr(text, ==, last);
}

static void flood_round(Flood *flood)
{
    uint64_t idle_median, idle_p99, median, p99;

    flood_ask(flood, &idle_median, &idle_p99);
    flood_begin(flood);
    flood_ask(flood, &median, &p99);
    flood_end(flood);
    g_test_message("idle: median %" G_GUINT64_FORMAT " us, p99 %" G_GUINT64_FORMAT
                   " us; in the flood: median %" G_GUINT64_FORMAT " us, p99 %" G_GUINT64_FORMAT
                   " us",
                   idle_median, idle_p99, median, p99);
    flood->ratio_median =
            MIN(flood->ratio_median, (double)median / (double)(idle_median + FLOOD_SLACK_USEC));
    flood->ratio_p99 = MIN(flood->ratio_p99, (double)p99 / (double)(idle_p99 + FLOOD_SLACK_USEC));
}

static void flood_set_up(Flood *flood, DaemonFixture *fixture)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", fixture->socket);
    g_autofree char *config =
            g_strdup_printf("{\"exec\": [\"%s\"], \"readiness\": \"notify\", \"watchdog\": \"1h\"}",
                            g_getenv("FLOODER"));

    *flood = (Flood){.fixture = fixture, .ratio_median = 1000, .ratio_p99 = 1000};
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "calm", "process", "{\"exec\": [\"/bin/sleep\", \"1000\"]}",
                  true);
    client_create(fixture->client, "flood", "process", config, true);
    trouble_wait_active(fixture, "calm");
    trouble_wait_active(fixture, "flood");
    g_assert_cmpint(sd_bus_new(&flood->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(flood->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_start(flood->bus), >=, 0);
    (void)flood_get(flood);
    child_share_processor(&fixture->daemon);
}

static void flood_check_quiet(DaemonFixture *fixture, size_t log_length)
{
    g_autofree char *log = daemon_fixture_log(fixture);

    g_assert_cmpuint(text_count(log + log_length, "\n"), <, FLOOD_LINES_MAX);
    g_assert_cmpuint(text_count(log + log_length, "dropped a readiness message"), ==, 1);
    g_assert_cmpuint(text_count(log + log_length, "is not kept (FDSTORE=1)"), ==, 1);
}

static size_t flood_log_length(DaemonFixture *fixture)
{
    g_autofree char *log = daemon_fixture_log(fixture);

    return strlen(log);
}

static void test_flood(DaemonFixture *fixture, const void *unused)
{
    Flood flood;

    flood_set_up(&flood, fixture);
    size_t log_length = flood_log_length(fixture);
    unsigned n_fds = daemon_fixture_count_fds(fixture), rss = daemon_fixture_rss_kib(fixture);
    for (unsigned i = 0; i < FLOOD_ROUNDS; i++)
        flood_round(&flood);
    g_test_message(
            "best: median %.2f times idle, p99 %.2f times; told %u times in %" G_GUINT64_FORMAT
            " ms; %u descriptors and %u KiB before, %u and %u after",
            flood.ratio_median, flood.ratio_p99, flood.n_told, flood.flood_usec / 1000, n_fds, rss,
            daemon_fixture_count_fds(fixture), daemon_fixture_rss_kib(fixture));
    g_assert_cmpfloat(flood.ratio_median, <, FLOOD_RATIO);
    g_assert_cmpfloat(flood.ratio_p99, <, FLOOD_RATIO);
    g_assert_cmpuint(flood.n_told, >, FLOOD_ROUNDS);
    g_assert_cmpuint(flood.n_told, <=,
                     FLOOD_TOLD_PER_SECOND * flood.flood_usec / USEC_PER_SEC + 2 * FLOOD_ROUNDS);
    g_assert_cmpuint(daemon_fixture_count_fds(fixture), <=,
                     n_fds + FLOOD_STORE_MAX + FLOOD_FDS_MORE);
    flood_check_memory(fixture, rss);
    flood_check_quiet(fixture, log_length);
    (void)sd_bus_flush_close_unref(flood.bus); /* always NULL */
}

/* What is closed in turns of the daemon's loop is given them by calls. */
static void flood_await_fds(Flood *flood, unsigned n_fds)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);

    while (daemon_fixture_count_fds(flood->fixture) > n_fds) {
        if (test_now_usec() > deadline)
            g_error("%u descriptors before, %u after", n_fds,
                    daemon_fixture_count_fds(flood->fixture));
        (void)flood_get(flood);
    }
}

/* In the middle of it; what it gave to be kept goes with it. */
static void test_stop(DaemonFixture *fixture, const void *unused)
{
    Flood flood;

    flood_set_up(&flood, fixture);
    unsigned n_fds = daemon_fixture_count_fds(fixture);
    flood_begin(&flood);
    client_operate(fixture->client, "flood", "Stop");
    client_wait_state(fixture->client, "flood", "inactive");
    flood_await_fds(&flood, n_fds);
    (void)sd_bus_flush_close_unref(flood.bus); /* always NULL */
}

#define ADD(path, function)                                                                        \
    g_test_add("/flood/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,               \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("others", test_flood);
    ADD("stop", test_stop);
    return g_test_run();
}
