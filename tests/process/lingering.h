/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A socket whose last owner waits in close(2), for half a minute. */

#include "base/clock.h"
#include "base/fds.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define LINGERING_USEC (30 * USEC_PER_SEC)

/* A connection whose peer does not read, full, and to be closed only when the peer has read all.
 * Once the peer is closed nobody waits any more. */
static inline int lingering_socket(int *ret_peer)
{
    const struct linger linger = {1, LINGERING_USEC / USEC_PER_SEC};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    autofd int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *bytes = g_malloc0(65536);

    g_assert_cmpint(bind(listening, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(listening, 1), ==, 0);
    g_assert_cmpint(getsockname(listening, (struct sockaddr *)&address, &length), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, length), ==, 0);
    *ret_peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(*ret_peer, >=, 0);
    while (send(fd, bytes, 65536, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), ==, 0);
    return fd;
}
