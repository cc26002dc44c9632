/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three walks over what can be reached: first along what is required and wanted, to find what will
 * start; then to those that may not run beside any of it, and what is part of them; at the end
 * along the order, so that each step comes after those that it waits for. Each looks at an edge
 * once, and none uses the stack for its depth. */

#include "core/plan.h"

#include "base/errors.h"

static const char *const plan_action_names[_PLAN_ACTION_MAX] = {
        [PLAN_START] = "start",     [PLAN_STOP] = "stop",       [PLAN_NOTHING] = "nothing",
        [PLAN_MISSING] = "missing", [PLAN_REFUSED] = "refused",
};
ENUM_TABLE_DEFINE(PlanAction, plan_action, plan_action_names)

typedef enum PlanVisit {
    PLAN_VISIT_NEW,
    PLAN_VISIT_OPEN, /* what comes before it is being placed */
    PLAN_VISIT_DONE,
} PlanVisit;

typedef struct PlanItem {
    PlanStep *step;  /* NULL once it is in the plan */
    GraphNode *node; /* NULL: it has nothing to do with others */
    bool hidden;     /* no step of the plan: it is up, and has to stay; or waits, and will come */
    bool descends;   /* what it requires and wants is taken along */
    PlanVisit visit;
} PlanItem;

typedef struct PlanWalk {
    GPtrArray *items;  /* of PlanItem, as they are found */
    GHashTable *by_id; /* id -> PlanItem */
    GPtrArray *stack;  /* of PlanItem, borrowed */
    bool is_entangled; /* what waits needs one that is to be started, which may yet be refused */
    bool foresees;     /* what groups do is part of it */
    PlanAction side;   /* what is being ordered: PLAN_STOP, or else all others */
    bool is_deep;      /* looks at everything, whatever was found before */
    Plan *plan;
} PlanWalk;

/* Steps */

static void plan_step_free(void *data)
{
    PlanStep *step = data;
    if (step == NULL)
        return;
    g_ref_string_release(step->id);
    service_unref(step->service);
    g_clear_pointer(&step->because, g_ref_string_release);
    g_strfreev(step->after);
    g_free(step);
}

void plan_free(Plan *plan)
{
    if (plan == NULL)
        return;
    g_ptr_array_unref(plan->steps);
    g_free(plan);
}

static void plan_item_free(void *data)
{
    PlanItem *item = data;
    plan_step_free(item->step);
    g_free(item);
}

static void plan_walk_init(PlanWalk *walk, bool foresees)
{
    walk->foresees = foresees;
    walk->items = g_ptr_array_new_with_free_func(plan_item_free);
    walk->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    walk->stack = g_ptr_array_new();
    walk->is_deep = false;
    walk->is_entangled = false;
    walk->plan = g_new(Plan, 1);
    walk->plan->steps = g_ptr_array_new_with_free_func(plan_step_free);
}

static Plan *plan_walk_done(PlanWalk *walk)
{
    g_hash_table_unref(walk->by_id);
    g_ptr_array_unref(walk->items);
    g_ptr_array_unref(walk->stack);
    return walk->plan;
}

static PlanItem *plan_find(PlanWalk *walk, const char *id)
{
    return g_hash_table_lookup(walk->by_id, id);
}

/* id: a GRefString. service and node may be NULL; by NULL: it was asked for. */
static PlanItem *plan_add(PlanWalk *walk, PlanAction action, char *id, Service *service,
                          GraphNode *node, const PlanItem *by, Relation relation)
{
    PlanItem *item = g_new0(PlanItem, 1);
    item->node = node;
    item->descends = action == PLAN_START;
    item->step = g_new0(PlanStep, 1);
    item->step->action = action;
    item->step->id = g_ref_string_acquire(id);
    item->step->service = service != NULL ? service_ref(service) : NULL;
    item->step->because = by != NULL ? g_ref_string_acquire(by->step->id) : NULL;
    item->step->relation = relation;
    g_ptr_array_add(walk->items, item);
    g_hash_table_insert(walk->by_id, item->step->id, item);
    return item;
}

static PlanItem *plan_ask(PlanWalk *walk, PlanAction action, Service *service)
{
    /* GRefString: its type does not say so */
    return plan_add(walk, action, (char *)service_id(service), service, service_node(service), NULL,
                    _RELATION_INVALID);
}

/* What starts */

static bool plan_is_refused(const Service *service)
{
    return service_is_deleting(service) || service_is_broken(service);
}

/* It is up, or will be without being asked. */
static bool plan_is_up(const Service *service)
{
    const StateRecord *record = service_state(service);
    return record->active && (record->state != STATE_STOPPING || service_is_wanted(service));
}

/* What waits takes along what it waits for, unless a walk has found that on its way, and nobody has
 * fallen since: to look there again at each start in a long chain would cost its square. */
static bool plan_looks_behind(const PlanWalk *walk, const Service *service)
{
    const GraphNode *node = service_node(service);
    return service_state(service)->state == STATE_WAITING && node != NULL &&
           (walk->is_deep || node->brought != graph_falls(node->graph));
}

/* Of the services that were asked for. */
static void plan_ask_start(PlanWalk *walk, Service *service)
{
    if (plan_find(walk, service_id(service)) != NULL)
        return;
    if (plan_is_refused(service))
        plan_ask(walk, PLAN_REFUSED, service);
    else if (!plan_is_up(service))
        plan_ask(walk, PLAN_START, service);
    else
        plan_ask(walk, PLAN_NOTHING, service)->descends = plan_looks_behind(walk, service);
}

/* What was done once and for all is as good as up. */
static void plan_hide(const PlanWalk *walk, PlanItem *item)
{
    item->hidden = true;
    item->descends = plan_looks_behind(walk, item->step->service);
}

static void plan_take_along(PlanWalk *walk, GraphNode *node, const PlanItem *by, Relation relation)
{
    Service *service = node->service;
    bool is_member = relation == RELATION_MEMBERS;
    bool required = relation == RELATION_REQUIRES || is_member;
    const PlanItem *known = plan_find(walk, node->id);
    if (known != NULL) {
        walk->is_entangled |= by->hidden && known->step->action == PLAN_START;
        return;
    }
    if (service == NULL || plan_is_refused(service)) {
        if (required)
            plan_add(walk, service == NULL ? PLAN_MISSING : PLAN_REFUSED, node->id, service, node,
                     by, relation);
        return;
    }
    bool up = plan_is_up(service);
    if (!up && (is_member || !service_state(service)->completed)) /* a group asks for it */
        plan_add(walk, PLAN_START, node->id, service, node, by, relation);
    else if (up && (required || plan_looks_behind(walk, service)))
        plan_hide(walk, plan_add(walk, PLAN_NOTHING, node->id, service, node, by, relation));
}

static void plan_descend(PlanWalk *walk, const PlanItem *item, Relation relation)
{
    GPtrArray *edges = item->node->out[relation];
    for (unsigned i = 0; edges != NULL && i < edges->len; i++)
        plan_take_along(walk, edges->pdata[i], item, relation);
}

static void plan_find_starts(PlanWalk *walk)
{
    for (unsigned i = 0; i < walk->items->len; i++) {
        const PlanItem *item = walk->items->pdata[i];
        if (!item->descends || item->node == NULL)
            continue;
        plan_descend(walk, item, RELATION_REQUIRES);
        plan_descend(walk, item, RELATION_WANTS);
        if (walk->foresees)
            plan_descend(walk, item, RELATION_MEMBERS);
    }
}

/* What stops */

static char *plan_describe(const PlanItem *item)
{
    static const char *const words[_RELATION_MAX] = {
            [RELATION_REQUIRES] = "required by",
            [RELATION_WANTS] = "wanted by",
            [RELATION_CONFLICTS] = "in conflict with",
            [RELATION_PART_OF] = "part of",
            [RELATION_AFTER] = "after",
            [RELATION_BEFORE] = "before",
            [RELATION_MEMBERS] = "a member of",
    };
    const PlanStep *step = item->step;
    return step->because == NULL ? g_strdup_printf("'%s' (asked for)", step->id)
                                 : g_strdup_printf("'%s' (%s '%s')", step->id,
                                                   words[step->relation], step->because);
}

static bool plan_refuse(const PlanItem *by, const PlanItem *item, Relation relation, GError **error)
{
    g_autofree char *one = plan_describe(by), *other = plan_describe(item);
    if (relation == RELATION_CONFLICTS)
        return error_set(error, ERROR_CONFLICT,
                         "%s and %s are in conflict: only one of them can "
                         "run",
                         one, other);
    return error_set(error, ERROR_CONFLICT,
                     "%s would have to stop, and with it %s, which is part of it", one, other);
}

/* It has to go for by, which conflicts with it, or which it is part of. */
static bool plan_put_down(PlanWalk *walk, GraphNode *node, const PlanItem *by, Relation relation,
                          GError **error)
{
    PlanItem *item = plan_find(walk, node->id);
    if (item == NULL) {
        if (node->service != NULL && plan_is_up(node->service))
            plan_add(walk, PLAN_STOP, node->id, node->service, node, by, relation);
        return true;
    }
    bool starts = item->step->action == PLAN_START && relation == RELATION_CONFLICTS;
    bool stays = item->step->action == PLAN_NOTHING && plan_is_up(item->step->service);
    return (!starts && !stays) || plan_refuse(by, item, relation, error);
}

static bool plan_put_down_all(PlanWalk *walk, GPtrArray *edges, const PlanItem *by,
                              Relation relation, GError **error)
{
    for (unsigned i = 0; edges != NULL && i < edges->len; i++) {
        if (!plan_put_down(walk, edges->pdata[i], by, relation, error))
            return false;
    }
    return true;
}

/* Another group that stays up has it, too. */
static bool plan_is_shared(PlanWalk *walk, const GraphNode *member)
{
    GPtrArray *groups = member->in[RELATION_MEMBERS];
    for (unsigned i = 0; i < groups->len; i++) {
        const GraphNode *group = groups->pdata[i];
        const PlanItem *item = plan_find(walk, group->id);
        bool stops = item != NULL && item->step->action == PLAN_STOP;
        if (group->service != NULL && plan_is_up(group->service) && !stops)
            return true;
    }
    return false;
}

/* Those of a group that stops. Nobody is in their way: it would not have come so far. */
static void plan_put_down_members(PlanWalk *walk, const PlanItem *by)
{
    GPtrArray *members = by->node->out[RELATION_MEMBERS];
    for (unsigned i = 0; walk->foresees && members != NULL && i < members->len; i++) {
        if (!plan_is_shared(walk, members->pdata[i]))
            (void)plan_put_down(walk, members->pdata[i], by, RELATION_MEMBERS, NULL);
    }
}

/* The array grows on the way: what stops may have parts of its own. */
static bool plan_find_stops(PlanWalk *walk, GError **error)
{
    for (unsigned i = 0; i < walk->items->len; i++) {
        const PlanItem *item = walk->items->pdata[i];
        GraphNode *node = item->node;
        if (node == NULL || item->hidden)
            continue;
        if (item->step->action == PLAN_START &&
            (!plan_put_down_all(walk, node->out[RELATION_CONFLICTS], item, RELATION_CONFLICTS,
                                error) ||
             !plan_put_down_all(walk, node->in[RELATION_CONFLICTS], item, RELATION_CONFLICTS,
                                error)))
            return false;
        if (item->step->action == PLAN_STOP &&
            !plan_put_down_all(walk, node->in[RELATION_PART_OF], item, RELATION_PART_OF, error))
            return false;
        if (item->step->action == PLAN_STOP)
            plan_put_down_members(walk, item);
    }
    return true;
}

/* The order */

static bool plan_is_of_side(const PlanWalk *walk, const PlanItem *item)
{
    return (item->step->action == PLAN_STOP) == (walk->side == PLAN_STOP);
}

static void on_plan_neighbour(GraphNode *neighbour, void *data)
{
    PlanWalk *walk = data;
    PlanItem *item = plan_find(walk, neighbour->id);
    if (item != NULL && item->visit == PLAN_VISIT_NEW && plan_is_of_side(walk, item))
        g_ptr_array_add(walk->stack, item);
}

static void plan_open(PlanWalk *walk, PlanItem *item)
{
    unsigned begin = walk->stack->len;
    item->visit = PLAN_VISIT_OPEN;
    if (item->node == NULL)
        return;
    if (walk->side == PLAN_STOP)
        graph_each_after(item->node, on_plan_neighbour, walk);
    else
        graph_each_before(item->node, on_plan_neighbour, walk);
    if (walk->foresees) /* a group begins before its members do */
        graph_each(item->node->in[RELATION_MEMBERS], on_plan_neighbour, walk);
    /* The last one is taken first. */
    for (unsigned i = begin, j = walk->stack->len; i + 1 < j; i++) {
        void *swapped = walk->stack->pdata[i];
        walk->stack->pdata[i] = walk->stack->pdata[--j];
        walk->stack->pdata[j] = swapped;
    }
}

static void plan_close(PlanWalk *walk, PlanItem *item)
{
    item->visit = PLAN_VISIT_DONE;
    if (!item->hidden)
        g_ptr_array_add(walk->plan->steps, item->step);
}

/* An item may be on the stack more than once; only the uppermost counts. */
static void plan_place(PlanWalk *walk, PlanItem *root)
{
    g_ptr_array_add(walk->stack, root);
    while (walk->stack->len > 0) {
        PlanItem *item = walk->stack->pdata[walk->stack->len - 1];
        if (item->visit == PLAN_VISIT_NEW) {
            plan_open(walk, item);
            continue;
        }
        if (item->visit == PLAN_VISIT_OPEN)
            plan_close(walk, item);
        g_ptr_array_set_size(walk->stack, (int)walk->stack->len - 1);
    }
}

/* Where nothing orders them, those found last stop first. The steps are the plan's from here on. */
static void plan_order(PlanWalk *walk)
{
    unsigned n = walk->items->len;
    walk->side = PLAN_STOP;
    for (unsigned i = n; i > 0; i--) {
        if (plan_is_of_side(walk, walk->items->pdata[i - 1]))
            plan_place(walk, walk->items->pdata[i - 1]);
    }
    walk->side = PLAN_START;
    for (unsigned i = 0; i < n; i++) {
        if (plan_is_of_side(walk, walk->items->pdata[i]))
            plan_place(walk, walk->items->pdata[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        PlanItem *item = walk->items->pdata[i];
        if (!item->hidden)
            item->step = NULL;
    }
}

/* Nothing but what was asked for was to be started: all else that was seen is on its way. */
static void plan_note_brought(const PlanWalk *walk)
{
    if (walk->is_entangled)
        return;
    for (unsigned i = 0; i < walk->items->len; i++) {
        const PlanItem *item = walk->items->pdata[i];
        if (item->step->action == PLAN_START && item->step->because != NULL)
            return;
    }
    for (unsigned i = 0; i < walk->items->len; i++) {
        const PlanItem *item = walk->items->pdata[i];
        if (item->hidden)
            item->node->brought = graph_falls(item->node->graph);
    }
}

static Plan *plan_start_asked(PlanWalk *walk, GError **error)
{
    plan_find_starts(walk);
    plan_note_brought(walk);
    if (plan_find_stops(walk, error)) {
        plan_order(walk);
        return plan_walk_done(walk);
    }
    plan_free(plan_walk_done(walk));
    return NULL;
}

static Plan *plan_start_all(Service *const *services, size_t n, bool foresees, bool is_deep,
                            GError **error)
{
    PlanWalk walk;
    plan_walk_init(&walk, foresees);
    walk.is_deep = is_deep;
    for (size_t i = 0; i < n; i++)
        plan_ask_start(&walk, services[i]);
    return plan_start_asked(&walk, error);
}

/* Stops come first. */
static bool plan_stops_others(const Plan *plan)
{
    const PlanStep *first = plan->steps->len > 0 ? plan->steps->pdata[0] : NULL;
    return first != NULL && first->action == PLAN_STOP;
}

/* If something has to stop, it may be what one of them waits for. */
Plan *plan_start(Graph *graph, Service *const *services, size_t n, GError **error)
{
    g_autoptr(Plan) plan = plan_start_all(services, n, false, false, error);
    if (plan == NULL || !plan_stops_others(plan))
        return g_steal_pointer(&plan);
    return plan_start_all(services, n, false, true, error);
}

Plan *plan_restart(Graph *graph, Service *service, GError **error)
{
    PlanWalk walk;
    plan_walk_init(&walk, false);
    walk.is_deep = true;
    plan_ask(&walk, PLAN_START, service);
    return plan_start_asked(&walk, error);
}

static Plan *plan_stop_all(Service *const *services, size_t n, bool foresees)
{
    PlanWalk walk;
    plan_walk_init(&walk, foresees);
    for (size_t i = 0; i < n; i++) {
        if (plan_find(&walk, service_id(services[i])) == NULL)
            plan_ask(&walk, plan_is_up(services[i]) ? PLAN_STOP : PLAN_NOTHING, services[i]);
    }
    (void)plan_find_stops(&walk, NULL); /* nothing starts: nothing is in its way */
    plan_order(&walk);
    return plan_walk_done(&walk);
}

Plan *plan_stop(Graph *graph, Service *const *services, size_t n)
{
    return plan_stop_all(services, n, false);
}

/* For people */

typedef struct PlanReason {
    GHashTable *steps; /* id -> PlanStep */
    const PlanStep *step;
    GHashTable *seen; /* of ids */
    GPtrArray *ids;   /* what it waits for, so far */
} PlanReason;

/* What was asked for and is there is not waited for; what is on its way is. */
static bool plan_waits_for(const PlanStep *step, const PlanStep *other)
{
    if (step->action == PLAN_STOP)
        return other->action == PLAN_STOP;
    if (other->action != PLAN_NOTHING)
        return other->action == PLAN_START || other->action == PLAN_STOP;
    State state = service_state(other->service)->state;
    return state != STATE_ACTIVE && state != STATE_RELOADING;
}

static void plan_reason_add(PlanReason *reason, const char *id)
{
    if (g_hash_table_add(reason->seen, (void *)id))
        g_ptr_array_add(reason->ids, g_strdup(id));
}

static void on_plan_reason(GraphNode *neighbour, void *data)
{
    PlanReason *reason = data;
    const PlanStep *other = g_hash_table_lookup(reason->steps, neighbour->id);
    if (other != NULL && plan_waits_for(reason->step, other))
        plan_reason_add(reason, other->id);
}

static void on_plan_conflict(GraphNode *neighbour, void *data)
{
    PlanReason *reason = data;
    const PlanStep *other = g_hash_table_lookup(reason->steps, neighbour->id);
    if (other != NULL && other->action == PLAN_STOP)
        plan_reason_add(reason, other->id);
}

/* It waits for what nobody brings. */
static void on_plan_requirement(GraphNode *neighbour, void *data)
{
    PlanReason *reason = data;
    const PlanStep *other = g_hash_table_lookup(reason->steps, neighbour->id);
    if (other != NULL && (other->action == PLAN_MISSING || other->action == PLAN_REFUSED))
        plan_reason_add(reason, other->id);
}

static void plan_explain_step(PlanReason *reason, PlanStep *step)
{
    GraphNode *node = step->service != NULL ? service_node(step->service) : NULL;
    if (node == NULL || (step->action != PLAN_START && step->action != PLAN_STOP))
        return;
    reason->step = step;
    reason->ids = g_ptr_array_new();
    g_hash_table_remove_all(reason->seen);
    if (step->action == PLAN_STOP) {
        graph_each_after(node, on_plan_reason, reason);
    } else {
        graph_each_before(node, on_plan_reason, reason);
        graph_each(node->out[RELATION_REQUIRES], on_plan_requirement, reason);
        graph_each(node->out[RELATION_CONFLICTS], on_plan_conflict, reason);
        graph_each(node->in[RELATION_CONFLICTS], on_plan_conflict, reason);
    }
    g_ptr_array_add(reason->ids, NULL);
    bool some = reason->ids->len > 1;
    g_strfreev(step->after);
    step->after = (char **)g_ptr_array_free(reason->ids, !some);
}

static void plan_explain(Plan *plan)
{
    PlanReason reason = {
            .steps = g_hash_table_new(g_str_hash, g_str_equal),
            .seen = g_hash_table_new(g_str_hash, g_str_equal),
    };
    for (unsigned i = 0; i < plan->steps->len; i++) {
        PlanStep *step = plan->steps->pdata[i];
        g_hash_table_insert(reason.steps, step->id, step);
    }
    for (unsigned i = 0; i < plan->steps->len; i++)
        plan_explain_step(&reason, plan->steps->pdata[i]);
    g_hash_table_unref(reason.steps);
    g_hash_table_unref(reason.seen);
}

Plan *plan_foresee_start(Graph *graph, Service *const *services, size_t n, GError **error)
{
    Plan *plan = plan_start_all(services, n, true, true, error);
    if (plan != NULL)
        plan_explain(plan);
    return plan;
}

Plan *plan_foresee_stop(Graph *graph, Service *const *services, size_t n)
{
    Plan *plan = plan_stop_all(services, n, true);
    plan_explain(plan);
    return plan;
}
