/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program has said, and what is known of its last run: for who asks why it failed. Core
 * keeps the description of a run for its report, so that is made of what is at hand, and reads
 * nothing. */

#include "kinds/program-instance.h"

#include "base/errors.h"
#include "process/service-log-stream.h"

/* Of the run that is described */

static void program_describe_exit(json_t *run, const ExitStatus *exit)
{
    if (!exit->known)
        return;
    if (exit->signaled)
        json_object_set_new(run, "exit_signal", json_string(ending_signal_name(exit->value)));
    else
        json_object_set_new(run, "exit_code", json_integer(exit->value));
    json_object_set_new(run, "core_dumped", json_boolean(exit->core_dumped));
}

/* Of what is left when the main process has gone, a cgroup alone knows without a search. */
static json_t *program_describe_usage(const Program *program)
{
    const SupervisorFacts *facts = supervisor_facts(program->supervisor);
    KindEntry entries[KIND_ENTRIES_MAX];
    size_t n = 0;

    if (facts->main_pid != 0 || *facts->control_group != '\0')
        n = program_properties[PROGRAM_USAGE].get_entries(program, entries);
    json_t *usage = n > 0 ? json_object() : NULL;
    for (size_t i = 0; i < n; i++) {
        bool is_text = entries[i].type == 's';

        json_object_set_new(usage, entries[i].name,
                            is_text ? json_string(entries[i].value.s)
                                    : json_integer((json_int_t)entries[i].value.t));
    }
    return usage;
}

json_t *program_describe_run(const Kind *kind, const Service *service)
{
    const Program *program = service_find_instance(service);

    if (program == NULL || !program->run.is_known)
        return NULL;

    const SupervisorFacts *facts = supervisor_facts(program->supervisor);
    json_t *usage = program_describe_usage(program);
    json_t *run = json_object();
    json_object_set_new(run, "invocation_id", json_string(facts->invocation_id));
    if (program->run.main_pid != 0)
        json_object_set_new(run, "main_pid", json_integer(program->run.main_pid));
    if (program->run.has_ended)
        program_describe_exit(run, &facts->last_exit);
    if (*facts->control_group != '\0')
        json_object_set_new(run, "control_group", json_string(facts->control_group));
    if (usage != NULL)
        json_object_set_new(run, "usage", usage);
    return run;
}
