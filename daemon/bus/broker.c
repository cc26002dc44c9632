/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same steps the first time and every later time: open, wait for Connected, take the name. Only
 * that the first time whoever starts the daemon stands by and is told what went wrong. */

#include "bus/broker.h"

#include "base/address.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/parse.h"
#include "bus/connection.h"
#include "bus/peer.h"
#include "core/backoff.h"
#include "run/loop.h"

#include <errno.h>
#include <stdlib.h>

/* 300 ms up to 30 s. */
static const RunLoopPolicy broker_policy = {
        .until_success = true,
        .delay_usec = 300 * USEC_PER_MSEC,
};

struct Broker {
    Bus *bus;
    char *address;
    Connection *connection; /* NULL: lost */
    bool name_wanted;
    sd_bus_slot *request; /* of the name, under way */
    RunLoop *retry;       /* runs while the connection or the name is missing */
    bool is_news;
    const char *complaint; /* what failed last, static */
};

static bool broker_open(Broker *broker, GError **error);

static char *broker_find_address(BusScope scope, const char *address, GError **error)
{
    const char *given, *runtime;
    g_autofree char *escaped = NULL;

    if (scope == BUS_SCOPE_ADDRESS)
        return g_strdup(address);
    given = secure_getenv(scope == BUS_SCOPE_SYSTEM ? "DBUS_SYSTEM_BUS_ADDRESS"
                                                    : "DBUS_SESSION_BUS_ADDRESS");
    if (given != NULL)
        return g_strdup(given);
    if (scope == BUS_SCOPE_SYSTEM)
        return g_strdup("unix:path=/run/dbus/system_bus_socket");
    runtime = secure_getenv("XDG_RUNTIME_DIR");
    if (runtime == NULL) {
        (void)error_set(error, ERROR_FAILED, /* always false */
                        "there is no session bus: neither DBUS_SESSION_BUS_ADDRESS nor "
                        "XDG_RUNTIME_DIR is set");
        return NULL;
    }
    escaped = address_escape(runtime);
    return g_strdup_printf("unix:path=%s/bus", escaped);
}

/* Trying again: an attempt is to open, to be connected, and to get the name. */

static const char broker_no_bus[] = "cannot connect to the bus";
static const char broker_no_name[] = "cannot take the name " BUS_NAME " on";

/* Another complaint is told at once, the same one ever more rarely. what: one of the two above. */
static void broker_fail(Broker *broker, const char *what, const char *why)
{
    g_autoptr(GError) error =
            g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s %s: %s", what, broker->address, why);

    broker->is_news = what != broker->complaint;
    broker->complaint = what;
    run_loop_failed(broker->retry, error);
}

static void on_broker_failed(const GError *error, unsigned n_errors, uint64_t delay_usec,
                             void *data)
{
    g_autofree char *duration = format_duration(delay_usec);

    if (((Broker *)data)->is_news || backoff_attempt_is_logged(n_errors))
        log_warning("%s; services go on, next attempt in %s", error->message, duration);
}

static void on_broker_closed(Connection *connection, void *data)
{
    Broker *broker = data;

    if (broker->connection != connection)
        return;
    broker->connection = NULL;
    g_clear_pointer(&broker->request, sd_bus_slot_unref);
    if (run_loop_is_running(broker->retry)) {
        broker_fail(broker, broker_no_bus, "the connection was closed");
        return;
    }
    log_warning("lost the bus %s: the connection was closed; services go on", broker->address);
    run_loop_start(broker->retry);
}

static void broker_request_name_async(Broker *broker);

static void on_broker_retry(void *data)
{
    Broker *broker = data;
    g_autoptr(GError) error = NULL;

    if (broker->connection != NULL) /* only the name is missing */
        broker_request_name_async(broker);
    else if (!broker_open(broker, &error))
        broker_fail(broker, broker_no_bus, error->message);
}

static void on_broker_back(RunLoopOutcome outcome, const GError *error, void *data)
{
    Broker *broker = data;

    broker->complaint = NULL;
    if (broker->connection == NULL) /* lost again in the same turn */
        run_loop_start(broker->retry);
    else
        log_notice("back on the bus%s", broker->name_wanted ? " as " BUS_NAME : "");
}

/* The name */

static int on_broker_name(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(message);
    Broker *broker = userdata;
    uint32_t answer = 0;

    g_clear_pointer(&broker->request, sd_bus_slot_unref);
    if (broker->connection == NULL)
        return 0;
    if (error != NULL)
        broker_fail(broker, broker_no_name, error->message != NULL ? error->message : error->name);
    /* RequestName: 1 is the primary owner, 4 already was. */
    else if (sd_bus_message_read_basic(message, 'u', &answer) < 0 || (answer != 1 && answer != 4))
        broker_fail(broker, broker_no_name, "another program owns it");
    else
        run_loop_succeeded(broker->retry);
    return 0;
}

static void broker_request_name_async(Broker *broker)
{
    int r = sd_bus_request_name_async(broker->connection->sd_bus, &broker->request, BUS_NAME, 0,
                                      on_broker_name, broker);

    if (r < 0)
        broker_fail(broker, broker_no_name, g_strerror(-r));
}

static int on_broker_connected(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    Broker *broker = userdata;

    if (broker->connection == NULL || broker->connection->ready)
        return 0;
    broker->connection->ready = true;
    if (broker->name_wanted)
        broker_request_name_async(broker);
    else
        run_loop_succeeded(broker->retry);
    return 0;
}

/* Connecting */

static int broker_configure(Broker *broker, sd_bus *bus)
{
    int r = sd_bus_set_address(bus, broker->address);

    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_set_trusted(bus, false);
    if (r >= 0)
        r = sd_bus_negotiate_fds(bus, true);
    if (r >= 0)
        r = sd_bus_set_connected_signal(bus, true);
    if (r >= 0)
        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Connected", on_broker_connected, broker);
    return r;
}

static bool broker_open(Broker *broker, GError **error)
{
    sd_bus *bus = NULL;
    Connection *connection;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = broker_configure(broker, bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return error_set_errno(error, r, "cannot use the address %s", broker->address);
    }
    connection = connection_new(broker->bus, bus, on_broker_closed, broker, error);
    if (connection == NULL)
        return false;
    connection->peers =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)peer_free);
    r = sd_bus_start(bus);
    if (r < 0) {
        connection_close(connection);
        return error_set_errno(error, r, "cannot connect to the bus at %s", broker->address);
    }
    broker->connection = connection;
    return true;
}

Broker *broker_new(Bus *bus, BusScope scope, const char *address, GError **error)
{
    g_autofree char *found = broker_find_address(scope, address, error);
    const char *unique = NULL;
    Broker *broker;
    int r;

    if (found == NULL)
        return NULL;
    broker = g_new0(Broker, 1);
    broker->bus = bus;
    broker->address = g_steal_pointer(&found);
    broker->retry = run_loop_new(
            bus->clock, bus->timers, &broker_policy,
            &(RunLoopFuncs){on_broker_retry, on_broker_failed, on_broker_back, broker});
    if (!broker_open(broker, error)) {
        broker_free(broker);
        return NULL;
    }
    r = sd_bus_get_unique_name(broker->connection->sd_bus, &unique); /* waits for Hello */
    if (r < 0) {
        (void)error_set_errno(error, r, "cannot connect to the bus at %s", /* always false */
                              broker->address);
        broker_free(broker);
        return NULL;
    }
    broker->connection->ready = true;
    return broker;
}

void broker_free(Broker *broker)
{
    if (broker == NULL)
        return;
    if (broker->connection != NULL)
        connection_close(broker->connection);
    sd_bus_slot_unref(broker->request);
    run_loop_free(broker->retry);
    g_free(broker->address);
    g_free(broker);
}

/* Who has it, for the message; asked only when we do not get it. */
static char *broker_describe_owner(sd_bus *bus)
{
    sd_bus_creds *creds = NULL;
    char *description = NULL;
    pid_t pid = 0;

    if (sd_bus_get_name_creds(bus, BUS_NAME, SD_BUS_CREDS_PID, &creds) >= 0 &&
        sd_bus_creds_get_pid(creds, &pid) >= 0)
        description = g_strdup_printf(" (process %d)", pid);
    sd_bus_creds_unref(creds);
    return description != NULL ? description : g_strdup("");
}

bool broker_request_name(Broker *broker, GError **error)
{
    g_autofree char *owner = NULL;
    int r;

    broker->name_wanted = true;
    if (broker->connection == NULL)
        return true; /* lost meanwhile: with the next connection */
    r = sd_bus_request_name(broker->connection->sd_bus, BUS_NAME, 0);
    if (r >= 0)
        return true;
    if (r != -EEXIST)
        return error_set_errno(error, r, "cannot take the name " BUS_NAME " on the bus");
    owner = broker_describe_owner(broker->connection->sd_bus);
    return error_set(error, ERROR_FAILED,
                     "the name " BUS_NAME " is taken on this bus%s: is a svcmgrd running already? "
                     "Stop it, or use another bus",
                     owner);
}
