/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of a definition. The member "config" is cut out of it by a scan of our own: whatever the
 * document looks like, it must be the bytes that jansson takes for the same value. */

#include "base/errors.h"
#include "config.h"
#include "fuzz.h"
#include "kinds/kinds.h"
#include "store/definitions.h"

#include <string.h>

/* All mistakes, each with the path of the file before it. */
#define DEFINITION_ERROR_MAX_BYTES (PROBLEMS_MAX * 8192)

static void definition_assert_error(const Definition *definition, const GError *error)
{
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);

    fuzz_assert_lines(error->message, DEFINITION_ERROR_MAX_BYTES);
    for (char **line = lines; *line != NULL; line++) {
        g_assert_true(g_str_has_prefix(*line, definition->path));
        g_assert_true(g_str_has_prefix(*line + strlen(definition->path), ": "));
    }
}

/* data: a document that was accepted. */
static void definition_assert_config(const Definition *definition, const uint8_t *data, size_t size)
{
    json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *expected = json_object_get(document, "config");

    g_assert_nonnull(document);
    g_assert_cmpint(expected != NULL, ==, definition->config != NULL);
    if (expected != NULL) {
        size_t length = strlen(definition->config);
        json_t *got = json_loadb(definition->config, length, JSON_REJECT_DUPLICATES, NULL);

        g_assert_nonnull(memmem(data, size, definition->config, length));
        g_assert_true(json_equal(got, expected));
        json_decref(got);
    }
    json_decref(document);
}

static void definition_assert_accepted(const Definition *definition)
{
    g_autofree Kind *kind = kind_process_new(NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(strlen(definition->kind), >, 0);
    if (definition_check_config(definition, kind, &error))
        g_assert_no_error(error);
    else
        definition_assert_error(definition, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const DefinitionDirectory directory = {.path = fuzz_directory()};
    const DefinitionsOptions options = {.directories = &directory, .n_directories = 1};
    g_autoptr(GError) error = NULL;

    (void)fuzz_write_file("x.json", data, size);
    g_autoptr(Definitions) definitions = definitions_load(&options, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(definitions->list->len, ==, 1);
    g_assert_cmpuint(definitions->messages->len, ==, 0);

    const Definition *definition = g_ptr_array_index(definitions->list, 0);
    g_assert_cmpstr(definition->id, ==, "x");
    if (definition->error != NULL) {
        definition_assert_error(definition, definition->error);
    } else {
        definition_assert_config(definition, data, size);
        definition_assert_accepted(definition);
    }
    return 0;
}
