/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands about the daemon itself: version; help is in help.c, daemon-reload in
 * reload.c. */

#include "call.h"
#include "command.h"
#include "help.h"
#include "reload.h"

static Outcome daemon_version(Client *client, char **arguments)
{
    CallSubject subject = {.verb = "ask svcmgrd for its version"};
    g_autoptr(json_t) manager = NULL;

    output_say(&client->output, "svcmgr %s", SVCMGR_VERSION);
    Outcome outcome = call_get_all(client, &subject, MANAGER_PATH, &manager);
    if (outcome != OUTCOME_DONE)
        return outcome;
    output_say(&client->output, "svcmgrd %s, instance %s", value_string(manager, "Version"),
               value_string(manager, "InstanceId"));
    if (client->output.json != JSON_MODE_NONE)
        output_json(&client->output, json_pack("{s:s, s:s, s:s}", "ClientVersion", SVCMGR_VERSION,
                                               "Version", value_string(manager, "Version"),
                                               "InstanceId", value_string(manager, "InstanceId")));
    return OUTCOME_DONE;
}

const Command daemon_commands[] = {
        {"daemon-reload", "", "Read the definitions of services anew",
         "Tells which are new, have changed, have gone, or are as they were. New services are not "
         "started;\nwhat has gone is stopped. Exit status 1 if a definition cannot be used.",
         "svcmgr daemon-reload --dry-run", 0, 0, reload_option_entries, reload_run},
        {"version", "", "Show the versions of svcmgr and svcmgrd", NULL, "svcmgr version", 0, 0,
         NULL, daemon_version},
        {"help", "[COMMAND]", "Show the commands, or how to use one", NULL, "svcmgr help create", 0,
         1, NULL, help_run},
        {NULL},
};
