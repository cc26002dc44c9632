/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each step means in the world, and how it ends. */

#include "base/parse.h"
#include "net.h"
#include "play.h"
#include "trial.h"

#include <inttypes.h>
#include <stdio.h>

#define NET_SLOTS_TRIED 48
#define NET_DELETE_AT_ONCE_UP_TO 100 /* a chain of more takes its time */

static void net_play_create(NetWorld *world, NetActor *actor, const Step *step)
{
    net_request_create(world, actor, step);
}

static void net_play_delete(NetWorld *world, NetActor *actor, const Step *step)
{
    net_request_delete(world, actor);
}

static void net_play_configure(NetWorld *world, NetActor *actor, const Step *step)
{
    net_request_configure(world, actor, step);
}

static void net_play_start(NetWorld *world, NetActor *actor, const Step *step)
{
    net_request_start(world, actor);
}

static void net_play_stop(NetWorld *world, NetActor *actor, const Step *step)
{
    net_request_stop(world, actor);
}

static void net_play_restart(NetWorld *world, NetActor *actor, const Step *step)
{
    net_request_restart(world, actor);
}

static void net_play_reset(NetWorld *world, NetActor *actor, const Step *step)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "ResetFailed"};
    (void)service_reset_failed(actor->service, &origin, NULL); /* foretold in the other game */
}

static void net_play_apply_ok(NetWorld *world, NetActor *actor, const Step *step)
{
    net_apply_ends(world, actor, true, false);
}

static void net_play_apply_fail(NetWorld *world, NetActor *actor, const Step *step)
{
    net_apply_ends(world, actor, false, step->a % 8 == 1);
}

static void net_play_ending(NetWorld *world, NetActor *actor, const Step *step)
{
    net_begins_to_end(world, actor, step->a % 2 == 1);
}

static void net_play_end(NetWorld *world, NetActor *actor, const Step *step)
{
    net_ends(world, actor, step->a % 2 == 1);
}

static void net_play_stop_done(NetWorld *world, NetActor *actor, const Step *step)
{
    net_stop_ends(world, actor, step->a % 8 == 1);
    if (actor->service != NULL && actor->ending)
        net_ends(world, actor, step->a % 2 == 1);
}

static void net_play_unkillable(NetWorld *world, NetActor *actor, const Step *step)
{
    net_is_unkillable(world, actor);
}

static void net_play_plan(NetWorld *world, NetActor *actor, const Step *step)
{
    actor->apply_plan = (Plan)(step->a % _PLAN_MAX);
    actor->stop_plan = (Plan)(step->b % _PLAN_MAX);
}

static void net_play_force(NetWorld *world, NetActor *actor, const Step *step)
{
    actor->forced = actor->forced || (net_state(actor) == STATE_STOPPING && !actor->stop_asked);
    service_kill(actor->service);
}

static void net_play_react(NetWorld *world, NetActor *actor, const Step *step)
{
    world->reaction = (NetReaction){
            .armed = true, .countdown = step->b % 8, .slot = actor->slot, .what = step->a % 4};
}

static void net_play_batch(NetWorld *world, NetActor *actor, const Step *step)
{
    net_batch_begin(world, step);
}

static void net_play_all_ok(NetWorld *world, NetActor *actor, const Step *step)
{
    for (unsigned i = 0; i < world->n_actors; i++) {
        if (world->actors[i].service == NULL)
            continue;
        net_apply_ends(world, &world->actors[i], true, false);
        net_stop_ends(world, &world->actors[i], false);
    }
}

static void net_play_turn(NetWorld *world, NetActor *actor, const Step *step)
{
    (void)net_world_turn(world); /* there may be nothing to do */
}

static void net_play_settle(NetWorld *world, NetActor *actor, const Step *step)
{
    net_world_settle(world);
}

static void net_play_time(NetWorld *world, NetActor *actor, const Step *step)
{
    net_world_pass(world, step->a);
}

static void net_play_lazy_time(NetWorld *world, NetActor *actor, const Step *step)
{
    net_world_pass_lazily(world, step->a);
}

static void net_play_rest(NetWorld *world, NetActor *actor, const Step *step)
{
    net_rest(world);
}

/* Whether a step could act on it. */
typedef bool (*NetFits)(const NetActor *actor);

static bool net_fits_any(const NetActor *actor)
{
    return true;
}

static bool net_fits_present(const NetActor *actor)
{
    return actor->service != NULL;
}

static bool net_fits_down(const NetActor *actor)
{
    return actor->service != NULL && !service_state(actor->service)->active;
}

static bool net_fits_active(const NetActor *actor)
{
    return actor->service != NULL && service_state(actor->service)->active;
}

static bool net_fits_open(const NetActor *actor)
{
    return actor->service != NULL && actor->open;
}

static bool net_fits_running(const NetActor *actor)
{
    return actor->service != NULL && actor->running && !actor->stop_asked;
}

static bool net_fits_stopping(const NetActor *actor)
{
    return actor->service != NULL && (actor->stop_asked || actor->ending);
}

static bool net_fits_unkillable(const NetActor *actor)
{
    return actor->service != NULL && (actor->stop_asked || actor->ending || actor->open);
}

typedef struct NetPlayRow {
    void (*play)(NetWorld *world, NetActor *actor, const Step *step);
    NetFits fits; /* NULL: it needs no service */
} NetPlayRow;

static const NetPlayRow rows[_NET_OP_MAX] = {
        [NET_CREATE] = {net_play_create, net_fits_any},
        [NET_DELETE] = {net_play_delete, net_fits_present},
        [NET_CONFIGURE] = {net_play_configure, net_fits_present},
        [NET_START] = {net_play_start, net_fits_down},
        [NET_STOP] = {net_play_stop, net_fits_active},
        [NET_RESTART] = {net_play_restart, net_fits_present},
        [NET_RESET] = {net_play_reset, net_fits_present},
        [NET_APPLY_OK] = {net_play_apply_ok, net_fits_open},
        [NET_APPLY_FAIL] = {net_play_apply_fail, net_fits_open},
        [NET_ENDING] = {net_play_ending, net_fits_running},
        [NET_END] = {net_play_end, net_fits_running},
        [NET_STOP_DONE] = {net_play_stop_done, net_fits_stopping},
        [NET_UNKILLABLE] = {net_play_unkillable, net_fits_unkillable},
        [NET_PLAN] = {net_play_plan, net_fits_present},
        [NET_FORCE] = {net_play_force, net_fits_active},
        [NET_REACT] = {net_play_react, net_fits_any},
        [NET_BATCH] = {net_play_batch, net_fits_any},
        [NET_ALL_OK] = {net_play_all_ok, NULL},
        [NET_TURN] = {net_play_turn, NULL},
        [NET_SETTLE] = {net_play_settle, NULL},
        [NET_TIME] = {net_play_time, NULL},
        [NET_LAZY_TIME] = {net_play_lazy_time, NULL},
        [NET_REST] = {net_play_rest, NULL},
};

/* The first, from the step's own on, that the step could act on; else its own, if it is there, for
 * what is refused counts, too. NULL: nobody. */
static NetActor *net_play_actor(NetWorld *world, const Step *step, NetFits fits)
{
    unsigned n_slots = world->spec->n_slots;
    for (unsigned i = 0; step->slot % 8 != 7 && i < MIN(n_slots, NET_SLOTS_TRIED); i++) {
        NetActor *actor = &world->actors[(step->slot + i) % n_slots];
        if (fits(actor))
            return actor;
    }
    NetActor *own = &world->actors[step->slot % n_slots];
    return own->service != NULL || fits(own) ? own : NULL;
}

static void net_play_step(NetWorld *world, const History *history, size_t i)
{
    Step step = history->steps[i];
    const NetPlayRow *row = &rows[step.op];
    NetActor *actor = NULL;
    if (row->fits != NULL) {
        actor = net_play_actor(world, &step, row->fits);
        if (actor == NULL)
            return;
        step.slot = actor->slot;
    }
    if (world->tells) {
        g_autofree char *words = history->game->step_to_string(history, &step);
        uint64_t usec = net_world_now(world) - USEC_PER_SEC;
        printf("%4zu  %3" PRIu64 ".%06" PRIu64 "s  %s\n", i + 1, usec / USEC_PER_SEC,
               usec % USEC_PER_SEC, words);
    }
    row->play(world, actor, &step);
}

static void net_stop_all(NetWorld *world)
{
    for (unsigned i = 0; i < world->n_actors; i++) {
        if (world->actors[i].service != NULL && service_is_wanted(world->actors[i].service))
            net_request_stop(world, &world->actors[i]);
    }
    net_rest(world);
    for (unsigned i = 0; i < world->n_actors; i++) {
        const NetActor *actor = &world->actors[i];
        if (actor->service != NULL && service_state(actor->service)->active)
            net_violation(world, NET_RULE_SETTLES, "'%s' was stopped and is %s", actor->id,
                          state_to_string(net_state(actor)));
    }
}

/* Who is required goes after those who require it; until nobody is left. */
static void net_delete_all(NetWorld *world)
{
    bool any = true;
    for (unsigned round = 0; any && round <= world->n_actors; round++) {
        any = false;
        for (unsigned i = world->n_actors; i > 0; i--) {
            NetActor *actor = &world->actors[i - 1];
            if (actor->service != NULL && !actor->deleting)
                net_request_delete(world, actor);
            any = any || actor->service != NULL;
        }
        net_rest(world);
    }
    for (unsigned i = 0; i < world->n_actors; i++) {
        if (world->actors[i].service != NULL)
            net_violation(world, NET_RULE_SETTLES, "'%s' does not go", world->actors[i].id);
    }
    if (graph_n_nodes(world->core->graph) > 0)
        net_violation(world, NET_RULE_NODES, "%zu are left in the end",
                      graph_n_nodes(world->core->graph));
}

void net_play_history(const History *history, unsigned flags)
{
    trial_begin_history(history->number);
    NetWorld *world = net_world_new(history, flags);
    for (size_t i = 0; i < history->n_steps; i++) {
        trial_note(history->number, i);
        net_play_step(world, history, i);
        net_check(world, false);
    }
    trial_note(history->number, history->n_steps);
    net_tell(world, "      the end: requests cease, then everything is ended\n");
    world->reaction.armed = false;
    net_rest(world);
    net_batch_cancel_all(world);
    if (history->number % 2 == 0 || world->n_actors > NET_DELETE_AT_ONCE_UP_TO)
        net_stop_all(world);
    net_delete_all(world);
    trial_note_changes(world->told);
    net_world_free(world);
}
