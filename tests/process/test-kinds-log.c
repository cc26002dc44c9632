/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kinds tell of a run that is over, or goes on: for who asks why it failed. */

#include "output-fixture.h"

#include <string.h>

#define NO_RESTART "'restart': {'policy': 'no'}"
#define ENDS(how, number)                                                                          \
    "{'exec': ['@PROGRAMS/program-ender', '" how "', '" number "'], " NO_RESTART "}"
#define STAYS "{'exec': ['/bin/sleep', '1000'], " NO_RESTART "}"

static void request_start(Service *service)
{
    g_autoptr(GError) error = NULL;

    (void)service_start(service, &(Origin){.cause = CAUSE_METHOD, .method = "Start"}, &error);
    g_assert_no_error(error);
}

static json_t *describe(const Service *service)
{
    const Kind *kind = service_kind(service);

    return kind->describe_run(kind, service);
}

/* The members of the last run that are the same in each, as text; the others are checked. */
static char *describe_text(Service *service)
{
    json_t *run = describe(service);

    g_assert_nonnull(run);
    g_assert_cmpstr(json_string_value(json_object_get(run, "invocation_id")), ==,
                    fixture_property(service, "InvocationId").s);
    g_assert_cmpint(json_integer_value(json_object_get(run, "main_pid")), >, 1);
    (void)json_object_del(run, "invocation_id"); /* it is there, and so is the next */
    (void)json_object_del(run, "main_pid");
    char *text = json_dumps(run, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(run);
    return text;
}

static void test_ended(ProcessFixture *fixture, const void *unused)
{
    static const struct {
        const char *config, *expected;
    } rows[] = {
            {ENDS("exit", "3"), "{\"core_dumped\":false,\"exit_code\":3}"},
            {ENDS("signal", "9"), "{\"core_dumped\":false,\"exit_signal\":\"SIGKILL\"}"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Service *service = fixture_start(fixture, fixture->oneshot, rows[i].config);

        fixture_wait_settled(fixture, service);
        g_autofree char *text = describe_text(service);
        g_assert_cmpstr(text, ==, rows[i].expected);
        fixture_drop(fixture, service);
    }
}

static void test_running(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process, STAYS);

    fixture_wait_state(fixture, service, STATE_ACTIVE);
    json_t *run = describe(service);
    g_assert_cmpint(json_integer_value(json_object_get(run, "main_pid")), ==,
                    fixture_main_pid(service));
    g_assert_null(json_object_get(run, "exit_signal"));
    g_assert_null(json_object_get(run, "core_dumped"));
    g_assert_cmpstr(json_string_value(json_object_get(json_object_get(run, "usage"), "source")), ==,
                    "proc");
    json_decref(run);
    fixture_drop(fixture, service);
}

/* The end of one run is none of the next; and what could not even begin was none. */
static void test_next(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process, ENDS("exit", "3"));

    fixture_wait_state(fixture, service, STATE_FAILED);
    fixture_configure(fixture, service, STAYS);
    request_start(service);
    fixture_wait_state(fixture, service, STATE_ACTIVE);
    json_t *run = describe(service);
    g_assert_null(json_object_get(run, "exit_code"));
    json_decref(run);
    fixture_request_stop(service);
    fixture_wait_state(fixture, service, STATE_INACTIVE);
    fixture_configure(fixture, service,
                      "{'exec': ['/bin/true'], 'user': 'nobodyx', " NO_RESTART "}");
    request_start(service);
    fixture_wait_state(fixture, service, STATE_FAILED);
    g_assert_null(describe(service));
    fixture_drop(fixture, service);
}

/* A reload of what remains is a run of its own. */
static void test_redo(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->oneshot,
                          "{'exec': ['/bin/true'], 'remain_after_exit': true,"
                          " 'reload_exec': ['/bin/sleep', '1000'], 'stop_timeout': '10ms'}");
    g_autoptr(GError) error = NULL;

    fixture_wait_state(fixture, service, STATE_ACTIVE);
    g_autofree char *text = describe_text(service);
    g_assert_cmpstr(text, ==, "{\"core_dumped\":false,\"exit_code\":0}");
    (void)service_reload(service, &(Origin){.cause = CAUSE_METHOD, .method = "Reload"}, &error);
    g_assert_no_error(error);
    fixture_wait_sub_state(fixture, service, "reload");
    json_t *run = describe(service);
    g_assert_null(json_object_get(run, "exit_code"));
    json_decref(run);
    fixture_drop(fixture, service);
}

static void test_never(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_service(fixture, fixture->process, STAYS);

    g_assert_null(describe(service));
    fixture_drop(fixture, service);
}

#define ADD(name, test)                                                                            \
    g_test_add("/kinds-log/" name, ProcessFixture, NULL, output_init, test, output_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("run/ended", test_ended);
    ADD("run/running", test_running);
    ADD("run/next", test_next);
    ADD("run/redo", test_redo);
    ADD("run/never", test_never);
    return g_test_run();
}
