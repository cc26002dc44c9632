/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What service.c (the record and its one writer, what kinds report) and operations.c (what people
 * ask for) share, and nobody else sees. */

#include "core/plan.h"
#include "core/service.h"

struct ApplyContext {
    gatomicrefcount refs;
    Service *service; /* a reference; NULL when done or cancelled */
    bool reload;
    bool begun; /* the kind has seen it */
    bool cancelled;
    bool done;
};

/* A stop that core asked for: it ends by service_stop_done, never by the end of what ran. */
typedef enum StopPhase {
    STOP_NONE,
    STOP_PUT_OFF, /* until those that come after it have stopped */
    STOP_QUEUED,
    STOP_UNDER_WAY,
} StopPhase;

struct Service {
    unsigned refs;
    Core *core;
    char *id; /* a GRefString, for the events that outlive it */
    const Kind *kind;
    void *instance;
    StateRecord *record;
    GraphNode *node;  /* the graph's; NULL: it has nothing to do with others */
    bool wanted;      /* the target: what was asked for last */
    bool holds_slot;  /* of those that may start at once */
    bool is_fresh;    /* it is starting, and nothing of it has begun */
    bool is_forced;   /* its stop waits for nobody */
    bool attached;    /* to the graph */
    bool has_awaited; /* awaited goes with the next transition */
    bool published;
    bool retracted;
    Origin *deleted_by; /* NULL: it is not being deleted. Holds a reference to its caller */
    bool unkillable;
    bool is_put_down; /* it stops for good, and not because somebody asked for that */
    ConfigSource config_source : 8;
    StopPhase stop_phase;
    Config *config; /* of the record's text; NULL at rest */
    GError *broken;
    ApplyContext *context;   /* of the operation under way */
    ApplyContext *cancelled; /* to be told to the kind */
    char **awaited;          /* whom it waits for, or NULL */
    const char *sub_state;   /* to go with the next transition, or NULL */
    QueueEntry entry;
    Timer *retry_timer;
    Timer *stable_timer;
    StartWindow starts;
    Listeners *listeners;
    ErrorBuffer *errors;
    LastFailure *last_failure; /* NULL: none */
    HistoryEntry *history;     /* a ring of SERVICE_HISTORY, grown to it with the moves */
    size_t n_moves;
    ServiceKept kept;
};

/* The way to change a record: take a draft, write to it, commit it. Only commit moves the state: it
 * checks the move, derives what follows from the state, stamps, releases what the new state may not
 * own, and tells. */
StateRecord *service_draft(const Service *service);
void service_commit(Service *service, StateRecord *draft, State to, const Origin *origin);

/* Puts an apply under way aside; nothing is accepted from it any more. */
void service_cancel_context(Service *service);

/* Nothing of it runs: lets go of what can be had again from the record. */
void service_rest(Service *service);

/* Who or what makes it. */
void service_draft_set_origin(StateRecord *draft, const Origin *origin);
void service_draft_set_error(const Service *service, StateRecord *draft, const GError *error,
                             FailureClass failure_class);
void service_draft_clear_error(StateRecord *draft);

/* draft holds the error of a failure, and is about to be committed: it is remembered. exit may be
 * NULL. */
void service_remember_failure(Service *service, const StateRecord *draft, State to,
                              const ExitStatus *exit);

/* Whether others allow it, or what it says of them. */
bool service_check_dependencies(const Service *service, const Dependencies *dependencies,
                                GError **error);
/* Its configuration sets it in conflict with another that runs, and could not be refused: it stops.
 */
void service_yield_to_rival(Service *service);
/* It is not started, and says why. */
void service_fail_beside(Service *service, const GError *conflict, const Origin *origin);
/* Of those that are started with the daemon and are in conflict, the first wins: else it fails, and
 * says so. */
bool service_admit_beside_others(Service *service, const Plan *plan, const Origin *origin,
                                 GError **error);
/* starting or reloading with a new context; the kind is called from the queue. */
void service_enter_apply(Service *service, StateRecord *draft, State to, bool reload,
                         const Origin *origin);
/* The same for what does not run, if nothing stands in its way: else waiting. */
void service_enter_gated(Service *service, StateRecord *draft, const Origin *origin);
/* True: what it waited for has gone while it waited for its turn, so it waits again. */
bool service_must_wait_again(Service *service);
/* The target. Of one that stops, it says whether it comes back, which others may wait for. */
void service_set_wanted(Service *service, bool wanted);
/* Not wanted from here on, with what that changes in the record of one that stops. */
void service_stay_away(Service *service, const Origin *origin);
/* A stop that was put off is put off no longer, whoever else runs. */
void service_force_stop(Service *service);
/* True: it has put its stop off, for others have to stop first. */
bool service_must_put_off_stop(Service *service);
/* What the record says of others, as it will be in state to. */
void service_draft_links(Service *service, StateRecord *draft, State to);
/* It is not waiting any more, or not starting: its place is free. */
void service_release_slot(Service *service, State to);
/* stopping; the kind is called from the queue. reason: the error, of class dependency, or NULL. */
void service_enter_stopping(Service *service, const GError *reason, const Origin *origin);
/* active, starting, or failed by the start limit (false, with the error). */
bool service_enter_started(Service *service, const Origin *origin, GError **error);
