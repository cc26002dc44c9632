/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the sources. Each becomes an object of JSON, members named as in the config file; the one
 * of the lowest precedence is read into the fields first, so that the others come in its place.
 * GOption only collects: it would stop at the first mistake. */

#include "run/options-internal.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/parse.h"

#include <string.h>

#define OPTIONS_VARIABLE_PREFIX "SVCMGR_"

static const char *const options_bus_members[] = {"system", "user", "address"};

static bool options_entry_is_last(const OptionEntry *entry)
{
    return entry->name == NULL;
}

static void options_free_reading(OptionsReading *reading)
{
    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        OptionGiven *given = &reading->given[entry - options_table];

        if (option_arg(entry) == G_OPTION_ARG_FILENAME_ARRAY)
            g_strfreev(given->list);
        else if (option_arg(entry) == G_OPTION_ARG_FILENAME)
            g_free(given->text);
    }
    g_free(reading);
}

void options_done(Options *options)
{
    g_clear_pointer(&options->address, g_free);
    g_clear_pointer(&options->socket, g_free);
    g_clear_pointer(&options->cgroup, g_free);
    g_clear_pointer(&options->services_dirs, g_strfreev);
    g_clear_pointer(&options->state_dir, g_free);
    g_clear_pointer(&options->runtime_dir, g_free);
    g_clear_pointer(&options->log_dir, g_free);
    g_clear_pointer(&options->hooks_dir, g_free);
    g_clear_pointer(&options->config, g_free);
    g_clear_pointer(&options->pid_file, g_free);
    g_clear_pointer(&options->defaults, json_decref);
    g_clear_pointer(&options->reading, options_free_reading);
}

void options_refuse(GPtrArray *errors, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(errors,
                    g_error_new_valist(SVCMGR_ERROR, (int)ERROR_INVALID_ARGS, format, args));
    va_end(args);
}

GOptionGroup *options_group(void *data)
{
    Options *options = data;
    static const char title[] = "Options (--log-level is also SVCMGR_LOG_LEVEL in the environment "
                                "and log_level in the config file):";
    GOptionGroup *group = g_option_group_new("svcmgrd", title, "", NULL, NULL);

    g_assert(options->reading == NULL);
    options->reading = g_new0(OptionsReading, 1);
    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        GOptionEntry entries[] = {
                {entry->name, g_str_equal(entry->name, "help") ? 'h' : 0, 0, option_arg(entry),
                 &options->reading->given[entry - options_table], entry->description,
                 entry->placeholder},
                {NULL},
        };

        if ((entry->flags & OPTION_ON_COMMAND_LINE) != 0)
            g_option_group_add_entries(group, entries);
    }
    return group;
}

/* Places */

static char *options_place(OptionSource source, const OptionEntry *entry)
{
    if (source == OPTION_SOURCE_COMMAND_LINE)
        return g_strconcat("--", entry->name, NULL);
    if (source == OPTION_SOURCE_ENVIRONMENT)
        return option_variable(entry);
    return option_member(entry);
}

/* Collecting */

static json_t *options_given_to_json(const OptionEntry *entry, const OptionGiven *given)
{
    if (entry->type == OPTION_FLAG)
        return json_true();
    if (entry->type == OPTION_PATHS)
        return option_from_list(entry, given->list);
    return option_from_text(entry, given->text);
}

/* Takes value; NULL: what was written is no text. */
static void options_collect(json_t *layer, OptionSource source, const OptionEntry *entry,
                            json_t *value, GPtrArray *errors)
{
    g_autofree char *member = option_member(entry);
    g_autofree char *place = options_place(source, entry);

    if (value == NULL)
        options_refuse(errors, "%s: expected text in UTF-8", place);
    else
        g_assert(json_object_set_new(layer, member, value) == 0);
}

static json_t *options_collect_command_line(const Options *options, GPtrArray *errors)
{
    json_t *layer = json_object();

    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        const OptionGiven *given = &options->reading->given[entry - options_table];
        bool is_given = entry->type == OPTION_FLAG ? given->flag : given->text != NULL;

        if (is_given)
            options_collect(layer, OPTION_SOURCE_COMMAND_LINE, entry,
                            options_given_to_json(entry, given), errors);
    }
    return layer;
}

static json_t *options_collect_environment(GPtrArray *errors)
{
    json_t *layer = json_object();

    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        g_autofree char *variable = option_variable(entry);
        const char *text = g_getenv(variable);

        if ((entry->flags & OPTION_IN_ENVIRONMENT) != 0 && text != NULL && *text != '\0')
            options_collect(layer, OPTION_SOURCE_ENVIRONMENT, entry, option_from_text(entry, text),
                            errors);
    }
    return layer;
}

static bool options_know_variable(const char *name)
{
    /* The first is set for the programs of services, of which the daemon may be one. */
    if (g_str_equal(name, "SVCMGR_ID") || g_str_has_prefix(name, "SVCMGR_TEST_"))
        return true;
    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        g_autofree char *variable = option_variable(entry);

        if ((entry->flags & OPTION_IN_ENVIRONMENT) != 0 && g_str_equal(variable, name))
            return true;
    }
    return false;
}

static void options_warn_of_variables(void)
{
    g_auto(GStrv) names = g_listenv();

    for (char **name = names; *name != NULL; name++) {
        if (g_str_has_prefix(*name, OPTIONS_VARIABLE_PREFIX) && !options_know_variable(*name))
            log_warning("unknown variable %s: ignored", *name);
    }
}

/* Reading */

static bool options_sets(const json_t *layer, const char *member)
{
    const json_t *value = json_object_get(layer, member);

    return json_is_true(value) || json_is_string(value);
}

/* One source names one bus, whatever those before it have named. */
static void options_settle_bus(Options *options, OptionSource source, const json_t *layer,
                               const char *prefix, GPtrArray *errors)
{
    const char *first = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(options_bus_members); i++) {
        const char *member = options_bus_members[i];

        if (!options_sets(layer, member))
            continue;
        for (size_t j = 0; j < i; j++) {
            g_autofree char *one = NULL;
            g_autofree char *other = NULL;

            if (!options_sets(layer, options_bus_members[j]))
                continue;
            one = options_place(source, options_find_entry(options_bus_members[j]));
            other = options_place(source, options_find_entry(member));
            options_refuse(errors, "%s%s and %s exclude each other", prefix, one, other);
        }
        first = first != NULL ? first : member;
    }
    if (first == NULL)
        return;
    options->system = options->user = false;
    g_clear_pointer(&options->address, g_free);
}

static void options_read_value(Options *options, OptionSource source, const OptionEntry *entry,
                               JsonContext *context, const JsonPath *path, const json_t *value)
{
    unsigned n_problems = problems_count(context->problems);

    option_read(context, path, value, options_field(options, entry), entry);
    if (problems_count(context->problems) == n_problems)
        *options_source(options, entry) = source;
}

/* Of the command line or the environment. */
static void options_read_member(Options *options, OptionSource source, const json_t *layer,
                                const OptionEntry *entry, GPtrArray *errors)
{
    g_autofree char *member = option_member(entry);
    g_autofree char *place = options_place(source, entry);
    g_autoptr(Problems) problems = problems_new();
    JsonContext context = {.problems = problems};
    const json_t *value = json_object_get(layer, member);

    if (value == NULL)
        return;
    options_read_value(options, source, entry, &context, NULL, value);
    for (unsigned i = 0; i < problems_count(problems); i++)
        options_refuse(errors, "%s: %s", place, problems_get(problems, i)->message);
}

static void options_read_layer(Options *options, OptionSource source, const json_t *layer,
                               GPtrArray *errors)
{
    options_settle_bus(options, source, layer, "", errors);
    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        if (!g_str_equal(entry->name, "config"))
            options_read_member(options, source, layer, entry, errors);
    }
}

/* The config file */

/* A JsonRead: field is the Options. */
static void on_options_member(JsonContext *context, const JsonPath *path, const json_t *value,
                              void *field, const void *entry)
{
    options_read_value(field, OPTION_SOURCE_FILE, entry, context, path, value);
}

static void options_read_document(Options *options, const json_t *document, Problems *problems)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    JsonMember members[OPTIONS_MAX + 1] = {{NULL}};
    JsonTable table = {members, options};
    JsonContext context = {.problems = problems};

    for (const OptionEntry *entry = options_table; !options_entry_is_last(entry); entry++) {
        if ((entry->flags & OPTION_IN_FILE) == 0)
            continue;
        members[names->len] =
                (JsonMember){option_member(entry), on_options_member, 0, entry, false};
        g_ptr_array_add(names, (char *)members[names->len].name);
    }
    json_read_object(&context, NULL, document, &table, 1);
}

static void options_parse_file(Options *options, const char *text, size_t length, GPtrArray *errors)
{
    g_autoptr(Problems) problems = problems_new();
    g_autofree char *prefix = g_strconcat(options->config, ": ", NULL);
    json_t *document = json_document_parse(text, length, problems);

    if (document != NULL) {
        options_settle_bus(options, OPTION_SOURCE_FILE, document, prefix, errors);
        options_read_document(options, document, problems);
    }
    json_decref(document);

    g_autoptr(GError) error = problems_to_error(problems);
    g_auto(GStrv) lines = g_strsplit(error != NULL ? error->message : "", "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        options_refuse(errors, "%s%s", prefix, *line);
}

/* Whoever writes the file of a privileged daemon can do what it can do. */
static void options_read_file(Options *options, GPtrArray *errors)
{
    const OptionEntry *entry = options_find_entry("config");
    OptionSource source = *options_source(options, entry);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    size_t length;

    if (options->config == NULL)
        return;
    if (options->is_root
                ? file_read_trusted(options->config, JSON_MAX_BYTES, 0, &text, &length, &error)
                : file_read(-1, options->config, JSON_MAX_BYTES, &text, &length, &error)) {
        options_parse_file(options, text, length, errors);
        return;
    }
    if (source == OPTION_SOURCE_DEFAULT && error_is(error, ERROR_NOT_FOUND))
        return;

    g_autofree char *place = options_place(source, entry);
    options_refuse(errors, "%s: %s", place, error->message);
}

/* Where the default one is depends on whose daemon this is. */
static void options_find_file(Options *options, const json_t *command_line,
                              const json_t *environment, GPtrArray *errors)
{
    const OptionEntry *entry = options_find_entry("config");
    const json_t *bus = environment;

    options_read_member(options, OPTION_SOURCE_ENVIRONMENT, environment, entry, errors);
    options_read_member(options, OPTION_SOURCE_COMMAND_LINE, command_line, entry, errors);
    for (size_t i = 0; i < G_N_ELEMENTS(options_bus_members); i++) {
        if (options_sets(command_line, options_bus_members[i]))
            bus = command_line;
    }
    if (options->config == NULL)
        options->config = options_default_config(!options->is_root || options_sets(bus, "user"));
}

void options_validate(void *data, GPtrArray *errors)
{
    Options *options = data;
    json_t *command_line = options_collect_command_line(options, errors);
    json_t *environment = options_collect_environment(errors);

    options_set_values(options);
    options_find_file(options, command_line, environment, errors);
    options_read_file(options, errors);
    options_read_layer(options, OPTION_SOURCE_ENVIRONMENT, environment, errors);
    options_read_layer(options, OPTION_SOURCE_COMMAND_LINE, command_line, errors);
    options_fill_in(options, errors);
    options_warn_of_variables();
    json_decref(command_line);
    json_decref(environment);
}
