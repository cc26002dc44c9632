/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Match rules are kept only to be counted and removed: signals are over-delivered, and every
 * library filters for itself. Before Hello is answered nothing else may be sent: libraries take
 * that for a broken bus. */

#include "bus/local-bus.h"

#include "base/errors.h"
#include "base/parse.h"
#include "bus/errors.h"
#include "bus/peer.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_BUS_NAME "org.freedesktop.DBus"
#define LOCAL_BUS_PATH "/org/freedesktop/DBus"
#define LOCAL_BUS_MAX_MATCHES 1024
#define LOCAL_BUS_MAX_MATCH_BYTES 4096
#define LOCAL_BUS_AUTHENTICATION_USEC (10 * USEC_PER_SEC)
#define LOCAL_BUS_ALREADY_RUNNING 2 /* DBUS_START_REPLY_ALREADY_RUNNING */

typedef enum LocalBusStage {
    LOCAL_BUS_SILENT, /* nothing has come yet */
    LOCAL_BUS_HELLO,  /* a client of a bus */
    LOCAL_BUS_DIRECT, /* peer to peer */
} LocalBusStage;

struct LocalBus {
    Connection *connection;
    char *name; /* the peer's unique name */
    LocalBusStage stage;
    GPtrArray *matches; /* of char * */
    Timer *rest;
    Timer *deadline; /* of the authentication */
};

/* sd-bus reads more than the authentication if the peer sends more in one go (GDBus: BEGIN and
 * Hello), and then waits for the socket, with the message already in its buffer. So it is made to
 * go on, once in a turn of the loop, until it has nothing left. */
static void on_local_bus_rest(void *data)
{
    LocalBus *local = data;
    Connection *connection = local->connection;

    if (connection_process(connection))
        timer_arm(local->rest, clock_monotonic_usec(connection->bus->clock));
}

static int on_local_bus_authenticated(sd_bus_message *message, void *userdata,
                                      sd_bus_error *ret_error)
{
    Connection *connection = userdata;

    timer_disarm(connection->local->deadline);
    timer_arm(connection->local->rest, clock_monotonic_usec(connection->bus->clock));
    return 0;
}

/* A peer that says nothing has a place that others may need. */
static void on_local_bus_deadline(void *data)
{
    LocalBus *local = data;

    if (!local->connection->closed)
        connection_drop(local->connection, "it has not authenticated in time");
}

static int local_bus_await_authentication(Connection *connection)
{
    int r = sd_bus_set_connected_signal(connection->sd_bus, true);

    if (r < 0)
        return r;
    return sd_bus_match_signal(connection->sd_bus, NULL, "org.freedesktop.DBus.Local",
                               "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                               "Connected", on_local_bus_authenticated, connection);
}

static LocalBus *local_bus_of(sd_bus_message *message)
{
    return connection_current(sd_bus_message_get_bus(message))->local;
}

/* The bus's own answers come from the bus. */
static int local_bus_answer(sd_bus_message *call, const char *types, ...)
{
    sd_bus_message *reply = NULL;
    va_list values;
    int r = sd_bus_message_new_method_return(call, &reply);

    va_start(values, types);
    if (r >= 0)
        r = sd_bus_message_set_sender(reply, LOCAL_BUS_NAME);
    if (r >= 0 && *types != '\0')
        r = sd_bus_message_appendv(reply, types, values);
    va_end(values);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r < 0 ? r : 1;
}

static int local_bus_read_name(sd_bus_message *message, const char **ret_name)
{
    return sd_bus_message_read_basic(message, 's', ret_name);
}

static bool local_bus_is_daemon(const char *name)
{
    return g_str_equal(name, BUS_NAME) || g_str_equal(name, LOCAL_BUS_OWN_NAME) ||
           g_str_equal(name, LOCAL_BUS_NAME);
}

static bool local_bus_has_name(const LocalBus *local, const char *name)
{
    return local_bus_is_daemon(name) || g_str_equal(name, local->name);
}

/* The name is what the peer has sent: it may hold anything. */
static int local_bus_refuse_name(const char *name, sd_bus_error *ret_error)
{
    g_autofree char *excerpt = parse_excerpt(name);

    return sd_bus_error_setf(ret_error, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                             "nobody here is called '%s': this is the private socket of svcmgrd",
                             excerpt);
}

static int method_local_hello(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    LocalBus *local = local_bus_of(message);

    if (local->stage == LOCAL_BUS_HELLO)
        return sd_bus_error_set(ret_error, SD_BUS_ERROR_FAILED, "Hello was said already");
    local->stage = LOCAL_BUS_HELLO;
    return local_bus_answer(message, "s", local->name);
}

static int method_local_add_match(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    LocalBus *local = local_bus_of(message);
    const char *rule = NULL;
    int r = local_bus_read_name(message, &rule);

    if (r < 0)
        return r;
    if (local->matches->len >= LOCAL_BUS_MAX_MATCHES || strlen(rule) > LOCAL_BUS_MAX_MATCH_BYTES)
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                 "at most %d match rules of at most %d bytes",
                                 LOCAL_BUS_MAX_MATCHES, LOCAL_BUS_MAX_MATCH_BYTES);
    g_ptr_array_add(local->matches, g_strdup(rule));
    return local_bus_answer(message, "");
}

static int method_local_remove_match(sd_bus_message *message, void *userdata,
                                     sd_bus_error *ret_error)
{
    LocalBus *local = local_bus_of(message);
    const char *rule = NULL;
    unsigned at = 0;
    int r = local_bus_read_name(message, &rule);

    if (r < 0)
        return r;
    if (!g_ptr_array_find_with_equal_func(local->matches, rule, g_str_equal, &at))
        return sd_bus_error_set(ret_error, SD_BUS_ERROR_MATCH_RULE_NOT_FOUND,
                                "no such match rule was added");
    g_ptr_array_remove_index_fast(local->matches, at);
    return local_bus_answer(message, "");
}

static int method_local_list_names(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    return local_bus_answer(message, "as", 4, LOCAL_BUS_NAME, BUS_NAME, LOCAL_BUS_OWN_NAME,
                            local_bus_of(message)->name);
}

static int method_local_list_activatable(sd_bus_message *message, void *userdata,
                                         sd_bus_error *ret_error)
{
    return local_bus_answer(message, "as", 1, LOCAL_BUS_NAME);
}

static int method_local_name_has_owner(sd_bus_message *message, void *userdata,
                                       sd_bus_error *ret_error)
{
    const char *name = NULL;
    int r = local_bus_read_name(message, &name);

    return r < 0 ? r
                 : local_bus_answer(message, "b", local_bus_has_name(local_bus_of(message), name));
}

static int method_local_get_name_owner(sd_bus_message *message, void *userdata,
                                       sd_bus_error *ret_error)
{
    LocalBus *local = local_bus_of(message);
    const char *name = NULL;
    int r = local_bus_read_name(message, &name);

    if (r < 0)
        return r;
    if (!local_bus_has_name(local, name))
        return local_bus_refuse_name(name, ret_error);
    return local_bus_answer(message, "s", g_str_equal(name, BUS_NAME) ? LOCAL_BUS_OWN_NAME : name);
}

/* uid and pid of who has the name; -1 after setting the error. */
static int local_bus_look_up(sd_bus_message *message, uint32_t *ret_uid, uint32_t *ret_pid,
                             sd_bus_error *ret_error)
{
    LocalBus *local = local_bus_of(message);
    const Caller *caller = local->connection->peer->caller;
    const char *name = NULL;
    int r = local_bus_read_name(message, &name);

    if (r < 0)
        return r;
    if (!local_bus_has_name(local, name))
        return local_bus_refuse_name(name, ret_error);
    *ret_uid = local_bus_is_daemon(name) ? local->connection->bus->uid : caller->uid;
    *ret_pid = local_bus_is_daemon(name) ? (uint32_t)getpid() : caller->pid;
    return 0;
}

static int method_local_get_credentials(sd_bus_message *message, void *userdata,
                                        sd_bus_error *ret_error)
{
    uint32_t uid, pid;
    int r = local_bus_look_up(message, &uid, &pid, ret_error);

    return r < 0 ? r
                 : local_bus_answer(message, "a{sv}", 2, "UnixUserID", "u", uid, "ProcessID", "u",
                                    pid);
}

static int method_local_get_user(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    uint32_t uid, pid;
    int r = local_bus_look_up(message, &uid, &pid, ret_error);

    return r < 0 ? r : local_bus_answer(message, "u", uid);
}

static int method_local_get_pid(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    uint32_t uid, pid;
    int r = local_bus_look_up(message, &uid, &pid, ret_error);

    return r < 0 ? r : local_bus_answer(message, "u", pid);
}

static int method_local_start_service(sd_bus_message *message, void *userdata,
                                      sd_bus_error *ret_error)
{
    g_autofree char *excerpt = NULL;
    const char *name = NULL;
    int r = local_bus_read_name(message, &name);

    if (r < 0)
        return r;
    if (!local_bus_has_name(local_bus_of(message), name)) {
        excerpt = parse_excerpt(name);
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                 "'%s' cannot be started here: this is the private socket of "
                                 "svcmgrd",
                                 excerpt);
    }
    return local_bus_answer(message, "u", LOCAL_BUS_ALREADY_RUNNING);
}

static int method_local_refuse(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    return sd_bus_error_setf(ret_error, SD_BUS_ERROR_NOT_SUPPORTED,
                             "%s is not possible on the private socket of svcmgrd: nobody else is "
                             "on it; use a message bus",
                             sd_bus_message_get_member(message));
}

static int method_local_get_id(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    return local_bus_answer(message, "s", local_bus_of(message)->connection->bus->instance_id);
}

#define LOCAL_METHOD(name, arguments, results, handler)                                            \
    SD_BUS_METHOD(name, arguments, results, handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable local_bus_vtable[] = {
        SD_BUS_VTABLE_START(0),
        LOCAL_METHOD("Hello", NULL, "s", method_local_hello),
        LOCAL_METHOD("AddMatch", "s", NULL, method_local_add_match),
        LOCAL_METHOD("RemoveMatch", "s", NULL, method_local_remove_match),
        LOCAL_METHOD("ListNames", NULL, "as", method_local_list_names),
        LOCAL_METHOD("ListActivatableNames", NULL, "as", method_local_list_activatable),
        LOCAL_METHOD("NameHasOwner", "s", "b", method_local_name_has_owner),
        LOCAL_METHOD("GetNameOwner", "s", "s", method_local_get_name_owner),
        LOCAL_METHOD("GetConnectionCredentials", "s", "a{sv}", method_local_get_credentials),
        LOCAL_METHOD("GetConnectionUnixUser", "s", "u", method_local_get_user),
        LOCAL_METHOD("GetConnectionUnixProcessID", "s", "u", method_local_get_pid),
        LOCAL_METHOD("StartServiceByName", "su", "u", method_local_start_service),
        LOCAL_METHOD("RequestName", "su", "u", method_local_refuse),
        LOCAL_METHOD("ReleaseName", "s", "u", method_local_refuse),
        LOCAL_METHOD("GetId", NULL, "s", method_local_get_id),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable local_monitoring_vtable[] = {
        SD_BUS_VTABLE_START(0),
        LOCAL_METHOD("BecomeMonitor", "asu", NULL, method_local_refuse),
        SD_BUS_VTABLE_END,
};

LocalBus *local_bus_new(Connection *connection, uint64_t number, GError **error)
{
    LocalBus *local = g_new0(LocalBus, 1);
    int r = sd_bus_add_object_vtable(connection->sd_bus, NULL, LOCAL_BUS_PATH, LOCAL_BUS_NAME,
                                     local_bus_vtable, connection);

    if (r >= 0)
        r = sd_bus_add_object_vtable(connection->sd_bus, NULL, LOCAL_BUS_PATH,
                                     LOCAL_BUS_NAME ".Monitoring", local_monitoring_vtable,
                                     connection);
    if (r >= 0)
        r = local_bus_await_authentication(connection);
    local->connection = connection;
    local->rest = timer_new(connection->bus->timers, on_local_bus_rest, local);
    local->deadline = timer_new(connection->bus->timers, on_local_bus_deadline, local);
    timer_arm(local->deadline, usec_add(clock_monotonic_usec(connection->bus->clock),
                                        LOCAL_BUS_AUTHENTICATION_USEC));
    local->name = g_strdup_printf(":1.%" G_GUINT64_FORMAT, number);
    local->matches = g_ptr_array_new_with_free_func(g_free);
    if (r >= 0)
        return local;
    (void)error_set_errno(error, r, "cannot register the bus object"); /* always false */
    local_bus_free(local);
    return NULL;
}

void local_bus_free(LocalBus *local)
{
    if (local == NULL)
        return;
    timer_free(local->rest);
    timer_free(local->deadline);
    g_ptr_array_unref(local->matches);
    g_free(local->name);
    g_free(local);
}

int local_bus_filter(LocalBus *local, sd_bus_message *message)
{
    const char *destination = sd_bus_message_get_destination(message);
    bool is_hello = sd_bus_message_is_method_call(message, LOCAL_BUS_NAME, "Hello") > 0;
    g_autoptr(GError) error = NULL;

    /* What sd-bus says itself, such as Connected, is not from the peer. */
    if (g_strcmp0(sd_bus_message_get_path(message), "/org/freedesktop/DBus/Local") == 0)
        return 0;
    if (local->stage == LOCAL_BUS_SILENT && !is_hello)
        local->stage = LOCAL_BUS_DIRECT;
    if (sd_bus_message_is_method_call(message, NULL, NULL) <= 0 || destination == NULL ||
        local_bus_is_daemon(destination))
        return 0;
    /* As a bus does for a name that nobody has. */
    (void)sd_bus_reply_method_errorf(message, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                     "nobody here is called '%s': this is the private socket of "
                                     "svcmgrd",
                                     destination); /* failing: it has gone */
    return 1;
}

bool local_bus_wants_signals(const LocalBus *local)
{
    return local->stage == LOCAL_BUS_DIRECT ||
           (local->stage == LOCAL_BUS_HELLO && local->matches->len > 0);
}
