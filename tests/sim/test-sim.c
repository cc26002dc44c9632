/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulation itself: that nothing is found where nothing is wrong, that the same seed gives the
 * same, and that what is broken on purpose is found, and shrunk to a history that a person can
 * read.
 */

#include "play.h"
#include "run.h"
#include "shrink.h"

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
    RunSpec spec = {.game = &game_services, .seed = test_seed(), .n_operations = 20000};
    RunResult result = run(&spec);
    g_test_message("seed %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " changes", spec.seed,
                   result.n_changes);
    test_show(&result);
    g_assert_false(result.failed);
    g_assert_cmpuint(result.n_changes, >, spec.n_operations / 100); /* it was no idle walk */
}

static void test_same_again(void)
{
    RunSpec spec = {.game = &game_services, .seed = test_seed(), .n_operations = 3000};
    RunResult first = run(&spec), second = run(&spec);
    g_autoptr(History) one = spec.game->draw(spec.seed, 1, 0, BREAK_NONE);
    g_autoptr(History) next = spec.game->draw(spec.seed, 2, 0, BREAK_NONE);
    g_autoptr(History) other = spec.game->draw(spec.seed + 1, 1, 0, BREAK_NONE);
    g_assert_cmpuint(first.n_changes, ==, second.n_changes);
    g_assert_cmpuint(first.n_histories, ==, second.n_histories);
    g_assert_cmpuint(one->world.seed, !=, next->world.seed);
    g_assert_cmpuint(one->world.seed, !=, other->world.seed);
}

typedef struct BreakCase {
    const char *path;
    Break broken;
    size_t most_steps;
    const char *invariant;
} BreakCase;

static const BreakCase breaks[] = {
        {"/sim/found/deaf-listener", BREAK_DEAF_LISTENER, 12, "4: "},
        {"/sim/found/ghost", BREAK_GHOST, 10, "2: "},
        {"/sim/found/stuck", BREAK_STUCK, 12, "8: "},
};

static void test_found(const void *data)
{
    const BreakCase *row = data;
    RunSpec spec = {.game = &game_services,
                    .seed = test_seed(),
                    .n_operations = 20000,
                    .broken = row->broken};
    RunResult result = run(&spec);
    test_show(&result);
    g_assert_true(result.failed);
    g_assert_true(g_str_has_prefix(result.verdict.invariant, row->invariant));
    g_assert_cmpuint(result.n_steps, >, 0);
    g_assert_cmpuint(result.n_steps, <=, row->most_steps);
    /* Its steps are numbered, with the virtual time. */
    g_autofree char *last = g_strdup_printf("\n%4zu  ", result.n_steps);
    const char *at = strstr(result.report, last);
    g_assert_nonnull(at);
    g_assert_true(g_regex_match_simple("^ *[0-9]+\\.[0-9]{6}s  .", at + strlen(last), 0, 0));
    g_free(result.report);
}

/* A process that crashes, and one that hangs, are verdicts too. */
static void on_crash(const void *data)
{
    trial_note(1, 2);
    g_assert_cmpint(1, ==, 2);
}

static void on_hang(const void *data)
{
    trial_begin_history(7);
    for (volatile unsigned i = 0;; i++)
        continue;
}

static void on_success(const void *data)
{
    trial_note_changes(3);
}

static void test_trial(void)
{
    Verdict verdict = trial_run(on_crash, NULL, 1, NULL);
    g_assert_true(verdict.failed);
    g_assert_cmpuint(verdict.history, ==, 1);
    g_assert_cmpuint(verdict.step, ==, 2);
    g_assert_true(g_str_has_prefix(verdict.invariant, "assertion failed (1 == 2)"));
    verdict = trial_run(on_hang, NULL, 1, NULL);
    g_assert_true(verdict.failed);
    g_assert_cmpuint(verdict.history, ==, 7);
    g_assert_cmpstr(verdict.invariant, ==, "it does not come to an end");
    verdict = trial_run(on_success, NULL, 1, NULL);
    g_assert_false(verdict.failed);
    g_assert_cmpuint(verdict.changes, ==, 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/trial", test_trial);
    g_test_add_func("/sim/random", test_random);
    g_test_add_func("/sim/same-again", test_same_again);
    for (size_t i = 0; i < G_N_ELEMENTS(breaks); i++)
        g_test_add_data_func(breaks[i].path, &breaks[i], test_found);
    return g_test_run();
}
