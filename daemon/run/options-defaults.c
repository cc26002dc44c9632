/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds when nothing was said. systemd tells a service its directories by variables
 * (systemd.exec(5)); without them a daemon of the system has the usual ones, and a user's has those
 * of the XDG Base Directory Specification, which wants relative values ignored. */

#include "run/options-internal.h"

#include "base/clock.h"
#include "core/map.h"

#include <string.h>

typedef struct DirectoryRule {
    const char *systemd; /* variable that may name several, or NULL */
    const char *system;
    const char *xdg;  /* variable */
    const char *home; /* below it where that is not set, or NULL */
    const char *name; /* below either */
} DirectoryRule;

static const DirectoryRule options_config_rule = {
        "CONFIGURATION_DIRECTORY", "/etc/svcmgr", "XDG_CONFIG_HOME", ".config", "svcmgr",
};
static const DirectoryRule options_data_rule = {
        NULL, "/usr/lib/svcmgr", "XDG_DATA_HOME", ".local/share", "svcmgr",
};

static const struct {
    const char *option;
    DirectoryRule rule;
} options_directories[] = {
        {"runtime-dir", {"RUNTIME_DIRECTORY", "/run/svcmgr", "XDG_RUNTIME_DIR", NULL, "svcmgr"}},
        {"state-dir",
         {"STATE_DIRECTORY", "/var/lib/svcmgr", "XDG_STATE_HOME", ".local/state", "svcmgr"}},
        {"log-dir",
         {"LOGS_DIRECTORY", "/var/log/svcmgr", "XDG_STATE_HOME", ".local/state", "svcmgr/log"}},
};

/* NULL unless absolute. */
static const char *options_directory_variable(const char *name)
{
    const char *value = name != NULL ? g_getenv(name) : NULL;

    return value != NULL && g_path_is_absolute(value) ? value : NULL;
}

/* NULL: nothing says where. */
static char *options_directory(const DirectoryRule *rule, bool is_user)
{
    const char *systemd = options_directory_variable(rule->systemd);
    const char *xdg = options_directory_variable(rule->xdg);
    const char *home = rule->home != NULL ? options_directory_variable("HOME") : NULL;

    if (systemd != NULL)
        return g_strndup(systemd, strcspn(systemd, ":"));
    if (!is_user)
        return g_strdup(rule->system);
    if (xdg != NULL)
        return g_build_filename(xdg, rule->name, NULL);
    return home != NULL ? g_build_filename(home, rule->home, rule->name, NULL) : NULL;
}

static bool options_are_default(const Options *options, const char *name)
{
    return *options_source(options, options_find_entry(name)) == OPTION_SOURCE_DEFAULT;
}

char *options_default_config(bool is_user)
{
    g_autofree char *directory = options_directory(&options_config_rule, is_user);

    return directory != NULL ? g_build_filename(directory, "svcmgrd.json", NULL) : NULL;
}

void options_set_values(Options *options)
{
    options->max_services = MAP_MAX_SERVICES;
    options->max_starting = 0;
    options->log_max_total_bytes = UINT64_C(1) << 30;
    options->cgroup = g_strdup("auto");
    options->restore = RESTORE_OPTION_AUTO;
    options->startup_timeout_usec = 15 * USEC_PER_SEC;
    options->shutdown_timeout_usec = 0;
    options->log_level = LOG_LEVEL_INFO;
}

static void options_fill_in_directories(Options *options, bool is_user, GPtrArray *errors)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options_directories); i++) {
        const DirectoryRule *rule = &options_directories[i].rule;
        const char *name = options_directories[i].option;
        char **directory = options_field(options, options_find_entry(name));

        if (*directory == NULL)
            *directory = options_directory(rule, is_user);
        if (*directory != NULL)
            continue;
        if (rule->home != NULL)
            options_refuse(errors, "none of %s, %s and HOME is set: give --%s", rule->systemd,
                           rule->xdg, name);
        else
            options_refuse(errors, "neither %s nor %s is set: give --%s", rule->systemd, rule->xdg,
                           name);
    }
}

static void options_fill_in_socket(Options *options)
{
    if (options->socket == NULL && options->runtime_dir != NULL)
        options->socket = g_build_filename(options->runtime_dir, "private", NULL);
    else if (g_strcmp0(options->socket, "none") == 0)
        g_clear_pointer(&options->socket, g_free);
}

/* directory may be NULL. */
static void options_add_services_dir(GPtrArray *list, const char *directory)
{
    if (directory != NULL)
        g_ptr_array_add(list, g_build_filename(directory, "services", NULL));
}

static void options_fill_in_services_dirs(Options *options, const char *config_dir, bool is_user)
{
    g_autofree char *data_dir = options_directory(&options_data_rule, is_user);
    GPtrArray *list = g_ptr_array_new();

    options_add_services_dir(list, data_dir);
    options_add_services_dir(list, config_dir);
    options_add_services_dir(list, options->runtime_dir);
    g_ptr_array_add(list, NULL);
    options->services_dirs = (char **)g_ptr_array_free(list, FALSE);
}

/* What nobody said is true by default, also of somebody who said false. */
static void options_derive_flag(Options *options, const char *name, bool value)
{
    const OptionEntry *entry = options_find_entry(name);
    bool *flag = options_field(options, entry);

    if (*flag != value)
        *options_source(options, entry) = OPTION_SOURCE_DEFAULT;
    *flag = value;
}

void options_fill_in(Options *options, GPtrArray *errors)
{
    bool is_user = !options->is_root || options->user;
    g_autofree char *config_dir = options_directory(&options_config_rule, is_user);

    options_fill_in_directories(options, is_user, errors);
    options_fill_in_socket(options);
    options->services_dirs_given = !options_are_default(options, "services-dir");
    if (!options->services_dirs_given)
        options_fill_in_services_dirs(options, config_dir, is_user);
    options->hooks_dir_given = !options_are_default(options, "hooks-dir");
    if (!options->hooks_dir_given && config_dir != NULL)
        options->hooks_dir = g_build_filename(config_dir, "hooks", NULL);

    options->use_system_bus = options->system || (!options->user && options->is_root);
    options_derive_flag(options, "system", options->address == NULL && options->use_system_bus);
    options_derive_flag(options, "user", options->address == NULL && !options->use_system_bus);
}
