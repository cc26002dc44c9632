/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client sees of changes: one PropertiesChanged per transition with all and only what
 * changed, InterfacesAdded and InterfacesRemoved once each, every Event in order; so that what it
 * had at first and all signals since are always what it would get by asking again. */

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

/* Signals of that member and (if it is not NULL) path. */
static GPtrArray *signals_of(const char *member, const char *path)
{
    GPtrArray *found = g_ptr_array_new();

    for (unsigned i = 0; i < client->signals->len; i++) {
        sd_bus_message *message = g_ptr_array_index(client->signals, i);

        if (sd_bus_message_is_signal(message, NULL, member) > 0 &&
            (path == NULL || g_str_equal(path, sd_bus_message_get_path(message))))
            g_ptr_array_add(found, message);
    }
    return found;
}

static char *read_string(sd_bus_message *message)
{
    const char *text = NULL;

    g_assert_cmpint(sd_bus_message_read(message, "s", &text), >, 0);
    return g_strdup(text);
}

static GHashTable *get_all(const char *path, const char *interface)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, path, PROPERTIES, "GetAll", "s", interface);

    return message_read_properties(reply);
}

static void assert_same_table(GHashTable *a, GHashTable *b)
{
    GHashTableIter iter;
    void *name, *value;

    g_assert_cmpuint(g_hash_table_size(a), ==, g_hash_table_size(b));
    g_hash_table_iter_init(&iter, a);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const char *other = g_hash_table_lookup(b, name);

        if (g_strcmp0(other, value) != 0)
            g_error("%s: '%s' and '%s'", (char *)name, (char *)value, other);
    }
}

/* Exactly one PropertiesChanged of the service since the last look; what changed is what it says,
 * and nothing that it says is as before. */
static void assert_one_transition(GHashTable **state, const char *id)
{
    g_autofree char *path = g_strdup(service_path(id));
    g_autoptr(GPtrArray) signals = signals_of("PropertiesChanged", path);
    g_autoptr(GPtrArray) events = signals_of("Event", NULL);
    g_autoptr(GHashTable) changed = NULL, now = NULL;
    g_autofree char *interface = NULL;
    GHashTableIter iter;
    void *name, *value;

    g_assert_cmpuint(signals->len, ==, 1);
    g_assert_cmpuint(events->len, ==, 1);
    interface = read_string(g_ptr_array_index(signals, 0));
    g_assert_cmpstr(interface, ==, SERVICE);
    changed = message_read_properties(g_ptr_array_index(signals, 0));
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        g_assert_cmpstr(g_hash_table_lookup(*state, name), !=, value);
        g_hash_table_replace(*state, g_strdup(name), g_strdup(value));
    }
    g_assert_true(g_hash_table_contains(changed, "StateSerial"));
    g_assert_true(g_hash_table_contains(changed, "LastTransition"));
    bus_client_clear(client);
    now = get_all(path, SERVICE);
    assert_same_table(*state, now);
}

static void test_one_signal_per_transition(void)
{
    g_autoptr(GHashTable) state = NULL;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", NULL, false);
    state = get_all(service_path("web"), SERVICE);
    bus_client_clear(client);
    g_assert_true(service_configure(service, "{}", 2, &origin_test, NULL, NULL));
    bus_fixture_turn(&fixture);
    assert_one_transition(&state, "web");
    bus_fixture_start(&fixture, service);
    assert_one_transition(&state, "web");
    fake_apply_ok(service);
    bus_fixture_turn(&fixture);
    assert_one_transition(&state, "web");
    service_set_sub_state(service, "running");
    bus_fixture_turn(&fixture);
    assert_one_transition(&state, "web");
    fake_ended(service, "it broke");
    bus_fixture_turn(&fixture);
    assert_one_transition(&state, "web");
    g_assert_cmpstr(g_hash_table_lookup(state, "Error"), ==, "it broke");
    teardown();
}

/* Several transitions in one turn are several signals: none is skipped. */
static void test_no_transition_is_skipped(void)
{
    g_autoptr(GPtrArray) signals = NULL, events = NULL;
    Service *service;
    uint64_t last = 0;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", true);
    bus_client_clear(client);
    fake_apply_ok(service);
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture.core);
    fake_stop_done(service, NULL);
    bus_fixture_turn(&fixture);
    signals = signals_of("PropertiesChanged", service_path("web"));
    events = signals_of("Event", NULL);
    g_assert_cmpuint(signals->len, ==, 3);
    g_assert_cmpuint(events->len, ==, 3);
    for (unsigned i = 0; i < events->len; i++) {
        uint64_t serial = 0;

        g_assert_cmpint(sd_bus_message_read(g_ptr_array_index(events, i), "t", &serial), >, 0);
        g_assert_true(last == 0 || serial == last + 1);
        last = serial;
    }
    teardown();
}

/* A change made by another listener, before the bus has told the first, is told after it, and the
 * first shows what was then. */
static void on_change_stop(const Change *change, void *data)
{
    if (change->type == CHANGE_ADD)
        g_assert_true(service_start(change->service, &origin_test, NULL));
    if (change->type == CHANGE_UPDATE && change->new_state->state == STATE_STARTING)
        g_assert_true(service_stop(change->service, &origin_test, NULL));
}

static void test_nested_changes(void)
{
    g_autoptr(GString) states = g_string_new(NULL);
    g_autoptr(GHashTable) properties = NULL;
    g_autoptr(GPtrArray) added = NULL, changed = NULL;
    sd_bus_message *message;

    bus_fixture_early = on_change_stop;
    setup();
    bus_fixture_early = NULL;
    bus_fixture_create(&fixture, "web", "fake", "{}", false);
    added = signals_of("InterfacesAdded", NULL);
    g_assert_cmpuint(added->len, ==, 1);
    message = g_ptr_array_index(added, 0);
    g_assert_cmpint(sd_bus_message_skip(message, "o"), >=, 0);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sa{sv}}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
        g_autofree char *interface = read_string(message);
        g_autoptr(GHashTable) found = message_read_properties(message);

        if (g_str_equal(interface, SERVICE))
            properties = g_steal_pointer(&found);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    g_string_append(states, g_hash_table_lookup(properties, "State"));
    changed = signals_of("PropertiesChanged", service_path("web"));
    for (unsigned i = 0; i < changed->len; i++) {
        g_autofree char *interface = read_string(g_ptr_array_index(changed, i));
        g_autoptr(GHashTable) table = message_read_properties(g_ptr_array_index(changed, i));
        const char *state = g_hash_table_lookup(table, "State");

        g_string_append_printf(states, " %s", state);
    }
    g_assert_cmpstr(states->str, ==, "inactive starting stopping");
    teardown();
}

static void test_added_and_removed(void)
{
    g_autoptr(GPtrArray) added = NULL, removed = NULL, events = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    added = signals_of("InterfacesAdded", ROOT);
    g_assert_cmpuint(added->len, ==, 1); /* complete: the contract was asked when it came */
    reply = bus_client_call(client, ROOT, MANAGER, "DeleteService", "sa{sv}", "web", 0);
    removed = signals_of("InterfacesRemoved", ROOT);
    g_assert_cmpuint(removed->len, ==, 1);
    text = message_to_text(g_ptr_array_index(removed, 0));
    g_assert_nonnull(strstr(text, ROOT "/service/web"));
    g_assert_nonnull(strstr(text, SERVICE " "));
    g_assert_nonnull(strstr(text, PROCESS " "));
    events = signals_of("Event", ROOT);
    g_assert_cmpuint(events->len, ==, 2);
    g_free(text);
    text = message_to_text(g_ptr_array_index(events, 1));
    g_assert_nonnull(strstr(text, "Deleted web a(e(from v(inactive ) )"));
    g_assert_nonnull(strstr(text, "e(method v(DeleteService ) )"));
    teardown();
}

/* The model that a client keeps. */

typedef GHashTable Model; /* "PATH INTERFACE PROPERTY" -> value */

static void model_set(Model *model, const char *path, const char *interface, GHashTable *values)
{
    GHashTableIter iter;
    void *name, *value;

    g_hash_table_iter_init(&iter, values);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_hash_table_replace(model, g_strdup_printf("%s %s %s", path, interface, (char *)name),
                             g_strdup(value));
}

static gboolean model_is_of_path(void *key, void *value, void *path)
{
    g_autofree char *prefix = g_strdup_printf("%s ", (char *)path);

    return g_str_has_prefix(key, prefix);
}

/* An a{sa{sv}}. */
static void model_read_interfaces(Model *model, sd_bus_message *message, const char *path)
{
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sa{sv}}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
        g_autofree char *interface = read_string(message);
        g_autoptr(GHashTable) values = message_read_properties(message);

        model_set(model, path, interface, values);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
}

static void model_apply(Model *model, sd_bus_message *message)
{
    const char *path = sd_bus_message_get_path(message);

    if (g_str_equal(sd_bus_message_get_member(message), "InterfacesAdded")) {
        g_assert_cmpint(sd_bus_message_read(message, "o", &path), >, 0);
        model_read_interfaces(model, message, path);
    } else if (g_str_equal(sd_bus_message_get_member(message), "InterfacesRemoved")) {
        g_assert_cmpint(sd_bus_message_read(message, "o", &path), >, 0);
        g_hash_table_foreach_remove(model, model_is_of_path, (void *)path);
    } else if (g_str_equal(sd_bus_message_get_member(message), "PropertiesChanged") &&
               !g_str_equal(path, ROOT)) {
        g_autofree char *interface = read_string(message);
        g_autoptr(GHashTable) values = message_read_properties(message);

        model_set(model, path, interface, values);
    }
}

static Model *model_fetch(void)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL);
    Model *model = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *path = NULL;

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), >, 0);
    while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
        g_assert_cmpint(sd_bus_message_read(reply, "o", &path), >, 0);
        model_read_interfaces(model, reply, path);
        g_assert_cmpint(sd_bus_message_exit_container(reply), >=, 0);
    }
    return model;
}

static void do_something(GRand *rand)
{
    static const char *const ids[] = {"a", "b", "c", "d-1", "e@2"};
    const char *id = ids[g_rand_int_range(rand, 0, G_N_ELEMENTS(ids))];
    Service *service = map_find(fixture.map, id);

    if (service == NULL) {
        CreateSpec spec = {.id = id,
                           .kind = g_rand_boolean(rand) ? "process" : "fake",
                           .config = "{}",
                           .config_length = 2,
                           .start = g_rand_boolean(rand)};
        g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
        return;
    }
    switch (g_rand_int_range(rand, 0, 8)) {
    case 0:
        (void)service_start(service, &origin_test, NULL); /* refused in many states */
        break;
    case 1:
        (void)service_stop(service, &origin_test, NULL);
        break;
    case 2:
        (void)service_restart(service, &origin_test, NULL);
        break;
    case 3:
        fixture.process.main_pid++;
        service_properties_changed(service, 1);
        break;
    case 4:
        (void)map_delete(fixture.map, id, &origin_test, NULL, NULL, NULL);
        break;
    case 5:
        if (service_state(service)->state == STATE_ACTIVE)
            fake_ended(service, g_rand_boolean(rand) ? "broke" : NULL);
        break;
    default:
        if (fake_of(service)->stop_asked)
            fake_stop_done(service, g_rand_boolean(rand) ? "badly" : NULL);
        else if (fake_of(service)->context_open)
            fake_apply_ok(service);
        break;
    }
}

/* The value of MainPID is one for all services here, so only its owner's signal may carry it. */
static void drop_process_values(Model *model)
{
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, model);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (strstr(key, " MainPID") != NULL)
            g_hash_table_iter_remove(&iter);
    }
}

static void test_snapshot_and_signals(void)
{
    uint32_t seed = g_test_rand_int_range(0, G_MAXINT32);
    GRand *rand = g_rand_new_with_seed(seed);
    g_autoptr(GHashTable) model = NULL;

    g_test_message("seed %u", seed);
    setup();
    bus_fixture_create(&fixture, "a", "process", "{}", true);
    model = model_fetch();
    bus_client_clear(client);
    for (unsigned step = 0; step < 2000; step++) {
        do_something(rand);
        if (g_rand_int_range(rand, 0, 4) == 0)
            bus_fixture_advance(&fixture, (uint64_t)g_rand_int_range(rand, 0, 2000000));
        if (step % 50 != 49)
            continue;
        bus_fixture_turn(&fixture);
        for (unsigned i = 0; i < client->signals->len; i++)
            model_apply(model, g_ptr_array_index(client->signals, i));
        bus_client_clear(client);
        g_autoptr(GHashTable) fetched = model_fetch();
        drop_process_values(model);
        drop_process_values(fetched);
        assert_same_table(model, fetched);
    }
    g_rand_free(rand);
    teardown();
}

static void assert_changed(sd_bus_message *message, const char *interface, const char *text)
{
    g_autofree char *actual_interface = read_string(message);
    g_autofree char *actual = message_value_to_text(message);

    g_assert_cmpstr(actual_interface, ==, interface);
    g_assert_cmpstr(actual, ==, text);
}

/* At the end of the turn, all in one. */
static void test_kind_properties(void)
{
    g_autoptr(GPtrArray) signals = NULL;
    Service *service;

    setup();
    service = bus_fixture_create_active(&fixture, "web");
    bus_client_clear(client);
    fixture.process.main_pid = 7;
    service_properties_changed(service, 1 << 0);
    fixture.process.status_text = "bad \xff byte";
    service_properties_changed(service, 1 << 3);
    bus_fixture_turn(&fixture);
    signals = signals_of("PropertiesChanged", service_path("web"));
    g_assert_cmpuint(signals->len, ==, 1);
    assert_changed(g_ptr_array_index(signals, 0), PROCESS,
                   "a(e(MainPID v(7 ) ) e(StatusText v(bad \xef\xbf\xbd byte ) ) )");
    teardown();
}

/* With the transition if there is one in the same turn, before it, and not again. */
static void test_kind_properties_with_transition(void)
{
    g_autoptr(GPtrArray) signals = NULL;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", true);
    bus_client_clear(client);
    fixture.process.main_pid = 8;
    service_properties_changed(service, 1 << 0);
    fake_apply_ok(service);
    bus_fixture_turn(&fixture);
    signals = signals_of("PropertiesChanged", service_path("web"));
    g_assert_cmpuint(signals->len, ==, 2);
    assert_changed(g_ptr_array_index(signals, 0), PROCESS, "a(e(MainPID v(8 ) ) )");
    teardown();
}

static unsigned count_manager_signals(void)
{
    g_autoptr(GPtrArray) signals = signals_of("PropertiesChanged", ROOT);

    return signals->len;
}

static GHashTable *last_manager_change(void)
{
    g_autoptr(GPtrArray) signals = signals_of("PropertiesChanged", ROOT);
    sd_bus_message *message = g_ptr_array_index(signals, signals->len - 1);
    g_autofree char *interface = read_string(message);

    g_assert_cmpstr(interface, ==, MANAGER);
    return message_read_properties(message);
}

static void test_figures(void)
{
    g_autoptr(GHashTable) changed = NULL;

    setup();
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    bus_client_clear(client);
    bus_fixture_create(&fixture, "a", "process", NULL, false); /* the first at once */
    g_assert_cmpuint(count_manager_signals(), ==, 1);
    for (unsigned i = 0; i < 20; i++) {
        g_autofree char *id = g_strdup_printf("b%u", i);

        bus_fixture_create(&fixture, id, "process", NULL, i % 2);
    }
    bus_fixture_advance(&fixture, USEC_PER_SEC / 4 - 1);
    g_assert_cmpuint(count_manager_signals(), ==, 1);
    bus_fixture_advance(&fixture, 1); /* the last always */
    g_assert_cmpuint(count_manager_signals(), ==, 2);
    changed = last_manager_change();
    g_assert_cmpstr(g_hash_table_lookup(changed, "NServices"), ==, "21");
    g_assert_cmpstr(g_hash_table_lookup(changed, "NActive"), ==, "10");
    g_assert_cmpstr(g_hash_table_lookup(changed, "KindCounts"), ==,
                    "a(e(fake 0 ) e(process 21 ) )");
    g_assert_false(g_hash_table_contains(changed, "NFailed"));
    g_assert_false(g_hash_table_contains(changed, "EventSerial")); /* invalidated, not told */
    bus_fixture_advance(&fixture, 10 * USEC_PER_SEC);
    g_assert_cmpuint(count_manager_signals(), ==, 2); /* nothing more happened */
    teardown();
}

/* Who has asked between two signals is told that it is as before again. */
static void test_figures_that_come_back(void)
{
    g_autoptr(GHashTable) all = NULL, changed = NULL;

    setup();
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    bus_fixture_create(&fixture, "a", "process", NULL, false); /* the first at once */
    bus_client_clear(client);
    bus_fixture_create(&fixture, "b", "process", NULL, false);
    all = get_all(ROOT, MANAGER);
    g_assert_cmpstr(g_hash_table_lookup(all, "NServices"), ==, "2");
    g_assert_true(map_delete(fixture.map, "b", &origin_test, NULL, NULL, NULL));
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    g_assert_cmpuint(count_manager_signals(), ==, 1);
    changed = last_manager_change();
    g_assert_cmpstr(g_hash_table_lookup(changed, "NServices"), ==, "1");
    teardown();
}

static void test_degraded(void)
{
    g_autoptr(GHashTable) changed = NULL, all = NULL;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", true);
    all = get_all(ROOT, MANAGER);
    g_assert_cmpstr(g_hash_table_lookup(all, "State"), ==, "running");
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    bus_client_clear(client);
    fake_apply_fail(service, "no", true);
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    changed = last_manager_change();
    g_assert_cmpstr(g_hash_table_lookup(changed, "State"), ==, "degraded");
    g_assert_cmpstr(g_hash_table_lookup(changed, "NFailed"), ==, "1");
    teardown();
}

static void test_phase(void)
{
    g_autoptr(GHashTable) changed = NULL;

    setup();
    bus_client_clear(client);
    bus_set_phase(fixture.bus, "graceful-stop");
    bus_fixture_turn(&fixture);
    changed = last_manager_change();
    g_assert_cmpstr(g_hash_table_lookup(changed, "Phase"), ==, "graceful-stop");
    g_assert_cmpstr(g_hash_table_lookup(changed, "State"), ==, "stopping");
    teardown();
}

/* InterfacesAdded is sd-bus's own, GetManagedObjects is ours: of one state they say the same. */
static void assert_managed_as_added(const char *id, const char *kind)
{
    g_autoptr(GHashTable) added = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) managed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(sd_bus_message) reply = NULL;
    const char *path = NULL;

    setup();
    bus_fixture_create(&fixture, id, kind, "{\"requires\": [\"nobody\"]}", false);
    g_autoptr(GPtrArray) signals = signals_of("InterfacesAdded", NULL);
    g_assert_cmpuint(signals->len, ==, 1);
    sd_bus_message *signal = g_ptr_array_index(signals, 0);
    g_assert_cmpint(sd_bus_message_read(signal, "o", &path), >, 0);
    model_read_interfaces(added, signal, path);
    reply = bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}"), >, 0);
    g_assert_cmpint(sd_bus_message_read(reply, "o", &path), >, 0);
    model_read_interfaces(managed, reply, path);
    assert_same_table(managed, added);
    g_assert_cmpuint(g_hash_table_size(managed), >, 30);
    g_autofree char *text = message_to_text(reply);
    g_assert_nonnull(strstr(text, "e(org.freedesktop.DBus.Peer a() ) "
                                  "e(org.freedesktop.DBus.Introspectable a() ) "
                                  "e(org.freedesktop.DBus.Properties a() ) "));
    teardown();
}

static void test_managed_as_added(void)
{
    assert_managed_as_added("plain", "fake");
    assert_managed_as_added("web@1.service", "process");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/changes/one-signal-per-transition", test_one_signal_per_transition);
    g_test_add_func("/changes/no-transition-is-skipped", test_no_transition_is_skipped);
    g_test_add_func("/changes/nested", test_nested_changes);
    g_test_add_func("/changes/added-and-removed", test_added_and_removed);
    g_test_add_func("/changes/snapshot-and-signals", test_snapshot_and_signals);
    g_test_add_func("/changes/managed-as-added", test_managed_as_added);
    g_test_add_func("/changes/kind-properties", test_kind_properties);
    g_test_add_func("/changes/kind-properties-with-transition",
                    test_kind_properties_with_transition);
    g_test_add_func("/changes/figures", test_figures);
    g_test_add_func("/changes/figures-that-come-back", test_figures_that_come_back);
    g_test_add_func("/changes/degraded", test_degraded);
    g_test_add_func("/changes/phase", test_phase);
    return g_test_run();
}
