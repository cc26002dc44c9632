/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes a history that fails as short and plain as it gets while it still violates the same
 * invariant: drops steps in ever smaller chunks, then pairs of them, then makes what is left
 * simpler. */

#include "history.h"
#include "trial.h"

/* A new history; verdict: how the original fails. ret_tried may be NULL. */
History *shrink(const History *history, const Verdict *verdict, unsigned *ret_tried);
/* Plays the history in a trial. ret_output: as in trial_run. */
Verdict shrink_try(const History *history, unsigned flags, char **ret_output);
