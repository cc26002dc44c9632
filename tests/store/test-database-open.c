/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which directories and files are taken, and that a file which is refused stays as it was. */

#include "store-fixture.h"

#include "base/errors.h"
#include "base/fds.h"
#include "store/database-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_mode(const char *path, unsigned mode)
{
    struct stat status;

    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmphex(status.st_mode & 07777, ==, mode);
}

static void assert_open_fails(StoreFixture *fixture, const char *part)
{
    g_autofree char *message = store_open_error(fixture);

    if (strstr(message, part) == NULL)
        g_error("\"%s\" does not contain \"%s\"", message, part);
}

static void test_modes(StoreFixture *fixture, const void *unused)
{
    mode_t mask = umask(0);

    store_open(fixture);
    store_fill(fixture, 1);
    (void)umask(mask);
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    assert_mode(fixture->state_dir, 0700);
    assert_mode(fixture->path, 0600);
    assert_mode(log, 0600);
    /* The index of the log is in our memory. */
    g_autoptr(GPtrArray) names = store_names(fixture, "");
    g_assert_cmpuint(names->len, ==, 2);

    store_close(fixture);
    g_assert_cmpint(chmod(fixture->path, 0644), ==, 0);
    store_open(fixture);
    assert_mode(fixture->path, 0600);
}

static void test_nested(StoreFixture *fixture, const void *unused)
{
    g_autofree char *inner = g_build_filename(fixture->state_dir, "a", "b", NULL);

    fixture->options.state_dir = inner;
    store_open(fixture);
    assert_mode(inner, 0700);
    assert_mode(fixture->state_dir, 0700);
}

static void test_directory(StoreFixture *fixture, const void *unused)
{
    g_assert_cmpint(mkdir(fixture->state_dir, 0700), ==, 0);
    g_assert_cmpint(chmod(fixture->state_dir, 0720), ==, 0);
    assert_open_fails(fixture, "others may write to the state directory");
    assert_open_fails(fixture, "(mode 0720): chmod go-w it");
    g_assert_cmpint(chmod(fixture->state_dir, 0702), ==, 0);
    assert_open_fails(fixture, fixture->state_dir);
    g_assert_cmpint(chmod(fixture->state_dir, 0755), ==, 0);
    fixture->options.uid = geteuid() + 1;
    assert_open_fails(fixture, "belongs to uid");
    fixture->options.uid = geteuid();
    /* Nothing was made in it. */
    g_assert_cmpint(rmdir(fixture->state_dir), ==, 0);
    store_write_file(fixture->state_dir, "x", 1);
    assert_open_fails(fixture, "Not a directory");
}

static void test_foreign_owner(StoreFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can give files away");
        return;
    }
    store_open(fixture);
    store_close(fixture);
    g_assert_cmpint(chown(fixture->path, 4711, 4711), ==, 0);
    assert_open_fails(fixture, "svcmgr.db belongs to uid 4711, not to us (uid 0)");
    g_assert_cmpint(chown(fixture->path, 0, 0), ==, 0);
    g_assert_cmpint(chown(fixture->state_dir, 4711, 4711), ==, 0);
    assert_open_fails(fixture, "state belongs to uid 4711, not to us (uid 0)");
}

/* What stands in the place of the file is neither followed nor waited for. */
static void test_odd_files(StoreFixture *fixture, const void *unused)
{
    g_autofree char *elsewhere = g_build_filename(fixture->root, "elsewhere", NULL);

    g_assert_cmpint(mkdir(fixture->state_dir, 0700), ==, 0);
    g_assert_cmpint(symlink(elsewhere, fixture->path), ==, 0);
    assert_open_fails(fixture, "Too many levels of symbolic links");
    g_assert_cmpint(access(elsewhere, F_OK), ==, -1);
    g_assert_cmpint(unlink(fixture->path), ==, 0);
    g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
    assert_open_fails(fixture, "svcmgr.db is not a regular file");
    g_assert_cmpint(unlink(fixture->path), ==, 0);
    g_assert_cmpint(mkdir(fixture->path, 0700), ==, 0);
    assert_open_fails(fixture, "Is a directory");
}

static void execute(StoreFixture *fixture, const char *sql)
{
    sqlite3 *sqlite = NULL;

    g_assert_cmpint(sqlite3_open(fixture->path, &sqlite), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_close(sqlite), ==, SQLITE_OK);
}

static void assert_refused_and_untouched(StoreFixture *fixture, const char *part)
{
    size_t before_length, after_length;
    g_autofree char *before = store_read_file(fixture->path, &before_length);

    assert_open_fails(fixture, part);
    g_autofree char *after = store_read_file(fixture->path, &after_length);
    g_assert_cmpmem(before, before_length, after, after_length);
}

static void test_newer(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_fill(fixture, 3);
    store_close(fixture);
    execute(fixture, "PRAGMA user_version = 99; CREATE TABLE news(x)");
    assert_refused_and_untouched(fixture, "was written by a newer svcmgr (schema version 99, known "
                                          "here are those to 1): run that one, or move the file "
                                          "away");
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    g_assert_cmpint(database_file_size(log), <=, 0);
}

/* A log that it left behind is not moved into it. */
static void test_newer_with_log(StoreFixture *fixture, const void *unused)
{
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    size_t length, log_length, after_length;

    store_open(fixture);
    store_fill(fixture, 3);
    store_begin(fixture);
    store_put_service(fixture, "late");
    store_commit(fixture, DURABLE_POWER);
    g_assert_true(database_execute(fixture->database, "PRAGMA user_version = 99", "write", NULL));
    g_autofree char *file_bytes = store_read_file(fixture->path, &length);
    g_autofree char *log_bytes = store_read_file(log, &log_length);
    store_close(fixture);
    store_write_file(fixture->path, file_bytes, length);
    store_write_file(log, log_bytes, log_length);
    assert_refused_and_untouched(fixture, "newer svcmgr (schema version 99");
    g_autofree char *after = store_read_file(log, &after_length);
    g_assert_cmpmem(log_bytes, log_length, after, after_length);
}

static void test_stranger(StoreFixture *fixture, const void *unused)
{
    g_assert_cmpint(mkdir(fixture->state_dir, 0700), ==, 0);
    execute(fixture, "PRAGMA application_id = 305419896; CREATE TABLE t(x)");
    assert_refused_and_untouched(fixture, "a database of another program (application id "
                                          "0x12345678): move it away, or name another state "
                                          "directory");
}

/* A schema with a future. */
static Database *open_version(StoreFixture *fixture, int version, const char *const *later,
                              GError **error)
{
    DatabaseMigration migrations[4] = {database_schema.migrations[0]};
    DatabaseSchema schema = {.migrations = migrations, .version = version};

    for (int i = 1; i < version; i++)
        migrations[i].sql = later[i - 1];
    return database_open_with_schema(&fixture->options, &schema, error);
}

static void test_migrate(StoreFixture *fixture, const void *unused)
{
    static const char *const later[] = {
            "CREATE TABLE cursor(id TEXT PRIMARY KEY, at INTEGER); INSERT INTO cursor VALUES('a', "
            "1)",
            "ALTER TABLE cursor ADD COLUMN extra; UPDATE cursor SET at = at + 41",
    };
    g_autoptr(GError) error = NULL;
    int64_t value = 0;

    store_open(fixture);
    store_fill(fixture, 5);
    g_autofree char *before = store_digest(fixture->database);
    store_close(fixture);

    for (unsigned i = 0; i < 2; i++) { /* the second time there is nothing to do */
        g_autoptr(Database) newer = open_version(fixture, 3, later, &error);

        g_assert_no_error(error);
        g_autofree char *after = store_digest(newer);
        g_assert_cmpstr(after, ==, before);
        g_assert_true(database_query_integer(newer, "SELECT at FROM cursor", &value, NULL));
        g_assert_cmpint(value, ==, 42);
        g_assert_true(database_query_integer(newer, "PRAGMA user_version", &value, NULL));
        g_assert_cmpint(value, ==, 3);
    }
    assert_refused_and_untouched(fixture, "newer svcmgr (schema version 3");
}

/* A migration that breaks off half way has done nothing. */
static void test_migrate_fails(StoreFixture *fixture, const void *unused)
{
    static const char *const later[] = {
            "CREATE TABLE cursor(id TEXT)",
            "INSERT INTO cursor VALUES('a'); INSERT INTO nowhere VALUES(1)",
    };
    g_autoptr(GError) error = NULL;
    int64_t value = 0;

    store_open(fixture);
    store_fill(fixture, 5);
    g_autofree char *before = store_digest(fixture->database);
    store_close(fixture);
    g_assert_null(open_version(fixture, 3, later, &error));
    g_assert_nonnull(strstr(error->message, "no such table: nowhere"));
    store_open(fixture);
    g_autofree char *after = store_digest(fixture->database);
    g_assert_cmpstr(after, ==, before);
    g_assert_true(database_query_integer(fixture->database,
                                         "SELECT count(*) FROM sqlite_schema WHERE name = 'cursor'",
                                         &value, NULL));
    g_assert_cmpint(value, ==, 0);
}

/* Holds the database open until told to end by the end of the pipe. */
static void hold(StoreFixture *fixture, int told_fd, int telling_fd)
{
    char byte = 'x';
    g_autoptr(Database) database = database_open(&fixture->options, NULL);

    (void)write(telling_fd, &byte, database != NULL);
    (void)read(told_fd, &byte, 1);
    _exit(0);
}

static void test_locked(StoreFixture *fixture, const void *unused)
{
    int told[2], telling[2], status;
    char byte;

    g_assert_cmpint(pipe2(told, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(telling, O_CLOEXEC), ==, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        (void)fd_close(told[1]);
        (void)fd_close(telling[0]);
        hold(fixture, told[0], telling[1]);
    }
    (void)fd_close(told[0]);
    (void)fd_close(telling[1]);
    ssize_t n = read(telling[0], &byte, 1); /* nothing if it ended instead */
    g_autoptr(GError) error = NULL;
    Database *database = database_open(&fixture->options, &error);
    (void)fd_close(told[1]); /* ends it, whatever follows */
    (void)fd_close(telling[0]);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(n, ==, 1);
    g_assert_null(database);
    g_assert_nonnull(strstr(error->message, "svcmgr.db: another process has it open"));
    store_open(fixture);
    g_assert_cmpuint(database_messages(fixture->database)->len, ==, 0);
}

static char *open_commit_error(StoreFixture *fixture, DurableLevel level)
{
    g_autoptr(GError) error = NULL;

    store_begin(fixture);
    store_put_service(fixture, "web");
    g_assert_false(fixture->durable->commit(fixture->durable, level, &error));
    return g_strdup(error->message);
}

/* What reaches a file that nobody finds again is not kept. */
static void test_removed(StoreFixture *fixture, const void *unused)
{
    g_autofree char *aside = g_strconcat(fixture->state_dir, "-aside", NULL);

    store_open(fixture);
    store_fill(fixture, 1);
    g_assert_cmpint(rename(fixture->state_dir, aside), ==, 0);
    g_autofree char *gone = open_commit_error(fixture, DURABLE_POWER);
    g_assert_true(g_str_has_prefix(gone, "cannot write to "));
    g_assert_nonnull(strstr(gone, "/svcmgr.db: it has been removed or replaced"));
    g_assert_cmpint(mkdir(fixture->state_dir, 0700), ==, 0);
    store_write_file(fixture->path, "", 0);
    g_autofree char *replaced = open_commit_error(fixture, DURABLE_CRASH);
    g_assert_cmpstr(replaced, ==, gone);

    g_assert_cmpint(unlink(fixture->path), ==, 0);
    g_assert_cmpint(rmdir(fixture->state_dir), ==, 0);
    g_assert_cmpint(rename(aside, fixture->state_dir), ==, 0);
    store_begin(fixture);
    store_put_service(fixture, "web");
    store_commit(fixture, DURABLE_POWER);
}

static void test_twice(StoreFixture *fixture, const void *unused)
{
    store_open(fixture);
    store_fill(fixture, 2);
    assert_open_fails(fixture, "another process has it open");
    store_fill(fixture, 3); /* the first is none the worse for it */
}

typedef void (*StoreTest)(StoreFixture *fixture, const void *unused);

static void add(const char *path, StoreTest test)
{
    g_test_add(path, StoreFixture, NULL, store_fixture_set_up, test, store_fixture_tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/database-open/modes", test_modes);
    add("/database-open/nested", test_nested);
    add("/database-open/directory", test_directory);
    add("/database-open/foreign-owner", test_foreign_owner);
    add("/database-open/odd-files", test_odd_files);
    add("/database-open/newer", test_newer);
    add("/database-open/newer-with-log", test_newer_with_log);
    add("/database-open/stranger", test_stranger);
    add("/database-open/migrate", test_migrate);
    add("/database-open/migrate-fails", test_migrate_fails);
    add("/database-open/locked", test_locked);
    add("/database-open/twice", test_twice);
    add("/database-open/removed", test_removed);
    return g_test_run();
}
