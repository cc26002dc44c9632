/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Manager's properties that change: phase, state and counts. Changes are signalled at most four
 * times a second: the first at the end of the turn, the last one always. */

#include "bus/internal.h"

Figures *figures_new(Bus *bus);
void figures_free(Figures *figures); /* accepts NULL */
/* Something may have changed. */
void figures_note(Figures *figures);
/* Something that cannot wait has changed. */
void figures_tell(Figures *figures);
