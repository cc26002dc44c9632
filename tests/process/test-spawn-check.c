/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon may not set is a doubt before it is a failed start: the test gives up what it may,
 * asks, and takes it back. */

#include "process/rlimits.h"
#include "spawn-fixture.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_doubt(const char *member, const char *message, void *data)
{
    g_string_append_printf(data, "%s: %s\n", member, message);
}

static char *doubts_of(const SpawnSpec *spec)
{
    GString *doubts = g_string_new(NULL);

    spawn_check(spec, on_doubt, doubts);
    return g_string_free(doubts, FALSE);
}

typedef struct Sets {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
} Sets;

static void sets_read(Sets *sets)
{
    *sets = (Sets){.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
    g_assert_cmpint(syscall(SYS_capget, &sets->header, sets->data), ==, 0);
}

static void sets_write(Sets *sets)
{
    g_assert_cmpint(syscall(SYS_capset, &sets->header, sets->data), ==, 0);
}

static void give_up_effective(Sets *ret_original)
{
    sets_read(ret_original);

    Sets none = *ret_original;
    none.data[0].effective = 0;
    none.data[1].effective = 0;
    sets_write(&none);
}

static const char *const argv_true[] = {"/bin/true", NULL};

static SpawnSpec demanding(void)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = (char **)argv_true};

    spec.nice = -20;
    spec.oom_score_adjust = -1000;
    spec.sets_capabilities = true;
    return spec;
}

static void test_unprivileged(void)
{
    SpawnSpec spec = demanding();
    struct rlimit64 limit;
    Sets original;

    g_assert_cmpint(getrlimit64(RLIMIT_NICE, &limit), ==, 0);
    if (limit.rlim_cur >= 40) {
        g_test_skip("everybody may set any nice here");
        return;
    }
    limits_set(&spec.limits, &(SpawnLimit){RLIMIT_CORE, 0, 0});
    limits_set(&spec.limits, &(SpawnLimit){RLIMIT_NOFILE, 5, LIMIT_INFINITY});
    g_assert_cmpint(getrlimit64(RLIMIT_NOFILE, &limit), ==, 0);
    give_up_effective(&original);
    g_autofree char *doubts = doubts_of(&spec);
    sets_write(&original);

    g_autofree char *expected = g_strdup_printf(
            "nice: the daemon may not set nice to -20\n"
            "oom_score_adjust: the daemon may not set oom_score_adj to -1000\n"
            "limits/nofile: the daemon may not set more than its own limit of %llu\n"
            "capabilities: the daemon may not drop capabilities: it has no CAP_SETPCAP\n",
            (unsigned long long)limit.rlim_max);
    g_assert_cmpstr(doubts, ==, expected);
    g_array_unref(spec.limits);
}

/* What anybody may do is no doubt. */
static void test_modest(void)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = (char **)argv_true};
    struct rlimit64 limit;
    Sets original;

    g_assert_cmpint(getrlimit64(RLIMIT_NOFILE, &limit), ==, 0);
    spec.nice = 19;
    spec.oom_score_adjust = 1000;
    limits_set(&spec.limits, &(SpawnLimit){RLIMIT_NOFILE, 1, limit.rlim_max});
    give_up_effective(&original);
    g_autofree char *doubts = doubts_of(&spec);
    sets_write(&original);
    g_assert_cmpstr(doubts, ==, "");
    g_array_unref(spec.limits);
}

static void test_privileged(void)
{
    SpawnSpec spec = demanding();
    Sets sets;

    sets_read(&sets);
    if ((~sets.data[0].effective &
         (1U << CAP_SYS_NICE | 1U << CAP_SETPCAP | 1U << CAP_SYS_RESOURCE)) == 0)
        spec.oom_score_adjust = -1000;
    else if ((~sets.data[0].effective & (1U << CAP_SYS_NICE | 1U << CAP_SETPCAP)) == 0)
        spec.oom_score_adjust = SPAWN_OOM_SCORE_KEEP;
    else {
        g_test_skip("the test itself has not the privileges");
        return;
    }
    g_autofree char *doubts = doubts_of(&spec);
    g_assert_cmpstr(doubts, ==, "");
}

/* Last: there is no way back. */
static void test_not_to_be_had(void)
{
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = (char **)argv_true, .sets_capabilities = true};

    if (prctl(PR_CAPBSET_DROP, CAP_WAKE_ALARM, 0, 0, 0) < 0) {
        g_test_skip("the test itself has not the privileges");
        return;
    }
    spec.capabilities = UINT64_C(1) << CAP_WAKE_ALARM | 1 << CAP_CHOWN;
    g_autofree char *doubts = doubts_of(&spec);
    g_assert_cmpstr(doubts, ==,
                    "capabilities: the daemon itself does not have CAP_WAKE_ALARM to pass on\n");
}

static void test_command(void)
{
    char *environment[] = {(char *)"PATH=/no/such", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = (char **)argv_true, .environment = environment};
    char *found[] = {(char *)"/bin/true", NULL}, *missing[] = {(char *)"true", NULL};
    char *unusable[] = {(char *)"/etc/passwd", NULL};
    g_autoptr(GString) doubts = g_string_new(NULL);

    spawn_check_command(&spec, "stop_exec", found, on_doubt, doubts);
    g_assert_cmpstr(doubts->str, ==, "");
    spawn_check_command(&spec, "stop_exec", missing, on_doubt, doubts);
    spawn_check_command(&spec, "reload_exec", unusable, on_doubt, doubts);
    g_assert_cmpstr(doubts->str, ==,
                    "stop_exec: program 'true' not found in PATH (/no/such)\n"
                    "reload_exec: '/etc/passwd': Permission denied\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spawn-check/unprivileged", test_unprivileged);
    g_test_add_func("/spawn-check/modest", test_modest);
    g_test_add_func("/spawn-check/privileged", test_privileged);
    g_test_add_func("/spawn-check/command", test_command);
    g_test_add_func("/spawn-check/not-to-be-had", test_not_to_be_had);
    return g_test_run();
}
