/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files say is compared with what they said last, and only what differs is touched. What
 * needs the service to be gone first (another kind, or no configuration any more) is done when it
 * is. */

#include "units/reload.h"

#include "base/errors.h"
#include "base/log.h"
#include "units/reload-order.h"

#include <string.h>

/* What one change does. All of it is told and kept. */

typedef struct Reload {
    Daemon *daemon;
    const Origin *origin;
    GPtrArray *revisions; /* of ReloadRevision: to be kept */
    GPtrArray *dropped;   /* of const char *, ids */
    GHashTable *missing;  /* id -> Definition: unchanged, and without a service */
    ReloadReport *report;
} Reload;

typedef struct ReloadRevision {
    char *id;
    uint64_t revision;
    uint64_t time;
    ConfigSource source;
    ConfigText *text;
} ReloadRevision;

static void reload_revision_free(void *data)
{
    ReloadRevision *revision = data;

    g_free(revision->id);
    config_text_unref(revision->text);
    g_free(revision);
}

static void reload_note_revision(Reload *reload, const Service *service)
{
    const StateRecord *record = service_state(service);
    ReloadRevision *revision;

    if (record->config == NULL)
        return;
    revision = g_new0(ReloadRevision, 1);
    revision->id = g_strdup(service_id(service));
    revision->revision = record->config_revision;
    revision->time = record->last_config_time;
    revision->source = service_config_source(service);
    revision->text = config_text_ref(record->config);
    g_ptr_array_add(reload->revisions, revision);
}

static CreateSpec definition_spec(const Definition *definition)
{
    return (CreateSpec){
            .id = definition->id,
            .kind = definition->kind,
            .config = definition->config,
            .config_length = definition->config != NULL ? strlen(definition->config) : 0,
            .enabled = definition->enabled,
            .description = definition->description,
            .labels = definition->labels,
            .source = SOURCE_DEFINITION,
            .directory = definition->directory,
            .config_source = CONFIG_FROM_DEFINITION,
    };
}

static void reload_fail(Reload *reload, const char *id, const char *reason)
{
    g_hash_table_insert(reload->report->failed, g_strdup(id), g_strdup(reason));
}

/* A service that is made anew when the one of its name is gone. */
typedef struct Remake {
    Daemon *daemon;
    Definition *definition; /* of its own: kind, about and config; or broken */
    bool is_enabled_kept;   /* by what was said over the bus */
    bool start;
} Remake;

static Definition *definition_copy(const Definition *definition)
{
    Definition *copy = definition_new(definition->directory, definition->id);

    copy->kind = g_strdup(definition->kind);
    copy->enabled = definition->enabled;
    copy->description = g_strdup(definition->description);
    copy->labels = definition->labels != NULL ? g_hash_table_ref(definition->labels) : NULL;
    copy->config = g_strdup(definition->config);
    copy->error = definition->error != NULL ? g_error_copy(definition->error) : NULL;
    return copy;
}

/* The number of the newest revision that is kept; 0: none. Whoever makes a service of that id goes
 * on from there, with or without a configuration. */
static bool definition_find_kept(Daemon *daemon, const char *id, uint64_t *ret_revision,
                                 GError **error)
{
    Durable *durable = keeper_durable(daemon->keeper);
    g_autoptr(GPtrArray) kept = durable->list_revisions(durable, id, error);

    if (kept == NULL)
        return false;
    *ret_revision =
            kept->len > 0
                    ? ((const DurableRevision *)g_ptr_array_index(kept, kept->len - 1))->revision
                    : 0;
    return true;
}

/* Also that there is no configuration any more: so a later one over the bus stands. */
static bool definition_write_revision(Durable *durable, void *data, GError **error)
{
    const Service *service = data;
    const StateRecord *record = service_state(service);
    DurableConfig config = {
            .revision = record->config_revision,
            .time = clock_wall_usec(service_core(service)->clock),
            .source = CONFIG_FROM_DEFINITION,
            .text = record->config != NULL ? record->config->text : "",
            .length = record->config != NULL ? record->config->length : 0,
    };

    return durable->put_config(durable, service_id(service), &config, error);
}

static void definition_make_service(Daemon *daemon, const Definition *definition, bool start,
                                    const Origin *origin)
{
    CreateSpec spec = definition_spec(definition);
    g_autoptr(GError) error = NULL;
    uint64_t kept = 0;

    if (!definition_find_kept(daemon, spec.id, &kept, &error)) {
        services_unit_create_broken(daemon, &spec, error, origin);
        return;
    }
    spec.start = start;
    spec.revision = kept > 0 ? kept + 1 : 0;
    if (definition->error != NULL) {
        spec.revision = kept;
        services_unit_create_broken(daemon, &spec, definition->error, origin);
        return;
    }
    Service *service = map_create(daemon->map, &spec, origin, &error);
    if (service == NULL)
        services_unit_create_broken(daemon, &spec, error, origin);
    else if (kept > 0 && !keeper_write(daemon->keeper, DURABLE_POWER, definition_write_revision,
                                       service, &error))
        log_warning("revisions of definitions are not kept: %s", error->message);
}

static void remake_free(void *data)
{
    Remake *remake = data;

    definition_free(remake->definition);
    g_free(remake);
}

static void on_remake_gone(const StateRecord *state, void *data)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "ReloadDefinitions"};
    Remake *remake = data;
    Daemon *daemon = remake->daemon;
    const char *id = remake->definition->id;

    (void)g_hash_table_steal(daemon->remakes, id);
    /* Somebody may have made another one of that name meanwhile. */
    if (map_find(daemon->map, id) == NULL) {
        definition_make_service(daemon, remake->definition, remake->start, &origin);
        Service *service = map_find(daemon->map, id);
        if (service != NULL)
            service_kept(service)->enabled = remake->is_enabled_kept;
    }
    remake_free(remake);
}

/* One for each id: what a later reload says takes the place of what an earlier one said. */
static Remake *remake_get(Daemon *daemon, const char *id)
{
    Remake *remake;

    if (daemon->remakes == NULL)
        daemon->remakes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, remake_free);
    remake = g_hash_table_lookup(daemon->remakes, id);
    if (remake != NULL)
        (void)g_hash_table_steal(daemon->remakes, id); /* its key is in the definition */
    else
        remake = g_new0(Remake, 1);
    return remake;
}

static void reload_remake(Reload *reload, Service *service, const Definition *definition)
{
    Daemon *daemon = reload->daemon;
    Remake *remake = remake_get(daemon, definition->id);
    bool is_new = remake->daemon == NULL;

    remake->daemon = daemon;
    definition_free(remake->definition);
    remake->definition = definition_copy(definition);
    remake->is_enabled_kept = service_kept(service)->enabled;
    if (remake->is_enabled_kept)
        remake->definition->enabled = service_about(service)->enabled;
    remake->start =
            (is_new ? service_is_wanted(service) : remake->start) && definition->error == NULL;
    g_hash_table_insert(daemon->remakes, remake->definition->id, remake);
    if (is_new) /* it is there */
        (void)map_delete(daemon->map, definition->id, reload->origin, on_remake_gone, remake, NULL);
}

static void remake_cancel(Daemon *daemon, const char *id)
{
    Remake *remake = daemon->remakes != NULL ? g_hash_table_lookup(daemon->remakes, id) : NULL;

    if (remake == NULL)
        return;
    map_delete_forget(daemon->map, on_remake_gone, remake);
    g_hash_table_remove(daemon->remakes, id);
}

void reload_cancel(Daemon *daemon)
{
    GHashTableIter iter;
    void *remake;

    if (daemon->remakes == NULL)
        return;
    g_hash_table_iter_init(&iter, daemon->remakes);
    while (g_hash_table_iter_next(&iter, NULL, &remake))
        map_delete_forget(daemon->map, on_remake_gone, remake);
    g_clear_pointer(&daemon->remakes, g_hash_table_unref);
}

static bool reload_is_ours(const Service *service)
{
    return service_about(service)->source == SOURCE_DEFINITION;
}

static void reload_create(Reload *reload, const Definition *definition)
{
    Service *service = map_find(reload->daemon->map, definition->id);

    if (service != NULL && reload_is_ours(service) && service_is_deleting(service))
        reload_remake(reload, service, definition);
    else if (service == NULL)
        definition_make_service(reload->daemon, definition, false, reload->origin);
}

static void reload_change_config(Reload *reload, Service *service, const Definition *definition)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(service_kind(service), definition->config,
                                  strlen(definition->config), problems);

    if (config == NULL) { /* it was checked, but for another kind than that of the service */
        reload_remake(reload, service, definition);
        return;
    }
    reload_note_revision(reload, service);
    (void)service_adopt_config(service, config, CONFIG_FROM_DEFINITION, reload->origin);
    reload_note_revision(reload, service);
}

static void reload_change_about(Reload *reload, Service *service, const Definition *definition)
{
    bool has_description = definition->description != NULL && *definition->description != '\0';
    About about = {
            .source = SOURCE_DEFINITION,
            .enabled = service_kept(service)->enabled ? service_about(service)->enabled
                                                      : definition->enabled,
            .directory = definition->directory,
            .description = has_description ? definition->description : NULL,
            .labels = definition->labels,
    };

    service_set_about(service, &about, reload->origin);
}

static void reload_change(Reload *reload, const DefinitionChange *change)
{
    const Definition *definition = change->definition;
    Service *service = map_find(reload->daemon->map, change->id);

    if (service == NULL) { /* refused when it was new */
        reload_create(reload, definition);
        return;
    }
    if (!reload_is_ours(service))
        return;
    g_autoptr(Service) keep = service_ref(service);
    if ((change->parts & DEFINITION_KIND) != 0 || service_is_deleting(service) ||
        ((change->parts & DEFINITION_CONFIG) != 0 && definition->config == NULL)) {
        reload_remake(reload, service, definition);
        return;
    }
    reload_change_about(reload, service, definition);
    if ((change->parts & DEFINITION_CONFIG) != 0)
        reload_change_config(reload, service, definition);
}

static void reload_remove(Reload *reload, const char *id)
{
    Service *service = map_find(reload->daemon->map, id);

    if (service == NULL || service_about(service)->source != SOURCE_DEFINITION)
        return;
    g_ptr_array_add(reload->dropped, (void *)id);
    remake_cancel(reload->daemon, id);
    service_kept(service)->enabled = false; /* one that comes while it goes begins anew */
    (void)map_delete(reload->daemon->map, id, reload->origin, NULL, NULL, NULL); /* it is there */
}

/* What was good, or was mended over the bus, stays as it is; what never was says what is wrong now:
 * in its state and, as it is made, in the log. */
static void reload_failed(Reload *reload, const DefinitionChange *change)
{
    Service *service = map_find(reload->daemon->map, change->id);
    bool was_never_good = change->definition != NULL && change->past != DEFINITION_WAS_GOOD;

    if (was_never_good && service == NULL)
        definition_make_service(reload->daemon, change->definition, false, reload->origin);
    else if (was_never_good && !change->is_known_failure && reload_is_ours(service) &&
             service_is_broken(service))
        reload_remake(reload, service, change->definition);
    else
        log_service(change->is_known_failure ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, change->id, "%s",
                    change->reason->message);
}

static bool reload_write(Durable *durable, void *data, GError **error)
{
    const Reload *reload = data;

    for (unsigned i = 0; i < reload->dropped->len; i++) {
        if (!durable->drop_service(durable, g_ptr_array_index(reload->dropped, i), error))
            return false;
    }
    for (unsigned i = 0; i < reload->revisions->len; i++) {
        const ReloadRevision *revision = g_ptr_array_index(reload->revisions, i);
        DurableConfig config = {
                .revision = revision->revision,
                .time = revision->time,
                .source = revision->source,
                .text = revision->text->text,
                .length = revision->text->length,
        };

        if (!durable->put_config(durable, revision->id, &config, error))
            return false;
    }
    return true;
}

/* The whole of it */

static void reload_list(GPtrArray *ids, const GPtrArray *changes, GHashTable *except)
{
    for (unsigned i = 0; i < changes->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(changes, i);

        if (!g_hash_table_contains(except, change->id))
            g_ptr_array_add(ids, g_strdup(change->id));
    }
}

/* One that was refused since its id was taken is there when the id is free again, and refused
 * until then. */
static void reload_list_present(const Reload *reload, const DefinitionChanges *changes)
{
    for (unsigned i = 0; i < changes->unchanged->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(changes->unchanged, i);
        bool is_new = g_hash_table_contains(reload->missing, change->id);

        if (g_hash_table_contains(reload->report->failed, change->id))
            continue;
        g_ptr_array_add(is_new ? reload->report->created : reload->report->unchanged,
                        g_strdup(change->id));
    }
}

static void reload_find_missing(Reload *reload, const DefinitionChanges *changes)
{
    for (unsigned i = 0; i < changes->unchanged->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(changes->unchanged, i);

        if (map_find(reload->daemon->map, change->id) == NULL)
            g_hash_table_insert(reload->missing, (void *)change->id, (void *)change->definition);
    }
}

/* Those whose ids were taken over the bus. What is said already need not be said again. */
static void reload_refuse_taken(Reload *reload, const GPtrArray *changes, LogLevel level)
{
    static const char reason[] =
            "a service of this id was created over the bus, and stands above its definition";

    for (unsigned i = 0; i < changes->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(changes, i);
        const Service *service = map_find(reload->daemon->map, change->id);

        if (service == NULL || reload_is_ours(service))
            continue;
        log_service(level, change->id, "%s", reason);
        reload_fail(reload, change->id, reason);
    }
}

static void reload_fill_report(const Reload *reload, const DefinitionChanges *changes)
{
    ReloadReport *report = reload->report;

    for (unsigned i = 0; i < changes->failed->len; i++) {
        const DefinitionChange *change = g_ptr_array_index(changes->failed, i);

        g_hash_table_insert(report->failed, g_strdup(change->id),
                            g_strdup(change->reason->message));
    }
    reload_list(report->created, changes->created, report->failed);
    reload_list(report->changed, changes->changed, report->failed);
    reload_list(report->removed, changes->removed, report->failed);
    reload_list_present(reload, changes);
}

/* id -> DefinitionChange of those that are to be taken over. */
static GHashTable *reload_index(const DefinitionChanges *changes)
{
    const GPtrArray *lists[] = {changes->changed, changes->created, changes->unchanged};
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

    for (size_t n = 0; n < G_N_ELEMENTS(lists); n++) {
        for (unsigned i = 0; i < lists[n]->len; i++) {
            DefinitionChange *change = g_ptr_array_index(lists[n], i);

            g_hash_table_insert(index, (void *)change->id, change);
        }
    }
    return index;
}

static void reload_take_over(Reload *reload, const DefinitionChanges *changes,
                             const GPtrArray *order)
{
    g_autoptr(GHashTable) index = reload_index(changes);

    for (unsigned i = 0; i < order->len; i++) {
        const DefinitionChange *change = g_hash_table_lookup(index, g_ptr_array_index(order, i));

        if (change->past == DEFINITION_WAS_ABSENT || change->parts == 0)
            reload_create(reload, change->definition);
        else
            reload_change(reload, change);
    }
}

static void reload_apply(Reload *reload, const DefinitionChanges *changes, const GPtrArray *order)
{
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < changes->failed->len; i++)
        reload_failed(reload, g_ptr_array_index(changes->failed, i));
    for (unsigned i = 0; i < changes->removed->len; i++)
        reload_remove(reload, ((DefinitionChange *)g_ptr_array_index(changes->removed, i))->id);
    reload_take_over(reload, changes, order);
    if (reload->dropped->len + reload->revisions->len > 0 &&
        !keeper_write(reload->daemon->keeper, DURABLE_POWER, reload_write, reload, &error))
        log_warning("revisions of definitions are not kept: %s", error->message);
}

void reload_report_init(ReloadReport *report)
{
    *report = (ReloadReport){
            .created = g_ptr_array_new_with_free_func(g_free),
            .changed = g_ptr_array_new_with_free_func(g_free),
            .removed = g_ptr_array_new_with_free_func(g_free),
            .unchanged = g_ptr_array_new_with_free_func(g_free),
            .failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
}

void reload_report_clear(ReloadReport *report)
{
    g_ptr_array_unref(report->created);
    g_ptr_array_unref(report->changed);
    g_ptr_array_unref(report->removed);
    g_ptr_array_unref(report->unchanged);
    g_hash_table_unref(report->failed);
}

/* Those that cannot be taken over beside the others are among the failed. */
static DefinitionChanges *reload_compare(Daemon *daemon, Definitions *now, GPtrArray **ret_order)
{
    DefinitionChanges *changes = definition_set_compare(daemon->definitions, now);
    bool refused;

    *ret_order = reload_order(daemon->map, changes, &refused);
    if (!refused)
        return changes;
    definition_changes_free(changes);
    return definition_set_compare(daemon->definitions, now);
}

void reload_run(Daemon *daemon, Definitions *now, bool dry_run, const Origin *origin,
                ReloadReport *report)
{
    g_autoptr(GPtrArray) order = NULL;
    g_autoptr(DefinitionChanges) changes = reload_compare(daemon, now, &order);
    g_autoptr(GPtrArray) revisions = g_ptr_array_new_with_free_func(reload_revision_free);
    g_autoptr(GPtrArray) dropped = g_ptr_array_new();
    g_autoptr(GHashTable) missing = g_hash_table_new(g_str_hash, g_str_equal);
    Reload reload = {daemon, origin, revisions, dropped, missing, report};

    reload_find_missing(&reload, changes);
    reload_refuse_taken(&reload, changes->created, LOG_LEVEL_WARNING);
    reload_refuse_taken(&reload, changes->changed, LOG_LEVEL_WARNING);
    reload_refuse_taken(&reload, changes->unchanged, LOG_LEVEL_DEBUG);
    if (!dry_run)
        reload_apply(&reload, changes, order);
    reload_fill_report(&reload, changes);
    if (dry_run)
        return;
    g_clear_pointer(&changes, definition_changes_free); /* it borrows from the set */
    definition_set_take(daemon->definitions, now);
    log_notice("definitions reloaded: %u created, %u changed, %u removed, %u unchanged, %u failed",
               report->created->len, report->changed->len, report->removed->len,
               report->unchanged->len, g_hash_table_size(report->failed));
}
