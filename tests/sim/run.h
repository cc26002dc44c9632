/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A run plays histories until so many operations are done, in one trial. If an invariant fails, the
 * history is shrunk and reported. */

#include "history.h"
#include "trial.h"

typedef struct RunSpec {
    const Game *game;
    uint64_t seed;
    uint64_t n_operations;
    unsigned n_slots; /* services; 0: a random number for each history */
    int broken;       /* what is wrong on purpose, in the words of the game */
    bool as_found;    /* a history that fails is told as it is, not made shorter */
} RunSpec;

typedef struct RunResult {
    bool failed;
    uint64_t n_histories;
    uint64_t n_operations;
    uint64_t n_changes;
    size_t n_steps_before; /* of the history that failed, up to the violation */
    size_t n_steps;        /* after shrinking */
    unsigned tried;
    Verdict verdict; /* of the short history */
    char *report;    /* what failed and how, for people; the caller's; NULL: nothing failed */
} RunResult;

RunResult run(const RunSpec *spec);
