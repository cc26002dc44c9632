/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One definition: a file ID.json, and the patches that stand beside it. The file is
 * {"kind": s (required), "enabled": bool, "description": s, "labels": {s: s}, "config": {...}}.
 *
 * What is wrong with it names file, place and reason, one line per mistake:
 * "/etc/x/web.json: config.exec: expected ...". Of a file that was patched the place may be in
 * either: "/etc/x/web.json (patched by /etc/x/web.json.d/10-a.json): ...". */

#include "core/config.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A definition and all of its patches together have at most JSON_MAX_BYTES. */
#define DEFINITION_MAX_PATCHES 256

#define DEFINITION_DIGEST_BYTES 16 /* of a SHA-256 */
/* What two loads are compared by. */
typedef struct DefinitionDigest {
    uint8_t config[DEFINITION_DIGEST_BYTES]; /* of the text */
    uint8_t about[DEFINITION_DIGEST_BYTES];  /* of description and labels */
} DefinitionDigest;

typedef struct Definition {
    char *id;
    const char *directory; /* canonical, interned */
    char *path;
    char **patches; /* paths in the order in which they were applied, or NULL */
    char *kind;     /* NULL if the file does not say */
    bool enabled;
    char *description;  /* or NULL */
    GHashTable *labels; /* of strings, or NULL */
    /* The member "config", or NULL: its bytes as they stand in the file; of a patched definition,
     * what the merge gave, as JSON. */
    char *config;
    DefinitionDigest digest;
    GError *error; /* or NULL; the rest then holds what could be read */
} Definition;
/* directory: canonical (no "//", no "/" at its end). */
Definition *definition_new(const char *directory, const char *id);
void definition_free(Definition *definition); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Definition, definition_free)

/* Whose files are believed: with check, only those that nobody but root and uid can change. */
typedef struct DefinitionTrust {
    bool check;
    uint32_t uid;
} DefinitionTrust;

/* Reads the file and applies patches (paths, NULL-terminated, or NULL) in their order; what is
 * wrong goes to definition->error. A patch is a merge patch (RFC 7396) of the whole document. */
void definition_read(Definition *definition, const char *const *patches,
                     const DefinitionTrust *trust);

/* The digest of what the definition holds now. */
void definition_take_digest(Definition *definition);

/* Whether kind accepts the member "config" of a definition without error; without one: true. The
 * mistakes are reported at their places in the file. */
bool definition_check_config(const Definition *definition, const Kind *kind, GError **error);

/* Puts the path of the file, and of its patches, in front of each line of reason. */
GError *definition_error(const Definition *definition, const GError *reason);
