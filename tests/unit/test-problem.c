/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of problems: what is kept, what gives way, and how people read it. */

#include "base/errors.h"
#include "base/problem.h"

#include <string.h>

static void test_problem_severity(void)
{
    for (int i = 0; i < _PROBLEM_MAX; i++)
        g_assert_cmpint(problem_severity_from_string(problem_severity_to_string(i)), ==, i);
    g_assert_cmpstr(problem_severity_to_string(PROBLEM_ERROR), ==, "error");
    g_assert_cmpstr(problem_severity_to_string(PROBLEM_WARNING), ==, "warning");
    g_assert_cmpint(problem_severity_from_string("Error"), ==, _PROBLEM_INVALID);
    g_assert_cmpint(problem_severity_from_string(NULL), ==, _PROBLEM_INVALID);
}

static void test_problem_empty(void)
{
    g_autoptr(Problems) problems = problems_new();

    g_assert_cmpuint(problems_count(problems), ==, 0);
    g_assert_false(problems_have_errors(problems));
    g_assert_null(problems_to_error(problems));
    problems_free(NULL);
}

static void test_problem_fields(void)
{
    g_autoptr(Problems) problems = problems_new();
    const Problem *problem;

    problems_add(problems, PROBLEM_WARNING, "/a/b", 3, 14, "%s %d%%", "number", 7);
    g_assert_cmpuint(problems_count(problems), ==, 1);
    problem = problems_get(problems, 0);
    g_assert_cmpint(problem->severity, ==, PROBLEM_WARNING);
    g_assert_cmpstr(problem->pointer, ==, "/a/b");
    g_assert_cmpuint(problem->line, ==, 3);
    g_assert_cmpuint(problem->column, ==, 14);
    g_assert_cmpstr(problem->message, ==, "number 7%");
}

static void test_problem_warnings_only(void)
{
    g_autoptr(Problems) problems = problems_new();

    problems_add(problems, PROBLEM_WARNING, "/a", 0, 0, "hm");
    g_assert_false(problems_have_errors(problems));
    g_assert_null(problems_to_error(problems));
}

static void test_problem_to_error(void)
{
    static const struct {
        const char *pointer;
        unsigned line;
        unsigned column;
        const char *text;
    } rows[] = {
            {"/restart/max_delay", 0, 0, "restart.max_delay: wrong"},
            {"/restart/max_delay", 2, 5, "restart.max_delay: wrong"},
            {"/exec/0", 0, 0, "exec[0]: wrong"},
            {"/a/0/b/12", 0, 0, "a[0].b[12]: wrong"},
            {"/0", 0, 0, "0: wrong"},
            {"/a/1b", 0, 0, "a.1b: wrong"},
            {"/a~1b/c~0d/~01", 0, 0, "a/b.c~d.~1: wrong"},
            {"/a\nb", 0, 0, "a\\x0ab: wrong"},
            {"", 2, 5, "line 2, column 5: wrong"},
            {"", 0, 0, "wrong"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Problems) problems = problems_new();
        g_autoptr(GError) error = NULL;

        problems_add(problems, PROBLEM_ERROR, rows[i].pointer, rows[i].line, rows[i].column,
                     "wrong");
        error = problems_to_error(problems);
        g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
        g_assert_cmpstr(error->message, ==, rows[i].text);
    }
}

static void test_problem_several(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(GError) error = NULL;

    problems_add(problems, PROBLEM_ERROR, "/restart/max_delay", 0, 0, "expected %s, got -1",
                 "a duration such as \"30s\"");
    problems_add(problems, PROBLEM_WARNING, "/user", 0, 0, "no such user here");
    problems_add(problems, PROBLEM_ERROR, "/exec", 0, 0, "100%% wrong %%s");
    error = problems_to_error(problems);
    g_assert_cmpstr(error->message, ==,
                    "restart.max_delay: expected a duration such as \"30s\", got -1\n"
                    "exec: 100% wrong %s");
}

static void test_problem_max(void)
{
    g_autoptr(Problems) problems = problems_new();
    const Problem *last;

    for (unsigned i = 0; i < PROBLEMS_MAX; i++)
        problems_add(problems, PROBLEM_WARNING, "/a", 1, 1, "number %u", i);
    g_assert_cmpuint(problems_count(problems), ==, PROBLEMS_MAX);
    last = problems_get(problems, PROBLEMS_MAX - 1);
    g_assert_cmpstr(last->message, ==, "number 63");

    problems_add(problems, PROBLEM_WARNING, "/b", 2, 2, "one too many");
    g_assert_cmpuint(problems_count(problems), ==, PROBLEMS_MAX);
    last = problems_get(problems, PROBLEMS_MAX - 1);
    g_assert_cmpstr(last->message, ==, "2 more problems are not listed");
    g_assert_cmpstr(last->pointer, ==, "");
    g_assert_cmpuint(last->line, ==, 0);
    g_assert_cmpuint(last->column, ==, 0);
    g_assert_cmpstr(problems_get(problems, PROBLEMS_MAX - 2)->message, ==, "number 62");

    for (unsigned i = 0; i < 1000; i++)
        problems_add(problems, PROBLEM_WARNING, "/b", 0, 0, "far too many");
    g_assert_cmpuint(problems_count(problems), ==, PROBLEMS_MAX);
    last = problems_get(problems, PROBLEMS_MAX - 1);
    g_assert_cmpstr(last->message, ==, "1002 more problems are not listed");
}

/* An error that finds the list full of warnings is not lost. */
static void test_problem_max_keeps_errors(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < PROBLEMS_MAX + 5; i++)
        problems_add(problems, PROBLEM_WARNING, "/a", 0, 0, "warning");
    g_assert_false(problems_have_errors(problems));
    problems_add(problems, PROBLEM_ERROR, "/b", 0, 0, "error");
    problems_add(problems, PROBLEM_WARNING, "/a", 0, 0, "warning");
    g_assert_true(problems_have_errors(problems));
    error = problems_to_error(problems);
    g_assert_cmpstr(error->message, ==, "8 more problems are not listed");
}

static void test_problem_long_pointer(void)
{
    g_autoptr(Problems) problems = problems_new();
    g_autofree char *name = g_strnfill(100000, 'x');
    g_autofree char *under = g_strconcat("/probes/", name, "/period", NULL);
    g_autofree char *at_top = g_strconcat("/", name, NULL);
    g_autofree char *fits = g_strdup_printf("/%.1023s", name);

    problems_add(problems, PROBLEM_ERROR, under, 0, 0, "wrong");
    problems_add(problems, PROBLEM_ERROR, at_top, 0, 0, "wrong");
    problems_add(problems, PROBLEM_ERROR, fits, 0, 0, "wrong");
    g_assert_cmpstr(problems_get(problems, 0)->pointer, ==, "/probes");
    g_assert_cmpstr(problems_get(problems, 1)->pointer, ==, "");
    g_assert_cmpstr(problems_get(problems, 2)->pointer, ==, fits);

    g_autofree char *in_words = g_strdup_printf("in \"%.61s…\": wrong", name);
    g_assert_cmpstr(problems_get(problems, 0)->message, ==, in_words);
    g_assert_cmpstr(problems_get(problems, 1)->message, ==, in_words);
    g_assert_cmpstr(problems_get(problems, 2)->message, ==, "wrong");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/problem/severity", test_problem_severity);
    g_test_add_func("/problem/empty", test_problem_empty);
    g_test_add_func("/problem/fields", test_problem_fields);
    g_test_add_func("/problem/warnings-only", test_problem_warnings_only);
    g_test_add_func("/problem/to-error/table", test_problem_to_error);
    g_test_add_func("/problem/to-error/several", test_problem_several);
    g_test_add_func("/problem/max/cut", test_problem_max);
    g_test_add_func("/problem/max/keeps-errors", test_problem_max_keeps_errors);
    g_test_add_func("/problem/long-pointer", test_problem_long_pointer);
    return g_test_run();
}
