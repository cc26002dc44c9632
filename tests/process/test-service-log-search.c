/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever asks for the last lines of a log gets those that a model, which has all lines in an
 * array and counts each end of the log anew, says they are. */

#include "log-reader.h"
#include "process/service-log-walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const model_invocations[] = {
        "0123456789abcdef0123456789abcdef",
        "fedcba9876543210fedcba987654cdef",
        "",
};

typedef struct Model {
    GPtrArray *texts; /* what the lines borrow */
    GArray *lines;    /* of ServiceLogLine */
    size_t line_max;
    uint64_t time_usec;
} Model;

static void model_init(Model *model, size_t line_max)
{
    model->texts = g_ptr_array_new_with_free_func(g_free);
    model->lines = g_array_new(FALSE, FALSE, sizeof(ServiceLogLine));
    model->line_max = line_max;
    model->time_usec = (uint64_t)g_get_real_time() - 3600 * USEC_PER_SEC;
}

static void model_done(Model *model)
{
    g_ptr_array_unref(model->texts);
    g_array_unref(model->lines);
}

static char *model_text(size_t length)
{
    char *text = g_malloc(length + 1);

    for (size_t i = 0; i < length; i++)
        text[i] = (char)g_test_rand_int_range(i % 50 == 0 ? 1 : 'a', 'z');
    for (size_t i = 0; i < length; i++)
        text[i] = text[i] == '\n' ? 'n' : text[i];
    text[length] = '\0';
    return text;
}

static ServiceLogLine model_line(Model *model)
{
    size_t length = (size_t)g_test_rand_int_range(0, (int)model->line_max + 1);
    char *text = model_text(g_test_rand_int_range(0, 4) == 0 ? length : length / 10);
    const char *invocation = model_invocations[g_test_rand_int_range(0, 3)];

    g_ptr_array_add(model->texts, text);
    if (g_test_rand_int_range(0, 10) == 0)
        return (ServiceLogLine){.invocation = "", .text = text, .length = strlen(text)};
    model->time_usec += (uint64_t)g_test_rand_int_range(0, 2000) * USEC_PER_MSEC;
    return (ServiceLogLine){
            .time_usec = model->time_usec,
            .stream = (OutputStream)g_test_rand_int_range(0, _OUTPUT_STREAM_MAX),
            .piece = (OutputPiece)g_test_rand_int_range(0, 3),
            .invocation = invocation,
            .invocation_length = strlen(invocation),
            .text = text,
            .length = strlen(text),
    };
}

static void model_say(Model *model, ServiceLog *log, unsigned n)
{
    g_autoptr(GString) bytes = g_string_new(NULL);

    for (unsigned i = 0; i < n; i++) {
        ServiceLogLine line = model_line(model);

        g_array_append_val(model->lines, line);
        service_log_line_format(&line, LOG_FORMAT_TEXT, bytes);
        if (g_test_rand_int_range(0, 3) == 0) {
            service_log_append(log, bytes->str, bytes->len);
            g_string_truncate(bytes, 0);
        }
    }
    service_log_append(log, bytes->str, bytes->len);
}

static bool model_is_meant(const ServiceLogLine *line, const LogQuery *query)
{
    g_autofree char *invocation = g_strndup(line->invocation, line->invocation_length);

    if (line->time_usec != 0 && line->time_usec < query->since_usec)
        return false;
    return query->invocation == NULL ||
           (line->time_usec != 0 && g_str_has_suffix(invocation, query->invocation));
}

/* A part is of the line of the next part of its stream, if that is of the same run. */
static unsigned model_count(const GArray *meant, unsigned from)
{
    unsigned n = 0;

    for (unsigned i = from; i < meant->len; i++) {
        const ServiceLogLine *line = &g_array_index(meant, ServiceLogLine, i), *next = NULL;

        for (unsigned j = i + 1; j < meant->len && next == NULL; j++) {
            const ServiceLogLine *later = &g_array_index(meant, ServiceLogLine, j);

            if (later->time_usec != 0 && later->stream == line->stream)
                next = later;
        }
        n += line->piece != OUTPUT_PARTIAL || next == NULL ||
             !g_str_equal(next->invocation, line->invocation);
    }
    return n;
}

static GArray *model_choose(const Model *model, const LogQuery *query)
{
    GArray *meant = g_array_new(FALSE, FALSE, sizeof(ServiceLogLine));
    unsigned from;

    for (unsigned i = 0; i < model->lines->len; i++) {
        ServiceLogLine line = g_array_index(model->lines, ServiceLogLine, i);

        if (model_is_meant(&line, query))
            g_array_append_val(meant, line);
    }
    from = meant->len;
    while (from > 0 && model_count(meant, from - 1) <= query->lines)
        from--;
    if (from > 0)
        g_array_remove_range(meant, 0, from);
    return meant;
}

static LogQuery model_query(const Model *model)
{
    LogQuery query = {
            .lines = g_test_rand_int_range(0, 3) == 0
                             ? LOG_LINES_ALL
                             : (uint32_t)g_test_rand_int_range(0, (int)model->lines->len + 5),
            .format = (LogFormat)g_test_rand_int_range(0, _LOG_FORMAT_MAX),
    };
    unsigned at = (unsigned)g_test_rand_int_range(0, (int)model->lines->len);

    if (g_test_rand_int_range(0, 3) == 0)
        query.lines = (uint32_t)g_test_rand_int_range(0, 6);
    if (g_test_rand_bit())
        query.since_usec = g_array_index(model->lines, ServiceLogLine, at).time_usec;
    if (g_test_rand_bit())
        query.invocation = g_test_rand_bit() ? "cdef" : model_invocations[0] + 20;
    return query;
}

static void check_query(LogStreamFixture *fixture, const Model *model, const LogQuery *query)
{
    g_autoptr(GArray) lines = model_choose(model, query);
    g_autoptr(GString) expected = g_string_new(NULL);
    size_t length;
    g_autofree char *text = log_streams_read(fixture, "web", query, &length);

    for (unsigned i = 0; i < lines->len; i++)
        service_log_line_format(&g_array_index(lines, ServiceLogLine, i), query->format, expected);
    g_assert_cmpmem(text, length, expected->str, expected->len);
}

static void on_last_line(const ServiceLogLine *line, void *data)
{
    service_log_line_format(line, LOG_FORMAT_TEXT, data);
}

static void check_last(LogStreamFixture *fixture, const Model *model, const LogQuery *query)
{
    LogQuery asked = {.lines = query->lines, .invocation = query->invocation};
    g_autoptr(GArray) lines = model_choose(model, &asked);
    g_autoptr(GString) expected = g_string_new(NULL), got = g_string_new(NULL);
    size_t max_bytes = (size_t)g_test_rand_int_range(0, 20000), bytes = 0;
    unsigned from = lines->len;

    while (from > 0 && bytes + g_array_index(lines, ServiceLogLine, from - 1).length <= max_bytes)
        bytes += g_array_index(lines, ServiceLogLine, --from).length;
    for (unsigned i = from; i < lines->len; i++)
        on_last_line(&g_array_index(lines, ServiceLogLine, i), expected);
    service_log_read_last(fixture->log.logs, "web", asked.invocation, asked.lines, max_bytes,
                          on_last_line, got);
    g_assert_cmpmem(got->str, got->len, expected->str, expected->len);
}

static const struct {
    unsigned n_lines; /* of a round */
    size_t line_max;
    uint64_t size;
    bool has_last; /* all of it is in so few files and bytes as are read for the last lines */
} model_sizes[] = {
        {1, 10, 100, false},      {60, 80, 6000, true},       {20, 200, 100, false},
        {60, 3000, 20000, false}, {25, 65536, 200000, false}, {400, 10, 1000000, true},
};

static void test_model(LogStreamFixture *fixture, const void *data)
{
    unsigned which = GPOINTER_TO_UINT(data);
    ServiceLog *log = log_fixture_open(&fixture->log, "web", model_sizes[which].size, 1000);
    Model model;

    model_init(&model, model_sizes[which].line_max);
    for (unsigned round = 0; round < 6; round++) {
        model_say(&model, log, model_sizes[which].n_lines);
        for (unsigned i = 0; i < 20; i++) {
            LogQuery query = model_query(&model);

            check_query(fixture, &model, &query);
            if (model_sizes[which].has_last)
                check_last(fixture, &model, &query);
        }
    }
    service_log_close(log);
    model_done(&model);
}

static void check_text(LogStreamFixture *fixture, const LogQuery *query, const char *expected)
{
    size_t length;
    g_autofree char *text = log_streams_read(fixture, "web", query, &length);

    g_assert_cmpstr(text, ==, expected);
}

static void check_last_text(LogStreamFixture *fixture, unsigned lines, size_t max_bytes,
                            const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    service_log_read_last(fixture->log.logs, "web", NULL, lines, max_bytes, on_last_line, text);
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_empty(LogStreamFixture *fixture, const void *unused)
{
    LogQuery all = {.lines = LOG_LINES_ALL}, last = {.lines = 10}, none = {.lines = 0};
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 10, 5);

    check_text(fixture, &all, "");
    check_text(fixture, &last, "");
    check_last_text(fixture, 10, 1000, "");
    log_fixture_count(log, 1, 3, 10);
    check_text(fixture, &none, "");
    check_text(fixture, &last, "1        \n2        \n3        \n");
    check_last_text(fixture, 0, 1000, "");
    check_last_text(fixture, 10, 0, "");
    check_last_text(fixture, 10, 20, "2        \n3        \n");
    service_log_close(log);
}

/* A line that is longer than any of ours: by somebody else. */
static void test_overlong(LogStreamFixture *fixture, const void *unused)
{
    LogQuery last = {.lines = 2, .format = LOG_FORMAT_BARE};
    g_autofree char *path = log_fixture_path(&fixture->log, "web", 0);
    g_autofree char *directory = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    for (size_t length = 64000; length < 300000; length += g_test_rand_int_range(1, 5000)) {
        g_autofree char *xs = g_strnfill(length, 'x');
        g_autofree char *line = g_strconcat("2026-11-21T23:48:55.123456Z stdout F:run ", xs, NULL);
        g_autofree char *all = g_strconcat("first\n", line, "\nlast\n", NULL);
        size_t n;

        g_assert_true(g_file_set_contents(path, all, -1, NULL));
        g_autofree char *text = log_streams_read(fixture, "web", &last, &n);
        g_assert_cmpuint(n, >=, length + 6);
        g_assert_cmpuint(strspn(text, "x"), ==,
                         MIN(length, SERVICE_LOG_PIECE_BYTES - (strlen(line) - length)));
        g_assert_true(g_str_has_suffix(text, "x\nlast\n"));
        g_assert_cmpuint(n - length, <=, 6 + strlen(line) / SERVICE_LOG_PIECE_BYTES);
    }
}

/* Its stamp may begin in another piece than it ends. */
static void test_overlong_stamp(LogStreamFixture *fixture, const void *unused)
{
    LogQuery last = {.lines = 1, .format = LOG_FORMAT_BARE, .invocation = "run"};
    g_autofree char *path = log_fixture_path(&fixture->log, "web", 0);
    g_autofree char *directory = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    for (size_t i = 0; i < 300; i += 3) {
        g_autofree char *xs = g_strnfill(SERVICE_LOG_PIECE_BYTES - 200 + i, 'x');
        g_autofree char *all = g_strconcat("2026-11-21T23:48:55.123456Z stdout F:run first\n"
                                           "2026-11-21T23:48:55.123456Z stdout F:run ",
                                           xs, "\nlast\n", NULL);
        size_t n;

        g_assert_true(g_file_set_contents(path, all, -1, NULL));
        g_autofree char *text = log_streams_read(fixture, "web", &last, &n);
        g_assert_cmpuint(n, >, SERVICE_LOG_PIECE_BYTES - 300);
        g_assert_cmpuint(text[0], ==, 'x');
    }
}

/* Killed within a write. */
static void test_torn(LogStreamFixture *fixture, const void *unused)
{
    LogQuery last = {.lines = 2}, one = {.lines = 1};
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 30, 5);
    g_autofree char *rotated = log_fixture_path(&fixture->log, "web", 1);
    g_autofree char *current = log_fixture_path(&fixture->log, "web", 0);

    log_fixture_count(log, 1, 4, 10);
    g_assert_cmpint(truncate(rotated, 25), ==, 0);
    g_assert_cmpint(truncate(current, 3), ==, 0);
    check_text(fixture, &one, "4  \n");
    check_text(fixture, &last, "3    \n4  \n");
    check_last_text(fixture, 2, 1000, "3    \n4  \n");
    service_log_close(log);
}

/* Dates */

static unsigned n_opened;

static int count_openat(int directory_fd, const char *path, int flags)
{
    n_opened++;
    return sys_linux.openat(directory_fd, path, flags);
}

/* Of a thousand files those of before that time are not even opened. */
static void test_since(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 80, 1000);
    uint64_t now_usec = (uint64_t)g_get_real_time();
    LogQuery query = {.lines = LOG_LINES_ALL, .since_usec = now_usec - 50 * USEC_PER_SEC};

    for (unsigned i = 0; i <= 200; i++) {
        uint64_t usec = now_usec - (200 - i) * 10 * USEC_PER_SEC;
        struct timespec times[2] = {{.tv_sec = (time_t)(usec / USEC_PER_SEC)},
                                    {.tv_sec = (time_t)(usec / USEC_PER_SEC)}};
        g_autofree char *path = log_fixture_path(&fixture->log, "web", 0);
        char stamp[SERVICE_LOG_STAMP_MAX];
        size_t n = service_log_line_stamp(stamp, usec, OUTPUT_STDOUT, OUTPUT_WHOLE, "run");
        g_autofree char *line = g_strdup_printf("%.*s%010u\n", (int)n, stamp, i);

        log_fixture_say(log, line);
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
    }
    query.format = LOG_FORMAT_BARE;
    fixture->log.sys.openat = count_openat;
    for (unsigned i = 0; i < 2; i++) {
        n_opened = 0;
        check_text(fixture, &query,
                   "0000000195\n0000000196\n0000000197\n0000000198\n0000000199\n0000000200\n");
        g_assert_cmpuint(n_opened, <, 20);
        query.lines = 1000;
    }
    service_log_close(log);
}

/* Turns */

static size_t n_read_bytes;
static unsigned n_reads;

static ssize_t count_pread(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t n = sys_linux.pread(fd, buffer, size, offset);

    n_reads++;
    n_read_bytes += n > 0 ? (size_t)n : 0;
    return n;
}

/* However much there is to be looked at: a turn opens a file, or reads a piece. */
static void test_turns(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 1000);
    LogQuery query = {.lines = 5, .invocation = "nobody"};
    unsigned n_turns = 0;

    log_fixture_count(log, 1, 40000, 100);
    fixture->log.sys.pread = count_pread;
    fixture->log.sys.openat = count_openat;
    LogReader *reader = log_reader_new(fixture, "web", &query, NULL);
    size_t all_bytes = 0;
    while (reader->fd >= 0) {
        n_read_bytes = 0;
        n_reads = n_opened = 0;
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), USEC_PER_SEC), >, 0);
        g_assert_cmpuint(n_reads + n_opened, <=, 1);
        g_assert_cmpuint(n_read_bytes, <=, SERVICE_LOG_PIECE_BYTES);
        all_bytes += n_read_bytes;
        n_turns++;
    }
    g_assert_cmpuint(all_bytes, >=, 4000000);
    g_assert_cmpuint(all_bytes, <, 4400000);
    g_assert_cmpuint(n_turns, <, 200);
    g_assert_cmpuint(reader->text->len, ==, 0);
    log_reader_free(reader);
    service_log_close(log);
}

/* What is searched is rotated, removed, or cut short. */
static void test_meanwhile(LogStreamFixture *fixture, const void *unused)
{
    for (unsigned how = 0; how < 3; how++) {
        g_autofree char *id = g_strdup_printf("service-%u", how);
        ServiceLog *log = log_fixture_open(&fixture->log, id, 300000, how == 1 ? 1 : 100);
        LogQuery query = {.lines = 8000};

        log_fixture_count(log, 1, 9000, 100);
        LogReader *reader = log_reader_new(fixture, id, &query, NULL);
        for (unsigned i = 0; i < 3; i++)
            g_assert_cmpint(sd_event_run(loop_event(fixture->loop), USEC_PER_SEC), >, 0);
        if (how < 2)
            log_fixture_count(log, 9001, 15000, 100);
        for (uint64_t number = 0; how == 2 && number < 3; number++) {
            g_autofree char *path = log_fixture_path(&fixture->log, id, number);

            (void)truncate(path, 0);
        }
        log_reader_wait_end(reader);
        if (how == 0) {
            g_assert_cmpuint(reader->text->len, ==, 800000);
            g_assert_true(g_str_has_prefix(reader->text->str, "1001 "));
            g_assert_nonnull(strstr(reader->text->str, "\n9000 "));
        } else {
            g_assert_null(strstr(reader->text->str, "\n9001 "));
        }
        log_reader_free(reader);
        service_log_close(log);
    }
}

/* The file that the search has found, or would have, is removed before it is read. */
static void test_start_removed(LogStreamFixture *fixture, const void *unused)
{
    for (unsigned n_turns = 0; n_turns < 6; n_turns++) {
        g_autofree char *id = g_strdup_printf("service-%u", n_turns);
        ServiceLog *log = log_fixture_open(&fixture->log, id, 1000, 1);
        LogQuery query = {.lines = 5, .follow = true, .format = LOG_FORMAT_BARE};

        log_fixture_count(log, 1, 90, 10);
        LogReader *reader = log_reader_new(fixture, id, &query, NULL);
        for (unsigned i = 0; i < n_turns; i++)
            (void)sd_event_run(loop_event(fixture->loop), 0);
        log_fixture_count(log, 91, 450, 10);
        service_logs_tell_deleted(fixture->log.logs, id);
        log_reader_wait_end(reader);

        /* Files of 100 lines: of 1 to 300 there are none any more, unless one is open. */
        const char *text = reader->text->str;
        if (strncmp(text, "86 ", 3) == 0) {
            g_assert_cmpuint(n_turns, >, 2);
            text = strstr(text, "svcmgr: 2 files were removed before they were read\n301 ");
        } else {
            g_assert_true(g_str_has_prefix(
                    text, "svcmgr: 3 files were removed before they were read\n301 "));
        }
        g_assert_nonnull(text);
        g_assert_cmpuint(strlen(strchr(text, '\n') + 1), ==, 1500);
        log_reader_free(reader);
        service_log_close(log);
    }
}

/* Of a log that is longer only the end is looked at, from a whole line on. */
static void test_last_of_many(LogStreamFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(&fixture->log, "web", 1000000, 5);
    g_autoptr(GString) text = g_string_new(NULL);

    log_fixture_count(log, 1, 40000, 11);
    service_log_read_last(fixture->log.logs, "web", NULL, 100000, SIZE_MAX, on_last_line, text);
    g_assert_cmpuint(text->len, <=, 256 * 1024);
    g_assert_cmpuint(text->len, >, 256 * 1024 - 30);
    g_assert_cmpuint(text->len % 11, ==, 0);
    g_assert_cmpuint(strtoul(text->str, NULL, 10), ==, 40001 - text->len / 11);
    service_log_close(log);
}

#define SEARCH_TEST(name, function)                                                                \
    g_test_add("/service-log-search/" name, LogStreamFixture, NULL, log_streams_init, function,    \
               log_streams_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(model_sizes); i++) {
        g_autofree char *path = g_strdup_printf("/service-log-search/model/%u", i);

        g_test_add(path, LogStreamFixture, GUINT_TO_POINTER(i), log_streams_init, test_model,
                   log_streams_done);
    }
    SEARCH_TEST("empty", test_empty);
    SEARCH_TEST("overlong", test_overlong);
    SEARCH_TEST("overlong-stamp", test_overlong_stamp);
    SEARCH_TEST("torn", test_torn);
    SEARCH_TEST("since", test_since);
    SEARCH_TEST("turns", test_turns);
    SEARCH_TEST("meanwhile", test_meanwhile);
    SEARCH_TEST("start-removed", test_start_removed);
    SEARCH_TEST("last-of-many", test_last_of_many);
    return g_test_run();
}
