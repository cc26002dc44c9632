/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All services as one: started with the daemon, stopped with it. */

#include "core/map.h"

#define SERVICES_STOP_LEAST_USEC (15 * USEC_PER_SEC)
#define SERVICES_STOP_MARGIN_USEC (5 * USEC_PER_SEC)

/* Starts services with the daemon (ids: of char *); which of them succeed shows in their states.
 * What orders them is theirs; of two in conflict the first of ids wins. */
void services_start(Map *map, const GPtrArray *ids);

/* How long services_stop may take: of those that run and stop one after the other, the longest sum
 * of stop timeouts, and a margin; no less than SERVICES_STOP_LEAST_USEC. Linear. */
uint64_t services_stop_usec(Map *map);

/* error: of all services whose stop failed, joined, or NULL. */
typedef void (*ServicesStopFunc)(const GError *error, void *data);
/* Stops everything that runs, side by side but for what orders it: who comes after another stops
 * before it, and what a group that is up has started, the group stops in its order. done is called
 * once, when nothing runs any more, and possibly at once. Nobody may start anything from here on;
 * the map lives until then. */
void services_stop(Map *map, ServicesStopFunc done, void *data);

/* Ends every service that runs by force (service_kill), all at once, whatever orders them. */
void services_kill(Map *map);
/* "db (stopping), web (active: running)", or NULL if nothing runs. */
char *services_describe_running(Map *map);
/* "api (for db), web (for api, db) and 3 more", or NULL if none waits; at most n are named. */
char *services_describe_waiting(Map *map, unsigned n);
