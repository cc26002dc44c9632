/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/client.h"

#include "support/child.h"

#define CLIENT_NAME "org.svcmgr1"

static int on_client_signal(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Client *client = data;

    g_ptr_array_add(client->signals, sd_bus_message_ref(message));
    return 0;
}

static void client_message_free(void *message)
{
    (void)sd_bus_message_unref(message); /* always NULL */
}

static Client *client_new(const char *address, const char *destination)
{
    Client *client = g_new0(Client, 1);
    const char *rule =
            destination != NULL ? "type='signal',sender='" CLIENT_NAME "'" : "type='signal'";

    client->destination = destination;
    client->signals = g_ptr_array_new_with_free_func(client_message_free);
    g_assert_cmpint(sd_bus_new(&client->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(client->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(client->bus, destination != NULL), >=, 0);
    g_assert_cmpint(sd_bus_start(client->bus), >=, 0);
    g_assert_cmpint(sd_bus_add_match(client->bus, NULL, rule, on_client_signal, client), >=, 0);
    if (destination != NULL)
        g_assert_cmpint(sd_bus_add_match(client->bus, NULL,
                                         "type='signal',sender='org.freedesktop.DBus',"
                                         "member='NameOwnerChanged',arg0='" CLIENT_NAME "'",
                                         on_client_signal, client),
                        >=, 0);
    return client;
}

Client *client_new_bus(const char *address)
{
    return client_new(address, CLIENT_NAME);
}

Client *client_new_private(const char *socket_path)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", socket_path);

    return client_new(address, NULL);
}

void client_free(Client *client)
{
    if (client == NULL)
        return;
    g_ptr_array_unref(client->signals);
    (void)sd_bus_flush_close_unref(client->bus); /* always NULL */
    g_free(client);
}

char *client_service_path(const char *id)
{
    char *path = NULL;

    g_assert_cmpint(sd_bus_path_encode(CLIENT_ROOT "/service", id, &path), >=, 0);
    return path;
}

sd_bus_message *client_call(Client *client, const char *path, const char *interface,
                            const char *member, const char *types, ...)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    va_list args;

    va_start(args, types);
    int r = sd_bus_call_methodv(client->bus, client->destination, path, interface, member, &error,
                                &reply, types, args);
    va_end(args);
    if (r < 0)
        g_error("%s.%s on %s: %s: %s", interface, member, path,
                error.name != NULL ? error.name : "", error.message != NULL ? error.message : "");
    return reply;
}

char *client_call_refused(Client *client, const char *error_name, const char *path,
                          const char *interface, const char *member, const char *types, ...)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    va_list args;

    va_start(args, types);
    int r = sd_bus_call_methodv(client->bus, client->destination, path, interface, member, &error,
                                NULL, types, args);
    va_end(args);
    g_assert_cmpint(r, <, 0);
    g_assert_cmpstr(error.name, ==, error_name);

    char *message = g_strdup(error.message);
    sd_bus_error_free(&error);
    return message;
}

uint64_t client_operate(Client *client, const char *id, const char *method)
{
    g_autofree char *path = client_service_path(id);
    sd_bus_message *reply = client_call(client, path, CLIENT_SERVICE, method, NULL);
    const char *state;
    uint64_t serial;

    g_assert_cmpint(sd_bus_message_read(reply, "st", &state, &serial), >, 0);
    sd_bus_message_unref(reply);
    return serial;
}

void client_create(Client *client, const char *id, const char *kind, const char *config, bool start)
{
    g_autofree char *expected = client_service_path(id);
    sd_bus_message *reply = client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "CreateService",
                                        "sssa{sv}", id, kind, config, 1, "start", "b", (int)start);
    const char *path;

    g_assert_cmpint(sd_bus_message_read(reply, "o", &path), >, 0);
    g_assert_cmpstr(path, ==, expected);
    sd_bus_message_unref(reply);
}

/* Basic types; integers and booleans come as uint64_t. */
static bool client_read_variant(sd_bus_message *message, const char **ret_string,
                                uint64_t *ret_unsigned)
{
    const char *contents;
    char type;
    union {
        const char *s;
        uint64_t t;
        uint32_t u;
        int b;
    } value = {0};

    g_assert_cmpint(sd_bus_message_peek_type(message, &type, &contents), >, 0);
    g_assert_cmpint(type, ==, SD_BUS_TYPE_VARIANT);
    if (contents[1] != '\0' || strchr(ret_string != NULL ? "so" : "btu", contents[0]) == NULL)
        return false;
    type = contents[0];
    g_assert_cmpint(sd_bus_message_enter_container(message, 'v', contents), >, 0);
    g_assert_cmpint(sd_bus_message_read_basic(message, type, &value), >, 0);
    g_assert_cmpint(sd_bus_message_exit_container(message), >, 0);
    if (ret_string != NULL)
        *ret_string = value.s;
    else
        *ret_unsigned = type == 't' ? value.t : type == 'u' ? value.u : (uint64_t)value.b;
    return true;
}

static sd_bus_message *client_get(Client *client, const char *path, const char *interface,
                                  const char *property)
{
    return client_call(client, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface,
                       property);
}

char *client_get_string(Client *client, const char *path, const char *interface,
                        const char *property)
{
    sd_bus_message *reply = client_get(client, path, interface, property);
    const char *value;

    g_assert_true(client_read_variant(reply, &value, NULL));
    char *copy = g_strdup(value);
    sd_bus_message_unref(reply);
    return copy;
}

uint64_t client_get_unsigned(Client *client, const char *path, const char *interface,
                             const char *property)
{
    sd_bus_message *reply = client_get(client, path, interface, property);
    uint64_t value;

    g_assert_true(client_read_variant(reply, NULL, &value));
    sd_bus_message_unref(reply);
    return value;
}

bool client_get_bool(Client *client, const char *path, const char *interface, const char *property)
{
    return client_get_unsigned(client, path, interface, property) != 0;
}

/* Waiting */

void client_process(Client *client)
{
    int r;

    do {
        r = sd_bus_process(client->bus, NULL);
        g_assert_cmpint(r, >=, 0);
    } while (r > 0);
}

sd_bus_message *client_wait(Client *client, ClientMatch match, void *data)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);

    for (;;) {
        client_process(client);
        while (client->cursor < client->signals->len) {
            sd_bus_message *message = g_ptr_array_index(client->signals, client->cursor++);

            if (match(message, data))
                return message;
        }
        uint64_t now = test_now_usec();
        if (now >= deadline)
            g_error("the signal that the test waits for has not come");
        g_assert_cmpint(sd_bus_wait(client->bus, deadline - now), >=, 0);
    }
}

/* Positions message on the variant of the property. */
static bool client_seek_changed(sd_bus_message *message, const char *interface,
                                const char *property)
{
    const char *name;

    if (!sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
        return false;
    g_assert_cmpint(sd_bus_message_rewind(message, true), >=, 0);
    g_assert_cmpint(sd_bus_message_read(message, "s", &name), >, 0);
    if (!g_str_equal(name, interface))
        return false;
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sv}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        g_assert_cmpint(sd_bus_message_read(message, "s", &name), >, 0);
        if (g_str_equal(name, property))
            return true;
        g_assert_cmpint(sd_bus_message_skip(message, "v"), >, 0);
        g_assert_cmpint(sd_bus_message_exit_container(message), >, 0);
    }
    return false;
}

bool client_changed_string(sd_bus_message *message, const char *interface, const char *property,
                           const char **ret_value)
{
    return client_seek_changed(message, interface, property) &&
           client_read_variant(message, ret_value, NULL);
}

bool client_changed_unsigned(sd_bus_message *message, const char *interface, const char *property,
                             uint64_t *ret_value)
{
    return client_seek_changed(message, interface, property) &&
           client_read_variant(message, NULL, ret_value);
}

typedef struct ClientWanted {
    const char *path;
    const char *state;
    uint64_t pid; /* the old one, then the new one */
} ClientWanted;

static bool client_match_state(sd_bus_message *message, void *data)
{
    const ClientWanted *wanted = data;
    const char *state;

    return g_str_equal(sd_bus_message_get_path(message), wanted->path) &&
           client_changed_string(message, CLIENT_SERVICE, "State", &state) &&
           g_str_equal(state, wanted->state);
}

sd_bus_message *client_wait_state(Client *client, const char *id, const char *state)
{
    g_autofree char *path = client_service_path(id);
    ClientWanted wanted = {.path = path, .state = state};

    return client_wait(client, client_match_state, &wanted);
}

static bool client_match_main_pid(sd_bus_message *message, void *data)
{
    ClientWanted *wanted = data;
    uint64_t pid;

    if (!g_str_equal(sd_bus_message_get_path(message), wanted->path) ||
        !client_changed_unsigned(message, CLIENT_PROCESS, "MainPID", &pid) || pid == 0 ||
        pid == wanted->pid)
        return false;
    wanted->pid = pid;
    return true;
}

uint64_t client_wait_main_pid(Client *client, const char *id, uint64_t old)
{
    g_autofree char *path = client_service_path(id);
    ClientWanted wanted = {.path = path, .pid = old};

    (void)client_wait(client, client_match_main_pid, &wanted);
    return wanted.pid;
}
