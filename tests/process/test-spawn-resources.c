/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a definition asks of the kernel is in force in the program, and in nobody else: asked of the
 * program itself, whichever way it came to be. */

#include "process/capabilities.h"
#include "process/host-internal.h"
#include "process/proc.h"
#include "process/rlimits.h"
#include "spawn-fixture.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool has_capability(unsigned number)
{
    uint64_t effective, bounding;

    g_assert_true(capabilities_read_own(&effective, &bounding));
    return (effective >> number & 1) != 0;
}

static void test_nice(ProcessFixture *fixture, const void *mode)
{
    int before = getpriority(PRIO_PROCESS, 0);
    SpawnSpec spec = {SPAWN_KEEP_ALL};
    g_autofree char *unchanged = spawn_print(fixture, &spec);
    g_autofree char *expected = g_strdup_printf("%d", before);

    assert_line(unchanged, "nice", expected);
    spec.nice = 7;
    g_autofree char *higher = spawn_print(fixture, &spec);
    assert_line(higher, "nice", "7");
    g_assert_cmpint(getpriority(PRIO_PROCESS, 0), ==, before);
    if (!has_capability(CAP_SYS_NICE))
        return;
    spec.nice = -20;
    g_autofree char *lowest = spawn_print(fixture, &spec);
    assert_line(lowest, "nice", "-20");
}

static char *own_oom_score(void)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/self/oom_score_adj", &text, NULL, NULL));
    return g_strchomp(text);
}

static void test_oom_score(ProcessFixture *fixture, const void *mode)
{
    g_autofree char *before = own_oom_score();
    SpawnSpec spec = {SPAWN_KEEP_ALL};
    g_autofree char *unchanged = spawn_print(fixture, &spec);

    assert_line(unchanged, "oom-score-adj", before);
    spec.oom_score_adjust = 1000;
    g_autofree char *highest = spawn_print(fixture, &spec);
    assert_line(highest, "oom-score-adj", "1000");
    g_autofree char *after = own_oom_score();
    g_assert_cmpstr(after, ==, before);
    if (!has_capability(CAP_SYS_RESOURCE))
        return;
    spec.oom_score_adjust = -1000;
    g_autofree char *lowest = spawn_print(fixture, &spec);
    assert_line(lowest, "oom-score-adj", "-1000");
}

/* Below what every machine allows, and such that the printer can live with it. */
static const SpawnLimit small_limits[] = {
        {RLIMIT_AS, 1 << 30, UINT64_C(1) << 31},
        {RLIMIT_CORE, 0, 0},
        {RLIMIT_CPU, 50, 60},
        {RLIMIT_DATA, 1 << 29, 1 << 30},
        {RLIMIT_FSIZE, 1 << 20, 1 << 21},
        {RLIMIT_MEMLOCK, 4096, 8192},
        {RLIMIT_MSGQUEUE, 1000, 2000},
        {RLIMIT_NICE, 0, 0},
        {RLIMIT_NOFILE, 20, 30},
        {RLIMIT_NPROC, 100, 200},
        {RLIMIT_RSS, 1 << 28, 1 << 29},
        {RLIMIT_RTPRIO, 0, 0},
        {RLIMIT_RTTIME, 1000, 2000},
        {RLIMIT_SIGPENDING, 10, 20},
        {RLIMIT_STACK, 1 << 20, 1 << 22},
};
G_STATIC_ASSERT(G_N_ELEMENTS(small_limits) == LIMIT_N_NAMES);

static void assert_printed_limit(const char *text, const SpawnLimit *limit)
{
    g_autofree char *word = g_strdup_printf("limit-%d", limit->resource);
    g_autofree char *expected = g_strdup_printf("%" PRIu64 " %" PRIu64, limit->soft, limit->hard);

    assert_line(text, word, expected);
}

static void assert_own_limits(const struct rlimit64 *expected)
{
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
        struct rlimit64 limit;

        g_assert_cmpint(getrlimit64((__rlimit_resource_t)resource, &limit), ==, 0);
        g_assert_cmpuint(limit.rlim_cur, ==, expected[resource].rlim_cur);
        g_assert_cmpuint(limit.rlim_max, ==, expected[resource].rlim_max);
    }
}

static void test_limits(ProcessFixture *fixture, const void *mode)
{
    struct rlimit64 before[RLIM_NLIMITS];
    SpawnSpec spec = {SPAWN_KEEP_ALL};

    for (int resource = 0; resource < RLIM_NLIMITS; resource++)
        g_assert_cmpint(getrlimit64((__rlimit_resource_t)resource, &before[resource]), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(small_limits); i++)
        limits_set(&spec.limits, &small_limits[i]);
    g_autofree char *text = spawn_print(fixture, &spec);
    for (size_t i = 0; i < G_N_ELEMENTS(small_limits); i++)
        assert_printed_limit(text, &small_limits[i]);
    assert_own_limits(before);
    g_array_unref(spec.limits);
}

/* One of them leaves the others as they are. */
static void test_limit_alone(ProcessFixture *fixture, const void *mode)
{
    SpawnLimit alone = {RLIMIT_SIGPENDING, 5, 6};
    SpawnSpec spec = {SPAWN_KEEP_ALL};

    limits_set(&spec.limits, &alone);
    g_autofree char *text = spawn_print(fixture, &spec);
    assert_printed_limit(text, &alone);
    for (const LimitName *row = limit_names; row->name != NULL; row++) {
        struct rlimit64 own;

        g_assert_cmpint(getrlimit64((__rlimit_resource_t)row->resource, &own), ==, 0);
        if (row->resource != RLIMIT_SIGPENDING)
            assert_printed_limit(text, &(SpawnLimit){row->resource, own.rlim_cur, own.rlim_max});
    }
    g_array_unref(spec.limits);
}

/* As another user, who could not have set them himself. */
static void test_of_another_user(ProcessFixture *fixture, const void *mode)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .user = (char *)"nobody"};
    SpawnLimit limit = {RLIMIT_MSGQUEUE, 100, 200};

    if (spawn_skips_unless_root())
        return;
    if (!has_capability(CAP_SYS_NICE)) {
        g_test_skip("not even root may set a negative nice here");
        return;
    }
    spec.nice = -5;
    limits_set(&spec.limits, &limit);
    g_autofree char *text = spawn_print(fixture, &spec);
    assert_line(text, "nice", "-5");
    assert_printed_limit(text, &limit);
    g_array_unref(spec.limits);
}

/* The soft limit is run and session, the hard one the lineage. */
static void test_mark(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)"/bin/sleep", (char *)"60", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    uint64_t run = process_host_run_number("0123456789abcdef0123456789abcdef");
    struct rlimit64 limit;
    g_autoptr(GError) error = NULL;
    Spawned spawned;
    siginfo_t info;

    process_host_set_invocation_prefix(fixture->host, "0123456789abcdef");
    g_assert_cmphex(run, ==, 0x6789abcdef);
    g_assert_true(spawn(fixture, &spec, &spawned, &error));
    g_assert_true(proc_read_locks_limit(&sys_linux, spawned.pid, &limit));
    g_assert_cmphex(limit.rlim_cur, ==, run << HOST_SESSION_BITS | (uint64_t)spawned.pid);
    g_assert_cmphex(limit.rlim_max, ==, process_host_mark("0123456789abcdef"));
    g_assert_cmpint(kill(spawned.pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PIDFD, (id_t)spawned.pidfd, &info, WEXITED), ==, 0);
    g_assert_cmpint(close(spawned.pidfd), ==, 0);
}

static const SpawnTest tests[] = {
        {"nice", test_nice},
        {"oom-score", test_oom_score},
        {"limits", test_limits},
        {"limit-alone", test_limit_alone},
        {"of-another-user", test_of_another_user},
        {"mark", test_mark},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    spawn_tests_add("spawn-resources", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
