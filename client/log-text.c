/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line that came in pieces is put together where it is shown: a piece leaves its line open, and
 * the next of the same program and stream goes on there. Anything else that comes between begins a
 * line of its own. So a prompt without a newline is seen at once, and no line is too long.
 *
 * What programs write can command a terminal: there, and in the style for people, it is escaped. */

#include "log-text.h"

#include "base/clock.h"
#include "text.h"

#include <string.h>

struct LogText {
    const Output *output;
    LogStyle style;
    char **services;
    unsigned n_services;
    int width; /* of the names */
    bool is_open;
    unsigned open_service;
    bool open_stderr;
    uint64_t day_begin; /* of the day that now is in, local time; wall clock usec */
    uint64_t day_end;
};

static const char *const log_style_names[_LOG_STYLE_MAX] = {"short", "text", "bare", "json"};

LogStyle log_style_from_string(const char *string)
{
    for (int i = 0; i < _LOG_STYLE_MAX; i++) {
        if (g_str_equal(log_style_names[i], string))
            return (LogStyle)i;
    }
    return _LOG_STYLE_INVALID;
}

LogText *log_text_new(const Output *output, LogStyle style, char **services)
{
    LogText *text = g_new0(LogText, 1);

    text->output = output;
    text->style = style;
    text->services = services;
    text->n_services = g_strv_length(services);
    for (unsigned i = 0; i < text->n_services; i++)
        text->width = MAX(text->width, text_width(services[i]));
    return text;
}

void log_text_free(LogText *text)
{
    g_free(text);
}

/* Beginnings of lines */

static void log_text_add_name(const LogText *text, unsigned service, GString *shown)
{
    static const Colour colours[] = {COLOUR_CYAN, COLOUR_MAGENTA, COLOUR_GREEN, COLOUR_BLUE};
    Colour colour = colours[service % G_N_ELEMENTS(colours)];

    if (text->n_services < 2)
        return;
    g_string_append_printf(shown, "%s%-*s |%s ", output_colour(text->output, colour), text->width,
                           text->services[service], output_reset(text->output, colour));
}

static void log_text_find_day(LogText *text)
{
    uint64_t now = text->output->now;
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local((int64_t)(now / USEC_PER_SEC));

    if (now >= text->day_begin && now < text->day_end)
        return;
    g_autoptr(GDateTime) day =
            g_date_time_new_local(g_date_time_get_year(at), g_date_time_get_month(at),
                                  g_date_time_get_day_of_month(at), 0, 0, 0);
    g_autoptr(GDateTime) next = g_date_time_add_days(day, 1);
    text->day_begin = (uint64_t)g_date_time_to_unix(day) * USEC_PER_SEC;
    text->day_end = (uint64_t)g_date_time_to_unix(next) * USEC_PER_SEC;
}

/* "12:05:07.123 ", with the date before it when that is not today. */
static void log_text_add_time(LogText *text, uint64_t time, GString *shown)
{
    g_autofree char *clock = text_clock(time);

    log_text_find_day(text);
    g_string_append(shown, output_colour(text->output, COLOUR_DIM));
    if (time < text->day_begin || time >= text->day_end) {
        g_autofree char *date = text_time(time);
        char *space = strchr(date, ' ');

        if (space != NULL)
            space[1] = '\0';
        g_string_append(shown, date);
    }
    g_string_append_printf(shown, "%s%s ", clock, output_reset(text->output, COLOUR_DIM));
}

/* "2026-11-21T12:05:07.123456Z stdout F:INVOCATION ", as the daemon writes it. */
static void log_text_add_stamp(const LogEntry *entry, GString *shown)
{
    int64_t seconds = (int64_t)(entry->time_usec / USEC_PER_SEC);
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_utc(seconds);
    g_autofree char *second =
            at != NULL ? g_date_time_format(at, "%Y-%m-%dT%H:%M:%S") : g_strdup("?");
    bool has_tag = entry->is_cut || entry->invocation[0] != '\0';

    g_string_append_printf(shown, "%s.%06uZ %s %s%s%s%s ", second,
                           (unsigned)(entry->time_usec % USEC_PER_SEC),
                           entry->is_stderr ? "stderr" : "stdout", entry->is_partial ? "P" : "F",
                           has_tag ? ":" : "", entry->invocation, entry->is_cut ? ":cut" : "");
}

/* Texts */

/* NUL is a control character like others. */
static void log_text_add_escaped(const LogEntry *entry, GString *shown)
{
    const char *end = entry->text + entry->length;

    for (const char *at = entry->text; at < end;) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        g_autofree char *part = g_strndup(at, (size_t)((nul != NULL ? nul : end) - at));
        g_autofree char *escaped = text_escape_but_tabs(part);

        g_string_append(shown, escaped);
        if (nul != NULL)
            g_string_append(shown, "\\x00");
        at = nul != NULL ? nul + 1 : end;
    }
}

static void log_text_add_bytes(const LogText *text, const LogEntry *entry, GString *shown)
{
    if (text->output->is_terminal)
        log_text_add_escaped(entry, shown);
    else
        g_string_append_len(shown, entry->text, (gssize)entry->length);
}

/* Styles */

/* True if the piece goes on where the last one has ended; else no line is open any more. */
static bool log_text_goes_on(LogText *text, unsigned service, bool is_stderr, GString *shown)
{
    if (text->is_open && text->open_service == service && text->open_stderr == is_stderr)
        return true;
    log_text_end(text, shown);
    return false;
}

/* After the text of a piece: its line is left open, or ended. */
static void log_text_leave(LogText *text, unsigned service, bool is_stderr, bool is_open,
                           GString *shown)
{
    text->is_open = is_open;
    text->open_service = service;
    text->open_stderr = is_stderr;
    if (!is_open)
        g_string_append_c(shown, '\n');
}

static void log_text_add_short(LogText *text, unsigned service, const LogEntry *entry,
                               GString *shown)
{
    const Output *output = text->output;
    Colour colour = entry->is_stderr ? COLOUR_YELLOW : COLOUR_NONE;

    if (!log_text_goes_on(text, service, entry->is_stderr, shown)) {
        log_text_add_name(text, service, shown);
        if (entry->time_usec != 0)
            log_text_add_time(text, entry->time_usec, shown);
        if (entry->time_usec != 0 && !output->has_colour)
            g_string_append(shown, entry->is_stderr ? "! " : "  ");
    }
    g_string_append(shown, output_colour(output, colour));
    log_text_add_escaped(entry, shown);
    g_string_append(shown, output_reset(output, colour));
    log_text_leave(text, service, entry->is_stderr, entry->is_partial, shown);
}

static void log_text_add_text(LogText *text, unsigned service, const LogEntry *entry,
                              GString *shown)
{
    log_text_add_name(text, service, shown);
    if (entry->time_usec != 0)
        log_text_add_stamp(entry, shown);
    log_text_add_bytes(text, entry, shown);
    g_string_append_c(shown, '\n');
}

/* Of one service there is nothing in it that the program has not written; names need lines. */
static void log_text_add_bare(LogText *text, unsigned service, const LogEntry *entry,
                              GString *shown)
{
    if (!log_text_goes_on(text, service, false, shown))
        log_text_add_name(text, service, shown);
    log_text_add_bytes(text, entry, shown);
    log_text_leave(text, service, false, entry->is_partial || entry->is_cut, shown);
}

static void log_text_add_json(LogText *text, unsigned service, const LogEntry *entry,
                              GString *shown)
{
    json_t *object = json_pack("{s:s}", "service", text->services[service]);

    (void)shown;
    (void)json_object_update(object, entry->json); /* fails only without memory */
    output_json(text->output, object);
}

void log_text_add(LogText *text, unsigned service, const LogEntry *entry, GString *shown)
{
    static void (*const styles[_LOG_STYLE_MAX])(LogText *, unsigned, const LogEntry *,
                                                GString *) = {
            [LOG_STYLE_SHORT] = log_text_add_short,
            [LOG_STYLE_TEXT] = log_text_add_text,
            [LOG_STYLE_BARE] = log_text_add_bare,
            [LOG_STYLE_JSON] = log_text_add_json,
    };

    styles[text->style](text, service, entry, shown);
}

void log_text_end(LogText *text, GString *shown)
{
    bool is_exact =
            text->style == LOG_STYLE_BARE && text->n_services < 2 && !text->output->is_terminal;

    if (text->is_open && !is_exact)
        g_string_append_c(shown, '\n');
    text->is_open = false;
}
