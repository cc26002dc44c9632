/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written is read as the same; what is not exactly as it would be written is text. */

#include "process/service-log-line.h"

#include <jansson.h>
#include <string.h>

#define LOG_LINE_ID "0123456789abcdef0123456789abcdef"
#define LOG_LINE_TIME "2026-11-21T23:48:55.123456Z"
#define LOG_LINE_TIME_USEC UINT64_C(1795304935123456)
#define LOG_LINE_SECOND UINT64_C(1000000)
#define LOG_LINE_END UINT64_C(253402300799999999)

static void log_line_assert_same(const ServiceLogLine *line, const ServiceLogLine *expected)
{
    g_assert_cmpuint(line->time_usec, ==, expected->time_usec);
    g_assert_cmpint(line->stream, ==, expected->stream);
    g_assert_cmpint(line->piece, ==, expected->piece);
    g_assert_cmpmem(line->invocation, line->invocation_length, expected->invocation,
                    expected->invocation_length);
    g_assert_cmpmem(line->text, line->length, expected->text, expected->length);
}

/* The line in memory of exactly its size, without newline. */
static char *log_line_write(const ServiceLogLine *line, size_t *ret_length)
{
    g_autofree char *invocation = g_strndup(line->invocation, line->invocation_length);
    char stamp[SERVICE_LOG_STAMP_MAX];
    size_t n =
            service_log_line_stamp(stamp, line->time_usec, line->stream, line->piece, invocation);
    char *kept = g_malloc(n + line->length);

    memcpy(kept, stamp, n);
    if (line->length > 0)
        memcpy(kept + n, line->text, line->length);
    *ret_length = n + line->length;
    return kept;
}

static void log_line_assert_round_trip(const ServiceLogLine *line)
{
    size_t length;
    g_autofree char *kept = log_line_write(line, &length);
    g_autoptr(GString) text = g_string_new("before\n");
    ServiceLogLine again;

    g_assert_true(service_log_line_parse(kept, length, &again));
    log_line_assert_same(&again, line);
    service_log_line_format(&again, LOG_FORMAT_TEXT, text);
    g_assert_cmpuint(text->len, ==, strlen("before\n") + length + 1);
    g_assert_cmpmem(text->str + strlen("before\n"), length, kept, length);
    g_assert_cmpint(text->str[text->len - 1], ==, '\n');
}

static const struct {
    const char *text;
    size_t length;
} log_line_texts[] = {
#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof literal - 1                                                                \
    }
        TEXT(""),
        TEXT("hello"),
        TEXT(" "),
        TEXT("  two at both ends  "),
        TEXT("\t\r"),
        TEXT("\0a\0"),
        TEXT("\xff\xfe\x80"),
        TEXT("ünïcode \xf0\x9f\x98\x80"),
        TEXT("F:x stdout"),
        TEXT(":cut text"),
        TEXT(LOG_LINE_TIME " stdout F:" LOG_LINE_ID " again"),
#undef TEXT
};

static void test_round_trip(void)
{
    static const char *const invocations[] = {LOG_LINE_ID, "", "a"};

    for (int i = 0; i < 2 * 3 * (int)G_N_ELEMENTS(invocations); i++) {
        ServiceLogLine line = {
                .time_usec = LOG_LINE_TIME_USEC,
                .stream = (OutputStream)(i % 2),
                .piece = (OutputPiece)(i / 2 % 3),
                .invocation = invocations[i / 6],
                .invocation_length = strlen(invocations[i / 6]),
        };

        for (size_t j = 0; j < G_N_ELEMENTS(log_line_texts); j++) {
            line.text = log_line_texts[j].text;
            line.length = log_line_texts[j].length;
            log_line_assert_round_trip(&line);
        }
    }
}

static const struct {
    OutputStream stream;
    OutputPiece piece;
    const char *invocation;
    const char *stamp;
} log_line_stamps[] = {
        {OUTPUT_STDOUT, OUTPUT_WHOLE, LOG_LINE_ID, " stdout F:" LOG_LINE_ID " "},
        {OUTPUT_STDERR, OUTPUT_PARTIAL, LOG_LINE_ID, " stderr P:" LOG_LINE_ID " "},
        {OUTPUT_STDERR, OUTPUT_CUT, LOG_LINE_ID, " stderr F:" LOG_LINE_ID ":cut "},
        {OUTPUT_STDOUT, OUTPUT_WHOLE, "", " stdout F "},
        {OUTPUT_STDOUT, OUTPUT_PARTIAL, "", " stdout P "},
        {OUTPUT_STDOUT, OUTPUT_CUT, "", " stdout F::cut "},
        /* Only so much of it as there is room for. */
        {OUTPUT_STDOUT, OUTPUT_WHOLE, LOG_LINE_ID "tail", " stdout F:" LOG_LINE_ID " "},
};

static void test_stamps(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(log_line_stamps); i++) {
        g_autofree char *expected = g_strconcat(LOG_LINE_TIME, log_line_stamps[i].stamp, NULL);
        char stamp[SERVICE_LOG_STAMP_MAX];
        size_t n = service_log_line_stamp(stamp, LOG_LINE_TIME_USEC, log_line_stamps[i].stream,
                                          log_line_stamps[i].piece, log_line_stamps[i].invocation);

        g_assert_cmpmem(stamp, n, expected, strlen(expected));
    }
}

/* Each is one step away from a line that is read. */
static const char *const log_line_hostile[] = {
        "",
        "hello",
        LOG_LINE_TIME,
        LOG_LINE_TIME " ",
        LOG_LINE_TIME " stdout",
        LOG_LINE_TIME " stdout ",
        LOG_LINE_TIME " stdout F",
        LOG_LINE_TIME " stdout F:",
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID,
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID ":",
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID ": text",
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID ":cut",
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID ":cut:cut text",
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID ":torn text",
        LOG_LINE_TIME " stdout F:" LOG_LINE_ID "0 text", /* 33 */
        LOG_LINE_TIME " stdout F: text",
        LOG_LINE_TIME " stdout P:a:cut text",
        LOG_LINE_TIME " stdout P::cut text",
        LOG_LINE_TIME " stdout F:a\tb text",
        LOG_LINE_TIME " stdout F:\xc3\xbc text",
        LOG_LINE_TIME " stdout G:a text",
        LOG_LINE_TIME " stdout f:a text",
        LOG_LINE_TIME " stdin F:a text",
        LOG_LINE_TIME " STDOUT F:a text",
        LOG_LINE_TIME " stdoutF:a text",
        LOG_LINE_TIME "  stdout F:a text",
        LOG_LINE_TIME " stdout  F:a text",
        LOG_LINE_TIME "\tstdout F:a text",
        " " LOG_LINE_TIME " stdout F:a text",
};

static void log_line_assert_refused(const char *text, size_t length)
{
    g_autofree char *line = g_memdup2(text, length);
    ServiceLogLine parsed, before;

    memset(&parsed, 0x5a, sizeof parsed);
    before = parsed;
    g_assert_false(service_log_line_parse(line, length, &parsed));
    g_assert_cmpmem(&parsed, sizeof parsed, &before, sizeof before);
}

static void test_hostile(void)
{
    static const char zeros[64] = {0};
    static const char line[] = LOG_LINE_TIME " stdout F:" LOG_LINE_ID " ";
    ServiceLogLine parsed;

    for (size_t i = 0; i < G_N_ELEMENTS(log_line_hostile); i++)
        log_line_assert_refused(log_line_hostile[i], strlen(log_line_hostile[i]));
    log_line_assert_refused(zeros, sizeof zeros);
    g_assert_true(service_log_line_parse(line, strlen(line), &parsed));
    for (size_t length = 0; length < strlen(line); length++)
        log_line_assert_refused(line, length);
}

/* Before any time was written or read: what the daemon keeps of the last one is of none. */
static void test_first(void)
{
    static const char zeros[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                "123456Z stdout F:a text";

    log_line_assert_refused(zeros, sizeof zeros - 1);
}

/* Times */

static bool log_line_has_time(const char *time, uint64_t *ret_usec)
{
    g_autofree char *text = g_strconcat(time, " stdout F:a text", NULL);
    ServiceLogLine line;

    if (!service_log_line_parse(text, strlen(text), &line))
        return false;
    *ret_usec = line.time_usec;
    return true;
}

static void log_line_assert_time(uint64_t usec, const char *expected)
{
    char stamp[SERVICE_LOG_STAMP_MAX];
    uint64_t again;

    (void)service_log_line_stamp(stamp, usec, OUTPUT_STDOUT, OUTPUT_WHOLE, "a");
    g_assert_cmpmem(stamp, strlen(expected), expected, strlen(expected));
    g_assert_true(log_line_has_time(expected, &again));
    g_assert_cmpuint(again, ==, CLAMP(usec, 1, LOG_LINE_END));
}

/* Some days of each year, in GLib's reckoning. */
static void test_years(void)
{
    static const int days[][2] = {{1, 1}, {2, 28}, {3, 1}, {12, 31}};

    for (int year = 1970; year <= 9999; year++) {
        for (size_t i = 0; i < G_N_ELEMENTS(days); i++) {
            g_autoptr(GDateTime) date =
                    g_date_time_new_utc(year, days[i][0], days[i][1], 23, 59, 58);
            uint32_t fraction = (uint32_t)g_test_rand_int_range(0, 1000000);
            g_autofree char *text = g_strdup_printf("%04d-%02d-%02dT23:59:58.%06uZ", year,
                                                    days[i][0], days[i][1], fraction);

            log_line_assert_time((uint64_t)g_date_time_to_unix(date) * LOG_LINE_SECOND + fraction,
                                 text);
        }
    }
}

static void test_times(void)
{
    log_line_assert_time(LOG_LINE_TIME_USEC, LOG_LINE_TIME);
    log_line_assert_time(LOG_LINE_TIME_USEC + 1, "2026-11-21T23:48:55.123457Z");
    log_line_assert_time(1, "1970-01-01T00:00:00.000001Z");
    log_line_assert_time(LOG_LINE_SECOND - 1, "1970-01-01T00:00:00.999999Z");
    log_line_assert_time(LOG_LINE_SECOND, "1970-01-01T00:00:01.000000Z");
    log_line_assert_time(UINT64_C(951782400000000), "2000-02-29T00:00:00.000000Z");
    log_line_assert_time(UINT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z");
    log_line_assert_time(LOG_LINE_END, "9999-12-31T23:59:59.999999Z");
    /* No such time can be written. */
    log_line_assert_time(0, "1970-01-01T00:00:00.000001Z");
    log_line_assert_time(LOG_LINE_END + 1, "9999-12-31T23:59:59.999999Z");
    log_line_assert_time(UINT64_MAX, "9999-12-31T23:59:59.999999Z");
}

static const char *const log_line_no_times[] = {
        "1970-01-01T00:00:00.000000Z", /* stands for no time */
        "1969-12-31T23:59:59.999999Z",    "0000-01-01T00:00:00.000000Z",
        "2026-02-29T23:48:55.123456Z",    "2100-02-29T23:48:55.123456Z",
        "2026-11-31T23:48:55.123456Z",    "2026-00-21T23:48:55.123456Z",
        "2026-13-21T23:48:55.123456Z",    "2026-11-00T23:48:55.123456Z",
        "2026-11-21T24:48:55.123456Z",    "2026-11-21T23:60:55.123456Z",
        "2026-11-21T23:48:60.123456Z",    "2026-11-21 23:48:55.123456Z",
        "2026-11-21t23:48:55.123456Z",    "2026-11-21T23:48:55,123456Z",
        "2026-11-21T23:48:55.123456z",    "2026-11-21T23:48:55.12345Z",
        "2026-11-21T23:48:55.1234567Z",   "2026-11-21T23:48:55.12345 Z",
        "2026-11-21T23:48:55.12345:Z",    "2026-11-21T23:48:55.123456+00:00",
        "2026-11-2/T23:48:55.123456Z",    "202:-11-21T23:48:55.123456Z",
        "2026-1:-21T23:48:55.123456Z",    "\xff\xff\xff\xff-11-21T23:48:55.123456Z",
        "2026-11-21T23:4\xe8:55.123456Z",
};

/* Also when the second before them is the one that was just written. */
static void test_no_times(void)
{
    uint64_t usec;

    for (size_t i = 0; i < G_N_ELEMENTS(log_line_no_times); i++) {
        log_line_assert_time(LOG_LINE_TIME_USEC, LOG_LINE_TIME);
        g_assert_false(log_line_has_time(log_line_no_times[i], &usec));
        g_assert_false(log_line_has_time(log_line_no_times[i], &usec));
    }
    log_line_assert_time(LOG_LINE_TIME_USEC, LOG_LINE_TIME);
}

/* Formats */

static const struct {
    ServiceLogLine line;
    const char *json;
    const char *bare;
} log_line_formats[] = {
#define LINE(a_stream, a_piece, a_text)                                                            \
    {                                                                                              \
        .time_usec = LOG_LINE_TIME_USEC, .stream = a_stream, .piece = a_piece, .invocation = "a1", \
        .invocation_length = 2, .text = a_text, .length = sizeof a_text - 1                        \
    }
#define JSON(stream, rest)                                                                         \
    "{\"time_usec\":1795304935123456,\"stream\":\"" stream "\",\"invocation\":\"a1\"," rest "}\n"
        {LINE(OUTPUT_STDOUT, OUTPUT_WHOLE, " hi "), JSON("stdout", "\"text\":\" hi \""), " hi \n"},
        {LINE(OUTPUT_STDERR, OUTPUT_PARTIAL, "hi"),
         JSON("stderr", "\"text\":\"hi\",\"partial\":true"), "hi"},
        {LINE(OUTPUT_STDOUT, OUTPUT_CUT, "hi"), JSON("stdout", "\"text\":\"hi\",\"cut\":true"),
         "hi"},
        {LINE(OUTPUT_STDOUT, OUTPUT_WHOLE, ""), JSON("stdout", "\"text\":\"\""), "\n"},
        {LINE(OUTPUT_STDOUT, OUTPUT_WHOLE, "\"\\\t\x1b/\x7f"),
         JSON("stdout", "\"text\":\"\\\"\\\\\\t\\u001B/\x7f\""), "\"\\\t\x1b/\x7f\n"},
        {LINE(OUTPUT_STDOUT, OUTPUT_WHOLE, "\xc3\xbc"), JSON("stdout", "\"text\":\"\xc3\xbc\""),
         "\xc3\xbc\n"},
        {LINE(OUTPUT_STDOUT, OUTPUT_WHOLE, "\xc3"), JSON("stdout", "\"bytes\":\"ww==\""), "\xc3\n"},
        {LINE(OUTPUT_STDOUT, OUTPUT_PARTIAL, "\xff\xfe"),
         JSON("stdout", "\"bytes\":\"//4=\",\"partial\":true"), "\xff\xfe"},
        {LINE(OUTPUT_STDOUT, OUTPUT_WHOLE, "\xed\xa0\x80"), JSON("stdout", "\"bytes\":\"7aCA\""),
         "\xed\xa0\x80\n"},
        /* What has no stamp. */
        {{.text = "hi", .length = 2}, "{\"text\":\"hi\"}\n", "hi\n"},
        {{.text = "\xff", .length = 1}, "{\"bytes\":\"/w==\"}\n", "\xff\n"},
#undef JSON
#undef LINE
};

static void log_line_assert_format(const ServiceLogLine *line, LogFormat format,
                                   const char *expected)
{
    g_autoptr(GString) text = g_string_new("before ");

    service_log_line_format(line, format, text);
    g_assert_cmpuint(text->len, ==, strlen("before ") + strlen(expected));
    g_assert_cmpstr(text->str + strlen("before "), ==, expected);
}

static void test_formats(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(log_line_formats); i++) {
        const ServiceLogLine *line = &log_line_formats[i].line;

        log_line_assert_format(line, LOG_FORMAT_JSON, log_line_formats[i].json);
        log_line_assert_format(line, LOG_FORMAT_BARE, log_line_formats[i].bare);
        if (line->time_usec == 0)
            log_line_assert_format(line, LOG_FORMAT_TEXT, log_line_formats[i].bare);
    }
}

/* JSON of any bytes is read by a reader that refuses NUL, and says those bytes. */
static void test_json(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        char bytes[12];
        ServiceLogLine line = {.text = bytes,
                               .length = (size_t)g_test_rand_int_range(0, sizeof bytes + 1)};
        g_autoptr(GString) text = g_string_new(NULL);
        size_t length = line.length;

        for (size_t i = 0; i < line.length; i++)
            bytes[i] = (char)g_test_rand_int_range(0, round % 2 == 0 ? 256 : 128);
        service_log_line_format(&line, LOG_FORMAT_JSON, text);
        g_assert_true(memchr(text->str, '\n', text->len) == text->str + text->len - 1);

        json_t *object = json_loadb(text->str, text->len, 0, NULL);
        const char *said = json_string_value(json_object_get(object, "text"));
        const char *base64 = json_string_value(json_object_get(object, "bytes"));
        g_autofree void *decoded = base64 != NULL ? g_base64_decode(base64, &length) : NULL;
        bool is_text = g_utf8_validate_len(bytes, line.length, NULL);

        g_assert_cmpuint(json_object_size(object), ==, 1);
        g_assert_cmpint(said != NULL, ==, is_text);
        g_assert_cmpmem(is_text ? said : decoded, is_text ? strlen(said) : length, bytes,
                        line.length);
        json_decref(object);
    }
}

static void test_names(void)
{
    for (int i = 0; i < _LOG_FORMAT_MAX; i++)
        g_assert_cmpint(log_format_from_string(log_format_to_string((LogFormat)i)), ==, i);
    for (int i = 0; i < _OUTPUT_STREAM_MAX; i++)
        g_assert_cmpint(output_stream_from_string(output_stream_to_string((OutputStream)i)), ==, i);
    g_assert_cmpint(log_format_from_string("json"), ==, LOG_FORMAT_JSON);
    g_assert_cmpint(output_stream_from_string("stderr"), ==, OUTPUT_STDERR);
    g_assert_cmpint(log_format_from_string("yaml"), ==, _LOG_FORMAT_INVALID);
    g_assert_cmpint(output_stream_from_string("stdin"), ==, _OUTPUT_STREAM_INVALID);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/service-log-line/first", test_first);
    g_test_add_func("/service-log-line/round-trip", test_round_trip);
    g_test_add_func("/service-log-line/stamps", test_stamps);
    g_test_add_func("/service-log-line/hostile", test_hostile);
    g_test_add_func("/service-log-line/years", test_years);
    g_test_add_func("/service-log-line/times", test_times);
    g_test_add_func("/service-log-line/no-times", test_no_times);
    g_test_add_func("/service-log-line/formats", test_formats);
    g_test_add_func("/service-log-line/json", test_json);
    g_test_add_func("/service-log-line/names", test_names);
    return g_test_run();
}
