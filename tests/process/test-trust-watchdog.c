/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that has to say that it lives, and one that asks for more time. What must not happen is
 * seen by what happens after it: messages that are counted, or another service whose time is up. */

#include "trust-fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define ONCE "'restart': {'policy': 'no'}"
#define NOTIFY "'readiness': 'notify', " ONCE
#define AGAIN                                                                                      \
    "'readiness': 'notify', 'restart': {'policy': 'on-failure', 'initial_delay': '1ms',"           \
    " 'min_delay': '1ms', 'max_attempts': 2, 'stable_after': '60s'}"

/* As much time as it takes a service to miss a watchdog of 400 ms. */
static void pass_time(TrustFixture *fixture)
{
    Service *other =
            trust_start(fixture, "{" NOTIFIER "'READY=1'], 'watchdog': '400ms', " NOTIFY "}");

    fixture_wait_state(&fixture->process, other, STATE_FAILED);
    assert_failure(other, FAILURE_WATCHDOG, "missed its watchdog");
    fixture_drop(&fixture->process, other);
}

static void assert_runs(Service *service, pid_t pid)
{
    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "running");
    g_assert_cmpint(fixture_main_pid(service), ==, pid);
}

/* Watchdog */

/* None of them misses it, side by side. */
static const char *const quiet_configs[] = {
        "{" NOTIFIER "'READY=1', '@every', '40', 'WATCHDOG=1'], 'watchdog': '300ms', " NOTIFY "}",
        /* Ready by itself, and a child says it. */
        "{'exec': ['/bin/sh', '-c', '@PROGRAMS/program-notifier @every 40 WATCHDOG=1 & wait'], "
        "'watchdog': '300ms', " ONCE "}",
        "{" NOTIFIER "'WATCHDOG_USEC=0', 'READY=1'], 'watchdog': '300ms', " NOTIFY "}",
        "{" NOTIFIER "'READY=1\\nWATCHDOG_USEC=0'], 'watchdog': '300ms', " NOTIFY "}",
        "{" NOTIFIER "'READY=1\\nWATCHDOG_USEC=18446744073709551615'], 'watchdog': '300ms', " NOTIFY
        "}",
        "{" NOTIFIER "'READY=1\\nWATCHDOG_USEC=60000000'], 'watchdog': '300ms', " NOTIFY "}",
        /* Who has none cannot be given one by a message, nor end by one. */
        "{" NOTIFIER "'READY=1', 'WATCHDOG_USEC=1000', 'WATCHDOG=1', 'WATCHDOG=trigger'], " NOTIFY
        "}",
};

/* Four intervals long. */
static void test_not_missed(TrustFixture *fixture, const void *unused)
{
    Service *services[G_N_ELEMENTS(quiet_configs)];
    pid_t pids[G_N_ELEMENTS(quiet_configs)];

    for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
        services[i] = trust_start(fixture, quiet_configs[i]);
        fixture_wait_state(&fixture->process, services[i], STATE_ACTIVE);
        pids[i] = fixture_main_pid(services[i]);
    }
    trust_wait_messages(fixture, 60); /* of two, each 25 in a second */
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
        g_test_message("%s", quiet_configs[i]);
        assert_runs(services[i], pids[i]);
        fixture_drop(&fixture->process, services[i]);
    }
}

typedef struct MissCase {
    const char *name;
    const char *words;
    const char *watchdog;
    const char *error;
} MissCase;

/* The first one is signalled. */
static const MissCase miss_cases[] = {
        {"stopped-saying-so",
         "'@on', 'USR1', '@every', '0', 'x', '@end', 'READY=1', '@every', '30', 'WATCHDOG=1'",
         "250ms", "missed its watchdog: no WATCHDOG=1 within 250ms"},
        {"missed", "'READY=1'", "150ms", "missed its watchdog: no WATCHDOG=1 within 150ms"},
        {"trigger", "'READY=1', 'WATCHDOG=trigger'", "60s",
         "the program itself has triggered its watchdog"},
        {"shorter", "'READY=1', 'WATCHDOG_USEC=120000'", "60s",
         "missed its watchdog: no WATCHDOG=1 within 120ms"},
        {"shorter-before-ready", "'WATCHDOG_USEC=110000', 'READY=1'", "60s",
         "missed its watchdog: no WATCHDOG=1 within 110ms"},
        {"on-again", "'WATCHDOG_USEC=0', 'READY=1', 'WATCHDOG_USEC=130000'", "60s",
         "missed its watchdog: no WATCHDOG=1 within 130ms"},
};

static bool is_restarted(void *service)
{
    return fixture_property(service, "NRestarts").u >= 1;
}

static Service *miss_start(TrustFixture *fixture, const MissCase *row)
{
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER "'@on', 'ABRT', '@note', '@DIR/%s', 'seen', '@abort', "
                            "'@end', %s], 'watchdog': '%s', " AGAIN "}",
                            row->name, row->words, row->watchdog);

    return trust_start(fixture, config);
}

/* It sees SIGABRT, and is started again. */
static void miss_check(TrustFixture *fixture, const MissCase *row, Service *service)
{
    g_autofree char *told = g_strdup_printf("failure 1 in a row: %s;", row->error);

    g_test_message("%s", row->name);
    fixture_run_until(&fixture->process, is_restarted, service);
    trust_wait_file(fixture, row->name, "seen");
    assert_contains(fixture->process.log->str, told);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGABRT");
    g_assert_true(trust_has_moved(service, STATE_ACTIVE, STATE_STOPPING, CAUSE_WATCHDOG));
    g_assert_true(trust_has_moved(service, STATE_BACKOFF, STATE_STARTING, CAUSE_RETRY));
}

/* Side by side. */
static void test_missed(TrustFixture *fixture, const void *unused)
{
    Service *services[G_N_ELEMENTS(miss_cases)];

    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        services[i] = miss_start(fixture, &miss_cases[i]);
    trust_wait_messages(fixture, 40);
    assert_state(services[0], STATE_ACTIVE);
    trust_signal(services[0], SIGUSR1);
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
        miss_check(fixture, &miss_cases[i], services[i]);
        fixture_drop(&fixture->process, services[i]);
    }
}

/* Only force ends it. */
static void test_abort_ignored(TrustFixture *fixture, const void *unused)
{
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'@on', 'ABRT', '@note', '@DIR/abort', 'seen', "
                                 "'@end', 'READY=1'], 'watchdog': '150ms', 'stop_timeout': "
                                 "'200ms', " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_WATCHDOG, "missed its watchdog");
    trust_wait_file(fixture, "abort", "seen");
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGKILL");
    assert_contains(fixture->process.history->str,
                    "stopping/watchdog stopping/stop-sigkill failed/dead");
    fixture_drop(&fixture->process, service);
}

/* Ends with 0 when it is told to abort: that it hung counts. */
static void test_abort_is_clean(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NOTIFIER "'@on', 'ABRT', '@exit', '0', '@end', "
                                            "'READY=1'], 'watchdog': '150ms', " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_WATCHDOG, "missed its watchdog");
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, 0);
    fixture_drop(&fixture->process, service);
}

static void test_environment(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(
            fixture, "{'exec': ['/bin/sh', '-c', 'echo $WATCHDOG_USEC $WATCHDOG_PID $$ . > "
                     "@DIR/told; exec sleep 60'], 'watchdog': '90s', " ONCE "}");
    Service *none = trust_start(
            fixture, "{'exec': ['/bin/sh', '-c', 'echo ${WATCHDOG_USEC-none} ${WATCHDOG_PID-none} "
                     ". > @DIR/none; exec sleep 60'], " ONCE "}");

    trust_wait_file(fixture, "told", ".\n");
    trust_wait_file(fixture, "none", ".\n");
    g_autofree char *told = fixture_read(&fixture->process, "told");
    g_autofree char *nothing = fixture_read(&fixture->process, "none");
    g_autofree char *expected = g_strdup_printf("90000000 %d %d .\n", fixture_main_pid(service),
                                                fixture_main_pid(service));
    g_assert_cmpstr(told, ==, expected);
    g_assert_cmpstr(nothing, ==, "none none .\n");
    fixture_drop(&fixture->process, service);
    fixture_drop(&fixture->process, none);
}

/* Who is to end need not say any more that it lives, nor who is not ready yet. */
static void test_not_while_stopping(TrustFixture *fixture, const void *unused)
{
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'@on', 'TERM', 'STATUS=ending', '@end', '@on', "
                                 "'USR1', '@exit', '0', '@end', 'READY=1'], 'watchdog': '300ms', "
                                 "'stop_timeout': '60s', " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_request_stop(service);
    trust_wait_status(fixture, service, "ending");
    pass_time(fixture);
    assert_sub_state(service, "stop-sigterm");
    trust_signal(service, SIGUSR1);
    fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    fixture_drop(&fixture->process, service);
}

static void test_not_while_starting(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NOTIFIER "'@on', 'USR1', 'READY=1', '@every', "
                                            "'30', 'WATCHDOG=1', '@end', 'STATUS=up'], "
                                            "'watchdog': '300ms', " NOTIFY "}");

    trust_wait_status(fixture, service, "up");
    pass_time(fixture);
    assert_sub_state(service, "start-notify");
    trust_signal(service, SIGUSR1);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_drop(&fixture->process, service);
}

static void trust_reload(Service *service)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    g_autoptr(GError) error = NULL;

    (void)service_reload(service, &origin, &error);
    g_assert_no_error(error);
}

/* One that hangs while it reads its files hangs. */
static void test_while_reloading(TrustFixture *fixture, const void *unused)
{
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'@on', 'HUP', '@every', '0', 'x', '@reloading', "
                                 "'@end', 'READY=1', '@every', '30', 'WATCHDOG=1'], "
                                 "'reload_signal': 'HUP', 'watchdog': '300ms', " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    trust_reload(service);
    fixture_wait_sub_state(&fixture->process, service, "reload-notify");
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_WATCHDOG, "missed its watchdog");
    g_assert_true(trust_has_moved(service, STATE_RELOADING, STATE_STOPPING, CAUSE_WATCHDOG));
    fixture_drop(&fixture->process, service);
}

/* More time */

#define MORE "'@every', '60', 'EXTEND_TIMEOUT_USEC=300000'"
#define NO_MORE "'@every', '0', 'x'"
#define TIMES "'start_timeout': '300ms', 'stop_timeout': '300ms', " NOTIFY

typedef struct ExtendCase {
    const char *name;
    const char *words;
    const char *reload; /* more members */
    const char *sub_state;
    State state; /* in the end */
    const char *error;
} ExtendCase;

/* After more than its time each is signalled: it is done, or says it no more. */
static const ExtendCase extend_cases[] = {
        {"start", "'@on', 'USR1', " NO_MORE ", 'READY=1', '@end', " MORE, "", "start-notify",
         STATE_ACTIVE, NULL},
        {"start-no-more", "'@on', 'USR1', " NO_MORE ", '@end', " MORE, "", "start-notify",
         STATE_FAILED, "not ready within 300ms"},
        {"stop", "'@on', 'TERM', " MORE ", '@end', '@on', 'USR1', '@exit', '0', '@end', 'READY=1'",
         "", "stop-sigterm", STATE_INACTIVE, NULL},
        {"stop-no-more",
         "'@on', 'TERM', " MORE ", '@end', '@on', 'USR1', " NO_MORE ", '@end', 'READY=1'", "",
         "stop-sigterm", STATE_FAILED, "did not end within 300ms of SIGTERM"},
        {"reload",
         "'@on', 'HUP', '@reloading', " MORE ", '@end', '@on', 'USR1', " NO_MORE
         ", 'READY=1', '@end', 'READY=1'",
         "'reload_signal': 'HUP', ", "reload-notify", STATE_ACTIVE, NULL},
        {"reload-no-more",
         "'@on', 'HUP', '@reloading', " MORE ", '@end', '@on', 'USR1', " NO_MORE
         ", '@end', 'READY=1'",
         "'reload_signal': 'HUP', ", "reload-notify", STATE_ACTIVE,
         "has not reloaded within 300ms"},
};

static Service *extend_start(TrustFixture *fixture, const ExtendCase *row)
{
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER "%s], %s" TIMES "}", row->words, row->reload);
    Service *service = trust_start(fixture, config);

    if (!g_str_has_prefix(row->name, "start"))
        fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    if (g_str_has_prefix(row->name, "stop"))
        fixture_request_stop(service);
    if (g_str_has_prefix(row->name, "reload"))
        trust_reload(service);
    fixture_wait_sub_state(&fixture->process, service, row->sub_state);
    trust_wait_messages(fixture, 1);
    return service;
}

static void extend_check(TrustFixture *fixture, const ExtendCase *row, Service *service)
{
    g_test_message("%s", row->name);
    assert_sub_state(service, row->sub_state);
    trust_signal(service, SIGUSR1);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, row->state);
    if (row->error == NULL) {
        g_assert_no_error(service_state(service)->error);
    } else {
        assert_contains(service_state(service)->error->message, row->error);
        g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_TIMEOUT);
    }
}

/* Side by side, for longer than any of them may take. */
static void test_extend(TrustFixture *fixture, const void *unused)
{
    Service *services[G_N_ELEMENTS(extend_cases)];

    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        services[i] = extend_start(fixture, &extend_cases[i]);
    pass_time(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        extend_check(fixture, &extend_cases[i], services[i]);
    /* Who was given more for a start has no limit any more. */
    assert_state(services[0], STATE_ACTIVE);
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        fixture_drop(&fixture->process, services[i]);
}

static const struct {
    const char *path;
    TrustFunc func;
} cases[] = {
        {"/trust/watchdog/not-missed", test_not_missed},
        {"/trust/watchdog/missed", test_missed},
        {"/trust/watchdog/abort-ignored", test_abort_ignored},
        {"/trust/watchdog/abort-is-clean", test_abort_is_clean},
        {"/trust/watchdog/environment", test_environment},
        {"/trust/watchdog/while-stopping", test_not_while_stopping},
        {"/trust/watchdog/while-starting", test_not_while_starting},
        {"/trust/watchdog/while-reloading", test_while_reloading},
        {"/trust/extend", test_extend},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        trust_add(cases[i].path, cases[i].func, NULL);
    return g_test_run();
}
