/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people write, good and bad, row by row; and that what is formatted is read back. */

#include "base/clock.h"
#include "base/errors.h"
#include "base/parse.h"

#include <locale.h>
#include <signal.h>
#include <string.h>

#define UNTOUCHED UINT64_C(0xdeadbeef)
#define MINUTE (60 * USEC_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB UINT64_C(1024)
#define N_RANDOM 20000

typedef struct GoodRow {
    const char *string;
    uint64_t value;
} GoodRow;

static const GoodRow good_durations[] = {
        {"0", 0},
        {"0s", 0},
        {"0.0s", 0},
        {"10", 10 * USEC_PER_SEC},
        {"010", 10 * USEC_PER_SEC},
        {"1.5", 1500 * USEC_PER_MSEC},
        {"1us", 1},
        {"1usec", 1},
        {"1\xc2\xb5s", 1},
        {"1\xce\xbcs", 1},
        {"500ms", 500 * USEC_PER_MSEC},
        {"500msec", 500 * USEC_PER_MSEC},
        {"30s", 30 * USEC_PER_SEC},
        {"30sec", 30 * USEC_PER_SEC},
        {"1second", USEC_PER_SEC},
        {"2 seconds", 2 * USEC_PER_SEC},
        {"1m", MINUTE},
        {"1min", MINUTE},
        {"1 minute", MINUTE},
        {"1h", HOUR},
        {"1hr", HOUR},
        {"1hour", HOUR},
        {"2   hours", 2 * HOUR},
        {"1d", DAY},
        {"1day", DAY},
        {"3days", 3 * DAY},
        {"1w", 7 * DAY},
        {"1week", 7 * DAY},
        {"2weeks", 14 * DAY},
        {"1min 30s", 90 * USEC_PER_SEC},
        {"1h30min", 90 * MINUTE},
        {"55s500ms", 55500 * USEC_PER_MSEC},
        {"300ms20s 5day", 5 * DAY + 20300 * USEC_PER_MSEC},
        {"1s 1s", 2 * USEC_PER_SEC},
        {"1.5h", 90 * MINUTE},
        {"0.25s", 250 * USEC_PER_MSEC},
        {"0.000001s", 1},
        {"1.0000019s", USEC_PER_SEC + 1},
        {"0.3333333333333333333333333333h", 1199999999},
        {"18446744073709551614us", USEC_INFINITY - 1},
        {"18446744073709.551614", USEC_INFINITY - 1},
        {"infinity", USEC_INFINITY},
};

static const char *const bad_durations[] = {
        "",       " ",       "-1",       "+1",         "-1s", "1x",   "1 2",  "1 2s",   "1s 2",
        "s",      "ms",      "1..5s",    "1.s",        "1.",  ".5s",  ".",    "1.5.5s", "1,5s",
        "0x10",   "1e3",     " 1s",      "1s ",        "1 ",  "1\t",  "1s\n", "\n1s",   "1s\x01",
        "1\x7f",  "1 s\xff", "\xff\xfe", "1\xb5s",     "1S",  "1MIN", "1M",   "1y",     "1ns",
        "1us us", "0.5us",   "1.0us",    "0.0000001s", "nan", "inf",
};

static const char *const huge_durations[] = {
        "99999999999999999999",   "99999999999999999999us",   "18446744073709551615us",
        "18446744073709551616us", "18446744073709.551615",    "18446744073710s",
        "18446744073709551615w",  "18446744073709s 551615us", "30500568w 30500568w",
};

static const GoodRow good_sizes[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1K", KIB},
        {"1KiB", KIB},
        {"64KiB", 64 * KIB},
        {"64 KiB", 64 * KIB},
        {"1kB", 1000},
        {"1KB", 1000},
        {"10MB", 10000000},
        {"1M", KIB *KIB},
        {"1.5GiB", 3 * 512 * KIB *KIB},
        {"2G", 2 * KIB *KIB *KIB},
        {"1GB", 1000000000},
        {"1T", KIB *KIB *KIB *KIB},
        {"1TB", UINT64_C(1000000000000)},
        {"3PB", UINT64_C(3000000000000000)},
        {"1PiB", UINT64_C(1) << 50},
        {"15E", UINT64_C(15) << 60},
        {"18EB", UINT64_C(18000000000000000000)},
        {"0.5K", 512},
        {"0.3KiB", 307},
        {"18446744073709551615", UINT64_MAX},
};

static const char *const bad_sizes[] = {
        "",     " ",      "-1",     "+1",    "1.5",      "1.5B", "0.0B",   "K",     "KiB",
        "1k",   "1kib",   "1Ki",    "1KIB",  "1 K iB",   "1K1K", "1K 1",   "1KiB ", " 1K",
        "1K\n", "1\x01K", "1K\xff", "1e3",   "0x10",     "1,5K", "1.K",    ".5K",   "1..5K",
        "1b",   "1s",     "1bytes", "1KiB/", "infinity", "nan",  "0.0001K"};

static const char *const huge_sizes[] = {
        "18446744073709551616",  "99999999999999999999", "16EiB", "16E", "19EB",
        "99999999999999999999K", "18014398509481984K",
};

typedef bool (*ParseFunc)(const char *string, uint64_t *ret_value, GError **error);

static void check_good(ParseFunc parse, const GoodRow *row)
{
    g_autoptr(GError) error = NULL;
    uint64_t value = UNTOUCHED;

    g_test_message("good: '%s'", row->string);
    g_assert_true(parse(row->string, &value, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(value, ==, row->value);
}

static void check_bad(ParseFunc parse, const char *string, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *excerpt = parse_excerpt(string);
    g_autofree char *message = NULL;
    uint64_t value = UNTOUCHED;

    g_test_message("bad: '%s'", excerpt);
    g_assert_false(parse(string, &value, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ARGS);
    message = g_strdup_printf("expected %s, got %s", expected,
                              *string != '\0' ? excerpt : "an empty string");
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpuint(value, ==, UNTOUCHED);
    g_assert_false(parse(string, &value, NULL));
}

static void test_duration_good(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(good_durations); i++)
        check_good(parse_duration, &good_durations[i]);
}

static void test_duration_bad(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad_durations); i++)
        check_bad(parse_duration, bad_durations[i], "a duration such as \"30s\"");
}

static void test_duration_huge(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(huge_durations); i++)
        check_bad(parse_duration, huge_durations[i], "a duration below 2^64 microseconds");
}

static void test_size_good(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(good_sizes); i++)
        check_good(parse_size, &good_sizes[i]);
}

static void test_size_bad(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad_sizes); i++)
        check_bad(parse_size, bad_sizes[i], "a size such as \"64KiB\"");
}

static void test_size_huge(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(huge_sizes); i++)
        check_bad(parse_size, huge_sizes[i], "a size below 2^64 bytes");
}

static void test_locale(void)
{
    g_autofree char *before = g_strdup(setlocale(LC_NUMERIC, NULL));
    static const GoodRow row = {"1.5h", 90 * MINUTE};

    /* One with a decimal comma, if the machine has any. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL)
        g_test_skip("no locale with a decimal comma");
    check_good(parse_duration, &row);
    check_bad(parse_duration, "1,5h", "a duration such as \"30s\"");
    (void)setlocale(LC_NUMERIC, before);
}

static const struct {
    uint64_t usec;
    const char *string;
} formatted_durations[] = {
        {0, "0"},
        {1, "1us"},
        {500 * USEC_PER_MSEC, "500ms"},
        {USEC_PER_SEC, "1s"},
        {90 * USEC_PER_SEC, "1min 30s"},
        {90 * MINUTE, "1h 30min"},
        {DAY, "1d"},
        {8 * DAY + 1, "1w 1d 1us"},
        {USEC_INFINITY, "infinity"},
};

static const struct {
    uint64_t bytes;
    const char *string;
} formatted_sizes[] = {
        {0, "0"},
        {512, "512"},
        {1000, "1000"},
        {1024, "1KiB"},
        {1536, "1536"},
        {64 * KIB, "64KiB"},
        {1536 * KIB, "1536KiB"},
        {KIB * KIB, "1MiB"},
        {UINT64_C(1) << 60, "1EiB"},
        {UINT64_MAX, "18446744073709551615"},
};

static void check_round_trip(char *(*format)(uint64_t value), ParseFunc parse, uint64_t value)
{
    g_autofree char *string = format(value);
    g_autoptr(GError) error = NULL;
    uint64_t read = UNTOUCHED;

    g_assert_true(parse(string, &read, &error));
    g_assert_no_error(error);
    if (read != value)
        g_error("'%s' became %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT, string, read, value);
}

static void test_duration_format(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formatted_durations); i++) {
        g_autofree char *string = format_duration(formatted_durations[i].usec);

        g_assert_cmpstr(string, ==, formatted_durations[i].string);
    }
}

static void test_size_format(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formatted_sizes); i++) {
        g_autofree char *string = format_size(formatted_sizes[i].bytes);

        g_assert_cmpstr(string, ==, formatted_sizes[i].string);
    }
}

/* Of every magnitude. GTest prints the seed, and takes it back with --seed. */
static uint64_t random_value(void)
{
    uint64_t value = (uint64_t)(uint32_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();

    return value >> g_test_rand_int_range(0, 64) << g_test_rand_int_range(0, 64);
}

static void test_round_trip(void)
{
    static const uint64_t edges[] = {0, 1, 999, 1000, UINT64_MAX, UINT64_MAX - 1, INT64_MAX};

    for (size_t i = 0; i < G_N_ELEMENTS(edges); i++) {
        check_round_trip(format_duration, parse_duration, edges[i]);
        check_round_trip(format_size, parse_size, edges[i]);
    }
    for (size_t i = 0; i < N_RANDOM; i++) {
        check_round_trip(format_duration, parse_duration, random_value());
        check_round_trip(format_size, parse_size, random_value());
    }
}

/* Whatever the bytes are: no crash, and a result exactly when there is no error. */
static void test_random_bytes(void)
{
    static const char alphabet[] = "0123456789.. smhdwuKMGTiB-+\xc2\xb5\xff\x01infinitySIGRTMAX";

    for (size_t i = 0; i < N_RANDOM; i++) {
        static const ParseFunc parsers[] = {parse_duration, parse_size};
        char string[12];
        size_t length = (size_t)g_test_rand_int_range(0, sizeof(string));

        for (size_t j = 0; j < length; j++)
            string[j] = alphabet[g_test_rand_int_range(0, sizeof(alphabet) - 1)];
        string[length] = '\0';
        for (size_t j = 0; j < G_N_ELEMENTS(parsers); j++) {
            g_autoptr(GError) error = NULL;
            uint64_t value = UNTOUCHED;
            bool is_good = parsers[j](string, &value, &error);

            g_assert_true(is_good == (error == NULL));
            g_assert_true(is_good || value == UNTOUCHED);
            g_assert_true(error == NULL || g_utf8_validate(error->message, -1, NULL));
        }
    }
}

static void test_id(void)
{
    static const char *const good[] = {"a",  "web", "Web-1.2_3", "getty@tty1", "a:b", "0",
                                       "_x", "@",   "a.",        "a-",         "a..b"};
    static const char *const bad[] = {"",     ".",    "..",    ".a",    "-",    "-a",          " ",
                                      "a b",  "a/b",  "a\n",   "a\x01", "\xff", "caf\xc3\xa9", "a%",
                                      "a\\b", "a\"b", "a\x7f", "a*"};

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_true(parse_id(good[i], &error));
        g_assert_no_error(error);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(parse_id(bad[i], &error));
        g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ID);
        g_assert_true(g_str_has_prefix(error->message, "expected an id"));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
}

static void test_id_length(void)
{
    g_autofree char *longest = g_strnfill(ID_MAX_BYTES, 'a');
    g_autofree char *longer = g_strnfill(ID_MAX_BYTES + 1, 'a');
    g_autofree char *huge = g_strnfill(1024 * 1024, 'a');

    g_assert_true(parse_id(longest, NULL));
    g_assert_false(parse_id(longer, NULL));
    g_assert_false(parse_id(huge, NULL));
}

/* Every byte that is not in the alphabet, alone and within. */
static void test_id_bytes(void)
{
    for (int byte = 1; byte < 256; byte++) {
        char string[] = {'a', (char)byte, 'b', '\0'};
        bool is_good = g_ascii_isalnum(byte) || strchr("._-@:", byte) != NULL;

        g_assert_true(parse_id(string, NULL) == is_good);
    }
}

static void test_signal_good(void)
{
    const struct {
        const char *string;
        int signo;
    } rows[] = {
            {"SIGTERM", SIGTERM},
            {"TERM", SIGTERM},
            {"15", SIGTERM},
            {"HUP", SIGHUP},
            {"SIGUSR1", SIGUSR1},
            {"KILL", SIGKILL},
            {"1", 1},
            {"64", SIGRTMAX},
            {"SIGIO", SIGIO},
            {"POLL", SIGPOLL},
            {"SIGIOT", SIGABRT},
            {"CLD", SIGCHLD},
            {"RTMIN", SIGRTMIN},
            {"SIGRTMIN", SIGRTMIN},
            {"RTMIN+0", SIGRTMIN},
            {"RTMIN+3", SIGRTMIN + 3},
            {"SIGRTMIN+3", SIGRTMIN + 3},
            {"SIGRTMIN+30", SIGRTMAX},
            {"RTMAX", SIGRTMAX},
            {"SIGRTMAX-2", SIGRTMAX - 2},
            {"RTMAX-30", SIGRTMIN},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        int signo = 0;

        g_assert_true(parse_signal(rows[i].string, &signo, &error));
        g_assert_no_error(error);
        g_assert_cmpint(signo, ==, rows[i].signo);
    }
}

static void test_signal_bad(void)
{
    static const char *const rows[] = {
            "",           "0",        "-1",         "+15",
            "65",         "32",       "33",         "999",
            "sigterm",    "term",     "SIG",        "SIG15",
            "SIGSIGTERM", "TERM ",    " TERM",      "SIGTERMX",
            "RTMIN+",     "RTMIN-1",  "RTMIN+31",   "RTMIN+-1",
            "RTMIN 3",    "RTMAX+1",  "RTMAX-31",   "RTMINX",
            "RTM",        "TERM\n",   "\xff",       "SIG\x01",
            "15\xc2\xb5", "RTMIN+3 ", "4294967311", "99999999999999999999"};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        int signo = -7;

        g_assert_false(parse_signal(rows[i], &signo, &error));
        g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ARGS);
        g_assert_cmpint(signo, ==, -7);
    }
}

static void test_signal_round_trip(void)
{
    unsigned n = 0;

    for (int number = -70; number < 200; number++) {
        const char *string = signal_to_string(number);
        int signo = 0;

        if (string == NULL)
            continue;
        n++;
        g_assert_true(g_str_has_prefix(string, "SIG"));
        g_assert_true(parse_signal(string, &signo, NULL));
        g_assert_cmpint(signo, ==, number);
    }
    g_assert_cmpuint(n, ==, 31 + 31); /* 1 to 31, and SIGRTMIN to SIGRTMAX */
    g_assert_cmpstr(signal_to_string(SIGTERM), ==, "SIGTERM");
    g_assert_cmpstr(signal_to_string(SIGRTMIN), ==, "SIGRTMIN");
    g_assert_cmpstr(signal_to_string(SIGRTMIN + 3), ==, "SIGRTMIN+3");
    g_assert_null(signal_to_string(0));
    g_assert_null(signal_to_string(INT32_MAX));
    g_assert_null(signal_to_string(INT32_MIN));
}

static void test_mode(void)
{
    static const struct {
        const char *string;
        uint32_t max;
        bool is_good;
        uint32_t mode;
    } rows[] = {
            {"0022", 0777, true, 022},
            {"22", 0777, true, 022},
            {"0", 0777, true, 0},
            {"777", 0777, true, 0777},
            {"00000000000000000777", 0777, true, 0777},
            {"7777", 07777, true, 07777},
            {"1777", 0777, false, 0},
            {"10000", 07777, false, 0},
            {"40000000000", 0777, false, 0}, /* 2^32 */
            {"", 0777, false, 0},
            {"8", 0777, false, 0},
            {"0o22", 0777, false, 0},
            {"0x12", 0777, false, 0},
            {"-1", 0777, false, 0},
            {"+22", 0777, false, 0},
            {" 22", 0777, false, 0},
            {"22 ", 0777, false, 0},
            {"rwx", 0777, false, 0},
            {"7777777777777777777777777", 07777, false, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        uint32_t mode = 0xdead;

        g_test_message("'%s'", rows[i].string);
        g_assert_true(parse_mode(rows[i].string, rows[i].max, &mode, &error) == rows[i].is_good);
        g_assert_cmpuint(mode, ==, rows[i].is_good ? rows[i].mode : 0xdead);
        if (!rows[i].is_good)
            g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ARGS);
    }
}

static void test_unsigned(void)
{
    static const struct {
        const char *string;
        uint64_t min;
        uint64_t max;
        bool is_good;
        uint64_t value;
    } rows[] = {
            {"0", 0, 10, true, 0},
            {"10", 0, 10, true, 10},
            {"010", 0, 10, true, 10},
            {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
            {"18446744073709551616", 0, UINT64_MAX, false, 0},
            {"18446744073709551620", 0, UINT64_MAX, false, 0},
            {"99999999999999999999", 0, UINT64_MAX, false, 0},
            {"11", 0, 10, false, 0},
            {"0", 1, 10, false, 0},
            {"", 0, 10, false, 0},
            {"-1", 0, UINT64_MAX, false, 0},
            {"+1", 0, 10, false, 0},
            {" 1", 0, 10, false, 0},
            {"1 ", 0, 10, false, 0},
            {"1.0", 0, 10, false, 0},
            {"1e0", 0, 10, false, 0},
            {"0x1", 0, 10, false, 0},
            {"1\n", 0, 10, false, 0},
            {"\xd9\xa1", 0, 10, false, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t value = UNTOUCHED;

        g_test_message("'%s'", rows[i].string);
        g_assert_true(parse_unsigned(rows[i].string, rows[i].min, rows[i].max, &value, &error) ==
                      rows[i].is_good);
        g_assert_cmpuint(value, ==, rows[i].is_good ? rows[i].value : UNTOUCHED);
        if (!rows[i].is_good)
            g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ARGS);
    }
}

static void test_excerpt(void)
{
    static const struct {
        const char *string;
        const char *excerpt;
    } rows[] = {
            {"", ""},
            {"plain text", "plain text"},
            {"caf\xc3\xa9", "caf\xc3\xa9"},
            {"a\nb\x1b[0m", "a\\x0ab\\x1b[0m"},
            {"\x7f", "\\x7f"},
            {"\xff\xc3", "\\xff\\xc3"},
            {"\xc2\x9b", "\\xc2\\x9b"},          /* a C1 control */
            {"\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* right-to-left override */
            {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* line separator */
            {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *excerpt = parse_excerpt(rows[i].string);

        g_assert_cmpstr(excerpt, ==, rows[i].excerpt);
    }
}

static void test_excerpt_cut(void)
{
    static const char *const fillers[] = {"a",  "\xc3\xa9", "\xe2\x82\xac",
                                          "\n", "\xff",     "a\xc3\xa9"};

    for (size_t i = 0; i < G_N_ELEMENTS(fillers); i++) {
        for (size_t n = 1; n < 80; n++) {
            GString *string = g_string_new(NULL);
            g_autofree char *excerpt = NULL;

            for (size_t j = 0; j < n; j++)
                g_string_append(string, fillers[i]);
            excerpt = parse_excerpt(string->str);
            g_assert_cmpuint(strlen(excerpt), <=, 64);
            g_assert_true(g_utf8_validate(excerpt, -1, NULL));
            if (string->len > 64)
                g_assert_true(g_str_has_suffix(excerpt, "…"));
            else if (*fillers[i] == 'a')
                g_assert_cmpstr(excerpt, ==, string->str);
            (void)g_string_free(string, TRUE);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parse/duration/good", test_duration_good);
    g_test_add_func("/parse/duration/bad", test_duration_bad);
    g_test_add_func("/parse/duration/huge", test_duration_huge);
    g_test_add_func("/parse/duration/format", test_duration_format);
    g_test_add_func("/parse/duration/locale", test_locale);
    g_test_add_func("/parse/size/good", test_size_good);
    g_test_add_func("/parse/size/bad", test_size_bad);
    g_test_add_func("/parse/size/huge", test_size_huge);
    g_test_add_func("/parse/size/format", test_size_format);
    g_test_add_func("/parse/round-trip", test_round_trip);
    g_test_add_func("/parse/random-bytes", test_random_bytes);
    g_test_add_func("/parse/id/table", test_id);
    g_test_add_func("/parse/id/length", test_id_length);
    g_test_add_func("/parse/id/every-byte", test_id_bytes);
    g_test_add_func("/parse/signal/good", test_signal_good);
    g_test_add_func("/parse/signal/bad", test_signal_bad);
    g_test_add_func("/parse/signal/round-trip", test_signal_round_trip);
    g_test_add_func("/parse/mode", test_mode);
    g_test_add_func("/parse/unsigned", test_unsigned);
    g_test_add_func("/parse/excerpt/escapes", test_excerpt);
    g_test_add_func("/parse/excerpt/cut", test_excerpt_cut);
    return g_test_run();
}
