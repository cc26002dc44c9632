/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the words of a definition to what the program has: each member that says what a program may
 * use and may do, by way of the kind; and what the service tells when it cannot be had. */

#include "base/errors.h"
#include "spawn-fixture.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ONCE "'restart': {'policy': 'no'}"

static void resources_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void resources_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

/* What the printer says when it is run with these members. */
static char *print_as(ProcessFixture *fixture, const char *members)
{
    g_autofree char *config =
            g_strdup_printf("{'exec': ['%s', '%s'], " ONCE "%s%s}", spawn_printer(fixture),
                            spawn_printer_output(fixture), *members != '\0' ? ", " : "", members);
    Service *service = fixture_start(fixture, fixture->oneshot, config);

    fixture_wait_state(fixture, service, STATE_INACTIVE);
    fixture_drop(fixture, service);
    return fixture_read(fixture, "out/print");
}

typedef struct MemberRow {
    const char *members;
    const char *word;
    const char *expected; /* a part of the lines with this word */
    bool needs_root;
} MemberRow;

static const MemberRow member_rows[] = {
        {"'nice': 11", "nice", "11", false},
        {"'oom_score_adjust': 900", "oom-score-adj", "900", false},
        {"'limits': {'core': '1KiB'}", "limit-4", "1024 1024", false},
        {"'limits': {'nofile': {'soft': 50, 'hard': 60}}", "limit-7", "50 60", false},
        {"'no_new_privileges': true", "status", "NoNewPrivs:\t1", false},
        {"'user': 'nobody'", "status", "NoNewPrivs:\t1", true},
        {"'user': 'nobody', 'no_new_privileges': false", "status", "NoNewPrivs:\t0", true},
        {"'capabilities': ['net_admin', 'CAP_CHOWN']", "status", "CapBnd:\t0000000000001001", true},
        {"'capabilities': []", "status", "CapBnd:\t0000000000000000", true},
};
G_STATIC_ASSERT(RLIMIT_CORE == 4 && RLIMIT_NOFILE == 7);

static void test_members(ProcessFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(member_rows); i++) {
        const MemberRow *row = &member_rows[i];

        if (row->needs_root && geteuid() != 0)
            continue;
        g_autofree char *text = print_as(fixture, row->members);
        g_autofree char *lines = lines_of(text, row->word);

        g_test_message("%s", row->members);
        assert_contains(lines, row->expected);
    }
}

/* Without a word of it, a program has what the daemon has. */
static void test_none(ProcessFixture *fixture, const void *unused)
{
    g_autofree char *nice = g_strdup_printf("%d", getpriority(PRIO_PROCESS, 0));
    g_autofree char *oom = NULL;
    g_autofree char *text = print_as(fixture, "");

    g_assert_true(g_file_get_contents("/proc/self/oom_score_adj", &oom, NULL, NULL));
    assert_line(text, "nice", nice);
    assert_line(text, "oom-score-adj", g_strchomp(oom));
}

/* More descriptors than any kernel lets a process have. */
static void test_refused(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->oneshot,
                                     "{'exec': ['/bin/true'], " ONCE
                                     ", 'limits': {'nofile': {'soft': 5, 'hard': 4000000000}}}");

    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_FAILED);
    assert_failure(service, FAILURE_EXEC,
                   "cannot set limits.nofile to 5, at most 4000000000: Operation not permitted");
    fixture_drop(fixture, service);
}

/* The error comes through the pipe. */
static void test_of_another_user(ProcessFixture *fixture, const void *unused)
{
    if (spawn_skips_unless_root())
        return;
    Service *service = fixture_start(fixture, fixture->oneshot,
                                     "{'exec': ['/no/such'], " ONCE ", 'user': 'nobody',"
                                     " 'limits': {'core': 0}, 'capabilities': []}");

    fixture_wait_settled(fixture, service);
    assert_failure(service, FAILURE_EXEC, "cannot execute '/no/such': No such file or directory");
    fixture_drop(fixture, service);
}

#define RESOURCES_TEST(path, function)                                                             \
    g_test_add(path, ProcessFixture, NULL, resources_init, function, resources_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    RESOURCES_TEST("/kinds-resources/members", test_members);
    RESOURCES_TEST("/kinds-resources/none", test_none);
    RESOURCES_TEST("/kinds-resources/refused", test_refused);
    RESOURCES_TEST("/kinds-resources/of-another-user", test_of_another_user);
    return g_test_run();
}
