/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One peer of the daemon that makes random calls, many at a time, and holds every answer against
 * the contract: each call is answered exactly once, a result has the signature of its method, and
 * an error has a name that is documented. */

#include "support/child.h"
#include "support/client.h"
#include "support/contract.h"

typedef struct Caller {
    sd_bus *bus;
    const char *destination; /* NULL: on a private socket */
    Contract *contract;      /* borrowed */
    GHashTable *calls;       /* in flight, of CallerCall */
    uint64_t n_sent;
    uint64_t n_results;
    uint64_t n_errors;
} Caller;

/* Takes bus, started. */
Caller *caller_new(sd_bus *bus, const char *destination, Contract *contract);
/* No call may be in flight, unless the connection is of no more use. */
void caller_free(Caller *caller);

/* A call of a random member, well or badly, to be sent. NULL: chance has made one that cannot be.
 */
sd_bus_message *caller_message_any(Caller *caller);
/* Sends one. */
void caller_call_any(Caller *caller);
/* One that has meaning, see sensible.h. */
void caller_call_sensibly(Caller *caller);
/* Reads what has come. False: the daemon has hung up. */
bool caller_process(Caller *caller);
/* Deletes all services and waits until every call is answered; one that is not fails the test. */
void caller_settle(Caller *caller);
/* How long the daemon takes for a Ping; more than CLIENT_PATIENCE_USEC fails the test. */
uint64_t caller_ping_usec(Caller *caller);
