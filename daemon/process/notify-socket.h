/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The socket that one run of a program sends its messages to: a datagram socket in the host's
 * directory, which nobody can list; but its path is in /proc/net/unix. Where it is not known which
 * user the program has, for it may change that as it runs, everybody can send to it. Whose word
 * counts is for the receiver to say, by the sender's number; strangers have a budget of their own,
 * and use up nothing of what the program may say. */

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

/* message NULL: the datagram was none. sender is not judged yet; false: it is a stranger. Must not
 * free the socket. */
typedef bool (*NotifyFunc)(const NotifyMessage *message, const NotifySender *sender, NotifyFds *fds,
                           void *data);

/* Messages are read in the loop at normal priority, a few per turn. Who sends more than its share
 * (a burst, then so many a second) is read again only when that is due, and waits meanwhile in its
 * own sendmsg: a flood delays nobody else. Strangers may say more before they have to wait, since
 * the program waits with them, in the same line. */
#define NOTIFY_EVERYBODY ((uid_t)-1)
/* owner: only that user can send, and root; or NOTIFY_EVERYBODY. */
NotifySocket *notify_socket_new(ProcessHost *host, uid_t owner, NotifyFunc func, void *data,
                                GError **error);
/* Only that user can send from now on, and root: another socket takes this one's path, and is
 * returned. This one is the other's then, and is read as long as that for who is connected already;
 * what stands in it is older than all that comes to the other (notify_socket_drain). NULL with
 * error: everybody still can. May be called by func. */
NotifySocket *notify_socket_give(NotifySocket *notify, uid_t owner, GError **error);
/* Accepts NULL; also removes the file. What was not read is thrown away. */
void notify_socket_free(NotifySocket *notify);
const char *notify_socket_path(const NotifySocket *notify);
/* Reads what is there now, without waiting for the loop: before a death is judged. */
void notify_socket_drain(NotifySocket *notify);
