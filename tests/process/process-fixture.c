/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-fixture.h"

#include "base/fds.h"
#include "base/log.h"
#include "base/random.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <glib/gstdio.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

static uint64_t fixture_monotonic_usec(Clock *clock)
{
    const FixtureClock *fixture_clock = (const FixtureClock *)clock;

    return clock_monotonic_usec(clock_system()) - fixture_clock->ahead_usec;
}

static uint64_t fixture_wall_usec(Clock *clock)
{
    return clock_wall_usec(clock_system());
}

static void on_fixture_log(LogLevel level, const char *service, const char *message, void *data)
{
    g_string_append_printf(data, "%s\n", message);
}

static void on_fixture_sigchld(int signo, uint32_t sender_pid, void *data)
{
    process_host_on_sigchld(((ProcessFixture *)data)->host);
}

static void on_fixture_change(const Change *change, void *data)
{
    ProcessFixture *fixture = data;
    const StateRecord *state = change->new_state;

    if (change->type == CHANGE_UPDATE)
        g_string_append_printf(fixture->history, "%s/%s ", state_to_string(state->state),
                               state->sub_state);
}

static void on_fixture_properties(Service *service, uint32_t mask, void *data)
{
    ProcessFixture *fixture = data;
    const KindProperty *properties = service_kind(service)->properties;

    fixture->changed |= mask;
    fixture->n_property_changes++;
    for (unsigned i = 0; properties[i].name != NULL; i++) {
        if ((mask & (1U << i)) == 0 || !g_str_equal(properties[i].name, "StatusText"))
            continue;
        fixture->n_status_changes++;
        g_free(fixture->told_status);
        fixture->told_status = g_strdup(fixture_property(service, "StatusText").s);
    }
}

void fixture_init(ProcessFixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(g_getenv("TEST_PROGRAMS")); /* meson test sets it */
    *fixture = (ProcessFixture){
            .directory = g_dir_make_tmp("svcmgr-test-XXXXXX", &error),
            .clock = {{fixture_monotonic_usec, fixture_wall_usec}, 0},
            .sys = sys_linux,
            .log = g_string_new(NULL),
            .history = g_string_new(NULL),
            .n_fds = fd_count_open(),
    };
    g_assert_no_error(error);
    /* Programs of other users are to find their sockets and files. */
    g_assert_cmpint(g_chmod(fixture->directory, 0711), ==, 0);
    log_set_sink(on_fixture_log, fixture->log);
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    fixture->loop = loop_new(&error);
    g_assert_no_error(error);
    g_assert_true(loop_add_signal(fixture->loop, SIGCHLD, on_fixture_sigchld, fixture, &error));

    ProcessHostOptions options = {
            .clock = &fixture->clock.clock,
            .timers = loop_timers(fixture->loop),
            .watches = loop_watches(fixture->loop),
            .random = random_system(),
            .sys = &fixture->sys,
            .runtime_dir = fixture->directory,
    };
    fixture->host = process_host_new(&options, &error);
    g_assert_no_error(error);
    fixture->core =
            core_new(loop_clock(fixture->loop), loop_timers(fixture->loop), random_system(), 1);
    fixture->listener = feed_listen(fixture->core->feed, on_fixture_change, fixture);
    feed_listen_properties(fixture->core->feed, on_fixture_properties, fixture);
    fixture->process = kind_process_new(fixture->host);
    fixture->oneshot = kind_oneshot_new(fixture->host);
}

static void fixture_remove(const char *path)
{
    if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && g_file_test(path, G_FILE_TEST_IS_DIR)) {
        g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);

        for (const char *name; (name = g_dir_read_name(directory)) != NULL;) {
            g_autofree char *inner = g_build_filename(path, name, NULL);
            fixture_remove(inner);
        }
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

static bool fixture_has_no_child(void *unused)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

void fixture_done(ProcessFixture *fixture)
{
    g_autofree char *notify = g_build_filename(fixture->directory, "notify", NULL);

    fixture_run_until(fixture, fixture_has_no_child, NULL);
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    fixture_settle(fixture);
    feed_unlisten(fixture->listener);
    core_free(fixture->core);
    g_free(fixture->process);
    g_free(fixture->oneshot);
    process_host_free(fixture->host);
    g_assert_cmpint(g_rmdir(notify), ==, 0); /* it is empty, and so was the host's part of it */
    loop_free(fixture->loop);
    log_set_sink(NULL, NULL);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds);
    fixture_remove(fixture->directory);
    g_string_free(fixture->log, TRUE);
    g_string_free(fixture->history, TRUE);
    g_free(fixture->told_status);
    g_free(fixture->directory);
}

void fixture_run_until(ProcessFixture *fixture, FixtureCondition condition, void *data)
{
    uint64_t deadline = clock_monotonic_usec(clock_system()) + FIXTURE_DEADLINE_USEC;

    while (!condition(data)) {
        uint64_t now = clock_monotonic_usec(clock_system());

        if (now >= deadline)
            g_error("nothing came of it; history: %s\nlog:\n%s", fixture->history->str,
                    fixture->log->str);
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), MIN(deadline - now, 100000)), >=,
                        0);
    }
}

void fixture_settle(ProcessFixture *fixture)
{
    while (sd_event_run(loop_event(fixture->loop), 0) > 0)
        ;
}

const char *fixture_path(const ProcessFixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->directory, name, NULL);

    return g_intern_string(path);
}

char *fixture_read(const ProcessFixture *fixture, const char *name)
{
    char *text = NULL;

    (void)g_file_get_contents(fixture_path(fixture, name), &text, NULL, NULL); /* NULL then */
    return text;
}

pid_t fixture_read_pid(const ProcessFixture *fixture, const char *name)
{
    g_autofree char *text = fixture_read(fixture, name);

    g_assert_nonnull(text);
    pid_t pid = (pid_t)atoi(text);
    g_assert_cmpint(pid, >, 1);
    return pid;
}

const char *fixture_program(const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/program-%s", g_getenv("TEST_PROGRAMS"), name);

    return g_intern_string(path);
}

static char *fixture_expand(const ProcessFixture *fixture, const char *config)
{
    g_autoptr(GString) text = g_string_new(config);

    (void)g_string_replace(text, "'", "\"", 0);
    (void)g_string_replace(text, "@DIR", fixture->directory, 0);
    (void)g_string_replace(text, "@PROGRAMS", g_getenv("TEST_PROGRAMS"), 0);
    return g_strdup(text->str);
}

void fixture_configure(ProcessFixture *fixture, Service *service, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = fixture_expand(fixture, config);

    (void)service_configure(service, text, strlen(text), &origin_test, NULL, &error);
    g_assert_no_error(error);
}

Service *fixture_service(ProcessFixture *fixture, const Kind *kind, const char *config)
{
    static unsigned n_services;
    g_autofree char *id = g_strdup_printf("test-%u", ++n_services);
    Service *service = service_new(fixture->core, id, kind);

    service_publish(service, &origin_test);
    fixture_configure(fixture, service, config);
    return service;
}

Service *fixture_start(ProcessFixture *fixture, const Kind *kind, const char *config)
{
    g_autoptr(GError) error = NULL;
    Service *service = fixture_service(fixture, kind, config);

    (void)service_start(service, &origin_test, &error);
    g_assert_no_error(error);
    return service;
}

void fixture_request_stop(Service *service)
{
    g_autoptr(GError) error = NULL;

    (void)service_stop(service, &origin_test, &error);
    g_assert_no_error(error);
}

typedef struct FixtureWait {
    Service *service;
    State state;
    const char *sub_state;
    pid_t pid;
} FixtureWait;

static bool fixture_state_is(void *data)
{
    const FixtureWait *wait = data;

    return service_state(wait->service)->state == wait->state;
}

static bool fixture_sub_state_is(void *data)
{
    const FixtureWait *wait = data;

    return g_str_equal(service_state(wait->service)->sub_state, wait->sub_state);
}

static bool fixture_is_settled(void *data)
{
    return service_is_settled(data);
}

static bool fixture_pid_is_gone(void *data)
{
    return kill(((const FixtureWait *)data)->pid, 0) < 0 && errno == ESRCH;
}

void fixture_wait_state(ProcessFixture *fixture, Service *service, State state)
{
    FixtureWait wait = {.service = service, .state = state};

    fixture_run_until(fixture, fixture_state_is, &wait);
}

void fixture_wait_settled(ProcessFixture *fixture, Service *service)
{
    fixture_run_until(fixture, fixture_is_settled, service);
}

void fixture_wait_sub_state(ProcessFixture *fixture, Service *service, const char *sub_state)
{
    FixtureWait wait = {.service = service, .sub_state = sub_state};

    fixture_run_until(fixture, fixture_sub_state_is, &wait);
}

void fixture_wait_gone(ProcessFixture *fixture, pid_t pid)
{
    FixtureWait wait = {.pid = pid};

    fixture_run_until(fixture, fixture_pid_is_gone, &wait);
}

static bool fixture_is_inactive(void *data)
{
    return !service_state(data)->active;
}

void fixture_drop(ProcessFixture *fixture, Service *service)
{
    if (service_state(service)->active)
        (void)service_stop(service, &origin_test, NULL); /* it may be stopping already */
    fixture_run_until(fixture, fixture_is_inactive, service);
    service_retract(service);
    service_unref(service);
}

KindValue fixture_property(Service *service, const char *name)
{
    const KindProperty *property = service_kind(service)->properties;
    KindValue value;

    while (!g_str_equal(property->name, name))
        property++;
    property->get(service_instance(service), &value);
    return value;
}

pid_t fixture_main_pid(Service *service)
{
    return (pid_t)fixture_property(service, "MainPID").u;
}

void assert_failure(Service *service, FailureClass failure_class, const char *text)
{
    const StateRecord *record = service_state(service);

    g_assert_true(record->state == STATE_FAILED || record->state == STATE_BACKOFF);
    g_assert_nonnull(record->error);
    assert_contains(record->error->message, text);
    g_assert_cmpstr(failure_class_to_string(record->failure_class), ==,
                    failure_class_to_string(failure_class));
}
