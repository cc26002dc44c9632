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
#define ABORT_IS_NOTED "'@on', 'ABRT', '@note', '@DIR/abort', 'seen', '@abort', '@end', "

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

/* Five intervals long. */
static void test_kept(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NOTIFIER "'READY=1', '@every', '40', "
                                            "'WATCHDOG=1'], 'watchdog': '200ms', " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    trust_wait_messages(fixture, 25);
    assert_runs(service, pid);
    fixture_drop(&fixture->process, service);
}

/* A service that is ready by itself, or by a child that says so, has the same watchdog. */
static void test_kept_by_child(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(
            fixture, "{'exec': ['/bin/sh', '-c', '@PROGRAMS/program-notifier @every 40 WATCHDOG=1 "
                     "& wait'], 'watchdog': '300ms', " ONCE "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    trust_wait_messages(fixture, 20);
    assert_runs(service, pid);
    fixture_drop(&fixture->process, service);
}

typedef struct MissCase {
    const char *name;
    const char *words;
    const char *watchdog;
    const char *error;
} MissCase;

static const MissCase miss_cases[] = {
        {"missed", "'READY=1'", "150ms", "missed its watchdog: no WATCHDOG=1 within 150ms"},
        {"stopped-saying-so",
         "'@on', 'USR1', '@every', '0', 'x', '@end', 'READY=1', '@every', '30', 'WATCHDOG=1'",
         "250ms", "missed its watchdog: no WATCHDOG=1 within 250ms"},
        {"trigger", "'READY=1', 'WATCHDOG=trigger'", "60s",
         "the program itself has triggered its watchdog"},
        {"shorter", "'READY=1', 'WATCHDOG_USEC=120000'", "60s",
         "missed its watchdog: no WATCHDOG=1 within 120ms"},
        {"shorter-before-ready", "'WATCHDOG_USEC=110000', 'READY=1'", "60s",
         "missed its watchdog: no WATCHDOG=1 within 110ms"},
        {"on-again", "'WATCHDOG_USEC=0', 'READY=1', 'WATCHDOG_USEC=130000'", "60s",
         "missed its watchdog: no WATCHDOG=1 within 130ms"},
};

/* It sees SIGABRT, and is started again; the second time it has had its chance. */
static void test_missed(TrustFixture *fixture, const void *data)
{
    const MissCase *row = data;
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER ABORT_IS_NOTED "%s], 'watchdog': '%s', " AGAIN "}",
                            row->words, row->watchdog);
    Service *service = trust_start(fixture, config);

    if (strstr(row->words, "@every") != NULL) {
        trust_wait_messages(fixture, 12);
        assert_state(service, STATE_ACTIVE);
        trust_signal(service, SIGUSR1);
    }
    trust_wait_history(fixture, "active/running stopping/watchdog backoff/dead starting/");
    fixture_wait_settled(&fixture->process, service);
    g_autofree char *told = g_strdup_printf("failure 1 in a row: %s;", row->error);
    assert_contains(fixture->process.log->str, told);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGABRT");
    trust_wait_file(fixture, "abort", "seen");
    g_assert_true(trust_has_moved(service, STATE_ACTIVE, STATE_STOPPING, CAUSE_WATCHDOG));
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 1);
    fixture_drop(&fixture->process, service);
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

static const char *const off_words[] = {
        "'WATCHDOG_USEC=0', 'READY=1'",
        "'READY=1\\nWATCHDOG_USEC=0'",
        "'READY=1', 'WATCHDOG_USEC=18446744073709551615'",
        "'READY=1', 'WATCHDOG_USEC=60000000'",
};

static void test_off(TrustFixture *fixture, const void *words)
{
    g_autofree char *config = g_strdup_printf("{" NOTIFIER "%s], 'watchdog': '200ms', " NOTIFY "}",
                                              (const char *)words);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    pass_time(fixture);
    assert_runs(service, pid);
    fixture_drop(&fixture->process, service);
}

/* Who has no watchdog cannot be given one by a message, nor end by one. */
static void test_none(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NOTIFIER "'READY=1', 'WATCHDOG_USEC=1000', "
                                            "'WATCHDOG=1', 'WATCHDOG=trigger'], " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    pass_time(fixture);
    assert_runs(service, pid);
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

#define MORE "'@every', '60', 'EXTEND_TIMEOUT_USEC=250000'"
#define NO_MORE "'@every', '0', 'x'"

static void test_extend_start(TrustFixture *fixture, const void *unused)
{
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'@on', 'USR1', " NO_MORE ", 'READY=1', '@end', " MORE
                                 "], 'start_timeout': '250ms', " NOTIFY "}");

    trust_wait_messages(fixture, 10);
    assert_state(service, STATE_STARTING);
    trust_signal(service, SIGUSR1);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    pass_time(fixture);
    assert_runs(service, pid);
    fixture_drop(&fixture->process, service);
}

static void test_extend_start_no_more(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NOTIFIER "'@on', 'USR1', " NO_MORE ", '@end', " MORE
                                            "], 'start_timeout': '250ms', " NOTIFY "}");

    trust_wait_messages(fixture, 10);
    assert_state(service, STATE_STARTING);
    trust_signal(service, SIGUSR1);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_TIMEOUT, "not ready within 250ms");
    fixture_drop(&fixture->process, service);
}

/* After SIGTERM; then it is signalled once more. */
static Service *extend_stop(TrustFixture *fixture, const char *then)
{
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER "'@on', 'TERM', " MORE ", '@end', '@on', 'USR1', %s, "
                            "'@end', 'READY=1'], 'stop_timeout': '250ms', " NOTIFY "}",
                            then);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_request_stop(service);
    trust_wait_messages(fixture, 10);
    assert_sub_state(service, "stop-sigterm");
    trust_signal(service, SIGUSR1);
    fixture_wait_settled(&fixture->process, service);
    return service;
}

static void test_extend_stop(TrustFixture *fixture, const void *unused)
{
    Service *service = extend_stop(fixture, "'@exit', '0'");

    assert_state(service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    g_assert_null(strstr(fixture->process.history->str, "sigkill"));
    fixture_drop(&fixture->process, service);
}

static void test_extend_stop_no_more(TrustFixture *fixture, const void *unused)
{
    Service *service = extend_stop(fixture, NO_MORE);

    g_assert_nonnull(service_state(service)->error);
    assert_contains(fixture->process.history->str, "stop-sigkill");
    assert_contains(service_state(service)->error->message, "did not end within 250ms of SIGTERM");
    fixture_drop(&fixture->process, service);
}

/* The limit of a reload is that of a start. */
static Service *extend_reload(TrustFixture *fixture, const char *then)
{
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER "'@on', 'HUP', '@reloading', " MORE ", '@end', '@on', "
                            "'USR1', %s, '@end', 'READY=1'], 'reload_signal': 'HUP', "
                            "'start_timeout': '250ms', " NOTIFY "}",
                            then);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    trust_reload(service);
    fixture_wait_sub_state(&fixture->process, service, "reload-notify");
    trust_wait_messages(fixture, 10);
    assert_state(service, STATE_RELOADING);
    trust_signal(service, SIGUSR1);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    return service;
}

static void test_extend_reload(TrustFixture *fixture, const void *unused)
{
    Service *service = extend_reload(fixture, NO_MORE ", 'READY=1'");

    g_assert_null(service_state(service)->error);
    fixture_drop(&fixture->process, service);
}

static void test_extend_reload_no_more(TrustFixture *fixture, const void *unused)
{
    Service *service = extend_reload(fixture, NO_MORE);

    g_assert_nonnull(service_state(service)->error);
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_TIMEOUT);
    fixture_drop(&fixture->process, service);
}

static const struct {
    const char *path;
    TrustFunc func;
} cases[] = {
        {"/trust/watchdog/kept", test_kept},
        {"/trust/watchdog/kept-by-child", test_kept_by_child},
        {"/trust/watchdog/abort-ignored", test_abort_ignored},
        {"/trust/watchdog/abort-is-clean", test_abort_is_clean},
        {"/trust/watchdog/none", test_none},
        {"/trust/watchdog/environment", test_environment},
        {"/trust/watchdog/while-stopping", test_not_while_stopping},
        {"/trust/watchdog/while-starting", test_not_while_starting},
        {"/trust/watchdog/while-reloading", test_while_reloading},
        {"/trust/extend/start", test_extend_start},
        {"/trust/extend/start-no-more", test_extend_start_no_more},
        {"/trust/extend/stop", test_extend_stop},
        {"/trust/extend/stop-no-more", test_extend_stop_no_more},
        {"/trust/extend/reload", test_extend_reload},
        {"/trust/extend/reload-no-more", test_extend_reload_no_more},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(miss_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/watchdog/", miss_cases[i].name, NULL);
        trust_add(path, test_missed, &miss_cases[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(off_words); i++) {
        g_autofree char *path = g_strdup_printf("/trust/watchdog/off/%zu", i);
        trust_add(path, test_off, off_words[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        trust_add(cases[i].path, cases[i].func, NULL);
    return g_test_run();
}
