/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sender's side of sd_notify(3), by hand, so that the tests do not check a library against
 * itself. */

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTIFY_FDS_MAX 253 /* as many as one message can take along */

/* With n descriptors, which stay open here. Ends the program when it cannot be sent. */
static inline void notify_send_fds_to(const char *path, const char *text, size_t length,
                                      const int *fds, size_t n)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec vector = {(void *)(uintptr_t)text, length};
    struct msghdr message = {
            .msg_name = &address,
            .msg_namelen = sizeof address,
            .msg_iov = &vector,
            .msg_iovlen = 1,
    };

    if (n > 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof *fds);
        memcpy(CMSG_DATA(&control.header), fds, n * sizeof *fds);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof *fds);
    }
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
        perror("sendmsg");
        exit(90);
    }
    (void)close(fd);
}

static inline void notify_send_to(const char *path, const char *text, size_t length)
{
    notify_send_fds_to(path, text, length, NULL, 0);
}

static inline void notify_send_fds(const char *text, const int *fds, size_t n)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path == NULL)
        exit(91);
    notify_send_fds_to(path, text, strlen(text), fds, n);
}

static inline void notify_send(const char *text)
{
    notify_send_fds(text, NULL, 0);
}

/* Returns when everything that was said before has been heard: the receiver closes what came with
 * the last. */
static inline void notify_send_barrier(void)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        exit(92);
    notify_send_fds("BARRIER=1", &fds[1], 1);
    (void)close(fds[1]);

    struct pollfd waited = {.fd = fds[0]};
    while (poll(&waited, 1, -1) < 0)
        ;
    (void)close(fds[0]);
}
