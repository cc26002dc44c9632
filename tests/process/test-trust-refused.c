/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that has become somebody else, whom we may not signal: that is said, not swallowed. */

#include "trust-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static bool is_refusing;

static int refusing_kill(pid_t pid, int signo)
{
    int r = sys_linux.kill(pid, is_refusing ? 0 : signo);

    if (r < 0 || !is_refusing)
        return r;
    errno = EPERM;
    return -1;
}

static int refusing_pidfd_send_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    int r = sys_linux.pidfd_send_signal(pidfd, is_refusing ? 0 : signo, info, flags);

    if (r < 0 || !is_refusing)
        return r;
    errno = EPERM;
    return -1;
}

static Service *refused_start(TrustFixture *fixture, const char *words)
{
    g_autofree char *config = g_strdup_printf("{'restart': {'policy': 'no'}, 'stop_timeout': "
                                              "'50ms', 'exec': ['@PROGRAMS/program-%s]}",
                                              words);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture->process.sys.kill = refusing_kill;
    fixture->process.sys.pidfd_send_signal = refusing_pidfd_send_signal;
    is_refusing = false;
    return service;
}

/* SIGUSR1 ends it when it comes through. */
static void test_signal(TrustFixture *fixture, const void *words)
{
    Service *service = refused_start(fixture, words);
    g_autoptr(GError) error = NULL;

    if (strstr(words, "@DIR/pids") != NULL)
        trust_wait_file(fixture, "pids", "\n");
    is_refusing = true;
    g_assert_false(service_signal(service, SIGNAL_ALL, SIGUSR1, &error));
    assert_contains(error->message, g_strerror(EPERM));
    assert_contains(error->message, "cannot signal any of its processes");
    is_refusing = false;
    g_clear_error(&error);
    assert_state(service, STATE_ACTIVE);
    (void)service_signal(service, SIGNAL_ALL, SIGUSR1, &error);
    g_assert_no_error(error);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "SIGUSR1");
    fixture_drop(&fixture->process, service);
}

/* Where the kernel itself kills all of a cgroup nobody asks whose they are. */
static void test_unkillable(TrustFixture *fixture, const void *words)
{
    Service *service = refused_start(fixture, words);
    bool has_left = strstr(words, "@DIR/pids") != NULL;

    if (has_left)
        trust_wait_file(fixture, "pids", "\n");
    pid_t pid = has_left ? fixture_read_pid(&fixture->process, "pids") : fixture_main_pid(service);
    g_autofree char *text =
            g_strdup_printf("process %d cannot be signalled: %s (it runs as uid %u)", (int)pid,
                            g_strerror(EPERM), (unsigned)geteuid());
    is_refusing = true;
    if (has_left)
        trust_signal(service, SIGTERM); /* by ourselves: the main process goes */
    fixture_request_stop(service);
    if (!fixture->has_cgroups) {
        fixture_wait_sub_state(&fixture->process, service, "unkillable");
        assert_contains(service_state(service)->error->message, text);
    }
    is_refusing = false;
    fixture_wait_settled(&fixture->process, service);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/refused/signal/one", test_signal, "stayer', 'stubborn'");
    trust_add("/trust/refused/signal/some", test_signal, "stayer', 'stubborn-child', '@DIR/pids'");
    trust_add("/trust/refused/unkillable/main", test_unkillable, "stayer', 'stubborn'");
    trust_add("/trust/refused/unkillable/left", test_unkillable,
              "daemoniser', 'stay', 'stubborn', '@DIR/pids'");
    return g_test_run();
}
