/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service has said and why it failed, as descriptors: options, who may, and that none stays
 * behind. */

#include "bus-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STRANGER 12345
#define MANY 1000
#define SAID "one\ntwo\n"

static BusFixture fixture;
static BusClient *client;

/* A kind that keeps logs. */
static LogQuery asked;        /* the last one */
static char *asked_for;       /* its invocation */
static unsigned n_asked;      /* how many there were */
static const char *refuse_as; /* not NULL: with LimitExceeded */
static size_t last_bytes;     /* of the last line; 0: a few */

static int log_open(const Kind *kind, const Service *service, const LogQuery *query, GError **error)
{
    int ends[2];

    n_asked++;
    asked = *query;
    g_free(asked_for);
    asked_for = g_strdup(query->invocation);
    if (refuse_as != NULL) {
        (void)error_set(error, ERROR_LIMIT_EXCEEDED, "%s", refuse_as); /* always false */
        return -1;
    }
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(ends[1], SAID, strlen(SAID)), ==, strlen(SAID));
    (void)fd_close(ends[1]); /* -1 */
    return ends[0];
}

static json_t *log_describe_run(const Kind *kind, const Service *service)
{
    return json_pack("{s:s}", "invocation_id", "0123456789abcdef0123456789abcdef");
}

static json_t *log_last_lines(const Kind *kind, const Service *service, const char *invocation,
                              unsigned n)
{
    g_autofree char *text = last_bytes > 0 ? g_strnfill(last_bytes, 'x') : g_strdup("giving up");

    return json_pack("[{s:s, s:s}]", "text", text, "invocation", invocation);
}

static void setup_client(BusClientKind kind)
{
    bus_fixture_init(&fixture);
    fixture.kind_process.open_log = log_open;
    fixture.kind_process.describe_run = log_describe_run;
    fixture.kind_process.last_lines = log_last_lines;
    n_asked = 0;
    refuse_as = NULL;
    last_bytes = 0;
    bus_fixture_create(&fixture, "web", "process", "{\"restart\": {\"policy\": \"no\"}}", false);
    bus_fixture_create(&fixture, "plain", "fake", NULL, false);
    client = bus_client_new(&fixture, kind);
}

static void setup(void)
{
    setup_client(BUS_CLIENT_LISTENING);
}

static void teardown(void)
{
    g_clear_pointer(&asked_for, g_free);
    bus_fixture_done(&fixture);
}

static void fail_web(void)
{
    Service *service = map_find(fixture.map, "web");

    bus_fixture_start(&fixture, service);
    fake_apply_fail(service, "exited with status 3", false);
    bus_fixture_turn(&fixture);
}

/* All that the descriptor of the answer gives. */
static char *read_all(sd_bus_message *reply)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[512];
    ssize_t n;
    int fd = -1;

    g_assert_cmpint(sd_bus_message_read_basic(reply, 'h', &fd), >, 0);
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        g_string_append_len(text, buffer, n);
    g_assert_cmpint(n, ==, 0);
    return g_strdup(text->str);
}

#define OPEN(...)                                                                                  \
    bus_client_call(client, service_path("web"), SERVICE, "OpenLog", "a{sv}", __VA_ARGS__)
#define REFUSED(code, text, ...)                                                                   \
    bus_client_refused(client, code, text, service_path("web"), SERVICE, __VA_ARGS__)

static void assert_opens(void)
{
    g_autoptr(sd_bus_message) reply = OPEN(0);
    g_autofree char *text = read_all(reply);

    g_assert_cmpstr(text, ==, SAID);
}

static void test_open(void)
{
    static const BusClientKind kinds[] = {BUS_CLIENT_LISTENING, BUS_CLIENT_DEAF, BUS_CLIENT_DIRECT};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        setup_client(kinds[i]);
        assert_opens();
        g_assert_cmpuint(n_asked, ==, 1);
        g_assert_cmpuint(asked.lines, ==, LOG_LINES_ALL);
        g_assert_cmpuint(asked.since_usec, ==, 0);
        g_assert_null(asked_for);
        g_assert_false(asked.follow);
        g_assert_cmpint(asked.format, ==, LOG_FORMAT_TEXT);
        g_assert_cmpuint(asked.uid, ==, geteuid());
        teardown();
    }
}

static void test_options(void)
{
    static const char *const formats[] = {"text", "json", "bare"};

    setup();
    sd_bus_message_unref(OPEN(5, "lines", "u", 7, "since_usec", "t", UINT64_MAX, "follow", "b", 1,
                              "format", "s", "json", "invocation", "s", "cdef"));
    g_assert_cmpuint(asked.lines, ==, 7);
    g_assert_cmpuint(asked.since_usec, ==, UINT64_MAX);
    g_assert_true(asked.follow);
    g_assert_cmpstr(asked_for, ==, "cdef");
    sd_bus_message_unref(
            OPEN(2, "lines", "u", 0, "invocation", "s", "0123456789abcdef0123456789abcdef"));
    g_assert_cmpuint(asked.lines, ==, 0);
    g_assert_cmpstr(asked_for, ==, "0123456789abcdef0123456789abcdef");
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        sd_bus_message_unref(OPEN(1, "format", "s", formats[i]));
        g_assert_cmpstr(log_format_to_string(asked.format), ==, formats[i]);
    }
    teardown();
}

static void test_options_refused(void)
{
    static const struct {
        const char *name, *value, *text;
    } rows[] = {
            {"format", "xml", "option 'format': expected text, json or bare, got 'xml'"},
            {"format", "", "option 'format'"},
            {"invocation", "", "option 'invocation': expected an InvocationId"},
            {"invocation", "xyz", "got 'xyz'"},
            {"invocation", "ABCDEF", "option 'invocation'"},
            {"invocation", "0123456789abcdef0123456789abcdef0", "option 'invocation'"},
            {"line", "7", "unknown option 'line'; known: lines, since_usec, follow, format, invoc"},
            {"lines", "7", "option 'lines' expects a value of type u, got s"},
            {"since_usec", "7", "option 'since_usec' expects a value of type t, got s"},
            {"follow", "true", "option 'follow' expects a value of type b, got s"},
    };

    setup();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        REFUSED(ERROR_INVALID_ARGS, rows[i].text, "OpenLog", "a{sv}", 1, rows[i].name, "s",
                rows[i].value);
    REFUSED(ERROR_INVALID_ARGS, "expects a value of type s, got u", "OpenLog", "a{sv}", 1, "format",
            "u", 1);
    REFUSED(ERROR_INVALID_ARGS, "option 'lines' is given twice", "OpenLog", "a{sv}", 2, "lines",
            "u", 1, "lines", "u", 2);
    g_assert_cmpuint(n_asked, ==, 0);
    assert_opens(); /* the connection is as it was */
    teardown();
}

static void test_kinds_refuse(void)
{
    setup();
    bus_client_refused(client, ERROR_NOT_SUPPORTED,
                       "service 'plain' is of kind 'fake', which has no log", service_path("plain"),
                       SERVICE, "OpenLog", "a{sv}", 0);
    refuse_as = "there are already 128 of yours";
    REFUSED(ERROR_LIMIT_EXCEEDED, "service 'web': there are already 128 of yours", "OpenLog",
            "a{sv}", 0);
    teardown();
}

static void test_authorisation(void)
{
    static const uint32_t strangers[] = {STRANGER, UINT32_MAX};

    setup();
    fail_web();
    fixture.bus->uid = 777;
    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        bus_client_become(client, strangers[i]);
        REFUSED(ERROR_ACCESS_DENIED, "open-log on service 'web' is not allowed", "OpenLog", "a{sv}",
                0);
        REFUSED(ERROR_ACCESS_DENIED, "open-log on service 'web' is not allowed", "GetFailureReport",
                NULL);
    }
    g_assert_cmpuint(n_asked, ==, 0);
    bus_client_become(client, 777);
    assert_opens();
    g_assert_cmpuint(asked.uid, ==, 777);
    bus_client_become(client, 0);
    assert_opens();
    g_assert_cmpuint(asked.uid, ==, 0);
    teardown();
}

/* Where the answer cannot be carried the caller is told, and nothing was opened for it. */
static void test_without_descriptors(void)
{
    setup_client(BUS_CLIENT_NO_FDS);
    fail_web();
    REFUSED(ERROR_NOT_SUPPORTED, "NEGOTIATE_UNIX_FD", "OpenLog", "a{sv}", 0);
    REFUSED(ERROR_NOT_SUPPORTED, "GetFailureReport answers with a file descriptor",
            "GetFailureReport", NULL);
    g_assert_cmpuint(n_asked, ==, 0);
    sd_bus_message_unref(bus_client_call(client, service_path("web"), SERVICE, "GetState", NULL));
    teardown();
}

/* Ours is closed when it is sent, also where the peer has hung up before. */
static void test_nothing_is_left_open(void)
{
    BusClient *other;
    int before;

    setup();
    fail_web();
    before = fd_count_open();
    for (unsigned i = 0; i < MANY; i++) {
        sd_bus_message_unref(OPEN(0));
        sd_bus_message_unref(
                bus_client_call(client, service_path("web"), SERVICE, "GetFailureReport", NULL));
    }
    g_assert_cmpint(fd_count_open(), ==, before);
    g_assert_cmpuint(n_asked, ==, MANY);
    other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    for (unsigned i = 0; i < 100; i++)
        pending_free(bus_client_start(other, service_path("web"), SERVICE, "OpenLog", "a{sv}", 0));
    g_assert_cmpint(sd_bus_flush(other->bus), >=, 0);
    bus_client_close(other);
    bus_fixture_turn(&fixture);
    g_assert_cmpint(fd_count_open(), ==, before);
    teardown();
}

/* How many descriptors were kept for one who asks and does not read, until it was thrown out. */
static int ask_unread(const char *member, const char *types)
{
    int before, most = 0, bytes = 4096; /* of what the kernel keeps for the peer */
    BusClient *lazy = bus_client_new(&fixture, BUS_CLIENT_DEAF);

    g_assert_cmpint(setsockopt(sd_bus_get_fd(bus_client_peer(lazy)->connection->sd_bus), SOL_SOCKET,
                               SO_SNDBUF, &bytes, sizeof(bytes)),
                    ==, 0);
    before = fd_count_open();
    g_assert_cmpint(sd_bus_detach_event(lazy->bus), >=, 0);
    for (unsigned i = 0; i < 3000 && fixture.bus->connections->len == 2; i++) {
        g_autoptr(Pending) pending =
                bus_client_start(lazy, service_path("web"), SERVICE, member, types, 0);

        (void)sd_bus_flush(lazy->bus); /* an error: it is thrown out already */
        bus_fixture_turn(&fixture);
        most = MAX(most, fd_count_open() - before);
    }
    g_assert_cmpuint(fixture.bus->connections->len, ==, 1);
    g_assert_nonnull(strstr(fixture.core.log->str, "it does not read what it is sent"));
    bus_client_close(lazy);
    bus_fixture_turn(&fixture);
    return most;
}

/* Before the descriptors run out. */
static void test_unread(void)
{
    int most;

    setup();
    most = ask_unread("OpenLog", "a{sv}");
    g_assert_cmpint(most, >, 100);
    g_assert_cmpint(most, <, 1200);
    assert_opens();
    teardown();
}

/* Nor does the memory: what is in a report counts, too. */
static void test_unread_reports(void)
{
    int most;

    setup();
    fail_web();
    last_bytes = 1024 * 1024;
    most = ask_unread("GetFailureReport", NULL);
    g_assert_cmpint(most, >, 10);
    g_assert_cmpint(most, <, 100);
    assert_opens();
    teardown();
}

static void test_report(void)
{
    static const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;
    json_t *document;
    int fd = -1;

    setup();
    REFUSED(ERROR_NOT_FOUND, "service 'web' has not failed", "GetFailureReport", NULL);
    fail_web();
    reply = bus_client_call(client, service_path("web"), SERVICE, "GetFailureReport", NULL);
    text = read_all(reply); /* from its start */
    document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    g_assert_nonnull(document);
    g_assert_cmpstr(json_string_value(json_object_get(document, "service")), ==, "web");
    g_assert_cmpstr(
            json_string_value(json_object_get(json_object_get(document, "failure"), "error")), ==,
            "exited with status 3");
    g_assert_cmpstr(
            json_string_value(json_object_get(
                    json_array_get(json_object_get(document, "last_lines"), 0), "invocation")),
            ==, "0123456789abcdef0123456789abcdef");
    json_decref(document);
    g_assert_cmpint(sd_bus_message_rewind(reply, true), >=, 0);
    g_assert_cmpint(sd_bus_message_read_basic(reply, 'h', &fd), >, 0);
    g_assert_cmpint(fcntl(fd, F_GET_SEALS), ==, sealed);
    g_assert_cmpint(write(fd, "x", 1), ==, -1);
    g_assert_cmpint(errno, ==, EPERM);
    teardown();
}

/* What a peer of this uid is told when it asks for descriptors. */
static char *negotiate_as(uid_t uid)
{
    g_autofree char *digits = g_strdup_printf("%u", uid);
    g_autoptr(GString) hello = g_string_new(NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char answer[256];
    ssize_t n;

    g_strlcpy(address.sun_path, fixture.socket, sizeof(address.sun_path));
    g_assert_cmpint(seteuid(uid), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(seteuid(0), ==, 0);
    g_string_append_c(hello, '\0');
    g_string_append(hello, "AUTH EXTERNAL ");
    for (const char *c = digits; *c != '\0'; c++)
        g_string_append_printf(hello, "%02x", (unsigned)*c);
    g_string_append(hello, "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    g_assert_cmpint(write(fd, hello->str, hello->len), ==, (ssize_t)hello->len);
    bus_fixture_turn(&fixture);
    n = read(fd, answer, sizeof(answer) - 1);
    g_assert_cmpint(n, >, 0);
    answer[n] = '\0';
    return g_strdup(answer);
}

/* Who may not act could fill our table with theirs, and is given none. */
static void test_strangers_send_none(void)
{
    g_autofree char *own = NULL, *stranger = NULL;

    if (geteuid() != 0) {
        g_test_skip("only root can be somebody else");
        return;
    }
    setup();
    g_assert_cmpint(g_chmod(fixture.directory, 0711), ==, 0);
    own = negotiate_as(0);
    stranger = negotiate_as(STRANGER);
    g_assert_nonnull(strstr(own, "AGREE_UNIX_FD"));
    g_assert_nonnull(strstr(stranger, "OK ")); /* let in all the same */
    g_assert_null(strstr(stranger, "AGREE_UNIX_FD"));
    bus_fixture_turn(&fixture);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/open", test_open);
    g_test_add_func("/log/options", test_options);
    g_test_add_func("/log/options-refused", test_options_refused);
    g_test_add_func("/log/kinds-refuse", test_kinds_refuse);
    g_test_add_func("/log/authorisation", test_authorisation);
    g_test_add_func("/log/without-descriptors", test_without_descriptors);
    g_test_add_func("/log/nothing-is-left-open", test_nothing_is_left_open);
    g_test_add_func("/log/unread", test_unread);
    g_test_add_func("/log/unread-reports", test_unread_reports);
    g_test_add_func("/log/report", test_report);
    g_test_add_func("/log/strangers-send-none", test_strangers_send_none);
    return g_test_run();
}
