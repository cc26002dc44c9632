/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-bus tells nobody that its queue has become empty, so that is looked at after each turn of the
 * loop in which something happened. */

#include "bus/drain.h"

#include "base/log.h"
#include "bus/call.h"
#include "bus/connection.h"

struct Drain {
    Bus *bus;
    sd_event_source *after_turn;
    Timer *look;
    Timer *deadline;
    bool is_answered;
    void (*done)(void *data);
    void *data;
};

static void drain_end_calls(Peer *peer)
{
    Call *call;

    while (peer != NULL && (call = g_queue_peek_head(&peer->in_flight)) != NULL)
        call_end_shutdown(call);
}

static void drain_end_all_calls(Bus *bus)
{
    for (unsigned i = 0; i < bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(bus->connections, i);
        GHashTableIter iter;
        void *peer;

        drain_end_calls(connection->peer);
        if (connection->peers == NULL)
            continue;
        g_hash_table_iter_init(&iter, connection->peers);
        while (g_hash_table_iter_next(&iter, NULL, &peer))
            drain_end_calls(peer);
    }
}

static uint64_t drain_count_queued(const Bus *bus)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < bus->connections->len; i++) {
        const Connection *connection = g_ptr_array_index(bus->connections, i);
        uint64_t queued = 0;

        if (connection->closed)
            continue;
        (void)sd_bus_get_n_queued_write(connection->sd_bus, &queued); /* cannot fail */
        total += queued;
    }
    return total;
}

static void drain_finish(Drain *drain)
{
    drain->is_answered = false;
    (void)sd_event_source_set_enabled(drain->after_turn, SD_EVENT_OFF); /* it is ours and alive */
    timer_disarm(drain->look);
    timer_disarm(drain->deadline);
    channel_closer_receiver_done(drain->bus->flights);
}

static void on_drain_done(void *data)
{
    Drain *drain = data;

    drain->done(drain->data);
}

static void on_drain_look(void *data)
{
    Drain *drain = data;

    if (drain->is_answered && drain_count_queued(drain->bus) == 0)
        drain_finish(drain);
}

void drain_write(Drain *drain)
{
    drain->is_answered = true;
    timer_arm(drain->look, clock_monotonic_usec(drain->bus->clock));
}

static int on_drain_after_turn(sd_event_source *source, void *userdata)
{
    on_drain_look(userdata);
    return 0;
}

static void on_drain_deadline(void *data)
{
    Drain *drain = data;

    log_warning("%" G_GUINT64_FORMAT " messages were left unread by their receivers",
                drain_count_queued(drain->bus));
    drain_finish(drain);
}

void drain_begin(Drain *drain)
{
    channel_closer_close_then_wait(drain->bus->flights, on_drain_done, drain);
    drain_end_all_calls(drain->bus);
}

Drain *drain_new(Bus *bus, uint64_t timeout_usec, void (*done)(void *data), void *data)
{
    uint64_t now = clock_monotonic_usec(bus->clock);
    Drain *drain = g_new0(Drain, 1);
    int r = sd_event_add_post(bus->event, &drain->after_turn, on_drain_after_turn, drain);

    drain->bus = bus;
    drain->done = done;
    drain->data = data;
    drain->look = timer_new(bus->timers, on_drain_look, drain);
    drain->deadline = timer_new(bus->timers, on_drain_deadline, drain);
    if (r < 0)
        log_warning("cannot see when everything has been read: %s", g_strerror(-r));
    timer_arm(drain->deadline, usec_add(now, timeout_usec));
    return drain;
}

void drain_free(Drain *drain)
{
    if (drain == NULL)
        return;
    sd_event_source_disable_unref(drain->after_turn);
    timer_free(drain->look);
    timer_free(drain->deadline);
    g_free(drain);
}
