/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random histories of batches and groups over services that depend on each other: whatever comes in
 * between, each batch is done once, what a group says of itself is so, and everything settles when
 * requests cease. A failure says its seed; with SEED=N in the environment that history is played
 * alone. */

#include "base/errors.h"
#include "core/batch.h"
#include "kinds/kinds.h"
#include "system-fixture.h"

#include <stdlib.h>
#include <string.h>

#define HISTORIES 2000
#define STEPS 150
#define SERVICES 10
#define GROUPS 4
#define BATCHES 4
#define ROUNDS_MAX 500

typedef struct Play {
    Batch *batch;  /* NULL: none */
    bool may_wait; /* a patient start waits as long as somebody is blocked */
    unsigned begun, done, cancelled;
} Play;

static Kind *kind_group;
static GRand *dice;
static Play plays[BATCHES];

static int roll(int n)
{
    return g_rand_int_range(dice, 0, n);
}

static char *random_id(void)
{
    int n = roll(SERVICES + GROUPS);
    return n < SERVICES ? g_strdup_printf("s%d", n) : g_strdup_printf("g%d", n - SERVICES);
}

/* Definitions */

/* Each of those below n by one in odds. */
static void add_list(GString *config, const char *name, int n, int odds)
{
    const char *before = "[";
    for (int i = 0; i < n; i++) {
        if (roll(odds) != 0)
            continue;
        if (*before == '[')
            g_string_append_printf(config, ", '%s': ", name);
        g_string_append_printf(config, "%s's%d'", before, i);
        before = ", ";
    }
    if (*before != '[')
        g_string_append_c(config, ']');
}

static void make_service(int n)
{
    g_autofree char *id = g_strdup_printf("s%d", n);
    g_autoptr(GString) config = g_string_new("{'restart': ");
    g_string_append(config, roll(3) == 0 ? "{'policy': 'no'}" : "{'max_attempts': 3}");
    if (roll(2) == 0)
        add_list(config, "requires", n, 5);
    else if (roll(3) == 0)
        add_list(config, "conflicts", n, 6);
    add_list(config, "after", n, 6);
    if (roll(6) == 0)
        add_list(config, "part_of", n, 4);
    g_string_append_c(config, '}');
    make(id, config->str);
}

static void make_group(int n)
{
    g_autofree char *id = g_strdup_printf("g%d", n);
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) config = g_string_new(NULL);
    int first = roll(SERVICES);
    g_string_append_printf(config, "{'members': ['s%d'", first);
    for (int i = 0; i < SERVICES; i++) {
        if (i != first && roll(4) == 0)
            g_string_append_printf(config, ", 's%d'", i);
    }
    if (n > 0 && roll(3) == 0)
        g_string_append_printf(config, ", 'g%d'", roll(n));
    g_string_append_printf(config,
                           "], 'ordered': %s, 'restart': {'policy': '%s', 'max_attempts': 2}}",
                           roll(2) == 0 ? "true" : "false", roll(3) == 0 ? "on-failure" : "no");
    g_strdelimit(config->str, "'", '"');
    create_full(id, "group", config->str, false, &error);
    g_assert_no_error(error);
}

/* Batches */

static void on_play_done(const BatchItem *items, size_t n_items, const GError *error, void *data)
{
    Play *play = data;
    g_assert_nonnull(play->batch);
    play->batch = NULL;
    play->done++;
    for (size_t i = 0; i < n_items; i++)
        g_assert_true(items[i].error == NULL || error != NULL);
}

static void begin_batch(Play *play)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
    for (int n = roll(5); n >= 0; n--) {
        g_autofree char *id = random_id();
        if (g_hash_table_contains(named, id))
            continue;
        g_ptr_array_add(ids, id);
        g_hash_table_add(named, g_steal_pointer(&id));
    }
    g_ptr_array_add(ids, NULL);
    BatchSpec spec = {.ids = (char *const *)ids->pdata,
                      .ordered = roll(2) == 0,
                      .patient = roll(2) == 0,
                      .origin = origin_test};
    bool starts = roll(2) == 0;
    play->may_wait = starts && spec.patient;
    play->batch = starts ? batch_start(map, &spec, on_play_done, play, NULL)
                         : batch_stop(map, &spec, on_play_done, play, NULL);
    play->begun += play->batch != NULL;
}

static void cancel_batch(Play *play, bool undo)
{
    if (play->batch == NULL)
        return;
    batch_cancel(g_steal_pointer(&play->batch), undo);
    play->cancelled++;
}

/* What comes in between */

static void answer(Service *service, bool well)
{
    if (service_kind(service) == kind_group || service_find_instance(service) == NULL)
        return;
    FakeInstance *fake = fake_of(service);
    if (fake->context_open && well)
        fake_apply_ok(service);
    else if (fake->context_open)
        fake_apply_fail(service, "cannot", roll(3) == 0);
    else if (fake->stop_asked)
        fake_stop_done(service, well ? NULL : "had to be killed");
    else if (!well && service_state(service)->state == STATE_ACTIVE)
        fake_ended(service, roll(3) == 0 ? NULL : "crashed");
}

static void remake(Service *service)
{
    int n = atoi(service_id(service) + 1);
    if (service_kind(service) == kind_group || service_state(service)->active)
        return;
    delete (service_id(service));
    core_fixture_settle(&fixture);
    make_service(n);
}

static void step(void)
{
    g_autofree char *id = random_id();
    g_autoptr(Service) service = service_ref(find(id));
    Play *play = &plays[roll(BATCHES)];
    switch (roll(12)) {
    case 0:
        (void)service_start(service, &origin_test, NULL);
        break;
    case 1:
        (void)service_stop(service, &origin_test, NULL);
        break;
    case 2:
        (void)service_restart(service, &origin_test, NULL);
        break;
    case 3:
        if (play->batch == NULL)
            begin_batch(play);
        break;
    case 4:
        if (roll(3) == 0)
            cancel_batch(play, roll(2) == 0);
        break;
    case 5:
        if (roll(3) == 0)
            remake(service);
        break;
    case 6:
        core_fixture_advance(&fixture, (uint64_t)roll(2000) * USEC_PER_MSEC);
        break;
    case 7:
        answer(service, false);
        break;
    default:
        answer(service, true);
        break;
    }
    if (roll(3) != 0)
        core_fixture_settle(&fixture);
}

/* What must hold */

static bool is_up(const StateRecord *record)
{
    return record->state == STATE_ACTIVE || record->state == STATE_RELOADING || record->completed;
}

static void assert_group(const Service *group)
{
    const StateRecord *record = service_state(group);
    char *const *members = links_list(record->links, RELATION_MEMBERS);
    unsigned n_down = 0;
    if (record->state != STATE_ACTIVE)
        return;
    for (; *members != NULL; members++) {
        const Service *member = find(*members);
        n_down += !is_up(service_state(member));
        g_assert_true(service_state(member)->state != STATE_FAILED ||
                      service_failed_to_stop(member));
    }
    g_assert_cmpstr(record->sub_state, ==, n_down > 0 ? "degraded" : "running");
}

static void assert_groups(void)
{
    core_fixture_settle(&fixture);
    for (int i = 0; i < GROUPS; i++) {
        g_autofree char *id = g_strdup_printf("g%d", i);
        assert_group(find(id));
    }
}

/* Only those wait who wait for what nobody brings. */
static bool all_have_settled(void)
{
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each))) {
        const StateRecord *record = service_state(each);
        bool waits_as_group = service_kind(each) == kind_group && record->state == STATE_STARTING;
        if (record->state == STATE_BACKOFF || (!state_record_is_settled(record) && !waits_as_group))
            return false;
    }
    return true;
}

static void describe(void)
{
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each))) {
        const StateRecord *record = service_state(each);
        g_test_message("%s: %s (%s) %s: %s", service_id(each), state_to_string(record->state),
                       record->sub_state, record->error != NULL ? record->error->message : "",
                       record->config != NULL ? record->config->text : "");
    }
}

static void assert_settles(void)
{
    for (int rounds = 0;; rounds++) {
        core_fixture_settle(&fixture);
        if (all_have_settled())
            break;
        if (rounds == ROUNDS_MAX)
            describe();
        g_assert_cmpint(rounds, <, ROUNDS_MAX);
        for (Service *each = map_next(map, NULL); each != NULL;
             each = map_next(map, service_id(each)))
            answer(each, true);
        core_fixture_advance(&fixture, USEC_PER_SEC);
    }
}

static void end_batches(void)
{
    bool a_group_waits = false;
    for (int i = 0; i < GROUPS; i++) {
        g_autofree char *id = g_strdup_printf("g%d", i);
        a_group_waits |= service_state(find(id))->state == STATE_STARTING;
    }
    for (int i = 0; i < BATCHES; i++)
        g_assert_true(plays[i].batch == NULL || plays[i].may_wait || a_group_waits);
    for (int i = 0; i < BATCHES; i++)
        cancel_batch(&plays[i], roll(2) == 0);
    assert_settles();
    for (int i = 0; i < BATCHES; i++)
        g_assert_cmpuint(plays[i].begun, ==, plays[i].done + plays[i].cancelled);
}

static void play_history(guint32 seed)
{
    dice = g_rand_new_with_seed(seed);
    memset(plays, 0, sizeof plays);
    setup();
    kind_group = kind_group_new(map);
    map_register_kind(map, kind_group);
    for (int i = 0; i < SERVICES; i++)
        make_service(i);
    for (int i = 0; i < GROUPS; i++)
        make_group(i);
    for (int i = 0; i < STEPS; i++) {
        step();
        if (i % 10 == 0)
            assert_groups();
    }
    assert_settles();
    assert_groups();
    end_batches();
    system_teardown();
    g_clear_pointer(&kind_group, g_free);
    g_rand_free(dice);
}

static void test_random(void)
{
    const char *given = g_getenv("SEED");
    guint32 seed = given != NULL ? (guint32)atoll(given) : (guint32)g_test_rand_int();
    unsigned n = given != NULL ? 1 : HISTORIES;
    for (unsigned i = 0; i < n; i++) {
        g_test_message("SEED=%u", seed + i);
        play_history(seed + i);
    }
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/batch-random/histories", test_random);
    return g_test_run();
}
