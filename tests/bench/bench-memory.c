/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service costs the daemon's memory, at rest and while it runs, and what the daemon costs
 * beside a program that only has the same libraries. All by proportional set size, on a bus. */

#include "rig.h"

#include "base/clock.h"
#include "base/fds.h"

#include <fcntl.h>
#include <unistd.h>

#define MEMORY_FEW 10
/* Until everything is kept, and what that took is given back. */
#define MEMORY_REST_USEC (4 * USEC_PER_SEC)

static void memory_start_bare(Child *child, const DaemonFixture *fixture)
{
    g_autofree char *program = rig_program("bench-bare");
    g_autofree char *database = g_build_filename(fixture->root, "bare.db", NULL);
    const char *argv[] = {program, fixture->bus_address, database, NULL};
    const char *environment[] = {NULL};
    char line[64];
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    ChildStreams streams = {.output_fd = fds[1], .error_fd = STDERR_FILENO, .keep_fd = -1};
    child_spawn(child, argv, environment, &streams);
    (void)fd_close(fds[1]);
    g_assert_cmpint(read(fds[0], line, sizeof(line)), >, 0);
    (void)fd_close(fds[0]);
}

static uint64_t memory_at_rest(Rig *rig)
{
    rig_rest(rig, rig->bench->quick ? USEC_PER_MSEC : MEMORY_REST_USEC);
    return bench_pss_bytes(rig_pid(rig));
}

static uint64_t memory_of_defined(Bench *bench, unsigned n)
{
    static const char config[] = "{\"exec\":[\"/bin/sleep\",\"infinity\"],"
                                 "\"restart\":{\"policy\":\"always\",\"initial_delay\":\"2s\"}}";

    bench_define(bench, n, "process", config, false);
    bench_start_daemon(bench);

    uint64_t bytes = bench_pss_bytes(bench->fixture.daemon.pid);
    bench_stop_daemon(bench);
    bench_note("%u defined: %.0f KiB", n, (double)bytes / 1024);
    return bytes;
}

static uint64_t memory_of_running(Bench *bench, unsigned n)
{
    Rig rig;

    rig_init(&rig, bench, RIG_ON_BUS, n, false);
    (void)rig_start(&rig);

    uint64_t bytes = memory_at_rest(&rig);
    rig_done(&rig);
    bench_note("%u running: %.0f KiB", n, (double)bytes / 1024);
    return bytes;
}

/* Both run at the same time, so that they share the libraries equally. */
static void memory_compare_with_bare(Bench *bench)
{
    Child bare = {0};
    Rig rig;

    rig_init(&rig, bench, RIG_ON_BUS, MEMORY_FEW, false);
    memory_start_bare(&bare, &bench->fixture);
    (void)rig_start(&rig);

    uint64_t ours = memory_at_rest(&rig), theirs = bench_pss_bytes(bare.pid);
    rig_done(&rig);
    g_assert_true(child_end(&bare, DAEMON_PATIENCE_USEC));
    bench_note("%u running: %.0f KiB, bare sd-bus, GLib and SQLite %.0f KiB", MEMORY_FEW,
               (double)ours / 1024, (double)theirs / 1024);
    bench_figure("memory/base", ((double)ours - (double)theirs) / 1024 / 1024, "MiB", "<= 0.7");
}

/* KiB for each service more. */
static double memory_growth(uint64_t few, uint64_t many, unsigned n)
{
    return ((double)many - (double)few) / 1024 / (n - MEMORY_FEW);
}

int main(int argc, char **argv)
{
    Bench bench;

    bench_init(&bench, argc, argv);
    unsigned n_defined = bench.quick ? 200 : 10000, n_running = bench.quick ? 20 : 1000;
    memory_compare_with_bare(&bench);

    uint64_t few = memory_of_running(&bench, MEMORY_FEW);
    uint64_t many = memory_of_running(&bench, n_running);
    bench_figure("memory/running", memory_growth(few, many, n_running), "KiB", "<= 2");
    few = memory_of_defined(&bench, MEMORY_FEW);
    many = memory_of_defined(&bench, n_defined);
    bench_figure("memory/defined", memory_growth(few, many, n_defined), "KiB", "<= 1");
    return bench_done(&bench);
}
