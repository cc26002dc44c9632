/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers that ask and never read: none is given more than its share of memory, whatever it asks for
 * and whoever builds the answer. Peers that read may ask as often as they like. */

#include "bus-fixture.h"

#include "bus/connection.h"
#include "bus/peer.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"

static BusFixture fixture;

static const struct Question {
    const char *path, *interface, *member, *types;
    const char *arguments[2];
} questions[] = {
        {ROOT "/service/web", PROPERTIES, "GetAll", "s", {SERVICE}},
        {ROOT "/service/web", PROPERTIES, "Get", "ss", {SERVICE, "Labels"}},
        {ROOT, PROPERTIES, "GetAll", "s", {MANAGER}},
        {ROOT "/service/web", INTROSPECTABLE, "Introspect", "", {NULL}},
        {ROOT "/service", INTROSPECTABLE, "Introspect", "", {NULL}},
        {"/", INTROSPECTABLE, "Introspect", "", {NULL}},
        {ROOT "/service/web", SERVICE, "GetState", "", {NULL}},
        {ROOT "/service/web", SERVICE, "Stop", "", {NULL}},
        {ROOT "/service/gone", SERVICE, "Stop", "", {NULL}},
        {ROOT, MANAGER, "ListKinds", "", {NULL}},
        {"/", "org.freedesktop.DBus.Peer", "GetMachineId", "", {NULL}},
        {"/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames", "", {NULL}},
};

/* A service with as many labels as there may be, of this length. */
static void create_labelled(size_t length)
{
    g_autofree char *value = g_strnfill(length, 'x');
    g_autoptr(GHashTable) labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    CreateSpec spec = {.id = "web", .kind = "process", .labels = labels};

    for (unsigned i = 0; i < 64; i++)
        g_hash_table_insert(labels, g_strdup_printf("label-%u", i), g_strdup(value));
    g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
}

static void ask(BusClient *client, const struct Question *question)
{
    sd_bus_message *call =
            bus_client_message(client, question->path, question->interface, question->member);

    for (unsigned i = 0; question->types[i] != '\0'; i++)
        g_assert_cmpint(sd_bus_message_append_basic(call, 's', question->arguments[i]), >=, 0);
    pending_free(bus_client_send(client, call));
    bus_fixture_turn(&fixture);
}

/* It reads no more, and the kernel keeps little for it: what counts is what the daemon keeps. */
static BusClient *client_that_does_not_read(void)
{
    BusClient *client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    int fd = sd_bus_get_fd(bus_client_peer(client)->connection->sd_bus), bytes = 4096;

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), ==, 0);
    g_assert_cmpint(sd_bus_detach_event(client->bus), >=, 0);
    return client;
}

/* How often it can ask before it is thrown out. */
static unsigned ask_until_dropped(const struct Question *question)
{
    BusClient *client = client_that_does_not_read();
    unsigned n = 0;

    for (; fixture.bus->connections->len > 0; n++) {
        if (n == 20000)
            g_error("%s is answered without end", question->member);
        ask(client, question);
    }
    g_assert_nonnull(strstr(fixture.core.log->str, "does not read what it is sent"));
    bus_client_close(client);
    return n;
}

static void test_every_question(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
        bus_fixture_init(&fixture);
        create_labelled(1);
        g_assert_cmpuint(ask_until_dropped(&questions[i]), >, CONNECTION_MAX_QUEUED / 4);
        bus_fixture_done(&fixture);
    }
}

/* 256 KiB each: it is the bytes that count. */
static void test_large_answers(void)
{
    for (size_t i = 0; i < 2; i++) {
        bus_fixture_init(&fixture);
        create_labelled(4096);
        g_assert_cmpuint(ask_until_dropped(&questions[i]), <,
                         CONNECTION_MAX_UNREAD_BYTES / (256 * 1024) + 10);
        bus_fixture_done(&fixture);
    }
}

/* Between what is large it asks for what is never answered: that takes nothing off its account. */
static void test_unanswered_between(void)
{
    BusClient *client;
    unsigned n = 0;

    bus_fixture_init(&fixture);
    create_labelled(4096);
    client = client_that_does_not_read();
    for (; fixture.bus->connections->len > 0; n++) {
        g_assert_cmpuint(n, <, 300);
        ask(client, &questions[0]);
        for (unsigned i = 0; i < 8 && fixture.bus->connections->len > 0; i++) {
            sd_bus_message *call = bus_client_message(client, ROOT, PROPERTIES, "GetAll");

            g_assert_cmpint(sd_bus_message_append(call, "s", MANAGER), >=, 0);
            g_assert_cmpint(sd_bus_message_set_expect_reply(call, false), >=, 0);
            g_assert_cmpint(sd_bus_send(client->bus, call, NULL), >=, 0);
            sd_bus_message_unref(call);
            bus_fixture_turn(&fixture);
        }
    }
    bus_fixture_done(&fixture);
}

static bool was_dropped(const BusClient *client)
{
    struct pollfd end = {.fd = sd_bus_get_fd(client->bus), .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}

#define N_SHARING 3
#define STRANGER 4294967

/* Each asks for 48 MiB, which one alone might leave unread. How many are still there? */
static unsigned ask_together(uint32_t uid, uint64_t *ret_unread_bytes)
{
    BusClient *clients[N_SHARING];
    unsigned n_left = fixture.bus->connections->len;

    for (unsigned i = 0; i < N_SHARING; i++) {
        clients[i] = client_that_does_not_read();
        bus_client_become(clients[i], uid);
    }
    for (unsigned k = 0; k < 192; k++) {
        for (unsigned i = 0; i < N_SHARING; i++) {
            if (!was_dropped(clients[i]))
                ask(clients[i], &questions[0]);
        }
    }
    *ret_unread_bytes = 0;
    n_left = fixture.bus->connections->len - n_left;
    for (unsigned i = 0; i < fixture.bus->connections->len; i++)
        *ret_unread_bytes +=
                ((Connection *)g_ptr_array_index(fixture.bus->connections, i))->unread_bytes;
    for (unsigned i = 0; i < N_SHARING; i++)
        bus_client_close(clients[i]);
    bus_fixture_turn(&fixture);
    return n_left;
}

/* A user with many peers gets no more than his share; who may act gets what each peer may have, and
 * a user beside them is not touched. */
static void test_share_of_a_user(void)
{
    BusClient *other;
    uint64_t bytes;

    bus_fixture_init(&fixture);
    create_labelled(4096);
    other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    bus_client_become(other, STRANGER + 1);
    g_assert_cmpuint(ask_together(0, &bytes), ==, N_SHARING);
    g_assert_cmpuint(bytes, >, CONNECTION_MAX_USER_BYTES);
    g_assert_cmpuint(ask_together(STRANGER, &bytes), ==, N_SHARING - 1);
    g_assert_cmpuint(bytes, <=, CONNECTION_MAX_USER_BYTES);
    g_assert_nonnull(strstr(fixture.core.log->str, "its user makes the daemon keep too much"));
    ask(other, &questions[0]);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 1);
    bus_fixture_done(&fixture);
}

static void test_reader(void)
{
    const struct Question *question = &questions[0];
    BusClient *client;

    bus_fixture_init(&fixture);
    create_labelled(4096);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    for (unsigned i = 0; i < 1000; i++)
        ask(client, question);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 1);
    bus_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/unread/every-question", test_every_question);
    g_test_add_func("/unread/large-answers", test_large_answers);
    g_test_add_func("/unread/unanswered-between", test_unanswered_between);
    g_test_add_func("/unread/share-of-a-user", test_share_of_a_user);
    g_test_add_func("/unread/reader", test_reader);
    return g_test_run();
}
