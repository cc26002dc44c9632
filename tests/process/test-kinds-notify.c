/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What programs say of themselves, and who is not believed. */

#include "base/fds.h"
#include "process-fixture.h"
#include "process/host-internal.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void notify_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void notify_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define NOTIFY "'readiness': 'notify', 'restart': {'policy': 'no'}"

static void test_ready(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'STATUS=warming up', 'ERRNO=11',"
                                     "'READY=1\\nSTATUS=up'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "up");
    g_assert_cmpint(fixture_property(service, "StatusErrno").i, ==, 11);
    g_assert_cmpstr(fixture->history->str, ==,
                    "inactive/ starting/ starting/start-notify active/running ");
    fixture_drop(fixture, service);
}

/* A new run begins without the text of the last one. */
static void test_status_is_cleared(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'STATUS=old\\nERRNO=3\\nREADY=1'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "old");
    fixture_configure(fixture, service, "{" NOTIFIER "'READY=1'], " NOTIFY "}");
    fixture_wait_settled(fixture, service);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "");
    g_assert_cmpint(fixture_property(service, "StatusErrno").i, ==, 0);
    fixture_drop(fixture, service);
}

static void wait_until_dead(pid_t pid)
{
    siginfo_t info;

    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
}

/* It was ready, although it was dead before anybody looked: its death is seen first, its words
 * after. */
static void test_ready_before_exit(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{" NOTIFIER "'READY=1\\nSTATUS=last words', '@exit', '6'], " NOTIFY "}");

    while (fixture_main_pid(service) == 0)
        (void)sd_event_run(loop_event(fixture->loop), 0);
    wait_until_dead(fixture_main_pid(service));
    process_host_sweep(fixture->host);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_EXIT_CODE, "exited with status 6");
    g_assert_null(strstr(service_state(service)->error->message, "before it was ready"));
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "last words");
    assert_contains(fixture->history->str, "active/running failed/dead");
    fixture_drop(fixture, service);
}

static void test_ready_by_child(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'@child', 'READY=1'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    fixture_drop(fixture, service);
}

/* Known by its session, although it has thrown its environment away. */
static void test_ready_without_environment(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['/bin/sh', '-c', 'env -i NOTIFY_SOCKET=$NOTIFY_SOCKET "
                          "@PROGRAMS/program-notifier READY=1 & wait'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    fixture_drop(fixture, service);
}

static unsigned n_environ_opens;
static int environ_fd = -1;
static size_t n_environ_bytes;

static int counting_open(const char *path, int flags)
{
    int fd = sys_linux.open(path, flags);

    if (fd == environ_fd)
        environ_fd = -1; /* that one is closed */
    if (g_str_has_suffix(path, "/environ")) {
        n_environ_opens++;
        n_environ_bytes = 0;
        environ_fd = fd;
    } else if (fd == environ_fd) {
        environ_fd = -1; /* its number is another file's by now */
    }
    return fd;
}

static ssize_t counting_read(int fd, void *buffer, size_t size)
{
    if (fd == environ_fd)
        g_assert_cmpuint(n_environ_bytes += size, <=, 2 * 16 * 1024); /* the last one reads 0 */
    return read(fd, buffer, size);
}

/* Who is known by something cheaper is not asked for its environment. */
static void test_sender_is_cheap(ProcessFixture *fixture, const void *unused)
{
    static const char *const configs[] = {
            "{" NOTIFIER "'READY=1'], " NOTIFY "}",
            "{" NOTIFIER "'@child', 'READY=1'], " NOTIFY "}",
            "{" NOTIFIER "'@session', 'READY=1'], " NOTIFY "}",
    };

    fixture->sys.open = counting_open;
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        n_environ_opens = 0; /* the end of the one before may have asked everybody */
        Service *service = fixture_start(fixture, fixture->process, configs[i]);

        fixture_wait_settled(fixture, service);
        assert_state(service, STATE_ACTIVE);
        g_assert_cmpuint(n_environ_opens, ==, 0);
        fixture_drop(fixture, service);
    }
}

static void test_stopping(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'READY=1', 'STOPPING=1'], " NOTIFY "}");

    fixture_wait_sub_state(fixture, service, "stopping");
    assert_state(service, STATE_ACTIVE);
    fixture_drop(fixture, service);
}

static bool last_status_is_told(void *data)
{
    return g_strcmp0(((ProcessFixture *)data)->told_status, "the last") == 0;
}

/* A thousand texts: at most two changes a second are told, and the last one always. */
static void test_flood(ProcessFixture *fixture, const void *unused)
{
    uint64_t begin = clock_monotonic_usec(clock_system());
    Service *service = fixture_start(
            fixture, fixture->process,
            "{" NOTIFIER "'READY=1', '@flood', '1000', 'STATUS=the last'], " NOTIFY "}");

    fixture_run_until(fixture, last_status_is_told, fixture);
    uint64_t n_halves = (clock_monotonic_usec(clock_system()) - begin) * 2 / USEC_PER_SEC;
    /* Besides: that it was cleared, and the first. */
    g_assert_cmpuint(fixture->n_status_changes, <=, n_halves + 2);
    fixture_drop(fixture, service);
}

/* The same of all that a program can say. */
static void test_flood_of_all(ProcessFixture *fixture, const void *unused)
{
    uint64_t begin = clock_monotonic_usec(clock_system());
    Service *service = fixture_start(
            fixture, fixture->process,
            "{" NOTIFIER "'READY=1', '@flood-all', '1000', 'STATUS=the last'], " NOTIFY "}");

    fixture_run_until(fixture, last_status_is_told, fixture);
    g_assert_cmpint(fixture_property(service, "StatusErrno").i, ==, 999);
    uint64_t n_halves = (clock_monotonic_usec(clock_system()) - begin) * 2 / USEC_PER_SEC;
    /* Besides: the start, and the first. */
    g_assert_cmpuint(fixture->n_property_changes, <=, n_halves + 2);
    fixture_drop(fixture, service);
}

/* Who sees it ready sees what it said before. */
static void test_ready_tells_the_rest(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER
                                     "'STATUS=1', 'STATUS=2', 'STATUS=3\\nREADY=1'], " NOTIFY "}");

    fixture_wait_state(fixture, service, STATE_ACTIVE);
    g_assert_cmpstr(fixture->told_status, ==, "3");
    fixture_drop(fixture, service);
}

/* What waits for its turn when the program ends is told at the end. */
static void test_last_status_is_told(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(
            fixture, fixture->process,
            "{" NOTIFIER "'READY=1', 'STATUS=1', 'STATUS=2', '@exit', '0'], " NOTIFY "}");

    fixture->changed = 0;
    fixture_wait_state(fixture, service, STATE_INACTIVE);
    g_assert_cmpuint(fixture->n_status_changes, ==, 2); /* 1 and 2; the start changed none */
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "2");
    fixture_drop(fixture, service);
}

static bool main_is_our_child(void *data)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)fixture_main_pid(data), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The program goes into the background and says who is the main process from now on. When the old
 * one is gone, the new one is our child, and how it ends is known. */
static void test_hand_over(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'@hand-over', 'READY=1'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    fixture_run_until(fixture, main_is_our_child, service);
    pid_t pid = fixture_main_pid(service);
    g_assert_cmpint(getsid(pid), ==, pid);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
    fixture_drop(fixture, service);
}

static void test_hand_over_and_stop(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'@hand-over', 'READY=1'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    pid_t pid = fixture_main_pid(service);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpint(kill(pid, 0), <, 0);
    fixture_drop(fixture, service);
}

static pid_t killed_group;

static int recording_kill(pid_t pid, int signo)
{
    if (signo != 0 && pid == -killed_group)
        g_error("signalled group %d, whose number may be somebody else's by now", -pid);
    return kill(pid, signo);
}

static bool group_is_empty(void *data)
{
    return kill(-killed_group, 0) < 0;
}

/* When the group that the program was started in is empty, its number is forgotten. */
static void check_hand_over_forgets_group(ProcessFixture *fixture, const char *config)
{
    Service *service = fixture_start(fixture, fixture->process, config);

    while (fixture_main_pid(service) == 0)
        (void)sd_event_run(loop_event(fixture->loop), 0);
    killed_group = fixture_main_pid(service);
    fixture_wait_settled(fixture, service);
    fixture_run_until(fixture, group_is_empty, NULL);
    fixture_settle(fixture);
    fixture->sys.kill = recording_kill;
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    fixture->sys.kill = kill;
    fixture_drop(fixture, service);
}

static void test_hand_over_forgets_group(ProcessFixture *fixture, const void *unused)
{
    check_hand_over_forgets_group(fixture, "{" NOTIFIER "'@hand-over', 'READY=1'], " NOTIFY "}");
    check_hand_over_forgets_group(fixture, "{" NOTIFIER
                                           "'READY=1', '@hand-over', 'STATUS=later'], " NOTIFY "}");
}

/* The main process leaves the group after it was named: it gets its signals where it is. */
static void test_daemonised(ProcessFixture *fixture, const void *unused)
{
    check_hand_over_forgets_group(fixture, "{" NOTIFIER "'@daemonise'], " NOTIFY "}");
    check_hand_over_forgets_group(fixture,
                                  "{" NOTIFIER "'@daemonise'], 'stop_mode': 'main', " NOTIFY "}");
}

/* Between the last look and the signal. */
static pid_t moving_group;

static pid_t moving_getpgid(pid_t pid)
{
    pid_t group = getpgid(pid);

    return pid != 0 && moving_group > 0 && group == pid ? moving_group : group;
}

static int moving_kill(pid_t pid, int signo)
{
    if (pid != -moving_group)
        return kill(pid, signo);
    if (signo != 0)
        moving_group = 0; /* from now on it is where it is */
    return 0;
}

static void test_daemonised_meanwhile(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{" NOTIFIER "'@daemonise'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    moving_group = G_MAXINT;
    fixture->sys.getpgid = moving_getpgid;
    fixture->sys.kill = moving_kill;
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpint(moving_group, ==, 0);
    fixture_drop(fixture, service);
}

static int stranger_kill(pid_t pid, int signo)
{
    return pid == -killed_group && signo == 0 ? 0 : recording_kill(pid, signo);
}

static pid_t stranger_getpgid(pid_t pid)
{
    return pid == killed_group ? killed_group : getpgid(pid);
}

static pid_t stranger_getsid(pid_t pid)
{
    return pid == getpid() ? killed_group : getsid(pid);
}

/* The group's number was taken by somebody else before anybody looked. */
static void test_stranger_has_number(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{" NOTIFIER "'@daemonise'], " NOTIFY "}");

    while (fixture_main_pid(service) == 0)
        (void)sd_event_run(loop_event(fixture->loop), 0);
    killed_group = fixture_main_pid(service);
    fixture->sys.kill = stranger_kill;
    fixture_wait_settled(fixture, service);
    fixture_run_until(fixture, group_is_empty, NULL);
    fixture->sys.getpgid = stranger_getpgid;
    fixture->sys.getsid = stranger_getsid;
    g_assert_false(fixture->process->owns_pid(service_instance(service), (uint32_t)getpid()));
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    fixture_drop(fixture, service);
}

static bool fds_are_no_more(void *data)
{
    return fd_count_open() <= *(const int *)data;
}

static void test_fds_are_closed(ProcessFixture *fixture, const void *unused)
{
    int n_fds = fd_count_open();
    Service *service =
            fixture_start(fixture, fixture->process, "{" NOTIFIER "'@fds'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_ACTIVE);
    n_fds += 4; /* socket, pidfd, and what the loop needs */
    fixture_run_until(fixture, fds_are_no_more, &n_fds);
    fixture_drop(fixture, service);
}

/* Not believed */

static void test_foreign_main(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'@foreign-main', 'READY=1'], " NOTIFY "}");

    fixture_wait_settled(fixture, service);
    g_assert_cmpint(fixture_main_pid(service), >, 1);
    assert_contains(fixture->log->str, "its MAINPID is no process of the service");
    fixture_drop(fixture, service);
}

static void send_to(const char *path, const char *text)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(
            sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&address, sizeof address),
            ==, (ssize_t)strlen(text));
}

static bool path_is_written(void *data)
{
    g_autofree char *path = fixture_read(data, "path");

    return path != NULL && path[0] != '\0';
}

static bool log_has_dropped(void *data)
{
    return strstr(((ProcessFixture *)data)->log->str, "dropped a readiness message") != NULL;
}

/* A process of the same user that is none of the service's. It is told once, however often. */
static void test_forged_sender(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{" NOTIFIER "'@write-path', '@DIR/path'], " NOTIFY "}");
    struct stat status;

    fixture_run_until(fixture, path_is_written, fixture);
    g_autofree char *path = fixture_read(fixture, "path");
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0666);
    n_environ_opens = 0;
    fixture->sys.open = counting_open;
    fixture->sys.read = counting_read;
    for (int i = 0; i < 3; i++)
        send_to(path, "READY=1\nSTATUS=forged\nMAINPID=1");
    fixture_run_until(fixture, log_has_dropped, fixture);
    fixture_settle(fixture);
    assert_state(service, STATE_STARTING);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "");
    assert_contains(fixture->log->str, "it is no process of the service");
    g_assert_cmpuint(n_environ_opens, ==, 3);
    g_assert_true(strstr(fixture->log->str, "dropped") ==
                  g_strrstr(fixture->log->str, "dropped a"));
    fixture_drop(fixture, service);
}

static void test_too_long(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process, "{" NOTIFIER "'@long'], " NOTIFY "}");

    fixture_run_until(fixture, log_has_dropped, fixture);
    fixture_settle(fixture);
    assert_state(service, STATE_STARTING);
    assert_contains(fixture->log->str, "it is malformed or too long");
    fixture_drop(fixture, service);
}

static void test_other_user(ProcessFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['/bin/sh', '-c', 'exec sleep 60'],"
                                     " 'user': 'nobody', " NOTIFY "}");
    struct stat status;

    fixture_wait_sub_state(fixture, service, "start-notify");
    g_autofree char *path = g_strdup_printf("%s/1", fixture->host->notify_directory);
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
    g_assert_cmpuint(status.st_uid, ==, 65534);
    fixture_drop(fixture, service);
}

/* Without readiness notify there is no socket. */
static void test_no_socket(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['/bin/sh', '-c', 'test -z $NOTIFY_SOCKET && test "
                                     "-n $SVCMGR_ID']}");

    fixture_wait_state(fixture, service, STATE_INACTIVE);
    fixture_drop(fixture, service);
}

#define NOTIFY_TEST(path, function)                                                                \
    g_test_add(path, ProcessFixture, NULL, notify_init, function, notify_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    NOTIFY_TEST("/notify/ready", test_ready);
    NOTIFY_TEST("/notify/ready/before-exit", test_ready_before_exit);
    NOTIFY_TEST("/notify/ready/by-child", test_ready_by_child);
    NOTIFY_TEST("/notify/ready/without-environment", test_ready_without_environment);
    NOTIFY_TEST("/notify/ready/sender-is-cheap", test_sender_is_cheap);
    NOTIFY_TEST("/notify/stopping", test_stopping);
    NOTIFY_TEST("/notify/status/cleared", test_status_is_cleared);
    NOTIFY_TEST("/notify/status/flood", test_flood);
    NOTIFY_TEST("/notify/status/flood-of-all", test_flood_of_all);
    NOTIFY_TEST("/notify/status/ready-tells-the-rest", test_ready_tells_the_rest);
    NOTIFY_TEST("/notify/status/last-is-told", test_last_status_is_told);
    NOTIFY_TEST("/notify/main-pid/hand-over", test_hand_over);
    NOTIFY_TEST("/notify/main-pid/hand-over-and-stop", test_hand_over_and_stop);
    NOTIFY_TEST("/notify/main-pid/hand-over-forgets-group", test_hand_over_forgets_group);
    NOTIFY_TEST("/notify/main-pid/daemonised", test_daemonised);
    NOTIFY_TEST("/notify/main-pid/daemonised-meanwhile", test_daemonised_meanwhile);
    NOTIFY_TEST("/notify/main-pid/number-of-stranger", test_stranger_has_number);
    NOTIFY_TEST("/notify/main-pid/foreign", test_foreign_main);
    NOTIFY_TEST("/notify/fds-are-closed", test_fds_are_closed);
    NOTIFY_TEST("/notify/dropped/forged-sender", test_forged_sender);
    NOTIFY_TEST("/notify/dropped/too-long", test_too_long);
    NOTIFY_TEST("/notify/socket/of-other-user", test_other_user);
    NOTIFY_TEST("/notify/socket/none", test_no_socket);
    return g_test_run();
}
