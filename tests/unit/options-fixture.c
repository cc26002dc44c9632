/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "options-fixture.h"

#include "base/virtual.h"
#include "run/group.h"

#include <glib/gstdio.h>
#include <string.h>

static void on_fixture_log(LogLevel level, const char *service, const char *message, void *data)
{
    OptionsFixture *fixture = data;

    if (level <= LOG_LEVEL_WARNING)
        g_string_append_printf(fixture->log, "%s\n", message);
}

static void fixture_clear_environment(void)
{
    static const char *const prefixes[] = {"SVCMGR_", "XDG_"};
    static const char *const suffixes[] = {"_DIRECTORY"};
    g_auto(GStrv) names = g_listenv();

    for (char **name = names; *name != NULL; name++) {
        if (g_str_has_prefix(*name, prefixes[0]) || g_str_has_prefix(*name, prefixes[1]) ||
            g_str_has_suffix(*name, suffixes[0]))
            g_unsetenv(*name);
    }
}

void options_fixture_set_up(OptionsFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture->root = g_dir_make_tmp("svcmgr-options-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->config_dir = g_build_filename(fixture->root, "config", NULL);
    g_assert_cmpint(g_mkdir(fixture->config_dir, 0700), ==, 0);
    fixture->log = g_string_new(NULL);
    fixture_clear_environment();
    g_setenv("HOME", fixture->root, TRUE);
    g_setenv("XDG_RUNTIME_DIR", fixture->root, TRUE);
    g_setenv("CONFIGURATION_DIRECTORY", fixture->config_dir, TRUE);
    log_set_sink(on_fixture_log, fixture);
}

static void fixture_remove(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        fixture_remove(child);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

void options_fixture_tear_down(OptionsFixture *fixture, const void *unused)
{
    log_set_sink(NULL, NULL);
    options_done(&fixture->options);
    fixture_clear_environment();
    fixture_remove(fixture->root);
    g_string_free(fixture->log, TRUE);
    g_free(fixture->config_dir);
    g_free(fixture->root);
}

bool options_fixture_read(OptionsFixture *fixture, const char *arguments, GError **error)
{
    g_autofree char *line = g_strconcat("svcmgrd ", arguments, NULL);
    g_auto(GStrv) argv = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    VirtualLoop *loop = virtual_loop_new();
    GroupEvents events = {NULL};
    Group *group = group_new(virtual_loop_clock(loop), virtual_loop_timers(loop), &events);
    Unit unit = {"options", options_group, options_validate, .data = &fixture->options};
    int argc;

    options_done(&fixture->options);
    fixture->options = (Options){.is_root = fixture->is_root};
    g_assert_true(g_shell_parse_argv(line, &argc, &argv, NULL));
    g_autofree char **borrowed = g_memdup2(argv, (size_t)(argc + 1) * sizeof(char *));
    char **rest = borrowed;
    g_option_context_set_help_enabled(context, FALSE);
    group_register(group, &unit);
    bool good = group_configure(group, context, &argc, &rest, error);
    group_free(group);
    virtual_loop_free(loop);
    return good;
}

char *options_fixture_fail(OptionsFixture *fixture, const char *arguments)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(options_fixture_read(fixture, arguments, &error));
    return g_strdup(error->message);
}

char *options_fixture_write(OptionsFixture *fixture, const char *name, const char *text)
{
    char *path = g_build_filename(fixture->root, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
    g_assert_no_error(error);
    return path;
}

char *options_fixture_expand(const OptionsFixture *fixture, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "ROOT", -1);

    return g_strjoinv(fixture->root, parts);
}
