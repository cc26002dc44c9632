/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call is freed by whoever ends it. It is linked to its peer only while somebody keeps it, so
 * that a peer that goes finds all that must be dropped.
 *
 * The calls of one peer run in the order they came, also those that come while its credentials are
 * asked for. What sd-bus answers by itself (Properties, Introspect, GetManagedObjects) comes after
 * what is about to be written (objects.c); but it cannot be told to answer a message later, so such
 * a call overtakes the ones that wait here for credentials. The XML of Service says so to clients.
 */

#include "bus/call.h"

#include "base/errors.h"
#include "base/log.h"
#include "bus/authority.h"
#include "bus/errors.h"
#include "bus/staging.h"

#include <errno.h>
#include <string.h>

/* Header of a reply. */
#define CALL_REPLY_BYTES 256
/* So many kept at a time are worth giving their memory back to the system. */
#define CALL_MANY 64

static void call_run(Call *call);

static void call_free(Call *call)
{
    call_unkeep(call);
    if (call->arguments != NULL)
        (call->method->done != NULL ? call->method->done : g_free)(call->arguments);
    sd_bus_message_unref(call->message);
    g_free(call->id);
    g_free(call);
}

/* Answering */

Writer call_reply_begin(Call *call)
{
    Writer writer = {0};

    writer.result = sd_bus_message_new_method_return(call->message, &writer.message);
    return writer;
}

/* Whether an answer can be sent, of so many bytes. */
static bool call_charge(const Call *call, uint64_t bytes)
{
    return sd_bus_message_get_expect_reply(call->message) > 0 &&
           connection_charge(call->connection, CALL_REPLY_BYTES + bytes);
}

static void call_send(const Call *call, Writer *writer)
{
    int r = writer->result;

    if (r == 0)
        r = sd_bus_send(call->connection->sd_bus, writer->message, NULL);
    if (r < 0 && writer->result < 0) {
        g_autoptr(GError) error = NULL;

        (void)error_set_errno(&error, r, "cannot build the answer"); /* always false */
        bus_errors_reply(call->message, error);
    }
    connection_check_sent(call->connection, r, call->method->member);
}

void call_reply(Call *call, Writer *writer)
{
    if (call_charge(call, writer->bytes))
        call_send(call, writer);
    sd_bus_message_unref(writer->message);
    call_free(call);
}

void call_reply_empty(Call *call)
{
    Writer writer = call_reply_begin(call);

    call_reply(call, &writer);
}

void call_reply_error(Call *call, const GError *error)
{
    if (call_charge(call, strlen(error->message)))
        bus_errors_reply(call->message, error);
    call_free(call);
}

/* Keeping */

bool call_stage(Call *call, void (*on_abandoned)(Call *call), GError **error)
{
    g_assert(call->peer != NULL && !call->in_flight);
    if (!channel_closer_add_sender(call->bus->flights))
        return error_set(error, ERROR_SHUTTING_DOWN, "svcmgrd is shutting down");
    call->on_abandoned = on_abandoned;
    call->in_flight = true;
    g_queue_push_tail_link(&call->peer->in_flight, &call->flight);
    if (g_queue_get_length(&call->peer->in_flight) >= CALL_MANY)
        call->peer->was_large = true;
    return true;
}

static bool call_hold(Call *call, void (*on_abandoned)(Call *call), GError **error)
{
    unsigned limit = call->bus->max_calls_in_flight;

    if (g_queue_get_length(&call->peer->in_flight) >= limit)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "%u calls of yours are under way, which is as many as there may be; wait "
                         "for some to be answered",
                         limit);
    return call_stage(call, on_abandoned, error);
}

static bool call_refuse_unwatched(const Call *call, GError **error)
{
    return error_set(error, ERROR_LIMIT_EXCEEDED,
                     "%s cannot be kept until it can be answered: the bus lets svcmgrd watch no "
                     "more clients (it limits match rules); look at the state instead, or use the "
                     "private socket",
                     call->method->member);
}

bool call_keep(Call *call, void (*on_abandoned)(Call *call), GError **error)
{
    g_assert(call->peer != NULL);
    if (!peer_is_watched(call->peer))
        return call_refuse_unwatched(call, error);
    return call_hold(call, on_abandoned, error);
}

/* What an answer is made from: who gets it, and to which call. */
static sd_bus_message *call_make_stub(const Call *call)
{
    const char *sender = sd_bus_message_get_sender(call->message);
    sd_bus_message *stub = NULL;
    uint64_t cookie = 0;
    int r = sd_bus_message_new_method_call(call->connection->sd_bus, &stub, NULL,
                                           sd_bus_message_get_path(call->message),
                                           call->method->interface, call->method->member);

    if (r >= 0 && sender != NULL)
        r = sd_bus_message_set_sender(stub, sender);
    if (r >= 0)
        r = sd_bus_message_set_expect_reply(stub,
                                            sd_bus_message_get_expect_reply(call->message) > 0);
    if (r >= 0)
        r = sd_bus_message_get_cookie(call->message, &cookie);
    if (r >= 0)
        r = sd_bus_message_seal(stub, cookie, 0);
    return r >= 0 ? stub : sd_bus_message_unref(stub);
}

void call_slim(Call *call)
{
    sd_bus_message *stub = call_make_stub(call);

    if (stub == NULL) /* the connection is going, and the call with it */
        return;
    sd_bus_message_unref(call->message);
    call->message = stub;
}

void call_unkeep(Call *call)
{
    if (!call->in_flight)
        return;
    g_queue_unlink(&call->peer->in_flight, &call->flight);
    call->in_flight = false;
    channel_closer_sender_done(call->bus->flights);
}

static void call_detach(Call *call)
{
    void (*on_abandoned)(Call *) = call->on_abandoned;

    call->on_abandoned = NULL;
    if (on_abandoned != NULL)
        on_abandoned(call);
}

void call_abandon(Call *call)
{
    call_detach(call);
    call_free(call);
}

void call_end_unwatched(Call *call)
{
    g_autoptr(GError) error = NULL;

    (void)call_refuse_unwatched(call, &error); /* always false */
    call_detach(call);
    call_reply_error(call, error);
}

void call_end_shutdown(Call *call)
{
    g_autoptr(GError) error = g_error_new(SVCMGR_ERROR, ERROR_SHUTTING_DOWN,
                                          "svcmgrd is shutting down before %s could be answered",
                                          call->method->member);

    call_detach(call);
    call_reply_error(call, error);
}

/* Acting */

Origin call_origin(const Call *call)
{
    return (Origin){
            .cause = CAUSE_METHOD,
            .method = call->method->member,
            .caller = call->peer != NULL ? call->peer->caller : NULL,
    };
}

Service *call_service(const Call *call, GError **error)
{
    return map_get(call->bus->map, call->id, error);
}

static bool call_act(Call *call, GError **error)
{
    if (!authorise(call, error))
        return false;
    if (call->method->changes && call->bus->shutting_down)
        return error_set(error, ERROR_SHUTTING_DOWN,
                         "svcmgrd is shutting down and changes nothing any more");
    if (call->method->act == NULL)
        return staging_act(call, error);
    staging_catch_up(call->bus, call->peer);
    return call->method->act(call, error);
}

static void call_run(Call *call)
{
    g_autoptr(GError) error = NULL;

    if (!call_act(call, &error))
        call_reply_error(call, error);
}

static void on_call_not_waiting(Call *call)
{
    (void)g_queue_remove(&call->peer->waiting, call); /* it is there */
}

void call_resume(Call *call)
{
    call->on_abandoned = NULL;
    call_unkeep(call);
    call_run(call);
}

void call_refuse_unknown(Call *call, const char *why)
{
    g_autoptr(GError) error = NULL;

    if (call->method->action == NULL) { /* open: it is nobody who calls */
        call_unkeep(call);
        call_run(call);
        return;
    }
    (void)error_set(&error, ERROR_ACCESS_DENIED, /* always false */
                    "%s is not allowed: the bus does not say who calls (%s); try again",
                    call->method->member, why);
    log_service(LOG_LEVEL_WARNING, call->id, "denied %s to %s: its credentials are not known: %s",
                call->method->member, call->peer->name, why);
    call_reply_error(call, error);
}

static bool call_asks_caller(const Call *call)
{
    return call->method->action != NULL || call->method->asks_caller;
}

static bool call_must_wait(const Call *call)
{
    if (call->peer == NULL)
        return false;
    return !g_queue_is_empty(&call->peer->waiting) ||
           (call_asks_caller(call) && call->peer->caller == NULL);
}

static bool call_read(Call *call, GError **error)
{
    return call->method->read == NULL || call->method->read(call, error);
}

static void call_start(Call *call)
{
    g_autoptr(GError) error = NULL;

    if (!call_read(call, &error)) {
        call_reply_error(call, error);
    } else if (!call_must_wait(call)) {
        call_run(call);
    } else if (call_hold(call, on_call_not_waiting, &error)) {
        g_queue_push_tail(&call->peer->waiting, call);
        peer_ask(call->peer);
    } else {
        call_reply_error(call, error);
    }
}

static int call_begin(sd_bus_message *message, const char *interface, Service *service)
{
    const Method *method = method_find(interface, sd_bus_message_get_member(message));
    Connection *connection = connection_current(sd_bus_message_get_bus(message));
    Call *call;

    g_assert(method != NULL); /* a vtable has a method that the table lacks */
    if (connection->closed)
        return 1;
    call = g_new0(Call, 1);
    call->connection = connection;
    call->bus = connection->bus;
    call->method = method;
    call->message = sd_bus_message_ref(message);
    call->id = service != NULL ? g_strdup(service_id(service)) : NULL;
    call->flight.data = call;
    call->peer = call_asks_caller(call) || method->waits ? peer_get(connection, message)
                                                         : peer_find(connection, message);
    call_start(call);
    return 1;
}

int call_begin_manager(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    return call_begin(message, BUS_INTERFACE_MANAGER, NULL);
}

int call_begin_service(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    return call_begin(message, BUS_INTERFACE_SERVICE, userdata);
}
