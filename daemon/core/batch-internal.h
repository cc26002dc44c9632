/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What batch.c (who takes part, and how it comes to its end) and batch-steps.c (what is done, and
 * what becomes of it) share, and nobody else sees. */

#include "core/batch.h"

typedef enum BatchPhase {
    BATCH_STARTING,
    BATCH_STOPPING,
    BATCH_UNDOING,
    BATCH_OVER,
} BatchPhase;

/* One service that the batch has to do with: one of its items, or what their start takes along. */
typedef struct BatchTrack {
    Batch *batch;
    Service *service; /* a reference */
    FeedListener *listener;
    BatchItem *item; /* NULL: taken along */
    bool removed;
    bool begun;   /* it was asked to start, or to stop */
    bool settled; /* an item's: as asked for, or failed */
    bool started; /* by this batch; nothing has ended it since */
    bool awaited; /* its stop was asked for, and is not over */
    bool blocked; /* it has failed by waiting for what nobody brings */
} BatchTrack;

struct Batch {
    Map *map;
    bool ordered;
    bool patient;
    Origin origin; /* with a reference to the caller */
    BatchPhase phase;
    BatchItem *items;
    size_t n_items;
    BatchTrack **of_items; /* borrowed; of the item at the same place */
    GHashTable *tracks;    /* Service -> BatchTrack, owned */
    GPtrArray *started;    /* of BatchTrack, in the order in which they were started */
    GPtrArray *errors;     /* of GError: of those taken along */
    size_t n_begun;        /* items */
    size_t n_settled;      /* items */
    size_t n_awaited;      /* tracks */
    size_t n_undone;       /* of started, from its end */
    bool failed;
    Timer *turn;    /* everything is done in a turn of its own */
    BatchDone done; /* NULL: cancelled */
    void *data;
};

void batch_wake(Batch *batch);
BatchTrack *batch_track(Batch *batch, Service *service, BatchItem *item);
/* The first one counts. error: the track's. */
void batch_track_set_error(BatchTrack *track, GError *error);

/* Begins with all, or with the first. False: those that it names are in conflict. */
bool batch_begin_start(Batch *batch, GError **error);
void batch_begin_stop(Batch *batch);
/* What has become of one of them. */
void batch_look(BatchTrack *track, const StateRecord *record);
/* The next of those that come one by one; true: there is nothing more to do or to wait for. */
bool batch_step(Batch *batch);
void batch_begin_undo(Batch *batch);
