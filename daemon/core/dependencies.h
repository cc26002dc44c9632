/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a configuration says of other services: lists of ids, one for each relation. Immutable and
 * reference-counted, for it outlives the parsed configuration while the service is at rest.
 *
 *   requires   is started with it; it waits until that one is active (or, of a program that runs
 *              once, has done its work)
 *   wants      is started with it, and nothing else follows
 *   after      where both are to start, it waits until that one is active or has given up; where
 *              both stop, it stops first. Starts nothing
 *   before     the same, the other way round
 *   conflicts  never both: who starts one stops the other
 *   part_of    what is done to that one by a stop or a restart is done to it, too
 *   members    what a group starts and stops (the kind `group` alone)
 */

#include "base/enum-table.h"
#include "base/json.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum Relation {
    RELATION_REQUIRES,
    RELATION_WANTS,
    RELATION_AFTER,
    RELATION_BEFORE,
    RELATION_CONFLICTS,
    RELATION_PART_OF,
    RELATION_MEMBERS,
    _RELATION_MAX,
    _RELATION_INVALID = -22,
} Relation;
ENUM_TABLE_DECLARE(Relation, relation); /* the names of the members of a configuration */

/* In one list, and in all lists of one service. */
#define DEPENDENCIES_MAX 4096

typedef struct Dependencies {
    gatomicrefcount refs;
    char **lists[_RELATION_MAX]; /* NULL-terminated, in the order given; NULL: none */
    /* How long something required may stay away before this one is stopped to wait for it;
     * USEC_INFINITY: for ever. */
    uint64_t keep_up_grace_usec;
} Dependencies;

Dependencies *dependencies_new(void); /* empty */
Dependencies *dependencies_ref(Dependencies *dependencies);
void dependencies_unref(Dependencies *dependencies); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dependencies, dependencies_unref)
/* Accepts NULL: it is. */
bool dependencies_are_empty(const Dependencies *dependencies);
/* Accepts NULL, which is as good as an empty one. */
bool dependencies_equal(const Dependencies *a, const Dependencies *b);
/* The same names in the same order; both may be NULL. */
bool dependencies_list_equal(char *const *a, char *const *b);

/* The members that every kind has: requires, wants, after, before, conflicts, part_of and keep_up.
 * The target is a Dependencies. */
extern const JsonMember dependency_members[];
/* One list (char **): valid ids, none twice, at most DEPENDENCIES_MAX; for the kind `group`, too.
 */
void dependencies_read_ids(JsonContext *context, const JsonPath *path, const json_t *value,
                           void *field, const void *unused);
/* Adds what no single list shows: too many in all, the same service required or wanted and in
 * conflict. */
void dependencies_check(JsonContext *context, const Dependencies *dependencies);
