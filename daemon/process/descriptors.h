/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What services may cost the daemon in descriptors. The last ones are not for them: clients must
 * still be able to connect, and the daemon to stop what it runs. */

#include "process/host.h"

#define DESCRIPTORS_RESERVED 64

/* False when all but the reserved ones are in use, or when that cannot be found out. Costs three
 * system calls. */
bool descriptors_are_spare(const ProcessHost *host);

/* Closes one that a program has given us, or -1; returns -1. close(2) of a socket waits for its
 * peer if the program has set SO_LINGER; that is unset first, for the loop does not wait. */
int descriptors_close_given(const ProcessHost *host, int fd);
