/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written is what a person would write, and reads back to the same. */

#include "base/definition-text.h"

#include "definition-fixture.h"

#include <string.h>

/* labels: "NAME=VALUE|...", or NULL. */
typedef struct TextCase {
    const char *kind;
    bool enabled;
    const char *description;
    const char *labels;
    const char *config;
    const char *text; /* or NULL: only that it reads back */
} TextCase;

static const TextCase cases[] = {
        {"process", false, NULL, NULL, NULL,
         "{\n  \"kind\": \"process\",\n  \"enabled\": false\n}\n"},
        {"process", true, "", NULL, NULL, "{\n  \"kind\": \"process\",\n  \"enabled\": true\n}\n"},
        {"oneshot", true, "Says \"hello\" and/or ä", "b=2|a=", "{\"exec\": [\"x\"]}",
         "{\n"
         "  \"kind\": \"oneshot\",\n"
         "  \"enabled\": true,\n"
         "  \"description\": \"Says \\\"hello\\\" and/or ä\",\n"
         "  \"labels\": {\"a\": \"\", \"b\": \"2\"},\n"
         "  \"config\": {\"exec\": [\"x\"]}\n"
         "}\n"},
        /* the configuration byte for byte, whatever it looks like */
        {"k", true, NULL, NULL, "{\n\t\"a\" : 1e2 ,\r\n  \"$comment\": \"}\\u007d{\" }", NULL},
        {"k", true, NULL, NULL, "{}", NULL},
        {"k", true, NULL, NULL, "{\"config\": {\"config\": [[], {}]}, \"\\\\\": 0.10}", NULL},
        /* strings that need care */
        {"k\\\"/", true, "line\nline\ttab \x01\x1f\x7f", "\"=\\|\n= |\xc3\xa4=\xf0\x9f\x92\xa1",
         NULL, NULL},
        {"k", true, "\xc2\xa0\xe2\x80\xa8 \xef\xbf\xbf", "kind=config|config={}", "{ }", NULL},
};

static GHashTable *text_labels(const char *pairs)
{
    g_autoptr(GHashTable) labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) list = pairs != NULL ? g_strsplit(pairs, "|", -1) : NULL;

    if (list == NULL)
        return NULL;
    for (char **pair = list; *pair != NULL; pair++) {
        const char *value = strchr(*pair, '=') + 1;

        g_hash_table_insert(labels, g_strndup(*pair, (size_t)(value - *pair) - 1), g_strdup(value));
    }
    return g_steal_pointer(&labels);
}

static void text_assert_same(const Definition *definition, const DefinitionText *text)
{
    bool has_description = text->description != NULL && *text->description != '\0';
    unsigned n_labels = text->labels != NULL ? g_hash_table_size(text->labels) : 0;
    GHashTableIter iter;
    void *name, *value;

    g_assert_no_error(definition->error);
    g_assert_cmpstr(definition->kind, ==, text->kind);
    g_assert_cmpint(definition->enabled, ==, text->enabled);
    g_assert_cmpstr(definition->description, ==, has_description ? text->description : NULL);
    g_assert_cmpstr(definition->config, ==, text->config);
    if (n_labels == 0) {
        g_assert_null(definition->labels);
        return;
    }
    g_assert_cmpuint(g_hash_table_size(definition->labels), ==, n_labels);
    g_hash_table_iter_init(&iter, text->labels);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_assert_cmpstr(g_hash_table_lookup(definition->labels, name), ==, value);
}

static void test_round_trip(DefinitionFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GHashTable) labels = text_labels(cases[i].labels);
        DefinitionText text = {
                .kind = cases[i].kind,
                .enabled = cases[i].enabled,
                .description = cases[i].description,
                .labels = labels,
                .config = cases[i].config,
        };
        g_autofree char *written = definition_write(&text);

        g_test_message("%s", written);
        if (cases[i].text != NULL)
            g_assert_cmpstr(written, ==, cases[i].text);
        definition_fixture_write(fixture->first, "x.json", written);
        definition_fixture_load(fixture);
        text_assert_same(definition_fixture_get(fixture, 0), &text);
    }
}

static void test_comment(void)
{
    g_autoptr(GHashTable) labels = text_labels("$comment=x");
    DefinitionText text = {.kind = "k", .labels = labels};
    g_autofree char *written = definition_write(&text);

    g_assert_cmpstr(written, ==, "{\n  \"kind\": \"k\",\n  \"enabled\": false\n}\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    DEFINITION_TEST("text/round-trip", test_round_trip);
    g_test_add_func("/definitions/text/comment", test_comment);
    return g_test_run();
}
