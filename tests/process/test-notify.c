/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process/notify.h"

#include <glib.h>
#include <string.h>

typedef struct NotifyRow {
    const char *text;
    NotifyMessage expected;
} NotifyRow;

/* For each name: what is good, what is nonsense, what is too much, what is said twice. */
static const NotifyRow rows[] = {
        {"READY=1", {.ready = true}},
        {"READY=1\n", {.ready = true}},
        {"READY=1\nREADY=0", {.ready = true}}, /* "0" has never meant anything */
        {"READY=0", {0}},
        {"READY=11", {0}},
        {"READY= 1", {0}},
        {"READY=1\r", {0}},
        {"READY=true", {0}},
        {"READY=", {0}},
        {"ready=1", {0}},
        {"XREADY=1", {0}},
        {" READY=1", {0}},
        {"READY =1", {0}},
        {"READY", {0}},
        {"\n\n\n", {0}},
        {"=", {0}},
        {"=1", {0}},
        {"UNKNOWN=1\nREADY=1\nX_OWN=2", {.ready = true}},
        {"STOPPING=1", {.stopping = true}},
        {"STOPPING=2", {0}},
        {"RELOADING=1", {.reloading = true}},
        {"RELOADING=1\nMONOTONIC_USEC=12345",
         {.reloading = true, .has_monotonic = true, .monotonic_usec = 12345}},
        {"RELOADING=yes", {0}},
        {"MONOTONIC_USEC=1\nMONOTONIC_USEC=2", {.has_monotonic = true, .monotonic_usec = 2}},
        {"MONOTONIC_USEC=18446744073709551614",
         {.has_monotonic = true, .monotonic_usec = UINT64_MAX - 1}},
        {"MONOTONIC_USEC=18446744073709551615", {0}},
        {"MONOTONIC_USEC=0", {0}},
        {"MONOTONIC_USEC=-1", {0}},
        {"MONOTONIC_USEC=1.5", {0}},
        {"STATUS=Working", {.has_status = true, .status = "Working"}},
        {"STATUS=", {.has_status = true}},
        {"STATUS=a=b", {.has_status = true, .status = "a=b"}},
        {"STATUS=one\nSTATUS=two", {.has_status = true, .status = "two"}},
        {"STATUS=longer\nSTATUS=one", {.has_status = true, .status = "one"}},
        {"STATUS=\xff\xfe", {0}},
        {"STATUS=ok\nSTATUS=\xc3", {.has_status = true, .status = "ok"}},
        {"ERRNO=5", {.has_errno = true, .errno_value = 5}},
        {"ERRNO=5\nERRNO=6\nERRNO=x", {.has_errno = true, .errno_value = 6}},
        {"ERRNO=0", {.has_errno = true}},
        {"ERRNO=4095", {.has_errno = true, .errno_value = 4095}},
        {"ERRNO=-5", {0}},
        {"ERRNO=4096", {0}},
        {"ERRNO=99999999999999999999", {0}},
        {"MAINPID=123", {.main_pid = 123}},
        {"MAINPID=2147483647", {.main_pid = INT32_MAX}},
        {"MAINPID=0", {0}},
        {"MAINPID=-1", {0}},
        {"MAINPID=2147483648", {0}},
        {"MAINPID=0x10", {0}},
        {"MAINPID=", {0}},
        {"WATCHDOG=1", {.watchdog = NOTIFY_WATCHDOG_ALIVE}},
        {"WATCHDOG=trigger", {.watchdog = NOTIFY_WATCHDOG_TRIGGER}},
        {"WATCHDOG=1\nWATCHDOG=trigger", {.watchdog = NOTIFY_WATCHDOG_TRIGGER}},
        {"WATCHDOG=trigger\nWATCHDOG=1", {.watchdog = NOTIFY_WATCHDOG_ALIVE}},
        {"WATCHDOG=trigger\nWATCHDOG=0", {.watchdog = NOTIFY_WATCHDOG_TRIGGER}},
        {"WATCHDOG=0", {0}},
        {"WATCHDOG=Trigger", {0}},
        {"WATCHDOG_USEC=20000000", {.has_watchdog_usec = true, .watchdog_usec = 20000000}},
        {"WATCHDOG_USEC=0", {.has_watchdog_usec = true}},
        {"WATCHDOG_USEC=7\nWATCHDOG_USEC=0", {.has_watchdog_usec = true}},
        {"WATCHDOG_USEC=18446744073709551615", {.has_watchdog_usec = true}},
        {"WATCHDOG_USEC=18446744073709551616", {0}},
        {"WATCHDOG_USEC=1s", {0}},
        {"WATCHDOG_USEC=-1", {0}},
        {"EXTEND_TIMEOUT_USEC=5000000", {.extend_timeout_usec = 5000000}},
        {"EXTEND_TIMEOUT_USEC=86400000000", {.extend_timeout_usec = NOTIFY_EXTEND_MAX_USEC}},
        {"EXTEND_TIMEOUT_USEC=86400000001", {.extend_timeout_usec = NOTIFY_EXTEND_MAX_USEC}},
        {"EXTEND_TIMEOUT_USEC=18446744073709551615",
         {.extend_timeout_usec = NOTIFY_EXTEND_MAX_USEC}},
        {"EXTEND_TIMEOUT_USEC=18446744073709551616", {0}},
        {"EXTEND_TIMEOUT_USEC=0", {0}},
        {"EXTEND_TIMEOUT_USEC=5s", {0}},
        {"NOTIFYACCESS=none", {.has_access = true, .access = NOTIFY_ACCESS_NONE}},
        {"NOTIFYACCESS=all", {.has_access = true, .access = NOTIFY_ACCESS_ALL}},
        {"NOTIFYACCESS=exec", {.has_access = true, .access = NOTIFY_ACCESS_EXEC}},
        {"NOTIFYACCESS=main", {.has_access = true, .access = NOTIFY_ACCESS_MAIN}},
        {"NOTIFYACCESS=main\nNOTIFYACCESS=everybody",
         {.has_access = true, .access = NOTIFY_ACCESS_MAIN}},
        {"NOTIFYACCESS=Main", {0}},
        {"NOTIFYACCESS=", {0}},
        {"BARRIER=1", {.barrier = true}},
        {"BARRIER=0", {0}},
        {"FDSTORE=1", {.fd_store = true}},
        {"FDSTORE=2", {0}},
        {"FDSTORE=1\nFDNAME=socket", {.fd_store = true, .fd_name = "socket"}},
        {"FDNAME=socket\nFDSTORE=1\nFDNAME=a:b", {.fd_store = true, .fd_name = "socket"}},
        {"FDNAME=one\nFDNAME=two", {.fd_name = "two"}},
        {"FDNAME=with space", {.fd_name = "with space"}},
        {"FDNAME=", {0}},
        {"FDNAME=a\tb", {0}},
        {"FDNAME=a\x7f", {0}},
        {"FDNAME=caf\xc3\xa9", {0}},
        {"FDSTOREREMOVE=1\nFDNAME=x", {.fd_store_remove = true, .fd_name = "x"}},
        {"FDSTOREREMOVE=0", {0}},
        {"FDSTORE=1\nFDPOLL=0", {.fd_store = true, .fd_unwatched = true}},
        {"FDPOLL=1", {0}},
        {"FDPOLL=0\nFDPOLL=1", {0}},
        {"FDPOLL=0\nFDPOLL=2", {.fd_unwatched = true}},
        {"READY=1\nSTATUS=up\nMAINPID=7\nERRNO=2\nSTOPPING=1\nWATCHDOG=1",
         {.ready = true,
          .stopping = true,
          .has_status = true,
          .status = "up",
          .has_errno = true,
          .errno_value = 2,
          .main_pid = 7,
          .watchdog = NOTIFY_WATCHDOG_ALIVE}},
};

static void assert_same_flags(const NotifyMessage *a, const NotifyMessage *b)
{
    g_assert_true(a->ready == b->ready);
    g_assert_true(a->stopping == b->stopping);
    g_assert_true(a->reloading == b->reloading);
    g_assert_true(a->barrier == b->barrier);
    g_assert_true(a->fd_store == b->fd_store);
    g_assert_true(a->fd_store_remove == b->fd_store_remove);
    g_assert_true(a->fd_unwatched == b->fd_unwatched);
    g_assert_true(a->has_monotonic == b->has_monotonic);
    g_assert_true(a->has_status == b->has_status);
    g_assert_true(a->has_errno == b->has_errno);
    g_assert_true(a->has_watchdog_usec == b->has_watchdog_usec);
    g_assert_true(a->has_access == b->has_access);
}

static void assert_same(const NotifyMessage *a, const NotifyMessage *b)
{
    assert_same_flags(a, b);
    g_assert_cmpint(a->watchdog, ==, b->watchdog);
    g_assert_cmpint(a->access, ==, b->access);
    g_assert_cmpint(a->errno_value, ==, b->errno_value);
    g_assert_cmpint(a->main_pid, ==, b->main_pid);
    g_assert_cmpuint(a->monotonic_usec, ==, b->monotonic_usec);
    g_assert_cmpuint(a->watchdog_usec, ==, b->watchdog_usec);
    g_assert_cmpuint(a->extend_timeout_usec, ==, b->extend_timeout_usec);
    g_assert_cmpstr(a->fd_name, ==, b->fd_name);
    g_assert_cmpstr(a->status, ==, b->status);
}

/* Exactly its bytes, so that a sanitizer sees who reads one more. */
static bool parse(const char *text, size_t length, NotifyMessage *ret_message)
{
    g_autofree char *bytes = g_memdup2(text, length);

    return notify_message_parse(bytes, length, ret_message);
}

static void test_table(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        NotifyMessage message;

        g_test_message("row %zu", i);
        g_assert_true(parse(rows[i].text, strlen(rows[i].text), &message));
        assert_same(&message, &rows[i].expected);
    }
}

/* The rows in one datagram are what they are with a newline or a NUL at the end. */
static void test_ends(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *line = g_strconcat(rows[i].text, "\n", NULL);
        NotifyMessage message;

        g_assert_true(parse(line, strlen(line), &message));
        assert_same(&message, &rows[i].expected);
        g_assert_true(parse(rows[i].text, strlen(rows[i].text) + 1, &message));
        assert_same(&message, &rows[i].expected);
    }
}

static void test_refused(void)
{
    static const char embedded[] = "READY=1\0\nSTATUS=x";
    g_autofree char *large = g_strnfill(NOTIFY_MAX_BYTES + 1, 'x');
    NotifyMessage message = {.errno_value = 77};

    g_assert_false(parse("", 0, &message));
    g_assert_false(parse(embedded, sizeof embedded - 1, &message));
    g_assert_false(parse("READY=1\0\0", 9, &message)); /* two at the end */
    g_assert_false(parse(large, NOTIFY_MAX_BYTES + 1, &message));
    g_assert_cmpint(message.errno_value, ==, 77);
    memcpy(large + NOTIFY_MAX_BYTES - 8, "\nERRNO=9", 8);
    g_assert_true(parse(large, NOTIFY_MAX_BYTES, &message));
    g_assert_cmpint(message.errno_value, ==, 9);
    g_assert_true(parse("\0", 1, &message));
    g_assert_false(message.has_errno);
}

/* 511 bytes of "x" and then characters of three bytes: cut before the one that does not fit. */
static void test_status_cut(void)
{
    g_autoptr(GString) text = g_string_new("STATUS=");
    NotifyMessage message;

    for (int i = 0; i < NOTIFY_STATUS_MAX_BYTES - 1; i++)
        g_string_append_c(text, 'x');
    g_string_append(text, "\xe2\x82\xac\xe2\x82\xac");
    g_assert_true(parse(text->str, text->len, &message));
    g_assert_cmpuint(strlen(message.status), ==, NOTIFY_STATUS_MAX_BYTES - 1);
    g_assert_true(g_utf8_validate(message.status, -1, NULL));

    g_string_truncate(text, strlen("STATUS=") + NOTIFY_STATUS_MAX_BYTES - 1);
    g_string_append(text, "yz");
    g_assert_true(parse(text->str, text->len, &message));
    g_assert_cmpuint(strlen(message.status), ==, NOTIFY_STATUS_MAX_BYTES);
    g_assert_true(g_str_has_suffix(message.status, "xy"));
}

/* A name that is too long is none, and not the beginning of one. */
static void test_fd_name_length(void)
{
    g_autofree char *name = g_strnfill(FD_STORE_NAME_BYTES, 'n');
    g_autofree char *text = g_strconcat("FDNAME=", name, NULL);
    NotifyMessage message;

    g_assert_true(parse(text, strlen(text), &message));
    g_assert_cmpstr(message.fd_name, ==, "");
    g_assert_true(parse(text, strlen(text) - 1, &message));
    g_assert_cmpstr(message.fd_name, ==, name + 1);
}

static void test_access_names(void)
{
    for (NotifyAccess i = 0; i < _NOTIFY_ACCESS_MAX; i++)
        g_assert_cmpint(notify_access_from_string(notify_access_to_string(i)), ==, i);
    g_assert_cmpint(notify_access_from_string("everybody"), ==, _NOTIFY_ACCESS_INVALID);
    g_assert_cmpint(notify_access_from_string(""), ==, _NOTIFY_ACCESS_INVALID);
    g_assert_cmpint(notify_access_from_string(NULL), ==, _NOTIFY_ACCESS_INVALID);
}

/* Whatever the bytes, it returns, and a status is valid. */
static void test_random(void)
{
    static const char *const words[] = {"READY=", "STATUS=", "MAINPID=", "ERRNO=", "\n",
                                        "1",      "\xc3",    "=",        "999999", "\xa4",
                                        "FDNAME", "_USEC",   "WATCHDOG", "trigger"};

    for (int i = 0; i < 20000; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        NotifyMessage message;

        for (int n = g_test_rand_int_range(1, 20); n > 0; n--)
            g_string_append(text, words[g_test_rand_int_range(0, G_N_ELEMENTS(words))]);
        g_assert_true(parse(text->str, text->len, &message));
        g_assert_true(g_utf8_validate(message.status, -1, NULL));
        g_assert_cmpint(message.main_pid, >=, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/notify/parse/table", test_table);
    g_test_add_func("/notify/parse/ends", test_ends);
    g_test_add_func("/notify/parse/refused", test_refused);
    g_test_add_func("/notify/parse/status-cut", test_status_cut);
    g_test_add_func("/notify/parse/fd-name-length", test_fd_name_length);
    g_test_add_func("/notify/parse/random", test_random);
    g_test_add_func("/notify/access-names", test_access_names);
    return g_test_run();
}
