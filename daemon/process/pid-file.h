/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process file, for those who want to know the daemon's number. It is told, not relied on: what
 * keeps two daemons apart is the lock (lock-file.h). */

#include <glib.h>
#include <stdbool.h>

/* Writes this process's id and a newline to path, as a new file of mode 0644 that takes the place
 * of an old one at once. What is there must be a regular file, or nothing: no symbolic link is
 * followed or replaced.
 *
 * ERROR_BUSY when it names another running process that is the same program as this one. Anything
 * else in it is stale and is replaced; *ret_stale then says what it was, for the log (NULL: there
 * was no file, or it was our own). Of daemons that begin at the same moment one has it, and the
 * others are refused. */
bool pid_file_write(const char *path, char **ret_stale, GError **error);
/* Removes it if it is a regular file that still holds this process's id. */
void pid_file_remove(const char *path);
