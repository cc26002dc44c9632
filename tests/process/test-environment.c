/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process/environment.h"

#include <string.h>

#include <glib/gstdio.h>

typedef struct FileRow {
    const char *text;
    const char *expected; /* joined by |; NULL: error */
    const char *error;
} FileRow;

static const FileRow file_rows[] = {
        {"A=1\nB=2\n", "A=1|B=2", NULL},
        {"", "", NULL},
        {"\n\n# comment\n  # another\nA=1", "A=1", NULL},
        {"A=\"a b\"\nB='c d'\nC=\"\"\n", "A=a b|B=c d|C=", NULL},
        {"A=a b  \n  B =", NULL, "line 2: expected NAME=value"},
        {"A=  x y  ", "A=x y", NULL},
        {"A=$HOME `ls` \\n", "A=$HOME `ls` \\n", NULL},
        {"A=1\nA=2\n", "A=2", NULL},
        {"A=b=c", "A=b=c", NULL},
        {"A=it's", "A=it's", NULL},
        {"A='it's'", "A=it's", NULL},
        {"OK=1\nnonsense\n", NULL, "line 2: expected NAME=value"},
        {"1A=2", NULL, "line 1: expected NAME=value"},
        {"export A=2", NULL, "line 1: expected NAME=value"},
        {"=2", NULL, "line 1: expected NAME=value"},
        {"A=\"open", NULL, "line 1: expected a closing quote"},
        {"A='", NULL, "line 1: expected a closing quote"},
        {"A=\"mixed'", NULL, "line 1: expected a closing quote"},
        {"A=1\nhunter2", NULL, "line 2: expected NAME=value"},
        {"hunter2 = hunter2", NULL, "line 1: expected NAME=value"},
        {"A=1\nNOTIFY_SOCKET=/run/x", NULL, "line 2: the variable is set by the daemon itself"},
        {"WATCHDOG_USEC =1", NULL, "line 1: expected NAME=value"},
        {" WATCHDOG_USEC=1", NULL, "line 1: the variable is set by the daemon itself"},
        {"LISTEN_FDS=1", NULL, "line 1: the variable is set by the daemon itself"},
        {"MAINPID=hunter2", NULL, "line 1: the variable is set by the daemon itself"},
        {"hunter2=\"hunter2", NULL, "line 1: expected a closing quote"},
};

static void test_file(void)
{
    g_autofree char *directory = g_dir_make_tmp("svcmgr-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "file", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(file_rows); i++) {
        const FileRow *row = &file_rows[i];
        g_autoptr(Environment) environment = environment_new();
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(path, row->text, -1, NULL));
        g_assert_true(environment_add_file(environment, path, &error) == (row->expected != NULL));
        if (row->expected == NULL) {
            g_assert_nonnull(strstr(error->message, row->error));
            g_assert_nonnull(strstr(error->message, path));
            g_assert_null(strstr(error->message, "hunter2")); /* the secret of the file */
            continue;
        }
        g_auto(GStrv) strings = environment_to_strv(g_steal_pointer(&environment));
        g_autofree char *joined = g_strjoinv("|", strings);
        g_assert_cmpstr(joined, ==, row->expected);
    }
    g_remove(path);
    g_rmdir(directory);
}

static void test_file_refused(void)
{
    g_autofree char *directory = g_dir_make_tmp("svcmgr-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "file", NULL);
    g_autofree char *large = g_strnfill(ENVIRONMENT_FILE_MAX_BYTES + 1, '\n');
    g_autoptr(Environment) environment = environment_new();
    g_autoptr(GError) missing = NULL, directory_error = NULL, large_error = NULL, nul_error = NULL;

    g_assert_false(environment_add_file(environment, path, &missing));
    g_assert_nonnull(strstr(missing->message, "No such file"));
    g_assert_nonnull(strstr(missing->message, path));
    g_assert_false(environment_add_file(environment, directory, &directory_error));
    g_assert_true(g_file_set_contents(path, large, -1, NULL));
    g_assert_false(environment_add_file(environment, path, &large_error));
    g_assert_true(g_file_set_contents(path, "A=1\0B=2", 7, NULL));
    g_assert_false(environment_add_file(environment, path, &nul_error));
    g_assert_null(environment_get(environment, "A"));
    g_remove(path);
    g_rmdir(directory);
}

static void test_later_wins(void)
{
    g_autoptr(Environment) environment = environment_new();

    environment_set(environment, "A", "1");
    environment_set(environment, "B", "2");
    environment_set(environment, "A", "three");
    g_assert_cmpstr(environment_get(environment, "A"), ==, "three");
    g_assert_null(environment_get(environment, "C"));

    g_auto(GStrv) strings = environment_to_strv(g_steal_pointer(&environment));
    g_autofree char *joined = g_strjoinv("|", strings);
    g_assert_cmpstr(joined, ==, "A=three|B=2");
}

static void test_names(void)
{
    static const char *const good[] = {"A", "_", "a1", "LONG_NAME_2", "_1"};
    static const char *const bad[] = {"", "1", "A-B", "A B", "A.B", "\xc3\xa4", "A="};
    static const char *const reserved[] = {
            "INVOCATION_ID", "SVCMGR_ID",  "NOTIFY_SOCKET", "MAINPID",        "WATCHDOG_USEC",
            "WATCHDOG_PID",  "LISTEN_FDS", "LISTEN_PID",    "LISTEN_FDNAMES",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(environment_name_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(environment_name_is_valid(bad[i], strlen(bad[i])));
    for (size_t i = 0; i < G_N_ELEMENTS(reserved); i++)
        g_assert_true(environment_name_is_reserved(reserved[i]));
    g_assert_false(environment_name_is_reserved("PATH"));
    g_assert_false(environment_name_is_reserved("LISTEN"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/environment/file", test_file);
    g_test_add_func("/environment/file/refused", test_file_refused);
    g_test_add_func("/environment/later-wins", test_later_wins);
    g_test_add_func("/environment/names", test_names);
    return g_test_run();
}
