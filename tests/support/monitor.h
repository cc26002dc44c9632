/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A monitor of a bus (org.freedesktop.DBus.Monitoring): sees every message, of everybody. */

#include "support/client.h"

typedef struct Monitor {
    sd_bus *bus;
    GPtrArray *messages; /* of sd_bus_message *, in the order of the bus */
} Monitor;

Monitor *monitor_new(const char *address);
void monitor_free(Monitor *monitor);
/* Collects until all is there that the bus had passed on before this call. client is of the same
 * bus. */
void monitor_collect(Monitor *monitor, Client *client);
