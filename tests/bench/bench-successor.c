/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How soon a killed program is back: from the kill until its successor says that it runs. Once
 * beside few services and once beside many, for that must make no difference. */

#include "rig.h"

#include <signal.h>

/* The next victim is far from the last one, so that nothing of it is still at hand. */
#define SUCCESSOR_STRIDE 7919

typedef struct Successor {
    Rig rig;
    pid_t *pids; /* of what runs */
    unsigned victim;
} Successor;

static void successor_start(Successor *successor, Bench *bench, RigSide side, unsigned n)
{
    rig_init(&successor->rig, bench, side, n, false);
    successor->pids = g_new0(pid_t, n);
    successor->victim = 0;
    (void)rig_start_pids(&successor->rig, successor->pids);
}

static void successor_stop(Successor *successor)
{
    rig_done(&successor->rig);
    g_clear_pointer(&successor->pids, g_free);
}

static double on_successor_round(void *data)
{
    Successor *successor = data;
    pid_t *pid = &successor->pids[successor->victim];

    successor->victim = (successor->victim + SUCCESSOR_STRIDE) % successor->rig.n;
    uint64_t began_usec = test_now_usec();
    g_assert_cmpint(kill(*pid, SIGKILL), ==, 0);

    Announcement announcement = rig_next(&successor->rig);
    *pid = (pid_t)announcement.pid;
    return (double)(announcement.usec - began_usec) / 1000;
}

/* Three times 10,000 programs side by side would be more than many a machine has room for. */
static double successor_of_floor(Successor *ours, RigSide side, unsigned rounds, const char *name)
{
    g_autofree char *floor_name = g_strdup_printf(
            "%s of the %s", name, side == RIG_FLOOR ? "bare floor" : "floor with cgroups");
    Successor floor;

    successor_start(&floor, ours->rig.bench, side, ours->rig.n);
    double ratio =
            bench_compare(floor_name, rounds, on_successor_round, &floor, on_successor_round, ours);
    successor_stop(&floor);
    return ratio;
}

static double successor_measure(Bench *bench, unsigned n, unsigned rounds, const char *name)
{
    Successor ours;

    successor_start(&ours, bench, RIG_WITHOUT_BUS, n);
    double of_bare = successor_of_floor(&ours, RIG_FLOOR, rounds, name), ratio = of_bare;
    if (rig_has_cgroups(bench)) {
        ratio = successor_of_floor(&ours, RIG_FLOOR_CGROUPS, rounds, name);
        rig_note(name, of_bare, ratio);
    }
    successor_stop(&ours);
    bench_figure(name, ratio, "ratio", "<= 1.2");
    return ratio;
}

int main(int argc, char **argv)
{
    Bench bench;

    bench_init(&bench, argc, argv);
    unsigned rounds = bench.quick ? 3 : 1000;
    double few = successor_measure(&bench, bench.quick ? 2 : 10, rounds, "successor/10");
    (void)successor_measure(&bench, bench.quick ? 5 : 1000, rounds, "successor/1000");
    double many = successor_measure(&bench, bench.quick ? 9 : 10000, rounds, "successor/10000");
    bench_figure("successor/growth", many / few, "ratio", "<= 1.1");
    return bench_done(&bench);
}
