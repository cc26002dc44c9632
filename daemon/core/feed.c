/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes are queued and told one after the other, never one inside the other. A service's own
 * listeners hear of a change after those of the whole feed, so that whoever answers a caller does
 * it when the change has been signalled. */

#include "core/feed.h"

#include "core/service.h"

static const char *const change_type_names[_CHANGE_MAX] = {
        [CHANGE_ADD] = "Created",
        [CHANGE_UPDATE] = "Transition",
        [CHANGE_REMOVE] = "Deleted",
        [CHANGE_EVENT] = "Event",
};
ENUM_TABLE_DEFINE(ChangeType, change_type, change_type_names)

struct Feed {
    Clock *clock;
    uint64_t serial;
    uint64_t limit;
    FeedReserve reserve; /* or NULL */
    void *reserve_data;
    Listeners *listeners;
    GQueue pending; /* of Change, with references */
    bool telling;
    PropertiesFunc on_properties;
    void *properties_data;
};

struct FeedListener {
    Listener *listener;
    Service *service; /* a reference, or NULL: of the whole feed */
    uint64_t after;
    bool wants_events;
    ChangeFunc func;
    void *data;
};

Feed *feed_new(Clock *clock, uint64_t first_serial)
{
    g_assert(first_serial >= 1);
    Feed *feed = g_new0(Feed, 1);
    feed->clock = clock;
    feed->serial = first_serial - 1;
    feed->listeners = listeners_new();
    g_queue_init(&feed->pending);
    return feed;
}

void feed_free(Feed *feed)
{
    if (feed == NULL)
        return;
    g_assert(g_queue_is_empty(&feed->pending));
    listeners_free(feed->listeners);
    g_free(feed);
}

uint64_t feed_serial(const Feed *feed)
{
    return feed->serial;
}

static void feed_on_notify(const void *event, void *data)
{
    const Change *change = event;
    FeedListener *listener = data;
    if (change->serial > listener->after &&
        (change->type != CHANGE_EVENT || listener->wants_events))
        listener->func(change, listener->data);
}

static FeedListener *feed_add(Feed *feed, Listeners *list, Service *service, ChangeFunc func,
                              void *data)
{
    FeedListener *listener = g_new0(FeedListener, 1);
    listener->service = service;
    listener->after = feed->serial;
    listener->func = func;
    listener->data = data;
    listener->listener = listeners_add(list, feed_on_notify, listener);
    return listener;
}

FeedListener *feed_listen(Feed *feed, ChangeFunc func, void *data)
{
    return feed_add(feed, feed->listeners, NULL, func, data);
}

FeedListener *feed_listen_all(Feed *feed, ChangeFunc func, void *data)
{
    FeedListener *listener = feed_listen(feed, func, data);
    listener->wants_events = true;
    return listener;
}

void feed_set_reserve(Feed *feed, uint64_t limit, FeedReserve reserve, void *data)
{
    feed->limit = limit;
    feed->reserve = reserve;
    feed->reserve_data = data;
}

static uint64_t feed_next_serial(Feed *feed)
{
    uint64_t serial = feed->serial + 1;
    if (feed->reserve != NULL && serial > feed->limit)
        feed->limit = feed->reserve(serial, feed->reserve_data);
    return feed->serial = serial;
}

FeedListener *feed_listen_to(Feed *feed, Service *service, ChangeFunc func, void *data)
{
    return feed_add(feed, service_listeners(service), service_ref(service), func, data);
}

void feed_unlisten(FeedListener *listener)
{
    if (listener == NULL)
        return;
    listener_remove(listener->listener);
    service_unref(listener->service);
    g_free(listener);
}

void feed_listen_properties(Feed *feed, PropertiesFunc func, void *data)
{
    g_assert(feed->on_properties == NULL || func == NULL);
    feed->on_properties = func;
    feed->properties_data = data;
}

void feed_tell_properties(Feed *feed, Service *service, uint32_t mask)
{
    if (feed->on_properties != NULL)
        feed->on_properties(service, mask, feed->properties_data);
}

static void feed_change_free(Change *change)
{
    state_record_unref(change->old_state);
    state_record_unref(change->new_state);
    caller_unref(change->caller);
    service_unref(change->service);
    g_clear_pointer(&change->subject, g_ref_string_release);
    g_free(change->error);
    g_free(change);
}

static void feed_tell(Feed *feed)
{
    if (feed->telling)
        return;
    feed->telling = true;
    for (Change *change; (change = g_queue_pop_head(&feed->pending)) != NULL;) {
        (void)listeners_notify(feed->listeners, change); /* nobody frees the feed meanwhile */
        if (change->service != NULL && service_has_listeners(change->service))
            (void)listeners_notify(service_listeners(change->service), change);
        feed_change_free(change);
    }
    feed->telling = false;
}

void feed_publish(Feed *feed, ChangeType type, Service *service, const StateRecord *old_state,
                  StateRecord *new_state, const Origin *origin)
{
    Change *change = g_new0(Change, 1);
    change->serial = feed_next_serial(feed);
    change->time = type == CHANGE_UPDATE ? new_state->time : clock_wall_usec(feed->clock);
    change->type = type;
    change->service = service_ref(service);
    change->cause = origin->cause;
    change->method = origin->method;
    change->caller = origin->caller != NULL ? caller_ref(origin->caller) : NULL;
    if (type != CHANGE_REMOVE) {
        new_state->serial = change->serial;
        new_state->time = change->time;
    }
    change->old_state = old_state != NULL ? state_record_ref(old_state) : NULL;
    change->new_state = state_record_ref(new_state);
    g_queue_push_tail(&feed->pending, change);
    feed_tell(feed);
}

void feed_publish_event(Feed *feed, const char *event, uint64_t time, const char *subject,
                        const char *error)
{
    Change *change = g_new0(Change, 1);
    change->serial = feed_next_serial(feed);
    change->time = time;
    change->type = CHANGE_EVENT;
    change->event = event;
    change->subject = g_ref_string_new(subject != NULL ? subject : "");
    change->error = g_strdup(error);
    g_queue_push_tail(&feed->pending, change);
    feed_tell(feed);
}
