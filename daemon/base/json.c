/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading objects by tables. A table says which members there are and which function reads each of
 * them; the walk over the object knows nothing else. A reader that finds a mistake adds a problem
 * and leaves its field alone, so one pass finds all mistakes. */

#include "base/json.h"

#include "base/parse.h"

#include <string.h>

/* Enough for an excerpt, which is cut again. */
#define JSON_VALUE_BYTES 128
#define JSON_VALUE_DIGITS 15
/* A member name further away than this is not suggested. */
#define JSON_SUGGESTION_DISTANCE 2
#define JSON_SUGGESTION_BYTES 64

static void json_path_append(GString *pointer, const JsonPath *path)
{
    if (path->parent != NULL)
        json_path_append(pointer, path->parent);
    g_string_append_c(pointer, '/');
    if (path->member == NULL) {
        g_string_append_printf(pointer, "%zu", path->index);
        return;
    }
    for (const char *c = path->member; *c != '\0'; c++) {
        if (*c == '~')
            g_string_append(pointer, "~0");
        else if (*c == '/')
            g_string_append(pointer, "~1");
        else
            g_string_append_c(pointer, *c);
    }
}

char *json_path_to_pointer(const JsonPath *path)
{
    GString *pointer = g_string_new(NULL);

    if (path != NULL)
        json_path_append(pointer, path);
    return g_string_free(pointer, FALSE);
}

void json_problem(JsonContext *context, const JsonPath *path, const char *format, ...)
{
    g_autofree char *pointer = NULL;
    g_autofree char *message = NULL;
    va_list arguments;

    if (problems_are_full(context->problems)) {
        problems_add(context->problems, PROBLEM_ERROR, "", 0, 0, "%s", ""); /* only counted */
        return;
    }
    pointer = json_path_to_pointer(path);
    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    problems_add(context->problems, PROBLEM_ERROR, pointer, 0, 0, "%s", message);
}

/* Takes what has room and ends the dump then: a value can be as large as a document. */
static int on_json_value_dump(const char *bytes, size_t size, void *data)
{
    GString *text = data;

    g_string_append_len(text, bytes, (gssize)MIN(size, JSON_VALUE_BYTES - text->len));
    return text->len < JSON_VALUE_BYTES ? 0 : -1;
}

static char *json_value_excerpt(const json_t *value)
{
    g_autoptr(GString) text = g_string_new(NULL);

    /* Fails when the room is used up, which is as good. */
    (void)json_dump_callback(value, on_json_value_dump, text,
                             JSON_ENCODE_ANY | JSON_REAL_PRECISION(JSON_VALUE_DIGITS));
    return parse_excerpt(text->str);
}

void json_problem_expected(JsonContext *context, const JsonPath *path, const char *expected,
                           const json_t *got)
{
    g_autofree char *excerpt = NULL;

    if (!problems_are_full(context->problems)) /* else it would not be shown */
        excerpt = json_value_excerpt(got);
    json_problem(context, path, "expected %s, got %s", expected, excerpt);
}

/* Levenshtein's distance of two names of at most JSON_SUGGESTION_BYTES. */
static size_t json_name_distance(const char *a, const char *b)
{
    size_t row[JSON_SUGGESTION_BYTES + 1];
    size_t length = strlen(b);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            row[j + 1] = MIN(replaced, MIN(diagonal, row[j]) + 1);
        }
    }
    return row[length];
}

/* The known name nearest to name, or NULL if none is near. */
static const char *json_name_suggest(const char *name, const JsonTable *tables, size_t n_tables)
{
    size_t nearest = JSON_SUGGESTION_DISTANCE + 1;
    const char *suggestion = NULL;

    if (strlen(name) > JSON_SUGGESTION_BYTES)
        return NULL;
    for (size_t i = 0; i < n_tables; i++) {
        for (const JsonMember *member = tables[i].members; member->name != NULL; member++) {
            size_t length = strlen(member->name);
            size_t distance;

            if (length > JSON_SUGGESTION_BYTES)
                continue;
            distance = json_name_distance(name, member->name);
            /* Where every character differs, nothing is near. */
            if (distance < nearest && distance < MIN(length, strlen(name))) {
                nearest = distance;
                suggestion = member->name;
            }
        }
    }
    return suggestion;
}

static const JsonMember *json_table_find(const JsonTable *table, const char *name)
{
    for (const JsonMember *member = table->members; member->name != NULL; member++) {
        if (g_str_equal(member->name, name))
            return member;
    }
    return NULL;
}

static void json_read_member(JsonContext *context, const JsonPath *path, const json_t *value,
                             const JsonTable *tables, size_t n_tables)
{
    const char *suggestion;

    for (size_t i = 0; i < n_tables; i++) {
        const JsonMember *member = json_table_find(&tables[i], path->member);

        if (member != NULL) {
            member->read(context, path, value, (char *)tables[i].target + member->offset,
                         member->argument);
            return;
        }
    }
    suggestion = problems_are_full(context->problems)
                         ? NULL
                         : json_name_suggest(path->member, tables, n_tables);
    if (suggestion != NULL)
        json_problem(context, path, "unknown member; did you mean \"%s\"?", suggestion);
    else
        json_problem(context, path, "unknown member");
}

static void json_check_required(JsonContext *context, const JsonPath *path, const json_t *object,
                                const JsonTable *table)
{
    for (const JsonMember *member = table->members; member->name != NULL; member++) {
        JsonPath child = {.parent = path, .member = member->name};

        if (member->required && json_object_get(object, member->name) == NULL)
            json_problem(context, &child, "required, but missing");
    }
}

void json_read_object(JsonContext *context, const JsonPath *path, const json_t *object,
                      const JsonTable *tables, size_t n_tables)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object)) {
        json_problem_expected(context, path, "an object", object);
        return;
    }
    /* The macro takes a json_t *, although it changes nothing. */
    json_object_foreach((json_t *)object, name, value)
    {
        JsonPath child = {.parent = path, .member = name};

        if (!g_str_equal(name, JSON_COMMENT))
            json_read_member(context, &child, value, tables, n_tables);
    }
    for (size_t i = 0; i < n_tables; i++)
        json_check_required(context, path, object, &tables[i]);
}
