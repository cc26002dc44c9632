/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state directory and the files in it, outside of SQLite: whose they are, second names, copies.
 * Closing a file drops the locks that this process has on it (fcntl(2)), so none of these is called
 * on a file that SQLite has open. */

#include "store/database-internal.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE_NAMES_MAX 10000

bool database_file_check_directory(const DatabaseOptions *options, GError **error)
{
    const char *path = options->state_dir;
    struct stat status;

    if (g_mkdir_with_parents(path, 0700) < 0)
        return error_set_errno(error, errno, "cannot make the state directory %s", path);
    autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(error, errno, "cannot open the state directory %s", path);
    if (status.st_uid != options->uid)
        return error_set(error, ERROR_FAILED,
                         "the state directory %s belongs to uid %u, not to us (uid %u)", path,
                         (unsigned)status.st_uid, (unsigned)options->uid);
    if ((status.st_mode & 0022) != 0)
        return error_set(error, ERROR_FAILED,
                         "others may write to the state directory %s (mode %04o): chmod go-w it",
                         path, (unsigned)status.st_mode & 07777);
    return true;
}

bool database_file_sync(const char *path, GError **error)
{
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return error_set_errno(error, errno, "cannot sync %s", path);
    return true;
}

/* A new one shall still have its name after a loss of power. */
static bool database_file_make_new(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    autofd int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? true : error_set_errno(error, errno, "cannot make %s", path);
    return database_file_sync(folder, error);
}

bool database_file_make(const char *path, uid_t uid, GError **error)
{
    if (!database_file_make_new(path, error))
        return false;

    autofd int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_FAILED, "%s is not a regular file", path);
    if (status.st_uid != uid)
        return error_set(error, ERROR_FAILED, "%s belongs to uid %u, not to us (uid %u)", path,
                         (unsigned)status.st_uid, (unsigned)uid);
    if ((status.st_mode & 0077) != 0 && fchmod(fd, 0600) < 0)
        return error_set_errno(error, errno, "cannot keep others from reading %s", path);
    return true;
}

char *database_file_identity(const char *path)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return NULL;
    return g_strdup_printf("%" PRIx64 ":%" PRIx64, (uint64_t)status.st_dev,
                           (uint64_t)status.st_ino);
}

int64_t database_file_size(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 ? (int64_t)status.st_size : -1;
}

bool database_file_link(const char *path, const char *name, GError **error)
{
    if (link(path, name) < 0)
        return error_set_errno(error, errno, "cannot keep %s as %s", path, name);
    return true;
}

bool database_file_set_aside(const char *path, const char *base, char **ret_name, GError **error)
{
    for (unsigned i = 0; i < DATABASE_NAMES_MAX; i++) {
        g_autofree char *name = i == 0 ? g_strdup(base) : g_strdup_printf("%s-%u", base, i);

        if (link(path, name) == 0) {
            *ret_name = g_steal_pointer(&name);
            return true;
        }
        if (errno != EEXIST)
            return error_set_errno(error, errno, "cannot set %s aside as %s", path, name);
    }
    return error_set(error, ERROR_FAILED, "cannot set %s aside: %s and %u others are there", path,
                     base, DATABASE_NAMES_MAX - 1);
}

/* From where both stand until the end of from, at most length bytes. */
static bool database_file_pour(int from, int to, size_t length)
{
    g_autofree char *chunk = g_malloc(DATABASE_PAGE_BYTES);

    while (length > 0) {
        ssize_t n = read(from, chunk, MIN(length, DATABASE_PAGE_BYTES));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        for (ssize_t written = 0; written < n;) {
            ssize_t m = write(to, chunk + written, (size_t)(n - written));

            if (m < 0 && errno != EINTR)
                return false;
            written += MAX(m, 0);
        }
        length -= (size_t)n;
    }
    return true;
}

bool database_file_copy(const char *from, const char *to, GError **error)
{
    autofd int source = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (source < 0 && errno == ENOENT)
        return true;
    autofd int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (source < 0 || target < 0 || !database_file_pour(source, target, SIZE_MAX))
        return error_set_errno(error, errno, "cannot copy %s to %s", from, to);
    return true;
}

bool database_file_begin_with(const char *path, const void *bytes, size_t length, GError **error)
{
    autofd int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || pwrite(fd, bytes, length, 0) != (ssize_t)length)
        return error_set_errno(error, errno, "cannot write the beginning of %s", path);
    return true;
}

bool database_file_rename(const char *from, const char *to, GError **error)
{
    if (rename(from, to) < 0)
        return error_set_errno(error, errno, "cannot rename %s to %s", from, to);
    return true;
}

bool database_file_remove(const char *path, GError **error)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove %s", path);
    return true;
}
