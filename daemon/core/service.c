/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One service: its record with the one function that writes it, and what happens when the kind
 * reports or a timer fires. Operations that people ask for are in operations.c.
 *
 * The state is never set but by service_commit. Everything that a state may own (an apply context,
 * the retry timer, the stable timer) is released there by the traits of the state that is entered.
 */

#include "core/service.h"

#include "base/errors.h"
#include "base/log.h"
#include "base/parse.h"
#include "core/service-private.h"
#include "core/settle.h"

#define SERVICE_HISTORY_FIRST 2

static const Origin origin_retry = {.cause = CAUSE_RETRY};
static const Origin origin_exit = {.cause = CAUSE_EXIT};
static const Origin origin_stopped = {.cause = CAUSE_STOPPED};
static const Origin origin_applied = {.cause = CAUSE_APPLIED};
static const Origin origin_stable = {.cause = CAUSE_STABLE};
static const Origin origin_kind = {.cause = CAUSE_KIND};
static const Origin origin_watchdog = {.cause = CAUSE_WATCHDOG};

static void service_on_retry(void *data);
static void service_on_stable(void *data);

/* Contexts */

static ApplyContext *apply_context_new(Service *service, bool reload)
{
    ApplyContext *context = g_new0(ApplyContext, 1);
    g_atomic_ref_count_init(&context->refs);
    context->service = service_ref(service);
    context->reload = reload;
    return context;
}

ApplyContext *apply_context_ref(ApplyContext *context)
{
    g_atomic_ref_count_inc(&context->refs);
    return context;
}

void apply_context_unref(ApplyContext *context)
{
    if (context == NULL || !g_atomic_ref_count_dec(&context->refs))
        return;
    service_unref(context->service);
    g_free(context);
}

/* Nothing is accepted from it any more, so it keeps nothing alive, whoever keeps it. */
static void apply_context_release(ApplyContext *context)
{
    g_clear_pointer(&context->service, service_unref);
    apply_context_unref(context);
}

bool apply_context_is_cancelled(const ApplyContext *context)
{
    return context->cancelled;
}

/* A kind that has seen the context is told from the queue. */
void service_cancel_context(Service *service)
{
    ApplyContext *context = g_steal_pointer(&service->context);
    if (context == NULL)
        return;
    context->cancelled = true;
    if (!context->begun) {
        apply_context_release(context);
        return;
    }
    g_clear_pointer(&context->service, service_unref);
    g_assert(service->cancelled == NULL);
    service->cancelled = context;
    queue_add(service->core->queue, &service->entry, QUEUE_FREE);
}

/* The record */

StateRecord *service_draft(const Service *service)
{
    return state_record_copy(service->record);
}

void service_draft_set_origin(StateRecord *draft, const Origin *origin)
{
    draft->cause = origin->cause;
    draft->method = origin->method;
    g_clear_pointer(&draft->caller, caller_unref);
    if (origin->caller != NULL)
        draft->caller = caller_ref(origin->caller);
}

void service_draft_set_error(const Service *service, StateRecord *draft, const GError *error,
                             FailureClass failure_class)
{
    g_clear_error(&draft->error);
    draft->error = g_error_copy(error);
    draft->failure_class = failure_class;
    draft->last_error_time = clock_wall_usec(service->core->clock);
}

void service_draft_clear_error(StateRecord *draft)
{
    g_clear_error(&draft->error);
    draft->failure_class = FAILURE_NONE;
}

/* All times of one transition are the same. */
static void service_stamp(const StateRecord *old, StateRecord *draft, uint64_t now)
{
    draft->time = now;
    if (draft->active && !old->active)
        draft->last_active_time = now;
    if (!draft->active && old->active)
        draft->last_inactive_time = now;
    if (draft->loading && !old->loading) {
        draft->last_loading_start_time = now;
        draft->last_loading_end_time = 0;
    }
    if (!draft->loading && old->loading)
        draft->last_loading_end_time = now;
    if (old->state == STATE_STOPPING &&
        (draft->state == STATE_STARTING || draft->state == STATE_ACTIVE)) {
        /* A restart: for an instant nothing of it ran. */
        draft->last_inactive_time = now;
        draft->last_active_time = now;
    }
}

static void service_release(Service *service, State to)
{
    const StateTraits *traits = state_traits(to);
    service_release_slot(service, to);
    if (!traits->owns_context)
        service_cancel_context(service);
    if (!traits->owns_retry_timer)
        timer_disarm(service->retry_timer);
    if (!traits->owns_stable_timer)
        timer_disarm(service->stable_timer);
}

/* Most services move twice in their lives, so the ring grows once before it turns. */
static void service_reserve_history(Service *service)
{
    if (service->n_moves == 0)
        service->history = g_new(HistoryEntry, SERVICE_HISTORY_FIRST);
    else if (service->n_moves == SERVICE_HISTORY_FIRST)
        service->history = g_renew(HistoryEntry, service->history, SERVICE_HISTORY);
}

/* Before the record is told: whoever hears of it may move on. */
static void service_note_move(Service *service, const StateRecord *record)
{
    if (record->from == record->state)
        return;
    service_reserve_history(service);
    service->history[service->n_moves++ % SERVICE_HISTORY] = (HistoryEntry){
            .serial = service->published ? feed_serial(service->core->feed) + 1 : 0,
            .time = record->time,
            .from = record->from,
            .to = record->state,
            .cause = record->cause,
    };
}

static bool service_will_retry(const Service *service, State state, unsigned failed_attempts)
{
    if (state == STATE_BACKOFF)
        return true;
    return state_traits(state)->active && state != STATE_STOPPING && service->config != NULL &&
           restart_would_retry(&service->config->common.restart, failed_attempts);
}

static void service_draft_derive(Service *service, StateRecord *draft, State to,
                                 const Origin *origin)
{
    const StateRecord *old = service->record;
    const StateTraits *traits = state_traits(to);
    draft->from = old->state;
    draft->state = to;
    draft->active = traits->active;
    draft->loading = traits->loading;
    service_draft_set_origin(draft, origin);
    if (!traits->owns_retry_timer)
        draft->next_attempt_time = 0;
    if (service->sub_state != NULL)
        draft->sub_state = g_steal_pointer(&service->sub_state);
    else if (to != old->state)
        draft->sub_state = "";
    if (to == STATE_ACTIVE && draft->config == NULL)
        draft->sub_state = "unconfigured";
    if (to != STATE_INACTIVE)
        draft->completed = false;
    draft->will_retry = service_will_retry(service, to, draft->failed_attempts);
    service_draft_links(service, draft, to);
    service_stamp(old, draft, clock_wall_usec(service->core->clock));
}

void service_rest(Service *service)
{
    if (service->published && !service->record->active)
        g_clear_pointer(&service->config, config_unref);
}

/* Before it may become active. */
static void service_load_config(Service *service)
{
    ConfigText *text = service->record->config;
    if (text != NULL && service->config == NULL)
        service->config = config_parse_again(service->kind, text);
}

void service_commit(Service *service, StateRecord *draft, State to, const Origin *origin)
{
    g_assert(state_move_is_allowed(service->record->state, to));
    service_release(service, to);
    service_draft_derive(service, draft, to, origin);
    StateRecord *old = service->record;
    service->record = draft;
    service_note_move(service, draft);
    service_rest(service);
    settle_note_move(service, old, draft);
    if (service->published)
        feed_publish(service->core->feed, CHANGE_UPDATE, service, old, draft, origin);
    state_record_unref(old);
}

void service_enter_apply(Service *service, StateRecord *draft, State to, bool reload,
                         const Origin *origin)
{
    g_assert(service->context == NULL);
    service->context = apply_context_new(service, reload);
    if (reload)
        service_draft_clear_error(draft); /* of the reload before */
    queue_add(service->core->queue, &service->entry, QUEUE_APPLY);
    service_commit(service, draft, to, origin);
}

/* The only error of what is in force is that of a reload, and with an end it has nothing to do; no
 * more has the one of what waited with the end of its waiting. */
static void service_draft_forget_reload(const Service *service, StateRecord *draft)
{
    State state = service->record->state;
    if (state == STATE_ACTIVE || state == STATE_RELOADING || state == STATE_WAITING)
        service_draft_clear_error(draft);
}

void service_enter_stopping(Service *service, const GError *reason, const Origin *origin)
{
    StateRecord *draft = service_draft(service);
    service->stop_phase = STOP_QUEUED;
    service->is_put_down = reason != NULL && !service->wanted;
    queue_add(service->core->queue, &service->entry, QUEUE_FREE);
    service_draft_forget_reload(service, draft);
    if (reason != NULL)
        service_draft_set_error(service, draft, reason, FAILURE_DEPENDENCY);
    service_commit(service, draft, STATE_STOPPING, origin);
}

/* Failing, ending, retrying */

static void service_log_failure(const Service *service, const StateRecord *draft, bool restart,
                                uint64_t delay_usec, const char *reason)
{
    if (!restart) {
        log_service(LOG_LEVEL_ERROR, service->id, "failed: %s (%s)", draft->error->message, reason);
        return;
    }
    if (!backoff_attempt_is_logged(draft->failed_attempts))
        return;
    /* No person reads more digits than these. */
    uint64_t grain = delay_usec >= USEC_PER_SEC ? 100 * USEC_PER_MSEC : USEC_PER_MSEC;
    g_autofree char *delay = format_duration(delay_usec - delay_usec % grain);
    log_service(LOG_LEVEL_WARNING, service->id, "failure %u in a row: %s; next attempt in %s",
                draft->failed_attempts, draft->error->message, delay);
}

/* Who ended it. failure NULL: it did itself. */
static const Origin *service_origin_of_end(const Failure *failure)
{
    return failure != NULL && failure->failure_class == FAILURE_WATCHDOG ? &origin_watchdog
                                                                         : &origin_exit;
}

static void service_enter_backoff(Service *service, StateRecord *draft, uint64_t delay_usec,
                                  const Origin *origin)
{
    Clock *clock = service->core->clock;
    if (service->retry_timer == NULL)
        service->retry_timer = timer_new(service->core->timers, service_on_retry, service);
    draft->next_attempt_time = usec_add(clock_wall_usec(clock), delay_usec);
    timer_arm(service->retry_timer, usec_add(clock_monotonic_usec(clock), delay_usec));
    service_commit(service, draft, STATE_BACKOFF, origin);
}

/* Nothing of it runs any more. failure NULL: a clean end. */
static void service_after_end(Service *service, const Failure *failure, const ExitStatus *exit)
{
    StateRecord *draft = service_draft(service);
    const Origin *origin = service_origin_of_end(failure);
    RestartVerdict verdict = {.reason = "a stop was asked for"};
    bool is_told = service->record->state == STATE_STOPPING && service->record->error != NULL;
    service_draft_forget_reload(service, draft);
    if (failure != NULL) {
        if (!is_told) /* service_report_ending has set it, with its time */
            service_draft_set_error(service, draft, failure->error, failure->failure_class);
        error_buffer_append(service_errors(service), failure->error);
        draft->failed_attempts++;
    }
    if (service->wanted && service->config != NULL) {
        verdict = restart_decide(&service->config->common.restart, failure, exit,
                                 draft->failed_attempts, service->core->random);
    }
    if (failure != NULL) {
        service_log_failure(service, draft, verdict.restart, verdict.delay_usec, verdict.reason);
        service_remember_failure(service, draft, verdict.restart ? STATE_BACKOFF : STATE_FAILED,
                                 exit != NULL ? exit : &failure->exit);
    }
    if (verdict.restart) {
        service_enter_backoff(service, draft, verdict.delay_usec, origin);
        return;
    }
    if (!service->wanted)
        draft->failed_attempts = 0;
    draft->completed = failure == NULL && service->wanted && service->kind->completes;
    service->wanted = false;
    service_commit(service, draft, failure != NULL ? STATE_FAILED : STATE_INACTIVE, origin);
}

/* The last of what could not be killed is gone: failed, with the error that said so. */
static void service_after_unkillable(Service *service)
{
    StateRecord *draft = service_draft(service);
    service->unkillable = false;
    service->wanted = false;
    draft->failed_attempts = 0;
    service_commit(service, draft, STATE_FAILED, &origin_exit);
}

static bool service_admit_start(Service *service, GError **error)
{
    const CommonConfig *common = &service->config->common;
    StartLimit limit = start_limit_effective(&common->start_limit, &common->restart);
    if (start_window_admit(&service->starts, &limit, clock_monotonic_usec(service->core->clock)))
        return true;
    g_autofree char *interval = format_duration(limit.interval_usec);
    return error_set(error, ERROR_START_LIMIT_HIT,
                     "more than %" G_GUINT64_FORMAT " starts in %s; reset-failed clears this",
                     limit.burst, interval);
}

static void service_fail_start_limit(Service *service, const GError *error, const Origin *origin)
{
    StateRecord *draft = service_draft(service);
    service->wanted = false;
    service_draft_set_error(service, draft, error, FAILURE_START_LIMIT);
    error_buffer_append(service_errors(service), error);
    log_service(LOG_LEVEL_ERROR, service->id, "failed: %s", error->message);
    if (service->kind->rest != NULL && service->instance != NULL)
        service->kind->rest(service->instance);
    service_remember_failure(service, draft, STATE_FAILED, NULL);
    service_commit(service, draft, STATE_FAILED, origin);
}

static void service_on_retry(void *data)
{
    g_autoptr(Service) service = service_ref(data);
    g_autoptr(GError) error = NULL;
    if (service_admit_start(service, &error))
        service_enter_gated(service, service_draft(service), &origin_retry);
    else
        service_fail_start_limit(service, error, &origin_retry);
}

bool service_enter_started(Service *service, const Origin *origin, GError **error)
{
    g_autoptr(GError) refused = NULL;
    service_load_config(service);
    if (service->config != NULL && !service_admit_start(service, &refused)) {
        service_fail_start_limit(service, refused, origin);
        g_propagate_error(error, g_steal_pointer(&refused));
        return false;
    }
    StateRecord *draft = service_draft(service);
    service->wanted = true;
    if (origin->cause != CAUSE_STARTUP)
        draft->failed_attempts = 0;
    service_draft_clear_error(draft);
    if (service->config == NULL)
        service_commit(service, draft, STATE_ACTIVE, origin);
    else
        service_enter_gated(service, draft, origin);
    return true;
}

static void service_on_stable(void *data)
{
    g_autoptr(Service) service = service_ref(data);
    StateRecord *draft = service_draft(service);
    log_service(LOG_LEVEL_NOTICE, service->id, "recovered after %u failures in a row",
                draft->failed_attempts);
    draft->failed_attempts = 0;
    service_commit(service, draft, service->record->state, &origin_stable);
}

static void service_arm_stable(Service *service)
{
    if (service->record->failed_attempts == 0 || service->record->state != STATE_ACTIVE)
        return;
    if (service->stable_timer == NULL)
        service->stable_timer = timer_new(service->core->timers, service_on_stable, service);
    if (timer_is_armed(service->stable_timer))
        return;
    timer_arm(service->stable_timer, usec_add(clock_monotonic_usec(service->core->clock),
                                              service->config->common.restart.stable_after_usec));
}

static void service_on_applied(Service *service)
{
    StateRecord *draft = service_draft(service);
    service_draft_clear_error(draft);
    service_commit(service, draft, STATE_ACTIVE, &origin_applied);
    service_arm_stable(service);
}

/* What runs still runs, with the configuration that it had. */
static void service_on_reload_failed(Service *service, const Failure *failure)
{
    StateRecord *draft = service_draft(service);
    service_draft_set_error(service, draft, failure->error, failure->failure_class);
    error_buffer_append(service_errors(service), failure->error);
    log_service(LOG_LEVEL_WARNING, service->id, "reload failed: %s", failure->error->message);
    service_remember_failure(service, draft, STATE_ACTIVE, &failure->exit);
    service_commit(service, draft, STATE_ACTIVE, &origin_applied);
    service_arm_stable(service);
}

void apply_context_done(ApplyContext *context, const Failure *failure)
{
    if (context->cancelled || context->done)
        return;
    g_autoptr(Service) service = service_ref(context->service);
    bool reload = context->reload;
    context->done = true;
    g_assert(service->context == context);
    service->context = NULL;
    apply_context_release(context);
    if (failure == NULL)
        service_on_applied(service);
    else if (reload || failure->goes_on)
        service_on_reload_failed(service, failure);
    else
        service_after_end(service, failure, &failure->exit);
}

/* The kind has begun it before core knew of it. */
ApplyContext *service_report_reloading(Service *service)
{
    g_autoptr(Service) keep = service_ref(service);
    if (service->record->state != STATE_ACTIVE || service->config == NULL)
        return NULL;
    ApplyContext *context = service->context = apply_context_new(service, true);
    context->begun = true;
    apply_context_ref(context); /* who hears of it may cancel it */
    service_commit(service, service_draft(service), STATE_RELOADING, &origin_kind);
    return context;
}

/* An apply that is still open has ended with what it was for; its context is spent. */
static void service_spend_context(Service *service)
{
    if (service->context == NULL)
        return;
    service->context->done = true;
    g_clear_pointer(&service->context, apply_context_release);
}

void service_report_ending(Service *service, const Failure *failure)
{
    State state = service->record->state;
    if (state != STATE_ACTIVE && state != STATE_RELOADING)
        return; /* a stop is under way already: it tells the rest */
    service_spend_context(service);
    StateRecord *draft = service_draft(service);
    service_draft_forget_reload(service, draft);
    if (failure != NULL) {
        service_draft_set_error(service, draft, failure->error, failure->failure_class);
        service_remember_failure(service, draft, STATE_STOPPING, &failure->exit);
    }
    service_commit(service, draft, STATE_STOPPING, service_origin_of_end(failure));
}

void service_report_ended(Service *service, const Failure *failure, const ExitStatus *exit)
{
    g_autoptr(Service) keep = service_ref(service);
    if (!service->record->active || service->record->state == STATE_BACKOFF ||
        service->stop_phase != STOP_NONE)
        return; /* a stop is under way: service_stop_done ends it */
    service_spend_context(service);
    if (service->unkillable)
        service_after_unkillable(service);
    else
        service_after_end(service, failure, exit);
}

/* The second half of a restart begins although the program had to be killed: that is what people
 * restart for. */
static void service_restart_after_stop(Service *service, const Failure *failure)
{
    if (failure != NULL) {
        error_buffer_append(service_errors(service), failure->error);
        log_service(LOG_LEVEL_WARNING, service->id, "stopped for a restart: %s",
                    failure->error->message);
    }
    (void)service_enter_started(service, &origin_stopped, NULL); /* a refusal is in the record */
}

void service_stop_done(Service *service, const Failure *failure)
{
    g_autoptr(Service) keep = service_ref(service);
    if (service->stop_phase != STOP_UNDER_WAY)
        return;
    bool was_unkillable = service->unkillable;
    service->stop_phase = STOP_NONE;
    service->is_forced = false;
    service->unkillable = false;
    if (service->wanted && !was_unkillable) {
        service_restart_after_stop(service, failure);
        return;
    }
    StateRecord *draft = service_draft(service);
    service->wanted = false;
    draft->failed_attempts = 0;
    if (failure != NULL) {
        service_draft_set_error(service, draft, failure->error, failure->failure_class);
        error_buffer_append(service_errors(service), failure->error);
        log_service(LOG_LEVEL_ERROR, service->id, "stop failed: %s", failure->error->message);
        service_remember_failure(service, draft, STATE_FAILED, &failure->exit);
    }
    bool failed = failure != NULL || was_unkillable || service->is_put_down;
    service_commit(service, draft, failed ? STATE_FAILED : STATE_INACTIVE, &origin_stopped);
}

/* An apply that cannot end what it has to replace, or to give up, is over: from here on it is a
 * stop. */
void service_report_unkillable(Service *service, const GError *error)
{
    State state = service->record->state;
    if (state != STATE_STARTING && state != STATE_RELOADING && state != STATE_STOPPING)
        return;
    service_spend_context(service);
    StateRecord *draft = service_draft(service);
    service->unkillable = true;
    service->sub_state = "unkillable";
    service_draft_set_error(service, draft, error, FAILURE_TIMEOUT);
    error_buffer_append(service_errors(service), error);
    log_service(LOG_LEVEL_ERROR, service->id, "%s", error->message);
    service_remember_failure(service, draft, STATE_STOPPING, NULL);
    service_commit(service, draft, STATE_STOPPING, &origin_kind);
    settle_note_unkillable(service);
}

void service_properties_changed(Service *service, uint32_t mask)
{
    if (service->published && !service->retracted)
        feed_tell_properties(service->core->feed, service, mask);
}
