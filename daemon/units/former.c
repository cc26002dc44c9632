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
        log_warning("cannot look for all that a former run has left: %s", report->error->message);
    for (unsigned i = 0; i < report->n_services; i++) {
        const FormerService *service = &report->services[i];

        log_service(service->n_left > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, service->id, "%s",
                    service->text);
    }
}

static void on_former_done(const FormerReport *report, void *data)
{
    Daemon *daemon = data;

    former_log(report);
    g_clear_pointer(&daemon->former, former_free);
    group_unit_ready(daemon->group, "former");
    bus_unit_open(daemon);
}

bool former_unit_serve(void *data, GError **error)
{
    Daemon *daemon = data;

    daemon->former = former_sweep(daemon->host, database_lineage(daemon->database),
                                  former_grace_usec(daemon), on_former_done, daemon);
    return true;
}

void former_unit_stop(void *data)
{
    Daemon *daemon = data;

    g_clear_pointer(&daemon->former, former_free);
    group_unit_stopped(daemon->group, "former", NULL);
}
