/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The feed: every change of everything that can be watched, numbered 1, 2, 3, ... without a gap,
 * told to each listener in this order. Whoever changes something from inside a callback makes a
 * later change: it is queued and told to all after the present one. A listener starts exactly after
 * the last serial that was given when it came, also when that one has not been told to everybody
 * yet. */

#include "base/clock.h"
#include "base/listeners.h"
#include "core/state.h"

typedef struct Service Service;
typedef struct Feed Feed;
typedef struct FeedListener FeedListener;

typedef enum ChangeType {
    CHANGE_ADD,
    CHANGE_UPDATE,
    CHANGE_REMOVE,
    CHANGE_EVENT, /* something of the daemon's own life; told only to who asked for everything */
    _CHANGE_MAX,
    _CHANGE_INVALID = -22,
} ChangeType;
ENUM_TABLE_DECLARE(ChangeType, change_type); /* "Created", "Transition", "Deleted", "Event" */

typedef struct Change {
    uint64_t serial;
    uint64_t time; /* wall clock usec */
    ChangeType type;
    Service *service;             /* alive during the callback; after REMOVE only as a husk */
    const StateRecord *old_state; /* NULL for ADD */
    const StateRecord *new_state; /* for REMOVE the last one */
    /* For EVENT, where the three above are NULL. */
    const char *event; /* its name, static: the type of the signal Event */
    char *subject;     /* what it is about, a GRefString: a service's id, a hook's name, or "" */
    char *error;       /* or NULL */
    /* For ADD and REMOVE: who; UPDATE has it in new_state. */
    Cause cause;
    const char *method;
    Caller *caller;
} Change;
typedef void (*ChangeFunc)(const Change *change, void *data);

/* The kind's own properties of a service changed; not numbered, told at once. */
typedef void (*PropertiesFunc)(Service *service, uint32_t mask, void *data);

Feed *feed_new(Clock *clock, uint64_t first_serial);
void feed_free(Feed *feed); /* accepts NULL; listeners are dropped */

/* The serial that was given last; first_serial - 1 before the first. */
uint64_t feed_serial(const Feed *feed);

FeedListener *feed_listen(Feed *feed, ChangeFunc func, void *data);
/* The same, with CHANGE_EVENT. */
FeedListener *feed_listen_all(Feed *feed, ChangeFunc func, void *data);
/* time: wall clock usec. subject and error may be NULL. */
void feed_publish_event(Feed *feed, const char *event, uint64_t time, const char *subject,
                        const char *error);
/* Serials up to limit are reserved, so that no later run of the daemon gives them again; before the
 * next one is given, reserve is called with it and returns a new limit, at least that. Without this
 * call every serial may be given. */
typedef uint64_t (*FeedReserve)(uint64_t serial, void *data);
void feed_set_reserve(Feed *feed, uint64_t limit, FeedReserve reserve, void *data);
/* Also for the handles of service_listen. Accepts NULL. From inside any callback too. */
void feed_unlisten(FeedListener *listener);
void feed_listen_properties(Feed *feed, PropertiesFunc func,
                            void *data); /* one listener: the bus */

/* For service.c: takes the next serial, writes it (and the time) into the record new_state, and
 * tells. */
void feed_publish(Feed *feed, ChangeType type, Service *service, const StateRecord *old_state,
                  StateRecord *new_state, const Origin *origin);
void feed_tell_properties(Feed *feed, Service *service, uint32_t mask);
/* Like feed_listen, for the changes of one service, which it keeps alive: see service_listen. */
FeedListener *feed_listen_to(Feed *feed, Service *service, ChangeFunc func, void *data);
