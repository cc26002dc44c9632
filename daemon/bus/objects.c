/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-bus answers Introspectable, Properties and ObjectManager by itself from what is registered
 * here. Only the size of a GetManagedObjects reply has to be judged before it is built. */

#include "bus/objects.h"

#include "base/errors.h"
#include "bus/errors.h"
#include "bus/local-bus.h"
#include "bus/manager-object.h"
#include "bus/process-object.h"
#include "bus/service-object.h"

#include <string.h>

char *objects_path(const char *id)
{
    char *path = NULL;
    int r = sd_bus_path_encode(BUS_SERVICES_PATH, id, &path);

    g_assert(r >= 0); /* only for want of memory */
    return path;
}

static Service *objects_find(Connection *connection, const char *path)
{
    g_autofree char *id = NULL;

    if (sd_bus_path_decode(path, BUS_SERVICES_PATH, &id) <= 0)
        return NULL;
    return bus_find_service(connection->bus, id);
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

static bool objects_judge_managed(Connection *connection, GError **error)
{
    uint64_t bytes = objects_managed_bytes(connection->bus->map);

    if (bytes > BUS_MAX_MANAGED_OBJECTS_BYTES)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "all services together are more than an answer may hold (%u MiB); use "
                         "ListServices, which answers in pages",
                         (unsigned)(BUS_MAX_MANAGED_OBJECTS_BYTES >> 20));
    if (!connection_charge(connection, bytes))
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "answers wait to be read; read them before asking for more");
    return true;
}

int objects_filter(Connection *connection, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;

    if (connection->local != NULL && local_bus_filter(connection->local, message) > 0)
        return 1;
    if (sd_bus_message_is_method_call(message, NULL, "GetManagedObjects") <= 0 ||
        g_strcmp0(sd_bus_message_get_path(message), BUS_PATH) != 0)
        return 0;
    if (objects_judge_managed(connection, &error))
        return 0;
    if (!connection->closed)
        bus_errors_reply(message, error);
    return 1;
}
