/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wanted of a run, and what is known of it. */

#include "base/log.h"
#include "process/proc.h"
#include "process/supervisor-internal.h"

#include <inttypes.h>
#include <sys/resource.h>

static const char *const readiness_table[] = {"spawned", "notify", "fd"};
G_STATIC_ASSERT(G_N_ELEMENTS(readiness_table) == _READINESS_MAX);
ENUM_TABLE_DEFINE(Readiness, readiness, readiness_table)

void supervisor_spec_clear(SupervisorSpec *spec)
{
    spawn_spec_clear(&spec->spawn);
    exit_set_clear(&spec->rules.success);
    g_clear_pointer(&spec->stop_exec, g_strfreev);
    g_clear_pointer(&spec->reload_exec, g_strfreev);
}

static const char *const stop_mode_table[] = {"all", "main"};
G_STATIC_ASSERT(G_N_ELEMENTS(stop_mode_table) == _STOP_MODE_MAX);
ENUM_TABLE_DEFINE(StopMode, stop_mode, stop_mode_table)

void supervisor_set_text(const char **fact, const char *text)
{
    char *copy = *text != '\0' ? g_strdup(text) : NULL; /* text may be what is freed here */
    if (**fact != '\0')
        g_free((char *)*fact);
    *fact = copy != NULL ? copy : "";
}

void supervisor_tell_facts(Supervisor *supervisor, unsigned facts)
{
    supervisor->said &= ~facts;
    supervisor->events->on_facts(facts, supervisor->owner);
}

const SupervisorFacts *supervisor_facts(const Supervisor *supervisor)
{
    return &supervisor->facts;
}

const Output *supervisor_output(const Supervisor *supervisor)
{
    return supervisor->output;
}

bool supervisor_is_running(const Supervisor *supervisor)
{
    return supervisor->phase != PHASE_IDLE;
}

bool supervisor_is_ready(const Supervisor *supervisor)
{
    return supervisor->phase == PHASE_RUN;
}

/* The survey that is made without cgroups is kept by itself. */
bool supervisor_usage(Supervisor *supervisor, Usage *ret_usage)
{
    ProcessHost *host = supervisor->host;
    SupervisorUsage *kept = supervisor->usage;
    uint64_t now_usec = clock_monotonic_usec(host->clock);

    if (!supervisor_is_running(supervisor))
        return false;
    if (kept != NULL && now_usec < kept->until_usec) {
        *ret_usage = kept->usage;
        return true;
    }
    usage_read(host, supervisor->cgroup, supervisor->facts.invocation_id, ret_usage);
    if (supervisor->cgroup == NULL)
        return true;
    if (kept == NULL)
        kept = supervisor->usage = g_new(SupervisorUsage, 1);
    *kept = (SupervisorUsage){*ret_usage, usec_add(now_usec, USAGE_KEPT_USEC)};
    return true;
}

/* A failure will be told of it, most likely. */
static bool supervisor_ends_badly(const Supervisor *supervisor, const siginfo_t *info)
{
    const Ending *ending = &supervisor->ending;

    return (info->si_code != CLD_EXITED || info->si_status != 0) &&
           (!ending->stop_was_asked || ending->was_killed);
}

/* No file is read for it, since thousands may fail at once. */
static uint64_t supervisor_used_usec(const struct rusage *usage)
{
    return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * USEC_PER_SEC +
           (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

void supervisor_reap_main(Supervisor *supervisor, const siginfo_t *info)
{
    const Sys *sys = supervisor->host->sys;
    bool counts = supervisor->helps == NULL && supervisor_ends_badly(supervisor, info);
    struct rusage reaped;

    /* Fails only for who is not our child, and is reaped by its own parent. */
    if (sys_reap(sys, supervisor->main_pidfd, &reaped) < 0 || !counts)
        return;

    Usage usage = {.has_cpu = true, .cpu_usec = supervisor_used_usec(&reaped)};
    if (supervisor->ending.oom_killed && supervisor->cgroup != NULL)
        usage_read_peak(supervisor->cgroup, &usage);
    g_free(supervisor->last_usage); /* of a main process before this one */
    supervisor->last_usage = g_memdup2(&usage, sizeof usage);
}

bool supervisor_known_usage(Supervisor *supervisor, Usage *ret_usage)
{
    if (supervisor->last_usage == NULL)
        return supervisor_is_ready(supervisor) && supervisor_usage(supervisor, ret_usage);
    *ret_usage = *supervisor->last_usage;
    return true;
}

/* The cgroup counts all of a service; only the kernel's log says whom. Where that cannot be read it
 * is taken to be the main process when anybody was chosen in this run. */
bool supervisor_lacked_memory(const Supervisor *supervisor, pid_t pid)
{
    ProcessHost *host = supervisor->host;
    bool is_counted = supervisor->cgroup != NULL && cgroup_oom_kills(supervisor->cgroup) > 0;
    char comm[PROC_COMM_BYTES] = "";

    if (host->oom == NULL)
        return is_counted;
    (void)proc_read_comm(host->sys, pid, comm); /* "": any */
    return oom_log_has_killed(host->oom, pid, comm[0] != '\0' ? comm : NULL) ||
           (is_counted && !oom_log_is_current(host->oom));
}

void supervisor_drop_stored(Supervisor *supervisor)
{
    g_clear_pointer(&supervisor->stored, fd_store_free);
}

void supervisor_trim_stored(Supervisor *supervisor, const SupervisorSpec *spec)
{
    size_t n =
            supervisor->stored != NULL ? fd_store_trim(supervisor->stored, spec->fd_store_max) : 0;

    if (n > 0)
        log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                    "closed %zu of the stored descriptors: fd_store_max is %" PRIu64 " now", n,
                    spec->fd_store_max);
}

/* A program that helps still uses the former one, and so does the word of its way to the program.
 */
bool supervisor_set_spec(Supervisor *supervisor, const SupervisorSpec *spec, GError **error)
{
    if (supervisor->phase != PHASE_RUN || supervisor->control != NULL ||
        supervisor_reload_is_under_way(supervisor))
        return false;
    if (!supervisor_change_limits(supervisor, &spec->limits, error))
        return false;
    supervisor_trim_stored(supervisor, spec);
    output_set_rules(supervisor->output, &spec->output.rules);
    supervisor->spec = spec;
    return true;
}
