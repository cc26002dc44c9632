/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading objects by tables: every reader, good and bad, and all mistakes of a document at once. */

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"

#include <string.h>

#define DURATION_EXPECTED "expected a duration such as \"30s\", got "
#define SIZE_EXPECTED "expected a size such as \"64KiB\", got "

typedef struct Inner {
    uint64_t burst;
    uint64_t interval_usec;
} Inner;

typedef struct Sample {
    bool flag;
    uint64_t number;
    double factor;
    uint64_t delay_usec;
    uint64_t size_bytes;
    char *name;
    char *path;
    char **list;
    char **environment;
    int policy;
    Inner inner;
} Sample;

static int on_policy_from_string(const char *string)
{
    static const char *const policies[] = {"no", "on-failure", "always"};

    for (int i = 0; i < 3; i++) {
        if (g_str_equal(policies[i], string))
            return i;
    }
    return -22;
}

static const JsonRange number_range = {1, 100, NULL};
static const JsonRange any_number = {0, UINT64_MAX, NULL};
static const JsonRange delay_range = {USEC_PER_SEC, 3600 * USEC_PER_SEC, NULL};
static const JsonRange size_range = {512, 1024 * 1024, NULL};
static const JsonRange list_range = {1, 3, "1 to 3 strings"};
static const JsonRealRange factor_range = {1.0, 10.5, NULL};
static const JsonEnum policy_enum = {on_policy_from_string, "no, on-failure or always"};

static const JsonMember inner_members[] = {
        {"burst", json_read_unsigned, offsetof(Inner, burst), &any_number, .required = true},
        {"interval", json_read_duration, offsetof(Inner, interval_usec), NULL},
        {NULL},
};

static const JsonMember sample_members[] = {
        {"flag", json_read_bool, offsetof(Sample, flag), NULL},
        {"number", json_read_unsigned, offsetof(Sample, number), &number_range},
        {"factor", json_read_real, offsetof(Sample, factor), &factor_range},
        {"delay", json_read_duration, offsetof(Sample, delay_usec), &delay_range},
        {"size", json_read_size, offsetof(Sample, size_bytes), &size_range},
        {"name", json_read_string, offsetof(Sample, name), NULL},
        {"path", json_read_path, offsetof(Sample, path), NULL},
        {"list", json_read_strv, offsetof(Sample, list), &list_range},
        {"environment", json_read_environment, offsetof(Sample, environment), NULL},
        {"policy", json_read_enum, offsetof(Sample, policy), &policy_enum},
        {"inner", json_read_members, offsetof(Sample, inner), inner_members},
        {NULL},
};

static void sample_init(Sample *sample)
{
    *sample = (Sample){
            .number = 7,
            .factor = 2.0,
            .delay_usec = 77,
            .size_bytes = 777,
            .name = g_strdup("default"),
            .path = g_strdup("/default"),
            .list = g_strsplit("x y", " ", -1),
            .policy = 1,
    };
}

static void sample_done(Sample *sample)
{
    g_free(sample->name);
    g_free(sample->path);
    g_strfreev(sample->list);
    g_strfreev(sample->environment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sample, sample_done)

static json_t *json_text_parse(const char *text, Problems *problems)
{
    return json_document_parse(text, strlen(text), problems);
}

/* Reads text (which must be a document) into sample. */
static Problems *sample_read(Sample *sample, const char *text)
{
    Problems *problems = problems_new();
    JsonContext context = {.problems = problems};
    JsonTable table = {sample_members, sample};
    json_t *object = json_text_parse(text, problems);

    g_assert_nonnull(object);
    json_read_object(&context, NULL, object, &table, 1);
    json_decref(object);
    return problems;
}

/* Reading text finds exactly these mistakes, as people read them. */
static void check_mistakes(const char *text, const char *mistakes)
{
    g_auto(Sample) sample;
    g_autoptr(Problems) problems = NULL;
    g_autoptr(GError) error = NULL;

    sample_init(&sample);
    problems = sample_read(&sample, text);
    error = problems_to_error(problems);
    if (mistakes == NULL) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
    g_assert_cmpstr(error->message, ==, mistakes);
}

static void test_read_all(void)
{
    static const char text[] =
            "{\"flag\": true, \"number\": 42, \"factor\": 1.5, \"delay\": \"1min 30s\","
            " \"size\": \"64KiB\", \"name\": \"n\", \"path\": \"/a/b..c/...\", \"list\": [\"a\", "
            "\"\"],"
            " \"environment\": {\"A\": \"1\", \"$comment\": 5, \"_b2\": \"x=y\"},"
            " \"policy\": \"always\", \"inner\": {\"burst\": 0, \"interval\": 0.25}}";
    g_auto(Sample) sample;
    g_autoptr(Problems) problems = NULL;

    sample_init(&sample);
    problems = sample_read(&sample, text);
    g_assert_cmpuint(problems_count(problems), ==, 0);
    g_assert_true(sample.flag);
    g_assert_cmpuint(sample.number, ==, 42);
    g_assert_cmpfloat_with_epsilon(sample.factor, 1.5, 1e-9);
    g_assert_cmpuint(sample.delay_usec, ==, 90 * USEC_PER_SEC);
    g_assert_cmpuint(sample.size_bytes, ==, 65536);
    g_assert_cmpstr(sample.name, ==, "n");
    g_assert_cmpstr(sample.path, ==, "/a/b..c/...");
    g_assert_cmpstrv(sample.list, ((const char *const[]){"a", "", NULL}));
    g_assert_cmpstrv(sample.environment, ((const char *const[]){"A=1", "_b2=x=y", NULL}));
    g_assert_cmpint(sample.policy, ==, 2);
    g_assert_cmpuint(sample.inner.burst, ==, 0);
    g_assert_cmpuint(sample.inner.interval_usec, ==, 250 * USEC_PER_MSEC);
}

/* Absent members, comments, and members that are wrong leave the defaults. */
static void test_read_defaults(void)
{
    static const char *const rows[] = {
            "{}",
            "{\"$comment\": [1, {\"any\": \"thing\"}]}",
            "{\"flag\": 1, \"number\": 0, \"factor\": 11, \"delay\": 0, \"size\": \"1\", \"name\": "
            "\"\","
            " \"path\": \"x\", \"list\": [\"a\", 1], \"environment\": {\"A\": \"1\", \"B\": 2},"
            " \"policy\": \"never\", \"inner\": {\"burst\": -1, \"interval\": \"-1\"}}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Sample) sample;
        g_autoptr(Problems) problems = NULL;

        sample_init(&sample);
        problems = sample_read(&sample, rows[i]);
        g_assert_cmpuint(problems_count(problems), ==, i < 2 ? 0 : 12);
        g_assert_false(sample.flag);
        g_assert_cmpuint(sample.number, ==, 7);
        g_assert_cmpfloat_with_epsilon(sample.factor, 2.0, 1e-9);
        g_assert_cmpuint(sample.delay_usec, ==, 77);
        g_assert_cmpuint(sample.size_bytes, ==, 777);
        g_assert_cmpstr(sample.name, ==, "default");
        g_assert_cmpstr(sample.path, ==, "/default");
        g_assert_cmpstrv(sample.list, ((const char *const[]){"x", "y", NULL}));
        g_assert_null(sample.environment);
        g_assert_cmpint(sample.policy, ==, 1);
        g_assert_cmpuint(sample.inner.interval_usec, ==, 0);
    }
}

static const struct {
    const char *member;  /* as JSON */
    const char *mistake; /* NULL: good */
} reader_rows[] = {
        {"\"flag\": 1", "flag: expected true or false, got 1"},
        {"\"flag\": \"true\"", "flag: expected true or false, got \"true\""},
        {"\"flag\": null", "flag: expected true or false, got null"},
        {"\"number\": 1", NULL},
        {"\"number\": 100", NULL},
        {"\"number\": 101", "number: expected a number from 1 to 100, got 101"},
        {"\"number\": -1", "number: expected a number from 1 to 100, got -1"},
        {"\"number\": 5.0", "number: expected a number from 1 to 100, got 5.0"},
        {"\"number\": \"5\"", "number: expected a number from 1 to 100, got \"5\""},
        {"\"number\": [1, 2]", "number: expected a number from 1 to 100, got [1, 2]"},
        {"\"factor\": 1", NULL},
        {"\"factor\": 10.5", NULL},
        {"\"factor\": 10.6", "factor: expected a number from 1 to 10.5, got 10.6"},
        {"\"factor\": 0.1", "factor: expected a number from 1 to 10.5, got 0.1"},
        {"\"factor\": true", "factor: expected a number from 1 to 10.5, got true"},
        {"\"delay\": 1", NULL},
        {"\"delay\": 1.5", NULL},
        {"\"delay\": \"1h\"", NULL},
        {"\"delay\": -1", "delay: " DURATION_EXPECTED "-1"},
        {"\"delay\": -0.5", "delay: " DURATION_EXPECTED "-0.5"},
        {"\"delay\": 1e-7", "delay: " DURATION_EXPECTED "1e-7"},
        {"\"delay\": \"-1\"", "delay: " DURATION_EXPECTED "-1"},
        {"\"delay\": \"\"", "delay: " DURATION_EXPECTED "an empty string"},
        {"\"delay\": \"1\\n\"", "delay: " DURATION_EXPECTED "1\\x0a"},
        {"\"delay\": true", "delay: " DURATION_EXPECTED "true"},
        {"\"delay\": {}", "delay: " DURATION_EXPECTED "{}"},
        {"\"delay\": 0", "delay: expected a duration from 1s to 1h, got 0"},
        {"\"delay\": \"2h\"", "delay: expected a duration from 1s to 1h, got \"2h\""},
        {"\"delay\": \"infinity\"", "delay: expected a duration from 1s to 1h, got \"infinity\""},
        {"\"delay\": 18446744073709",
         "delay: expected a duration from 1s to 1h, got 18446744073709"},
        {"\"delay\": 18446744073710",
         "delay: expected a duration below 2^64 microseconds, got 18446744073710"},
        {"\"delay\": 1e300", "delay: expected a duration below 2^64 microseconds, got 1e300"},
        {"\"delay\": \"99999999999999999999\"",
         "delay: expected a duration below 2^64 microseconds, got 99999999999999999999"},
        {"\"size\": 512", NULL},
        {"\"size\": \"1MiB\"", NULL},
        {"\"size\": 1", "size: expected a size from 512 to 1MiB, got 1"},
        {"\"size\": \"2M\"", "size: expected a size from 512 to 1MiB, got \"2M\""},
        {"\"size\": 1024.5", "size: " SIZE_EXPECTED "1024.5"},
        {"\"size\": -1", "size: " SIZE_EXPECTED "-1"},
        {"\"size\": \"1 mile\"", "size: " SIZE_EXPECTED "1 mile"},
        {"\"size\": \"16EiB\"", "size: expected a size below 2^64 bytes, got 16EiB"},
        {"\"name\": \"\"", "name: expected a string that is not empty, got \"\""},
        {"\"name\": 5", "name: expected a string that is not empty, got 5"},
        {"\"path\": \"/\"", NULL},
        {"\"path\": \"/a..b/..c\"", NULL},
        {"\"path\": \"a/b\"", "path: expected an absolute path without \"..\", got \"a/b\""},
        {"\"path\": \"\"", "path: expected an absolute path without \"..\", got \"\""},
        {"\"path\": \"/a/../b\"",
         "path: expected an absolute path without \"..\", got \"/a/../b\""},
        {"\"path\": \"/..\"", "path: expected an absolute path without \"..\", got \"/..\""},
        {"\"path\": \"/a/...b/..\"",
         "path: expected an absolute path without \"..\", got \"/a/...b/..\""},
        {"\"path\": 1", "path: expected an absolute path without \"..\", got 1"},
        {"\"list\": [\"a\", \"b\", \"c\"]", NULL},
        {"\"list\": []", "list: expected 1 to 3 strings, got 0"},
        {"\"list\": [\"\", \"\", \"\", \"\"]", "list: expected 1 to 3 strings, got 4"},
        {"\"list\": \"a\"", "list: expected an array of strings, got \"a\""},
        {"\"list\": {\"a\": 1}", "list: expected an array of strings, got {\"a\": 1}"},
        {"\"list\": [\"a\", 1, null]",
         "list[1]: expected a string, got 1\nlist[2]: expected a string, got null"},
        {"\"environment\": {}", NULL},
        {"\"environment\": [\"A=1\"]", "environment: expected an object of strings, got [\"A=1\"]"},
        {"\"environment\": {\"A\": 1}", "environment.A: expected a string"},
        {"\"environment\": {\"A=B\": \"\"}", "environment.A=B: expected a name of letters, digits "
                                             "and _ that does not start with a digit"},
        {"\"environment\": {\"\": \"\", \"1A\": \"\"}",
         "environment.: expected a name of letters, digits and _ that does not start with a digit\n"
         "environment.1A: expected a name of letters, digits and _ that does not start with a "
         "digit"},
        {"\"policy\": \"no\"", NULL},
        {"\"policy\": \"No\"", "policy: expected no, on-failure or always, got \"No\""},
        {"\"policy\": 0", "policy: expected no, on-failure or always, got 0"},
        {"\"inner\": 1", "inner: expected an object, got 1"},
        {"\"inner\": {\"burst\": 1, \"$comment\": 1}", NULL},
        {"\"inner\": {\"interval\": \"1s\"}", "inner.burst: required, but missing"},
        {"\"inner\": {\"burst\": -1}", "inner.burst: expected a number of at least 0, got -1"},
        {"\"inner\": {\"burst\": 1, \"interval\": \"infinity\"}", NULL},
};

static void test_read_rows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reader_rows); i++) {
        g_autofree char *text = g_strdup_printf("{%s}", reader_rows[i].member);

        g_test_message("%s", text);
        check_mistakes(text, reader_rows[i].mistake);
    }
}

static void test_read_several(void)
{
    check_mistakes("{\"flag\": 1, \"inner\": {\"interval\": -1, \"brust\": 1},\n"
                   " \"list\": [1], \"nmae\": \"x\", \"zzzzzzzz\": 0}",
                   "flag: expected true or false, got 1\n"
                   "inner.interval: " DURATION_EXPECTED "-1\n"
                   "inner.brust: unknown member; did you mean \"burst\"?\n"
                   "inner.burst: required, but missing\n"
                   "list[0]: expected a string, got 1\n"
                   "nmae: unknown member; did you mean \"name\"?\n"
                   "zzzzzzzz: unknown member");
}

static void test_read_unknown(void)
{
    static const struct {
        const char *name;
        const char *suggestion; /* NULL: none is near */
    } rows[] = {
            {"delayy", "delay"}, {"dela", "delay"},    {"Delay", "delay"},
            {"dlay", "delay"},   {"poilcy", "policy"}, {"environmnt", "environment"},
            {"enviro", NULL},    {"dexyz", NULL},      {"x", NULL},
            {"fg", NULL},        {"", NULL},           {"sizesizesize", NULL},
            {"comment", NULL},   {"$coment", NULL},    {"lists", "list"},
            {"pathname", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("{\"%s\": 0}", rows[i].name);
        g_autofree char *mistake =
                rows[i].suggestion != NULL
                        ? g_strdup_printf("%s: unknown member; did you mean \"%s\"?", rows[i].name,
                                          rows[i].suggestion)
                        : g_strdup_printf("%s: unknown member", rows[i].name);

        check_mistakes(text, mistake);
    }
}

static void test_read_long_name(void)
{
    g_autofree char *name = g_strnfill(500000, 'd');
    g_autofree char *text = g_strdup_printf("{\"%s\": {\"x\": 1}}", name);

    g_autofree char *mistake = g_strdup_printf("in \"%.61s…\": unknown member", name);

    check_mistakes(text, mistake);
}

/* Two tables with targets of their own: unknown is what neither has. */
static void test_read_tables(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(GError) error = NULL;
    g_auto(Sample) sample;
    Inner inner = {0};
    JsonContext context = {.problems = problems};
    JsonTable tables[] = {{sample_members, &sample}, {inner_members, &inner}};
    json_t *object = json_text_parse("{\"interval\": 2, \"number\": 9, \"burts\": 1}", problems);

    sample_init(&sample);
    json_read_object(&context, NULL, object, tables, G_N_ELEMENTS(tables));
    json_decref(object);
    g_assert_cmpuint(sample.number, ==, 9);
    g_assert_cmpuint(inner.interval_usec, ==, 2 * USEC_PER_SEC);
    error = problems_to_error(problems);
    g_assert_cmpstr(error->message, ==,
                    "burts: unknown member; did you mean \"burst\"?\nburst: required, but missing");
}

static void test_read_max(void)
{
    g_autoptr(Problems) problems = NULL;
    g_auto(Sample) sample;
    g_autoptr(GString) text = g_string_new("{\"list\": 5");

    for (unsigned i = 0; i < 1000; i++)
        g_string_append_printf(text, ", \"unknown-%u\": 0", i);
    g_string_append(text, ", \"environment\": {\"A\": \"1\", \"B\": 2}}");
    sample_init(&sample);
    problems = sample_read(&sample, text->str);
    g_assert_cmpuint(problems_count(problems), ==, PROBLEMS_MAX);
    g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, "/list");
    g_assert_cmpstr(problems_get(problems, PROBLEMS_MAX - 1)->message, ==,
                    "939 more problems are not listed");
    g_assert_null(sample.environment);
}

/* Messages show little of a large value, and nothing raw of a hostile one. */
static void test_read_excerpt(void)
{
    g_autofree char *filler = g_strnfill(900000, 'x');
    g_autofree char *string = g_strdup_printf("{\"flag\": \"%s\"}", filler);
    g_autofree char *array = g_strdup_printf("{\"flag\": [[\"%s\"]]}", filler);
    g_autofree char *string_mistake =
            g_strdup_printf("flag: expected true or false, got \"%.60s…", filler);
    g_autofree char *array_mistake =
            g_strdup_printf("flag: expected true or false, got [[\"%.58s…", filler);

    check_mistakes(string, string_mistake);
    check_mistakes(array, array_mistake);
    check_mistakes("{\"flag\": \"a\\u001b[0m\\nb\\u009b\\u202e%s%n\"}",
                   "flag: expected true or false, got "
                   "\"a\\u001B[0m\\nb\\xc2\\x9b\\xe2\\x80\\xae%s%n\"");
}

/* Strings that are cut in the middle of a character by the size of the dump. */
static void test_read_excerpt_utf8(void)
{
    for (unsigned shift = 0; shift < 4; shift++) {
        g_autoptr(GString) text = g_string_new("{\"flag\": \"");
        g_auto(Sample) sample;
        g_autoptr(Problems) problems = NULL;

        for (unsigned i = 0; i < shift; i++)
            g_string_append_c(text, 'a');
        for (unsigned i = 0; i < 200; i++)
            g_string_append(text, "\xf0\x9f\x98\x80");
        g_string_append(text, "\"}");
        sample_init(&sample);
        problems = sample_read(&sample, text->str);
        g_assert_cmpuint(problems_count(problems), ==, 1);
        g_assert_true(g_utf8_validate(problems_get(problems, 0)->message, -1, NULL));
        g_assert_null(strstr(problems_get(problems, 0)->message, "\\x"));
    }
}

/* Reals are rounded to the nearest microsecond, not cut. */
static void test_read_duration_real(void)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } rows[] = {
            {"{\"burst\": 0, \"interval\": 0.1}", 100000},
            {"{\"burst\": 0, \"interval\": 0.29}", 290000},
            {"{\"burst\": 0, \"interval\": 1.0000005}", 1000001},
            {"{\"burst\": 0, \"interval\": 0.0}", 0},
            {"{\"burst\": 0, \"interval\": -0.0}", 0},
            {"{\"burst\": 0, \"interval\": 1e-6}", 1},
            {"{\"burst\": 0, \"interval\": 18446744073709}", UINT64_C(18446744073709000000)},
            {"{\"burst\": 0, \"interval\": \"infinity\"}", USEC_INFINITY},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Problems) problems = problems_new();
        Inner inner = {.interval_usec = 7};
        JsonContext context = {.problems = problems};
        JsonTable table = {inner_members, &inner};
        json_t *object = json_text_parse(rows[i].text, problems);

        json_read_object(&context, NULL, object, &table, 1);
        json_decref(object);
        g_assert_cmpuint(problems_count(problems), ==, 0);
        g_assert_cmpuint(inner.interval_usec, ==, rows[i].usec);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json-read/all", test_read_all);
    g_test_add_func("/json-read/defaults", test_read_defaults);
    g_test_add_func("/json-read/rows", test_read_rows);
    g_test_add_func("/json-read/several-mistakes", test_read_several);
    g_test_add_func("/json-read/unknown-member", test_read_unknown);
    g_test_add_func("/json-read/long-name", test_read_long_name);
    g_test_add_func("/json-read/two-tables", test_read_tables);
    g_test_add_func("/json-read/problems-max", test_read_max);
    g_test_add_func("/json-read/excerpt", test_read_excerpt);
    g_test_add_func("/json-read/excerpt-utf8", test_read_excerpt_utf8);
    g_test_add_func("/json-read/duration-real", test_read_duration_real);
    return g_test_run();
}
