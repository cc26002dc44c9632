/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client that watches and never acts: it subscribes, takes a snapshot, and holds every signal
 * against what it knows. What it asserts of each:
 *   - Events are numbered without a gap.
 *   - Each is announced by exactly one signal right before it: a Transition by a PropertiesChanged
 *     with its serial, a Created by InterfacesAdded, a Deleted by InterfacesRemoved, all of the
 *     service that it names, and nothing else announces.
 *   - A transition begins in the state in which the one before ended, and is a move that there is.
 *   - PropertiesChanged has nothing that was so before, and LastTransition says what the Event
 * says.
 *   - In every state the properties that follow from it are so.
 *   - What came and goes was not there, was there, with all its interfaces.
 * Every STORM_SNAPSHOT_EVENTS it takes another snapshot, in the middle of everything, which must be
 * what it knows already. It keeps the Events, and asks with GetEvents for the same ones. */

#include "storm-model.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#define STORM_SNAPSHOT_EVENTS 600
#define STORM_REPLAY_EVENTS 700

typedef struct StormObserver {
    char *name;
    uint64_t born_usec; /* monotonic */
    sd_bus *bus;
    const char *destination; /* NULL on a private socket */
    StormModel *model;       /* NULL until the snapshot has come */
    StormTable *manager;     /* its properties */
    GPtrArray *events;       /* texts of the Events, in order */
    uint64_t first_serial;   /* of events; 0: none yet */
    GPtrArray *replayed;     /* texts of the same by GetEvents, from the same on */
    bool is_asking;          /* a snapshot is under way */
    bool is_replaying;
    unsigned n_snapshots; /* that were compared */
    unsigned n_transitions;
    /* What has announced an event that has not come yet. */
    const char *announced; /* type of the event; NULL: nothing */
    char *announced_path;
    char *announced_from; /* the state before */
} StormObserver;

/* Of a bus, or of the private socket if destination is NULL. */
StormObserver *storm_observer_new(const char *name, const char *address, const char *destination,
                                  sd_event *event);
void storm_observer_free(StormObserver *observer);
/* Asks for a snapshot; n_snapshots grows when it has come and was right. */
void storm_observer_ask(StormObserver *observer);
/* Asks for the events that were not replayed yet. */
void storm_observer_replay(StormObserver *observer);
uint64_t storm_observer_last_serial(const StormObserver *observer);
/* The Events were the same as replayed ones, so far as both go. */
void storm_observer_check_replayed(const StormObserver *observer);
/* Both have seen the same Events, those of other from its first one on. */
void storm_observer_check_same(const StormObserver *observer, const StormObserver *other);
