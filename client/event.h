/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Events of the daemon: what watch and events print. An event is one flat object: serial, time,
 * type, id, and what its data says. */

#include "client.h"
#include "value.h"

/* The arguments of the signal Event. */
int event_from_signal(sd_bus_message *signal, json_t **ret_event);
/* The reply of GetEvents. */
int event_read_reply(sd_bus_message *reply, uint64_t *ret_oldest, uint64_t *ret_newest,
                     json_t **ret_events);
/* One line, or one value of JSON. Takes nothing. */
void event_print(const Output *output, json_t *event);
/* Which events are shown. */
typedef struct EventFilter {
    char **patterns; /* ids and patterns: events of such services only; empty: all, and the
                      * daemon's own */
    bool everything; /* also ProcessStart and ProcessEnd, of which the transitions tell already */
} EventFilter;
bool event_is_wanted(const EventFilter *filter, const json_t *event);
/* Whether the id of a service is one of those. */
bool event_is_of(const EventFilter *filter, const char *id);

/* Whether an instance of the daemon begins with this event: nothing came before. */
bool event_is_first(const json_t *event);
