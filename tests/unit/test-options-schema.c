/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The schema of the config file against the table of options, and the example that is shipped. */

#include "base/json.h"
#include "options-fixture.h"
#include "run/options-internal.h"

#include <string.h>

static json_t *schema_load(const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("DATA"), "schemas", name, NULL);
    json_error_t error;
    json_t *schema = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    g_assert_cmpstr(schema == NULL ? error.text : "", ==, "");
    return schema;
}

static void assert_string(const json_t *object, const char *member, const char *expected)
{
    g_assert_cmpstr(json_string_value(json_object_get(object, member)), ==, expected);
}

static void assert_path(const json_t *schema, const OptionEntry *entry, const json_t *property)
{
    const json_t *path = json_object_get(json_object_get(schema, "$defs"), "location");

    assert_string(path, "pattern", "^/");
    if (entry->argument == NULL) {
        assert_string(property, "$ref", "#/$defs/location");
        return;
    }
    g_autofree char *pattern = g_strdup_printf("^(/|%s$)", (const char *)entry->argument);
    assert_string(property, "pattern", pattern);
}

/* "a, b or c" */
static char *schema_join_words(const json_t *words)
{
    GString *text = g_string_new(NULL);
    size_t n = json_array_size(words);

    for (size_t i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s",
                               i == 0       ? ""
                               : i == n - 1 ? " or "
                                            : ", ",
                               json_string_value(json_array_get(words, i)));
    return g_string_free(text, FALSE);
}

static void assert_property(const json_t *schema, const OptionEntry *entry, const json_t *property)
{
    const JsonRange *range = entry->argument;

    switch (entry->type) {
    case OPTION_FLAG:
        assert_string(property, "type", "boolean");
        return;
    case OPTION_STRING:
        assert_string(property, "type", "string");
        g_assert_cmpint(json_integer_value(json_object_get(property, "minLength")), ==, 1);
        return;
    case OPTION_PATH:
        assert_path(schema, entry, property);
        return;
    case OPTION_WORD_OR_PATH:
        assert_string(property, "pattern", "^(/|(auto|none)$)");
        return;
    case OPTION_PATHS:
        assert_path(schema, entry, json_object_get(property, "items"));
        g_assert_cmpint(json_integer_value(json_object_get(property, "minItems")), ==, 1);
        return;
    case OPTION_COUNT:
        assert_string(property, "type", "integer");
        g_assert_cmpuint(json_integer_value(json_object_get(property, "minimum")), ==, range->min);
        g_assert_cmpuint(json_integer_value(json_object_get(property, "maximum")), ==, range->max);
        return;
    case OPTION_SIZE:
        assert_string(property, "$ref", "#/$defs/size");
        return;
    case OPTION_DURATION:
        assert_string(property, "$ref", "#/$defs/duration");
        return;
    case OPTION_ENUM: {
        const OptionEnum *strings = entry->argument;
        g_autofree char *words = schema_join_words(json_object_get(property, "enum"));

        g_assert_cmpstr(words, ==, strings->strings.expected);
        return;
    }
    case OPTION_DEFAULTS:
        assert_string(property, "type", "object");
        return;
    case _OPTION_TYPE_MAX:
    case _OPTION_TYPE_INVALID:
        break;
    }
    g_assert_not_reached();
}

static void test_members(OptionsFixture *fixture, const void *unused)
{
    json_t *schema = schema_load("svcmgrd.json");
    const json_t *properties = json_object_get(schema, "properties");
    size_t n_members = 1; /* the comment */

    for (const OptionEntry *entry = options_table; entry->name != NULL; entry++) {
        g_autofree char *member = option_member(entry);
        const json_t *property = json_object_get(properties, member);

        g_test_message("%s", member);
        if ((entry->flags & OPTION_IN_FILE) == 0) {
            g_assert_null(property);
            continue;
        }
        n_members++;
        g_assert_nonnull(json_object_get(property, "description"));
        assert_property(schema, entry, property);
    }
    g_assert_cmpuint(json_object_size(properties), ==, n_members);
    g_assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    json_decref(schema);
}

/* What the schema says that holds by default does. */
static void test_defaults(OptionsFixture *fixture, const void *unused)
{
    json_t *schema = schema_load("svcmgrd.json");
    json_t *properties = json_object_get(schema, "properties");
    const char *member;
    json_t *property;
    unsigned n_defaults = 0;

    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_autofree char *text = options_to_json(&fixture->options);
    json_t *printed = json_loads(text, 0, NULL);
    json_object_foreach(properties, member, property)
    {
        const json_t *expected = json_object_get(property, "default");

        if (expected == NULL)
            continue;
        n_defaults++;
        g_test_message("%s", member);
        g_assert_true(json_equal(expected, json_object_get(printed, member)));
    }
    g_assert_cmpuint(n_defaults, ==, 8);
    json_decref(printed);
    json_decref(schema);
}

/* The members of `defaults` are those that a service's own configuration has under these names. */
static void test_service_defaults(OptionsFixture *fixture, const void *unused)
{
    static const char *const members[] = {"restart", "start_limit", "start_timeout",
                                          "stop_timeout"};
    json_t *schema = schema_load("svcmgrd.json");
    json_t *kind = schema_load("process.json");
    json_t *of_kind = json_object_get(kind, "$defs");
    const json_t *defaults = json_object_get(json_object_get(schema, "properties"), "defaults");
    const char *name;
    json_t *definition;

    g_assert_cmpuint(json_object_size(json_object_get(defaults, "properties")), ==,
                     G_N_ELEMENTS(members) + 1);
    g_assert_true(json_is_false(json_object_get(defaults, "additionalProperties")));
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        const json_t *ours = json_object_get(json_object_get(defaults, "properties"), members[i]);
        const json_t *theirs = json_object_get(json_object_get(kind, "properties"), members[i]);

        g_assert_cmpstr(json_string_value(json_object_get(ours, "$ref")), ==,
                        json_string_value(json_object_get(theirs, "$ref")));
    }
    json_object_foreach(json_object_get(schema, "$defs"), name, definition)
    {
        g_test_message("%s", name);
        if (!g_str_equal(name, "location"))
            g_assert_true(json_equal(definition, json_object_get(of_kind, name)));
    }
    json_decref(schema);
    json_decref(kind);
}

static void test_example(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *option = g_strdup_printf("--config=%s/svcmgrd.json", g_getenv("DATA"));
    g_autoptr(GError) error = NULL;

    options_fixture_read(fixture, option, &error);
    g_assert_no_error(error);
    g_assert_nonnull(fixture->options.defaults);
    g_assert_nonnull(json_object_get(fixture->options.defaults, "restart"));
}

#define ADD(path, func)                                                                            \
    g_test_add("/options-schema/" path, OptionsFixture, NULL, options_fixture_set_up, func,        \
               options_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("members", test_members);
    ADD("defaults", test_defaults);
    ADD("service-defaults", test_service_defaults);
    ADD("example", test_example);
    return g_test_run();
}
