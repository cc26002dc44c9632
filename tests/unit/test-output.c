/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure parts of the client's output: text, times, tables and sentences about a service. */

#include "base/clock.h"
#include "output.h"
#include "record.h"
#include "table.h"
#include "text.h"
#include "value.h"

#include <locale.h>
#include <stdio.h>

static void test_text_escape(void)
{
    static const struct {
        const char *raw;
        const char *line;
        const char *lines; /* NULL: the same */
    } cases[] = {
            {"", "", NULL},
            {"plain \\ text", "plain \\ text", NULL},
            {"größe 名前 ●", "größe 名前 ●", NULL},
            {"a\nb\tc", "a\\nb\\tc", "a\nb\tc"},
            {"\033[31m\a\r\177", "\\x1b[31m\\x07\\x0d\\x7f", NULL},
            {"\xc2\x9b"
             "31m",
             "\\x9b31m", NULL},
            {"\xe2\x80\xae"
             "x\xe2\x81\xa6",
             "\\u202ex\\u2066", NULL},
            {"\xe2\x80\xa8", "\\u2028", NULL},
            {"\xff\xc3", "\\xff\\xc3", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *line = text_escape(cases[i].raw);
        g_autofree char *lines = text_escape_lines(cases[i].raw);

        g_assert_cmpstr(line, ==, cases[i].line);
        g_assert_cmpstr(lines, ==, cases[i].lines != NULL ? cases[i].lines : cases[i].line);
    }
}

static void test_text_cut(void)
{
    static const struct {
        const char *text;
        int width;
        const char *cut;
    } cases[] = {
            {"abcdef", 6, "abcdef"},     {"abcdef", 5, "abcd…"},
            {"abcdef", 1, "…"},          {"abcdef", 0, ""},
            {"名前名前", 8, "名前名前"}, {"名前名前", 7, "名前名…"},
            {"名前名前", 6, "名前…"},    {"e\u0301e\u0301", 2, "e\u0301e\u0301"},
            {"a\tb", 9, "a\tb"},         {"a\tbc", 9, "a\t…"},
            {"a\tbc", 8, "a…"},          {"12345678\t.", 16, "12345678…"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *cut = text_cut(cases[i].text, cases[i].width, "…");

        g_assert_cmpstr(cut, ==, cases[i].cut);
        g_assert_cmpint(text_width(cut), <=, cases[i].width);
    }
}

static void test_text_bytes(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
            {0, "0 B"},
            {1023, "1023 B"},
            {1024, "1 KiB"},
            {5 * 1024 + 256, "5.2 KiB"},
            {1024 * 1024 - 1, "1023 KiB"},
            {1024 * 1024, "1 MiB"},
            {UINT64_C(3) << 29, "1.5 GiB"},
            {UINT64_C(10752) << 20, "10 GiB"},
            {UINT64_MAX, "15 EiB"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = text_bytes(cases[i].bytes);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_text_span(void)
{
    static const struct {
        uint64_t usec;
        const char *text;
    } cases[] = {
            {0, "0s"},
            {1, "1us"},
            {999, "999us"},
            {250 * USEC_PER_MSEC, "250ms"},
            {USEC_PER_SEC, "1s"},
            {USEC_PER_SEC + 240 * USEC_PER_MSEC, "1.2s"},
            {59 * USEC_PER_SEC + 999 * USEC_PER_MSEC, "59s"},
            {60 * USEC_PER_SEC, "1min"},
            {123 * USEC_PER_SEC, "2min 3s"},
            {3600 * USEC_PER_SEC + 59 * USEC_PER_SEC, "1h"},
            {100 * 3600 * USEC_PER_SEC, "4d 4h"},
            {400 * 86400 * USEC_PER_SEC, "1y 34d"},
            {USEC_INFINITY, "forever"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = text_span(cases[i].usec);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_text_ago(void)
{
    g_autofree char *past = text_ago(5 * USEC_PER_SEC, 128 * USEC_PER_SEC);
    g_autofree char *future = text_ago(128 * USEC_PER_SEC, 5 * USEC_PER_SEC);
    g_autofree char *now = text_ago(5, 5);
    g_autofree char *overtaken = text_since(6, 5);
    g_autofree char *since = text_since(5 * USEC_PER_SEC, 128 * USEC_PER_SEC);

    g_assert_cmpstr(past, ==, "2min 3s ago");
    g_assert_cmpstr(future, ==, "in 2min 3s");
    g_assert_cmpstr(now, ==, "now");
    g_assert_cmpstr(overtaken, ==, "now");
    g_assert_cmpstr(since, ==, "2min 3s ago");
}

static void output_check_attempts(const char *json, const char *expected)
{
    g_autoptr(json_t) record = json_loads(json, 0, NULL);
    g_autofree char *attempts = record_attempts(record, 1 * USEC_PER_SEC);

    g_assert_nonnull(record);
    g_assert_cmpstr(attempts, ==, expected);
}

static void test_record_attempts(void)
{
    output_check_attempts("{\"FailedAttempts\": 0, \"NextAttemptTime\": 0}", NULL);
    output_check_attempts("{\"FailedAttempts\": 1, \"MaxAttempts\": 0}", "failed once");
    output_check_attempts("{\"FailedAttempts\": 1, \"MaxAttempts\": 5}", "failed 1 of 5 times");
    output_check_attempts("{\"FailedAttempts\": 3, \"NextAttemptTime\": 3000000}",
                          "failed 3 times, next in 2s");
    output_check_attempts("{\"FailedAttempts\": 2, \"NextAttemptTime\": 900000}",
                          "failed 2 times, next now");
}

static void output_check_since(const char *state, uint64_t expected)
{
    g_autoptr(json_t) record =
            json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:{s:i}}", "State", state, "LastActiveTime",
                      10, "LastLoadingEndTime", 20, "LastInactiveTime", 30, "LastErrorTime", 40,
                      "LastLoadingStartTime", 50, "LastTransition", "time", 60);

    g_assert_cmpuint(record_since(record), ==, expected);
}

static void test_record_since(void)
{
    output_check_since("active", 20);
    output_check_since("inactive", 30);
    output_check_since("failed", 40);
    output_check_since("backoff", 40);
    output_check_since("starting", 50);
    output_check_since("stopping", 60);
}

static void test_record_cause_of_reloads(void)
{
    static const struct {
        const char *from, *to, *cause, *error, *words;
    } cases[] = {
            {"active", "reloading", "kind", "", "by itself"},
            {"reloading", "reloading", "kind", "", "kind"},
            {"active", "active", "kind", "", "kind"},
            {"reloading", "active", "applied", "", "applied"},
            {"reloading", "active", "applied", "bad file", "reload failed"},
            {"starting", "active", "applied", "", "applied"},
            {"reloading", "backoff", "exit", "died", "exit"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_t) transition =
                json_pack("{s:s, s:s, s:s, s:s}", "from", cases[i].from, "to", cases[i].to, "cause",
                          cases[i].cause, "error", cases[i].error);
        g_autofree char *words = record_cause(transition);

        g_assert_cmpstr(words, ==, cases[i].words);
    }
}

static void test_record_cause(void)
{
    g_autoptr(json_t) retry = json_pack("{s:s}", "cause", "retry");
    g_autoptr(json_t) call = json_pack("{s:s, s:s, s:i, s:i, s:s}", "cause", "method", "method",
                                       "Stop", "uid", 0, "pid", 7, "comm", "busctl");
    g_autoptr(json_t) nobody = json_pack("{s:s, s:s, s:i, s:i}", "cause", "method", "method",
                                         "Stop", "uid", 4242424, "pid", 7);
    g_autofree char *of_retry = record_cause(retry);
    g_autofree char *of_call = record_cause(call);
    g_autofree char *of_nobody = record_cause(nobody);

    g_assert_cmpstr(of_retry, ==, "retry");
    g_assert_cmpstr(of_call, ==, "Stop by root (busctl, pid 7)");
    g_assert_cmpstr(of_nobody, ==, "Stop by uid 4242424 (pid 7)");
}

/* What a table prints: the test runs itself, and its child prints. */
static void output_check_table(const char *path, const char *expected)
{
    g_test_trap_subprocess(path, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
    g_test_trap_assert_stdout(expected);
}

static void output_print_table(int width)
{
    static const char *const headings[] = {"ID", "STATE", "TEXT", NULL};
    g_autoptr(Table) table = table_new(headings);
    Output output = {.is_terminal = width > 0, .is_utf8 = true, .width = width};

    table_add(table, COLOUR_NONE, "名前");
    table_add(table, COLOUR_GREEN, "active");
    table_add(table, COLOUR_NONE, "a text that is\nlong");
    table_add(table, COLOUR_NONE, "an-id-that-is-longer-than-20");
    table_add(table, COLOUR_NONE, "x");
    table_add(table, COLOUR_NONE, "");
    table_print(table, &output);
    (void)fflush(stdout); /* the parent sees what is missing */
}

static void test_table_pipe_child(void)
{
    if (g_test_subprocess())
        output_print_table(0);
}

static void test_table_terminal_child(void)
{
    if (g_test_subprocess())
        output_print_table(40);
}

static void test_table_pipe(void)
{
    output_check_table("/output/table/pipe/subprocess",
                       "*ID                            STATE   TEXT\n"
                       "名前                          active  a text that is\\nlong\n"
                       "an-id-that-is-longer-than-20  x\n*");
}

static void test_table_terminal(void)
{
    output_check_table("/output/table/terminal/subprocess",
                       "*ID                    STATE   TEXT\n"
                       "名前                  active  a text th…\n"
                       "an-id-that-is-longe…  x\n*");
}

/* Green is for what is well. */
static void test_output_error_colour(void)
{
    g_assert_cmpint(output_error_colour("failed"), ==, COLOUR_RED);
    g_assert_cmpint(output_error_colour("degraded"), ==, COLOUR_RED);
    g_assert_cmpint(output_error_colour("backoff"), ==, COLOUR_YELLOW);
    g_assert_cmpint(output_error_colour("active"), ==, COLOUR_YELLOW);
    g_assert_cmpint(output_error_colour("inactive"), ==, COLOUR_YELLOW);
}

static void test_output_json_mode(void)
{
    g_assert_cmpint(json_mode_from_string("pretty"), ==, JSON_MODE_PRETTY);
    g_assert_cmpint(json_mode_from_string("short"), ==, JSON_MODE_SHORT);
    g_assert_cmpint(json_mode_from_string("lines"), ==, JSON_MODE_LINES);
    g_assert_cmpint(json_mode_from_string(""), ==, _JSON_MODE_INVALID);
}

int main(int argc, char **argv)
{
    (void)setlocale(LC_ALL, "C.UTF-8"); /* without it, messages of a failure look worse */
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/output/text/escape", test_text_escape);
    g_test_add_func("/output/text/cut", test_text_cut);
    g_test_add_func("/output/text/span", test_text_span);
    g_test_add_func("/output/text/bytes", test_text_bytes);
    g_test_add_func("/output/text/ago", test_text_ago);
    g_test_add_func("/output/record/attempts", test_record_attempts);
    g_test_add_func("/output/record/since", test_record_since);
    g_test_add_func("/output/record/cause", test_record_cause);
    g_test_add_func("/output/record/cause-of-reloads", test_record_cause_of_reloads);
    g_test_add_func("/output/table/pipe", test_table_pipe);
    g_test_add_func("/output/table/pipe/subprocess", test_table_pipe_child);
    g_test_add_func("/output/table/terminal", test_table_terminal);
    g_test_add_func("/output/table/terminal/subprocess", test_table_terminal_child);
    g_test_add_func("/output/error-colour", test_output_error_colour);
    g_test_add_func("/output/json-mode", test_output_json_mode);
    return g_test_run();
}
