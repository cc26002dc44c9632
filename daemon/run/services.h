/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All services as one: started with the daemon, stopped with it. */

#include "core/map.h"

#define SERVICES_STOP_LEAST_USEC (15 * USEC_PER_SEC)
#define SERVICES_STOP_MARGIN_USEC (5 * USEC_PER_SEC)

/* Starts services with the daemon (ids: of char *), in this order; which of them succeed shows in
 * their states. */
void services_start(Map *map, const GPtrArray *ids);

/* How long services_stop may take: the longest stop timeout of those that run and a margin, and no
 * less than SERVICES_STOP_LEAST_USEC. */
uint64_t services_stop_usec(Map *map);

/* error: of all services whose stop failed, joined, or NULL. */
typedef void (*ServicesStopFunc)(const GError *error, void *data);
/* Stops everything that runs, side by side. done is called once, when nothing runs any more, and
 * possibly at once. Nobody may start anything from here on; the map lives until then. */
void services_stop(Map *map, ServicesStopFunc done, void *data);

/* Ends every service that runs by force (service_kill). */
void services_kill(Map *map);
/* "db (stopping), web (active: running)", or NULL if nothing runs. */
char *services_describe_running(Map *map);
