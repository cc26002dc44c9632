/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A trial runs a function in a child of its own, for what is tested may abort, crash or hang. The
 * child writes how far it came, and what went wrong, into a page that both share. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Verdict {
    bool failed;
    char invariant[128]; /* which rule was broken: the same words for the same fault */
    char text[1024];     /* and how */
    uint64_t history;    /* where: set by trial_note */
    uint64_t step;
    uint64_t changes; /* that were told in all */
} Verdict;

typedef void (*TrialFunc)(const void *data);
/* patience: seconds of the processor for one history, after which it hangs. ret_output: what the
 * child wrote on standard output, the caller's; or NULL. */
Verdict trial_run(TrialFunc func, const void *data, unsigned patience, char **ret_output);

/* For the child. */
void trial_note(uint64_t history, uint64_t step);
void trial_note_changes(uint64_t changes);
/* Gives the history its time anew. */
void trial_begin_history(uint64_t history);
/* Ends the child: the invariant does not hold. */
G_NORETURN void violation(const char *invariant, const char *format, ...) G_GNUC_PRINTF(2, 3);
