/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One call about each of many services, side by side, which is done when it is answered. */

#include "client.h"

/* Sends the call about id; see call_async. */
typedef Outcome (*EachSend)(Client *client, const char *id, sd_bus_message_handler_t on_reply,
                            void *reply_data, const void *argument);

typedef struct Each {
    const char *verb; /* for errors: "cannot VERB 'ID'" */
    const char *done; /* "ID: DONE" */
    EachSend send;
    const void *argument; /* for send */
    /* The error of one that is in the way of another: those are tried again when that one is done,
     * as long as any is. NULL: there is no such error. */
    const char *again_error;
} Each;

/* arguments: ids and patterns. */
Outcome each_run(Client *client, const Each *each, char **arguments);
