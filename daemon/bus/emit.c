/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A signal is built anew for each connection: messages belong to one. */

#include "bus/emit.h"

#include "bus/connection.h"
#include "bus/objects.h"
#include "bus/process-object.h"
#include "bus/service-properties.h"

/* What a signal is charged for that sd-bus writes; the header of one that we write. */
#define EMIT_SIGNAL_BYTES 2048
#define EMIT_HEADER_BYTES 512

typedef struct Emission {
    const char *path;
    const char *interface;
    const char *member;
    void (*write)(Writer *writer, const void *data);
    const void *data;
} Emission;

static void emit_on(Connection *connection, const Emission *emission)
{
    Writer writer = {0};

    writer.result = sd_bus_message_new_signal(connection->sd_bus, &writer.message, emission->path,
                                              emission->interface, emission->member);
    if (writer.result == 0)
        emission->write(&writer, emission->data);
    if (writer.result < 0 || connection_charge(connection, EMIT_HEADER_BYTES + writer.bytes)) {
        if (writer.result == 0)
            writer.result = sd_bus_send(connection->sd_bus, writer.message, NULL);
        connection_check_sent(connection, writer.result, emission->member);
    }
    sd_bus_message_unref(writer.message);
}

static bool emit_is_heard(const Bus *bus)
{
    for (unsigned i = 0; i < bus->connections->len; i++) {
        if (connection_wants_signals(g_ptr_array_index(bus->connections, i)))
            return true;
    }
    return false;
}

static void emit_to_all(Bus *bus, const Emission *emission)
{
    for (unsigned i = 0; i < bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(bus->connections, i);

        if (connection_wants_signals(connection))
            emit_on(connection, emission);
    }
}

/* Event */

void emit_write_event_entries(Writer *writer, const Event *event)
{
    const Caller *caller = event->caller;

    if (event->error != NULL)
        writer_entry_string(writer, "error", event->error);
    if (event->type == CHANGE_EVENT)
        return;
    writer_entry_string(writer, "from", event->from < 0 ? "" : state_to_string(event->from));
    writer_entry_string(writer, "to", event->to < 0 ? "" : state_to_string(event->to));
    writer_entry_string(writer, "cause", cause_to_string(event->cause));
    if (event->method != NULL)
        writer_entry_string(writer, "method", event->method);
    if (caller != NULL) {
        writer_entry_uint32(writer, "uid", caller->uid);
        writer_entry_uint32(writer, "pid", caller->pid);
        writer_entry_string(writer, "comm", caller->comm);
    }
}

static void emit_write_event(Writer *writer, const void *data)
{
    const Event *event = data;

    writer_uint64(writer, event->serial);
    writer_uint64(writer, event->time);
    writer_string(writer, event_type(event));
    writer_string(writer, event->id);
    writer_open(writer, 'a', "{sv}");
    emit_write_event_entries(writer, event);
    writer_close(writer);
}

void emit_event(Bus *bus, const Event *event)
{
    emit_to_all(bus, &(Emission){
                             .path = BUS_PATH,
                             .interface = BUS_INTERFACE_MANAGER,
                             .member = "Event",
                             .write = emit_write_event,
                             .data = event,
                     });
}

/* PropertiesChanged */

static void emit_properties_changed(Bus *bus, const Service *service,
                                    void (*write)(Writer *writer, const void *data),
                                    const void *data)
{
    g_autofree char *path = NULL;

    if (!emit_is_heard(bus))
        return;
    path = objects_path(service_id(service));
    emit_to_all(bus, &(Emission){
                             .path = path,
                             .interface = "org.freedesktop.DBus.Properties",
                             .member = "PropertiesChanged",
                             .write = write,
                             .data = data,
                     });
}

static void emit_write_nothing_invalidated(Writer *writer)
{
    writer_open(writer, 'a', "s");
    writer_close(writer);
}

typedef struct ServiceChanged {
    const Service *service;
    const StateRecord *old_state;
    const StateRecord *new_state;
} ServiceChanged;

static void emit_write_service_changed(Writer *writer, const void *data)
{
    const ServiceChanged *changed = data;

    writer_string(writer, BUS_INTERFACE_SERVICE);
    writer_open(writer, 'a', "{sv}");
    for (const ServiceProperty *property = service_properties; property->name != NULL; property++) {
        if (!service_property_is_equal(property, changed->old_state, changed->new_state))
            service_property_write_entry(property, writer, changed->service, changed->new_state);
    }
    writer_close(writer);
    emit_write_nothing_invalidated(writer);
}

void emit_service_changed(Bus *bus, const Service *service, const StateRecord *old_state,
                          const StateRecord *new_state)
{
    ServiceChanged changed = {service, old_state, new_state};

    emit_properties_changed(bus, service, emit_write_service_changed, &changed);
}

typedef struct KindChanged {
    const Service *service;
    uint32_t mask;
} KindChanged;

static void emit_write_kind_changed(Writer *writer, const void *data)
{
    const KindChanged *changed = data;
    const Kind *kind = service_kind(changed->service);

    writer_string(writer, kind->interface);
    writer_open(writer, 'a', "{sv}");
    for (unsigned i = 0; kind->properties[i].name != NULL; i++) {
        if (changed->mask & (UINT32_C(1) << i))
            process_object_write_entry(&kind->properties[i], writer, changed->service);
    }
    writer_close(writer);
    emit_write_nothing_invalidated(writer);
}

/* What is read only when it is asked for is not told. */
static uint32_t emit_mask(const KindProperty *properties, uint32_t mask)
{
    uint32_t told = 0;

    for (unsigned i = 0; properties[i].name != NULL; i++) {
        if (!process_object_is_explicit(&properties[i]))
            told |= mask & (UINT32_C(1) << i);
    }
    return told;
}

void emit_kind_changed(Bus *bus, const Service *service, uint32_t mask)
{
    KindChanged changed = {service, emit_mask(service_kind(service)->properties, mask)};

    if (changed.mask != 0)
        emit_properties_changed(bus, service, emit_write_kind_changed, &changed);
}

void emit_manager_changed(Bus *bus, const char *const *names)
{
    for (unsigned i = 0; i < bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(bus->connections, i);

        if (!connection_wants_signals(connection))
            continue;
        if (!connection_charge(connection, EMIT_SIGNAL_BYTES))
            continue;
        /* sd-bus reads the values through the vtable and puts the invalidating ones apart. */
        connection_check_sent(connection,
                              sd_bus_emit_properties_changed_strv(connection->sd_bus, BUS_PATH,
                                                                  BUS_INTERFACE_MANAGER,
                                                                  (char **)names),
                              "PropertiesChanged");
    }
}

/* ObjectManager */

static void emit_object(Bus *bus, const Service *service, uint64_t bytes,
                        int (*emit)(sd_bus *bus, const char *path), const char *member)
{
    g_autofree char *path = objects_path(service_id(service));

    for (unsigned i = 0; i < bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(bus->connections, i);

        if (connection_wants_signals(connection) && connection_charge(connection, bytes))
            connection_check_sent(connection, emit(connection->sd_bus, path), member);
    }
}

void emit_service_added(Bus *bus, const Service *service)
{
    emit_object(bus, service, bus_service_bytes(service), sd_bus_emit_object_added,
                "InterfacesAdded");
}

void emit_service_removed(Bus *bus, const Service *service)
{
    emit_object(bus, service, EMIT_SIGNAL_BYTES, sd_bus_emit_object_removed, "InterfacesRemoved");
}
