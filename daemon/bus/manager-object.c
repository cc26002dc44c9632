/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties first, then the methods in the order of the XML. */

#include "bus/manager-object.h"

#include "base/parse.h"
#include "bus/authority.h"
#include "bus/call.h"
#include "bus/connection.h"
#include "bus/errors.h"
#include "bus/listing.h"
#include "bus/objects.h"
#include "bus/options.h"
#include "bus/service-object.h"

#include <stddef.h>
#include <string.h>

#define MANAGER_MAX_LABELS 64
#define MANAGER_MAX_LABEL_KEY_BYTES 256
#define MANAGER_MAX_LABEL_BYTES 4096
#define MANAGER_MAX_DESCRIPTION_BYTES 4096

/* Properties */

static void property_write_version(Writer *writer, const Bus *bus)
{
    writer_string(writer, bus->version);
}

static void property_write_instance_id(Writer *writer, const Bus *bus)
{
    writer_string(writer, bus->instance_id);
}

static void property_write_kinds(Writer *writer, const Bus *bus)
{
    writer_open(writer, 'a', "s");
    for (const Kind *const *kind = map_kinds(bus->map); *kind != NULL; kind++)
        writer_string(writer, (*kind)->name);
    writer_close(writer);
}

static void property_write_features(Writer *writer, const Bus *bus)
{
    writer_open(writer, 'a', "s");
    for (char **feature = bus->features; *feature != NULL; feature++)
        writer_string(writer, *feature);
    writer_close(writer);
}

static void property_write_started_time(Writer *writer, const Bus *bus)
{
    writer_uint64(writer, bus->started_time);
}

static void property_write_phase(Writer *writer, const Bus *bus)
{
    writer_string(writer, bus->phase);
}

static void property_write_state(Writer *writer, const Bus *bus)
{
    writer_string(writer, bus_state(bus));
}

static void property_write_storage_error(Writer *writer, const Bus *bus)
{
    writer_string(writer, keeper_error(bus->keeper));
}

static void property_write_n_services(Writer *writer, const Bus *bus)
{
    writer_uint32(writer, map_counts(bus->map)->total);
}

static void property_write_n_active(Writer *writer, const Bus *bus)
{
    writer_uint32(writer, map_counts(bus->map)->active);
}

static void property_write_n_failed(Writer *writer, const Bus *bus)
{
    writer_uint32(writer, map_counts(bus->map)->by_state[STATE_FAILED]);
}

static void property_write_n_backoff(Writer *writer, const Bus *bus)
{
    writer_uint32(writer, map_counts(bus->map)->by_state[STATE_BACKOFF]);
}

static void property_write_kind_counts(Writer *writer, const Bus *bus)
{
    writer_open(writer, 'a', "{su}");
    for (const Kind *const *kind = map_kinds(bus->map); *kind != NULL; kind++) {
        writer_open(writer, 'e', "su");
        writer_string(writer, (*kind)->name);
        writer_uint32(writer, map_count_of_kind(bus->map, (*kind)->name));
        writer_close(writer);
    }
    writer_close(writer);
}

static void property_write_event_serial(Writer *writer, const Bus *bus)
{
    writer_uint64(writer, feed_serial(map_core(bus->map)->feed));
}

static const struct {
    const char *name;
    void (*write)(Writer *writer, const Bus *bus);
} manager_properties[] = {
        {"Version", property_write_version},
        {"InstanceId", property_write_instance_id},
        {"Kinds", property_write_kinds},
        {"Features", property_write_features},
        {"StartedTime", property_write_started_time},
        {"Phase", property_write_phase},
        {"State", property_write_state},
        {"StorageError", property_write_storage_error},
        {"NServices", property_write_n_services},
        {"NActive", property_write_n_active},
        {"NFailed", property_write_n_failed},
        {"NBackoff", property_write_n_backoff},
        {"KindCounts", property_write_kind_counts},
        {"EventSerial", property_write_event_serial},
};

static int property_get_manager(sd_bus *sd_bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error)
{
    const Connection *connection = userdata;
    Writer writer = {.message = reply};

    for (size_t i = 0; i < G_N_ELEMENTS(manager_properties); i++) {
        if (g_str_equal(manager_properties[i].name, property))
            manager_properties[i].write(&writer, connection->bus);
    }
    return writer.result;
}

#define MANAGER_CONST(name, signature)                                                             \
    SD_BUS_PROPERTY(name, signature, property_get_manager, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define MANAGER_PROPERTY(name, signature)                                                          \
    SD_BUS_PROPERTY(name, signature, property_get_manager, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetService", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", service),
                                call_begin_manager, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetServiceByPID", SD_BUS_ARGS("u", pid),
                                SD_BUS_RESULT("o", service), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListServices", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", services, "s", next_page_token),
                                call_begin_manager, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListKinds", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", kinds),
                                call_begin_manager, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetKindSchema", SD_BUS_ARGS("s", kind),
                                SD_BUS_RESULT("s", json_schema), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ValidateConfig", SD_BUS_ARGS("s", kind, "s", config),
                                SD_BUS_RESULT("aa{sv}", problems), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetDependencyGraph", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", services), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                "CreateService", SD_BUS_ARGS("s", id, "s", kind, "s", config, "a{sv}", options),
                SD_BUS_RESULT("o", service), call_begin_manager, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DeleteService", SD_BUS_ARGS("s", id, "a{sv}", options),
                                SD_BUS_NO_RESULT, call_begin_manager, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StartServices", SD_BUS_ARGS("as", ids, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", services), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StopServices", SD_BUS_ARGS("as", ids, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", services), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ResetFailed", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ReloadDefinitions", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("a{sv}", result), call_begin_manager,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetEvents", SD_BUS_ARGS("t", after_serial, "u", max),
                                SD_BUS_RESULT("t", oldest, "t", newest, "aa{sv}", events),
                                call_begin_manager, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS(
                "Event", SD_BUS_ARGS("t", serial, "t", time, "s", type, "s", id, "a{sv}", data), 0),
        MANAGER_CONST("Version", "s"),
        MANAGER_CONST("InstanceId", "s"),
        MANAGER_CONST("Kinds", "as"),
        MANAGER_CONST("Features", "as"),
        MANAGER_CONST("StartedTime", "t"),
        MANAGER_PROPERTY("Phase", "s"),
        MANAGER_PROPERTY("State", "s"),
        MANAGER_PROPERTY("StorageError", "s"),
        MANAGER_PROPERTY("NServices", "u"),
        MANAGER_PROPERTY("NActive", "u"),
        MANAGER_PROPERTY("NFailed", "u"),
        MANAGER_PROPERTY("NBackoff", "u"),
        MANAGER_PROPERTY("KindCounts", "a{su}"),
        SD_BUS_PROPERTY("EventSerial", "t", property_get_manager, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION |
                                SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_VTABLE_END,
};

/* Finding */

static bool manager_answer_path(Call *call, const Service *service)
{
    g_autofree char *path = objects_path(service_id(service));
    Writer writer = call_reply_begin(call);

    writer_path(&writer, path);
    call_reply(call, &writer);
    return true;
}

typedef struct NameArguments {
    const char *name;
} NameArguments;

bool method_manager_read_id(Call *call, GError **error)
{
    NameArguments *arguments = call->arguments = g_new0(NameArguments, 1);
    int r = sd_bus_message_read_basic(call->message, 's', &arguments->name);

    return r >= 0 || bus_errors_set_unreadable(error, r, "the name");
}

bool method_manager_get_service(Call *call, GError **error)
{
    const NameArguments *arguments = call->arguments;
    Service *service = map_get(call->bus->map, arguments->name, error);

    return service != NULL && manager_answer_path(call, service);
}

typedef struct PidArguments {
    uint32_t pid;
} PidArguments;

bool method_manager_read_pid(Call *call, GError **error)
{
    PidArguments *arguments = call->arguments = g_new0(PidArguments, 1);
    int r = sd_bus_message_read_basic(call->message, 'u', &arguments->pid);

    return r >= 0 || bus_errors_set_unreadable(error, r, "pid");
}

bool method_manager_get_service_by_pid(Call *call, GError **error)
{
    const PidArguments *arguments = call->arguments;
    Service *service = NULL;

    while ((service = map_next(call->bus->map, service != NULL ? service_id(service) : NULL)) !=
           NULL) {
        const Kind *kind = service_kind(service);

        if (kind->owns_pid != NULL &&
            kind->owns_pid(service_find_instance(service), arguments->pid))
            return manager_answer_path(call, service);
    }
    return error_set(error, ERROR_NOT_FOUND, "process %u belongs to no service", arguments->pid);
}

/* Kinds */

bool method_manager_get_kind_schema(Call *call, GError **error)
{
    const NameArguments *arguments = call->arguments;
    const Kind *kind = listing_get_kind(call->bus->map, arguments->name, error);
    Writer writer;

    if (kind == NULL)
        return false;
    writer = call_reply_begin(call);
    writer_string(&writer, kind->schema);
    call_reply(call, &writer);
    return true;
}

typedef struct ValidateArguments {
    const char *kind;
    const char *config;
} ValidateArguments;

bool method_manager_read_validate_config(Call *call, GError **error)
{
    ValidateArguments *arguments = call->arguments = g_new0(ValidateArguments, 1);
    int r = sd_bus_message_read(call->message, "ss", &arguments->kind, &arguments->config);

    if (r < 0)
        return bus_errors_set_unreadable(error, r, "kind and config");
    return service_object_check_config(arguments->config, error);
}

bool method_manager_validate_config(Call *call, GError **error)
{
    const ValidateArguments *arguments = call->arguments;
    const Kind *kind = listing_get_kind(call->bus->map, arguments->kind, error);
    g_autoptr(Problems) problems = NULL;
    g_autoptr(Config) config = NULL;

    if (kind == NULL)
        return false;
    problems = problems_new();
    config = config_parse(kind, arguments->config, strlen(arguments->config), problems);
    /* It looks at files and users as the daemon's user may: not for everybody to see. */
    if (config != NULL && kind->validate != NULL && authority_allows_caller(call))
        kind->validate(config, problems);
    listing_answer_problems(call, problems);
    return true;
}

/* Creating */

typedef struct CreateArguments {
    const char *id;
    const char *kind;
    const char *config;
    bool start;
    bool enabled;
    bool persist;
    const char *description;
    GHashTable *labels;
} CreateArguments;

static const Option manager_create_options[] = {
        {"start", "b", offsetof(CreateArguments, start)},
        {"enabled", "b", offsetof(CreateArguments, enabled)},
        {"persist", "b", offsetof(CreateArguments, persist)},
        {"labels", "a{ss}", offsetof(CreateArguments, labels)},
        {"description", "s", offsetof(CreateArguments, description)},
        {NULL, NULL, 0},
};

void manager_create_arguments_free(void *arguments)
{
    options_clear(manager_create_options, arguments);
    g_free(arguments);
}

static bool manager_check_labels(GHashTable *labels, GError **error)
{
    GHashTableIter iter;
    void *key, *value;

    if (g_hash_table_size(labels) > MANAGER_MAX_LABELS)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "%u labels are given; at most %d are kept",
                         g_hash_table_size(labels), MANAGER_MAX_LABELS);
    g_hash_table_iter_init(&iter, labels);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_autofree char *excerpt = parse_excerpt(key);

        if (*(const char *)key == '\0')
            return error_set(error, ERROR_INVALID_ARGS, "a label needs a name");
        if (strlen(key) > MANAGER_MAX_LABEL_KEY_BYTES)
            return error_set(error, ERROR_LIMIT_EXCEEDED,
                             "the name of a label is longer than %d "
                             "bytes: '%s'",
                             MANAGER_MAX_LABEL_KEY_BYTES, excerpt);
        if (strlen(value) > MANAGER_MAX_LABEL_BYTES)
            return error_set(error, ERROR_LIMIT_EXCEEDED, "the label '%s' is longer than %d bytes",
                             excerpt, MANAGER_MAX_LABEL_BYTES);
    }
    return true;
}

bool method_manager_read_create_service(Call *call, GError **error)
{
    CreateArguments *arguments = call->arguments = g_new0(CreateArguments, 1);
    int r = sd_bus_message_read(call->message, "sss", &arguments->id, &arguments->kind,
                                &arguments->config);

    if (r < 0)
        return bus_errors_set_unreadable(error, r, "id, kind and config");
    arguments->persist = true;
    if (!options_read(call->message, manager_create_options, arguments, error) ||
        !service_object_check_config(arguments->config, error))
        return false;
    if (*arguments->id != '\0' && !parse_id(arguments->id, error))
        return false;
    if (arguments->description != NULL &&
        strlen(arguments->description) > MANAGER_MAX_DESCRIPTION_BYTES)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "the description is longer than %d bytes",
                         MANAGER_MAX_DESCRIPTION_BYTES);
    return arguments->labels == NULL || manager_check_labels(arguments->labels, error);
}

void request_manager_create_service(const Call *call, RequestSpec *spec)
{
    const CreateArguments *arguments = call->arguments;

    spec->type = REQUEST_CREATE;
    spec->create = (CreateSpec){
            .id = arguments->id,
            .kind = arguments->kind,
            .config = *arguments->config != '\0' ? arguments->config : NULL,
            .config_length = strlen(arguments->config),
            .start = arguments->start,
            .enabled = arguments->enabled,
            .source = arguments->persist ? SOURCE_BUS : SOURCE_TRANSIENT,
            .description = arguments->description,
            .labels = arguments->labels,
    };
}

void answer_manager_create_service(Call *call, const RequestOutcome *outcome)
{
    (void)manager_answer_path(call, outcome->service); /* always true */
}

/* Deleting */

typedef struct DeleteArguments {
    const char *id;
    bool allow_missing;
} DeleteArguments;

static const Option manager_delete_options[] = {
        {"allow_missing", "b", offsetof(DeleteArguments, allow_missing)},
        {NULL, NULL, 0},
};

bool method_manager_read_delete_service(Call *call, GError **error)
{
    DeleteArguments *arguments = call->arguments = g_new0(DeleteArguments, 1);
    int r = sd_bus_message_read_basic(call->message, 's', &arguments->id);

    if (r < 0)
        return bus_errors_set_unreadable(error, r, "id");
    return options_read(call->message, manager_delete_options, arguments, error);
}

static void on_manager_deleted(const StateRecord *state, void *data)
{
    call_reply_empty(data);
}

static void on_manager_delete_abandoned(Call *call)
{
    map_delete_forget(call->bus->map, on_manager_deleted, call);
}

void request_manager_delete_service(const Call *call, RequestSpec *spec)
{
    const DeleteArguments *arguments = call->arguments;

    spec->type = REQUEST_DELETE;
    spec->id = arguments->id;
}

/* The delete has begun: it is joined, until the service is gone. */
void answer_manager_delete_service(Call *call, const RequestOutcome *outcome)
{
    Origin origin = call_origin(call);
    g_autoptr(GError) error = NULL;

    if (outcome->service == NULL) {
        call_reply_empty(call);
        return;
    }
    /* The call may be answered and gone when map_delete returns. */
    if (call_keep(call, on_manager_delete_abandoned, &error))
        (void)map_delete(call->bus->map, service_id(outcome->service), &origin, on_manager_deleted,
                         call, NULL); /* it is there */
    else
        call_reply_error(call, error);
}

bool refused_manager_delete_service(Call *call, const GError *error)
{
    const DeleteArguments *arguments = call->arguments;

    if (!arguments->allow_missing || !error_is(error, ERROR_NOT_FOUND))
        return false;
    call_reply_empty(call);
    return true;
}

bool method_manager_reset_failed(Call *call, GError **error)
{
    Origin origin = call_origin(call);
    Service *service = NULL;

    while ((service = map_next(call->bus->map, service != NULL ? service_id(service) : NULL)) !=
           NULL) {
        if (service_state(service)->state == STATE_FAILED)
            (void)service_reset_failed(service, &origin, NULL); /* one being deleted refuses */
    }
    call_reply_empty(call);
    return true;
}
