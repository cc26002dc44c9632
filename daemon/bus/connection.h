/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection: to a broker, or to one peer of the private socket. All have the same objects. A
 * connection that ends is marked at once and freed in a later turn, so that nobody loses it under
 * his feet. */

#include "bus/internal.h"

#include <systemd/sd-bus.h>

typedef struct Intake Intake;
typedef struct Peer Peer;
typedef struct LocalBus LocalBus;

/* A private peer with more messages waiting to be read is dropped. */
#define CONNECTION_MAX_QUEUED 4096
/* And one for which more bytes wait. A broker then gets no large answers. */
#define CONNECTION_MAX_UNREAD_BYTES (UINT64_C(64) * 1024 * 1024)
/* What all private peers of one user who may not act make the daemon keep: answers that wait to be
 * read and messages that are not whole. Who keeps less than a small part is not counted. */
#define CONNECTION_MAX_USER_BYTES (UINT64_C(128) * 1024 * 1024)
#define CONNECTION_SMALL_BYTES (UINT64_C(1024) * 1024)
/* A broker has many readers behind it and reads as long as its own limits for them let it. One that
 * has stopped is given up and connected to anew: signals must not be left out in silence. */
#define CONNECTION_BROKER_MAX_QUEUED (256 * 1024)
#define CONNECTION_BROKER_MAX_UNREAD_BYTES (UINT64_C(256) * 1024 * 1024)

typedef struct Connection Connection;
struct Connection {
    Bus *bus;
    sd_bus *sd_bus;
    bool ready;            /* signals may go out */
    bool closed;           /* nothing happens here any more; waits to be freed */
    GQueue unread;         /* of GSIZE_TO_POINTER: bytes of each message queued, the oldest first */
    uint64_t unread_bytes; /* their sum */
    GHashTable *peers;     /* unique name -> Peer, owned; of a broker */
    Peer *peer;            /* the one there is; of a private connection */
    Intake *intake;        /* how it is read; NULL with a broker: sd-bus does it */
    uint64_t n_messages;   /* that have come */
    bool was_large;        /* it has kept much, which is given back when it goes */
    LocalBus *local;       /* what a broker would be to a private peer; NULL with a broker */
    void (*on_closed)(Connection *connection, void *data);
    void *data;
};

/* Takes sd_bus (not started), gives it all our objects and attaches it to the loop, and is from
 * then on in bus->connections. on_closed is called when the other side ends it. */
Connection *connection_new(Bus *bus, sd_bus *sd_bus,
                           void (*on_closed)(Connection *connection, void *data), void *data,
                           GError **error);
/* Marks it closed: nothing more happens on it, and in a later turn its calls in flight are dropped
 * and it is freed. on_closed is not called. */
void connection_close(Connection *connection);
/* For bus->connections. */
void connection_free(Connection *connection);

/* The connection whose handler (method, property, finder) is running on sd_bus. */
Connection *connection_current(sd_bus *sd_bus);

/* One step of what sd-bus has to do for it. A connection that is broken is closed. False: there was
 * nothing to do, or nothing is left to do. */
bool connection_process(Connection *connection);

bool connection_wants_signals(const Connection *connection);
/* One message of about so many bytes is going to be sent. Every message is charged for before it is
 * sent, and none that is not sent. False: the connection is closed, perhaps just now because the
 * other side does not read. */
bool connection_charge(Connection *connection, uint64_t bytes);
/* The same judgement when nothing is sent. */
bool connection_look(Connection *connection);
/* Whether an answer of so many bytes may be added to what is unread. */
bool connection_has_room(Connection *connection, uint64_t bytes);
/* Whether an answer may be built that is large: LimitExceeded for who has not read what there is,
 * and cannot be dropped for it. */
bool connection_may_answer(Connection *connection, uint64_t bytes, GError **error);
/* Closes the connection of a private peer and says why in the log. */
void connection_drop(Connection *connection, const char *why);
/* Says what a failed send means; negative result: errno. */
void connection_check_sent(Connection *connection, int result, const char *what);
