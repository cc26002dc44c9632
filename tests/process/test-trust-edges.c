/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words that mean less than a program may hope, and moments that are easily overlooked. */

#include "base/errors.h"
#include "trust-fixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define ONCE "'restart': {'policy': 'no'}"

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

/* A program that has a notify socket for its watchdog, and says that it is ready in the wrong way.
 */
static void test_ready_is_no_newline(TrustFixture *fixture, const void *data)
{
    Service *service = trust_start(
            fixture, "{" NOTIFIER "'@on', 'USR1', '@write-fd', '3', '\\n', '@end', "
                     "'READY=1\\nSTATUS=said'], 'readiness': 'fd', 'watchdog': '1min', " ONCE "}");

    trust_wait_status(fixture, service, "said");
    assert_state(service, STATE_STARTING);
    trust_signal(service, SIGUSR1);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_drop(&fixture->process, service);
}

/* The program of reload_exec is there for a moment; the service is not to be over with it. */
static void test_helper_is_no_main(TrustFixture *fixture, const void *data)
{
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'READY=1'], 'readiness': 'notify', 'reload_exec': "
                                 "['@PROGRAMS/program-notifier', '@self-main', '@barrier', "
                                 "'@exit', '0'], " ONCE "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    g_assert_true(service_reload(service, &origin_test, NULL));
    trust_wait_log(fixture, "its MAINPID is the program of reload_exec or stop_exec");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_assert_no_error(service_state(service)->error);
    g_assert_cmpint(fixture_main_pid(service), ==, pid);
    g_assert_cmpint(kill(pid, 0), ==, 0);
    fixture_drop(&fixture->process, service);
}

/* Both in one message: the time that is asked for is that of the reload. */
static void test_extended_reload(TrustFixture *fixture, const void *data)
{
    Service *service = trust_start(
            fixture,
            "{" NOTIFIER "'@on', 'HUP', 'RELOADING=1\\nEXTEND_TIMEOUT_USEC=60000000"
            "\\nSTATUS=reloads', '@end', '@on', 'USR1', 'READY=1', '@end', 'READY=1'], "
            "'readiness': 'notify', 'start_timeout': '5s', 'reload_signal': 'HUP', " ONCE "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture->process.clock.ahead_usec = 5 * USEC_PER_SEC; /* what it has without asking */
    g_assert_true(service_reload(service, &origin_test, NULL));
    trust_wait_status(fixture, service, "reloads");
    fixture_settle(&fixture->process);
    assert_state(service, STATE_RELOADING);
    trust_signal(service, SIGUSR1);
    fixture_wait_sub_state(&fixture->process, service, "running");
    g_assert_no_error(service_state(service)->error);
    fixture_drop(&fixture->process, service);
}

/* Its main process is dead, but whether it has left somebody is not known yet: there is nothing to
 * be reloaded, and what is asked then does not keep it from ending. */
static void test_reload_of_the_dead(TrustFixture *fixture, const void *data)
{
    g_autoptr(GError) error = NULL;
    Service *service = trust_start(fixture, "{" NOTIFIER "'READY=1'], 'readiness': 'notify', "
                                            "'reload_exec': ['/bin/true'], " ONCE "}");
    siginfo_t info;

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    process_host_sweep(fixture->process.host);
    (void)service_reload(service, &origin_test, &error); /* refused where it is over already */
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/edges/ready-is-no-newline", test_ready_is_no_newline, NULL);
    trust_add("/trust/edges/helper-is-no-main", test_helper_is_no_main, NULL);
    trust_add("/trust/edges/extended-reload", test_extended_reload, NULL);
    trust_add("/trust/edges/reload-of-the-dead", test_reload_of_the_dead, NULL);
    return g_test_run();
}
