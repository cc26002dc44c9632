/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the simulated kind reports. Each does nothing when the kind, for what it knows itself, would
 * have nothing to report, and checks what core makes of the report. */

#include "world.h"

void kind_apply_ends(World *world, Actor *actor, bool success, bool abort);
typedef enum EndHow {
    END_CLEANLY,
    END_WITH_ERROR,
    END_PREVENTED,
    END_FORCED,
    END_BY_WATCHDOG,
    _END_MAX,
} EndHow;
void kind_ends(World *world, Actor *actor, EndHow how);
void kind_begins_to_end(World *world, Actor *actor, EndHow how);
/* Without having been asked to. */
void kind_reloads(World *world, Actor *actor);
void kind_stop_is_done(World *world, Actor *actor, bool failed);
void kind_is_unkillable(World *world, Actor *actor);
/* A report from a context that is spent: nothing may come of it. */
void kind_reports_late(World *world, Actor *actor, bool success);
