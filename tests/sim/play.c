/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line for each operation: what it means in the world. */

#include "play.h"

#include "base/parse.h"
#include "invariants.h"
#include "kind.h"
#include "mirror.h"
#include "requests.h"
#include "trial.h"

#include <inttypes.h>

/* So often everything is compared. */
#define PLAY_ALL_EVERY 64
#define PLAY_SLOTS_TRIED 8
/* The wall clock stays where dates are dates: it starts in 2000. */
#define PLAY_WALL_LEAST (UINT64_C(400000000) * USEC_PER_SEC)
#define PLAY_WALL_MOST (UINT64_C(4000000000) * USEC_PER_SEC)

typedef struct Scene {
    World *world;
    Service *service;
    Actor *actor;
    const Step *step;
} Scene;

static void play_delete(const Scene *scene)
{
    g_autofree char *id = g_strdup(service_id(scene->service));
    request_delete(scene->world, id, scene->step->a % 2 == 1);
}

static void play_start(const Scene *scene)
{
    request_start(scene->world, scene->service);
}

static void play_stop(const Scene *scene)
{
    request_stop(scene->world, scene->service);
}

static void play_restart(const Scene *scene)
{
    request_restart(scene->world, scene->service);
}

static void play_reload(const Scene *scene)
{
    request_reload(scene->world, scene->service);
}

static void play_reset(const Scene *scene)
{
    request_reset(scene->world, scene->service);
}

static void play_configure(const Scene *scene)
{
    request_configure(scene->world, scene->service, scene->step->a, scene->step->b % 5 == 4);
}

static void play_apply_ok(const Scene *scene)
{
    kind_apply_ends(scene->world, scene->actor, true, false);
}

static void play_apply_fail(const Scene *scene)
{
    kind_apply_ends(scene->world, scene->actor, false, scene->step->a % 8 == 0);
}

static void play_reloading(const Scene *scene)
{
    kind_reloads(scene->world, scene->actor);
}

static void play_ending(const Scene *scene)
{
    kind_begins_to_end(scene->world, scene->actor, (EndHow)(scene->step->a % _END_MAX));
}

static void play_end(const Scene *scene)
{
    kind_ends(scene->world, scene->actor, (EndHow)(scene->step->a % _END_MAX));
}

static void play_stop_done(const Scene *scene)
{
    kind_stop_is_done(scene->world, scene->actor, scene->step->a % 8 == 1);
    if (scene->actor->present && scene->actor->ending)
        kind_ends(scene->world, scene->actor,
                  scene->step->a % 2 == 0 ? END_CLEANLY : END_WITH_ERROR);
}

static void play_unkillable(const Scene *scene)
{
    kind_is_unkillable(scene->world, scene->actor);
}

static void play_plan(const Scene *scene)
{
    scene->actor->apply_plan = (Plan)(scene->step->a % _PLAN_MAX);
    scene->actor->stop_plan = (Plan)(scene->step->b % _PLAN_MAX);
}

static void play_sub_state(const Scene *scene)
{
    static const char *const names[] = {"this", "that", ""};
    const char *name = names[scene->step->a % G_N_ELEMENTS(names)];
    scene->actor->sub_state = name;
    scene->actor->sub_state_same = g_str_equal(name, service_state(scene->service)->sub_state);
    world_touch(scene->world, scene->actor);
    service_set_sub_state(scene->service, name);
}

static void play_properties(const Scene *scene)
{
    scene->world->properties_told = NULL;
    service_properties_changed(scene->service, 1);
    if (scene->world->properties_told != scene->service)
        violation("changed properties are told at once", "'%s'", service_id(scene->service));
}

static void play_create(const Scene *scene)
{
    request_create(scene->world, scene->step->slot, scene->step->a, scene->step->b);
}

static void play_forget(const Scene *scene)
{
    request_forget(scene->world, scene->step->a);
}

static void play_late(const Scene *scene)
{
    kind_reports_late(scene->world, scene->actor, scene->step->a % 2 == 0);
}

static void play_join(const Scene *scene)
{
    mirror_join(scene->world, scene->step->a, scene->step->slot, scene->step->b);
}

static void play_leave(const Scene *scene)
{
    mirror_leave(scene->world, scene->step->a);
}

static void play_turn(const Scene *scene)
{
    (void)world_turn(scene->world); /* there may be none */
}

static void play_settle(const Scene *scene)
{
    world_settle(scene->world);
}

static void play_time(const Scene *scene)
{
    world_pass(scene->world, scene->step->a, false);
}

static void play_lazy_time(const Scene *scene)
{
    world_pass(scene->world, scene->step->a, true);
}

static void play_wall(const Scene *scene)
{
    int64_t usec = (int64_t)(int32_t)scene->step->a * (int64_t)USEC_PER_SEC;
    uint64_t to = world_wall(scene->world) + (uint64_t)usec;
    if (to > PLAY_WALL_LEAST && to < PLAY_WALL_MOST)
        virtual_loop_shift_wall(scene->world->loop, usec);
}

static void play_rest(const Scene *scene)
{
    invariants_rest(scene->world);
}

/* Whether a step has something to act on. */
typedef bool (*PlayFits)(const Actor *actor);

static bool play_fits_any(const Actor *actor)
{
    return true;
}

static bool play_fits_kind(const Actor *actor)
{
    return service_kind(actor->service) != &kind_invalid;
}

static bool play_fits_open(const Actor *actor)
{
    return actor->open;
}

static bool play_fits_running(const Actor *actor)
{
    return actor->running;
}

static bool play_fits_stopping(const Actor *actor)
{
    return actor->stop_asked || actor->ending;
}

static bool play_fits_unkillable(const Actor *actor)
{
    return actor->open || actor->stop_asked || actor->ending;
}

typedef struct PlayRow {
    void (*play)(const Scene *scene);
    PlayFits fits; /* NULL: it needs no service */
} PlayRow;

static const PlayRow rows[_OP_MAX] = {
        [OP_CREATE] = {play_create, NULL},
        [OP_DELETE] = {play_delete, play_fits_any},
        [OP_FORGET] = {play_forget, NULL},
        [OP_START] = {play_start, play_fits_any},
        [OP_STOP] = {play_stop, play_fits_any},
        [OP_RESTART] = {play_restart, play_fits_any},
        [OP_RELOAD] = {play_reload, play_fits_any},
        [OP_RESET] = {play_reset, play_fits_any},
        [OP_CONFIGURE] = {play_configure, play_fits_any},
        [OP_APPLY_OK] = {play_apply_ok, play_fits_open},
        [OP_APPLY_FAIL] = {play_apply_fail, play_fits_open},
        [OP_RELOADING] = {play_reloading, play_fits_running},
        [OP_ENDING] = {play_ending, play_fits_running},
        [OP_END] = {play_end, play_fits_running},
        [OP_STOP_DONE] = {play_stop_done, play_fits_stopping},
        [OP_UNKILLABLE] = {play_unkillable, play_fits_unkillable},
        [OP_LATE] = {play_late, NULL},
        [OP_PLAN] = {play_plan, play_fits_kind},
        [OP_SUB_STATE] = {play_sub_state, play_fits_kind},
        [OP_PROPERTIES] = {play_properties, play_fits_kind},
        [OP_JOIN] = {play_join, NULL},
        [OP_LEAVE] = {play_leave, NULL},
        [OP_TURN] = {play_turn, NULL},
        [OP_SETTLE] = {play_settle, NULL},
        [OP_TIME] = {play_time, NULL},
        [OP_LAZY_TIME] = {play_lazy_time, NULL},
        [OP_WALL] = {play_wall, NULL},
        [OP_REST] = {play_rest, NULL},
};

static void play_tell(World *world, const History *history, size_t i, const Step *step)
{
    if (!world->tells)
        return;
    g_autofree char *words = history->game->step_to_string(history, step);
    uint64_t usec = world_now(world) - USEC_PER_SEC;
    printf("%4zu  %3" PRIu64 ".%06" PRIu64 "s  %s\n", i + 1, usec / USEC_PER_SEC,
           usec % USEC_PER_SEC, words);
}

/* The first slot, from the step's own on, whose service the step could act on; its own if there is
 * none. So fewer steps come to nothing. */
static unsigned play_slot(World *world, const Step *step)
{
    PlayFits fits = rows[step->op].fits;
    for (unsigned i = 0; fits != NULL && i < MIN(world->spec->n_slots, PLAY_SLOTS_TRIED); i++) {
        Service *service = world_find(world, step->slot + i);
        const Actor *actor = service != NULL ? world_find_actor(world, service) : NULL;
        if (actor != NULL && fits(actor))
            return step->slot + i;
    }
    return step->slot;
}

static void play_step(World *world, const History *history, size_t i)
{
    Step step = history->steps[i];
    const PlayRow *row = &rows[step.op];
    step.slot = play_slot(world, &step);
    Scene scene = {.world = world, .step = &step, .service = world_find(world, step.slot)};
    if (scene.service != NULL)
        scene.actor = world_find_actor(world, scene.service);
    play_tell(world, history, i, &step);
    if (row->fits != NULL && (scene.actor == NULL || !row->fits(scene.actor)))
        return;
    Actor *actor = scene.actor != NULL ? actor_ref(scene.actor) : NULL;
    row->play(&scene);
    actor_unref(actor);
}

/* Everything is ended: by Delete, or by Stop and the end of the map, with every listener gone or
 * while some still listen. */
static void play_end_of_world(World *world, const History *history)
{
    bool deletes = history->world.seed % 2 == 0 && !history->world.immutable;
    invariants_rest(world);
    invariants_check(world, true);
    world->ends = true;
    for (unsigned i = 0; history->world.seed % 4 < 2 && i < N_MIRRORS; i++)
        mirror_leave(world, i);
    for (Service *each = map_next(world->map, NULL), *next; each != NULL; each = next) {
        g_autofree char *id = g_strdup(service_id(each));
        if (deletes)
            request_delete(world, id, true);
        else
            request_stop(world, each);
        next = map_next(world->map, id);
    }
    invariants_rest(world);
    invariants_check(world, true);
    if (deletes && map_next(world->map, NULL) != NULL)
        violation("8: what is deleted goes", "'%s'", service_id(map_next(world->map, NULL)));
    for (Service *each = map_next(world->map, NULL); each != NULL;
         each = map_next(world->map, service_id(each))) {
        if (service_state(each)->active)
            violation("8: what is stopped ends", "'%s' does not", service_id(each));
    }
}

void play_history(const History *history, unsigned flags)
{
    trial_begin_history(history->number);
    World *world =
            world_new(&history->world, (flags & PLAY_THOROUGH) != 0, (flags & PLAY_TELLS) != 0);
    invariants_check(world, true);
    for (size_t i = 0; i < history->n_steps; i++) {
        trial_note(history->number, i);
        world->settled = false;
        play_step(world, history, i);
        invariants_check(world, world->thorough || i % PLAY_ALL_EVERY == 0);
    }
    trial_note(history->number, history->n_steps);
    world_tell(world, "      the end: requests cease, then everything is ended\n");
    play_end_of_world(world, history);
    trial_note_changes(world->told + 1 - history->world.first_serial);
    world_free(world);
}
