/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client that asks for changes of its own services, several at a time, until the daemon is gone.
 * No other client changes them, so the order of its calls is the order of what happens to them. */

#include "crash-model.h"
#include "lockers.h"

#include <systemd/sd-bus.h>

/* What all clients share. */
typedef struct CrashField {
    Lockers *lockers;
    unsigned number;      /* the last one given to a create or a configuration */
    uint64_t last_serial; /* that was seen */
    unsigned n_answers;
    unsigned n_done;
    unsigned n_done_of[_CRASH_OPERATION_MAX];
    unsigned n_lost;
    unsigned n_full; /* refused by the disk */
    bool was_full;   /* in this round, or will be */
} CrashField;

/* The configuration with this number, as it is in GetConfig; the caller's. */
char *crash_config_text(const CrashField *field, unsigned tag, bool is_oneshot);
/* How many processes a service of this configuration has. */
unsigned crash_config_processes(unsigned tag);

typedef struct CrashClient {
    CrashField *field;
    GPtrArray *services; /* of CrashService, borrowed */
    sd_bus *bus;
    const char *destination; /* NULL: on the private socket */
    GRand *rand;
    unsigned n_open; /* calls without an answer */
    bool is_ending;
} CrashClient;

/* services: of CrashService; borrowed. */
CrashClient *crash_client_new(CrashField *field, GPtrArray *services, const char *address,
                              const char *destination, uint32_t seed, sd_event *event);
void crash_client_free(CrashClient *client);
/* Makes the first calls; each answer brings the next. */
void crash_client_begin(CrashClient *client);
/* Makes no more. */
void crash_client_end(CrashClient *client);
