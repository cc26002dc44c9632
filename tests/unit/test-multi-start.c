/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and closing several things: order, undoing, and that no error hides another. */

#include "base/multi-start.h"

#include "base/errors.h"

typedef struct Part {
    GString *trace;
    const char *start_error; /* NULL: succeeds */
    const char *stop_error;
    char letter; /* upper case in the trace: started; lower case: stopped */
} Part;

static bool part_start(void *data, GError **error)
{
    Part *part = data;

    g_string_append_c(part->trace, g_ascii_toupper(part->letter));
    return part->start_error == NULL || error_set(error, ERROR_BUSY, "%s", part->start_error);
}

static bool part_stop(void *data, GError **error)
{
    Part *part = data;

    g_string_append_c(part->trace, part->letter);
    return part->stop_error == NULL || error_set(error, ERROR_TIMEOUT, "%s", part->stop_error);
}

typedef struct Case {
    const char *start_errors[3];
    const char *stop_errors[3];
    const char *trace;
    const char *message; /* NULL: success */
    ErrorCode code;
} Case;

static void run_case(const Case *c, bool (*run)(const StartItem *, size_t, GError **))
{
    static const char *const names[] = {"one", "two", "three"};
    g_autoptr(GString) trace = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Part parts[3];
    StartItem items[3];

    for (unsigned i = 0; i < 3; i++) {
        parts[i] = (Part){trace, c->start_errors[i], c->stop_errors[i], (char)('a' + i)};
        items[i] = (StartItem){names[i], part_start, part_stop, &parts[i]};
    }
    g_assert_true(run(items, 3, &error) == (c->message == NULL));
    g_assert_cmpstr(trace->str, ==, c->trace);
    if (c->message == NULL) {
        g_assert_no_error(error);
        return;
    }
    g_assert_cmpstr(error->message, ==, c->message);
    g_assert_error(error, SVCMGR_ERROR, (int)c->code);
}

static void test_multi_start_start(void)
{
    static const Case cases[] = {
            {{NULL}, {NULL}, "ABC", NULL},
            {{"x"}, {NULL}, "A", "one: x", ERROR_BUSY},
            {{NULL, "x"}, {NULL}, "ABa", "two: x", ERROR_BUSY},
            {{NULL, NULL, "x"}, {NULL}, "ABCba", "three: x", ERROR_BUSY},
            {{NULL, NULL, "x"}, {"y", "z"}, "ABCba", "three: x\ntwo: z\none: y", ERROR_BUSY},
            /* what failed to start is not stopped */
            {{NULL, "x"}, {NULL, "never"}, "ABa", "two: x", ERROR_BUSY},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        run_case(&cases[i], multi_start);
}

static void test_multi_start_stop(void)
{
    static const Case cases[] = {
            {{NULL}, {NULL}, "cba", NULL},
            {{NULL}, {"x", NULL, "y"}, "cba", "three: y\none: x", ERROR_TIMEOUT},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        run_case(&cases[i], multi_stop);
}

static void test_multi_start_nothing_to_undo(void)
{
    g_autoptr(GString) trace = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Part good = {trace, NULL, NULL, 'a'}, bad = {trace, "x", NULL, 'b'};
    const StartItem items[] = {
            {"good", part_start, NULL, &good},
            {"bad", part_start, part_stop, &bad},
    };

    g_assert_false(multi_start(items, 2, &error));
    g_assert_cmpstr(error->message, ==, "bad: x");
    g_assert_cmpstr(trace->str, ==, "AB");
    g_assert_false(multi_start(items, 2, NULL));
    g_assert_true(multi_start(items, 1, NULL));
    g_assert_true(multi_stop(items, 1, NULL));
    g_assert_true(multi_start(NULL, 0, NULL));
    g_assert_true(multi_stop(NULL, 0, NULL));
}

typedef struct Outcome {
    unsigned n_calls;
    char *message;
    ErrorCode code;
} Outcome;

static void on_all_closed(const GError *error, void *data)
{
    Outcome *outcome = data;

    outcome->n_calls++;
    if (error == NULL)
        return;
    outcome->message = g_strdup(error->message);
    outcome->code = (ErrorCode)error->code;
}

static void close_one(CloseAll *all, const char *name, ErrorCode code)
{
    g_autoptr(GError) error = g_error_new(SVCMGR_ERROR, (int)code, "%s is stuck", name);

    close_all_done(all, name, error);
}

static void test_close_all_empty(void)
{
    Outcome outcome = {0};
    CloseAll *all = close_all_new(on_all_closed, &outcome);

    g_assert_cmpuint(outcome.n_calls, ==, 0);
    close_all_seal(all);
    g_assert_cmpuint(outcome.n_calls, ==, 1);
    g_assert_null(outcome.message);
}

/* Everything reports before the seal: the call still waits for it. */
static void test_close_all_early(void)
{
    Outcome outcome = {0};
    CloseAll *all = close_all_new(on_all_closed, &outcome);

    close_all_add(all);
    close_all_done(all, "a", NULL);
    close_all_add(all);
    close_all_done(all, "b", NULL);
    g_assert_cmpuint(outcome.n_calls, ==, 0);
    close_all_seal(all);
    g_assert_cmpuint(outcome.n_calls, ==, 1);
    g_assert_null(outcome.message);
}

static void test_close_all_late(void)
{
    Outcome outcome = {0};
    CloseAll *all = close_all_new(on_all_closed, &outcome);

    for (unsigned i = 0; i < 3; i++)
        close_all_add(all);
    close_one(all, "a", ERROR_TIMEOUT);
    close_all_seal(all);
    close_all_done(all, "b", NULL);
    g_assert_cmpuint(outcome.n_calls, ==, 0);
    close_one(all, "c", ERROR_BUSY);
    g_assert_cmpuint(outcome.n_calls, ==, 1);
    g_assert_cmpstr(outcome.message, ==, "a: a is stuck\nc: c is stuck");
    g_assert_cmpint(outcome.code, ==, ERROR_TIMEOUT);
    g_free(outcome.message);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/multi-start/start", test_multi_start_start);
    g_test_add_func("/multi-start/stop", test_multi_start_stop);
    g_test_add_func("/multi-start/nothing-to-undo", test_multi_start_nothing_to_undo);
    g_test_add_func("/close-all/empty", test_close_all_empty);
    g_test_add_func("/close-all/early", test_close_all_early);
    g_test_add_func("/close-all/late", test_close_all_late);
    return g_test_run();
}
