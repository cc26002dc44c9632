/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that define services: create, configure, delete, validate; config is in config.c. */

#include "call.h"
#include "command.h"
#include "config.h"
#include "each.h"
#include "export.h"
#include "import.h"
#include "input.h"
#include "operate.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    gboolean start;
    gboolean enable;
    gboolean no_persist;
    char **labels;
    char *description;
    gboolean allow_missing;
} define_options;

static const GOptionEntry define_create_options[] = {
        {"start", 0, 0, G_OPTION_ARG_NONE, &define_options.start, "Start it too", NULL},
        {"enable", 0, 0, G_OPTION_ARG_NONE, &define_options.enable, "Start it when svcmgrd starts",
         NULL},
        {"no-persist", 0, 0, G_OPTION_ARG_NONE, &define_options.no_persist,
         "Keep nothing of it: it ends with svcmgrd", NULL},
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
    if (define_options.enable)
        call_append_option(call, "enabled", "b", 1);
    if (define_options.no_persist)
        call_append_option(call, "persist", "b", 0);
    if (define_options.description != NULL)
        call_append_option(call, "description", "s", define_options.description);
    if (define_options.labels != NULL)
        outcome = define_append_labels(call, define_options.labels);
    (void)sd_bus_message_close_container(call);
    return outcome;
}

static Outcome define_created(Client *client, const char *path)
{
    static const Operation start = {
            .verb = "start", .until = "settled", .goals = {"active"}, .shows_output = true};
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
    Outcome outcome = OUTCOME_DONE;

    if (define_options.enable && define_options.no_persist)
        return client_fail(OUTCOME_USAGE, "create: only one of --enable and --no-persist: what is "
                                          "not kept cannot start with svcmgrd");
    if (arguments[2] != NULL)
        outcome = input_read("configuration", arguments[2], &config);
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

/* One that this client does not know is told as it is. */
static const char *define_applied_words(const char *applied)
{
    static const char *const words[][2] = {
            {"stored", "stored"},
            {"reloaded", "taken over without a restart"},
            {"restarted", "restarted"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_str_equal(words[i][0], applied))
            return words[i][1];
    }
    return applied;
}

static Outcome define_configured(Client *client, const char *id, sd_bus_message *reply)
{
    static const Operation configure = {
            .verb = "bring the configuration into force for",
            .until = "settled",
            .goals = {"active", "inactive"},
            .shows_output = true,
    };
    g_autoptr(json_t) result = NULL;
    const char *state;
    uint64_t serial;

    if (sd_bus_message_read(reply, "st", &state, &serial) < 0 || value_read(reply, &result) < 0)
        return client_fail(OUTCOME_FAILED, "configured '%s', but cannot read the answer", id);
    const char *applied = value_string(result, "applied");
    g_autofree char *remark =
            g_strdup_printf("configured (revision %" G_GUINT64_FORMAT "), %s",
                            value_unsigned(result, "revision"), define_applied_words(applied));
    if (!client->options.no_wait && !g_str_equal(applied, "stored"))
        return operate_follow(client, &configure, id, serial > 0 ? serial - 1 : 0, remark);
    output_say(&client->output, "%s: %s, %s", id, remark, state);
    if (client->output.json != JSON_MODE_NONE)
        output_json_element(&client->output, json_pack("{s:s, s:s, s:I}", "Id", id, "State", state,
                                                       "StateSerial", (json_int_t)serial));
    output_json_finish(&client->output);
    return OUTCOME_DONE;
}

static Outcome define_configure(Client *client, char **arguments)
{
    CallSubject subject = {.verb = "configure", .id = arguments[0]};
    const char *file = arguments[1] != NULL ? arguments[1] : "-";
    g_autofree char *config = NULL;
    sd_bus_message *reply = NULL;

    if (arguments[1] == NULL && isatty(STDIN_FILENO) == 1)
        return client_fail(OUTCOME_USAGE, "configure: name a FILE, or - to type it in");
    Outcome outcome = input_read("configuration", file, &config);
    if (outcome == OUTCOME_DONE)
        outcome = call_service(client, &subject, "Configure", &reply, "s", config);
    if (outcome == OUTCOME_DONE)
        outcome = define_configured(client, arguments[0], reply);
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
                 .send = define_send_delete,
                 .again_error = "org.svcmgr1.Error.HasDependents"};

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
    Outcome outcome = input_read("configuration", arguments[1], &config);

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
         "the daemon choose. It is kept on disk and there again when svcmgrd starts anew, except "
         "with\n"
         "--no-persist.",
         "svcmgr create web process web.json --start --label team=shop", 2, 3,
         define_create_options, define_create},
        {"configure", "ID [FILE|-]", "Give a service a configuration",
         "Without FILE it is read from standard input. A service that runs takes it over at once, "
         "without a\nrestart where only that changes which needs none.",
         "svcmgr configure web web.json", 1, 2, NULL, define_configure},
        {"config", "ID", "Show the configuration of a service",
         "Earlier ones are kept too: --list shows which, --revision shows one.",
         "svcmgr config web --revision 3 >web.json", 1, 1, config_option_entries, config_run},
        {"delete", "ID|PATTERN...", "Stop services and remove them",
         "What others require, or have as a member, is deleted only with those.",
         "svcmgr delete --allow-missing web", 1, COMMAND_ANY, define_delete_options, define_delete},
        {"export", "ID|PATTERN...", "Show services as definition files",
         "What the folders of definitions take: kind, enabled, description, labels, configuration.",
         "svcmgr export 'web-*' --output /etc/svcmgr/services", 1, COMMAND_ANY,
         export_option_entries, export_run},
        {"import", "FILE|DIR...", "Create services from definition files",
         "ID.json makes the service ID, which the daemon keeps like any other that was created. "
         "One "
         "that\nis there already stays as it is, and is an error. Of a folder: every ID.json in "
         "it.",
         "svcmgr import web.json /srv/services", 1, COMMAND_ANY, NULL, import_run},
        {"validate", "KIND FILE|-", "Check a configuration without using it",
         "Every mistake is a line: FILE:LINE:COLUMN: error: MESSAGE. Exit status 1 if there are "
         "errors.",
         "svcmgr validate process web.json", 2, 2, NULL, define_validate},
        {NULL},
};
