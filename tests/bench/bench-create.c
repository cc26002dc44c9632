/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CreateService, 64 calls under way: checked, kept through a loss of power, made, told and
 * answered, beside bare SQLite that keeps the same rows on the same disk, 64 with each sync. The
 * daemon keeps together what has come by the end of a turn of its loop, which may be less. And how
 * soon another client that asks for a state meanwhile is answered: it waits for a sync at most. */

#include "bench.h"
#include "sqlite-floor.h"

#include "base/fds.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CREATE_DEEP 64
#define CREATE_ROUNDS 5
#define CREATE_SYNCS 50
#define CREATE_SYNC_BYTES 4096
#define CREATE_QUERIES_MAX 4096

static const char create_config[] =
        "{\"exec\":[\"/bin/sleep\",\"infinity\"],\"restart\":{\"policy\":\"always\"}}";

typedef struct Create {
    Bench bench;
    SqliteFloor floor;
    unsigned n_calls; /* of a round */
    unsigned next;    /* number of the next service; 0 is there before */
    sd_bus *bus;
    const char *destination;
    unsigned n_sent;
    unsigned n_answered;
} Create;

/* Creates */

static int on_create_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);

static void create_send(Create *create)
{
    g_autofree char *id = bench_id(create->next++);

    create->n_sent++;
    g_assert_cmpint(sd_bus_call_method_async(create->bus, NULL, create->destination, CLIENT_ROOT,
                                             CLIENT_MANAGER, "CreateService", on_create_answer,
                                             create, "sssa{sv}", id, "process", create_config, 0),
                    >=, 0);
}

static int on_create_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    Create *create = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    if (error != NULL)
        g_error("CreateService: %s", error->message);
    create->n_answered++;
    if (create->n_sent < create->n_calls)
        create_send(create);
    return 0;
}

static double create_rate(const Create *create, uint64_t began_usec)
{
    return (double)create->n_calls / (double)(test_now_usec() - began_usec) * USEC_PER_SEC;
}

static double on_create_round(void *data)
{
    Create *create = data;
    uint64_t began_usec = test_now_usec();

    create->n_sent = create->n_answered = 0;
    while (create->n_sent < MIN(CREATE_DEEP, create->n_calls))
        create_send(create);
    while (create->n_answered < create->n_calls) {
        int r = sd_bus_process(create->bus, NULL);

        g_assert_cmpint(r, >=, 0);
        if (r == 0)
            g_assert_cmpint(sd_bus_wait(create->bus, DAEMON_PATIENCE_USEC), >, 0);
    }
    return create_rate(create, began_usec);
}

static double on_create_floor_round(void *data)
{
    Create *create = data;
    uint64_t began_usec = test_now_usec();

    for (unsigned i = 0; i < create->n_calls; i++) {
        g_autofree char *id = bench_id(create->next++);

        if (i % CREATE_DEEP == 0)
            sqlite_floor_begin(&create->floor);
        sqlite_floor_create(&create->floor, id, create_config, false);
        if (i % CREATE_DEEP == CREATE_DEEP - 1 || i == create->n_calls - 1)
            sqlite_floor_commit(&create->floor);
    }
    double rate = create_rate(create, began_usec);
    sqlite_floor_checkpoint(&create->floor);
    return rate;
}

static void create_connect(Create *create, bool on_bus)
{
    const DaemonFixture *fixture = &create->bench.fixture;

    create->destination = on_bus ? "org.svcmgr1" : NULL;
    create->bus = on_bus ? bench_connect_bus(fixture->bus_address)
                         : bench_connect_server(fixture->socket);
}

static void create_measure(Create *create, bool on_bus, const char *name)
{
    create_connect(create, on_bus);
    double ratio = bench_compare(name, create->bench.quick ? 1 : CREATE_ROUNDS,
                                 on_create_floor_round, create, on_create_round, create);
    create->bus = sd_bus_flush_close_unref(create->bus);
    bench_figure(name, ratio, "of bare SQLite", ">= 0.5");
}

/* Another client, a process of its own */

typedef struct CreateQueries {
    pid_t pid;
    int stop_fd; /* closed: no more queries */
    int result_fd;
} CreateQueries;

static double create_query(sd_bus *bus, const char *path)
{
    g_autofree char *state = NULL;
    uint64_t began_usec = test_now_usec();

    g_assert_cmpint(
            sd_bus_get_property_string(bus, NULL, path, CLIENT_SERVICE, "State", NULL, &state), >=,
            0);
    double msec = (double)(test_now_usec() - began_usec) / 1000;
    while (sd_bus_process(bus, NULL) > 0)
        continue; /* signals that nobody asked for */
    return msec;
}

/* A query every millisecond; then all that they took, in one write. */
static void create_ask(const DaemonFixture *fixture, int stop_fd, int result_fd)
{
    static double msec[CREATE_QUERIES_MAX];
    g_autofree char *id = bench_id(0);
    g_autofree char *path = client_service_path(id);
    sd_bus *bus = bench_connect_server(fixture->socket);
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    unsigned n = 0;

    do {
        msec[n] = create_query(bus, path);
        n = MIN(n + 1, CREATE_QUERIES_MAX - 1);
    } while (poll(&stop, 1, 1) == 0);
    g_assert_cmpint(write(result_fd, msec, n * sizeof(msec[0])), ==, n * sizeof(msec[0]));
}

static void create_begin_queries(const Create *create, CreateQueries *queries)
{
    int stop[2], result[2];

    g_assert_cmpint(pipe2(stop, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(result, O_CLOEXEC), ==, 0);
    queries->pid = fork();
    g_assert_cmpint(queries->pid, >=, 0);
    if (queries->pid == 0) {
        (void)fd_close(stop[1]);
        create_ask(&create->bench.fixture, stop[0], result[1]);
        _exit(0);
    }
    (void)fd_close(stop[0]);
    (void)fd_close(result[1]);
    queries->stop_fd = stop[1];
    queries->result_fd = result[0];
}

/* Gives how many there were. */
static unsigned create_end_queries(CreateQueries *queries, double ret_msec[CREATE_QUERIES_MAX])
{
    size_t length = 0, size = CREATE_QUERIES_MAX * sizeof(ret_msec[0]);
    int status;

    (void)fd_close(queries->stop_fd);
    for (ssize_t n; (n = read(queries->result_fd, (char *)ret_msec + length, size - length)) > 0;)
        length += (size_t)n;
    (void)fd_close(queries->result_fd);
    g_assert_cmpint(waitpid(queries->pid, &status, 0), ==, queries->pid);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpuint(length, >, 0);
    return (unsigned)(length / sizeof(ret_msec[0]));
}

/* Milliseconds, the median; of small appends to a file in the folder of the database. */
static double create_sync_msec(const Bench *bench)
{
    static const char bytes[CREATE_SYNC_BYTES];
    g_autofree char *path = g_build_filename(bench->fixture.root, "state", "synced", NULL);
    autofd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    double msec[CREATE_SYNCS];

    g_assert_cmpint(fd, >=, 0);
    for (unsigned i = 0; i < CREATE_SYNCS; i++) {
        uint64_t began_usec = test_now_usec();

        g_assert_cmpint(write(fd, bytes, sizeof(bytes)), ==, sizeof(bytes));
        g_assert_cmpint(fsync(fd), ==, 0);
        msec[i] = (double)(test_now_usec() - began_usec) / 1000;
    }
    bench_note("create/get: a sync takes %.3f ms (p99 %.3f ms)", bench_median(msec, CREATE_SYNCS),
               bench_percentile(msec, CREATE_SYNCS, 99));
    return bench_median(msec, CREATE_SYNCS);
}

static void create_measure_get(Create *create)
{
    static double msec[CREATE_QUERIES_MAX];
    double sync_msec = create_sync_msec(&create->bench);
    CreateQueries queries;

    create_connect(create, false);
    create_begin_queries(create, &queries);
    double rate = on_create_round(create);
    unsigned n = create_end_queries(&queries, msec);
    create->bus = sd_bus_flush_close_unref(create->bus);

    double p99 = bench_percentile(msec, n, 99);
    bench_note("create/get: %u queries beside %.0f creates a second: p50 %.3f ms, p99 %.3f ms", n,
               rate, bench_median(msec, n), p99);
    bench_figure("create/get", p99 - sync_msec, "ms more than a sync", "<= 2");
}

int main(int argc, char **argv)
{
    Create create = {.next = 1};

    bench_init(&create.bench, argc, argv);
    create.n_calls = create.bench.quick ? 10 : 640;
    bench_define(&create.bench, 1, "process", create_config, false);
    bench_start_daemon(&create.bench);
    g_autofree char *path = g_build_filename(create.bench.fixture.root, "floor.db", NULL);
    sqlite_floor_open(&create.floor, path);

    create_measure(&create, false, "create/private");
    create_measure(&create, true, "create/bus");
    if (!create.bench.quick)
        create.n_calls = 2000; /* what the most services leave */
    create_measure_get(&create);
    sqlite_floor_close(&create.floor);
    return bench_done(&create.bench);
}
