/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a program is ready, what is said of one that never is or does not stay so, and whose word
 * counts. */

#include "base/fds.h"
#include "trust-fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHER_UID 65534

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define SHELL "'exec': ['/bin/sh', '-c', "
#define ONCE "'restart': {'policy': 'no'}"
#define NOTIFY "'readiness': 'notify', " ONCE
#define FD "'readiness': 'fd', " ONCE

/* Ready */

typedef struct ReadyCase {
    const char *name;
    const char *config;
    const char *sub_state; /* while it is starting */
} ReadyCase;

static const ReadyCase ready_cases[] = {
        {"spawned", "{'exec': ['@PROGRAMS/program-notifier'], " ONCE "}", "active/running"},
        {"notify", "{" NOTIFIER "'READY=1'], " NOTIFY "}", "starting/start-notify active/running"},
        {"notify-of-child", "{" NOTIFIER "'@session', 'READY=1'], " NOTIFY "}",
         "starting/start-notify active/running"},
        {"fd", "{" NOTIFIER "'@write-fd', '3', '\\\\n'], " FD "}",
         "starting/start-fd active/running"},
        {"fd-of-another-number",
         "{" NOTIFIER "'@write-fd', '9', 'ready\\\\n'], 'readiness_fd': 9, " FD "}",
         "starting/start-fd active/running"},
        {"fd-in-pieces",
         "{" NOTIFIER "'@write-fd', '3', 'al', '@write-fd', '3', 'l\\\\n'], " FD "}",
         "starting/start-fd active/running"},
        {"fd-two-lines",
         "{" NOTIFIER "'@write-fd', '3', 'a\\\\nb\\\\n', '@write-fd', '3', 'c\\\\n'], " FD "}",
         "starting/start-fd active/running"},
        {"fd-of-grandchild",
         "{" SHELL "'( (echo >&3; exec sleep 60) & ) & exec 3>&-; exec sleep 60'], " FD "}",
         "starting/start-fd active/running"},
};

/* Of what has run, and after that of nothing. */
static void drop_and_check(TrustFixture *fixture, Service *service)
{
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);
    g_autofree char *group = g_strdup(fixture_property(service, "ControlGroup").s);

    g_assert_cmpuint(strlen(id), ==, 32);
    g_assert_true((*group != '\0') == fixture->has_cgroups);
    fixture_drop(&fixture->process, service);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    g_assert_false(trust_cgroup_exists(fixture, group));
}

/* Who executes another program just now has no environment for a moment. */
static bool some_process_is_seen(void *service)
{
    return trust_count_processes(fixture_property(service, "InvocationId").s) > 0;
}

static void test_ready(TrustFixture *fixture, const void *data)
{
    const ReadyCase *row = data;
    Service *service = trust_start(fixture, row->config);

    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    assert_contains(fixture->process.history->str, row->sub_state);
    fixture_run_until(&fixture->process, some_process_is_seen, service);
    g_assert_true(trust_cgroup_exists(fixture, fixture_property(service, "ControlGroup").s) ==
                  fixture->has_cgroups);
    drop_and_check(fixture, service);
}

/* Not ready, or not for long */

typedef struct EndCase {
    const char *name;
    const char *config;
    FailureClass failure_class;
    const char *error;
    bool was_active;
    int exit_code; /* -1: none */
    const char *exit_signal;
} EndCase;

#define SHORT "'start_timeout': '300ms', "

static const EndCase end_cases[] = {
        {"never/notify", "{" NOTIFIER "'STATUS=busy'], " SHORT NOTIFY "}", FAILURE_TIMEOUT,
         "not ready within 300ms (no READY=1 received)", false, -1, "SIGTERM"},
        {"never/fd", "{" NOTIFIER "'@write-fd', '3', 'soon'], " SHORT FD "}", FAILURE_TIMEOUT,
         "not ready within 300ms (no newline on its readiness descriptor received)", false, -1,
         "SIGTERM"},
        /* Long before its time is up. */
        {"never/fd-closed", "{" NOTIFIER "'@close-fd', '3'], 'start_timeout': '60s', " FD "}",
         FAILURE_PROTOCOL, "has closed its readiness descriptor without a newline", false, -1,
         "SIGTERM"},
        {"never/fd-closed-without-a-limit",
         "{" NOTIFIER "'@close-fd', '3'], 'start_timeout': 'infinity', " FD "}", FAILURE_PROTOCOL,
         "has closed its readiness descriptor without a newline", false, -1, "SIGTERM"},
        {"never/fd-closed-in-a-line",
         "{" NOTIFIER "'@write-fd', '3', 'rea', '@close-fd', '3'], 'start_timeout': '60s', " FD "}",
         FAILURE_PROTOCOL, "has closed its readiness descriptor without a newline", false, -1,
         "SIGTERM"},
        {"before/exit", "{" NOTIFIER "'@exit', '3'], " NOTIFY "}", FAILURE_EXIT_CODE,
         "exited with status 3 before it was ready", false, 3, ""},
        {"before/exit-0", "{" NOTIFIER "'@exit', '0'], " NOTIFY "}", FAILURE_PROTOCOL,
         "exited with status 0 before it was ready (no READY=1 received)", false, 0, ""},
        {"before/fd-exit-0", "{" NOTIFIER "'@write-fd', '3', 'x', '@exit', '0'], " FD "}",
         FAILURE_PROTOCOL,
         "exited with status 0 before it was ready (no newline on its readiness descriptor", false,
         0, ""},
        {"before/fd-exit", "{" NOTIFIER "'@exit', '4'], " FD "}", FAILURE_EXIT_CODE,
         "exited with status 4 before it was ready", false, 4, ""},
        {"before/signal", "{" SHELL "'kill -USR1 $$'], " NOTIFY "}", FAILURE_SIGNAL,
         "was killed by SIGUSR1 before it was ready", false, -1, "SIGUSR1"},
        {"after/exit", "{" NOTIFIER "'READY=1', '@exit', '7'], " NOTIFY "}", FAILURE_EXIT_CODE,
         "exited with status 7", true, 7, ""},
        {"after/fd-exit", "{" NOTIFIER "'@write-fd', '3', '\\\\n', '@exit', '8'], " FD "}",
         FAILURE_EXIT_CODE, "exited with status 8", true, 8, ""},
        {"after/signal",
         "{" SHELL "'@PROGRAMS/program-notifier READY=1 @barrier @exit 0; kill -KILL $$'], " NOTIFY
         "}",
         FAILURE_SIGNAL, "was killed by SIGKILL", true, -1, "SIGKILL"},
        {"after/spawned", "{'exec': ['@PROGRAMS/program-ender', 'exit', '5'], " ONCE "}",
         FAILURE_EXIT_CODE, "exited with status 5", true, 5, ""},
};

static void test_end(TrustFixture *fixture, const void *data)
{
    const EndCase *row = data;
    uint64_t began_usec = clock_monotonic_usec(clock_system());

    if (row->failure_class == FAILURE_PROTOCOL) /* the moment in which it might be about to exit */
        fixture->process.clock.ahead_usec = 700 * USEC_PER_MSEC;
    Service *service = trust_start(fixture, row->config);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, row->failure_class, row->error);
    g_assert_true((strstr(service_state(service)->error->message, "before it was ready") != NULL) ==
                  g_str_has_prefix(row->name, "before/"));
    g_assert_true((strstr(fixture->process.history->str, "active/running") != NULL) ==
                  row->was_active);
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, row->exit_code);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, row->exit_signal);
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - began_usec, <, 15 * USEC_PER_SEC);
    drop_and_check(fixture, service);
}

/* What this machine does with cores is asked of a program that nobody manages. */
static bool machine_dumps_core(TrustFixture *fixture, const char *limit)
{
    g_autofree char *command =
            g_strdup_printf("cd '%s' && ulimit -c %s && exec '%s' signal 6",
                            fixture->process.directory, limit, fixture_program("ender"));
    int status = system(command);

    g_assert_true(WIFSIGNALED(status));
    return WCOREDUMP(status);
}

static void check_core(TrustFixture *fixture, const char *json, const char *shell)
{
    bool dumps = machine_dumps_core(fixture, shell);
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER "'READY=1', '@abort'], 'limits': {"
                            "'core': %s}, 'working_directory': '@DIR', " NOTIFY "}",
                            json);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL,
                   dumps ? "was killed by SIGABRT, core dumped" : "was killed by SIGABRT");
    g_assert_true(fixture_property(service, "CoreDumped").b == dumps);
    g_assert_true((strstr(service_state(service)->error->message, "core") != NULL) == dumps);
    drop_and_check(fixture, service);
}

static void test_core(TrustFixture *fixture, const void *unused)
{
    check_core(fixture, "0", "0");
    check_core(fixture, "'infinity'", "unlimited");
}

/* Ready and gone in one breath: it was ready each time. */
static void test_one_breath(TrustFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 50; i++) {
        Service *service =
                trust_start(fixture, "{" NOTIFIER "'READY=1', '@exit', '0'], " NOTIFY "}");

        fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
        assert_contains(fixture->process.history->str, " active/running inactive/dead ");
        g_assert_true(trust_has_moved(service, STATE_STARTING, STATE_ACTIVE, CAUSE_APPLIED));
        g_string_truncate(fixture->process.history, 0);
        fixture_drop(&fixture->process, service);
    }
}

/* The main process */

/* How it ends is only known of a child: the one between must have gone. */
static bool main_is_our_child(void *service)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)fixture_main_pid(service), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The program forks and leaves: who it has named is followed, in a session of its own. */
static void test_hand_over(TrustFixture *fixture, const void *words)
{
    g_autofree char *config = g_strdup_printf("{" NOTIFIER "%s], " NOTIFY "}", (const char *)words);
    Service *service = trust_start(fixture, config);

    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    pid_t pid = fixture_main_pid(service);
    g_assert_cmpint(getsid(pid), ==, pid);
    fixture_run_until(&fixture->process, main_is_our_child, service);
    trust_signal(service, SIGUSR2);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGUSR2");
    drop_and_check(fixture, service);
}

static pid_t make_dead_pid(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    return pid;
}

/* It names somebody who is none of its own; the rest of what it says counts. */
static void check_main_pid(TrustFixture *fixture, pid_t pid)
{
    g_autofree char *config =
            g_strdup_printf("{" NOTIFIER "'MAINPID=%d\\nREADY=1'], " NOTIFY "}", (int)pid);
    Service *service = trust_start(fixture, config);

    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    assert_contains(fixture->process.log->str, "its MAINPID is no process of the service");
    g_string_truncate(fixture->process.log, 0);
    drop_and_check(fixture, service);
}

static void test_main_pid_refused(TrustFixture *fixture, const void *unused)
{
    Service *other = trust_start(fixture, "{'exec': ['@PROGRAMS/program-stayer'], " ONCE "}");

    fixture_wait_state(&fixture->process, other, STATE_ACTIVE);
    check_main_pid(fixture, 1);
    check_main_pid(fixture, getpid());
    check_main_pid(fixture, make_dead_pid());
    check_main_pid(fixture, fixture_main_pid(other));
    fixture_drop(&fixture->process, other);
}

/* Whose word counts */

static const char *const forged_texts[] = {
        "READY=1",     "STATUS=forged",   "ERRNO=5",           "MAINPID=1", "WATCHDOG=trigger",
        "RELOADING=1", "WATCHDOG_USEC=1", "NOTIFYACCESS=none", "FDSTORE=1", "STOPPING=1",
};

/* Each with a descriptor. */
static void forge_all(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char control[CMSG_SPACE(sizeof fd)] = {0};

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    for (size_t i = 0; i < G_N_ELEMENTS(forged_texts); i++) {
        struct iovec vector = {(void *)(uintptr_t)forged_texts[i], strlen(forged_texts[i])};
        struct msghdr message = {.msg_name = &address,
                                 .msg_namelen = sizeof address,
                                 .msg_iov = &vector,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        *header = (struct cmsghdr){
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
                .cmsg_len = CMSG_LEN(sizeof fd),
        };
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
        if (sendmsg(fd, &message, MSG_DONTWAIT) < 0)
            _exit(1);
    }
}

/* In a process of its own. */
static void forge_as(uid_t uid, const char *path)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (uid != geteuid() && setuid(uid) < 0)
            _exit(2);
        forge_all(path);
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

/* Who writes on when it is ready is not ended by SIGPIPE, nor when it is asked to end. */
static void test_writes_on(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(
            fixture, "{" NOTIFIER "'@on', 'USR1', '@write-fd', '3', 'more\\\\n', '@note', "
                     "'@DIR/more', 'x', '@end', '@on', 'TERM', '@write-fd', '3', 'bye\\\\n', "
                     "'@exit', '0', '@end', '@write-fd', '3', '\\\\n'], " FD "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    trust_signal(service, SIGUSR1);
    trust_wait_file(fixture, "more", "x");
    fixture_request_stop(service);
    fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    g_assert_cmpint(fixture_property(service, "ExitSignal").s[0], ==, '\0');
    drop_and_check(fixture, service);
}

/* As servers do that bind their ports as root. */
static void test_gives_up_root(TrustFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'@user', '" G_STRINGIFY(
                                         OTHER_UID) "', 'READY=1\\nSTATUS=own'], " NOTIFY "}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "own");
    drop_and_check(fixture, service);
}

static bool fds_are_no_more(void *data)
{
    return fd_count_open() <= *(const int *)data;
}

static void test_forged(TrustFixture *fixture, const void *data)
{
    uid_t uid = data != NULL ? OTHER_UID : geteuid();

    if (data != NULL && geteuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    Service *service =
            trust_start(fixture, "{" NOTIFIER "'@on', 'USR1', 'STATUS=own', '@end', '@on', 'HUP', "
                                 "'STATUS=again', '@end', '@on', 'USR2', "
                                 "'READY=1', '@end', '@write-path', '@DIR/path'], "
                                 "'watchdog': '50s', " NOTIFY "}");
    trust_wait_file(fixture, "path", "/");
    g_autofree char *path = fixture_read(&fixture->process, "path");
    pid_t pid = fixture_main_pid(service);
    int n_fds = fd_count_open();

    forge_as(uid, path);
    trust_wait_log(fixture, "dropped a readiness message");
    trust_signal(service, SIGUSR1);
    trust_wait_status(fixture, service, "own");
    assert_state(service, STATE_STARTING);
    trust_signal(service, SIGUSR2);
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    forge_as(uid, path);
    trust_signal(service, SIGHUP);
    trust_wait_status(fixture, service, "again");
    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "running");
    g_assert_cmpint(fixture_property(service, "StatusErrno").i, ==, 0);
    g_assert_cmpint(fixture_main_pid(service), ==, pid);
    fixture_run_until(&fixture->process, fds_are_no_more, &n_fds); /* nothing is stored */
    g_autofree char *who = g_strdup_printf(", uid %u: it is no process of the service", uid);
    assert_contains(fixture->process.log->str, who);
    g_assert_true(strstr(fixture->process.log->str, "dropped a readiness") ==
                  g_strrstr(fixture->process.log->str, "dropped a readiness"));
    drop_and_check(fixture, service);
}

typedef struct AccessCase {
    const char *access;
    bool child, reloader, main;
} AccessCase;

static const AccessCase access_cases[] = {
        {"none", false, false, false},
        {"main", false, false, true},
        {"exec", false, true, true},
        {"all", true, true, true},
};

static void test_access(TrustFixture *fixture, const void *data)
{
    const AccessCase *row = data;
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    g_autoptr(GError) error = NULL;
    g_autofree char *config = g_strdup_printf(
            "{" NOTIFIER "'READY=1\\nNOTIFYACCESS=%s', '@on', 'USR1', 'STATUS=main', '@barrier', "
            "'@note', '@DIR/main', 'x', '@end', '@session', 'ERRNO=7'], 'reload_exec': "
            "['@PROGRAMS/program-notifier', 'STATUS=reloader', '@barrier', '@note', "
            "'@DIR/reloader', 'x', '@exit', '0'], " NOTIFY "}",
            row->access);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    if (row->child)
        trust_wait_errno(fixture, service, 7);
    else
        trust_wait_log(fixture, "its word does not count");
    g_assert_cmpint(fixture_property(service, "StatusErrno").i, ==, row->child ? 7 : 0);
    g_assert_true(service_reload(service, &origin, &error));
    trust_wait_file(fixture, "reloader", "x");
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, row->reloader ? "reloader" : "");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    trust_signal(service, SIGUSR1);
    trust_wait_file(fixture, "main", "x");
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, row->main ? "main" : "");
    drop_and_check(fixture, service);
}

/* Who has given up its word cannot take it back. */
static void test_access_is_final(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(
            fixture, "{" NOTIFIER "'READY=1\\nNOTIFYACCESS=none', 'NOTIFYACCESS=all', "
                     "'STATUS=late', '@barrier', '@note', '@DIR/said', 'x'], " NOTIFY "}");

    trust_wait_file(fixture, "said", "x");
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "");
    drop_and_check(fixture, service);
}

/* Who waits at the barrier goes on when what it has said before is seen. */
static void test_barrier(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(
            fixture, "{" NOTIFIER "'READY=1\\nSTATUS=before', '@barrier', '@note', '@DIR/passed', "
                     "'x'], " NOTIFY "}");
    pid_t pid;

    while ((pid = fixture_main_pid(service)) == 0)
        (void)sd_event_run(loop_event(fixture->process.loop), 0);
    assert_state(service, STATE_STARTING);
    trust_wait_file(fixture, "passed", "x");
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "before");
    drop_and_check(fixture, service);
}

static void add_rows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ready_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/ready/", ready_cases[i].name, NULL);
        trust_add(path, test_ready, &ready_cases[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(end_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/dead/", end_cases[i].name, NULL);
        trust_add(path, test_end, &end_cases[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(access_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/access/", access_cases[i].access, NULL);
        trust_add(path, test_access, &access_cases[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_rows();
    trust_add("/trust/dead/core", test_core, NULL);
    trust_add("/trust/ready/one-breath", test_one_breath, NULL);
    trust_add("/trust/main-pid/hand-over", test_hand_over, "'@hand-over', 'READY=1'");
    trust_add("/trust/main-pid/daemonise", test_hand_over, "'@daemonise'");
    trust_add("/trust/main-pid/refused", test_main_pid_refused, NULL);
    trust_add("/trust/ready/writes-on", test_writes_on, NULL);
    trust_add("/trust/ready/gives-up-root", test_gives_up_root, NULL);
    trust_add("/trust/forged/same-user", test_forged, NULL);
    trust_add("/trust/forged/other-user", test_forged, "");
    trust_add("/trust/access/final", test_access_is_final, NULL);
    trust_add("/trust/barrier", test_barrier, NULL);
    return g_test_run();
}
