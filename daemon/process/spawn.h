/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting one program: everything is looked up and put together here, in the daemon; the child
 * (child.h) only applies it. */

#include "process/host.h"
#include "process/identity.h"

#include <stdint.h>

#define SPAWN_UMASK_KEEP UINT32_MAX

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
} SpawnSpec;
void spawn_spec_clear(SpawnSpec *spec);

/* What is different in every start. */
typedef struct SpawnExtras {
    const char *service_id; /* NULL: it is no service */
    const char *invocation_id;
    const char *notify_socket; /* NULL: none */
    const Identity *identity;  /* of the spec's user and groups */
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

/* A child that stays what the daemon is has executed the program when this returns: the daemon
 * sleeps for that long. Any other, and any where that way is closed, is only on its way, in a
 * memory of its own; its failure comes later, in the same words.
 * Refused with LimitExceeded when it would take the daemon's last descriptors.
 * An error names the step, what it concerns and the errno; nothing runs then. The
 * environment is PATH and the daemon's LANG; USER, LOGNAME, HOME and SHELL if a user is given; then
 * environment_file, environment, and what extras say, later ones winning. */
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
