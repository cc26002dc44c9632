/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random calls of everything that the daemon exports, and damaged ones, while services come, go and
 * fail. It must stay, answer, leak nothing, and give no sanitizer cause to complain.
 *
 * --seconds=N or SVCMGR_TEST_LONG=1 (30 s) make it take longer; so does a sanitizer. */

#include "caller.h"
#include "nasty.h"
#include "relay.h"
#include "support/daemon-fixture.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES_IN_FLIGHT 300
#define MESSAGES_DAMAGED_MAX 24 /* of one connection */
#define MESSAGES_PINGS_EVERY 64
#define MESSAGES_TESTS 3
#define MESSAGES_SECONDS_LONG 30
#define MESSAGES_SECONDS_SHORT 3

static uint64_t messages_usec; /* of one test */

typedef struct MessagesFixture {
    DaemonFixture daemon;
    Contract *contract;
    Caller *watcher; /* on the bus: well behaved */
    uint64_t slowest_usec;
} MessagesFixture;

static sd_bus *messages_connect(const char *address, bool is_bus)
{
    sd_bus *bus = NULL;

    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(bus, is_bus), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

static Caller *messages_caller_on_bus(MessagesFixture *fixture)
{
    return caller_new(messages_connect(fixture->daemon.bus_address, true), "org.svcmgr1",
                      fixture->contract);
}

static void messages_set_up(MessagesFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    daemon_fixture_set_up(&fixture->daemon, NULL);
    daemon_fixture_start(&fixture->daemon, "--max-services=40", "--log-level=warning", NULL);
    fixture->contract = contract_load(g_getenv("INTERFACES"), &error);
    g_assert_no_error(error);
    fixture->watcher = messages_caller_on_bus(fixture);
}

/* What a sanitizer without halt_on_error only writes. */
static void messages_assert_log(DaemonFixture *daemon)
{
    g_autofree char *log = daemon_fixture_log(daemon);

    g_assert_null(strstr(log, "runtime error:"));
    g_assert_null(strstr(log, "Sanitizer"));
    g_assert_null(strstr(log, "GLib"));
}

static void messages_tear_down(MessagesFixture *fixture, const void *unused)
{
    g_test_message("slowest answer to a Ping: %" G_GUINT64_FORMAT " us", fixture->slowest_usec);
    caller_settle(fixture->watcher);
    caller_free(fixture->watcher);
    g_assert_cmpint(daemon_fixture_stop(&fixture->daemon, SIGTERM), ==, 0);
    messages_assert_log(&fixture->daemon);
    contract_free(fixture->contract);
    daemon_fixture_tear_down(&fixture->daemon, NULL);
}

static void messages_ping(MessagesFixture *fixture, Caller *caller)
{
    fixture->slowest_usec = MAX(fixture->slowest_usec, caller_ping_usec(caller));
}

/* Whole messages */

static void messages_call(Caller *caller)
{
    if (nasty_once_in(3))
        caller_call_sensibly(caller);
    else
        caller_call_any(caller);
}

/* Waits of which nobody knows when they end would fill the connection. */
static void messages_make_room(Caller *caller)
{
    if (g_hash_table_size(caller->calls) >= MESSAGES_IN_FLIGHT)
        caller_settle(caller);
}

/* Takes caller. */
static void messages_play(MessagesFixture *fixture, Caller *caller)
{
    uint64_t end = usec_add(test_now_usec(), messages_usec);

    for (uint64_t n = 0; test_now_usec() < end; n++) {
        messages_call(caller);
        g_assert_true(caller_process(caller));
        messages_make_room(caller);
        if (n % MESSAGES_PINGS_EVERY == 0) {
            messages_ping(fixture, caller);
            messages_ping(fixture, fixture->watcher);
        }
    }
    caller_settle(caller);
    g_test_message("%" G_GUINT64_FORMAT " calls, %" G_GUINT64_FORMAT " results, %" G_GUINT64_FORMAT
                   " errors",
                   caller->n_sent, caller->n_results, caller->n_errors);
    g_assert_cmpuint(caller->n_results, >, caller->n_sent / 16);
    g_assert_cmpuint(caller->n_errors, >, caller->n_sent / 16);
    caller_free(caller);
}

static void test_bus(MessagesFixture *fixture, const void *unused)
{
    messages_play(fixture, messages_caller_on_bus(fixture));
}

static void test_private(MessagesFixture *fixture, const void *unused)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", fixture->daemon.socket);

    messages_play(fixture, caller_new(messages_connect(address, false), NULL, fixture->contract));
}

/* Damaged messages */

/* Those of a caller that is never asked for its answers. */
static uint64_t messages_play_damaged(MessagesFixture *fixture)
{
    Relay *relay = relay_new(fixture->daemon.socket);
    Caller *caller = caller_new(sd_bus_ref(relay->bus), NULL, fixture->contract);
    uint64_t n_sent;

    for (unsigned n = 1 + nasty_random(MESSAGES_DAMAGED_MAX); n > 0; n--) {
        sd_bus_message *message = caller_message_any(caller);
        bool goes_on = message == NULL || relay_send(relay, message);

        sd_bus_message_unref(message);
        if (!goes_on)
            break;
    }
    relay_end(relay);
    n_sent = relay->n_sent;
    caller_free(caller);
    relay_free(relay);
    return n_sent;
}

static void test_damaged(MessagesFixture *fixture, const void *unused)
{
    uint64_t end = usec_add(test_now_usec(), messages_usec);
    uint64_t n_sent = 0, n_connections = 0;

    while (test_now_usec() < end) {
        caller_call_sensibly(fixture->watcher);
        g_assert_true(caller_process(fixture->watcher));
        messages_make_room(fixture->watcher);
        n_sent += messages_play_damaged(fixture);
        n_connections++;
        messages_ping(fixture, fixture->watcher);
    }
    g_test_message("%" G_GUINT64_FORMAT " messages in %" G_GUINT64_FORMAT " connections", n_sent,
                   n_connections);
    g_assert_cmpuint(n_sent, >, n_connections);
}

static unsigned messages_seconds(int argc, char **argv)
{
#ifdef ADDRESS_SANITIZED
    unsigned seconds = MESSAGES_SECONDS_LONG;
#else
    unsigned seconds = MESSAGES_SECONDS_SHORT;
#endif

    if (g_strcmp0(g_getenv("SVCMGR_TEST_LONG"), "1") == 0)
        seconds = MESSAGES_SECONDS_LONG;
    for (int i = 1; i < argc; i++) {
        if (g_str_has_prefix(argv[i], "--seconds="))
            seconds = (unsigned)atoi(argv[i] + strlen("--seconds="));
    }
    return seconds;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    messages_usec = messages_seconds(argc, argv) * USEC_PER_SEC / MESSAGES_TESTS;
    g_test_add("/messages/bus", MessagesFixture, NULL, messages_set_up, test_bus,
               messages_tear_down);
    g_test_add("/messages/private", MessagesFixture, NULL, messages_set_up, test_private,
               messages_tear_down);
    g_test_add("/messages/damaged", MessagesFixture, NULL, messages_set_up, test_damaged,
               messages_tear_down);
    return g_test_run();
}
