/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line as a person or a script sees it: whole processes of svcmgr, from before the fork
 * until they have ended, and with them the outcome: the program of the service runs, or is gone.
 * Beside them, in the same rounds, two floors: /bin/true, and a bare sd-bus program that makes one
 * call. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define CLI_MAX 256 /* rounds */

typedef enum CliStep {
    CLI_TRUE,
    CLI_CALL,
    CLI_START,
    CLI_STATUS,
    CLI_RESTART,
    CLI_STOP,
    _CLI_MAX,
} CliStep;

/* In the order of a round. After start and restart another program must run, after stop none. */
typedef struct CliRow {
    const char *verb; /* of svcmgr; NULL: a floor */
    const char *goal; /* in ms */
    bool changes;
    bool ends_running;
} CliRow;

static const CliRow cli_rows[_CLI_MAX] = {
        [CLI_TRUE] = {NULL, NULL, false, false},
        [CLI_CALL] = {NULL, NULL, false, false},
        [CLI_START] = {"start", "<= 2.0", true, true},
        [CLI_STATUS] = {"status", "<= 1.0", false, false},
        [CLI_RESTART] = {"restart", "<= 2.0", true, true},
        [CLI_STOP] = {"stop", "<= 1.5", true, false},
};

typedef struct Cli {
    const char *name; /* "private" or "bus" */
    char *address;
    sd_bus *bus; /* asks after each step what has become of it */
    char *path;
    pid_t pid; /* of the service's program; 0: none */
    double msec[_CLI_MAX][CLI_MAX];
    double own_msec[_CLI_MAX][CLI_MAX]; /* on the processor */
} Cli;

static pid_t cli_get_main_pid(const Cli *cli)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint32_t pid = 0;
    int r = sd_bus_get_property_trivial(cli->bus, "org.svcmgr1", cli->path, CLIENT_PROCESS,
                                        "MainPID", &error, 'u', &pid);

    if (r < 0)
        g_error("MainPID: %s", error.message);
    return (pid_t)pid;
}

/* Outside of what is measured. */
static void cli_check(Cli *cli, const CliRow *row)
{
    pid_t before = cli->pid;

    cli->pid = cli_get_main_pid(cli);
    g_assert_cmpint(cli->pid != 0, ==, row->ends_running);
    if (before != 0) {
        g_assert_cmpint(cli->pid, !=, before);
        g_assert_cmpint(kill(before, 0), ==, -1);
        g_assert_cmpint(errno, ==, ESRCH);
    }
    if (cli->pid != 0)
        g_assert_cmpint(kill(cli->pid, 0), ==, 0);
}

/* Milliseconds that the children which have ended were on the processor. */
static double cli_children_msec(void)
{
    struct rusage usage;

    g_assert_cmpint(getrusage(RUSAGE_CHILDREN, &usage), ==, 0);
    return 1000.0 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void cli_run_step(Cli *cli, CliStep step, unsigned round)
{
    const CliRow *row = &cli_rows[step];
    g_autofree char *option = g_strdup_printf("--address=%s", cli->address);
    const char *svcmgr[] = {g_getenv("SVCMGR"), option, row->verb, "s00000", NULL};
    const char *call[] = {g_getenv("BENCH_BUS_CALL"), cli->address, NULL};
    const char *nothing[] = {"/bin/true", NULL};
    int status = 0;
    double own_msec = cli_children_msec();
    double usec = bench_run_program(row->verb != NULL  ? svcmgr
                                    : step == CLI_CALL ? call
                                                       : nothing,
                                    NULL, &status);

    g_assert_cmpint(status, ==, 0);
    cli->msec[step][round] = usec / 1000;
    cli->own_msec[step][round] = cli_children_msec() - own_msec;
    if (row->changes)
        cli_check(cli, row);
}

static void cli_measure(Cli *cli, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        for (CliStep step = 0; step < _CLI_MAX; step++)
            cli_run_step(cli, step, i);
    }
}

static void cli_note(const Cli *cli, CliStep step, const char *what, unsigned rounds)
{
    bench_note("cli/%s: %s: %.3f ms (10%% in %.3f, 90%% in %.3f, %u rounds), itself %.3f ms on the "
               "processor",
               cli->name, what, bench_median(cli->msec[step], rounds),
               bench_percentile(cli->msec[step], rounds, 10),
               bench_percentile(cli->msec[step], rounds, 90), rounds,
               bench_median(cli->own_msec[step], rounds));
}

static void cli_print(const Cli *cli, unsigned rounds)
{
    cli_note(cli, CLI_TRUE, "/bin/true", rounds);
    cli_note(cli, CLI_CALL, "a bare call", rounds);
    for (CliStep step = CLI_START; step < _CLI_MAX; step++) {
        const CliRow *row = &cli_rows[step];
        g_autofree char *name = g_strdup_printf("cli/%s/%s", cli->name, row->verb);

        cli_note(cli, step, row->verb, rounds);
        bench_figure(name, bench_median(cli->msec[step], rounds), "ms", row->goal);
    }
}

int main(int argc, char **argv)
{
    g_autofree Cli *private = g_new0(Cli, 1);
    g_autofree Cli *bus = g_new0(Cli, 1);
    g_autofree char *id = bench_id(0);
    Bench bench;

    bench_init(&bench, argc, argv);
    bench_define(&bench, 1, "process", "{\"exec\":[\"sleep\",\"1h\"]}", false);
    bench_start_daemon(&bench);

    unsigned rounds = bench.quick ? 2 : 60;
    private->name = "private";
    private->address = g_strdup_printf("unix:path=%s", bench.fixture.socket);
    bus->name = "bus";
    bus->address = g_strdup(bench.fixture.bus_address);
    private->bus = bus->bus = bench_connect_bus(bench.fixture.bus_address);
    private->path = bus->path = client_service_path(id);
    cli_measure(private, rounds);
    cli_measure(bus, rounds);
    cli_print(private, rounds);
    cli_print(bus, rounds);
    g_free(private->address);
    g_free(bus->address);
    g_free(bus->path);
    (void)sd_bus_flush_close_unref(bus->bus); /* always NULL */
    return bench_done(&bench);
}
