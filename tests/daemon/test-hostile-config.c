/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations that mean harm, at every entrance: Configure, CreateService, ValidateConfig, and
 * files of definitions. Each says its place and what was expected, in a text of bounded length, and
 * nothing changes. */

#include "hostile.h"

#include <string.h>

#define DBUS_ERROR "org.freedesktop.DBus.Error."
#define OUR_ERROR "org.svcmgr1.Error."
#define CONFIG_MOST_BYTES (1024 * 1024)
#define CONFIG_HUGE_BYTES (16 * 1024 * 1024)
/* 64 mistakes, of so many bytes each. */
#define MESSAGE_MOST_BYTES (64 * 1024)
#define N_REPEATED 3
#define SLACK_BYTES (512 * 1024)
/* What malloc may keep of the largest document that is parsed. */
#define DEAR_MOST_BYTES (10 * 1024 * 1024)
#define NAMED(rest) "{\"exec\": [\"/bin/true\"], " rest "}"

typedef struct Document {
    const char *text;
    const char *expected; /* in the message */
} Document;

static const Document documents[] = {
        {"{", "line 1"},
        {"[]", "expected an object, got []"},
        {"null", "expected an object, got null"},
        {"\"x\"", "expected an object"},
        {"{} {}", "line 1, column 4"},
        {"{}\n\n\n}", "line 4, column 1"},
        {"{\"exec\": [\"/bin/true\"],}", "line 1"},
        {"{'exec': []}", "line 1"},
        {"// c\n{}", "line 1"},
        {"\xef\xbb\xbf{}", "line 1"},
        {"{\"exec\": [\"\x01\"]}", "line 1"},
        {"{\"exec\": [\"\n\"]}", "line"},
        {"{\"exec\": [\"\\x41\"]}", "line 1"},
        {NAMED("\"description\": \"\\u0000\""), "\\u0000 is not allowed"},
        {NAMED("\"\\u0000\": 1"), "\\u0000 is not allowed"},
        {NAMED("\"a\": \"\\ud800\""), "line 1"},
        {NAMED("\"a\": \"\\udc00\\ud800\""), "line 1"},
        {NAMED("\"a\": \"\\uD83D\\u0041\""), "line 1"},
        {NAMED("\"exec\": [\"/bin/false\"]"), "duplicate member \"exec\""},
        {NAMED("\"\\u0065xec\": [\"/bin/false\"]"), "duplicate member \"exec\""},
        {NAMED("\"restart\": {\"policy\": \"no\", \"policy\": \"always\"}"),
         "restart.policy: duplicate member"},
        {NAMED("\"stop_timeout\": 1e999"), "stop_timeout: number out of range: 1e999"},
        {NAMED("\"stop_timeout\": -1e999"), "stop_timeout: number out of range: -1e999"},
        {NAMED("\"stop_timeout\": 99999999999999999999"), "number out of range"},
        {NAMED("\"stop_timeout\": -1"), "stop_timeout: expected "},
        {NAMED("\"stop_timeout\": NaN"), "line 1"},
        {NAMED("\"stop_timeout\": Infinity"), "line 1"},
        {NAMED("\"stop_timeout\": 01"), "line 1"},
        {NAMED("\"stop_timeout\": 0x10"), "line 1"},
        {NAMED("\"stop_timeout\": +1"), "line 1"},
        {NAMED("\"stop_timeout\": \"-0s\""), "stop_timeout: expected "},
        {NAMED("\"stop_timeout\": \"1e9s\""), "stop_timeout: expected "},
        {NAMED("\"stop_timeout\": \"99999999999999999999s\""), "stop_timeout: "},
        {NAMED("\"stop_timeout\": true"), "stop_timeout: expected "},
        {NAMED("\"stop_timeout\": null"), "stop_timeout: expected "},
        {NAMED("\"stop_timeout\": [[[[1]]]]"), "stop_timeout: expected "},
        {NAMED("\"restart\": {\"max_attempts\": 0.5}"), "restart.max_attempts: expected "},
        {NAMED("\"restart\": {\"max_attempts\": -1}"), "restart.max_attempts: expected "},
        {NAMED("\"restart\": {\"max_attempts\": 9223372036854775807}"), "restart.max_attempts"},
        {NAMED("\"restart\": []"), "restart: expected an object"},
        {NAMED("\"restart\": {\"factor\": 1e308}"), "restart.factor: expected "},
        {NAMED("\"restarts\": {}"), "restarts: unknown member; did you mean \"restart\"?"},
        {NAMED("\"\": 1"), "unknown member"},
        {NAMED("\"\\u001b[31m\\n\": 1"), "unknown member"},
        {NAMED("\"\\ufdd0\\uffff\": 1"), "unknown member"},
        {NAMED("\"a/b~c.d\": 1"), "unknown member"},
        {NAMED("\"environment\": {\"A=B\": \"x\"}"), "environment"},
        {NAMED("\"environment\": {\"\": \"x\"}"), "environment"},
        {NAMED("\"environment\": {\"A\": 1}"), "environment.A: expected "},
        {"{\"exec\": []}", "exec: expected the program and its arguments"},
        {"{\"exec\": [\"\"]}", "exec"},
        {"{\"exec\": [1]}", "exec"},
        {"{\"exec\": \"/bin/true\"}", "exec: expected an array of strings"},
        {"{\"exec\": {\"0\": \"/bin/true\"}}", "exec: expected an array"},
        {"{}", "exec: required, but missing"},
};

/* Every line is printable, whatever the document held. */
static void assert_clear(const char *message, const char *expected)
{
    if (strstr(message, expected) == NULL)
        g_error("'%s' is not in: %s", expected, message);
    g_assert_cmpuint(strlen(message), <, MESSAGE_MOST_BYTES);
    for (const char *c = message; *c != '\0'; c++)
        g_assert_true((unsigned char)*c >= ' ' || *c == '\n');
}

/* The number of problems that ValidateConfig finds. */
static unsigned validate(Client *client, const char *text)
{
    sd_bus_message *reply = client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "ValidateConfig", "ss",
                                        "process", text);
    unsigned n = 0;

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_skip(reply, "a{sv}") > 0)
        n++;
    sd_bus_message_unref(reply);
    return n;
}

static void check_document(Hostile *hostile, const Document *document)
{
    Client *client = hostile->daemon.client;
    g_autofree char *configured =
            client_call_refused(client, OUR_ERROR "InvalidConfig", hostile->service_path,
                                CLIENT_SERVICE, "Configure", "s", document->text);
    g_autofree char *created = client_call_refused(
            client, OUR_ERROR "InvalidConfig", CLIENT_ROOT, CLIENT_MANAGER, "CreateService",
            "sssa{sv}", "new", "process", document->text, 1, "start", "b", 1);

    assert_clear(configured, document->expected);
    assert_clear(created, document->expected);
    g_assert_nonnull(strstr(configured, "'web'"));
    g_assert_cmpuint(validate(client, document->text), >, 0);
}

static void attack_documents(Hostile *hostile)
{
    for (size_t i = 0; i < G_N_ELEMENTS(documents); i++)
        check_document(hostile, &documents[i]);
}

/* Not even a serial is given. */
static void test_documents(Hostile *hostile, const void *unused)
{
    uint64_t before =
            client_get_unsigned(hostile->daemon.client, CLIENT_ROOT, CLIENT_MANAGER, "EventSerial");

    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_documents);
    g_assert_cmpuint(
            client_get_unsigned(hostile->daemon.client, CLIENT_ROOT, CLIENT_MANAGER, "EventSerial"),
            ==, before);
}

/* Large ones */

static char *repeat(const char *first, const char *each, size_t n, const char *last)
{
    GString *text = g_string_new(first);

    for (size_t i = 0; i < n; i++)
        g_string_append(text, each);
    g_string_append(text, last);
    return g_string_free(text, FALSE);
}

static char *padded(size_t length)
{
    char *text = g_strnfill(length, ' ');

    memcpy(text, "{\"exec\": [\"/bin/true\"]}", strlen("{\"exec\": [\"/bin/true\"]}"));
    return text;
}

/* Of exactly the limit: accepted. One byte more, and 16 MiB: refused. */
static void attack_size(Hostile *hostile)
{
    static const size_t sizes[] = {CONFIG_MOST_BYTES + 1, CONFIG_HUGE_BYTES};
    g_autofree char *most = padded(CONFIG_MOST_BYTES);
    Client *client = client_new_private(hostile->daemon.socket);

    g_assert_cmpuint(validate(client, most), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = padded(sizes[i]);
        g_autofree char *length = g_strdup_printf("%zu bytes long; at most 1048576", sizes[i]);
        const char *limit = OUR_ERROR "LimitExceeded";
        char *texts[] = {
                client_call_refused(client, limit, hostile->service_path, CLIENT_SERVICE,
                                    "Configure", "s", text),
                client_call_refused(client, limit, CLIENT_ROOT, CLIENT_MANAGER, "ValidateConfig",
                                    "ss", "process", text),
                client_call_refused(client, limit, CLIENT_ROOT, CLIENT_MANAGER, "CreateService",
                                    "sssa{sv}", "new", "process", text, 0),
        };

        for (size_t k = 0; k < G_N_ELEMENTS(texts); k++) {
            assert_clear(texts[k], length);
            g_free(texts[k]);
        }
    }
    client_free(client);
}

static void test_size(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 1, SLACK_BYTES, attack_size);
}

/* As much as fits into the limit, of what may be dear: each is refused with a short message, and
 * none leaves the daemon large. */
static void attack_dear(Hostile *hostile)
{
    Client *client = client_new_private(hostile->daemon.socket);
    const struct {
        char *text;
        const char *expected;
    } dear[] = {
            {repeat("{\"a\":", "[", CONFIG_MOST_BYTES - 10, ""), "nested more than 32"},
            {repeat("", "{\"a\":", CONFIG_MOST_BYTES / 5, ""), "nested more than 32"},
            {repeat("{\"exec\": [", "\"\",", CONFIG_MOST_BYTES / 3 - 10, "\"\"]}"),
             "more than 65536 values"},
            {repeat("{\"exec\": [", "0,", CONFIG_MOST_BYTES / 2 - 10, "0]}"),
             "more than 65536 values"},
            {repeat("{\"exec\": [", "0,", 60000, "0]}"), "exec: expected "},
            {repeat("{\"", "\\u0061", CONFIG_MOST_BYTES / 6 - 5, "\": 1}"), "unknown member"},
            {repeat("{\"", "\\u001b", CONFIG_MOST_BYTES / 6 - 5, "\": 1}"), "unknown member"},
            {repeat("{\"a\": ", "9", CONFIG_MOST_BYTES - 10, "}"), "number out of range"},
            {repeat("{", "\n", CONFIG_MOST_BYTES - 10, "x"), "line 1048567"},
            {repeat("{\"environment\": {\"", "A", CONFIG_MOST_BYTES - 30, "\": 1}}"), "expected "},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(dear); i++) {
        g_autofree char *message =
                client_call_refused(client, OUR_ERROR "InvalidConfig", hostile->service_path,
                                    CLIENT_SERVICE, "Configure", "s", dear[i].text);

        g_assert_cmpuint(strlen(dear[i].text), <=, CONFIG_MOST_BYTES);
        assert_clear(message, dear[i].expected);
        g_assert_cmpuint(validate(client, dear[i].text), >, 0);
        g_free(dear[i].text);
    }
    client_free(client);
}

static void test_dear(Hostile *hostile, const void *unused)
{
    uint64_t before = hostile_memory_bytes(hostile);

    hostile_repeat(hostile, 1, SLACK_BYTES, attack_dear);
    uint64_t after = hostile_memory_bytes(hostile);
    g_test_message("%" G_GUINT64_FORMAT " KiB, then %" G_GUINT64_FORMAT " KiB", before / 1024,
                   after / 1024);
#if !defined(ADDRESS_SANITIZED)
    g_assert_cmpuint(after, <, before + DEAR_MOST_BYTES);
#endif
}

/* -0 is 0, and what looks like an escape is text. */
static void test_odd_but_right(Hostile *hostile, const void *unused)
{
    static const char *const right[] = {
            NAMED("\"stop_timeout\": -0"),
            NAMED("\"restart\": {\"max_attempts\": -0}"),
            NAMED("\"stop_timeout\": 0.5e1"),
            NAMED("\"environment\": {\"A\": \"\\ufdd0\\ud83d\\ude00\\u001b\\\\u0000\"}"),
            " \r\n\t{\"exec\":[\"\\u002fbin\\/true\"],\"$comment\":{\"a\":[1e-999]}} ",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(right); i++) {
        g_autofree char *id = g_strdup_printf("odd-%zu", i);
        g_autofree char *path = client_service_path(id);

        g_assert_cmpuint(validate(hostile->daemon.client, right[i]), ==, 0);
        client_create(hostile->daemon.client, id, "process", right[i], false);
        sd_bus_message *reply =
                client_call(hostile->daemon.client, path, CLIENT_SERVICE, "GetConfig", NULL);
        const char *text;
        g_assert_cmpint(sd_bus_message_read(reply, "s", &text), >, 0);
        g_assert_cmpstr(text, ==, right[i]);
        sd_bus_message_unref(reply);
    }
    hostile_assert_unharmed(hostile);
}

/* Files */

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t length;
    const char *expected;
} files[] = {
        {BYTES(""), "empty"},
        {BYTES("\0"), "a NUL byte"},
        {BYTES("{\"kind\": \"\xff\"}"), "not valid UTF-8"},
        {BYTES("{\"kind\": \"\xc0\xaf\"}"), "not valid UTF-8"},
        {BYTES("{\"kind\": \"\xed\xa0\x80\"}"), "not valid UTF-8"},
        {BYTES("{\"kind\": \"\xf4\x90\x80\x80\"}"), "not valid UTF-8"},
        {BYTES("\xff\xfe{\0}\0"), "not valid UTF-8"},
        {BYTES("{\"kind\": \"process\", \"kind\": \"oneshot\"}"), "duplicate member"},
        {BYTES("{\"kind\": \"pro\xe2\x80\xae\"}"), "pro\\xe2\\x80\\xae"},
        {BYTES("{\"kind\": \"process\", \"config\": 1e999}"), "out of range"},
        {BYTES("{\"kind\": \"process\", \"config\": []}"), "config: expected"},
        {BYTES("{\"kind\": \"process\", \"enabled\": \"yes\"}"), "enabled: expected"},
        {BYTES("{\"kind\": \"process\", \"labels\": {\"a\": 1}}"), "labels"},
        {BYTES("{\"kind\": \"process\", \"x\\n\": 1}"), "unknown member"},
};

static void set_up_files(Hostile *hostile, const void *unused)
{
    daemon_fixture_set_up(&hostile->daemon, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path =
                g_strdup_printf("%s/file-%zu.json", hostile->daemon.services_dir, i);

        g_assert_true(g_file_set_contents(path, files[i].bytes, (gssize)files[i].length, NULL));
    }
    daemon_fixture_start(
            &hostile->daemon,
            daemon_fixture_option(&hostile->daemon, "services-dir", hostile->daemon.services_dir),
            NULL);
}

static void test_files(Hostile *hostile, const void *unused)
{
    Client *client = hostile->daemon.client;

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *id = g_strdup_printf("file-%zu", i);
        g_autofree char *path = client_service_path(id);
        g_autofree char *state = client_get_string(client, path, CLIENT_SERVICE, "State");
        g_autofree char *error = client_get_string(client, path, CLIENT_SERVICE, "Error");

        g_assert_cmpstr(state, ==, "failed");
        g_assert_nonnull(strstr(error, ".json: "));
        assert_clear(error, files[i].expected);
    }
    g_assert_cmpuint(client_get_unsigned(client, CLIENT_ROOT, CLIENT_MANAGER, "NFailed"), ==,
                     G_N_ELEMENTS(files));
}

#define ADD(path, function)                                                                        \
    g_test_add("/hostile-config/" path, Hostile, NULL, hostile_set_up, function, hostile_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("documents", test_documents);
    ADD("size", test_size);
    ADD("dear", test_dear);
    ADD("odd-but-right", test_odd_but_right);
    g_test_add("/hostile-config/files", Hostile, NULL, set_up_files, test_files, hostile_tear_down);
    return g_test_run();
}
