/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What reaches standard error: one line an entry, whatever the strings in it are. Standard error is
 * a pipe while a test looks. */

#include "base/fds.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Capture {
    int saved_stderr;
    int read_end; /* non-blocking */
} Capture;

static void capture_begin(Capture *capture)
{
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    capture->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    g_assert_cmpint(dup2(ends[1], STDERR_FILENO), ==, STDERR_FILENO);
    (void)fd_close(ends[1]);
    capture->read_end = ends[0];
    g_assert_cmpint(fcntl(capture->read_end, F_SETFL, O_NONBLOCK), ==, 0);
}

/* What is in the pipe now. */
static char *capture_read(Capture *capture)
{
    GString *text = g_string_new(NULL);
    char chunk[4096];

    for (ssize_t n; (n = read(capture->read_end, chunk, sizeof(chunk))) > 0;)
        g_string_append_len(text, chunk, n);
    return g_string_free(text, FALSE);
}

static void capture_end(Capture *capture)
{
    g_assert_cmpint(dup2(capture->saved_stderr, STDERR_FILENO), ==, STDERR_FILENO);
    capture->saved_stderr = fd_close(capture->saved_stderr);
    capture->read_end = fd_close(capture->read_end);
}

/* The text after "TIME PROGRAM" of the only line; asserts the time stamp's form. */
static char *line_after_program(const char *output)
{
    g_autofree char *pattern =
            g_strdup_printf("^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3} %s(\\[.*)\n$",
                            program_invocation_short_name);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_regex_match(regex, output, 0, &match))
        g_error("not one line with a time: %s", output);
    return g_match_info_fetch(match, 1);
}

static void test_log_levels(void)
{
    static const struct {
        LogLevel level;
        const char *name;
    } cases[] = {
            {LOG_LEVEL_ERROR, "error"},   {LOG_LEVEL_WARNING, "warning"},
            {LOG_LEVEL_NOTICE, "notice"}, {LOG_LEVEL_INFO, "info"},
            {LOG_LEVEL_DEBUG, "debug"},
    };
    LogLevel level = LOG_LEVEL_NOTICE;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        LogLevel found;

        g_assert_true(log_level_from_string(cases[i].name, &found));
        g_assert_cmpint(found, ==, cases[i].level);
        g_assert_cmpstr(log_level_to_string(cases[i].level), ==, cases[i].name);
    }
    g_assert_false(log_level_from_string("Error", &level));
    g_assert_false(log_level_from_string("", &level));
    g_assert_false(log_level_from_string(NULL, &level));
    g_assert_cmpint(level, ==, LOG_LEVEL_NOTICE);
}

static void on_log(LogLevel level, const char *service, const char *message, void *data)
{
    g_string_append_printf(data, "%s|%s|%s;", log_level_to_string(level),
                           service == NULL ? "-" : service, message);
}

static void test_log_sink(void)
{
    g_autoptr(GString) seen = g_string_new(NULL);

    log_set_sink(on_log, seen);
    log_set_level(LOG_LEVEL_WARNING);
    g_assert_cmpint(log_get_level(), ==, LOG_LEVEL_WARNING);
    log_error("e %d", 1);
    log_warning("w");
    log_notice("n");
    log_service(LOG_LEVEL_INFO, "web", "i");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("d");
    log_service(LOG_LEVEL_INFO, "web", "two\nlines");
    log_set_sink(NULL, NULL);
    log_set_level(LOG_LEVEL_INFO);
    g_assert_cmpstr(seen->str, ==, "error|-|e 1;warning|-|w;debug|-|d;info|web|two\nlines;");
}

static void test_log_errno(void)
{
    g_autoptr(GString) seen = g_string_new(NULL);

    log_set_sink(on_log, seen);
    errno = ENOENT;
    log_warning("%s", g_strerror(errno));
    g_assert_cmpint(errno, ==, ENOENT);
    log_set_sink(NULL, NULL);
}

static void test_log_line(void)
{
    static const char *const fields[] = {"SVCMGR_STATE", "active", NULL};
    static const struct {
        const char *service, *message, *expected;
    } cases[] = {
            {NULL, "hello", "[warning]: hello"},
            {"web", "hello", "[warning]: service 'web': hello"},
            {NULL, "", "[warning]: "},
            {NULL, "forged\n2026-01-01 x[error]: y\t\r",
             "[warning]: forged\\n2026-01-01 x[error]: y\\t\\x0d"},
            {"a\nb\x1b", "x", "[warning]: service 'a\\nb\\x1b': x"},
            {NULL, "\x1b[31m \x7f \xff \xc2\x9b", "[warning]: \\x1b[31m \\x7f \\xff \\xc2\\x9b"},
            {NULL, "gr\xc3\xbc\xc3\x9f", "[warning]: gr\xc3\xbc\xc3\x9f"},
            {NULL, "cut \xe2\x82", "[warning]: cut \\xe2\\x82"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Capture capture;

        capture_begin(&capture);
        log_full(LOG_LEVEL_WARNING, "f.c", 1, "f", cases[i].service, fields, "%s",
                 cases[i].message);
        g_autofree char *output = capture_read(&capture);
        capture_end(&capture);

        g_autofree char *rest = line_after_program(output);
        g_assert_cmpstr(rest, ==, cases[i].expected);
    }
}

/* One write of at most PIPE_BUF, cut between characters. */
static void test_log_long_line(void)
{
    g_autoptr(GString) message = g_string_new(NULL);

    for (unsigned i = 0; i < 4; i++) { /* so that the cut meets every phase of the characters */
        Capture capture;

        g_string_truncate(message, 0);
        g_string_append_len(message, "xxx", i);
        while (message->len < 10000)
            g_string_append(message, "\xe2\x82\xac");
        capture_begin(&capture);
        log_info("%s", message->str);
        g_autofree char *output = capture_read(&capture);
        capture_end(&capture);

        g_assert_cmpuint(strlen(output), <=, 4096);
        g_assert_cmpuint(strlen(output), >, 4090);
        g_assert_true(g_str_has_suffix(output, "\xe2\x82\xac...\n"));
        g_assert_true(g_utf8_validate(output, -1, NULL));
    }
}

static void test_log_journal(void)
{
    Capture capture;
    struct stat status;

    capture_begin(&capture);
    g_assert_cmpint(fstat(STDERR_FILENO, &status), ==, 0);

    g_autofree char *other =
            g_strdup_printf("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino + 1);
    g_setenv("JOURNAL_STREAM", other, TRUE);
    log_init(LOG_LEVEL_INFO);
    log_info("to standard error");
    g_autofree char *line = capture_read(&capture);

    g_autofree char *own =
            g_strdup_printf("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    g_setenv("JOURNAL_STREAM", own, TRUE);
    log_init(LOG_LEVEL_INFO);
    log_info("unit test of svcmgr: to the journal, if there is one");
    g_autofree char *nothing = capture_read(&capture);

    g_unsetenv("JOURNAL_STREAM");
    log_init(LOG_LEVEL_INFO);
    capture_end(&capture);
    g_assert_nonnull(strstr(line, "to standard error"));
    g_assert_cmpstr(nothing, ==, "");
}

static void test_log_stalled_reader(void)
{
    Capture capture;

    capture_begin(&capture);
    g_assert_cmpint(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 8192), ==, 8192); /* two long lines */
    log_info("%4000s", "fits");
    log_info("%4000s", "fits too");
    log_info("lost");
    log_info("lost too");
    g_autofree char *first = capture_read(&capture);
    log_info("again");
    g_autofree char *second = capture_read(&capture);
    log_info("later");
    g_autofree char *third = capture_read(&capture);
    capture_end(&capture);

    g_assert_nonnull(strstr(first, "fits too"));
    g_assert_null(strstr(first, "lost"));
    g_assert_nonnull(
            strstr(second, "[warning]: log lines lost, since nobody read them in time: 2\n"));
    g_assert_nonnull(strstr(second, "[info]: again\n"));
    g_assert_null(strstr(third, "lines lost"));
    g_assert_nonnull(strstr(third, "later"));
}

static void test_log_no_reader(void)
{
    Capture capture;

    capture_begin(&capture);
    capture.read_end = fd_close(capture.read_end);
    log_error("nobody hears this, and no SIGPIPE kills us");
    capture_end(&capture);

    capture_begin(&capture);
    log_info("heard");
    g_autofree char *output = capture_read(&capture);
    capture_end(&capture);
    g_assert_nonnull(strstr(output, "heard"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/levels", test_log_levels);
    g_test_add_func("/log/sink", test_log_sink);
    g_test_add_func("/log/errno", test_log_errno);
    g_test_add_func("/log/line", test_log_line);
    g_test_add_func("/log/long-line", test_log_long_line);
    g_test_add_func("/log/journal", test_log_journal);
    g_test_add_func("/log/stalled-reader", test_log_stalled_reader);
    g_test_add_func("/log/no-reader", test_log_no_reader);
    return g_test_run();
}
