/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration that comes while something is under way, with real programs: in the end one
 * program of the last configuration runs, and nothing of those before. */

#include "process-fixture.h"

#include "base/fds.h"

#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const Origin origin_test = {.cause = CAUSE_METHOD};

static void adopt_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void adopt_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

/* Of a program that stays, and says its own word. */
static void adopt(Service *service, const char *name)
{
    g_autofree char *text = g_strdup_printf(
            "{\"exec\": [\"%s\", \"STATUS=%s\", \"READY=1\"], \"readiness\": \"notify\"}",
            fixture_program("notifier"), name);
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(service_kind(service), text, strlen(text), problems);

    g_assert_nonnull(config);
    (void)service_adopt_config(service, config, CONFIG_FROM_DEFINITION, &origin_test);
}

/* It has said which it is before it said that it is ready. */
static void assert_runs_alone(ProcessFixture *fixture, Service *service, const char *name)
{
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, name);
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 1);
    g_assert_null(service_state(service)->error);
    g_assert_cmpuint(service_state(service)->failed_attempts, ==, 0);
}

static bool program_runs(void *data)
{
    return fixture_main_pid(data) > 0;
}

/* Its program runs, and never says that it is ready. */
static Service *start_never_ready(ProcessFixture *fixture, const char *config)
{
    Service *service = fixture_start(fixture, fixture->process, config);

    fixture_run_until(fixture, program_runs, service);
    assert_state(service, STATE_STARTING);
    return service;
}

/* The program itself, whoever has its number later. */
static int program_open(Service *service)
{
    int fd = (int)syscall(SYS_pidfd_open, fixture_main_pid(service), 0);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void assert_ended(int program)
{
    g_assert_cmpint(poll(&(struct pollfd){.fd = program, .events = POLLIN}, 1, 0), ==, 1);
}

static void test_starting(ProcessFixture *fixture, const void *unused)
{
    Service *service = start_never_ready(
            fixture,
            "{'exec': ['@PROGRAMS/program-notifier', 'STATUS=old'], 'readiness': 'notify'}");
    pid_t old = fixture_main_pid(service);
    autofd int program = program_open(service);

    adopt(service, "new");
    assert_state(service, STATE_STARTING);
    fixture_wait_settled(fixture, service);
    assert_runs_alone(fixture, service, "new");
    g_assert_cmpint(fixture_main_pid(service), !=, old);
    assert_ended(program);
    fixture_drop(fixture, service);
}

/* Before the first program is there, and again while that is being ended. */
static void test_again_and_again(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['@PROGRAMS/program-notifier', 'STATUS=old'], 'readiness': 'notify'}");

    adopt(service, "second");
    fixture_run_until(fixture, program_runs, service);
    autofd int second = program_open(service);

    adopt(service, "third");
    fixture_settle(fixture);
    adopt(service, "fourth");
    adopt(service, "fifth");
    fixture_wait_settled(fixture, service);
    assert_runs_alone(fixture, service, "fifth");
    assert_ended(second);
    g_assert_cmpuint(service_state(service)->config_revision, ==, 5);
    fixture_drop(fixture, service);
}

/* The old program does not go when it is asked to. */
static void test_reloading_stubborn(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'],"
                                     " 'readiness': 'notify', 'stop_timeout': '50ms'}");

    fixture_wait_settled(fixture, service);
    autofd int program = program_open(service);

    adopt(service, "second"); /* replaces what runs */
    assert_state(service, STATE_RELOADING);
    fixture_settle(fixture);
    adopt(service, "new");
    fixture_wait_settled(fixture, service);
    assert_runs_alone(fixture, service, "new");
    assert_ended(program);
    fixture_drop(fixture, service);
}

static void test_stopping(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{'exec': ['@PROGRAMS/program-stayer']}");

    fixture_wait_settled(fixture, service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    fixture_settle(fixture);
    assert_state(service, STATE_STOPPING);
    adopt(service, "new");
    fixture_wait_settled(fixture, service);
    assert_runs_alone(fixture, service, "new");
    fixture_request_stop(service);
    adopt(service, "newer");
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    g_assert_true(service_start(service, &origin_test, NULL));
    fixture_wait_settled(fixture, service);
    assert_runs_alone(fixture, service, "newer");
    fixture_drop(fixture, service);
}

static void test_backoff(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['/does/not/exist'], 'restart': {'policy': "
                                     "'always', 'initial_delay': '1h', 'max_delay': '1h'}}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_BACKOFF);
    adopt(service, "new");
    fixture_wait_settled(fixture, service);
    assert_runs_alone(fixture, service, "new");
    fixture_drop(fixture, service);
}

#define ADOPT_TEST(path, function)                                                                 \
    g_test_add(path, ProcessFixture, NULL, adopt_init, function, adopt_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADOPT_TEST("/kinds-adopt/starting", test_starting);
    ADOPT_TEST("/kinds-adopt/again-and-again", test_again_and_again);
    ADOPT_TEST("/kinds-adopt/reloading-stubborn", test_reloading_stubborn);
    ADOPT_TEST("/kinds-adopt/stopping", test_stopping);
    ADOPT_TEST("/kinds-adopt/backoff", test_backoff);
    return g_test_run();
}
