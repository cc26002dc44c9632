/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connection to a message bus and our name there. A bus that goes away costs nothing but the
 * bus: services go on, and the connection and the name are tried again, without blocking. */

#include "bus/internal.h"

/* Waits for the bus (start-up only). NULL with error. */
Broker *broker_new(Bus *bus, BusScope scope, const char *address, GError **error);
void broker_free(Broker *broker); /* accepts NULL */
/* Waits for the answer (start-up only). */
bool broker_request_name(Broker *broker, GError **error);
