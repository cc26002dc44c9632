/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record lock (fcntl(2)): unlike flock(2) it stays behind when the daemon forks, so that no
 * service carries it on after the daemon's death; and it can tell who holds it. */

#include "process/lock-file.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE_NAME "lock"
#define LOCK_FILE_BYTES 128 /* a note, and two numbers */
/* The holder may end between the refusal and the question who it was. */
#define LOCK_FILE_TRIES 8

struct LockFile {
    int fd;
};

static int lock_file_open_directory(const char *dir, GError **error)
{
    struct stat status;
    autofd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0) {
        error_set_errno(error, errno, "cannot open the state directory %s", dir);
        return -1;
    }
    if (status.st_uid != geteuid()) {
        error_set(error, ERROR_ACCESS_DENIED,
                  "the state directory %s belongs to user %u and must belong to user %u: change it "
                  "with chown, or choose another one",
                  dir, (unsigned)status.st_uid, (unsigned)geteuid());
        return -1;
    }
    return fd_steal(&fd);
}

static int lock_file_open(const char *dir, GError **error)
{
    autofd int directory_fd = lock_file_open_directory(dir, error);
    struct stat status;

    if (directory_fd < 0)
        return -1;

    autofd int fd = openat(directory_fd, LOCK_FILE_NAME,
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &status) < 0) {
        error_set_errno(error, errno, "cannot open the lock file %s/" LOCK_FILE_NAME, dir);
        return -1;
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
        error_set(error, ERROR_ACCESS_DENIED,
                  "%s/" LOCK_FILE_NAME " is not a regular file of user %u: remove it", dir,
                  (unsigned)geteuid());
        return -1;
    }
    return fd_steal(&fd);
}

/* Who holds it: a process id, 0 if nobody does any more, -1 if that cannot be told. */
static pid_t lock_file_holder(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_GETLK, &lock) < 0)
        return -1;
    if (lock.l_type == F_UNLCK)
        return 0;
    return lock.l_pid > 0 ? lock.l_pid : -1; /* of another namespace, or of no process */
}

static bool lock_file_set_busy(GError **error, const char *dir, pid_t holder)
{
    char comm[PROC_COMM_BYTES];

    if (holder <= 0)
        return error_set(error, ERROR_BUSY, "the state directory %s is in use by another process",
                         dir);
    if (!proc_read_comm(&sys_linux, holder, comm))
        return error_set(error, ERROR_BUSY, "the state directory %s is in use by process %d", dir,
                         (int)holder);
    return error_set(error, ERROR_BUSY, "the state directory %s is in use by process %d (%s)", dir,
                     (int)holder, comm);
}

static bool lock_file_lock(int fd, const char *dir, GError **error)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t holder = 0;

    for (unsigned i = 0; i < LOCK_FILE_TRIES && holder == 0; i++) {
        if (fcntl(fd, F_SETLK, &lock) == 0)
            return true;
        if (errno != EACCES && errno != EAGAIN)
            return error_set_errno(error, errno, "cannot lock %s/" LOCK_FILE_NAME, dir);
        holder = lock_file_holder(fd);
    }
    return lock_file_set_busy(error, dir, holder);
}

LockFile *lock_file_take(const char *dir, GError **error)
{
    autofd int fd = lock_file_open(dir, error);

    if (fd < 0 || !lock_file_lock(fd, dir, error))
        return NULL;

    LockFile *lock = g_new(LockFile, 1);
    lock->fd = fd_steal(&fd);
    return lock;
}

/* A copy has another number, or is on another device. */
static char *lock_file_place(const LockFile *lock)
{
    struct stat status;

    if (fstat(lock->fd, &status) < 0)
        return NULL;
    return g_strdup_printf("%" PRIx64 ":%" PRIx64, (uint64_t)status.st_dev,
                           (uint64_t)status.st_ino);
}

/* "NOTE PLACE\n" */
char *lock_file_read_note(const LockFile *lock)
{
    char text[LOCK_FILE_BYTES + 1];
    ssize_t length = pread(lock->fd, text, LOCK_FILE_BYTES, 0);
    g_autofree char *place = lock_file_place(lock);

    if (length <= 0 || text[length - 1] != '\n' || place == NULL)
        return NULL;
    text[length - 1] = '\0';
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    if (g_strv_length(words) != 2 || !g_str_equal(words[1], place))
        return NULL;
    return g_strdup(words[0]);
}

bool lock_file_write_note(LockFile *lock, const char *note, GError **error)
{
    g_autofree char *place = lock_file_place(lock);
    g_autofree char *text = g_strdup_printf("%s %s\n", note, place != NULL ? place : "-");
    size_t length = strlen(text);

    g_assert(strlen(note) <= LOCK_FILE_NOTE_MAX && strchr(note, ' ') == NULL);
    if (pwrite(lock->fd, text, length, 0) != (ssize_t)length ||
        ftruncate(lock->fd, (off_t)length) < 0)
        return error_set_errno(error, errno, "cannot write to the lock file");
    return true;
}

void lock_file_free(LockFile *lock)
{
    if (lock == NULL)
        return;
    lock->fd = fd_close(lock->fd);
    g_free(lock);
}
