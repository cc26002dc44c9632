/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must hold after every step. The numbers are those of the list:
 * 1. at most one apply of a service runs; a cancelled one never changes the state
 * 2. not active: nothing of it runs, and no timer of it is armed
 * 3. loading is starting, reloading or backoff; a next attempt is due in backoff alone
 * 4. serials are gap-free; each listener's snapshot with its changes is the map
 * 5. the counts equal a recount
 * 6. created less deleted is present
 * 8. once requests cease, everything settles
 * (1 and 4 are also checked on the way: kind.c, mirror.c, rules.c.) */

#include "world.h"

/* A record by itself, as it is told. */
void invariants_check_record(const World *world, const Actor *actor, const StateRecord *record);
/* Between two steps: of the services that were touched since the last time, or of all. */
void invariants_check(World *world, bool all);
/* Requests cease; what is under way comes out; 8. */
void invariants_rest(World *world);
