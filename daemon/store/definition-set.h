/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was last loaded, in little memory (digests, no texts), and what a new load changes.
 *
 * A definition that was good and cannot be used any more fails, and what was known of it stays: so
 * what runs stays, and when it is mended only what really differs is a change. "Cannot be used" is
 * a broken definition, and each that comes (or whose patches come) from a directory that cannot be
 * read; gone is only what is known to be gone. */

#include "store/definitions.h"

typedef struct DefinitionSet DefinitionSet;
DefinitionSet *definition_set_new(void);
void definition_set_free(DefinitionSet *set); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DefinitionSet, definition_set_free)
size_t definition_set_size(const DefinitionSet *set);

/* What differs, as bits. */
typedef enum DefinitionPart {
    DEFINITION_KIND = 1 << 0,
    DEFINITION_CONFIG = 1 << 1,
    DEFINITION_ENABLED = 1 << 2,
    DEFINITION_ABOUT = 1 << 3, /* description or labels */
    DEFINITION_DIRECTORY = 1 << 4,
} DefinitionPart;

/* What was known of a definition before. */
typedef enum DefinitionPast {
    DEFINITION_WAS_ABSENT,
    DEFINITION_WAS_GOOD,   /* and is in force, also when the last load found it broken */
    DEFINITION_WAS_BROKEN, /* from the start: there is nothing good to keep */
} DefinitionPast;

typedef struct DefinitionChange {
    const char *id;
    const Definition *definition; /* as it is now; NULL if it is not there */
    DefinitionPast past;
    unsigned parts;        /* DefinitionPart, of changed; all of them if it was broken */
    const GError *reason;  /* of failed */
    bool is_known_failure; /* of failed: the load before failed for the same reason */
} DefinitionChange;

/* Arrays of DefinitionChange in the order of ids; each id stands in one of them. They borrow from
 * the set and the definitions that were compared. */
typedef struct DefinitionChanges {
    GPtrArray *created;   /* good, and was absent */
    GPtrArray *changed;   /* good, and was broken or different */
    GPtrArray *removed;   /* was good or broken, and is gone */
    GPtrArray *unchanged; /* good, and was the same */
    GPtrArray *failed;    /* cannot be used now, whatever it was */
} DefinitionChanges;
void definition_changes_free(DefinitionChanges *changes); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DefinitionChanges, definition_changes_free)

/* Changes nothing. now: after definitions_check. */
DefinitionChanges *definition_set_compare(const DefinitionSet *loaded, const Definitions *now);
/* From here on now is what was last loaded. Ends the life of changes that borrow from the set. */
void definition_set_take(DefinitionSet *set, const Definitions *now);
