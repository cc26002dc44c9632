/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program is given when it starts: its cgroup, the socket for its messages, the descriptor
 * for its readiness, the descriptors that it has stored. All of it is the run's, and goes when
 * nothing of the run is left; only what is stored stays. */

#include "base/errors.h"
#include "base/fds.h"
#include "process/supervisor-internal.h"

#include <errno.h>

#define SUPERVISOR_LISTEN_FD 3 /* SD_LISTEN_FDS_START of sd_listen_fds(3) */

/* Also before what was done is undone. */
static void supervisor_begin(Supervisor *supervisor)
{
    supervisor->ending = (Ending){.is_helper = supervisor->helps != NULL};
    supervisor->group = (ProcessGroup){0};
    supervisor->n_strangers = 0;
    supervisor->has_dropped = false;
    supervisor->access = NOTIFY_ACCESS_ALL;
    supervisor->has_told_unkept = supervisor->has_left = false;
    supervisor->watchdog.interval_usec = supervisor->spec->watchdog_usec;
    g_clear_error(&supervisor->stop_error);
    g_clear_pointer(&supervisor->last_usage, g_free);
}

/* Which facts have changed by that. */
static unsigned supervisor_forget_last_run(Supervisor *supervisor)
{
    unsigned facts = FACT_INVOCATION_ID;
    g_autofree char *invocation_id = supervisor->helps != NULL
                                             ? g_strdup(supervisor->helps->facts.invocation_id)
                                             : process_host_new_invocation_id(supervisor->host);

    supervisor_begin(supervisor);
    if (*supervisor->facts.status_text != '\0')
        facts |= FACT_STATUS_TEXT;
    if (supervisor->facts.status_errno != 0)
        facts |= FACT_STATUS_ERRNO;
    supervisor_set_text(&supervisor->facts.status_text, "");
    supervisor->facts.status_errno = 0;
    supervisor_set_text(&supervisor->facts.invocation_id, invocation_id);
    return facts;
}

bool supervisor_change_limits(Supervisor *supervisor, const CgroupLimits *limits, GError **error)
{
    if (cgroup_limits_are_equal(&supervisor->spec->limits, limits))
        return true;
    return supervisor->cgroup != NULL ? cgroup_set_limits(supervisor->cgroup, limits, error)
                                      : process_host_has_limits(supervisor->host, limits, error);
}

static bool supervisor_limits_cgroup(const SupervisorSpec *spec)
{
    static const CgroupLimits none = {0};

    return !cgroup_limits_are_equal(&spec->limits, &none);
}

bool supervisor_open_cgroup(Supervisor *supervisor, const SupervisorSpec *spec, GError **error)
{
    ProcessHost *host = supervisor->host;

    if (supervisor->helps != NULL) {
        supervisor->cgroup = supervisor->helps->cgroup;
        return true;
    }
    if (host->cgroups == NULL || supervisor->service_id == NULL)
        return process_host_has_limits(host, &spec->limits, error);
    supervisor->cgroup = cgroup_new(host->cgroups, supervisor->service_id, error);
    if (supervisor->cgroup == NULL)
        return false;
    return !supervisor_limits_cgroup(spec) ||
           cgroup_set_limits(supervisor->cgroup, &spec->limits, error);
}

void supervisor_let_go(Supervisor *supervisor)
{
    supervisor_close_notify(supervisor);
    g_clear_pointer(&supervisor->readiness, readiness_pipe_free);
    g_clear_pointer(&supervisor->output, output_release);
    supervisor_exec_clear(supervisor);
    supervisor_search_clear(supervisor);
    supervisor_reload_clear(supervisor);
    g_clear_error(&supervisor->stop_error);
    g_clear_pointer(&supervisor->usage, g_free);
    if (supervisor->cgroup != NULL && supervisor->helps == NULL) {
        /* It was the cgroup's. */
        supervisor->facts.control_group = g_strdup(supervisor->facts.control_group);
        cgroup_free(supervisor->cgroup);
    }
    supervisor->cgroup = NULL;
}

/* Without a way to see its death it cannot stay. It is our child, but may take its time to die: the
 * host reaps it with the orphans. */
static bool supervisor_give_up(Supervisor *supervisor, const Spawned *spawned, GError **error)
{
    error_set_errno(error, errno, "cannot watch process %d", (int)spawned->pid);
    supervisor_kill_spawned(supervisor, spawned);
    (void)fd_close(spawned->pidfd);
    return false;
}

static bool supervisor_open_channels(Supervisor *supervisor, const SupervisorSpec *spec,
                                     const Identity *identity, GError **error)
{
    bool wants_notify = spec->readiness == READINESS_NOTIFY || spec->watchdog_usec > 0;

    if (supervisor->helps != NULL || spec->rules.runs_once)
        return true;
    if (wants_notify && !supervisor_open_notify(supervisor, identity, error))
        return false;
    return spec->readiness != READINESS_FD || supervisor_open_readiness(supervisor, error);
}

static bool supervisor_open_output(Supervisor *supervisor, const SupervisorSpec *spec,
                                   const Identity *identity, GError **error)
{
    supervisor->output = output_new(supervisor->host, supervisor->service_id,
                                    supervisor->facts.invocation_id, &spec->output, error);
    if (supervisor->output == NULL)
        return false;
    if (identity->sets_user)
        output_give_to(supervisor->output, identity->uid, identity->gid);
    return true;
}

/* The stored ones first, since their protocol says where they begin. */
static GArray *supervisor_list_passes(const Supervisor *supervisor, const SupervisorSpec *spec,
                                      size_t *ret_n_listen)
{
    GArray *passes = g_array_new(FALSE, FALSE, sizeof(SpawnPass));
    size_t n = supervisor->helps == NULL && supervisor->stored != NULL
                       ? fd_store_count(supervisor->stored)
                       : 0;

    for (size_t i = 0; i < n; i++) {
        SpawnPass pass = {fd_store_get(supervisor->stored, i), SUPERVISOR_LISTEN_FD + (int)i};

        g_array_append_val(passes, pass);
    }
    if (supervisor->readiness != NULL) {
        SpawnPass pass = {readiness_pipe_fd(supervisor->readiness), spec->readiness_fd};

        g_array_append_val(passes, pass);
    }
    *ret_n_listen = n;
    return passes;
}

static bool supervisor_spawn_child(Supervisor *supervisor, const SupervisorSpec *spec,
                                   char *const *exec, const Identity *identity, GError **error)
{
    const Supervisor *helps = supervisor->helps;
    const Supervisor *speaker = helps != NULL ? helps : supervisor;
    size_t n_listen;
    g_autoptr(GArray) passes = supervisor_list_passes(supervisor, spec, &n_listen);
    g_autofree char *names = n_listen > 0 ? fd_store_names(supervisor->stored) : NULL;
    OutputEnds ends = output_ends(supervisor->output);
    SpawnExtras extras = {
            .exec = exec,
            .service_id = supervisor->service_id,
            .invocation_id = supervisor->facts.invocation_id,
            .notify_socket = speaker->notify != NULL ? notify_socket_path(speaker->notify) : NULL,
            .identity = identity,
            .cgroup = supervisor->cgroup,
            .may_begin_below = helps != NULL,
            .main_pid = helps != NULL ? helps->facts.main_pid : 0,
            .watchdog_usec = helps == NULL && !spec->rules.runs_once ? spec->watchdog_usec : 0,
            .stdout_fd = MAX(ends.stdout_fd, 0),
            .stderr_fd = MAX(ends.stderr_fd, 0),
            .passes = (const SpawnPass *)(const void *)passes->data,
            .n_passes = passes->len,
            .n_listen = n_listen,
            .listen_names = names,
    };
    Spawned spawned;

    if (!spawn_start(supervisor->host, &spec->spawn, &extras, &spawned, error))
        return false;
    if (!supervisor_exec_begin(supervisor, &spawned) ||
        !supervisor_follow(supervisor, spawned.pid, spawned.pidfd))
        return supervisor_give_up(supervisor, &spawned, error);
    supervisor->group.leader = spawned.pid;
    return true;
}

static bool supervisor_equip(Supervisor *supervisor, const SupervisorSpec *spec, char *const *exec,
                             const Identity *identity, GError **error)
{
    bool spawned = supervisor_open_cgroup(supervisor, spec, error) &&
                   supervisor_open_channels(supervisor, spec, identity, error) &&
                   supervisor_open_output(supervisor, spec, identity, error) &&
                   supervisor_spawn_child(supervisor, spec, exec, identity, error);

    if (supervisor->cgroup != NULL)
        cgroup_close(supervisor->cgroup);
    if (supervisor->readiness != NULL)
        readiness_pipe_close_writing(supervisor->readiness);
    if (supervisor->output != NULL)
        output_close_writing(supervisor->output);
    return spawned;
}

/* Where a run was before it is told whether there is another. The text is the cgroup's as long as
 * there is one (supervisor_let_go). Which facts have changed by that. */
static unsigned supervisor_note_cgroup(Supervisor *supervisor)
{
    const char *path = supervisor->cgroup != NULL && supervisor->helps == NULL
                               ? cgroup_path(supervisor->cgroup)
                               : "";
    bool is_same = g_str_equal(supervisor->facts.control_group, path);

    supervisor_set_text(&supervisor->facts.control_group, "");
    supervisor->facts.control_group = path;
    return is_same ? 0 : FACT_CONTROL_GROUP;
}

bool supervisor_spawn(Supervisor *supervisor, const SupervisorSpec *spec, char *const *exec,
                      GError **error)
{
    Identity identity;

    if (!spawn_resolve_identity(&spec->spawn, &identity, error))
        return false;
    supervisor->spec = spec;
    if (supervisor->helps == NULL)
        supervisor_trim_stored(supervisor, spec);
    unsigned facts = supervisor_forget_last_run(supervisor);

    bool spawned = supervisor_equip(supervisor, spec, exec, &identity, error);
    identity_clear(&identity);
    facts |= supervisor_note_cgroup(supervisor);
    if (spawned) {
        facts |= FACT_MAIN_PID;
        supervisor->host->n_running++;
    } else {
        supervisor_let_go(supervisor);
        supervisor->spec = NULL;
    }
    supervisor_tell_facts(supervisor, facts);
    return spawned;
}

bool supervisor_start(Supervisor *supervisor, const SupervisorSpec *spec, GError **error)
{
    g_assert(!supervisor_is_running(supervisor));
    if (!supervisor_spawn(supervisor, spec, NULL, error))
        return false;
    supervisor_set_phase(supervisor, PHASE_START);
    if (spec->readiness == READINESS_SPAWNED && !supervisor_exec_is_pending(supervisor))
        supervisor_become_ready(supervisor);
    return true;
}

/* The same run as the one that is over: what is undone is its work. */
bool supervisor_undo(Supervisor *supervisor, const SupervisorSpec *spec, GError **error)
{
    g_assert(!supervisor_is_running(supervisor) && spec->stop_exec != NULL);
    bool is_open = supervisor_open_cgroup(supervisor, spec, error);
    unsigned facts = supervisor_note_cgroup(supervisor);
    if (facts != 0)
        supervisor_tell_facts(supervisor, facts);
    if (!is_open) {
        supervisor_let_go(supervisor);
        return false;
    }
    supervisor->spec = spec;
    supervisor_begin(supervisor);
    supervisor->ending.stop_was_asked = true;
    supervisor->host->n_running++;
    supervisor_enter(supervisor, PHASE_STOP_EXEC);
    return true;
}
