/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The adapter in one process: the real core on virtual time with fake kinds, the bus layer on its
 * private socket, and any number of clients, all in one sd-event loop. A turn runs until nothing is
 * left to do; nothing else ever moves, so there is no race and no waiting. */

#include "base/errors.h"
#include "bus/bus.h"
#include "bus/peer.h"
#include "support/contract.h"
#include "unit/core-fixture.h"

#include <systemd/sd-bus.h>

#define ROOT "/org/svcmgr1"
#define MANAGER "org.svcmgr1.Manager"
#define SERVICE "org.svcmgr1.Service"
#define PROCESS "org.svcmgr1.Process"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

typedef struct BusFixture {
    CoreFixture core;
    Map *map;
    Events *events;
    Keeper *keeper;
    Requests *requests;
    FeedListener *early;
    sd_event *event;
    Bus *bus;
    char *directory;
    char *socket;
    Contract *contract;
    GPtrArray *clients;
    Kind kind_process; /* kind_fake with org.svcmgr1.Process */
    struct {           /* what it says of each of its services */
        uint32_t main_pid;
        const char *status_text;
    } process;
    int last_signal; /* sent to a service */
} BusFixture;

/* Set before bus_fixture_init: hears of every change before the bus does. */
extern ChangeFunc bus_fixture_early;
/* Likewise: where what people ask for is kept, and who reads definitions. NULL: nowhere, nobody. */
extern Durable *bus_fixture_durable;
extern Reloader *bus_fixture_reloader;

void bus_fixture_init(BusFixture *fixture);
/* Checks that nothing was left; clients are closed. */
void bus_fixture_done(BusFixture *fixture);
void bus_fixture_turn(BusFixture *fixture);
/* For what another process does: turns until it has come, at most 20 s of real time. */
void bus_fixture_await(BusFixture *fixture, bool (*has_come)(void *data), void *data);
void bus_fixture_advance(BusFixture *fixture, uint64_t usec);

Service *bus_fixture_create(BusFixture *fixture, const char *id, const char *kind,
                            const char *config, bool start);
/* Core's own way to a state, from inactive: starts and applies. */
Service *bus_fixture_create_active(BusFixture *fixture, const char *id);
void bus_fixture_start(BusFixture *fixture, Service *service);

typedef struct BusClient {
    BusFixture *fixture;
    sd_bus *bus;
    GPtrArray *signals; /* of sd_bus_message *, all that came; each was checked with the contract */
    bool is_matched;    /* the match of a listening one is in force */
    bool disconnected;
} BusClient;

typedef enum BusClientKind {
    BUS_CLIENT_LISTENING, /* says Hello and asks for all signals */
    BUS_CLIENT_DEAF,      /* says Hello */
    BUS_CLIENT_DIRECT,    /* no Hello: peer to peer */
    BUS_CLIENT_NO_FDS,    /* says Hello, but not that it takes descriptors */
} BusClientKind;

/* The fixture's. */
BusClient *bus_client_new(BusFixture *fixture, BusClientKind kind);
BusClient *bus_client_new_at(BusFixture *fixture, const char *address, BusClientKind kind);
void bus_client_close(BusClient *client);
/* What the other side knows of the client. */
Peer *bus_client_peer(BusClient *client);
/* From now on the daemon takes it for that user. */
void bus_client_become(BusClient *client, uint32_t uid);
void bus_client_clear(BusClient *client);

/* One call that is on its way. */
typedef struct Pending {
    BusClient *client;
    sd_bus_message *call;
    sd_bus_message *reply; /* NULL: none yet */
    sd_bus_slot *slot;
} Pending;
/* A method call to be filled. */
sd_bus_message *bus_client_message(BusClient *client, const char *path, const char *interface,
                                   const char *member);
/* Takes the message. */
Pending *bus_client_send(BusClient *client, sd_bus_message *call);
Pending *bus_client_start(BusClient *client, const char *path, const char *interface,
                          const char *member, const char *types, ...);
void pending_free(Pending *pending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pending, pending_free)
/* Turns until the reply has come; borrowed. */
sd_bus_message *pending_await(Pending *pending);
/* The reply, borrowed; it has come and is no error. */
sd_bus_message *pending_assert_reply(Pending *pending);
/* The reply has come and is this error, whose message has this text in it (NULL: any). */
void pending_assert_error(Pending *pending, ErrorCode code, const char *text);

/* Sends, turns, and asserts that it was answered well; the reply is the caller's. */
sd_bus_message *bus_client_call(BusClient *client, const char *path, const char *interface,
                                const char *member, const char *types, ...);
/* The same for an error; gives its message. */
void bus_client_refused(BusClient *client, ErrorCode code, const char *text, const char *path,
                        const char *interface, const char *member, const char *types, ...);

/* "/org/svcmgr1/service/ID" for ids that need no escape; static. */
const char *service_path(const char *id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

/* Any message's contents as text, for comparison: as "sv" -> 's"x" v:u 5'. */
char *message_to_text(sd_bus_message *message);
/* The next value of an open container. */
char *message_value_to_text(sd_bus_message *message);
/* An a{sv} at the read position: name -> text of the value. */
GHashTable *message_read_properties(sd_bus_message *message);
