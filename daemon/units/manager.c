/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nobody may listen, so failures are no matter. Whoever listens may have stopped to read, and what
 * sd_notify(3) then does is wait, for ever: here a line for people is dropped, and what matters
 * waits for a moment only. */

#include "units/manager.h"

#include "base/fds.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MANAGER_PATIENCE_SEC 1

/* A path, or with "@" a name that is in no file system. */
static bool manager_address(struct sockaddr_un *ret_address, socklen_t *ret_length)
{
    const char *socket_name = g_getenv("NOTIFY_SOCKET");
    size_t length = socket_name != NULL ? strlen(socket_name) : 0;

    if (length < 2 || length >= sizeof(ret_address->sun_path) ||
        (*socket_name != '/' && *socket_name != '@'))
        return false;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, socket_name, length);
    if (*socket_name == '@')
        ret_address->sun_path[0] = '\0';
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
                              (*socket_name == '/' ? 1 : 0));
    return true;
}

static void manager_send(const char *text, int flags)
{
    struct timeval patience = {.tv_sec = MANAGER_PATIENCE_SEC};
    struct sockaddr_un address;
    socklen_t length;

    if (!manager_address(&address, &length))
        return;
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | flags, (const struct sockaddr *)&address,
                 length);
}

void manager_tell_ready(void)
{
    manager_send("READY=1", 0);
}

void manager_tell_reloading(uint64_t monotonic_usec)
{
    g_autofree char *text =
            g_strdup_printf("RELOADING=1\nMONOTONIC_USEC=%" G_GUINT64_FORMAT, monotonic_usec);

    manager_send(text, 0);
}

void manager_tell_stopping(uint64_t stop_usec)
{
    g_autofree char *text =
            g_strdup_printf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%" G_GUINT64_FORMAT, stop_usec);

    manager_send(text, 0);
}

void manager_tell_status(const char *format, ...)
{
    g_autofree char *status = NULL, *text = NULL;
    va_list args;

    va_start(args, format);
    status = g_strdup_vprintf(format, args);
    va_end(args);
    text = g_strconcat("STATUS=", status, NULL);
    manager_send(text, MSG_DONTWAIT);
}
