/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that read their files again: by a signal, by a program of their own, of their own
 * accord; and whatever happens meanwhile. */

#include "base/errors.h"
#include "trust-fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define ONCE "'restart': {'policy': 'no'}"
#define NOTIFY "'readiness': 'notify', " ONCE
#define BY_HUP "'reload_signal': 'HUP', " NOTIFY
#define STAYER "'exec': ['@PROGRAMS/program-notifier', 'READY=1'], " NOTIFY
#define ON_HUP(words) "'@on', 'HUP', " words ", '@end', "

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

static Service *start_active(TrustFixture *fixture, const char *config)
{
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_settle(&fixture->process);
    g_string_truncate(fixture->process.history, 0);
    return service;
}

static void ask_reload(Service *service)
{
    g_autoptr(GError) error = NULL;

    (void)service_reload(service, &origin_test, &error);
    g_assert_no_error(error);
}

/* It runs as before; error NULL: the reload went well. */
static void assert_reloaded(Service *service, pid_t pid, FailureClass failure_class,
                            const char *error)
{
    const StateRecord *record = service_state(service);

    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "running");
    g_assert_cmpint(fixture_main_pid(service), ==, pid);
    g_assert_cmpstr(failure_class_to_string(record->failure_class), ==,
                    failure_class_to_string(failure_class));
    if (error == NULL)
        g_assert_no_error(record->error);
    else
        assert_contains(record->error->message, error);
}

/* How it ends */

typedef struct ReloadCase {
    const char *name;
    const char *config;
    FailureClass failure_class;
    const char *error;
    const char *seen;   /* a sub-state on the way */
    const char *unseen; /* ... that is not */
} ReloadCase;

#define FAST "'start_timeout': '300ms', "
#define BY_EXEC(argv) "{" STAYER ", 'reload_exec': " argv "}"
#define BY_EXEC_FAST(argv) "{" STAYER ", 'start_timeout': '300ms', 'reload_exec': " argv "}"

static const ReloadCase reload_cases[] = {
        {"announced", "{" NOTIFIER ON_HUP("'@reloading', 'READY=1'") "'READY=1'], " BY_HUP "}",
         FAILURE_NONE, NULL, "reloading/", "reload "},
        {"announced-without-time",
         "{" NOTIFIER ON_HUP("'RELOADING=1', 'READY=1'") "'READY=1'], " BY_HUP "}", FAILURE_NONE,
         NULL, "reloading/", "reload "},
        {"in-one-message", "{" NOTIFIER ON_HUP("'RELOADING=1\\nREADY=1'") "'READY=1'], " BY_HUP "}",
         FAILURE_NONE, NULL, "reloading/", "reload "},
        {"silent", "{" NOTIFIER ON_HUP("'STATUS=x'") "'READY=1'], " BY_HUP "}", FAILURE_NONE, NULL,
         "reload-signal", "reload-notify"},
        {"without-socket",
         "{'exec': ['@PROGRAMS/program-notifier', '@on', 'HUP', '@end'], 'reload_signal': "
         "'HUP', " ONCE "}",
         FAILURE_NONE, NULL, "reloading/", "reload-"},
        {"never-done", "{" NOTIFIER ON_HUP("'@reloading'") "'READY=1'], " FAST BY_HUP "}",
         FAILURE_TIMEOUT, "has not reloaded within 300ms (RELOADING=1, but no READY=1 received)",
         "reload-notify", "reload "},
        {"exec", BY_EXEC("['true']"), FAILURE_NONE, NULL, "reloading/reload ", "reload-"},
        {"exec-fails", BY_EXEC("['/bin/sh', '-c', 'exit 3']"), FAILURE_EXIT_CODE,
         "reload_exec: ", "reloading/reload ", "reload-"},
        {"exec-is-killed", BY_EXEC("['/bin/sh', '-c', 'kill -USR1 $$']"), FAILURE_SIGNAL,
         "was killed by SIGUSR1", "reloading/reload ", "reload-"},
        {"exec-hangs", BY_EXEC_FAST("['sleep', '60']"), FAILURE_TIMEOUT,
         "reload_exec: not finished within 300ms", "reloading/reload ", "reload-"},
        {"exec-hangs-with-child", BY_EXEC_FAST("['/bin/sh', '-c', 'sleep 60 & sleep 60']"),
         FAILURE_TIMEOUT, "reload_exec: not finished within 300ms", "reloading/reload ", "reload-"},
        {"exec-is-not-there", BY_EXEC("['/no/such/program']"), FAILURE_EXEC,
         "reload_exec: cannot execute '/no/such/program'", "reloading/", "reload-"},
        /* The program that is told to has more to say than the one that tells it. */
        {"exec-announced",
         "{" NOTIFIER ON_HUP("'@reloading', '@note', '@DIR/told', 'x', '@barrier', "
                             "'READY=1'") "'READY=1'], 'reload_exec': ['/bin/sh', '-c', "
                                          "'kill -HUP $MAINPID; while ! test -e "
                                          "@DIR/told; do :; done'], " NOTIFY "}",
         FAILURE_NONE, NULL, "reloading/reload ", "unkillable"},
};

static void test_reload(TrustFixture *fixture, const void *data)
{
    const ReloadCase *row = data;
    Service *service = start_active(fixture, row->config);
    pid_t pid = fixture_main_pid(service);

    /* Who may yet announce it is given a moment. */
    if (g_str_equal(row->name, "silent"))
        fixture->process.clock.ahead_usec = 700 * USEC_PER_MSEC;
    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, row->failure_class, row->error);
    assert_contains(fixture->process.history->str, row->seen);
    if (strstr(fixture->process.history->str, row->unseen) != NULL)
        g_error("%s has %s", fixture->process.history->str, row->unseen);
    fixture_drop(&fixture->process, service);
}

/* A reload that went well forgets the one that did not. */
static void test_failed_and_again(TrustFixture *fixture, const void *unused)
{
    Service *service = start_active(
            fixture, "{" STAYER ", 'reload_exec': ['@PROGRAMS/program-ender', 'first-fails', "
                     "'@DIR/once']}");
    pid_t pid = fixture_main_pid(service);

    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_EXIT_CODE, "reload_exec: ");
    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_NONE, NULL);
    fixture_drop(&fixture->process, service);
}

/* It has said before that it announces what it does: its silence is no success. */
static void test_speaks_no_more(TrustFixture *fixture, const void *unused)
{
    Service *service = start_active(
            fixture, "{" NOTIFIER ON_HUP("'@reloading', 'READY=1', '@on', 'HUP', "
                                         "'STATUS=hangs'") "'READY=1'], " FAST BY_HUP "}");
    pid_t pid = fixture_main_pid(service);

    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_NONE, NULL);
    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_TIMEOUT,
                    "has not reloaded within 300ms (no RELOADING=1 received)");
    fixture_drop(&fixture->process, service);
}

/* What is older than the signal is of another reload: this one is yet to come. */
static void test_stale(TrustFixture *fixture, const void *unused)
{
    Service *service = start_active(
            fixture,
            "{" NOTIFIER ON_HUP("'RELOADING=1\\nMONOTONIC_USEC=1', 'READY=1', "
                                "'STATUS=stale'") "'@on', 'USR1', '@reloading', 'READY=1', '@end', "
                                                  "'READY=1'], " BY_HUP "}");
    pid_t pid = fixture_main_pid(service);

    ask_reload(service);
    trust_wait_status(fixture, service, "stale");
    assert_sub_state(service, "reload-signal");
    trust_signal(service, SIGUSR1);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_NONE, NULL);
    fixture_drop(&fixture->process, service);
}

/* READY=1 that comes after all changes nothing, and the next reload is heard. */
static void test_late(TrustFixture *fixture, const void *unused)
{
    Service *service = start_active(
            fixture, "{" NOTIFIER ON_HUP("'@reloading'") "'@on', 'USR1', 'READY=1', 'STATUS=late', "
                                                         "'@end', 'READY=1'], " FAST BY_HUP "}");
    pid_t pid = fixture_main_pid(service);

    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_TIMEOUT, "has not reloaded");
    trust_signal(service, SIGUSR1);
    trust_wait_status(fixture, service, "late");
    assert_reloaded(service, pid, FAILURE_TIMEOUT, "has not reloaded");
    ask_reload(service);
    fixture_wait_sub_state(&fixture->process, service, "reload-notify");
    trust_signal(service, SIGUSR1);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, pid, FAILURE_NONE, NULL);
    fixture_drop(&fixture->process, service);
}

static void test_by_itself(TrustFixture *fixture, const void *unused)
{
    Service *service = start_active(
            fixture,
            "{" NOTIFIER ON_HUP(
                    "'@reloading'") "'@on', 'USR1', 'READY=1', '@end', 'READY=1'], " NOTIFY "}");
    pid_t pid = fixture_main_pid(service);

    trust_signal(service, SIGHUP);
    fixture_wait_state(&fixture->process, service, STATE_RELOADING);
    assert_sub_state(service, "reload-notify");
    g_assert_true(trust_has_moved(service, STATE_ACTIVE, STATE_RELOADING, CAUSE_KIND));
    trust_signal(service, SIGUSR1);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    assert_reloaded(service, pid, FAILURE_NONE, NULL);
    fixture_drop(&fixture->process, service);
}

/* Its environment, its arguments, and who it is. */
static void test_exec_is_told(TrustFixture *fixture, const void *unused)
{
    Service *service = start_active(
            fixture, "{" STAYER ", 'environment': {'COLOUR': 'red'}, 'reload_exec': ['/bin/sh', "
                     "'-c', 'echo $MAINPID $1 $COLOUR $INVOCATION_ID ${NOTIFY_SOCKET:+s} "
                     "${WATCHDOG_USEC-none} > @DIR/told', 'x', '$MAINPID']}");
    g_autofree char *expected =
            g_strdup_printf("%d %d red %s s none\n", fixture_main_pid(service),
                            fixture_main_pid(service), fixture_property(service, "InvocationId").s);

    ask_reload(service);
    fixture_wait_settled(&fixture->process, service);
    assert_reloaded(service, fixture_main_pid(service), FAILURE_NONE, NULL);
    g_autofree char *told = fixture_read(&fixture->process, "told");
    g_assert_cmpstr(told, ==, expected);
    fixture_drop(&fixture->process, service);
}

/* Meanwhile */

typedef struct MeanwhileCase {
    const char *name;
    const char *config;
    const char *sub_state; /* of a reload that does not end by itself */
} MeanwhileCase;

#define TIMES "'stop_timeout': '%s', 'environment': {'A': '%s'}, "

/* With the stop_timeout and a variable, for another configuration. */
static const MeanwhileCase meanwhile_cases[] = {
        {"signalled", "{" TIMES NOTIFIER ON_HUP("'READY=1'") "'READY=1'], " BY_HUP "}",
         "reload-signal"},
        {"announced", "{" TIMES NOTIFIER ON_HUP("'@reloading'") "'READY=1'], " BY_HUP "}",
         "reload-notify"},
        {"exec", "{" TIMES STAYER ", 'reload_exec': ['/bin/sh', '-c', 'sleep 60 & sleep 60']}",
         "reload"},
        {"by-itself", "{" TIMES NOTIFIER "'READY=1', '@reloading'], " BY_HUP "}", "reload-notify"},
};

/* As from a definition: Configure is refused while something is loaded. */
static void adopt(TrustFixture *fixture, Service *service, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(config);
    g_autoptr(Problems) problems = problems_new();

    (void)g_string_replace(text, "'", "\"", 0);
    (void)g_string_replace(text, "@PROGRAMS", g_getenv("TEST_PROGRAMS"), 0);
    g_assert_false(service_configure(service, text->str, text->len, &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_ALREADY_LOADING);
    Config *next = config_parse(service_kind(service), text->str, text->len, problems);
    g_assert_nonnull(next);
    (void)service_adopt_config(service, next, CONFIG_FROM_DEFINITION, &origin_test);
}

static char *meanwhile_config(const MeanwhileCase *row, const char *stop_timeout,
                              const char *variable)
{
    g_auto(GStrv) parts = g_strsplit(row->config, "%s", 3);

    return g_strconcat(parts[0], stop_timeout, parts[1], variable, parts[2], NULL);
}

/* In the middle of it. */
static Service *meanwhile_start(TrustFixture *fixture, const MeanwhileCase *row)
{
    g_autofree char *config = meanwhile_config(row, "7s", "1");
    Service *service = trust_start(fixture, config);

    if (!g_str_equal(row->name, "by-itself")) {
        fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
        ask_reload(service);
    }
    fixture_wait_sub_state(&fixture->process, service, row->sub_state);
    assert_state(service, STATE_RELOADING);
    return service;
}

static void test_dies(TrustFixture *fixture, const void *row)
{
    Service *service = meanwhile_start(fixture, row);

    trust_signal(service, SIGUSR2);
    fixture_wait_settled(&fixture->process, service);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGUSR2");
    g_assert_cmpuint(trust_count_processes(fixture_property(service, "InvocationId").s), ==, 0);
    fixture_drop(&fixture->process, service);
}

static void test_stopped(TrustFixture *fixture, const void *row)
{
    Service *service = meanwhile_start(fixture, row);

    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_no_error(service_state(service)->error);
    g_assert_cmpuint(trust_count_processes(fixture_property(service, "InvocationId").s), ==, 0);
    fixture_drop(&fixture->process, service);
}

static void test_restarted(TrustFixture *fixture, const void *row)
{
    g_autoptr(GError) error = NULL;
    Service *service = meanwhile_start(fixture, row);
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);
    pid_t pid = fixture_main_pid(service);

    g_string_truncate(fixture->process.history, 0);
    g_assert_true(service_restart(service, &origin_test, &error));
    trust_wait_history(fixture, "active/");
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    fixture_drop(&fixture->process, service);
}

/* The new configuration is in force, and the reload does not go on for ever. */
static void test_configured(TrustFixture *fixture, const void *data)
{
    const MeanwhileCase *row = data;
    Service *service = meanwhile_start(fixture, row);
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);
    g_autofree char *config = meanwhile_config(row, "7s", "2");
    pid_t pid = fixture_main_pid(service);

    g_string_truncate(fixture->process.history, 0);
    adopt(fixture, service, config);
    trust_wait_history(fixture, "active/");
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    fixture_drop(&fixture->process, service);
}

static void test_configured_in_place(TrustFixture *fixture, const void *data)
{
    const MeanwhileCase *row = data;
    Service *service = meanwhile_start(fixture, row);
    g_autofree char *config = meanwhile_config(row, "8s", "1");

    adopt(fixture, service, config);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_no_error(service_state(service)->error);
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    fixture_drop(&fixture->process, service);
}

static const struct {
    const char *name;
    TrustFunc func;
} meanwhile[] = {
        {"dies", test_dies},
        {"stopped", test_stopped},
        {"restarted", test_restarted},
        {"configured", test_configured},
        {"configured-in-place", test_configured_in_place},
};

static void add_meanwhile(const MeanwhileCase *row)
{
    for (size_t i = 0; i < G_N_ELEMENTS(meanwhile); i++) {
        g_autofree char *path =
                g_strdup_printf("/trust/reload/%s/%s", meanwhile[i].name, row->name);
        trust_add(path, meanwhile[i].func, row);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(reload_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/reload/", reload_cases[i].name, NULL);
        trust_add(path, test_reload, &reload_cases[i]);
    }
    trust_add("/trust/reload/failed-and-again", test_failed_and_again, NULL);
    trust_add("/trust/reload/speaks-no-more", test_speaks_no_more, NULL);
    trust_add("/trust/reload/stale", test_stale, NULL);
    trust_add("/trust/reload/late", test_late, NULL);
    trust_add("/trust/reload/by-itself", test_by_itself, NULL);
    trust_add("/trust/reload/exec-is-told", test_exec_is_told, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(meanwhile_cases); i++)
        add_meanwhile(&meanwhile_cases[i]);
    return g_test_run();
}
