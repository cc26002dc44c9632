/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors that close themselves, and reading small files whole. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

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
 * file types, larger files, and does not block on a FIFO. Error names the path. */
bool file_read(int directory_fd, const char *path, size_t max_bytes, char **ret_text,
               size_t *ret_length, GError **error);
