/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One reader per name, in a table. A reader leaves the message alone when the value is not what it
 * should be: a program that says nonsense has said nothing. */

#include "process/notify.h"

#include "base/parse.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

#define NOTIFY_ERRNO_MAX 4095

typedef struct NotifyField {
    const char *name;
    void (*read)(NotifyMessage *message, const char *value);
} NotifyField;

static void notify_read_ready(NotifyMessage *message, const char *value)
{
    message->ready = message->ready || g_str_equal(value, "1");
}

static void notify_read_stopping(NotifyMessage *message, const char *value)
{
    message->stopping = message->stopping || g_str_equal(value, "1");
}

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

static const NotifyField notify_fields[] = {
        {"READY", notify_read_ready},      {"STOPPING", notify_read_stopping},
        {"STATUS", notify_read_status},    {"ERRNO", notify_read_errno},
        {"MAINPID", notify_read_main_pid},
};

static void notify_read_line(NotifyMessage *message, char *line)
{
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return;
    *equals = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(notify_fields); i++) {
        if (g_str_equal(notify_fields[i].name, line))
            notify_fields[i].read(message, equals + 1);
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
