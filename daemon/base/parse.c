/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers as people write them. Everything is read by hand, byte by byte: the C library's strtoul
 * and strtod take signs, blanks, hexadecimals and the locale's decimal point, none of which belongs
 * here. Quantities (durations, sizes) share one reader and differ in their table of units. */

#include "base/parse.h"

#include "base/clock.h"
#include "base/errors.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define PARSE_EXCERPT_BYTES 64
#define PARSE_ELLIPSIS "…"
/* More digits than this after the point cannot matter and are read but not counted. */
#define PARSE_FRACTION_DIGITS 15

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)

__extension__ typedef unsigned __int128 ParseWide; /* no product of two uint64_t overflows it */

typedef struct ParseUnit {
    const char *name; /* "": the factor of a number without a unit */
    uint64_t factor;
} ParseUnit;

/* Months and years are left out: "M" beside "m" is a trap, and nothing here lasts that long. */
static const ParseUnit parse_duration_units[] = {
        {"", USEC_PER_SEC},
        {"us", 1},
        {"usec", 1},
        {"\xc2\xb5s", 1}, /* U+00B5, the micro sign */
        {"\xce\xbcs", 1}, /* U+03BC, the Greek letter */
        {"ms", USEC_PER_MSEC},
        {"msec", USEC_PER_MSEC},
        {"s", USEC_PER_SEC},
        {"sec", USEC_PER_SEC},
        {"second", USEC_PER_SEC},
        {"seconds", USEC_PER_SEC},
        {"m", USEC_PER_MINUTE},
        {"min", USEC_PER_MINUTE},
        {"minute", USEC_PER_MINUTE},
        {"minutes", USEC_PER_MINUTE},
        {"h", USEC_PER_HOUR},
        {"hr", USEC_PER_HOUR},
        {"hour", USEC_PER_HOUR},
        {"hours", USEC_PER_HOUR},
        {"d", USEC_PER_DAY},
        {"day", USEC_PER_DAY},
        {"days", USEC_PER_DAY},
        {"w", USEC_PER_WEEK},
        {"week", USEC_PER_WEEK},
        {"weeks", USEC_PER_WEEK},
        {NULL},
};

static const ParseUnit parse_size_units[] = {
        {"", 1},
        {"B", 1},
        {"kB", UINT64_C(1000)},
        {"KB", UINT64_C(1000)},
        {"MB", UINT64_C(1000000)},
        {"GB", UINT64_C(1000000000)},
        {"TB", UINT64_C(1000000000000)},
        {"PB", UINT64_C(1000000000000000)},
        {"EB", UINT64_C(1000000000000000000)},
        {"K", UINT64_C(1) << 10},
        {"M", UINT64_C(1) << 20},
        {"G", UINT64_C(1) << 30},
        {"T", UINT64_C(1) << 40},
        {"P", UINT64_C(1) << 50},
        {"E", UINT64_C(1) << 60},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
        {"PiB", UINT64_C(1) << 50},
        {"EiB", UINT64_C(1) << 60},
        {NULL},
};

/* Largest first. */
static const ParseUnit format_duration_units[] = {
        {"w", USEC_PER_WEEK},
        {"d", USEC_PER_DAY},
        {"h", USEC_PER_HOUR},
        {"min", USEC_PER_MINUTE},
        {"s", USEC_PER_SEC},
        {"ms", USEC_PER_MSEC},
        {"us", 1},
};

static const ParseUnit format_size_units[] = {
        {"EiB", UINT64_C(1) << 60}, {"PiB", UINT64_C(1) << 50}, {"TiB", UINT64_C(1) << 40},
        {"GiB", UINT64_C(1) << 30}, {"MiB", UINT64_C(1) << 20}, {"KiB", UINT64_C(1) << 10},
};

static bool parse_is_printable(const char *bytes, int n_bytes)
{
    gunichar character = g_utf8_get_char(bytes);
    GUnicodeType type;

    if (n_bytes == 1)
        return character >= 0x20 && character < 0x7f;
    type = g_unichar_type(character);
    return g_unichar_isprint(character) && type != G_UNICODE_LINE_SEPARATOR &&
           type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* The number of bytes of the UTF-8 character at bytes; 0 if there is none. */
static int parse_character_bytes(const char *bytes)
{
    gunichar character = g_utf8_get_char_validated(bytes, -1);

    if (character == (gunichar)-1 || character == (gunichar)-2)
        return 0;
    return g_unichar_to_utf8(character, NULL);
}

char *parse_excerpt(const char *string)
{
    const size_t room = PARSE_EXCERPT_BYTES - strlen(PARSE_ELLIPSIS);
    GString *excerpt = g_string_sized_new(PARSE_EXCERPT_BYTES + 1);
    size_t cut = 0; /* where the excerpt ends if the string turns out to be too long */

    while (*string != '\0' && excerpt->len <= PARSE_EXCERPT_BYTES) {
        int n_bytes = parse_character_bytes(string);

        if (n_bytes > 0 && parse_is_printable(string, n_bytes)) {
            g_string_append_len(excerpt, string, n_bytes);
        } else {
            n_bytes = MAX(n_bytes, 1);
            for (int i = 0; i < n_bytes; i++)
                g_string_append_printf(excerpt, "\\x%02x", (unsigned char)string[i]);
        }
        string += n_bytes;
        if (excerpt->len <= room)
            cut = excerpt->len;
    }
    if (excerpt->len > PARSE_EXCERPT_BYTES) {
        g_string_truncate(excerpt, cut);
        g_string_append(excerpt, PARSE_ELLIPSIS);
    }
    return g_string_free(excerpt, FALSE);
}

/* Sets "expected EXPECTED, got GOT"; returns false. */
static bool parse_refuse(GError **error, ErrorCode code, const char *expected, const char *got)
{
    g_autofree char *excerpt = parse_excerpt(got);

    return error_set(error, code, "expected %s, got %s", expected,
                     *got != '\0' ? excerpt : "an empty string");
}

/* Reads one or more digits, and advances *cursor. -EINVAL: no digit; -ERANGE: too large. */
static int parse_digits(const char **cursor, uint64_t *ret_value)
{
    const char *start = *cursor;
    uint64_t value = 0;

    for (; g_ascii_isdigit(**cursor); (*cursor)++) {
        unsigned digit = (unsigned)(**cursor - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    if (*cursor == start)
        return -EINVAL;
    *ret_value = value;
    return 0;
}

/* Reads ".DIGITS" if it is there: the fraction is *ret_value / *ret_scale. */
static int parse_fraction(const char **cursor, uint64_t *ret_value, uint64_t *ret_scale)
{
    uint64_t value = 0;
    uint64_t scale = 1;
    unsigned n_digits = 0;

    if (**cursor == '.') {
        for ((*cursor)++; g_ascii_isdigit(**cursor); (*cursor)++) {
            if (n_digits++ >= PARSE_FRACTION_DIGITS)
                continue;
            value = value * 10 + (uint64_t)(**cursor - '0');
            scale *= 10;
        }
        if (n_digits == 0)
            return -EINVAL;
    }
    *ret_value = value;
    *ret_scale = scale;
    return 0;
}

/* The unit at *cursor, blanks before it allowed; advances only over what it takes. */
static const ParseUnit *parse_unit(const char **cursor, const ParseUnit *units)
{
    const char *start = *cursor + strspn(*cursor, " ");
    size_t length = strcspn(start, " .0123456789");

    if (length > 0)
        *cursor = start + length;
    for (; units->name != NULL; units++) {
        if (strlen(units->name) == length && memcmp(units->name, start, length) == 0)
            return units;
    }
    return NULL;
}

/* Reads "NUMBER[.DIGITS][ ][UNIT]" and advances *cursor. A fraction of the smallest unit, and a
 * quantity so small that only 0 would remain of it, are mistakes (-EINVAL). */
static int parse_quantity(const char **cursor, const ParseUnit *units, uint64_t *ret_value,
                          bool *ret_has_unit)
{
    const ParseUnit *unit;
    uint64_t whole;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    ParseWide total;
    int r;

    r = parse_digits(cursor, &whole);
    if (r == 0)
        r = parse_fraction(cursor, &fraction, &scale);
    if (r < 0)
        return r;
    unit = parse_unit(cursor, units);
    if (unit == NULL || (scale > 1 && unit->factor == 1))
        return -EINVAL;
    total = (ParseWide)whole * unit->factor + (ParseWide)fraction * unit->factor / scale;
    if (total > UINT64_MAX)
        return -ERANGE;
    if (total == 0 && fraction > 0)
        return -EINVAL;
    *ret_value = (uint64_t)total;
    *ret_has_unit = *unit->name != '\0';
    return 0;
}

/* The sum of one or more quantities. A number without a unit must stand alone. */
static int parse_duration_sum(const char *string, uint64_t *ret_usec)
{
    const char *cursor = string;
    uint64_t sum = 0;

    for (;;) {
        uint64_t usec;
        bool has_unit;
        bool is_first = cursor == string;
        int r = parse_quantity(&cursor, parse_duration_units, &usec, &has_unit);

        if (r < 0)
            return r;
        if (!has_unit && (!is_first || *cursor != '\0'))
            return -EINVAL;
        sum = usec_add(sum, usec);
        if (sum == USEC_INFINITY)
            return -ERANGE;
        if (*cursor == '\0')
            break;
        cursor += strspn(cursor, " ");
    }
    *ret_usec = sum;
    return 0;
}

bool parse_duration(const char *string, uint64_t *ret_usec, GError **error)
{
    int r;

    if (g_str_equal(string, "infinity")) {
        *ret_usec = USEC_INFINITY;
        return true;
    }
    r = parse_duration_sum(string, ret_usec);
    if (r == -ERANGE)
        return parse_refuse(error, ERROR_INVALID_ARGS, "a duration below 2^64 microseconds",
                            string);
    if (r < 0)
        return parse_refuse(error, ERROR_INVALID_ARGS, "a duration such as \"30s\"", string);
    return true;
}

char *format_duration(uint64_t usec)
{
    GString *text;

    if (usec == USEC_INFINITY)
        return g_strdup("infinity");
    if (usec == 0)
        return g_strdup("0");
    text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(format_duration_units); i++) {
        const ParseUnit *unit = &format_duration_units[i];

        if (usec < unit->factor)
            continue;
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "%s", text->len > 0 ? " " : "",
                               usec / unit->factor, unit->name);
        usec %= unit->factor;
    }
    return g_string_free(text, FALSE);
}

bool parse_size(const char *string, uint64_t *ret_bytes, GError **error)
{
    const char *cursor = string;
    uint64_t bytes;
    bool has_unit;
    int r = parse_quantity(&cursor, parse_size_units, &bytes, &has_unit);

    if (r == -ERANGE)
        return parse_refuse(error, ERROR_INVALID_ARGS, "a size below 2^64 bytes", string);
    if (r < 0 || *cursor != '\0')
        return parse_refuse(error, ERROR_INVALID_ARGS, "a size such as \"64KiB\"", string);
    *ret_bytes = bytes;
    return true;
}

char *format_size(uint64_t bytes)
{
    for (size_t i = 0; bytes > 0 && i < G_N_ELEMENTS(format_size_units); i++) {
        const ParseUnit *unit = &format_size_units[i];

        if (bytes % unit->factor == 0)
            return g_strdup_printf("%" G_GUINT64_FORMAT "%s", bytes / unit->factor, unit->name);
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
}

static bool parse_is_id_byte(char byte)
{
    return g_ascii_isalnum(byte) || (byte != '\0' && strchr("._-@:", byte) != NULL);
}

bool parse_id(const char *id, GError **error)
{
    size_t length = 0;

    while (length <= ID_MAX_BYTES && parse_is_id_byte(id[length]))
        length++;
    if (length < 1 || length > ID_MAX_BYTES || id[length] != '\0' || *id == '.' || *id == '-')
        return parse_refuse(error, ERROR_INVALID_ID,
                            "an id (1 to 255 of A-Z a-z 0-9 . _ - @ :, not starting with . or -)",
                            id);
    return true;
}

/* Signals that have a second name. */
static const struct {
    const char *name;
    int signo;
} parse_signal_aliases[] = {
        {"CLD", SIGCHLD},
        {"IO", SIGIO},
        {"IOT", SIGABRT},
        {"POLL", SIGPOLL},
};

/* name without "SIG"; 0 for no signal. */
static int parse_signal_name(const char *name)
{
    for (int signo = 1; signo < NSIG; signo++) {
        const char *abbreviation = sigabbrev_np(signo);

        if (abbreviation != NULL && g_str_equal(abbreviation, name))
            return signo;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(parse_signal_aliases); i++) {
        if (g_str_equal(parse_signal_aliases[i].name, name))
            return parse_signal_aliases[i].signo;
    }
    return 0;
}

/* "RTMIN", "RTMIN+N", "RTMAX", "RTMAX-N"; 0 for others and for what is out of range. */
static int parse_signal_realtime(const char *name)
{
    bool from_min = g_str_has_prefix(name, "RTMIN");
    int base = from_min ? SIGRTMIN : SIGRTMAX;
    uint64_t offset;

    if (!from_min && !g_str_has_prefix(name, "RTMAX"))
        return 0;
    name += strlen("RTMIN");
    if (*name == '\0')
        return base;
    if (*name != (from_min ? '+' : '-'))
        return 0;
    if (!parse_unsigned(name + 1, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &offset, NULL))
        return 0;
    return from_min ? base + (int)offset : base - (int)offset;
}

bool parse_signal(const char *string, int *ret_signo, GError **error)
{
    const char *name = string;
    uint64_t number;
    int signo;

    if (parse_unsigned(string, 1, (uint64_t)SIGRTMAX, &number, NULL)) {
        signo = signal_to_string((int)number) != NULL ? (int)number : 0;
    } else {
        if (g_str_has_prefix(name, "SIG"))
            name += strlen("SIG");
        signo = parse_signal_name(name);
        if (signo == 0)
            signo = parse_signal_realtime(name);
    }
    if (signo == 0)
        return parse_refuse(error, ERROR_INVALID_ARGS, "a signal such as \"SIGTERM\"", string);
    *ret_signo = signo;
    return true;
}

const char *signal_to_string(int signo)
{
    const char *abbreviation = sigabbrev_np(signo);
    g_autofree char *name = NULL;

    /* Interned: there are at most NSIG of them. */
    if (abbreviation != NULL)
        name = g_strconcat("SIG", abbreviation, NULL);
    else if (signo == SIGRTMIN)
        name = g_strdup("SIGRTMIN");
    else if (signo > SIGRTMIN && signo <= SIGRTMAX)
        name = g_strdup_printf("SIGRTMIN+%d", signo - SIGRTMIN);
    return g_intern_string(name);
}

bool parse_mode(const char *string, uint32_t max, uint32_t *ret_mode, GError **error)
{
    g_autofree char *expected = NULL;
    const char *cursor = string;
    uint32_t mode = 0;

    for (; *cursor >= '0' && *cursor <= '7' && mode <= max; cursor++)
        mode = mode * 8 + (uint32_t)(*cursor - '0');
    if (cursor > string && *cursor == '\0' && mode <= max) {
        *ret_mode = mode;
        return true;
    }
    expected = g_strdup_printf("an octal mode such as \"0022\", at most %04o", max);
    return parse_refuse(error, ERROR_INVALID_ARGS, expected, string);
}

bool parse_unsigned(const char *string, uint64_t min, uint64_t max, uint64_t *ret_value,
                    GError **error)
{
    g_autofree char *expected = NULL;
    const char *cursor = string;
    uint64_t value;

    if (parse_digits(&cursor, &value) == 0 && *cursor == '\0' && value >= min && value <= max) {
        *ret_value = value;
        return true;
    }
    expected =
            g_strdup_printf("a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, min, max);
    return parse_refuse(error, ERROR_INVALID_ARGS, expected, string);
}
