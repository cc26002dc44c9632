/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs until it is stopped. */

#include "kinds/kinds.h"
#include "kinds/program.h"

Kind *kind_process_new(ProcessHost *host)
{
    static const Kind table = {
            .name = "process",
            .description = "A program that runs until it is stopped",
            .schema = schema_process,
            .members = program_process_members,
            .config_new = program_config_new,
            .config_free = program_config_free,
            .config_check = program_config_check,
            .validate = program_config_validate,
    };

    return program_kind_new(&table, host);
}
