/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients see of services that have to do with each other: the properties with their signals,
 * and the whole graph. */

#include "bus-fixture.h"

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

static const char *const link_names[] = {"Requires",  "Wants",  "After",      "Before",
                                         "Conflicts", "PartOf", "RequiredBy", "WaitingFor"};

static GHashTable *get_state(const char *id)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, service_path(id), SERVICE, "GetState", NULL);

    return message_read_properties(reply);
}

/* By Get, GetState and ListServices the same. */
static void assert_property(const char *id, const char *name, const char *expected)
{
    g_autoptr(GHashTable) state = get_state(id), listed = NULL;
    g_autoptr(sd_bus_message) got =
            bus_client_call(client, service_path(id), PROPERTIES, "Get", "ss", SERVICE, name);
    g_autoptr(sd_bus_message) list =
            bus_client_call(client, ROOT, MANAGER, "ListServices", "a{sv}", 2, "ids", "as", 1, id,
                            "fields", "as", 1, name);
    g_autofree char *text = message_to_text(got);
    g_autofree char *variant = g_strdup_printf("v(%s )", expected);

    g_assert_cmpstr(text, ==, variant);
    g_assert_cmpstr(g_hash_table_lookup(state, name), ==, expected);
    g_assert_cmpint(sd_bus_message_enter_container(list, 'a', "a{sv}"), >, 0);
    listed = message_read_properties(list);
    g_assert_cmpstr(g_hash_table_lookup(listed, name), ==, expected);
}

static void test_properties(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process",
                       "{\"requires\": [\"db\", \"cache\"], \"wants\": [\"log\"], \"after\": "
                       "[\"net\"], \"before\": [\"proxy\"], \"conflicts\": [\"old\"], "
                       "\"part_of\": [\"site\"]}",
                       true);
    bus_fixture_create(&fixture, "db", "process", "{}", false);
    bus_fixture_create(&fixture, "plain", "process", "{}", true);
    assert_property("web", "Requires", "a(db cache )");
    assert_property("web", "Wants", "a(log )");
    assert_property("web", "After", "a(net )");
    assert_property("web", "Before", "a(proxy )");
    assert_property("web", "Conflicts", "a(old )");
    assert_property("web", "PartOf", "a(site )");
    assert_property("web", "RequiredBy", "a()");
    assert_property("web", "WaitingFor", "a(cache db )");
    assert_property("db", "RequiredBy", "a(web )");
    for (size_t i = 0; i < G_N_ELEMENTS(link_names); i++)
        assert_property("plain", link_names[i], "a()");
    teardown();
}

/* Exactly n PropertiesChanged of the service since the last look, one for each transition; what the
 * last of them says. */
static GHashTable *take_changes(const char *id, unsigned n)
{
    g_autofree char *path = g_strdup(service_path(id)), *interface = NULL;
    GHashTable *changed = NULL;
    unsigned n_events = 0, n_changes = 0;

    for (unsigned i = 0; i < client->signals->len; i++) {
        sd_bus_message *signal = g_ptr_array_index(client->signals, i);
        const char *name = NULL, *type = NULL, *of = NULL;

        g_assert_cmpint(sd_bus_message_rewind(signal, true), >=, 0);
        if (sd_bus_message_is_signal(signal, MANAGER, "Event") > 0) {
            g_assert_cmpint(sd_bus_message_skip(signal, "tt"), >, 0);
            g_assert_cmpint(sd_bus_message_read(signal, "ss", &type, &of), >, 0);
            n_events += g_str_equal(of, id);
        }
        if (!g_str_equal(sd_bus_message_get_path(signal), path))
            continue;
        g_assert_cmpint(sd_bus_message_read(signal, "s", &name), >, 0);
        if (!g_str_equal(name, SERVICE))
            continue;
        g_clear_pointer(&changed, g_hash_table_unref);
        changed = message_read_properties(signal);
        n_changes++;
    }
    g_assert_cmpuint(n_events, ==, n);
    g_assert_cmpuint(n_changes, ==, n);
    return changed;
}

static GHashTable *take_change(const char *id)
{
    return take_changes(id, 1);
}

/* NULL: it is not among what changed. */
static void assert_changed(GHashTable *changed, const char *name, const char *expected)
{
    g_assert_nonnull(changed);
    g_assert_cmpstr(g_hash_table_lookup(changed, name), ==, expected);
}

static void test_one_signal_per_transition(void)
{
    g_autoptr(GHashTable) waits = NULL, goes = NULL, up = NULL;
    Service *db, *web;

    setup();
    db = bus_fixture_create(&fixture, "db", "process", "{}", false);
    web = bus_fixture_create(&fixture, "web", "process", "{\"requires\": [\"db\"]}", false);
    bus_client_clear(client);
    bus_fixture_start(&fixture, web);
    waits = take_change("web");
    assert_changed(waits, "State", "waiting");
    assert_changed(waits, "SubState", "dependencies");
    assert_changed(waits, "WaitingFor", "a(db )");
    assert_changed(waits, "Requires", NULL);
    bus_client_clear(client);
    fake_apply_ok(db);
    bus_fixture_turn(&fixture);
    goes = take_change("web");
    assert_changed(goes, "State", "starting");
    assert_changed(goes, "WaitingFor", "a()");
    g_assert_nonnull(strstr(g_hash_table_lookup(goes, "LastTransition"), "dependency"));
    bus_client_clear(client);
    fake_apply_ok(web);
    bus_fixture_turn(&fixture);
    up = take_change("web");
    assert_changed(up, "State", "active");
    assert_changed(up, "WaitingFor", NULL);
    teardown();
}

/* A stop waits for those behind it, and says for whom. */
static void test_stop_waits(void)
{
    g_autoptr(GHashTable) db_waits = NULL, web_gone = NULL, db_goes = NULL;
    Service *db, *web;

    setup();
    db = bus_fixture_create_active(&fixture, "db");
    web = bus_fixture_create(&fixture, "web", "process", "{\"after\": [\"db\"]}", true);
    fake_apply_ok(web);
    bus_fixture_turn(&fixture);
    g_assert_true(service_stop(web, &origin_test, NULL));
    bus_fixture_turn(&fixture);
    bus_client_clear(client);
    g_assert_true(service_stop(db, &origin_test, NULL));
    bus_fixture_turn(&fixture);
    db_waits = take_changes("db", 2); /* it was asked, and then it was put off */
    assert_changed(db_waits, "SubState", "dependents");
    assert_changed(db_waits, "WaitingFor", "a(web )");
    bus_client_clear(client);
    fake_stop_done(web, NULL);
    bus_fixture_turn(&fixture);
    db_goes = take_change("db");
    assert_changed(db_goes, "State", NULL);
    assert_changed(db_goes, "WaitingFor", "a()");
    web_gone = take_change("web");
    assert_changed(web_gone, "State", "inactive");
    teardown();
}

/* Who requires it is told when that changes, and only then. */
static void test_required_by(void)
{
    g_autoptr(GHashTable) first = NULL, second = NULL, own = NULL;

    setup();
    bus_fixture_create(&fixture, "db", "process", "{}", false);
    bus_client_clear(client);
    bus_fixture_create(&fixture, "web", "process", "{\"requires\": [\"db\"]}", false);
    first = take_change("db");
    assert_changed(first, "RequiredBy", "a(web )");
    bus_client_clear(client);
    bus_fixture_create(&fixture, "log", "process", "{\"wants\": [\"db\"]}", false);
    g_assert_null(take_changes("db", 0));
    bus_client_clear(client);
    g_assert_true(service_configure(map_find(fixture.map, "web"), "{\"wants\": [\"db\"]}", 17,
                                    &origin_test, NULL, NULL));
    bus_fixture_turn(&fixture);
    second = take_change("db");
    assert_changed(second, "RequiredBy", "a()");
    own = take_change("web");
    assert_changed(own, "Requires", "a()");
    assert_changed(own, "Wants", "a(db )");
    assert_changed(own, "After", NULL);
    teardown();
}

/* GetDependencyGraph */

#define GRAPH(...)                                                                                 \
    bus_client_call(client, ROOT, MANAGER, "GetDependencyGraph", "a{sv}", __VA_ARGS__)

/* "ID ID ..." of an answer, which is freed. */
static char *ids_of(sd_bus_message *reply)
{
    GString *ids = g_string_new(NULL);

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_at_end(reply, false) == 0) {
        g_autoptr(GHashTable) entry = message_read_properties(reply);

        g_string_append_printf(ids, "%s%s", ids->len > 0 ? " " : "",
                               (char *)g_hash_table_lookup(entry, "id"));
    }
    sd_bus_message_unref(reply);
    return g_string_free(ids, FALSE);
}

static void assert_ids(const char *expected, sd_bus_message *reply)
{
    g_autofree char *ids = ids_of(reply);

    g_assert_cmpstr(ids, ==, expected);
}

/* proxy -> web -> db -> disk, which is not there; web before stats; plain stands alone. */
static void create_site(void)
{
    bus_fixture_create(&fixture, "db", "process", "{\"wants\": [\"disk\"]}", false);
    bus_fixture_create(&fixture, "plain", "process", "{}", false);
    bus_fixture_create(&fixture, "proxy", "process", "{\"after\": [\"web\"]}", false);
    bus_fixture_create(&fixture, "stats", "fake", "{}", false);
    bus_fixture_create(&fixture, "web", "process",
                       "{\"requires\": [\"db\"], \"before\": [\"stats\"]}", true);
}

static void test_whole_graph(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    setup();
    create_site();
    fake_apply_fail(map_find(fixture.map, "db"), "broken", true);
    bus_fixture_turn(&fixture);
    reply = GRAPH(0);
    text = message_to_text(reply);
    g_assert_cmpstr(
            text, ==,
            "a(a(e(id v(db ) ) e(kind v(process ) ) e(state v(failed ) ) e(sub_state v( ) ) "
            "e(error v(broken ) ) e(wants v(a(disk ) ) ) ) "
            "a(e(id v(disk ) ) e(kind v( ) ) e(state v( ) ) e(sub_state v( ) ) e(error v( ) ) ) "
            "a(e(id v(plain ) ) e(kind v(process ) ) e(state v(inactive ) ) e(sub_state v( ) ) "
            "e(error v( ) ) ) "
            "a(e(id v(proxy ) ) e(kind v(process ) ) e(state v(inactive ) ) e(sub_state v( ) ) "
            "e(error v( ) ) e(after v(a(web ) ) ) ) "
            "a(e(id v(stats ) ) e(kind v(fake ) ) e(state v(inactive ) ) e(sub_state v( ) ) "
            "e(error v( ) ) ) "
            "a(e(id v(web ) ) e(kind v(process ) ) e(state v(waiting ) ) e(sub_state v(blocked ) ) "
            "e(error v(requires 'db', which has failed: broken ) ) e(requires v(a(db ) ) ) "
            "e(before v(a(stats ) ) ) e(waiting_for v(a(db ) ) ) ) )");
    teardown();
}

static void test_parts_of_the_graph(void)
{
    setup();
    create_site();
    assert_ids("", GRAPH(1, "ids", "as", 0));
    assert_ids("plain", GRAPH(1, "ids", "as", 1, "plain"));
    assert_ids("db disk", GRAPH(1, "ids", "as", 1, "db"));
    assert_ids("disk", GRAPH(1, "ids", "as", 2, "disk", "disk"));
    assert_ids("db disk stats web", GRAPH(1, "ids", "as", 1, "web"));
    assert_ids("db disk plain", GRAPH(1, "ids", "as", 2, "plain", "db"));
    assert_ids("db disk proxy web", GRAPH(2, "ids", "as", 1, "disk", "reverse", "b", 1));
    assert_ids("proxy", GRAPH(2, "ids", "as", 1, "proxy", "reverse", "b", 1));
    assert_ids("plain", GRAPH(2, "ids", "as", 1, "plain", "reverse", "b", 1));
    assert_ids("db disk plain proxy stats web", GRAPH(1, "reverse", "b", 1));
    teardown();
}

/* Wants and part_of may go round in a circle. */
static void test_circle(void)
{
    setup();
    bus_fixture_create(&fixture, "a", "process", "{\"wants\": [\"b\"]}", false);
    bus_fixture_create(&fixture, "b", "process", "{\"part_of\": [\"a\"]}", false);
    assert_ids("a b", GRAPH(1, "ids", "as", 1, "b"));
    assert_ids("a b", GRAPH(2, "ids", "as", 1, "b", "reverse", "b", 1));
    teardown();
}

static void test_refused(void)
{
    setup();
    create_site();
    bus_client_refused(client, ERROR_NOT_FOUND, "'nobody'", ROOT, MANAGER, "GetDependencyGraph",
                       "a{sv}", 1, "ids", "as", 2, "web", "nobody");
    bus_client_refused(client, ERROR_INVALID_ARGS, "unknown option 'depth'; known: ids, reverse",
                       ROOT, MANAGER, "GetDependencyGraph", "a{sv}", 1, "depth", "u", 1);
    bus_client_refused(client, ERROR_INVALID_ARGS, "'ids' expects a value of type as", ROOT,
                       MANAGER, "GetDependencyGraph", "a{sv}", 1, "ids", "s", "web");
    teardown();
}

/* A configuration that wants n services with names of so many bytes. */
static char *config_wanting(unsigned n, unsigned bytes)
{
    GString *config = g_string_new("{\"wants\": [");

    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(config, "%s\"%0*u\"", i > 0 ? "," : "", (int)bytes, i);
    g_string_append(config, "]}");
    return g_string_free(config, FALSE);
}

/* More than an answer may hold is refused before it is built; a part of it is answered. */
static void test_limit(void)
{
    g_autofree char *config = config_wanting(4000, 250);

    setup();
    bus_client_close(client);
    for (unsigned i = 0; i < 26; i++) {
        g_autofree char *id = g_strdup_printf("large-%02u", i);

        bus_fixture_create(&fixture, id, "process", config, false);
    }
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "option 'ids'", ROOT, MANAGER,
                       "GetDependencyGraph", "a{sv}", 0);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "ListServices", ROOT, OBJECT_MANAGER,
                       "GetManagedObjects", NULL);
    g_autofree char *ids = ids_of(GRAPH(1, "ids", "as", 2, "large-03", "large-20"));
    g_assert_nonnull(strstr(ids, " large-03 large-20"));
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/graph/properties", test_properties);
    g_test_add_func("/graph/one-signal-per-transition", test_one_signal_per_transition);
    g_test_add_func("/graph/stop-waits", test_stop_waits);
    g_test_add_func("/graph/required-by", test_required_by);
    g_test_add_func("/graph/whole", test_whole_graph);
    g_test_add_func("/graph/parts", test_parts_of_the_graph);
    g_test_add_func("/graph/circle", test_circle);
    g_test_add_func("/graph/refused", test_refused);
    g_test_add_func("/graph/limit", test_limit);
    return g_test_run();
}
