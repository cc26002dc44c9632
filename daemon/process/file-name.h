/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ids of services are longer than file names may be, and hold what these may not. */

#include <stddef.h>

/* A file name of at most max_bytes (67 or more), another for each id, and never "." or "..". The
 * caller frees. An id is taken as it is where that can be. */
char *file_name_from_id(const char *id, size_t max_bytes);
