/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the documentation says of dependencies, order and conflicts, worked out from the lists of
 * the configurations and the states of the neighbours, with nothing of core's own graph. */

#include "net.h"

#include <string.h>

State net_state(const NetActor *actor)
{
    return service_state(actor->service)->state;
}

/* Something of it is there, and is meant to stay. */
bool net_is_up(const NetActor *actor)
{
    if (actor->service == NULL)
        return false;
    State state = net_state(actor);
    return state == STATE_STARTING || state == STATE_ACTIVE || state == STATE_RELOADING;
}

bool net_is_satisfied(const NetActor *required)
{
    if (required->service == NULL)
        return false;
    State state = net_state(required);
    return state == STATE_ACTIVE || state == STATE_RELOADING ||
           service_state(required->service)->completed;
}

static bool net_is_blocked(const NetActor *actor)
{
    const StateRecord *record = service_state(actor->service);
    return record->state == STATE_WAITING && record->error != NULL;
}

bool net_is_on_its_way(const NetActor *other)
{
    if (other->service == NULL || other->unkillable)
        return false;
    State state = net_state(other);
    return state == STATE_STARTING || state == STATE_STOPPING ||
           (state == STATE_WAITING && !net_is_blocked(other));
}

/* Neighbours */

void net_each_out(NetWorld *world, NetActor *actor, Relation relation, NetVisit visit, void *data)
{
    const NetList *list = &actor->config.lists[relation];
    for (unsigned i = 0; i < list->n; i++)
        visit(world, &world->actors[list->slots[i]], data);
}

void net_each_in(NetWorld *world, NetActor *actor, Relation relation, NetVisit visit, void *data)
{
    GArray *in = actor->in[relation];
    for (unsigned i = 0; i < in->len; i++)
        visit(world, &world->actors[g_array_index(in, unsigned, i)], data);
}

void net_each_before(NetWorld *world, NetActor *actor, NetVisit visit, void *data)
{
    net_each_out(world, actor, RELATION_REQUIRES, visit, data);
    net_each_out(world, actor, RELATION_AFTER, visit, data);
    net_each_in(world, actor, RELATION_BEFORE, visit, data);
}

void net_each_after(NetWorld *world, NetActor *actor, NetVisit visit, void *data)
{
    net_each_in(world, actor, RELATION_REQUIRES, visit, data);
    net_each_in(world, actor, RELATION_AFTER, visit, data);
    net_each_out(world, actor, RELATION_BEFORE, visit, data);
}

void net_each_conflict(NetWorld *world, NetActor *actor, NetVisit visit, void *data)
{
    net_each_out(world, actor, RELATION_CONFLICTS, visit, data);
    net_each_in(world, actor, RELATION_CONFLICTS, visit, data);
}

/* Views */

static void net_view_add(NetView *view, const NetActor *other, bool blocks)
{
    view->closed = true;
    view->blocked = view->blocked || blocks;
    for (unsigned i = 0; i < view->ids->len; i++) {
        if (view->ids->pdata[i] == other->id)
            return;
    }
    g_ptr_array_add(view->ids, other->id);
}

/* Of what fails again and again nobody knows whether it will ever be up. */
static bool net_is_failing(const NetActor *other)
{
    return net_state(other) == STATE_STARTING && service_state(other->service)->failed_attempts > 0;
}

static void net_visit_required(NetWorld *world, NetActor *other, void *view)
{
    if (!net_is_satisfied(other))
        net_view_add(view, other, !net_is_on_its_way(other) || net_is_failing(other));
}

static void net_visit_before(NetWorld *world, NetActor *other, void *view)
{
    if (net_is_on_its_way(other))
        net_view_add(view, other, false);
}

static void net_visit_conflict(NetWorld *world, NetActor *other, void *view)
{
    if (other->service == NULL)
        return;
    State state = net_state(other);
    if (net_is_up(other) || state == STATE_BACKOFF)
        net_view_add(view, other, true);
    else if (state == STATE_STOPPING)
        net_view_add(view, other, other->unkillable || service_is_wanted(other->service));
}

static void net_visit_after(NetWorld *world, NetActor *other, void *view)
{
    if (other->service != NULL && net_state(other) == STATE_STOPPING && !other->unkillable)
        net_view_add(view, other, false);
}

static int net_compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

NetView net_view_start(NetWorld *world, NetActor *actor)
{
    NetView view = {.ids = g_ptr_array_new()};
    net_each_out(world, actor, RELATION_REQUIRES, net_visit_required, &view);
    net_each_before(world, actor, net_visit_before, &view);
    net_each_conflict(world, actor, net_visit_conflict, &view);
    g_ptr_array_sort(view.ids, net_compare_ids);
    return view;
}

NetView net_view_stop(NetWorld *world, NetActor *actor)
{
    NetView view = {.ids = g_ptr_array_new()};
    net_each_after(world, actor, net_visit_after, &view);
    g_ptr_array_sort(view.ids, net_compare_ids);
    return view;
}

/* Cycles */

typedef struct NetSearch {
    GPtrArray *reached; /* of NetActor */
    const NetActor *goal;
    bool found;
} NetSearch;

static void net_visit_reached(NetWorld *world, NetActor *other, void *data)
{
    NetSearch *search = data;
    search->found = search->found || other == search->goal;
    if (other->mark == world->mark)
        return;
    other->mark = world->mark;
    g_ptr_array_add(search->reached, other);
}

bool net_closes_cycle(NetWorld *world, NetActor *actor, const NetConfig *config)
{
    g_autoptr(GPtrArray) reached = g_ptr_array_new();
    NetSearch search = {reached, actor, false};
    NetConfig old = actor->config;
    world->mark++;
    net_world_connect(world, actor, config);
    net_each_before(world, actor, net_visit_reached, &search);
    for (unsigned i = 0; i < reached->len && !search.found; i++)
        net_each_before(world, reached->pdata[i], net_visit_reached, &search);
    net_world_connect(world, actor, &old);
    for (int relation = 0; relation < NET_RELATIONS; relation++) {
        for (unsigned i = 0; i < config->lists[relation].n; i++)
            search.found = search.found || config->lists[relation].slots[i] == actor->slot;
    }
    return search.found;
}

/* Who is taken along */

typedef struct NetTaking {
    GPtrArray *taken; /* of NetActor */
    unsigned keeps;   /* NetTaken of what has to stay */
    bool clash;
} NetTaking;

/* It is there, or will be without being asked. */
static bool net_is_coming_up(const NetActor *actor)
{
    const StateRecord *record = service_state(actor->service);
    return record->active && (record->state != STATE_STOPPING || service_is_wanted(actor->service));
}

static void net_take_mark(NetTaking *taking, NetActor *actor, unsigned how)
{
    bool known = actor->taken != NET_TAKEN_NOT;
    actor->taken |= how;
    if (!known || (how & NET_TAKEN_STOP) != 0)
        g_ptr_array_add(taking->taken, actor);
}

static void net_take_along(NetTaking *taking, NetActor *other, bool required)
{
    if (other->service == NULL || other->deleting || other->taken != NET_TAKEN_NOT)
        return;
    bool waits = net_state(other) == STATE_WAITING;
    if (net_is_coming_up(other) && (required || waits))
        net_take_mark(taking, other, NET_TAKEN_KEEP);
    else if (!net_is_coming_up(other) && !service_state(other->service)->completed)
        net_take_mark(taking, other, NET_TAKEN_START);
}

static void net_visit_take_required(NetWorld *world, NetActor *other, void *taking)
{
    net_take_along(taking, other, true);
}

static void net_visit_take_wanted(NetWorld *world, NetActor *other, void *taking)
{
    net_take_along(taking, other, false);
}

static void net_visit_put_down(NetWorld *world, NetActor *other, void *data)
{
    NetTaking *taking = data;
    if (other->service == NULL)
        return;
    taking->clash = taking->clash || (other->taken & taking->keeps) != 0;
    if (other->taken == NET_TAKEN_NOT && net_is_coming_up(other))
        net_take_mark(taking, other, NET_TAKEN_STOP);
}

/* Those that stop for what stops: what is part of it. */
static void net_take_parts(NetWorld *world, NetTaking *taking)
{
    taking->keeps = NET_TAKEN_KEEP;
    for (unsigned i = 0; i < taking->taken->len; i++)
        net_each_in(world, taking->taken->pdata[i], RELATION_PART_OF, net_visit_put_down, taking);
}

static void net_take_nobody(NetWorld *world)
{
    for (unsigned i = 0; i < world->n_actors; i++)
        world->actors[i].taken = NET_TAKEN_NOT;
}

bool net_take_start(NetWorld *world, NetActor *actor)
{
    g_autoptr(GPtrArray) starts = g_ptr_array_new(), stops = g_ptr_array_new();
    NetTaking start = {.taken = starts};
    NetTaking stop = {.taken = stops, .keeps = NET_TAKEN_START | NET_TAKEN_KEEP};
    net_take_nobody(world);
    net_take_mark(&start, actor, NET_TAKEN_START);
    for (unsigned i = 0; i < starts->len; i++) {
        NetActor *each = starts->pdata[i];
        bool descends = (each->taken & NET_TAKEN_START) != 0 ||
                        (each->service != NULL && net_state(each) == STATE_WAITING);
        if (!descends)
            continue;
        net_each_out(world, each, RELATION_REQUIRES, net_visit_take_required, &start);
        net_each_out(world, each, RELATION_WANTS, net_visit_take_wanted, &start);
    }
    for (unsigned i = 0; i < starts->len; i++) {
        NetActor *each = starts->pdata[i];
        if ((each->taken & NET_TAKEN_START) != 0)
            net_each_conflict(world, each, net_visit_put_down, &stop);
    }
    net_take_parts(world, &stop);
    return stop.clash;
}

void net_take_stop(NetWorld *world, NetActor *actor)
{
    g_autoptr(GPtrArray) stops = g_ptr_array_new();
    NetTaking stop = {.taken = stops};
    net_take_nobody(world);
    net_take_mark(&stop, actor, NET_TAKEN_STOP);
    net_take_parts(world, &stop);
}
