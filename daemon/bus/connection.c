/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All connections get the same objects. sd-bus has no place for data of ours on a connection, but
 * every slot has: the userdata of each slot that we register is the Connection, and the slot that
 * is running leads back to it. */

#include "bus/connection.h"

#include "base/errors.h"
#include "base/log.h"
#include "base/watch.h"
#include "bus/authority.h"
#include "bus/intake.h"
#include "bus/local-bus.h"
#include "bus/objects.h"
#include "bus/peer.h"

#include <errno.h>

Connection *connection_current(sd_bus *sd_bus)
{
    return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus));
}

static int on_connection_disconnected(sd_bus_message *message, void *userdata,
                                      sd_bus_error *ret_error)
{
    Connection *connection = userdata;

    if (connection->closed)
        return 0;
    connection_close(connection);
    if (connection->on_closed != NULL)
        connection->on_closed(connection, connection->data);
    return 0;
}

/* Nothing of a closed connection may come to life again, whatever still lies in its queue. */
static int on_connection_message(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    Connection *connection = userdata;

    connection->n_messages++;
    if (connection->closed)
        return 1;
    return objects_filter(connection, message);
}

static int connection_set_up(Connection *connection)
{
    sd_bus *sd_bus = connection->sd_bus;
    int r = sd_bus_add_filter(sd_bus, NULL, on_connection_message, connection);

    if (r >= 0)
        r = sd_bus_match_signal(sd_bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_connection_disconnected, connection);
    if (r >= 0)
        r = objects_register(connection);
    if (r >= 0)
        r = sd_bus_attach_event(sd_bus, connection->bus->event, WATCH_PRIORITY_NORMAL);
    return r;
}

Connection *connection_new(Bus *bus, sd_bus *sd_bus,
                           void (*on_closed)(Connection *connection, void *data), void *data,
                           GError **error)
{
    Connection *connection = g_new0(Connection, 1);
    int r;

    connection->bus = bus;
    connection->sd_bus = sd_bus;
    connection->on_closed = on_closed;
    connection->data = data;
    r = connection_set_up(connection);
    if (r < 0) {
        (void)error_set_errno(error, r, "cannot register the objects"); /* always false */
        connection_free(connection);
        return NULL;
    }
    g_ptr_array_add(bus->connections, connection);
    return connection;
}

bool connection_process(Connection *connection)
{
    int r;

    if (connection->closed)
        return false;
    r = connection->intake != NULL ? intake_process(connection->intake)
                                   : sd_bus_process(connection->sd_bus, NULL);
    if (r < 0 && !connection->closed) {
        connection_close(connection);
        if (connection->on_closed != NULL)
            connection->on_closed(connection, connection->data);
    }
    return r > 0 && !connection->closed;
}

void connection_close(Connection *connection)
{
    if (connection->closed)
        return;
    connection->closed = true;
    connection->ready = false;
    g_clear_pointer(&connection->intake, intake_free);
    timer_arm(connection->bus->reaper, clock_monotonic_usec(connection->bus->clock));
}

void connection_free(Connection *connection)
{
    if (connection == NULL)
        return;
    g_clear_pointer(&connection->peers, g_hash_table_unref);
    g_clear_pointer(&connection->peer, peer_free);
    g_clear_pointer(&connection->local, local_bus_free);
    g_clear_pointer(&connection->intake, intake_free);
    g_queue_clear(&connection->unread);
    connection->bus->gives_back = connection->bus->gives_back || connection->was_large;
    sd_bus_close_unref(connection->sd_bus);
    g_free(connection);
}

bool connection_wants_signals(const Connection *connection)
{
    return connection->ready && !connection->closed &&
           (connection->local == NULL || local_bus_wants_signals(connection->local));
}

void connection_drop(Connection *connection, const char *why)
{
    const Caller *caller = connection->peer->caller;
    unsigned left_out = 0;

    if (rate_limit_admit(&connection->bus->drops, clock_monotonic_usec(connection->bus->clock),
                         &left_out))
        log_warning("dropped a peer of the private socket, uid %u, pid %u (%s): %s%s", caller->uid,
                    caller->pid, caller->comm != NULL ? caller->comm : "?", why,
                    left_out > 0 ? " (and others before)" : "");
    connection_close(connection);
}

static void connection_lose(Connection *connection)
{
    log_warning("the bus does not read what it is sent; giving this connection up");
    connection_close(connection);
    if (connection->on_closed != NULL)
        connection->on_closed(connection, connection->data);
}

/* sd-bus says how many messages wait, in the order of sending: the oldest others have been read. */
static uint64_t connection_count_queued(Connection *connection)
{
    uint64_t n_queued = 0;

    (void)sd_bus_get_n_queued_write(connection->sd_bus, &n_queued); /* cannot fail */
    while (g_queue_get_length(&connection->unread) > n_queued)
        connection->unread_bytes -= GPOINTER_TO_SIZE(g_queue_pop_head(&connection->unread));
    return n_queued;
}

static uint64_t connection_count_kept(Connection *connection)
{
    (void)connection_count_queued(connection); /* brings the sum up to date */
    return connection->unread_bytes +
           (connection->intake != NULL ? intake_bytes(connection->intake) : 0);
}

/* All that the private peers of one user keep. */
static uint64_t connection_count_kept_of(const Bus *bus, uint32_t uid)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(bus->connections, i);

        if (connection->local != NULL && !connection->closed &&
            connection->peer->caller->uid == uid)
            bytes += connection_count_kept(connection);
    }
    return bytes;
}

/* Many peers of one user share what one user may have. */
static bool connection_is_within_share(Connection *connection)
{
    uint32_t uid = connection->peer->caller->uid;

    if (connection_count_kept(connection) <= CONNECTION_SMALL_BYTES)
        return true;
    connection->was_large = true;
    return authority_allows_uid(connection->bus, uid) ||
           connection_count_kept_of(connection->bus, uid) <= CONNECTION_MAX_USER_BYTES;
}

static bool connection_judge_private(Connection *connection, uint64_t n_queued)
{
    if (n_queued > CONNECTION_MAX_QUEUED || connection->unread_bytes > CONNECTION_MAX_UNREAD_BYTES)
        connection_drop(connection, "it does not read what it is sent");
    else if (!connection_is_within_share(connection))
        connection_drop(connection, "its user makes the daemon keep too much");
    return !connection->closed;
}

static bool connection_judge(Connection *connection, uint64_t n_queued)
{
    if (connection->local != NULL)
        return connection_judge_private(connection, n_queued);
    if (n_queued > CONNECTION_BROKER_MAX_QUEUED ||
        connection->unread_bytes > CONNECTION_BROKER_MAX_UNREAD_BYTES)
        connection_lose(connection);
    return !connection->closed;
}

bool connection_charge(Connection *connection, uint64_t bytes)
{
    uint64_t n_queued;

    if (connection->closed)
        return false;
    n_queued = connection_count_queued(connection);
    g_queue_push_tail(&connection->unread, GSIZE_TO_POINTER(bytes));
    connection->unread_bytes += bytes;
    return connection_judge(connection, n_queued);
}

bool connection_look(Connection *connection)
{
    return !connection->closed && connection_judge(connection, connection_count_queued(connection));
}

bool connection_has_room(Connection *connection, uint64_t bytes)
{
    (void)connection_count_queued(connection); /* brings the sum up to date */
    return connection->unread_bytes + bytes <= CONNECTION_MAX_UNREAD_BYTES;
}

bool connection_may_answer(Connection *connection, uint64_t bytes, GError **error)
{
    return connection->local != NULL || connection_has_room(connection, bytes) ||
           error_set(error, ERROR_LIMIT_EXCEEDED,
                     "answers wait to be read; read them before asking for more");
}

void connection_check_sent(Connection *connection, int result, const char *what)
{
    if (result >= 0 || connection->closed)
        return;
    if (result == -ENOTCONN || result == -ECONNRESET || result == -EPIPE)
        return; /* the Disconnected that follows says it */
    /* -EINVAL: a message that we have built wrongly, and that is not the peer's fault. */
    if (connection->local != NULL && result != -EINVAL)
        connection_drop(connection, g_strerror(-result));
    else
        log_warning("cannot send %s: %s", what, g_strerror(-result));
}
