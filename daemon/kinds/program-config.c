/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the members of a program. Every check that one member allows is in its reader, so that
 * all mistakes of a document are told at once; what depends on the machine as it is now (does the
 * program exist?) is only a warning of validate, for it may be there when it is started. */

#include "base/parse.h"
#include "kinds/program.h"
#include "process/environment.h"

#include <signal.h>
#include <string.h>

#define PROGRAM_MAX_STRINGS 4096
#define PROGRAM_UMASK_MAX 0777

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
        .expected = "\"spawned\" or \"notify\"",
};
static const JsonEnum stop_mode_enum = {
        .from_string = program_stop_mode_from_string,
        .expected = "\"all\" or \"main\"",
};
static const JsonRange argv_range = {
        .min = 1,
        .max = PROGRAM_MAX_STRINGS,
        .expected = "the program and its arguments",
};

static void program_read_exec(JsonContext *context, const JsonPath *path, const json_t *value,
                              void *field, const void *unused)
{
    const json_t *program = json_array_get(value, 0);
    JsonPath place = {.parent = path, .index = 0};

    json_read_strv(context, path, value, field, &argv_range);
    if (!json_is_string(program))
        return; /* told already */
    if (json_string_length(program) == 0 ||
        (json_string_value(program)[0] != '/' && strchr(json_string_value(program), '/') != NULL))
        json_problem_expected(context, &place, "an absolute path or the name of a program in PATH",
                              program);
}

/* The walk does not change the object, but jansson's iteration takes it as if it did. */
static void program_read_environment(JsonContext *context, const JsonPath *path,
                                     const json_t *value, void *field, const void *unused)
{
    const char *name;
    json_t *item;

    json_read_environment(context, path, value, field, NULL);
    json_object_foreach((json_t *)value, name, item)
    {
        JsonPath place = {.parent = path, .member = name};

        if (environment_name_is_reserved(name))
            json_problem(context, &place, "is set by the daemon itself");
    }
}

/* The text of a name or of a number of an account; NULL if it is neither. -1 is no account. */
static char *program_account(const json_t *value)
{
    if (json_is_string(value) && json_string_length(value) > 0)
        return g_strdup(json_string_value(value));
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) < UINT32_MAX)
        return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return NULL;
}

static void program_read_account(JsonContext *context, const JsonPath *path, const json_t *value,
                                 void *field, const void *unused)
{
    char *account = program_account(value);

    if (account == NULL) {
        json_problem_expected(context, path, "a name or a number", value);
        return;
    }
    g_free(*(char **)field);
    *(char **)field = account;
}

static void program_read_accounts(JsonContext *context, const JsonPath *path, const json_t *value,
                                  void *field, const void *unused)
{
    if (!json_is_array(value) || json_array_size(value) > PROGRAM_MAX_STRINGS) {
        json_problem_expected(context, path, "an array of names or numbers", value);
        return;
    }

    char **accounts = g_new0(char *, json_array_size(value) + 1);
    for (size_t i = 0, n = 0; i < json_array_size(value); i++) {
        JsonPath place = {.parent = path, .index = i};

        accounts[n] = program_account(json_array_get(value, i));
        if (accounts[n] == NULL)
            json_problem_expected(context, &place, "a name or a number", json_array_get(value, i));
        else
            n++;
    }
    g_strfreev(*(char ***)field);
    *(char ***)field = accounts;
}

static void program_read_umask(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *unused)
{
    if (!json_is_string(value) ||
        !parse_mode(json_string_value(value), PROGRAM_UMASK_MAX, field, NULL))
        json_problem_expected(context, path, "an octal string such as \"0022\"", value);
}

static void program_read_signal(JsonContext *context, const JsonPath *path, const json_t *value,
                                void *field, const void *unused)
{
    int signo;

    /* No numbers: they differ between machines. */
    if (json_is_string(value) && !g_ascii_isdigit(json_string_value(value)[0]) &&
        parse_signal(json_string_value(value), &signo, NULL))
        *(int *)field = signo;
    else
        json_problem_expected(context, path, "the name of a signal such as \"SIGTERM\"", value);
}

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
    return config;
}

void program_config_free(void *own)
{
    ProgramConfig *config = own;

    supervisor_spec_clear(&config->spec);
    g_free(config);
}

/* The supervisor knows nothing of a Config. */
void program_config_check(JsonContext *context, Config *config)
{
    EndingRules *rules = &((ProgramConfig *)config->own)->spec.rules;

    rules->start_timeout_usec = config->common.start_timeout_usec;
    rules->stop_timeout_usec = config->common.stop_timeout_usec;
}

static void on_program_doubt(const char *member, const char *message, void *data)
{
    g_autofree char *pointer = g_strconcat("/", member, NULL);

    problems_add(data, PROBLEM_WARNING, pointer, 0, 0, "%s", message);
}

void program_config_validate(const Config *config, Problems *problems)
{
    const ProgramConfig *own = config->own;

    spawn_check(&own->spec.spawn, on_program_doubt, problems);
}
