/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vtable is written by hand after the XML; the kind gives the values by name. That both agree
 * is checked when the bus starts. */

#include "bus/process-object.h"

#include "bus/internal.h"

static const KindProperty *process_find_property(const Kind *kind, const char *name)
{
    const KindProperty *property = kind->properties;

    while (property->name != NULL && !g_str_equal(property->name, name))
        property++;
    return property->name != NULL ? property : NULL;
}

static void process_write_plain(Writer *writer, char type, const KindValue *value)
{
    if (type == 'u')
        writer_uint32(writer, value->u);
    else if (type == 'i')
        writer_int32(writer, value->i);
    else if (type == 't')
        writer_uint64(writer, value->t);
    else if (type == 'b')
        writer_bool(writer, value->b);
    else
        writer_string(writer, value->s);
}

static void process_write_entries(const KindProperty *property, Writer *writer,
                                  const Service *service)
{
    KindEntry entries[KIND_ENTRIES_MAX];
    size_t n = property->get_entries(service_find_instance(service), entries);

    g_assert(n <= KIND_ENTRIES_MAX);
    writer_open(writer, 'a', "{sv}");
    for (size_t i = 0; i < n; i++) {
        writer_entry_open(writer, entries[i].name, (const char[]){entries[i].type, '\0'});
        process_write_plain(writer, entries[i].type, &entries[i].value);
        writer_entry_close(writer);
    }
    writer_close(writer);
}

static void process_write_value(const KindProperty *property, Writer *writer,
                                const Service *service)
{
    KindValue value = {0};

    if (process_object_is_explicit(property)) {
        process_write_entries(property, writer, service);
        return;
    }
    property->get(service_find_instance(service), &value);
    process_write_plain(writer, property->type, &value);
}

static int property_get_process(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error)
{
    Writer writer = {.message = reply};
    Service *service = userdata;

    process_write_value(process_find_property(service_kind(service), property), &writer, service);
    return writer.result;
}

#define PROCESS_PROPERTY(name, signature)                                                          \
    SD_BUS_PROPERTY(name, signature, property_get_process, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

const sd_bus_vtable process_vtable[] = {
        SD_BUS_VTABLE_START(0),
        PROCESS_PROPERTY("MainPID", "u"),
        PROCESS_PROPERTY("ExitCode", "i"),
        PROCESS_PROPERTY("ExitSignal", "s"),
        PROCESS_PROPERTY("CoreDumped", "b"),
        PROCESS_PROPERTY("StatusText", "s"),
        PROCESS_PROPERTY("StatusErrno", "i"),
        PROCESS_PROPERTY("NRestarts", "u"),
        PROCESS_PROPERTY("InvocationId", "s"),
        PROCESS_PROPERTY("ControlGroup", "s"),
        SD_BUS_PROPERTY("Usage", "a{sv}", property_get_process, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_VTABLE_END,
};

bool process_object_is_explicit(const KindProperty *property)
{
    return property->type == 'a';
}

bool process_object_is(const Service *service, const char *interface)
{
    return g_strcmp0(service_kind(service)->interface, interface) == 0;
}

void process_object_write_entry(const KindProperty *property, Writer *writer,
                                const Service *service)
{
    writer_entry_open(writer, property->name, (const char[]){property->type, '\0'});
    process_write_value(property, writer, service);
    writer_entry_close(writer);
}

void process_object_check_kinds(Map *map)
{
    for (const Kind *const *kind = map_kinds(map); *kind != NULL; kind++) {
        unsigned n_served = 0, n_given = 0;

        if ((*kind)->interface == NULL)
            continue;
        g_assert(g_str_equal((*kind)->interface, BUS_INTERFACE_PROCESS));
        for (size_t i = 1; i + 1 < G_N_ELEMENTS(process_vtable); i++, n_served++) {
            const sd_bus_vtable *served = &process_vtable[i];
            const KindProperty *given = process_find_property(*kind, served->x.property.member);

            g_assert(given != NULL && given->type == served->x.property.signature[0]);
        }
        while ((*kind)->properties[n_given].name != NULL)
            n_given++;
        g_assert(n_given == n_served && n_given <= KIND_PROPERTIES_MAX);
    }
}
