/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real processes that carry the mark of a former run, and what becomes of them. Each test has a
 * mark of its own, since others of these tests may run at the same time. */

#include "base/fds.h"
#include "former-fixture.h"
#include "process/host-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_GRACE_USEC (2 * FIXTURE_DEADLINE_USEC) /* nobody may need it */
#define SHORT_GRACE_USEC (50 * USEC_PER_MSEC)
#define HERD 300
#define FOLLOWED_MAX 256

/* Of the test that runs; the table of system calls has no place for it. */
static FormerFixture *current;
static pid_t marked_pid;
static pid_t blind_pid;
static unsigned n_calls;
static int n_fds_most;

static void former_test_init(FormerFixture *fixture, const void *unused)
{
    former_fixture_init(fixture);
    current = fixture;
    marked_pid = 0;
    n_calls = 0;
    n_fds_most = 0;
}

static void former_test_done(FormerFixture *fixture, const void *unused)
{
    former_fixture_done(fixture);
}

static void test_nothing(FormerFixture *fixture, const void *unused)
{
    g_auto(Sweep) sweep;

    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_null(sweep.text);
    g_assert_null(sweep.error);
    g_assert_cmpuint(sweep.report.n_services, ==, 0);
}

/* Whoever their parent is; and nobody else. */
static void test_asked(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec web = {.words = "", .prefix = fixture->prefix, .id = "web"};
    const OrphanSpec adopted = {
            .words = "", .prefix = fixture->prefix, .id = "web", .is_adopted = true};
    const OrphanSpec db = {.words = "", .prefix = fixture->prefix, .id = "db"};
    const OrphanSpec hook = {.words = "", .prefix = fixture->prefix};
    const OrphanSpec other = {.words = "", .prefix = "0000000000000000", .id = "web"};
    const OrphanSpec unmarked = {.words = "", .id = "web"};
    pid_t pids[] = {orphan_spawn(fixture, &web), orphan_spawn(fixture, &adopted),
                    orphan_spawn(fixture, &db), orphan_spawn(fixture, &hook)};
    pid_t innocents[] = {orphan_spawn(fixture, &other), orphan_spawn(fixture, &unmarked)};
    g_auto(Sweep) sweep;

    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, G_N_ELEMENTS(pids), 0, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(pids); i++)
        g_assert_false(is_alive(pids[i]));
    for (unsigned i = 0; i < G_N_ELEMENTS(innocents); i++)
        g_assert_true(is_alive(innocents[i]));
    g_assert_cmpstr(sweep.text, ==, "4 processes of the former run ended");
    assert_contains(sweep.services->str, "web: 2 processes of the former run ended\n");
    assert_contains(sweep.services->str, "db: 1 process of the former run ended\n");
    assert_contains(sweep.services->str, "(none): 1 process of the former run ended\n");
}

static void test_by_force(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "stubborn", .prefix = fixture->prefix, .id = "web"};
    pid_t pid = orphan_spawn(fixture, &spec);
    g_auto(Sweep) sweep;

    sweep_run(fixture, &sweep, SHORT_GRACE_USEC);
    assert_numbers(sweep, 1, 1, 0);
    g_assert_false(is_alive(pid));
    g_assert_cmpstr(sweep.text, ==, "1 process of the former run ended, 1 of them by force");
}

static void test_stopped(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "stop", .prefix = fixture->prefix, .id = "web"};
    pid_t pid = orphan_spawn(fixture, &spec);
    siginfo_t info;
    g_auto(Sweep) sweep;

    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WSTOPPED), ==, 0);
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 0);
    g_assert_false(is_alive(pid));
}

/* Each generation comes from the death of the one before. */
static void test_forks(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "forks 5", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    (void)orphan_spawn(fixture, &spec);
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 6, 0, 0);
}

/* What the second and the third pass see, at length: a folder, and nobody. In the second, the one
 * who is known by then dies. */
#define BLIND_CALLS 20

static ssize_t blind_getdents64(int fd, void *buffer, size_t size)
{
    struct dirent64 *entry = buffer;
    siginfo_t info;

    if (marked_pid == 0) { /* the first pass */
        ssize_t n = sys_linux.getdents64(fd, buffer, size);

        marked_pid = n == 0 ? -1 : 0;
        return n;
    }
    if (n_calls == 0) {
        g_assert_cmpint(kill(blind_pid, SIGTERM), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)blind_pid, &info, WEXITED | WNOWAIT), ==, 0);
    }
    if (++n_calls > 2 * BLIND_CALLS)
        return sys_linux.getdents64(fd, buffer, size);
    if (n_calls % BLIND_CALLS == 0)
        return 0;
    *entry = (struct dirent64){.d_reclen = sizeof *entry, .d_name = "self"};
    return sizeof *entry;
}

/* Nobody dies before that. */
static int holding_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    return n_calls == 0 ? 0 : sys_linux.pidfd_send_signal(pidfd, signo, info, flags);
}

/* Who dies while nobody looks has left a child where nobody looks again. */
static void test_dies_during_pass(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "forks 1", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    blind_pid = orphan_spawn(fixture, &spec);
    fixture->process.sys.getdents64 = blind_getdents64;
    fixture->process.sys.pidfd_send_signal = holding_signal;
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    g_assert_cmpuint(n_calls, >, 2 * BLIND_CALLS);
    assert_numbers(sweep, 2, 0, 0);
}

/* In the kill phase too, what is found is killed at once. */
static void test_no_grace(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "stubborn herd 3", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    (void)orphan_spawn(fixture, &spec);
    for (unsigned i = 0; i < 3; i++)
        (void)read_ready(fixture);
    sweep_run(fixture, &sweep, 0);
    assert_numbers(sweep, 4, 4, 0);
}

static void test_zombie(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "zombie", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    (void)orphan_spawn(fixture, &spec);
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 0);
}

static int counting_pidfd_open(pid_t pid, unsigned flags)
{
    n_fds_most = MAX(n_fds_most, fd_count_open());
    return sys_linux.pidfd_open(pid, flags);
}

/* More than there may be descriptors. */
static void test_herd(FormerFixture *fixture, const void *words)
{
    const OrphanSpec spec = {.words = words, .prefix = fixture->prefix, .id = "web"};
    bool is_stubborn = strstr(words, "stubborn") != NULL;
    int n_fds = fd_count_open();
    g_auto(Sweep) sweep;

    fixture->process.sys.pidfd_open = counting_pidfd_open;
    (void)orphan_spawn(fixture, &spec);
    for (unsigned i = 0; i < HERD; i++)
        (void)read_ready(fixture);
    sweep_run(fixture, &sweep, is_stubborn ? SHORT_GRACE_USEC : LONG_GRACE_USEC);
    assert_numbers(sweep, HERD + 1, is_stubborn ? HERD + 1 : 0, 0);
    if (is_stubborn) /* the others die while they are counted */
        g_assert_cmpint(n_fds_most, >=, n_fds + FOLLOWED_MAX);
    g_assert_cmpint(n_fds_most, <=, n_fds + FOLLOWED_MAX + 4);
}

static void test_of_another_user(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {
            .words = "", .prefix = fixture->prefix, .id = "web", .uid = 65534, .is_adopted = true};

    if (geteuid() != 0) {
        g_test_skip("only root can start programs as another user");
        return;
    }
    pid_t pid = orphan_spawn(fixture, &spec);
    g_auto(Sweep) sweep;
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 0);
    g_assert_false(is_alive(pid));
}

static bool is_environ_of(const char *path, pid_t pid)
{
    g_autofree char *environ_path = g_strdup_printf("/proc/%d/environ", (int)pid);

    return g_str_equal(path, environ_path);
}

static int denying_open(const char *path, int flags)
{
    if (is_environ_of(path, marked_pid)) {
        n_calls++;
        errno = EACCES;
        return -1;
    }
    return sys_linux.open(path, flags);
}

/* As those of others are for a daemon that is not root. */
static void test_unreadable(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    marked_pid = orphan_spawn(fixture, &spec);
    fixture->process.sys.open = denying_open;
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_cmpuint(n_calls, >, 0);
    g_assert_true(is_alive(marked_pid));
}

/* This process, its parent and process 1 look as if they were of the former run. */
static int marking_open(const char *path, int flags)
{
    if (is_environ_of(path, getpid()) || is_environ_of(path, getppid()) || is_environ_of(path, 1))
        return sys_linux.open(fixture_path(&current->process, "marked"), flags);
    return sys_linux.open(path, flags);
}

static int counting_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    n_calls++;
    return 0;
}

static void test_spared(FormerFixture *fixture, const void *unused)
{
    g_autofree char *mark = g_strdup_printf("INVOCATION_ID=%s0123456789abcdef", fixture->prefix);
    g_auto(Sweep) sweep;

    g_assert_true(g_file_set_contents(fixture_path(&fixture->process, "marked"), mark,
                                      (gssize)strlen(mark) + 1, NULL));
    fixture->process.sys.open = marking_open;
    fixture->process.sys.pidfd_send_signal = counting_signal; /* if it comes to that, to nobody */
    sweep_run(fixture, &sweep, SHORT_GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_cmpuint(n_calls, ==, 0);
}

/* Between the look at it and the descriptor the number has become somebody else's. */
static int reusing_pidfd_open(pid_t pid, unsigned flags)
{
    if (pid == marked_pid)
        current->process.sys.open = denying_open;
    return sys_linux.pidfd_open(pid, flags);
}

static void test_reused_number(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    marked_pid = orphan_spawn(fixture, &spec);
    fixture->process.sys.pidfd_open = reusing_pidfd_open;
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_cmpuint(n_calls, >, 0);
    g_assert_true(is_alive(marked_pid));
}

/* The time of the kill phase need not be waited for. */
static void skip_time(void)
{
    current->process.clock.ahead_usec = 2 * USEC_PER_SEC;
}

static int failing_pidfd_open(pid_t pid, unsigned flags)
{
    skip_time();
    errno = EMFILE;
    return -1;
}

static int deaf_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    skip_time();
    return 0;
}

static int failing_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    skip_time();
    errno = EPERM;
    return -1;
}

/* Without an environment while the other one lives, and once more. */
static int executing_open(const char *path, int flags)
{
    if (is_environ_of(path, marked_pid) && (is_alive(blind_pid) || n_calls++ == 0))
        return sys_linux.open("/dev/null", flags);
    return sys_linux.open(path, flags);
}

static void test_executes(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "", .prefix = fixture->prefix, .id = "web"};
    g_auto(Sweep) sweep;

    marked_pid = orphan_spawn(fixture, &spec);
    blind_pid = orphan_spawn(fixture, &spec);
    fixture->process.sys.open = executing_open;
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 2, 0, 0);
    g_assert_false(is_alive(marked_pid));
}

typedef enum Obstacle {
    OBSTACLE_OPEN,
    OBSTACLE_SIGNAL,
    OBSTACLE_DEAF, /* as one who is stuck in the kernel */
} Obstacle;

/* What cannot be ended is given up in time, by its name. */
static void test_left(FormerFixture *fixture, const void *data)
{
    const OrphanSpec spec = {.words = "", .prefix = fixture->prefix, .id = "web"};
    pid_t pid = orphan_spawn(fixture, &spec);
    g_autofree char *expected =
            g_strdup_printf("web: 0 processes of the former run ended; 1 still there: "
                            "%d (program-orphan)\n",
                            (int)pid);
    g_auto(Sweep) sweep;

    if (GPOINTER_TO_INT(data) == OBSTACLE_OPEN)
        fixture->process.sys.pidfd_open = failing_pidfd_open;
    else if (GPOINTER_TO_INT(data) == OBSTACLE_SIGNAL)
        fixture->process.sys.pidfd_send_signal = failing_signal;
    else
        fixture->process.sys.pidfd_send_signal = deaf_signal;
    sweep_run(fixture, &sweep, SHORT_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 1);
    g_assert_cmpstr(sweep.services->str, ==, expected);
    g_assert_true(is_alive(pid));
}

/* No second one beside it; and when it is gone, nothing stands in the way. */
static void test_left_of_a_service(FormerFixture *fixture, const void *unused)
{
    static const Origin origin = {.cause = CAUSE_STARTUP};
    Service *service = fixture_start(&fixture->process, fixture->process.process,
                                     "{'exec': ['@PROGRAMS/program-stayer'], 'readiness': "
                                     "'notify', 'restart': {'policy': 'no'}}");
    g_auto(Sweep) sweep;

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    g_assert_true(service_stop(service, &origin, NULL));
    fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    pid_t pid = orphan_spawn(
            fixture,
            &(OrphanSpec){.words = "", .prefix = fixture->prefix, .id = service_id(service)});
    fixture->process.sys.pidfd_send_signal = deaf_signal;
    sweep_run(fixture, &sweep, SHORT_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 1);
    fixture->process.sys.pidfd_send_signal = sys_linux.pidfd_send_signal;
    g_assert_true(service_start(service, &origin, NULL));
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    g_autofree char *expected = g_strdup_printf(
            "process %d (program-orphan) of the former run is still there", (int)pid);
    assert_failure(service, FAILURE_INTERNAL, expected);
    g_assert_true(is_alive(pid));

    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), ==, 0);
    g_assert_true(service_start(service, &origin, NULL));
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_drop(&fixture->process, service);
}

static ssize_t failing_getdents64(int fd, void *buffer, size_t size)
{
    errno = EIO;
    return -1;
}

static void test_no_list(FormerFixture *fixture, const void *unused)
{
    g_auto(Sweep) sweep;

    fixture->process.sys.getdents64 = failing_getdents64;
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 0, 0, 0);
    g_assert_cmpstr(sweep.error, ==, "cannot list the processes: Input/output error");
}

static bool was_asked(void *data)
{
    return n_calls > 0;
}

static int noting_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    n_calls++;
    return sys_linux.pidfd_send_signal(pidfd, signo, info, flags);
}

static void test_cancelled(FormerFixture *fixture, const void *unused)
{
    const OrphanSpec spec = {.words = "stubborn", .prefix = fixture->prefix, .id = "web"};
    pid_t pid = orphan_spawn(fixture, &spec);
    Sweep sweep = {0};

    fixture->process.sys.pidfd_send_signal = noting_signal;
    Former *former = former_sweep(fixture->process.host, fixture->prefix, LONG_GRACE_USEC,
                                  on_sweep_done, &sweep);
    fixture_run_until(&fixture->process, was_asked, NULL);
    former_free(former);
    fixture_settle(&fixture->process);
    g_assert_false(sweep.is_done);
    g_assert_true(is_alive(pid));
}

/* What a service of this very run is started with is what is looked for. */
static void test_of_a_service(FormerFixture *fixture, const void *unused)
{
    g_auto(Sweep) sweep;

    g_strlcpy(fixture->process.host->invocation_prefix, fixture->prefix,
              sizeof fixture->process.host->invocation_prefix);
    Service *service =
            fixture_start(&fixture->process, fixture->process.process,
                          "{'exec': ['@PROGRAMS/program-stayer'], 'readiness': 'notify', "
                          "'restart': {'policy': 'no'}}");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 0);
    g_assert_true(g_str_has_prefix(sweep.services->str, "test-1: 1 process "));
    fixture_wait_settled(&fixture->process, service);
    assert_failure(service, FAILURE_SIGNAL, "SIGTERM");
    fixture_drop(&fixture->process, service);
}

static bool leaver_is_there(void *data)
{
    g_autofree char *text = fixture_read(&((FormerFixture *)data)->process, "leaver");

    return text != NULL && strchr(text, '\n') != NULL;
}

/* With what it was started with it has lost its name. Who has left its session is not of it, nor
 * the dead whom that one does not reap. */
static void test_wiped(FormerFixture *fixture, const void *unused)
{
    g_auto(Sweep) sweep;

    g_strlcpy(fixture->process.host->invocation_prefix, fixture->prefix,
              sizeof fixture->process.host->invocation_prefix);
    Service *service = fixture_start(&fixture->process, fixture->process.oneshot,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'wipe', "
                                     "'zombie', '@DIR/leaver'], 'restart': {'policy': 'no'}}");
    fixture_run_until(&fixture->process, leaver_is_there, fixture);
    pid_t leaver = fixture_read_pid(&fixture->process, "leaver");

    sweep_run(fixture, &sweep, LONG_GRACE_USEC);
    assert_numbers(sweep, 1, 0, 0);
    g_assert_cmpstr(sweep.services->str, ==, "(none): 1 process of the former run ended\n");
    fixture_wait_settled(&fixture->process, service);
    g_assert_false(is_alive(leaver)); /* that was its own supervisor */
    fixture_drop(&fixture->process, service);
}

#define FORMER_TEST(path, data, function)                                                          \
    g_test_add(path, FormerFixture, data, former_test_init, function, former_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FORMER_TEST("/former/nothing", NULL, test_nothing);
    FORMER_TEST("/former/asked", NULL, test_asked);
    FORMER_TEST("/former/by-force", NULL, test_by_force);
    FORMER_TEST("/former/stopped", NULL, test_stopped);
    FORMER_TEST("/former/forks", NULL, test_forks);
    FORMER_TEST("/former/dies-during-pass", NULL, test_dies_during_pass);
    FORMER_TEST("/former/executes", NULL, test_executes);
    FORMER_TEST("/former/no-grace", NULL, test_no_grace);
    FORMER_TEST("/former/zombie", NULL, test_zombie);
    FORMER_TEST("/former/herd/asked", "herd 300", test_herd);
    FORMER_TEST("/former/herd/by-force", "stubborn herd 300", test_herd);
    FORMER_TEST("/former/of-another-user", NULL, test_of_another_user);
    FORMER_TEST("/former/unreadable", NULL, test_unreadable);
    FORMER_TEST("/former/spared", NULL, test_spared);
    FORMER_TEST("/former/reused-number", NULL, test_reused_number);
    FORMER_TEST("/former/left/no-descriptor", GINT_TO_POINTER(OBSTACLE_OPEN), test_left);
    FORMER_TEST("/former/left/not-allowed", GINT_TO_POINTER(OBSTACLE_SIGNAL), test_left);
    FORMER_TEST("/former/left/unkillable", GINT_TO_POINTER(OBSTACLE_DEAF), test_left);
    FORMER_TEST("/former/no-list", NULL, test_no_list);
    FORMER_TEST("/former/cancelled", NULL, test_cancelled);
    FORMER_TEST("/former/of-a-service", NULL, test_of_a_service);
    FORMER_TEST("/former/left/of-a-service", NULL, test_left_of_a_service);
    FORMER_TEST("/former/wiped", NULL, test_wiped);
    return g_test_run();
}
