/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that show: list, show, kinds, schema; status is in status.c. */

#include "call.h"
#include "command.h"
#include "process.h"
#include "record.h"
#include "select.h"
#include "status.h"
#include "table.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static struct {
    char **kinds;
    char **states;
    char **patterns;
} look_options;

static const GOptionEntry look_list_options[] = {
        {"kind", 'k', 0, G_OPTION_ARG_STRING_ARRAY, &look_options.kinds, "Only of this kind",
         "KIND"},
        {"state", 's', 0, G_OPTION_ARG_STRING_ARRAY, &look_options.states, "Only in this state",
         "STATE"},
        {"pattern", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &look_options.patterns,
         "Only ids that match", "PATTERN"},
        {NULL},
};

static const char *const look_list_fields[] = {
        "Id",
        "Kind",
        "Description",
        "State",
        "SubState",
        "Enabled",
        "Labels",
        "Error",
        "ErrorName",
        "FailureClass",
        "FailedAttempts",
        "MaxAttempts",
        "StateSerial",
        "LastActiveTime",
        "LastInactiveTime",
        "LastErrorTime",
        "LastTransition",
        "NextAttemptTime",
        "WaitingFor",
        "LastLoadingStartTime",
        "LastLoadingEndTime",
        NULL,
};

/* What a person wants to know besides: what is wrong, else what it waits for, else what it is. */
static char *look_list_remark(const Output *output, const json_t *service)
{
    const char *error = value_string(service, "Error");
    g_autofree char *attempts = record_attempts(service, output->now);
    char *waits = error[0] == '\0' ? record_waits(value_string(service, "State"),
                                                  value_string(service, "SubState"),
                                                  json_object_get(service, "WaitingFor"))
                                   : NULL;

    if (waits != NULL)
        return waits;
    if (error[0] == '\0')
        return g_strdup(value_string(service, "Description"));
    if (attempts == NULL)
        return g_strdup(error);
    return g_strdup_printf("%s: %s", attempts, error);
}

void look_list_print(const Output *output, const json_t *services)
{
    static const char *const headings[] = {"ID",    "KIND",        "STATE", "SUB",
                                           "SINCE", "DESCRIPTION", NULL};
    g_autoptr(Table) table = table_new(headings);
    size_t index;
    const json_t *service;

    json_array_foreach(services, index, service)
    {
        const char *state = value_string(service, "State");
        bool has_error = value_string(service, "Error")[0] != '\0';
        uint64_t since = record_since(service);
        g_autofree char *ago = since != 0 ? text_since(since, output->now) : g_strdup("-");
        g_autofree char *remark = look_list_remark(output, service);

        table_add(table, COLOUR_NONE, value_string(service, "Id"));
        table_add(table, COLOUR_NONE, value_string(service, "Kind"));
        table_add(table, output_state_colour(state), state);
        table_add(table, COLOUR_NONE, value_string(service, "SubState"));
        table_add(table, COLOUR_NONE, ago);
        table_add(table, has_error ? output_error_colour(state) : COLOUR_NONE, remark);
    }
    table_print(table, output);
}

static int look_compare_ids(const void *a, const void *b)
{
    return strcmp(value_string(*(json_t *const *)a, "Id"), value_string(*(json_t *const *)b, "Id"));
}

/* Several patterns are several questions; each service appears once, in the order of ids. */
static Outcome look_list_patterns(Client *client, Selection selection, char **patterns,
                                  json_t **ret_services)
{
    g_autoptr(json_t) by_id = json_object();
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    g_autoptr(json_t) services = json_array();
    const char *id;
    json_t *service;

    for (; *patterns != NULL; patterns++) {
        g_autoptr(json_t) found = NULL;
        size_t index;

        selection.pattern = *patterns;
        Outcome outcome = select_list(client, &selection, &found);
        if (outcome != OUTCOME_DONE)
            return outcome;
        json_array_foreach(found, index, service)(void)
                json_object_set(by_id, value_string(service, "Id"), service);
    }
    json_object_foreach(by_id, id, service) g_ptr_array_add(sorted, service);
    g_ptr_array_sort(sorted, look_compare_ids);
    for (unsigned i = 0; i < sorted->len; i++)
        (void)json_array_append(services, sorted->pdata[i]);
    *ret_services = g_steal_pointer(&services);
    return OUTCOME_DONE;
}

static void look_list_summary(const Output *output, const json_t *services)
{
    size_t n = json_array_size(services);

    if (!output->is_terminal || output->is_quiet)
        return;
    if (n == 0)
        puts("No services.");
    else
        printf("\n%zu service%s.\n", n, n == 1 ? "" : "s");
}

static Outcome look_list(Client *client, char **arguments)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(json_t) services = NULL;
    Selection selection = {
            .kinds = look_options.kinds, .states = look_options.states, .fields = look_list_fields};

    if (look_options.patterns != NULL)
        g_strv_builder_addv(builder, (const char **)look_options.patterns);
    g_strv_builder_addv(builder, (const char **)arguments);
    g_auto(GStrv) patterns = g_strv_builder_end(builder);
    Outcome outcome = patterns[0] == NULL
                              ? select_list(client, &selection, &services)
                              : look_list_patterns(client, selection, patterns, &services);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (client->output.json == JSON_MODE_NONE) {
        if (json_array_size(services) > 0 || !client->output.is_terminal)
            look_list_print(&client->output, services);
        look_list_summary(&client->output, services);
        return OUTCOME_DONE;
    }
    size_t index;
    json_t *service;
    json_array_foreach(services, index, service)
            output_json_element(&client->output, json_incref(service));
    output_json_finish(&client->output);
    return OUTCOME_DONE;
}

/* A property as text: Name=value. */
static void look_print_property(const Output *output, const char *name, const json_t *value)
{
    g_autofree char *text = NULL;

    if (json_is_string(value)) {
        text = g_strdup(json_string_value(value));
    } else if (json_is_integer(value) && g_str_has_suffix(name, "Time")) {
        uint64_t time = (uint64_t)json_integer_value(value);
        g_autofree char *absolute = text_time(time);
        g_autofree char *ago = text_ago(time, output->now);
        text = time == 0 ? g_strdup("never") : g_strdup_printf("%s (%s)", absolute, ago);
    } else if (json_is_boolean(value)) {
        text = g_strdup(json_is_true(value) ? "yes" : "no");
    } else {
        char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        text = g_strdup(json);
        free(json);
    }
    g_autofree char *escaped_name = text_escape(name);
    g_autofree char *escaped = text_escape(text);
    printf("%s=%s\n", escaped_name, escaped);
}

/* Only the properties that were asked for, in that order. */
static Outcome look_show_pick(const char *id, char **names, json_t **properties)
{
    g_autoptr(json_t) picked = json_object();

    for (; *names != NULL; names++) {
        json_t *value = json_object_get(*properties, *names);
        if (value == NULL)
            return client_fail(OUTCOME_FAILED,
                               "cannot show '%s': no property '%s' (see: svcmgr "
                               "show %s)",
                               id, *names, id);
        (void)json_object_set(picked, *names, value); /* fails only without memory */
    }
    json_decref(*properties);
    *properties = g_steal_pointer(&picked);
    return OUTCOME_DONE;
}

/* names empty: everything. */
static bool look_show_wants(char **names, const char *name)
{
    return names[0] == NULL || g_strv_contains((const char *const *)names, name);
}

static Outcome look_show(Client *client, char **arguments)
{
    CallSubject subject = {.verb = "show", .id = arguments[0]};
    g_autofree char *path = call_service_path(arguments[0]);
    g_autoptr(json_t) properties = NULL;
    const char *name;
    const json_t *value;
    Outcome outcome = call_get_all(client, &subject, path, &properties);

    if (outcome == OUTCOME_DONE && look_show_wants(arguments + 1, "Usage"))
        process_add_usage(client, arguments[0], properties);
    if (outcome == OUTCOME_DONE && arguments[1] != NULL)
        outcome = look_show_pick(arguments[0], arguments + 1, &properties);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (client->output.json != JSON_MODE_NONE) {
        output_json(&client->output, g_steal_pointer(&properties));
        return OUTCOME_DONE;
    }
    json_object_foreach(properties, name, value) look_print_property(&client->output, name, value);
    return OUTCOME_DONE;
}

static Outcome look_kinds(Client *client, char **arguments)
{
    static const char *const headings[] = {"KIND", "DESCRIPTION", NULL};
    g_autoptr(Table) table = table_new(headings);
    g_autoptr(json_t) kinds = NULL;
    sd_bus_message *reply = NULL;
    size_t index;
    json_t *kind;
    Outcome outcome = call_manager(client, "list kinds", "ListKinds", &reply, NULL);

    if (outcome == OUTCOME_DONE && value_read(reply, &kinds) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot list kinds: the answer is no list");
    sd_bus_message_unref(reply);
    if (outcome != OUTCOME_DONE)
        return outcome;
    json_array_foreach(kinds, index, kind)
    {
        table_add(table, COLOUR_NONE, value_string(kind, "Name"));
        table_add(table, COLOUR_NONE, value_string(kind, "Description"));
        if (client->output.json != JSON_MODE_NONE)
            output_json_element(&client->output, json_incref(kind));
    }
    if (client->output.json == JSON_MODE_NONE)
        table_print(table, &client->output);
    output_json_finish(&client->output);
    return OUTCOME_DONE;
}

static Outcome look_schema(Client *client, char **arguments)
{
    sd_bus_message *reply = NULL;
    const char *schema = NULL;
    Outcome outcome =
            call_manager(client, "show the schema", "GetKindSchema", &reply, "s", arguments[0]);

    if (outcome == OUTCOME_DONE && sd_bus_message_read(reply, "s", &schema) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot show the schema: the answer is no text");
    if (outcome == OUTCOME_DONE) {
        json_t *json = client->output.json != JSON_MODE_NONE ? json_loads(schema, 0, NULL) : NULL;
        g_autofree char *escaped = text_escape_lines(schema);
        if (json != NULL)
            output_json(&client->output, json);
        else
            printf("%s%s", escaped, g_str_has_suffix(escaped, "\n") ? "" : "\n");
    }
    sd_bus_message_unref(reply);
    return outcome;
}

const Command look_commands[] = {
        {"list", "[PATTERN...]", "List services",
         "A line for each service; those that have an error, or wait for others, show that instead "
         "of "
         "their\ndescription.\n"
         "Patterns: * ? [...]",
         "svcmgr list --state failed --state backoff 'web-*'", 0, COMMAND_ANY, look_list_options,
         look_list},
        {"status", "[ID|PATTERN...]", "Show how services, or all of it, are",
         "Without an ID: the daemon, how it follows what runs, and every service that is not as it "
         "should\nbe.",
         "svcmgr status web", 0, COMMAND_ANY, NULL, status_run},
        {"show", "ID [PROPERTY...]", "Show the properties of a service", NULL,
         "svcmgr show web MainPID NRestarts", 1, COMMAND_ANY, NULL, look_show},
        {"kinds", "", "List the kinds of services", NULL, "svcmgr kinds", 0, 0, NULL, look_kinds},
        {"schema", "KIND", "Show the JSON Schema of a kind's configuration", NULL,
         "svcmgr schema process >process.schema.json", 1, 1, NULL, look_schema},
        {NULL},
};
