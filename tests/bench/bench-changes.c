/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PropertiesChanged to 1, 10 and 100 subscribers of a bus. Services without configuration are
 * started and stopped: nothing is spawned, so that the transition and its signals are all there is
 * to do. Two calls make three transitions, each with one PropertiesChanged and one Event, and two
 * events of the daemon's life. 64 calls are always under way, each of another service. The floor is
 * a bare sd-bus program that answers the same calls with the same number of signals of the same
 * members, and no service behind them.
 *
 * The subscribers are connections of this program. What they take is in both numbers, and so is the
 * bus: the note beside each figure says what the sender alone takes. */

#include "bench.h"

#include <sys/epoll.h>
#include <unistd.h>

#define CHANGES_DEEP 64
#define CHANGES_PROPERTIES "org.freedesktop.DBus.Properties"
#define CHANGES_SECONDS 60

typedef struct ChangesTarget {
    const char *name; /* on the bus */
    const char *root; /* of the serial */
    const char *root_interface;
    const char *interface; /* of the services */
    char **paths;          /* CHANGES_DEEP; the same one may be there many times */
    pid_t pid;
    GArray *cpu_usec; /* of double: the sender's own time for one transition */
} ChangesTarget;

typedef struct ChangesRun {
    const Bench *bench;
    ChangesTarget *target;
    unsigned n_subscribers;
    unsigned n_calls; /* of one round */

    int epoll_fd; /* an sd_event would ask each connection in each turn */
    sd_bus *driver;
    sd_bus **subscribers;
    unsigned n_sent;
    unsigned n_answered;
    unsigned n_busy;
    uint64_t n_received; /* by all subscribers */
} ChangesRun;

/* A service that is driven: Start and Stop in turns, one call at a time. */
typedef struct ChangesService {
    ChangesRun *run;
    const char *path;
    bool is_started;
} ChangesService;

/* The loop */

static void changes_turn(ChangesRun *run)
{
    struct epoll_event ready[CHANGES_DEEP];
    int n = epoll_wait(run->epoll_fd, ready, G_N_ELEMENTS(ready), CHANGES_SECONDS * 1000);

    g_assert_cmpint(n, >, 0); /* 0: nothing has come in all that time */
    for (int i = 0; i < n; i++) {
        int r;

        do {
            r = sd_bus_process(ready[i].data.ptr, NULL);
            g_assert_cmpint(r, >=, 0);
        } while (r > 0);
    }
}

static sd_bus *changes_connect(ChangesRun *run)
{
    sd_bus *bus = bench_connect_bus(run->bench->fixture.bus_address);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = bus};

    g_assert_cmpint(epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, sd_bus_get_fd(bus), &event), ==, 0);
    return bus;
}

/* Subscribers */

static int on_changes_signal(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    ChangesRun *run = userdata;

    run->n_received++;
    return 0;
}

static void changes_subscribe(ChangesRun *run)
{
    g_autofree char *rule =
            g_strdup_printf("type='signal',sender='%s',interface='%s',"
                            "member='PropertiesChanged',arg0='%s'",
                            run->target->name, CHANGES_PROPERTIES, run->target->interface);

    run->subscribers = g_new0(sd_bus *, run->n_subscribers);
    for (unsigned i = 0; i < run->n_subscribers; i++) {
        run->subscribers[i] = changes_connect(run);
        g_assert_cmpint(sd_bus_add_match(run->subscribers[i], NULL, rule, on_changes_signal, run),
                        >=, 0);
    }
}

static void changes_unsubscribe(ChangesRun *run)
{
    for (unsigned i = 0; i < run->n_subscribers; i++)
        (void)sd_bus_flush_close_unref(run->subscribers[i]); /* always NULL */
    g_free(run->subscribers);
}

/* The driver */

static uint64_t changes_serial(const ChangesRun *run)
{
    const ChangesTarget *target = run->target;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint64_t serial = 0;
    int r = sd_bus_get_property_trivial(run->driver, target->name, target->root,
                                        target->root_interface, "EventSerial", &error, 't',
                                        &serial);

    if (r < 0)
        g_error("EventSerial: %s", error.message);
    return serial;
}

static int on_changes_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);

static void changes_send(ChangesService *service)
{
    const ChangesTarget *target = service->run->target;

    g_assert_cmpint(sd_bus_call_method_async(service->run->driver, NULL, target->name,
                                             service->path, target->interface,
                                             service->is_started ? "Stop" : "Start",
                                             on_changes_answer, service, NULL),
                    >=, 0);
}

/* A service that is still stopping is asked again. */
static int on_changes_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    ChangesService *service = userdata;
    ChangesRun *run = service->run;

    if (sd_bus_message_is_method_error(reply, "org.svcmgr1.Error.Busy")) {
        run->n_busy++;
        changes_send(service);
        return 0;
    }
    if (sd_bus_message_is_method_error(reply, NULL))
        g_error("%s: %s", service->path, sd_bus_message_get_error(reply)->message);
    service->is_started = !service->is_started;
    run->n_answered++;
    if (run->n_sent < run->n_calls || service->is_started) { /* each ends as it began */
        run->n_sent++;
        changes_send(service);
    }
    return 0;
}

/* Gives how many transitions there were when the last subscriber has seen the last of them. */
static uint64_t changes_drive(ChangesRun *run)
{
    uint64_t before = changes_serial(run);
    ChangesService services[CHANGES_DEEP];

    run->n_sent = run->n_answered = 0;
    run->n_received = 0;
    for (unsigned i = 0; i < CHANGES_DEEP; i++) {
        services[i] = (ChangesService){.run = run, .path = run->target->paths[i]};
        run->n_sent++;
        changes_send(&services[i]);
    }
    while (run->n_answered < run->n_sent)
        changes_turn(run);

    uint64_t n_transitions = run->n_sent / 2 * 3; /* a Start makes one, a Stop two */
    while (run->n_received < n_transitions * run->n_subscribers)
        changes_turn(run);
    /* With each Start a service has begun, and with each Stop it has ended: both are events. */
    g_assert_cmpuint(changes_serial(run) - before, ==, n_transitions + run->n_sent);
    return n_transitions;
}

static double changes_round(void *data)
{
    ChangesRun *run = data;
    ChangesTarget *target = run->target;

    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    g_assert_cmpint(run->epoll_fd, >=, 0);
    run->driver = changes_connect(run);
    changes_subscribe(run);

    uint64_t began_usec = test_now_usec();
    uint64_t cpu_usec = bench_cpu_usec(target->pid);
    uint64_t n = changes_drive(run);
    uint64_t took_usec = test_now_usec() - began_usec;
    double own_usec = (double)(bench_cpu_usec(target->pid) - cpu_usec) / (double)n;

    g_array_append_val(target->cpu_usec, own_usec);
    changes_unsubscribe(run);
    (void)sd_bus_flush_close_unref(run->driver); /* always NULL */
    (void)close(run->epoll_fd);                  /* nothing is lost with it */
    return (double)n / (double)took_usec * USEC_PER_SEC;
}

/* The figures */

static double changes_take_cpu_usec(ChangesTarget *target)
{
    double median =
            bench_median((const double *)(void *)target->cpu_usec->data, target->cpu_usec->len);

    g_array_set_size(target->cpu_usec, 0);
    return median;
}

static void changes_measure(const Bench *bench, ChangesTarget *floor, ChangesTarget *ours,
                            unsigned n_subscribers)
{
    g_autofree char *name = g_strdup_printf("changes/%u", n_subscribers);
    unsigned n_calls = bench->quick ? 2 * CHANGES_DEEP : 100000 / (20 + n_subscribers);
    ChangesRun their_run = {bench, floor, n_subscribers, n_calls};
    ChangesRun our_run = {bench, ours, n_subscribers, n_calls};
    double ratio = bench_compare(name, bench->quick ? 1 : 9, changes_round, &their_run,
                                 changes_round, &our_run);

    bench_note("%s: usec of the sender's own time for one transition: floor %.1f, ours %.1f", name,
               changes_take_cpu_usec(floor), changes_take_cpu_usec(ours));
    bench_note("%s: %u calls of ours were made again because the stop was under way", name,
               our_run.n_busy);
    bench_figure(name, ratio, "ratio", ">= 0.9");
}

static char *changes_service_path(unsigned number)
{
    g_autofree char *id = bench_id(number);

    return client_service_path(id);
}

static ChangesTarget changes_target(const char *name, const char *interface, pid_t pid)
{
    return (ChangesTarget){
            .name = name,
            .interface = interface,
            .paths = g_new0(char *, CHANGES_DEEP + 1),
            .pid = pid,
            .cpu_usec = g_array_new(FALSE, FALSE, sizeof(double)),
    };
}

static void changes_target_done(ChangesTarget *target)
{
    g_strfreev(target->paths);
    g_array_unref(target->cpu_usec);
}

int main(int argc, char **argv)
{
    static const unsigned subscribers[] = {1, 10, 100};
    BenchBusFloor floor;
    Bench bench;

    bench_init(&bench, argc, argv);
    bench_define(&bench, CHANGES_DEEP, "oneshot", NULL, false);
    bench_start_daemon(&bench);
    bench_bus_floor_start(&bench, &floor);

    ChangesTarget theirs =
            changes_target(BENCH_BUS_FLOOR_NAME, BENCH_BUS_FLOOR_NAME, floor.child.pid);
    ChangesTarget ours = changes_target("org.svcmgr1", CLIENT_SERVICE, bench.fixture.daemon.pid);

    theirs.root = BENCH_BUS_FLOOR_PATH;
    theirs.root_interface = BENCH_BUS_FLOOR_NAME;
    ours.root = CLIENT_ROOT;
    ours.root_interface = CLIENT_MANAGER;
    for (unsigned i = 0; i < CHANGES_DEEP; i++) {
        theirs.paths[i] = g_strdup(BENCH_BUS_FLOOR_PATH);
        ours.paths[i] = changes_service_path(i);
    }
    bench_note("transitions a second until the last subscriber has seen the last one");
    for (size_t i = 0; i < G_N_ELEMENTS(subscribers); i++)
        changes_measure(&bench, &theirs, &ours, subscribers[i]);
    changes_target_done(&theirs);
    changes_target_done(&ours);
    bench_bus_floor_stop(&floor);
    return bench_done(&bench);
}
