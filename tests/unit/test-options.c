/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the daemon and the defaults: what comes out of them, and every mistake by its
 * message. */

#include "base/clock.h"
#include "core/map.h"
#include "options-fixture.h"

#include <unistd.h>

typedef struct OptionsRow {
    const char *path;
    const char *arguments;
    const char *errors; /* or NULL: good */
} OptionsRow;

static const OptionsRow rows[] = {
        {"none", "", NULL},
        {"all",
         "--system --socket=/s --services-dir=/a --services-dir /b --runtime-dir=/r --state-dir=/t "
         "--log-dir=/l --hooks-dir=/h --pid-file=/p --max-services=7 --log-level=debug "
         "--max-starting=8 "
         "--log-max-total=1MiB --restore=wanted --startup-timeout='1min 1s' --shutdown-timeout=30 "
         "--cgroup=/c",
         NULL},
        {"system-user", "--system --user", "--system and --user exclude each other"},
        {"system-address", "--system --address=a", "--system and --address exclude each other"},
        {"user-address", "--user --address=a", "--user and --address exclude each other"},
        {"all-buses", "--user --address=a --system",
         "--system and --user exclude each other\n"
         "--system and --address exclude each other\n"
         "--user and --address exclude each other"},
        {"address-empty", "--address ''", "--address: expected the address of a bus, got \"\""},
        {"socket-empty", "--socket ''", "--socket: expected a path, got \"\""},
        {"cgroup-empty", "--cgroup ''",
         "--cgroup: expected auto, none or an absolute path, got \"\""},
        {"cgroup-relative", "--cgroup=aut",
         "--cgroup: expected auto, none or an absolute path, got \"aut\""},
        {"runtime-dir-empty", "--runtime-dir '' --socket=none",
         "--runtime-dir: expected a path, got \"\""},
        {"services-dir-empty", "--services-dir /a --services-dir ''",
         "--services-dir: expected a path, got \"\""},
        {"log-level", "--log-level=loud",
         "--log-level: expected error, warning, notice, info or debug, got \"loud\""},
        {"restore", "--restore=all",
         "--restore: expected auto, enabled, wanted or none, got \"all\""},
        {"log-max-total", "--log-max-total=much",
         "--log-max-total: expected a size such as \"64KiB\", got much"},
        {"log-max-total-negative", "--log-max-total=-1",
         "--log-max-total: expected a size such as \"64KiB\", got -1"},
        {"log-max-total-huge", "--log-max-total=9EiB",
         "--log-max-total: expected a size such as \"1GiB\", or 0, got \"9EiB\""},
        {"startup-timeout-none", "--startup-timeout=0",
         "--startup-timeout: expected a duration such as \"15s\", more than 0 and at most a year, "
         "got \"0\""},
        {"startup-timeout-endless", "--startup-timeout=infinity",
         "--startup-timeout: expected a duration such as \"15s\", more than 0 and at most a year, "
         "got \"infinity\""},
        {"shutdown-timeout", "--shutdown-timeout=2y",
         "--shutdown-timeout: expected a duration such as \"30s\", got 2y"},
        {"not-utf8", "--state-dir=\xff/a", "--state-dir: expected text in UTF-8"},
        {"not-utf8-list", "--services-dir=/a --services-dir=/\xff",
         "--services-dir: expected text in UTF-8"},
        {"file-only", "--defaults={}", "unknown option --defaults={}"},
        {"unknown", "--systen", "unknown option --systen"},
        {"stray", "web", "unexpected argument \"web\""},
        {"all-at-once", "--system --user --log-level=x more --what --max-services=many",
         "unexpected argument \"more\"\n"
         "unknown option --what\n"
         "--system and --user exclude each other\n"
         "--max-services: expected a number from 1 to 1000000, got \"many\"\n"
         "--log-level: expected error, warning, notice, info or debug, got \"x\""},
};

static void test_row(OptionsFixture *fixture, const void *data)
{
    const OptionsRow *row = data;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(options_fixture_read(fixture, row->arguments, &error), ==, row->errors == NULL);
    g_assert_cmpstr(error != NULL ? error->message : NULL, ==, row->errors);
    g_assert_cmpstr(fixture->log->str, ==, "");
}

static void test_max_services(OptionsFixture *fixture, const void *unused)
{
    static const char *const bad[] = {
            "0", "-1", "many", "1000001", "''", "1.5", "9223372036854775808"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *arguments = g_strdup_printf("--max-services=%s", bad[i]);
        g_autofree char *message = options_fixture_fail(fixture, arguments);

        g_assert_true(
                g_str_has_prefix(message, "--max-services: expected a number from 1 to 1000000"));
    }
}

static void test_max_starting(OptionsFixture *fixture, const void *unused)
{
    static const char *const bad[] = {"-1", "many", "1000001", "''", "1.5", "9223372036854775808"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *arguments = g_strdup_printf("--max-starting=%s", bad[i]);
        g_autofree char *message = options_fixture_fail(fixture, arguments);

        g_assert_true(
                g_str_has_prefix(message, "--max-starting: expected a number from 0 to 1000000"));
    }
    g_assert_true(options_fixture_read(fixture, "--max-starting=0", NULL));
    g_assert_cmpuint(fixture->options.max_starting, ==, 0);
}

static void test_values(OptionsFixture *fixture, const void *unused)
{
    const Options *options = &fixture->options;

    g_assert_true(options_fixture_read(fixture, rows[1].arguments, NULL));
    g_assert_true(options->use_system_bus);
    g_assert_true(options->system);
    g_assert_cmpstr(options->socket, ==, "/s");
    g_assert_true(options->services_dirs_given);
    g_assert_cmpstrv(options->services_dirs, ((const char *const[]){"/a", "/b", NULL}));
    g_assert_cmpstr(options->runtime_dir, ==, "/r");
    g_assert_cmpstr(options->state_dir, ==, "/t");
    g_assert_cmpstr(options->log_dir, ==, "/l");
    g_assert_cmpuint(options->log_max_total_bytes, ==, 1024 * 1024);
    g_assert_cmpstr(options->hooks_dir, ==, "/h");
    g_assert_true(options->hooks_dir_given);
    g_assert_cmpstr(options->pid_file, ==, "/p");
    g_assert_cmpuint(options->max_services, ==, 7);
    g_assert_cmpuint(options->max_starting, ==, 8);
    g_assert_cmpstr(options->cgroup, ==, "/c");
    g_assert_cmpint(options->restore, ==, RESTORE_OPTION_WANTED);
    g_assert_cmpuint(options->startup_timeout_usec, ==, 61 * USEC_PER_SEC);
    g_assert_cmpuint(options->shutdown_timeout_usec, ==, 30 * USEC_PER_SEC);
    g_assert_cmpint(options->log_level, ==, LOG_LEVEL_DEBUG);
}

/* Nothing was said. */
static void test_defaults(OptionsFixture *fixture, const void *unused)
{
    const Options *options = &fixture->options;

    g_assert_true(options_fixture_read(fixture, "", NULL));
    g_assert_null(options->address);
    g_assert_null(options->pid_file);
    g_assert_null(options->defaults);
    g_assert_false(options->services_dirs_given);
    g_assert_false(options->hooks_dir_given);
    g_assert_cmpuint(options->max_services, ==, MAP_MAX_SERVICES);
    g_assert_cmpuint(options->max_starting, ==, 0);
    g_assert_cmpuint(options->log_max_total_bytes, ==, 1024 * 1024 * 1024);
    g_assert_cmpstr(options->cgroup, ==, "auto");
    g_assert_cmpint(options->restore, ==, RESTORE_OPTION_AUTO);
    g_assert_cmpuint(options->startup_timeout_usec, ==, 15 * USEC_PER_SEC);
    g_assert_cmpuint(options->shutdown_timeout_usec, ==, 0);
    g_assert_cmpint(options->log_level, ==, LOG_LEVEL_INFO);
    g_assert_false(options->help || options->version || options->print_config ||
                   options->list_units);
}

static void test_actions(OptionsFixture *fixture, const void *unused)
{
    const Options *options = &fixture->options;

    g_assert_true(options_fixture_read(fixture, "-h --print-config", NULL));
    g_assert_true(options->help && options->print_config);
    g_assert_false(options->version || options->list_units);
    g_assert_false(options_fixture_read(fixture, "--version --list-units --restore=x", NULL));
    g_assert_true(options->version && options->list_units);
    g_assert_false(options->help || options->print_config);
}

static void test_absolute(OptionsFixture *fixture, const void *unused)
{
    const Options *options = &fixture->options;
    g_autofree char *directory = g_get_current_dir();
    g_autofree char *runtime = g_build_filename(directory, "r", NULL);
    g_autofree char *socket = g_build_filename(runtime, "private", NULL);
    g_autofree char *services = g_build_filename(directory, "a/b", NULL);
    g_autofree char *none = g_build_filename(directory, "none", NULL);

    g_assert_true(options_fixture_read(fixture,
                                       "--runtime-dir=r --services-dir=a/b --pid-file=none", NULL));
    g_assert_cmpstr(options->runtime_dir, ==, runtime);
    g_assert_cmpstr(options->socket, ==, socket);
    g_assert_cmpstr(options->services_dirs[0], ==, services);
    g_assert_cmpstr(options->pid_file, ==, none);
    g_assert_false(options->use_system_bus);
}

static void test_socket_none(OptionsFixture *fixture, const void *unused)
{
    g_assert_true(options_fixture_read(fixture, "--socket=none", NULL));
    g_assert_null(fixture->options.socket);
}

/* Which environment leads to which directories. Variables are given as for a shell. */
typedef struct DefaultRow {
    const char *path;
    const char *variables;
    const char *arguments;
    bool is_root;
    const char *runtime, *state, *log, *hooks, *services; /* as they come out */
    const char *errors;                                   /* or NULL */
} DefaultRow;

static const DefaultRow default_rows[] = {
        {"system", "HOME=/home XDG_RUNTIME_DIR=/x XDG_STATE_HOME=/y XDG_CONFIG_HOME=/z", "", true,
         "/run/svcmgr", "/var/lib/svcmgr", "/var/log/svcmgr", "/etc/svcmgr/hooks",
         "/usr/lib/svcmgr/services:/etc/svcmgr/services:/run/svcmgr/services", NULL},
        {"systemd",
         "RUNTIME_DIRECTORY=/r:/more STATE_DIRECTORY=/s:/more LOGS_DIRECTORY=/l:/more "
         "CONFIGURATION_DIRECTORY=/c:/more",
         "", true, "/r", "/s", "/l", "/c/hooks", "/usr/lib/svcmgr/services:/c/services:/r/services",
         NULL},
        {"systemd-of-user",
         "RUNTIME_DIRECTORY=/r STATE_DIRECTORY=/s LOGS_DIRECTORY=/l CONFIGURATION_DIRECTORY=/c "
         "XDG_DATA_HOME=/d XDG_RUNTIME_DIR=/x",
         "", false, "/r", "/s", "/l", "/c/hooks", "/d/svcmgr/services:/c/services:/r/services",
         NULL},
        {"home", "HOME=/home XDG_RUNTIME_DIR=/x", "", false, "/x/svcmgr",
         "/home/.local/state/svcmgr", "/home/.local/state/svcmgr/log", "/home/.config/svcmgr/hooks",
         "/home/.local/share/svcmgr/services:/home/.config/svcmgr/services:/x/svcmgr/services",
         NULL},
        {"xdg",
         "HOME=/home XDG_RUNTIME_DIR=/x XDG_STATE_HOME=/y XDG_CONFIG_HOME=/z XDG_DATA_HOME=/d", "",
         false, "/x/svcmgr", "/y/svcmgr", "/y/svcmgr/log", "/z/svcmgr/hooks",
         "/d/svcmgr/services:/z/svcmgr/services:/x/svcmgr/services", NULL},
        {"relative-are-ignored",
         "HOME=/home XDG_RUNTIME_DIR=/x XDG_STATE_HOME=y XDG_CONFIG_HOME=z RUNTIME_DIRECTORY=r", "",
         false, "/x/svcmgr", "/home/.local/state/svcmgr", "/home/.local/state/svcmgr/log",
         "/home/.config/svcmgr/hooks",
         "/home/.local/share/svcmgr/services:/home/.config/svcmgr/services:/x/svcmgr/services",
         NULL},
        {"root-as-user", "HOME=/root XDG_RUNTIME_DIR=/x", "--user", true, "/x/svcmgr",
         "/root/.local/state/svcmgr", "/root/.local/state/svcmgr/log", "/root/.config/svcmgr/hooks",
         "/root/.local/share/svcmgr/services:/root/.config/svcmgr/services:/x/svcmgr/services",
         NULL},
        {"user-on-the-system-bus", "HOME=/home XDG_RUNTIME_DIR=/x", "--system", false, "/x/svcmgr",
         "/home/.local/state/svcmgr", "/home/.local/state/svcmgr/log", "/home/.config/svcmgr/hooks",
         "/home/.local/share/svcmgr/services:/home/.config/svcmgr/services:/x/svcmgr/services",
         NULL},
        {"root-on-an-address", "XDG_RUNTIME_DIR=/x", "--address=a", true, "/run/svcmgr",
         "/var/lib/svcmgr", "/var/log/svcmgr", "/etc/svcmgr/hooks",
         "/usr/lib/svcmgr/services:/etc/svcmgr/services:/run/svcmgr/services", NULL},
        {"root-as-user-without-runtime-dir", "HOME=/root", "--user", true, NULL,
         "/root/.local/state/svcmgr", "/root/.local/state/svcmgr/log", "/root/.config/svcmgr/hooks",
         "/root/.local/share/svcmgr/services:/root/.config/svcmgr/services",
         "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set: give --runtime-dir"},
        {"nothing", "", "", false, NULL, NULL, NULL, NULL, "",
         "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set: give --runtime-dir\n"
         "none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set: give --state-dir\n"
         "none of LOGS_DIRECTORY, XDG_STATE_HOME and HOME is set: give --log-dir"},
        {"nothing-but-given", "", "--runtime-dir=/r --state-dir=/s --log-dir=/l", false, "/r", "/s",
         "/l", NULL, "/r/services", NULL},
};

static void test_directories(OptionsFixture *fixture, const void *data)
{
    const DefaultRow *row = data;
    const Options *options = &fixture->options;
    g_auto(GStrv) variables = g_strsplit(row->variables, " ", -1);
    g_autofree char *config = options_fixture_write(fixture, "empty.json", "{}");
    g_autoptr(GError) error = NULL;

    if (row->is_root && geteuid() != 0) {
        g_test_skip("root's daemon trusts no config file of another user");
        return;
    }
    g_setenv("SVCMGR_CONFIG", config, TRUE); /* and not that of the machine */
    g_unsetenv("HOME");
    g_unsetenv("XDG_RUNTIME_DIR");
    g_unsetenv("CONFIGURATION_DIRECTORY");
    for (char **variable = variables; *variable != NULL; variable++) {
        g_auto(GStrv) pair = g_strsplit(*variable, "=", 2);

        g_setenv(pair[0], pair[1], TRUE);
    }
    fixture->is_root = row->is_root;
    g_assert_cmpint(options_fixture_read(fixture, row->arguments, &error), ==, row->errors == NULL);
    g_assert_cmpstr(error != NULL ? error->message : NULL, ==, row->errors);
    g_autofree char *services = g_strjoinv(":", options->services_dirs);
    g_assert_cmpstr(options->runtime_dir, ==, row->runtime);
    g_assert_cmpstr(options->state_dir, ==, row->state);
    g_assert_cmpstr(options->log_dir, ==, row->log);
    g_assert_cmpstr(options->hooks_dir, ==, row->hooks);
    g_assert_cmpstr(services, ==, row->services);
}

static void test_restore_names(void)
{
    for (int i = 0; i < _RESTORE_OPTION_MAX; i++)
        g_assert_cmpint(restore_option_from_string(restore_option_to_string((RestoreOption)i)), ==,
                        i);
    g_assert_cmpint(restore_option_from_string("all"), ==, _RESTORE_OPTION_INVALID);
}

#define ADD(path, data, func)                                                                      \
    g_test_add(path, OptionsFixture, data, options_fixture_set_up, func, options_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/options/row/", rows[i].path, NULL);

        ADD(path, &rows[i], test_row);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(default_rows); i++) {
        g_autofree char *path = g_strconcat("/options/directories/", default_rows[i].path, NULL);

        ADD(path, &default_rows[i], test_directories);
    }
    ADD("/options/max-services", NULL, test_max_services);
    ADD("/options/max-starting", NULL, test_max_starting);
    ADD("/options/values", NULL, test_values);
    ADD("/options/defaults", NULL, test_defaults);
    ADD("/options/actions", NULL, test_actions);
    ADD("/options/absolute", NULL, test_absolute);
    ADD("/options/socket-none", NULL, test_socket_none);
    g_test_add_func("/options/restore-names", test_restore_names);
    return g_test_run();
}
