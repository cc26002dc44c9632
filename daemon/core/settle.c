/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marking and looking. What a mark has to say beyond "look again" stands in the node: that it has
 * to follow a service that it is part of, that somebody waits for it to be started, that its record
 * has to be told. Everything else is seen by looking. */

#include "core/settle.h"

#include "base/errors.h"
#include "base/log.h"
#include "base/parse.h"
#include "core/core.h"
#include "core/gate.h"
#include "core/service.h"

static const Origin origin_dependency = {.cause = CAUSE_DEPENDENCY};

void settle_mark(GraphNode *node)
{
    if (node->service != NULL && !graph_is_closed(node->graph))
        queue_add(service_core(node->service)->queue, &node->entry, QUEUE_SETTLE);
}

static uint64_t settle_now(const GraphNode *node)
{
    return clock_monotonic_usec(service_core(node->service)->clock);
}

static bool settle_keeps_up(const GraphNode *node)
{
    return node->dependencies != NULL && node->dependencies->keep_up_grace_usec != USEC_INFINITY;
}

/* Marking */

static void settle_mark_waiting(GraphNode *node, void *unused)
{
    if (node->service != NULL && service_state(node->service)->state == STATE_WAITING)
        settle_mark(node);
}

static void settle_mark_after(GraphNode *node, void *unused)
{
    if (settle_keeps_up(node))
        settle_mark(node);
    else
        settle_mark_waiting(node, NULL);
}

static void settle_mark_put_off(GraphNode *node, void *unused)
{
    if (node->service != NULL && service_is_stop_put_off(node->service))
        settle_mark(node);
}

/* What is down, or does not run yet, has nothing to follow with; whoever starts it later means it.
 */
static bool settle_can_follow(const Service *service, Follow follow)
{
    const StateRecord *record = service_state(service);
    if (follow == FOLLOW_STOP)
        return record->active;
    return record->state == STATE_STARTING || record->state == STATE_ACTIVE ||
           record->state == STATE_RELOADING;
}

static void settle_mark_follower(GraphNode *node, void *data)
{
    const Follow *follow = data;
    if (node->service == NULL || !settle_can_follow(node->service, *follow))
        return;
    node->follow = MAX(node->follow, *follow);
    settle_mark(node);
}

/* What a move asks of those that are part of it. One that ends well by itself asks nothing; nor
 * does an attempt that fails, for when it went down before, that was followed. */
static Follow settle_follow(const Service *service, const StateRecord *old, const StateRecord *now)
{
    if (old->state == now->state)
        return FOLLOW_NOTHING;
    switch (now->state) {
    case STATE_STOPPING:
        if (!service_stop_was_asked_for(service))
            return FOLLOW_NOTHING; /* it ends by itself; what comes of that will show */
        return service_is_wanted(service) ? FOLLOW_RESTART : FOLLOW_STOP;
    case STATE_BACKOFF:
        return old->state != STATE_STARTING ? FOLLOW_RESTART : FOLLOW_NOTHING;
    case STATE_INACTIVE:
    case STATE_FAILED:
        return old->active && !now->completed ? FOLLOW_STOP : FOLLOW_NOTHING;
    case STATE_WAITING:
    case STATE_STARTING:
    case STATE_ACTIVE:
    case STATE_RELOADING:
        return FOLLOW_NOTHING;
    case _STATE_MAX:
    case _STATE_INVALID:
        break;
    }
    g_assert_not_reached();
}

/* Whether others see a difference. */
static bool settle_is_move(const StateRecord *old, const StateRecord *now)
{
    const char *reason = old->error != NULL ? old->error->message : NULL;
    const char *now_reason = now->error != NULL ? now->error->message : NULL;
    return old->state != now->state || old->completed != now->completed ||
           (old->failed_attempts > 0) != (now->failed_attempts > 0) ||
           ((now->state == STATE_WAITING || now->state == STATE_FAILED) &&
            g_strcmp0(reason, now_reason) != 0);
}

static void settle_mark_onlookers(GraphNode *node)
{
    graph_each_after(node, settle_mark_after, NULL);
    graph_each(node->out[RELATION_CONFLICTS], settle_mark_waiting, NULL);
    graph_each(node->in[RELATION_CONFLICTS], settle_mark_waiting, NULL);
}

/* What it takes along, which was of no account while it was up, counts again: also when it has to
 * wait before it starts once more. */
static bool settle_is_fall(const StateRecord *old, const StateRecord *now)
{
    bool waits_again = now->state == STATE_WAITING && old->active && old->state != STATE_WAITING;
    return !now->active || now->state == STATE_STOPPING || waits_again;
}

void settle_note_move(Service *service, const StateRecord *old, const StateRecord *now)
{
    GraphNode *node = service_node(service);
    if (node == NULL || !settle_is_move(old, now))
        return;
    Follow follow = settle_follow(service, old, now);
    if (settle_is_fall(old, now))
        graph_note_fall(node->graph);
    if (gate_is_satisfied(old) && !gate_is_satisfied(now))
        node->away_since_usec = settle_now(node);
    if (!settle_can_follow(service, node->follow))
        node->follow = FOLLOW_NOTHING; /* it has followed, or had its own reason */
    if (old->state != now->state)
        node->appeared = false; /* it has been started, or stopped again: that counts */
    settle_mark_onlookers(node);
    if (old->state == STATE_STOPPING || now->state == STATE_STOPPING)
        graph_each_before(node, settle_mark_put_off, NULL);
    if (follow != FOLLOW_NOTHING)
        graph_each(node->in[RELATION_PART_OF], settle_mark_follower, &follow);
    if (now->state == STATE_WAITING || settle_keeps_up(node))
        settle_mark(node);
}

void settle_note_target(Service *service)
{
    GraphNode *node = service_node(service);
    if (node == NULL)
        return;
    graph_note_fall(node->graph);
    graph_each(node->out[RELATION_CONFLICTS], settle_mark_waiting, NULL);
    graph_each(node->in[RELATION_CONFLICTS], settle_mark_waiting, NULL);
}

void settle_note_unkillable(Service *service)
{
    GraphNode *node = service_node(service);
    if (node == NULL)
        return;
    graph_each_before(node, settle_mark_put_off, NULL);
    settle_mark_onlookers(node);
}

void settle_note_present(GraphNode *node)
{
    graph_each_after(node, settle_mark_after, NULL);
    if (node->service == NULL)
        return;
    if (gate_is_satisfied_by(node->service)) /* it has done its work, and goes */
        node->away_since_usec = settle_now(node);
    node->appeared = true;
    settle_mark(node);
}

void settle_note_links(GraphNode *node)
{
    node->links_changed = true;
    settle_mark(node);
}

void settle_note_room(Core *core)
{
    GraphNode *next = slots_next(core->slots);
    if (next != NULL)
        settle_mark(next);
}

/* Looking */

static void settle_look_follow(GraphNode *node)
{
    Follow follow = node->follow;
    node->follow = FOLLOW_NOTHING;
    if (!settle_can_follow(node->service, follow))
        return;
    if (follow == FOLLOW_STOP)
        service_follow_stop(node->service, NULL);
    else
        service_follow_restart(node->service, NULL);
}

static void settle_find_waiting(GraphNode *node, void *data)
{
    bool *found = data;
    if (node->service != NULL && service_state(node->service)->state == STATE_WAITING)
        *found = true;
}

/* It is new: who waits for it, or wanted it when it was not there, has it started. */
static void settle_look_appeared(GraphNode *node)
{
    bool is_awaited = false;
    node->appeared = false;
    graph_each(node->in[RELATION_REQUIRES], settle_find_waiting, &is_awaited);
    if (is_awaited)
        service_bring(node->service, &origin_dependency);
}

/* Whoever stands behind it in the row has to hear of it: it may have been the first. */
static void settle_look_waiting(GraphNode *node)
{
    Core *core = service_core(node->service);
    Slots *slots = core->slots;
    GateView view;
    gate_look_start(node, &view);
    if (view.verdict != GATE_OPEN) {
        slots_leave(slots, node);
        settle_note_room(core);
        service_keep_waiting(node->service, view.waiting_for, view.reason,
                             view.verdict == GATE_BLOCKED ? "blocked" : "dependencies");
        g_clear_error(&view.reason);
    } else if (service_needs_slot(node->service) && !slots_take(slots, node)) {
        slots_wait(slots, graph_pin(node->graph, node->service));
        service_keep_waiting(node->service, NULL, NULL, "queued");
    } else {
        service_leave_waiting(node->service);
        settle_note_room(core);
    }
}

static void settle_look_put_off(GraphNode *node)
{
    char **waiting_for;
    (void)gate_may_stop(node, &waiting_for); /* nobody is left: NULL */
    service_put_off_stop(node->service, waiting_for);
}

/* keep_up */

/* Of what it requires and is away: the one for which its grace is over first. */
typedef struct AwaySearch {
    uint64_t least_usec; /* it was not looked at before */
    uint64_t since_usec; /* monotonic; USEC_INFINITY: nobody is away */
    GraphNode *away;
} AwaySearch;

static void settle_find_away(GraphNode *node, void *data)
{
    AwaySearch *search = data;
    uint64_t since_usec = MAX(node->away_since_usec, search->least_usec);
    if (gate_is_satisfied_by(node->service) || since_usec >= search->since_usec)
        return;
    search->since_usec = since_usec;
    search->away = node;
}

static AwaySearch settle_away(GraphNode *node)
{
    State state = service_state(node->service)->state;
    AwaySearch search = {.least_usec = node->kept_up_usec, .since_usec = USEC_INFINITY};
    if (state == STATE_STARTING || state == STATE_ACTIVE || state == STATE_RELOADING)
        graph_each(node->out[RELATION_REQUIRES], settle_find_away, &search);
    return search;
}

static uint64_t settle_grace_due(const GraphNode *node, const AwaySearch *search)
{
    return settle_keeps_up(node)
                   ? usec_add(search->since_usec, node->dependencies->keep_up_grace_usec)
                   : USEC_INFINITY;
}

static void on_settle_grace(void *data)
{
    GraphNode *node = data;
    AwaySearch search = settle_away(node);
    if (settle_grace_due(node, &search) > settle_now(node))
        return; /* the one that was away is back: it looks again in any case */
    uint64_t grace_usec = node->dependencies->keep_up_grace_usec;
    g_autofree char *grace = format_duration(grace_usec);
    g_autofree char *why = gate_describe(search.away);
    g_autoptr(GError) error =
            g_error_new(SVCMGR_ERROR, ERROR_DEPENDENCY_FAILED, "requires '%s', which %s%s%s%s",
                        search.away->id, grace_usec > 0 ? "was away for longer than " : "",
                        grace_usec > 0 ? grace : "", grace_usec > 0 ? ", and " : "", why);
    log_service(LOG_LEVEL_WARNING, node->id, "stopped until it is back: %s", error->message);
    service_follow_restart(node->service, error);
}

/* From when on it may be away, counts for each that it requires. */
static void settle_look_grace(GraphNode *node)
{
    if (!timer_is_armed(node->grace))
        node->kept_up_usec = settle_now(node);
    AwaySearch search = settle_away(node);
    if (search.away == NULL || !settle_keeps_up(node)) {
        timer_disarm(node->grace);
        return;
    }
    if (node->grace == NULL)
        node->grace = timer_new(service_core(node->service)->timers, on_settle_grace, node);
    timer_arm(node->grace, settle_grace_due(node, &search));
}

static void settle_look_marks(GraphNode *node)
{
    if (node->follow != FOLLOW_NOTHING)
        settle_look_follow(node);
    else if (node->appeared)
        settle_look_appeared(node);
}

static void settle_look_state(GraphNode *node)
{
    if (settle_keeps_up(node) || node->grace != NULL)
        settle_look_grace(node);
    if (service_state(node->service)->state == STATE_WAITING)
        settle_look_waiting(node);
    else if (service_is_stop_put_off(node->service))
        settle_look_put_off(node);
}

/* Who hears of a move may change what the graph knows: the node is looked up again. */
void settle_look(GraphNode *node)
{
    if (node->service == NULL)
        return;
    g_autoptr(Service) service = service_ref(node->service);
    settle_look_marks(node);
    if (service_node(service) != NULL)
        settle_look_state(service_node(service));
    service_tell_links(service);
    if (service_node(service) != NULL)
        graph_tidy(service_node(service));
}
