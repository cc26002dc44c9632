/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All of the document is there when the reply is: reading it waits for nothing. */

#include "failure-report.h"

#include "call.h"

#include <fcntl.h>
#include <unistd.h>

#define FAILURE_REPORT_MAX ((size_t)64 * 1024 * 1024)
#define FAILURE_REPORT_SLICE ((size_t)64 * 1024)

Outcome failure_report_ask(Client *client, const char *id, sd_bus_message_handler_t on_reply,
                           void *data)
{
    CallTarget target = {.id = id, .interface = SERVICE_INTERFACE, .member = "GetFailureReport"};

    return call_async(client, &target, on_reply, data, NULL);
}

json_t *failure_report_take(sd_bus_message *reply)
{
    g_autoptr(GString) text = g_string_new(NULL);
    ssize_t n;
    int fd;

    if (sd_bus_message_read(reply, "h", &fd) < 0)
        return NULL;
    do {
        size_t length = text->len;

        g_string_set_size(text, length + FAILURE_REPORT_SLICE);
        n = pread(fd, text->str + length, FAILURE_REPORT_SLICE, (off_t)length);
        g_string_set_size(text, length + (n > 0 ? (size_t)n : 0));
    } while (n > 0 && text->len <= FAILURE_REPORT_MAX);
    return n == 0 ? json_loadb(text->str, text->len, 0, NULL) : NULL;
}

Outcome failure_report_run(Client *client, char **arguments)
{
    CallSubject subject = {
            .verb = "report on", .id = arguments[0], .not_found = "it has not failed"};
    sd_bus_message *reply = NULL;
    Outcome outcome = call_service(client, &subject, "GetFailureReport", &reply, NULL);

    if (outcome != OUTCOME_DONE)
        return outcome;
    json_t *document = failure_report_take(reply);
    sd_bus_message_unref(reply);
    if (document == NULL)
        return client_fail(OUTCOME_FAILED, "cannot report on '%s': the answer is no document",
                           arguments[0]);
    if (client->output.json == JSON_MODE_NONE)
        client->output.json = JSON_MODE_PRETTY;
    output_json(&client->output, document);
    return OUTCOME_DONE;
}
