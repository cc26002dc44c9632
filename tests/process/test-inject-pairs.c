/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two failures at once in the start of a service with a cgroup, the second in cleaning up after the
 * first: the error is that of the first, nothing runs, and the service can be started then. */

#include "inject-run.h"

#include <errno.h>
#include <string.h>

typedef struct PairFault {
    InjectCall call;
    unsigned nth;
    int errno_value;
    bool persists;
} PairFault;

typedef struct PairRow {
    PairFault faults[2];
    const char *error;
} PairRow;

static const PairRow pairs[] = {
        {{{INJECT_MKDIRAT, 1, EEXIST}, {INJECT_UNLINKAT, 1, EACCES}}, "cannot make the cgroup /"},
        {{{INJECT_CLONE_VM, 1, ENOMEM}, {INJECT_UNLINKAT, 1, EBUSY, true}},
         "cannot create a process in cgroup '/"},
        {{{INJECT_CLONE_VM, 1, EINVAL}, {INJECT_OPENAT, 4, EMFILE}},
         "cannot create a process in cgroup '/"},
        {{{INJECT_CLONE_VM, 1, EINVAL}, {INJECT_CHILD_ENTER, 1, EBUSY}},
         "cannot enter its cgroup: Device or resource busy"},
        {{{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_UNLINKAT, 1, EBUSY, true}},
         "cannot execute '/"},
        {{{INJECT_CHILD_EXECVE, 1, EACCES}, {INJECT_WAIT_CHILD, 1, ECHILD}}, "cannot execute '/"},
        {{{INJECT_BIND, 1, EACCES}, {INJECT_UNLINKAT, 1, EBUSY, true}},
         "cannot open the notify socket "},
        {{{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_WRITE, 1, EACCES, true}},
         "cannot watch process "},
        {{{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_WRITE, 1, ENOENT, true}},
         "cannot watch process "},
        {{{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_KILL, 1, EPERM, true}}, "cannot watch process "},
        {{{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_PIDFD_SIGNAL, 1, EPERM, true}},
         "cannot watch process "},
        {{{INJECT_WATCH_MAIN, 1, ENOMEM}, {INJECT_UNLINKAT, 1, EBUSY}}, "cannot watch process "},
};

static void pairs_init(InjectFixture *fixture, const void *unused)
{
    fixture_init(&fixture->process);
    inject_install(&fixture->process);
    inject_fixture_open_cgroups(fixture);
}

static void pairs_done(InjectFixture *fixture, const void *unused)
{
    inject_reset();
    inject_fixture_close_cgroups(fixture);
    fixture_done(&fixture->process);
}

static void arm(const PairRow *row)
{
    inject_reset();
    for (unsigned i = 0; i < G_N_ELEMENTS(row->faults); i++)
        inject_arm(row->faults[i].call, row->faults[i].nth, row->faults[i].errno_value,
                   row->faults[i].persists);
}

static bool is_bare(void *data)
{
    return inject_fixture_count(data) == 0;
}

static void test_start(InjectFixture *fixture, const void *unused)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    ProcessFixture *process = &fixture->process;

    for (unsigned i = 0; i < G_N_ELEMENTS(pairs) && fixture->cgroups.base != NULL; i++) {
        g_test_message("%u: %s, %s", i, inject_call_name(pairs[i].faults[0].call),
                       inject_call_name(pairs[i].faults[1].call));
        arm(&pairs[i]);
        Service *service = fixture_start(process, process->process,
                                         "{" STAYER(", 'clean'") ", 'readiness': 'notify'" COMMON);
        fixture_wait_settled(process, service);
        assert_failure(service, FAILURE_EXEC, pairs[i].error);
        g_assert_cmpuint(inject_count(pairs[i].faults[0].call), >=, 1);
        g_assert_cmpuint(inject_count(pairs[i].faults[1].call), >=, pairs[i].faults[1].nth);
        g_assert_cmpuint(process_host_n_running(process->host), ==, 0);
        inject_reset();
        inject_fixture_wait_childless(fixture);
        (void)service_start(service, &origin, NULL);
        fixture_wait_state(process, service, STATE_ACTIVE);
        fixture_drop(process, service);
        fixture_run_until(process, is_bare, fixture);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/inject-pairs/start", InjectFixture, NULL, pairs_init, test_start, pairs_done);
    return g_test_run();
}
