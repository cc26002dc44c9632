/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages on the private socket that never become whole: the daemon keeps no more of them than it
 * has said, however many peers a user has. Messages that come slowly are as good as others. */

#include "hostile.h"
#include "raw.h"

#include "base/fds.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEER "org.freedesktop.DBus.Peer"
#define MIB (UINT64_C(1024) * 1024)
#define PART_CLAIM_BYTES (100 * MIB)
#define PART_SENT_BYTES (75 * MIB)
#define PART_STEP_BYTES (64 * 1024)
#define STRANGER_UID 10000
/* What the daemon may keep beside the limits: its own small things. */
#define PART_SLACK_BYTES (8 * MIB)

/* The limits of daemon/bus. */
#define PART_MOST_BYTES (4 * MIB)
#define PART_USER_MOST_BYTES (128 * MIB)

/* Who may act is not held to these limits, and only root can be somebody else. */
static bool part_is_possible(void)
{
    if (geteuid() != 0) {
        g_test_skip("only root can be several users");
        return false;
    }
#if defined(ADDRESS_SANITIZED)
    g_test_skip("a sanitizer keeps what was freed: what grows says nothing");
    return false;
#else
    return true;
#endif
}

static int connect_as(const Hostile *hostile, uid_t uid)
{
    g_autofree char *directory = g_path_get_dirname(hostile->daemon.runtime_dir);
    uid_t own = geteuid();
    int fd;

    g_assert_cmpint(chmod(directory, 0711), ==, 0);
    g_assert_cmpint(chmod(hostile->daemon.runtime_dir, 0711), ==, 0);
    g_assert_true(uid == own || seteuid(uid) == 0);
    fd = raw_connect_ready(hostile->daemon.socket);
    g_assert_true(uid == own || seteuid(own) == 0);
    return fd;
}

/* The beginning of a message, and so much of its body; false: cut off. */
static bool send_part(int fd, uint64_t length)
{
    RawMessage ping = {.serial = 1, .path = "/", .interface = PEER, .member = "Ping"};
    g_autoptr(GByteArray) bytes = raw_build(&ping);
    g_autofree char *zeros = g_malloc0(PART_STEP_BYTES);
    uint32_t claim = GUINT32_TO_LE((uint32_t)PART_CLAIM_BYTES);
    bool goes_on;

    memcpy(bytes->data + 4, &claim, sizeof(claim));
    goes_on = raw_send(fd, bytes->data, bytes->len);
    for (uint64_t sent = 0; sent < length && goes_on; sent += PART_STEP_BYTES)
        goes_on = raw_send(fd, zeros, PART_STEP_BYTES);
    return goes_on;
}

static void assert_cut_off(const Hostile *hostile, uid_t uid)
{
    unsigned n_fds = hostile_count_fds(hostile);
    uint64_t before = hostile_memory_bytes(hostile);
    int fd = connect_as(hostile, uid);

    (void)send_part(fd, PART_SENT_BYTES); /* it may all be on its way before it is looked at */
    raw_await_end(fd);
    hostile_await_fds(hostile, n_fds);
    g_assert_cmpuint(hostile_memory_bytes(hostile), <, before + PART_MOST_BYTES + PART_SLACK_BYTES);
}

static void test_part(Hostile *hostile, const void *unused)
{
    if (!part_is_possible())
        return;
    for (unsigned i = 0; i < 20; i++)
        assert_cut_off(hostile, STRANGER_UID);
    hostile_assert_unharmed(hostile);
}

/* Each keeps below what one may, all together do not. */
#define N_PARTS 60

static void test_parts(Hostile *hostile, const void *unused)
{
    unsigned n_fds = hostile_count_fds(hostile), n_kept;
    uint64_t before = hostile_memory_bytes(hostile), most;
    int fds[N_PARTS];

    if (!part_is_possible())
        return;
    for (unsigned i = 0; i < N_PARTS; i++) {
        fds[i] = connect_as(hostile, STRANGER_UID);
        (void)send_part(fds[i], 3 * MIB); /* cut off: as good */
        most = hostile_memory_bytes(hostile) - before;
        g_assert_cmpuint(most, <, PART_USER_MOST_BYTES + N_PARTS * MIB + PART_SLACK_BYTES);
    }
    n_kept = hostile_count_fds(hostile) - n_fds;
    g_test_message("%u of %u are kept, with %" G_GUINT64_FORMAT " MiB", n_kept, N_PARTS,
                   most / MIB);
    g_assert_cmpuint(n_kept, <, N_PARTS);
    for (unsigned i = 0; i < N_PARTS; i++)
        (void)fd_close(fds[i]); /* -1 */
    hostile_await_fds(hostile, n_fds);
    g_assert_cmpuint(hostile_memory_bytes(hostile), <, before + PART_SLACK_BYTES);
    hostile_assert_unharmed(hostile);
}

/* As large as a configuration may be, a little at a time, each in a turn of its own. */
static void assert_slow_config(const Hostile *hostile, uid_t uid)
{
    static const char config[] = "{\"exec\": [\"/bin/true\"]}";
    g_autofree char *text = g_strnfill(MIB, ' ');
    g_autoptr(GByteArray) body = g_byte_array_new();
    RawMessage message = {.serial = 7,
                          .path = CLIENT_ROOT,
                          .interface = CLIENT_MANAGER,
                          .member = "ValidateConfig",
                          .signature = "ss",
                          .body = body};
    int other = raw_connect_ready(hostile->daemon.socket), fd = connect_as(hostile, uid);
    RawAnswer answer;

    memcpy(text, config, strlen(config));
    raw_add_string(body, "process", strlen("process"));
    raw_add_string(body, text, MIB);
    g_autoptr(GByteArray) bytes = raw_build(&message);
    for (unsigned sent = 0, step; sent < bytes->len; sent += step) {
        step = sent < 600 ? 1 : MIN((unsigned)g_test_rand_int_range(1, 8000), bytes->len - sent);
        g_assert_true(raw_send(fd, bytes->data + sent, step));
        raw_assert_ping(other, sent + 1);
    }
    g_assert_true(raw_read_answer(fd, 7, &answer));
    g_assert_cmpstr(answer.error, ==, NULL);
    g_assert_cmpuint(answer.type, ==, RAW_METHOD_RETURN);
    raw_answer_clear(&answer);
    (void)fd_close(fd);    /* -1 */
    (void)fd_close(other); /* -1 */
}

static void test_slow_config(Hostile *hostile, const void *unused)
{
    assert_slow_config(hostile, geteuid());
    if (geteuid() == 0)
        assert_slow_config(hostile, STRANGER_UID);
    hostile_assert_unharmed(hostile);
}

/* What many calls that hang have taken is given back when they go: not only to be used again. */
#define N_WAITERS 20
#define N_WAITS_EACH 500

static int on_wait_answer(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    return 0;
}

static Client *client_that_waits(const Hostile *hostile)
{
    Client *client = client_new_private(hostile->daemon.socket);

    for (unsigned i = 0; i < N_WAITS_EACH; i++)
        g_assert_cmpint(sd_bus_call_method_async(client->bus, NULL, client->destination,
                                                 hostile->service_path, CLIENT_SERVICE, "Wait",
                                                 on_wait_answer, NULL, "a{sv}", 1, "until", "s",
                                                 "inactive"),
                        >=, 0);
    sd_bus_message_unref(client_call(client, "/", PEER, "Ping", NULL)); /* they have arrived */
    return client;
}

static void test_waits(Hostile *hostile, const void *unused)
{
    unsigned n_fds = hostile_count_fds(hostile);
    uint64_t before = hostile_memory_bytes(hostile), most;
    Client *clients[N_WAITERS];

#if defined(ADDRESS_SANITIZED)
    g_test_skip("a sanitizer keeps what was freed");
    return;
#endif
    for (unsigned i = 0; i < N_WAITERS; i++)
        clients[i] = client_that_waits(hostile);
    most = hostile_memory_bytes(hostile);
    for (unsigned i = 0; i < N_WAITERS; i++)
        client_free(clients[i]);
    hostile_await_fds(hostile, n_fds);
    g_test_message("memory: %" G_GUINT64_FORMAT " KiB, %" G_GUINT64_FORMAT
                   " KiB, then %" G_GUINT64_FORMAT " KiB",
                   before / 1024, most / 1024, hostile_memory_bytes(hostile) / 1024);
    g_assert_cmpuint(most, >, before + 8 * MIB);
    g_assert_cmpuint(hostile_memory_bytes(hostile), <, before + 2 * MIB);
    hostile_assert_unharmed(hostile);
}

#define ADD(path, function)                                                                        \
    g_test_add("/hostile-part/" path, Hostile, NULL, hostile_set_up, function, hostile_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("one", test_part);
    ADD("many", test_parts);
    ADD("slow-config", test_slow_config);
    ADD("waits", test_waits);
    return g_test_run();
}
