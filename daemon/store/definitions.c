/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration inside a file is handed on byte for byte, since what people wrote, its digest
 * and what GetConfig shows are one and the same text. jansson does not tell where a value stood, so
 * a scan over the document, which is known to be valid by then, finds it. */

#include "store/definitions.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEFINITION_SUFFIX ".json"

void definition_free(Definition *definition)
{
    if (definition == NULL)
        return;
    g_free(definition->id);
    g_free(definition->path);
    g_free(definition->kind);
    g_free(definition->description);
    g_clear_pointer(&definition->labels, g_hash_table_unref);
    g_free(definition->config);
    g_clear_error(&definition->error);
    g_free(definition);
}

GError *definition_error(const Definition *definition, const GError *reason)
{
    g_auto(GStrv) lines = g_strsplit(reason->message, "\n", -1);
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; lines[i] != NULL; i++)
        g_string_append_printf(text, "%s%s: %s", i > 0 ? "\n" : "", definition->path, lines[i]);
    return g_error_new_literal(reason->domain, reason->code, text->str);
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

/* Reading */

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
        {"kind", json_read_string, offsetof(Definition, kind), NULL, true},
        {"enabled", json_read_bool, offsetof(Definition, enabled), NULL, false},
        {"description", json_read_string, offsetof(Definition, description), NULL, false},
        {"labels", definition_read_labels, offsetof(Definition, labels), NULL, false},
        {"config", definition_read_config, offsetof(Definition, config), NULL, false},
        {NULL, NULL, 0, NULL, false},
};

static void definition_parse(Definition *definition, const char *text, size_t length)
{
    g_autoptr(Problems) problems = problems_new();
    JsonContext context = {.problems = problems, .data = (void *)text};
    JsonTable table = {definition_members, definition};
    json_t *document = json_document_parse(text, length, problems);

    if (document != NULL)
        json_read_object(&context, NULL, document, &table, 1);
    json_decref(document);

    g_autoptr(GError) reason = problems_to_error(problems);
    if (reason != NULL)
        definition->error = definition_error(definition, reason);
}

static Definition *definition_read(const char *directory, const char *name)
{
    Definition *definition = g_new0(Definition, 1);
    g_autofree char *text = NULL;
    size_t length = 0;

    definition->id = g_strndup(name, strlen(name) - strlen(DEFINITION_SUFFIX));
    definition->path = g_build_filename(directory, name, NULL);
    if (file_read(AT_FDCWD, definition->path, JSON_MAX_BYTES, &text, &length, &definition->error))
        definition_parse(definition, text, length);
    return definition;
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

/* Directories */

static bool definitions_want(const char *directory, const char *name)
{
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    if (name[0] == '.' || !g_str_has_suffix(name, DEFINITION_SUFFIX)) {
        if (!g_str_equal(name, ".") && !g_str_equal(name, ".."))
            log_debug("%s/%s is no definition: ignored", directory, name);
        return false;
    }
    id = g_strndup(name, strlen(name) - strlen(DEFINITION_SUFFIX));
    if (parse_id(id, &error))
        return true;
    log_warning("%s/%s: ignored: %s", directory, name, error->message);
    return false;
}

/* False only if the directory is missing. */
static bool definitions_load_directory(const char *path, GHashTable *definitions, GError **error)
{
    DIR *directory = opendir(path);

    if (directory == NULL && (errno == ENOENT || errno == ENOTDIR))
        return error_set_errno(error, errno, "cannot open the directory of definitions %s", path);
    if (directory == NULL) {
        log_warning("cannot open the directory of definitions %s: %s: ignored", path,
                    g_strerror(errno));
        return true;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        Definition *definition;

        if (!definitions_want(path, entry->d_name))
            continue;
        definition = definition_read(path, entry->d_name);
        if (g_hash_table_contains(definitions, definition->id))
            log_debug("%s comes in place of one of an earlier directory", definition->path);
        g_hash_table_replace(definitions, definition->id, definition);
    }
    if (errno != 0)
        log_warning("cannot read the directory of definitions %s to its end: %s", path,
                    g_strerror(errno));
    (void)closedir(directory); /* only read from, nothing to lose */
    return true;
}

static int definitions_compare(const void *a, const void *b)
{
    const Definition *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static void definitions_free_one(void *definition)
{
    definition_free(definition);
}

GPtrArray *definitions_load(const char *const *directories, GError **error)
{
    g_autoptr(GHashTable) by_id =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, definitions_free_one);
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    GPtrArray *definitions;
    GHashTableIter iter;
    void *definition;

    for (size_t i = 0; directories != NULL && directories[i] != NULL; i++) {
        GError *cause = NULL;

        if (!definitions_load_directory(directories[i], by_id, &cause))
            g_ptr_array_add(errors, cause);
    }
    if (errors->len > 0) {
        g_propagate_error(error, errors_join(errors));
        return NULL;
    }
    definitions = g_ptr_array_new_with_free_func(definitions_free_one);
    g_hash_table_iter_init(&iter, by_id);
    while (g_hash_table_iter_next(&iter, NULL, &definition)) {
        g_ptr_array_add(definitions, definition);
        g_hash_table_iter_steal(&iter);
    }
    g_ptr_array_sort(definitions, definitions_compare);
    return definitions;
}
