/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a socket file belongs to a living daemon is found out by connecting to it: only the
 * kernel knows. */

#include "bus/private.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "bus/authority.h"
#include "bus/connection.h"
#include "bus/local-bus.h"
#include "bus/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PRIVATE_BACKLOG 128
#define PRIVATE_MODE 0666
/* How long accepting pauses when there are no descriptors left. */
#define PRIVATE_PAUSE_USEC USEC_PER_SEC

struct PrivateServer {
    Bus *bus;
    char *path;
    int fd;
    sd_event_source *source;
    Timer *pause;
    uint64_t n_accepted;
    sd_id128_t id;
};

/* The socket */

static bool private_set_address(const char *path, struct sockaddr_un *ret_address, GError **error)
{
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(ret_address->sun_path))
        return error_set(error, ERROR_INVALID_ARGS,
                         "the path of the private socket is longer than %zu bytes: %s",
                         sizeof(ret_address->sun_path) - 1, path);
    strcpy(ret_address->sun_path, path);
    return true;
}

/* Something is at the path. True: it was a socket that nobody serves, and is gone. */
static bool private_remove_stale(const struct sockaddr_un *address, GError **error)
{
    autofd int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (probe < 0)
        return error_set_errno(error, errno, "cannot make a socket");
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return error_set(error, ERROR_FAILED,
                         "a svcmgrd is already listening at %s; stop it, or use another path",
                         address->sun_path);
    if (errno != ECONNREFUSED)
        return error_set_errno(error, errno, "cannot replace %s", address->sun_path);
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the stale socket %s",
                               address->sun_path);
    return true;
}

static bool private_bind(int fd, const struct sockaddr_un *address, GError **error)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    struct stat status;
    int r = bind(fd, generic, sizeof(*address));

    if (r < 0 && errno == EADDRINUSE) {
        if (lstat(address->sun_path, &status) == 0 && !S_ISSOCK(status.st_mode))
            return error_set(error, ERROR_FAILED, "%s is there and is no socket",
                             address->sun_path);
        if (!private_remove_stale(address, error))
            return false;
        r = bind(fd, generic, sizeof(*address));
    }
    if (r < 0)
        return error_set_errno(error, errno, "cannot bind the private socket to %s",
                               address->sun_path);
    if (chmod(address->sun_path, PRIVATE_MODE) < 0)
        return error_set_errno(error, errno, "cannot set the mode of %s", address->sun_path);
    if (listen(fd, PRIVATE_BACKLOG) < 0)
        return error_set_errno(error, errno, "cannot listen at %s", address->sun_path);
    return true;
}

static int private_open(const char *path, GError **error)
{
    struct sockaddr_un address;
    autofd int fd = -1;

    if (!private_set_address(path, &address, error))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        (void)error_set_errno(error, errno, "cannot make a socket"); /* always false */
        return -1;
    }
    if (!private_bind(fd, &address, error))
        return -1;
    return fd_steal(&fd);
}

/* Peers */

static unsigned private_count_peers(const Bus *bus)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bus->connections->len; i++) {
        const Connection *connection = g_ptr_array_index(bus->connections, i);

        count += connection->local != NULL;
    }
    return count;
}

static bool private_has_room(const Bus *bus, uint32_t uid)
{
    unsigned limit = PRIVATE_MAX_PEERS;

    if (!authority_allows_uid(bus, uid))
        limit -= PRIVATE_RESERVED_PEERS;
    return private_count_peers(bus) < limit;
}

/* Takes the descriptor, also on failure. */
static int private_configure(PrivateServer *server, sd_bus *bus, int fd)
{
    int r = sd_bus_set_fd(bus, fd, fd);

    if (r < 0) {
        (void)fd_close(fd); /* -1 */
        return r;
    }
    r = sd_bus_set_server(bus, true, server->id);
    if (r >= 0)
        r = sd_bus_set_trusted(bus, false);
    if (r >= 0)
        r = sd_bus_negotiate_fds(bus, false);
    if (r >= 0)
        r = sd_bus_set_sender(bus, LOCAL_BUS_OWN_NAME);
    return r;
}

static bool private_serve(PrivateServer *server, int fd, const struct ucred *credentials,
                          GError **error)
{
    Connection *connection;
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r < 0) {
        (void)fd_close(fd); /* -1 */
        return error_set_errno(error, r, "cannot make a connection");
    }
    r = private_configure(server, bus, fd);
    if (r < 0) {
        sd_bus_unref(bus);
        return error_set_errno(error, r, "cannot set the connection up");
    }
    connection = connection_new(server->bus, bus, NULL, NULL, error);
    if (connection == NULL)
        return false;
    connection->peer = peer_new(connection, NULL,
                                peer_caller_new(credentials->uid, (uint32_t)credentials->pid));
    connection->local = local_bus_new(connection, ++server->n_accepted, error);
    if (connection->local == NULL) {
        connection_close(connection);
        return false;
    }
    connection->ready = true;
    r = sd_bus_start(bus);
    if (r >= 0)
        return true;
    connection_close(connection);
    return error_set_errno(error, r, "cannot start the connection");
}

static void private_admit(PrivateServer *server, int fd)
{
    Bus *bus = server->bus;
    struct ucred credentials = {.uid = UINT32_MAX};
    socklen_t length = sizeof(credentials);
    g_autoptr(GError) error = NULL;
    unsigned left_out = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) {
        (void)error_set_errno(&error, errno, "cannot tell who it is"); /* always false */
        (void)fd_close(fd);                                            /* -1 */
    } else if (!private_has_room(bus, credentials.uid)) {
        (void)error_set(&error, ERROR_LIMIT_EXCEEDED, /* always false */
                        "there are already %u peers", private_count_peers(bus));
        (void)fd_close(fd); /* -1 */
    } else if (private_serve(server, fd, &credentials, &error)) {
        return;
    }
    if (rate_limit_admit(&bus->drops, clock_monotonic_usec(bus->clock), &left_out))
        log_warning("refused a peer of the private socket, uid %u, pid %d: %s%s", credentials.uid,
                    credentials.pid, error->message, left_out > 0 ? " (and others before)" : "");
}

/* The listening descriptor stays readable: without the pause the loop would spin. */
static void private_pause(PrivateServer *server, int errno_value)
{
    log_warning("cannot accept on %s: %s; trying again in a second", server->path,
                g_strerror(errno_value));
    (void)sd_event_source_set_enabled(server->source, SD_EVENT_OFF); /* it is ours and alive */
    timer_arm(server->pause,
              usec_add(clock_monotonic_usec(server->bus->clock), PRIVATE_PAUSE_USEC));
}

static void on_private_resume(void *data)
{
    PrivateServer *server = data;

    (void)sd_event_source_set_enabled(server->source, SD_EVENT_ON); /* it is ours and alive */
}

/* One per turn, so that a flood of peers does not keep the others waiting. */
static int on_private_connect(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    PrivateServer *server = userdata;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (peer >= 0)
        private_admit(server, peer);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        private_pause(server, errno);
    return 0; /* others: the peer has thought better of it */
}

PrivateServer *private_new(Bus *bus, const char *path, GError **error)
{
    int fd = private_open(path, error);
    PrivateServer *server;
    int r;

    if (fd < 0)
        return NULL;
    server = g_new0(PrivateServer, 1);
    server->bus = bus;
    server->path = g_strdup(path);
    server->fd = fd;
    server->pause = timer_new(bus->timers, on_private_resume, server);
    r = sd_id128_randomize(&server->id);
    if (r >= 0)
        r = sd_event_add_io(bus->event, &server->source, fd, EPOLLIN, on_private_connect, server);
    if (r >= 0)
        return server;
    (void)error_set_errno(error, r, "cannot listen at %s", path); /* always false */
    private_free(server);
    return NULL;
}

void private_free(PrivateServer *server)
{
    if (server == NULL)
        return;
    sd_event_source_disable_unref(server->source);
    timer_free(server->pause);
    (void)unlink(server->path); /* gone already: as it should be */
    (void)fd_close(server->fd); /* -1 */
    g_free(server->path);
    g_free(server);
}
