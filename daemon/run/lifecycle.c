/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has been seen so far is a set of types; it says what may still come. */

#include "run/lifecycle.h"

#include "base/log.h"

struct Lifecycle {
    Clock *clock;
    unsigned seen; /* LIFECYCLE_BIT of each */
    LifecycleTell tell;
    void *data;
    GQueue *kept; /* of LifecycleEvent *, with its own strings; NULL: there has been a sink */
    FeedListener *listener;
    GHashTable *running; /* ids of services that have begun and not ended */
};

static const char *const lifecycle_type_table[] = {
        [LIFECYCLE_APP_STARTUP] = "AppStartup",
        [LIFECYCLE_PRE_HOOK_START] = "PreHookStart",
        [LIFECYCLE_POST_HOOK_START] = "PostHookStart",
        [LIFECYCLE_PROCESS_START] = "ProcessStart",
        [LIFECYCLE_APP_RUNNING] = "AppRunning",
        [LIFECYCLE_PROCESS_END] = "ProcessEnd",
        [LIFECYCLE_APP_TERMINATING] = "AppTerminating",
        [LIFECYCLE_PRE_HOOK_STOP] = "PreHookStop",
        [LIFECYCLE_POST_HOOK_STOP] = "PostHookStop",
        [LIFECYCLE_APP_TERMINATED] = "AppTerminated",
};
G_STATIC_ASSERT(G_N_ELEMENTS(lifecycle_type_table) == _LIFECYCLE_TYPE_MAX);
ENUM_TABLE_DEFINE(LifecycleType, lifecycle_type, lifecycle_type_table)

#define LIFECYCLE_BIT(type) (1U << (type))
#define LIFECYCLE_ONCE                                                                             \
    (LIFECYCLE_BIT(LIFECYCLE_APP_STARTUP) | LIFECYCLE_BIT(LIFECYCLE_APP_RUNNING) |                 \
     LIFECYCLE_BIT(LIFECYCLE_APP_TERMINATING) | LIFECYCLE_BIT(LIFECYCLE_APP_TERMINATED))
#define LIFECYCLE_OF_HOOK                                                                          \
    (LIFECYCLE_BIT(LIFECYCLE_PRE_HOOK_START) | LIFECYCLE_BIT(LIFECYCLE_POST_HOOK_START) |          \
     LIFECYCLE_BIT(LIFECYCLE_PRE_HOOK_STOP) | LIFECYCLE_BIT(LIFECYCLE_POST_HOOK_STOP))
#define LIFECYCLE_OF_SERVICE                                                                       \
    (LIFECYCLE_BIT(LIFECYCLE_PROCESS_START) | LIFECYCLE_BIT(LIFECYCLE_PROCESS_END))
#define LIFECYCLE_NOTABLE                                                                          \
    (LIFECYCLE_BIT(LIFECYCLE_APP_RUNNING) | LIFECYCLE_BIT(LIFECYCLE_APP_TERMINATED))

static bool lifecycle_is_in(LifecycleType type, unsigned set)
{
    return (LIFECYCLE_BIT(type) & set) != 0;
}

static void lifecycle_event_free(void *data)
{
    LifecycleEvent *event = data;

    g_free((char *)event->subject);
    g_clear_error((GError **)&event->error);
    g_free(event);
}

static LifecycleEvent *lifecycle_event_copy(const LifecycleEvent *event)
{
    LifecycleEvent *copy = g_memdup2(event, sizeof(*event));

    copy->subject = g_strdup(event->subject);
    copy->error = event->error != NULL ? g_error_copy(event->error) : NULL;
    return copy;
}

Lifecycle *lifecycle_new(Clock *clock)
{
    Lifecycle *lifecycle = g_new0(Lifecycle, 1);

    lifecycle->clock = clock;
    lifecycle->kept = g_queue_new();
    lifecycle->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return lifecycle;
}

void lifecycle_free(Lifecycle *lifecycle)
{
    if (lifecycle == NULL)
        return;
    feed_unlisten(lifecycle->listener);
    g_hash_table_unref(lifecycle->running);
    if (lifecycle->kept != NULL)
        g_queue_free_full(lifecycle->kept, lifecycle_event_free);
    g_free(lifecycle);
}

void lifecycle_set_sink(Lifecycle *lifecycle, LifecycleTell tell, void *data)
{
    GQueue *kept = g_steal_pointer(&lifecycle->kept);

    lifecycle->tell = tell;
    lifecycle->data = data;
    if (kept == NULL)
        return;
    for (GList *link = kept->head; tell != NULL && link != NULL; link = link->next)
        tell(link->data, data);
    g_queue_free_full(kept, lifecycle_event_free);
}

void lifecycle_event_fields(const LifecycleEvent *event,
                            const char *ret_fields[LIFECYCLE_FIELDS_MAX])
{
    bool is_of_hook = lifecycle_is_in(event->type, LIFECYCLE_OF_HOOK);

    ret_fields[0] = "SVCMGR_EVENT";
    ret_fields[1] = lifecycle_type_to_string(event->type);
    ret_fields[2] = is_of_hook ? "SVCMGR_HOOK" : NULL;
    ret_fields[3] = is_of_hook ? event->subject : NULL;
    ret_fields[4] = NULL;
}

/* Why the daemon ends is told with what made it end, and at the end: not twice more. */
static void lifecycle_log(const LifecycleEvent *event)
{
    bool tells_error = event->error != NULL && event->type != LIFECYCLE_APP_TERMINATING &&
                       event->type != LIFECYCLE_APP_TERMINATED;
    LogLevel level =
            lifecycle_is_in(event->type, LIFECYCLE_NOTABLE) ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;
    const char *service =
            lifecycle_is_in(event->type, LIFECYCLE_OF_SERVICE) ? event->subject : NULL;
    const char *fields[LIFECYCLE_FIELDS_MAX];

    lifecycle_event_fields(event, fields);
    const char *hook = fields[3];
    log_full(level, __FILE__, __LINE__, __func__, service, fields, "%s%s%s%s%s", fields[1],
             hook != NULL ? " " : "", hook != NULL ? hook : "", tells_error ? ": " : "",
             tells_error ? event->error->message : "");
}

void lifecycle_emit(Lifecycle *lifecycle, LifecycleType type, const char *subject,
                    const GError *error)
{
    LifecycleEvent event = {type, clock_wall_usec(lifecycle->clock), subject, error};

    g_assert((type == LIFECYCLE_APP_STARTUP) == (lifecycle->seen == 0));
    g_assert(!lifecycle_is_in(LIFECYCLE_APP_TERMINATED, lifecycle->seen));
    g_assert(!lifecycle_is_in(type, lifecycle->seen & LIFECYCLE_ONCE));
    lifecycle->seen |= LIFECYCLE_BIT(type);
    if (type == LIFECYCLE_APP_TERMINATED)
        g_clear_pointer(&lifecycle->listener, feed_unlisten);
    lifecycle_log(&event);
    if (lifecycle->tell != NULL)
        lifecycle->tell(&event, lifecycle->data);
    else if (lifecycle->kept != NULL)
        g_queue_push_tail(lifecycle->kept, lifecycle_event_copy(&event));
}

/* Services */

/* What waits for others does not run, though it is active; and to stop it starts nothing. */
static bool lifecycle_runs(const StateRecord *record, bool ran)
{
    return record->active && record->state != STATE_WAITING &&
           (ran || record->state != STATE_STOPPING);
}

static void lifecycle_begin(Lifecycle *lifecycle, const char *id)
{
    g_hash_table_add(lifecycle->running, g_strdup(id));
    lifecycle_emit(lifecycle, LIFECYCLE_PROCESS_START, id, NULL);
}

static void lifecycle_end(Lifecycle *lifecycle, const char *id, const GError *error)
{
    g_hash_table_remove(lifecycle->running, id);
    lifecycle_emit(lifecycle, LIFECYCLE_PROCESS_END, id, error);
}

static void on_lifecycle_change(const Change *change, void *data)
{
    const StateRecord *old_state = change->old_state, *new_state = change->new_state;
    Lifecycle *lifecycle = data;
    const char *id = service_id(change->service);
    bool ran = g_hash_table_contains(lifecycle->running, id);

    if (change->type == CHANGE_REMOVE)
        return; /* it was inactive before */
    bool runs = lifecycle_runs(new_state, ran);
    bool began_again = ran && runs && old_state->state == STATE_STOPPING &&
                       new_state->state != STATE_STOPPING && new_state->state != STATE_BACKOFF;
    if (ran && (!runs || began_again))
        lifecycle_end(lifecycle, id, new_state->state == STATE_FAILED ? new_state->error : NULL);
    if (runs && (!ran || began_again))
        lifecycle_begin(lifecycle, id);
}

void lifecycle_watch(Lifecycle *lifecycle, Map *map)
{
    g_assert(lifecycle->listener == NULL && lifecycle->seen != 0);
    g_assert(!lifecycle_is_in(LIFECYCLE_APP_TERMINATED, lifecycle->seen));
    lifecycle->listener = map_listen(map, on_lifecycle_change, lifecycle);
    for (Service *service = map_next(map, NULL); service != NULL;
         service = map_next(map, service_id(service))) {
        if (lifecycle_runs(service_state(service), true))
            lifecycle_begin(lifecycle, service_id(service));
    }
}
