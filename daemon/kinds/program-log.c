/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program has said, and what is known of its last run: for who asks why it failed. Core
 * keeps the description of a run for its report when that fails, which is made of what is at hand
 * then. */

#include "kinds/program-instance.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/service-log-files.h"

#define PROGRAM_LAST_LINES_BYTES ((size_t)64 * 1024)

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

static json_t *program_describe_usage(const Program *program)
{
    KindEntry entries[KIND_ENTRIES_MAX];
    Usage used;
    size_t n = 0;

    if (supervisor_known_usage(program->supervisor, &used))
        n = program_usage_entries(program, &used, entries);
    json_t *usage = n > 0 ? json_object() : NULL;
    for (size_t i = 0; i < n; i++) {
        bool is_text = entries[i].type == 's';

        json_object_set_new(usage, entries[i].name,
                            is_text ? json_string(entries[i].value.s)
                                    : json_integer((json_int_t)entries[i].value.t));
    }
    if (n > 0 && !supervisor_is_ready(program->supervisor))
        json_object_set_new(usage, "source", json_string("main"));
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

/* The log */

/* Only the text is kept of the configuration of what does not run. */
static OutputTarget program_log_target(const Service *service)
{
    ConfigText *text = service_state(service)->config;

    if (text == NULL)
        return OUTPUT_FILE;
    g_autoptr(Config) config = config_parse_again(service_kind(service), text);
    return ((const ProgramConfig *)config->own)->spec.output.target;
}

/* As when the target was another one before. */
static bool program_log_has_files(const ServiceLogs *logs, const char *id)
{
    autofd int current_fd = service_log_files_open(logs, id, 0);

    if (current_fd >= 0)
        return true;
    g_autoptr(GArray) numbers = service_log_files_list(logs, id);
    return numbers->len > 0;
}

/* What the error begins with is the caller's: who it is. */
static const struct {
    const char *text;
    bool ends_in_id;
} program_log_elsewhere[_OUTPUT_TARGET_MAX] = {
        [OUTPUT_JOURNAL] = {"goes to the journal (its log.target is \"journal\"): journalctl -t ",
                            true},
        [OUTPUT_INHERIT] = {"goes where the output of svcmgrd itself goes (its log.target is "
                            "\"inherit\"), and is not kept here",
                            false},
        [OUTPUT_NULL] = {"is thrown away (its log.target is \"null\"); with \"file\" it is kept",
                         false},
};

/* What is said now, or would be by the next run, before there is a line of it. */
static bool program_log_will_have_files(const ProcessHost *host, const Service *service,
                                        OutputTarget target)
{
    const Program *program = service_find_instance(service);
    const Output *output = program != NULL ? supervisor_output(program->supervisor) : NULL;

    if (output != NULL && output_is_kept(output))
        return true;
    return (output == NULL || target == OUTPUT_FILE) && output_would_be_kept(host, target);
}

static bool program_log_is_kept(const ProcessHost *host, const Service *service, GError **error)
{
    const ServiceLogs *logs = process_host_logs(host);
    const char *id = service_id(service);

    if (logs == NULL)
        return error_set(error, ERROR_NOT_SUPPORTED, "what services say is not kept here");
    OutputTarget target = program_log_target(service);
    if (program_log_will_have_files(host, service, target) || program_log_has_files(logs, id))
        return true;
    return error_set(error, ERROR_NOT_SUPPORTED, "what it says %s%s",
                     program_log_elsewhere[target].text,
                     program_log_elsewhere[target].ends_in_id ? id : "");
}

int program_open_log(const Kind *kind, const Service *service, const LogQuery *query,
                     GError **error)
{
    const ProcessHost *host = kind->data;

    if (!program_log_is_kept(host, service, error))
        return -1;
    return service_log_stream_open(process_host_log_streams(host), service_id(service), query,
                                   error);
}

static void on_program_last_line(const ServiceLogLine *line, void *data)
{
    g_autoptr(GString) text = g_string_new(NULL);

    service_log_line_format(line, LOG_FORMAT_JSON, text);
    json_array_append_new(data, json_loads(text->str, 0, NULL));
}

json_t *program_last_lines(const Kind *kind, const Service *service, const char *invocation,
                           unsigned n)
{
    const ServiceLogs *logs = process_host_logs(kind->data);

    if (!program_log_is_kept(kind->data, service, NULL))
        return NULL;
    json_t *lines = json_array();
    service_log_read_last(logs, service_id(service), invocation, n, PROGRAM_LAST_LINES_BYTES,
                          on_program_last_line, lines);
    return lines;
}
