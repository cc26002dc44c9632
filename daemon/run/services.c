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

uint64_t services_stop_usec(Map *map)
{
    uint64_t longest_usec = 0;

    for (Service *service = map_next(map, NULL); service != NULL;
         service = map_next(map, service_id(service))) {
        const Config *config = service_config(service);

        /* What coordinates others needs no time besides theirs. */
        if (service_state(service)->active && config != NULL && !service_kind(service)->coordinates)
            longest_usec = MAX(longest_usec, config->common.stop_timeout_usec);
    }
    return MAX(usec_add(longest_usec, SERVICES_STOP_MARGIN_USEC), SERVICES_STOP_LEAST_USEC);
}

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

static void on_services_change(const Change *change, void *data)
{
    ServicesStop *stop = data;
    const char *id = service_id(change->service);
    const StateRecord *state = change->new_state;

    if (state->active || !g_hash_table_contains(stop->pending, id))
        return;
    g_autofree char *name = g_strdup_printf("service '%s'", id);
    g_hash_table_remove(stop->pending, id);
    close_all_done(stop->all, name, state->state == STATE_FAILED ? state->error : NULL);
}

void services_stop(Map *map, ServicesStopFunc done, void *data)
{
    static const Origin origin = {.cause = CAUSE_SHUTDOWN};
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
        /* It refuses only when a stop is under way already, or comes with a delete. */
        (void)service_stop(service, &origin, NULL);
    }
    close_all_seal(stop->all);
}

void services_kill(Map *map)
{
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
