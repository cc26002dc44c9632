/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last EVENTS_KEPT changes in compact form, for clients that were away for a while. Listens to
 * the feed itself. */

#include "core/feed.h"
#include "core/service.h"

#define EVENTS_KEPT 4096

typedef struct Event {
    uint64_t serial;
    uint64_t time;
    const char *name; /* of a CHANGE_EVENT, static; else NULL */
    ChangeType type : 8;
    State from : 8; /* for ADD and EVENT: _STATE_INVALID */
    State to : 8;   /* for REMOVE and EVENT: _STATE_INVALID */
    Cause cause : 8;
    const char *method; /* static, or NULL */
    Caller *caller;     /* or NULL */
    char *id;           /* of the service, or the subject; a GRefString */
    char *error;        /* the message when the change set one, or NULL */
} Event;

typedef struct Events Events;
Events *events_new(Feed *feed);
void events_free(Events *events); /* accepts NULL; before the feed */
/* Serials of the oldest and newest kept; oldest = newest + 1 when there is none. */
uint64_t events_oldest(const Events *events);
uint64_t events_newest(const Events *events);
/* The event with that serial, or NULL. Borrowed until the next change. */
const Event *events_find(const Events *events, uint64_t serial);
/* "Created", "Transition", "Deleted", or the name of what happened in the daemon's life. */
const char *event_type(const Event *event);
/* What an event of this change is, on the stack of the caller: strings are borrowed from the
 * change. */
Event event_from_change(const Change *change);
