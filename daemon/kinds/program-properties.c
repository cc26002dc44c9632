/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties are what the supervisor knows of the run, and of the one before until there is
 * another; a service that never ran has no instance yet, and shows what one has that never ran. */

#include "kinds/program-instance.h"

static const SupervisorFacts *program_facts(const void *instance)
{
    static const SupervisorFacts none = {
            .status_text = "", .invocation_id = "", .control_group = ""};

    return instance != NULL ? supervisor_facts(((const Program *)instance)->supervisor) : &none;
}

static void program_get_main_pid(const void *instance, KindValue *ret_value)
{
    ret_value->u = (uint32_t)program_facts(instance)->main_pid;
}

static void program_get_exit_code(const void *instance, KindValue *ret_value)
{
    const ExitStatus *exit = &program_facts(instance)->last_exit;

    ret_value->i = exit->known && !exit->signaled ? exit->value : -1;
}

static void program_get_exit_signal(const void *instance, KindValue *ret_value)
{
    const ExitStatus *exit = &program_facts(instance)->last_exit;

    ret_value->s = exit->known && exit->signaled ? ending_signal_name(exit->value) : "";
}

static void program_get_status_text(const void *instance, KindValue *ret_value)
{
    ret_value->s = program_facts(instance)->status_text;
}

static void program_get_status_errno(const void *instance, KindValue *ret_value)
{
    ret_value->i = program_facts(instance)->status_errno;
}

static void program_get_n_restarts(const void *instance, KindValue *ret_value)
{
    ret_value->u = instance != NULL ? ((const Program *)instance)->n_restarts : 0;
}

static void program_get_invocation_id(const void *instance, KindValue *ret_value)
{
    ret_value->s = program_facts(instance)->invocation_id;
}

static void program_get_control_group(const void *instance, KindValue *ret_value)
{
    ret_value->s = program_facts(instance)->control_group;
}

static void program_get_core_dumped(const void *instance, KindValue *ret_value)
{
    ret_value->b = program_facts(instance)->last_exit.core_dumped;
}

size_t program_usage_entries(const Program *program, const Usage *usage,
                             KindEntry ret_entries[KIND_ENTRIES_MAX])
{
    size_t n = 0;
    const struct {
        const char *name;
        bool is_known;
        uint64_t value;
    } rows[] = {
            {"cpu_usec", usage->has_cpu, usage->cpu_usec},
            {"memory_bytes", usage->has_memory, usage->memory_bytes},
            {"memory_peak_bytes", usage->has_memory_peak, usage->memory_peak_bytes},
            {"tasks", usage->has_tasks, usage->n_tasks},
            {"processes", usage->has_tasks, usage->n_processes},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].is_known)
            ret_entries[n++] = (KindEntry){rows[i].name, 't', {.t = rows[i].value}};
    }
    const char *source = *program_facts(program)->control_group != '\0' ? "cgroup" : "proc";
    ret_entries[n++] = (KindEntry){"source", 's', {.s = source}};
    return n;
}

/* Nothing of what runs no more. */
static size_t program_get_usage(const void *instance, KindEntry ret_entries[KIND_ENTRIES_MAX])
{
    const Program *program = instance;
    Usage usage;

    if (program == NULL || !supervisor_usage(program->supervisor, &usage))
        return 0;
    return program_usage_entries(program, &usage, ret_entries);
}

const KindProperty program_properties[] = {
        [PROGRAM_MAIN_PID] = {"MainPID", 'u', program_get_main_pid},
        [PROGRAM_EXIT_CODE] = {"ExitCode", 'i', program_get_exit_code},
        [PROGRAM_EXIT_SIGNAL] = {"ExitSignal", 's', program_get_exit_signal},
        [PROGRAM_STATUS_TEXT] = {"StatusText", 's', program_get_status_text},
        [PROGRAM_STATUS_ERRNO] = {"StatusErrno", 'i', program_get_status_errno},
        [PROGRAM_N_RESTARTS] = {"NRestarts", 'u', program_get_n_restarts},
        [PROGRAM_INVOCATION_ID] = {"InvocationId", 's', program_get_invocation_id, NULL},
        [PROGRAM_CONTROL_GROUP] = {"ControlGroup", 's', program_get_control_group, NULL},
        [PROGRAM_CORE_DUMPED] = {"CoreDumped", 'b', program_get_core_dumped, NULL},
        [PROGRAM_USAGE] = {"Usage", 'a', NULL, program_get_usage},
        [_PROGRAM_PROPERTY_MAX] = {NULL, 0, NULL, NULL},
};

typedef struct ProgramFact {
    unsigned fact;
    uint32_t mask;
} ProgramFact;

static const ProgramFact program_fact_masks[] = {
        {FACT_MAIN_PID, 1U << PROGRAM_MAIN_PID},
        {FACT_LAST_EXIT,
         1U << PROGRAM_EXIT_CODE | 1U << PROGRAM_EXIT_SIGNAL | 1U << PROGRAM_CORE_DUMPED},
        {FACT_STATUS_TEXT, 1U << PROGRAM_STATUS_TEXT},
        {FACT_STATUS_ERRNO, 1U << PROGRAM_STATUS_ERRNO},
        {FACT_INVOCATION_ID, 1U << PROGRAM_INVOCATION_ID},
        {FACT_CONTROL_GROUP, 1U << PROGRAM_CONTROL_GROUP},
};

static void program_note_run(Program *program, unsigned facts)
{
    pid_t main_pid = supervisor_facts(program->supervisor)->main_pid;

    if ((facts & FACT_INVOCATION_ID) != 0)
        program->run = (ProgramRun){.is_known = true};
    if ((facts & FACT_LAST_EXIT) != 0)
        program->run.has_ended = true;
    if (main_pid != 0)
        program->run.main_pid = main_pid;
}

void on_program_facts(unsigned facts, void *owner)
{
    Program *program = owner;
    uint32_t mask = 0;

    program_note_run(program, facts);
    for (size_t i = 0; i < G_N_ELEMENTS(program_fact_masks); i++) {
        if ((facts & program_fact_masks[i].fact) != 0)
            mask |= program_fact_masks[i].mask;
    }
    service_properties_changed(program->service, mask);
}
