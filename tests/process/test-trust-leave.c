/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A main process goes elsewhere than into the cgroup that it was started in, as one does that PAM
 * or a container's runtime moves. It is asked to end all the same, and what it has started there is
 * ended with it. Where there are no cgroups nothing of that shows. */

#include "trust-fixture.h"

#include <signal.h>
#include <string.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

typedef struct LeaveRow {
    const char *name;
    const char *words; /* of the stayer */
    const char *timeout;
    bool child_stays;    /* in the cgroup; else it goes as well */
    bool ends_by_itself; /* else it is stopped */
    State state;         /* then */
} LeaveRow;

/* What has 20 s is done long before, by the stop signal. */
static const LeaveRow leave_rows[] = {
        {"others-stay", "'child', '@DIR/pid'", "20s", true, false, STATE_INACTIVE},
        {"together", "'child', '@DIR/pid'", "20s", false, false, STATE_INACTIVE},
        {"by-itself", "'child', '@DIR/pid'", "20s", false, true, STATE_FAILED},
        {"by-itself/others-stay", "'child', '@DIR/pid'", "20s", true, true, STATE_FAILED},
        {"stubborn", "'stubborn', 'stubborn-child', '@DIR/pid'", "100ms", true, false,
         STATE_FAILED},
        {"stubborn/together", "'stubborn-child', '@DIR/pid'", "100ms", false, false, STATE_FAILED},
};

static unsigned leave_count_log(const TrustFixture *fixture)
{
    const char *at = fixture->process.log->str;
    unsigned n = 0;

    for (; (at = strstr(at, " has left its cgroup ")) != NULL; at++)
        n++;
    return n;
}

static Service *leave_start(TrustFixture *fixture, const LeaveRow *row)
{
    g_autofree char *config = g_strdup_printf(
            "{'restart': {'policy': 'no'}, 'readiness': 'notify', 'stop_timeout': '%s', "
            "'exec': ['@PROGRAMS/program-stayer', %s]}",
            row->timeout, row->words);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    if (!fixture->has_cgroups)
        return service;
    cgroup_fixture_move(fixture->cgroups.base, fixture_main_pid(service));
    if (!row->child_stays)
        cgroup_fixture_move(fixture->cgroups.base, fixture_read_pid(&fixture->process, "pid"));
    return service;
}

static void test_leave(TrustFixture *fixture, const void *data)
{
    const LeaveRow *row = data;
    Service *service = leave_start(fixture, row);
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);
    g_autoptr(GError) error = NULL;
    gint64 began = g_get_monotonic_time();

    g_assert_cmpuint(trust_count_processes(id), ==, 2);
    if (row->ends_by_itself)
        trust_signal(service, SIGKILL);
    else
        g_assert_true(service_stop(service, &origin_test, &error));
    fixture_wait_state(&fixture->process, service, row->state);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    g_assert_false(trust_cgroup_exists(fixture, fixture_property(service, "ControlGroup").s));
    g_assert_cmpint(g_get_monotonic_time() - began, <, 15 * G_USEC_PER_SEC);
    g_assert_cmpuint(leave_count_log(fixture), ==, fixture->has_cgroups);
    fixture_drop(&fixture->process, service);
}

/* The next run is in its place, and nothing is said of it. */
static void test_again(TrustFixture *fixture, const void *unused)
{
    Service *service = leave_start(fixture, &leave_rows[0]);
    g_autoptr(GError) error = NULL;

    g_assert_true(service_restart(service, &origin_test, &error));
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_true(service_stop(service, &origin_test, &error));
    fixture_wait_settled(&fixture->process, service);
    g_assert_cmpuint(leave_count_log(fixture), ==, fixture->has_cgroups);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(leave_rows); i++) {
        g_autofree char *path = g_strconcat("/trust/leave/", leave_rows[i].name, NULL);

        trust_add(path, test_leave, &leave_rows[i]);
    }
    trust_add("/trust/leave/again", test_again, NULL);
    return g_test_run();
}
