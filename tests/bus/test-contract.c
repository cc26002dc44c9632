/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the objects say of themselves is the contract, and the tables in the code agree with it. */

#include "bus-fixture.h"

#include "bus/methods.h"
#include "bus/process-object.h"
#include "bus/service-object.h"
#include "bus/service-properties.h"

#include <string.h>

static BusFixture fixture;

static Contract *introspect(BusClient *client, const char *path)
{
    g_autoptr(sd_bus_message) reply = bus_client_call(
            client, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);
    g_autoptr(GError) error = NULL;
    const char *xml = NULL;
    Contract *contract;

    g_assert_cmpint(sd_bus_message_read_basic(reply, 's', &xml), >, 0);
    contract = contract_parse(xml, &error);
    g_assert_no_error(error);
    return contract;
}

static void assert_same(const Contract *live, const char *interface)
{
    g_autofree char *expected = contract_describe(fixture.contract, interface);
    g_autofree char *actual = contract_describe(live, interface);

    g_assert_nonnull(expected);
    g_assert_cmpstr(actual, ==, expected);
}

static void test_introspection(void)
{
    g_autoptr(Contract) root = NULL, service = NULL, plain = NULL;
    BusClient *client;

    bus_fixture_init(&fixture);
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    bus_fixture_create(&fixture, "plain", "fake", NULL, false);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    root = introspect(client, ROOT);
    service = introspect(client, service_path("web"));
    plain = introspect(client, service_path("plain"));
    for (const char *const *name = contract_interfaces(fixture.contract); *name != NULL; name++)
        assert_same(g_str_equal(*name, MANAGER) ? root : service, *name);
    assert_same(plain, SERVICE);
    g_assert_null(contract_describe(plain, PROCESS)); /* only where the kind has it */
    g_assert_null(contract_describe(root, SERVICE));
    bus_fixture_done(&fixture);
}

/* No interface of ours that the XML does not have. */
static void test_nothing_else(void)
{
    const char *const paths[] = {"/", "/org", ROOT, ROOT "/service", service_path("web")};
    BusClient *client;

    bus_fixture_init(&fixture);
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(Contract) live = introspect(client, paths[i]);

        for (const char *const *name = contract_interfaces(live); *name != NULL; name++) {
            if (g_str_has_prefix(*name, "org.svcmgr1."))
                g_assert_true(g_strv_contains(contract_interfaces(fixture.contract), *name));
        }
    }
    bus_fixture_done(&fixture);
}

static void test_actions(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Contract) contract = contract_load(g_getenv("SVCMGR_INTERFACES"), &error);
    unsigned n_rows = 0, n_methods = 0;

    g_assert_no_error(error);
    for (const Method *row = method_table; row->interface != NULL; row++, n_rows++) {
        g_assert_cmpstr(row->action, ==, contract_action(contract, row->interface, row->member));
        g_assert_true(row->action != NULL || !row->changes); /* nothing changes unasked */
        g_assert_true(method_find(row->interface, row->member) == row); /* no row twice */
    }
    for (const char *const *name = contract_interfaces(contract); *name != NULL; name++) {
        g_autofree const char **methods = contract_methods(contract, *name);

        for (size_t i = 0; methods[i] != NULL; i++, n_methods++)
            g_assert_nonnull(method_find(*name, methods[i]));
    }
    g_assert_cmpuint(n_rows, ==, n_methods);
}

/* One table of properties for the vtable and for everything else. */
static void test_property_table(void)
{
    const ServiceProperty *property = service_properties;

    for (const sd_bus_vtable *entry = service_vtable; entry->type != _SD_BUS_VTABLE_END; entry++) {
        bool is_const = entry->flags & SD_BUS_VTABLE_PROPERTY_CONST;

        if (entry->type != _SD_BUS_VTABLE_PROPERTY) {
            g_assert_true(entry->type != _SD_BUS_VTABLE_METHOD ||
                          (entry->flags & SD_BUS_VTABLE_UNPRIVILEGED));
            continue;
        }
        g_assert_cmpstr(entry->x.property.member, ==, property->name);
        g_assert_cmpstr(entry->x.property.signature, ==, property->signature);
        g_assert_true(service_property_find(property->name) == property);
        g_assert_true(!is_const || !property->of_record);
        property++;
    }
    g_assert_null(property->name);
}

/* contract_check_reply looks at each: all that is not explicit, with the right types. */
static void test_get_all(void)
{
    static const char *const interfaces[] = {MANAGER, SERVICE, PROCESS};
    BusClient *client;

    bus_fixture_init(&fixture);
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    for (size_t i = 0; i < G_N_ELEMENTS(interfaces); i++) {
        const char *path = i == 0 ? ROOT : service_path("web");
        g_autoptr(sd_bus_message) reply =
                bus_client_call(client, path, PROPERTIES, "GetAll", "s", interfaces[i]);
        g_autoptr(GHashTable) all = message_read_properties(reply);

        g_assert_cmpuint(g_hash_table_size(all), >, 5);
        g_assert_false(g_hash_table_contains(all, "EventSerial"));
    }
    bus_fixture_done(&fixture);
}

/* What the composition root says of the host. */
static void test_features(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    bus_fixture_init(&fixture);
    reply = bus_client_call(bus_client_new(&fixture, BUS_CLIENT_DEAF), ROOT, PROPERTIES, "Get",
                            "ss", MANAGER, "Features");
    text = message_to_text(reply);
    g_assert_cmpstr(text, ==, "v(a(cgroup cgroup.kill ) )");
    bus_fixture_done(&fixture);
}

static void test_explicit_property(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    bus_fixture_init(&fixture);
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    reply = bus_client_call(bus_client_new(&fixture, BUS_CLIENT_DEAF), ROOT, PROPERTIES, "Get",
                            "ss", MANAGER, "EventSerial");
    text = message_to_text(reply);
    g_assert_cmpstr(text, ==, "v(1 )");
    bus_fixture_done(&fixture);
}

static char *get_usage(BusClient *client, const char *id)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, service_path(id), PROPERTIES, "Get", "ss", PROCESS, "Usage");

    return message_to_text(reply);
}

/* Answered when it is asked for; not among all properties (the checker sees to that, here and in
 * InterfacesAdded), and never signalled, whatever the kind says. */
static void test_explicit_entries(void)
{
    g_autofree char *before = NULL, *after = NULL;
    BusClient *client;
    Service *service;

    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    before = get_usage(client, "web");
    g_assert_cmpstr(before, ==, "v(a() )");
    sd_bus_message_unref(
            bus_client_call(client, service_path("web"), PROPERTIES, "GetAll", "s", PROCESS));
    bus_fixture_start(&fixture, service);
    after = get_usage(client, "web");
    g_assert_cmpstr(after, ==, "v(a(e(cpu_usec v(1500000 ) ) e(source v(proc ) ) ) )");
    bus_client_clear(client);
    service_properties_changed(service, UINT32_MAX);
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(client->signals->len, ==, 1); /* of the others */
    service_properties_changed(service, UINT32_C(1) << 9);
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(client->signals->len, ==, 1); /* of that alone there is nothing to tell */
    bus_fixture_done(&fixture);
}

/* The checker itself must be able to say no. */
static void test_checker_refuses(void)
{
    static const char *const texts[] = {
            "<node><interface name='org.svcmgr1.Manager'><signal name='Event'>"
            "<arg name='serial' type='u'/></signal></interface></node>",
            "<node><interface name='org.svcmgr1.Manager'/></node>",
    };
    g_autoptr(GError) error = NULL;
    BusClient *client;

    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Contract) wrong = contract_parse(texts[i], &error);
        unsigned n_refused = 0;

        g_assert_no_error(error);
        for (unsigned k = 0; k < client->signals->len; k++)
            n_refused +=
                    !contract_check_message(wrong, g_ptr_array_index(client->signals, k), NULL);
        g_assert_cmpuint(n_refused, >, 0);
    }
    g_assert_null(contract_parse("<node><interface name='x'>", NULL));
    bus_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/contract/introspection", test_introspection);
    g_test_add_func("/contract/nothing-else", test_nothing_else);
    g_test_add_func("/contract/actions", test_actions);
    g_test_add_func("/contract/property-table", test_property_table);
    g_test_add_func("/contract/get-all", test_get_all);
    g_test_add_func("/contract/features", test_features);
    g_test_add_func("/contract/explicit-property", test_explicit_property);
    g_test_add_func("/contract/explicit-entries", test_explicit_entries);
    g_test_add_func("/contract/checker-refuses", test_checker_refuses);
    return g_test_run();
}
