/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several services started, or stopped, as one.
 *
 * A start is all or nothing: when one of them fails, those that this start has started (with what
 * they took along, unless somebody else who is up requires it), and no others, are stopped again in
 * reverse, and the error joins every cause (who has only waited for one of these is none). A stop
 * stops every one, whatever becomes of the others, and every error comes back. Done when all have
 * settled, or what was started is stopped again. What orders the services among themselves holds in
 * any case; ordered adds that each waits for the one before it in the list (a stop: for the one
 * behind it). */

#include "core/map.h"

typedef struct Batch Batch;

typedef struct BatchSpec {
    char *const *ids; /* NULL-terminated; copied. None twice */
    bool ordered;
    bool patient;  /* a start: one that fails and is tried again has not failed yet */
    Origin origin; /* of each move; the caller in it is referred to */
} BatchSpec;

typedef struct BatchItem {
    char *id;
    StateRecord *state; /* a reference: as it was at the end; NULL: it is gone, or not yet known */
    GError *error;      /* or NULL */
    bool is_ours;       /* this start has started it, and it has been up or on its way since */
} BatchItem;

/* items: one for each id in its order, the batch's. error: of a start that has failed, or of a stop
 * with all errors, each prefixed with its service; NULL: all is as asked for. The batch is freed
 * afterwards. */
typedef void (*BatchDone)(const BatchItem *items, size_t n_items, const GError *error, void *data);

/* Nothing has happened when NULL is returned: an id that is named twice (InvalidArgs) or is not
 * there (NotFound), one that cannot be started as things stand (its own error; already started is
 * none), a Conflict among them, and at the start of the daemon (CAUSE_STARTUP) also with any other
 * that is up. All such errors are in the one that is returned. done is called later, never from
 * inside. The batch is its own, until done or batch_cancel.
 *
 * A start that is patient waits for what is being stopped, to start it again, and goes on when
 * somebody stops one of them meanwhile; else that is a failure. */
Batch *batch_start(Map *map, const BatchSpec *spec, BatchDone done, void *data, GError **error);
Batch *batch_stop(Map *map, const BatchSpec *spec, BatchDone done, void *data, GError **error);
/* Of one that is not done: how it stands. */
const BatchItem *batch_items(const Batch *batch, size_t *ret_n_items);
/* A start that is not done fails for this, besides what its services say. */
void batch_give_up(Batch *batch, const GError *reason);
/* done will not be called. undo: what a start has started so far is stopped again, by itself; else
 * everything stays as it is, and what was not begun yet never is. */
void batch_cancel(Batch *batch, bool undo);
