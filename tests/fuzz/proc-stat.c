/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/PID/stat, where a program chooses its own name: it cannot pretend to have another parent,
 * group or state, or to have used less. */

#include "fuzz.h"
#include "process/proc.h"

#include <string.h>

#define PROC_STAT_NAME_MAX_BYTES 64 /* as much as the kernel shows of one, with all escapes */

static void proc_stat_check_name(const char *name)
{
    g_autofree char *text = g_strdup_printf(
            "4711 (%s) S 12 34 34 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1 2\n", name);
    ProcStat stat;

    if (strlen(name) > PROC_STAT_NAME_MAX_BYTES)
        return;
    g_assert_true(proc_stat_parse(text, strlen(text), &stat));
    g_assert_cmpint(stat.parent, ==, 12);
    g_assert_cmpint(stat.group, ==, 34);
    g_assert_false(stat.is_dead);
    g_assert_cmpuint(stat.cpu_ticks, ==, 5 + 6 + 7 + 8);
    g_assert_cmpuint(stat.n_threads, ==, 1);
    g_assert_cmpuint(stat.start_time, ==, 99);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *name = fuzz_string(data, size);
    ProcStat stat = {.parent = -7};

    if (!proc_stat_parse((const char *)data, size, &stat))
        g_assert_cmpint(stat.parent, ==, -7);
    proc_stat_check_name(name);
    return 0;
}
