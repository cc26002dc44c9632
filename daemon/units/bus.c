/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects are there before anybody can call, and that is when everything else is ready: a call that
 * came earlier could start what a former run has left running.
 * The connections close at the very end, so that also the last events go out. */

#include "base/errors.h"
#include "base/log.h"
#include "units/units.h"

#define UNIT_BUS_DRAIN_USEC (2 * USEC_PER_SEC)

static bool bus_unit_connect(Daemon *daemon, GError **error)
{
    const Options *options = &daemon->options;
    BusScope scope = options->address != NULL  ? BUS_SCOPE_ADDRESS
                     : options->use_system_bus ? BUS_SCOPE_SYSTEM
                                               : BUS_SCOPE_USER;
    g_autoptr(GError) cause = NULL;

    if (bus_connect(daemon->bus, scope, options->address, &cause))
        return true;
    if (options->socket == NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    log_warning("no bus, only the private socket %s: %s", options->socket, cause->message);
    return true;
}

bool bus_unit_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;
    BusOptions options = {
            .event = loop_event(daemon->loop),
            .clock = loop_clock(daemon->loop),
            .timers = loop_timers(daemon->loop),
            .map = daemon->map,
            .events = daemon->events,
            .keeper = daemon->keeper,
            .requests = daemon->requests,
            .reloader = &daemon->reloader,
            .version = SVCMGR_VERSION,
            .instance_id = daemon->instance_id,
    };
    g_auto(GStrv) features = process_host_features(daemon->host);

    options.features = (const char *const *)features;
    daemon->bus = bus_new(&options);
    bus_set_phase(daemon->bus, group_phase_to_string(group_phase(daemon->group)));
    if (bus_unit_connect(daemon, error))
        return true;
    g_clear_pointer(&daemon->bus, bus_free);
    return false;
}

bool bus_unit_serve(void *data, GError **error)
{
    return true; /* until bus_unit_open */
}

void bus_unit_open(Daemon *daemon)
{
    const char *socket = daemon->options.socket;
    g_autoptr(GError) error = NULL;

    if ((socket == NULL || bus_listen(daemon->bus, socket, &error)) &&
        bus_request_name(daemon->bus, &error))
        group_unit_ready(daemon->group, "bus");
    else
        group_unit_ended(daemon->group, "bus", error);
}

static void on_bus_unit_drained(void *data)
{
    group_unit_stopped(((Daemon *)data)->group, "bus", NULL);
}

void bus_unit_stop(void *data)
{
    Daemon *daemon = data;

    bus_drain(daemon->bus, UNIT_BUS_DRAIN_USEC, on_bus_unit_drained, daemon);
}

void bus_unit_undo(void *data)
{
    g_clear_pointer(&((Daemon *)data)->bus, bus_free);
}
