/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that can go wrong with a program ends in the right state, with an error that says what
 * happened, and with nothing left running (which the end of each test checks). */

#include "base/random.h"
#include "process-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void failures_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void failures_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

typedef struct FailureRow {
    const char *config;
    const char *error;
    FailureClass failure_class;
    bool oneshot;
} FailureRow;

#define NO_RESTART "'restart': {'policy': 'no'}"

static const FailureRow rows[] = {
        {"{'exec': ['/no/such'], " NO_RESTART "}",
         "cannot execute '/no/such': No such file or directory", FAILURE_EXEC, false},
        {"{'exec': ['/no/such'], " NO_RESTART "}",
         "cannot execute '/no/such': No such file or directory", FAILURE_EXEC, true},
        {"{'exec': ['/etc/passwd'], " NO_RESTART "}",
         "cannot execute '/etc/passwd': Permission denied", FAILURE_EXEC, false},
        {"{'exec': ['no-such-program'], " NO_RESTART "}",
         "program 'no-such-program' not found in PATH", FAILURE_EXEC, false},
        {"{'exec': ['/bin/true'], 'user': 'nobodyx', " NO_RESTART "}",
         "user 'nobodyx' does not exist", FAILURE_EXEC, false},
        {"{'exec': ['/bin/true'], 'group': 'nobodyx', " NO_RESTART "}",
         "group 'nobodyx' does not exist", FAILURE_EXEC, false},
        {"{'exec': ['/bin/true'], 'working_directory': '/no/such', " NO_RESTART "}",
         "cannot change to directory '/no/such': No such file or directory", FAILURE_EXEC, false},
        {"{'exec': ['/bin/true'], 'environment_file': '/no/such', " NO_RESTART "}", "/no/such",
         FAILURE_EXEC, false},
        {"{'exec': ['@PROGRAMS/program-ender', 'exit', '3'], " NO_RESTART "}",
         "exited with status 3", FAILURE_EXIT_CODE, false},
        {"{'exec': ['@PROGRAMS/program-ender', 'exit', '3'], " NO_RESTART "}",
         "exited with status 3", FAILURE_EXIT_CODE, true},
        {"{'exec': ['@PROGRAMS/program-ender', 'signal', '9'], " NO_RESTART "}",
         "was killed by SIGKILL", FAILURE_SIGNAL, false},
        {"{'exec': ['@PROGRAMS/program-ender', 'signal', '15'], " NO_RESTART "}",
         "was killed by SIGTERM", FAILURE_SIGNAL, true},
        {"{'exec': ['@PROGRAMS/program-ender', 'exit', '1'], 'readiness': 'notify', " NO_RESTART
         "}",
         "exited with status 1 before it was ready", FAILURE_EXIT_CODE, false},
        {"{'exec': ['@PROGRAMS/program-ender', 'exit', '0'], 'readiness': 'notify', " NO_RESTART
         "}",
         "exited with status 0 before it was ready (no READY=1 received)", FAILURE_PROTOCOL, false},
        {"{'exec': ['/bin/sleep', '60'], 'readiness': 'notify', 'start_timeout': "
         "'30ms', " NO_RESTART "}",
         "not ready within 30ms (no READY=1 received)", FAILURE_TIMEOUT, false},
        {"{'exec': ['/bin/sleep', '60'], 'start_timeout': '30ms', " NO_RESTART "}",
         "not finished within 30ms", FAILURE_TIMEOUT, true},
        {"{'exec': ['@PROGRAMS/program-ender', 'exit', '5'], 'restart': {'policy': 'always', "
         "'initial_delay': 0, 'prevent_exit_status': [5]}}",
         "exited with status 5", FAILURE_EXIT_CODE, false},
        {"{'exec': ['/no/such'], 'restart': {'initial_delay': '1ms', 'max_attempts': 3}}",
         "cannot execute", FAILURE_EXEC, false},
        {"{'exec': ['@PROGRAMS/program-ender', 'exit', '1'], 'restart': {'initial_delay': 0}, "
         "'start_limit': {'burst': 5, 'interval': '10s'}}",
         "more than 5 starts", FAILURE_START_LIMIT, false},
};

static void test_table(ProcessFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const FailureRow *row = &rows[i];
        Service *service = fixture_start(
                fixture, row->oneshot ? fixture->oneshot : fixture->process, row->config);

        g_test_message("%s", row->config);
        fixture_wait_state(fixture, service, STATE_FAILED);
        assert_failure(service, row->failure_class, row->error);
        g_assert_cmpint(fixture_main_pid(service), ==, 0);
        g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
        fixture_drop(fixture, service);
    }
}

static void test_killed_from_outside(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer'], " NO_RESTART "}");

    fixture_wait_settled(fixture, service);
    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGKILL");
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, -1);
    fixture_drop(fixture, service);
}

static void test_ignores_sigterm(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'],"
                                     " 'readiness': 'notify', 'stop_timeout': '50ms'}");

    fixture_wait_settled(fixture, service);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_FAILED);
    assert_contains(service_state(service)->error->message,
                    "did not end within 50ms of SIGTERM and was killed");
    assert_contains(fixture->history->str, "stopping/stop-sigterm stopping/stop-sigkill");
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGKILL");
    fixture_drop(fixture, service);
}

static void test_unclean_stop(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'code'], 'readiness': 'notify'}");

    fixture_wait_settled(fixture, service);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_FAILED);
    assert_contains(service_state(service)->error->message,
                    "exited with status 7 when it was asked to stop");
    fixture_drop(fixture, service);
}

/* The main process ends, its child does not: the stop is not done before that. */
static void test_stubborn_grandchild(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'stubborn-child', '@DIR/pid'],"
                          " 'readiness': 'notify', 'stop_timeout': '50ms'}");

    fixture_wait_settled(fixture, service);
    pid_t child = fixture_read_pid(fixture, "pid");
    fixture_request_stop(service);
    fixture_wait_sub_state(fixture, service, "final-sigterm");
    g_assert_cmpint(kill(child, 0), ==, 0);
    assert_state(service, STATE_STOPPING);
    fixture_wait_settled(fixture, service);
    g_assert_cmpint(kill(child, 0), <, 0);
    assert_state(service, STATE_FAILED);
    assert_contains(service_state(service)->error->message,
                    "some of its processes did not end within 50ms of SIGTERM and were killed");
    fixture_drop(fixture, service);
}

/* stop_timeout is the time for all: the rest does not get as much again when the main process has
 * gone. The clock is set to where a second timer would not fire for an hour. */
static void test_one_timeout_for_all(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'stubborn-child', '@DIR/pid',"
                          " 'stubborn'], 'readiness': 'notify', 'stop_timeout': '100ms'}");

    fixture_wait_settled(fixture, service);
    fixture_request_stop(service);
    fixture_wait_sub_state(fixture, service, "stop-sigterm");
    fixture->clock.ahead_usec = -UINT64_C(3600) * USEC_PER_SEC;
    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_FAILED);
    g_assert_cmpint(kill(fixture_read_pid(fixture, "pid"), 0), <, 0);
    fixture_drop(fixture, service);
}

static bool is_zombie(void *data)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", *(pid_t *)data);
    g_autofree char *text = NULL;
    size_t length;

    return g_file_get_contents(path, &text, &length, NULL) && length == 0;
}

/* What is left is dead already: nothing has to be waited for. */
static void test_dead_leftover(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'child', '@DIR/pid'],"
                                     " 'readiness': 'notify', " NO_RESTART "}");

    fixture_wait_settled(fixture, service);
    pid_t child = fixture_read_pid(fixture, "pid");
    g_assert_cmpint(kill(child, SIGKILL), ==, 0);
    fixture_run_until(fixture, is_zombie, &child);
    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    g_assert_null(strstr(fixture->history->str, "stopping/"));
    fixture_drop(fixture, service);
}

/* The main process ends by itself: the service is stopping until its child is gone as well. */
static void test_leftover_after_end(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['@PROGRAMS/program-stayer', 'stubborn-child', '@DIR/pid', 'exit', '4'],"
            " 'stop_timeout': '50ms', " NO_RESTART "}");

    fixture_wait_sub_state(fixture, service, "final-sigterm");
    assert_state(service, STATE_STOPPING);
    assert_contains(service_state(service)->error->message, "exited with status 4");
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_EXIT_CODE, "exited with status 4");
    g_assert_cmpint(kill(fixture_read_pid(fixture, "pid"), 0), <, 0);
    assert_contains(fixture->history->str, "stopping/final-sigterm stopping/final-sigkill failed/");
    fixture_drop(fixture, service);
}

static void test_leftover_goes_by_itself(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['@PROGRAMS/program-stayer', 'child', '@DIR/pid', 'exit', '0']}");

    fixture_wait_state(fixture, service, STATE_INACTIVE);
    g_assert_cmpint(kill(fixture_read_pid(fixture, "pid"), 0), <, 0);
    fixture_drop(fixture, service);
}

/* With stop_mode main the children get the signal when the main process is gone. */
static void test_stop_mode_main(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['@PROGRAMS/program-stayer', 'stubborn', 'child', '@DIR/pid'],"
                          " 'readiness': 'notify', 'stop_mode': 'main'}");

    fixture_wait_settled(fixture, service);
    pid_t child = fixture_read_pid(fixture, "pid");
    fixture_request_stop(service);
    fixture_wait_sub_state(fixture, service, "stop-sigterm");
    fixture_settle(fixture);
    g_assert_cmpint(kill(child, 0), ==, 0);
    g_assert_cmpint(kill(fixture_main_pid(service), SIGINT), ==, 0);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_FAILED); /* it did not end by SIGTERM */
    assert_contains(service_state(service)->error->message, "was killed by SIGINT");
    g_assert_cmpint(kill(child, 0), <, 0);
    fixture_drop(fixture, service);
}

static void test_stop_during_start(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['/bin/sleep', '60'], 'readiness': 'notify'}");

    fixture_wait_sub_state(fixture, service, "start-notify");
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    fixture_drop(fixture, service);
}

/* The ladder of a start that has failed is under way when the stop comes. */
static void test_stop_during_start_timeout(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->oneshot,
            "{'exec': ['/bin/sh', '-c', 'trap : TERM; echo > @DIR/flag; sleep 60 & "
            "while :; do wait; done'], 'start_timeout': '200ms', 'stop_timeout': '300ms',"
            " 'stop_mode': 'main'}");

    fixture_wait_sub_state(fixture, service, "stop-sigterm");
    assert_state(service, STATE_STARTING);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    g_assert_false(service_state(service)->active);
    fixture_drop(fixture, service);
}

/* Injected */

static int swallowed_sigkills;

static int swallow_kill(pid_t pid, int signo)
{
    if (signo != SIGKILL)
        return kill(pid, signo);
    swallowed_sigkills++;
    return 0;
}

static int swallow_pidfd_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    return signo == SIGKILL ? 0 : sys_linux.pidfd_send_signal(pidfd, signo, info, flags);
}

/* Stands in for a process that hangs in the kernel: SIGKILL does not reach it. */
static void test_unkillable(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'],"
                                     " 'readiness': 'notify', 'stop_timeout': '10ms'}");

    fixture_wait_settled(fixture, service);
    fixture->sys.kill = swallow_kill;
    fixture->sys.pidfd_send_signal = swallow_pidfd_signal;
    swallowed_sigkills = 0;
    pid_t pid = fixture_main_pid(service);
    fixture_request_stop(service);
    fixture_wait_sub_state(fixture, service, "stop-sigterm");
    fixture->clock.ahead_usec = 5 * USEC_PER_SEC - 50 * USEC_PER_MSEC; /* no need to wait for it */
    fixture_wait_sub_state(fixture, service, "unkillable");
    assert_state(service, STATE_STOPPING);
    assert_contains(service_state(service)->error->message, "was killed but does not end");
    g_assert_cmpint(swallowed_sigkills, >, 0);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    g_assert_cmpint(fixture_main_pid(service), ==, 0);
    fixture_drop(fixture, service);
}

/* Neither the configuration that waits for its end nor a retry comes after it. */
static void test_unkillable_while_replaced(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn'],"
                                     " 'readiness': 'notify', 'stop_timeout': '10ms'}");

    fixture_wait_settled(fixture, service);
    fixture->sys.kill = swallow_kill;
    fixture->sys.pidfd_send_signal = swallow_pidfd_signal;
    pid_t pid = fixture_main_pid(service);
    fixture_configure(fixture, service, "{'exec': ['@PROGRAMS/program-stayer']}");
    fixture_wait_sub_state(fixture, service, "stop-sigterm");
    fixture->clock.ahead_usec = 5 * USEC_PER_SEC - 50 * USEC_PER_MSEC;
    fixture_wait_sub_state(fixture, service, "unkillable");
    assert_state(service, STATE_STOPPING);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_TIMEOUT, "was killed but does not end");
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    fixture_drop(fixture, service);
}

static int failing_waitid(idtype_t type, id_t id, siginfo_t *info, int options,
                          struct rusage *usage)
{
    if (type == P_PIDFD) {
        errno = ECHILD;
        return -1;
    }
    return sys_linux.waitid(type, id, info, options, usage);
}

/* As with a process that is not our child: it is gone, but how is not known. */
static void test_unknown_exit(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer'], " NO_RESTART "}");

    fixture_wait_settled(fixture, service);
    fixture->sys.waitid = failing_waitid;
    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_EXIT_CODE,
                   "ended, exit status unknown (not a child of the daemon)");
    fixture_drop(fixture, service);
}

static int fail_socket(int domain, int type, int protocol)
{
    errno = EMFILE;
    return -1;
}

static int fail_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    errno = EACCES;
    return -1;
}

static int fail_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    errno = ENOMEM;
    return -1;
}

static int fail_fchmod(int fd, mode_t mode)
{
    errno = EPERM;
    return -1;
}

static pid_t fail_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                        int *ret_pidfd)
{
    errno = EAGAIN;
    return -1;
}

static void test_injected_start(ProcessFixture *fixture, const void *unused)
{
    Sys variants[] = {sys_linux, sys_linux, sys_linux, sys_linux, sys_linux};
    static const char *const expected[] = {"Too many open files", "Permission denied",
                                           "Cannot allocate memory", "Operation not permitted",
                                           "cannot create a process"};

    variants[0].socket = fail_socket;
    variants[1].bind = fail_bind;
    variants[2].setsockopt = fail_setsockopt;
    variants[3].fchmod = fail_fchmod;
    variants[4].clone_vm = fail_clone;
    for (size_t i = 0; i < G_N_ELEMENTS(variants); i++) {
        fixture->sys = variants[i];
        Service *service = fixture_start(fixture, fixture->process,
                                         "{'exec': ['@PROGRAMS/program-stayer'],"
                                         " 'readiness': 'notify', " NO_RESTART "}");
        fixture_wait_state(fixture, service, STATE_FAILED);
        assert_failure(service, FAILURE_EXEC, expected[i]);
        fixture_drop(fixture, service);
    }
}

static Watch *fail_watch(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    errno = ENOSPC;
    return NULL;
}

/* A program that cannot be followed is not left running. */
static void test_injected_watch(ProcessFixture *fixture, const void *unused)
{
    WatchHost *watches = loop_watches(fixture->loop);
    WatchHost original = *watches;
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer'], " NO_RESTART "}");

    watches->create = fail_watch;
    fixture_wait_state(fixture, service, STATE_FAILED);
    *watches = original;
    assert_failure(service, FAILURE_EXEC, "cannot watch process");
    fixture_drop(fixture, service);
}

/* Hosts that cannot be */

static int fail_mkdir(const char *path, mode_t mode)
{
    errno = EROFS;
    return -1;
}

static int fail_subreaper(void)
{
    errno = EINVAL;
    return -1;
}

static int fail_open_null(const char *path, int flags)
{
    if (!g_str_equal(path, "/dev/null"))
        return sys_linux.open(path, flags);
    errno = ENFILE;
    return -1;
}

static int fail_open_directory(const char *path, int flags)
{
    errno = EMFILE;
    return -1;
}

static void test_host_refused(ProcessFixture *fixture, const void *unused)
{
    g_autofree char *long_directory = g_strnfill(100, 'x');
    Sys variants[] = {sys_linux, sys_linux, sys_linux, sys_linux, sys_linux, sys_linux};
    static const char *const expected[] = {
            "Read-only file system", "subreaper",           "/dev/null", "too long",
            "Too many open files",   "cannot set the mode",
    };

    variants[0].mkdir = fail_mkdir;
    variants[1].set_child_subreaper = fail_subreaper;
    variants[2].open = fail_open_null;
    variants[4].open = fail_open_directory;
    variants[5].fchmod = fail_fchmod;
    for (size_t i = 0; i < G_N_ELEMENTS(variants); i++) {
        ProcessHostOptions options = {
                .clock = loop_clock(fixture->loop),
                .timers = loop_timers(fixture->loop),
                .watches = loop_watches(fixture->loop),
                .random = random_system(),
                .sys = &variants[i],
                .runtime_dir = i == 3 ? long_directory : fixture->directory,
        };
        g_autoptr(GError) error = NULL;

        g_assert_null(process_host_new(&options, &error));
        assert_contains(error->message, expected[i]);
    }
}

#define FAILURES_TEST(path, function)                                                              \
    g_test_add(path, ProcessFixture, NULL, failures_init, function, failures_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FAILURES_TEST("/failures/table", test_table);
    FAILURES_TEST("/failures/killed-from-outside", test_killed_from_outside);
    FAILURES_TEST("/failures/stop/ignores-sigterm", test_ignores_sigterm);
    FAILURES_TEST("/failures/stop/unclean", test_unclean_stop);
    FAILURES_TEST("/failures/stop/stubborn-grandchild", test_stubborn_grandchild);
    FAILURES_TEST("/failures/stop/mode-main", test_stop_mode_main);
    FAILURES_TEST("/failures/stop/during-start", test_stop_during_start);
    FAILURES_TEST("/failures/stop/during-start-timeout", test_stop_during_start_timeout);
    FAILURES_TEST("/failures/stop/unkillable", test_unkillable);
    FAILURES_TEST("/failures/stop/unkillable-while-replaced", test_unkillable_while_replaced);
    FAILURES_TEST("/failures/stop/one-timeout-for-all", test_one_timeout_for_all);
    FAILURES_TEST("/failures/end/dead-leftover", test_dead_leftover);
    FAILURES_TEST("/failures/end/leftover", test_leftover_after_end);
    FAILURES_TEST("/failures/end/leftover-goes", test_leftover_goes_by_itself);
    FAILURES_TEST("/failures/end/unknown-exit", test_unknown_exit);
    FAILURES_TEST("/failures/injected/start", test_injected_start);
    FAILURES_TEST("/failures/injected/watch", test_injected_watch);
    FAILURES_TEST("/failures/injected/host", test_host_refused);
    return g_test_run();
}
