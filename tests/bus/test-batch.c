/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* StartServices and StopServices: answers, what would be done, and every way in which such a call
 * can end. What a batch does is the core's, and its tests'. */

#include "bus-fixture.h"

#include <string.h>

static BusFixture fixture;
static BusClient *client;

static void setup(void)
{
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
}

static void teardown(void)
{
    bus_fixture_done(&fixture);
}

/* types and values: of ids and options. */
#define BATCH(member, ...) bus_client_start(client, ROOT, MANAGER, member, "asa{sv}", __VA_ARGS__)
#define REFUSED(code, text, member, ...)                                                           \
    bus_client_refused(client, code, text, ROOT, MANAGER, member, "asa{sv}", __VA_ARGS__)

static void assert_waits(Pending *pending)
{
    bus_fixture_turn(&fixture);
    g_assert_null(pending->reply);
}

/* The values of each entry, without their names. */
static char *values_of(sd_bus_message *reply, const char *const *names)
{
    GString *text = g_string_new(NULL);

    g_assert_cmpint(sd_bus_message_rewind(reply, true), >=, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_at_end(reply, false) == 0) {
        g_autoptr(GHashTable) entry = message_read_properties(reply);
        unsigned n = 0;

        for (; names[n] != NULL; n++)
            g_string_append_printf(text, "%s%s",
                                   n > 0           ? ","
                                   : text->len > 0 ? " "
                                                   : "",
                                   (char *)g_hash_table_lookup(entry, names[n]));
        g_assert_cmpuint(g_hash_table_size(entry), ==, n);
    }
    return g_string_free(text, FALSE);
}

/* "ID,STATE,SERIAL,ERROR_NAME,ERROR ID,..." */
static void assert_done(Pending *pending, const char *expected)
{
    static const char *const names[] = {"id", "state", "serial", "error_name", "error", NULL};
    g_autofree char *text = NULL;

    bus_fixture_turn(&fixture);
    text = values_of(pending_assert_reply(pending), names);
    g_assert_cmpstr(text, ==, expected);
    pending_free(pending);
}

/* "ID,ACTION,BECAUSE,RELATION,AFTER,STATE ID,..." */
static void assert_plan(Pending *pending, const char *expected)
{
    static const char *const names[] = {"id",    "action", "because", "relation",
                                        "after", "state",  NULL};
    g_autofree char *text = NULL;

    bus_fixture_turn(&fixture);
    text = values_of(pending_assert_reply(pending), names);
    g_assert_cmpstr(text, ==, expected);
    pending_free(pending);
}

static void assert_ended(Pending *pending, ErrorCode code, const char *text)
{
    bus_fixture_turn(&fixture);
    pending_assert_error(pending, code, text);
    pending_free(pending);
}

static Service *find(const char *id)
{
    return map_find(fixture.map, id);
}

static void applied(const char *id)
{
    fake_apply_ok(find(id));
    bus_fixture_turn(&fixture);
}

/* a, b and c, which have nothing to do with each other. */
static void create_three(bool active)
{
    const char *const ids[] = {"a", "b", "c"};

    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        if (active)
            bus_fixture_create_active(&fixture, ids[i]);
        else
            bus_fixture_create(&fixture, ids[i], "process", "{}", false);
    }
}

static void test_start(void)
{
    Pending *pending;

    setup();
    create_three(false);
    pending = BATCH("StartServices", 2, "b", "a", 0);
    assert_waits(pending);
    assert_state(find("a"), STATE_STARTING);
    assert_state(find("b"), STATE_STARTING);
    assert_state(find("c"), STATE_INACTIVE);
    g_assert_cmpstr(service_state(find("a"))->method, ==, "StartServices");
    applied("b");
    assert_waits(pending);
    applied("a");
    assert_done(pending, "b,active,6,, a,active,7,,");
    assert_done(BATCH("StartServices", 1, "a", 0), "a,active,7,,"); /* it is up: no error */
    assert_done(BATCH("StartServices", 0, 0), "");
    teardown();
}

static void test_start_fails(void)
{
    Pending *pending;

    setup();
    create_three(false);
    applied(service_id(bus_fixture_create(&fixture, "up", "process", "{}", true)));
    pending = BATCH("StartServices", 4, "a", "b", "c", "up", 0);
    bus_fixture_turn(&fixture);
    applied("a");
    fake_apply_fail(find("b"), "exec: no such program", true);
    assert_waits(pending); /* until all is as it was */
    assert_state(find("a"), STATE_STOPPING);
    fake_stop_done(find("a"), NULL);
    bus_fixture_turn(&fixture);
    fake_stop_done(find("c"), NULL);
    assert_ended(pending, ERROR_FAILED, "service 'b': exec: no such program");
    assert_state(find("a"), STATE_INACTIVE);
    assert_state(find("b"), STATE_FAILED);
    assert_state(find("c"), STATE_INACTIVE);
    assert_state(find("up"), STATE_ACTIVE);
    teardown();
}

static void test_ordered(void)
{
    Pending *pending;

    setup();
    create_three(false);
    pending = BATCH("StartServices", 3, "c", "a", "b", 1, "ordered", "b", 1);
    assert_waits(pending);
    assert_state(find("c"), STATE_STARTING);
    assert_state(find("a"), STATE_INACTIVE);
    applied("c");
    assert_state(find("a"), STATE_STARTING);
    assert_state(find("b"), STATE_INACTIVE);
    applied("a");
    applied("b");
    pending_assert_reply(pending);
    pending_free(pending);
    pending = BATCH("StopServices", 2, "c", "a", 1, "ordered", "b", 1);
    assert_waits(pending);
    assert_state(find("c"), STATE_ACTIVE);
    fake_stop_done(find("a"), NULL);
    assert_waits(pending);
    fake_stop_done(find("c"), NULL);
    bus_fixture_turn(&fixture);
    pending_assert_reply(pending);
    pending_free(pending);
    teardown();
}

/* Every one is stopped, and each says what became of it. */
static void test_stop(void)
{
    Pending *pending;

    setup();
    create_three(true);
    bus_fixture_create(&fixture, "down", "process", "{}", false);
    pending = BATCH("StopServices", 3, "a", "b", "down", 0);
    assert_waits(pending);
    assert_state(find("c"), STATE_ACTIVE);
    fake_stop_done(find("a"), "it would not go");
    bus_fixture_turn(&fixture);
    fake_stop_done(find("b"), NULL);
    assert_done(pending, "a,failed,10,org.svcmgr1.Error.Timeout,it would not go b,inactive,11,, "
                         "down,inactive,7,,");
    teardown();
}

static void test_stop_of_one_that_goes(void)
{
    Pending *pending;

    setup();
    create_three(true);
    pending = BATCH("StopServices", 1, "a", 0);
    assert_waits(pending);
    g_assert_true(map_delete(fixture.map, "a", &origin_test, NULL, NULL, NULL));
    fake_stop_done(find("a"), NULL);
    bus_fixture_turn(&fixture);
    pending_assert_reply(pending);
    pending_free(pending);
    g_assert_null(find("a"));
    teardown();
}

/* web requires db, which wants log; old is in conflict with db, and part of it is its helper. */
static void create_site(void)
{
    bus_fixture_create(&fixture, "log", "process", "{}", false);
    bus_fixture_create(&fixture, "db", "process",
                       "{\"wants\": [\"log\"], \"after\": [\"log\"], \"conflicts\": [\"old\"]}",
                       false);
    bus_fixture_create(&fixture, "web", "process", "{\"requires\": [\"db\"]}", false);
    bus_fixture_create_active(&fixture, "old");
    applied(service_id(bus_fixture_create(&fixture, "helper", "process",
                                          "{\"part_of\": [\"old\"], \"after\": [\"old\"]}", true)));
}

static void test_dry_run(void)
{
    setup();
    create_site();
    uint64_t serial = feed_serial(fixture.core.core->feed);
    assert_plan(BATCH("StartServices", 1, "web", 1, "dry_run", "b", 1),
                "helper,stop,old,part_of,a(),active old,stop,db,conflicts,a(helper ),active "
                "log,start,db,wants,a(),inactive db,start,web,requires,a(log old ),inactive "
                "web,start,,,a(db ),inactive");
    assert_plan(BATCH("StopServices", 2, "old", "web", 1, "dry_run", "b", 1),
                "helper,stop,old,part_of,a(),active old,stop,,,a(helper ),active "
                "web,nothing,,,a(),inactive");
    assert_plan(BATCH("StartServices", 0, 1, "dry_run", "b", 1), "");
    g_assert_cmpuint(feed_serial(fixture.core.core->feed), ==, serial); /* nothing happened */
    teardown();
}

static void test_dry_run_of_what_is_missing(void)
{
    g_autoptr(GError) reason = g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "bad");
    CreateSpec spec = {.id = "bad", .kind = "process"};

    setup();
    g_assert_nonnull(map_create_broken(fixture.map, &spec, reason, &origin_test, NULL));
    bus_fixture_create(&fixture, "web", "process", "{\"requires\": [\"gone\", \"bad\"]}", false);
    assert_plan(BATCH("StartServices", 1, "web", 1, "dry_run", "b", 1),
                "gone,missing,web,requires,a(), bad,refused,web,requires,a(),failed "
                "web,start,,,a(gone bad ),inactive");
    teardown();
}

/* The list orders, too; but not what somebody takes along, nor what orders already. */
static void test_dry_run_ordered(void)
{
    setup();
    create_three(true);
    bus_fixture_create(&fixture, "x", "process", "{}", false);
    bus_fixture_create(&fixture, "y", "process", "{\"after\": [\"x\"]}", false);
    bus_fixture_create(&fixture, "z", "process", "{}", false);
    assert_plan(
            BATCH("StartServices", 4, "x", "y", "c", "z", 2, "dry_run", "b", 1, "ordered", "b", 1),
            "x,start,,,a(),inactive y,start,,,a(x ),inactive c,nothing,,,a(),active "
            "z,start,,,a(),inactive");
    assert_plan(BATCH("StartServices", 2, "z", "x", 2, "dry_run", "b", 1, "ordered", "b", 1),
                "z,start,,,a(),inactive x,start,,,a(z ),inactive");
    assert_plan(BATCH("StopServices", 3, "a", "b", "c", 2, "dry_run", "b", 1, "ordered", "b", 1),
                "c,stop,,,a(),active b,stop,,,a(c ),active a,stop,,,a(b ),active");
    teardown();
}

static void test_refused(void)
{
    static const char *const members[] = {"StartServices", "StopServices"};

    setup();
    create_three(false);
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        REFUSED(ERROR_NOT_FOUND, "'nobody'", members[i], 2, "a", "nobody", 0);
        REFUSED(ERROR_NOT_FOUND, "'nobody'", members[i], 1, "nobody", 1, "dry_run", "b", 1);
        REFUSED(ERROR_INVALID_ARGS, "'a' is named twice", members[i], 3, "a", "b", "a", 0);
        REFUSED(ERROR_INVALID_ARGS, "'a' is named twice", members[i], 2, "a", "a", 1, "dry_run",
                "b", 1);
        REFUSED(ERROR_INVALID_ID, NULL, members[i], 2, "a", "no id", 0);
        REFUSED(ERROR_INVALID_ID, NULL, members[i], 1, "", 0);
        REFUSED(ERROR_INVALID_ARGS, "unknown option 'wait'; known: ordered, dry_run", members[i], 1,
                "a", 1, "wait", "b", 1);
        REFUSED(ERROR_INVALID_ARGS, "'ordered' expects a value of type b", members[i], 1, "a", 1,
                "ordered", "s", "yes");
    }
    assert_state(find("a"), STATE_INACTIVE); /* nothing of it was done */
    teardown();
}

static void test_conflict(void)
{
    setup();
    bus_fixture_create(&fixture, "red", "process", "{}", false);
    bus_fixture_create(&fixture, "blue", "process", "{\"conflicts\": [\"red\"]}", false);
    REFUSED(ERROR_CONFLICT, "'blue'", "StartServices", 2, "red", "blue", 0);
    REFUSED(ERROR_CONFLICT, "'blue'", "StartServices", 2, "red", "blue", 1, "dry_run", "b", 1);
    assert_state(find("red"), STATE_INACTIVE);
    teardown();
}

static Pending *start_many(unsigned n)
{
    sd_bus_message *call = bus_client_message(client, ROOT, MANAGER, "StartServices");

    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "s"), >=, 0);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("%0200u", i);

        g_assert_cmpint(sd_bus_message_append(call, "s", id), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_close_container(call), >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "a{sv}", 0), >=, 0);
    return bus_client_send(client, call);
}

/* As many as an option may have, and not one more; and the answer stays small. */
static void test_many_ids(void)
{
    Pending *pending;

    setup();
    pending = start_many(16384);
    pending_await(pending);
    pending_assert_error(pending, ERROR_NOT_FOUND, "and more that is not told here");
    g_assert_cmpuint(strlen(sd_bus_message_get_error(pending->reply)->message), <, 66 * 1024);
    pending_free(pending);
    pending = start_many(16385);
    pending_await(pending);
    assert_ended(pending, ERROR_LIMIT_EXCEEDED, "more than 16384 ids");
    teardown();
}

static void test_calls_in_flight(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);

    setup();
    create_three(false);
    for (unsigned i = 0; i < 512; i++)
        g_ptr_array_add(all, BATCH("StartServices", 1, "a", 0));
    assert_waits(g_ptr_array_index(all, 511));
    REFUSED(ERROR_LIMIT_EXCEEDED, "512 calls", "StartServices", 1, "a", 0);
    applied("a");
    for (unsigned i = 0; i < all->len; i++)
        pending_assert_reply(g_ptr_array_index(all, i));
    g_assert_cmpuint(fixture.bus->batches.length, ==, 0);
    teardown();
}

/* What has been started stays, what was not begun never is. */
static void test_peer_gone(void)
{
    BusClient *other;
    Pending *pending;

    setup();
    other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    create_three(false);
    pending = BATCH("StartServices", 3, "a", "b", "c", 1, "ordered", "b", 1);
    assert_waits(pending);
    applied("a");
    g_assert_cmpuint(fixture.bus->batches.length, ==, 1);
    pending_free(pending);
    bus_client_close(client);
    client = other;
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(fixture.bus->batches.length, ==, 0);
    applied("b");
    assert_state(find("a"), STATE_ACTIVE);
    assert_state(find("b"), STATE_ACTIVE);
    assert_state(find("c"), STATE_INACTIVE);
    teardown();
}

/* The daemon leaves: it is said so at once, and nothing more is begun. */
static void test_shutdown(void)
{
    Pending *start, *stop;

    setup();
    create_three(false);
    applied(service_id(bus_fixture_create(&fixture, "up", "process", "{}", true)));
    start = BATCH("StartServices", 2, "a", "b", 1, "ordered", "b", 1);
    stop = BATCH("StopServices", 1, "up", 0);
    assert_waits(start);
    assert_waits(stop);
    bus_begin_shutdown(fixture.bus);
    assert_ended(start, ERROR_SHUTTING_DOWN, "before StartServices could be answered");
    assert_ended(stop, ERROR_SHUTTING_DOWN, "before StopServices could be answered");
    applied("a");
    assert_state(find("b"), STATE_INACTIVE);
    assert_state(find("up"), STATE_STOPPING);
    REFUSED(ERROR_SHUTTING_DOWN, NULL, "StartServices", 1, "b", 0);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/batch/start", test_start);
    g_test_add_func("/batch/start-fails", test_start_fails);
    g_test_add_func("/batch/ordered", test_ordered);
    g_test_add_func("/batch/stop", test_stop);
    g_test_add_func("/batch/stop-of-one-that-goes", test_stop_of_one_that_goes);
    g_test_add_func("/batch/dry-run", test_dry_run);
    g_test_add_func("/batch/dry-run-of-what-is-missing", test_dry_run_of_what_is_missing);
    g_test_add_func("/batch/dry-run-ordered", test_dry_run_ordered);
    g_test_add_func("/batch/refused", test_refused);
    g_test_add_func("/batch/conflict", test_conflict);
    g_test_add_func("/batch/many-ids", test_many_ids);
    g_test_add_func("/batch/calls-in-flight", test_calls_in_flight);
    g_test_add_func("/batch/peer-gone", test_peer_gone);
    g_test_add_func("/batch/shutdown", test_shutdown);
    return g_test_run();
}
