/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the child does between the clone and the program, on memory that the daemon has prepared. */

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
    CHILD_STEP_SIGNALS,
    CHILD_STEP_INPUT,
    CHILD_STEP_DIRECTORY,
    CHILD_STEP_DESCRIPTORS,
    CHILD_STEP_LIMITS,
    CHILD_STEP_GROUPS,
    CHILD_STEP_GROUP,
    CHILD_STEP_USER,
    CHILD_STEP_EXECUTE,
    CHILD_STEP_INTERPRETER, /* the file is there, but what it is to be run by is not */
    _CHILD_STEP_MAX,
} ChildStep;

typedef struct ChildError {
    ChildStep step; /* CHILD_STEP_NONE: it went well */
    int errno_value;
} ChildError;

#define CHILD_UMASK_KEEP ((mode_t)-1)

typedef struct ChildPlan {
    const Sys *sys;
    const char *path;
    char *const *argv;
    char *const *envp;
    const char *working_directory; /* NULL: the daemon's */
    mode_t umask;                  /* CHILD_UMASK_KEEP: the daemon's */
    uint64_t dispositions;         /* a bit for each signal (1 is bit 0) that is to be reset */
    bool sets_user;
    bool sets_group;
    bool sets_groups;
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
    struct rlimit64 nofile;
    uint64_t mark; /* of the daemon's lineage (host-internal.h); 0: none */
    int input_fd;  /* becomes standard input; 3 or more */
    /* 3 or more, close-on-exec: the error is written there too. Then memory and descriptors are
     * copies. -1: the memory is the daemon's, and the child does not change its credentials. */
    int error_fd;
    /* Written by the child; seen by the daemon where memory is shared. */
    volatile ChildError error;
} ChildPlan;

/* A SysChildFunc over a ChildPlan: own session and process group, signals, standard input, umask,
 * directory, limits, credentials; every descriptor from 3 on is closed, by the exec at the latest.
 * Does not return: becomes the program, or notes step and errno and exits with 127. */
void child_run(void *plan) __attribute__((noreturn));
