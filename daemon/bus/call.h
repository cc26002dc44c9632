/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One method call on its way: read -> validate -> authorise -> act -> reply. Every method of our
 * interfaces goes through call_begin, which knows what to do from the table of methods. Nothing
 * before act has an effect, and act finds its service anew. */

#include "bus/methods.h"
#include "bus/peer.h"
#include "bus/writer.h"

struct Call {
    Connection *connection;
    Bus *bus;
    Peer *peer; /* NULL: nobody has to know who calls */
    const Method *method;
    sd_bus_message *message;
    char *id;        /* of the service; NULL for the Manager */
    void *arguments; /* what method->read made */
    GList flight;    /* in peer->in_flight */
    bool in_flight;
    void (*on_abandoned)(Call *call); /* undoes what waits for it */
    void *waiter;                     /* for who keeps the call */
};

/* The handlers of all methods in the vtables. */
int call_begin_manager(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int call_begin_service(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* Each of these ends the call and frees it. */
void call_reply_empty(Call *call);
/* writer from call_reply_begin, filled. */
void call_reply(Call *call, Writer *writer);
void call_reply_error(Call *call, const GError *error);

/* A reply to be filled. */
Writer call_reply_begin(Call *call);
/* Keeps the call for later: until it is ended by one of the above, or abandoned: then on_abandoned
 * (may be NULL) is called and the call freed. Error LimitExceeded when its peer has too many in
 * flight or cannot be watched, ShuttingDown when the daemon is leaving. */
bool call_keep(Call *call, void (*on_abandoned)(Call *call), GError **error);
/* The same for the rest of this turn of the loop: nobody has to notice when the peer goes, and any
 * number may be. */
bool call_stage(Call *call, void (*on_abandoned)(Call *call), GError **error);
/* Nothing of what was asked is needed any more but who asked: the message goes, and with it the
 * descriptors that anybody may attach to one. What arguments borrows from it is gone. */
void call_slim(Call *call);
/* Takes call_keep or call_stage back. */
void call_unkeep(Call *call);
/* Nobody will notice when the peer goes: abandoned with an answer that says so. */
void call_end_unwatched(Call *call);
/* The peer has gone: nobody is there to answer. */
void call_abandon(Call *call);
/* The daemon is leaving: abandoned with the answer ShuttingDown. */
void call_end_shutdown(Call *call);
/* The credentials have come. */
void call_resume(Call *call);
/* They cannot be had: refused if it has an action, else run as nobody's. */
void call_refuse_unknown(Call *call, const char *why);

Origin call_origin(const Call *call);
/* The service that is called; NotFound if it has gone meanwhile. */
Service *call_service(const Call *call, GError **error);
