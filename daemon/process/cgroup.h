/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups, version 2 (the kernel's Documentation/admin-guide/cgroup-v2.rst), as far as
 * somebody else lets us have them. A tree is the daemon's own directory in the hierarchy; below it
 * each service that runs has a cgroup of its own, made by us and removed when nothing is in it. All
 * members of a cgroup are known to the kernel, whatever sessions and parents they have: they can be
 * counted, signalled and killed without a look at anybody else.
 *
 * Which controllers are there (memory, cpu, pids, io) is another matter: without any the cgroups
 * still keep processes together. */

#include "base/watch.h"
#include "process/sys.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum CgroupController {
    CGROUP_MEMORY,
    CGROUP_CPU,
    CGROUP_PIDS,
    CGROUP_IO,
    _CGROUP_CONTROLLER_MAX,
} CgroupController;
const char *cgroup_controller_name(CgroupController controller); /* "memory", ... */

/* The limits of one service; all zero: none. */
typedef struct CgroupLimits {
    uint64_t memory_max_bytes; /* 0: none */
    uint64_t pids_max;         /* 0: none */
    uint64_t cpu_weight;       /* 1-10000; 0: the kernel's */
    uint64_t io_weight;        /* 1-10000; 0: the kernel's */
} CgroupLimits;
bool cgroup_limits_are_equal(const CgroupLimits *a, const CgroupLimits *b);

typedef struct CgroupTree CgroupTree;
typedef struct CgroupTreeOptions {
    const Sys *sys;
    WatchHost *watches;
    /* "auto": below the cgroup that the daemon is in, if that is ours to divide: where systemd is
     * process 1 only what it has delegated (Delegate=yes). Else a directory of a v2 hierarchy. */
    const char *where;
    const char *name; /* of the tree's directory; the same in every run on one state directory */
} CgroupTreeOptions;
/* Looks for a writable v2 hierarchy (v2 alone, the v2 part of a hybrid host, a delegated subtree),
 * makes the directory, and enables for it what controllers can be had; if the daemon itself stands
 * in the way of that ("no internal processes"), it moves into a leaf of the tree. A directory that
 * a former run has left is taken over. NULL with an error that says why there is none: services
 * are then followed by sessions. */
CgroupTree *cgroup_tree_new(const CgroupTreeOptions *options, GError **error);
/* No cgroup of it may be left (asserted). Removes what is empty. Accepts NULL. */
void cgroup_tree_free(CgroupTree *tree);
/* As /proc/PID/cgroup shows it: "/svcmgr-0123456789abcdef". */
const char *cgroup_tree_path(const CgroupTree *tree);
bool cgroup_tree_has(const CgroupTree *tree, CgroupController controller);
/* Why it has not, for people. Borrowed; NULL when it has. */
const char *cgroup_tree_why_not(const CgroupTree *tree, CgroupController controller);
/* Calls func for each process in the tree but those of the daemon's own leaf, with the name of the
 * service's directory. For what a former run has left; at most a few thousand. False: errno. */
typedef void (*CgroupProcessFunc)(pid_t pid, const char *name, void *data);
bool cgroup_tree_walk(const CgroupTree *tree, CgroupProcessFunc func, void *data);
/* Kills what is in directories that a former run has left (cgroup.kill), and removes those that are
 * empty; returns how many are left. */
unsigned cgroup_tree_clear_former(CgroupTree *tree);

/* Tries once more to remove what cgroup_free could not: somebody who was killed takes a moment to
 * be dead. To be called when a child has died. */
void cgroup_tree_prune(CgroupTree *tree);

/* What is asked or done below holds for all of a service's cgroup, also for those that its programs
 * have made in it. */
typedef struct Cgroup Cgroup;
/* The cgroup of a service, made now; its name shows the id. One of that name that is there already
 * must be empty (it is made anew, and what cannot be removed has no part in it): else ERROR_BUSY
 * names a process that is in it. */
Cgroup *cgroup_new(CgroupTree *tree, const char *service_id, GError **error);
/* Removes it if it is empty; else it stays until cgroup_tree_prune can remove it, or cgroup_new
 * takes it over. Accepts NULL. */
void cgroup_free(Cgroup *cgroup);
/* As /proc/PID/cgroup shows it: "/svcmgr-0123456789abcdef/web.svc". */
const char *cgroup_path(const Cgroup *cgroup);
/* The directory, for clone3; opened when first asked for, -1 and errno if that fails. To be closed
 * by cgroup_close when the program is started: what runs keeps no descriptor. */
int cgroup_directory_fd(Cgroup *cgroup);
/* Whether it hands controllers down, and therefore takes no process itself. */
bool cgroup_is_divided(const Cgroup *cgroup);
/* The same of a leaf of it, made when first needed, for who helps a service that has divided its
 * cgroup. It goes with the cgroup; its members are members of that. */
int cgroup_leaf_fd(Cgroup *cgroup);
/* cgroup.procs, open for writing: "0" written to it moves the writer in. For children that could
 * not be created inside. Of the leaf, if that is open. Opened and closed like the directory. */
int cgroup_procs_fd(Cgroup *cgroup);
void cgroup_close(Cgroup *cgroup);

/* Sets each limit, also those that are none (for what was set before). ERROR_NOT_SUPPORTED, with
 * the reason, where the controller is missing; nothing is set then. When one cannot be set, those
 * before it are put back. The error begins with the member: "cgroup.memory_max: ...". */
bool cgroup_set_limits(Cgroup *cgroup, const CgroupLimits *limits, GError **error);
/* Whether the limits could be set in this tree (NULL: there is none; why then says why): func is
 * called with the member ("memory_max") and the reason for each that could not. */
void cgroup_limits_check(const CgroupLimits *limits, const CgroupTree *tree, const char *why,
                         void (*func)(const char *member, const char *reason, void *data),
                         void *data);

/* Whether no process is in it; one that somebody has removed is empty. Zombies do not count, nor do
 * those that are about to be: they have run their last instruction, and have neither memory nor
 * descriptors, but may not be marked as dead in /proc for a moment. When it cannot be read: false
 * and errno. */
bool cgroup_is_empty(const Cgroup *cgroup);
/* Whether no process is in it. Then it is only to be freed: its directory is gone already, unless
 * it is divided. For who expects it to be empty, that is the shortest way to know. */
bool cgroup_remove_if_empty(Cgroup *cgroup);
/* A process of it that lives, not_pid excepted; 0: none, or (errno) nobody knows. */
pid_t cgroup_find_member(const Cgroup *cgroup, pid_t not_pid);
bool cgroup_has(const Cgroup *cgroup, pid_t pid);
/* Whether pid, a process or a zombie, held by pidfd, is known to be elsewhere. */
bool cgroup_has_left(const Cgroup *cgroup, pid_t pid, int pidfd);
/* To every process in it; one that has left in between is not reached, whoever has its number now.
 * Returns how many were reached. */
unsigned cgroup_signal(Cgroup *cgroup, int signo);
typedef struct CgroupSignal {
    int signo;
    bool continues; /* with SIGCONT after it: whoever is stopped gets it only then */
    pid_t not_pid;  /* who gets none, but is looked for; 0: nobody */
} CgroupSignal;
typedef struct CgroupReached {
    bool has_not_pid; /* it is in the list of members */
    unsigned n;
} CgroupReached;
/* The same in one go. False and errno: not all are known. What was found and done is told in any
 * case. */
bool cgroup_send(Cgroup *cgroup, const CgroupSignal *signal, CgroupReached *ret_reached);
/* Lets those go on whom somebody has frozen there: they get no signal but SIGKILL else. Does
 * nothing where nobody is, or can be. */
void cgroup_thaw(Cgroup *cgroup);
/* SIGKILL to all of it at once (cgroup.kill); by passes where the kernel has none. False and errno
 * when it cannot. */
bool cgroup_kill(Cgroup *cgroup);
/* func is called in the loop whenever it may have become empty (cgroup.events), until
 * cgroup_unwatch; once at least, if it is so already. False and errno. */
bool cgroup_watch(Cgroup *cgroup, void (*func)(void *data), void *data);
void cgroup_unwatch(Cgroup *cgroup);

/* What the kernel's OOM killer has ended in it so far; 0 where nobody counts. */
uint64_t cgroup_oom_kills(const Cgroup *cgroup);
/* What it has used. Each is left alone where it cannot be known. */
typedef struct CgroupUsage {
    bool has_cpu, has_memory, has_memory_peak, has_tasks;
    uint64_t cpu_usec;
    uint64_t memory_bytes;
    uint64_t memory_peak_bytes;
    uint64_t n_tasks;
} CgroupUsage;
void cgroup_read_usage(const Cgroup *cgroup, CgroupUsage *ret_usage);
/* The most memory that it ever had. False: nobody counts that. */
bool cgroup_read_peak(const Cgroup *cgroup, uint64_t *ret_bytes);
/* How many processes are in it, as far as that can be read. */
uint64_t cgroup_count(const Cgroup *cgroup);
/* The first max members. Returns how many. */
size_t cgroup_list(const Cgroup *cgroup, pid_t *ret_pids, size_t max);
