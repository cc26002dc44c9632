/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One reader per signature, one loop over the dictionary. */

#include "bus/options.h"

#include "base/parse.h"
#include "bus/errors.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* A message may hold millions, and each is copied. */
#define OPTIONS_MAX_ENTRIES 16384

static int options_read_bool(sd_bus_message *message, void *field)
{
    int value = 0;
    int r = sd_bus_message_read_basic(message, 'b', &value);

    *(bool *)field = value != 0;
    return r;
}

static int options_read_string(sd_bus_message *message, void *field)
{
    return sd_bus_message_read_basic(message, 's', field);
}

static int options_read_uint32(sd_bus_message *message, void *field)
{
    return sd_bus_message_read_basic(message, 'u', field);
}

static int options_read_uint64(sd_bus_message *message, void *field)
{
    return sd_bus_message_read_basic(message, 't', field);
}

/* -E2BIG: too many. */
static int options_read_strings(sd_bus_message *message, void *field)
{
    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
    const char *string;
    int r = sd_bus_message_enter_container(message, 'a', "s");

    while (r >= 0 && (r = sd_bus_message_read_basic(message, 's', &string)) > 0) {
        if (strings->len >= OPTIONS_MAX_ENTRIES)
            return -E2BIG;
        g_ptr_array_add(strings, g_strdup(string));
    }
    if (r < 0)
        return r;
    g_ptr_array_add(strings, NULL);
    *(GStrv *)field = (GStrv)g_ptr_array_free(g_steal_pointer(&strings), FALSE);
    return sd_bus_message_exit_container(message);
}

bool options_read_list(sd_bus_message *message, const char *noun, GStrv *ret_list, GError **error)
{
    int r = options_read_strings(message, ret_list);

    if (r == -E2BIG)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "more than %d %s are given",
                         OPTIONS_MAX_ENTRIES, noun);
    return r >= 0 || bus_errors_set_unreadable(error, r, noun);
}

/* -EEXIST for a key that comes twice, -E2BIG for too many. */
static int options_read_dictionary(sd_bus_message *message, void *field)
{
    g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *key, *value;
    int r = sd_bus_message_enter_container(message, 'a', "{ss}");

    while (r >= 0 && (r = sd_bus_message_read(message, "{ss}", &key, &value)) > 0) {
        if (g_hash_table_size(table) >= OPTIONS_MAX_ENTRIES)
            return -E2BIG;
        if (!g_hash_table_insert(table, g_strdup(key), g_strdup(value)))
            return -EEXIST;
    }
    if (r < 0)
        return r;
    *(GHashTable **)field = g_steal_pointer(&table);
    return sd_bus_message_exit_container(message);
}

static const struct {
    const char *signature;
    int (*read)(sd_bus_message *message, void *field);
} options_readers[] = {
        {"b", options_read_bool},     {"s", options_read_string},
        {"u", options_read_uint32},   {"t", options_read_uint64},
        {"as", options_read_strings}, {"a{ss}", options_read_dictionary},
};

static int options_read_value(sd_bus_message *message, const char *signature, void *field)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options_readers); i++) {
        if (g_str_equal(options_readers[i].signature, signature))
            return options_readers[i].read(message, field);
    }
    g_assert_not_reached();
}

static bool options_refuse_key(const Option *table, const char *key, GError **error)
{
    g_autofree char *excerpt = parse_excerpt(key);
    g_autoptr(GString) known = g_string_new(NULL);

    for (const Option *option = table; option->name != NULL; option++)
        g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", option->name);
    return error_set(error, ERROR_INVALID_ARGS, "unknown option '%s'; known: %s", excerpt,
                     known->str);
}

/* The variant of one entry. */
static bool options_read_entry(sd_bus_message *message, const Option *option, void *target,
                               GError **error)
{
    const char *signature = NULL;
    int r = sd_bus_message_peek_type(message, NULL, &signature);

    if (r >= 0 && g_strcmp0(signature, option->signature) != 0)
        return error_set(error, ERROR_INVALID_ARGS,
                         "option '%s' expects a value of type %s, got %s", option->name,
                         option->signature, signature != NULL ? signature : "nothing");
    if (r >= 0)
        r = sd_bus_message_enter_container(message, 'v', option->signature);
    if (r >= 0)
        r = options_read_value(message, option->signature, (char *)target + option->offset);
    if (r == -EEXIST)
        return error_set(error, ERROR_INVALID_ARGS, "option '%s' has a key twice", option->name);
    if (r == -E2BIG)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "option '%s' has more than %d entries",
                         option->name, OPTIONS_MAX_ENTRIES);
    if (r >= 0)
        r = sd_bus_message_exit_container(message);
    return r >= 0 || bus_errors_set_unreadable(error, r, option->name);
}

static bool options_read_entries(sd_bus_message *message, const Option *table, void *target,
                                 GError **error)
{
    uint64_t seen = 0;
    int r;

    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const Option *option = table;
        const char *key = NULL;

        r = sd_bus_message_read_basic(message, 's', &key);
        if (r < 0)
            break;
        while (option->name != NULL && !g_str_equal(option->name, key))
            option++;
        if (option->name == NULL)
            return options_refuse_key(table, key, error);
        if (seen & (UINT64_C(1) << (option - table)))
            return error_set(error, ERROR_INVALID_ARGS, "option '%s' is given twice", key);
        seen |= UINT64_C(1) << (option - table);
        if (!options_read_entry(message, option, target, error))
            return false;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
            break;
    }
    return r >= 0 || bus_errors_set_unreadable(error, r, "the options");
}

bool options_read(sd_bus_message *message, const Option *table, void *target, GError **error)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    if (r < 0)
        return bus_errors_set_unreadable(error, r, "the options");
    if (!options_read_entries(message, table, target, error))
        return false;
    r = sd_bus_message_exit_container(message);
    return r >= 0 || bus_errors_set_unreadable(error, r, "the options");
}

void options_clear(const Option *table, void *target)
{
    for (const Option *option = table; option->name != NULL; option++) {
        void *field = (char *)target + option->offset;

        if (g_str_equal(option->signature, "as"))
            g_clear_pointer((GStrv *)field, g_strfreev);
        else if (g_str_equal(option->signature, "a{ss}"))
            g_clear_pointer((GHashTable **)field, g_hash_table_unref);
    }
}
