/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What test-inject's table cannot say: two failures at once, failures that persist, retries, what a
 * program has started before it is given up, and reads that bring less than there is. */

#include "base/fds.h"
#include "base/random.h"
#include "inject.h"
#include "process/notify-socket.h"
#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NO_RESTART "'restart': {'policy': 'no'}"
#define TIMEOUTS "'start_timeout': '5s', 'stop_timeout': '5s', " NO_RESTART
#define CUT_SHORT_USEC (5 * USEC_PER_SEC - 60 * USEC_PER_MSEC)

static pid_t refuse_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                          int *ret_pidfd)
{
    errno = ENOSYS;
    return -1;
}

static void faults_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
    inject_install(fixture);
}

static void faults_done(ProcessFixture *fixture, const void *unused)
{
    inject_reset();
    fixture_done(fixture);
}

/* Two at once */

typedef struct Fault {
    InjectCall call;
    unsigned nth; /* 0: there is none */
    int errno_value;
    bool persists;
} Fault;

typedef struct PairRow {
    const char *config;
    Fault faults[2];
    FailureClass failure_class;
    const char *error; /* NULL: it becomes active */
    bool apart;        /* the child has a memory of its own */
} PairRow;

#define SLEEPER "{'exec': ['/bin/sleep', '60'], 'working_directory': '/', " TIMEOUTS "}"
#define SPEAKER(words)                                                                             \
    "{'exec': ['@PROGRAMS/program-notifier', " words "], 'readiness': 'notify', " TIMEOUTS "}"
#define CANNOT_EXECUTE "cannot execute '/bin/sleep': Permission denied"

static const PairRow pairs[] = {
        /* Nobody hears why, so it passes for a program that ends at once. */
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_CHILD_WRITE, 1, EPIPE}},
         FAILURE_EXIT_CODE,
         "exited with status 127",
         true},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, ENOENT}},
         FAILURE_EXEC,
         "cannot execute '/bin/sleep': No such file or directory (the file is there, but",
         false},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, ENOENT}, {INJECT_CHILD_FACCESSAT, 1, EACCES}},
         FAILURE_EXEC,
         "cannot execute '/bin/sleep': No such file or directory",
         false},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_READ_EXEC, 1, EIO}},
         FAILURE_EXEC,
         "cannot learn whether '/bin/sleep' was executed: Input/output error",
         true},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_READ_EXEC, 1, INJECT_SHORT}},
         FAILURE_EXEC,
         "cannot execute '/bin/sleep': Input/output error",
         true},
        {SLEEPER,
         {{INJECT_CHILD_CHDIR, 1, EACCES}, {INJECT_READ_EXEC, 1, EINTR}},
         FAILURE_EXEC,
         "cannot change to directory '/': Permission denied",
         true},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_WAIT_MAIN, 1, ECHILD, true}},
         FAILURE_EXEC,
         CANNOT_EXECUTE,
         true},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_PIDFD_SIGNAL, 1, EPERM}},
         FAILURE_EXEC,
         CANNOT_EXECUTE,
         true},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_WAIT_CHILD, 1, EINTR}},
         FAILURE_EXEC,
         CANNOT_EXECUTE,
         false},
        {SLEEPER,
         {{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_WAIT_CHILD, 1, ECHILD}},
         FAILURE_EXEC,
         CANNOT_EXECUTE,
         false},
        {SLEEPER,
         {{INJECT_CLONE_VM, 1, EPERM}, {INJECT_PIPE2, 1, EMFILE}},
         FAILURE_EXEC,
         "cannot create a process: Too many open files",
         false},
        {SLEEPER,
         {{INJECT_CLONE_VM, 1, EPERM}, {INJECT_CLONE_COPY, 1, ENOMEM}},
         FAILURE_EXEC,
         "cannot create a process: Cannot allocate memory",
         false},
        {SLEEPER,
         {{INJECT_CLONE_VM, 1, EPERM}, {INJECT_CLONE_COPY, 1, EPERM}},
         FAILURE_NONE,
         NULL,
         false},
        {SLEEPER,
         {{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_KILL, 1, EPERM}},
         FAILURE_EXEC,
         "cannot watch process ",
         false},
        {SLEEPER,
         {{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_PIDFD_SIGNAL, 1, EPERM}},
         FAILURE_EXEC,
         "cannot watch process ",
         false},
        {SPEAKER("'READY=1'"),
         {{INJECT_BIND, 1, EACCES}, {INJECT_UNLINK, 1, EACCES}},
         FAILURE_EXEC,
         "cannot open the notify socket ",
         false},
        {SPEAKER("'READY=1'"),
         {{INJECT_RECVMSG, 1, ENOMEM, true}},
         FAILURE_TIMEOUT,
         "not ready within 5s",
         false},
        {SPEAKER("'READY=1'"),
         {{INJECT_RECVMSG, 1, INJECT_SHORT, true}},
         FAILURE_TIMEOUT,
         "not ready within 5s",
         false},
};

static void arm(const Fault *faults, unsigned n)
{
    inject_reset();
    for (unsigned i = 0; i < n && faults[i].nth > 0; i++)
        inject_arm(faults[i].call, faults[i].nth, faults[i].errno_value, faults[i].persists);
}

static void assert_comes_up_and_ends(ProcessFixture *fixture, Service *service)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};

    inject_reset();
    fixture->clock.ahead_usec = 0;
    if (!service_state(service)->active)
        (void)service_start(service, &origin, NULL);
    fixture_wait_state(fixture, service, STATE_ACTIVE);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    fixture_drop(fixture, service);
}

static void test_pairs(ProcessFixture *fixture, const void *unused)
{
    const Sys sys = fixture->sys;

    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const PairRow *row = &pairs[i];

        g_test_message("%u: %s, %s", i, inject_call_name(row->faults[0].call),
                       inject_call_name(row->faults[1].call));
        fixture->sys = sys;
        if (row->apart)
            fixture->sys.clone_vm = refuse_clone;
        fixture->clock.ahead_usec = row->failure_class == FAILURE_TIMEOUT ? CUT_SHORT_USEC : 0;
        arm(row->faults, G_N_ELEMENTS(row->faults));
        Service *service = fixture_start(fixture, fixture->process, row->config);
        fixture_wait_state(fixture, service, row->error != NULL ? STATE_FAILED : STATE_ACTIVE);
        g_assert_true(inject_has_hit());
        if (row->error != NULL) {
            assert_failure(service, row->failure_class, row->error);
            g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
        }
        assert_comes_up_and_ends(fixture, service);
    }
    fixture->sys = sys;
}

static bool has_dropped(void *data)
{
    return strstr(((ProcessFixture *)data)->log->str, "it is no process of the service") != NULL;
}

/* Who cannot be known is not believed. */
static void test_unknown_speaker(ProcessFixture *fixture, const void *unused)
{
    static const Fault faults[] = {{INJECT_PRLIMIT, 1, EPERM, true},
                                   {INJECT_OPEN, 1, EMFILE, true}};

    arm(faults, G_N_ELEMENTS(faults));
    Service *service = fixture_start(fixture, fixture->process, SPEAKER("'@session', 'READY=1'"));
    fixture_run_until(fixture, has_dropped, fixture);
    assert_state(service, STATE_STARTING);
    inject_reset();
    fixture_drop(fixture, service);
}

/* No signal reaches a group any more, or nothing can be learned of the dead: what runs alone ends.
 */
static void test_stop_persisting(ProcessFixture *fixture, const void *unused)
{
    static const struct {
        const char *words;
        Fault fault;
        State state;
    } stops[] = {
            {"'clean'", {INJECT_KILL, 1, EPERM, true}, STATE_FAILED},
            {"'clean'", {INJECT_WAIT_MAIN, 1, ECHILD, true}, STATE_INACTIVE},
            {"'clean'", {INJECT_WAIT_GROUP, 1, ECHILD, true}, STATE_INACTIVE},
            {"'clean'", {INJECT_PIDFD_SIGNAL, 1, EPERM, true}, STATE_INACTIVE},
            {"'clean'", {INJECT_UNLINK, 1, ENOENT, true}, STATE_INACTIVE},
            /* Whether anybody is left cannot be known: it is not over before that can be. */
            {"'stubborn-child', '@DIR/pid'", {INJECT_OPEN, 1, EMFILE, true}, STATE_STOPPING},
            {"'stubborn-child', '@DIR/pid'", {INJECT_GETPGID, 1, EPERM, true}, STATE_FAILED},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(stops); i++) {
        g_autofree char *config =
                g_strdup_printf("{'exec': ['@PROGRAMS/program-stayer', %s], 'readiness': 'notify', "
                                "'stop_timeout': '%s', " NO_RESTART "}",
                                stops[i].words, stops[i].state == STATE_INACTIVE ? "10s" : "20ms");
        Service *service = fixture_start(fixture, fixture->process, config);

        fixture_wait_state(fixture, service, STATE_ACTIVE);
        pid_t pid = fixture_main_pid(service);
        arm(&stops[i].fault, 1);
        fixture_request_stop(service);
        if (stops[i].state == STATE_STOPPING) {
            fixture->clock.ahead_usec = CUT_SHORT_USEC;
            fixture_wait_sub_state(fixture, service, "unkillable");
            inject_reset();
        }
        fixture_wait_settled(fixture, service);
        inject_reset();
        fixture->clock.ahead_usec = 0;
        g_assert_cmpint(service_state(service)->state, ==,
                        stops[i].state == STATE_INACTIVE ? STATE_INACTIVE : STATE_FAILED);
        fixture_wait_gone(fixture, pid);
        g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
        fixture_drop(fixture, service);
        if (stops[i].fault.call == INJECT_UNLINK)
            inject_remove_sockets(fixture);
    }
}

/* Retries */

static const Fault start_faults[] = {
        {INJECT_CLONE_VM, 1, EAGAIN},     {INJECT_SOCKET, 1, EMFILE},
        {INJECT_BIND, 1, EACCES},         {INJECT_WATCH_NOTIFY, 1, ENOMEM},
        {INJECT_WATCH_MAIN, 1, ENOMEM},   {INJECT_CHILD_SETSID, 1, EPERM},
        {INJECT_CHILD_EXECVE, 1, ENOMEM}, {INJECT_CLOSE_RANGE, 1, ENOMEM},
};

/* The service is in backoff for as long as the failure persists, and comes up by itself then. */
static void test_backoff(ProcessFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(start_faults); i++) {
        Fault fault = start_faults[i];
        int n_fds = fd_count_open();

        fault.persists = true;
        arm(&fault, 1);
        Service *service = fixture_start(
                fixture, fixture->process,
                "{'exec': ['@PROGRAMS/program-stayer'], 'readiness': 'notify', 'restart': "
                "{'initial_delay': '1ms', 'min_delay': '1ms', 'max_delay': '1ms'}}");
        for (unsigned n = 0; n < 3; n++) {
            fixture_wait_state(fixture, service, STATE_BACKOFF);
            assert_failure(service, FAILURE_EXEC, g_strerror(fault.errno_value));
            g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
            g_assert_cmpint(fd_count_open(), ==, n_fds);
            fixture_wait_state(fixture, service, STATE_STARTING);
        }
        assert_comes_up_and_ends(fixture, service);
    }
}

/* What the program has started before it is given up goes with it. */

static const char *given_up_fifo;
static pid_t given_up_child;

/* Fails when the program has said who its child is. */
static Watch *watch_too_late(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    char text[16] = "";
    autofd int fifo = open(given_up_fifo, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(read(fifo, text, sizeof text - 1), >, 0);
    given_up_child = (pid_t)g_ascii_strtoll(text, NULL, 10);
    errno = ENOSPC;
    return NULL;
}

static void test_given_up(ProcessFixture *fixture, const void *unused)
{
    WatchHost *watches = loop_watches(fixture->loop);
    WatchHost original = *watches;

    given_up_fifo = fixture_path(fixture, "fifo");
    g_assert_cmpint(mkfifo(given_up_fifo, 0600), ==, 0);
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'stubborn-child', "
                                     "'@DIR/fifo'], " NO_RESTART "}");
    watches->create = watch_too_late;
    fixture_wait_state(fixture, service, STATE_FAILED);
    *watches = original;
    assert_failure(service, FAILURE_EXEC, "cannot watch process ");
    g_assert_cmpint(given_up_child, >, 1);
    fixture_wait_gone(fixture, given_up_child);
    fixture_drop(fixture, service);
}

/* The host */

static ProcessHost *host_new(ProcessFixture *fixture, GError **error)
{
    ProcessHostOptions options = {
            .clock = loop_clock(fixture->loop),
            .timers = loop_timers(fixture->loop),
            .watches = loop_watches(fixture->loop),
            .random = random_system(),
            .sys = &fixture->sys,
            .runtime_dir = fixture->directory,
    };

    return process_host_new(&options, error);
}

/* Each call of its beginning fails in turn. */
static void test_host(ProcessFixture *fixture, const void *unused)
{
    static const int errnos[] = {EMFILE, ENFILE, ENOMEM, EACCES, EPERM, EIO};
    unsigned counts[_INJECT_CALL_MAX], n_runs = 0;

    inject_reset();
    process_host_free(host_new(fixture, NULL));
    for (unsigned call = 0; call < _INJECT_CALL_MAX; call++)
        counts[call] = inject_count(call);
    for (unsigned call = 0; call < _INJECT_CALL_MAX; call++) {
        for (unsigned i = 0; i < counts[call] * G_N_ELEMENTS(errnos); i++, n_runs++) {
            Fault fault = {call, i / G_N_ELEMENTS(errnos) + 1, errnos[i % G_N_ELEMENTS(errnos)]};
            g_autoptr(GError) error = NULL;
            int n_fds = fd_count_open();

            g_test_message("%s no. %u: %s", inject_call_name(call), fault.nth,
                           g_strerror(fault.errno_value));
            arm(&fault, 1);
            g_assert_null(host_new(fixture, &error));
            assert_contains(error->message, g_strerror(fault.errno_value));
            g_assert_cmpint(fd_count_open(), ==, n_fds);
        }
    }
    g_assert_cmpuint(n_runs, >=, 8 * G_N_ELEMENTS(errnos)); /* 2 mkdir, 3 open, 2 fchmod, 1 prctl */
    arm(&(const Fault){INJECT_OPEN, 1, EINTR}, 1);
    ProcessHost *host = host_new(fixture, NULL);
    g_assert_nonnull(host);
    process_host_free(host);
}

/* Less than there is */

static void test_proc(ProcessFixture *fixture, const void *unused)
{
    const Sys *sys = &fixture->sys;
    g_autofree char *variable = g_strconcat("TEST_PROGRAMS=", g_getenv("TEST_PROGRAMS"), NULL);
    ProcStat whole, stat;

    g_assert_true(proc_read_stat(sys, getpid(), &whole));
    arm(&(const Fault){INJECT_READ_PROC, 1, INJECT_SHORT, true}, 1);
    g_assert_true(proc_read_stat(sys, getpid(), &stat));
    g_assert_cmpint(stat.parent, ==, whole.parent);
    g_assert_cmpint(stat.group, ==, whole.group);
    g_assert_cmpuint(inject_count(INJECT_READ_PROC), >, 50); /* a byte each */
    g_assert_true(proc_environ_has(sys, getpid(), variable));
    g_assert_true(proc_descends_from(sys, getpid(), getppid()) == false); /* not through itself */

    for (unsigned nth = 1; nth <= 2; nth++) {
        arm(&(const Fault){INJECT_READ_PROC, nth, EIO}, 1);
        errno = 0;
        g_assert_false(proc_read_stat(sys, getpid(), &stat));
        g_assert_cmpint(errno, ==, EIO);
        arm(&(const Fault){INJECT_READ_PROC, nth, EINTR}, 1);
        g_assert_true(proc_read_stat(sys, getpid(), &stat));
    }
    arm(&(const Fault){INJECT_OPEN, 1, EMFILE}, 1);
    g_assert_false(proc_read_stat(sys, getpid(), &stat));
    g_assert_cmpint(errno, ==, EMFILE);
}

static bool on_drained(const NotifyMessage *message, const NotifySender *sender, NotifyFds *fds,
                       void *data)
{
    g_assert_nonnull(message);
    g_assert_cmpint(sender->pid, ==, getpid());
    *(unsigned *)data += message->ready;
    return true;
}

/* Before a death is judged there is no second chance to read. */
static void test_drain(ProcessFixture *fixture, const void *unused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unsigned n_ready = 0;

    inject_reset();
    NotifySocket *notify =
            notify_socket_new(fixture->host, NOTIFY_EVERYBODY, on_drained, &n_ready, NULL);
    g_assert_nonnull(notify);
    (void)g_strlcpy(address.sun_path, notify_socket_path(notify), sizeof address.sun_path);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmpint(sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address, sizeof address),
                        ==, 7);
    arm((const Fault[]){{INJECT_RECVMSG, 1, EINTR}, {INJECT_RECVMSG, 3, EINTR}}, 2);
    notify_socket_drain(notify);
    g_assert_cmpuint(n_ready, ==, 3);
    notify_socket_free(notify);
}

#define FAULTS_TEST(path, function)                                                                \
    g_test_add(path, ProcessFixture, NULL, faults_init, function, faults_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FAULTS_TEST("/inject-faults/pairs", test_pairs);
    FAULTS_TEST("/inject-faults/unknown-speaker", test_unknown_speaker);
    FAULTS_TEST("/inject-faults/stop-persisting", test_stop_persisting);
    FAULTS_TEST("/inject-faults/backoff", test_backoff);
    FAULTS_TEST("/inject-faults/given-up", test_given_up);
    FAULTS_TEST("/inject-faults/host", test_host);
    FAULTS_TEST("/inject-faults/proc", test_proc);
    FAULTS_TEST("/inject-faults/drain", test_drain);
    return g_test_run();
}
