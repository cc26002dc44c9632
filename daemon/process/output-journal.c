/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sd_journal_stream_fd(3) does, but for waiting: that one hangs in connect(2) as long as a
 * journal does whose queue is full. The stream begins with seven lines: identifier, unit, priority,
 * whether lines may begin with one ("<3>"), and whether they go on to syslog, kernel log and
 * console. */

#include "base/fds.h"
#include "process/output-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OUTPUT_JOURNAL_HEADER "%s\n\n6\n1\n0\n0\n0\n"

static bool output_journal_connect(int fd)
{
    static const struct sockaddr_un address = {
            .sun_family = AF_UNIX,
            .sun_path = "/run/systemd/journal/stdout",
    };

    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

static bool output_journal_begin(int fd, const char *identifier)
{
    g_autofree char *header = g_strdup_printf(OUTPUT_JOURNAL_HEADER, identifier);
    ssize_t length = (ssize_t)strlen(header);

    /* An empty buffer has room for all of the header. Then it is the program's, who can wait. */
    return shutdown(fd, SHUT_RD) == 0 && send(fd, header, (size_t)length, MSG_NOSIGNAL) == length &&
           fcntl(fd, F_SETFL, 0) == 0;
}

static int output_journal_socket(const Sys *sys)
{
    return sys->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A stream that ends without a header is none to the journal. */
bool output_journal_answers(const Sys *sys)
{
    autofd int fd = output_journal_socket(sys);

    return fd >= 0 && output_journal_connect(fd);
}

int output_journal_open(const Sys *sys, const char *identifier)
{
    autofd int fd = output_journal_socket(sys);

    if (fd < 0 || !output_journal_connect(fd) || !output_journal_begin(fd, identifier))
        return -errno;
    if (fd > STDERR_FILENO)
        return fd_steal(&fd);

    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return moved >= 0 ? moved : -errno;
}
