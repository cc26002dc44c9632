/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client of a stock library (see stock_cache.py, which STOCK_CACHE names) that watches in a
 * process of its own. */

#include "support/child.h"

typedef struct StormStock {
    const char *library;
    Child child;
    int fd; /* a line for a line */
} StormStock;

/* library: "gio" or "dbus". False: it is not installed here; what is missing is ret_reason's. */
bool storm_stock_start(StormStock *stock, const char *library, const char *address,
                       char **ret_reason);
/* What it knows now against GetManagedObjects: a text that begins with "same" or "different"; the
 * caller's. */
char *storm_stock_compare(const StormStock *stock);
/* Asserts that it ends well. */
void storm_stock_end(StormStock *stock);
