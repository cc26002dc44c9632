/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this layer share: the Bus itself. */

#include "base/closer.h"
#include "bus/bus.h"
#include "bus/rate-limit.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define BUS_SERVICES_PATH BUS_PATH "/service"
#define BUS_INTERFACE_MANAGER "org.svcmgr1.Manager"
#define BUS_INTERFACE_SERVICE "org.svcmgr1.Service"
#define BUS_INTERFACE_PROCESS "org.svcmgr1.Process"

#define BUS_DEFAULT_CALLS_IN_FLIGHT 512
/* The system bus throws out who sends a message of more than 32 MiB. */
#define BUS_MAX_MANAGED_OBJECTS_BYTES (UINT64_C(24) * 1024 * 1024)

typedef struct Broker Broker;
typedef struct Changes Changes;
typedef struct Drain Drain;
typedef struct Figures Figures;
typedef struct PrivateServer PrivateServer;
typedef struct Rest Rest;

struct Bus {
    sd_event *event;
    Clock *clock;
    TimerHost *timers;
    Map *map;
    Events *events;
    Keeper *keeper;
    Requests *requests;
    Reloader *reloader; /* NULL: NotSupported */
    char **features;
    char *version;
    char *instance_id;
    uint64_t started_time; /* wall clock usec */
    uint32_t uid;          /* the daemon's */
    unsigned max_calls_in_flight;

    const char *phase;
    bool is_serving;
    bool has_served;
    bool shutting_down;     /* what changes something is refused */
    ChannelCloser *flights; /* senders: calls that are not answered yet; receiver: their writing */

    GPtrArray *connections; /* of Connection, owned */
    Timer *reaper;          /* frees those that are closed, in a turn of its own */
    bool gives_back;        /* who made the heap grow has gone: the reaper trims it */
    Rest *rest;
    Broker *broker;        /* NULL: no bus */
    PrivateServer *server; /* NULL: no private socket */
    Changes *changes;
    Figures *figures;
    Drain *drain;   /* NULL: not draining */
    GQueue batches; /* of BatchCall (batch-methods.c) */
    RateLimit denials;
    RateLimit drops;

    /* While a change is told, the objects look as the change left them, also when the service has
     * moved on since or is gone from the map. */
    Service *told;
    const StateRecord *told_state;
};

/* The service as the bus shows it now: told or of the map. NULL: none. */
Service *bus_find_service(Bus *bus, const char *id);
const StateRecord *bus_service_state(const Bus *bus, const Service *service);

/* starting, running, degraded or stopping. */
const char *bus_state(const Bus *bus);

/* An upper bound of what one service takes in a GetManagedObjects reply. */
uint64_t bus_service_bytes(const Service *service);
/* Likewise of the entries of an "as"; NULL: there are none. */
uint64_t bus_strings_bytes(char *const *strings);
