/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The method GetFailureReport: a document of JSON in a file that nobody can change any more. */

#include "client.h"
#include "value.h"

/* The command failure-report. */
Outcome failure_report_run(Client *client, char **arguments);

/* As call_async(). */
Outcome failure_report_ask(Client *client, const char *id, sd_bus_message_handler_t on_reply,
                           void *data);
/* The document of a reply that is no error. NULL: it is none. */
json_t *failure_report_take(sd_bus_message *reply);
