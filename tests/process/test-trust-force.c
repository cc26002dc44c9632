/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stop that has no more time: all of a service goes at once, wherever it stands in its ladder. */

#include "trust-fixture.h"

/* What ends only by force. */
#define PATIENT "'restart': {'policy': 'no'}, 'stop_timeout': '1h', "

typedef struct ForceRow {
    const char *name;
    const char *config;
    const char *until; /* the history has it before force is used */
    unsigned n_before; /* processes that carry its invocation id then; 0: any */
    bool has_daemons;  /* whose process ids come to be in @DIR/pids */
} ForceRow;

static const ForceRow force_rows[] = {
        {.name = "stop-signal",
         .config = PATIENT "'exec': ['@PROGRAMS/program-stayer', 'stubborn'], "
                           "'readiness': 'notify'",
         .until = "/stop-sigterm",
         .n_before = 1},
        {.name = "left-its-session",
         .config = PATIENT
         "'exec': ['@PROGRAMS/program-daemoniser', 'stay', 'many', '2', 'stubborn', '@DIR/pids']",
         .until = "/final-sigterm",
         .n_before = 2,
         .has_daemons = true},
        {.name = "stop-exec",
         .config = PATIENT "'exec': ['@PROGRAMS/program-stayer'], 'readiness': 'notify', "
                           "'stop_exec': ['/bin/sleep', '3600']",
         .until = "/stop-exec"},
        {.name = "reload-exec",
         .config = PATIENT "'exec': ['@PROGRAMS/program-stayer', 'stubborn'], "
                           "'readiness': 'notify', 'reload_exec': ['/bin/sleep', '3600']",
         .until = "/stop-sigterm"},
};

static void force_reload(TrustFixture *fixture, Service *service)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    g_autoptr(GError) error = NULL;

    (void)service_reload(service, &origin, &error);
    g_assert_no_error(error);
    trust_wait_history(fixture, "/reload");
}

static void test_force(TrustFixture *fixture, const void *data)
{
    const ForceRow *row = data;
    g_autofree char *config = g_strdup_printf("{%s}", row->config);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    if (row->has_daemons)
        trust_wait_file(fixture, "pids", "\n");
    if (g_str_equal(row->name, "reload-exec"))
        force_reload(fixture, service);
    fixture_request_stop(service);
    trust_wait_history(fixture, row->until);
    const char *id = fixture_property(service, "InvocationId").s;
    if (row->n_before > 0)
        g_assert_cmpuint(trust_count_processes(id), ==, row->n_before);
    service_kill(service);
    service_kill(service); /* again: changes nothing */
    fixture_wait_settled(&fixture->process, service);
    assert_failure(service, FAILURE_TIMEOUT, "killed: its stop was given no more time");
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    g_assert_cmpuint(process_host_n_running(fixture->process.host), ==, 0);
    service_kill(service);
    fixture_drop(&fixture->process, service);
}

/* What a oneshot has done is being undone by a program that does not end. */
static void test_undo(TrustFixture *fixture, const void *unused)
{
    Service *service = fixture_start(&fixture->process, fixture->process.oneshot,
                                     "{" PATIENT "'remain_after_exit': true, 'exec': "
                                     "['/bin/true'], 'stop_exec': ['/bin/sleep', '3600']}");

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    fixture_request_stop(service);
    trust_wait_history(fixture, "/stop-exec");
    service_kill(service);
    fixture_wait_settled(&fixture->process, service);
    assert_failure(service, FAILURE_TIMEOUT, "killed: its stop was given no more time");
    g_assert_cmpuint(process_host_n_running(fixture->process.host), ==, 0);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(force_rows); i++) {
        g_autofree char *path = g_strdup_printf("/trust/force/%s", force_rows[i].name);

        trust_add(path, test_force, &force_rows[i]);
    }
    trust_add("/trust/force/undo", test_undo, NULL);
    return g_test_run();
}
