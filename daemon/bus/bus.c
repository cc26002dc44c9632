/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The composition of this layer, and the few questions that all its files have. */

#include "bus/bus.h"

#include "bus/batch-methods.h"
#include "bus/broker.h"
#include "bus/changes.h"
#include "bus/connection.h"
#include "bus/drain.h"
#include "bus/errors.h"
#include "bus/figures.h"
#include "bus/internal.h"
#include "bus/private.h"
#include "bus/process-object.h"
#include "bus/rest.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>

/* What an object with empty texts takes in a GetManagedObjects reply, with room to spare. */
#define BUS_OBJECT_BYTES 2200

Service *bus_find_service(Bus *bus, const char *id)
{
    if (bus->told != NULL && g_str_equal(service_id(bus->told), id))
        return bus->told;
    return map_find(bus->map, id);
}

const StateRecord *bus_service_state(const Bus *bus, const Service *service)
{
    return service == bus->told ? bus->told_state : service_state(service);
}

const char *bus_state(const Bus *bus)
{
    if (bus->shutting_down || (bus->has_served && !bus->is_serving))
        return "stopping";
    if (!bus->is_serving)
        return "starting";
    if (map_counts(bus->map)->by_state[STATE_FAILED] > 0 || *keeper_error(bus->keeper) != '\0')
        return "degraded";
    return "running";
}

static uint64_t bus_labels_bytes(GHashTable *labels)
{
    GHashTableIter iter;
    void *key, *value;
    uint64_t bytes = 0;

    if (labels == NULL)
        return 0;
    g_hash_table_iter_init(&iter, labels);
    while (g_hash_table_iter_next(&iter, &key, &value))
        bytes += 24 + strlen(key) + strlen(value); /* two lengths, two ends and alignment */
    return bytes;
}

uint64_t bus_strings_bytes(char *const *strings)
{
    uint64_t bytes = 0;

    for (; strings != NULL && *strings != NULL; strings++)
        bytes += 8 + strlen(*strings); /* a length, an end and what aligns them */
    return bytes;
}

static uint64_t bus_links_bytes(const Links *links)
{
    uint64_t bytes = 0;

    if (links == NULL)
        return 0;
    for (Relation relation = 0; relation < _RELATION_MAX; relation++)
        bytes += bus_strings_bytes(links_list(links, relation));
    return bytes + bus_strings_bytes(links_required_by(links)) +
           bus_strings_bytes(links_waiting_for(links));
}

uint64_t bus_service_bytes(const Service *service)
{
    const KindProperty *property = service_kind(service)->properties;
    const StateRecord *state = service_state(service);
    const About *about = state_record_about(state);
    uint64_t bytes =
            BUS_OBJECT_BYTES + bus_labels_bytes(about->labels) + bus_links_bytes(state->links);

    bytes += 4 * strlen(service_id(service)); /* the path may need three bytes for one */
    bytes += about->description != NULL ? strlen(about->description) : 0;
    bytes += about->directory != NULL ? strlen(about->directory) : 0;
    bytes += state->error != NULL ? strlen(state->error->message) : 0;
    for (; property != NULL && property->name != NULL; property++) {
        KindValue value = {0};

        if (property->type != 's')
            continue;
        property->get(service_find_instance(service), &value);
        bytes += strlen(value.s);
    }
    return bytes;
}

/* What a peer has made the heap grow by lies between what is still needed: the system gets it back,
 * once for all that go together. */
static void on_bus_reap(void *data)
{
    Bus *bus = data;

    for (unsigned i = bus->connections->len; i > 0; i--) {
        const Connection *connection = g_ptr_array_index(bus->connections, i - 1);

        if (connection->closed)
            g_ptr_array_remove_index(bus->connections, i - 1);
    }
    if (bus->gives_back)
        (void)malloc_trim(0); /* that there was nothing to give is no matter */
    bus->gives_back = false;
}

static void on_bus_answered(void *data)
{
    drain_write(((Bus *)data)->drain);
}

static void on_bus_storage(void *data)
{
    figures_note(((Bus *)data)->figures);
}

static void bus_free_connection(void *connection)
{
    connection_free(connection);
}

Bus *bus_new(const BusOptions *options)
{
    Bus *bus = g_new0(Bus, 1);

    bus_errors_register();
    bus->event = sd_event_ref(options->event);
    bus->clock = options->clock;
    bus->timers = options->timers;
    bus->map = options->map;
    bus->events = options->events;
    bus->keeper = options->keeper;
    bus->requests = options->requests;
    bus->reloader = options->reloader;
    bus->features =
            options->features != NULL ? g_strdupv((char **)options->features) : g_new0(char *, 1);
    bus->version = g_strdup(options->version);
    bus->instance_id = g_strdup(options->instance_id);
    bus->started_time = clock_wall_usec(options->clock);
    bus->uid = geteuid();
    bus->max_calls_in_flight = options->max_calls_in_flight != 0 ? options->max_calls_in_flight
                                                                 : BUS_DEFAULT_CALLS_IN_FLIGHT;
    bus->phase = "config";
    bus->denials = bus->drops = (RateLimit){.burst = 10, .interval_usec = 10 * USEC_PER_SEC};
    bus->connections = g_ptr_array_new_with_free_func(bus_free_connection);
    bus->reaper = timer_new(bus->timers, on_bus_reap, bus);
    bus->flights = channel_closer_new(on_bus_answered, bus);
    (void)channel_closer_add_receiver(bus->flights); /* it is open */
    bus->rest = rest_new(bus);
    bus->figures = figures_new(bus);
    bus->changes = changes_new(bus);
    keeper_listen(bus->keeper, on_bus_storage, bus);
    return bus;
}

void bus_free(Bus *bus)
{
    if (bus == NULL)
        return;
    keeper_listen(bus->keeper, NULL, NULL);
    drain_free(bus->drain);
    changes_free(bus->changes);
    figures_free(bus->figures);
    private_free(bus->server);
    broker_free(bus->broker);
    rest_free(bus->rest);
    g_ptr_array_unref(bus->connections);
    channel_closer_free(bus->flights);
    timer_free(bus->reaper);
    sd_event_unref(bus->event);
    g_strfreev(bus->features);
    g_free(bus->version);
    g_free(bus->instance_id);
    g_free(bus);
}

bool bus_connect(Bus *bus, BusScope scope, const char *address, GError **error)
{
    g_assert(bus->broker == NULL);
    process_object_check_kinds(bus->map);
    bus->broker = broker_new(bus, scope, address, error);
    return bus->broker != NULL;
}

bool bus_listen(Bus *bus, const char *path, GError **error)
{
    g_assert(bus->server == NULL);
    process_object_check_kinds(bus->map);
    bus->server = private_new(bus, path, error);
    return bus->server != NULL;
}

bool bus_request_name(Bus *bus, GError **error)
{
    return bus->broker == NULL || broker_request_name(bus->broker, error);
}

void bus_set_phase(Bus *bus, const char *phase)
{
    bus->phase = phase;
    bus->is_serving = g_str_equal(phase, "serve");
    bus->has_served = bus->has_served || bus->is_serving;
    figures_tell(bus->figures);
}

/* What has been asked for before is done before. */
void bus_begin_shutdown(Bus *bus)
{
    if (bus->shutting_down)
        return;
    requests_flush(bus->requests);
    bus->shutting_down = true;
    batch_methods_end_all(bus); /* what they have not begun must not begin any more */
    figures_note(bus->figures);
}

void bus_drain(Bus *bus, uint64_t timeout_usec, void (*done)(void *data), void *data)
{
    g_assert(bus->drain == NULL);
    bus->drain = drain_new(bus, timeout_usec, done, data);
    drain_begin(bus->drain);
}
