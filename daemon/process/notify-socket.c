/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Receiving is bounded in every way: the size of a datagram, the number per turn and per second,
 * and how long a descriptor that came along stays open. Who says too much is not refused, it is not
 * listened to for a moment: the kernel's queue holds what was said, and lets its sender wait. */

#include "process/notify-socket.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/descriptors.h"
#include "process/host-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTIFY_PER_TURN 32
/* In what messages cost. More than a socket holds; only a second sender could make a drain go on
 * for longer. */
#define NOTIFY_PER_DRAIN 1024
#define NOTIFY_FDS_MAX 253 /* SCM_MAX_FD of the kernel: nothing can be truncated */

/* A program that starts may say a lot at once (a status for each of its steps, a descriptor in each
 * message); in the long run nobody has more to say than can be looked at. So a socket saves up a
 * burst, and gets one message more every interval; many descriptors cost as much as more messages.
 * When it has used up all it is left alone until a turn's share has come together: a wake-up for
 * each message would cost more than the message.
 *
 * The kernel has one queue for all who send to a socket, and lets them wait in one line. So the
 * messages of strangers are not left there for as long as those of the program: it would have to
 * wait until all of them, who may be hundreds, have had their turn. */
#define NOTIFY_BURST 64
#define NOTIFY_PER_SECOND 500
#define NOTIFY_STRANGERS_PER_SECOND 5000
#define NOTIFY_FDS_PER_COST 8 /* to receive and to close them takes about as long as a message */
#define NOTIFY_STRANGERS_FDS_PER_COST 1 /* about as many a second as of the program */
/* After something that the kernel has refused. */
#define NOTIFY_RETRY_USEC (USEC_PER_SEC / 2)

typedef enum NotifyPayer {
    NOTIFY_PAYER_PROGRAM,
    NOTIFY_PAYER_STRANGERS,
    _NOTIFY_PAYER_MAX,
} NotifyPayer;

typedef struct NotifyPrice {
    uint64_t interval_usec;
    unsigned fds_per_cost;
} NotifyPrice;

static const NotifyPrice notify_prices[_NOTIFY_PAYER_MAX] = {
        [NOTIFY_PAYER_PROGRAM] = {USEC_PER_SEC / NOTIFY_PER_SECOND, NOTIFY_FDS_PER_COST},
        [NOTIFY_PAYER_STRANGERS] = {USEC_PER_SEC / NOTIFY_STRANGERS_PER_SECOND,
                                    NOTIFY_STRANGERS_FDS_PER_COST},
};

struct NotifySocket {
    ProcessHost *host;
    NotifyFunc func;
    void *data;
    int fd;
    Watch *watch; /* NULL: paused */
    Timer *timer; /* ends a pause; made by the first one */
    /* What was read is paid for at this time, an interval for each. */
    uint64_t paid_usec[_NOTIFY_PAYER_MAX];
    struct sockaddr_un address;
    bool is_bound;        /* the file is ours, or of the next one */
    NotifySocket *former; /* the one before this, which nobody finds any more; or NULL */
};

static void on_notify_socket(uint32_t events, void *data);
static void on_notify_socket_timer(void *data);

#define NOTIFY_CONTROL_BYTES                                                                       \
    (CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int)))

/* One that was received, of whatever form. */
typedef struct NotifyDatagram {
    char data[NOTIFY_MAX_BYTES];
    size_t length;
    NotifySender sender;
    int fds[NOTIFY_CONTROL_BYTES / sizeof(int)]; /* as many as could ever be read */
    size_t n_fds;
    bool fds_are_lost; /* some of them, to the kernel */
    bool is_whole;     /* the text, with the credentials of its sender */
} NotifyDatagram;

typedef enum NotifyReading {
    NOTIFY_READING_MORE, /* there may be */
    NOTIFY_READING_EMPTY,
    NOTIFY_READING_FAILED,
} NotifyReading;

static void notify_datagram_close_fds(NotifyDatagram *datagram, ProcessHost *host)
{
    for (size_t i = 0; i < datagram->n_fds; i++)
        datagram->fds[i] = descriptors_close_given(host, datagram->fds[i]);
    datagram->n_fds = 0;
}

static void notify_datagram_take_fds(NotifyDatagram *datagram, const struct cmsghdr *header)
{
    size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    memcpy(datagram->fds + datagram->n_fds, CMSG_DATA(header), n * sizeof(int));
    datagram->n_fds += n;
}

/* False without credentials. */
static bool notify_datagram_read_control(NotifyDatagram *datagram, struct msghdr *message)
{
    bool found = false;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET)
            continue;
        if (header->cmsg_type == SCM_RIGHTS)
            notify_datagram_take_fds(datagram, header);
        if (header->cmsg_type == SCM_CREDENTIALS &&
            header->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
            struct ucred credentials;

            memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
            datagram->sender = (NotifySender){credentials.pid, credentials.uid};
            found = true;
        }
    }
    return found;
}

/* Without room for descriptors the kernel drops them. A datagram that cannot be received stays in
 * the queue, and is read after the pause that a failure brings. */
static NotifyReading notify_socket_receive(NotifySocket *notify, NotifyDatagram *datagram)
{
    union {
        struct cmsghdr alignment;
        char bytes[NOTIFY_CONTROL_BYTES];
    } control;
    struct iovec vector = {datagram->data, sizeof datagram->data};
    struct msghdr message = {
            .msg_iov = &vector,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = fd_closer_is_full(notify->host) ? CMSG_SPACE(sizeof(struct ucred))
                                                              : sizeof control,
    };
    ssize_t n =
            sys_recvmsg(notify->host->sys, notify->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0)
        return errno == EAGAIN ? NOTIFY_READING_EMPTY : NOTIFY_READING_FAILED;
    datagram->length = (size_t)n;
    datagram->sender = (NotifySender){0};
    datagram->n_fds = 0;
    datagram->is_whole = notify_datagram_read_control(datagram, &message) &&
                         (message.msg_flags & MSG_TRUNC) == 0;
    datagram->fds_are_lost = (message.msg_flags & MSG_CTRUNC) != 0;
    return NOTIFY_READING_MORE;
}

static NotifyPayer notify_socket_deliver(NotifySocket *notify, NotifyDatagram *datagram)
{
    NotifyMessage message;
    bool is_message =
            datagram->is_whole && notify_message_parse(datagram->data, datagram->length, &message);

    if (!is_message || datagram->fds_are_lost)
        notify_datagram_close_fds(datagram, notify->host);

    NotifyFds fds = {datagram->fds, datagram->n_fds, is_message && datagram->fds_are_lost};
    bool is_own = notify->func(is_message ? &message : NULL, &datagram->sender, &fds, notify->data);
    notify_datagram_close_fds(datagram, notify->host);
    return is_own ? NOTIFY_PAYER_PROGRAM : NOTIFY_PAYER_STRANGERS;
}

typedef struct NotifyCosts {
    unsigned of[_NOTIFY_PAYER_MAX];
    unsigned total;
} NotifyCosts;

/* One datagram. Adds to costs what it has cost whom. */
static NotifyReading notify_socket_read(NotifySocket *notify, NotifyCosts *costs)
{
    NotifyDatagram datagram;
    NotifyReading reading = notify_socket_receive(notify, &datagram);

    if (reading != NOTIFY_READING_MORE)
        return reading;

    unsigned n_fds = (unsigned)datagram.n_fds;
    NotifyPayer payer = notify_socket_deliver(notify, &datagram);
    unsigned cost = 1 + n_fds / notify_prices[payer].fds_per_cost;
    costs->of[payer] += cost;
    costs->total += cost;
    return NOTIFY_READING_MORE;
}

static bool notify_socket_watch(NotifySocket *notify)
{
    notify->watch = watch_new(notify->host->watches, notify->fd, EPOLLIN, WATCH_PRIORITY_NORMAL,
                              on_notify_socket, notify);
    return notify->watch != NULL;
}

static void notify_socket_pause(NotifySocket *notify, uint64_t until_usec)
{
    g_clear_pointer(&notify->watch, watch_free);
    if (notify->timer == NULL)
        notify->timer = timer_new(notify->host->timers, on_notify_socket_timer, notify);
    timer_arm(notify->timer, until_usec);
}

static void on_notify_socket_timer(void *data)
{
    NotifySocket *notify = data;

    if (!notify_socket_watch(notify))
        notify_socket_pause(notify, clock_monotonic_usec(notify->host->clock) + NOTIFY_RETRY_USEC);
}

/* What has been saved up, at most a burst. */
static unsigned notify_socket_allowance(NotifySocket *notify, NotifyPayer payer, uint64_t now_usec)
{
    uint64_t interval_usec = notify_prices[payer].interval_usec;
    uint64_t burst_usec = MIN(now_usec, NOTIFY_BURST * interval_usec);
    uint64_t *paid_usec = &notify->paid_usec[payer];

    *paid_usec = MAX(*paid_usec, now_usec - burst_usec);
    return (unsigned)((now_usec - MIN(*paid_usec, now_usec)) / interval_usec);
}

/* Who the next message is from is not known before it is read. */
static bool notify_socket_may_read(const NotifyCosts *costs, const NotifyCosts *allowances)
{
    bool ok = costs->total < NOTIFY_PER_TURN;

    for (int i = 0; i < _NOTIFY_PAYER_MAX; i++)
        ok = ok && costs->of[i] < allowances->of[i];
    return ok;
}

/* Until when nothing is to be read; 0: it goes on. */
static uint64_t notify_socket_pay(NotifySocket *notify, const NotifyCosts *costs,
                                  const NotifyCosts *allowances)
{
    uint64_t until_usec = 0;

    for (int i = 0; i < _NOTIFY_PAYER_MAX; i++) {
        uint64_t interval_usec = notify_prices[i].interval_usec;

        notify->paid_usec[i] += costs->of[i] * interval_usec;
        if (costs->of[i] >= allowances->of[i])
            until_usec = MAX(until_usec, notify->paid_usec[i] + NOTIFY_PER_TURN * interval_usec);
    }
    return until_usec;
}

static void on_notify_socket(uint32_t events, void *data)
{
    NotifySocket *notify = data;
    NotifyReading reading = NOTIFY_READING_MORE;
    uint64_t now_usec = clock_monotonic_usec(notify->host->clock);
    NotifyCosts allowances = {.total = 0}, costs = {.total = 0};

    for (int i = 0; i < _NOTIFY_PAYER_MAX; i++)
        allowances.of[i] = notify_socket_allowance(notify, (NotifyPayer)i, now_usec);
    while (reading == NOTIFY_READING_MORE && notify_socket_may_read(&costs, &allowances))
        reading = notify_socket_read(notify, &costs);

    uint64_t until_usec = notify_socket_pay(notify, &costs, &allowances);
    if (reading == NOTIFY_READING_FAILED)
        until_usec = now_usec + NOTIFY_RETRY_USEC;
    if (until_usec > 0)
        notify_socket_pause(notify, until_usec);
}

void notify_socket_drain(NotifySocket *notify)
{
    NotifyReading reading = NOTIFY_READING_MORE;
    NotifyCosts costs = {.total = 0}; /* nobody pays for it */

    if (notify->former != NULL)
        notify_socket_drain(notify->former);
    while (costs.total < NOTIFY_PER_DRAIN && reading == NOTIFY_READING_MORE)
        reading = notify_socket_read(notify, &costs);
}

/* The file has the mode of the descriptor, less the umask. */
static int notify_socket_bind(NotifySocket *notify)
{
    const struct sockaddr_un *address = &notify->address;
    mode_t mask = umask(0);
    int r = notify->host->sys->bind(notify->fd, (const struct sockaddr *)address, sizeof *address);

    (void)umask(mask); /* cannot fail */
    return r;
}

/* The host has made sure that the directory is short enough. */
static bool notify_socket_open(NotifySocket *notify, uid_t owner)
{
    const Sys *sys = notify->host->sys;
    const bool is_open = owner == NOTIFY_EVERYBODY;
    const int on = 1;

    notify->fd = sys->socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 || sys->fchmod(notify->fd, is_open ? 0666 : 0600) < 0)
        return false;
    if (sys->setsockopt(notify->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return false;
    if (notify_socket_bind(notify) < 0)
        return false;
    notify->is_bound = true;
    if (!is_open && sys->lchown(notify_socket_path(notify), owner, (gid_t)-1) < 0)
        return false;
    return notify_socket_watch(notify);
}

NotifySocket *notify_socket_new(ProcessHost *host, uid_t owner, NotifyFunc func, void *data,
                                GError **error)
{
    NotifySocket *notify = g_new0(NotifySocket, 1);

    notify->host = host;
    notify->func = func;
    notify->data = data;
    notify->fd = -1;
    notify->address.sun_family = AF_UNIX;
    (void)g_snprintf(notify->address.sun_path, sizeof notify->address.sun_path, "%s/%x",
                     host->notify_directory, ++host->last_notify_name);
    if (notify_socket_open(notify, owner))
        return notify;
    error_set_errno(error, errno, "cannot open the notify socket %s", notify_socket_path(notify));
    notify_socket_free(notify);
    return NULL;
}

/* close(2) would close what the unread messages carry as well, and may wait for that. Who sends now
 * is refused, so there is an end to them. */
static void notify_socket_discard(NotifySocket *notify)
{
    NotifyReading reading = NOTIFY_READING_MORE;
    NotifyDatagram datagram;

    if (shutdown(notify->fd, SHUT_RD) < 0)
        return;
    while (reading == NOTIFY_READING_MORE) {
        reading = notify_socket_receive(notify, &datagram);
        if (reading == NOTIFY_READING_MORE)
            notify_datagram_close_fds(&datagram, notify->host);
    }
}

void notify_socket_free(NotifySocket *notify)
{
    if (notify == NULL)
        return;
    watch_free(notify->watch);
    timer_free(notify->timer);
    notify_socket_free(notify->former);
    if (notify->is_bound)
        (void)notify->host->sys->unlink(
                notify->address.sun_path); /* somebody may have been faster */
    if (notify->is_bound)
        notify_socket_discard(notify);
    notify->fd = fd_close(notify->fd);
    g_free(notify);
}

/* Who has connected himself keeps his way to the former one, whatever its file says now, and so it
 * has a queue in which strangers may stand. It is not closed all the same: there are libraries that
 * connect once, and their programs would miss their watchdogs, which is more than strangers can do
 * to them. All others, sd_notify(3) among them, find the new one at once. */
NotifySocket *notify_socket_give(NotifySocket *notify, uid_t owner, GError **error)
{
    const Sys *sys = notify->host->sys;
    NotifySocket *next = notify_socket_new(notify->host, owner, notify->func, notify->data, error);

    if (next == NULL)
        return NULL;
    if (sys->rename(notify_socket_path(next), notify_socket_path(notify)) < 0) {
        error_set_errno(error, errno, "cannot replace %s", notify_socket_path(notify));
        notify_socket_free(next);
        return NULL;
    }
    next->address = notify->address;
    next->former = notify;
    return next;
}

const char *notify_socket_path(const NotifySocket *notify)
{
    return notify->address.sun_path;
}
