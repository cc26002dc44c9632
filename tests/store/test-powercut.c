/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The power fails: after every write, truncate and sync that a life of the database has made, what
 * was synced is on the disk, and of the rest any part, down to single sectors. Each disk that may
 * be left so is opened. It must be sound and hold the state after some group: the last one that was
 * acknowledged as safe from that, or a later one that had begun. So nothing acknowledged is lost,
 * nothing is half there, and nothing is there without what came before it.
 *
 * An ordinary run tries a few parts of each moment at random; SVCMGR_TEST_LONG=1 tries many. */

#include "store-fixture.h"

#include "disk.h"
#include "store/database-internal.h"

#include <string.h>

#define POWER_PARTS 2
#define POWER_PARTS_LONG 10

/* What was acknowledged or begun when the disk had made so many steps. */
typedef struct PowerGroup {
    unsigned begun;
    unsigned acknowledged;
    DurableLevel level;
    char *digest; /* of the state after it */
    uint64_t serial_limit;
} PowerGroup;

/* A file at the moment of the cut. */
typedef struct PowerFile {
    GByteArray *synced;
    GPtrArray *pending; /* of DiskStep, the disk's */
} PowerFile;

typedef struct PowerFixture {
    StoreFixture store;
    Disk *disk;
    GArray *groups; /* of PowerGroup; the first is the empty database */
    PowerFile files[3];
    GHashTable *seen; /* disks that were tried with the same bounds */
    GRand *random;
    unsigned n_tried;
} PowerFixture;

/* The journal is there only until a new file has its log. */
static const char *const power_names[] = {"svcmgr.db", "svcmgr.db-wal", "svcmgr.db-journal"};

static void power_group_clear(PowerGroup *group)
{
    g_free(group->digest);
}

static void power_set_up(PowerFixture *fixture, const void *unused)
{
    *fixture = (PowerFixture){0};
    store_fixture_set_up(&fixture->store, NULL);
    fixture->disk = disk_new();
    fixture->store.options.vfs = disk_vfs(fixture->disk);
    fixture->groups = g_array_new(FALSE, TRUE, sizeof(PowerGroup));
    g_array_set_clear_func(fixture->groups, (GDestroyNotify)power_group_clear);
    for (size_t i = 0; i < G_N_ELEMENTS(fixture->files); i++) {
        fixture->files[i].synced = g_byte_array_new();
        fixture->files[i].pending = g_ptr_array_new();
    }
    fixture->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fixture->random = g_rand_new_with_seed(g_test_rand_int());
}

static void power_tear_down(PowerFixture *fixture, const void *unused)
{
    store_fixture_tear_down(&fixture->store, NULL);
    disk_free(fixture->disk);
    g_array_unref(fixture->groups);
    for (size_t i = 0; i < G_N_ELEMENTS(fixture->files); i++) {
        g_byte_array_unref(fixture->files[i].synced);
        g_ptr_array_unref(fixture->files[i].pending);
    }
    g_hash_table_unref(fixture->seen);
    g_rand_free(fixture->random);
}

/* A life */

static unsigned power_now(const PowerFixture *fixture)
{
    return disk_steps(fixture->disk)->len;
}

static void power_acknowledge(PowerFixture *fixture, unsigned begun, DurableLevel level,
                              uint64_t serial_limit)
{
    PowerGroup group = {.begun = begun,
                        .acknowledged = power_now(fixture),
                        .level = level,
                        .digest = store_digest(fixture->store.database),
                        .serial_limit = serial_limit};

    g_array_append_val(fixture->groups, group);
}

static void power_write(PowerFixture *fixture, unsigned number)
{
    StoreFixture *store = &fixture->store;
    g_autofree char *id = g_strdup_printf("g%u", number);
    g_autofree char *text = g_strnfill(200 + number % 7 * 900, (char)('a' + number % 26));

    store_put_service(store, id);
    store_put_config(store, id, 1, CONFIG_FROM_BUS, text);
    store_put_config(store, "same", number, CONFIG_FROM_DEFINITION, text);
    store_put_state(store, id, number % 2 == 0, "why");
    if (number % 4 == 3) {
        g_autofree char *old = g_strdup_printf("g%u", number - 3);

        g_assert_true(store->durable->drop_service(store->durable, old, NULL));
    }
}

/* Groups of both levels, serials, checkpoints and a close in between. */
static void power_live(PowerFixture *fixture, unsigned n_groups)
{
    uint64_t limit = 0;

    store_open(&fixture->store);
    power_acknowledge(fixture, 0, DURABLE_POWER, 0);
    for (unsigned i = 1; i <= n_groups; i++) {
        unsigned begun = power_now(fixture);
        DurableLevel level = i % 3 == 0 ? DURABLE_POWER : DURABLE_CRASH;

        store_begin(&fixture->store);
        power_write(fixture, i);
        store_commit(&fixture->store, level);
        power_acknowledge(fixture, begun, level, limit);
        if (i % 5 == 0)
            g_assert_true(database_checkpoint(fixture->store.database, NULL));
        if (i % 7 == 0) {
            begun = power_now(fixture);
            Durable *durable = fixture->store.durable;
            g_assert_true(durable->reserve_serials(durable, limit + 1, 100, &limit, NULL));
            power_acknowledge(fixture, begun, DURABLE_POWER, limit);
        }
        if (i == n_groups / 2)
            store_reopen(&fixture->store);
    }
    store_close(&fixture->store);
}

/* A disk that may be left */

/* The oldest and the newest group of which the state may be found at that moment. Power: what was
 * not synced may be gone. */
static void power_bounds(const PowerFixture *fixture, unsigned moment, bool power,
                         unsigned *ret_oldest, unsigned *ret_newest)
{
    *ret_oldest = *ret_newest = 0;
    for (unsigned i = 0; i < fixture->groups->len; i++) {
        const PowerGroup *group = &g_array_index(fixture->groups, PowerGroup, i);

        if (group->acknowledged <= moment && (!power || group->level == DURABLE_POWER))
            *ret_oldest = i;
        if (group->begun < moment)
            *ret_newest = i;
    }
}

static void power_check_state(const PowerFixture *fixture, Database *database, unsigned moment,
                              unsigned oldest, unsigned newest)
{
    g_autofree char *digest = store_digest(database);
    uint64_t limit = g_array_index(fixture->groups, PowerGroup, oldest).serial_limit;
    bool known = false;

    for (unsigned i = oldest; i <= newest && !known; i++)
        known = g_str_equal(digest, g_array_index(fixture->groups, PowerGroup, i).digest);
    if (!known)
        g_error("after step %u the state is none of those after the groups %u to %u:\n%s", moment,
                oldest, newest, digest);
    g_assert_cmpuint(database_next_serial(database), >, limit);
}

static void power_open(PowerFixture *fixture, GByteArray *const *bytes, unsigned moment, bool power)
{
    StoreFixture store = fixture->store;
    unsigned oldest, newest;
    Disk *disk = disk_new();
    int64_t n = 1;

    power_bounds(fixture, moment, power, &oldest, &newest);
    for (size_t i = 0; i < G_N_ELEMENTS(power_names); i++) {
        if (bytes[i]->len > 0)
            disk_put(disk, power_names[i], bytes[i]);
    }
    store.options.vfs = disk_vfs(disk);
    store_open(&store);
    g_assert_cmpuint(database_messages(store.database)->len, ==, 0);
    g_assert_true(database_query_integer(store.database,
                                         "SELECT count(*) FROM pragma_integrity_check"
                                         " WHERE integrity_check <> 'ok'",
                                         &n, NULL));
    g_assert_cmpint(n, ==, 0);
    power_check_state(fixture, store.database, moment, oldest, newest);
    store_close(&store);
    disk_free(disk);
    fixture->n_tried++;
}

/* Which sectors of a pending write reach the disk; index counts from the newest. */
typedef uint64_t (*PowerKeep)(PowerFixture *fixture, unsigned index);

static uint64_t power_keep_none(PowerFixture *fixture, unsigned index)
{
    return 0;
}

static uint64_t power_keep_all(PowerFixture *fixture, unsigned index)
{
    return UINT64_MAX;
}

static uint64_t power_tear_first(PowerFixture *fixture, unsigned index)
{
    return index > 0 ? UINT64_MAX : 1;
}

static uint64_t power_tear_rest(PowerFixture *fixture, unsigned index)
{
    return index > 0 ? UINT64_MAX : ~UINT64_C(1);
}

static uint64_t power_tear_alternate(PowerFixture *fixture, unsigned index)
{
    return index > 0 ? UINT64_MAX : UINT64_C(0x5555555555555555);
}

static uint64_t power_keep_newest(PowerFixture *fixture, unsigned index)
{
    return index == 0 ? UINT64_MAX : 0;
}

/* Whole writes, and sectors of some. */
static uint64_t power_keep_some(PowerFixture *fixture, unsigned index)
{
    uint32_t chance = g_rand_int_range(fixture->random, 0, 4);

    if (chance == 0)
        return (uint64_t)g_rand_int(fixture->random) << 32 | g_rand_int(fixture->random);
    return chance == 1 ? 0 : UINT64_MAX;
}

static void power_try(PowerFixture *fixture, unsigned moment, PowerKeep keep)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_MD5);
    GByteArray *bytes[G_N_ELEMENTS(power_names)];
    bool power = keep != power_keep_all;
    unsigned bounds[2];

    for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++) {
        const PowerFile *file = &fixture->files[i];

        bytes[i] = g_byte_array_new();
        g_byte_array_append(bytes[i], file->synced->data, file->synced->len);
        for (unsigned j = 0; j < file->pending->len; j++) {
            uint64_t sectors = keep(fixture, file->pending->len - 1 - j);

            /* A truncate is there or is not. */
            if (sectors != 0)
                disk_step_apply(g_ptr_array_index(file->pending, j), bytes[i], sectors);
        }
        g_checksum_update(checksum, bytes[i]->data, bytes[i]->len);
    }
    power_bounds(fixture, moment, power, &bounds[0], &bounds[1]);
    g_checksum_update(checksum, (const guchar *)bounds, sizeof(bounds));
    if (g_hash_table_add(fixture->seen, g_strdup(g_checksum_get_string(checksum))))
        power_open(fixture, bytes, moment, power);
    for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++)
        g_byte_array_unref(bytes[i]);
}

static void power_try_all(PowerFixture *fixture, unsigned moment, unsigned n_parts)
{
    static const PowerKeep keeps[] = {power_keep_none, power_keep_all,       power_tear_first,
                                      power_tear_rest, power_tear_alternate, power_keep_newest};

    for (size_t i = 0; i < G_N_ELEMENTS(keeps); i++)
        power_try(fixture, moment, keeps[i]);
    for (unsigned i = 0; i < n_parts; i++)
        power_try(fixture, moment, power_keep_some);
}

static PowerFile *power_file(PowerFixture *fixture, const char *name)
{
    size_t i = 0;

    while (!g_str_equal(power_names[i], name))
        g_assert_cmpuint(++i, <, G_N_ELEMENTS(power_names));
    return &fixture->files[i];
}

static void power_step(PowerFixture *fixture, const DiskStep *step)
{
    PowerFile *file = power_file(fixture, step->name);

    if (step->operation != DISK_SYNC) {
        g_ptr_array_add(file->pending, (void *)step);
        return;
    }
    for (unsigned i = 0; i < file->pending->len; i++)
        disk_step_apply(g_ptr_array_index(file->pending, i), file->synced, UINT64_MAX);
    g_ptr_array_set_size(file->pending, 0);
}

static void test_every_step(PowerFixture *fixture, const void *unused)
{
    bool is_long = g_strcmp0(g_getenv("SVCMGR_TEST_LONG"), "1") == 0;
    unsigned n_parts = is_long ? POWER_PARTS_LONG : POWER_PARTS;

    power_live(fixture, is_long ? 60 : 16);
    const GPtrArray *steps = disk_steps(fixture->disk);
    for (unsigned i = 0; i < steps->len; i++) {
        power_step(fixture, g_ptr_array_index(steps, i));
        power_try_all(fixture, i + 1, n_parts);
    }
    g_test_message("%u groups, %u steps, %u disks opened", fixture->groups->len, steps->len,
                   fixture->n_tried);
    g_assert_cmpuint(fixture->n_tried, >, steps->len);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/powercut/every-step", PowerFixture, NULL, power_set_up, test_every_step,
               power_tear_down);
    return g_test_run();
}
