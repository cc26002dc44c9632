/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a program says of itself, by the protocol of sd_notify(3): one datagram holds lines of
 * NAME=value. Parsing is pure; the datagram is hostile until proven otherwise. */

#include "base/enum-table.h"
#include "process/fd-store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NOTIFY_MAX_BYTES 4096
#define NOTIFY_STATUS_MAX_BYTES 512

/* More would keep a service from ever being ended; to be said again is enough. */
#define NOTIFY_EXTEND_MAX_USEC (24 * 60 * 60 * UINT64_C(1000000))

typedef enum NotifyWatchdog {
    NOTIFY_WATCHDOG_UNSAID,
    NOTIFY_WATCHDOG_ALIVE,   /* WATCHDOG=1 */
    NOTIFY_WATCHDOG_TRIGGER, /* WATCHDOG=trigger: it knows itself that it has failed */
    _NOTIFY_WATCHDOG_MAX,
} NotifyWatchdog;

/* Whose messages count from now on (NOTIFYACCESS=). */
typedef enum NotifyAccess {
    NOTIFY_ACCESS_NONE,
    NOTIFY_ACCESS_ALL,  /* of its cgroup, or its tree of processes: as it begins */
    NOTIFY_ACCESS_EXEC, /* the main process, and the programs of reload_exec and stop_exec */
    NOTIFY_ACCESS_MAIN,
    _NOTIFY_ACCESS_MAX,
    _NOTIFY_ACCESS_INVALID = -22,
} NotifyAccess;
ENUM_TABLE_DECLARE(NotifyAccess, notify_access); /* "none", "all", "exec", "main" */

typedef struct NotifyMessage {
    bool ready;
    bool stopping;
    bool reloading;
    bool has_monotonic; /* MONOTONIC_USEC, which goes with RELOADING=1 */
    bool has_status;
    bool has_errno;
    bool has_watchdog_usec;
    bool has_access;
    bool barrier; /* BARRIER=1: closing the descriptor that came along is the answer */
    bool fd_store;
    bool fd_store_remove;
    bool fd_unwatched; /* FDPOLL=0 */
    NotifyWatchdog watchdog;
    NotifyAccess access;
    int errno_value;
    pid_t main_pid; /* 0: not said */
    uint64_t monotonic_usec;
    uint64_t watchdog_usec;            /* 0: off */
    uint64_t extend_timeout_usec;      /* 0: not said; at most NOTIFY_EXTEND_MAX_USEC */
    char fd_name[FD_STORE_NAME_BYTES]; /* "": not said, or not valid */
    char status[NOTIFY_STATUS_MAX_BYTES + 1];
} NotifyMessage;

/* False (and *ret_message untouched) for a datagram that is empty, longer than NOTIFY_MAX_BYTES, or
 * holds a NUL byte other than one at its end. Lines that are unknown or malformed are ignored, the
 * last of equal ones counts. A status is valid UTF-8, cut to NOTIFY_STATUS_MAX_BYTES between two
 * characters. */
bool notify_message_parse(const char *data, size_t length, NotifyMessage *ret_message);
