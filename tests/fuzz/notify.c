/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams of sd_notify(3). What was understood is said anew, and must be understood the same. */

#include "process/notify.h"

#include "fuzz.h"

#include <inttypes.h>
#include <string.h>

static void notify_assert_sane(const NotifyMessage *message)
{
    g_assert_cmpuint(strlen(message->status), <=, NOTIFY_STATUS_MAX_BYTES);
    g_assert_true(g_utf8_validate(message->status, -1, NULL));
    g_assert_null(strchr(message->status, '\n'));
    g_assert_cmpint(message->errno_value, >=, 0);
    g_assert_cmpint(message->main_pid, >=, 0);
    g_assert_cmpuint(message->watchdog, <, _NOTIFY_WATCHDOG_MAX);
    g_assert_cmpint(message->access, >=, 0);
    g_assert_cmpint(message->access, <, _NOTIFY_ACCESS_MAX);
    g_assert_cmpuint(message->extend_timeout_usec, <=, NOTIFY_EXTEND_MAX_USEC);
    g_assert_true(message->fd_name[0] == '\0' || fd_store_name_is_valid(message->fd_name));
    g_assert_true(message->has_status || message->status[0] == '\0');
    g_assert_true(message->has_errno || message->errno_value == 0);
    g_assert_true(message->has_monotonic == (message->monotonic_usec != 0));
    g_assert_true(message->has_watchdog_usec || message->watchdog_usec == 0);
    g_assert_true(message->has_access || message->access == NOTIFY_ACCESS_NONE);
}

static void notify_print_flags(const NotifyMessage *message, GString *text)
{
    const struct {
        const char *line;
        bool said;
    } flags[] = {
            {"READY=1\n", message->ready},
            {"STOPPING=1\n", message->stopping},
            {"RELOADING=1\n", message->reloading},
            {"BARRIER=1\n", message->barrier},
            {"FDSTORE=1\n", message->fd_store},
            {"FDSTOREREMOVE=1\n", message->fd_store_remove},
            {"FDPOLL=0\n", message->fd_unwatched},
            {"WATCHDOG=1\n", message->watchdog == NOTIFY_WATCHDOG_ALIVE},
            {"WATCHDOG=trigger\n", message->watchdog == NOTIFY_WATCHDOG_TRIGGER},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
        g_string_append(text, flags[i].said ? flags[i].line : "");
}

static void notify_print_number(GString *text, const char *name, bool said, uint64_t number)
{
    if (said)
        g_string_append_printf(text, "%s=%" PRIu64 "\n", name, number);
}

static char *notify_print(const NotifyMessage *message)
{
    GString *text = g_string_new("X_OTHER=1\n");

    notify_print_flags(message, text);
    if (message->has_status)
        g_string_append_printf(text, "STATUS=%s\n", message->status);
    if (message->fd_name[0] != '\0')
        g_string_append_printf(text, "FDNAME=%s\n", message->fd_name);
    if (message->has_access)
        g_string_append_printf(text, "NOTIFYACCESS=%s\n", notify_access_to_string(message->access));
    notify_print_number(text, "ERRNO", message->has_errno, (uint64_t)message->errno_value);
    notify_print_number(text, "MAINPID", message->main_pid != 0, (uint64_t)message->main_pid);
    notify_print_number(text, "MONOTONIC_USEC", message->has_monotonic, message->monotonic_usec);
    notify_print_number(text, "WATCHDOG_USEC", message->has_watchdog_usec, message->watchdog_usec);
    notify_print_number(text, "EXTEND_TIMEOUT_USEC", message->extend_timeout_usec != 0,
                        message->extend_timeout_usec);
    return g_string_free(text, FALSE);
}

static void notify_assert_same(const NotifyMessage *a, const NotifyMessage *b)
{
    g_assert_cmpint(a->ready, ==, b->ready);
    g_assert_cmpint(a->stopping, ==, b->stopping);
    g_assert_cmpint(a->reloading, ==, b->reloading);
    g_assert_cmpint(a->barrier, ==, b->barrier);
    g_assert_cmpint(a->fd_store, ==, b->fd_store);
    g_assert_cmpint(a->fd_store_remove, ==, b->fd_store_remove);
    g_assert_cmpint(a->fd_unwatched, ==, b->fd_unwatched);
    g_assert_cmpint(a->has_monotonic, ==, b->has_monotonic);
    g_assert_cmpint(a->has_status, ==, b->has_status);
    g_assert_cmpint(a->has_errno, ==, b->has_errno);
    g_assert_cmpint(a->has_watchdog_usec, ==, b->has_watchdog_usec);
    g_assert_cmpint(a->has_access, ==, b->has_access);
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
