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
/* Whether the id is one of ids and patterns; none of them: every id is. */
bool event_is_wanted(char **patterns, const char *id);
