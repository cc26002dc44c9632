/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child closes all that has come together until it was started. It is a copy of the daemon, which
 * costs more than what it does: so it is started by a timer, and not soon after another one, unless
 * much waits. One that hangs holds up nothing but its own batch, until there are as many of them as
 * there may be: then descriptors gather. Between its start and its end the numbers of a batch are
 * the child's, which gives them back. */

#include "process/fd-closer.h"

#include "base/fds.h"
#include "process/host-internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FD_CLOSER_FUNCTION __attribute__((no_sanitize("address", "undefined")))
#define FD_CLOSER_CHILDREN_MAX 8
#define FD_CLOSER_WAITING_MAX 128
#define FD_CLOSER_INTERVAL_USEC (20 * USEC_PER_MSEC)
#define FD_CLOSER_END_MSEC 1000

typedef struct FdCloserChild {
    FdCloser *closer;
    int pidfd; /* -1: there is none */
    Watch *watch;
} FdCloserChild;

struct FdCloser {
    ProcessHost *host;
    GArray *waiting; /* of int */
    Timer *timer;    /* the next child is due */
    uint64_t next_usec;
    FdCloserChild children[FD_CLOSER_CHILDREN_MAX];
};

static FD_CLOSER_FUNCTION void fd_closer_run(void *data)
{
    const FdCloser *closer = data;
    const Sys *sys = closer->host->sys;

    (void)sys->raw(SYS_prctl, PR_SET_PDEATHSIG, (long)SIGKILL); /* it holds what is the daemon's */
    for (unsigned i = 0; i < closer->waiting->len; i++)
        (void)sys->raw(SYS_close, ((const int *)(const void *)closer->waiting->data)[i]);
    for (;;)
        (void)sys->raw(SYS_exit_group, 0L);
}

static FdCloserChild *fd_closer_find_free(FdCloser *closer)
{
    for (size_t i = 0; i < FD_CLOSER_CHILDREN_MAX; i++) {
        if (closer->children[i].pidfd < 0)
            return &closer->children[i];
    }
    return NULL;
}

/* The host has reaped it, or does. */
static void fd_closer_child_done(FdCloserChild *child)
{
    g_clear_pointer(&child->watch, watch_free);
    (void)sys_waitid(child->closer->host->sys, P_PIDFD, (id_t)child->pidfd, NULL,
                     WEXITED | WNOHANG);
    child->pidfd = fd_close(child->pidfd);
}

static void fd_closer_plan(FdCloser *closer);

static void on_closer_child(uint32_t events, void *data)
{
    FdCloserChild *child = data;

    fd_closer_child_done(child);
    fd_closer_plan(child->closer);
}

/* Where no child can be had, to close at once is what is left. */
static void fd_closer_close_waiting(FdCloser *closer)
{
    for (unsigned i = 0; i < closer->waiting->len; i++)
        (void)fd_close(g_array_index(closer->waiting, int, i));
    g_array_set_size(closer->waiting, 0);
}

/* A child whose end cannot be watched is not counted; the host reaps it. */
static void fd_closer_start(FdCloser *closer)
{
    ProcessHost *host = closer->host;
    FdCloserChild *child = fd_closer_find_free(closer);
    int pidfd = -1;

    if (child == NULL || closer->waiting->len == 0)
        return;
    timer_disarm(closer->timer);
    closer->next_usec = clock_monotonic_usec(host->clock) + FD_CLOSER_INTERVAL_USEC;
    if (host->sys->clone_files(fd_closer_run, closer, host->stack, host->stack_size, &pidfd) < 0) {
        fd_closer_close_waiting(closer);
        return;
    }
    g_array_set_size(closer->waiting, 0);
    child->watch =
            watch_new(host->watches, pidfd, EPOLLIN, WATCH_PRIORITY_NORMAL, on_closer_child, child);
    child->pidfd = child->watch != NULL ? pidfd : fd_close(pidfd);
}

static void on_closer_timer(void *data)
{
    fd_closer_start(data);
}

/* Who finds no child is planned again when one has ended. */
static void fd_closer_plan(FdCloser *closer)
{
    if (closer->waiting->len >= FD_CLOSER_WAITING_MAX)
        fd_closer_start(closer);
    else if (closer->waiting->len > 0 && !timer_is_armed(closer->timer))
        timer_arm(closer->timer, closer->next_usec);
}

static FdCloser *fd_closer_new(ProcessHost *host)
{
    FdCloser *closer = g_new0(FdCloser, 1);

    closer->host = host;
    closer->waiting = g_array_new(FALSE, FALSE, sizeof(int));
    closer->timer = timer_new(host->timers, on_closer_timer, closer);
    for (size_t i = 0; i < FD_CLOSER_CHILDREN_MAX; i++)
        closer->children[i] = (FdCloserChild){.closer = closer, .pidfd = -1};
    return closer;
}

void fd_closer_close(ProcessHost *host, int fd)
{
    if (host->closer == NULL)
        host->closer = fd_closer_new(host);
    g_array_append_val(host->closer->waiting, fd);
    fd_closer_plan(host->closer);
}

bool fd_closer_is_full(const ProcessHost *host)
{
    return host->closer != NULL && host->closer->waiting->len >= FD_CLOSER_WAITING_MAX;
}

/* What hangs is not waited for twice. */
static void fd_closer_end_children(FdCloser *closer)
{
    int wait_msec = FD_CLOSER_END_MSEC;

    for (size_t i = 0; i < FD_CLOSER_CHILDREN_MAX; i++) {
        FdCloserChild *child = &closer->children[i];
        struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};

        if (child->pidfd < 0)
            continue;
        if (poll(&ended, 1, wait_msec) == 0) {
            (void)closer->host->sys->pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
            wait_msec = 0;
        }
        fd_closer_child_done(child);
    }
}

void fd_closer_free(FdCloser *closer)
{
    if (closer == NULL)
        return;
    fd_closer_start(closer);
    timer_free(closer->timer);
    fd_closer_end_children(closer);
    fd_closer_close_waiting(closer);
    g_array_unref(closer->waiting);
    g_free(closer);
}
