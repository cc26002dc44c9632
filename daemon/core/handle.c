/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service as an object: its birth, references, what is said about it, who listens, and its
 * announcement. */

#include "base/errors.h"
#include "core/service-private.h"

Service *service_new(Core *core, const char *id, const Kind *kind)
{
    Service *service = g_new0(Service, 1);
    service->refs = 1;
    service->core = core;
    service->id = g_ref_string_new(id);
    service->kind = kind;
    service->record = state_record_new();
    service->entry.owner = service;
    return service;
}

GraphNode *service_node(const Service *service)
{
    return service->node;
}

void service_set_node(Service *service, GraphNode *node)
{
    service->node = node;
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
    if (service->attached)
        graph_detach(service->core->graph, service);
    g_strfreev(service->awaited);
    if (service->instance != NULL)
        service->kind->instance_free(service->instance);
    g_clear_pointer(&service->cancelled, apply_context_unref);
    timer_free(service->retry_timer);
    timer_free(service->stable_timer);
    start_window_reset(&service->starts);
    listeners_free(service->listeners);
    error_buffer_free(service->errors);
    last_failure_free(service->last_failure);
    config_unref(service->config);
    if (service->deleted_by != NULL)
        caller_unref(service->deleted_by->caller);
    g_free(service->deleted_by);
    g_clear_error(&service->broken);
    state_record_unref(service->record);
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

Core *service_core(const Service *service)
{
    return service->core;
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

const LastFailure *service_last_failure(const Service *service)
{
    return service->last_failure;
}

void service_remember_failure(Service *service, const StateRecord *draft, State to,
                              const ExitStatus *exit)
{
    uint64_t serial = service->published ? feed_serial(service->core->feed) + 1 : 0;
    service->last_failure =
            last_failure_renew(service->last_failure, service, draft, to, serial, exit);
}

const About *service_about(const Service *service)
{
    return state_record_about(service->record);
}

void service_set_about(Service *service, const About *values, const Origin *origin)
{
    if (about_equal(service_about(service), values))
        return;
    g_autoptr(Service) keep = service_ref(service);
    StateRecord *draft = service_draft(service);
    about_unref(draft->about);
    draft->about = about_new(values);
    if (service->published) {
        service_commit(service, draft, draft->state, origin);
        return;
    }
    state_record_unref(service->record); /* nothing has happened to it by that */
    service->record = draft;
}

void service_set_enabled(Service *service, bool enabled, const Origin *origin)
{
    About about = *service_about(service);
    about.enabled = enabled;
    service_set_about(service, &about, origin);
}

bool service_is_wanted(const Service *service)
{
    return service->wanted;
}

ConfigSource service_config_source(const Service *service)
{
    return service->config_source;
}

void service_set_revision(Service *service, uint64_t revision)
{
    g_assert(!service->published);
    service->record->config_revision = revision; /* nobody has seen the record */
}

void service_set_config_time(Service *service, uint64_t time)
{
    g_assert(!service->published);
    service->record->last_config_time = time; /* nobody has seen the record */
}

ServiceKept *service_kept(Service *service)
{
    return &service->kept;
}

/* Only the text of an error is kept. */
static ErrorCode service_code_of_class(FailureClass failure_class)
{
    static const ErrorCode codes[_FAILURE_MAX] = {
            [FAILURE_CONFIG] = ERROR_INVALID_CONFIG,
            [FAILURE_TIMEOUT] = ERROR_TIMEOUT,
            [FAILURE_START_LIMIT] = ERROR_START_LIMIT_HIT,
    };
    return codes[failure_class];
}

void service_remember(Service *service, const DurableState *state, const Origin *origin)
{
    g_assert(!service->published && !service->record->active);
    StateRecord *draft = service_draft(service);
    bool failed = state->error != NULL && !state->wanted;
    draft->failed_attempts = state->failed_attempts;
    service->kept = (ServiceKept){
            .wanted = state->wanted,
            .failed_attempts = state->failed_attempts,
            .error_time = state->error_time,
    };
    if (failed) {
        draft->failure_class = state->failure_class;
        draft->last_error_time = state->error_time;
        g_clear_error(&draft->error);
        draft->error = g_error_new_literal(
                SVCMGR_ERROR, (int)service_code_of_class(state->failure_class), state->error);
        service_remember_failure(service, draft, STATE_FAILED, NULL);
    }
    service_commit(service, draft, failed ? STATE_FAILED : draft->state, origin);
}

/* What it did before it was published is told by the change that adds it. */
static void service_number_moves(Service *service, uint64_t serial)
{
    for (size_t i = 0; i < MIN(service->n_moves, SERVICE_HISTORY); i++)
        service->history[i].serial = serial;
    if (service->last_failure != NULL)
        service->last_failure->serial = serial;
}

void service_publish(Service *service, const Origin *origin)
{
    g_assert(!service->published);
    service_attach(service);
    StateRecord *draft = service_draft(service);
    if (draft->cause == CAUSE_NONE) /* nothing has happened to it yet */
        service_draft_set_origin(draft, origin);
    service_draft_links(service, draft, draft->state);
    state_record_unref(service->record);
    service->record = draft;
    service->published = true;
    service_number_moves(service, feed_serial(service->core->feed) + 1);
    service_rest(service);
    feed_publish(service->core->feed, CHANGE_ADD, service, NULL, service->record, origin);
}

void service_retract(Service *service)
{
    static const Origin origin_none = {.cause = CAUSE_NONE};
    g_assert(service->published && !service->retracted && !service->record->active);
    service->retracted = true;
    service->attached = false;
    graph_detach(service->core->graph, service);
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
    service_remember_failure(service, draft, STATE_FAILED, NULL);
    service_commit(service, draft, STATE_FAILED, origin);
}

bool service_is_broken(const Service *service)
{
    return service->broken != NULL;
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

static bool service_came_to(const Service *service, State state, Cause cause)
{
    const HistoryEntry *last = service->n_moves > 0
                                       ? &service->history[(service->n_moves - 1) % SERVICE_HISTORY]
                                       : NULL;
    return last != NULL && last->to == state && last->cause == cause;
}

bool service_failed_to_stop(const Service *service)
{
    return service_came_to(service, STATE_FAILED, CAUSE_STOPPED);
}

bool service_has_ended(const Service *service)
{
    return service_came_to(service, STATE_INACTIVE, CAUSE_EXIT);
}
