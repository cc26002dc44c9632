/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of a log that anybody may have written: what is read as stamped is written the same again,
 * byte for byte; and any bytes that a program says are read back. */

#include "process/service-log-line.h"

#include "fuzz.h"

#include <jansson.h>
#include <string.h>

static json_t *log_line_read_json(const ServiceLogLine *line)
{
    g_autoptr(GString) text = g_string_new(NULL);

    service_log_line_format(line, LOG_FORMAT_JSON, text);
    g_assert_true(memchr(text->str, '\n', text->len) == text->str + text->len - 1);
    json_t *object = json_loadb(text->str, text->len, 0, NULL);
    g_assert_nonnull(object);
    return object;
}

static void log_line_check_json(const ServiceLogLine *line)
{
    json_t *object = log_line_read_json(line);
    const json_t *text = json_object_get(object, "text"), *bytes = json_object_get(object, "bytes");
    size_t length = json_string_length(text);
    g_autofree void *decoded =
            bytes != NULL ? g_base64_decode(json_string_value(bytes), &length) : NULL;

    g_assert_true((text != NULL) == g_utf8_validate_len(line->text, line->length, NULL));
    g_assert_true((text != NULL) != (bytes != NULL));
    g_assert_cmpmem(text != NULL ? json_string_value(text) : decoded, length, line->text,
                    line->length);
    g_assert_cmpint(json_integer_value(json_object_get(object, "time_usec")), ==, line->time_usec);
    g_assert_cmpint(json_is_true(json_object_get(object, "partial")), ==,
                    line->piece == OUTPUT_PARTIAL);
    g_assert_cmpint(json_is_true(json_object_get(object, "cut")), ==, line->piece == OUTPUT_CUT);
    g_assert_cmpuint(json_string_length(json_object_get(object, "invocation")), ==,
                     line->invocation_length);
    json_decref(object);
}

static void log_line_check_text(const ServiceLogLine *line, const char *kept, size_t length)
{
    g_autoptr(GString) text = g_string_new(NULL);

    service_log_line_format(line, LOG_FORMAT_TEXT, text);
    g_assert_cmpmem(text->str, text->len - 1, kept, length);
    g_assert_cmpint(text->str[text->len - 1], ==, '\n');
}

/* The bytes as what a program says. */
static void log_line_check_said(const char *bytes, size_t length)
{
    static const char id[] = "0123456789abcdef0123456789abcdef";
    OutputStream stream = length % 2 == 0 ? OUTPUT_STDOUT : OUTPUT_STDERR;
    OutputPiece piece = (OutputPiece)(length / 2 % 3);
    char stamp[SERVICE_LOG_STAMP_MAX];
    size_t n = service_log_line_stamp(stamp, length + 1, stream, piece, id);
    g_autofree char *kept = g_malloc(n + length);
    ServiceLogLine line;

    memcpy(kept, stamp, n);
    if (length > 0)
        memcpy(kept + n, bytes, length);
    g_assert_true(service_log_line_parse(kept, n + length, &line));
    g_assert_cmpuint(line.time_usec, ==, length + 1);
    g_assert_cmpint(line.stream, ==, stream);
    g_assert_cmpint(line.piece, ==, piece);
    g_assert_cmpmem(line.invocation, line.invocation_length, id, strlen(id));
    g_assert_cmpmem(line.text, line.length, bytes, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = size > 0 ? (const char *)data : "";
    const char *newline = memchr(bytes, '\n', size);
    size_t length = newline != NULL ? (size_t)(newline - bytes) : size;
    ServiceLogLine line = {.text = bytes, .length = length};

    if (service_log_line_parse(bytes, length, &line))
        g_assert_cmpuint(line.time_usec, !=, 0);
    log_line_check_text(&line, bytes, length);
    log_line_check_json(&line);
    log_line_check_said(bytes, length);
    return 0;
}
