/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row per name, in a table: some names only say "1", the others have a reader. A reader leaves
 * the message alone when the value is not what it should be: a program that says nonsense has said
 * nothing. */

#include "process/notify.h"

#include "base/clock.h"
#include "base/parse.h"

#include <glib.h>
#include <string.h>

#define NOTIFY_ERRNO_MAX 4095

static const char *const notify_access_names[] = {
        [NOTIFY_ACCESS_NONE] = "none",
        [NOTIFY_ACCESS_ALL] = "all",
        [NOTIFY_ACCESS_EXEC] = "exec",
        [NOTIFY_ACCESS_MAIN] = "main",
};
G_STATIC_ASSERT(G_N_ELEMENTS(notify_access_names) == _NOTIFY_ACCESS_MAX);
ENUM_TABLE_DEFINE(NotifyAccess, notify_access, notify_access_names)

typedef struct NotifyField {
    const char *name;
    void (*read)(NotifyMessage *message, const char *value); /* NULL: "1" sets the flag */
    size_t flag;                                             /* its place in the message */
} NotifyField;

static void notify_read_status(NotifyMessage *message, const char *value)
{
    const char *end;
    size_t length = strlen(value);

    if (!g_utf8_validate(value, (gssize)length, NULL))
        return;
    if (length > NOTIFY_STATUS_MAX_BYTES) {
        /* What is valid of the first bytes ends between two characters. */
        (void)g_utf8_validate(value, NOTIFY_STATUS_MAX_BYTES, &end);
        length = (size_t)(end - value);
    }
    memcpy(message->status, value, length);
    message->status[length] = '\0';
    message->has_status = true;
}

static void notify_read_errno(NotifyMessage *message, const char *value)
{
    uint64_t number;

    if (!parse_unsigned(value, 0, NOTIFY_ERRNO_MAX, &number, NULL))
        return;
    message->errno_value = (int)number;
    message->has_errno = true;
}

static void notify_read_main_pid(NotifyMessage *message, const char *value)
{
    uint64_t number;

    if (parse_unsigned(value, 1, INT32_MAX, &number, NULL))
        message->main_pid = (pid_t)number;
}

/* The clock is never 0, and never says "never". */
static void notify_read_monotonic(NotifyMessage *message, const char *value)
{
    if (parse_unsigned(value, 1, USEC_INFINITY - 1, &message->monotonic_usec, NULL))
        message->has_monotonic = true;
}

static void notify_read_watchdog(NotifyMessage *message, const char *value)
{
    if (g_str_equal(value, "1"))
        message->watchdog = NOTIFY_WATCHDOG_ALIVE;
    if (g_str_equal(value, "trigger"))
        message->watchdog = NOTIFY_WATCHDOG_TRIGGER;
}

/* Never is as good as off. */
static void notify_read_watchdog_usec(NotifyMessage *message, const char *value)
{
    uint64_t usec;

    if (!parse_unsigned(value, 0, USEC_INFINITY, &usec, NULL))
        return;
    message->watchdog_usec = usec == USEC_INFINITY ? 0 : usec;
    message->has_watchdog_usec = true;
}

static void notify_read_extend(NotifyMessage *message, const char *value)
{
    uint64_t usec;

    if (parse_unsigned(value, 1, USEC_INFINITY, &usec, NULL))
        message->extend_timeout_usec = MIN(usec, NOTIFY_EXTEND_MAX_USEC);
}

static void notify_read_access(NotifyMessage *message, const char *value)
{
    NotifyAccess access = notify_access_from_string(value);

    if (access == _NOTIFY_ACCESS_INVALID)
        return;
    message->access = access;
    message->has_access = true;
}

static void notify_read_fd_name(NotifyMessage *message, const char *value)
{
    if (fd_store_name_is_valid(value))
        (void)g_strlcpy(message->fd_name, value, sizeof message->fd_name); /* it fits */
}

static void notify_read_fd_poll(NotifyMessage *message, const char *value)
{
    if (g_str_equal(value, "0") || g_str_equal(value, "1"))
        message->fd_unwatched = value[0] == '0';
}

#define NOTIFY_FLAG(member) NULL, offsetof(NotifyMessage, member)

static const NotifyField notify_fields[] = {
        {"READY", NOTIFY_FLAG(ready)},
        {"STOPPING", NOTIFY_FLAG(stopping)},
        {"RELOADING", NOTIFY_FLAG(reloading)},
        {"MONOTONIC_USEC", notify_read_monotonic, 0},
        {"STATUS", notify_read_status, 0},
        {"ERRNO", notify_read_errno, 0},
        {"MAINPID", notify_read_main_pid, 0},
        {"WATCHDOG", notify_read_watchdog, 0},
        {"WATCHDOG_USEC", notify_read_watchdog_usec, 0},
        {"EXTEND_TIMEOUT_USEC", notify_read_extend, 0},
        {"NOTIFYACCESS", notify_read_access, 0},
        {"BARRIER", NOTIFY_FLAG(barrier)},
        {"FDSTORE", NOTIFY_FLAG(fd_store)},
        {"FDSTOREREMOVE", NOTIFY_FLAG(fd_store_remove)},
        {"FDNAME", notify_read_fd_name, 0},
        {"FDPOLL", notify_read_fd_poll, 0},
};

static void notify_read_flag(NotifyMessage *message, const NotifyField *field, const char *value)
{
    if (g_str_equal(value, "1"))
        *(bool *)((char *)message + field->flag) = true;
}

static void notify_read_field(NotifyMessage *message, const NotifyField *field, const char *value)
{
    if (field->read == NULL)
        notify_read_flag(message, field, value);
    else
        field->read(message, value);
}

static void notify_read_line(NotifyMessage *message, char *line)
{
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return;
    *equals = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(notify_fields); i++) {
        if (g_str_equal(notify_fields[i].name, line))
            notify_read_field(message, &notify_fields[i], equals + 1);
    }
}

bool notify_message_parse(const char *data, size_t length, NotifyMessage *ret_message)
{
    NotifyMessage message = {0};
    char text[NOTIFY_MAX_BYTES + 1];

    if (length == 0 || length > NOTIFY_MAX_BYTES || memchr(data, '\0', length - 1) != NULL)
        return false;
    memcpy(text, data, length);
    text[length] = '\0';

    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        notify_read_line(&message, line);
    *ret_message = message;
    return true;
}
