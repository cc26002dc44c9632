/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include "base/fds.h"
#include "nasty.h"
#include "support/child.h"
#include "support/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RELAY_CHUNK_BYTES 65536
#define RELAY_HEADER_BYTES 128 /* the part that is damaged most */
#define RELAY_DAMAGES_MAX 4

static uint64_t relay_deadline(void)
{
    return usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);
}

/* Until one of the descriptors has something to read. */
static void relay_wait(Relay *relay, uint64_t deadline)
{
    struct pollfd fds[] = {{.fd = relay->inner_fd, .events = POLLIN},
                           {.fd = relay->daemon_fd, .events = POLLIN}};

    g_assert_cmpuint(test_now_usec(), <, deadline);
    g_assert_cmpint(poll(fds, G_N_ELEMENTS(fds), 100), >=, 0);
}

/* One chunk as it is, if there is any. */
static void relay_pass(int from, int to)
{
    char chunk[RELAY_CHUNK_BYTES];
    ssize_t n = recv(from, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (n < 0)
        g_assert_cmpint(errno, ==, EAGAIN);
    else
        g_assert_cmpint(send(to, chunk, (size_t)n, MSG_NOSIGNAL), ==, n);
}

static void relay_authenticate(Relay *relay)
{
    uint64_t deadline = relay_deadline();

    while (sd_bus_is_ready(relay->bus) == 0) {
        relay_pass(relay->inner_fd, relay->daemon_fd);
        relay_pass(relay->daemon_fd, relay->inner_fd);
        if (sd_bus_process(relay->bus, NULL) == 0)
            relay_wait(relay, deadline);
    }
    g_assert_cmpint(sd_bus_is_ready(relay->bus), >, 0);
}

Relay *relay_new(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    Relay *relay = g_new0(Relay, 1);
    int pair[2];

    g_assert_cmpuint(strlen(socket_path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, socket_path);
    relay->daemon_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(relay->daemon_fd, >=, 0);
    g_assert_cmpint(connect(relay->daemon_fd, (struct sockaddr *)(void *)&address, sizeof(address)),
                    ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    relay->inner_fd = pair[1];
    g_assert_cmpint(sd_bus_new(&relay->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(relay->bus, pair[0], pair[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(relay->bus), >=, 0);
    relay_authenticate(relay);
    return relay;
}

void relay_free(Relay *relay)
{
    sd_bus_close_unref(relay->bus);
    (void)fd_close(relay->inner_fd);  /* -1 */
    (void)fd_close(relay->daemon_fd); /* -1 */
    g_free(relay);
}

/* Damage */

static void relay_flip(GByteArray *bytes, unsigned at)
{
    bytes->data[at] ^= (uint8_t)(1U << nasty_random(8));
}

static void relay_set_byte(GByteArray *bytes, unsigned at)
{
    bytes->data[at] = (uint8_t)nasty_random(256);
}

/* Most of what stands at multiples of four is a length. */
static void relay_set_length(GByteArray *bytes, unsigned at)
{
    static const uint32_t telling[] = {0,          1,          7,         8,         255,
                                       0x04000000, 0x04000001, 0x7ffffff, 0x8000000, 0x80000000,
                                       0xffffffff, 0xfffffff8, 0x7fffffff};
    uint32_t length = telling[nasty_random(G_N_ELEMENTS(telling))];

    at &= ~3U;
    if (at + sizeof(length) <= bytes->len)
        memcpy(bytes->data + at, &length, sizeof(length));
}

static void relay_cut(GByteArray *bytes, unsigned at)
{
    g_byte_array_set_size(bytes, at + 1);
}

static void relay_remove(GByteArray *bytes, unsigned at)
{
    if (bytes->len > 1)
        g_byte_array_remove_range(bytes, at, 1 + nasty_random(MIN(bytes->len - at - 1, 8)));
}

static void relay_repeat(GByteArray *bytes, unsigned at)
{
    g_autofree uint8_t *tail = g_memdup2(bytes->data + at, bytes->len - at);

    g_byte_array_append(bytes, tail, bytes->len - at);
}

static void (*const relay_damages[])(GByteArray *bytes, unsigned at) = {
        relay_flip,       relay_flip, relay_set_byte, relay_set_length,
        relay_set_length, relay_cut,  relay_remove,   relay_repeat,
};

static void relay_damage(GByteArray *bytes)
{
    for (unsigned n = nasty_random(RELAY_DAMAGES_MAX + 1); n > 0 && bytes->len > 0; n--) {
        unsigned most = nasty_once_in(3) ? bytes->len : MIN(bytes->len, RELAY_HEADER_BYTES);

        relay_damages[nasty_random(G_N_ELEMENTS(relay_damages))](bytes, nasty_random(most));
    }
}

/* Sending */

static GByteArray *relay_marshal(Relay *relay, sd_bus_message *message)
{
    GByteArray *bytes = g_byte_array_new();
    uint8_t chunk[RELAY_CHUNK_BYTES];
    uint64_t n_queued = 0;

    g_assert_cmpint(sd_bus_send(relay->bus, message, NULL), >=, 0);
    do {
        ssize_t n;

        while ((n = recv(relay->inner_fd, chunk, sizeof(chunk), 0)) > 0)
            g_byte_array_append(bytes, chunk, (unsigned)n);
        g_assert_cmpint(sd_bus_process(relay->bus, NULL), >=, 0);
        g_assert_cmpint(sd_bus_get_n_queued_write(relay->bus, &n_queued), >=, 0);
    } while (n_queued > 0);
    for (ssize_t n; (n = recv(relay->inner_fd, chunk, sizeof(chunk), 0)) > 0;)
        g_byte_array_append(bytes, chunk, (unsigned)n);
    return bytes;
}

/* What the daemon says, unread, until there is nothing. False: it has hung up. */
static bool relay_drain(Relay *relay)
{
    uint8_t chunk[RELAY_CHUNK_BYTES];
    ssize_t n;

    while ((n = recv(relay->daemon_fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
        ;
    return n < 0 && errno == EAGAIN;
}

bool relay_send(Relay *relay, sd_bus_message *message)
{
    uint64_t deadline = relay_deadline();
    g_autoptr(GByteArray) bytes = relay_marshal(relay, message);
    size_t sent = 0;

    relay_damage(bytes);
    relay->n_sent++;
    while (sent < bytes->len) {
        ssize_t n = send(relay->daemon_fd, bytes->data + sent, bytes->len - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN)
            return false;
        sent += n > 0 ? (size_t)n : 0;
        if (!relay_drain(relay))
            return false;
        if (n < 0) {
            struct pollfd ready = {.fd = relay->daemon_fd, .events = POLLIN | POLLOUT};

            g_assert_cmpuint(test_now_usec(), <, deadline);
            g_assert_cmpint(poll(&ready, 1, 100), >=, 0);
        }
    }
    return true;
}

void relay_end(Relay *relay)
{
    uint64_t deadline = relay_deadline();

    (void)shutdown(relay->daemon_fd, SHUT_WR); /* it may have gone first */
    while (relay_drain(relay)) {
        struct pollfd end = {.fd = relay->daemon_fd, .events = POLLIN};

        g_assert_cmpuint(test_now_usec(), <, deadline);
        g_assert_cmpint(poll(&end, 1, 100), >=, 0);
    }
}
