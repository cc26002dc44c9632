/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting several things as one, and closing several things as one.
 *
 * multi_start: in order; when one fails, those already started are stopped in reverse, and every
 * error (of the start and of the undoing) is in the one that is returned. close_all: all side by
 * side; done when the last is, with every error joined; none hides another. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct StartItem {
    const char *name; /* prefixes the item's errors: "NAME: MESSAGE" */
    bool (*start)(void *data, GError **error);
    bool (*stop)(void *data, GError **error); /* NULL: nothing to undo */
    void *data;
} StartItem;

bool multi_start(const StartItem *items, size_t n_items, GError **error);
/* Stops all in reverse, although some fail; false with all errors joined. */
bool multi_stop(const StartItem *items, size_t n_items, GError **error);

typedef struct CloseAll CloseAll;
/* error: all errors joined, or NULL; stays the CloseAll's. */
typedef void (*CloseAllFunc)(const GError *error, void *data);

/* Calls done exactly once, when close_all_seal was called and every added item has reported; then
 * frees itself. An empty list is success. */
CloseAll *close_all_new(CloseAllFunc done, void *data);
/* One more to wait for. Only before the seal. */
void close_all_add(CloseAll *all);
/* One of them is done; error (or NULL) is copied, prefixed with name. */
void close_all_done(CloseAll *all, const char *name, const GError *error);
/* No more will be added. */
void close_all_seal(CloseAll *all);
