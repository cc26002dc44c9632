/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A definition and a merge patch of it, with a NUL between them. The rules of RFC 7396 are looked
 * at from the result: each member of it comes from one of the two. */

#include "store/patch.h"
#include "base/json.h"
#include "fuzz.h"
#include "store/definition.h"

#include <string.h>

/* All mistakes, each with the paths of both files before it. */
#define PATCH_ERROR_MAX_BYTES (2 * PROBLEMS_MAX * 8192)

static json_t *patch_fuzz_parse(const char *text, size_t length)
{
    g_autoptr(Problems) problems = problems_new();
    json_t *document = json_document_parse(text, length, problems);

    g_assert_cmpint(document != NULL, ==, !problems_have_errors(problems));
    return document;
}

/* before: NULL or anything. */
static void patch_fuzz_assert_merged(json_t *before, json_t *patch, json_t *after)
{
    const char *name;
    json_t *value;

    g_assert_true(json_is_object(after));
    json_object_foreach(patch, name, value)
    {
        json_t *now = json_object_get(after, name);

        if (json_is_null(value))
            g_assert_null(now);
        else if (json_is_object(value))
            patch_fuzz_assert_merged(json_object_get(before, name), value, now);
        else
            g_assert_true(json_equal(now, value));
    }
    json_object_foreach(after, name, value)
    {
        if (json_object_get(patch, name) == NULL)
            g_assert_true(json_equal(value, json_object_get(before, name)));
    }
    json_object_foreach(before, name, value)
    {
        if (json_object_get(patch, name) == NULL)
            g_assert_nonnull(json_object_get(after, name));
    }
}

/* The merged document. */
static json_t *patch_fuzz_merge(json_t *document, json_t *patch)
{
    json_t *merged = json_deep_copy(document);
    json_t *twice;

    patch_apply(merged, patch);
    patch_fuzz_assert_merged(document, patch, merged);
    twice = json_deep_copy(merged);
    patch_apply(twice, patch);
    g_assert_true(json_equal(twice, merged));
    json_decref(twice);
    return merged;
}

static void patch_fuzz_assert_config(const Definition *definition, json_t *merged)
{
    const json_t *expected = json_object_get(merged, "config");
    json_t *got = definition->config != NULL ? json_loads(definition->config, 0, NULL) : NULL;

    g_assert_cmpstr(definition->kind, ==, json_string_value(json_object_get(merged, "kind")));
    g_assert_cmpint(definition->enabled, ==, json_is_true(json_object_get(merged, "enabled")));
    g_assert_true(got == NULL ? expected == NULL : json_equal(got, expected));
    json_decref(got);
}

static void patch_fuzz_assert_error(const Definition *definition, const char *patch_path)
{
    g_auto(GStrv) lines = g_strsplit(definition->error->message, "\n", -1);

    fuzz_assert_lines(definition->error->message, PATCH_ERROR_MAX_BYTES);
    for (char **line = lines; *line != NULL; line++)
        g_assert_true(g_str_has_prefix(*line, definition->path) ||
                      g_str_has_prefix(*line, patch_path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const DefinitionTrust trust = {.check = false};
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t length = nul != NULL ? (size_t)(nul - data) : size;
    const char *rest = nul != NULL ? (const char *)nul + 1 : "{}";
    size_t rest_length = nul != NULL ? size - length - 1 : 2;
    const char *patch_path;

    (void)fuzz_write_file("x.json", data, length);
    patch_path = fuzz_write_file("patch", rest, rest_length);
    const char *const patches[] = {patch_path, NULL};
    g_autoptr(Definition) definition = definition_new(fuzz_directory(), "x");
    definition_read(definition, patches, &trust);

    json_t *document = patch_fuzz_parse((const char *)data, length);
    json_t *patch = patch_fuzz_parse(rest, rest_length);
    if (document == NULL || patch == NULL)
        g_assert_nonnull(definition->error);
    if (definition->error != NULL)
        patch_fuzz_assert_error(definition, patch_path);
    if (document != NULL && patch != NULL) {
        json_t *merged = patch_fuzz_merge(document, patch);

        if (definition->error == NULL)
            patch_fuzz_assert_config(definition, merged);
        json_decref(merged);
    }
    json_decref(document);
    json_decref(patch);
    return 0;
}
