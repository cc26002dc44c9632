/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that a command leaves behind. */

#include <glib.h>
#include <stdbool.h>

/* Writes text to directory/name, for its owner only: at any moment the file is whole or is not
 * there, also after a loss of power. replaces: instead of one that is there, which is an error
 * otherwise (ERROR_ID_EXISTS). The error names the path. */
bool file_write(const char *directory, const char *name, const char *text, bool replaces,
                GError **error);
