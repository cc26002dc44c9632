/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call, however many services. */

#include "neighbours.h"

#include "call.h"

Outcome neighbours_ask(Client *client, char **ids, bool reverse, json_t **ret_entries)
{
    bool is_one = ids[0] != NULL && ids[1] == NULL;
    CallSubject subject = {.verb = is_one ? "show the dependencies of" : "show the dependencies",
                           .id = is_one ? ids[0] : NULL};
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;
    Outcome outcome = call_manager_new(client, "GetDependencyGraph", &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    (void)sd_bus_message_open_container(call, 'a', "{sv}"); /* cannot fail on a new message */
    if (ids[0] != NULL)
        call_append_option_strv(call, "ids", ids);
    if (reverse && ids[0] != NULL)
        call_append_option(call, "reverse", "b", 1);
    (void)sd_bus_message_close_container(call);
    outcome = call_send(client, &subject, call, &reply);
    sd_bus_message_unref(call);
    if (outcome == OUTCOME_DONE && value_read(reply, ret_entries) < 0)
        outcome =
                client_fail(OUTCOME_FAILED, "cannot show the dependencies: the answer is no list");
    sd_bus_message_unref(reply);
    return outcome;
}
