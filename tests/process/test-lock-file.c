/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lock of a state directory, between real processes: children take it, hold it and die. */

#include "base/errors.h"
#include "base/fds.h"
#include "process/lock-file.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

typedef struct LockFixture {
    char *dir;
    char *path;
} LockFixture;

static void lock_test_init(LockFixture *fixture, const void *unused)
{
    fixture->dir = g_dir_make_tmp("svcmgr-test-XXXXXX", NULL);
    g_assert_nonnull(fixture->dir);
    fixture->path = g_build_filename(fixture->dir, "lock", NULL);
}

static void lock_test_done(LockFixture *fixture, const void *unused)
{
    (void)g_remove(fixture->path); /* not every test makes it */
    g_assert_cmpint(g_rmdir(fixture->dir), ==, 0);
    g_free(fixture->path);
    g_free(fixture->dir);
}

/* What another process is told that tries to take it: "" if it can. */
static char *take_elsewhere(const LockFixture *fixture)
{
    int fds[2];
    char text[512] = "";

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        GError *error = NULL;

        if (lock_file_take(fixture->dir, &error) != NULL)
            _exit(0);
        _exit(error->code == ERROR_BUSY && write(fds[1], error->message, strlen(error->message)) > 0
                      ? 0
                      : 1);
    }

    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    fds[1] = fd_close(fds[1]);
    g_assert_cmpint(read(fds[0], text, sizeof text - 1), >=, 0);
    fds[0] = fd_close(fds[0]);
    return g_strdup(text);
}

static void test_taken(LockFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    LockFile *lock = lock_file_take(fixture->dir, &error);
    g_autofree char *expected =
            g_strdup_printf("the state directory %s is in use by process %d (test-lock-file)",
                            fixture->dir, (int)getpid());
    struct stat status;

    g_assert_no_error(error);
    g_assert_nonnull(lock);
    g_assert_cmpint(lstat(fixture->path, &status), ==, 0);
    g_assert_true(S_ISREG(status.st_mode));
    g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
    g_autofree char *told = take_elsewhere(fixture);
    g_assert_cmpstr(told, ==, expected);

    lock_file_free(lock);
    g_autofree char *told_then = take_elsewhere(fixture);
    g_assert_cmpstr(told_then, ==, "");
    g_assert_true(g_file_test(fixture->path, G_FILE_TEST_IS_REGULAR)); /* for the next one */
}

/* Takes the lock, and starts a process that lives until lifeline ends; tells its id. */
static void hold(const LockFixture *fixture, const int lifeline[2], int tell_fd)
{
    char byte;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(lifeline[1]);
    if (lock_file_take(fixture->dir, NULL) == NULL)
        _exit(1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(read(lifeline[0], &byte, 1) == 0 ? 0 : 1);
    if (write(tell_fd, &pid, sizeof pid) != sizeof pid)
        _exit(1);
    for (;;)
        pause();
}

/* It ends with the daemon, though what the daemon has started lives on. */
static void test_holder_dies(LockFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    int lifeline[2], fds[2];
    pid_t heir = 0;

    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint(pipe2(lifeline, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    pid_t holder = fork();
    if (holder == 0)
        hold(fixture, lifeline, fds[1]);
    g_assert_cmpint(read(fds[0], &heir, sizeof heir), ==, sizeof heir);
    g_assert_null(lock_file_take(fixture->dir, &error));
    g_assert_true(error_is(error, ERROR_BUSY));
    g_clear_error(&error);

    g_assert_cmpint(kill(holder, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(holder, NULL, 0), ==, holder);
    LockFile *lock = lock_file_take(fixture->dir, &error);
    g_assert_no_error(error);
    g_assert_cmpint(kill(heir, 0), ==, 0);
    lock_file_free(lock);
    for (unsigned i = 0; i < 2; i++) {
        lifeline[1 - i] = fd_close(lifeline[1 - i]);
        fds[i] = fd_close(fds[i]);
    }
    g_assert_cmpint(waitpid(heir, NULL, 0), ==, heir);
}

static void test_holder_unknown(LockFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(fixture->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    /* A lock that belongs to a descriptor, and to no process. */
    g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
    g_assert_null(lock_file_take(fixture->dir, &error));
    g_assert_true(error_is(error, ERROR_BUSY));
    g_assert_true(g_str_has_suffix(error->message, " is in use by another process"));
    fd = fd_close(fd);
}

static void assert_refused(const char *dir, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(lock_file_take(dir, &error));
    g_assert_nonnull(error);
    if (strstr(error->message, text) == NULL || strstr(error->message, dir) == NULL)
        g_error("\"%s\" does not contain \"%s\" and \"%s\"", error->message, text, dir);
}

static void test_refused(LockFixture *fixture, const void *unused)
{
    g_autofree char *target = g_build_filename(fixture->dir, "target", NULL);

    assert_refused(fixture->path, "No such file or directory");
    g_assert_cmpint(symlink(target, fixture->path), ==, 0);
    assert_refused(fixture->dir, "Too many levels of symbolic links");
    g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
    assert_refused(fixture->dir, "is not a regular file");
    g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    g_assert_true(g_file_set_contents(fixture->path, "", 0, NULL));
    assert_refused(fixture->path, "Not a directory");
}

static char *note_of_next(const LockFixture *fixture)
{
    g_autoptr(LockFile) lock = lock_file_take(fixture->dir, NULL);

    g_assert_nonnull(lock);
    return lock_file_read_note(lock);
}

/* It goes to the next one who takes the lock, and not with a copy. */
static void test_note(LockFixture *fixture, const void *unused)
{
    static const char *const texts[] = {"", "\n", "x\n", "fe 1:2\n", "fe", "a b c\n"};
    g_autoptr(LockFile) lock = lock_file_take(fixture->dir, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *bytes = NULL;
    size_t length;

    g_assert_null(lock_file_read_note(lock));
    g_assert_true(lock_file_write_note(lock, "0123456789abcdef-and-more", &error));
    g_assert_true(lock_file_write_note(lock, "fedcba9876543210", &error)); /* a shorter one */
    g_assert_no_error(error);
    g_autofree char *told = take_elsewhere(fixture); /* still held */
    g_assert_cmpstr(told, !=, "");
    g_clear_pointer(&lock, lock_file_free);
    g_autofree char *note = note_of_next(fixture);
    g_assert_cmpstr(note, ==, "fedcba9876543210");

    g_autofree char *original = g_strconcat(fixture->path, ".original", NULL);
    g_assert_true(g_file_get_contents(fixture->path, &bytes, &length, NULL));
    g_assert_cmpint(g_rename(fixture->path, original), ==, 0);
    g_assert_true(g_file_set_contents(fixture->path, bytes, (gssize)length, NULL));
    g_assert_null(note_of_next(fixture));
    g_assert_cmpint(g_rename(original, fixture->path), ==, 0);
    g_autofree char *again = note_of_next(fixture);
    g_assert_cmpstr(again, ==, "fedcba9876543210");
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(g_file_set_contents(fixture->path, texts[i], -1, NULL));
        g_assert_null(note_of_next(fixture));
    }
}

static void test_foreign(LockFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can give files to somebody else");
        return;
    }
    g_assert_true(g_file_set_contents(fixture->path, "", 0, NULL));
    g_assert_cmpint(chown(fixture->path, 65534, 65534), ==, 0);
    assert_refused(fixture->dir, "is not a regular file of user 0");
    g_assert_cmpint(chown(fixture->dir, 65534, 65534), ==, 0);
    assert_refused(fixture->dir, "belongs to user 65534 and must belong to user 0");
}

#define LOCK_TEST(path, function)                                                                  \
    g_test_add(path, LockFixture, NULL, lock_test_init, function, lock_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    LOCK_TEST("/lock-file/taken", test_taken);
    LOCK_TEST("/lock-file/holder/dies", test_holder_dies);
    LOCK_TEST("/lock-file/holder/unknown", test_holder_unknown);
    LOCK_TEST("/lock-file/refused", test_refused);
    LOCK_TEST("/lock-file/note", test_note);
    LOCK_TEST("/lock-file/foreign", test_foreign);
    return g_test_run();
}
