/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Directories of definitions. Of two files ID.json, that of the later directory counts. Patches are
 * the files ID.json.d/NAME.json in any of the directories: applied in the order of their names,
 * and of two of the same name only that of the later directory. Names that start with a dot or do
 * not end in ".json" are not looked at.
 *
 * One broken file hurts no other: it comes back with its error. A directory that cannot be used
 * (unreadable, untrusted, too large) is left out as a whole and named in unread: what stands in it
 * is not known, which is not the same as gone. */

#include "base/log.h"
#include "core/map.h"
#include "store/definition.h"

/* A larger directory is refused. */
#define DEFINITIONS_MAX_ENTRIES 1000000
/* More of them are counted in the last one. */
#define DEFINITIONS_MAX_MESSAGES 64

typedef struct DefinitionDirectory {
    const char *path; /* absolute */
    bool may_be_missing;
} DefinitionDirectory;

typedef struct DefinitionsOptions {
    const DefinitionDirectory *directories;
    size_t n_directories;
    DefinitionTrust trust;
    unsigned max_definitions; /* 0: MAP_MAX_SERVICES */
    unsigned max_entries;     /* of one directory; 0: DEFINITIONS_MAX_ENTRIES */
} DefinitionsOptions;

/* Something to tell those who look after the daemon, a line without a newline. */
typedef struct DefinitionMessage {
    LogLevel level;
    char *text;
} DefinitionMessage;
/* An array of them, with its free function. */
GPtrArray *definition_messages_new(void);
void definition_messages_add(GPtrArray *messages, LogLevel level, const char *format, ...)
        G_GNUC_PRINTF(3, 4);

typedef struct DefinitionUnread {
    const char *directory; /* interned */
    GError *error;
} DefinitionUnread;

typedef struct Definitions {
    GPtrArray *list;     /* of Definition, sorted by id (strcmp) */
    GPtrArray *unread;   /* of DefinitionUnread */
    GPtrArray *messages; /* of DefinitionMessage: directories left out, names that are no id,
                            patches of nothing; not what stands in Definition.error */
} Definitions;

/* An empty one. */
Definitions *definitions_new(void);
void definitions_free(Definitions *definitions); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Definitions, definitions_free)

/* NULL: a directory that must be there is missing (all of them are named), or there are more
 * definitions than max_definitions (which of them to leave out would be arbitrary). */
Definitions *definitions_load(const DefinitionsOptions *options, GError **error);

/* The same in steps, for when nothing may be kept waiting: the directories are walked at once, the
 * files read a few at a time. options: copied, but for the paths. */
typedef struct DefinitionsReader DefinitionsReader;
DefinitionsReader *definitions_reader_new(const DefinitionsOptions *options, GError **error);
/* Reads n more, and does to each what definitions_check does. True: these were the last. */
bool definitions_reader_step(DefinitionsReader *reader, Map *map, unsigned n);
/* Frees the reader, after its last step. */
Definitions *definitions_reader_take(DefinitionsReader *reader);
void definitions_reader_free(DefinitionsReader *reader); /* accepts NULL */

/* Gives an error to each definition without one whose kind is not in map, or whose kind does not
 * accept its config. */
void definitions_check(Definitions *definitions, Map *map);

/* Why the directory could not be used; NULL if it could. */
const GError *definitions_find_unread(const Definitions *definitions, const char *directory);
