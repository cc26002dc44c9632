/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bus and daemon are those of the daemon tests. The machine is shared and its speed changes, so
 * numbers that are compared are taken in turns, and medians are compared. */

#include "bench.h"

#include "base/clock.h"
#include "base/fds.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BENCH_DEFINITION_MAX 240

void bench_init(Bench *bench, int argc, char **argv)
{
    *bench = (Bench){.quick = argc == 2 && g_str_equal(argv[1], "--quick")};
    if (argc > 1 && !bench->quick) {
        (void)fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
        exit(2);
    }
    daemon_fixture_set_up(&bench->fixture, NULL);
}

int bench_done(Bench *bench)
{
    if (bench->fixture.daemon.pid > 0)
        bench_stop_daemon(bench);
    /* The fixture prints the log of what is not a passed GTest; what goes wrong here aborts. */
    g_assert_cmpint(truncate(bench->fixture.log_path, 0), ==, 0);
    daemon_fixture_tear_down(&bench->fixture, NULL);
    return fflush(stdout) == 0 ? 0 : 1;
}

char *bench_id(unsigned number)
{
    return g_strdup_printf("s%05u", number);
}

/* A service whose output is kept takes the daemon a descriptor for its process and two for that,
 * and not everybody may have as many as these are. */
static bool bench_lacks_descriptors(unsigned n)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < (rlim_t)n * 4;
}

void bench_define(Bench *bench, unsigned n, const char *kind, const char *config, bool enabled)
{
    bool inherits = config != NULL && bench_lacks_descriptors(n);
    g_autofree char *text = g_strdup_printf(
            "{\"kind\":\"%s\",\"enabled\":%s%s%s%s}", kind, enabled ? "true" : "false",
            config != NULL ? ",\"config\":{" : "",
            inherits ? "\"log\":{\"target\":\"inherit\"}," : "", config != NULL ? config + 1 : "");

    if (inherits)
        bench_note("%u services: their output is not kept, for want of descriptors", n);

    g_assert_cmpuint(strlen(text), <=, BENCH_DEFINITION_MAX);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = bench_id(i);

        daemon_fixture_define(&bench->fixture, id, text);
    }
}

void bench_start_daemon(Bench *bench)
{
    DaemonFixture *fixture = &bench->fixture;

    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
    /* The fixture's client takes every signal of the daemon, and nobody would read them here. */
    g_clear_pointer(&fixture->client, client_free);
}

void bench_stop_daemon(Bench *bench)
{
    g_assert_cmpint(daemon_fixture_stop(&bench->fixture, SIGTERM), ==, 0);
}

static sd_bus *bench_connect(const char *address, bool is_bus)
{
    sd_bus *bus = NULL;

    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(bus, is_bus), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

sd_bus *bench_connect_bus(const char *address)
{
    return bench_connect(address, true);
}

sd_bus *bench_connect_server(const char *socket_path)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", socket_path);

    return bench_connect(address, false);
}

/* The floor */

void bench_bus_floor_start(const Bench *bench, BenchBusFloor *floor)
{
    g_auto(GStrv) environment = g_get_environ();
    int output[2];
    char line[64];

    *floor = (BenchBusFloor){.socket = g_build_filename(bench->fixture.root, "floor", NULL)};
    g_assert_nonnull(g_getenv("BENCH_BUS_FLOOR"));
    g_assert_cmpint(pipe2(output, O_CLOEXEC), ==, 0);

    const char *argv[] = {g_getenv("BENCH_BUS_FLOOR"), bench->fixture.bus_address, floor->socket,
                          NULL};
    ChildStreams streams = {.output_fd = output[1], .error_fd = STDERR_FILENO, .keep_fd = -1};
    child_spawn(&floor->child, argv, (const char *const *)environment, &streams);
    (void)fd_close(output[1]);
    g_assert_cmpint(read(output[0], line, sizeof(line)), >, 0); /* nothing if it ended instead */
    (void)fd_close(output[0]);
}

void bench_bus_floor_stop(BenchBusFloor *floor)
{
    g_assert_true(child_end(&floor->child, DAEMON_PATIENCE_USEC));
    g_free(floor->socket);
}

/* Programs */

double bench_run_program(const char *const *argv, const char *output_path, int *ret_status)
{
    autofd int output = output_path == NULL
                                ? -1
                                : open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ChildStreams streams = {.output_fd = output, .error_fd = STDERR_FILENO, .keep_fd = -1};
    uint64_t began_usec = test_now_usec();
    Child child;

    child_spawn(&child, argv, (const char *const *)(void *)environ, &streams);
    int status = child_wait_exit(&child, DAEMON_PATIENCE_USEC);
    uint64_t took_usec = test_now_usec() - began_usec;
    *ret_status = status;
    return (double)took_usec;
}

/* Output */

void bench_figure(const char *name, double value, const char *unit, const char *goal)
{
    (void)printf("%s\t%.3f\t%s\t%s\n", name, value, unit, goal);
    (void)fflush(stdout); /* bench_done looks */
}

void bench_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    (void)printf("# %s\n", text);
    (void)fflush(stdout); /* bench_done looks */
}

/* Numbers */

static int on_bench_order(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double bench_percentile(const double *values, unsigned n, double percent)
{
    g_assert_cmpuint(n, >, 0);

    g_autofree double *sorted = g_memdup2(values, n * sizeof(*values));
    qsort(sorted, n, sizeof(*sorted), on_bench_order);

    double place = percent / 100 * (n - 1);
    unsigned below = (unsigned)place;
    unsigned above = MIN(below + 1, n - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

double bench_median(const double *values, unsigned n)
{
    return bench_percentile(values, n, 50);
}

static void bench_note_rounds(const char *name, const char *what, const double *values, unsigned n)
{
    bench_note("%s: %s %.3f (%.3f to %.3f, %u rounds)", name, what, bench_median(values, n),
               bench_percentile(values, n, 0), bench_percentile(values, n, 100), n);
}

double bench_compare(const char *name, unsigned rounds, BenchRound floor, void *floor_data,
                     BenchRound ours, void *ours_data)
{
    g_autofree double *floors = g_new(double, rounds);
    g_autofree double *all_ours = g_new(double, rounds);
    g_autofree double *ratios = g_new(double, rounds);

    (void)floor(floor_data); /* warms up */
    (void)ours(ours_data);
    for (unsigned i = 0; i < rounds; i++) {
        floors[i] = floor(floor_data);
        all_ours[i] = ours(ours_data);
        ratios[i] = all_ours[i] / floors[i];
    }
    bench_note_rounds(name, "floor", floors, rounds);
    bench_note_rounds(name, "ours", all_ours, rounds);
    bench_note_rounds(name, "ratio", ratios, rounds);
    return bench_median(ratios, rounds);
}

/* A process */

uint64_t bench_pss_bytes(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));

    const char *line = strstr(text, "\nPss:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("\nPss:"), NULL, 10) * 1024;
}

uint64_t bench_cpu_usec(pid_t pid)
{
    struct timespec time;
    clockid_t clock;

    g_assert_cmpint(clock_getcpuclockid(pid, &clock), ==, 0);
    g_assert_cmpint(clock_gettime(clock, &time), ==, 0);
    return (uint64_t)time.tv_sec * USEC_PER_SEC + (uint64_t)time.tv_nsec / 1000;
}
