/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there should be is found out of files and database (store/inventory), made before anything
 * serves, and started when everything does. */

#include "run/services.h"
#include "base/errors.h"
#include "base/log.h"
#include "units/manager.h"
#include "units/units.h"

#include <string.h>

#define UNIT_SERVICES_TELL_USEC USEC_PER_SEC
#define UNIT_SERVICES_NAMED 3 /* of those that wait */

/* Making */

void services_unit_create_broken(Daemon *daemon, const CreateSpec *spec, const GError *reason,
                                 const Origin *origin)
{
    g_auto(GStrv) lines = g_strsplit(reason->message, "\n", -1);
    g_autoptr(GError) error = NULL;

    for (char **line = lines; *line != NULL; line++)
        log_service(LOG_LEVEL_ERROR, spec->id, "%s", *line);
    if (map_create_broken(daemon->map, spec, reason, origin, &error) == NULL)
        log_service(LOG_LEVEL_ERROR, spec->id, "not created: %s", error->message);
}

/* One that closes a cycle with others is read again when these have changed. */
static void services_note_refused(const InventoryItem *item, const GError *error)
{
    Definition *definition = (Definition *)item->definition; /* of the set that is made here */

    if (definition != NULL && item->spec.config_source == CONFIG_FROM_DEFINITION &&
        error_is(error, ERROR_DEPENDENCY_CYCLE))
        definition->error = definition_error(definition, error);
}

static void services_make(Daemon *daemon, const InventoryItem *item)
{
    static const Origin origin = {.cause = CAUSE_STARTUP};
    g_autoptr(GError) error = NULL;
    Service *service;

    if (item->error == NULL && map_create(daemon->map, &item->spec, &origin, &error) == NULL)
        services_note_refused(item, error);
    if (item->error != NULL || error != NULL)
        services_unit_create_broken(daemon, &item->spec, error != NULL ? error : item->error,
                                    &origin);
    else if (inventory_item_starts(item, daemon->restore))
        g_ptr_array_add(daemon->to_start, g_strdup(item->spec.id));
    service = map_find(daemon->map, item->spec.id);
    if (service != NULL)
        service_kept(service)->enabled = item->saved != NULL && item->saved->enabled >= 0;
}

/* What the files have changed since the last run is written down, and what is gone is dropped. */
static bool services_write_items(Durable *durable, void *data, GError **error)
{
    const Inventory *inventory = data;

    for (unsigned i = 0; i < inventory->items->len; i++) {
        const InventoryItem *item = g_ptr_array_index(inventory->items, i);
        const char *text = item->spec.config != NULL ? item->spec.config : "";

        if (item->drop && !durable->drop_service(durable, item->spec.id, error))
            return false;
        if (!item->record_revision)
            continue;
        if (!durable->put_config(durable, item->spec.id,
                                 &(DurableConfig){
                                         .revision = item->spec.revision,
                                         .time = clock_wall_usec(clock_system()),
                                         .source = CONFIG_FROM_DEFINITION,
                                         .text = text,
                                         .length = strlen(text),
                                 },
                                 error))
            return false;
    }
    return true;
}

static bool services_has_writes(const Inventory *inventory)
{
    for (unsigned i = 0; i < inventory->items->len; i++) {
        const InventoryItem *item = g_ptr_array_index(inventory->items, i);

        if (item->drop || item->record_revision)
            return true;
    }
    return false;
}

static void services_make_all(Daemon *daemon, Inventory *inventory)
{
    g_autoptr(GError) error = NULL;

    definitions_unit_log(inventory->messages);
    for (unsigned i = 0; i < inventory->items->len; i++) {
        const InventoryItem *item = g_ptr_array_index(inventory->items, i);

        if (!item->drop)
            services_make(daemon, item);
    }
    if (services_has_writes(inventory) &&
        !keeper_write(daemon->keeper, DURABLE_POWER, services_write_items, inventory, &error))
        log_warning("what the definitions have changed is not kept: %s", error->message);
}

bool services_unit_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;
    g_autoptr(Definitions) definitions = definitions_unit_load(daemon, error);
    g_autoptr(GPtrArray) saved = g_steal_pointer(&daemon->saved);
    g_autoptr(Inventory) inventory = NULL;

    if (definitions == NULL)
        return false;
    definitions_unit_log(definitions->messages);
    daemon->to_start = g_ptr_array_new_with_free_func(g_free);
    inventory = inventory_new(definitions, saved, daemon->map);
    services_make_all(daemon, inventory);
    daemon->definitions = definition_set_new();
    definition_set_take(daemon->definitions, definitions);
    return true;
}

static void services_forget_starting(Daemon *daemon)
{
    g_clear_pointer(&daemon->starting_listener, feed_unlisten);
    g_clear_pointer(&daemon->starting, g_hash_table_unref);
}

void services_unit_undo(void *data)
{
    Daemon *daemon = data;

    services_forget_starting(daemon);
    timer_free(g_steal_pointer(&daemon->quit_deadline));
    g_clear_pointer(&daemon->to_start, g_ptr_array_unref);
    g_clear_pointer(&daemon->definitions, definition_set_free);
}

/* Starting. The manager above hears how far it is. */

static void services_tell_starting(Daemon *daemon)
{
    const MapCounts *counts = map_counts(daemon->map);
    g_autofree char *names = services_describe_waiting(daemon->map, UNIT_SERVICES_NAMED);
    unsigned n = g_hash_table_size(daemon->starting);
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "%u services, %u active", counts->total, counts->by_state[STATE_ACTIVE]);
    if (n > 0)
        g_string_append_printf(text, ", %u still starting", n);
    if (names != NULL)
        g_string_append_printf(text, ", %u waiting: %s", counts->by_state[STATE_WAITING], names);
    manager_tell_status("%s", text->str);
}

static void services_note_settled(Daemon *daemon)
{
    uint64_t now = clock_monotonic_usec(loop_clock(daemon->loop));

    if (g_hash_table_size(daemon->starting) > 0 &&
        now < usec_add(daemon->told_usec, UNIT_SERVICES_TELL_USEC))
        return;
    daemon->told_usec = now;
    services_tell_starting(daemon);
    if (g_hash_table_size(daemon->starting) == 0)
        services_forget_starting(daemon);
}

static void on_services_change(const Change *change, void *data)
{
    Daemon *daemon = data;

    if (change->type != CHANGE_ADD && state_record_is_settled(change->new_state) &&
        g_hash_table_remove(daemon->starting, service_id(change->service)))
        services_note_settled(daemon);
}

/* Not even begun: refused, or up already, for another has brought it. */
static gboolean services_is_not_starting(void *id, void *unused, void *data)
{
    const Service *service = map_find(((Daemon *)data)->map, id);

    return service == NULL || state_record_is_settled(service_state(service));
}

unsigned services_unit_start(Daemon *daemon)
{
    unsigned n = daemon->to_start->len;

    daemon->starting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (unsigned i = 0; i < n; i++)
        g_hash_table_add(daemon->starting, g_strdup(g_ptr_array_index(daemon->to_start, i)));
    services_start(daemon->map, daemon->to_start);
    g_clear_pointer(&daemon->to_start, g_ptr_array_unref);
    (void)g_hash_table_foreach_remove(daemon->starting, services_is_not_starting, daemon);
    daemon->starting_listener = feed_listen(daemon->core->feed, on_services_change, daemon);
    services_note_settled(daemon);
    return n;
}

/* Stopping */

/* A service that had to be killed has said so, in the log and in its state. It is no failure of the
 * daemon, which has brought everything to its end in time. */
static void on_services_stopped(const GError *error, void *data)
{
    group_unit_stopped(((Daemon *)data)->group, "services", NULL);
}

void services_unit_stop(void *data)
{
    Daemon *daemon = data;

    definitions_unit_cancel(daemon);
    timer_disarm(daemon->quit_deadline);
    services_stop(daemon->map, on_services_stopped, daemon);
}

void services_unit_force(void *data)
{
    services_kill(((Daemon *)data)->map);
}

/* SIGQUIT */

static void on_services_quit(const GError *error, void *data)
{
    Daemon *daemon = data;

    timer_disarm(daemon->quit_deadline);
    manager_tell_status("All services are stopped; waiting for SIGTERM");
    log_notice("all services are stopped; waiting for SIGTERM");
}

static void on_services_quit_late(void *data)
{
    static const char *const late[] = {"services", NULL};
    Daemon *daemon = data;
    g_autofree char *running = services_describe_running(daemon->map);

    if (running == NULL)
        return;
    log_error("the stop has run out of time; still running: %s", running);
    hooks_tell_late(daemon, late, running);
    services_kill(daemon->map);
}

uint64_t services_unit_stop_usec(Daemon *daemon)
{
    uint64_t given_usec = daemon->options.shutdown_timeout_usec;

    return given_usec > 0 ? given_usec : services_stop_usec(daemon->map);
}

void services_unit_quit(Daemon *daemon)
{
    uint64_t stop_usec = services_unit_stop_usec(daemon);

    if (daemon->is_quitting)
        return;
    log_notice("SIGQUIT: stopping all services, then waiting for SIGTERM");
    daemon->is_quitting = true;
    definitions_unit_cancel(daemon);
    bus_begin_shutdown(daemon->bus);
    keeper_freeze(daemon->keeper);
    manager_tell_stopping(stop_usec);
    daemon->quit_deadline = timer_new(loop_timers(daemon->loop), on_services_quit_late, daemon);
    timer_arm(daemon->quit_deadline,
              usec_add(clock_monotonic_usec(loop_clock(daemon->loop)), stop_usec));
    services_stop(daemon->map, on_services_quit, daemon);
}
