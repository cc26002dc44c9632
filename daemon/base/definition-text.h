/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of a definition file, as a person would write it. Reading it gives the same again, the
 * configuration byte for byte. */

#include <glib.h>
#include <stdbool.h>

typedef struct DefinitionText {
    const char *kind;
    bool enabled;
    const char *description; /* NULL or "": none */
    GHashTable *labels;      /* of strings; NULL or empty: none */
    const char *config;      /* a JSON object; NULL: none */
} DefinitionText;

/* Ends in a newline. All strings are UTF-8. A label "$comment" would be a comment in a file and is
 * left out. */
char *definition_write(const DefinitionText *definition);
