/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text is on disk under a name that nobody looks for before it gets its own. */

#include "file.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0 or negative errno. */
static int file_write_all(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text += n;
        left -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Gives the file its name. link(2) refuses one that is taken. */
static int file_name(const char *temporary, const char *path, bool replaces)
{
    if (replaces)
        return rename(temporary, path) < 0 ? -errno : 0;
    int r = link(temporary, path) < 0 ? -errno : 0;
    (void)unlink(temporary); /* it has the other name, or none is wanted */
    return r;
}

/* So that the name survives a loss of power, too. */
static int file_sync_directory(const char *directory)
{
    autofd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

bool file_write(const char *directory, const char *name, const char *text, bool replaces,
                GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *temporary = g_build_filename(directory, ".svcmgr.XXXXXX", NULL);
    autofd int fd = mkostemp(temporary, O_CLOEXEC); /* its owner's only */

    if (fd < 0)
        return error_set_errno(error, errno, "%s", directory);
    int r = file_write_all(fd, text);
    if (r >= 0)
        r = file_name(temporary, path, replaces);
    if (r < 0)
        (void)unlink(temporary); /* the error is told; nothing is left of it */
    else
        r = file_sync_directory(directory);
    if (r == -EEXIST)
        return error_set(error, ERROR_ID_EXISTS, "%s is there already", path);
    return r < 0 ? error_set_errno(error, r, "%s", path) : true;
}
