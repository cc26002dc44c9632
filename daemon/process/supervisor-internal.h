/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the supervisor share, and host.c, who tells of deaths: supervisor.c (the
 * phases), -start (what a program is given), -exec (how it gets there), -members (who belongs to
 * it, and whom signals reach), -notify (what it says), -watchdog, -reload and -control (the
 * programs that help to reload and to stop it). */

#include "process/host-internal.h"
#include "process/notify-socket.h"
#include "process/process-group.h"
#include "process/readiness-pipe.h"
#include "process/stragglers.h"
#include "process/supervisor.h"

typedef enum Phase {
    PHASE_IDLE,         /* nothing runs */
    PHASE_START,        /* runs, not ready yet */
    PHASE_RUN,          /* ready */
    PHASE_STOP_EXEC,    /* the program that asks it to end runs */
    PHASE_STOP_SIGNAL,  /* asked to end */
    PHASE_WATCHDOG,     /* has missed its watchdog, and was told to abort */
    PHASE_STOP_KILL,    /* killed, not dead yet */
    PHASE_FINAL_SIGNAL, /* the main process is gone, the rest was asked to end */
    PHASE_FINAL_KILL,   /* ... was killed */
    PHASE_UNKILLABLE,
    _PHASE_MAX,
} Phase;

typedef enum ExecState {
    EXEC_DONE,
    EXEC_PENDING,   /* the child is on its way to the program */
    EXEC_ABANDONED, /* killed on its way */
    EXEC_FAILED,    /* it has said why it does not get there */
} ExecState;

typedef struct SupervisorExec {
    ExecState state; /* not EXEC_DONE: then there is none */
    int fd;          /* of spawn_progress */
    Watch *watch;    /* only in EXEC_PENDING */
    char *path;
    GError *error; /* of EXEC_FAILED */
} SupervisorExec;

typedef struct SupervisorWatchdog {
    Timer *timer; /* made when first armed */
    uint64_t interval_usec;
    uint64_t deadline_usec; /* the timer may come earlier, and looks here */
} SupervisorWatchdog;

typedef enum ReloadStep {
    RELOAD_NONE,
    RELOAD_EXEC,      /* reload_exec runs */
    RELOAD_SIGNALLED, /* the signal is sent; RELOADING=1 may come */
    RELOAD_ANNOUNCED, /* it has said RELOADING=1; READY=1 ends it */
    _RELOAD_MAX,
} ReloadStep;

typedef struct SupervisorReload {
    ReloadStep step;
    Timer *timer;        /* made when first armed */
    uint64_t began_usec; /* monotonic: an older RELOADING=1 is of another one */
    uint64_t deadline_usec;
    bool is_announced;      /* in RELOAD_EXEC: RELOADING=1, and no READY=1 yet */
    bool speaks;            /* it has said RELOADING=1 in this run */
    bool is_held;           /* in RELOAD_NONE: RELOADING=1, and no READY=1 yet, but too soon */
    bool is_stopping;       /* it has said STOPPING=1 in this run */
    uint64_t next_own_usec; /* none that nobody has asked for begins before that */
} SupervisorReload;

/* For who has left the session. */
typedef struct SupervisorSearch {
    StragglersQuestion question;
    unsigned n_told; /* to end */
    uint64_t told_usec;
} SupervisorSearch;

typedef struct SupervisorUsage {
    Usage usage;
    uint64_t until_usec; /* for so long it is told again */
} SupervisorUsage;

/* Whether anything is left besides the main process. */
typedef enum Rest {
    REST_NONE,
    REST_SOME,
    REST_ASKED, /* to be known in a later turn of the loop */
} Rest;

/* Small: there is one of each service that has ever run. What few of them need, or only for a
 * moment, is a struct of its own, made when it is needed first and gone with the run. */
struct Supervisor {
    ProcessHost *host;
    const char *service_id;
    const SupervisorEvents *events;
    void *owner;
    const SupervisorSpec *spec;
    /* Of a program that helps another one: it belongs to the run of that one, who sees to what is
     * left of it. */
    const Supervisor *helps;

    Phase phase;
    int main_pidfd;
    Timer *timer;           /* of the phase; NULL: it takes as long as it takes */
    uint64_t deadline_usec; /* of the phase, before the program asked for more */
    Watch *main_watch;
    Cgroup *cgroup; /* of the run; NULL: it is followed by its session */
    ProcessGroup group;
    GList watchers_link;
    SupervisorSearch *search; /* or NULL */
    SupervisorExec *exec;     /* NULL: EXEC_DONE */
    Ending ending;            /* as far as it is known; pid: of the last main process */
    GError *stop_error;       /* of stop_exec */
    FailureClass stop_class;

    unsigned said; /* facts that the program has changed, and that are not told yet */
    Timer *said_timer;
    uint64_t said_told_usec;
    NotifySocket *notify;
    NotifyAccess access;
    unsigned n_strangers; /* messages of processes that live, and are none of the run's */
    Output *output;       /* of the run */
    ReadinessPipe *readiness;
    FdStore *stored; /* NULL: nothing was ever stored. Outlives the run */

    SupervisorWatchdog watchdog;
    SupervisorReload *reload; /* NULL: none, and nothing was said that it would have to know */
    SupervisorUsage *usage;   /* of its cgroup, as it was told last in this run; or NULL */
    Usage *last_usage;        /* of a run whose main process has ended badly; or NULL */
    struct Control *control;  /* runs, or NULL */

    bool has_left;   /* a main process has gone elsewhere, perhaps with others */
    unsigned n_left; /* by the main process, as it ended; 0: not known */
    bool watches_rest;
    bool is_watcher;      /* of those: in host->watchers. Else the cgroup is watched */
    bool has_told_unkept; /* that a descriptor is not kept */
    bool has_dropped;     /* a message, which is told */
    bool stop_exec_waits; /* for a reload_exec that was killed */

    SupervisorFacts facts; /* its strings: see supervisor_set_text */
};

/* supervisor.c */

/* The main process may be dead: judges it now. May free supervisor. */
void supervisor_check_main(Supervisor *supervisor);
/* The rest may be gone. May free supervisor. */
void supervisor_check_rest(Supervisor *supervisor);
void supervisor_enter(Supervisor *supervisor, Phase phase);
/* It has said READY=1, or written its newline. */
void supervisor_become_ready(Supervisor *supervisor);
void supervisor_miss_watchdog(Supervisor *supervisor);
/* The timer of the phase fires at that time. USEC_INFINITY: never. */
void supervisor_arm_timer(Supervisor *supervisor, uint64_t at_usec);
/* The timer of the phase fires extend_usec from now, if it would not later. */
void supervisor_extend_timeout(Supervisor *supervisor, uint64_t extend_usec);
/* fact is one of the strings of the facts; text is copied. "" is not owned, for it is what most
 * are.
 */
void supervisor_set_text(const char **fact, const char *text);
void supervisor_tell_facts(Supervisor *supervisor, unsigned facts);
/* To be called before spec is used for the first time: it may want fewer than are stored. */
void supervisor_trim_stored(Supervisor *supervisor, const SupervisorSpec *spec);
/* Follows pid as the main process from now on, instead of the present one if there is one. */
bool supervisor_follow(Supervisor *supervisor, pid_t pid, int pidfd);
void supervisor_unfollow(Supervisor *supervisor);
/* Nothing waits: of a run that has a main process, or none (a stop of what runs no more). */
void supervisor_set_phase(Supervisor *supervisor, Phase phase);

/* supervisor-facts.c */

/* The main process was killed by nobody here: whether it was the OOM killer. */
bool supervisor_lacked_memory(const Supervisor *supervisor, pid_t pid);
/* The main process has died like this; what it has used is noted if a failure will be told. */
void supervisor_reap_main(Supervisor *supervisor, const siginfo_t *info);

/* supervisor-members.c */

/* To be called when the phase, the main process or its group has changed. */
void supervisor_watch_rest(Supervisor *supervisor);
/* The main process can leave its group, or has left another one behind that may become empty. */
bool supervisor_may_stray(const Supervisor *supervisor);
/* Where the main process is now: it may have left its group without a word. */
void supervisor_find_group(Supervisor *supervisor);
/* Whether the main process is elsewhere than in the cgroup of its run, also when it is dead and not
 * reaped; that it was counts for who is looked for later. */
bool supervisor_note_left(Supervisor *supervisor);
/* The main process is gone. REST_ASKED: supervisor_on_stragglers comes. */
Rest supervisor_find_rest(Supervisor *supervisor);
/* After REST_ASKED, when no stragglers were found: whether there is nobody else either. */
bool supervisor_is_alone(Supervisor *supervisor);
/* The same, for when it cannot wait for an answer; looks at everything. */
bool supervisor_has_rest(Supervisor *supervisor);
void supervisor_send_stop(Supervisor *supervisor);
void supervisor_send_abort(Supervisor *supervisor);
void supervisor_send_kill(Supervisor *supervisor);
/* The main process is dead, but not reaped: to the others. Not to those in a cgroup, who are known
 * by it as long as they are there: supervisor_continue_rest does that. */
void supervisor_signal_rest(Supervisor *supervisor);
/* The main process is gone: if it has ended by itself, and well, says that it has left others. */
void supervisor_log_left(const Supervisor *supervisor);
/* False: it is not known whom to signal; to be asked for again. */
bool supervisor_signal_stragglers(Supervisor *supervisor, bool to_kill);
/* supervisor_on_stragglers follows, after a look that begins after this. */
void supervisor_ask_for_stragglers(Supervisor *supervisor);
/* Nobody is looked for any more. */
void supervisor_search_clear(Supervisor *supervisor);
/* Somebody is left, and was stopped before the signal: it shall have it. To those in a cgroup the
 * signal as well. */
void supervisor_continue_rest(Supervisor *supervisor);
GError *supervisor_describe_unkillable(const Supervisor *supervisor);
/* Kills what has been started and cannot be watched. */
void supervisor_kill_spawned(Supervisor *supervisor, const Spawned *spawned);
/* Found that many, or STRAGGLERS_UNKNOWN; supervisor.c says what follows from it. May free
 * supervisor. */
void supervisor_on_stragglers(Supervisor *supervisor, unsigned n_found);

/* supervisor-exec.c */

/* Takes from spawned what concerns the way to the program. False and errno: it cannot be watched;
 * supervisor_exec_clear is needed all the same. */
bool supervisor_exec_begin(Supervisor *supervisor, Spawned *spawned);
void supervisor_exec_clear(Supervisor *supervisor);
bool supervisor_exec_is_pending(const Supervisor *supervisor);
/* Looks how far it is: what a program says may be read before it is known to have begun. */
bool supervisor_exec_has_failed(Supervisor *supervisor);
/* Of the start while the program has not been executed: never USEC_INFINITY. */
uint64_t supervisor_exec_timeout_usec(const Supervisor *supervisor);
/* Looks how far it is. It may become ready. */
void supervisor_exec_check(Supervisor *supervisor);
/* It is to end. True: the program has not been executed, SIGKILL is all it needs. */
bool supervisor_exec_abandon(Supervisor *supervisor);
/* The timer of PHASE_START. False: the start has gone on in time. *ret_next only if it was not
 * executed. */
bool supervisor_exec_time_out(Supervisor *supervisor, Phase *ret_next);
/* The main process has ended like this (NULL: nobody knows how): that is told if it was the
 * program. */
void supervisor_exec_set_exit(Supervisor *supervisor, const siginfo_t *info);
/* ending_judge, but before it of a program that was never executed, and after it of stop_exec. */
GError *supervisor_judge(const Supervisor *supervisor, FailureClass *ret_class);

/* supervisor-start.c */

/* Everything but the phase. False: nothing runs. */
bool supervisor_spawn(Supervisor *supervisor, const SupervisorSpec *spec, char *const *exec,
                      GError **error);
/* Of the run that is over, or that never began. */
void supervisor_let_go(Supervisor *supervisor);
/* Of what runs. False: they are as before, for they cannot be had. */
bool supervisor_change_limits(Supervisor *supervisor, const CgroupLimits *limits, GError **error);
bool supervisor_open_cgroup(Supervisor *supervisor, const SupervisorSpec *spec, GError **error);

/* supervisor-notify.c */

bool supervisor_open_notify(Supervisor *supervisor, const Identity *identity, GError **error);
void supervisor_close_notify(Supervisor *supervisor);
/* What the program said is told now, not when its turn comes. */
void supervisor_flush_said(Supervisor *supervisor);
bool supervisor_open_readiness(Supervisor *supervisor, GError **error);
/* What it has said on the notify socket and its readiness descriptor, and nobody has read yet. */
void supervisor_drain(Supervisor *supervisor);

/* supervisor-watchdog.c */

/* It is ready: from now on it has to say WATCHDOG=1. */
void supervisor_watchdog_begin(Supervisor *supervisor);
void supervisor_watchdog_end(Supervisor *supervisor);
void supervisor_watchdog_free(Supervisor *supervisor);
void supervisor_watchdog_hear(Supervisor *supervisor, const NotifyMessage *message);

/* supervisor-reload.c */

void supervisor_reload_hear(Supervisor *supervisor, const NotifyMessage *message);
/* reload_exec has ended; error NULL: well. */
void supervisor_reload_exec_done(Supervisor *supervisor, const Failure *failure);
/* It is not awaited any more; on_reloaded is not called. */
void supervisor_reload_end(Supervisor *supervisor);
bool supervisor_reload_is_under_way(const Supervisor *supervisor);
/* What this run has said is forgotten as well. */
void supervisor_reload_clear(Supervisor *supervisor);
void supervisor_reload_extend(Supervisor *supervisor, uint64_t extend_usec);

/* supervisor-control.c */

typedef enum ControlTask {
    CONTROL_RELOAD,
    CONTROL_STOP,
    _CONTROL_MAX,
} ControlTask;
/* Runs reload_exec or stop_exec; ends by supervisor_reload_exec_done or supervisor_stop_exec_done.
 * None runs. */
bool supervisor_control_start(Supervisor *supervisor, ControlTask task, GError **error);
/* By force. It is gone later. */
void supervisor_control_kill(Supervisor *supervisor);
/* 0: there is none. */
pid_t supervisor_control_pid(const Supervisor *supervisor);
/* supervisor.c: stop_exec has ended, or a reload_exec that was killed. May free supervisor. */
void supervisor_stop_exec_done(Supervisor *supervisor, const Failure *failure);
void supervisor_on_control_killed(Supervisor *supervisor);
