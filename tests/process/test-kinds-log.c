/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kinds tell of a run that is over, or goes on, and what it has said: for who asks why it
 * failed. */

#include "output-fixture.h"

#include "base/errors.h"
#include "base/fds.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
    const json_t *exit_code = json_object_get(run, "exit_code");
    bool is_well = json_is_integer(exit_code) && json_integer_value(exit_code) == 0;
    const json_t *cpu = json_object_get(json_object_get(run, "usage"), "cpu_usec");
    g_assert_cmpint(json_is_integer(cpu), ==, !is_well);
    (void)json_object_del(run, "usage");         /* if it is there */
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

/* The log */

#define SAYS(...)                                                                                  \
    "{'exec': ['/bin/sh', '-c', 'echo one; echo two'], 'log': {" __VA_ARGS__ "}, " NO_RESTART "}"

typedef struct Reading {
    int fd;
    GString *text;
} Reading;

static bool reading_is_over(void *data)
{
    Reading *reading = data;
    char bytes[4096];
    ssize_t n;

    while ((n = read(reading->fd, bytes, sizeof(bytes))) > 0)
        g_string_append_len(reading->text, bytes, n);
    return n == 0;
}

static int open_log(const Service *service, GError **error)
{
    LogQuery query = {.lines = LOG_LINES_ALL, .format = LOG_FORMAT_BARE};
    const Kind *kind = service_kind(service);

    return kind->open_log(kind, service, &query, error);
}

static void assert_log(ProcessFixture *fixture, const Service *service, const char *expected)
{
    g_autoptr(GError) error = NULL;
    autofd int fd = open_log(service, &error);
    Reading reading = {.fd = fd, .text = g_string_new(NULL)};

    g_assert_no_error(error);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    fixture_run_until(fixture, reading_is_over, &reading);
    g_assert_cmpstr(reading.text->str, ==, expected);
    (void)g_string_free(reading.text, TRUE); /* NULL */
}

static void run_once(ProcessFixture *fixture, Service *service)
{
    request_start(service);
    fixture_wait_state(fixture, service, STATE_INACTIVE);
}

static void test_log(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_service(fixture, fixture->oneshot, SAYS());

    assert_log(fixture, service, "");
    run_once(fixture, service);
    assert_log(fixture, service, "one\ntwo\n");
    /* What is there can be read whatever is wanted now. */
    fixture_configure(fixture, service, SAYS("'target': 'null'"));
    run_once(fixture, service);
    assert_log(fixture, service, "one\ntwo\n");
    fixture_drop(fixture, service);
}

static void assert_no_log(const Service *service, const char *expected)
{
    const Kind *kind = service_kind(service);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(open_log(service, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_NOT_SUPPORTED));
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_null(kind->last_lines(kind, service, NULL, 1));
}

static void test_elsewhere(ProcessFixture *fixture, const void *unused)
{
    static const char *const rows[][2] = {
            {SAYS("'target': 'null'"), "what it says is thrown away (its log.target is \"null\"); "
                                       "with \"file\" it is kept"},
            {SAYS("'target': 'inherit'"), "what it says goes where the output of svcmgrd itself "
                                          "goes (its log.target is \"inherit\"), and is not kept "
                                          "here"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Service *service = fixture_service(fixture, fixture->oneshot, rows[i][0]);

        assert_no_log(service, rows[i][1]);
        fixture_drop(fixture, service);
    }
}

#define SAYS_NOTHING                                                                               \
    "{'exec': ['/bin/sleep', '1000'], 'log': {'target': 'journal'}, " NO_RESTART "}"

static void assert_journal_has_it(const Service *service)
{
    g_autofree char *expected =
            g_strdup_printf("what it says goes to the journal (its log.target is \"journal\"): "
                            "journalctl -t %s",
                            service_id(service));

    assert_no_log(service, expected);
}

/* Where there is no journal there are files, also as long as nothing stands in them; and it is told
 * of each run where its output goes, not where that of another would. */
static void journal_check(ProcessFixture *fixture)
{
    Service *rests = fixture_service(fixture, fixture->oneshot, SAYS("'target': 'journal'"));
    Service *without = fixture_start(fixture, fixture->process, SAYS_NOTHING);

    fixture_wait_state(fixture, without, STATE_ACTIVE);
    assert_log(fixture, rests, "");
    assert_log(fixture, without, "");
    {
        autofd int journal = journal_listen(8);
        Service *with = fixture_start(fixture, fixture->process, SAYS_NOTHING);

        g_assert_cmpint(journal, >=, 0);
        fixture_wait_state(fixture, with, STATE_ACTIVE);
        assert_journal_has_it(rests);
        assert_journal_has_it(with);
        assert_log(fixture, without, "");
        g_assert_cmpint(unlink(JOURNAL_SOCKET), ==, 0);
        assert_journal_has_it(with);
        fixture_drop(fixture, with);
    }
    run_once(fixture, rests);
    assert_log(fixture, rests, "one\ntwo\n");
    fixture_drop(fixture, rests);
    fixture_drop(fixture, without);
}

static void test_journal(ProcessFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can have a /run of its own");
        return;
    }
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 10 * USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    if (journal_enter())
        journal_check(fixture);
}

static void test_no_logs(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_service(fixture, fixture->oneshot, SAYS());

    assert_no_log(service, "what services say is not kept here");
    fixture_drop(fixture, service);
}

static void without_logs_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void without_logs_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static void test_last_lines(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_service(fixture, fixture->oneshot, SAYS());
    const Kind *kind = service_kind(service);

    run_once(fixture, service);
    g_autofree char *first = g_strdup(fixture_property(service, "InvocationId").s);
    run_once(fixture, service);
    json_t *all = kind->last_lines(kind, service, NULL, 3);
    json_t *of_first = kind->last_lines(kind, service, first, 3);
    json_t *line = json_array_get(all, 2);

    g_assert_cmpuint(json_array_size(all), ==, 3);
    g_assert_cmpuint(json_array_size(of_first), ==, 2);
    g_assert_cmpstr(json_string_value(json_object_get(line, "text")), ==, "two");
    g_assert_cmpstr(json_string_value(json_object_get(line, "stream")), ==, "stdout");
    g_assert_cmpstr(json_string_value(json_object_get(line, "invocation")), ==,
                    fixture_property(service, "InvocationId").s);
    json_decref(all);
    json_decref(of_first);
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
    ADD("log/open", test_log);
    ADD("log/elsewhere", test_elsewhere);
    ADD("log/journal", test_journal);
    ADD("log/last-lines", test_last_lines);
    g_test_add("/kinds-log/log/none", ProcessFixture, NULL, without_logs_init, test_no_logs,
               without_logs_done);
    return g_test_run();
}
