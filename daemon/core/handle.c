/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service as an object: its birth, references, what is said about it, who listens, and its
 * announcement. */

#include "core/service-private.h"

Service *service_new(Core *core, const char *id, const Kind *kind)
{
    Service *service = g_new0(Service, 1);
    service->refs = 1;
    service->core = core;
    service->id = g_ref_string_new(id);
    service->kind = kind;
    service->record = state_record_new();
    service->entry.service = service;
    return service;
}

Service *service_ref(Service *service)
{
    service->refs++;
    return service;
}

static void service_free(Service *service)
{
    g_assert(!service->record->active && service->context == NULL);
    queue_remove(service->core->queue, &service->entry);
    if (service->instance != NULL)
        service->kind->instance_free(service->instance);
    g_clear_pointer(&service->cancelled, apply_context_unref);
    timer_free(service->retry_timer);
    timer_free(service->stable_timer);
    start_window_reset(&service->starts);
    listeners_free(service->listeners);
    error_buffer_free(service->errors);
    config_unref(service->config);
    if (service->deleted_by != NULL)
        caller_unref(service->deleted_by->caller);
    g_free(service->deleted_by);
    g_clear_error(&service->broken);
    state_record_unref(service->record);
    g_clear_pointer(&service->labels, g_hash_table_unref);
    g_free(service->description);
    g_free(service->history);
    g_ref_string_release(service->id);
    g_free(service);
}

void service_unref(Service *service)
{
    if (service == NULL || --service->refs > 0)
        return;
    service_free(service);
}

const char *service_id(const Service *service)
{
    return service->id;
}

const Kind *service_kind(const Service *service)
{
    return service->kind;
}

void *service_instance(Service *service)
{
    if (service->instance == NULL)
        service->instance = service->kind->instance_new(service->kind, service);
    return service->instance;
}

void *service_find_instance(const Service *service)
{
    return service->instance;
}

const StateRecord *service_state(const Service *service)
{
    return service->record;
}

const Config *service_config(const Service *service)
{
    return service->config;
}

bool service_is_settled(const Service *service)
{
    return state_traits(service->record->state)->settled;
}

bool service_is_deleting(const Service *service)
{
    return service->deleted_by != NULL;
}

ErrorBuffer *service_errors(Service *service)
{
    if (service->errors == NULL)
        service->errors = error_buffer_new(ERROR_BUFFER_CAPACITY);
    return service->errors;
}

const char *service_description(const Service *service)
{
    return service->description != NULL ? service->description : "";
}

GHashTable *service_labels(const Service *service)
{
    return service->labels;
}

bool service_is_enabled(const Service *service)
{
    return service->enabled;
}

void service_set_description(Service *service, const char *description)
{
    g_free(service->description);
    service->description = g_strdup(description);
}

void service_set_labels(Service *service, GHashTable *labels)
{
    if (labels != NULL)
        g_hash_table_ref(labels);
    g_clear_pointer(&service->labels, g_hash_table_unref);
    service->labels = labels;
}

void service_set_enabled(Service *service, bool enabled)
{
    service->enabled = enabled;
}

void service_publish(Service *service, const Origin *origin)
{
    g_assert(!service->published);
    if (service->record->cause == CAUSE_NONE) { /* nothing has happened to it yet */
        StateRecord *draft = service_draft(service);
        service_draft_set_origin(draft, origin);
        state_record_unref(service->record);
        service->record = draft;
    }
    service->published = true;
    service_rest(service);
    feed_publish(service->core->feed, CHANGE_ADD, service, NULL, service->record, origin);
}

void service_retract(Service *service)
{
    static const Origin origin_none = {.cause = CAUSE_NONE};
    g_assert(service->published && !service->retracted && !service->record->active);
    service->retracted = true;
    service->sub_state = NULL;
    queue_remove(service->core->queue, &service->entry);
    feed_publish(service->core->feed, CHANGE_REMOVE, service, service->record, service->record,
                 service->deleted_by != NULL ? service->deleted_by : &origin_none);
}

void service_set_broken(Service *service, const GError *error, const Origin *origin)
{
    g_assert(!service->published && service->record->state == STATE_INACTIVE);
    StateRecord *draft = service_draft(service);
    service->broken = g_error_copy(error);
    service_draft_set_error(service, draft, error, FAILURE_CONFIG);
    service_commit(service, draft, STATE_FAILED, origin);
}

FeedListener *service_listen(Service *service, ChangeFunc func, void *data)
{
    return feed_listen_to(service->core->feed, service, func, data);
}

FeedListener *service_state_and_listen(Service *service, StateRecord **ret_state, ChangeFunc func,
                                       void *data)
{
    *ret_state = state_record_ref(service->record);
    return service_listen(service, func, data);
}

Listeners *service_listeners(Service *service)
{
    if (service->listeners == NULL)
        service->listeners = listeners_new();
    return service->listeners;
}

bool service_has_listeners(const Service *service)
{
    return service->listeners != NULL;
}

size_t service_history(const Service *service, HistoryEntry ret_entries[SERVICE_HISTORY])
{
    size_t count = MIN(service->n_moves, SERVICE_HISTORY);
    for (size_t i = 0; i < count; i++)
        ret_entries[i] = service->history[(service->n_moves - count + i) % SERVICE_HISTORY];
    return count;
}
