/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is appended to a log is in its files: all of it, in order, in files of the right size that
 * nobody else may read, whatever is done to them meanwhile. */

#include "service-log-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

static void check_text(LogFixture *fixture, const char *id, uint64_t number, const char *expected)
{
    g_autofree char *text = log_fixture_text(fixture, id, number);

    g_assert_cmpstr(text, ==, expected);
}

static void check_numbers(LogFixture *fixture, const char *id, const char *expected)
{
    g_autoptr(GArray) numbers = service_log_files_list(fixture->logs, id);
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < numbers->len; i++)
        g_string_append_printf(text, "%s%u", i > 0 ? " " : "",
                               (unsigned)g_array_index(numbers, uint64_t, i));
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_append(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);
    ServiceLog *same = log_fixture_open(fixture, "web", 0, 0);
    ServiceLog *other = log_fixture_open(fixture, "db", 0, 0);

    g_assert_true(log == same);
    g_assert_true(log != other);
    g_assert_false(g_file_test(fixture->directory, G_FILE_TEST_EXISTS));
    log_fixture_say(log, "one\ntwo\n");
    log_fixture_say(other, "other\n");
    service_log_close(same);
    log_fixture_say(log, "three\n");
    check_text(fixture, "web", 0, "one\ntwo\nthree\n");
    check_text(fixture, "db", 0, "other\n");
    service_log_close(log);
    service_log_close(other);
    g_assert_cmpuint(fixture->told->len, ==, 0);
}

/* A new daemon goes on where the last one ended, in size as well. */
static void test_restart(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 100, 5);

    log_fixture_count(log, 1, 8, 10);
    service_log_close(log);
    log_fixture_restart(fixture);
    log = log_fixture_open(fixture, "web", 100, 5);
    log_fixture_count(log, 9, 12, 10);
    service_log_close(log);
    check_text(fixture, "web", 0, "11       \n12       \n");
    check_numbers(fixture, "web", "1");
    g_autofree char *full = log_fixture_text(fixture, "web", 1);
    g_assert_cmpuint(strlen(full), ==, 100);
}

/* The last daemon was killed while it wrote. */
static void test_torn(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 100, 5);
    g_autofree char *path = log_fixture_path(fixture, "web", 0);

    log_fixture_say(log, "one\n");
    service_log_close(log);
    g_assert_true(g_file_set_contents(path, "one\nhalf a li", -1, NULL));
    log = log_fixture_open(fixture, "web", 100, 5);
    log_fixture_say(log, "two\n");
    service_log_close(log);
    check_text(fixture, "web", 0, "one\nhalf a li\ntwo\n");
}

static void test_rotate(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 100, 3);

    for (unsigned i = 1; i <= 95; i++) {
        log_fixture_count(log, i, i, 10);
        g_autofree char *current = log_fixture_text(fixture, "web", 0);
        g_assert_cmpuint(strlen(current), ==, i % 10 == 0 ? 100 : i % 10 * 10);
    }
    check_numbers(fixture, "web", "7 8 9");
    g_autofree char *all = log_fixture_all(fixture, "web");
    g_assert_cmpuint(strlen(all), ==, 350);
    for (unsigned i = 0; i < 35; i++)
        g_assert_cmpuint(strtoul(all + 10 * i, NULL, 10), ==, 61 + i);
    service_log_close(log);

    /* Other rules are in force with the next rotation. */
    log = log_fixture_open(fixture, "web", 50, 1);
    log_fixture_count(log, 96, 96, 10);
    check_numbers(fixture, "web", "10");
    check_text(fixture, "web", 0, "96       \n");
    service_log_close(log);

    /* None besides the current one; and the numbers go on. */
    log = log_fixture_open(fixture, "web", 10, 0);
    log_fixture_count(log, 97, 99, 10);
    check_numbers(fixture, "web", "");
    service_log_close(log);
    log = log_fixture_open(fixture, "web", 10, 2);
    log_fixture_count(log, 100, 101, 10);
    check_numbers(fixture, "web", "1 2");
    service_log_close(log);
}

/* As long as the log is open no number comes twice, though nothing with it is left. */
static void test_numbers(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 2);
    g_autofree char *rotated = log_fixture_path(fixture, "web", 1);

    log_fixture_count(log, 1, 2, 10);
    g_assert_cmpint(g_remove(rotated), ==, 0);
    log_fixture_count(log, 3, 3, 10);
    check_numbers(fixture, "web", "2");
    service_log_close(log);
}

/* One append with more than a file may have is cut between lines only. */
static void test_cut(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 10);
    g_autofree char *line = g_strnfill(30, 'x');
    g_autofree char *long_line = g_strconcat(line, "\n", NULL);
    g_autofree char *lines = g_strconcat("12345\n789\nABC\n", long_line, "end\n", NULL);

    log_fixture_say(log, lines);
    check_text(fixture, "web", 1, "12345\n789\n");
    check_text(fixture, "web", 2, "ABC\n");
    check_text(fixture, "web", 3, long_line);
    check_text(fixture, "web", 0, "end\n");
    service_log_close(log);
}

/* Every way in which 10 lines of random lengths can be given is the same in the end. */
static void test_random(LogFixture *fixture, const void *unused)
{
    g_autoptr(GString) said = g_string_new(NULL);
    ServiceLog *log = log_fixture_open(fixture, "web", 200, 1000);

    for (unsigned i = 0; i < 300; i++) {
        g_autoptr(GString) lines = g_string_new(NULL);

        for (int n = g_test_rand_int_range(1, 12); n > 0; n--) {
            g_autofree char *line =
                    g_strnfill((gsize)g_test_rand_int_range(0, 60), (char)('a' + n));

            g_string_append_printf(lines, "%s\n", line);
        }
        log_fixture_say(log, lines->str);
        g_string_append(said, lines->str);
    }
    g_autofree char *all = log_fixture_all(fixture, "web");
    g_assert_cmpstr(all, ==, said->str);

    g_autoptr(GArray) numbers = service_log_files_list(fixture->logs, "web");
    g_assert_cmpuint(numbers->len, ==, g_array_index(numbers, uint64_t, numbers->len - 1));
    for (unsigned i = 0; i < numbers->len; i++) {
        g_autofree char *text =
                log_fixture_text(fixture, "web", g_array_index(numbers, uint64_t, i));

        g_assert_cmpuint(strlen(text), <=, 200);
        g_assert_cmpuint(strlen(text), >, 200 - 61);
        g_assert_true(g_str_has_suffix(text, "\n"));
    }
    service_log_close(log);
}

/* Descriptors */

static void test_many(LogFixture *fixture, const void *unused)
{
    enum { MANY = 300, OPEN = 256 };
    ServiceLog *logs[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("many-%u", i);

        logs[i] = log_fixture_open(fixture, id, 0, 0);
        log_fixture_say(logs[i], "one\n");
    }
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds + OPEN);
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("many-%u", i);

        log_fixture_say(logs[i], "two\n");
        check_text(fixture, id, 0, "one\ntwo\n");
        service_log_close(logs[i]);
    }
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds);
    g_assert_cmpuint(fixture->told->len, ==, 0);
}

/* What others do to the files */

static void test_removed(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 100, 5);
    g_autofree char *path = log_fixture_path(fixture, "web", 0);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *renamed = g_strconcat(path, ".old", NULL);
    g_autofree char *moved = g_strconcat(fixture->directory, ".old", NULL);

    log_fixture_say(log, "one\n");
    g_assert_cmpint(g_remove(path), ==, 0);
    log_fixture_say(log, "two\n");
    check_text(fixture, "web", 0, "two\n");
    g_assert_cmpuint(log_fixture_n_told(fixture, "web: its log "), ==, 1);
    g_assert_cmpuint(log_fixture_n_told(fixture, "was removed or renamed by somebody"), ==, 1);

    g_assert_cmpint(g_rename(path, renamed), ==, 0);
    log_fixture_say(log, "three\n");
    check_text(fixture, "web", 0, "three\n");

    g_assert_cmpint(g_remove(path), ==, 0);
    g_assert_cmpint(g_remove(renamed), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
    log_fixture_say(log, "four\n");
    check_text(fixture, "web", 0, "four\n");

    g_assert_cmpint(g_rename(fixture->directory, moved), ==, 0);
    log_fixture_say(log, "five\n");
    check_text(fixture, "web", 0, "five\n");
    g_assert_cmpuint(fixture->told->len, ==, 1); /* not each time */

    virtual_loop_advance(fixture->loop, 61 * USEC_PER_SEC);
    g_assert_cmpint(g_remove(path), ==, 0);
    log_fixture_say(log, "six\n");
    g_assert_cmpuint(fixture->told->len, ==, 2);
    service_log_close(log);
}

/* It is as long as it is, not as long as it was. */
static void test_truncated(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 100, 5);
    g_autofree char *path = log_fixture_path(fixture, "web", 0);

    log_fixture_count(log, 1, 9, 10);
    g_assert_cmpint(truncate(path, 0), ==, 0);
    log_fixture_count(log, 10, 19, 10);
    check_numbers(fixture, "web", "");
    log_fixture_count(log, 20, 20, 10);
    check_numbers(fixture, "web", "1");
    service_log_close(log);
}

/* And it may end within a line now. */
static void test_truncated_line(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 100, 5);
    g_autofree char *path = log_fixture_path(fixture, "web", 0);

    log_fixture_say(log, "one\ntwo\n");
    g_assert_cmpint(truncate(path, 6), ==, 0);
    log_fixture_say(log, "three\n");
    log_fixture_say(log, "four\n");
    check_text(fixture, "web", 0, "one\ntw\nthree\nfour\n");
    service_log_close(log);
}

/* Who does not know them leaves the rules as they are, and where there are none removes nothing. */
static void test_no_rules(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 8);

    g_assert_true(service_log_open(fixture->logs, "web", NULL) == log);
    log_fixture_count(log, 1, 9, 10);
    check_numbers(fixture, "web", "1 2 3 4 5 6 7 8");
    service_log_close(log);
    service_log_close(log);

    g_autofree char *path = log_fixture_path(fixture, "web", 0);
    log = service_log_open(fixture->logs, "web", NULL);
    log_fixture_count(log, 10, 10, 10);
    check_numbers(fixture, "web", "1 2 3 4 5 6 7 8");
    g_assert_cmpint(truncate(path, (off_t)SERVICE_LOG_SIZE_DEFAULT), ==, 0);
    log_fixture_count(log, 11, 11, 10);
    check_numbers(fixture, "web", "1 2 3 4 5 6 7 8 9");
    service_log_close(log);
}

static void place_link(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *target = g_build_filename(directory, "victim", NULL);

    g_assert_true(g_file_set_contents(target, "untouched", -1, NULL));
    g_assert_cmpint(symlink("victim", path), ==, 0);
}

static void check_link(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *target = g_build_filename(directory, "victim", NULL);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(target, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "untouched");
}

static void place_dangling(const char *path)
{
    g_assert_cmpint(symlink("nowhere", path), ==, 0);
}

static void place_fifo(const char *path)
{
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
}

static void place_directory(const char *path)
{
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

/* Nothing is followed, nothing blocks; it is told once, and goes on when the way is free. */
static void test_foreign(LogFixture *fixture, const void *unused)
{
    static const struct {
        void (*place)(const char *path);
        void (*check)(const char *path);
    } rows[] = {{place_link, check_link},
                {place_dangling, NULL},
                {place_fifo, NULL},
                {place_directory, NULL}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *id = g_strdup_printf("web-%u", i);
        g_autofree char *path = log_fixture_path(fixture, id, 0);
        g_autofree char *told = g_strdup_printf("%s: cannot write to its log %s: ", id, path);
        ServiceLog *log = log_fixture_open(fixture, id, 1000, 5);

        log_fixture_say(log, "one\n");
        g_assert_cmpint(g_remove(path), ==, 0);
        rows[i].place(path);
        log_fixture_say(log, "two\nthree\n");
        log_fixture_say(log, "four\n");
        g_assert_cmpuint(log_fixture_n_told(fixture, told), ==, 1);
        if (rows[i].check != NULL)
            rows[i].check(path);

        g_assert_cmpint(service_log_files_open(fixture->logs, id, 0), ==, -1);
        g_assert_cmpint(g_remove(path), ==, 0);
        log_fixture_say(log, "five\n");
        g_autofree char *text = log_fixture_text(fixture, id, 0);
        g_assert_true(g_str_has_prefix(text, "svcmgr: 3 lines (15 bytes) were lost: "));
        g_assert_true(g_str_has_suffix(text, "\nfive\n"));
        service_log_close(log);
    }
    g_assert_cmpuint(log_fixture_n_told(fixture, "is written again"), ==, G_N_ELEMENTS(rows));
}

/* A link in the place of a service's directory is not gone through either. */
static void test_foreign_directory(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 1000, 5);
    g_autofree char *place = g_build_filename(fixture->directory, "web", NULL);
    g_autofree char *elsewhere = g_build_filename(fixture->base, "elsewhere", NULL);
    g_autofree char *followed = g_build_filename(elsewhere, "current", NULL);

    g_assert_cmpint(g_mkdir_with_parents(fixture->directory, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(elsewhere, 0700), ==, 0);
    g_assert_cmpint(symlink(elsewhere, place), ==, 0);
    log_fixture_say(log, "one\n");
    g_assert_false(g_file_test(followed, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(log_fixture_n_told(fixture, "web: cannot write to its log "), ==, 1);
    service_log_close(log);
    g_assert_cmpuint(fixture->told->len, ==, 1);
    service_logs_tell_deleted(fixture->logs, "web");
    g_assert_cmpuint(log_fixture_n_told(fixture, "web: of what it said at last, 1 line (4 bytes)"),
                     ==, 1);
}

/* Who may read */

static void check_mode(const char *path, unsigned mode)
{
    struct stat status;

    g_assert_cmpint(lstat(path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 07777, ==, mode);
}

/* Of the files of a log, as another user; 0: none. */
static int readable_elsewhere(const char *const *paths)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        int n = 0;

        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
            _exit(100);
        for (unsigned i = 0; paths[i] != NULL; i++)
            n += open(paths[i], O_RDONLY | O_CLOEXEC) >= 0;
        _exit(n);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_modes(LogFixture *fixture, const void *unused)
{
    mode_t mask = umask(0);
    ServiceLog *log = log_fixture_open(fixture, "web", 10, 5);
    g_autofree char *current = log_fixture_path(fixture, "web", 0);
    g_autofree char *rotated = log_fixture_path(fixture, "web", 1);
    g_autofree char *directory = g_path_get_dirname(current);
    const char *paths[] = {current, rotated, directory, fixture->directory, NULL};

    log_fixture_count(log, 1, 2, 10);
    check_mode(current, 0600);
    check_mode(rotated, 0600);
    check_mode(directory, 0700);
    check_mode(fixture->directory, 0700);

    /* Even where somebody was careless. */
    g_assert_cmpint(chmod(fixture->base, 0755), ==, 0);
    g_assert_cmpint(chmod(fixture->directory, 0755), ==, 0);
    g_assert_cmpint(chmod(directory, 0755), ==, 0);
    g_assert_cmpint(chmod(current, 0666), ==, 0);
    service_log_close(log);
    log = log_fixture_open(fixture, "web", 1000, 5);
    log_fixture_say(log, "3\n");
    check_mode(current, 0600);
    check_mode(directory, 0700);
    g_assert_cmpint(chmod(fixture->directory, 0700), ==, 0);
    if (geteuid() == 0)
        g_assert_cmpint(readable_elsewhere(paths), ==, 0);
    else
        g_test_message("not root: no other user has tried");
    service_log_close(log);
    (void)umask(mask);
}

/* In a directory of somebody else nothing is begun. */
static void test_owner(LogFixture *fixture, const void *unused)
{
    g_autofree char *current = log_fixture_path(fixture, "web", 0);
    g_autofree char *directory = g_path_get_dirname(current);
    ServiceLog *log;

    if (geteuid() != 0) {
        g_test_skip("only root gives files away");
        return;
    }
    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    g_assert_cmpint(chown(directory, 65534, 65534), ==, 0);
    log = log_fixture_open(fixture, "web", 0, 0);
    log_fixture_say(log, "one\n");
    g_assert_false(g_file_test(current, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(log_fixture_n_told(fixture, "must belong to the daemon's user"), ==, 1);
    g_assert_cmpint(chown(directory, 0, 0), ==, 0);
    log_fixture_say(log, "two\n");
    check_text(fixture, "web", 0,
               "svcmgr: 1 line (4 bytes) was lost: Operation not permitted\ntwo\n");
    service_log_close(log);
}

/* What somebody else owns he can read, whatever its mode is. */
static void test_file_owner(LogFixture *fixture, const void *unused)
{
    ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);
    g_autofree char *path = log_fixture_path(fixture, "web", 0);

    if (geteuid() != 0) {
        g_test_skip("only root can give a file away");
        service_log_close(log);
        return;
    }
    log_fixture_say(log, "one\n");
    service_log_close(log);
    g_assert_cmpint(chown(path, 65534, 65534), ==, 0);
    log = log_fixture_open(fixture, "web", 0, 0);
    log_fixture_say(log, "two\n");
    log_fixture_say(log, "three\n");
    check_text(fixture, "web", 0, "one\n");
    g_assert_cmpuint(log_fixture_n_told(fixture, "must belong to the daemon's user"), ==, 1);
    g_assert_cmpint(chown(path, 0, 0), ==, 0);
    log_fixture_say(log, "four\n");
    check_text(fixture, "web", 0,
               "one\nsvcmgr: 2 lines (10 bytes) were lost: Operation not permitted\nfour\n");
    service_log_close(log);
}

/* Listeners */

typedef struct Heard {
    LogFixture *fixture;
    ServiceLogListener *listener;
    GString *text; /* "a" for each append, "d" for a deletion */
    bool leaves;   /* when it hears something */
} Heard;

static void on_heard(bool is_deleted, void *data)
{
    Heard *heard = data;

    g_string_append_c(heard->text, is_deleted ? 'd' : 'a');
    if (heard->leaves)
        g_clear_pointer(&heard->listener, service_log_unlisten);
}

static void heard_begin(Heard *heard, LogFixture *fixture, const char *id)
{
    heard->fixture = fixture;
    heard->text = g_string_new(NULL);
    heard->listener = service_log_listen(fixture->logs, id, on_heard, heard);
}

static void heard_end(Heard *heard, const char *expected)
{
    g_assert_cmpstr(heard->text->str, ==, expected);
    g_string_free(heard->text, TRUE);
    g_clear_pointer(&heard->listener, service_log_unlisten);
}

static void test_listen(LogFixture *fixture, const void *unused)
{
    Heard stays = {0}, leaves = {.leaves = true}, other = {0};
    ServiceLog *log = log_fixture_open(fixture, "web", 0, 0);

    log_fixture_say(log, "nobody hears\n");
    heard_begin(&leaves, fixture, "web");
    heard_begin(&stays, fixture, "web");
    heard_begin(&other, fixture, "db");
    log_fixture_say(log, "one\n");
    log_fixture_say(log, "two\n");
    service_logs_tell_deleted(fixture->logs, "web");
    service_logs_tell_deleted(fixture->logs, "nobody");
    service_log_close(log);
    heard_end(&leaves, "a");
    heard_end(&stays, "aad");
    heard_end(&other, "");

    /* The last one, too, may leave. */
    Heard last = {.leaves = true};
    heard_begin(&last, fixture, "web");
    service_logs_tell_deleted(fixture->logs, "web");
    service_logs_tell_deleted(fixture->logs, "web");
    heard_end(&last, "d");
}

#define LOG_TEST(name, function)                                                                   \
    g_test_add("/service-log/" name, LogFixture, NULL, log_fixture_init, function, log_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    LOG_TEST("append", test_append);
    LOG_TEST("restart", test_restart);
    LOG_TEST("torn", test_torn);
    LOG_TEST("rotate", test_rotate);
    LOG_TEST("numbers", test_numbers);
    LOG_TEST("cut", test_cut);
    LOG_TEST("random", test_random);
    LOG_TEST("many", test_many);
    LOG_TEST("removed", test_removed);
    LOG_TEST("truncated", test_truncated);
    LOG_TEST("truncated-line", test_truncated_line);
    LOG_TEST("no-rules", test_no_rules);
    LOG_TEST("foreign", test_foreign);
    LOG_TEST("foreign-directory", test_foreign_directory);
    LOG_TEST("modes", test_modes);
    LOG_TEST("owner", test_owner);
    LOG_TEST("file-owner", test_file_owner);
    LOG_TEST("listen", test_listen);
    return g_test_run();
}
