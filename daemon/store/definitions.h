/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions: one JSON file per service, ID.json, in a list of directories, later directories win.
 * A file is
 * {"kind": s (required), "enabled": bool, "description": s, "labels": {s: s}, "config": {...}}. One
 * broken file hurts no other: it comes back with its error, which names file, place and reason. */

#include <glib.h>
#include <stdbool.h>

typedef struct Definition {
    char *id;
    char *path;
    char *kind; /* NULL if the file does not say */
    bool enabled;
    char *description;  /* or NULL */
    GHashTable *labels; /* of strings, or NULL */
    char *config;  /* JSON text of the member "config" as the core's parser reads it, or NULL */
    GError *error; /* or NULL; the rest then holds what could be read */
} Definition;
void definition_free(Definition *definition); /* accepts NULL */

/* GPtrArray of Definition, sorted by id. A directory that cannot be read, or a name that is no id,
 * is a warning in the log and takes nothing else down; a directory given and missing is an error.
 */
GPtrArray *definitions_load(const char *const *directories, GError **error);
