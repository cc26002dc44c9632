/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop of the world is the virtual one, with its deferred calls taken away from it and kept
 * here, so that a step may run one of them, all, or none while time passes. */

#include "world.h"

#include "base/log.h"
#include "mirror.h"
#include "rules.h"
#include "trial.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct Turn {
    TimerFunc func;
    void *data;
} Turn;

static World *the_world; /* of this process: a trial plays one history after the other */

static void world_on_defer(TimerHost *host, TimerFunc func, void *data)
{
    Turn *turn = g_new(Turn, 1);
    *turn = (Turn){func, data};
    g_queue_push_tail(&the_world->turns, turn);
}

static uint64_t world_few_next(Random *random)
{
    the_world->n_draws++;
    return random_next(&the_world->random.random) & 1;
}

static void world_on_log(LogLevel level, const char *service, const char *message, void *data)
{
    /* not what is tested here */
}

static void world_on_properties(Service *service, uint32_t mask, void *data)
{
    World *world = data;
    world->properties_told = service;
}

static void world_make_map(World *world)
{
    const WorldSpec *spec = world->spec;
    g_autofree Service **services = g_new0(Service *, spec->n_slots);
    if (!spec->immutable) {
        world->map = map_new(world->core, spec->id_rule, spec->max_services);
        return;
    }
    for (unsigned i = 0; i < spec->n_slots; i++) {
        g_free(world->ids[i]);
        world->ids[i] = g_strdup_printf("%u", i);
        services[i] = service_new(world->core, world->ids[i], &kind_sim[0]);
        (void)world_actor(world, services[i]);
        uint64_t serial = spec->first_serial + i;
        world->expected[serial % EXPECTATIONS] =
                (Expectation){serial, EXPECT_ADD, services[i], 0, CAUSE_STARTUP, -1};
    }
    world->map = map_new_immutable(world->core, services, spec->n_slots);
}

static void world_make_core(World *world)
{
    TimerHost *timers = virtual_loop_timers(world->loop);
    world->defer = timers->defer;
    timers->defer = world_on_defer;
    random_seeded_init(&world->random, world->spec->seed);
    world->few.next = world_few_next;
    world->core = core_new(virtual_loop_clock(world->loop), timers,
                           world->spec->few_ids ? &world->few : &world->random.random,
                           world->spec->first_serial);
    world->told = feed_serial(world->core->feed);
    world->events = events_new(world->core->feed);
    feed_listen_properties(world->core->feed, world_on_properties, world);
}

World *world_new(const WorldSpec *spec, bool thorough, bool tells)
{
    World *world = the_world = g_new0(World, 1);
    world->spec = spec;
    world->thorough = thorough;
    world->tells = tells;
    world->loop = virtual_loop_new();
    world->actors = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)actor_unref);
    world->touched = g_ptr_array_new_with_free_func((GDestroyNotify)actor_unref);
    world->waiters = g_ptr_array_new_with_free_func(g_free);
    world->labels = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_insert(world->labels, (void *)"name", (void *)"value");
    world->birth = (Birth){.profile = -1};
    world->ids = g_new0(char *, spec->n_slots + 1);
    for (unsigned i = 0; i < spec->n_slots; i++)
        world->ids[i] = g_strdup_printf("s%u", i);
    for (unsigned i = 0; i < N_PROFILES; i++)
        world->configs[i] = profile_text(&spec->profiles[i], i);
    for (unsigned i = 0; i < G_N_ELEMENTS(world->callers); i++)
        world->callers[i] = caller_new(1000 + i, 10 + i, "sim");
    log_set_sink(world_on_log, NULL);
    world_make_core(world);
    if (!spec->immutable)
        world_make_map(world);
    world->witness = feed_listen(world->core->feed, rules_on_change, world);
    if (spec->immutable)
        world_make_map(world);
    for (unsigned i = 0; i < G_N_ELEMENTS(kind_sim); i++)
        map_register_kind(world->map, &kind_sim[i]);
    return world;
}

World *world_current(void)
{
    return the_world;
}

void world_free(World *world)
{
    for (unsigned i = 0; i < N_MIRRORS; i++)
        g_clear_pointer(&world->mirrors[i], mirror_free);
    feed_unlisten(world->witness);
    events_free(world->events);
    map_free(world->map);
    g_clear_pointer(&world->spent, apply_context_unref);
    g_ptr_array_unref(world->touched);
    g_hash_table_unref(world->actors);
    if (world->n_instances > 0)
        violation("6: what is gone is gone", "%u instances are left", world->n_instances);
    core_free(world->core);
    virtual_loop_free(world->loop);
    log_set_sink(NULL, NULL);
    g_queue_clear_full(&world->turns, g_free);
    g_ptr_array_unref(world->waiters);
    g_hash_table_unref(world->labels);
    g_strfreev(world->ids);
    for (unsigned i = 0; i < N_PROFILES; i++)
        g_free(world->configs[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(world->callers); i++)
        caller_unref(world->callers[i]);
    g_free(world);
}

uint64_t world_now(const World *world)
{
    return clock_monotonic_usec(world->core->clock);
}

uint64_t world_wall(const World *world)
{
    return clock_wall_usec(world->core->clock);
}

bool world_turn(World *world)
{
    g_autofree Turn *turn = g_queue_pop_head(&world->turns);
    if (turn == NULL)
        return false;
    world->n_turns++;
    world->n_applies = 0;
    turn->func(turn->data);
    if (world->n_applies > 1)
        violation("one apply a turn", "%u applies began in one turn", world->n_applies);
    return true;
}

void world_settle(World *world)
{
    uint64_t most = world->n_turns + 1000000;
    do {
        while (world_turn(world)) {
            if (world->n_turns > most)
                violation("8: everything settles", "the loop has always something to do");
        }
        virtual_loop_settle(world->loop); /* timers that are due now */
    } while (!g_queue_is_empty(&world->turns));
    world->settled = true;
}

void world_pass(World *world, uint64_t usec, bool lazy)
{
    uint64_t end = world_now(world) + usec;
    if (!lazy)
        world_settle(world);
    for (uint64_t next; !lazy && (next = virtual_loop_next_timer_usec(world->loop)) <= end;) {
        virtual_loop_advance(world->loop, next > world_now(world) ? next - world_now(world) : 0);
        world_settle(world);
    }
    virtual_loop_advance(world->loop, end - world_now(world));
}

/* Services and actors */

Service *world_find(World *world, unsigned slot)
{
    return map_find(world->map, world->ids[slot % world->spec->n_slots]);
}

Actor *actor_ref(Actor *actor)
{
    actor->refs++;
    return actor;
}

void actor_unref(Actor *actor)
{
    if (actor == NULL || --actor->refs > 0)
        return;
    apply_context_unref(actor->context);
    g_free(actor);
}

Actor *world_find_actor(World *world, const Service *service)
{
    return g_hash_table_lookup(world->actors, service);
}

Actor *world_actor(World *world, Service *service)
{
    Actor *actor = world_find_actor(world, service);
    if (actor != NULL)
        return actor;
    const Birth *birth = &world->birth;
    actor = g_new0(Actor, 1);
    *actor = (Actor){
            .refs = 1,
            .service = service,
            .profile = birth->profile,
            .told_profile = birth->profile,
            .broken = birth->broken,
            .labelled = birth->labelled,
            .wanted = birth->start,
            .apply_plan = birth->apply_plan,
            .stop_plan = birth->stop_plan,
    };
    g_hash_table_insert(world->actors, service, actor);
    return actor;
}

void world_forget_actor(World *world, Service *service)
{
    g_hash_table_remove(world->actors, service);
}

void world_touch(World *world, Actor *actor)
{
    if (actor->touched)
        return;
    actor->touched = true;
    g_ptr_array_add(world->touched, actor_ref(actor));
}

/* Expectations */

Expectation *world_expect(World *world, ExpectedType type, const Service *service, unsigned states,
                          Cause cause)
{
    uint64_t serial = feed_serial(world->core->feed) + 1;
    Expectation *expectation = &world->expected[serial % EXPECTATIONS];
    *expectation = (Expectation){serial, type, service, states, cause, -1};
    return expectation;
}

void world_expect_nothing(World *world, Expectation *expectation, const char *what)
{
    uint64_t serial = feed_serial(world->core->feed);
    expectation->type = EXPECT_NOTHING;
    if (serial >= expectation->serial)
        violation("what is refused changes nothing", "%s made change %" PRIu64, what, serial);
}

void world_expect_done(World *world, const Expectation *expectation, const char *what)
{
    if (feed_serial(world->core->feed) < expectation->serial)
        violation("what is accepted is told", "%s made no change", what);
}

void world_tell(const World *world, const char *format, ...)
{
    if (!world->tells)
        return;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}
