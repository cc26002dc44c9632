/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict documents, hostile ones above all, and pointers. */

#include "base/json.h"

#include <string.h>

static json_t *document_parse(const char *text, Problems *problems)
{
    return json_document_parse(text, strlen(text), problems);
}

/* The document is refused, with this one problem. */
static void check_rejected(const char *bytes, size_t length, const char *pointer, unsigned line,
                           unsigned column, const char *message)
{
    g_autoptr(Problems) problems = problems_new();
    const Problem *problem;

    g_assert_null(json_document_parse(bytes, length, problems));
    g_assert_cmpuint(problems_count(problems), ==, 1);
    problem = problems_get(problems, 0);
    g_assert_cmpint(problem->severity, ==, PROBLEM_ERROR);
    g_assert_cmpstr(problem->message, ==, message);
    g_assert_cmpstr(problem->pointer, ==, pointer);
    g_assert_cmpuint(problem->line, ==, line);
    g_assert_cmpuint(problem->column, ==, column);
}

static void test_document_accept(void)
{
    static const char *const rows[] = {
            "{}",
            " \n\t{ } \n",
            "{\"$comment\": \"x\", \"a\": [1, -2, 0.5, 1e3, true, false, null, \"\", {}, []]}",
            "{\"a\": 9223372036854775807, \"b\": -9223372036854775808}",
            "{\"caf\xc3\xa9\": \"\\u00e9 \\ud83d\\ude00 \\\" \\\\ \xf0\x9f\x98\x80\"}",
            "{\"a\": {\"b\": 1}, \"b\": {\"b\": 1}, \"\": 0}",
            "{\"[{\": \"]}\\\"]}\"}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Problems) problems = problems_new();
        json_t *value = document_parse(rows[i], problems);

        g_assert_true(json_is_object(value));
        g_assert_cmpuint(problems_count(problems), ==, 0);
        json_decref(value);
    }
}

static void test_reject_syntax(void)
{
    static const struct {
        const char *text;
        unsigned line;
        unsigned column;
        const char *message;
    } rows[] = {
            {"   ", 1, 3, "not valid JSON: unexpected token near end of file"},
            {"{", 1, 1, "not valid JSON: string or '}' expected near end of file"},
            {"{\"a\": 1", 1, 7, "not valid JSON: '}' expected near end of file"},
            {"{\"a\": x}", 1, 7, "not valid JSON: invalid token near 'x'"},
            {"{\"a\": 1,}", 1, 9, "not valid JSON: string or '}' expected near '}'"},
            {"{\"a\": 1,\n \"caf\xc3\xa9\": ?}", 2, 11, "not valid JSON: invalid token near '?'"},
            {"{\n\n  'a': 1}", 3, 3, "not valid JSON: string or '}' expected near '''"},
            {"{\"a\": \"secret\" \"b\": 1}", 1, 18, "not valid JSON: '}' expected"},
            {"{\"a\": secret}", 1, 12, "not valid JSON: invalid token"},
            {"{\"a\": NaN}", 1, 9, "not valid JSON: invalid token"},
            {"{\"a\": 01}", 1, 7, "not valid JSON: invalid token near '0'"},
            {"{\"a\": \x01}", 1, 7, "not valid JSON: invalid token near '\\x01'"},
            {"{} {}", 1, 4, "not valid JSON: end of file expected near '{'"},
            {"{}x", 1, 3, "not valid JSON: end of file expected near 'x'"},
            {"\xef\xbb\xbf{}", 1, 3, "not valid JSON: invalid token"},
            {"{\"a\": \"\\ud800\"}", 1, 14, "not valid JSON: invalid Unicode '\\uD800'"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        check_rejected(rows[i].text, strlen(rows[i].text), "", rows[i].line, rows[i].column,
                       rows[i].message);
}

static void test_reject_top_level(void)
{
    static const struct {
        const char *text;
        const char *got;
    } rows[] = {
            {"[]", "[]"},       {"[1, {\"a\": 2}]", "[1, {\"a\": 2}]"},
            {"\"x\"", "\"x\""}, {"5", "5"},
            {"null", "null"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *message = g_strdup_printf("expected an object, got %s", rows[i].got);

        check_rejected(rows[i].text, strlen(rows[i].text), "", 0, 0, message);
    }
}

static void test_reject_empty(void)
{
    check_rejected("", 0, "", 0, 0, "the document is empty");
    check_rejected(NULL, 0, "", 0, 0, "the document is empty");
}

static void test_reject_duplicate(void)
{
    static const struct {
        const char *text;
        const char *pointer;
        unsigned line;
        unsigned column;
        const char *message;
    } rows[] = {
            {"{\"a\": 1, \"a\": 1}", "/a", 1, 12, "duplicate member \"a\""},
            {"{\"a\": 1,\n \"b\": 2,\n \"a\": 3}", "/a", 3, 4, "duplicate member \"a\""},
            {"{\"a\": [0, \",\", {\"b\": {\"c\": 1, \"c\": 2}}]}", "/a/2/b/c", 1, 33,
             "duplicate member \"c\""},
            {"{\"a\": {\"b\": 1}, \"c\": [1, 2], \"a\": 1}", "/a", 1, 32, "duplicate member \"a\""},
            {"{\"a\": \"}\\\"{\", \"x/y~z\": 1, \"x/y~z\": 2}", "/x~1y~0z", 1, 33,
             "duplicate member \"x/y~z\""},
            {"{\"a\": 1, \"\\u0061\": 1}", "/a", 1, 17, "duplicate member \"a\""},
            {"{\"\": 1, \"\": 1}", "/", 1, 10, "duplicate member \"\""},
            {"{\"a member of more than twenty bytes\": 1, \"a member of more than twenty bytes\": "
             "2}",
             "/a member of more than twenty bytes", 1, 78,
             "duplicate member \"a member of more than twenty bytes\""},
            {"{\"$comment\": 1, \"$comment\": 2}", "/$comment", 1, 26,
             "duplicate member \"$comment\""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        check_rejected(rows[i].text, strlen(rows[i].text), rows[i].pointer, rows[i].line,
                       rows[i].column, rows[i].message);
}

static void test_reject_number_range(void)
{
    static const struct {
        const char *number;
        const char *excerpt;
    } rows[] = {
            {"99999999999999999999", "99999999999999999999"},
            {"-99999999999999999999", "-99999999999999999999"},
            {"9223372036854775808", "9223372036854775808"},
            {"1e400", "1e400"},
            {"-1E+400", "-1E+400"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
                g_strdup_printf("{\"limits\": {\"x\": 1,\n\"nofile\": [5, %s ]}}", rows[i].number);
        g_autofree char *message = g_strdup_printf("number out of range: %s", rows[i].excerpt);

        check_rejected(text, strlen(text), "/limits/nofile/1", 2,
                       14 + (unsigned)strlen(rows[i].number), message);
    }
}

static void test_reject_huge_number(void)
{
    g_autofree char *digits = g_strnfill(100000, '9');
    g_autofree char *text = g_strdup_printf("{\"a\": %s}", digits);
    g_autofree char *message = g_strdup_printf("number out of range: %.61s…", digits);

    check_rejected(text, strlen(text), "/a", 1, 100006, message);
}

static void test_reject_bytes(void)
{
    static const struct {
        const char *bytes;
        size_t length;
        unsigned line;
        unsigned column;
        const char *message;
    } rows[] = {
            {"{\"a\": \"\xff\"}", 10, 1, 8, "not valid UTF-8"},
            {"{\"caf\xe9\": 1}", 11, 1, 6, "not valid UTF-8"},
            {"{\n\"\xed\xa0\x80\": 1}", 9, 2, 2, "not valid UTF-8"},
            {"{\"\xc0\xaf\": 1}", 8, 1, 3, "not valid UTF-8"},
            {"{\"a\": 1}\xc3", 9, 1, 9, "not valid UTF-8"},
            {"{\"a\": 1}\0", 9, 1, 9, "a NUL byte"},
            {"{\"a\": \"\0\"}", 10, 1, 8, "a NUL byte"},
            {"\0", 1, 1, 1, "a NUL byte"},
            {"{\"a\": \"x\\u0000y\"}", 17, 1, 16, "\\u0000 is not allowed in a string"},
            {"{\"\\u0000\": 1}", 13, 1, 9, "\\u0000 is not allowed in a string"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        check_rejected(rows[i].bytes, rows[i].length, "", rows[i].line, rows[i].column,
                       rows[i].message);
}

static char *make_nested(size_t depth, bool close)
{
    GString *text = g_string_new("{\"a\":");

    for (size_t i = 1; i < depth; i++)
        g_string_append_c(text, '[');
    for (size_t i = 1; close && i < depth; i++)
        g_string_append_c(text, ']');
    if (close)
        g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

static void test_reject_depth(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autofree char *deepest = make_nested(JSON_MAX_DEPTH, true);
    g_autofree char *deeper = make_nested(JSON_MAX_DEPTH + 1, true);
    g_autofree char *open = make_nested(100000, false);
    json_t *value = document_parse(deepest, problems);

    g_assert_true(json_is_object(value));
    g_assert_cmpuint(problems_count(problems), ==, 0);
    json_decref(value);
    check_rejected(deeper, strlen(deeper), "", 1, 37, "nested more than 32 levels deep");
    check_rejected(open, strlen(open), "", 1, 37, "nested more than 32 levels deep");
}

static void test_reject_only_brackets(void)
{
    g_autofree char *arrays = g_strnfill(JSON_MAX_BYTES, '[');
    g_autofree char *objects = g_strnfill(JSON_MAX_BYTES, '{');
    g_autofree char *ends = g_strnfill(JSON_MAX_BYTES, '}');

    check_rejected(arrays, JSON_MAX_BYTES, "", 1, 33, "nested more than 32 levels deep");
    check_rejected(objects, JSON_MAX_BYTES, "", 1, 33, "nested more than 32 levels deep");
    check_rejected(ends, JSON_MAX_BYTES, "", 1, 1, "not valid JSON: unexpected token near '}'");
}

static void test_reject_size(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autofree char *text = g_strnfill(JSON_MAX_BYTES + 1, ' ');
    json_t *value;

    memcpy(text, "{}", 2);
    value = json_document_parse(text, JSON_MAX_BYTES, problems);
    g_assert_nonnull(value);
    json_decref(value);
    check_rejected(text, JSON_MAX_BYTES + 1, "", 0, 0, "larger than 1048576 bytes");
}

static void test_reject_many(void)
{
    g_autoptr(Problems) problems = problems_new();
    GString *text = g_string_new("{\"a\": [0");
    json_t *value;

    for (unsigned i = 2; i < JSON_MAX_VALUES; i++) /* the object and the array count too */
        g_string_append(text, ",0");
    g_string_append(text, "]}");
    value = document_parse(text->str, problems);
    g_assert_nonnull(value);
    json_decref(value);
    g_string_insert(text, (gssize)text->len - 2, ",0");
    check_rejected(text->str, text->len, "", 0, 0, "more than 65536 values");
    g_string_free(text, TRUE);
}

/* Any damage to a good document: no crash, and either a value or one problem that names a place. */
static void test_random_damage(void)
{
    static const char good[] =
            "{\"exec\": [\"a\", {\"b\\u00e9\": 1.5e3}], \"restart\": {\"x\": -1, "
            "\"y\": \"30s\"}, \"z\": [[], null, 12345678901234567]}";
    static const char bytes[] = "{}[]\",:\\u09e-. \n\xc3\xff\x01";

    for (size_t i = 0; i < 20000; i++) {
        g_autoptr(Problems) problems = problems_new();
        g_autofree char *text = g_strdup(good);
        json_t *value;

        for (int n = g_test_rand_int_range(1, 4); n > 0; n--)
            text[g_test_rand_int_range(0, sizeof(good) - 1)] =
                    bytes[g_test_rand_int_range(0, sizeof(bytes) - 1)];
        value = json_document_parse(text, (size_t)g_test_rand_int_range(0, sizeof(good)), problems);
        g_assert_cmpuint(problems_count(problems), ==, value == NULL ? 1 : 0);
        if (value == NULL)
            g_assert_true(g_utf8_validate(problems_get(problems, 0)->message, -1, NULL));
        json_decref(value);
    }
}

static void test_path(void)
{
    JsonPath probes = {NULL, "probes", 0};
    JsonPath element = {&probes, NULL, 12};
    JsonPath odd = {&element, "a/b~c~1", 0};
    g_autofree char *root = json_path_to_pointer(NULL);
    g_autofree char *top = json_path_to_pointer(&probes);
    g_autofree char *deep = json_path_to_pointer(&odd);

    g_assert_cmpstr(root, ==, "");
    g_assert_cmpstr(top, ==, "/probes");
    g_assert_cmpstr(deep, ==, "/probes/12/a~1b~0c~01");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/accept", test_document_accept);
    g_test_add_func("/json/reject/syntax", test_reject_syntax);
    g_test_add_func("/json/reject/top-level", test_reject_top_level);
    g_test_add_func("/json/reject/empty", test_reject_empty);
    g_test_add_func("/json/reject/duplicate-member", test_reject_duplicate);
    g_test_add_func("/json/reject/number-out-of-range", test_reject_number_range);
    g_test_add_func("/json/reject/huge-number", test_reject_huge_number);
    g_test_add_func("/json/reject/bytes", test_reject_bytes);
    g_test_add_func("/json/reject/depth", test_reject_depth);
    g_test_add_func("/json/reject/only-brackets", test_reject_only_brackets);
    g_test_add_func("/json/reject/size", test_reject_size);
    g_test_add_func("/json/reject/many-values", test_reject_many);
    g_test_add_func("/json/random-damage", test_random_damage);
    g_test_add_func("/json/path", test_path);
    return g_test_run();
}
