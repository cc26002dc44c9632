/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a service waits for others: with its start, in the state waiting; with its stop, in the state
 * stopping. When and for whom is decided elsewhere (gate.h, settle.h); here is what it does to the
 * record. */

#include "base/errors.h"
#include "base/log.h"
#include "core/gate.h"
#include "core/plan.h"
#include "core/service-private.h"
#include "core/settle.h"

static const Origin origin_dependency = {.cause = CAUSE_DEPENDENCY};

void service_attach(Service *service)
{
    if (service->attached)
        return;
    service->attached = true;
    graph_attach(service->core->graph, service,
                 service->config != NULL ? service->config->common.dependencies : NULL);
}

bool service_is_unkillable(const Service *service)
{
    return service->unkillable;
}

bool service_stop_was_asked_for(const Service *service)
{
    return service->stop_phase != STOP_NONE;
}

bool service_needs_slot(const Service *service)
{
    return !service->kind->coordinates;
}

/* Conflicts */

static const PlanStep *service_find_rival_step(const Plan *plan)
{
    for (unsigned i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);
        if (step->action == PLAN_STOP && step->relation == RELATION_CONFLICTS)
            return step;
    }
    return NULL;
}

static GError *service_refuse_beside(const Service *service, const PlanStep *rival)
{
    if (g_strcmp0(rival->because, service->id) == 0)
        return g_error_new(SVCMGR_ERROR, ERROR_CONFLICT,
                           "conflicts with '%s', which was started before it", rival->id);
    return g_error_new(SVCMGR_ERROR, ERROR_CONFLICT,
                       "needs '%s', which conflicts with '%s', which was started before it",
                       rival->because, rival->id);
}

void service_fail_beside(Service *service, const GError *conflict, const Origin *origin)
{
    StateRecord *draft = service_draft(service);
    service_draft_set_error(service, draft, conflict, FAILURE_DEPENDENCY);
    error_buffer_append(service_errors(service), conflict);
    service_remember_failure(service, draft, STATE_FAILED, NULL);
    service_commit(service, draft, STATE_FAILED, origin);
}

bool service_admit_beside_others(Service *service, const Plan *plan, const Origin *origin,
                                 GError **error)
{
    const PlanStep *rival = plan != NULL ? service_find_rival_step(plan) : NULL;
    if (rival == NULL)
        return true;
    g_autoptr(GError) refused = service_refuse_beside(service, rival);
    service_fail_beside(service, refused, origin);
    g_propagate_error(error, g_steal_pointer(&refused));
    return false;
}

void service_start_created(Service *service, const Origin *origin)
{
    g_autoptr(GError) error = NULL;
    if (!service_start(service, origin, &error) && service->record->error == NULL)
        service_fail_beside(service, error, origin);
}

/* Whom it would run beside, though it may not. */
static const Service *service_find_rival(const Service *service, const Dependencies *dependencies)
{
    char *const *ids = dependencies != NULL ? dependencies->lists[RELATION_CONFLICTS] : NULL;
    for (; ids != NULL && *ids != NULL && gate_is_running(service); ids++) {
        const Service *rival = graph_find_service(service->core->graph, *ids);
        if (rival != NULL && gate_is_running(rival))
            return rival;
    }
    return NULL;
}

static GError *service_refuse_rival(const Service *service, const Dependencies *dependencies)
{
    const Service *rival = service_find_rival(service, dependencies);
    if (rival == NULL)
        return NULL;
    return g_error_new(
            SVCMGR_ERROR, ERROR_CONFLICT,
            "service '%s' would be in conflict with '%s', and both run; stop one of them",
            service->id, rival->id);
}

void service_yield_to_rival(Service *service)
{
    const Config *config = service->config;
    g_autoptr(GError) rival =
            config != NULL ? service_refuse_rival(service, config->common.dependencies) : NULL;
    if (rival != NULL)
        service_follow_stop(service, rival);
}

bool service_check_conflicts(const Service *service, const Dependencies *dependencies,
                             GError **error)
{
    GError *refused = service_refuse_rival(service, dependencies);
    if (refused != NULL)
        g_propagate_error(error, refused);
    return refused == NULL;
}

bool service_check_dependencies(const Service *service, const Dependencies *dependencies,
                                GError **error)
{
    if (dependencies == NULL)
        return true;
    if (!graph_check(service->core->graph, service->id, dependencies, error)) {
        g_prefix_error(error, "service '%s': ", service->id);
        return false;
    }
    return service_check_conflicts(service, dependencies, error);
}

/* The record */

/* Takes awaited. It goes with the next transition, and is gone with the one after that leaves the
 * state. */
static void service_await(Service *service, char **awaited)
{
    g_strfreev(service->awaited);
    service->awaited = awaited;
    service->has_awaited = true;
}

void service_draft_links(Service *service, StateRecord *draft, State to)
{
    GraphNode *node = service->node;
    char *const *former = links_waiting_for(draft->links);
    bool stays = to == service->record->state;
    bool is_new = node != NULL ? node->links_changed : draft->links != NULL;
    if (!is_new && !service->has_awaited && (stays || former == NULL))
        return;
    char **awaited = service->has_awaited ? g_steal_pointer(&service->awaited)
                     : stays              ? g_strdupv((char **)former)
                                          : NULL;
    char **required_by = node != NULL ? graph_required_by(node, LINKS_REQUIRED_BY_MAX) : NULL;
    service->has_awaited = false;
    links_unref(draft->links);
    draft->links = links_new(node != NULL ? node->dependencies : NULL, required_by, awaited);
    if (node != NULL)
        node->links_changed = false;
}

/* The node may have gone, and with it what the record still says. */
void service_tell_links(Service *service)
{
    bool is_stale =
            service->node != NULL ? service->node->links_changed : service->record->links != NULL;
    if (!is_stale || !service->published || service->retracted)
        return;
    service_commit(service, service_draft(service), service->record->state, &origin_dependency);
}

static void service_draft_clear_reason(StateRecord *draft)
{
    if (draft->failure_class == FAILURE_DEPENDENCY)
        service_draft_clear_error(draft);
}

/* Starting */

static void service_enter_waiting(Service *service, StateRecord *draft, char **awaited,
                                  const char *sub_state, const Origin *origin)
{
    service_await(service, awaited);
    service->sub_state = sub_state;
    service_commit(service, draft, STATE_WAITING, origin);
}

static void service_enter_queued(Service *service, StateRecord *draft, const Origin *origin)
{
    GraphNode *node = graph_pin(service->core->graph, service);
    slots_wait(service->core->slots, node);
    service_enter_waiting(service, draft, NULL, "queued", origin);
}

static void service_enter_starting(Service *service, StateRecord *draft, const Origin *origin)
{
    service->holds_slot = service_needs_slot(service);
    service->is_fresh = true;
    service_enter_apply(service, draft, STATE_STARTING, false, origin);
}

/* Whether it is blocked shows when everybody has settled; until then it has no error, also after an
 * attempt that failed. */
void service_enter_gated(Service *service, StateRecord *draft, const Origin *origin)
{
    GateView view = {.verdict = GATE_OPEN};
    if (service->node != NULL)
        gate_look_start(service->node, &view);
    g_clear_error(&view.reason);
    if (view.verdict == GATE_OPEN &&
        (!service_needs_slot(service) || slots_take(service->core->slots, service->node))) {
        service_enter_starting(service, draft, origin);
        return;
    }
    service_draft_clear_error(draft);
    if (view.verdict != GATE_OPEN)
        service_enter_waiting(service, draft, view.waiting_for, "dependencies", origin);
    else
        service_enter_queued(service, draft, origin);
}

/* Of many that start at once each has its own turn of the loop, and until then much can happen. */
bool service_must_wait_again(Service *service)
{
    if (!service->is_fresh || service->record->state != STATE_STARTING || service->node == NULL)
        return false;
    GateView view;
    gate_look_start(service->node, &view);
    g_clear_error(&view.reason);
    if (view.verdict == GATE_OPEN)
        return false;
    StateRecord *draft = service_draft(service);
    service_draft_clear_error(draft);
    service_enter_waiting(service, draft, view.waiting_for, "dependencies", &origin_dependency);
    return true;
}

void service_leave_waiting(Service *service)
{
    StateRecord *draft = service_draft(service);
    service_draft_clear_reason(draft);
    service_enter_starting(service, draft, &origin_dependency);
}

static bool service_waits_likewise(const Service *service, char *const *awaited,
                                   const GError *reason, const char *sub_state)
{
    const StateRecord *record = service->record;
    const char *said = record->error != NULL ? record->error->message : NULL;
    return g_str_equal(record->sub_state, sub_state) &&
           g_strcmp0(said, reason != NULL ? reason->message : NULL) == 0 &&
           dependencies_list_equal(links_waiting_for(record->links), awaited);
}

void service_keep_waiting(Service *service, char **waiting_for, const GError *reason,
                          const char *sub_state)
{
    if (service_waits_likewise(service, waiting_for, reason, sub_state)) {
        g_strfreev(waiting_for);
        return;
    }
    StateRecord *draft = service_draft(service);
    service_draft_clear_error(draft);
    if (reason != NULL) {
        service_draft_set_error(service, draft, reason, FAILURE_DEPENDENCY);
        log_service(LOG_LEVEL_NOTICE, service->id, "waits: it %s", reason->message);
    }
    service_enter_waiting(service, draft, waiting_for, sub_state, &origin_dependency);
}

void service_release_slot(Service *service, State to)
{
    Core *core = service->core;
    if (service->record->state == STATE_WAITING && to != STATE_WAITING && service->node != NULL) {
        slots_leave(core->slots, service->node);
        graph_unpin(service->node);
        settle_note_room(core);
    }
    if (service->holds_slot && to != STATE_STARTING) {
        service->holds_slot = false;
        slots_release(core->slots);
        settle_note_room(core);
    }
}

void service_set_wanted(Service *service, bool wanted)
{
    bool changes = service->wanted != wanted;
    service->wanted = wanted;
    if (changes && service->record->state == STATE_STOPPING)
        settle_note_target(service);
}

/* It was stopped for a reason, to come back. That somebody wants it to stay away is no failure. */
void service_stay_away(Service *service, const Origin *origin)
{
    bool was_to_return = service->wanted && service->record->state == STATE_STOPPING;
    service_set_wanted(service, false);
    if (!was_to_return || service->record->failure_class != FAILURE_DEPENDENCY)
        return;
    StateRecord *draft = service_draft(service);
    service_draft_clear_error(draft);
    service_commit(service, draft, STATE_STOPPING, origin);
}

/* What is not up and can be brought; the rest shows while it is waited for. */
void service_pull(Service *service, const Origin *origin)
{
    g_autoptr(Service) keep = service_ref(service);
    if (service->deleted_by != NULL || service->broken != NULL)
        return;
    if (service->record->state == STATE_STOPPING)
        service_set_wanted(service, true);
    else if (!service->record->active)
        (void)service_enter_started(service, origin, NULL); /* a refusal is in its record */
}

/* Stopping */

bool service_is_stop_put_off(const Service *service)
{
    return service->stop_phase == STOP_PUT_OFF;
}

void service_put_off_stop(Service *service, char **waiting_for)
{
    if (waiting_for != NULL &&
        dependencies_list_equal(links_waiting_for(service->record->links), waiting_for)) {
        g_strfreev(waiting_for);
        return;
    }
    service->stop_phase = waiting_for != NULL ? STOP_PUT_OFF : STOP_QUEUED;
    if (waiting_for == NULL)
        queue_add(service->core->queue, &service->entry, QUEUE_FREE);
    service->sub_state = waiting_for != NULL ? "dependents" : "";
    service_await(service, waiting_for);
    service_commit(service, service_draft(service), STATE_STOPPING, &origin_dependency);
}

bool service_must_put_off_stop(Service *service)
{
    char **waiting_for;
    if (service->is_forced || service->node == NULL || gate_may_stop(service->node, &waiting_for))
        return false;
    service_put_off_stop(service, waiting_for);
    return true;
}

void service_force_stop(Service *service)
{
    service->is_forced = service->stop_phase == STOP_QUEUED || service->stop_phase == STOP_PUT_OFF;
    if (service->stop_phase == STOP_PUT_OFF)
        service_put_off_stop(service, NULL);
}

void service_follow_stop(Service *service, const GError *reason)
{
    g_autoptr(Service) keep = service_ref(service);
    if (!service->record->active)
        return;
    if (reason == NULL)
        service_stay_away(service, &origin_dependency);
    else
        service_set_wanted(service, false);
    if (service->record->state != STATE_STOPPING)
        service_enter_stopping(service, reason, &origin_dependency);
}

void service_follow_restart(Service *service, const GError *reason)
{
    g_autoptr(Service) keep = service_ref(service);
    if (!service->record->active || service->record->state == STATE_STOPPING)
        return;
    service->wanted = true;
    service_enter_stopping(service, reason, &origin_dependency);
}
