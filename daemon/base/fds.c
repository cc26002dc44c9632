/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors are closed exactly once: closing one that is not open is our own bug, since another
 * part of the daemon may own that number by now. */

#include "base/fds.h"

#include "base/errors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_READ_CHUNK_BYTES 65536
#define FILE_WAY_LINKS_MAX 40 /* as the kernel */

int fd_close(int fd)
{
    if (fd >= 0) {
        int saved = errno;

        /* Linux releases the number whatever close(2) answers, so only EBADF matters. */
        g_assert(close(fd) == 0 || errno != EBADF);
        errno = saved;
    }
    return -1;
}

int fd_count_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    if (directory == NULL)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.')
            count++;
    }
    (void)closedir(directory); /* only read from, nothing to lose */
    return count - 1;          /* without the directory's own */
}

static bool file_check(int fd, const char *path, size_t max_bytes, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return error_set_errno(error, errno, "cannot examine %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_FAILED, "%s is not a regular file", path);
    if ((uint64_t)status.st_size > max_bytes)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "%s is larger than %zu bytes", path,
                         max_bytes);
    return true;
}

/* Until the end, since a file may grow meanwhile and those of /proc say that they have no size. */
static bool file_read_all(int fd, const char *path, size_t max_bytes, GString *text, GError **error)
{
    g_autofree char *chunk = g_malloc(FILE_READ_CHUNK_BYTES);

    for (;;) {
        /* One byte more than may be: that byte is how we learn of a file that is too large. */
        size_t want = MIN(max_bytes - text->len, FILE_READ_CHUNK_BYTES - 1) + 1;
        ssize_t n = read(fd, chunk, want);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(error, errno, "cannot read %s", path);
        if (n == 0)
            return true;
        if ((size_t)n > max_bytes - text->len)
            return error_set(error, ERROR_LIMIT_EXCEEDED, "%s is larger than %zu bytes", path,
                             max_bytes);
        g_string_append_len(text, chunk, n);
    }
}

/* Negative on failure. */
static int file_open(int directory_fd, const char *path, GError **error)
{
    int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        ErrorCode code = errno == ENOENT ? ERROR_NOT_FOUND : ERROR_FAILED;

        error_set(error, code, "cannot open %s: %s", path, g_strerror(errno));
    }
    return fd;
}

static bool file_read_open(int fd, const char *path, size_t max_bytes, char **ret_text,
                           size_t *ret_length, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!file_check(fd, path, max_bytes, error) || !file_read_all(fd, path, max_bytes, text, error))
        return false;
    if (ret_length != NULL)
        *ret_length = text->len;
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return true;
}

bool file_read(int directory_fd, const char *path, size_t max_bytes, char **ret_text,
               size_t *ret_length, GError **error)
{
    autofd int fd = file_open(directory_fd, path, error);

    return fd >= 0 && file_read_open(fd, path, max_bytes, ret_text, ret_length, error);
}

bool file_read_trusted(const char *path, size_t max_bytes, uint32_t uid, char **ret_text,
                       size_t *ret_length, GError **error)
{
    autofd int fd = file_open(AT_FDCWD, path, error);

    return fd >= 0 && file_check_trusted(fd, path, uid, error) &&
           file_check_way_trusted(path, uid, error) &&
           file_read_open(fd, path, max_bytes, ret_text, ret_length, error);
}

/* "root", "root or user 1000" */
static char *file_trusted_owners(uint32_t uid)
{
    if (uid == 0)
        return g_strdup("root");
    return g_strdup_printf("root or user %" G_GUINT32_FORMAT, uid);
}

static bool file_check_owner(const struct stat *status, const char *path, uint32_t uid,
                             GError **error)
{
    g_autofree char *owners = NULL;

    if (status->st_uid == 0 || status->st_uid == uid)
        return true;
    owners = file_trusted_owners(uid);
    return error_set(error, ERROR_ACCESS_DENIED,
                     "%s belongs to user %" G_GUINT32_FORMAT
                     " and must belong to %s: change it with chown",
                     path, (uint32_t)status->st_uid, owners);
}

static bool file_check_closed(const struct stat *status, const char *path, GError **error)
{
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    return error_set(error, ERROR_ACCESS_DENIED,
                     "%s can be written by others than its owner (mode %04o): change it with "
                     "chmod go-w",
                     path, status->st_mode & 07777U);
}

bool file_check_trusted(int fd, const char *path, uint32_t uid, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return error_set_errno(error, errno, "cannot examine %s", path);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return error_set(error, ERROR_ACCESS_DENIED, "%s is neither a regular file nor a directory",
                         path);
    return file_check_owner(&status, path, uid, error) && file_check_closed(&status, path, error);
}

/* The way to a file, as the kernel goes it. What has been gone cannot be changed by others any
 * more, so there is no race. */
typedef struct FileWay {
    GString *gone; /* without a slash at the end: "" is the root */
    GString *left;
    uint32_t uid;
    unsigned n_links;
} FileWay;

static bool file_way_follow(FileWay *way, const char *link, GError **error)
{
    char target[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof(target));

    if (n < 0)
        return error_set_errno(error, errno, "cannot read the link %s", link);
    if (++way->n_links > FILE_WAY_LINKS_MAX)
        return error_set_errno(error, ELOOP, "cannot follow the link %s", link);
    g_string_prepend_c(way->left, '/');
    g_string_prepend_len(way->left, target, n);
    if (target[0] == '/')
        g_string_truncate(way->gone, 0);
    return true;
}

static bool file_way_enter(FileWay *way, const char *next, GError **error)
{
    struct stat status;

    if (lstat(next, &status) < 0)
        return error_set_errno(error, errno, "cannot examine %s", next);
    if (S_ISLNK(status.st_mode))
        return file_check_owner(&status, next, way->uid, error) &&
               file_way_follow(way, next, error);
    g_string_assign(way->gone, g_str_equal(next, "/") ? "" : next);
    if (!S_ISDIR(status.st_mode))
        return true;
    /* In a sticky one others add files, and leave alone what is there. */
    return file_check_owner(&status, next, way->uid, error) &&
           ((status.st_mode & S_ISVTX) != 0 || file_check_closed(&status, next, error));
}

/* The next name that is left, or NULL. */
static char *file_way_take(FileWay *way)
{
    size_t start = strspn(way->left->str, "/");
    size_t length = strcspn(way->left->str + start, "/");
    char *name = length > 0 ? g_strndup(way->left->str + start, length) : NULL;

    g_string_erase(way->left, 0, (gssize)(start + length));
    return name;
}

static bool file_way_walk(FileWay *way, GError **error)
{
    char *name;

    if (!file_way_enter(way, "/", error))
        return false;
    while ((name = file_way_take(way)) != NULL) {
        g_autofree char *taken = name;
        g_autofree char *next = g_strconcat(way->gone->str, "/", taken, NULL);

        if (g_str_equal(taken, ".."))
            g_string_truncate(way->gone, way->gone->len > 0 ? (gsize)(strrchr(way->gone->str, '/') -
                                                                      way->gone->str)
                                                            : 0);
        else if (!g_str_equal(taken, ".") && !file_way_enter(way, next, error))
            return false;
    }
    return true;
}

bool file_check_way_trusted(const char *path, uint32_t uid, GError **error)
{
    g_autofree char *here = g_path_is_absolute(path) ? g_strdup("") : g_get_current_dir();
    g_autoptr(GString) gone = g_string_new(NULL);
    g_autoptr(GString) left = g_string_new(here);
    FileWay way = {.gone = gone, .left = left, .uid = uid};

    g_string_append_c(left, '/');
    g_string_append(left, path);
    if (file_way_walk(&way, error))
        return true;
    g_prefix_error(error, "the way to %s is not to be trusted: ", path);
    return false;
}
