/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon that died has left its programs behind. Nothing is ready, and so nothing is started,
 * before the last of them is gone: no service ever runs twice. */

#include "base/log.h"
#include "units/units.h"

#define FORMER_GRACE_USEC (8 * USEC_PER_SEC)
/* SIGKILL, the wait for what it does, and the bus: kept free at the end of the launch. Else a
 * launch with slow hooks would end before anybody is killed, and the next one find the same. */
#define FORMER_FORCE_USEC (3 * USEC_PER_SEC)

static uint64_t former_grace_usec(const Daemon *daemon)
{
    uint64_t now = clock_monotonic_usec(loop_clock(daemon->loop));
    uint64_t last = usec_add(now, FORMER_FORCE_USEC);
    uint64_t deadline = daemon->startup_deadline_usec;

    return deadline > last ? MIN(deadline - last, FORMER_GRACE_USEC) : 0;
}

static void former_log(const FormerReport *report)
{
    if (report->error != NULL)
        log_warning("cannot find and clear away all that a former run has left: %s",
                    report->error->message);
    for (unsigned i = 0; i < report->n_services; i++) {
        const FormerService *service = &report->services[i];

        log_service(service->n_left > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, service->id, "%s",
                    service->text);
    }
}

static void on_former_done(const FormerReport *report, void *data);

/* Takes lineage. */
static void former_sweep_for(Daemon *daemon, char *lineage)
{
    daemon->former =
            former_sweep(daemon->host, lineage, former_grace_usec(daemon), on_former_done, daemon);
    g_free(lineage);
}

/* Whoever is left of another lineage is to be found by the next run as well. */
static void former_keep_lineage(Daemon *daemon)
{
    g_autoptr(GError) error = NULL;

    if (daemon->n_former_left == 0 &&
        !lock_file_write_note(daemon->lock, database_lineage(daemon->database), &error))
        log_warning("what this run leaves is not found without the database: %s", error->message);
}

static void on_former_done(const FormerReport *report, void *data)
{
    Daemon *daemon = data;

    former_log(report);
    daemon->n_former_left += report->n_left;
    g_clear_pointer(&daemon->former, former_free);
    if (daemon->former_lineage != NULL) {
        former_sweep_for(daemon, g_steal_pointer(&daemon->former_lineage));
        return;
    }
    former_keep_lineage(daemon);
    group_unit_ready(daemon->group, "former");
    bus_unit_open(daemon);
}

/* A database that was lost has taken its lineage along; the lock file has it too. */
bool former_unit_serve(void *data, GError **error)
{
    Daemon *daemon = data;
    const char *lineage = database_lineage(daemon->database);

    daemon->former_lineage = lock_file_read_note(daemon->lock);
    if (daemon->former_lineage != NULL && (!database_lineage_is_valid(daemon->former_lineage) ||
                                           g_str_equal(daemon->former_lineage, lineage)))
        g_clear_pointer(&daemon->former_lineage, g_free);
    former_sweep_for(daemon, g_strdup(lineage));
    return true;
}

void former_unit_stop(void *data)
{
    Daemon *daemon = data;

    g_clear_pointer(&daemon->former, former_free);
    g_clear_pointer(&daemon->former_lineage, g_free);
    group_unit_stopped(daemon->group, "former", NULL);
}
