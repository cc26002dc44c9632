/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both sides are sorted by id, so comparing is one walk over the two. Compare makes a change
 * of each pair, and take a new entry. */

#include "store/definition-set.h"

#include <string.h>

#define DEFINITION_ALL_PARTS                                                                       \
    (DEFINITION_KIND | DEFINITION_CONFIG | DEFINITION_ENABLED | DEFINITION_ABOUT |                 \
     DEFINITION_DIRECTORY)

typedef struct DefinitionEntry {
    bool is_good; /* else there is nothing but the id, the directories and the failure */
    bool enabled;
    const char *kind; /* interned */
    DefinitionDigest digest;
    const char *directory;          /* interned */
    const char **patch_directories; /* interned, NULL-terminated; or NULL */
    char *failure;                  /* why the last load could not use it, as a digest; or NULL */
    char id[];
} DefinitionEntry;

struct DefinitionSet {
    GPtrArray *entries; /* sorted by id */
};

static void definition_entry_free(void *data)
{
    DefinitionEntry *entry = data;

    g_free(entry->patch_directories);
    g_free(entry->failure);
    g_free(entry);
}

DefinitionSet *definition_set_new(void)
{
    DefinitionSet *set = g_new0(DefinitionSet, 1);

    set->entries = g_ptr_array_new_with_free_func(definition_entry_free);
    return set;
}

void definition_set_free(DefinitionSet *set)
{
    if (set == NULL)
        return;
    g_ptr_array_unref(set->entries);
    g_free(set);
}

size_t definition_set_size(const DefinitionSet *set)
{
    return set->entries->len;
}

/* Entries */

static char *definition_entry_failure(const GError *reason)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, reason->message, -1);
}

/* The directories that path/ID.json.d/NAME.json of patches are in. */
static const char **definition_entry_patch_directories(char **patches)
{
    GPtrArray *directories = g_ptr_array_new();

    for (char **patch = patches; *patch != NULL; patch++) {
        g_autofree char *folder = g_path_get_dirname(*patch);
        g_autofree char *directory = g_path_get_dirname(folder);
        void *interned = (void *)g_intern_string(directory);

        if (!g_ptr_array_find(directories, interned, NULL))
            g_ptr_array_add(directories, interned);
    }
    g_ptr_array_add(directories, NULL);
    return (const char **)g_ptr_array_free(directories, FALSE);
}

static DefinitionEntry *definition_entry_new(const Definition *definition)
{
    size_t id_size = strlen(definition->id) + 1;
    DefinitionEntry *entry = g_malloc0(sizeof *entry + id_size);

    memcpy(entry->id, definition->id, id_size);
    entry->directory = definition->directory;
    if (definition->patches != NULL)
        entry->patch_directories = definition_entry_patch_directories(definition->patches);
    entry->is_good = definition->error == NULL;
    if (entry->is_good) {
        entry->kind = g_intern_string(definition->kind);
        entry->enabled = definition->enabled;
        entry->digest = definition->digest;
    }
    return entry;
}

static DefinitionEntry *definition_entry_copy(const DefinitionEntry *entry)
{
    DefinitionEntry *copy = g_memdup2(entry, sizeof *entry + strlen(entry->id) + 1);
    size_t n = 0;

    copy->failure = NULL;
    while (entry->patch_directories != NULL && entry->patch_directories[n++] != NULL)
        ;
    copy->patch_directories = g_memdup2(entry->patch_directories, n * sizeof(char *));
    return copy;
}

/* Why what the entry was read from cannot be read now; NULL if it can. */
static const GError *definition_entry_find_unread(const DefinitionEntry *entry,
                                                  const Definitions *now)
{
    const GError *error = definitions_find_unread(now, entry->directory);

    for (size_t i = 0;
         error == NULL && entry->patch_directories != NULL && entry->patch_directories[i] != NULL;
         i++)
        error = definitions_find_unread(now, entry->patch_directories[i]);
    return error;
}

static unsigned definition_entry_differs(const DefinitionEntry *entry, const Definition *now)
{
    const DefinitionDigest *then = &entry->digest;
    unsigned parts = 0;

    if (!entry->is_good)
        return DEFINITION_ALL_PARTS;
    if (!g_str_equal(entry->kind, now->kind))
        parts |= DEFINITION_KIND;
    if (memcmp(then->config, now->digest.config, sizeof then->config) != 0)
        parts |= DEFINITION_CONFIG;
    if (entry->enabled != now->enabled)
        parts |= DEFINITION_ENABLED;
    if (memcmp(then->about, now->digest.about, sizeof then->about) != 0)
        parts |= DEFINITION_ABOUT;
    if (entry->directory != now->directory)
        parts |= DEFINITION_DIRECTORY;
    return parts;
}

/* Comparing */

void definition_changes_free(DefinitionChanges *changes)
{
    if (changes == NULL)
        return;
    g_ptr_array_unref(changes->created);
    g_ptr_array_unref(changes->changed);
    g_ptr_array_unref(changes->removed);
    g_ptr_array_unref(changes->unchanged);
    g_ptr_array_unref(changes->failed);
    g_free(changes);
}

static DefinitionChanges *definition_changes_new(void)
{
    DefinitionChanges *changes = g_new0(DefinitionChanges, 1);

    changes->created = g_ptr_array_new_with_free_func(g_free);
    changes->changed = g_ptr_array_new_with_free_func(g_free);
    changes->removed = g_ptr_array_new_with_free_func(g_free);
    changes->unchanged = g_ptr_array_new_with_free_func(g_free);
    changes->failed = g_ptr_array_new_with_free_func(g_free);
    return changes;
}

/* One id: what is known of it and what there is now; one of both may be NULL. */
typedef struct DefinitionPair {
    const DefinitionEntry *entry;
    const Definition *definition;
} DefinitionPair;

/* The pair of the next id; false at the end. at: how far both sides are. */
static bool definition_set_next(const DefinitionSet *set, const Definitions *now, unsigned at[2],
                                DefinitionPair *ret_pair)
{
    const DefinitionEntry *entry = at[0] < set->entries->len ? set->entries->pdata[at[0]] : NULL;
    const Definition *definition = at[1] < now->list->len ? now->list->pdata[at[1]] : NULL;
    int order = 0;

    if (entry == NULL && definition == NULL)
        return false;
    if (entry != NULL && definition != NULL)
        order = strcmp(entry->id, definition->id);
    ret_pair->entry = order <= 0 ? entry : NULL;
    ret_pair->definition = order >= 0 ? definition : NULL;
    at[0] += ret_pair->entry != NULL;
    at[1] += ret_pair->definition != NULL;
    return true;
}

/* Why it cannot be used now; NULL: it can, or it is gone. */
static const GError *definition_pair_failure(const DefinitionPair *pair, const Definitions *now)
{
    const GError *reason =
            pair->entry != NULL ? definition_entry_find_unread(pair->entry, now) : NULL;

    return reason == NULL && pair->definition != NULL ? pair->definition->error : reason;
}

static DefinitionChange definition_pair_change(const DefinitionPair *pair, const GError *reason)
{
    const DefinitionEntry *entry = pair->entry;
    DefinitionChange change = {
            .id = entry != NULL ? entry->id : pair->definition->id,
            .definition = pair->definition,
            .past = entry == NULL    ? DEFINITION_WAS_ABSENT
                    : entry->is_good ? DEFINITION_WAS_GOOD
                                     : DEFINITION_WAS_BROKEN,
            .reason = reason,
    };

    if (reason != NULL && entry != NULL && entry->failure != NULL) {
        g_autofree char *failure = definition_entry_failure(reason);

        change.is_known_failure = g_str_equal(failure, entry->failure);
    }
    if (reason == NULL && entry != NULL && pair->definition != NULL)
        change.parts = definition_entry_differs(entry, pair->definition);
    return change;
}

static GPtrArray *definition_changes_array(DefinitionChanges *changes,
                                           const DefinitionChange *change)
{
    if (change->reason != NULL)
        return changes->failed;
    if (change->definition == NULL)
        return changes->removed;
    if (change->past == DEFINITION_WAS_ABSENT)
        return changes->created;
    return change->parts != 0 ? changes->changed : changes->unchanged;
}

DefinitionChanges *definition_set_compare(const DefinitionSet *loaded, const Definitions *now)
{
    DefinitionChanges *changes = definition_changes_new();
    unsigned at[2] = {0, 0};
    DefinitionPair pair;

    while (definition_set_next(loaded, now, at, &pair)) {
        DefinitionChange change =
                definition_pair_change(&pair, definition_pair_failure(&pair, now));

        g_ptr_array_add(definition_changes_array(changes, &change),
                        g_memdup2(&change, sizeof change));
    }
    return changes;
}

/* What is known of the pair from here on; NULL: nothing, it is gone. What was good stays known, and
 * so does what was broken where nothing new is known of it. */
static DefinitionEntry *definition_pair_entry(const DefinitionPair *pair, const GError *reason)
{
    bool is_newly_broken = pair->definition != NULL && reason == pair->definition->error;
    DefinitionEntry *entry = NULL;

    if (reason != NULL && pair->entry != NULL && (pair->entry->is_good || !is_newly_broken))
        entry = definition_entry_copy(pair->entry);
    else if (pair->definition != NULL)
        entry = definition_entry_new(pair->definition);
    if (entry != NULL && reason != NULL)
        entry->failure = definition_entry_failure(reason);
    return entry;
}

void definition_set_take(DefinitionSet *set, const Definitions *now)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func(definition_entry_free);
    unsigned at[2] = {0, 0};
    DefinitionPair pair;

    while (definition_set_next(set, now, at, &pair)) {
        DefinitionEntry *entry = definition_pair_entry(&pair, definition_pair_failure(&pair, now));

        if (entry != NULL)
            g_ptr_array_add(entries, entry);
    }
    g_ptr_array_unref(set->entries);
    set->entries = entries;
}
