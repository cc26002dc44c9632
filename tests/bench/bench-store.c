/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What it costs to keep things. Creates, in groups as one turn of the loop makes them, beside bare
 * SQLite that inserts the same rows in the same groups into the same tables; one synced commit
 * beside one sync of a file that has grown by as much; and what a start reads. */

#include "bench.h"
#include "sqlite-floor.h"

#include "base/clock.h"
#include "base/fds.h"
#include "base/random.h"
#include "store/database.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define STORE_GROUP 64
#define STORE_ROUNDS 9
#define STORE_FSYNC_BYTES (5 * 4120) /* pages of a small commit, each with its head in the log */

static const char store_config[] =
        "{\"exec\":[\"/bin/sleep\",\"infinity\"],\"restart\":{\"policy\":\"always\"}}";

typedef struct StoreBench {
    Bench bench;
    char *state_dir;
    Database *database;
    SqliteFloor floor;
    int fd;
    unsigned n_groups; /* of a round */
    unsigned next;     /* number of the next service */
} StoreBench;

static void store_open(StoreBench *store)
{
    DatabaseOptions options = {.state_dir = store->state_dir,
                               .clock = clock_system(),
                               .random = random_system(),
                               .uid = geteuid()};
    g_autoptr(GError) error = NULL;

    store->database = database_open(&options, &error);
    g_assert_no_error(error);
}

static void store_create(StoreBench *store, const char *id)
{
    Durable *durable = database_durable(store->database);
    DurableState state = {.wanted = true};
    DurableConfig config = {
            .revision = 1, .time = 1, .text = store_config, .length = sizeof(store_config) - 1};

    g_assert_true(durable->put_service(durable, id, "process", NULL, NULL, NULL));
    g_assert_true(durable->put_config(durable, id, &config, NULL));
    g_assert_true(durable->put_state(durable, id, &state, NULL));
}

/* Creates a second, of one round; the log is moved outside of the measured time. */
static double store_round(void *data)
{
    StoreBench *store = data;
    Durable *durable = database_durable(store->database);
    uint64_t start = clock_monotonic_usec(clock_system());

    for (unsigned i = 0; i < store->n_groups; i++) {
        g_assert_true(durable->begin(durable, NULL));
        for (unsigned j = 0; j < STORE_GROUP; j++) {
            g_autofree char *id = bench_id(store->next++);

            store_create(store, id);
        }
        g_assert_true(durable->commit(durable, DURABLE_POWER, NULL));
    }
    uint64_t end = clock_monotonic_usec(clock_system());
    g_assert_true(database_checkpoint(store->database, NULL));
    return store->n_groups * STORE_GROUP * 1e6 / (double)(end - start);
}

static double store_floor_round(void *data)
{
    StoreBench *store = data;
    uint64_t start = clock_monotonic_usec(clock_system());

    for (unsigned i = 0; i < store->n_groups; i++) {
        sqlite_floor_begin(&store->floor);
        for (unsigned j = 0; j < STORE_GROUP; j++) {
            g_autofree char *id = bench_id(store->next++);

            sqlite_floor_create(&store->floor, id, store_config, true);
        }
        sqlite_floor_commit(&store->floor);
    }
    uint64_t end = clock_monotonic_usec(clock_system());
    sqlite_floor_checkpoint(&store->floor);
    return store->n_groups * STORE_GROUP * 1e6 / (double)(end - start);
}

/* Milliseconds of one create of its own; the median of a few. */
static double store_commit_round(void *data)
{
    StoreBench *store = data;
    Durable *durable = database_durable(store->database);
    double msec[STORE_GROUP];

    for (unsigned i = 0; i < G_N_ELEMENTS(msec); i++) {
        g_autofree char *id = bench_id(store->next++);
        uint64_t start = clock_monotonic_usec(clock_system());

        g_assert_true(durable->begin(durable, NULL));
        store_create(store, id);
        g_assert_true(durable->commit(durable, DURABLE_POWER, NULL));
        msec[i] = (double)(clock_monotonic_usec(clock_system()) - start) / 1000;
    }
    g_assert_true(database_checkpoint(store->database, NULL));
    return bench_median(msec, G_N_ELEMENTS(msec));
}

static double store_fsync_round(void *data)
{
    static const char bytes[STORE_FSYNC_BYTES];
    StoreBench *store = data;
    double msec[STORE_GROUP];

    for (unsigned i = 0; i < G_N_ELEMENTS(msec); i++) {
        uint64_t start = clock_monotonic_usec(clock_system());

        g_assert_cmpint(write(store->fd, bytes, sizeof(bytes)), ==, sizeof(bytes));
        g_assert_cmpint(fsync(store->fd), ==, 0);
        msec[i] = (double)(clock_monotonic_usec(clock_system()) - start) / 1000;
    }
    return bench_median(msec, G_N_ELEMENTS(msec));
}

static void store_measure_load(StoreBench *store)
{
    g_autoptr(GError) error = NULL;

    database_close(store->database);
    store_open(store);
    uint64_t start = clock_monotonic_usec(clock_system());
    g_autoptr(GPtrArray) services = database_load(store->database, &error);
    double msec = (double)(clock_monotonic_usec(clock_system()) - start) / 1000;
    g_assert_no_error(error);
    g_assert_cmpuint(services->len, >, 0);
    bench_note("%u services loaded in %.1f ms", services->len, msec);
    bench_figure("store/load", msec * 10000 / services->len, "ms/10000", "<= 100");
}

int main(int argc, char **argv)
{
    StoreBench store = {0};

    bench_init(&store.bench, argc, argv);
    store.n_groups = store.bench.quick ? 1 : 20;
    store.state_dir = g_build_filename(store.bench.fixture.root, "kept", NULL);
    g_autofree char *path = g_build_filename(store.bench.fixture.root, "synced", NULL);
    store.fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(store.fd, >=, 0);
    store_open(&store);
    g_autofree char *floor_path = g_build_filename(store.bench.fixture.root, "floor.db", NULL);
    sqlite_floor_open(&store.floor, floor_path);

    unsigned rounds = store.bench.quick ? 1 : STORE_ROUNDS;
    double ratio = bench_compare("creates a second, bare SQLite and ours", rounds,
                                 store_floor_round, &store, store_round, &store);
    bench_figure("store/creates", ratio, "of bare SQLite", ">= 0.5");
    ratio = bench_compare("ms for one sync of a file and for one commit", rounds, store_fsync_round,
                          &store, store_commit_round, &store);
    bench_figure("store/commit", ratio, "of a sync", "<= 2.0");
    store_measure_load(&store);

    database_close(store.database);
    sqlite_floor_close(&store.floor);
    (void)fd_close(store.fd);
    g_free(store.state_dir);
    return bench_done(&store.bench);
}
