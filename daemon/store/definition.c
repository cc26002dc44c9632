/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration inside a file is handed on byte for byte, since what people wrote, its digest
 * and what GetConfig shows are one and the same text. jansson does not tell where a value stood, so
 * a scan over the document, which is known to be valid by then, finds it. A patched definition is
 * written out again and read like a file: the same limits and the same scan hold for it. */

#include "store/definition.h"

#include "base/definition-text.h"
#include "base/errors.h"
#include "base/fds.h"
#include "base/json.h"
#include "store/patch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* As many digits say every number that people write, and more than that say only where binary and
 * decimal part. */
#define DEFINITION_DIGITS 15
#define DEFINITION_PATCHES_NAMED 3

Definition *definition_new(const char *directory, const char *id)
{
    Definition *definition = g_new0(Definition, 1);

    definition->id = g_strdup(id);
    definition->directory = g_intern_string(directory);
    definition->path = g_strdup_printf("%s/%s.json", directory, id);
    return definition;
}

void definition_free(Definition *definition)
{
    if (definition == NULL)
        return;
    g_free(definition->id);
    g_free(definition->path);
    g_strfreev(definition->patches);
    g_free(definition->kind);
    g_free(definition->description);
    g_clear_pointer(&definition->labels, g_hash_table_unref);
    g_free(definition->config);
    g_clear_error(&definition->error);
    g_free(definition);
}

/* Errors */

static char *definition_place(const Definition *definition)
{
    g_autoptr(GString) place = g_string_new(definition->path);
    unsigned n_patches = definition->patches != NULL ? g_strv_length(definition->patches) : 0;

    for (unsigned i = 0; i < MIN(n_patches, DEFINITION_PATCHES_NAMED); i++)
        g_string_append_printf(place, "%s%s", i == 0 ? " (patched by " : ", ",
                               definition->patches[i]);
    if (n_patches > DEFINITION_PATCHES_NAMED)
        g_string_append_printf(place, " and %u more", n_patches - DEFINITION_PATCHES_NAMED);
    if (n_patches > 0)
        g_string_append_c(place, ')');
    return g_string_free(g_steal_pointer(&place), FALSE);
}

static GError *definition_error_at(const char *place, const GError *reason)
{
    g_auto(GStrv) lines = g_strsplit(reason->message, "\n", -1);
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; lines[i] != NULL; i++)
        g_string_append_printf(text, "%s%s: %s", i > 0 ? "\n" : "", place, lines[i]);
    return g_error_new_literal(reason->domain, reason->code, text->str);
}

GError *definition_error(const Definition *definition, const GError *reason)
{
    g_autofree char *place = definition_place(definition);

    return definition_error_at(place, reason);
}

/* Takes error, which comes after those that are there. */
static void definition_add_error(Definition *definition, GError *error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    if (definition->error != NULL)
        g_ptr_array_add(errors, definition->error);
    g_ptr_array_add(errors, error);
    definition->error = errors_join(errors);
}

/* Reading */

static void definition_parse(Definition *definition, const char *text, size_t length)
{
    g_autoptr(Problems) problems = problems_new();
    DefinitionFields fields = {0};

    definition_text_parse(text, length, &fields, problems);
    definition->kind = fields.kind;
    definition->enabled = fields.enabled;
    definition->description = fields.description;
    definition->labels = fields.labels;
    definition->config = fields.config;

    g_autoptr(GError) reason = problems_to_error(problems);
    if (reason != NULL)
        definition_add_error(definition, definition_error(definition, reason));
}

/* Patches */

static bool definition_read_file(const char *path, const DefinitionTrust *trust, char **ret_text,
                                 size_t *ret_length, GError **error)
{
    if (trust->check)
        return file_read_trusted(path, JSON_MAX_BYTES, trust->uid, ret_text, ret_length, error);
    return file_read(AT_FDCWD, path, JSON_MAX_BYTES, ret_text, ret_length, error);
}

static json_t *definition_parse_patch(const char *path, const char *text, size_t length,
                                      GError **error)
{
    g_autoptr(Problems) problems = problems_new();
    json_t *patch = json_document_parse(text, length, problems);
    g_autoptr(GError) reason = problems_to_error(problems);

    if (patch == NULL)
        g_propagate_error(error, definition_error_at(path, reason));
    return patch;
}

/* n_bytes: what was read before, and with this. */
static bool definition_apply_file(json_t *document, const char *path, const DefinitionTrust *trust,
                                  size_t *n_bytes, GError **error)
{
    g_autofree char *text = NULL;
    size_t length = 0;
    json_t *patch;

    if (!definition_read_file(path, trust, &text, &length, error))
        return false;
    *n_bytes += length;
    if (*n_bytes > JSON_MAX_BYTES)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "%s: the definition and its patches are larger than %d bytes together",
                         path, JSON_MAX_BYTES);
    patch = definition_parse_patch(path, text, length, error);
    if (patch == NULL)
        return false;
    patch_apply(document, patch);
    json_decref(patch);
    return true;
}

/* The text of a document, with numbers as short as they can be said. */
static char *definition_dump(json_t *document)
{
    char *text = json_dumps(document, JSON_REAL_PRECISION(DEFINITION_DIGITS));
    json_t *again = text != NULL ? json_loads(text, 0, NULL) : NULL;
    bool same = json_equal(again, document);
    char *copy;

    json_decref(again);
    if (!same) {
        free(text);
        text = json_dumps(document, 0);
    }
    g_assert(text != NULL);
    copy = g_strdup(text);
    free(text);
    return copy;
}

/* The text that takes the place of text; NULL if there is none: the reasons are added, or text is
 * no document at all and its reader will say so. */
static char *definition_patch(Definition *definition, const char *const *patches,
                              const DefinitionTrust *trust, const char *text, size_t length)
{
    g_autoptr(Problems) unused = problems_new();
    json_t *document = json_document_parse(text, length, unused);
    size_t n_bytes = length;
    char *patched = NULL;

    if (document == NULL)
        return NULL;
    for (size_t i = 0; patches[i] != NULL && n_bytes <= JSON_MAX_BYTES; i++) {
        GError *error = NULL;

        if (!definition_apply_file(document, patches[i], trust, &n_bytes, &error))
            definition_add_error(definition, error);
    }
    if (definition->error == NULL) {
        patched = definition_dump(document);
        definition->patches = g_strdupv((char **)(void *)patches);
    }
    json_decref(document);
    return patched;
}

void definition_read(Definition *definition, const char *const *patches,
                     const DefinitionTrust *trust)
{
    g_autofree char *text = NULL;
    g_autofree char *patched = NULL;
    size_t length = 0;
    GError *error = NULL;

    if (!definition_read_file(definition->path, trust, &text, &length, &error)) {
        definition_add_error(definition, error);
        return;
    }
    if (patches != NULL && patches[0] != NULL)
        patched = definition_patch(definition, patches, trust, text, length);
    if (patched != NULL)
        definition_parse(definition, patched, strlen(patched));
    else
        definition_parse(definition, text, length);
    definition_take_digest(definition);
}

/* Digests */

static void definition_hash_done(GChecksum *hash, uint8_t ret_digest[DEFINITION_DIGEST_BYTES])
{
    uint8_t whole[32];
    gsize length = sizeof whole;

    g_checksum_get_digest(hash, whole, &length);
    memcpy(ret_digest, whole, DEFINITION_DIGEST_BYTES);
    g_checksum_free(hash);
}

/* With its NUL, so that no two sequences of strings are the same bytes. */
static void definition_hash_string(GChecksum *hash, const char *string)
{
    g_checksum_update(hash, (const guchar *)string, (gssize)strlen(string) + 1);
}

static int definition_order_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void definition_hash_about(const Definition *definition,
                                  uint8_t ret_digest[DEFINITION_DIGEST_BYTES])
{
    GChecksum *hash = g_checksum_new(G_CHECKSUM_SHA256);
    GList *names = definition->labels != NULL ? g_hash_table_get_keys(definition->labels) : NULL;

    definition_hash_string(hash, definition->description != NULL ? definition->description : "");
    names = g_list_sort(names, definition_order_names);
    for (GList *name = names; name != NULL; name = name->next) {
        definition_hash_string(hash, name->data);
        definition_hash_string(hash, g_hash_table_lookup(definition->labels, name->data));
    }
    g_list_free(names);
    definition_hash_done(hash, ret_digest);
}

void definition_take_digest(Definition *definition)
{
    memset(&definition->digest, 0, sizeof definition->digest); /* of what is not there */
    if (definition->config != NULL) {
        GChecksum *hash = g_checksum_new(G_CHECKSUM_SHA256);

        definition_hash_string(hash, definition->config);
        definition_hash_done(hash, definition->digest.config);
    }
    if (definition->description != NULL ||
        (definition->labels != NULL && g_hash_table_size(definition->labels) > 0))
        definition_hash_about(definition, definition->digest.about);
}

bool definition_check_config(const Definition *definition, const Kind *kind, GError **error)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Problems) placed = problems_new();
    g_autoptr(Config) config = NULL;

    if (definition->config == NULL)
        return true;
    config = config_parse(kind, definition->config, strlen(definition->config), problems);
    for (unsigned i = 0; i < problems_count(problems); i++) {
        const Problem *problem = problems_get(problems, i);
        g_autofree char *pointer = g_strconcat("/config", problem->pointer, NULL);

        problems_add(placed, problem->severity, pointer, 0, 0, "%s", problem->message);
    }

    g_autoptr(GError) reason = problems_to_error(placed);
    if (reason == NULL)
        return true;
    g_propagate_error(error, definition_error(definition, reason));
    return false;
}
