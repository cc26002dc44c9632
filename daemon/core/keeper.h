/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keeps what must outlive the daemon. What people ask for is written by requests.h, in groups,
 * before it is done. What happens by itself (a service gives up, ends, fails once more) is seen
 * here in the feed and written behind: whether a service is wanted within 10 ms, its failures at
 * most once a second.
 *
 * A disk that refuses keeps no service from running: it is said once in the log and by
 * keeper_error, what was not written is tried again with growing pauses, and the recovery is said
 * too. */

#include "core/durable.h"
#include "core/map.h"

typedef struct Keeper Keeper;

/* durable NULL: nothing is kept, and every group succeeds. map and durable must outlive it. */
Keeper *keeper_new(Map *map, Durable *durable);
void keeper_free(Keeper *keeper); /* accepts NULL */

/* Reserves serials from the feed's next one on, and whenever they are used up; more at a time the
 * faster they are. Where the disk refuses, serials are given all the same; the reservation is then
 * made up before the next group is written, and until it is, keeper_error says so: only a crash
 * before that lets the next run give some of them again. */
void keeper_reserve_serials(Keeper *keeper, uint64_t limit);

/* One group. write is called once, between begin and commit. False: nothing of it is kept. */
typedef bool (*KeeperWrite)(Durable *durable, void *data, GError **error);
bool keeper_write(Keeper *keeper, DurableLevel level, KeeperWrite write, void *data,
                  GError **error);

/* The state of a service that is wanted, or not, by somebody's request: for within a write. */
bool keeper_put_wanted(Durable *durable, const char *id, bool wanted, GError **error);
/* What it wrote is kept now. */
void keeper_note_wanted(Keeper *keeper, Service *service, bool wanted);
/* It is not: to be tried again. */
void keeper_note_unwritten(Keeper *keeper, Service *service);

/* Writes what is outstanding, and from then on nothing more of what happens by itself: what runs
 * now is wanted, also when the daemon now stops it. */
void keeper_freeze(Keeper *keeper);

/* Why the disk does not keep what it should; "": it does. */
const char *keeper_error(const Keeper *keeper);
/* One listener (the bus): keeper_error has changed. */
void keeper_listen(Keeper *keeper, void (*func)(void *data), void *data);

/* For reading; NULL: nothing is kept. */
Durable *keeper_durable(Keeper *keeper);
