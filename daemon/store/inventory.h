/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What services there should be when the daemon starts, out of the definitions and of what the
 * database has kept. Pure: nothing is read, written or created here.
 *
 *   - A service that was created over the bus stands above a definition of the same id.
 *   - What was said over the bus of its being enabled stands above the definition.
 *   - Its configuration over the bus stands above the definition's until that is edited: the newest
 *     kept text that came from the definition tells (an empty one: the definition had no config).
 *     While a directory of definitions cannot be read, nothing counts as edited.
 *   - So does it above a definition that cannot be used, as long as that says of what kind it is.
 *   - What is kept of a service that is neither defined nor created any more is dropped; but not
 *     while a directory of definitions could not be read. */

#include "base/enum-table.h"
#include "core/map.h"
#include "store/definitions.h"
#include "store/saved.h"

/* What is started with the daemon. */
typedef enum Restore {
    RESTORE_ENABLED, /* what is enabled */
    RESTORE_WANTED,  /* what was wanted when the daemon ended; of what is new, what is enabled */
    RESTORE_NONE,
    _RESTORE_MAX,
    _RESTORE_INVALID = -22,
} Restore;
ENUM_TABLE_DECLARE(Restore, restore); /* "enabled", "wanted", "none" */

typedef struct InventoryItem {
    /* For map_create, or with error for map_create_broken. Borrows from definition, saved and this
     * item; spec.revision is that of its config. */
    CreateSpec spec;
    const Definition *definition; /* that counts; or NULL */
    const SavedService *saved;    /* or NULL */
    bool wanted_known;
    bool wanted;
    GError *error; /* it is broken; or NULL */
    /* The definition's config is a new revision after those that are kept, spec.revision, to be put
     * into the database with CONFIG_FROM_DEFINITION: spec.config, or an empty text if that is NULL.
     * Of what is only defined no configuration is kept: the file has it. */
    bool record_revision;
    bool drop; /* there should be no such service: only spec.id and saved are set */

    DurableState state; /* what spec.state points to */
} InventoryItem;

typedef struct Inventory {
    GPtrArray *items;    /* of InventoryItem, sorted by id (strcmp) */
    GPtrArray *messages; /* of DefinitionMessage */
} Inventory;
void inventory_free(Inventory *inventory); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Inventory, inventory_free)

/* definitions: after definitions_check. saved: of SavedService, sorted by id (strcmp). Both must
 * outlive the inventory. map: whose kinds there are. */
Inventory *inventory_new(const Definitions *definitions, const GPtrArray *saved, Map *map);

bool inventory_item_starts(const InventoryItem *item, Restore mode);
