/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a real dbus-daemon of its own: the name, who calls, the order of calls, and a bus that goes
 * away. */

#include "bus-fixture.h"

#include "bus/connection.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static BusFixture fixture;
static GPid daemon_pid;
static char *address; /* "unix:path=..." */
static BusClient *client;

static const char config_text[] =
        "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>"
        "<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/>"
        "<allow own='*'/></policy>"
        "<limit name='max_match_rules_per_connection'>%u</limit></busconfig>";

static unsigned max_matches = 512;

static char *config_path(void)
{
    return g_build_filename(fixture.directory, "config", NULL);
}

/* The broker ends with the test, however that ends. */
static void on_broker_child(void *unused)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a courtesy; the test kills it */
}

/* Returns when it listens: then it prints its address. */
static void broker_start(void)
{
    g_autofree char *path = config_path();
    g_autofree char *text = g_strdup_printf(config_text, address, max_matches);
    g_autofree char *option = g_strdup_printf("--config-file=%s", path);
    char *arguments[] = {(char *)"dbus-daemon", (char *)"--nofork", (char *)"--print-address=1",
                         option, NULL};
    g_autoptr(GError) error = NULL;
    char byte = 0;
    int output = -1;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_spawn_async_with_pipes(NULL, arguments, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                     G_SPAWN_STDERR_TO_DEV_NULL,
                             on_broker_child, NULL, &daemon_pid, NULL, &output, NULL, &error);
    g_assert_no_error(error);
    while (byte != '\n')
        g_assert_cmpint(read(output, &byte, 1), ==, 1);
    close(output);
}

static void broker_stop(void)
{
    g_assert_cmpint(kill(daemon_pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(daemon_pid, NULL, 0), ==, daemon_pid);
}

static bool client_is_ready(void *data)
{
    return ((BusClient *)data)->is_matched;
}

static BusClient *broker_client(void)
{
    BusClient *made = bus_client_new_at(&fixture, address, BUS_CLIENT_LISTENING);

    bus_fixture_await(&fixture, client_is_ready, made);
    return made;
}

static void setup(void)
{
    g_autoptr(GError) error = NULL;

    bus_fixture_init(&fixture);
    address = g_strdup_printf("unix:path=%s/broker", fixture.directory);
    broker_start();
    g_assert_true(bus_connect(fixture.bus, BUS_SCOPE_ADDRESS, address, &error));
    g_assert_no_error(error);
    g_assert_true(bus_request_name(fixture.bus, &error));
    g_assert_no_error(error);
    client = broker_client();
}

static void teardown(void)
{
    g_autofree char *path = config_path();
    g_autofree char *socket = g_build_filename(fixture.directory, "broker", NULL);

    broker_stop();
    g_assert_cmpint(g_unlink(path), ==, 0);
    (void)g_unlink(socket); /* dbus-daemon was killed and left it */
    bus_fixture_done(&fixture);
    g_free(address);
}

static Connection *broker_connection(void)
{
    for (unsigned i = 0; i < fixture.bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(fixture.bus->connections, i);

        if (connection->local == NULL && !connection->closed)
            return connection;
    }
    return NULL;
}

static GHashTable *broker_peers(void)
{
    Connection *connection = broker_connection();

    g_assert(connection != NULL);
    return connection->peers;
}

static bool no_peer_is_left(void *data)
{
    return g_hash_table_size(broker_peers()) == 0;
}

static void test_calls_and_signals(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "Start", NULL));
    sd_bus_message_unref(
            bus_client_call(client, service_path("web"), PROPERTIES, "GetAll", "s", SERVICE));
    sd_bus_message_unref(bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL));
    bus_client_refused(client, ERROR_ALREADY_STARTED, "web", service_path("web"), SERVICE, "Start",
                       NULL);
    g_assert_cmpuint(client->signals->len, >=, 3);
    teardown();
}

static int open_said(const Kind *kind, const Service *service, const LogQuery *query,
                     GError **error)
{
    int ends[2] = {-1, -1};

    g_assert_cmpuint(query->uid, ==, geteuid()); /* as the bus says */
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(write(ends[1], "said", 4), ==, 4);
    close(ends[1]);
    return ends[0];
}

/* What a descriptor of an answer gives. */
static void assert_carried(const char *member, const char *types, const char *expected)
{
    g_autoptr(Pending) pending =
            bus_client_start(client, service_path("web"), SERVICE, member, types, 0);
    char text[16] = "";
    int fd = -1;

    pending_await(pending);
    g_assert_cmpint(sd_bus_message_read_basic(pending_assert_reply(pending), 'h', &fd), >, 0);
    g_assert_cmpint(read(fd, text, strlen(expected)), ==, (ssize_t)strlen(expected));
    g_assert_cmpstr(text, ==, expected);
}

/* A log and a report pass through the bus. */
static void test_descriptors(void)
{
    Service *service;

    setup();
    fixture.kind_process.open_log = open_said;
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    bus_fixture_start(&fixture, service);
    fake_apply_fail(service, "no", true);
    assert_carried("OpenLog", "a{sv}", "said");
    assert_carried("GetFailureReport", NULL, "{\n  \"service\"");
    teardown();
}

/* Asked for once, remembered while the name is there, and then forgotten. */
static void test_credentials(void)
{
    const Caller *caller;
    BusClient *other;
    GHashTableIter iter;
    void *peer;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    other = broker_client();
    g_assert_cmpuint(g_hash_table_size(broker_peers()), ==, 0);
    sd_bus_message_unref(bus_client_call(other, service_path("web"), SERVICE, "GetState", NULL));
    g_assert_cmpuint(g_hash_table_size(broker_peers()), ==, 0); /* nobody need know */
    sd_bus_message_unref(bus_client_call(other, service_path("web"), SERVICE, "Start", NULL));
    caller = service_state(map_find(fixture.map, "web"))->caller;
    g_assert_cmpuint(caller->uid, ==, geteuid());
    g_assert_cmpuint(caller->pid, ==, getpid());
    g_assert_cmpstr(caller->comm, !=, "");
    g_assert_cmpuint(g_hash_table_size(broker_peers()), ==, 1);
    g_hash_table_iter_init(&iter, broker_peers());
    g_assert_true(g_hash_table_iter_next(&iter, NULL, &peer));
    sd_bus_message_unref(bus_client_call(other, service_path("web"), SERVICE, "Stop", NULL));
    g_assert_true(service_state(map_find(fixture.map, "web"))->caller == ((Peer *)peer)->caller);
    bus_client_close(other);
    bus_fixture_await(&fixture, no_peer_is_left, NULL);
    teardown();
}

/* Open to everybody, but its answer depends on who calls. */
static void test_validate_config(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    setup();
    reply = bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "process", "{}");
    text = message_to_text(reply);
    g_assert_nonnull(strstr(text, "not tried yet")); /* asked for, and known to be our own */
    g_assert_cmpuint(g_hash_table_size(broker_peers()), ==, 1);
    teardown();
}

/* Calls that come while nobody knows yet who calls wait, and so does everything behind them. */
static void test_order(void)
{
    static const char *const methods[] = {"Start", "GetState", "Stop", "ResetFailed", "GetConfig"};
    Pending *pending[G_N_ELEMENTS(methods)];
    g_autofree char *text = NULL;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        pending[i] = bus_client_start(client, service_path("web"), SERVICE, methods[i], NULL);
    pending_await(pending[G_N_ELEMENTS(methods) - 1]);
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        g_assert_nonnull(pending[i]->reply);
    pending_assert_reply(pending[0]);
    text = message_to_text(pending_assert_reply(pending[1]));
    g_assert_nonnull(strstr(text, "e(State v(starting ) )"));
    pending_assert_reply(pending[2]);
    pending_assert_error(pending[3], ERROR_BUSY, NULL); /* it is stopping by then */
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        pending_free(pending[i]);
    teardown();
}

static bool one_call_hangs(void *data)
{
    GHashTableIter iter;
    void *peer;

    g_hash_table_iter_init(&iter, broker_peers());
    while (g_hash_table_iter_next(&iter, NULL, &peer)) {
        if (g_queue_get_length(&((Peer *)peer)->in_flight) == 1)
            return true;
    }
    return false;
}

static void test_wait_peer_gone(void)
{
    BusClient *other;
    Pending *pending;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    other = broker_client();
    pending = bus_client_start(other, service_path("web"), SERVICE, "Wait", "a{sv}", 1, "until",
                               "s", "active");
    bus_fixture_await(&fixture, one_call_hangs, NULL);
    pending_free(pending);
    bus_client_close(other);
    bus_fixture_await(&fixture, no_peer_is_left, NULL);
    teardown();
}

/* The bus does not let the daemon see when a client goes: it keeps no call of such a one, and
 * remembers nothing of it. */
static void test_unwatched(void)
{
    g_autoptr(Pending) wait = NULL, again = NULL, removal = NULL;
    BusClient *other, *third;

    max_matches = 1; /* of each connection */
    setup();
    max_matches = 512;
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "Start", NULL));
    other = broker_client();
    wait = bus_client_start(other, service_path("web"), SERVICE, "Wait", "a{sv}", 1, "until", "s",
                            "active");
    pending_await(wait);
    pending_assert_error(wait, ERROR_LIMIT_EXCEEDED, "the bus lets svcmgrd watch no more clients");
    sd_bus_message_unref(bus_client_call(other, service_path("web"), SERVICE, "Stop", NULL));
    removal = bus_client_start(other, ROOT, MANAGER, "DeleteService", "sa{sv}", "web", 0);
    pending_await(removal);
    pending_assert_error(removal, ERROR_LIMIT_EXCEEDED, "DeleteService cannot be kept");
    g_assert_nonnull(map_find(fixture.map, "web"));
    bus_client_close(other);
    third = broker_client();
    sd_bus_message_unref(bus_client_call(third, service_path("web"), SERVICE, "GetConfig", NULL));
    g_assert_cmpuint(g_hash_table_size(broker_peers()), ==, 2); /* the first and the third */
    again = bus_client_start(client, service_path("web"), SERVICE, "Wait", "a{sv}", 1, "until", "s",
                             "active");
    bus_fixture_await(&fixture, one_call_hangs, NULL); /* the first is watched */
    teardown();
}

/* It calls and is gone before the bus can say who it was: nothing is done for it. */
static void test_gone_before_credentials(void)
{
    sd_bus *bus = NULL;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(bus, true), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    g_assert_cmpint(sd_bus_call_method_async(bus, NULL, BUS_NAME, service_path("web"), SERVICE,
                                             "Start", NULL, NULL, NULL),
                    >=, 0);
    sd_bus_flush_close_unref(bus);
    /* Its call came before this one's. */
    sd_bus_message_unref(
            bus_client_call(client, service_path("web"), SERVICE, "ResetFailed", NULL));
    bus_client_close(client);
    bus_fixture_await(&fixture, no_peer_is_left, NULL);
    assert_state(map_find(fixture.map, "web"), STATE_INACTIVE);
    teardown();
}

static void test_name_is_taken(void)
{
    g_autoptr(GError) error = NULL;
    BusFixture *first = &fixture;
    Bus *second;

    setup();
    /* One core has one bus: the other gets a core of its own. */
    static CoreFixture core;
    core_fixture_init(&core);
    Map *map = map_new(core.core, ID_IS_UUID, 0);
    Keeper *keeper = keeper_new(map, NULL);
    second = bus_new(&(BusOptions){.keeper = keeper,
                                   .event = first->event,
                                   .clock = virtual_loop_clock(core.loop),
                                   .timers = virtual_loop_timers(core.loop),
                                   .map = map,
                                   .version = "1",
                                   .instance_id = "0"});
    g_assert_true(bus_connect(second, BUS_SCOPE_ADDRESS, address, &error));
    g_assert_false(bus_request_name(second, &error));
    g_assert_nonnull(strstr(error->message, "taken on this bus (process "));
    bus_free(second);
    keeper_free(keeper);
    map_free(map);
    core_fixture_done(&core);
    teardown();
}

static void test_no_bus(void)
{
    g_autoptr(GError) error = NULL;

    bus_fixture_init(&fixture);
    g_assert_false(bus_connect(fixture.bus, BUS_SCOPE_ADDRESS, "unix:path=/nonexistent/x", &error));
    g_assert_nonnull(strstr(error->message, "unix:path=/nonexistent/x"));
    g_clear_error(&error);
    g_assert_false(bus_connect(fixture.bus, BUS_SCOPE_ADDRESS, "nonsense", &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_true(bus_request_name(fixture.bus, &error)); /* without a bus: nothing */
    bus_fixture_done(&fixture);
}

static bool bus_is_lost(void *data)
{
    return broker_connection() == NULL;
}

static bool log_has(void *text)
{
    return strstr(fixture.core.log->str, text) != NULL;
}

/* Services go on, the private socket serves on, and the name comes back with the bus. */
static void test_loss(void)
{
    BusClient *private;
    Service *service;

    setup();
    service = bus_fixture_create_active(&fixture, "web");
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "GetConfig", NULL));
    bus_client_close(client);
    private = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    broker_stop();
    bus_fixture_await(&fixture, bus_is_lost, NULL);
    g_assert_true(log_has((void *)"lost the bus"));
    assert_state(service, STATE_ACTIVE);
    sd_bus_message_unref(bus_client_call(private, ROOT, MANAGER, "ListKinds", NULL));
    bus_fixture_advance(&fixture, 60 * USEC_PER_SEC); /* several attempts, all in vain */
    g_assert_null(broker_connection());
    broker_start();
    bus_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    bus_fixture_await(&fixture, log_has, (void *)"back on the bus");
    client = broker_client();
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "GetState", NULL));
    bus_client_clear(client);
    service_set_sub_state(service, "better");
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "GetState", NULL));
    g_assert_cmpuint(client->signals->len, >=, 2);
    teardown();
}

/* The name may be the former connection's for a while yet: then it takes another attempt, for which
 * 30 s of the fixture's time are always enough. */
static bool bus_is_back_some_time(void *data)
{
    bus_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    return log_has((void *)"back on the bus");
}

/* A bus that has stopped reading is not given all the memory: a connection anew tells every client
 * to look again, where signals left out would not. */
static void test_bus_that_does_not_read(void)
{
    uint64_t n_queued = 0;
    Connection *connection;
    Service *service;

    setup();
    service = bus_fixture_create_active(&fixture, "web");
    connection = broker_connection();
    g_assert_cmpint(kill(daemon_pid, SIGSTOP), ==, 0);
    for (unsigned i = 0; n_queued < 4; i++) {
        service_set_sub_state(service, i % 2 ? "even" : "odd");
        bus_fixture_turn(&fixture);
        g_assert_cmpint(sd_bus_get_n_queued_write(connection->sd_bus, &n_queued), >=, 0);
    }
    g_assert_true(connection_has_room(connection, 1));
    g_assert_true(connection_charge(connection, CONNECTION_MAX_UNREAD_BYTES));
    g_assert_false(connection_has_room(connection, 1));
    g_assert_true(connection_look(connection));
    g_assert_false(connection_charge(connection, CONNECTION_BROKER_MAX_UNREAD_BYTES));
    g_assert_null(broker_connection());
    g_assert_true(log_has((void *)"lost the bus"));
    service_set_sub_state(service, "alone");
    g_assert_cmpint(kill(daemon_pid, SIGCONT), ==, 0);
    bus_fixture_await(&fixture, bus_is_back_some_time, NULL);
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "ListKinds", NULL));
    teardown();
}

static bool request_is_answered(void *data)
{
    return *(int *)data != 0;
}

static int on_owned(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    *(int *)userdata = sd_bus_message_get_error(message) == NULL ? 1 : -1;
    return 0;
}

/* Another program has the name when the bus is back: tried again until it lets go. */
static void test_name_is_taken_later(void)
{
    BusClient *thief;
    int owned = 0;

    setup();
    broker_stop();
    bus_fixture_await(&fixture, bus_is_lost, NULL);
    bus_client_close(client);
    broker_start();
    thief = broker_client();
    g_assert_cmpint(sd_bus_request_name_async(thief->bus, NULL, BUS_NAME, 0, on_owned, &owned), >=,
                    0);
    bus_fixture_await(&fixture, request_is_answered, &owned);
    g_assert_cmpint(owned, ==, 1);
    bus_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    bus_fixture_await(&fixture, log_has, (void *)"another program owns it");
    bus_client_close(thief);
    client = broker_client();
    bus_fixture_advance(&fixture, 30 * USEC_PER_SEC);
    bus_fixture_await(&fixture, log_has, (void *)"back on the bus");
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "ListKinds", NULL));
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/broker/calls-and-signals", test_calls_and_signals);
    g_test_add_func("/broker/descriptors", test_descriptors);
    g_test_add_func("/broker/credentials", test_credentials);
    g_test_add_func("/broker/validate-config", test_validate_config);
    g_test_add_func("/broker/order", test_order);
    g_test_add_func("/broker/wait-peer-gone", test_wait_peer_gone);
    g_test_add_func("/broker/unwatched", test_unwatched);
    g_test_add_func("/broker/gone-before-credentials", test_gone_before_credentials);
    g_test_add_func("/broker/name-is-taken", test_name_is_taken);
    g_test_add_func("/broker/no-bus", test_no_bus);
    g_test_add_func("/broker/loss", test_loss);
    g_test_add_func("/broker/bus-that-does-not-read", test_bus_that_does_not_read);
    g_test_add_func("/broker/name-is-taken-later", test_name_is_taken_later);
    return g_test_run();
}
