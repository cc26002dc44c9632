/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How changes are told: the feed, the queue behind it, and the ring of events. */

#include "map-fixture.h"

#include "core/events.h"

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

/* Events of the daemon's own life */

static void on_change_everything(const Change *change, void *data)
{
    GString *told = data;

    if (change->type != CHANGE_EVENT) {
        g_string_append_printf(told, "%" G_GUINT64_FORMAT ":change ", change->serial);
        return;
    }
    g_assert_null(change->service);
    g_assert_null(change->old_state);
    g_assert_null(change->new_state);
    g_string_append_printf(told, "%" G_GUINT64_FORMAT ":%s(%s,%s)@%" G_GUINT64_FORMAT " ",
                           change->serial, change->event, change->subject,
                           change->error != NULL ? change->error : "", change->time);
}

/* Numbered like everything else, and told to who asked for them alone. */
static void test_events(void)
{
    GString *all = g_string_new(NULL), *changes = g_string_new(NULL);

    setup();
    FeedListener *everything = feed_listen_all(fixture.core->feed, on_change_everything, all);
    FeedListener *some = feed_listen(fixture.core->feed, on_change_everything, changes);

    feed_publish_event(fixture.core->feed, "AppStartup", 17, NULL, NULL);
    feed_publish_event(fixture.core->feed, "PostHookStart", 18, "a-hook", "it failed");
    last_serial = 2; /* for the one that checks that none is missing */
    create("web", false);
    g_assert_cmpstr(all->str, ==,
                    "1:AppStartup(,)@17 2:PostHookStart(a-hook,it failed)@18 3:change ");
    g_assert_cmpstr(changes->str, ==, "3:change ");
    g_assert_cmpuint(feed_serial(fixture.core->feed), ==, 3);
    feed_unlisten(everything);
    feed_unlisten(some);
    g_string_free(all, TRUE);
    g_string_free(changes, TRUE);
    teardown();
}

static void on_change_event_inside(const Change *change, void *data)
{
    if (change->type == CHANGE_ADD)
        feed_publish_event(fixture.core->feed, "ProcessStart", 5, service_id(change->service), "");
}

/* One that is made inside a callback comes after, with the serial that it was given. */
static void test_event_inside_a_callback(void)
{
    GString *all = g_string_new(NULL);

    setup();
    FeedListener *inside = feed_listen(fixture.core->feed, on_change_event_inside, NULL);
    FeedListener *everything = feed_listen_all(fixture.core->feed, on_change_everything, all);

    create("web", false);
    g_assert_cmpstr(all->str, ==, "1:change 2:ProcessStart(web,)@5 ");
    feed_unlisten(everything);
    feed_unlisten(inside);
    g_string_free(all, TRUE);
    teardown();
}

static uint64_t on_reserve(uint64_t serial, void *data)
{
    g_string_append_printf(data, "%" G_GUINT64_FORMAT " ", serial);
    return serial + 9;
}

/* Asked for when the first serial beyond is about to be given, and no sooner. */
static void test_reserve(void)
{
    GString *asked = g_string_new(NULL);

    setup();
    feed_set_reserve(fixture.core->feed, 3, on_reserve, asked);
    for (unsigned i = 0; i < 3; i++)
        feed_publish_event(fixture.core->feed, "E", 0, NULL, NULL);
    g_assert_cmpstr(asked->str, ==, "");
    for (unsigned i = 0; i < 10; i++)
        feed_publish_event(fixture.core->feed, "E", 0, NULL, NULL);
    g_assert_cmpstr(asked->str, ==, "4 ");
    feed_publish_event(fixture.core->feed, "E", 0, NULL, NULL);
    g_assert_cmpstr(asked->str, ==, "4 14 ");
    feed_set_reserve(fixture.core->feed, 0, NULL, NULL);
    feed_publish_event(fixture.core->feed, "E", 0, NULL, NULL);
    g_assert_cmpstr(asked->str, ==, "4 14 ");
    g_assert_cmpuint(feed_serial(fixture.core->feed), ==, 15);
    g_string_free(asked, TRUE);
    teardown();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(void);
    } tests[] = {
            {"/feed/unlisten-inside-a-callback", test_unlisten_inside_a_callback},
            {"/feed/order", test_changes_are_told_in_order},
            {"/feed/late-listener", test_late_listener},
            {"/feed/snapshot-and-changes", test_snapshot_and_changes},
            {"/feed/first-serial", test_serials_start_where_told},
            {"/feed/events", test_events},
            {"/feed/event-inside-a-callback", test_event_inside_a_callback},
            {"/feed/reserve", test_reserve},
            {"/queue/one-apply-a-turn", test_one_apply_a_turn},
            {"/events/ring", test_events_ring},
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    return g_test_run();
}
