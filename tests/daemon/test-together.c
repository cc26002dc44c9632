/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several services as one, of the real daemon: calls that mean harm, clients that go in the middle,
 * and two that start and stop the same services at random at once. Whatever they do, no service
 * begins before what it requires is there, and none beside one that it conflicts with.
 *
 * --rounds=N: so many calls of each of the two. The seed of GTest (--seed) chooses what they ask
 * for and what the services have to do with each other. */

#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DBUS_ERROR "org.freedesktop.DBus.Error."
#define OUR_ERROR "org.svcmgr1.Error."
#define SLEEPER "\"exec\": [\"/bin/sleep\", \"1d\"]"
/* It takes a moment until it is ready. */
#define SLOW "\"exec\": [\"/bin/sh\", \"-c\", \"echo >&3; exec sleep 1d\"], \"readiness\": \"fd\""
#define TOGETHER_ROUNDS 300
#define TOGETHER_IN_FLIGHT 3
#define TOGETHER_PATIENCE_USEC (60 * USEC_PER_SEC)

static unsigned together_rounds = TOGETHER_ROUNDS;

/* Calls */

static sd_bus_message *new_call(const Client *client, const char *member, const char *const *ids)
{
    sd_bus_message *call = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(client->bus, &call, client->destination,
                                                   CLIENT_ROOT, CLIENT_MANAGER, member),
                    >=, 0);
    g_assert_cmpint(sd_bus_message_append_strv(call, (char **)ids), >=, 0);
    return call;
}

/* Calls with these ids and no options, and asserts that the answer is this error, of a short text.
 */
static void refused(const Client *client, const char *member, const char *const *ids,
                    const char *name)
{
    sd_bus_message *call = new_call(client, member, ids);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 0), >=, 0);
    g_assert_cmpint(sd_bus_call(client->bus, call, 0, &error, NULL), <, 0);
    g_assert_cmpstr(error.name, ==, name);
    g_assert_cmpuint(strlen(error.message), <, 70 * 1024);
    sd_bus_error_free(&error);
    sd_bus_message_unref(call);
}

/* Hostile */

static char **make_ids(unsigned n)
{
    GPtrArray *ids = g_ptr_array_new();

    for (unsigned i = 0; i < n; i++)
        g_ptr_array_add(ids, g_strdup_printf("nobody-%u", i));
    g_ptr_array_add(ids, NULL);
    return (char **)g_ptr_array_free(ids, FALSE);
}

static void attack_calls(Hostile *hostile)
{
    static const char *const members[] = {"StartServices", "StopServices"};
    g_auto(GStrv) many = make_ids(10000), most = make_ids(20000);
    const char *const twice[] = {"web", "web", NULL};
    const char *const wrong[] = {"../web", NULL}, *const empty[] = {"", NULL};
    const Client *client = hostile->daemon.client;

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        refused(client, members[i], (const char *const *)many, OUR_ERROR "NotFound");
        refused(client, members[i], (const char *const *)most, OUR_ERROR "LimitExceeded");
        refused(client, members[i], twice, DBUS_ERROR "InvalidArgs");
        refused(client, members[i], wrong, OUR_ERROR "InvalidId");
        refused(client, members[i], empty, OUR_ERROR "InvalidId");
        g_free(client_call_refused(hostile->daemon.client, DBUS_ERROR "InvalidArgs", CLIENT_ROOT,
                                   CLIENT_MANAGER, members[i], "asa{sv}", 1, "web", 2, "ordered",
                                   "b", 1, "ordered", "b", 1));
        g_free(client_call_refused(hostile->daemon.client, DBUS_ERROR "InvalidArgs", CLIENT_ROOT,
                                   CLIENT_MANAGER, members[i], "asa{sv}", 1, "web", 1, "dryrun",
                                   "b", 1));
    }
    g_free(client_call_refused(hostile->daemon.client, DBUS_ERROR "InvalidArgs", CLIENT_ROOT,
                               CLIENT_MANAGER, "GetDependencyGraph", "a{sv}", 1, "reverse", "s",
                               "yes"));
    g_free(client_call_refused(hostile->daemon.client, OUR_ERROR "NotFound", CLIENT_ROOT,
                               CLIENT_MANAGER, "GetDependencyGraph", "a{sv}", 1, "ids", "as", 1,
                               "../web"));
}

static void test_hostile_calls(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 3, 512 * 1024, attack_calls);
}

/* Leaving */

static void ping(const Hostile *hostile)
{
    for (unsigned i = 0; i < 10; i++) /* turns of the daemon's loop */
        sd_bus_message_unref(client_call(hostile->daemon.client, CLIENT_ROOT,
                                         "org.freedesktop.DBus.Peer", "Ping", NULL));
}

/* Until the bus knows that it has gone: the daemon hears of it before of anything later. */
static void await_name_gone(const Hostile *hostile, const char *name)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    int r;

    do {
        g_assert_cmpuint(test_now_usec(), <, deadline);
        r = sd_bus_call_method(hostile->daemon.client->bus, "org.freedesktop.DBus",
                               "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner",
                               NULL, NULL, "s", name);
    } while (r >= 0);
    g_assert_cmpint(r, ==, -ENXIO); /* NameHasNoOwner */
}

static void leave(Hostile *hostile, Client *leaver)
{
    const char *name = NULL;
    g_autofree char *copy = NULL;

    if (leaver->destination == NULL) {
        client_free(leaver);
        ping(hostile);
        return;
    }
    g_assert_cmpint(sd_bus_get_unique_name(leaver->bus, &name), >=, 0);
    copy = g_strdup(name);
    client_free(leaver);
    await_name_gone(hostile, copy);
}

static void start_in_order(const Client *client, const char *const *ids)
{
    sd_bus_message *call = new_call(client, "StartServices", ids);

    g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 1, "ordered", "b", 1), >=, 0);
    g_assert_cmpint(sd_bus_send(client->bus, call, NULL), >=, 0);
    g_assert_cmpint(sd_bus_flush(client->bus), >=, 0);
    sd_bus_message_unref(call);
}

static void assert_state_is(const Hostile *hostile, const char *id, const char *expected)
{
    g_autofree char *path = client_service_path(id);
    g_autofree char *state =
            client_get_string(hostile->daemon.client, path, CLIENT_SERVICE, "State");

    g_assert_cmpstr(state, ==, expected);
}

/* What has begun stays, what has not never begins. The first is ready when the test lets it. */
static void check_leaving(Hostile *hostile, Client *leaver)
{
    Client *client = hostile->daemon.client;
    g_autofree char *gate = g_build_filename(hostile->daemon.root, "gate", NULL);
    g_autofree char *config = g_strdup_printf("{\"exec\": [\"/bin/sh\", \"-c\", \"read line < "
                                              "%s; echo >&3; exec sleep 1d\"], \"readiness\": "
                                              "\"fd\"}",
                                              gate);
    const char *const ids[] = {"first", "second", NULL};

    g_assert_cmpint(mkfifo(gate, 0600), ==, 0);
    int fd = open(gate, O_RDWR | O_CLOEXEC); /* neither end waits for the other */
    g_assert_cmpint(fd, >=, 0);
    client_create(client, "first", "process", config, false);
    client_create(client, "second", "process", "{" SLEEPER "}", false);
    start_in_order(leaver, ids);
    client_wait_state(client, "first", "starting");
    leave(hostile, leaver);
    g_assert_cmpint(write(fd, "\n", 1), ==, 1);
    client_wait_state(client, "first", "active");
    close(fd); /* before, what is in it would be lost */
    ping(hostile);
    assert_state_is(hostile, "first", "active");
    assert_state_is(hostile, "second", "inactive");
    hostile_assert_unharmed(hostile);
}

static void test_leaving_bus(Hostile *hostile, const void *unused)
{
    check_leaving(hostile, client_new_bus(hostile->daemon.bus_address));
}

static void test_leaving_private(Hostile *hostile, const void *unused)
{
    Client *leaver = client_new_private(hostile->daemon.socket);

    sd_bus_message_unref(client_call(leaver, CLIENT_ROOT, "org.freedesktop.DBus.Peer", "Ping",
                                     NULL)); /* it is accepted */
    check_leaving(hostile, leaver);
}

/* Two at random */

#define TOGETHER_N 10

typedef struct Together {
    sd_event *event;
    sd_bus_slot *match;
    GRand *rand;
    char *ids[TOGETHER_N + 1];
    bool requires[TOGETHER_N][TOGETHER_N];
    bool conflicts[TOGETHER_N][TOGETHER_N]; /* both ways */
    const char *states[TOGETHER_N];         /* as the signals have told */
    unsigned n_left;                        /* calls to be made */
    unsigned n_in_flight;
    unsigned n_done, n_refused, n_starts_seen;
} Together;

typedef struct TogetherClient {
    Together *together;
    Client *client;
} TogetherClient;

static void together_call(TogetherClient *own);

/* Whatever is refused has one of these reasons. */
static void together_check_refusal(const sd_bus_error *error)
{
    static const char *const names[] = {OUR_ERROR "Conflict", OUR_ERROR "Busy",
                                        OUR_ERROR "DependencyFailed", DBUS_ERROR "Failed", NULL};

    if (!g_strv_contains(names, error->name))
        g_error("%s: %s", error->name, error->message);
    g_assert_nonnull(error->message);
    g_assert_cmpuint(strlen(error->message), >, 0);
}

static int on_together_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    TogetherClient *own = data;
    Together *together = own->together;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    together->n_in_flight--;
    if (error != NULL)
        together_check_refusal(error);
    *(error != NULL ? &together->n_refused : &together->n_done) += 1;
    if (together->n_left > 0)
        together_call(own);
    return 0;
}

static void together_call(TogetherClient *own)
{
    Together *together = own->together;
    bool starts = g_rand_boolean(together->rand);
    unsigned first = (unsigned)g_rand_int_range(together->rand, 0, TOGETHER_N);
    unsigned n = (unsigned)g_rand_int_range(together->rand, 1, 5);
    const char *ids[TOGETHER_N + 1] = {NULL};

    for (unsigned i = 0; i < n; i++)
        ids[i] = together->ids[(first + 3 * i) % TOGETHER_N];
    sd_bus_message *call = new_call(own->client, starts ? "StartServices" : "StopServices", ids);
    g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 1, "ordered", "b",
                                          g_rand_int_range(together->rand, 0, 4) == 0),
                    >=, 0);
    g_assert_cmpint(
            sd_bus_call_async(own->client->bus, NULL, call, on_together_answer, own, UINT64_MAX),
            >=, 0);
    sd_bus_message_unref(call);
    together->n_left--;
    together->n_in_flight++;
}

static bool together_is_up(const char *state)
{
    return g_str_equal(state, "active");
}

static bool together_is_running(const char *state)
{
    return !g_str_equal(state, "inactive") && !g_str_equal(state, "failed") &&
           !g_str_equal(state, "waiting");
}

/* At the moment in which it begins to start. */
static void together_check_start(const Together *together, unsigned i)
{
    for (unsigned j = 0; j < TOGETHER_N; j++) {
        if (together->requires[i][j] && !together_is_up(together->states[j]))
            g_error("%s starts while %s, which it requires, is %s", together->ids[i],
                    together->ids[j], together->states[j]);
        if (together->conflicts[i][j] && together_is_running(together->states[j]))
            g_error("%s starts while %s, which it conflicts with, is %s", together->ids[i],
                    together->ids[j], together->states[j]);
    }
}

static int on_together_signal(sd_bus_message *signal, void *data, sd_bus_error *ret_error)
{
    Together *together = data;
    const char *path = sd_bus_message_get_path(signal), *state = NULL;

    for (unsigned i = 0; i < TOGETHER_N; i++) {
        if (!g_str_has_suffix(path, together->ids[i]) ||
            !client_changed_string(signal, CLIENT_SERVICE, "State", &state))
            continue;
        together->states[i] = g_intern_string(state);
        if (g_str_equal(state, "starting")) {
            together_check_start(together, i);
            together->n_starts_seen++;
        }
    }
    return 0;
}

static void together_append_list(GString *config, const char *name, const Together *together,
                                 const bool *has)
{
    const char *separator = "";

    g_string_append_printf(config, ", \"%s\": [", name);
    for (unsigned i = 0; i < TOGETHER_N; i++) {
        if (has[i]) {
            g_string_append_printf(config, "%s\"%s\"", separator, together->ids[i]);
            separator = ", ";
        }
    }
    g_string_append_c(config, ']');
}

/* Each names some of those before it: there is no cycle. One conflict there always is. */
static char *together_make_config(Together *together, unsigned i)
{
    GString *config = g_string_new(i % 2 == 0 ? "{" SLOW : "{" SLEEPER);
    bool after[TOGETHER_N] = {false}, part_of[TOGETHER_N] = {false}, own[TOGETHER_N] = {false};

    for (unsigned j = 0; j < i; j++) {
        int choice = g_rand_int_range(together->rand, 0, 12);

        together->requires[i][j] = choice < 2;
        after[j] = choice == 3;
        part_of[j] = choice == 2 || choice == 4;
        own[j] = choice == 5 && i % 3 == 0;
    }
    if (i == TOGETHER_N - 1) {
        together->requires[i][0] = false;
        own[0] = true;
    }
    for (unsigned j = 0; j < i; j++)
        together->conflicts[i][j] = together->conflicts[j][i] = own[j];
    g_string_append(config, ", \"restart\": {\"policy\": \"no\"}");
    together_append_list(config, "requires", together, together->requires[i]);
    together_append_list(config, "after", together, after);
    together_append_list(config, "part_of", together, part_of);
    together_append_list(config, "conflicts", together, own);
    g_string_append_c(config, '}');
    return g_string_free(config, FALSE);
}

static int on_together_late(sd_event_source *source, uint64_t usec, void *data)
{
    const Together *together = data;

    g_error("%u calls are not answered", together->n_in_flight);
    return 0;
}

/* All of them; each says that it has stopped. */
static void together_stop_all(const Together *together, Client *client)
{
    sd_bus_message *call = new_call(client, "StopServices", (const char *const *)together->ids),
                   *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    unsigned n = 0;

    g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 0), >=, 0);
    if (sd_bus_call(client->bus, call, 0, &error, &reply) < 0)
        g_error("%s: %s", error.name, error.message);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    for (; sd_bus_message_at_end(reply, false) == 0; n++)
        g_assert_cmpint(sd_bus_message_skip(reply, "a{sv}"), >, 0);
    g_assert_cmpuint(n, ==, TOGETHER_N);
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
}

static void together_set_up(Together *together, Client *client)
{
    together->rand = g_rand_new_with_seed((uint32_t)g_test_rand_int());
    together->n_left = 2 * together_rounds;
    g_assert_cmpint(sd_event_new(&together->event), >=, 0);
    g_assert_cmpint(sd_event_add_time_relative(together->event, NULL, CLOCK_MONOTONIC,
                                               TOGETHER_PATIENCE_USEC, 0, on_together_late,
                                               together),
                    >=, 0);
    for (unsigned i = 0; i < TOGETHER_N; i++) {
        together->ids[i] = g_strdup_printf("s%u", i);
        g_autofree char *config = together_make_config(together, i);
        g_test_message("%s: %s", together->ids[i], config);
        client_create(client, together->ids[i], "process", config, false);
        together->states[i] = "inactive";
    }
    g_assert_cmpint(sd_bus_add_match(client->bus, &together->match, "type='signal'",
                                     on_together_signal, together),
                    >=, 0);
}

static void together_run(Together *together, TogetherClient *clients, size_t n, Client *observer)
{
    g_assert_cmpint(sd_bus_attach_event(observer->bus, together->event, 0), >=, 0);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpint(sd_bus_attach_event(clients[i].client->bus, together->event, 0), >=, 0);
        for (unsigned k = 0; k < TOGETHER_IN_FLIGHT; k++)
            together_call(&clients[i]);
    }
    while (together->n_in_flight > 0) /* an exit of the loop would close the connections */
        g_assert_cmpint(sd_event_run(together->event, UINT64_MAX), >=, 0);
    for (size_t i = 0; i < n; i++)
        g_assert_cmpint(sd_bus_detach_event(clients[i].client->bus), >=, 0);
    g_assert_cmpint(sd_bus_detach_event(observer->bus), >=, 0);
}

static void test_two_at_random(Hostile *hostile, const void *unused)
{
    DaemonFixture *daemon = &hostile->daemon;
    Together together = {0};
    TogetherClient clients[] = {{&together, client_new_bus(daemon->bus_address)},
                                {&together, client_new_private(daemon->socket)}};

    together_set_up(&together, daemon->client);
    together_run(&together, clients, G_N_ELEMENTS(clients), daemon->client);
    together_stop_all(&together, daemon->client);
    client_process(daemon->client);
    sd_bus_slot_unref(together.match);
    for (unsigned i = 0; i < TOGETHER_N; i++) {
        assert_state_is(hostile, together.ids[i], "inactive");
        g_assert_cmpstr(together.states[i], ==, "inactive");
        g_free(together.ids[i]);
    }
    g_test_message("%u done, %u refused, %u starts", together.n_done, together.n_refused,
                   together.n_starts_seen);
    g_assert_cmpuint(together.n_done + together.n_refused, ==, 2 * together_rounds);
    g_assert_cmpuint(together.n_done, >, together_rounds / 4);
    g_assert_cmpuint(together.n_starts_seen, >, together_rounds / 4);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        client_free(clients[i].client);
    sd_event_unref(together.event);
    g_rand_free(together.rand);
    hostile_assert_unharmed(hostile);
}

#define ADD(path, function)                                                                        \
    g_test_add("/together/" path, Hostile, NULL, hostile_set_up, function, hostile_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (argc > 1)
        (void)sscanf(argv[1], "--rounds=%u", &together_rounds); /* else as many as it is */
    ADD("hostile-calls", test_hostile_calls);
    ADD("leaving/bus", test_leaving_bus);
    ADD("leaving/private", test_leaving_private);
    ADD("two-at-random", test_two_at_random);
    return g_test_run();
}
