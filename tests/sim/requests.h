/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people ask for. Whether a request is refused, with which error, and which state it leads to,
 * is worked out from tables before it is made. */

#include "world.h"

/* Of one service, which may be a husk that is no longer in the map. */
void request_start(World *world, Service *service);
void request_stop(World *world, Service *service);
void request_restart(World *world, Service *service);
void request_reload(World *world, Service *service);
void request_reset(World *world, Service *service);
void request_configure(World *world, Service *service, uint32_t which, bool bad);

/* Of the map. */
void request_create(World *world, unsigned slot, uint32_t bits, uint32_t more);
void request_delete(World *world, const char *id, bool waits);
/* One of those who wait forgets that it does. */
void request_forget(World *world, uint32_t which);
