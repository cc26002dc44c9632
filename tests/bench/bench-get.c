/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties.Get of one string: of a service of ours, and of a bare sd-bus program; both on the
 * same message bus, and each on a socket of its own. Sequential: one call, its reply, the next.
 * Deep: 64 calls are always under way. The client may act; of others the daemon also measures what
 * they make it keep, which takes it about a microsecond more.
 *
 * The client has one processor and the servers another: where both are on the same or not is worth
 * more than anything that is measured here. */

#include "bench.h"

#include <sched.h>

#define GET_DEEP 64

typedef struct Get {
    sd_bus *bus;
    const char *destination;
    const char *path;
    const char *interface;
    unsigned n_calls; /* of one round */
    unsigned n_sent;
    unsigned n_answered;
} Get;

static int on_get_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);

static void get_check_answer(sd_bus_message *reply)
{
    const char *state = NULL;

    g_assert_false(sd_bus_message_is_method_error(reply, NULL));
    g_assert_cmpint(sd_bus_message_read(reply, "v", "s", &state), >, 0);
    g_assert_cmpstr(state, ==, "inactive");
}

static void get_send(Get *get)
{
    get->n_sent++;
    g_assert_cmpint(sd_bus_call_method_async(get->bus, NULL, get->destination, get->path,
                                             "org.freedesktop.DBus.Properties", "Get",
                                             on_get_answer, get, "ss", get->interface, "State"),
                    >=, 0);
}

static int on_get_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    Get *get = userdata;

    get_check_answer(reply);
    get->n_answered++;
    if (get->n_sent < get->n_calls)
        get_send(get);
    return 0;
}

static double get_calls_per_second(const Get *get, uint64_t began_usec)
{
    return (double)get->n_calls / (double)(test_now_usec() - began_usec) * USEC_PER_SEC;
}

static double get_run_deep(void *data)
{
    Get *get = data;
    uint64_t began_usec = test_now_usec();

    get->n_sent = get->n_answered = 0;
    while (get->n_sent < MIN(GET_DEEP, get->n_calls))
        get_send(get);
    while (get->n_answered < get->n_calls) {
        int r = sd_bus_process(get->bus, NULL);

        g_assert_cmpint(r, >=, 0);
        if (r == 0)
            g_assert_cmpint(sd_bus_wait(get->bus, DAEMON_PATIENCE_USEC), >, 0);
    }
    return get_calls_per_second(get, began_usec);
}

static double get_run_sequential(void *data)
{
    Get *get = data;
    uint64_t began_usec = test_now_usec();

    for (unsigned i = 0; i < get->n_calls; i++) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r = sd_bus_call_method(get->bus, get->destination, get->path,
                                   "org.freedesktop.DBus.Properties", "Get", &error, &reply, "ss",
                                   get->interface, "State");

        if (r < 0)
            g_error("Get: %s", error.message);
        get_check_answer(reply);
        sd_bus_message_unref(reply);
    }
    return get_calls_per_second(get, began_usec);
}

/* A round, and with it what the server itself took for one call. */
typedef struct GetMeasured {
    Get *get;
    BenchRound run;
    pid_t server;
    GArray *cpu_usec; /* of double */
} GetMeasured;

static double get_run_measured(void *data)
{
    GetMeasured *measured = data;
    uint64_t before_usec = bench_cpu_usec(measured->server);
    double value = measured->run(measured->get);
    double usec = (double)(bench_cpu_usec(measured->server) - before_usec) / measured->get->n_calls;

    g_array_append_val(measured->cpu_usec, usec);
    return value;
}

static double get_median_cpu_usec(const GetMeasured *measured)
{
    return bench_median((const double *)(void *)measured->cpu_usec->data, measured->cpu_usec->len);
}

typedef struct GetFigure {
    const char *name;
    BenchRound run;
    bool on_bus;
    unsigned n_calls;
    unsigned n_quick_calls;
} GetFigure;

static const GetFigure get_figures[] = {
        {"get/broker/sequential", get_run_sequential, true, 500, 50},
        {"get/broker/deep", get_run_deep, true, 1500, 200},
        {"get/private/sequential", get_run_sequential, false, 1500, 50},
        {"get/private/deep", get_run_deep, false, 3000, 200},
};

static void get_measure(const Bench *bench, const BenchBusFloor *floor, const GetFigure *figure)
{
    g_autofree char *id = bench_id(0);
    g_autofree char *path = client_service_path(id);
    unsigned n_calls = bench->quick ? figure->n_quick_calls : figure->n_calls;
    Get theirs = {
            .path = BENCH_BUS_FLOOR_PATH, .interface = BENCH_BUS_FLOOR_NAME, .n_calls = n_calls};
    Get ours = {.path = path, .interface = CLIENT_SERVICE, .n_calls = n_calls};

    if (figure->on_bus) {
        theirs.bus = bench_connect_bus(bench->fixture.bus_address);
        theirs.destination = BENCH_BUS_FLOOR_NAME;
        ours.bus = bench_connect_bus(bench->fixture.bus_address);
        ours.destination = "org.svcmgr1";
    } else {
        theirs.bus = bench_connect_server(floor->socket);
        ours.bus = bench_connect_server(bench->fixture.socket);
    }

    GetMeasured floor_round = {&theirs, figure->run, floor->child.pid,
                               g_array_new(FALSE, FALSE, sizeof(double))};
    GetMeasured our_round = {&ours, figure->run, bench->fixture.daemon.pid,
                             g_array_new(FALSE, FALSE, sizeof(double))};
    double ratio = bench_compare(figure->name, bench->quick ? 1 : 41, get_run_measured,
                                 &floor_round, get_run_measured, &our_round);
    bench_note("%s: usec of the server's own time for one call: floor %.1f, ours %.1f",
               figure->name, get_median_cpu_usec(&floor_round), get_median_cpu_usec(&our_round));
    bench_figure(figure->name, ratio, "ratio", ">= 0.95");
    g_array_unref(floor_round.cpu_usec);
    g_array_unref(our_round.cpu_usec);
    (void)sd_bus_flush_close_unref(theirs.bus); /* always NULL */
    (void)sd_bus_flush_close_unref(ours.bus);   /* always NULL */
}

/* pid 0: this process. Processors that it may use are numbered from 0; all are one if there is no
 * other. */
static void get_pin(pid_t pid, int number)
{
    cpu_set_t allowed, one;
    int n = 0;

    g_assert_cmpint(sched_getaffinity(pid, sizeof(allowed), &allowed), ==, 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && n <= number; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        n++;
    }
    g_assert_cmpint(sched_setaffinity(pid, sizeof(one), &one), ==, 0);
}

int main(int argc, char **argv)
{
    BenchBusFloor floor;
    Bench bench;

    bench_init(&bench, argc, argv);
    bench_define(&bench, 1, "process", "{\"exec\":[\"true\"]}", false);
    bench_start_daemon(&bench);
    bench_bus_floor_start(&bench, &floor);
    get_pin(bench.fixture.daemon.pid, 1);
    get_pin(floor.child.pid, 1);
    get_pin(0, 0);
    bench_note("calls a second, through a bus and on a socket of its own");
    for (size_t i = 0; i < G_N_ELEMENTS(get_figures); i++)
        get_measure(&bench, &floor, &get_figures[i]);
    bench_bus_floor_stop(&floor);
    return bench_done(&bench);
}
