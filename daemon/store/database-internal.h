/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the database share; nobody else includes it but tests.
 *
 *   database.c           opening, closing, who we are: lineage, runs, serials
 *   database-schema.c    versions of the schema
 *   database-statement.c the statements: made when first needed, kept; errors in words
 *   database-group.c     writing
 *   database-read.c      reading
 *   database-salvage.c   what can be read of a damaged file
 *   database-mend.c      a damaged file is set aside, a new one put in its place
 *   database-file.c      the directory and its files */

#include "store/database.h"

#include <sqlite3.h>

#define DATABASE_APPLICATION_ID 0x53564d31 /* "SVM1" */
#define DATABASE_PAGE_BYTES 4096
#define DATABASE_WAL_MAX_BYTES (16 * 1024 * 1024) /* a commit moves the log into the file */
#define DATABASE_WAL_LARGE_BYTES (1024 * 1024)    /* a checkpoint gives the space back */
#define DATABASE_LINEAGE_DIGITS 16

typedef enum DatabaseStatement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_SYNC_CRASH,
    STATEMENT_SYNC_POWER,
    STATEMENT_GET_META,
    STATEMENT_PUT_META,
    STATEMENT_DROP_SERVICE,
    STATEMENT_PUT_SERVICE,
    STATEMENT_DROP_REVISIONS,
    STATEMENT_DROP_REVISION,
    STATEMENT_PUT_REVISION,
    STATEMENT_PRUNE_REVISIONS,
    STATEMENT_DROP_ENABLED,
    STATEMENT_PUT_ENABLED,
    STATEMENT_DROP_STATE,
    STATEMENT_PUT_STATE,
    STATEMENT_LIST_REVISIONS,
    STATEMENT_GET_REVISION,
    STATEMENT_LOAD_SERVICES,
    STATEMENT_LOAD_ENABLED,
    STATEMENT_LOAD_STATES,
    STATEMENT_LOAD_REVISIONS,
    STATEMENT_LOAD_TEXT,
    _STATEMENT_MAX,
} DatabaseStatement;

#define DATABASE_VALUES_MAX 6

/* What is bound to a parameter. */
typedef struct DatabaseValue {
    int type; /* SQLITE_NULL, SQLITE_INTEGER or SQLITE_TEXT */
    int64_t integer;
    const char *text;
    size_t length;
} DatabaseValue;

/* One version of the schema: what makes it out of the one before. */
typedef struct DatabaseMigration {
    const char *sql;
} DatabaseMigration;

typedef struct DatabaseSchema {
    const DatabaseMigration *migrations; /* from version 0 to 1, from 1 to 2, ... */
    int version;                         /* as many as there are */
} DatabaseSchema;

struct Database {
    Durable durable;
    DatabaseOptions options; /* the strings are ours */
    const DatabaseSchema *schema;
    char *path;
    sqlite3 *sqlite; /* NULL: not open */
    sqlite3_stmt *statements[_STATEMENT_MAX];

    bool group_is_open;
    GArray *writes;      /* of DatabaseWrite: what the group that is open will do */
    GStringChunk *texts; /* of its values */
    const char *dropped; /* of texts: the last id of which the group has dropped everything, as
                          * long as it has no revision again; or NULL */
    DurableLevel level;  /* at which SQLite syncs now */
    bool wal_is_suspect; /* a write or sync failed: nobody knows what of the log is on the disk */
    uint64_t wal_bytes;  /* in the log and not yet in the file */
    void (*on_logged)(void *data); /* or NULL */
    void *on_logged_data;
    bool damaged; /* SQLite, or we, found what cannot be */

    char lineage[DATABASE_LINEAGE_DIGITS + 1];
    bool is_copy;      /* of the file that the lineage in it was made for */
    char *copied_from; /* the identity of the file that this one was copied from on purpose, to be
                        * salvaged; else NULL */
    /* What the disk has refused of this run, and each group brings along until one is kept: who
     * runs (NULL: nothing) and the last serial that may be given (0: nothing). */
    char *owed_boot_id, *owed_instance_id;
    uint64_t owed_limit;

    uint64_t first_serial;
    uint64_t serial_limit;
    GPtrArray *messages;
};

/* database.c */

/* Nothing is open yet. name: of the file in the state directory. */
Database *database_new(const DatabaseOptions *options, const DatabaseSchema *schema,
                       const char *name);
/* Opens the file, which must be there, and no more. */
bool database_open_file(Database *database, GError **error);
/* The same, and makes, migrates or checks what is in it, and reads who we are. On failure
 * database->damaged says whether mending may help; database_detach is still needed. */
bool database_attach(Database *database, GError **error);
/* keep_log: the file and its log stay as they are; else the log is moved into the file. */
void database_detach(Database *database, bool keep_log);
/* Whether the lineage in it was made for the file of that identity (NULL: of any). */
bool database_lineage_is_of(Database *database, const char *identity, bool *ret_is_of,
                            GError **error);
/* database_open with a schema of the caller's. */
Database *database_open_with_schema(const DatabaseOptions *options, const DatabaseSchema *schema,
                                    GError **error);

/* database-schema.c */

extern const DatabaseSchema database_schema;
/* Refuses a file that is not ours or is of a newer version; makes or migrates the tables. */
bool database_schema_apply(Database *database, GError **error);

/* database-statement.c */

/* Sets *error to "cannot OPERATION FILE: ..." out of what SQLite says and, as errno, the kernel: to
 * be called at once, and errno to be 0 before what failed. Sets database->damaged where that is
 * what it says. Returns false. */
bool database_set_error(Database *database, GError **error, const char *operation);
/* sqlite3_step, with errno 0 before. */
int database_step(sqlite3_stmt *statement);
/* We found nonsense: sets *error and database->damaged; returns false. */
bool database_set_damaged(Database *database, GError **error, const char *format, ...)
        G_GNUC_PRINTF(3, 4);
/* The statement, ready to be bound; NULL with *error set. */
sqlite3_stmt *database_statement(Database *database, DatabaseStatement statement,
                                 const char *operation, GError **error);
void database_bind(sqlite3_stmt *statement, const DatabaseValue *values, unsigned n_values);
/* Runs a statement that gives no rows. */
bool database_run(Database *database, DatabaseStatement statement, const DatabaseValue *values,
                  unsigned n_values, const char *operation, GError **error);
/* SQL without parameters, of our own making. */
bool database_execute(Database *database, const char *sql, const char *operation, GError **error);
/* One integer that sql gives; fallback where it gives no row. */
bool database_query_integer(Database *database, const char *sql, int64_t *ret_value,
                            GError **error);
/* The text under key; NULL without error if there is none. */
bool database_get_meta(Database *database, const char *key, char **ret_value, GError **error);
void database_finalize(Database *database);

static inline DatabaseValue database_text(const char *text, size_t length)
{
    return (DatabaseValue){.type = SQLITE_TEXT, .text = text, .length = length};
}
/* NULL for NULL. */
DatabaseValue database_string(const char *string);
/* SQLite's integers are signed; what does not fit comes back the same although it is stored as a
 * negative number. */
static inline DatabaseValue database_integer(uint64_t integer)
{
    return (DatabaseValue){.type = SQLITE_INTEGER, .integer = (int64_t)integer};
}

/* database-group.c */

void database_group_init(Database *database);
/* Follows the size of the log of the file that was opened. */
void database_group_listen(Database *database);
bool database_group_begin(Durable *durable, GError **error);
bool database_group_commit(Durable *durable, DurableLevel level, GError **error);
void database_group_rollback(Durable *durable);
/* Adds a write to the open group; values and texts are copied. */
void database_group_add(Database *database, DatabaseStatement statement,
                        const DatabaseValue *values, unsigned n_values);
void database_group_put_meta(Database *database, const char *key, const char *value);
/* Out of it: both wait for the disk. */
bool database_move_log(Database *database, bool truncate, GError **error);

/* database-read.c */

void database_read_init(Database *database);
GPtrArray *database_read_all(Database *database, GError **error);
/* Labels as they are kept; NULL for NULL. */
char *database_labels_to_text(GHashTable *labels);
/* false: it is none. */
bool database_labels_from_text(const char *text, GHashTable **ret_labels);
/* Whether the columns from 1 on of a row of one of the LOAD statements make sense. */
bool database_row_is_valid(DatabaseStatement statement, sqlite3_stmt *row);

/* database-salvage.c */

typedef struct DatabaseSalvage {
    unsigned n_services;
    unsigned n_revisions;
    unsigned n_enabled;
    unsigned n_states;
    unsigned n_places; /* that could not be read */
    bool lineage;      /* was kept */
} DatabaseSalvage;

/* Copies what can be read of source, not open yet, into fresh, open and empty. The file of source,
 * a copy with its log beside it, is changed on the way. */
bool database_salvage(Database *source, Database *fresh, DatabaseSalvage *ret_salvage,
                      GError **error);

/* database-mend.c */

/* The database is detached and found damaged: sets the file aside, makes a new one of what can be
 * read, and adds to the messages. reason: what was found. */
bool database_mend(Database *database, const char *reason, GError **error);
/* Ends what a mending that was interrupted has left to do. */
bool database_mend_finish(Database *database, GError **error);

/* database-file.c */

/* Makes the directory if it is missing and checks whose it is. */
bool database_file_check_directory(const DatabaseOptions *options, GError **error);
/* Makes an empty file, 0600, if there is none; checks whose it is. */
bool database_file_make(const char *path, uid_t uid, GError **error);
/* Gives the file at path a second name that was not taken: base, base-1, base-2, ... */
bool database_file_set_aside(const char *path, const char *base, char **ret_name, GError **error);
bool database_file_link(const char *path, const char *name, GError **error);
/* Does nothing if there is no file at from. */
bool database_file_copy(const char *from, const char *to, GError **error);
/* Writes over the first bytes of a file. */
bool database_file_begin_with(const char *path, const void *bytes, size_t length, GError **error);
bool database_file_rename(const char *from, const char *to, GError **error);
bool database_file_sync(const char *path, GError **error);
/* No error if there is none. */
bool database_file_remove(const char *path, GError **error);
/* What no copy of the file has in common with it: device and number. NULL: it cannot be told. */
char *database_file_identity(const char *path);
/* In bytes; -1 if there is none. */
int64_t database_file_size(const char *path);
