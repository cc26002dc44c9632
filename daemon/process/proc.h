/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What /proc says of processes. All reading goes through the seam and is bounded. The number of a
 * process may be somebody else's by the time an answer is used: answers are hints unless the caller
 * holds on to the process. */

#include "process/sys.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ProcStat {
    pid_t parent;
    pid_t group;
    bool is_dead;  /* a zombie, with no thread left that lives */
    bool is_stuck; /* its first thread waits in the kernel, uninterruptibly; programs only */
    pid_t session;
    uint64_t
            start_time; /* in ticks since boot: no two processes have it and the number in common */
    uint64_t cpu_ticks; /* _SC_CLK_TCK a second; of it, and of the dead whom it has waited for */
    uint64_t n_threads;
} ProcStat;

/* One line of /proc/PID/stat, which need not end in a NUL byte. False: it is none. */
bool proc_stat_parse(const char *text, size_t length, ProcStat *ret_stat);
/* False and errno: there is no such process (ENOENT, ESRCH), or it cannot be read. */
bool proc_read_stat(const Sys *sys, pid_t pid, ProcStat *ret_stat);
/* Whether ancestor is the parent of pid, or its parent, and so on for 32 generations, without going
 * through this process. */
bool proc_descends_from(const Sys *sys, pid_t pid, pid_t ancestor);
/* Whether a thread of pid (of the first hundred) waits in the kernel for a disk or a server, so
 * that whoever reads its memory may have to wait for the same: its environment is to be let alone.
 * False when that cannot be known. */
bool proc_is_stuck(const Sys *sys, pid_t pid);
/* The first 16 KiB of the environment that pid was started with, "NAME=value" strings that end in a
 * NUL byte each; NULL and errno when it cannot be read. Nothing (length 0) of a zombie. */
char *proc_read_environ(const Sys *sys, pid_t pid, size_t *ret_length);
/* The value of the first such string with this name, borrowed; NULL: there is none. */
const char *proc_environ_find(const char *text, size_t length, const char *name);
/* Whether "NAME=value" was among the first 16 KiB of the environment that pid was started with. */
bool proc_environ_has(const Sys *sys, pid_t pid, const char *variable);
/* RLIMIT_LOCKS of pid, by prlimit(2) or, where that is refused, from /proc. False: it cannot be
 * read. */
bool proc_read_locks_limit(const Sys *sys, pid_t pid, struct rlimit64 *ret_limit);
/* The effective user. False and errno: as proc_read_stat. */
bool proc_read_uid(const Sys *sys, pid_t pid, uid_t *ret_uid);
/* False and errno: as proc_read_stat. */
bool proc_read_resident(const Sys *sys, pid_t pid, uint64_t *ret_bytes);
#define PROC_COMM_BYTES 16
/* The name of the program, as the kernel keeps it; false and errno: as proc_read_stat. */
bool proc_read_comm(const Sys *sys, pid_t pid, char ret_comm[PROC_COMM_BYTES]);
/* Calls func for the next of all processes, one or two hundred of them. directory_fd is open on
 * /proc and keeps the place. 1: there are more, 0: these were the last, negative errno. */
typedef void (*ProcWalkFunc)(pid_t pid, void *data);
int proc_walk(const Sys *sys, int directory_fd, ProcWalkFunc func, void *data);
/* Appends all children of this process, zombies too (a pid_t each). Since it reaps them itself,
 * none is missed who has been one all the time. False and errno: ENOENT where the kernel does not
 * tell (CONFIG_PROC_CHILDREN). */
bool proc_read_children(const Sys *sys, GArray *pids);
/* Appends all processes. False and errno. */
bool proc_read_all(const Sys *sys, GArray *pids);
/* This process, its parent, and so on (a pid_t each). With a process id namespace around us the
 * chain ends early. */
GArray *proc_list_ancestors(const Sys *sys);
/* Whether a process group has members, all of them dead. One pass over all processes; false when
 * there are too many of them, or something cannot be read. */
bool proc_group_is_dead(const Sys *sys, pid_t group);
