/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that uses what it is told to, and what is said of it. */

#include "cgroup-fixture.h"
#include "process/host-internal.h"
#include "process/usage.h"
#include "stragglers-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
/* Programs, libraries, stacks: more than enough for three small processes. */
#define OTHER_MEMORY (24 * MIB)

/* As often as a test forgets; a machine that has just been booted has a clock that is not much
 * above 0. */
#define AHEAD_USEC (2 * USEC_PER_SEC)

static unsigned n_surveys; /* lists of all processes */

static ssize_t counting_getdents64(int fd, void *buffer, size_t size)
{
    ssize_t n = sys_linux.getdents64(fd, buffer, size);

    n_surveys += n == 0;
    return n;
}

static void usage_test_init(StragglersFixture *fixture, const void *unused)
{
    stragglers_fixture_init(fixture, NULL);
    fixture->process.sys.getdents64 = counting_getdents64;
    n_surveys = 0;
}

static Usage run_usage(const Run *run, const Cgroup *cgroup)
{
    Usage usage;

    usage_read(run->fixture->process.host, cgroup, run->id, &usage);
    return usage;
}

/* What was seen is told no longer. */
static void run_forget(const Run *run)
{
    run->fixture->process.clock.ahead_usec -= USEC_PER_SEC;
}

static bool run_is_idle(void *data)
{
    const Run *run = data;

    return stragglers_signal(run->fixture->process.host, run->id, 0, 0) == 0;
}

/* Of all that takes longer on a machine that is busy nothing is expected but that it ends. */
static void assert_consumed(const Usage *usage, uint64_t n_children)
{
    g_assert_true(usage->has_cpu && usage->has_memory && usage->has_tasks);
    g_assert_cmpuint(usage->cpu_usec, >=, 180 * USEC_PER_MSEC);
    g_assert_cmpuint(usage->cpu_usec, <=, 2 * USEC_PER_SEC);
    g_assert_cmpuint(usage->memory_bytes, >=, 32 * MIB);
    g_assert_cmpuint(usage->memory_bytes, <=, 32 * MIB + OTHER_MEMORY);
    g_assert_cmpuint(usage->n_tasks, ==, 4 + n_children);
    g_assert_cmpuint(usage->n_processes, ==, 1 + n_children);
}

static void test_survey(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run, other;

    fixture->process.clock.ahead_usec = AHEAD_USEC;
    run_start(fixture, &other, "consumer 0 0 1 0 FILE");
    run_start(fixture, &run, "consumer 32 200 4 2 FILE");
    Usage usage = run_usage(&run, NULL), of_other = run_usage(&other, NULL);
    assert_consumed(&usage, 2);
    g_assert_false(usage.memory_is_exact || usage.has_memory_peak);
    g_assert_cmpuint(of_other.n_processes, ==, 1);
    g_assert_cmpuint(of_other.n_tasks, ==, 1);
    g_assert_cmpuint(of_other.memory_bytes, <, OTHER_MEMORY);

    g_assert_cmpint(kill(run.pid, SIGKILL), ==, 0);
    fixture_run_until(&fixture->process, run_is_idle, &run); /* its children end with it */
    run_forget(&run);
    usage = run_usage(&run, NULL);
    g_assert_cmpmem(&usage, sizeof usage, &(Usage){0}, sizeof(Usage));
    g_assert_cmpint(kill(other.pid, SIGKILL), ==, 0);
}

/* One for all runs, and for half a second; of who has begun since another is made, unless they
 * take too much of the daemon's time. */
static void test_survey_is_kept(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run, other;

    fixture->process.clock.ahead_usec = AHEAD_USEC;
    run_daemons(fixture, &run, "daemoniser wipe FILE");
    for (unsigned i = 0; i < 100; i++)
        g_assert_cmpuint(run_usage(&run, NULL).n_processes, ==, 1);
    g_assert_cmpuint(n_surveys, ==, 1);

    run_daemons(fixture, &other, "daemoniser many 3 FILE");
    run_forget(&other);
    for (unsigned i = 0; i < 100; i++) {
        g_assert_cmpuint(run_usage(&other, NULL).n_processes, ==, 3);
        g_assert_cmpuint(run_usage(&run, NULL).n_processes, ==, 1);
    }
    g_assert_cmpuint(n_surveys, ==, 2);
    run_end(&run);
    run_end(&other);
}

static StragglersFixture *current;

/* Each look at a process takes a millisecond. */
static int slow_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                          struct rlimit64 *ret_limit)
{
    current->process.clock.ahead_usec -= USEC_PER_MSEC;
    return sys_linux.prlimit64(pid, resource, limit, ret_limit);
}

/* A run that nobody knows is asked for all the time. */
static void test_survey_is_bounded(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run)
            run = {.fixture = fixture, .id = process_host_new_invocation_id(fixture->process.host)};

    current = fixture;
    fixture->process.clock.ahead_usec = AHEAD_USEC;
    fixture->process.sys.prlimit64 = slow_prlimit64;
    for (unsigned i = 0; i < 100; i++)
        g_assert_cmpuint(run_usage(&run, NULL).n_processes, ==, 0);
    g_assert_cmpuint(n_surveys, ==, 1);
    run_forget(&run);
    (void)run_usage(&run, NULL);
    g_assert_cmpuint(n_surveys, ==, 2);
}

/* Whose limit somebody has changed is known by the environment. */
static void test_survey_of_unmarked(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser unmark FILE");
    g_assert_cmpuint(run_usage(&run, NULL).n_processes, ==, 1);
    run_end(&run);
}

static ssize_t failing_getdents64(int fd, void *buffer, size_t size)
{
    errno = EIO;
    return -1;
}

static int failing_open(const char *path, int flags)
{
    errno = EMFILE;
    return -1;
}

static void test_unreadable(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    fixture->process.clock.ahead_usec = AHEAD_USEC;
    run_daemons(fixture, &run, "daemoniser FILE");
    fixture->process.sys.getdents64 = failing_getdents64;
    g_assert_false(run_usage(&run, NULL).has_cpu);
    run_forget(&run);
    fixture->process.sys.getdents64 = sys_linux.getdents64;
    fixture->process.sys.open = failing_open;
    g_assert_false(run_usage(&run, NULL).has_cpu);
    run_forget(&run);
    fixture->process.sys.open = sys_linux.open;
    g_assert_true(run_usage(&run, NULL).has_cpu);
    run_end(&run);
}

/* What the kernel counts, and of the rest what /proc says of its members; nobody else is looked
 * at. */
static void test_cgroup(StragglersFixture *fixture, const void *unused)
{
    CgroupFixture cgroups;
    g_auto(Run) run;

    cgroup_fixture_init(&cgroups, NULL);
    if (cgroups.base == NULL) {
        cgroup_fixture_done(&cgroups, NULL);
        return;
    }
    Cgroup *cgroup = cgroup_fixture_new(&cgroups, "web");
    Usage usage;
    usage_read(fixture->process.host, cgroup, "", &usage);
    g_assert_cmpuint(usage.n_processes, ==, 0);
    g_autofree char *join = g_build_filename(cgroups.base, "tree", "web.svc", "cgroup.procs", NULL);
    fixture->join = join;
    run_start(fixture, &run, "consumer 32 200 4 2 FILE");
    usage = run_usage(&run, cgroup);
    assert_consumed(&usage, 2);
    g_assert_true(usage.memory_is_exact == cgroup_tree_has(cgroups.tree, CGROUP_MEMORY));
    g_assert_cmpuint(n_surveys, ==, 0);

    g_assert_cmpint(kill(run.pid, SIGKILL), ==, 0);
    cgroup_fixture_wait_empty(&cgroups, cgroup);
    usage = run_usage(&run, cgroup);
    g_assert_cmpuint(usage.n_processes, ==, 0);
    g_assert_cmpuint(usage.cpu_usec, >=, 180 * USEC_PER_MSEC); /* of the dead too */
    cgroup_free(cgroup);
    cgroup_fixture_done(&cgroups, NULL);
}

#define USAGE_TEST(path, function)                                                                 \
    g_test_add("/usage/" path, StragglersFixture, NULL, usage_test_init, function,                 \
               stragglers_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    USAGE_TEST("survey", test_survey);
    USAGE_TEST("survey/kept", test_survey_is_kept);
    USAGE_TEST("survey/bounded", test_survey_is_bounded);
    USAGE_TEST("survey/unmarked", test_survey_of_unmarked);
    USAGE_TEST("survey/unreadable", test_unreadable);
    USAGE_TEST("cgroup", test_cgroup);
    return g_test_run();
}
