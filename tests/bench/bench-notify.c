/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One service says as much as its notify socket takes (tests/daemon/flooder.c), while somebody asks
 * for the state of another one: how long an answer takes, beside the same without a flood, and what
 * the flood costs the daemon. Who asks and the daemon share a processor, with and without a flood:
 * whatever the daemon does stands in the way of the next answer then, and nothing else does. Where
 * they may move, a third process that is awake now and then is enough to part them, and an answer
 * takes eight times as long since a processor has to be woken for it. */

#include "bench.h"

#include "base/clock.h"

#include <signal.h>

#define NOTIFY_ROUNDS 15
#define NOTIFY_ROUND_USEC (500 * USEC_PER_MSEC)
#define NOTIFY_QUICK_USEC (20 * USEC_PER_MSEC)
#define NOTIFY_CALM "{\"exec\":[\"sleep\",\"1000\"]}"

typedef struct Notify {
    Bench *bench;
    Client *client; /* which hears what the flooder says */
    sd_bus *bus;    /* which does not */
    uint64_t round_usec;
    double percent;    /* of the answers of a round: its figure */
    unsigned n_rounds; /* floods so far */
} Notify;

static double notify_get(const Notify *notify)
{
    g_autofree char *id = bench_id(0);
    g_autofree char *path = client_service_path(id), *state = NULL;
    uint64_t began_usec = test_now_usec();

    g_assert_cmpint(sd_bus_get_property_string(notify->bus, NULL, path, CLIENT_SERVICE, "State",
                                               NULL, &state),
                    >=, 0);
    g_assert_cmpstr(state, ==, "active");
    return (double)(test_now_usec() - began_usec);
}

static bool notify_is_status(sd_bus_message *message, void *data)
{
    const char *text;

    return client_changed_string(message, CLIENT_PROCESS, "StatusText", &text) &&
           (data == NULL || g_str_equal(text, data));
}

static void notify_tell(const Notify *notify, int signo)
{
    g_autofree char *path = client_service_path("flood");

    sd_bus_message_unref(
            client_call(notify->client, path, CLIENT_SERVICE, "Signal", "si", "main", signo));
}

static void notify_begin(Notify *notify)
{
    notify->n_rounds++;
    notify_tell(notify, SIGUSR2);
    client_wait(notify->client, notify_is_status, NULL);
}

static void notify_end(const Notify *notify)
{
    g_autofree char *last = g_strdup_printf("calm %u", notify->n_rounds);

    notify_tell(notify, SIGUSR1);
    client_wait(notify->client, notify_is_status, last);
}

/* Microseconds. */
static double notify_ask(const Notify *notify)
{
    uint64_t end_usec = test_now_usec() + notify->round_usec;
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(double));

    while (test_now_usec() < end_usec) {
        double usec = notify_get(notify);

        g_array_append_val(times, usec);
    }
    return bench_percentile((const double *)(void *)times->data, times->len, notify->percent);
}

static double on_notify_idle(void *data)
{
    return notify_ask(data);
}

static double on_notify_flood(void *data)
{
    Notify *notify = data;

    notify_begin(notify);
    double usec = notify_ask(notify);
    notify_end(notify);
    return usec;
}

/* What the flood alone costs, while nobody asks. */
static double notify_measure_load(Notify *notify)
{
    pid_t daemon = notify->bench->fixture.daemon.pid;
    g_autofree char *id = bench_id(0), *path = client_service_path(id);

    notify_begin(notify);
    uint64_t began_usec = test_now_usec(), cpu_usec = bench_cpu_usec(daemon);
    g_free(client_call_refused(notify->client, "org.svcmgr1.Error.Timeout", path, CLIENT_SERVICE,
                               "Wait", "a{sv}", 2, "until", "s", "inactive", "timeout_usec", "t",
                               notify->round_usec));
    double load =
            (double)(bench_cpu_usec(daemon) - cpu_usec) / (double)(test_now_usec() - began_usec);
    notify_end(notify);
    return load * 100;
}

static void notify_start(Notify *notify)
{
    DaemonFixture *fixture = &notify->bench->fixture;
    g_autofree char *config = g_strdup_printf("{\"exec\":[\"%s\"],\"readiness\":\"notify\"}",
                                              g_getenv("BENCH_FLOODER"));

    g_assert_nonnull(g_getenv("BENCH_FLOODER"));
    bench_define(notify->bench, 1, "process", NOTIFY_CALM, true);
    bench_start_daemon(notify->bench);
    notify->bus = bench_connect_server(fixture->socket);
    notify->client = client_new_private(fixture->socket);
    client_create(notify->client, "flood", "process", config, true);
    client_wait_state(notify->client, "flood", "active");
    child_share_processor(&fixture->daemon);
}

int main(int argc, char **argv)
{
    Notify notify = {0};
    Bench bench;

    bench_init(&bench, argc, argv);
    notify.bench = &bench;
    notify.round_usec = bench.quick ? NOTIFY_QUICK_USEC : NOTIFY_ROUND_USEC;
    notify_start(&notify);
    unsigned rounds = bench.quick ? 1 : NOTIFY_ROUNDS;

    bench_note("microseconds for an answer: idle is the floor");
    notify.percent = 50;
    bench_figure("notify/median",
                 bench_compare("notify/median", rounds, on_notify_idle, &notify, on_notify_flood,
                               &notify),
                 "ratio", "<= 1.2");
    notify.percent = 99;
    bench_figure(
            "notify/p99",
            bench_compare("notify/p99", rounds, on_notify_idle, &notify, on_notify_flood, &notify),
            "ratio", "<= 2");
    bench_figure("notify/load", notify_measure_load(&notify), "%", "<= 10");
    client_free(notify.client);
    (void)sd_bus_flush_close_unref(notify.bus); /* always NULL */
    return bench_done(&bench);
}
