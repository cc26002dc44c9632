/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of a log's files, and who has which number. */

#include "service-log-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

static void test_directory_names(void)
{
    static const char *const rows[][2] = {
            {"web", "web"},       {"app/web", "app%2Fweb"}, {".", "%2E"},
            {"..", "%2E."},       {".hidden", "%2Ehidden"}, {"a.b-c_d@e:f", "a.b-c_d@e:f"},
            {"a%2Fb", "a%252Fb"}, {"\xc3\xa4", "%C3%A4"},
    };
    g_autofree char *fits = g_strnfill(255, 'a');
    g_autofree char *longer = g_strnfill(256, 'a');
    g_autofree char *another = g_strconcat(fits, "b", NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = service_log_directory_name(rows[i][0]);

        g_assert_cmpstr(name, ==, rows[i][1]);
    }
    g_autofree char *name = service_log_directory_name(fits);
    g_autofree char *name_longer = service_log_directory_name(longer);
    g_autofree char *name_another = service_log_directory_name(another);
    g_assert_cmpstr(name, ==, fits);
    g_assert_cmpuint(strlen(name_longer), ==, 255);
    g_assert_cmpuint(strlen(name_another), ==, 255);
    g_assert_cmpstr(name_longer, !=, name_another);
    g_assert_cmpstr(name_longer, !=, name);
}

static void test_file_names(void)
{
    static const char *const foreign[] = {"",
                                          "current",
                                          "1.log",
                                          "000000.log",
                                          "000000000001",
                                          "000000000001.log.gz",
                                          ".",
                                          "0000000000001.log",
                                          "00000000001a.log",
                                          " 00000000001.log",
                                          "-00000000001.log",
                                          "+00000000001.log",
                                          "000000000000.log",
                                          "9223372036854775808.log",
                                          "99999999999999999999.log"};
    static const uint64_t numbers[] = {1, 42, 999999999999, 1000000000000, INT64_MAX};
    char name[SERVICE_LOG_NAME_BYTES];

    for (unsigned i = 0; i < G_N_ELEMENTS(foreign); i++)
        g_assert_cmpuint(service_log_file_number(foreign[i]), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
        service_log_file_name(numbers[i], name);
        g_assert_cmpuint(service_log_file_number(name), ==, numbers[i]);
    }
    service_log_file_name(42, name);
    g_assert_cmpstr(name, ==, "000000000042.log");
    service_log_file_name(0, name);
    g_assert_cmpstr(name, ==, "current");
}

static void test_list(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 100);
    g_autofree char *current = log_fixture_path(fixture, "web", 0);
    g_autofree char *foreign = g_strconcat(current, ".gz", NULL);
    g_autoptr(GArray) none = service_log_files_list(fixture->logs, "web");

    g_assert_cmpuint(none->len, ==, 0);
    log_fixture_count(log, 1, 31, 10);
    g_assert_true(g_file_set_contents(foreign, "", -1, NULL));
    g_autoptr(GArray) numbers = service_log_files_list(fixture->logs, "web");
    g_assert_cmpuint(numbers->len, ==, 30);
    for (unsigned i = 0; i < numbers->len; i++)
        g_assert_cmpuint(g_array_index(numbers, uint64_t, i), ==, i + 1);
    service_log_close(log);
}

static void test_open(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 100);
    char text[16] = "";

    g_assert_cmpint(service_log_files_open(fixture->logs, "web", 0), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    log_fixture_count(log, 1, 2, 10);
    autofd int rotated = service_log_files_open(fixture->logs, "web", 1);
    autofd int current = service_log_files_open(fixture->logs, "web", 0);
    g_assert_cmpint(read(rotated, text, sizeof text), ==, 10);
    g_assert_cmpint(text[0], ==, '1');
    g_assert_cmpint(read(current, text, sizeof text), ==, 10);
    g_assert_cmpint(text[0], ==, '2');
    g_assert_cmpint(write(current, "x", 1), ==, -1);
    g_assert_cmpint(service_log_files_open(fixture->logs, "web", 2), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    service_log_close(log);
}

/* Who reads keeps a file open while it moves, and goes. */
static void test_find(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 2);

    log_fixture_count(log, 1, 1, 10);
    autofd int fd = service_log_files_open(fixture->logs, "web", 0);
    g_assert_cmpuint(service_log_files_find(fixture->logs, "web", fd), ==, 0);
    log_fixture_count(log, 2, 2, 10);
    g_assert_cmpuint(service_log_files_find(fixture->logs, "web", fd), ==, 1);
    log_fixture_count(log, 3, 3, 10);
    g_assert_cmpuint(service_log_files_find(fixture->logs, "web", fd), ==, 1);
    log_fixture_count(log, 4, 4, 10);
    g_assert_cmpuint(service_log_files_find(fixture->logs, "web", fd), ==, UINT64_MAX);
    g_assert_cmpuint(service_log_files_find(fixture->logs, "nobody", fd), ==, UINT64_MAX);
    service_log_close(log);
}

/* Another daemon has just given the number that we are about to give. */
static int late_renameat(int from_fd, const char *from, int directory_fd, const char *path)
{
    if (g_str_equal(path, "000000000001.log")) {
        autofd int fd = openat(directory_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        g_assert_cmpint(write(fd, "theirs\n", 7), ==, 7);
    }
    return sys_linux.renameat(from_fd, from, directory_fd, path);
}

static void test_other_daemon(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 20, 5);

    fixture->sys.renameat = late_renameat;
    log_fixture_count(log, 1, 3, 10);
    g_autofree char *theirs = log_fixture_text(fixture, "web", 1);
    g_autofree char *ours = log_fixture_text(fixture, "web", 2);
    g_autofree char *current = log_fixture_text(fixture, "web", 0);
    g_assert_cmpstr(theirs, ==, "theirs\n");
    g_assert_cmpstr(ours, ==, "1        \n2        \n");
    g_assert_cmpstr(current, ==, "3        \n");
    g_assert_cmpuint(fixture->told->len, ==, 0);
    service_log_close(log);
}

#define FILES_TEST(name, function)                                                                 \
    g_test_add("/service-log-files/" name, LogFixture, NULL, log_fixture_init, function,           \
               log_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FILES_TEST("other-daemon", test_other_daemon);
    g_test_add_func("/service-log-files/directory-names", test_directory_names);
    g_test_add_func("/service-log-files/file-names", test_file_names);
    FILES_TEST("list", test_list);
    FILES_TEST("open", test_open);
    FILES_TEST("find", test_find);
    return g_test_run();
}
