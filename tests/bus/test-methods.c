/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every method, well and badly called. Each reply is held against the contract by the fixture. */

#include "bus-fixture.h"

#include "base/json.h"

#include <signal.h>
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

static void assert_answer(const char *expected, sd_bus_message *reply)
{
    g_autofree char *text = message_to_text(reply);

    g_assert_cmpstr(text, ==, expected);
    sd_bus_message_unref(reply);
}

static sd_bus_message *call_service(const char *id, const char *method)
{
    return bus_client_call(client, service_path(id), SERVICE, method, NULL);
}

/* Service */

static void test_operations(void)
{
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    assert_answer("starting 2", call_service("web", "Start"));
    fake_apply_ok(service);
    assert_answer("stopping 4", call_service("web", "Restart"));
    fake_stop_done(service, NULL);
    bus_fixture_turn(&fixture);
    fake_apply_ok(service);
    assert_answer("stopping 7", call_service("web", "Stop"));
    fake_stop_done(service, NULL);
    bus_fixture_turn(&fixture);
    assert_state(service, STATE_INACTIVE);
    teardown();
}

static void test_operations_refused(void)
{
    Service *service;
    const char *path = ROOT "/service/web";

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    bus_client_refused(client, ERROR_ALREADY_STOPPED, "web", path, SERVICE, "Stop", NULL);
    bus_fixture_start(&fixture, service);
    bus_client_refused(client, ERROR_ALREADY_STARTED, "web", path, SERVICE, "Start", NULL);
    bus_client_refused(client, ERROR_ALREADY_LOADING, "web", path, SERVICE, "Configure", "s", "{}");
    g_assert_true(service_stop(service, &origin_test, NULL));
    bus_client_refused(client, ERROR_BUSY, "web", path, SERVICE, "Start", NULL);
    bus_client_refused(client, ERROR_BUSY, "web", path, SERVICE, "Restart", NULL);
    fake_stop_done(service, NULL);
    bus_client_refused(client, ERROR_INVALID_CONFIG, "nope", path, SERVICE, "Configure", "s",
                       "{\"nope\": 1}");
    g_assert_cmpuint(service_state(service)->config_revision, ==, 1); /* nothing has changed */
    teardown();
}

static void test_reload(void)
{
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{\"reload\": true}", true);
    fake_apply_ok(service);
    bus_client_become(client, 0);
    assert_answer("reloading 3", call_service("web", "Reload"));
    g_assert_cmpstr(service_state(service)->method, ==, "Reload");
    fake_apply_fail(service, "bad file", false);
    assert_state(service, STATE_ACTIVE);
    assert_answer("reloading 5", call_service("web", "Reload"));
    fake_apply_ok(service);
    g_assert_null(service_state(service)->error);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply() reload() reload() ");
    teardown();
}

static void test_reload_refused(void)
{
    const char *path = ROOT "/service/web";
    Service *service;

    setup();
    bus_fixture_create_active(&fixture, "plain");
    bus_client_refused(client, ERROR_NOT_SUPPORTED, "neither reload_signal nor reload_exec",
                       service_path("plain"), SERVICE, "Reload", NULL);
    service = bus_fixture_create(&fixture, "web", "process", "{\"reload\": true}", false);
    bus_client_refused(client, ERROR_NOT_SUPPORTED, "not active", path, SERVICE, "Reload", NULL);
    bus_fixture_start(&fixture, service);
    bus_client_refused(client, ERROR_ALREADY_LOADING, "web", path, SERVICE, "Reload", NULL);
    fake_apply_ok(service);
    g_assert_true(fake_reloading(service));
    bus_client_refused(client, ERROR_ALREADY_LOADING, "web", path, SERVICE, "Reload", NULL);
    g_assert_true(service_stop(service, &origin_test, NULL));
    bus_client_refused(client, ERROR_BUSY, "web", path, SERVICE, "Reload", NULL);
    teardown();
}

static void test_configure(void)
{
    g_autoptr(sd_bus_message) reply = NULL;

    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    assert_answer(" 0", call_service("web", "GetConfig"));
    assert_answer("inactive 2 a(e(applied v(stored ) ) e(revision v(1 ) ) )",
                  bus_client_call(client, service_path("web"), SERVICE, "Configure", "s",
                                  "{\"value\": \"x\"}"));
    assert_answer("{\"value\": \"x\"} 1", call_service("web", "GetConfig"));
    bus_fixture_create_active(&fixture, "up");
    reply = bus_client_call(client, service_path("up"), SERVICE, "Configure", "s", "{}");
    g_assert_cmpint(sd_bus_message_skip(reply, "st"), >=, 0);
    g_autoptr(GHashTable) result = message_read_properties(reply);
    g_assert_cmpstr(g_hash_table_lookup(result, "applied"), ==, "reloaded");
    teardown();
}

/* Every field of the record, and the same values as the properties have. */
static void test_get_state(void)
{
    g_autoptr(sd_bus_message) state = NULL, all = NULL;
    g_autoptr(GHashTable) fields = NULL, properties = NULL;
    GHashTableIter iter;
    void *name, *value;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    state = call_service("web", "GetState");
    fields = message_read_properties(state);
    all = bus_client_call(client, service_path("web"), PROPERTIES, "GetAll", "s", SERVICE);
    properties = message_read_properties(all);
    g_hash_table_iter_init(&iter, fields);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_assert_cmpstr(g_hash_table_lookup(properties, name), ==, value);
    /* All but Id and Kind. */
    g_assert_cmpuint(g_hash_table_size(fields) + 2, ==, g_hash_table_size(properties));
    g_assert_cmpstr(g_hash_table_lookup(fields, "State"), ==, "starting");
    teardown();
}

static void test_last_transition(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autoptr(GHashTable) fields = NULL;
    const char *transition;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    bus_client_become(client, 0);
    sd_bus_message_unref(call_service("web", "Start"));
    reply = call_service("web", "GetState");
    fields = message_read_properties(reply);
    transition = g_hash_table_lookup(fields, "LastTransition");
    g_assert_nonnull(strstr(transition, "e(from v(inactive ) ) e(to v(starting ) ) "
                                        "e(cause v(method ) ) e(method v(Start ) ) e(uid v(0 ) ) "
                                        "e(pid v(42 ) ) e(comm v(tester ) )"));
    teardown();
}

static void test_signal(void)
{
    const char *path = ROOT "/service/web";

    setup();
    bus_fixture_create_active(&fixture, "web");
    bus_fixture_create(&fixture, "plain", "fake", "{}", true);
    bus_fixture_create(&fixture, "down", "process", "{}", false);
    assert_answer("", bus_client_call(client, path, SERVICE, "Signal", "si", "main", SIGHUP));
    g_assert_cmpint(fixture.last_signal, ==, SIGHUP);
    bus_client_refused(client, ERROR_INVALID_ARGS, "main or all", path, SERVICE, "Signal", "si",
                       "some", SIGHUP);
    bus_client_refused(client, ERROR_INVALID_ARGS, "signo", path, SERVICE, "Signal", "si", "all",
                       0);
    bus_client_refused(client, ERROR_INVALID_ARGS, "signo", path, SERVICE, "Signal", "si", "all",
                       NSIG);
    bus_client_refused(client, ERROR_NOT_SUPPORTED, "plain", service_path("plain"), SERVICE,
                       "Signal", "si", "main", SIGHUP);
    bus_client_refused(client, ERROR_ALREADY_STOPPED, "down", service_path("down"), SERVICE,
                       "Signal", "si", "main", SIGHUP);
    teardown();
}

static void test_reset_failed(void)
{
    Service *one, *other;

    setup();
    one = bus_fixture_create(&fixture, "one", "process", "{}", true);
    other = bus_fixture_create(&fixture, "other", "process", "{}", true);
    fake_apply_fail(one, "no", true);
    fake_apply_fail(other, "no", true);
    assert_answer("", call_service("one", "ResetFailed"));
    assert_state(one, STATE_INACTIVE);
    assert_state(other, STATE_FAILED);
    assert_answer("", bus_client_call(client, ROOT, MANAGER, "ResetFailed", NULL));
    assert_state(other, STATE_INACTIVE);
    teardown();
}

static void test_unknown_objects(void)
{
    static const char *const paths[] = {
            ROOT "/service/gone", ROOT "/service/_", ROOT "/service/_zz",
            ROOT "/service/a/b",  ROOT "/service",   ROOT "/nothing",
    };
    setup();
    bus_fixture_create(&fixture, "a", "process", NULL, false);
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(Pending) pending = bus_client_start(client, paths[i], SERVICE, "GetState", NULL);
        const sd_bus_error *error;

        bus_fixture_turn(&fixture);
        error = sd_bus_message_get_error(pending->reply);
        g_assert_nonnull(error);
        g_assert_true(sd_bus_error_has_names(error, SD_BUS_ERROR_UNKNOWN_OBJECT,
                                             SD_BUS_ERROR_UNKNOWN_METHOD,
                                             SD_BUS_ERROR_UNKNOWN_INTERFACE));
    }
    teardown();
}

/* Manager: finding */

static void test_get_service(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    bus_fixture_create(&fixture, "a.b@c:1", "fake", NULL, false);
    assert_answer(ROOT "/service/web",
                  bus_client_call(client, ROOT, MANAGER, "GetService", "s", "web"));
    assert_answer(ROOT "/service/a_2eb_40c_3a1",
                  bus_client_call(client, ROOT, MANAGER, "GetService", "s", "a.b@c:1"));
    bus_client_refused(client, ERROR_NOT_FOUND, "gone", ROOT, MANAGER, "GetService", "s", "gone");
    fixture.process.main_pid = 77;
    assert_answer(ROOT "/service/web",
                  bus_client_call(client, ROOT, MANAGER, "GetServiceByPID", "u", 77));
    bus_client_refused(client, ERROR_NOT_FOUND, "78", ROOT, MANAGER, "GetServiceByPID", "u", 78);
    teardown();
}

static void test_kinds(void)
{
    setup();
    assert_answer("a(a(e(Name v(fake ) ) e(Description v(for tests ) ) e(Interface v( ) ) ) "
                  "a(e(Name v(process ) ) e(Description v(for tests ) ) "
                  "e(Interface v(" PROCESS " ) ) ) )",
                  bus_client_call(client, ROOT, MANAGER, "ListKinds", NULL));
    assert_answer("{\"title\":\"process\"}",
                  bus_client_call(client, ROOT, MANAGER, "GetKindSchema", "s", "process"));
    bus_client_refused(client, ERROR_UNKNOWN_KIND, "fake, process", ROOT, MANAGER, "GetKindSchema",
                       "s", "nope");
    teardown();
}

static void test_validate_config(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    setup();
    assert_answer("a()", bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "fake",
                                         "{\"value\": \"x\"}"));
    assert_answer("a(a(e(severity v(warning ) ) e(pointer v(/value ) ) e(line v(0 ) ) "
                  "e(column v(0 ) ) e(message v(not tried yet ) ) ) )",
                  bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "process", "{}"));
    reply = bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "fake",
                            "{\"value\": 1, \"nope\": 2}");
    text = message_to_text(reply);
    g_assert_nonnull(strstr(text, "/value"));
    g_assert_nonnull(strstr(text, "/nope"));
    bus_client_refused(client, ERROR_UNKNOWN_KIND, "nope", ROOT, MANAGER, "ValidateConfig", "ss",
                       "nope", "{}");
    teardown();
}

/* A stranger is told what is wrong with the text, and nothing of what the daemon's user can see. */
static void test_validate_config_stranger(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    setup();
    fixture.bus->uid = 777;
    bus_client_become(client, 12345);
    assert_answer("a()",
                  bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "process", "{}"));
    reply = bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "process",
                            "{\"nope\": 2}");
    text = message_to_text(reply);
    g_assert_nonnull(strstr(text, "/nope"));
    bus_client_become(client, 777);
    assert_answer("a(a(e(severity v(warning ) ) e(pointer v(/value ) ) e(line v(0 ) ) "
                  "e(column v(0 ) ) e(message v(not tried yet ) ) ) )",
                  bus_client_call(client, ROOT, MANAGER, "ValidateConfig", "ss", "process", "{}"));
    teardown();
}

/* Manager: creating and deleting */

static void test_create(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;
    Service *service;

    setup();
    assert_answer(ROOT "/service/web",
                  bus_client_call(client, ROOT, MANAGER, "CreateService", "sssa{sv}", "web",
                                  "process", "{}", 3, "start", "b", 1, "labels", "a{ss}", 2, "b",
                                  "2", "a", "1", "description", "s", "A web"));
    service = map_find(fixture.map, "web");
    assert_state(service, STATE_STARTING);
    reply = bus_client_call(client, service_path("web"), PROPERTIES, "Get", "ss", SERVICE,
                            "Labels");
    text = message_to_text(reply);
    g_assert_cmpstr(text, ==, "v(a(e(a 1 ) e(b 2 ) ) )");
    g_assert_cmpstr(service_about(service)->description, ==, "A web");
    /* An id is minted, and without a configuration there is none. */
    g_clear_pointer(&reply, sd_bus_message_unref);
    reply = bus_client_call(client, ROOT, MANAGER, "CreateService", "sssa{sv}", "", "fake", "", 0);
    g_assert_cmpuint(map_counts(fixture.map)->total, ==, 2);
    service = map_next(fixture.map, NULL);
    g_assert_cmpuint(service_state(service)->config_revision, ==, 0);
    teardown();
}

static void test_create_refused(void)
{
    g_autofree char *long_id = g_strnfill(256, 'a');
    const struct {
        const char *id, *kind, *config;
        ErrorCode code;
    } rows[] = {
            {"web", "process", "{}", ERROR_ID_EXISTS},
            {"a/b", "process", "{}", ERROR_INVALID_ID},
            {".web", "process", "{}", ERROR_INVALID_ID},
            {"-web", "process", "{}", ERROR_INVALID_ID},
            {"w b", "process", "{}", ERROR_INVALID_ID},
            {long_id, "process", "{}", ERROR_INVALID_ID},
            {"new", "nope", "{}", ERROR_UNKNOWN_KIND},
            {"new", "", "{}", ERROR_UNKNOWN_KIND},
            {"new", "process", "{", ERROR_INVALID_CONFIG},
            {"new", "process", "[]", ERROR_INVALID_CONFIG},
            {"new", "process", "{\"value\": 1}", ERROR_INVALID_CONFIG},
            {"new", "process", "{\"value\": \"a\", \"value\": \"b\"}", ERROR_INVALID_CONFIG},
    };

    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    bus_client_clear(client);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        bus_client_refused(client, rows[i].code, NULL, ROOT, MANAGER, "CreateService", "sssa{sv}",
                           rows[i].id, rows[i].kind, rows[i].config, 0);
    g_assert_cmpuint(map_counts(fixture.map)->total, ==, 1);
    g_assert_cmpuint(client->signals->len, ==, 0); /* nobody saw anything */
    teardown();
}

static void test_delete(void)
{
    g_autoptr(Pending) pending = NULL, joined = NULL;
    Service *service;

    setup();
    service = bus_fixture_create_active(&fixture, "web");
    pending = bus_client_start(client, ROOT, MANAGER, "DeleteService", "sa{sv}", "web", 0);
    joined = bus_client_start(client, ROOT, MANAGER, "DeleteService", "sa{sv}", "web", 0);
    bus_fixture_turn(&fixture);
    g_assert_null(pending->reply); /* it is being stopped */
    bus_client_refused(client, ERROR_BUSY, "web", service_path("web"), SERVICE, "Start", NULL);
    fake_stop_done(service, NULL);
    bus_fixture_turn(&fixture);
    pending_assert_reply(pending);
    pending_assert_reply(joined);
    g_assert_null(map_find(fixture.map, "web"));
    bus_client_refused(client, ERROR_NOT_FOUND, "web", ROOT, MANAGER, "DeleteService", "sa{sv}",
                       "web", 0);
    bus_client_refused(client, ERROR_NOT_FOUND, "web", ROOT, MANAGER, "DeleteService", "sa{sv}",
                       "web", 1, "allow_missing", "b", 0);
    assert_answer("", bus_client_call(client, ROOT, MANAGER, "DeleteService", "sa{sv}", "web", 1,
                                      "allow_missing", "b", 1));
    teardown();
}

/* A delete goes on when the one who asked has gone. */
static void test_delete_peer_gone(void)
{
    BusClient *other;
    Service *service;
    Pending *pending;

    setup();
    service = bus_fixture_create_active(&fixture, "web");
    other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    pending = bus_client_start(other, ROOT, MANAGER, "DeleteService", "sa{sv}", "web", 0);
    bus_fixture_turn(&fixture);
    pending_free(pending);
    bus_client_close(other);
    bus_fixture_turn(&fixture);
    fake_stop_done(service, NULL);
    bus_fixture_turn(&fixture);
    g_assert_null(map_find(fixture.map, "web"));
    teardown();
}

static void test_no_reply_wanted(void)
{
    sd_bus_message *call;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    call = bus_client_message(client, service_path("web"), SERVICE, "Start");
    g_assert_cmpint(sd_bus_message_set_expect_reply(call, false), >=, 0);
    g_assert_cmpint(sd_bus_send(client->bus, call, NULL), >=, 0);
    sd_bus_message_unref(call);
    bus_fixture_turn(&fixture);
    assert_state(map_find(fixture.map, "web"), STATE_STARTING);
    teardown();
}

static void test_shutting_down(void)
{
    static const char *const operations[] = {"Start", "Stop", "Restart", "Reload", "ResetFailed"};

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    bus_begin_shutdown(fixture.bus);
    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++)
        bus_client_refused(client, ERROR_SHUTTING_DOWN, "shutting down", service_path("web"),
                           SERVICE, operations[i], NULL);
    bus_client_refused(client, ERROR_SHUTTING_DOWN, NULL, ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "x", "fake", "", 0);
    assert_answer("{} 1", call_service("web", "GetConfig")); /* changes nothing */
    sd_bus_message_unref(call_service("web", "GetState"));
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/methods/operations", test_operations);
    g_test_add_func("/methods/operations-refused", test_operations_refused);
    g_test_add_func("/methods/reload", test_reload);
    g_test_add_func("/methods/reload-refused", test_reload_refused);
    g_test_add_func("/methods/configure", test_configure);
    g_test_add_func("/methods/get-state", test_get_state);
    g_test_add_func("/methods/last-transition", test_last_transition);
    g_test_add_func("/methods/signal", test_signal);
    g_test_add_func("/methods/reset-failed", test_reset_failed);
    g_test_add_func("/methods/unknown-objects", test_unknown_objects);
    g_test_add_func("/methods/get-service", test_get_service);
    g_test_add_func("/methods/kinds", test_kinds);
    g_test_add_func("/methods/validate-config", test_validate_config);
    g_test_add_func("/methods/validate-config-stranger", test_validate_config_stranger);
    g_test_add_func("/methods/create", test_create);
    g_test_add_func("/methods/create-refused", test_create_refused);
    g_test_add_func("/methods/delete", test_delete);
    g_test_add_func("/methods/delete-peer-gone", test_delete_peer_gone);
    g_test_add_func("/methods/no-reply-wanted", test_no_reply_wanted);
    g_test_add_func("/methods/shutting-down", test_shutting_down);
    return g_test_run();
}
