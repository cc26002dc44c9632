/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events of the whole life of the real daemon, each exactly once and numbered without a gap: in
 * the log, in GetEvents, and as signals for those who are there, to the very last. */

#include "trouble.h"

#include <signal.h>
#include <string.h>

static bool events_is_last(sd_bus_message *message)
{
    const char *type, *id;
    uint64_t serial, time;

    return sd_bus_message_is_signal(message, CLIENT_MANAGER, "Event") > 0 &&
           sd_bus_message_rewind(message, 1) >= 0 &&
           sd_bus_message_read(message, "ttss", &serial, &time, &type, &id) > 0 &&
           g_str_equal(type, "AppTerminated");
}

/* The daemon may hang up right behind its last event. */
static void events_wait_for_last(Client *client)
{
    uint64_t deadline = test_now_usec() + CLIENT_PATIENCE_USEC;

    for (;;) {
        int r = sd_bus_process(client->bus, NULL);

        while (client->cursor < client->signals->len) {
            if (events_is_last(g_ptr_array_index(client->signals, client->cursor++)))
                return;
        }
        if (r < 0 || test_now_usec() >= deadline)
            g_error("AppTerminated has not come");
        if (r == 0)
            (void)sd_bus_wait(client->bus, USEC_PER_SEC); /* the next turn sees what it was */
    }
}

/* What happened before the client was there, and then what it was told. */
static char *events_of(Client *client, TroubleEvents *events)
{
    events_wait_for_last(client);
    trouble_events_add_signals(events, client);
    trouble_events_assert_no_gap(events);
    return trouble_events_to_string(events);
}

static TroubleEvents *events_begin(Client *client)
{
    TroubleEvents *events = trouble_events_new();

    trouble_events_ask(events, client);
    return events;
}

static void test_life(DaemonFixture *fixture, const void *unused)
{
    static const char expected[] = "AppStartup\nPreHookStart signals\nPostHookStart signals\n"
                                   "PreHookStart lock\nPostHookStart lock\n"
                                   "PreHookStart pid-file\nPostHookStart pid-file\n"
                                   "PreHookStart 1\nPostHookStart 1\n"
                                   "ProcessStart nap\nAppRunning\nAppTerminating\nProcessEnd nap\n"
                                   "PreHookStop 1\nPostHookStop 1\nPreHookStop 2\nPostHookStop 2\n"
                                   "PreHookStop pid-file\nPostHookStop pid-file\nAppTerminated\n";

    trouble_script(fixture, "config/hooks/startup.d/1", "exit 0");
    trouble_script(fixture, "config/hooks/shutdown.d/1", "exit 0");
    trouble_script(fixture, "config/hooks/shutdown.d/2", "exit 1");
    daemon_fixture_define(fixture, "nap",
                          "{\"kind\": \"process\", \"enabled\": true, \"config\": "
                          "{\"exec\": [\"/bin/sleep\", \"infinity\"]}}");
    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
    Client *on_bus = client_new_bus(fixture->bus_address);
    Client *on_socket = client_new_private(fixture->socket);
    g_autoptr(TroubleEvents) bus_events = events_begin(on_bus);
    g_autoptr(TroubleEvents) socket_events = events_begin(on_socket);
    g_autoptr(TroubleEvents) log_events = trouble_events_new();
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);

    g_autofree char *bus = events_of(on_bus, bus_events);
    g_autofree char *socket = events_of(on_socket, socket_events);
    g_autofree char *text = daemon_fixture_log(fixture);
    trouble_events_read_log(log_events, text);
    g_autofree char *log = trouble_events_to_string(log_events);
    g_assert_cmpstr(bus, ==, expected);
    g_assert_cmpstr(socket, ==, expected);
    g_assert_cmpstr(log, ==, expected);
    client_free(on_bus);
    client_free(on_socket);
}

/* A launch that fails has an end, too, and what has begun is over by then. */
static void test_launch_fails(DaemonFixture *fixture, const void *unused)
{
    static const char expected[] = "AppStartup\nPreHookStart signals\nPostHookStart signals\n"
                                   "PreHookStart lock\nPostHookStart lock\n"
                                   "PreHookStart pid-file\nPostHookStart pid-file\n"
                                   "PreHookStart 1\nPostHookStart 1\n"
                                   "PreHookStart 2\nPostHookStart 2\nAppTerminating\n"
                                   "PreHookStop 1\nPostHookStop 1\n"
                                   "PreHookStop pid-file\nPostHookStop pid-file\n"
                                   "AppTerminated\n";
    g_autoptr(TroubleEvents) events = trouble_events_new();
    g_autofree char *output = NULL;

    trouble_script(fixture, "config/hooks/startup.d/1", "exit 0");
    trouble_script(fixture, "config/hooks/startup.d/2", "exit 2");
    trouble_script(fixture, "config/hooks/startup.d/3", "exit 0");
    trouble_script(fixture, "config/hooks/shutdown.d/1", "exit 1");
    g_assert_cmpint(
            daemon_fixture_run(fixture, &output,
                               daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir),
                               NULL),
            ==, 1);
    trouble_events_read_log(events, output);
    g_autofree char *log = trouble_events_to_string(events);
    g_assert_cmpstr(log, ==, expected);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-events/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,       \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("life", test_life);
    ADD("launch-fails", test_launch_fails);
    return g_test_run();
}
