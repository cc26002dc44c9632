/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shell patterns (* ? [a-z] [!a-z] \x) over ids. The pattern is a stranger's, so its length is
 * limited and a match takes at most length(string)^2 steps: fnmatch(3) promises no bound. */

#include <glib.h>
#include <stdbool.h>

/* Ids have at most 255 bytes; sets need some for each. */
#define GLOB_MAX_BYTES 1024

typedef struct Glob Glob;

/* pattern: of at most GLOB_MAX_BYTES. */
Glob *glob_new(const char *pattern);
void glob_free(Glob *glob); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Glob, glob_free)

bool glob_matches(const Glob *glob, const char *string);
