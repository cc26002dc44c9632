/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raw.h"

#include "base/fds.h"
#include "support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RAW_HEADER_BYTES 16
#define RAW_MAX_FDS 16
#define RAW_MAX_BYTES (64 * 1024 * 1024)

enum {
    RAW_FIELD_PATH = 1,
    RAW_FIELD_INTERFACE,
    RAW_FIELD_MEMBER,
    RAW_FIELD_ERROR_NAME,
    RAW_FIELD_REPLY_SERIAL,
    RAW_FIELD_DESTINATION,
    RAW_FIELD_SENDER,
    RAW_FIELD_SIGNATURE,
    RAW_FIELD_UNIX_FDS,
};

/* The socket */

static void raw_wait(int fd, short events)
{
    struct pollfd poller = {.fd = fd, .events = events};

    if (poll(&poller, 1, (int)(RAW_PATIENCE_USEC / USEC_PER_MSEC)) == 0)
        g_error("the daemon neither answers nor hangs up");
}

int raw_connect(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(strlen(socket_path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, socket_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)(void *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    return fd;
}

static bool raw_is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

static ssize_t raw_send_some(int fd, const void *bytes, size_t length, unsigned n_fds)
{
    char control[CMSG_SPACE(sizeof(int) * RAW_MAX_FDS)] = {0};
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    autofd int null = -1;

    if (n_fds > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);

        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(null, >=, 0);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (unsigned i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(rights) + i * sizeof(int), &null, sizeof(int));
    }
    return sendmsg(fd, &header, MSG_NOSIGNAL);
}

size_t raw_write(int fd, const void *bytes, size_t length)
{
    size_t sent = 0;
    ssize_t n = 0;

    while (sent < length &&
           (n = raw_send_some(fd, (const char *)bytes + sent, length - sent, 0)) > 0)
        sent += (size_t)n;
    g_assert_true(n >= 0 || errno == EAGAIN || raw_is_gone(errno));
    return sent;
}

bool raw_send_fds(int fd, const void *bytes, size_t length, unsigned n_fds)
{
    size_t sent = 0;

    while (sent < length) {
        ssize_t n =
                raw_send_some(fd, (const char *)bytes + sent, length - sent, sent == 0 ? n_fds : 0);

        if (n < 0 && errno == EAGAIN)
            raw_wait(fd, POLLOUT);
        else if (n < 0 && raw_is_gone(errno))
            return false;
        else
            g_assert_cmpint(n, >, 0);
        sent += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool raw_send(int fd, const void *bytes, size_t length)
{
    return raw_send_fds(fd, bytes, length, 0);
}

/* All of it; false: it has hung up. */
static bool raw_receive(int fd, void *bytes, size_t length)
{
    size_t have = 0;

    while (have < length) {
        ssize_t n = read(fd, (char *)bytes + have, length - have);

        if (n == 0 || (n < 0 && raw_is_gone(errno)))
            return false;
        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            raw_wait(fd, POLLIN);
        } else {
            have += (size_t)n;
        }
    }
    return true;
}

void raw_await_end(int fd)
{
    char buffer[4096];

    while (raw_receive(fd, buffer, 1))
        ;
    (void)fd_close(fd); /* -1 */
}

/* Authentication */

static void raw_greet(int fd, uid_t uid, const char *commands)
{
    g_autofree char *digits = g_strdup_printf("%u", uid);
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_c(text, '\0');
    g_string_append(text, "AUTH EXTERNAL ");
    for (const char *c = digits; *c != '\0'; c++)
        g_string_append_printf(text, "%02x", (unsigned)*c);
    g_string_append(text, commands);
    (void)raw_send(fd, text->str, text->len); /* refused already: the answer says so */
}

void raw_authenticate(int fd, uid_t uid)
{
    raw_greet(fd, uid, "\r\nBEGIN\r\n");
}

static void raw_expect_line(int fd, const char *prefix)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char character = '\0';

    while (character != '\n') {
        g_assert_true(raw_receive(fd, &character, 1));
        g_string_append_c(line, character);
    }
    g_assert_true(g_str_has_prefix(line->str, prefix));
}

int raw_connect_ready(const char *socket_path)
{
    int fd = raw_connect(socket_path);

    raw_authenticate(fd, geteuid());
    raw_expect_line(fd, "OK ");
    return fd;
}

int raw_connect_fds(const char *socket_path)
{
    int fd = raw_connect(socket_path);

    raw_greet(fd, geteuid(), "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    raw_expect_line(fd, "OK ");
    raw_expect_line(fd, "AGREE_UNIX_FD");
    return fd;
}

/* Building */

static void raw_align(GByteArray *bytes, unsigned boundary)
{
    static const guint8 zeros[8];

    g_byte_array_append(bytes, zeros, (boundary - bytes->len % boundary) % boundary);
}

void raw_add_uint32(GByteArray *body, uint32_t value)
{
    uint32_t little = GUINT32_TO_LE(value);

    raw_align(body, 4);
    g_byte_array_append(body, (const guint8 *)&little, sizeof(little));
}

void raw_add_string(GByteArray *body, const char *text, size_t length)
{
    raw_add_uint32(body, (uint32_t)length);
    g_byte_array_append(body, (const guint8 *)text, (guint)length);
    g_byte_array_append(body, (const guint8 *)"", 1);
}

static void raw_add_byte(GByteArray *bytes, unsigned value)
{
    guint8 byte = (guint8)value;

    g_byte_array_append(bytes, &byte, 1);
}

static void raw_add_signature(GByteArray *bytes, const char *signature)
{
    raw_add_byte(bytes, (unsigned)strlen(signature));
    g_byte_array_append(bytes, (const guint8 *)signature, (guint)strlen(signature) + 1);
}

static void raw_add_field(GByteArray *fields, unsigned number, const char *type)
{
    raw_align(fields, 8);
    raw_add_byte(fields, number);
    raw_add_signature(fields, type);
}

static void raw_add_field_string(GByteArray *fields, unsigned number, const char *type,
                                 const char *value)
{
    if (value == NULL)
        return;
    raw_add_field(fields, number, type);
    raw_add_string(fields, value, strlen(value));
}

static void raw_add_field_uint32(GByteArray *fields, unsigned number, uint32_t value)
{
    if (value == 0)
        return;
    raw_add_field(fields, number, "u");
    raw_add_uint32(fields, value);
}

GByteArray *raw_build(const RawMessage *message)
{
    GByteArray *bytes = g_byte_array_new(), *fields = g_byte_array_new();

    raw_add_field_string(fields, RAW_FIELD_PATH, "o", message->path);
    raw_add_field_string(fields, RAW_FIELD_INTERFACE, "s", message->interface);
    raw_add_field_string(fields, RAW_FIELD_MEMBER, "s", message->member);
    raw_add_field_string(fields, RAW_FIELD_ERROR_NAME, "s", message->error_name);
    raw_add_field_uint32(fields, RAW_FIELD_REPLY_SERIAL, message->reply_serial);
    raw_add_field_uint32(fields, RAW_FIELD_UNIX_FDS, message->n_fds);
    if (message->signature != NULL) {
        raw_add_field(fields, RAW_FIELD_SIGNATURE, "g");
        raw_add_signature(fields, message->signature);
    }
    raw_add_byte(bytes, 'l');
    raw_add_byte(bytes, message->type != 0 ? message->type : RAW_METHOD_CALL);
    raw_add_byte(bytes, message->flags);
    raw_add_byte(bytes, 1);
    raw_add_uint32(bytes, message->body != NULL ? message->body->len : 0);
    raw_add_uint32(bytes, message->serial);
    raw_add_uint32(bytes, fields->len);
    g_byte_array_append(bytes, fields->data, fields->len);
    raw_align(bytes, 8);
    if (message->body != NULL)
        g_byte_array_append(bytes, message->body->data, message->body->len);
    g_byte_array_unref(fields);
    return bytes;
}

bool raw_send_message(int fd, const RawMessage *message)
{
    GByteArray *bytes = raw_build(message);
    bool sent = raw_send(fd, bytes->data, bytes->len);

    g_byte_array_unref(bytes);
    return sent;
}

/* Reading: only what the daemon sends, which sd-bus has built. */

static uint32_t raw_get_uint32(const char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static void raw_read_fields(const char *fields, size_t length, RawAnswer *answer)
{
    for (size_t at = 0; at + 8 <= length; at = (at + 7) / 8 * 8) {
        unsigned number = (unsigned char)fields[at];
        char type = fields[at + 2];

        at += 4;
        if (number == RAW_FIELD_REPLY_SERIAL)
            answer->reply_serial = raw_get_uint32(fields + at);
        if (number == RAW_FIELD_ERROR_NAME)
            answer->error = g_strdup(fields + at + 4);
        at += type == 'u'   ? 4
              : type == 'g' ? (size_t)(unsigned char)fields[at] + 2
                            : 4 + raw_get_uint32(fields + at) + 1;
    }
}

bool raw_read(int fd, RawAnswer *ret_answer)
{
    char header[RAW_HEADER_BYTES];
    g_autofree char *rest = NULL;

    *ret_answer = (RawAnswer){0};
    if (!raw_receive(fd, header, sizeof(header)))
        return false;
    g_assert_cmpint(header[0], ==, 'l');

    size_t body = raw_get_uint32(header + 4), fields = raw_get_uint32(header + 12);
    size_t padded = (fields + 7) / 8 * 8;
    g_assert_cmpuint(padded + body, <, RAW_MAX_BYTES);
    rest = g_malloc0(padded + body + 1);
    if (!raw_receive(fd, rest, padded + body))
        return false;
    ret_answer->type = (unsigned char)header[1];
    raw_read_fields(rest, fields, ret_answer);
    if (ret_answer->error != NULL && body > 4)
        ret_answer->text = g_strdup(rest + padded + 4);
    return true;
}

void raw_answer_clear(RawAnswer *answer)
{
    g_clear_pointer(&answer->error, g_free);
    g_clear_pointer(&answer->text, g_free);
}

bool raw_read_answer(int fd, uint32_t serial, RawAnswer *ret_answer)
{
    while (raw_read(fd, ret_answer)) {
        if (ret_answer->reply_serial == serial)
            return true;
        raw_answer_clear(ret_answer);
    }
    return false;
}

void raw_assert_ping(int fd, uint32_t serial)
{
    RawMessage ping = {.serial = serial,
                       .path = "/",
                       .interface = "org.freedesktop.DBus.Peer",
                       .member = "Ping"};
    RawAnswer answer;

    g_assert_true(raw_send_message(fd, &ping));
    g_assert_true(raw_read_answer(fd, serial, &answer));
    g_assert_cmpuint(answer.type, ==, RAW_METHOD_RETURN);
    raw_answer_clear(&answer);
}
