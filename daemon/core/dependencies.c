/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists, and how they are read: one row each. */

#include "core/dependencies.h"

#include "base/clock.h"
#include "base/parse.h"

#include <string.h>

static const char *const relation_names[_RELATION_MAX] = {
        [RELATION_REQUIRES] = "requires",   [RELATION_WANTS] = "wants",
        [RELATION_AFTER] = "after",         [RELATION_BEFORE] = "before",
        [RELATION_CONFLICTS] = "conflicts", [RELATION_PART_OF] = "part_of",
        [RELATION_MEMBERS] = "members",
};
ENUM_TABLE_DEFINE(Relation, relation, relation_names)

Dependencies *dependencies_new(void)
{
    Dependencies *dependencies = g_new0(Dependencies, 1);
    g_atomic_ref_count_init(&dependencies->refs);
    dependencies->keep_up_grace_usec = USEC_INFINITY;
    return dependencies;
}

Dependencies *dependencies_ref(Dependencies *dependencies)
{
    g_atomic_ref_count_inc(&dependencies->refs);
    return dependencies;
}

void dependencies_unref(Dependencies *dependencies)
{
    if (dependencies == NULL || !g_atomic_ref_count_dec(&dependencies->refs))
        return;
    for (int i = 0; i < _RELATION_MAX; i++)
        g_strfreev(dependencies->lists[i]);
    g_free(dependencies);
}

bool dependencies_are_empty(const Dependencies *dependencies)
{
    for (int i = 0; dependencies != NULL && i < _RELATION_MAX; i++) {
        if (dependencies->lists[i] != NULL)
            return false;
    }
    return true;
}

bool dependencies_list_equal(char *const *a, char *const *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return g_strv_equal((const char *const *)a, (const char *const *)b);
}

bool dependencies_equal(const Dependencies *a, const Dependencies *b)
{
    bool none_of_a = dependencies_are_empty(a), none_of_b = dependencies_are_empty(b);
    if (a == b || none_of_a || none_of_b)
        return a == b || none_of_a == none_of_b;
    for (int i = 0; i < _RELATION_MAX; i++) {
        if (!dependencies_list_equal(a->lists[i], b->lists[i]))
            return false;
    }
    return a->keep_up_grace_usec == b->keep_up_grace_usec;
}

/* Reading */

static bool dependencies_read_id(JsonContext *context, const JsonPath *path, const json_t *item,
                                 GHashTable *seen)
{
    g_autoptr(GError) error = NULL;
    const char *id = json_string_value(item);
    if (id == NULL)
        json_problem_expected(context, path, "the id of a service", item);
    else if (!parse_id(id, &error))
        json_problem(context, path, "%s", error->message);
    else if (!g_hash_table_add(seen, (void *)id))
        json_problem(context, path, "'%s' is named twice", id);
    else
        return true;
    return false;
}

void dependencies_read_ids(JsonContext *context, const JsonPath *path, const json_t *value,
                           void *field, const void *unused)
{
    if (!json_is_array(value)) {
        json_problem_expected(context, path, "an array of ids", value);
        return;
    }
    if (json_array_size(value) > DEPENDENCIES_MAX) {
        json_problem(context, path, "expected at most %d ids, got %zu", DEPENDENCIES_MAX,
                     json_array_size(value));
        return;
    }
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        JsonPath place = {.parent = path, .index = i};
        if (dependencies_read_id(context, &place, item, seen))
            g_ptr_array_add(ids, g_strdup(json_string_value(item)));
    }
    if (ids->len == 0)
        return;
    g_ptr_array_add(ids, NULL);
    *(char ***)field = (char **)g_ptr_array_free(g_steal_pointer(&ids), FALSE);
}

static const JsonRange grace_range = {
        .min = 0,
        .max = UINT64_C(365) * 24 * 3600 * USEC_PER_SEC,
        .expected = "a duration such as \"30s\", at most a year",
};

static const JsonMember keep_up_members[] = {
        {"grace", json_read_duration, 0, &grace_range, true},
        {NULL, NULL, 0, NULL, false},
};

#define DEPENDENCY(name, relation)                                                                 \
    {                                                                                              \
        name, dependencies_read_ids, offsetof(Dependencies, lists[relation]), NULL, false          \
    }

const JsonMember dependency_members[] = {
        DEPENDENCY("requires", RELATION_REQUIRES),
        DEPENDENCY("wants", RELATION_WANTS),
        DEPENDENCY("after", RELATION_AFTER),
        DEPENDENCY("before", RELATION_BEFORE),
        DEPENDENCY("conflicts", RELATION_CONFLICTS),
        DEPENDENCY("part_of", RELATION_PART_OF),
        {"keep_up", json_read_members, offsetof(Dependencies, keep_up_grace_usec), keep_up_members,
         false},
        {NULL, NULL, 0, NULL, false},
};

static size_t dependencies_count(const Dependencies *dependencies)
{
    size_t count = 0;
    for (int i = 0; i < _RELATION_MAX; i++) {
        if (dependencies->lists[i] != NULL)
            count += g_strv_length(dependencies->lists[i]);
    }
    return count;
}

/* Who has to run beside it cannot be in conflict with it. */
static void dependencies_check_conflict(JsonContext *context, const Dependencies *dependencies,
                                        Relation relation)
{
    char **conflicts = dependencies->lists[RELATION_CONFLICTS];
    g_autoptr(GHashTable) others = g_hash_table_new(g_str_hash, g_str_equal);
    for (char **id = dependencies->lists[relation]; id != NULL && *id != NULL; id++)
        g_hash_table_add(others, *id);
    for (size_t i = 0; conflicts != NULL && conflicts[i] != NULL; i++) {
        JsonPath list = {.member = relation_names[RELATION_CONFLICTS]};
        JsonPath place = {.parent = &list, .index = i};
        if (g_hash_table_contains(others, conflicts[i]))
            json_problem(context, &place, "'%s' is in %s, too", conflicts[i],
                         relation_names[relation]);
    }
}

void dependencies_check(JsonContext *context, const Dependencies *dependencies)
{
    size_t count = dependencies_count(dependencies);
    if (count > DEPENDENCIES_MAX)
        json_problem(context, NULL,
                     "expected at most %d ids in all lists of other services, got %zu",
                     DEPENDENCIES_MAX, count);
    dependencies_check_conflict(context, dependencies, RELATION_REQUIRES);
    dependencies_check_conflict(context, dependencies, RELATION_WANTS);
    dependencies_check_conflict(context, dependencies, RELATION_MEMBERS);
    if (dependencies->keep_up_grace_usec != USEC_INFINITY &&
        dependencies->lists[RELATION_REQUIRES] == NULL) {
        JsonPath place = {.member = "keep_up"};
        json_problem(context, &place, "it has nothing to keep up with: requires is empty");
    }
}
