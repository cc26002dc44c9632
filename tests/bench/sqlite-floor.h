/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The least that keeping services can cost: bare SQLite, which inserts the rows of a service into
 * the tables that the daemon has, and commits them in groups, as hard synced. What goes wrong
 * aborts. */

#include <sqlite3.h>
#include <stdbool.h>

typedef struct SqliteFloor {
    sqlite3 *sqlite;
    sqlite3_stmt *inserts[3]; /* service, revision, state */
} SqliteFloor;

/* A new file at path. */
void sqlite_floor_open(SqliteFloor *floor, const char *path);
void sqlite_floor_close(SqliteFloor *floor);

void sqlite_floor_begin(SqliteFloor *floor);
void sqlite_floor_commit(SqliteFloor *floor);
/* wanted: a row of its state, too. */
void sqlite_floor_create(SqliteFloor *floor, const char *id, const char *config, bool wanted);
/* Moves the log into the file. */
void sqlite_floor_checkpoint(SqliteFloor *floor);
