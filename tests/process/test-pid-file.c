/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Process files that others have left: of whom they are is asked of real processes. */

#include "base/errors.h"
#include "base/fds.h"
#include "process/pid-file.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

typedef struct PidFixture {
    char *dir;
    char *path;
    pid_t child; /* 0: none */
} PidFixture;

static void pid_test_init(PidFixture *fixture, const void *unused)
{
    fixture->dir = g_dir_make_tmp("svcmgr-test-XXXXXX", NULL);
    g_assert_nonnull(fixture->dir);
    fixture->path = g_build_filename(fixture->dir, "daemon.pid", NULL);
}

static void pid_test_done(PidFixture *fixture, const void *unused)
{
    if (fixture->child > 0) {
        g_assert_cmpint(kill(fixture->child, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(fixture->child, NULL, 0), ==, fixture->child);
    }
    (void)g_remove(fixture->path);                 /* not every test leaves it */
    g_assert_cmpint(g_rmdir(fixture->dir), ==, 0); /* and nothing else is there */
    g_free(fixture->path);
    g_free(fixture->dir);
}

static void put(const PidFixture *fixture, const char *text, size_t length)
{
    g_assert_true(g_file_set_contents(fixture->path, text, (gssize)length, NULL));
}

static void put_pid(const PidFixture *fixture, pid_t pid)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)pid);

    put(fixture, text, strlen(text));
}

static void assert_holds(const PidFixture *fixture, pid_t pid)
{
    g_autofree char *expected = g_strdup_printf("%d\n", (int)pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, expected);
}

/* Writes it, and is told this about what was there. NULL: nothing. */
static void assert_replaces(const PidFixture *fixture, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *stale = NULL;

    g_assert_true(pid_file_write(fixture->path, &stale, &error));
    g_assert_no_error(error);
    if (expected == NULL)
        g_assert_null(stale);
    else if (stale == NULL || strstr(stale, expected) == NULL ||
             strstr(stale, fixture->path) == NULL)
        g_error("\"%s\" does not contain \"%s\"", stale, expected);
    assert_holds(fixture, getpid());
}

static void assert_refused(const PidFixture *fixture, ErrorCode code, const char *expected)
{
    g_autoptr(GError) error = NULL;
    char *stale = NULL;

    g_assert_false(pid_file_write(fixture->path, &stale, &error));
    g_assert_true(error_is(error, code));
    if (strstr(error->message, expected) == NULL || strstr(error->message, fixture->path) == NULL)
        g_error("\"%s\" does not contain \"%s\"", error->message, expected);
    g_assert_null(stale);
}

static void test_written(PidFixture *fixture, const void *unused)
{
    struct stat status;
    mode_t mask = umask(0077);

    assert_replaces(fixture, NULL);
    (void)umask(mask);
    g_assert_cmpint(lstat(fixture->path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 07777, ==, 0644);
    assert_replaces(fixture, NULL); /* our own is no other daemon's */
    pid_file_remove(fixture->path);
    g_assert_false(g_file_test(fixture->path, G_FILE_TEST_EXISTS));
    pid_file_remove(fixture->path);
}

typedef struct GarbageRow {
    const char *text;
    size_t length;
} GarbageRow;

#define GARBAGE(text)                                                                              \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

static const GarbageRow garbage[] = {
        GARBAGE(""),
        GARBAGE("\n"),
        GARBAGE("0\n"),
        GARBAGE("-1\n"),
        GARBAGE("+1\n"),
        GARBAGE(" 1\n"),
        GARBAGE("1 \n"),
        GARBAGE("1\n\n"),
        GARBAGE("1\n2\n"),
        GARBAGE("one\n"),
        GARBAGE("1\0\n"),
        GARBAGE("\0\0\0\0"),
        GARBAGE("\xff\xfe\x01"),
        GARBAGE("2147483648\n"),
        GARBAGE("4294967297\n"),
        GARBAGE("00000000001\n"),
        GARBAGE("0000000000000000000000000000000000000001\n"),
};

static void test_garbage(PidFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(garbage); i++) {
        g_test_message("row %zu", i);
        put(fixture, garbage[i].text, garbage[i].length);
        assert_replaces(fixture, "there was no process id in it");
    }
    g_autofree char *huge = g_strnfill(1024 * 1024, '1');
    put(fixture, huge, strlen(huge));
    assert_replaces(fixture, "there was no process id in it");
}

/* A child that stays. name: what it calls itself; program: what it executes, in which case this
 * returns when it has. */
static void start_child(PidFixture *fixture, const char *name, const char *program)
{
    int fds[2], input[2];
    char byte = 0;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(input, O_CLOEXEC), ==, 0);
    fixture->child = fork();
    if (fixture->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(60);
        if (name != NULL)
            (void)prctl(PR_SET_NAME, name);
        if (program != NULL) {
            (void)dup2(input[0], STDIN_FILENO);
            (void)dup(input[1]); /* without a word nor an end */
            (void)execl(program, program, NULL);
            _exit(97);
        }
        (void)close(fds[1]);
        for (;;)
            pause();
    }
    fds[1] = fd_close(fds[1]);
    g_assert_cmpint(read(fds[0], &byte, 1), ==, 0); /* closed, by itself or by the exec */
    fds[0] = fd_close(fds[0]);
    input[0] = fd_close(input[0]);
    input[1] = fd_close(input[1]);
}

#define RACERS 6
#define RACES 40

typedef struct Race {
    int start[2], result[2], end[2]; /* start and end: closed when it is time */
    pid_t racers[RACERS];
} Race;

/* 'w': it is the file's; 'b': another is; 'e': an error. Stays alive until all are through. */
static void race_run(const PidFixture *fixture, Race *race)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *stale = NULL;
    char byte;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    race->start[1] = fd_close(race->start[1]);
    race->end[1] = fd_close(race->end[1]);
    (void)!read(race->start[0], &byte, 1);
    bool won = pid_file_write(fixture->path, &stale, &error);
    char result = won ? 'w' : error_is(error, ERROR_BUSY) ? 'b' : 'e';
    (void)!write(race->result[1], &result, 1);
    (void)!read(race->end[0], &byte, 1);
    _exit(won ? 1 : 0);
}

/* Which of those that begin at once has it. */
static pid_t race_winner(PidFixture *fixture)
{
    unsigned n_won = 0, n_busy = 0;
    pid_t winner = 0;
    Race race;

    g_assert_cmpint(pipe2(race.start, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(race.result, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(race.end, O_CLOEXEC), ==, 0);
    for (unsigned i = 0; i < RACERS; i++) {
        race.racers[i] = fork();
        g_assert_cmpint(race.racers[i], >=, 0);
        if (race.racers[i] == 0)
            race_run(fixture, &race);
    }
    race.start[1] = fd_close(race.start[1]);
    for (unsigned i = 0; i < RACERS; i++) {
        char result = 0;

        g_assert_cmpint(read(race.result[0], &result, 1), ==, 1);
        n_won += result == 'w';
        n_busy += result == 'b';
    }
    race.end[1] = fd_close(race.end[1]);
    for (unsigned i = 0; i < RACERS; i++) {
        int status = 0;

        g_assert_cmpint(waitpid(race.racers[i], &status, 0), ==, race.racers[i]);
        winner = status != 0 ? race.racers[i] : winner;
    }
    (void)fd_close(race.start[0]);
    (void)fd_close(race.end[0]);
    (void)fd_close(race.result[0]);
    (void)fd_close(race.result[1]);
    g_assert_cmpuint(n_won, ==, 1);
    g_assert_cmpuint(n_busy, ==, RACERS - 1);
    return winner;
}

/* Of many that begin at once only one has it, whatever was there before. */
static void test_race(PidFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < RACES; i++) {
        if (i % 2 == 0)
            (void)g_remove(fixture->path); /* not there the first time */
        else
            put(fixture, "stale", 5);
        assert_holds(fixture, race_winner(fixture));
    }
}

static void assert_live(PidFixture *fixture)
{
    g_autofree char *expected = g_strdup_printf("is in use by process %d (", (int)fixture->child);

    put_pid(fixture, fixture->child);
    assert_refused(fixture, ERROR_BUSY, expected);
    assert_holds(fixture, fixture->child);
    pid_file_remove(fixture->path); /* not ours */
    assert_holds(fixture, fixture->child);
}

static void test_live(PidFixture *fixture, const void *unused)
{
    start_child(fixture, NULL, NULL);
    assert_live(fixture);
}

static void test_live_same_file(PidFixture *fixture, const void *unused)
{
    start_child(fixture, "other", NULL);
    assert_live(fixture);
}

static void test_live_same_name(PidFixture *fixture, const void *unused)
{
    g_autofree char *link = g_build_filename(fixture->dir, "test-pid-file", NULL);

    g_assert_cmpint(symlink("/bin/cat", link), ==, 0);
    start_child(fixture, NULL, link);
    g_assert_cmpint(g_unlink(link), ==, 0);
    assert_live(fixture);
}

static void test_another_program(PidFixture *fixture, const void *unused)
{
    start_child(fixture, NULL, "/bin/cat");
    put_pid(fixture, fixture->child);
    assert_replaces(fixture, "which it named, is another program (cat)");
}

static void test_gone(PidFixture *fixture, const void *unused)
{
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    put_pid(fixture, pid);
    assert_replaces(fixture, "which it named, is gone"); /* a zombie is no daemon */
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    put_pid(fixture, pid);
    assert_replaces(fixture, "which it named, is gone");
}

/* Nobody is led to another file, and nothing but a file is replaced. */
static void test_no_file(PidFixture *fixture, const void *unused)
{
    g_autofree char *target = g_build_filename(fixture->dir, "target", NULL);
    g_autofree char *own = g_strdup_printf("%d\n", (int)getpid());
    g_autofree char *text = NULL;

    g_assert_true(g_file_set_contents(target, own, -1, NULL));
    g_assert_cmpint(symlink(target, fixture->path), ==, 0);
    assert_refused(fixture, ERROR_ACCESS_DENIED, "is a symbolic link");
    pid_file_remove(fixture->path);
    g_assert_true(g_file_test(fixture->path, G_FILE_TEST_IS_SYMLINK));
    g_assert_true(g_file_get_contents(target, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, own);
    g_assert_cmpint(g_unlink(target), ==, 0);
    assert_refused(fixture, ERROR_ACCESS_DENIED, "is a symbolic link");
    g_assert_cmpint(g_unlink(fixture->path), ==, 0);

    g_assert_cmpint(mkfifo(fixture->path, 0644), ==, 0);
    assert_refused(fixture, ERROR_FAILED, "is not a regular file");
    g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    g_assert_cmpint(g_mkdir(fixture->path, 0755), ==, 0);
    assert_refused(fixture, ERROR_FAILED, "is not a regular file");
}

static void test_no_directory(PidFixture *fixture, const void *unused)
{
    g_free(fixture->path);
    fixture->path = g_build_filename(fixture->dir, "absent", "daemon.pid", NULL);
    assert_refused(fixture, ERROR_FAILED, "No such file or directory");
}

#define PID_TEST(path, function)                                                                   \
    g_test_add(path, PidFixture, NULL, pid_test_init, function, pid_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    PID_TEST("/pid-file/written", test_written);
    PID_TEST("/pid-file/stale/garbage", test_garbage);
    PID_TEST("/pid-file/stale/gone", test_gone);
    PID_TEST("/pid-file/stale/another-program", test_another_program);
    PID_TEST("/pid-file/live", test_live);
    PID_TEST("/pid-file/live/same-file", test_live_same_file);
    PID_TEST("/pid-file/live/same-name", test_live_same_name);
    PID_TEST("/pid-file/race", test_race);
    PID_TEST("/pid-file/no-file", test_no_file);
    PID_TEST("/pid-file/no-directory", test_no_directory);
    return g_test_run();
}
