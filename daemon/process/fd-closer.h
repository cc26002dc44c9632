/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Closing what close(2) may wait for: a file of FUSE or of a network waits for its server, a socket
 * that lingers for its peer. The loop waits for nobody, so a child that shares the daemon's
 * descriptors does it. */

#include "process/host.h"

typedef struct FdCloser FdCloser;

/* Takes fd. It is closed soon, in a later turn of the loop, or when who is in the way of it has
 * answered. */
void fd_closer_close(ProcessHost *host, int fd);
/* Too much waits already: nothing that may have to be closed is to be received. */
bool fd_closer_is_full(const ProcessHost *host);
/* Gives the children a second to end. Accepts NULL. */
void fd_closer_free(FdCloser *closer);
