/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random histories of requests on a disk that fails at random. What was answered as done is kept,
 * what was answered as refused is nowhere; after each turn the disk and the map say the same of
 * configurations and of what is enabled; and once the disk takes everything again, in the end they
 * say the same of all. */

#include "base/errors.h"
#include "core/requests.h"
#include "support/durable-memory.h"
#include "unit/core-fixture.h"

#include <string.h>

#define KEEP_OPERATIONS 200000
#define KEEP_HISTORY 1000 /* operations in each */
#define KEEP_IDS 6
#define KEEP_ROOM 5

typedef enum DiskMood {
    DISK_GOOD,
    DISK_SHAKY, /* one call of eight fails */
    DISK_FULL,
    _DISK_MAX,
} DiskMood;

typedef struct World {
    CoreFixture core;
    Map *map;
    DurableMemory *memory;
    Keeper *keeper;
    Requests *requests;
    GPtrArray *asked; /* of Asked, not answered yet */
    DiskMood mood;
    uint64_t n_asked;
    uint64_t n_done;
    uint64_t n_refused_by_disk;
} World;

typedef struct Asked {
    World *world;
    RequestType type;
    char *id;
    char *config;
    bool enabled;
    bool transient;
} Asked;

static unsigned keep_below(unsigned n)
{
    return (unsigned)g_test_rand_int_range(0, (int)n);
}

static const char *keep_id(void)
{
    static const char *const ids[KEEP_IDS] = {"a", "b", "c", "d", "e", "f"};

    return ids[keep_below(KEEP_IDS)];
}

static void asked_free(void *data)
{
    Asked *asked = data;

    g_free(asked->id);
    g_free(asked->config);
    g_free(asked);
}

static bool on_disk_call(MemoryCall call, void *data)
{
    const World *world = data;

    return world->mood == DISK_FULL || (world->mood == DISK_SHAKY && keep_below(8) == 0);
}

/* What must hold */

static void assert_same_config(const Service *service, const MemoryService *kept)
{
    const StateRecord *record = service_state(service);
    const DurableRevision *revision = durable_memory_config(kept);

    g_assert_true((record->config == NULL) == (revision == NULL));
    if (revision == NULL)
        return;
    g_assert_cmpstr(record->config->text, ==, revision->text);
    g_assert_cmpuint(record->config_revision, ==, revision->revision);
    g_assert_cmpuint(kept->revisions->len, <=, DURABLE_REVISIONS);
}

static bool keep_is_transient(const Service *service)
{
    return service_about(service)->source == SOURCE_TRANSIENT;
}

static void assert_kept(World *world, const Service *service)
{
    const MemoryService *kept = durable_memory_find(world->memory, service_id(service));

    if (keep_is_transient(service) || service_is_deleting(service)) {
        g_assert_null(kept);
        return;
    }
    g_assert_nonnull(kept);
    g_assert_true(kept->created);
    g_assert_cmpstr(kept->kind, ==, service_kind(service)->name);
    g_assert_cmpint(kept->enabled, ==, service_about(service)->enabled);
    assert_same_config(service, kept);
}

static void assert_all_is_kept(World *world)
{
    GHashTableIter iter;
    void *id;

    for (Service *each = map_next(world->map, NULL); each != NULL;
         each = map_next(world->map, service_id(each))) {
        assert_kept(world, each);
        assert_service_invariants(each);
    }
    g_hash_table_iter_init(&iter, world->memory->services);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_assert_nonnull(map_find(world->map, id));
}

/* What happened by itself is written too, when there was time. */
static void assert_states_are_kept(World *world)
{
    for (Service *each = map_next(world->map, NULL); each != NULL;
         each = map_next(world->map, service_id(each))) {
        const MemoryService *kept = durable_memory_find(world->memory, service_id(each));
        const StateRecord *record = service_state(each);

        if (kept == NULL)
            continue; /* it was asserted that this is right */
        g_assert_cmpint(kept->state.wanted, ==, service_is_wanted(each));
        if (service_is_wanted(each)) /* of what is being stopped they are forgotten already */
            g_assert_cmpuint(kept->state.failed_attempts, ==, record->failed_attempts);
        g_assert_cmpstr(kept->state.error, ==,
                        record->state == STATE_FAILED ? record->error->message : NULL);
    }
}

/* Answers */

static void assert_done(World *world, const Asked *asked, const RequestOutcome *outcome)
{
    const MemoryService *kept = durable_memory_find(world->memory, asked->id);

    if (asked->type == REQUEST_DELETE) {
        g_assert_null(kept);
        g_assert_true(outcome->service == NULL || service_is_deleting(outcome->service));
        return;
    }
    assert_kept(world, outcome->service);
    if (asked->type == REQUEST_CREATE)
        g_assert_cmpint(keep_is_transient(outcome->service), ==, asked->transient);
    if (asked->config != NULL)
        g_assert_cmpstr(service_state(outcome->service)->config->text, ==, asked->config);
    if (asked->type == REQUEST_CREATE || asked->type == REQUEST_SET_ENABLED)
        g_assert_cmpint(service_about(outcome->service)->enabled, ==, asked->enabled);
    if (kept != NULL && asked->type <= REQUEST_SET_ENABLED)
        g_assert_cmpint(kept->level, ==, DURABLE_POWER);
}

static void assert_refused_by_disk(World *world, const Asked *asked)
{
    Service *service = map_find(world->map, asked->id);

    world->n_refused_by_disk++;
    g_assert_cmpint(asked->type, <=, REQUEST_SET_ENABLED); /* the others go on */
    if (asked->type == REQUEST_CREATE) {
        g_assert_null(service);
        g_assert_null(durable_memory_find(world->memory, asked->id));
        return;
    }
    g_assert_false(service_is_deleting(service));
    assert_kept(world, service);
}

static void on_keep_answer(const RequestOutcome *outcome, const GError *error, void *data)
{
    Asked *asked = data;
    World *world = asked->world;

    if (error == NULL)
        assert_done(world, asked, outcome);
    else if (error_is(error, ERROR_FAILED))
        assert_refused_by_disk(world, asked);
    world->n_done += error == NULL;
    g_assert_true(g_ptr_array_remove_fast(world->asked, asked)); /* once, and then it is freed */
}

/* Operations */

static void keep_ask(World *world, RequestType type)
{
    Asked *asked = g_new0(Asked, 1);
    RequestSpec spec = {.type = type, .origin = origin_test};

    *asked = (Asked){.world = world, .type = type, .id = g_strdup(keep_id())};
    asked->enabled = keep_below(2) == 0;
    asked->transient = type == REQUEST_CREATE && keep_below(5) == 0;
    if ((type == REQUEST_CREATE && keep_below(4) > 0) || type == REQUEST_CONFIGURE)
        asked->config = g_strdup_printf("{\"value\": \"%" G_GUINT64_FORMAT "\"}", ++world->n_asked);
    spec.id = asked->id;
    spec.config = asked->config;
    spec.config_length = asked->config != NULL ? strlen(asked->config) : 0;
    spec.enabled = asked->enabled;
    spec.create = (CreateSpec){.id = asked->id,
                               .kind = "fake",
                               .config = asked->config,
                               .config_length = spec.config_length,
                               .start = keep_below(2) == 0,
                               .enabled = asked->enabled,
                               .source = asked->transient ? SOURCE_TRANSIENT : SOURCE_BUS};
    g_ptr_array_add(world->asked, asked);
    requests_add(world->requests, &spec, on_keep_answer, asked);
}

static void keep_forget(World *world)
{
    if (world->asked->len == 0)
        return;
    unsigned at = keep_below(world->asked->len);

    requests_forget(world->requests, g_ptr_array_index(world->asked, at));
    g_ptr_array_remove_index_fast(world->asked, at);
}

/* Something under way of a service comes out. */
static void keep_let_out(Service *service)
{
    if (!service_state(service)->active || service_find_instance(service) == NULL)
        return;
    if (fake_of(service)->stop_asked)
        fake_stop_done(service, keep_below(4) == 0 ? "killed" : NULL);
    else if (fake_of(service)->context_open && keep_below(3) > 0)
        fake_apply_ok(service);
    else if (fake_of(service)->context_open)
        fake_apply_fail(service, "no luck", keep_below(4) == 0);
    else if (service_state(service)->state == STATE_ACTIVE && service_config(service) != NULL)
        fake_ended(service, keep_below(2) == 0 ? "it broke" : NULL);
}

static void keep_let_out_some(World *world)
{
    Service *service = map_find(world->map, keep_id());

    if (service == NULL)
        return;
    g_autoptr(Service) keep = service_ref(service); /* its map may let it go */

    keep_let_out(keep);
}

static void keep_turn(World *world, uint64_t usec)
{
    core_fixture_settle(&world->core);
    if (usec > 0)
        core_fixture_advance(&world->core, usec);
    g_assert_false(requests_are_pending(world->requests));
    g_assert_cmpuint(world->asked->len, ==, 0); /* each was answered */
    assert_all_is_kept(world);
}

static void keep_step(World *world)
{
    unsigned at = keep_below(100);

    if (at < 50)
        keep_ask(world, (RequestType)keep_below(_REQUEST_MAX));
    else if (at < 60)
        keep_ask(world, REQUEST_CREATE);
    else if (at < 80)
        keep_let_out_some(world);
    else if (at < 82)
        keep_forget(world);
    else if (at < 92)
        keep_turn(world, 0);
    else if (at < 98)
        keep_turn(world, keep_below(3 * USEC_PER_SEC));
    else if (at < 99)
        requests_flush(world->requests);
    else
        world->mood = (DiskMood)keep_below(_DISK_MAX);
}

/* A history */

static void world_init(World *world)
{
    *world = (World){0};
    core_fixture_init(&world->core);
    world->map = map_new(world->core.core, ID_REQUIRED, KEEP_ROOM);
    map_register_kind(world->map, &kind_fake);
    world->memory = durable_memory_new();
    world->memory->fails = on_disk_call;
    world->memory->fails_data = world;
    world->keeper = keeper_new(world->map, &world->memory->durable);
    world->requests = requests_new(world->keeper, world->map);
    world->asked = g_ptr_array_new_with_free_func(asked_free);
}

static void world_done(World *world)
{
    requests_free(world->requests);
    keeper_free(world->keeper);
    for (Service *each = map_next(world->map, NULL), *next; each != NULL; each = next) {
        g_autoptr(Service) service = service_ref(each);

        fake_stop_whatever(&world->core, service);
        next = map_next(world->map, service_id(service));
    }
    map_free(world->map);
    durable_memory_free(world->memory);
    g_ptr_array_unref(world->asked);
    core_fixture_done(&world->core);
}

static void test_keep(void)
{
    uint64_t n_done = 0, n_refused = 0;

    for (unsigned done = 0; done < KEEP_OPERATIONS; done += KEEP_HISTORY) {
        World world;

        world_init(&world);
        for (unsigned i = 0; i < KEEP_HISTORY; i++) {
            keep_step(&world);
            g_string_truncate(world.memory->log, 0);
            g_string_truncate(world.core.log, 0);
        }
        world.mood = DISK_GOOD;
        keep_turn(&world, 120 * USEC_PER_SEC); /* longer than the longest pause */
        assert_states_are_kept(&world);
        g_assert_cmpstr(keeper_error(world.keeper), ==, "");
        n_done += world.n_done;
        n_refused += world.n_refused_by_disk;
        world_done(&world);
    }
    g_test_message("%" G_GUINT64_FORMAT " requests were done, %" G_GUINT64_FORMAT
                   " refused by the disk",
                   n_done, n_refused);
    g_assert_cmpuint(n_done, >, KEEP_OPERATIONS / 20); /* it was no idle walk */
    g_assert_cmpuint(n_refused, >, KEEP_OPERATIONS / 200);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/keep", test_keep);
    return g_test_run();
}
