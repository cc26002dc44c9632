/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of single members: what is run, as whom, and how it is told to end. Every check that one
 * member allows is in its reader, so that all mistakes of a document are told at once. */

#include "base/parse.h"
#include "kinds/program-internal.h"
#include "process/environment.h"

#include <signal.h>
#include <string.h>

#define PROGRAM_MAX_STRINGS 4096
#define PROGRAM_UMASK_MAX 0777

static const JsonRange argv_range = {
        .min = 1,
        .max = PROGRAM_MAX_STRINGS,
        .expected = "the program and its arguments",
};

void program_read_exec(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                       const void *unused)
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
void program_read_environment(JsonContext *context, const JsonPath *path, const json_t *value,
                              void *field, const void *unused)
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

void program_read_account(JsonContext *context, const JsonPath *path, const json_t *value,
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

void program_read_accounts(JsonContext *context, const JsonPath *path, const json_t *value,
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

void program_read_umask(JsonContext *context, const JsonPath *path, const json_t *value,
                        void *field, const void *unused)
{
    if (!json_is_string(value) ||
        !parse_mode(json_string_value(value), PROGRAM_UMASK_MAX, field, NULL))
        json_problem_expected(context, path, "an octal string such as \"0022\"", value);
}

void program_read_signal(JsonContext *context, const JsonPath *path, const json_t *value,
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

/* Of what the program is to hear, and to survive. */
void program_read_reload_signal(JsonContext *context, const JsonPath *path, const json_t *value,
                                void *field, const void *unused)
{
    int signo = 0;

    program_read_signal(context, path, value, &signo, NULL);
    if (signo == SIGKILL || signo == SIGSTOP)
        json_problem_expected(context, path, "a signal that a program can handle", value);
    else if (signo != 0)
        *(int *)field = signo;
}

void program_read_int(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                      const void *range)
{
    const ProgramIntRange *limits = range;

    if (json_is_integer(value) && json_integer_value(value) >= limits->min &&
        json_integer_value(value) <= limits->max) {
        *(int *)field = (int)json_integer_value(value);
        return;
    }
    g_autofree char *expected = g_strdup_printf("a number from %d to %d", limits->min, limits->max);
    json_problem_expected(context, path, expected, value);
}
