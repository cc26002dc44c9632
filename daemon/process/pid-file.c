/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A number alone says little: it may have been given to anybody since. What the file names is only
 * taken for a daemon if it runs the same program, as the kernel knows it by file or by name (the
 * file of a daemon that was upgraded meanwhile is another one). */

#include "process/pid-file.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_FILE_BYTES 32 /* what is longer is no number */
#define PID_FILE_MODE 0644

#define PID_FILE_TRIES 100 /* against others who try the same */

typedef enum PidFileState {
    PID_FILE_ABSENT,
    PID_FILE_NUMBER,
    PID_FILE_GARBAGE,
    PID_FILE_ERROR,
} PidFileState;

/* What is there. As long as fd is open, no other file has its number. */
typedef struct PidFileFound {
    int fd; /* -1: nothing */
    struct stat status;
} PidFileFound;

/* Digits, and at most a newline behind them. */
static PidFileState pid_file_parse(const char *text, size_t length, pid_t *ret_pid)
{
    guint64 pid;

    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length == 0 || length > 10)
        return PID_FILE_GARBAGE;

    g_autofree char *digits = g_strndup(text, length);
    if (strlen(digits) != length || !g_ascii_string_to_unsigned(digits, 10, 1, INT_MAX, &pid, NULL))
        return PID_FILE_GARBAGE;
    *ret_pid = (pid_t)pid;
    return PID_FILE_NUMBER;
}

/* The descriptor is the caller's, whatever it returns. */
static PidFileState pid_file_read(const char *path, PidFileFound *found, pid_t *ret_pid,
                                  GError **error)
{
    char text[PID_FILE_BYTES];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    found->fd = fd;
    if (fd < 0 && errno == ENOENT)
        return PID_FILE_ABSENT;
    if (fd < 0 && errno == ELOOP) {
        error_set(error, ERROR_ACCESS_DENIED,
                  "the process file %s is a symbolic link: name the file itself, or remove it",
                  path);
        return PID_FILE_ERROR;
    }
    if (fd < 0 || fstat(fd, &found->status) < 0) {
        error_set_errno(error, errno, "cannot open the process file %s", path);
        return PID_FILE_ERROR;
    }
    if (!S_ISREG(found->status.st_mode)) {
        error_set(error, ERROR_FAILED, "the process file %s is not a regular file: remove it",
                  path);
        return PID_FILE_ERROR;
    }

    ssize_t n = sys_read(&sys_linux, fd, text, sizeof text); /* files give what they have */
    if (n < 0) {
        error_set_errno(error, errno, "cannot read the process file %s", path);
        return PID_FILE_ERROR;
    }
    return pid_file_parse(text, (size_t)n, ret_pid);
}

static bool pid_file_is_same_file(pid_t pid)
{
    struct stat own, other;
    char path[64];

    (void)g_snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static bool pid_file_is_daemon(pid_t pid, const char *comm)
{
    char own[PROC_COMM_BYTES];

    return pid_file_is_same_file(pid) ||
           (proc_read_comm(&sys_linux, getpid(), own) && strcmp(own, comm) == 0);
}

/* NULL and no error: it is our own number, which we had in another life. */
static char *pid_file_describe_stale(const char *path, pid_t pid, GError **error)
{
    char comm[PROC_COMM_BYTES];
    ProcStat stat;

    if (pid == getpid())
        return NULL;
    if (!proc_read_stat(&sys_linux, pid, &stat) || stat.is_dead ||
        !proc_read_comm(&sys_linux, pid, comm))
        return g_strdup_printf("replaced the process file %s: process %d, which it named, is gone",
                               path, (int)pid);
    if (!pid_file_is_daemon(pid, comm))
        return g_strdup_printf("replaced the process file %s: process %d, which it named, is "
                               "another program (%s)",
                               path, (int)pid, comm);
    error_set(error, ERROR_BUSY, "the process file %s is in use by process %d (%s)", path, (int)pid,
              comm);
    return NULL;
}

static bool pid_file_check(const char *path, PidFileFound *found, char **ret_stale, GError **error)
{
    g_autoptr(GError) live = NULL;
    pid_t pid = 0;

    switch (pid_file_read(path, found, &pid, error)) {
    case PID_FILE_ABSENT:
        *ret_stale = NULL;
        return true;
    case PID_FILE_GARBAGE:
        *ret_stale = g_strdup_printf("replaced the process file %s: there was no process id in it",
                                     path);
        return true;
    case PID_FILE_NUMBER:
        *ret_stale = pid_file_describe_stale(path, pid, &live);
        break;
    case PID_FILE_ERROR:
        return false;
    }
    if (live == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&live));
    return false;
}

static bool pid_file_fill(int fd)
{
    char text[PID_FILE_BYTES];
    int length = g_snprintf(text, sizeof text, "%d\n", (int)getpid());

    errno = ENOSPC; /* what a short write means */
    return write(fd, text, (size_t)length) == length && fchmod(fd, PID_FILE_MODE) == 0;
}

static int pid_file_rename(const char *from, const char *to, unsigned flags)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) == 0)
        return 0;
    /* A file system that cannot do it: others who begin at the same moment are not noticed. */
    return errno == EINVAL || errno == ENOSYS ? rename(from, to) : -1;
}

/* Puts ours in the place of what was found and takes out what is there: should that be another's,
 * who was faster, it is put back. Negative with errno EAGAIN: what was found is not there. */
static int pid_file_exchange(const char *temporary, const char *path, const PidFileFound *found)
{
    unsigned flags = found->fd < 0 ? RENAME_NOREPLACE : RENAME_EXCHANGE;
    struct stat status;

    if (pid_file_rename(temporary, path, flags) < 0) {
        if (errno == EEXIST || errno == ENOENT)
            errno = EAGAIN;
        return -1;
    }
    if (found->fd < 0 || lstat(temporary, &status) < 0) /* not exchanged */
        return 0;
    if (status.st_dev == found->status.st_dev && status.st_ino == found->status.st_ino) {
        (void)unlink(temporary); /* left over, it is in nobody's way */
        return 0;
    }
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
        errno = EAGAIN;
    return -1;
}

/* Negative: *error is set, or, with EAGAIN, not. */
static int pid_file_replace(const char *path, const PidFileFound *found, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    autofd int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd < 0) {
        error_set_errno(error, errno, "cannot make the process file %s", path);
        return -1;
    }
    if (pid_file_fill(fd) && pid_file_exchange(temporary, path, found) == 0)
        return 0;
    int code = -errno;
    if (code != -EAGAIN)
        error_set_errno(error, -code, "cannot write the process file %s", path);
    (void)unlink(temporary); /* nothing more can be done about it */
    return code;
}

static int pid_file_try(const char *path, char **ret_stale, GError **error)
{
    PidFileFound found = {.fd = -1};
    int r = -1;

    if (pid_file_check(path, &found, ret_stale, error))
        r = pid_file_replace(path, &found, error);
    found.fd = fd_close(found.fd);
    return r;
}

bool pid_file_write(const char *path, char **ret_stale, GError **error)
{
    for (unsigned i = 0; i < PID_FILE_TRIES; i++) {
        g_autofree char *stale = NULL;
        int r = pid_file_try(path, &stale, error);

        if (r == 0)
            *ret_stale = g_steal_pointer(&stale);
        if (r != -EAGAIN)
            return r == 0;
    }
    return error_set(error, ERROR_BUSY, "the process file %s is being written by others", path);
}

void pid_file_remove(const char *path)
{
    PidFileFound found = {.fd = -1};
    pid_t pid = 0;

    if (pid_file_read(path, &found, &pid, NULL) == PID_FILE_NUMBER && pid == getpid())
        (void)unlink(path); /* in a directory that is no longer ours to change it stays */
    found.fd = fd_close(found.fd);
}
