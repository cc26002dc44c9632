/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services out of definition files, created over the bus. */

#include "import.h"

#include "base/definition-text.h"
#include "call.h"
#include "input.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMPORT_SUFFIX ".json"

typedef struct ImportRun {
    Client *client;
    Outcome outcome;
    bool is_lost; /* the connection is: nothing more can be done */
} ImportRun;

static Outcome import_parse(const char *path, const char *text, DefinitionFields *ret_fields)
{
    CallSubject subject = {.verb = "import", .id = path};
    g_autoptr(Problems) problems = problems_new();

    definition_text_parse(text, strlen(text), ret_fields, problems);
    g_autoptr(GError) error = problems_to_error(problems);
    return error == NULL ? OUTCOME_DONE
                         : call_report_reason(&subject, OUTCOME_FAILED, error->message, NULL);
}

/* Appending to a new message cannot fail: the text was checked. */
static void import_append(sd_bus_message *call, const char *id, const DefinitionFields *file)
{
    GHashTableIter iter;
    void *name, *label;

    (void)sd_bus_message_append(call, "sss", id, file->kind,
                                file->config != NULL ? file->config : "");
    (void)sd_bus_message_open_container(call, 'a', "{sv}");
    if (file->enabled)
        call_append_option(call, "enabled", "b", 1);
    if (file->description != NULL)
        call_append_option(call, "description", "s", file->description);
    (void)sd_bus_message_open_container(call, 'e', "sv");
    (void)sd_bus_message_append(call, "s", "labels");
    (void)sd_bus_message_open_container(call, 'v', "a{ss}");
    (void)sd_bus_message_open_container(call, 'a', "{ss}");
    if (file->labels != NULL) {
        g_hash_table_iter_init(&iter, file->labels);
        while (g_hash_table_iter_next(&iter, &name, &label))
            (void)sd_bus_message_append(call, "{ss}", name, label);
    }
    for (unsigned i = 0; i < 4; i++)
        (void)sd_bus_message_close_container(call);
}

static Outcome import_create(Client *client, const char *id, const DefinitionFields *file)
{
    CallSubject subject = {.verb = "import", .id = id};
    sd_bus_message *call = NULL;
    Outcome outcome = call_manager_new(client, "CreateService", &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    import_append(call, id, file);
    outcome = call_send(client, &subject, call, NULL);
    sd_bus_message_unref(call);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (client->output.json != JSON_MODE_NONE)
        output_json_element(&client->output, json_pack("{s:s}", "Id", id));
    output_say(&client->output, "%s: created", id);
    return OUTCOME_DONE;
}

static Outcome import_one(Client *client, const char *path)
{
    g_auto(DefinitionFields) file = {0};
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *id = NULL, *text = NULL;

    if (!g_str_has_suffix(name, IMPORT_SUFFIX))
        return client_fail(OUTCOME_FAILED, "cannot import '%s': its name is not ID" IMPORT_SUFFIX,
                           path);
    id = g_strndup(name, strlen(name) - strlen(IMPORT_SUFFIX));
    Outcome outcome = input_read("definition", path, &text);
    if (outcome == OUTCOME_DONE)
        outcome = import_parse(path, text, &file);
    return outcome == OUTCOME_DONE ? import_create(client, id, &file) : outcome;
}

static int import_select(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && g_str_has_suffix(entry->d_name, IMPORT_SUFFIX);
}

static void import_file(ImportRun *run, const char *path)
{
    if (run->is_lost)
        return;
    Outcome outcome = import_one(run->client, path);
    run->is_lost = outcome == OUTCOME_NO_DAEMON;
    run->outcome = outcome_join(run->outcome, outcome);
}

static void import_folder(ImportRun *run, const char *path)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, import_select, alphasort);

    if (n < 0) {
        Outcome outcome =
                client_fail(OUTCOME_FAILED, "cannot import '%s': %s", path, g_strerror(errno));
        run->outcome = outcome_join(run->outcome, outcome);
    }
    for (int i = 0; i < n; i++) {
        g_autofree char *file = g_build_filename(path, entries[i]->d_name, NULL);

        import_file(run, file);
        free(entries[i]);
    }
    free(entries);
}

Outcome import_run(Client *client, char **arguments)
{
    ImportRun run = {.client = client, .outcome = call_connect(client)};
    struct stat about;

    if (run.outcome != OUTCOME_DONE)
        return run.outcome;
    for (; *arguments != NULL; arguments++) {
        if (stat(*arguments, &about) == 0 && S_ISDIR(about.st_mode))
            import_folder(&run, *arguments);
        else
            import_file(&run, *arguments);
    }
    output_json_finish(&client->output);
    return run.outcome;
}
