/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call waits here for the end of the turn, so a client that sends a thousand without awaiting
 * answers has them written together. */

#include "bus/staging.h"

#include "core/requests.h"

static void on_staging_done(const RequestOutcome *outcome, const GError *error, void *data)
{
    Call *call = data;

    call_unkeep(call);
    call->on_abandoned = NULL;
    if (error == NULL)
        call->method->answer(call, outcome);
    else if (call->method->refused == NULL || !call->method->refused(call, error))
        call_reply_error(call, error);
}

static void on_staging_abandoned(Call *call)
{
    requests_forget(call->bus->requests, call);
}

bool staging_act(Call *call, GError **error)
{
    Bus *bus = call->bus;
    RequestSpec spec = {.id = call->id, .origin = call_origin(call)};

    if (call->method->waits &&
        g_queue_get_length(&call->peer->in_flight) >= bus->max_calls_in_flight)
        staging_catch_up(bus, call->peer); /* so that what is about to be answered does not count */
    if (!(call->method->waits ? call_keep : call_stage)(call, on_staging_abandoned, error))
        return false;
    call->method->request(call, &spec);
    requests_add(bus->requests, &spec, on_staging_done, call);
    return true;
}

void staging_catch_up(const Bus *bus, Peer *peer)
{
    if (peer != NULL && !g_queue_is_empty(&peer->in_flight) && requests_are_pending(bus->requests))
        requests_flush(bus->requests);
}
