/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process/notify.h"

#include <glib.h>
#include <string.h>

typedef struct NotifyRow {
    const char *text;
    NotifyMessage expected;
} NotifyRow;

static const NotifyRow rows[] = {
        {"READY=1", {.ready = true}},
        {"READY=1\n", {.ready = true}},
        {"READY=0", {0}},
        {"READY=11", {0}},
        {"READY= 1", {0}},
        {"ready=1", {0}},
        {"XREADY=1", {0}},
        {"READY", {0}},
        {"\n\n\n", {0}},
        {"=", {0}},
        {"STOPPING=1", {.stopping = true}},
        {"STATUS=Working", {.has_status = true, .status = "Working"}},
        {"STATUS=", {.has_status = true}},
        {"STATUS=a=b", {.has_status = true, .status = "a=b"}},
        {"STATUS=one\nSTATUS=two", {.has_status = true, .status = "two"}},
        {"STATUS=\xff\xfe", {0}},
        {"STATUS=ok\nSTATUS=\xc3", {.has_status = true, .status = "ok"}},
        {"ERRNO=5", {.has_errno = true, .errno_value = 5}},
        {"ERRNO=0", {.has_errno = true}},
        {"ERRNO=-5", {0}},
        {"ERRNO=4096", {0}},
        {"ERRNO=99999999999999999999", {0}},
        {"MAINPID=123", {.main_pid = 123}},
        {"MAINPID=0", {0}},
        {"MAINPID=-1", {0}},
        {"MAINPID=2147483648", {0}},
        {"MAINPID=0x10", {0}},
        {"MAINPID=", {0}},
        {"UNKNOWN=1\nREADY=1\nWATCHDOG=1", {.ready = true}},
        {"READY=1\nSTATUS=up\nMAINPID=7\nERRNO=2\nSTOPPING=1",
         {.ready = true,
          .stopping = true,
          .has_status = true,
          .status = "up",
          .has_errno = true,
          .errno_value = 2,
          .main_pid = 7}},
};

static void test_table(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const NotifyMessage *expected = &rows[i].expected;
        NotifyMessage message;

        g_test_message("row %zu", i);
        g_assert_true(notify_message_parse(rows[i].text, strlen(rows[i].text), &message));
        g_assert_true(message.ready == expected->ready);
        g_assert_true(message.stopping == expected->stopping);
        g_assert_true(message.has_status == expected->has_status);
        g_assert_cmpstr(message.status, ==, expected->status);
        g_assert_true(message.has_errno == expected->has_errno);
        g_assert_cmpint(message.errno_value, ==, expected->errno_value);
        g_assert_cmpint(message.main_pid, ==, expected->main_pid);
    }
}

static void test_refused(void)
{
    static const char embedded[] = "READY=1\0\nSTATUS=x";
    g_autofree char *large = g_strnfill(NOTIFY_MAX_BYTES + 1, 'x');
    NotifyMessage message = {.errno_value = 77};

    g_assert_false(notify_message_parse("", 0, &message));
    g_assert_false(notify_message_parse(embedded, sizeof embedded - 1, &message));
    g_assert_false(notify_message_parse(large, NOTIFY_MAX_BYTES + 1, &message));
    g_assert_cmpint(message.errno_value, ==, 77);
    g_assert_true(notify_message_parse(large, NOTIFY_MAX_BYTES, &message));
    g_assert_true(notify_message_parse("READY=1\0", 8, &message)); /* one at the end */
    g_assert_true(message.ready);
}

/* 511 bytes of "x" and then characters of three bytes: cut before the one that does not fit. */
static void test_status_cut(void)
{
    g_autoptr(GString) text = g_string_new("STATUS=");
    NotifyMessage message;

    for (int i = 0; i < NOTIFY_STATUS_MAX_BYTES - 1; i++)
        g_string_append_c(text, 'x');
    g_string_append(text, "\xe2\x82\xac\xe2\x82\xac");
    g_assert_true(notify_message_parse(text->str, text->len, &message));
    g_assert_cmpuint(strlen(message.status), ==, NOTIFY_STATUS_MAX_BYTES - 1);
    g_assert_true(g_utf8_validate(message.status, -1, NULL));

    g_string_truncate(text, strlen("STATUS=") + NOTIFY_STATUS_MAX_BYTES - 1);
    g_string_append(text, "yz");
    g_assert_true(notify_message_parse(text->str, text->len, &message));
    g_assert_cmpuint(strlen(message.status), ==, NOTIFY_STATUS_MAX_BYTES);
    g_assert_true(g_str_has_suffix(message.status, "xy"));
}

/* Whatever the bytes, it returns, and a status is valid. */
static void test_random(void)
{
    static const char *const words[] = {"READY=", "STATUS=", "MAINPID=", "ERRNO=", "\n",
                                        "1",      "\xc3",    "=",        "999999", "\xa4"};

    for (int i = 0; i < 20000; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        NotifyMessage message;

        for (int n = g_test_rand_int_range(1, 20); n > 0; n--)
            g_string_append(text, words[g_test_rand_int_range(0, G_N_ELEMENTS(words))]);
        g_assert_true(notify_message_parse(text->str, text->len, &message));
        g_assert_true(g_utf8_validate(message.status, -1, NULL));
        g_assert_cmpint(message.main_pid, >=, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/notify/parse/table", test_table);
    g_test_add_func("/notify/parse/refused", test_refused);
    g_test_add_func("/notify/parse/status-cut", test_status_cut);
    g_test_add_func("/notify/parse/random", test_random);
    return g_test_run();
}
