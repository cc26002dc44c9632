/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The wall clock is virtual, so names and times are known beforehand. */

#include "store-fixture.h"

#include <glib/gstdio.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

void store_fixture_set_up(StoreFixture *fixture, const void *unused)
{
    *fixture = (StoreFixture){.root = g_dir_make_tmp("svcmgr-store-XXXXXX", NULL)};
    g_assert_nonnull(fixture->root);
    fixture->state_dir = g_build_filename(fixture->root, "state", NULL);
    fixture->path = g_build_filename(fixture->state_dir, "svcmgr.db", NULL);
    fixture->loop = virtual_loop_new();
    random_seeded_init(&fixture->random, 1);
    fixture->options = (DatabaseOptions){.state_dir = fixture->state_dir,
                                         .clock = virtual_loop_clock(fixture->loop),
                                         .random = &fixture->random.random,
                                         .uid = geteuid()};
}

static void store_remove(const char *path)
{
    GDir *directory = g_dir_open(path, 0, NULL);
    const char *name;

    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);

        store_remove(inner);
    }
    g_clear_pointer(&directory, g_dir_close);
    g_assert_cmpint(g_remove(path), ==, 0);
}

void store_fixture_tear_down(StoreFixture *fixture, const void *unused)
{
    database_close(fixture->database);
    virtual_loop_free(fixture->loop);
    store_remove(fixture->root);
    g_free(fixture->path);
    g_free(fixture->state_dir);
    g_free(fixture->root);
}

void store_open(StoreFixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture->database = database_open(&fixture->options, &error);
    g_assert_no_error(error);
    g_assert_nonnull(fixture->database);
    fixture->durable = database_durable(fixture->database);
}

void store_close(StoreFixture *fixture)
{
    g_clear_pointer(&fixture->database, database_close);
    fixture->durable = NULL;
}

void store_reopen(StoreFixture *fixture)
{
    store_close(fixture);
    store_open(fixture);
}

char *store_open_error(StoreFixture *fixture)
{
    g_autoptr(GError) error = NULL;
    Database *database = database_open(&fixture->options, &error);

    g_assert_null(database);
    g_assert_nonnull(error);
    return g_strdup(error->message);
}

void store_note_start(StoreFixture *fixture)
{
    g_autoptr(GError) error = NULL;
    bool same_boot, clean;

    g_assert_true(
            database_note_start(fixture->database, "boot", "instance", &same_boot, &clean, &error));
    g_assert_no_error(error);
}

void store_begin(StoreFixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(fixture->durable->begin(fixture->durable, &error));
    g_assert_no_error(error);
}

void store_commit(StoreFixture *fixture, DurableLevel level)
{
    g_autoptr(GError) error = NULL;
    bool done = fixture->durable->commit(fixture->durable, level, &error);

    g_assert_no_error(error);
    g_assert_true(done);
}

void store_put_service(StoreFixture *fixture, const char *id)
{
    g_assert_true(fixture->durable->put_service(fixture->durable, id, "process", NULL, NULL, NULL));
}

void store_put_config(StoreFixture *fixture, const char *id, uint64_t revision, ConfigSource source,
                      const char *text)
{
    DurableConfig config = {.revision = revision,
                            .time = 1000 + revision,
                            .source = source,
                            .text = text,
                            .length = strlen(text)};

    g_assert_true(fixture->durable->put_config(fixture->durable, id, &config, NULL));
}

void store_put_state(StoreFixture *fixture, const char *id, bool wanted, const char *error)
{
    DurableState state = {.wanted = wanted,
                          .failed_attempts = error != NULL ? 3 : 0,
                          .failure_class = error != NULL ? FAILURE_TIMEOUT : FAILURE_NONE,
                          .error_time = error != NULL ? 77 : 0,
                          .error = error};

    g_assert_true(fixture->durable->put_state(fixture->durable, id, &state, NULL));
}

void store_fill(StoreFixture *fixture, unsigned n)
{
    store_begin(fixture);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("s%05u", i);
        g_autofree char *text = g_strdup_printf("{\"exec\":[\"sleep\",\"%u\"]}", i);

        store_put_service(fixture, id);
        store_put_config(fixture, id, 1, CONFIG_FROM_BUS, text);
        g_assert_true(fixture->durable->put_enabled(fixture->durable, id, true, NULL));
        store_put_state(fixture, id, true, NULL);
    }
    store_commit(fixture, DURABLE_POWER);
}

GPtrArray *store_load(StoreFixture *fixture)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *services = database_load(fixture->database, &error);

    g_assert_no_error(error);
    g_assert_nonnull(services);
    return services;
}

const SavedService *store_find(GPtrArray *services, const char *id)
{
    for (unsigned i = 0; i < services->len; i++) {
        const SavedService *saved = g_ptr_array_index(services, i);

        if (g_str_equal(saved->id, id))
            return saved;
    }
    return NULL;
}

static int store_compare_names(const void *a, const void *b)
{
    return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

static void store_digest_labels(GString *text, GHashTable *labels)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    void *name, *value;

    if (labels == NULL)
        return;
    g_hash_table_iter_init(&iter, labels);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_ptr_array_add(lines, g_strdup_printf("  %s=%s\n", (char *)name, (char *)value));
    g_ptr_array_sort(lines, store_compare_names);
    for (unsigned i = 0; i < lines->len; i++)
        g_string_append(text, g_ptr_array_index(lines, i));
}

static void store_digest_revisions(GString *text, Database *database, const char *id)
{
    Durable *durable = database_durable(database);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) revisions = durable->list_revisions(durable, id, &error);

    g_assert_no_error(error);
    for (unsigned i = 0; i < revisions->len; i++) {
        const DurableRevision *listed = g_ptr_array_index(revisions, i);
        g_autoptr(DurableRevision) read =
                durable->get_revision(durable, id, listed->revision, &error);

        g_assert_no_error(error);
        g_assert_null(listed->text);
        g_assert_cmpuint(read->time, ==, listed->time);
        g_assert_cmpint(read->source, ==, listed->source);
        g_assert_cmpuint(strlen(read->text), ==, read->length);
        g_string_append_printf(text, "  %" PRIu64 " %" PRIu64 " %d %s\n", read->revision,
                               read->time, read->source, read->text);
    }
}

char *store_digest(Database *database)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) services = database_load(database, &error);
    GString *text = g_string_new(NULL);

    g_assert_no_error(error);
    for (unsigned i = 0; i < services->len; i++) {
        const SavedService *saved = g_ptr_array_index(services, i);

        g_string_append_printf(text, "%s %d %s '%s' %d %d %d %u %d %" PRIu64 " '%s'\n", saved->id,
                               saved->created, saved->kind, saved->description, saved->enabled,
                               saved->has_state, saved->wanted, saved->failed_attempts,
                               saved->failure_class, saved->error_time, saved->error);
        store_digest_labels(text, saved->labels);
        store_digest_revisions(text, database, saved->id);
    }
    return g_string_free(text, FALSE);
}

char *store_read_file(const char *path, size_t *ret_length)
{
    g_autoptr(GError) error = NULL;
    char *bytes = NULL;

    g_file_get_contents(path, &bytes, ret_length, &error);
    g_assert_no_error(error);
    return bytes;
}

void store_write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = g_fopen(path, "wb");

    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(bytes, 1, length, file), ==, length);
    g_assert_cmpint(fclose(file), ==, 0);
}

GPtrArray *store_names(StoreFixture *fixture, const char *prefix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GDir *directory = g_dir_open(fixture->state_dir, 0, NULL);
    const char *name;

    g_assert_nonnull(directory);
    while ((name = g_dir_read_name(directory)) != NULL) {
        if (g_str_has_prefix(name, prefix))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_dir_close(directory);
    g_ptr_array_sort(names, store_compare_names);
    return names;
}
