/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durations, sizes, modes and numbers: what is accepted can be printed and parses back to the same
 * value; what is refused leaves the value alone and says so in a line. */

#include "base/errors.h"
#include "base/parse.h"
#include "fuzz.h"

#define QUANTITY_MESSAGE_MAX_BYTES 256
#define QUANTITY_UNTOUCHED UINT64_C(0x5ca1ab1edeadbeef)

static void quantity_assert_refused(uint64_t value, const GError *error)
{
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ARGS);
    g_assert_cmpuint(value, ==, QUANTITY_UNTOUCHED);
    g_assert_true(g_str_has_prefix(error->message, "expected "));
    fuzz_assert_line(error->message, QUANTITY_MESSAGE_MAX_BYTES);
}

static void quantity_check(const char *string,
                           bool (*parse)(const char *string, uint64_t *ret_value, GError **error),
                           char *(*format)(uint64_t value))
{
    uint64_t value = QUANTITY_UNTOUCHED, again = 0;
    g_autoptr(GError) error = NULL;

    if (!parse(string, &value, &error)) {
        quantity_assert_refused(value, error);
        return;
    }
    g_assert_no_error(error);
    g_autofree char *text = format(value);
    fuzz_assert_line(text, 64);
    g_assert_true(parse(text, &again, &error));
    g_assert_cmpuint(again, ==, value);
}

static bool quantity_parse_unsigned(const char *string, uint64_t *ret_value, GError **error)
{
    return parse_unsigned(string, 10, UINT64_MAX - 1, ret_value, error);
}

static char *quantity_format_unsigned(uint64_t value)
{
    g_assert_cmpuint(value, >=, 10);
    g_assert_cmpuint(value, <, UINT64_MAX);
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}

static bool quantity_parse_mode(const char *string, uint64_t *ret_value, GError **error)
{
    uint32_t mode;

    if (!parse_mode(string, 0777, &mode, error))
        return false;
    *ret_value = mode;
    return true;
}

static char *quantity_format_mode(uint64_t value)
{
    g_assert_cmpuint(value, <=, 0777);
    return g_strdup_printf("%04o", (unsigned)value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *string = fuzz_string(data, size);

    quantity_check(string, parse_duration, format_duration);
    quantity_check(string, parse_size, format_size);
    quantity_check(string, quantity_parse_unsigned, quantity_format_unsigned);
    quantity_check(string, quantity_parse_mode, quantity_format_mode);
    return 0;
}
