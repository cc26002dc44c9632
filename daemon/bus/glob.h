/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shell patterns (* ? [a-z] [!a-z] \x) over ids, in time length(pattern) * length(string) at worst:
 * fnmatch(3) promises no bound, and the pattern is a stranger's. */

#include <stdbool.h>

bool glob_matches(const char *pattern, const char *string);
