/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must outlive the daemon, on SQLite: STATE_DIR/svcmgr.db with a write-ahead log beside it.
 * Implements Durable (core/durable.h): the functions of that table write and read; those here open,
 * load and look after the whole.
 *
 * One process has it open, alone (a second one is refused). A group that is committed with
 * DURABLE_POWER is synced before commit returns; one with DURABLE_CRASH is in the kernel's hands by
 * then, and synced with the next that is. Writes of a group are collected and reach the file in the
 * commit, so a write does not fail, the commit does; it names file, operation and reason, leaves
 * nothing of the group, and the next group works as soon as the disk does. A file that has been
 * removed or replaced meanwhile is such a disk. Should the machine or
 * the daemon die between a commit that has failed and the next one that has not, the failed group
 * is there whole or not at all.
 *
 * A damaged file is set aside, never deleted; what can be read of it is carried over into a new
 * one, and database_messages says what happened. */

#include "base/clock.h"
#include "base/random.h"
#include "core/durable.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct DatabaseOptions {
    const char *state_dir; /* made, with those above it, mode 0700, if it is missing */
    Clock *clock;          /* borrowed for the life of the database, as is random */
    Random *random;
    uid_t uid;       /* whose the directory and the file must be: geteuid() */
    const char *vfs; /* SQLite's VFS of that name; NULL: the usual one. For tests. */
} DatabaseOptions;

typedef struct Database Database;

/* Opens or makes the database, brings an older schema up to date, and checks the whole file unless
 * the last end was clean. NULL, with the file untouched: the directory or the file is not ours or
 * others may write to the directory; another process has it; it was written by a newer svcmgr, or
 * not by svcmgr; the disk cannot be read, or, where something must be made or mended, written. A
 * disk that is full does not matter otherwise: only commits fail. */
Database *database_open(const DatabaseOptions *options, GError **error);
/* Accepts NULL. Moves the log into the file, as far as that succeeds. An open group is undone. */
void database_close(Database *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Database, database_close)

/* The table that core writes through; belongs to the database. */
Durable *database_durable(Database *database);

/* For the log, once load and database_note_start are done: what was found damaged, as what it was
 * set aside, what was kept, why the start was not. Empty if all was well. Of strings; stays the
 * database's. */
const GPtrArray *database_messages(const Database *database);

/* 16 lower-case hex digits, random, the same as long as the file lives: what all daemons of this
 * state directory have in common and no others. Stays the database's. */
const char *database_lineage(const Database *database);
/* Whether it could be one. */
bool database_lineage_is_valid(const char *lineage);
/* The file is a copy (of a state directory, out of a backup), and so its lineage is a new one. */
bool database_is_copy(const Database *database);

/* The first serial of this run: greater than all that any former run may have given; 1 in a new
 * database. */
uint64_t database_next_serial(const Database *database);

/* Keeps, synced, that a run begins; once per run, after the load. boot_id: of this boot of the
 * machine; instance_id: of this run. ret_same_boot: the run before began in this boot too (false if
 * there was none). ret_clean: the run before said database_note_clean_end (true if there was none).
 *
 * A disk that refuses is no error but a message (database_messages): the first group that is kept
 * has it, and the first serial is then at least the wall clock (usec), beyond what a run without a
 * disk may have given. Such a run that ends before anything of it is kept is not known to the next
 * one. Error: what the run before has left cannot be read. */
bool database_note_start(Database *database, const char *boot_id, const char *instance_id,
                         bool *ret_same_boot, bool *ret_clean, GError **error);
/* Keeps, synced, that this run ends as it should: the last write. Refused when the file turned out
 * to be damaged meanwhile, so that the next open looks at it. */
bool database_note_clean_end(Database *database, GError **error);

/* GPtrArray of SavedService, with its free function, sorted by id (strcmp). Outside of a group. A
 * file that turns out to be damaged is mended first (see database_messages): the first serial, and
 * the lineage where it was lost, are then others, so they are asked for after the load. */
GPtrArray *database_load(Database *database, GError **error);

/* func is called from within each commit, once it has put something into the log: the time to think
 * of a checkpoint, not to make one. NULL: nobody. */
void database_listen(Database *database, void (*func)(void *data), void *data);
/* Whether database_checkpoint has something to do. */
bool database_wants_checkpoint(const Database *database);
/* Moves what is in the log into the file, synced: to be called when nothing else is to be done,
 * outside of a group. A commit does so by itself only when the log has grown beyond 16 MiB. */
bool database_checkpoint(Database *database, GError **error);
