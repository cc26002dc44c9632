/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* N small programs (announcer.c) under a supervisor: the daemon, or the floor (spawn-floor.c).
 * Every program says itself, with the time, that it runs; what a supervisor claims counts for
 * nothing. Both get the same programs in the same way, so all that differs is the supervisor.
 *
 * The daemon is that of the Bench: one of its rigs may run at a time, beside one floor. What goes
 * wrong, or takes longer than a minute, aborts. */

#include "announcer.h"
#include "bench.h"

typedef enum RigSide {
    RIG_FLOOR,
    RIG_WITHOUT_BUS, /* only the private socket */
    RIG_ON_BUS,
} RigSide;

typedef struct Rig {
    Bench *bench;
    RigSide side;
    unsigned n;
    bool exits;
    char *fifo_path;
    char *services_dir; /* NULL: the floor */
    char *state_dir;    /* of its own: what other rigs were about is not remembered */
    int fifo;
    Child floor;
} Rig;

/* All n run when the supervisor starts. exits: they fail at once and are started again at once,
 * else they wait. The rig may be started and stopped several times. */
void rig_init(Rig *rig, Bench *bench, RigSide side, unsigned n, bool exits);
void rig_done(Rig *rig); /* stops it before */

/* From the exec of the supervisor until the last of the n programs runs, in microseconds. */
uint64_t rig_start(Rig *rig);
/* The same; pids: n of them. */
uint64_t rig_start_pids(Rig *rig, pid_t *pids);
/* From SIGTERM until the supervisor has ended, with all of its programs, in microseconds. */
uint64_t rig_stop(Rig *rig);
pid_t rig_pid(const Rig *rig);

/* The next program that has begun to run. */
Announcement rig_next(Rig *rig);
/* How many have begun to run since somebody asked last, until the time until_usec. */
unsigned rig_count(Rig *rig, uint64_t until_usec);
/* Waits for usec in which no program may begin to run and the supervisor must stay. */
void rig_rest(Rig *rig, uint64_t usec);

/* The program NAME beside this one; the caller's. */
char *rig_program(const char *name);
