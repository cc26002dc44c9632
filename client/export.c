/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a definition says of a service, asked of the daemon: what came from several files, or over
 * the bus, is one text then. */

#include "export.h"

#include "base/definition-text.h"
#include "base/errors.h"
#include "base/parse.h"
#include "call.h"
#include "config.h"
#include "file.h"
#include "select.h"
#include "text.h"

#include <stdio.h>

static struct {
    char *output;
    gboolean force;
} export_options;

const GOptionEntry export_option_entries[] = {
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &export_options.output,
         "Write DIR/ID.json for each", "DIR"},
        {"force", 'f', 0, G_OPTION_ARG_NONE, &export_options.force, "Replace files that are there",
         NULL},
        {NULL},
};

static GHashTable *export_labels(json_t *labels)
{
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal); /* borrows from labels */
    const char *name;
    const json_t *value;

    json_object_foreach(labels, name, value)
    {
        if (json_is_string(value))
            (void)g_hash_table_insert(table, (char *)name, (char *)json_string_value(value));
    }
    return table;
}

/* Of a definition that could not be used there is only the error. */
static bool export_is_broken(const json_t *properties)
{
    return value_unsigned(properties, "ConfigRevision") == 0 &&
           g_str_equal(value_string(properties, "FailureClass"), "config");
}

static Outcome export_read(Client *client, const char *id, char **ret_text)
{
    CallSubject subject = {.verb = "export", .id = id};
    g_autofree char *path = call_service_path(id);
    g_autofree char *config = NULL;
    g_autoptr(json_t) properties = NULL;
    uint64_t revision = 0;
    Outcome outcome = call_get_all(client, &subject, path, &properties);

    if (outcome == OUTCOME_DONE && export_is_broken(properties))
        outcome = call_report_reason(&subject, OUTCOME_FAILED, value_string(properties, "Error"),
                                     NULL);
    if (outcome == OUTCOME_DONE)
        outcome = config_get(client, id, &config, &revision);
    if (outcome != OUTCOME_DONE)
        return outcome;
    g_autoptr(GHashTable) labels = export_labels(json_object_get(properties, "Labels"));
    DefinitionText definition = {
            .kind = value_string(properties, "Kind"),
            .enabled = value_boolean(properties, "Enabled"),
            .description = value_string(properties, "Description"),
            .labels = labels,
            .config = revision > 0 ? config : NULL,
    };
    *ret_text = definition_write(&definition);
    return OUTCOME_DONE;
}

/* In a pipe the configuration must be what it was, byte by byte. */
static void export_print(Output *output, const char *id, const char *text)
{
    g_autofree char *harmless = output->is_terminal ? text_escape_lines(text) : g_strdup(text);

    if (output->json != JSON_MODE_NONE)
        output_json_element(output, json_pack("{s:s, s:s}", "Id", id, "Definition", text));
    else
        fputs(harmless, stdout);
}

/* An id that is none could name a file elsewhere. */
static Outcome export_write(Output *output, const char *id, const char *text)
{
    CallSubject subject = {.verb = "export", .id = id};
    g_autofree char *name = g_strdup_printf("%s.json", id);
    g_autofree char *path = g_build_filename(export_options.output, name, NULL);
    g_autoptr(GError) error = NULL;
    bool ok = parse_id(id, &error) &&
              file_write(export_options.output, name, text, export_options.force, &error);

    if (!ok)
        return call_report_reason(&subject, OUTCOME_FAILED, error->message,
                                  error->code == ERROR_ID_EXISTS ? "to replace it: --force" : NULL);
    if (output->json != JSON_MODE_NONE)
        output_json_element(output, json_pack("{s:s, s:s}", "Id", id, "Path", path));
    output_say(output, "%s: written to %s", id, path);
    return OUTCOME_DONE;
}

static Outcome export_one(Client *client, const char *id)
{
    g_autofree char *text = NULL;
    Outcome outcome = export_read(client, id, &text);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (export_options.output != NULL)
        return export_write(&client->output, id, text);
    export_print(&client->output, id, text);
    return OUTCOME_DONE;
}

Outcome export_run(Client *client, char **arguments)
{
    g_auto(GStrv) ids = NULL;

    if (export_options.force && export_options.output == NULL)
        return client_fail(OUTCOME_USAGE, "export: --force needs --output");
    Outcome outcome = call_connect(client);
    if (outcome == OUTCOME_DONE)
        outcome = select_ids(client, arguments, &ids);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (export_options.output == NULL && ids[1] != NULL && client->output.json == JSON_MODE_NONE)
        return client_fail(OUTCOME_USAGE, "export: several services need --output=DIR");
    for (unsigned i = 0; ids[i] != NULL; i++)
        outcome = outcome_join(outcome, export_one(client, ids[i]));
    output_json_finish(&client->output);
    return outcome;
}
