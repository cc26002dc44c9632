/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon does while 1,000 programs run and nothing happens: nothing. Time on the processor
 * and context switches, both voluntary and not, over 10 seconds of rest. */

#include "rig.h"

#include "base/clock.h"

#include <string.h>

/* Until all is told, kept, and moved to where it belongs. */
#define IDLE_SETTLE_USEC (4 * USEC_PER_SEC)

static uint64_t idle_read_number(const char *text, const char *name)
{
    const char *line = strstr(text, name);

    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen(name), NULL, 10);
}

static uint64_t idle_switches(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return idle_read_number(text, "\nvoluntary_ctxt_switches:") +
           idle_read_number(text, "\nnonvoluntary_ctxt_switches:");
}

static void idle_measure(Bench *bench, RigSide side, const char *how)
{
    g_autofree char *cpu_name = g_strdup_printf("idle/%s/cpu", how);
    g_autofree char *switches_name = g_strdup_printf("idle/%s/switches", how);
    uint64_t rest_usec = bench->quick ? 200 * USEC_PER_MSEC : 10 * USEC_PER_SEC;
    Rig rig;

    rig_init(&rig, bench, side, bench->quick ? 5 : 1000, false);
    (void)rig_start(&rig);
    rig_rest(&rig, bench->quick ? rest_usec / 10 : IDLE_SETTLE_USEC);

    uint64_t cpu_usec = bench_cpu_usec(rig_pid(&rig)), switches = idle_switches(rig_pid(&rig));
    rig_rest(&rig, rest_usec);
    cpu_usec = bench_cpu_usec(rig_pid(&rig)) - cpu_usec;
    switches = idle_switches(rig_pid(&rig)) - switches;
    rig_done(&rig);
    bench_figure(cpu_name, (double)cpu_usec, "us", "<= 0");
    bench_figure(switches_name, (double)switches, "switches", "<= 0");
}

int main(int argc, char **argv)
{
    Bench bench;

    bench_init(&bench, argc, argv);
    idle_measure(&bench, RIG_WITHOUT_BUS, "alone");
    idle_measure(&bench, RIG_ON_BUS, "bus");
    return bench_done(&bench);
}
