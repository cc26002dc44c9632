/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories of definitions: which of their files count, and what is reported where they cannot be
 * used. Patches: what a definition is with them. */

#include "base/errors.h"
#include "base/json.h"
#include "definition-fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCESS "{\"kind\": \"process\"}"

/* Directories */

static void test_none(void)
{
    const DefinitionsOptions options = {.n_directories = 0};
    g_autoptr(Definitions) definitions = definitions_load(&options, NULL);

    g_assert_nonnull(definitions);
    g_assert_cmpuint(definitions->list->len, ==, 0);
    g_assert_cmpuint(definitions->messages->len, ==, 0);
}

static void test_missing(DefinitionFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(rmdir(fixture->first), ==, 0);
    g_assert_cmpint(rmdir(fixture->second), ==, 0);
    g_assert_false(definition_fixture_try_load(fixture, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "/first: No such file"));
    g_assert_nonnull(strstr(error->message, "/second: No such file"));
    g_assert_null(strstr(error->message, "/third"));
}

/* That one may be missing does not say that it may be something else. */
static void test_no_directory(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->root, "third", "");
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);
    g_assert_nonnull(definitions_find_unread(fixture->loaded, fixture->third));
    g_assert_null(definitions_find_unread(fixture->loaded, fixture->first));

    const DefinitionMessage *message = g_ptr_array_index(fixture->loaded->messages, 0);
    g_assert_cmpint(message->level, ==, LOG_LEVEL_ERROR);
    g_assert_nonnull(strstr(message->text, "/third: Not a directory"));
}

static void test_unreadable(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->second, "web.json", PROCESS);
    g_assert_cmpint(chmod(fixture->first, 0), ==, 0);
    definition_fixture_load_humbly(fixture);
    g_assert_cmpint(chmod(fixture->first, 0700), ==, 0);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);
    definition_fixture_assert_messages(
            fixture, "error: definitions are left out: cannot open the directory of "
                     "definitions FIRST: Permission denied\n");
}

static void test_loop(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->second, "web.json", PROCESS);
    g_assert_cmpint(rmdir(fixture->first), ==, 0);
    g_assert_cmpint(symlink("first", fixture->first), ==, 0);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);
    g_assert_nonnull(definitions_find_unread(fixture->loaded, fixture->first));
    definition_fixture_assert_messages(
            fixture, "error: definitions are left out: cannot open the directory of "
                     "definitions FIRST: Too many levels of symbolic links\n");
}

/* A few files at a time give the same in the end. */
static void test_in_steps(DefinitionFixture *fixture, const void *unused)
{
    const DefinitionDirectory directory = {.path = fixture->first};
    const DefinitionsOptions options = {.directories = &directory, .n_directories = 1};
    g_autoptr(GError) error = NULL;

    for (const char *const *name = (const char *const[]){"a", "b", "c", NULL}; *name != NULL;
         name++) {
        g_autofree char *file = g_strconcat(*name, ".json", NULL);

        definition_fixture_write(fixture->first, file, PROCESS);
    }
    DefinitionsReader *reader = definitions_reader_new(&options, &error);
    g_assert_no_error(error);
    g_assert_false(definitions_reader_step(reader, NULL, 2));
    g_assert_true(definitions_reader_step(reader, NULL, 2));
    fixture->loaded = definitions_reader_take(reader);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 3);

    reader = definitions_reader_new(&options, &error);
    g_assert_false(definitions_reader_step(reader, NULL, 1));
    definitions_reader_free(reader); /* given up on the way */
}

/* Two names of one directory are one directory. */
static void test_canonical(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *odd = g_strdup_printf("%s//../first/", fixture->first);
    const DefinitionDirectory directory = {.path = odd};
    const DefinitionsOptions options = {.directories = &directory, .n_directories = 1};

    definition_fixture_write(fixture->first, "web.json", PROCESS);
    fixture->loaded = definitions_load(&options, NULL);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->directory, ==, fixture->first);
}

static void test_max_entries(DefinitionFixture *fixture, const void *unused)
{
    fixture->max_entries = 2;
    definition_fixture_write(fixture->first, "a.json", PROCESS);
    definition_fixture_write(fixture->first, "b", "");
    definition_fixture_write(fixture->second, "c.json", PROCESS);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 2);
    definition_fixture_assert_messages(fixture, "");

    definition_fixture_write(fixture->first, "c", "");
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->id, ==, "c");
    definition_fixture_assert_messages(fixture, "error: definitions are left out: "
                                                "FIRST has more than 2 entries\n");
}

/* What is overridden does not count. */
static void test_max_definitions(DefinitionFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture->max_definitions = 2;
    definition_fixture_write(fixture->first, "a.json", PROCESS);
    definition_fixture_write(fixture->first, "b.json", PROCESS);
    definition_fixture_write(fixture->second, "b.json", PROCESS);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 2);

    definition_fixture_write(fixture->second, "c.json", PROCESS);
    g_assert_false(definition_fixture_try_load(fixture, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_LIMIT_EXCEEDED);
    g_assert_nonnull(strstr(error->message, "3 definitions"));
    g_assert_nonnull(strstr(error->message, "2 services"));
}

static void test_max_messages(DefinitionFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < DEFINITIONS_MAX_MESSAGES + 3; i++) {
        g_autofree char *name = g_strdup_printf("-%u.json", i);

        definition_fixture_write(fixture->first, name, PROCESS);
    }
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->messages->len, ==, DEFINITIONS_MAX_MESSAGES + 1);

    const DefinitionMessage *last =
            g_ptr_array_index(fixture->loaded->messages, DEFINITIONS_MAX_MESSAGES);
    g_assert_cmpstr(last->text, ==, "3 more warnings of definitions are not listed");
}

/* Trust */

static void test_trust_directory(DefinitionFixture *fixture, const void *unused)
{
    fixture->trust = (DefinitionTrust){.check = true, .uid = getuid()};
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_write(fixture->second, "db.json", PROCESS);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 2);

    g_assert_cmpint(chmod(fixture->first, 0777), ==, 0);
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 1);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->id, ==, "db");
    g_assert_error(definitions_find_unread(fixture->loaded, fixture->first), SVCMGR_ERROR,
                   (int)ERROR_ACCESS_DENIED);
    g_assert_cmpuint(fixture->loaded->messages->len, ==, 1);

    fixture->trust.check = false;
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 2);
}

static void test_trust_file(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);
    g_autofree char *patch = g_build_filename(fixture->first, "db.json.d/a.json", NULL);
    g_autofree char *patches = g_build_filename(fixture->first, "nap.json.d", NULL);

    fixture->trust = (DefinitionTrust){.check = true, .uid = getuid()};
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_write(fixture->first, "db.json", PROCESS);
    definition_fixture_write(fixture->first, "db.json.d/a.json", "{}");
    definition_fixture_write(fixture->first, "nap.json", PROCESS);
    definition_fixture_write(fixture->first, "nap.json.d/a.json", "{}");
    definition_fixture_load(fixture);
    for (unsigned i = 0; i < 3; i++)
        g_assert_no_error(definition_fixture_get(fixture, i)->error);

    g_assert_cmpint(chmod(path, 0622), ==, 0);
    g_assert_cmpint(chmod(patch, 0660), ==, 0);
    g_assert_cmpint(chmod(patches, 0770), ==, 0);
    definition_fixture_load(fixture);
    for (unsigned i = 0; i < 3; i++)
        g_assert_error(definition_fixture_get(fixture, i)->error, SVCMGR_ERROR,
                       (int)ERROR_ACCESS_DENIED);
    g_assert_nonnull(strstr(definition_fixture_get(fixture, 0)->error->message, patch));
    g_assert_nonnull(strstr(definition_fixture_get(fixture, 1)->error->message, patches));
    g_assert_nonnull(strstr(definition_fixture_get(fixture, 2)->error->message, path));

    fixture->trust.check = false;
    definition_fixture_load(fixture);
    for (unsigned i = 0; i < 3; i++)
        g_assert_no_error(definition_fixture_get(fixture, i)->error);
}

/* What is above decides what stands in them, too. */
static void test_trust_way(DefinitionFixture *fixture, const void *unused)
{
    fixture->trust = (DefinitionTrust){.check = true, .uid = getuid()};
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_write(fixture->second, "db.json", PROCESS);
    g_assert_cmpint(chmod(fixture->root, 0777), ==, 0);
    definition_fixture_load(fixture);
    g_assert_cmpint(chmod(fixture->root, 0700), ==, 0);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 0);
    const GError *error = definitions_find_unread(fixture->loaded, fixture->first);
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_ACCESS_DENIED);
    g_assert_nonnull(strstr(error->message, fixture->root));
}

static void test_trust_owner(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json", NULL);

    fixture->trust = (DefinitionTrust){.check = true, .uid = 0};
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    if (chown(path, 1, 1) < 0) {
        g_test_skip("only root can give files away");
        return;
    }
    definition_fixture_load(fixture);
    g_assert_error(definition_fixture_get(fixture, 0)->error, SVCMGR_ERROR,
                   (int)ERROR_ACCESS_DENIED);
}

/* Patches */

static void test_patch_order(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json",
                             "{\"kind\": \"process\", \"enabled\": true, \"config\":"
                             " {\"exec\": [\"/bin/a\"],   \"umask\": \"022\", \"restart\":"
                             " {\"factor\": 1.1, \"jitter\": 0.1}}}");
    definition_fixture_write(fixture->first, "web.json.d/20.json",
                             "{\"description\": \"twenty\", \"config\": {\"umask\": null}}");
    definition_fixture_write(fixture->first, "web.json.d/30.json", "broken");
    definition_fixture_write(fixture->second, "web.json.d/10.json",
                             "{\"description\": \"ten\", \"enabled\": false, \"config\":"
                             " {\"exec\": [\"/bin/b\"], \"user\": \"x\"}}");
    definition_fixture_write(fixture->second, "web.json.d/30.json",
                             "{\"labels\": {\"a\": \"b\"}, \"config\": {\"restart\": {\"jitter\":"
                             " 0.25}}}");
    definition_fixture_load(fixture);

    const Definition *web = definition_fixture_get(fixture, 0);
    g_assert_no_error(web->error);
    g_assert_cmpstr(web->directory, ==, fixture->first);
    g_assert_cmpstr(web->kind, ==, "process");
    g_assert_false(web->enabled);
    g_assert_cmpstr(web->description, ==, "twenty");
    g_assert_cmpstr(g_hash_table_lookup(web->labels, "a"), ==, "b");
    g_assert_cmpstr(web->config, ==,
                    "{\"exec\": [\"/bin/b\"], \"restart\": {\"factor\": 1.1, \"jitter\": 0.25},"
                    " \"user\": \"x\"}");
    g_assert_cmpuint(g_strv_length(web->patches), ==, 3);
    g_assert_true(g_str_has_suffix(web->patches[0], "/second/web.json.d/10.json"));
    g_assert_true(g_str_has_suffix(web->patches[1], "/first/web.json.d/20.json"));
    g_assert_true(g_str_has_suffix(web->patches[2], "/second/web.json.d/30.json"));
    definition_fixture_assert_messages(fixture, "");
}

/* Of a number with more digits than people write, none is lost. */
static void test_patch_digits(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json",
                             "{\"kind\": \"process\", \"config\": {\"a\": 0.1234567890123456789}}");
    definition_fixture_write(fixture->first, "web.json.d/a.json", "{\"enabled\": true}");
    definition_fixture_load(fixture);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->config, ==, "{\"a\": 0.12345678901234568}");
}

/* Without one, every byte stays. */
static void test_patch_none(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json",
                             "{\"kind\": \"process\", \"config\": {  \"a\" :1e2}}");
    definition_fixture_write(fixture->first, "web.json.d/README", "nothing");
    definition_fixture_write(fixture->first, "web.json.d/.a.json", "broken");
    definition_fixture_write(fixture->first, "web.json.d/a.json~", "broken");
    definition_fixture_write(fixture->first, "web.json.d/a.json.d", "broken");
    definition_fixture_load(fixture);
    g_assert_no_error(definition_fixture_get(fixture, 0)->error);
    g_assert_cmpstr(definition_fixture_get(fixture, 0)->config, ==, "{  \"a\" :1e2}");
    g_assert_null(definition_fixture_get(fixture, 0)->patches);
}

static void test_patch_of_nothing(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->second, "web.json.d/a.json", "{}");
    definition_fixture_write(fixture->first, "db.json.d/a.json", "{}");
    definition_fixture_load(fixture);
    g_assert_cmpuint(fixture->loaded->list->len, ==, 0);
    definition_fixture_assert_messages(
            fixture, "warning: FIRST/db.json.d: ignored: there is no definition 'db'\n"
                     "warning: SECOND/web.json.d: ignored: there is no definition 'web'\n");
}

typedef struct PatchError {
    const char *definition;
    const char *a;
    const char *b; /* or NULL */
    const char *error;
} PatchError;

static const PatchError patch_errors[] = {
        /* a mistake in a patch names it, and so does each of several */
        {PROCESS, "{\n]", NULL,
         "FIRST/web.json.d/a.json: line 2, column 1: not valid JSON: string or '}' expected near "
         "']'"},
        {PROCESS, "[]", "{\"a\": 1, \"a\": 2}",
         "FIRST/web.json.d/a.json: expected an object, got []\n"
         "SECOND/web.json.d/b.json: a: duplicate member \"a\""},
        {PROCESS, "", "{}", "FIRST/web.json.d/a.json: the document is empty"},
        {PROCESS, "{\"a\": \"\xff\"}", NULL,
         "FIRST/web.json.d/a.json: line 1, column 8: not valid UTF-8"},
        /* and those of the definition come as well */
        {"{\"kind\": 1}", "x", NULL,
         "FIRST/web.json.d/a.json: line 1, column 1: not valid JSON: invalid token near 'x'\n"
         "FIRST/web.json: kind: expected a string that is not empty, got 1"},
        /* a mistake of the merged definition may come from anywhere */
        {PROCESS, "{\"enabled\": 3, \"knd\": \"x\"}", "{\"enabled\": 2}",
         "FIRST/web.json (patched by FIRST/web.json.d/a.json, SECOND/web.json.d/b.json): enabled: "
         "expected true or false, got 2\n"
         "FIRST/web.json (patched by FIRST/web.json.d/a.json, SECOND/web.json.d/b.json): knd: "
         "unknown member; did you mean \"kind\"?"},
        {PROCESS, "{\"kind\": null}", NULL,
         "FIRST/web.json (patched by FIRST/web.json.d/a.json): kind: required, but missing"},
        /* of what is no document, patches say nothing */
        {"[]", "{}", "x", "FIRST/web.json: expected an object, got []"},
};

static void test_patch_errors(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *b = g_build_filename(fixture->second, "web.json.d/b.json", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(patch_errors); i++) {
        g_test_message("case %zu", i);
        definition_fixture_write(fixture->first, "web.json", patch_errors[i].definition);
        definition_fixture_write(fixture->first, "web.json.d/a.json", patch_errors[i].a);
        if (patch_errors[i].b != NULL)
            definition_fixture_write(fixture->second, "web.json.d/b.json", patch_errors[i].b);
        definition_fixture_assert_error(fixture, patch_errors[i].error);
        g_assert_true(patch_errors[i].b == NULL || unlink(b) == 0);
    }
}

/* What the definition says is there although a patch is broken. */
static void test_patch_broken_keeps_kind(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json",
                             "{\"kind\": \"process\", \"description\": \"x\"}");
    definition_fixture_write(fixture->first, "web.json.d/a.json", "x");
    definition_fixture_write(fixture->first, "db.json", PROCESS);
    definition_fixture_load(fixture);
    g_assert_no_error(definition_fixture_get(fixture, 0)->error);
    g_assert_nonnull(definition_fixture_get(fixture, 1)->error);
    g_assert_cmpstr(definition_fixture_get(fixture, 1)->kind, ==, "process");
    g_assert_cmpstr(definition_fixture_get(fixture, 1)->description, ==, "x");
}

static void test_patch_files(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->first, "web.json.d/a.json", NULL);

    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_write(fixture->first, "web.json.d/README", "");
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    definition_fixture_assert_error(fixture, "FIRST/web.json.d/a.json is not a regular file");
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(symlink("a.json", path), ==, 0);
    definition_fixture_assert_error(fixture, "cannot open FIRST/web.json.d/a.json: Too many levels "
                                             "of symbolic links");
}

static void test_patch_no_directory(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_write(fixture->second, "web.json.d", "");
    definition_fixture_assert_error(fixture, "PATH: cannot open the directory of patches "
                                             "SECOND/web.json.d: Not a directory");
}

static void test_patch_size(DefinitionFixture *fixture, const void *unused)
{
    g_autofree char *text = g_strnfill(JSON_MAX_BYTES - strlen(PROCESS), ' ');

    memcpy(text, "{}", 2);
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    definition_fixture_write(fixture->first, "web.json.d/a.json", text);
    definition_fixture_load(fixture);
    g_assert_no_error(definition_fixture_get(fixture, 0)->error);
    definition_fixture_write(fixture->first, "web.json.d/b.json", "{}");
    definition_fixture_assert_error(fixture, "FIRST/web.json.d/b.json: the definition and its "
                                             "patches are larger than 1048576 bytes together");
}

static void test_patch_many(DefinitionFixture *fixture, const void *unused)
{
    definition_fixture_write(fixture->first, "web.json", PROCESS);
    for (unsigned i = 0; i <= DEFINITION_MAX_PATCHES; i++) {
        g_autofree char *name = g_strdup_printf("web.json.d/%03u.json", i);
        g_autofree char *patch = g_strdup_printf("{\"description\": \"%u\"}", i);

        if (i == DEFINITION_MAX_PATCHES) {
            definition_fixture_load(fixture);
            g_assert_cmpstr(definition_fixture_get(fixture, 0)->description, ==, "255");
        }
        definition_fixture_write(fixture->first, name, patch);
    }
    definition_fixture_assert_error(fixture, "PATH: more than 256 patches");
}

/* Of many patches, an error names some. */
static void test_patch_names(DefinitionFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("web.json.d/%u.json", i);

        definition_fixture_write(fixture->first, name, "{}");
    }
    definition_fixture_write(fixture->first, "web.json", "{}");
    definition_fixture_assert_error(
            fixture, "PATH (patched by PATH.d/0.json, PATH.d/1.json, PATH.d/2.json and 2 more): "
                     "kind: required, but missing");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/definitions/directory/none", test_none);
    DEFINITION_TEST("directory/missing", test_missing);
    DEFINITION_TEST("directory/no-directory", test_no_directory);
    DEFINITION_TEST("directory/unreadable", test_unreadable);
    DEFINITION_TEST("directory/loop", test_loop);
    DEFINITION_TEST("directory/canonical", test_canonical);
    DEFINITION_TEST("directory/in-steps", test_in_steps);
    DEFINITION_TEST("limits/entries", test_max_entries);
    DEFINITION_TEST("limits/definitions", test_max_definitions);
    DEFINITION_TEST("limits/messages", test_max_messages);
    DEFINITION_TEST("trust/directory", test_trust_directory);
    DEFINITION_TEST("trust/file", test_trust_file);
    DEFINITION_TEST("trust/way", test_trust_way);
    DEFINITION_TEST("trust/owner", test_trust_owner);
    DEFINITION_TEST("patches/order", test_patch_order);
    DEFINITION_TEST("patches/digits", test_patch_digits);
    DEFINITION_TEST("patches/none", test_patch_none);
    DEFINITION_TEST("patches/of-nothing", test_patch_of_nothing);
    DEFINITION_TEST("patches/errors", test_patch_errors);
    DEFINITION_TEST("patches/broken-keeps-kind", test_patch_broken_keeps_kind);
    DEFINITION_TEST("patches/files", test_patch_files);
    DEFINITION_TEST("patches/no-directory", test_patch_no_directory);
    DEFINITION_TEST("patches/size", test_patch_size);
    DEFINITION_TEST("patches/many", test_patch_many);
    DEFINITION_TEST("patches/names", test_patch_names);
    return g_test_run();
}
