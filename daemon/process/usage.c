/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel counts for a cgroup what has been asked of it. What it does not count is added up over
 * the processes: those of the cgroup, or, without any, all of the machine whose mark says of which
 * run they are. That survey is made for all runs at once, since who asks for one soon asks for the
 * next. */

#include "process/usage.h"

#include "process/host-internal.h"
#include "process/proc.h"
#include "process/run-mark.h"

#include <string.h>
#include <unistd.h>

/* Who is not in it may have begun since: then it is made anew, but takes at most one part of so
 * many of the daemon's time. */
#define USAGE_SURVEY_SHARE 20
#define USAGE_MEMBERS_MAX 4096
#define USAGE_ID_LENGTH 32

struct UsageSurvey {
    GHashTable *runs; /* run number -> Usage */
    uint64_t began_usec;
    uint64_t ended_usec;
};

static void usage_add_process(const Sys *sys, pid_t pid, Usage *usage)
{
    static long ticks_per_second;
    uint64_t resident_bytes = 0;
    ProcStat stat;

    if (ticks_per_second == 0)
        ticks_per_second = sysconf(_SC_CLK_TCK);
    if (!proc_read_stat(sys, pid, &stat) || stat.is_dead)
        return;
    (void)proc_read_resident(sys, pid, &resident_bytes); /* it has ended just now: nothing */
    usage->has_cpu = usage->has_memory = usage->has_tasks = true;
    usage->cpu_usec += stat.cpu_ticks * USEC_PER_SEC / (uint64_t)ticks_per_second;
    usage->memory_bytes += resident_bytes;
    usage->n_tasks += stat.n_threads;
    usage->n_processes++;
}

/* The survey */

static bool usage_is_of_lineage(const ProcessHost *host, const char *id)
{
    return strlen(id) == USAGE_ID_LENGTH && strspn(id, "0123456789abcdef") == USAGE_ID_LENGTH &&
           g_str_has_prefix(id, host->invocation_prefix);
}

/* Of whom nobody has marked the environment is not asked: that would be a look into the memory of
 * each process of the machine. */
static bool usage_find_run(const ProcessHost *host, pid_t pid, uint64_t *ret_run)
{
    RunMark mark = run_mark_read(host->sys, process_host_mark(host->invocation_prefix), pid);
    size_t length = 0;

    if (mark.kind == RUN_MARK_OURS && mark.run != 0) {
        *ret_run = mark.run;
        return true;
    }
    if (mark.kind == RUN_MARK_NONE)
        return false;

    g_autofree char *text = proc_read_environ(host->sys, pid, &length);
    const char *id = text != NULL ? proc_environ_find(text, length, "INVOCATION_ID") : NULL;
    if (id == NULL || !usage_is_of_lineage(host, id))
        return false;
    *ret_run = process_host_run_number(id);
    return true;
}

static void usage_survey_add(const ProcessHost *host, GHashTable *runs, pid_t pid)
{
    uint64_t run;

    if (!usage_find_run(host, pid, &run))
        return;

    Usage *usage = g_hash_table_lookup(runs, &run);
    if (usage == NULL) {
        uint64_t *key = g_new(uint64_t, 1);

        *key = run;
        usage = g_new0(Usage, 1);
        g_hash_table_insert(runs, key, usage);
    }
    usage_add_process(host->sys, pid, usage);
}

static void usage_survey_make(ProcessHost *host, UsageSurvey *survey)
{
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

    survey->began_usec = clock_monotonic_usec(host->clock);
    g_hash_table_remove_all(survey->runs);
    (void)proc_read_all(host->sys, pids); /* what cannot be seen uses nothing */
    for (unsigned i = 0; i < pids->len; i++)
        usage_survey_add(host, survey->runs, g_array_index(pids, pid_t, i));
    survey->ended_usec = clock_monotonic_usec(host->clock);
}

static bool usage_survey_is_fresh(const ProcessHost *host, uint64_t run)
{
    const UsageSurvey *survey = host->survey;
    uint64_t now_usec = clock_monotonic_usec(host->clock);
    uint64_t cost_usec = survey->ended_usec - survey->began_usec;
    bool knows = g_hash_table_contains(survey->runs, &run);

    return now_usec <
           usec_add(survey->ended_usec,
                    knows ? USAGE_KEPT_USEC : MIN(cost_usec * USAGE_SURVEY_SHARE, USAGE_KEPT_USEC));
}

static void usage_read_survey(ProcessHost *host, const char *invocation_id, Usage *ret_usage)
{
    uint64_t run = process_host_run_number(invocation_id);

    if (host->survey == NULL) {
        host->survey = g_new0(UsageSurvey, 1);
        host->survey->runs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        usage_survey_make(host, host->survey);
    } else if (!usage_survey_is_fresh(host, run)) {
        usage_survey_make(host, host->survey);
    }

    const Usage *usage = g_hash_table_lookup(host->survey->runs, &run);
    *ret_usage = usage != NULL ? *usage : (Usage){0};
}

void usage_survey_free(UsageSurvey *survey)
{
    if (survey == NULL)
        return;
    g_hash_table_unref(survey->runs);
    g_free(survey);
}

/* Cgroups */

/* A look at each of some thousand members takes longer than a turn of the loop should. */
static bool usage_is_counted(const CgroupUsage *counted)
{
    return counted->has_cpu && counted->has_memory && counted->has_tasks;
}

/* Of more than can be looked at nothing is told that is added up. */
static void usage_add_members(const ProcessHost *host, const Cgroup *cgroup, Usage *usage)
{
    g_autofree pid_t *pids = g_new(pid_t, USAGE_MEMBERS_MAX);
    size_t n = cgroup_list(cgroup, pids, USAGE_MEMBERS_MAX);

    for (size_t i = 0; i < n; i++)
        usage_add_process(host->sys, pids[i], usage);
    if (n == USAGE_MEMBERS_MAX)
        usage->has_cpu = usage->has_memory = usage->has_tasks = false;
}

static void usage_read_cgroup(const ProcessHost *host, const Cgroup *cgroup, Usage *ret_usage)
{
    CgroupUsage counted = {0};
    Usage usage = {0};

    cgroup_read_usage(cgroup, &counted);
    if (usage_is_counted(&counted))
        usage.n_processes = cgroup_count(cgroup);
    else
        usage_add_members(host, cgroup, &usage);
    usage.memory_is_exact = counted.has_memory;
    usage.has_memory_peak = counted.has_memory_peak;
    usage.memory_peak_bytes = counted.memory_peak_bytes;
    if (counted.has_cpu) {
        usage.has_cpu = true;
        usage.cpu_usec = counted.cpu_usec;
    }
    if (counted.has_memory) {
        usage.has_memory = true;
        usage.memory_bytes = counted.memory_bytes;
    }
    if (counted.has_tasks) {
        usage.has_tasks = true;
        usage.n_tasks = counted.n_tasks;
    }
    *ret_usage = usage;
}

void usage_read(ProcessHost *host, const Cgroup *cgroup, const char *invocation_id,
                Usage *ret_usage)
{
    if (cgroup != NULL)
        usage_read_cgroup(host, cgroup, ret_usage);
    else
        usage_read_survey(host, invocation_id, ret_usage);
}

void usage_read_peak(const Cgroup *cgroup, Usage *usage)
{
    usage->has_memory_peak = cgroup_read_peak(cgroup, &usage->memory_peak_bytes);
}
