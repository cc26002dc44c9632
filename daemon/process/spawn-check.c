/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be known of a start before it is one. Things may change until then, so these are doubts,
 * not errors. */

#include "base/errors.h"
#include "process/capabilities.h"
#include "process/environment.h"
#include "process/rlimits.h"
#include "process/spawn.h"
#include "process/sys.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <unistd.h>

static void spawn_check_file(const char *member, const char *path, int mode, SpawnDoubtFunc doubt,
                             void *data)
{
    if (access(path, mode) == 0)
        return;
    g_autofree char *message = g_strdup_printf("'%s': %s", path, g_strerror(errno));
    doubt(member, message, data);
}

void spawn_check_command(const SpawnSpec *spec, const char *member, char *const *argv,
                         SpawnDoubtFunc doubt, void *data)
{
    g_autoptr(GError) error = NULL;
    const char *path = g_environ_getenv(spec->environment, "PATH");
    g_autofree char *program =
            spawn_find_program(argv[0], path != NULL ? path : ENVIRONMENT_PATH, &error);

    if (program == NULL)
        doubt(member, error->message, data);
    else
        spawn_check_file(member, program, X_OK, doubt, data);
}

static void spawn_check_identity(const char *member, const char *user, const char *group,
                                 char *const *supplementary, SpawnDoubtFunc doubt, void *data)
{
    g_autoptr(GError) error = NULL;
    Identity identity;

    if (identity_resolve(user, group, supplementary, &identity, &error))
        identity_clear(&identity);
    else
        doubt(member, error->message, data);
}

/* What this daemon may not set. Only the kernel really knows. */

typedef struct SpawnOwn {
    uint64_t effective;
    uint64_t bounding;
} SpawnOwn;

static bool spawn_own_has(const SpawnOwn *own, unsigned capability)
{
    return (own->effective >> capability & 1) != 0;
}

static void spawn_doubt(const char *member, SpawnDoubtFunc doubt, void *data, const char *format,
                        ...) G_GNUC_PRINTF(4, 5);
static void spawn_doubt(const char *member, SpawnDoubtFunc doubt, void *data, const char *format,
                        ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    doubt(member, message, data);
}

/* RLIMIT_NICE is 20 minus the nice that may be had (getrlimit(2)). */
static void spawn_check_nice(const SpawnSpec *spec, const SpawnOwn *own, SpawnDoubtFunc doubt,
                             void *data)
{
    struct rlimit limit;

    if (spec->nice == SPAWN_NICE_KEEP || spawn_own_has(own, CAP_SYS_NICE) ||
        spec->nice >= getpriority(PRIO_PROCESS, 0) || getrlimit(RLIMIT_NICE, &limit) < 0 ||
        (rlim_t)(20 - spec->nice) <= limit.rlim_cur)
        return;
    spawn_doubt("nice", doubt, data, "the daemon may not set nice to %d", spec->nice);
}

/* It may come back to what it was given by who was allowed to; at least to 0 then. */
static void spawn_check_oom_score(const SpawnSpec *spec, const SpawnOwn *own, SpawnDoubtFunc doubt,
                                  void *data)
{
    g_autofree char *text = NULL;

    if (spec->oom_score_adjust == SPAWN_OOM_SCORE_KEEP || spawn_own_has(own, CAP_SYS_RESOURCE) ||
        !g_file_get_contents("/proc/self/oom_score_adj", &text, NULL, NULL) ||
        spec->oom_score_adjust >= MIN(g_ascii_strtoll(text, NULL, 10), 0))
        return;
    spawn_doubt("oom_score_adjust", doubt, data, "the daemon may not set oom_score_adj to %d",
                spec->oom_score_adjust);
}

static void spawn_check_limits(const SpawnSpec *spec, const SpawnOwn *own, SpawnDoubtFunc doubt,
                               void *data)
{
    for (unsigned i = 0; spec->limits != NULL && i < spec->limits->len; i++) {
        const SpawnLimit *limit = &g_array_index(spec->limits, SpawnLimit, i);
        struct rlimit64 mine;

        if (spawn_own_has(own, CAP_SYS_RESOURCE) ||
            sys_linux.prlimit64(0, limit->resource, NULL, &mine) < 0 ||
            limit->hard <= mine.rlim_max)
            continue;
        g_autofree char *member = g_strconcat("limits/", limit_to_string(limit->resource), NULL);
        g_autofree char *most = limit_value_to_string(mine.rlim_max);
        spawn_doubt(member, doubt, data, "the daemon may not set more than its own limit of %s",
                    most);
    }
}

static void spawn_check_capabilities(const SpawnSpec *spec, const SpawnOwn *own,
                                     SpawnDoubtFunc doubt, void *data)
{
    uint64_t missing = spec->capabilities & ~own->bounding;

    if (!spec->sets_capabilities)
        return;
    if ((own->bounding & ~spec->capabilities) != 0 && !spawn_own_has(own, CAP_SETPCAP))
        spawn_doubt("capabilities", doubt, data,
                    "the daemon may not drop capabilities: it has no CAP_SETPCAP");
    for (unsigned number = 0; number < 64; number++) {
        g_autofree char *name = (missing >> number & 1) != 0 ? capability_to_string(number) : NULL;

        if (name != NULL)
            spawn_doubt("capabilities", doubt, data,
                        "the daemon itself does not have %s to pass on", name);
    }
}

static void spawn_check_privileged(const SpawnSpec *spec, SpawnDoubtFunc doubt, void *data)
{
    SpawnOwn own;

    if (!capabilities_read_own(&own.effective, &own.bounding))
        return;
    spawn_check_nice(spec, &own, doubt, data);
    spawn_check_oom_score(spec, &own, doubt, data);
    spawn_check_limits(spec, &own, doubt, data);
    spawn_check_capabilities(spec, &own, doubt, data);
}

void spawn_check(const SpawnSpec *spec, SpawnDoubtFunc doubt, void *data)
{
    spawn_check_command(spec, "exec", spec->exec, doubt, data);
    if (spec->user != NULL)
        spawn_check_identity("user", spec->user, spec->group != NULL ? "0" : NULL, NULL, doubt,
                             data);
    if (spec->group != NULL)
        spawn_check_identity("group", NULL, spec->group, NULL, doubt, data);
    spawn_check_identity("supplementary_groups", NULL, NULL, spec->supplementary_groups, doubt,
                         data);
    if (spec->working_directory != NULL)
        spawn_check_file("working_directory", spec->working_directory, X_OK, doubt, data);
    if (spec->environment_file != NULL) {
        g_autoptr(Environment) environment = environment_new();
        g_autoptr(GError) error = NULL;

        if (!environment_add_file(environment, spec->environment_file, &error))
            doubt("environment_file", error->message, data);
    }
    spawn_check_privileged(spec, doubt, data);
}
