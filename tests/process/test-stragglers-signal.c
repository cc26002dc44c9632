/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals to what is left of a run, and to nobody else. */

#include "base/fds.h"
#include "process/host-internal.h"
#include "stragglers-fixture.h"

#include "../programs/bomb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the test that runs. */
static StragglersFixture *current;
static unsigned n_sent; /* signals */
static pid_t marked_pid;

static void stragglers_test_init(StragglersFixture *fixture, const void *unused)
{
    stragglers_fixture_init(fixture, NULL);
    current = fixture;
    n_sent = 0;
    marked_pid = 0;
}

static int counting_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    n_sent++;
    return sys_linux.pidfd_send_signal(pidfd, signo, info, flags);
}

static void test_signal(StragglersFixture *fixture, const void *unused)
{
    ProcessHost *host = fixture->process.host;
    g_auto(Run) run, other;

    fixture->process.sys.pidfd_send_signal = counting_signal;
    run_daemons(fixture, &run, "daemoniser many 3 wipe FILE");
    run_daemons(fixture, &other, "daemoniser FILE");
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, 0), ==, 3);
    g_assert_cmpuint(n_sent, ==, 0);
    g_assert_cmpuint(stragglers_signal(host, run.id, run.daemons[1], SIGTERM), ==, 2);
    g_assert_cmpuint(n_sent, ==, 2);
    fixture_wait_gone(&fixture->process, run.daemons[0]);
    fixture_wait_gone(&fixture->process, run.daemons[2]);
    g_assert_cmpuint(run_count(&run), ==, 1);
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, SIGTERM), ==, 1);
    fixture_wait_gone(&fixture->process, run.daemons[1]);
    g_assert_cmpuint(run_count(&other), ==, 1);
    run_end(&other);
}

/* Whom only its environment tells, and who does not listen. */
static void test_kill(StragglersFixture *fixture, const void *unused)
{
    ProcessHost *host = fixture->process.host;
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser unmark stubborn FILE");
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, SIGTERM), ==, 1);
    g_assert_cmpuint(run_count(&run), ==, 1);
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, SIGKILL), ==, 1);
    fixture_wait_gone(&fixture->process, run.daemons[0]);
}

static int unopenable_pidfd(pid_t pid, unsigned flags)
{
    errno = EMFILE;
    return -1;
}

static int refused_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    n_sent++;
    errno = EPERM;
    return -1;
}

/* Then it is there all the same. */
static void test_out_of_reach(StragglersFixture *fixture, const void *unused)
{
    ProcessHost *host = fixture->process.host;
    Sys *sys = &fixture->process.sys;
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser FILE");
    sys->pidfd_open = unopenable_pidfd;
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, SIGKILL), ==, 1);
    sys->pidfd_open = sys_linux.pidfd_open;
    sys->pidfd_send_signal = refused_signal;
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, SIGKILL), ==, 1);
    g_assert_cmpuint(n_sent, ==, 1);
    g_assert_cmpuint(run_count(&run), ==, 1);
    run_end(&run);
}

static int unmarked_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                              struct rlimit64 *ret_limit)
{
    return sys_linux.prlimit64(pid == marked_pid ? getpid() : pid, resource, limit, ret_limit);
}

static int blind_open(const char *path, int flags)
{
    errno = EACCES;
    return strstr(path, "/environ") != NULL ? -1 : sys_linux.open(path, flags);
}

/* Between the look at it and the descriptor the number has become somebody else's. */
static int reusing_pidfd_open(pid_t pid, unsigned flags)
{
    if (pid == marked_pid) {
        current->process.sys.prlimit64 = unmarked_prlimit64;
        current->process.sys.open = blind_open;
    }
    return sys_linux.pidfd_open(pid, flags);
}

static void test_reused_number(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser FILE");
    marked_pid = run.daemons[0];
    fixture->process.sys.pidfd_open = reusing_pidfd_open;
    fixture->process.sys.pidfd_send_signal = counting_signal;
    g_assert_cmpuint(stragglers_signal(fixture->process.host, run.id, 0, SIGTERM), ==, 0);
    g_assert_cmpuint(n_sent, ==, 0);
    fixture->process.sys.prlimit64 = sys_linux.prlimit64;
    fixture->process.sys.open = stragglers_open;
    run_end(&run);
}

/* This process, its parent and process 1 look as if they were of the run. */
static const char *spared_id;

static int sparing_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                             struct rlimit64 *ret_limit)
{
    if (pid != getpid() && pid != getppid() && pid != 1)
        return sys_linux.prlimit64(pid, resource, limit, ret_limit);
    *ret_limit = (struct rlimit64){process_host_run_number(spared_id) << HOST_SESSION_BITS,
                                   process_host_mark("")};
    return 0;
}

static int sending_to_nobody(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    n_sent++;
    return 0;
}

static void test_spared(StragglersFixture *fixture, const void *unused)
{
    ProcessHost *host = fixture->process.host;
    g_autofree char *id = process_host_new_invocation_id(host);

    spared_id = id;
    fixture->process.sys.prlimit64 = sparing_prlimit64;
    fixture->process.sys.pidfd_send_signal = sending_to_nobody; /* if it comes to that */
    g_assert_true(stragglers_has(host, id, getpid()));
    g_assert_cmpuint(stragglers_signal(host, id, 0, SIGTERM), ==, 0);
    g_assert_cmpuint(n_sent, ==, 0);
}

static bool bomb_is_burning(void *data)
{
    return ((const volatile BombCounts *)data)->n_born >= 50;
}

/* A look, and a kill if there is anybody, and so on: as long as it takes. */
static void test_bomb(StragglersFixture *fixture, const void *unused)
{
    ProcessHost *host = fixture->process.host;
    g_auto(Run) run;

    run_start(fixture, &run, "bomb FILE 5000");
    autofd int fd = open(run.file, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, sizeof(BombCounts)), ==, 0);
    BombCounts *counts = mmap(NULL, sizeof *counts, PROT_READ, MAP_SHARED, fd, 0);
    g_assert_true(counts != MAP_FAILED);
    fixture_run_until(&fixture->process, bomb_is_burning, counts);
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, SIGKILL), >=, 50);
    while (run_count(&run) > 0)
        (void)stragglers_signal(host, run.id, 0, SIGKILL);
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, 0), ==, 0);
    g_test_message("%u were born", counts->n_born);
    (void)munmap(counts, sizeof *counts);
}

#define STRAGGLERS_TEST(path, data, function)                                                      \
    g_test_add("/stragglers/" path, StragglersFixture, data, stragglers_test_init, function,       \
               stragglers_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    STRAGGLERS_TEST("signal", NULL, test_signal);
    STRAGGLERS_TEST("kill", NULL, test_kill);
    STRAGGLERS_TEST("out-of-reach", NULL, test_out_of_reach);
    STRAGGLERS_TEST("reused-number", NULL, test_reused_number);
    STRAGGLERS_TEST("spared", NULL, test_spared);
    STRAGGLERS_TEST("bomb", NULL, test_bomb);
    return g_test_run();
}
