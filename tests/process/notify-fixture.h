/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A notify socket in virtual time: real datagrams of this very process, but the loop turns and time
 * moves only when the test says so. */

#include "base/virtual.h"
#include "process/notify-socket.h"

typedef struct NotifyFixture NotifyFixture;
/* For a test that wants to look at what is handed over; message NULL as in NotifyFunc. */
typedef void (*NotifyFixtureLook)(NotifyFixture *fixture, const NotifyMessage *message,
                                  NotifyFds *fds);

struct NotifyFixture {
    char *directory;
    VirtualLoop *loop;
    Sys sys; /* its members may be replaced at any time */
    ProcessHost *host;
    uid_t owner; /* of the next one that is opened */
    NotifySocket *notify;
    int fd;            /* of the notify socket */
    int sender;        /* connected to it; does not block */
    GPtrArray *said;   /* what came: the status of a message, "malformed" for what was none */
    NotifySender from; /* the last */
    bool is_stranger;  /* this process, for whom it sends to */
    NotifyFixtureLook look;
    void *data;
    int n_fds;
};

void notify_fixture_init(NotifyFixture *fixture, const void *unused);
/* Checks that no watch, timer, descriptor or file is left. */
void notify_fixture_done(NotifyFixture *fixture, const void *unused);

/* Only without one. */
NotifySocket *notify_fixture_open(NotifyFixture *fixture, GError **error);
void notify_fixture_close(NotifyFixture *fixture);

/* False when the socket takes no more: the sender would have to wait. */
bool notify_fixture_send_bytes(NotifyFixture *fixture, const char *bytes, size_t length,
                               const int *fds, size_t n);
/* The socket has room. */
void notify_fixture_say(NotifyFixture *fixture, const char *text);
void notify_fixture_give(NotifyFixture *fixture, const char *text, const int *fds, size_t n);

bool notify_fixture_is_watched(const NotifyFixture *fixture);
/* From now on watches fail with this errno; 0: no more. */
void notify_fixture_fail_watches(int errno_value);
/* One turn of the loop: false if there is nothing to be read, or nobody to read it. */
bool notify_fixture_turn(NotifyFixture *fixture);
/* All there are. Returns how many. */
unsigned notify_fixture_turns(NotifyFixture *fixture);
