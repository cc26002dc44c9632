/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be told: nobody is started or stopped for another's sake without a reason, and what
 * follows from a move is noted, to be there when the loop has nothing to do. */

#include "net.h"

#include <inttypes.h>
#include <stdio.h>

#define BIT(state) (1U << STATE_##state)
#define DOWN (BIT(INACTIVE) | BIT(FAILED))
#define LOADING (BIT(STARTING) | BIT(RELOADING) | BIT(BACKOFF))

static NetActor *net_find(NetWorld *world, const char *id)
{
    return &world->actors[g_ascii_strtoull(id + 1, NULL, 10)];
}

/* A record by itself */

bool net_is_excused(const NetWorld *world)
{
    return world->batches->len > 0 || world->told <= world->excused;
}

static void net_rules_check_record(const NetWorld *world, const NetActor *actor,
                                   const StateRecord *now)
{
    unsigned state = 1U << now->state;
    bool done = now->state == STATE_INACTIVE && now->error == NULL;
    if (now->active != ((state & DOWN) == 0) || now->loading != ((state & LOADING) != 0))
        net_violation(world, NET_RULE_RECORD, "'%s' is %s", actor->id, state_to_string(now->state));
    if ((now->next_attempt_time > 0) != (now->state == STATE_BACKOFF))
        net_violation(world, NET_RULE_RECORD, "'%s' is %s and due at %" PRIu64, actor->id,
                      state_to_string(now->state), now->next_attempt_time);
    if (now->completed && !done)
        net_violation(world, NET_RULE_RECORD, "'%s' is completed and %s", actor->id,
                      state_to_string(now->state));
    if (now->state == STATE_INACTIVE && now->cause == CAUSE_EXIT && now->from != STATE_STOPPING &&
        now->completed != net_kind_of(actor)->completes)
        net_violation(world, NET_RULE_RECORD, "'%s' ended well and is%s completed", actor->id,
                      now->completed ? "" : " not");
    if (now->state == STATE_WAITING && now->error != NULL &&
        now->failure_class != FAILURE_DEPENDENCY)
        net_violation(world, NET_RULE_BLOCKED, "'%s' is blocked: %s (%s)", actor->id,
                      now->error->message, failure_class_to_string(now->failure_class));
    if ((state & DOWN) != 0 && service_is_wanted(actor->service) && !net_is_excused(world))
        net_violation(world, NET_RULE_RECORD, "'%s' is %s and wanted", actor->id,
                      state_to_string(now->state));
}

/* Reasons */

static void net_visit_wanter(NetWorld *world, NetActor *other, void *any)
{
    if (other->service != NULL && service_is_wanted(other->service))
        *(bool *)any = true;
}

/* One that is new and that somebody waits for brings what it requires and wants. */
typedef struct NetBringing {
    GPtrArray *seen; /* of NetActor */
    bool any;
} NetBringing;

static void net_visit_bringer(NetWorld *world, NetActor *other, void *data)
{
    NetBringing *bringing = data;
    if (other->service == NULL || other->mark == world->mark)
        return;
    other->mark = world->mark;
    g_ptr_array_add(bringing->seen, other);
    if (other->is_new)
        net_each_in(world, other, RELATION_REQUIRES, net_visit_wanter, &bringing->any);
}

static bool net_is_brought(NetWorld *world, NetActor *actor)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new();
    NetBringing bringing = {.seen = seen};
    world->mark++;
    net_visit_bringer(world, actor, &bringing);
    for (unsigned i = 0; i < seen->len && !bringing.any; i++) {
        net_each_in(world, seen->pdata[i], RELATION_REQUIRES, net_visit_bringer, &bringing);
        net_each_in(world, seen->pdata[i], RELATION_WANTS, net_visit_bringer, &bringing);
    }
    return bringing.any;
}

static void net_rules_check_pull(NetWorld *world, NetActor *actor, const StateRecord *now)
{
    if ((1U << now->from & DOWN) == 0 || (1U << now->state & DOWN) != 0)
        return;
    if ((actor->taken & NET_TAKEN_START) == 0 && !net_is_brought(world, actor))
        net_violation(world, NET_RULE_REASON, "'%s' is started by %s, and nobody asked for it",
                      actor->id, cause_to_string(now->cause));
}

static void net_visit_rival(NetWorld *world, NetActor *other, void *any)
{
    if (other->service != NULL && service_is_wanted(other->service))
        *(bool *)any = true;
}

static uint64_t net_keep_up_due(const NetActor *actor)
{
    uint64_t due = USEC_INFINITY;
    for (unsigned i = 0; i < actor->config.lists[RELATION_REQUIRES].n; i++)
        due = MIN(due, usec_add(actor->away[i], actor->config.grace_usec));
    return due;
}

static void net_rules_check_stop(NetWorld *world, NetActor *actor, const StateRecord *now)
{
    bool any = (actor->taken & NET_TAKEN_STOP) != 0 || actor->may_follow ||
               actor->must_follow != FOLLOW_NOTHING;
    uint64_t due = net_keep_up_due(actor);
    bool stops = now->state == STATE_STOPPING || now->state == STATE_INACTIVE;
    if (now->cause != CAUSE_DEPENDENCY || !stops || now->from == STATE_STOPPING ||
        now->from == now->state)
        return;
    net_each_conflict(world, actor, net_visit_rival, &any);
    if (any || due <= net_world_now(world) || actor->loose)
        return;
    net_violation(world, due != USEC_INFINITY ? NET_RULE_KEEP_UP_EARLY : NET_RULE_REASON,
                  "'%s' is stopped%s", actor->id,
                  due != USEC_INFINITY ? " before its grace is over" : ", and nobody asked for it");
}

/* What follows */

static void net_visit_part(NetWorld *world, NetActor *part, void *data)
{
    const Follow *follow = data;
    if (part->service == NULL || !service_state(part->service)->active)
        return;
    if (net_state(part) == STATE_STOPPING || net_is_excused(world)) {
        part->may_follow = true; /* by not coming back */
        return;
    }
    if (*follow == FOLLOW_RESTART && !net_is_up(part))
        return; /* nothing of it runs */
    part->must_follow = MAX(part->must_follow, *follow);
}

/* What a move asks of those that are part of the service. What has done its work asks nothing; nor
 * does an attempt that fails: when it went down before, that was followed. */
static Follow net_rules_follow(const NetActor *actor, const StateRecord *now)
{
    unsigned state = 1U << now->state;
    bool asked = now->cause == CAUSE_METHOD || now->cause == CAUSE_DEPENDENCY;
    if (now->from == now->state || (1U << now->from & DOWN) != 0)
        return FOLLOW_NOTHING;
    if ((state & DOWN) != 0)
        return now->completed ? FOLLOW_NOTHING : FOLLOW_STOP;
    if (now->state == STATE_BACKOFF)
        return now->from != STATE_STARTING ? FOLLOW_RESTART : FOLLOW_NOTHING;
    if (now->state != STATE_STOPPING || !asked)
        return FOLLOW_NOTHING;
    return service_is_wanted(actor->service) ? FOLLOW_RESTART : FOLLOW_STOP;
}

static void net_rules_follow_parts(NetWorld *world, NetActor *actor, const StateRecord *now)
{
    Follow follow = net_rules_follow(actor, now);
    bool stopped = (1U << now->state & (DOWN | BIT(STOPPING))) != 0;
    bool follows = !net_is_up(actor) && (stopped || actor->must_follow == FOLLOW_RESTART);
    if (follows && actor->must_follow == FOLLOW_STOP && service_is_wanted(actor->service))
        actor->may_follow = true; /* it went down for its own reason, and may not come back */
    if (follows)
        actor->must_follow = FOLLOW_NOTHING;
    if (follow != FOLLOW_NOTHING)
        net_each_in(world, actor, RELATION_PART_OF, net_visit_part, &follow);
}

static void net_rules_follow_away(NetWorld *world, NetActor *actor)
{
    bool any = false;
    for (unsigned i = 0; i < actor->config.lists[RELATION_REQUIRES].n; i++) {
        const NetActor *required = &world->actors[actor->config.lists[RELATION_REQUIRES].slots[i]];
        bool away = net_is_up(actor) && !net_is_satisfied(required);
        if (!away)
            actor->away[i] = USEC_INFINITY;
        else if (actor->away[i] == USEC_INFINITY)
            actor->away[i] = net_world_now(world);
        any = any || away;
    }
    actor->loose = actor->loose && any;
}

static void net_visit_requirer(NetWorld *world, NetActor *other, void *unused)
{
    net_rules_follow_away(world, other);
}

/* Telling */

static void net_rules_tell(const NetWorld *world, const NetActor *actor, const Change *change)
{
    const StateRecord *now = change->new_state;
    if (!world->tells)
        return;
    char *const *waiting_for = links_waiting_for(now->links);
    g_autofree char *ids = waiting_for != NULL ? g_strjoinv(" ", (char **)waiting_for) : NULL;
    printf("        %s: #%" PRIu64 " %s%s%s %s by %s%s%s%s%s\n", actor->id, change->serial,
           change->type == CHANGE_UPDATE ? state_to_string(now->from)
                                         : change_type_to_string(change->type),
           " -> ", state_to_string(now->state), now->sub_state, cause_to_string(change->cause),
           ids != NULL ? ", waits for " : "", ids != NULL ? ids : "",
           now->error != NULL ? ": " : "", now->error != NULL ? now->error->message : "");
}

/* First come, first served, but for those who could not use a place now. */
static void net_rules_follow_row(NetWorld *world, NetActor *actor, const StateRecord *now)
{
    bool queued = now->state == STATE_WAITING && g_str_equal(now->sub_state, "queued");
    bool starts = now->state == STATE_STARTING && now->from != STATE_STARTING;
    for (unsigned i = 0; starts && i < world->n_actors; i++) {
        NetActor *other = &world->actors[i];
        if (other == actor || other->service == NULL || other->queued == 0 ||
            (actor->queued_first > 0 && other->queued > actor->queued_first))
            continue;
        NetView view = net_view_start(world, other);
        g_ptr_array_unref(view.ids);
        if (!view.closed && !net_is_excused(world))
            net_violation(world, NET_RULE_SLOTS, "'%s' overtakes '%s'", actor->id, other->id);
    }
    if (now->state != STATE_WAITING)
        actor->queued_first = 0; /* else it may keep its place until somebody looks */
    actor->queued = !queued ? 0 : actor->queued > 0 ? actor->queued : now->serial;
    actor->queued_first = actor->queued_first > 0 ? actor->queued_first : actor->queued;
}

static void net_rules_configure(NetWorld *world, NetActor *actor)
{
    unsigned n_whole = actor->config.lists[RELATION_PART_OF].n;
    net_world_connect(world, actor, &world->next_config);
    for (unsigned i = 0; i < NET_LIST_MAX; i++)
        actor->away[i] = USEC_INFINITY;
    n_whole += actor->config.lists[RELATION_PART_OF].n;
    actor->may_follow = actor->may_follow || n_whole > 0;
    actor->must_follow = FOLLOW_NOTHING;
}

static void net_rules_update(NetWorld *world, NetActor *actor, const Change *change)
{
    const StateRecord *old = change->old_state, *now = change->new_state;
    bool was_starting = old != NULL && old->state == STATE_STARTING;
    if (old == NULL || now->config_revision != old->config_revision)
        net_rules_configure(world, actor);
    actor->loose = old != NULL && (actor->loose || now->config_revision != old->config_revision);
    world->n_starting += (now->state == STATE_STARTING) - was_starting;
    if (world->spec->max_starting > 0 && world->n_starting > world->spec->max_starting)
        net_violation(world, NET_RULE_SLOTS, "%u are starting, with '%s'", world->n_starting,
                      actor->id);
    net_rules_check_record(world, actor, now);
    if (world->spec->max_starting > 0)
        net_rules_follow_row(world, actor, now);
    if (!net_is_excused(world)) {
        net_rules_check_pull(world, actor, now);
        net_rules_check_stop(world, actor, now);
    }
    net_rules_follow_parts(world, actor, now);
}

void net_on_change(const Change *change, void *data)
{
    NetWorld *world = data;
    NetActor *actor = net_find(world, service_id(change->service));
    if (change->serial != world->told + 1)
        net_violation(world, NET_RULE_SERIALS, "%" PRIu64 " after %" PRIu64, change->serial,
                      world->told);
    world->told = change->serial;
    net_rules_tell(world, actor, change);
    if (change->type != CHANGE_REMOVE) {
        actor->service = change->service;
        actor->is_new = actor->is_new || change->type == CHANGE_ADD;
        net_rules_update(world, actor, change);
    } else {
        if (actor->busy || actor->open || actor->stop_asked)
            net_violation(world, NET_RULE_RUNS, "'%s' goes while it runs", actor->id);
        actor->service = NULL;
        actor->deleting = false;
        actor->must_follow = FOLLOW_NOTHING;
        actor->queued = 0;
        net_world_connect(world, actor, NULL);
    }
    net_rules_follow_away(world, actor);
    net_each_in(world, actor, RELATION_REQUIRES, net_visit_requirer, NULL);
    net_request_react(world);
}
