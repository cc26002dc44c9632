/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program's output in slices: 0xff in the input is a flush, 0xfe the end, 0xfd divides slices,
 * and 0xfc and a byte stand for so many half KiB of one letter, so that small inputs reach long
 * lines. What is given is what was written, and does not depend on the slices. */

#include "process/output-lines.h"

#include "fuzz.h"

#include <string.h>

#define LINES_FUZZ_LONG 512
#define LINES_FUZZ_BYTES_MAX ((size_t)512 * 1024)

/* What was given: the bytes, and the pieces' kinds and lengths. */
typedef struct LinesFuzzGiven {
    OutputLines lines;
    GString *bytes;
    GString *pieces;
    bool is_flushing;
    bool is_ending;
} LinesFuzzGiven;

typedef struct LinesFuzz {
    LinesFuzzGiven sliced;
    LinesFuzzGiven whole; /* gets what was written since the last flush at once */
    GString *slice;
    GString *unflushed;
    GString *written;
} LinesFuzz;

static void on_lines_fuzz_piece(const char *bytes, size_t length, OutputPiece piece, void *data)
{
    LinesFuzzGiven *given = data;

    g_assert_cmpuint(length, <=, OUTPUT_LINE_MAX);
    g_assert_null(memchr(bytes, '\n', length));
    g_assert_true(piece != OUTPUT_WHOLE || (!given->is_flushing && !given->is_ending));
    g_assert_true(piece != OUTPUT_CUT || given->is_ending);
    g_assert_true(piece != OUTPUT_PARTIAL || length == OUTPUT_LINE_MAX ||
                  (given->is_flushing && length > 0));
    g_string_append_len(given->bytes, bytes, (gssize)length);
    if (piece == OUTPUT_WHOLE)
        g_string_append_c(given->bytes, '\n');
    g_string_append_printf(given->pieces, "%c%zu", "WPC"[piece], length);
}

static void lines_fuzz_feed(LinesFuzzGiven *given, const GString *bytes)
{
    g_autofree char *copy = g_memdup2(bytes->str, bytes->len);

    output_lines_feed(&given->lines, copy, bytes->len, on_lines_fuzz_piece, given);
}

static void lines_fuzz_end_slice(LinesFuzz *fuzz)
{
    lines_fuzz_feed(&fuzz->sliced, fuzz->slice);
    g_string_append_len(fuzz->unflushed, fuzz->slice->str, (gssize)fuzz->slice->len);
    g_string_append_len(fuzz->written, fuzz->slice->str, (gssize)fuzz->slice->len);
    g_string_truncate(fuzz->slice, 0);
}

static void lines_fuzz_finish(LinesFuzzGiven *given, bool is_end)
{
    given->is_flushing = !is_end;
    given->is_ending = is_end;
    (is_end ? output_lines_end : output_lines_flush)(&given->lines, on_lines_fuzz_piece, given);
    given->is_flushing = given->is_ending = false;
    g_assert_cmpuint(given->lines.n_held, ==, 0);
    g_assert_true(!is_end || !given->lines.goes_on);
}

static void lines_fuzz_flush(LinesFuzz *fuzz, bool is_end)
{
    lines_fuzz_end_slice(fuzz);
    lines_fuzz_feed(&fuzz->whole, fuzz->unflushed);
    g_string_truncate(fuzz->unflushed, 0);
    lines_fuzz_finish(&fuzz->sliced, is_end);
    lines_fuzz_finish(&fuzz->whole, is_end);
    g_assert_cmpmem(fuzz->sliced.bytes->str, fuzz->sliced.bytes->len, fuzz->written->str,
                    fuzz->written->len);
    g_assert_cmpmem(fuzz->whole.bytes->str, fuzz->whole.bytes->len, fuzz->written->str,
                    fuzz->written->len);
    g_assert_cmpstr(fuzz->sliced.pieces->str, ==, fuzz->whole.pieces->str);
    g_string_truncate(fuzz->sliced.bytes, 0);
    g_string_truncate(fuzz->whole.bytes, 0);
    g_string_truncate(fuzz->written, 0);
}

static void lines_fuzz_append_long(LinesFuzz *fuzz, size_t length)
{
    size_t from = fuzz->slice->len;

    g_string_set_size(fuzz->slice, from + length);
    memset(fuzz->slice->str + from, 'x', length);
}

static void lines_fuzz_play(LinesFuzz *fuzz, const uint8_t *data, size_t size)
{
    size_t n_long = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0xfe) {
            lines_fuzz_flush(fuzz, data[i] == 0xfe);
        } else if (data[i] == 0xfd) {
            lines_fuzz_end_slice(fuzz);
        } else if (data[i] == 0xfc && i + 1 < size && n_long < LINES_FUZZ_BYTES_MAX) {
            size_t length = (size_t)data[++i] * LINES_FUZZ_LONG;

            n_long += length;
            lines_fuzz_append_long(fuzz, length);
        } else {
            g_string_append_c(fuzz->slice, (char)data[i]);
        }
    }
    lines_fuzz_flush(fuzz, true);
}

static void lines_fuzz_given_init(LinesFuzzGiven *given)
{
    given->bytes = g_string_new(NULL);
    given->pieces = g_string_new(NULL);
}

static void lines_fuzz_given_clear(LinesFuzzGiven *given)
{
    output_lines_clear(&given->lines);
    g_string_free(given->bytes, TRUE);
    g_string_free(given->pieces, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) slice = g_string_new(NULL);
    g_autoptr(GString) unflushed = g_string_new(NULL);
    g_autoptr(GString) written = g_string_new(NULL);
    LinesFuzz fuzz = {.slice = slice, .unflushed = unflushed, .written = written};

    lines_fuzz_given_init(&fuzz.sliced);
    lines_fuzz_given_init(&fuzz.whole);
    lines_fuzz_play(&fuzz, data, size);
    lines_fuzz_given_clear(&fuzz.sliced);
    lines_fuzz_given_clear(&fuzz.whole);
    return 0;
}
