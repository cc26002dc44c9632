/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The method OpenLog: a pipe from the daemon, in the format "json". */

#include "client.h"

#define LOG_LINES_ALL UINT32_MAX

typedef struct LogQuery {
    uint32_t lines;         /* the last so many; LOG_LINES_ALL */
    uint64_t since_usec;    /* wall clock; 0: whatever is there */
    const char *invocation; /* of one run; NULL: of all */
    bool follow;
} LogQuery;

/* Whether the daemon will let this user read logs: asked before what is only shown where it may be,
 * since each refusal is told in the daemon's log. True also if that cannot be found out. */
bool log_open_is_allowed(Client *client);
/* As call_async(). */
Outcome log_open(Client *client, const char *id, const LogQuery *query,
                 sd_bus_message_handler_t on_reply, void *data);
/* The descriptor of a reply that is no error, the caller's (close-on-exec). Negative errno. */
int log_open_take(sd_bus_message *reply);
