/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of one program after the other: starting, readiness, watchdog, reload, death, the rest of
 * its processes, and the ladder of a stop: stop_exec, signal, stop_timeout, SIGKILL to all,
 * unkillable. */

#include "base/enum-table.h"
#include "process/ending.h"
#include "process/output.h"
#include "process/spawn.h"
#include "process/usage.h"

typedef enum Readiness {
    READINESS_SPAWNED, /* when it has been executed */
    READINESS_NOTIFY,  /* when it says READY=1 */
    READINESS_FD,      /* when it writes a newline to a descriptor */
    _READINESS_MAX,
    _READINESS_INVALID = -22,
} Readiness;
ENUM_TABLE_DECLARE(Readiness, readiness); /* "spawned", "notify", "fd" */

typedef enum StopMode {
    STOP_MODE_ALL, /* the stop signal goes to the whole process group */
    STOP_MODE_MAIN,
    _STOP_MODE_MAX,
    _STOP_MODE_INVALID = -22,
} StopMode;
ENUM_TABLE_DECLARE(StopMode, stop_mode); /* "all", "main" */

typedef struct SupervisorSpec {
    SpawnSpec spawn;
    EndingRules rules;
    Readiness readiness; /* of no meaning if it runs once */
    int readiness_fd;    /* what number READINESS_FD has in the program; 3 or more */
    StopMode stop_mode;
    int reload_signal;      /* 0: none */
    char **stop_exec;       /* argv of the first step of a stop; NULL: the stop signal is */
    char **reload_exec;     /* NULL: none */
    uint64_t watchdog_usec; /* 0: off */
    uint64_t fd_store_max;
    CgroupLimits limits;
    OutputSpec output; /* of reload_exec and stop_exec, too */
} SupervisorSpec;
void supervisor_spec_clear(SupervisorSpec *spec);

/* What is known of the run, and of the one before until there is another. */
typedef struct SupervisorFacts {
    pid_t main_pid;       /* 0: none runs */
    ExitStatus last_exit; /* of the last main process that ended */
    const char *status_text;
    int status_errno;
    const char *invocation_id; /* "": never started */
    const char *control_group; /* its path; "": it had none */
} SupervisorFacts;
typedef enum SupervisorFact {
    FACT_MAIN_PID = 1 << 0,
    FACT_LAST_EXIT = 1 << 1,
    FACT_STATUS_TEXT = 1 << 2,
    FACT_STATUS_ERRNO = 1 << 3,
    FACT_INVOCATION_ID = 1 << 4,
    FACT_CONTROL_GROUP = 1 << 5,
} SupervisorFact;

/* Told to the owner. Only on_gone may free the supervisor, or start it again. */
typedef struct SupervisorEvents {
    /* It is ready; for one that runs once, never. May come from inside supervisor_start. */
    void (*on_ready)(void *owner);
    /* It was ready, and is ending by itself (its main process is gone, or it has missed its
     * watchdog), but not all of it is gone yet. */
    void (*on_ending)(const Failure *failure, const ExitStatus *exit, void *owner);
    /* Something has survived SIGKILL. */
    void (*on_unkillable)(const GError *error, void *owner);
    /* Nothing of it is left. failure NULL: it ended as it should. */
    void (*on_gone)(const Failure *failure, const Ending *ending, void *owner);
    /* It reads its files again, and nobody has asked for it here; on_reloaded follows, unless it
     * ends. */
    void (*on_reloading)(void *owner);
    /* The end of a reload; failure NULL: it went well. May come from inside supervisor_reload. */
    void (*on_reloaded)(const Failure *failure, void *owner);
    /* Static strings: "start", "start-notify", "start-fd", "running", "reload", "reload-signal",
     * "reload-notify", "stop-exec", "stop-sigterm", "stop-signal", "stop-sigkill", "watchdog",
     * "final-sigterm", "final-signal", "final-sigkill", "unkillable". */
    void (*on_sub_state)(const char *sub_state, void *owner);
    void (*on_facts)(unsigned facts, void *owner);
} SupervisorEvents;

typedef struct Supervisor Supervisor;

/* service_id and events are borrowed. service_id NULL: what it runs is no service. */
Supervisor *supervisor_new(ProcessHost *host, const char *service_id,
                           const SupervisorEvents *events, void *owner);
void supervisor_free(Supervisor *supervisor); /* nothing may run (asserted). Accepts NULL */

/* Nothing may run. spec is borrowed until on_gone. On failure nothing runs, and on_gone is not
 * called. */
bool supervisor_start(Supervisor *supervisor, const SupervisorSpec *spec, GError **error);
/* Ends what runs, if anything does; on_gone follows from the loop. Allocates nothing that can fail,
 * but for a stop_exec; without that it goes on with the stop signal. */
void supervisor_stop(Supervisor *supervisor);
/* The same by force, at once: all that is there, a program that helps it as well. It may be called
 * at any time, also again. */
void supervisor_kill(Supervisor *supervisor);
/* Nothing runs, but what has run has left something that its stop_exec undoes: runs that. Otherwise
 * like supervisor_start; on_gone tells of the end. */
bool supervisor_undo(Supervisor *supervisor, const SupervisorSpec *spec, GError **error);
/* Has what runs read its files again, as the spec says (one of reload_exec and reload_signal);
 * on_reloaded follows. False: it is not ready, or cannot be reached. */
bool supervisor_reload(Supervisor *supervisor, GError **error);
/* A reload under way is not awaited any more: on_reloaded is not called. */
void supervisor_forget_reload(Supervisor *supervisor);
/* From now on spec is in force (and borrowed) in the place of what was; it differs only in what
 * needs no new start. False: not now (nothing is changed), since something still uses the former
 * one, or a limit cannot be set (error). */
bool supervisor_set_spec(Supervisor *supervisor, const SupervisorSpec *spec, GError **error);
/* What the program has stored is dropped; not kept for its next start. */
void supervisor_drop_stored(Supervisor *supervisor);
/* What was told in the last half second is told again. False: nothing runs. */
bool supervisor_usage(Supervisor *supervisor, Usage *ret_usage);
/* What the run uses, if it is ready; of one whose main process has ended badly the processor time
 * of that, and of those whom it had waited for, and the peak of the memory if it was killed for
 * want of that. False: it is not known. */
bool supervisor_known_usage(Supervisor *supervisor, Usage *ret_usage);
/* Of the run that goes on; NULL: none does. Borrowed. */
const Output *supervisor_output(const Supervisor *supervisor);
bool supervisor_is_running(const Supervisor *supervisor);
/* It runs, is ready, and nothing has ended or stopped it yet. */
bool supervisor_is_ready(const Supervisor *supervisor);
const SupervisorFacts *supervisor_facts(const Supervisor *supervisor);
/* To the main process, or to all. */
bool supervisor_signal(Supervisor *supervisor, bool all, int signo, GError **error);
bool supervisor_owns_pid(const Supervisor *supervisor, pid_t pid);
