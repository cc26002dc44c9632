/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions: one JSON file per service, ID.json, in a list of directories, later directories win.
 * A file is
 * {"kind": s (required), "enabled": bool, "description": s, "labels": {s: s}, "config": {...}}. One
 * broken file hurts no other: it comes back with its error, which names file, place and reason, as
 * in "/etc/x/web.json: config.restart.max_delay: expected ...", one line per mistake. */

#include "core/config.h"

#include <glib.h>
#include <stdbool.h>

typedef struct Definition {
    char *id;
    char *path;
    char *kind; /* NULL if the file does not say */
    bool enabled;
    char *description;  /* or NULL */
    GHashTable *labels; /* of strings, or NULL */
    char *config;       /* the bytes of the member "config" as they stand in the file, or NULL */
    GError *error;      /* or NULL; the rest then holds what could be read */
} Definition;
void definition_free(Definition *definition); /* accepts NULL */

/* GPtrArray of Definition, sorted by id. Names that start with a dot or do not end in ".json" are
 * not looked at. A directory that cannot be read, or a name that is no id, is a warning in the log
 * and takes nothing else down; a directory given and missing is an error (all of them joined). */
GPtrArray *definitions_load(const char *const *directories, GError **error);

/* Whether kind accepts the member "config" of a definition without error; without one: true. The
 * mistakes are reported at their places in the file. */
bool definition_check_config(const Definition *definition, const Kind *kind, GError **error);

/* Puts the path of the file in front of each line of reason. */
GError *definition_error(const Definition *definition, const GError *reason);
