/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory of definitions, as the daemon finds it when it starts. */

#include "support/daemon-fixture.h"

#include <string.h>

static void fixture_start(DaemonFixture *fixture)
{
    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
}

/* Whatever happened before the client came counts, too. */
static void wait_until(DaemonFixture *fixture, const char *id, const char *until)
{
    g_autofree char *path = client_service_path(id);

    sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Wait", "a{sv}", 1,
                                     "until", "s", until));
}

static void assert_property(DaemonFixture *fixture, const char *id, const char *property,
                            const char *expected)
{
    g_autofree char *path = client_service_path(id);
    g_autofree char *value = client_get_string(fixture->client, path, CLIENT_SERVICE, property);

    g_assert_cmpstr(value, ==, expected);
}

static void test_enabled_are_started(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "on",
                          "{\"kind\": \"process\", \"enabled\": true, \"description\": \"Is on\","
                          " \"labels\": {\"team\": \"red\"},"
                          " \"config\": {\"exec\": [\"/bin/sleep\", \"infinity\"]}}");
    daemon_fixture_define(fixture, "off",
                          "{\"kind\": \"process\","
                          " \"config\": {\"exec\": [\"/bin/sleep\", \"infinity\"]}}");
    fixture_start(fixture);
    wait_until(fixture, "on", "active");
    assert_property(fixture, "on", "Description", "Is on");
    assert_property(fixture, "off", "State", "inactive");

    g_autofree char *on = client_service_path("on");
    g_autofree char *off = client_service_path("off");
    g_assert_true(client_get_bool(fixture->client, on, CLIENT_SERVICE, "Enabled"));
    g_assert_false(client_get_bool(fixture->client, off, CLIENT_SERVICE, "Enabled"));
    client_operate(fixture->client, "off", "Start");
    wait_until(fixture, "off", "active");
}

/* Who does not get up does not hold up the daemon: it is ready long before. */
static void test_ready_before_services(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "slow",
                          "{\"kind\": \"process\", \"enabled\": true, \"config\": {\"exec\": "
                          "[\"/bin/sleep\", \"infinity\"], \"readiness\": \"notify\","
                          " \"start_timeout\": \"1h\"}}");
    fixture_start(fixture);
    assert_property(fixture, "slow", "State", "starting");
}

static void test_broken(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("bad-config");
    g_autofree char *file = g_build_filename(fixture->services_dir, "bad-config.json", NULL);
    g_autofree char *expected = g_strdup_printf("%s: config.restart.max_delay: expected ", file);

    daemon_fixture_define(fixture, "bad-config",
                          "{\"kind\": \"process\", \"enabled\": true, \"config\": {\"exec\": "
                          "[\"/bin/sleep\", \"infinity\"], \"restart\": {\"max_delay\": -1}}}");
    daemon_fixture_define(fixture, "bad-syntax", "{\"kind\": ");
    daemon_fixture_define(fixture, "bad-kind", "{\"kind\": \"spaceship\"}");
    daemon_fixture_define(fixture, "good",
                          "{\"kind\": \"process\", \"enabled\": true, \"config\": {\"exec\": "
                          "[\"/bin/sleep\", \"infinity\"]}}");
    fixture_start(fixture);
    wait_until(fixture, "good", "active");
    assert_property(fixture, "bad-config", "State", "failed");
    assert_property(fixture, "bad-config", "FailureClass", "config");
    assert_property(fixture, "bad-syntax", "State", "failed");
    assert_property(fixture, "bad-kind", "State", "failed");

    g_autofree char *error = client_get_string(fixture->client, path, CLIENT_SERVICE, "Error");
    g_autofree char *log = daemon_fixture_log(fixture);
    g_assert_nonnull(strstr(error, expected));
    g_assert_nonnull(strstr(log, expected));
    g_free(client_call_refused(fixture->client, "org.svcmgr1.Error.InvalidConfig", path,
                               CLIENT_SERVICE, "Start", NULL));
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NFailed"),
                     ==, 3);

    /* It can be mended without the file. */
    sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s",
                                     "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"));
    client_operate(fixture->client, "bad-config", "Start");
    wait_until(fixture, "bad-config", "active");
}

static void test_later_directory_wins(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *first = g_build_filename(fixture->root, "first", NULL);
    g_autofree char *file = g_build_filename(first, "web.json", NULL);

    g_assert_cmpint(g_mkdir_with_parents(first, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "{\"kind\": \"process\", \"description\": \"first\"}",
                                      -1, NULL));
    daemon_fixture_define(fixture, "web", "{\"kind\": \"process\", \"description\": \"second\"}");
    daemon_fixture_start(fixture, daemon_fixture_option(fixture, "services-dir", first),
                         daemon_fixture_option(fixture, "services-dir", fixture->services_dir),
                         NULL);
    assert_property(fixture, "web", "Description", "second");
}

#define ADD(path, function)                                                                        \
    g_test_add("/startup/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,             \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("enabled-are-started", test_enabled_are_started);
    ADD("ready-before-services", test_ready_before_services);
    ADD("broken", test_broken);
    ADD("later-directory-wins", test_later_directory_wins);
    return g_test_run();
}
