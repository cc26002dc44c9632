/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each step looks at no more bytes than the current line may still take, and one more, which may be
 * its newline: so each byte is looked at once, or twice where a piece is full, however long a line
 * is. */

#include "process/output-lines.h"

#include <glib.h>
#include <string.h>

#define OUTPUT_HELD_MIN ((size_t)256)
/* A larger buffer is not kept for the next line: there may be thousands of us. */
#define OUTPUT_HELD_KEPT_MAX ((size_t)4096)

static void output_lines_hold(OutputLines *lines, const char *bytes, size_t length)
{
    size_t wanted = lines->n_held + length;

    if (wanted > lines->held_size) {
        lines->held_size = MAX(MAX(wanted, 2 * lines->held_size), OUTPUT_HELD_MIN);
        lines->held_size = MIN(lines->held_size, OUTPUT_LINE_MAX);
        lines->held = g_realloc(lines->held, lines->held_size);
    }
    if (length > 0)
        memcpy(lines->held + lines->n_held, bytes, length);
    lines->n_held = wanted;
}

static void output_lines_give_held(OutputLines *lines, OutputPiece piece, OutputLineFunc func,
                                   void *data)
{
    func(lines->held, lines->n_held, piece, data);
    lines->n_held = 0;
    if (lines->held_size > OUTPUT_HELD_KEPT_MAX) {
        g_clear_pointer(&lines->held, g_free);
        lines->held_size = 0;
    }
}

/* What is held, and these bytes after it. */
static void output_lines_give(OutputLines *lines, const char *bytes, size_t length,
                              OutputPiece piece, OutputLineFunc func, void *data)
{
    lines->goes_on = piece == OUTPUT_PARTIAL;
    if (lines->n_held == 0) {
        func(bytes, length, piece, data);
        return;
    }
    output_lines_hold(lines, bytes, length);
    output_lines_give_held(lines, piece, func, data);
}

void output_lines_feed(OutputLines *lines, const char *bytes, size_t length, OutputLineFunc func,
                       void *data)
{
    while (length > 0) {
        size_t room = OUTPUT_LINE_MAX - lines->n_held, taken = MIN(length, room + 1);
        const char *newline = memchr(bytes, '\n', taken);

        if (newline != NULL) {
            taken = (size_t)(newline - bytes);
            output_lines_give(lines, bytes, taken, OUTPUT_WHOLE, func, data);
            taken++;
        } else if (taken > room) {
            taken = room;
            output_lines_give(lines, bytes, taken, OUTPUT_PARTIAL, func, data);
        } else {
            output_lines_hold(lines, bytes, taken);
        }
        bytes += taken;
        length -= taken;
    }
}

void output_lines_flush(OutputLines *lines, OutputLineFunc func, void *data)
{
    if (lines->n_held > 0)
        output_lines_give(lines, NULL, 0, OUTPUT_PARTIAL, func, data);
}

void output_lines_end(OutputLines *lines, OutputLineFunc func, void *data)
{
    if (lines->n_held > 0 || lines->goes_on)
        output_lines_give(lines, "", 0, OUTPUT_CUT, func, data);
}

void output_lines_clear(OutputLines *lines)
{
    g_free(lines->held);
    *lines = (OutputLines){0};
}
