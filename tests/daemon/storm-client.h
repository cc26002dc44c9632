/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client that does random things to services, several at a time, on a connection of its own. Each
 * answer must be a success or an error that is documented for the call. What a success says of a
 * service's state and its serial is kept, to be held against the Events. */

#include "storm-observer.h"

typedef struct StormSighting {
    const char *id;    /* of storm_ids, or interned */
    const char *state; /* interned */
    uint64_t serial;
} StormSighting;

/* What all clients share. */
typedef struct StormField {
    GPtrArray *ids;
    const StormObserver *observer; /* who knows the main processes */
    uint32_t daemon_pid;
    GArray *sightings;    /* of StormSighting */
    GHashTable *outcomes; /* "OPERATION ERROR" -> how often */
    unsigned n_answers;
    unsigned n_kills;
} StormField;

StormField *storm_field_new(unsigned n_ids);
void storm_field_free(StormField *field);
/* How often what came of what, a line each; the caller's. */
char *storm_field_summary(const StormField *field);

typedef struct StormClient {
    StormField *field;
    sd_bus *bus;
    GRand *rand;
    unsigned n_left;
    unsigned n_open; /* calls without an answer */
} StormClient;

StormClient *storm_client_new(StormField *field, const char *address, uint32_t seed,
                              unsigned n_operations, sd_event *event);
void storm_client_free(StormClient *client);
/* Makes the first calls; each answer brings the next. */
void storm_client_begin(StormClient *client);
bool storm_client_is_done(const StormClient *client);
