/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of what kinds share, and the kind of services that have none. */

#include "core/kind.h"

#include "core/service.h"

static const char *const config_applied_names[_CONFIG_APPLIED_MAX] = {
        [CONFIG_STORED] = "stored",
        [CONFIG_RELOADED] = "reloaded",
        [CONFIG_RESTARTED] = "restarted",
};
ENUM_TABLE_DEFINE(ConfigApplied, config_applied, config_applied_names)

static const char *const signal_whom_names[_SIGNAL_WHOM_MAX] = {
        [SIGNAL_MAIN] = "main",
        [SIGNAL_ALL] = "all",
};
ENUM_TABLE_DEFINE(SignalWhom, signal_whom, signal_whom_names)

static void invalid_config_check(JsonContext *context, Config *config)
{
    json_problem(context, NULL,
                 "the service's definition names no kind; delete it and create it anew");
}

static void *invalid_instance_new(const Kind *kind, Service *service)
{
    return service;
}

static void invalid_instance_free(void *instance)
{
    /* borrowed */
}

/* Start is refused while the definition is broken, and it stays so; none of these is reached. */
static void invalid_apply(void *instance, ApplyContext *context, Config *config)
{
    g_assert_not_reached();
}

static void invalid_cancel(void *instance, ApplyContext *context)
{
    g_assert_not_reached();
}

static void invalid_stop(void *instance)
{
    g_assert_not_reached();
}

const Kind kind_invalid = {
        .name = "invalid",
        .description = "a definition that names no kind",
        .config_check = invalid_config_check,
        .instance_new = invalid_instance_new,
        .instance_free = invalid_instance_free,
        .apply = invalid_apply,
        .cancel = invalid_cancel,
        .stop = invalid_stop,
};
