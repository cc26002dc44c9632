/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Versions of the schema. Each row of the table makes one version out of the one before; a file of
 * an older version goes through all that it lacks in one transaction. What stands in the table is
 * in files out there: it is never edited, only added to.
 *
 * Every table but meta has a number of its own for key, although the id would do: rows of a damaged
 * file can then be asked for one by one. */

#include "store/database-internal.h"

#include "base/errors.h"

#include <inttypes.h>

static const DatabaseMigration database_migrations[] = {
        {"CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;"
         "CREATE TABLE service(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
         " kind TEXT NOT NULL, description TEXT, labels TEXT);"
         "CREATE TABLE revision(number INTEGER PRIMARY KEY, id TEXT NOT NULL,"
         " revision INTEGER NOT NULL, time INTEGER NOT NULL, source INTEGER NOT NULL,"
         " digest TEXT NOT NULL, text TEXT NOT NULL);"
         "CREATE INDEX revision_by_id ON revision(id, revision, source);"
         "CREATE TABLE enabled(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
         " enabled INTEGER NOT NULL);"
         "CREATE TABLE state(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
         " wanted INTEGER NOT NULL, failed_attempts INTEGER NOT NULL, failure_class TEXT NOT NULL,"
         " error_time INTEGER NOT NULL, error TEXT);"},
};

const DatabaseSchema database_schema = {
        .migrations = database_migrations,
        .version = G_N_ELEMENTS(database_migrations),
};

/* All in one transaction; the versions that SQLite keeps in the header are part of it. */
static bool database_schema_migrate(Database *database, int version, GError **error)
{
    const DatabaseSchema *schema = database->schema;
    g_autofree char *done = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
                                            DATABASE_APPLICATION_ID, schema->version);

    if (!database_execute(database, "BEGIN IMMEDIATE", "write to", error))
        return false;
    for (; version < schema->version; version++) {
        if (!database_execute(database, schema->migrations[version].sql, "migrate", error))
            return false;
    }
    return database_execute(database, done, "migrate", error) &&
           database_execute(database, "COMMIT", "migrate", error);
}

/* A file without any table and without our mark is a new one; with tables, something has happened
 * to the mark. */
static bool database_schema_check(Database *database, int64_t application, int64_t version,
                                  GError **error)
{
    int64_t n_tables = 0;

    if (application != 0 && application != DATABASE_APPLICATION_ID)
        return error_set(error, ERROR_FAILED,
                         "%s is a database of another program (application id 0x%08" PRIx64
                         "): move it away, or name another state directory",
                         database->path, (uint64_t)application);
    if (version > database->schema->version && application == DATABASE_APPLICATION_ID)
        return error_set(error, ERROR_FAILED,
                         "%s was written by a newer svcmgr (schema version %" PRId64
                         ", known here are those to %d): run that one, or move the file away",
                         database->path, version, database->schema->version);
    if (!database_query_integer(database, "SELECT count(*) FROM sqlite_schema", &n_tables, error))
        return false;
    bool is_new = n_tables == 0 && version == 0 && application == 0;
    bool is_ours = n_tables > 0 && version > 0 && application == DATABASE_APPLICATION_ID;
    if (!is_new && !is_ours)
        return database_set_damaged(database, error, "its header contradicts its tables");
    return true;
}

bool database_schema_apply(Database *database, GError **error)
{
    int64_t application = 0, version = 0;

    if (!database_query_integer(database, "PRAGMA application_id", &application, error) ||
        !database_query_integer(database, "PRAGMA user_version", &version, error) ||
        !database_schema_check(database, application, version, error))
        return false;
    /* Also where it is set already: it is kept in the file. */
    if (!database_execute(database, "PRAGMA journal_mode = WAL", "write to", error))
        return false;
    return version == database->schema->version ||
           database_schema_migrate(database, (int)version, error);
}
