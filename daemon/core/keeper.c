/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each service carries what stands of it on disk (ServiceKept); one whose record says something
 * else is put into a set. The set is written in slices, so that ten thousand services that start
 * with the daemon keep no call waiting. */

#include "core/keeper.h"

#include "base/errors.h"
#include "base/log.h"

#define KEEPER_SLICE 512
/* What is told within this time is one group. */
#define KEEPER_SOON_USEC (10 * USEC_PER_MSEC)
#define KEEPER_LAZY_USEC USEC_PER_SEC
#define KEEPER_RETRY_USEC USEC_PER_SEC
#define KEEPER_RETRY_MAX_USEC (60 * USEC_PER_SEC)
#define KEEPER_SERIALS 1000
#define KEEPER_SERIALS_MAX (1000 * KEEPER_SERIALS)

struct Keeper {
    Core *core;
    Map *map;
    Durable *durable;
    FeedListener *listener;
    GHashTable *dirty; /* of Service, with references */
    Timer *flush;
    bool is_soon; /* the timer is armed for KEEPER_SOON_USEC at most */
    bool frozen;
    char *error; /* "": none */
    uint64_t retry_usec;
    uint64_t n_serials;
    uint64_t reserved_usec;
    bool owes_serials; /* some were given that are not reserved */
    void (*on_error)(void *data);
    void *on_error_data;
};

/* The disk */

static void keeper_arm(Keeper *keeper, uint64_t delay_usec)
{
    bool is_soon = delay_usec <= KEEPER_SOON_USEC;

    if (timer_is_armed(keeper->flush) && (keeper->is_soon || !is_soon))
        return;
    keeper->is_soon = is_soon;
    timer_arm(keeper->flush, usec_add(clock_monotonic_usec(keeper->core->clock), delay_usec));
}

/* It takes again: what is outstanding does not wait for its next attempt. */
static void keeper_recover(Keeper *keeper)
{
    log_notice("the disk keeps again what it should");
    keeper->retry_usec = KEEPER_RETRY_USEC;
    if (!keeper->frozen && g_hash_table_size(keeper->dirty) > 0)
        keeper_arm(keeper, 0);
}

/* message "": none. */
static void keeper_set_error(Keeper *keeper, const char *message)
{
    if (g_str_equal(keeper->error, message))
        return;
    if (*keeper->error == '\0') {
        log_error("what should be kept on disk is not: %s; services go on, and it is tried again",
                  message);
        if (!keeper->frozen)
            keeper_arm(keeper, keeper->retry_usec);
    } else if (*message == '\0') {
        keeper_recover(keeper);
    }
    g_free(keeper->error);
    keeper->error = g_strdup(message);
    if (keeper->on_error != NULL)
        keeper->on_error(keeper->on_error_data);
}

static bool keeper_try(Keeper *keeper, DurableLevel level, KeeperWrite write, void *data,
                       GError **error)
{
    Durable *durable = keeper->durable;

    if (!durable->begin(durable, error))
        return false;
    if (write(durable, data, error) && durable->commit(durable, level, error))
        return true;
    durable->rollback(durable);
    return false;
}

/* More at a time the faster they are used up. */
static uint64_t keeper_count_serials(Keeper *keeper)
{
    uint64_t now = clock_monotonic_usec(keeper->core->clock);
    bool fast = keeper->reserved_usec > 0 && now < usec_add(keeper->reserved_usec, USEC_PER_SEC);

    keeper->n_serials = fast ? MIN(2 * keeper->n_serials, KEEPER_SERIALS_MAX) : KEEPER_SERIALS;
    keeper->reserved_usec = now;
    return keeper->n_serials;
}

static uint64_t on_keeper_reserve(uint64_t serial, void *data)
{
    Keeper *keeper = data;
    uint64_t n = keeper_count_serials(keeper);
    uint64_t limit = usec_add(serial, n - 1);
    g_autoptr(GError) error = NULL;

    bool reserved = keeper->durable->reserve_serials(keeper->durable, serial, n, &limit, &error);
    keeper->owes_serials = !reserved;
    keeper_set_error(keeper, reserved ? "" : error->message); /* it is told all the same */
    return limit;
}

/* Before anything else is kept: the next run may not give again what was told in this one. */
static bool keeper_pay_serials(Keeper *keeper, GError **error)
{
    uint64_t next = feed_serial(keeper->core->feed) + 1, limit;

    if (!keeper->owes_serials)
        return true;
    if (!keeper->durable->reserve_serials(keeper->durable, next, keeper_count_serials(keeper),
                                          &limit, error))
        return false;
    keeper->owes_serials = false;
    keeper_reserve_serials(keeper, limit);
    return true;
}

void keeper_reserve_serials(Keeper *keeper, uint64_t limit)
{
    if (keeper->durable != NULL)
        feed_set_reserve(keeper->core->feed, limit, on_keeper_reserve, keeper);
}

bool keeper_write(Keeper *keeper, DurableLevel level, KeeperWrite write, void *data, GError **error)
{
    g_autoptr(GError) refused = NULL;

    if (keeper->durable == NULL)
        return true;
    bool written = keeper_pay_serials(keeper, &refused) &&
                   keeper_try(keeper, level, write, data, &refused);
    keeper_set_error(keeper, written ? "" : refused->message);
    if (!written)
        g_propagate_error(error, g_steal_pointer(&refused));
    return written;
}

/* What happens by itself */

static DurableState keeper_state_of(const Service *service)
{
    const StateRecord *record = service_state(service);
    bool wanted = service_is_wanted(service);
    bool failed = !wanted && record->state == STATE_FAILED && record->error != NULL;

    return (DurableState){
            .wanted = wanted,
            .failed_attempts = record->failed_attempts,
            .failure_class = failed ? record->failure_class : FAILURE_NONE,
            .error_time = failed ? record->last_error_time : 0,
            .error = failed ? record->error->message : NULL,
    };
}

static bool keeper_write_states(Durable *durable, void *data, GError **error)
{
    GPtrArray *services = data;

    for (unsigned i = 0; i < services->len; i++) {
        const Service *service = g_ptr_array_index(services, i);
        DurableState state = keeper_state_of(service);

        if (!durable->put_state(durable, service_id(service), &state, error))
            return false;
    }
    return true;
}

static void keeper_note_written(Keeper *keeper, GPtrArray *services)
{
    for (unsigned i = 0; i < services->len; i++) {
        Service *service = g_ptr_array_index(services, i);
        DurableState state = keeper_state_of(service);

        ServiceKept *kept = service_kept(service);

        kept->wanted = state.wanted;
        kept->failed_attempts = state.failed_attempts;
        kept->error_time = state.error_time;
        g_hash_table_remove(keeper->dirty, service);
    }
}

static void keeper_unref_service(void *service)
{
    service_unref(service);
}

static bool keeper_keeps(const Service *service)
{
    return service_about(service)->source != SOURCE_TRANSIENT && !service_is_deleting(service);
}

/* Nothing is to be written, but does the disk take anything? Something is, once more. */
static void keeper_add_probe(Keeper *keeper, GPtrArray *slice)
{
    Service *service = map_next(keeper->map, NULL);

    while (service != NULL && !keeper_keeps(service))
        service = map_next(keeper->map, service_id(service));
    if (service != NULL)
        g_ptr_array_add(slice, service_ref(service));
}

/* Some of those that are to be written. */
static GPtrArray *keeper_slice(Keeper *keeper)
{
    GPtrArray *slice = g_ptr_array_new_with_free_func(keeper_unref_service);
    GHashTableIter iter;
    void *service;

    g_hash_table_iter_init(&iter, keeper->dirty);
    while (slice->len < KEEPER_SLICE && g_hash_table_iter_next(&iter, &service, NULL)) {
        /* One that is being deleted has taken what was kept of it along. */
        if (map_find(keeper->map, service_id(service)) == service && keeper_keeps(service))
            g_ptr_array_add(slice, service_ref(service));
        else
            g_hash_table_iter_remove(&iter);
    }
    if (slice->len == 0 && *keeper->error != '\0')
        keeper_add_probe(keeper, slice);
    return slice;
}

/* False: the disk refuses. */
static bool keeper_flush_slice(Keeper *keeper)
{
    g_autoptr(GPtrArray) slice = keeper_slice(keeper);

    if (slice->len == 0 && *keeper->error == '\0')
        return true;
    if (!keeper_write(keeper, DURABLE_CRASH, keeper_write_states, slice, NULL))
        return false; /* keeper_write has said it */
    keeper_note_written(keeper, slice);
    return true;
}

static void on_keeper_flush(void *data)
{
    Keeper *keeper = data;

    if (keeper_flush_slice(keeper)) {
        keeper->retry_usec = KEEPER_RETRY_USEC;
        if (g_hash_table_size(keeper->dirty) > 0)
            keeper_arm(keeper, 0);
        return;
    }
    keeper_arm(keeper, keeper->retry_usec);
    keeper->retry_usec = MIN(2 * keeper->retry_usec, KEEPER_RETRY_MAX_USEC);
}

static void keeper_mark(Keeper *keeper, Service *service, uint64_t delay_usec)
{
    if (!g_hash_table_contains(keeper->dirty, service))
        g_hash_table_add(keeper->dirty, service_ref(service));
    keeper_arm(keeper, *keeper->error != '\0' ? keeper->retry_usec : delay_usec);
}

static void on_keeper_change(const Change *change, void *data)
{
    Keeper *keeper = data;

    if (keeper->frozen || change->type != CHANGE_UPDATE || !keeper_keeps(change->service))
        return;
    DurableState now = keeper_state_of(change->service);
    const ServiceKept *kept = service_kept(change->service);

    if (now.wanted != kept->wanted || now.error_time != kept->error_time)
        keeper_mark(keeper, change->service, KEEPER_SOON_USEC);
    else if (now.failed_attempts != kept->failed_attempts)
        keeper_mark(keeper, change->service, KEEPER_LAZY_USEC);
}

bool keeper_put_wanted(Durable *durable, const char *id, bool wanted, GError **error)
{
    DurableState state = {.wanted = wanted};

    return durable->put_state(durable, id, &state, error);
}

void keeper_note_wanted(Keeper *keeper, Service *service, bool wanted)
{
    ServiceKept *kept = service_kept(service);

    *kept = (ServiceKept){.wanted = wanted, .enabled = kept->enabled};
}

void keeper_note_unwritten(Keeper *keeper, Service *service)
{
    if (keeper->durable != NULL && !keeper->frozen)
        keeper_mark(keeper, service, KEEPER_LAZY_USEC);
}

/* The object */

Keeper *keeper_new(Map *map, Durable *durable)
{
    Keeper *keeper = g_new0(Keeper, 1);

    keeper->core = map_core(map);
    keeper->map = map;
    keeper->durable = durable;
    keeper->dirty = g_hash_table_new_full(NULL, NULL, keeper_unref_service, NULL);
    keeper->flush = timer_new(keeper->core->timers, on_keeper_flush, keeper);
    keeper->error = g_strdup("");
    keeper->retry_usec = KEEPER_RETRY_USEC;
    keeper->n_serials = KEEPER_SERIALS;
    if (durable != NULL)
        keeper->listener = feed_listen(keeper->core->feed, on_keeper_change, keeper);
    return keeper;
}

void keeper_free(Keeper *keeper)
{
    if (keeper == NULL)
        return;
    feed_unlisten(keeper->listener);
    feed_set_reserve(keeper->core->feed, 0, NULL, NULL);
    g_hash_table_unref(keeper->dirty);
    timer_free(keeper->flush);
    g_free(keeper->error);
    g_free(keeper);
}

void keeper_freeze(Keeper *keeper)
{
    if (keeper->frozen)
        return;
    keeper->frozen = true;
    timer_disarm(keeper->flush);
    while ((g_hash_table_size(keeper->dirty) > 0 || keeper->owes_serials) &&
           keeper_flush_slice(keeper))
        ;
    g_hash_table_remove_all(keeper->dirty);
}

const char *keeper_error(const Keeper *keeper)
{
    return keeper->error;
}

void keeper_listen(Keeper *keeper, void (*func)(void *data), void *data)
{
    keeper->on_error = func;
    keeper->on_error_data = data;
}

Durable *keeper_durable(Keeper *keeper)
{
    return keeper->durable;
}
