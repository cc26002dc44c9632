/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How soon everything runs: from the exec of the supervisor until the last of N programs says that
 * it runs. The daemon reads a definition of each meanwhile. */

#include "rig.h"

typedef struct BootSize {
    unsigned n;
    unsigned quick_n;
    unsigned rounds;
} BootSize;

static const BootSize boot_sizes[] = {{100, 1, 15}, {1000, 3, 7}, {5000, 5, 3}, {10000, 8, 3}};

static double on_boot_round(void *data)
{
    Rig *rig = data;
    uint64_t taken_usec = rig_start(rig);

    (void)rig_stop(rig);
    return (double)taken_usec / 1000;
}

/* The ratio. */
static double boot_measure(Bench *bench, const BootSize *size, RigSide side, const char *how,
                           const char *goal)
{
    g_autofree char *name = g_strdup_printf("boot/%s/%u", how, size->n);
    unsigned n = bench->quick ? size->quick_n : size->n;
    double ratio =
            rig_compare_alone(bench, side, n, name, bench->quick ? 1 : size->rounds, on_boot_round);

    bench_figure(name, ratio, "ratio", goal);
    return ratio;
}

static void boot_measure_sizes(Bench *bench, RigSide side, const char *how, const char *goal)
{
    g_autofree char *name = g_strdup_printf("boot/%s/growth", how);
    double ratios[G_N_ELEMENTS(boot_sizes)];

    for (size_t i = 0; i < G_N_ELEMENTS(boot_sizes); i++)
        ratios[i] = boot_measure(bench, &boot_sizes[i], side, how, goal);
    /* The time per service of 10,000 over that of 1,000, both in units of the floor. */
    bench_figure(name, ratios[3] / ratios[1], "ratio", "<= 1.05");
}

int main(int argc, char **argv)
{
    Bench bench;

    bench_init(&bench, argc, argv);
    boot_measure_sizes(&bench, RIG_WITHOUT_BUS, "alone", "<= 1.15");
    boot_measure_sizes(&bench, RIG_ON_BUS, "bus", "<= 1.3");
    return bench_done(&bench);
}
