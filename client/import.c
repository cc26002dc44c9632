/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration is handed on byte for byte. jansson says how far it has read, and so where each
 * value of a document stands. */

#include "import.h"

#include "base/json.h"
#include "call.h"
#include "input.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMPORT_SUFFIX ".json"

typedef struct ImportFile {
    char *id;
    char *kind;
    bool enabled;
    char *description; /* or NULL */
    json_t *labels;    /* an object of strings, borrowed from the document, or NULL */
    char *config;      /* the bytes in the file, or NULL */
} ImportFile;

typedef struct ImportRun {
    Client *client;
    Outcome outcome;
    bool is_lost; /* the connection is: nothing more can be done */
} ImportRun;

static void import_file_done(ImportFile *file)
{
    g_free(file->id);
    g_free(file->kind);
    g_free(file->description);
    g_free(file->config);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImportFile, import_file_done)

/* The end of the value at text, which is valid; end: that of the document. ret_value: NULL, or
 * where to put a reference. */
static const char *import_skip_value(const char *text, const char *end, json_t **ret_value)
{
    json_error_t read;
    json_t *value =
            json_loadb(text, (size_t)(end - text), JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &read);

    g_assert(value != NULL);
    if (ret_value != NULL)
        *ret_value = value;
    else
        json_decref(value);
    return text + read.position;
}

/* The text of a member of a valid document; NULL: there is none. A name may be written with
 * escapes. */
static char *import_find_member(const char *document, const char *name)
{
    const char *document_end = document + strlen(document);
    const char *at = strchr(document, '{') + 1;

    while (*(at += strspn(at, " \t\r\n,")) == '"') {
        g_autoptr(json_t) found = NULL;

        at = import_skip_value(at, document_end, &found);
        at += strspn(at, " \t\r\n:");
        const char *end = import_skip_value(at, document_end, NULL);
        if (g_str_equal(json_string_value(found), name))
            return g_strndup(at, (size_t)(end - at));
        at = end;
    }
    return NULL;
}

static void import_read_labels(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *unused)
{
    const char *name;
    json_t *label;

    if (!json_is_object(value)) {
        json_problem_expected(context, path, "an object of strings", value);
        return;
    }
    json_object_foreach((json_t *)value, name, label)
    {
        JsonPath child = {.parent = path, .member = name};

        if (!json_is_string(label) && !g_str_equal(name, JSON_COMMENT))
            json_problem_expected(context, &child, "a string", label);
    }
    *(json_t **)field = (json_t *)value;
}

static void import_read_config(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *unused)
{
    if (json_is_object(value))
        *(char **)field = import_find_member(context->data, path->member);
    else
        json_problem_expected(context, path, "an object", value);
}

static const JsonMember import_members[] = {
        {"kind", json_read_string, offsetof(ImportFile, kind), NULL, true},
        {"enabled", json_read_bool, offsetof(ImportFile, enabled), NULL, false},
        {"description", json_read_string, offsetof(ImportFile, description), NULL, false},
        {"labels", import_read_labels, offsetof(ImportFile, labels), NULL, false},
        {"config", import_read_config, offsetof(ImportFile, config), NULL, false},
        {NULL},
};

/* document keeps alive what file borrows. */
static Outcome import_parse(const char *path, char *text, ImportFile *file, json_t **ret_document)
{
    CallSubject subject = {.verb = "import", .id = path};
    g_autoptr(Problems) problems = problems_new();
    JsonContext context = {.problems = problems, .data = text};
    JsonTable table = {.members = import_members, .target = file};

    *ret_document = json_document_parse(text, strlen(text), problems);
    if (*ret_document != NULL)
        json_read_object(&context, NULL, *ret_document, &table, 1);
    g_autoptr(GError) error = problems_to_error(problems);
    return error == NULL ? OUTCOME_DONE
                         : call_report_reason(&subject, OUTCOME_FAILED, error->message, NULL);
}

/* Appending to a new message cannot fail: the text was checked. */
static void import_append(sd_bus_message *call, const ImportFile *file)
{
    const char *name;
    const json_t *label;

    (void)sd_bus_message_append(call, "sss", file->id, file->kind,
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
    json_object_foreach(file->labels, name, label)
    {
        if (!g_str_equal(name, JSON_COMMENT))
            (void)sd_bus_message_append(call, "{ss}", name, json_string_value(label));
    }
    for (unsigned i = 0; i < 4; i++)
        (void)sd_bus_message_close_container(call);
}

static Outcome import_create(Client *client, const ImportFile *file)
{
    CallSubject subject = {.verb = "import", .id = file->id};
    sd_bus_message *call = NULL;
    Outcome outcome = call_manager_new(client, "CreateService", &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    import_append(call, file);
    outcome = call_send(client, &subject, call, NULL);
    sd_bus_message_unref(call);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (client->output.json != JSON_MODE_NONE)
        output_json_element(&client->output, json_pack("{s:s}", "Id", file->id));
    output_say(&client->output, "%s: created", file->id);
    return OUTCOME_DONE;
}

static Outcome import_one(Client *client, const char *path)
{
    g_auto(ImportFile) file = {.enabled = false};
    g_autoptr(json_t) document = NULL;
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *text = NULL;

    if (!g_str_has_suffix(name, IMPORT_SUFFIX))
        return client_fail(OUTCOME_FAILED, "cannot import '%s': its name is not ID" IMPORT_SUFFIX,
                           path);
    file.id = g_strndup(name, strlen(name) - strlen(IMPORT_SUFFIX));
    Outcome outcome = input_read("definition", path, &text);
    if (outcome == OUTCOME_DONE)
        outcome = import_parse(path, text, &file, &document);
    return outcome == OUTCOME_DONE ? import_create(client, &file) : outcome;
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
