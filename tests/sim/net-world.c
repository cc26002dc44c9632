/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop of the world, whose turns come one by one when a step says so, and the edges between the
 * actors, kept in both directions. */

#include "net.h"

#include "base/log.h"
#include "play.h"
#include "trial.h"

#include <stdio.h>

typedef struct Turn {
    TimerFunc func;
    void *data;
} Turn;

static NetWorld *the_world; /* of this process: a trial plays one history after the other */

static void net_on_defer(TimerHost *host, TimerFunc func, void *data)
{
    Turn *turn = g_new(Turn, 1);
    *turn = (Turn){func, data};
    g_queue_push_tail(&the_world->turns, turn);
}

static void net_on_log(LogLevel level, const char *service, const char *message, void *data)
{
    /* not what is tested here */
}

static void net_world_make_actors(NetWorld *world)
{
    world->n_actors = world->spec->n_slots + NET_MISSING;
    world->actors = g_new0(NetActor, world->n_actors);
    for (unsigned i = 0; i < world->n_actors; i++) {
        NetActor *actor = &world->actors[i];
        actor->slot = i;
        actor->id = g_strdup_printf("s%04u", i);
        for (int relation = 0; relation < NET_RELATIONS; relation++)
            actor->in[relation] = g_array_new(FALSE, FALSE, sizeof(unsigned));
    }
}

NetWorld *net_world_new(const History *history, unsigned flags)
{
    NetWorld *world = the_world = g_new0(NetWorld, 1);
    world->history = history;
    world->spec = &history->net;
    world->thorough = (flags & PLAY_THOROUGH) != 0;
    world->tells = (flags & PLAY_TELLS) != 0;
    world->loop = virtual_loop_new();
    world->next_config.grace_usec = USEC_INFINITY;
    world->batches = g_ptr_array_new_with_free_func(g_free);
    net_world_make_actors(world);
    log_set_sink(net_on_log, NULL);
    TimerHost *timers = virtual_loop_timers(world->loop);
    timers->defer = net_on_defer;
    random_seeded_init(&world->random, history->number);
    world->core = core_new(virtual_loop_clock(world->loop), timers, &world->random.random, 1);
    unsigned max = world->spec->max_starting;
    slots_set_max(world->core->slots,
                  max > 0 && world->spec->broken == NET_BREAK_SLOTS ? max + 1 : max);
    world->map = map_new(world->core, ID_REQUIRED, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(net_kinds); i++)
        map_register_kind(world->map, &net_kinds[i]);
    world->witness = feed_listen(world->core->feed, net_on_change, world);
    return world;
}

void net_world_free(NetWorld *world)
{
    feed_unlisten(world->witness);
    map_free(world->map);
    for (unsigned i = 0; i < world->n_actors; i++) {
        NetActor *actor = &world->actors[i];
        apply_context_unref(actor->context);
        for (int relation = 0; relation < NET_RELATIONS; relation++)
            g_array_unref(actor->in[relation]);
        g_free(actor->id);
    }
    g_free(world->actors);
    g_ptr_array_unref(world->batches);
    core_free(world->core);
    virtual_loop_free(world->loop);
    log_set_sink(NULL, NULL);
    g_queue_clear_full(&world->turns, g_free);
    g_free(world);
}

NetWorld *net_world_current(void)
{
    return the_world;
}

uint64_t net_world_now(const NetWorld *world)
{
    return clock_monotonic_usec(world->core->clock);
}

bool net_world_is_idle(const NetWorld *world)
{
    return g_queue_is_empty((GQueue *)&world->turns) &&
           virtual_loop_next_timer_usec(world->loop) > net_world_now(world);
}

bool net_world_turn(NetWorld *world)
{
    g_autofree Turn *turn = g_queue_pop_head(&world->turns);
    if (turn == NULL)
        return false;
    world->n_turns++;
    turn->func(turn->data);
    return true;
}

void net_world_settle(NetWorld *world)
{
    uint64_t most = world->n_turns + 1000000;
    do {
        while (net_world_turn(world)) {
            if (world->n_turns > most)
                net_violation(world, NET_RULE_SETTLES, "the loop has always something to do");
        }
        virtual_loop_settle(world->loop); /* timers that are due now */
    } while (!g_queue_is_empty(&world->turns));
}

void net_world_pass(NetWorld *world, uint64_t usec)
{
    uint64_t end = net_world_now(world) + usec;
    net_world_settle(world);
    for (uint64_t next; (next = virtual_loop_next_timer_usec(world->loop)) <= end;) {
        uint64_t now = net_world_now(world);
        virtual_loop_advance(world->loop, next > now ? next - now : 0);
        net_world_settle(world);
        net_check(world, false);
    }
    virtual_loop_advance(world->loop, end - net_world_now(world));
}

void net_world_pass_lazily(NetWorld *world, uint64_t usec)
{
    virtual_loop_advance(world->loop, usec);
    for (unsigned i = 0; i < world->n_actors; i++)
        world->actors[i].loose = true;
}

/* Edges */

static void net_world_disconnect(NetWorld *world, const NetActor *actor)
{
    for (int relation = 0; relation < NET_RELATIONS; relation++) {
        const NetList *list = &actor->config.lists[relation];
        for (unsigned i = 0; i < list->n; i++) {
            GArray *in = world->actors[list->slots[i]].in[relation];
            unsigned at = 0;
            while (g_array_index(in, unsigned, at) != actor->slot)
                at++;
            g_array_remove_index_fast(in, at);
        }
    }
}

void net_world_connect(NetWorld *world, NetActor *actor, const NetConfig *config)
{
    net_world_disconnect(world, actor);
    actor->config = config != NULL ? *config : (NetConfig){.grace_usec = USEC_INFINITY};
    for (int relation = 0; relation < NET_RELATIONS; relation++) {
        const NetList *list = &actor->config.lists[relation];
        for (unsigned i = 0; i < list->n; i++)
            g_array_append_val(world->actors[list->slots[i]].in[relation], actor->slot);
    }
}

void net_tell(const NetWorld *world, const char *format, ...)
{
    if (!world->tells)
        return;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

void net_violation(const NetWorld *world, NetRule rule, const char *format, ...)
{
    if (world->spec->broken != NET_BREAK_NONE && net_breaks[world->spec->broken].rule != rule)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    violation(net_rule_names[rule], "%s", words);
}
