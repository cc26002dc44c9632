/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wait: what each state means to each wish, and every way in which a Wait can end. */

#include "bus-fixture.h"

#include "bus/wait.h"

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

#define WAIT(...)                                                                                  \
    bus_client_start(client, service_path("web"), SERVICE, "Wait", "a{sv}", __VA_ARGS__)

static void assert_waits(Pending *pending)
{
    bus_fixture_turn(&fixture);
    g_assert_null(pending->reply);
}

static void assert_reached(Pending *pending, const char *expected)
{
    g_autofree char *text = NULL;

    bus_fixture_turn(&fixture);
    text = message_to_text(pending_assert_reply(pending));
    g_assert_cmpstr(text, ==, expected);
    pending_free(pending);
}

static void assert_ended(Pending *pending, ErrorCode code, const char *text)
{
    bus_fixture_turn(&fixture);
    pending_assert_error(pending, code, text);
    pending_free(pending);
}

static void test_until_strings(void)
{
    for (int until = 0; until < _WAIT_UNTIL_MAX; until++)
        g_assert_cmpint(wait_until_from_string(wait_until_to_string(until)), ==, until);
    g_assert_cmpint(wait_until_from_string("gone"), ==, _WAIT_UNTIL_INVALID);
}

/* Every state against every wish: '.' goes on, 'r' reached, 'f' the service's own error. */
static void test_matrix(void)
{
    static const struct {
        State state;
        Cause cause;
        bool error;
        bool completed;
        const char *verdicts; /* settled active inactive ready */
    } rows[] = {
            {STATE_INACTIVE, CAUSE_NONE, false, false, "r.r."},    /* never started */
            {STATE_INACTIVE, CAUSE_STOPPED, false, false, "r.r."}, /* stopped by somebody */
            {STATE_INACTIVE, CAUSE_EXIT, false, false, "rrrr"},    /* a clean end */
            {STATE_INACTIVE, CAUSE_EXIT, false, true, "rrrr"},     /* a oneshot's */
            {STATE_INACTIVE, CAUSE_METHOD, false, true, "rrrr"},   /* and then it was enabled */
            {STATE_INACTIVE, CAUSE_EXIT, true, false, "rfrf"},     /* in inactive with an error */
            {STATE_WAITING, CAUSE_METHOD, false, false, "...."},   /* for what is on its way */
            {STATE_WAITING, CAUSE_METHOD, true, false, "r..."},    /* for what nobody brings */
            {STATE_STARTING, CAUSE_METHOD, false, false, "...."},
            {STATE_ACTIVE, CAUSE_APPLIED, false, false, "rr.r"},
            {STATE_ACTIVE, CAUSE_APPLIED, true, false, "rr.r"}, /* a reload that failed */
            {STATE_RELOADING, CAUSE_METHOD, false, false, "...."},
            {STATE_BACKOFF, CAUSE_EXIT, true, false, "r..."},
            {STATE_STOPPING, CAUSE_METHOD, false, false, "...."},
            {STATE_FAILED, CAUSE_EXIT, true, false, "rfrf"},
    };
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "broken");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        StateRecord record = {.serial = 5,
                              .state = rows[i].state,
                              .cause = rows[i].cause,
                              .completed = rows[i].completed,
                              .error = rows[i].error ? error : NULL};

        for (int until = 0; until < _WAIT_UNTIL_MAX; until++) {
            static const char letters[] = {
                    [WAIT_GOES_ON] = '.', [WAIT_REACHED] = 'r', [WAIT_FAILED] = 'f'};

            g_assert_cmpint(letters[wait_judge(until, 4, &record)], ==, rows[i].verdicts[until]);
            g_assert_cmpint(letters[wait_judge(until, 0, &record)], ==, rows[i].verdicts[until]);
            g_assert_cmpint(wait_judge(until, 5, &record), ==, WAIT_GOES_ON);
        }
    }
}

static void test_at_once(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    assert_reached(WAIT(0), "inactive 1");
    assert_reached(WAIT(1, "until", "s", "inactive"), "inactive 1");
    assert_reached(WAIT(1, "timeout_usec", "t", (uint64_t)0), "inactive 1");
    teardown();
}

static void test_reached_later(void)
{
    Pending *active, *ready, *settled, *inactive;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    active = WAIT(1, "until", "s", "active");
    ready = WAIT(1, "until", "s", "ready");
    bus_fixture_start(&fixture, service);
    settled = WAIT(0);
    inactive = WAIT(1, "until", "s", "inactive");
    assert_waits(active);
    assert_waits(settled);
    fake_apply_ok(service);
    assert_reached(active, "active 3");
    assert_reached(ready, "active 3");
    assert_reached(settled, "active 3");
    assert_waits(inactive);
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture.core);
    fake_stop_done(service, NULL);
    assert_reached(inactive, "inactive 5");
    teardown();
}

static void test_after_serial(void)
{
    Pending *pending, *far;
    Service *service;

    setup();
    service = bus_fixture_create_active(&fixture, "web"); /* serial 2 */
    assert_reached(WAIT(1, "after_serial", "t", (uint64_t)1), "active 2");
    pending = WAIT(1, "after_serial", "t", (uint64_t)2);
    far = WAIT(1, "after_serial", "t", UINT64_MAX);
    assert_waits(pending);
    service_set_sub_state(service, "better");
    assert_reached(pending, "active 3");
    assert_waits(far);
    pending_free(far);
    assert_ended(WAIT(3, "until", "s", "active", "after_serial", "t", (uint64_t)7, "timeout_usec",
                      "t", (uint64_t)0),
                 ERROR_TIMEOUT, "not active after serial 7 within 0; it is active at serial 3");
    teardown();
}

static void test_own_error(void)
{
    Pending *active, *ready, *inactive;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", true);
    active = WAIT(1, "until", "s", "active");
    ready = WAIT(1, "until", "s", "ready");
    inactive = WAIT(1, "until", "s", "inactive");
    bus_fixture_turn(&fixture);
    fake_apply_fail(service, "exec: no such program", true);
    assert_ended(active, ERROR_FAILED, "service 'web': exec: no such program");
    assert_ended(ready, ERROR_FAILED, "exec: no such program");
    assert_reached(inactive, "failed 2");
    teardown();
}

static void test_retries_do_not_end_it(void)
{
    Pending *active, *settled;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", true);
    active = WAIT(1, "until", "s", "active");
    settled = WAIT(0);
    bus_fixture_turn(&fixture);
    fake_apply_fail(service, "not yet", false);
    assert_reached(settled, "backoff 2");
    assert_waits(active);
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    fake_apply_ok(service);
    assert_reached(active, "active 4");
    teardown();
}

static void test_clean_end_counts(void)
{
    Pending *pending;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{\"restart\": {\"policy\": \"no\"}}",
                                 true);
    pending = WAIT(2, "until", "s", "active", "after_serial", "t", (uint64_t)2);
    bus_fixture_turn(&fixture);
    fake_apply_ok(service);
    bus_fixture_turn(&fixture);
    assert_waits(pending);
    fake_ended(service, NULL);
    assert_reached(pending, "inactive 3");
    teardown();
}

/* What is on its way is waited for; what nobody brings is not, but somebody may mend it. */
static void test_waiting(void)
{
    Pending *settled, *active;
    Service *db;

    setup();
    db = bus_fixture_create(&fixture, "db", "process", "{}", false);
    bus_fixture_create(&fixture, "web", "process", "{\"requires\": [\"db\"]}", true);
    assert_state(db, STATE_STARTING);
    settled = WAIT(0);
    active = WAIT(1, "until", "s", "active");
    assert_ended(WAIT(2, "until", "s", "active", "timeout_usec", "t", (uint64_t)0), ERROR_TIMEOUT,
                 "it is waiting for 'db'");
    assert_waits(settled);
    fake_apply_fail(db, "broken", true);
    assert_reached(settled, "waiting 5");
    assert_waits(active);
    assert_ended(WAIT(2, "until", "s", "ready", "timeout_usec", "t", (uint64_t)0), ERROR_TIMEOUT,
                 "it is waiting for 'db': requires 'db', which has failed: broken");
    bus_fixture_start(&fixture, db);
    fake_apply_ok(db);
    bus_fixture_turn(&fixture);
    fake_apply_ok(map_find(fixture.map, "web"));
    assert_reached(active, "active 10");
    teardown();
}

/* A Timeout names a few of very many. */
static void test_waiting_for_many(void)
{
    g_autoptr(GString) config = g_string_new("{\"requires\": [");

    setup();
    for (unsigned i = 0; i < 100; i++)
        g_string_append_printf(config, "%s\"db-%03u\"", i > 0 ? ", " : "", i);
    g_string_append(config, "]}");
    bus_fixture_create(&fixture, "web", "process", config->str, true);
    assert_ended(WAIT(2, "until", "s", "active", "timeout_usec", "t", (uint64_t)0), ERROR_TIMEOUT,
                 "it is waiting for 'db-000', 'db-001', 'db-002', 'db-003', 'db-004', 'db-005', "
                 "'db-006', 'db-007' and 56 more: requires 'db-000', which is not there");
    teardown();
}

static void test_timeout(void)
{
    Pending *pending, *now;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    pending = WAIT(2, "until", "s", "active", "timeout_usec", "t", (uint64_t)5000000);
    now = WAIT(2, "until", "s", "active", "timeout_usec", "t", (uint64_t)0);
    bus_fixture_turn(&fixture);
    assert_ended(now, ERROR_TIMEOUT, "it is starting");
    bus_fixture_advance(&fixture, 4999999);
    assert_waits(pending);
    bus_fixture_advance(&fixture, 1);
    assert_ended(pending, ERROR_TIMEOUT, "service 'web' was not active within 5s; it is starting");
    g_assert_cmpuint(virtual_loop_n_armed(fixture.core.loop), ==, 0);
    teardown();
}

static void test_deleted(void)
{
    Pending *pending;
    Service *service;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    pending = WAIT(1, "until", "s", "active");
    assert_waits(pending);
    g_assert_true(map_delete(fixture.map, service_id(service), &origin_test, NULL, NULL, NULL));
    assert_ended(pending, ERROR_NOT_FOUND, "'web' was deleted");
    teardown();
}

static void test_peer_gone(void)
{
    Pending *pending;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    pending = WAIT(2, "until", "s", "active", "timeout_usec", "t", 1000 * USEC_PER_SEC);
    assert_waits(pending);
    g_assert_cmpuint(g_queue_get_length(&bus_client_peer(client)->in_flight), ==, 1);
    g_assert_cmpuint(virtual_loop_n_armed(fixture.core.loop), >, 0);
    pending_free(pending);
    bus_client_close(client);
    bus_fixture_advance(&fixture, USEC_PER_SEC);
    g_assert_cmpuint(fixture.bus->connections->len, ==, 0);
    g_assert_cmpuint(virtual_loop_n_armed(fixture.core.loop), ==, 0); /* no timer of it is left */
    teardown();
}

static void test_limit(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    Service *service;
    BusClient *other;

    setup();
    service = bus_fixture_create(&fixture, "web", "process", "{}", false);
    for (unsigned i = 0; i < 512; i++)
        g_ptr_array_add(all, WAIT(1, "until", "s", "active"));
    assert_waits(g_ptr_array_index(all, 511));
    assert_ended(WAIT(1, "until", "s", "active"), ERROR_LIMIT_EXCEEDED, "512 calls");
    /* Only for this peer, and only for what hangs. */
    assert_ended(bus_client_start(client, service_path("web"), SERVICE, "Stop", NULL),
                 ERROR_ALREADY_STOPPED, NULL);
    other = client;
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    assert_reached(WAIT(0), "inactive 1");
    client = other;
    bus_fixture_start(&fixture, service);
    fake_apply_ok(service);
    bus_fixture_turn(&fixture);
    for (unsigned i = 0; i < all->len; i++)
        pending_assert_reply(g_ptr_array_index(all, i));
    g_assert_cmpuint(g_queue_get_length(&bus_client_peer(client)->in_flight), ==, 0);
    assert_reached(WAIT(0), "active 3");
    teardown();
}

static void on_drained(void *data)
{
    *(bool *)data = true;
}

static void test_shutdown(void)
{
    Pending *pending, *late;
    bool drained = false;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", false);
    pending = WAIT(1, "until", "s", "active");
    assert_waits(pending);
    bus_begin_shutdown(fixture.bus);
    assert_waits(pending);
    assert_reached(WAIT(0), "inactive 1"); /* still answered */
    bus_drain(fixture.bus, USEC_PER_SEC, on_drained, &drained);
    g_assert_false(drained); /* not from inside the call */
    assert_ended(pending, ERROR_SHUTTING_DOWN, "Wait");
    g_assert_true(drained);
    late = WAIT(1, "until", "s", "active");
    assert_ended(late, ERROR_SHUTTING_DOWN, NULL);
    teardown();
}

/* The signal of a state comes before the answer of who waited for it. */
static void test_signal_comes_first(void)
{
    Pending *pending;
    Service *service;

    setup();
    bus_client_close(client);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    service = bus_fixture_create(&fixture, "web", "process", "{}", true);
    pending = WAIT(1, "until", "s", "active");
    assert_waits(pending);
    bus_client_clear(client);
    fake_apply_ok(service);
    while (pending->reply == NULL)
        g_assert_cmpint(sd_event_run(fixture.event, 0), >, 0);
    g_assert_cmpuint(client->signals->len, ==, 2);
    assert_reached(pending, "active 2");
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wait/until-strings", test_until_strings);
    g_test_add_func("/wait/matrix", test_matrix);
    g_test_add_func("/wait/at-once", test_at_once);
    g_test_add_func("/wait/reached-later", test_reached_later);
    g_test_add_func("/wait/after-serial", test_after_serial);
    g_test_add_func("/wait/own-error", test_own_error);
    g_test_add_func("/wait/retries-do-not-end-it", test_retries_do_not_end_it);
    g_test_add_func("/wait/clean-end-counts", test_clean_end_counts);
    g_test_add_func("/wait/waiting", test_waiting);
    g_test_add_func("/wait/waiting-for-many", test_waiting_for_many);
    g_test_add_func("/wait/timeout", test_timeout);
    g_test_add_func("/wait/deleted", test_deleted);
    g_test_add_func("/wait/peer-gone", test_peer_gone);
    g_test_add_func("/wait/limit", test_limit);
    g_test_add_func("/wait/shutdown", test_shutdown);
    g_test_add_func("/wait/signal-comes-first", test_signal_comes_first);
    return g_test_run();
}
