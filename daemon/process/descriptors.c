/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel gives out the lowest free number, so that of a new descriptor says how many there are
 * at least. */

#include "process/descriptors.h"

#include "base/fds.h"
#include "process/host-internal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool descriptors_are_spare_beside(int fd)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           (rlim_t)fd + DESCRIPTORS_RESERVED < limit.rlim_cur;
}

bool descriptors_are_spare(const ProcessHost *host)
{
    autofd int probe = fcntl(host->null_fd, F_DUPFD_CLOEXEC, 0);

    return probe >= 0 && descriptors_are_spare_beside(probe);
}

/* None of these asks whoever serves a file. The names of files begin with a slash. What a socket
 * has not read may carry descriptors, which go with it. */
bool descriptors_are_harmless(int fd)
{
    char path[64], target[32] = "";
    int domain = 0, type = 0, n_unread = -1;
    socklen_t length = sizeof domain;

    if (fcntl(fd, F_GETPIPE_SZ) >= 0 || fcntl(fd, F_GET_SEALS) >= 0)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0)
        return domain == AF_UNIX && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
               type == SOCK_STREAM && ioctl(fd, FIONREAD, &n_unread) == 0 && n_unread == 0;
    (void)g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target - 1) > 0 && g_str_has_prefix(target, "anon_inode:");
}

bool descriptors_can_be_polled(int fd)
{
    int domain;
    socklen_t length = sizeof domain;

    return descriptors_are_harmless(fd) ||
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0;
}

int descriptors_close_given(ProcessHost *host, int fd)
{
    static const struct linger off = {0};

    if (fd < 0 || descriptors_are_harmless(fd))
        return fd_close(fd);
    /* most are no sockets, and refuse */
    (void)host->sys->setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    fd_closer_close(host, fd);
    return -1;
}
