/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* While the loop still has turns to come, something may have been marked to look again and not have
 * looked yet; so what follows from the neighbours is compared when there is nothing left to do. */

#include "base/errors.h"
#include "net.h"

#include <string.h>

/* So often everything is compared in a large net. */
#define NET_CHECK_EVERY 64
#define NET_CHECK_ALWAYS_UP_TO 40

/* Lists */

static void net_check_list(NetWorld *world, const NetActor *actor, NetRule rule, const char *what,
                           char *const *there, const GPtrArray *expected, unsigned most)
{
    unsigned n = there != NULL ? g_strv_length((char **)there) : 0;
    bool same = n == MIN(expected->len, most);
    for (unsigned i = 0; same && expected->len <= most && i < n; i++)
        same = g_str_equal(there[i], expected->pdata[i]);
    if (same)
        return;
    g_autofree char *is = n > 0 ? g_strjoinv(" ", (char **)there) : g_strdup("nobody");
    GString *should = g_string_new(expected->len > 0 ? NULL : " nobody");
    for (unsigned i = 0; i < expected->len; i++)
        g_string_append_printf(should, " %s", (char *)expected->pdata[i]);
    net_violation(world, rule, "'%s' (%s) %s %s, expected%s", actor->id,
                  state_to_string(net_state(actor)), what, is, should->str);
    g_string_free(should, TRUE);
}

static void net_visit_id(NetWorld *world, NetActor *other, void *ids)
{
    g_ptr_array_add(ids, other->id);
}

static int net_compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void net_check_lists(NetWorld *world, NetActor *actor)
{
    const Links *links = service_state(actor->service)->links;
    for (int relation = 0; relation < NET_RELATIONS; relation++) {
        g_autoptr(GPtrArray) ids = g_ptr_array_new();
        net_each_out(world, actor, (Relation)relation, net_visit_id, ids);
        net_check_list(world, actor, NET_RULE_LISTS, relation_to_string((Relation)relation),
                       links_list(links, (Relation)relation), ids, G_MAXUINT);
    }
    g_autoptr(GPtrArray) requirers = g_ptr_array_new();
    net_each_in(world, actor, RELATION_REQUIRES, net_visit_id, requirers);
    g_ptr_array_sort(requirers, net_compare_ids);
    net_check_list(world, actor, NET_RULE_REQUIRED_BY, "is required by", links_required_by(links),
                   requirers, LINKS_REQUIRED_BY_MAX);
}

/* Waiting */

static void net_check_waiting(NetWorld *world, NetActor *actor)
{
    const StateRecord *record = service_state(actor->service);
    NetView view = net_view_start(world, actor);
    g_autoptr(GPtrArray) ids = view.ids;
    bool full = world->spec->max_starting > 0 && world->n_starting >= world->spec->max_starting;
    const char *expected = view.blocked ? "blocked" : view.closed ? "dependencies" : "queued";
    if (!view.closed && !full)
        net_violation(world, NET_RULE_WAITING, "'%s' waits (%s) and nothing keeps it", actor->id,
                      record->sub_state);
    if (!g_str_equal(record->sub_state, expected) || view.blocked != (record->error != NULL))
        net_violation(world, NET_RULE_BLOCKED, "'%s' is '%s' instead of '%s': %s", actor->id,
                      record->sub_state, expected,
                      record->error != NULL ? record->error->message : "no error");
    if (record->error != NULL && !error_is(record->error, ERROR_DEPENDENCY_FAILED) &&
        !error_is(record->error, ERROR_CONFLICT))
        net_violation(world, NET_RULE_BLOCKED, "'%s': %s", actor->id, record->error->message);
    net_check_list(world, actor, NET_RULE_WAITING_FOR, "waits for",
                   links_waiting_for(record->links), ids, LINKS_WAITING_FOR_MAX);
}

static void net_check_stopping(NetWorld *world, NetActor *actor)
{
    const StateRecord *record = service_state(actor->service);
    NetView view = net_view_stop(world, actor);
    g_autoptr(GPtrArray) ids = view.ids;
    bool put_off = g_str_equal(record->sub_state, "dependents");
    bool under_way = actor->stop_asked || actor->ending || actor->unkillable;
    if (put_off ? actor->stop_asked || !view.closed : !under_way)
        net_violation(world, NET_RULE_WAITING, "'%s' is stopping (%s), and nobody does it",
                      actor->id, record->sub_state);
    if (!put_off)
        g_ptr_array_set_size(ids, 0);
    net_check_list(world, actor, NET_RULE_WAITING_FOR, "waits for",
                   links_waiting_for(record->links), ids, LINKS_WAITING_FOR_MAX);
}

static void net_check_keep_up(NetWorld *world, const NetActor *actor)
{
    uint64_t now = net_world_now(world), grace = actor->config.grace_usec;
    for (unsigned i = 0; i < actor->config.lists[RELATION_REQUIRES].n; i++) {
        if (!actor->loose && usec_add(actor->away[i], grace) <= now)
            net_violation(world, NET_RULE_KEEP_UP_LATE, "'%s' is %s without '%s' for too long",
                          actor->id, state_to_string(net_state(actor)),
                          world->actors[actor->config.lists[RELATION_REQUIRES].slots[i]].id);
    }
}

static void net_check_actor(NetWorld *world, NetActor *actor)
{
    const StateRecord *record = service_state(actor->service);
    State state = record->state;
    bool rests = state == STATE_WAITING || state == STATE_BACKOFF || !record->active;
    if ((rests && (actor->busy || actor->open || actor->stop_asked)) ||
        (state == STATE_STARTING && !actor->open) ||
        (state == STATE_ACTIVE && record->config != NULL && !actor->running))
        net_violation(world, NET_RULE_RUNS, "'%s' is %s%s%s", actor->id, state_to_string(state),
                      actor->busy ? " and something of it runs" : " and nothing of it runs",
                      actor->open ? ", loading" : "");
    net_check_lists(world, actor);
    if (actor->must_follow != FOLLOW_NOTHING)
        net_violation(world, NET_RULE_PART_OF, "'%s' is %s and has not followed to %s", actor->id,
                      state_to_string(state),
                      actor->must_follow == FOLLOW_STOP ? "stop" : "restart");
    actor->may_follow = false;
    actor->is_new = false;
    actor->queued_first = actor->queued > 0 ? actor->queued_first : 0;
    net_check_keep_up(world, actor);
    if (state == STATE_WAITING)
        net_check_waiting(world, actor);
    else if (state == STATE_STOPPING)
        net_check_stopping(world, actor);
    else if (links_waiting_for(record->links) != NULL)
        net_violation(world, NET_RULE_WAITING_FOR, "'%s' is %s and waits for '%s'", actor->id,
                      state_to_string(state), *links_waiting_for(record->links));
}

/* The whole */

static bool net_is_named(const NetActor *actor)
{
    bool named = false;
    for (int relation = 0; relation < NET_RELATIONS; relation++)
        named = named || actor->in[relation]->len > 0 || actor->config.lists[relation].n > 0;
    return named;
}

/* One that has to do with others has a node; one that waits for room may have one. */
static void net_check_nodes(NetWorld *world)
{
    size_t least = 0, more = 0, there = graph_n_nodes(world->core->graph);
    for (unsigned i = 0; i < world->n_actors; i++) {
        const NetActor *actor = &world->actors[i];
        bool named = net_is_named(actor);
        least += named;
        more += world->spec->max_starting > 0 && !named && actor->service != NULL &&
                (net_state(actor) == STATE_WAITING || net_state(actor) == STATE_STARTING);
    }
    if (there < least || there > least + more)
        net_violation(world, NET_RULE_NODES, "%zu nodes instead of %zu (or %zu more)", there, least,
                      more);
}

static void net_check_counts(NetWorld *world)
{
    MapCounts recount = {0};
    for (unsigned i = 0; i < world->n_actors; i++) {
        if (world->actors[i].service == NULL)
            continue;
        const StateRecord *record = service_state(world->actors[i].service);
        recount.total++;
        recount.active += record->active;
        recount.inactive_failed += !record->active && record->error != NULL;
        recount.by_state[record->state]++;
    }
    if (memcmp(&recount, map_counts(world->map), sizeof recount) != 0)
        net_violation(world, NET_RULE_COUNTS, "%u in all", recount.total);
    if (recount.by_state[STATE_STARTING] != world->n_starting)
        net_violation(world, NET_RULE_COUNTS, "%u are starting", world->n_starting);
}

void net_check(NetWorld *world, bool all)
{
    uint64_t serial = feed_serial(world->core->feed);
    if (world->told != serial)
        net_violation(world, NET_RULE_SERIALS, "an untold change");
    if (!net_world_is_idle(world))
        return;
    if (!all && !world->thorough && world->n_actors > NET_CHECK_ALWAYS_UP_TO &&
        ++world->n_checks % NET_CHECK_EVERY != 0)
        return;
    for (unsigned i = 0; i < world->n_actors; i++) {
        if (world->actors[i].service != NULL)
            net_check_actor(world, &world->actors[i]);
    }
    net_check_counts(world);
    net_check_nodes(world);
}

/* Rest */

static bool net_let_out(NetWorld *world, unsigned round)
{
    bool any = false;
    for (unsigned i = 0; i < world->n_actors; i++) {
        NetActor *actor = &world->actors[i];
        if (actor->service == NULL || (world->spec->broken == NET_BREAK_STUCK && i % 4 == 3))
            continue;
        any = any || actor->open || actor->stop_asked || actor->ending || actor->unkillable;
        net_apply_ends(world, actor, (round + i) % 16 != 0, false);
        net_stop_ends(world, actor, false);
        if (actor->ending || actor->unkillable)
            net_ends(world, actor, false);
    }
    return any;
}

static void net_check_settled(NetWorld *world)
{
    for (unsigned i = 0; i < world->n_actors; i++) {
        const NetActor *actor = &world->actors[i];
        if (actor->service == NULL)
            continue;
        State state = net_state(actor);
        bool up = state == STATE_ACTIVE || state == STATE_BACKOFF || state == STATE_WAITING;
        bool down = state == STATE_INACTIVE || state == STATE_FAILED;
        if (!service_is_settled(actor->service) || (!up && !down) || actor->deleting)
            net_violation(world, NET_RULE_SETTLES, "'%s' is %s (%s) for good", actor->id,
                          state_to_string(state), service_state(actor->service)->sub_state);
        if (up != service_is_wanted(actor->service))
            net_violation(world, NET_RULE_SETTLES, "'%s' is %s, and the opposite is wanted",
                          actor->id, state_to_string(state));
    }
}

void net_rest(NetWorld *world)
{
    unsigned rounds = 8 * world->n_actors + 64;
    net_world_settle(world);
    for (unsigned round = 0; round < rounds && net_let_out(world, round); round++)
        net_world_settle(world);
    net_check(world, true);
    net_check_settled(world);
    net_batch_check_rest(world);
}
