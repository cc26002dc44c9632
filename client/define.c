/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that define services: create, configure, config, delete, validate. */

#include "base/errors.h"
#include "base/fds.h"
#include "base/json.h"
#include "call.h"
#include "command.h"
#include "each.h"
#include "operate.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    gboolean start;
    char **labels;
    char *description;
    gboolean allow_missing;
} define_options;

static const GOptionEntry define_create_options[] = {
        {"start", 0, 0, G_OPTION_ARG_NONE, &define_options.start, "Start it too", NULL},
        {"label", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &define_options.labels,
         "Label it; may be repeated", "NAME=VALUE"},
        {"description", 'd', 0, G_OPTION_ARG_STRING, &define_options.description,
         "What it is, for people", "TEXT"},
        {NULL},
};

static const GOptionEntry define_delete_options[] = {
        {"allow-missing", 0, 0, G_OPTION_ARG_NONE, &define_options.allow_missing,
         "One that is not there is no error", NULL},
        {NULL},
};

/* Whole standard input, but not more than a configuration may have. */
static bool define_read_stdin(char **ret_text, GError **error)
{
    GString *text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0 && text->len <= JSON_MAX_BYTES)
        g_string_append_len(text, buffer, n);
    if (n < 0)
        (void)error_set_errno(error, errno, "standard input");
    else if (text->len > JSON_MAX_BYTES)
        (void)error_set(error, ERROR_LIMIT_EXCEEDED, "standard input: more than %d bytes",
                        JSON_MAX_BYTES);
    else {
        *ret_text = g_string_free(text, FALSE);
        return true;
    }
    g_string_free(text, TRUE);
    return false;
}

/* file: a path, or "-". What no message can carry is refused here; everything else is the daemon's
 * to judge. */
static Outcome define_read(const char *file, char **ret_text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    size_t length = 0;
    bool is_stdin = g_str_equal(file, "-");
    bool ok = is_stdin ? define_read_stdin(&text, &error)
                       : file_read(AT_FDCWD, file, JSON_MAX_BYTES, &text, &length, &error);

    if (!ok)
        return client_fail(OUTCOME_FAILED, "cannot read the configuration: %s", error->message);
    if (!is_stdin && strlen(text) != length)
        return client_fail(OUTCOME_FAILED, "cannot read the configuration: %s: holds a NUL byte",
                           file);
    if (!g_utf8_validate(text, -1, NULL))
        return client_fail(OUTCOME_FAILED, "cannot read the configuration: %s: is not UTF-8",
                           is_stdin ? "standard input" : file);
    *ret_text = g_steal_pointer(&text);
    return OUTCOME_DONE;
}

static Outcome define_append_labels(sd_bus_message *call, char **labels)
{
    (void)sd_bus_message_open_container(call, 'e', "sv"); /* cannot fail on a new message */
    (void)sd_bus_message_append(call, "s", "labels");
    (void)sd_bus_message_open_container(call, 'v', "a{ss}");
    (void)sd_bus_message_open_container(call, 'a', "{ss}");
    for (; *labels != NULL; labels++) {
        const char *equals = strchr(*labels, '=');

        if (equals == NULL || equals == *labels)
            return client_fail(OUTCOME_USAGE, "create: --label must be NAME=VALUE, not '%s'",
                               *labels);
        g_autofree char *name = g_strndup(*labels, (size_t)(equals - *labels));
        (void)sd_bus_message_append(call, "{ss}", name, equals + 1);
    }
    (void)sd_bus_message_close_container(call);
    (void)sd_bus_message_close_container(call);
    (void)sd_bus_message_close_container(call);
    return OUTCOME_DONE;
}

static Outcome define_append_create(sd_bus_message *call, char **arguments, const char *config)
{
    Outcome outcome = OUTCOME_DONE;

    (void)sd_bus_message_append(call, "sss", arguments[0], arguments[1], config);
    (void)sd_bus_message_open_container(call, 'a', "{sv}"); /* cannot fail on a new message */
    if (define_options.start)
        call_append_option(call, "start", "b", 1);
    if (define_options.description != NULL)
        call_append_option(call, "description", "s", define_options.description);
    if (define_options.labels != NULL)
        outcome = define_append_labels(call, define_options.labels);
    (void)sd_bus_message_close_container(call);
    return outcome;
}

static Outcome define_created(Client *client, const char *path)
{
    static const Operation start = {.verb = "start", .until = "settled", .goals = {"active"}};
    g_autofree char *id = call_service_id(path);

    if (id == NULL)
        return client_fail(OUTCOME_FAILED, "created a service, but not at '%s'", path);
    if (define_options.start && !client->options.no_wait)
        return operate_follow(client, &start, id, 0, "created");
    output_say(&client->output, "%s: created", id);
    if (client->output.json != JSON_MODE_NONE)
        output_json_element(&client->output, json_pack("{s:s}", "Id", id));
    output_json_finish(&client->output);
    return OUTCOME_DONE;
}

static Outcome define_create(Client *client, char **arguments)
{
    CallSubject subject = {.verb = "create", .id = arguments[0]};
    g_autofree char *config = NULL;
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    Outcome outcome = arguments[2] != NULL ? define_read(arguments[2], &config) : OUTCOME_DONE;

    if (outcome == OUTCOME_DONE)
        outcome = call_manager_new(client, "CreateService", &call);
    if (outcome != OUTCOME_DONE)
        return outcome;
    outcome = define_append_create(call, arguments, config != NULL ? config : "");
    if (outcome == OUTCOME_DONE)
        outcome = call_send(client, &subject, call, &reply);
    sd_bus_message_unref(call);
    if (outcome == OUTCOME_DONE && sd_bus_message_read(reply, "o", &path) < 0)
        outcome = client_fail(OUTCOME_FAILED, "created '%s', but the answer is no object",
                              arguments[0]);
    if (outcome == OUTCOME_DONE)
        outcome = define_created(client, path);
    sd_bus_message_unref(reply);
    return outcome;
}

static Outcome define_configured(Client *client, const char *id, sd_bus_message *reply)
{
    static const Operation configure = {
            .verb = "bring the configuration into force for",
            .until = "settled",
            .goals = {"active", "inactive"},
    };
    g_autoptr(json_t) result = NULL;
    const char *state;
    uint64_t serial;

    if (sd_bus_message_read(reply, "st", &state, &serial) < 0 || value_read(reply, &result) < 0)
        return client_fail(OUTCOME_FAILED, "configured '%s', but cannot read the answer", id);
    const char *applied = value_string(result, "applied");
    g_autofree char *remark = g_strdup_printf("revision %" G_GUINT64_FORMAT " %s",
                                              value_unsigned(result, "revision"), applied);
    if (!client->options.no_wait && !g_str_equal(applied, "stored"))
        return operate_follow(client, &configure, id, serial > 0 ? serial - 1 : 0, remark);
    output_say(&client->output, "%s: %s, %s", id, remark, state);
    if (client->output.json != JSON_MODE_NONE)
        output_json_element(&client->output, json_pack("{s:s, s:s, s:I}", "Id", id, "State", state,
                                                       "StateSerial", (json_int_t)serial));
    output_json_finish(&client->output);
    return OUTCOME_DONE;
}

/* Calls a method of one service and waits; text: its argument, or NULL. */
static Outcome define_call(Client *client, const char *verb, const char *id, const char *member,
                           const char *text, sd_bus_message **ret_reply)
{
    CallSubject subject = {.verb = verb, .id = id};
    g_autofree char *path = call_service_path(id);
    sd_bus_message *call = NULL;
    Outcome outcome = call_connect(client);

    if (outcome != OUTCOME_DONE)
        return outcome;
    int r = sd_bus_message_new_method_call(client->bus, &call, DAEMON_NAME, path, SERVICE_INTERFACE,
                                           member);
    if (r >= 0 && text != NULL)
        r = sd_bus_message_append(call, "s", text);
    outcome = r < 0 ? client_fail(OUTCOME_FAILED, "cannot %s '%s': %s", verb, id, g_strerror(-r))
                    : call_send(client, &subject, call, ret_reply);
    sd_bus_message_unref(call);
    return outcome;
}

static Outcome define_configure(Client *client, char **arguments)
{
    const char *file = arguments[1] != NULL ? arguments[1] : "-";
    g_autofree char *config = NULL;
    sd_bus_message *reply = NULL;

    if (arguments[1] == NULL && isatty(STDIN_FILENO) == 1)
        return client_fail(OUTCOME_USAGE, "configure: name a FILE, or - to type it in");
    Outcome outcome = define_read(file, &config);
    if (outcome == OUTCOME_DONE)
        outcome = define_call(client, "configure", arguments[0], "Configure", config, &reply);
    if (outcome == OUTCOME_DONE)
        outcome = define_configured(client, arguments[0], reply);
    sd_bus_message_unref(reply);
    return outcome;
}

static void define_print_config(const Output *output, const char *id, const char *config,
                                uint64_t revision)
{
    if (output->json != JSON_MODE_NONE) {
        output_json(output, json_pack("{s:s, s:s, s:I}", "Id", id, "Config", config,
                                      "ConfigRevision", (json_int_t)revision));
        return;
    }
    if (revision == 0) {
        output_note("'%s' has no configuration yet", id);
        return;
    }
    /* In a pipe it must be what it was, byte by byte. */
    g_autofree char *text = output->is_terminal ? text_escape_lines(config) : g_strdup(config);
    fputs(text, stdout);
    if (output->is_terminal && !g_str_has_suffix(text, "\n"))
        putchar('\n');
}

static Outcome define_config(Client *client, char **arguments)
{
    sd_bus_message *reply = NULL;
    const char *config;
    uint64_t revision;
    Outcome outcome = define_call(client, "show the configuration of", arguments[0], "GetConfig",
                                  NULL, &reply);

    if (outcome == OUTCOME_DONE && sd_bus_message_read(reply, "st", &config, &revision) < 0)
        outcome =
                client_fail(OUTCOME_FAILED, "cannot read the configuration of '%s'", arguments[0]);
    if (outcome == OUTCOME_DONE)
        define_print_config(&client->output, arguments[0], config, revision);
    sd_bus_message_unref(reply);
    return outcome;
}

static Outcome define_send_delete(Client *client, const char *id, sd_bus_message_handler_t on_reply,
                                  void *reply_data, const void *argument)
{
    /* Answered when it is gone, which may take as long as its stop does. */
    CallTarget target = {.id = id,
                         .path = MANAGER_PATH,
                         .interface = MANAGER_INTERFACE,
                         .member = "DeleteService",
                         .timeout_usec = client->timeout_usec};

    if (!define_options.allow_missing)
        return call_async(client, &target, on_reply, reply_data, "sa{sv}", id, 0);
    return call_async(client, &target, on_reply, reply_data, "sa{sv}", id, 1, "allow_missing", "b",
                      1);
}

static Outcome define_delete(Client *client, char **arguments)
{
    Each each = {.verb = "delete",
                 .done = define_options.allow_missing ? "gone" : "deleted",
                 .send = define_send_delete};

    return each_run(client, &each, arguments);
}

/* FILE:LINE:COLUMN: where that is known, else FILE: with the pointer. */
static void define_print_problem(const Output *output, const char *file, const json_t *problem)
{
    const char *pointer = value_string(problem, "pointer");
    const char *severity = value_string(problem, "severity");
    bool is_error = g_str_equal(severity, "error");
    Colour colour = is_error ? COLOUR_RED : COLOUR_YELLOW;
    uint64_t line = value_unsigned(problem, "line");
    g_autofree char *place =
            line > 0 ? g_strdup_printf("%s:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, file, line,
                                       value_unsigned(problem, "column"))
                     : g_strdup(file);
    g_autofree char *where = text_escape(place);
    g_autofree char *member = text_escape(pointer);
    g_autofree char *message = text_escape(value_string(problem, "message"));
    g_autofree char *kind = text_escape(severity);

    printf("%s: %s%s%s: %s%s%s\n", where, output_colour(output, colour), kind,
           output_reset(output, colour), member, member[0] != '\0' ? ": " : "", message);
}

static Outcome define_judge(Client *client, const char *file, json_t *problems)
{
    const char *name = g_str_equal(file, "-") ? "standard input" : file;
    unsigned n_errors = 0;
    size_t index;
    json_t *problem;

    json_array_foreach(problems, index, problem)
    {
        n_errors += g_str_equal(value_string(problem, "severity"), "error");
        if (client->output.json != JSON_MODE_NONE)
            output_json_element(&client->output, json_incref(problem));
        else
            define_print_problem(&client->output, name, problem);
    }
    output_json_finish(&client->output);
    if (n_errors > 0)
        return OUTCOME_FAILED;
    output_say(&client->output, "%s: valid", name);
    return OUTCOME_DONE;
}

static Outcome define_validate(Client *client, char **arguments)
{
    g_autofree char *config = NULL;
    g_autoptr(json_t) problems = NULL;
    sd_bus_message *reply = NULL;
    Outcome outcome = define_read(arguments[1], &config);

    if (outcome == OUTCOME_DONE)
        outcome = call_manager(client, "validate", "ValidateConfig", &reply, "ss", arguments[0],
                               config);
    if (outcome == OUTCOME_DONE && value_read(reply, &problems) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot validate: the answer is no list");
    if (outcome == OUTCOME_DONE)
        outcome = define_judge(client, arguments[1], problems);
    sd_bus_message_unref(reply);
    return outcome;
}

const Command define_commands[] = {
        {"create", "ID KIND [FILE|-]", "Create a service",
         "FILE holds its configuration (JSON); without one it has none yet. An empty ID ('') lets "
         "the daemon choose.",
         "svcmgr create web process web.json --start --label team=shop", 2, 3,
         define_create_options, define_create},
        {"configure", "ID [FILE|-]", "Give a service a configuration",
         "Without FILE it is read from standard input. A service that runs takes it over at once.",
         "svcmgr configure web web.json", 1, 2, NULL, define_configure},
        {"config", "ID", "Show the configuration of a service", NULL, "svcmgr config web >web.json",
         1, 1, NULL, define_config},
        {"delete", "ID|PATTERN...", "Stop services and remove them", NULL,
         "svcmgr delete --allow-missing web", 1, COMMAND_ANY, define_delete_options, define_delete},
        {"validate", "KIND FILE|-", "Check a configuration without using it",
         "Every mistake is a line: FILE:LINE:COLUMN: error: MESSAGE. Exit status 1 if there are "
         "errors.",
         "svcmgr validate process web.json", 2, 2, NULL, define_validate},
        {NULL},
};
