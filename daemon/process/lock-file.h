/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One daemon per state directory. The lock is the kernel's, and ends with the process that holds
 * it, however that ends: nothing is ever stale. The file itself stays for good, since to remove it
 * would take it away from whoever has just opened it. */

#include <glib.h>
#include <stdbool.h>

typedef struct LockFile LockFile;

/* Takes DIR/lock (fcntl(2), not inherited by children). The directory must exist and be the
 * caller's own. NULL and ERROR_BUSY when another process holds it: the error names process and
 * directory. A process that opens and closes the file in any other way loses its lock. */
LockFile *lock_file_take(const char *dir, GError **error);
/* A line that goes from one holder to the next; written into the file. */
#define LOCK_FILE_NOTE_MAX 64
/* NULL: there is none, or the file is a copy of the one that it was written into. The caller's. */
char *lock_file_read_note(const LockFile *lock);
/* note: at most LOCK_FILE_NOTE_MAX bytes, without blanks. Survives the holder, not a loss of power.
 */
bool lock_file_write_note(LockFile *lock, const char *note, GError **error);
/* Lets another take it. Accepts NULL. */
void lock_file_free(LockFile *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LockFile, lock_file_free)
