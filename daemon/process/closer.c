/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child closes all that has come together until it was started. One that hangs holds up nothing
 * but its own batch, until there are as many of them as there may be: then descriptors gather.
 * Between its start and its end the numbers of a batch are the child's, which gives them back. */

#include "process/closer.h"

#include "base/fds.h"
#include "process/host-internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define CLOSER_FUNCTION __attribute__((no_sanitize("address", "undefined")))
#define CLOSER_CHILDREN_MAX 8
#define CLOSER_WAITING_MAX 128
#define CLOSER_END_MSEC 1000

typedef struct CloserChild {
    Closer *closer;
    int pidfd; /* -1: there is none */
    Watch *watch;
} CloserChild;

struct Closer {
    ProcessHost *host;
    GArray *waiting; /* of int */
    CloserChild children[CLOSER_CHILDREN_MAX];
};

static CLOSER_FUNCTION void closer_run(void *data)
{
    const Closer *closer = data;
    const Sys *sys = closer->host->sys;

    (void)sys->raw(SYS_prctl, PR_SET_PDEATHSIG, (long)SIGKILL); /* it holds what is the daemon's */
    for (unsigned i = 0; i < closer->waiting->len; i++)
        (void)sys->raw(SYS_close, ((const int *)(const void *)closer->waiting->data)[i]);
    for (;;)
        (void)sys->raw(SYS_exit_group, 0L);
}

static CloserChild *closer_find_free(Closer *closer)
{
    for (size_t i = 0; i < CLOSER_CHILDREN_MAX; i++) {
        if (closer->children[i].pidfd < 0)
            return &closer->children[i];
    }
    return NULL;
}

/* The host has reaped it, or does. */
static void closer_child_done(CloserChild *child)
{
    g_clear_pointer(&child->watch, watch_free);
    (void)sys_waitid(child->closer->host->sys, P_PIDFD, (id_t)child->pidfd, NULL,
                     WEXITED | WNOHANG);
    child->pidfd = fd_close(child->pidfd);
}

static void closer_start(Closer *closer);

static void on_closer_child(uint32_t events, void *data)
{
    CloserChild *child = data;

    closer_child_done(child);
    closer_start(child->closer);
}

/* Where no child can be had, to close at once is what is left. */
static void closer_close_waiting(Closer *closer)
{
    for (unsigned i = 0; i < closer->waiting->len; i++)
        (void)fd_close(g_array_index(closer->waiting, int, i));
    g_array_set_size(closer->waiting, 0);
}

/* A child whose end cannot be watched is not counted; the host reaps it. */
static void closer_start(Closer *closer)
{
    ProcessHost *host = closer->host;
    CloserChild *child = closer_find_free(closer);
    int pidfd = -1;

    if (child == NULL || closer->waiting->len == 0)
        return;
    if (host->sys->clone_files(closer_run, closer, host->stack, host->stack_size, &pidfd) < 0) {
        closer_close_waiting(closer);
        return;
    }
    g_array_set_size(closer->waiting, 0);
    child->watch =
            watch_new(host->watches, pidfd, EPOLLIN, WATCH_PRIORITY_NORMAL, on_closer_child, child);
    child->pidfd = child->watch != NULL ? pidfd : fd_close(pidfd);
}

static Closer *closer_new(ProcessHost *host)
{
    Closer *closer = g_new0(Closer, 1);

    closer->host = host;
    closer->waiting = g_array_new(FALSE, FALSE, sizeof(int));
    for (size_t i = 0; i < CLOSER_CHILDREN_MAX; i++)
        closer->children[i] = (CloserChild){.closer = closer, .pidfd = -1};
    return closer;
}

void closer_close(ProcessHost *host, int fd)
{
    if (host->closer == NULL)
        host->closer = closer_new(host);
    g_array_append_val(host->closer->waiting, fd);
    closer_start(host->closer);
}

bool closer_is_full(const ProcessHost *host)
{
    return host->closer != NULL && host->closer->waiting->len >= CLOSER_WAITING_MAX;
}

/* What hangs is not waited for twice. */
static void closer_end_children(Closer *closer)
{
    int wait_msec = CLOSER_END_MSEC;

    for (size_t i = 0; i < CLOSER_CHILDREN_MAX; i++) {
        CloserChild *child = &closer->children[i];
        struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};

        if (child->pidfd < 0)
            continue;
        if (poll(&ended, 1, wait_msec) == 0) {
            (void)closer->host->sys->pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
            wait_msec = 0;
        }
        closer_child_done(child);
    }
}

void closer_free(Closer *closer)
{
    if (closer == NULL)
        return;
    closer_end_children(closer);
    closer_close_waiting(closer);
    g_array_unref(closer->waiting);
    g_free(closer);
}
