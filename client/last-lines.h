/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last lines of a service below something else that is shown of it. */

#include "output.h"

#include <stdio.h>

/* The last n of lines (an array of what OpenLog gives; NULL: none) as text, indented, escaped and
 * without colours; width: columns at most, 0: nothing is cut. NULL: there are none. Pure. */
char *last_lines_text(const Output *output, const json_t *lines, unsigned n, int width);
