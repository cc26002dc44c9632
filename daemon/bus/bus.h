/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus surface: the objects of interfaces/ on a bus (or none) and on a private socket, the
 * same vtables and the same emitters for all connections. A thin adapter: it holds no state of
 * services. */

#include "base/clock.h"
#include "base/timer.h"
#include "core/events.h"
#include "core/map.h"
#include "core/requests.h"
#include "run/reload.h"

#include <systemd/sd-event.h>

#define BUS_NAME "org.svcmgr1"
#define BUS_PATH "/org/svcmgr1"

typedef struct Bus Bus;

typedef struct BusOptions {
    sd_event *event;
    Clock *clock;
    TimerHost *timers;
    Map *map;
    Events *events;
    Keeper *keeper;
    Requests *requests;
    Reloader *reloader;          /* NULL: there are no definitions */
    const char *const *features; /* what the host lets this daemon do; NULL: nothing to be told */
    const char *version;
    const char *instance_id;      /* 32 hex digits, new per start */
    unsigned max_calls_in_flight; /* per peer; 0: 512 */
} BusOptions;

typedef enum BusScope {
    BUS_SCOPE_SYSTEM,
    BUS_SCOPE_USER,
    BUS_SCOPE_ADDRESS,
} BusScope;

Bus *bus_new(const BusOptions *options);
void bus_free(Bus *bus); /* closes everything; accepts NULL */

/* Connects and registers the objects, but does not take the name. Blocks shortly (start-up only).
 * address only for BUS_SCOPE_ADDRESS. When the bus goes away later, this is said in the log,
 * services go on, and the connection (and the name) is tried again with backoff. */
bool bus_connect(Bus *bus, BusScope scope, const char *address, GError **error);
/* Serves peers on a unix socket (mode 0666; a stale one is replaced, a live one refused). */
bool bus_listen(Bus *bus, const char *path, GError **error);
/* Takes org.svcmgr1; an owner that is there already is an error that says so. Without a bus:
 * nothing. */
bool bus_request_name(Bus *bus, GError **error);

/* The Manager's Phase and State properties. phase: static ("config", "pre-run", "serve",
 * "graceful-stop"). */
void bus_set_phase(Bus *bus, const char *phase);
/* From now on everything that changes something is refused with ShuttingDown; Waits still are
 * answered. */
void bus_begin_shutdown(Bus *bus);
/* Waits that still hang are answered with ShuttingDown, what is queued is written (as far as peers
 * read, for at most timeout_usec); then done is called. */
void bus_drain(Bus *bus, uint64_t timeout_usec, void (*done)(void *data), void *data);
