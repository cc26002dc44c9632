/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the daemon, one argument a line, without the config file that the machine may
 * have. */

#include "run/options.h"

#include "base/virtual.h"
#include "fuzz.h"
#include "run/group.h"

#include <string.h>

#define OPTIONS_FUZZ_ERROR_MAX_BYTES (64 * 1024)

static bool options_fuzz_configure(Options *options, char **arguments, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    VirtualLoop *loop = virtual_loop_new();
    GroupEvents events = {NULL};
    Group *group = group_new(virtual_loop_clock(loop), virtual_loop_timers(loop), &events);
    Unit unit = {"options", options_group, options_validate, .data = options};
    int argc = (int)g_strv_length(arguments);
    g_autofree char **borrowed = g_memdup2(arguments, (size_t)(argc + 1) * sizeof(char *));
    char **rest = borrowed;

    g_option_context_set_help_enabled(context, FALSE);
    group_register(group, &unit);
    bool good = group_configure(group, context, &argc, &rest, error);
    group_free(group);
    virtual_loop_free(loop);
    return good;
}

static void options_fuzz_assert(const Options *options)
{
    g_assert_true(g_path_is_absolute(options->runtime_dir));
    g_assert_true(options->socket == NULL || g_path_is_absolute(options->socket));
    for (char **dir = options->services_dirs; dir != NULL && *dir != NULL; dir++)
        g_assert_true(g_path_is_absolute(*dir));
    g_assert_true(g_path_is_absolute(options->state_dir));
    g_assert_true(g_path_is_absolute(options->log_dir));
    g_assert_cmpuint(options->log_max_total_bytes, <=, INT64_MAX);
    g_assert_true(g_path_is_absolute(options->cgroup) || g_str_equal(options->cgroup, "auto") ||
                  g_str_equal(options->cgroup, "none"));
    g_assert_cmpuint(options->max_services, >, 0);
    g_assert_cmpuint(options->startup_timeout_usec, >, 0);
    g_assert_false(options->system && options->user);
    g_assert_true(options->address == NULL || options->address[0] != '\0');
    g_assert_cmpint(options->log_level, >=, LOG_LEVEL_ERROR);
    g_assert_cmpint(options->log_level, <=, LOG_LEVEL_DEBUG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *lines = fuzz_string(data, size);
    g_autofree char *line = g_strconcat("svcmgrd\n", lines, NULL);
    g_auto(GStrv) arguments = g_strsplit(line, "\n", 64);
    g_autoptr(GError) error = NULL;
    Options options = {.is_root = true};

    g_setenv("CONFIGURATION_DIRECTORY", fuzz_directory(), TRUE);
    if (options_fuzz_configure(&options, arguments, &error)) {
        g_assert_no_error(error);
        options_fuzz_assert(&options);
    } else {
        g_assert_nonnull(error);
        fuzz_assert_lines(error->message, OPTIONS_FUZZ_ERROR_MAX_BYTES);
    }
    options_done(&options);
    return 0;
}
