/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes over the wire, seen by a monitor of the bus and by a peer of the private socket: every
 * message keeps the contract, every transition is told once, and no serial is left out. */

#include "support/contract.h"
#include "support/daemon-fixture.h"
#include "support/monitor.h"

#include <string.h>

#define SLEEPER "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"restart\": {\"initial_delay\": 0}}"

/* A bit of everything. */
static void play(Client *client)
{
    g_autofree char *web = client_service_path("web");
    g_autofree char *odd = client_service_path("odd.name@1");

    client_create(client, "web", "process", SLEEPER, true);
    client_create(client, "odd.name@1", "process",
                  "{\"exec\": [\"/bin/false\"], \"restart\": {\"initial_delay\": 0, "
                  "\"max_attempts\": 3}}",
                  true);
    client_wait_state(client, "odd.name@1", "failed");
    client_create(client, "job", "oneshot", "{\"exec\": [\"/bin/true\"]}", true);
    client_wait_state(client, "job", "inactive");
    sd_bus_message_unref(
            client_call(client, web, CLIENT_SERVICE, "Wait", "a{sv}", 1, "until", "s", "active"));
    sd_bus_message_unref(client_call(client, web, CLIENT_SERVICE, "GetState", NULL));
    sd_bus_message_unref(client_call(client, web, CLIENT_SERVICE, "GetConfig", NULL));
    sd_bus_message_unref(client_call(client, web, "org.freedesktop.DBus.Properties", "GetAll", "s",
                                     CLIENT_SERVICE));
    sd_bus_message_unref(client_call(client, web, "org.freedesktop.DBus.Properties", "GetAll", "s",
                                     CLIENT_PROCESS));
    sd_bus_message_unref(client_call(client, CLIENT_ROOT, "org.freedesktop.DBus.Properties",
                                     "GetAll", "s", CLIENT_MANAGER));
    sd_bus_message_unref(client_call(client, CLIENT_ROOT, "org.freedesktop.DBus.ObjectManager",
                                     "GetManagedObjects", NULL));
    sd_bus_message_unref(
            client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "ListServices", "a{sv}", 0));
    sd_bus_message_unref(client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "GetEvents", "tu",
                                     (uint64_t)0, (uint32_t)0));
    uint64_t pid = client_get_unsigned(client, web, CLIENT_PROCESS, "MainPID");
    g_assert_cmpint(kill((pid_t)pid, SIGKILL), ==, 0);
    client_wait_main_pid(client, "web", pid);
    sd_bus_message_unref(client_call(client, web, CLIENT_SERVICE, "Configure", "s",
                                     "{\"exec\": [\"/bin/sleep\", \"1000\"]}"));
    client_wait_state(client, "web", "active");
    client_operate(client, "web", "Restart");
    client_wait_state(client, "web", "active");
    sd_bus_message_unref(client_call(client, odd, CLIENT_SERVICE, "ResetFailed", NULL));
    sd_bus_message_unref(client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "DeleteService", "sa{sv}",
                                     "odd.name@1", 0));
    client_operate(client, "web", "Stop");
    client_wait_state(client, "web", "inactive");
    sd_bus_message_unref(
            client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "DeleteService", "sa{sv}", "web", 0));
    client_process(client); /* what came before the last reply */
}

static void assert_contract(GPtrArray *messages)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Contract) contract = contract_load(g_getenv("INTERFACES"), &error);

    g_assert_no_error(error);
    for (unsigned i = 0; i < messages->len; i++) {
        g_assert_cmpint(sd_bus_message_rewind(g_ptr_array_index(messages, i), true), >=, 0);
        if (!contract_check_message(contract, g_ptr_array_index(messages, i), &error))
            g_error("message %u of %u: %s", i, messages->len, error->message);
    }
}

static void test_contract(DaemonFixture *fixture, const void *unused)
{
    Monitor *monitor = monitor_new(fixture->bus_address);

    daemon_fixture_start(fixture, NULL);
    play(fixture->client);
    monitor_collect(monitor, fixture->client);
    g_assert_cmpuint(monitor->messages->len, >, 50);
    assert_contract(monitor->messages);
    monitor_free(monitor);
}

static void test_contract_on_private_socket(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    Client *peer = client_new_private(fixture->socket);

    play(peer);
    g_assert_cmpuint(peer->signals->len, >, 10);
    assert_contract(peer->signals);
    client_free(peer);
}

/* One event of the signal Event. */
typedef struct SeenEvent {
    uint64_t serial;
    const char *type;
    const char *id;
    unsigned n_changed; /* PropertiesChanged with this serial */
} SeenEvent;

static GArray *collect_events(GPtrArray *signals)
{
    GArray *events = g_array_new(FALSE, TRUE, sizeof(SeenEvent));

    for (unsigned i = 0; i < signals->len; i++) {
        sd_bus_message *message = g_ptr_array_index(signals, i);
        SeenEvent event = {0};

        if (!sd_bus_message_is_signal(message, CLIENT_MANAGER, "Event"))
            continue;
        g_assert_cmpint(sd_bus_message_rewind(message, true), >=, 0);
        g_assert_cmpint(
                sd_bus_message_read(message, "ttss", &event.serial, NULL, &event.type, &event.id),
                >, 0);
        g_array_append_val(events, event);
    }
    return events;
}

static void count_changes(GPtrArray *signals, GArray *events)
{
    uint64_t first = g_array_index(events, SeenEvent, 0).serial;
    uint64_t last = 0;

    for (unsigned i = 0; i < signals->len; i++) {
        sd_bus_message *message = g_ptr_array_index(signals, i);
        uint64_t serial;

        if (!client_changed_unsigned(message, CLIENT_SERVICE, "StateSerial", &serial))
            continue;
        g_assert_cmpuint(serial, >, last);
        last = serial;
        g_assert_cmpuint(serial - first, <, events->len);
        SeenEvent *event = &g_array_index(events, SeenEvent, serial - first);
        g_autofree char *path = client_service_path(event->id);
        g_assert_cmpstr(sd_bus_message_get_path(message), ==, path);
        event->n_changed++;
    }
}

/* A State that changes outside of a transition would be one that nobody can place. */
static void assert_state_only_with_serial(GPtrArray *signals)
{
    for (unsigned i = 0; i < signals->len; i++) {
        sd_bus_message *message = g_ptr_array_index(signals, i);
        const char *state;
        uint64_t serial;

        if (client_changed_string(message, CLIENT_SERVICE, "State", &state))
            g_assert_true(client_changed_unsigned(message, CLIENT_SERVICE, "StateSerial", &serial));
    }
}

static void test_serials(DaemonFixture *fixture, const void *private)
{
    daemon_fixture_start(fixture, NULL);
    Client *client = private != NULL ? client_new_private(fixture->socket)
                                     : g_steal_pointer(&fixture->client);

    play(client);
    g_autoptr(GArray) events = collect_events(client->signals);
    g_assert_cmpuint(events->len, >, 15);
    for (unsigned i = 0; i < events->len; i++)
        g_assert_cmpuint(g_array_index(events, SeenEvent, i).serial, ==,
                         g_array_index(events, SeenEvent, 0).serial + i);
    count_changes(client->signals, events);
    for (unsigned i = 0; i < events->len; i++) {
        const SeenEvent *event = &g_array_index(events, SeenEvent, i);

        g_assert_cmpuint(event->n_changed, ==, g_str_equal(event->type, "Transition") ? 1 : 0);
    }
    assert_state_only_with_serial(client->signals);
    client_free(client);
}

#define ADD(path, data, function)                                                                  \
    g_test_add("/wire/" path, DaemonFixture, data, daemon_fixture_set_up, function,                \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("contract/bus", NULL, test_contract);
    ADD("contract/private-socket", NULL, test_contract_on_private_socket);
    ADD("serials/bus", NULL, test_serials);
    ADD("serials/private-socket", "private", test_serials);
    return g_test_run();
}
