/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that sd-bus refuses to send breaks nothing. */

#include "bus-fixture.h"

#include "bus/connection.h"
#include "bus/text.h"

#include <errno.h>
#include <string.h>

static BusFixture fixture;
static BusClient *client;

static void setup(void)
{
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
}

static void teardown(void)
{
    bus_fixture_done(&fixture);
}

static void test_sendable(void)
{
    static const struct {
        const char *text, *sent; /* NULL: as it is */
    } rows[] = {
            {"", NULL},
            {"plain", NULL},
            {"\xef\xbf\xbd \xef\xb7\x8f \xef\xb7\xb0 \xf4\x8f\xbf\xbd \xc3\xa9", NULL},
            {"a\xef\xbf\xbe", "a\xef\xbf\xbd"},
            {"\xef\xb7\x90z", "\xef\xbf\xbdz"},
            {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
            {"\xc3", "\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *copy = NULL;
        const char *sent = text_sendable(rows[i].text, &copy);

        g_assert_cmpstr(sent, ==, rows[i].sent != NULL ? rows[i].sent : rows[i].text);
        g_assert_true((rows[i].sent == NULL) == (sent == rows[i].text));
    }
}

/* What sd-bus refuses to send: every noncharacter, surrogates, and what is not UTF-8 at all. */
static GPtrArray *refused_texts(void)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    static const char *const invalid[] = {
            "\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\x80"};
    char utf8[7] = "";

    for (size_t i = 0; i < G_N_ELEMENTS(invalid); i++)
        g_ptr_array_add(texts, g_strdup_printf("a%sz", invalid[i]));
    for (unsigned c = 0xFDD0; c <= 0xFDEF; c++) {
        utf8[g_unichar_to_utf8(c, utf8)] = '\0';
        g_ptr_array_add(texts, g_strdup_printf("a%sz", utf8));
    }
    for (unsigned plane = 0; plane <= 16; plane++) {
        for (unsigned c = 0xFFFE; c <= 0xFFFF; c++) {
            utf8[g_unichar_to_utf8(plane << 16 | c, utf8)] = '\0';
            g_ptr_array_add(texts, g_strdup_printf("a%sz", utf8));
        }
    }
    return texts;
}

static void assert_text_replaced(GHashTable *fields, const char *name)
{
    const char *value = g_hash_table_lookup(fields, name);

    g_assert_nonnull(value);
    g_assert_true(g_str_has_prefix(value, "a\xef\xbf\xbd"));
    g_assert_true(g_str_has_suffix(value, "z"));
}

/* Whatever a service says of itself, the objects, the lists and the signals go on. */
static void test_refused_texts(void)
{
    g_autoptr(GPtrArray) texts = refused_texts();

    setup();
    for (unsigned i = 0; i < texts->len; i++) {
        const char *text = g_ptr_array_index(texts, i);
        g_autofree char *id = g_strdup_printf("web%u", i);
        CreateSpec spec = {.id = id,
                           .kind = "process",
                           .config = "{}",
                           .config_length = 2,
                           .start = true,
                           .description = text};
        g_autoptr(sd_bus_message) all = NULL, process = NULL;
        g_autoptr(GHashTable) fields = NULL, own = NULL;

        fixture.process.status_text = text;
        g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
        bus_fixture_turn(&fixture);
        fake_apply_fail(map_find(fixture.map, id), text, true);
        bus_fixture_turn(&fixture);
        bus_client_refused(client, ERROR_FAILED, "a\xef\xbf\xbd", service_path(id), SERVICE, "Wait",
                           "a{sv}", 1, "until", "s", "active");
        all = bus_client_call(client, service_path(id), PROPERTIES, "GetAll", "s", SERVICE);
        fields = message_read_properties(all);
        assert_text_replaced(fields, "Description");
        g_assert_nonnull(strstr(g_hash_table_lookup(fields, "Error"), "a\xef\xbf\xbd"));
        process = bus_client_call(client, service_path(id), PROPERTIES, "GetAll", "s", PROCESS);
        own = message_read_properties(process);
        assert_text_replaced(own, "StatusText");
    }
    sd_bus_message_unref(bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL));
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "ListServices", "a{sv}", 0));
    g_assert_false(client->disconnected);
    g_assert_null(strstr(fixture.core.log->str, "cannot send"));
    teardown();
}

/* A message that cannot be built is our mistake, not the peer's. */
static void test_own_mistake(void)
{
    Connection *connection;

    setup();
    connection = bus_client_peer(client)->connection;
    connection_check_sent(connection, -EINVAL, "Event");
    g_assert_false(connection->closed);
    g_assert_nonnull(strstr(fixture.core.log->str, "cannot send Event: Invalid argument"));
    connection_check_sent(connection, -ENOBUFS, "Event");
    g_assert_true(connection->closed);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/sendable", test_sendable);
    g_test_add_func("/text/refused-texts", test_refused_texts);
    g_test_add_func("/text/own-mistake", test_own_mistake);
    return g_test_run();
}
