/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a broker the watch is asked for before the credentials. The broker works in order, so either
 * the name is already gone when the credentials are asked for (an error), or the watch is there to
 * tell when it goes. Where no watch can be had (the broker limits them), nothing is remembered from
 * one call to the next, and no call is kept that would be answered later: nobody would notice that
 * the peer has gone. */

#include "bus/peer.h"

#include "base/fds.h"
#include "base/log.h"
#include "bus/call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PEER_COMM_MAX_BYTES 64

Caller *peer_caller_new(uint32_t uid, uint32_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%u/comm", pid);
    g_autofree char *comm = NULL;

    /* Gone already: then its program has no name. */
    if (file_read(AT_FDCWD, path, PEER_COMM_MAX_BYTES, &comm, NULL, NULL))
        g_strchomp(comm);
    return caller_new(uid, pid, comm);
}

static int on_peer_name_changed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    const char *name, *old_owner, *new_owner;
    Peer *peer = userdata;
    int r = sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner);

    if (r >= 0 && *new_owner == '\0' && g_str_equal(name, peer->name))
        g_hash_table_remove(peer->connection->peers, peer->name);
    return 0;
}

static Call *peer_find_kept(Peer *peer)
{
    for (GList *link = peer->in_flight.head; link != NULL; link = link->next) {
        if (g_queue_find(&peer->waiting, link->data) == NULL)
            return link->data;
    }
    return NULL;
}

/* Those that wait for the credentials are soon gone anyway. */
static void peer_end_kept(Peer *peer)
{
    Call *call;

    while ((call = peer_find_kept(peer)) != NULL)
        call_end_unwatched(call);
}

static int on_peer_watched(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(message);
    Peer *peer = userdata;

    if (error == NULL)
        return 0;
    log_debug("cannot watch %s: %s", peer->name, error->message);
    g_clear_pointer(&peer->watch, sd_bus_slot_unref);
    peer_end_kept(peer);
    return 0;
}

static void peer_watch(Peer *peer)
{
    g_autofree char *rule = g_strdup_printf(
            "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
            "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
            peer->name);
    int r = sd_bus_add_match_async(peer->connection->sd_bus, &peer->watch, rule,
                                   on_peer_name_changed, on_peer_watched, peer);

    if (r < 0)
        log_debug("cannot watch %s: %s", peer->name, g_strerror(-r));
}

Peer *peer_new(Connection *connection, const char *name, Caller *caller)
{
    Peer *peer = g_new0(Peer, 1);

    peer->connection = connection;
    peer->name = g_strdup(name);
    peer->caller = caller;
    g_queue_init(&peer->in_flight);
    g_queue_init(&peer->waiting);
    if (name == NULL)
        return peer;
    peer_watch(peer);
    peer_ask(peer); /* also tells that it has gone before it was watched */
    return peer;
}

static void peer_give_back(const Peer *peer)
{
    Bus *bus = peer->connection->bus;

    bus->gives_back = true;
    timer_arm(bus->reaper, clock_monotonic_usec(bus->clock));
}

void peer_free(Peer *peer)
{
    Call *call;

    if (peer == NULL)
        return;
    while ((call = g_queue_peek_head(&peer->in_flight)) != NULL)
        call_abandon(call);
    g_assert(g_queue_is_empty(&peer->waiting));
    if (peer->was_large)
        peer_give_back(peer);
    sd_bus_slot_unref(peer->watch);
    sd_bus_slot_unref(peer->question);
    caller_unref(peer->caller);
    g_free(peer->name);
    g_free(peer);
}

Peer *peer_find(Connection *connection, sd_bus_message *message)
{
    const char *sender = sd_bus_message_get_sender(message);

    if (connection->peers == NULL)
        return connection->peer;
    return sender != NULL ? g_hash_table_lookup(connection->peers, sender) : NULL;
}

bool peer_is_watched(const Peer *peer)
{
    return peer->name == NULL || peer->watch != NULL;
}

static gboolean on_peer_sweep(void *name, void *data, void *unused)
{
    Peer *peer = data;

    return !peer_is_watched(peer) && g_queue_is_empty(&peer->in_flight);
}

Peer *peer_get(Connection *connection, sd_bus_message *message)
{
    const char *sender = sd_bus_message_get_sender(message);
    Peer *peer = peer_find(connection, message);

    if (peer != NULL &&
        (connection->peers == NULL || peer->watch != NULL || !g_queue_is_empty(&peer->in_flight)))
        return peer;
    /* Nobody says when those without a watch go. */
    (void)g_hash_table_foreach_remove(connection->peers, on_peer_sweep, NULL); /* how many */
    peer = peer_new(connection, sender != NULL ? sender : "", NULL);
    g_hash_table_replace(connection->peers, peer->name, peer);
    return peer;
}

static void peer_refuse_waiting(Peer *peer, const char *why)
{
    Call *call;

    while ((call = g_queue_pop_head(&peer->waiting)) != NULL) {
        call->on_abandoned = NULL;
        call_refuse_unknown(call, why);
    }
}

/* The broker says uid and pid; the rest of the dictionary is skipped. */
static int peer_read_credentials(sd_bus_message *message, uint32_t *ret_uid, uint32_t *ret_pid,
                                 bool *ret_known)
{
    const char *key, *contents;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        uint32_t *target = NULL;

        r = sd_bus_message_read_basic(message, 's', &key);
        if (r >= 0)
            r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
            return r;
        if (g_str_equal(key, "UnixUserID") && g_str_equal(contents, "u"))
            target = ret_uid;
        else if (g_str_equal(key, "ProcessID") && g_str_equal(contents, "u"))
            target = ret_pid;
        *ret_known = *ret_known || target == ret_uid;
        r = target != NULL ? sd_bus_message_read(message, "v", "u", target)
                           : sd_bus_message_skip(message, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
    }
    return r;
}

static void peer_resume_waiting(Peer *peer)
{
    Call *call;

    while ((call = g_queue_pop_head(&peer->waiting)) != NULL)
        call_resume(call);
}

static int on_peer_credentials(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(message);
    uint32_t uid = UINT32_MAX, pid = 0;
    Peer *peer = userdata;
    bool known = false;
    int r;

    g_clear_pointer(&peer->question, sd_bus_slot_unref);
    if (error != NULL && sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
        g_hash_table_remove(peer->connection->peers,
                            peer->name); /* it has gone: nobody to answer */
        return 0;
    }
    if (error != NULL) {
        peer_refuse_waiting(peer, error->message != NULL ? error->message : error->name);
        return 0;
    }
    r = peer_read_credentials(message, &uid, &pid, &known);
    if (r < 0 || !known) {
        peer_refuse_waiting(peer, r < 0 ? g_strerror(-r) : "no UnixUserID");
        return 0;
    }
    peer->caller = peer_caller_new(uid, pid);
    peer_resume_waiting(peer);
    return 0;
}

void peer_ask(Peer *peer)
{
    int r;

    if (peer->question != NULL)
        return;
    r = sd_bus_call_method_async(peer->connection->sd_bus, &peer->question, "org.freedesktop.DBus",
                                 "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                 "GetConnectionCredentials", on_peer_credentials, peer, "s",
                                 peer->name);
    if (r < 0)
        peer_refuse_waiting(peer, g_strerror(-r));
}
