/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the child could not do, in words: the step, the member of the definition that asks for it,
 * and the errno. */

#include "base/errors.h"
#include "process/capabilities.h"
#include "process/spawn-internal.h"

#include <unistd.h>

static bool spawn_set_limit_error(GError **error, const SpawnSpec *spec, int resource, int value)
{
    const SpawnLimit *limit = limits_find(spec->limits, resource);

    if (limit == NULL)
        return error_set_errno(error, value, "cannot set the limit of descriptors");
    g_autofree char *soft = limit_value_to_string(limit->soft);
    g_autofree char *hard = limit_value_to_string(limit->hard);
    if (limit->soft == limit->hard)
        return error_set_errno(error, value, "cannot set limits.%s to %s",
                               limit_to_string(resource), hard);
    return error_set_errno(error, value, "cannot set limits.%s to %s, at most %s",
                           limit_to_string(resource), soft, hard);
}

static bool spawn_set_capability_error(GError **error, int number, int value)
{
    g_autofree char *name = number >= 0 ? capability_to_string((unsigned)number) : NULL;

    if (number < 0)
        return error_set_errno(error, value, "cannot set capabilities");
    if (name == NULL)
        return error_set_errno(error, value, "cannot set capabilities: drop number %d", number);
    return error_set_errno(error, value, "cannot set capabilities: drop %s", name);
}

static bool spawn_set_pass_error(GError **error, int target, int value)
{
    if (target < 0)
        return error_set_errno(error, value, "cannot make room for descriptors to pass");
    return error_set_errno(error, value, "cannot pass descriptor %d", target);
}

/* A step that is none is taken for the exec. */
bool spawn_set_step_error(GError **error, const SpawnSpec *spec, const char *path,
                          const ChildError *child_error)
{
    const char *group = spec->group != NULL ? spec->group : "its user's";
    int value = child_error->errno_value;

    switch (child_error->step) {
    case CHILD_STEP_SESSION:
        return error_set_errno(error, value, "cannot start a session");
    case CHILD_STEP_CGROUP:
        return error_set_errno(error, value, "cannot enter its cgroup");
    case CHILD_STEP_SIGNALS:
        return error_set_errno(error, value, "cannot reset signals");
    case CHILD_STEP_PASSES:
        return spawn_set_pass_error(error, child_error->detail, value);
    case CHILD_STEP_INPUT:
        return error_set_errno(error, value, "cannot set standard input");
    case CHILD_STEP_OUTPUT:
        return error_set_errno(error, value, "cannot set standard %s",
                               child_error->detail == STDERR_FILENO ? "error" : "output");
    case CHILD_STEP_DESCRIPTORS:
        return error_set_errno(error, value, "cannot close descriptors");
    case CHILD_STEP_NICE:
        return error_set_errno(error, value, "cannot set nice to %d", spec->nice);
    case CHILD_STEP_OOM_SCORE:
        return error_set_errno(error, value, "cannot set oom_score_adjust to %d",
                               spec->oom_score_adjust);
    case CHILD_STEP_LIMITS:
        return spawn_set_limit_error(error, spec, child_error->detail, value);
    case CHILD_STEP_CAPABILITIES:
        return spawn_set_capability_error(error, child_error->detail, value);
    case CHILD_STEP_GROUPS:
        return error_set_errno(error, value, "cannot set supplementary groups");
    case CHILD_STEP_GROUP:
        return error_set_errno(error, value, "cannot change to group '%s'", group);
    case CHILD_STEP_USER:
        return error_set_errno(error, value, "cannot change to user '%s'", spec->user);
    case CHILD_STEP_DIRECTORY:
        return error_set_errno(error, value, "cannot change to directory '%s'",
                               spec->working_directory);
    case CHILD_STEP_PRIVILEGES:
        return error_set_errno(error, value, "cannot set no_new_privileges");
    case CHILD_STEP_INTERPRETER:
        return error_set(error, ERROR_FAILED,
                         "cannot execute '%s': %s (the file is there, but its interpreter is not)",
                         path, g_strerror(value));
    case CHILD_STEP_EXECUTE:
    case CHILD_STEP_NONE:
    case _CHILD_STEP_MAX:
        break;
    }
    return error_set_errno(error, value, "cannot execute '%s'", path);
}
