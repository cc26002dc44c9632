/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who takes part in a batch, and how it comes to its end. It listens to each service that it has
 * to do with, and acts in a turn of the loop of its own, so that what happens at once is seen as a
 * whole. */

#include "core/batch.h"

#include "base/errors.h"
#include "core/batch-internal.h"

/* Tracks */

static void batch_on_change(const Change *change, void *data)
{
    BatchTrack *track = data;
    track->removed |= change->type == CHANGE_REMOVE;
    batch_look(track, change->new_state);
}

BatchTrack *batch_track(Batch *batch, Service *service, BatchItem *item)
{
    BatchTrack *track = g_hash_table_lookup(batch->tracks, service);
    if (track != NULL)
        return track;
    track = g_new0(BatchTrack, 1);
    track->batch = batch;
    track->service = service_ref(service);
    track->item = item;
    track->listener = service_listen(service, batch_on_change, track);
    g_hash_table_insert(batch->tracks, service, track);
    return track;
}

static void batch_track_free(void *data)
{
    BatchTrack *track = data;
    feed_unlisten(track->listener);
    service_unref(track->service);
    g_free(track);
}

static GError *batch_prefix(const char *id, const GError *error)
{
    GError *prefixed = g_error_copy(error);
    g_prefix_error(&prefixed, "service '%s': ", id);
    return prefixed;
}

void batch_track_set_error(BatchTrack *track, GError *error)
{
    if (track->item == NULL)
        g_ptr_array_add(track->batch->errors, batch_prefix(service_id(track->service), error));
    else if (track->item->error == NULL)
        track->item->error = g_error_copy(error);
    g_error_free(error);
}

/* Its life */

static void batch_free(Batch *batch)
{
    g_hash_table_unref(batch->tracks);
    g_ptr_array_unref(batch->started);
    g_ptr_array_unref(batch->errors);
    for (size_t i = 0; i < batch->n_items; i++) {
        g_free(batch->items[i].id);
        state_record_unref(batch->items[i].state);
        g_clear_error(&batch->items[i].error);
    }
    g_free(batch->items);
    g_free(batch->of_items);
    g_clear_pointer(&batch->origin.caller, caller_unref);
    timer_free(batch->turn);
    g_free(batch);
}

static void batch_free_error(void *error)
{
    g_error_free(error);
}

/* NULL: all is as asked for. Who has only waited for others is told where there is no cause. */
static GError *batch_join(const Batch *batch)
{
    g_autoptr(GPtrArray) causes = g_ptr_array_new_with_free_func(batch_free_error);
    g_autoptr(GPtrArray) waits = g_ptr_array_new_with_free_func(batch_free_error);
    for (size_t i = 0; i < batch->n_items; i++) {
        const BatchItem *item = &batch->items[i];
        if (item->error != NULL)
            g_ptr_array_add(batch->of_items[i]->blocked ? waits : causes,
                            batch_prefix(item->id, item->error));
    }
    GPtrArray *told = causes->len > 0 ? causes : waits;
    for (unsigned i = 0; i < batch->errors->len; i++)
        g_ptr_array_add(told, g_error_copy(batch->errors->pdata[i]));
    return errors_join(told);
}

static void batch_note_items(Batch *batch)
{
    for (size_t i = 0; i < batch->n_items; i++) {
        const BatchTrack *track = batch->of_items[i];
        batch->items[i].is_ours = track->started;
        if (!track->removed)
            batch->items[i].state = state_record_ref(service_state(track->service));
    }
}

static void batch_finish(Batch *batch)
{
    batch->phase = BATCH_OVER;
    if (batch->done != NULL) {
        g_autoptr(GError) error = batch_join(batch);
        batch_note_items(batch);
        batch->done(batch->items, batch->n_items, error, batch->data);
    }
    batch_free(batch);
}

static void on_batch_turn(void *data)
{
    Batch *batch = data;
    if (batch->phase == BATCH_STARTING && batch->failed)
        batch_begin_undo(batch);
    if (batch_step(batch))
        batch_finish(batch);
}

void batch_wake(Batch *batch)
{
    timer_arm(batch->turn, 0);
}

static Batch *batch_new(Map *map, const BatchSpec *spec, BatchPhase phase, BatchDone done,
                        void *data)
{
    Batch *batch = g_new0(Batch, 1);
    batch->map = map;
    batch->ordered = spec->ordered;
    batch->patient = spec->patient;
    batch->origin = spec->origin;
    if (spec->origin.caller != NULL)
        caller_ref(spec->origin.caller);
    batch->phase = phase;
    batch->n_items = g_strv_length((char **)spec->ids);
    batch->items = g_new0(BatchItem, batch->n_items);
    batch->of_items = g_new0(BatchTrack *, batch->n_items);
    batch->tracks = g_hash_table_new_full(NULL, NULL, NULL, batch_track_free);
    batch->started = g_ptr_array_new();
    batch->errors = g_ptr_array_new_with_free_func(batch_free_error);
    batch->turn = timer_new(map_core(map)->timers, on_batch_turn, batch);
    batch->done = done;
    batch->data = data;
    for (size_t i = 0; i < batch->n_items; i++) {
        Service *service = map_find(map, spec->ids[i]); /* batch_check has seen it */
        batch->items[i].id = g_strdup(spec->ids[i]);
        batch->of_items[i] = batch_track(batch, service, &batch->items[i]);
    }
    return batch;
}

/* What can be refused */

static bool batch_check_startable(const Service *service, bool patient, GError **error)
{
    bool stops = service_state(service)->state == STATE_STOPPING && !patient;
    if (!stops && !service_is_deleting(service) && !service_is_broken(service))
        return true;
    return service_check_start(service, error);
}

static bool batch_check_one(Map *map, const BatchSpec *spec, const char *id, bool starts,
                            GError **error)
{
    const Service *service = map_get(map, id, error);
    return service != NULL && (!starts || batch_check_startable(service, spec->patient, error));
}

static bool batch_check(Map *map, const BatchSpec *spec, bool starts, GError **error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func(batch_free_error);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (char *const *id = spec->ids; *id != NULL; id++) {
        GError *refused = NULL;
        if (!g_hash_table_add(seen, *id))
            error_set(&refused, ERROR_INVALID_ARGS, "service '%s' is named twice", *id);
        else if (batch_check_one(map, spec, *id, starts, &refused))
            continue;
        g_ptr_array_add(errors, refused);
    }
    GError *joined = errors_join(errors);
    if (joined != NULL)
        g_propagate_error(error, joined);
    return joined == NULL;
}

Batch *batch_start(Map *map, const BatchSpec *spec, BatchDone done, void *data, GError **error)
{
    if (!batch_check(map, spec, true, error))
        return NULL;
    Batch *batch = batch_new(map, spec, BATCH_STARTING, done, data);
    if (batch_begin_start(batch, error)) {
        batch_wake(batch);
        return batch;
    }
    batch_free(batch);
    return NULL;
}

Batch *batch_stop(Map *map, const BatchSpec *spec, BatchDone done, void *data, GError **error)
{
    if (!batch_check(map, spec, false, error))
        return NULL;
    Batch *batch = batch_new(map, spec, BATCH_STOPPING, done, data);
    batch_begin_stop(batch);
    batch_wake(batch);
    return batch;
}

const BatchItem *batch_items(const Batch *batch, size_t *ret_n_items)
{
    for (size_t i = 0; i < batch->n_items; i++)
        batch->items[i].is_ours = batch->of_items[i]->started;
    *ret_n_items = batch->n_items;
    return batch->items;
}

void batch_give_up(Batch *batch, const GError *reason)
{
    if (batch->phase != BATCH_STARTING)
        return; /* it has failed already */
    g_ptr_array_add(batch->errors, g_error_copy(reason));
    batch->failed = true;
    batch_wake(batch);
}

void batch_cancel(Batch *batch, bool undo)
{
    batch->done = NULL;
    if (!undo || batch->phase == BATCH_STOPPING) {
        batch_free(batch);
        return;
    }
    if (batch->phase == BATCH_STARTING)
        batch_begin_undo(batch);
    batch_wake(batch);
}
