/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All SQL that runs while the daemon does stands in one table; a statement is compiled when it is
 * first needed and kept. Values are bound, never written into SQL. Errors say the file, what was
 * tried, what SQLite says, its code and, where the kernel gave a reason, that. */

#include "store/database-internal.h"

#include "base/errors.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* NOT INDEXED: what is read whole is read in the order in which it lies in the file. */
static const char *const database_statements[_STATEMENT_MAX] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_SYNC_CRASH] = "PRAGMA synchronous = NORMAL",
        [STATEMENT_SYNC_POWER] = "PRAGMA synchronous = EXTRA",
        [STATEMENT_GET_META] = "SELECT value FROM meta WHERE key = ?1",
        [STATEMENT_PUT_META] = "INSERT INTO meta(key, value) VALUES(?1, ?2)"
                               " ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        [STATEMENT_DROP_SERVICE] = "DELETE FROM service WHERE id = ?1",
        [STATEMENT_PUT_SERVICE] = "INSERT OR REPLACE INTO service(id, kind, description, labels)"
                                  " VALUES(?1, ?2, ?3, ?4)",
        [STATEMENT_DROP_REVISIONS] = "DELETE FROM revision WHERE id = ?1",
        [STATEMENT_DROP_REVISION] = "DELETE FROM revision WHERE id = ?1 AND revision = ?2",
        [STATEMENT_PUT_REVISION] = "INSERT INTO revision(id, revision, time, source, digest, text)"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        [STATEMENT_PRUNE_REVISIONS] =
                "DELETE FROM revision WHERE id = ?1"
                " AND revision <= (SELECT revision FROM revision WHERE id = ?1"
                " ORDER BY revision DESC LIMIT 1 OFFSET ?2)"
                " AND revision IS NOT"
                " (SELECT max(revision) FROM revision WHERE id = ?1 AND source = ?3)",
        [STATEMENT_DROP_ENABLED] = "DELETE FROM enabled WHERE id = ?1",
        [STATEMENT_PUT_ENABLED] = "INSERT INTO enabled(id, enabled) VALUES(?1, ?2)"
                                  " ON CONFLICT(id) DO UPDATE SET enabled = excluded.enabled",
        [STATEMENT_DROP_STATE] = "DELETE FROM state WHERE id = ?1",
        [STATEMENT_PUT_STATE] =
                "INSERT INTO state(id, wanted, failed_attempts, failure_class, error_time, error)"
                " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(id) DO UPDATE SET"
                " wanted = excluded.wanted, failed_attempts = excluded.failed_attempts,"
                " failure_class = excluded.failure_class, error_time = excluded.error_time,"
                " error = excluded.error",
        [STATEMENT_LIST_REVISIONS] = "SELECT revision, time, source, digest FROM revision"
                                     " WHERE id = ?1 ORDER BY revision",
        [STATEMENT_GET_REVISION] = "SELECT revision, time, source, text FROM revision"
                                   " WHERE id = ?1 AND revision = ?2",
        [STATEMENT_LOAD_SERVICES] = "SELECT number, id, kind, description, labels"
                                    " FROM service NOT INDEXED WHERE number >= ?1 ORDER BY number",
        [STATEMENT_LOAD_ENABLED] = "SELECT number, id, enabled"
                                   " FROM enabled NOT INDEXED WHERE number >= ?1 ORDER BY number",
        [STATEMENT_LOAD_STATES] =
                "SELECT number, id, wanted, failed_attempts, failure_class, error_time, error"
                " FROM state NOT INDEXED WHERE number >= ?1 ORDER BY number",
        [STATEMENT_LOAD_REVISIONS] =
                "SELECT number, id, revision, source FROM revision ORDER BY id, revision",
        [STATEMENT_LOAD_TEXT] = "SELECT number, id, revision, time, source, digest, text"
                                " FROM revision NOT INDEXED WHERE number >= ?1 ORDER BY number",
};

/* The names that people search for; others are told by their number. */
static const struct {
    int code;
    const char *name;
} database_codes[] = {
        {SQLITE_FULL, "SQLITE_FULL"},
        {SQLITE_BUSY, "SQLITE_BUSY"},
        {SQLITE_CORRUPT, "SQLITE_CORRUPT"},
        {SQLITE_NOTADB, "SQLITE_NOTADB"},
        {SQLITE_READONLY, "SQLITE_READONLY"},
        {SQLITE_CANTOPEN, "SQLITE_CANTOPEN"},
        {SQLITE_IOERR_READ, "SQLITE_IOERR_READ"},
        {SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ"},
        {SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE"},
        {SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"},
        {SQLITE_IOERR_DIR_FSYNC, "SQLITE_IOERR_DIR_FSYNC"},
        {SQLITE_IOERR_TRUNCATE, "SQLITE_IOERR_TRUNCATE"},
        {SQLITE_IOERR_FSTAT, "SQLITE_IOERR_FSTAT"},
        {SQLITE_IOERR_DELETE, "SQLITE_IOERR_DELETE"},
        {SQLITE_IOERR_LOCK, "SQLITE_IOERR_LOCK"},
};

static bool database_code_is_damage(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

static char *database_code_to_text(int code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(database_codes); i++) {
        if (database_codes[i].code == code)
            return g_strdup(database_codes[i].name);
    }
    return g_strdup_printf("SQLite code %d", code);
}

/* What the kernel has said to SQLite, where that is what failed: SQLite itself asks after many
 * failures, but not after that of a COMMIT. */
static int database_reason(int primary)
{
    bool by_kernel =
            primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL;

    return by_kernel ? errno : 0;
}

bool database_set_error(Database *database, GError **error, const char *operation)
{
    int code = sqlite3_extended_errcode(database->sqlite), primary = code & 0xff;
    int reason = database_reason(primary);
    g_autofree char *name = database_code_to_text(code);

    if (database_code_is_damage(primary))
        database->damaged = true;
    if (primary == SQLITE_BUSY)
        return error_set(error, ERROR_FAILED, "cannot %s %s: another process has it open",
                         operation, database->path);
    return error_set(error, ERROR_FAILED, "cannot %s %s: %s (%s)%s%s", operation, database->path,
                     sqlite3_errmsg(database->sqlite), name, reason != 0 ? ": " : "",
                     reason != 0 ? g_strerror(reason) : "");
}

int database_step(sqlite3_stmt *statement)
{
    errno = 0;
    return sqlite3_step(statement);
}

bool database_set_damaged(Database *database, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    database->damaged = true;
    return error_set(error, ERROR_FAILED, "%s is damaged: %s", database->path, message);
}

sqlite3_stmt *database_statement(Database *database, DatabaseStatement statement,
                                 const char *operation, GError **error)
{
    sqlite3_stmt **place = &database->statements[statement];

    if (*place == NULL && sqlite3_prepare_v3(database->sqlite, database_statements[statement], -1,
                                             SQLITE_PREPARE_PERSISTENT, place, NULL) != SQLITE_OK) {
        (void)database_set_error(database, error, operation);
        return NULL;
    }
    return *place;
}

DatabaseValue database_string(const char *string)
{
    if (string == NULL)
        return (DatabaseValue){.type = SQLITE_NULL};
    return database_text(string, strlen(string));
}

/* The texts stay the caller's until the statement is reset. Fails only out of memory or of a wrong
 * index, which is our own bug. */
void database_bind(sqlite3_stmt *statement, const DatabaseValue *values, unsigned n_values)
{
    for (unsigned i = 0; i < n_values; i++) {
        const DatabaseValue *value = &values[i];
        int index = (int)i + 1, code;

        if (value->type == SQLITE_TEXT)
            code = sqlite3_bind_text64(statement, index, value->text, value->length, SQLITE_STATIC,
                                       SQLITE_UTF8);
        else if (value->type == SQLITE_INTEGER)
            code = sqlite3_bind_int64(statement, index, value->integer);
        else
            code = sqlite3_bind_null(statement, index);
        g_assert(code == SQLITE_OK);
    }
}

bool database_run(Database *database, DatabaseStatement statement, const DatabaseValue *values,
                  unsigned n_values, const char *operation, GError **error)
{
    sqlite3_stmt *prepared = database_statement(database, statement, operation, error);

    if (prepared == NULL)
        return false;
    database_bind(prepared, values, n_values);
    bool done = database_step(prepared) == SQLITE_DONE;
    if (!done)
        (void)database_set_error(database, error, operation);
    (void)sqlite3_reset(prepared); /* says again what the step has said */
    (void)sqlite3_clear_bindings(prepared);
    return done;
}

bool database_execute(Database *database, const char *sql, const char *operation, GError **error)
{
    errno = 0;
    if (sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
        return database_set_error(database, error, operation);
    return true;
}

bool database_query_integer(Database *database, const char *sql, int64_t *ret_value, GError **error)
{
    sqlite3_stmt *statement = NULL;
    errno = 0;
    int code = sqlite3_prepare_v2(database->sqlite, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = database_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    else if (code != SQLITE_DONE)
        (void)database_set_error(database, error, "read");
    (void)sqlite3_finalize(statement); /* says again what the step has said */
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

bool database_get_meta(Database *database, const char *key, char **ret_value, GError **error)
{
    sqlite3_stmt *statement = database_statement(database, STATEMENT_GET_META, "read", error);
    DatabaseValue value = database_string(key);

    if (statement == NULL)
        return false;
    database_bind(statement, &value, 1);
    int code = database_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = g_strdup((const char *)sqlite3_column_text(statement, 0));
    else if (code == SQLITE_DONE)
        *ret_value = NULL;
    else
        (void)database_set_error(database, error, "read");
    (void)sqlite3_reset(statement); /* says again what the step has said */
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

void database_finalize(Database *database)
{
    for (int i = 0; i < _STATEMENT_MAX; i++) {
        (void)sqlite3_finalize(
                database->statements[i]); /* says again what its last step has said */
        database->statements[i] = NULL;
    }
}
