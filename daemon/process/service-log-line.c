/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines come many to a second, on their way in and on their way out: the text of the last second is
 * kept. A time is read by finding out which second it may mean and writing that: only what comes
 * out the same is one, so that there is no February 30. */

#include "process/service-log-line.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#define LOG_LINE_USEC_PER_SEC UINT64_C(1000000)
#define LOG_LINE_SECOND_BYTES 20 /* "2026-11-21T23:48:55." */
#define LOG_LINE_FRACTION_BYTES 6
#define LOG_LINE_TIME_BYTES (LOG_LINE_SECOND_BYTES + LOG_LINE_FRACTION_BYTES + 1) /* "Z" */
#define LOG_LINE_INVOCATION_MAX 32
/* RFC 3339 has four digits for a year. */
#define LOG_LINE_SECOND_MAX UINT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const char *const output_stream_names[] = {
        [OUTPUT_STDOUT] = "stdout",
        [OUTPUT_STDERR] = "stderr",
};
G_STATIC_ASSERT(G_N_ELEMENTS(output_stream_names) == _OUTPUT_STREAM_MAX);
ENUM_TABLE_DEFINE(OutputStream, output_stream, output_stream_names)

#define LOG_LINE_CUT_TAG ":cut"

static struct {
    uint64_t second;
    char text[LOG_LINE_SECOND_BYTES + 1];
} service_log_line_last = {0, "1970-01-01T00:00:00."};

/* Times */

static const char *service_log_line_second(uint64_t second)
{
    time_t time = (time_t)second;
    struct tm tm;

    if (second == service_log_line_last.second)
        return service_log_line_last.text;
    (void)gmtime_r(&time, &tm); /* cannot fail for a year of four digits */
    (void)strftime(service_log_line_last.text, sizeof service_log_line_last.text,
                   "%Y-%m-%dT%H:%M:%S.", &tm);
    service_log_line_last.second = second;
    return service_log_line_last.text;
}

static void service_log_line_write_time(char *text, uint64_t time_usec)
{
    uint64_t most = LOG_LINE_SECOND_MAX * LOG_LINE_USEC_PER_SEC + LOG_LINE_USEC_PER_SEC - 1;

    time_usec = CLAMP(time_usec, 1, most);
    uint64_t fraction = time_usec % LOG_LINE_USEC_PER_SEC;
    memcpy(text, service_log_line_second(time_usec / LOG_LINE_USEC_PER_SEC), LOG_LINE_SECOND_BYTES);
    for (size_t i = LOG_LINE_SECOND_BYTES + LOG_LINE_FRACTION_BYTES; i > LOG_LINE_SECOND_BYTES;
         fraction /= 10)
        text[--i] = (char)('0' + fraction % 10);
    text[LOG_LINE_TIME_BYTES - 1] = 'Z';
}

/* Nonsense where there is something else than digits. */
static int service_log_line_number(const char *digits, size_t n)
{
    int number = 0;

    for (size_t i = 0; i < n; i++)
        number = number * 10 + (digits[i] - '0');
    return number;
}

static bool service_log_line_read_second(const char *text, uint64_t *ret_second)
{
    if (memcmp(text, service_log_line_last.text, LOG_LINE_SECOND_BYTES) == 0) {
        *ret_second = service_log_line_last.second;
        return true;
    }
    if (text[4] != '-' || text[10] != 'T' || text[LOG_LINE_SECOND_BYTES - 1] != '.')
        return false;

    struct tm tm = {
            .tm_year = service_log_line_number(text, 4) - 1900,
            .tm_mon = service_log_line_number(text + 5, 2) - 1,
            .tm_mday = service_log_line_number(text + 8, 2),
            .tm_hour = service_log_line_number(text + 11, 2),
            .tm_min = service_log_line_number(text + 14, 2),
            .tm_sec = service_log_line_number(text + 17, 2),
    };
    time_t second = timegm(&tm);
    if (second < 0 || (uint64_t)second > LOG_LINE_SECOND_MAX ||
        memcmp(text, service_log_line_second((uint64_t)second), LOG_LINE_SECOND_BYTES) != 0)
        return false;
    *ret_second = (uint64_t)second;
    return true;
}

static bool service_log_line_read_time(const char *text, uint64_t *ret_usec)
{
    const char *fraction = text + LOG_LINE_SECOND_BYTES;
    uint64_t second, usec;

    for (size_t i = 0; i < LOG_LINE_FRACTION_BYTES; i++) {
        if (!g_ascii_isdigit(fraction[i]))
            return false;
    }
    if (fraction[LOG_LINE_FRACTION_BYTES] != 'Z' || !service_log_line_read_second(text, &second))
        return false;
    usec = second * LOG_LINE_USEC_PER_SEC +
           (uint64_t)service_log_line_number(fraction, LOG_LINE_FRACTION_BYTES);
    if (usec == 0)
        return false; /* means that there is no time, and is never written */
    *ret_usec = usec;
    return true;
}

/* Stamps */

static char *service_log_line_put(char *at, const char *bytes, size_t length)
{
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static size_t service_log_line_write_stamp(const ServiceLogLine *line,
                                           char ret_stamp[SERVICE_LOG_STAMP_MAX])
{
    size_t n = MIN(line->invocation_length, LOG_LINE_INVOCATION_MAX);
    char *at = ret_stamp + LOG_LINE_TIME_BYTES;
    bool is_cut = line->piece == OUTPUT_CUT;

    service_log_line_write_time(ret_stamp, line->time_usec);
    *at++ = ' ';
    at = service_log_line_put(at, output_stream_to_string(line->stream), strlen("stdout"));
    *at++ = ' ';
    *at++ = line->piece == OUTPUT_PARTIAL ? 'P' : 'F';
    if (n > 0 || is_cut)
        *at++ = ':';
    at = service_log_line_put(at, line->invocation, n);
    if (is_cut)
        at = service_log_line_put(at, LOG_LINE_CUT_TAG, strlen(LOG_LINE_CUT_TAG));
    *at++ = ' ';
    return (size_t)(at - ret_stamp);
}

size_t service_log_line_stamp(char ret_stamp[SERVICE_LOG_STAMP_MAX], uint64_t time_usec,
                              OutputStream stream, OutputPiece piece, const char *invocation)
{
    ServiceLogLine line = {
            .time_usec = time_usec,
            .stream = stream,
            .piece = piece,
            .invocation = invocation,
            .invocation_length = strnlen(invocation, LOG_LINE_INVOCATION_MAX),
    };

    return service_log_line_write_stamp(&line, ret_stamp);
}

/* What is still to be read of a line. */
typedef struct LogLineRest {
    const char *at;
    const char *end;
} LogLineRest;

static bool service_log_line_take(LogLineRest *rest, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, word, length) != 0)
        return false;
    rest->at += length;
    return true;
}

static bool service_log_line_take_stream(LogLineRest *rest, OutputStream *ret_stream)
{
    for (size_t i = 0; i < G_N_ELEMENTS(output_stream_names); i++) {
        if (service_log_line_take(rest, output_stream_names[i])) {
            *ret_stream = (OutputStream)i;
            return service_log_line_take(rest, " ");
        }
    }
    return false;
}

static bool service_log_line_take_tags(LogLineRest *rest, ServiceLogLine *line)
{
    bool is_partial = service_log_line_take(rest, "P");

    if (!is_partial && !service_log_line_take(rest, "F"))
        return false;
    line->piece = is_partial ? OUTPUT_PARTIAL : OUTPUT_WHOLE;
    if (!service_log_line_take(rest, ":"))
        return service_log_line_take(rest, " ");

    line->invocation = rest->at;
    while (rest->at < rest->end && g_ascii_isgraph(*rest->at) && *rest->at != ':')
        rest->at++;
    line->invocation_length = (size_t)(rest->at - line->invocation);
    if (!is_partial && service_log_line_take(rest, LOG_LINE_CUT_TAG))
        line->piece = OUTPUT_CUT;
    else if (line->invocation_length == 0)
        return false; /* nothing, and no reason for a tag */
    return line->invocation_length <= LOG_LINE_INVOCATION_MAX && service_log_line_take(rest, " ");
}

bool service_log_line_parse(const char *line, size_t length, ServiceLogLine *ret_line)
{
    ServiceLogLine parsed = {.invocation = ""};
    LogLineRest rest = {line, line + length};

    if (length < LOG_LINE_TIME_BYTES || !service_log_line_read_time(line, &parsed.time_usec))
        return false;
    rest.at += LOG_LINE_TIME_BYTES;
    if (!service_log_line_take(&rest, " ") ||
        !service_log_line_take_stream(&rest, &parsed.stream) ||
        !service_log_line_take_tags(&rest, &parsed))
        return false;
    parsed.text = rest.at;
    parsed.length = (size_t)(rest.end - rest.at);
    *ret_line = parsed;
    return true;
}

/* Formats */

static void service_log_line_format_text(const ServiceLogLine *line, GString *text)
{
    char stamp[SERVICE_LOG_STAMP_MAX];

    if (line->time_usec != 0)
        g_string_append_len(text, stamp, (gssize)service_log_line_write_stamp(line, stamp));
    g_string_append_len(text, line->text, (gssize)line->length);
    g_string_append_c(text, '\n');
}

static void service_log_line_format_bare(const ServiceLogLine *line, GString *text)
{
    g_string_append_len(text, line->text, (gssize)line->length);
    if (line->piece == OUTPUT_WHOLE)
        g_string_append_c(text, '\n');
}

/* Text that many readers of JSON would take: they refuse NUL, though it has a way to be written. */
static void service_log_line_set_text(json_t *object, const ServiceLogLine *line)
{
    bool has_nul = line->length > 0 && memchr(line->text, '\0', line->length) != NULL;
    json_t *string = has_nul ? NULL : json_stringn(line->text, line->length);

    if (string != NULL) {
        (void)json_object_set_new(object, "text", string);
        return;
    }
    g_autofree char *bytes = g_base64_encode((const unsigned char *)line->text, line->length);
    (void)json_object_set_new(object, "bytes", json_string(bytes));
}

static int on_service_log_line_json(const char *bytes, size_t length, void *text)
{
    g_string_append_len(text, bytes, (gssize)length);
    return 0;
}

static void service_log_line_format_json(const ServiceLogLine *line, GString *text)
{
    json_t *object = json_object();

    if (line->time_usec != 0) {
        (void)json_object_set_new(object, "time_usec", json_integer((json_int_t)line->time_usec));
        (void)json_object_set_new(object, "stream",
                                  json_string(output_stream_to_string(line->stream)));
    }
    if (line->invocation_length > 0)
        (void)json_object_set_new(object, "invocation",
                                  json_stringn(line->invocation, line->invocation_length));
    service_log_line_set_text(object, line);
    if (line->piece == OUTPUT_PARTIAL)
        (void)json_object_set_new(object, "partial", json_true());
    if (line->piece == OUTPUT_CUT)
        (void)json_object_set_new(object, "cut", json_true());
    (void)json_dump_callback(object, on_service_log_line_json, text, JSON_COMPACT);
    g_string_append_c(text, '\n');
    json_decref(object);
}

void service_log_line_format(const ServiceLogLine *line, LogFormat format, GString *text)
{
    static void (*const formats[])(const ServiceLogLine *, GString *) = {
            [LOG_FORMAT_TEXT] = service_log_line_format_text,
            [LOG_FORMAT_JSON] = service_log_line_format_json,
            [LOG_FORMAT_BARE] = service_log_line_format_bare,
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(formats) == _LOG_FORMAT_MAX);

    formats[format](line, text);
}
