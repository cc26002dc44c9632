/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-fixture.h"

#include "base/fds.h"
#include "base/random.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

/* Of the one fixture that there is at a time. */
static WatchHost fixture_watches;
static int fixture_watch_errno;
static int fixture_n_watches;
static int fixture_socket;

static Watch *fixture_watch_create(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    if (fixture_watch_errno != 0) {
        errno = fixture_watch_errno;
        return NULL;
    }
    fixture_n_watches++;
    return fixture_watches.create(host, fd, events, priority);
}

static void fixture_watch_destroy(Watch *watch)
{
    fixture_n_watches--;
    fixture_watches.destroy(watch);
}

static int fixture_open_socket(int domain, int type, int protocol)
{
    fixture_socket = socket(domain, type, protocol);
    return fixture_socket;
}

static bool on_fixture_message(const NotifyMessage *message, const NotifySender *sender,
                               NotifyFds *fds, void *data)
{
    NotifyFixture *fixture = data;

    fixture->from = *sender;
    g_ptr_array_add(fixture->said, g_strdup(message != NULL ? message->status : "malformed"));
    if (fixture->look != NULL)
        fixture->look(fixture, message, fds);
    return !fixture->is_stranger;
}

static void fixture_connect(NotifyFixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, notify_socket_path(fixture->notify), sizeof address.sun_path);
    fixture->sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(fixture->sender, >=, 0);
    g_assert_cmpint(connect(fixture->sender, (const struct sockaddr *)&address, sizeof address), ==,
                    0);
}

NotifySocket *notify_fixture_open(NotifyFixture *fixture, GError **error)
{
    g_assert_null(fixture->notify);
    fixture->notify =
            notify_socket_new(fixture->host, fixture->owner, on_fixture_message, fixture, error);
    fixture->fd = fixture_socket;
    if (fixture->notify != NULL)
        fixture_connect(fixture);
    return fixture->notify;
}

void notify_fixture_close(NotifyFixture *fixture)
{
    g_clear_pointer(&fixture->notify, notify_socket_free);
    fixture->sender = fd_close(fixture->sender);
}

void notify_fixture_init(NotifyFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    *fixture = (NotifyFixture){
            .directory = g_dir_make_tmp("svcmgr-test-XXXXXX", &error),
            .loop = virtual_loop_new(),
            .sys = sys_linux,
            .sender = -1,
            .owner = NOTIFY_EVERYBODY,
            .said = g_ptr_array_new_with_free_func(g_free),
            .n_fds = fd_count_open(),
    };
    g_assert_no_error(error);
    fixture->sys.socket = fixture_open_socket;

    WatchHost *watches = virtual_loop_watches(fixture->loop);
    fixture_watches = *watches;
    fixture_watch_errno = 0;
    fixture_n_watches = 0;
    *watches = (WatchHost){fixture_watch_create, fixture_watch_destroy};

    const ProcessHostOptions options = {
            .clock = virtual_loop_clock(fixture->loop),
            .timers = virtual_loop_timers(fixture->loop),
            .watches = watches,
            .random = random_system(),
            .sys = &fixture->sys,
            .runtime_dir = fixture->directory,
    };
    fixture->host = process_host_new(&options, &error);
    g_assert_no_error(error);
    (void)notify_fixture_open(fixture, &error);
    g_assert_no_error(error);
}

void notify_fixture_done(NotifyFixture *fixture, const void *unused)
{
    g_autofree char *notify = g_build_filename(fixture->directory, "notify", NULL);

    notify_fixture_close(fixture);
    process_host_free(fixture->host);
    g_assert_cmpint(fixture_n_watches, ==, 0);
    virtual_loop_free(fixture->loop); /* asserts that there is no timer */
    g_ptr_array_unref(fixture->said);
    g_assert_cmpint(fd_count_open(), ==, fixture->n_fds);
    g_assert_cmpint(g_rmdir(notify), ==, 0);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
}

bool notify_fixture_send_bytes(NotifyFixture *fixture, const char *bytes, size_t length,
                               const int *fds, size_t n)
{
    size_t space = CMSG_SPACE(n * sizeof *fds);
    g_autofree struct cmsghdr *control = g_malloc0(space);
    struct iovec vector = {(void *)(uintptr_t)bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    if (n > 0) {
        *control = (struct cmsghdr){CMSG_LEN(n * sizeof *fds), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(control), fds, n * sizeof *fds);
        message.msg_control = control;
        message.msg_controllen = space;
    }
    ssize_t sent = sendmsg(fixture->sender, &message, MSG_NOSIGNAL);
    g_assert_true(sent == (ssize_t)length || (sent < 0 && errno == EAGAIN));
    return sent >= 0;
}

void notify_fixture_give(NotifyFixture *fixture, const char *text, const int *fds, size_t n)
{
    g_assert_true(notify_fixture_send_bytes(fixture, text, strlen(text), fds, n));
}

void notify_fixture_say(NotifyFixture *fixture, const char *text)
{
    notify_fixture_give(fixture, text, NULL, 0);
}

bool notify_fixture_is_watched(const NotifyFixture *fixture)
{
    return fixture_n_watches > 0;
}

void notify_fixture_fail_watches(int errno_value)
{
    fixture_watch_errno = errno_value;
}

bool notify_fixture_turn(NotifyFixture *fixture)
{
    struct pollfd waited = {.fd = fixture->fd, .events = POLLIN};

    if (!notify_fixture_is_watched(fixture) || poll(&waited, 1, 0) != 1)
        return false;
    virtual_loop_fire_watch(fixture->loop, fixture->fd, EPOLLIN);
    return true;
}

unsigned notify_fixture_turns(NotifyFixture *fixture)
{
    unsigned n = 0;

    while (notify_fixture_turn(fixture))
        g_assert_cmpuint(++n, <, 10000);
    return n;
}
