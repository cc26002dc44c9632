/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kind of the game: flags where others have processes. When core lets a service begin to start
 * or to stop is looked at here, for this is where it matters. */

#include "base/errors.h"
#include "net.h"

#include <inttypes.h>

static NetActor *net_kind_actor(Service *service)
{
    NetWorld *world = net_world_current();
    return &world->actors[g_ascii_strtoull(service_id(service) + 1, NULL, 10)];
}

static void *net_kind_new(const Kind *kind, Service *service)
{
    return net_kind_actor(service);
}

static void net_kind_free(void *instance)
{
    /* the actor is the world's */
}

/* Looking */

static void net_visit_first(NetWorld *world, NetActor *other, void *data)
{
    const NetActor *actor = data;
    if (net_is_on_its_way(other))
        net_violation(world, NET_RULE_START_ORDER, "'%s' begins to start while '%s' is %s",
                      actor->id, other->id, state_to_string(net_state(other)));
}

static void net_visit_needed(NetWorld *world, NetActor *other, void *data)
{
    const NetActor *actor = data;
    if (!net_is_satisfied(other))
        net_violation(world, NET_RULE_REQUIRED, "'%s' begins to start while '%s' is %s", actor->id,
                      other->id,
                      other->service != NULL ? state_to_string(net_state(other)) : "not there");
}

static void net_visit_enemy(NetWorld *world, NetActor *other, void *data)
{
    const NetActor *actor = data;
    if (other->busy)
        net_violation(world, NET_RULE_CONFLICT, "'%s' begins to start while '%s' runs", actor->id,
                      other->id);
}

static void net_visit_dependent(NetWorld *world, NetActor *other, void *data)
{
    const NetActor *actor = data;
    if (other->service != NULL && net_state(other) == STATE_STOPPING && !other->unkillable &&
        !actor->forced)
        net_violation(world, NET_RULE_STOP_ORDER, "'%s' begins to stop before '%s' has stopped",
                      actor->id, other->id);
}

/* What core asks for */

static void net_kind_begin(NetWorld *world, NetActor *actor, ApplyContext *context)
{
    State state = net_state(actor);
    net_tell(world, "        %s: the kind is asked to apply\n", actor->id);
    if (actor->open || actor->stop_asked)
        net_violation(world, NET_RULE_RUNS, "a second apply of '%s', or one during a stop",
                      actor->id);
    if (state == STATE_STARTING) {
        net_each_before(world, actor, net_visit_first, actor);
        net_each_out(world, actor, RELATION_REQUIRES, net_visit_needed, actor);
        net_each_conflict(world, actor, net_visit_enemy, actor);
    } else if (state != STATE_RELOADING) {
        net_violation(world, NET_RULE_RUNS, "an apply of '%s' begins while it is %s", actor->id,
                      state_to_string(state));
    }
    apply_context_unref(actor->context);
    actor->context = apply_context_ref(context);
    actor->open = true;
    actor->busy = true;
}

static void net_kind_apply(void *instance, ApplyContext *context, Config *config)
{
    NetWorld *world = net_world_current();
    NetActor *actor = instance;
    net_kind_begin(world, actor, context);
    if (actor->apply_plan != PLAN_LATER)
        net_apply_ends(world, actor, actor->apply_plan == PLAN_OK, actor->apply_plan == PLAN_ABORT);
}

static void net_kind_cancel(void *instance, ApplyContext *context)
{
    NetActor *actor = instance;
    net_tell(net_world_current(), "        %s: the apply is cancelled\n", actor->id);
    actor->open = false;
}

static void net_kind_stop(void *instance)
{
    NetWorld *world = net_world_current();
    NetActor *actor = instance;
    net_tell(world, "        %s: the kind is asked to stop\n", actor->id);
    if (actor->open || actor->stop_asked)
        net_violation(world, NET_RULE_RUNS, "a stop of '%s' begins during a stop or an apply",
                      actor->id);
    net_each_after(world, actor, net_visit_dependent, actor);
    actor->forced = false;
    actor->stop_asked = true;
    if (actor->stop_plan == PLAN_ABORT)
        net_is_unkillable(world, actor);
    else if (actor->stop_plan != PLAN_LATER)
        net_stop_ends(world, actor, actor->stop_plan == PLAN_FAIL);
}

static const JsonMember net_kind_members[] = {{NULL, NULL, 0, NULL, false}};

#define NET_KIND(kind_name, does_complete)                                                         \
    {                                                                                              \
        .name = kind_name, .description = "simulated", .schema = "{}",                             \
        .members = net_kind_members, .instance_new = net_kind_new, .instance_free = net_kind_free, \
        .apply = net_kind_apply, .cancel = net_kind_cancel, .stop = net_kind_stop,                 \
        .completes = does_complete,                                                                \
    }

const Kind net_kinds[2] = {NET_KIND("stays", false), NET_KIND("ends", true)};

/* One of three does its work and ends. */
const Kind *net_kind_of(const NetActor *actor)
{
    return &net_kinds[actor->slot % 3 == 2];
}

/* What the kind reports */

static GError *net_error(const NetWorld *world, const char *what)
{
    return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s %" PRIu64, what,
                       feed_serial(world->core->feed));
}

void net_apply_ends(NetWorld *world, NetActor *actor, bool success, bool abort)
{
    if (!actor->open)
        return;
    g_autoptr(GError) error = net_error(world, "no luck");
    Failure failure = {.failure_class = FAILURE_EXIT_CODE, .abort = abort, .error = error};
    actor->open = false;
    if (!apply_context_is_cancelled(actor->context)) {
        actor->running = success;
        actor->busy = success;
    }
    apply_context_done(actor->context, success ? NULL : &failure);
}

void net_begins_to_end(NetWorld *world, NetActor *actor, bool failed)
{
    if (!actor->running || actor->ending || actor->stop_asked || actor->unkillable ||
        net_state(actor) == STATE_STOPPING)
        return;
    g_autoptr(GError) error = net_error(world, "dying");
    Failure failure = {.failure_class = FAILURE_EXIT_CODE, .error = error};
    actor->open = false;
    actor->ending = true;
    actor->ends_badly = failed;
    service_report_ending(actor->service, failed ? &failure : NULL);
}

void net_ends(NetWorld *world, NetActor *actor, bool failed)
{
    bool forgotten = actor->unkillable && !actor->stop_asked && !actor->open;
    if ((!actor->running && !forgotten) || actor->stop_asked)
        return;
    failed = actor->ending ? actor->ends_badly : failed;
    g_autoptr(GError) error = net_error(world, "died");
    Failure failure = {.failure_class = FAILURE_EXIT_CODE, .error = error};
    ExitStatus exit = {.known = true, .value = failed ? 1 : 0};
    actor->open = false;
    actor->running = false;
    actor->busy = false;
    actor->ending = false;
    service_report_ended(actor->service, failed ? &failure : NULL, &exit);
    if (actor->service == NULL || net_state(actor) != STATE_STOPPING)
        actor->unkillable = false; /* else a stop that is still to come ends it */
}

void net_stop_ends(NetWorld *world, NetActor *actor, bool failed)
{
    if (!actor->stop_asked)
        return;
    g_autoptr(GError) error = net_error(world, "stuck");
    Failure failure = {.failure_class = FAILURE_TIMEOUT, .error = error};
    actor->stop_asked = false;
    actor->unkillable = false;
    actor->running = false;
    actor->ending = false;
    actor->busy = false;
    service_stop_done(actor->service, failed ? &failure : NULL);
}

void net_is_unkillable(NetWorld *world, NetActor *actor)
{
    if (!actor->open && !actor->stop_asked && !actor->ending)
        return;
    g_autoptr(GError) error = net_error(world, "survived");
    actor->open = false;
    actor->running = true;
    actor->busy = true;
    actor->unkillable = true;
    service_report_unkillable(actor->service, error);
}
