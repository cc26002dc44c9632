/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The world of one history: the real core and map on virtual time, whose turns of the loop come one
 * by one when a step says so, and what the simulation knows about each service: an Actor.
 *
 * An actor has two halves. One is as of the last call: what the kind has under way and what was
 * asked for. The other is as of the last change that was told, which comes later when a call was
 * made from inside a callback. A call that changes something announces the change with the serial
 * that it must get (world_expect); a change that nobody announced can only come from a timer. */

#include "base/virtual.h"
#include "core/events.h"
#include "core/map.h"
#include "history.h"
#include "seen.h"

#define ACTOR_STARTS 64
#define ACTOR_RESETS 16

typedef struct Actor {
    unsigned refs;
    Service *service; /* borrowed: present, or alive with its instance */

    /* As of the last call. */
    ApplyContext *context; /* the last one begun, a reference */
    bool open;             /* an apply or reload is under way */
    bool reloading;        /* and it is a reload */
    bool spent;            /* ended by the kind's own report of something else */
    bool running;
    bool ending;
    bool stop_asked; /* by the kind's stop */
    bool doomed;     /* BREAK_STUCK */
    Plan apply_plan;
    Plan stop_plan;
    int profile;       /* of the configuration accepted last; -1: none */
    bool wanted;       /* while stopping: what follows */
    bool unkillable;   /* something survived */
    bool stop_pending; /* core asked for a stop that is not done */
    uint64_t stop_turn;
    uint64_t cancel_turn;
    bool deleting;
    bool broken;
    const char *sub_state; /* set, and not yet told; or NULL */
    bool sub_state_same;   /* it was told before: it may be told with the next move, or not */
    uint64_t resets[ACTOR_RESETS]; /* serials: starts up to there are forgotten */
    unsigned n_resets;

    /* As of the last change told. */
    bool present;
    Seen seen;
    int told_profile;
    bool labelled;
    uint64_t retry_due; /* monotonic; 0: none */
    uint64_t stable_due;
    struct {
        uint64_t usec;
        uint64_t serial;
    } starts[ACTOR_STARTS];
    uint64_t n_starts;
    HistoryEntry moves[SERVICE_HISTORY];
    uint64_t n_moves;
    bool touched;
} Actor;

typedef enum ExpectedType {
    EXPECT_NOTHING,
    EXPECT_ADD,
    EXPECT_UPDATE,
    EXPECT_REMOVE,
} ExpectedType;

typedef struct Expectation {
    uint64_t serial;
    ExpectedType type;
    const Service *service; /* NULL: not known before it is told */
    unsigned states;        /* a bit for each that may follow */
    Cause cause;
    int profile; /* of a configuration, or -1 */
} Expectation;
#define EXPECTATIONS 256

typedef struct Birth {
    int profile;
    bool start;
    bool broken;
    bool labelled;
    Plan apply_plan;
    Plan stop_plan;
} Birth;

typedef struct Waiter {
    bool called;
    bool forgotten;
} Waiter;

typedef struct Mirror Mirror;
#define N_MIRRORS 4

typedef struct World {
    const WorldSpec *spec;
    bool thorough; /* check everything after each step */
    bool tells;    /* what happens, on standard output */
    VirtualLoop *loop;
    void (*defer)(TimerHost *host, TimerFunc func, void *data); /* the virtual loop's own */
    RandomSeeded random;
    Random few; /* the same, but minted ids are among few */
    Core *core;
    Map *map;
    Events *events;
    FeedListener *witness;
    GQueue turns; /* what was deferred */
    uint64_t n_turns;
    unsigned n_applies;  /* begun in this turn */
    GHashTable *actors;  /* Service -> Actor */
    GPtrArray *touched;  /* of Actor, references */
    ApplyContext *spent; /* of a service that may be gone */
    Birth birth;         /* of the service that is being created */
    char **ids;          /* of each slot */
    char *configs[N_PROFILES];
    Caller *callers[2];
    GHashTable *labels;
    Expectation expected[EXPECTATIONS];
    bool reacting; /* inside a callback */
    bool settled;  /* there is nothing to do now */
    bool ends;     /* nobody reacts any more */
    GPtrArray *waiters;
    Mirror *mirrors[N_MIRRORS];
    uint64_t told; /* serial */
    MapCounts counts;
    unsigned n_of_kind[2];
    uint64_t n_created;
    uint64_t n_removed;
    unsigned n_retries; /* timers that must be armed */
    unsigned n_stables;
    unsigned n_instances;
    unsigned n_checks;
    unsigned n_draws; /* of few ids */
    const Service *properties_told;
} World;

extern const Kind kind_sim[2]; /* "sim" and "other" */

World *world_new(const WorldSpec *spec, bool thorough, bool tells);
/* Everything must be at rest. */
void world_free(World *world);
/* The one that was made last: there is one at a time. */
World *world_current(void);
uint64_t world_now(const World *world);
uint64_t world_wall(const World *world);

/* One turn of the loop; false: there was nothing to do. */
bool world_turn(World *world);
void world_settle(World *world);
/* lazy: timers fire, and nothing else gets its turn. */
void world_pass(World *world, uint64_t usec, bool lazy);

/* The service in a slot, or NULL. */
Service *world_find(World *world, unsigned slot);
/* What is known of it; made with the birth under way when it is new. */
Actor *world_actor(World *world, Service *service);
Actor *world_find_actor(World *world, const Service *service); /* or NULL */
void world_forget_actor(World *world, Service *service);
void world_touch(World *world, Actor *actor);
Actor *actor_ref(Actor *actor);
void actor_unref(Actor *actor);

/* The next change must be this one. */
Expectation *world_expect(World *world, ExpectedType type, const Service *service, unsigned states,
                          Cause cause);
/* It was refused, or made no change: nothing may have been told. */
void world_expect_nothing(World *world, Expectation *expectation, const char *what);
void world_expect_done(World *world, const Expectation *expectation, const char *what);
G_GNUC_PRINTF(2, 3) void world_tell(const World *world, const char *format, ...);
