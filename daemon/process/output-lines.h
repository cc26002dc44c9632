/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes as a program writes them, cut into lines: pure. A line is whole up to OUTPUT_LINE_MAX bytes
 * without its newline; a longer one comes in pieces of that size and a rest. Nothing is copied but
 * what waits for its newline. */

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_LINE_MAX ((size_t)64 * 1024)

typedef enum OutputPiece {
    OUTPUT_WHOLE,   /* the end of a line, or all of it; a newline followed */
    OUTPUT_PARTIAL, /* the line goes on with the next piece */
    OUTPUT_CUT,     /* the end of what was written; no newline followed */
} OutputPiece;

/* bytes: without newline; borrowed for the call; may hold NUL and anything else. */
typedef void (*OutputLineFunc)(const char *bytes, size_t length, OutputPiece piece, void *data);

/* Zeroed: nothing is held. */
typedef struct OutputLines {
    char *held; /* of a line whose newline has not come; at most OUTPUT_LINE_MAX */
    size_t n_held;
    size_t held_size;
    bool goes_on; /* the last piece was partial */
} OutputLines;

void output_lines_feed(OutputLines *lines, const char *bytes, size_t length, OutputLineFunc func,
                       void *data);
/* What is held is given out as partial: it shall not be lost, and may go on. */
void output_lines_flush(OutputLines *lines, OutputLineFunc func, void *data);
/* Nothing will come any more: what is held, or a line that was left partial, is cut. */
void output_lines_end(OutputLines *lines, OutputLineFunc func, void *data);
void output_lines_clear(OutputLines *lines);
