/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What real programs write is in the log, each line once, in its order, with its stream and the
 * number of its run, however it is written; before a death is told. */

#include "base/fds.h"
#include "output-fixture.h"

#include <string.h>
#include <unistd.h>

/* Runs a shell to its end. */
static Service *run_shell(ProcessFixture *fixture, const char *script)
{
    g_autofree char *config = g_strdup_printf(
            "{'exec': ['/bin/sh', '-c', '%s'], 'restart': {'policy': 'no'}}", script);
    Service *service = fixture_start(fixture, fixture->oneshot, config);

    fixture_wait_settled(fixture, service);
    return service;
}

static void append_numbers(GString *text, int first, int last)
{
    for (int i = first; i <= last; i++)
        g_string_append_printf(text, "%d\n", i);
}

static void test_full_speed(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(GString) expected = g_string_new(NULL);
    Service *service = run_shell(fixture, "seq 1 300000");

    append_numbers(expected, 1, 300000);
    assert_said(fixture, service_id(service), OUTPUT_STDOUT, NULL, expected->str);
    assert_said(fixture, service_id(service), OUTPUT_STDERR, NULL, "");
    fixture_drop(fixture, service);
}

static void test_two_streams(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(GString) out = g_string_new(NULL), err = g_string_new(NULL);
    Service *service = run_shell(fixture, "seq 1 40000 & seq 50001 90000 >&2; wait");

    append_numbers(out, 1, 40000);
    append_numbers(err, 50001, 90000);
    assert_said(fixture, service_id(service), OUTPUT_STDOUT, NULL, out->str);
    assert_said(fixture, service_id(service), OUTPUT_STDERR, NULL, err->str);
    fixture_drop(fixture, service);
}

/* Of the moment in which somebody else hears of the end. */
typedef struct Listening {
    ProcessFixture *fixture;
    GString *out;
    GString *err;
} Listening;

static void on_change(const Change *change, void *data)
{
    Listening *listening = data;
    const char *id = service_id(change->service);

    if (change->type != CHANGE_UPDATE || change->new_state->state != STATE_FAILED ||
        listening->out != NULL)
        return;
    listening->out = said_in(listening->fixture, id, OUTPUT_STDOUT, NULL);
    listening->err = said_in(listening->fixture, id, OUTPUT_STDERR, NULL);
}

static void test_last_words(ProcessFixture *fixture, const void *unused)
{
    Listening listening = {.fixture = fixture};
    FeedListener *listener = feed_listen(fixture->core->feed, on_change, &listening);
    Service *service =
            run_shell(fixture, "echo last words; printf unfinished >&2; exec kill -9 $$");

    g_assert_nonnull(listening.out);
    g_assert_cmpstr(listening.out->str, ==, "last words\n");
    g_assert_cmpstr(listening.err->str, ==, "unfinished<cut>");
    feed_unlisten(listener);
    g_string_free(listening.out, TRUE);
    g_string_free(listening.err, TRUE);
    fixture_drop(fixture, service);
}

/* That printf(1) and tr(1) get, through C, JSON and the shell. */
#define BACKSLASH "\\\\\\\\"

static void test_odd_bytes(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            run_shell(fixture, "printf a" BACKSLASH "0b" BACKSLASH "n" BACKSLASH "377" BACKSLASH
                               "n" BACKSLASH "n" BACKSLASH "r" BACKSLASH "n");
    g_autoptr(GString) text = said_in(fixture, service_id(service), OUTPUT_STDOUT, NULL);

    g_assert_cmpmem(text->str, text->len, "a\0b\n\377\n\n\r\n", 9);
    fixture_drop(fixture, service);
}

static void test_single_bytes(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(GString) expected = g_string_new(NULL);
    Service *service = run_shell(fixture, "seq 1 2000 | dd bs=1 status=none");

    append_numbers(expected, 1, 2000);
    assert_said(fixture, service_id(service), OUTPUT_STDOUT, NULL, expected->str);
    fixture_drop(fixture, service);
}

typedef struct Pieces {
    size_t n_bytes;
    unsigned n_pieces;
    unsigned n_cut;
} Pieces;

static void on_piece(const ServiceLogLine *line, void *data)
{
    Pieces *pieces = data;

    g_assert_cmpuint(line->length, <=, OUTPUT_LINE_MAX);
    g_assert_true(line->piece != OUTPUT_WHOLE);
    g_assert_cmpuint(pieces->n_cut, ==, 0);
    pieces->n_bytes += line->length;
    pieces->n_pieces++;
    pieces->n_cut += line->piece == OUTPUT_CUT;
}

static void test_no_newline(ProcessFixture *fixture, const void *unused)
{
    Pieces pieces = {0};
    Service *service = run_shell(fixture, "head -c 10485760 /dev/zero | tr " BACKSLASH "0 x");

    log_foreach(fixture, service_id(service), on_piece, &pieces);
    g_assert_cmpuint(pieces.n_bytes, ==, 10485760);
    g_assert_cmpuint(pieces.n_pieces, >=, 160);
    g_assert_cmpuint(pieces.n_cut, ==, 1);
    fixture_drop(fixture, service);
}

/* What helps a run has its number. */
static void test_helpers(ProcessFixture *fixture, const void *unused)
{
    Service *service =
            fixture_start(fixture, fixture->process,
                          "{'exec': ['/bin/sh', '-c', 'echo begun; exec sleep 60'],"
                          " 'reload_exec': ['/bin/sh', '-c', 'echo reloaded'],"
                          " 'stop_exec': ['/bin/sh', '-c', 'echo stopped >&2; kill $MAINPID']}");
    g_autofree char *id = g_strdup(service_id(service));
    Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};

    wait_said(fixture, id, OUTPUT_STDOUT, NULL, "begun\n");
    g_autofree char *run = g_strdup(fixture_property(service, "InvocationId").s);
    (void)service_reload(service, &origin, NULL);
    fixture_wait_settled(fixture, service);
    fixture_drop(fixture, service);
    assert_said(fixture, id, OUTPUT_STDOUT, run, "begun\nreloaded\n");
    assert_said(fixture, id, OUTPUT_STDERR, run, "stopped\n");
}

/* Who is not root may open only what is his. */
static void test_opened_by_name(ProcessFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can start programs of others");
        return;
    }
    Service *service = fixture_start(
            fixture, fixture->oneshot,
            "{'exec': ['/bin/sh', '-c', 'echo out > /dev/stdout; echo err > /dev/stderr'],"
            " 'user': 'nobody', 'restart': {'policy': 'no'}}");

    fixture_wait_settled(fixture, service);
    assert_said(fixture, service_id(service), OUTPUT_STDOUT, NULL, "out\n");
    assert_said(fixture, service_id(service), OUTPUT_STDERR, NULL, "err\n");
    fixture_drop(fixture, service);
}

static void test_restarts(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(GString) expected = g_string_new(NULL);
    Service *service = fixture_service(
            fixture, fixture->oneshot,
            "{'exec': ['/bin/sh', '-c', 'read n < @DIR/n; echo $n; echo $((n+1)) > @DIR/n']}");
    Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    int n_fds = 0;

    g_assert_true(g_file_set_contents(fixture_path(fixture, "n"), "1\n", -1, NULL));
    for (int i = 1; i <= 1000; i++) {
        (void)service_start(service, &origin, NULL);
        fixture_wait_settled(fixture, service);
        if (i == 1)
            n_fds = fd_count_open();
    }
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    append_numbers(expected, 1, 1000);
    assert_said(fixture, service_id(service), OUTPUT_STDOUT, NULL, expected->str);
    fixture_drop(fixture, service);
}

#define ADD(name, test)                                                                            \
    g_test_add("/output-runs/" name, ProcessFixture, NULL, output_init, test, output_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("full-speed", test_full_speed);
    ADD("two-streams", test_two_streams);
    ADD("last-words", test_last_words);
    ADD("odd-bytes", test_odd_bytes);
    ADD("single-bytes", test_single_bytes);
    ADD("no-newline", test_no_newline);
    ADD("helpers", test_helpers);
    ADD("opened-by-name", test_opened_by_name);
    ADD("restarts", test_restarts);
    return g_test_run();
}
