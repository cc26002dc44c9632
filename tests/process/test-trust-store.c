/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that a program leaves with the daemon for its next start: which ones, as what, and
 * for how long. */

#include "base/fds.h"
#include "trust-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define AGAIN                                                                                      \
    "'restart': {'policy': 'on-failure', 'initial_delay': '1ms', 'min_delay': '1ms', 'jitter': 0}"
/* Once it is signalled, and when that has been heard. */
#define GIVES(words) "'@on', 'USR1', " words ", '@barrier', 'STATUS=given', '@end', "
#define SHOWS "'@passed', '@DIR/passed', 'READY=1'], 'readiness': 'notify', "

#define NOTHING "LISTEN_FDS=none LISTEN_PID=none\n"
#define THREE                                                                                      \
    GIVES("'@give', 'memory=one', 'FDSTORE=1\\\\nFDNAME=b', '@give', 'memory=two', 'FDSTORE=1', "  \
          "'@give', 'listen=@DIR/socket', 'FDSTORE=1\\\\nFDNAME=a'")
#define THREE_PASSED "LISTEN_FDS=3 LISTEN_PID=mine\n3 b file one\n4 stored file two\n5 a socket \n"

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

/* What the program was passed that has started since it was asked last. */
static void assert_passed(TrustFixture *fixture, const char *expected)
{
    trust_wait_file(fixture, "passed", "LISTEN_FDS");
    g_autofree char *passed = fixture_read(&fixture->process, "passed");

    g_assert_cmpstr(passed, ==, expected);
    g_assert_cmpint(g_remove(fixture_path(&fixture->process, "passed")), ==, 0);
}

static void let_give(TrustFixture *fixture, Service *service)
{
    trust_signal(service, SIGUSR1);
    trust_wait_status(fixture, service, "given");
}

/* Active for the first time, and it has given. */
static Service *start_and_give(TrustFixture *fixture, const char *config)
{
    Service *service = trust_start(fixture, config);

    assert_passed(fixture, NOTHING);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    let_give(fixture, service);
    return service;
}

/* Another run of it is active. */
static void die_and_wait(TrustFixture *fixture, Service *service)
{
    g_string_truncate(fixture->process.history, 0);
    trust_signal(service, SIGKILL);
    trust_wait_history(fixture, "active/");
}

static void start_again(TrustFixture *fixture, Service *service)
{
    g_autoptr(GError) error = NULL;

    (void)service_start(service, &origin_test, &error);
    g_assert_no_error(error);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
}

static int n_fds_expected;

static bool fds_are_as_expected(void *unused)
{
    return fd_count_open() == n_fds_expected;
}

/* Nothing runs, and so many are kept; begun is how many were open before. */
static void assert_kept(TrustFixture *fixture, int begun, int n)
{
    n_fds_expected = begun + n;
    fixture_run_until(&fixture->process, fds_are_as_expected, NULL);
}

/* Its death, Restart, a configuration that needs a new start, its watchdog: each the next
 * start of the same. A stop is the end of it. */
static void test_survive(TrustFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    int n_fds = fd_count_open();
    Service *service = start_and_give(fixture, "{" NOTIFIER THREE SHOWS AGAIN "}");

    die_and_wait(fixture, service);
    assert_passed(fixture, THREE_PASSED);
    g_assert_true(service_restart(service, &origin_test, &error));
    assert_passed(fixture, THREE_PASSED);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_configure(&fixture->process, service,
                      "{" NOTIFIER "'@on', 'USR2', 'WATCHDOG=trigger', '@end', " THREE SHOWS
                      "'watchdog': '60s', " AGAIN "}");
    assert_passed(fixture, THREE_PASSED);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    trust_signal(service, SIGUSR2);
    assert_passed(fixture, THREE_PASSED);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_request_stop(service);
    fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    assert_kept(fixture, n_fds, 0);
    start_again(fixture, service);
    assert_passed(fixture, NOTHING);
    fixture_drop(&fixture->process, service);
}

static void test_order(TrustFixture *fixture, const void *unused)
{
    Service *service = start_and_give(
            fixture, "{" NOTIFIER GIVES("'@give', 'memory=1,memory=2,same,memory=3', "
                                        "'FDSTORE=1\\\\nFDNAME=x', '@give', 'memory=4', "
                                        "'FDSTORE=1\\\\nFDNAME=y', '@give', 'memory=5', "
                                        "'FDSTORE=1\\\\nFDNAME=x'") SHOWS AGAIN "}");

    die_and_wait(fixture, service);
    assert_passed(fixture, "LISTEN_FDS=5 LISTEN_PID=mine\n3 x file 1\n4 x file 2\n5 x file 3\n"
                           "6 y file 4\n7 x file 5\n");
    fixture_drop(&fixture->process, service);
}

static void test_remove(TrustFixture *fixture, const void *unused)
{
    Service *service = start_and_give(
            fixture, "{" NOTIFIER GIVES("'@give', 'memory=1,memory=2', 'FDSTORE=1\\\\nFDNAME=x', "
                                        "'@give', 'memory=3', 'FDSTORE=1\\\\nFDNAME=y', "
                                        "'FDSTOREREMOVE=1\\\\nFDNAME=x', "
                                        "'FDSTOREREMOVE=1\\\\nFDNAME=none'") SHOWS AGAIN "}");

    die_and_wait(fixture, service);
    assert_passed(fixture, "LISTEN_FDS=1 LISTEN_PID=mine\n3 y file 3\n");
    fixture_drop(&fixture->process, service);
}

/* The first come are kept; where one is given back there is room again. */
static void test_limit(TrustFixture *fixture, const void *unused)
{
    Service *service = start_and_give(
            fixture,
            "{" NOTIFIER GIVES("'@give', 'memory=1', 'FDSTORE=1\\\\nFDNAME=x', '@give', "
                               "'memory=2,memory=3', 'FDSTORE=1\\\\nFDNAME=y', "
                               "'FDSTOREREMOVE=1\\\\nFDNAME=x', '@give', 'memory=4', "
                               "'FDSTORE=1\\\\nFDNAME=z'") SHOWS "'fd_store_max': 2, " AGAIN "}");

    assert_contains(fixture->process.log->str, "as many as fd_store_max are kept");
    die_and_wait(fixture, service);
    assert_passed(fixture, "LISTEN_FDS=2 LISTEN_PID=mine\n3 y file 2\n4 z file 4\n");
    fixture_drop(&fixture->process, service);
}

static void test_limit_0(TrustFixture *fixture, const void *unused)
{
    Service *service =
            start_and_give(fixture, "{" NOTIFIER THREE SHOWS "'fd_store_max': 0, " AGAIN "}");

    die_and_wait(fixture, service);
    assert_passed(fixture, NOTHING);
    fixture_drop(&fixture->process, service);
}

static int open_as_served(const char *path, int flags)
{
    if (!g_str_equal(path, "/proc/self/mountinfo"))
        return sys_linux.open(path, flags);
    errno = EACCES; /* as for a mount of another namespace: it may be anything */
    return -1;
}

/* What may wait for somebody outside this host is not kept, which is said; the rest is. */
static void test_served(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(
            fixture, "{" NOTIFIER GIVES("'@give', 'memory=1', 'FDSTORE=1\\\\nFDNAME=x', '@give', "
                                        "'file=@DIR/given', 'FDSTORE=1\\\\nFDNAME=far', '@give', "
                                        "'pipe=2', 'FDSTORE=1\\\\nFDNAME=z'") SHOWS AGAIN "}");

    assert_passed(fixture, NOTHING);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture->process.sys.open = open_as_served;
    let_give(fixture, service);
    assert_contains(fixture->process.log->str,
                    "descriptor 'far' is not kept (FDSTORE=1): it is of a file system");
    die_and_wait(fixture, service);
    assert_passed(fixture, "LISTEN_FDS=1 LISTEN_PID=mine\n3 x file 1\n");
    fixture_drop(&fixture->process, service);
}

/* A configuration that wants fewer than there are: at once where it is taken over, else before the
 * next start, whose readiness descriptor may have the number of one of them. */
static void test_fewer(TrustFixture *fixture, const void *unused)
{
    int n_fds;
    Service *service = start_and_give(fixture, "{" NOTIFIER THREE SHOWS AGAIN "}");

    n_fds = fd_count_open();
    fixture_configure(&fixture->process, service,
                      "{" NOTIFIER THREE SHOWS "'fd_store_max': 2, " AGAIN "}");
    assert_kept(fixture, n_fds, -1);
    assert_contains(fixture->process.log->str, "closed 1 of the stored descriptors");
    die_and_wait(fixture, service);
    assert_passed(fixture, "LISTEN_FDS=2 LISTEN_PID=mine\n3 b file one\n4 stored file two\n");
    fixture_configure(&fixture->process, service,
                      "{" NOTIFIER "'@passed', '@DIR/passed', '@write-fd', '4', '\\\\n'], "
                      "'readiness': 'fd', 'readiness_fd': 4, " AGAIN "}");
    assert_passed(fixture, "LISTEN_FDS=1 LISTEN_PID=mine\n3 b file one\n");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_drop(&fixture->process, service);
}

/* What has another end goes with that: by a word, and by the death of who has it. */
static void test_hang_up(TrustFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    int n_fds = fd_count_open();
    Service *service = start_and_give(
            fixture,
            "{" NOTIFIER GIVES("'@give', 'socket=1,pipe=2,memory=3', 'FDSTORE=1', '@hang-up', "
                               "'@give', 'socket=4', 'FDSTORE=1', '@give', 'pipe=5', "
                               "'FDSTORE=1\\\\nFDNAME=p\\\\nFDPOLL=0'") SHOWS
            "'restart': {'initial_delay': '60s'}}");

    trust_signal(service, SIGKILL);
    fixture_wait_state(&fixture->process, service, STATE_BACKOFF);
    assert_kept(fixture, n_fds, 2); /* the memory, and what is not to be looked at */
    g_assert_true(service_restart(service, &origin_test, &error));
    assert_passed(fixture, "LISTEN_FDS=2 LISTEN_PID=mine\n3 stored file 3\n4 p pipe 5\n");
    fixture_drop(&fixture->process, service);
}

/* Below the one for readiness, whose number it keeps. */
static void test_below_readiness(TrustFixture *fixture, const void *unused)
{
    static const char config[] =
            "{" NOTIFIER THREE "'@passed', '@DIR/passed', '@write-fd', '7', '\\\\n'], 'readiness': "
            "'fd', 'readiness_fd': 7, 'watchdog': '60s', " AGAIN "}";
    Service *service = start_and_give(fixture, config);

    die_and_wait(fixture, service);
    assert_passed(fixture, THREE_PASSED);
    fixture_drop(&fixture->process, service);
}

/* Nobody else gets them: no program that helps, no other service. */
static void test_not_for_others(TrustFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    Service *service = start_and_give(
            fixture, "{" NOTIFIER THREE SHOWS "'reload_exec': ['@PROGRAMS/program-notifier', "
                     "'@passed', '@DIR/passed', '@exit', '0'], " AGAIN "}");

    g_assert_true(service_reload(service, &origin_test, &error));
    assert_passed(fixture, NOTHING);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    Service *other = trust_start(fixture, "{" NOTIFIER SHOWS AGAIN "}");
    assert_passed(fixture, NOTHING);
    fixture_drop(&fixture->process, other);
    fixture_drop(&fixture->process, service);
}

/* The end of keeping */

typedef struct EndCase {
    const char *name;
    const char *policy;
    int signo;         /* how it ends */
    State state;       /* after that */
    int n_kept;        /* in that state */
    bool is_stopped;   /* then */
    State after_start; /* when it is asked for once more: active, without any */
} EndCase;

static const EndCase end_cases[] = {
        {"gives-up", "'restart': {'policy': 'no'}", SIGKILL, STATE_FAILED, 0, false, STATE_ACTIVE},
        {"no-attempt-left", "'restart': {'max_attempts': 1}", SIGKILL, STATE_FAILED, 0, false,
         STATE_ACTIVE},
        {"ends-well", "'restart': {'policy': 'on-failure'}", SIGTERM, STATE_INACTIVE, 0, false,
         STATE_ACTIVE},
        {"stopped-in-backoff", "'restart': {'initial_delay': '60s'}", SIGKILL, STATE_BACKOFF, 3,
         true, STATE_ACTIVE},
        {"start-limit",
         "'start_limit': {'burst': 1, 'interval': '60s'}, 'restart': {'initial_delay': '1ms', "
         "'min_delay': '1ms', 'jitter': 0}",
         SIGKILL, STATE_FAILED, 0, false, STATE_FAILED},
};

static void test_end(TrustFixture *fixture, const void *data)
{
    const EndCase *row = data;
    g_autoptr(GError) error = NULL;
    int n_fds = fd_count_open();
    g_autofree char *config =
            g_strconcat("{" NOTIFIER "'@on', 'TERM', '@exit', '0', '@end', " THREE SHOWS,
                        row->policy, "}", NULL);
    Service *service = start_and_give(fixture, config);

    trust_signal(service, row->signo);
    fixture_wait_state(&fixture->process, service, row->state);
    assert_kept(fixture, n_fds, row->n_kept);
    if (row->is_stopped)
        fixture_request_stop(service);
    if (row->is_stopped)
        fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    assert_kept(fixture, n_fds, 0);
    if (row->after_start == STATE_ACTIVE) {
        (void)g_unlink(fixture_path(&fixture->process, "socket"));
        start_again(fixture, service);
        assert_passed(fixture, NOTHING);
    }
    fixture_drop(&fixture->process, service);
}

/* With the service. */
static void test_deleted(TrustFixture *fixture, const void *unused)
{
    int n_fds = fd_count_open();
    Service *service = start_and_give(fixture, "{" NOTIFIER THREE SHOWS
                                               "'restart': {'initial_delay': '60s'}}");

    trust_signal(service, SIGKILL);
    fixture_wait_state(&fixture->process, service, STATE_BACKOFF);
    assert_kept(fixture, n_fds, 3);
    (void)service_begin_delete(service, &origin_test);
    fixture_drop(&fixture->process, service);
    assert_kept(fixture, n_fds, 0);
}

static const struct {
    const char *path;
    TrustFunc func;
} cases[] = {
        {"/trust/store/survive", test_survive},
        {"/trust/store/order", test_order},
        {"/trust/store/remove", test_remove},
        {"/trust/store/limit", test_limit},
        {"/trust/store/limit-0", test_limit_0},
        {"/trust/store/served", test_served},
        {"/trust/store/fewer", test_fewer},
        {"/trust/store/hang-up", test_hang_up},
        {"/trust/store/below-readiness", test_below_readiness},
        {"/trust/store/not-for-others", test_not_for_others},
        {"/trust/store/deleted", test_deleted},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        trust_add(cases[i].path, cases[i].func, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(end_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/store/end/", end_cases[i].name, NULL);
        trust_add(path, test_end, &end_cases[i]);
    }
    return g_test_run();
}
