/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits for the end of all services listens to the feed: the change by which a service becomes
 * inactive is the proof that nothing of it runs any more. */

#include "run/services.h"

#include "base/log.h"
#include "base/multi-start.h"

typedef struct ServicesStop {
    CloseAll *all;
    FeedListener *listener;
    GHashTable *pending; /* of ids */
    ServicesStopFunc done;
    void *data;
} ServicesStop;

/* Some functions below change services on their way, so they hold each one. */
static Service *services_step(Map *map, Service *service)
{
    Service *next = map_next(map, service != NULL ? service_id(service) : NULL);

    service_unref(service);
    return next != NULL ? service_ref(next) : NULL;
}

void services_start(Map *map, const GPtrArray *ids)
{
    static const Origin origin = {.cause = CAUSE_STARTUP};

    for (unsigned i = 0; i < ids->len; i++) {
        Service *service = map_find(map, g_ptr_array_index(ids, i));
        g_autoptr(GError) error = NULL;

        if (service != NULL && !service_state(service)->active &&
            !service_start(service, &origin, &error))
            log_service(LOG_LEVEL_ERROR, service_id(service), "cannot start it: %s",
                        error->message);
    }
}

/* How long the stop takes */

typedef struct ServicesTime {
    uint64_t own_usec;   /* its own stop */
    uint64_t total_usec; /* with what stops after it, one after the other */
} ServicesTime;

typedef struct ServicesChain {
    GHashTable *times;     /* GraphNode -> ServicesTime; of those that run */
    uint64_t longest_usec; /* of those that were visited */
} ServicesChain;

/* 0: it does not run. What a kind that coordinates has as a limit says nothing of its members'. */
static uint64_t services_timeout(const Service *service)
{
    const Config *config = service_config(service);

    if (!service_state(service)->active || config == NULL || service_kind(service)->coordinates)
        return 0;
    return config->common.stop_timeout_usec;
}

static void services_visit_before(GraphNode *node, void *data)
{
    ServicesChain *chain = data;
    const ServicesTime *time = g_hash_table_lookup(chain->times, node);

    if (time != NULL)
        chain->longest_usec = MAX(chain->longest_usec, time->total_usec);
}

/* The members of a group may stop one after the other, each with what it comes after behind it. */
static void services_add_members(const ServicesChain *chain, const GraphNode *node,
                                 ServicesTime *time)
{
    const GPtrArray *members = node->out[RELATION_MEMBERS];

    for (unsigned i = 0; members != NULL && i < members->len; i++) {
        const ServicesTime *of = g_hash_table_lookup(chain->times, members->pdata[i]);

        if (of == NULL)
            continue;
        time->own_usec = usec_add(time->own_usec, of->own_usec);
        time->total_usec = MAX(usec_add(time->total_usec, of->own_usec), of->total_usec);
    }
}

/* Those that it comes after have their times. */
static uint64_t services_add_time(ServicesChain *chain, GraphNode *node)
{
    ServicesTime *time;

    if (node->service == NULL || !service_state(node->service)->active)
        return 0;
    time = g_new0(ServicesTime, 1);
    time->own_usec = services_timeout(node->service);
    services_add_members(chain, node, time);
    chain->longest_usec = 0;
    graph_each_before(node, services_visit_before, chain);
    time->total_usec = MAX(time->total_usec, usec_add(time->own_usec, chain->longest_usec));
    g_hash_table_insert(chain->times, node, time);
    return time->total_usec;
}

static uint64_t services_longest_chain(Map *map)
{
    g_autoptr(GPtrArray) sorted = graph_sort(map_core(map)->graph);
    g_autoptr(GHashTable) times = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    ServicesChain chain = {.times = times};
    uint64_t longest_usec = 0;

    for (unsigned i = 0; i < sorted->len; i++)
        longest_usec = MAX(longest_usec, services_add_time(&chain, sorted->pdata[i]));
    return longest_usec;
}

uint64_t services_stop_usec(Map *map)
{
    uint64_t longest_usec = services_longest_chain(map);

    for (Service *service = map_next(map, NULL); service != NULL;
         service = map_next(map, service_id(service)))
        longest_usec = MAX(longest_usec, services_timeout(service));
    return MAX(usec_add(longest_usec, SERVICES_STOP_MARGIN_USEC), SERVICES_STOP_LEAST_USEC);
}

/* Stopping */

static void services_stop_free(ServicesStop *stop)
{
    feed_unlisten(stop->listener);
    g_hash_table_unref(stop->pending);
    g_free(stop);
}

static void on_services_closed(const GError *error, void *data)
{
    ServicesStop *stop = data;
    ServicesStopFunc done = stop->done;
    void *done_data = stop->data;

    services_stop_free(stop);
    done(error, done_data);
}

/* A group that is up stops it. */
static bool services_is_in_group(const Service *service)
{
    const GraphNode *node = service_node(service);
    const GPtrArray *groups = node != NULL ? node->in[RELATION_MEMBERS] : NULL;

    for (unsigned i = 0; groups != NULL && i < groups->len; i++) {
        const GraphNode *group = groups->pdata[i];

        if (group->service != NULL && service_state(group->service)->active &&
            service_state(group->service)->state != STATE_WAITING)
            return true;
    }
    return false;
}

/* It refuses only when a stop is under way already, or comes with a delete. */
static void services_ask_to_stop(Service *service)
{
    static const Origin origin = {.cause = CAUSE_SHUTDOWN};

    (void)service_stop(service, &origin, NULL);
}

/* A group has ended. What it has not started it may have left. */
static void services_ask_members(const ServicesStop *stop, const Service *group)
{
    const GraphNode *node = service_node(group);
    const GPtrArray *members = node != NULL ? node->out[RELATION_MEMBERS] : NULL;
    g_autoptr(GPtrArray) left = g_ptr_array_new(); /* of Service; a stop may change the graph */

    for (unsigned i = 0; members != NULL && i < members->len; i++) {
        Service *service = ((const GraphNode *)members->pdata[i])->service;

        if (service != NULL && !services_is_in_group(service) &&
            g_hash_table_contains(stop->pending, service_id(service)))
            g_ptr_array_add(left, service);
    }
    for (unsigned i = 0; i < left->len; i++)
        services_ask_to_stop(left->pdata[i]);
}

static void on_services_change(const Change *change, void *data)
{
    ServicesStop *stop = data;
    const char *id = service_id(change->service);
    const StateRecord *state = change->new_state;

    if (state->active || !g_hash_table_contains(stop->pending, id))
        return;
    g_autofree char *name = g_strdup_printf("service '%s'", id);
    g_hash_table_remove(stop->pending, id);
    services_ask_members(stop, change->service);
    close_all_done(stop->all, name, state->state == STATE_FAILED ? state->error : NULL);
}

void services_stop(Map *map, ServicesStopFunc done, void *data)
{
    ServicesStop *stop = g_new0(ServicesStop, 1);

    stop->done = done;
    stop->data = data;
    stop->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    stop->all = close_all_new(on_services_closed, stop);
    stop->listener = map_listen(map, on_services_change, stop);
    for (Service *service = services_step(map, NULL); service != NULL;
         service = services_step(map, service)) {
        if (!service_state(service)->active)
            continue;
        close_all_add(stop->all);
        g_hash_table_add(stop->pending, g_strdup(service_id(service)));
        if (!services_is_in_group(service))
            services_ask_to_stop(service);
    }
    close_all_seal(stop->all);
}

/* Who waits for its turn to stop is asked first, so that none comes back. */
void services_kill(Map *map)
{
    for (Service *service = services_step(map, NULL); service != NULL;
         service = services_step(map, service)) {
        if (service_state(service)->active)
            services_ask_to_stop(service);
    }
    for (Service *service = services_step(map, NULL); service != NULL;
         service = services_step(map, service))
        service_kill(service);
}

char *services_describe_running(Map *map)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (Service *service = map_next(map, NULL); service != NULL;
         service = map_next(map, service_id(service))) {
        const StateRecord *state = service_state(service);
        bool has_detail = *state->sub_state != '\0';

        if (!state->active)
            continue;
        g_string_append_printf(text, "%s%s (%s%s%s)", text->len > 0 ? ", " : "",
                               service_id(service), state_to_string(state->state),
                               has_detail ? ": " : "", state->sub_state);
    }
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static void services_describe_one(GString *text, const Service *service)
{
    char *const *ids = links_waiting_for(service_state(service)->links);
    g_autofree char *names = ids != NULL ? g_strjoinv(", ", (char **)ids) : NULL;

    g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", service_id(service));
    if (names != NULL)
        g_string_append_printf(text, " (for %s)", names);
}

char *services_describe_waiting(Map *map, unsigned n)
{
    unsigned n_waiting = map_counts(map)->by_state[STATE_WAITING], n_seen = 0;
    g_autoptr(GString) text = g_string_new(NULL);

    if (n_waiting == 0)
        return NULL;
    for (Service *service = map_next(map, NULL); service != NULL && n_seen < MIN(n, n_waiting);
         service = map_next(map, service_id(service))) {
        if (service_state(service)->state != STATE_WAITING)
            continue;
        services_describe_one(text, service);
        n_seen++;
    }
    if (n_waiting > n)
        g_string_append_printf(text, " and %u more", n_waiting - n);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
