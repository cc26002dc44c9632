/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A history is data: the world that it happens in and a list of steps, all made from one number. So
 * it can be played again, cut and simplified until only what matters is left. A step means the same
 * whatever stands around it, or nothing if there is nothing that it could act on. */

#include "base/random.h"
#include "core/map.h"
#include "core/restart.h"

typedef struct Game Game;

typedef enum Op {
    OP_CREATE,
    OP_DELETE,
    OP_FORGET,
    OP_START,
    OP_STOP,
    OP_RESTART,
    OP_RELOAD,
    OP_RESET,
    OP_CONFIGURE,
    OP_APPLY_OK,
    OP_APPLY_FAIL,
    OP_RELOADING,
    OP_ENDING,
    OP_END,
    OP_STOP_DONE,
    OP_UNKILLABLE,
    OP_LATE,
    OP_PLAN,
    OP_SUB_STATE,
    OP_PROPERTIES,
    OP_JOIN,
    OP_LEAVE,
    OP_TURN,
    OP_SETTLE,
    OP_TIME,
    OP_LAZY_TIME,
    OP_WALL,
    OP_REST,
    _OP_MAX,
} Op;

/* What a and b mean stands with each operation in history.c; 0 is the simplest always. */
typedef struct Step {
    unsigned op;   /* Op, or what the game calls an operation */
    unsigned slot; /* of the service */
    uint32_t a;
    uint32_t b;
} Step;

/* Bits of OP_CREATE's a. */
typedef enum CreateBits {
    CREATE_START = 1 << 0,
    CREATE_CONFIG = 1 << 1,
    CREATE_OTHER_KIND = 1 << 2,
    CREATE_LABELS = 1 << 3,
    CREATE_NO_ID = 1 << 4,
    CREATE_BAD_ID = 1 << 5,
    CREATE_UNKNOWN_KIND = 1 << 6,
    CREATE_BAD_CONFIG = 1 << 7,
    CREATE_BROKEN = 1 << 8,
    CREATE_AT_STARTUP = 1 << 9,
} CreateBits;

/* How an apply, or a stop, comes out; PLAN_LATER leaves it to a step. */
typedef enum Plan {
    PLAN_LATER,
    PLAN_OK,
    PLAN_FAIL,
    PLAN_ABORT, /* a stop: unkillable */
    _PLAN_MAX,
} Plan;

/* A configuration, of which there are some in each world. */
typedef struct Profile {
    RestartMode mode;
    uint64_t initial_usec;
    uint64_t factor;
    uint64_t min_usec; /* USEC_INFINITY: not given */
    uint64_t max_usec;
    unsigned max_attempts;
    bool jitter; /* 0.5 */
    uint64_t stable_usec;
    unsigned burst; /* in 10 s */
    bool reload;
} Profile;
#define N_PROFILES 8
#define PREVENTED_EXIT 7 /* in the profiles with an odd number */
#define FORCED_EXIT 9    /* likewise */

/* What is wrong on purpose in what the simulation itself brings, to see it found. */
typedef enum Break {
    BREAK_NONE,
    BREAK_DEAF_LISTENER, /* misses changes of the sub-state */
    BREAK_GHOST,         /* something still runs after a failed apply */
    BREAK_STUCK,         /* a stop that began during an apply never ends */
    _BREAK_MAX,
    _BREAK_INVALID = -22,
} Break;
ENUM_TABLE_DECLARE(Break, break);

typedef struct WorldSpec {
    uint64_t seed; /* of the delays' jitter and minted ids */
    IdRule id_rule;
    bool immutable;
    bool few_ids; /* minting finds taken ones */
    unsigned max_services;
    unsigned n_slots;
    uint64_t first_serial;
    Profile profiles[N_PROFILES];
    Break broken;
} WorldSpec;

/* The world of a game of nets; see net.h. */
typedef struct NetSpec {
    unsigned n_slots;
    unsigned max_starting; /* 0: no limit */
    int broken;            /* NetBreak */
} NetSpec;

typedef struct History {
    uint64_t number;
    const Game *game;
    WorldSpec world;
    NetSpec net; /* of the game of nets, which needs nothing of the world but its seed */
    Step *steps;
    size_t n_steps;
} History;

/* What is played: where its histories come from, and what becomes of them. */
struct Game {
    const char *name;
    /* The history of that number in the run with that seed. n_slots 0: random. */
    History *(*draw)(uint64_t seed, uint64_t number, unsigned n_slots, int broken);
    void (*play)(const History *history, unsigned flags); /* see play.h */
    /* A step, and the world, for people; the caller's. */
    char *(*step_to_string)(const History *history, const Step *step);
    char *(*world_to_string)(const History *history);
    void (*simplify_world)(History *history); /* as plain as a world can be */
    unsigned settle;                          /* the operation that lets all happen that is due, */
    uint64_t may_settle;                      /* and a bit for each that it might do for */
    int (*break_from_string)(const char *name); /* negative: there is none of that name */
};
extern const Game game_services; /* services that have nothing to do with each other */
extern const Game game_net;      /* services that depend on each other: net.h */

/* Numbers that follow from both, as good as random. */
void history_seed(RandomSeeded *random, uint64_t seed, uint64_t number);
History *history_copy(const History *history, size_t n_steps);
void history_free(History *history); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(History, history_free)

/* The JSON text of a profile, and what to expect of it. */
char *profile_text(const Profile *profile, unsigned number);
bool profile_prevents(unsigned number);
void profile_delay(const Profile *profile, unsigned attempt, uint64_t *ret_least,
                   uint64_t *ret_most);
/* Starts in 10 s; 0: any number. */
unsigned profile_burst(const Profile *profile);
/* One of some texts that no configuration may be. */
const char *bad_config(uint32_t which);
