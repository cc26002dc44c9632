/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sender's side of sd_notify(3), by hand, so that the tests do not check a library against
 * itself. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Ends the program when it cannot be sent. */
static inline void notify_send_to(const char *path, const char *text, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 ||
        sendto(fd, text, length, 0, (const struct sockaddr *)&address, sizeof address) < 0) {
        perror("sendto");
        exit(90);
    }
    (void)close(fd);
}

static inline void notify_send(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path == NULL)
        exit(91);
    notify_send_to(path, text, strlen(text));
}
