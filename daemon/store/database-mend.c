/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A damaged file is kept under another name, for people; what can be read goes into a new one. It
 * is read from a copy, since SQLite writes when it reads. The new file replaces the damaged one
 * only when it is whole and on the disk: until it is called "mended" everything is as it was, and
 * from then on whoever opens the database finishes what was begun, however often the machine dies.
 */

#include "store/database-internal.h"

#include "base/errors.h"

/* The names of a file and of its log. */
typedef struct MendFile {
    char *path;
    char *log;
} MendFile;

static void mend_file_clear(MendFile *file)
{
    g_free(file->path);
    g_free(file->log);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MendFile, mend_file_clear)

static MendFile mend_file(const Database *database, const char *suffix)
{
    return (MendFile){.path = g_strconcat(database->path, suffix, NULL),
                      .log = g_strconcat(database->path, suffix, "-wal", NULL)};
}

static bool mend_remove(const Database *database, const char *suffix, GError **error)
{
    g_auto(MendFile) file = mend_file(database, suffix);

    return database_file_remove(file.path, error) && database_file_remove(file.log, error);
}

bool database_mend_finish(Database *database, GError **error)
{
    g_auto(MendFile) old = mend_file(database, ""), mended = mend_file(database, ".mended");

    if (database_file_size(mended.path) < 0)
        return true;
    /* The log would be taken for that of the new file; it has a second name since it was set
     * aside. */
    return database_file_remove(old.log, error) &&
           database_file_rename(mended.path, old.path, error) &&
           database_file_sync(database->options.state_dir, error);
}

static bool mend_set_aside(const Database *database, char **ret_name, GError **error)
{
    gint64 now = (gint64)(clock_wall_usec(database->options.clock) / USEC_PER_SEC);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(now);
    g_autofree char *stamp = g_date_time_format(time, "%Y%m%dT%H%M%SZ");
    g_autofree char *base = g_strconcat(database->path, ".damaged-", stamp, NULL);
    g_auto(MendFile) old = mend_file(database, "");
    g_autofree char *name = NULL;

    if (!database_file_set_aside(old.path, base, &name, error))
        return false;
    g_autofree char *log = g_strconcat(name, "-wal", NULL);
    if (database_file_size(old.log) > 0 && !database_file_link(old.log, log, error))
        return false;
    *ret_name = g_steal_pointer(&name);
    return true;
}

static bool mend_copy(const Database *database, GError **error)
{
    g_auto(MendFile) old = mend_file(database, ""), copy = mend_file(database, ".salvage");

    return mend_remove(database, ".salvage", error) && mend_remove(database, ".new", error) &&
           database_file_copy(old.path, copy.path, error) &&
           database_file_copy(old.log, copy.log, error);
}

static Database *mend_database(const Database *database, const char *suffix)
{
    g_autofree char *base = g_path_get_basename(database->path);
    g_autofree char *name = g_strconcat(base, suffix, NULL);

    return database_new(&database->options, database->schema, name);
}

/* The new file, with all of it in one piece. */
static bool mend_build(const Database *database, DatabaseSalvage *ret_salvage, GError **error)
{
    g_autoptr(Database) source = mend_database(database, ".salvage");
    g_autoptr(Database) fresh = mend_database(database, ".new");
    g_auto(MendFile) mended = mend_file(database, ".mended");

    source->copied_from = database_file_identity(database->path);
    source->damaged = true; /* its log may not be moved into the file when it is closed */
    if (!database_file_make(fresh->path, database->options.uid, error) ||
        !database_attach(fresh, error) || !database_salvage(source, fresh, ret_salvage, error) ||
        !database_move_log(fresh, true, error))
        return false;
    database_detach(fresh, false);
    return database_file_sync(fresh->path, error) &&
           database_file_rename(fresh->path, mended.path, error) &&
           database_file_sync(database->options.state_dir, error);
}

static void mend_tell(Database *database, const char *reason, const char *name,
                      const DatabaseSalvage *salvage)
{
    GPtrArray *messages = database->messages;

    g_ptr_array_add(messages, g_strdup_printf("the database was damaged (%s); it was set aside as "
                                              "%s, and a new one made of what could be read",
                                              reason, name));
    g_ptr_array_add(messages,
                    g_strdup_printf("kept: %u created services, %u revisions of configurations, "
                                    "%u services enabled or disabled, %u states; %u places could "
                                    "not be read",
                                    salvage->n_services, salvage->n_revisions, salvage->n_enabled,
                                    salvage->n_states, salvage->n_places));
    if (!salvage->lineage)
        g_ptr_array_add(messages, g_strdup("the mark by which programs of former runs are known "
                                           "was lost: what still runs of them is not found"));
}

bool database_mend(Database *database, const char *reason, GError **error)
{
    g_autofree char *name = NULL;
    DatabaseSalvage salvage;

    if (!mend_set_aside(database, &name, error) || !mend_copy(database, error) ||
        !mend_build(database, &salvage, error) || !database_mend_finish(database, error) ||
        !mend_remove(database, ".salvage", error)) {
        g_prefix_error(error, "%s; it cannot be mended: ", reason);
        return false;
    }
    mend_tell(database, reason, name, &salvage);
    return true;
}
