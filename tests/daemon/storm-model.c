/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of texts: slow, and nothing to get wrong. */

#include "storm-model.h"

#include <stdbool.h>
#include <string.h>

static int storm_table_compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *storm_table_sorted_names(GHashTable *table)
{
    GPtrArray *names = g_ptr_array_new();
    GHashTableIter iter;
    void *name;

    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    g_ptr_array_sort(names, storm_table_compare_names);
    return names;
}

static void storm_value_append(GString *text, sd_bus_message *message);

static void storm_value_append_basic(GString *text, sd_bus_message *message, char type)
{
    union {
        const char *s;
        uint64_t t;
        uint32_t u;
        int32_t i;
    } value = {0};

    g_assert_cmpint(sd_bus_message_read_basic(message, type, &value), >, 0);
    if (strchr("sog", type) != NULL)
        g_string_append(text, value.s);
    else if (type == 't')
        g_string_append_printf(text, "%" G_GUINT64_FORMAT, value.t);
    else if (type == 'u')
        g_string_append_printf(text, "%u", value.u);
    else if (type == 'i' || type == 'b')
        g_string_append_printf(text, "%d", value.i);
    else
        g_error("no property has the type %c", type);
}

/* The members of a dictionary come in any order, so they are put into theirs. */
static void storm_value_append(GString *text, sd_bus_message *message)
{
    const char *contents;
    char type;

    g_assert_cmpint(sd_bus_message_peek_type(message, &type, &contents), >, 0);
    if (type == 'a' && g_str_equal(contents, "{sv}")) {
        g_autoptr(GHashTable) table = storm_table_new();

        storm_table_read(table, message);
        g_autofree char *entries = storm_table_to_text(table, NULL);
        g_string_append_printf(text, "{%s}", entries);
        return;
    }
    if (contents == NULL) {
        storm_value_append_basic(text, message, type);
        return;
    }
    g_string_append_c(text, '(');
    g_assert_cmpint(sd_bus_message_enter_container(message, type, contents), >=, 0);
    while (sd_bus_message_at_end(message, false) == 0) {
        storm_value_append(text, message);
        g_string_append_c(text, ' ');
    }
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    g_string_append_c(text, ')');
}

StormTable *storm_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void storm_table_read_value(StormTable *table, sd_bus_message *message, const char *name)
{
    GString *text = g_string_new(NULL);
    const char *contents;

    g_assert_cmpint(sd_bus_message_peek_type(message, NULL, &contents), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'v', contents), >, 0);
    storm_value_append(text, message);
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    g_hash_table_replace(table, g_strdup(name), g_string_free(text, FALSE));
}

void storm_table_read(StormTable *table, sd_bus_message *message)
{
    const char *name;

    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sv}"), >=, 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        g_assert_cmpint(sd_bus_message_read_basic(message, 's', &name), >, 0);
        storm_table_read_value(table, message, name);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
}

const char *storm_table_get(StormTable *table, const char *name)
{
    const char *text = g_hash_table_lookup(table, name);

    return text != NULL ? text : "";
}

uint64_t storm_table_get_unsigned(StormTable *table, const char *name)
{
    return g_ascii_strtoull(storm_table_get(table, name), NULL, 10);
}

char *storm_table_to_text(StormTable *table, const char *const *without)
{
    g_autoptr(GPtrArray) names = storm_table_sorted_names(table);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (without == NULL || !g_strv_contains(without, name))
            g_string_append_printf(text, "%s=%s; ", name, storm_table_get(table, name));
    }
    return g_string_free(text, FALSE);
}

/* Objects */

StormModel *storm_model_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                 (GDestroyNotify)g_hash_table_unref);
}

static void storm_model_read_interface(GHashTable *interfaces, sd_bus_message *message)
{
    const char *name;

    g_assert_cmpint(sd_bus_message_read_basic(message, 's', &name), >, 0);
    StormTable *table = storm_table_new();
    storm_table_read(table, message);
    if (g_str_has_prefix(name, "org.svcmgr1."))
        g_assert_true(g_hash_table_replace(interfaces, g_strdup(name), table));
    else
        g_hash_table_unref(table); /* Peer, Properties, Introspectable: they have nothing */
}

const char *storm_model_add(StormModel *model, sd_bus_message *message)
{
    GHashTable *interfaces = storm_model_new();
    const char *path;

    g_assert_cmpint(sd_bus_message_read_basic(message, 'o', &path), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sa{sv}}"), >=, 0);
    while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
        storm_model_read_interface(interfaces, message);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    g_assert_true(g_hash_table_replace(model, g_strdup(path), interfaces));
    return path;
}

StormModel *storm_model_read(sd_bus_message *reply)
{
    StormModel *model = storm_model_new();

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), >=, 0);
    while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
        (void)storm_model_add(model, reply);
        g_assert_cmpint(sd_bus_message_exit_container(reply), >=, 0);
    }
    return model;
}

StormTable *storm_model_find(StormModel *model, const char *path, const char *interface)
{
    GHashTable *interfaces = g_hash_table_lookup(model, path);

    return interfaces != NULL ? g_hash_table_lookup(interfaces, interface) : NULL;
}

static char *storm_table_difference(StormTable *a, StormTable *b)
{
    GHashTableIter iter;
    void *name, *value;

    if (g_hash_table_size(a) != g_hash_table_size(b))
        return g_strdup_printf("%u and %u members", g_hash_table_size(a), g_hash_table_size(b));
    g_hash_table_iter_init(&iter, a);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const char *other = g_hash_table_lookup(b, name);

        if (g_strcmp0(value, other) != 0)
            return g_strdup_printf("%s: '%s' and '%s'", (char *)name, (char *)value, other);
    }
    return NULL;
}

static char *storm_interfaces_difference(GHashTable *a, GHashTable *b, const char *only)
{
    GHashTableIter iter;
    void *name, *table;

    if (g_hash_table_size(a) != g_hash_table_size(b))
        return g_strdup("not the same interfaces");
    g_hash_table_iter_init(&iter, a);
    while (g_hash_table_iter_next(&iter, &name, &table)) {
        StormTable *other = g_hash_table_lookup(b, name);

        if (other == NULL)
            return g_strdup_printf("%s is not there", (char *)name);
        if (only != NULL && !g_str_equal(name, only))
            continue;
        g_autofree char *difference = storm_table_difference(table, other);
        if (difference != NULL)
            return g_strdup_printf("%s: %s", (char *)name, difference);
    }
    return NULL;
}

char *storm_model_difference(StormModel *a, StormModel *b, const char *only)
{
    GHashTableIter iter;
    void *path, *interfaces;

    if (g_hash_table_size(a) != g_hash_table_size(b))
        return g_strdup_printf("%u and %u objects", g_hash_table_size(a), g_hash_table_size(b));
    g_hash_table_iter_init(&iter, a);
    while (g_hash_table_iter_next(&iter, &path, &interfaces)) {
        GHashTable *other = g_hash_table_lookup(b, path);

        if (other == NULL)
            return g_strdup_printf("%s is not there", (char *)path);
        g_autofree char *difference = storm_interfaces_difference(interfaces, other, only);
        if (difference != NULL)
            return g_strdup_printf("%s: %s", (char *)path, difference);
    }
    return NULL;
}
