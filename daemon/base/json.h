/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON configuration over jansson: strict documents, and tables that read an object into a struct.
 *
 * A document is an object of at most JSON_MAX_BYTES, nested at most JSON_MAX_DEPTH deep, of at most
 * JSON_MAX_VALUES values, valid UTF-8 without NUL, no duplicate member, no number out of range,
 * nothing after it. A member
 * "$comment" is allowed in any object and ignored.
 *
 * A reader walks objects by a table of members. Every mistake goes to one Problems list with
 * its pointer; unknown members are mistakes. The struct's fields hold their defaults before. */

#include "base/problem.h"

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_BYTES (1024 * 1024)
#define JSON_MAX_DEPTH 32
#define JSON_MAX_VALUES 65536
#define JSON_COMMENT "$comment"

/* New reference to the object, or NULL with problems added (pointer, line and column as known). */
json_t *json_document_parse(const char *bytes, size_t length, Problems *problems);

typedef struct JsonPath JsonPath; /* where the reader is; on the stack, linked to the parent */
struct JsonPath {
    const JsonPath *parent;
    const char *member; /* NULL: an index */
    size_t index;
};
/* "/restart/max_delay"; "" for NULL. Members escaped by RFC 6901. */
char *json_path_to_pointer(const JsonPath *path);

typedef struct JsonContext {
    Problems *problems;
    void *data; /* for custom readers */
} JsonContext;

void json_problem(JsonContext *context, const JsonPath *path, const char *format, ...)
        G_GNUC_PRINTF(3, 4);
/* "expected EXPECTED, got VALUE" (value shortened). */
void json_problem_expected(JsonContext *context, const JsonPath *path, const char *expected,
                           const json_t *got);

/* Reads value into field (address of the member's field). Adds problems instead of failing. */
typedef void (*JsonRead)(JsonContext *context, const JsonPath *path, const json_t *value,
                         void *field, const void *argument);

typedef struct JsonMember {
    const char *name;
    JsonRead read;
    size_t offset;
    const void *argument; /* for read: a JsonRange, an enum's from_string, a nested table, ... */
    bool required;
} JsonMember;

/* tables: NULL-name-terminated tables, several of them (a kind's own and the common one, each with
 * its own target struct), so that unknown members are those that no table has. */
typedef struct JsonTable {
    const JsonMember *members; /* ends with a NULL name */
    void *target;
} JsonTable;
void json_read_object(JsonContext *context, const JsonPath *path, const json_t *object,
                      const JsonTable *tables, size_t n_tables);

typedef struct JsonRange {
    uint64_t min;
    uint64_t max;
    const char *expected; /* "a number from 1 to 100"; NULL: made from the range */
} JsonRange;

typedef struct JsonEnum {
    int (*from_string)(const char *string); /* negative: stranger */
    const char *expected;                   /* "no, on-failure or always" */
} JsonEnum;

/* The readers. Fields: bool; uint64_t; double; char *; char ** (GStrv); GStrv of "NAME=value". */
void json_read_bool(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *unused);
/* uint64_t in [min, max] of a JsonRange (required). */
void json_read_unsigned(JsonContext *context, const JsonPath *path, const json_t *value,
                        void *field, const void *range);
/* double, in [min, max] as doubles of a JsonRealRange. */
typedef struct JsonRealRange {
    double min;
    double max;
    const char *expected;
} JsonRealRange;
void json_read_real(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *range);
/* uint64_t usec; a duration string, or a number (integer or real) of seconds; argument: JsonRange
 * in usec or NULL. */
void json_read_duration(JsonContext *context, const JsonPath *path, const json_t *value,
                        void *field, const void *range);
/* uint64_t bytes; a size string or an integer. */
void json_read_size(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *range);
/* char *, replaced and owned by the struct; not empty; argument: "absolute path" check etc. is done
 * by wrappers. */
void json_read_string(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                      const void *unused);
/* char *, an absolute path without ".." components. */
void json_read_path(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *unused);
/* GStrv of non-null strings (empty strings allowed). argument: JsonRange of the count, or NULL. */
void json_read_strv(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *range);
/* int-sized enum by a JsonEnum. */
void json_read_enum(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                    const void *table);
/* GStrv of "NAME=value", from an object of strings; names as in sh(1). */
void json_read_environment(JsonContext *context, const JsonPath *path, const json_t *value,
                           void *field, const void *unused);
/* A struct within the struct, from an object: members is its table (of JsonMember), with offsets
 * from the field. */
void json_read_members(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                       const void *members);
