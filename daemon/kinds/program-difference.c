/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only a new start can bring into force, as a table: the member, where it is, and when two of
 * them are the same. Whatever is not in it (how it is stopped, reloaded, watched over, started
 * again) is taken over by what runs. */

#include "kinds/program.h"
#include "process/rlimits.h"

#include <string.h>

typedef bool (*ProgramEqual)(const void *a, const void *b);

typedef struct ProgramDifference {
    const char *member; /* for who debugs it */
    size_t offset;      /* in ProgramConfig */
    ProgramEqual equal; /* of addresses of the field */
} ProgramDifference;

static bool program_equal_bool(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

static bool program_equal_int(const void *a, const void *b)
{
    return *(const int *)a == *(const int *)b;
}

static bool program_equal_uint32(const void *a, const void *b)
{
    return *(const uint32_t *)a == *(const uint32_t *)b;
}

static bool program_equal_uint64(const void *a, const void *b)
{
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

static bool program_equal_string(const void *a, const void *b)
{
    return g_strcmp0(*(char *const *)a, *(char *const *)b) == 0;
}

/* No strings are the same as none at all. */
static bool program_equal_strings(const void *a, const void *b)
{
    const char *const *x = *(const char *const *const *)a, *const *y =
                                                                   *(const char *const *const *)b;
    unsigned n = x != NULL ? g_strv_length((char **)x) : 0;

    if (n != (y != NULL ? g_strv_length((char **)y) : 0))
        return false;
    return n == 0 || g_strv_equal(x, y);
}

static int program_compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char **program_sort_strings(char *const *strings)
{
    char **sorted = strings != NULL ? g_strdupv((char **)strings) : g_new0(char *, 1);

    qsort(sorted, g_strv_length(sorted), sizeof *sorted, program_compare_strings);
    return sorted;
}

/* The variables are an object, which has no order. */
static bool program_equal_environment(const void *a, const void *b)
{
    g_auto(GStrv) x = program_sort_strings(*(char *const *const *)a);
    g_auto(GStrv) y = program_sort_strings(*(char *const *const *)b);

    return g_strv_equal((const char *const *)x, (const char *const *)y);
}

static bool program_equal_limits(const void *a, const void *b)
{
    return limits_are_equal(*(GArray *const *)a, *(GArray *const *)b);
}

static bool program_equal_capabilities(const void *a, const void *b)
{
    const SpawnSpec *x = a, *y = b;

    return x->sets_capabilities == y->sets_capabilities && x->capabilities == y->capabilities;
}

#define PROGRAM_SPAWN(field) offsetof(ProgramConfig, spec.spawn.field)
#define PROGRAM_SPEC(field) offsetof(ProgramConfig, spec.field)

static const ProgramDifference program_differences[] = {
        {"exec", PROGRAM_SPAWN(exec), program_equal_strings},
        {"environment", PROGRAM_SPAWN(environment), program_equal_environment},
        {"environment_file", PROGRAM_SPAWN(environment_file), program_equal_string},
        {"working_directory", PROGRAM_SPAWN(working_directory), program_equal_string},
        {"umask", PROGRAM_SPAWN(umask), program_equal_uint32},
        {"user", PROGRAM_SPAWN(user), program_equal_string},
        {"group", PROGRAM_SPAWN(group), program_equal_string},
        {"supplementary_groups", PROGRAM_SPAWN(supplementary_groups), program_equal_strings},
        {"nice", PROGRAM_SPAWN(nice), program_equal_int},
        {"oom_score_adjust", PROGRAM_SPAWN(oom_score_adjust), program_equal_int},
        {"limits", PROGRAM_SPAWN(limits), program_equal_limits},
        {"no_new_privileges", PROGRAM_SPAWN(privileges), program_equal_int},
        {"capabilities", PROGRAM_SPEC(spawn), program_equal_capabilities},
        {"readiness", PROGRAM_SPEC(readiness), program_equal_int},
        {"readiness_fd", PROGRAM_SPEC(readiness_fd), program_equal_int},
        {"watchdog", PROGRAM_SPEC(watchdog_usec), program_equal_uint64},
        {"log.target", PROGRAM_SPEC(output.target), program_equal_int},
        {"log.timestamps", PROGRAM_SPEC(output.has_no_timestamps), program_equal_bool},
        {"remain_after_exit", offsetof(ProgramConfig, remain_after_exit), program_equal_bool},
};

bool program_config_needs_restart(const Config *running, const Config *next)
{
    const char *a = running->own, *b = next->own;

    for (size_t i = 0; i < G_N_ELEMENTS(program_differences); i++) {
        const ProgramDifference *row = &program_differences[i];

        if (!row->equal(a + row->offset, b + row->offset))
            return true;
    }
    return false;
}
