/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record that is asked for after the match was added, and every change from then on, make one
 * that is never older than the last signal. */

#include "awaited.h"

#include "call.h"
#include "record.h"

#define AWAITED_MATCH                                                                              \
    "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"        \
    "path_namespace='" SERVICE_PATH "',arg0='" SERVICE_INTERFACE "'"

/* As many are looked at. */
#define AWAITED_MAX 256
#define AWAITED_MEMBERS "members" /* no property has this name */

struct Awaited {
    Client *client;
    GHashTable *records; /* id -> object with properties, those that are known */
    GPtrArray *slots;    /* of sd_bus_slot: what may be called back */
    GPtrArray *asked;    /* of AwaitedAsked */
    bool has_news;
};

/* Whose record was asked for. */
typedef struct AwaitedAsked {
    Awaited *awaited;
    char *id;
} AwaitedAsked;

static void awaited_unref_slot(void *slot)
{
    sd_bus_slot_unref(slot);
}

static void awaited_free_asked(void *data)
{
    AwaitedAsked *asked = data;

    g_free(asked->id);
    g_free(asked);
}

static void awaited_unref_record(void *record)
{
    json_decref(record);
}

Awaited *awaited_new(Client *client)
{
    Awaited *awaited = g_new0(Awaited, 1);

    awaited->client = client;
    awaited->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, awaited_unref_record);
    awaited->asked = g_ptr_array_new_with_free_func(awaited_free_asked);
    awaited->slots = g_ptr_array_new_with_free_func(awaited_unref_slot);
    return awaited;
}

void awaited_free(Awaited *awaited)
{
    if (awaited == NULL)
        return;
    g_ptr_array_unref(awaited->slots); /* first: they refer to the others */
    g_ptr_array_unref(awaited->asked);
    g_hash_table_unref(awaited->records);
    g_free(awaited);
}

/* The next value of the message holds properties. */
static void awaited_take(Awaited *awaited, const char *id, sd_bus_message *message)
{
    json_t *record = g_hash_table_lookup(awaited->records, id);
    g_autoptr(json_t) properties = NULL;

    if (record == NULL || value_read(message, &properties) < 0)
        return;
    (void)json_object_update(record, properties); /* fails only without memory */
    awaited->has_news = true;
}

static int on_awaited_changed(sd_bus_message *signal, void *data, sd_bus_error *ret_error)
{
    g_autofree char *id = call_service_id(sd_bus_message_get_path(signal));

    if (id != NULL && sd_bus_message_skip(signal, "s") >= 0)
        awaited_take(data, id, signal);
    return 0;
}

static int on_awaited_members(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    AwaitedAsked *asked = data;
    json_t *record = g_hash_table_lookup(asked->awaited->records, asked->id);
    g_autoptr(json_t) entries = NULL;
    size_t index;
    json_t *entry;

    if (sd_bus_message_get_error(reply) != NULL || value_read(reply, &entries) < 0)
        return 0;
    json_array_foreach(entries, index, entry)
    {
        json_t *members = json_object_get(entry, "members");
        if (members != NULL && g_str_equal(value_string(entry, "id"), asked->id))
            (void)json_object_set(record, AWAITED_MEMBERS, members); /* fails only without memory */
    }
    json_array_foreach(json_object_get(record, AWAITED_MEMBERS), index, entry)
            awaited_look(asked->awaited, json_string_value(entry));
    return 0;
}

static void awaited_ask_members(AwaitedAsked *asked)
{
    sd_bus_slot *slot = NULL;

    if (sd_bus_call_method_async(asked->awaited->client->bus, &slot, DAEMON_NAME, MANAGER_PATH,
                                 MANAGER_INTERFACE, "GetDependencyGraph", on_awaited_members, asked,
                                 "a{sv}", 1, "ids", "as", 1, asked->id) >= 0)
        g_ptr_array_add(asked->awaited->slots, slot);
}

static int on_awaited_record(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    AwaitedAsked *asked = data;
    const json_t *record = g_hash_table_lookup(asked->awaited->records, asked->id);

    if (sd_bus_message_get_error(reply) == NULL)
        awaited_take(asked->awaited, asked->id, reply);
    if (g_str_equal(value_string(record, "Kind"), "group"))
        awaited_ask_members(asked);
    return 0;
}

void awaited_look(Awaited *awaited, const char *id)
{
    g_autofree char *path = call_service_path(id);
    sd_bus *bus = awaited->client->bus;
    unsigned n = g_hash_table_size(awaited->records);
    sd_bus_slot *slot = NULL;

    if (n >= AWAITED_MAX || g_hash_table_contains(awaited->records, id))
        return;
    if (n == 0 &&
        sd_bus_add_match_async(bus, &slot, AWAITED_MATCH, on_awaited_changed, NULL, awaited) >= 0)
        g_ptr_array_add(awaited->slots, g_steal_pointer(&slot));
    (void)g_hash_table_insert(awaited->records, g_strdup(id), json_object()); /* it is new */
    AwaitedAsked *asked = g_new(AwaitedAsked, 1);
    *asked = (AwaitedAsked){.awaited = awaited, .id = g_strdup(id)};
    g_ptr_array_add(awaited->asked, asked);
    if (sd_bus_call_method_async(bus, &slot, DAEMON_NAME, path, PROPERTIES_INTERFACE, "GetAll",
                                 on_awaited_record, asked, "s", SERVICE_INTERFACE) >= 0)
        g_ptr_array_add(awaited->slots, slot);
}

/* Those of a group that are not up, as far as that is known. */
static json_t *awaited_members(const Awaited *awaited, const json_t *record)
{
    json_t *members = json_array();
    size_t index;
    json_t *member;

    json_array_foreach(json_object_get(record, AWAITED_MEMBERS), index, member)
    {
        const json_t *other = g_hash_table_lookup(awaited->records, json_string_value(member));
        const char *state = value_string(other, "State");
        bool is_done = g_str_equal(value_string(other, "SubState"), "exited");

        if (state[0] != '\0' && !g_str_equal(state, "active") && !is_done)
            (void)json_array_append(members, member); /* fails only without memory */
    }
    return members;
}

char *awaited_text(const Awaited *awaited, const char *id)
{
    const json_t *record = g_hash_table_lookup(awaited->records, id);
    const char *state = value_string(record, "State");
    g_autoptr(json_t) members = awaited_members(awaited, record);

    if (g_str_equal(state, "starting"))
        return record_waits("waiting", "", members);
    return record_waits(state, value_string(record, "SubState"),
                        json_object_get(record, "WaitingFor"));
}

bool awaited_has_news(Awaited *awaited)
{
    bool has_news = awaited->has_news;

    awaited->has_news = false;
    return has_news;
}

const char *awaited_state(const Awaited *awaited, const char *id)
{
    return value_string(g_hash_table_lookup(awaited->records, id), "State");
}
