/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The game of nets itself: that nothing is found where nothing is wrong, and that for each rule
 * there is something wrong that it finds. */

#include "net.h"
#include "run.h"

#include <string.h>

static uint64_t test_seed(void)
{
    return (uint64_t)g_test_rand_int_range(0, G_MAXINT32);
}

static void test_show(const RunResult *result)
{
    g_auto(GStrv) lines = g_strsplit(result->report != NULL ? result->report : "", "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        g_test_message("%s", *line);
}

static void test_random(void)
{
    RunSpec spec = {.game = &game_net, .seed = test_seed(), .n_operations = 10000};
    RunResult result = run(&spec);
    g_test_message("seed %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " changes", spec.seed,
                   result.n_changes);
    test_show(&result);
    g_assert_false(result.failed);
    g_assert_cmpuint(result.n_changes, >, spec.n_operations / 4); /* it was no idle walk */
}

static void test_same_again(void)
{
    RunSpec spec = {.game = &game_net, .seed = test_seed(), .n_operations = 2000};
    RunResult first = run(&spec), second = run(&spec);
    g_assert_cmpuint(first.n_changes, ==, second.n_changes);
    g_assert_cmpuint(first.n_histories, ==, second.n_histories);
}

/* Without making the history shorter: that is the same for all. */
static void test_found(const void *data)
{
    NetBreak broken = (NetBreak)GPOINTER_TO_INT(data);
    RunSpec spec = {.game = &game_net,
                    .seed = test_seed(),
                    .n_operations = 40000,
                    .n_slots = 8,
                    .broken = (int)broken,
                    .as_found = true};
    RunResult result = run(&spec);
    test_show(&result);
    g_assert_true(result.failed);
    g_assert_cmpstr(result.verdict.invariant, ==, net_rule_names[net_breaks[broken].rule]);
    g_free(result.report);
}

static void test_shrunk(void)
{
    RunSpec spec = {.game = &game_net,
                    .seed = test_seed(),
                    .n_operations = 40000,
                    .n_slots = 5,
                    .broken = NET_BREAK_START_ORDER};
    RunResult result = run(&spec);
    test_show(&result);
    g_assert_true(result.failed);
    g_assert_cmpuint(result.n_steps, >, 0);
    g_assert_cmpuint(result.n_steps, <=, 16);
    g_assert_nonnull(strstr(result.report, "the kind is asked to apply"));
    g_free(result.report);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/random", test_random);
    g_test_add_func("/net/same-again", test_same_again);
    g_test_add_func("/net/shrunk", test_shrunk);
    for (int i = NET_BREAK_NONE + 1; i < _NET_BREAK_MAX; i++) {
        g_autofree char *path = g_strdup_printf("/net/found/%s", net_break_to_string((NetBreak)i));
        g_test_add_data_func(path, GINT_TO_POINTER(i), test_found);
    }
    return g_test_run();
}
