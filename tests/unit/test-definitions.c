/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories of definitions: what is read, what is reported, and what is not looked at. */

#include "base/errors.h"
#include "base/log.h"
#include "core/kind.h"
#include "store/definitions.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Fixture {
    char *root;
    char *first;
    char *second;
    GString *log; /* warnings */
    GPtrArray *definitions;
} Fixture;

static void on_log(LogLevel level, const char *service, const char *message, void *data)
{
    Fixture *fixture = data;

    if (level <= LOG_LEVEL_WARNING)
        g_string_append_printf(fixture->log, "%s\n", message);
}

static void fixture_set_up(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture->root = g_dir_make_tmp("svcmgr-definitions-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->first = g_build_filename(fixture->root, "first", NULL);
    fixture->second = g_build_filename(fixture->root, "second", NULL);
    g_assert_cmpint(mkdir(fixture->first, 0700), ==, 0);
    g_assert_cmpint(mkdir(fixture->second, 0700), ==, 0);
    fixture->log = g_string_new(NULL);
    log_set_sink(on_log, fixture);
}

static void fixture_remove(const char *path)
{
    GDir *directory = g_dir_open(path, 0, NULL);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            fixture_remove(child);
        else
            g_assert_cmpint(g_unlink(child), ==, 0);
    }
    g_clear_pointer(&directory, g_dir_close);
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void fixture_tear_down(Fixture *fixture, const void *unused)
{
    log_set_sink(NULL, NULL);
    fixture_remove(fixture->root);
    g_clear_pointer(&fixture->definitions, g_ptr_array_unref);
    g_string_free(fixture->log, TRUE);
    g_free(fixture->root);
    g_free(fixture->first);
    g_free(fixture->second);
}

static char *fixture_path(const char *directory, const char *name)
{
    return g_build_filename(directory, name, NULL);
}

static void fixture_write(const char *directory, const char *name, const char *text)
{
    g_autofree char *path = fixture_path(directory, name);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void fixture_load(Fixture *fixture)
{
    const char *directories[] = {fixture->first, fixture->second, NULL};
    g_autoptr(GError) error = NULL;

    fixture->definitions = definitions_load(directories, &error);
    g_assert_no_error(error);
    g_assert_nonnull(fixture->definitions);
}

static Definition *fixture_definition(Fixture *fixture, unsigned index)
{
    g_assert_cmpuint(index, <, fixture->definitions->len);
    return g_ptr_array_index(fixture->definitions, index);
}

/* Loads one file and compares the error; "PATH" in expected stands for its path. */
static void fixture_assert_error(Fixture *fixture, const char *expected)
{
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 1);

    const Definition *definition = fixture_definition(fixture, 0);
    g_autoptr(GString) text = g_string_new(expected);
    g_string_replace(text, "PATH", definition->path, 0);
    g_assert_nonnull(definition->error);
    g_assert_cmpstr(definition->error->message, ==, text->str);
}

static void test_full(Fixture *fixture, const void *unused)
{
    static const char config[] = "{ \"exec\" : [\"/bin/x\", \"}\\\"{\"],\n \"n\": 0.1,"
                                 " \"$comment\": {} }";
    g_autofree char *text = g_strdup_printf(
            " {\"kind\":\"process\", \"labels\": {\"team\": \"red\", \"$comment\": 1, \"a\": \"\"},"
            "\"enabled\":true , \"$comment\": [1, {\"config\": 3}], \"config\" : %s ,"
            "\"description\": \"A web server\"} ",
            config);

    fixture_write(fixture->first, "web.json", text);
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 1);

    const Definition *web = fixture_definition(fixture, 0);
    g_autofree char *path = fixture_path(fixture->first, "web.json");
    g_assert_no_error(web->error);
    g_assert_cmpstr(web->id, ==, "web");
    g_assert_cmpstr(web->path, ==, path);
    g_assert_cmpstr(web->kind, ==, "process");
    g_assert_true(web->enabled);
    g_assert_cmpstr(web->description, ==, "A web server");
    g_assert_cmpuint(g_hash_table_size(web->labels), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(web->labels, "team"), ==, "red");
    g_assert_cmpstr(g_hash_table_lookup(web->labels, "a"), ==, "");
    g_assert_cmpstr(web->config, ==, config);
    g_assert_cmpstr(fixture->log->str, ==, "");
}

static void test_least(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, "web.json", "{\"kind\": \"process\"}");
    fixture_load(fixture);

    const Definition *web = fixture_definition(fixture, 0);
    g_assert_no_error(web->error);
    g_assert_false(web->enabled);
    g_assert_null(web->description);
    g_assert_null(web->labels);
    g_assert_null(web->config);
}

static void test_escaped_member(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, "web.json",
                  "{\"\\u006bind\":\"process\",\"\\u0063onfig\":{\"a\":[[],[{}]]}}");
    fixture_load(fixture);
    g_assert_no_error(fixture_definition(fixture, 0)->error);
    g_assert_cmpstr(fixture_definition(fixture, 0)->config, ==, "{\"a\":[[],[{}]]}");
}

static void test_order_and_precedence(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, "b.json", "{\"kind\": \"first\"}");
    fixture_write(fixture->first, "a.json", "{\"kind\": \"first\"}");
    fixture_write(fixture->second, "c.json", "{\"kind\": \"second\"}");
    fixture_write(fixture->second, "b.json", "{\"kind\": \"second\"}");
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 3);
    g_assert_cmpstr(fixture_definition(fixture, 0)->id, ==, "a");
    g_assert_cmpstr(fixture_definition(fixture, 0)->kind, ==, "first");
    g_assert_cmpstr(fixture_definition(fixture, 1)->id, ==, "b");
    g_assert_cmpstr(fixture_definition(fixture, 1)->kind, ==, "second");
    g_assert_cmpstr(fixture_definition(fixture, 2)->id, ==, "c");
}

static void test_not_looked_at(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, ".hidden.json", "broken");
    fixture_write(fixture->first, ".json", "broken");
    fixture_write(fixture->first, "web.json~", "broken");
    fixture_write(fixture->first, "web.conf", "broken");
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 0);
    g_assert_cmpstr(fixture->log->str, ==, "");
}

static void test_name_is_no_id(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, "-web.json", "{\"kind\": \"process\"}");
    fixture_write(fixture->first, "good.json", "{\"kind\": \"process\"}");
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 1);
    g_assert_cmpstr(fixture_definition(fixture, 0)->id, ==, "good");
    g_assert_nonnull(strstr(fixture->log->str, "/first/-web.json: ignored: "));
}

static void test_all_mistakes(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, "web.json",
                  "{\"enabled\": 1, \"labels\": {\"a\": 2, \"b\": \"x\"}, \"config\": [],"
                  " \"descripton\": \"x\"}");
    fixture_assert_error(fixture, "PATH: enabled: expected true or false, got 1\n"
                                  "PATH: labels.a: expected a string, got 2\n"
                                  "PATH: config: expected an object, got []\n"
                                  "PATH: descripton: unknown member; did you mean "
                                  "\"description\"?\n"
                                  "PATH: kind: required, but missing");

    const Definition *web = fixture_definition(fixture, 0);
    g_assert_error(web->error, SVCMGR_ERROR, (int)ERROR_INVALID_CONFIG);
    g_assert_cmpstr(g_hash_table_lookup(web->labels, "b"), ==, "x");
    g_assert_null(web->kind);
}

static void test_syntax(Fixture *fixture, const void *unused)
{
    g_autofree char *expected = NULL;

    fixture_write(fixture->first, "web.json", "{\"kind\": \"process\",\n  \"config\": {]}");
    fixture_load(fixture);
    expected = g_strdup_printf("%s: line 2, column ", fixture_definition(fixture, 0)->path);
    g_assert_true(g_str_has_prefix(fixture_definition(fixture, 0)->error->message, expected));
    g_assert_cmpstr(fixture_definition(fixture, 0)->id, ==, "web");
}

static void test_broken_hurts_no_other(Fixture *fixture, const void *unused)
{
    fixture_write(fixture->first, "a.json", "");
    fixture_write(fixture->first, "b.json", "{\"kind\": \"process\"}");
    fixture_write(fixture->second, "c.json", "[]");
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 3);
    g_assert_nonnull(fixture_definition(fixture, 0)->error);
    g_assert_no_error(fixture_definition(fixture, 1)->error);
    g_assert_nonnull(fixture_definition(fixture, 2)->error);
}

static void test_too_large(Fixture *fixture, const void *unused)
{
    g_autofree char *text = g_strnfill(JSON_MAX_BYTES + 1, ' ');

    memcpy(text, "{\"kind\":\"process\"}", 18);
    fixture_write(fixture->first, "web.json", text);
    fixture_assert_error(fixture, "PATH is larger than 1048576 bytes");
}

static void test_largest(Fixture *fixture, const void *unused)
{
    g_autofree char *text = g_strnfill(JSON_MAX_BYTES, ' ');

    memcpy(text, "{\"kind\":\"process\"}", 18);
    fixture_write(fixture->first, "web.json", text);
    fixture_load(fixture);
    g_assert_no_error(fixture_definition(fixture, 0)->error);
}

static void test_fifo(Fixture *fixture, const void *unused)
{
    g_autofree char *path = fixture_path(fixture->first, "web.json");

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    fixture_assert_error(fixture, "PATH is not a regular file");
}

static void test_directory(Fixture *fixture, const void *unused)
{
    g_autofree char *path = fixture_path(fixture->first, "web.json");

    g_assert_cmpint(mkdir(path, 0700), ==, 0);
    fixture_assert_error(fixture, "PATH is not a regular file");
}

static void test_symlinks(Fixture *fixture, const void *unused)
{
    g_autofree char *loop = fixture_path(fixture->first, "loop.json");
    g_autofree char *dangling = fixture_path(fixture->first, "dangling.json");
    g_autofree char *good = fixture_path(fixture->first, "web.json");

    fixture_write(fixture->root, "elsewhere", "{\"kind\": \"process\"}");
    g_assert_cmpint(symlink("loop.json", loop), ==, 0);
    g_assert_cmpint(symlink("nowhere", dangling), ==, 0);
    g_assert_cmpint(symlink("../elsewhere", good), ==, 0);
    fixture_load(fixture);
    g_assert_cmpuint(fixture->definitions->len, ==, 3);
    g_assert_nonnull(strstr(fixture_definition(fixture, 0)->error->message, dangling));
    g_assert_nonnull(strstr(fixture_definition(fixture, 1)->error->message, loop));
    g_assert_no_error(fixture_definition(fixture, 2)->error);
}

static void test_unreadable(Fixture *fixture, const void *unused)
{
    g_autofree char *path = fixture_path(fixture->first, "web.json");

    fixture_write(fixture->first, "web.json", "{\"kind\": \"process\"}");
    g_assert_cmpint(chmod(path, 0), ==, 0);
    if (access(path, R_OK) == 0) {
        g_test_skip("root may read everything");
        return;
    }
    fixture_assert_error(fixture, "cannot open PATH: Permission denied");
}

static void test_missing_directories(Fixture *fixture, const void *unused)
{
    const char *directories[] = {"/nowhere/a", fixture->first, "/nowhere/b", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_null(definitions_load(directories, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "/nowhere/a: No such file"));
    g_assert_nonnull(strstr(error->message, "/nowhere/b: No such file"));
}

static void test_unreadable_directory(Fixture *fixture, const void *unused)
{
    g_assert_cmpint(chmod(fixture->first, 0), ==, 0);
    bool is_root = access(fixture->first, R_OK) == 0;

    fixture_write(fixture->second, "web.json", "{\"kind\": \"process\"}");
    fixture_load(fixture);
    g_assert_cmpint(chmod(fixture->first, 0700), ==, 0);
    g_assert_cmpuint(fixture->definitions->len, ==, 1);
    if (is_root)
        g_test_skip("root may read everything");
    else
        g_assert_nonnull(strstr(fixture->log->str, "/first: Permission denied: ignored"));
}

static void test_no_directories(void)
{
    g_autoptr(GPtrArray) definitions = definitions_load(NULL, NULL);

    g_assert_nonnull(definitions);
    g_assert_cmpuint(definitions->len, ==, 0);
}

/* A kind with one member. */
typedef struct TestConfig {
    char *exec;
} TestConfig;

static void *test_config_new(void)
{
    return g_new0(TestConfig, 1);
}

static void test_config_free(void *own)
{
    g_free(((TestConfig *)own)->exec);
    g_free(own);
}

static const JsonMember test_members[] = {
        {"exec", json_read_path, offsetof(TestConfig, exec), NULL, true},
        {NULL, NULL, 0, NULL, false},
};

static const Kind test_kind = {
        .name = "test",
        .members = test_members,
        .config_new = test_config_new,
        .config_free = test_config_free,
};

static void test_check_config(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture_write(fixture->first, "a.json", "{\"kind\": \"test\", \"config\": {\"exec\": \"/x\"}}");
    fixture_write(fixture->first, "b.json", "{\"kind\": \"test\"}");
    fixture_write(fixture->first, "c.json",
                  "{\"kind\": \"test\", \"config\": {\"exec\": 3, \"restart\": {\"max_delay\": -1},"
                  " \"exit\": 1}}");
    fixture_load(fixture);
    g_assert_true(definition_check_config(fixture_definition(fixture, 0), &test_kind, &error));
    g_assert_true(definition_check_config(fixture_definition(fixture, 1), &test_kind, &error));
    g_assert_no_error(error);

    const Definition *bad = fixture_definition(fixture, 2);
    g_assert_no_error(bad->error);
    g_assert_false(definition_check_config(bad, &test_kind, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_CONFIG);
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 3);

    static const char *const places[] = {"config.exec: expected ",
                                         "config.restart.max_delay: expected ",
                                         "config.exit: unknown member"};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *expected = g_strdup_printf("%s: %s", bad->path, places[i]);

        g_assert_true(g_str_has_prefix(lines[i], expected));
    }
}

#define ADD(path, function)                                                                        \
    g_test_add("/definitions/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("full", test_full);
    ADD("least", test_least);
    ADD("escaped-member", test_escaped_member);
    ADD("order-and-precedence", test_order_and_precedence);
    ADD("not-looked-at", test_not_looked_at);
    ADD("name-is-no-id", test_name_is_no_id);
    ADD("broken/all-mistakes", test_all_mistakes);
    ADD("broken/syntax", test_syntax);
    ADD("broken/hurts-no-other", test_broken_hurts_no_other);
    ADD("broken/too-large", test_too_large);
    ADD("broken/largest", test_largest);
    ADD("file/fifo", test_fifo);
    ADD("file/directory", test_directory);
    ADD("file/symlinks", test_symlinks);
    ADD("file/unreadable", test_unreadable);
    ADD("directory/missing", test_missing_directories);
    ADD("directory/unreadable", test_unreadable_directory);
    g_test_add_func("/definitions/directory/none", test_no_directories);
    ADD("check-config", test_check_config);
    return g_test_run();
}
