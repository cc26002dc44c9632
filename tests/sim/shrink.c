/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", 2002),
 * with each candidate played in a process of its own. */

#include "shrink.h"

#include "play.h"

#include <string.h>

/* Enough is enough: what is left then is still a history that fails. */
#define SHRINK_TRIALS 4000
#define SHRINK_USEC (60 * G_USEC_PER_SEC)
#define SHRINK_PATIENCE 10
#define SHRINK_PAIRS_UP_TO 24

typedef struct Shrinking {
    History *best;
    const char *invariant;
    unsigned tried;
    gint64 end;
} Shrinking;

static bool shrink_goes_on(const Shrinking *shrinking)
{
    return shrinking->tried < SHRINK_TRIALS && g_get_monotonic_time() < shrinking->end;
}

typedef struct Played {
    const History *history;
    unsigned flags;
} Played;

static void shrink_play(const void *data)
{
    const Played *played = data;
    played->history->game->play(played->history, played->flags);
}

Verdict shrink_try(const History *history, unsigned flags, char **ret_output)
{
    Played played = {history, flags};
    return trial_run(shrink_play, &played, SHRINK_PATIENCE, ret_output);
}

/* Takes the candidate; true if it still fails in the same way, and so is the best now. */
static bool shrink_accept(Shrinking *shrinking, History *candidate)
{
    Verdict verdict = {0};
    if (shrink_goes_on(shrinking)) {
        verdict = shrink_try(candidate, PLAY_THOROUGH, NULL);
        shrinking->tried++;
    }
    if (!verdict.failed || !g_str_equal(verdict.invariant, shrinking->invariant)) {
        history_free(candidate);
        return false;
    }
    history_free(shrinking->best);
    shrinking->best = candidate;
    candidate->n_steps = MIN(candidate->n_steps, verdict.step + 1);
    return true;
}

static bool shrink_without(Shrinking *shrinking, size_t first, size_t n)
{
    const History *best = shrinking->best;
    History *candidate = history_copy(best, best->n_steps - n);
    memmove(candidate->steps + first, candidate->steps + first + n,
            (best->n_steps - first - n) * sizeof *best->steps);
    return shrink_accept(shrinking, candidate);
}

/* From the end, for what is late depends on what is early. */
static bool shrink_drop(Shrinking *shrinking, size_t chunk)
{
    bool any = false;
    for (size_t end = shrinking->best->n_steps; end > 0;) {
        size_t first = end > chunk ? end - chunk : 0;
        any = shrink_without(shrinking, first, end - first) || any;
        end = MIN(first, shrinking->best->n_steps);
    }
    return any;
}

/* Two steps that only make sense together. */
static bool shrink_drop_pair(Shrinking *shrinking)
{
    size_t n = shrinking->best->n_steps;
    for (size_t i = 0; n <= SHRINK_PAIRS_UP_TO && i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            History *candidate = history_copy(shrinking->best, n - 2);
            Step *to = candidate->steps;
            for (size_t k = 0; k < n; k++) {
                if (k != i && k != j)
                    *to++ = shrinking->best->steps[k];
            }
            if (shrink_accept(shrinking, candidate))
                return true;
        }
    }
    return false;
}

static bool shrink_set(Shrinking *shrinking, size_t i, Step simpler)
{
    if (memcmp(&simpler, &shrinking->best->steps[i], sizeof simpler) == 0)
        return false;
    History *candidate = history_copy(shrinking->best, shrinking->best->n_steps);
    candidate->steps[i] = simpler;
    return shrink_accept(shrinking, candidate);
}

/* A parameter becomes 0, or at least loses a bit. */
static bool shrink_simplify_step(Shrinking *shrinking, size_t i)
{
    bool any = false;
    const Game *game = shrinking->best->game;
    Step step = shrinking->best->steps[i];
    const Step zeros[] = {
            {game->settle, 0, 0, 0},         {step.op, 0, 0, 0},
            {step.op, step.slot, 0, 0},      {step.op, step.slot, 0, step.b},
            {step.op, step.slot, step.a, 0}, {step.op, 0, step.a, step.b},
    };
    for (size_t k = 0; k < G_N_ELEMENTS(zeros); k++) {
        if (k == 0 && (game->may_settle >> step.op & 1) == 0)
            continue;
        if (shrink_set(shrinking, i, zeros[k]))
            return true;
    }
    for (unsigned bit = 0; bit < 64 && i < shrinking->best->n_steps; bit++) {
        step = shrinking->best->steps[i];
        step.a &= ~(bit < 32 ? 1U << bit : 0U);
        step.b &= ~(bit < 32 ? 0U : 1U << (bit - 32));
        any = shrink_set(shrinking, i, step) || any;
    }
    return any;
}

static bool shrink_simplify(Shrinking *shrinking)
{
    bool any = false;
    for (size_t i = 0; i < shrinking->best->n_steps; i++)
        any = shrink_simplify_step(shrinking, i) || any;
    return any;
}

/* The plainest world, if that is enough. */
static void shrink_world(Shrinking *shrinking)
{
    History *candidate = history_copy(shrinking->best, shrinking->best->n_steps);
    candidate->game->simplify_world(candidate);
    (void)shrink_accept(shrinking, candidate); /* else the world matters */
}

History *shrink(const History *history, const Verdict *verdict, unsigned *ret_tried)
{
    size_t n_steps = MIN(history->n_steps, verdict->step + 1);
    Shrinking shrinking = {history_copy(history, n_steps), verdict->invariant, 0,
                           g_get_monotonic_time() + SHRINK_USEC};
    bool again = true;
    for (size_t chunk = MAX(n_steps / 2, 1); chunk > 1; chunk /= 2)
        (void)shrink_drop(&shrinking, chunk); /* single steps follow in any case */
    shrink_world(&shrinking);
    while (again && shrink_goes_on(&shrinking)) {
        while (shrink_drop(&shrinking, 1) && shrink_goes_on(&shrinking))
            continue;
        again = shrink_simplify(&shrinking) || shrink_drop_pair(&shrinking);
    }
    if (ret_tried != NULL)
        *ret_tried = shrinking.tried;
    return shrinking.best;
}
