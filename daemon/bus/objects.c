/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-bus answers Introspectable, Properties and ObjectManager by itself from what is registered
 * here. How large its answer may become is judged before it is built. The call that comes most, Get
 * of a property of a service, and the one with the longest answer, GetManagedObjects, are answered
 * before sd-bus begins to look for objects; whatever is wrong with such a call is left to sd-bus to
 * say. */

#include "bus/objects.h"

#include "base/errors.h"
#include "bus/errors.h"
#include "bus/local-bus.h"
#include "bus/manager-object.h"
#include "bus/methods.h"
#include "bus/process-object.h"
#include "bus/service-object.h"
#include "bus/service-properties.h"
#include "bus/staging.h"

#include <string.h>

/* What sd-bus answers at most when no text of a service is in it: a property of the Manager, all of
 * them, an error; and the introspection of an object. */
#define OBJECTS_ANSWER_BYTES 4096
#define OBJECTS_INTROSPECTION_BYTES (16 * 1024)
#define OBJECTS_NODE_BYTES 32 /* of one child in it, besides its name */

char *objects_path(const char *id)
{
    char *path = NULL;
    int r = sd_bus_path_encode(BUS_SERVICES_PATH, id, &path);

    g_assert(r >= 0); /* only for want of memory */
    return path;
}

/* The label of a service's path; NULL: it is none. sd-bus has checked that it is a path. */
static const char *objects_label(const char *path)
{
    size_t length = strlen(BUS_SERVICES_PATH "/");

    if (strncmp(path, BUS_SERVICES_PATH "/", length) != 0 || strchr(path + length, '/') != NULL)
        return NULL;
    return path + length;
}

/* Twice for each call of a property, so no id is copied that is not escaped. sd-bus also decodes
 * what need not have been escaped; but a service has one path alone, so that no rule of a bus that
 * names it is walked around. */
static Service *objects_find(Connection *connection, const char *path)
{
    g_autofree char *id = NULL, *own = NULL;
    const char *label = objects_label(path);

    if (label == NULL)
        return NULL;
    if (strchr(label, '_') == NULL && !g_ascii_isdigit(*label))
        return bus_find_service(connection->bus, label);
    if (sd_bus_path_decode(path, BUS_SERVICES_PATH, &id) <= 0)
        return NULL;
    own = objects_path(id);
    return g_str_equal(path, own) ? bus_find_service(connection->bus, id) : NULL;
}

static int on_find_service(sd_bus *sd_bus, const char *path, const char *interface, void *userdata,
                           void **ret_found, sd_bus_error *ret_error)
{
    Service *service = objects_find(userdata, path);

    if (service == NULL)
        return 0;
    *ret_found = service;
    return 1;
}

/* The kind's own interface is there only for services of such a kind. */
static int on_find_kind_interface(sd_bus *sd_bus, const char *path, const char *interface,
                                  void *userdata, void **ret_found, sd_bus_error *ret_error)
{
    Service *service = objects_find(userdata, path);

    if (service == NULL || !process_object_is(service, interface))
        return 0;
    *ret_found = service;
    return 1;
}

/* prefix is what was asked for: the services' root by who walks the tree, ours by
 * GetManagedObjects. Each service is asked for too, and has no children: answering with all
 * services there would make a tree of ten thousand take ten thousand times as long. */
static int on_enumerate_services(sd_bus *sd_bus, const char *prefix, void *userdata,
                                 char ***ret_nodes, sd_bus_error *ret_error)
{
    Connection *connection = userdata;
    Service *service = NULL;
    GPtrArray *paths;

    if (!g_str_equal(prefix, BUS_SERVICES_PATH) && !g_str_equal(prefix, BUS_PATH))
        return 0;
    paths = g_ptr_array_new();
    while ((service = map_next(connection->bus->map,
                               service != NULL ? service_id(service) : NULL)) != NULL)
        g_ptr_array_add(paths, objects_path(service_id(service)));
    g_ptr_array_add(paths, NULL);
    *ret_nodes = (char **)g_ptr_array_free(paths, FALSE);
    return 0;
}

int objects_register(Connection *connection)
{
    sd_bus *bus = connection->sd_bus;
    int r = sd_bus_add_object_manager(bus, NULL, BUS_PATH);

    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_INTERFACE_MANAGER, manager_vtable,
                                     connection);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, NULL, BUS_SERVICES_PATH, BUS_INTERFACE_SERVICE,
                                       service_vtable, on_find_service, connection);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, NULL, BUS_SERVICES_PATH, BUS_INTERFACE_PROCESS,
                                       process_vtable, on_find_kind_interface, connection);
    if (r >= 0)
        r = sd_bus_add_node_enumerator(bus, NULL, BUS_SERVICES_PATH, on_enumerate_services,
                                       connection);
    return r;
}

static uint64_t objects_managed_bytes(Map *map)
{
    Service *service = NULL;
    uint64_t bytes = 0;

    while ((service = map_next(map, service != NULL ? service_id(service) : NULL)) != NULL)
        bytes += bus_service_bytes(service);
    return bytes;
}

static uint64_t objects_nodes_bytes(Map *map)
{
    Service *service = NULL;
    uint64_t bytes = 0;

    while ((service = map_next(map, service != NULL ? service_id(service) : NULL)) != NULL)
        bytes += OBJECTS_NODE_BYTES + 3 * strlen(service_id(service)); /* escaped */
    return bytes;
}

static bool objects_is_managed(sd_bus_message *message)
{
    return sd_bus_message_is_method_call(message, NULL, "GetManagedObjects") > 0 &&
           g_strcmp0(sd_bus_message_get_path(message), BUS_PATH) == 0;
}

/* An upper bound of sd-bus's answer. */
static uint64_t objects_answer_bytes(Connection *connection, sd_bus_message *message)
{
    const char *path = sd_bus_message_get_path(message);
    Map *map = connection->bus->map;
    const Service *service;

    if (objects_is_managed(message))
        return objects_managed_bytes(map);
    if (sd_bus_message_is_method_call(message, NULL, "Introspect") > 0)
        return OBJECTS_INTROSPECTION_BYTES +
               (g_strcmp0(path, BUS_SERVICES_PATH) == 0 ? objects_nodes_bytes(map) : 0);
    service = path != NULL ? objects_find(connection, path) : NULL;
    return service != NULL ? bus_service_bytes(service) : OBJECTS_ANSWER_BYTES;
}

/* A call may leave out the interface. */
static bool objects_is_ours(sd_bus_message *message)
{
    const char *interface = sd_bus_message_get_interface(message);
    const char *member = sd_bus_message_get_member(message);

    if (interface != NULL && !g_str_has_prefix(interface, BUS_NAME "."))
        return false;
    if (interface != NULL)
        return method_find(interface, member) != NULL;
    return method_find(BUS_INTERFACE_MANAGER, member) != NULL ||
           method_find(BUS_INTERFACE_SERVICE, member) != NULL;
}

static bool objects_judge(Connection *connection, sd_bus_message *message, GError **error)
{
    uint64_t bytes = objects_answer_bytes(connection, message);

    if (objects_is_managed(message) && bytes > BUS_MAX_MANAGED_OBJECTS_BYTES)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "all services together are more than an answer may hold (%u MiB); use "
                         "ListServices, which answers in pages",
                         (unsigned)(BUS_MAX_MANAGED_OBJECTS_BYTES >> 20));
    if (!connection_may_answer(connection, bytes, error))
        return false;
    return connection_charge(connection, bytes) ||
           error_set(error, ERROR_LIMIT_EXCEEDED, "answers wait to be read");
}

/* Ours are charged for when they are answered. */
static bool objects_admit(Connection *connection, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;

    if (sd_bus_message_get_expect_reply(message) <= 0 || objects_is_ours(message))
        return connection_look(connection);
    if (objects_judge(connection, message, &error))
        return true;
    if (!connection->closed && connection_charge(connection, OBJECTS_ANSWER_BYTES))
        bus_errors_reply(message, error);
    return false;
}

/* False after nothing was done: the message may be read anew. */
static bool objects_answer_get(Connection *connection, sd_bus_message *message)
{
    const char *interface = NULL, *name = NULL;
    const ServiceProperty *property = NULL;
    Writer writer = {0};

    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Get") <= 0)
        return false;
    const Service *service = objects_find(connection, sd_bus_message_get_path(message));
    if (service != NULL && sd_bus_message_has_signature(message, "ss") > 0 &&
        sd_bus_message_read(message, "ss", &interface, &name) > 0 &&
        g_str_equal(interface, BUS_INTERFACE_SERVICE))
        property = service_property_find(name);
    if (property == NULL) {
        (void)sd_bus_message_rewind(message, true); /* sd-bus finds out itself */
        return false;
    }
    writer.result = sd_bus_message_new_method_return(message, &writer.message);
    writer_open(&writer, 'v', property->signature);
    service_property_write(property, &writer, service, bus_service_state(connection->bus, service));
    writer_close(&writer);
    if (writer.result >= 0)
        writer.result = sd_bus_send(connection->sd_bus, writer.message, NULL);
    connection_check_sent(connection, writer.result, "a property");
    sd_bus_message_unref(writer.message);
    return true;
}

/* GetManagedObjects, the same as sd-bus would answer, which looks for every object anew for every
 * property of it. */

static void objects_open_interface(Writer *writer, const char *interface)
{
    writer_open(writer, 'e', "sa{sv}");
    writer_string(writer, interface);
    writer_open(writer, 'a', "{sv}");
}

static void objects_close_interface(Writer *writer)
{
    writer_close(writer);
    writer_close(writer);
}

/* Those of every object, which have no properties. */
static void objects_write_standard(Writer *writer)
{
    static const char *const names[] = {"org.freedesktop.DBus.Peer",
                                        "org.freedesktop.DBus.Introspectable",
                                        "org.freedesktop.DBus.Properties"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        objects_open_interface(writer, names[i]);
        objects_close_interface(writer);
    }
}

static void objects_write_kind(Writer *writer, const Service *service)
{
    const Kind *kind = service_kind(service);

    if (kind->interface == NULL)
        return;
    objects_open_interface(writer, kind->interface);
    for (const KindProperty *property = kind->properties; property->name != NULL; property++) {
        if (!process_object_is_explicit(property))
            process_object_write_entry(property, writer, service);
    }
    objects_close_interface(writer);
}

static void objects_write_service(Writer *writer, const Service *service, const StateRecord *state)
{
    g_autofree char *path = objects_path(service_id(service));

    writer_open(writer, 'e', "oa{sa{sv}}");
    writer_path(writer, path);
    writer_open(writer, 'a', "{sa{sv}}");
    objects_write_standard(writer);
    objects_open_interface(writer, BUS_INTERFACE_SERVICE);
    for (const ServiceProperty *property = service_properties; property->name != NULL; property++)
        service_property_write_entry(property, writer, service, state);
    objects_close_interface(writer);
    objects_write_kind(writer, service);
    writer_close(writer);
    writer_close(writer);
}

/* False: sd-bus answers, or nobody wants to know. */
static bool objects_answer_managed(Connection *connection, sd_bus_message *message)
{
    const Bus *bus = connection->bus;
    const Service *service = NULL;
    Writer writer = {0};

    if (!objects_is_managed(message) || sd_bus_message_get_expect_reply(message) <= 0 ||
        g_strcmp0(sd_bus_message_get_interface(message), "org.freedesktop.DBus.ObjectManager") !=
                0 ||
        sd_bus_message_has_signature(message, "") <= 0)
        return false;
    writer.result = sd_bus_message_new_method_return(message, &writer.message);
    writer_open(&writer, 'a', "{oa{sa{sv}}}");
    while ((service = map_next(bus->map, service != NULL ? service_id(service) : NULL)) != NULL)
        objects_write_service(&writer, service, bus_service_state(bus, service));
    writer_close(&writer);
    if (writer.result >= 0)
        writer.result = sd_bus_send(connection->sd_bus, writer.message, NULL);
    connection_check_sent(connection, writer.result, "the objects");
    sd_bus_message_unref(writer.message);
    return true;
}

/* Who asks for something and then looks sees it, and who creates a service may call it. Calls that
 * are ours see to it themselves, once their object is found. */
static void objects_catch_up(Connection *connection, sd_bus_message *message)
{
    const char *path = sd_bus_message_get_path(message);
    bool is_found = objects_label(path) == NULL || objects_find(connection, path) != NULL;

    if (!is_found || !objects_is_ours(message))
        staging_catch_up(connection->bus, peer_find(connection, message));
}

int objects_filter(Connection *connection, sd_bus_message *message)
{
    bool is_call = sd_bus_message_is_method_call(message, NULL, NULL) > 0;

    if (is_call && requests_are_pending(connection->bus->requests))
        objects_catch_up(connection, message);
    if (connection->closed || (is_call && !objects_admit(connection, message)))
        return 1;
    if (connection->local != NULL && local_bus_filter(connection->local, message) > 0)
        return 1;
    return objects_answer_get(connection, message) || objects_answer_managed(connection, message);
}
