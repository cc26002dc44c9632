/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The private socket: D-Bus without a broker, one connection per peer, same objects. Anybody may
 * connect and read; what a peer may do is decided by its uid, which the kernel vouches for. */

#include "bus/internal.h"

#define PRIVATE_MAX_PEERS 256
/* Of these are kept free for those who may act. */
#define PRIVATE_RESERVED_PEERS 32

/* Listens at path; a stale socket there is replaced, a live one refused. NULL with error. */
PrivateServer *private_new(Bus *bus, const char *path, GError **error);
/* Also removes the socket; the connections are the bus's. Accepts NULL. */
void private_free(PrivateServer *server);
