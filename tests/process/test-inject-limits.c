/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the kernel itself has no more to give: descriptors (RLIMIT_NOFILE) and processes
 * (RLIMIT_NPROC). A start fails and says so, a stop needs nothing and is done all the same, and all
 * is well when there is more again. */

#include "base/errors.h"
#include "base/fds.h"
#include "process-fixture.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NO_RESTART "'restart': {'policy': 'no'}"
#define SLEEPER "{'exec': ['/bin/sleep', '60'], " NO_RESTART "}"
/* That nobody has processes of. */
#define LONELY_UID 3141592

static void limits_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void limits_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

/* Returns the soft limit as it was. */
static rlim_t set_limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit;

    g_assert_cmpint(getrlimit(resource, &limit), ==, 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = value;
    g_assert_cmpint(setrlimit(resource, &limit), ==, 0);
    return before;
}

/* The lowest descriptor that is free: with this as the limit there is none. */
static rlim_t first_free(void)
{
    autofd int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    return (rlim_t)fd;
}

static void assert_runs(ProcessFixture *fixture, Service *service)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    g_autoptr(GError) error = NULL;

    (void)service_start(service, &origin, &error);
    g_assert_no_error(error);
    fixture_wait_state(fixture, service, STATE_ACTIVE);
}

/* From none at all to enough, one by one. */
static void test_start(ProcessFixture *fixture, const void *config)
{
    bool is_refused = true;

    for (unsigned n_free = 0; n_free < 80 || is_refused; n_free++) {
        int n_fds = fd_count_open();
        rlim_t before = set_limit(RLIMIT_NOFILE, first_free() + n_free);
        Service *service = fixture_start(fixture, fixture->process, config);

        g_assert_cmpuint(n_free, <, 100);
        fixture_wait_settled(fixture, service);
        is_refused = service_state(service)->state == STATE_FAILED;
        (void)set_limit(RLIMIT_NOFILE, before);
        if (is_refused && service_state(service)->error->code == ERROR_LIMIT_EXCEEDED)
            assert_failure(service, FAILURE_EXEC, "of the daemon's descriptors are in use");
        else if (is_refused)
            assert_failure(service, FAILURE_EXEC, "Too many open files");
        else
            g_assert_cmpuint(n_free, >=, 64); /* those that are kept back */
        if (is_refused) {
            g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
            g_assert_cmpint(fd_count_open(), ==, n_fds);
            assert_runs(fixture, service);
        }
        fixture_drop(fixture, service);
        g_assert_cmpint(fd_count_open(), ==, n_fds);
    }
}

/* Not one descriptor is free, and none is needed. */
static void test_stop(ProcessFixture *fixture, const void *unused)
{
    static const struct {
        const char *words;
        State state;
    } stops[] = {
            {"'clean'", STATE_INACTIVE},
            {"'stubborn'", STATE_FAILED},
            {"'child', '@DIR/child'", STATE_INACTIVE},
            {"'stubborn-child', '@DIR/stubborn'", STATE_FAILED},
    };
    Service *services[G_N_ELEMENTS(stops)];

    for (unsigned i = 0; i < G_N_ELEMENTS(stops); i++) {
        g_autofree char *config =
                g_strdup_printf("{'exec': ['@PROGRAMS/program-stayer', %s], 'readiness': 'notify', "
                                "'stop_timeout': '%s', " NO_RESTART "}",
                                stops[i].words, stops[i].state == STATE_FAILED ? "20ms" : "10s");

        services[i] = fixture_start(fixture, fixture->process, config);
        fixture_wait_state(fixture, services[i], STATE_ACTIVE);
    }
    rlim_t before = set_limit(RLIMIT_NOFILE, first_free());
    for (unsigned i = 0; i < G_N_ELEMENTS(stops); i++)
        fixture_request_stop(services[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(stops); i++)
        fixture_wait_settled(fixture, services[i]);
    (void)set_limit(RLIMIT_NOFILE, before);
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(stops); i++) {
        assert_state(services[i], stops[i].state);
        assert_runs(fixture, services[i]);
        fixture_drop(fixture, services[i]);
    }
}

/* Root's processes are not counted, so root is somebody else meanwhile. */
static void test_processes(ProcessFixture *fixture, const void *unused)
{
    bool is_root = geteuid() == 0;

    if (is_root) {
        g_assert_cmpint(setresuid(LONELY_UID, LONELY_UID, 0), ==, 0);
        g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
    }
    rlim_t before = set_limit(RLIMIT_NPROC, 1);
    Service *service = fixture_start(fixture, fixture->process, SLEEPER);
    Service *once =
            fixture_start(fixture, fixture->oneshot, "{'exec': ['/bin/true'], " NO_RESTART "}");

    fixture_wait_settled(fixture, service);
    fixture_wait_settled(fixture, once);
    (void)set_limit(RLIMIT_NPROC, before);
    assert_failure(service, FAILURE_EXEC,
                   "cannot create a process: Resource temporarily unavailable");
    assert_failure(once, FAILURE_EXEC, "cannot create a process: Resource temporarily unavailable");
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    assert_runs(fixture, service);
    fixture_drop(fixture, service);
    fixture_drop(fixture, once);
    if (is_root) {
        g_assert_cmpint(setresuid(0, 0, 0), ==, 0);
        g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
    }
}

/* Root may create it, but who it becomes may not have it: the kernel says so at the exec. */
static void test_processes_of_user(ProcessFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    g_autofree char *config = g_strdup_printf(
            "{'exec': ['/bin/sleep', '60'], 'user': '%u', 'group': '%u', " NO_RESTART "}",
            LONELY_UID, LONELY_UID);
    Service *first = fixture_start(fixture, fixture->process, config);

    fixture_wait_state(fixture, first, STATE_ACTIVE);
    rlim_t before = set_limit(RLIMIT_NPROC, 0);
    Service *service = fixture_start(fixture, fixture->process, config);
    fixture_wait_settled(fixture, service);
    (void)set_limit(RLIMIT_NPROC, before);
    assert_state(service, STATE_FAILED);
    assert_failure(service, FAILURE_EXEC,
                   "cannot execute '/bin/sleep': Resource temporarily unavailable");
    assert_state(first, STATE_ACTIVE);
    assert_runs(fixture, service);
    fixture_drop(fixture, service);
    fixture_drop(fixture, first);
}

#define LIMITS_TEST(path, config, function)                                                        \
    g_test_add(path, ProcessFixture, config, limits_init, function, limits_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    LIMITS_TEST("/inject-limits/descriptors/start", SLEEPER, test_start);
    LIMITS_TEST("/inject-limits/descriptors/start-notify",
                "{'exec': ['@PROGRAMS/program-stayer'], 'readiness': 'notify', " NO_RESTART "}",
                test_start);
    LIMITS_TEST("/inject-limits/descriptors/stop", NULL, test_stop);
    LIMITS_TEST("/inject-limits/processes", NULL, test_processes);
    LIMITS_TEST("/inject-limits/processes-of-user", NULL, test_processes_of_user);
    return g_test_run();
}
