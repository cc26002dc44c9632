/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure parts of what svcmgr shows of logs: times as people write them, lines, their order, and
 * how they look. */

#include "base/clock.h"
#include "base/errors.h"
#include "last-lines.h"
#include "log-entry.h"
#include "log-merge.h"
#include "log-source.h"
#include "log-text.h"
#include "log-time.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Saturday 2026-11-21 12:00:00 UTC, which is 13:00:00 in the zone of these tests. */
#define NOW (UINT64_C(1795262400) * USEC_PER_SEC)
#define MINUTE (60 * USEC_PER_SEC)
#define HOUR (60 * MINUTE)

/* Times */

static void test_times(void)
{
    static const struct {
        const char *string;
        uint64_t usec;
    } cases[] = {
            {"now", NOW},
            {"10min", NOW - 10 * MINUTE},
            {"10min ago", NOW - 10 * MINUTE},
            {"1h 30min ago", NOW - HOUR - 30 * MINUTE},
            {"infinity", 1},
            {"today", NOW - 13 * HOUR},
            {"yesterday", NOW - 37 * HOUR},
            {"2026-11-21", NOW - 13 * HOUR},
            {"2026-11-20 23:00", NOW - 14 * HOUR},
            {"2026-11-20T23:00", NOW - 14 * HOUR},
            {"2026-11-20 23:00:01", NOW - 14 * HOUR + USEC_PER_SEC},
            {"2026-11-21T11:59:59.250000Z", NOW - 750 * USEC_PER_MSEC},
            {"2026-11-21T12:00:00+02:00", NOW - 2 * HOUR},
            {"12:30", NOW - 30 * MINUTE},
            {"12:30:05", NOW - 30 * MINUTE + 5 * USEC_PER_SEC},
            {"@1795262400", NOW},
            {"@0", 1},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t usec = 0;

        g_assert_true(log_time_parse(cases[i].string, NOW, &usec, &error));
        g_assert_no_error(error);
        if (usec != cases[i].usec)
            g_error("%s: %" G_GUINT64_FORMAT, cases[i].string, usec);
    }
}

static void test_no_times(void)
{
    static const char *const cases[] = {
            "",           " ",
            "ago",        "-5min",
            "tomorrow",   "25:00",
            "2026-02-30", "@",
            "@-1",        "2026-11-21x",
            "@1e3",       "12:30:05x",
            "todays",     "2026-11-21 23:00:00 ago",
            "\n",         "\033[31m",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t usec = 42;

        if (log_time_parse(cases[i], NOW, &usec, &error))
            g_error("\"%s\": %" G_GUINT64_FORMAT, cases[i], usec);
        g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ARGS);
        g_assert_null(strchr(error->message, '\033'));
        g_assert_cmpuint(usec, ==, 42);
    }
}

/* Lines */

static LogEntry *entry_of(const char *json)
{
    LogEntry *entry = log_entry_parse(json, strlen(json));

    g_assert_nonnull(entry);
    return entry;
}

static void test_entry(void)
{
    g_autoptr(LogEntry) full =
            entry_of("{\"time_usec\":5,\"stream\":\"stderr\",\"invocation\":\"ab\",\"text\":\"x\","
                     "\"partial\":true}");
    g_autoptr(LogEntry) bytes = entry_of("{\"bytes\":\"/wBh\",\"cut\":true}");

    g_assert_cmpuint(full->time_usec, ==, 5);
    g_assert_true(full->is_stderr && full->is_partial && !full->is_cut);
    g_assert_cmpstr(full->invocation, ==, "ab");
    g_assert_cmpmem(full->text, full->length, "x", 1);
    g_assert_cmpuint(bytes->time_usec, ==, 0);
    g_assert_true(!bytes->is_stderr && !bytes->is_partial && bytes->is_cut);
    g_assert_cmpstr(bytes->invocation, ==, "");
    g_assert_cmpmem(bytes->text, bytes->length, "\xff\0a", 3);
}

static void test_no_entry(void)
{
    static const char *const cases[] = {
            "", "{}", "[]", "1", "{\"text\":1}", "{\"text\":\"a\"", "{\"text\":\"a\"}x"};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_null(log_entry_parse(cases[i], strlen(cases[i])));
}

/* Order */

/* A line of that time (0: without), whose text is the time. */
static LogEntry *entry_at(uint64_t time)
{
    g_autofree char *json = time != 0 ? g_strdup_printf("{\"time_usec\":%" G_GUINT64_FORMAT
                                                        ",\"text\":\"%" G_GUINT64_FORMAT "\"}",
                                                        time, time)
                                      : g_strdup("{\"text\":\"-\"}");
    return entry_of(json);
}

static void assert_next(LogMerge *merge, unsigned log, const char *text)
{
    unsigned from = 99;
    g_autoptr(LogEntry) entry = log_merge_take(merge, &from);

    g_assert_nonnull(entry);
    g_assert_cmpstr(entry->text, ==, text);
    g_assert_cmpuint(from, ==, log);
}

static void assert_none(LogMerge *merge)
{
    unsigned from;

    g_assert_null(log_merge_take(merge, &from));
}

static void test_merge_order(void)
{
    g_autoptr(LogMerge) merge = log_merge_new(2);

    log_merge_offer(merge, 0, entry_at(5));
    assert_none(merge);
    g_assert_true(log_merge_is_held(merge));
    log_merge_offer(merge, 1, entry_at(3));
    g_assert_false(log_merge_is_held(merge));
    assert_next(merge, 1, "3");
    g_assert_true(log_merge_is_held(merge));
    log_merge_offer(merge, 1, entry_at(5));
    assert_next(merge, 0, "5"); /* of the same time: in the order of the services */
    log_merge_offer(merge, 0, entry_at(6));
    assert_next(merge, 1, "5");
    log_merge_end(merge, 1);
    g_assert_true(log_merge_has_ended(merge, 1));
    log_merge_end(merge, 0);
    g_assert_false(log_merge_is_over(merge));
    assert_next(merge, 0, "6");
    g_assert_true(log_merge_is_over(merge));
    assert_none(merge);
}

/* Lines without times stay behind those before them. */
static void test_merge_timeless(void)
{
    g_autoptr(LogMerge) merge = log_merge_new(2);

    log_merge_offer(merge, 0, entry_at(5));
    log_merge_offer(merge, 1, entry_at(4));
    assert_next(merge, 1, "4");
    log_merge_offer(merge, 1, entry_at(7));
    assert_next(merge, 0, "5");
    log_merge_offer(merge, 0, entry_at(0));
    assert_next(merge, 0, "-");
    log_merge_end(merge, 0);
    assert_next(merge, 1, "7");
}

/* Who was silent is not waited for, until he says something again. */
static void test_merge_pass(void)
{
    g_autoptr(LogMerge) merge = log_merge_new(2);

    log_merge_offer(merge, 0, entry_at(5));
    log_merge_pass(merge);
    assert_next(merge, 0, "5");
    log_merge_offer(merge, 0, entry_at(6));
    assert_next(merge, 0, "6");
    log_merge_offer(merge, 1, entry_at(2));
    assert_none(merge); /* 0 is awaited: it has just spoken */
    log_merge_pass(merge);
    assert_next(merge, 1, "2");
    log_merge_offer(merge, 0, entry_at(7));
    assert_none(merge);
    log_merge_end(merge, 1);
    assert_next(merge, 0, "7");
}

/* Whatever the order of arrival, the result is sorted, and everything is in it once. */
static void test_merge_random(void)
{
    enum { N_LOGS = 7, N_LINES = 200 };
    g_autoptr(LogMerge) merge = log_merge_new(N_LOGS);
    uint64_t times[N_LOGS] = {0};
    unsigned n_offered[N_LOGS] = {0};
    unsigned n_taken = 0;
    uint64_t last = 0;

    while (!log_merge_is_over(merge)) {
        unsigned from;
        unsigned log = (unsigned)g_test_rand_int_range(0, N_LOGS);
        g_autoptr(LogEntry) entry = log_merge_take(merge, &from);

        if (entry != NULL) {
            g_assert_cmpuint(entry->time_usec, >=, last);
            last = entry->time_usec;
            n_taken++;
        }
        if (!log_merge_wants(merge, log))
            continue;
        times[log] += (uint64_t)g_test_rand_int_range(1, 5);
        if (n_offered[log]++ < N_LINES)
            log_merge_offer(merge, log, entry_at(times[log]));
        else
            log_merge_end(merge, log);
    }
    g_assert_cmpuint(n_taken, ==, N_LOGS * N_LINES);
}

/* Sources */

static void test_source(void)
{
    static const char text[] = "{\"text\":\"a\"}\nno line of a log\n{\"text\":\"b\"}\n{\"te";
    LogSource source;
    int ends[2];

    g_assert_no_errno(pipe(ends));
    log_source_init(&source, ends[0]);
    g_assert_cmpint(log_source_read(&source), ==, -EAGAIN);
    g_assert_cmpint((int)write(ends[1], text, strlen(text)), ==, (int)strlen(text));
    g_assert_cmpint(log_source_read(&source), ==, 0);
    g_autoptr(LogEntry) a = log_source_take(&source);
    g_autoptr(LogEntry) b = log_source_take(&source);
    g_assert_cmpstr(a->text, ==, "a");
    g_assert_cmpstr(b->text, ==, "b");
    g_assert_null(log_source_take(&source));
    g_assert_cmpint((int)write(ends[1], "xt\":\"c\"}\n", 9), ==, 9);
    g_assert_no_errno(close(ends[1]));
    g_assert_cmpint(log_source_read(&source), ==, 0);
    g_autoptr(LogEntry) c = log_source_take(&source);
    g_assert_cmpstr(c->text, ==, "c");
    g_assert_false(source.is_over);
    g_assert_cmpint(log_source_read(&source), ==, 0);
    g_assert_true(source.is_over);
    log_source_done(&source);
}

/* A line without an end is not kept for ever. */
static void test_source_bounded(void)
{
    g_autofree char *much = g_strnfill(65536, 'x');
    LogSource source;
    size_t n = 0;
    int ends[2];
    int r = 0;

    g_assert_no_errno(pipe(ends));
    log_source_init(&source, ends[0]);
    while (r == 0) {
        g_assert_cmpint((int)write(ends[1], much, 65536), ==, 65536);
        n += 65536;
        g_assert_cmpuint(n, <=, LOG_SOURCE_LINE_MAX + 2 * 65536);
        r = log_source_read(&source);
    }
    g_assert_cmpint(r, ==, -EBADMSG);
    g_assert_true(source.is_over);
    g_assert_no_errno(close(ends[1]));
    log_source_done(&source);
}

static void test_source_read_all(void)
{
    static const char text[] = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n";
    int ends[2];
    int silent[2];

    g_assert_no_errno(pipe(ends));
    g_assert_no_errno(pipe(silent));
    g_assert_cmpint((int)write(ends[1], text, strlen(text)), ==, (int)strlen(text));
    g_assert_no_errno(close(ends[1]));
    g_autoptr(json_t) lines = log_source_read_all(ends[0], 2, 5 * USEC_PER_SEC);
    g_assert_cmpuint(json_array_size(lines), ==, 2);
    g_assert_cmpstr(value_string(json_array_get(lines, 0), "text"), ==, "b");
    g_assert_null(log_source_read_all(silent[0], 2, 10 * USEC_PER_MSEC));
    g_assert_no_errno(close(silent[1]));
}

/* How they look */

static Output output_for_tests(bool is_terminal, bool has_colour)
{
    return (Output){.is_terminal = is_terminal, .has_colour = has_colour, .now = NOW};
}

/* Lines of services, each "INDEX JSON", in a style. */
static char *shown(const Output *output, LogStyle style, const char *const *services,
                   const char *const *lines)
{
    g_autoptr(LogText) text = log_text_new(output, style, (char **)services);
    GString *string = g_string_new(NULL);

    for (; *lines != NULL; lines++) {
        g_autoptr(LogEntry) entry = entry_of(*lines + 2);
        log_text_add(text, (unsigned)(**lines - '0'), entry, string);
    }
    log_text_end(text, string);
    return g_string_free(string, FALSE);
}

static const char *const one[] = {"web", NULL};
static const char *const two[] = {"web", "database", NULL};

#define OUT "\"time_usec\":1795262399250000,\"stream\":\"stdout\",\"invocation\":\"ab12\""
#define ERR "\"time_usec\":1795262399250000,\"stream\":\"stderr\",\"invocation\":\"ab12\""

static const struct {
    LogStyle style;
    bool is_terminal;
    bool has_colour;
    const char *const *services;
    const char *lines[4];
    const char *shown;
} text_rows[] = {
        {LOG_STYLE_SHORT,
         true,
         false,
         one,
         {"0 {" OUT ",\"text\":\"a\\tb\\u001b[1m\"}", "0 {" ERR ",\"text\":\"bad\"}"},
         "12:59:59.250   a\tb\\x1b[1m\n12:59:59.250 ! bad\n"},
        {LOG_STYLE_SHORT,
         true,
         true,
         one,
         {"0 {" OUT ",\"text\":\"a\"}", "0 {" ERR ",\"text\":\"bad\"}"},
         "\033[2m12:59:59.250\033[0m a\n\033[2m12:59:59.250\033[0m \033[33mbad\033[0m\n"},
        /* another day, and no time at all */
        {LOG_STYLE_SHORT,
         false,
         false,
         one,
         {"0 {\"time_usec\":1795215599000000,\"text\":\"a\"}", "0 {\"text\":\"b\"}"},
         "2026-11-20 23:59:59.000   a\nb\n"},
        {LOG_STYLE_SHORT,
         false,
         false,
         two,
         {"0 {" OUT ",\"text\":\"a\"}", "1 {" OUT ",\"text\":\"b\"}"},
         "web      | 12:59:59.250   a\ndatabase | 12:59:59.250   b\n"},
        {LOG_STYLE_SHORT,
         true,
         true,
         two,
         {"0 {\"text\":\"a\"}", "1 {\"text\":\"b\"}"},
         "\033[36mweb      |\033[0m a\n\033[35mdatabase |\033[0m b\n"},
        /* bytes */
        {LOG_STYLE_SHORT, false, false, one, {"0 {\"bytes\":\"/wBh\"}"}, "\\xff\\x00a\n"},
        /* pieces of a line */
        {LOG_STYLE_SHORT,
         false,
         false,
         one,
         {"0 {" OUT ",\"text\":\"a\",\"partial\":true}", "0 {" OUT ",\"text\":\"b\"}"},
         "12:59:59.250   ab\n"},
        {LOG_STYLE_SHORT,
         false,
         false,
         one,
         {"0 {" OUT ",\"text\":\"a\",\"partial\":true}", "0 {" ERR ",\"text\":\"b\"}",
          "0 {" OUT ",\"text\":\"c\"}"},
         "12:59:59.250   a\n12:59:59.250 ! b\n12:59:59.250   c\n"},
        {LOG_STYLE_SHORT,
         false,
         false,
         two,
         {"0 {\"text\":\"a\",\"partial\":true}", "1 {\"text\":\"b\"}"},
         "web      | a\ndatabase | b\n"},
        {LOG_STYLE_SHORT, false, false, one, {"0 {\"text\":\"a\",\"partial\":true}"}, "a\n"},
        /* as in the file */
        {LOG_STYLE_TEXT,
         false,
         false,
         one,
         {"0 {" OUT ",\"text\":\"a\\u001b\"}", "0 {" ERR ",\"text\":\"b\",\"partial\":true}",
          "0 {\"time_usec\":1,\"stream\":\"stdout\",\"text\":\"\",\"cut\":true}"},
         "2026-11-21T11:59:59.250000Z stdout F:ab12 a\033\n"
         "2026-11-21T11:59:59.250000Z stderr P:ab12 b\n"
         "1970-01-01T00:00:00.000001Z stdout F::cut \n"},
        {LOG_STYLE_TEXT, true, true, one, {"0 {\"text\":\"a\\u001b\"}"}, "a\\x1b\n"},
        {LOG_STYLE_TEXT, false, false, two, {"1 {\"text\":\"a\"}"}, "database | a\n"},
        /* as it was written */
        {LOG_STYLE_BARE,
         false,
         false,
         one,
         {"0 {" OUT ",\"text\":\"a\",\"partial\":true}", "0 {" ERR ",\"text\":\"b\"}",
          "0 {" OUT ",\"text\":\"c\\u001b\",\"cut\":true}"},
         "ab\nc\033"},
        {LOG_STYLE_BARE, true, false, one, {"0 {\"text\":\"c\\u001b\",\"cut\":true}"}, "c\\x1b\n"},
        {LOG_STYLE_BARE,
         false,
         false,
         two,
         {"0 {\"text\":\"a\",\"partial\":true}", "1 {\"text\":\"b\"}"},
         "web      | a\ndatabase | b\n"},
};

static void test_text_rows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(text_rows); i++) {
        Output output = output_for_tests(text_rows[i].is_terminal, text_rows[i].has_colour);
        g_autofree char *text =
                shown(&output, text_rows[i].style, text_rows[i].services, text_rows[i].lines);

        g_assert_cmpstr(text, ==, text_rows[i].shown);
    }
}

/* What day it is is looked at anew: who follows sees midnight. */
static void test_text_midnight(void)
{
    Output output = output_for_tests(false, false);
    g_autoptr(LogText) text = log_text_new(&output, LOG_STYLE_SHORT, (char **)one);
    g_autoptr(LogEntry) entry = entry_of("{\"time_usec\":1795262400000000,\"text\":\"a\"}");
    g_autoptr(GString) string = g_string_new(NULL);

    log_text_add(text, 0, entry, string);
    output.now += 12 * HOUR;
    log_text_add(text, 0, entry, string);
    g_assert_cmpstr(string->str, ==, "13:00:00.000   a\n2026-11-21 13:00:00.000   a\n");
}

static void test_styles(void)
{
    g_assert_cmpint(log_style_from_string("short"), ==, LOG_STYLE_SHORT);
    g_assert_cmpint(log_style_from_string("text"), ==, LOG_STYLE_TEXT);
    g_assert_cmpint(log_style_from_string("bare"), ==, LOG_STYLE_BARE);
    g_assert_cmpint(log_style_from_string("json"), ==, LOG_STYLE_JSON);
    g_assert_cmpint(log_style_from_string("cat"), ==, _LOG_STYLE_INVALID);
}

static void test_last_lines(void)
{
    Output output = output_for_tests(true, true);
    g_autoptr(json_t) lines = json_loads("[{\"text\":\"first\"}, {\"text\":\"a\",\"partial\":true},"
                                         "{\"text\":\"long line\\n\"}, {}]",
                                         0, NULL);
    g_autoptr(json_t) none = json_array();
    g_autofree char *all = last_lines_text(&output, lines, 10, 0);
    g_autofree char *cut = last_lines_text(&output, lines, 3, 12);

    g_assert_cmpstr(all, ==, "    first\n    along line\\n\n");
    g_assert_cmpstr(cut, ==, "    along...\n");
    g_assert_null(last_lines_text(&output, none, 10, 0));
    g_assert_null(last_lines_text(&output, NULL, 10, 0));
}

int main(int argc, char **argv)
{
    g_setenv("TZ", "UTC-1", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/logs/times", test_times);
    g_test_add_func("/logs/no-times", test_no_times);
    g_test_add_func("/logs/entry", test_entry);
    g_test_add_func("/logs/no-entry", test_no_entry);
    g_test_add_func("/logs/merge/order", test_merge_order);
    g_test_add_func("/logs/merge/timeless", test_merge_timeless);
    g_test_add_func("/logs/merge/pass", test_merge_pass);
    g_test_add_func("/logs/merge/random", test_merge_random);
    g_test_add_func("/logs/source/lines", test_source);
    g_test_add_func("/logs/source/bounded", test_source_bounded);
    g_test_add_func("/logs/source/read-all", test_source_read_all);
    g_test_add_func("/logs/text/rows", test_text_rows);
    g_test_add_func("/logs/text/midnight", test_text_midnight);
    g_test_add_func("/logs/text/styles", test_styles);
    g_test_add_func("/logs/last-lines", test_last_lines);
    return g_test_run();
}
