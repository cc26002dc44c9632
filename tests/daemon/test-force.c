/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A shutdown that runs out of time, without cgroups: what it ends by force all the same, and what
 * it says of that which does not end at all. */

#include "base/fds.h"
#include "support/daemon-fixture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* It writes its child's process id to a file, and is ready then. The child ignores SIGTERM like its
 * parent, and is in a session of its own. */
#define LEAVER                                                                                     \
    "{\"readiness\": \"fd\", \"stop_timeout\": \"1h\", \"exec\": [\"/bin/sh\", \"-c\", "           \
    "\"trap '' TERM; setsid sleep 300 & echo $! > '%s'; echo >&3; wait\"]}"

static pid_t force_read_pid(const char *path)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return (pid_t)atoi(text);
}

static void test_leaver(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = g_build_filename(fixture->root, "pid", NULL);
    g_autofree char *config = g_strdup_printf(LEAVER, path);

    daemon_fixture_start(fixture, "--shutdown-timeout=200ms", NULL);
    client_create(fixture->client, "leaver", "process", config, true);
    client_wait_state(fixture->client, "leaver", "active");

    autofd int pidfd = pidfd_open(force_read_pid(path), 0);
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    g_assert_cmpint(pidfd, >=, 0);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);
    int n = poll(&end, 1, 0);
    if (n == 0)
        (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    g_assert_cmpint(n, ==, 1);

    g_autofree char *log = daemon_fixture_log(fixture);
    g_assert_nonnull(strstr(log, "still running: leaver (stopping"));
    g_assert_null(strstr(log, "left behind"));
}

/* The dead whom somebody else's debugger holds cannot be buried. */
static void test_left_behind(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, "--shutdown-timeout=200ms", NULL);
    client_create(fixture->client, "held", "process", "{\"exec\": [\"/bin/sleep\", \"300\"]}",
                  true);
    client_wait_state(fixture->client, "held", "active");

    g_autofree char *path = client_service_path("held");
    pid_t pid = (pid_t)client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");
    g_assert_cmpint(ptrace(PTRACE_SEIZE, pid, NULL, NULL), ==, 0);
    int code = daemon_fixture_stop(fixture, SIGTERM);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, __WALL) == pid || errno == EINTR)
        ;
    g_assert_cmpint(code, !=, 0);

    g_autofree char *log = daemon_fixture_log(fixture);
#ifdef ADDRESS_SANITIZED
    g_assert_nonnull(
            strstr(log, "ended; left behind, for they do not end: held (")); /* and leaks */
#else
    const char *last = strrchr(g_strchomp(log), '\n');
    g_assert_nonnull(last);
    g_assert_nonnull(strstr(last, "ended; left behind, for they do not end: held ("));
#endif
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/force/leaver", DaemonFixture, NULL, daemon_fixture_set_up, test_leaver,
               daemon_fixture_tear_down);
    g_test_add("/force/left-behind", DaemonFixture, NULL, daemon_fixture_set_up, test_left_behind,
               daemon_fixture_tear_down);
    return g_test_run();
}
