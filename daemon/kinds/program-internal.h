/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Readers of the members of a program (JsonRead), each into the field of the same name. */

#include "kinds/program.h"

/* char **: a program and its arguments. */
void program_read_exec(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                       const void *unused);
void program_read_environment(JsonContext *context, const JsonPath *path, const json_t *value,
                              void *field, const void *unused);
void program_read_account(JsonContext *context, const JsonPath *path, const json_t *value,
                          void *field, const void *unused);
void program_read_accounts(JsonContext *context, const JsonPath *path, const json_t *value,
                           void *field, const void *unused);
void program_read_umask(JsonContext *context, const JsonPath *path, const json_t *value,
                        void *field, const void *unused);
/* int */
void program_read_signal(JsonContext *context, const JsonPath *path, const json_t *value,
                         void *field, const void *unused);
void program_read_reload_signal(JsonContext *context, const JsonPath *path, const json_t *value,
                                void *field, const void *unused);
/* int in a ProgramIntRange. */
typedef struct ProgramIntRange {
    int min;
    int max;
} ProgramIntRange;
void program_read_int(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                      const void *range);

/* GArray * of SpawnLimit, from an object. */
void program_read_limits(JsonContext *context, const JsonPath *path, const json_t *value,
                         void *field, const void *unused);
/* The whole SpawnSpec, of which it sets what is said of capabilities. */
void program_read_capabilities(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *unused);
/* SpawnPrivileges, from a bool. */
void program_read_privileges(JsonContext *context, const JsonPath *path, const json_t *value,
                             void *field, const void *unused);
/* CgroupLimits; for json_read_members. */
extern const JsonMember program_cgroup_members[];
/* OutputSpec, likewise. */
extern const JsonMember program_log_members[];
