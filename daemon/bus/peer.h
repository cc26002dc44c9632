/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is at the other end: its credentials and what it has under way. On a broker a peer is a
 * unique name: its credentials are asked for once, without blocking, and are good until the name
 * goes. On the private socket it is the connection, and the kernel says who it is.
 *
 * Calls that came before the credentials wait in the order they came, and later ones behind them.
 */

#include "bus/connection.h"

typedef struct Call Call;

struct Peer {
    Connection *connection;
    char *name;            /* unique name; NULL on the private socket */
    Caller *caller;        /* NULL: not known yet */
    sd_bus_slot *watch;    /* NameOwnerChanged; NULL on a broker: refused */
    sd_bus_slot *question; /* GetConnectionCredentials; NULL: not asked now */
    GQueue in_flight;      /* of Call: all that are not answered yet, the waiting too */
    GQueue waiting;        /* of Call: for the credentials */
    bool was_large;        /* there were so many that their memory is worth giving back */
};

/* caller is taken over; NULL: not known yet. */
Peer *peer_new(Connection *connection, const char *name, Caller *caller);
/* Drops the calls in flight. Accepts NULL. */
void peer_free(Peer *peer);

/* Of who sent message. get makes one where there is none yet; find gives NULL then. */
Peer *peer_get(Connection *connection, sd_bus_message *message);
Peer *peer_find(Connection *connection, sd_bus_message *message);

/* call has been put into waiting: asks for the credentials if nobody has yet. The calls then run
 * through call_resume, in order. */
void peer_ask(Peer *peer);

/* Whether it is noticed when the peer goes. */
bool peer_is_watched(const Peer *peer);

/* uid, pid and the name of the program (from /proc). */
Caller *peer_caller_new(uint32_t uid, uint32_t pid);
