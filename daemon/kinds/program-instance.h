/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program of a service, as the files of this folder see it: how it is run (program.c), what can
 * be read of it, org.svcmgr1.Process (program-properties.c), and what it says (program-log.c). */

#include "core/service.h"
#include "kinds/program.h"

/* Of the last start; what else there is of it are the facts of the supervisor. */
typedef struct ProgramRun {
    bool is_known; /* there was a run */
    bool has_ended;
    pid_t main_pid; /* the last that it had; 0: none */
} ProgramRun;

typedef struct Program {
    Service *service;
    Supervisor *supervisor;
    ApplyContext *context; /* of the apply under way, or NULL */
    ApplyContext *reload;  /* of the reload under way, or NULL */
    Config *next;          /* of that apply, until the program before it is gone */
    Config *running;       /* of what the supervisor runs, or has run last */
    bool stop_is_asked;    /* core waits for service_stop_done */
    bool is_redoing;       /* what the supervisor runs is reload_exec, of a oneshot that remains */
    SupervisorSpec *redo;  /* for that, else NULL; borrows from running */
    unsigned n_restarts;
    ProgramRun run;
} Program;

/* Indices of program_properties, which ends with a NULL name. */
typedef enum ProgramProperty {
    PROGRAM_MAIN_PID,
    PROGRAM_EXIT_CODE,
    PROGRAM_EXIT_SIGNAL,
    PROGRAM_STATUS_TEXT,
    PROGRAM_STATUS_ERRNO,
    PROGRAM_N_RESTARTS,
    PROGRAM_INVOCATION_ID,
    PROGRAM_CONTROL_GROUP,
    PROGRAM_CORE_DUMPED,
    PROGRAM_USAGE,
    _PROGRAM_PROPERTY_MAX,
} ProgramProperty;

extern const KindProperty program_properties[];
/* The entries of Usage. Returns how many. */
size_t program_usage_entries(const Program *program, const Usage *usage,
                             KindEntry ret_entries[KIND_ENTRIES_MAX]);

/* Callbacks of the table (core/kind.h); program-log.c. */
json_t *program_describe_run(const Kind *kind, const Service *service);
int program_open_log(const Kind *kind, const Service *service, const LogQuery *query,
                     GError **error);
json_t *program_last_lines(const Kind *kind, const Service *service, const char *invocation,
                           unsigned n);

/* SupervisorEvents.on_facts: tells who reads the properties that these facts are in. */
void on_program_facts(unsigned facts, void *owner);
