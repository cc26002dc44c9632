/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine that comes up with a full disk has its services all the same: what is kept can be read,
 * what cannot be kept is refused, and when there is room again nothing needs a restart. */

#include "trouble.h"

#include <signal.h>
#include <sys/resource.h>

#define SLEEP "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"
/* No file may grow, that of the log neither; the signal that says so besides comes before the
 * daemon can have asked not to get it. */
#define FULL "trap '' XFSZ; ulimit -S -f 0; exec \"$0\" \"$@\""

static void boot_make_room(DaemonFixture *fixture)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    g_assert_cmpint(prlimit(fixture->daemon.pid, RLIMIT_FSIZE, &limit, NULL), ==, 0);
}

static void boot_assert_storage(DaemonFixture *fixture, const char *error, const char *state)
{
    g_autofree char *found_error = trouble_get_manager(fixture, "StorageError");
    g_autofree char *found_state = trouble_get_manager(fixture, "State");

    assert_contains(found_error, error);
    if (*error == '\0')
        g_assert_cmpstr(found_error, ==, "");
    g_assert_cmpstr(found_state, ==, state);
}

static void boot_prepare(DaemonFixture *fixture)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "web", "process", SLEEP, true);
    client_wait_state(fixture->client, "web", "active");
}

static void boot_assert_degraded_then_well(DaemonFixture *fixture)
{
    trouble_wait_active(fixture, "web");
    boot_assert_storage(fixture, "File too large", "degraded");
    g_autofree char *refused =
            client_call_refused(fixture->client, SD_BUS_ERROR_FAILED, CLIENT_ROOT, CLIENT_MANAGER,
                                "CreateService", "sssa{sv}", "new", "process", SLEEP, 0);
    assert_contains(refused, "File too large");

    boot_make_room(fixture);
    client_create(fixture->client, "new", "process", SLEEP, true);
    boot_assert_storage(fixture, "", "running");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    fixture->wrapper = NULL;
    daemon_fixture_start(fixture, NULL);
    trouble_wait_active(fixture, "web");
    trouble_wait_active(fixture, "new");
}

static void test_after_an_end(DaemonFixture *fixture, const void *unused)
{
    boot_prepare(fixture);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    fixture->wrapper = FULL;
    daemon_fixture_start(fixture, NULL);
    boot_assert_degraded_then_well(fixture);
}

/* A log is there, and what was running. */
static void test_after_a_crash(DaemonFixture *fixture, const void *unused)
{
    boot_prepare(fixture);
    child_kill(&fixture->daemon, SIGKILL);
    g_assert_true(child_wait(&fixture->daemon, DAEMON_PATIENCE_USEC, NULL));
    g_clear_pointer(&fixture->client, client_free);
    fixture->wrapper = FULL;
    daemon_fixture_start(fixture, NULL);
    boot_assert_degraded_then_well(fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/daemon-disk-boot/after-an-end", DaemonFixture, NULL, daemon_fixture_set_up,
               test_after_an_end, daemon_fixture_tear_down);
    g_test_add("/daemon-disk-boot/after-a-crash", DaemonFixture, NULL, daemon_fixture_set_up,
               test_after_a_crash, daemon_fixture_tear_down);
    return g_test_run();
}
