/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The game of nets: services that depend on each other, as the real core runs them in virtual time,
 * beside a model that was written from the documentation alone. A slot is the place of an id; slots
 * behind the last are ids that nobody ever has. What core's record of a service says is read where
 * it stands; what it should say is worked out anew (net-model.c). */

#include "base/virtual.h"
#include "core/batch.h"
#include "core/map.h"
#include "history.h"

typedef enum NetOp {
    NET_CREATE,
    NET_DELETE,
    NET_CONFIGURE,
    NET_START,
    NET_STOP,
    NET_RESTART,
    NET_RESET,
    NET_APPLY_OK,
    NET_APPLY_FAIL,
    NET_ENDING,
    NET_END,
    NET_STOP_DONE,
    NET_UNKILLABLE,
    NET_PLAN,
    NET_FORCE,
    NET_REACT,
    NET_BATCH,
    NET_ALL_OK,
    NET_TURN,
    NET_SETTLE,
    NET_TIME,
    NET_LAZY_TIME,
    NET_REST,
    _NET_OP_MAX,
} NetOp;

/* What must hold. The numbers are those of the list of invariants. */
typedef enum NetRule {
    NET_RULE_RECORD,
    NET_RULE_RUNS,
    NET_RULE_SERIALS,
    NET_RULE_COUNTS,
    NET_RULE_START_ORDER,
    NET_RULE_REQUIRED,
    NET_RULE_STOP_ORDER,
    NET_RULE_CONFLICT,
    NET_RULE_SLOTS,
    NET_RULE_WAITING,
    NET_RULE_WAITING_FOR,
    NET_RULE_BLOCKED,
    NET_RULE_LISTS,
    NET_RULE_REQUIRED_BY,
    NET_RULE_NODES,
    NET_RULE_PULL,
    NET_RULE_REASON,
    NET_RULE_PART_OF,
    NET_RULE_KEEP_UP_EARLY,
    NET_RULE_KEEP_UP_LATE,
    NET_RULE_REFUSALS,
    NET_RULE_CYCLES,
    NET_RULE_SETTLES,
    NET_RULE_BATCHES,
    _NET_RULE_MAX,
} NetRule;

/* What is wrong on purpose: mostly, what core is told lacks something that the model believes. In
 * such a run one rule counts, which must be found broken. */
typedef enum NetBreak {
    NET_BREAK_NONE,
    NET_BREAK_START_ORDER,
    NET_BREAK_REQUIRED,
    NET_BREAK_STOP_ORDER,
    NET_BREAK_CONFLICT,
    NET_BREAK_SLOTS,
    NET_BREAK_WAITING_FOR,
    NET_BREAK_BLOCKED,
    NET_BREAK_REQUIRED_BY,
    NET_BREAK_NODES,
    NET_BREAK_PULL,
    NET_BREAK_PART_OF,
    NET_BREAK_GRACE_LESS,
    NET_BREAK_GRACE_MORE,
    NET_BREAK_CYCLES,
    NET_BREAK_STUCK,
    _NET_BREAK_MAX,
    _NET_BREAK_INVALID = -22,
} NetBreak;
ENUM_TABLE_DECLARE(NetBreak, net_break);

/* Configurations. They stand in a step's a and b: four edges, each a relation and a slot, and some
 * bits. */
#define NET_SLOTS_MAX 1000
#define NET_MISSING 2 /* ids of which there never is a service */
#define NET_EDGES 4
#define NET_ROW 8 /* slots that one edge of the last code requires */
#define NET_LIST_MAX (NET_EDGES * NET_ROW)
#define NET_RELATIONS RELATION_MEMBERS /* those before it */

typedef struct NetList {
    unsigned n;
    unsigned slots[NET_LIST_MAX];
} NetList;

typedef struct NetConfig {
    NetList lists[NET_RELATIONS]; /* sorted by when they were drawn, none twice */
    uint64_t grace_usec;          /* USEC_INFINITY: no keep_up */
    unsigned policy;
} NetConfig;

typedef enum NetPolicy {
    NET_POLICY_NO,
    NET_POLICY_ON_FAILURE,
    NET_POLICY_ALWAYS,
    NET_POLICY_TWICE,
    _NET_POLICY_MAX,
} NetPolicy;

/* Bits of b of NET_CREATE. */
#define NET_CREATE_START (1U << 26)
#define NET_CREATE_AT_STARTUP (1U << 27)
#define NET_CREATE_NO_CONFIG (1U << 28)
#define NET_CREATE_APPLY_LATER (1U << 29)
#define NET_CREATE_APPLY_FAILS (1U << 30)
#define NET_CREATE_STOP_LATER (1U << 31)

NetConfig net_config_of(const NetSpec *spec, uint32_t a, uint32_t b);
/* As JSON, as core is told it; the caller's. */
char *net_config_text(const NetSpec *spec, const NetConfig *config);

extern const char *const net_rule_names[_NET_RULE_MAX];
typedef struct NetBreakRow {
    NetRule rule;
    int lost; /* the Relation that core is not told of, or -1 */
} NetBreakRow;
extern const NetBreakRow net_breaks[_NET_BREAK_MAX];

/* The world */

typedef enum NetTaken {
    NET_TAKEN_NOT,
    NET_TAKEN_START = 1 << 0,
    NET_TAKEN_STOP = 1 << 1,
    NET_TAKEN_KEEP = 1 << 2, /* it is up and has to stay */
} NetTaken;

typedef struct NetActor {
    unsigned slot;
    char *id;
    Service *service; /* borrowed; NULL: there is none */
    NetConfig config;
    GArray *in[NET_RELATIONS]; /* of slots: whose lists name it */

    /* The kind's. */
    ApplyContext *context; /* the last one begun, a reference */
    bool open;             /* an apply is under way */
    bool busy;             /* something of it may run */
    bool running;
    bool ending;
    bool ends_badly;
    bool stop_asked;
    bool unkillable;
    Plan apply_plan;
    Plan stop_plan;

    /* The model's. */
    bool deleting;
    unsigned taken;              /* NetTaken: by the request that is being made */
    Follow must_follow;          /* what it is part of has moved, and it has not followed yet */
    bool may_follow;             /* it was configured meanwhile: it may still follow, or not */
    uint64_t away[NET_LIST_MAX]; /* since when what it requires is away while it is up */
    bool loose; /* it was configured meanwhile, or nobody looked: its grace is left open */
    unsigned mark;
    bool is_new;     /* nobody may have looked yet whether somebody waits for it */
    uint64_t queued; /* serial of the change since which it waits for a place; 0: it does not */
    uint64_t queued_first; /* the same, if it has kept the place that it had */
    bool forced;           /* its stop waits for nobody */
} NetActor;

/* What somebody who hears of a change does from inside. */
typedef struct NetReaction {
    bool armed;
    unsigned countdown;
    unsigned slot;
    unsigned what;
} NetReaction;

typedef struct NetWorld {
    const History *history;
    const NetSpec *spec;
    bool thorough;
    bool tells;
    VirtualLoop *loop;
    RandomSeeded random;
    Core *core;
    Map *map;
    FeedListener *witness;
    GQueue turns;
    uint64_t n_turns;
    NetActor *actors;
    unsigned n_actors;     /* the missing ones, too */
    NetConfig next_config; /* of the configuration that is being accepted */
    uint64_t told;
    unsigned n_starting;
    unsigned mark;
    uint64_t n_checks;
    NetReaction reaction;
    uint64_t n_reactions;
    uint64_t excused;   /* serial: what came up to there was asked for from inside a callback */
    GPtrArray *batches; /* of NetBatch, those that are not done */
} NetWorld;

NetWorld *net_world_new(const History *history, unsigned flags);
/* Everything must have been deleted. */
void net_world_free(NetWorld *world);
NetWorld *net_world_current(void);
uint64_t net_world_now(const NetWorld *world);
bool net_world_turn(NetWorld *world); /* false: there was nothing to do */
void net_world_settle(NetWorld *world);
void net_world_pass(NetWorld *world, uint64_t usec);
/* Timers fire, and nothing else gets its turn. */
void net_world_pass_lazily(NetWorld *world, uint64_t usec);
bool net_world_is_idle(const NetWorld *world);
/* Its lists are these from now on; NULL: none. */
void net_world_connect(NetWorld *world, NetActor *actor, const NetConfig *config);
G_GNUC_PRINTF(2, 3) void net_tell(const NetWorld *world, const char *format, ...);
/* The rule is broken; returns only where another rule is being broken on purpose. */
G_GNUC_PRINTF(3, 4)
void net_violation(const NetWorld *world, NetRule rule, const char *format, ...);

/* The kind; see net-kind.c. */
extern const Kind net_kinds[2]; /* one that stays up, one that does its work and ends */
const Kind *net_kind_of(const NetActor *actor);
void net_apply_ends(NetWorld *world, NetActor *actor, bool success, bool abort);
void net_begins_to_end(NetWorld *world, NetActor *actor, bool failed);
void net_ends(NetWorld *world, NetActor *actor, bool failed);
void net_stop_ends(NetWorld *world, NetActor *actor, bool failed);
void net_is_unkillable(NetWorld *world, NetActor *actor);

/* The model; see net-model.c. */
typedef void (*NetVisit)(NetWorld *world, NetActor *other, void *data);
State net_state(const NetActor *actor); /* of one that is there */
bool net_is_up(const NetActor *actor);
bool net_is_satisfied(const NetActor *required);
bool net_is_on_its_way(const NetActor *other);
/* Each neighbour once for each list that names it. */
void net_each_out(NetWorld *world, NetActor *actor, Relation relation, NetVisit visit, void *data);
void net_each_in(NetWorld *world, NetActor *actor, Relation relation, NetVisit visit, void *data);
void net_each_before(NetWorld *world, NetActor *actor, NetVisit visit, void *data);
void net_each_after(NetWorld *world, NetActor *actor, NetVisit visit, void *data);
void net_each_conflict(NetWorld *world, NetActor *actor, NetVisit visit, void *data);
typedef struct NetView {
    bool closed;
    bool blocked;
    GPtrArray *ids; /* borrowed, sorted, each once */
} NetView;
/* What keeps it from starting. Free ids. */
NetView net_view_start(NetWorld *world, NetActor *actor);
/* Those whose stop it has to wait for. */
NetView net_view_stop(NetWorld *world, NetActor *actor);
/* Whether actor with this configuration would come after itself. */
bool net_closes_cycle(NetWorld *world, NetActor *actor, const NetConfig *config);
/* Marks who is taken along (NetActor.taken), and forgets who was before. True: two of them may not
 * run at once. */
bool net_take_start(NetWorld *world, NetActor *actor);
void net_take_stop(NetWorld *world, NetActor *actor);

/* What may be told; see net-rules.c. */
void net_on_change(const Change *change, void *data);

/* Who asked for what cannot be told now. */
bool net_is_excused(const NetWorld *world);

/* Several as one; see net-batch.c. */
void net_batch_begin(NetWorld *world, const Step *step);
void net_batch_check_rest(NetWorld *world);
void net_batch_cancel_all(NetWorld *world);

/* What must hold between two steps; see net-check.c. */
void net_check(NetWorld *world, bool all);
/* Requests cease; what is under way comes out. */
void net_rest(NetWorld *world);

/* What is asked for, and whether the answer is the right one; see net-requests.c. */
void net_request_create(NetWorld *world, NetActor *actor, const Step *step);
void net_request_delete(NetWorld *world, NetActor *actor);
void net_request_configure(NetWorld *world, NetActor *actor, const Step *step);
void net_request_start(NetWorld *world, NetActor *actor);
void net_request_stop(NetWorld *world, NetActor *actor);
void net_request_restart(NetWorld *world, NetActor *actor);

/* The reaction that is armed, if its time has come. */
void net_request_react(NetWorld *world);

void net_play_history(const History *history, unsigned flags);
