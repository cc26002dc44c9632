/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A group holds at most one request for each service, and no two of which one could refuse the
 * other (two configurations that together close a cycle, a delete of what another names), so that
 * none depends on what another has not done yet. It is limited by what others have to wait for: how
 * many requests it reads, writes and does, and how much they have to read. */

#include "core/requests.h"

#include "base/errors.h"
#include "core/request.h"

/* A turn that does not end: calls come faster than they are worked off. */
#define REQUESTS_PATIENCE_USEC (5 * USEC_PER_MSEC)
#define REQUESTS_GROUP 256
#define REQUESTS_GROUP_BYTES (1024 * 1024) /* of configuration; a larger one goes alone */
/* Others get their turn after so long, in which the sync that a group waits for does not count. */
#define REQUESTS_TURN_USEC (2 * USEC_PER_MSEC)
#define REQUESTS_GROUP_LEAST 16

struct Requests {
    RequestHost host;
    Core *core;
    GQueue pending; /* of Request */
    /* What is written and done together; of Request, NULL where it is answered. */
    GPtrArray *group;
    GHashTable *named;  /* ids that configurations of the group name, theirs */
    unsigned group_max; /* how many of late were done while others could wait */
    unsigned n_kept;    /* of the group: what is written */
    DurableLevel level; /* of these */
    Timer *turn_end;    /* when nothing else is to be done */
    Timer *patience;    /* there always is something */
    bool is_flushing;
};

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

static bool requests_group_deletes(const Requests *requests)
{
    for (unsigned i = 0; i < requests->group->len; i++) {
        const Request *request = g_ptr_array_index(requests->group, i);

        if (request->spec.type == REQUEST_DELETE)
            return true;
    }
    return false;
}

/* Why it was refused may be over when the group is done: there is room, or what names it is gone.
 */
static bool requests_should_wait(const Requests *requests, const Request *request,
                                 const GError *refused)
{
    if (requests->group->len == 0)
        return false;
    if (request->spec.type == REQUEST_CREATE && error_is(refused, ERROR_LIMIT_EXCEEDED))
        return requests_group_deletes(requests);
    return error_is(refused, ERROR_HAS_DEPENDENTS) || error_is(refused, ERROR_DEPENDENCY_CYCLE) ||
           error_is(refused, ERROR_CONFLICT);
}

/* It was checked against what is there, which does not know of the group. Of two configurations the
 * second closes no cycle if nobody comes after its service: neither there nor in the group. */
static bool requests_suit_group(const Requests *requests, const Request *request)
{
    const char *id = service_id(request->service);
    const Dependencies *dependencies = request_dependencies(request);

    if (request->spec.type != REQUEST_DELETE && dependencies == NULL)
        return true;
    if (g_hash_table_contains(requests->named, id))
        return false;
    return dependencies == NULL || g_hash_table_size(requests->named) == 0 ||
           graph_is_last(requests->core->graph, id, dependencies);
}

static void requests_note_named(Requests *requests, const Dependencies *dependencies)
{
    for (Relation relation = 0; dependencies != NULL && relation < _RELATION_MAX; relation++) {
        char *const *ids = dependencies->lists[relation];

        for (; ids != NULL && *ids != NULL; ids++)
            g_hash_table_add(requests->named, *ids);
    }
}

static void requests_join_group(Requests *requests, Request *request)
{
    g_ptr_array_add(requests->group, request);
    requests_note_named(requests, request_dependencies(request));
    if (!request_is_kept(request))
        return;
    requests->n_kept++;
    requests->level = MAX(requests->level, request_row(request)->level);
}

static size_t requests_size(const Request *request)
{
    return request->spec.config_length + request->spec.create.config_length;
}

/* Takes requests off the queue: those that are refused are answered, the others are the group.
 * Gives how many were taken: to refuse one takes its time, too. */
static unsigned requests_take_group(Requests *requests)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    Request *request;
    unsigned n_taken = 0;
    size_t n_bytes = 0;

    requests->n_kept = 0;
    requests->level = DURABLE_CRASH;
    while (n_taken < requests->group_max &&
           (request = g_queue_peek_head(&requests->pending)) != NULL) {
        const char *id =
                request->spec.type == REQUEST_CREATE ? request->spec.create.id : request->spec.id;
        g_autoptr(GError) error = NULL;

        if (id != NULL && g_hash_table_contains(ids, id))
            break; /* it depends on one that is in the group */
        if (n_taken > 0 && n_bytes + requests_size(request) > REQUESTS_GROUP_BYTES)
            break;
        bool good = request_row(request)->check(&requests->host, request, &error);

        if (good ? !requests_suit_group(requests, request)
                 : requests_should_wait(requests, request, error)) {
            request_put_back(&requests->host, request);
            break;
        }
        (void)g_queue_pop_head(&requests->pending);
        n_taken++;
        n_bytes += requests_size(request);
        if (!good) {
            request_refuse(&requests->host, request, error);
            continue;
        }
        g_hash_table_add(ids, (void *)service_id(request->service)); /* also one that was minted */
        requests_join_group(requests, request);
    }
    return n_taken;
}

/* What was written is kept, or was not to be kept. */
static void requests_note(Requests *requests, const Request *request, bool written)
{
    if (!request_says_wanted(request) || !request_is_kept(request))
        return;
    if (written)
        keeper_note_wanted(requests->host.keeper, request->service, request_wants(request));
    else
        keeper_note_unwritten(requests->host.keeper, request->service);
}

/* A disk that refuses a whole group says nothing of what goes on without it: that has its own. */
static void requests_finish_group(Requests *requests, const GError *refused)
{
    for (unsigned i = 0; i < requests->group->len; i++) {
        Request *request = g_steal_pointer(&requests->group->pdata[i]);

        if (refused != NULL && request_is_kept(request) && !request_row(request)->goes_on) {
            request_refuse(&requests->host, request, refused);
            continue;
        }
        requests_note(requests, request, refused == NULL);
        request_finish(&requests->host, request);
    }
    g_ptr_array_set_size(requests->group, 0);
}

/* Where a sync takes long, a group may take as long to be done: few syncs matter more then. */
static void requests_limit_group(Requests *requests, unsigned n, uint64_t write_usec,
                                 uint64_t work_usec)
{
    uint64_t allowed_usec = MAX(write_usec, REQUESTS_TURN_USEC);

    if (n > 0)
        requests->group_max = (unsigned)CLAMP(allowed_usec * n / MAX(work_usec, 1),
                                              REQUESTS_GROUP_LEAST, REQUESTS_GROUP);
}

/* Gives how long it took, without the wait for the disk. */
static uint64_t requests_flush_group(Requests *requests)
{
    Clock *clock = requests->core->clock;
    g_autoptr(GError) refused = NULL;

    uint64_t begun = clock_monotonic_usec(clock);
    unsigned n = requests_take_group(requests);
    uint64_t taken = clock_monotonic_usec(clock);
    if (requests->n_kept > 0)
        (void)keeper_write(requests->host.keeper, requests->level, requests_write_group,
                           requests->group, &refused);
    uint64_t written = clock_monotonic_usec(clock);
    g_hash_table_remove_all(requests->named); /* the names go with their requests */
    requests_finish_group(requests, refused);
    uint64_t work_usec = taken - begun + clock_monotonic_usec(clock) - written;
    requests_limit_group(requests, n, written - taken, work_usec);
    return work_usec;
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

    requests->host.keeper = keeper;
    requests->host.map = map;
    requests->core = map_core(map);
    g_queue_init(&requests->pending);
    requests->group = g_ptr_array_new();
    requests->named = g_hash_table_new(g_str_hash, g_str_equal);
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
    g_hash_table_unref(requests->named);
    timer_free(requests->turn_end);
    timer_free(requests->patience);
    g_free(requests);
}

void requests_add(Requests *requests, const RequestSpec *spec, RequestDone done, void *data)
{
    g_queue_push_tail(&requests->pending, request_new(spec, done, data));
    if (keeper_durable(requests->host.keeper) == NULL)
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
