/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams of sd_notify(3). What was understood is said anew, and must be understood the same. */

#include "process/notify.h"

#include "fuzz.h"

#include <string.h>

static void notify_assert_sane(const NotifyMessage *message)
{
    g_assert_cmpuint(strlen(message->status), <=, NOTIFY_STATUS_MAX_BYTES);
    g_assert_true(g_utf8_validate(message->status, -1, NULL));
    g_assert_null(strchr(message->status, '\n'));
    g_assert_cmpint(message->errno_value, >=, 0);
    g_assert_cmpint(message->main_pid, >=, 0);
    g_assert_true(message->has_status || message->status[0] == '\0');
    g_assert_true(message->has_errno || message->errno_value == 0);
}

static char *notify_print(const NotifyMessage *message)
{
    GString *text = g_string_new("X_OTHER=1\n");

    if (message->ready)
        g_string_append(text, "READY=1\n");
    if (message->stopping)
        g_string_append(text, "STOPPING=1\n");
    if (message->has_status)
        g_string_append_printf(text, "STATUS=%s\n", message->status);
    if (message->has_errno)
        g_string_append_printf(text, "ERRNO=%d\n", message->errno_value);
    if (message->main_pid != 0)
        g_string_append_printf(text, "MAINPID=%d\n", (int)message->main_pid);
    return g_string_free(text, FALSE);
}

static void notify_assert_same(const NotifyMessage *a, const NotifyMessage *b)
{
    g_assert_cmpint(a->ready, ==, b->ready);
    g_assert_cmpint(a->stopping, ==, b->stopping);
    g_assert_cmpint(a->has_status, ==, b->has_status);
    g_assert_cmpstr(a->status, ==, b->status);
    g_assert_cmpint(a->has_errno, ==, b->has_errno);
    g_assert_cmpint(a->errno_value, ==, b->errno_value);
    g_assert_cmpint(a->main_pid, ==, b->main_pid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_text = size > 0 && size <= NOTIFY_MAX_BYTES && memchr(data, '\0', size - 1) == NULL;
    NotifyMessage message, again;

    g_assert_cmpint(notify_message_parse((const char *)data, size, &message), ==, is_text);
    if (!is_text)
        return 0;
    notify_assert_sane(&message);
    g_autofree char *text = notify_print(&message);
    g_assert_true(notify_message_parse(text, strlen(text), &again));
    notify_assert_same(&message, &again);
    return 0;
}
