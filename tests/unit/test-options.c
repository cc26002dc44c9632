/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the daemon: what comes out of it, and every mistake by its message. */

#include "base/virtual.h"
#include "run/group.h"
#include "run/options.h"

typedef struct OptionsRow {
    const char *path;
    const char *arguments; /* separated by blanks; "''" is an empty one */
    const char *errors;    /* or NULL: good */
} OptionsRow;

static const OptionsRow rows[] = {
        {"none", "", NULL},
        {"all",
         "--system --socket=/s --services-dir=/a --services-dir /b --runtime-dir=/r "
         "--max-services=7 --log-level=debug",
         NULL},
        {"system-user", "--system --user", "--system and --user exclude each other"},
        {"system-address", "--system --address=a", "--system and --address exclude each other"},
        {"user-address", "--user --address=a", "--user and --address exclude each other"},
        {"address-empty", "--address ''", "--address: expected the address of a bus, got \"\""},
        {"socket-empty", "--socket ''", "--socket: expected a path, got \"\""},
        {"runtime-dir-empty", "--runtime-dir '' --socket=none",
         "--runtime-dir: expected a path, got \"\""},
        {"services-dir-empty", "--services-dir ''", "--services-dir: expected a path, got \"\""},
        {"log-level", "--log-level=loud",
         "--log-level: expected error, warning, notice, info or debug, got \"loud\""},
        {"unknown", "--systen", "unknown option --systen"},
        {"stray", "web", "unexpected argument \"web\""},
        {"all-at-once", "--system --user --log-level=x more --what",
         "unexpected argument \"more\"\n"
         "unknown option --what\n"
         "--system and --user exclude each other\n"
         "--log-level: expected error, warning, notice, info or debug, got \"x\""},
};

static bool options_read(Options *options, const char *arguments, GError **error)
{
    g_autofree char *line = g_strconcat("svcmgrd ", arguments, NULL);
    g_auto(GStrv) argv = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    VirtualLoop *loop = virtual_loop_new();
    GroupEvents events = {NULL};
    Group *group = group_new(virtual_loop_clock(loop), virtual_loop_timers(loop), &events);
    Unit unit = {"options", options_group, options_validate, .data = options};
    int argc;

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

static void test_row(const void *data)
{
    const OptionsRow *row = data;
    Options options = {.is_root = true};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(options_read(&options, row->arguments, &error), ==, row->errors == NULL);
    g_assert_cmpstr(error != NULL ? error->message : NULL, ==, row->errors);
    options_done(&options);
}

static void test_max_services(void)
{
    static const char *const bad[] = {"0", "-1", "many", "1000001", "''", "1.5"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *arguments = g_strdup_printf("--max-services=%s", bad[i]);
        Options options = {.is_root = true};
        g_autoptr(GError) error = NULL;

        g_assert_false(options_read(&options, arguments, &error));
        g_assert_true(g_str_has_prefix(error->message, "--max-services: expected "));
        options_done(&options);
    }
}

static void test_values(void)
{
    Options options = {0};

    g_assert_true(options_read(&options, rows[1].arguments, NULL));
    g_assert_true(options.use_system_bus);
    g_assert_cmpstr(options.socket, ==, "/s");
    g_assert_cmpstr(options.services_dirs[0], ==, "/a");
    g_assert_cmpstr(options.services_dirs[1], ==, "/b");
    g_assert_cmpstr(options.runtime_dir, ==, "/r");
    g_assert_cmpuint(options.max_services, ==, 7);
    g_assert_cmpint(options.log_level, ==, LOG_LEVEL_DEBUG);
    options_done(&options);
}

static void test_absolute(void)
{
    Options options = {0};
    g_autofree char *directory = g_get_current_dir();
    g_autofree char *runtime = g_build_filename(directory, "r", NULL);
    g_autofree char *socket = g_build_filename(runtime, "private", NULL);
    g_autofree char *services = g_build_filename(directory, "a/b", NULL);

    g_assert_true(options_read(&options, "--runtime-dir=r --services-dir=a/b", NULL));
    g_assert_cmpstr(options.runtime_dir, ==, runtime);
    g_assert_cmpstr(options.socket, ==, socket);
    g_assert_cmpstr(options.services_dirs[0], ==, services);
    g_assert_false(options.use_system_bus);
    options_done(&options);
}

static void test_socket_none(void)
{
    Options options = {.is_root = true};

    g_assert_true(options_read(&options, "--socket=none", NULL));
    g_assert_null(options.socket);
    options_done(&options);
}

typedef struct DefaultRow {
    const char *runtime_directory;
    const char *xdg_runtime_dir;
    bool is_root;
    const char *expected; /* or NULL: an error */
} DefaultRow;

static void test_runtime_dir_default(void)
{
    static const DefaultRow table[] = {
            {"/given:/more", "/user", true, "/given"},
            {NULL, "/user", true, "/run/svcmgr"},
            {"/given", "/user", false, "/given"},
            {NULL, "/user", false, "/user/svcmgr"},
            {"given", "/user", false, "/user/svcmgr"},
            {NULL, NULL, true, "/run/svcmgr"},
            {NULL, "user", false, NULL},
            {NULL, NULL, false, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        Options options = {.is_root = table[i].is_root};
        g_autoptr(GError) error = NULL;

        g_unsetenv("RUNTIME_DIRECTORY");
        g_unsetenv("XDG_RUNTIME_DIR");
        if (table[i].runtime_directory != NULL)
            g_setenv("RUNTIME_DIRECTORY", table[i].runtime_directory, TRUE);
        if (table[i].xdg_runtime_dir != NULL)
            g_setenv("XDG_RUNTIME_DIR", table[i].xdg_runtime_dir, TRUE);
        g_assert_cmpint(options_read(&options, "", &error), ==, table[i].expected != NULL);
        g_assert_cmpstr(options.runtime_dir, ==, table[i].expected);
        g_assert_cmpint(options.use_system_bus, ==, table[i].is_root);
        options_done(&options);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("RUNTIME_DIRECTORY");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/options/row/", rows[i].path, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/options/max-services", test_max_services);
    g_test_add_func("/options/values", test_values);
    g_test_add_func("/options/absolute", test_absolute);
    g_test_add_func("/options/socket-none", test_socket_none);
    g_test_add_func("/options/runtime-dir-default", test_runtime_dir_default);
    return g_test_run();
}
