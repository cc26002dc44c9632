/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text that a command is given in a file. */

#include "client.h"

/* file: a path, or "-" for standard input; at most as large as a configuration may be (json.h), and
 * of characters that a message can carry: UTF-8 without NUL. what: how the error calls it. Says so
 * if it cannot. Free with g_free. */
Outcome input_read(const char *what, const char *file, char **ret_text);
