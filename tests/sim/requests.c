/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of operations on one service, state by state, as the documentation has it: what each
 * leads to, or the error. What is being deleted refuses everything with Busy. */

#include "requests.h"

#include "base/errors.h"
#include "trial.h"

#include <inttypes.h>
#include <string.h>

typedef enum Request {
    REQUEST_START,
    REQUEST_STOP,
    REQUEST_RESTART,
    REQUEST_RELOAD,
    REQUEST_RESET,
    REQUEST_CONFIGURE,
    _REQUEST_MAX,
} Request;

static const char *const request_names[_REQUEST_MAX] = {"Start",  "Stop",        "Restart",
                                                        "Reload", "ResetFailed", "Configure"};

/* What follows: a set of states, NO_CHANGE, or a refusal. */
typedef struct Outcome {
    unsigned states;
    bool no_change;
    bool refused;
    ErrorCode code;
} Outcome;

#define TO(state)                                                                                  \
    {                                                                                              \
        .states = 1U << STATE_##state                                                              \
    }
#define TO_STARTED                                                                                 \
    {                                                                                              \
        .states = 1U << STATE_STARTING | 1U << STATE_ACTIVE | 1U << STATE_FAILED                   \
    }
#define REFUSED(error)                                                                             \
    {                                                                                              \
        .refused = true, .code = ERROR_##error                                                     \
    }

static const Outcome outcomes[_REQUEST_MAX][_STATE_MAX] = {
        [REQUEST_START] =
                {
                        [STATE_INACTIVE] = TO_STARTED,
                        [STATE_STARTING] = REFUSED(ALREADY_STARTED),
                        [STATE_ACTIVE] = REFUSED(ALREADY_STARTED),
                        [STATE_RELOADING] = REFUSED(ALREADY_STARTED),
                        [STATE_BACKOFF] = REFUSED(ALREADY_STARTED),
                        [STATE_STOPPING] = REFUSED(BUSY),
                        [STATE_FAILED] = TO_STARTED,
                },
        [REQUEST_STOP] =
                {
                        [STATE_INACTIVE] = REFUSED(ALREADY_STOPPED),
                        [STATE_STARTING] = TO(STOPPING),
                        [STATE_ACTIVE] = TO(STOPPING),
                        [STATE_RELOADING] = TO(STOPPING),
                        [STATE_BACKOFF] = TO(STOPPING),
                        [STATE_STOPPING] = REFUSED(BUSY),
                        [STATE_FAILED] = REFUSED(ALREADY_STOPPED),
                },
        [REQUEST_RESTART] =
                {
                        [STATE_INACTIVE] = TO_STARTED,
                        [STATE_STARTING] = TO(STOPPING),
                        [STATE_ACTIVE] = TO(STOPPING),
                        [STATE_RELOADING] = TO(STOPPING),
                        [STATE_BACKOFF] = TO(STOPPING),
                        [STATE_STOPPING] = REFUSED(BUSY),
                        [STATE_FAILED] = TO_STARTED,
                },
        [REQUEST_RELOAD] =
                {
                        [STATE_INACTIVE] = REFUSED(NOT_SUPPORTED),
                        [STATE_STARTING] = REFUSED(ALREADY_LOADING),
                        [STATE_ACTIVE] = TO(RELOADING),
                        [STATE_RELOADING] = REFUSED(ALREADY_LOADING),
                        [STATE_BACKOFF] = REFUSED(NOT_SUPPORTED),
                        [STATE_STOPPING] = REFUSED(BUSY),
                        [STATE_FAILED] = REFUSED(NOT_SUPPORTED),
                },
        [REQUEST_RESET] =
                {
                        [STATE_INACTIVE] = TO(INACTIVE),
                        [STATE_STARTING] = TO(STARTING),
                        [STATE_ACTIVE] = TO(ACTIVE),
                        [STATE_RELOADING] = TO(RELOADING),
                        [STATE_BACKOFF] = TO(BACKOFF),
                        [STATE_STOPPING] = REFUSED(BUSY),
                        [STATE_FAILED] = TO(INACTIVE),
                },
        [REQUEST_CONFIGURE] =
                {
                        [STATE_INACTIVE] = TO(INACTIVE),
                        [STATE_STARTING] = REFUSED(ALREADY_LOADING),
                        [STATE_ACTIVE] = TO(RELOADING),
                        [STATE_RELOADING] = REFUSED(ALREADY_LOADING),
                        [STATE_BACKOFF] = TO(STARTING),
                        [STATE_STOPPING] = REFUSED(BUSY),
                        [STATE_FAILED] = TO(FAILED),
                },
};

/* What depends on more than the state. */
static Outcome request_outcome(const World *world, const Actor *actor, const Service *service,
                               Request request)
{
    const Outcome busy = REFUSED(BUSY), broken = REFUSED(INVALID_CONFIG);
    const Outcome unable = REFUSED(NOT_SUPPORTED), nothing = {.no_change = true};
    const StateRecord *record = service_state(service);
    Outcome outcome = outcomes[request][record->state];
    if (actor == NULL || actor->deleting)
        return busy;
    bool asks_start = request == REQUEST_START || request == REQUEST_RESTART;
    if (actor->broken && (asks_start || request == REQUEST_RESET))
        return broken;
    if (asks_start && !record->active)
        outcome.states =
                actor->profile < 0 ? 1U << STATE_ACTIVE : 1U << STATE_STARTING | 1U << STATE_FAILED;
    if (request == REQUEST_STOP && record->state == STATE_STOPPING && actor->wanted)
        return nothing;
    if (request == REQUEST_RELOAD && record->state == STATE_ACTIVE &&
        (actor->profile < 0 || !world->spec->profiles[actor->profile].reload))
        return unable;
    if (request == REQUEST_RESET && !outcome.refused && record->error == NULL &&
        record->failed_attempts == 0)
        return nothing;
    if (request == REQUEST_CONFIGURE && record->state == STATE_ACTIVE && actor->profile < 0)
        outcome.states = 1U << STATE_STARTING;
    if (request == REQUEST_CONFIGURE && actor->broken)
        outcome.states = 1U << STATE_INACTIVE;
    return outcome;
}

static bool request_call(World *world, Service *service, Request request, const char *config,
                         ConfigApplied *ret_applied, GError **error)
{
    Origin origin = {.cause = CAUSE_METHOD, .method = request_names[request]};
    origin.caller = world->callers[feed_serial(world->core->feed) % 2];
    switch (request) {
    case REQUEST_START:
        return service_start(service, &origin, error);
    case REQUEST_STOP:
        return service_stop(service, &origin, error);
    case REQUEST_RESTART:
        return service_restart(service, &origin, error);
    case REQUEST_RELOAD:
        return service_reload(service, &origin, error);
    case REQUEST_RESET:
        return service_reset_failed(service, &origin, error);
    case REQUEST_CONFIGURE:
        return service_configure(service, config, strlen(config), &origin, ret_applied, error);
    case _REQUEST_MAX:
        break;
    }
    g_assert_not_reached();
}

/* What is asked for now, before it is made: callbacks during the call may ask for more. */
static void request_note(World *world, Actor *actor, Request request, Outcome outcome)
{
    if (actor == NULL || outcome.refused)
        return;
    if (request == REQUEST_STOP && outcome.no_change)
        actor->wanted = false;
    if (request == REQUEST_RESET)
        actor->resets[actor->n_resets++ % ACTOR_RESETS] = feed_serial(world->core->feed);
    if (outcome.states != 1U << STATE_STOPPING)
        return;
    actor->wanted = request == REQUEST_RESTART;
    actor->stop_pending = true;
    actor->stop_turn = world->n_turns;
}

static void request_check(World *world, Expectation *next, Request request, Outcome outcome,
                          bool done, const GError *error)
{
    const char *name = request_names[request];
    if (done && outcome.refused)
        violation("what is refused, and why", "%s is accepted instead of %s", name,
                  error_code_to_dbus_name(outcome.code));
    if (done && outcome.no_change)
        world_expect_nothing(world, next, name);
    else if (done)
        world_expect_done(world, next, name);
    if (done)
        return;
    bool limited = (outcome.states & 1U << STATE_FAILED) != 0;
    if (limited && error_is(error, ERROR_START_LIMIT_HIT)) {
        world_expect_done(world, next, "the start limit");
        return;
    }
    if (!outcome.refused || !error_is(error, outcome.code))
        violation("what is refused, and why", "%s is refused: %s", name, error->message);
    world_expect_nothing(world, next, name);
}

/* profile: of the new configuration, or -1. */
static void request_make(World *world, Service *borrowed, Request request, const char *config,
                         int profile)
{
    g_autoptr(Service) service = service_ref(borrowed); /* for the words of a violation */
    Actor *actor = world_find_actor(world, service);
    Outcome outcome = request_outcome(world, actor, service, request);
    const Outcome invalid = REFUSED(INVALID_CONFIG);
    g_autoptr(GError) error = NULL;
    ConfigApplied applied = _CONFIG_APPLIED_INVALID, expected = CONFIG_STORED;
    bool told_before = actor != NULL && actor->present;
    if (config != NULL && !outcome.refused &&
        (profile < 0 || service_kind(service) == &kind_invalid))
        outcome = invalid;
    if (actor != NULL && told_before)
        world_touch(world, actor);
    if (service_state(service)->active)
        expected = outcome.states == 1U << STATE_RELOADING ? CONFIG_RELOADED : CONFIG_RESTARTED;
    Expectation *next = world_expect(world, EXPECT_UPDATE, service, outcome.states, CAUSE_METHOD);
    next->profile = profile;
    request_note(world, actor, request, outcome);
    if (config != NULL && !outcome.refused) {
        actor->profile = profile;
        actor->broken = false;
    }
    bool done = request_call(world, service, request, config, &applied, &error);
    request_check(world, next, request, outcome, done, error);
    if (config != NULL && done && applied != expected)
        violation("what Configure answers", "%s", config_applied_to_string(applied));
}

void request_start(World *world, Service *service)
{
    request_make(world, service, REQUEST_START, NULL, -1);
}

void request_stop(World *world, Service *service)
{
    request_make(world, service, REQUEST_STOP, NULL, -1);
}

void request_restart(World *world, Service *service)
{
    request_make(world, service, REQUEST_RESTART, NULL, -1);
}

void request_reload(World *world, Service *service)
{
    request_make(world, service, REQUEST_RELOAD, NULL, -1);
}

void request_reset(World *world, Service *service)
{
    request_make(world, service, REQUEST_RESET, NULL, -1);
}

void request_configure(World *world, Service *service, uint32_t which, bool bad)
{
    if (bad)
        request_make(world, service, REQUEST_CONFIGURE, bad_config(which), -1);
    else
        request_make(world, service, REQUEST_CONFIGURE, world->configs[which % N_PROFILES],
                     (int)(which % N_PROFILES));
}
