/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real programs, operated over a real bus: what a client sees of every operation. */

#include "support/daemon-fixture.h"

#include <string.h>

#define SLEEPER "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"

static uint64_t main_pid(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);

    return client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");
}

static bool process_is_alive(uint64_t pid)
{
    return kill((pid_t)pid, 0) == 0;
}

static void assert_state_is(DaemonFixture *fixture, const char *id, const char *expected)
{
    g_autofree char *path = client_service_path(id);
    g_autofree char *state = client_get_string(fixture->client, path, CLIENT_SERVICE, "State");

    g_assert_cmpstr(state, ==, expected);
}

static void test_start_stop(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;

    client_create(client, "web", "process", SLEEPER, false);
    assert_state_is(fixture, "web", "inactive");
    g_assert_cmpuint(main_pid(fixture, "web"), ==, 0);

    uint64_t asked = client_operate(client, "web", "Start");
    sd_bus_message *active = client_wait_state(client, "web", "active");
    uint64_t serial;
    g_assert_true(client_changed_unsigned(active, CLIENT_SERVICE, "StateSerial", &serial));
    g_assert_cmpuint(serial, >, asked);

    uint64_t pid = main_pid(fixture, "web");
    g_assert_true(process_is_alive(pid));
    client_operate(client, "web", "Stop");
    client_wait_state(client, "web", "stopping");
    client_wait_state(client, "web", "inactive");
    g_assert_false(process_is_alive(pid));
    g_assert_cmpuint(main_pid(fixture, "web"), ==, 0);
}

static void test_wrong_operations(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("web");

    client_create(client, "web", "process", SLEEPER, true);
    client_wait_state(client, "web", "active");
    g_free(client_call_refused(client, "org.svcmgr1.Error.AlreadyStarted", path, CLIENT_SERVICE,
                               "Start", NULL));
    g_free(client_call_refused(client, "org.svcmgr1.Error.IdExists", CLIENT_ROOT, CLIENT_MANAGER,
                               "CreateService", "sssa{sv}", "web", "process", SLEEPER, 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.UnknownKind", CLIENT_ROOT, CLIENT_MANAGER,
                               "CreateService", "sssa{sv}", "x", "spaceship", SLEEPER, 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.NotFound", CLIENT_ROOT, CLIENT_MANAGER,
                               "GetService", "s", "nobody"));
    client_operate(client, "web", "Stop");
    client_wait_state(client, "web", "inactive");
    g_free(client_call_refused(client, "org.svcmgr1.Error.AlreadyStopped", path, CLIENT_SERVICE,
                               "Stop", NULL));
}

static void test_bad_config(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("web");
    g_autofree char *message = NULL;
    uint64_t pid;

    g_free(client_call_refused(client, "org.svcmgr1.Error.InvalidConfig", CLIENT_ROOT,
                               CLIENT_MANAGER, "CreateService", "sssa{sv}", "bad", "process",
                               "{\"exec\": 1}", 0));
    g_assert_cmpuint(client_get_unsigned(client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"), ==, 0);

    client_create(client, "web", "process", SLEEPER, true);
    client_wait_state(client, "web", "active");
    pid = main_pid(fixture, "web");
    message = client_call_refused(client, "org.svcmgr1.Error.InvalidConfig", path, CLIENT_SERVICE,
                                  "Configure", "s",
                                  "{\"exec\": [\"/bin/sleep\", \"1\"], \"restart\": "
                                  "{\"max_delay\": -1}, \"color\": \"red\"}");
    g_assert_nonnull(strstr(message, "restart.max_delay: expected "));
    g_assert_nonnull(strstr(message, "color: unknown member"));
    assert_state_is(fixture, "web", "active");
    g_assert_cmpuint(main_pid(fixture, "web"), ==, pid);
    g_assert_cmpuint(client_get_unsigned(client, path, CLIENT_SERVICE, "ConfigRevision"), ==, 1);
}

static void test_validate_config(DaemonFixture *fixture, const void *unused)
{
    sd_bus_message *reply =
            client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "ValidateConfig", "ss",
                        "process", "{\"exec\": [\"/bin/sleep\"], \"stop_timeout\": \"soon\"}");
    const char *name, *pointer = NULL;

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{sv}"), >, 0);
    while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
        g_assert_cmpint(sd_bus_message_read(reply, "s", &name), >, 0);
        if (g_str_equal(name, "pointer"))
            g_assert_cmpint(sd_bus_message_read(reply, "v", "s", &pointer), >, 0);
        else
            g_assert_cmpint(sd_bus_message_skip(reply, "v"), >, 0);
        g_assert_cmpint(sd_bus_message_exit_container(reply), >, 0);
    }
    g_assert_cmpstr(pointer, ==, "/stop_timeout");
    sd_bus_message_unref(reply);
}

static void test_configure(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("web");

    client_create(client, "web", "process", SLEEPER, true);
    client_wait_state(client, "web", "active");
    uint64_t pid = main_pid(fixture, "web");

    sd_bus_message_unref(client_call(client, path, CLIENT_SERVICE, "Configure", "s",
                                     "{\"exec\": [\"/bin/sleep\", \"1000\"]}"));
    uint64_t new_pid = client_wait_main_pid(client, "web", pid);
    g_assert_false(process_is_alive(pid));
    g_assert_true(process_is_alive(new_pid));
    g_assert_cmpuint(client_get_unsigned(client, path, CLIENT_SERVICE, "ConfigRevision"), ==, 2);

    sd_bus_message *reply = client_call(client, path, CLIENT_SERVICE, "GetConfig", NULL);
    const char *config;
    g_assert_cmpint(sd_bus_message_read(reply, "s", &config), >, 0);
    g_assert_cmpstr(config, ==, "{\"exec\": [\"/bin/sleep\", \"1000\"]}");
    sd_bus_message_unref(reply);
}

static void test_restart(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;

    client_create(client, "web", "process", SLEEPER, true);
    client_wait_state(client, "web", "active");
    uint64_t pid = main_pid(fixture, "web");
    client_operate(client, "web", "Restart");
    client_wait_state(client, "web", "stopping");
    client_wait_state(client, "web", "active");
    g_assert_cmpuint(main_pid(fixture, "web"), !=, pid);
    g_assert_false(process_is_alive(pid));
}

static void test_delete(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;

    client_create(client, "web", "process", SLEEPER, true);
    client_wait_state(client, "web", "active");
    uint64_t pid = main_pid(fixture, "web");
    sd_bus_message_unref(
            client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "DeleteService", "sa{sv}", "web", 0));
    g_assert_false(process_is_alive(pid));
    g_free(client_call_refused(client, "org.svcmgr1.Error.NotFound", CLIENT_ROOT, CLIENT_MANAGER,
                               "GetService", "s", "web"));
}

/* A killed program comes back, and meanwhile everybody can see when. */
static void test_killed_comes_back(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("web");
    const char *failure_class;
    uint64_t next_attempt, attempts;

    client_create(client, "web", "process",
                  "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"restart\": {\"initial_delay\": "
                  "\"200ms\", \"min_delay\": \"200ms\"}}",
                  true);
    client_wait_state(client, "web", "active");
    uint64_t pid = main_pid(fixture, "web");
    uint64_t before = clock_wall_usec(clock_system());
    g_assert_cmpint(kill((pid_t)pid, SIGKILL), ==, 0);

    sd_bus_message *backoff = client_wait_state(client, "web", "backoff");
    g_assert_true(
            client_changed_unsigned(backoff, CLIENT_SERVICE, "NextAttemptTime", &next_attempt));
    g_assert_cmpuint(next_attempt, >=, before + 200 * USEC_PER_MSEC);
    g_assert_cmpuint(next_attempt, <, before + 20 * USEC_PER_SEC);
    g_assert_true(client_changed_unsigned(backoff, CLIENT_SERVICE, "FailedAttempts", &attempts));
    g_assert_cmpuint(attempts, ==, 1);
    g_assert_true(client_changed_string(backoff, CLIENT_SERVICE, "FailureClass", &failure_class));
    g_assert_cmpstr(failure_class, ==, "signal");

    sd_bus_message *starting = client_wait_state(client, "web", "starting");
    g_assert_true(
            client_changed_unsigned(starting, CLIENT_SERVICE, "NextAttemptTime", &next_attempt));
    g_assert_cmpuint(next_attempt, ==, 0);
    client_wait_state(client, "web", "active");
    g_assert_cmpuint(main_pid(fixture, "web"), !=, pid);
    g_assert_cmpuint(client_get_unsigned(client, path, CLIENT_PROCESS, "NRestarts"), ==, 1);
}

static void test_gives_up(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("bad");

    client_create(client, "bad", "process",
                  "{\"exec\": [\"/bin/sh\", \"-c\", \"exit 7\"], \"restart\": {\"initial_delay\": "
                  "0, \"max_attempts\": 3}}",
                  true);
    client_wait_state(client, "bad", "failed");
    g_autofree char *failure_class =
            client_get_string(client, path, CLIENT_SERVICE, "FailureClass");
    g_autofree char *error = client_get_string(client, path, CLIENT_SERVICE, "Error");
    g_assert_cmpstr(failure_class, ==, "exit-code");
    g_assert_nonnull(strstr(error, "7"));
    g_assert_cmpuint(client_get_unsigned(client, path, CLIENT_SERVICE, "FailedAttempts"), ==, 3);
    g_assert_cmpuint(client_get_unsigned(client, CLIENT_ROOT, CLIENT_MANAGER, "NFailed"), ==, 1);
    g_autofree char *state = client_get_string(client, CLIENT_ROOT, CLIENT_MANAGER, "State");
    g_assert_cmpstr(state, ==, "degraded");
}

static void test_missing_program(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("bad");

    client_create(client, "bad", "process",
                  "{\"exec\": [\"/nowhere/at/all\"], \"restart\": {\"policy\": \"no\"}}", true);
    client_wait_state(client, "bad", "failed");
    g_autofree char *failure_class =
            client_get_string(client, path, CLIENT_SERVICE, "FailureClass");
    g_autofree char *error = client_get_string(client, path, CLIENT_SERVICE, "Error");
    g_assert_cmpstr(failure_class, ==, "exec");
    g_assert_nonnull(strstr(error, "/nowhere/at/all"));
}

static void test_oneshot(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;

    client_create(client, "job", "oneshot", "{\"exec\": [\"/bin/true\"]}", true);
    client_wait_state(client, "job", "active");
    client_wait_state(client, "job", "inactive");
    client_create(client, "stays", "oneshot",
                  "{\"exec\": [\"/bin/true\"], \"remain_after_exit\": true}", true);
    client_wait_state(client, "stays", "active");
    client_operate(client, "stays", "Stop");
    client_wait_state(client, "stays", "inactive");
    client_create(client, "fails", "oneshot",
                  "{\"exec\": [\"/bin/false\"], \"restart\": {\"policy\": \"no\"}}", true);
    client_wait_state(client, "fails", "failed");
}

static void test_wait(DaemonFixture *fixture, const void *unused)
{
    Client *client = fixture->client;
    g_autofree char *path = client_service_path("web");
    const char *state;
    uint64_t serial;

    client_create(client, "web", "process", SLEEPER, true);
    sd_bus_message *reply =
            client_call(client, path, CLIENT_SERVICE, "Wait", "a{sv}", 1, "until", "s", "active");
    g_assert_cmpint(sd_bus_message_read(reply, "st", &state, &serial), >, 0);
    g_assert_cmpstr(state, ==, "active");
    sd_bus_message_unref(reply);
    g_free(client_call_refused(client, "org.svcmgr1.Error.Timeout", path, CLIENT_SERVICE, "Wait",
                               "a{sv}", 2, "until", "s", "inactive", "timeout_usec", "t",
                               (uint64_t)1000));
}

static void fixture_set_up(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_set_up(fixture, NULL);
    daemon_fixture_start(fixture, NULL);
}

#define ADD(path, function)                                                                        \
    g_test_add("/operate/" path, DaemonFixture, NULL, fixture_set_up, function,                    \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("start-stop", test_start_stop);
    ADD("wrong-operations", test_wrong_operations);
    ADD("bad-config", test_bad_config);
    ADD("validate-config", test_validate_config);
    ADD("configure", test_configure);
    ADD("restart", test_restart);
    ADD("delete", test_delete);
    ADD("killed-comes-back", test_killed_comes_back);
    ADD("gives-up", test_gives_up);
    ADD("missing-program", test_missing_program);
    ADD("oneshot", test_oneshot);
    ADD("wait", test_wait);
    return g_test_run();
}
