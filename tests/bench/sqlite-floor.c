/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sqlite-floor.h"

#include "store/database-internal.h"

#include <glib.h>

/* As long as a SHA-256 is. */
#define SQLITE_FLOOR_DIGEST "0000000000000000000000000000000000000000000000000000000000000000"

static void sqlite_floor_execute(SqliteFloor *floor, const char *sql)
{
    g_assert_cmpint(sqlite3_exec(floor->sqlite, sql, NULL, NULL, NULL), ==, SQLITE_OK);
}

void sqlite_floor_open(SqliteFloor *floor, const char *path)
{
    static const char *const inserts[] = {
            "INSERT INTO service(id, kind) VALUES(?1, 'process')",
            "INSERT INTO revision(id, revision, time, source, digest, text) VALUES(?1, 1, "
            "1000000000000000, 0, '" SQLITE_FLOOR_DIGEST "', ?2)",
            "INSERT INTO state(id, wanted, failed_attempts, failure_class, error_time) "
            "VALUES(?1, 1, 0, '', 0)",
    };

    g_assert_cmpint(sqlite3_open(path, &floor->sqlite), ==, SQLITE_OK);
    sqlite_floor_execute(floor, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = EXTRA; PRAGMA cache_size = -512;"
                                "PRAGMA wal_autocheckpoint = 0");
    for (int i = 0; i < database_schema.version; i++)
        sqlite_floor_execute(floor, database_schema.migrations[i].sql);
    for (size_t i = 0; i < G_N_ELEMENTS(inserts); i++)
        g_assert_cmpint(sqlite3_prepare_v2(floor->sqlite, inserts[i], -1, &floor->inserts[i], NULL),
                        ==, SQLITE_OK);
}

void sqlite_floor_close(SqliteFloor *floor)
{
    for (size_t i = 0; i < G_N_ELEMENTS(floor->inserts); i++)
        (void)sqlite3_finalize(floor->inserts[i]); /* says again what its last step has said */
    g_assert_cmpint(sqlite3_close(floor->sqlite), ==, SQLITE_OK);
}

void sqlite_floor_begin(SqliteFloor *floor)
{
    sqlite_floor_execute(floor, "BEGIN IMMEDIATE");
}

void sqlite_floor_commit(SqliteFloor *floor)
{
    sqlite_floor_execute(floor, "COMMIT");
}

void sqlite_floor_create(SqliteFloor *floor, const char *id, const char *config, bool wanted)
{
    for (size_t i = 0; i < (wanted ? 3 : 2); i++) {
        sqlite3_stmt *insert = floor->inserts[i];

        g_assert_cmpint(sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC), ==, SQLITE_OK);
        if (i == 1)
            g_assert_cmpint(sqlite3_bind_text(insert, 2, config, -1, SQLITE_STATIC), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_step(insert), ==, SQLITE_DONE);
        g_assert_cmpint(sqlite3_reset(insert), ==, SQLITE_OK);
    }
}

void sqlite_floor_checkpoint(SqliteFloor *floor)
{
    sqlite_floor_execute(floor, "PRAGMA wal_checkpoint(PASSIVE)");
}
