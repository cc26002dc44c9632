/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between two runs of a service its cgroup stays, and nothing else of the first: the second is told
 * only what it has used itself. Whoever will not be started again leaves none. Where controllers
 * are enabled each run has a new one. */

#include "trust-fixture.h"

#include "base/fds.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define KEEP_RUNS 3
#define KEEP_CPU "200" /* milliseconds */
#define BUSY "'exec': ['@PROGRAMS/program-consumer', '0', '" KEEP_CPU "', '1', '0', '@DIR/busy'], "
#define WAITS                                                                                      \
    "'exec': ['@PROGRAMS/program-stayer'], 'readiness': 'notify', "                                \
    "'restart': {'policy': 'always', 'initial_delay': '1h'}, "

static unsigned n_made;

static int keep_mkdirat(int directory_fd, const char *path, mode_t mode)
{
    n_made++;
    return sys_linux.mkdirat(directory_fd, path, mode);
}

static bool keep_is_for(const TrustFixture *fixture)
{
    g_autofree char *path = fixture->has_cgroups ? g_build_filename(fixture->cgroups.base,
                                                                    "cgroup.controllers", NULL)
                                                 : NULL;
    g_autofree char *text = NULL;

    return path != NULL && g_file_get_contents(path, &text, NULL, NULL) &&
           *g_strstrip(text) == '\0';
}

static uint64_t keep_cpu_usec(Service *service)
{
    KindEntry entries[KIND_ENTRIES_MAX];
    const KindProperty *property = service_kind(service)->properties;

    while (!g_str_equal(property->name, "Usage"))
        property++;
    size_t n = property->get_entries(service_instance(service), entries);
    for (size_t i = 0; i < n; i++) {
        if (g_str_equal(entries[i].name, "cpu_usec"))
            return entries[i].value.t;
    }
    g_error("no time of a processor");
}

/* The program says that it is busy no more. */
static void keep_await_run(TrustFixture *fixture, Service *service)
{
    const char *path = fixture_path(&fixture->process, "busy");

    trust_wait_file(fixture, "busy", "\n");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void test_runs(TrustFixture *fixture, const void *unused)
{
    fixture->process.sys.mkdirat = keep_mkdirat;
    n_made = 0;
    Service *service = trust_start(fixture, "{" BUSY "'restart': {'policy': 'always', "
                                            "'initial_delay': 0}}");

    for (unsigned i = 0; i < KEEP_RUNS; i++) {
        keep_await_run(fixture, service);
        uint64_t cpu_usec = keep_cpu_usec(service);
        g_assert_cmpuint(cpu_usec, >=, 180 * USEC_PER_MSEC);
        g_assert_cmpuint(cpu_usec, <, 360 * USEC_PER_MSEC);
        if (i + 1 < KEEP_RUNS)
            trust_signal(service, SIGTERM);
    }
    if (keep_is_for(fixture))
        g_assert_cmpuint(n_made, ==, 1);
    fixture_drop(&fixture->process, service);
}

static void keep_kill(const TrustFixture *fixture, Service *service)
{
    g_autofree char *tree = g_path_get_dirname(fixture_property(service, "ControlGroup").s);
    g_autofree char *name = g_path_get_basename(fixture_property(service, "ControlGroup").s);
    g_autofree char *in = g_path_get_basename(tree);
    g_autofree char *path = g_build_filename(fixture->cgroups.base, in, name, "cgroup.kill", NULL);
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(write(fd, "1", 1), ==, 1);
}

/* Some kernels kill whoever begins in a cgroup that was ever killed. */
static void test_killed(TrustFixture *fixture, const void *unused)
{
    if (!fixture->has_cgroups)
        return;
    Service *service = trust_start(fixture, "{" BUSY "'restart': {'policy': 'always', "
                                            "'initial_delay': 0}}");

    for (unsigned i = 0; i < KEEP_RUNS; i++) {
        keep_await_run(fixture, service);
        keep_kill(fixture, service);
    }
    keep_await_run(fixture, service);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, KEEP_RUNS);
    fixture_drop(&fixture->process, service);
}

/* In a wait it is there; it goes with a stop, and with the service. */
static void test_waits(TrustFixture *fixture, const void *stops)
{
    Service *service = trust_start(fixture, "{" WAITS "'start_limit': {'burst': 0}}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_autofree char *group = g_strdup(fixture_property(service, "ControlGroup").s);
    trust_signal(service, SIGHUP);
    fixture_wait_state(&fixture->process, service, STATE_BACKOFF);
    g_assert_true(trust_cgroup_exists(fixture, group) == keep_is_for(fixture));
    if (stops != NULL) {
        fixture_request_stop(service);
        fixture_wait_settled(&fixture->process, service);
        assert_state(service, STATE_INACTIVE);
        g_assert_false(trust_cgroup_exists(fixture, group));
    }
    fixture_drop(&fixture->process, service);
    g_assert_false(trust_cgroup_exists(fixture, group));
}

/* No start is due: it has failed, or has done its work. */
static void keep_assert_none(TrustFixture *fixture, Service *service, State state)
{
    fixture_wait_state(&fixture->process, service, state);
    g_assert_false(trust_cgroup_exists(fixture, fixture_property(service, "ControlGroup").s));
    fixture_drop(&fixture->process, service);
}

static void test_ends(TrustFixture *fixture, const void *unused)
{
    keep_assert_none(fixture,
                     trust_start(fixture, "{'exec': ['/bin/false'], 'restart': {'policy': "
                                          "'always', 'initial_delay': 0}, "
                                          "'start_limit': {'burst': 2}}"),
                     STATE_FAILED);
    keep_assert_none(fixture,
                     trust_start(fixture, "{'exec': ['/bin/false'], 'restart': {'policy': 'no'}}"),
                     STATE_FAILED);
    keep_assert_none(fixture,
                     fixture_start(&fixture->process, fixture->process.oneshot,
                                   "{'remain_after_exit': true, 'exec': ['/bin/true']}"),
                     STATE_ACTIVE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/keep/runs", test_runs, NULL);
    trust_add("/trust/keep/killed", test_killed, NULL);
    trust_add("/trust/keep/waits/stopped", test_waits, "");
    trust_add("/trust/keep/waits/deleted", test_waits, NULL);
    trust_add("/trust/keep/ends", test_ends, NULL);
    return g_test_run();
}
