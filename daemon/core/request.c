/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request is, is a row of a table. */

#include "core/request.h"

#include "base/errors.h"

/* A delete that joins another has nothing to write. */
bool request_is_kept(const Request *request)
{
    return service_about(request->service)->source != SOURCE_TRANSIENT &&
           !service_is_deleting(request->service);
}

const Dependencies *request_dependencies(const Request *request)
{
    const Config *config = request->spec.type == REQUEST_CREATE ? service_config(request->service)
                                                                : request->config;

    return config != NULL ? config->common.dependencies : NULL;
}

void request_put_back(const RequestHost *host, Request *request)
{
    if (request->spec.type == REQUEST_CREATE && request->service != NULL)
        map_discard(host->map, g_steal_pointer(&request->service));
    g_clear_pointer(&request->service, service_unref);
    g_clear_pointer(&request->config, config_unref);
}

static bool request_find_service(const RequestHost *host, Request *request, GError **error)
{
    Service *service = map_get(host->map, request->spec.id, error);

    if (service == NULL)
        return false;
    request->service = service_ref(service);
    return true;
}

static bool request_check_create(const RequestHost *host, Request *request, GError **error)
{
    request->service = map_prepare(host->map, &request->spec.create, &request->spec.origin, error);
    return request->service != NULL;
}

static bool request_write_create(Durable *durable, Request *request, GError **error)
{
    const char *id = service_id(request->service);
    const StateRecord *record = service_state(request->service);
    const About *about = service_about(request->service);

    if (!durable->put_service(durable, id, service_kind(request->service)->name, about->description,
                              about->labels, error))
        return false;
    if (record->config != NULL) {
        DurableConfig config = {
                .revision = record->config_revision,
                .time = record->last_config_time,
                .source = CONFIG_FROM_BUS,
                .text = record->config->text,
                .length = record->config->length,
        };

        if (!durable->put_config(durable, id, &config, error))
            return false;
    }
    if (about->enabled && !durable->put_enabled(durable, id, true, error))
        return false;
    return !request->spec.create.start || keeper_put_wanted(durable, id, true, error);
}

static bool request_finish_create(const RequestHost *host, Request *request,
                                  RequestOutcome *outcome, GError **error)
{
    bool start = request->spec.create.start;

    outcome->service = request->service;
    keeper_note_wanted(host->keeper, request->service, start);
    /* The map takes the reference. */
    map_publish(host->map, service_ref(request->service), start, &request->spec.origin);
    return true;
}

static bool request_check_delete(const RequestHost *host, Request *request, GError **error)
{
    return map_check_delete(host->map, request->spec.id, error) &&
           request_find_service(host, request, error);
}

static bool request_write_delete(Durable *durable, Request *request, GError **error)
{
    return durable->drop_service(durable, request->spec.id, error);
}

static bool request_finish_delete(const RequestHost *host, Request *request,
                                  RequestOutcome *outcome, GError **error)
{
    if (!map_delete(host->map, request->spec.id, &request->spec.origin, NULL, NULL, error))
        return false;
    outcome->service = map_find(host->map, request->spec.id);
    return true;
}

static bool request_check_configure(const RequestHost *host, Request *request, GError **error)
{
    if (!request_find_service(host, request, error))
        return false;
    request->config = service_prepare_config(request->service, request->spec.config,
                                             request->spec.config_length, error);
    return request->config != NULL;
}

/* What a definition says is kept beside what takes its place, so that an edit of the definition can
 * be told from it later. */
static bool request_write_defined(Durable *durable, const Request *request, GError **error)
{
    const StateRecord *record = service_state(request->service);

    if (service_about(request->service)->source != SOURCE_DEFINITION || record->config == NULL ||
        service_config_source(request->service) != CONFIG_FROM_DEFINITION)
        return true;
    DurableConfig config = {
            .revision = record->config_revision,
            .time = record->last_config_time,
            .source = CONFIG_FROM_DEFINITION,
            .text = record->config->text,
            .length = record->config->length,
    };
    return durable->put_config(durable, request->spec.id, &config, error);
}

static bool request_write_configure(Durable *durable, Request *request, GError **error)
{
    Core *core = service_core(request->service);
    DurableConfig config = {
            .revision = service_state(request->service)->config_revision + 1,
            .time = clock_wall_usec(core->clock),
            .source = CONFIG_FROM_BUS,
            .text = request->config->text->text,
            .length = request->config->text->length,
    };
    return request_write_defined(durable, request, error) &&
           durable->put_config(durable, request->spec.id, &config, error);
}

static bool request_finish_configure(const RequestHost *host, Request *request,
                                     RequestOutcome *outcome, GError **error)
{
    outcome->service = request->service;
    outcome->applied = service_adopt_config(request->service, g_steal_pointer(&request->config),
                                            CONFIG_FROM_BUS, &request->spec.origin);
    return true;
}

static bool request_check_enabled(const RequestHost *host, Request *request, GError **error)
{
    return request_find_service(host, request, error) &&
           service_check_change(request->service, error);
}

static bool request_write_enabled(Durable *durable, Request *request, GError **error)
{
    return durable->put_enabled(durable, request->spec.id, request->spec.enabled, error);
}

static bool request_finish_enabled(const RequestHost *host, Request *request,
                                   RequestOutcome *outcome, GError **error)
{
    outcome->service = request->service;
    service_kept(request->service)->enabled = true;
    service_set_enabled(request->service, request->spec.enabled, &request->spec.origin);
    return true;
}

static bool request_check_start(const RequestHost *host, Request *request, GError **error)
{
    return request_find_service(host, request, error) &&
           service_check_start(request->service, error);
}

static bool request_check_stop(const RequestHost *host, Request *request, GError **error)
{
    return request_find_service(host, request, error) &&
           service_check_stop(request->service, error);
}

static bool request_check_restart(const RequestHost *host, Request *request, GError **error)
{
    return request_find_service(host, request, error) &&
           service_check_restart(request->service, error);
}

bool request_wants(const Request *request)
{
    return request->spec.type != REQUEST_STOP;
}

static bool request_write_wanted(Durable *durable, Request *request, GError **error)
{
    return keeper_put_wanted(durable, request->spec.id, request_wants(request), error);
}

static bool request_finish_wanted(const RequestHost *host, Request *request,
                                  RequestOutcome *outcome, GError **error)
{
    static bool (*const operations[_REQUEST_MAX])(Service *, const Origin *, GError **) = {
            [REQUEST_START] = service_start,
            [REQUEST_STOP] = service_stop,
            [REQUEST_RESTART] = service_restart,
    };

    outcome->service = request->service;
    if (operations[request->spec.type](request->service, &request->spec.origin, error))
        return true;
    keeper_note_unwritten(host->keeper, request->service); /* what was written of it is not so */
    return false;
}

static const RequestRow request_rows[_REQUEST_MAX] = {
        [REQUEST_CREATE] = {DURABLE_POWER, false, request_check_create, request_write_create,
                            request_finish_create},
        [REQUEST_DELETE] = {DURABLE_POWER, false, request_check_delete, request_write_delete,
                            request_finish_delete},
        [REQUEST_CONFIGURE] = {DURABLE_POWER, false, request_check_configure,
                               request_write_configure, request_finish_configure},
        [REQUEST_SET_ENABLED] = {DURABLE_POWER, false, request_check_enabled, request_write_enabled,
                                 request_finish_enabled},
        [REQUEST_START] = {DURABLE_CRASH, true, request_check_start, request_write_wanted,
                           request_finish_wanted},
        [REQUEST_STOP] = {DURABLE_CRASH, true, request_check_stop, request_write_wanted,
                          request_finish_wanted},
        [REQUEST_RESTART] = {DURABLE_CRASH, true, request_check_restart, request_write_wanted,
                             request_finish_wanted},
};

const RequestRow *request_row(const Request *request)
{
    return &request_rows[request->spec.type];
}

bool request_says_wanted(const Request *request)
{
    return request_row(request)->finish == request_finish_wanted;
}

/* One request */

static const char *request_own(Request *request, const char *string)
{
    char *copy = g_strdup(string);

    if (copy != NULL)
        g_ptr_array_add(request->owned, copy);
    return copy;
}

static const char *request_own_bytes(Request *request, const char *bytes, size_t length)
{
    char *copy = bytes != NULL ? g_strndup(bytes, length) : NULL;

    if (copy != NULL)
        g_ptr_array_add(request->owned, copy);
    return copy;
}

Request *request_new(const RequestSpec *spec, RequestDone done, void *data)
{
    Request *request = g_new0(Request, 1);
    CreateSpec *create = &request->spec.create;

    request->spec = *spec;
    request->owned = g_ptr_array_new_with_free_func(g_free);
    request->done = done;
    request->data = data;
    request->spec.id = request_own(request, spec->id);
    request->spec.config = request_own_bytes(request, spec->config, spec->config_length);
    create->id = request_own(request, create->id);
    create->kind = request_own(request, create->kind);
    create->config = request_own_bytes(request, create->config, create->config_length);
    create->description = request_own(request, create->description);
    if (create->labels != NULL)
        g_hash_table_ref(create->labels);
    if (request->spec.origin.caller != NULL)
        caller_ref(request->spec.origin.caller);
    return request;
}

static void request_free(Request *request)
{
    caller_unref(request->spec.origin.caller);
    g_clear_pointer(&request->spec.create.labels, g_hash_table_unref);
    g_ptr_array_unref(request->owned);
    service_unref(request->service);
    config_unref(request->config);
    g_free(request);
}

/* Ends and frees it. */
static void request_answer(Request *request, const RequestOutcome *outcome, const GError *error)
{
    if (request->done != NULL)
        request->done(outcome, error, request->data);
    request_free(request);
}

void request_refuse(const RequestHost *host, Request *request, const GError *error)
{
    request_put_back(host, request);
    request_answer(request, NULL, error);
}

void request_finish(const RequestHost *host, Request *request)
{
    g_autoptr(Service) keep = request->service != NULL ? service_ref(request->service) : NULL;
    g_autoptr(GError) error = NULL;
    RequestOutcome outcome = {0};

    if (request_row(request)->finish(host, request, &outcome, &error))
        request_answer(request, &outcome, NULL);
    else
        request_answer(request, NULL, error);
}
