/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages against the contract. */

#include "support/contract-private.h"

#include <string.h>

static bool contract_is_annotated(const ContractMember *member, const char *name, const char *value)
{
    return g_strcmp0(g_hash_table_lookup(member->annotations, name), value) == 0;
}

static bool contract_check_signature(sd_bus_message *message, const char *what,
                                     const char *expected, GError **error)
{
    const char *signature = sd_bus_message_get_signature(message, true);

    return g_strcmp0(signature, expected) == 0 ||
           contract_set_error(error, "%s has the signature '%s', the contract says '%s'", what,
                              signature, expected);
}

/* One {sv} of an interface's properties. */
static bool contract_check_property(const ContractInterface *interface, sd_bus_message *message,
                                    GHashTable *seen, GError **error)
{
    const char *name = NULL, *type = NULL;
    const ContractMember *member;

    g_assert_cmpint(sd_bus_message_read_basic(message, 's', &name), >, 0);
    g_assert_cmpint(sd_bus_message_peek_type(message, NULL, &type), >, 0);
    member = contract_find_member(interface, "property", name);
    if (member == NULL)
        return contract_set_error(error, "%s has no property '%s'", interface->name, name);
    if (!g_str_equal(member->in->str, type))
        return contract_set_error(error, "%s.%s is of type '%s', the contract says '%s'",
                                  interface->name, name, type, member->in->str);
    if (!g_hash_table_add(seen, g_strdup(name)))
        return contract_set_error(error, "%s.%s is there twice", interface->name, name);
    g_assert_cmpint(sd_bus_message_skip(message, "v"), >=, 0);
    return true;
}

/* An a{sv}; the names go to seen. */
static bool contract_check_properties(const ContractInterface *interface, sd_bus_message *message,
                                      GHashTable *seen, GError **error)
{
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sv}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        if (!contract_check_property(interface, message, seen, error))
            return false;
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    return true;
}

static GHashTable *contract_names_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static bool contract_check_changed(const Contract *contract, sd_bus_message *message,
                                   GError **error)
{
    g_autoptr(GHashTable) seen = contract_names_new();
    const ContractInterface *interface;
    const char *name = NULL;
    GHashTableIter iter;
    void *key;

    g_assert_cmpint(sd_bus_message_read_basic(message, 's', &name), >, 0);
    interface = contract_find(contract, name);
    if (interface == NULL)
        return true;
    if (!contract_check_properties(interface, message, seen, error))
        return false;
    g_hash_table_iter_init(&iter, seen);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (g_hash_table_contains(contract_find_member(interface, "property", key)->annotations,
                                  CONTRACT_EMITS))
            return contract_set_error(error, "%s.%s is signalled with its value", name,
                                      (char *)key);
    }
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "s"), >, 0);
    while (sd_bus_message_read_basic(message, 's', &key) > 0) {
        const ContractMember *member = contract_find_member(interface, "property", key);

        if (member == NULL || !contract_is_annotated(member, CONTRACT_EMITS, "invalidates"))
            return contract_set_error(error, "%s.%s is invalidated", name, (char *)key);
    }
    return true;
}

/* Everything that is not explicit, and nothing else. */
static bool contract_check_complete(const ContractInterface *interface, GHashTable *seen,
                                    GError **error)
{
    GHashTableIter iter;
    void *data;

    g_hash_table_iter_init(&iter, interface->members);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        const ContractMember *member = data;
        bool wanted = !contract_is_annotated(member, CONTRACT_EXPLICIT, "true");

        if (g_str_equal(member->element, "property") &&
            g_hash_table_contains(seen, member->name) != wanted)
            return contract_set_error(error, "%s.%s is %s", interface->name, member->name,
                                      wanted ? "missing" : "explicit, yet it is there");
    }
    return true;
}

static bool contract_check_added(const Contract *contract, sd_bus_message *message, GError **error)
{
    const char *name = NULL;

    g_assert_cmpint(sd_bus_message_skip(message, "o"), >=, 0);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sa{sv}}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
        g_autoptr(GHashTable) seen = contract_names_new();
        const ContractInterface *interface;

        g_assert_cmpint(sd_bus_message_read_basic(message, 's', &name), >, 0);
        interface = contract_find(contract, name);
        if (interface == NULL)
            g_assert_cmpint(sd_bus_message_skip(message, "a{sv}"), >=, 0);
        else if (!contract_check_properties(interface, message, seen, error) ||
                 !contract_check_complete(interface, seen, error))
            return false;
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    return true;
}

static bool contract_check_signal(const Contract *contract, sd_bus_message *message, GError **error)
{
    const char *interface = sd_bus_message_get_interface(message);
    const char *name = sd_bus_message_get_member(message);
    const ContractInterface *found = contract_find(contract, interface);
    const ContractMember *member;

    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties", "PropertiesChanged") >
        0)
        return contract_check_changed(contract, message, error);
    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded") >
        0)
        return contract_check_added(contract, message, error);
    if (found == NULL)
        return true;
    member = contract_find_member(found, "signal", name);
    if (member == NULL)
        return contract_set_error(error, "%s has no signal '%s'", interface, name);
    return contract_check_signature(message, name, member->in->str, error);
}

/* Calls and replies. What is known of a call is "INTERFACE MEMBER", or "INTERFACE" for a GetAll. */

static char *contract_note_of_call(const Contract *contract, sd_bus_message *call)
{
    const char *interface = sd_bus_message_get_interface(call);
    const char *name = NULL;

    if (sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "GetAll") > 0 &&
        sd_bus_message_has_signature(call, "s") > 0) {
        g_assert_cmpint(sd_bus_message_read_basic(call, 's', &name), >, 0);
        return contract_find(contract, name) != NULL ? g_strdup(name) : NULL;
    }
    if (contract_find(contract, interface) == NULL)
        return NULL;
    return g_strdup_printf("%s %s", interface, sd_bus_message_get_member(call));
}

static bool contract_check_call(Contract *contract, sd_bus_message *call, GError **error)
{
    char *note = contract_note_of_call(contract, call);
    uint64_t cookie = 0;

    if (note == NULL)
        return true;
    /* Tests call what does not exist, and wrongly, on purpose: the reply is what counts. */
    g_assert_cmpint(sd_bus_message_get_cookie(call, &cookie), >=, 0);
    g_hash_table_replace(
            contract->calls,
            g_strdup_printf("%s %" G_GUINT64_FORMAT, sd_bus_message_get_sender(call), cookie),
            note);
    return true;
}

static bool contract_check_return(const Contract *contract, const char *note, sd_bus_message *reply,
                                  GError **error)
{
    g_auto(GStrv) words = g_strsplit(note, " ", 2);
    const ContractInterface *interface = contract_find(contract, words[0]);
    g_autoptr(GHashTable) seen = contract_names_new();
    const ContractMember *member;

    if (words[1] == NULL)
        return contract_check_signature(reply, "GetAll", "a{sv}", error) &&
               contract_check_properties(interface, reply, seen, error) &&
               contract_check_complete(interface, seen, error);
    member = contract_find_member(interface, "method", words[1]);
    if (member == NULL)
        return contract_set_error(error, "%s has no method '%s', yet it was answered", words[0],
                                  words[1]);
    return contract_check_signature(reply, words[1], member->out->str, error);
}

bool contract_check_reply(const Contract *contract, sd_bus_message *call, sd_bus_message *reply,
                          GError **error)
{
    g_autofree char *note = contract_note_of_call(contract, call);
    bool ok = note == NULL || sd_bus_message_get_error(reply) != NULL ||
              contract_check_return(contract, note, reply, error);

    (void)sd_bus_message_rewind(call, true);  /* it was read before */
    (void)sd_bus_message_rewind(reply, true); /* it was read before */
    return ok;
}

static bool contract_check_answer(Contract *contract, sd_bus_message *reply, GError **error)
{
    g_autofree char *key = NULL, *old_key = NULL, *note = NULL;
    uint64_t cookie = 0;

    g_assert_cmpint(sd_bus_message_get_reply_cookie(reply, &cookie), >=, 0);
    key = g_strdup_printf("%s %" G_GUINT64_FORMAT, sd_bus_message_get_destination(reply), cookie);
    if (!g_hash_table_steal_extended(contract->calls, key, (void **)&old_key, (void **)&note))
        return true;
    return sd_bus_message_get_error(reply) != NULL ||
           contract_check_return(contract, note, reply, error);
}

bool contract_check_message(Contract *contract, sd_bus_message *message, GError **error)
{
    uint8_t type = 0;
    bool ok;

    g_assert_cmpint(sd_bus_message_get_type(message, &type), >=, 0);
    (void)sd_bus_message_rewind(message, true); /* wherever it is */
    if (type == SD_BUS_MESSAGE_SIGNAL)
        ok = contract_check_signal(contract, message, error);
    else if (type == SD_BUS_MESSAGE_METHOD_CALL)
        ok = contract_check_call(contract, message, error);
    else
        ok = contract_check_answer(contract, message, error);
    (void)sd_bus_message_rewind(message, true); /* as it was */
    return ok;
}
