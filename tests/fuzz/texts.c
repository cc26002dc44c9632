/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strangers' texts on their way to people, to the bus and into addresses: whatever they hold, what
 * comes out is harmless, and nothing is lost that need not be. */

#include "text.h"

#include "base/address.h"
#include "base/parse.h"
#include "bus/text.h"
#include "fuzz.h"

#include <string.h>

static void texts_check_excerpt(const char *string)
{
    g_autofree char *excerpt = parse_excerpt(string);

    if (*string != '\0')
        fuzz_assert_line(excerpt, 64);
    else
        g_assert_cmpstr(excerpt, ==, "");
}

static void texts_check_escape(const char *string)
{
    g_autofree char *line = text_escape(string);
    g_autofree char *lines = text_escape_lines(string);
    g_autofree char *again = text_escape(line);

    if (*string == '\0')
        return;
    fuzz_assert_line(line, strlen(string) * 6);
    g_assert_true(g_utf8_validate(lines, -1, NULL));
    g_assert_cmpstr(again, ==, line);
    for (int width = 0; width < 6; width++) {
        g_autofree char *cut = text_cut(line, width, "…");

        g_assert_cmpint(text_width(cut), <=, width);
        g_assert_true(g_utf8_validate(cut, -1, NULL));
    }
}

static void texts_check_sendable(const char *string)
{
    char *copy = NULL, *copy_of_copy = NULL;
    const char *sendable = text_sendable(string, &copy);

    g_assert_true(sendable == (copy != NULL ? copy : string));
    g_assert_true(g_utf8_validate(sendable, -1, NULL));
    for (const char *c = sendable; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);

        g_assert_false(character >= 0xfdd0 && character <= 0xfdef);
        g_assert_cmpuint(character & 0xfffe, !=, 0xfffe);
    }
    g_assert_true(text_sendable(sendable, &copy_of_copy) == sendable);
    g_assert_null(copy_of_copy);
    g_free(copy);
}

static void texts_check_address(const char *string)
{
    g_autofree char *escaped = address_escape(string);
    g_autofree char *back = g_uri_unescape_string(escaped, NULL);

    g_assert_cmpuint(strcspn(escaped, ",;:= \n"), ==, strlen(escaped));
    g_assert_cmpstr(back, ==, string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *string = fuzz_string(data, size);

    texts_check_excerpt(string);
    texts_check_escape(string);
    texts_check_sendable(string);
    texts_check_address(string);
    return 0;
}
