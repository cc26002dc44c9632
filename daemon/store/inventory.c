/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A walk over two lists sorted by id. */

#include "store/inventory.h"

#include "base/errors.h"

#include <string.h>

static const char *const restore_names[_RESTORE_MAX] = {
        [RESTORE_ENABLED] = "enabled",
        [RESTORE_WANTED] = "wanted",
        [RESTORE_NONE] = "none",
};
ENUM_TABLE_DEFINE(Restore, restore, restore_names)

static void inventory_item_free(void *data)
{
    InventoryItem *item = data;

    g_clear_error(&item->error);
    g_free(item);
}

void inventory_free(Inventory *inventory)
{
    if (inventory == NULL)
        return;
    g_ptr_array_unref(inventory->items);
    g_ptr_array_unref(inventory->messages);
    g_free(inventory);
}

/* Kept state */

/* An empty text stands for no configuration. */
static void inventory_item_set_config(InventoryItem *item, const DurableRevision *revision)
{
    item->spec.config = revision->length > 0 ? revision->text : NULL;
    item->spec.config_length = revision->length;
    item->spec.revision = revision->revision;
    item->spec.config_time = revision->time;
    item->spec.config_source = revision->source;
}

static void inventory_item_set_state(InventoryItem *item)
{
    const SavedService *saved = item->saved;

    if (saved == NULL || !saved->has_state)
        return;
    item->wanted_known = true;
    item->wanted = saved->wanted;
    item->state = (DurableState){
            .wanted = saved->wanted,
            .failed_attempts = saved->failed_attempts,
            .failure_class = saved->failure_class,
            .error_time = saved->error_time,
            .error = saved->error,
    };
    item->spec.state = &item->state;
}

/* A configuration that was accepted once need not be by the kinds of this daemon. */
static void inventory_item_check(InventoryItem *item, Map *map)
{
    const CreateSpec *spec = &item->spec;
    const Kind *kind = map_find_kind(map, spec->kind);
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) reason = NULL;

    if (kind == NULL) {
        error_set(&item->error, ERROR_UNKNOWN_KIND,
                  "it was created with the kind '%s', which there is not any more", spec->kind);
        return;
    }
    if (spec->config == NULL)
        return;
    config = config_parse(kind, spec->config, spec->config_length, problems);
    reason = problems_to_error(problems);
    if (reason == NULL)
        return;
    g_auto(GStrv) lines = g_strsplit(reason->message, "\n", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    for (char **line = lines; *line != NULL; line++)
        g_string_append_printf(text, "%srevision %" G_GUINT64_FORMAT ": %s",
                               text->len > 0 ? "\n" : "", spec->revision, *line);
    item->error = g_error_new_literal(reason->domain, reason->code, text->str);
}

/* Created services */

static void inventory_add_created(Inventory *inventory, InventoryItem *item, Map *map)
{
    const SavedService *saved = item->saved;

    item->spec.kind = saved->kind;
    item->spec.source = SOURCE_BUS;
    item->spec.description = saved->description;
    item->spec.labels = saved->labels;
    item->spec.enabled = saved->enabled > 0;
    if (saved->latest != NULL)
        inventory_item_set_config(item, saved->latest);
    inventory_item_set_state(item);
    inventory_item_check(item, map);
    if (item->definition != NULL)
        definition_messages_add(inventory->messages, LOG_LEVEL_WARNING,
                                "service '%s' was created over the bus and stands above %s",
                                saved->id, item->definition->path);
    item->definition = NULL;
}

/* Defined services */

/* Whether the definition's configuration is the one that was kept of it last. */
static bool inventory_is_as_kept(const Definition *definition, const DurableRevision *kept)
{
    const char *config = definition->config != NULL ? definition->config : "";
    size_t length = strlen(config);

    if (kept == NULL)
        return length == 0;
    return kept->length == length && memcmp(kept->text, config, length) == 0;
}

/* The newest revision stands: that of the definition, or one of the bus after it. */
static void inventory_keep_config(InventoryItem *item, Map *map)
{
    const DurableRevision *latest = item->saved->latest;

    inventory_item_set_config(item, latest);
    if (latest->source != CONFIG_FROM_DEFINITION || !inventory_is_as_kept(item->definition, latest))
        inventory_item_check(item, map);
}

static void inventory_decide_config(Inventory *inventory, InventoryItem *item,
                                    const Definitions *definitions, Map *map)
{
    const Definition *definition = item->definition;
    const DurableRevision *latest = item->saved != NULL ? item->saved->latest : NULL;
    const DurableRevision *kept = item->saved != NULL ? item->saved->defined : NULL;
    bool is_as_kept = inventory_is_as_kept(definition, kept);

    if (latest != NULL && is_as_kept) {
        inventory_keep_config(item, map);
        return;
    }
    /* What differs may be an earlier directory's, or lack a patch. */
    if (latest != NULL && definitions->unread->len > 0) {
        inventory_keep_config(item, map);
        definition_messages_add(inventory->messages, LOG_LEVEL_WARNING,
                                "service '%s': its configuration stays revision %" G_GUINT64_FORMAT
                                " until all definitions can be read",
                                definition->id, item->spec.revision);
        return;
    }
    item->spec.config = definition->config;
    item->spec.config_length = definition->config != NULL ? strlen(definition->config) : 0;
    item->spec.config_source = CONFIG_FROM_DEFINITION;
    if (latest == NULL) {
        item->spec.revision = definition->config != NULL ? 1 : 0;
        return;
    }
    item->record_revision = true;
    item->spec.revision = latest->revision + 1;
    definition_messages_add(inventory->messages, LOG_LEVEL_NOTICE,
                            "service '%s': %s has been edited, its configuration is revision "
                            "%" G_GUINT64_FORMAT " from now on",
                            definition->id, definition->path, item->spec.revision);
}

/* A definition that cannot be used, of a service that was mended over the bus: that stands, since
 * it was promised, as far as the definition still says of what kind the service is. */
static void inventory_decide_broken(Inventory *inventory, InventoryItem *item, Map *map)
{
    const Definition *definition = item->definition;
    const DurableRevision *latest = item->saved != NULL ? item->saved->latest : NULL;

    if (latest != NULL && latest->source == CONFIG_FROM_BUS && definition->kind != NULL &&
        map_find_kind(map, definition->kind) != NULL) {
        inventory_keep_config(item, map);
        definition_messages_add(inventory->messages, LOG_LEVEL_ERROR,
                                "service '%s': its configuration stays revision %" G_GUINT64_FORMAT
                                ", for its definition cannot be used: %s",
                                definition->id, item->spec.revision, definition->error->message);
        return;
    }
    item->error = g_error_copy(definition->error);
    if (latest != NULL)
        item->spec.revision =
                latest->revision; /* what is configured next is counted on from there */
}

static void inventory_add_defined(Inventory *inventory, InventoryItem *item,
                                  const Definitions *definitions, Map *map)
{
    const Definition *definition = item->definition;
    const SavedService *saved = item->saved;

    item->spec.kind = definition->kind;
    item->spec.source = SOURCE_DEFINITION;
    item->spec.directory = definition->directory;
    item->spec.description = definition->description;
    item->spec.labels = definition->labels;
    item->spec.enabled =
            saved != NULL && saved->enabled >= 0 ? saved->enabled > 0 : definition->enabled;
    inventory_item_set_state(item);
    if (definition->error != NULL)
        inventory_decide_broken(inventory, item, map);
    else
        inventory_decide_config(inventory, item, definitions, map);
}

/* Kept, and neither created nor defined. False: it may be defined where nobody can read now. */
static bool inventory_add_dropped(Inventory *inventory, InventoryItem *item,
                                  const Definitions *definitions)
{
    if (definitions->unread->len > 0)
        return false;
    item->drop = true;
    definition_messages_add(inventory->messages, LOG_LEVEL_NOTICE,
                            "service '%s' is not defined any more: what was kept of it is dropped",
                            item->spec.id);
    return true;
}

typedef struct InventoryWalk {
    const GPtrArray *definitions;
    const GPtrArray *saved;
    unsigned n_definitions; /* that were met */
    unsigned n_saved;
} InventoryWalk;

/* An item with what there is of the next id; NULL at the end. */
static InventoryItem *inventory_walk(InventoryWalk *walk)
{
    const Definition *definition = walk->n_definitions < walk->definitions->len
                                           ? walk->definitions->pdata[walk->n_definitions]
                                           : NULL;
    const SavedService *saved =
            walk->n_saved < walk->saved->len ? walk->saved->pdata[walk->n_saved] : NULL;
    InventoryItem *item;
    int order = 0;

    if (definition == NULL && saved == NULL)
        return NULL;
    if (definition != NULL && saved != NULL)
        order = strcmp(definition->id, saved->id);
    item = g_new0(InventoryItem, 1);
    if (definition != NULL && order <= 0) {
        item->definition = definition;
        item->spec.id = definition->id;
        walk->n_definitions++;
    }
    if (saved != NULL && order >= 0) {
        item->saved = saved;
        item->spec.id = saved->id;
        walk->n_saved++;
    }
    return item;
}

Inventory *inventory_new(const Definitions *definitions, const GPtrArray *saved, Map *map)
{
    Inventory *inventory = g_new0(Inventory, 1);
    InventoryWalk walk = {.definitions = definitions->list, .saved = saved};

    inventory->items = g_ptr_array_new_with_free_func(inventory_item_free);
    inventory->messages = definition_messages_new();
    for (InventoryItem *item; (item = inventory_walk(&walk)) != NULL;) {
        bool is_item = true;

        if (item->saved != NULL && item->saved->created)
            inventory_add_created(inventory, item, map);
        else if (item->definition != NULL)
            inventory_add_defined(inventory, item, definitions, map);
        else
            is_item = inventory_add_dropped(inventory, item, definitions);
        if (is_item)
            g_ptr_array_add(inventory->items, item);
        else
            inventory_item_free(item);
    }
    return inventory;
}

bool inventory_item_starts(const InventoryItem *item, Restore mode)
{
    if (item->drop || item->error != NULL)
        return false;
    switch (mode) {
    case RESTORE_ENABLED:
        return item->spec.enabled;
    case RESTORE_WANTED:
        return item->wanted_known ? item->wanted : item->spec.enabled;
    case RESTORE_NONE:
    case _RESTORE_MAX:
    case _RESTORE_INVALID:
        break;
    }
    return false;
}
