/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A group of services: it runs nothing itself, but starts and stops its members as one, and is up
 * as long as none of them has failed for good. What it listens to only says that it has to look;
 * it looks in a turn of the loop of its own, when everybody has been told. */

#include "base/errors.h"
#include "base/parse.h"
#include "core/batch.h"
#include "kinds/kinds.h"

typedef struct GroupConfig {
    char **members; /* until they are the configuration's dependencies */
    bool ordered;
} GroupConfig;

typedef struct ServiceGroup ServiceGroup;

typedef struct GroupMember {
    ServiceGroup *group;
    const char *id;         /* the configuration's */
    FeedListener *listener; /* NULL: there is no such service */
    bool is_up;
} GroupMember;

struct ServiceGroup {
    Service *service;
    Map *map;
    ApplyContext *context; /* of the apply under way, or NULL */
    Config *next;          /* that is being applied */
    Config *running;       /* that is in force, or the first one that was given up */
    bool is_up;            /* running is in force */
    Batch *batch;          /* a start or a stop under way, or NULL */
    GHashTable *started;   /* ids of members: by this group */
    GPtrArray *extras;     /* ids of those that a configuration has started that was given up */
    GPtrArray *members;    /* of GroupMember: of running, while it is up */
    unsigned n_down;       /* members */
    FeedListener *comers;  /* while one of them is not there */
    GError *failure;       /* why it ends */
    Timer *turn;
    Timer *deadline; /* of the start or of the stop */
};

/* Configuration */

static void *group_config_new(void)
{
    GroupConfig *own = g_new0(GroupConfig, 1);

    own->ordered = true;
    return own;
}

static void group_config_free(void *data)
{
    GroupConfig *own = data;

    g_strfreev(own->members);
    g_free(own);
}

static const JsonMember group_json_members[] = {
        {"members", dependencies_read_ids, offsetof(GroupConfig, members), NULL, true},
        {"ordered", json_read_bool, offsetof(GroupConfig, ordered), NULL, false},
        {NULL, NULL, 0, NULL, false},
};

static void group_config_check(JsonContext *context, Config *config)
{
    GroupConfig *own = config->own;
    JsonPath place = {.member = "members"};

    if (own->members == NULL)
        json_problem(context, &place, "expected the id of at least one service");
    config->common.dependencies->lists[RELATION_MEMBERS] = g_steal_pointer(&own->members);
}

/* Its members have limits of time, and are tried again, each by its own configuration. */
static void group_common_defaults(CommonConfig *common)
{
    common->restart.mode = RESTART_NO;
    common->start_timeout_usec = USEC_INFINITY;
    common->stop_timeout_usec = USEC_INFINITY;
}

static char *const *group_ids(const Config *config)
{
    return config->common.dependencies->lists[RELATION_MEMBERS];
}

static bool group_is_ordered(const Config *config)
{
    return ((const GroupConfig *)config->own)->ordered;
}

/* Time */

static void group_set_deadline(ServiceGroup *group, uint64_t timeout_usec)
{
    const Core *core = service_core(group->service);

    timer_arm(group->deadline, usec_add(clock_monotonic_usec(core->clock), timeout_usec));
}

static void group_kill(void *instance)
{
    ServiceGroup *group = instance;

    for (char *const *id = group->running != NULL ? group_ids(group->running) : NULL;
         id != NULL && *id != NULL; id++) {
        Service *service = map_find(group->map, *id);

        if (service != NULL && service_state(service)->state == STATE_STOPPING)
            service_kill(service);
    }
}

static void on_group_deadline(void *data)
{
    ServiceGroup *group = data;

    if (group->next == NULL) {
        group_kill(group);
        return;
    }
    g_autofree char *limit = format_duration(group->next->common.start_timeout_usec);
    g_autoptr(GError) error =
            g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                        "its members were not up within start_timeout (%s)", limit);
    batch_give_up(group->batch, error);
}

/* Watching the members */

static void group_member_free(void *data)
{
    GroupMember *member = data;

    feed_unlisten(member->listener);
    g_free(member);
}

static void group_unwatch(ServiceGroup *group)
{
    g_clear_pointer(&group->comers, feed_unlisten);
    g_ptr_array_set_size(group->members, 0);
    group->n_down = 0;
    timer_disarm(group->turn);
}

static void group_member_set_up(GroupMember *member, bool is_up)
{
    if (member->is_up == is_up)
        return;
    member->is_up = is_up;
    member->group->n_down += is_up ? -1 : 1;
    timer_arm(member->group->turn, 0);
}

static void group_note_failure(const GroupMember *member, const StateRecord *record)
{
    ServiceGroup *group = member->group;

    if (group->failure != NULL)
        return;
    group->failure = g_error_new(SVCMGR_ERROR, ERROR_DEPENDENCY_FAILED,
                                 "member '%s' has failed: %s", member->id, record->error->message);
    timer_arm(group->turn, 0);
}

static void group_look_at_member(GroupMember *member, const Service *service,
                                 const StateRecord *record)
{
    group_member_set_up(member, record->state == STATE_ACTIVE || record->state == STATE_RELOADING ||
                                        record->completed);
    if (record->state == STATE_FAILED && !service_failed_to_stop(service))
        group_note_failure(member, record);
}

static void on_group_comer(const Change *change, void *data);

/* What is only said about one that has failed is no failure. */
static void on_group_member(const Change *change, void *data)
{
    GroupMember *member = data;
    ServiceGroup *group = member->group;

    if (change->type == CHANGE_REMOVE) {
        group_member_set_up(member, false);
        g_clear_pointer(&member->listener, feed_unlisten);
        if (group->comers == NULL)
            group->comers = map_listen(group->map, on_group_comer, group);
    } else if (change->old_state->state != change->new_state->state) {
        group_look_at_member(member, change->service, change->new_state);
    }
}

static void group_watch_member(GroupMember *member, Service *service)
{
    member->listener = service_listen(service, on_group_member, member);
    group_look_at_member(member, service, service_state(service));
}

/* One that was deleted is there again. */
static void on_group_comer(const Change *change, void *data)
{
    ServiceGroup *group = data;

    for (unsigned i = 0; change->type == CHANGE_ADD && i < group->members->len; i++) {
        GroupMember *member = group->members->pdata[i];

        if (member->listener == NULL && g_str_equal(member->id, service_id(change->service)))
            group_watch_member(member, change->service);
    }
}

static void group_tell_sub_state(ServiceGroup *group)
{
    service_set_sub_state(group->service, group->n_down == 0 ? "running" : "degraded");
}

static void group_watch(ServiceGroup *group)
{
    group_unwatch(group);
    for (char *const *id = group_ids(group->running); *id != NULL; id++) {
        GroupMember *member = g_new0(GroupMember, 1);
        Service *service = map_find(group->map, *id);

        member->group = group;
        member->id = *id;
        group->n_down++;
        g_ptr_array_add(group->members, member);
        if (service != NULL)
            group_watch_member(member, service);
        else if (group->comers == NULL)
            group->comers = map_listen(group->map, on_group_comer, group);
    }
    group_tell_sub_state(group);
}

/* Stopping */

/* Another group that is up has it, too. */
static bool group_is_shared(const ServiceGroup *group, const Service *member)
{
    const GraphNode *node = service_node(member);
    GPtrArray *groups = node != NULL ? node->in[RELATION_MEMBERS] : NULL;

    for (unsigned i = 0; groups != NULL && i < groups->len; i++) {
        const Service *other = ((const GraphNode *)groups->pdata[i])->service;

        if (other == NULL || other == group->service || !service_state(other)->active)
            continue;
        if (service_state(other)->state != STATE_STOPPING || service_is_wanted(other))
            return true;
    }
    return false;
}

static void group_add_to_stop(const ServiceGroup *group, GPtrArray *ids, GHashTable *seen, char *id)
{
    const Service *service = map_find(group->map, id);

    if (service != NULL && !group_is_shared(group, service) && g_hash_table_add(seen, id))
        g_ptr_array_add(ids, id);
}

/* Those of the configuration in its order, then the extras. Only what the group has started itself,
 * or all. */
static GPtrArray *group_list_to_stop(const ServiceGroup *group, bool only_started)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *ids = g_ptr_array_new();

    for (char *const *id = group->running != NULL ? group_ids(group->running) : NULL;
         id != NULL && *id != NULL; id++) {
        if (!only_started || g_hash_table_contains(group->started, *id))
            group_add_to_stop(group, ids, seen, *id);
    }
    for (unsigned i = 0; i < group->extras->len; i++)
        group_add_to_stop(group, ids, seen, group->extras->pdata[i]);
    g_ptr_array_add(ids, NULL);
    return ids;
}

static void group_begin_stop(ServiceGroup *group, bool only_started, BatchDone done)
{
    g_autoptr(GPtrArray) ids = group_list_to_stop(group, only_started);
    BatchSpec spec = {
            .ids = (char *const *)ids->pdata,
            .ordered = group->running != NULL && group_is_ordered(group->running),
            .origin = {.cause = CAUSE_DEPENDENCY, .caller = service_state(group->service)->caller},
    };

    group->batch = batch_stop(group->map, &spec, done, group, NULL);
    g_assert(group->batch != NULL); /* each is there */
    if (group->running != NULL)
        group_set_deadline(group, group->running->common.stop_timeout_usec);
}

/* Nothing of it runs any more. */
static void group_forget(ServiceGroup *group)
{
    timer_disarm(group->deadline);
    g_hash_table_remove_all(group->started);
    g_ptr_array_set_size(group->extras, 0);
    g_clear_pointer(&group->running, config_unref);
    group->is_up = false;
}

/* What was started again meanwhile is somebody else's. */
static bool group_is_stop_failure(const BatchItem *item)
{
    return item->error != NULL && item->state != NULL &&
           (item->state->state == STATE_FAILED || item->state->state == STATE_STOPPING);
}

static GError *group_join(const BatchItem *items, size_t n_items,
                          bool (*counts)(const BatchItem *item))
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    for (size_t i = 0; i < n_items; i++) {
        if (counts(&items[i]))
            g_ptr_array_add(errors,
                            g_error_new(SVCMGR_ERROR, ERROR_DEPENDENCY_FAILED, "member '%s': %s",
                                        items[i].id, items[i].error->message));
    }
    return errors_join(errors);
}

static void on_group_stopped(const BatchItem *items, size_t n_items, const GError *error,
                             void *data)
{
    ServiceGroup *group = data;
    g_autoptr(GError) joined = group_join(items, n_items, group_is_stop_failure);
    Failure failure = {.failure_class = FAILURE_DEPENDENCY, .error = joined};

    group->batch = NULL;
    group_forget(group);
    service_stop_done(group->service, joined != NULL ? &failure : NULL);
}

static void group_stop(void *instance)
{
    ServiceGroup *group = instance;

    group_unwatch(group);
    g_clear_error(&group->failure);
    group_begin_stop(group, false, on_group_stopped);
}

/* Ending by itself */

static void on_group_ended(const BatchItem *items, size_t n_items, const GError *error, void *data)
{
    ServiceGroup *group = data;
    g_autoptr(GError) reason = g_steal_pointer(&group->failure);
    Failure failure = {.failure_class = FAILURE_DEPENDENCY, .error = reason};

    group->batch = NULL;
    group_forget(group);
    service_report_ended(group->service, &failure, NULL);
}

static void on_group_turn(void *data)
{
    ServiceGroup *group = data;
    Failure failure = {.failure_class = FAILURE_DEPENDENCY, .error = group->failure};

    if (group->failure == NULL) {
        group_tell_sub_state(group);
        return;
    }
    if (service_state(group->service)->state != STATE_ACTIVE)
        return; /* a stop, or another configuration, is on its way */
    group_unwatch(group);
    service_report_ending(group->service, &failure);
    group_begin_stop(group, true, on_group_ended);
}

/* Starting */

static void group_note_started(ServiceGroup *group, const BatchItem *items, size_t n_items)
{
    for (size_t i = 0; i < n_items; i++) {
        if (items[i].is_ours)
            g_hash_table_add(group->started, g_strdup(items[i].id));
    }
}

static void group_finish_apply(ServiceGroup *group, const Failure *failure)
{
    ApplyContext *context = g_steal_pointer(&group->context);

    timer_disarm(group->deadline);
    apply_context_done(context, failure);
    apply_context_unref(context);
}

static void group_refuse_apply(ServiceGroup *group, const GError *error)
{
    Failure failure = {
            .failure_class = error_is(error, ERROR_TIMEOUT) ? FAILURE_TIMEOUT : FAILURE_DEPENDENCY,
            .goes_on = group->is_up,
            .error = error,
    };

    group_finish_apply(group, &failure);
}

static void on_group_undone(const BatchItem *items, size_t n_items, const GError *error, void *data)
{
    ServiceGroup *group = data;
    g_autoptr(GError) reason = g_steal_pointer(&group->failure);

    group->batch = NULL;
    group_forget(group);
    group_refuse_apply(group, reason);
}

/* What was in force before goes on. If nothing was, nothing stays that a former apply has started:
 * the batch itself has left nothing. */
static void group_fail_apply(ServiceGroup *group, const GError *error)
{
    g_clear_pointer(&group->next, config_unref);
    if (group->is_up) {
        group_watch(group);
    } else if (g_hash_table_size(group->started) > 0) {
        group->failure = g_error_copy(error);
        group_begin_stop(group, true, on_group_undone);
        return;
    }
    group_refuse_apply(group, error);
}

static bool group_is_start_failure(const BatchItem *item)
{
    return item->error != NULL;
}

static void on_group_started(const BatchItem *items, size_t n_items, const GError *error,
                             void *data)
{
    ServiceGroup *group = data;
    g_autoptr(GError) joined = group_join(items, n_items, group_is_start_failure);

    group->batch = NULL;
    if (error != NULL) {
        group_fail_apply(group, joined != NULL ? joined : error);
        return;
    }
    group_note_started(group, items, n_items);
    config_unref(group->running);
    group->running = g_steal_pointer(&group->next);
    group->is_up = true;
    group_watch(group);
    group_finish_apply(group, NULL);
}

/* How its own start came about: with the daemon, or because somebody has asked for it. */
static Cause group_cause(const ServiceGroup *group)
{
    HistoryEntry moves[SERVICE_HISTORY];

    for (size_t n = service_history(group->service, moves); n > 0; n--) {
        const HistoryEntry *move = &moves[n - 1];

        if (!state_traits(move->from)->active)
            return move->cause == CAUSE_STARTUP ? CAUSE_STARTUP : CAUSE_DEPENDENCY;
    }
    return CAUSE_DEPENDENCY;
}

static void group_apply(void *instance, ApplyContext *context, Config *config)
{
    ServiceGroup *group = instance;
    g_autoptr(GError) error = NULL;
    BatchSpec spec = {
            .ids = group_ids(config),
            .ordered = group_is_ordered(config),
            .patient = true,
            .origin = {.cause = group_cause(group),
                       .caller = service_state(group->service)->caller},
    };

    group_unwatch(group);
    g_clear_error(&group->failure);
    group->context = apply_context_ref(context);
    group->next = config_ref(config);
    group->batch = batch_start(group->map, &spec, on_group_started, group, &error);
    if (group->batch == NULL)
        group_fail_apply(group, error);
    else
        group_set_deadline(group, config->common.start_timeout_usec);
}

static void group_note_extras(ServiceGroup *group, const BatchItem *items, size_t n_items)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

    for (char *const *id = group_ids(group->running); *id != NULL; id++)
        g_hash_table_add(known, *id);
    for (unsigned i = 0; i < group->extras->len; i++)
        g_hash_table_add(known, group->extras->pdata[i]);
    for (size_t i = 0; i < n_items; i++) {
        if (items[i].is_ours && !g_hash_table_contains(known, items[i].id))
            g_ptr_array_add(group->extras, g_strdup(items[i].id));
    }
}

/* What it has started so far is a stop's, or the next apply's. */
static void group_cancel(void *instance, ApplyContext *context)
{
    ServiceGroup *group = instance;
    size_t n_items;
    const BatchItem *items = batch_items(group->batch, &n_items);

    group_note_started(group, items, n_items);
    if (group->running == NULL)
        group->running = g_steal_pointer(&group->next);
    group_note_extras(group, items, n_items);
    batch_cancel(g_steal_pointer(&group->batch), false);
    timer_disarm(group->deadline);
    g_clear_pointer(&group->next, config_unref);
    g_clear_pointer(&group->context, apply_context_unref);
}

/* The kind */

static void *group_instance_new(const Kind *kind, Service *service)
{
    ServiceGroup *group = g_new0(ServiceGroup, 1);
    TimerHost *timers = service_core(service)->timers;

    group->service = service;
    group->map = kind->data;
    group->started = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    group->extras = g_ptr_array_new_with_free_func(g_free);
    group->members = g_ptr_array_new_with_free_func(group_member_free);
    group->turn = timer_new(timers, on_group_turn, group);
    group->deadline = timer_new(timers, on_group_deadline, group);
    return group;
}

static void group_instance_free(void *instance)
{
    ServiceGroup *group = instance;

    g_assert(group->batch == NULL && group->context == NULL);
    group_unwatch(group);
    group_forget(group);
    g_hash_table_unref(group->started);
    g_ptr_array_unref(group->extras);
    g_ptr_array_unref(group->members);
    g_clear_error(&group->failure);
    timer_free(group->turn);
    timer_free(group->deadline);
    g_free(group);
}

Kind *kind_group_new(Map *map)
{
    static const Kind table = {
            .name = "group",
            .description = "Several services that start and stop as one",
            .schema = schema_group,
            .members = group_json_members,
            .config_new = group_config_new,
            .config_free = group_config_free,
            .common_defaults = group_common_defaults,
            .config_check = group_config_check,
            .coordinates = true,
            .instance_new = group_instance_new,
            .instance_free = group_instance_free,
            .apply = group_apply,
            .cancel = group_cancel,
            .stop = group_stop,
            .kill = group_kill,
    };
    Kind *kind = g_memdup2(&table, sizeof table);

    kind->data = map;
    return kind;
}
