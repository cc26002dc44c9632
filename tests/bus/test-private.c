/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The private socket: the peers, the bus that it plays for them, and those that do not read. */

#include "bus-fixture.h"

#include "bus/connection.h"
#include "bus/intake.h"
#include "bus/peer.h"
#include "bus/private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"

static BusFixture fixture;

/* Always due again, and always older than what becomes due now: what a storm of deaths is. */
static int on_storm(sd_event_source *source, uint64_t usec, void *userdata)
{
    g_assert_cmpint(sd_event_source_set_time(source, 0), >=, 0);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_storm_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    g_assert_false(sd_bus_message_is_method_error(message, NULL));
    *(bool *)userdata = true;
    return 0;
}

#define STORM_SOURCES 5
#define STORM_TURNS 10000

static void test_served_in_a_storm(void)
{
    sd_event_source *sources[STORM_SOURCES] = {NULL};
    g_autofree char *address = NULL;
    bool answered = false;
    sd_bus *bus = NULL;

    bus_fixture_init(&fixture);
    address = g_strdup_printf("unix:path=%s", fixture.socket);
    for (unsigned i = 0; i < STORM_SOURCES; i++)
        g_assert_cmpint(sd_event_add_time(fixture.event, &sources[i], CLOCK_MONOTONIC, 0, 1,
                                          on_storm, NULL),
                        >=, 0);
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(bus, address), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    g_assert_cmpint(sd_bus_call_method_async(bus, NULL, NULL, ROOT, "org.freedesktop.DBus.Peer",
                                             "Ping", on_storm_answer, &answered, ""),
                    >=, 0);
    for (unsigned i = 0; i < STORM_TURNS && !answered; i++) {
        g_assert_cmpint(sd_event_run(fixture.event, 0), >=, 0);
        g_assert_cmpint(sd_bus_process(bus, NULL), >=, 0);
    }
    g_assert_true(answered);
    for (unsigned i = 0; i < STORM_SOURCES; i++)
        sd_event_source_disable_unref(sources[i]);
    sd_bus_close_unref(bus);
    bus_fixture_turn(&fixture);
    bus_fixture_done(&fixture);
}

/* The little bus. */

static void assert_answer(const char *expected, sd_bus_message *reply)
{
    g_autofree char *text = message_to_text(reply);

    g_assert_cmpstr(text, ==, expected);
    g_assert_cmpstr(sd_bus_message_get_sender(reply), ==, DBUS_NAME);
    sd_bus_message_unref(reply);
}

#define DBUS(...) bus_client_call(client, DBUS_PATH, DBUS_NAME, __VA_ARGS__)

static void test_bus_methods(void)
{
    g_autofree char *credentials =
            g_strdup_printf("a(e(UnixUserID v(%u ) ) e(ProcessID v(%u ) ) )", geteuid(), getpid());
    g_autofree char *user = g_strdup_printf("%u", geteuid());
    g_autofree char *pid = g_strdup_printf("%u", getpid());
    const char *own = NULL;
    BusClient *client;

    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_assert_cmpint(sd_bus_get_unique_name(client->bus, &own), >=, 0);
    g_assert_cmpstr(own, ==, ":1.1");
    assert_answer("a(org.freedesktop.DBus org.svcmgr1 :1.0 :1.1 )", DBUS("ListNames", NULL));
    assert_answer("a(org.freedesktop.DBus )", DBUS("ListActivatableNames", NULL));
    assert_answer("true", DBUS("NameHasOwner", "s", BUS_NAME));
    assert_answer("false", DBUS("NameHasOwner", "s", "org.example"));
    assert_answer(":1.0", DBUS("GetNameOwner", "s", BUS_NAME));
    assert_answer(":1.1", DBUS("GetNameOwner", "s", ":1.1"));
    assert_answer(DBUS_NAME, DBUS("GetNameOwner", "s", DBUS_NAME));
    assert_answer(credentials, DBUS("GetConnectionCredentials", "s", ":1.1"));
    assert_answer(credentials, DBUS("GetConnectionCredentials", "s", BUS_NAME));
    assert_answer(user, DBUS("GetConnectionUnixUser", "s", ":1.0"));
    assert_answer(pid, DBUS("GetConnectionUnixProcessID", "s", ":1.0"));
    assert_answer("2", DBUS("StartServiceByName", "su", BUS_NAME, 0));
    assert_answer("0123456789abcdef0123456789abcdef", DBUS("GetId", NULL));
    assert_answer("", DBUS("AddMatch", "s", "type='signal'"));
    assert_answer("", DBUS("RemoveMatch", "s", "type='signal'"));
    bus_fixture_done(&fixture);
}

static void test_bus_refusals(void)
{
    static const struct {
        const char *interface, *member, *types, *name, *error;
    } rows[] = {
            {DBUS_NAME, "Hello", "", NULL, SD_BUS_ERROR_FAILED},
            {DBUS_NAME, "RemoveMatch", "s", "type='signal'", SD_BUS_ERROR_MATCH_RULE_NOT_FOUND},
            {DBUS_NAME, "GetNameOwner", "s", "org.example", SD_BUS_ERROR_NAME_HAS_NO_OWNER},
            {DBUS_NAME, "GetConnectionCredentials", "s", ":1.9", SD_BUS_ERROR_NAME_HAS_NO_OWNER},
            {DBUS_NAME, "ReleaseName", "s", BUS_NAME, SD_BUS_ERROR_NOT_SUPPORTED},
            {DBUS_NAME, "Nonsense", "s", "x", SD_BUS_ERROR_UNKNOWN_METHOD},
    };
    BusClient *client;

    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Pending) pending = bus_client_start(client, DBUS_PATH, rows[i].interface,
                                                      rows[i].member, rows[i].types, rows[i].name);

        bus_fixture_turn(&fixture);
        g_assert_nonnull(pending->reply);
        g_assert_nonnull(sd_bus_message_get_error(pending->reply));
        g_assert_cmpstr(sd_bus_message_get_error(pending->reply)->name, ==, rows[i].error);
    }
    bus_fixture_done(&fixture);
}

static void test_monitor_and_names_refused(void)
{
    g_autoptr(Pending) monitor = NULL, name = NULL, stranger = NULL;
    sd_bus_message *call = NULL;
    BusClient *client;

    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    monitor = bus_client_start(client, DBUS_PATH, DBUS_NAME ".Monitoring", "BecomeMonitor", "asu",
                               0, 0);
    name = bus_client_start(client, DBUS_PATH, DBUS_NAME, "RequestName", "su", "org.example", 0);
    g_assert_cmpint(sd_bus_message_new_method_call(client->bus, &call, "org.example", ROOT, MANAGER,
                                                   "ListKinds"),
                    >=, 0);
    stranger = bus_client_send(client, call);
    bus_fixture_turn(&fixture);
    g_assert_true(sd_bus_message_is_method_error(monitor->reply, SD_BUS_ERROR_NOT_SUPPORTED));
    g_assert_nonnull(
            strstr(sd_bus_message_get_error(monitor->reply)->message, "use a message bus"));
    g_assert_true(sd_bus_message_is_method_error(name->reply, SD_BUS_ERROR_NOT_SUPPORTED));
    g_assert_true(sd_bus_message_is_method_error(stranger->reply, SD_BUS_ERROR_SERVICE_UNKNOWN));
    bus_fixture_done(&fixture);
}

/* Without a Hello there is no bus, and everything works all the same. */
static void test_peer_to_peer(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    BusClient *client;

    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_DIRECT);
    bus_fixture_create(&fixture, "a", "process", NULL, false);
    g_assert_cmpuint(client->signals->len, ==, 0); /* it has not spoken yet */
    reply = bus_client_call(client, ROOT, MANAGER, "ListServices", "a{sv}", 0);
    bus_fixture_create(&fixture, "b", "process", NULL, false);
    g_assert_cmpuint(client->signals->len, >=, 2);
    bus_fixture_done(&fixture);
}

static void test_signals_by_match(void)
{
    BusClient *deaf, *listening;

    bus_fixture_init(&fixture);
    deaf = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    listening = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    bus_fixture_create(&fixture, "a", "process", NULL, false);
    g_assert_cmpuint(deaf->signals->len, ==, 0);
    g_assert_cmpuint(listening->signals->len, >=, 2);
    g_assert_cmpstr(sd_bus_message_get_sender(g_ptr_array_index(listening->signals, 0)), ==,
                    ":1.0");
    bus_fixture_done(&fixture);
}

/* Peers that misbehave. */

static int raw_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, fixture.socket, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    bus_fixture_turn(&fixture);
    return fd;
}

static void assert_hung_up(int fd)
{
    char buffer[4096];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        ;
    g_assert_cmpint(n, <=, 0);
    g_assert_true(n == 0 || errno != EAGAIN);
    close(fd);
}

static void test_garbage(void)
{
    static const char *const rows[] = {"GET / HTTP/1.0\r\n\r\n",
                                       "\0AUTH EXTERNAL 393939393939\r\n\r\n\r\n",
                                       "\0AUTH ANONYMOUS\r\nBEGIN\r\nxxxxxxxxxxxxxxxxxxxxxxxx"};
    static const size_t lengths[] = {18, 34, 46};

    bus_fixture_init(&fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int fd = raw_connect();

        g_assert_cmpint(write(fd, rows[i], lengths[i]), ==, (ssize_t)lengths[i]);
        bus_fixture_turn(&fixture);
        (void)shutdown(fd, SHUT_WR); /* gone, if it was thrown out already */
        bus_fixture_turn(&fixture);
        assert_hung_up(fd);
        g_assert_cmpuint(fixture.bus->connections->len, ==, 0);
    }
    bus_fixture_done(&fixture);
}

/* Says what a client of a bus says, asks for all signals, and then reads no more. */
static int raw_connect_deaf(void)
{
    g_autofree char *uid = g_strdup_printf("%u", geteuid());
    g_autoptr(GString) hello = g_string_new(NULL);
    int fd = raw_connect();

    g_string_append_c(hello, '\0');
    g_string_append(hello, "AUTH EXTERNAL ");
    for (const char *c = uid; *c != '\0'; c++)
        g_string_append_printf(hello, "%02x", *c);
    g_string_append(hello, "\r\nBEGIN\r\n");
    g_assert_cmpint(write(fd, hello->str, hello->len), ==, (ssize_t)hello->len);
    bus_fixture_turn(&fixture);
    return fd;
}

/* A Ping, little endian, as "D-Bus specification, Message Format" says: makes the peer one that
 * speaks without a bus, and so gets signals. */
static void raw_ping(int fd)
{
    static const unsigned char ping[] = "l\1\0\1\0\0\0\0\1\0\0\0\x45\0\0\0"
                                        "\1\1o\0\1\0\0\0/\0\0\0\0\0\0\0"
                                        "\2\1s\0\x19\0\0\0org.freedesktop.DBus.Peer\0\0\0\0\0\0\0"
                                        "\3\1s\0\4\0\0\0Ping\0\0\0\0";

    g_assert_cmpint(write(fd, ping, sizeof(ping) - 1), ==, (ssize_t)sizeof(ping) - 1);
    bus_fixture_turn(&fixture);
}

static void test_reader_that_does_not_read(void)
{
    Service *service;
    int fd;

    bus_fixture_init(&fixture);
    fd = raw_connect_deaf();
    raw_ping(fd);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 1);
    service = bus_fixture_create_active(&fixture, "web");
    for (unsigned i = 0; i < 20000 && fixture.bus->connections->len > 0; i++) {
        service_set_sub_state(service, i % 2 ? "even" : "odd");
        bus_fixture_turn(&fixture);
    }
    g_assert_cmpuint(fixture.bus->connections->len, ==, 0);
    g_assert_nonnull(strstr(fixture.core.log->str, "does not read what it is sent"));
    assert_hung_up(fd);
    bus_fixture_done(&fixture);
}

/* Few messages may be many bytes: a peer that asks for everything again and again and reads nothing
 * is not given all the memory. */
static void test_reader_of_large_answers(void)
{
    g_autofree char *value = g_strnfill(4096, 'x');
    BusClient *client;

    bus_fixture_init(&fixture);
    for (unsigned i = 0; i < 50; i++) {
        g_autofree char *id = g_strdup_printf("large-%u", i);
        g_autoptr(GHashTable) labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        CreateSpec spec = {.id = id, .kind = "fake", .labels = labels};

        for (unsigned k = 0; k < 64; k++)
            g_hash_table_insert(labels, g_strdup_printf("label-%u", k), value);
        g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
    }
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    for (unsigned i = 0; i < 20; i++) /* who reads may ask as often as it likes */
        sd_bus_message_unref(
                bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL));
    g_assert_cmpint(sd_bus_detach_event(client->bus), >=, 0);
    for (unsigned i = 0; i < 20; i++)
        pending_free(bus_client_start(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL));
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 0);
    g_assert_nonnull(strstr(fixture.core.log->str, "does not read what it is sent"));
    bus_fixture_done(&fixture);
}

static void test_most_peers(void)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    int fd;

    bus_fixture_init(&fixture);
    for (unsigned i = 0; i < PRIVATE_MAX_PEERS; i++) {
        fd = raw_connect();
        g_array_append_val(fds, fd);
    }
    g_assert_cmpuint(fixture.bus->connections->len, ==, PRIVATE_MAX_PEERS);
    assert_hung_up(raw_connect());
    g_assert_nonnull(strstr(fixture.core.log->str, "there are already 256 peers"));
    close(g_array_index(fds, int, 0));
    bus_fixture_turn(&fixture);
    fd = raw_connect();
    g_assert_cmpuint(fixture.bus->connections->len, ==, PRIVATE_MAX_PEERS);
    close(fd);
    for (unsigned i = 1; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_unref(fds);
    bus_fixture_done(&fixture);
}

/* From now on peers come from a user who may not act. */
static void peers_come_from(uint32_t uid)
{
    fixture.bus->uid = uid == geteuid() ? 4294967 : 0;
    g_assert_cmpint(g_chmod(fixture.directory, 0711), ==, 0);
    if (uid != geteuid())
        g_assert_cmpint(seteuid(uid), ==, 0);
}

static void close_all(GArray *fds)
{
    for (unsigned i = 0; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_unref(fds);
}

/* Strangers cannot take the last places. */
static void test_reserved_peers(void)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    int fd;

    if (geteuid() != 0) {
        g_test_skip("only root can be several users");
        g_array_unref(fds);
        return;
    }
    bus_fixture_init(&fixture);
    for (unsigned i = 0; i < PRIVATE_MAX_PEERS - PRIVATE_RESERVED_PEERS; i++) {
        peers_come_from(10000 + i / PRIVATE_MAX_PEERS_PER_UID);
        fd = raw_connect();
        g_assert_cmpint(seteuid(0), ==, 0);
        g_array_append_val(fds, fd);
    }
    g_assert_cmpuint(fixture.bus->connections->len, ==, fds->len);
    peers_come_from(20000);
    assert_hung_up(raw_connect());
    g_assert_cmpint(seteuid(0), ==, 0);
    fd = raw_connect();
    g_assert_cmpuint(fixture.bus->connections->len, ==, fds->len + 1);
    close(fd);
    close_all(fds);
    bus_fixture_done(&fixture);
}

/* Nor can one of them take all the others. */
static void test_peers_of_one_user(void)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    uint32_t uid = geteuid();
    int fd;

    bus_fixture_init(&fixture);
    peers_come_from(uid == 0 ? 10000 : uid);
    for (unsigned i = 0; i < PRIVATE_MAX_PEERS_PER_UID; i++) {
        fd = raw_connect();
        g_array_append_val(fds, fd);
    }
    g_assert_cmpuint(fixture.bus->connections->len, ==, PRIVATE_MAX_PEERS_PER_UID);
    assert_hung_up(raw_connect());
    g_assert_nonnull(strstr(fixture.core.log->str, "there are already 64 peers of this user"));
    g_assert_cmpint(seteuid(uid), ==, 0);
    fixture.bus->uid = uid;
    fd = raw_connect();
    g_assert_cmpuint(fixture.bus->connections->len, ==, PRIVATE_MAX_PEERS_PER_UID + 1);
    close(fd);
    close_all(fds);
    bus_fixture_done(&fixture);
}

static void test_authentication_deadline(void)
{
    int silent, other;

    bus_fixture_init(&fixture);
    silent = raw_connect();
    other = raw_connect_deaf();
    bus_fixture_advance(&fixture, 10 * USEC_PER_SEC - 1);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 2);
    bus_fixture_advance(&fixture, 1);
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 1);
    assert_hung_up(silent);
    g_assert_nonnull(strstr(fixture.core.log->str, "not authenticated in time"));
    close(other);
    bus_fixture_done(&fixture);
}

/* A message of 100 MiB that never becomes whole: how much of it is taken. */
#define UNFINISHED_STEP_BYTES (64 * 1024)

static uint64_t send_unfinished(int fd)
{
    static const char claim[16] = "l\1\0\1\0\0\x40\x06\1\0\0\0\x08\0\0";
    static char bytes[UNFINISHED_STEP_BYTES];
    uint64_t sent = 0;

    g_assert_cmpint(write(fd, claim, sizeof(claim)), ==, (ssize_t)sizeof(claim));
    bus_fixture_turn(&fixture);
    while (fixture.bus->connections->len > 0) {
        g_assert_cmpint(write(fd, bytes, sizeof(bytes)), ==, (ssize_t)sizeof(bytes));
        bus_fixture_turn(&fixture);
        sent += sizeof(bytes);
        if (sent > UINT64_C(75) * 1024 * 1024)
            g_error("a message that is never whole is taken without end");
    }
    return sent;
}

/* No more than one that may act is given, and far less to one that may not. */
static void test_unfinished_message(void)
{
    static const struct {
        uint32_t uid;
        uint64_t most;
    } rows[] = {{4294967, INTAKE_MAX_BYTES}, {0, INTAKE_TRUSTED_MAX_BYTES}};

#if defined(ADDRESS_SANITIZED)
    g_test_skip("a sanitizer keeps what was freed: what grows says nothing");
    return;
#endif
    g_assert_cmpint(mallopt(M_PERTURB, 0), ==, 1); /* it writes to what it gives */
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bus_fixture_init(&fixture);
        int fd = raw_connect_deaf();
        Peer *peer = ((Connection *)g_ptr_array_index(fixture.bus->connections, 0))->peer;

        caller_unref(peer->caller);
        peer->caller = caller_new(rows[i].uid, 42, "tester");
        uint64_t sent = send_unfinished(fd);
        g_test_message("uid %u: %" G_GUINT64_FORMAT " KiB", rows[i].uid, sent / 1024);
        g_assert_cmpuint(sent, >, rows[i].most / 2);
        g_assert_cmpuint(sent, <, rows[i].most + 4 * 1024 * 1024);
        g_assert_nonnull(strstr(fixture.core.log->str, "pid 42 (tester): it sends a message"));
        close(fd);
        bus_fixture_done(&fixture);
    }
}

static void on_drained(void *data)
{
    ++*(unsigned *)data;
}

/* Who does not read does not hold up the end. */
static void test_drain_deadline(void)
{
    const Connection *connection;
    uint64_t n_queued = 0;
    unsigned drained = 0;
    Service *service;
    int fd;

    bus_fixture_init(&fixture);
    fd = raw_connect_deaf();
    raw_ping(fd);
    service = bus_fixture_create_active(&fixture, "web");
    /* Until the kernel takes no more, and a few. */
    for (unsigned i = 0; n_queued < 100; i++) {
        service_set_sub_state(service, i % 2 ? "even" : "odd");
        bus_fixture_turn(&fixture);
        g_assert_cmpuint(fixture.bus->connections->len, ==, 1);
        connection = g_ptr_array_index(fixture.bus->connections, 0);
        g_assert_cmpint(sd_bus_get_n_queued_write(connection->sd_bus, &n_queued), >=, 0);
    }
    bus_begin_shutdown(fixture.bus);
    bus_drain(fixture.bus, USEC_PER_SEC, on_drained, &drained);
    bus_fixture_advance(&fixture, USEC_PER_SEC - 1);
    g_assert_cmpuint(drained, ==, 0);
    bus_fixture_advance(&fixture, 1);
    g_assert_cmpuint(drained, ==, 1);
    g_assert_nonnull(strstr(fixture.core.log->str, "left unread"));
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    g_assert_cmpuint(drained, ==, 1);
    close(fd);
    bus_fixture_done(&fixture);
}

static void test_drain_nobody(void)
{
    unsigned drained = 0;

    bus_fixture_init(&fixture);
    bus_begin_shutdown(fixture.bus);
    bus_drain(fixture.bus, USEC_PER_SEC, on_drained, &drained);
    g_assert_cmpuint(drained, ==, 0);
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(drained, ==, 1);
    bus_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/private/served-in-a-storm", test_served_in_a_storm);
    g_test_add_func("/private/bus-methods", test_bus_methods);
    g_test_add_func("/private/bus-refusals", test_bus_refusals);
    g_test_add_func("/private/monitor-and-names-refused", test_monitor_and_names_refused);
    g_test_add_func("/private/peer-to-peer", test_peer_to_peer);
    g_test_add_func("/private/signals-by-match", test_signals_by_match);
    g_test_add_func("/private/garbage", test_garbage);
    g_test_add_func("/private/reader-that-does-not-read", test_reader_that_does_not_read);
    g_test_add_func("/private/reader-of-large-answers", test_reader_of_large_answers);
    g_test_add_func("/private/most-peers", test_most_peers);
    g_test_add_func("/private/reserved-peers", test_reserved_peers);
    g_test_add_func("/private/peers-of-one-user", test_peers_of_one_user);
    g_test_add_func("/private/authentication-deadline", test_authentication_deadline);
    g_test_add_func("/private/unfinished-message", test_unfinished_message);
    g_test_add_func("/private/drain-deadline", test_drain_deadline);
    g_test_add_func("/private/drain-nobody", test_drain_nobody);
    return g_test_run();
}
