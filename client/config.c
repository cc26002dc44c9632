/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In a pipe a configuration is what it was when it was given, byte by byte. */

#include "config.h"

#include "call.h"
#include "table.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define CONFIG_DIGEST_SHOWN 12

static struct {
    gint64 revision;
    gboolean has_revision;
    gboolean list;
} config_asked;

static gboolean on_config_revision(const char *name, const char *value, void *data, GError **error)
{
    guint64 revision;

    if (!g_ascii_string_to_unsigned(value, 10, 1, G_MAXINT64, &revision, NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--revision must be a number from 1, not '%s'", value);
        return FALSE;
    }
    config_asked.revision = (gint64)revision;
    config_asked.has_revision = TRUE;
    return TRUE;
}

const GOptionEntry config_option_entries[] = {
        {"revision", 'r', 0, G_OPTION_ARG_CALLBACK, on_config_revision, "An earlier one", "N"},
        {"list", 'l', 0, G_OPTION_ARG_NONE, &config_asked.list,
         "Only which revisions are kept, oldest first", NULL},
        {NULL},
};

/* revision 0: the service has no configuration yet. time 0: not known. */
static void config_print(const Output *output, const char *id, const char *config,
                         uint64_t revision, uint64_t time)
{
    if (output->json != JSON_MODE_NONE) {
        json_t *value = json_pack("{s:s, s:s, s:I}", "Id", id, "Config", config, "ConfigRevision",
                                  (json_int_t)revision);
        if (time != 0)
            (void)json_object_set_new(value, "Time", json_integer((json_int_t)time));
        output_json(output, value);
        return;
    }
    if (revision == 0) {
        output_note("'%s' has no configuration yet", id);
        return;
    }
    g_autofree char *text = output->is_terminal ? text_escape_lines(config) : g_strdup(config);
    fputs(text, stdout);
    if (output->is_terminal && !g_str_has_suffix(text, "\n"))
        putchar('\n');
}

Outcome config_get(Client *client, const char *id, char **ret_config, uint64_t *ret_revision)
{
    CallSubject subject = {.verb = "show the configuration of", .id = id};
    sd_bus_message *reply = NULL;
    const char *config = NULL;
    Outcome outcome = call_service(client, &subject, "GetConfig", &reply, NULL);

    if (outcome == OUTCOME_DONE && sd_bus_message_read(reply, "st", &config, ret_revision) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot read the configuration of '%s'", id);
    if (outcome == OUTCOME_DONE)
        *ret_config = g_strdup(config);
    sd_bus_message_unref(reply);
    return outcome;
}

static Outcome config_present(Client *client, const char *id)
{
    g_autofree char *config = NULL;
    uint64_t revision = 0;
    Outcome outcome = config_get(client, id, &config, &revision);

    if (outcome == OUTCOME_DONE)
        config_print(&client->output, id, config, revision, 0);
    return outcome;
}

static Outcome config_earlier(Client *client, const char *id, uint64_t revision)
{
    g_autofree char *verb = g_strdup_printf("show revision %" G_GUINT64_FORMAT " of", revision);
    g_autofree char *missing = g_strdup_printf("it is not kept (see: svcmgr config %s --list)", id);
    CallSubject subject = {.verb = verb, .id = id, .not_found = missing};
    sd_bus_message *reply = NULL;
    const char *config = NULL;
    uint64_t time = 0;
    Outcome outcome = call_service(client, &subject, "GetConfigRevision", &reply, "t", revision);

    if (outcome == OUTCOME_DONE && sd_bus_message_read(reply, "st", &config, &time) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot read revision %" G_GUINT64_FORMAT " of '%s'",
                              revision, id);
    if (outcome == OUTCOME_DONE)
        config_print(&client->output, id, config, revision, time);
    sd_bus_message_unref(reply);
    return outcome;
}

/* The revision that is in force, which is one of the list. */
static Outcome config_get_present_revision(Client *client, const CallSubject *subject,
                                           uint64_t *ret_revision)
{
    g_autofree char *path = call_service_path(subject->id);
    g_autoptr(json_t) properties = NULL;
    Outcome outcome = call_get_all(client, subject, path, &properties);

    if (outcome == OUTCOME_DONE)
        *ret_revision = value_unsigned(properties, "ConfigRevision");
    return outcome;
}

static void config_add_row(Table *table, const Output *output, const json_t *revision)
{
    bool is_present = value_boolean(revision, "current");
    uint64_t time = value_unsigned(revision, "time");
    const char *digest = value_string(revision, "digest");
    const char *colon = strchr(digest, ':');
    g_autofree char *number =
            g_strdup_printf("%" G_GUINT64_FORMAT, value_unsigned(revision, "revision"));
    g_autofree char *at = text_time(time);
    g_autofree char *ago = text_since(time, output->now);
    g_autofree char *when = time != 0 ? g_strdup_printf("%s; %s", at, ago) : g_strdup("unknown");
    g_autofree char *short_digest =
            g_strndup(colon != NULL ? colon + 1 : digest, CONFIG_DIGEST_SHOWN);

    table_add(table, is_present ? COLOUR_BOLD : COLOUR_NONE, number);
    table_add(table, COLOUR_NONE, when);
    table_add(table, COLOUR_NONE, value_string(revision, "source"));
    table_add(table, COLOUR_NONE, short_digest);
    table_add(table, is_present ? COLOUR_GREEN : COLOUR_NONE, is_present ? "current" : "");
}

static void config_print_list(Output *output, json_t *revisions, uint64_t present)
{
    static const char *const headings[] = {"REVISION", "SINCE", "SOURCE", "DIGEST", "", NULL};
    g_autoptr(Table) table = table_new(headings);
    size_t index;
    json_t *revision;

    json_array_foreach(revisions, index, revision)
    {
        bool is_present = value_unsigned(revision, "revision") == present;

        (void)json_object_set_new(revision, "current", json_boolean(is_present));
        if (output->json != JSON_MODE_NONE)
            output_json_element(output, json_incref(revision));
        else
            config_add_row(table, output, revision);
    }
    if (output->json == JSON_MODE_NONE)
        table_print(table, output);
    output_json_finish(output);
}

static Outcome config_list(Client *client, const char *id)
{
    CallSubject subject = {.verb = "list the configurations of", .id = id};
    sd_bus_message *reply = NULL;
    g_autoptr(json_t) revisions = NULL;
    uint64_t present = 0;
    Outcome outcome = call_service(client, &subject, "ListConfigRevisions", &reply, NULL);

    if (outcome == OUTCOME_DONE && value_read(reply, &revisions) < 0)
        outcome = client_fail(OUTCOME_FAILED,
                              "cannot list the configurations of '%s': the answer is no list", id);
    sd_bus_message_unref(reply);
    if (outcome == OUTCOME_DONE)
        outcome = config_get_present_revision(client, &subject, &present);
    if (outcome == OUTCOME_DONE)
        config_print_list(&client->output, revisions, present);
    return outcome;
}

Outcome config_run(Client *client, char **arguments)
{
    if (config_asked.list && config_asked.has_revision)
        return client_fail(OUTCOME_USAGE, "config: only one of --list and --revision");
    if (config_asked.list)
        return config_list(client, arguments[0]);
    if (config_asked.has_revision)
        return config_earlier(client, arguments[0], (uint64_t)config_asked.revision);
    return config_present(client, arguments[0]);
}
