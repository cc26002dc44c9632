/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One tree by id (order and look-up) and counts that follow the feed. Deleting is begun here and
 * finished when the feed says that nothing of the service runs any more. */

#include "core/map.h"

#include "base/errors.h"
#include "base/parse.h"

#include <string.h>

struct Map {
    Core *core;
    IdRule id_rule;
    unsigned max_services;
    bool immutable;
    GTree *services;      /* id (the service's) -> Service, a reference */
    GHashTable *prepared; /* of ids (GRefString) that are spoken for */
    GPtrArray *kinds;
    GHashTable *kind_counts; /* kind's name -> number */
    MapCounts counts;
    FeedListener *listener;
    GPtrArray *deletions; /* of Deletion */
};

/* Somebody who waits until a service is gone. */
typedef struct Deletion {
    Map *map;
    FeedListener *listener;
    DeletedFunc done;
    void *data;
} Deletion;

/* Counts */

static void map_count_state(Map *map, const StateRecord *record, int by)
{
    map->counts.active += record->active ? by : 0;
    map->counts.inactive_failed += !record->active && record->error != NULL ? by : 0;
    map->counts.by_state[record->state] += by;
}

static void map_count_kind(Map *map, const Service *service, int by)
{
    const char *kind = service_kind(service)->name;
    unsigned count = map_count_of_kind(map, kind) + by;
    g_hash_table_insert(map->kind_counts, (void *)kind, GUINT_TO_POINTER(count));
}

static void map_remove(Map *map, Service *service)
{
    g_autoptr(Service) keep = service_ref(service);
    g_tree_remove(map->services, service_id(service));
    service_retract(service);
}

static void map_on_change(const Change *change, void *data)
{
    Map *map = data;
    if (change->old_state != NULL)
        map_count_state(map, change->old_state, -1);
    if (change->type != CHANGE_REMOVE)
        map_count_state(map, change->new_state, 1);
    if (change->type != CHANGE_UPDATE) {
        int by = change->type == CHANGE_ADD ? 1 : -1;
        map->counts.total += by;
        map_count_kind(map, change->service, by);
        return;
    }
    /* Was it the stop that a delete waits for? Only the latest record can tell: since this change,
     * somebody who heard of it may have started the service again. */
    if (service_is_deleting(change->service) && !change->new_state->active &&
        !service_state(change->service)->active &&
        map_find(map, service_id(change->service)) == change->service)
        map_remove(map, change->service);
}

/* The map itself */

static int map_compare_ids(const void *a, const void *b, void *unused)
{
    return strcmp(a, b);
}

static void map_drop_service(void *service)
{
    service_unref(service);
}

static Service *map_find_for_graph(void *map, const char *id)
{
    return map_find(map, id);
}

Map *map_new(Core *core, IdRule id_rule, unsigned max_services)
{
    Map *map = g_new0(Map, 1);
    map->core = core;
    map->id_rule = id_rule;
    map->max_services = max_services != 0 ? max_services : MAP_MAX_SERVICES;
    map->services = g_tree_new_full(map_compare_ids, NULL, NULL, map_drop_service);
    map->prepared = g_hash_table_new(g_str_hash, g_str_equal);
    map->kinds = g_ptr_array_new();
    g_ptr_array_add(map->kinds, NULL);
    map->kind_counts = g_hash_table_new(g_str_hash, g_str_equal);
    map->deletions = g_ptr_array_new_with_free_func(g_free);
    map->listener = feed_listen(core->feed, map_on_change, map);
    graph_set_finder(core->graph, map_find_for_graph, map);
    return map;
}

static void map_insert(Map *map, Service *service, const Origin *origin)
{
    g_tree_insert(map->services, (void *)service_id(service), service);
    service_publish(service, origin);
}

Map *map_new_immutable(Core *core, Service *const *services, size_t n_services)
{
    static const Origin origin = {.cause = CAUSE_STARTUP};
    Map *map = map_new(core, ID_REQUIRED, MAX(n_services, 1));
    map->immutable = true;
    for (size_t i = 0; i < n_services; i++) {
        g_autofree char *id = g_strdup_printf("%zu", i);
        g_assert(g_str_equal(service_id(services[i]), id));
        map_insert(map, services[i], &origin);
    }
    return map;
}

void map_free(Map *map)
{
    if (map == NULL)
        return;
    for (unsigned i = 0; i < map->deletions->len; i++)
        feed_unlisten(((Deletion *)map->deletions->pdata[i])->listener);
    feed_unlisten(map->listener);
    graph_close(map->core->graph);
    g_assert(g_hash_table_size(map->prepared) == 0);
    g_hash_table_unref(map->prepared);
    g_tree_unref(map->services);
    g_ptr_array_unref(map->deletions);
    g_ptr_array_unref(map->kinds);
    g_hash_table_unref(map->kind_counts);
    g_free(map);
}

Core *map_core(Map *map)
{
    return map->core;
}

/* Kinds */

void map_register_kind(Map *map, const Kind *kind)
{
    g_assert(map_find_kind(map, kind->name) == NULL);
    unsigned at = 0;
    while (map->kinds->pdata[at] != NULL &&
           strcmp(((const Kind *)map->kinds->pdata[at])->name, kind->name) < 0)
        at++;
    g_ptr_array_insert(map->kinds, (int)at, (void *)kind);
}

const Kind *map_find_kind(Map *map, const char *name)
{
    for (const Kind *const *kind = map_kinds(map); *kind != NULL; kind++) {
        if (g_str_equal((*kind)->name, name))
            return *kind;
    }
    return NULL;
}

const Kind *const *map_kinds(Map *map)
{
    return (const Kind *const *)map->kinds->pdata;
}

/* Looking */

Service *map_find(Map *map, const char *id)
{
    return g_tree_lookup(map->services, id);
}

Service *map_get(Map *map, const char *id, GError **error)
{
    Service *service = map_find(map, id);
    if (service == NULL) {
        g_autofree char *excerpt = parse_excerpt(id);
        error_set(error, ERROR_NOT_FOUND, "there is no service '%s'", excerpt);
    }
    return service;
}

Service *map_next(Map *map, const char *after)
{
    GTreeNode *node = after == NULL ? g_tree_node_first(map->services)
                                    : g_tree_upper_bound(map->services, after);
    return node != NULL ? g_tree_node_value(node) : NULL;
}

FeedListener *map_listen(Map *map, ChangeFunc func, void *data)
{
    return feed_listen(map->core->feed, func, data);
}

FeedListener *map_get_and_listen(Map *map, GPtrArray **ret_ids, GPtrArray **ret_states,
                                 ChangeFunc func, void *data)
{
    *ret_ids = g_ptr_array_new_with_free_func(g_free);
    *ret_states = g_ptr_array_new_with_free_func((GDestroyNotify)state_record_unref);
    for (Service *service = map_next(map, NULL); service != NULL;
         service = map_next(map, service_id(service))) {
        g_ptr_array_add(*ret_ids, g_strdup(service_id(service)));
        g_ptr_array_add(*ret_states, state_record_ref(service_state(service)));
    }
    return map_listen(map, func, data);
}

const MapCounts *map_counts(const Map *map)
{
    return &map->counts;
}

unsigned map_count_of_kind(const Map *map, const char *kind)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(map->kind_counts, kind));
}

/* Creating */

static bool map_is_taken(Map *map, const char *id)
{
    return map_find(map, id) != NULL || g_hash_table_contains(map->prepared, id);
}

static char *map_mint_id(Map *map, const Kind *kind, GError **error)
{
    if (map->id_rule == ID_IS_KIND)
        return g_strdup(kind->name);
    if (map->id_rule == ID_REQUIRED) {
        error_set(error, ERROR_INVALID_ID, "an id is required");
        return NULL;
    }
    for (unsigned tries = 0; tries < 10; tries++) {
        g_autofree char *id = random_uuid(map->core->random);
        if (!map_is_taken(map, id))
            return g_steal_pointer(&id);
    }
    error_set(error, ERROR_ID_EXISTS, "no unused id was found in 10 tries");
    return NULL;
}

static bool map_check_room(Map *map, GError **error)
{
    if (map->immutable)
        return error_set(error, ERROR_IMMUTABLE, "this list of services is fixed");
    if ((unsigned)g_tree_nnodes(map->services) + g_hash_table_size(map->prepared) <
        map->max_services)
        return true;
    return error_set(error, ERROR_LIMIT_EXCEEDED,
                     "there are already %u services (see --max-services)", map->max_services);
}

static bool map_check_id(Map *map, const char *id, GError **error)
{
    if (!parse_id(id, error))
        return false;
    if (!map_is_taken(map, id))
        return true;
    return error_set(error, ERROR_ID_EXISTS, "there is a service '%s' already", id);
}

static const Kind *map_get_kind(Map *map, const char *name, GError **error)
{
    const Kind *kind = map_find_kind(map, name);
    if (kind != NULL)
        return kind;
    g_autofree char *excerpt = parse_excerpt(name);
    g_autoptr(GString) known = g_string_new(NULL);
    for (const Kind *const *each = map_kinds(map); *each != NULL; each++)
        g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", (*each)->name);
    error_set(error, ERROR_UNKNOWN_KIND, "there is no kind '%s'; the kinds are %s", excerpt,
              known->str);
    return NULL;
}

static void map_describe(Service *service, const CreateSpec *spec, const Origin *origin)
{
    bool has_labels = spec->labels != NULL && g_hash_table_size(spec->labels) > 0;
    bool has_description = spec->description != NULL && *spec->description != '\0';
    About about = {
            .source = spec->source,
            .enabled = spec->enabled,
            .directory = spec->directory,
            .description = has_description ? (char *)spec->description : NULL,
            .labels = has_labels ? spec->labels : NULL,
    };
    service_set_about(service, &about, origin);
}

/* What its revisions were is known of one without configuration, too. */
static bool map_configure(Service *service, const CreateSpec *spec, const Origin *origin,
                          GError **error)
{
    if (spec->config == NULL) {
        service_set_revision(service, spec->revision);
        return true;
    }
    Config *config = service_prepare_config(service, spec->config, spec->config_length, error);
    if (config == NULL)
        return false;
    if (spec->revision > 0)
        service_set_revision(service, spec->revision - 1);                    /* it is counted up */
    (void)service_adopt_config(service, config, spec->config_source, origin); /* inactive: stored */
    if (spec->config_time > 0)
        service_set_config_time(service, spec->config_time);
    return true;
}

Service *map_prepare(Map *map, const CreateSpec *spec, const Origin *origin, GError **error)
{
    if (!map_check_room(map, error))
        return NULL;
    const Kind *kind = map_get_kind(map, spec->kind, error);
    if (kind == NULL)
        return NULL;
    g_autofree char *id = spec->id != NULL && *spec->id != '\0' ? g_strdup(spec->id)
                                                                : map_mint_id(map, kind, error);
    if (id == NULL || !map_check_id(map, id, error))
        return NULL;
    g_autoptr(Service) service = service_new(map->core, id, kind);
    map_describe(service, spec, origin);
    if (!map_configure(service, spec, origin, error))
        return NULL;
    if (spec->state != NULL)
        service_remember(service, spec->state, origin);
    g_hash_table_add(map->prepared, (void *)service_id(service));
    return g_steal_pointer(&service);
}

void map_discard(Map *map, Service *service)
{
    g_hash_table_remove(map->prepared, service_id(service));
    service_unref(service);
}

/* A new service is not refused its first start; were it, its record would say why. */
void map_publish(Map *map, Service *service, bool start, const Origin *origin)
{
    g_hash_table_remove(map->prepared, service_id(service));
    service_attach(service);
    if (start)
        service_start_created(service, origin);
    map_insert(map, service, origin);
}

Service *map_create(Map *map, const CreateSpec *spec, const Origin *origin, GError **error)
{
    Service *service = map_prepare(map, spec, origin, error);
    if (service != NULL)
        map_publish(map, service, spec->start, origin);
    return service;
}

Service *map_create_broken(Map *map, const CreateSpec *spec, const GError *reason,
                           const Origin *origin, GError **error)
{
    if (!map_check_room(map, error) || !map_check_id(map, spec->id, error))
        return NULL;
    const Kind *kind = spec->kind != NULL ? map_find_kind(map, spec->kind) : NULL;
    Service *service = service_new(map->core, spec->id, kind != NULL ? kind : &kind_invalid);
    map_describe(service, spec, origin);
    service_set_revision(service, spec->revision);
    service_set_broken(service, reason, origin);
    map_insert(map, service, origin);
    return service;
}

/* Deleting */

static void deletion_on_change(const Change *change, void *data)
{
    Deletion *deletion = data;
    if (change->type != CHANGE_REMOVE)
        return;
    DeletedFunc done = deletion->done;
    void *done_data = deletion->data;
    feed_unlisten(deletion->listener);
    g_ptr_array_remove_fast(deletion->map->deletions, deletion);
    done(change->new_state, done_data);
}

static void map_wait_deleted(Map *map, Service *service, DeletedFunc done, void *data)
{
    if (done == NULL)
        return;
    Deletion *deletion = g_new0(Deletion, 1);
    deletion->map = map;
    deletion->done = done;
    deletion->data = data;
    deletion->listener = service_listen(service, deletion_on_change, deletion);
    g_ptr_array_add(map->deletions, deletion);
}

/* More are not named. */
#define MAP_DEPENDENTS_NAMED 8

/* Those that are on their way out themselves do not count. */
static bool map_check_dependents(Map *map, const Service *service, GError **error)
{
    const GraphNode *node = service_node(service);
    g_auto(GStrv) ids = node != NULL ? graph_required_by(node, map->max_services) : NULL;
    g_autoptr(GString) names = g_string_new(NULL);
    unsigned n = 0;
    for (char **id = ids; id != NULL && *id != NULL; id++) {
        const Service *dependent = map_find(map, *id);
        if (dependent == NULL || service_is_deleting(dependent))
            continue;
        if (n++ < MAP_DEPENDENTS_NAMED)
            g_string_append_printf(names, "%s'%s'", names->len > 0 ? ", " : "", *id);
    }
    if (n == 0)
        return true;
    if (n > MAP_DEPENDENTS_NAMED)
        g_string_append_printf(names, " and %u more", n - MAP_DEPENDENTS_NAMED);
    return error_set(error, ERROR_HAS_DEPENDENTS, "service '%s' is required by %s",
                     service_id(service), names->str);
}

bool map_check_delete(Map *map, const char *id, GError **error)
{
    if (map->immutable)
        return error_set(error, ERROR_IMMUTABLE, "this list of services is fixed");
    Service *service = map_get(map, id, error);
    if (service == NULL)
        return false;
    const About *about = service_about(service);
    if (service_is_deleting(service))
        return true;
    if (about->source != SOURCE_DEFINITION)
        return map_check_dependents(map, service, error);
    return error_set(error, ERROR_IMMUTABLE,
                     "service '%s' is made by its definition %s/%s.json; remove that file, then "
                     "reload the definitions",
                     id, about->directory != NULL ? about->directory : "", id);
}

bool map_delete(Map *map, const char *id, const Origin *origin, DeletedFunc done, void *data,
                GError **error)
{
    if (map->immutable)
        return error_set(error, ERROR_IMMUTABLE, "this list of services is fixed");
    Service *service = map_get(map, id, error);
    if (service == NULL)
        return false;
    g_autoptr(Service) keep = service_ref(service);
    map_wait_deleted(map, service, done, data);
    if (service_begin_delete(service, origin) && map_find(map, id) == service)
        map_remove(map, service);
    return true;
}

void map_delete_forget(Map *map, DeletedFunc done, void *data)
{
    for (unsigned i = map->deletions->len; i > 0; i--) {
        Deletion *deletion = map->deletions->pdata[i - 1];
        if (deletion->done != done || deletion->data != data)
            continue;
        feed_unlisten(deletion->listener);
        g_ptr_array_remove_index_fast(map->deletions, i - 1);
    }
}
