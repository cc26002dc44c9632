/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What supervisor.c (the phases), supervisor-notify.c (what the program says) and host.c (who tells
 * of deaths) share. */

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

struct Supervisor {
    ProcessHost *host;
    const char *service_id;
    const SupervisorEvents *events;
    void *owner;
    const SupervisorSpec *spec;

    Phase phase;
    Timer *timer; /* of the phase */
    int main_pidfd;
    Watch *main_watch;
    ProcessGroup group;
    bool watches_group; /* in host->watchers */
    GList watchers_link;
    Ending ending; /* as far as it is known; pid: of the last main process */

    uid_t uid; /* of the program */
    NotifySocket *notify;
    unsigned n_dropped;
    Timer *status_timer;
    uint64_t status_told_usec;

    SupervisorFacts facts; /* its strings are owned */
};

/* The main process may be dead: judges it now. May free supervisor. */
void supervisor_check_main(Supervisor *supervisor);
/* Process groups may have become empty. May free supervisor. */
void supervisor_check_group(Supervisor *supervisor);
/* It has said READY=1. */
void supervisor_become_ready(Supervisor *supervisor);
void supervisor_tell_facts(Supervisor *supervisor, unsigned facts);

/* Follows pid as the main process from now on, instead of the present one if there is one. */
bool supervisor_follow(Supervisor *supervisor, pid_t pid, int pidfd);
void supervisor_unfollow(Supervisor *supervisor);
void supervisor_watch_group(Supervisor *supervisor, bool watch);

bool supervisor_open_notify(Supervisor *supervisor, const Identity *identity, GError **error);
void supervisor_close_notify(Supervisor *supervisor);
/* The text is shown now, not when its turn comes. */
void supervisor_flush_status(Supervisor *supervisor);
