/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The number of a history and the seed are all that is needed to make it again. */

#include "run.h"

#include "play.h"
#include "shrink.h"

#include <inttypes.h>
#include <string.h>

#define RUN_PATIENCE 30

static void run_play(const void *data)
{
    const RunSpec *spec = data;
    uint64_t done = 0;
    for (uint64_t number = 0; done < spec->n_operations; number++) {
        g_autoptr(History) history =
                spec->game->draw(spec->seed, number, spec->n_slots, spec->broken);
        history->n_steps = MIN(history->n_steps, spec->n_operations - done);
        done += history->n_steps;
        spec->game->play(history, 0);
    }
}

/* The history in which the run failed, as far as it was played. */
static History *run_find(const RunSpec *spec, const Verdict *verdict)
{
    History *history = spec->game->draw(spec->seed, verdict->history, spec->n_slots, spec->broken);
    history->n_steps = MIN(history->n_steps, verdict->step + 1);
    return history;
}

/* A minute in which a service is retried makes many lines: the middle is left out of too many. */
static char *run_excerpt(const char *text)
{
    const size_t head = 8000, tail = 24000;
    size_t length = strlen(text);
    if (length <= head + tail)
        return g_strdup(text);
    const char *last = text + length - tail;
    return g_strdup_printf("%.*s\n        ... %zu characters are left out ...%s", (int)head, text,
                           (size_t)(last - text) - head, strchr(last, '\n'));
}

static char *run_report(const RunSpec *spec, const History *history, const RunResult *result)
{
    const Verdict *verdict = &result->verdict;
    g_autofree char *world = spec->game->world_to_string(history);
    g_autofree char *steps = NULL;
    g_autofree char *told = NULL;
    (void)shrink_try(history, PLAY_THOROUGH | PLAY_TELLS, &told); /* how it fails is known */
    steps = run_excerpt(told);
    return g_strdup_printf("The invariant \"%s\" is violated: %s\n"
                           "history %" PRIu64 " of seed %" PRIu64
                           ", %zu steps, shrunk to %zu in %u trials, in %s:\n"
                           "%s"
                           "      the invariant \"%s\" does not hold\n",
                           verdict->invariant, verdict->text, history->number, spec->seed,
                           result->n_steps_before, result->n_steps, result->tried, world, steps,
                           verdict->invariant);
}

/* A leak, for one, shows only at the end of them all. */
static char *run_report_whole(const RunSpec *spec, const Verdict *verdict)
{
    return g_strdup_printf("The invariant \"%s\" is violated in history %" PRIu64
                           " of seed %" PRIu64 ", but not when it is played alone: %s\n",
                           verdict->invariant, verdict->history, spec->seed, verdict->text);
}

static void run_explain(const RunSpec *spec, RunResult *result)
{
    g_autoptr(History) failed = run_find(spec, &result->verdict);
    result->n_steps_before = failed->n_steps;
    /* Compared more often, it may show earlier and under another name. */
    Verdict again = shrink_try(failed, PLAY_THOROUGH, NULL);
    if (!again.failed) {
        result->report = run_report_whole(spec, &result->verdict);
        return;
    }
    g_autoptr(History) shorter = spec->as_found ? history_copy(failed, failed->n_steps)
                                                : shrink(failed, &again, &result->tried);
    result->n_steps = shorter->n_steps;
    result->verdict = shrink_try(shorter, PLAY_THOROUGH, NULL);
    result->report = run_report(spec, shorter, result);
}

RunResult run(const RunSpec *spec)
{
    RunResult result = {.verdict = trial_run(run_play, spec, RUN_PATIENCE, NULL)};
    result.failed = result.verdict.failed;
    result.n_histories = result.verdict.history + 1;
    result.n_changes = result.verdict.changes;
    result.n_operations = spec->n_operations;
    if (result.failed)
        run_explain(spec, &result);
    return result;
}
