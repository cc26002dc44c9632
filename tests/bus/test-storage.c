/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked for over the bus and kept: calls that do not wait for each other's answers, what a
 * full disk answers, and what a service says about being kept. */

#include "bus-fixture.h"

#include "support/durable-memory.h"

#include <string.h>

static BusFixture fixture;
static BusClient *client;
static DurableMemory *memory;

static void setup(void)
{
    memory = durable_memory_new();
    bus_fixture_durable = &memory->durable;
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
}

static void teardown(void)
{
    bus_fixture_done(&fixture);
    durable_memory_free(memory);
    bus_fixture_durable = NULL;
}

/* Everything that was sent is read before the turn ends. */
static void turn_together(void)
{
    while (sd_event_run(fixture.event, 0) > 0)
        ;
    bus_fixture_turn(&fixture);
}

static void assert_text(Pending *pending, const char *expected)
{
    g_autofree char *text = message_to_text(pending_assert_reply(pending));

    g_assert_cmpstr(text, ==, expected);
}

static Pending *start_create(BusClient *by, const char *id)
{
    return bus_client_start(by, ROOT, MANAGER, "CreateService", "sssa{sv}", id, "fake", "{}", 0);
}

static Pending *start_on(const char *id, const char *method)
{
    return bus_client_start(client, service_path(id), SERVICE, method, NULL);
}

static void create(const char *id)
{
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "CreateService", "sssa{sv}", id,
                                         "fake", "{\"value\": \"a\"}", 0));
    durable_memory_assert_log(memory, memory->log->str); /* forgets it */
}

static char *get(const char *path, const char *interface, const char *property)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, path, PROPERTIES, "Get", "ss", interface, property);

    return message_to_text(reply);
}

static void assert_property(const char *path, const char *interface, const char *property,
                            const char *expected)
{
    g_autofree char *text = get(path, interface, property);

    g_assert_cmpstr(text, ==, expected);
}

/* Calls on the way */

/* A client that knows what it wants need not wait for any answer. */
static void test_pipelined_life(void)
{
    setup();
    g_autoptr(Pending) made = start_create(client, "web"), started = start_on("web", "Start");
    g_autoptr(Pending) stopped = start_on("web", "Stop"), state = start_on("web", "GetState");

    turn_together();
    assert_text(made, ROOT "/service/web");
    assert_text(started, "starting 2");
    assert_text(stopped, "stopping 3");
    g_autoptr(GHashTable) fields = message_read_properties(pending_assert_reply(state));

    g_assert_cmpstr(g_hash_table_lookup(fields, "State"), ==, "stopping");
    durable_memory_assert_log(memory, "begin service:web config:web:1 commit:power\n"
                                      "begin state:web:wanted,0 commit:crash\n"
                                      "begin state:web:unwanted,0 commit:crash\n");
    teardown();
}

/* What only looks sees what the same client has asked for before. */
static void test_pipelined_configure(void)
{
    setup();
    create("web");
    g_autoptr(Pending) configured = bus_client_start(client, service_path("web"), SERVICE,
                                                     "Configure", "s", "{\"value\": \"b\"}");
    g_autoptr(Pending) state = start_on("web", "GetState"), config = start_on("web", "GetConfig");

    turn_together();
    (void)pending_assert_reply(configured);
    assert_text(config, "{\"value\": \"b\"} 2");
    g_autoptr(GHashTable) fields = message_read_properties(pending_assert_reply(state));

    g_assert_cmpstr(g_hash_table_lookup(fields, "ConfigRevision"), ==, "2");
    teardown();
}

/* Also when it is sd-bus that answers. */
static void test_pipelined_property(void)
{
    setup();
    create("web");
    g_autoptr(Pending) enabled =
            bus_client_start(client, service_path("web"), SERVICE, "SetEnabled", "b", 1);
    g_autoptr(Pending) one = bus_client_start(client, service_path("web"), PROPERTIES, "Get", "ss",
                                              SERVICE, "Enabled");
    g_autoptr(Pending) made = start_create(client, "new");
    g_autoptr(Pending) objects =
            bus_client_start(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL);

    turn_together();
    (void)pending_assert_reply(enabled);
    assert_text(one, "v(true )");
    (void)pending_assert_reply(made);
    g_autofree char *text = message_to_text(pending_assert_reply(objects));

    g_assert_nonnull(strstr(text, ROOT "/service/new"));
    teardown();
}

#define MANY 600

static void test_many_creates(void)
{
    Pending *pendings[MANY];

    setup();
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("s%u", i);

        pendings[i] = start_create(client, id);
    }
    turn_together();
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *path = g_strdup_printf(ROOT "/service/s%u", i);

        assert_text(pendings[i], path);
        pending_free(pendings[i]);
    }
    g_assert_cmpuint(map_counts(fixture.map)->total, ==, MANY);
    g_assert_cmpuint(g_hash_table_size(memory->services), ==, MANY);
    g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], <=, 10); /* and not 600 */
    teardown();
}

/* Of several clients in one turn: one group. */
static void test_clients_share_a_group(void)
{
    setup();
    BusClient *other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_autoptr(Pending) mine = start_create(client, "a"), its = start_create(other, "b");
    g_autoptr(Pending) taken = start_create(other, "a");

    turn_together();
    assert_text(mine, ROOT "/service/a");
    assert_text(its, ROOT "/service/b");
    pending_assert_error(taken, ERROR_ID_EXISTS, "a");
    g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], ==, 1);
    teardown();
}

static bool service_has_come(void *data)
{
    return map_find(fixture.map, data) != NULL;
}

static void test_client_gone(void)
{
    setup();
    BusClient *other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_autoptr(Pending) made = start_create(other, "web");

    g_assert_cmpint(sd_bus_flush(other->bus), >=, 0);
    g_clear_pointer(&made->slot, sd_bus_slot_unref);
    bus_client_close(other);
    bus_fixture_await(&fixture, service_has_come, (void *)"web");
    g_assert_true(durable_memory_find(memory, "web")->created);
    teardown();
}

/* It goes when it has been read, and before the turn ends. */
static void test_client_gone_while_staged(void)
{
    setup();
    BusClient *other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_autoptr(Pending) made = start_create(other, "web");

    while (sd_event_run(fixture.event, 0) > 0)
        ;
    g_assert_true(requests_are_pending(fixture.requests));
    g_clear_pointer(&made->slot, sd_bus_slot_unref);
    bus_client_close(other);
    while (sd_event_run(fixture.event, 0) > 0)
        ;
    bus_fixture_turn(&fixture);
    g_assert_nonnull(map_find(fixture.map, "web"));
    g_assert_null(made->reply);
    teardown();
}

static void on_drained(void *data)
{
    *(bool *)data = true;
}

/* What was asked for before the shutdown is done and answered. */
static void test_shutdown(void)
{
    bool drained = false;

    setup();
    create("web");
    g_autoptr(Pending) made = start_create(client, "a"), started = start_on("web", "Start");

    while (sd_event_run(fixture.event, 0) > 0)
        ;
    g_assert_true(requests_are_pending(fixture.requests));
    bus_begin_shutdown(fixture.bus);
    g_assert_false(requests_are_pending(fixture.requests));
    g_autoptr(Pending) late = start_create(client, "b");

    bus_fixture_turn(&fixture);
    bus_drain(fixture.bus, USEC_PER_SEC, on_drained, &drained);
    bus_fixture_turn(&fixture);
    g_assert_true(drained);
    assert_text(made, ROOT "/service/a");
    assert_text(started, "starting 3");
    pending_assert_error(late, ERROR_SHUTTING_DOWN, NULL);
    g_assert_nonnull(durable_memory_find(memory, "a"));
    g_assert_null(durable_memory_find(memory, "b"));
    teardown();
}

/* A full disk */

static void test_full_disk(void)
{
    setup();
    create("web");
    bus_client_clear(client);
    memory->is_broken = true;
    bus_client_refused(client, ERROR_FAILED, "the disk is full", ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "a", "fake", "", 0);
    bus_client_refused(client, ERROR_FAILED, "the disk is full", ROOT, MANAGER, "DeleteService",
                       "sa{sv}", "web", 0);
    bus_client_refused(client, ERROR_FAILED, "the disk is full", service_path("web"), SERVICE,
                       "Configure", "s", "{}");
    bus_client_refused(client, ERROR_FAILED, "the disk is full", service_path("web"), SERVICE,
                       "SetEnabled", "b", 1);
    assert_property(service_path("web"), SERVICE, "Enabled", "v(false )");
    assert_property(service_path("web"), SERVICE, "ConfigRevision", "v(1 )");
    assert_property(ROOT, MANAGER, "NServices", "v(1 )");
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "Start", NULL));
    fake_apply_ok(map_find(fixture.map, "web"));
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "Restart", NULL));
    teardown();
}

static char *changed_text(const char *path)
{
    GString *all = g_string_new(NULL);

    for (unsigned i = 0; i < client->signals->len; i++) {
        sd_bus_message *signal = client->signals->pdata[i];

        if (!sd_bus_message_is_signal(signal, PROPERTIES, "PropertiesChanged") ||
            !g_str_equal(sd_bus_message_get_path(signal), path))
            continue;
        g_autofree char *text = message_to_text(signal);

        g_string_append(all, text);
    }
    bus_client_clear(client);
    return g_string_free(all, FALSE);
}

static void assert_changed(const char *path, const char *expected)
{
    g_autofree char *text = changed_text(path);

    if (strstr(text, expected) == NULL)
        g_error("'%s' is not in '%s'", expected, text);
}

/* It is said while it lasts, and signalled. */
static void test_storage_error(void)
{
    setup();
    create("web");
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    assert_property(ROOT, MANAGER, "StorageError", "v( )");
    assert_property(ROOT, MANAGER, "State", "v(running )");
    bus_client_clear(client);
    memory->is_broken = true;
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "Start", NULL));
    bus_fixture_advance(&fixture, USEC_PER_SEC / 2);
    assert_property(ROOT, MANAGER, "StorageError", "v(/memory: begin: the disk is full )");
    assert_property(ROOT, MANAGER, "State", "v(degraded )");
    assert_changed(ROOT, "e(StorageError v(/memory: begin: the disk is full ) )");
    memory->is_broken = false;
    bus_fixture_advance(&fixture, 2 * USEC_PER_SEC); /* tried again */
    assert_property(ROOT, MANAGER, "StorageError", "v( )");
    assert_property(ROOT, MANAGER, "State", "v(running )");
    assert_changed(ROOT, "e(StorageError v( ) )");
    g_assert_true(durable_memory_find(memory, "web")->state.wanted);
    teardown();
}

/* What a service says */

static void test_enabled_and_persistent(void)
{
    setup();
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "CreateService", "sssa{sv}", "web",
                                         "fake", "", 1, "enabled", "b", 1));
    durable_memory_assert_log(memory, "begin service:web enabled:web:1 commit:power\n");
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "CreateService", "sssa{sv}", "tmp",
                                         "fake", "", 1, "persist", "b", 0));
    durable_memory_assert_log(memory, "");
    assert_property(service_path("web"), SERVICE, "Enabled", "v(true )");
    assert_property(service_path("web"), SERVICE, "Persistent", "v(true )");
    assert_property(service_path("web"), SERVICE, "DefinitionPath", "v( )");
    assert_property(service_path("tmp"), SERVICE, "Enabled", "v(false )");
    assert_property(service_path("tmp"), SERVICE, "Persistent", "v(false )");
    bus_client_clear(client);
    sd_bus_message_unref(
            bus_client_call(client, service_path("web"), SERVICE, "SetEnabled", "b", 0));
    durable_memory_assert_log(memory, "begin enabled:web:0 commit:power\n");
    assert_property(service_path("web"), SERVICE, "Enabled", "v(false )");
    assert_changed(service_path("web"), "e(Enabled v(false ) )");
    teardown();
}

static void test_definition_path(void)
{
    CreateSpec spec = {.id = "web",
                       .kind = "fake",
                       .source = SOURCE_DEFINITION,
                       .directory = g_intern_string("/etc/svcmgr")};

    setup();
    g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
    assert_property(service_path("web"), SERVICE, "DefinitionPath", "v(/etc/svcmgr/web.json )");
    assert_property(service_path("web"), SERVICE, "Persistent", "v(true )");
    bus_client_refused(client, ERROR_IMMUTABLE, "/etc/svcmgr/web.json", ROOT, MANAGER,
                       "DeleteService", "sa{sv}", "web", 0);
    teardown();
}

/* Earlier configurations */

static sd_bus_message *list_revisions(const char *id)
{
    return bus_client_call(client, service_path(id), SERVICE, "ListConfigRevisions", NULL);
}

static void configure(const char *id, const char *config)
{
    sd_bus_message_unref(
            bus_client_call(client, service_path(id), SERVICE, "Configure", "s", config));
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

static void test_revisions(void)
{
    setup();
    create("web");
    configure("web", "{\"value\": \"b\"}");
    configure("web", "{\"value\": \"c\"}");
    g_autoptr(sd_bus_message) list = list_revisions("web");
    g_autofree char *text = message_to_text(list);

    g_assert_cmpuint(count(text, "e(revision "), ==, 3);
    g_assert_cmpuint(count(text, "e(source v(bus ) )"), ==, 3);
    g_assert_cmpuint(count(text, "v(sha256:"), ==, 3);
    g_assert_nonnull(strstr(text, "a(e(revision v(1 ) )"));
    g_autoptr(sd_bus_message) first = bus_client_call(client, service_path("web"), SERVICE,
                                                      "GetConfigRevision", "t", (uint64_t)1);
    g_autofree char *first_text = message_to_text(first);

    g_assert_true(g_str_has_prefix(first_text, "{\"value\": \"a\"} "));
    bus_client_refused(client, ERROR_NOT_FOUND, "revision 4", service_path("web"), SERVICE,
                       "GetConfigRevision", "t", (uint64_t)4);
    durable_memory_fail(memory, MEMORY_READ, 1);
    bus_client_refused(client, ERROR_FAILED, "the disk", service_path("web"), SERVICE,
                       "ListConfigRevisions", NULL);
    durable_memory_fail(memory, MEMORY_READ, 1);
    bus_client_refused(client, ERROR_FAILED, "the disk", service_path("web"), SERVICE,
                       "GetConfigRevision", "t", (uint64_t)1);
    teardown();
}

/* The present one of a definition is not on disk, and there all the same. */
static void test_revisions_of_a_definition(void)
{
    CreateSpec spec = {.id = "web",
                       .kind = "fake",
                       .config = "{\"value\": \"file\"}",
                       .config_length = 17,
                       .source = SOURCE_DEFINITION,
                       .revision = 5,
                       .config_source = CONFIG_FROM_DEFINITION};

    setup();
    g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
    g_autoptr(sd_bus_message) before = list_revisions("web");
    g_autofree char *before_text = message_to_text(before);

    g_assert_cmpuint(count(before_text, "e(revision v(5 ) )"), ==, 1);
    g_assert_cmpuint(count(before_text, "e(source v(definition ) )"), ==, 1);
    configure("web", "{}");
    g_autoptr(sd_bus_message) after = list_revisions("web");
    g_autofree char *after_text = message_to_text(after);

    g_assert_cmpuint(count(after_text, "e(revision v("), ==, 2);
    g_assert_cmpuint(count(after_text, "e(source v(definition ) )"), ==, 1);
    g_autoptr(sd_bus_message) old = bus_client_call(client, service_path("web"), SERVICE,
                                                    "GetConfigRevision", "t", (uint64_t)5);
    g_autofree char *old_text = message_to_text(old);

    g_assert_true(g_str_has_prefix(old_text, "{\"value\": \"file\"} "));
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/pipelined/life", test_pipelined_life);
    g_test_add_func("/storage/pipelined/configure", test_pipelined_configure);
    g_test_add_func("/storage/pipelined/property", test_pipelined_property);
    g_test_add_func("/storage/pipelined/many-creates", test_many_creates);
    g_test_add_func("/storage/pipelined/clients-share-a-group", test_clients_share_a_group);
    g_test_add_func("/storage/client-gone", test_client_gone);
    g_test_add_func("/storage/client-gone-while-staged", test_client_gone_while_staged);
    g_test_add_func("/storage/shutdown", test_shutdown);
    g_test_add_func("/storage/full-disk", test_full_disk);
    g_test_add_func("/storage/error", test_storage_error);
    g_test_add_func("/storage/enabled-and-persistent", test_enabled_and_persistent);
    g_test_add_func("/storage/definition-path", test_definition_path);
    g_test_add_func("/storage/revisions", test_revisions);
    g_test_add_func("/storage/revisions-of-a-definition", test_revisions_of_a_definition);
    return g_test_run();
}
