/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a definition says a program may use and may do is what /proc says of the program, of any
 * user, and of the programs that help it; what cannot be had here is said, and not tried again. */

#include "base/errors.h"
#include "process/capabilities.h"
#include "process/rlimits.h"
#include "spawn-fixture.h"
#include "trust-fixture.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

#define NEVER "'restart': {'policy': 'no'}"

/* What the printer says when it is run with these members. */
static char *limits_print(TrustFixture *fixture, const char *members)
{
    ProcessFixture *process = &fixture->process;
    g_autofree char *config =
            g_strdup_printf("{'exec': ['%s', '%s'], " NEVER ", %s}", spawn_printer(process),
                            spawn_printer_output(process), members);
    Service *service = fixture_start(process, process->oneshot, config);

    fixture_wait_settled(process, service);
    if (service_state(service)->error != NULL)
        g_error("%s: %s", members, service_state(service)->error->message);
    fixture_drop(process, service);
    return fixture_read(process, "out/print");
}

/* With a user or without: each of the tests below is run for both. */
static char *limits_print_as(TrustFixture *fixture, const char *user, const char *members)
{
    g_autofree char *all =
            g_strdup_printf("%s%s%s%s", user != NULL ? "'user': '" : "", user != NULL ? user : "",
                            user != NULL ? "', " : "", members);

    return limits_print(fixture, all);
}

/* Limits */

typedef struct LimitRow {
    const char *name;
    const char *soft, *hard; /* as the definition says them */
    uint64_t soft_value, hard_value;
} LimitRow;

/* With all of them together a program still runs. */
static const LimitRow limit_rows[] = {
        {"as", "'1GiB'", "'2GiB'", UINT64_C(1) << 30, UINT64_C(2) << 30},
        {"core", "'1KiB'", "4096", 1024, 4096},
        {"cpu", "50", "60", 50, 60},
        {"data", "'1GiB'", "'2GiB'", UINT64_C(1) << 30, UINT64_C(2) << 30},
        {"fsize", "'1MiB'", "'infinity'", UINT64_C(1) << 20, LIMIT_INFINITY},
        {"memlock", "'64KiB'", "'128KiB'", 65536, 131072},
        {"msgqueue", "1000", "2000", 1000, 2000},
        {"nice", "5", "6", 5, 6},
        {"nofile", "50", "60", 50, 60},
        {"nproc", "5000", "6000", 5000, 6000},
        {"rss", "'1GiB'", "'infinity'", UINT64_C(1) << 30, LIMIT_INFINITY},
        {"rtprio", "0", "1", 0, 1},
        {"rttime", "100000", "200000", 100000, 200000},
        {"sigpending", "100", "200", 100, 200},
        {"stack", "'1MiB'", "'2MiB'", UINT64_C(1) << 20, UINT64_C(2) << 20},
};
G_STATIC_ASSERT(G_N_ELEMENTS(limit_rows) == LIMIT_N_NAMES);

static int limit_find_resource(const char *name)
{
    const LimitName *row = limit_names;

    while (!g_str_equal(row->name, name))
        row++;
    return row->resource;
}

static void limits_assert(const char *text, const LimitRow *row)
{
    g_autofree char *word = g_strdup_printf("limit-%d", limit_find_resource(row->name));
    g_autofree char *expected = g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                                                row->soft_value, row->hard_value);

    g_test_message("%s", row->name);
    assert_line(text, word, expected);
}

/* The row, but no higher than this host lets even root go. */
static LimitRow limits_fit(const LimitRow *row)
{
    struct rlimit own;

    g_assert_cmpint(getrlimit((__rlimit_resource_t)limit_find_resource(row->name), &own), ==, 0);
    if (own.rlim_max == RLIM_INFINITY || row->hard_value <= own.rlim_max)
        return *row;
    g_autofree char *number = g_strdup_printf("%lu", (unsigned long)own.rlim_max);
    const char *most = g_intern_string(number);
    return (LimitRow){row->name, most, most, own.rlim_max, own.rlim_max};
}

/* Each for itself, so that none is there only because of another; then all. */
static void test_limits(TrustFixture *fixture, const void *user)
{
    g_autoptr(GString) all = g_string_new("'limits': {");

    if (spawn_skips_unless_root())
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(limit_rows); i++) {
        LimitRow row = limits_fit(&limit_rows[i]);
        g_autofree char *member =
                g_strdup_printf("'%s': {'soft': %s, 'hard': %s}", row.name, row.soft, row.hard);
        g_autofree char *members = g_strdup_printf("'limits': {%s}", member);
        g_autofree char *text = limits_print_as(fixture, user, members);

        limits_assert(text, &row);
        g_string_append_printf(all, "%s%s", i > 0 ? ", " : "", member);
    }
    g_string_append_c(all, '}');
    g_autofree char *text = limits_print_as(fixture, user, all->str);
    for (size_t i = 0; i < G_N_ELEMENTS(limit_rows); i++) {
        LimitRow row = limits_fit(&limit_rows[i]);
        limits_assert(text, &row);
    }
}

/* Privileges and priorities */

typedef struct PrivilegeRow {
    const char *name;
    const char *members;
    const char *expected[5]; /* lines, "word text" */
    unsigned needs;          /* a capability, without which not even root may; 0: none */
} PrivilegeRow;

#define CAPS(prm, eff, bnd)                                                                        \
    "status CapInh:\t0000000000000000", "status CapPrm:\t" prm, "status CapEff:\t" eff,            \
            "status CapBnd:\t" bnd, "status CapAmb:\t0000000000000000"
#define NO_CAPS "0000000000000000"
#define ONE_CAP "0000000000000400" /* CAP_NET_BIND_SERVICE is 10 */

static const PrivilegeRow privilege_rows[] = {
        {"nice", "'nice': 7", {"nice 7"}},
        {"nice/better", "'nice': -5", {"nice -5"}, CAP_SYS_NICE},
        {"nice/nobody", "'nice': -5, 'user': 'nobody'", {"nice -5"}, CAP_SYS_NICE},
        {"oom", "'oom_score_adjust': 500", {"oom-score-adj 500"}},
        {"oom/spared", "'oom_score_adjust': -500", {"oom-score-adj -500"}, CAP_SYS_RESOURCE},
        {"oom/nobody", "'oom_score_adjust': 600, 'user': 'nobody'", {"oom-score-adj 600"}},
        {"oom/nobody-spared",
         "'oom_score_adjust': -500, 'user': 'nobody'",
         {"oom-score-adj -500"},
         CAP_SYS_RESOURCE},
        {"no-new/root", "'umask': '022'", {"status NoNewPrivs:\t0"}},
        {"no-new/asked", "'no_new_privileges': true", {"status NoNewPrivs:\t1"}},
        {"no-new/nobody", "'user': 'nobody'", {"status NoNewPrivs:\t1"}},
        {"no-new/nobody-refused",
         "'user': 'nobody', 'no_new_privileges': false",
         {"status NoNewPrivs:\t0"}},
        {"capabilities/one",
         "'capabilities': ['net_bind_service']",
         {CAPS(ONE_CAP, ONE_CAP, ONE_CAP)}},
        {"capabilities/none", "'capabilities': []", {CAPS(NO_CAPS, NO_CAPS, NO_CAPS)}},
        {"capabilities/nobody",
         "'capabilities': ['CAP_NET_BIND_SERVICE'], 'user': 'nobody'",
         {CAPS(NO_CAPS, NO_CAPS, ONE_CAP)}},
        {"capabilities/nobody-none",
         "'capabilities': [], 'user': 'nobody'",
         {CAPS(NO_CAPS, NO_CAPS, NO_CAPS)}},
        {"all",
         "'user': 'nobody', 'nice': 3, 'oom_score_adjust': 700, 'capabilities': [], "
         "'limits': {'core': 0, 'nofile': 64}",
         {"nice 3", "oom-score-adj 700", "status CapBnd:\t" NO_CAPS, "limit-4 0 0",
          "limit-7 64 64"}},
};
G_STATIC_ASSERT(RLIMIT_CORE == 4 && RLIMIT_NOFILE == 7);

static void privilege_assert(const char *text, const PrivilegeRow *row)
{
    for (size_t i = 0; i < G_N_ELEMENTS(row->expected) && row->expected[i] != NULL; i++) {
        g_autofree char *line = g_strdup_printf("\n%s\n", row->expected[i]);

        assert_contains(text, line);
    }
}

static void test_privileges(TrustFixture *fixture, const void *data)
{
    const PrivilegeRow *row = data;
    uint64_t effective, bounding;

    if (spawn_skips_unless_root())
        return;
    g_assert_true(capabilities_read_own(&effective, &bounding));
    if (row->needs != 0 && (effective >> row->needs & 1) == 0) {
        g_test_skip("root may not do that here");
        return;
    }
    g_autofree char *text = limits_print(fixture, row->members);
    privilege_assert(text, row);
}

/* stop_exec and reload_exec are the same user's, with the same limits. */
static void test_helpers(TrustFixture *fixture, const void *unused)
{
    static const PrivilegeRow given = {.expected = {"nice 4", "status CapBnd:\t" NO_CAPS,
                                                    "limit-4 0 0", "status NoNewPrivs:\t1",
                                                    "user 65534 65534"}};
    ProcessFixture *process = &fixture->process;
    g_autoptr(GError) error = NULL;

    if (spawn_skips_unless_root())
        return;
    g_autofree char *config = g_strdup_printf(
            "{'exec': ['/bin/sleep', '60'], 'user': 'nobody', 'nice': 4, 'capabilities': [], "
            "'limits': {'core': 0}, " NEVER ", 'reload_exec': ['%s', '%s'], "
            "'stop_exec': ['%s', '%s']}",
            spawn_printer(process), spawn_printer_output(process), spawn_printer(process),
            spawn_printer_output(process));
    Service *service = trust_start(fixture, config);

    fixture_wait_state(process, service, STATE_ACTIVE);
    (void)service_reload(service, &origin_test, &error);
    g_assert_no_error(error);
    fixture_wait_settled(process, service);
    g_autofree char *of_reload = fixture_read(process, "out/print");
    g_assert_nonnull(of_reload);
    privilege_assert(of_reload, &given);
    g_assert_cmpint(unlink(fixture_path(process, "out/print")), ==, 0);

    fixture_request_stop(service);
    fixture_wait_settled(process, service);
    assert_state(service, STATE_INACTIVE);
    g_autofree char *of_stop = fixture_read(process, "out/print");
    g_assert_nonnull(of_stop);
    privilege_assert(of_stop, &given);
    fixture_drop(process, service);
}

/* What cannot be had */

typedef struct CgroupRow {
    const char *name;
    const char *members;
    const char *feature;
    const char *member; /* as the error names it */
} CgroupRow;

static const CgroupRow cgroup_rows[] = {
        {"memory", "'cgroup': {'memory_max': '1GiB'}", "cgroup.memory", "cgroup.memory_max: "},
        {"pids", "'cgroup': {'pids_max': 100}", "cgroup.pids", "cgroup.pids_max: "},
        {"cpu", "'cgroup': {'cpu_weight': 50}", "cgroup.cpu", "cgroup.cpu_weight: "},
        {"io", "'cgroup': {'io_weight': 50}", "cgroup.io", "cgroup.io_weight: "},
};

static bool limits_has_feature(const TrustFixture *fixture, const char *feature)
{
    g_auto(GStrv) features = process_host_features(fixture->process.host);

    return g_strv_contains((const char *const *)features, feature);
}

static void limits_assert_refused(const TrustFixture *fixture, Service *service,
                                  const CgroupRow *row)
{
    assert_state(service, STATE_FAILED);
    assert_failure(service, FAILURE_CONFIG, row->member);
    if (!fixture->has_cgroups)
        assert_contains(service_state(service)->error->message, "there are no cgroups here");
    g_assert_error(service_state(service)->error, SVCMGR_ERROR, ERROR_NOT_SUPPORTED);
    g_assert_true(service_is_settled(service));
    g_assert_false(service_is_wanted(service));
    g_assert_cmpuint(process_host_n_running(fixture->process.host), ==, 0);
}

/* Whatever the policy is, there is no second attempt. */
static void test_refused(TrustFixture *fixture, const void *data)
{
    const CgroupRow *row = data;
    g_autofree char *config =
            g_strdup_printf("{'exec': ['@PROGRAMS/program-stayer'], "
                            "'restart': {'policy': 'always', 'initial_delay': 0}, %s}",
                            row->members);

    if (limits_has_feature(fixture, row->feature)) {
        g_test_skip("this host has what is to be missed");
        return;
    }
    Service *service = trust_start(fixture, config);
    fixture_wait_settled(&fixture->process, service);
    limits_assert_refused(fixture, service, row);
    g_assert_cmpuint(fixture_property(service, "NRestarts").u, ==, 0);
    fixture_drop(&fixture->process, service);
}

static void limits_add(const char *prefix, const char *name, TrustFunc func, const void *row)
{
    g_autofree char *path = g_strconcat(prefix, name, NULL);

    trust_add(path, func, row);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/limits/root", test_limits, NULL);
    trust_add("/trust/limits/nobody", test_limits, "nobody");
    for (size_t i = 0; i < G_N_ELEMENTS(privilege_rows); i++)
        limits_add("/trust/privileges/", privilege_rows[i].name, test_privileges,
                   &privilege_rows[i]);
    trust_add("/trust/privileges/helpers", test_helpers, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cgroup_rows); i++)
        limits_add("/trust/refused/", cgroup_rows[i].name, test_refused, &cgroup_rows[i]);
    return g_test_run();
}
