/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that ask for too much: as fast as they can, without reading the answers, or without an
 * end. What the others notice of it, and what the daemon keeps for it, has a bound. */

#include "hostile.h"
#include "raw.h"

#include "base/fds.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define LIMIT_EXCEEDED "org.svcmgr1.Error.LimitExceeded"
#define N_GETS 300
/* A disturbance from outside may spoil a round; what is unfair spoils all. */
#define N_ROUNDS 5
#define FLOOD_MOST_FACTOR 3
#define FLOOD_N_OPEN 120 /* a dbus-daemon lets a client have 128 calls open */
#define N_FLOOD_CALLS 5000
#define SLACK_BYTES (1024 * 1024)

/* Floods: what another client notices of one that asks as fast as it can. */

typedef struct Flood {
    void (*step)(struct Flood *flood); /* keeps as many calls waiting as there may be */
    const char *path;
    uint64_t n_calls;
    int fd;            /* on the private socket */
    GByteArray *calls; /* many, one after the other */
    size_t offset;     /* in calls: what was written of them */
    sd_bus *bus;       /* on the bus */
    unsigned n_open;
} Flood;

static int compare_usec(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The time of a Get at this percentile. */
static uint64_t measure_get(Hostile *hostile, Client *client, Flood *flood, unsigned percentile)
{
    uint64_t taken[N_GETS];

    for (unsigned i = 0; i < N_GETS; i++) {
        if (flood != NULL)
            flood->step(flood);

        uint64_t begin = test_now_usec();
        g_free(client_get_string(client, hostile->service_path, CLIENT_SERVICE, "State"));
        taken[i] = test_now_usec() - begin;
    }
    qsort(taken, N_GETS, sizeof(taken[0]), compare_usec);
    return taken[N_GETS * percentile / 100];
}

static void assert_fair(Hostile *hostile, Client *client, Flood *flood, unsigned percentile)
{
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        uint64_t quiet = measure_get(hostile, client, NULL, percentile);
        uint64_t flooded = measure_get(hostile, client, flood, percentile);

        g_test_message("p%u of a Get: %" G_GUINT64_FORMAT " us, in the flood %" G_GUINT64_FORMAT
                       " us (%" G_GUINT64_FORMAT " calls)",
                       percentile, quiet, flooded, flood->n_calls);
        if (flooded <= FLOOD_MOST_FACTOR * quiet)
            return;
    }
    g_error("a flood of one client holds up the others");
}

static GByteArray *build_call(const char *path, const char *interface, const char *member,
                              const char *signature, const GByteArray *body)
{
    RawMessage message = {.serial = 1,
                          .path = path,
                          .interface = interface,
                          .member = member,
                          .signature = signature,
                          .body = body};

    return raw_build(&message);
}

static GByteArray *build_get_all(const char *path)
{
    g_autoptr(GByteArray) body = g_byte_array_new();

    raw_add_string(body, CLIENT_SERVICE, strlen(CLIENT_SERVICE));
    return build_call(path, PROPERTIES, "GetAll", "s", body);
}

static void on_private_flood(Flood *flood)
{
    char buffer[65536];
    size_t n;

    while (read(flood->fd, buffer, sizeof(buffer)) > 0)
        ;
    do {
        n = raw_write(flood->fd, flood->calls->data + flood->offset,
                      flood->calls->len - flood->offset);
        flood->offset += n;
        if (flood->offset == flood->calls->len) {
            flood->offset = 0;
            flood->n_calls += 1000;
        }
    } while (n > 0);
}

static void test_flood_private(Hostile *hostile, const void *unused)
{
    Client *client = client_new_private(hostile->daemon.socket);
    Flood flood = {.step = on_private_flood,
                   .fd = raw_connect_ready(hostile->daemon.socket),
                   .calls = g_byte_array_new()};

    for (unsigned i = 0; i < 1000; i++) {
        g_autoptr(GByteArray) bytes = build_get_all(hostile->service_path);

        g_byte_array_append(flood.calls, bytes->data, bytes->len);
    }
    assert_fair(hostile, client, &flood, 99);
    (void)fd_close(flood.fd); /* -1 */
    g_byte_array_unref(flood.calls);
    client_free(client);
    hostile_assert_unharmed(hostile);
}

static int on_flood_answer(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Flood *flood = data;

    flood->n_open--;
    return 0;
}

static void process_bus(sd_bus *bus)
{
    int r;

    do {
        r = sd_bus_process(bus, NULL);
        g_assert_cmpint(r, >=, 0);
    } while (r > 0);
}

static void on_bus_flood(Flood *flood)
{
    process_bus(flood->bus);
    for (; flood->n_open < FLOOD_N_OPEN; flood->n_open++, flood->n_calls++)
        g_assert_cmpint(sd_bus_call_method_async(flood->bus, NULL, "org.svcmgr1", flood->path,
                                                 PROPERTIES, "Get", on_flood_answer, flood, "ss",
                                                 CLIENT_SERVICE, "State"),
                        >=, 0);
}

static uint64_t cpu_nsec(const Child *child)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/schedstat", (int)child->pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(text, NULL, 10);
}

static void end_bus_flood(Flood *flood)
{
    process_bus(flood->bus);
    while (flood->n_open > 0) {
        g_assert_cmpint(sd_bus_wait(flood->bus, RAW_PATIENCE_USEC), >, 0);
        process_bus(flood->bus);
    }
}

/* A message bus hands on in order, so who floods it is in the way of all others there, also of
 * those who only speak with the bus itself. It is not the daemon that they wait for: it takes less
 * time for a call than the bus does. */
static void assert_faster_than_bus(Hostile *hostile, Flood *flood)
{
    uint64_t of_daemon = cpu_nsec(&hostile->daemon.daemon), of_bus = cpu_nsec(&hostile->daemon.bus);

    for (uint64_t most = flood->n_calls + N_FLOOD_CALLS; flood->n_calls < most;) {
        on_bus_flood(flood);
        g_assert_cmpint(sd_bus_wait(flood->bus, RAW_PATIENCE_USEC), >, 0);
    }
    end_bus_flood(flood);
    of_daemon = cpu_nsec(&hostile->daemon.daemon) - of_daemon;
    of_bus = cpu_nsec(&hostile->daemon.bus) - of_bus;
    g_test_message("%u calls: %" G_GUINT64_FORMAT " us of the daemon, %" G_GUINT64_FORMAT
                   " us of the bus",
                   N_FLOOD_CALLS, of_daemon / 1000, of_bus / 1000);
#if !defined(ADDRESS_SANITIZED)
    g_assert_cmpuint(of_daemon, <, of_bus);
#endif
}

/* And who is not on the bus does not wait for it. (The median: the bus and the daemon now share the
 * processors, and what one of them loses by that is in the last percent.) */
static void test_flood_bus(Hostile *hostile, const void *unused)
{
    Client *client = client_new_private(hostile->daemon.socket);
    Client *flooder = client_new_bus(hostile->daemon.bus_address);
    Flood flood = {.step = on_bus_flood, .path = hostile->service_path, .bus = flooder->bus};

    assert_fair(hostile, client, &flood, 50);
    end_bus_flood(&flood);
    assert_faster_than_bus(hostile, &flood);
    client_free(flooder);
    client_free(client);
    hostile_assert_unharmed(hostile);
}

/* Waits */

typedef struct Waits {
    unsigned n_reached, n_refused;
} Waits;

static int on_wait_answer(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(message);
    Waits *waits = data;

    if (error == NULL) {
        waits->n_reached++;
        return 0;
    }
    g_assert_cmpstr(error->name, ==, LIMIT_EXCEEDED);
    g_assert_nonnull(strstr(error->message, "512 calls of yours are under way"));
    waits->n_refused++;
    return 0;
}

static void start_wait(Client *client, const char *path, Waits *waits)
{
    sd_bus_message *call = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(client->bus, &call, client->destination, path,
                                                   CLIENT_SERVICE, "Wait"),
                    >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 1, "until", "s", "active"), >=, 0);
    g_assert_cmpint(sd_bus_call_async(client->bus, NULL, call, on_wait_answer, waits, UINT64_MAX),
                    >=, 0);
    sd_bus_message_unref(call);
}

/* Processes until so many have ended in this way. */
static void await_waits(Client *client, const unsigned *count, unsigned expected)
{
    while (*count < expected) {
        process_bus(client->bus);
        if (*count < expected)
            g_assert_cmpint(sd_bus_wait(client->bus, RAW_PATIENCE_USEC), >, 0);
    }
}

static Client *new_client(Hostile *hostile, bool private)
{
    return private ? client_new_private(hostile->daemon.socket)
                   : client_new_bus(hostile->daemon.bus_address);
}

/* Ten thousand of one client: 512 hang, the others are refused; all that hang are answered. On a
 * bus the limit of the bus comes first. */
static void test_waits_of_one(Hostile *hostile, const void *unused)
{
    g_autofree char *path = client_service_path("off");
    Client *client = client_new_private(hostile->daemon.socket);
    Waits waits = {0};

    client_create(hostile->daemon.client, "off", "process", "{\"exec\": [\"/bin/sleep\", \"1d\"]}",
                  false);
    for (unsigned i = 0; i < 10000; i++) {
        start_wait(client, path, &waits);
        if (i % 100 == 0)
            process_bus(client->bus);
    }
    await_waits(client, &waits.n_refused, 10000 - 512);
    g_assert_cmpuint(waits.n_reached, ==, 0);
    client_operate(hostile->daemon.client, "off", "Start");
    await_waits(client, &waits.n_reached, 512);
    g_assert_cmpuint(waits.n_refused, ==, 10000 - 512);
    client_free(client);
    hostile_assert_unharmed(hostile);
}

#define N_CLIENTS 100
#define N_WAITS_EACH 100
/* Ten thousand kept Waits would be ten times this. */
#define WAITS_SLACK_BYTES (2 * 1024 * 1024)

/* Ten thousand of a hundred clients, half of which leave in the middle. */
static void attack_waits(Hostile *hostile, bool private)
{
    g_autofree char *path = client_service_path("off");
    Waits waits[N_CLIENTS] = {0};
    Client *clients[N_CLIENTS];

    client_create(hostile->daemon.client, "off", "process", "{\"exec\": [\"/bin/sleep\", \"1d\"]}",
                  false);
    for (unsigned i = 0; i < N_CLIENTS; i++) {
        clients[i] = new_client(hostile, private);
        for (unsigned k = 0; k < N_WAITS_EACH; k++)
            start_wait(clients[i], path, &waits[i]);
        g_assert_cmpint(sd_bus_flush(clients[i]->bus), >=, 0);
    }
    for (unsigned i = 0; i < N_CLIENTS; i += 2) {
        sd_bus_close(clients[i]->bus);
        client_free(clients[i]);
    }
    client_operate(hostile->daemon.client, "off", "Start");
    for (unsigned i = 1; i < N_CLIENTS; i += 2) {
        await_waits(clients[i], &waits[i].n_reached, N_WAITS_EACH);
        client_free(clients[i]);
    }
    sd_bus_message_unref(client_call(hostile->daemon.client, CLIENT_ROOT, CLIENT_MANAGER,
                                     "DeleteService", "sa{sv}", "off", 0));
    client_process(hostile->daemon.client);
}

static void attack_waits_private(Hostile *hostile)
{
    attack_waits(hostile, true);
}

static void attack_waits_bus(Hostile *hostile)
{
    attack_waits(hostile, false);
}

static void test_waits_private(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 1, WAITS_SLACK_BYTES, attack_waits_private);
}

static void test_waits_bus(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 1, WAITS_SLACK_BYTES, attack_waits_bus);
}

/* Who does not read: 64 MiB are kept for him, then he is thrown out, and they are free again. */

#define UNREAD_MOST_BYTES (UINT64_C(64) * 1024 * 1024)
/* What has gone into the socket before the daemon comes to read it counts too. */
#define UNREAD_MOST_CALLS 1024
#define UNREAD_N_LABELS 64
#define UNREAD_LABEL_BYTES 4096

static void create_large(Hostile *hostile)
{
    g_autofree char *value = g_strnfill(UNREAD_LABEL_BYTES, 'x');
    sd_bus_message *call = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(hostile->daemon.client->bus, &call,
                                                   "org.svcmgr1", CLIENT_ROOT, CLIENT_MANAGER,
                                                   "CreateService"),
                    >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "sss", "large", "process", ""), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{sv}"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'e', "sv"), >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "s", "labels"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'v', "a{ss}"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{ss}"), >=, 0);
    for (unsigned i = 0; i < UNREAD_N_LABELS; i++) {
        g_autofree char *name = g_strdup_printf("label-%u", i);

        g_assert_cmpint(sd_bus_message_append(call, "{ss}", name, value), >=, 0);
    }
    for (unsigned i = 0; i < 4; i++)
        g_assert_cmpint(sd_bus_message_close_container(call), >=, 0);
    g_assert_cmpint(sd_bus_call(hostile->daemon.client->bus, call, 0, NULL, NULL), >=, 0);
    sd_bus_message_unref(call);
}

/* Until it is thrown out. Gives the most memory that was seen. */
static uint64_t ask_without_reading(Hostile *hostile, const GByteArray *question)
{
    int fd = raw_connect_ready(hostile->daemon.socket);
    uint64_t most = 0;

    for (unsigned i = 0; raw_send(fd, question->data, question->len); i++) {
        g_assert_cmpuint(i, <, UNREAD_MOST_CALLS);
        if (i % 32 == 0)
            most = MAX(most, hostile_memory_bytes(hostile));
    }
    (void)fd_close(fd); /* -1 */
    return most;
}

static void test_unread(Hostile *hostile, const void *unused)
{
    g_autoptr(GByteArray) question = build_get_all(CLIENT_ROOT "/service/large");
    unsigned n_fds = hostile_count_fds(hostile);

    create_large(hostile);
    (void)ask_without_reading(hostile, question); /* warms the heap up */
    hostile_await_fds(hostile, n_fds);
    uint64_t before = hostile_memory_bytes(hostile);
    uint64_t most = ask_without_reading(hostile, question);
    hostile_await_fds(hostile, n_fds);
    uint64_t after = hostile_memory_bytes(hostile);
    g_test_message("%" G_GUINT64_FORMAT " KiB, most %" G_GUINT64_FORMAT
                   " KiB, then %" G_GUINT64_FORMAT " KiB",
                   before / 1024, most / 1024, after / 1024);
#if !defined(ADDRESS_SANITIZED)
    g_assert_cmpuint(most, <, before + 2 * UNREAD_MOST_BYTES); /* and what malloc adds */
    g_assert_cmpuint(after, <, before + SLACK_BYTES);
#endif
    hostile_assert_unharmed(hostile);
}

#define ADD(path, function)                                                                        \
    g_test_add("/hostile-load/" path, Hostile, NULL, hostile_set_up, function, hostile_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("flood/private", test_flood_private);
    ADD("flood/bus", test_flood_bus);
    ADD("waits/one-client", test_waits_of_one);
    ADD("waits/many-clients/private", test_waits_private);
    ADD("waits/many-clients/bus", test_waits_bus);
    ADD("unread", test_unread);
    return g_test_run();
}
