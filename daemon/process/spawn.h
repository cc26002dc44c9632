/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting one program: everything is looked up and put together here, in the daemon; the child
 * (child.h) only applies it. */

#include "process/cgroup.h"
#include "process/host.h"
#include "process/identity.h"

#include <stdint.h>

#define SPAWN_UMASK_KEEP UINT32_MAX
#define SPAWN_NICE_KEEP INT32_MAX
#define SPAWN_OOM_SCORE_KEEP INT32_MAX

typedef enum SpawnPrivileges {
    SPAWN_PRIVILEGES_AUTO, /* none are new for who is not root */
    SPAWN_PRIVILEGES_NEW,  /* no_new_privileges false: set-user-id programs work */
    SPAWN_PRIVILEGES_NO_NEW,
} SpawnPrivileges;

/* What to run, and as whom. Borrowed by spawn_start for the time of the call. */
typedef struct SpawnSpec {
    char **exec;             /* argv; exec[0] is absolute, or looked up in the program's PATH */
    char **environment;      /* "NAME=value" strings; NULL: none */
    char *environment_file;  /* NULL: none */
    char *working_directory; /* NULL: the daemon's */
    uint32_t umask;          /* SPAWN_UMASK_KEEP: the daemon's */
    char *user;              /* names or numbers; NULL: the daemon's */
    char *group;
    char **supplementary_groups;
    int32_t nice;             /* -20 to 19, or SPAWN_NICE_KEEP */
    int32_t oom_score_adjust; /* -1000 to 1000, or SPAWN_OOM_SCORE_KEEP */
    GArray *limits;           /* of SpawnLimit (rlimits.h); NULL: the daemon's */
    SpawnPrivileges privileges;
    bool sets_capabilities;
    uint64_t capabilities; /* the bounding set: a bit for each that may be had (capabilities(7)) */
} SpawnSpec;
void spawn_spec_clear(SpawnSpec *spec);
/* In an initialiser: what is the daemon's stays as it is. */
#define SPAWN_KEEP_ALL                                                                             \
    .umask = SPAWN_UMASK_KEEP, .nice = SPAWN_NICE_KEEP, .oom_score_adjust = SPAWN_OOM_SCORE_KEEP

/* A descriptor of the daemon that the program has at a number of its choice. */
typedef struct SpawnPass {
    int fd;
    int target; /* 3 or more, of each number one */
} SpawnPass;

/* What is different in every start. Zero and NULL: there is none. */
typedef struct SpawnExtras {
    char *const *exec;      /* argv of another program, for the same service; NULL: the spec's */
    const char *service_id; /* NULL: it is no service */
    const char *invocation_id;
    const char *notify_socket;
    const Identity *identity; /* of the spec's user and groups */
    Cgroup *cgroup;           /* to begin in */
    bool may_begin_below;     /* in a leaf of it, where it is divided and takes nobody itself */
    pid_t main_pid;           /* MAINPID; and "$MAINPID", as a whole argument, is this number */
    uint64_t watchdog_usec;   /* WATCHDOG_USEC and WATCHDOG_PID */
    /* Become its standard output and error; 3 or more, may be the same. 0: the daemon's. */
    int stdout_fd;
    int stderr_fd;
    const SpawnPass *passes;
    size_t n_passes;
    /* LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES of sd_listen_fds(3): so many of the passes, which
     * stand at 3 and after. */
    size_t n_listen;
    const char *listen_names;
} SpawnExtras;
/* identity_resolve for a spec. */
bool spawn_resolve_identity(const SpawnSpec *spec, Identity *ret_identity, GError **error);

/* All of it is the caller's, who closes and frees it. */
typedef struct Spawned {
    pid_t pid;
    int pidfd;
    int error_fd; /* the child is still on its way: ask spawn_progress when it is readable. Else -1
                   */
    char *path;   /* of the program, for spawn_progress; NULL if error_fd is -1 */
} Spawned;

/* A child that stays what the daemon is, in a cgroup that is not frozen, has executed the program
 * when this returns: the daemon sleeps for that long. Any other, and any where that way is closed,
 * is only on its way, in a memory of its own; its failure comes later, in the same words. Refused
 * with LimitExceeded when it would take the daemon's last descriptors. An error names the step,
 * what it concerns and the errno; nothing runs then. The environment is PATH and the daemon's LANG;
 * USER, LOGNAME, HOME and SHELL if a user is given; then environment_file, environment, and what
 * extras say, later ones winning. */
bool spawn_start(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                 Spawned *ret_spawned, GError **error);

typedef enum SpawnProgress {
    SPAWN_PENDING,
    SPAWN_EXECUTED, /* or the child has died without a word */
    SPAWN_FAILED,   /* error is set; the child exits by itself, unless somebody holds it up */
} SpawnProgress;
/* Never blocks. spec and path: of the start. To be asked until it is no longer pending. */
SpawnProgress spawn_progress(ProcessHost *host, const SpawnSpec *spec, const char *path,
                             int error_fd, GError **error);

/* The file that exec[0] means, with PATH from path (a PATH's value). */
char *spawn_find_program(const char *program, const char *path, GError **error);
/* What a start would stumble over as things are now, called for each with the member of the
 * definition ("exec", "user", ...). */
typedef void (*SpawnDoubtFunc)(const char *member, const char *message, void *data);
void spawn_check(const SpawnSpec *spec, SpawnDoubtFunc doubt, void *data);
/* The same for another command of the service: whether its program is there. */
void spawn_check_command(const SpawnSpec *spec, const char *member, char *const *argv,
                         SpawnDoubtFunc doubt, void *data);
