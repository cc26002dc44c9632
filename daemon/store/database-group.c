/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing. A group is a list of statements with their values, which the commit runs in one
 * transaction: only then is it known how hard to sync, and SQLite wants to be told before a
 * transaction begins. So nothing of a group touches the file, or can fail, before its commit.
 *
 * After a commit that failed nobody knows what of the log has reached the disk: the kernel may have
 * forgotten pages that it could not write, and a later sync would not mention them. Therefore the
 * log is first moved into the file, and a new one begun, before the next group is believed. */

#include "store/database-internal.h"

#include "base/errors.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The most expensive entries of a group are the texts; small ones share chunks of this size. */
#define GROUP_CHUNK_BYTES 4096

typedef struct DatabaseWrite {
    DatabaseStatement statement;
    unsigned n_values;
    DatabaseValue values[DATABASE_VALUES_MAX];
} DatabaseWrite;

/* Durable is its first member. */
static Database *database_of(Durable *durable)
{
    return (Database *)durable;
}

/* Called for each commit, with the size that the log has then. */
static int on_database_logged(void *data, sqlite3 *sqlite, const char *name, int n_pages)
{
    Database *database = data;

    database->wal_bytes = (uint64_t)n_pages * DATABASE_PAGE_BYTES;
    if (database->on_logged != NULL)
        database->on_logged(database->on_logged_data);
    return SQLITE_OK;
}

bool database_move_log(Database *database, bool truncate, GError **error)
{
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;

    errno = 0;
    if (sqlite3_wal_checkpoint_v2(database->sqlite, NULL, mode, NULL, NULL) != SQLITE_OK) {
        database->wal_is_suspect = true;
        return database_set_error(database, error, "move the log into");
    }
    database->wal_is_suspect = database->wal_is_suspect && !truncate;
    database->wal_bytes = 0;
    return true;
}

/* First of all, so that what the group itself says of it counts. */
static void database_group_add_owed(Database *database)
{
    if (database->owed_instance_id != NULL) {
        database_group_put_meta(database, "boot_id", database->owed_boot_id);
        database_group_put_meta(database, "instance_id", database->owed_instance_id);
        database_group_put_meta(database, "clean", "0");
    }
    if (database->owed_limit > 0) {
        g_autofree char *limit = g_strdup_printf("%" PRIu64, database->owed_limit);

        database_group_put_meta(database, "serial_limit", limit);
    }
}

static void database_group_settle_owed(Database *database)
{
    g_clear_pointer(&database->owed_boot_id, g_free);
    g_clear_pointer(&database->owed_instance_id, g_free);
    database->serial_limit = MAX(database->serial_limit, database->owed_limit);
    database->owed_limit = 0;
}

bool database_group_begin(Durable *durable, GError **error)
{
    Database *database = database_of(durable);

    g_assert(!database->group_is_open);
    database->group_is_open = true;
    database->writes = g_array_new(FALSE, FALSE, sizeof(DatabaseWrite));
    database->texts = g_string_chunk_new(GROUP_CHUNK_BYTES);
    database_group_add_owed(database);
    return true;
}

void database_group_rollback(Durable *durable)
{
    Database *database = database_of(durable);

    database->group_is_open = false;
    database->dropped = NULL;
    g_clear_pointer(&database->texts, g_string_chunk_free);
    g_clear_pointer(&database->writes, g_array_unref);
}

void database_group_add(Database *database, DatabaseStatement statement,
                        const DatabaseValue *values, unsigned n_values)
{
    DatabaseWrite write = {.statement = statement, .n_values = n_values};

    g_assert(database->group_is_open && n_values <= DATABASE_VALUES_MAX);
    for (unsigned i = 0; i < n_values; i++) {
        write.values[i] = values[i];
        if (values[i].type == SQLITE_TEXT)
            write.values[i].text = g_string_chunk_insert_len(database->texts, values[i].text,
                                                             (gssize)values[i].length);
    }
    g_array_append_val(database->writes, write);
}

void database_group_put_meta(Database *database, const char *key, const char *value)
{
    DatabaseValue values[] = {database_string(key), database_string(value)};

    database_group_add(database, STATEMENT_PUT_META, values, G_N_ELEMENTS(values));
}

static bool database_group_set_level(Database *database, DurableLevel level, GError **error)
{
    DatabaseStatement statement =
            level == DURABLE_POWER ? STATEMENT_SYNC_POWER : STATEMENT_SYNC_CRASH;

    if (level == database->level)
        return true;
    if (!database_run(database, statement, NULL, 0, "write to", error))
        return false;
    database->level = level;
    return true;
}

static bool database_group_write(Database *database, GError **error)
{
    if (!database_run(database, STATEMENT_BEGIN, NULL, 0, "write to", error))
        return false;
    for (unsigned i = 0; i < database->writes->len; i++) {
        const DatabaseWrite *write = &g_array_index(database->writes, DatabaseWrite, i);

        if (!database_run(database, write->statement, write->values, write->n_values, "write to",
                          error))
            return false;
    }
    return database_run(database, STATEMENT_COMMIT, NULL, 0, "commit to", error);
}

/* SQLite has undone some transactions by itself. */
static void database_group_undo(Database *database)
{
    if (sqlite3_get_autocommit(database->sqlite) == 0)
        (void)database_run(database, STATEMENT_ROLLBACK, NULL, 0, "roll back", NULL);
    database->wal_is_suspect = true;
    (void)database_move_log(database, true, NULL); /* else before the next group */
}

/* The kernel goes on with a file that has lost its name; the next open finds another, or none. */
static bool database_group_check_place(Database *database, GError **error)
{
    int has_moved = 0;

    /* A file system that cannot tell has none that move. */
    (void)sqlite3_file_control(database->sqlite, NULL, SQLITE_FCNTL_HAS_MOVED, &has_moved);
    if (has_moved == 0)
        return true;
    return error_set(error, ERROR_FAILED,
                     "cannot write to %s: it has been removed or replaced under the running daemon:"
                     " put it back, or start the daemon anew",
                     database->path);
}

static bool database_group_apply(Database *database, DurableLevel level, GError **error)
{
    if (!database_group_check_place(database, error))
        return false;
    if (database->wal_is_suspect && !database_move_log(database, true, error))
        return false;
    if (!database_group_set_level(database, level, error))
        return false;
    if (!database_group_write(database, error)) {
        database_group_undo(database);
        return false;
    }
    return true;
}

bool database_group_commit(Durable *durable, DurableLevel level, GError **error)
{
    Database *database = database_of(durable);

    g_assert(database->group_is_open);
    bool done = database->writes->len == 0 || database_group_apply(database, level, error);
    database_group_rollback(durable);
    if (done)
        database_group_settle_owed(database);
    /* The group is kept; that its log could not be moved is told with the one that needs it. */
    if (done && database->wal_bytes > DATABASE_WAL_MAX_BYTES)
        (void)database_move_log(database, true, NULL);
    return done;
}

static void database_group_drop(Database *database, const char *id)
{
    static const DatabaseStatement drops[] = {STATEMENT_DROP_SERVICE, STATEMENT_DROP_REVISIONS,
                                              STATEMENT_DROP_ENABLED, STATEMENT_DROP_STATE};
    DatabaseValue value = database_string(id);

    for (size_t i = 0; i < G_N_ELEMENTS(drops); i++)
        database_group_add(database, drops[i], &value, 1);
    database->dropped = g_string_chunk_insert(database->texts, id);
}

static bool database_group_put_service(Durable *durable, const char *id, const char *kind,
                                       const char *description, GHashTable *labels, GError **error)
{
    Database *database = database_of(durable);
    g_autofree char *text = database_labels_to_text(labels);
    DatabaseValue values[] = {database_string(id), database_string(kind),
                              database_string(description), database_string(text)};

    database_group_drop(database, id);
    database_group_add(database, STATEMENT_PUT_SERVICE, values, G_N_ELEMENTS(values));
    return true;
}

static bool database_group_drop_service(Durable *durable, const char *id, GError **error)
{
    database_group_drop(database_of(durable), id);
    return true;
}

static bool database_group_put_config(Durable *durable, const char *id, const DurableConfig *config,
                                      GError **error)
{
    Database *database = database_of(durable);
    g_autoptr(ConfigText) text = config_text_new(config->text, config->length);
    char digest[CONFIG_DIGEST_STRING];
    DatabaseValue values[] = {database_string(id),
                              database_integer(config->revision),
                              database_integer(config->time),
                              database_integer(config->source),
                              database_text(digest, sizeof(digest) - 1),
                              database_text(config->text, config->length)};
    DatabaseValue pruned[] = {values[0], database_integer(DURABLE_REVISIONS),
                              database_integer(CONFIG_FROM_DEFINITION)};

    config_text_digest(text, digest);
    /* The first one: nothing is replaced, and nothing is too many. */
    if (g_strcmp0(database->dropped, id) == 0) {
        database->dropped = NULL;
        database_group_add(database, STATEMENT_PUT_REVISION, values, G_N_ELEMENTS(values));
        return true;
    }
    database_group_add(database, STATEMENT_DROP_REVISION, values, 2);
    database_group_add(database, STATEMENT_PUT_REVISION, values, G_N_ELEMENTS(values));
    database_group_add(database, STATEMENT_PRUNE_REVISIONS, pruned, G_N_ELEMENTS(pruned));
    return true;
}

static bool database_group_put_enabled(Durable *durable, const char *id, bool enabled,
                                       GError **error)
{
    DatabaseValue values[] = {database_string(id), database_integer(enabled)};

    database_group_add(database_of(durable), STATEMENT_PUT_ENABLED, values, G_N_ELEMENTS(values));
    return true;
}

static bool database_group_put_state(Durable *durable, const char *id, const DurableState *state,
                                     GError **error)
{
    DatabaseValue values[] = {
            database_string(id),
            database_integer(state->wanted),
            database_integer(state->failed_attempts),
            database_string(failure_class_to_string(state->failure_class)),
            database_integer(state->error_time),
            database_string(state->error),
    };

    database_group_add(database_of(durable), STATEMENT_PUT_STATE, values, G_N_ELEMENTS(values));
    return true;
}

/* The limit only ever grows, whatever a caller asks for. The caller goes on without it where the
 * disk refuses, so the next group that is kept has it. */
static bool database_group_reserve_serials(Durable *durable, uint64_t next, uint64_t n,
                                           uint64_t *ret_limit, GError **error)
{
    Database *database = database_of(durable);
    uint64_t limit = next + n - 1;

    g_assert(next > 0 && n > 0 && limit >= next);
    database->owed_limit = MAX(limit, MAX(database->serial_limit, database->owed_limit));
    if (!database_group_begin(durable, error) ||
        !database_group_commit(durable, DURABLE_POWER, error))
        return false;
    *ret_limit = limit;
    return true;
}

void database_group_init(Database *database)
{
    Durable *durable = &database->durable;

    durable->begin = database_group_begin;
    durable->commit = database_group_commit;
    durable->rollback = database_group_rollback;
    durable->put_service = database_group_put_service;
    durable->drop_service = database_group_drop_service;
    durable->put_config = database_group_put_config;
    durable->put_enabled = database_group_put_enabled;
    durable->put_state = database_group_put_state;
    durable->reserve_serials = database_group_reserve_serials;
}

void database_group_listen(Database *database)
{
    (void)sqlite3_wal_hook(database->sqlite, on_database_logged, database); /* the one before */
}
