/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A monitor of the bus that holds every message against the contract as it comes, and keeps account
 * of calls and answers: each call that expects an answer gets one, and nothing is answered that was
 * not asked, or twice. */

#include "support/contract.h"
#include "support/monitor.h"

#include <systemd/sd-event.h>

typedef struct StormWire {
    Monitor *monitor;
    Contract *contract;
    GHashTable *open; /* "SENDER COOKIE" of calls without an answer yet */
    char *fence;      /* the one whose answer is waited for; NULL: none, or it has come */
    unsigned n_messages;
    unsigned n_calls;
    unsigned n_signals;
} StormWire;

StormWire *storm_wire_new(const char *address, sd_event *event);
void storm_wire_free(StormWire *wire);
/* From now on, until fence is NULL, not all is here that the bus had passed on before this call.
 * client is of the same bus. */
void storm_wire_set_fence(StormWire *wire, Client *client);
