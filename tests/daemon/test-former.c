/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon that was killed has left running, and the next one on the same state directory. */

#include "trouble.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
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

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-former/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,       \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("slow-hook", test_slow_hook);
    return g_test_run();
}
