/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storm: 100 programs that fail as soon as they run, and are started again without a delay. How
 * many starts a second, what one costs the supervisor itself, and how soon somebody who asks for a
 * state meanwhile is answered. Nobody asks while starts are counted. */

#include "rig.h"

#include "base/clock.h"

#define CRASH_QUERY_PAUSE_USEC (10 * USEC_PER_MSEC)
#define CRASH_ROUNDS_MAX 5
#define CRASH_QUERIES_MAX 5000

typedef struct Crash {
    Rig rig;
    uint64_t round_usec;
    unsigned n_rounds;
    double rates[CRASH_ROUNDS_MAX]; /* starts a second */
    double costs[CRASH_ROUNDS_MAX]; /* of the processor, microseconds a start */
    unsigned n_queries;
    double queries[CRASH_QUERIES_MAX]; /* milliseconds */
} Crash;

static void crash_count(Crash *crash)
{
    pid_t pid = rig_pid(&crash->rig);
    uint64_t began_usec = test_now_usec(), cpu_usec = bench_cpu_usec(pid);
    unsigned n = rig_count(&crash->rig, began_usec + crash->round_usec);
    double seconds = (double)(test_now_usec() - began_usec) / USEC_PER_SEC;

    g_assert_cmpuint(n, >, 0);
    crash->rates[crash->n_rounds] = n / seconds;
    crash->costs[crash->n_rounds] = (double)(bench_cpu_usec(pid) - cpu_usec) / n;
}

static double crash_query(sd_bus *bus, const char *destination, const char *path)
{
    g_autofree char *state = NULL;
    uint64_t began_usec = test_now_usec();

    g_assert_cmpint(sd_bus_get_property_string(bus, destination, path, "org.svcmgr1.Service",
                                               "State", NULL, &state),
                    >=, 0);

    double taken = (double)(test_now_usec() - began_usec) / 1000;
    while (sd_bus_process(bus, NULL) > 0)
        continue; /* signals that nobody asked for */
    return taken;
}

static void crash_ask(Crash *crash)
{
    const DaemonFixture *fixture = &crash->rig.bench->fixture;
    bool is_on_bus = crash->rig.side == RIG_ON_BUS;
    sd_bus *bus = is_on_bus ? bench_connect_bus(fixture->bus_address)
                            : bench_connect_server(fixture->socket);
    uint64_t end_usec = test_now_usec() + crash->round_usec;
    g_autofree char *id = bench_id(0);
    g_autofree char *path = client_service_path(id);

    while (test_now_usec() < end_usec && crash->n_queries < CRASH_QUERIES_MAX) {
        crash->queries[crash->n_queries++] =
                crash_query(bus, is_on_bus ? "org.svcmgr1" : NULL, path);
        (void)rig_count(&crash->rig, test_now_usec() + CRASH_QUERY_PAUSE_USEC);
    }
    sd_bus_flush_close_unref(bus);
}

static void crash_round(Crash *crash)
{
    (void)rig_start(&crash->rig);
    crash_count(crash);
    if (crash->rig.side == RIG_WITHOUT_BUS || crash->rig.side == RIG_ON_BUS)
        crash_ask(crash);
    (void)rig_stop(&crash->rig);
    crash->n_rounds++;
}

static void crash_note(const Crash *crash, const char *who)
{
    bench_note("%s: %.0f starts/s, %.1f us of the processor each", who,
               bench_median(crash->rates, crash->n_rounds),
               bench_median(crash->costs, crash->n_rounds));
    if (crash->n_queries > 0)
        bench_note("%s: %u queries, p50 %.3f ms, p99 %.3f ms", who, crash->n_queries,
                   bench_median(crash->queries, crash->n_queries),
                   bench_percentile(crash->queries, crash->n_queries, 99));
}

static double crash_rate(const Crash *crash, const Crash *floor)
{
    return bench_median(crash->rates, crash->n_rounds) /
           bench_median(floor->rates, floor->n_rounds);
}

static double crash_cost(const Crash *crash, const Crash *floor)
{
    return bench_median(crash->costs, crash->n_rounds) /
           bench_median(floor->costs, floor->n_rounds);
}

/* floors: the bare one, and that with cgroups, if it has run. */
static void crash_figures(const Crash *crash, const Crash *floors, const char *how,
                          const char *rate_goal, const char *cost_goal)
{
    g_autofree char *rate = g_strdup_printf("crash/%s/rate", how);
    g_autofree char *cost = g_strdup_printf("crash/%s/cpu", how);
    g_autofree char *query = g_strdup_printf("crash/%s/query", how);
    const Crash *bare = &floors[RIG_FLOOR], *cgroups = &floors[RIG_FLOOR_CGROUPS];
    const Crash *fair = cgroups->n_rounds > 0 ? cgroups : bare;

    crash_note(crash, how);
    if (fair == cgroups) {
        rig_note(rate, crash_rate(crash, bare), crash_rate(crash, cgroups));
        rig_note(cost, crash_cost(crash, bare), crash_cost(crash, cgroups));
    }
    bench_figure(rate, crash_rate(crash, fair), "ratio", rate_goal);
    bench_figure(cost, crash_cost(crash, fair), "ratio", cost_goal);
    bench_figure(query, bench_median(crash->queries, crash->n_queries), "ms", "<= 2");
}

static void crash_init(Crash *crash, Bench *bench, RigSide side)
{
    rig_init(&crash->rig, bench, side, bench->quick ? 3 : 100, true);
    crash->round_usec = bench->quick ? 50 * USEC_PER_MSEC : 10 * USEC_PER_SEC;
}

int main(int argc, char **argv)
{
    static Crash crashes[_RIG_SIDE_MAX];
    Bench bench;

    bench_init(&bench, argc, argv);
    bool has_cgroups = rig_has_cgroups(&bench);
    unsigned rounds = bench.quick ? 1 : 3;
    for (unsigned side = 0; side < G_N_ELEMENTS(crashes); side++)
        crash_init(&crashes[side], &bench, (RigSide)side);
    for (unsigned i = 0; i < rounds * G_N_ELEMENTS(crashes); i++) {
        if (i % G_N_ELEMENTS(crashes) != RIG_FLOOR_CGROUPS || has_cgroups)
            crash_round(&crashes[i % G_N_ELEMENTS(crashes)]);
    }
    crash_note(&crashes[RIG_FLOOR], "floor");
    if (has_cgroups)
        crash_note(&crashes[RIG_FLOOR_CGROUPS], "floor with cgroups");
    crash_figures(&crashes[RIG_WITHOUT_BUS], crashes, "alone", ">= 0.8", "<= 1.5");
    crash_figures(&crashes[RIG_ON_BUS], crashes, "bus", ">= 0.7", "<= 2.5");
    for (unsigned side = 0; side < G_N_ELEMENTS(crashes); side++)
        rig_done(&crashes[side].rig);
    return bench_done(&bench);
}
