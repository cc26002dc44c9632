/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits: a table of members, and the files that the kernel wants them in. */

#include "process/cgroup-internal.h"

#include "base/errors.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

typedef struct CgroupLimit {
    const char *member;
    CgroupController controller;
    size_t offset; /* in CgroupLimits */
    const char *file;
    const char *prefix; /* before the value */
    const char *none;   /* what the kernel has by itself */
} CgroupLimit;

static const CgroupLimit cgroup_limits_table[] = {
        {"memory_max", CGROUP_MEMORY, offsetof(CgroupLimits, memory_max_bytes), "memory.max", "",
         "max"},
        {"pids_max", CGROUP_PIDS, offsetof(CgroupLimits, pids_max), "pids.max", "", "max"},
        {"cpu_weight", CGROUP_CPU, offsetof(CgroupLimits, cpu_weight), "cpu.weight", "", "100"},
        {"io_weight", CGROUP_IO, offsetof(CgroupLimits, io_weight), "io.weight", "default ", "100"},
};

static uint64_t cgroup_limit_value(const CgroupLimit *limit, const CgroupLimits *limits)
{
    return *(const uint64_t *)((const char *)limits + limit->offset);
}

bool cgroup_limits_are_equal(const CgroupLimits *a, const CgroupLimits *b)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cgroup_limits_table); i++) {
        const CgroupLimit *limit = &cgroup_limits_table[i];

        if (cgroup_limit_value(limit, a) != cgroup_limit_value(limit, b))
            return false;
    }
    return true;
}

static const char *cgroup_limit_why_not(const CgroupLimit *limit, const CgroupTree *tree,
                                        const char *why)
{
    return tree == NULL ? why : cgroup_tree_why_not(tree, limit->controller);
}

void cgroup_limits_check(const CgroupLimits *limits, const CgroupTree *tree, const char *why,
                         void (*func)(const char *member, const char *reason, void *data),
                         void *data)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cgroup_limits_table); i++) {
        const CgroupLimit *limit = &cgroup_limits_table[i];
        const char *reason = cgroup_limit_why_not(limit, tree, why);

        if (cgroup_limit_value(limit, limits) != 0 && reason != NULL)
            func(limit->member, reason, data);
    }
}

static void on_cgroup_limit_missing(const char *member, const char *reason, void *data)
{
    GError **error = data;

    if (*error == NULL)
        error_set(error, ERROR_NOT_SUPPORTED, "cgroup.%s: %s", member, reason);
}

static bool cgroup_limit_set(const CgroupPlace *place, const CgroupLimit *limit, uint64_t value,
                             GError **error)
{
    g_autofree char *number =
            value != 0 ? g_strdup_printf("%" PRIu64, value) : g_strdup(limit->none);
    g_autofree char *text = g_strconcat(limit->prefix, number, NULL);

    if (cgroup_place_write(place, limit->file, text) || (value == 0 && errno == ENOENT))
        return true;
    return error_set_errno(error, errno, "cgroup.%s: cannot write \"%s\" to %s/%s", limit->member,
                           text, place->path, limit->file);
}

/* Those of the first n members whose controller is there. */
static void cgroup_limits_put_back(const Cgroup *cgroup, size_t n)
{
    CgroupPlace place = cgroup_place(cgroup);

    for (size_t i = 0; i < n; i++) {
        const CgroupLimit *limit = &cgroup_limits_table[i];

        if (cgroup_tree_has(cgroup->tree,
                            limit->controller)) /* then it stays: nobody can do more */
            (void)cgroup_limit_set(&place, limit, cgroup_limit_value(limit, &cgroup->limits), NULL);
    }
}

bool cgroup_set_limits(Cgroup *cgroup, const CgroupLimits *limits, GError **error)
{
    CgroupPlace place = cgroup_place(cgroup);
    g_autoptr(GError) missing = NULL;

    cgroup_limits_check(limits, cgroup->tree, NULL, on_cgroup_limit_missing, &missing);
    if (missing != NULL) {
        g_propagate_error(error, g_steal_pointer(&missing));
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cgroup_limits_table); i++) {
        const CgroupLimit *limit = &cgroup_limits_table[i];

        if (cgroup_tree_has(cgroup->tree, limit->controller) &&
            !cgroup_limit_set(&place, limit, cgroup_limit_value(limit, limits), error)) {
            cgroup_limits_put_back(cgroup, i);
            return false;
        }
    }
    cgroup->limits = *limits;
    return true;
}
