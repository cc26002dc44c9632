/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* g_utf8_validate() knows all that is wrong but the noncharacters: U+FDD0 to U+FDEF and the last
 * two of each plane. All of these begin with a byte from 0xEF on, which few texts have. */

#include "bus/text.h"

#include <glib.h>
#include <stdbool.h>

#define TEXT_REPLACEMENT 0xFFFD
#define TEXT_FIRST_SUSPECT_BYTE 0xEF

static bool text_is_noncharacter(gunichar c)
{
    return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

/* Most is ASCII, and all that is told goes through here. */
static const char *text_skip_ascii(const char *text)
{
    while ((signed char)*text > 0)
        text++;
    return text;
}

static bool text_is_sendable(const char *text)
{
    text = text_skip_ascii(text);
    if (*text == '\0')
        return true;
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        if ((unsigned char)*text >= TEXT_FIRST_SUSPECT_BYTE &&
            text_is_noncharacter(g_utf8_get_char(text)))
            return false;
    }
    return true;
}

const char *text_sendable(const char *text, char **ret_copy)
{
    GString *copy;

    if (text_is_sendable(text))
        return text;
    copy = g_string_new(NULL);
    while (*text != '\0') {
        gunichar c = g_utf8_get_char_validated(text, -1);
        bool is_valid = c != (gunichar)-1 && c != (gunichar)-2;

        text = is_valid ? g_utf8_next_char(text) : text + 1;
        g_string_append_unichar(copy, is_valid && !text_is_noncharacter(c) ? c : TEXT_REPLACEMENT);
    }
    return *ret_copy = g_string_free(copy, FALSE);
}
