/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each change is tried on a sketch of the graph; one that would close a cycle is tried again when
 * others have been, until none gets any further. So several may turn the order round together, as
 * long as there is none in the end. What has to go before its successor is made keeps its edges
 * until then, and is tried last. */

#include "units/reload-order.h"

#include "base/errors.h"

#include <string.h>

typedef struct ReloadTry {
    const DefinitionChange *change;
    Dependencies *dependencies; /* that it would have; NULL: none */
    bool changes_order;
    bool is_late; /* it runs, and is made anew when it has gone */
    bool is_good;
    GError *refused; /* the last time */
} ReloadTry;

static void reload_try_free(void *data)
{
    ReloadTry *try = data;

    dependencies_unref(try->dependencies);
    g_clear_error(&try->refused);
    g_free(try);
}

/* NULL: it names nobody, or is for another kind than that of the service. */
static Dependencies *reload_dependencies(Map *map, const Definition *definition)
{
    const Kind *kind = map_find_kind(map, definition->kind);
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config = NULL;

    if (kind != NULL && definition->config != NULL)
        config = config_parse(kind, definition->config, strlen(definition->config), problems);
    if (config == NULL || config->common.dependencies == NULL)
        return NULL;
    return dependencies_ref(config->common.dependencies);
}

static bool reload_is_remade(const DefinitionChange *change, const Service *service)
{
    return (change->parts & DEFINITION_KIND) != 0 || service_is_deleting(service) ||
           change->definition->config == NULL;
}

static ReloadTry *reload_try_new(Map *map, const DefinitionChange *change)
{
    ReloadTry *try = g_new0(ReloadTry, 1);
    const Service *service = map_find(map, change->id);

    try->change = change;
    try->changes_order = service == NULL || service_is_deleting(service) ||
                         (change->parts & (DEFINITION_KIND | DEFINITION_CONFIG)) != 0;
    if (service != NULL && service_about(service)->source != SOURCE_DEFINITION)
        try->changes_order = false; /* that one stays */
    if (try->changes_order)
        try->dependencies = reload_dependencies(map, change->definition);
    try->is_late = try->changes_order && service != NULL && service_state(service)->active &&
                   reload_is_remade(change, service);
    return try;
}

static void reload_add_tries(GPtrArray *tries, Map *map, const GPtrArray *changes,
                             bool only_missing)
{
    for (unsigned i = 0; i < changes->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(changes, i);

        if (!only_missing || map_find(map, change->id) == NULL)
            g_ptr_array_add(tries, reload_try_new(map, change));
    }
}

/* What is gone when the reload is done; what has to stop first keeps its edges for now. */
static void reload_sketch_removed(Graph *sketch, Map *map, const GPtrArray *removed)
{
    for (unsigned i = 0; i < removed->len; i++) {
        const char *id = ((const DefinitionChange *)g_ptr_array_index(removed, i))->id;
        const Service *service = map_find(map, id);

        if (service != NULL && service_about(service)->source == SOURCE_DEFINITION &&
            !service_state(service)->active)
            graph_sketch(sketch, id, NULL);
    }
}

/* Whether it stays refused when nothing else changes. */
static bool reload_is_in_conflict(Map *map, ReloadTry *try)
{
    const Service *service = map_find(map, try->change->id);

    return service != NULL && try->changes_order &&
           !service_check_conflicts(service, try->dependencies, &try->refused);
}

static bool reload_try_one(Graph *sketch, ReloadTry *try)
{
    const char *id = try->change->id;

    g_clear_error(&try->refused);
    if (!try->changes_order)
        return true;
    if (!graph_check(sketch, id, try->dependencies, &try->refused))
        return false;
    graph_sketch(sketch, id, try->dependencies);
    return true;
}

/* Puts the ids of those that are good behind the others. Every other time it goes backwards: a long
 * chain that is turned round takes two times, whatever its direction. */
static void reload_try_all(GPtrArray *tries, Graph *sketch, bool late, GPtrArray *order)
{
    unsigned n = tries->len;
    bool backwards = false;

    for (bool moved = true; moved; backwards = !backwards) {
        moved = false;
        for (unsigned i = 0; i < n; i++) {
            ReloadTry *try = g_ptr_array_index(tries, backwards ? n - 1 - i : i);

            if (try->is_good || try->is_late != late || !reload_try_one(sketch, try))
                continue;
            try->is_good = moved = true;
            g_ptr_array_add(order, try->change->definition->id);
        }
    }
}

/* The definition says from now on what is wrong with it. */
static bool reload_refuse(const GPtrArray *tries)
{
    bool refused = false;

    for (unsigned i = 0; i < tries->len; i++) {
        const ReloadTry *try = g_ptr_array_index(tries, i);
        Definition *definition = (Definition *)try->change->definition; /* the caller may write */

        if (try->is_good)
            continue;
        definition->error = definition_error(definition, try->refused);
        refused = true;
    }
    return refused;
}

GPtrArray *reload_order(Map *map, const DefinitionChanges *changes, bool *ret_refused)
{
    g_autoptr(GPtrArray) tries = g_ptr_array_new_with_free_func(reload_try_free);
    GPtrArray *order = g_ptr_array_new();

    *ret_refused = false;
    reload_add_tries(tries, map, changes->changed, false);
    reload_add_tries(tries, map, changes->created, false);
    reload_add_tries(tries, map, changes->unchanged, true);
    if (tries->len == 0)
        return order;
    Graph *sketch = graph_new_sketch(map_core(map)->graph);
    reload_sketch_removed(sketch, map, changes->removed);
    g_autoptr(GPtrArray) peaceful = g_ptr_array_new();
    for (unsigned i = 0; i < tries->len; i++) {
        if (!reload_is_in_conflict(map, g_ptr_array_index(tries, i)))
            g_ptr_array_add(peaceful, g_ptr_array_index(tries, i));
    }
    reload_try_all(peaceful, sketch, false, order);
    reload_try_all(peaceful, sketch, true, order);
    *ret_refused = reload_refuse(tries);
    graph_free(sketch);
    return order;
}
