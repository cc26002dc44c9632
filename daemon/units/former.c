/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon that died has left its programs behind. Nothing is ready, and so nothing is started,
 * before the last of them is gone: no service ever runs twice. */

#include "base/log.h"
#include "units/units.h"

/* Within the time that a launch has: no more than half of it. */
#define FORMER_GRACE_USEC (8 * USEC_PER_SEC)

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

    uint64_t startup_usec = daemon->options.startup_timeout_usec;

    daemon->former = former_sweep(daemon->host, database_lineage(daemon->database),
                                  MIN(FORMER_GRACE_USEC, startup_usec / 2), on_former_done, daemon);
    return true;
}

void former_unit_stop(void *data)
{
    Daemon *daemon = data;

    g_clear_pointer(&daemon->former, former_free);
    group_unit_stopped(daemon->group, "former", NULL);
}
