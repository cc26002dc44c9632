/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One definition: what is read of it, what is reported, and what is not looked at. */

#include "base/errors.h"
#include "core/kind.h"
#include "definition-fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_full(DefinitionFixture *fixture, const void *unused)
{
    static const char config[] = "{ \"exec\" : [\"/bin/x\", \"}\\\"{\"],\n \"n\": 0.1,"
                                 " \"$comment\": {} }";
    g_autofree char *text = g_strdup_printf(
            " {\"kind\":\"process\", \"labels\": {\"team\": \"red\", \"$comment\": 1, \"a\": \"\"},"
            "\"enabled\":true , \"$comment\": [1, {\"config\": 3}], \"config\" : %s ,"
            "\"description\": \"A web server\"} ",
            config);

    definition_fixture_write(fixture->first, "web.json", text);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);

    const Definition *web = definition_fixture_get(fixture, 0);
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);
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
    definition_fixture_assert_messages(fixture, "");
}

static void test_least(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json", "{\"kind\": \"process\"}");
    definition_fixture_load(fixture);

    const Definition *web = definition_fixture_get(fixture, 0);
    g_assert_no_error(web->error);
    g_assert_false(web->enabled);
    g_assert_null(web->description);
    g_assert_null(web->labels);
    g_assert_null(web->config);
}

static void test_escaped_member(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json",
                             "{\"\\u006bind\":\"process\",\"\\u0063onfig\":{\"a\":[[],[{}]]}}");
    definition_fixture_load(fixture);
    g_assert_no_error(definition_fixture_get(fixture, 0)->error);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->config, ==, "{\"a\":[[],[{}]]}");
}

static void test_order_and_precedence(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "b.json", "{\"kind\": \"first\"}");
    definition_fixture_write(fixture->first, "a.json", "{\"kind\": \"first\"}");
    definition_fixture_write(fixture->second, "c.json", "{\"kind\": \"second\"}");
    definition_fixture_write(fixture->second, "b.json", "{\"kind\": \"second\"}");
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 3);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->id, ==, "a");
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->kind, ==, "first");
    g_assert_cmpstr(definition_fixture_get(fixture, 1)->id, ==, "b");
    g_assert_cmpstr(definition_fixture_get(fixture, 1)->kind, ==, "second");
    g_assert_cmpstr(definition_fixture_get(fixture, 2)->id, ==, "c");
}

static void test_not_looked_at(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, ".hidden.json", "broken");
    definition_fixture_write(fixture->first, ".json", "broken");
    definition_fixture_write(fixture->first, "web.json~", "broken");
    definition_fixture_write(fixture->first, "web.conf", "broken");
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 0);
    definition_fixture_assert_messages(fixture, "");
}

static void test_name_is_no_id(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "-web.json", "{\"kind\": \"process\"}");
    definition_fixture_write(fixture->first, "good.json", "{\"kind\": \"process\"}");
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->id, ==, "good");
    g_assert_cmpuint(fixture->loaded->messages->len, ==, 1);
    const DefinitionMessage *message = g_ptr_array_index(fixture->loaded->messages, 0);
    g_assert_cmpint(message->level, ==, LOG_LEVEL_WARNING);
    g_assert_nonnull(strstr(message->text, "/first/-web.json: ignored: "));
}

static void test_all_mistakes(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(
            fixture->first, "web.json",
            "{\"enabled\": 1, \"labels\": {\"a\": 2, \"b\": \"x\"}, \"config\": [],"
            " \"descripton\": \"x\"}");
    definition_fixture_assert_error(fixture, "PATH: enabled: expected true or false, got 1\n"
                                             "PATH: labels.a: expected a string, got 2\n"
                                             "PATH: config: expected an object, got []\n"
                                             "PATH: descripton: unknown member; did you mean "
                                             "\"description\"?\n"
                                             "PATH: kind: required, but missing");

    const Definition *web = definition_fixture_get(fixture, 0);
    g_assert_error(web->error, SVCMGR_ERROR, (int)ERROR_INVALID_CONFIG);
    g_assert_cmpstr(g_hash_table_lookup(web->labels, "b"), ==, "x");
    g_assert_null(web->kind);
}

static void test_syntax(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *expected = NULL;

    definition_fixture_write(fixture->first, "web.json",
                             "{\"kind\": \"process\",\n  \"config\": {]}");
    definition_fixture_load(fixture);
    expected = g_strdup_printf("%s: line 2, column ", definition_fixture_get(fixture, 0)->path);
    g_assert_true(g_str_has_prefix(definition_fixture_get(fixture, 0)->error->message, expected));
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->id, ==, "web");
}

static void test_broken_hurts_no_other(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "a.json", "");
    definition_fixture_write(fixture->first, "b.json", "{\"kind\": \"process\"}");
    definition_fixture_write(fixture->second, "c.json", "[]");
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 3);
    g_assert_nonnull(definition_fixture_get(fixture, 0)->error);
    g_assert_no_error(definition_fixture_get(fixture, 1)->error);
    g_assert_nonnull(definition_fixture_get(fixture, 2)->error);
}

static void test_too_large(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *text = g_strnfill(JSON_MAX_BYTES + 1, ' ');

    memcpy(text, "{\"kind\":\"process\"}", 18);
    definition_fixture_write(fixture->first, "web.json", text);
    definition_fixture_assert_error(fixture, "PATH is larger than 1048576 bytes");
}

static void test_largest(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *text = g_strnfill(JSON_MAX_BYTES, ' ');

    memcpy(text, "{\"kind\":\"process\"}", 18);
    definition_fixture_write(fixture->first, "web.json", text);
    definition_fixture_load(fixture);
    g_assert_no_error(definition_fixture_get(fixture, 0)->error);
}

static void test_fifo(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    definition_fixture_assert_error(fixture, "PATH is not a regular file");
}

static void test_directory(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);

    g_assert_cmpint(mkdir(path, 0700), ==, 0);
    definition_fixture_assert_error(fixture, "PATH is not a regular file");
}

static void test_symlinks(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *loop = g_build_filename(fixture->first, "loop.json", NULL);
    g_autofree char *dangling = g_build_filename(fixture->first, "dangling.json", NULL);
    g_autofree char *good = g_build_filename(fixture->first, "web.json", NULL);

    definition_fixture_write(fixture->root, "elsewhere", "{\"kind\": \"process\"}");
    g_assert_cmpint(symlink("loop.json", loop), ==, 0);
    g_assert_cmpint(symlink("nowhere", dangling), ==, 0);
    g_assert_cmpint(symlink("../elsewhere", good), ==, 0);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 3);
    g_assert_nonnull(strstr(definition_fixture_get(fixture, 0)->error->message, dangling));
    g_assert_nonnull(strstr(definition_fixture_get(fixture, 1)->error->message, loop));
    g_assert_no_error(definition_fixture_get(fixture, 2)->error);
}

static void test_unreadable(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);

    definition_fixture_write(fixture->first, "web.json", "{\"kind\": \"process\"}");
    g_assert_cmpint(chmod(path, 0), ==, 0);
    definition_fixture_load_humbly(fixture);

    const Definition *definition = definition_fixture_get(fixture, 0);
    g_autofree char *expected = g_strdup_printf("cannot open %s: Permission denied", path);
    g_assert_nonnull(definition->error);
    g_assert_cmpstr(definition->error->message, ==, expected);
}

/* A link to a device counts as a device: nothing is read from it. */
static void test_device(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);

    g_assert_cmpint(symlink("/dev/zero", path), ==, 0);
    definition_fixture_assert_error(fixture, "PATH is not a regular file");
}

static void test_not_utf8(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json", "{\"kind\":\n \"\xff\"}");
    definition_fixture_assert_error(fixture, "PATH: line 2, column 3: not valid UTF-8");
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

static void test_check_config(DefinitionFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    definition_fixture_write(fixture->first, "a.json",
                             "{\"kind\": \"test\", \"config\": {\"exec\": \"/x\"}}");
    definition_fixture_write(fixture->first, "b.json", "{\"kind\": \"test\"}");
    definition_fixture_write(
            fixture->first, "c.json",
            "{\"kind\": \"test\", \"config\": {\"exec\": 3, \"restart\": {\"max_delay\": -1},"
            " \"exit\": 1}}");
    definition_fixture_load(fixture);
    g_assert_true(definition_check_config(definition_fixture_get(fixture, 0), &test_kind, &error));
    g_assert_true(definition_check_config(definition_fixture_get(fixture, 1), &test_kind, &error));
    g_assert_no_error(error);

    const Definition *bad = definition_fixture_get(fixture, 2);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    DEFINITION_TEST("full", test_full);
    DEFINITION_TEST("least", test_least);
    DEFINITION_TEST("escaped-member", test_escaped_member);
    DEFINITION_TEST("order-and-precedence", test_order_and_precedence);
    DEFINITION_TEST("not-looked-at", test_not_looked_at);
    DEFINITION_TEST("name-is-no-id", test_name_is_no_id);
    DEFINITION_TEST("broken/all-mistakes", test_all_mistakes);
    DEFINITION_TEST("broken/syntax", test_syntax);
    DEFINITION_TEST("broken/hurts-no-other", test_broken_hurts_no_other);
    DEFINITION_TEST("broken/too-large", test_too_large);
    DEFINITION_TEST("broken/largest", test_largest);
    DEFINITION_TEST("file/fifo", test_fifo);
    DEFINITION_TEST("file/directory", test_directory);
    DEFINITION_TEST("file/device", test_device);
    DEFINITION_TEST("file/not-utf8", test_not_utf8);
    DEFINITION_TEST("file/symlinks", test_symlinks);
    DEFINITION_TEST("file/unreadable", test_unreadable);
    DEFINITION_TEST("check-config", test_check_config);
    return g_test_run();
}
