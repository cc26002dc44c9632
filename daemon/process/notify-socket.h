/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The socket that one run of a program sends its messages to: a datagram socket in the host's
 * directory, which nobody can list. Everybody can send to it, for a program may change its user as
 * it runs: whose word counts is for the receiver to say, by the sender's number. */

#include "process/host.h"
#include "process/notify.h"

typedef struct NotifySocket NotifySocket;

/* Who sent it, as the kernel says. */
typedef struct NotifySender {
    pid_t pid;
    uid_t uid;
} NotifySender;

/* Descriptors that came along. Who keeps one takes it out (fd_steal); the others are closed after
 * the call, which is also what a sender with BARRIER=1 waits for. */
typedef struct NotifyFds {
    int *fds;
    size_t n;
    bool are_lost; /* there were more than the daemon has room for, and none is here */
} NotifyFds;

/* message NULL: the datagram was none. sender is not judged yet. Must not free the socket. */
typedef void (*NotifyFunc)(const NotifyMessage *message, const NotifySender *sender, NotifyFds *fds,
                           void *data);

/* Messages are read in the loop at normal priority, a few per turn. Who sends more than its share
 * (a burst, then so many a second) is read again only when that is due, and waits meanwhile in its
 * own sendmsg: a flood delays nobody else. */
NotifySocket *notify_socket_new(ProcessHost *host, NotifyFunc func, void *data, GError **error);
/* Accepts NULL; also removes the file. What was not read is thrown away. */
void notify_socket_free(NotifySocket *notify);
const char *notify_socket_path(const NotifySocket *notify);
/* Reads what is there now, without waiting for the loop: before a death is judged. */
void notify_socket_drain(NotifySocket *notify);
