/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The private socket: D-Bus without a broker, one connection per peer, same objects. Anybody may
 * connect and read; what a peer may do is decided by its uid, which the kernel vouches for. */

#include "bus/internal.h"

#define PRIVATE_MAX_PEERS 256
/* Of these are kept free for those who may act. */
#define PRIVATE_RESERVED_PEERS 32
/* And one user who may not act gets no more than this. */
#define PRIVATE_MAX_PEERS_PER_UID 64

/* Listens at path and locks PATH.lock; a stale socket is replaced, a live one refused. NULL with
 * error. */
PrivateServer *private_new(Bus *bus, const char *path, GError **error);
/* Also removes both files, the socket only if it still is ours; the connections are the bus's.
 * Accepts NULL. */
void private_free(PrivateServer *server);

/* The memory that this process has now, of /proc/self/statm (proc(5)). */
uint64_t private_resident_bytes(const PrivateServer *server);
