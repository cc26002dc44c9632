/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One order for all arrays of limits, so that two which say the same are the same. */

#include "process/rlimits.h"

#include <inttypes.h>

const LimitName limit_names[LIMIT_N_NAMES + 1] = {
        {"as", RLIMIT_AS, true},
        {"core", RLIMIT_CORE, true},
        {"cpu", RLIMIT_CPU, false},
        {"data", RLIMIT_DATA, true},
        {"fsize", RLIMIT_FSIZE, true},
        {"memlock", RLIMIT_MEMLOCK, true},
        {"msgqueue", RLIMIT_MSGQUEUE, true},
        {"nice", RLIMIT_NICE, false},
        {"nofile", RLIMIT_NOFILE, false},
        {"nproc", RLIMIT_NPROC, false},
        {"rss", RLIMIT_RSS, true},
        {"rtprio", RLIMIT_RTPRIO, false},
        {"rttime", RLIMIT_RTTIME, false},
        {"sigpending", RLIMIT_SIGPENDING, false},
        {"stack", RLIMIT_STACK, true},
        {NULL, 0, false},
};

const char *limit_to_string(int resource)
{
    for (const LimitName *row = limit_names; row->name != NULL; row++) {
        if (row->resource == resource)
            return row->name;
    }
    return NULL;
}

char *limit_value_to_string(uint64_t value)
{
    return value == LIMIT_INFINITY ? g_strdup("infinity") : g_strdup_printf("%" PRIu64, value);
}

void limits_set(GArray **limits, const SpawnLimit *limit)
{
    unsigned place = 0;

    if (*limits == NULL)
        *limits = g_array_new(FALSE, FALSE, sizeof *limit);
    while (place < (*limits)->len &&
           g_array_index(*limits, SpawnLimit, place).resource < limit->resource)
        place++;
    if (place < (*limits)->len &&
        g_array_index(*limits, SpawnLimit, place).resource == limit->resource)
        g_array_index(*limits, SpawnLimit, place) = *limit;
    else
        g_array_insert_val(*limits, place, *limit);
}

const SpawnLimit *limits_find(const GArray *limits, int resource)
{
    for (unsigned i = 0; limits != NULL && i < limits->len; i++) {
        const SpawnLimit *limit = &g_array_index(limits, SpawnLimit, i);

        if (limit->resource == resource)
            return limit;
    }
    return NULL;
}

bool limits_are_equal(const GArray *a, const GArray *b)
{
    unsigned n = a != NULL ? a->len : 0;

    if (n != (b != NULL ? b->len : 0))
        return false;
    for (unsigned i = 0; i < n; i++) {
        const SpawnLimit *x = &g_array_index(a, SpawnLimit, i);
        const SpawnLimit *y = &g_array_index(b, SpawnLimit, i);

        if (x->resource != y->resource || x->soft != y->soft || x->hard != y->hard)
            return false;
    }
    return true;
}
