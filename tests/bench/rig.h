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
    RIG_FLOOR_CGROUPS, /* each in one of its own; where there are any */
    RIG_WITHOUT_BUS,   /* only the private socket */
    RIG_ON_BUS,
    _RIG_SIDE_MAX,
} RigSide;

typedef struct Rig {
    Bench *bench;
    RigSide side;
    unsigned n;
    bool exits;
    char *fifo_path;
    char *services_dir; /* NULL: the floor */
    char *state_dir;    /* of its own: what other rigs were about is not remembered */
    char *cgroups;      /* of the floor, while it runs; or NULL */
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
/* Whether there are cgroups; then the daemon uses them. Said once. */
bool rig_has_cgroups(Bench *bench);
pid_t rig_pid(const Rig *rig);

/* The next program that has begun to run. */
Announcement rig_next(Rig *rig);
/* How many have begun to run since somebody asked last, until the time until_usec. */
unsigned rig_count(Rig *rig, uint64_t until_usec);
/* Waits for usec in which no program may begin to run and the supervisor must stay. */
void rig_rest(Rig *rig, uint64_t usec);

/* Runs a round of each, one after the other: the bare floor, the floor with cgroups (NULL: none),
 * ours. Notes what came out, and gives the median of ours over the floor that is fair: that with
 * cgroups where ours has them. */
typedef struct RigSides {
    BenchRound round;
    void *bare, *cgroups, *ours;
} RigSides;
double rig_compare(const char *name, unsigned rounds, const RigSides *sides);
/* The same where each round is of a rig of n programs, of which only one runs at a time. */
double rig_compare_alone(Bench *bench, RigSide side, unsigned n, const char *name, unsigned rounds,
                         BenchRound round);
/* Both ratios in a note. */
void rig_note(const char *name, double of_bare, double of_cgroups);

/* The program NAME beside this one; the caller's. */
char *rig_program(const char *name);
