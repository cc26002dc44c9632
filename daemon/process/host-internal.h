/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host as the rest of process/ sees it. */

#include "process/cgroup.h"
#include "process/fd-closer.h"
#include "process/host.h"
#include "process/oom.h"
#include "process/output.h"
#include "process/service-log-stream.h"

#include <sys/resource.h>

#define HOST_INVOCATION_PREFIX_LENGTH 16

typedef struct Supervisor Supervisor;
typedef struct Stragglers Stragglers;
typedef struct UsageSurvey UsageSurvey;

struct ProcessHost {
    Clock *clock;
    TimerHost *timers;
    WatchHost *watches;
    Random *random;
    const Sys *sys;
    char *notify_directory; /* of this host alone */
    uint32_t last_notify_name;
    char invocation_prefix[HOST_INVOCATION_PREFIX_LENGTH + 1]; /* "": none */
    int null_fd;            /* /dev/null for reading, 3 or more */
    struct rlimit64 nofile; /* of programs */
    uint64_t dispositions;  /* of the daemon's signals: a bit for each that is not SIG_DFL */
    void *stack;            /* of the child between clone and exec; there is one at a time */
    size_t stack_size;
    void *stack_memory; /* with its guard page */
    size_t stack_memory_size;
    GHashTable *mains;   /* pid -> Supervisor that waits for its death */
    GHashTable *left;    /* service id -> what is left of it (former-left.c) */
    GQueue watchers;     /* of Supervisor: want to know when a process group of theirs is empty */
    CgroupTree *cgroups; /* NULL: there is none */
    char *cgroups_why;   /* why there is none; NULL: there is one, or nobody has looked */
    OomLog *oom;         /* NULL: nobody has looked */
    Stragglers *stragglers; /* stragglers.c; made when first asked for */
    FdCloser *closer;       /* fd-closer.c; made when first needed */
    UsageSurvey *survey;    /* usage.c; made when first asked for */
    ServiceLogs *logs;      /* NULL: none are kept, and what programs write goes where ours does */
    OutputReader *output;   /* where there are logs */
    ServiceLogStreams *log_streams; /* likewise */
    Timer *reap_timer;
    uint64_t reap_next_usec; /* not before */
    unsigned n_supervisors;
    unsigned n_running;
};

/* Programs that show a title of their own (redis, nginx, postgres) write over the environment that
 * /proc shows. So whose they are also stands where nobody writes: in RLIMIT_LOCKS, which is
 * inherited like the others, and which no kernel since Linux 2.4 has looked at. The hard limit is
 * the lineage: this number, whose highest bit is set. The soft one is the number of the run, and
 * below it the session that the program was started in (HOST_SESSION_BITS). */
uint64_t process_host_mark(const char *invocation_prefix);
#define HOST_SESSION_BITS 22 /* PID_MAX_LIMIT of the kernel */
/* The last 40 bits of an INVOCATION_ID. */
uint64_t process_host_run_number(const char *invocation_id);
/* A new INVOCATION_ID: 32 hexadecimal digits, of which the first are the prefix if there is one. */
char *process_host_new_invocation_id(ProcessHost *host);
