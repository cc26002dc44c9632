/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of a program, in tables. What depends on the machine as it is now (does the program
 * exist?) is only a warning of validate, for it may be there when it is started. */

#include "kinds/program-internal.h"

#include <signal.h>

#define PROGRAM_READINESS_FD 3 /* unless another is asked for; and what is passed begins there */
#define PROGRAM_FD_STORE_MAX 64
#define PROGRAM_FD_STORE_NOT_GIVEN UINT64_MAX

static int program_readiness_from_string(const char *string)
{
    return readiness_from_string(string);
}

static int program_stop_mode_from_string(const char *string)
{
    return stop_mode_from_string(string);
}

static const JsonEnum readiness_enum = {
        .from_string = program_readiness_from_string,
        .expected = "\"spawned\", \"notify\" or \"fd\"",
};
static const JsonEnum stop_mode_enum = {
        .from_string = program_stop_mode_from_string,
        .expected = "\"all\" or \"main\"",
};
static const ProgramIntRange nice_range = {.min = -20, .max = 19};
static const ProgramIntRange oom_score_range = {.min = -1000, .max = 1000};
static const ProgramIntRange readiness_fd_range = {
        .min = PROGRAM_READINESS_FD,
        .max = 1023,
};
static const JsonRange fd_store_range = {.min = 0, .max = 1024};
static const JsonRange watchdog_range = {
        .min = 1,
        .max = UINT64_C(365) * 24 * 3600 * USEC_PER_SEC,
        .expected = "a duration such as \"30s\", more than 0 and at most a year",
};

#define PROGRAM_SPAWN(field) offsetof(ProgramConfig, spec.spawn.field)
#define PROGRAM_MEMBERS                                                                            \
    {"exec", program_read_exec, PROGRAM_SPAWN(exec), NULL, true},                                  \
            {"environment", program_read_environment, PROGRAM_SPAWN(environment), NULL, false},    \
            {"environment_file", json_read_path, PROGRAM_SPAWN(environment_file), NULL, false},    \
            {"working_directory", json_read_path, PROGRAM_SPAWN(working_directory), NULL, false},  \
            {"umask", program_read_umask, PROGRAM_SPAWN(umask), NULL, false},                      \
            {"user", program_read_account, PROGRAM_SPAWN(user), NULL, false},                      \
            {"group", program_read_account, PROGRAM_SPAWN(group), NULL, false},                    \
            {"supplementary_groups", program_read_accounts, PROGRAM_SPAWN(supplementary_groups),   \
             NULL, false},                                                                         \
            {"stop_signal", program_read_signal, offsetof(ProgramConfig, spec.rules.stop_signal),  \
             NULL, false},                                                                         \
            {"stop_mode", json_read_enum, offsetof(ProgramConfig, spec.stop_mode),                 \
             &stop_mode_enum, false},                                                              \
            {"nice", program_read_int, PROGRAM_SPAWN(nice), &nice_range, false},                   \
            {"oom_score_adjust", program_read_int, PROGRAM_SPAWN(oom_score_adjust),                \
             &oom_score_range, false},                                                             \
            {"limits", program_read_limits, PROGRAM_SPAWN(limits), NULL, false},                   \
            {"no_new_privileges", program_read_privileges, PROGRAM_SPAWN(privileges), NULL,        \
             false},                                                                               \
            {"capabilities", program_read_capabilities, offsetof(ProgramConfig, spec.spawn), NULL, \
             false},                                                                               \
            {"stop_exec", program_read_exec, offsetof(ProgramConfig, spec.stop_exec), NULL,        \
             false},                                                                               \
            {"reload_exec", program_read_exec, offsetof(ProgramConfig, spec.reload_exec), NULL,    \
             false},                                                                               \
            {"cgroup", json_read_members, offsetof(ProgramConfig, spec.limits),                    \
             program_cgroup_members, false},                                                       \
            {"log", json_read_members, offsetof(ProgramConfig, spec.output), program_log_members,  \
             false},                                                                               \
    {                                                                                              \
        "success_exit_status", config_read_exit_set, offsetof(ProgramConfig, spec.rules.success),  \
                NULL, false                                                                        \
    }
#define PROGRAM_NO_MEMBER                                                                          \
    {                                                                                              \
        NULL, NULL, 0, NULL, false                                                                 \
    }

const JsonMember program_process_members[] = {
        PROGRAM_MEMBERS,
        {"readiness", json_read_enum, offsetof(ProgramConfig, spec.readiness), &readiness_enum,
         false},
        {"readiness_fd", program_read_int, offsetof(ProgramConfig, spec.readiness_fd),
         &readiness_fd_range, false},
        {"reload_signal", program_read_reload_signal, offsetof(ProgramConfig, spec.reload_signal),
         NULL, false},
        {"watchdog", json_read_duration, offsetof(ProgramConfig, spec.watchdog_usec),
         &watchdog_range, false},
        {"fd_store_max", json_read_unsigned, offsetof(ProgramConfig, spec.fd_store_max),
         &fd_store_range, false},
        PROGRAM_NO_MEMBER,
};

const JsonMember program_oneshot_members[] = {
        PROGRAM_MEMBERS,
        {"remain_after_exit", json_read_bool, offsetof(ProgramConfig, remain_after_exit), NULL,
         false},
        PROGRAM_NO_MEMBER,
};

void *program_config_new(void)
{
    ProgramConfig *config = g_new0(ProgramConfig, 1);

    config->spec.spawn = (SpawnSpec){SPAWN_KEEP_ALL};
    config->spec.rules.stop_signal = SIGTERM;
    config->spec.output.rules =
            (ServiceLogRules){SERVICE_LOG_SIZE_DEFAULT, SERVICE_LOG_KEEP_DEFAULT};
    config->spec.fd_store_max = PROGRAM_FD_STORE_NOT_GIVEN;
    return config;
}

void program_config_free(void *own)
{
    ProgramConfig *config = own;

    supervisor_spec_clear(&config->spec);
    g_free(config);
}

/* Stored descriptors are passed from 3 on, below the one for readiness. */
static void program_check_descriptors(JsonContext *context, SupervisorSpec *spec)
{
    bool has_fd = spec->readiness == READINESS_FD;
    bool is_given = spec->fd_store_max != PROGRAM_FD_STORE_NOT_GIVEN;

    if (!has_fd && spec->readiness_fd != 0)
        json_problem(context, &(JsonPath){.member = "readiness_fd"},
                     "is only for readiness \"fd\"");
    if (has_fd && spec->readiness_fd == 0)
        spec->readiness_fd = PROGRAM_READINESS_FD;

    uint64_t room = has_fd ? (uint64_t)(spec->readiness_fd - PROGRAM_READINESS_FD) : UINT64_MAX;
    if (is_given && spec->fd_store_max > room)
        json_problem(context, &(JsonPath){.member = "fd_store_max"},
                     "expected at most %" G_GUINT64_FORMAT
                     ": stored descriptors come before readiness_fd, %d",
                     room, spec->readiness_fd);
    if (!is_given)
        spec->fd_store_max = spec->rules.runs_once ? 0 : MIN(room, PROGRAM_FD_STORE_MAX);
}

/* The supervisor knows nothing of a Config. */
void program_config_check(JsonContext *context, Config *config)
{
    SupervisorSpec *spec = &((ProgramConfig *)config->own)->spec;

    spec->rules.start_timeout_usec = config->common.start_timeout_usec;
    spec->rules.stop_timeout_usec = config->common.stop_timeout_usec;
    program_check_descriptors(context, spec);
    if (spec->reload_signal != 0 && spec->reload_exec != NULL)
        json_problem(context, &(JsonPath){.member = "reload_exec"},
                     "expected either this or reload_signal, got both");
}

static void on_program_doubt(const char *member, const char *message, void *data)
{
    g_autofree char *pointer = g_strconcat("/", member, NULL);

    problems_add(data, PROBLEM_WARNING, pointer, 0, 0, "%s", message);
}

static void on_program_limit_missing(const char *member, const char *reason, void *data)
{
    g_autofree char *place = g_strconcat("cgroup/", member, NULL);

    on_program_doubt(place, reason, data);
}

void program_config_validate(const Config *config, Problems *problems)
{
    const SupervisorSpec *spec = &((const ProgramConfig *)config->own)->spec;

    process_host_check_limits(config->kind->data, &spec->limits, on_program_limit_missing,
                              problems);

    spawn_check(&spec->spawn, on_program_doubt, problems);
    if (spec->stop_exec != NULL)
        spawn_check_command(&spec->spawn, "stop_exec", spec->stop_exec, on_program_doubt, problems);
    if (spec->reload_exec != NULL)
        spawn_check_command(&spec->spawn, "reload_exec", spec->reload_exec, on_program_doubt,
                            problems);
}
