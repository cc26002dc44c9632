/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Oneshots that remain, and are told to read their files again: nothing of them runs, so it is the
 * program of reload_exec that does it. */

#include "trust-fixture.h"

#include <string.h>
#include <unistd.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

#define REMAINS "'remain_after_exit': true, 'restart': {'policy': 'no'}, "
#define UP "'exec': ['/usr/bin/touch', '@DIR/interface'], "
#define DOWN "'stop_exec': ['/usr/bin/rm', '@DIR/interface'], "
#define HANGS "'reload_exec': ['@PROGRAMS/program-stayer']"
/* Until there is a file of this name it fails. */
#define NEEDS "'reload_exec': ['/bin/sh', '-c', 'test -e @DIR/go && echo x >> @DIR/told']"

static Service *redo_start(TrustFixture *fixture, const char *members)
{
    g_autofree char *config = g_strdup_printf("{" REMAINS UP DOWN "%s}", members);
    Service *service = fixture_start(&fixture->process, fixture->process.oneshot, config);

    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_string_truncate(fixture->process.history, 0);
    return service;
}

static bool redo_has_file(const TrustFixture *fixture, const char *name)
{
    return access(fixture_path(&fixture->process, name), F_OK) == 0;
}

static void redo_ask(Service *service)
{
    g_autoptr(GError) error = NULL;

    (void)service_reload(service, &origin_test, &error);
    g_assert_no_error(error);
}

/* Nothing of it runs, and what it has done is as it was. */
static void redo_assert_remains(TrustFixture *fixture, Service *service, FailureClass failure_class,
                                const char *error)
{
    const StateRecord *record = service_state(service);

    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "exited");
    g_assert_cmpstr(failure_class_to_string(record->failure_class), ==,
                    failure_class_to_string(failure_class));
    if (error == NULL)
        g_assert_no_error(record->error);
    else
        assert_contains(record->error->message, error);
    g_assert_cmpuint(process_host_n_running(fixture->process.host), ==, 0);
    g_assert_true(redo_has_file(fixture, "interface"));
}

/* What it has done is undone. */
static void redo_stop(TrustFixture *fixture, Service *service)
{
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_false(redo_has_file(fixture, "interface"));
    g_assert_cmpuint(process_host_n_running(fixture->process.host), ==, 0);
}

static void test_fails_and_succeeds(TrustFixture *fixture, const void *unused)
{
    Service *service = redo_start(fixture, NEEDS);

    redo_ask(service);
    fixture_wait_settled(&fixture->process, service);
    redo_assert_remains(fixture, service, FAILURE_EXIT_CODE, "reload_exec: main process ");
    g_assert_false(redo_has_file(fixture, "told"));

    g_assert_true(g_file_set_contents(fixture_path(&fixture->process, "go"), "", 0, NULL));
    for (unsigned i = 0; i < 2; i++) {
        redo_ask(service);
        fixture_wait_settled(&fixture->process, service);
        redo_assert_remains(fixture, service, FAILURE_NONE, NULL);
    }
    g_autofree char *told = fixture_read(&fixture->process, "told");
    g_assert_cmpstr(told, ==, "x\nx\n");
    assert_contains(fixture->process.history->str, "reloading/reload ");

    redo_stop(fixture, service);
    fixture_drop(&fixture->process, service);
}

typedef struct RedoRow {
    const char *name;
    const char *members;
    FailureClass failure_class;
    const char *error;
} RedoRow;

static const RedoRow redo_rows[] = {
        {"missing", "'reload_exec': ['/no/such']", FAILURE_EXEC,
         "reload_exec: cannot execute '/no/such'"},
        {"hangs", "'start_timeout': '300ms', " HANGS, FAILURE_TIMEOUT,
         "reload_exec: not finished within 300ms"},
        {"killed", "'reload_exec': ['/bin/sh', '-c', 'kill -USR1 $$']", FAILURE_SIGNAL,
         "was killed by SIGUSR1"},
};

static void test_fails(TrustFixture *fixture, const void *data)
{
    const RedoRow *row = data;
    Service *service = redo_start(fixture, row->members);

    redo_ask(service);
    fixture_wait_settled(&fixture->process, service);
    redo_assert_remains(fixture, service, row->failure_class, row->error);
    /* A child that never got to its program may still be on its way out of the cgroup. */
    if (row->failure_class != FAILURE_EXEC)
        redo_stop(fixture, service);
    fixture_drop(&fixture->process, service);
}

/* Meanwhile. What is undone right after something has ended needs a cgroup of the same name, in
 * which the kernel may still know who has just died: what is shown here is for both ways the same,
 * and is looked at where that does not disturb. */

static bool redo_skips(const TrustFixture *fixture)
{
    if (fixture->has_cgroups)
        g_test_skip("shown where services are followed by their sessions");
    return fixture->has_cgroups;
}

static Service *redo_start_hanging(TrustFixture *fixture)
{
    Service *service = redo_start(fixture, HANGS);

    redo_ask(service);
    fixture_wait_sub_state(&fixture->process, service, "reload");
    assert_state(service, STATE_RELOADING);
    g_assert_cmpint(fixture_main_pid(service), >, 0);
    return service;
}

static void test_stopped(TrustFixture *fixture, const void *unused)
{
    if (redo_skips(fixture))
        return;

    Service *service = redo_start_hanging(fixture);

    redo_stop(fixture, service);
    fixture_drop(&fixture->process, service);
}

static void test_restarted(TrustFixture *fixture, const void *unused)
{
    if (redo_skips(fixture))
        return;

    Service *service = redo_start_hanging(fixture);
    g_autoptr(GError) error = NULL;

    g_assert_true(service_restart(service, &origin_test, &error));
    fixture_wait_settled(&fixture->process, service);
    redo_assert_remains(fixture, service, FAILURE_NONE, NULL);
    assert_contains(fixture->process.history->str, "stop-exec");
    fixture_drop(&fixture->process, service);
}

/* As from a definition. */
static void redo_adopt(TrustFixture *fixture, Service *service, const char *members)
{
    g_autoptr(GString) text = g_string_new("{" REMAINS);
    g_autoptr(Problems) problems = problems_new();

    g_string_append_printf(text, "%s}", members);
    (void)g_string_replace(text, "'", "\"", 0);
    (void)g_string_replace(text, "@DIR", fixture_path(&fixture->process, ""), 0);
    (void)g_string_replace(text, "@PROGRAMS", g_getenv("TEST_PROGRAMS"), 0);
    Config *next = config_parse(service_kind(service), text->str, text->len, problems);
    g_assert_nonnull(next);
    (void)service_adopt_config(service, next, CONFIG_FROM_DEFINITION, &origin_test);
}

/* The work of the configuration before is undone, then that of the new one is done. */
static void test_replaced(TrustFixture *fixture, const void *unused)
{
    if (redo_skips(fixture))
        return;

    Service *service = redo_start_hanging(fixture);

    redo_adopt(fixture, service, "'exec': ['/usr/bin/touch', '@DIR/other']");
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    assert_sub_state(service, "exited");
    g_assert_false(redo_has_file(fixture, "interface"));
    g_assert_true(redo_has_file(fixture, "other"));
    fixture_drop(&fixture->process, service);
}

/* One that needs no new start ends the reload, and is in force; nothing is undone for it. */
static void test_replaced_by_almost_the_same(TrustFixture *fixture, const void *unused)
{
    if (redo_skips(fixture))
        return;

    Service *service = redo_start_hanging(fixture);

    redo_adopt(fixture, service, UP "'stop_exec': ['/usr/bin/mv', '@DIR/interface', '@DIR/kept']");
    fixture_wait_settled(&fixture->process, service);
    redo_assert_remains(fixture, service, FAILURE_NONE, NULL);
    g_assert_null(strstr(fixture->process.history->str, "stop-exec"));
    g_assert_false(redo_has_file(fixture, "kept"));
    assert_contains(fixture->process.log->str, "reload_exec was ended, since a new configuration");
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    g_assert_true(redo_has_file(fixture, "kept"));
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/redo/fails-and-succeeds", test_fails_and_succeeds, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(redo_rows); i++) {
        g_autofree char *path = g_strconcat("/trust/redo/fails/", redo_rows[i].name, NULL);

        trust_add(path, test_fails, &redo_rows[i]);
    }
    trust_add("/trust/redo/stopped", test_stopped, NULL);
    trust_add("/trust/redo/restarted", test_restarted, NULL);
    trust_add("/trust/redo/replaced", test_replaced, NULL);
    trust_add("/trust/redo/replaced-by-almost-the-same", test_replaced_by_almost_the_same, NULL);
    return g_test_run();
}
