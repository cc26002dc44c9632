/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a batch does to services, and what becomes of them. Only what is told decides: an item is
 * settled, or unsettled again, by the records that it goes through. */

#include "base/errors.h"
#include "core/batch-internal.h"
#include "core/plan.h"

/* How a service stands to what was asked for. */
typedef enum BatchVerdict {
    BATCH_ON_ITS_WAY,
    BATCH_AS_ASKED,
    BATCH_FAILED,
} BatchVerdict;

static GError *batch_record_error(const StateRecord *record, const char *otherwise)
{
    return record->error != NULL ? g_error_copy(record->error)
                                 : g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, otherwise);
}

static bool batch_is_unkillable(const StateRecord *record)
{
    return record->state == STATE_STOPPING && g_str_equal(record->sub_state, "unkillable");
}

/* Starting */

/* Somebody has ended it. */
static BatchVerdict batch_judge_ended(const BatchTrack *track, const StateRecord *record)
{
    if (record->completed)
        return BATCH_AS_ASKED;
    bool was_stopped = record->state == STATE_INACTIVE || service_failed_to_stop(track->service);
    return track->batch->patient && was_stopped ? BATCH_AS_ASKED : BATCH_FAILED;
}

static BatchVerdict batch_judge_start(const BatchTrack *track, const StateRecord *record)
{
    const Batch *batch = track->batch;
    switch (record->state) {
    case STATE_ACTIVE:
    case STATE_RELOADING:
        return BATCH_AS_ASKED;
    case STATE_STARTING:
        return BATCH_ON_ITS_WAY;
    case STATE_WAITING:
        return state_record_is_blocked(record) && !batch->patient ? BATCH_FAILED : BATCH_ON_ITS_WAY;
    case STATE_BACKOFF:
        return batch->patient ? BATCH_ON_ITS_WAY : BATCH_FAILED;
    case STATE_STOPPING:
        return batch_is_unkillable(record) ? BATCH_FAILED : BATCH_ON_ITS_WAY;
    case STATE_INACTIVE:
    case STATE_FAILED:
        return batch_judge_ended(track, record);
    case _STATE_MAX:
    case _STATE_INVALID:
        break;
    }
    g_assert_not_reached();
}

static void batch_settle(BatchTrack *track, bool settled)
{
    if (track->settled == settled)
        return;
    track->settled = settled;
    track->batch->n_settled += settled ? 1 : -1;
}

static void batch_fail(BatchTrack *track, GError *error)
{
    batch_track_set_error(track, error);
    batch_settle(track, true);
    track->batch->failed = true;
    batch_wake(track->batch);
}

static void batch_look_at_start(BatchTrack *track, const StateRecord *record)
{
    Batch *batch = track->batch;
    if (track->item == NULL || !track->begun)
        return;
    if (track->removed) {
        batch_fail(track, g_error_new(SVCMGR_ERROR, ERROR_NOT_FOUND, "it was deleted"));
        return;
    }
    switch (batch_judge_start(track, record)) {
    case BATCH_ON_ITS_WAY:
        batch_settle(track, false);
        break;
    case BATCH_AS_ASKED:
        batch_settle(track, true);
        batch_wake(batch);
        break;
    case BATCH_FAILED:
        if (track->item->error == NULL)
            track->blocked = state_record_is_blocked(record);
        batch_fail(track, batch_record_error(record, "it has stopped before all were up"));
        break;
    }
}

/* What is taken along is told with who asked for it. */
static void batch_carry_out(Batch *batch, const Plan *plan)
{
    Origin along = batch->origin;
    if (along.cause != CAUSE_STARTUP)
        along.cause = CAUSE_DEPENDENCY;
    for (unsigned i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = plan->steps->pdata[i];
        if (step->action == PLAN_STOP)
            service_follow_stop(step->service, NULL);
        if (step->action != PLAN_START)
            continue;
        BatchTrack *track = batch_track(batch, step->service, NULL);
        if (!track->started)
            g_ptr_array_add(batch->started, track);
        track->started = true;
        service_pull(step->service, step->because == NULL ? &batch->origin : &along);
        track->started &= service_state(step->service)->active;
    }
}

static bool batch_is_item(const Batch *batch, const Service *service)
{
    const BatchTrack *track = g_hash_table_lookup(batch->tracks, service);
    return track != NULL && track->item != NULL;
}

/* None of its own stops for another; at the start of the daemon, nobody does: first come, first
 * served. */
static bool batch_check_stops(const Batch *batch, const Plan *plan, GError **error)
{
    for (unsigned i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = plan->steps->pdata[i];
        if (step->action != PLAN_STOP)
            continue;
        if (batch_is_item(batch, step->service))
            return error_set(error, ERROR_CONFLICT,
                             "'%s' would have to stop for '%s', and both are to run", step->id,
                             step->because);
        if (batch->origin.cause == CAUSE_STARTUP)
            return error_set(error, ERROR_CONFLICT,
                             "'%s' conflicts with '%s', which was started before it", step->because,
                             step->id);
    }
    return true;
}

/* The items from the first on. */
static Plan *batch_plan(Batch *batch, size_t first, size_t n, GError **error)
{
    g_autoptr(GPtrArray) services = g_ptr_array_new();
    for (size_t i = first; i < first + n; i++)
        g_ptr_array_add(services, batch->of_items[i]->service);
    g_autoptr(Plan) plan = plan_start(map_core(batch->map)->graph,
                                      (Service *const *)services->pdata, services->len, error);
    return plan != NULL && batch_check_stops(batch, plan, error) ? g_steal_pointer(&plan) : NULL;
}

/* Some may be up, or may not get further, already. */
static void batch_start_items(Batch *batch, size_t first, size_t n, const Plan *plan)
{
    for (size_t i = first; i < first + n; i++)
        batch->of_items[i]->begun = true;
    batch->n_begun = first + n;
    batch_carry_out(batch, plan);
    for (size_t i = first; i < first + n; i++) {
        BatchTrack *track = batch->of_items[i];
        batch_look_at_start(track, service_state(track->service));
    }
}

static void batch_start_next(Batch *batch)
{
    size_t next = batch->n_begun;
    GError *error = NULL;
    g_autoptr(Plan) plan = batch_plan(batch, next, 1, &error);
    if (plan == NULL)
        batch_fail(batch->of_items[next], error);
    else
        batch_start_items(batch, next, 1, plan);
}

bool batch_begin_start(Batch *batch, GError **error)
{
    g_autoptr(Plan) plan = batch_plan(batch, 0, batch->n_items, error);
    if (plan == NULL)
        return false;
    if (!batch->ordered)
        batch_start_items(batch, 0, batch->n_items, plan);
    return true;
}

/* Stopping */

/* Its stop was asked for. */
static void batch_await(BatchTrack *track, bool awaited)
{
    if (track->awaited == awaited)
        return;
    track->awaited = awaited;
    track->batch->n_awaited += awaited ? 1 : -1;
    if (!awaited)
        batch_wake(track->batch);
}

static void batch_look_at_stop(BatchTrack *track, const StateRecord *record)
{
    if (!track->awaited)
        return;
    if (batch_is_unkillable(record) || record->state == STATE_FAILED) {
        batch_track_set_error(track, batch_record_error(record, "its stop has failed"));
        batch_await(track, false);
    } else if (!record->active || track->removed) {
        batch_await(track, false);
    } else if (record->state != STATE_STOPPING) {
        batch_track_set_error(track, g_error_new(SVCMGR_ERROR, ERROR_FAILED,
                                                 "it was started again by somebody else"));
        batch_await(track, false);
    }
}

/* Refused is what is being stopped already, or deleted. */
static void batch_stop_one(BatchTrack *track)
{
    track->begun = true;
    if (!service_state(track->service)->active)
        return;
    batch_await(track, true);
    (void)service_stop(track->service, &track->batch->origin, NULL);
    batch_look_at_stop(track, service_state(track->service));
}

/* From the last to the first. */
static void batch_stop_next(Batch *batch)
{
    batch_stop_one(batch->of_items[batch->n_items - ++batch->n_begun]);
}

void batch_begin_stop(Batch *batch)
{
    while (!batch->ordered && batch->n_begun < batch->n_items)
        batch_stop_next(batch);
}

/* Undoing */

/* Somebody who is up, and was not started by this batch, has use for it. */
static bool batch_is_needed_by(const Batch *batch, GPtrArray *edges)
{
    for (unsigned i = 0; edges != NULL && i < edges->len; i++) {
        const GraphNode *node = edges->pdata[i];
        const BatchTrack *track = g_hash_table_lookup(batch->tracks, node->service);
        bool is_up = node->service != NULL && service_state(node->service)->active &&
                     (service_state(node->service)->state != STATE_STOPPING ||
                      service_is_wanted(node->service));
        if (is_up && (track == NULL || !track->started))
            return true;
    }
    return false;
}

static bool batch_is_needed(const Batch *batch, const BatchTrack *track)
{
    const GraphNode *node = service_node(track->service);
    return track->item == NULL && node != NULL &&
           (batch_is_needed_by(batch, node->in[RELATION_REQUIRES]) ||
            batch_is_needed_by(batch, node->in[RELATION_MEMBERS]));
}

static void batch_undo_next(Batch *batch)
{
    BatchTrack *track = batch->started->pdata[batch->started->len - ++batch->n_undone];
    if (!track->started)
        return;
    if (batch_is_needed(batch, track))
        track->started = false; /* it is theirs; and so is what it requires in its turn */
    else
        batch_stop_one(track);
}

void batch_begin_undo(Batch *batch)
{
    batch->phase = BATCH_UNDOING;
    while (!batch->ordered && batch->n_undone < batch->started->len)
        batch_undo_next(batch);
}

/* All of it */

void batch_look(BatchTrack *track, const StateRecord *record)
{
    if (!record->active || track->removed)
        track->started = false; /* who starts it again is somebody else */
    if (track->batch->phase == BATCH_STARTING)
        batch_look_at_start(track, record);
    else
        batch_look_at_stop(track, record);
}

bool batch_step(Batch *batch)
{
    switch (batch->phase) {
    case BATCH_STARTING:
        while (!batch->failed && batch->n_settled == batch->n_begun &&
               batch->n_begun < batch->n_items)
            batch_start_next(batch);
        return !batch->failed && batch->n_settled == batch->n_items;
    case BATCH_STOPPING:
        while (batch->n_awaited == 0 && batch->n_begun < batch->n_items)
            batch_stop_next(batch);
        return batch->n_awaited == 0;
    case BATCH_UNDOING:
        while (batch->n_awaited == 0 && batch->n_undone < batch->started->len)
            batch_undo_next(batch);
        return batch->n_awaited == 0;
    case BATCH_OVER:
        break;
    }
    g_assert_not_reached();
}
