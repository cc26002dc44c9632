/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Beside the socket lies PATH.lock, on which a living daemon holds a record lock (fcntl(2)): such a
 * lock ends with the process and is not inherited, while the listening descriptor itself may live
 * on for a moment in a child that is just being spawned when the daemon crashes. So who gets the
 * lock takes the socket over. Only a socket without such a file is tried by connecting to it. */

#include "bus/private.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "bus/authority.h"
#include "bus/connection.h"
#include "bus/intake.h"
#include "bus/local-bus.h"
#include "bus/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PRIVATE_BACKLOG 128
#define PRIVATE_MODE 0666
/* Others that end at the same time remove the file that we have opened. */
#define PRIVATE_LOCK_ATTEMPTS 8
/* How long accepting pauses when there are no descriptors left. */
#define PRIVATE_PAUSE_USEC USEC_PER_SEC
/* Seven numbers. */
#define PRIVATE_STATM_BYTES 160

struct PrivateServer {
    Bus *bus;
    char *path;
    char *lock_path;
    int fd;
    int lock_fd;
    int statm_fd;
    struct stat bound; /* the socket's file, as we made it */
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

static bool private_refuse_live(const char *path, GError **error)
{
    return error_set(error, ERROR_FAILED,
                     "a svcmgrd is already listening at %s; stop it, or use another path", path);
}

static bool private_is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* -1 with error; -2: the file was removed under our feet, as a daemon that ends does. *ret_is_new:
 * nobody had left one. */
static int private_try_lock(const char *path, const char *lock_path, bool *ret_is_new,
                            GError **error)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat ours, there;
    autofd int fd = open(lock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    *ret_is_new = fd >= 0;
    if (fd < 0 && errno == EEXIST) {
        fd = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT)
            return -2;
    }
    if (fd < 0) {
        (void)error_set_errno(error, errno, "cannot open %s", lock_path); /* always false */
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            (void)private_refuse_live(path, error); /* always false */
        else
            (void)error_set_errno(error, errno, "cannot lock %s", lock_path); /* always false */
        return -1;
    }
    if (fstat(fd, &ours) < 0 || stat(lock_path, &there) < 0 || !private_is_same_file(&ours, &there))
        return -2;
    return fd_steal(&fd);
}

static int private_lock(const char *path, const char *lock_path, bool *ret_is_new, GError **error)
{
    int fd = -2;

    for (unsigned i = 0; i < PRIVATE_LOCK_ATTEMPTS && fd == -2; i++)
        fd = private_try_lock(path, lock_path, ret_is_new, error);
    if (fd == -2)
        (void)error_set(error, ERROR_FAILED, "%s comes and goes", lock_path); /* always false */
    return MAX(fd, -1);
}

/* A socket of which nobody knows whose it is. */
static bool private_probe(const struct sockaddr_un *address, GError **error)
{
    autofd int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (probe < 0)
        return error_set_errno(error, errno, "cannot make a socket");
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return private_refuse_live(address->sun_path, error);
    return errno == ECONNREFUSED ||
           error_set_errno(error, errno, "cannot replace %s", address->sun_path);
}

/* Something is at the path. True: it was a socket that nobody serves, and is gone. */
static bool private_remove_stale(const struct sockaddr_un *address, bool is_known, GError **error)
{
    if (!is_known && !private_probe(address, error))
        return false;
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the stale socket %s",
                               address->sun_path);
    return true;
}

/* is_known: what is there was left by a daemon that is no more. */
static bool private_bind(int fd, const struct sockaddr_un *address, bool is_known, GError **error)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    struct stat status;
    int r = bind(fd, generic, sizeof(*address));

    if (r < 0 && errno == EADDRINUSE) {
        if (lstat(address->sun_path, &status) == 0 && !S_ISSOCK(status.st_mode))
            return error_set(error, ERROR_FAILED, "%s is there and is no socket",
                             address->sun_path);
        if (!private_remove_stale(address, is_known, error))
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

static bool private_open(PrivateServer *server, bool is_known, GError **error)
{
    struct sockaddr_un address;

    if (!private_set_address(server->path, &address, error))
        return false;
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->fd < 0)
        return error_set_errno(error, errno, "cannot make a socket");
    if (!private_bind(server->fd, &address, is_known, error))
        return false;
    return lstat(server->path, &server->bound) == 0 ||
           error_set_errno(error, errno, "cannot look at %s", server->path);
}

/* What is at the path may be another's by now. */
static void private_remove_own(const PrivateServer *server)
{
    struct stat there;

    if (server->bound.st_ino != 0 && lstat(server->path, &there) == 0 &&
        private_is_same_file(&there, &server->bound))
        (void)unlink(server->path); /* gone meanwhile: as it should be */
}

/* Peers */

/* All, and those of uid. */
static unsigned private_count_peers(const Bus *bus, uint32_t uid, unsigned *ret_of_uid)
{
    unsigned count = 0, of_uid = 0;

    for (unsigned i = 0; i < bus->connections->len; i++) {
        const Connection *connection = g_ptr_array_index(bus->connections, i);

        if (connection->local == NULL)
            continue;
        count++;
        of_uid += connection->peer->caller->uid == uid;
    }
    *ret_of_uid = of_uid;
    return count;
}

static bool private_check_room(const Bus *bus, uint32_t uid, GError **error)
{
    bool may_act = authority_allows_uid(bus, uid);
    unsigned of_uid = 0, count = private_count_peers(bus, uid, &of_uid);

    if (count >= PRIVATE_MAX_PEERS - (may_act ? 0 : PRIVATE_RESERVED_PEERS))
        return error_set(error, ERROR_LIMIT_EXCEEDED, "there are already %u peers", count);
    return may_act || of_uid < PRIVATE_MAX_PEERS_PER_UID ||
           error_set(error, ERROR_LIMIT_EXCEEDED, "there are already %u peers of this user",
                     of_uid);
}

/* Takes the descriptor, also on failure. Descriptors are negotiated for both directions or none,
 * and who sends them fills our table: sd-bus keeps those of a message that is not whole, and never
 * closes those of a malformed one. So only they may who may act, and nobody else is given any. */
static int private_configure(PrivateServer *server, sd_bus *bus, int fd, uint32_t uid)
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
        r = sd_bus_negotiate_fds(bus, authority_allows_uid(server->bus, uid));
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
    r = private_configure(server, bus, fd, credentials->uid);
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
    if (r < 0)
        (void)error_set_errno(error, r, "cannot start the connection"); /* always false */
    else
        connection->intake = intake_new(connection, error);
    if (connection->intake == NULL)
        connection_close(connection);
    return connection->intake != NULL;
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
    } else if (!private_check_room(bus, credentials.uid, &error)) {
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

static bool private_start(PrivateServer *server, GError **error)
{
    struct sockaddr_un address;
    bool is_new = false;
    int r;

    if (!private_set_address(server->path, &address, error)) /* too long: before anything is made */
        return false;
    server->lock_fd = private_lock(server->path, server->lock_path, &is_new, error);
    if (server->lock_fd < 0 || !private_open(server, !is_new, error))
        return false;
    server->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (server->statm_fd < 0)
        log_warning("cannot open /proc/self/statm: %s: what peers of the private socket make the "
                    "daemon keep of unfinished messages is not bounded",
                    g_strerror(errno));
    r = sd_id128_randomize(&server->id);
    if (r >= 0)
        r = sd_event_add_io(server->bus->event, &server->source, server->fd, EPOLLIN,
                            on_private_connect, server);
    return r >= 0 || error_set_errno(error, r, "cannot listen at %s", server->path);
}

PrivateServer *private_new(Bus *bus, const char *path, GError **error)
{
    PrivateServer *server = g_new0(PrivateServer, 1);

    server->bus = bus;
    server->path = g_strdup(path);
    server->lock_path = g_strdup_printf("%s.lock", path);
    server->fd = server->lock_fd = server->statm_fd = -1;
    server->pause = timer_new(bus->timers, on_private_resume, server);
    if (private_start(server, error))
        return server;
    private_free(server);
    return NULL;
}

void private_free(PrivateServer *server)
{
    if (server == NULL)
        return;
    sd_event_source_disable_unref(server->source);
    timer_free(server->pause);
    private_remove_own(server);
    if (server->lock_fd >= 0)
        (void)unlink(server->lock_path); /* as long as it is ours */
    (void)fd_close(server->fd);          /* -1 */
    (void)fd_close(server->lock_fd);     /* -1 */
    (void)fd_close(server->statm_fd);    /* -1 */
    g_free(server->path);
    g_free(server->lock_path);
    g_free(server);
}

/* A sanitizer keeps what was freed, so that what grows says nothing. */
#if defined(ADDRESS_SANITIZED)
#define PRIVATE_IS_MEASURABLE false
#else
#define PRIVATE_IS_MEASURABLE true
#endif

uint64_t private_resident_bytes(const PrivateServer *server)
{
    char text[PRIVATE_STATM_BYTES + 1];
    ssize_t n = PRIVATE_IS_MEASURABLE ? pread(server->statm_fd, text, PRIVATE_STATM_BYTES, 0) : 0;
    char *pages = text;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    (void)g_ascii_strtoull(text, &pages, 10); /* the whole address space, which comes first */
    return g_ascii_strtoull(pages, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}
