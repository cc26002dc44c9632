/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What spawn.c (the ways to a child) and its neighbours share: spawn-prepare.c (what the child is
 * given), spawn-error.c (what it says). */

#include "process/child.h"
#include "process/spawn.h"

typedef struct SpawnPrepared {
    char *path;
    char **argv; /* NULL: as it is in spec or extras */
    char **envp;
    char *oom_score;
    ChildPass *passes;
    ChildPlan plan; /* of the above, and of what spec and extras have */
} SpawnPrepared;

/* prepared is zero before; to be cleared in any case. */
bool spawn_prepare(ProcessHost *host, const SpawnSpec *spec, const SpawnExtras *extras,
                   SpawnPrepared *prepared, GError **error);
void spawn_prepared_clear(SpawnPrepared *prepared);

/* child_error may have been made up by somebody who should not have had the pipe. False. */
bool spawn_set_step_error(GError **error, const SpawnSpec *spec, const char *path,
                          const ChildError *child_error);
