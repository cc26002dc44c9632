/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs once: its exit is its success. It may take as long as it needs. */

#include "kinds/kinds.h"
#include "kinds/program.h"

static void oneshot_common_defaults(CommonConfig *common)
{
    common->start_timeout_usec = USEC_INFINITY;
}

static void *oneshot_config_new(void)
{
    ProgramConfig *config = program_config_new();

    config->spec.rules.runs_once = true;
    return config;
}

Kind *kind_oneshot_new(ProcessHost *host)
{
    static const Kind table = {
            .name = "oneshot",
            .description = "A program that runs once",
            .schema = schema_oneshot,
            .completes = true,
            .members = program_oneshot_members,
            .config_new = oneshot_config_new,
            .config_free = program_config_free,
            .common_defaults = oneshot_common_defaults,
            .config_check = program_config_check,
            .validate = program_config_validate,
    };

    return program_kind_new(&table, host);
}
