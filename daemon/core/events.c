/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring that grows to its full size as events come. Serials are gap-free, so an event is found by
 * arithmetic. */

#include "core/events.h"

struct Events {
    Feed *feed;
    FeedListener *listener;
    Event *ring;
    size_t size;
    size_t count;
    uint64_t next; /* serial of the next event */
};

static void event_clear(Event *event)
{
    g_clear_pointer(&event->id, g_ref_string_release);
    g_clear_pointer(&event->error, g_free);
    g_clear_pointer(&event->caller, caller_unref);
}

Event event_from_change(const Change *change)
{
    if (change->type == CHANGE_EVENT)
        return (Event){
                .serial = change->serial,
                .time = change->time,
                .name = change->event,
                .type = CHANGE_EVENT,
                .from = _STATE_INVALID,
                .to = _STATE_INVALID,
                .id = change->subject,
                .error = change->error,
        };
    const StateRecord *old = change->old_state;
    const StateRecord *new = change->new_state;
    bool failed =
            change->type != CHANGE_REMOVE && new->error != NULL &&
            (old == NULL || old->error == NULL || old->last_error_time != new->last_error_time);
    return (Event){
            .serial = change->serial,
            .time = change->time,
            .type = change->type,
            .from = old != NULL ? old->state : _STATE_INVALID,
            .to = change->type == CHANGE_REMOVE ? _STATE_INVALID : new->state,
            .cause = change->cause,
            .method = change->method,
            .caller = change->caller,
            .id = (char *)service_id(change->service),
            .error = failed ? new->error->message : NULL,
    };
}

/* Serial n stands at n % size, in every size, so growing moves each to its new place. */
static void events_grow(Events *events)
{
    size_t size = events->size == 0 ? 64 : events->size * 2;
    Event *ring = g_new0(Event, size);
    for (uint64_t serial = events->next - events->count; serial < events->next; serial++)
        ring[serial % size] = events->ring[serial % events->size];
    g_free(events->ring);
    events->ring = ring;
    events->size = size;
}

static void events_on_change(const Change *change, void *data)
{
    Events *events = data;
    g_assert(change->serial == events->next);
    if (events->count == events->size && events->size < EVENTS_KEPT)
        events_grow(events);
    Event *slot = &events->ring[change->serial % events->size];
    if (events->count == events->size)
        event_clear(slot);
    else
        events->count++;
    *slot = event_from_change(change);
    slot->id = g_ref_string_acquire(slot->id);
    slot->error = g_strdup(slot->error);
    if (slot->caller != NULL)
        caller_ref(slot->caller);
    events->next++;
}

Events *events_new(Feed *feed)
{
    Events *events = g_new0(Events, 1);
    events->feed = feed;
    events->next = feed_serial(feed) + 1;
    events->listener = feed_listen_all(feed, events_on_change, events);
    return events;
}

void events_free(Events *events)
{
    if (events == NULL)
        return;
    feed_unlisten(events->listener);
    for (size_t i = 0; i < events->size; i++)
        event_clear(&events->ring[i]);
    g_free(events->ring);
    g_free(events);
}

uint64_t events_oldest(const Events *events)
{
    return events->next - events->count;
}

uint64_t events_newest(const Events *events)
{
    return events->next - 1;
}

const Event *events_find(const Events *events, uint64_t serial)
{
    if (serial < events_oldest(events) || serial > events_newest(events))
        return NULL;
    return &events->ring[serial % events->size];
}

const char *event_type(const Event *event)
{
    return event->name != NULL ? event->name : change_type_to_string(event->type);
}
