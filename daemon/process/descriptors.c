/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel gives out the lowest free number, so that of a new descriptor says how many there are
 * at least. */

#include "process/descriptors.h"

#include "base/fds.h"
#include "process/host-internal.h"

#include <fcntl.h>

bool descriptors_are_spare(const ProcessHost *host)
{
    struct rlimit limit;
    autofd int probe = fcntl(host->null_fd, F_DUPFD_CLOEXEC, 0);

    return probe >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           (rlim_t)probe + DESCRIPTORS_RESERVED < limit.rlim_cur;
}

int descriptors_close_given(const ProcessHost *host, int fd)
{
    static const struct linger off = {0};

    if (fd >= 0) /* most are no sockets, and refuse */
        (void)host->sys->setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    return fd_close(fd);
}
