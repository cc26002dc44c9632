/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a start or a stop would do, as StartServices and StopServices tell it with dry_run. Pure. */

#include "output.h"
#include "value.h"

/* Prints a table: a line for each step, in the order of doing. */
void plan_print(const Output *output, const json_t *steps);
/* Why a step is in the plan: "asked for", "required by web", "conflicts with web". A new string. */
char *plan_reason(const json_t *step);
