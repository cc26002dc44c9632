/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each request is foretold: accepted, or refused with which error; and who is taken along. What is
 * refused has changed nothing. */

#include "base/errors.h"
#include "net.h"

#include <string.h>

#define ACCEPTED _ERROR_MAX

typedef struct NetBefore {
    uint64_t serial;
    size_t n_nodes;
    uint64_t n_reactions;
} NetBefore;

static NetBefore net_request_begin(const NetWorld *world)
{
    return (NetBefore){feed_serial(world->core->feed), graph_n_nodes(world->core->graph),
                       world->n_reactions};
}

static const char *net_code_name(ErrorCode code)
{
    return code == ACCEPTED ? "accepted" : error_code_to_dbus_name(code);
}

/* Whether the answer is the expected one. */
static void net_request_check(const NetWorld *world, const NetActor *actor, NetBefore before,
                              const char *what, ErrorCode expected, const GError *error)
{
    bool cycle = expected == ERROR_DEPENDENCY_CYCLE || error_is(error, ERROR_DEPENDENCY_CYCLE);
    NetRule rule = cycle ? NET_RULE_CYCLES : NET_RULE_REFUSALS;
    if (world->n_reactions != before.n_reactions)
        return; /* somebody has interfered */
    if (error == NULL ? expected != ACCEPTED : !error_is(error, expected))
        net_violation(world, rule, "%s of '%s': %s, expected %s", what, actor->id,
                      error != NULL ? error->message : "accepted", net_code_name(expected));
    if (error != NULL && (feed_serial(world->core->feed) != before.serial ||
                          graph_n_nodes(world->core->graph) != before.n_nodes))
        net_violation(world, rule, "%s of '%s' is refused and has changed something: %s", what,
                      actor->id, error->message);
}

static void net_request_take_nobody(NetWorld *world)
{
    for (unsigned i = 0; i < world->n_actors; i++)
        world->actors[i].taken = NET_TAKEN_NOT;
}

/* A start was accepted: who is taken along is wanted now, who conflicts is not. */
static void net_request_check_taken(const NetWorld *world, const NetActor *asked)
{
    for (unsigned i = 0; i < world->n_actors; i++) {
        const NetActor *actor = &world->actors[i];
        if (actor->service == NULL || actor->taken == NET_TAKEN_NOT || net_is_excused(world))
            continue;
        bool starts = (actor->taken & (NET_TAKEN_START | NET_TAKEN_KEEP)) != 0;
        bool stops = (actor->taken & NET_TAKEN_STOP) != 0;
        if (starts != stops && service_is_wanted(actor->service) != starts)
            net_violation(world, NET_RULE_PULL, "with '%s', '%s' is %s", asked->id, actor->id,
                          starts ? "not started" : "not stopped");
    }
}

static ErrorCode net_foretell_start(const NetActor *actor, bool clash)
{
    State state = net_state(actor);
    if (actor->deleting || state == STATE_STOPPING)
        return ERROR_BUSY;
    if (service_state(actor->service)->active)
        return ERROR_ALREADY_STARTED;
    return clash ? ERROR_CONFLICT : ACCEPTED;
}

void net_request_start(NetWorld *world, NetActor *actor)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Start"};
    g_autoptr(GError) error = NULL;
    NetBefore before = net_request_begin(world);
    ErrorCode expected = net_foretell_start(actor, false);
    bool clash = expected == ACCEPTED && net_take_start(world, actor);
    expected = net_foretell_start(actor, clash);
    (void)service_start(actor->service, &origin, &error); /* the error says it */
    net_request_check(world, actor, before, "Start", expected, error);
    if (error == NULL)
        net_request_check_taken(world, actor);
    net_request_take_nobody(world);
}

void net_request_stop(NetWorld *world, NetActor *actor)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Stop"};
    g_autoptr(GError) error = NULL;
    NetBefore before = net_request_begin(world);
    ErrorCode expected = ACCEPTED;
    if (actor->deleting)
        expected = ERROR_BUSY;
    else if (!service_state(actor->service)->active)
        expected = ERROR_ALREADY_STOPPED;
    else if (net_state(actor) == STATE_STOPPING && !service_is_wanted(actor->service))
        expected = ERROR_BUSY;
    net_take_stop(world, actor);
    (void)service_stop(actor->service, &origin, &error); /* the error says it */
    net_request_check(world, actor, before, "Stop", expected, error);
    net_request_take_nobody(world);
}

/* Of one that is up: what is part of it restarts as well; it takes along what a start does. */
static void net_request_restart_active(NetWorld *world, NetActor *actor)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Restart"};
    g_autoptr(GError) error = NULL;
    NetBefore before = net_request_begin(world);
    bool busy = actor->deleting || net_state(actor) == STATE_STOPPING;
    bool clash = net_take_start(world, actor);
    (void)service_restart(actor->service, &origin, &error); /* the error says it */
    net_request_check(world, actor, before, "Restart",
                      busy    ? ERROR_BUSY
                      : clash ? ERROR_CONFLICT
                              : ACCEPTED,
                      error);
    if (error == NULL)
        net_request_check_taken(world, actor);
    net_request_take_nobody(world);
}

void net_request_restart(NetWorld *world, NetActor *actor)
{
    if (service_state(actor->service)->active)
        net_request_restart_active(world, actor);
    else
        net_request_start(world, actor);
}

static bool net_may_run(const NetActor *actor)
{
    return actor->service != NULL && service_state(actor->service)->active &&
           net_state(actor) != STATE_WAITING;
}

/* It would run beside what it says that it conflicts with. */
static bool net_is_beside_rival(const NetWorld *world, const NetActor *actor,
                                const NetConfig *config)
{
    const NetList *rivals = &config->lists[RELATION_CONFLICTS];
    bool beside = false;
    for (unsigned i = 0; net_may_run(actor) && i < rivals->n; i++)
        beside = beside || net_may_run(&world->actors[rivals->slots[i]]);
    return beside && world->spec->broken != NET_BREAK_CONFLICT;
}

/* What is wanted and does not run takes along what it names now. */
static void net_request_take_configured(NetWorld *world, NetActor *actor, const NetConfig *config)
{
    NetConfig old = actor->config;
    if (!service_state(actor->service)->active || actor->busy)
        return;
    net_world_connect(world, actor, config);
    (void)net_take_start(world, actor); /* a clash keeps it waiting */
    net_world_connect(world, actor, &old);
}

void net_request_configure(NetWorld *world, NetActor *actor, const Step *step)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Configure"};
    g_autoptr(GError) error = NULL;
    NetBefore before = net_request_begin(world);
    NetConfig config = net_config_of(world->spec, step->a, step->b);
    g_autofree char *text = net_config_text(world->spec, &config);
    State state = net_state(actor);
    ErrorCode expected = ACCEPTED;
    if (actor->deleting || state == STATE_STOPPING)
        expected = ERROR_BUSY;
    else if (state == STATE_STARTING || state == STATE_RELOADING)
        expected = ERROR_ALREADY_LOADING;
    else if (net_closes_cycle(world, actor, &config))
        expected = ERROR_DEPENDENCY_CYCLE;
    else if (net_is_beside_rival(world, actor, &config))
        expected = ERROR_CONFLICT;
    world->next_config = config;
    if (expected == ACCEPTED)
        net_request_take_configured(world, actor, &config);
    (void)service_configure(actor->service, text, strlen(text), &origin, NULL, &error);
    net_request_check(world, actor, before, "Configure", expected, error);
    net_request_take_nobody(world);
}

/* With what it will name once it is there. At startup nobody is stopped for it. */
static bool net_request_take_created(NetWorld *world, NetActor *actor, bool starts, bool at_startup,
                                     const NetConfig *config)
{
    if (!starts)
        return false;
    net_world_connect(world, actor, config);
    bool clash = net_take_start(world, actor);
    net_world_connect(world, actor, NULL);
    for (unsigned i = 0; at_startup && i < world->n_actors; i++)
        world->actors[i].taken &= NET_TAKEN_START;
    return clash;
}

static void net_request_plan(NetActor *actor, const Step *step)
{
    actor->apply_plan = PLAN_OK;
    if ((step->b & NET_CREATE_APPLY_LATER) != 0)
        actor->apply_plan = PLAN_LATER;
    else if ((step->b & NET_CREATE_APPLY_FAILS) != 0)
        actor->apply_plan = PLAN_FAIL;
    actor->stop_plan = (step->b & NET_CREATE_STOP_LATER) != 0 ? PLAN_LATER : PLAN_OK;
}

void net_request_create(NetWorld *world, NetActor *actor, const Step *step)
{
    bool has_config = (step->b & NET_CREATE_NO_CONFIG) == 0;
    bool at_startup = (step->b & NET_CREATE_AT_STARTUP) != 0;
    bool exists = actor->service != NULL;
    Origin origin = {.cause = at_startup ? CAUSE_STARTUP : CAUSE_METHOD,
                     .method = at_startup ? NULL : "Create"};
    NetConfig config = {.grace_usec = USEC_INFINITY};
    g_autoptr(GError) error = NULL;
    if (has_config)
        config = net_config_of(world->spec, step->a, step->b);
    g_autofree char *text = has_config ? net_config_text(world->spec, &config) : NULL;
    CreateSpec spec = {.id = actor->id,
                       .kind = net_kind_of(actor)->name,
                       .config = text,
                       .config_length = text != NULL ? strlen(text) : 0,
                       .start = (step->b & NET_CREATE_START) != 0};
    NetBefore before = net_request_begin(world);
    ErrorCode expected = ACCEPTED;
    if (exists)
        expected = ERROR_ID_EXISTS;
    else if (net_closes_cycle(world, actor, &config))
        expected = ERROR_DEPENDENCY_CYCLE;
    world->next_config = config;
    if (!exists)
        net_request_plan(actor, step);
    bool clash = net_request_take_created(world, actor, expected == ACCEPTED && spec.start,
                                          at_startup, &config);
    (void)map_create(world->map, &spec, &origin, &error); /* the error says it */
    net_request_check(world, actor, before, "Create", expected, error);
    if (error == NULL && !at_startup && !clash)
        net_request_check_taken(world, actor);
    if (error == NULL && clash && !net_is_excused(world) &&
        !error_is(service_state(actor->service)->error, ERROR_CONFLICT))
        net_violation(world, NET_RULE_REFUSALS,
                      "'%s' was created and started in spite of a conflict", actor->id);
    net_request_take_nobody(world);
}

static void net_visit_staying(NetWorld *world, NetActor *requirer, void *any)
{
    *(bool *)any = *(bool *)any || !requirer->deleting;
}

void net_request_delete(NetWorld *world, NetActor *actor)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Delete"};
    g_autoptr(GError) error = NULL;
    NetBefore before = net_request_begin(world);
    bool needed = false;
    net_each_in(world, actor, RELATION_REQUIRES, net_visit_staying, &needed);
    needed = needed && !actor->deleting;
    net_take_stop(world, actor);
    if (map_check_delete(world->map, actor->id, &error)) {
        actor->deleting = true;
        (void)map_delete(world->map, actor->id, &origin, NULL, NULL, &error);
    }
    net_request_check(world, actor, before, "Delete", needed ? ERROR_HAS_DEPENDENTS : ACCEPTED,
                      error);
    net_request_take_nobody(world);
}

/* From inside */

void net_request_react(NetWorld *world)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Reaction"};
    NetReaction reaction = world->reaction;
    NetActor *actor = &world->actors[reaction.slot];
    if (!reaction.armed || world->reaction.countdown-- > 0)
        return;
    world->reaction.armed = false;
    if (actor->service == NULL || actor->deleting)
        return;
    net_tell(world, "        a listener reacts\n");
    world->n_reactions++;
    world->excused = G_MAXUINT64;
    if (reaction.what == 0)
        (void)service_start(actor->service, &origin, NULL); /* whatever comes of it */
    else if (reaction.what == 1)
        (void)service_stop(actor->service, &origin, NULL);
    else if (reaction.what == 2)
        (void)service_restart(actor->service, &origin, NULL);
    else if (map_check_delete(world->map, actor->id, NULL)) {
        actor->deleting = true;
        (void)map_delete(world->map, actor->id, &origin, NULL, NULL, NULL);
    }
    world->excused = feed_serial(world->core->feed) + 64; /* with what the call itself still does */
}
