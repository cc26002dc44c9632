/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the interface promises, function by function, each time after the file was opened anew. */

#include "store-fixture.h"

#include "base/errors.h"

#include <glib/gstdio.h>
#include <string.h>

static void test_empty(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    g_autoptr(GPtrArray) services = store_load(fixture);
    g_assert_cmpuint(services->len, ==, 0);
    g_assert_cmpuint(database_messages(fixture->database)->len, ==, 0);
    g_assert_cmpuint(database_next_serial(fixture->database), ==, 1);
}

static void test_service(StoreFixture *fixture, const void *unused)
{
    g_autoptr(GHashTable) labels = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_insert(labels, (void *)"tier", (void *)"fr\"ont\n");
    g_hash_table_insert(labels, (void *)"", (void *)"");

    store_open(fixture);
    store_begin(fixture);
    g_assert_true(fixture->durable->put_service(fixture->durable, "web", "process", "It's; a web",
                                                labels, NULL));
    g_assert_true(fixture->durable->put_service(fixture->durable, "Web", "kind", NULL, NULL, NULL));
    g_assert_true(fixture->durable->put_enabled(fixture->durable, "other", false, NULL));
    store_commit(fixture, DURABLE_CRASH);
    store_reopen(fixture);

    g_autoptr(GPtrArray) services = store_load(fixture);
    g_assert_cmpuint(services->len, ==, 3);
    const SavedService *plain = g_ptr_array_index(services, 0);
    const SavedService *other = g_ptr_array_index(services, 1);
    const SavedService *web = g_ptr_array_index(services, 2);
    g_assert_cmpstr(plain->id, ==, "Web");
    g_assert_cmpstr(plain->kind, ==, "kind");
    g_assert_true(plain->created);
    g_assert_null(plain->description);
    g_assert_null(plain->labels);
    g_assert_cmpint(plain->enabled, ==, -1);
    g_assert_false(plain->has_state);
    g_assert_null(plain->latest);
    g_assert_cmpstr(other->id, ==, "other");
    g_assert_false(other->created);
    g_assert_null(other->kind);
    g_assert_cmpint(other->enabled, ==, 0);
    g_assert_cmpstr(web->description, ==, "It's; a web");
    g_assert_cmpuint(g_hash_table_size(web->labels), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(web->labels, "tier"), ==, "fr\"ont\n");
    g_assert_cmpstr(g_hash_table_lookup(web->labels, ""), ==, "");
}

static void test_state(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_begin(fixture);
    store_put_state(fixture, "web", true, "main process 7 was killed");
    g_assert_true(fixture->durable->put_enabled(fixture->durable, "web", false, NULL));
    g_assert_true(fixture->durable->put_enabled(fixture->durable, "web", true, NULL));
    store_put_state(fixture, "gone", true, "x");
    store_put_state(fixture, "gone", false, NULL);
    store_commit(fixture, DURABLE_POWER);
    store_reopen(fixture);

    g_autoptr(GPtrArray) services = store_load(fixture);
    const SavedService *web = store_find(services, "web"), *gone = store_find(services, "gone");
    g_assert_true(web->has_state);
    g_assert_true(web->wanted);
    g_assert_cmpint(web->enabled, ==, 1);
    g_assert_cmpuint(web->failed_attempts, ==, 3);
    g_assert_cmpint(web->failure_class, ==, FAILURE_TIMEOUT);
    g_assert_cmpuint(web->error_time, ==, 77);
    g_assert_cmpstr(web->error, ==, "main process 7 was killed");
    g_assert_true(gone->has_state);
    g_assert_false(gone->wanted);
    g_assert_cmpint(gone->failure_class, ==, FAILURE_NONE);
    g_assert_null(gone->error);
}

/* Whatever a number can be comes back. */
static void test_extremes(StoreFixture *fixture, const void *unused)
{
    DurableState state = {.failed_attempts = UINT_MAX,
                          .failure_class = _FAILURE_MAX - 1,
                          .error_time = UINT64_MAX,
                          .error = ""};
    DurableConfig config = {.revision = 1, .time = UINT64_MAX, .text = "", .length = 0};
    g_autofree char *id = g_strnfill(255, 'x');

    store_open(fixture);
    store_begin(fixture);
    g_assert_true(fixture->durable->put_state(fixture->durable, id, &state, NULL));
    g_assert_true(fixture->durable->put_config(fixture->durable, id, &config, NULL));
    store_commit(fixture, DURABLE_CRASH);
    store_reopen(fixture);

    g_autoptr(GPtrArray) services = store_load(fixture);
    const SavedService *saved = store_find(services, id);
    g_assert_cmpuint(saved->failed_attempts, ==, UINT_MAX);
    g_assert_cmpint(saved->failure_class, ==, _FAILURE_MAX - 1);
    g_assert_cmpuint(saved->error_time, ==, UINT64_MAX);
    g_assert_cmpstr(saved->error, ==, "");
    g_assert_cmpuint(saved->latest->time, ==, UINT64_MAX);
    g_assert_cmpstr(saved->latest->text, ==, "");
}

static void test_replace(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_fill(fixture, 3);
    store_begin(fixture);
    store_put_service(fixture, "s00001");
    store_commit(fixture, DURABLE_CRASH);

    g_autoptr(GPtrArray) services = store_load(fixture);
    const SavedService *saved = store_find(services, "s00001");
    g_assert_true(saved->created);
    g_assert_null(saved->latest);
    g_assert_cmpint(saved->enabled, ==, -1);
    g_assert_false(saved->has_state);
    g_assert_nonnull(store_find(services, "s00002")->latest);
}

static void test_drop(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_fill(fixture, 3);
    store_begin(fixture);
    g_assert_true(fixture->durable->drop_service(fixture->durable, "s00001", NULL));
    g_assert_true(fixture->durable->drop_service(fixture->durable, "never", NULL));
    store_commit(fixture, DURABLE_POWER);
    store_reopen(fixture);

    g_autoptr(GPtrArray) services = store_load(fixture);
    g_assert_cmpuint(services->len, ==, 2);
    g_assert_null(store_find(services, "s00001"));
    g_autoptr(GPtrArray) revisions =
            fixture->durable->list_revisions(fixture->durable, "s00001", NULL);
    g_assert_cmpuint(revisions->len, ==, 0);
}

static void test_rollback(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_fill(fixture, 1);
    g_autofree char *before = store_digest(fixture->database);
    store_begin(fixture);
    store_put_service(fixture, "s00000");
    store_put_service(fixture, "new");
    fixture->durable->rollback(fixture->durable);
    fixture->durable->rollback(fixture->durable);
    g_autofree char *after = store_digest(fixture->database);
    g_assert_cmpstr(after, ==, before);

    /* An open group is undone by the close; an empty one is a success. */
    store_begin(fixture);
    store_put_service(fixture, "new");
    store_reopen(fixture);
    store_begin(fixture);
    store_commit(fixture, DURABLE_POWER);
    g_autofree char *reopened = store_digest(fixture->database);
    g_assert_cmpstr(reopened, ==, before);
}

/* Values are the group's from the put on. */
static void test_values_are_copied(StoreFixture *fixture, const void *unused)
{
    char id[] = "web", text[] = "{\"a\":1}";

    store_open(fixture);
    store_begin(fixture);
    store_put_config(fixture, id, 1, CONFIG_FROM_BUS, text);
    memset(id, 'x', sizeof(id) - 1);
    memset(text, 'x', sizeof(text) - 1);
    store_commit(fixture, DURABLE_CRASH);
    g_autoptr(DurableRevision) revision =
            fixture->durable->get_revision(fixture->durable, "web", 1, NULL);
    g_assert_cmpstr(revision->text, ==, "{\"a\":1}");
}

static char *revisions_of(StoreFixture *fixture, const char *id)
{
    g_autoptr(GPtrArray) revisions = fixture->durable->list_revisions(fixture->durable, id, NULL);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < revisions->len; i++) {
        const DurableRevision *revision = g_ptr_array_index(revisions, i);

        g_assert_cmpuint(revision->time, ==, 1000 + revision->revision);
        g_string_append_printf(text, "%s%u%s", i > 0 ? " " : "", (unsigned)revision->revision,
                               revision->source == CONFIG_FROM_DEFINITION ? "d" : "");
    }
    return g_string_free(text, FALSE);
}

/* Writes revisions from first to last; those of the bits in defined come from the definition. */
static void configure(StoreFixture *fixture, unsigned first, unsigned last, unsigned defined)
{
    store_begin(fixture);
    for (unsigned i = first; i <= last; i++) {
        g_autofree char *text = g_strdup_printf("text %u", i);

        store_put_config(fixture, "web", i, i == defined ? CONFIG_FROM_DEFINITION : CONFIG_FROM_BUS,
                         text);
    }
    store_commit(fixture, DURABLE_CRASH);
}

static void test_prune(StoreFixture *fixture, const void *unused)
{
    static const struct {
        unsigned first, last, defined;
        const char *kept;
    } steps[] = {
            {1, 3, 1, "1d 2 3"},
            {4, 20, 0, "1d 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"},
            {21, 21, 0, "1d 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21"},
            {22, 22, 0, "1d 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22"},
            {23, 24, 23, "5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23d 24"},
            {100, 119, 0,
             "23d 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116"
             " 117 118 119"},
    };

    store_open(fixture);
    store_begin(fixture);
    store_put_config(fixture, "other", 1, CONFIG_FROM_BUS, "other");
    store_commit(fixture, DURABLE_CRASH);
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        configure(fixture, steps[i].first, steps[i].last, steps[i].defined);
        g_autofree char *kept = revisions_of(fixture, "web");
        g_assert_cmpstr(kept, ==, steps[i].kept);
    }
    store_reopen(fixture);
    g_autoptr(GPtrArray) services = store_load(fixture);
    const SavedService *web = store_find(services, "web");
    g_assert_cmpuint(web->latest->revision, ==, 119);
    g_assert_cmpstr(web->latest->text, ==, "text 119");
    g_assert_cmpuint(web->latest->length, ==, 8);
    g_assert_cmpuint(web->latest->time, ==, 1119);
    g_assert_cmpuint(web->defined->revision, ==, 23);
    g_assert_cmpstr(web->defined->text, ==, "text 23");
    g_assert_cmpint(web->defined->source, ==, CONFIG_FROM_DEFINITION);
    g_assert_cmpstr(store_find(services, "other")->latest->text, ==, "other");
}

static void test_same_revision(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    configure(fixture, 1, 2, 1);
    store_begin(fixture);
    store_put_config(fixture, "web", 2, CONFIG_FROM_DEFINITION, "again");
    store_commit(fixture, DURABLE_CRASH);
    g_autofree char *kept = revisions_of(fixture, "web");
    g_assert_cmpstr(kept, ==, "1d 2d");

    g_autoptr(GPtrArray) services = store_load(fixture);
    const SavedService *web = store_find(services, "web");
    g_assert_cmpstr(web->latest->text, ==, "again");
    g_assert_cmpstr(web->defined->text, ==, "again");
    g_assert_true(web->latest != web->defined);
}

/* In the group of the create, too. */
static void test_same_revision_of_new(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    configure(fixture, 1, 3, 1);
    store_begin(fixture);
    store_put_service(fixture, "web");
    store_put_config(fixture, "web", 1, CONFIG_FROM_BUS, "first");
    store_put_config(fixture, "web", 1, CONFIG_FROM_BUS, "second");
    store_commit(fixture, DURABLE_CRASH);
    g_autofree char *one = revisions_of(fixture, "web");
    g_assert_cmpstr(one, ==, "1");
    g_autoptr(GPtrArray) services = store_load(fixture);
    g_assert_cmpstr(store_find(services, "web")->latest->text, ==, "second");

    store_begin(fixture);
    store_put_service(fixture, "web");
    for (unsigned i = 1; i <= 25; i++)
        store_put_config(fixture, "web", i, CONFIG_FROM_BUS, "later");
    store_commit(fixture, DURABLE_CRASH);
    g_autofree char *many = revisions_of(fixture, "web");
    g_assert_cmpstr(many, ==, "6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25");
}

static void test_get_revision(StoreFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *large = g_strnfill(1024 * 1024, 'y');

    store_open(fixture);
    store_begin(fixture);
    store_put_config(fixture, "web", 7, CONFIG_FROM_DEFINITION, large);
    store_commit(fixture, DURABLE_CRASH);
    g_autoptr(DurableRevision) revision =
            fixture->durable->get_revision(fixture->durable, "web", 7, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(revision->length, ==, 1024 * 1024);
    g_assert_cmpstr(revision->text, ==, large);
    g_assert_cmpint(revision->source, ==, CONFIG_FROM_DEFINITION);
    g_assert_null(fixture->durable->get_revision(fixture->durable, "web", 8, &error));
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
    g_assert_cmpstr(error->message, ==, "no revision 8 of service 'web' is kept");
}

static void test_serials(StoreFixture *fixture, const void *unused)
{
    uint64_t limit = 0;

    store_open(fixture);
    g_assert_true(fixture->durable->reserve_serials(fixture->durable, 1, 1000, &limit, NULL));
    g_assert_cmpuint(limit, ==, 1000);
    g_assert_cmpuint(database_next_serial(fixture->database), ==, 1);
    g_assert_true(fixture->durable->reserve_serials(fixture->durable, 900, 1000, &limit, NULL));
    g_assert_cmpuint(limit, ==, 1899);
    store_reopen(fixture);
    g_assert_cmpuint(database_next_serial(fixture->database), ==, 1900);
    /* It never goes back. */
    g_assert_true(fixture->durable->reserve_serials(fixture->durable, 1, 1, &limit, NULL));
    g_assert_cmpuint(limit, ==, 1);
    store_reopen(fixture);
    g_assert_cmpuint(database_next_serial(fixture->database), ==, 1900);
}

static void test_lineage(StoreFixture *fixture, const void *unused)
{
    StoreFixture other;

    store_open(fixture);
    g_autofree char *lineage = g_strdup(database_lineage(fixture->database));
    g_assert_cmpuint(strlen(lineage), ==, 16);
    g_assert_cmpuint(strspn(lineage, "0123456789abcdef"), ==, 16);
    store_reopen(fixture);
    g_assert_cmpstr(database_lineage(fixture->database), ==, lineage);

    store_fixture_set_up(&other, NULL);
    random_seeded_init(&other.random, 2);
    store_open(&other);
    g_assert_cmpstr(database_lineage(other.database), !=, lineage);
    store_fixture_tear_down(&other, NULL);
}

static void lineage_replace_by_copy(StoreFixture *fixture)
{
    size_t length;
    g_autofree char *bytes = store_read_file(fixture->path, &length);
    g_autofree char *original = g_strconcat(fixture->path, ".original", NULL);

    g_assert_cmpint(g_rename(fixture->path, original), ==, 0);
    store_write_file(fixture->path, bytes, length);
    g_assert_cmpint(g_chmod(fixture->path, 0600), ==, 0);
}

/* It belongs to the file, under whatever name, and not to what is in it. */
static void test_lineage_of_a_copy(StoreFixture *fixture, const void *unused)
{
    g_autofree char *original = g_strconcat(fixture->path, ".original", NULL);

    store_open(fixture);
    store_fill(fixture, 3);
    g_autofree char *lineage = g_strdup(database_lineage(fixture->database));
    g_assert_false(database_is_copy(fixture->database));
    store_close(fixture);

    lineage_replace_by_copy(fixture);
    store_open(fixture);
    g_assert_true(database_is_copy(fixture->database));
    g_autofree char *copied = g_strdup(database_lineage(fixture->database));
    g_assert_cmpstr(copied, !=, lineage);
    g_assert_cmpuint(strspn(copied, "0123456789abcdef"), ==, 16);
    store_reopen(fixture); /* its own by now */
    g_assert_false(database_is_copy(fixture->database));
    g_assert_cmpstr(database_lineage(fixture->database), ==, copied);
    store_close(fixture);

    g_assert_cmpint(g_rename(original, fixture->path), ==, 0);
    store_open(fixture);
    g_assert_false(database_is_copy(fixture->database));
    g_assert_cmpstr(database_lineage(fixture->database), ==, lineage);
}

static void test_runs(StoreFixture *fixture, const void *unused)
{
    static const struct {
        const char *boot;
        bool same_boot, clean; /* what is expected of the run before */
        bool ends;
    } runs[] = {
            {"a", false, true, true},  {"a", true, true, false},  {"a", true, false, false},
            {"b", false, false, true}, {"c", false, true, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        bool same_boot = !runs[i].same_boot, clean = !runs[i].clean;

        store_open(fixture);
        g_assert_true(database_note_start(fixture->database, runs[i].boot, "x", &same_boot, &clean,
                                          NULL));
        g_assert_cmpint(same_boot, ==, runs[i].same_boot);
        g_assert_cmpint(clean, ==, runs[i].clean);
        if (runs[i].ends)
            g_assert_true(database_note_clean_end(fixture->database, NULL));
        store_close(fixture);
    }
}

static void test_checkpoint(StoreFixture *fixture, const void *unused)
{
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    g_autoptr(GError) error = NULL;
    size_t length;

    store_open(fixture);
    g_assert_false(database_wants_checkpoint(fixture->database));
    store_fill(fixture, 20);
    g_assert_true(database_wants_checkpoint(fixture->database));
    g_assert_true(database_checkpoint(fixture->database, &error));
    g_assert_no_error(error);
    g_assert_false(database_wants_checkpoint(fixture->database));
    store_fill(fixture, 8000); /* a large log: its space is given back */
    g_free(store_read_file(log, &length));
    g_assert_cmpuint(length, >, 1024 * 1024);
    g_assert_true(database_checkpoint(fixture->database, &error));
    g_free(store_read_file(log, &length));
    g_assert_cmpuint(length, ==, 0);
}

static void on_logged(void *data)
{
    ++*(unsigned *)data;
}

/* What was not kept leaves nothing to move. */
static void test_listen(StoreFixture *fixture, const void *unused)
{
    unsigned n = 0;

    store_open(fixture);
    database_listen(fixture->database, on_logged, &n);
    store_fill(fixture, 20);
    g_assert_cmpuint(n, ==, 1);
    store_begin(fixture);
    store_put_service(fixture, "web");
    g_assert_cmpuint(n, ==, 1);
    fixture->durable->rollback(fixture->durable);
    g_assert_cmpuint(n, ==, 1);
    store_fill(fixture, 1);
    g_assert_cmpuint(n, ==, 2);
    database_listen(fixture->database, NULL, NULL);
    store_fill(fixture, 2);
    g_assert_cmpuint(n, ==, 2);
}

/* Nobody calls database_checkpoint: the log stays within its bound, and a commit. */
static void test_log_is_bounded(StoreFixture *fixture, const void *unused)
{
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    g_autofree char *large = g_strnfill(1000 * 1000, 'y');
    size_t largest = 0;

    store_open(fixture);
    for (unsigned i = 1; i <= 24; i++) {
        size_t length;

        store_begin(fixture);
        store_put_config(fixture, "web", i, CONFIG_FROM_BUS, large);
        store_commit(fixture, DURABLE_CRASH);
        g_free(store_read_file(log, &length));
        largest = MAX(largest, length);
    }
    g_assert_cmpuint(largest, >, 8 * 1000 * 1000);
    g_assert_cmpuint(largest, <, 19 * 1000 * 1000);
}

static void test_many(StoreFixture *fixture, const void *unused)
{
    g_autoptr(GTimer) timer = NULL;

    store_open(fixture);
    store_fill(fixture, 10000);
    store_reopen(fixture);
    timer = g_timer_new();
    g_autoptr(GPtrArray) services = store_load(fixture);
    g_test_message("10,000 services in %.1f ms", g_timer_elapsed(timer, NULL) * 1000);
    g_assert_cmpuint(services->len, ==, 10000);
    for (unsigned i = 1; i < services->len; i++) {
        const SavedService *before = g_ptr_array_index(services, i - 1);
        const SavedService *saved = g_ptr_array_index(services, i);

        g_assert_cmpstr(before->id, <, saved->id);
        g_assert_nonnull(saved->latest);
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
    add("/database/empty", test_empty);
    add("/database/service", test_service);
    add("/database/state", test_state);
    add("/database/extremes", test_extremes);
    add("/database/replace", test_replace);
    add("/database/drop", test_drop);
    add("/database/rollback", test_rollback);
    add("/database/values-are-copied", test_values_are_copied);
    add("/database/prune", test_prune);
    add("/database/same-revision", test_same_revision);
    add("/database/same-revision-of-new", test_same_revision_of_new);
    add("/database/get-revision", test_get_revision);
    add("/database/serials", test_serials);
    add("/database/lineage", test_lineage);
    add("/database/lineage-of-a-copy", test_lineage_of_a_copy);
    add("/database/runs", test_runs);
    add("/database/checkpoint", test_checkpoint);
    add("/database/listen", test_listen);
    add("/database/log-is-bounded", test_log_is_bounded);
    add("/database/many", test_many);
    return g_test_run();
}
