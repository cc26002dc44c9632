/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Environment and config file beside the command line: who wins, where a mistake is said to be, and
 * how all of it is printed. */

#include "base/clock.h"
#include "base/json.h"
#include "options-fixture.h"
#include "run/options-internal.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Three values of each option that any source may set, as text, and what default there is. */
static const char *const samples[][5] = {
        {"socket", "/a", "/b", "none", "ROOT/svcmgr/private"},
        {"services-dir", "/a", "/b", "/c", NULL},
        {"state-dir", "/a", "/b", "/c", "ROOT/.local/state/svcmgr"},
        {"runtime-dir", "/a", "/b", "/c", "ROOT/svcmgr"},
        {"log-dir", "/a", "/b", "/c", "ROOT/.local/state/svcmgr/log"},
        {"log-max-total", "0", "1KiB", "3GiB", "1GiB"},
        {"hooks-dir", "/a", "/b", "/c", NULL},
        {"pid-file", "/a", "/b", "/c", NULL},
        {"cgroup", "none", "/a", "/b", "auto"},
        {"max-services", "1", "2", "3", "10000"},
        {"max-starting", "1", "2", "3", "0"},
        {"restore", "wanted", "none", "enabled", "auto"},
        {"startup-timeout", "1s", "2s", "3s", "15s"},
        {"shutdown-timeout", "1s", "2s", "3s", "0"},
        {"log-level", "error", "warning", "debug", "info"},
};

/* A value as the config file and as --print-config write it. */
static char *sample_to_json(const OptionEntry *entry, const char *text)
{
    json_t *value = option_from_text(entry, text);
    char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    json_decref(value);
    return json;
}

/* What --print-config says of the member, NULL: nothing. ret_source: what its comment says. */
static char *printed(OptionsFixture *fixture, const char *member, char **ret_source)
{
    g_autofree char *text = options_to_json(&fixture->options);
    json_t *document = json_loads(text, 0, NULL);
    const json_t *value = json_object_get(document, member);
    const json_t *source = json_object_get(json_object_get(document, JSON_COMMENT), member);
    char *json = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    *ret_source = json_is_object(source) ? json_dumps(source, JSON_COMPACT)
                                         : g_strdup(json_string_value(source));
    json_decref(document);
    return json;
}

/* sources: a bit each for file, environment and command line. */
static void precedence_check(OptionsFixture *fixture, const char *const *sample, unsigned sources)
{
    static const char *const names[] = {"file ROOT/config/svcmgrd.json", "environment",
                                        "command line"};
    const OptionEntry *entry = options_find_entry(sample[0]);
    g_autofree char *member = option_member(entry);
    g_autofree char *variable = option_variable(entry);
    g_autofree char *in_file = sample_to_json(entry, sample[1]);
    g_autofree char *file =
            (sources & 1) != 0 ? g_strdup_printf("{\"%s\": %s}", member, in_file) : g_strdup("{}");
    g_autofree char *path = options_fixture_write(fixture, "config/svcmgrd.json", file);
    g_autofree char *arguments =
            (sources & 4) != 0 ? g_strdup_printf("--%s=%s", sample[0], sample[3]) : g_strdup("");
    int winner = (int)g_bit_nth_msf(sources, -1);
    g_autoptr(GError) error = NULL;

    g_unsetenv(variable);
    if ((sources & 2) != 0)
        g_setenv(variable, sample[2], TRUE);
    options_fixture_read(fixture, arguments, &error);
    g_assert_no_error(error);
    g_unsetenv(variable);

    g_autofree char *raw = winner < 0 ? g_strdup(sample[4]) : g_strdup(sample[winner + 1]);
    g_autofree char *text = raw != NULL ? options_fixture_expand(fixture, raw) : NULL;
    g_autofree char *expected = text != NULL ? sample_to_json(entry, text) : NULL;
    g_autofree char *source = NULL;
    g_autofree char *got = printed(fixture, member, &source);
    g_assert_cmpstr(got, ==, expected);
    if (winner >= 0) {
        g_autofree char *from = options_fixture_expand(fixture, names[winner]);
        g_assert_cmpstr(source, ==, from);
    } else if (expected != NULL) {
        g_assert_cmpstr(source, ==, "default");
    }
}

static bool sample_is_there(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        if (g_str_equal(samples[i][0], name))
            return true;
    }
    return false;
}

/* Each option in each set of sources. */
static void test_precedence(OptionsFixture *fixture, const void *unused)
{
    for (const OptionEntry *entry = options_table; entry->name != NULL; entry++)
        g_assert_true((entry->flags & OPTION_EVERYWHERE) != OPTION_EVERYWHERE ||
                      entry->type == OPTION_FLAG || g_str_equal(entry->name, "address") ||
                      sample_is_there(entry->name));
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        for (unsigned sources = 0; sources < 8; sources++)
            precedence_check(fixture, samples[i], sources);
    }
}

/* Which bus: "system", "user" or an address. */
typedef struct BusRow {
    const char *file;      /* members */
    const char *variables; /* NAME=VALUE, separated by blanks */
    const char *arguments;
    const char *expected;
    const char *source; /* that is printed; NULL: the file */
} BusRow;

static const BusRow bus_rows[] = {
        {"", "", "", "user", "default"},
        {"\"system\": true", "", "", "system", NULL},
        {"\"system\": false, \"user\": false", "", "", "user", "default"},
        {"\"system\": true", "SVCMGR_SYSTEM=no", "", "user", "default"},
        {"\"system\": true", "", "--user", "user", "command line"},
        {"\"system\": true", "", "--address=a", "a", "command line"},
        {"\"address\": \"f\"", "", "", "f", NULL},
        {"\"address\": \"f\"", "SVCMGR_SYSTEM=1", "", "system", "environment"},
        {"\"address\": \"f\"", "SVCMGR_ADDRESS=e", "", "e", "environment"},
        {"\"address\": \"f\"", "SVCMGR_ADDRESS=e", "--system", "system", "command line"},
        {"\"user\": true", "SVCMGR_SYSTEM=on", "--address=a", "a", "command line"},
        {"\"user\": true, \"system\": false", "SVCMGR_ADDRESS=", "", "user", NULL},
};

static void set_variables(const char *variables)
{
    g_auto(GStrv) list = g_strsplit(variables, " ", -1);

    for (char **variable = list; *variable != NULL; variable++) {
        g_auto(GStrv) pair = g_strsplit(*variable, "=", 2);

        g_setenv(pair[0], pair[1], TRUE);
    }
}

static void test_bus(OptionsFixture *fixture, const void *data)
{
    const BusRow *row = data;
    const Options *options = &fixture->options;
    g_autofree char *text = g_strdup_printf("{%s}", row->file);
    g_autofree char *path = options_fixture_write(fixture, "config/svcmgrd.json", text);
    g_autoptr(GError) error = NULL;

    set_variables(row->variables);
    options_fixture_read(fixture, row->arguments, &error);
    g_assert_no_error(error);
    const char *got = options->address != NULL  ? options->address
                      : options->use_system_bus ? "system"
                                                : "user";
    g_assert_cmpstr(got, ==, row->expected);
    g_assert_cmpint(options->system, ==, g_str_equal(got, "system"));
    g_assert_cmpint(options->user, ==, g_str_equal(got, "user"));
    g_autofree char *source = NULL;
    g_free(printed(fixture, options->address != NULL ? "address" : got, &source));
    if (row->source == NULL)
        g_assert_true(g_str_has_prefix(source, "file "));
    else
        g_assert_cmpstr(source, ==, row->source);
}

/* Mistakes of the config file, whose path is in front of each line of the message. */
static const char *const file_rows[][2] = {
        {"", "the document is empty"},
        {"[]", "expected an object, got []"},
        {"{\"log_level\": \"debug\",}", "line 1, column 23: "},
        {"{\"log_level\": \"debug\", \"log_level\": \"info\"}", "log_level: duplicate member"},
        {"{\"log-level\": \"debug\"}", "log-level: unknown member; did you mean \"log_level\"?"},
        {"{\"config\": \"/x\"}", "config: unknown member"},
        {"{\"help\": true}", "help: unknown member"},
        {"{\"system\": 1}", "system: expected true or false, got 1"},
        {"{\"state_dir\": \"x\"}", "state_dir: expected an absolute path, got \"x\""},
        {"{\"state_dir\": 1}", "state_dir: expected a path, got 1"},
        {"{\"state_dir\": \"none\"}", "state_dir: expected an absolute path, got \"none\""},
        {"{\"services_dir\": \"/x\"}", "services_dir: expected an array of paths, got \"/x\""},
        {"{\"services_dir\": []}", "services_dir: expected an array of paths, got []"},
        {"{\"services_dir\": [\"/x\", \"y\"]}",
         "services_dir[1]: expected an absolute path, got \"y\""},
        {"{\"max_services\": \"7\"}",
         "max_services: expected a number from 1 to 1000000, got \"7\""},
        {"{\"log_max_total\": 1.5}", "log_max_total: expected a size such as \"64KiB\", got 1.5"},
        {"{\"startup_timeout\": 0}", "startup_timeout: expected a duration such as \"15s\""},
        {"{\"restore\": null}", "restore: expected auto, enabled, wanted or none, got null"},
        {"{\"defaults\": []}", "defaults: expected an object, got []"},
        {"{\"defaults\": {\"restart\": {\"policy\": \"x\"}}}",
         "defaults.restart.policy: expected \"no\""},
        {"{\"user\": true, \"address\": \"x\"}", "user and address exclude each other"},
};

static void test_file_mistake(OptionsFixture *fixture, const void *data)
{
    const char *const *row = data;
    g_autofree char *path = options_fixture_write(fixture, "config/svcmgrd.json", row[0]);
    g_autofree char *message = options_fixture_fail(fixture, "");
    g_autofree char *expected = g_strdup_printf("%s: %s", path, row[1]);

    g_assert_true(g_str_has_prefix(message, expected));
    g_assert_null(strchr(message, '\n'));
}

static void test_mistakes_of_all(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *path = options_fixture_write(
            fixture, "config/svcmgrd.json",
            "{\"log_level\": \"loud\", \"restor\": \"none\", \"defaults\": {\"a\": 1, \"b\": 2}}");

    set_variables("SVCMGR_LOG_LEVEL=mute SVCMGR_SERVICES_DIR=/a::/b SVCMGR_USER=maybe "
                  "SVCMGR_MAX_SERVICES=x SVCMGR_STATE_DIR=\xff");
    g_autofree char *message = options_fixture_fail(fixture, "--log-level=high --pid-file=");
    g_autofree char *expected = options_fixture_expand(
            fixture,
            "SVCMGR_STATE_DIR: expected text in UTF-8\n"
            "ROOT/config/svcmgrd.json: log_level: expected error, warning, notice, info or debug, "
            "got \"loud\"\n"
            "ROOT/config/svcmgrd.json: restor: unknown member; did you mean \"restore\"?\n"
            "ROOT/config/svcmgrd.json: defaults.a: unknown member\n"
            "ROOT/config/svcmgrd.json: defaults.b: unknown member\n"
            "SVCMGR_USER: expected true or false, got \"maybe\"\n"
            "SVCMGR_SERVICES_DIR: expected a path, got \"\"\n"
            "SVCMGR_MAX_SERVICES: expected a number from 1 to 1000000, got \"x\"\n"
            "SVCMGR_LOG_LEVEL: expected error, warning, notice, info or debug, got \"mute\"\n"
            "--pid-file: expected a path, got \"\"\n"
            "--log-level: expected error, warning, notice, info or debug, got \"high\"");
    g_assert_cmpstr(message, ==, expected);
}

/* A default file may be missing, one that was named may not. */
static void test_file_missing(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *missing = g_build_filename(fixture->root, "missing", NULL);
    g_autofree char *option = g_strdup_printf("--config=%s", missing);
    g_autofree char *default_path = g_build_filename(fixture->config_dir, "svcmgrd.json", NULL);
    g_autofree char *expected =
            g_strdup_printf("--config: cannot open %s: %s", missing, g_strerror(ENOENT));

    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpstr(fixture->options.config, ==, default_path);

    g_autofree char *by_option = options_fixture_fail(fixture, option);
    g_assert_cmpstr(by_option, ==, expected);

    g_setenv("SVCMGR_CONFIG", missing, TRUE);
    g_autofree char *by_variable = options_fixture_fail(fixture, "");
    g_assert_true(g_str_has_prefix(by_variable, "SVCMGR_CONFIG: cannot open "));

    /* The option wins; what it names is there. */
    g_autofree char *path = options_fixture_write(fixture, "given", "{\"max_services\": 5}");
    g_autofree char *good = g_strdup_printf("--config=%s", path);
    g_assert_true(options_fixture_read(fixture, good, NULL));
    g_assert_cmpuint(fixture->options.max_services, ==, 5);
    g_assert_cmpstr(fixture->options.config, ==, path);
}

/* A default file that is there but cannot be read is not passed over. */
static void test_file_unreadable(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->config_dir, "svcmgrd.json", NULL);

    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    g_autofree char *message = options_fixture_fail(fixture, "");
    g_autofree char *expected = g_strdup_printf("config: %s is not a regular file", path);
    g_assert_cmpstr(message, ==, expected);
}

/* Where a user's default file is. */
static void test_file_of_user(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *xdg = g_build_filename(fixture->root, "x", NULL);
    g_autofree char *at_home =
            g_build_filename(fixture->root, ".config", "svcmgr", "svcmgrd.json", NULL);
    g_autofree char *at_xdg = g_build_filename(xdg, "svcmgr", "svcmgrd.json", NULL);

    g_unsetenv("CONFIGURATION_DIRECTORY");
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpstr(fixture->options.config, ==, at_home);
    g_setenv("XDG_CONFIG_HOME", xdg, TRUE);
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpstr(fixture->options.config, ==, at_xdg);

    /* Root's daemon too, when it is to be a user's, whoever says so. */
    fixture->is_root = true;
    g_assert_true(options_fixture_read(fixture, "--user", NULL));
    g_assert_cmpstr(fixture->options.config, ==, at_xdg);
    g_setenv("SVCMGR_USER", "1", TRUE);
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpstr(fixture->options.config, ==, at_xdg);
}

/* Only root's daemon cares. */
static void test_file_trusted(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *path =
            options_fixture_write(fixture, "config/svcmgrd.json", "{\"max_services\": 5}");

    if (geteuid() != 0) {
        g_test_skip("root's daemon trusts no config file of another user");
        return;
    }
    fixture->is_root = true;
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpuint(fixture->options.max_services, ==, 5);

    g_assert_cmpint(chmod(path, 0620), ==, 0);
    g_autofree char *message = options_fixture_fail(fixture, "");
    g_autofree char *expected =
            g_strdup_printf("config: %s can be written by others than its owner", path);
    g_assert_true(g_str_has_prefix(message, expected));
    g_assert_cmpuint(fixture->options.max_services, ==, 10000);

    fixture->is_root = false;
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpuint(fixture->options.max_services, ==, 5);

    g_autofree char *above = g_path_get_dirname(path);
    fixture->is_root = true;
    g_assert_cmpint(chmod(path, 0600), ==, 0);
    g_assert_cmpint(chmod(above, 0777), ==, 0);
    g_autofree char *way = options_fixture_fail(fixture, "");
    g_assert_nonnull(strstr(way, above));
    g_assert_nonnull(strstr(way, "can be written by others than its owner (mode 0777)"));
}

static void test_variables(OptionsFixture *fixture, const void *unused)
{
    const Options *options = &fixture->options;

    set_variables("SVCMGR_SERVICES_DIR=/a:/b SVCMGR_SHUTDOWN_TIMEOUT=1min SVCMGR_SYSTEM=yes "
                  "SVCMGR_STATE_DIR=s SVCMGR_LOG_LEVEL= SVCMGR_SOCKET=none");
    g_autofree char *directory = g_get_current_dir();
    g_autofree char *state = g_build_filename(directory, "s", NULL);
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpstrv(options->services_dirs, ((const char *const[]){"/a", "/b", NULL}));
    g_assert_cmpuint(options->shutdown_timeout_usec, ==, 60 * USEC_PER_SEC);
    g_assert_true(options->use_system_bus);
    g_assert_cmpstr(options->state_dir, ==, state);
    g_assert_cmpint(options->log_level, ==, LOG_LEVEL_INFO);
    g_assert_null(options->socket);
    g_assert_cmpstr(fixture->log->str, ==, "");
}

static void test_unknown_variables(OptionsFixture *fixture, const void *unused)
{
    set_variables("SVCMGR_ID=web SVCMGR_TEST_X=1 SVCMGRX=1 SVCMGR_LOGLEVEL=debug");
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_cmpstr(fixture->log->str, ==, "unknown variable SVCMGR_LOGLEVEL: ignored\n");
    g_string_truncate(fixture->log, 0);
    g_unsetenv("SVCMGR_LOGLEVEL");
    g_setenv("SVCMGR_HELP", "1", TRUE); /* of the command line alone */
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_false(fixture->options.help);
    g_assert_cmpstr(fixture->log->str, ==, "unknown variable SVCMGR_HELP: ignored\n");
}

static void test_service_defaults(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *path = options_fixture_write(
            fixture, "config/svcmgrd.json",
            "{\"defaults\": {\"$comment\": \"x\", \"restart\": {\"policy\": \"always\"}}}");

    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_autofree char *text = json_dumps(fixture->options.defaults, JSON_COMPACT | JSON_SORT_KEYS);
    g_assert_cmpstr(text, ==, "{\"$comment\":\"x\",\"restart\":{\"policy\":\"always\"}}");
}

/* What is printed, as a config file, is printed again, but for where it comes from. */
static void feedback_check(OptionsFixture *fixture, const char *arguments)
{
    g_assert_true(options_fixture_read(fixture, arguments, NULL));
    g_autofree char *text = options_to_json(&fixture->options);
    g_autofree char *path = options_fixture_write(fixture, "printed", text);
    g_autofree char *config = g_strdup_printf("--config=%s", path);
    g_autoptr(GError) error = NULL;

    options_fixture_read(fixture, config, &error);
    g_assert_no_error(error);
    g_autofree char *again = options_to_json(&fixture->options);
    json_t *first = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *second = json_loads(again, JSON_REJECT_DUPLICATES, NULL);
    g_assert_cmpint(json_object_del(first, JSON_COMMENT), ==, 0);
    g_assert_cmpint(json_object_del(second, JSON_COMMENT), ==, 0);
    g_assert_true(json_equal(first, second));
    g_assert_cmpuint(json_object_size(first), >=, 8);
    json_decref(first);
    json_decref(second);
}

static void test_print_feedback(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *path = options_fixture_write(
            fixture, "config/svcmgrd.json",
            "{\"defaults\": {\"restart\": {\"factor\": 1.1}}, \"restore\": \"none\"}");

    feedback_check(fixture, "");
    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_autofree char *text = options_to_json(&fixture->options);
    g_assert_nonnull(strstr(text, "\"factor\": 1.1\n"));

    feedback_check(fixture, "--socket=none --address=unix:path=/x,guid=1 --pid-file=/p");
    feedback_check(fixture, "--system --services-dir=/a --services-dir=/b --hooks-dir=/h "
                            "--startup-timeout=1.5s --shutdown-timeout='1h 1ms' --max-services=9 "
                            "--max-starting=4");
    fixture->is_root = geteuid() == 0;
    feedback_check(fixture, "");
    feedback_check(fixture, "--user");
}

static void test_print_places(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *source = NULL;

    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_null(printed(fixture, "services_dir", &source));
    g_autofree char *expected = options_fixture_expand(
            fixture, "{\"default\":[\"ROOT/.local/share/svcmgr/services\",\"ROOT/config/services\","
                     "\"ROOT/svcmgr/services\"]}");
    g_assert_cmpstr(source, ==, expected);
    g_clear_pointer(&source, g_free);
    g_assert_null(printed(fixture, "config", &source));
    g_autofree char *config =
            options_fixture_expand(fixture, "{\"default\":\"ROOT/config/svcmgrd.json\"}");
    g_assert_cmpstr(source, ==, config);
}

/* What is wrong is not there, and the rest is. */
static void test_print_invalid(OptionsFixture *fixture, const void *unused)
{
    g_autofree char *level_source = NULL;
    g_autofree char *state_source = NULL;

    g_unsetenv("XDG_RUNTIME_DIR");
    g_setenv("SVCMGR_STATE_DIR", "/s", TRUE);
    g_autofree char *path = options_fixture_write(fixture, "config/svcmgrd.json",
                                                  "{\"defaults\": {\"restart\": {\"factor\": 0}}}");
    g_assert_false(options_fixture_read(fixture, "--print-config --log-level=x", NULL));
    g_assert_true(fixture->options.print_config);
    g_autofree char *level = printed(fixture, "log_level", &level_source);
    g_autofree char *state = printed(fixture, "state_dir", &state_source);
    g_assert_cmpstr(level, ==, "\"info\"");
    g_assert_cmpstr(level_source, ==, "default");
    g_assert_cmpstr(state, ==, "\"/s\"");
    g_assert_cmpstr(state_source, ==, "environment");
    g_assert_null(fixture->options.defaults);
}

#define ADD(path, data, func)                                                                      \
    g_test_add("/options-sources/" path, OptionsFixture, data, options_fixture_set_up, func,       \
               options_fixture_tear_down)

static void add_rows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bus_rows); i++) {
        g_autofree char *path = g_strdup_printf("/options-sources/bus/%zu", i);

        g_test_add(path, OptionsFixture, &bus_rows[i], options_fixture_set_up, test_bus,
                   options_fixture_tear_down);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(file_rows); i++) {
        g_autofree char *path = g_strdup_printf("/options-sources/file/mistakes/%zu", i);

        g_test_add(path, OptionsFixture, file_rows[i], options_fixture_set_up, test_file_mistake,
                   options_fixture_tear_down);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("precedence", NULL, test_precedence);
    ADD("mistakes-of-all", NULL, test_mistakes_of_all);
    ADD("file/missing", NULL, test_file_missing);
    ADD("file/unreadable", NULL, test_file_unreadable);
    ADD("file/of-user", NULL, test_file_of_user);
    ADD("file/trusted", NULL, test_file_trusted);
    ADD("file/service-defaults", NULL, test_service_defaults);
    ADD("environment/values", NULL, test_variables);
    ADD("environment/unknown", NULL, test_unknown_variables);
    ADD("print/feedback", NULL, test_print_feedback);
    ADD("print/places", NULL, test_print_places);
    ADD("print/invalid", NULL, test_print_invalid);
    add_rows();
    return g_test_run();
}
