/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The map owns all services and is the only place that creates them, from a registry of kinds. Its
 * order is the order of ids. */

#include "core/about.h"
#include "core/core.h"
#include "core/durable.h"
#include "core/service.h"

typedef struct Map Map;

typedef enum IdRule {
    ID_REQUIRED, /* no id, no service: InvalidId */
    ID_IS_KIND,  /* the id is the kind's name: one service of a kind */
    ID_IS_UUID,  /* tries up to 10 times */
    _ID_RULE_MAX,
    _ID_RULE_INVALID = -22,
} IdRule;

#define MAP_MAX_SERVICES 10000

/* max_services 0: MAP_MAX_SERVICES. */
Map *map_new(Core *core, IdRule id_rule, unsigned max_services);
/* A fixed list of services (the map takes the references), published under the ids "0", "1", ...
 * that they must already have; Create and Delete are refused with Immutable. */
Map *map_new_immutable(Core *core, Service *const *services, size_t n_services);
/* Every service must be inactive. Accepts NULL. */
void map_free(Map *map);
Core *map_core(Map *map);

/* The registry. kind must outlive the map. Names are unique (asserted). */
void map_register_kind(Map *map, const Kind *kind);
const Kind *map_find_kind(Map *map, const char *name); /* or NULL */
/* Sorted by name, NULL-terminated, the map's. */
const Kind *const *map_kinds(Map *map);

typedef struct CreateSpec {
    const char *id; /* NULL or "": minted by the id rule */
    const char *kind;
    const char *config; /* or NULL */
    size_t config_length;
    bool start;
    bool enabled;
    const char *description; /* or NULL */
    GHashTable *labels;      /* or NULL */
    ServiceSource source;
    const char *directory; /* of the definition, or NULL */
    uint64_t revision;     /* that config has; 0: 1 */
    uint64_t config_time;  /* when config was accepted, wall clock usec; 0: now */
    ConfigSource config_source;
    const DurableState *state; /* what is remembered of it, or NULL */
} CreateSpec;
/* All or nothing. The service is the map's; NULL: nothing remains and nobody saw anything. */
Service *map_create(Map *map, const CreateSpec *spec, const Origin *origin, GError **error);
/* The same in two halves: everything that can be refused, and what cannot. A prepared service,
 * which nobody sees, holds its id and its room; it ends in one of the two others, which take it. */
Service *map_prepare(Map *map, const CreateSpec *spec, const Origin *origin, GError **error);
void map_publish(Map *map, Service *service, bool start, const Origin *origin);
void map_discard(Map *map, Service *service);
/* A service whose definition cannot be used: visible, failed, saying why. Of spec, the kind may be
 * unknown or NULL, and the configuration is left out. */
Service *map_create_broken(Map *map, const CreateSpec *spec, const GError *reason,
                           const Origin *origin, GError **error);

/* Whether a person may delete it: NotFound; Immutable for what a definition makes; HasDependents
 * while others require it or have it as a member, and are not being deleted themselves. One that is
 * on its way out already: that is joined. */
bool map_check_delete(Map *map, const char *id, GError **error);
/* Called when the service has been removed, with its last state. */
typedef void (*DeletedFunc)(const StateRecord *state, void *data);
/* Stops if needed, waits, removes, notifies; done (may be NULL) is called at once if it already is
 * stopped. A delete of one being deleted joins it. */
bool map_delete(Map *map, const char *id, const Origin *origin, DeletedFunc done, void *data,
                GError **error);
/* Forgets who waits (a peer has gone). The delete goes on. */
void map_delete_forget(Map *map, DeletedFunc done, void *data);

Service *map_find(Map *map, const char *id);                /* or NULL */
Service *map_get(Map *map, const char *id, GError **error); /* or NotFound */
/* The services in the order of ids, one after the other: the first whose id is greater than after
 * ("" or NULL: the first); NULL at the end. */
Service *map_next(Map *map, const char *after);

/* The present content and the subscription, atomically: every ADD, UPDATE and REMOVE after it.
 * snapshot: GPtrArray of StateRecord with its own references, in order of ids, with ids beside it
 * (GPtrArray of char *). */
FeedListener *map_get_and_listen(Map *map, GPtrArray **ret_ids, GPtrArray **ret_states,
                                 ChangeFunc func, void *data);
/* The same without the snapshot. */
FeedListener *map_listen(Map *map, ChangeFunc func, void *data);

typedef struct MapCounts {
    unsigned total;
    unsigned active;          /* record.active */
    unsigned inactive_failed; /* inactive, with error */
    unsigned by_state[_STATE_MAX];
} MapCounts;
/* Kept incrementally, never by a scan. */
const MapCounts *map_counts(const Map *map);
unsigned map_count_of_kind(const Map *map, const char *kind);
