/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where results go: standard output, as text or JSON. Colour and the width of the terminal exist
 * only on a terminal; in a pipe nothing is coloured and nothing is cut. */

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum JsonMode {
    JSON_MODE_NONE,
    JSON_MODE_PRETTY,
    JSON_MODE_SHORT,
    JSON_MODE_LINES, /* one compact value a line, as it comes */
    _JSON_MODE_MAX,
    _JSON_MODE_INVALID = -22,
} JsonMode;
/* "pretty", "short", "lines". */
JsonMode json_mode_from_string(const char *string);

typedef enum Colour {
    COLOUR_NONE,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_RED,
    COLOUR_DIM,
    COLOUR_BOLD,
    COLOUR_BLUE,
    COLOUR_MAGENTA,
    COLOUR_CYAN,
    _COLOUR_MAX,
} Colour;

typedef struct Output {
    bool is_terminal;
    bool has_colour;
    bool is_utf8;
    bool is_quiet; /* no successes, no headings */
    JsonMode json;
    int width;        /* of the terminal; 0: without limit */
    uint64_t now;     /* wall clock usec, the same for the whole of a command */
    json_t *elements; /* of the array that output_finish prints */
} Output;

/* Looks at standard output and the environment (NO_COLOR, TERM, COLUMNS). */
void output_init(Output *output, JsonMode json, bool no_colour, bool quiet);
void output_done(Output *output);

/* Escape sequences, or "". */
const char *output_colour(const Output *output, Colour colour);
const char *output_reset(const Output *output, Colour colour);
Colour output_state_colour(const char *state);
/* Of the error of a service in that state, which may be active all the same. */
Colour output_error_colour(const char *state);
/* The character where the terminal knows it, else its stand-in in ASCII. */
const char *output_dot(const Output *output);
const char *output_arrow(const Output *output);
const char *output_ellipsis(const Output *output);
/* Of a tree, three columns each: where a branch leaves the trunk, and the trunk beside others. */
const char *output_branch(const Output *output, bool is_last);
const char *output_trunk(const Output *output);

/* One line of text, escaped; not when quiet or in JSON. */
void output_say(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A line on standard error that is no error, escaped: "svcmgr: ...". */
void output_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Takes value. One of several results: printed now in lines, kept for the array otherwise. */
void output_json_element(Output *output, json_t *value);
/* Takes value. Printed now: for one result, or the next of a stream. */
void output_json(const Output *output, json_t *value);
/* Prints the array, if JSON is asked for; also an empty one. */
void output_json_finish(Output *output);
/* To standard output, as they are. */
void output_write(const char *bytes, size_t length);
/* False with errno set if something could not be written, now or before. */
bool output_flush(void);
