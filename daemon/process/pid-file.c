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

typedef enum PidFileState {
    PID_FILE_ABSENT,
    PID_FILE_NUMBER,
    PID_FILE_GARBAGE,
    PID_FILE_ERROR,
} PidFileState;

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

static PidFileState pid_file_read(const char *path, pid_t *ret_pid, GError **error)
{
    char text[PID_FILE_BYTES];
    struct stat status;
    autofd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return PID_FILE_ABSENT;
    if (fd < 0 && errno == ELOOP) {
        error_set(error, ERROR_ACCESS_DENIED,
                  "the process file %s is a symbolic link: name the file itself, or remove it",
                  path);
        return PID_FILE_ERROR;
    }
    if (fd < 0 || fstat(fd, &status) < 0) {
        error_set_errno(error, errno, "cannot open the process file %s", path);
        return PID_FILE_ERROR;
    }
    if (!S_ISREG(status.st_mode)) {
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

static bool pid_file_check(const char *path, char **ret_stale, GError **error)
{
    g_autoptr(GError) live = NULL;
    pid_t pid = 0;

    switch (pid_file_read(path, &pid, error)) {
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

static bool pid_file_replace(const char *path, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    autofd int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd < 0)
        return error_set_errno(error, errno, "cannot make the process file %s", path);
    if (pid_file_fill(fd) && rename(temporary, path) == 0)
        return true;
    error_set_errno(error, errno, "cannot write the process file %s", path);
    (void)unlink(temporary); /* nothing more can be done about it */
    return false;
}

bool pid_file_write(const char *path, char **ret_stale, GError **error)
{
    g_autofree char *stale = NULL;

    if (!pid_file_check(path, &stale, error) || !pid_file_replace(path, error))
        return false;
    *ret_stale = g_steal_pointer(&stale);
    return true;
}

void pid_file_remove(const char *path)
{
    pid_t pid = 0;

    if (pid_file_read(path, &pid, NULL) == PID_FILE_NUMBER && pid == getpid())
        (void)unlink(path); /* in a directory that is no longer ours to change it stays */
}
