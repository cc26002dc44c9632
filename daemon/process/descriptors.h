/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What services may cost the daemon in descriptors. The last ones are not for them: clients must
 * still be able to connect, and the daemon to stop what it runs. */

#include "process/host.h"

#define DESCRIPTORS_RESERVED 64

/* False when all but the reserved ones are in use, or when that cannot be found out. Costs three
 * system calls. */
bool descriptors_are_spare(const ProcessHost *host);
/* The same for who has one that was opened just now. Costs one. */
bool descriptors_are_spare_beside(int fd);

/* Whether to close it never waits for anybody, as far as can be known: pipes, memory,
 * what has no file (anon_inode), streams within this host with nothing to be read. */
bool descriptors_are_harmless(int fd);

/* The same of polling alone: also every socket. */
bool descriptors_can_be_polled(int fd);

/* Closes one that a program has given us, or -1; returns -1. What is not known to be harmless is
 * closed by a child (fd-closer.h), later: the loop does not wait. */
int descriptors_close_given(ProcessHost *host, int fd);
