/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading. What is loaded when the daemon starts is read table by table, each once, in the order in
 * which it lies in the file; the services meet in a hash table and are sorted at the end. Of the
 * revisions an index tells which are wanted, and only their texts are read.
 *
 * SQLite has no checksums: a row may be whole for it and nonsense to us. Such a row is damage, too.
 */

#include "store/database-internal.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/parse.h"
#include "store/saved.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct DatabaseLoad {
    Database *database;
    GHashTable *services; /* id -> SavedService; the ids are theirs */
} DatabaseLoad;

/* Takes what a row says; it is valid. false: the service has such a row already. */
typedef bool (*DatabaseTake)(DatabaseLoad *load, sqlite3_stmt *row);

/* Labels */

char *database_labels_to_text(GHashTable *labels)
{
    GHashTableIter iter;
    void *name, *value;

    if (labels == NULL)
        return NULL;
    json_auto_t *object = json_object();
    g_hash_table_iter_init(&iter, labels);
    while (g_hash_table_iter_next(&iter, &name, &value))
        json_object_set_new(object, name, json_string(value));

    char *dumped = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    char *text = g_strdup(dumped);
    free(dumped);
    return text;
}

bool database_labels_from_text(const char *text, GHashTable **ret_labels)
{
    json_auto_t *object = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    g_autoptr(GHashTable) labels = NULL;
    const char *name;
    json_t *value;

    if (text != NULL && !json_is_object(object))
        return false;
    if (text != NULL)
        labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    json_object_foreach(object, name, value)
    {
        if (!json_is_string(value))
            return false;
        g_hash_table_insert(labels, g_strdup(name), g_strdup(json_string_value(value)));
    }
    *ret_labels = g_steal_pointer(&labels);
    return true;
}

/* What a column must be */

/* UTF-8 without NUL. */
static bool database_column_is_text(sqlite3_stmt *row, int column)
{
    if (sqlite3_column_type(row, column) != SQLITE_TEXT)
        return false;

    const char *text = (const char *)sqlite3_column_text(row, column);
    size_t length = (size_t)sqlite3_column_bytes(row, column);
    return text != NULL && strlen(text) == length && g_utf8_validate(text, (gssize)length, NULL);
}

static bool database_column_is_optional_text(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL || database_column_is_text(row, column);
}

static bool database_column_is_id(sqlite3_stmt *row, int column)
{
    return database_column_is_text(row, column) &&
           parse_id((const char *)sqlite3_column_text(row, column), NULL);
}

static bool database_column_is_integer(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_INTEGER;
}

static bool database_column_is_within(sqlite3_stmt *row, int column, int64_t max)
{
    return database_column_is_integer(row, column) && sqlite3_column_int64(row, column) >= 0 &&
           sqlite3_column_int64(row, column) <= max;
}

static bool database_column_is_labels(sqlite3_stmt *row, int column)
{
    g_autoptr(GHashTable) labels = NULL;

    return database_column_is_optional_text(row, column) &&
           database_labels_from_text((const char *)sqlite3_column_text(row, column), &labels);
}

static bool database_column_is_flag(sqlite3_stmt *row, int column)
{
    return database_column_is_within(row, column, 1);
}

static bool database_column_is_count(sqlite3_stmt *row, int column)
{
    return database_column_is_within(row, column, UINT_MAX);
}

static bool database_column_is_source(sqlite3_stmt *row, int column)
{
    return database_column_is_within(row, column, CONFIG_FROM_DEFINITION);
}

static bool database_column_is_failure_class(sqlite3_stmt *row, int column)
{
    return database_column_is_text(row, column) &&
           failure_class_from_string((const char *)sqlite3_column_text(row, column)) !=
                   _FAILURE_INVALID;
}

typedef bool (*DatabaseColumnIs)(sqlite3_stmt *row, int column);

/* From column 1 on, which is the first after the number. */
static const DatabaseColumnIs database_columns[_STATEMENT_MAX][DATABASE_VALUES_MAX] = {
        [STATEMENT_LOAD_SERVICES] = {database_column_is_id, database_column_is_text,
                                     database_column_is_optional_text, database_column_is_labels},
        [STATEMENT_LOAD_ENABLED] = {database_column_is_id, database_column_is_flag},
        [STATEMENT_LOAD_STATES] = {database_column_is_id, database_column_is_flag,
                                   database_column_is_count, database_column_is_failure_class,
                                   database_column_is_integer, database_column_is_optional_text},
        [STATEMENT_LOAD_REVISIONS] = {database_column_is_id, database_column_is_integer,
                                      database_column_is_source},
        [STATEMENT_LOAD_TEXT] = {database_column_is_id, database_column_is_integer,
                                 database_column_is_integer, database_column_is_source,
                                 database_column_is_text, database_column_is_text},
};

bool database_row_is_valid(DatabaseStatement statement, sqlite3_stmt *row)
{
    const DatabaseColumnIs *columns = database_columns[statement];

    for (int i = 0; i < DATABASE_VALUES_MAX && columns[i] != NULL; i++) {
        if (!columns[i](row, i + 1))
            return false;
    }
    return true;
}

/* Loading */

static const char *database_column_text(sqlite3_stmt *row, int column)
{
    return (const char *)sqlite3_column_text(row, column);
}

static SavedService *database_load_service(DatabaseLoad *load, sqlite3_stmt *row)
{
    const char *id = database_column_text(row, 1);
    SavedService *saved = g_hash_table_lookup(load->services, id);

    if (saved == NULL) {
        saved = saved_service_new(id);
        g_hash_table_insert(load->services, saved->id, saved);
    }
    return saved;
}

static bool database_take_service(DatabaseLoad *load, sqlite3_stmt *row)
{
    SavedService *saved = database_load_service(load, row);

    if (saved->created)
        return false;
    saved->created = true;
    saved->kind = g_strdup(database_column_text(row, 2));
    saved->description = g_strdup(database_column_text(row, 3));
    (void)database_labels_from_text(database_column_text(row, 4), &saved->labels); /* is valid */
    return true;
}

static bool database_take_enabled(DatabaseLoad *load, sqlite3_stmt *row)
{
    SavedService *saved = database_load_service(load, row);

    if (saved->enabled >= 0)
        return false;
    saved->enabled = sqlite3_column_int(row, 2);
    return true;
}

static bool database_take_state(DatabaseLoad *load, sqlite3_stmt *row)
{
    SavedService *saved = database_load_service(load, row);

    if (saved->has_state)
        return false;
    saved->has_state = true;
    saved->wanted = sqlite3_column_int(row, 2) != 0;
    saved->failed_attempts = (unsigned)sqlite3_column_int64(row, 3);
    saved->failure_class = failure_class_from_string(database_column_text(row, 4));
    saved->error_time = (uint64_t)sqlite3_column_int64(row, 5);
    saved->error = g_strdup(database_column_text(row, 6));
    return true;
}

/* They come in ascending order. Until the texts are read, time holds the number of the row. */
static bool database_take_revision(DatabaseLoad *load, sqlite3_stmt *row)
{
    SavedService *saved = database_load_service(load, row);
    DurableRevision found = {.time = (uint64_t)sqlite3_column_int64(row, 0),
                             .revision = (uint64_t)sqlite3_column_int64(row, 2),
                             .source = (ConfigSource)sqlite3_column_int(row, 3)};

    if (saved->latest == NULL)
        saved->latest = g_new(DurableRevision, 1);
    *saved->latest = found;
    if (found.source != CONFIG_FROM_DEFINITION)
        return true;
    if (saved->defined == NULL)
        saved->defined = g_new(DurableRevision, 1);
    *saved->defined = found;
    return true;
}

static bool database_load_table(DatabaseLoad *load, DatabaseStatement statement, DatabaseTake take,
                                GError **error)
{
    Database *database = load->database;
    sqlite3_stmt *row = database_statement(database, statement, "read", error);
    DatabaseValue first = {.type = SQLITE_INTEGER, .integer = INT64_MIN};
    int code = SQLITE_ROW;
    bool valid = true;

    if (row == NULL)
        return false;
    if (sqlite3_bind_parameter_count(row) > 0)
        database_bind(row, &first, 1);
    while (valid && (code = database_step(row)) == SQLITE_ROW) {
        valid = database_row_is_valid(statement, row) && take(load, row);
        if (!valid)
            (void)database_set_damaged(database, error, "a row of it makes no sense");
    }
    if (valid && code != SQLITE_DONE)
        valid = database_set_error(database, error, "read");
    (void)sqlite3_reset(row); /* says again what the step has said */
    return valid;
}

/* Fills in what revision, of the row whose number is its time, lacks. */
static bool database_load_text(Database *database, DurableRevision *revision, GError **error)
{
    sqlite3_stmt *row = database_statement(database, STATEMENT_LOAD_TEXT, "read", error);
    DatabaseValue number = {.type = SQLITE_INTEGER, .integer = (int64_t)revision->time};

    if (row == NULL)
        return false;
    database_bind(row, &number, 1);
    int code = database_step(row);
    bool valid = code == SQLITE_ROW && sqlite3_column_int64(row, 0) == number.integer &&
                 database_row_is_valid(STATEMENT_LOAD_TEXT, row);
    if (valid) {
        revision->time = (uint64_t)sqlite3_column_int64(row, 3);
        revision->text = g_strdup(database_column_text(row, 6));
        revision->length = (size_t)sqlite3_column_bytes(row, 6);
    } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
        (void)database_set_damaged(database, error, "an index of it leads astray");
    } else {
        (void)database_set_error(database, error, "read");
    }
    (void)sqlite3_reset(row); /* says again what the step has said */
    return valid;
}

static int database_compare_numbers(const void *a, const void *b)
{
    const DurableRevision *const *first = a, *const *second = b;
    int64_t x = (int64_t)(*first)->time, y = (int64_t)(*second)->time;

    return (x > y) - (x < y);
}

/* In the order in which they lie in the file: the cache is small. */
static bool database_load_texts(DatabaseLoad *load, GError **error)
{
    g_autoptr(GPtrArray) revisions = g_ptr_array_new();
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, load->services);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        SavedService *saved = value;

        if (saved->latest != NULL)
            g_ptr_array_add(revisions, saved->latest);
        if (saved->defined != NULL)
            g_ptr_array_add(revisions, saved->defined);
    }
    g_ptr_array_sort(revisions, database_compare_numbers);
    for (unsigned i = 0; i < revisions->len; i++) {
        if (!database_load_text(load->database, g_ptr_array_index(revisions, i), error))
            return false;
    }
    return true;
}

static bool database_load_tables(DatabaseLoad *load, GError **error)
{
    static const struct {
        DatabaseStatement statement;
        DatabaseTake take;
    } tables[] = {
            {STATEMENT_LOAD_SERVICES, database_take_service},
            {STATEMENT_LOAD_ENABLED, database_take_enabled},
            {STATEMENT_LOAD_STATES, database_take_state},
            {STATEMENT_LOAD_REVISIONS, database_take_revision},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        if (!database_load_table(load, tables[i].statement, tables[i].take, error))
            return false;
    }
    return database_load_texts(load, error);
}

static int database_compare_ids(const void *a, const void *b)
{
    const SavedService *const *first = a, *const *second = b;

    return strcmp((*first)->id, (*second)->id);
}

GPtrArray *database_read_all(Database *database, GError **error)
{
    g_autoptr(GHashTable) services = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                                           (GDestroyNotify)saved_service_free);
    DatabaseLoad load = {.database = database, .services = services};
    GHashTableIter iter;
    void *value;

    g_assert(!database->group_is_open);
    bool done = database_load_tables(&load, error);
    (void)sqlite3_db_release_memory(database->sqlite); /* nothing else reads that much */
    if (!done)
        return NULL;

    GPtrArray *array =
            g_ptr_array_new_full(g_hash_table_size(services), (GDestroyNotify)saved_service_free);
    g_hash_table_iter_init(&iter, services);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(array, value);
    g_hash_table_steal_all(services);
    g_ptr_array_sort(array, database_compare_ids);
    return array;
}

/* Revisions, one by one */

static DurableRevision *database_row_to_revision(sqlite3_stmt *row)
{
    DurableRevision *revision = g_new0(DurableRevision, 1);

    revision->revision = (uint64_t)sqlite3_column_int64(row, 0);
    revision->time = (uint64_t)sqlite3_column_int64(row, 1);
    revision->source = (ConfigSource)sqlite3_column_int(row, 2);
    return revision;
}

static DurableRevision *database_row_to_listed(sqlite3_stmt *row)
{
    DurableRevision *revision = database_row_to_revision(row);
    const char *digest = database_column_text(row, 3);

    g_strlcpy(revision->digest, digest != NULL ? digest : "", sizeof(revision->digest));
    return revision;
}

static GPtrArray *database_read_list_revisions(Durable *durable, const char *id, GError **error)
{
    Database *database = (Database *)durable;
    sqlite3_stmt *row = database_statement(database, STATEMENT_LIST_REVISIONS, "read", error);
    DatabaseValue value = database_string(id);
    g_autoptr(GPtrArray) revisions =
            g_ptr_array_new_with_free_func((GDestroyNotify)durable_revision_free);
    int code;

    g_assert(!database->group_is_open);
    if (row == NULL)
        return NULL;
    database_bind(row, &value, 1);
    while ((code = database_step(row)) == SQLITE_ROW)
        g_ptr_array_add(revisions, database_row_to_listed(row));
    if (code != SQLITE_DONE)
        (void)database_set_error(database, error, "read");
    (void)sqlite3_reset(row); /* says again what the step has said */
    return code == SQLITE_DONE ? g_steal_pointer(&revisions) : NULL;
}

static DurableRevision *database_read_get_revision(Durable *durable, const char *id,
                                                   uint64_t number, GError **error)
{
    Database *database = (Database *)durable;
    sqlite3_stmt *row = database_statement(database, STATEMENT_GET_REVISION, "read", error);
    DatabaseValue values[] = {database_string(id), database_integer(number)};
    DurableRevision *revision = NULL;

    g_assert(!database->group_is_open);
    if (row == NULL)
        return NULL;
    database_bind(row, values, G_N_ELEMENTS(values));
    int code = database_step(row);
    if (code == SQLITE_ROW && database_column_is_text(row, 3)) {
        revision = database_row_to_revision(row);
        revision->text = g_strdup(database_column_text(row, 3));
        revision->length = (size_t)sqlite3_column_bytes(row, 3);
    } else if (code == SQLITE_ROW) {
        (void)database_set_damaged(database, error, "a row of it makes no sense");
    } else if (code == SQLITE_DONE) {
        (void)error_set(error, ERROR_NOT_FOUND, "no revision %" PRIu64 " of service '%s' is kept",
                        number, id);
    } else {
        (void)database_set_error(database, error, "read");
    }
    (void)sqlite3_reset(row); /* says again what the step has said */
    return revision;
}

void database_read_init(Database *database)
{
    database->durable.list_revisions = database_read_list_revisions;
    database->durable.get_revision = database_read_get_revision;
}
