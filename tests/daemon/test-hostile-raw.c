/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers of the private socket that no library would make: they do not authenticate, or say what is
 * no message, or leave in the middle of one. Each costs itself its connection at most. */

#include "hostile.h"
#include "raw.h"

#include "base/fds.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DBUS_ERROR "org.freedesktop.DBus.Error."
#define PEER "org.freedesktop.DBus.Peer"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define N_REPEATED 5
#define SLACK_BYTES (256 * 1024)
#define BYTES(text) text, sizeof(text) - 1

static const char *socket_of(const Hostile *hostile)
{
    return hostile->daemon.socket;
}

/* Before BEGIN */

static const struct {
    const char *bytes;
    size_t length;
    unsigned n_fds;
} handshakes[] = {
        {BYTES(""), 0},
        {BYTES("\0"), 0},
        {BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0},
        {BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 0},
        {BYTES("AUTH EXTERNAL 30\r\nBEGIN\r\n"), 0},
        {BYTES("\0BEGIN\r\n"), 0},
        {BYTES("\0\0\0\0\0\0"), 0},
        {BYTES("\0AUTH\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH ANONYMOUS 61\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH DBUS_COOKIE_SHA1 30\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL 3939393939\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL 2d31\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL 3\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL zz\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL 34323934393637323935\r\nBEGIN\r\n"), 0},
        {BYTES("\0DATA\r\nDATA\r\nDATA\r\n"), 0},
        {BYTES("\0CANCEL\r\nCANCEL\r\nERROR\r\n\r\n\r\n"), 0},
        {BYTES("\0NEGOTIATE_UNIX_FD\r\nBEGIN\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL \xff\xfe\r\n"), 0},
        {BYTES("\0AUTH EXTERNAL 30\r\n"), 3},
        {BYTES("\0"), 16},
};

static void attack_handshakes(Hostile *hostile)
{
    for (size_t i = 0; i < G_N_ELEMENTS(handshakes); i++) {
        int fd = raw_connect(socket_of(hostile));

        (void)raw_send_fds(fd, handshakes[i].bytes, handshakes[i].length, handshakes[i].n_fds);
        (void)shutdown(fd, SHUT_WR); /* thrown out already: as good */
        raw_await_end(fd);
    }
}

static void test_handshakes(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_handshakes);
}

/* A line without an end is cut off, long before it is as large as this. */
static void test_endless_handshake(Hostile *hostile, const void *unused)
{
    g_autofree char *line = g_strnfill(1024 * 1024, 'A');
    int fd = raw_connect(socket_of(hostile));

    line[0] = '\0';
    g_assert_false(raw_send(fd, line, 1024 * 1024));
    raw_await_end(fd);
    hostile_assert_unharmed(hostile);
}

/* One byte at a time, each in a turn of its own: slow, but not wrong. */
static void test_slow_handshake(Hostile *hostile, const void *unused)
{
    g_autofree char *uid = g_strdup_printf("%u", geteuid());
    g_autoptr(GString) text = g_string_new("0AUTH EXTERNAL ");
    int other = raw_connect_ready(socket_of(hostile));
    int fd = raw_connect(socket_of(hostile));

    for (const char *c = uid; *c != '\0'; c++)
        g_string_append_printf(text, "%02x", (unsigned)*c);
    g_string_append(text, "\r\nBEGIN\r\n");
    text->str[0] = '\0';
    for (size_t i = 0; i < text->len; i++) {
        g_assert_true(raw_send(fd, text->str + i, 1));
        raw_assert_ping(other, (uint32_t)i + 1);
    }

    RawMessage ping = {.serial = 1, .path = "/", .interface = PEER, .member = "Ping"};
    g_autoptr(GByteArray) bytes = raw_build(&ping);
    for (unsigned i = 0; i < bytes->len; i++) {
        g_assert_true(raw_send(fd, bytes->data + i, 1));
        raw_assert_ping(other, (uint32_t)(1000 + i));
    }
    char first;
    while (read(fd, &first, 1) == 1 && first != '\n')
        ; /* the OK */
    RawAnswer answer;
    g_assert_true(raw_read_answer(fd, 1, &answer));
    g_assert_cmpuint(answer.type, ==, RAW_METHOD_RETURN);
    raw_answer_clear(&answer);
    (void)fd_close(fd);    /* -1 */
    (void)fd_close(other); /* -1 */
    hostile_assert_unharmed(hostile);
}

/* After BEGIN: whole messages that say something impossible. */

typedef struct Row {
    const char *path, *interface, *member, *signature;
    const char *body;  /* NULL: none */
    size_t length;     /* of a body that is one string; 0: body is taken as text */
    const char *error; /* NULL: none; sd-bus drops what is no message in silence */
    const char *text;  /* in the error */
} Row;

#define E8 "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
#define E64 E8 E8 E8 E8 E8 E8 E8 E8
#define ROOT_MANAGER CLIENT_ROOT, CLIENT_MANAGER
#define WEB CLIENT_ROOT "/service/web"

static const Row rows[] = {
        {ROOT_MANAGER, "GetService", "s",
         "we\xff"
         "b",
         0, DBUS_ERROR "InvalidArgs", "name: the message is malformed"},
        {ROOT_MANAGER, "GetService", "s", "\xed\xa0\x80", 0, DBUS_ERROR "InvalidArgs",
         "name: the message is malformed"},
        {ROOT_MANAGER, "GetService", "s", "\ufdd0", 0, DBUS_ERROR "InvalidArgs",
         "name: the message is malformed"},
        {ROOT_MANAGER, "GetService", "s", "\xc0\xaf", 0, DBUS_ERROR "InvalidArgs",
         "name: the message is malformed"},
        {ROOT_MANAGER, "GetService", "s", "web\0web", 7, DBUS_ERROR "InvalidArgs",
         "name: the message is malformed"},
        {ROOT_MANAGER, "GetKindSchema", "s", "\xff", 0, DBUS_ERROR "InvalidArgs", ""},
        {WEB, CLIENT_SERVICE, "Configure", "s", "{\"exec\": [\"\xff\"]}", 0,
         DBUS_ERROR "InvalidArgs", "config"},
        {WEB, CLIENT_SERVICE, "Configure", "s", "{\"exec\":\0[]}", 11, DBUS_ERROR "InvalidArgs",
         "config"},
        {"/org//svcmgr1", CLIENT_MANAGER, "ListKinds", NULL, NULL, 0, NULL, NULL},
        {"org/svcmgr1", CLIENT_MANAGER, "ListKinds", NULL, NULL, 0, NULL, NULL},
        {"/org/svcmgr1/", CLIENT_MANAGER, "ListKinds", NULL, NULL, 0, NULL, NULL},
        {"", CLIENT_MANAGER, "ListKinds", NULL, NULL, 0, NULL, NULL},
        {"/org/svcmgr1/service/a.b", CLIENT_SERVICE, "Start", NULL, NULL, 0, NULL, NULL},
        {"/org/svcmgr1/service/\xff", CLIENT_SERVICE, "Start", NULL, NULL, 0, NULL, NULL},
        {NULL, CLIENT_MANAGER, "ListKinds", NULL, NULL, 0, NULL, NULL},
        {CLIENT_ROOT, "no-interface", "ListKinds", NULL, NULL, 0, NULL, NULL},
        {CLIENT_ROOT, "org.svcmgr1..Manager", "ListKinds", NULL, NULL, 0, NULL, NULL},
        {ROOT_MANAGER, "List.Kinds", NULL, NULL, 0, NULL, NULL},
        {ROOT_MANAGER, "", NULL, NULL, 0, NULL, NULL},
        {ROOT_MANAGER, NULL, NULL, NULL, 0, NULL, NULL},
        {ROOT_MANAGER, "GetService", "z", "x", 0, NULL, NULL},
        {ROOT_MANAGER, "GetService", "a", "x", 0, NULL, NULL},
        {ROOT_MANAGER, "GetService", "(", "x", 0, NULL, NULL},
        {ROOT_MANAGER, "GetService", NULL, "x", 0, DBUS_ERROR "InvalidArgs", "expecting 's'"},
        {ROOT_MANAGER, "GetService", "s", NULL, 0, DBUS_ERROR "InvalidArgs", "malformed"},
        {CLIENT_ROOT, PROPERTIES, "GetAll", "s", "\xff\xff", 0, DBUS_ERROR "InvalidArgs", ""},
        {"/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", "\xff", 0,
         DBUS_ERROR "InconsistentMessage", ""},
        {"/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", "\xff", 0,
         DBUS_ERROR "InconsistentMessage", ""},
        {"/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", "\x01\n", 0,
         DBUS_ERROR "NameHasNoOwner", "called '\\x01\\x0a'"},
        {"/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", E64 E64, 0,
         DBUS_ERROR "NameHasNoOwner", "called '" E8},
        {"/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected", NULL, NULL, 0,
         NULL, NULL},
};

static void send_row(int fd, const Row *row)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    RawMessage message = {.serial = 7,
                          .path = row->path,
                          .interface = row->interface,
                          .member = row->member,
                          .signature = row->signature,
                          .body = body};

    if (row->body != NULL)
        raw_add_string(body, row->body, row->length > 0 ? row->length : strlen(row->body));
    g_assert_true(raw_send_message(fd, &message));
}

/* The ping behind it shows that the connection lives, and that nothing else comes. */
static void assert_row(int fd, const Row *row)
{
    RawMessage ping = {.serial = 8, .path = "/", .interface = PEER, .member = "Ping"};
    RawAnswer answer;

    send_row(fd, row);
    g_assert_true(raw_send_message(fd, &ping));
    g_assert_true(raw_read(fd, &answer));
    g_test_message("row %zu: %s: %s", (size_t)(row - rows),
                   answer.error != NULL ? answer.error : "-",
                   answer.text != NULL ? answer.text : "-");
    if (row->error != NULL) {
        g_assert_cmpuint(answer.reply_serial, ==, 7);
        g_assert_cmpstr(answer.error, ==, row->error);
        g_assert_nonnull(strstr(answer.text, row->text));
        raw_answer_clear(&answer);
        g_assert_true(raw_read(fd, &answer));
    }
    g_assert_cmpuint(answer.reply_serial, ==, 8);
    g_assert_cmpuint(answer.type, ==, RAW_METHOD_RETURN);
    raw_answer_clear(&answer);
    (void)fd_close(fd); /* -1 */
}

static void attack_messages(Hostile *hostile)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_row(raw_connect_ready(socket_of(hostile)), &rows[i]);
}

static void test_messages(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_messages);
}

/* What a bus says and a peer may not: these are messages to nobody, and change nothing. */
static const RawMessage forged[] = {
        {.type = RAW_SIGNAL,
         .serial = 1,
         .path = "/org/freedesktop/DBus/Local",
         .interface = "org.freedesktop.DBus.Local",
         .member = "Disconnected"},
        {.type = RAW_SIGNAL,
         .serial = 1,
         .path = "/org/freedesktop/DBus/Local",
         .interface = "org.freedesktop.DBus.Local",
         .member = "Connected"},
        {.type = RAW_SIGNAL,
         .serial = 1,
         .path = "/org/freedesktop/DBus",
         .interface = "org.freedesktop.DBus",
         .member = "NameOwnerChanged"},
        {.type = RAW_SIGNAL,
         .serial = 1,
         .path = CLIENT_ROOT,
         .interface = CLIENT_MANAGER,
         .member = "Event"},
        {.type = RAW_METHOD_RETURN, .serial = 1, .reply_serial = 1},
        {.type = RAW_METHOD_RETURN, .serial = 1, .reply_serial = UINT32_MAX},
        {.type = RAW_METHOD_RETURN, .serial = 1},
        {.type = RAW_ERROR, .serial = 1, .reply_serial = 2, .error_name = DBUS_ERROR "Failed"},
        {.type = RAW_ERROR, .serial = 1, .reply_serial = 2},
        {.type = 5, .serial = 1, .path = "/", .member = "X"},
        {.type = 255, .serial = 1},
        {.serial = 0, .path = "/", .interface = PEER, .member = "Ping"},
        {.serial = 1, .flags = 0xff, .path = "/", .interface = PEER, .member = "Ping"},
};

static void attack_forged(Hostile *hostile)
{
    for (size_t i = 0; i < G_N_ELEMENTS(forged); i++) {
        int fd = raw_connect_ready(socket_of(hostile));

        g_assert_true(raw_send_message(fd, &forged[i]));
        raw_assert_ping(fd, 9);
        (void)fd_close(fd); /* -1 */
    }
}

static void test_forged(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_forged);
}

/* Descriptors: nobody has asked for them, and nobody keeps them. */
static void attack_fds(Hostile *hostile)
{
    static const struct {
        unsigned sent, said;
    } fds[] = {{1, 0}, {1, 1}, {16, 16}, {16, 1}, {0, 1}, {0, 1000}};

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        RawMessage message = {.serial = 1,
                              .path = "/",
                              .interface = PEER,
                              .member = "Ping",
                              .n_fds = fds[i].said};
        g_autoptr(GByteArray) bytes = raw_build(&message);
        int fd = raw_connect_ready(socket_of(hostile));

        (void)raw_send_fds(fd, bytes->data, bytes->len, fds[i].sent); /* cut off: as good */
        (void)shutdown(fd, SHUT_WR);                                  /* the same */
        raw_await_end(fd);
    }
}

static void test_fds(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_fds);
}

#define N_WAITS 20
#define N_WAIT_FDS 16

/* What takes no descriptors, and is answered when the service stops. */
static void send_wait(int fd, uint32_t serial)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    RawMessage message = {.serial = serial,
                          .path = WEB,
                          .interface = CLIENT_SERVICE,
                          .member = "Wait",
                          .signature = "a{sv}",
                          .body = body,
                          .n_fds = N_WAIT_FDS};

    raw_add_uint32(body, 29); /* the bytes of the entries, of which the first begins at 8 */
    raw_add_uint32(body, 0);
    raw_add_string(body, "until", strlen("until"));
    g_byte_array_append(body, (const guint8 *)"\1s", 3);
    raw_add_string(body, "inactive", strlen("inactive"));
    g_autoptr(GByteArray) bytes = raw_build(&message);
    g_assert_true(raw_send_fds(fd, bytes->data, bytes->len, N_WAIT_FDS));
}

/* The call is kept, and they are not; it is answered all the same. */
static void test_fds_of_waits(Hostile *hostile, const void *unused)
{
    unsigned n_fds = hostile_count_fds(hostile);
    int fd = raw_connect_fds(socket_of(hostile));
    RawAnswer answer;

    for (uint32_t serial = 1; serial <= N_WAITS; serial++)
        send_wait(fd, serial);
    raw_assert_ping(fd, N_WAITS + 1);
    hostile_await_fds(hostile, n_fds + 1);
    sd_bus_message_unref(client_call(hostile->daemon.client, WEB, CLIENT_SERVICE, "Stop", NULL));
    for (uint32_t serial = 1; serial <= N_WAITS; serial++) {
        g_assert_true(raw_read_answer(fd, serial, &answer));
        g_assert_cmpuint(answer.type, ==, RAW_METHOD_RETURN);
        g_assert_cmpstr(answer.text, ==, NULL); /* of no error */
        raw_answer_clear(&answer);
    }
    (void)fd_close(fd); /* -1 */
}

/* Parts of messages, and messages with bytes that were changed at random. */

static GByteArray *build_question(void)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    RawMessage message = {.serial = 3,
                          .path = WEB,
                          .interface = PROPERTIES,
                          .member = "Get",
                          .signature = "ss",
                          .body = body};

    raw_add_string(body, CLIENT_SERVICE, strlen(CLIENT_SERVICE));
    raw_add_string(body, "State", strlen("State"));
    return raw_build(&message);
}

static void attack_truncated(Hostile *hostile)
{
    g_autoptr(GByteArray) bytes = build_question();

    for (unsigned length = 0; length < bytes->len; length++) {
        int fd = raw_connect_ready(socket_of(hostile));

        g_assert_true(raw_send(fd, bytes->data, length));
        if (length % 2 == 0) {
            (void)shutdown(fd, SHUT_WR); /* it is there: cannot fail */
            raw_await_end(fd);
        } else {
            (void)fd_close(fd); /* -1 */
        }
    }
}

static void test_truncated(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 1, SLACK_BYTES, attack_truncated);
}

static void attack_random(Hostile *hostile)
{
    for (unsigned i = 0; i < 400; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        int fd = raw_connect_ready(socket_of(hostile));

        for (int n = g_test_rand_int_range(1, 4); n > 0; n--) {
            g_autoptr(GByteArray) question = build_question();

            g_byte_array_append(bytes, question->data, question->len);
        }
        for (int n = g_test_rand_int_range(1, 9); n > 0; n--)
            bytes->data[g_test_rand_int_range(0, (gint32)bytes->len)] =
                    (guint8)g_test_rand_int_range(0, 256);
        (void)raw_send(fd, bytes->data, bytes->len); /* cut off: as good */
        (void)shutdown(fd, SHUT_WR);                 /* the same */
        raw_await_end(fd);
    }
}

static void test_random(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 2, SLACK_BYTES, attack_random);
}

/* Who only says that much will come gets no memory for it; who says too much is cut off. Returns
 * the first, who is not. */
static int claim_much(Hostile *hostile)
{
    static const uint32_t claims[] = {0x07ffff00, 0x08000000, 0x7fffffff, 0xffffffff};
    unsigned n_fds = hostile_count_fds(hostile);
    int fds[G_N_ELEMENTS(claims)];

    for (size_t i = 0; i < G_N_ELEMENTS(claims); i++) {
        g_autoptr(GByteArray) bytes = build_question();
        uint32_t claim = GUINT32_TO_LE(claims[i]);

        memcpy(bytes->data + 4, &claim, sizeof(claim));
        fds[i] = raw_connect_ready(socket_of(hostile));
        g_assert_true(raw_send(fds[i], bytes->data, bytes->len));
        if (i > 0)
            raw_await_end(fds[i]);
    }
    hostile_await_fds(hostile, n_fds + 1);
    return fds[0];
}

static void test_claims(Hostile *hostile, const void *unused)
{
    unsigned n_fds = hostile_count_fds(hostile);
    int fd = claim_much(hostile); /* the first time the heap warms up */

    (void)fd_close(fd); /* -1 */
    hostile_await_fds(hostile, n_fds);
    uint64_t before = hostile_memory_bytes(hostile);
    fd = claim_much(hostile);
    uint64_t after = hostile_memory_bytes(hostile);
    g_test_message("memory: %" G_GUINT64_FORMAT " KiB, then %" G_GUINT64_FORMAT " KiB",
                   before / 1024, after / 1024);
#if !defined(ADDRESS_SANITIZED) /* it writes to what it gives */
    g_assert_cmpuint(after, <, before + SLACK_BYTES);
#endif
    (void)fd_close(fd); /* -1 */
    hostile_await_fds(hostile, n_fds);
    hostile_assert_unharmed(hostile);
}

/* A thousand at once, who say nothing: as many as there may be get a place, the others are sent
 * away; the bus is as before, and so is the socket when they have gone. */
#define CROWD 1000

static void test_crowd(Hostile *hostile, const void *unused)
{
    unsigned n_fds = hostile_count_fds(hostile), most = 0;
    int fds[CROWD];

    for (unsigned i = 0; i < CROWD; i++) {
        fds[i] = raw_connect(socket_of(hostile));
        most = MAX(most, hostile_count_fds(hostile));
    }
    for (unsigned i = 300; i < CROWD; i++)
        raw_await_end(fds[i]);
    g_free(client_get_string(hostile->daemon.client, hostile->service_path, CLIENT_SERVICE,
                             "State"));
    g_assert_cmpuint(most, <=, n_fds + 257); /* and one that is just being sent away */
    for (unsigned i = 0; i < 300; i++)
        (void)fd_close(fds[i]); /* -1 */
    hostile_await_fds(hostile, n_fds);
    hostile_assert_unharmed(hostile);
    g_autofree char *log = daemon_fixture_log(&hostile->daemon);
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), <, 50); /* nor can they fill the log */
}

#define ADD(path, function)                                                                        \
    g_test_add("/hostile-raw/" path, Hostile, NULL, hostile_set_up, function, hostile_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("handshakes", test_handshakes);
    ADD("endless-handshake", test_endless_handshake);
    ADD("slow-handshake", test_slow_handshake);
    ADD("messages", test_messages);
    ADD("forged", test_forged);
    ADD("fds", test_fds);
    ADD("fds-of-waits", test_fds_of_waits);
    ADD("truncated", test_truncated);
    ADD("random", test_random);
    ADD("claims", test_claims);
    ADD("crowd", test_crowd);
    return g_test_run();
}
