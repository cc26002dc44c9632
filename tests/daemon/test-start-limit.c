/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hundred services that end as soon as they run, and are started again without a delay: each is
 * given up after as many starts as its limit allows, with an error that says what to do; meanwhile
 * whoever asks is answered, and afterwards nothing goes on. */

#include "base/fds.h"
#include "trouble.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef ADDRESS_SANITIZED
#define LIMIT_SERVICES 30
#define LIMIT_START_CPU_USEC 20000
#else
#define LIMIT_SERVICES 100
#define LIMIT_START_CPU_USEC 3000 /* of the daemon, for one start; 150 are usual */
#endif
#define LIMIT_IMPLIED 5 /* the first so many say nothing of a limit; 50 in 10 s is theirs */
#define LIMIT_IMPLIED_BURST 50
#define LIMIT_BURST 12
#define LIMIT_REST_USEC (300 * USEC_PER_MSEC)
#define LIMIT_REST_CPU_USEC (150 * USEC_PER_MSEC)
#define LIMIT_ANSWER_USEC (1 * USEC_PER_SEC) /* the slowest of all; a machine may be busy */

#define LIMIT_EXEC                                                                                 \
    "\"exec\": [\"/bin/false\"], \"restart\": {\"policy\": \"always\", \"initial_delay\": 0}"
#define LIMIT_ERROR "org.svcmgr1.Error.StartLimitHit"

static char *limit_id(unsigned number)
{
    return g_strdup_printf("service%u", number);
}

static uint64_t limit_cpu_usec(const DaemonFixture *fixture)
{
    struct timespec time;
    clockid_t clock;

    g_assert_cmpint(clock_getcpuclockid(fixture->daemon.pid, &clock), ==, 0);
    g_assert_cmpint(clock_gettime(clock, &time), ==, 0);
    return (uint64_t)time.tv_sec * USEC_PER_SEC + (uint64_t)time.tv_nsec / 1000;
}

static sd_bus *limit_connect(const DaemonFixture *fixture)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", fixture->socket);
    sd_bus *bus = NULL;

    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(bus, address), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

static char *limit_ask(sd_bus *bus, const char *id, const char *property)
{
    g_autofree char *path = client_service_path(id);
    char *text = NULL;

    g_assert_cmpint(
            sd_bus_get_property_string(bus, NULL, path, CLIENT_SERVICE, property, NULL, &text), >=,
            0);
    return text;
}

/* Asks for the state of one after the other until all have given up; gives the slowest answer. */
static uint64_t limit_await_failed(sd_bus *bus)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC), slowest = 0;

    for (unsigned i = 0; i < LIMIT_SERVICES;) {
        uint64_t begin = test_now_usec();
        g_autofree char *id = limit_id(i), *state = limit_ask(bus, id, "State");

        slowest = MAX(slowest, test_now_usec() - begin);
        i += g_str_equal(state, "failed");
        g_assert_cmpuint(begin, <, deadline);
    }
    return slowest;
}

static void limit_check_error(sd_bus *bus, unsigned number)
{
    g_autofree char *id = limit_id(number), *error = limit_ask(bus, id, "Error");
    g_autofree char *name = limit_ask(bus, id, "ErrorName");
    g_autofree char *class = limit_ask(bus, id, "FailureClass");

    g_assert_cmpstr(name, ==, LIMIT_ERROR);
    g_assert_cmpstr(class, ==, "start-limit");
    assert_contains(error, number < LIMIT_IMPLIED ? "more than 50 starts in 10s"
                                                  : "more than 12 starts in 1h");
    assert_contains(error, "reset-failed");
}

/* Each failure is told, the last one too, before the next start is refused: path -> how often. */
static GHashTable *limit_count_failures(Client *client)
{
    GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    client_process(client);
    for (unsigned i = 0; i < client->signals->len; i++) {
        sd_bus_message *message = g_ptr_array_index(client->signals, i);
        const char *path = sd_bus_message_get_path(message), *state;

        if (client_changed_string(message, CLIENT_SERVICE, "State", &state) &&
            g_str_equal(state, "backoff"))
            g_hash_table_replace(
                    counts, g_strdup(path),
                    GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, path)) + 1));
    }
    return counts;
}

static void limit_check_failures(DaemonFixture *fixture)
{
    g_autoptr(GHashTable) counts = limit_count_failures(fixture->client);

    for (unsigned i = 0; i < LIMIT_SERVICES; i++) {
        g_autofree char *id = limit_id(i), *path = client_service_path(id);
        unsigned expected = i < LIMIT_IMPLIED ? LIMIT_IMPLIED_BURST : LIMIT_BURST;

        g_assert_cmpuint(GPOINTER_TO_UINT(g_hash_table_lookup(counts, path)), ==, expected);
    }
}

/* The daemon itself keeps the time in which nothing may happen. */
static void limit_check_rest(DaemonFixture *fixture)
{
    g_autofree char *path = client_service_path("rest");
    uint64_t cpu;

    client_create(fixture->client, "rest", "process", "{\"exec\": [\"/bin/sleep\", \"1000\"]}",
                  true);
    trouble_wait_active(fixture, "rest");
    cpu = limit_cpu_usec(fixture);

    g_free(client_call_refused(fixture->client, "org.svcmgr1.Error.Timeout", path, CLIENT_SERVICE,
                               "Wait", "a{sv}", 2, "until", "s", "inactive", "timeout_usec", "t",
                               LIMIT_REST_USEC));
    g_assert_cmpuint(limit_cpu_usec(fixture) - cpu, <, LIMIT_REST_CPU_USEC);
}

static void limit_create_all(DaemonFixture *fixture)
{
    for (unsigned i = 0; i < LIMIT_SERVICES; i++) {
        g_autofree char *id = limit_id(i);

        client_create(fixture->client, id, "process",
                      i < LIMIT_IMPLIED
                              ? "{" LIMIT_EXEC "}"
                              : "{" LIMIT_EXEC
                                ", \"start_limit\": {\"burst\": 12, \"interval\": \"1h\"}}",
                      true);
    }
}

static void limit_check_reset(DaemonFixture *fixture, sd_bus *bus)
{
    g_autofree char *path = client_service_path("service7");

    g_free(client_call_refused(fixture->client, LIMIT_ERROR, path, CLIENT_SERVICE, "Start", ""));
    sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "ResetFailed", ""));
    g_autofree char *error = limit_ask(bus, "service7", "Error");
    g_autofree char *state = limit_ask(bus, "service7", "State");
    g_assert_cmpstr(error, ==, "");
    g_assert_cmpstr(state, ==, "inactive");
    client_operate(fixture->client, "service7", "Start"); /* is not refused */
    client_wait_state(fixture->client, "service7", "failed");
    limit_check_error(bus, 7);

    sd_bus_message_unref(
            client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "ResetFailed", ""));
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NFailed"),
                     ==, 0);
}

static void test_hundred(DaemonFixture *fixture, const void *has_cgroups)
{
    const unsigned n_starts =
            LIMIT_IMPLIED * LIMIT_IMPLIED_BURST + (LIMIT_SERVICES - LIMIT_IMPLIED) * LIMIT_BURST;

    if (has_cgroups != NULL && !daemon_fixture_use_cgroups(fixture))
        return;
    daemon_fixture_start(fixture, NULL);
    sd_bus *bus = limit_connect(fixture);
    uint64_t cpu = limit_cpu_usec(fixture);
    limit_create_all(fixture);
    uint64_t slowest = limit_await_failed(bus);
    cpu = limit_cpu_usec(fixture) - cpu;
    g_test_message("%u starts cost %" G_GUINT64_FORMAT
                   " us each; the slowest answer took %" G_GUINT64_FORMAT " us",
                   n_starts, cpu / n_starts, slowest);
    g_assert_cmpuint(cpu / n_starts, <, LIMIT_START_CPU_USEC);
    g_assert_cmpuint(slowest, <, LIMIT_ANSWER_USEC);
    for (unsigned i = 0; i < LIMIT_SERVICES; i++)
        limit_check_error(bus, i);
    limit_check_rest(fixture);
    limit_check_failures(fixture);
    if (has_cgroups != NULL)
        g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 1); /* of the one that rests */
    client_process(fixture->client);
    fixture->client->cursor = fixture->client->signals->len;
    limit_check_reset(fixture, bus);
    (void)sd_bus_flush_close_unref(bus); /* always NULL */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/start-limit/hundred", DaemonFixture, NULL, daemon_fixture_set_up, test_hundred,
               daemon_fixture_tear_down);
    g_test_add("/start-limit/hundred-cgroups", DaemonFixture, GINT_TO_POINTER(1),
               daemon_fixture_set_up, test_hundred, daemon_fixture_tear_down);
    return g_test_run();
}
