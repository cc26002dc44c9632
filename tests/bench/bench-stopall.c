/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How soon everything is gone: from SIGTERM to the supervisor until it has ended, and before that
 * all of its programs, side by side. */

#include "rig.h"

static double on_stopall_round(void *data)
{
    Rig *rig = data;

    (void)rig_start(rig);
    return (double)rig_stop(rig) / 1000;
}

static void stopall_measure(Bench *bench, RigSide side, const char *name)
{
    unsigned n = bench->quick ? 5 : 1000;
    double ratio = rig_compare_alone(bench, side, n, name, bench->quick ? 1 : 9, on_stopall_round);

    bench_figure(name, ratio, "ratio", "<= 1.1");
}

int main(int argc, char **argv)
{
    Bench bench;

    bench_init(&bench, argc, argv);
    stopall_measure(&bench, RIG_WITHOUT_BUS, "stopall/alone");
    stopall_measure(&bench, RIG_ON_BUS, "stopall/bus");
    return bench_done(&bench);
}
