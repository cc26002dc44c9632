/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All that the database keeps of one service, as it is read once when the daemon starts. A service
 * that comes from a definition is here too, with what the definition does not say: its revisions,
 * whether it was enabled or disabled over the bus, and its state. */

#include "core/durable.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct SavedService {
    char *id;
    bool created;       /* over the bus; else kind, description and labels are NULL */
    char *kind;         /* as it was given: this daemon may not know it */
    char *description;  /* or NULL */
    GHashTable *labels; /* of strings, or NULL */
    int enabled;        /* 0 or 1; -1: nobody said */
    bool has_state;     /* else the members of the state are all zero */
    bool wanted;
    unsigned failed_attempts;
    FailureClass failure_class;
    uint64_t error_time;      /* wall clock usec; 0: none */
    char *error;              /* or NULL */
    DurableRevision *latest;  /* the newest revision, with its text; or NULL */
    DurableRevision *defined; /* the newest that came from the definition, with its text; or NULL;
                               * never the same object as latest */
} SavedService;

/* Nothing is known of id but that it is there. */
SavedService *saved_service_new(const char *id);
void saved_service_free(SavedService *saved); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SavedService, saved_service_free)
