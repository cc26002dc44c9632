/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What process and oneshot have in common: both are a program under a supervisor. */

#include "core/kind.h"
#include "process/supervisor.h"

typedef struct ProgramConfig {
    SupervisorSpec spec;
    bool remain_after_exit; /* of a oneshot */
} ProgramConfig;

/* Members of a definition; each ends with a NULL name. */
extern const JsonMember program_process_members[];
extern const JsonMember program_oneshot_members[];

void *program_config_new(void);
void program_config_free(void *own);
void program_config_check(JsonContext *context, Config *config);
void program_config_validate(const Config *config, Problems *problems);
/* Whether something differs that only a new start can bring into force; all else is taken over by
 * what runs. Both are of one kind. */
bool program_config_needs_restart(const Config *running, const Config *next);

/* A kind of its own from a table that says name, description, schema, members and configuration;
 * the callbacks that run programs are put in. */
Kind *program_kind_new(const Kind *table, ProcessHost *host);

/* schemas.S: the files of data/schemas. */
extern const char schema_process[];
extern const char schema_oneshot[];
