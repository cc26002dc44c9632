/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions whose services have to go before they can be what the files say now: what was set
 * over the bus is not lost on the way, and what was said last is what there is in the end. */

#include "trouble.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SLEEP(time) "{\"exec\": [\"/bin/sleep\", \"" time "\"]}"
#define PROCESS(config) "{\"kind\": \"process\", \"enabled\": true, \"config\": " config "}"
/* Ends a second after it was told to. */
#define SLOW                                                                                       \
    "{\"exec\": [\"/bin/sh\", \"-c\", \"trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; "     \
    "done\"], \"stop_mode\": \"main\"}"

static void remake_start(DaemonFixture *fixture)
{
    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
}

static void remake_start_again(DaemonFixture *fixture)
{
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    remake_start(fixture);
}

static void remake_reload(DaemonFixture *fixture)
{
    sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                     "ReloadDefinitions", "a{sv}", 0));
}

static void remake_define(DaemonFixture *fixture, const char *text)
{
    g_autofree char *path = g_build_filename(fixture->services_dir, "web.json", NULL);

    if (text != NULL)
        daemon_fixture_define(fixture, "web", text);
    else
        g_assert_cmpint(unlink(path), ==, 0);
    remake_reload(fixture);
}

static uint64_t remake_configure(DaemonFixture *fixture, const char *config)
{
    g_autofree char *path = client_service_path("web");

    sd_bus_message_unref(
            client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s", config));
    return client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "ConfigRevision");
}

static void remake_assert_config(DaemonFixture *fixture, const char *expected)
{
    g_autofree char *path = client_service_path("web");
    sd_bus_message *answer = client_call(fixture->client, path, CLIENT_SERVICE, "GetConfig", "");
    const char *config = NULL;

    g_assert_cmpint(sd_bus_message_read_basic(answer, 's', &config), >, 0);
    g_assert_cmpstr(config, ==, expected);
    sd_bus_message_unref(answer);
}

static bool is_added(sd_bus_message *message, void *unused)
{
    return sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
                                    "InterfacesAdded") > 0;
}

static bool is_removed(sd_bus_message *message, void *unused)
{
    return sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
                                    "InterfacesRemoved") > 0;
}

/* What is configured over the bus counts on from what was kept, however the service was made. */

static void test_broken_again(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "web", PROCESS("{\"exec\": 2}"));
    remake_start(fixture);
    remake_configure(fixture, SLEEP("71"));
    g_assert_cmpuint(remake_configure(fixture, SLEEP("72")), ==, 2);
    remake_define(fixture, "{\"kind\": 7}");
    remake_assert_config(fixture, SLEEP("72")); /* it was promised */
    g_assert_cmpuint(remake_configure(fixture, SLEEP("99")), ==, 3);
    remake_define(fixture, PROCESS("{\"exec\": 1}")); /* broken, but says its kind */
    remake_start_again(fixture);
    remake_assert_config(fixture, SLEEP("99"));
}

static void test_broken_at_the_start(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "web", PROCESS(SLEEP("1")));
    remake_start(fixture);
    remake_configure(fixture, SLEEP("2"));
    remake_define(fixture, PROCESS(SLEEP("3"))); /* revision 3 */
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    daemon_fixture_define(fixture, "web", PROCESS("{\"exec\": 1}"));
    remake_start(fixture);
    g_assert_cmpuint(remake_configure(fixture, SLEEP("99")), ==, 4);
    remake_start_again(fixture);
    remake_assert_config(fixture, SLEEP("99"));
}

static void test_config_removed(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "web", PROCESS(SLEEP("1")));
    remake_start(fixture);
    remake_configure(fixture, SLEEP("2"));
    remake_define(fixture, "{\"kind\": \"process\"}");
    (void)client_wait(fixture->client, is_added, NULL);
    remake_configure(fixture, SLEEP("99"));
    remake_start_again(fixture);
    remake_assert_config(fixture, SLEEP("99"));
}

/* Several reloads while the service goes: the last one counts. */

static void remake_start_slow(DaemonFixture *fixture)
{
    daemon_fixture_define(fixture, "web", PROCESS(SLOW));
    remake_start(fixture);
    trouble_wait_active(fixture, "web");
    client_process(fixture->client);
}

static void test_removed_in_the_end(DaemonFixture *fixture, const void *unused)
{
    remake_start_slow(fixture);
    remake_define(fixture, NULL);
    remake_define(fixture, PROCESS(SLEEP("2")));
    remake_define(fixture, NULL);
    (void)client_wait(fixture->client, is_removed, NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 0);
}

static void test_last_definition(DaemonFixture *fixture, const void *unused)
{
    remake_start_slow(fixture);
    remake_define(fixture, NULL);
    remake_define(fixture, PROCESS(SLEEP("2")));
    remake_define(fixture, PROCESS(SLEEP("3")));
    (void)client_wait(fixture->client, is_added, NULL);
    remake_assert_config(fixture, SLEEP("3"));
}

static void test_last_kind(DaemonFixture *fixture, const void *unused)
{
    remake_start_slow(fixture);
    remake_define(fixture, "{\"kind\": \"oneshot\", \"config\": " SLEEP("2") "}");
    remake_define(fixture, PROCESS(SLEEP("3")));
    (void)client_wait(fixture->client, is_added, NULL);
    g_autofree char *kind = trouble_get(fixture, "web", "Kind");
    g_assert_cmpstr(kind, ==, "process");
    remake_define(fixture, PROCESS("{\"exec\": [\"/bin/sleep\", \"4\"], \"readiness\": "
                                   "\"spawned\"}"));
    trouble_wait_active(fixture, "web");
}

/* After SIGQUIT nothing begins any more. */
static void test_quit(DaemonFixture *fixture, const void *unused)
{
    remake_start_slow(fixture);
    remake_define(fixture, "{\"kind\": \"oneshot\", \"config\": " SLEEP("2") "}");
    child_kill(&fixture->daemon, SIGQUIT);
    g_autofree char *log = trouble_wait_log(fixture, "all services are stopped");
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NActive"),
                     ==, 0);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-remake/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,       \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("revisions/broken-again", test_broken_again);
    ADD("revisions/broken-at-the-start", test_broken_at_the_start);
    ADD("revisions/config-removed", test_config_removed);
    ADD("while-it-goes/removed-in-the-end", test_removed_in_the_end);
    ADD("while-it-goes/last-definition", test_last_definition);
    ADD("while-it-goes/last-kind", test_last_kind);
    ADD("while-it-goes/quit", test_quit);
    return g_test_run();
}
