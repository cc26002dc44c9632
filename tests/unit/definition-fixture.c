/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that are real, in a directory that goes with the test. */

#include "definition-fixture.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFINITION_FIXTURE_USER 65534

static void on_definition_fixture_log(LogLevel level, const char *service, const char *message,
                                      void *data)
{
    g_string_append_printf(((DefinitionFixture *)data)->log, "%s\n", message);
}

void definition_fixture_set_up(DefinitionFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture->root = g_dir_make_tmp("svcmgr-definitions-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->first = g_build_filename(fixture->root, "first", NULL);
    fixture->second = g_build_filename(fixture->root, "second", NULL);
    fixture->third = g_build_filename(fixture->root, "third", NULL);
    g_assert_cmpint(mkdir(fixture->first, 0700), ==, 0);
    g_assert_cmpint(mkdir(fixture->second, 0700), ==, 0);
    fixture->log = g_string_new(NULL);
    log_set_level(LOG_LEVEL_DEBUG);
    log_set_sink(on_definition_fixture_log, fixture);
}

static void definition_fixture_remove(const char *path)
{
    GDir *directory = g_dir_open(path, 0, NULL);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            definition_fixture_remove(child);
        else
            g_assert_cmpint(g_unlink(child), ==, 0);
    }
    g_clear_pointer(&directory, g_dir_close);
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

void definition_fixture_tear_down(DefinitionFixture *fixture, const void *unused)
{
    log_set_sink(NULL, NULL);
    definition_fixture_remove(fixture->root);
    g_clear_pointer(&fixture->loaded, definitions_free);
    g_assert_cmpstr(fixture->log->str, ==, "");
    g_string_free(fixture->log, TRUE);
    g_free(fixture->root);
    g_free(fixture->first);
    g_free(fixture->second);
    g_free(fixture->third);
}

void definition_fixture_write(const char *directory, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(chmod(path, 0600), ==, 0);
}

bool definition_fixture_try_load(DefinitionFixture *fixture, GError **error)
{
    const DefinitionDirectory directories[] = {
            {fixture->first, false},
            {fixture->second, false},
            {fixture->third, true},
    };
    const DefinitionsOptions options = {
            .directories = directories,
            .n_directories = G_N_ELEMENTS(directories),
            .trust = fixture->trust,
            .max_definitions = fixture->max_definitions,
            .max_entries = fixture->max_entries,
    };

    g_clear_pointer(&fixture->loaded, definitions_free);
    fixture->loaded = definitions_load(&options, error);
    return fixture->loaded != NULL;
}

void definition_fixture_load(DefinitionFixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(definition_fixture_try_load(fixture, &error));
    g_assert_no_error(error);
}

static void definition_fixture_give_away(const char *path)
{
    GDir *directory = NULL;

    if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
        directory = g_dir_open(path, 0, NULL); /* NULL: a file */
    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        definition_fixture_give_away(child);
    }
    g_clear_pointer(&directory, g_dir_close);
    g_assert_cmpint(lchown(path, DEFINITION_FIXTURE_USER, (gid_t)-1), ==, 0);
}

/* Everything becomes another user's, and this process that user meanwhile. */
void definition_fixture_load_humbly(DefinitionFixture *fixture)
{
    bool is_root = geteuid() == 0;

    if (is_root) {
        definition_fixture_give_away(fixture->root);
        g_assert_cmpint(seteuid(DEFINITION_FIXTURE_USER), ==, 0);
    }
    definition_fixture_load(fixture);
    if (is_root)
        g_assert_cmpint(seteuid(0), ==, 0);
}

Definition *definition_fixture_get(DefinitionFixture *fixture, unsigned index)
{
    g_assert_cmpuint(index, <, fixture->loaded->list->len);
    return g_ptr_array_index(fixture->loaded->list, index);
}

static char *definition_fixture_expand(DefinitionFixture *fixture, const char *text,
                                       const char *path)
{
    g_autoptr(GString) expanded = g_string_new(text);

    g_string_replace(expanded, "PATH", path, 0);
    g_string_replace(expanded, "FIRST", fixture->first, 0);
    g_string_replace(expanded, "SECOND", fixture->second, 0);
    return g_string_free(g_steal_pointer(&expanded), FALSE);
}

void definition_fixture_assert_error(DefinitionFixture *fixture, const char *expected)
{
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);

    const Definition *definition = definition_fixture_get(fixture, 0);
    g_autofree char *text = definition_fixture_expand(fixture, expected, definition->path);
    g_assert_nonnull(definition->error);
    g_assert_cmpstr(definition->error->message, ==, text);
}

void definition_fixture_assert_messages(DefinitionFixture *fixture, const char *expected)
{
    g_autofree char *text = definition_fixture_expand(fixture, expected, "");
    g_autoptr(GString) messages = g_string_new(NULL);

    for (unsigned i = 0; i < fixture->loaded->messages->len; i++) {
        const DefinitionMessage *message = g_ptr_array_index(fixture->loaded->messages, i);

        g_string_append_printf(messages, "%s: %s\n", log_level_to_string(message->level),
                               message->text);
    }
    g_assert_cmpstr(messages->str, ==, text);
}
