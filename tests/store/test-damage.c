/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damaged files of several sorts: each is set aside as it was, what can be read comes over, the
 * daemon is told, and the database works. */

#include "store-fixture.h"

#include "store/database-internal.h"

#include <string.h>
#include <unistd.h>

#define DAMAGE_SERVICES 400
#define DAMAGE_PAGE_OF_ROWS 13

/* A filled database whose last run did not end as it should. */
static void damage_set_up(StoreFixture *fixture)
{
    uint64_t limit;

    store_open(fixture);
    store_note_start(fixture);
    store_fill(fixture, DAMAGE_SERVICES);
    g_assert_true(fixture->durable->reserve_serials(fixture->durable, 1, 5000, &limit, NULL));
    store_close(fixture);
}

static void damage_overwrite(const char *path, size_t offset, size_t length, int byte)
{
    size_t total;
    g_autofree char *bytes = store_read_file(path, &total);

    g_assert_cmpuint(offset + length, <=, total);
    memset(bytes + offset, byte, length);
    store_write_file(path, bytes, total);
}

static char *damage_messages(StoreFixture *fixture)
{
    const GPtrArray *messages = database_messages(fixture->database);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < messages->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)g_ptr_array_index(messages, i));
    return g_string_free(text, FALSE);
}

/* Everything that is left is as it was written. Gives how many services have all that they had. */
static unsigned damage_count_whole(StoreFixture *fixture)
{
    g_autoptr(GPtrArray) services = store_load(fixture);
    unsigned n_whole = 0;

    for (unsigned i = 0; i < services->len; i++) {
        const SavedService *saved = g_ptr_array_index(services, i);
        unsigned number = (unsigned)g_ascii_strtoull(saved->id + 1, NULL, 10);
        g_autofree char *text = g_strdup_printf("{\"exec\":[\"sleep\",\"%u\"]}", number);

        g_assert_cmpuint(number, <, DAMAGE_SERVICES);
        if (saved->created)
            g_assert_cmpstr(saved->kind, ==, "process");
        if (saved->latest != NULL)
            g_assert_cmpstr(saved->latest->text, ==, text);
        if (saved->has_state)
            g_assert_true(saved->wanted);
        if (saved->enabled >= 0)
            g_assert_cmpint(saved->enabled, ==, 1);
        n_whole +=
                saved->created && saved->latest != NULL && saved->has_state && saved->enabled == 1;
    }
    return n_whole;
}

static void damage_assert_works(StoreFixture *fixture)
{
    int64_t n = 0;

    store_note_start(fixture);
    store_begin(fixture);
    store_put_service(fixture, "s00001");
    store_put_config(fixture, "s00001", 2, CONFIG_FROM_BUS, "{\"exec\":[\"sleep\",\"1\"]}");
    store_commit(fixture, DURABLE_POWER);
    store_reopen(fixture);
    g_assert_cmpuint(database_messages(fixture->database)->len, ==, 0);
    g_assert_true(database_query_integer(fixture->database,
                                         "SELECT count(*) FROM pragma_integrity_check WHERE"
                                         " integrity_check <> 'ok'",
                                         &n, NULL));
    g_assert_cmpint(n, ==, 0);
    g_autoptr(DurableRevision) revision =
            fixture->durable->get_revision(fixture->durable, "s00001", 2, NULL);
    g_assert_nonnull(revision);
}

/* The virtual clock says when. */
#define DAMAGE_NAME "svcmgr.db.damaged-20000101T000000Z"

/* Opens what was damaged; gives the number of services that came over whole. */
static unsigned damage_mend(StoreFixture *fixture, bool lineage_is_kept)
{
    size_t length, kept_length;
    g_autofree char *bytes = store_read_file(fixture->path, &length);
    g_autofree char *name = g_build_filename(fixture->state_dir, DAMAGE_NAME, NULL);

    random_seeded_init(&fixture->random, 99);
    store_open(fixture);
    g_autofree char *messages = damage_messages(fixture);
    g_test_message("%s", messages);
    g_assert_nonnull(strstr(messages, name));
    g_autofree char *kept = store_read_file(name, &kept_length);
    g_assert_cmpmem(bytes, length, kept, kept_length);

    RandomSeeded same;
    random_seeded_init(&same, 1);
    g_autofree char *lineage = g_strdup_printf("%016lx", random_next(&same.random));
    g_assert_cmpint(g_str_equal(database_lineage(fixture->database), lineage), ==, lineage_is_kept);
    g_assert_cmpint(strstr(messages, "was lost") == NULL, ==, lineage_is_kept);
    g_assert_cmpuint(database_next_serial(fixture->database), >, 5000);
    /* Nothing of the mending itself stays. */
    g_autoptr(GPtrArray) names = store_names(fixture, "");
    for (unsigned i = 0; i < names->len; i++) {
        const char *left = g_ptr_array_index(names, i);

        g_assert_true(g_str_has_prefix(left, DAMAGE_NAME) || g_str_equal(left, "svcmgr.db") ||
                      g_str_equal(left, "svcmgr.db-wal"));
    }
    return damage_count_whole(fixture);
}

static void test_header(StoreFixture *fixture, const void *unused)
{
    damage_set_up(fixture);
    damage_overwrite(fixture->path, 0, 100, 'x');
    g_assert_cmpuint(damage_mend(fixture, true), ==, DAMAGE_SERVICES);
    damage_assert_works(fixture);
}

static void test_first_page(StoreFixture *fixture, const void *unused)
{
    damage_set_up(fixture);
    damage_overwrite(fixture->path, 0, DATABASE_PAGE_BYTES, 0);
    g_assert_cmpuint(damage_mend(fixture, true), ==, DAMAGE_SERVICES);
    damage_assert_works(fixture);
}

static void test_marks(StoreFixture *fixture, const void *unused)
{
    damage_set_up(fixture);
    damage_overwrite(fixture->path, 60, 12, 0); /* version and application */
    g_assert_cmpuint(damage_mend(fixture, true), ==, DAMAGE_SERVICES);
    damage_assert_works(fixture);
}

static size_t damage_pages(StoreFixture *fixture)
{
    size_t length;

    g_free(store_read_file(fixture->path, &length));
    return length / DATABASE_PAGE_BYTES;
}

/* How many rows of services are on a page: SQLite's file format, "B-tree Pages". All else that has
 * pages of rows is on the first one. */
static unsigned damage_rows(const char *bytes, size_t page)
{
    const uint8_t *header = (const uint8_t *)bytes + page * DATABASE_PAGE_BYTES;

    return header[0] == DAMAGE_PAGE_OF_ROWS ? header[3] << 8 | header[4] : 0;
}

/* Each page but the first, one after the other: what was not on it is there. */
static void test_each_page(StoreFixture *fixture, const void *unused)
{
    static const int bytes[] = {0, 0xff, 'x'};
    size_t length, n_pages;
    unsigned n_mended = 0;

    damage_set_up(fixture);
    g_autofree char *sound = store_read_file(fixture->path, &length);
    n_pages = damage_pages(fixture);
    g_assert_cmpuint(n_pages, >, 15);
    for (size_t i = 1; i < n_pages; i++) {
        g_autoptr(GPtrArray) names = NULL;

        store_write_file(fixture->path, sound, length);
        damage_overwrite(fixture->path, i * DATABASE_PAGE_BYTES, DATABASE_PAGE_BYTES,
                         bytes[i % G_N_ELEMENTS(bytes)]);
        store_open(fixture);
        g_autofree char *messages = damage_messages(fixture);
        unsigned n_whole = damage_count_whole(fixture);
        g_test_message("page %zu: %u of %u whole; %s", i + 1, n_whole, DAMAGE_SERVICES, messages);
        n_mended += messages[0] != '\0';
        g_assert_cmpuint(n_whole, ==, DAMAGE_SERVICES - damage_rows(sound, i));
        damage_assert_works(fixture);
        store_close(fixture);
        names = store_names(fixture, "svcmgr.db.damaged-");
        g_assert_cmpuint(names->len, ==, n_mended);
    }
    /* A page that is free or of an index alone may go unnoticed by the check, and does no harm. */
    g_assert_cmpuint(n_mended, >=, n_pages - 3);
}

static void test_truncated(StoreFixture *fixture, const void *unused)
{
    damage_set_up(fixture);
    size_t n_pages = damage_pages(fixture);
    g_assert_cmpint(truncate(fixture->path, (off_t)(n_pages - 2) * DATABASE_PAGE_BYTES - 100), ==,
                    0);
    unsigned n_whole = damage_mend(fixture, true);
    g_assert_cmpuint(n_whole, >, 0);
    g_assert_cmpuint(n_whole, <, DAMAGE_SERVICES);
    damage_assert_works(fixture);
}

static void test_no_database(StoreFixture *fixture, const void *unused)
{
    damage_set_up(fixture);
    store_write_file(fixture->path, "Dear diary,\n", 12);
    g_assert_cmpuint(damage_mend(fixture, false), ==, 0);
    /* A serial that was given is not given again: the wall clock is ahead of all of them. */
    g_assert_cmpuint(database_next_serial(fixture->database), >,
                     UINT64_C(946684800) * USEC_PER_SEC);
    damage_assert_works(fixture);
}

#define DAMAGE_GROUPS 4

/* Ends the run as if the daemon had died, with all that the last group wrote in the log. */
static void damage_crash(StoreFixture *fixture, char **ret_log, size_t *ret_log_length)
{
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    size_t length;

    store_open(fixture);
    store_note_start(fixture);
    g_assert_true(database_checkpoint(fixture->database, NULL));
    store_fill(fixture, DAMAGE_SERVICES);
    g_autofree char *bytes = store_read_file(fixture->path, &length);
    *ret_log = store_read_file(log, ret_log_length);
    store_close(fixture);
    store_write_file(fixture->path, bytes, length);
    store_write_file(log, *ret_log, *ret_log_length);
}

static size_t damage_log_length(StoreFixture *fixture)
{
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    size_t length;

    g_free(store_read_file(log, &length));
    return length;
}

/* A service in the file and several groups of one each in the log, as a daemon that died leaves
 * them; gives how long the log was before each of them, and at the end. */
static void damage_make_log(StoreFixture *fixture, char **ret_log, size_t *ret_lengths)
{
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    size_t length;

    store_open(fixture);
    store_note_start(fixture);
    store_fill(fixture, 1);
    store_reopen(fixture); /* with a new log */
    ret_lengths[0] = 0;
    for (unsigned i = 0; i < DAMAGE_GROUPS; i++) {
        g_autofree char *id = g_strdup_printf("s%05u", i + 1);

        store_begin(fixture);
        store_put_service(fixture, id);
        store_commit(fixture, DURABLE_POWER);
        ret_lengths[i + 1] = damage_log_length(fixture);
        g_assert_cmpuint(ret_lengths[i + 1], >, ret_lengths[i]);
    }
    g_autofree char *bytes = store_read_file(fixture->path, &length);
    *ret_log = store_read_file(log, &ret_lengths[DAMAGE_GROUPS]);
    store_close(fixture);
    store_write_file(fixture->path, bytes, length);
}

/* Where it is damaged the log ends, as SQLite reads it, which cannot be told from a group that the
 * crash cut off: the groups before are there, whole, and nobody is told. */
static void test_log(StoreFixture *fixture, const void *unused)
{
    g_autofree char *bytes = NULL, *log = g_strconcat(fixture->path, "-wal", NULL);
    size_t length, lengths[DAMAGE_GROUPS + 1];

    damage_make_log(fixture, &bytes, lengths);
    g_autofree char *sound = store_read_file(fixture->path, &length);
    for (unsigned i = 0; i <= DAMAGE_GROUPS; i++) {
        store_write_file(fixture->path, sound, length);
        store_write_file(log, bytes, lengths[DAMAGE_GROUPS]);
        if (i < DAMAGE_GROUPS)
            damage_overwrite(log, (lengths[i] + lengths[i + 1]) / 2, 10, 'x');
        store_open(fixture);
        g_assert_cmpuint(database_messages(fixture->database)->len, ==, 0);
        g_autoptr(GPtrArray) services = store_load(fixture);
        g_assert_cmpuint(services->len, ==, 1 + i);
        for (unsigned j = 0; j <= i; j++) {
            g_autofree char *id = g_strdup_printf("s%05u", j);

            g_assert_nonnull(store_find(services, id));
        }
        damage_assert_works(fixture);
        store_close(fixture);
    }
}

static void test_log_alone(StoreFixture *fixture, const void *unused)
{
    g_autofree char *log_bytes = NULL;
    size_t log_length;

    damage_crash(fixture, &log_bytes, &log_length);
    store_write_file(fixture->path, "", 0);
    store_open(fixture);
    g_autofree char *messages = damage_messages(fixture);
    g_assert_nonnull(strstr(messages, "it is empty, and its log is not"));
    g_assert_cmpuint(damage_count_whole(fixture), >, DAMAGE_SERVICES / 2);

    g_autofree char *kept = g_build_filename(fixture->state_dir, DAMAGE_NAME "-wal", NULL);
    size_t kept_length;
    g_autofree char *kept_bytes = store_read_file(kept, &kept_length);
    g_assert_cmpmem(kept_bytes, kept_length, log_bytes, log_length);
    damage_assert_works(fixture);
}

/* After a clean end nobody looks at every page; the load does. */
static void test_found_by_load(StoreFixture *fixture, const void *unused)
{
    damage_set_up(fixture);
    store_open(fixture);
    g_assert_true(database_note_clean_end(fixture->database, NULL));
    store_close(fixture);
    size_t n_pages = damage_pages(fixture);
    for (size_t i = 8; i < n_pages; i++)
        damage_overwrite(fixture->path, i * DATABASE_PAGE_BYTES, DATABASE_PAGE_BYTES, 'x');
    store_open(fixture);
    g_assert_cmpuint(database_messages(fixture->database)->len, ==, 0);
    (void)damage_count_whole(fixture);
    g_assert_cmpuint(database_messages(fixture->database)->len, >=, 2);
    damage_assert_works(fixture);
}

/* SQLite finds no fault with these rows. */
static void test_nonsense(StoreFixture *fixture, const void *unused)
{
    static const char *const rows[] = {
            "UPDATE service SET id = '../x' WHERE id = 's00007'",
            "UPDATE service SET labels = '{' WHERE id = 's00007'",
            "UPDATE service SET kind = x'00ff' WHERE id = 's00007'",
            "UPDATE state SET failure_class = 'bad luck' WHERE id = 's00007'",
            "UPDATE state SET wanted = 2 WHERE id = 's00007'",
            "UPDATE state SET failed_attempts = -1 WHERE id = 's00007'",
            "UPDATE enabled SET enabled = 'yes' WHERE id = 's00007'",
            "UPDATE revision SET source = 9 WHERE id = 's00007'",
            "UPDATE revision SET text = CAST(x'c328' AS TEXT) WHERE id = 's00007'",
            "UPDATE revision SET text = CAST(x'410042' AS TEXT) WHERE id = 's00007'",
    };

    damage_set_up(fixture);
    size_t length;
    g_autofree char *sound = store_read_file(fixture->path, &length);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        store_write_file(fixture->path, sound, length);
        store_open(fixture);
        g_assert_true(database_execute(fixture->database, rows[i], "spoil", NULL));
        g_assert_cmpuint(damage_count_whole(fixture), ==, DAMAGE_SERVICES - 1);
        g_autofree char *messages = damage_messages(fixture);
        if (strstr(messages, "1 places could not be read") == NULL)
            g_error("%s: %s", rows[i], messages);
        store_close(fixture);
    }
}

/* The last run's mending broke off, at each of its steps. */
static void test_interrupted(StoreFixture *fixture, const void *unused)
{
    g_autofree char *fresh = g_strconcat(fixture->path, ".new", NULL);
    g_autofree char *copy = g_strconcat(fixture->path, ".salvage", NULL);
    g_autofree char *mended = g_strconcat(fixture->path, ".mended", NULL);
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    size_t length, log_length;

    damage_set_up(fixture);
    g_autofree char *sound = store_read_file(fixture->path, &length);
    /* Before the new file was whole: begun again. */
    store_write_file(fresh, "half", 4);
    store_write_file(copy, "half", 4);
    damage_overwrite(fixture->path, 0, 100, 'x');
    g_assert_cmpuint(damage_mend(fixture, true), ==, DAMAGE_SERVICES);
    /* After: put in its place, and the old log not taken for its own. */
    store_begin(fixture);
    store_put_service(fixture, "s00000");
    store_commit(fixture, DURABLE_POWER);
    g_autofree char *log_bytes = store_read_file(log, &log_length);
    store_close(fixture);
    store_write_file(mended, sound, length);
    store_write_file(fixture->path, "damaged", 7);
    store_write_file(log, log_bytes, log_length);
    store_open(fixture);
    g_assert_cmpuint(database_messages(fixture->database)->len, ==, 0);
    g_assert_cmpuint(damage_count_whole(fixture), ==, DAMAGE_SERVICES);
    g_assert_cmpint(access(mended, F_OK), ==, -1);
    damage_assert_works(fixture);
}

/* What was set aside before stays, although it is the same second. */
static void test_again(StoreFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 3; i++) {
        damage_set_up(fixture);
        damage_overwrite(fixture->path, 0, 16, (int)('a' + i));
        store_open(fixture);
        store_close(fixture);
    }
    g_autoptr(GPtrArray) names = store_names(fixture, DAMAGE_NAME);
    g_assert_cmpuint(names->len, ==, 3);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *path =
                g_build_filename(fixture->state_dir, g_ptr_array_index(names, i), NULL);
        g_autofree char *bytes = store_read_file(path, NULL);

        g_assert_cmpint(bytes[0], ==, (int)('a' + i));
    }
}

typedef void (*StoreTest)(StoreFixture *fixture, const void *unused);

static void add(const char *path, StoreTest test)
{
    g_test_add(path, StoreFixture, NULL, store_fixture_set_up, test, store_fixture_tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/damage/header", test_header);
    add("/damage/first-page", test_first_page);
    add("/damage/marks", test_marks);
    add("/damage/each-page", test_each_page);
    add("/damage/truncated", test_truncated);
    add("/damage/no-database", test_no_database);
    add("/damage/log", test_log);
    add("/damage/log-alone", test_log_alone);
    add("/damage/found-by-load", test_found_by_load);
    add("/damage/nonsense", test_nonsense);
    add("/damage/interrupted", test_interrupted);
    add("/damage/again", test_again);
    return g_test_run();
}
