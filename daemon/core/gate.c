/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is required is judged by what it is; what merely comes before, by whether it is on its way.
 * A chain of those that wait leads to the one that they all wait for: that one is named, for it is
 * where somebody has to act. */

#include "core/gate.h"

#include "base/errors.h"
#include "core/links.h"
#include "core/service.h"

#include <string.h>

typedef struct GateLook {
    GateVerdict verdict;
    GPtrArray *awaited;          /* of GraphNode; one may stand in it twice */
    const GraphNode *blocker;    /* the first that nobody brings */
    const GraphNode *in_the_way; /* the first that it conflicts with, and that stays */
} GateLook;

bool gate_is_satisfied(const StateRecord *record)
{
    return record->state == STATE_ACTIVE || record->state == STATE_RELOADING || record->completed;
}

bool gate_is_satisfied_by(const Service *service)
{
    return service != NULL && gate_is_satisfied(service_state(service));
}

bool gate_is_running(const Service *service)
{
    const StateRecord *record = service_state(service);
    return record->active && record->state != STATE_WAITING;
}

/* It tries again and again: whether it will ever be up is not known. */
static bool gate_is_failing(const StateRecord *record)
{
    return record->state == STATE_BACKOFF ||
           (record->state == STATE_STARTING && record->failed_attempts > 0);
}

/* It will be up, or will have given up, without anybody doing anything. */
static bool gate_is_coming(const Service *service)
{
    const StateRecord *record = service != NULL ? service_state(service) : NULL;
    if (record == NULL || service_is_unkillable(service))
        return false;
    return record->state == STATE_STARTING || record->state == STATE_STOPPING ||
           (record->state == STATE_WAITING && !state_record_is_blocked(record));
}

static bool gate_is_brought(const Service *service)
{
    return gate_is_coming(service) && !gate_is_failing(service_state(service));
}

static void gate_await(GateLook *look, GraphNode *node, bool comes)
{
    g_ptr_array_add(look->awaited, node);
    if (!comes)
        look->verdict = GATE_BLOCKED;
    else if (look->verdict == GATE_OPEN)
        look->verdict = GATE_COMING;
}

static void gate_look_at_required(GraphNode *node, void *data)
{
    GateLook *look = data;
    if (gate_is_satisfied_by(node->service))
        return;
    bool comes = gate_is_brought(node->service);
    gate_await(look, node, comes);
    if (!comes && look->blocker == NULL)
        look->blocker = node;
}

static void gate_look_at_ordered(GraphNode *node, void *data)
{
    if (gate_is_coming(node->service))
        gate_await(data, node, true);
}

static void gate_look_at_conflicting(GraphNode *node, void *data)
{
    GateLook *look = data;
    if (node->service == NULL || !gate_is_running(node->service))
        return;
    bool goes = service_state(node->service)->state == STATE_STOPPING &&
                !service_is_wanted(node->service) && !service_is_unkillable(node->service);
    gate_await(look, node, goes);
    if (!goes && look->in_the_way == NULL)
        look->in_the_way = node;
}

static void gate_look(GraphNode *node, GateLook *look)
{
    graph_each(node->out[RELATION_REQUIRES], gate_look_at_required, look);
    graph_each_before(node, gate_look_at_ordered, look);
    graph_each(node->out[RELATION_CONFLICTS], gate_look_at_conflicting, look);
    graph_each(node->in[RELATION_CONFLICTS], gate_look_at_conflicting, look);
}

/* Names */

/* Where node is, or would be, among the first n. */
static unsigned gate_place(GraphNode *const *first, unsigned n, const GraphNode *node)
{
    unsigned begin = 0;
    while (begin < n) {
        unsigned middle = begin + (n - begin) / 2;
        if (strcmp(first[middle]->id, node->id) < 0)
            begin = middle + 1;
        else
            n = middle;
    }
    return begin;
}

/* Few are named of the thousands that there may be, so they are picked, not sorted. NULL: nobody.
 */
static char **gate_names(const GPtrArray *nodes)
{
    GraphNode *first[LINKS_WAITING_FOR_MAX + 1];
    unsigned n = 0;
    for (unsigned i = 0; i < nodes->len; i++) {
        GraphNode *node = nodes->pdata[i];
        if (n == LINKS_WAITING_FOR_MAX && strcmp(first[n - 1]->id, node->id) <= 0)
            continue;
        unsigned place = gate_place(first, n, node);
        if (place < n && first[place] == node)
            continue;
        memmove(&first[place + 1], &first[place], (n - place) * sizeof first[0]);
        first[place] = node;
        n = MIN(n + 1, LINKS_WAITING_FOR_MAX);
    }
    char **names = n > 0 ? g_new0(char *, n + 1) : NULL;
    for (unsigned i = 0; i < n; i++)
        names[i] = g_strdup(first[i]->id);
    return names;
}

/* Reasons */

static void gate_find_blocker(GraphNode *node, void *data)
{
    const GraphNode **blocker = data;
    if (*blocker == NULL && !gate_is_satisfied_by(node->service) && !gate_is_brought(node->service))
        *blocker = node;
}

/* At the end of the chain of those that wait for each other. */
static const GraphNode *gate_find_root(const GraphNode *node)
{
    while (node->service != NULL && service_state(node->service)->state == STATE_WAITING) {
        const GraphNode *next = NULL;
        graph_each(node->out[RELATION_REQUIRES], gate_find_blocker, &next);
        if (next == NULL)
            break;
        node = next;
    }
    return node;
}

static char *gate_describe_state(const GraphNode *node)
{
    const StateRecord *record = node->service != NULL ? service_state(node->service) : NULL;
    if (record == NULL)
        return g_strdup("is not there");
    if (service_is_deleting(node->service))
        return g_strdup("is being deleted");
    if (service_is_unkillable(node->service))
        return g_strdup("cannot be killed");
    if (gate_is_failing(record))
        return g_strdup("has failed and is tried again"); /* how, changes each time */
    if (record->state == STATE_FAILED)
        return g_strdup_printf("has failed: %s",
                               record->error != NULL ? record->error->message : "");
    if (service_has_ended(node->service))
        return g_strdup("has ended");
    if (record->state == STATE_INACTIVE)
        return g_strdup("is not started");
    return g_strdup_printf("is %s", state_to_string(record->state));
}

char *gate_describe(const GraphNode *required)
{
    const GraphNode *root = gate_find_root(required);
    g_autofree char *state = gate_describe_state(root);
    if (root == required)
        return g_steal_pointer(&state);
    return g_strdup_printf("waits for '%s', which %s", root->id, state);
}

static GError *gate_reason(const GateLook *look)
{
    if (look->blocker == NULL)
        return g_error_new(SVCMGR_ERROR, ERROR_CONFLICT,
                           "conflicts with '%s', which is running; stop that first",
                           look->in_the_way->id);
    g_autofree char *why = gate_describe(look->blocker);
    return g_error_new(SVCMGR_ERROR, ERROR_DEPENDENCY_FAILED, "requires '%s', which %s",
                       look->blocker->id, why);
}

void gate_look_start(GraphNode *node, GateView *ret_view)
{
    g_autoptr(GPtrArray) awaited = g_ptr_array_new();
    GateLook look = {.awaited = awaited};
    gate_look(node, &look);
    *ret_view = (GateView){
            .verdict = look.verdict,
            .waiting_for = gate_names(awaited),
            .reason = look.verdict == GATE_BLOCKED ? gate_reason(&look) : NULL,
    };
}

/* Stopping */

/* Who has to stop before others do. */
typedef struct GateStop {
    GraphNode *node;
    GPtrArray *awaited; /* of GraphNode */
} GateStop;

typedef struct GateWalk {
    GPtrArray *found; /* of GraphNode */
    unsigned mark;
} GateWalk;

static void gate_walk_add(GraphNode *node, void *data)
{
    GateWalk *walk = data;
    if (node->mark == walk->mark)
        return;
    node->mark = walk->mark;
    g_ptr_array_add(walk->found, node);
}

/* The stop of a group is over when its members have stopped. Whoever stops before one of them
 * would wait for the group for ever, though the group comes after it. */
static bool gate_is_awaited_by_group(GraphNode *node, const GraphNode *group)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    GateWalk walk = {.found = found, .mark = graph_begin_walk(node->graph)};
    gate_walk_add(node, &walk);
    for (unsigned i = 0; i < found->len; i++) {
        GraphNode *each = found->pdata[i];
        if (graph_has_edge(each->in[RELATION_MEMBERS], group))
            return true;
        graph_each_before(each, gate_walk_add, &walk);
        graph_each(each->in[RELATION_MEMBERS], gate_walk_add, &walk);
    }
    return false;
}

static void gate_look_at_dependent(GraphNode *node, void *data)
{
    GateStop *stop = data;
    if (node->service == NULL || service_state(node->service)->state != STATE_STOPPING ||
        service_is_unkillable(node->service))
        return;
    if (node->out[RELATION_MEMBERS] == NULL || !gate_is_awaited_by_group(stop->node, node))
        g_ptr_array_add(stop->awaited, node);
}

bool gate_may_stop(GraphNode *node, char ***ret_waiting_for)
{
    g_autoptr(GPtrArray) awaited = g_ptr_array_new();
    GateStop stop = {.node = node, .awaited = awaited};
    graph_each_after(node, gate_look_at_dependent, &stop);
    if (ret_waiting_for != NULL)
        *ret_waiting_for = gate_names(awaited);
    return awaited->len == 0;
}
