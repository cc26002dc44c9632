/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes from the daemon may have been written by anybody who can name a service or fail with a
 * message, so nothing of it reaches a terminal before it went through text_escape. */

#include "text.h"

#include "base/clock.h"

#include <stdbool.h>
#include <string.h>

#define TEXT_TAB_WIDTH 8 /* of every terminal, unless somebody has moved its stops */

static bool text_is_harmless(gunichar c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return false;
    /* Line and paragraph separators, and everything that turns the direction of text. */
    if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
        return false;
    return c != 0x200e && c != 0x200f && c != 0x061c && c != 0xfeff;
}

static void text_append_escaped(GString *text, gunichar c)
{
    if (c == '\n')
        g_string_append(text, "\\n");
    else if (c == '\t')
        g_string_append(text, "\\t");
    else if (c < 0x100)
        g_string_append_printf(text, "\\x%02x", c);
    else
        g_string_append_printf(text, "\\u%04x", c);
}

static char *text_escape_but(const char *string, const char *but)
{
    GString *text = g_string_sized_new(strlen(string));

    while (*string != '\0') {
        gunichar c = g_utf8_get_char_validated(string, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            text_append_escaped(text, (unsigned char)*string++);
            continue;
        }
        if (text_is_harmless(c) || (c < 0x80 && strchr(but, (int)c) != NULL))
            g_string_append_unichar(text, c);
        else
            text_append_escaped(text, c);
        string = g_utf8_next_char(string);
    }
    return g_string_free(text, FALSE);
}

char *text_escape(const char *string)
{
    return text_escape_but(string, "");
}

char *text_escape_but_tabs(const char *string)
{
    return text_escape_but(string, "\t");
}

char *text_escape_lines(const char *string)
{
    return text_escape_but(string, "\n\t");
}

/* Of a character in this column: a tab goes to the next stop. */
static int text_char_width(gunichar c, int column)
{
    if (c == '\t')
        return TEXT_TAB_WIDTH - column % TEXT_TAB_WIDTH;
    if (g_unichar_iszerowidth(c))
        return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

int text_width(const char *string)
{
    int width = 0;

    for (; *string != '\0'; string = g_utf8_next_char(string))
        width += text_char_width(g_utf8_get_char(string), width);
    return width;
}

char *text_cut(const char *string, int width, const char *ellipsis)
{
    const char *end = string;
    int used = 0;

    if (text_width(string) <= width)
        return g_strdup(string);
    width -= text_width(ellipsis);
    if (width < 0)
        return g_strdup("");
    for (; *end != '\0'; end = g_utf8_next_char(end)) {
        int more = text_char_width(g_utf8_get_char(end), used);
        if (used + more > width)
            break;
        used += more;
    }
    return g_strdup_printf("%.*s%s", (int)(end - string), string, ellipsis);
}

char *text_span(uint64_t usec)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"y", 31557600}, {"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    uint64_t seconds = usec / USEC_PER_SEC;

    if (usec == USEC_INFINITY)
        return g_strdup("forever");
    if (usec == 0)
        return g_strdup("0s");
    if (usec < USEC_PER_MSEC)
        return g_strdup_printf("%" G_GUINT64_FORMAT "us", usec);
    if (usec < USEC_PER_SEC)
        return g_strdup_printf("%" G_GUINT64_FORMAT "ms", usec / USEC_PER_MSEC);
    if (usec < 10 * USEC_PER_SEC && usec % USEC_PER_SEC >= 100 * USEC_PER_MSEC)
        return g_strdup_printf("%" G_GUINT64_FORMAT ".%us", seconds,
                               (unsigned)(usec % USEC_PER_SEC / (100 * USEC_PER_MSEC)));
    for (size_t i = 0; i + 1 < G_N_ELEMENTS(units); i++) {
        uint64_t rest = seconds % units[i].seconds / units[i + 1].seconds;

        if (seconds < units[i].seconds)
            continue;
        if (rest == 0)
            return g_strdup_printf("%" G_GUINT64_FORMAT "%s", seconds / units[i].seconds,
                                   units[i].name);
        return g_strdup_printf("%" G_GUINT64_FORMAT "%s %" G_GUINT64_FORMAT "%s",
                               seconds / units[i].seconds, units[i].name, rest, units[i + 1].name);
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT "s", seconds);
}

char *text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t tenths;
    size_t i = 0;

    for (; bytes >> 10 >= 1024 && i + 2 < G_N_ELEMENTS(units); i++)
        bytes >>= 10;
    if (bytes < 1024)
        return g_strdup_printf("%" G_GUINT64_FORMAT " %s", bytes, units[i]);
    tenths = (bytes & 1023) * 10 / 1024;
    if (bytes >> 10 >= 10 || tenths == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT " %s", bytes >> 10, units[i + 1]);
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT " %s", bytes >> 10, tenths,
                           units[i + 1]);
}

char *text_ago(uint64_t time, uint64_t now)
{
    if (time == now)
        return g_strdup("now");
    g_autofree char *span = text_span(time > now ? time - now : now - time);
    return time > now ? g_strdup_printf("in %s", span) : g_strdup_printf("%s ago", span);
}

char *text_since(uint64_t time, uint64_t now)
{
    return text_ago(MIN(time, now), now);
}

static char *text_time_format(uint64_t time, const char *format)
{
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local((int64_t)(time / USEC_PER_SEC));

    if (at == NULL)
        return g_strdup_printf("%" G_GUINT64_FORMAT, time);
    return g_date_time_format(at, format);
}

char *text_time(uint64_t time)
{
    return text_time_format(time, "%Y-%m-%d %H:%M:%S");
}

char *text_clock(uint64_t time)
{
    g_autofree char *seconds = text_time_format(time, "%H:%M:%S");

    return g_strdup_printf("%s.%03u", seconds, (unsigned)(time % USEC_PER_SEC / USEC_PER_MSEC));
}
