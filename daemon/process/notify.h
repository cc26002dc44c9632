/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a program says of itself, by the protocol of sd_notify(3): one datagram holds lines of
 * NAME=value. Parsing is pure; the datagram is hostile until proven otherwise. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NOTIFY_MAX_BYTES 4096
#define NOTIFY_STATUS_MAX_BYTES 512

typedef struct NotifyMessage {
    bool ready;
    bool stopping;
    bool has_status;
    bool has_errno;
    int errno_value;
    pid_t main_pid; /* 0: not said */
    char status[NOTIFY_STATUS_MAX_BYTES + 1];
} NotifyMessage;

/* False (and *ret_message untouched) for a datagram that is empty, longer than NOTIFY_MAX_BYTES, or
 * holds a NUL byte other than one at its end. Lines that are unknown or malformed are ignored, the
 * last of equal ones counts. A status is valid UTF-8, cut to NOTIFY_STATUS_MAX_BYTES between two
 * characters. */
bool notify_message_parse(const char *data, size_t length, NotifyMessage *ret_message);
