/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors that close themselves, reading small files whole, and whose word they are. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Closes fd if it is not negative, keeps errno, returns -1: "fd = fd_close(fd)". */
int fd_close(int fd);
/* Takes the descriptor out of *fd, which becomes -1. */
static inline int fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
static inline void fd_close_pointer(int *fd)
{
    (void)fd_close(*fd);
}
#define autofd __attribute__((cleanup(fd_close_pointer)))

/* The number of open descriptors of this process (of /proc/self/fd); negative errno. For tests and
 * limits. */
int fd_count_open(void);

/* Reads a regular file of at most max_bytes; the text is NUL-terminated besides. Refuses other
 * file types, larger files, and does not block on a FIFO. Error names the path; ERROR_NOT_FOUND:
 * there is no such file. */
bool file_read(int directory_fd, const char *path, size_t max_bytes, char **ret_text,
               size_t *ret_length, GError **error);
/* The same of a file that file_check_trusted trusts, and the way to it. The first check is of the
 * very file that is read. */
bool file_read_trusted(const char *path, size_t max_bytes, uint32_t uid, char **ret_text,
                       size_t *ret_length, GError **error);

/* Whether nobody but root and uid can change what fd is open on: a regular file or directory, owned
 * by one of them, and not writable by group or others (in a directory, a sticky bit keeps nobody
 * from adding files). What fd was opened through, a link or a directory above, is not looked at
 * (file_check_way_trusted). Else ERROR_ACCESS_DENIED that names path, says why, and what to do. */
bool file_check_trusted(int fd, const char *path, uint32_t uid, GError **error);
/* Whether nobody but root and uid can have path lead to another file: each directory and each link
 * on the way belongs to one of them, also those that links lead through, and no directory can be
 * written by group or others unless it is sticky. path: absolute, or from the working directory.
 * What it leads to is looked at only if it is a directory; file_check_trusted asks more. Errors as
 * there, and ERROR_FAILED where the way cannot be gone. */
bool file_check_way_trusted(const char *path, uint32_t uid, GError **error);
