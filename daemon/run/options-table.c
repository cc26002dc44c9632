/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of options, and what can be done with a value of each type. */

#include "run/options-internal.h"

#include "base/clock.h"
#include "base/parse.h"
#include "core/config.h"

#include <string.h>

static const char *const restore_option_names[_RESTORE_OPTION_MAX] = {
        [RESTORE_OPTION_AUTO] = "auto",
        [RESTORE_OPTION_ENABLED] = "enabled",
        [RESTORE_OPTION_WANTED] = "wanted",
        [RESTORE_OPTION_NONE] = "none",
};
ENUM_TABLE_DEFINE(RestoreOption, restore_option, restore_option_names)

static int option_restore_from_string(const char *string)
{
    return restore_option_from_string(string);
}

static const char *option_restore_to_string(int value)
{
    return restore_option_to_string((RestoreOption)value);
}

static int option_log_level_from_string(const char *string)
{
    LogLevel level;

    return log_level_from_string(string, &level) ? (int)level : -1;
}

static const char *option_log_level_to_string(int value)
{
    return log_level_to_string((LogLevel)value);
}

static const OptionEnum restore_enum = {
        {option_restore_from_string, "auto, enabled, wanted or none"},
        option_restore_to_string,
};
static const OptionEnum log_level_enum = {
        {option_log_level_from_string, "error, warning, notice, info or debug"},
        option_log_level_to_string,
};
static const char *const cgroup_word_list[] = {"auto", "none", NULL};
static const OptionWords cgroup_words = {cgroup_word_list, "auto, none or an absolute path"};
#define OPTION_TIMEOUT_MAX_USEC (UINT64_C(365) * 24 * 3600 * USEC_PER_SEC)
static const JsonRange services_range = {.min = 1, .max = 1000000};
static const JsonRange starting_range = {.min = 0, .max = 1000000};
static const JsonRange log_total_range = {
        .min = 0,
        .max = INT64_MAX,
        .expected = "a size such as \"1GiB\", or 0",
};
static const JsonRange startup_range = {
        .min = 1,
        .max = OPTION_TIMEOUT_MAX_USEC,
        .expected = "a duration such as \"15s\", more than 0 and at most a year",
};
static const JsonRange shutdown_range = {
        .min = 0,
        .max = OPTION_TIMEOUT_MAX_USEC,
        .expected = "a duration such as \"15s\", at most a year",
};

#define OPTION(name, type, flags, field, ...)                                                      \
    {                                                                                              \
        name, type, flags, offsetof(Options, field), __VA_ARGS__                                   \
    }

const OptionEntry options_table[] = {
        OPTION("system", OPTION_FLAG, OPTION_EVERYWHERE, system, NULL,
               "Serve on the system bus (default for root)", NULL),
        OPTION("user", OPTION_FLAG, OPTION_EVERYWHERE, user, NULL,
               "Serve on the session bus (default for others)", NULL),
        OPTION("address", OPTION_STRING, OPTION_EVERYWHERE, address, "the address of a bus",
               "Serve on the bus at ADDRESS", "ADDRESS"),
        OPTION("socket", OPTION_PATH, OPTION_EVERYWHERE, socket, "none",
               "Private socket (default: RUNTIME_DIR/private)", "PATH|none"),
        OPTION("services-dir", OPTION_PATHS, OPTION_EVERYWHERE | OPTION_MAY_BE_MISSING,
               services_dirs, NULL,
               "Read definitions from DIR and not from the usual places; of several, later ones "
               "win",
               "DIR"),
        OPTION("state-dir", OPTION_PATH, OPTION_EVERYWHERE, state_dir, NULL,
               "What outlives the daemon (default: $STATE_DIRECTORY, /var/lib/svcmgr, for users "
               "$XDG_STATE_HOME/svcmgr)",
               "DIR"),
        OPTION("runtime-dir", OPTION_PATH, OPTION_EVERYWHERE, runtime_dir, NULL,
               "Sockets (default: $RUNTIME_DIRECTORY, /run/svcmgr, for users "
               "$XDG_RUNTIME_DIR/svcmgr)",
               "DIR"),
        OPTION("log-dir", OPTION_PATH, OPTION_EVERYWHERE, log_dir, NULL,
               "What services say (default: $LOGS_DIRECTORY, /var/log/svcmgr, for users "
               "$XDG_STATE_HOME/svcmgr/log)",
               "DIR"),
        OPTION("log-max-total", OPTION_SIZE, OPTION_EVERYWHERE, log_max_total_bytes,
               &log_total_range,
               "Files with what services say have this size together, or the oldest go; 0: no "
               "limit (default: 1GiB)",
               "SIZE"),
        OPTION("hooks-dir", OPTION_PATH, OPTION_EVERYWHERE | OPTION_MAY_BE_MISSING, hooks_dir, NULL,
               "Programs to run at start and end (default: hooks, where the default config file "
               "is)",
               "DIR"),
        OPTION("config", OPTION_PATH, OPTION_ON_COMMAND_LINE | OPTION_IN_ENVIRONMENT, config, NULL,
               "Config file (default: svcmgrd.json in $CONFIGURATION_DIRECTORY, /etc/svcmgr, for "
               "users $XDG_CONFIG_HOME/svcmgr)",
               "FILE"),
        OPTION("pid-file", OPTION_PATH, OPTION_EVERYWHERE, pid_file, NULL,
               "Write the daemon's process id to FILE", "FILE"),
        OPTION("cgroup", OPTION_WORD_OR_PATH, OPTION_EVERYWHERE, cgroup, &cgroup_words,
               "Cgroup v2 directory below which each service gets a cgroup of its own (default: "
               "auto, the one that the daemon is in, where it may)",
               "PATH|auto|none"),
        OPTION("max-services", OPTION_COUNT, OPTION_EVERYWHERE, max_services, &services_range,
               "At most so many services (default: 10000)", "N"),
        OPTION("max-starting", OPTION_COUNT, OPTION_EVERYWHERE, max_starting, &starting_range,
               "At most so many services start at once, the others wait in a row; 0: no limit "
               "(default)",
               "N"),
        OPTION("restore", OPTION_ENUM, OPTION_EVERYWHERE, restore, &restore_enum,
               "Which services to start: enabled, wanted (running when the daemon ended), none or "
               "auto (default: wanted if the system was not booted since, else enabled)",
               "WHICH"),
        OPTION("startup-timeout", OPTION_DURATION, OPTION_EVERYWHERE, startup_timeout_usec,
               &startup_range, "The daemon must be ready after so long (default: 15s)", "TIME"),
        OPTION("shutdown-timeout", OPTION_DURATION, OPTION_EVERYWHERE, shutdown_timeout_usec,
               &shutdown_range,
               "What still runs after so long is ended by force (default: 0, as long as the "
               "services' own timeouts need)",
               "TIME"),
        OPTION("log-level", OPTION_ENUM, OPTION_EVERYWHERE, log_level, &log_level_enum,
               "error, warning, notice, info (default) or debug", "LEVEL"),
        OPTION("defaults", OPTION_DEFAULTS, OPTION_IN_FILE, defaults, NULL,
               "What services do not say themselves", NULL),
        OPTION("print-config", OPTION_FLAG, OPTION_ON_COMMAND_LINE, print_config, NULL,
               "Print the configuration as a config file, say where each value is from, and exit",
               NULL),
        OPTION("list-units", OPTION_FLAG, OPTION_ON_COMMAND_LINE, list_units, NULL,
               "Print the phases of the daemon's life and who takes part in them, and exit", NULL),
        OPTION("version", OPTION_FLAG, OPTION_ON_COMMAND_LINE, version, NULL,
               "Print the version and exit", NULL),
        OPTION("help", OPTION_FLAG, OPTION_ON_COMMAND_LINE, help, NULL, "Print this help and exit",
               NULL),
        {NULL},
};
G_STATIC_ASSERT(G_N_ELEMENTS(options_table) <= OPTIONS_MAX);

const OptionEntry *options_find_entry(const char *name)
{
    for (const OptionEntry *entry = options_table; entry->name != NULL; entry++) {
        if (g_str_equal(entry->name, name))
            return entry;
    }
    return NULL;
}

OptionSource *options_source(const Options *options, const OptionEntry *entry)
{
    return &options->reading->sources[entry - options_table];
}

void *options_field(const Options *options, const OptionEntry *entry)
{
    return (char *)options + entry->offset;
}

char *option_member(const OptionEntry *entry)
{
    return g_strdelimit(g_strdup(entry->name), "-", '_');
}

char *option_variable(const OptionEntry *entry)
{
    g_autofree char *member = option_member(entry);
    g_autofree char *upper = g_ascii_strup(member, -1);

    return g_strconcat("SVCMGR_", upper, NULL);
}

/* From text to JSON. What makes no sense stays text, for the reader to refuse. */

static json_t *option_text_from_text(const OptionEntry *entry, const char *text)
{
    return json_string(text);
}

static json_t *option_flag_from_text(const OptionEntry *entry, const char *text)
{
    static const char *const words[][2] = {
            {"0", "1"}, {"no", "yes"}, {"false", "true"}, {"off", "on"}};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_str_equal(text, words[i][0]) || g_str_equal(text, words[i][1]))
            return json_boolean(g_str_equal(text, words[i][1]));
    }
    return json_string(text);
}

static json_t *option_count_from_text(const OptionEntry *entry, const char *text)
{
    uint64_t number;

    if (parse_unsigned(text, 0, INT64_MAX, &number, NULL))
        return json_integer((json_int_t)number);
    return json_string(text);
}

static json_t *option_path_from_text(const OptionEntry *entry, const char *text)
{
    if (*text == '\0' || g_path_is_absolute(text) || g_strcmp0(text, entry->argument) == 0)
        return json_string(text);

    g_autofree char *directory = g_get_current_dir();
    g_autofree char *path = g_build_filename(directory, text, NULL);
    return json_string(path);
}

json_t *option_from_list(const OptionEntry *entry, char **list)
{
    json_t *array = json_array();

    for (; *list != NULL; list++) {
        json_t *path = option_path_from_text(entry, *list);

        if (path == NULL) {
            json_decref(array);
            return NULL;
        }
        g_assert(json_array_append_new(array, path) == 0);
    }
    return array;
}

static json_t *option_paths_from_text(const OptionEntry *entry, const char *text)
{
    g_auto(GStrv) list = g_strsplit(text, ":", -1);

    return option_from_list(entry, list);
}

/* From JSON to the field. */

static void option_read_string(JsonContext *context, const JsonPath *path, const json_t *value,
                               void *field, const void *expected)
{
    char **string = field;

    if (json_is_string(value) && json_string_length(value) > 0) {
        g_free(*string);
        *string = g_strdup(json_string_value(value));
    } else {
        json_problem_expected(context, path, expected, value);
    }
}

/* word: that may stand in place of a path, or NULL. */
static bool option_path_is_good(JsonContext *context, const JsonPath *path, const json_t *value,
                                const char *word)
{
    const char *text = json_string_value(value);

    if (text != NULL && (g_path_is_absolute(text) || g_strcmp0(text, word) == 0))
        return true;
    json_problem_expected(context, path,
                          text == NULL || *text == '\0' ? "a path" : "an absolute path", value);
    return false;
}

static void option_read_path(JsonContext *context, const JsonPath *path, const json_t *value,
                             void *field, const void *word)
{
    if (option_path_is_good(context, path, value, word))
        option_read_string(context, path, value, field, NULL);
}

static void option_read_word_or_path(JsonContext *context, const JsonPath *path,
                                     const json_t *value, void *field, const void *argument)
{
    const OptionWords *words = argument;
    const char *text = json_string_value(value);

    if (text != NULL && (g_path_is_absolute(text) || g_strv_contains(words->words, text)))
        option_read_string(context, path, value, field, NULL);
    else
        json_problem_expected(context, path, words->expected, value);
}

static void option_read_paths(JsonContext *context, const JsonPath *path, const json_t *value,
                              void *field, const void *unused)
{
    bool is_good = true;

    if (!json_is_array(value) || json_array_size(value) == 0) {
        json_problem_expected(context, path, "an array of paths", value);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        JsonPath place = {.parent = path, .index = i};

        if (!option_path_is_good(context, &place, json_array_get(value, i), NULL))
            is_good = false;
    }
    if (is_good)
        json_read_strv(context, path, value, field, NULL);
}

static void option_read_enum(JsonContext *context, const JsonPath *path, const json_t *value,
                             void *field, const void *argument)
{
    json_read_enum(context, path, value, field, &((const OptionEnum *)argument)->strings);
}

static void option_read_defaults(JsonContext *context, const JsonPath *path, const json_t *value,
                                 void *field, const void *unused)
{
    json_t **defaults = field;
    unsigned n_problems = problems_count(context->problems);

    config_check_defaults(context, path, value);
    if (problems_count(context->problems) > n_problems)
        return;
    json_decref(*defaults);
    *defaults = json_incref((json_t *)value); /* the count is no part of the value */
}

/* From the field to JSON. */

static json_t *option_flag_to_json(const OptionEntry *entry, const void *field)
{
    return *(const bool *)field ? json_true() : NULL;
}

static json_t *option_string_to_json(const OptionEntry *entry, const void *field)
{
    const char *string = *(char *const *)field;

    return string != NULL ? json_string(string) : NULL;
}

static json_t *option_path_to_json(const OptionEntry *entry, const void *field)
{
    const char *path = *(char *const *)field;

    if (path == NULL)
        path = entry->argument;
    return path != NULL ? json_string(path) : NULL;
}

static json_t *option_paths_to_json(const OptionEntry *entry, const void *field)
{
    char **paths = *(char **const *)field;

    return paths != NULL ? option_from_list(entry, paths) : NULL;
}

static json_t *option_count_to_json(const OptionEntry *entry, const void *field)
{
    return json_integer((json_int_t) * (const uint64_t *)field);
}

static json_t *option_size_to_json(const OptionEntry *entry, const void *field)
{
    g_autofree char *text = format_size(*(const uint64_t *)field);

    return json_string(text);
}

static json_t *option_duration_to_json(const OptionEntry *entry, const void *field)
{
    g_autofree char *text = format_duration(*(const uint64_t *)field);

    return json_string(text);
}

static json_t *option_enum_to_json(const OptionEntry *entry, const void *field)
{
    const OptionEnum *strings = entry->argument;

    return json_string(strings->to_string(*(const int *)field));
}

static json_t *option_defaults_to_json(const OptionEntry *entry, const void *field)
{
    return json_incref(*(json_t *const *)field);
}

typedef struct OptionTypeRow {
    GOptionArg arg; /* never one that GOption converts: it would stop at the first mistake */
    json_t *(*from_text)(const OptionEntry *entry, const char *text);
    JsonRead read;
    json_t *(*to_json)(const OptionEntry *entry, const void *field);
} OptionTypeRow;

static const OptionTypeRow option_types[_OPTION_TYPE_MAX] = {
        [OPTION_FLAG] = {G_OPTION_ARG_NONE, option_flag_from_text, json_read_bool,
                         option_flag_to_json},
        [OPTION_STRING] = {G_OPTION_ARG_FILENAME, option_text_from_text, option_read_string,
                           option_string_to_json},
        [OPTION_PATH] = {G_OPTION_ARG_FILENAME, option_path_from_text, option_read_path,
                         option_path_to_json},
        [OPTION_WORD_OR_PATH] = {G_OPTION_ARG_FILENAME, option_text_from_text,
                                 option_read_word_or_path, option_string_to_json},
        [OPTION_PATHS] = {G_OPTION_ARG_FILENAME_ARRAY, option_paths_from_text, option_read_paths,
                          option_paths_to_json},
        [OPTION_COUNT] = {G_OPTION_ARG_FILENAME, option_count_from_text, json_read_unsigned,
                          option_count_to_json},
        [OPTION_SIZE] = {G_OPTION_ARG_FILENAME, option_text_from_text, json_read_size,
                         option_size_to_json},
        [OPTION_DURATION] = {G_OPTION_ARG_FILENAME, option_text_from_text, json_read_duration,
                             option_duration_to_json},
        [OPTION_ENUM] = {G_OPTION_ARG_FILENAME, option_text_from_text, option_read_enum,
                         option_enum_to_json},
        [OPTION_DEFAULTS] = {G_OPTION_ARG_NONE, option_text_from_text, option_read_defaults,
                             option_defaults_to_json},
};

GOptionArg option_arg(const OptionEntry *entry)
{
    return option_types[entry->type].arg;
}

json_t *option_from_text(const OptionEntry *entry, const char *text)
{
    return option_types[entry->type].from_text(entry, text);
}

void option_read(JsonContext *context, const JsonPath *path, const json_t *value, void *field,
                 const OptionEntry *entry)
{
    option_types[entry->type].read(context, path, value, field, entry->argument);
}

json_t *option_to_json(const OptionEntry *entry, const void *field)
{
    return option_types[entry->type].to_json(entry, field);
}
