/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of a definition file, read, and written as a person would write it. Reading gives the
 * same again, the configuration byte for byte. */

#include "base/problem.h"

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

/* What a definition file says. */
typedef struct DefinitionFields {
    char *kind; /* NULL: it does not say, which is a problem */
    bool enabled;
    char *description;  /* or NULL */
    GHashTable *labels; /* of strings, or NULL */
    char *config;       /* the bytes of the member "config" as they stand in text, or NULL */
} DefinitionFields;
/* Zero-initialised. Also what could be read in spite of problems is the caller's. */
void definition_text_parse(const char *text, size_t length, DefinitionFields *ret_fields,
                           Problems *problems);
void definition_fields_clear(DefinitionFields *fields);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DefinitionFields, definition_fields_clear)
