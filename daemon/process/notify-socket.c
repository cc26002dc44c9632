/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Receiving is bounded in every way: the size of a datagram, the number per turn, and descriptors
 * that come along are closed at once (which is also what a sender with BARRIER=1 waits for). */

#include "process/notify-socket.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/host-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTIFY_PER_TURN 32
/* More than a socket holds; only a second sender could make a drain go on for longer. */
#define NOTIFY_PER_DRAIN 1024
#define NOTIFY_FDS_MAX 253 /* SCM_MAX_FD of the kernel: nothing can be truncated */

struct NotifySocket {
    ProcessHost *host;
    NotifyFunc func;
    void *data;
    int fd;
    Watch *watch;
    struct sockaddr_un address;
    bool is_bound; /* the file is ours */
};

static void notify_socket_close_fds(const struct cmsghdr *header)
{
    size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < n; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        (void)fd_close(fd);
    }
}

/* False without credentials. */
static bool notify_socket_read_control(struct msghdr *message, NotifySender *ret_sender)
{
    bool found = false;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET)
            continue;
        if (header->cmsg_type == SCM_RIGHTS)
            notify_socket_close_fds(header);
        if (header->cmsg_type == SCM_CREDENTIALS &&
            header->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
            struct ucred credentials;

            memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
            *ret_sender = (NotifySender){credentials.pid, credentials.uid};
            found = true;
        }
    }
    return found;
}

typedef enum NotifyReceived {
    NOTIFY_NOTHING,
    NOTIFY_MALFORMED,
    NOTIFY_MESSAGE,
} NotifyReceived;

static NotifyReceived notify_socket_receive(NotifySocket *notify, NotifyMessage *ret_message,
                                            NotifySender *ret_sender)
{
    char data[NOTIFY_MAX_BYTES];
    union {
        struct cmsghdr alignment;
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
    } control;
    struct iovec vector = {data, sizeof data};
    struct msghdr message = {
            .msg_iov = &vector,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof control,
    };
    ssize_t n =
            sys_recvmsg(notify->host->sys, notify->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0)
        return NOTIFY_NOTHING;

    bool is_whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (!notify_socket_read_control(&message, ret_sender) || !is_whole)
        return NOTIFY_MALFORMED;
    return notify_message_parse(data, (size_t)n, ret_message) ? NOTIFY_MESSAGE : NOTIFY_MALFORMED;
}

static void notify_socket_read(NotifySocket *notify, unsigned n_max)
{
    for (unsigned n = 0; n < n_max; n++) {
        NotifyMessage message;
        NotifySender sender = {0};
        NotifyReceived received = notify_socket_receive(notify, &message, &sender);

        if (received == NOTIFY_NOTHING)
            return;
        notify->func(received == NOTIFY_MESSAGE ? &message : NULL, &sender, &(NotifyFds){0},
                     notify->data);
    }
}

static void on_notify_socket(uint32_t events, void *data)
{
    notify_socket_read(data, NOTIFY_PER_TURN);
}

void notify_socket_drain(NotifySocket *notify)
{
    notify_socket_read(notify, NOTIFY_PER_DRAIN);
}

/* The mode is set before there is a file, so that there is no moment in which it is open to all.
 * The host has made sure that the directory is short enough. */
static bool notify_socket_open(NotifySocket *notify, uid_t uid, gid_t gid)
{
    const Sys *sys = notify->host->sys;
    struct sockaddr_un *address = &notify->address;
    const int on = 1;

    notify->fd = sys->socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 || sys->fchmod(notify->fd, 0600) < 0)
        return false;
    if (sys->setsockopt(notify->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return false;
    if (sys->bind(notify->fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return false;
    notify->is_bound = true;
    if ((uid != geteuid() || gid != getegid()) && sys->lchown(address->sun_path, uid, gid) < 0)
        return false;
    notify->watch = watch_new(notify->host->watches, notify->fd, EPOLLIN, WATCH_PRIORITY_NORMAL,
                              on_notify_socket, notify);
    return notify->watch != NULL;
}

NotifySocket *notify_socket_new(ProcessHost *host, uid_t uid, gid_t gid, NotifyFunc func,
                                void *data, GError **error)
{
    NotifySocket *notify = g_new0(NotifySocket, 1);

    notify->host = host;
    notify->func = func;
    notify->data = data;
    notify->fd = -1;
    notify->address.sun_family = AF_UNIX;
    (void)g_snprintf(notify->address.sun_path, sizeof notify->address.sun_path, "%s/%x",
                     host->notify_directory, ++host->last_notify_name);
    if (notify_socket_open(notify, uid, gid))
        return notify;
    error_set_errno(error, errno, "cannot open the notify socket %s", notify_socket_path(notify));
    notify_socket_free(notify);
    return NULL;
}

void notify_socket_free(NotifySocket *notify)
{
    if (notify == NULL)
        return;
    watch_free(notify->watch);
    if (notify->is_bound)
        (void)notify->host->sys->unlink(
                notify->address.sun_path); /* somebody may have been faster */
    notify->fd = fd_close(notify->fd);
    g_free(notify);
}

const char *notify_socket_path(const NotifySocket *notify)
{
    return notify->address.sun_path;
}
