/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-fixture.h"

#include "bus/connection.h"
#include "bus/local-bus.h"

#include <glib/gstdio.h>
#include <stdarg.h>
#include <string.h>

ChangeFunc bus_fixture_early;
Durable *bus_fixture_durable;
Reloader *bus_fixture_reloader;
static BusFixture *fixture_of_process; /* kinds have no instance data to spare */

/* The kind with org.svcmgr1.Process */

static void process_get_main_pid(const void *instance, KindValue *ret_value)
{
    ret_value->u = fixture_of_process->process.main_pid;
}

static void process_get_status_text(const void *instance, KindValue *ret_value)
{
    const char *text = fixture_of_process->process.status_text;

    ret_value->s = text != NULL ? text : "";
}

static void process_get_minus_one(const void *instance, KindValue *ret_value)
{
    ret_value->i = -1;
}

static void process_get_nothing(const void *instance, KindValue *ret_value)
{
    ret_value->s = "";
}

static void process_get_false(const void *instance, KindValue *ret_value)
{
    ret_value->b = false;
}

static size_t process_get_usage(const void *instance, KindEntry ret_entries[KIND_ENTRIES_MAX])
{
    ret_entries[0] = (KindEntry){"cpu_usec", 't', {.t = 1500000}};
    ret_entries[1] = (KindEntry){"source", 's', {.s = "proc"}};
    return instance != NULL ? 2 : 0;
}

static void process_get_zero(const void *instance, KindValue *ret_value)
{
    ret_value->u = 0;
}

static const KindProperty process_properties[] = {
        {"MainPID", 'u', process_get_main_pid},
        {"ExitCode", 'i', process_get_minus_one},
        {"ExitSignal", 's', process_get_nothing},
        {"StatusText", 's', process_get_status_text},
        {"StatusErrno", 'i', process_get_minus_one},
        {"NRestarts", 'u', process_get_zero},
        {"InvocationId", 's', process_get_nothing},
        {"CoreDumped", 'b', process_get_false},
        {"ControlGroup", 's', process_get_nothing},
        {"Usage", 'a', NULL, process_get_usage},
        {NULL, 0, NULL},
};

static bool process_signal(void *instance, SignalWhom whom, int signo, GError **error)
{
    fixture_of_process->last_signal = signo;
    return true;
}

static bool process_owns_pid(const void *instance, uint32_t pid)
{
    return pid != 0 && pid == fixture_of_process->process.main_pid;
}

static void process_validate(const Config *config, Problems *problems)
{
    problems_add(problems, PROBLEM_WARNING, "/value", 0, 0, "not tried yet");
}

static void bus_fixture_make_kind(BusFixture *fixture)
{
    fixture_of_process = fixture;
    fixture->kind_process = kind_fake;
    fixture->kind_process.name = "process";
    fixture->kind_process.schema = "{\"title\":\"process\"}";
    fixture->kind_process.interface = PROCESS;
    fixture->kind_process.properties = process_properties;
    fixture->kind_process.signal = process_signal;
    fixture->kind_process.owns_pid = process_owns_pid;
    fixture->kind_process.validate = process_validate;
}

/* The fixture */

void bus_fixture_init(BusFixture *fixture)
{
    static const char *const features[] = {"cgroup", "cgroup.kill", NULL};
    g_autoptr(GError) error = NULL;
    BusOptions options;

    *fixture = (BusFixture){0};
    core_fixture_init(&fixture->core);
    bus_fixture_make_kind(fixture);
    fixture->map = map_new(fixture->core.core, ID_IS_UUID, 0);
    map_register_kind(fixture->map, &kind_fake);
    map_register_kind(fixture->map, &fixture->kind_process);
    if (bus_fixture_early != NULL)
        fixture->early = feed_listen(fixture->core.core->feed, bus_fixture_early, NULL);
    fixture->events = events_new(fixture->core.core->feed);
    g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
    fixture->contract = contract_load(g_getenv("SVCMGR_INTERFACES"), &error);
    g_assert_no_error(error);
    fixture->clients = g_ptr_array_new();
    fixture->keeper = keeper_new(fixture->map, bus_fixture_durable);
    fixture->requests = requests_new(fixture->keeper, fixture->map);
    options = (BusOptions){
            .event = fixture->event,
            .clock = virtual_loop_clock(fixture->core.loop),
            .timers = virtual_loop_timers(fixture->core.loop),
            .map = fixture->map,
            .events = fixture->events,
            .keeper = fixture->keeper,
            .requests = fixture->requests,
            .reloader = bus_fixture_reloader,
            .features = features,
            .version = "1.2.3",
            .instance_id = "0123456789abcdef0123456789abcdef",
    };
    fixture->bus = bus_new(&options);
    fixture->directory = g_dir_make_tmp("svcmgr-bus-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->socket = g_build_filename(fixture->directory, "bus", NULL);
    bus_listen(fixture->bus, fixture->socket, &error);
    g_assert_no_error(error);
    bus_set_phase(fixture->bus, "serve");
}

/* One that is being deleted goes on the way. */
static void bus_fixture_stop_services(BusFixture *fixture)
{
    g_autofree char *id = NULL;
    Service *next;

    while ((next = map_next(fixture->map, id)) != NULL) {
        g_autoptr(Service) service = service_ref(next);

        g_free(id);
        id = g_strdup(service_id(service));
        fake_stop_whatever(&fixture->core, service);
    }
}

void bus_fixture_done(BusFixture *fixture)
{
    while (fixture->clients->len > 0)
        bus_client_close(g_ptr_array_index(fixture->clients, 0));
    bus_fixture_turn(fixture);
    bus_free(fixture->bus);
    g_assert_false(g_file_test(fixture->socket, G_FILE_TEST_EXISTS));
    bus_fixture_stop_services(fixture);
    feed_unlisten(fixture->early);
    requests_free(fixture->requests);
    keeper_free(fixture->keeper);
    events_free(fixture->events);
    map_free(fixture->map);
    core_fixture_done(&fixture->core);
    sd_event_unref(fixture->event);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_ptr_array_unref(fixture->clients);
    contract_free(fixture->contract);
    g_free(fixture->socket);
    g_free(fixture->directory);
}

void bus_fixture_turn(BusFixture *fixture)
{
    int r;

    do {
        core_fixture_settle(&fixture->core);
        r = sd_event_run(fixture->event, 0);
        g_assert_cmpint(r, >=, 0);
    } while (r > 0);
}

void bus_fixture_await(BusFixture *fixture, bool (*has_come)(void *data), void *data)
{
    int64_t end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    for (bus_fixture_turn(fixture); !has_come(data); bus_fixture_turn(fixture)) {
        if (g_get_monotonic_time() >= end)
            g_error("it has not come; the log:\n%s", fixture->core.log->str);
        g_assert_cmpint(sd_event_run(fixture->event, G_USEC_PER_SEC), >=, 0);
    }
}

void bus_fixture_advance(BusFixture *fixture, uint64_t usec)
{
    core_fixture_advance(&fixture->core, usec);
    bus_fixture_turn(fixture);
}

Service *bus_fixture_create(BusFixture *fixture, const char *id, const char *kind,
                            const char *config, bool start)
{
    CreateSpec spec = {
            .id = id,
            .kind = kind,
            .config = config,
            .config_length = config != NULL ? strlen(config) : 0,
            .start = start,
    };
    g_autoptr(GError) error = NULL;
    Service *service = map_create(fixture->map, &spec, &origin_test, &error);

    g_assert_no_error(error);
    bus_fixture_turn(fixture);
    return service;
}

void bus_fixture_start(BusFixture *fixture, Service *service)
{
    g_assert_true(service_start(service, &origin_test, NULL));
    bus_fixture_turn(fixture);
}

Service *bus_fixture_create_active(BusFixture *fixture, const char *id)
{
    Service *service = bus_fixture_create(fixture, id, "process", "{}", true);

    fake_apply_ok(service);
    bus_fixture_turn(fixture);
    return service;
}

/* Clients */

static int on_client_signal(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    BusClient *client = userdata;
    g_autoptr(GError) error = NULL;
    uint8_t type = 0;

    g_assert_cmpint(sd_bus_message_get_type(message, &type), >=, 0);
    if (type != SD_BUS_MESSAGE_SIGNAL)
        return 0;
    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", NULL) > 0) {
        client->disconnected = sd_bus_message_is_signal(message, NULL, "Disconnected") > 0;
        return 0;
    }
    contract_check_message(client->fixture->contract, message, &error);
    g_assert_no_error(error);
    g_ptr_array_add(client->signals, sd_bus_message_ref(message));
    return 0;
}

static void client_drop_message(void *message)
{
    sd_bus_message_unref(message);
}

static int on_client_matched(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    g_assert_null(sd_bus_message_get_error(message));
    ((BusClient *)userdata)->is_matched = true;
    return 0;
}

static int on_client_match(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    return 0;
}

BusClient *bus_client_new(BusFixture *fixture, BusClientKind kind)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", fixture->socket);

    return bus_client_new_at(fixture, address, kind);
}

BusClient *bus_client_new_at(BusFixture *fixture, const char *address, BusClientKind kind)
{
    BusClient *client = g_new0(BusClient, 1);

    client->fixture = fixture;
    client->signals = g_ptr_array_new_with_free_func(client_drop_message);
    g_assert_cmpint(sd_bus_new(&client->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(client->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(client->bus, kind != BUS_CLIENT_DIRECT), >=, 0);
    g_assert_cmpint(sd_bus_negotiate_fds(client->bus, kind != BUS_CLIENT_NO_FDS), >=, 0);
    g_assert_cmpint(sd_bus_start(client->bus), >=, 0);
    g_assert_cmpint(sd_bus_attach_event(client->bus, fixture->event, 0), >=, 0);
    g_assert_cmpint(sd_bus_add_filter(client->bus, NULL, on_client_signal, client), >=, 0);
    if (kind == BUS_CLIENT_LISTENING)
        g_assert_cmpint(sd_bus_add_match_async(client->bus, NULL, "type='signal'", on_client_match,
                                               on_client_matched, client),
                        >=, 0);
    g_ptr_array_add(fixture->clients, client);
    bus_fixture_turn(fixture);
    return client;
}

void bus_client_close(BusClient *client)
{
    g_assert_true(g_ptr_array_remove(client->fixture->clients, client));
    sd_bus_close_unref(client->bus);
    g_ptr_array_unref(client->signals);
    g_free(client);
}

Peer *bus_client_peer(BusClient *client)
{
    unsigned at = 0, found = 0;

    /* Both arrays are in the order of connecting. */
    g_assert_true(g_ptr_array_find(client->fixture->clients, client, &at));
    for (unsigned i = 0; i < client->fixture->bus->connections->len; i++) {
        Connection *connection = g_ptr_array_index(client->fixture->bus->connections, i);

        if (connection->local != NULL && found++ == at)
            return connection->peer;
    }
    g_assert_not_reached();
}

void bus_client_become(BusClient *client, uint32_t uid)
{
    Peer *peer = bus_client_peer(client);

    caller_unref(peer->caller);
    peer->caller = caller_new(uid, 42, "tester");
}

void bus_client_clear(BusClient *client)
{
    g_ptr_array_set_size(client->signals, 0);
}

/* Calls */

static int on_pending_reply(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    Pending *pending = userdata;
    g_autoptr(GError) error = NULL;

    g_assert_null(pending->reply);
    pending->reply = sd_bus_message_ref(message);
    contract_check_reply(pending->client->fixture->contract, pending->call, message, &error);
    g_assert_no_error(error);
    return 0;
}

sd_bus_message *bus_client_message(BusClient *client, const char *path, const char *interface,
                                   const char *member)
{
    sd_bus_message *call = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(
                            client->bus, &call, sd_bus_is_bus_client(client->bus) ? BUS_NAME : NULL,
                            path, interface, member),
                    >=, 0);
    return call;
}

Pending *bus_client_send(BusClient *client, sd_bus_message *call)
{
    Pending *pending = g_new0(Pending, 1);

    pending->client = client;
    pending->call = call;
    g_assert_cmpint(sd_bus_call_async(client->bus, &pending->slot, call, on_pending_reply, pending,
                                      UINT64_MAX),
                    >=, 0);
    return pending;
}

static Pending *bus_client_startv(BusClient *client, const char *path, const char *interface,
                                  const char *member, const char *types, va_list values)
{
    sd_bus_message *call = bus_client_message(client, path, interface, member);

    if (types != NULL)
        g_assert_cmpint(sd_bus_message_appendv(call, types, values), >=, 0);
    return bus_client_send(client, call);
}

Pending *bus_client_start(BusClient *client, const char *path, const char *interface,
                          const char *member, const char *types, ...)
{
    Pending *pending;
    va_list values;

    va_start(values, types);
    pending = bus_client_startv(client, path, interface, member, types, values);
    va_end(values);
    return pending;
}

void pending_free(Pending *pending)
{
    if (pending == NULL)
        return;
    sd_bus_slot_unref(pending->slot);
    sd_bus_message_unref(pending->call);
    sd_bus_message_unref(pending->reply);
    g_free(pending);
}

sd_bus_message *pending_assert_reply(Pending *pending)
{
    const sd_bus_error *error;

    g_assert_nonnull(pending->reply);
    error = sd_bus_message_get_error(pending->reply);
    if (error != NULL)
        g_error("%s was refused: %s: %s", sd_bus_message_get_member(pending->call), error->name,
                error->message);
    return pending->reply;
}

void pending_assert_error(Pending *pending, ErrorCode code, const char *text)
{
    const sd_bus_error *error;

    g_assert_nonnull(pending->reply);
    error = sd_bus_message_get_error(pending->reply);
    g_assert_nonnull(error);
    g_assert_cmpstr(error->name, ==, error_code_to_dbus_name(code));
    g_assert_cmpint(sd_bus_error_get_errno(error), >, 0);
    if (text != NULL && strstr(error->message, text) == NULL)
        g_error("expected '%s' in the message '%s'", text, error->message);
}

static bool pending_has_reply(void *data)
{
    return ((Pending *)data)->reply != NULL;
}

sd_bus_message *pending_await(Pending *pending)
{
    bus_fixture_await(pending->client->fixture, pending_has_reply, pending);
    return pending->reply;
}

sd_bus_message *bus_client_call(BusClient *client, const char *path, const char *interface,
                                const char *member, const char *types, ...)
{
    g_autoptr(Pending) pending = NULL;
    va_list values;

    va_start(values, types);
    pending = bus_client_startv(client, path, interface, member, types, values);
    va_end(values);
    pending_await(pending);
    return sd_bus_message_ref(pending_assert_reply(pending));
}

void bus_client_refused(BusClient *client, ErrorCode code, const char *text, const char *path,
                        const char *interface, const char *member, const char *types, ...)
{
    g_autoptr(Pending) pending = NULL;
    va_list values;

    va_start(values, types);
    pending = bus_client_startv(client, path, interface, member, types, values);
    va_end(values);
    pending_await(pending);
    pending_assert_error(pending, code, text);
}

const char *service_path(const char *id)
{
    static char path[512];

    g_snprintf(path, sizeof(path), ROOT "/service/%s", id);
    return path;
}

/* Contents as text */

static void message_append_container(GString *text, sd_bus_message *message, char type,
                                     const char *contents)
{
    g_assert_cmpint(sd_bus_message_enter_container(message, type, contents), >, 0);
    g_string_append_printf(text, "%c(", type == 'v' ? 'v' : type == 'e' ? 'e' : 'a');
    while (sd_bus_message_at_end(message, false) == 0) {
        g_autofree char *value = message_value_to_text(message);

        g_string_append_printf(text, "%s ", value);
    }
    g_string_append_c(text, ')');
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
}

static void message_append_basic(GString *text, sd_bus_message *message, char type)
{
    union {
        uint64_t t;
        uint32_t u;
        int32_t i;
        int b;
        const char *s;
    } value = {0};

    g_assert_cmpint(sd_bus_message_read_basic(message, type, &value), >, 0);
    if (type == 's' || type == 'o')
        g_string_append(text, value.s);
    else if (type == 't')
        g_string_append_printf(text, "%" G_GUINT64_FORMAT, value.t);
    else if (type == 'u')
        g_string_append_printf(text, "%u", value.u);
    else if (type == 'i')
        g_string_append_printf(text, "%d", value.i);
    else
        g_string_append(text, value.b ? "true" : "false");
}

char *message_value_to_text(sd_bus_message *message)
{
    GString *text = g_string_new(NULL);
    const char *contents = NULL;
    char type = 0;

    g_assert_cmpint(sd_bus_message_peek_type(message, &type, &contents), >, 0);
    if (contents != NULL)
        message_append_container(text, message, type, contents);
    else
        message_append_basic(text, message, type);
    return g_string_free(text, FALSE);
}

char *message_to_text(sd_bus_message *message)
{
    GString *text = g_string_new(NULL);
    bool first = true;

    g_assert_cmpint(sd_bus_message_rewind(message, true), >=, 0);
    for (; sd_bus_message_at_end(message, true) == 0; first = false) {
        g_autofree char *value = message_value_to_text(message);

        g_string_append_printf(text, "%s%s", first ? "" : " ", value);
    }
    return g_string_free(text, FALSE);
}

GHashTable *message_read_properties(sd_bus_message *message)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *name = NULL, *contents = NULL;

    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sv}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        g_assert_cmpint(sd_bus_message_read_basic(message, 's', &name), >, 0);
        g_assert_cmpint(sd_bus_message_peek_type(message, NULL, &contents), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(message, 'v', contents), >, 0);
        g_assert_true(g_hash_table_replace(table, g_strdup(name), message_value_to_text(message)));
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    return table;
}
