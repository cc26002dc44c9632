/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each method is: find the service, call core, answer with the record as it then is. */

#include "bus/service-object.h"

#include "base/json.h"
#include "base/parse.h"
#include "bus/call.h"
#include "bus/connection.h"
#include "bus/errors.h"
#include "bus/service-properties.h"

#include <signal.h>
#include <string.h>

static int property_get_service(sd_bus *sd_bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error)
{
    Bus *bus = connection_current(sd_bus)->bus;
    Writer writer = {.message = reply};

    service_property_write(service_property_find(property), &writer, userdata,
                           bus_service_state(bus, userdata));
    return writer.result;
}

#define SERVICE_CONST(name, signature)                                                             \
    SD_BUS_PROPERTY(name, signature, property_get_service, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define SERVICE_PROPERTY(name, signature)                                                          \
    SD_BUS_PROPERTY(name, signature, property_get_service, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", state, "t", serial),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", state, "t", serial),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Restart", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", state, "t", serial),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", state, "t", serial),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Configure", SD_BUS_ARGS("s", config),
                                SD_BUS_RESULT("s", state, "t", serial, "a{sv}", result),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("s", state, "t", serial), call_begin_service,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetState", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", record),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetConfig", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("s", config, "t", revision), call_begin_service,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListConfigRevisions", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("aa{sv}", revisions), call_begin_service,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetConfigRevision", SD_BUS_ARGS("t", revision),
                                SD_BUS_RESULT("s", config, "t", time), call_begin_service,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetEnabled", SD_BUS_ARGS("b", enabled), SD_BUS_NO_RESULT,
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Signal", SD_BUS_ARGS("s", whom, "i", signo), SD_BUS_NO_RESULT,
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ResetFailed", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, call_begin_service,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", log),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetFailureReport", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", report),
                                call_begin_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SERVICE_CONST("Id", "s"),
        SERVICE_CONST("Kind", "s"),
        SERVICE_PROPERTY("Description", "s"),
        SERVICE_PROPERTY("Labels", "a{ss}"),
        SERVICE_PROPERTY("State", "s"),
        SERVICE_PROPERTY("SubState", "s"),
        SERVICE_PROPERTY("Active", "b"),
        SERVICE_PROPERTY("Loading", "b"),
        SERVICE_PROPERTY("Enabled", "b"),
        SERVICE_PROPERTY("Persistent", "b"),
        SERVICE_PROPERTY("DefinitionPath", "s"),
        SERVICE_PROPERTY("WillRetry", "b"),
        SERVICE_PROPERTY("Error", "s"),
        SERVICE_PROPERTY("ErrorName", "s"),
        SERVICE_PROPERTY("FailureClass", "s"),
        SERVICE_PROPERTY("FailedAttempts", "u"),
        SERVICE_PROPERTY("MaxAttempts", "u"),
        SERVICE_PROPERTY("LastActiveTime", "t"),
        SERVICE_PROPERTY("LastInactiveTime", "t"),
        SERVICE_PROPERTY("LastErrorTime", "t"),
        SERVICE_PROPERTY("LastConfigTime", "t"),
        SERVICE_PROPERTY("LastLoadingStartTime", "t"),
        SERVICE_PROPERTY("LastLoadingEndTime", "t"),
        SERVICE_PROPERTY("NextAttemptTime", "t"),
        SERVICE_PROPERTY("ConfigRevision", "t"),
        SERVICE_PROPERTY("ConfigDigest", "s"),
        SERVICE_PROPERTY("LastTransition", "a{sv}"),
        SERVICE_PROPERTY("Requires", "as"),
        SERVICE_PROPERTY("Wants", "as"),
        SERVICE_PROPERTY("After", "as"),
        SERVICE_PROPERTY("Before", "as"),
        SERVICE_PROPERTY("Conflicts", "as"),
        SERVICE_PROPERTY("PartOf", "as"),
        SERVICE_PROPERTY("RequiredBy", "as"),
        SERVICE_PROPERTY("WaitingFor", "as"),
        SERVICE_PROPERTY("StateSerial", "t"),
        SD_BUS_VTABLE_END,
};

void request_service_start(const Call *call, RequestSpec *spec)
{
    spec->type = REQUEST_START;
}

void request_service_stop(const Call *call, RequestSpec *spec)
{
    spec->type = REQUEST_STOP;
}

void request_service_restart(const Call *call, RequestSpec *spec)
{
    spec->type = REQUEST_RESTART;
}

static Writer service_object_begin_state(Call *call, const Service *service)
{
    const StateRecord *state = service_state(service);
    Writer writer = call_reply_begin(call);

    writer_string(&writer, state_to_string(state->state));
    writer_uint64(&writer, state->serial);
    return writer;
}

void answer_service_state(Call *call, const RequestOutcome *outcome)
{
    Writer writer = service_object_begin_state(call, outcome->service);

    call_reply(call, &writer);
}

/* Nothing of it is kept: after a crash it starts anew, and reads its files. */
bool method_service_reload(Call *call, GError **error)
{
    Service *service = call_service(call, error);
    Origin origin = call_origin(call);

    if (service == NULL || !service_reload(service, &origin, error))
        return false;
    Writer writer = service_object_begin_state(call, service);
    call_reply(call, &writer);
    return true;
}

void answer_service_empty(Call *call, const RequestOutcome *outcome)
{
    call_reply_empty(call);
}

bool service_object_check_config(const char *config, GError **error)
{
    size_t length = strlen(config);

    return length <= JSON_MAX_BYTES ||
           error_set(error, ERROR_LIMIT_EXCEEDED,
                     "the configuration is %zu bytes long; at most %d are accepted", length,
                     JSON_MAX_BYTES);
}

typedef struct ConfigureArguments {
    const char *config;
} ConfigureArguments;

bool method_service_read_configure(Call *call, GError **error)
{
    ConfigureArguments *arguments = call->arguments = g_new0(ConfigureArguments, 1);
    int r = sd_bus_message_read_basic(call->message, 's', &arguments->config);

    if (r < 0)
        return bus_errors_set_unreadable(error, r, "config");
    return service_object_check_config(arguments->config, error);
}

void request_service_configure(const Call *call, RequestSpec *spec)
{
    const ConfigureArguments *arguments = call->arguments;

    spec->type = REQUEST_CONFIGURE;
    spec->config = arguments->config;
    spec->config_length = strlen(arguments->config);
}

void answer_service_configure(Call *call, const RequestOutcome *outcome)
{
    Writer writer = service_object_begin_state(call, outcome->service);

    writer_open(&writer, 'a', "{sv}");
    writer_entry_string(&writer, "applied", config_applied_to_string(outcome->applied));
    writer_entry_uint64(&writer, "revision", service_state(outcome->service)->config_revision);
    writer_close(&writer);
    call_reply(call, &writer);
}

typedef struct EnabledArguments {
    int enabled; /* as sd-bus has it */
} EnabledArguments;

bool method_service_read_set_enabled(Call *call, GError **error)
{
    EnabledArguments *arguments = call->arguments = g_new0(EnabledArguments, 1);
    int r = sd_bus_message_read_basic(call->message, 'b', &arguments->enabled);

    return r >= 0 || bus_errors_set_unreadable(error, r, "enabled");
}

void request_service_set_enabled(const Call *call, RequestSpec *spec)
{
    const EnabledArguments *arguments = call->arguments;

    spec->type = REQUEST_SET_ENABLED;
    spec->enabled = arguments->enabled != 0;
}

bool method_service_get_state(Call *call, GError **error)
{
    Service *service = call_service(call, error);
    Writer writer;

    if (service == NULL)
        return false;
    writer = call_reply_begin(call);
    writer_open(&writer, 'a', "{sv}");
    for (const ServiceProperty *property = service_properties; property->name != NULL; property++) {
        if (property->of_record)
            service_property_write_entry(property, &writer, service, service_state(service));
    }
    writer_close(&writer);
    call_reply(call, &writer);
    return true;
}

bool method_service_get_config(Call *call, GError **error)
{
    Service *service = call_service(call, error);
    const ConfigText *config;
    Writer writer;

    if (service == NULL)
        return false;
    config = service_state(service)->config;
    writer = call_reply_begin(call);
    writer_string(&writer, config != NULL ? config->text : NULL);
    writer_uint64(&writer, service_state(service)->config_revision);
    call_reply(call, &writer);
    return true;
}

typedef struct SignalArguments {
    SignalWhom whom;
    int32_t signo;
} SignalArguments;

bool method_service_read_signal(Call *call, GError **error)
{
    SignalArguments *arguments = call->arguments = g_new0(SignalArguments, 1);
    g_autofree char *excerpt = NULL;
    const char *whom = NULL;
    int r = sd_bus_message_read(call->message, "si", &whom, &arguments->signo);

    if (r < 0)
        return bus_errors_set_unreadable(error, r, "whom and signo");
    arguments->whom = signal_whom_from_string(whom);
    if ((int)arguments->whom < 0) {
        excerpt = parse_excerpt(whom);
        return error_set(error, ERROR_INVALID_ARGS, "whom: expected main or all, got '%s'",
                         excerpt);
    }
    if (arguments->signo < 1 || arguments->signo >= NSIG)
        return error_set(error, ERROR_INVALID_ARGS,
                         "signo: expected the number of a signal, 1 to %d, got %d", NSIG - 1,
                         arguments->signo);
    return true;
}

bool method_service_signal(Call *call, GError **error)
{
    const SignalArguments *arguments = call->arguments;
    Service *service = call_service(call, error);

    if (service == NULL || !service_signal(service, arguments->whom, arguments->signo, error))
        return false;
    call_reply_empty(call);
    return true;
}

bool method_service_reset_failed(Call *call, GError **error)
{
    Service *service = call_service(call, error);
    Origin origin = call_origin(call);

    if (service == NULL || !service_reset_failed(service, &origin, error))
        return false;
    call_reply_empty(call);
    return true;
}
