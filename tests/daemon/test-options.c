/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon makes of its config file, and how it shows what is in force. */

#include "support/daemon-fixture.h"

#include <jansson.h>
#include <string.h>

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("expected \"%s\" in: %s", part, text);
}

/* --config=FILE of a file with this text. */
static const char *config_option(DaemonFixture *fixture, const char *text)
{
    g_autofree char *path = g_build_filename(fixture->root, "svcmgrd.json", NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
    g_assert_no_error(error);
    return daemon_fixture_option(fixture, "config", path);
}

static const char *runtime_option(DaemonFixture *fixture)
{
    return daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir);
}

/* Nothing is opened or made for it. */
static void test_print(DaemonFixture *fixture, const void *unused)
{
    const char *config = config_option(fixture, "{\"max_services\": 7}");
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, config, runtime_option(fixture),
                                       "--services-dir=/nowhere/at/all", "--print-config", NULL),
                    ==, 0);
    json_t *document = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
    g_assert_cmpint(json_integer_value(json_object_get(document, "max_services")), ==, 7);
    g_assert_cmpstr(json_string_value(json_object_get(document, "runtime_dir")), ==,
                    fixture->runtime_dir);
    json_decref(document);
    g_assert_false(g_file_test(fixture->runtime_dir, G_FILE_TEST_EXISTS));
}

static void test_print_invalid(DaemonFixture *fixture, const void *unused)
{
    const char *config = config_option(fixture, "{\"log_level\": \"loud\", \"restore\": \"none\"}");
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, config, runtime_option(fixture),
                                       "--print-config", NULL),
                    ==, 2);
    assert_contains(output, "\"log_level\": \"info\"");
    assert_contains(output, "\"restore\": \"none\"");
    assert_contains(output, "svcmgrd.json: log_level: expected error, warning,");
}

static void test_mistake(DaemonFixture *fixture, const void *unused)
{
    const char *config = config_option(fixture, "{\"defaults\": {\"restart\": {\"factor\": 0}}}");
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, config, runtime_option(fixture), NULL), ==,
                    2);
    assert_contains(output, "svcmgrd.json: defaults.restart.factor: expected a number");
    g_assert_false(g_file_test(fixture->runtime_dir, G_FILE_TEST_EXISTS));
}

/* A program that fails would be tried again. */
static void test_service_defaults(DaemonFixture *fixture, const void *unused)
{
    const char *config =
            config_option(fixture, "{\"defaults\": {\"restart\": {\"policy\": \"no\"}}}");

    daemon_fixture_start(fixture, config, NULL);
    client_create(fixture->client, "no", "process", "{\"exec\": [\"/bin/false\"]}", false);
    client_create(fixture->client, "yes", "process",
                  "{\"exec\": [\"/bin/false\"], \"restart\": {\"policy\": \"always\","
                  " \"initial_delay\": \"1h\", \"max_delay\": \"1h\"}}",
                  false);
    client_create(fixture->client, "once", "oneshot", "{\"exec\": [\"/bin/false\"]}", false);
    client_operate(fixture->client, "no", "Start");
    client_wait_state(fixture->client, "no", "failed");
    client_operate(fixture->client, "yes", "Start");
    client_wait_state(fixture->client, "yes", "backoff");
    client_operate(fixture->client, "once", "Start");
    client_wait_state(fixture->client, "once", "failed");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

/* Else the daemon would wait for ever for a program that does not mind its stop signal. */
static void test_shutdown_timeout(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, "--shutdown-timeout=100ms", NULL);
    client_create(fixture->client, "deaf", "process",
                  "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"stop_signal\": \"SIGCONT\","
                  " \"stop_timeout\": \"infinity\"}",
                  false);
    client_operate(fixture->client, "deaf", "Start");
    client_wait_state(fixture->client, "deaf", "active");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);
    g_autofree char *log = daemon_fixture_log(fixture);
    assert_contains(log, "has run out of time");
}

static void test_startup_timeout(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, runtime_option(fixture),
                                       "--startup-timeout=1us", NULL),
                    ==, 1);
    assert_contains(output, "startup took too long");
}

#define ADD(path, func)                                                                            \
    g_test_add("/daemon-options/" path, DaemonFixture, NULL, daemon_fixture_set_up, func,          \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("print/valid", test_print);
    ADD("print/invalid", test_print_invalid);
    ADD("file/mistake", test_mistake);
    ADD("file/service-defaults", test_service_defaults);
    ADD("timeouts/shutdown", test_shutdown_timeout);
    ADD("timeouts/startup", test_startup_timeout);
    return g_test_run();
}
