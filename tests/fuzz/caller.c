/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which members there are is read from the XML, beside the standard interfaces that every object
 * has and those of a bus that the private socket answers. */

#include "caller.h"

#include "base/errors.h"
#include "nasty.h"
#include "sensible.h"
#include "support/contract-private.h"

#include <string.h>

#define CALLER_DBUS "org.freedesktop.DBus"
#define CALLER_SETTLE_USEC (100 * USEC_PER_MSEC)

typedef struct CallerCall {
    Caller *caller;
    sd_bus_message *message;
} CallerCall;

typedef struct CallerMember {
    const char *interface;
    const char *name;
    const char *signature;
} CallerMember;

static const CallerMember caller_standard[] = {
        {"org.freedesktop.DBus.Properties", "Get", "ss"},
        {"org.freedesktop.DBus.Properties", "GetAll", "s"},
        {"org.freedesktop.DBus.Properties", "Set", "ssv"},
        {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""},
        {"org.freedesktop.DBus.Introspectable", "Introspect", ""},
        {"org.freedesktop.DBus.Peer", "Ping", ""},
        {"org.freedesktop.DBus.Peer", "GetMachineId", ""},
        {"org.freedesktop.DBus.Peer", "Nothing", "s"},
        {"org.svcmgr1.Nothing", "Nothing", ""},
};

/* On a bus, they are the bus's own to answer. */
static const CallerMember caller_local[] = {
        {CALLER_DBUS, "Hello", ""},
        {CALLER_DBUS, "AddMatch", "s"},
        {CALLER_DBUS, "RemoveMatch", "s"},
        {CALLER_DBUS, "ListNames", ""},
        {CALLER_DBUS, "NameHasOwner", "s"},
        {CALLER_DBUS, "GetNameOwner", "s"},
        {CALLER_DBUS, "GetConnectionCredentials", "s"},
        {CALLER_DBUS, "GetConnectionUnixUser", "s"},
        {CALLER_DBUS, "StartServiceByName", "su"},
        {CALLER_DBUS, "RequestName", "su"},
        {CALLER_DBUS, "GetId", ""},
        {CALLER_DBUS ".Monitoring", "BecomeMonitor", "asu"},
};

/* Besides those of base/errors.h: what sd-bus and the bus object of the private socket say. */
static const char *const caller_errors[] = {
        CALLER_DBUS ".Error.UnknownMethod",
        CALLER_DBUS ".Error.UnknownObject",
        CALLER_DBUS ".Error.UnknownInterface",
        CALLER_DBUS ".Error.UnknownProperty",
        CALLER_DBUS ".Error.PropertyReadOnly",
        CALLER_DBUS ".Error.NotSupported",
        CALLER_DBUS ".Error.LimitsExceeded",
        CALLER_DBUS ".Error.ServiceUnknown",
        CALLER_DBUS ".Error.NameHasNoOwner",
        CALLER_DBUS ".Error.MatchRuleNotFound",
        NULL,
};

static void caller_call_free(void *data)
{
    CallerCall *call = data;

    sd_bus_message_unref(call->message);
    g_free(call);
}

Caller *caller_new(sd_bus *bus, const char *destination, Contract *contract)
{
    Caller *caller = g_new0(Caller, 1);

    caller->bus = bus;
    caller->destination = destination;
    caller->contract = contract;
    caller->calls = g_hash_table_new_full(NULL, NULL, caller_call_free, NULL);
    return caller;
}

void caller_free(Caller *caller)
{
    sd_bus_close_unref(caller->bus);
    g_hash_table_unref(caller->calls);
    g_free(caller);
}

/* Answers */

static void caller_check_error(const CallerCall *call, const sd_bus_error *error)
{
    if (error_code_from_dbus_name(error->name) == _ERROR_INVALID &&
        !g_strv_contains(caller_errors, error->name))
        g_error("%s.%s on %s: answered with an error that nobody has heard of: %s: %s",
                sd_bus_message_get_interface(call->message),
                sd_bus_message_get_member(call->message), sd_bus_message_get_path(call->message),
                error->name, error->message);
    g_assert_nonnull(error->message);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

/* sd-bus gives an answer of its own where the connection ends before the daemon's. */
static bool caller_is_local(sd_bus_message *reply)
{
    return g_strcmp0(sd_bus_message_get_sender(reply), "org.freedesktop.DBus.Local") == 0;
}

static int on_caller_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    CallerCall *call = userdata;
    Caller *caller = call->caller;
    const sd_bus_error *wire = sd_bus_message_get_error(reply);
    g_autoptr(GError) error = NULL;

    if (!caller_is_local(reply) && wire != NULL) {
        caller_check_error(call, wire);
        caller->n_errors++;
    } else if (wire == NULL) {
        if (!contract_check_reply(caller->contract, call->message, reply, &error))
            g_error("%s", error->message);
        caller->n_results++;
    }
    g_assert_true(g_hash_table_remove(caller->calls, call));
    return 0;
}

/* Calls */

static void caller_send(Caller *caller, sd_bus_message *message)
{
    CallerCall *call;
    int r;

    caller->n_sent++;
    if (nasty_once_in(32)) {
        if (sd_bus_message_set_expect_reply(message, 0) >= 0)
            (void)sd_bus_send(caller->bus, message, NULL); /* the next one tells if it is closed */
        return;
    }
    call = g_new0(CallerCall, 1);
    call->caller = caller;
    call->message = sd_bus_message_ref(message);
    r = sd_bus_call_async(caller->bus, NULL, message, on_caller_reply, call, UINT64_MAX);
    if (r >= 0)
        (void)g_hash_table_add(caller->calls, call);
    else
        caller_call_free(call);
}

static sd_bus_message *caller_message_new(Caller *caller, const char *path, const char *interface,
                                          const char *member)
{
    sd_bus_message *message = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(caller->bus, &message, caller->destination, path,
                                                   interface, member),
                    >=, 0);
    return message;
}

static CallerMember caller_pick_ours(const Caller *caller)
{
    const char *interface = nasty_pick(contract_interfaces(caller->contract));
    g_autofree const char **methods = contract_methods(caller->contract, interface);
    const ContractMember *method;

    if (methods[0] == NULL) /* of properties only */
        return caller_standard[nasty_random(2)];
    method = contract_find_member(contract_find(caller->contract, interface), "method",
                                  nasty_pick((const char *const *)methods));
    return (CallerMember){interface, method->name, method->in->str};
}

static CallerMember caller_pick(const Caller *caller)
{
    if (caller->destination == NULL && nasty_once_in(8))
        return caller_local[nasty_random(G_N_ELEMENTS(caller_local))];
    if (nasty_once_in(4))
        return caller_standard[nasty_random(G_N_ELEMENTS(caller_standard))];
    return caller_pick_ours(caller);
}

/* Where it belongs, mostly. */
static char *caller_pick_path(const char *interface)
{
    if (nasty_once_in(5))
        return nasty_path();
    if (g_str_has_prefix(interface, CALLER_DBUS) && !g_str_has_prefix(interface, CALLER_DBUS "."))
        return g_strdup("/org/freedesktop/DBus");
    if (g_str_equal(interface, CLIENT_MANAGER) || g_str_has_suffix(interface, ".ObjectManager"))
        return g_strdup(CLIENT_ROOT);
    return client_service_path(nasty_pick(nasty_ids));
}

sd_bus_message *caller_message_any(Caller *caller)
{
    CallerMember member = caller_pick(caller);
    g_autofree char *path = caller_pick_path(member.interface);
    g_autofree char *signature =
            nasty_once_in(4) ? nasty_near_miss(member.signature) : g_strdup(member.signature);
    sd_bus_message *message = caller_message_new(
            caller, path, nasty_once_in(16) ? NULL : member.interface, member.name);

    if (nasty_append(message, signature) >= 0)
        return message;
    sd_bus_message_unref(message);
    return NULL;
}

void caller_call_any(Caller *caller)
{
    sd_bus_message *message = caller_message_any(caller);

    if (message != NULL)
        caller_send(caller, message);
    sd_bus_message_unref(message);
}

void caller_call_sensibly(Caller *caller)
{
    const SensibleCall *call = sensible_pick();
    g_autofree char *path =
            call->path != NULL ? g_strdup(call->path) : client_service_path(nasty_pick(nasty_ids));
    sd_bus_message *message = caller_message_new(caller, path, call->interface, call->member);

    g_assert_cmpint(call->append(message), >=, 0);
    caller_send(caller, message);
    sd_bus_message_unref(message);
}

bool caller_process(Caller *caller)
{
    int r;

    do {
        r = sd_bus_process(caller->bus, NULL);
    } while (r > 0);
    return r >= 0 && sd_bus_is_open(caller->bus) > 0;
}

/* The end */

/* The answer; NULL: refused. For what the test itself wants to know. */
static sd_bus_message *caller_ask(Caller *caller, const char *member, const char *types, ...)
{
    sd_bus_message *message = caller_message_new(caller, CLIENT_ROOT, CLIENT_MANAGER, member);
    sd_bus_message *reply = NULL;
    va_list args;

    va_start(args, types);
    g_assert_cmpint(sd_bus_message_appendv(message, types, args), >=, 0);
    va_end(args);
    int r = sd_bus_call(caller->bus, message, CLIENT_PATIENCE_USEC, NULL, &reply);
    sd_bus_message_unref(message);
    g_assert_cmpint(r, !=, -ETIMEDOUT);
    return reply;
}

static void caller_delete(Caller *caller, const char *path)
{
    g_autofree char *id = NULL;
    sd_bus_message *message;

    g_assert_cmpint(sd_bus_path_decode(path, CLIENT_ROOT "/service", &id), >, 0);
    message = caller_message_new(caller, CLIENT_ROOT, CLIENT_MANAGER, "DeleteService");
    g_assert_cmpint(sd_bus_message_append(message, "sa{sv}", id, 1, "allow_missing", "b", 1), >=,
                    0);
    caller_send(caller, message);
    sd_bus_message_unref(message);
}

/* Some may be refused, where as many calls as may be are in flight already. */
static void caller_delete_all(Caller *caller)
{
    sd_bus_message *reply = caller_ask(caller, "ListServices", "a{sv}", 1, "fields", "as", 1, "Id");
    const char *id;

    g_assert_nonnull(reply);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
        g_assert_cmpint(sd_bus_message_read(reply, "{sv}", NULL, "s", &id), >, 0);
        g_autofree char *path = client_service_path(id);
        caller_delete(caller, path);
        g_assert_cmpint(sd_bus_message_exit_container(reply), >, 0);
    }
    sd_bus_message_unref(reply);
}

static void caller_refuse_silence(const Caller *caller)
{
    GHashTableIter iter;
    void *call;

    g_hash_table_iter_init(&iter, caller->calls);
    g_assert_true(g_hash_table_iter_next(&iter, &call, NULL));
    sd_bus_message *message = ((CallerCall *)call)->message;
    (void)sd_bus_message_dump(message, stderr, SD_BUS_MESSAGE_DUMP_WITH_HEADER); /* may fail */
    g_error("%u calls are not answered; one of them is %s", g_hash_table_size(caller->calls),
            sd_bus_message_get_member(message));
}

void caller_settle(Caller *caller)
{
    uint64_t now = test_now_usec(), deadline = usec_add(now, CLIENT_PATIENCE_USEC), next = now;

    do {
        if (now >= next) { /* again, for what was created, or refused, meanwhile */
            caller_delete_all(caller);
            next = usec_add(now, CALLER_SETTLE_USEC);
        }
        g_assert_true(caller_process(caller));
        if (now >= deadline)
            caller_refuse_silence(caller);
        if (g_hash_table_size(caller->calls) > 0)
            g_assert_cmpint(sd_bus_wait(caller->bus, next - now), >=, 0);
        now = test_now_usec();
    } while (g_hash_table_size(caller->calls) > 0);
}

uint64_t caller_ping_usec(Caller *caller)
{
    uint64_t before = test_now_usec();
    sd_bus_message *ping = caller_message_new(caller, CLIENT_ROOT, CALLER_DBUS ".Peer", "Ping");

    g_assert_cmpint(sd_bus_call(caller->bus, ping, CLIENT_PATIENCE_USEC, NULL, NULL), >=, 0);
    sd_bus_message_unref(ping);
    return test_now_usec() - before;
}
