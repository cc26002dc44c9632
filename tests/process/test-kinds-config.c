/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading definitions of programs, and the schemas that describe them. */

#include "kinds/program.h"
#include "process-fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void config_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void config_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static Config *parse(const Kind *kind, const char *text, Problems *problems)
{
    g_autoptr(GString) json = g_string_new(text);

    (void)g_string_replace(json, "'", "\"", 0);
    return config_parse(kind, json->str, json->len, problems);
}

static void test_defaults(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) process = parse(fixture->process, "{'exec': ['a']}", problems);
    g_autoptr(Config) oneshot = parse(fixture->oneshot, "{'exec': ['a']}", problems);
    const ProgramConfig *p = process->own, *o = oneshot->own;

    g_assert_cmpuint(p->spec.rules.start_timeout_usec, ==, 15 * USEC_PER_SEC);
    g_assert_cmpuint(o->spec.rules.start_timeout_usec, ==, USEC_INFINITY);
    g_assert_cmpuint(p->spec.rules.stop_timeout_usec, ==, 10 * USEC_PER_SEC);
    g_assert_cmpint(p->spec.rules.stop_signal, ==, SIGTERM);
    g_assert_cmpint(p->spec.readiness, ==, READINESS_SPAWNED);
    g_assert_cmpint(p->spec.stop_mode, ==, STOP_MODE_ALL);
    g_assert_cmpuint(p->spec.spawn.umask, ==, SPAWN_UMASK_KEEP);
    g_assert_null(p->spec.spawn.user);
    g_assert_false(p->spec.rules.runs_once);
    g_assert_true(o->spec.rules.runs_once);
    g_assert_false(o->remain_after_exit);
}

static void test_all_members(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->process,
                  "{'$comment': 'x', 'exec': ['/bin/a', '', 'b'],"
                  " 'environment': {'A': '1', '$comment': 'y', '_B': ''},"
                  " 'environment_file': '/e', 'working_directory': '/w', 'umask': '0027',"
                  " 'user': 1000, 'group': 'adm', 'supplementary_groups': ['a', 7],"
                  " 'stop_signal': 'INT', 'stop_mode': 'main', 'readiness': 'notify',"
                  " 'success_exit_status': [1, 'SIGHUP'], 'start_timeout': '2s', 'stop_timeout': 3,"
                  " 'restart': {'policy': 'always'}, 'start_limit': {'burst': 1}}",
                  problems);
    g_assert_cmpuint(problems_count(problems), ==, 0);
    const ProgramConfig *own = config->own;
    const SpawnSpec *spawn = &own->spec.spawn;
    g_autofree char *exec = g_strjoinv("|", spawn->exec);
    g_autofree char *environment = g_strjoinv("|", spawn->environment);
    g_autofree char *groups = g_strjoinv("|", spawn->supplementary_groups);
    ExitStatus hup = {.known = true, .signaled = true, .value = SIGHUP};

    g_assert_cmpstr(exec, ==, "/bin/a||b");
    g_assert_cmpstr(environment, ==, "A=1|_B=");
    g_assert_cmpstr(groups, ==, "a|7");
    g_assert_cmpstr(spawn->environment_file, ==, "/e");
    g_assert_cmpstr(spawn->working_directory, ==, "/w");
    g_assert_cmpuint(spawn->umask, ==, 027);
    g_assert_cmpstr(spawn->user, ==, "1000");
    g_assert_cmpstr(spawn->group, ==, "adm");
    g_assert_cmpint(own->spec.rules.stop_signal, ==, SIGINT);
    g_assert_cmpint(own->spec.stop_mode, ==, STOP_MODE_MAIN);
    g_assert_cmpint(own->spec.readiness, ==, READINESS_NOTIFY);
    g_assert_true(exit_set_has(&own->spec.rules.success, &hup));
    g_assert_cmpuint(own->spec.rules.start_timeout_usec, ==, 2 * USEC_PER_SEC);
    g_assert_cmpuint(own->spec.rules.stop_timeout_usec, ==, 3 * USEC_PER_SEC);
}

typedef struct BadRow {
    const char *text;
    const char *expected;
} BadRow;

static const BadRow bad_rows[] = {
        {"{}", "exec"},
        {"{'exec': []}", "exec: expected the program and its arguments"},
        {"{'exec': 'a b'}", "exec: expected"},
        {"{'exec': ['']}", "expected an absolute path or the name of a program in PATH"},
        {"{'exec': ['./a']}", "expected an absolute path or the name of a program in PATH"},
        {"{'exec': ['a/b']}", "expected an absolute path or the name of a program in PATH"},
        {"{'exec': [1]}", "expected"},
        {"{'exec': ['a'], 'environment': []}", "environment: expected an object"},
        {"{'exec': ['a'], 'environment': {'A': 1}}", "environment.A: expected a string"},
        {"{'exec': ['a'], 'environment': {'1A': ''}}", "environment.1A: expected a name"},
        {"{'exec': ['a'], 'environment': {'': ''}}", "expected a name"},
        {"{'exec': ['a'], 'environment': {'A=B': ''}}", "expected a name"},
        {"{'exec': ['a'], 'environment': {'NOTIFY_SOCKET': ''}}",
         "environment.NOTIFY_SOCKET: is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'INVOCATION_ID': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment': {'SVCMGR_ID': ''}}", "is set by the daemon itself"},
        {"{'exec': ['a'], 'environment_file': 'e'}", "environment_file: expected"},
        {"{'exec': ['a'], 'working_directory': 'w'}", "working_directory: expected"},
        {"{'exec': ['a'], 'working_directory': '/a/../b'}", "working_directory: expected"},
        {"{'exec': ['a'], 'umask': 22}",
         "umask: expected an octal string such as \"0022\", got 22"},
        {"{'exec': ['a'], 'umask': '0999'}", "umask: expected an octal string"},
        {"{'exec': ['a'], 'umask': '01000'}", "umask: expected an octal string"},
        {"{'exec': ['a'], 'user': ''}", "user: expected a name or a number"},
        {"{'exec': ['a'], 'user': -1}", "user: expected a name or a number, got -1"},
        {"{'exec': ['a'], 'user': 4294967295}", "user: expected a name or a number"},
        {"{'exec': ['a'], 'group': true}", "group: expected a name or a number, got true"},
        {"{'exec': ['a'], 'supplementary_groups': 'a'}", "expected an array of names or numbers"},
        {"{'exec': ['a'], 'supplementary_groups': [null]}", "expected a name or a number"},
        {"{'exec': ['a'], 'stop_signal': 'SIGFOO'}", "stop_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'stop_signal': '15'}", "stop_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'stop_signal': 15}", "stop_signal: expected the name of a signal"},
        {"{'exec': ['a'], 'stop_mode': 'none'}", "stop_mode: expected \"all\" or \"main\""},
        {"{'exec': ['a'], 'readiness': 'no'}", "readiness: expected \"spawned\" or \"notify\""},
        {"{'exec': ['a'], 'success_exit_status': [256]}", "success_exit_status"},
        {"{'exec': ['a'], 'remain_after_exit': true}", "remain_after_exit"},
        {"{'exec': ['a'], 'log': {}}", "log"},
        {"{'exec': ['a'], 'exec': ['b']}", "exec"},
};

static void test_mistakes(ProcessFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad_rows); i++) {
        g_autoptr(Problems) problems = problems_new();

        g_test_message("%s", bad_rows[i].text);
        g_assert_null(parse(fixture->process, bad_rows[i].text, problems));
        g_autoptr(GError) error = problems_to_error(problems);
        assert_contains(error->message, bad_rows[i].expected);
    }
}

static void test_all_mistakes_at_once(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();

    g_assert_null(parse(fixture->oneshot,
                        "{'exec': ['./a'], 'umask': 1, 'user': '', 'readiness': 'notify',"
                        " 'environment': {'1': '', '2': ''}}",
                        problems));
    g_assert_cmpuint(problems_count(problems), ==, 6);
}

static void test_validate(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config =
            parse(fixture->process,
                  "{'exec': ['/no/such'], 'user': 'nobodyx', 'group': 'nobodyx',"
                  " 'working_directory': '/no/such', 'environment_file': '/no/such'}",
                  problems);

    g_assert_nonnull(config);
    fixture->process->validate(config, problems);
    g_assert_cmpuint(problems_count(problems), ==, 5);
    g_assert_false(problems_have_errors(problems));
    g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, "/exec");
    assert_contains(problems_get(problems, 0)->message, "No such file or directory");
}

/* Schemas */

static json_t *schema_of(const Kind *kind)
{
    json_error_t error;
    json_t *schema = json_loads(kind->schema, JSON_REJECT_DUPLICATES, &error);

    if (schema == NULL)
        g_error("%s, line %d: %s", kind->name, error.line, error.text);
    return schema;
}

static void test_schema_is_the_file(ProcessFixture *fixture, const void *unused)
{
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path =
                g_strdup_printf("%s/%s.json", g_getenv("TEST_SCHEMAS"), kinds[i]->name);
        g_autofree char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_cmpstr(kinds[i]->schema, ==, text);
    }
}

/* What the schema knows, the parser knows, and the other way round. */
static void test_schema_members(ProcessFixture *fixture, const void *unused)
{
    static const char *const common[] = {"restart", "start_limit", "start_timeout", "stop_timeout",
                                         "$comment"};
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_t *schema = schema_of(kinds[i]);
        const json_t *properties = json_object_get(schema, "properties");
        size_t n = G_N_ELEMENTS(common);

        for (size_t k = 0; k < G_N_ELEMENTS(common); k++)
            g_assert_nonnull(json_object_get(properties, common[k]));
        for (const JsonMember *member = kinds[i]->members; member->name != NULL; member++, n++) {
            const json_t *property = json_object_get(properties, member->name);

            g_assert_nonnull(property);
            g_assert_nonnull(json_object_get(property, "description"));
        }
        g_assert_cmpuint(json_object_size(properties), ==, n);
        json_decref(schema);
    }
}

/* Every example of a member is accepted, alone beside exec. */
static void check_example(const Kind *kind, const char *name, json_t *example)
{
    g_autoptr(Problems) problems = problems_new();
    json_t *document = json_pack("{s:[s]}", "exec", "a");

    json_object_set(document, name, example);
    char *text = json_dumps(document, 0);
    g_autoptr(Config) config = config_parse(kind, text, strlen(text), problems);
    if (config == NULL)
        g_error("%s: %s", name, problems_to_error(problems)->message);
    free(text);
    json_decref(document);
}

static void test_schema_examples(ProcessFixture *fixture, const void *unused)
{
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_t *schema = schema_of(kinds[i]), *property;
        unsigned n_examples = 0;
        const char *name;

        json_object_foreach(json_object_get(schema, "properties"), name, property)
        {
            const json_t *examples = json_object_get(property, "examples");
            json_t *value = json_object_get(property, "default");

            for (size_t k = 0; k < json_array_size(examples); k++, n_examples++)
                check_example(kinds[i], name, json_array_get(examples, k));
            if (value != NULL)
                check_example(kinds[i], name, value);
        }
        g_assert_cmpuint(n_examples, >=, 4);
        json_decref(schema);
    }
}

#define CONFIG_TEST(path, function)                                                                \
    g_test_add(path, ProcessFixture, NULL, config_init, function, config_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CONFIG_TEST("/kinds-config/defaults", test_defaults);
    CONFIG_TEST("/kinds-config/all-members", test_all_members);
    CONFIG_TEST("/kinds-config/mistakes", test_mistakes);
    CONFIG_TEST("/kinds-config/all-mistakes-at-once", test_all_mistakes_at_once);
    CONFIG_TEST("/kinds-config/validate", test_validate);
    CONFIG_TEST("/kinds-config/schema/is-the-file", test_schema_is_the_file);
    CONFIG_TEST("/kinds-config/schema/members", test_schema_members);
    CONFIG_TEST("/kinds-config/schema/examples", test_schema_examples);
    return g_test_run();
}
