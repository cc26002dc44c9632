/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be read of a damaged file, row by row. Rows of a table lie in the order of their
 * numbers, several to a page: where one cannot be read, the numbers after it are asked for until
 * one can, so that a lost page takes no more than its own rows along. Where the first page is lost,
 * which says where the tables begin, that of a new database stands in: tables made in the same
 * order begin on the same pages. Rows that make no sense are left out. */

#include "store/database-internal.h"

#include "base/errors.h"

#include <string.h>

#include <inttypes.h>

/* SQLite's file format, "The Database Header". */
#define SALVAGE_N_PAGES_OFFSET 28
#define SALVAGE_N_PAGES_BYTES 4

#define SALVAGE_PAGE_OF_ROWS 13 /* "B-tree Pages" */

#define SALVAGE_GROUP_ROWS 256
#define SALVAGE_FAILURES_MAX 100000 /* in a row: a second or so */
#define SALVAGE_FAILURES_PER_STEP 1000

typedef struct SalvageTable {
    const char *name;
    const char *last; /* the greatest number */
    DatabaseStatement load;
    DatabaseStatement put;
} SalvageTable;

/* In this order a page is asked whether it is of the table: rows of the last look like the
 * beginning of rows of others. */
static const SalvageTable salvage_tables[] = {
        {"service", "SELECT max(number) FROM service NOT INDEXED", STATEMENT_LOAD_SERVICES,
         STATEMENT_PUT_SERVICE},
        {"revision", "SELECT max(number) FROM revision NOT INDEXED", STATEMENT_LOAD_TEXT,
         STATEMENT_PUT_REVISION},
        {"state", "SELECT max(number) FROM state NOT INDEXED", STATEMENT_LOAD_STATES,
         STATEMENT_PUT_STATE},
        {"enabled", "SELECT max(number) FROM enabled NOT INDEXED", STATEMENT_LOAD_ENABLED,
         STATEMENT_PUT_ENABLED},
};

/* A walk over one table. */
typedef struct SalvageWalk {
    const SalvageTable *table;
    Database *source;
    Database *fresh;
    DatabaseSalvage *salvage;
    int64_t next;        /* the number to ask for */
    int64_t last;        /* the greatest there may be */
    unsigned n_failures; /* in a row */
} SalvageWalk;

static void salvage_take_row(SalvageWalk *walk, sqlite3_stmt *row)
{
    DatabaseValue values[DATABASE_VALUES_MAX];
    unsigned n_values = (unsigned)sqlite3_column_count(row) - 1;

    if (!database_row_is_valid(walk->table->load, row)) {
        walk->salvage->n_places++;
        return;
    }
    for (unsigned i = 0; i < n_values; i++) {
        int column = (int)i + 1;

        values[i] = (DatabaseValue){.type = sqlite3_column_type(row, column)};
        if (values[i].type == SQLITE_TEXT)
            values[i] = database_text((const char *)sqlite3_column_text(row, column),
                                      (size_t)sqlite3_column_bytes(row, column));
        else if (values[i].type == SQLITE_INTEGER)
            values[i].integer = sqlite3_column_int64(row, column);
    }
    if (walk->table->put == STATEMENT_PUT_REVISION)
        database_group_add(walk->fresh, STATEMENT_DROP_REVISION, values, 2);
    database_group_add(walk->fresh, walk->table->put, values, n_values);
}

/* Where numbers are far apart, steps grow. */
static void salvage_skip(SalvageWalk *walk)
{
    if (walk->n_failures == 0)
        walk->salvage->n_places++;
    walk->next += 1 + walk->n_failures / SALVAGE_FAILURES_PER_STEP;
    walk->n_failures++;
}

/* Reads on from next, at most a group of rows; ret_end: there are no more. */
static void salvage_read_rows(SalvageWalk *walk, sqlite3_stmt *row, bool *ret_end)
{
    DatabaseValue first = {.type = SQLITE_INTEGER, .integer = walk->next};

    database_bind(row, &first, 1);
    for (unsigned n = 0; n < SALVAGE_GROUP_ROWS; n++) {
        int code = database_step(row);

        /* In a damaged tree numbers may come in any order, and again. */
        if (code == SQLITE_ROW && sqlite3_column_int64(row, 0) >= walk->next) {
            salvage_take_row(walk, row);
            walk->next = sqlite3_column_int64(row, 0) + 1;
            walk->n_failures = 0;
            continue;
        }
        *ret_end = code == SQLITE_DONE;
        if (!*ret_end)
            salvage_skip(walk);
        break;
    }
    (void)sqlite3_reset(row); /* says again what the step has said */
}

static bool salvage_walk(SalvageWalk *walk, GError **error)
{
    sqlite3_stmt *row = database_statement(walk->source, walk->table->load, "read", NULL);
    Durable *fresh = &walk->fresh->durable;
    bool end = row == NULL;

    if (row == NULL)
        walk->salvage->n_places++;
    while (!end && walk->next <= walk->last && walk->n_failures < SALVAGE_FAILURES_MAX) {
        if (!database_group_begin(fresh, error))
            return false;
        salvage_read_rows(walk, row, &end);
        if (!database_group_commit(fresh, DURABLE_CRASH, error))
            return false;
    }
    return true;
}

/* All of a table, as the list of tables has it. */
static bool salvage_table(SalvageWalk *walk, const SalvageTable *table, GError **error)
{
    walk->table = table;
    walk->next = 1;
    walk->last = INT64_MAX;
    walk->n_failures = 0;
    /* Left as it is where the last page is lost. */
    (void)database_query_integer(walk->source, table->last, &walk->last, NULL);
    return salvage_walk(walk, error);
}

static bool salvage_tables_in_list(SalvageWalk *walk, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(salvage_tables); i++) {
        if (!salvage_table(walk, &salvage_tables[i], error))
            return false;
    }
    return true;
}

/* Says in the list of tables that page is all of the table, and whether its first row agrees. */
static bool salvage_page_is_of(Database *source, int64_t page, const SalvageTable *table)
{
    DatabaseValue first = database_integer(1);
    g_autofree char *sql = g_strdup_printf("UPDATE sqlite_schema SET rootpage = %" PRId64
                                           " WHERE name = '%s'; PRAGMA writable_schema = RESET;"
                                           "PRAGMA writable_schema = ON",
                                           page, table->name);

    if (!database_execute(source, sql, "write to", NULL))
        return false;
    sqlite3_stmt *row = database_statement(source, table->load, "read", NULL);
    if (row == NULL)
        return false;
    database_bind(row, &first, 1);
    bool is_of = database_step(row) == SQLITE_ROW && database_row_is_valid(table->load, row);
    (void)sqlite3_reset(row); /* says again what the step has said */
    return is_of;
}

static bool salvage_page(SalvageWalk *walk, int64_t page, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(salvage_tables); i++) {
        if (salvage_page_is_of(walk->source, page, &salvage_tables[i]))
            return salvage_table(walk, &salvage_tables[i], error);
    }
    return true;
}

/* The rows that were read already come again, the same. Pages that are free hold none: they are
 * overwritten when they become free. */
static bool salvage_pages(SalvageWalk *walk, GError **error)
{
    unsigned n_places = walk->salvage->n_places;
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;

    (void)database_move_log(walk->source, true, NULL); /* then some pages are not seen */
    (void)sqlite3_file_control(walk->source->sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file == NULL || file->pMethods->xFileSize(file, &size) != SQLITE_OK)
        return true;
    for (int64_t page = 2; page <= size / DATABASE_PAGE_BYTES; page++) {
        unsigned char type = 0;

        if (file->pMethods->xRead(file, &type, 1, (page - 1) * DATABASE_PAGE_BYTES) == SQLITE_OK &&
            type == SALVAGE_PAGE_OF_ROWS && !salvage_page(walk, page, error))
            return false;
    }
    walk->salvage->n_places = n_places; /* these were places where nothing was looked for */
    return true;
}

static bool salvage_count(Database *fresh, DatabaseSalvage *salvage, GError **error)
{
    const struct {
        const char *sql;
        unsigned *count;
    } counts[] = {
            {"SELECT count(*) FROM service", &salvage->n_services},
            {"SELECT count(*) FROM revision", &salvage->n_revisions},
            {"SELECT count(*) FROM enabled", &salvage->n_enabled},
            {"SELECT count(*) FROM state", &salvage->n_states},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        int64_t count = 0;

        if (!database_query_integer(fresh, counts[i].sql, &count, error))
            return false;
        *counts[i].count = (unsigned)count;
    }
    return true;
}

/* The limit of serials as well: what is read may be what it was a while ago, so that the wall clock
 * has a say. A microsecond gives no more than one serial. */
static bool salvage_meta(Database *source, Database *fresh, DatabaseSalvage *salvage,
                         GError **error)
{
    static const char *const keys[] = {"lineage" /* the first */, "boot_id", "instance_id"};
    uint64_t now = clock_wall_usec(fresh->options.clock), kept = 0;
    g_autofree char *limit = NULL;
    bool is_original = true;

    if (!database_group_begin(&fresh->durable, error))
        return false;
    /* What cannot be read counts as lost, as the rest does. */
    (void)database_lineage_is_of(source, source->copied_from, &is_original, NULL);
    for (size_t i = is_original ? 0 : 1; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *value = NULL;

        if (!database_get_meta(source, keys[i], &value, NULL))
            salvage->n_places++;
        if (value == NULL)
            continue;
        database_group_put_meta(fresh, keys[i], value);
        salvage->lineage = salvage->lineage || g_str_equal(keys[i], "lineage");
    }
    if (database_get_meta(source, "serial_limit", &limit, NULL) && limit != NULL)
        kept = MIN(g_ascii_strtoull(limit, NULL, 10), INT64_MAX);
    g_autofree char *ahead = g_strdup_printf("%" PRIu64, MAX(now, kept));
    database_group_put_meta(fresh, "serial_limit", ahead);
    database_group_put_meta(fresh, "clean", "0");
    return database_group_commit(&fresh->durable, DURABLE_CRASH, error);
}

/* Whether the tables can be found. writable_schema: a file that is too short, or whose list of
 * tables is not quite right, is read nevertheless. */
static bool salvage_find_tables(Database *source)
{
    if (database_file_size(source->path) < DATABASE_PAGE_BYTES ||
        !database_open_file(source, NULL) ||
        !database_execute(source, "PRAGMA writable_schema = ON", "open", NULL))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(salvage_tables); i++) {
        if (database_statement(source, salvage_tables[i].load, "read", NULL) == NULL)
            return false;
    }
    return true;
}

/* The first page of fresh, whose log is empty, for that of source; how many pages there are is left
 * to be found out. */
static bool salvage_transplant(const Database *source, const Database *fresh, GError **error)
{
    unsigned char page[DATABASE_PAGE_BYTES];
    sqlite3_file *file = NULL;

    (void)sqlite3_file_control(fresh->sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file == NULL || file->pMethods->xRead(file, page, sizeof(page), 0) != SQLITE_OK)
        return error_set(error, ERROR_FAILED, "cannot read the first page of %s", fresh->path);
    memset(page + SALVAGE_N_PAGES_OFFSET, 0, SALVAGE_N_PAGES_BYTES);
    return database_file_begin_with(source->path, page, sizeof(page), error);
}

bool database_salvage(Database *source, Database *fresh, DatabaseSalvage *ret_salvage,
                      GError **error)
{
    DatabaseSalvage salvage = {0};

    if (!salvage_find_tables(source)) {
        database_detach(source, true);
        salvage.n_places++;
        if (!salvage_transplant(source, fresh, error))
            return false;
        (void)salvage_find_tables(source); /* what it does not find counts as lost */
    }
    if (source->sqlite == NULL)
        return database_set_damaged(source, error, "it cannot be opened at all");
    SalvageWalk walk = {.source = source, .fresh = fresh, .salvage = &salvage};
    if (!salvage_tables_in_list(&walk, error) || !salvage_meta(source, fresh, &salvage, error) ||
        (salvage.n_places > 0 && !salvage_pages(&walk, error)) ||
        !salvage_count(fresh, &salvage, error))
        return false;
    *ret_salvage = salvage;
    return true;
}
