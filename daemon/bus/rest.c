/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection may have messages in its own queue: the one that it makes when it is authenticated,
 * or what came together with others. For these sd-bus has a timer that it sets anew before each
 * turn of the loop, and thereby takes back that the timer is due. sd-event serves equal priorities
 * by how long they have been due, so in a storm of deaths, where something else always waits, the
 * turn of that timer never comes. Ours stays due until it is served. */

#include "bus/rest.h"

#include "base/watch.h"
#include "bus/connection.h"
#include "bus/intake.h"

#include <time.h>

struct Rest {
    Bus *bus;
    sd_event_source *before_turn; /* never due: it is there to be asked before each turn */
    sd_event_source *turn;
};

static bool rest_has_connection(const Connection *connection)
{
    uint64_t timeout_usec;

    return !connection->closed && sd_bus_get_timeout(connection->sd_bus, &timeout_usec) > 0 &&
           timeout_usec == 0;
}

/* Also tells the loop what each private connection waits for. There are few: their number is
 * limited, and sd-bus looks at its own in each turn as well. */
static bool rest_look(const Bus *bus)
{
    bool is_any = false;

    for (unsigned i = 0; i < bus->connections->len; i++) {
        const Connection *connection = g_ptr_array_index(bus->connections, i);

        if (connection->intake != NULL)
            intake_arm(connection->intake);
        is_any = is_any || rest_has_connection(connection);
    }
    return is_any;
}

static int on_rest_never(sd_event_source *source, uint64_t usec, void *userdata)
{
    return 0;
}

/* To arm what is armed already would take back that it is due. */
static int on_rest_before_turn(sd_event_source *source, void *userdata)
{
    Rest *rest = userdata;

    if (!rest_look(rest->bus) || sd_event_source_get_enabled(rest->turn, NULL) > 0)
        return 0;
    int r = sd_event_source_set_time(rest->turn, 0);
    return r < 0 ? r : sd_event_source_set_enabled(rest->turn, SD_EVENT_ONESHOT);
}

/* One message of each. */
static int on_rest_turn(sd_event_source *source, uint64_t usec, void *userdata)
{
    Rest *rest = userdata;
    GPtrArray *connections = rest->bus->connections;

    for (unsigned i = 0; i < connections->len; i++) {
        Connection *connection = g_ptr_array_index(connections, i);

        if (rest_has_connection(connection))
            (void)connection_process(connection); /* it is asked again before the next turn */
    }
    return 0;
}

/* What can fail here is memory alone. */
Rest *rest_new(Bus *bus)
{
    Rest *rest = g_new0(Rest, 1);

    rest->bus = bus;
    int r = sd_event_add_time(bus->event, &rest->before_turn, CLOCK_MONOTONIC, UINT64_MAX, 0,
                              on_rest_never, rest);
    g_assert(r >= 0);
    r = sd_event_source_set_prepare(rest->before_turn, on_rest_before_turn);
    g_assert(r >= 0);
    r = sd_event_add_time(bus->event, &rest->turn, CLOCK_MONOTONIC, UINT64_MAX, 1, on_rest_turn,
                          rest);
    g_assert(r >= 0);
    r = sd_event_source_set_priority(rest->turn, WATCH_PRIORITY_NORMAL);
    g_assert(r >= 0);
    r = sd_event_source_set_enabled(rest->turn, SD_EVENT_OFF);
    g_assert(r >= 0);
    return rest;
}

void rest_free(Rest *rest)
{
    if (rest == NULL)
        return;
    sd_event_source_disable_unref(rest->before_turn);
    sd_event_source_disable_unref(rest->turn);
    g_free(rest);
}
