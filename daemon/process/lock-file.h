/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One daemon per state directory. The lock is the kernel's, and ends with the process that holds
 * it, however that ends: nothing is ever stale. The file itself stays for good, since to remove it
 * would take it away from whoever has just opened it. */

#include <glib.h>

typedef struct LockFile LockFile;

/* Takes DIR/lock (fcntl(2), not inherited by children). The directory must exist and be the
 * caller's own. NULL and ERROR_BUSY when another process holds it: the error names process and
 * directory. A process that opens and closes the file in any other way loses its lock. */
LockFile *lock_file_take(const char *dir, GError **error);
/* Lets another take it. Accepts NULL. */
void lock_file_free(LockFile *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LockFile, lock_file_free)
