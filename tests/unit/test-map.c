/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The map, its feed of changes and the ring of events. */

#include "core-fixture.h"

#include "base/errors.h"
#include "base/parse.h"
#include "core/events.h"

static CoreFixture fixture;
static Map *map;
static GString *seen; /* "+id ", "-id ", "id:state " */
static uint64_t last_serial;

static void on_change(const Change *change, void *data)
{
    static const char *const marks[] = {"+", "", "-"};
    const char *id = service_id(change->service);
    g_assert_cmpuint(change->serial, ==, last_serial + 1);
    last_serial = change->serial;
    if (change->type == CHANGE_UPDATE)
        g_string_append_printf(seen, "%s:%s ", id, state_to_string(change->new_state->state));
    else
        g_string_append_printf(seen, "%s%s ", marks[change->type], id);
}

static FeedListener *listener;

static void setup_with(IdRule rule, unsigned max)
{
    core_fixture_init(&fixture);
    map = map_new(fixture.core, rule, max);
    map_register_kind(map, &kind_fake_other);
    map_register_kind(map, &kind_fake);
    seen = g_string_new(NULL);
    last_serial = 0;
    listener = map_listen(map, on_change, NULL);
}

static void setup(void)
{
    setup_with(ID_IS_UUID, 0);
}

static void teardown(void)
{
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        fake_stop_whatever(&fixture, each);
    feed_unlisten(listener);
    map_free(map);
    g_string_free(seen, TRUE);
    core_fixture_done(&fixture);
}

static void assert_seen(const char *expected)
{
    g_assert_cmpstr(seen->str, ==, expected);
    g_string_truncate(seen, 0);
}

static Service *create_full(const char *id, const char *kind, const char *config, bool start,
                            GError **error)
{
    CreateSpec spec = {.id = id,
                       .kind = kind,
                       .config = config,
                       .config_length = config != NULL ? strlen(config) : 0,
                       .start = start};
    return map_create(map, &spec, &origin_test, error);
}

static Service *create(const char *id, bool start)
{
    g_autoptr(GError) error = NULL;
    Service *service = create_full(id, "fake", "{}", start, &error);
    g_assert_no_error(error);
    return service;
}

static void delete (const char *id)
{
    g_autoptr(GError) error = NULL;
    map_delete(map, id, &origin_test, NULL, NULL, &error);
    g_assert_no_error(error);
}

static void assert_counts_are_a_recount(void)
{
    MapCounts recount = {0};
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each))) {
        const StateRecord *record = service_state(each);
        recount.total++;
        recount.active += record->active;
        recount.inactive_failed += !record->active && record->error != NULL;
        recount.by_state[record->state]++;
    }
    g_assert_cmpmem(&recount, sizeof recount, map_counts(map), sizeof recount);
    g_assert_cmpuint(map_count_of_kind(map, "fake") + map_count_of_kind(map, "other"), ==,
                     recount.total);
}

static void test_create_configures_before_start(void)
{
    setup();
    Service *service = create("web", true);
    assert_state(service, STATE_STARTING);
    assert_seen("+web "); /* one announcement, of the whole */
    g_assert_cmpuint(service_state(service)->serial, ==, 1);
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply() ");
    fake_apply_ok(service);
    assert_seen("web:active ");
    assert_counts_are_a_recount();
    teardown();
}

static void test_create_refused(void)
{
    static const struct {
        const char *id, *kind, *config;
        ErrorCode code;
    } rows[] = {
            {"web", "fake", "{}", ERROR_ID_EXISTS},
            {".web", "fake", "{}", ERROR_INVALID_ID},
            {"-web", "fake", "{}", ERROR_INVALID_ID},
            {"a/b", "fake", "{}", ERROR_INVALID_ID},
            {"new", "nope", "{}", ERROR_UNKNOWN_KIND},
            {"new", "fake", "{\"valeu\": 1}", ERROR_INVALID_CONFIG},
            {"new", "fake", "", ERROR_INVALID_CONFIG},
    };
    setup();
    create("web", false);
    assert_seen("+web ");
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(create_full(rows[i].id, rows[i].kind, rows[i].config, true, &error));
        g_assert_error(error, SVCMGR_ERROR, (gint)rows[i].code);
        g_assert_cmpuint(map_counts(map)->total, ==, 1);
    }
    assert_seen(""); /* nobody saw anything */
    g_assert_cmpuint(fake_instances, ==, 0);
    const StateRecord *next = service_state(create("next", false)); /* and there is no gap */
    g_assert_cmpint(next->cause, ==, origin_test.cause); /* not the start, but somebody made it */
    g_assert_cmpstr(next->method, ==, origin_test.method);
    g_assert_cmpuint(service_state(map_find(map, "next"))->serial, ==, 2);
    teardown();
}

static void test_limit(void)
{
    g_autoptr(GError) error = NULL;
    setup_with(ID_IS_UUID, 2);
    create("a", false);
    create("b", false);
    g_assert_null(create_full("c", "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_LIMIT_EXCEEDED);
    delete ("a");
    create("c", false);
    teardown();
}

static void test_minted_ids(void)
{
    g_autoptr(GError) error = NULL;
    setup_with(ID_IS_UUID, 0);
    Service *first = create_full(NULL, "fake", NULL, false, NULL);
    Service *second = create_full("", "fake", NULL, false, NULL);
    g_assert_cmpuint(strlen(service_id(first)), ==, 36);
    g_assert_true(parse_id(service_id(first), NULL));
    g_assert_cmpstr(service_id(first), !=, service_id(second));
    teardown();
    setup_with(ID_IS_KIND, 0);
    g_assert_cmpstr(service_id(create_full(NULL, "fake", NULL, false, NULL)), ==, "fake");
    g_assert_null(create_full(NULL, "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_ID_EXISTS);
    g_clear_error(&error);
    teardown();
    setup_with(ID_REQUIRED, 0);
    g_assert_null(create_full(NULL, "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ID);
    teardown();
}

/* A source of randomness that repeats itself, so that every minted id is taken. */
static uint64_t stuck_next(Random *random)
{
    return 7;
}

static void test_minting_gives_up(void)
{
    g_autoptr(GError) error = NULL;
    Random stuck = {.next = stuck_next};
    setup();
    fixture.core->random = &stuck;
    g_assert_nonnull(create_full(NULL, "fake", NULL, false, NULL));
    g_assert_null(create_full(NULL, "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_ID_EXISTS);
    teardown();
}

static void test_order_is_that_of_ids(void)
{
    static const char *const ids[] = {"b", "a10", "a", "c", "a9", "B"};
    g_autoptr(GString) order = g_string_new(NULL);
    setup();
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++)
        create(ids[i], false);
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        g_string_append_printf(order, "%s ", service_id(each));
    g_assert_cmpstr(order->str, ==, "B a a10 a9 b c ");
    g_assert_cmpstr(service_id(map_next(map, "a5")), ==, "a9");
    teardown();
}

static unsigned n_deleted;

static void on_deleted(const StateRecord *state, void *data)
{
    g_assert_false(state->active);
    n_deleted++;
}

static void test_delete_waits_for_the_stop(void)
{
    g_autoptr(GError) error = NULL;
    setup();
    n_deleted = 0;
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL));
    core_fixture_settle(&fixture);
    g_assert_cmpuint(n_deleted, ==, 0);
    g_assert_false(service_start(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_BUSY);
    g_assert_false(service_configure(service, "{}", 2, &origin_test, NULL, NULL));
    g_assert_false(service_stop(service, &origin_test, NULL));
    g_assert_false(service_restart(service, &origin_test, NULL));
    g_assert_false(service_reset_failed(service, &origin_test, NULL));
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL)); /* joins */
    fake_stop_done(service, NULL);
    g_assert_cmpuint(n_deleted, ==, 2);
    assert_seen("+web web:active web:stopping web:inactive -web ");
    g_assert_null(map_find(map, "web"));
    g_assert_cmpuint(fake_instances, ==, 0);
    assert_counts_are_a_recount();
    teardown();
}

static Caller *deleter_seen;

static void on_change_note_deleter(const Change *change, void *data)
{
    if (change->type == CHANGE_REMOVE) {
        g_assert_cmpint(change->cause, ==, CAUSE_METHOD);
        g_assert_cmpstr(change->method, ==, "DeleteService");
        deleter_seen = change->caller;
    }
}

/* Who deleted it is told, also when something else ended it first. */
static void test_delete_says_who(void)
{
    setup();
    Caller *caller = caller_new(1000, 1, "busctl");
    Origin origin = {.cause = CAUSE_METHOD, .method = "DeleteService", .caller = caller};
    FeedListener *noting = map_listen(map, on_change_note_deleter, NULL);
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    fake_ending(service, "died");
    deleter_seen = NULL;
    g_assert_true(map_delete(map, "web", &origin, NULL, NULL, NULL));
    g_assert_true(map_delete(map, "web", &origin_test, NULL, NULL, NULL)); /* joins, too late */
    fake_ended(service, "died");
    g_assert_true(deleter_seen == caller);
    feed_unlisten(noting);
    caller_unref(caller);
    teardown();
}

static void test_delete_joins_a_stop(void)
{
    setup();
    n_deleted = 0;
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL));
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply() stop ");
    fake_stop_done(service, NULL); /* and the second half of the restart does not come */
    g_assert_cmpuint(n_deleted, ==, 1);
    teardown();
}

static void test_delete_stopped_and_missing(void)
{
    g_autoptr(GError) error = NULL;
    setup();
    n_deleted = 0;
    create("web", false);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL));
    g_assert_cmpuint(n_deleted, ==, 1); /* already stopped: at once */
    g_assert_false(map_delete(map, "web", &origin_test, on_deleted, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_FOUND);
    assert_seen("+web -web ");
    teardown();
}

static void test_delete_forgotten(void)
{
    setup();
    n_deleted = 0;
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, &fixture, NULL));
    map_delete_forget(map, on_deleted, &fixture);
    core_fixture_settle(&fixture);
    fake_stop_done(service, NULL);
    g_assert_cmpuint(n_deleted, ==, 0);
    g_assert_null(map_find(map, "web"));
    teardown();
}

static void on_change_delete_it(const Change *change, void *data)
{
    if (change->type == CHANGE_UPDATE && !change->new_state->active)
        (void)map_delete(map, service_id(change->service), &origin_test, NULL, NULL, NULL);
}

/* A listener deletes the service from inside its callback; the others see both changes, in order.
 */
static void test_delete_inside_a_callback(void)
{
    setup();
    feed_unlisten(listener);
    FeedListener *deleter = map_listen(map, on_change_delete_it, NULL);
    listener = map_listen(map, on_change, NULL);
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    fake_ended(service, NULL);
    assert_seen("+web web:active web:inactive -web ");
    g_assert_cmpuint(fake_instances, ==, 0);
    feed_unlisten(deleter);
    teardown();
}

static FeedListener *self;
static unsigned n_self;

static void on_change_leave(const Change *change, void *data)
{
    n_self++;
    feed_unlisten(self);
    self = NULL;
}

static void test_unlisten_inside_a_callback(void)
{
    setup();
    n_self = 0;
    Service *service = create("web", false);
    self = service_listen(service, on_change_leave, NULL);
    g_assert_true(service_start(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_cmpuint(n_self, ==, 1);
    teardown();
}

static void on_change_start_it(const Change *change, void *data)
{
    if (change->type == CHANGE_ADD)
        g_assert_true(service_start(change->service, &origin_test, NULL));
}

/* A change made inside a callback is told after the present one, to everybody. */
static void test_changes_are_told_in_order(void)
{
    setup();
    feed_unlisten(listener);
    FeedListener *starter = map_listen(map, on_change_start_it, NULL);
    listener = map_listen(map, on_change, NULL);
    create("web", false);
    assert_seen("+web web:starting ");
    feed_unlisten(starter);
    teardown();
}

static uint64_t late_first;
static FeedListener *late;

static void on_change_late(const Change *change, void *data)
{
    if (late_first == 0)
        late_first = change->serial;
}

static void on_change_add_late(const Change *change, void *data)
{
    if (change->type == CHANGE_ADD && late == NULL) {
        g_assert_true(service_start(change->service, &origin_test, NULL)); /* queued, serial 2 */
        late = map_listen(map, on_change_late, NULL);
    }
}

/* Whoever joins late starts exactly after its snapshot, even while older changes are still being
 * told. */
static void test_late_listener(void)
{
    setup();
    late = NULL;
    late_first = 0;
    FeedListener *adder = map_listen(map, on_change_add_late, NULL);
    Service *service = create("web", false);
    core_fixture_settle(&fixture);
    g_assert_cmpuint(late_first, ==, 0);
    fake_apply_ok(service);
    g_assert_cmpuint(late_first, ==, 3);
    feed_unlisten(late);
    feed_unlisten(adder);
    teardown();
}

static void test_snapshot_and_changes(void)
{
    g_autoptr(GPtrArray) ids = NULL, states = NULL;
    g_autoptr(StateRecord) state = NULL;
    setup();
    create("b", false);
    create("a", false);
    last_serial = 2;
    FeedListener *both = map_get_and_listen(map, &ids, &states, on_change, NULL);
    feed_unlisten(listener);
    listener = NULL;
    g_assert_cmpuint(ids->len, ==, 2);
    g_assert_cmpstr(ids->pdata[0], ==, "a");
    g_assert_cmpuint(((StateRecord *)states->pdata[0])->serial, ==, 2);
    g_string_truncate(seen, 0);
    g_assert_true(service_start(map_find(map, "a"), &origin_test, NULL));
    assert_seen("a:starting ");
    g_assert_cmpint(((StateRecord *)states->pdata[0])->state, ==, STATE_INACTIVE);
    FeedListener *one = service_state_and_listen(map_find(map, "b"), &state, on_change_late, NULL);
    g_assert_cmpuint(state->serial, ==, 1);
    feed_unlisten(one);
    feed_unlisten(both);
    teardown();
}

static void test_immutable(void)
{
    g_autoptr(GError) error = NULL;
    core_fixture_init(&fixture);
    Service *services[] = {service_new(fixture.core, "0", &kind_fake),
                           service_new(fixture.core, "1", &kind_fake)};
    map = map_new_immutable(fixture.core, services, G_N_ELEMENTS(services));
    map_register_kind(map, &kind_fake);
    seen = g_string_new(NULL);
    listener = NULL;
    g_assert_true(map_find(map, "1") == services[1]);
    g_assert_null(create_full("2", "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_IMMUTABLE);
    g_clear_error(&error);
    g_assert_false(map_delete(map, "0", &origin_test, NULL, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_IMMUTABLE);
    g_assert_true(service_start(services[0], &origin_test, NULL));
    teardown();
}

static void test_broken(void)
{
    g_autoptr(GError) reason =
            g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "x.json: line 1");
    g_autoptr(GError) error = NULL;
    setup();
    Service *unknown = map_create_broken(
            map, &(CreateSpec){.id = "x", .kind = "nope", .description = "X", .enabled = true},
            reason, &origin_test, NULL);
    Service *known = map_create_broken(map, &(CreateSpec){.id = "y", .kind = "fake"}, reason,
                                       &origin_test, NULL);
    g_assert_cmpstr(service_description(unknown), ==, "X");
    g_assert_true(service_is_enabled(unknown));
    g_assert_cmpstr(service_kind(unknown)->name, ==, "invalid");
    g_assert_cmpstr(service_kind(known)->name, ==, "fake");
    g_assert_false(service_configure(unknown, "{}", 2, &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
    g_assert_cmpuint(map_counts(map)->by_state[STATE_FAILED], ==, 2);
    g_assert_cmpuint(map_counts(map)->inactive_failed, ==, 2);
    delete ("x");
    g_assert_cmpuint(map_counts(map)->total, ==, 1);
    teardown();
}

static void test_kinds_are_sorted(void)
{
    setup();
    g_assert_cmpstr(map_kinds(map)[0]->name, ==, "fake");
    g_assert_cmpstr(map_kinds(map)[1]->name, ==, "other");
    g_assert_null(map_kinds(map)[2]);
    teardown();
}

/* One apply a turn: a thousand starts do not keep the loop from its other work. */
static unsigned n_turns;

static void on_turn(void *data)
{
    unsigned begun = 0;
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        begun += fake_of(each)->context != NULL;
    g_assert_cmpuint(begun, <=, n_turns + 1);
    if (++n_turns < 10)
        timer_host_defer(virtual_loop_timers(fixture.loop), on_turn, NULL);
}

static void test_one_apply_a_turn(void)
{
    setup();
    n_turns = 0;
    for (unsigned i = 0; i < 10; i++) {
        g_autofree char *id = g_strdup_printf("s%u", i);
        create(id, true);
    }
    timer_host_defer(virtual_loop_timers(fixture.loop), on_turn, NULL);
    core_fixture_settle(&fixture);
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        g_assert_nonnull(fake_of(each)->context);
    teardown();
}

static void test_events_ring(void)
{
    setup();
    Events *events = events_new(fixture.core->feed);
    g_assert_cmpuint(events_oldest(events), ==, 1);
    g_assert_cmpuint(events_newest(events), ==, 0);
    Service *service = create("web", false);
    for (unsigned i = 0; i < 3000; i++) {
        g_assert_true(service_start(service, &origin_test, NULL));
        core_fixture_settle(&fixture);
        fake_apply_fail(service, "no luck", true);
    }
    uint64_t newest = 1 + 2 * 3000;
    g_assert_cmpuint(events_newest(events), ==, newest);
    g_assert_cmpuint(events_oldest(events), ==, newest - EVENTS_KEPT + 1);
    g_assert_null(events_find(events, newest - EVENTS_KEPT));
    g_assert_null(events_find(events, newest + 1));
    for (uint64_t serial = events_oldest(events); serial <= newest; serial++)
        g_assert_cmpuint(events_find(events, serial)->serial, ==, serial);
    const Event *event = events_find(events, newest);
    g_assert_cmpstr(event->id, ==, "web");
    g_assert_cmpint(event->from, ==, STATE_STARTING);
    g_assert_cmpint(event->to, ==, STATE_FAILED);
    g_assert_cmpstr(event->error, ==, "no luck");
    g_assert_null(events_find(events, newest - 1)->error);
    events_free(events);
    teardown();
}

static void test_serials_start_where_told(void)
{
    core_fixture_init(&fixture);
    core_free(fixture.core);
    fixture.core = core_new(virtual_loop_clock(fixture.loop), virtual_loop_timers(fixture.loop),
                            &fixture.random.random, 1001);
    Events *events = events_new(fixture.core->feed);
    g_assert_cmpuint(feed_serial(fixture.core->feed), ==, 1000);
    Service *service = fixture_service(&fixture, NULL);
    g_assert_cmpuint(service_state(service)->serial, ==, 1001);
    g_assert_cmpuint(events_oldest(events), ==, 1001);
    service_unref(service);
    events_free(events);
    core_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(void);
    } tests[] = {
            {"/map/create/configures-before-start", test_create_configures_before_start},
            {"/map/create/refused-leaves-nothing", test_create_refused},
            {"/map/create/limit", test_limit},
            {"/map/create/minted-ids", test_minted_ids},
            {"/map/create/minting-gives-up", test_minting_gives_up},
            {"/map/create/broken", test_broken},
            {"/map/order", test_order_is_that_of_ids},
            {"/map/kinds", test_kinds_are_sorted},
            {"/map/delete/waits-for-the-stop", test_delete_waits_for_the_stop},
            {"/map/delete/joins-a-stop", test_delete_joins_a_stop},
            {"/map/delete/says-who", test_delete_says_who},
            {"/map/delete/stopped-and-missing", test_delete_stopped_and_missing},
            {"/map/delete/forgotten", test_delete_forgotten},
            {"/map/delete/inside-a-callback", test_delete_inside_a_callback},
            {"/map/immutable", test_immutable},
            {"/feed/unlisten-inside-a-callback", test_unlisten_inside_a_callback},
            {"/feed/order", test_changes_are_told_in_order},
            {"/feed/late-listener", test_late_listener},
            {"/feed/snapshot-and-changes", test_snapshot_and_changes},
            {"/feed/first-serial", test_serials_start_where_told},
            {"/queue/one-apply-a-turn", test_one_apply_a_turn},
            {"/events/ring", test_events_ring},
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    return g_test_run();
}
