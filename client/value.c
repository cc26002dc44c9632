/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The recursion follows the nesting of the message, which D-Bus limits to 64. */

#include "value.h"

#include <errno.h>
#include <stdlib.h>

static json_t *value_from_unsigned(uint64_t number)
{
    if (number > INT64_MAX)
        return json_real((double)number);
    return json_integer((json_int_t)number);
}

static int value_read_basic(sd_bus_message *message, char type, json_t **ret_value)
{
    union {
        uint8_t y;
        int b;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
        const char *s;
    } basic;
    int r = sd_bus_message_read_basic(message, type, &basic);

    if (r < 0)
        return r;
    switch (type) {
    case SD_BUS_TYPE_BYTE:
        *ret_value = json_integer(basic.y);
        break;
    case SD_BUS_TYPE_BOOLEAN:
        *ret_value = json_boolean(basic.b);
        break;
    case SD_BUS_TYPE_INT16:
        *ret_value = json_integer(basic.n);
        break;
    case SD_BUS_TYPE_UINT16:
        *ret_value = json_integer(basic.q);
        break;
    case SD_BUS_TYPE_INT32:
    case SD_BUS_TYPE_UNIX_FD:
        *ret_value = json_integer(basic.i);
        break;
    case SD_BUS_TYPE_UINT32:
        *ret_value = json_integer(basic.u);
        break;
    case SD_BUS_TYPE_INT64:
        *ret_value = json_integer(basic.x);
        break;
    case SD_BUS_TYPE_UINT64:
        *ret_value = value_from_unsigned(basic.t);
        break;
    case SD_BUS_TYPE_DOUBLE:
        *ret_value = json_real(basic.d);
        break;
    default: /* strings, object paths, signatures: text all of them */
        *ret_value = json_string(basic.s);
        break;
    }
    return *ret_value != NULL ? 0 : -EINVAL;
}

static int value_read_member(sd_bus_message *message, json_t *object)
{
    g_autoptr(json_t) key = NULL;
    json_t *value = NULL;
    int r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, NULL);

    if (r >= 0)
        r = value_read(message, &key);
    if (r >= 0)
        r = value_read(message, &value);
    if (r < 0)
        return r;
    char *number = json_is_string(key) ? NULL : json_dumps(key, JSON_ENCODE_ANY);
    /* Fails only without memory. */
    (void)json_object_set_new(object, number != NULL ? number : json_string_value(key), value);
    free(number);
    return sd_bus_message_exit_container(message);
}

static int value_read_container(sd_bus_message *message, char type, const char *contents,
                                json_t **ret_value)
{
    bool is_object = type == SD_BUS_TYPE_ARRAY && contents[0] == '{';
    g_autoptr(json_t) container = is_object ? json_object() : json_array();
    int r = sd_bus_message_enter_container(message, type, contents);

    if (r < 0)
        return r;
    while ((r = sd_bus_message_at_end(message, false)) == 0) {
        json_t *value = NULL;

        r = is_object ? value_read_member(message, container) : value_read(message, &value);
        if (r < 0)
            return r;
        if (value != NULL)
            (void)json_array_append_new(container, value); /* fails only without memory */
    }
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(message);
    if (r < 0)
        return r;
    *ret_value = g_steal_pointer(&container);
    return 0;
}

int value_read(sd_bus_message *message, json_t **ret_value)
{
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(message, &type, &contents);

    if (r < 0)
        return r;
    if (r == 0)
        return -ENXIO;
    if (type == SD_BUS_TYPE_VARIANT) {
        r = sd_bus_message_enter_container(message, type, contents);
        if (r >= 0)
            r = value_read(message, ret_value);
        return r < 0 ? r : sd_bus_message_exit_container(message);
    }
    if (type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_STRUCT)
        return value_read_container(message, type, contents, ret_value);
    return value_read_basic(message, type, ret_value);
}

const char *value_string(const json_t *object, const char *name)
{
    const char *string = json_string_value(json_object_get(object, name));

    return string != NULL ? string : "";
}

uint64_t value_unsigned(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (json_is_real(value))
        return UINT64_MAX;
    return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
}

bool value_boolean(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}
