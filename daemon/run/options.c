/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GOption only collects; values are kept as text and read by options_validate, so that every
 * mistake is reported and not just the first. */

#include "run/options.h"

#include "base/errors.h"
#include "base/parse.h"

#define OPTIONS_MAX_SERVICES 1000000
#define OPTIONS_RUNTIME_NAME "svcmgr"

void options_done(Options *options)
{
    g_clear_pointer(&options->address, g_free);
    g_clear_pointer(&options->socket, g_free);
    g_clear_pointer(&options->services_dirs, g_strfreev);
    g_clear_pointer(&options->runtime_dir, g_free);
    g_clear_pointer(&options->max_services_text, g_free);
    g_clear_pointer(&options->log_level_text, g_free);
}

GOptionGroup *options_group(void *data)
{
    Options *options = data;
    GOptionGroup *group = g_option_group_new("svcmgrd", "Options:", "", NULL, NULL);
    GOptionEntry entries[] = {
            {"system", 0, 0, G_OPTION_ARG_NONE, &options->system,
             "Serve on the system bus (default for root)", NULL},
            {"user", 0, 0, G_OPTION_ARG_NONE, &options->user,
             "Serve on the session bus (default for others)", NULL},
            {"address", 0, 0, G_OPTION_ARG_STRING, &options->address, "Serve on the bus at ADDRESS",
             "ADDRESS"},
            {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options->socket,
             "Private socket (default: RUNTIME_DIR/private)", "PATH|none"},
            {"services-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->services_dirs,
             "Read definitions from DIR; of several, later ones win", "DIR"},
            {"runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->runtime_dir,
             "Directory of sockets (default: $RUNTIME_DIRECTORY, /run/svcmgr for root, "
             "$XDG_RUNTIME_DIR/svcmgr)",
             "DIR"},
            {"max-services", 0, 0, G_OPTION_ARG_STRING, &options->max_services_text,
             "At most so many services (default: 10000)", "N"},
            {"log-level", 0, 0, G_OPTION_ARG_STRING, &options->log_level_text,
             "error, warning, notice, info (default) or debug", "LEVEL"},
            {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit",
             NULL},
            {"help", 'h', 0, G_OPTION_ARG_NONE, &options->help, "Print this help and exit", NULL},
            {NULL},
    };

    g_option_group_add_entries(group, entries);
    return group;
}

static void options_refuse(GPtrArray *errors, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void options_refuse(GPtrArray *errors, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(errors,
                    g_error_new_valist(SVCMGR_ERROR, (int)ERROR_INVALID_ARGS, format, args));
    va_end(args);
}

static void options_validate_bus(Options *options, GPtrArray *errors)
{
    if (options->system && options->user)
        options_refuse(errors, "--system and --user exclude each other");
    if (options->system && options->address != NULL)
        options_refuse(errors, "--system and --address exclude each other");
    if (options->user && options->address != NULL)
        options_refuse(errors, "--user and --address exclude each other");
    if (options->address != NULL && *options->address == '\0')
        options_refuse(errors, "--address: expected the address of a bus, got \"\"");
    options->use_system_bus = options->system || (!options->user && options->is_root);
}

static void options_make_absolute(char **path, const char *name, GPtrArray *errors)
{
    if (**path == '\0') {
        options_refuse(errors, "%s: expected a path, got \"\"", name);
        return;
    }
    if (g_path_is_absolute(*path))
        return;

    g_autofree char *directory = g_get_current_dir();
    g_autofree char *relative = *path;
    *path = g_build_filename(directory, relative, NULL);
}

/* RUNTIME_DIRECTORY (systemd.exec(5)) may name several, separated by colons. */
static char *options_default_runtime_dir(const Options *options)
{
    const char *given = g_getenv("RUNTIME_DIRECTORY");
    const char *user = g_getenv("XDG_RUNTIME_DIR");

    if (given != NULL && g_path_is_absolute(given))
        return g_strndup(given, strcspn(given, ":"));
    if (options->is_root)
        return g_build_filename("/run", OPTIONS_RUNTIME_NAME, NULL);
    if (user != NULL && g_path_is_absolute(user))
        return g_build_filename(user, OPTIONS_RUNTIME_NAME, NULL);
    return NULL;
}

static void options_validate_paths(Options *options, GPtrArray *errors)
{
    if (options->runtime_dir == NULL)
        options->runtime_dir = options_default_runtime_dir(options);
    if (options->runtime_dir == NULL)
        options_refuse(errors, "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set: give "
                               "--runtime-dir");
    else
        options_make_absolute(&options->runtime_dir, "--runtime-dir", errors);

    if (options->socket == NULL && options->runtime_dir != NULL)
        options->socket = g_build_filename(options->runtime_dir, "private", NULL);
    else if (g_strcmp0(options->socket, "none") == 0)
        g_clear_pointer(&options->socket, g_free);
    else if (options->socket != NULL)
        options_make_absolute(&options->socket, "--socket", errors);

    for (char **dir = options->services_dirs; dir != NULL && *dir != NULL; dir++)
        options_make_absolute(dir, "--services-dir", errors);
}

static void options_validate_values(Options *options, GPtrArray *errors)
{
    uint64_t max_services;
    GError *error = NULL;

    options->log_level = LOG_LEVEL_INFO;
    if (options->log_level_text != NULL &&
        !log_level_from_string(options->log_level_text, &options->log_level)) {
        g_autofree char *excerpt = parse_excerpt(options->log_level_text);

        options_refuse(errors,
                       "--log-level: expected error, warning, notice, info or debug, got \"%s\"",
                       excerpt);
    }
    if (options->max_services_text == NULL)
        return;
    if (parse_unsigned(options->max_services_text, 1, OPTIONS_MAX_SERVICES, &max_services,
                       &error)) {
        options->max_services = (unsigned)max_services;
        return;
    }
    g_prefix_error(&error, "--max-services: ");
    g_ptr_array_add(errors, error);
}

void options_validate(void *data, GPtrArray *errors)
{
    Options *options = data;

    options_validate_bus(options, errors);
    options_validate_paths(options, errors);
    options_validate_values(options, errors);
}
