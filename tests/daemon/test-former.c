/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon that was killed has left running, and the next one on the same state directory. */

#include "trouble.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* It says when SIGTERM does not end it any more. */
static char *former_stubborn_config(void)
{
    return g_strdup_printf("{\"exec\": [\"%s\"], \"readiness\": \"notify\"}", g_getenv("STUBBORN"));
}

static void former_start(DaemonFixture *fixture, const char *id, const char *config)
{
    client_create(fixture->client, id, "process", config, true);
    client_wait_state(fixture->client, id, "active");
}

/* What startup hooks have taken of the time is not there for the asking: the rest is enough for
 * force. */
static void test_slow_hook(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *config = former_stubborn_config();

    daemon_fixture_start(fixture, NULL);
    former_start(fixture, "web", config);
    daemon_fixture_kill(fixture);
    trouble_script(fixture, "hooks/startup.d/10-slow", "sleep 3.2");
    daemon_fixture_start(
            fixture, "--startup-timeout=6s",
            daemon_fixture_option(fixture, "hooks-dir", trouble_path(fixture, "hooks")), NULL);

    g_autofree char *log = daemon_fixture_log(fixture);
    assert_contains(log, "1 process of the former run ended, 1 of them by force");
    trouble_wait_active(fixture, "web");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

#define FORMER_SLEEPER "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"

/* With the database goes what tells whose they are, but for what the lock file says. */
static void test_lost_database(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    former_start(fixture, "web", FORMER_SLEEPER);
    daemon_fixture_kill(fixture);
    g_assert_cmpint(g_unlink(trouble_path(fixture, "state/svcmgr.db")), ==, 0);
    g_assert_cmpint(g_unlink(trouble_path(fixture, "state/svcmgr.db-wal")), ==, 0);
    daemon_fixture_start(fixture, NULL);

    g_autofree char *log = daemon_fixture_log(fixture);
    assert_contains(log, "service 'web': 1 process of the former run ended");
    former_start(fixture, "web", FORMER_SLEEPER);
    daemon_fixture_kill(fixture); /* the new one is known by both */
    daemon_fixture_start(fixture, NULL);
    trouble_wait_active(fixture, "web");
    g_autofree char *log_then = daemon_fixture_log(fixture);
    g_assert_cmpuint(text_count(log_then, "1 process of the former run ended"), ==, 2);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

static void former_copy_state(DaemonFixture *fixture)
{
    const char *argv[] = {"/bin/cp", "-a", trouble_path(fixture, "state"),
                          trouble_path(fixture, "copy"), NULL};
    g_auto(GStrv) environment = g_get_environ();
    Child child;

    child_spawn(&child, argv, (const char *const *)environment, &(ChildStreams){-1, -1, -1});
    g_assert_cmpint(child_wait_exit(&child, DAEMON_PATIENCE_USEC), ==, 0);
}

/* Services of a daemon that lives, seen from another on a copy of its state directory. That one
 * gets no further than to the name on the bus, which comes after the sweep. */
static void test_copied_state(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("web"), *output = NULL;

    daemon_fixture_start(fixture, NULL);
    former_start(fixture, "web", FORMER_SLEEPER);
    uint64_t serial = client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "StateSerial");
    former_copy_state(fixture);
    int code = daemon_fixture_run(
            fixture, &output, "--socket=none",
            daemon_fixture_option(fixture, "address", fixture->bus_address),
            daemon_fixture_option(fixture, "runtime-dir", trouble_path(fixture, "other")),
            daemon_fixture_option(fixture, "state-dir", trouble_path(fixture, "copy")), NULL);
    g_assert_cmpint(code, ==, 1);
    assert_contains(output, "the database is a copy");
    assert_contains(output, "org.svcmgr1");
    assert_lacks(output, "of the former run ended");
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "StateSerial"), ==,
                     serial);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

static void former_assert_refused(DaemonFixture *fixture, const char *reason)
{
    g_autofree char *path = client_service_path("web");

    (void)sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Wait", "a{sv}",
                                           1, "until", "s", "settled"));
    g_autofree char *state = trouble_get(fixture, "web", "State");
    g_autofree char *log = trouble_wait_log(fixture, reason);
    g_assert_cmpstr(state, ==, "failed");
}

/* Without the right to send signals to others, the daemon cannot end a program of another user. No
 * second one is started beside it. */
static void test_left(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("web");

    if (geteuid() != 0) {
        g_test_skip("only root can start programs as another user");
        return;
    }
    daemon_fixture_start(fixture, NULL);
    former_start(fixture, "web",
                 "{\"exec\": [\"/bin/sleep\", \"60\"], \"user\": \"nobody\","
                 " \"restart\": {\"policy\": \"no\"}}");
    pid_t pid = (pid_t)client_get_unsigned(fixture->client, path, "org.svcmgr1.Process", "MainPID");
    g_autofree char *reason =
            g_strdup_printf("process %d (sleep) of the former run is still there", (int)pid);
    daemon_fixture_kill(fixture);
    fixture->wrapper = "exec setpriv --bounding-set=-kill --inh-caps=-kill \"$0\" \"$@\"";
    daemon_fixture_start(fixture, "--startup-timeout=4s", NULL);
    former_assert_refused(fixture, reason);
    client_operate(fixture->client, "web", "Start");
    former_assert_refused(fixture, reason);

    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED), ==, 0);
    (void)sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s",
                                           FORMER_SLEEPER)); /* that it can end */
    client_operate(fixture->client, "web", "Start");
    trouble_wait_active(fixture, "web");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-former/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,       \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("slow-hook", test_slow_hook);
    ADD("left", test_left);
    ADD("lost-database", test_lost_database);
    ADD("copied-state", test_copied_state);
    return g_test_run();
}
