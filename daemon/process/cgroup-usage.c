/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a cgroup has used, as the kernel counts it. The time on processors is always counted; the
 * rest by controllers. */

#include "process/cgroup-internal.h"

static bool on_cgroup_task(pid_t id, void *data)
{
    ++*(uint64_t *)data;
    return true;
}

/* All tasks are in a file that is there without a controller too. */
static bool cgroup_count_tasks(const CgroupPlace *place, uint64_t *ret_n)
{
    uint64_t n = 0;

    if (cgroup_place_number(place, "pids.current", ret_n))
        return true;
    if (!cgroup_place_walk(place, "cgroup.threads", on_cgroup_task, &n))
        return false;
    *ret_n = n;
    return true;
}

bool cgroup_read_peak(const Cgroup *cgroup, uint64_t *ret_bytes)
{
    CgroupPlace place = cgroup_place(cgroup);

    return cgroup_place_number(&place, "memory.peak", ret_bytes);
}

void cgroup_read_usage(const Cgroup *cgroup, CgroupUsage *ret_usage)
{
    CgroupPlace place = cgroup_place(cgroup);

    if (cgroup_place_stat(&place, "cpu.stat", "usage_usec", &ret_usage->cpu_usec))
        ret_usage->has_cpu = true;
    if (cgroup_place_number(&place, "memory.current", &ret_usage->memory_bytes))
        ret_usage->has_memory = true;
    if (cgroup_read_peak(cgroup, &ret_usage->memory_peak_bytes))
        ret_usage->has_memory_peak = true;
    if (cgroup_count_tasks(&place, &ret_usage->n_tasks))
        ret_usage->has_tasks = true;
}

uint64_t cgroup_oom_kills(const Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);
    uint64_t n = 0;

    (void)cgroup_place_stat(&place, "memory.events", "oom_kill", &n); /* else nobody counts */
    return n;
}
