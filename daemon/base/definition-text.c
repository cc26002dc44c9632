/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jansson reads and writes the strings; the configuration is handed on as it is, since every byte
 * of it is what somebody wrote. jansson does not tell where a value stood, so a scan over the
 * document, which is known to be valid by then, finds it. */

#include "base/definition-text.h"

#include "base/json.h"

#include <stddef.h>
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

/* Finding the text of a member. All of this relies on a valid document. */

static const char *definition_skip_blank(const char *text)
{
    return text + strspn(text, " \t\r\n");
}

/* The end of the value that begins at text. */
static const char *definition_skip_value(const char *text)
{
    unsigned depth = 0;

    do {
        if (*text == '"') {
            for (text++; *text != '"'; text++)
                text += *text == '\\';
            text++;
        } else if (strchr("[{", *text) != NULL) {
            depth++;
            text++;
        } else if (strchr("]}", *text) != NULL) {
            depth--;
            text++;
        } else {
            text += MAX(strcspn(text, "\"[]{},"), 1);
        }
    } while (depth > 0);
    return text;
}

/* A name may be written with escapes. */
static bool definition_name_is(const char *start, const char *end, const char *name)
{
    json_t *string = json_loadb(start, (size_t)(end - start), JSON_DECODE_ANY, NULL);
    bool same = string != NULL && g_str_equal(json_string_value(string), name);

    json_decref(string);
    return same;
}

static char *definition_find_member(const char *document, const char *name)
{
    const char *at = definition_skip_blank(definition_skip_blank(document) + 1);

    while (*at == '"') {
        const char *name_end = definition_skip_value(at);
        const char *value = definition_skip_blank(definition_skip_blank(name_end) + 1);
        const char *value_end = definition_skip_value(value);

        if (definition_name_is(at, name_end, name))
            return g_strndup(value, (size_t)(value_end - value));
        at = definition_skip_blank(value_end);
        at = definition_skip_blank(at + (*at == ','));
    }
    return NULL;
}

/* Members */

static void definition_read_labels(JsonContext *context, const JsonPath *path, const json_t *value,
                                   void *field, const void *unused)
{
    g_autoptr(GHashTable) labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *name;
    json_t *label;

    if (!json_is_object(value)) {
        json_problem_expected(context, path, "an object of strings", value);
        return;
    }
    /* The macro takes a json_t *, although it changes nothing. */
    json_object_foreach((json_t *)value, name, label)
    {
        JsonPath child = {.parent = path, .member = name};

        if (g_str_equal(name, JSON_COMMENT))
            continue;
        if (json_is_string(label))
            g_hash_table_insert(labels, g_strdup(name), g_strdup(json_string_value(label)));
        else
            json_problem_expected(context, &child, "a string", label);
    }
    *(GHashTable **)field = g_steal_pointer(&labels);
}

static void definition_read_config(JsonContext *context, const JsonPath *path, const json_t *value,
                                   void *field, const void *unused)
{
    if (json_is_object(value))
        *(char **)field = definition_find_member(context->data, path->member);
    else
        json_problem_expected(context, path, "an object", value);
}

static const JsonMember definition_members[] = {
        {"kind", json_read_string, offsetof(DefinitionFields, kind), NULL, true},
        {"enabled", json_read_bool, offsetof(DefinitionFields, enabled), NULL, false},
        {"description", json_read_string, offsetof(DefinitionFields, description), NULL, false},
        {"labels", definition_read_labels, offsetof(DefinitionFields, labels), NULL, false},
        {"config", definition_read_config, offsetof(DefinitionFields, config), NULL, false},
        {NULL, NULL, 0, NULL, false},
};

void definition_text_parse(const char *text, size_t length, DefinitionFields *ret_fields,
                           Problems *problems)
{
    JsonContext context = {.problems = problems, .data = (void *)text};
    JsonTable table = {definition_members, ret_fields};
    json_t *document = json_document_parse(text, length, problems);

    if (document != NULL)
        json_read_object(&context, NULL, document, &table, 1);
    json_decref(document);
}

void definition_fields_clear(DefinitionFields *fields)
{
    g_free(fields->kind);
    g_free(fields->description);
    g_clear_pointer(&fields->labels, g_hash_table_unref);
    g_free(fields->config);
    *fields = (DefinitionFields){0};
}
