/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a service at one instant: an immutable, reference-counted record that is
 * replaced as a whole on every transition. The named state is derived from it and the operation
 * under way by the one writer (service.c) and stored here only as part of the snapshot. */

#include "base/enum-table.h"
#include "core/about.h"
#include "core/config-text.h"
#include "core/links.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum State {
    STATE_INACTIVE,
    STATE_WAITING,
    STATE_STARTING,
    STATE_ACTIVE,
    STATE_RELOADING,
    STATE_BACKOFF,
    STATE_STOPPING,
    STATE_FAILED,
    _STATE_MAX,
    _STATE_INVALID = -22,
} State;
ENUM_TABLE_DECLARE(State, state);

/* What a state is and may own: a row of a table, not an if. */
typedef struct StateTraits {
    bool active;
    bool loading;
    bool settled;
    bool owns_context;      /* an apply or reload may run */
    bool owns_retry_timer;  /* a next attempt is scheduled */
    bool owns_stable_timer; /* the failure count is waiting to be reset */
} StateTraits;
const StateTraits *state_traits(State state);
/* Whether the one writer may move from one state to the other (the same state is allowed only where
 * the record can change without a move). */
bool state_move_is_allowed(State from, State to);

typedef enum Cause {
    CAUSE_NONE,
    CAUSE_METHOD,     /* somebody called */
    CAUSE_STARTUP,    /* enabled, started with the daemon */
    CAUSE_DEPENDENCY, /* another service */
    CAUSE_APPLIED,    /* the configuration is in force */
    CAUSE_RETRY,      /* the next attempt was due */
    CAUSE_EXIT,       /* what ran ended, or could not be started */
    CAUSE_STOPPED,    /* the stop is done */
    CAUSE_STABLE,     /* stayed up long enough to forget its failures */
    CAUSE_KIND,       /* the kind's own detail changed */
    CAUSE_PROBE,
    CAUSE_WATCHDOG,
    CAUSE_SCHEDULE,
    CAUSE_SHUTDOWN, /* the daemon is stopping */
    _CAUSE_MAX,
    _CAUSE_INVALID = -22,
} Cause;
ENUM_TABLE_DECLARE(Cause, cause);

typedef enum FailureClass {
    FAILURE_NONE, /* "" */
    FAILURE_CONFIG,
    FAILURE_EXEC,
    FAILURE_EXIT_CODE,
    FAILURE_SIGNAL,
    FAILURE_OOM,
    FAILURE_TIMEOUT,
    FAILURE_WATCHDOG,
    FAILURE_PROBE,
    FAILURE_DEPENDENCY,
    FAILURE_START_LIMIT,
    FAILURE_PROTOCOL,
    FAILURE_INTERNAL,
    _FAILURE_MAX,
    _FAILURE_INVALID = -22,
} FailureClass;
ENUM_TABLE_DECLARE(FailureClass, failure_class);

/* How a program ended. All zero: nothing is known. */
typedef struct ExitStatus {
    bool known;
    bool signaled;
    bool core_dumped;
    int value; /* exit code, or signal number if signaled */
} ExitStatus;

/* Why an apply failed, or what ran ended. error is the giver's; whoever keeps it copies it. */
typedef struct Failure {
    FailureClass failure_class;
    bool abort;   /* no retry, whatever the policy says */
    bool goes_on; /* what ran before runs on, as it was: the service stays active */
    ExitStatus exit;
    const GError *error;
} Failure;

/* Who called. Reference-counted, immutable. */
typedef struct Caller Caller;
struct Caller {
    gatomicrefcount refs;
    uint32_t uid;
    uint32_t pid;
    char *comm;
};
/* uid and pid: (uint32_t)-1 and 0 when unknown; comm may be NULL. */
Caller *caller_new(uint32_t uid, uint32_t pid, const char *comm);
Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller); /* accepts NULL */

/* Why something is asked for. method: static string such as "Start", or NULL. caller: borrowed, may
 * be NULL. */
typedef struct Origin {
    Cause cause;
    const char *method;
    Caller *caller;
} Origin;

typedef struct StateRecord StateRecord;
struct StateRecord {
    gatomicrefcount refs;
    State state : 8;
    State from : 8; /* before the transition that made this record */
    Cause cause : 8;
    FailureClass failure_class : 8; /* of error */
    uint64_t serial; /* of the change that made this record; 0 before the service was published */
    bool active;
    bool loading;
    bool completed;  /* it has done its work (Kind.completes) since it was started last */
    bool will_retry; /* another attempt is pending, or would follow a failure now */
    unsigned failed_attempts;
    unsigned max_attempts;    /* 0: unlimited */
    const char *sub_state;    /* static or interned, never NULL */
    About *about;             /* NULL: nothing was said; see service_about */
    Links *links;             /* what it says of other services; NULL: nothing */
    ConfigText *config;       /* the accepted text, or NULL */
    uint64_t config_revision; /* 0: never configured */
    GError *error;            /* or NULL */
    /* Wall clock microseconds; 0: never, or none pending. */
    uint64_t last_active_time;
    uint64_t last_inactive_time;
    uint64_t last_config_time;
    uint64_t last_error_time;
    uint64_t last_loading_start_time;
    uint64_t last_loading_end_time;
    uint64_t next_attempt_time;
    /* The transition that made this record. */
    uint64_t time;
    const char *method; /* static, or NULL */
    Caller *caller;     /* or NULL */
};

/* inactive, nothing ever happened. */
StateRecord *state_record_new(void);
/* A deep enough copy to be changed before it is shown to anybody. */
StateRecord *state_record_copy(const StateRecord *record);
StateRecord *state_record_ref(const StateRecord *record);
/* Never NULL. Borrowed from the record. */
const About *state_record_about(const StateRecord *record);
/* It waits for what nobody brings; its error, of class dependency, says for what and why. */
bool state_record_is_blocked(const StateRecord *record);
/* Its state is one to stay in (StateTraits.settled), and it does not wait for what is on its way.
 */
bool state_record_is_settled(const StateRecord *record);
void state_record_unref(const StateRecord *record); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StateRecord, state_record_unref)
