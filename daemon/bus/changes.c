/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signals of a change show the service as that change left it, although a listener before this
 * one may have moved it on: bus->told says so to the getters while they are written. */

#include "bus/changes.h"

#include "bus/emit.h"
#include "bus/figures.h"

struct Changes {
    Bus *bus;
    FeedListener *listener;
    GHashTable *dirty; /* id -> mask of the kind's properties */
    Timer *flush;
};

static void changes_flush_service(Changes *changes, const Service *service)
{
    const char *id = service_id(service);
    uint32_t mask = GPOINTER_TO_UINT(g_hash_table_lookup(changes->dirty, id));

    if (mask == 0)
        return;
    (void)g_hash_table_remove(changes->dirty, id); /* it is there */
    emit_kind_changed(changes->bus, service, mask);
}

static void on_changes_flush(void *data)
{
    Changes *changes = data;
    GHashTableIter iter;
    void *id, *mask;

    g_hash_table_iter_init(&iter, changes->dirty);
    while (g_hash_table_iter_next(&iter, &id, &mask)) {
        const Service *service = map_find(changes->bus->map, id);

        if (service != NULL)
            emit_kind_changed(changes->bus, service, GPOINTER_TO_UINT(mask));
    }
    g_hash_table_remove_all(changes->dirty);
}

static void on_changes_properties(Service *service, uint32_t mask, void *data)
{
    Changes *changes = data;
    const char *id = service_id(service);
    uint32_t before = GPOINTER_TO_UINT(g_hash_table_lookup(changes->dirty, id));

    if (service_kind(service)->interface == NULL || mask == 0)
        return;
    g_hash_table_replace(changes->dirty, g_strdup(id), GUINT_TO_POINTER(before | mask));
    if (!timer_is_armed(changes->flush))
        timer_arm(changes->flush, clock_monotonic_usec(changes->bus->clock));
}

static void changes_tell(Changes *changes, const Change *change)
{
    Bus *bus = changes->bus;
    Event event = event_from_change(change);

    switch (change->type) {
    case CHANGE_ADD:
        emit_service_added(bus, change->service);
        break;
    case CHANGE_UPDATE:
        changes_flush_service(changes, change->service);
        emit_service_changed(bus, change->service, change->old_state, change->new_state);
        break;
    case CHANGE_REMOVE:
        (void)g_hash_table_remove(changes->dirty, service_id(change->service)); /* if it is there */
        emit_service_removed(bus, change->service);
        break;
    case CHANGE_EVENT:
        break;
    case _CHANGE_MAX:
    case _CHANGE_INVALID:
        g_assert_not_reached();
    }
    emit_event(bus, &event);
}

static void on_changes_change(const Change *change, void *data)
{
    Changes *changes = data;
    Bus *bus = changes->bus;

    bus->told = change->service;
    bus->told_state = change->new_state;
    changes_tell(changes, change);
    bus->told = NULL;
    bus->told_state = NULL;
    figures_note(bus->figures);
}

Changes *changes_new(Bus *bus)
{
    Feed *feed = map_core(bus->map)->feed;
    Changes *changes = g_new0(Changes, 1);

    changes->bus = bus;
    changes->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    changes->flush = timer_new(bus->timers, on_changes_flush, changes);
    changes->listener = feed_listen_all(feed, on_changes_change, changes);
    feed_listen_properties(feed, on_changes_properties, changes);
    return changes;
}

void changes_free(Changes *changes)
{
    if (changes == NULL)
        return;
    feed_unlisten(changes->listener);
    feed_listen_properties(map_core(changes->bus->map)->feed, NULL, NULL);
    timer_free(changes->flush);
    g_hash_table_unref(changes->dirty);
    g_free(changes);
}
