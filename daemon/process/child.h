/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the child does between the clone and the program, on memory that the daemon has prepared. */

#include "process/rlimits.h"
#include "process/sys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* In the order in which they are done. */
typedef enum ChildStep {
    CHILD_STEP_NONE,
    CHILD_STEP_SESSION,
    CHILD_STEP_CGROUP,
    CHILD_STEP_SIGNALS,
    CHILD_STEP_PASSES,
    CHILD_STEP_INPUT,
    CHILD_STEP_OUTPUT,
    CHILD_STEP_DESCRIPTORS,
    CHILD_STEP_NICE,
    CHILD_STEP_OOM_SCORE,
    CHILD_STEP_LIMITS,
    CHILD_STEP_CAPABILITIES,
    CHILD_STEP_GROUPS,
    CHILD_STEP_GROUP,
    CHILD_STEP_USER,
    CHILD_STEP_DIRECTORY,
    CHILD_STEP_PRIVILEGES,
    CHILD_STEP_EXECUTE,
    CHILD_STEP_INTERPRETER, /* the file is there, but what it is to be run by is not */
    _CHILD_STEP_MAX,
} ChildStep;

typedef struct ChildError {
    ChildStep step; /* CHILD_STEP_NONE: it went well */
    int errno_value;
    int detail; /* which one: the target of a pass, 1 or 2, the resource of a limit, a capability;
                   CHILD_NO_DETAIL: none of them in particular */
} ChildError;
#define CHILD_NO_DETAIL (-1)

#define CHILD_UMASK_KEEP ((mode_t)-1)
#define CHILD_PID_BYTES 11 /* of the largest process id, with the NUL */
#define CHILD_N_PIDS 2
#define CHILD_N_OUTPUTS 2

typedef struct ChildPass {
    int fd; /* the child's copy of the plan has another number while it is being moved */
    int target;
} ChildPass;

typedef struct ChildPlan {
    const Sys *sys;
    const char *path;
    char *const *argv;
    char *const *envp;
    /* Parts of envp where the child writes its own number, CHILD_PID_BYTES each; NULL: none. */
    char *pids[CHILD_N_PIDS];
    const char *working_directory; /* NULL: the daemon's */
    mode_t umask;                  /* CHILD_UMASK_KEEP: the daemon's */
    uint64_t dispositions;         /* a bit for each signal (1 is bit 0) that is to be reset */
    bool sets_nice;
    int nice;
    const char *oom_score; /* what is written to oom_score_adj; NULL: nothing */
    size_t oom_score_length;
    const SpawnLimit *limits;
    size_t n_limits;
    struct rlimit64 nofile; /* unless the limits say otherwise */
    bool sets_capabilities;
    uint64_t capabilities;
    bool sets_user;
    bool sets_group;
    bool sets_groups;
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
    bool no_new_privileges;
    uint64_t mark;       /* of the daemon's lineage (host-internal.h); 0: none */
    uint64_t run_number; /* of the mark; shifted, without the session */
    int cgroup_procs_fd; /* to be entered by this; -1: it was created where it belongs */
    int input_fd;        /* becomes standard input; 3 or more */
    /* What become standard output and error; 3 or more, may be the same. -1: the daemon's. */
    int output_fds[CHILD_N_OUTPUTS];
    ChildPass *passes; /* targets ascending, 3 or more */
    size_t n_passes;
    /* 3 or more, close-on-exec: the error is written there too. Then memory and descriptors are
     * copies. -1: the memory is the daemon's, and the child does not change its credentials. */
    int error_fd;
    /* Written by the child; seen by the daemon where memory is shared. */
    volatile ChildError error;
} ChildPlan;

/* A SysChildFunc over a ChildPlan: own session and process group, cgroup, signals, descriptors at
 * their numbers, umask, scheduling and limits, capabilities, credentials, directory; every other
 * descriptor from 3 on is closed, by the exec at the latest. Does not return: becomes the program,
 * or notes step and errno and exits with 127. */
void child_run(void *plan) __attribute__((noreturn));
