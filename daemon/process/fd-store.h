/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors that a program has given us to keep (FDSTORE=1 of sd_notify(3)), for its next start.
 * One that is of no use any more, because its other end is closed, is dropped. Each start inherits
 * all that is here, so nothing is kept whose close(2) may wait for somebody. */

#include "process/host.h"

#include <stddef.h>

#define FD_STORE_NAME_BYTES 256 /* with the NUL */

typedef struct FdStore FdStore;

FdStore *fd_store_new(ProcessHost *host);
void fd_store_free(FdStore *store); /* closes all. Accepts NULL */
/* 1 to 255 characters of ASCII, no control characters, no colon. */
bool fd_store_name_is_valid(const char *name);
/* Takes *fd in any case (it becomes -1). name: "" is "stored". watched: dropped when it hangs up,
 * where it can be watched. One that is there already is not kept twice: it keeps its first name,
 * and needs no room. Errors: ERROR_LIMIT_EXCEEDED: max are kept, or the daemon's last descriptors
 * are not for this; ERROR_NOT_SUPPORTED: it may wait for somebody outside this host
 * (fd-origin.h). */
bool fd_store_add(FdStore *store, int *fd, const char *name, bool watched, size_t max,
                  GError **error);
/* Closes those that came last, until max are left. Returns how many. */
size_t fd_store_trim(FdStore *store, size_t max);
/* Returns how many had this name ("" is "stored"). */
size_t fd_store_remove(FdStore *store, const char *name);
size_t fd_store_count(const FdStore *store);
int fd_store_get(const FdStore *store, size_t index); /* borrowed; in the order of their coming */
/* As LISTEN_FDNAMES has them: joined by colons. */
char *fd_store_names(const FdStore *store);
