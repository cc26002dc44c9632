/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What standard output is, is asked once; everything else follows from that. */

#include "output.h"

#include "base/clock.h"
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

JsonMode json_mode_from_string(const char *string)
{
    static const char *const names[_JSON_MODE_MAX] = {"", "pretty", "short", "lines"};

    for (int i = JSON_MODE_PRETTY; i < _JSON_MODE_MAX; i++) {
        if (g_str_equal(names[i], string))
            return (JsonMode)i;
    }
    return _JSON_MODE_INVALID;
}

static int output_terminal_width(void)
{
    struct winsize size;
    const char *columns = g_getenv("COLUMNS");
    uint64_t number;

    if (columns != NULL && g_ascii_string_to_unsigned(columns, 10, 20, 10000, &number, NULL))
        return (int)number;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

void output_init(Output *output, JsonMode json, bool no_colour, bool quiet)
{
    const char *no_color = g_getenv("NO_COLOR");
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    bool is_dumb = g_strcmp0(g_getenv("TERM"), "dumb") == 0;

    *output = (Output){
            .is_terminal = is_terminal,
            .has_colour = is_terminal && !is_dumb && !no_colour &&
                          (no_color == NULL || no_color[0] == '\0'),
            .is_utf8 = g_get_charset(NULL),
            .is_quiet = quiet,
            .json = json,
            .width = is_terminal ? output_terminal_width() : 0,
            .now = clock_wall_usec(clock_system()),
            .elements = json_array(),
    };
}

void output_done(Output *output)
{
    json_decref(output->elements);
    output->elements = NULL;
}

const char *output_colour(const Output *output, Colour colour)
{
    static const char *const sequences[_COLOUR_MAX] = {
            [COLOUR_NONE] = "",         [COLOUR_GREEN] = "\033[32m",   [COLOUR_YELLOW] = "\033[33m",
            [COLOUR_RED] = "\033[31m",  [COLOUR_DIM] = "\033[2m",      [COLOUR_BOLD] = "\033[1m",
            [COLOUR_BLUE] = "\033[34m", [COLOUR_MAGENTA] = "\033[35m", [COLOUR_CYAN] = "\033[36m",
    };

    return output->has_colour ? sequences[colour] : "";
}

const char *output_reset(const Output *output, Colour colour)
{
    return output->has_colour && colour != COLOUR_NONE ? "\033[0m" : "";
}

Colour output_state_colour(const char *state)
{
    static const struct {
        const char *state;
        Colour colour;
    } colours[] = {
            {"active", COLOUR_GREEN},    {"running", COLOUR_GREEN},    {"failed", COLOUR_RED},
            {"degraded", COLOUR_RED},    {"backoff", COLOUR_YELLOW},   {"waiting", COLOUR_YELLOW},
            {"starting", COLOUR_YELLOW}, {"reloading", COLOUR_YELLOW}, {"stopping", COLOUR_YELLOW},
            {"inactive", COLOUR_DIM},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(colours); i++) {
        if (g_str_equal(colours[i].state, state))
            return colours[i].colour;
    }
    return COLOUR_NONE;
}

Colour output_error_colour(const char *state)
{
    Colour colour = output_state_colour(state);

    return colour == COLOUR_RED ? COLOUR_RED : COLOUR_YELLOW;
}

const char *output_dot(const Output *output)
{
    return output->is_utf8 ? "●" : "*";
}

const char *output_arrow(const Output *output)
{
    return output->is_utf8 ? "→" : "->";
}

const char *output_ellipsis(const Output *output)
{
    return output->is_utf8 ? "…" : "...";
}

const char *output_branch(const Output *output, bool is_last)
{
    static const char *const branches[2][2] = {{"|- ", "`- "}, {"├─ ", "└─ "}};

    return branches[output->is_utf8][is_last];
}

const char *output_trunk(const Output *output)
{
    return output->is_utf8 ? "│  " : "|  ";
}

/* stdio remembers that it could not write, but not why. */
static int output_errno;

static void output_judge(bool is_written)
{
    if (!is_written && output_errno == 0)
        output_errno = errno;
}

void output_write(const char *bytes, size_t length)
{
    output_judge(fwrite(bytes, 1, length, stdout) == length);
}

void output_say(Output *output, const char *format, ...)
{
    va_list args;

    if (output->is_quiet || output->json != JSON_MODE_NONE)
        return;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *escaped = text_escape(text);
    output_judge(puts(escaped) >= 0 && fflush(stdout) == 0);
}

void output_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *escaped = text_escape(text);
    output_judge(fflush(stdout) == 0); /* so that both appear in their order */
    fprintf(stderr, "svcmgr: %s\n", escaped);
}

/* JSON text escapes C0 controls by itself; what else could command a terminal is written as
 * \uXXXX. */
static char *output_json_text(const Output *output, const json_t *value)
{
    size_t flags =
            JSON_ENCODE_ANY | (output->json == JSON_MODE_PRETTY ? JSON_INDENT(2) : JSON_COMPACT);
    char *text = json_dumps(value, flags);

    if (!output->is_terminal || text == NULL)
        return text;
    g_autofree char *harmless = text_escape_lines(text);
    if (g_str_equal(harmless, text))
        return text;
    free(text);
    return json_dumps(value, flags | JSON_ENSURE_ASCII);
}

void output_json(const Output *output, json_t *value)
{
    char *text = output_json_text(output, value);

    if (text != NULL) /* a reader of a stream waits */
        output_judge(puts(text) >= 0 && fflush(stdout) == 0);
    free(text);
    json_decref(value);
}

void output_json_element(Output *output, json_t *value)
{
    if (output->json == JSON_MODE_LINES)
        output_json(output, value);
    else
        (void)json_array_append_new(output->elements, value); /* fails only without memory */
}

void output_json_finish(Output *output)
{
    if (output->json == JSON_MODE_PRETTY || output->json == JSON_MODE_SHORT)
        output_json(output, json_incref(output->elements));
}

bool output_flush(void)
{
    output_judge(fflush(stdout) == 0);
    if (output_errno == 0 && ferror(stdout) == 0)
        return true;
    errno = output_errno != 0 ? output_errno : EIO;
    return false;
}
