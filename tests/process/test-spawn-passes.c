/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that a program is given have the numbers that were asked for, whatever numbers the
 * daemon has for them, and nothing else is open; the variables that tell of them carry the
 * program's own number. And commands that run beside a program are told the number of that one. */

#include "base/errors.h"
#include "base/fds.h"
#include "process/host-internal.h"
#include "process/rlimits.h"
#include "spawn-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const SpawnSpec plain = {SPAWN_KEEP_ALL};

/* Open on a file of its own, at the number or after, and such that no exec would close it. */
static int open_at(ProcessFixture *fixture, const char *name, int number)
{
    autofd int fd =
            open(fixture_path(fixture, name), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int placed = fcntl(fd, F_DUPFD, number);

    g_assert_cmpint(placed, >=, number);
    return placed;
}

/* "NUMBER DIRECTORY/NAME" joined. */
static void assert_open(ProcessFixture *fixture, const char *text, const char *expected)
{
    g_autofree char *open = lines_of(text, "open");
    g_autoptr(GString) names = g_string_new(open);
    g_autofree char *prefix = g_strconcat(fixture->directory, "/", NULL);

    (void)g_string_replace(names, prefix, "", 0);
    g_assert_cmpstr(names->str, ==, expected);
}

static char *print_passes(ProcessFixture *fixture, const SpawnPass *passes, size_t n_passes)
{
    return spawn_print_with(fixture, &plain,
                            &(SpawnExtras){.passes = passes, .n_passes = n_passes});
}

static void test_numbers(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 40), b = open_at(fixture, "b", 50);
    int other = open_at(fixture, "other", 3);
    const SpawnPass passes[] = {{b, 7}, {a, 3}, {b, 4}, {a, 600}};

    g_autofree char *text = print_passes(fixture, passes, G_N_ELEMENTS(passes));
    assert_open(fixture, text, "3 a|4 b|7 b|600 a");
    assert_line(text, "stdin", "/dev/null");
    (void)fd_close(a);
    (void)fd_close(b);
    (void)fd_close(other);
}

/* Each stands where another is to be: also the null device, and the child's pipe. */
static void test_exchanged(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 3), b = open_at(fixture, "b", 3), c = open_at(fixture, "c", 3);
    int null = fixture->host->null_fd;
    SpawnPass passes[64];
    size_t n = 0;

    passes[n++] = (SpawnPass){a, b};
    passes[n++] = (SpawnPass){b, c};
    passes[n++] = (SpawnPass){c, a};
    passes[n++] = (SpawnPass){a, null};
    for (int target = 3; n < G_N_ELEMENTS(passes); target++) {
        if (target != a && target != b && target != c && target != null)
            passes[n++] = (SpawnPass){b, target};
    }
    g_autofree char *text = print_passes(fixture, passes, n);
    assert_line(text, "stdin", "/dev/null");
    for (size_t i = 0; i < n; i++) {
        const char *name = passes[i].fd == a ? "a" : passes[i].fd == b ? "b" : "c";
        g_autofree char *line =
                g_strdup_printf("open %d %s/%s\n", passes[i].target, fixture->directory, name);

        assert_contains(text, line);
    }
    g_autofree char *open = lines_of(text, "open");
    g_auto(GStrv) lines = g_strsplit(open, "|", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, n);
    (void)fd_close(a);
    (void)fd_close(b);
    (void)fd_close(c);
}

static int refuse_close_range(unsigned first, unsigned last, int flags)
{
    errno = ENOSYS;
    return -1;
}

static void test_without_close_range(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 10), other = open_at(fixture, "other", 3);
    const SpawnPass passes[] = {{a, 5}, {a, 9}};

    fixture->sys.close_range = refuse_close_range;
    g_autofree char *text = print_passes(fixture, passes, G_N_ELEMENTS(passes));
    assert_open(fixture, text, "5 a|9 a");
    (void)fd_close(a);
    (void)fd_close(other);
}

/* A limit of the program's own that is below what it is given takes nothing away. */
static void test_above_its_limit(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 10);
    const SpawnPass passes[] = {{a, 300}};
    SpawnSpec spec = {SPAWN_KEEP_ALL};

    limits_set(&spec.limits, &(SpawnLimit){RLIMIT_NOFILE, 20, 20});
    g_autofree char *text =
            spawn_print_with(fixture, &spec, &(SpawnExtras){.passes = passes, .n_passes = 1});
    assert_open(fixture, text, "300 a");
    g_array_unref(spec.limits);
    (void)fd_close(a);
}

/* Two that want one number: an error of this start. */
static void test_one_number(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 10);
    const SpawnPass passes[] = {{a, 5}, {a, 4}, {a, 5}};
    char *argv[] = {(char *)spawn_printer(fixture), NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    g_assert_false(spawn_with(fixture, &spec, &(SpawnExtras){.passes = passes, .n_passes = 3},
                              &spawned, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_FAILED);
    assert_contains(error->message, "descriptor 5 would have to be two at once");
    (void)fd_close(a);
}

static void test_listen(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 10), b = open_at(fixture, "b", 10);
    const SpawnPass passes[] = {{a, 3}, {b, 4}, {a, 9}};
    const SpawnExtras extras = {
            .passes = passes,
            .n_passes = G_N_ELEMENTS(passes),
            .n_listen = 2,
            .listen_names = "http:stored",
            .watchdog_usec = 1500000,
            .main_pid = 4711,
            .notify_socket = "/run/x",
    };
    g_autofree char *text = spawn_print_with(fixture, &plain, &extras);
    g_autofree char *variables = lines_of(text, "environment");
    g_autofree char *pid = lines_of(text, "pid");
    g_autofree char *expected = g_strdup_printf(
            "|SVCMGR_ID=web|NOTIFY_SOCKET=/run/x|MAINPID=4711|WATCHDOG_USEC=1500000"
            "|WATCHDOG_PID=%s|LISTEN_FDS=2|LISTEN_PID=%s|LISTEN_FDNAMES=http:stored",
            pid, pid);
    g_autofree char *manager = g_strdup_printf("|MANAGERPID=%d|", (int)getpid());

    g_assert_true(g_str_has_suffix(variables, expected));
    g_assert_nonnull(strstr(variables, manager));
    assert_open(fixture, text, "3 a|4 b|9 a");
    (void)fd_close(a);
    (void)fd_close(b);
}

/* They have nothing to do with each other. */
static void test_variables_alone(ProcessFixture *fixture, const void *mode)
{
    g_autofree char *text =
            spawn_print_with(fixture, &plain, &(SpawnExtras){.watchdog_usec = 1000000});
    g_autofree char *variables = lines_of(text, "environment");
    g_autofree char *pid = lines_of(text, "pid");
    g_autofree char *expected =
            g_strdup_printf("|SVCMGR_ID=web|WATCHDOG_USEC=1000000|WATCHDOG_PID=%s", pid);

    g_assert_true(g_str_has_suffix(variables, expected));
    g_assert_null(strstr(variables, "LISTEN_"));
    g_assert_null(strstr(variables, "MAINPID"));
}

static void test_command(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)"/no/such", (char *)"$MAINPID", NULL};
    char *command[] = {(char *)spawn_printer(fixture),
                       (char *)spawn_printer_output(fixture),
                       (char *)"$MAINPID",
                       (char *)"${MAINPID}",
                       (char *)"x$MAINPID",
                       (char *)"$HOME",
                       NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    SpawnExtras extras = {.exec = command, .main_pid = 4711};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    spec.nice = 5;
    g_assert_true(spawn_with(fixture, &spec, &extras, &spawned, &error));
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
    g_autofree char *text = fixture_read(fixture, "out/print");
    g_autofree char *arguments = lines_of(text, "argument");
    g_assert_true(g_str_has_suffix(arguments, "|4711|4711|x$MAINPID|$HOME"));
    assert_line(text, "nice", "5"); /* it is the service's */
    g_assert_cmpstr(command[2], ==, "$MAINPID");

    extras.main_pid = 0;
    g_assert_true(spawn_with(fixture, &spec, &extras, &spawned, &error));
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
    g_autofree char *without = fixture_read(fixture, "out/print");
    g_autofree char *unchanged = lines_of(without, "argument");
    g_assert_true(g_str_has_suffix(unchanged, "|$MAINPID|${MAINPID}|x$MAINPID|$HOME"));
}

/* In a definition's own arguments it is a text like others. */
static void test_arguments_stay(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)spawn_printer(fixture), (char *)spawn_printer_output(fixture),
                    (char *)"$MAINPID", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    g_assert_true(spawn_with(fixture, &spec, &(SpawnExtras){.main_pid = 4711}, &spawned, &error));
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
    g_autofree char *text = fixture_read(fixture, "out/print");
    g_autofree char *arguments = lines_of(text, "argument");
    g_assert_true(g_str_has_suffix(arguments, "|$MAINPID"));
}

/* What a shell with these descriptors writes to 1 and 2. */
static void shell_with(ProcessFixture *fixture, const SpawnExtras *extras)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)"echo said; echo cried >&2", NULL};
    SpawnSpec spec = {SPAWN_KEEP_ALL, .exec = argv};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    g_assert_true(spawn_with(fixture, &spec, extras, &spawned, &error));
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
}

static void assert_written(ProcessFixture *fixture, const char *name, const char *expected)
{
    g_autofree char *text = fixture_read(fixture, name);

    g_assert_cmpstr(text, ==, expected);
    g_assert_cmpint(truncate(fixture_path(fixture, name), 0), ==, 0);
}

/* Other descriptors are to stand where these do. */
static void test_outputs(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 3), b = open_at(fixture, "b", 3), c = open_at(fixture, "c", 40);
    const SpawnPass passes[] = {{c, a}, {c, b}, {a, 39}};

    shell_with(fixture, &(SpawnExtras){.passes = passes,
                                       .n_passes = G_N_ELEMENTS(passes),
                                       .stdout_fd = a,
                                       .stderr_fd = b});
    assert_written(fixture, "a", "said\n");
    assert_written(fixture, "b", "cried\n");
    assert_written(fixture, "c", "");
    shell_with(fixture, &(SpawnExtras){.stdout_fd = a, .stderr_fd = a});
    assert_written(fixture, "a", "said\ncried\n");
    (void)fd_close(a);
    (void)fd_close(b);
    (void)fd_close(c);
}

/* The null device and the child's pipe may then have the numbers of the daemon's own. */
static void test_outputs_without_own(ProcessFixture *fixture, const void *mode)
{
    int a = open_at(fixture, "a", 3), b = open_at(fixture, "b", 3), own[3];

    for (int fd = 0; fd < 3; fd++) {
        own[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        g_assert_cmpint(own[fd], >=, 3);
        (void)fd_close(fd);
    }
    shell_with(fixture, &(SpawnExtras){.stdout_fd = a, .stderr_fd = b});
    for (int fd = 0; fd < 3; fd++) {
        g_assert_cmpint(dup2(own[fd], fd), ==, fd);
        (void)fd_close(own[fd]);
    }
    assert_written(fixture, "a", "said\n");
    assert_written(fixture, "b", "cried\n");
    (void)fd_close(a);
    (void)fd_close(b);
}

static const SpawnTest tests[] = {
        {"numbers", test_numbers},
        {"exchanged", test_exchanged},
        {"without-close-range", test_without_close_range},
        {"above-its-limit", test_above_its_limit},
        {"one-number", test_one_number},
        {"listen", test_listen},
        {"variables-alone", test_variables_alone},
        {"command", test_command},
        {"arguments-stay", test_arguments_stay},
        {"outputs", test_outputs},
        {"outputs-without-own", test_outputs_without_own},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    spawn_tests_add("spawn-passes", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
