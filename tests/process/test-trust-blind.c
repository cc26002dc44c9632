/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* While nobody can be looked for, for want of descriptors or memory, a service is not over: whoever
 * of it lives would be joined by its next run. */

#include "trust-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define DAEMONISER                                                                                 \
    "{'restart': {'policy': 'always', 'initial_delay': '1ms'}, 'stop_timeout': '300ms', "          \
    "'exec': ['@PROGRAMS/program-daemoniser', 'stay', 'stubborn', '@DIR/pids']}"
#define CANNOT_LOOK "cannot look for what has left the session"
/* Of all the looks that are given up while a test is blind: each opens a file or two. */
#define BLIND_LOOKS_MAX 200

static int blind_errno; /* 0: can see */
static unsigned n_refused;

static int blind_open(const char *path, int flags)
{
    if (blind_errno == 0 || !g_str_has_prefix(path, "/proc"))
        return sys_linux.open(path, flags);
    n_refused++;
    errno = blind_errno;
    return -1;
}

static Service *blind_start(TrustFixture *fixture)
{
    Service *service = trust_start(fixture, DAEMONISER);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    trust_wait_file(fixture, "pids", "\n");
    blind_errno = n_refused = 0;
    fixture->process.sys.open = blind_open;
    return service;
}

static unsigned blind_count_lines(const TrustFixture *fixture, const char *text)
{
    unsigned n = 0;

    for (const char *at = fixture->process.log->str; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

static void blind_assert_gone(TrustFixture *fixture, Service *service)
{
    g_assert_cmpuint(trust_count_processes(fixture_property(service, "InvocationId").s), ==, 0);
    g_assert_cmpuint(blind_count_lines(fixture, CANNOT_LOOK), ==, fixture->has_cgroups ? 0 : 1);
    g_assert_cmpuint(n_refused, <, BLIND_LOOKS_MAX);
}

/* The whole ladder is gone through without a look; what ignores SIGTERM is seen to be there, and is
 * killed, when it can be found again. */
static void test_stop(TrustFixture *fixture, const void *errno_value)
{
    Service *service = blind_start(fixture);
    pid_t daemon_pid = fixture_read_pid(&fixture->process, "pids");

    blind_errno = GPOINTER_TO_INT(errno_value);
    fixture_request_stop(service);
    if (fixture->has_cgroups) {
        fixture_wait_settled(&fixture->process, service);
    } else {
        trust_wait_history(fixture, "/final-sigkill");
        trust_wait_log(fixture, CANNOT_LOOK);
        assert_state(service, STATE_STOPPING);
        g_assert_cmpint(kill(daemon_pid, 0), ==, 0);
    }
    blind_errno = 0;
    fixture_wait_settled(&fixture->process, service);
    assert_failure(service, FAILURE_TIMEOUT, "did not end within 300ms of SIGTERM");
    blind_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

/* It ends by itself, and is not started again beside its own daemon. */
static void test_end(TrustFixture *fixture, const void *errno_value)
{
    Service *service = blind_start(fixture);
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);

    blind_errno = GPOINTER_TO_INT(errno_value);
    trust_signal(service, SIGTERM);
    if (!fixture->has_cgroups) {
        trust_wait_log(fixture, CANNOT_LOOK);
        trust_wait_history(fixture, "/final-sigkill");
        g_assert_cmpstr(fixture_property(service, "InvocationId").s, ==, id);
        g_assert_cmpuint(trust_count_processes(id), ==, 1);
    }
    blind_errno = 0;
    trust_wait_history(fixture, "backoff/");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    blind_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/blind/stop", test_stop, GINT_TO_POINTER(EMFILE));
    trust_add("/trust/blind/stop/memory", test_stop, GINT_TO_POINTER(ENOMEM));
    trust_add("/trust/blind/end", test_end, GINT_TO_POINTER(ENFILE));
    return g_test_run();
}
