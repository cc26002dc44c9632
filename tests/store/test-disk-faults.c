/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A disk that fails, at each of its calls in turn: the error says what and why, nothing is half
 * done, what was acknowledged stays, and the next write works as soon as the disk does. */

#include "store-fixture.h"

#include "disk.h"
#include "store/database-internal.h"

#include <errno.h>
#include <string.h>

#define FAULT_GROUPS 8

typedef struct FaultFixture {
    StoreFixture store;
    Disk *disk;
} FaultFixture;

static void fault_set_up(FaultFixture *fixture, const void *unused)
{
    store_fixture_set_up(&fixture->store, NULL);
    fixture->disk = disk_new();
    fixture->store.options.vfs = disk_vfs(fixture->disk);
}

static void fault_tear_down(FaultFixture *fixture, const void *unused)
{
    store_fixture_tear_down(&fixture->store, NULL);
    disk_free(fixture->disk);
}

/* An empty disk in the same place. */
static void fault_renew(FaultFixture *fixture)
{
    store_close(&fixture->store);
    disk_free(fixture->disk);
    fixture->disk = disk_new();
    fixture->store.options.vfs = disk_vfs(fixture->disk);
}

/* What a group does besides leaving its number. */
static void fault_group(StoreFixture *store, unsigned number)
{
    g_autofree char *id = g_strdup_printf("g%u", number);
    g_autofree char *text = g_strnfill(3000, (char)('a' + number));

    store_put_service(store, id);
    store_put_config(store, id, 1, CONFIG_FROM_BUS, text);
    store_put_config(store, "same", number + 1, CONFIG_FROM_DEFINITION, text);
    store_put_state(store, id, true, "why");
    if (number % 3 == 2)
        g_assert_true(store->durable->drop_service(store->durable, "g0", NULL));
}

/* A group is here whole, or not at all. */
static bool fault_is_there(GPtrArray *services, unsigned number)
{
    g_autofree char *id = g_strdup_printf("g%u", number);
    const SavedService *saved = store_find(services, id);

    if (saved == NULL)
        return false;
    g_assert_true(saved->created);
    g_assert_true(saved->has_state);
    g_assert_nonnull(saved->latest);
    g_assert_cmpuint(saved->latest->length, ==, 3000);
    return true;
}

static bool fault_try_group(StoreFixture *store, unsigned number, GError **error)
{
    if (!store->durable->begin(store->durable, error))
        return false;
    fault_group(store, number);
    return store->durable->commit(store->durable, number % 2 == 0 ? DURABLE_POWER : DURABLE_CRASH,
                                  error);
}

/* "cannot OPERATION FILE: WHAT SQLITE SAYS (CODE): WHY" */
static void fault_assert_error(const FaultFixture *fixture, const GError *error, int errno_value)
{
    g_assert_nonnull(error);
    if (!g_str_has_prefix(error->message, "cannot ") ||
        strstr(error->message, fixture->store.path) == NULL ||
        strstr(error->message, "SQLITE_") == NULL ||
        !g_str_has_suffix(error->message, g_strerror(errno_value)))
        g_error("the error says too little: %s", error->message);
}

/* The daemon dies now; what is on the disk is opened anew. */
static void fault_check_after_crash(FaultFixture *fixture, const bool *acknowledged,
                                    const bool *failed)
{
    StoreFixture store = fixture->store;
    Disk *disk = disk_new();
    int64_t n = 1;

    disk_copy(fixture->disk, disk);
    store.options.vfs = disk_vfs(disk);
    store_open(&store);
    g_assert_cmpuint(database_messages(store.database)->len, ==, 0);
    g_assert_true(database_query_integer(store.database,
                                         "SELECT count(*) FROM pragma_integrity_check"
                                         " WHERE integrity_check <> 'ok'",
                                         &n, NULL));
    g_assert_cmpint(n, ==, 0);
    g_autoptr(GPtrArray) services = store_load(&store);
    bool dropped = false;
    for (unsigned i = FAULT_GROUPS; i-- > 0;) {
        bool there = fault_is_there(services, i);

        /* Group 0 is dropped by later ones; what failed may have been done nevertheless. */
        if (acknowledged[i] && !(i == 0 && dropped))
            g_assert_true(there);
        if (!acknowledged[i] && !failed[i])
            g_assert_false(there);
        dropped = dropped || (there && i % 3 == 2);
    }
    store_close(&store);
    disk_free(disk);
}

/* A whole life with a fault at the nth call; false when nothing failed any more. */
static bool fault_live(FaultFixture *fixture, unsigned operations, unsigned nth, int errno_value,
                       bool once)
{
    StoreFixture *store = &fixture->store;
    bool acknowledged[FAULT_GROUPS] = {0}, failed[FAULT_GROUPS] = {0};

    store_open(store);
    disk_fail(fixture->disk, operations, nth, errno_value, once);
    for (unsigned i = 0; i < FAULT_GROUPS - 1; i++) {
        g_autoptr(GError) error = NULL;

        acknowledged[i] = fault_try_group(store, i, &error);
        failed[i] = !acknowledged[i];
        if (failed[i]) {
            fault_assert_error(fixture, error, errno_value);
            /* The group is undone, for us as well. Reading may fail like the rest. */
            g_autoptr(GPtrArray) services = database_load(store->database, NULL);
            if (services != NULL)
                g_assert_false(fault_is_there(services, i));
        }
        if (i == 3)
            (void)database_checkpoint(store->database, NULL); /* it may fail, and be told later */
    }
    bool has_failed = disk_has_failed(fixture->disk);
    disk_heal(fixture->disk);
    fault_check_after_crash(fixture, acknowledged, failed);

    /* No restart is needed. */
    g_autoptr(GError) error = NULL;
    acknowledged[FAULT_GROUPS - 1] = fault_try_group(store, FAULT_GROUPS - 1, &error);
    g_assert_no_error(error);
    fault_check_after_crash(fixture, acknowledged, failed);
    g_autoptr(GPtrArray) services = store_load(store);
    for (unsigned i = 0; i < FAULT_GROUPS; i++) {
        if (i > 0)
            g_assert_cmpint(fault_is_there(services, i), ==, acknowledged[i]);
    }
    g_assert_true(fault_is_there(services, FAULT_GROUPS - 1));
    return has_failed;
}

typedef struct FaultCase {
    unsigned operations;
    int errno_value;
    bool once;
} FaultCase;

static void test_life(FaultFixture *fixture, const void *data)
{
    const FaultCase *each = data;
    unsigned nth = 1;

    while (fault_live(fixture, each->operations, nth, each->errno_value, each->once)) {
        fault_renew(fixture);
        nth++;
    }
    g_test_message("%u calls", nth - 1);
    g_assert_cmpuint(nth, >, 1);
}

/* The first open: it says why, and the next one works. */
static void test_open(FaultFixture *fixture, const void *data)
{
    const FaultCase *each = data;
    StoreFixture *store = &fixture->store;
    bool has_failed = true;

    for (unsigned nth = 1; has_failed; nth++) {
        g_autoptr(GError) error = NULL;

        fault_renew(fixture);
        disk_fail(fixture->disk, each->operations, nth, each->errno_value, each->once);
        store->database = database_open(&store->options, &error);
        has_failed = disk_has_failed(fixture->disk);
        if (has_failed && store->database == NULL)
            fault_assert_error(fixture, error, each->errno_value);
        g_assert_true(has_failed || store->database != NULL);
        disk_heal(fixture->disk);
        store_reopen(store);
        g_assert_cmpuint(database_messages(store->database)->len, ==, 0);
        store_fill(store, 2);
    }
}

/* What a daemon that was killed has left, with a log, on another disk. */
static void fault_crash(FaultFixture *fixture)
{
    Disk *disk = disk_new();

    store_open(&fixture->store);
    store_note_start(&fixture->store);
    store_fill(&fixture->store, 2);
    disk_copy(fixture->disk, disk);
    store_close(&fixture->store);
    disk_free(fixture->disk);
    fixture->disk = disk;
    fixture->store.options.vfs = disk_vfs(disk);
}

static bool fault_begin_run(StoreFixture *store, bool *ret_same_boot, bool *ret_clean)
{
    g_autoptr(GError) error = NULL;
    bool done =
            database_note_start(store->database, "boot", "run", ret_same_boot, ret_clean, &error);

    g_assert_no_error(error);
    return done;
}

/* A disk that is full keeps no daemon from its start: everything can be read. What the disk has
 * refused is kept with the first group that is. */
static void test_full_at_start(FaultFixture *fixture, const void *unused)
{
    StoreFixture *store = &fixture->store;
    bool same_boot = false, clean = true;
    g_autoptr(GError) error = NULL;
    uint64_t limit = 0;

    fault_crash(fixture);
    disk_fail(fixture->disk, DISK_WRITE | DISK_TRUNCATE, 1, ENOSPC, false);
    store_open(store);
    g_autoptr(GPtrArray) services = store_load(store);
    g_assert_cmpuint(services->len, ==, 2);
    g_assert_true(fault_begin_run(store, &same_boot, &clean));
    g_assert_true(same_boot && !clean);
    const GPtrArray *messages = database_messages(store->database);
    g_assert_cmpuint(messages->len, ==, 1);
    g_assert_nonnull(strstr(messages->pdata[0], "No space left on device"));

    uint64_t first = database_next_serial(store->database);
    g_assert_cmpuint(first, >=, clock_wall_usec(store->options.clock));
    g_assert_false(fault_try_group(store, 0, &error));
    fault_assert_error(fixture, error, ENOSPC);
    g_assert_false(store->durable->reserve_serials(store->durable, first, 1000, &limit, NULL));

    disk_heal(fixture->disk);
    g_assert_true(fault_try_group(store, 1, NULL));
    store_reopen(store);
    same_boot = false;
    g_assert_cmpuint(database_next_serial(store->database), ==, first + 1000);
    g_assert_true(fault_begin_run(store, &same_boot, &clean));
    g_assert_true(same_boot && !clean);
}

/* The run that could not be noted ends as it should. */
static void test_late_start(FaultFixture *fixture, const void *unused)
{
    StoreFixture *store = &fixture->store;
    bool same_boot = true, clean = false;

    store_open(store);
    store_note_start(store);
    disk_fail(fixture->disk, DISK_WRITE, 1, ENOSPC, false);
    g_assert_true(database_note_start(store->database, "later", "run", &same_boot, &clean, NULL));
    g_assert_false(same_boot);
    disk_heal(fixture->disk);
    g_assert_true(database_note_clean_end(store->database, NULL));
    store_reopen(store);
    g_assert_true(database_note_start(store->database, "later", "run", &same_boot, &clean, NULL));
    g_assert_true(same_boot && clean);
}

/* What the kernel has forgotten of the log after a sync that failed is written again before the
 * next group is believed. */
static void test_failed_sync(FaultFixture *fixture, const void *unused)
{
    StoreFixture *store = &fixture->store;
    g_autoptr(GError) error = NULL;

    store_open(store);
    g_assert_true(fault_try_group(store, 1, NULL));
    disk_fail(fixture->disk, DISK_SYNC, 1, EIO, false);
    g_assert_false(fault_try_group(store, 2, &error));
    g_assert_nonnull(strstr(error->message, "(SQLITE_IOERR_FSYNC): Input/output error"));
    disk_heal(fixture->disk);
    g_assert_true(database_wants_checkpoint(store->database));
    unsigned before = disk_steps(fixture->disk)->len;
    store_begin(store);
    store_put_service(store, "next");
    store_commit(store, DURABLE_CRASH);
    bool file_was_synced = false;
    for (unsigned i = before; i < disk_steps(fixture->disk)->len; i++) {
        const DiskStep *step = g_ptr_array_index(disk_steps(fixture->disk), i);

        file_was_synced = file_was_synced ||
                          (step->operation == DISK_SYNC && g_str_equal(step->name, "svcmgr.db"));
    }
    g_assert_true(file_was_synced);
}

/* Only POWER waits for the disk. */
static void test_levels(FaultFixture *fixture, const void *unused)
{
    static const DurableLevel levels[] = {DURABLE_POWER, DURABLE_CRASH, DURABLE_CRASH,
                                          DURABLE_POWER, DURABLE_POWER, DURABLE_CRASH};

    store_open(&fixture->store);
    store_fill(&fixture->store, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        unsigned before = disk_steps(fixture->disk)->len, n_syncs = 0;

        store_begin(&fixture->store);
        store_put_service(&fixture->store, "web");
        store_commit(&fixture->store, levels[i]);
        for (unsigned j = before; j < disk_steps(fixture->disk)->len; j++) {
            const DiskStep *step = g_ptr_array_index(disk_steps(fixture->disk), j);

            n_syncs += step->operation == DISK_SYNC;
            g_assert_cmpstr(step->name, ==, "svcmgr.db-wal");
        }
        g_assert_cmpuint(n_syncs, ==, levels[i] == DURABLE_POWER ? 1 : 0);
    }
}

static const struct {
    const char *name;
    unsigned operations;
} fault_operations[] = {
        {"write", DISK_WRITE},
        {"sync", DISK_SYNC},
        {"truncate", DISK_TRUNCATE},
        {"all", DISK_OPEN | DISK_READ | DISK_WRITE | DISK_SYNC | DISK_TRUNCATE},
};

static const struct {
    const char *name;
    int errno_value;
} fault_errors[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}};

static FaultCase fault_cases[2 * G_N_ELEMENTS(fault_operations) * G_N_ELEMENTS(fault_errors)];

/* Each call fails with each error only with --long. */
static void add_cases(const char *kind, void (*test)(FaultFixture *fixture, const void *data))
{
    bool is_long = g_strcmp0(g_getenv("SVCMGR_TEST_LONG"), "1") == 0;

    for (size_t i = 0; i < G_N_ELEMENTS(fault_cases); i++) {
        size_t operation = i / 2 % G_N_ELEMENTS(fault_operations);
        size_t error = i / 2 / G_N_ELEMENTS(fault_operations);
        bool once = i % 2 == 0;

        if (operation == G_N_ELEMENTS(fault_operations) - 1 && error > 0 && !is_long)
            continue;
        g_autofree char *path =
                g_strdup_printf("/disk-faults/%s/%s/%s/%s", kind, fault_operations[operation].name,
                                fault_errors[error].name, once ? "once" : "from-then-on");

        fault_cases[i] = (FaultCase){.operations = fault_operations[operation].operations,
                                     .errno_value = fault_errors[error].errno_value,
                                     .once = once};
        g_test_add(path, FaultFixture, &fault_cases[i], fault_set_up, test, fault_tear_down);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_cases("life", test_life);
    add_cases("open", test_open);
    g_test_add("/disk-faults/failed-sync", FaultFixture, NULL, fault_set_up, test_failed_sync,
               fault_tear_down);
    g_test_add("/disk-faults/full-at-start", FaultFixture, NULL, fault_set_up, test_full_at_start,
               fault_tear_down);
    g_test_add("/disk-faults/late-start", FaultFixture, NULL, fault_set_up, test_late_start,
               fault_tear_down);
    g_test_add("/disk-faults/levels", FaultFixture, NULL, fault_set_up, test_levels,
               fault_tear_down);
    return g_test_run();
}
