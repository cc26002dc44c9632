/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening and closing, and who we are: the lineage of this state directory, its runs, its serials.
 *
 * The log is kept by SQLite in exclusive locking mode, so its index is in our memory, no third file
 * is needed, and nobody else gets in. It never moves the log into the file by itself: that waits
 * for the disk, and we know better when there is time. Until a file is known to be good and ours,
 * closing it leaves it as it was. */

#include "store/database-internal.h"

#include "base/errors.h"
#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DATABASE_NAME "svcmgr.db"
#define DATABASE_SLOT_BYTES 256
#define DATABASE_SLOTS 32

/* Little memory: this database is written, and read once. EXTRA is FULL, and the folder is synced
 * where the journal of a new file, which has no log yet, is deleted: it would undo all that follows
 * were it there again after a loss of power. */
static const char database_settings[] =
        "PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA page_size = " G_STRINGIFY(DATABASE_PAGE_BYTES) ";"
                                                               "PRAGMA cache_size = -512;"
                                                               "PRAGMA mmap_size = 0;"
                                                               "PRAGMA temp_store = MEMORY;"
                                                               "PRAGMA trusted_schema = OFF;"
                                                               "PRAGMA cell_size_check = ON;"
                                                               "PRAGMA secure_delete = ON;"
                                                               "PRAGMA synchronous = EXTRA;"
                                                               "PRAGMA wal_autocheckpoint = 0;";

/* What SQLite would set aside beforehand is more than this database ever needs: 120 KiB for small
 * things and 20 pages. Too late, where the library is in use already, it costs memory only. */
static void database_set_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, DATABASE_SLOT_BYTES, DATABASE_SLOTS);
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

Database *database_new(const DatabaseOptions *options, const DatabaseSchema *schema,
                       const char *name)
{
    Database *database = g_new0(Database, 1);

    database->options = *options;
    database->options.state_dir = g_strdup(options->state_dir);
    database->options.vfs = g_strdup(options->vfs);
    database->schema = schema;
    database->path = g_build_filename(options->state_dir, name, NULL);
    database->messages = g_ptr_array_new_with_free_func(g_free);
    database_group_init(database);
    database_read_init(database);
    return database;
}

bool database_open_file(Database *database, GError **error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    database->damaged = false;
    database->level = DURABLE_POWER;
    errno = 0;
    if (sqlite3_open_v2(database->path, &database->sqlite, flags, database->options.vfs) !=
        SQLITE_OK)
        return database_set_error(database, error, "open");
    (void)sqlite3_db_config(database->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!database_execute(database, database_settings, "open", error))
        return false;
    database_group_listen(database);
    return true;
}

void database_detach(Database *database, bool keep_log)
{
    database_finalize(database);
    if (database->sqlite != NULL)
        (void)sqlite3_db_config(database->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep_log, NULL);
    /* What cannot be moved into the file stays in the log. */
    (void)sqlite3_close(database->sqlite);
    database->sqlite = NULL;
    database->wal_is_suspect = false;
    database->wal_bytes = 0;
}

/* Looks at every page, unless there is no reason to. */
static bool database_check_pages(Database *database, GError **error)
{
    g_autofree char *clean = NULL;
    sqlite3_stmt *statement = NULL;

    if (!database_get_meta(database, "clean", &clean, error))
        return false;
    if (clean == NULL || g_str_equal(clean, "1"))
        return true;

    errno = 0;
    int code = sqlite3_prepare_v2(database->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = database_step(statement);
    g_autofree char *found =
            code == SQLITE_ROW ? g_strdup((const char *)sqlite3_column_text(statement, 0)) : NULL;
    bool sound = found != NULL && g_str_equal(found, "ok");
    if (found != NULL && !sound)
        (void)database_set_damaged(database, error, "%s", g_strdelimit(found, "\n", ' '));
    else if (!sound)
        (void)database_set_error(database, error, "check");
    (void)sqlite3_finalize(statement); /* says again what the step has said */
    return sound;
}

bool database_lineage_is_valid(const char *lineage)
{
    return lineage != NULL && strlen(lineage) == DATABASE_LINEAGE_DIGITS &&
           strspn(lineage, "0123456789abcdef") == DATABASE_LINEAGE_DIGITS;
}

static bool database_put_lineage(Database *database, const char *identity, GError **error)
{
    if (!database_group_begin(&database->durable, error))
        return false;
    database_group_put_meta(database, "lineage", database->lineage);
    if (identity != NULL)
        database_group_put_meta(database, "lineage_file", identity);
    return database_group_commit(&database->durable, DURABLE_POWER, error);
}

static void database_make_lineage(Database *database)
{
    (void)g_snprintf(database->lineage, sizeof(database->lineage), "%016" PRIx64,
                     random_next(database->options.random));
}

bool database_lineage_is_of(Database *database, const char *identity, bool *ret_is_of,
                            GError **error)
{
    g_autofree char *kept = NULL;

    if (!database_get_meta(database, "lineage_file", &kept, error))
        return false;
    *ret_is_of = kept == NULL || identity == NULL || g_str_equal(kept, identity);
    return true;
}

/* The programs of a lineage belong to one file. Whoever opens a copy, while another daemon runs on
 * the original, must not take its services for leftovers of its own. */
static bool database_read_lineage(Database *database, GError **error)
{
    g_autofree char *lineage = NULL, *identity = database_file_identity(database->path);
    bool is_of = false;

    if (!database_get_meta(database, "lineage", &lineage, error) ||
        !database_lineage_is_of(database, identity, &is_of, error))
        return false;
    if (!database_lineage_is_valid(lineage)) {
        database_make_lineage(database);
        return database_put_lineage(database, identity, error);
    }
    if (is_of) {
        (void)g_strlcpy(database->lineage, lineage, sizeof(database->lineage));
        return true;
    }
    database->is_copy = true;
    database_make_lineage(database);
    /* A disk that is full does not matter: the next run makes another one. */
    (void)database_put_lineage(database, identity, NULL);
    return true;
}

static bool database_read_identity(Database *database, GError **error)
{
    g_autofree char *limit = NULL;
    uint64_t last = 0;

    if (!database_get_meta(database, "serial_limit", &limit, error))
        return false;
    if (limit != NULL && !parse_unsigned(limit, 1, INT64_MAX, &last, NULL))
        return database_set_damaged(database, error, "its limit of serials is no number");
    database->serial_limit = last;
    database->first_serial = last + 1;
    return database_read_lineage(database, error);
}

/* SQLite takes an empty file for a new one and deletes its log. */
static bool database_check_size(Database *database, GError **error)
{
    g_autofree char *log = g_strconcat(database->path, "-wal", NULL);

    if (database_file_size(database->path) == 0 && database_file_size(log) > 0)
        return database_set_damaged(database, error, "it is empty, and its log is not");
    return true;
}

/* So that the log begins empty. A disk that is full has it read where it is, and moved before the
 * next group. */
static bool database_renew_log(Database *database, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (database_move_log(database, true, &reason) || !database->damaged)
        return true;
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

bool database_attach(Database *database, GError **error)
{
    if (!database_check_size(database, error) || !database_open_file(database, error))
        return false;
    /* Against what a damaged or hostile file may contain. */
    (void)sqlite3_db_config(database->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return database_schema_apply(database, error) && database_check_pages(database, error) &&
           database_read_identity(database, error) && database_renew_log(database, error);
}

/* Attaches; mends once what is found damaged. */
static bool database_attach_or_mend(Database *database, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (database_attach(database, &reason))
        return true;
    database_detach(database, true);
    if (!database->damaged) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }
    return database_mend(database, reason->message, error) && database_attach(database, error);
}

Database *database_open_with_schema(const DatabaseOptions *options, const DatabaseSchema *schema,
                                    GError **error)
{
    g_autoptr(Database) database = database_new(options, schema, DATABASE_NAME);

    database_set_library();
    if (!database_file_check_directory(options, error) || !database_mend_finish(database, error) ||
        !database_file_make(database->path, options->uid, error) ||
        !database_attach_or_mend(database, error)) {
        database_detach(database, true);
        return NULL;
    }
    return g_steal_pointer(&database);
}

Database *database_open(const DatabaseOptions *options, GError **error)
{
    return database_open_with_schema(options, &database_schema, error);
}

void database_close(Database *database)
{
    if (database == NULL)
        return;
    database_group_rollback(&database->durable);
    database_detach(database, database->damaged);
    g_ptr_array_unref(database->messages);
    g_free(database->copied_from);
    g_free(database->owed_boot_id);
    g_free(database->owed_instance_id);
    g_free((char *)database->options.state_dir);
    g_free((char *)database->options.vfs);
    g_free(database->path);
    g_free(database);
}

Durable *database_durable(Database *database)
{
    return &database->durable;
}

const GPtrArray *database_messages(const Database *database)
{
    return database->messages;
}

const char *database_lineage(const Database *database)
{
    return database->lineage;
}

bool database_is_copy(const Database *database)
{
    return database->is_copy;
}

uint64_t database_next_serial(const Database *database)
{
    return database->first_serial;
}

/* A machine must come up with a full disk. What a former run on it has numbered may not be kept
 * either: the wall clock is beyond that. */
static void database_keep_start(Database *database)
{
    g_autoptr(GError) error = NULL;

    if (database_group_begin(&database->durable, &error) &&
        database_group_commit(&database->durable, DURABLE_POWER, &error))
        return;
    database->first_serial = MAX(database->first_serial, clock_wall_usec(database->options.clock));
    g_ptr_array_add(database->messages,
                    g_strdup_printf("the start cannot be kept on disk, all else can be read: %s",
                                    error->message));
}

bool database_note_start(Database *database, const char *boot_id, const char *instance_id,
                         bool *ret_same_boot, bool *ret_clean, GError **error)
{
    g_autofree char *boot = NULL, *clean = NULL;

    if (!database_get_meta(database, "boot_id", &boot, error) ||
        !database_get_meta(database, "clean", &clean, error))
        return false;
    g_free(database->owed_boot_id);
    g_free(database->owed_instance_id);
    database->owed_boot_id = g_strdup(boot_id);
    database->owed_instance_id = g_strdup(instance_id);
    database_keep_start(database);
    *ret_same_boot = g_strcmp0(boot, boot_id) == 0;
    *ret_clean = clean == NULL || g_str_equal(clean, "1");
    return true;
}

bool database_note_clean_end(Database *database, GError **error)
{
    if (database->damaged)
        return error_set(error, ERROR_FAILED, "%s is damaged: the next start looks at it",
                         database->path);
    if (!database_group_begin(&database->durable, error))
        return false;
    database_group_put_meta(database, "clean", "1");
    return database_group_commit(&database->durable, DURABLE_POWER, error);
}

GPtrArray *database_load(Database *database, GError **error)
{
    g_autoptr(GError) reason = NULL;
    GPtrArray *services = database_read_all(database, &reason);

    if (services != NULL || !database->damaged) {
        if (services == NULL)
            g_propagate_error(error, g_steal_pointer(&reason));
        return services;
    }
    database_detach(database, true);
    if (!database_mend(database, reason->message, error) || !database_attach(database, error))
        return NULL;
    return database_read_all(database, error);
}

void database_listen(Database *database, void (*func)(void *data), void *data)
{
    database->on_logged = func;
    database->on_logged_data = data;
}

bool database_wants_checkpoint(const Database *database)
{
    return database->wal_bytes > 0 || database->wal_is_suspect;
}

bool database_checkpoint(Database *database, GError **error)
{
    bool truncate = database->wal_is_suspect || database->wal_bytes > DATABASE_WAL_LARGE_BYTES;

    g_assert(!database->group_is_open);
    if (!database_move_log(database, truncate, error))
        return false;
    (void)sqlite3_db_release_memory(database->sqlite); /* hardly a page is read again */
    return true;
}
