/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What supervisor.c (the phases), supervisor-signal.c (whom signals reach), supervisor-notify.c
 * (what the program says), supervisor-exec.c (how it gets to its program) and host.c (who tells of
 * deaths) share. */

#include "process/host-internal.h"
#include "process/notify-socket.h"
#include "process/process-group.h"
#include "process/supervisor.h"

typedef enum Phase {
    PHASE_IDLE,         /* nothing runs */
    PHASE_START,        /* runs, not ready yet */
    PHASE_RUN,          /* ready */
    PHASE_STOP_SIGNAL,  /* asked to end */
    PHASE_STOP_KILL,    /* killed, not dead yet */
    PHASE_FINAL_SIGNAL, /* the main process is gone, the rest of its group was asked to end */
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
    ExecState state;
    int fd;       /* of spawn_progress; not valid in EXEC_DONE */
    Watch *watch; /* only in EXEC_PENDING */
    char *path;
    GError *error; /* of EXEC_FAILED */
} SupervisorExec;

struct Supervisor {
    ProcessHost *host;
    const char *service_id;
    const SupervisorEvents *events;
    void *owner;
    const SupervisorSpec *spec;

    Phase phase;
    int main_pidfd;
    Timer *timer; /* of the phase */
    Watch *main_watch;
    ProcessGroup group;
    GList watchers_link;
    bool watches_group; /* in host->watchers */
    uid_t uid;          /* of the program */
    SupervisorExec exec;
    Ending ending; /* as far as it is known; pid: of the last main process */

    NotifySocket *notify;
    unsigned n_dropped;
    unsigned said; /* facts that the program has changed, and that are not told yet */
    Timer *said_timer;
    uint64_t said_told_usec;

    SupervisorFacts facts; /* its strings: see supervisor_set_text */
};

/* The main process may be dead: judges it now. May free supervisor. */
void supervisor_check_main(Supervisor *supervisor);
/* Process groups may have become empty. May free supervisor. */
void supervisor_check_group(Supervisor *supervisor);
/* It has said READY=1. */
void supervisor_become_ready(Supervisor *supervisor);
/* fact is one of the strings of the facts; text is copied. "" is not owned, for it is what most
 * are.
 */
void supervisor_set_text(const char **fact, const char *text);
void supervisor_tell_facts(Supervisor *supervisor, unsigned facts);

/* Follows pid as the main process from now on, instead of the present one if there is one. */
bool supervisor_follow(Supervisor *supervisor, pid_t pid, int pidfd);
void supervisor_unfollow(Supervisor *supervisor);
/* To be called when the phase, the main process or its group has changed. */
void supervisor_watch_group(Supervisor *supervisor);

/* The main process can leave its group, or has left another one behind that may become empty. */
bool supervisor_may_stray(const Supervisor *supervisor);
/* Where the main process is now: it may have left its group without a word. */
void supervisor_find_group(Supervisor *supervisor);
void supervisor_send_stop(Supervisor *supervisor);
void supervisor_send_kill(Supervisor *supervisor);
/* The main process is dead, but not reaped: to the others, unless they have been asked already. */
void supervisor_signal_rest(Supervisor *supervisor, bool to_kill);

/* Takes from spawned what concerns the way to the program. False and errno: it cannot be watched;
 * supervisor_exec_clear is needed all the same. */
bool supervisor_exec_begin(Supervisor *supervisor, Spawned *spawned);
void supervisor_exec_clear(Supervisor *supervisor);
bool supervisor_exec_is_pending(const Supervisor *supervisor);
/* Of the start while the program has not been executed: never USEC_INFINITY. */
uint64_t supervisor_exec_timeout_usec(const Supervisor *supervisor);
/* Looks how far it is. It may become ready. */
void supervisor_exec_check(Supervisor *supervisor);
/* It is to end. True: the program has not been executed, SIGKILL is all it needs. */
bool supervisor_exec_abandon(Supervisor *supervisor);
/* The timer of PHASE_START. False: the start has gone on in time. *ret_next only if it was not
 * executed. */
bool supervisor_exec_time_out(Supervisor *supervisor, Phase *ret_next);
/* The main process has ended like this: that is told if it was the program. */
void supervisor_exec_set_exit(Supervisor *supervisor, ExitStatus exit);
/* ending_judge, and before it of a program that was never executed. */
GError *supervisor_exec_judge(const Supervisor *supervisor, FailureClass *ret_class);

bool supervisor_open_notify(Supervisor *supervisor, const Identity *identity, GError **error);
void supervisor_close_notify(Supervisor *supervisor);
/* What the program said is told now, not when its turn comes. */
void supervisor_flush_said(Supervisor *supervisor);
