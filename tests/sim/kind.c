/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated kind: it has flags where others have processes. What core may do to a kind is
 * checked in its callbacks; what a report must lead to is worked out before it is made. */

#include "kind.h"

#include "base/errors.h"
#include "trial.h"

#include <inttypes.h>
#include <stddef.h>

typedef struct SimConfig {
    char *value;
    bool reload;
} SimConfig;

typedef struct SimInstance {
    World *world;
    Actor *actor; /* a reference */
} SimInstance;

static void *kind_config_new(void)
{
    return g_new0(SimConfig, 1);
}

static void kind_config_free(void *own)
{
    SimConfig *config = own;
    g_free(config->value);
    g_free(config);
}

static const JsonMember kind_members[] = {
        {"value", json_read_string, offsetof(SimConfig, value), NULL, false},
        {"reload", json_read_bool, offsetof(SimConfig, reload), NULL, false},
        {NULL, NULL, 0, NULL, false},
};

static void *kind_instance_new(const Kind *kind, Service *service)
{
    SimInstance *instance = g_new0(SimInstance, 1);
    instance->world = world_current();
    instance->world->n_instances++;
    instance->actor = actor_ref(world_actor(instance->world, service));
    return instance;
}

static void kind_instance_free(void *data)
{
    SimInstance *instance = data;
    World *world = instance->world;
    Actor *actor = instance->actor;
    if (actor->open || actor->running || actor->stop_asked)
        violation("2: nothing of an inactive service runs", "its instance goes while it runs");
    world->n_instances--;
    if (!actor->present && world_find_actor(world, actor->service) == actor)
        world_forget_actor(world, actor->service); /* its creation was refused */
    actor_unref(actor);
    g_free(instance);
}

/* What core asks for */

/* Takes context. */
static void kind_open(World *world, Actor *actor, ApplyContext *context, bool reload)
{
    if (actor->context != NULL) {
        apply_context_unref(world->spent);
        world->spent = actor->context;
    }
    actor->context = context;
    actor->open = true;
    actor->reloading = reload;
    actor->spent = false;
}

static void kind_begin(SimInstance *instance, ApplyContext *context, Config *config, bool reload)
{
    World *world = instance->world;
    Actor *actor = instance->actor;
    const SimConfig *own = config->own;
    const char *id = service_id(actor->service);
    State state = service_state(actor->service)->state;
    world_touch(world, actor);
    world->n_applies++;
    world_tell(world, "        %s: the kind is asked to %s\n", id, reload ? "reload" : "apply");
    if (actor->open)
        violation("1: at most one apply runs", "a second one of '%s' begins", id);
    if (actor->stop_asked)
        violation("1: no apply during a stop", "one of '%s' begins", id);
    if (apply_context_is_cancelled(context) ||
        (state != STATE_STARTING && state != STATE_RELOADING))
        violation("1: applies begin while loading", "'%s' is %s", id, state_to_string(state));
    if (actor->profile != (own->value != NULL ? atoi(own->value) : -1))
        violation("the newest configuration is applied", "'%s' gets %s", id, own->value);
    kind_open(world, actor, apply_context_ref(context), reload);
    if (actor->apply_plan != PLAN_LATER)
        kind_apply_ends(world, actor, actor->apply_plan == PLAN_OK,
                        actor->apply_plan == PLAN_ABORT);
}

static void kind_apply(void *instance, ApplyContext *context, Config *config)
{
    kind_begin(instance, context, config, false);
}

static void kind_reload(void *instance, ApplyContext *context, Config *config)
{
    kind_begin(instance, context, config, true);
}

static bool kind_can_reload(const Config *config)
{
    return ((const SimConfig *)config->own)->reload;
}

static void kind_cancel(void *data, ApplyContext *context)
{
    SimInstance *instance = data;
    Actor *actor = instance->actor;
    world_touch(instance->world, actor);
    world_tell(instance->world, "        %s: the apply is cancelled\n", service_id(actor->service));
    if (context != actor->context || !apply_context_is_cancelled(context))
        violation("1: what is cancelled is what was begun", "'%s'", service_id(actor->service));
    if (actor->spent)
        violation("1: what the kind has ended is not cancelled", "'%s'",
                  service_id(actor->service));
    actor->doomed = instance->world->spec->broken == BREAK_STUCK && actor->open;
    actor->open = false;
}

static void kind_stop(void *data)
{
    SimInstance *instance = data;
    World *world = instance->world;
    Actor *actor = instance->actor;
    const char *id = service_id(actor->service);
    world_touch(world, actor);
    world_tell(world, "        %s: the kind is asked to stop\n", id);
    if (actor->open)
        violation("1: an apply is cancelled before the stop", "'%s' is not", id);
    if (actor->stop_asked || !actor->stop_pending)
        violation("a stop is asked for once", "the one of '%s' is not", id);
    if (world->n_turns > actor->stop_turn + 1)
        violation("what frees is done in the next turn at the latest",
                  "'%s' waited %" PRIu64 " turns", id, world->n_turns - actor->stop_turn);
    actor->stop_asked = true;
    if (actor->stop_plan == PLAN_ABORT)
        kind_is_unkillable(world, actor);
    else if (actor->stop_plan != PLAN_LATER)
        kind_stop_is_done(world, actor, actor->stop_plan == PLAN_FAIL);
}

#define SIM_KIND(kind_name)                                                                        \
    {                                                                                              \
        .name = kind_name, .description = "simulated", .schema = "{}", .members = kind_members,    \
        .config_new = kind_config_new, .config_free = kind_config_free,                            \
        .instance_new = kind_instance_new, .instance_free = kind_instance_free,                    \
        .apply = kind_apply, .cancel = kind_cancel, .stop = kind_stop,                             \
        .can_reload = kind_can_reload, .reload = kind_reload,                                      \
    }

const Kind kind_sim[2] = {SIM_KIND("sim"), SIM_KIND("other")};

/* What the kind reports */

#define STATE_BIT(state) (1U << (state))

static bool kind_is_wanted(const Actor *actor)
{
    return service_state(actor->service)->state == STATE_STOPPING ? actor->wanted : true;
}

/* What must follow when nothing of it runs any more. code: -1 when there is no exit status. */
static State kind_state_after_end(const World *world, const Actor *actor, bool failed, bool abort,
                                  int code)
{
    State down = failed ? STATE_FAILED : STATE_INACTIVE;
    if (abort || actor->profile < 0 || !kind_is_wanted(actor))
        return down;
    const Profile *profile = &world->spec->profiles[actor->profile];
    bool lists = profile_prevents((unsigned)actor->profile);
    if (lists && code == PREVENTED_EXIT)
        return down;
    bool restart = profile->mode == RESTART_ALWAYS ||
                   (profile->mode == RESTART_ON_FAILURE && failed) ||
                   (lists && code == FORCED_EXIT);
    unsigned attempts = service_state(actor->service)->failed_attempts + 1;
    if (!restart || (failed && profile->max_attempts > 0 && attempts >= profile->max_attempts))
        return down;
    return STATE_BACKOFF;
}

static GError *kind_error(World *world, const char *what)
{
    return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s %" PRIu64, what,
                       feed_serial(world->core->feed));
}

void kind_apply_ends(World *world, Actor *actor, bool success, bool abort)
{
    if (!actor->open)
        return;
    bool cancelled = apply_context_is_cancelled(actor->context);
    bool stays = success || actor->reloading;
    State to = stays ? STATE_ACTIVE : kind_state_after_end(world, actor, true, abort, -1);
    g_autoptr(GError) error = kind_error(world, "no luck");
    Failure failure = {.failure_class = FAILURE_EXIT_CODE, .abort = abort, .error = error};
    world_touch(world, actor);
    actor->open = false;
    actor->running = stays || world->spec->broken == BREAK_GHOST;
    Expectation *next = world_expect(world, EXPECT_UPDATE, actor->service, STATE_BIT(to),
                                     stays ? CAUSE_APPLIED : CAUSE_EXIT);
    apply_context_done(actor->context, success ? NULL : &failure);
    if (cancelled)
        world_expect_nothing(world, next, "the report of a cancelled apply");
    else
        world_expect_done(world, next, "the end of an apply");
}

void kind_reports_late(World *world, Actor *actor, bool success)
{
    ApplyContext *context = actor != NULL && !actor->open ? actor->context : world->spent;
    g_autoptr(GError) error = kind_error(world, "too late");
    Failure failure = {.failure_class = FAILURE_EXIT_CODE, .error = error};
    if (context == NULL)
        return;
    Expectation *next = world_expect(world, EXPECT_NOTHING, NULL, 0, CAUSE_NONE);
    apply_context_done(context, success ? NULL : &failure);
    world_expect_nothing(world, next, "the report of a spent context");
}

/* What ends or cannot be killed ends the apply that is under way too. */
static void kind_spend(Actor *actor)
{
    actor->spent = actor->open && !apply_context_is_cancelled(actor->context);
    actor->open = false;
}

static Failure kind_end_failure(EndHow how, const GError *error)
{
    return (Failure){.failure_class = how == END_BY_WATCHDOG ? FAILURE_WATCHDOG : FAILURE_EXIT_CODE,
                     .error = error};
}

static Cause kind_end_cause(EndHow how)
{
    return how == END_BY_WATCHDOG ? CAUSE_WATCHDOG : CAUSE_EXIT;
}

void kind_ends(World *world, Actor *actor, EndHow how)
{
    static const int codes[_END_MAX] = {-1, -1, PREVENTED_EXIT, FORCED_EXIT, -1};
    bool forgotten = actor->unkillable && !actor->stop_asked && !actor->open;
    if ((!actor->running && !forgotten) || actor->stop_asked)
        return;
    g_autoptr(GError) error = kind_error(world, "died");
    Failure failure = kind_end_failure(how, error);
    ExitStatus exit = {.known = codes[how] >= 0, .value = codes[how]};
    bool failed = how != END_CLEANLY;
    State to = actor->unkillable ? STATE_FAILED
                                 : kind_state_after_end(world, actor, failed, false, codes[how]);
    bool ignored = actor->stop_pending;
    bool forgets = !kind_is_wanted(actor) || actor->unkillable;
    Cause cause = actor->unkillable ? CAUSE_EXIT : kind_end_cause(how);
    world_touch(world, actor);
    kind_spend(actor);
    actor->running = false;
    actor->ending = false;
    Expectation *next = world_expect(world, EXPECT_UPDATE, actor->service, STATE_BIT(to), cause);
    if (!ignored)
        actor->unkillable = false;
    service_report_ended(actor->service, failed ? &failure : NULL, &exit);
    if (ignored)
        world_expect_nothing(world, next, "an end during a stop");
    else
        world_expect_done(world, next, "an end");
    if (!ignored && forgets && actor->present &&
        service_state(actor->service)->failed_attempts != 0)
        violation("failures in a row are counted", "those of '%s' are not forgotten by a stop",
                  service_id(actor->service));
}

void kind_reloads(World *world, Actor *actor)
{
    if (!actor->running || actor->open || actor->ending || actor->stop_asked || actor->unkillable)
        return;
    bool accepted = service_state(actor->service)->state == STATE_ACTIVE;
    world_touch(world, actor);
    Expectation *next = world_expect(world, EXPECT_UPDATE, actor->service,
                                     STATE_BIT(STATE_RELOADING), CAUSE_KIND);
    ApplyContext *context = service_report_reloading(actor->service);
    if ((context != NULL) != accepted)
        violation("what is active may reload by itself", "'%s'", service_id(actor->service));
    if (!accepted) {
        world_expect_nothing(world, next, "a reload out of time");
        return;
    }
    kind_open(world, actor, context, true);
    world_expect_done(world, next, "a reload by itself");
}

void kind_begins_to_end(World *world, Actor *actor, EndHow how)
{
    if (!actor->running || actor->ending || actor->stop_asked || actor->unkillable)
        return;
    g_autoptr(GError) error = kind_error(world, "dying");
    Failure failure = kind_end_failure(how, error);
    bool ignored = actor->stop_pending;
    world_touch(world, actor);
    kind_spend(actor);
    actor->ending = true;
    if (!ignored)
        actor->wanted = true;
    Expectation *next = world_expect(world, EXPECT_UPDATE, actor->service,
                                     STATE_BIT(STATE_STOPPING), kind_end_cause(how));
    service_report_ending(actor->service, how == END_CLEANLY ? NULL : &failure);
    if (ignored)
        world_expect_nothing(world, next, "the beginning of an end during a stop");
    else
        world_expect_done(world, next, "the beginning of an end");
}

void kind_stop_is_done(World *world, Actor *actor, bool failed)
{
    if (!actor->stop_asked || actor->doomed)
        return;
    g_autoptr(GError) error = kind_error(world, "stuck");
    Failure failure = {.failure_class = FAILURE_TIMEOUT, .error = error};
    unsigned states = STATE_BIT(failed || actor->unkillable ? STATE_FAILED : STATE_INACTIVE);
    if (actor->wanted && !actor->unkillable && actor->profile < 0)
        states = STATE_BIT(STATE_ACTIVE);
    else if (actor->wanted && !actor->unkillable)
        states = STATE_BIT(STATE_STARTING) | STATE_BIT(STATE_FAILED); /* by the start limit */
    world_touch(world, actor);
    actor->stop_asked = false;
    actor->stop_pending = false;
    actor->unkillable = false;
    actor->running = false;
    actor->ending = false;
    Expectation *next = world_expect(world, EXPECT_UPDATE, actor->service, states, CAUSE_STOPPED);
    service_stop_done(actor->service, failed ? &failure : NULL);
    world_expect_done(world, next, "the end of a stop");
}

void kind_is_unkillable(World *world, Actor *actor)
{
    if (!actor->open && !actor->stop_asked && !actor->ending)
        return;
    g_autoptr(GError) error = kind_error(world, "survived");
    world_touch(world, actor);
    kind_spend(actor);
    actor->running = true;
    if (service_state(actor->service)->state != STATE_STOPPING)
        actor->wanted = true;
    actor->unkillable = true;
    Expectation *next = world_expect(world, EXPECT_UPDATE, actor->service,
                                     STATE_BIT(STATE_STOPPING), CAUSE_KIND);
    service_report_unkillable(actor->service, error);
    world_expect_done(world, next, "what cannot be killed");
}
