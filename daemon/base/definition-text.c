/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jansson writes the strings; the configuration is put in as it is, since every byte of it is what
 * somebody wrote. */

#include "base/definition-text.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static void definition_append_string(GString *text, const char *string)
{
    json_t *value = json_string(string);
    char *written = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

    g_assert(written != NULL);
    g_string_append(text, written);
    free(written);
    json_decref(value);
}

static void definition_append_member(GString *text, const char *name)
{
    g_string_append_printf(text, "%s\n  \"%s\": ", text->len > 1 ? "," : "", name);
}

static int definition_compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void definition_append_labels(GString *text, GHashTable *labels)
{
    GList *names = g_list_sort(g_hash_table_get_keys(labels), definition_compare_names);
    bool is_first = true;

    for (GList *name = names; name != NULL; name = name->next) {
        if (g_str_equal(name->data, JSON_COMMENT))
            continue;
        if (is_first)
            definition_append_member(text, "labels");
        g_string_append(text, is_first ? "{" : ", ");
        is_first = false;
        definition_append_string(text, name->data);
        g_string_append(text, ": ");
        definition_append_string(text, g_hash_table_lookup(labels, name->data));
    }
    g_string_append(text, is_first ? "" : "}");
    g_list_free(names);
}

char *definition_write(const DefinitionText *definition)
{
    g_autoptr(GString) text = g_string_new("{");

    definition_append_member(text, "kind");
    definition_append_string(text, definition->kind);
    definition_append_member(text, "enabled");
    g_string_append(text, definition->enabled ? "true" : "false");
    if (definition->description != NULL && *definition->description != '\0') {
        definition_append_member(text, "description");
        definition_append_string(text, definition->description);
    }
    if (definition->labels != NULL)
        definition_append_labels(text, definition->labels);
    if (definition->config != NULL) {
        definition_append_member(text, "config");
        g_string_append(text, definition->config);
    }
    g_string_append(text, "\n}\n");
    return g_string_free(g_steal_pointer(&text), FALSE);
}
