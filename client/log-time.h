/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A moment as people write it: "10min ago" or "10min", "now", "today", "yesterday", "23:00",
 * "2026-11-21", "2026-11-21 23:00", "@1795267002" (seconds since 1970), and what RFC 3339 knows, as
 * it stands in a log. Local time where no zone is said. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* now and *ret_usec: wall clock; at least 1. ERROR_INVALID_ARGS. */
bool log_time_parse(const char *string, uint64_t now, uint64_t *ret_usec, GError **error);
