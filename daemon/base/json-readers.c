/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The readers of single values. Each checks the type, then the text or the range, and writes its
 * field only when all is well. */

#include "base/json.h"

#include "base/clock.h"
#include "base/parse.h"

#include <errno.h>
#include <string.h>

/* 2^64; the largest double below it is far from USEC_INFINITY. */
#define JSON_USEC_LIMIT 18446744073709551616.0

/* How the bounds of a range are written for people. */
typedef char *(*JsonFormat)(uint64_t value);

static char *json_format_unsigned(uint64_t value)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}

/* "a number from 1 to 100"; what: "a number". */
static char *json_range_expected(const JsonRange *range, const char *what, JsonFormat format)
{
    g_autofree char *min = NULL;
    g_autofree char *max = NULL;

    if (range->expected != NULL)
        return g_strdup(range->expected);
    min = format(range->min);
    max = format(range->max);
    if (range->max == UINT64_MAX)
        return g_strdup_printf("%s of at least %s", what, min);
    return g_strdup_printf("%s from %s to %s", what, min, max);
}

static void json_range_store(JsonContext *context, const JsonPath *path, const json_t *value,
                             uint64_t number, const JsonRange *range, const char *what,
                             JsonFormat format, uint64_t *field)
{
    g_autofree char *expected = NULL;

    if (range == NULL || (number >= range->min && number <= range->max)) {
        *field = number;
        return;
    }
    expected = json_range_expected(range, what, format);
    json_problem_expected(context, path, expected, value);
}

void json_read_bool(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *unused)
{
    if (json_is_boolean(value))
        *(bool *)field = json_is_true(value);
    else
        json_problem_expected(context, path, "true or false", value);
}

void json_read_unsigned(JsonContext *context, const JsonPath *path, const json_t *value,
                        void *field, const void *range)
{
    g_autofree char *expected = NULL;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        json_range_store(context, path, value, (uint64_t)json_integer_value(value), range,
                         "a number", json_format_unsigned, field);
        return;
    }
    expected = json_range_expected(range, "a number", json_format_unsigned);
    json_problem_expected(context, path, expected, value);
}

void json_read_real(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *range)
{
    const JsonRealRange *limits = range;
    double number = json_number_value(value);
    char min[G_ASCII_DTOSTR_BUF_SIZE];
    char max[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *expected = NULL;

    if (json_is_number(value) && number >= limits->min && number <= limits->max) {
        *(double *)field = number;
        return;
    }
    /* Not printf: its decimal point is the locale's. */
    g_ascii_formatd(min, sizeof(min), "%g", limits->min);
    g_ascii_formatd(max, sizeof(max), "%g", limits->max);
    expected = limits->expected != NULL ? g_strdup(limits->expected)
                                        : g_strdup_printf("a number from %s to %s", min, max);
    json_problem_expected(context, path, expected, value);
}

/* A number of seconds. -EINVAL: negative, or so small that only 0 would remain of it; -ERANGE: too
 * large. */
static int json_seconds_to_usec(const json_t *value, uint64_t *ret_usec)
{
    double usec = json_number_value(value) * (double)USEC_PER_SEC;
    uint64_t seconds = (uint64_t)json_integer_value(value); /* 0 for a real */

    if (usec < 0 || (usec > 0 && usec < 0.5))
        return -EINVAL;
    if (usec >= JSON_USEC_LIMIT)
        return -ERANGE;
    *ret_usec = json_is_integer(value) ? seconds * USEC_PER_SEC : (uint64_t)(usec + 0.5);
    return 0;
}

static bool json_value_to_usec(JsonContext *context, const JsonPath *path, const json_t *value,
                               uint64_t *ret_usec)
{
    g_autoptr(GError) error = NULL;
    int r = -EINVAL;

    if (json_is_string(value)) {
        if (parse_duration(json_string_value(value), ret_usec, &error))
            return true;
        json_problem(context, path, "%s", error->message);
        return false;
    }
    if (json_is_number(value))
        r = json_seconds_to_usec(value, ret_usec);
    if (r == -ERANGE)
        json_problem_expected(context, path, "a duration below 2^64 microseconds", value);
    else if (r < 0)
        json_problem_expected(context, path, "a duration such as \"30s\"", value);
    return r == 0;
}

void json_read_duration(JsonContext *context, const JsonPath *path, const json_t *value,
                        void *field, const void *range)
{
    uint64_t usec;

    if (json_value_to_usec(context, path, value, &usec))
        json_range_store(context, path, value, usec, range, "a duration", format_duration, field);
}

void json_read_size(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *range)
{
    g_autoptr(GError) error = NULL;
    uint64_t bytes;

    if (json_is_string(value)) {
        if (!parse_size(json_string_value(value), &bytes, &error)) {
            json_problem(context, path, "%s", error->message);
            return;
        }
    } else if (json_is_integer(value) && json_integer_value(value) >= 0) {
        bytes = (uint64_t)json_integer_value(value);
    } else {
        json_problem_expected(context, path, "a size such as \"64KiB\"", value);
        return;
    }
    json_range_store(context, path, value, bytes, range, "a size", format_size, field);
}

static void json_string_store(char **field, const char *string)
{
    g_free(*field);
    *field = g_strdup(string);
}

void json_read_string(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                      const void *unused)
{
    if (json_is_string(value) && json_string_length(value) > 0)
        json_string_store(field, json_string_value(value));
    else
        json_problem_expected(context, path, "a string that is not empty", value);
}

static bool json_path_has_parent_component(const char *string)
{
    for (const char *c = strstr(string, ".."); c != NULL; c = strstr(c + 1, "..")) {
        if ((c == string || c[-1] == '/') && (c[2] == '/' || c[2] == '\0'))
            return true;
    }
    return false;
}

void json_read_path(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *unused)
{
    const char *string = json_string_value(value);

    if (string != NULL && *string == '/' && !json_path_has_parent_component(string))
        json_string_store(field, string);
    else
        json_problem_expected(context, path, "an absolute path without \"..\"", value);
}

/* The strings of an array; NULL with a problem added for each element that is not one. */
static char **json_array_to_strv(JsonContext *context, const JsonPath *path, const json_t *array)
{
    size_t n = json_array_size(array), n_strings = 0;
    g_auto(GStrv) strings = g_new0(char *, n + 1); /* they are kept: no room to grow */

    for (size_t i = 0; i < n; i++) {
        JsonPath child = {.parent = path, .index = i};
        const json_t *element = json_array_get(array, i);

        if (json_is_string(element))
            strings[n_strings++] = g_strdup(json_string_value(element));
        else
            json_problem_expected(context, &child, "a string", element);
    }
    return n_strings == n ? g_steal_pointer(&strings) : NULL;
}

void json_read_strv(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *range)
{
    const JsonRange *limits = range;
    char ***strings = field;
    char **read;
    size_t n = json_array_size(value);

    if (!json_is_array(value)) {
        json_problem_expected(context, path, "an array of strings", value);
        return;
    }
    if (limits != NULL && (n < limits->min || n > limits->max)) {
        g_autofree char *expected =
                json_range_expected(limits, "a number of strings", json_format_unsigned);

        json_problem(context, path, "expected %s, got %zu", expected, n);
        return;
    }
    read = json_array_to_strv(context, path, value);
    if (read != NULL) {
        g_strfreev(*strings);
        *strings = read;
    }
}

void json_read_enum(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *table)
{
    const JsonEnum *strings = table;
    const char *string = json_string_value(value);
    int number = string != NULL ? strings->from_string(string) : -1;

    if (number >= 0)
        *(int *)field = number;
    else
        json_problem_expected(context, path, strings->expected, value);
}

static bool json_is_variable_name(const char *name)
{
    const char *c = name;

    while (g_ascii_isalnum(*c) || *c == '_')
        c++;
    return c > name && *c == '\0' && !g_ascii_isdigit(*name);
}

void json_read_environment(JsonContext *context, const JsonPath *path, const json_t *value,
                           void *field, const void *unused)
{
    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
    bool is_good = true;
    char ***variables = field;
    const char *name;
    json_t *text;

    if (!json_is_object(value)) {
        json_problem_expected(context, path, "an object of strings", value);
        return;
    }
    json_object_foreach((json_t *)value, name, text)
    {
        JsonPath child = {.parent = path, .member = name};

        if (g_str_equal(name, JSON_COMMENT))
            continue;
        if (json_is_variable_name(name) && json_is_string(text)) {
            g_ptr_array_add(strings, g_strconcat(name, "=", json_string_value(text), NULL));
            continue;
        }
        is_good = false;
        if (!json_is_variable_name(name))
            json_problem(
                    context, &child,
                    "expected a name of letters, digits and _ that does not start with a digit");
        else
            json_problem(context, &child, "expected a string"); /* it may be a secret */
    }
    if (!is_good)
        return;
    g_ptr_array_add(strings, NULL);
    g_strfreev(*variables);
    *variables = (char **)g_ptr_array_free(g_steal_pointer(&strings), FALSE);
}

void json_read_members(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                       const void *members)
{
    JsonTable table = {.members = members, .target = field};

    json_read_object(context, path, value, &table, 1);
}
