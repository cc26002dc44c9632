/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random histories of a map with a kind that succeeds, fails, ends and hangs at random, in virtual
 * time. After every step what must always hold is checked; at the end, requests cease and
 * everything settles. GTest prints the seed; the same history comes again with --seed. */

#include "core-fixture.h"

#define N_IDS 6
#define N_STEPS 100000

static CoreFixture fixture;
static Map *map;

/* What a listener that joined at some moment believes: its snapshot with the changes applied. */
typedef struct Mirror {
    FeedListener *listener;
    GHashTable *states; /* id -> StateRecord */
    uint64_t serial;
} Mirror;

static void mirror_on_change(const Change *change, void *data)
{
    Mirror *mirror = data;
    const char *id = service_id(change->service);
    const StateRecord *believed = g_hash_table_lookup(mirror->states, id);
    g_assert_cmpuint(change->serial, ==, mirror->serial + 1);
    g_assert_true(believed == change->old_state);
    mirror->serial = change->serial;
    if (change->type == CHANGE_REMOVE)
        g_hash_table_remove(mirror->states, id);
    else
        g_hash_table_insert(mirror->states, g_strdup(id), state_record_ref(change->new_state));
}

static Mirror *mirror_new(void)
{
    g_autoptr(GPtrArray) ids = NULL, states = NULL;
    Mirror *mirror = g_new0(Mirror, 1);
    mirror->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify)state_record_unref);
    mirror->serial = feed_serial(fixture.core->feed);
    mirror->listener = map_get_and_listen(map, &ids, &states, mirror_on_change, mirror);
    for (unsigned i = 0; i < ids->len; i++) {
        g_hash_table_insert(mirror->states, g_strdup(ids->pdata[i]),
                            state_record_ref(states->pdata[i]));
    }
    return mirror;
}

static void mirror_free(Mirror *mirror)
{
    feed_unlisten(mirror->listener);
    g_hash_table_unref(mirror->states);
    g_free(mirror);
}

static void mirror_check(const Mirror *mirror)
{
    unsigned n = 0;
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each)), n++)
        g_assert_true(g_hash_table_lookup(mirror->states, service_id(each)) == service_state(each));
    g_assert_cmpuint(g_hash_table_size(mirror->states), ==, n);
    g_assert_cmpuint(mirror->serial, ==, feed_serial(fixture.core->feed));
}

static void check_everything(void)
{
    MapCounts recount = {0};
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each))) {
        const StateRecord *record = service_state(each);
        assert_service_invariants(each);
        recount.total++;
        recount.active += record->active;
        recount.inactive_failed += !record->active && record->error != NULL;
        recount.by_state[record->state]++;
    }
    g_assert_cmpmem(&recount, sizeof recount, map_counts(map), sizeof recount);
}

/* The steps. Refusals are part of the game: the matrix checks which there are. */

static void step_create(Service *service, const char *id, bool coin)
{
    CreateSpec spec = {.id = id, .kind = coin ? "fake" : "other", .start = coin};
    static const char config[] =
            "{\"restart\": {\"policy\": \"always\", \"max_attempts\": 4}, \"reload\": true}";
    if (g_test_rand_bit()) {
        spec.config = config;
        spec.config_length = strlen(config);
    }
    (void)map_create(map, &spec, &origin_test, NULL);
}

static void step_delete(Service *service, const char *id, bool coin)
{
    (void)map_delete(map, id, &origin_test, NULL, NULL, NULL);
}

static void step_start(Service *service, const char *id, bool coin)
{
    (void)service_start(service, &origin_test, NULL);
}

static void step_stop(Service *service, const char *id, bool coin)
{
    (void)service_stop(service, &origin_test, NULL);
}

static void step_restart(Service *service, const char *id, bool coin)
{
    (void)service_restart(service, &origin_test, NULL);
}

static void step_reload(Service *service, const char *id, bool coin)
{
    (void)service_reload(service, &origin_test, NULL);
}

static void step_reset(Service *service, const char *id, bool coin)
{
    (void)service_reset_failed(service, &origin_test, NULL);
}

static void step_configure(Service *service, const char *id, bool coin)
{
    static const char *const configs[] = {
            "{}",
            "{\"valeu\": 1}",
            "{\"restart\": {\"initial_delay\": 0}}",
            "{\"restart\": {\"policy\": \"no\"}, \"reload\": true}",
            "{\"start_limit\": {\"burst\": 3}}",
            "{\"restart\": {\"policy\": \"always\", \"stable_after\": \"1s\", \"jitter\": 1}}",
    };
    const char *config = configs[g_test_rand_int_range(0, G_N_ELEMENTS(configs))];
    (void)service_configure(service, config, strlen(config), &origin_test, NULL, NULL);
}

static void step_apply_ends(Service *service, const char *id, bool coin)
{
    if (!fake_of(service)->context_open)
        return;
    if (g_test_rand_int_range(0, 16) == 0)
        fake_unkillable(service, "survived");
    else if (coin)
        fake_apply_ok(service);
    else
        fake_apply_fail(service, "no luck", g_test_rand_int_range(0, 8) == 0);
}

static void step_ends(Service *service, const char *id, bool coin)
{
    State state = service_state(service)->state;
    if (state != STATE_ACTIVE && state != STATE_RELOADING)
        return;
    if (coin)
        fake_ending(service, g_test_rand_bit() ? "died" : NULL);
    else
        fake_ended(service, g_test_rand_bit() ? "died" : NULL);
}

static void step_stop_ends(Service *service, const char *id, bool coin)
{
    if (service_state(service)->state != STATE_STOPPING)
        return;
    if (g_test_rand_int_range(0, 8) == 0)
        fake_unkillable(service, "survived");
    else if (fake_of(service)->stop_asked)
        fake_stop_done(service, g_test_rand_int_range(0, 8) == 0 ? "stuck" : NULL);
    else
        fake_ended(service, coin ? "died" : NULL);
}

static void step_sub_state(Service *service, const char *id, bool coin)
{
    service_set_sub_state(service, coin ? "this" : "that");
}

typedef void (*Step)(Service *service, const char *id, bool coin);

static const Step steps[] = {
        step_create,    step_delete,     step_start,      step_stop,
        step_restart,   step_reload,     step_reset,      step_configure,
        step_configure, step_apply_ends, step_apply_ends, step_apply_ends,
        step_ends,      step_stop_ends,  step_stop_ends,  step_sub_state,
};

static void take_step(void)
{
    g_autofree char *id = g_strdup_printf("s%d", g_test_rand_int_range(0, N_IDS));
    Step step = steps[g_test_rand_int_range(0, G_N_ELEMENTS(steps))];
    Service *service = map_find(map, id);
    if (service != NULL || step == step_create)
        step(service, id, g_test_rand_bit());
    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        core_fixture_settle(&fixture);
        break;
    case 1:
        core_fixture_advance(&fixture, (uint64_t)g_test_rand_int_range(0, 3000000));
        break;
    case 2:
        virtual_loop_shift_wall(fixture.loop, g_test_rand_int_range(-5, 5) * 1000000);
        break;
    }
}

/* Requests have ceased: whatever is under way is let come out, and then everything must be settled.
 */
static void settle_everything(void)
{
    core_fixture_settle(&fixture);
    for (unsigned round = 0; round < 200; round++) {
        for (Service *each = map_next(map, NULL), *next; each != NULL; each = next) {
            g_autofree char *id = g_strdup(service_id(each));
            step_apply_ends(each, id, round % 2 == 0);
            step_stop_ends(each, id, false);
            next = map_next(map, id);
        }
        core_fixture_settle(&fixture);
    }
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        g_assert_true(service_is_settled(each));
}

static void test_history(void)
{
    Mirror *mirrors[4] = {NULL};
    core_fixture_init(&fixture);
    map = map_new(fixture.core, ID_REQUIRED, N_IDS - 1);
    map_register_kind(map, &kind_fake);
    map_register_kind(map, &kind_fake_other);
    for (unsigned i = 0; i < N_STEPS; i++) {
        Mirror **mirror = &mirrors[g_test_rand_int_range(0, G_N_ELEMENTS(mirrors))];
        if (g_test_rand_int_range(0, 50) == 0) {
            g_clear_pointer(mirror, mirror_free);
            *mirror = mirror_new();
        }
        take_step();
        check_everything();
        if (*mirror != NULL)
            mirror_check(*mirror);
    }
    settle_everything();
    check_everything();
    g_test_message("%" G_GUINT64_FORMAT " changes", feed_serial(fixture.core->feed));
    g_assert_cmpuint(feed_serial(fixture.core->feed), >, N_STEPS / 10); /* it was no idle walk */
    for (unsigned i = 0; i < G_N_ELEMENTS(mirrors); i++) {
        if (mirrors[i] != NULL)
            mirror_check(mirrors[i]);
        g_clear_pointer(&mirrors[i], mirror_free);
    }
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        fake_stop_whatever(&fixture, each);
    map_free(map);
    core_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/history/random", test_history);
    return g_test_run();
}
