/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request is, is a row of a table. A group holds at most one request for each service, so
 * that none depends on what another has not done yet. */

#include "core/requests.h"

#include "base/errors.h"

/* A turn that does not end: calls come faster than they are worked off. */
#define REQUESTS_PATIENCE_USEC (5 * USEC_PER_MSEC)
#define REQUESTS_GROUP 256
/* Others get their turn after so long, in which the sync that a group waits for does not count. */
#define REQUESTS_TURN_USEC (2 * USEC_PER_MSEC)
#define REQUESTS_GROUP_LEAST 16

typedef struct Request Request;
struct Request {
    RequestSpec spec; /* its strings are in owned */
    GPtrArray *owned;
    RequestDone done;
    void *data;
    Service *service; /* CREATE: prepared; else, from the check on, a reference */
    Config *config;   /* CONFIGURE: parsed */
};

struct Requests {
    Keeper *keeper;
    Map *map;
    Core *core;
    GQueue pending; /* of Request */
    /* What is written and done together; of Request, NULL where it is answered. */
    GPtrArray *group;
    unsigned group_max; /* how many of late were done while others could wait */
    unsigned n_kept;    /* of the group: what is written */
    DurableLevel level; /* of these */
    Timer *turn_end;    /* when nothing else is to be done */
    Timer *patience;    /* there always is something */
    bool is_flushing;
};

/* The rows */

typedef struct RequestRow {
    DurableLevel level;
    bool goes_on; /* although the disk refuses */
    /* Whatever can be refused; prepares. */
    bool (*check)(Requests *requests, Request *request, GError **error);
    bool (*write)(Durable *durable, Request *request, GError **error);
    /* Cannot be refused, but for what only the doing shows. */
    bool (*finish)(Requests *requests, Request *request, RequestOutcome *outcome, GError **error);
} RequestRow;

/* A delete that joins another has nothing to write. */
static bool request_is_kept(const Request *request)
{
    return service_about(request->service)->source != SOURCE_TRANSIENT &&
           !service_is_deleting(request->service);
}

static bool request_find_service(Requests *requests, Request *request, GError **error)
{
    Service *service = map_get(requests->map, request->spec.id, error);

    if (service == NULL)
        return false;
    request->service = service_ref(service);
    return true;
}

static bool request_check_create(Requests *requests, Request *request, GError **error)
{
    request->service =
            map_prepare(requests->map, &request->spec.create, &request->spec.origin, error);
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

static bool request_finish_create(Requests *requests, Request *request, RequestOutcome *outcome,
                                  GError **error)
{
    bool start = request->spec.create.start;

    outcome->service = request->service;
    keeper_note_wanted(requests->keeper, request->service, start);
    /* The map takes the reference. */
    map_publish(requests->map, service_ref(request->service), start, &request->spec.origin);
    return true;
}

static bool request_check_delete(Requests *requests, Request *request, GError **error)
{
    return map_check_delete(requests->map, request->spec.id, error) &&
           request_find_service(requests, request, error);
}

static bool request_write_delete(Durable *durable, Request *request, GError **error)
{
    return durable->drop_service(durable, request->spec.id, error);
}

static bool request_finish_delete(Requests *requests, Request *request, RequestOutcome *outcome,
                                  GError **error)
{
    if (!map_delete(requests->map, request->spec.id, &request->spec.origin, NULL, NULL, error))
        return false;
    outcome->service = map_find(requests->map, request->spec.id);
    return true;
}

static bool request_check_configure(Requests *requests, Request *request, GError **error)
{
    if (!request_find_service(requests, request, error))
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

static bool request_finish_configure(Requests *requests, Request *request, RequestOutcome *outcome,
                                     GError **error)
{
    outcome->service = request->service;
    outcome->applied = service_adopt_config(request->service, g_steal_pointer(&request->config),
                                            CONFIG_FROM_BUS, &request->spec.origin);
    return true;
}

static bool request_check_enabled(Requests *requests, Request *request, GError **error)
{
    return request_find_service(requests, request, error) &&
           service_check_change(request->service, error);
}

static bool request_write_enabled(Durable *durable, Request *request, GError **error)
{
    return durable->put_enabled(durable, request->spec.id, request->spec.enabled, error);
}

static bool request_finish_enabled(Requests *requests, Request *request, RequestOutcome *outcome,
                                   GError **error)
{
    outcome->service = request->service;
    service_kept(request->service)->enabled = true;
    service_set_enabled(request->service, request->spec.enabled, &request->spec.origin);
    return true;
}

static bool request_check_start(Requests *requests, Request *request, GError **error)
{
    return request_find_service(requests, request, error) &&
           service_check_start(request->service, error);
}

static bool request_check_stop(Requests *requests, Request *request, GError **error)
{
    return request_find_service(requests, request, error) &&
           service_check_stop(request->service, error);
}

static bool request_check_restart(Requests *requests, Request *request, GError **error)
{
    return request_find_service(requests, request, error) &&
           service_check_restart(request->service, error);
}

static bool request_wants(const Request *request)
{
    return request->spec.type != REQUEST_STOP;
}

static bool request_write_wanted(Durable *durable, Request *request, GError **error)
{
    return keeper_put_wanted(durable, request->spec.id, request_wants(request), error);
}

static bool request_finish_wanted(Requests *requests, Request *request, RequestOutcome *outcome,
                                  GError **error)
{
    static bool (*const operations[_REQUEST_MAX])(Service *, const Origin *, GError **) = {
            [REQUEST_START] = service_start,
            [REQUEST_STOP] = service_stop,
            [REQUEST_RESTART] = service_restart,
    };

    outcome->service = request->service;
    return operations[request->spec.type](request->service, &request->spec.origin, error);
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

static const RequestRow *request_row(const Request *request)
{
    return &request_rows[request->spec.type];
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

static Request *request_new(const RequestSpec *spec, RequestDone done, void *data)
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

static void request_refuse(Requests *requests, Request *request, const GError *error)
{
    if (request->spec.type == REQUEST_CREATE && request->service != NULL)
        map_discard(requests->map, g_steal_pointer(&request->service));
    request_answer(request, NULL, error);
}

static void request_finish(Requests *requests, Request *request)
{
    g_autoptr(Service) keep = request->service != NULL ? service_ref(request->service) : NULL;
    g_autoptr(GError) error = NULL;
    RequestOutcome outcome = {0};

    if (request_row(request)->finish(requests, request, &outcome, &error))
        request_answer(request, &outcome, NULL);
    else
        request_answer(request, NULL, error);
}

/* Groups */

static bool requests_write_group(Durable *durable, void *data, GError **error)
{
    GPtrArray *group = data;

    for (unsigned i = 0; i < group->len; i++) {
        Request *request = g_ptr_array_index(group, i);

        if (request_is_kept(request) && !request_row(request)->write(durable, request, error))
            return false;
    }
    return true;
}

static void requests_join_group(Requests *requests, Request *request)
{
    g_ptr_array_add(requests->group, request);
    if (!request_is_kept(request))
        return;
    requests->n_kept++;
    requests->level = MAX(requests->level, request_row(request)->level);
}

/* There will be room when the deletes of the group are done. */
static bool requests_should_wait(const Requests *requests, const Request *request,
                                 const GError *refused)
{
    if (request->spec.type != REQUEST_CREATE || !error_is(refused, ERROR_LIMIT_EXCEEDED))
        return false;
    for (unsigned i = 0; i < requests->group->len; i++) {
        const Request *before = g_ptr_array_index(requests->group, i);

        if (before->spec.type == REQUEST_DELETE)
            return true;
    }
    return false;
}

/* Takes requests off the queue: those that are refused are answered, the others are the group. */
static void requests_take_group(Requests *requests)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    Request *request;

    requests->n_kept = 0;
    requests->level = DURABLE_CRASH;
    while (requests->group->len < requests->group_max &&
           (request = g_queue_peek_head(&requests->pending)) != NULL) {
        const char *id =
                request->spec.type == REQUEST_CREATE ? request->spec.create.id : request->spec.id;
        g_autoptr(GError) error = NULL;

        if (id != NULL && g_hash_table_contains(ids, id))
            break; /* it depends on one that is in the group */
        bool good = request_row(request)->check(requests, request, &error);

        if (!good && requests_should_wait(requests, request, error))
            break;
        (void)g_queue_pop_head(&requests->pending);
        if (!good) {
            request_refuse(requests, request, error);
            continue;
        }
        g_hash_table_add(ids, (void *)service_id(request->service)); /* also one that was minted */
        requests_join_group(requests, request);
    }
}

/* What was written is kept, or was not to be kept. */
static void requests_note(Requests *requests, const Request *request, bool written)
{
    if (request_row(request)->finish != request_finish_wanted || !request_is_kept(request))
        return;
    if (written)
        keeper_note_wanted(requests->keeper, request->service, request_wants(request));
    else
        keeper_note_unwritten(requests->keeper, request->service);
}

/* A disk that refuses a whole group says nothing of what goes on without it: that has its own. */
static void requests_finish_group(Requests *requests, const GError *refused)
{
    for (unsigned i = 0; i < requests->group->len; i++) {
        Request *request = g_steal_pointer(&requests->group->pdata[i]);

        if (refused != NULL && request_is_kept(request) && !request_row(request)->goes_on) {
            request_refuse(requests, request, refused);
            continue;
        }
        requests_note(requests, request, refused == NULL);
        request_finish(requests, request);
    }
    g_ptr_array_set_size(requests->group, 0);
}

/* Where a sync takes long, a group may take as long to be done: few syncs matter more then. */
static void requests_limit_group(Requests *requests, unsigned n, uint64_t write_usec,
                                 uint64_t finish_usec)
{
    uint64_t allowed_usec = MAX(write_usec, REQUESTS_TURN_USEC);

    if (n > 0)
        requests->group_max = (unsigned)CLAMP(allowed_usec * n / MAX(finish_usec, 1),
                                              REQUESTS_GROUP_LEAST, REQUESTS_GROUP);
}

/* Gives how long it took, without the wait for the disk. */
static uint64_t requests_flush_group(Requests *requests)
{
    Clock *clock = requests->core->clock;
    g_autoptr(GError) refused = NULL;

    requests_take_group(requests);
    unsigned n = requests->group->len;
    uint64_t taken = clock_monotonic_usec(clock);
    if (requests->n_kept > 0)
        (void)keeper_write(requests->keeper, requests->level, requests_write_group, requests->group,
                           &refused);
    uint64_t written = clock_monotonic_usec(clock);
    requests_finish_group(requests, refused);
    uint64_t finish_usec = clock_monotonic_usec(clock) - written;
    requests_limit_group(requests, n, written - taken, finish_usec);
    return finish_usec;
}

void requests_flush(Requests *requests)
{
    if (requests->is_flushing)
        return;
    requests->is_flushing = true;
    timer_disarm(requests->turn_end);
    timer_disarm(requests->patience);
    while (!g_queue_is_empty(&requests->pending))
        (void)requests_flush_group(requests);
    requests->is_flushing = false;
}

static void requests_schedule(Requests *requests)
{
    uint64_t now = clock_monotonic_usec(requests->core->clock);

    if (timer_is_armed(requests->patience))
        return;
    timer_arm(requests->turn_end, now);
    timer_arm(requests->patience, usec_add(now, REQUESTS_PATIENCE_USEC));
}

/* As much as a turn allows. */
static void requests_work(Requests *requests)
{
    uint64_t taken_usec = 0;

    if (requests->is_flushing)
        return;
    requests->is_flushing = true;
    timer_disarm(requests->turn_end);
    timer_disarm(requests->patience);
    while (taken_usec < REQUESTS_TURN_USEC && !g_queue_is_empty(&requests->pending))
        taken_usec += requests_flush_group(requests);
    requests->is_flushing = false;
    if (!g_queue_is_empty(&requests->pending))
        requests_schedule(requests);
}

static void on_requests_due(void *data)
{
    requests_work(data);
}

/* The object */

Requests *requests_new(Keeper *keeper, Map *map)
{
    Requests *requests = g_new0(Requests, 1);

    requests->keeper = keeper;
    requests->map = map;
    requests->core = map_core(map);
    g_queue_init(&requests->pending);
    requests->group = g_ptr_array_new();
    requests->group_max = REQUESTS_GROUP;
    requests->turn_end = timer_new_last(requests->core->timers, on_requests_due, requests);
    requests->patience = timer_new(requests->core->timers, on_requests_due, requests);
    return requests;
}

void requests_free(Requests *requests)
{
    if (requests == NULL)
        return;
    g_assert(g_queue_is_empty(&requests->pending));
    g_ptr_array_unref(requests->group);
    timer_free(requests->turn_end);
    timer_free(requests->patience);
    g_free(requests);
}

void requests_add(Requests *requests, const RequestSpec *spec, RequestDone done, void *data)
{
    g_queue_push_tail(&requests->pending, request_new(spec, done, data));
    if (keeper_durable(requests->keeper) == NULL)
        requests_flush(requests);
    else if (g_queue_get_length(&requests->pending) >= REQUESTS_GROUP)
        requests_work(requests);
    else if (!requests->is_flushing)
        requests_schedule(requests);
}

static void request_forget(Request *request, const void *data)
{
    if (request != NULL && request->data == data)
        request->done = NULL;
}

void requests_forget(Requests *requests, void *data)
{
    for (GList *link = requests->pending.head; link != NULL; link = link->next)
        request_forget(link->data, data);
    for (unsigned i = 0; i < requests->group->len; i++)
        request_forget(g_ptr_array_index(requests->group, i), data);
}

bool requests_are_pending(const Requests *requests)
{
    return requests->pending.head != NULL;
}
