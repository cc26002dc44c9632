/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a message bus would be to its client, for a peer of the private socket: as much of
 * org.freedesktop.DBus as busctl, gdbus and every D-Bus library need to work there unchanged (D-Bus
 * specification, "Message Bus Messages"). There are two on this bus: the daemon, ":1.0", and the
 * peer. */

#include "bus/connection.h"

#define LOCAL_BUS_OWN_NAME ":1.0"

/* Adds the object org.freedesktop.DBus to the connection. number: of the peer, from 1. NULL with
 * error. A peer that does not finish its authentication within 10 s is dropped. */
LocalBus *local_bus_new(Connection *connection, uint64_t number, GError **error);
void local_bus_free(LocalBus *local); /* accepts NULL */
/* A message of the peer before anybody else sees it. 1: dealt with. */
int local_bus_filter(LocalBus *local, sd_bus_message *message);
/* A peer that said Hello gets signals while it has a match, all of them; one that speaks D-Bus
 * without a bus gets them from its first message on. */
bool local_bus_wants_signals(const LocalBus *local);
