/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of a stop: the program of stop_exec, the stop signal, SIGKILL, within one limit; and
 * the oneshot that remains, whose stop_exec undoes what it has done. */

#include "trust-fixture.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

/* The parts of configurations */
#define NEVER "'restart': {'policy': 'no'}, "
#define NOTIFY "'readiness': 'notify', "
#define STAYER "'exec': ['@PROGRAMS/program-stayer'"
#define PRINT "'stop_exec': ['@PROGRAMS/program-printer', '@DIR/print', '$MAINPID', 'x$MAINPID']"
/* Sends a signal to the main process, and ends when that has gone: one that is reaped, for the
 * daemon does not wait. */
#define END_BY(signal)                                                                             \
    "'stop_exec': ['/bin/sh', '-c', 'kill -" signal                                                \
    " $1; while kill -0 $1 2> /dev/null; do sleep 0.01; done', 'sh', '$MAINPID']"

/* Until the file "go" is there. */
#define WAIT "'stop_exec': ['/bin/sh', '-c', 'while ! test -e @DIR/go; do sleep 0.01; done']"

static Service *stop_start(TrustFixture *fixture, const char *members)
{
    g_autofree char *config = g_strdup_printf("{" NEVER "%s}", members);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    return service;
}

static Service *stop_start_oneshot(TrustFixture *fixture, const char *members)
{
    g_autofree char *config = g_strdup_printf("{" NEVER "'remain_after_exit': true, %s}", members);
    Service *service = fixture_start(&fixture->process, fixture->process.oneshot, config);

    fixture_wait_settled(&fixture->process, service);
    return service;
}

static bool stop_has_file(const TrustFixture *fixture, const char *name)
{
    return access(fixture_path(&fixture->process, name), F_OK) == 0;
}

static void stop_go(const TrustFixture *fixture)
{
    g_assert_true(g_file_set_contents(fixture_path(&fixture->process, "go"), "", 0, NULL));
}

static void stop_assert_gone(const TrustFixture *fixture, Service *service)
{
    g_assert_cmpuint(trust_count_processes(fixture_property(service, "InvocationId").s), ==, 0);
    g_assert_false(trust_cgroup_exists(fixture, fixture_property(service, "ControlGroup").s));
    g_assert_cmpuint(process_host_n_running(fixture->process.host), ==, 0);
}

/* The table: one stop of one program that has a stop_exec */

typedef struct StopRow {
    const char *name;
    const char *config;
    const char *never; /* a sub-state that it does not come to */
    const char *error; /* a part of it; NULL: the stop went well */
    FailureClass failure_class;
    bool has_child; /* whose process id is in @DIR/pid */
} StopRow;

static const StopRow stop_rows[] = {
        {"then-signal", NOTIFY STAYER "], 'stop_exec': ['/bin/true']", "stop-sigkill", NULL,
         FAILURE_NONE},
        {"then-signal/with-child",
         NOTIFY STAYER ", 'child', '@DIR/pid'], 'stop_exec': ['/bin/true']", "stop-sigkill", NULL,
         FAILURE_NONE, true},
        {"ends-it", NOTIFY STAYER ", 'clean'], " END_BY("TERM"), "stop-sig", NULL, FAILURE_NONE},
        {"ends-it/with-child", NOTIFY STAYER ", 'clean', 'child', '@DIR/pid'], " END_BY("TERM"),
         "stop-sig", NULL, FAILURE_NONE, true},
        {"ends-it/with-child/stop-mode-main",
         NOTIFY "'stop_mode': 'main', " STAYER ", 'clean', 'child', '@DIR/pid'], " END_BY("TERM"),
         "stop-sig", NULL, FAILURE_NONE, true},
        {"ends-it/with-code", NOTIFY STAYER ", 'code'], " END_BY("TERM"), "stop-sig",
         "exited with status 7 when it was asked", FAILURE_EXIT_CODE},
        {"ends-it/by-another-signal", NOTIFY STAYER "], " END_BY("INT"), "stop-sig",
         "was killed by SIGINT when it was asked", FAILURE_SIGNAL},
        {"ends-it/by-stop-signal", NOTIFY "'stop_signal': 'INT', " STAYER "], " END_BY("INT"),
         "stop-sig", NULL, FAILURE_NONE},
        {"stop-signal",
         NOTIFY "'stop_signal': 'INT', " STAYER ", 'stubborn'], 'stop_exec': ['/bin/true']",
         "stop-sigkill", NULL, FAILURE_NONE},
        {"stop-mode-main",
         NOTIFY "'stop_mode': 'main', " STAYER ", 'child', '@DIR/pid'], 'stop_exec': ['/bin/true']",
         "stop-sigkill", NULL, FAILURE_NONE, true},
        {"fails",
         NOTIFY STAYER
         ", 'child', '@DIR/pid'], 'stop_exec': ['@PROGRAMS/program-ender', 'exit', '3']",
         "stop-sigkill", "exited with status 3", FAILURE_EXIT_CODE, true},
        {"fails/by-signal",
         NOTIFY STAYER "], 'stop_exec': ['@PROGRAMS/program-ender', 'signal', '11']",
         "stop-sigkill", "was killed by SIGSEGV", FAILURE_SIGNAL},
        {"fails/missing", NOTIFY STAYER ", 'child', '@DIR/pid'], 'stop_exec': ['/no/such']",
         "stop-sigkill", "stop_exec: cannot execute '/no/such': No such file or directory",
         FAILURE_EXEC, true},
        {"fails/not-executable", NOTIFY STAYER "], 'stop_exec': ['/etc/passwd']", "stop-sigkill",
         "stop_exec: cannot execute '/etc/passwd': Permission denied", FAILURE_EXEC},
        {"hangs",
         NOTIFY
         "'stop_timeout': '200ms', " STAYER
         ", 'stubborn-child', '@DIR/pid'], 'stop_exec': ['@PROGRAMS/program-stayer', 'stubborn']",
         "stop-sigterm", "stop_exec had not finished within 200ms", FAILURE_TIMEOUT, true},
        {"hangs/with-child",
         NOTIFY "'stop_timeout': '200ms', " STAYER
                "], 'stop_exec': ['@PROGRAMS/program-stayer', 'stubborn-child', '@DIR/pid']",
         "stop-sigterm", "stop_exec had not finished within 200ms", FAILURE_TIMEOUT, true},
        {"hangs/after-the-end",
         NOTIFY "'stop_timeout': '200ms', " STAYER
                "], 'stop_exec': ['/bin/sh', '-c', 'kill $MAINPID; exec sleep 60']",
         "stop-sigterm", "within 200ms", FAILURE_TIMEOUT},
};

static void test_stop(TrustFixture *fixture, const void *data)
{
    const StopRow *row = data;
    Service *service = stop_start(fixture, row->config);
    const StateRecord *record;

    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    record = service_state(service);
    if (strstr(fixture->process.history->str, row->never) != NULL)
        g_error("%s", fixture->process.history->str);
    if (row->error == NULL) {
        assert_state(service, STATE_INACTIVE);
        g_assert_null(record->error);
    } else {
        assert_state(service, STATE_FAILED);
        assert_failure(service, row->failure_class, row->error);
    }
    stop_assert_gone(fixture, service);
    if (row->has_child)
        fixture_wait_gone(&fixture->process, fixture_read_pid(&fixture->process, "pid"));
    fixture_drop(&fixture->process, service);
}

/* What the program of stop_exec is given */

static void test_given(TrustFixture *fixture, const void *unused)
{
    Service *service = stop_start(fixture, NOTIFY STAYER "], 'environment': {'OWN': '1'}, " PRINT);
    g_autofree char *main_pid = g_strdup_printf("%d", (int)fixture_main_pid(service));
    g_autofree char *expected = g_strdup_printf(
            "argument %s|argument x$MAINPID|environment MAINPID=%s|environment INVOCATION_ID=%s|"
            "environment NOTIFY_SOCKET=%s/notify/|environment SVCMGR_ID=%s|environment OWN=1",
            main_pid, main_pid, fixture_property(service, "InvocationId").s,
            fixture->process.directory, service_id(service));
    g_auto(GStrv) parts = g_strsplit(expected, "|", -1);
    g_autofree char *group = g_strdup(fixture_property(service, "ControlGroup").s);

    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_autofree char *text = fixture_read(&fixture->process, "print");
    g_assert_nonnull(text);
    for (unsigned i = 0; parts[i] != NULL; i++)
        assert_contains(text, parts[i]);
    g_assert_null(strstr(text, "WATCHDOG_USEC"));
    if (fixture->has_cgroups)
        assert_contains(text, group);
    fixture_drop(&fixture->process, service);
}

/* When it may not run */

/* Nothing that it could end has ever been ready. */
static void test_never_ready(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NEVER NOTIFY "'exec': ['/bin/sleep', '60'], "
                                            "'stop_exec': ['/usr/bin/touch', '@DIR/stopped']}");

    fixture_wait_sub_state(&fixture->process, service, "start-notify");
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_false(stop_has_file(fixture, "stopped"));
    stop_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

/* Who has ended by himself is not to be ended. */
static void test_by_itself(TrustFixture *fixture, const void *unused)
{
    Service *service =
            stop_start(fixture, NOTIFY STAYER "], 'stop_exec': ['/usr/bin/touch', '@DIR/stopped']");

    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    g_assert_false(stop_has_file(fixture, "stopped"));
    stop_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

/* The program of a reload is in the way of that of the stop, and is gone first. */
static void test_during_reload(TrustFixture *fixture, const void *main_ends)
{
    Service *service =
            stop_start(fixture, NOTIFY STAYER
                       ", 'child', '@DIR/pid'], 'stop_timeout': '60s', 'reload_exec': "
                       "['@PROGRAMS/program-stayer', 'stubborn', 'child', '@DIR/reloads'], "
                       "'stop_exec': ['/usr/bin/touch', '@DIR/stopped']");
    g_autoptr(GError) error = NULL;

    g_assert_true(service_reload(service, &origin_test, &error));
    trust_wait_file(fixture, "reloads", "\n");
    if (main_ends != NULL)
        g_assert_cmpint(kill(fixture_main_pid(service), SIGTERM), ==, 0);
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_true(main_ends != NULL || stop_has_file(fixture, "stopped"));
    stop_assert_gone(fixture, service);
    fixture_wait_gone(&fixture->process, fixture_read_pid(&fixture->process, "reloads"));
    fixture_wait_gone(&fixture->process, fixture_read_pid(&fixture->process, "pid"));
    fixture_drop(&fixture->process, service);
}

/* The same way down, and then up again. */
static void test_restart(TrustFixture *fixture, const void *unused)
{
    Service *service =
            stop_start(fixture, NOTIFY STAYER "], 'stop_exec': ['/usr/bin/touch', '@DIR/stopped']");
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);
    g_autoptr(GError) error = NULL;
    pid_t pid = fixture_main_pid(service);

    g_assert_true(service_restart(service, &origin_test, &error));
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_true(stop_has_file(fixture, "stopped"));
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    fixture_drop(&fixture->process, service);
}

/* The clock of whatever is armed when stop_exec has ended is a minute ahead: only what was armed
 * with the stop comes in time. */
static void test_one_limit(TrustFixture *fixture, const void *unused)
{
    Service *service =
            stop_start(fixture, NOTIFY "'stop_timeout': '1s', " STAYER ", 'stubborn'], " WAIT);

    fixture_request_stop(service);
    fixture_wait_sub_state(&fixture->process, service, "stop-exec");
    fixture->process.clock.ahead_usec = -60 * USEC_PER_SEC;
    stop_go(fixture);
    fixture_wait_sub_state(&fixture->process, service, "stop-sigterm");
    fixture_wait_sub_state(&fixture->process, service, "stop-sigkill");
    fixture_wait_settled(&fixture->process, service);
    assert_failure(service, FAILURE_TIMEOUT, "did not end within 1s");
    stop_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

static bool stop_is_inactive(void *data)
{
    return !service_state(data)->active;
}

/* The deletion waits for stop_exec, and for what it leaves to do. */
static void test_delete(TrustFixture *fixture, const void *unused)
{
    Service *service = stop_start(fixture, NOTIFY "'stop_timeout': '60s', " STAYER "], " WAIT);

    fixture_request_stop(service);
    fixture_wait_sub_state(&fixture->process, service, "stop-exec");
    g_assert_false(service_begin_delete(service, &origin_test));
    fixture_settle(&fixture->process);
    assert_sub_state(service, "stop-exec");
    stop_go(fixture);
    fixture_run_until(&fixture->process, stop_is_inactive, service);
    stop_assert_gone(fixture, service);
    service_retract(service);
    service_unref(service);
}

/* Oneshots that remain */

#define UP "'exec': ['/usr/bin/touch', '@DIR/interface']"
#define DOWN "'stop_exec': ['/usr/bin/rm', '@DIR/interface']"

static void test_interface(TrustFixture *fixture, const void *unused)
{
    Service *service = stop_start_oneshot(fixture, UP ", " DOWN);
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < 2; i++) {
        assert_state(service, STATE_ACTIVE);
        assert_sub_state(service, "exited");
        g_assert_true(stop_has_file(fixture, "interface"));
        stop_assert_gone(fixture, service);

        fixture_request_stop(service);
        fixture_wait_settled(&fixture->process, service);
        assert_state(service, STATE_INACTIVE);
        g_assert_false(stop_has_file(fixture, "interface"));
        stop_assert_gone(fixture, service);
        g_assert_true(service_start(service, &origin_test, &error));
        fixture_wait_settled(&fixture->process, service);
    }
    g_assert_true(service_restart(service, &origin_test, &error));
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_null(service_state(service)->error); /* rm has had something to remove */
    g_assert_true(stop_has_file(fixture, "interface"));
    fixture_drop(&fixture->process, service);
    g_assert_false(stop_has_file(fixture, "interface"));
}

/* The work of the configuration before is undone first, by its own stop_exec. */
static void test_interface_changed(TrustFixture *fixture, const void *unused)
{
    Service *service = stop_start_oneshot(fixture, UP ", " DOWN);

    fixture_configure(&fixture->process, service,
                      "{" NEVER "'remain_after_exit': true, "
                      "'exec': ['/usr/bin/touch', '@DIR/other'], "
                      "'stop_exec': ['/usr/bin/rm', '@DIR/other']}");
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_false(stop_has_file(fixture, "interface"));
    g_assert_true(stop_has_file(fixture, "other"));

    /* Nothing but the way back: it is taken over, and nothing runs. */
    fixture_configure(&fixture->process, service,
                      "{" NEVER "'remain_after_exit': true, "
                      "'exec': ['/usr/bin/touch', '@DIR/other'], "
                      "'stop_exec': ['/usr/bin/mv', '@DIR/other', '@DIR/kept']}");
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_true(stop_has_file(fixture, "other"));
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_false(stop_has_file(fixture, "other"));
    g_assert_true(stop_has_file(fixture, "kept"));
    fixture_drop(&fixture->process, service);
}

typedef struct UndoRow {
    const char *name;
    const char *stop_exec;
    const char *error;
    FailureClass failure_class;
} UndoRow;

static const UndoRow undo_rows[] = {
        {"exit-code", "'@PROGRAMS/program-ender', 'exit', '3'", "exited with status 3",
         FAILURE_EXIT_CODE},
        {"missing", "'/no/such'", "cannot execute '/no/such'", FAILURE_EXEC},
        {"hangs", "'@PROGRAMS/program-stayer', 'stubborn-child', '@DIR/pid'", "within 200ms",
         FAILURE_TIMEOUT},
};

/* The stop has failed, and yet it is over: a start begins anew. */
static void test_undo_fails(TrustFixture *fixture, const void *data)
{
    const UndoRow *row = data;
    g_autofree char *members =
            g_strdup_printf("'stop_timeout': '200ms', " UP ", 'stop_exec': [%s]", row->stop_exec);
    Service *service = stop_start_oneshot(fixture, members);
    g_autoptr(GError) error = NULL;

    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_FAILED);
    assert_failure(service, row->failure_class, row->error);
    stop_assert_gone(fixture, service);
    if (stop_has_file(fixture, "pid"))
        fixture_wait_gone(&fixture->process, fixture_read_pid(&fixture->process, "pid"));
    g_assert_true(service_start(service, &origin_test, &error));
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    fixture_drop(&fixture->process, service);
}

/* A configuration that replaces it is applied all the same. */
static void test_undo_fails_replaced(TrustFixture *fixture, const void *data)
{
    const UndoRow *row = data;
    g_autofree char *members =
            g_strdup_printf("'stop_timeout': '200ms', " UP ", 'stop_exec': [%s]", row->stop_exec);
    Service *service = stop_start_oneshot(fixture, members);

    fixture_configure(&fixture->process, service,
                      "{" NEVER "'remain_after_exit': true, "
                      "'exec': ['/usr/bin/touch', '@DIR/other']}");
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_true(stop_has_file(fixture, "other"));
    assert_contains(fixture->process.log->str, row->error);
    stop_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

/* Stop comes while the work of the configuration before is undone. */
static void test_stop_while_undone(TrustFixture *fixture, const void *unused)
{
    Service *service = stop_start_oneshot(
            fixture, UP ", 'stop_timeout': '200ms', 'stop_exec': ['@PROGRAMS/program-stayer']");

    fixture_configure(&fixture->process, service,
                      "{" NEVER "'exec': ['/usr/bin/touch', '@DIR/other']}");
    fixture_wait_sub_state(&fixture->process, service, "stop-exec");
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    g_assert_false(service_state(service)->active);
    g_assert_false(stop_has_file(fixture, "other"));
    stop_assert_gone(fixture, service);
    fixture_drop(&fixture->process, service);
}

static void stop_add(const char *prefix, const char *name, TrustFunc func, const void *row)
{
    g_autofree char *path = g_strconcat(prefix, name, NULL);

    trust_add(path, func, row);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(stop_rows); i++)
        stop_add("/trust/stop/", stop_rows[i].name, test_stop, &stop_rows[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(undo_rows); i++) {
        stop_add("/trust/undo/fails/", undo_rows[i].name, test_undo_fails, &undo_rows[i]);
        stop_add("/trust/undo/replaced/", undo_rows[i].name, test_undo_fails_replaced,
                 &undo_rows[i]);
    }
    trust_add("/trust/stop/given", test_given, NULL);
    trust_add("/trust/stop/never-ready", test_never_ready, NULL);
    trust_add("/trust/stop/by-itself", test_by_itself, NULL);
    trust_add("/trust/stop/one-limit", test_one_limit, NULL);
    trust_add("/trust/stop/delete", test_delete, NULL);
    trust_add("/trust/stop/restart", test_restart, NULL);
    trust_add("/trust/stop/during-reload", test_during_reload, NULL);
    trust_add("/trust/stop/during-reload/ended", test_during_reload, "ended");
    trust_add("/trust/undo/interface", test_interface, NULL);
    trust_add("/trust/undo/interface/changed", test_interface_changed, NULL);
    trust_add("/trust/undo/stopped", test_stop_while_undone, NULL);
    return g_test_run();
}
