/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the group share: group.c (who takes part), group-hooks.c, group-list.c, and
 * group-launch.c and group-stop.c (the two halves of its life).
 *
 * Reports and requests only write down what they say and arm the step timer; one function, the
 * step, called from the loop, does what follows from it. So no unit is ever called from inside its
 * own report, and the end of the group is told at one place, as the last thing. */

#include "base/multi-start.h"
#include "run/group.h"
#include "run/state-machine.h"

typedef struct UnitSlot {
    Unit unit;
    StateMachine *machine; /* start: serve; stop: stop */
    bool is_open;          /* pre-run, and not undone */
    Group *group;
} UnitSlot;

struct Group {
    Clock *clock;
    GroupEvents events;
    GroupPhase phase;
    GPtrArray *slots;  /* of UnitSlot *, in order of registration */
    GPtrArray *errors; /* of GError * */
    Hooks *hooks[_HOOK_MOMENT_MAX];
    Lifecycle *lifecycle;
    Timer *step;
    Timer *deadline;
    uint64_t startup_deadline_usec;
    bool are_hooks_over; /* of the present phase */
    bool is_ready;
    bool is_stop_requested;
    bool is_serve_reached;
    bool is_late_told; /* in the launch */
    bool is_forced;    /* the time of the present phase is over: what is late was told so */
};

/* group.c */
UnitSlot *group_slot(const Group *group, unsigned index);
void group_enter(Group *group, GroupPhase phase);
/* In the next turn of the loop. */
void group_kick(Group *group);
/* Takes error. */
void group_collect(Group *group, GError *error);
/* Collects that what was named is late, and tells; with no names, neither. */
void group_tell_late(Group *group, GPtrArray *names);

/* group-hooks.c */
void group_make_hooks(Group *group, TimerHost *timers);
/* "hook NAME", to be freed. */
char *group_hook_title(const char *name);
/* Ends what hooks remain: the one that runs is given up. */
void group_give_up_hooks(Group *group, HookMoment moment);

/* group-launch.c */
void group_step_startup_hooks(Group *group);
void group_step_pre_run(Group *group);
void group_step_serve(Group *group);
void group_startup_deadline(Group *group);

/* group-stop.c */
void group_begin_stop(Group *group);
void group_step_stop(Group *group);
void group_step_shutdown_hooks(Group *group);
void group_stop_deadline(Group *group);
