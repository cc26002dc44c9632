/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that answer by their exit status: is-active, is-failed. */

#include "call.h"
#include "command.h"
#include "select.h"

#include <string.h>

typedef struct Ask {
    const char *states[3];
    Outcome no;   /* the outcome of one that is in none of them */
    bool any_yes; /* one yes is enough, else all must be */
} Ask;

static bool ask_is_yes(const Ask *ask, const char *state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ask->states) && ask->states[i] != NULL; i++) {
        if (g_str_equal(ask->states[i], state))
            return true;
    }
    return false;
}

static json_t *ask_find(json_t *services, const char *id)
{
    size_t index;
    json_t *service;

    json_array_foreach(services, index, service)
    {
        if (g_str_equal(value_string(service, "Id"), id))
            return service;
    }
    return NULL;
}

static Outcome ask_judge(Client *client, const Ask *ask, char **ids, json_t *services)
{
    Outcome outcome = OUTCOME_DONE;
    bool has_yes = false;
    bool has_missing = false;

    for (; *ids != NULL; ids++) {
        json_t *service = ask_find(services, *ids);
        Outcome one = OUTCOME_DONE;

        if (service == NULL) {
            one = client_fail(OUTCOME_NO_SERVICE, "no service '%s' (see: svcmgr list)", *ids);
            has_missing = true;
        } else if (ask_is_yes(ask, value_string(service, "State"))) {
            has_yes = true;
        } else {
            one = ask->no;
        }
        outcome = outcome_join(outcome, one);
        if (service != NULL && client->output.json != JSON_MODE_NONE)
            output_json_element(&client->output, json_incref(service));
        if (service != NULL)
            output_say(&client->output, "%s", value_string(service, "State"));
    }
    output_json_finish(&client->output);
    if (has_missing)
        return OUTCOME_NO_SERVICE;
    return ask->any_yes && has_yes ? OUTCOME_DONE : outcome;
}

static Outcome ask_run(Client *client, const Ask *ask, char **arguments)
{
    static const char *const fields[] = {"Id", "State", NULL};
    g_auto(GStrv) ids = NULL;
    g_autoptr(json_t) services = NULL;
    Outcome outcome = select_ids(client, arguments, &ids);

    if (outcome != OUTCOME_DONE)
        return outcome;
    Selection selection = {.ids = ids, .fields = fields};
    outcome = select_list(client, &selection, &services);
    return outcome == OUTCOME_DONE ? ask_judge(client, ask, ids, services) : outcome;
}

static Outcome ask_is_active(Client *client, char **arguments)
{
    static const Ask is_active = {.states = {"active", "reloading"}, .no = OUTCOME_NOT_ACTIVE};

    return ask_run(client, &is_active, arguments);
}

static Outcome ask_is_failed(Client *client, char **arguments)
{
    static const Ask is_failed = {.states = {"failed"}, .no = OUTCOME_FAILED, .any_yes = true};

    return ask_run(client, &is_failed, arguments);
}

const Command ask_commands[] = {
        {"is-active", "ID|PATTERN...", "Whether services are active",
         "Exit status 0 if all of them are active, 3 if one is not, 4 if there is no such service.",
         "svcmgr -q is-active web || svcmgr start web", 1, COMMAND_ANY, NULL, ask_is_active},
        {"is-failed", "ID|PATTERN...", "Whether services have failed",
         "Exit status 0 if any of them has failed, 1 if none has, 4 if there is no such service.",
         "svcmgr -q is-failed web && svcmgr status web", 1, COMMAND_ANY, NULL, ask_is_failed},
        {NULL},
};
