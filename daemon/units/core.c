/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When services survive even force, what they stand on is left to the end of the process: it cannot
 * be freed under them. */

#include "base/log.h"
#include "base/random.h"
#include "kinds/kinds.h"
#include "units/units.h"

#include <errno.h>
#include <glib/gstdio.h>

#define CORE_LOG_DIRECTORY_MODE 0700

static void on_core_lifecycle(const LifecycleEvent *event, void *data)
{
    Daemon *daemon = data;

    feed_publish_event(daemon->core->feed, lifecycle_type_to_string(event->type), event->time,
                       event->subject, event->error != NULL ? event->error->message : NULL);
}

static void core_add_kind(Daemon *daemon, Kind *kind)
{
    kind->defaults = daemon->options.defaults;
    map_register_kind(daemon->map, kind);
}

static void on_core_limit_missing(const char *member, const char *reason, void *data)
{
    g_string_append_printf(data, "; no %s: %s", member, reason);
}

static void core_log_limits(const ProcessHost *host)
{
    static const CgroupLimits all = {1, 1, 1, 1};
    g_autoptr(GString) missing = g_string_new(NULL);

    process_host_check_limits(host, &all, on_core_limit_missing, missing);
    log_info("each service has a cgroup of its own%s", missing->str);
}

/* Which of the two is in force is in the Manager's Features as well. What was named must be there.
 */
static bool core_open_cgroups(Daemon *daemon, GError **error)
{
    const char *where = daemon->options.cgroup;
    g_autoptr(GError) reason = NULL;

    if (process_host_open_cgroups(daemon->host, where, &reason)) {
        core_log_limits(daemon->host);
        return true;
    }
    if (!g_str_equal(where, "auto") && !g_str_equal(where, "none")) {
        g_propagate_prefixed_error(error, g_steal_pointer(&reason), "cgroup: ");
        return false;
    }
    log_info("services are followed by their sessions, since there are no cgroups: %s",
             reason->message);
    return true;
}

/* Without it services run all the same. It is tried again for each line. */
static void core_open_logs(Daemon *daemon)
{
    const Options *options = &daemon->options;

    if (g_mkdir_with_parents(options->log_dir, CORE_LOG_DIRECTORY_MODE) < 0)
        log_warning("cannot make the log directory %s: %s; what services say is lost until that "
                    "changes",
                    options->log_dir, g_strerror(errno));
    process_host_open_logs(daemon->host, options->log_dir, options->log_max_total_bytes);
}

/* Its log stays, but nothing comes any more for who follows it. */
static void on_core_change(const Change *change, void *data)
{
    const Daemon *daemon = data;

    if (change->type == CHANGE_REMOVE)
        service_logs_tell_deleted(process_host_logs(daemon->host), service_id(change->service));
}

bool core_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;
    ProcessHost *host = host_get(daemon, error);
    uint64_t first_serial = database_next_serial(daemon->database);

    if (host == NULL)
        return false;
    process_host_set_invocation_prefix(host, database_lineage(daemon->database));
    process_host_watch_oom(host);
    if (!core_open_cgroups(daemon, error))
        return false;
    core_open_logs(daemon);
    daemon->core = core_new(loop_clock(daemon->loop), loop_timers(daemon->loop), random_system(),
                            first_serial);
    slots_set_max(daemon->core->slots, (unsigned)daemon->options.max_starting);
    daemon->map = map_new(daemon->core, ID_IS_UUID, (unsigned)daemon->options.max_services);
    daemon->events = events_new(daemon->core->feed);
    daemon->keeper = keeper_new(daemon->map, database_durable(daemon->database));
    keeper_reserve_serials(daemon->keeper, first_serial - 1);
    daemon->requests = requests_new(daemon->keeper, daemon->map);
    daemon->kind_process = kind_process_new(host);
    daemon->kind_oneshot = kind_oneshot_new(host);
    core_add_kind(daemon, daemon->kind_process);
    core_add_kind(daemon, daemon->kind_oneshot);
    /* What all services have by default is meant for programs: how they are tried again, and how
     * long they may take. */
    daemon->kind_group = kind_group_new(daemon->map);
    map_register_kind(daemon->map, daemon->kind_group);
    daemon->gone = map_listen(daemon->map, on_core_change, daemon);
    state_watch(daemon);
    lifecycle_set_sink(daemon->lifecycle, on_core_lifecycle, daemon);
    lifecycle_watch(daemon->lifecycle, daemon->map);
    return true;
}

void core_undo(void *data)
{
    Daemon *daemon = data;

    lifecycle_set_sink(daemon->lifecycle, NULL, NULL);
    state_unwatch(daemon);
    g_clear_pointer(&daemon->gone, feed_unlisten);
    g_clear_pointer(&daemon->requests, requests_free);
    g_clear_pointer(&daemon->keeper, keeper_free);
    g_clear_pointer(&daemon->events, events_free);
    if (map_counts(daemon->map)->active > 0)
        return;
    g_clear_pointer(&daemon->map, map_free);
    g_clear_pointer(&daemon->core, core_free);
    g_clear_pointer(&daemon->kind_process, g_free);
    g_clear_pointer(&daemon->kind_oneshot, g_free);
    g_clear_pointer(&daemon->kind_group, g_free);
}
