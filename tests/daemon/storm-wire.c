/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is asked is the daemon, under any of its names, if it is not the bus itself. */

#include "storm-wire.h"

#define STORM_WIRE_BUS "org.freedesktop.DBus"

static char *storm_wire_key(const char *name, uint64_t cookie)
{
    return g_strdup_printf("%s %" G_GUINT64_FORMAT, name, cookie);
}

static void storm_wire_see_call(StormWire *wire, sd_bus_message *call)
{
    uint64_t cookie;

    if (g_strcmp0(sd_bus_message_get_destination(call), STORM_WIRE_BUS) == 0 ||
        sd_bus_message_get_expect_reply(call) <= 0)
        return;
    g_assert_cmpint(sd_bus_message_get_cookie(call, &cookie), >=, 0);
    g_assert_true(
            g_hash_table_add(wire->open, storm_wire_key(sd_bus_message_get_sender(call), cookie)));
    wire->n_calls++;
}

static void storm_wire_see_answer(StormWire *wire, sd_bus_message *answer)
{
    const char *to = sd_bus_message_get_destination(answer);
    uint64_t cookie;

    g_assert_cmpint(sd_bus_message_get_reply_cookie(answer, &cookie), >=, 0);
    g_autofree char *key = storm_wire_key(to, cookie);
    if (g_strcmp0(sd_bus_message_get_sender(answer), STORM_WIRE_BUS) == 0) {
        if (g_strcmp0(key, wire->fence) == 0)
            g_clear_pointer(&wire->fence, g_free);
    } else if (!g_hash_table_remove(wire->open, key)) {
        g_error("an answer to call %s, which was not made or has one already", key);
    }
}

/* Returns 1: the library must not answer what is not for us. */
static int on_storm_wire_message(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    g_autoptr(GError) error = NULL;
    StormWire *wire = data;
    uint8_t type = 0;

    if (!contract_check_message(wire->contract, message, &error))
        g_error("message %u: %s", wire->n_messages, error->message);
    wire->n_messages++;
    g_assert_cmpint(sd_bus_message_get_type(message, &type), >=, 0);
    if (type == SD_BUS_MESSAGE_METHOD_CALL)
        storm_wire_see_call(wire, message);
    else if (type == SD_BUS_MESSAGE_SIGNAL)
        wire->n_signals++;
    else
        storm_wire_see_answer(wire, message);
    return 1;
}

StormWire *storm_wire_new(const char *address, sd_event *event)
{
    g_autoptr(GError) error = NULL;
    StormWire *wire = g_new0(StormWire, 1);

    wire->open = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    wire->contract = contract_load(g_getenv("INTERFACES"), &error);
    g_assert_no_error(error);
    wire->monitor = monitor_new(address);
    g_assert_cmpint(sd_bus_add_filter(wire->monitor->bus, NULL, on_storm_wire_message, wire), >=,
                    0);
    g_assert_cmpint(sd_bus_attach_event(wire->monitor->bus, event, SD_EVENT_PRIORITY_NORMAL), >=,
                    0);
    return wire;
}

void storm_wire_free(StormWire *wire)
{
    monitor_free(wire->monitor);
    contract_free(wire->contract);
    g_hash_table_unref(wire->open);
    g_free(wire->fence);
    g_free(wire);
}

void storm_wire_set_fence(StormWire *wire, Client *client)
{
    sd_bus_message *reply = NULL;
    const char *name;
    uint64_t cookie;

    g_assert_cmpint(sd_bus_call_method(client->bus, STORM_WIRE_BUS, "/org/freedesktop/DBus",
                                       STORM_WIRE_BUS, "GetId", NULL, &reply, NULL),
                    >=, 0);
    g_assert_cmpint(sd_bus_get_unique_name(client->bus, &name), >=, 0);
    g_assert_cmpint(sd_bus_message_get_reply_cookie(reply, &cookie), >=, 0);
    sd_bus_message_unref(reply);
    g_free(wire->fence);
    wire->fence = storm_wire_key(name, cookie);
}
