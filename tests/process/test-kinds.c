/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes and oneshots as they should go. */

#include "process-fixture.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static void kinds_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void kinds_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

static void test_run_and_stop(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{'exec': ['@PROGRAMS/program-stayer']}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "running");
    pid_t pid = fixture_main_pid(service);
    g_assert_cmpint(kill(pid, 0), ==, 0);
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 1);
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, -1);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "");
    g_assert_cmpuint(strlen(fixture_property(service, "InvocationId").s), ==, 32);

    fixture_request_stop(service);
    assert_state(service, STATE_STOPPING);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    assert_sub_state(service, "dead");
    g_assert_null(service_state(service)->error);
    g_assert_cmpint(kill(pid, 0), <, 0);
    g_assert_cmpint(fixture_main_pid(service), ==, 0);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGTERM");
    g_assert_cmpstr(fixture->history->str, ==,
                    "inactive/ starting/ active/running stopping/ stopping/stop-sigterm "
                    "inactive/dead ");
    fixture_drop(fixture, service);
}

static void test_restart_has_new_invocation(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{'exec': ['@PROGRAMS/program-stayer']}");
    g_autoptr(GError) error = NULL;

    fixture_wait_settled(fixture, service);
    g_autofree char *invocation = g_strdup(fixture_property(service, "InvocationId").s);
    pid_t pid = fixture_main_pid(service);
    g_assert_true(service_restart(service, &origin_test, &error));
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    g_assert_cmpstr(fixture_property(service, "InvocationId").s, !=, invocation);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 0);
    fixture_drop(fixture, service);
}

/* What hangs is what people restart: that it has to be killed does not keep it down. */
static void test_restart_of_what_hangs(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'],"
                                     " 'readiness': 'notify', 'stop_timeout': '50ms'}");
    fixture_wait_settled(fixture, service);
    pid_t pid = fixture_main_pid(service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    g_assert_null(service_state(service)->error);
    fixture_drop(fixture, service);
}

static void test_restart_by_policy(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['@PROGRAMS/program-stayer'], 'restart': {'initial_delay': '1ms'}}");

    fixture_wait_settled(fixture, service);
    for (unsigned i = 1; i <= 3; i++) {
        pid_t pid = fixture_main_pid(service);

        fixture->changed = 0;
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        fixture_wait_state(fixture, service, STATE_BACKOFF);
        assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
        assert_sub_state(service, "dead");
        fixture_wait_state(fixture, service, STATE_ACTIVE);
        g_assert_cmpint(fixture_main_pid(service), !=, pid);
        g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, i);
        g_assert_cmpuint(service_state(service)->failed_attempts, ==, i);
    }
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    g_assert_true(service_start(service, &origin_test, NULL));
    fixture_wait_settled(fixture, service);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 0);
    fixture_drop(fixture, service);
}

/* A word about itself, between the moment when the next attempt is due and the attempt. */
static void on_change_say_more(const Change *change, void *data)
{
    const StateRecord *record = change->new_state;

    if (record->state == STATE_STARTING && record->cause == CAUSE_RETRY)
        service_set_sub_state(change->service, "resting");
}

static void test_restarts_are_counted(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['@PROGRAMS/program-stayer'], 'restart': {'initial_delay': '1ms'}}");
    FeedListener *listener = service_listen(service, on_change_say_more, NULL);

    fixture_wait_settled(fixture, service);
    for (unsigned i = 1; i <= 3; i++) {
        g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
        fixture_wait_state(fixture, service, STATE_BACKOFF);
        fixture_wait_state(fixture, service, STATE_ACTIVE);
        g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, i);
    }
    assert_contains(fixture->history->str, "starting/resting");
    fixture_configure(fixture, service, "{'exec': ['@PROGRAMS/program-stayer', 'clean']}");
    fixture_wait_settled(fixture, service);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 3);
    g_assert_true(service_restart(service, &origin_test, NULL));
    fixture_wait_settled(fixture, service);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 0);
    feed_unlisten(listener);
    fixture_drop(fixture, service);
}

static void test_clean_end(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-ender', 'exit', '0']}");

    fixture_wait_state(fixture, service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, 0);
    fixture_drop(fixture, service);
}

static void test_success_exit_status(ProcessFixture *fixture, const void *unused)
{
    Service *code = fixture_start(fixture, fixture->process,
                                  "{'exec': ['@PROGRAMS/program-ender', 'exit', '42'],"
                                  " 'success_exit_status': [42]}");
    Service *signaled = fixture_start(fixture, fixture->process,
                                      "{'exec': ['@PROGRAMS/program-ender', 'signal', '15'],"
                                      " 'success_exit_status': ['SIGTERM']}");

    fixture_wait_state(fixture, code, STATE_INACTIVE);
    fixture_wait_state(fixture, signaled, STATE_INACTIVE);
    g_assert_null(service_state(code)->error);
    g_assert_null(service_state(signaled)->error);
    fixture_drop(fixture, code);
    fixture_drop(fixture, signaled);
}

static void test_configure_replaces(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{'exec': ['@PROGRAMS/program-stayer']}");

    fixture_wait_settled(fixture, service);
    pid_t pid = fixture_main_pid(service);
    /* Only when it speaks its arguments are sure to be visible. */
    fixture_configure(fixture, service,
                      "{'exec': ['@PROGRAMS/program-stayer', 'clean'], 'readiness': 'notify'}");
    assert_state(service, STATE_RELOADING);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "running");
    g_assert_cmpint(kill(pid, 0), <, 0);
    g_assert_cmpint(fixture_main_pid(service), !=, pid);

    g_autofree char *link = g_strdup_printf("/proc/%d/cmdline", (int)fixture_main_pid(service));
    g_autofree char *arguments = NULL;
    size_t length;
    g_assert_true(g_file_get_contents(link, &arguments, &length, NULL));
    g_assert_cmpstr(arguments + strlen(arguments) + 1, ==, "clean");
    fixture_drop(fixture, service);
}

/* The new program is started by the configuration that is newest when the old one is gone. */
static void test_stop_while_replacing(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'],"
                                     " 'readiness': 'notify', 'stop_timeout': '50ms'}");

    fixture_wait_settled(fixture, service);
    fixture_configure(fixture, service, "{'exec': ['@PROGRAMS/program-stayer']}");
    fixture_wait_sub_state(fixture, service, "stop-sigterm");
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_failure(service, FAILURE_TIMEOUT, "did not end within 50ms of SIGTERM");
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    fixture_drop(fixture, service);
}

static void test_oneshot(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->oneshot,
                                     "{'exec': ['@PROGRAMS/program-ender', 'exit', '0']}");

    fixture_wait_state(fixture, service, STATE_INACTIVE);
    assert_sub_state(service, "exited");
    g_assert_null(service_state(service)->error);
    g_assert_cmpstr(fixture->history->str, ==,
                    "inactive/ starting/ starting/start active/exited inactive/exited ");
    fixture_drop(fixture, service);
}

static void test_oneshot_remains(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->oneshot,
                                     "{'exec': ['@PROGRAMS/program-ender', 'exit', '0'],"
                                     " 'remain_after_exit': true}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "exited");
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    assert_sub_state(service, "dead");
    fixture_drop(fixture, service);
}

static void test_oneshot_again(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->oneshot,
                                     "{'exec': ['@PROGRAMS/program-ender', 'first-fails', "
                                     "'@DIR/flag'], 'remain_after_exit': true,"
                                     " 'restart': {'initial_delay': '1ms'}}");

    fixture_wait_state(fixture, service, STATE_BACKOFF);
    assert_failure(service, FAILURE_EXIT_CODE, "exited with status 1");
    fixture_wait_state(fixture, service, STATE_ACTIVE);
    g_assert_null(service_state(service)->error);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 1);
    fixture_drop(fixture, service);
}

static void test_stop_a_running_oneshot(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->oneshot, "{'exec': ['@PROGRAMS/program-stayer']}");

    fixture_wait_sub_state(fixture, service, "start");
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    fixture_drop(fixture, service);
}

static void test_stop_signal(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'], 'readiness': 'notify',"
            " 'stop_signal': 'SIGINT'}");

    fixture_wait_settled(fixture, service);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGINT");
    assert_contains(fixture->history->str, "stopping/stop-signal");
    fixture_drop(fixture, service);
}

/* A stopped process is let go on, so that it can end. */
static void test_stop_a_suspended_one(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'clean'], 'readiness': 'notify'}");

    fixture_wait_settled(fixture, service);
    g_assert_cmpint(kill(fixture_main_pid(service), SIGSTOP), ==, 0);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, 0);
    fixture_drop(fixture, service);
}

static void test_signal_and_owner(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'child', '@DIR/pid'],"
                                     " 'readiness': 'notify', 'restart': {'policy': 'no'}}");
    const Kind *kind = fixture->process;
    g_autoptr(GError) error = NULL;

    fixture_wait_settled(fixture, service);
    pid_t child = fixture_read_pid(fixture, "pid");
    void *instance = service_instance(service);
    g_assert_true(kind->owns_pid(instance, (uint32_t)fixture_main_pid(service)));
    g_assert_true(kind->owns_pid(instance, (uint32_t)child));
    g_assert_false(kind->owns_pid(instance, (uint32_t)getpid()));
    g_assert_false(kind->owns_pid(instance, 1));
    g_assert_false(kind->owns_pid(instance, 0));
    g_assert_false(service_signal(service, SIGNAL_MAIN, 9999, &error));
    g_clear_error(&error);
    g_assert_false(service_signal(service, SIGNAL_ALL, -1, &error));
    g_clear_error(&error);
    g_assert_true(service_signal(service, SIGNAL_MAIN, SIGUSR1, &error));
    fixture_wait_settled(fixture, service);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGUSR1");
    fixture_wait_gone(fixture, child);
    g_assert_false(service_signal(service, SIGNAL_ALL, SIGUSR1, &error));
    fixture_drop(fixture, service);
}

/* Orphans are reaped, and no main process's exit is lost among them. */
static void test_storm_of_deaths(ProcessFixture *fixture, const void *unused)
{
    Service *services[60];

    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        services[i] =
                fixture_start(fixture, fixture->process,
                              i % 2 == 0 ? "{'exec': ['@PROGRAMS/program-ender', 'exit', '9'],"
                                           " 'restart': {'policy': 'no'}}"
                                         : "{'exec': ['/bin/sh', '-c', '(exit 3) & (exit 4) & "
                                           "exit 9'], 'restart': {'policy': 'no'}}");
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
        fixture_wait_state(fixture, services[i], STATE_FAILED);
        assert_failure(services[i], FAILURE_EXIT_CODE, "exited with status 9");
        fixture_drop(fixture, services[i]);
    }
}

#define KINDS_TEST(path, function)                                                                 \
    g_test_add(path, ProcessFixture, NULL, kinds_init, function, kinds_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    KINDS_TEST("/kinds/process/run-and-stop", test_run_and_stop);
    KINDS_TEST("/kinds/process/restart-has-new-invocation", test_restart_has_new_invocation);
    KINDS_TEST("/kinds/process/restart-of-what-hangs", test_restart_of_what_hangs);
    KINDS_TEST("/kinds/process/restart-by-policy", test_restart_by_policy);
    KINDS_TEST("/kinds/process/restarts-are-counted", test_restarts_are_counted);
    KINDS_TEST("/kinds/process/clean-end", test_clean_end);
    KINDS_TEST("/kinds/process/success-exit-status", test_success_exit_status);
    KINDS_TEST("/kinds/process/configure-replaces", test_configure_replaces);
    KINDS_TEST("/kinds/process/stop-while-replacing", test_stop_while_replacing);
    KINDS_TEST("/kinds/process/stop-signal", test_stop_signal);
    KINDS_TEST("/kinds/process/stop-a-suspended-one", test_stop_a_suspended_one);
    KINDS_TEST("/kinds/process/signal-and-owner", test_signal_and_owner);
    KINDS_TEST("/kinds/process/storm-of-deaths", test_storm_of_deaths);
    KINDS_TEST("/kinds/oneshot/once", test_oneshot);
    KINDS_TEST("/kinds/oneshot/remains", test_oneshot_remains);
    KINDS_TEST("/kinds/oneshot/again", test_oneshot_again);
    KINDS_TEST("/kinds/oneshot/stop-while-running", test_stop_a_running_oneshot);
    return g_test_run();
}
