/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program of another user, between its creation and its execution: the loop goes on meanwhile,
 * whatever that user does to the child. Every test runs with both ways to such a child. */

#include "process-fixture.h"
#include "process/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_RESTART "'restart': {'policy': 'no'}"
#define AS_NOBODY "'user': 'nobody', " NO_RESTART
#define RUNS "'exec': ['/bin/sleep', '60'], " AS_NOBODY

static pid_t refuse_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                          int *ret_pidfd)
{
    errno = ENOSYS;
    return -1;
}

/* The child of a plan of another user must not be created like this. */
static pid_t forbid_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                          int *ret_pidfd)
{
    g_error("a child that shares memory");
    return -1;
}

/* Stands in for the user who stops the child. Not on the stack that the sanitizer knows. */
__attribute__((no_sanitize("address", "undefined"))) static void stop_and_run(void *plan)
{
    (void)syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
    child_run(plan);
}

static pid_t clone_stopping(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                            int *ret_pidfd)
{
    return sys_linux.clone_copy(stop_and_run, data, stack, size, cgroup_fd, ret_pidfd);
}

static pid_t fork_stopping(void)
{
    pid_t pid = fork();

    if (pid == 0)
        (void)syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
    return pid;
}

static void exec_init(ProcessFixture *fixture, const void *mode)
{
    fixture_init(fixture);
    fixture->sys.clone_vm = forbid_clone;
    if (g_str_equal(mode, "fork"))
        fixture->sys.clone_copy = refuse_clone;
}

static void exec_done(ProcessFixture *fixture, const void *mode)
{
    fixture_done(fixture);
}

/* From now on, and in either mode. */
static void stop_children(ProcessFixture *fixture)
{
    fixture->sys.fork = fork_stopping;
    if (fixture->sys.clone_copy == sys_linux.clone_copy)
        fixture->sys.clone_copy = clone_stopping;
}

static bool skips_unless_root(void)
{
    if (geteuid() == 0)
        return false;
    g_test_skip("only root can become somebody else");
    return true;
}

static bool is_stopped(void *data)
{
    pid_t pid = fixture_main_pid(data);
    siginfo_t info = {0};

    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
}

static Service *start_stopped(ProcessFixture *fixture, const Kind *kind, const char *config)
{
    stop_children(fixture);
    Service *service = fixture_start(fixture, kind, config);
    fixture_run_until(fixture, is_stopped, service);
    fixture_settle(fixture);
    assert_state(service, STATE_STARTING);
    assert_sub_state(service, "start");
    return service;
}

static void test_runs(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    Service *service = fixture_start(fixture, fixture->process, "{" RUNS "}");

    fixture_wait_state(fixture, service, STATE_ACTIVE);
    assert_contains(fixture->history->str, "starting/start active/running ");
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGTERM");
    fixture_drop(fixture, service);
}

/* A program may be over before the loop hears of its beginning. */
static void test_ends_at_once(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    for (int i = 0; i < 20; i++) {
        Service *once =
                fixture_start(fixture, fixture->oneshot, "{'exec': ['/bin/true'], " AS_NOBODY "}");
        Service *stays = fixture_start(fixture, fixture->process,
                                       "{'exec': ['/bin/sh', '-c', 'exit 127'], " AS_NOBODY "}");

        fixture_wait_state(fixture, stays, STATE_FAILED);
        assert_failure(stays, FAILURE_EXIT_CODE, "exited with status 127");
        g_assert_null(strstr(service_state(stays)->error->message, "before it was ready"));
        g_assert_cmpint(fixture_property(stays, "ExitCode").i, ==, 127);
        fixture_wait_state(fixture, once, STATE_INACTIVE);
        g_assert_null(service_state(once)->error);
        fixture_drop(fixture, once);
        fixture_drop(fixture, stays);
    }
}

static int fail_close_range(unsigned first, unsigned last, int flags)
{
    errno = EIO;
    return -1;
}

typedef struct ErrorRow {
    const char *config;
    const char *error;
    int (*close_range)(unsigned first, unsigned last, int flags);
} ErrorRow;

static const ErrorRow error_rows[] = {
        {"{'exec': ['/no/such'], " AS_NOBODY "}",
         "cannot execute '/no/such': No such file or directory", NULL},
        {"{'exec': ['/etc/passwd'], " AS_NOBODY "}",
         "cannot execute '/etc/passwd': Permission denied", NULL},
        {"{'exec': ['@DIR/script'], " AS_NOBODY "}",
         "No such file or directory (the file is there, but its interpreter is not)", NULL},
        {"{'exec': ['/bin/true'], 'working_directory': '/no/such', " AS_NOBODY "}",
         "cannot change to directory '/no/such': No such file or directory", NULL},
        {"{'exec': ['/bin/true'], 'working_directory': '@DIR/closed', " AS_NOBODY "}",
         "/closed': Permission denied", NULL},
        {"{'exec': ['/bin/true'], " AS_NOBODY "}", "cannot close descriptors: Input/output error",
         fail_close_range},
        {"{'exec': ['/no/such'], 'user': 'nobody', 'readiness': 'notify', " NO_RESTART "}",
         "cannot execute '/no/such': No such file or directory", NULL},
};

static void check_error(ProcessFixture *fixture, const Kind *kind, const ErrorRow *row)
{
    fixture->sys.close_range = row->close_range != NULL ? row->close_range : sys_linux.close_range;
    Service *service = fixture_start(fixture, kind, row->config);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_EXEC, row->error);
    g_assert_cmpint(fixture_main_pid(service), ==, 0);
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, -1);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "");
    fixture_drop(fixture, service);
}

static void test_errors(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    g_assert_true(g_file_set_contents_full(fixture_path(fixture, "script"),
                                           "#!/no/such/interpreter\n", -1, G_FILE_SET_CONTENTS_NONE,
                                           0755, NULL));
    g_assert_cmpint(chmod(fixture_path(fixture, "script"), 0755), ==, 0);
    g_assert_cmpint(mkdir(fixture_path(fixture, "closed"), 0700), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(error_rows); i++) {
        g_test_message("%s", error_rows[i].config);
        check_error(fixture, fixture->process, &error_rows[i]);
        if (strstr(error_rows[i].config, "notify") == NULL)
            check_error(fixture, fixture->oneshot, &error_rows[i]);
    }
    g_assert_null(strstr(fixture->history->str, " active/"));
}

/* The restart policy sees a failed execution, not a program that exits with 127. */
static void test_restarts(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    Service *service = fixture_start(
            fixture, fixture->process,
            "{'exec': ['/no/such'], 'user': 'nobody', 'restart': {'initial_delay': '1ms',"
            " 'max_attempts': 3, 'prevent_exit_status': [127]}}");

    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_EXEC, "cannot execute '/no/such'");
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, >, 0);
    fixture_drop(fixture, service);
}

/* The child hangs, the rest of the services do not. */
static void test_held_up(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    Service *service =
            start_stopped(fixture, fixture->process, "{" RUNS ", 'start_timeout': '1s'}");
    fixture->sys.clone_vm = sys_linux.clone_vm;
    Service *other =
            fixture_start(fixture, fixture->process, "{'exec': ['@PROGRAMS/program-stayer']}");

    fixture_wait_state(fixture, other, STATE_ACTIVE);
    assert_state(service, STATE_STARTING);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_TIMEOUT,
                   "cannot execute '/bin/sleep' within 1s: the child does not get to the "
                   "program");
    g_assert_null(strstr(fixture->history->str, "stop-sigterm"));
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "");
    fixture_drop(fixture, service);
    fixture_drop(fixture, other);
}

/* It has no limit of its own, but this must not take forever. */
static void test_held_up_once(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    fixture->clock.ahead_usec = 14 * USEC_PER_SEC;
    Service *service = start_stopped(fixture, fixture->oneshot, "{" RUNS "}");

    fixture->clock.ahead_usec = 0;
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_TIMEOUT, "cannot execute '/bin/sleep' within 15s: ");
    fixture_drop(fixture, service);
}

/* Once the program is there, that limit is none of it. */
static void test_goes_on_once(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    fixture->clock.ahead_usec = 14 * USEC_PER_SEC;
    Service *service = start_stopped(
            fixture, fixture->oneshot,
            "{'exec': ['/bin/sleep', '1.2'], 'remain_after_exit': true, " AS_NOBODY "}");

    g_assert_cmpint(kill(fixture_main_pid(service), SIGCONT), ==, 0);
    fixture_wait_state(fixture, service, STATE_ACTIVE);
    fixture_drop(fixture, service);
}

static void test_goes_on(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    Service *service = start_stopped(fixture, fixture->process, "{" RUNS "}");

    g_assert_cmpint(kill(fixture_main_pid(service), SIGCONT), ==, 0);
    fixture_wait_state(fixture, service, STATE_ACTIVE);
    assert_sub_state(service, "running");
    fixture_drop(fixture, service);
}

static void test_stop(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    for (int i = 0; i < 2; i++) {
        Service *service =
                start_stopped(fixture, i == 0 ? fixture->process : fixture->oneshot, "{" RUNS "}");

        fixture_request_stop(service);
        fixture_wait_settled(fixture, service);
        assert_state(service, STATE_INACTIVE);
        g_assert_null(service_state(service)->error);
        g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "");
        fixture_drop(fixture, service);
    }
}

/* Killed by its user: neither an error of the execution, nor a hang. */
static void test_killed(ProcessFixture *fixture, const void *mode)
{
    if (skips_unless_root())
        return;
    Service *service = start_stopped(fixture, fixture->process, "{" RUNS "}");

    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
    fixture_drop(fixture, service);
}

static Watch *(*create_watch)(WatchHost *host, int fd, uint32_t events, WatchPriority priority);
static unsigned watches_left;

static Watch *create_some_watches(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    if (watches_left > 0) {
        watches_left--;
        return create_watch(host, fd, events, priority);
    }
    errno = ENOSPC;
    return NULL;
}

/* Neither the pipe nor the child can be watched: nobody waits for the death of who is stopped. */
static void test_not_watched(ProcessFixture *fixture, const void *mode)
{
    WatchHost *watches = loop_watches(fixture->loop);

    if (skips_unless_root())
        return;
    create_watch = watches->create;
    stop_children(fixture);
    for (unsigned i = 0; i < 2; i++) {
        watches_left = i;
        watches->create = create_some_watches;
        Service *service = fixture_start(fixture, fixture->process, "{" RUNS "}");
        fixture_wait_state(fixture, service, STATE_FAILED);
        watches->create = create_watch;
        assert_failure(service, FAILURE_EXEC, "cannot watch process");
        fixture_drop(fixture, service);
    }
}

/* The fallback of everybody else's programs. */
static void test_refused(ProcessFixture *fixture, const void *mode)
{
    fixture->sys.clone_vm = refuse_clone;
    Service *service =
            start_stopped(fixture, fixture->process,
                          "{'exec': ['/bin/sleep', '60'], 'start_timeout': '1s', " NO_RESTART "}");

    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_TIMEOUT, "cannot execute '/bin/sleep' within 1s");
    fixture_drop(fixture, service);
}

static const struct {
    const char *name;
    void (*test)(ProcessFixture *fixture, const void *mode);
} tests[] = {
        {"runs", test_runs},
        {"ends-at-once", test_ends_at_once},
        {"errors", test_errors},
        {"restarts", test_restarts},
        {"held-up", test_held_up},
        {"held-up/once", test_held_up_once},
        {"goes-on", test_goes_on},
        {"goes-on/once", test_goes_on_once},
        {"stop", test_stop},
        {"killed", test_killed},
        {"not-watched", test_not_watched},
        {"refused", test_refused},
};

int main(int argc, char **argv)
{
    static const char *const modes[] = {"copy", "fork"};

    g_test_init(&argc, &argv, NULL);
    for (size_t m = 0; m < G_N_ELEMENTS(modes); m++) {
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
            g_autofree char *path = g_strdup_printf("/exec/%s/%s", modes[m], tests[i].name);

            g_test_add(path, ProcessFixture, modes[m], exec_init, tests[i].test, exec_done);
        }
    }
    return g_test_run();
}
